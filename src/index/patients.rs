//! Patients as organisations know them, and their visits: one row for each number (D-R29).
//!
//! Reports make and enrich the rows in their own transaction; patients of images get theirs a moment later, and what was
//! registered before these tables were there is filled in from the reports' rows. Whose they are is in `persons`.

use super::{Error, Ids, Index, Row, Tx, Value};
use crate::domain::patient::{Addition, Age, PatientFacts};
use crate::params;

/// What one report says about a patient and a visit.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The organisation.
    pub org_code: String,
    /// Its number of the patient.
    pub patient_id: String,
    /// Event type and number.
    pub visit: [String; 2],
    /// What is said of the patient; nothing for a withdrawn report.
    pub facts: PatientFacts,
    /// What the same report said before; what it corrects is no contradiction.
    pub former: PatientFacts,
    /// Last_Update_DTime of the report.
    pub stamp: String,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Absorbed {
    /// The patient's row.
    pub id: i64,
    /// Names of fields in which the report contradicts what was known.
    pub contradictions: Vec<&'static str>,
}

/// A patient's row, as a registration needs it.
#[derive(Debug, Clone)]
pub struct KnownPatient {
    id: i64,
    facts: PatientFacts,
    contradictions: String,
    stamp: String,
}

impl KnownPatient {
    pub(super) fn of(id: i64, row: &Row) -> Result<Self, Error> {
        Ok(Self { id, facts: facts_of(row)?, contradictions: row.text("contradictions")?, stamp: row.text("stamp")? })
    }
}

/// The row of the patient whom a report is about, if there is one.
pub async fn known(tx: &mut Tx, said: &Said) -> Result<Option<KnownPatient>, Error> {
    let sql = "SELECT id, name, sex_code, birth_date, id_no, card_no, contradictions, stamp FROM patient_record \
               WHERE org_code = $1 AND patient_id = $2 AND origin = 'report' AND issuer = ''";
    let row = tx.query_opt(sql, params![&said.org_code, &said.patient_id]).await?;
    row.map(|row| KnownPatient::of(row.int("id")?, &row)).transpose()
}

/// Makes or enriches the patient of a report, and makes its visit. `known` is the patient's row as it is now.
pub async fn absorb(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    said: &Said,
    known: Option<KnownPatient>,
) -> Result<Absorbed, Error> {
    let absorbed = absorb_patient(tx, ids, now, said, known).await?;
    let sql = "INSERT INTO visit (patient_record_pk, event_type, event_no, created_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (patient_record_pk, event_type, event_no) DO NOTHING";
    tx.post(sql, params![absorbed.id, &said.visit[0], &said.visit[1], now]).await?;
    Ok(absorbed)
}

async fn absorb_patient(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    said: &Said,
    row: Option<KnownPatient>,
) -> Result<Absorbed, Error> {
    let Said { org_code, patient_id, facts, stamp, .. } = said;
    let row = match row {
        Some(row) => row,
        None => {
            let id = ids.next();
            if insert(tx, id, now, org_code, Origin::Report, patient_id, "", facts, stamp).await? {
                return Ok(Absorbed { id, contradictions: Vec::new() });
            }
            // Somebody else has added it since.
            known(tx, said).await?.ok_or(Error::Damaged("patient_record"))?
        }
    };
    let id = row.id;
    let newer = *stamp >= row.stamp;
    let mut addition = row.facts.absorb(facts, if newer { Age::Newer } else { Age::Older });
    let corrected = said.former.contradictions(facts);
    addition.contradictions.retain(|field| !corrected.contains(field));
    if !addition.is_empty() {
        enrich(tx, id, now, &addition, &row.contradictions, stamp).await?;
    } else if *stamp > row.stamp && *facts != PatientFacts::default() {
        let sql = "UPDATE patient_record SET stamp = $1 WHERE id = $2 AND stamp < $3";
        tx.execute(sql, params![stamp, id, stamp]).await?;
    }
    Ok(Absorbed { id, contradictions: addition.contradictions })
}

/// Which systems know a patient by a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Registered reports: Patient_Id.
    Report,
    /// Images: PatientID.
    Image,
}

impl Origin {
    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Report => "report",
            Origin::Image => "image",
        }
    }

    /// Reads the word kept in the table.
    pub fn parse(text: &str) -> Option<Self> {
        [Origin::Report, Origin::Image].into_iter().find(|origin| origin.as_str() == text)
    }
}

