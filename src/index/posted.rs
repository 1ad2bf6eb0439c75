//! Rows that a transaction adds and does not look at again, sent to the engine together.
//!
//! Each statement costs a round trip to the engine, and most of what a registration writes is never asked for in its
//! transaction. So such rows are *posted*: they go before the next statement that is answered, and at the end before the
//! commit, all in one round trip. SQLite runs them one after the other; PostgreSQL takes them as one statement whose
//! parts do not see each other, which is why only rows that depend on nothing posted may be posted.

use super::Value;

/// Statements that go together at most: the engines keep a plan for each combination, and bind only so many values.
const MOST: usize = 32;

/// What a transaction has posted and not sent yet.
#[derive(Debug, Default)]
pub(super) struct Posted {
    statements: Vec<&'static str>,
    values: Vec<Value>,
}

impl Posted {
    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Whether what has been posted must be sent before this one.
    pub(super) fn must_go_before(&self, sql: &str) -> bool {
        // One statement of PostgreSQL must not come to the same row twice.
        let may_be_same_row = sql.contains("DO UPDATE") && self.statements.contains(&sql);
        self.statements.len() >= MOST || may_be_same_row
    }

    pub(super) fn push(&mut self, sql: &'static str, values: Vec<Value>) {
        debug_assert!(sql.starts_with("INSERT INTO") && !sql.contains("SELECT"), "reads nothing: {sql}");
        debug_assert_eq!(pieces(sql).count(), values.len() + 1, "each value once and in order: {sql}");
        self.statements.push(sql);
        self.values.extend(values);
    }

    /// Forgets what has not been sent.
    pub(super) fn clear(&mut self) {
        self.statements.clear();
        self.values.clear();
    }

    /// The statements one after the other, and `after` as the last one.
    pub(super) fn take_for_sqlite(&mut self, after: &str) -> (String, Vec<Value>) {
        let mut sql = String::new();
        for statement in self.statements.drain(..) {
            for (at, piece) in pieces(statement).enumerate() {
                if at > 0 {
                    sql.push('?');
                }
                sql.push_str(piece);
            }
            sql.push(';');
        }
        sql.push_str(after);
        (sql, std::mem::take(&mut self.values))
    }

    /// One statement: all but the last are parts of its `WITH`.
    pub(super) fn take_for_postgres(&mut self) -> (String, Vec<Value>) {
        let (mut sql, mut places) = (String::new(), 0);
        let last = self.statements.len().saturating_sub(1);
        for (number, statement) in self.statements.drain(..).enumerate() {
            match number {
                0 if last == 0 => {}
                0 => sql.push_str("WITH posted_0 AS ("),
                _ if number == last => sql.push_str(") "),
                _ => sql.push_str(&format!("), posted_{number} AS (")),
            }
            for (at, piece) in pieces(statement).enumerate() {
                if at > 0 {
                    places += 1;
                    sql.push_str(&format!("${places}"));
                }
                sql.push_str(piece);
            }
        }
        (sql, std::mem::take(&mut self.values))
    }
}

/// The text between `$1`, `$2`, …
fn pieces(sql: &str) -> impl Iterator<Item = &str> {
    sql.split('$').enumerate().map(|(at, piece)| match at {
        0 => piece,
        _ => piece.trim_start_matches(|c: char| c.is_ascii_digit()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    fn posted() -> Posted {
        let mut posted = Posted::default();
        posted.push("INSERT INTO a (x, y) VALUES ($1, $2)", params![1, "one"]);
        posted.push("INSERT INTO b (z) VALUES ($1) ON CONFLICT (z) DO NOTHING", params!["two"]);
        posted.push("INSERT INTO c (w) VALUES ($1)", params![3]);
        posted
    }

    #[test]
    fn each_engine_gets_all_in_one_text_with_the_values_in_order() {
        let values = params![1, "one", "two", 3];
        let sqlite = "INSERT INTO a (x, y) VALUES (?, ?);INSERT INTO b (z) VALUES (?) ON CONFLICT (z) DO NOTHING;\
                      INSERT INTO c (w) VALUES (?);RELEASE operation";
        assert_eq!(posted().take_for_sqlite("RELEASE operation"), (sqlite.to_owned(), values.clone()));
        let postgres = "WITH posted_0 AS (INSERT INTO a (x, y) VALUES ($1, $2)), posted_1 AS (INSERT INTO b (z) VALUES ($3) \
                        ON CONFLICT (z) DO NOTHING) INSERT INTO c (w) VALUES ($4)";
        assert_eq!(posted().take_for_postgres(), (postgres.to_owned(), values));
    }

    #[test]
    fn one_statement_alone_stays_as_it_is_and_nothing_is_sent_twice() {
        let mut posted = Posted::default();
        posted.push("INSERT INTO a (x) VALUES ($1)", params![1]);
        assert_eq!(posted.take_for_postgres(), ("INSERT INTO a (x) VALUES ($1)".to_owned(), params![1]));
        assert!(posted.is_empty());
    }

    #[test]
    fn what_may_change_the_same_row_again_goes_by_itself() {
        let sql = "INSERT INTO a (x) VALUES ($1) ON CONFLICT (x) DO UPDATE SET x = excluded.x";
        let mut posted = Posted::default();
        assert!(!posted.must_go_before(sql));
        posted.push(sql, params![1]);
        assert!(posted.must_go_before(sql) && !posted.must_go_before("INSERT INTO b (z) VALUES ($1)"));
    }
}
