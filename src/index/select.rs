//! Statements whose conditions depend on the question: fixed pieces of SQL, bound values, nothing else.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::Value;

/// A statement in the words of either engine: text of the program's own with `$1`, `$2`, …, or what a [`Select`] built.
pub trait Sql {
    /// For SQLite.
    fn into_sqlite(self) -> SqlStr;
    /// For PostgreSQL.
    fn into_postgres(self) -> SqlStr;
}

impl<S: SqlSafeStr> Sql for S {
    fn into_sqlite(self) -> SqlStr {
        self.into_sql_str()
    }

    fn into_postgres(self) -> SqlStr {
        self.into_sql_str()
    }
}

/// The text of a [`Select`]: its values stand in their order, each for one `?`.
///
/// SQLite gets it as it is. Of parameters with a number it keeps a list of names, which it reads from the front to parse and
/// to bind each of them: a thousand values cost a million steps. PostgreSQL knows no others.
#[derive(Debug, Clone)]
pub struct Statement(String);

impl Sql for Statement {
    fn into_sqlite(self) -> SqlStr {
        AssertSqlSafe(self.0).into_sql_str()
    }

    fn into_postgres(self) -> SqlStr {
        AssertSqlSafe(numbered(&self.0)).into_sql_str()
    }
}

/// `$1`, `$2`, … for one `?` after the other.
fn numbered(text: &str) -> String {
    let mut sql = String::with_capacity(text.len() + text.len() / 4);
    for (at, part) in text.split('?').enumerate() {
        if at > 0 {
            sql.push('$');
            sql.push_str(&at.to_string());
        }
        sql.push_str(part);
    }
    sql
}

/// Lists of values up to this many are filled up to a power of two.
const FEW_VALUES: usize = 1024;

/// Builds one statement from fixed pieces; `?` in a piece stands for the next bound value, and for nothing else.
///
/// Pieces are `&'static str`, so that text from outside can only ever be a bound value.
///
/// ```ignore
/// let mut select = Select::new("SELECT id FROM study WHERE 1 = 1");
/// select.push(" AND org_code = ?", params!["ORG-T01"]);
/// let rows = index.query(select.sql(), select.values()).await?;
/// ```
#[derive(Debug, Clone)]
pub struct Select {
    sql: String,
    values: Vec<Value>,
}

impl Select {
    /// Starts with a piece that binds nothing.
    pub fn new(start: &'static str) -> Self {
        Self { sql: start.to_owned(), values: Vec::new() }
    }

    /// Appends a piece; the number of `?` in it equals the number of values.
    pub fn push(&mut self, piece: &'static str, values: Vec<Value>) -> &mut Self {
        debug_assert_eq!(piece.matches('?').count(), values.len(), "placeholders and values differ in {piece}");
        self.sql.push_str(piece);
        self.values.extend(values);
        self
    }

    /// Appends ` column IN (…)` for a fixed column; no values give a condition that is never true. The last value comes again
    /// until they are a power of two, as far as 1024: a statement for each number of matches would be planned anew,
    /// and on PostgreSQL five times on each connection.
    pub fn push_in(&mut self, before: &'static str, mut values: Vec<Value>) -> &mut Self {
        self.sql.push_str(before);
        let Some(last) = values.last().cloned() else {
            self.sql.push_str(" IN (NULL)");
            return self;
        };
        if values.len() <= FEW_VALUES {
            values.resize(values.len().next_power_of_two(), last);
        }
        self.sql.push_str(" IN (?");
        self.sql.extend(std::iter::repeat_n(", ?", values.len() - 1));
        self.sql.push(')');
        self.values.extend(values);
        self
    }

    /// The same statement behind a word like EXPLAIN.
    pub(super) fn behind(&self, start: &'static str) -> Self {
        Self { sql: format!("{start}{}", self.sql), values: self.values.clone() }
    }

    /// The statement; every piece came from the program's text.
    pub fn sql(&self) -> Statement {
        Statement(self.sql.clone())
    }

    /// The values in their order.
    pub fn values(&self) -> Vec<Value> {
        self.values.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    #[test]
    fn values_stand_in_their_order_for_both_engines() {
        let mut select = Select::new("SELECT id FROM study WHERE 1 = 1");
        select.push(" AND (org_code = ? OR org_code = ?)", params!["a", "b"]);
        select.push_in(" AND id", params![1, 2, 3]).push_in(" AND id", Vec::new()).push(" LIMIT ?", params![4]);
        let start = "SELECT id FROM study WHERE 1 = 1 AND ";
        let sqlite = format!("{start}(org_code = ? OR org_code = ?) AND id IN (?, ?, ?, ?) AND id IN (NULL) LIMIT ?");
        let postgres =
            format!("{start}(org_code = $1 OR org_code = $2) AND id IN ($3, $4, $5, $6) AND id IN (NULL) LIMIT $7");
        assert_eq!(select.sql().into_sqlite().as_str(), sqlite);
        assert_eq!(select.sql().into_postgres().as_str(), postgres);
        assert_eq!(select.values(), params!["a", "b", 1, 2, 3, 3, 4], "three values are asked for as four");
        let mut many = Select::new("SELECT 1");
        many.push_in(" WHERE 1", vec![Value::from(1); FEW_VALUES + 1]);
        assert_eq!(many.values().len(), FEW_VALUES + 1);
    }
}
