//! What queries look up: the rows of `patient_key`, `study_key` and `study_modality`.
//!
//! They belong to a patient's or study's row and are written in its transaction. Who changes a name, number or date
//! of a row takes its keys away before and adds them after ([`remove_study`], [`add_study`]). Rows from before these
//! tables, or from before names had words, get their keys when the index is opened.

use super::{Error, Index, Tx};
use crate::domain::query;
use crate::params;

/// A group of a person's name.
pub(super) const NAME: i64 = 1;
/// A word of a person's name that no group of it begins with.
pub(super) const WORD: i64 = 4;
/// PatientID.
pub(super) const PATIENT_ID: i64 = 2;
/// AccessionNumber.
pub(super) const ACCESSION_NUMBER: i64 = 3;

const FILL_ROWS: i64 = 500;

/// Adds the keys of a patient.
pub async fn add_patient(
    tx: &mut Tx,
    org_code: &str,
    patient_pk: i64,
    name: &str,
    patient_id: &str,
) -> Result<(), Error> {
    let sql = "INSERT INTO patient_key (org_code, kind, search_key, patient_pk) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (org_code, kind, search_key, patient_pk) DO NOTHING";
    for (kind, key) in keys([name, patient_id, ""]) {
        tx.execute(sql, params![org_code, kind, key, patient_pk]).await?;
    }
    Ok(())
}

/// Adds the keys of a study; `texts` are the patient's name, PatientID and AccessionNumber.
pub async fn add_study(tx: &mut Tx, org_code: &str, study_pk: i64, texts: [&str; 3]) -> Result<(), Error> {
    let sql = "INSERT INTO study_key (org_code, kind, search_key, study_pk) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (org_code, kind, search_key, study_pk) DO NOTHING";
    for (kind, key) in keys(texts) {
        tx.execute(sql, params![org_code, kind, key, study_pk]).await?;
    }
    Ok(())
}

/// Notes that a study, whose row is there, has a series of this modality.
pub async fn add_modality(tx: &mut Tx, study_pk: i64, modality: &str) -> Result<(), Error> {
    let sql = "INSERT INTO study_modality (org_code, modality, study_date, study_pk) \
               SELECT org_code, $2, study_date, id FROM study WHERE id = $1 \
               ON CONFLICT (org_code, modality, study_date, study_pk) DO NOTHING";
    tx.execute(sql, params![study_pk, modality]).await.map(|_| ())
}

/// Takes away all keys and modalities of a study, as its rows are now.
pub async fn remove_study(tx: &mut Tx, study_pk: i64) -> Result<(), Error> {
    let find = "SELECT org_code, patient_name, patient_id, accession_number, study_date FROM study WHERE id = $1";
    let Some(row) = tx.query_opt(find, params![study_pk]).await? else { return Ok(()) };
    let org_code = row.text("org_code")?;
    let texts = [row.text("patient_name")?, row.text("patient_id")?, row.text("accession_number")?];
    let sql = "DELETE FROM study_key WHERE org_code = $1 AND kind = $2 AND search_key = $3 AND study_pk = $4";
    for (kind, key) in keys([&texts[0], &texts[1], &texts[2]]) {
        tx.execute(sql, params![&org_code, kind, key, study_pk]).await?;
    }
    let sql = "DELETE FROM study_modality WHERE org_code = $1 AND study_date = $2 AND study_pk = $3 AND modality IN \
               (SELECT modality FROM series WHERE series.study_pk = $3)";
    tx.execute(sql, params![&org_code, row.text("study_date")?, study_pk]).await.map(|_| ())
}

/// Adds keys and modalities of a study from its rows.
pub async fn add_study_of_rows(tx: &mut Tx, study_pk: i64) -> Result<(), Error> {
    let find = "SELECT org_code, patient_name, patient_id, accession_number FROM study WHERE id = $1";
    let Some(row) = tx.query_opt(find, params![study_pk]).await? else { return Ok(()) };
    let texts = [row.text("patient_name")?, row.text("patient_id")?, row.text("accession_number")?];
    add_study(tx, &row.text("org_code")?, study_pk, [&texts[0], &texts[1], &texts[2]]).await?;
    for series in tx.query("SELECT DISTINCT modality FROM series WHERE study_pk = $1", params![study_pk]).await? {
        add_modality(tx, study_pk, &series.text("modality")?).await?;
    }
    Ok(())
}

/// Takes away the keys of a patient, as its row is now.
pub async fn remove_patient(tx: &mut Tx, patient_pk: i64) -> Result<(), Error> {
    let find = "SELECT org_code, name, patient_id FROM patient WHERE id = $1";
    let Some(row) = tx.query_opt(find, params![patient_pk]).await? else { return Ok(()) };
    let (org_code, name, patient_id) = (row.text("org_code")?, row.text("name")?, row.text("patient_id")?);
    let sql = "DELETE FROM patient_key WHERE org_code = $1 AND kind = $2 AND search_key = $3 AND patient_pk = $4";
    for (kind, key) in keys([&name, &patient_id, ""]) {
        tx.execute(sql, params![&org_code, kind, key, patient_pk]).await?;
    }
    Ok(())
}

fn keys(texts: [&str; 3]) -> Vec<(i64, Vec<u8>)> {
    let [name, patient_id, accession_number] = texts;
    let mut keys: Vec<(i64, Vec<u8>)> =
        query::search_keys(name).into_iter().map(|key| (NAME, key.into_bytes())).collect();
    keys.extend(query::search_words(name).into_iter().map(|word| (WORD, word.into_bytes())));
    for (kind, text) in [(PATIENT_ID, patient_id), (ACCESSION_NUMBER, accession_number)] {
        if !text.is_empty() {
            keys.push((kind, text.as_bytes().to_vec()));
        }
    }
    keys
}

/// Gives keys to rows from before there were any.
pub(super) async fn fill(index: &Index) -> Result<(), Error> {
    let rest = "SELECT id FROM study WHERE keyed < 2 UNION ALL SELECT id FROM patient WHERE keyed < 2 LIMIT 1";
    if index.query_opt(rest, Vec::new()).await?.is_none() {
        return Ok(());
    }
    tracing::info!("keys for queries are made once for what was stored before");
    loop {
        let filled: usize = index.write(|tx| Box::pin(async move { fill_some(tx).await })).await?;
        if filled == 0 {
            return Ok(());
        }
    }
}

async fn fill_some(tx: &mut Tx) -> Result<usize, Error> {
    let patients = tx
        .query("SELECT id, org_code, name, patient_id FROM patient WHERE keyed < 2 LIMIT $1", params![FILL_ROWS])
        .await?;
    for row in &patients {
        let id = row.int("id")?;
        add_patient(tx, &row.text("org_code")?, id, &row.text("name")?, &row.text("patient_id")?).await?;
        tx.execute("UPDATE patient SET keyed = 2 WHERE id = $1", params![id]).await?;
    }
    let sql = "SELECT id, org_code, patient_name, patient_id, accession_number FROM study WHERE keyed < 2 LIMIT $1";
    let studies = tx.query(sql, params![FILL_ROWS]).await?;
    for row in &studies {
        let id = row.int("id")?;
        let texts = [row.text("patient_name")?, row.text("patient_id")?, row.text("accession_number")?];
        add_study(tx, &row.text("org_code")?, id, [&texts[0], &texts[1], &texts[2]]).await?;
        tx.execute("UPDATE study SET keyed = 2 WHERE id = $1", params![id]).await?;
    }
    Ok(patients.len() + studies.len())
}
