//! Rebuilds the index of images and attachments from storage alone: after a lost or an old restored database.
//!
//! Every object carries what a row needs in its own file: the receipt in its meta information names the organisation,
//! the time and the hash of its data set. Rows that are there are kept, so a reindex that was cut off is simply run
//! again. Objects are taken in the order of their arrival, so that the first content under a UID becomes the current one
//! again (D-I15). What is meant for upstream archives goes to them again: what they have was in the lost index. What was
//! never finished, is damaged, or has been deleted is told and left alone. Reports come back from their senders, not from
//! here.

use std::collections::{HashMap, HashSet};

use bytes::BytesMut;
use futures_util::{Stream, StreamExt, TryStreamExt};

use crate::archive::images::instance_rows::{check_uids, new_instance, put_rows};
use crate::archive::images::store_instance::StoreOutcome;
use crate::archive::{Archive, Error};
use crate::dicom::content_hash::{ContentHasher, HashAlgorithm};
use crate::dicom::header::{HeaderScanner, HeaderState};
use crate::dicom::part10::{self, FileMeta, FileMetaError};
use crate::dicom::text::Charset;
use crate::domain::Actor;
use crate::domain::place::Place;
use crate::index::instances::{InstanceRow, NewInstance};
use crate::index::{self, dead_objects, places};
use crate::objects::{self, Kind, Listed, Objects, RecordKind, WHOLE_SEGMENT};

/// Files whose rows are looked up together.
const FILES_AT_ONCE: usize = 200;
/// Objects that are read at the same time.
const READ_AT_ONCE: usize = 4;
/// Objects in one transaction.
pub(super) const ROWS_AT_ONCE: usize = 64;
/// Meta information is looked for in so many bytes before more are asked for.
const HEAD_BYTES: usize = 16 * 1024;
/// Objects told one by one; more are only counted.
pub(super) const TOLD: usize = 1000;

/// What the objects themselves do not say.
#[derive(Debug, Clone, Default)]
pub struct ReindexRules {
    /// The organisation of objects that carry no receipt; without it they are left out.
    pub organization: Option<String>,
    /// Charset of data sets that declare none, or a wrong one.
    pub default_charset: Charset,
    /// The same for those of some senders: an organisation and an AE title, which is empty for what came another way.
    pub charsets: HashMap<(String, String), Charset>,
}

/// Why an object was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// Its writing never came to its end; it was not acknowledged.
    Unfinished,
    /// Its bytes are not those that its receipt tells of.
    Damaged,
    /// The store answers, but does not give its bytes.
    Unreadable,
    /// It is no DICOM object that could be placed.
    Unplaceable(String),
    /// It carries no receipt, and no organisation was given.
    NoOrganization,
    /// It is an attachment that does not say what it belongs to: kept by an earlier version, or never finished.
    NoNote,
}

/// What a reindex did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reindexed {
    /// Objects seen.
    pub seen: u64,
    /// Objects whose rows were there.
    pub known: u64,
    /// Objects that got rows as current instances.
    pub indexed: u64,
    /// Attachments that got rows.
    pub attachments: u64,
    /// Objects kept as another version of an instance.
    pub versions: u64,
    /// Objects whose content has a row elsewhere.
    pub duplicates: u64,
    /// Objects that had been deleted.
    pub deleted: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Objects left out.
    pub left_out: u64,
    /// The first of them: where, and why.
    pub told: Vec<(Place, LeftOut)>,
}

impl Reindexed {
    fn leave_out(&mut self, place: Place, why: LeftOut) {
        self.left_out += 1;
        if self.told.len() < TOLD {
            self.told.push((place, why));
        }
    }
}

impl ReindexRules {
    /// Charset of data sets of this sender that declare none, or a wrong one; `noted` is what their receipt says.
    pub(in crate::archive) fn charset_of<'a>(
        &'a self,
        org_code: &str,
        calling_ae_title: &str,
        noted: Option<&'a Charset>,
    ) -> &'a Charset {
        self.told_charset(org_code, calling_ae_title, noted).unwrap_or(&self.default_charset)
    }

    /// The same where it is told of just this sender.
    fn told_charset<'a>(
        &'a self,
        org_code: &str,
        calling_ae_title: &str,
        noted: Option<&'a Charset>,
    ) -> Option<&'a Charset> {
        self.charsets.get(&(org_code.to_owned(), calling_ae_title.to_owned())).or(noted)
    }

    /// Charset of a stored file's texts that declare none, by what its head says of who sent it; `None` when nothing is
    /// told of just this sender.
    pub(in crate::archive) fn charset_of_file(&self, org_code: &str, file: &[u8]) -> Option<Charset> {
        let meta = part10::read_meta(file).ok()?;
        let noted = meta.receipt.and_then(|receipt| receipt.charset);
        self.told_charset(org_code, &meta.source_application_entity_title, noted.as_ref()).cloned()
    }
}

