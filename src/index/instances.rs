//! Patients, studies, series and instances: the rows behind every stored object.
//!
//! Text here is normalised; the bytes of the object stay as they came. The first values that arrive for a study are
//! kept; later objects fill what was empty ([`super::study_fill`]), and what contradicts becomes a conflict for a person to
//! look at (RD-7).

use std::sync::LazyLock;

use sqlx::AssertSqlSafe;

use super::series_requests::{self, SeriesRequest};
use super::{Error, Ids, Index, Row, Tx, Value, search_keys, study_fill};
use crate::domain::place::Place;
use crate::params;

/// What the index keeps of a patient as named in DICOM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatientRow {
    /// (0010,0020).
    pub patient_id: String,
    /// (0010,0021), empty when absent.
    pub issuer: String,
    /// (0010,0010), component groups joined by `=`.
    pub name: String,
    /// (0010,0040).
    pub sex: String,
    /// (0010,0030), yyyyMMdd.
    pub birth_date: String,
}

/// What the index keeps of a study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StudyRow {
    /// (0020,000D).
    pub study_instance_uid: String,
    /// (0020,0010).
    pub study_id: String,
    /// (0008,0050).
    pub accession_number: String,
    /// (0008,0020).
    pub study_date: String,
    /// (0008,0030).
    pub study_time: String,
    /// (0008,1030).
    pub study_description: String,
    /// (0008,0090).
    pub referring_physician: String,
    /// (0008,0080).
    pub institution_name: String,
    /// (0010,1010).
    pub patient_age: String,
    /// The archive's name of the study (D-P20).
    pub observation_uid: String,
}

/// What the index keeps of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesRow {
    /// (0020,000E).
    pub series_instance_uid: String,
    /// (0008,0060).
    pub modality: String,
    /// image, film, waveform, …
    pub kind: &'static str,
    /// (0020,0011).
    pub series_number: Option<i64>,
    /// (0008,103E).
    pub series_description: String,
    /// (0018,0015).
    pub body_part_examined: String,
    /// (0020,0060).
    pub laterality: String,
    /// (0018,1030).
    pub protocol_name: String,
    /// (0008,0021).
    pub series_date: String,
    /// (0008,0031).
    pub series_time: String,
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
}

/// What the index keeps of an instance, and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// (0008,0018).
    pub sop_instance_uid: String,
    /// (0008,0016).
    pub sop_class_uid: String,
    /// (0002,0010).
    pub transfer_syntax_uid: String,
    /// (0020,0013).
    pub instance_number: Option<i64>,
    /// (0028,0008), 1 when absent.
    pub number_of_frames: i64,
    /// (0028,0010).
    pub rows: Option<i64>,
    /// (0028,0011).
    pub columns: Option<i64>,
    /// Hash of the data set's bytes, with its algorithm (`dicom/content_hash.rs`).
    pub content_hash: String,
    /// Where the Part 10 file is.
    pub place: Place,
    /// Where the data set begins in it.
    pub dataset_offset: i64,
    /// Where (7FE0,0010) begins in it.
    pub pixel_data_offset: Option<i64>,
    /// complete, or why the header could not be read to its end.
    pub header_state: &'static str,
    /// Who sent it.
    pub calling_ae_title: String,
}

/// Everything that one object says.
#[derive(Debug, Clone)]
pub struct NewInstance {
    /// Whose it is.
    pub org_code: String,
    /// Its patient.
    pub patient: PatientRow,
    /// Its study.
    pub study: StudyRow,
    /// Its series.
    pub series: SeriesRow,
    /// Itself.
    pub instance: InstanceRow,
}

/// The study and series an instance belongs to.
#[derive(Debug, Clone)]
pub struct Parents {
    /// Row of the study.
    pub study_pk: i64,
    /// Row of the series.
    pub series_pk: i64,
    /// Whether the study's row was made just now.
    pub study_is_new: bool,
    /// Names of the patient fields in which the object contradicts the study.
    pub contradictions: Vec<&'static str>,
    /// Whether the object says something that the study's row lacks.
    pub fills: bool,
}

