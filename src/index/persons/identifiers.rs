//! The numbers of patients by kind and domain, read from what is kept of patients and visits (RD-25).

use std::collections::BTreeSet;

use super::{Origin, PatientRecord, records, records_from};
use crate::domain::identifier::{Identifier, IdentifierKind, Wanted};
use crate::domain::identity::IdNo;
use crate::domain::patient::PatientFacts;
use crate::index::{Error, Index, Select, Value};
use crate::params;

/// The domain of identity numbers.
const COUNTRY: &str = "CN";
/// Most patients that one number finds.
const MOST: i64 = 200;
/// Most visits of one patient that are told, by number.
const MOST_VISITS: i64 = 500;

/// All numbers of a patient.
pub async fn of_record(index: &Index, record: &PatientRecord) -> Result<Vec<Identifier>, Error> {
    let mut all = Vec::new();
    let mut add = |kind, domain: &str, value: &Option<String>| {
        all.extend(value.iter().map(|value| Identifier { kind, domain: domain.to_owned(), value: value.clone() }));
    };
    let org_code = record.org_code.as_str();
    add(IdentifierKind::IdNo, COUNTRY, &record.facts.id_no);
    add(IdentifierKind::CardNo, org_code, &record.facts.card_no);
    let own = Some(record.patient_id.clone());
    match record.origin {
        Origin::Report => add(IdentifierKind::PatientId, org_code, &own),
        Origin::Image if record.issuer.is_empty() => add(IdentifierKind::ImagePatientId, org_code, &own),
        Origin::Image => add(IdentifierKind::ImagePatientId, &record.issuer, &own),
    }
    let sql = "SELECT event_type, event_no FROM visit WHERE patient_record_pk = $1 ORDER BY event_no LIMIT $2";
    for row in index.query(sql, params![record.id, MOST_VISITS]).await? {
        let kind = IdentifierKind::of_event(&row.text("event_type")?);
        all.push(Identifier { kind, domain: org_code.to_owned(), value: row.text("event_no")? });
    }
    Ok(all)
}

/// Patients who have a number; each kind is one look into an index.
pub async fn with_identifier(index: &Index, wanted: &Wanted) -> Result<Vec<PatientRecord>, Error> {
    let value = wanted.value.trim();
    let is_asked = |kind| wanted.kind.is_none_or(|asked| asked == kind);
    let mut found: Vec<PatientRecord> = Vec::new();
    if is_asked(IdentifierKind::IdNo) && matches!(wanted.domain.as_str(), "" | COUNTRY) && IdNo::parse(value).is_some()
    {
        let key = PatientFacts::of("", "", "", value, "").id_no_key().unwrap_or_default();
        found.extend(by(index, records!("WHERE r.id_no_key = ? LIMIT ?"), params![key, MOST]).await?);
    }
    if is_asked(IdentifierKind::CardNo) {
        found.extend(by(index, records!("WHERE r.card_no = ? LIMIT ?"), params![value, MOST]).await?);
    }
    if is_asked(IdentifierKind::PatientId) {
        let sql = records!(
            "JOIN (SELECT e.org_code, e.patient_id FROM exam_report e WHERE e.patient_id = ? UNION \
             SELECT l.org_code, l.patient_id FROM lab_report l WHERE l.patient_id = ?) k \
             ON k.org_code = r.org_code AND k.patient_id = r.patient_id WHERE r.origin = 'report' LIMIT ?"
        );
        found.extend(by(index, sql, params![value, value, MOST]).await?);
    }
    if is_asked(IdentifierKind::ImagePatientId) {
        let sql = records!(
            "JOIN (SELECT DISTINCT s.org_code, s.patient_id, s.issuer FROM study s WHERE s.patient_id = ?) k \
             ON k.org_code = r.org_code AND k.patient_id = r.patient_id AND k.issuer = r.issuer \
             WHERE r.origin = 'image' LIMIT ?"
        );
        found.extend(by(index, sql, params![value, MOST]).await?);
    }
    if wanted.kind.is_none_or(IdentifierKind::is_of_visit) {
        found.extend(of_visit(index, wanted.kind, value).await?);
    }
    let mut seen = BTreeSet::new();
    found.retain(|record| {
        // Images name their issuer, or are of the organisation's own numbers.
        let domains = [record.org_code.as_str(), record.issuer.as_str(), COUNTRY];
        (wanted.domain.is_empty() || domains.contains(&wanted.domain.as_str())) && seen.insert(record.id)
    });
    found.sort_by_key(|record| record.id);
    Ok(found)
}

async fn of_visit(index: &Index, kind: Option<IdentifierKind>, number: &str) -> Result<Vec<PatientRecord>, Error> {
    let sql = "SELECT e.org_code, e.patient_id, e.event_type FROM exam_report e WHERE e.event_no = $1 UNION \
               SELECT l.org_code, l.patient_id, l.event_type FROM lab_report l WHERE l.event_no = $1 LIMIT $2";
    let mut found = Vec::new();
    for row in index.query(sql, params![number, MOST]).await? {
        let of = IdentifierKind::of_event(&row.text("event_type")?);
        if kind.is_none_or(|kind| kind == of) {
            let sql = records!("WHERE r.origin = 'report' AND r.org_code = ? AND r.patient_id = ? LIMIT ?");
            let values = params![row.text("org_code")?, row.text("patient_id")?, MOST];
            found.extend(by(index, sql, values).await?);
        }
    }
    Ok(found)
}

async fn by(index: &Index, sql: &'static str, values: Vec<Value>) -> Result<Vec<PatientRecord>, Error> {
    let mut select = Select::new("");
    select.push(sql, values);
    records_from(&index.query(select.sql(), select.values()).await?)
}
