//! Persons: which patients of which organisations are the same one (RD-25, D-X9).
//!
//! A patient's row belongs to one person at a time; every move is kept with its reason, so that it can be undone. A
//! person that others were merged into answers for their numbers too.

pub mod identifiers;
mod whole_person;

pub use whole_person::WholePerson;

pub use super::patients::Origin;
use super::patients::facts_of;
use super::{Error, Ids, Index, Row, Tx, report_changes};
use crate::domain::patient::PatientFacts;
use crate::domain::record::observation_uid;
use crate::domain::scope::PatientKey;
use crate::params;

/// A patient as one organisation knows it.
#[derive(Debug, Clone)]
pub struct PatientRecord {
    /// Its row.
    pub id: i64,
    /// The organisation.
    pub org_code: String,
    /// Who knows it by this number.
    pub origin: Origin,
    /// The number.
    pub patient_id: String,
    /// IssuerOfPatientID of images.
    pub issuer: String,
    /// What is known.
    pub facts: PatientFacts,
    /// Names of fields in which its reports contradict, by blanks.
    pub contradictions: String,
    /// One more at each change.
    pub revision: i64,
    /// A person has said whose it is.
    pub by_hand: bool,
    /// The person, once it is settled.
    pub person: Option<i64>,
}

/// Where a patient went, and why.
#[derive(Debug, Clone)]
pub struct Move {
    /// The patient's row.
    pub record: i64,
    /// From which person, if any.
    pub from: Option<i64>,
    /// To which.
    pub to: i64,
    /// new, id_no, card_no, exam, contradiction, link, unlink, merge, unmerge.
    pub reason: String,
    /// Who moved it.
    pub actor: String,
    /// When.
    pub moved_at: i64,
}

macro_rules! records {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.org_code, r.origin, r.patient_id, r.issuer, r.name, r.sex_code, r.birth_date, r.id_no, \
             r.card_no, r.contradictions, r.revision, r.by_hand, r.person_pk FROM patient_record r ",
            $rest
        )
    };
}
use records;

fn record_from(row: &Row) -> Result<PatientRecord, Error> {
    Ok(PatientRecord {
        id: row.int("id")?,
        org_code: row.text("org_code")?,
        origin: Origin::parse(&row.text("origin")?).ok_or(Error::Damaged("patient_record.origin"))?,
        patient_id: row.text("patient_id")?,
        issuer: row.text("issuer")?,
        facts: facts_of(row)?,
        contradictions: row.text("contradictions")?,
        revision: row.int("revision")?,
        by_hand: row.flag("by_hand")?,
        person: row.get("person_pk")?,
    })
}

fn records_from(rows: &[Row]) -> Result<Vec<PatientRecord>, Error> {
    rows.iter().map(record_from).collect()
}

/// Whether a patient waits to be compared with others.
pub async fn has_unsettled(index: &Index) -> Result<bool, Error> {
    Ok(index.query_opt("SELECT id FROM patient_record WHERE settled = 0 LIMIT 1", Vec::new()).await?.is_some())
}

/// Patients that wait to be compared with others.
pub async fn unsettled(tx: &mut Tx, limit: i64) -> Result<Vec<PatientRecord>, Error> {
    records_from(&tx.query(records!("WHERE r.settled = 0 ORDER BY r.id LIMIT $1"), params![limit]).await?)
}

/// A patient's row.
pub async fn record(tx: &mut Tx, id: i64) -> Result<Option<PatientRecord>, Error> {
    let row = tx.query_opt(records!("WHERE r.id = $1"), params![id]).await?;
    row.as_ref().map(record_from).transpose()
}

/// Other patients with this identity number, in its 18 characters.
pub async fn with_id_no(tx: &mut Tx, key: &str, but: i64, limit: i64) -> Result<Vec<PatientRecord>, Error> {
    let sql = records!("WHERE r.id_no_key = $1 AND r.id <> $2 AND r.person_pk IS NOT NULL ORDER BY r.id LIMIT $3");
    records_from(&tx.query(sql, params![key, but, limit]).await?)
}

/// Other patients with this card number and birth date.
pub async fn with_card(
    tx: &mut Tx,
    card_no: &str,
    birth_date: &str,
    but: i64,
    limit: i64,
) -> Result<Vec<PatientRecord>, Error> {
    let sql = records!(
        "WHERE r.card_no = $1 AND r.birth_date = $2 AND r.id <> $3 AND r.person_pk IS NOT NULL ORDER BY r.id LIMIT $4"
    );
    records_from(&tx.query(sql, params![card_no, birth_date, but, limit]).await?)
}