/// What of a study's row an object is held against.
static SAID: LazyLock<String> =
    LazyLock::new(|| format!("study.issuer, study.{}", study_fill::COLUMNS.join(", study.")));

/// An instance that is there already under the same UID.
#[derive(Debug, Clone)]
pub struct Existing {
    /// Its row.
    pub instance_pk: i64,
    /// Its content.
    pub content_hash: String,
    /// Row of its series.
    pub series_pk: i64,
    /// How far its header could be read.
    pub header_state: String,
}

/// The current content under a SOP Instance UID, read outside any transaction.
pub async fn find_existing(index: &Index, org_code: &str, sop_instance_uid: &str) -> Result<Option<Existing>, Error> {
    let found = index.query_opt(EXISTING, params![org_code, sop_instance_uid]).await?;
    found.map(|row| read_existing(&row)).transpose()
}

/// The same inside a transaction.
pub async fn existing(tx: &mut Tx, org_code: &str, sop_instance_uid: &str) -> Result<Option<Existing>, Error> {
    let found = tx.query_opt(EXISTING, params![org_code, sop_instance_uid]).await?;
    found.map(|row| read_existing(&row)).transpose()
}

const EXISTING: &str = "SELECT id, content_hash, series_pk, header_state FROM instance \
                        WHERE org_code = $1 AND sop_instance_uid = $2";

fn read_existing(row: &Row) -> Result<Existing, Error> {
    Ok(Existing {
        instance_pk: row.int("id")?,
        content_hash: row.text("content_hash")?,
        series_pk: row.int("series_pk")?,
        header_state: row.text("header_state")?,
    })
}

/// Finds or makes the rows of patient, study and series.
pub async fn ensure_parents(tx: &mut Tx, ids: &Ids, now: i64, new: &NewInstance) -> Result<Parents, Error> {
    static FIND: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT study.id AS study_pk, series.id AS series_pk, {} FROM study \
             JOIN series ON series.study_pk = study.id AND series.series_instance_uid = $3 \
             WHERE study.org_code = $1 AND study.study_instance_uid = $2",
            *SAID
        )
    });
    let key = params![&new.org_code, &new.study.study_instance_uid, &new.series.series_instance_uid];
    if let Some(row) = tx.query_opt(AssertSqlSafe(FIND.as_str()), key).await? {
        let series_pk = row.int("series_pk")?;
        return Ok(Parents { series_pk, ..known_study(&row, new)? });
    }
    let parents = ensure_study(tx, ids, now, new).await?;
    let series_pk = ensure_series(tx, ids, now, parents.study_pk, new).await?;
    Ok(Parents { series_pk, ..parents })
}

/// A study that is there, held against an object; which series is for others to say.
fn known_study(row: &Row, new: &NewInstance) -> Result<Parents, Error> {
    Ok(Parents {
        study_pk: row.int("study_pk")?,
        series_pk: 0,
        study_is_new: false,
        contradictions: contradictions(row, &new.patient)?,
        fills: !study_fill::lacking(row, new)?.is_empty(),
    })
}

