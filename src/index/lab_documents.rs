//! Lab reports as documents: the newest composition of each, and what it is composed of.

use super::lab_reports::FoundLab;
use super::record_columns::record_of;
use super::{Error, Index, Row, Tx};
use crate::domain::lab_report::{LabField, LabItem, LabItemField};
use crate::domain::place::Place;
use crate::domain::record::Record;
use crate::params;

/// Most lines of one lab report.
const MOST_LINES: i64 = 5_000;

/// The newest composition of a lab report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabDocument {
    /// The row's id; another one for each composition.
    pub id: i64,
    /// The lab report.
    pub lab_report_pk: i64,
    /// 1, 2, … one for each composition.
    pub revision: i64,
    /// Hash of what was composed and how, hex.
    pub content_hash: String,
    /// Where the PDF is.
    pub place: Place,
    /// SHA-256 of the PDF, hex.
    pub hash: String,
    /// Pages.
    pub page_count: i64,
    /// Whether it carries a code.
    pub stamped: bool,
    /// When it was made, milliseconds since 1970 UTC.
    pub composed_at: i64,
}

/// A lab report with its lines that are not withdrawn, by number, then by arrival; `None` when it is withdrawn or gone.
pub async fn report(index: &Index, lab_report_pk: i64) -> Result<Option<FoundLab>, Error> {
    let sql = "SELECT * FROM lab_report WHERE id = $1 AND withdrawn = 0";
    let Some(row) = index.query_opt(sql, params![lab_report_pk]).await? else { return Ok(None) };
    let sql = "SELECT * FROM lab_item WHERE lab_report_pk = $1 AND withdrawn = 0 ORDER BY id LIMIT $2";
    let mut items = Vec::new();
    for item in index.query(sql, params![lab_report_pk, MOST_LINES]).await? {
        items.push(record_of::<LabItemField>(&item)?);
    }
    items.sort_by_key(|item: &LabItem| item.text(LabItemField::SerialNo).trim().parse().unwrap_or(u64::MAX));
    Ok(Some(FoundLab { id: row.int("id")?, report: record_of(&row)?, items, link: None }))
}

/// Pages' names of the lab reports of the same visit, this one among them, oldest first; those withdrawn are left out.
pub async fn of_visit(index: &Index, report: &Record<LabField>, limit: u32) -> Result<Vec<(i64, String)>, Error> {
    let sql = "SELECT id, observation_uid FROM lab_report WHERE org_code = $1 AND patient_id = $2 AND event_type = $3 \
               AND event_no = $4 AND withdrawn = 0 ORDER BY retrieve_at, id LIMIT $5";
    let keys = [LabField::OrgCode, LabField::PatientId, LabField::EventType, LabField::EventNo].map(|f| report.text(f));
    let rows = index.query(sql, params![keys[0], keys[1], keys[2], keys[3], i64::from(limit)]).await?;
    rows.iter().map(|row| Ok((row.int("id")?, row.text("observation_uid")?))).collect()
}

/// The newest composition, perhaps of an older content.
pub async fn get(index: &Index, lab_report_pk: i64) -> Result<Option<LabDocument>, Error> {
    index.query_opt(GET, params![lab_report_pk]).await?.as_ref().map(document_from).transpose()
}

const GET: &str = "SELECT id, lab_report_pk, revision, content_hash, object_key, object_length, object_hash, page_count, \
                   stamped, composed_at FROM lab_document WHERE lab_report_pk = $1";

/// Puts a composition in the place of the one before, which is given back; `document.revision` is set.
pub async fn put(tx: &mut Tx, document: &mut LabDocument) -> Result<Option<LabDocument>, Error> {
    let former = tx.query_opt(GET, params![document.lab_report_pk]).await?.as_ref().map(document_from).transpose()?;
    document.revision = former.as_ref().map_or(1, |former| former.revision + 1);
    let sql = "INSERT INTO lab_document (id, lab_report_pk, revision, content_hash, object_key, object_length, object_hash, \
               page_count, stamped, composed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
               ON CONFLICT (lab_report_pk) DO UPDATE SET id = excluded.id, revision = excluded.revision, \
               content_hash = excluded.content_hash, object_key = excluded.object_key, \
               object_length = excluded.object_length, object_hash = excluded.object_hash, \
               page_count = excluded.page_count, stamped = excluded.stamped, composed_at = excluded.composed_at";
    let values = params![
        document.id,
        document.lab_report_pk,
        document.revision,
        &document.content_hash,
        &document.place.key,
        document.place.length as i64,
        &document.hash,
        document.page_count,
        document.stamped,
        document.composed_at,
    ];
    tx.execute(sql, values).await?;
    Ok(former)
}

fn document_from(row: &Row) -> Result<LabDocument, Error> {
    Ok(LabDocument {
        id: row.int("id")?,
        lab_report_pk: row.int("lab_report_pk")?,
        revision: row.int("revision")?,
        content_hash: row.text("content_hash")?,
        place: Place { key: row.text("object_key")?, offset: 0, length: row.int("object_length")?.unsigned_abs() },
        hash: row.text("object_hash")?,
        page_count: row.int("page_count")?,
        stamped: row.flag("stamped")?,
        composed_at: row.int("composed_at")?,
    })
}
