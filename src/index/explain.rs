//! How the database would run a statement, for tests that no large table is read from end to end.

use super::{Engine, Error, Index, Select};

impl Index {
    /// The lines of `EXPLAIN QUERY PLAN` (SQLite) or `EXPLAIN` (PostgreSQL) for a statement with its values.
    pub(super) async fn explain(&self, select: &Select) -> Result<Vec<String>, Error> {
        let (start, column) = match &self.engine {
            Engine::Sqlite { .. } => ("EXPLAIN QUERY PLAN ", "detail"),
            Engine::Postgres(_) => ("EXPLAIN ", "QUERY PLAN"),
        };
        let explained = select.behind(start);
        self.query(explained.sql(), explained.values()).await?.iter().map(|row| row.text(column)).collect()
    }
}
