//! The columns of a report are its fields in lower case, so statements and rows are made from the tables of fields.

use super::{Error, Row, Tx, Value};
use crate::domain::record::{Field, Record};
use crate::params;

/// `INSERT` with some columns of the archive's own, then one for each field.
pub(super) fn insert_sql<F: Field>(table: &str, own: &[&str]) -> String {
    let columns: Vec<&str> = own.iter().copied().chain(F::ALL.iter().map(|f| f.spec().column)).collect();
    let places: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
    format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "))
}

/// `UPDATE` of the same columns, where the id is the last value.
pub(super) fn update_sql<F: Field>(table: &str, own: &[&str]) -> String {
    let columns = own.iter().copied().chain(F::ALL.iter().map(|f| f.spec().column));
    let places: Vec<String> = columns.enumerate().map(|(n, column)| format!("{column} = ${}", n + 1)).collect();
    format!("UPDATE {table} SET {} WHERE id = ${}", places.join(", "), places.len() + 1)
}

/// The values of all fields, in order.
pub(super) fn values<F: Field>(record: &Record<F>) -> impl Iterator<Item = Value> {
    F::ALL.iter().map(|&field| Value::from(record.get(field)))
}

/// The record in a row that has all its columns.
pub(super) fn record_of<F: Field>(row: &Row) -> Result<Record<F>, Error> {
    let mut record = Record::default();
    for &field in F::ALL {
        record.put(field, row.get::<Option<String>>(field.spec().column)?);
    }
    Ok(record)
}

/// Copies a record's present content to the history, whole, as JSON (D-R8).
pub(super) async fn keep_version<F: Field>(
    tx: &mut Tx,
    id: i64,
    kind: &'static str,
    now: i64,
    pk: i64,
    row: &Row,
) -> Result<(), Error> {
    let mut content = serde_json::Map::new();
    for name in ["sender", "content_hash"] {
        content.insert(name.to_owned(), row.text(name)?.into());
    }
    content.insert("message_pk".to_owned(), row.get::<Option<i64>>("message_pk")?.into());
    content.insert("updated_at".to_owned(), row.int("updated_at")?.into());
    for (field, text) in record_of::<F>(row)?.filled() {
        content.insert(field.spec().column.to_owned(), text.into());
    }
    let sql = "INSERT INTO report_version (id, kind, report_pk, version, content, replaced_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let content = serde_json::Value::Object(content).to_string();
    tx.post(sql, params![id, kind, pk, row.int("version")?, content, now]).await
}
