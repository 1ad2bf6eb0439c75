//! The instances behind a path of UIDs, as far as their reader may see them (DICOMweb).
//!
//! A path names a study and perhaps a series and an instance. The same UID may be there in several organisations; what is
//! read comes in the order of organisation, series and instance numbers.

use super::exam_details::frames_of;
use super::find::{Confidentiality, Readable, push_seen_by};
use super::{Error, Index, Row, Select, Value};
use crate::domain::place::Place;
use crate::params;

/// UIDs from the study down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UidPath {
    /// (0020,000D).
    pub study: String,
    /// (0020,000E), when one series is meant.
    pub series: Option<String>,
    /// (0008,0018), when one instance is meant.
    pub instance: Option<String>,
}

/// What somebody may see.
#[derive(Debug, Clone)]
pub enum Reach {
    /// Organisations.
    Organizations(Vec<Readable>),
    /// Rows of studies.
    Studies(Vec<i64>),
}

/// One stored instance, with what reading it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInstance {
    /// Its row.
    pub pk: i64,
    /// The study's row.
    pub study_pk: i64,
    /// Whose it is.
    pub org_code: String,
    /// (0020,000D).
    pub study_instance_uid: String,
    /// (0020,000E).
    pub series_instance_uid: String,
    /// (0008,0060).
    pub modality: String,
    /// image, film, waveform, …
    pub kind: String,
    /// (0008,0018).
    pub sop_instance_uid: String,
    /// (0008,0016).
    pub sop_class_uid: String,
    /// (0002,0010).
    pub transfer_syntax_uid: String,
    /// (0028,0008), at least 1.
    pub number_of_frames: u32,
    /// (0028,0010).
    pub rows: Option<i64>,
    /// (0028,0011).
    pub columns: Option<i64>,
    /// Hash of the data set, with its algorithm (`dicom/content_hash.rs`).
    pub content_hash: String,
    pub(crate) place: Place,
    pub(crate) dataset_offset: u64,
    pub(crate) pixel_data_offset: Option<u64>,
}

impl StoredInstance {
    /// Bytes of the Part 10 file.
    pub fn length(&self) -> u64 {
        self.place.length
    }

    /// Whether it has pixels.
    pub fn has_pixels(&self) -> bool {
        self.pixel_data_offset.is_some()
    }
}

/// A study that a session may perhaps see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyRow {
    /// Its row.
    pub pk: i64,
    /// Whose it is.
    pub org_code: String,
    /// (0020,000D).
    pub study_instance_uid: String,
}

/// At most `limit` instances under a path.
pub async fn instances(index: &Index, reach: &Reach, path: &UidPath, limit: i64) -> Result<Vec<StoredInstance>, Error> {
    let mut select = Select::new(
        "SELECT i.id, study.id AS study_pk, study.org_code, study.study_instance_uid, r.series_instance_uid, \
         r.modality, r.kind, i.sop_instance_uid, i.sop_class_uid, i.transfer_syntax_uid, i.number_of_frames, i.pixel_rows, \
         i.pixel_columns, i.content_hash, i.object_key, i.object_offset, i.object_length, i.dataset_offset, \
         i.pixel_data_offset FROM study JOIN series r ON r.study_pk = study.id JOIN instance i ON i.series_pk = r.id \
         WHERE study.study_instance_uid",
    );
    select.push(" = ?", params![&path.study]);
    if let Some(series) = &path.series {
        select.push(" AND r.series_instance_uid = ?", params![series]);
    }
    if let Some(instance) = &path.instance {
        select.push(" AND i.sop_instance_uid = ?", params![instance]);
    }
    push_reach(&mut select, reach);
    select.push(
        " ORDER BY study.org_code, COALESCE(r.series_number, 2147483647), r.id, \
         COALESCE(i.instance_number, 2147483647), i.id LIMIT ?",
        params![limit],
    );
    index.query(select.sql(), select.values()).await?.iter().map(read).collect()
}

