//! Records that were not accepted, counted by organisation, kind, day, code and field (D-R14).

use super::{Error, Index, Select, Tx, Value};
use crate::params;

/// What was rejected, and how often.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectedRecords {
    /// The organisation, empty when it is not one of ours.
    pub org_code: String,
    /// `exam`, `lab` or `lab_subitem`.
    pub kind: String,
    /// Why.
    pub code: String,
    /// The first field at fault, empty when it is not about one.
    pub field: String,
    /// How many.
    pub records: i64,
}

/// Adds to the counts of a day.
pub async fn add(tx: &mut Tx, day: &str, rejected: &RejectedRecords) -> Result<(), Error> {
    let sql = "INSERT INTO rejected_record (org_code, kind, day, code, field, records) VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (org_code, kind, day, code, field) \
               DO UPDATE SET records = rejected_record.records + excluded.records";
    let RejectedRecords { org_code, kind, code, field, records } = rejected;
    tx.execute(sql, params![org_code, kind, day, code, field, *records]).await.map(|_| ())
}

/// What was rejected from one day to another, both inclusive.
pub async fn between(
    index: &Index,
    from_day: &str,
    to_day: &str,
    organizations: Option<&[String]>,
) -> Result<Vec<RejectedRecords>, Error> {
    let mut select = Select::new(
        "SELECT org_code, kind, code, field, CAST(SUM(records) AS BIGINT) AS records FROM rejected_record WHERE 1 = 1",
    );
    select.push(" AND day >= ? AND day <= ?", params![from_day, to_day]);
    if let Some(organizations) = organizations {
        select.push_in(" AND org_code", organizations.iter().map(Value::from).collect());
    }
    select.push(" GROUP BY org_code, kind, code, field ORDER BY org_code, kind, code, field", Vec::new());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(RejectedRecords {
                org_code: row.text("org_code")?,
                kind: row.text("kind")?,
                code: row.text("code")?,
                field: row.text("field")?,
                records: row.int("records")?,
            })
        })
        .collect()
}