/// For a patient of images those of the reports that the images are linked to, and the other way round.
pub async fn by_linked_exams(tx: &mut Tx, record: &PatientRecord, limit: i64) -> Result<Vec<PatientRecord>, Error> {
    let PatientRecord { org_code, patient_id, issuer, .. } = record;
    let rows = match record.origin {
        Origin::Image => {
            let sql = records!(
                "WHERE r.person_pk IS NOT NULL AND r.id IN (SELECT p.id FROM patient i \
                 JOIN study s ON s.patient_pk = i.id JOIN exam_study x ON x.study_pk = s.id \
                 JOIN exam_report e ON e.id = x.exam_report_pk JOIN patient_record p ON p.org_code = e.org_code \
                 AND p.patient_id = e.patient_id AND p.origin = 'report' AND p.issuer = '' \
                 WHERE i.org_code = $1 AND i.patient_id = $2 AND i.issuer = $3) ORDER BY r.id LIMIT $4"
            );
            tx.query(sql, params![org_code, patient_id, issuer, limit]).await?
        }
        Origin::Report => {
            let sql = records!(
                "WHERE r.person_pk IS NOT NULL AND r.id IN (SELECT p.id FROM exam_report e \
                 JOIN exam_study x ON x.exam_report_pk = e.id JOIN study s ON s.id = x.study_pk \
                 JOIN patient_record p ON p.org_code = s.org_code AND p.patient_id = s.patient_id \
                 AND p.origin = 'image' AND p.issuer = s.issuer \
                 WHERE e.org_code = $1 AND e.patient_id = $2) ORDER BY r.id LIMIT $3"
            );
            tx.query(sql, params![org_code, patient_id, limit]).await?
        }
    };
    records_from(&rows)
}

/// Says that the image patient of a study, just linked to a report, is to be compared again.
pub(super) async fn unsettle_image(tx: &mut Tx, study_pk: i64) -> Result<(), Error> {
    let sql = "UPDATE patient_record SET settled = 0, revision = revision + 1 WHERE origin = 'image' AND id IN \
               (SELECT r.id FROM study s JOIN patient_record r ON r.org_code = s.org_code \
               AND r.patient_id = s.patient_id AND r.origin = 'image' AND r.issuer = s.issuer WHERE s.id = $1)";
    tx.execute(sql, params![study_pk]).await.map(|_| ())
}

/// Patients of a person.
pub async fn members(tx: &mut Tx, person: i64, limit: i64) -> Result<Vec<PatientRecord>, Error> {
    records_from(&tx.query(records!("WHERE r.person_pk = $1 ORDER BY r.id LIMIT $2"), params![person, limit]).await?)
}

/// Makes a person without patients.
pub async fn create(tx: &mut Tx, ids: &Ids, now: i64) -> Result<i64, Error> {
    let id = ids.next();
    let sql = "INSERT INTO person (id, master_id, created_at, updated_at) VALUES ($1, $2, $3, $4)";
    tx.execute(sql, params![id, observation_uid("person", &[&id.to_string()]), now, now]).await?;
    Ok(id)
}

/// Moves a patient to a person, and tells followers of the change feed.
pub async fn move_to(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    record: &PatientRecord,
    to: i64,
    (reason, actor, by_hand): (&str, &str, bool),
) -> Result<(), Error> {
    let sql = "UPDATE patient_record SET person_pk = $1, by_hand = CASE WHEN $2 = 1 THEN 1 ELSE by_hand END, \
               updated_at = $3 WHERE id = $4";
    tx.execute(sql, params![to, by_hand, now, record.id]).await?;
    let sql = "INSERT INTO person_move (id, patient_record_pk, from_person, to_person, reason, actor, moved_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    tx.execute(sql, params![ids.next(), record.id, record.person, to, reason, actor, now]).await?;
    // A person of nobody else is no news to who follows; whoever it is later, or is no more, is.
    if record.origin == Origin::Report && (record.person.is_some() || reason != "new") {
        report_changes::person_changed(tx, ids, now, &record.org_code, &record.patient_id).await?;
    }
    Ok(())
}

