//! The texts of patients, studies and series that depend on a character set, so that they can be read again (D-I17),
//! and what rows of series from before lack.

use super::series_requests::{self, SeriesRequest};
use super::{Error, Ids, Index, Row, Tx, search_keys};
use crate::domain::place::Place;
use crate::params;

/// An object that a row's texts came from: the oldest of a series that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Row of the series.
    pub series_pk: i64,
    /// Where the Part 10 file is.
    pub place: Place,
    /// Where the data set begins in it.
    pub dataset_offset: u64,
    /// (0002,0010).
    pub transfer_syntax_uid: String,
    /// Who sent it.
    pub calling_ae_title: String,
}

/// Texts of a study and its patient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StudyTexts {
    /// (0020,000D), which never changes: whose texts these are.
    pub study_instance_uid: String,
    /// (0020,0010).
    pub study_id: String,
    /// (0008,0050).
    pub accession_number: String,
    /// (0008,1030).
    pub study_description: String,
    /// (0008,0090).
    pub referring_physician: String,
    /// (0008,0080).
    pub institution_name: String,
    /// (0010,0020).
    pub patient_id: String,
    /// (0010,0021).
    pub issuer: String,
    /// (0010,0010).
    pub patient_name: String,
}

impl StudyTexts {
    /// Takes over what is empty here and not there. The issuer comes with the number that it belongs to.
    pub fn fill(&mut self, other: &StudyTexts) {
        if self.patient_id.is_empty() {
            self.issuer.clone_from(&other.issuer);
        }
        for (text, other) in [
            (&mut self.study_id, &other.study_id),
            (&mut self.accession_number, &other.accession_number),
            (&mut self.study_description, &other.study_description),
            (&mut self.referring_physician, &other.referring_physician),
            (&mut self.institution_name, &other.institution_name),
            (&mut self.patient_id, &other.patient_id),
            (&mut self.patient_name, &other.patient_name),
        ] {
            if text.is_empty() {
                text.clone_from(other);
            }
        }
    }
}

/// Texts of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesTexts {
    /// (0008,103E).
    pub series_description: String,
    /// (0018,1030).
    pub protocol_name: String,
    /// (0008,1010).
    pub station_name: String,
    /// (0008,0070).
    pub manufacturer: String,
    /// (0008,1090).
    pub model_name: String,
    /// (0040,0244), yyyyMMdd.
    pub performed_date: String,
    /// (0040,0245).
    pub performed_time: String,
    /// The items of (0040,0275).
    pub requests: Vec<SeriesRequest>,
    /// image, film, waveform, …
    pub kind: &'static str,
}

/// The next studies by their rows' ids, with their organisations.
pub async fn studies_behind(
    index: &Index,
    org_code: Option<&str>,
    study_pk: i64,
    limit: i64,
) -> Result<Vec<(i64, String)>, Error> {
    let rows = match org_code {
        Some(code) => {
            let sql = "SELECT id, org_code FROM study WHERE id > $1 AND org_code = $2 ORDER BY id LIMIT $3";
            index.query(sql, params![study_pk, code, limit]).await?
        }
        None => {
            let sql = "SELECT id, org_code FROM study WHERE id > $1 ORDER BY id LIMIT $2";
            index.query(sql, params![study_pk, limit]).await?
        }
    };
    rows.iter().map(|row| Ok((row.int("id")?, row.text("org_code")?))).collect()
}

/// The oldest object of each series that is here; the study's own first. A series without one is not among them.
pub async fn sources(index: &Index, study_pk: i64) -> Result<Vec<Source>, Error> {
    let sql = "SELECT series.id AS series_pk, instance.object_key, instance.object_offset, instance.object_length, \
               instance.dataset_offset, instance.transfer_syntax_uid, instance.calling_ae_title \
               FROM series JOIN instance ON instance.id = (SELECT first.id FROM instance first \
               WHERE first.series_pk = series.id AND first.offline_at IS NULL \
               ORDER BY first.received_at, first.id LIMIT 1) \
               WHERE series.study_pk = $1 ORDER BY instance.received_at, instance.id";
    let source = |row: &Row| {
        let place = Place {
            key: row.text("object_key")?,
            offset: row.int("object_offset")? as u64,
            length: row.int("object_length")? as u64,
        };
        Ok(Source {
            series_pk: row.int("series_pk")?,
            place,
            dataset_offset: row.int("dataset_offset")? as u64,
            transfer_syntax_uid: row.text("transfer_syntax_uid")?,
            calling_ae_title: row.text("calling_ae_title")?,
        })
    };
    index.query(sql, params![study_pk]).await?.iter().map(source).collect()
}

const STUDY_COLUMNS: [&str; 8] = [
    "study_id",
    "accession_number",
    "study_description",
    "referring_physician",
    "institution_name",
    "patient_id",
    "issuer",
    "patient_name",
];

