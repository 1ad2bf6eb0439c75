//! Earlier contents of reports, whole, as they were replaced (D-R8): here of exam reports, in [`labs`] of lab reports.

pub mod labs;

use serde_json::Value;

use super::{Error, Index, Row};
use crate::domain::exam_report::{ExamField, ExamReport, is_reviewed};
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
    rows.iter().map(|row| version_of(row, &content_of(row)?)).collect()
}

fn version_of(row: &Row, content: &ExamReport) -> Result<VersionRow, Error> {
    let (version, replaced_at) = (row.int("version")?, row.int("replaced_at")?);
    let (reviewed, withdrawn) = (is_reviewed(content), is_withdrawn(content.get(ExamField::DataStatus)));
    Ok(VersionRow { version, replaced_at, reviewed, withdrawn })
}

/// The versions of an exam report with all that was registered, the newest first.
pub async fn contents(index: &Index, report_pk: i64, limit: usize) -> Result<Vec<(VersionRow, ExamReport)>, Error> {
    let sql = "SELECT version, replaced_at, content FROM report_version WHERE kind = 'exam' AND report_pk = $1 \
               ORDER BY version DESC LIMIT $2";
    let rows = index.query(sql, params![report_pk, limit as i64]).await?;
    let of = |row: &Row| {
        let content: ExamReport = content_of(row)?;
        Ok((version_of(row, &content)?, content))
    };
    rows.iter().map(of).collect()
}

/// The texts of one version of an exam report.
pub async fn text(index: &Index, report_pk: i64, version: i64) -> Result<Option<VersionText>, Error> {
    let sql = "SELECT content, replaced_at FROM report_version WHERE kind = 'exam' AND report_pk = $1 AND version = $2";
    let Some(row) = index.query_opt(sql, params![report_pk, version]).await? else { return Ok(None) };
    let content: ExamReport = content_of(&row)?;
    let text = |field| content.text(field).to_owned();
    Ok(Some(VersionText {
        exam_item_name: text(ExamField::ExamItemName),
        outpat_diag_name: text(ExamField::OutpatDiagName),
        image_descr: text(ExamField::ImageDescr),
        conclusion: text(ExamField::Conclusion),
        author_name: text(ExamField::AuthorName),
        authenticator_name: text(ExamField::AuthenticatorName),
        replaced_at: row.int("replaced_at")?,
        reviewed: is_reviewed(&content),
        withdrawn: is_withdrawn(content.get(ExamField::DataStatus)),
    }))
}

/// What a report or a line said, as it was kept when it was replaced.
fn content_of<F: Field>(row: &Row) -> Result<Record<F>, Error> {
    let content: Value =
        serde_json::from_str(&row.text("content")?).map_err(|_| Error::Damaged("report_version.content"))?;
    let mut record = Record::default();
    for &field in F::ALL {
        record.put(field, content.get(field.spec().column).and_then(Value::as_str).map(str::to_owned));
    }
    Ok(record)
}
