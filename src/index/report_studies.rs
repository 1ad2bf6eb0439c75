//! The studies that are linked to exam reports, as systems that pull reports are told of them.

use super::{Error, Index, Select, Value};
use crate::params;

/// Values in one `IN`; SQLite allows 32766 in a statement.
const CHUNK: usize = 500;

/// A study that is linked to an exam report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStudy {
    /// Its row.
    pub pk: i64,
    /// Its id in addresses (D-P20).
    pub observation_uid: String,
    /// (0020,000D).
    pub study_instance_uid: String,
    /// (0008,0050).
    pub accession_number: String,
    /// (0008,0020), yyyyMMdd.
    pub study_date: String,
    /// (0008,0030).
    pub study_time: String,
    /// (0008,1030).
    pub description: String,
}

/// The exam reports to which a study is linked.
pub async fn exams_of_study(index: &Index, observation_uid: &str) -> Result<Vec<i64>, Error> {
    let sql = "SELECT x.exam_report_pk FROM exam_study x JOIN study s ON s.id = x.study_pk \
               WHERE s.observation_uid = $1 ORDER BY x.exam_report_pk LIMIT 100";
    let rows = index.query(sql, params![observation_uid]).await?;
    rows.iter().map(|row| row.int("exam_report_pk")).collect()
}

/// A series of a study, for those who describe studies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSeries {
    /// The study's row.
    pub study_pk: i64,
    /// (0020,000E).
    pub series_instance_uid: String,
    /// (0008,0060).
    pub modality: String,
    /// (0020,0011).
    pub series_number: Option<i64>,
    /// (0008,103E).
    pub description: String,
    /// Instances that are here.
    pub instances: i64,
}

/// The series of studies, each with its number of instances.
pub async fn series_of(index: &Index, studies: &[i64]) -> Result<Vec<KeptSeries>, Error> {
    let mut found = Vec::new();
    for studies in studies.chunks(CHUNK) {
        let mut select = Select::new(
            "SELECT study_pk, series_instance_uid, modality, series_number, series_description, \
             (SELECT COUNT(*) FROM instance i WHERE i.series_pk = series.id) AS instances FROM series WHERE 1 = 1",
        );
        select.push_in(" AND study_pk", studies.iter().map(|pk| Value::from(*pk)).collect());
        select.push(" ORDER BY id", Vec::new());
        for row in index.query(select.sql(), select.values()).await? {
            found.push(KeptSeries {
                study_pk: row.int("study_pk")?,
                series_instance_uid: row.text("series_instance_uid")?,
                modality: row.text("modality")?,
                series_number: row.get("series_number")?,
                description: row.text("series_description")?,
                instances: row.int("instances")?,
            });
        }
    }
    Ok(found)
}

/// The studies of exam reports, each with the report's row.
pub(super) async fn of_reports(index: &Index, reports: Vec<Value>) -> Result<Vec<(i64, KeptStudy)>, Error> {
    let mut select = Select::new(
        "SELECT x.exam_report_pk, s.id, s.observation_uid, s.study_instance_uid, s.accession_number, s.study_date, \
         s.study_time, s.study_description FROM exam_study x JOIN study s ON s.id = x.study_pk WHERE 1 = 1",
    );
    select.push_in(" AND x.exam_report_pk", reports).push(" ORDER BY s.id", Vec::new());
    let mut found = Vec::new();
    for row in index.query(select.sql(), select.values()).await? {
        let study = KeptStudy {
            pk: row.int("id")?,
            observation_uid: row.text("observation_uid")?,
            study_instance_uid: row.text("study_instance_uid")?,
            accession_number: row.text("accession_number")?,
            study_date: row.text("study_date")?,
            study_time: row.text("study_time")?,
            description: row.text("study_description")?,
        };
        found.push((row.int("exam_report_pk")?, study));
    }
    Ok(found)
}
