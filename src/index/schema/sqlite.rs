//! The catalogue of SQLite.

use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, raw_sql};

use super::{Applied, Column, Comparison, EngineKind, IndexDefinition, Schema, applied, compared};
use crate::index::{DatabaseConfig, Error, Row, SQLITE_MIGRATIONS};

const OURS: &str = "m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.name <> '_sqlx_migrations'";

pub(super) async fn compare(config: &DatabaseConfig) -> Result<Comparison, Error> {
    let options = SqliteConnectOptions::from_str(&config.url)?
        .read_only(true)
        .create_if_missing(false)
        .busy_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let applied = migrations(&mut connection).await?;
    let found = read(&mut connection).await?;
    connection.close().await?;
    let expected = expected(&applied).await?;
    Ok(compared((config, EngineKind::Sqlite), &applied, (&expected, &found)))
}

async fn migrations(connection: &mut SqliteConnection) -> Result<Vec<Applied>, Error> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
    if rows(connection, sql).await?.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT version, CAST(success AS INTEGER) AS finished, checksum FROM _sqlx_migrations ORDER BY version";
    applied(&rows(connection, sql).await?)
}

/// What the migrations that a database has had make of an empty one.
async fn expected(applied: &[Applied]) -> Result<Schema, Error> {
    let options = SqliteConnectOptions::from_str("sqlite::memory:")?.disable_statement_logging();
    let mut connection = options.connect().await?;
    for migration in SQLITE_MIGRATIONS.iter().filter(|one| applied.iter().any(|had| had.version == one.version)) {
        raw_sql(migration.sql.clone()).execute(&mut connection).await?;
    }
    let schema = read(&mut connection).await?;
    connection.close().await?;
    Ok(schema)
}

async fn rows(connection: &mut SqliteConnection, sql: &str) -> Result<Vec<Row>, Error> {
    // Text of the program's own: only names of catalogues are put together in this file.
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

async fn read(connection: &mut SqliteConnection) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    let sql = format!("SELECT m.name, m.sql FROM sqlite_master m WHERE {OURS}");
    for row in rows(connection, &sql).await? {
        schema.tables.entry(row.text("name")?).or_default().sql = row.get("sql")?;
    }
    let sql = format!(
        "SELECT m.name AS table_name, p.name, p.type AS kind, p.\"notnull\" AS required, p.dflt_value, p.pk \
         FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE {OURS} ORDER BY m.name, p.cid"
    );
    let mut keys: Vec<(String, i64, String)> = Vec::new();
    for row in rows(connection, &sql).await? {
        let (table, name) = (row.text("table_name")?, row.text("name")?);
        if row.int("pk")? > 0 {
            keys.push((table.clone(), row.int("pk")?, name.clone()));
        }
        let (kind, required) = (row.text("kind")?.to_ascii_uppercase(), row.flag("required")?);
        let column = Column { name, kind, required, default: row.get("dflt_value")? };
        schema.tables.entry(table).or_default().columns.push(column);
    }
    keys.sort();
    for (table, name) in grouped(keys.into_iter().map(|(table, _, column)| (table, column))) {
        let constraint = format!("PRIMARY KEY ({})", name.join(", "));
        schema.tables.entry(table).or_default().constraints.insert(constraint.clone(), constraint);
    }
    read_constraints(connection, &mut schema).await?;
    let sql = "SELECT m.tbl_name AS table_name, m.name, m.sql FROM sqlite_master m \
               WHERE m.type = 'index' AND m.sql IS NOT NULL";
    for row in rows(connection, sql).await? {
        if let Some(table) = schema.tables.get_mut(&row.text("table_name")?) {
            table.indexes.insert(row.text("name")?, IndexDefinition::parse(&row.text("sql")?));
        }
    }
    Ok(schema)
}

async fn read_constraints(connection: &mut SqliteConnection, schema: &mut Schema) -> Result<(), Error> {
    let sql = format!(
        "SELECT m.name AS table_name, l.name AS index_name, c.name FROM sqlite_master m \
         JOIN pragma_index_list(m.name) l JOIN pragma_index_info(l.name) c \
         WHERE {OURS} AND l.origin = 'u' ORDER BY m.name, l.name, c.seqno"
    );
    let mut unique = Vec::new();
    for row in rows(connection, &sql).await? {
        unique.push(((row.text("table_name")?, row.text("index_name")?), row.text("name")?));
    }
    for ((table, _), columns) in grouped(unique.into_iter()) {
        let constraint = format!("UNIQUE ({})", columns.join(", "));
        schema.tables.entry(table).or_default().constraints.insert(constraint.clone(), constraint);
    }
    let sql = format!(
        "SELECT m.name AS table_name, f.\"table\" AS other, f.\"from\" AS own, COALESCE(f.\"to\", '') AS theirs, \
         f.on_delete FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE {OURS}"
    );
    for row in rows(connection, &sql).await? {
        let (own, other, theirs) = (row.text("own")?, row.text("other")?, row.text("theirs")?);
        let action = match row.text("on_delete")?.as_str() {
            "NO ACTION" => String::new(),
            action => format!(" ON DELETE {action}"),
        };
        let constraint = format!("FOREIGN KEY ({own}) REFERENCES {other}({theirs}){action}");
        let table = schema.tables.entry(row.text("table_name")?).or_default();
        table.constraints.insert(constraint.clone(), constraint);
    }
    Ok(())
}

/// Values of equal keys that stand beside each other, together.
fn grouped<K: PartialEq, V>(pairs: impl Iterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in pairs {
        match groups.last_mut().filter(|(last, _)| *last == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}
