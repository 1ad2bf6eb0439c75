//! How far a walk over all rows of a table has come: one row, in a table of its own kind, for the newest walk.

use super::{Error, Index, Select, Tx};
use crate::params;

/// Where walks of one kind are noted. What they are for and what they count are columns of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walks<const GOALS: usize, const COUNTS: usize> {
    pub(super) table: &'static str,
    /// What a walk is for; with another one it is another walk.
    pub(super) goals: [&'static str; GOALS],
    pub(super) counts: [&'static str; COUNTS],
}

/// One walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk<const GOALS: usize, const COUNTS: usize> {
    pub(super) goals: [String; GOALS],
    pub(super) counts: [i64; COUNTS],
    /// The last row that was looked at.
    pub(super) after_id: i64,
    pub(super) finished_at: Option<i64>,
}

impl<const GOALS: usize, const COUNTS: usize> Walks<GOALS, COUNTS> {
    /// The newest walk.
    pub(super) async fn get(&self, index: &Index) -> Result<Option<Walk<GOALS, COUNTS>>, Error> {
        let mut select = Select::new("SELECT * FROM ");
        select.push(self.table, params![]).push(" WHERE id = 1", params![]);
        let Some(row) = index.query_opt(select.sql(), select.values()).await? else { return Ok(None) };
        let (mut goals, mut counts) = ([const { String::new() }; GOALS], [0; COUNTS]);
        for (goal, column) in goals.iter_mut().zip(self.goals) {
            *goal = row.text(column)?;
        }
        for (count, column) in counts.iter_mut().zip(self.counts) {
            *count = row.int(column)?;
        }
        Ok(Some(Walk { goals, counts, after_id: row.int("after_id")?, finished_at: row.get("finished_at")? }))
    }

    /// Begins a walk in the place of the one before; with `finished_at` there is nothing to do, only to remember its goals.
    pub(super) async fn begin(
        &self,
        tx: &mut Tx,
        goals: [&str; GOALS],
        now: i64,
        finished_at: Option<i64>,
    ) -> Result<(), Error> {
        let mut insert = Select::new("INSERT INTO ");
        insert.push(self.table, params![]).push(" (id, after_id, started_at, finished_at", params![]);
        for column in self.goals.into_iter().chain(self.counts) {
            insert.push(", ", params![]).push(column, params![]);
        }
        insert.push(") VALUES (1, 0, ?, ?", params![now, finished_at]);
        for goal in goals {
            insert.push(", ?", params![goal]);
        }
        for _ in self.counts {
            insert.push(", 0", params![]);
        }
        let rest = ") ON CONFLICT (id) DO UPDATE SET after_id = 0, started_at = excluded.started_at, \
                    finished_at = excluded.finished_at";
        insert.push(rest, params![]);
        for column in self.goals.into_iter().chain(self.counts) {
            insert.push(", ", params![]).push(column, params![]);
            insert.push(" = excluded.", params![]).push(column, params![]);
        }
        tx.execute(insert.sql(), insert.values()).await.map(|_| ())
    }

    /// Notes how far a walk has come that was at `from`; one that is elsewhere by now, or was replaced, is not noted.
    pub(super) async fn advance(&self, tx: &mut Tx, walk: &Walk<GOALS, COUNTS>, from: i64) -> Result<bool, Error> {
        let mut update = Select::new("UPDATE ");
        update.push(self.table, params![]);
        update.push(" SET after_id = ?, finished_at = ?", params![walk.after_id, walk.finished_at]);
        for (column, count) in self.counts.into_iter().zip(walk.counts) {
            update.push(", ", params![]).push(column, params![]).push(" = ?", params![count]);
        }
        update.push(" WHERE id = 1 AND after_id = ?", params![from]);
        for (column, goal) in self.goals.into_iter().zip(&walk.goals) {
            update.push(" AND ", params![]).push(column, params![]).push(" = ?", params![goal]);
        }
        Ok(tx.execute(update.sql(), update.values()).await? == 1)
    }
}