pub(in crate::archive) struct Found {
    pub(in crate::archive) new: NewInstance,
    pub(super) received_at: i64,
}

impl Archive {
    /// Gives every stored image and attachment its rows. Nobody else may use the database meanwhile.
    pub async fn reindex(&self, rules: &ReindexRules, progress: impl Fn(&Reindexed)) -> Result<Reindexed, Error> {
        if !self.ids.is_alone(&self.index).await? {
            let text = "another process uses this database; stop it first (after a crash its lease ends in 5 minutes)";
            return Err(Error::Invalid(text.to_owned()));
        }
        // Of what was deleted the index may know more than storage: what a crash has cut off is done first.
        self.finish_deletions().await?;
        self.forget_purged().await?;
        let kind = format!("{}/", Kind::Instance.folder());
        let is_image = |listed: &Listed| listed.key.starts_with(&kind) || Objects::is_segment(&listed.key);
        let mut listed: Vec<Listed> =
            self.objects.list().try_filter(|listed| std::future::ready(is_image(listed))).try_collect().await?;
        listed.sort_by(|a, b| (a.written_at, &a.key).cmp(&(b.written_at, &b.key)));
        let mut deleted = HashSet::new();
        for segment in listed.iter().filter(|listed| Objects::is_segment(&listed.key)) {
            match self.deleted_places(&segment.key).await {
                Ok(places) => deleted.extend(places),
                // What it holds is met again below, and told there.
                Err(error) if self.is_of_one_object(&error).await => {}
                Err(error) => return Err(error),
            }
            let dead = dead_objects::dead_in(&self.index, &segment.key).await?;
            deleted.extend(dead.into_iter().map(|offset| (segment.key.clone(), offset)));
        }
        let mut done = Reindexed::default();
        let mut rest = listed.as_slice();
        while let Some(first) = rest.first() {
            let files = rest.iter().take(FILES_AT_ONCE).take_while(|l| !Objects::is_segment(&l.key)).count();
            let (now, later) = rest.split_at(files.max(1));
            rest = later;
            let places = match files {
                0 => match self.places_in(first).await {
                    Err(error) if self.is_of_one_object(&error).await => {
                        done.leave_out(whole(first).0, LeftOut::Unreadable);
                        continue;
                    }
                    places => places?,
                },
                _ => now.iter().map(whole).collect(),
            };
            let keys: Vec<String> = now.iter().map(|listed| listed.key.clone()).collect();
            let named = places::named_instances(&self.index, &keys).await?;
            let (mut wanted, mut dead) = (Vec::new(), Vec::new());
            for (place, begun_at) in places {
                done.seen += 1;
                let at = (place.key.clone(), place.offset);
                if named.contains(&at) {
                    done.known += 1;
                } else if deleted.contains(&at) || deleted.contains(&(place.key.clone(), WHOLE_SEGMENT)) {
                    done.deleted += 1;
                    dead.push(place);
                } else {
                    wanted.push((place, begun_at));
                }
            }
            self.note_dead(dead).await?;
            self.reindex_places(wanted, rules, &mut done, &progress).await?;
            progress(&done);
        }
        self.reindex_attachments(&mut done, &progress).await?;
        Ok(done)
    }

    async fn reindex_places(
        &self,
        places: Vec<(Place, i64)>,
        rules: &ReindexRules,
        done: &mut Reindexed,
        progress: &impl Fn(&Reindexed),
    ) -> Result<(), Error> {
        let mut reads = self.read_all_back(places, rules);
        let mut batch = Vec::new();
        while let Some((place, read)) = reads.next().await {
            done.bytes += place.length;
            match read {
                Ok(Ok(found)) => batch.push(found),
                Ok(Err(why)) => done.leave_out(place, why),
                Err(error) if self.is_of_one_object(&error).await => done.leave_out(place, LeftOut::Unreadable),
                Err(error) => return Err(error),
            }
            if batch.len() >= ROWS_AT_ONCE {
                self.put_found(std::mem::take(&mut batch), done).await?;
                progress(done);
            }
        }
        self.put_found(batch, done).await
    }

