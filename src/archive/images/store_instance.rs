//! Takes a DICOM object in: RAD-8 by C-STORE, and `yingku import`.
//!
//! The data set streams into the object store while its header is read on the way, so memory does not grow with the
//! object. [`InstanceWriter::commit`] returns after the object is durable and its rows are committed (durable too, or to be
//! made again from the object after a loss of power: `upkeep/replay_segments.rs`); until then nothing has been promised. The same content again changes nothing, other content under the same SOP Instance UID
//! is kept as a version and flagged (D-I15), unless it makes good what was cut off before: then the whole object becomes
//! the current one. Bytes of the data set are never changed (D-I16).

use bytes::Bytes;

use crate::archive::images::growing_series::SeriesMark;
use crate::archive::images::instance_rows::{check_uids, new_instance, put_rows};
use crate::archive::{Archive, Error};
use crate::dicom::attributes::InstanceAttributes;
use crate::dicom::content_hash::{ContentHasher, HashAlgorithm};
use crate::dicom::header::{HeaderScanner, HeaderState};
use crate::dicom::part10::{self, Receipt};
use crate::dicom::text::Charset;
use crate::domain::place::Place;
use crate::domain::{Actor, ActorKind, Uid};
use crate::index::arrivals::{self, Arrived};
use crate::index::instances::{self, InstanceRow, NewInstance};
use crate::index::{Surety, instance_versions, places};
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

/// Whether something is there under the UID of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookedUp {
    /// It was not, a moment ago.
    Absent,
    /// It was, with another hash.
    OtherHash,
    /// Nobody looked.
    No,
}

/// An object on its way in. Dropping it keeps nothing.
pub struct InstanceWriter {
    archive: Archive,
    command: ReceiveInstance,
    object: ObjectWriter,
    scanner: HeaderScanner,
    hash: ContentHasher,
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
            &Receipt {
                org_code: command.org_code.clone(),
                received_at,
                charset: self.charset_to_note(&command),
                content: None,
            },
        );
        let mut object = self.objects.create(Kind::Instance);
        object.write(&meta).await?;
        Ok(InstanceWriter {
            archive: self.clone(),
            scanner: HeaderScanner::new(&command.transfer_syntax_uid, self.header_limits.clone()),
            dataset_offset: meta.len() as u64,
            hash: ContentHasher::new(HashAlgorithm::Blake3),
            expected_study: None,
            object,
            command,
        })
    }

    /// The charset that the object's own file has to tell, because no sender's title does.
    pub(in crate::archive) fn charset_to_note(&self, command: &ReceiveInstance) -> Option<Charset> {
        let is_told =
            !command.calling_ae_title.is_empty() || command.default_charset == self.reading_rules.default_charset;
        (!is_told).then(|| command.default_charset.clone())
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
        let content_hash = hash.finish();
        let sop_instance_uid = &attributes.sop_instance_uid;
        let series = SeriesMark::of(&command.org_code, &attributes.study_instance_uid, &attributes.series_instance_uid);
        let mut looked_up = LookedUp::Absent;
        let found = match object.is_small() && archive.growing.contains(series) {
            true => {
                looked_up = LookedUp::No;
                Ok(None)
            }
            false => instances::find_existing(&archive.index, &command.org_code, sop_instance_uid).await,
        };
        match found {
            Ok(Some(existing)) if existing.content_hash == content_hash => {
                object.abort().await;
                return Ok(committed(StoreOutcome::Duplicate));
            }
            Ok(Some(_)) => looked_up = LookedUp::OtherHash,
            Ok(None) => {}
            Err(error) => {
                object.abort().await;
                return Err(error.into());
            }
        }
        let note = part10::content_note(object.length() - dataset_offset, &content_hash);
        object.amend(dataset_offset - note.len() as u64, note.as_bytes()).await?;
        let (place, pending) = match archive.makes_rows_again(&command) {
            true => object.finish_claiming_rows().await?,
            false => (object.finish().await?, None),
        };
        let surety = pending.map(|pending| Surety::new(place.length, move || pending.settle()));
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
        let new = new_instance(&archive.film_rules, &command.org_code, attributes, instance);
        let outcome = archive.index_instance(new, command.actor, surety, looked_up).await;
        archive.growing.note(series, matches!(outcome, Ok(StoreOutcome::Stored)));
        if matches!(outcome, Ok(StoreOutcome::Duplicate)) {
            // No row names it: give the space back now.
            if let Err(error) = archive.forget_unnamed(&kept_at).await {
                tracing::warn!(object.key = %kept_at.key, %error, "an object that is not needed could not be removed");
            }
        }
        if let Err(error) = &outcome {
            archive.remove_refused(&kept_at, error).await;
        }
        outcome.map(committed)
    }
}

