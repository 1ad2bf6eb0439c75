//! Takes a DICOM object in: RAD-8 by C-STORE, and `yingku import`.
//!
//! The data set streams into the object store while its header is read on the way, so memory does not grow with the
//! object. [`InstanceWriter::commit`] returns after the object is durable and its rows are committed; until then
//! nothing has been promised. The same content again changes nothing, other content under the same SOP Instance UID
//! is kept as a version and flagged (D-I15), unless it makes good what was cut off before: then the whole object becomes
//! the current one. Bytes of the data set are never changed (D-I16).

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::archive::images::growing_series::SeriesMark;
use crate::archive::links::link;
use crate::archive::peers::forward::ForwardRule;
use crate::archive::peers::notify_availability::{NotifyRule, study_grows};
use crate::archive::{Archive, Error, LinkRules};
use crate::dicom::attributes::InstanceAttributes;
use crate::dicom::header::{HeaderScanner, HeaderState};
use crate::dicom::part10::Receipt;
use crate::dicom::text::Charset;
use crate::dicom::{part10, sop_class};
use crate::domain::place::Place;
use crate::domain::{Actor, ActorKind, Uid};
use crate::index::audit::{self, AuditRecord};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::forwards;
use crate::index::instances::{self, InstanceRow, NewInstance, PatientRow, SeriesRow, StudyRow};
use crate::index::{self, Ids, Tx, arrivals, instance_versions, places};
use crate::objects::{Kind, ObjectWriter};

/// An object that is about to arrive.
#[derive(Debug, Clone)]
pub struct ReceiveInstance {
    /// The organisation of its sender.
    pub org_code: String,
    /// The sender's AE title, empty when it came another way.
    pub calling_ae_title: String,
    /// Charset of data sets that declare none, or a wrong one (D-I17).
    pub default_charset: Charset,
    /// As announced by the sender.
    pub sop_class_uid: String,
    /// As announced by the sender.
    pub sop_instance_uid: String,
    /// How the data set is encoded.
    pub transfer_syntax_uid: String,
    /// What to do with an object that ends too early.
    pub completeness: Completeness,
    /// Who sends it.
    pub actor: Actor,
}

/// What is expected of an object whose pixel data ends before its own length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// It is what its sender has, and is kept and marked (C-STORE: the sender said where the data set ends).
    AsSent,
    /// It was cut off on its way, and is refused (a file of an import).
    Required,
}

/// How a store ended; each is a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOutcome {
    /// New, durable and indexed.
    Stored,
    /// The same content was there already.
    Duplicate,
    /// Other content is there under this UID; both are kept.
    NewVersion,
}

/// What was stored, for protocols that tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// How it ended.
    pub outcome: StoreOutcome,
    /// (0020,000D) of the data set.
    pub study_instance_uid: String,
    /// (0020,000E) of the data set.
    pub series_instance_uid: String,
    /// Whether the pixel data ends before its own length.
    pub is_cut_off: bool,
}

/// An object on its way in. Dropping it keeps nothing.
pub struct InstanceWriter {
    archive: Archive,
    command: ReceiveInstance,
    object: ObjectWriter,
    scanner: HeaderScanner,
    hash: Sha256,
    dataset_offset: u64,
    expected_study: Option<String>,
}

impl Archive {
    /// Begins to take an object in.
    pub async fn receive_instance(&self, command: ReceiveInstance) -> Result<InstanceWriter, Error> {
        for (what, text) in [("SOP Class UID", &command.sop_class_uid), ("SOP Instance UID", &command.sop_instance_uid)]
        {
            Uid::parse(text).map_err(|e| Error::Invalid(format!("{what}: {e}")))?;
        }
        let received_at = self.clock.now_ms();
        let meta = part10::meta_with_receipt(
            &command.sop_class_uid,
            &command.sop_instance_uid,
            &command.transfer_syntax_uid,
            &command.calling_ae_title,
            &Receipt { org_code: command.org_code.clone(), received_at, content: None },
        );
        let mut object = self.objects.create(Kind::Instance);
        object.write(&meta).await?;
        Ok(InstanceWriter {
            archive: self.clone(),
            scanner: HeaderScanner::new(&command.transfer_syntax_uid, self.header_limits.clone()),
            dataset_offset: meta.len() as u64,
            hash: Sha256::new(),
            expected_study: None,
            object,
            command,
        })
    }

    /// Takes in a Part 10 file that is in memory.
    pub async fn store_part10(&self, mut command: ReceiveInstance, file: Bytes) -> Result<StoreOutcome, Error> {
        let meta = part10::read_meta(&file).map_err(|e| Error::Invalid(e.to_string()))?;
        command.sop_class_uid = meta.media_storage_sop_class_uid;
        command.sop_instance_uid = meta.media_storage_sop_instance_uid;
        command.transfer_syntax_uid = meta.transfer_syntax_uid;
        let mut writer = self.receive_instance(command).await?;
        writer.write(&file[meta.dataset_offset as usize..]).await?;
        writer.commit().await
    }
}

