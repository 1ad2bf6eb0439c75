//! Attachments of exams, and which exam report each belongs to (D-I14).

use super::exam_pages::{Entry, EntryKind};
use super::links::ExamKeys;
use super::{Error, Index, Row, Select, Tx, Value};
use crate::domain::attachment::{AttachmentKind, AttachmentType};
use crate::domain::place::Place;
use crate::params;

/// What is known of an attachment when it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// Whose it is.
    pub org_code: String,
    /// What it is.
    pub kind: AttachmentKind,
    /// How it is encoded.
    pub media_type: AttachmentType,
    /// Shown on pages.
    pub title: String,
    /// The exam's AccessionNumber, or empty.
    pub accession_number: String,
    /// The patient's number, or empty.
    pub patient_id: String,
    /// The exam's Study Instance UID, or empty.
    pub study_instance_uid: String,
    /// The file's name as it came.
    pub source_name: String,
    /// SHA-256, hex.
    pub content_hash: String,
    /// Where its bytes are.
    pub place: Place,
}

/// An attachment of an exam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its row.
    pub pk: i64,
    /// What it is.
    pub kind: AttachmentKind,
    /// How it is encoded.
    pub media_type: AttachmentType,
    /// Shown on pages.
    pub title: String,
    /// The file's name as it came.
    pub source_name: String,
    /// SHA-256, hex.
    pub content_hash: String,
    /// When it came, milliseconds since 1970 UTC.
    pub received_at: i64,
    /// Where its bytes are.
    pub place: Place,
}

/// What linking needs to know of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentKeys {
    /// Its row.
    pub pk: i64,
    /// Its organisation.
    pub org_code: String,
    /// AccessionNumber, or empty.
    pub accession_number: String,
    /// The patient's number, or empty.
    pub patient_id: String,
    /// Study Instance UID, or empty.
    pub study_instance_uid: String,
}

/// Most attachments that one exam report's registration looks at again.
const MOST_OF_AN_EXAM: i64 = 1000;

/// Whether the same content is there under the same keys; asked before its object is made durable.
pub async fn is_there(index: &Index, new: &NewAttachment) -> Result<bool, Error> {
    let sql = "SELECT id FROM attachment WHERE org_code = $1 AND accession_number = $2 AND study_instance_uid = $3 \
               AND kind = $4 AND content_hash = $5";
    let key =
        params![&new.org_code, &new.accession_number, &new.study_instance_uid, new.kind.as_str(), &new.content_hash];
    Ok(index.query_opt(sql, key).await?.is_some())
}