/// Says that a patient has been compared, unless it has changed in the meantime.
pub async fn settle(tx: &mut Tx, record: &PatientRecord) -> Result<(), Error> {
    let sql = "UPDATE patient_record SET settled = 1 WHERE id = $1 AND revision = $2";
    tx.execute(sql, params![record.id, record.revision]).await.map(|_| ())
}

/// A person has looked at a patient's contradictions: they no longer count, and it is compared anew.
pub async fn clear_contradictions(tx: &mut Tx, id: i64, now: i64) -> Result<(), Error> {
    let sql = "UPDATE patient_record SET contradictions = '', settled = 0, revision = revision + 1, updated_at = $1 \
               WHERE id = $2";
    tx.execute(sql, params![now, id]).await.map(|_| ())
}

/// Notes into which person one was merged, or that it stands for itself again.
pub async fn set_merged_into(tx: &mut Tx, person: i64, into: Option<i64>, now: i64) -> Result<(), Error> {
    let sql = "UPDATE person SET merged_into = $1, updated_at = $2 WHERE id = $3";
    tx.execute(sql, params![into, now, person]).await.map(|_| ())
}

/// Whether a person has taken patients of one of these persons out of another of them.
pub async fn apart(tx: &mut Tx, one: i64, other: i64) -> Result<bool, Error> {
    let sql = "SELECT id FROM person_move WHERE from_person IN ($1, $2) AND to_person IN ($3, $4) \
               AND from_person <> to_person AND reason IN ('unlink', 'unmerge') LIMIT 1";
    Ok(tx.query_opt(sql, params![one, other, one, other]).await?.is_some())
}

/// Whether the person is there, and into which it was merged.
pub async fn merged_into(tx: &mut Tx, person: i64) -> Result<Option<Option<i64>>, Error> {
    let row = tx.query_opt("SELECT merged_into FROM person WHERE id = $1", params![person]).await?;
    row.map(|row| row.get("merged_into")).transpose()
}

/// Patients whose last move was out of this person, at most `limit`.
pub async fn last_moved_from(tx: &mut Tx, person: i64, limit: i64) -> Result<Vec<PatientRecord>, Error> {
    let sql = records!(
        "WHERE r.person_pk <> $1 AND r.id IN (SELECT m.patient_record_pk FROM person_move m WHERE m.from_person = $2 \
         AND m.reason <> 'unlink' AND m.id = (SELECT MAX(n.id) FROM person_move n \
         WHERE n.patient_record_pk = m.patient_record_pk)) ORDER BY r.id LIMIT $3"
    );
    records_from(&tx.query(sql, params![person, person, limit]).await?)
}

/// Longest chain of merges that is followed.
const CHAIN: usize = 32;

/// The person behind a master number, where it was merged to in the end.
pub async fn find(index: &Index, master_id: &str) -> Result<Option<(i64, String)>, Error> {
    let sql = "SELECT id, master_id, merged_into FROM person WHERE master_id = $1";
    let mut found = index.query_opt(sql, params![master_id]).await?;
    for _ in 0..CHAIN {
        let Some(row) = found else { return Ok(None) };
        let Some(into) = row.get::<Option<i64>>("merged_into")? else {
            return Ok(Some((row.int("id")?, row.text("master_id")?)));
        };
        let sql = "SELECT id, master_id, merged_into FROM person WHERE id = $1";
        found = index.query_opt(sql, params![into]).await?;
    }
    Err(Error::Damaged("person.merged_into"))
}

/// A person's own number.
pub async fn master_id(index: &Index, person: i64) -> Result<Option<String>, Error> {
    let row = index.query_opt("SELECT master_id FROM person WHERE id = $1", params![person]).await?;
    row.map(|row| row.text("master_id")).transpose()
}

/// Persons of whom an organisation has a patient with this number, by reports or images.
pub async fn with_number(index: &Index, org_code: &str, patient_id: &str) -> Result<Vec<PatientRecord>, Error> {
    let sql = records!("WHERE r.org_code = $1 AND r.patient_id = $2 ORDER BY r.id LIMIT 20");
    records_from(&index.query(sql, params![org_code, patient_id]).await?)
}

/// Patients of a person, read outside any transaction.
pub async fn patients(index: &Index, person: i64, limit: i64) -> Result<Vec<PatientRecord>, Error> {
    records_from(&index.query(records!("WHERE r.person_pk = $1 ORDER BY r.id LIMIT $2"), params![person, limit]).await?)
}