#[expect(clippy::too_many_arguments, reason = "the row is made of them")]
async fn insert(
    tx: &mut Tx,
    id: i64,
    now: i64,
    org_code: &str,
    origin: Origin,
    patient_id: &str,
    issuer: &str,
    facts: &PatientFacts,
    stamp: &str,
) -> Result<bool, Error> {
    let values = new_row(id, now, org_code, (origin, patient_id, issuer), facts, stamp);
    Ok(tx.execute(INSERT, values).await? == 1)
}

/// The row of a patient of whom nothing else is known.
macro_rules! insert_patient {
    ($from:literal) => {
        concat!(
            "INSERT INTO patient_record (id, org_code, origin, patient_id, issuer, name, sex_code, birth_date, id_no, \
             id_no_key, card_no, stamp, contradictions, revision, settled, by_hand, created_at, updated_at) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', 1, 0, 0, $13, $14 ",
            $from,
            " ON CONFLICT (org_code, patient_id, origin, issuer) DO NOTHING"
        )
    };
}

const INSERT: &str = insert_patient!("WHERE TRUE");
/// The commit of this statement waits for no sync; the next one that does takes it to the disk too.
const INSERT_AHEAD: &str = insert_patient!("FROM (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried");

fn new_row(
    id: i64,
    now: i64,
    org_code: &str,
    (origin, patient_id, issuer): (Origin, &str, &str),
    facts: &PatientFacts,
    stamp: &str,
) -> Vec<Value> {
    params![
        id,
        org_code,
        origin.as_str(),
        patient_id,
        issuer,
        &facts.name,
        &facts.sex_code,
        &facts.birth_date,
        &facts.id_no,
        facts.id_no_key(),
        &facts.card_no,
        stamp,
        now,
        now,
    ]
}

/// Adds the patient of a report that is about to be registered, on PostgreSQL, unless there is a row.
pub async fn add_ahead(index: &Index, id: i64, now: i64, said: &Said) -> Result<(), Error> {
    let whose = (Origin::Report, said.patient_id.as_str(), "");
    let values = new_row(id, now, &said.org_code, whose, &said.facts, &said.stamp);
    index.query(INSERT_AHEAD, values).await.map(|_| ())
}

/// Writes field by field, so that two reports that come at the same time lose nothing of each other.
async fn enrich(
    tx: &mut Tx,
    id: i64,
    now: i64,
    addition: &Addition,
    contradictions: &str,
    stamp: &str,
) -> Result<(), Error> {
    let Addition { values, contradictions: new } = addition;
    let mut fields: Vec<&str> = contradictions.split_whitespace().chain(new.iter().copied()).collect();
    fields.sort_unstable();
    fields.dedup();
    let sql = "UPDATE patient_record SET name = COALESCE($1, name), sex_code = COALESCE($2, sex_code), \
               birth_date = COALESCE($3, birth_date), id_no_key = CASE WHEN $4 = 1 THEN $5 ELSE id_no_key END, \
               id_no = COALESCE($6, id_no), card_no = COALESCE($7, card_no), contradictions = $8, \
               stamp = CASE WHEN stamp < $9 THEN $10 ELSE stamp END, revision = revision + 1, settled = 0, \
               updated_at = $11 WHERE id = $12";
    let values = params![
        &values.name,
        &values.sex_code,
        &values.birth_date,
        values.id_no.is_some(),
        values.id_no_key(),
        &values.id_no,
        &values.card_no,
        fields.join(" "),
        stamp,
        stamp,
        now,
        id,
    ];
    tx.execute(sql, values).await.map(|_| ())
}

pub(super) fn facts_of(row: &Row) -> Result<PatientFacts, Error> {
    Ok(PatientFacts {
        name: row.get("name")?,
        sex_code: row.get("sex_code")?,
        birth_date: row.get("birth_date")?,
        id_no: row.get("id_no")?,
        card_no: row.get("card_no")?,
    })
}

/// Gives rows to at most `limit` patients of images that have none yet; says how many there were.
pub async fn record_images(tx: &mut Tx, ids: &Ids, now: i64, limit: i64) -> Result<usize, Error> {
    let sql = "SELECT id, org_code, patient_id, issuer, name, sex, birth_date FROM patient WHERE recorded = 0 \
               ORDER BY id LIMIT $1";
    let rows = tx.query(sql, params![limit]).await?;
    for row in &rows {
        let (name, sex, birth) = (row.text("name")?, row.text("sex")?, row.text("birth_date")?);
        let (org_code, patient_id, issuer) = (row.text("org_code")?, row.text("patient_id")?, row.text("issuer")?);
        // Without a number it could be anybody.
        if !patient_id.is_empty() {
            let facts = PatientFacts::of_image(&name, &sex, &birth, &patient_id);
            insert(tx, ids.next(), now, &org_code, Origin::Image, &patient_id, &issuer, &facts, "").await?;
        }
        tx.execute("UPDATE patient SET recorded = 1 WHERE id = $1", params![row.int("id")?]).await?;
    }
    Ok(rows.len())
}

