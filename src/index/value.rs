//! Values bound to statements and rows read back, the same for both engines.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use super::Error;

/// A value bound to a statement. `NULL` keeps its type, because PostgreSQL asks for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `INTEGER` (`BIGINT` on PostgreSQL).
    Int(Option<i64>),
    /// `TEXT`.
    Text(Option<String>),
    /// `BLOB` (`BYTEA` on PostgreSQL).
    Bytes(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $make:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from($v: $from) -> Value {
                $make
            }
        })*
    };
}

value_from! {
    i64 => |v| Value::Int(Some(v)),
    i32 => |v| Value::Int(Some(v.into())),
    u32 => |v| Value::Int(Some(v.into())),
    bool => |v| Value::Int(Some(v.into())),
    Option<i64> => |v| Value::Int(v),
    Option<u32> => |v| Value::Int(v.map(i64::from)),
    &str => |v| Value::Text(Some(v.to_owned())),
    &String => |v| Value::Text(Some(v.clone())),
    String => |v| Value::Text(Some(v)),
    Option<&str> => |v| Value::Text(v.map(str::to_owned)),
    Option<String> => |v| Value::Text(v),
    &Option<String> => |v| Value::Text(v.clone()),
    Vec<u8> => |v| Value::Bytes(Some(v)),
    &[u8] => |v| Value::Bytes(Some(v.to_vec())),
}

/// The parameters of one statement, in the order of `$1`, `$2`, …
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::index::Value::from($value)),*]
    };
}

/// One row of an answer.
#[derive(Debug)]
pub enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    /// The column's value; an error names the column when it is missing or of another type.
    pub fn get<'r, T>(&'r self, column: &str) -> Result<T, Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
        .map_err(Error::from)
    }

    /// A `TEXT` column that is never `NULL`.
    pub fn text(&self, column: &str) -> Result<String, Error> {
        self.get(column)
    }

    /// An `INTEGER` column that is never `NULL`.
    pub fn int(&self, column: &str) -> Result<i64, Error> {
        self.get(column)
    }

    /// An `INTEGER` column that holds 0 or 1.
    pub fn flag(&self, column: &str) -> Result<bool, Error> {
        Ok(self.get::<i64>(column)? != 0)
    }
}

pub(super) fn bind_sqlite<'q>(
    mut query: Query<'q, Sqlite, SqliteArguments>,
    values: Vec<Value>,
) -> Query<'q, Sqlite, SqliteArguments> {
    for value in values {
        query = match value {
            Value::Int(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Bytes(v) => query.bind(v),
        };
    }
    query
}

pub(super) fn bind_postgres<'q>(
    mut query: Query<'q, Postgres, PgArguments>,
    values: Vec<Value>,
) -> Query<'q, Postgres, PgArguments> {
    for value in values {
        query = match value {
            Value::Int(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Bytes(v) => query.bind(v),
        };
    }
    query
}
