//! What a person decides about persons: link, unlink, merge, unmerge; each undoes another, each is kept and audited (D-X9).

use serde_json::json;

use super::PERSONS;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::criteria::observation_uid;
use crate::domain::identifier::{Identifier, Wanted};
use crate::index::audit::{self, AuditRecord};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::persons::{self, Move, PatientRecord, identifiers};
use crate::index::{Ids, Tx};

/// Patients that one command moves.
const MOST: i64 = 1000;

/// A person with everything that is known under it.
#[derive(Debug, Clone)]
pub struct PersonView {
    /// Its row.
    pub person: i64,
    /// Its number in links and queries.
    pub master_id: String,
    /// Its patients.
    pub patients: Vec<PatientRecord>,
    /// Their numbers by kind and domain, each with the row of its patient.
    pub identifiers: Vec<(i64, Identifier)>,
    /// Its history, the newest first.
    pub moves: Vec<Move>,
}

impl Archive {
    /// The persons behind a word: `person:17`, `patient:17`, a master number, or `ORG/number`. Shows patient data, and
    /// is recorded.
    pub async fn view_persons(&self, actor: Actor, word: &str) -> Result<Vec<PersonView>, Error> {
        let mut found: Vec<i64> = Vec::new();
        if let Some(person) = number(word, "person:") {
            found.push(person);
        } else if let Some(patient) = number(word, "patient:") {
            found.extend(persons::patient(&self.index, patient).await?.and_then(|record| record.person));
        } else if let Some(master_id) = observation_uid(word) {
            found.extend(persons::find(&self.index, &master_id).await?.map(|(person, _)| person));
        } else if let Some((org_code, patient_id)) = word.split_once('/') {
            let records = persons::with_number(&self.index, org_code, patient_id).await?;
            found.extend(records.iter().filter_map(|record| record.person));
        }
        self.viewed(actor, found).await
    }

    /// The persons of the patients who have a number. Shows patient data, and is recorded.
    pub async fn find_persons(&self, actor: Actor, wanted: &Wanted) -> Result<Vec<PersonView>, Error> {
        let records = identifiers::with_identifier(&self.index, wanted).await?;
        self.viewed(actor, records.iter().filter_map(|record| record.person).collect()).await
    }

    async fn viewed(&self, actor: Actor, mut found: Vec<i64>) -> Result<Vec<PersonView>, Error> {
        found.sort_unstable();
        found.dedup();
        let mut views = Vec::with_capacity(found.len());
        for person in found {
            let Some(master_id) = persons::master_id(&self.index, person).await? else { continue };
            let patients = persons::patients(&self.index, person, MOST).await?;
            let mut identifiers = Vec::new();
            for patient in &patients {
                let own = identifiers::of_record(&self.index, patient).await?;
                identifiers.extend(own.into_iter().map(|identifier| (patient.id, identifier)));
            }
            let moves = persons::moves(&self.index, person, MOST).await?;
            views.push(PersonView { person, master_id, patients, identifiers, moves });
        }
        if views.is_empty() {
            return Err(Error::NotFound);
        }
        let targets: Vec<String> = views.iter().map(|view| format!("person:{}", view.person)).collect();
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let written = self.index.write(move |tx| {
            Box::pin(async move { note(tx, &ids, now, "view_person", &actor, "", &targets.join(" "), 0).await })
        });
        written.await?;
        Ok(views)
    }