    /// Reads objects, some at the same time. In order: which of two contents under a UID is the current one depends on it.
    pub(super) fn read_all_back(
        &self,
        places: Vec<(Place, i64)>,
        rules: &ReindexRules,
    ) -> impl Stream<Item = (Place, Result<Result<Found, LeftOut>, Error>)> + Unpin + use<> {
        let (archive, rules) = (self.clone(), rules.clone());
        let reads = places.into_iter().map(move |(place, begun_at)| {
            let (archive, rules, at) = (archive.clone(), rules.clone(), place.clone());
            let read = async move { archive.read_back(at, begun_at, &rules).await };
            async move {
                let read = tokio::spawn(read).await;
                (place, read.unwrap_or_else(|_| Err(objects::Error::Stopped.into())))
            }
        });
        Box::pin(futures_util::stream::iter(reads).buffered(READ_AT_ONCE))
    }

    async fn put_found(&self, batch: Vec<Found>, done: &mut Reindexed) -> Result<(), Error> {
        let (ids, rules, now) = (self.ids.clone(), self.row_rules(), self.clock.now_ms());
        let write = self.index.write(move |tx| {
            Box::pin(async move {
                let mut outcomes = Vec::with_capacity(batch.len());
                for Found { new, received_at } in &batch {
                    let actor = Actor::system("reindex");
                    outcomes.push(put_rows(tx, &ids, &rules, now, *received_at, new, actor).await?);
                }
                Ok::<_, index::Error>(outcomes)
            })
        });
        for outcome in write.await? {
            match outcome {
                StoreOutcome::Stored => done.indexed += 1,
                StoreOutcome::NewVersion => done.versions += 1,
                StoreOutcome::Duplicate => done.duplicates += 1,
            }
        }
        Ok(())
    }

    /// What is dead in segments, for compaction.
    async fn note_dead(&self, dead: Vec<Place>) -> Result<(), Error> {
        let now = self.clock.now_ms();
        let write = self.index.write(move |tx| {
            Box::pin(async move {
                for place in &dead {
                    dead_objects::bury(tx, now, place).await?;
                }
                Ok::<_, index::Error>(())
            })
        });
        Ok(write.await?)
    }

