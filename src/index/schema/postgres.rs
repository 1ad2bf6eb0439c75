//! The catalogue of PostgreSQL.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, raw_sql};

use super::{Applied, Column, Comparison, EngineKind, IndexDefinition, Schema, applied, compared};
use crate::index::{DatabaseConfig, Error, POSTGRES_MIGRATIONS, Row, postgres_options};

/// Where the database's own tables are, and where those that we make for comparison are.
const FOUND: &str = "to_regnamespace(quote_ident(current_schema()))";
const MADE: &str = "pg_my_temp_schema()";

pub(super) async fn compare(config: &DatabaseConfig) -> Result<Comparison, Error> {
    let mut connection = postgres_options(config)?.connect().await?;
    let applied = migrations(&mut connection).await?;
    let found = read(&mut connection, FOUND).await?;
    let expected = expected(&mut connection, &applied).await?;
    connection.close().await?;
    Ok(compared((config, EngineKind::Postgres), &applied, (&expected, &found)))
}

async fn migrations(connection: &mut PgConnection) -> Result<Vec<Applied>, Error> {
    let there = "SELECT 1 AS one WHERE to_regclass('_sqlx_migrations') IS NOT NULL";
    if rows(connection, there).await?.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT version, CAST(CASE WHEN success THEN 1 ELSE 0 END AS BIGINT) AS finished, checksum \
               FROM _sqlx_migrations ORDER BY version";
    applied(&rows(connection, sql).await?)
}

/// What the migrations that the database has had make of an empty one.
async fn expected(connection: &mut PgConnection, applied: &[Applied]) -> Result<Schema, Error> {
    let mut transaction = connection.begin().await?;
    transaction.execute("SET LOCAL search_path = pg_temp").await?;
    for migration in POSTGRES_MIGRATIONS.iter().filter(|one| applied.iter().any(|had| had.version == one.version)) {
        raw_sql(migration.sql.clone()).execute(&mut *transaction).await?;
    }
    let schema = read(&mut transaction, MADE).await?;
    transaction.rollback().await?;
    Ok(schema)
}

async fn rows(connection: &mut PgConnection, sql: &str) -> Result<Vec<Row>, Error> {
    // Text of the program's own: only one of the two constants above is put into it.
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

async fn read(connection: &mut PgConnection, namespace: &str) -> Result<Schema, Error> {
    let ours = format!("c.relkind IN ('r', 'p') AND c.relnamespace = {namespace} AND c.relname <> '_sqlx_migrations'");
    let mut schema = Schema::default();
    let sql = format!(
        "SELECT c.relname::text AS table_name, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS kind, \
         CAST(CASE WHEN a.attnotnull THEN 1 ELSE 0 END AS BIGINT) AS required, \
         pg_get_expr(d.adbin, d.adrelid) AS default_value FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
         WHERE {ours} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
    );
    for row in rows(connection, &sql).await? {
        let (name, kind, required) = (row.text("name")?, row.text("kind")?, row.flag("required")?);
        let column = Column { name, kind, required, default: row.get("default_value")? };
        schema.tables.entry(row.text("table_name")?).or_default().columns.push(column);
    }
    let sql = format!(
        "SELECT c.relname::text AS table_name, k.conname::text AS name, pg_get_constraintdef(k.oid) AS definition \
         FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid \
         WHERE {ours} AND k.contype IN ('p', 'u', 'f', 'c') ORDER BY k.conname"
    );
    for row in rows(connection, &sql).await? {
        let table = schema.tables.entry(row.text("table_name")?).or_default();
        table.constraints.insert(row.text("name")?, row.text("definition")?);
    }
    let sql = format!(
        "SELECT c.relname::text AS table_name, i.relname::text AS name, pg_get_indexdef(x.indexrelid) AS definition \
         FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid \
         WHERE {ours} AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid \
         AND k.contype IN ('p', 'u', 'x'))"
    );
    for row in rows(connection, &sql).await? {
        let table = schema.tables.entry(row.text("table_name")?).or_default();
        table.indexes.insert(row.text("name")?, IndexDefinition::parse(&row.text("definition")?));
    }
    Ok(schema)
}
