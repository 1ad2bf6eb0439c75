//! The rows that an object brings, whoever brings it: a sender, an import, a reindex, the replay of a segment.
//!
//! [`put_rows`] writes all of them in one transaction; on what is there already it changes nothing. The first content under a
//! SOP Instance UID is the current one, others are versions and a conflict (D-I15).

use std::sync::Arc;

use serde_json::json;

use crate::archive::images::store_instance::StoreOutcome;
use crate::archive::links::link;
use crate::archive::peers::forward::ForwardRule;
use crate::archive::peers::notify_availability::{NotifyRule, study_changes};
use crate::archive::{Archive, Error, LinkRules};
use crate::dicom::attributes::{InstanceAttributes, RequestAttributes};
use crate::dicom::encapsulated_pdf::ENCAPSULATED_PDF;
use crate::dicom::film::{FilmRule, kind_of_series};
use crate::dicom::header::HeaderState;
use crate::domain::{Actor, Uid};
use crate::index::audit::{self, AuditRecord};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::encapsulated_reports;
use crate::index::forwards;
use crate::index::instances::{self, InstanceRow, NewInstance, PatientRow, SeriesRow, StudyRow};
use crate::index::series_requests::{self, SeriesRequest};
use crate::index::{self, Ids, Tx, instance_versions, study_fill};

impl Archive {
    pub(in crate::archive) fn row_rules(&self) -> RowRules {
        RowRules { link: self.link_rules, forward: self.forward_rules.clone(), notify: self.notify_rules.clone() }
    }
}

/// What a new instance is held against.
pub(in crate::archive) struct RowRules {
    link: LinkRules,
    forward: Arc<[ForwardRule]>,
    notify: Arc<[NotifyRule]>,
}

impl RowRules {
    /// Whether an upstream archive or a peer is to hear of each instance of the organisation, or an exam report of this one.
    pub(super) fn is_awaited(&self, new: &NewInstance) -> bool {
        let org_code = &new.org_code;
        if new.instance.sop_class_uid == ENCAPSULATED_PDF {
            return true;
        }
        self.forward.iter().any(|rule| rule.takes(org_code))
            || self.notify.iter().any(|rule| rule.org_code == *org_code)
    }
}

/// Writes everything that an object brings: its rows and its parents', places in the queues of upstream archives, links,
/// conflicts and the audit record. What is to be written for *every* instance, not only for new studies, versions and
/// conflicts, must stand in `put_instance` too, which adds most instances by their row alone.
pub(in crate::archive) async fn put_rows(
    tx: &mut Tx,
    ids: &Ids,
    rules: &RowRules,
    now: i64,
    received_at: i64,
    new: &NewInstance,
    actor: Actor,
) -> Result<StoreOutcome, index::Error> {
    let parents = instances::ensure_parents(tx, ids, received_at, new).await?;
    let org_code = &new.org_code;
    let instance_pk = ids.next();
    let (outcome, current_pk) = if instances::insert(tx, instance_pk, received_at, parents.series_pk, new).await? {
        (StoreOutcome::Stored, Some(instance_pk))
    } else {
        keep_version(tx, ids, now, received_at, parents.series_pk, new).await?
    };
    if outcome == StoreOutcome::Duplicate {
        return Ok(outcome);
    }
    if outcome == StoreOutcome::Stored && !new.series.requests.is_empty() {
        series_requests::add_missing(tx, org_code, parents.series_pk, &new.series.requests).await?;
    }
    if let Some(instance_pk) = current_pk {
        let content = CurrentContent { org_code, study_pk: parents.study_pk, instance_pk };
        content_is_current(tx, ids, rules, now, content).await?;
    }
    if !parents.contradictions.is_empty() {
        let subject = format!("study:{}", parents.study_pk);
        let detail = json!({ "fields": parents.contradictions });
        let kind = ConflictKind::Demographics;
        conflicts::open(tx, ids, now, kind, org_code, &subject, &detail).await?;
    }
    if parents.fills && outcome == StoreOutcome::Stored {
        fill_study(tx, ids, rules.link, now, new, parents.study_pk).await?;
    }
    if parents.study_is_new {
        link::study_arrived(tx, ids, now, rules.link, parents.study_pk).await?;
        flag_uid_of_others(tx, ids, now, new, parents.study_pk).await?;
    }
    if new.instance.sop_class_uid == ENCAPSULATED_PDF {
        encapsulated_reports::study_has_changed(tx, ids, now, parents.study_pk).await?;
    }
    if parents.study_is_new || outcome == StoreOutcome::NewVersion {
        // One entry a study, not one an image: the instance's row itself says who sent it and when.
        let entry = AuditRecord {
            action: "store_instance",
            actor,
            org_code: org_code.clone(),
            target: format!("study:{}", parents.study_pk),
            outcome: if outcome == StoreOutcome::Stored { "ok" } else { "version" },
            detail: json!({}),
        };
        audit::record(tx, ids.next(), now, &entry).await?;
    }
    Ok(outcome)
}

