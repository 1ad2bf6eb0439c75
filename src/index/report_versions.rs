//! Earlier contents of reports, whole, as they were replaced (D-R8): here of exam reports, in [`labs`] of lab reports.

pub mod labs;

use serde_json::Value;

use super::{Error, Index, Row};
use crate::domain::exam_report::ExamReport;
use crate::domain::record::{Field, Record, is_withdrawn};
use crate::params;

/// One earlier version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Its number, from 1.
    pub version: i64,
    /// When it was replaced.
    pub replaced_at: i64,
    /// Whether it had been reviewed.
    pub reviewed: bool,
    /// Whether the hospital had withdrawn it (D-R18).
    pub withdrawn: bool,
}

/// What an earlier version of an exam report said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields carry the names of the registration interface")]
pub struct VersionText {
    pub exam_item_name: String,
    pub outpat_diag_name: String,
    pub image_descr: String,
    pub conclusion: String,
    pub author_name: String,
    pub authenticator_name: String,
    pub replaced_at: i64,
    pub reviewed: bool,
    pub withdrawn: bool,
}

/// The versions of an exam report, the newest first.
pub async fn list(index: &Index, report_pk: i64, limit: usize) -> Result<Vec<VersionRow>, Error> {
    let sql = "SELECT version, replaced_at, content FROM report_version WHERE kind = 'exam' AND report_pk = $1 \
               ORDER BY version DESC LIMIT $2";
    let rows = index.query(sql, params![report_pk, limit as i64]).await?;
    rows.iter().map(version_of).collect()
}

fn version_of(row: &Row) -> Result<VersionRow, Error> {
    let (version, replaced_at) = (row.int("version")?, row.int("replaced_at")?);
    let content = content_of(row)?;
    let (reviewed, withdrawn) = (is_reviewed(&content), is_withdrawn(content["data_status"].as_str()));
    Ok(VersionRow { version, replaced_at, reviewed, withdrawn })
}

/// The versions of an exam report with all that was registered, the newest first.
pub async fn contents(index: &Index, report_pk: i64, limit: usize) -> Result<Vec<(VersionRow, ExamReport)>, Error> {
    let sql = "SELECT version, replaced_at, content FROM report_version WHERE kind = 'exam' AND report_pk = $1 \
               ORDER BY version DESC LIMIT $2";
    let rows = index.query(sql, params![report_pk, limit as i64]).await?;
    rows.iter().map(|row| Ok((version_of(row)?, record_in(&content_of(row)?)))).collect()
}

/// The texts of one version of an exam report.
pub async fn text(index: &Index, report_pk: i64, version: i64) -> Result<Option<VersionText>, Error> {
    let sql = "SELECT content, replaced_at FROM report_version WHERE kind = 'exam' AND report_pk = $1 AND version = $2";
    let Some(row) = index.query_opt(sql, params![report_pk, version]).await? else { return Ok(None) };
    let content = content_of(&row)?;
    let text = |column: &str| content[column].as_str().unwrap_or_default().to_owned();
    Ok(Some(VersionText {
        exam_item_name: text("exam_item_name"),
        outpat_diag_name: text("outpat_diag_name"),
        image_descr: text("image_descr"),
        conclusion: text("conclusion"),
        author_name: text("author_name"),
        authenticator_name: text("authenticator_name"),
        replaced_at: row.int("replaced_at")?,
        reviewed: is_reviewed(&content),
        withdrawn: is_withdrawn(content["data_status"].as_str()),
    }))
}

fn content_of(row: &Row) -> Result<Value, Error> {
    serde_json::from_str(&row.text("content")?).map_err(|_| Error::Damaged("report_version.content"))
}

fn record_in<F: Field>(content: &Value) -> Record<F> {
    let mut record = Record::default();
    for &field in F::ALL {
        record.put(field, content.get(field.spec().column).and_then(Value::as_str).map(str::to_owned));
    }
    record
}

/// D-R23, for a content that is no longer the report's.
fn is_reviewed(content: &Value) -> bool {
    let text = |column: &str| content[column].as_str().unwrap_or_default().trim().to_uppercase();
    let state = text("state");
    matches!(state.as_str(), "3" | "4")
        || matches!(text("checked_status").as_str(), "1" | "Y" | "T")
        || (state.is_empty() && !text("authenticator_dtime").is_empty())
}