async fn ensure_study(tx: &mut Tx, ids: &Ids, now: i64, new: &NewInstance) -> Result<Parents, Error> {
    static FIND: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT study.id AS study_pk, {} FROM study WHERE org_code = $1 AND study_instance_uid = $2", *SAID)
    });
    let (study, patient) = (&new.study, &new.patient);
    let find = || (AssertSqlSafe(FIND.as_str()), params![&new.org_code, &study.study_instance_uid]);
    let (sql, key) = find();
    if let Some(row) = tx.query_opt(sql, key).await? {
        return known_study(&row, new);
    }
    let patient_pk = ensure_patient(tx, ids, now, &new.org_code, patient).await?;
    let sql = "INSERT INTO study (id, patient_pk, org_code, study_instance_uid, study_id, accession_number, \
               study_date, study_time, study_description, referring_physician, institution_name, patient_id, issuer, \
               patient_name, patient_sex, patient_birth_date, patient_age, observation_uid, created_at, updated_at, keyed) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 2) \
               ON CONFLICT (org_code, study_instance_uid) DO NOTHING";
    let id = ids.next();
    let values = params![
        id,
        patient_pk,
        &new.org_code,
        &study.study_instance_uid,
        &study.study_id,
        &study.accession_number,
        &study.study_date,
        &study.study_time,
        &study.study_description,
        &study.referring_physician,
        &study.institution_name,
        &patient.patient_id,
        &patient.issuer,
        &patient.name,
        &patient.sex,
        &patient.birth_date,
        &study.patient_age,
        &study.observation_uid,
        now,
        now,
    ];
    if tx.execute(sql, values).await? == 1 {
        let keys = [&patient.name, &patient.patient_id, &study.accession_number].map(String::as_str);
        search_keys::add_study(tx, &new.org_code, id, keys).await?;
        return Ok(Parents {
            study_pk: id,
            series_pk: 0,
            study_is_new: true,
            contradictions: Vec::new(),
            fills: false,
        });
    }
    // Another node made it in the meantime.
    let (sql, key) = find();
    let row = tx.query_opt(sql, key).await?.ok_or(Error::Damaged("study"))?;
    known_study(&row, new)
}

/// Finds or makes the row of a patient.
pub async fn ensure_patient(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    org_code: &str,
    patient: &PatientRow,
) -> Result<i64, Error> {
    const FIND: &str = "SELECT id FROM patient WHERE org_code = $1 AND patient_id = $2 AND issuer = $3";
    let key = || params![org_code, &patient.patient_id, &patient.issuer];
    if let Some(row) = tx.query_opt(FIND, key()).await? {
        return row.int("id");
    }
    let sql = "INSERT INTO patient (id, org_code, patient_id, issuer, name, sex, birth_date, created_at, updated_at, \
               keyed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 2) \
               ON CONFLICT (org_code, patient_id, issuer) DO NOTHING";
    let id = ids.next();
    let values = params![
        id,
        org_code,
        &patient.patient_id,
        &patient.issuer,
        &patient.name,
        &patient.sex,
        &patient.birth_date,
        now,
        now
    ];
    if tx.execute(sql, values).await? == 1 {
        search_keys::add_patient(tx, org_code, id, &patient.name, &patient.patient_id).await?;
        return Ok(id);
    }
    tx.query_opt(FIND, key()).await?.ok_or(Error::Damaged("patient"))?.int("id")
}

async fn ensure_series(tx: &mut Tx, ids: &Ids, now: i64, study_pk: i64, new: &NewInstance) -> Result<i64, Error> {
    let series = &new.series;
    let sql = "INSERT INTO series (id, study_pk, series_instance_uid, modality, kind, series_number, \
               series_description, body_part_examined, laterality, protocol_name, series_date, series_time, \
               station_name, manufacturer, model_name, performed_date, performed_time, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) \
               ON CONFLICT (study_pk, series_instance_uid) DO NOTHING";
    let id = ids.next();
    let values = params![
        id,
        study_pk,
        &series.series_instance_uid,
        &series.modality,
        series.kind,
        series.series_number,
        &series.series_description,
        &series.body_part_examined,
        &series.laterality,
        &series.protocol_name,
        &series.series_date,
        &series.series_time,
        &series.station_name,
        &series.manufacturer,
        &series.model_name,
        &series.performed_date,
        &series.performed_time,
        now,
        now,
    ];
    if tx.execute(sql, values).await? == 1 {
        search_keys::add_modality(tx, study_pk, &series.modality).await?;
        series_requests::add(tx, &new.org_code, id, &series.requests).await?;
        return Ok(id);
    }
    let find = "SELECT id FROM series WHERE study_pk = $1 AND series_instance_uid = $2";
    let row = tx.query_opt(find, params![study_pk, &series.series_instance_uid]).await?;
    row.ok_or(Error::Damaged("series"))?.int("id")
}