/// Whose content is the current one under its UID.
#[derive(Debug, Clone, Copy)]
pub(in crate::archive) struct CurrentContent<'c> {
    pub(in crate::archive) org_code: &'c str,
    pub(in crate::archive) study_pk: i64,
    pub(in crate::archive) instance_pk: i64,
}

/// What follows when a content is the current one under its UID, as the first one or instead of another: upstream
/// archives are to get it, and peers hear of it.
pub(in crate::archive) async fn content_is_current(
    tx: &mut Tx,
    ids: &Ids,
    rules: &RowRules,
    now: i64,
    content: CurrentContent<'_>,
) -> Result<(), index::Error> {
    let CurrentContent { org_code, study_pk, instance_pk } = content;
    for rule in rules.forward.iter().filter(|rule| rule.takes(org_code)) {
        forwards::enqueue(tx, &rule.upstream, instance_pk, study_pk, now, rule.due_at(now)).await?;
    }
    study_changes(tx, ids, now, &rules.notify, org_code, study_pk).await
}

/// How it ended, and the instance whose current content it has become.
async fn keep_version(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    received_at: i64,
    series_pk: i64,
    new: &NewInstance,
) -> Result<(StoreOutcome, Option<i64>), index::Error> {
    let existing = instances::existing(tx, &new.org_code, &new.instance.sop_instance_uid).await?;
    let existing = existing.ok_or(index::Error::Damaged("instance"))?;
    let content_hash = &new.instance.content_hash;
    if existing.content_hash == *content_hash
        || instance_versions::is_kept(tx, existing.instance_pk, content_hash).await?
    {
        return Ok((StoreOutcome::Duplicate, None));
    }
    let truncated = HeaderState::Truncated.as_str();
    let is_completed = existing.header_state == truncated && new.instance.header_state != truncated;
    if is_completed && existing.series_pk == series_pk {
        let instance_pk = existing.instance_pk;
        instance_versions::make_current(tx, ids.next(), instance_pk, &new.instance, received_at, now).await?;
        return Ok((StoreOutcome::NewVersion, Some(instance_pk)));
    }
    let version_pk = ids.next();
    if !instances::insert_version(tx, version_pk, received_at, existing.instance_pk, &new.instance).await? {
        return Ok((StoreOutcome::Duplicate, None));
    }
    let subject = format!("instance:{}", existing.instance_pk);
    let detail = json!({ "calling_ae_title": new.instance.calling_ae_title, "version": version_pk });
    conflicts::open(tx, ids, received_at, ConflictKind::DuplicateUid, &new.org_code, &subject, &detail).await?;
    Ok((StoreOutcome::NewVersion, None))
}