impl InstanceWriter {
    /// Takes the next bytes of the data set.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.scanner.push(bytes);
        Ok(self.object.write(bytes).await?)
    }

    /// Bytes of the data set taken so far.
    pub fn length(&self) -> u64 {
        self.object.length() - self.dataset_offset
    }

    /// Gives up; nothing is kept.
    pub async fn abort(self) {
        self.object.abort().await;
    }

    /// Refuses, at the end, an object of another study than this one.
    pub fn expect_study(&mut self, study_instance_uid: &str) {
        self.expected_study = Some(study_instance_uid.to_owned());
    }

    /// Makes the object durable and indexes it. After an error nothing is kept.
    pub async fn commit(self) -> Result<StoreOutcome, Error> {
        Ok(self.commit_and_tell().await?.outcome)
    }

    /// As [`InstanceWriter::commit`]; tells what the object is.
    pub async fn commit_and_tell(self) -> Result<Committed, Error> {
        let Self { archive, command, mut object, scanner, hash, dataset_offset, expected_study } = self;
        let header = scanner.finish();
        let attributes = header.instance_attributes(&command.default_charset);
        let right_study = expected_study.is_none_or(|expected| expected == attributes.study_instance_uid);
        let wrong_study = || Error::Mismatch("Study Instance UID of the data set is not the expected one".to_owned());
        if let Err(error) =
            check(&command, &attributes).and_then(|()| right_study.then_some(()).ok_or_else(wrong_study))
        {
            object.abort().await;
            return Err(error);
        }
        let cut_off = header.declared_end.is_some_and(|end| end > object.length() - dataset_offset);
        if cut_off && command.completeness == Completeness::Required {
            object.abort().await;
            return Err(Error::Mismatch("the pixel data ends before its own length".to_owned()));
        }
        let (study_uid, series_uid) = (attributes.study_instance_uid.clone(), attributes.series_instance_uid.clone());
        let committed = move |outcome| Committed {
            outcome,
            study_instance_uid: study_uid,
            series_instance_uid: series_uid,
            is_cut_off: cut_off,
        };
        let content_hash = hex::encode(hash.finalize());
        let sop_instance_uid = &attributes.sop_instance_uid;
        let series = SeriesMark::of(&command.org_code, &attributes.study_instance_uid, &attributes.series_instance_uid);
        let looked_up = match object.is_small() && archive.growing.contains(series) {
            true => Ok(None),
            false => instances::find_existing(&archive.index, &command.org_code, sop_instance_uid).await,
        };
        match looked_up {
            Ok(Some(existing)) if existing.content_hash == content_hash => {
                object.abort().await;
                return Ok(committed(StoreOutcome::Duplicate));
            }
            Ok(_) => {}
            Err(error) => {
                object.abort().await;
                return Err(error.into());
            }
        }
        let note = part10::content_note(object.length() - dataset_offset, &content_hash);
        object.amend(dataset_offset - note.len() as u64, note.as_bytes()).await?;
        let place = object.finish().await?;
        let kept_at = place.clone();
        let instance = InstanceRow {
            sop_instance_uid: attributes.sop_instance_uid.clone(),
            sop_class_uid: attributes.sop_class_uid.clone(),
            transfer_syntax_uid: command.transfer_syntax_uid.clone(),
            instance_number: attributes.instance_number,
            number_of_frames: attributes.number_of_frames,
            rows: attributes.rows,
            columns: attributes.columns,
            content_hash,
            place,
            dataset_offset: dataset_offset as i64,
            pixel_data_offset: header.pixel_data_offset.map(|at| (at + dataset_offset) as i64),
            header_state: if cut_off { HeaderState::Truncated } else { header.state }.as_str(),
            calling_ae_title: command.calling_ae_title.clone(),
        };
        let new = new_instance(&command.org_code, attributes, instance);
        let outcome = archive.index_instance(new, command.actor).await;
        archive.growing.note(series, matches!(outcome, Ok(StoreOutcome::Stored)));
        if matches!(outcome, Ok(StoreOutcome::Duplicate)) {
            // No row names it: give the space back now. After an error the object stays, because a commit whose answer
            // was lost may have happened; the sweep decides later, by the rows.
            if let Err(error) = archive.forget_unnamed(&kept_at).await {
                tracing::warn!(object.key = %kept_at.key, %error, "an object that is not needed could not be removed");
            }
        }
        outcome.map(committed)
    }
}

impl Archive {
    async fn index_instance(&self, new: NewInstance, actor: Actor) -> Result<StoreOutcome, Error> {
        let (kind, neighbour) = (actor.kind, actor.name.clone());
        let written = self.put_instance(new, actor).await;
        match kind {
            ActorKind::Peer if written.is_ok() => self.note_success("C-STORE", &neighbour),
            ActorKind::Client if written.is_ok() => self.note_success("STOW-RS", &neighbour),
            _ => {}
        }
        written
    }

