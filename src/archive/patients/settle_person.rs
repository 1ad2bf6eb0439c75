//! Finds the person of a patient by rule, never against a contradiction (D-X9, D-R35).
//!
//! Two patients are one person when both have the same valid identity number and the same name; else when both have the
//! same card number, name and birth date; an image's patient also when its images belong to a report of that patient.
//! Where name, sex, birth date or identity number of anybody involved contradict, where the number fails its own check,
//! or where a person has taken them apart, nothing is joined and a conflict asks a person. A patient whose own reports
//! contradict is nobody else.

use std::collections::BTreeSet;

use serde_json::json;

use super::PERSONS;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::persons::{self, PatientRecord};
use crate::index::{self, Ids, Tx};

/// Patients that are compared with one; more have a placeholder for a number.
const MOST: i64 = 50;
/// Conflicts that one patient opens at a time.
const MOST_CONFLICTS: usize = 5;
const RULES: &str = "rules";

impl Archive {
    /// Whether there are patients that have come or changed.
    pub(super) async fn has_unsettled_patients(&self) -> Result<bool, Error> {
        Ok(persons::has_unsettled(&self.index).await?)
    }

    /// Finds the persons of at most `limit` patients; `false` when nothing was left.
    pub(super) async fn settle_patients(&self, limit: usize) -> Result<bool, Error> {
        let (ids, now, limit) = (self.ids.clone(), self.clock.now_ms(), i64::try_from(limit).unwrap_or(i64::MAX));
        let held = [PERSONS.to_owned()];
        let settled = self.index.write_holding(&held, move |tx| {
            Box::pin(async move {
                let waiting = persons::unsettled(tx, limit).await?;
                for record in &waiting {
                    // An earlier one may have moved it.
                    let Some(record) = persons::record(tx, record.id).await? else { continue };
                    settle(tx, &ids, now, record).await?;
                }
                Ok::<_, index::Error>(!waiting.is_empty())
            })
        });
        Ok(settled.await?)
    }
}

async fn settle(tx: &mut Tx, ids: &Ids, now: i64, mut record: PatientRecord) -> Result<(), index::Error> {
    persons::settle(tx, &record).await?;
    if record.by_hand {
        return Ok(());
    }
    leave_if_contradicting(tx, ids, now, &mut record).await?;
    if record.contradictions.is_empty() {
        let (reason, found) = candidates(tx, ids, now, &record).await?;
        if !found.is_empty() && join(tx, ids, now, &record, reason, &found).await? {
            return Ok(());
        }
    }
    if record.person.is_none() {
        let person = persons::create(tx, ids, now).await?;
        persons::move_to(tx, ids, now, &record, person, ("new", RULES, false)).await?;
    }
    Ok(())
}

/// A patient that has changed may not fit the others of its person any more.
async fn leave_if_contradicting(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    record: &mut PatientRecord,
) -> Result<(), index::Error> {
    let Some(person) = record.person else { return Ok(()) };
    let others = persons::members(tx, person, MOST).await?;
    let others: Vec<_> = others.into_iter().filter(|other| other.id != record.id).collect();
    let clashes = others.iter().find(|other| !record.facts.contradictions(&other.facts).is_empty());
    if others.is_empty() || (record.contradictions.is_empty() && clashes.is_none()) {
        return Ok(());
    }
    if let Some(other) = clashes {
        ask(tx, ids, now, record, other, &record.facts.contradictions(&other.facts)).await?;
    }
    let alone = persons::create(tx, ids, now).await?;
    persons::move_to(tx, ids, now, record, alone, ("contradiction", RULES, false)).await?;
    record.person = Some(alone);
    Ok(())
}

