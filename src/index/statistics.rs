//! Statistics of PostgreSQL that keep pace with tables that grow.
//!
//! A statement is planned by what its tables held when they were last analysed. Of a table that never was, all indexes
//! look alike, and one that begins with the organisation may be taken for it alone: then each registration reads all
//! reports of its hospital. The engine's own worker comes once a minute, where it is not switched off, and a first load
//! brings a hundred thousand rows before that. SQLite chooses by the shape of its indexes and needs none.

use sqlx::{AssertSqlSafe, Executor};

use super::{Engine, Error, Index};
use crate::params;

/// Fewer rows are read as fast by any plan.
const FEW_ROWS: i64 = 100;

/// Analyses the tables that have come to hold, or changed, twice as many rows as when they were last analysed; says how
/// many there were.
pub async fn keep_pace(index: &Index) -> Result<usize, Error> {
    let Engine::Postgres(pool) = &index.engine else { return Ok(0) };
    let sql = "SELECT QUOTE_IDENT(s.schemaname) || '.' || QUOTE_IDENT(s.relname) AS place FROM pg_stat_user_tables s \
               JOIN pg_class c ON c.oid = s.relid WHERE s.schemaname = CURRENT_SCHEMA() \
               AND c.relowner = (SELECT oid FROM pg_roles WHERE rolname = CURRENT_USER) \
               AND s.n_mod_since_analyze >= $1 AND s.n_mod_since_analyze >= c.reltuples ORDER BY s.relname";
    let outgrown = index.query(sql, params![FEW_ROWS]).await?;
    for row in &outgrown {
        let place = row.text("place")?;
        pool.execute(AssertSqlSafe(format!("ANALYZE {place}"))).await?;
    }
    Ok(outgrown.len())
}
