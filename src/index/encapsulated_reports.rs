//! Documents in DICOM objects of studies that are linked to exam reports, and the report files made of them (D-I14).

use super::jobs::{self, JobKind};
use super::{Error, Ids, Index, Row, Tx};
use crate::domain::place::Place;
use crate::params;

/// What `report_file.source` begins with when the file came inside a DICOM object; the SOP Instance UID follows.
const SOURCE: &str = "dicom:";

/// Most documents that are looked at for one exam report, the newest first.
const MOST_DOCUMENTS: i64 = 64;

/// What is written as the source of a file that came inside an object.
pub fn source_of(sop_instance_uid: &str) -> String {
    format!("{SOURCE}{sop_instance_uid}")
}

/// Whether a source says that the file came inside an object.
pub fn is_source(source: &str) -> bool {
    source.starts_with(SOURCE)
}

/// An object with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncapsulatedDocument {
    /// (0008,0018).
    pub sop_instance_uid: String,
    /// (0002,0010).
    pub transfer_syntax_uid: String,
    /// Where the Part 10 file is.
    pub place: Place,
    /// Where its data set begins.
    pub dataset_offset: u64,
    /// Whether it is another content under a taken UID (D-I15).
    pub is_version: bool,
    /// Whether its bytes have been given up because an upstream archive keeps them.
    pub is_offline: bool,
}

/// Documents of a SOP class in the studies of an exam report, the newest first; films (D-I5) are none.
pub async fn documents_of(
    index: &Index,
    exam_report_pk: i64,
    sop_class_uid: &str,
) -> Result<Vec<EncapsulatedDocument>, Error> {
    let sql = "SELECT i.id AS pk, i.sop_instance_uid, i.transfer_syntax_uid, i.object_key, i.object_offset, i.object_length, \
               i.dataset_offset, i.received_at, \
               CAST(0 AS BIGINT) AS is_version, \
               CAST(CASE WHEN i.offline_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS is_offline \
               FROM exam_study x JOIN series r ON r.study_pk = x.study_pk JOIN instance i ON i.series_pk = r.id \
               WHERE x.exam_report_pk = $1 AND r.kind = 'document' AND i.sop_class_uid = $2 \
               AND i.header_state <> 'truncated' \
               UNION ALL \
               SELECT v.id AS pk, i.sop_instance_uid, v.transfer_syntax_uid, v.object_key, v.object_offset, v.object_length, \
               v.dataset_offset, v.received_at, CAST(1 AS BIGINT) AS is_version, CAST(0 AS BIGINT) AS is_offline \
               FROM exam_study x JOIN series r ON r.study_pk = x.study_pk JOIN instance i ON i.series_pk = r.id \
               JOIN instance_version v ON v.instance_pk = i.id \
               WHERE x.exam_report_pk = $3 AND r.kind = 'document' AND i.sop_class_uid = $4 \
               ORDER BY received_at DESC, is_version DESC, pk DESC LIMIT $5";
    let values = params![exam_report_pk, sop_class_uid, exam_report_pk, sop_class_uid, MOST_DOCUMENTS];
    index.query(sql, values).await?.iter().map(document_from).collect()
}

fn document_from(row: &Row) -> Result<EncapsulatedDocument, Error> {
    let bytes = |column| row.int(column).map(|number| number.max(0).unsigned_abs());
    Ok(EncapsulatedDocument {
        sop_instance_uid: row.text("sop_instance_uid")?,
        transfer_syntax_uid: row.text("transfer_syntax_uid")?,
        place: Place { key: row.text("object_key")?, offset: bytes("object_offset")?, length: bytes("object_length")? },
        dataset_offset: bytes("dataset_offset")?,
        is_version: row.int("is_version")? != 0,
        is_offline: row.int("is_offline")? != 0,
    })
}

/// Plans to look at the documents of all exam reports that a study is linked to.
pub async fn study_has_changed(tx: &mut Tx, ids: &Ids, now: i64, study_pk: i64) -> Result<(), Error> {
    let sql = "SELECT exam_report_pk FROM exam_study WHERE study_pk = $1 ORDER BY exam_report_pk";
    for row in tx.query(sql, params![study_pk]).await? {
        plan(tx, ids, now, row.int("exam_report_pk")?).await?;
    }
    Ok(())
}

/// Plans to look at the documents of an exam report when the study that was linked to it, or taken from it, has any.
pub async fn link_has_changed(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    exam_report_pk: i64,
    study_pk: i64,
) -> Result<(), Error> {
    let sql = "SELECT id FROM series WHERE study_pk = $1 AND kind = 'document' LIMIT 1";
    if tx.query_opt(sql, params![study_pk]).await?.is_some() {
        plan(tx, ids, now, exam_report_pk).await?;
    }
    Ok(())
}

/// Plans to look whether an exam report, whose links were made anew, may keep the file that came inside an object.
pub async fn exam_has_changed(tx: &mut Tx, ids: &Ids, now: i64, exam_report_pk: i64) -> Result<(), Error> {
    let current = current_source(tx, exam_report_pk).await?;
    if current.is_some_and(|source| is_source(&source)) {
        plan(tx, ids, now, exam_report_pk).await?;
    }
    Ok(())
}

async fn plan(tx: &mut Tx, ids: &Ids, now: i64, exam_report_pk: i64) -> Result<(), Error> {
    jobs::enqueue(tx, ids, now, JobKind::TakeEncapsulatedReport, &exam_report_pk.to_string(), now).await
}

async fn current_source(tx: &mut Tx, exam_report_pk: i64) -> Result<Option<String>, Error> {
    let sql = "SELECT source FROM report_file WHERE exam_report_pk = $1 AND is_current = 1";
    tx.query_opt(sql, params![exam_report_pk]).await?.map(|row| row.text("source")).transpose()
}

/// Whether a file with this source may become the current one: another file goes before one that came inside an object,
/// and the object's study must still be linked. True for every other source.
pub async fn may_be_current(tx: &mut Tx, exam_report_pk: i64, source: &str) -> Result<bool, Error> {
    let Some(sop_instance_uid) = source.strip_prefix(SOURCE) else { return Ok(true) };
    let current = current_source(tx, exam_report_pk).await?;
    if current.is_some_and(|current| !is_source(&current)) {
        return Ok(false);
    }
    let sql = "SELECT i.id FROM exam_report e JOIN instance i ON i.org_code = e.org_code AND i.sop_instance_uid = $1 \
               JOIN series r ON r.id = i.series_pk JOIN exam_study x ON x.study_pk = r.study_pk AND \
               x.exam_report_pk = e.id WHERE e.id = $2";
    Ok(tx.query_opt(sql, params![sop_instance_uid, exam_report_pk]).await?.is_some())
}

/// Takes a file away from an exam report that is shown because of an object; it stays in the history.
pub async fn retract(tx: &mut Tx, exam_report_pk: i64, source: &str) -> Result<bool, Error> {
    let sql = "UPDATE report_file SET is_current = 0 WHERE exam_report_pk = $1 AND is_current = 1 AND source = $2";
    Ok(tx.execute(sql, params![exam_report_pk, source]).await? > 0)
}