/// A patient's row, read outside any transaction.
pub async fn patient(index: &Index, id: i64) -> Result<Option<PatientRecord>, Error> {
    let row = index.query_opt(records!("WHERE r.id = $1"), params![id]).await?;
    row.as_ref().map(record_from).transpose()
}

/// Moves of a person's patients, into it or out of it, the newest first.
pub async fn moves(index: &Index, person: i64, limit: i64) -> Result<Vec<Move>, Error> {
    let sql = "SELECT patient_record_pk, from_person, to_person, reason, actor, moved_at FROM person_move \
               WHERE from_person = $1 OR patient_record_pk IN (SELECT id FROM patient_record WHERE person_pk = $2) \
               ORDER BY id DESC LIMIT $3";
    let rows = index.query(sql, params![person, person, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Move {
                record: row.int("patient_record_pk")?,
                from: row.get("from_person")?,
                to: row.int("to_person")?,
                reason: row.text("reason")?,
                actor: row.text("actor")?,
                moved_at: row.int("moved_at")?,
            })
        })
        .collect()
}

/// Under which numbers the persons are known who have one of these identity numbers (in 18 characters). Not by card: a
/// card number alone may be somebody else's.
pub async fn known_as(index: &Index, id_nos: &[String], limit: i64) -> Result<Vec<PatientKey>, Error> {
    let mut select = super::Select::new(
        "SELECT DISTINCT k.org_code, k.patient_id FROM patient_record r JOIN patient_record k \
         ON k.person_pk = r.person_pk AND k.origin = 'report' AND k.contradictions = '' WHERE r.contradictions = ''",
    );
    select.push_in(" AND r.id_no_key", id_nos.iter().map(super::Value::from).collect());
    select.push(" ORDER BY k.org_code, k.patient_id LIMIT ?", params![limit]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            let (org_code, patient_id) = (row.text("org_code")?, row.text("patient_id")?);
            Ok(PatientKey { org_code, patient_id, patient_local_id: String::new() })
        })
        .collect()
}

/// How the database would look that up: the lines of its explanation, for the test that it reads no table whole.
pub async fn explain_same_persons(index: &Index, patients: &[PatientKey]) -> Result<Vec<String>, Error> {
    let Some(select) = same(patients, 1) else { return Ok(Vec::new()) };
    index.explain(&select).await
}

/// One look into an index for each number: SQLite would read the whole table for alternatives of which one has none.
fn same(patients: &[PatientKey], limit: i64) -> Option<super::Select> {
    let mut select = super::Select::new("");
    select.push(
        "SELECT DISTINCT k.org_code, k.origin, k.patient_id FROM patient_record k WHERE k.contradictions = '' \
         AND k.person_pk IN (",
        params![],
    );
    let mut is_first = true;
    for patient in patients {
        // A study without a report has the imaging system's number alone.
        let of_study = patient.patient_id.is_empty() || patient.patient_id == patient.patient_local_id;
        for (origin, number) in [
            (" AND r.origin = 'report' AND r.issuer = ''", &patient.patient_id),
            (" AND r.origin = 'image'", &patient.patient_local_id),
        ] {
            if number.is_empty() || (origin.contains("image") && !of_study) {
                continue;
            }
            select.push(if is_first { "" } else { " UNION ALL " }, params![]);
            select.push(
                "SELECT r.person_pk FROM patient_record r WHERE r.org_code = ? AND r.patient_id = ?",
                params![&patient.org_code, number],
            );
            select.push(origin, params![]);
            is_first = false;
        }
    }
    select.push(") ORDER BY k.org_code, k.origin, k.patient_id LIMIT ?", params![limit]);
    (!is_first).then_some(select)
}

/// Under which numbers the persons of these patients are known, by reports and by images, at most `limit`.
pub async fn same_persons(index: &Index, patients: &[PatientKey], limit: i64) -> Result<Vec<PatientKey>, Error> {
    let Some(select) = same(patients, limit) else { return Ok(Vec::new()) };
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            let (org_code, number) = (row.text("org_code")?, row.text("patient_id")?);
            Ok(match Origin::parse(&row.text("origin")?) {
                Some(Origin::Image) => PatientKey { org_code, patient_id: String::new(), patient_local_id: number },
                _ => PatientKey { org_code, patient_id: number, patient_local_id: String::new() },
            })
        })
        .collect()
}