fn push_reach(select: &mut Select, reach: &Reach) {
    let readable = match reach {
        Reach::Studies(pks) => {
            select.push_in(" AND study.id", pks.iter().map(|pk| Value::from(*pk)).collect());
            return;
        }
        Reach::Organizations(readable) => readable,
    };
    let of = |confidentiality| {
        let codes = readable.iter().filter(move |r| r.confidentiality == confidentiality);
        codes.map(|r| Value::from(&r.org_code)).collect::<Vec<_>>()
    };
    select.push_in(" AND (study.org_code", of(Confidentiality::Everything));
    for confidentiality in [Confidentiality::Privileged, Confidentiality::SharedOnly] {
        select.push_in(" OR (study.org_code", of(confidentiality));
        push_seen_by(select, confidentiality);
        select.push(")", params![]);
    }
    select.push(")", params![]);
}

fn read(row: &Row) -> Result<StoredInstance, Error> {
    let bytes = |column| row.int(column).map(|number| number.max(0) as u64);
    Ok(StoredInstance {
        pk: row.int("id")?,
        study_pk: row.int("study_pk")?,
        org_code: row.text("org_code")?,
        study_instance_uid: row.text("study_instance_uid")?,
        series_instance_uid: row.text("series_instance_uid")?,
        modality: row.text("modality")?,
        kind: row.text("kind")?,
        sop_instance_uid: row.text("sop_instance_uid")?,
        sop_class_uid: row.text("sop_class_uid")?,
        transfer_syntax_uid: row.text("transfer_syntax_uid")?,
        number_of_frames: frames_of(row)? as u32,
        rows: row.get("pixel_rows")?,
        columns: row.get("pixel_columns")?,
        content_hash: row.text("content_hash")?,
        place: Place { key: row.text("object_key")?, offset: bytes("object_offset")?, length: bytes("object_length")? },
        dataset_offset: bytes("dataset_offset")?,
        pixel_data_offset: row.get::<Option<i64>>("pixel_data_offset")?.and_then(|at| u64::try_from(at).ok()),
    })
}

/// Studies under a UID, each with the names of the list entries through which it may be seen: its own, or those of its
/// reports.
pub async fn studies_with_entries(index: &Index, study_uid: &str) -> Result<Vec<(StudyRow, Vec<String>)>, Error> {
    let sql = "SELECT id, org_code, study_instance_uid, observation_uid FROM study WHERE study_instance_uid = $1 \
               ORDER BY org_code LIMIT 64";
    let mut found = Vec::new();
    for row in index.query(sql, params![study_uid]).await? {
        let study = study_from(&row)?;
        let sql = "SELECT e.observation_uid FROM exam_study x JOIN exam_report e ON e.id = x.exam_report_pk \
                   WHERE x.study_pk = $1 ORDER BY e.id";
        let reports = index.query(sql, params![study.pk]).await?;
        let mut entries = reports.iter().map(|row| row.text("observation_uid")).collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() {
            entries.push(row.text("observation_uid")?);
        }
        found.push((study, entries));
    }
    Ok(found)
}

/// The studies of exam reports, and those given by their rows.
pub async fn studies_of(index: &Index, exam_reports: &[i64], studies: &[i64]) -> Result<Vec<StudyRow>, Error> {
    let mut found = Vec::new();
    let of_exams = "SELECT DISTINCT s.id, s.org_code, s.study_instance_uid FROM exam_study x \
                    JOIN study s ON s.id = x.study_pk WHERE x.exam_report_pk";
    let of_rows = "SELECT id, org_code, study_instance_uid FROM study WHERE id";
    for (start, pks) in [(of_exams, exam_reports), (of_rows, studies)] {
        if pks.is_empty() {
            continue;
        }
        let mut select = Select::new("");
        select.push_in(start, pks.iter().map(|pk| Value::from(*pk)).collect());
        for row in index.query(select.sql(), select.values()).await? {
            found.push(study_from(&row)?);
        }
    }
    Ok(found)
}

fn study_from(row: &Row) -> Result<StudyRow, Error> {
    Ok(StudyRow {
        pk: row.int("id")?,
        org_code: row.text("org_code")?,
        study_instance_uid: row.text("study_instance_uid")?,
    })
}