/// Those who are the same person by a rule, unless one of them contradicts.
async fn candidates(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    record: &PatientRecord,
) -> Result<(&'static str, Vec<PatientRecord>), index::Error> {
    let facts = &record.facts;
    let mut found: Vec<(&'static str, PatientRecord)> = Vec::new();
    let mut doubts: Vec<(PatientRecord, Vec<&'static str>)> = Vec::new();
    let trusted = facts.trusted_id_no();
    if let Some(key) = facts.id_no_key() {
        for other in persons::with_id_no(tx, &key, record.id, MOST).await? {
            let mut fields = facts.contradictions(&other.facts);
            if trusted.is_none() || other.facts.trusted_id_no().is_none() {
                fields.push("id_no");
            }
            match fields.is_empty() {
                false => doubts.push((other, fields)),
                true if facts.shares_name(&other.facts) => found.push(("id_no", other)),
                // Without a name the number alone does not say enough.
                true => {}
            }
        }
    }
    if let (Some(card_no), Some(birth_date)) = (&facts.card_no, &facts.birth_date) {
        let others = persons::with_card(tx, card_no, birth_date, record.id, MOST).await?;
        // Cards of two hospitals may have one number; with another name it is another card.
        for other in others.into_iter().filter(|other| facts.shares_name(&other.facts)) {
            match facts.contradictions(&other.facts) {
                fields if !fields.is_empty() => doubts.push((other, fields)),
                _ => found.push(("card_no", other)),
            }
        }
    }
    for other in persons::by_linked_exams(tx, record, MOST).await? {
        match facts.contradictions(&other.facts) {
            fields if !fields.is_empty() => doubts.push((other, fields)),
            _ if facts.shares_name(&other.facts) => found.push(("exam", other)),
            _ => {}
        }
    }
    for (other, fields) in doubts.iter().take(MOST_CONFLICTS) {
        ask(tx, ids, now, record, other, fields).await?;
    }
    // One whose reports contradict is nobody else, and one who is in doubt joins nobody.
    found.retain(|(_, other)| other.contradictions.is_empty());
    let reason = found.first().map_or("", |(reason, _)| reason);
    Ok((reason, if doubts.is_empty() { found.into_iter().map(|(_, other)| other).collect() } else { Vec::new() }))
}

/// Brings the patient and all that it joins together to the oldest person; `false` when something speaks against it.
async fn join(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    record: &PatientRecord,
    reason: &'static str,
    found: &[PatientRecord],
) -> Result<bool, index::Error> {
    let all: BTreeSet<i64> = found.iter().filter_map(|other| other.person).chain(record.person).collect();
    let mut groups = Vec::with_capacity(all.len());
    for person in &all {
        groups.push((*person, persons::members(tx, *person, MOST).await?));
    }
    let members: Vec<&PatientRecord> = groups.iter().flat_map(|(_, members)| members).collect();
    let everybody = || members.iter().copied().chain([record]);
    for (at, one) in everybody().enumerate() {
        for other in everybody().skip(at + 1).filter(|other| other.id != one.id) {
            let fields = one.facts.contradictions(&other.facts);
            if !fields.is_empty() {
                ask(tx, ids, now, one, other, &fields).await?;
                return Ok(false);
            }
        }
    }
    for one in &all {
        for other in all.range(one + 1..) {
            if persons::apart(tx, *one, *other).await? {
                ask_about(tx, ids, now, record, &format!("person:{one} person:{other}"), &["apart"]).await?;
                return Ok(false);
            }
        }
    }
    // Ids grow with time: the oldest person's number is the best known. What a person has decided stays where it is.
    let decided: BTreeSet<i64> =
        groups.iter().filter(|(_, members)| members.iter().any(|m| m.by_hand)).map(|(person, _)| *person).collect();
    let target = match (decided.len(), decided.first().or(all.first())) {
        (0 | 1, Some(target)) => *target,
        _ => {
            let pair: Vec<String> = decided.iter().take(2).map(|person| format!("person:{person}")).collect();
            ask_about(tx, ids, now, record, &pair.join(" "), &["decided"]).await?;
            return Ok(false);
        }
    };
    let mut moving: Vec<&PatientRecord> = members.iter().copied().filter(|m| m.person != Some(target)).collect();
    if record.person.is_none() {
        moving.push(record);
    }
    for patient in &moving {
        persons::move_to(tx, ids, now, patient, target, (reason, RULES, false)).await?;
    }
    for emptied in all.iter().filter(|person| **person != target) {
        persons::set_merged_into(tx, *emptied, Some(target), now).await?;
    }
    let organizations: BTreeSet<&str> = everybody().map(|patient| patient.org_code.as_str()).collect();
    if !moving.is_empty() && organizations.len() > 1 {
        let detail =
            json!({ "reason": reason, "person": target, "organizations": organizations, "moved": moving.len() });
        let entry = AuditRecord {
            action: "link_person",
            actor: Actor::system("people"),
            org_code: record.org_code.clone(),
            target: format!("patient:{}", record.id),
            outcome: "ok",
            detail,
        };
        audit::record(tx, ids.next(), now, &entry).await?;
    }
    Ok(true)
}

/// Asks a person about two patients; the same two always under one name.
async fn ask(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    one: &PatientRecord,
    other: &PatientRecord,
    fields: &[&str],
) -> Result<(), index::Error> {
    let (first, second) = (one.id.min(other.id), one.id.max(other.id));
    ask_about(tx, ids, now, one, &format!("patient:{first} patient:{second}"), fields).await
}

async fn ask_about(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    record: &PatientRecord,
    subject: &str,
    fields: &[&str],
) -> Result<(), index::Error> {
    let detail = json!({ "fields": fields });
    conflicts::open(tx, ids, now, ConflictKind::Person, &record.org_code, subject, &detail).await
}
