//! What the first object of a study left empty, and a later one says: an accession number that only the images have, not the
//! report that came before them. What is there is never changed; what contradicts is a conflict.

use sqlx::AssertSqlSafe;

use super::instances::{NewInstance, PatientRow, ensure_patient};
use super::study_texts::{name_patient, remove_patient_without_studies};
use super::{Error, Ids, Row, Tx, search_keys};
use crate::params;

/// Columns of `study` that can be filled. The issuer comes with the number that it belongs to.
pub(super) const COLUMNS: [&str; 12] = [
    "accession_number",
    "study_date",
    "study_time",
    "study_description",
    "study_id",
    "referring_physician",
    "institution_name",
    "patient_age",
    "patient_id",
    "patient_name",
    "patient_sex",
    "patient_birth_date",
];

fn values(new: &NewInstance) -> [&str; COLUMNS.len()] {
    let (study, patient) = (&new.study, &new.patient);
    [
        &study.accession_number,
        &study.study_date,
        &study.study_time,
        &study.study_description,
        &study.study_id,
        &study.referring_physician,
        &study.institution_name,
        &study.patient_age,
        &patient.patient_id,
        &patient.name,
        &patient.sex,
        &patient.birth_date,
    ]
}

/// The columns that are empty in the study's row, and not in the object.
pub(super) fn lacking(row: &Row, new: &NewInstance) -> Result<Vec<&'static str>, Error> {
    let mut lacking = Vec::new();
    for (column, value) in COLUMNS.into_iter().zip(values(new)) {
        if !value.is_empty() && row.text(column)?.is_empty() {
            lacking.push(column);
        }
    }
    Ok(lacking)
}

/// Fills what the study lacks and the object says, with its patient and its keys for queries. The names of the columns.
pub async fn fill(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    study_pk: i64,
    new: &NewInstance,
) -> Result<Vec<&'static str>, Error> {
    // Changing the row locks it, so that of two objects only one fills.
    let sql = format!(
        "UPDATE study SET updated_at = updated_at WHERE id = $1 RETURNING patient_pk, issuer, {}",
        COLUMNS.join(", ")
    );
    let Some(row) = tx.query_opt(AssertSqlSafe(sql), params![study_pk]).await? else { return Ok(Vec::new()) };
    let filled = lacking(&row, new)?;
    if filled.is_empty() {
        return Ok(filled);
    }
    let mut texts = Vec::with_capacity(COLUMNS.len());
    for (column, value) in COLUMNS.into_iter().zip(values(new)) {
        texts.push(if filled.contains(&column) { value.to_owned() } else { row.text(column)? });
    }
    let text = |column: &str| COLUMNS.iter().position(|known| *known == column).map_or("", |at| texts[at].as_str());
    let (before, mut issuer) = (row.int("patient_pk")?, row.text("issuer")?);
    let mut patient_pk = before;
    if filled.contains(&"patient_id") {
        issuer = new.patient.issuer.clone();
        let patient = PatientRow {
            patient_id: text("patient_id").to_owned(),
            issuer: issuer.clone(),
            name: text("patient_name").to_owned(),
            sex: text("patient_sex").to_owned(),
            birth_date: text("patient_birth_date").to_owned(),
        };
        patient_pk = ensure_patient(tx, ids, now, &new.org_code, &patient).await?;
    }
    search_keys::remove_study(tx, study_pk).await?;
    let places: String = (1..).zip(COLUMNS).map(|(place, column)| format!("{column} = ${place}, ")).collect();
    let next = COLUMNS.len() + 1;
    let update = format!(
        "UPDATE study SET {places}issuer = ${next}, patient_pk = ${}, updated_at = ${} WHERE id = ${}",
        next + 1,
        next + 2,
        next + 3
    );
    let mut all: Vec<super::Value> = texts.iter().map(super::Value::from).collect();
    all.extend(params![&issuer, patient_pk, now, study_pk]);
    tx.execute(AssertSqlSafe(update), all).await?;
    search_keys::add_study_of_rows(tx, study_pk).await?;
    if patient_pk != before {
        remove_patient_without_studies(tx, before).await?;
    } else {
        fill_patient(tx, now, patient_pk, [text("patient_name"), text("patient_sex"), text("patient_birth_date")])
            .await?;
    }
    Ok(filled)
}

/// The same for the patient's own row, which may have been made by another study.
async fn fill_patient(tx: &mut Tx, now: i64, patient_pk: i64, [name, sex, birth_date]: [&str; 3]) -> Result<(), Error> {
    let sql = "UPDATE patient SET sex = CASE WHEN sex = '' THEN $1 ELSE sex END, \
               birth_date = CASE WHEN birth_date = '' THEN $2 ELSE birth_date END WHERE id = $3 AND patient_id <> '' \
               RETURNING name";
    let row = tx.query_opt(sql, params![sex, birth_date, patient_pk]).await?;
    let is_nameless = row.map(|row| row.text("name")).transpose()?.is_some_and(|known| known.is_empty());
    if is_nameless && !name.is_empty() {
        name_patient(tx, now, patient_pk, name).await?;
    }
    Ok(())
}
