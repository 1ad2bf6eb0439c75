//! A script that brings back what is missing. It adds and widens; it never narrows, drops or changes a row, and whatever needs a
//! decision stands in it as a comment.

use std::fmt::Write as _;

use super::difference::declared;
use super::{Comparison, Difference, EngineKind, IndexDefinition, MigrationFault, What};

/// The whole script.
pub(super) fn of(comparison: &Comparison) -> String {
    let mut script = Script { kind: comparison.kind, statements: Vec::new(), later: Vec::new() };
    for difference in &comparison.differences {
        script.mend(difference);
    }
    let mut text = format!(
        "-- yingku schema diff: what is missing in {}\n-- Written by yingku {}; for a person to read before it is run. Stop the \
         server, make a backup,\n-- and run it on a copy first.\n",
        comparison.database,
        env!("CARGO_PKG_VERSION")
    );
    if comparison.migrations.iter().any(|fault| matches!(fault, MigrationFault::Pending(..))) {
        text.push_str("-- Migrations are pending: yingku migrate is to be run after it.\n");
    }
    text.push_str("\nBEGIN;\n");
    for statement in script.statements.iter().chain(&script.later) {
        let _ = writeln!(text, "{statement}");
    }
    text.push_str("COMMIT;\n");
    text
}

#[derive(Debug)]
struct Script {
    kind: EngineKind,
    statements: Vec<String>,
    /// What names tables or columns that the statements make.
    later: Vec<String>,
}

impl Script {
    fn mend(&mut self, difference: &Difference) {
        let table = &difference.table;
        match &difference.what {
            What::TableMissing(missing) => {
                let definition = &missing.0;
                match &definition.sql {
                    Some(sql) => self.statements.push(format!("{sql};")),
                    None => {
                        let columns = definition.columns.iter().map(declared).collect::<Vec<_>>().join(",\n    ");
                        self.statements.push(format!("CREATE TABLE {table} (\n    {columns}\n);"));
                        for (name, key) in &definition.constraints {
                            self.add_key(table, name, key);
                        }
                    }
                }
                for (name, index) in &definition.indexes {
                    self.later.push(create_index(table, name, index));
                }
            }
            What::ColumnMissing(column) if column.required && column.default.is_none() => {
                self.leave(difference, "it is NOT NULL without a default: decide what the rows that are there get");
                let statement = format!("ALTER TABLE {table} ADD COLUMN {} DEFAULT …;", declared(column));
                self.statements.push(format!("-- {statement}"));
            }
            What::ColumnMissing(column) => {
                self.statements.push(format!("ALTER TABLE {table} ADD COLUMN {};", declared(column)));
            }
            What::ConstraintMissing(name, key) if self.kind == EngineKind::Postgres => self.add_key(table, name, key),
            What::IndexMissing(name, index) => self.later.push(create_index(table, name, index)),
            What::ColumnNarrower(expected, _) if self.kind == EngineKind::Postgres => {
                let (name, kind) = (&expected.name, &expected.kind);
                self.statements.push(format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {kind};"));
            }
            What::NullRefused(column) if self.kind == EngineKind::Postgres => {
                self.statements.push(format!("ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL;", column.name));
            }
            What::DefaultOther(column, _) if self.kind == EngineKind::Postgres && column.default.is_some() => {
                let (name, value) = (&column.name, column.default.as_deref().unwrap_or_default());
                self.statements.push(format!("ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {value};"));
            }
            What::ColumnNarrower(..) | What::NullRefused(_) | What::DefaultOther(..) | What::ConstraintMissing(..)
                if self.kind == EngineKind::Sqlite =>
            {
                self.leave(difference, "SQLite changes no column and adds no key: the table is to be made anew");
            }
            What::TableUnexpected
            | What::ColumnUnexpected(_)
            | What::ConstraintUnexpected(_)
            | What::IndexUnexpected(_) => {
                self.leave(difference, "nothing is dropped");
            }
            _ => self.leave(difference, "decide by hand"),
        }
    }

    /// Foreign keys name other tables, so all keys come after all tables.
    fn add_key(&mut self, table: &str, name: &str, key: &str) {
        let place = if key.starts_with("FOREIGN KEY") { &mut self.later } else { &mut self.statements };
        place.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {key};"));
    }

    fn leave(&mut self, difference: &Difference, why: &str) {
        self.statements.push(format!("-- {difference}: {why}"));
    }
}

fn create_index(table: &str, name: &str, index: &IndexDefinition) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX {name} ON {table} {};", index.rest)
}