    /// Says that a patient is this person, whatever rules say.
    pub async fn link_patient(&self, actor: Actor, patient: i64, person: i64) -> Result<(), Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        self.index
            .write_holding(&[PERSONS.to_owned()], move |tx| {
                Box::pin(async move {
                    let record = persons::record(tx, patient).await?.ok_or(Error::NotFound)?;
                    living(tx, person).await?;
                    if record.person == Some(person) {
                        return Err(Error::Invalid("the patient is that person already".to_owned()));
                    }
                    persons::clear_contradictions(tx, patient, now).await?;
                    persons::move_to(tx, &ids, now, &record, person, ("link", &actor.user_id, true)).await?;
                    conflicts::close_about(tx, ConflictKind::Patient, &format!("patient:{patient}"), now).await?;
                    for other in persons::members(tx, person, MOST).await? {
                        let (first, second) = (patient.min(other.id), patient.max(other.id));
                        let subject = format!("patient:{first} patient:{second}");
                        conflicts::close_about(tx, ConflictKind::Person, &subject, now).await?;
                    }
                    let target = format!("patient:{patient} person:{person}");
                    Ok(note(tx, &ids, now, "link_patient", &actor, &record.org_code, &target, 1).await?)
                })
            })
            .await
    }

    /// Says that a patient is not the person that it is linked to; gives the person that it is now.
    pub async fn unlink_patient(&self, actor: Actor, patient: i64) -> Result<i64, Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        self.index
            .write_holding(&[PERSONS.to_owned()], move |tx| {
                Box::pin(async move {
                    let record = persons::record(tx, patient).await?.ok_or(Error::NotFound)?;
                    let Some(former) = record.person else { return Err(Error::NotFound) };
                    if persons::members(tx, former, 2).await?.len() < 2 {
                        return Err(Error::Invalid("the person has no other patient".to_owned()));
                    }
                    let person = persons::create(tx, &ids, now).await?;
                    persons::move_to(tx, &ids, now, &record, person, ("unlink", &actor.user_id, true)).await?;
                    let target = format!("patient:{patient} person:{former}");
                    note(tx, &ids, now, "unlink_patient", &actor, &record.org_code, &target, 1).await?;
                    Ok(person)
                })
            })
            .await
    }

    /// Says that two persons are one: all patients of the first become the second's; gives how many.
    pub async fn merge_persons(&self, actor: Actor, person: i64, into: i64) -> Result<usize, Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        self.index
            .write_holding(&[PERSONS.to_owned()], move |tx| {
                Box::pin(async move {
                    living(tx, person).await?;
                    living(tx, into).await?;
                    if person == into {
                        return Err(Error::Invalid("these are the same person".to_owned()));
                    }
                    let patients = persons::members(tx, person, MOST).await?;
                    for record in &patients {
                        persons::move_to(tx, &ids, now, record, into, ("merge", &actor.user_id, true)).await?;
                    }
                    persons::set_merged_into(tx, person, Some(into), now).await?;
                    let (first, second) = (person.min(into), person.max(into));
                    let subject = format!("person:{first} person:{second}");
                    conflicts::close_about(tx, ConflictKind::Person, &subject, now).await?;
                    let target = format!("person:{person} person:{into}");
                    note(tx, &ids, now, "merge_persons", &actor, "", &target, patients.len()).await?;
                    Ok(patients.len())
                })
            })
            .await
    }

    /// Undoes a merge, whoever or whatever made it: patients that went from this person, and nowhere else since, come
    /// back; gives how many.
    pub async fn unmerge_person(&self, actor: Actor, person: i64) -> Result<usize, Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        self.index
            .write_holding(&[PERSONS.to_owned()], move |tx| {
                Box::pin(async move {
                    let Some(into) = persons::merged_into(tx, person).await?.ok_or(Error::NotFound)? else {
                        return Err(Error::Invalid("the person was not merged".to_owned()));
                    };
                    let patients = persons::last_moved_from(tx, person, MOST).await?;
                    for record in &patients {
                        persons::move_to(tx, &ids, now, record, person, ("unmerge", &actor.user_id, true)).await?;
                    }
                    persons::set_merged_into(tx, person, None, now).await?;
                    let target = format!("person:{person} person:{into}");
                    note(tx, &ids, now, "unmerge_person", &actor, "", &target, patients.len()).await?;
                    Ok(patients.len())
                })
            })
            .await
    }

    /// Says that the contradictions in a patient's own reports do not matter: it takes part again.
    pub async fn accept_patient(&self, actor: Actor, patient: i64) -> Result<(), Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        self.index
            .write_holding(&[PERSONS.to_owned()], move |tx| {
                Box::pin(async move {
                    let record = persons::record(tx, patient).await?.ok_or(Error::NotFound)?;
                    persons::clear_contradictions(tx, patient, now).await?;
                    conflicts::close_about(tx, ConflictKind::Patient, &format!("patient:{patient}"), now).await?;
                    let target = format!("patient:{patient}");
                    Ok(note(tx, &ids, now, "accept_patient", &actor, &record.org_code, &target, 1).await?)
                })
            })
            .await
    }
}

fn number(word: &str, prefix: &str) -> Option<i64> {
    word.strip_prefix(prefix)?.parse().ok()
}

/// A person that is there and was not merged into another.
async fn living(tx: &mut Tx, person: i64) -> Result<(), Error> {
    match persons::merged_into(tx, person).await?.ok_or(Error::NotFound)? {
        None => Ok(()),
        Some(into) => Err(Error::Invalid(format!("person:{person} was merged into person:{into}"))),
    }
}

#[expect(clippy::too_many_arguments, reason = "the audit record is made of them")]
async fn note(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    action: &'static str,
    actor: &Actor,
    org_code: &str,
    target: &str,
    moved: usize,
) -> Result<(), crate::index::Error> {
    let entry = AuditRecord {
        action,
        actor: actor.clone(),
        org_code: org_code.to_owned(),
        target: target.to_owned(),
        outcome: "ok",
        detail: json!({ "patients": moved }),
    };
    audit::record(tx, ids.next(), now, &entry).await
}