fn contradictions(row: &Row, patient: &PatientRow) -> Result<Vec<&'static str>, Error> {
    let pairs = [
        ("patient_id", &patient.patient_id),
        ("issuer", &patient.issuer),
        ("patient_name", &patient.name),
        ("patient_sex", &patient.sex),
        ("patient_birth_date", &patient.birth_date),
    ];
    let mut differing = Vec::new();
    for (column, value) in pairs {
        let stored = row.text(column)?;
        if !stored.is_empty() && !value.is_empty() && stored != *value {
            differing.push(column);
        }
    }
    Ok(differing)
}

/// What an instance's row holds of the instance itself: all but its series.
pub(super) const OWN_COLUMNS: [&str; 18] = [
    "id",
    "org_code",
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "instance_number",
    "number_of_frames",
    "pixel_rows",
    "pixel_columns",
    "content_hash",
    "object_key",
    "object_offset",
    "object_length",
    "dataset_offset",
    "pixel_data_offset",
    "header_state",
    "calling_ae_title",
    "received_at",
];

/// The values of [`OWN_COLUMNS`].
pub(super) fn own_values(id: i64, received_at: i64, new: &NewInstance) -> Vec<Value> {
    let instance = &new.instance;
    params![
        id,
        &new.org_code,
        &instance.sop_instance_uid,
        &instance.sop_class_uid,
        &instance.transfer_syntax_uid,
        instance.instance_number,
        instance.number_of_frames,
        instance.rows,
        instance.columns,
        &instance.content_hash,
        &instance.place.key,
        instance.place.offset as i64,
        instance.place.length as i64,
        instance.dataset_offset,
        instance.pixel_data_offset,
        instance.header_state,
        &instance.calling_ae_title,
        received_at,
    ]
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let places: String = (1..=OWN_COLUMNS.len()).map(|column| format!("${column}, ")).collect();
    let (columns, series) = (OWN_COLUMNS.join(", "), OWN_COLUMNS.len() + 1);
    format!(
        "INSERT INTO instance ({columns}, series_pk) VALUES ({places}${series}) \
         ON CONFLICT (org_code, sop_instance_uid) DO NOTHING"
    )
});

/// Adds the instance; `false` when its UID is taken.
pub async fn insert(tx: &mut Tx, id: i64, now: i64, series_pk: i64, new: &NewInstance) -> Result<bool, Error> {
    let mut values = own_values(id, now, new);
    values.push(series_pk.into());
    Ok(tx.execute(AssertSqlSafe(INSERT.as_str()), values).await? == 1)
}

/// Keeps other content under a taken UID; `false` when the same content is kept already.
pub async fn insert_version(
    tx: &mut Tx,
    id: i64,
    now: i64,
    instance_pk: i64,
    instance: &InstanceRow,
) -> Result<bool, Error> {
    let sql = "INSERT INTO instance_version (id, instance_pk, content_hash, transfer_syntax_uid, object_key, \
               object_offset, object_length, dataset_offset, calling_ae_title, received_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (instance_pk, content_hash) DO NOTHING";
    let values = params![
        id,
        instance_pk,
        &instance.content_hash,
        &instance.transfer_syntax_uid,
        &instance.place.key,
        instance.place.offset as i64,
        instance.place.length as i64,
        instance.dataset_offset,
        &instance.calling_ae_title,
        now,
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Codes of the other organisations that hold the same Study Instance UID.
pub async fn other_organizations(tx: &mut Tx, org_code: &str, study_instance_uid: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT org_code FROM study WHERE study_instance_uid = $1 AND org_code <> $2 ORDER BY org_code";
    let rows = tx.query(sql, params![study_instance_uid, org_code]).await?;
    rows.iter().map(|row| row.text("org_code")).collect()
}

/// Whether nothing has come in yet, neither images nor reports.
pub async fn nothing_there(index: &Index) -> Result<bool, Error> {
    for sql in
        ["SELECT id FROM study LIMIT 1", "SELECT id FROM exam_report LIMIT 1", "SELECT id FROM lab_report LIMIT 1"]
    {
        if index.query_opt(sql, Vec::new()).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}