impl Archive {
    async fn index_instance(
        &self,
        new: NewInstance,
        actor: Actor,
        surety: Option<Surety>,
        looked_up: LookedUp,
    ) -> Result<StoreOutcome, Error> {
        let (kind, neighbour) = (actor.kind, actor.name.clone());
        let written = self.put_instance(new, actor, surety, looked_up).await;
        match kind {
            ActorKind::Peer if written.is_ok() => self.note_success("C-STORE", &neighbour),
            ActorKind::Client if written.is_ok() => self.note_success("STOW-RS", &neighbour),
            _ => {}
        }
        written
    }

    async fn put_instance(
        &self,
        new: NewInstance,
        actor: Actor,
        mut surety: Option<Surety>,
        looked_up: LookedUp,
    ) -> Result<StoreOutcome, Error> {
        let (ids, rules, now) = (self.ids.clone(), self.row_rules(), self.clock.now_ms());
        let (study, series) = (&new.study.study_instance_uid, &new.series.series_instance_uid);
        let requests = SeriesMark::of(&new.org_code, study, series).answering(&new.series.requests);
        let may_add_requests = !new.series.requests.is_empty() && !self.growing.contains(requests);
        // Of what `put_rows` does, an instance of a known series needs only its row, unless somebody waits for it or it says
        // what its series may not have.
        if !rules.is_awaited(&new) && !may_add_requests {
            match arrivals::add(&self.index, ids.next(), now, &new, surety).await? {
                Arrived::Added => return Ok(StoreOutcome::Stored),
                Arrived::NeedsMore(back) => surety = back,
            }
        }
        if looked_up != LookedUp::Absent && self.is_there_by_another_hash(&new).await? {
            surety.into_iter().for_each(Surety::release);
            return Ok(StoreOutcome::Duplicate);
        }
        let again = (self.ids.clone(), self.row_rules(), new.clone(), actor.clone());
        let written = self.index.write_vouched(surety, move |tx| {
            Box::pin(async move { put_rows(tx, &ids, &rules, now, now, &new, actor).await })
        });
        let outcome = match written.await {
            // Its study or series is being deleted in this very moment, and it makes new ones; or it made way for
            // another one.
            Err(error) if error.is_parent_gone() || error.is_lost_race() => {
                let (ids, rules, new, actor) = again;
                let write = self
                    .index
                    .write(move |tx| Box::pin(async move { put_rows(tx, &ids, &rules, now, now, &new, actor).await }));
                write.await?
            }
            other => other?,
        };
        if may_add_requests && outcome == StoreOutcome::Stored {
            self.growing.note(requests, true);
        }
        Ok(outcome)
    }

    /// Whether the same content is there under the UID, known by the hash of an earlier version of the program.
    async fn is_there_by_another_hash(&self, new: &NewInstance) -> Result<bool, Error> {
        let instance = &new.instance;
        let kept = instance_versions::hashes(&self.index, &new.org_code, &instance.sop_instance_uid).await?;
        let own = HashAlgorithm::of(&instance.content_hash);
        let others: Vec<String> = kept.into_iter().filter(|hash| HashAlgorithm::of(hash) != own).collect();
        let Some(algorithm) = others.first().map(|hash| HashAlgorithm::of(hash)) else { return Ok(false) };
        let hash = self.hash_of(&instance.place, instance.dataset_offset as u64, algorithm).await?;
        Ok(others.contains(&hash))
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
