//! Deletions of images that a person has asked for: one row for each, kept for good.
//!
//! A deletion that was begun is brought to its end whatever happens in between; its row then says what is not to be fetched
//! again from a PACS until a person asks for it. Taking the rows away is `image_removal`'s business.

use super::{Error, Ids, Index, Row, Select, Tx};
use crate::params;

/// What is deleted as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageLevel {
    /// A study with all its series.
    Study,
    /// A series with all its instances.
    Series,
    /// One instance, with other contents that came under its UID.
    Instance,
}

impl ImageLevel {
    /// The word for people and records.
    pub fn as_str(self) -> &'static str {
        match self {
            ImageLevel::Study => "study",
            ImageLevel::Series => "series",
            ImageLevel::Instance => "instance",
        }
    }
}

/// The images that a deletion is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whose they are.
    pub org_code: String,
    /// (0020,000D).
    pub study_instance_uid: String,
    /// (0020,000E); empty when the whole study is meant.
    pub series_instance_uid: String,
    /// (0008,0018); empty when a whole series or study is meant.
    pub sop_instance_uid: String,
}

impl Target {
    /// What is meant.
    pub fn level(&self) -> ImageLevel {
        match (self.series_instance_uid.is_empty(), self.sop_instance_uid.is_empty()) {
            (true, _) => ImageLevel::Study,
            (false, true) => ImageLevel::Series,
            (false, false) => ImageLevel::Instance,
        }
    }
}

/// One deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Its row.
    pub id: i64,
    /// What it is about.
    pub target: Target,
    /// What came later is not meant, milliseconds since 1970 UTC.
    pub received_until: i64,
    /// Instances deleted so far.
    pub instances: i64,
    /// Other contents under their UIDs that went with them.
    pub versions: i64,
    /// Bytes of both.
    pub bytes: i64,
    /// When it was asked for.
    pub begun_at: i64,
    /// When nothing was left to do.
    pub finished_at: Option<i64>,
}

/// What an organisation has under a UID; a series may be in several studies.
pub async fn find(index: &Index, org_code: &str, level: ImageLevel, uid: &str) -> Result<Vec<Target>, Error> {
    let sql = match level {
        ImageLevel::Study => {
            "SELECT study_instance_uid, '' AS series_instance_uid, '' AS sop_instance_uid FROM study \
             WHERE org_code = $1 AND study_instance_uid = $2"
        }
        ImageLevel::Series => {
            "SELECT s.study_instance_uid, r.series_instance_uid, '' AS sop_instance_uid FROM series r \
             JOIN study s ON s.id = r.study_pk WHERE s.org_code = $1 AND r.series_instance_uid = $2 ORDER BY s.id"
        }
        ImageLevel::Instance => {
            "SELECT s.study_instance_uid, r.series_instance_uid, i.sop_instance_uid FROM instance i \
             JOIN series r ON r.id = i.series_pk JOIN study s ON s.id = r.study_pk \
             WHERE i.org_code = $1 AND i.sop_instance_uid = $2"
        }
    };
    index.query(sql, params![org_code, uid]).await?.iter().map(|row| target_from(row, org_code.to_owned())).collect()
}

/// Notes that a deletion begins.
pub async fn begin(tx: &mut Tx, ids: &Ids, now: i64, target: &Target, received_until: i64) -> Result<i64, Error> {
    let sql = "INSERT INTO deletion (id, org_code, study_instance_uid, series_instance_uid, sop_instance_uid, \
               received_until, instances, versions, bytes, begun_at, finished_at) \
               VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, $7, NULL)";
    let id = ids.next();
    let values = params![
        id,
        &target.org_code,
        &target.study_instance_uid,
        &target.series_instance_uid,
        &target.sop_instance_uid,
        received_until,
        now,
    ];
    tx.execute(sql, values).await.map(|_| id)
}

const COLUMNS: &str = "SELECT id, org_code, study_instance_uid, series_instance_uid, sop_instance_uid, received_until, \
                       instances, versions, bytes, begun_at, finished_at FROM deletion WHERE ";

/// One deletion, inside a transaction.
pub async fn get(tx: &mut Tx, id: i64) -> Result<Option<Deletion>, Error> {
    let mut select = Select::new(COLUMNS);
    select.push("id = ?", params![id]);
    tx.query_opt(select.sql(), select.values()).await?.as_ref().map(deletion_from).transpose()
}

/// Writes down how far a deletion is.
pub async fn keep(tx: &mut Tx, deletion: &Deletion) -> Result<(), Error> {
    let sql = "UPDATE deletion SET instances = $1, versions = $2, bytes = $3, finished_at = $4 WHERE id = $5";
    let Deletion { id, instances, versions, bytes, finished_at, .. } = deletion;
    tx.execute(sql, params![*instances, *versions, *bytes, *finished_at, *id]).await.map(|_| ())
}

/// Deletions that were begun and have not come to their end.
pub async fn unfinished(index: &Index) -> Result<Vec<i64>, Error> {
    let rows = index.query("SELECT id FROM deletion WHERE finished_at IS NULL ORDER BY id", Vec::new()).await?;
    rows.iter().map(|row| row.int("id")).collect()
}

/// The last deletion of what an organisation had under a UID.
pub async fn last_of(index: &Index, org_code: &str, level: ImageLevel, uid: &str) -> Result<Option<Deletion>, Error> {
    let mut select = Select::new(COLUMNS);
    select.push("org_code = ?", params![org_code]);
    match level {
        ImageLevel::Study => select.push(" AND study_instance_uid = ? AND series_instance_uid = ''", params![uid]),
        ImageLevel::Series => select.push(" AND series_instance_uid = ? AND sop_instance_uid = ''", params![uid]),
        ImageLevel::Instance => select.push(" AND sop_instance_uid = ?", params![uid]),
    };
    select.push(" ORDER BY begun_at DESC, id DESC LIMIT 1", params![]);
    index.query_opt(select.sql(), select.values()).await?.as_ref().map(deletion_from).transpose()
}

/// What has been deleted of a study since a person last asked for the images of an exam report.
pub async fn of_study(
    index: &Index,
    exam_report_pk: i64,
    org_code: &str,
    study_instance_uid: &str,
) -> Result<Vec<Target>, Error> {
    let sql = "SELECT DISTINCT study_instance_uid, series_instance_uid, sop_instance_uid FROM deletion \
               WHERE org_code = $1 AND study_instance_uid = $2 AND begun_at >= \
               COALESCE((SELECT by_hand_at FROM exam_retrieve WHERE exam_report_pk = $3), 0)";
    let rows = index.query(sql, params![org_code, study_instance_uid, exam_report_pk]).await?;
    rows.iter().map(|row| target_from(row, org_code.to_owned())).collect()
}

fn target_from(row: &Row, org_code: String) -> Result<Target, Error> {
    Ok(Target {
        org_code,
        study_instance_uid: row.text("study_instance_uid")?,
        series_instance_uid: row.text("series_instance_uid")?,
        sop_instance_uid: row.text("sop_instance_uid")?,
    })
}

fn deletion_from(row: &Row) -> Result<Deletion, Error> {
    Ok(Deletion {
        id: row.int("id")?,
        target: target_from(row, row.text("org_code")?)?,
        received_until: row.int("received_until")?,
        instances: row.int("instances")?,
        versions: row.int("versions")?,
        bytes: row.int("bytes")?,
        begun_at: row.int("begun_at")?,
        finished_at: row.get("finished_at")?,
    })
}