    /// Places that records in a segment call deleted.
    pub(super) async fn deleted_places(&self, segment: &str) -> Result<HashSet<(String, u64)>, Error> {
        let mut deleted = HashSet::new();
        for record in self.objects.segment_outline(segment).await?.records {
            if record.kind != RecordKind::Deleted {
                continue;
            }
            let place = Place { key: segment.to_owned(), offset: record.offset, length: record.length };
            let bytes = match self.objects.read(&place).await.map_err(Error::from) {
                Ok(bytes) => bytes,
                // The other deletions count all the same.
                Err(error) if self.is_of_one_object(&error).await => {
                    tracing::error!(
                        segment.key = segment,
                        record.offset = record.offset,
                        "a deletion cannot be read: what was deleted may come back"
                    );
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(dead) = Objects::deleted_place(&bytes) {
                deleted.insert((dead.key, dead.offset));
            }
        }
        Ok(deleted)
    }

    async fn places_in(&self, segment: &Listed) -> Result<Vec<(Place, i64)>, Error> {
        let contents = self.objects.segment_contents(&segment.key).await?;
        let objects = contents.records.into_iter().filter(|record| record.kind == RecordKind::Object);
        Ok(objects
            .map(|record| {
                let place = Place { key: segment.key.clone(), offset: record.offset, length: record.length };
                (place, segment.written_at)
            })
            .collect())
    }

    /// Reads an object and makes its rows from it.
    pub(in crate::archive) async fn read_back(
        &self,
        place: Place,
        begun_at: i64,
        rules: &ReindexRules,
    ) -> Result<Result<Found, LeftOut>, Error> {
        let mut stream = match self.objects.stream(&place).await {
            Err(objects::Error::Missing) => return Ok(Err(LeftOut::Unfinished)),
            other => other?,
        };
        let (mut head, mut reading) = (BytesMut::new(), None);
        while let Some(bytes) = stream.next().await {
            let bytes = bytes?;
            match &mut reading {
                Some(reading) => Reading::push(reading, &bytes),
                None => {
                    head.extend_from_slice(&bytes);
                    if head.len() < HEAD_BYTES {
                        continue;
                    }
                    match part10::read_meta(&head) {
                        // At the very end of what is there, more of the meta information may follow.
                        Ok(meta) if meta.dataset_offset < head.len() as u64 => {
                            reading = Some(Reading::begin(meta, &head, self));
                        }
                        Ok(_) | Err(FileMetaError::Truncated) => {}
                        Err(error) => return Ok(Err(LeftOut::Unplaceable(error.to_string()))),
                    }
                }
            }
        }
        let reading = match reading {
            Some(reading) => reading,
            None => match part10::read_meta(&head) {
                Ok(meta) => Reading::begin(meta, &head, self),
                Err(FileMetaError::Truncated) => return Ok(Err(LeftOut::Unfinished)),
                // A file whose first block never reached the disk.
                Err(_) if head.iter().all(|byte| *byte == 0) => return Ok(Err(LeftOut::Unfinished)),
                Err(error) => return Ok(Err(LeftOut::Unplaceable(error.to_string()))),
            },
        };
        Ok(reading.found(place, begun_at, rules, self))
    }
}

fn whole(listed: &Listed) -> (Place, i64) {
    (Place { key: listed.key.clone(), offset: 0, length: listed.length }, listed.written_at)
}

/// An object that is being read back.
struct Reading {
    meta: FileMeta,
    scanner: HeaderScanner,
    hash: ContentHasher,
    length: u64,
}

impl Reading {
    fn begin(meta: FileMeta, head: &[u8], archive: &Archive) -> Self {
        let scanner = HeaderScanner::new(&meta.transfer_syntax_uid, archive.header_limits.clone());
        let promised = meta.receipt.as_ref().and_then(|receipt| receipt.content.as_ref());
        let algorithm = promised.map_or(HashAlgorithm::Blake3, |(_, hash)| HashAlgorithm::of(hash));
        let mut reading = Self { scanner, hash: ContentHasher::new(algorithm), length: 0, meta };
        let data_set = head.get(reading.meta.dataset_offset as usize..).unwrap_or_default();
        reading.push(data_set);
        reading
    }

    fn push(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.scanner.push(bytes);
        self.length += bytes.len() as u64;
    }

    fn found(self, place: Place, begun_at: i64, rules: &ReindexRules, archive: &Archive) -> Result<Found, LeftOut> {
        let in_place = archive.objects.writes_in_place();
        let Self { meta, scanner, hash, length } = self;
        let header = scanner.finish();
        let content_hash = hash.finish();
        let cut_off = header.declared_end.is_some_and(|end| end > length);
        match &meta.receipt {
            Some(receipt) => match &receipt.content {
                Some((promised, hash)) if *promised == length && *hash == content_hash => {}
                Some((promised, _)) if length < *promised => return Err(LeftOut::Unfinished),
                Some(_) => return Err(LeftOut::Damaged),
                // A bucket shows an object when it is whole; a file is there from its first byte on.
                None if in_place => return Err(LeftOut::Unfinished),
                None => {}
            },
            None if cut_off => return Err(LeftOut::Unfinished),
            None => {}
        }
        let owner = meta.receipt.as_ref().map(|receipt| receipt.org_code.clone());
        let org_code = owner.or_else(|| rules.organization.clone()).ok_or(LeftOut::NoOrganization)?;
        let calling_ae_title = meta.source_application_entity_title;
        let noted = meta.receipt.as_ref().and_then(|receipt| receipt.charset.as_ref());
        let attributes = header.instance_attributes(rules.charset_of(&org_code, &calling_ae_title, noted));
        check_uids(&attributes).map_err(|error| LeftOut::Unplaceable(error.to_string()))?;
        let instance = InstanceRow {
            sop_instance_uid: attributes.sop_instance_uid.clone(),
            sop_class_uid: attributes.sop_class_uid.clone(),
            transfer_syntax_uid: meta.transfer_syntax_uid,
            instance_number: attributes.instance_number,
            number_of_frames: attributes.number_of_frames,
            rows: attributes.rows,
            columns: attributes.columns,
            content_hash,
            place,
            dataset_offset: meta.dataset_offset as i64,
            pixel_data_offset: header.pixel_data_offset.map(|at| (at + meta.dataset_offset) as i64),
            header_state: if cut_off { HeaderState::Truncated } else { header.state }.as_str(),
            calling_ae_title,
        };
        let received_at = meta.receipt.map_or(begun_at, |receipt| receipt.received_at);
        Ok(Found { new: new_instance(&archive.film_rules, &org_code, attributes, instance), received_at })
    }
}
