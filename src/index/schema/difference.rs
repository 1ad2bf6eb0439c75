//! What differs between two schemas, in the words of whoever looks after the database.

use std::collections::BTreeSet;
use std::fmt;

use super::{Column, IndexDefinition, Schema, Table};

/// One difference, and the table that it is about.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong.
#[derive(Debug, Clone)]
pub enum What {
    /// There is no such table.
    TableMissing(MissingTable),
    /// The migrations make no such table.
    TableUnexpected,
    /// A column is not there.
    ColumnMissing(Column),
    /// The migrations make no such column.
    ColumnUnexpected(Column),
    /// A column holds less than it must: expected, found.
    ColumnNarrower(Column, Column),
    /// A column has another type: expected, found.
    ColumnOther(Column, Column),
    /// A column accepts no NULL, and must.
    NullRefused(Column),
    /// A column accepts NULL, and must not.
    NullAccepted(Column),
    /// A column has another default: expected, found.
    DefaultOther(Column, Column),
    /// A primary key, a unique or a foreign key is not there: its name and what it says.
    ConstraintMissing(String, String),
    /// The migrations make no such key.
    ConstraintUnexpected(String),
    /// An index is not there.
    IndexMissing(String, IndexDefinition),
    /// The migrations make no such index.
    IndexUnexpected(String),
    /// An index is about something else: expected, found.
    IndexOther(String, IndexDefinition, IndexDefinition),
}

/// What a table that is missing should be.
#[derive(Debug, Clone)]
pub struct MissingTable(pub(super) Table);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        match &self.what {
            What::TableMissing(_) => write!(f, "missing     table {table}"),
            What::TableUnexpected => write!(f, "unexpected  table {table}"),
            What::ColumnMissing(column) => write!(f, "missing     column {table}.{}", declared(column)),
            What::ColumnUnexpected(column) if column.required && column.default.is_none() => {
                write!(f, "unexpected  column {table}.{}: no row can be added without it", declared(column))
            }
            What::ColumnUnexpected(column) => write!(f, "unexpected  column {table}.{}", declared(column)),
            What::ColumnNarrower(expected, found) => {
                write!(f, "narrower    column {table}.{}: {}, should be {}", found.name, found.kind, expected.kind)
            }
            What::ColumnOther(expected, found) => {
                write!(f, "other type  column {table}.{}: {}, should be {}", found.name, found.kind, expected.kind)
            }
            What::NullRefused(column) => write!(f, "narrower    column {table}.{}: must accept NULL", column.name),
            What::NullAccepted(column) => write!(f, "looser      column {table}.{}: should be NOT NULL", column.name),
            What::DefaultOther(expected, found) => {
                let said = |column: &Column| column.default.clone().unwrap_or_else(|| "none".to_owned());
                let (name, found, expected) = (&found.name, said(found), said(expected));
                write!(f, "default     column {table}.{name}: {found}, should be {expected}")
            }
            What::ConstraintMissing(_, key) => write!(f, "missing     key of {table}: {key}"),
            What::ConstraintUnexpected(key) => write!(f, "unexpected  key of {table}: {key}"),
            What::IndexMissing(name, index) => {
                write!(f, "missing     {} {name} on {table} {}", word(index), index.rest)
            }
            What::IndexUnexpected(name) => write!(f, "unexpected  index {name} on {table}"),
            What::IndexOther(name, expected, found) => {
                let (is, should) = (word(found), word(expected));
                write!(f, "other index {name} on {table}: {is} {}, should be {should} {}", found.rest, expected.rest)
            }
        }
    }
}

fn word(index: &IndexDefinition) -> &'static str {
    if index.unique { "unique index" } else { "index" }
}

/// A column as it is written where a table is made.
pub(super) fn declared(column: &Column) -> String {
    let required = if column.required { " NOT NULL" } else { "" };
    let default = column.default.as_ref().map(|value| format!(" DEFAULT {value}")).unwrap_or_default();
    format!("{} {}{required}{default}", column.name, column.kind)
}