    async fn put_instance(&self, new: NewInstance, actor: Actor) -> Result<StoreOutcome, Error> {
        let (ids, rules, now) = (self.ids.clone(), self.row_rules(), self.clock.now_ms());
        // Of what `put_rows` does, an instance of a known series needs only its row, unless somebody waits for it.
        if !rules.is_awaited(&new.org_code) && arrivals::add(&self.index, ids.next(), now, &new).await? {
            return Ok(StoreOutcome::Stored);
        }
        self.index
            .write(move |tx| Box::pin(async move { Ok(put_rows(tx, &ids, &rules, now, now, &new, actor).await?) }))
            .await
    }
}

impl Archive {
    pub(in crate::archive) fn row_rules(&self) -> RowRules {
        RowRules { link: self.link_rules, forward: self.forward_rules.clone(), notify: self.notify_rules.clone() }
    }

    /// Gives an object up, unless a row names it after all (a reindex may have met it first).
    async fn forget_unnamed(&self, place: &Place) -> Result<(), Error> {
        let named = places::named_instances(&self.index, std::slice::from_ref(&place.key)).await?;
        if named.contains(&(place.key.clone(), place.offset)) {
            return Ok(());
        }
        self.bury_object(place).await
    }
}

/// What a new instance is held against.
pub(in crate::archive) struct RowRules {
    link: LinkRules,
    forward: Arc<[ForwardRule]>,
    notify: Arc<[NotifyRule]>,
}

impl RowRules {
    /// Whether an upstream archive or a peer is to hear of each instance of the organisation.
    fn is_awaited(&self, org_code: &str) -> bool {
        self.forward.iter().any(|rule| rule.takes(org_code)) || self.notify.iter().any(|rule| rule.org_code == org_code)
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
    let outcome = if instances::insert(tx, instance_pk, received_at, parents.series_pk, new).await? {
        StoreOutcome::Stored
    } else {
        keep_version(tx, ids, received_at, parents.series_pk, new).await?
    };
    if outcome == StoreOutcome::Duplicate {
        return Ok(outcome);
    }
    if outcome == StoreOutcome::Stored {
        for rule in rules.forward.iter().filter(|rule| rule.takes(org_code)) {
            forwards::enqueue(tx, &rule.upstream, instance_pk, parents.study_pk, now, rule.due_at(now)).await?;
        }
        study_grows(tx, ids, now, &rules.notify, org_code, parents.study_pk).await?;
    }
    if !parents.contradictions.is_empty() {
        let subject = format!("study:{}", parents.study_pk);
        let detail = json!({ "fields": parents.contradictions });
        let kind = ConflictKind::Demographics;
        conflicts::open(tx, ids, now, kind, org_code, &subject, &detail).await?;
    }
    if parents.study_is_new {
        link::study_arrived(tx, ids, now, rules.link, parents.study_pk).await?;
        flag_uid_of_others(tx, ids, now, new, parents.study_pk).await?;
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

async fn keep_version(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    series_pk: i64,
    new: &NewInstance,
) -> Result<StoreOutcome, index::Error> {
    let existing = instances::existing(tx, &new.org_code, &new.instance.sop_instance_uid).await?;
    let existing = existing.ok_or(index::Error::Damaged("instance"))?;
    let content_hash = &new.instance.content_hash;
    if existing.content_hash == *content_hash
        || instance_versions::is_kept(tx, existing.instance_pk, content_hash).await?
    {
        return Ok(StoreOutcome::Duplicate);
    }
    let truncated = HeaderState::Truncated.as_str();
    let is_completed = existing.header_state == truncated && new.instance.header_state != truncated;
    if is_completed && existing.series_pk == series_pk {
        instance_versions::make_current(tx, ids.next(), existing.instance_pk, &new.instance, now).await?;
        return Ok(StoreOutcome::NewVersion);
    }
    let version_pk = ids.next();
    if !instances::insert_version(tx, version_pk, now, existing.instance_pk, &new.instance).await? {
        return Ok(StoreOutcome::Duplicate);
    }
    let subject = format!("instance:{}", existing.instance_pk);
    let detail = json!({ "calling_ae_title": new.instance.calling_ae_title, "version": version_pk });
    conflicts::open(tx, ids, now, ConflictKind::DuplicateUid, &new.org_code, &subject, &detail).await?;
    Ok(StoreOutcome::NewVersion)
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

/// An object without the identifiers that place it cannot be kept; anything else can.
fn check(command: &ReceiveInstance, attributes: &InstanceAttributes) -> Result<(), Error> {
    check_uids(attributes)?;
    if attributes.sop_instance_uid != command.sop_instance_uid {
        return Err(Error::Mismatch("SOP Instance UID of the data set is not the announced one".to_owned()));
    }
    if attributes.sop_class_uid != command.sop_class_uid {
        return Err(Error::Mismatch("SOP Class UID of the data set is not the announced one".to_owned()));
    }
    Ok(())
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
pub(in crate::archive) fn new_instance(org_code: &str, a: InstanceAttributes, instance: InstanceRow) -> NewInstance {
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
            kind: sop_class::kind(&instance.sop_class_uid, &a.modality).as_str(),
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
        },
        instance,
    }
}

/// UUIDv5 over organisation and StudyInstanceUID (D-P20).
fn study_observation_uid(org_code: &str, study_instance_uid: &str) -> String {
    let name = format!("study\n{org_code}\n{study_instance_uid}");
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}