/// Corrects the name of a patient of images that was misread before; whose it is is settled anew.
pub async fn rename_image(tx: &mut Tx, now: i64, patient_pk: i64, name: &str) -> Result<(), Error> {
    let sql = "UPDATE patient_record SET name = $1, revision = revision + 1, settled = 0, updated_at = $2 WHERE id = \
               (SELECT r.id FROM patient_record r JOIN patient p ON p.org_code = r.org_code \
               AND p.patient_id = r.patient_id AND p.issuer = r.issuer WHERE r.origin = 'image' AND p.id = $3)";
    tx.execute(sql, params![Some(name.to_owned()).filter(|name| !name.is_empty()), now, patient_pk]).await.map(|_| ())
}

/// Reports from before there were rows of patients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillKind {
    /// Exam reports.
    Exam,
    /// Lab reports.
    Lab,
}

impl FillKind {
    /// Both.
    pub const ALL: [FillKind; 2] = [FillKind::Exam, FillKind::Lab];

    /// The word kept in the table, which is also how conflicts name such a report.
    pub fn as_str(self) -> &'static str {
        match self {
            FillKind::Exam => "exam",
            FillKind::Lab => "lab",
        }
    }
}

/// The first kind that is not wholly filled in.
pub async fn unfilled(index: &Index) -> Result<Option<FillKind>, Error> {
    let row = index.query_opt("SELECT kind FROM patient_fill WHERE done = 0 ORDER BY kind LIMIT 1", Vec::new()).await?;
    let Some(row) = row else { return Ok(None) };
    let kind = row.text("kind")?;
    Ok(FillKind::ALL.into_iter().find(|known| known.as_str() == kind))
}

/// The next reports whose patients have to be made, with their ids; notes how far that is, and the end.
pub async fn next_unfilled(tx: &mut Tx, kind: FillKind, limit: i64) -> Result<Vec<(i64, Said)>, Error> {
    let sql = match kind {
        FillKind::Exam => {
            "SELECT id, org_code, patient_id, event_type, event_no, withdrawn, name, sex_code, birth_date, id_no, \
             card_no, last_update_dtime FROM exam_report \
             WHERE id > (SELECT last_pk FROM patient_fill WHERE kind = 'exam') ORDER BY id LIMIT $1"
        }
        FillKind::Lab => {
            "SELECT id, org_code, patient_id, event_type, event_no, withdrawn, name, sex_code, NULL AS birth_date, \
             id_no, card_no, last_update_dtime FROM lab_report \
             WHERE id > (SELECT last_pk FROM patient_fill WHERE kind = 'lab') ORDER BY id LIMIT $1"
        }
    };
    let rows = tx.query(sql, params![limit]).await?;
    let Some(last) = rows.last() else {
        tx.execute("UPDATE patient_fill SET done = 1 WHERE kind = $1", params![kind.as_str()]).await?;
        return Ok(Vec::new());
    };
    let sql = "UPDATE patient_fill SET last_pk = $1 WHERE kind = $2";
    tx.execute(sql, params![last.int("id")?, kind.as_str()]).await?;
    let mut reports = Vec::with_capacity(rows.len());
    for row in &rows {
        let text = |column: &str| Ok::<_, Error>(row.get::<Option<String>>(column)?.unwrap_or_default());
        let facts = match row.flag("withdrawn")? {
            true => PatientFacts::default(),
            false => PatientFacts::of(
                &text("name")?,
                &text("sex_code")?,
                &text("birth_date")?,
                &text("id_no")?,
                &text("card_no")?,
            ),
        };
        let said = Said {
            org_code: row.text("org_code")?,
            patient_id: row.text("patient_id")?,
            visit: [row.text("event_type")?, row.text("event_no")?],
            facts,
            former: PatientFacts::default(),
            stamp: text("last_update_dtime")?,
        };
        reports.push((row.int("id")?, said));
    }
    Ok(reports)
}

/// Whether a patient of images has no row yet.
pub async fn has_unrecorded_images(index: &Index) -> Result<bool, Error> {
    Ok(index.query_opt("SELECT id FROM patient WHERE recorded = 0 LIMIT 1", Vec::new()).await?.is_some())
}