/// Fills what the study's earlier objects left empty; by another number it may be that of an exam report.
async fn fill_study(
    tx: &mut Tx,
    ids: &Ids,
    links: LinkRules,
    now: i64,
    new: &NewInstance,
    study_pk: i64,
) -> Result<(), index::Error> {
    let filled = study_fill::fill(tx, ids, now, study_pk, new).await?;
    if filled.is_empty() {
        return Ok(());
    }
    if filled.contains(&"accession_number") || filled.contains(&"patient_id") {
        link::study_arrived(tx, ids, now, links, study_pk).await?;
    }
    let entry = AuditRecord {
        action: "fill_study",
        actor: Actor::system("store"),
        org_code: new.org_code.clone(),
        target: format!("study:{study_pk}"),
        outcome: "ok",
        detail: json!({ "fields": filled }),
    };
    audit::record(tx, ids.next(), now, &entry).await
}

async fn flag_uid_of_others(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    new: &NewInstance,
    study_pk: i64,
) -> Result<(), index::Error> {
    let others = instances::other_organizations(tx, &new.org_code, &new.study.study_instance_uid).await?;
    if others.is_empty() {
        return Ok(());
    }
    let subject = format!("study:{study_pk}");
    let detail = json!({ "organizations": others });
    conflicts::open(tx, ids, now, ConflictKind::UidInTwoOrganizations, &new.org_code, &subject, &detail).await
}

/// Whether a data set has the identifiers that place it.
pub(in crate::archive) fn check_uids(attributes: &InstanceAttributes) -> Result<(), Error> {
    let required = [
        ("SOP Instance UID", &attributes.sop_instance_uid),
        ("SOP Class UID", &attributes.sop_class_uid),
        ("Study Instance UID", &attributes.study_instance_uid),
        ("Series Instance UID", &attributes.series_instance_uid),
    ];
    for (what, text) in required {
        Uid::parse(text).map_err(|e| Error::Mismatch(format!("{what} of the data set: {e}")))?;
    }
    Ok(())
}

/// Puts together what an object says of itself and its parents.
pub(in crate::archive) fn new_instance(
    films: &[FilmRule],
    org_code: &str,
    a: InstanceAttributes,
    instance: InstanceRow,
) -> NewInstance {
    let kind = kind_of_series(films, org_code, &instance.sop_class_uid, &a.modality, &a.series_description);
    NewInstance {
        org_code: org_code.to_owned(),
        patient: PatientRow {
            patient_id: a.patient_id,
            issuer: a.issuer_of_patient_id,
            name: a.patient_name,
            sex: a.patient_sex,
            birth_date: a.patient_birth_date,
        },
        study: StudyRow {
            observation_uid: study_observation_uid(org_code, &a.study_instance_uid),
            study_instance_uid: a.study_instance_uid,
            study_id: a.study_id,
            accession_number: a.accession_number,
            study_date: a.study_date,
            study_time: a.study_time,
            study_description: a.study_description,
            referring_physician: a.referring_physician,
            institution_name: a.institution_name,
            patient_age: a.patient_age,
        },
        series: SeriesRow {
            kind: kind.as_str(),
            series_instance_uid: a.series_instance_uid,
            modality: a.modality,
            series_number: a.series_number,
            series_description: a.series_description,
            body_part_examined: a.body_part_examined,
            laterality: a.laterality,
            protocol_name: a.protocol_name,
            series_date: a.series_date,
            series_time: a.series_time,
            station_name: a.station_name,
            manufacturer: a.manufacturer,
            model_name: a.model_name,
            performed_date: a.performed_date,
            performed_time: a.performed_time,
            requests: requests(a.requests),
        },
        instance,
    }
}

/// The requests of a series as its rows hold them.
pub(in crate::archive) fn requests(read: Vec<RequestAttributes>) -> Vec<SeriesRequest> {
    let row = |one: RequestAttributes| SeriesRequest {
        step_id: one.step_id,
        procedure_id: one.procedure_id,
        placer_order: one.placer_order,
        filler_order: one.filler_order,
    };
    read.into_iter().map(row).collect()
}

/// UUIDv5 over organisation and StudyInstanceUID (D-P20).
fn study_observation_uid(org_code: &str, study_instance_uid: &str) -> String {
    let name = format!("study\n{org_code}\n{study_instance_uid}");
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}