/// Gives a study its texts, and its patient's row the name when this study was the patient's first. The names of the
/// columns that changed; none when the study is not the one that the texts are of. What they do not say stays as it is:
/// another object may have said it.
pub async fn set_study(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    study_pk: i64,
    texts: &StudyTexts,
) -> Result<Vec<&'static str>, Error> {
    let sql = "SELECT patient_pk, org_code, study_instance_uid, study_id, accession_number, study_description, \
               referring_physician, institution_name, patient_id, issuer, patient_name, patient_sex, \
               patient_birth_date FROM study WHERE id = $1";
    let Some(row) = tx.query_opt(sql, params![study_pk]).await? else { return Ok(Vec::new()) };
    if row.text("study_instance_uid")? != texts.study_instance_uid {
        return Ok(Vec::new());
    }
    let mut texts = texts.clone();
    texts.fill(&StudyTexts {
        study_instance_uid: String::new(),
        study_id: row.text("study_id")?,
        accession_number: row.text("accession_number")?,
        study_description: row.text("study_description")?,
        referring_physician: row.text("referring_physician")?,
        institution_name: row.text("institution_name")?,
        patient_id: row.text("patient_id")?,
        issuer: row.text("issuer")?,
        patient_name: row.text("patient_name")?,
    });
    let values = [
        &texts.study_id,
        &texts.accession_number,
        &texts.study_description,
        &texts.referring_physician,
        &texts.institution_name,
        &texts.patient_id,
        &texts.issuer,
        &texts.patient_name,
    ];
    let mut changed = Vec::new();
    for (column, value) in STUDY_COLUMNS.into_iter().zip(values) {
        if row.text(column)? != *value {
            changed.push(column);
        }
    }
    let is_first = "SELECT MIN(id) AS first FROM study WHERE patient_pk = $1";
    let before = row.int("patient_pk")?;
    let first = tx.query_opt(is_first, params![before]).await?;
    let is_first = first.map(|row| row.get::<Option<i64>>("first")).transpose()?.flatten() == Some(study_pk);
    if changed.is_empty() {
        if is_first {
            name_patient(tx, now, before, &texts.patient_name).await?;
        }
        return Ok(changed);
    }
    let mut patient_pk = before;
    if changed.contains(&"patient_id") || changed.contains(&"issuer") {
        let patient = super::instances::PatientRow {
            patient_id: texts.patient_id.clone(),
            issuer: texts.issuer.clone(),
            name: texts.patient_name.clone(),
            sex: row.text("patient_sex")?,
            birth_date: row.text("patient_birth_date")?,
        };
        patient_pk = super::instances::ensure_patient(tx, ids, now, &row.text("org_code")?, &patient).await?;
    }
    search_keys::remove_study(tx, study_pk).await?;
    let update = "UPDATE study SET study_id = $1, accession_number = $2, study_description = $3, \
                  referring_physician = $4, institution_name = $5, patient_id = $6, issuer = $7, patient_name = $8, \
                  patient_pk = $9, updated_at = $10 WHERE id = $11";
    let [a, b, c, d, e, f, g, h] = values;
    tx.execute(update, params![a, b, c, d, e, f, g, h, patient_pk, now, study_pk]).await?;
    search_keys::add_study_of_rows(tx, study_pk).await?;
    if patient_pk != before {
        remove_patient_without_studies(tx, before).await?;
    } else if is_first {
        name_patient(tx, now, patient_pk, &texts.patient_name).await?;
    }
    Ok(changed)
}

pub(super) async fn name_patient(tx: &mut Tx, now: i64, patient_pk: i64, name: &str) -> Result<(), Error> {
    let find = "SELECT org_code, patient_id, name FROM patient WHERE id = $1";
    let Some(row) = tx.query_opt(find, params![patient_pk]).await? else { return Ok(()) };
    if row.text("name")? == name {
        return Ok(());
    }
    search_keys::remove_patient(tx, patient_pk).await?;
    let update = "UPDATE patient SET name = $1, updated_at = $2 WHERE id = $3";
    tx.execute(update, params![name, now, patient_pk]).await?;
    super::patients::rename_image(tx, now, patient_pk, name).await?;
    search_keys::add_patient(tx, &row.text("org_code")?, patient_pk, name, &row.text("patient_id")?).await
}

/// Under a number that was misread nobody is left.
pub(super) async fn remove_patient_without_studies(tx: &mut Tx, patient_pk: i64) -> Result<(), Error> {
    let left = tx.query_opt("SELECT id FROM study WHERE patient_pk = $1 LIMIT 1", params![patient_pk]).await?;
    if left.is_none() {
        search_keys::remove_patient(tx, patient_pk).await?;
        tx.execute("DELETE FROM patient WHERE id = $1", params![patient_pk]).await?;
    }
    Ok(())
}

/// Gives a series its texts; whether any of them changed.
pub async fn set_series(
    tx: &mut Tx,
    now: i64,
    org_code: &str,
    series_pk: i64,
    texts: &SeriesTexts,
) -> Result<bool, Error> {
    let sql = "UPDATE series SET series_description = $1, protocol_name = $2, station_name = $3, manufacturer = $4, \
               model_name = $5, performed_date = $6, performed_time = $7, kind = $8, updated_at = $9 WHERE id = $10 \
               AND NOT (series_description = $1 AND protocol_name = $2 AND station_name = $3 AND manufacturer = $4 \
               AND model_name = $5 AND performed_date = $6 AND performed_time = $7 \
               AND kind = $8)";
    let values = params![
        &texts.series_description,
        &texts.protocol_name,
        &texts.station_name,
        &texts.manufacturer,
        &texts.model_name,
        &texts.performed_date,
        &texts.performed_time,
        texts.kind,
        now,
        series_pk,
    ];
    let texts_changed = tx.execute(sql, values).await? > 0;
    Ok(series_requests::replace(tx, org_code, series_pk, &texts.requests).await? || texts_changed)
}