/// Adds the attachment, not linked yet; `false` when it is there already.
pub async fn insert(tx: &mut Tx, id: i64, received_at: i64, new: &NewAttachment) -> Result<bool, Error> {
    let sql = "INSERT INTO attachment (id, org_code, kind, media_type, title, accession_number, patient_id, \
               study_instance_uid, source_name, content_hash, object_key, object_offset, object_length, state, \
               received_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'unlinked', $14) \
               ON CONFLICT (org_code, accession_number, study_instance_uid, kind, content_hash) DO NOTHING";
    let values = params![
        id,
        &new.org_code,
        new.kind.as_str(),
        new.media_type.as_str(),
        &new.title,
        &new.accession_number,
        &new.patient_id,
        &new.study_instance_uid,
        &new.source_name,
        &new.content_hash,
        &new.place.key,
        new.place.offset as i64,
        new.place.length as i64,
        received_at,
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// The exam reports that an attachment is linked to.
pub async fn exams_linked(tx: &mut Tx, pk: i64) -> Result<Vec<i64>, Error> {
    let sql = "SELECT exam_report_pk AS pk FROM exam_attachment WHERE attachment_pk = $1 ORDER BY exam_report_pk";
    let mut found = Vec::new();
    add_pks(&mut found, tx.query(sql, params![pk]).await?)?;
    Ok(found)
}

/// The keys of one attachment.
pub async fn keys(tx: &mut Tx, pk: i64) -> Result<Option<AttachmentKeys>, Error> {
    let sql = "SELECT id, org_code, accession_number, patient_id, study_instance_uid FROM attachment WHERE id = $1";
    tx.query_opt(sql, params![pk]).await?.as_ref().map(keys_from).transpose()
}

/// Attachments that an exam report concerns: those linked to it by rule, and those whose keys name it.
pub async fn concerning(tx: &mut Tx, exam: &ExamKeys) -> Result<Vec<i64>, Error> {
    let mut found = Vec::new();
    let linked =
        "SELECT attachment_pk AS pk FROM exam_attachment WHERE exam_report_pk = $1 AND rule <> 'manual' LIMIT $2";
    add_pks(&mut found, tx.query(linked, params![exam.exam_report_pk, MOST_OF_AN_EXAM]).await?)?;
    if !exam.pacs_id.is_empty() {
        let named = "SELECT id AS pk FROM attachment WHERE org_code = $1 AND accession_number = $2 LIMIT $3";
        add_pks(&mut found, tx.query(named, params![&exam.org_code, &exam.pacs_id, MOST_OF_AN_EXAM]).await?)?;
    }
    let by_uid = "SELECT a.id AS pk FROM exam_study_uid u JOIN attachment a ON a.org_code = $1 \
                  AND a.study_instance_uid = u.study_instance_uid WHERE u.exam_report_pk = $2 LIMIT $3";
    add_pks(&mut found, tx.query(by_uid, params![&exam.org_code, exam.exam_report_pk, MOST_OF_AN_EXAM]).await?)?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// An attachment that belongs to no exam report, for somebody who decides about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkedAttachment {
    /// Its row.
    pub pk: i64,
    /// Its organisation.
    pub org_code: String,
    /// What it is.
    pub kind: String,
    /// AccessionNumber, or empty.
    pub accession_number: String,
    /// The patient's number, or empty.
    pub patient_id: String,
    /// Study Instance UID, or empty.
    pub study_instance_uid: String,
    /// The file's name as it came.
    pub source_name: String,
    /// When it came.
    pub received_at: i64,
}

/// Attachments that no exam report is linked to, the newest first.
pub async fn unlinked(index: &Index, limit: u32) -> Result<Vec<UnlinkedAttachment>, Error> {
    let sql = "SELECT id, org_code, kind, accession_number, patient_id, study_instance_uid, source_name, received_at \
               FROM attachment WHERE state = 'unlinked' ORDER BY received_at DESC, id DESC LIMIT $1";
    let rows = index.query(sql, params![i64::from(limit)]).await?;
    rows.iter()
        .map(|row| {
            Ok(UnlinkedAttachment {
                pk: row.int("id")?,
                org_code: row.text("org_code")?,
                kind: row.text("kind")?,
                accession_number: row.text("accession_number")?,
                patient_id: row.text("patient_id")?,
                study_instance_uid: row.text("study_instance_uid")?,
                source_name: row.text("source_name")?,
                received_at: row.int("received_at")?,
            })
        })
        .collect()
}

/// Takes an attachment from an exam report because a person says so; no rule links them again. False when they were not
/// linked.
pub async fn take_apart(tx: &mut Tx, exam_report_pk: i64, pk: i64, now: i64) -> Result<bool, Error> {
    let sql = "DELETE FROM exam_attachment WHERE exam_report_pk = $1 AND attachment_pk = $2";
    if tx.execute(sql, params![exam_report_pk, pk]).await? == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO exam_attachment_apart (exam_report_pk, attachment_pk, parted_at) VALUES ($1, $2, $3) \
               ON CONFLICT (exam_report_pk, attachment_pk) DO NOTHING";
    tx.execute(sql, params![exam_report_pk, pk, now]).await?;
    note_state(tx, pk).await?;
    Ok(true)
}

/// Links an attachment to an exam report because a person says so; no rule takes them apart.
pub async fn link_by_hand(tx: &mut Tx, exam_report_pk: i64, pk: i64, now: i64) -> Result<(), Error> {
    let sql = "DELETE FROM exam_attachment_apart WHERE exam_report_pk = $1 AND attachment_pk = $2";
    tx.execute(sql, params![exam_report_pk, pk]).await?;
    let sql = "INSERT INTO exam_attachment (exam_report_pk, attachment_pk, rule, linked_at) VALUES ($1, $2, 'manual', $3) \
               ON CONFLICT (exam_report_pk, attachment_pk) DO UPDATE SET rule = excluded.rule, linked_at = excluded.linked_at";
    tx.execute(sql, params![exam_report_pk, pk, now]).await?;
    note_state(tx, pk).await
}

/// Attachments of the organisation that name a study.
pub async fn naming_study(tx: &mut Tx, org_code: &str, study_instance_uid: &str) -> Result<Vec<i64>, Error> {
    let sql = "SELECT id AS pk FROM attachment WHERE org_code = $1 AND study_instance_uid = $2 LIMIT $3";
    let mut found = Vec::new();
    add_pks(&mut found, tx.query(sql, params![org_code, study_instance_uid, MOST_OF_AN_EXAM]).await?)?;
    Ok(found)
}

/// Takes the links away that rules made.
pub async fn unlink_by_rule(tx: &mut Tx, pk: i64) -> Result<(), Error> {
    let sql = "DELETE FROM exam_attachment WHERE attachment_pk = $1 AND rule <> 'manual'";
    tx.execute(sql, params![pk]).await.map(|_| ())
}

/// Links an attachment to an exam report by a rule, unless a person has taken them apart; linking again changes nothing.
pub async fn link(tx: &mut Tx, exam_report_pk: i64, pk: i64, rule: &str, now: i64) -> Result<(), Error> {
    let sql = "SELECT attachment_pk FROM exam_attachment_apart WHERE exam_report_pk = $1 AND attachment_pk = $2";
    if tx.query_opt(sql, params![exam_report_pk, pk]).await?.is_some() {
        return Ok(());
    }
    let sql = "INSERT INTO exam_attachment (exam_report_pk, attachment_pk, rule, linked_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (exam_report_pk, attachment_pk) DO NOTHING";
    tx.execute(sql, params![exam_report_pk, pk, rule, now]).await.map(|_| ())
}

/// Writes down whether the attachment has an exam report.
pub async fn note_state(tx: &mut Tx, pk: i64) -> Result<(), Error> {
    let sql = "UPDATE attachment SET state = CASE WHEN EXISTS (SELECT 1 FROM exam_attachment x WHERE \
               x.attachment_pk = attachment.id) THEN 'linked' ELSE 'unlinked' END WHERE id = $1";
    tx.execute(sql, params![pk]).await.map(|_| ())
}

/// The attachments of an entry that the caller may see, in the order in which they came.
pub async fn of_entry(index: &Index, entry: &Entry, limit: i64) -> Result<Vec<Attachment>, Error> {
    if entry.kind != EntryKind::Exam {
        return Ok(Vec::new());
    }
    let sql = "SELECT a.* FROM exam_attachment x JOIN attachment a ON a.id = x.attachment_pk WHERE x.exam_report_pk = $1 \
               ORDER BY a.id LIMIT $2";
    index.query(sql, params![entry.pk, limit]).await?.iter().map(attachment_from).collect()
}

/// One attachment, when it belongs to the entry.
pub async fn get(index: &Index, entry: &Entry, pk: i64) -> Result<Option<Attachment>, Error> {
    if entry.kind != EntryKind::Exam {
        return Ok(None);
    }
    let sql = "SELECT a.* FROM exam_attachment x JOIN attachment a ON a.id = x.attachment_pk \
               WHERE x.exam_report_pk = $1 AND a.id = $2";
    index.query_opt(sql, params![entry.pk, pk]).await?.as_ref().map(attachment_from).transpose()
}

/// The attachments of exam reports, each with its report, in the order in which they came.
pub async fn of_reports(index: &Index, exam_report_pks: Vec<Value>) -> Result<Vec<(i64, Attachment)>, Error> {
    let mut select = Select::new(
        "SELECT x.exam_report_pk, a.* FROM exam_attachment x JOIN attachment a ON a.id = x.attachment_pk WHERE",
    );
    select.push_in(" x.exam_report_pk", exam_report_pks).push(" ORDER BY x.exam_report_pk, a.id", Vec::new());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(|row| Ok((row.int("exam_report_pk")?, attachment_from(row)?))).collect()
}

fn add_pks(found: &mut Vec<i64>, rows: Vec<Row>) -> Result<(), Error> {
    for row in rows {
        found.push(row.int("pk")?);
    }
    Ok(())
}

fn keys_from(row: &Row) -> Result<AttachmentKeys, Error> {
    Ok(AttachmentKeys {
        pk: row.int("id")?,
        org_code: row.text("org_code")?,
        accession_number: row.text("accession_number")?,
        patient_id: row.text("patient_id")?,
        study_instance_uid: row.text("study_instance_uid")?,
    })
}

fn attachment_from(row: &Row) -> Result<Attachment, Error> {
    let size = |column| row.int(column).and_then(|v| u64::try_from(v).map_err(|_| Error::Damaged("attachment.object")));
    Ok(Attachment {
        pk: row.int("id")?,
        // A newer version beside this one may know kinds and types that are none of ours: kept, told, not shown.
        kind: AttachmentKind::parse(&row.text("kind")?).unwrap_or(AttachmentKind::Other),
        media_type: AttachmentType::parse(&row.text("media_type")?).unwrap_or(AttachmentType::Unknown),
        title: row.text("title")?,
        source_name: row.text("source_name")?,
        content_hash: row.text("content_hash")?,
        received_at: row.int("received_at")?,
        place: Place { key: row.text("object_key")?, offset: size("object_offset")?, length: size("object_length")? },
    })
}
