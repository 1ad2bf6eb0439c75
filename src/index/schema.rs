//! Whether the database still is as the migrations make it (D-X11): what somebody changed by hand, or a restore left out.
//!
//! The expected schema is made by the same migrations that the database says it has had: on SQLite in memory, on PostgreSQL
//! as temporary tables of one transaction that is undone, so that nothing is left behind and no more than the right TEMPORARY
//! is needed. Both catalogues are then read in the same way and held against each other. Nothing is changed; a script, which
//! only ever adds and widens, is for a person to read and run.

mod difference;
mod postgres;
mod script;
mod sqlite;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::migrate::Migrator;

pub use difference::{Difference, What};

use super::{DatabaseConfig, Error, POSTGRES_MIGRATIONS, Row, SQLITE_MIGRATIONS, place_in};

/// What a database was found to be.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Which one; never a password.
    pub database: String,
    /// Its engine.
    pub kind: EngineKind,
    /// Migrations that it has had.
    pub applied: usize,
    /// What is wrong with its record of migrations.
    pub migrations: Vec<MigrationFault>,
    /// Tables that it should have.
    pub tables: usize,
    /// In which it differs from what these migrations make.
    pub differences: Vec<Difference>,
}

/// The two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// The embedded one.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// Something about one migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationFault {
    /// This program has it, the database has not had it.
    Pending(i64, String),
    /// It began and did not end.
    Unfinished(i64),
    /// The database had another text of it.
    Changed(i64),
    /// The database had it, this program does not know it: a newer one has run here.
    Unknown(i64),
}

impl Comparison {
    /// Whether all is as it should be.
    pub fn is_same(&self) -> bool {
        self.migrations.is_empty() && self.differences.is_empty()
    }

    /// SQL that adds what is missing and widens what is narrower; what it cannot do without a person's decision stands in it
    /// as a comment.
    pub fn script(&self) -> String {
        script::of(self)
    }
}

/// Compares the database with what its migrations make. It opens it for reading only, and runs no migration.
pub async fn compare(config: &DatabaseConfig) -> Result<Comparison, Error> {
    let compared = if config.url.starts_with("sqlite:") {
        sqlite::compare(config).await
    } else if config.url.starts_with("postgres:") || config.url.starts_with("postgresql:") {
        postgres::compare(config).await
    } else {
        return Err(Error::UnknownEngine);
    };
    compared.map_err(|error| Error::Opening { database: place_in(&config.url), error: Box::new(error) })
}

/// The tables of a schema by name.
#[derive(Debug, Clone, Default)]
struct Schema {
    tables: BTreeMap<String, Table>,
}

/// One table.
#[derive(Debug, Clone, Default)]
struct Table {
    /// In their order.
    columns: Vec<Column>,
    /// Definitions with the names of their own, if they have one.
    constraints: BTreeMap<String, String>,
    indexes: BTreeMap<String, IndexDefinition>,
    /// As it was made, where the engine keeps that.
    sql: Option<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type in the engine's words.
    pub kind: String,
    /// NOT NULL.
    pub required: bool,
    /// DEFAULT.
    pub default: Option<String>,
}

/// One index that was made as such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDefinition {
    /// UNIQUE.
    pub unique: bool,
    /// What follows the table's name.
    pub rest: String,
}

impl IndexDefinition {
    /// Reads `CREATE [UNIQUE] INDEX … ON table rest`.
    fn parse(sql: &str) -> Self {
        let sql = collapsed(sql);
        let (head, rest) = sql.split_once(" ON ").or_else(|| sql.split_once(" on ")).unwrap_or((&sql, ""));
        let rest = rest.find(['(', ' ']).map_or("", |at| rest[at..].trim_start());
        Self { unique: head.to_ascii_uppercase().contains("UNIQUE"), rest: rest.to_owned() }
    }

    fn is_like(&self, other: &Self) -> bool {
        let bare = |text: &str| {
            let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '"');
            kept.flat_map(char::to_lowercase).collect::<String>()
        };
        self.unique == other.unique && bare(&self.rest) == bare(&other.rest)
    }
}

/// Without comments and runs of blanks.
fn collapsed(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// A migration that the database says it has had.
#[derive(Debug, Clone)]
struct Applied {
    version: i64,
    finished: bool,
    checksum: Vec<u8>,
}

/// Reads the rows of `_sqlx_migrations`.
fn applied(rows: &[Row]) -> Result<Vec<Applied>, Error> {
    let of = |row: &Row| {
        Ok(Applied { version: row.int("version")?, finished: row.flag("finished")?, checksum: row.get("checksum")? })
    };
    rows.iter().map(of).collect()
}

fn migration_faults(migrator: &Migrator, applied: &[Applied]) -> Vec<MigrationFault> {
    let mut faults = Vec::new();
    for had in applied {
        match migrator.iter().find(|migration| migration.version == had.version) {
            None => faults.push(MigrationFault::Unknown(had.version)),
            Some(_) if !had.finished => faults.push(MigrationFault::Unfinished(had.version)),
            Some(known) if *known.checksum != had.checksum[..] => faults.push(MigrationFault::Changed(had.version)),
            Some(_) => {}
        }
    }
    let had: BTreeSet<i64> = applied.iter().map(|had| had.version).collect();
    let pending = migrator.iter().filter(|migration| !had.contains(&migration.version));
    faults.extend(pending.map(|one| MigrationFault::Pending(one.version, one.description.to_string())));
    faults
}

fn compared(
    (config, kind): (&DatabaseConfig, EngineKind),
    applied: &[Applied],
    (expected, found): (&Schema, &Schema),
) -> Comparison {
    let migrator = match kind {
        EngineKind::Sqlite => &SQLITE_MIGRATIONS,
        EngineKind::Postgres => &POSTGRES_MIGRATIONS,
    };
    Comparison {
        database: place_in(&config.url),
        kind,
        applied: applied.len(),
        migrations: migration_faults(migrator, applied),
        tables: expected.tables.len(),
        differences: difference::between(expected, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_the_same_in_another_hand() {
        let ours = IndexDefinition::parse("CREATE INDEX study_unkeyed ON study (id) -- few\n  WHERE keyed = 0");
        assert_eq!(ours.rest, "(id) WHERE keyed = 0");
        assert!(ours.is_like(&IndexDefinition::parse("create index if not exists x on study(\"id\") where keyed=0")));
        assert!(!ours.is_like(&IndexDefinition::parse("CREATE UNIQUE INDEX x ON study (id) WHERE keyed = 0")));
        let postgres = IndexDefinition::parse("CREATE INDEX a ON pg_temp_3.study USING btree (id) WHERE (keyed = 0)");
        assert_eq!(postgres.rest, "USING btree (id) WHERE (keyed = 0)");
    }
}