/// All differences, table by table.
pub(super) fn between(expected: &Schema, found: &Schema) -> Vec<Difference> {
    let mut all = Vec::new();
    let names: BTreeSet<&String> = expected.tables.keys().chain(found.tables.keys()).collect();
    for name in names {
        let whats = match (expected.tables.get(name), found.tables.get(name)) {
            (Some(expected), Some(found)) => in_table(expected, found),
            (Some(expected), None) => vec![What::TableMissing(MissingTable(expected.clone()))],
            (None, _) => vec![What::TableUnexpected],
        };
        all.extend(whats.into_iter().map(|what| Difference { table: name.clone(), what }));
    }
    all
}

fn in_table(expected: &Table, found: &Table) -> Vec<What> {
    let mut all = Vec::new();
    for column in &expected.columns {
        match found.columns.iter().find(|other| other.name == column.name) {
            Some(other) => all.extend(in_column(column, other)),
            None => all.push(What::ColumnMissing(column.clone())),
        }
    }
    let is_known = |column: &&Column| expected.columns.iter().any(|other| other.name == column.name);
    all.extend(found.columns.iter().filter(|column| !is_known(column)).cloned().map(What::ColumnUnexpected));
    let lacks = |table: &Table, key: &String| !table.constraints.values().any(|other| other == key);
    let missing = expected.constraints.iter().filter(|(_, key)| lacks(found, key));
    all.extend(missing.map(|(name, key)| What::ConstraintMissing(name.clone(), key.clone())));
    let unexpected = found.constraints.values().filter(|key| lacks(expected, key));
    all.extend(unexpected.cloned().map(What::ConstraintUnexpected));
    for (name, index) in &expected.indexes {
        match found.indexes.get(name) {
            Some(other) if other.is_like(index) => {}
            Some(other) => all.push(What::IndexOther(name.clone(), index.clone(), other.clone())),
            None => all.push(What::IndexMissing(name.clone(), index.clone())),
        }
    }
    let unexpected = found.indexes.keys().filter(|name| !expected.indexes.contains_key(*name));
    all.extend(unexpected.cloned().map(What::IndexUnexpected));
    all
}

fn in_column(expected: &Column, found: &Column) -> Vec<What> {
    let mut all = Vec::new();
    let pair = || (expected.clone(), found.clone());
    if expected.kind != found.kind {
        let (expected, found) = pair();
        let narrower = match (room(&expected.kind), room(&found.kind)) {
            (Some((kind, must)), Some((other, has))) => kind == other && has < must,
            _ => false,
        };
        all.push(if narrower { What::ColumnNarrower(expected, found) } else { What::ColumnOther(expected, found) });
    }
    match (expected.required, found.required) {
        (false, true) => all.push(What::NullRefused(expected.clone())),
        (true, false) => all.push(What::NullAccepted(expected.clone())),
        _ => {}
    }
    if expected.default != found.default {
        let (expected, found) = pair();
        all.push(What::DefaultOther(expected, found));
    }
    all
}

/// What kind of values a type holds, and how long or large ones.
fn room(kind: &str) -> Option<(&'static str, u64)> {
    let kind = kind.to_ascii_lowercase();
    let (name, length) = match kind.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end_matches(')').parse().ok()),
        None => (kind.as_str(), None),
    };
    match name {
        "smallint" => Some(("number", 2)),
        "integer" | "int" => Some(("number", 4)),
        "bigint" => Some(("number", 8)),
        "text" => Some(("text", u64::MAX)),
        "character varying" | "varchar" => Some(("text", length.unwrap_or(u64::MAX))),
        "character" | "char" => Some(("text", length.unwrap_or(1))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_text_and_a_smaller_number_are_narrower() {
        let column =
            |kind: &str| Column { name: "a".to_owned(), kind: kind.to_owned(), required: false, default: None };
        let told = |expected: &str, found: &str| match in_column(&column(expected), &column(found)).as_slice() {
            [] => "same",
            [What::ColumnNarrower(..)] => "narrower",
            _ => "other",
        };
        assert_eq!(told("text", "character varying(64)"), "narrower");
        assert_eq!(told("bigint", "integer"), "narrower");
        assert_eq!(told("bigint", "bigint"), "same");
        assert_eq!(told("character varying(64)", "text"), "other");
        assert_eq!(told("bigint", "text"), "other");
    }
}
