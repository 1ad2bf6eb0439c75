//! Statements whose conditions depend on the question: fixed pieces of SQL, bound values, nothing else.

use sqlx::AssertSqlSafe;

use super::Value;

/// Builds one `SELECT` from fixed pieces; `?` in a piece stands for the next bound value.
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
        let mut values = values.into_iter();
        for part in piece.split_inclusive('?') {
            match part.strip_suffix('?').zip(values.next()) {
                Some((text, value)) => {
                    self.values.push(value);
                    self.sql.push_str(text);
                    self.sql.push('$');
                    self.sql.push_str(&self.values.len().to_string());
                }
                None => self.sql.push_str(part),
            }
        }
        self
    }

    /// Appends ` column IN (…)` for a fixed column; no values give a condition that is never true.
    pub fn push_in(&mut self, before: &'static str, values: Vec<Value>) -> &mut Self {
        self.sql.push_str(before);
        if values.is_empty() {
            self.sql.push_str(" IN (NULL)");
            return self;
        }
        self.sql.push_str(" IN (");
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.sql.push_str(", ");
            }
            self.values.push(value);
            self.sql.push('$');
            self.sql.push_str(&self.values.len().to_string());
        }
        self.sql.push(')');
        self
    }

    /// The statement; every piece came from the program's text.
    pub fn sql(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.sql.clone())
    }

    /// The values in the order of their numbers.
    pub fn values(&self) -> Vec<Value> {
        self.values.clone()
    }
}
