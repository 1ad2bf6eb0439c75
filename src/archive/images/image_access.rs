//! Reading stored objects from outside: whose may be seen, what is kept ready, and what is recorded (RD-21).
//!
//! A system sees organisations; a page session sees the studies of the exams that its pages show, by the same conditions,
//! and one that is to see no word of a report no document in them (D-P18). What somebody may not see is not there. Reading
//! a study is recorded once for each reader, kind of reading and a span of time, however many requests a viewer makes for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use serde_json::json;

use super::kept::Kept;
use super::read_frames::FrameSource;
use super::read_image::Viewer;
use crate::archive::pages::open_link::Session;
use crate::archive::peers::find::{Confidentiality, Find, Found, Readable};
use crate::archive::{Archive, Error};
use crate::dicom::model::DataSet;
use crate::dicom::sop_class::{self, SeriesKind};
use crate::dicom::text::Charset;
use crate::domain::criteria::ShowType;
use crate::domain::query::attribute::tag;
use crate::domain::scope::{Filter, Order, Paging, SortBy};
use crate::domain::{Actor, ActorKind};
use crate::index::audit::{self, AuditRecord};
use crate::index::exam_pages::{self, EntryKind};
use crate::index::image_reading::{self, Reach};

pub use crate::index::image_reading::{StoredInstance, UidPath};

/// Readings remembered at most, so that each is recorded once.
const MOST_READINGS: u64 = 100_000;
/// The part of the memory for metadata that one object may take.
const MODEL_SHARE: u64 = 16;
/// The same for the places of frames. Finding those of an object of many frames again takes long.
const FRAMES_SHARE: u64 = 4;

/// Bounds of reading.
#[derive(Debug, Clone)]
pub struct ImageLimits {
    /// Most instances of one request.
    pub max_instances: u32,
    /// Longest header that is read into memory, in bytes.
    pub max_header_bytes: u64,
    /// Longest binary value that stands in metadata itself, in bytes.
    pub inline_bytes: usize,
    /// Metadata and frame maps kept in memory, in bytes. An object that would take a large share of them is read anew for
    /// each request.
    pub cache_bytes: u64,
    /// How long a reading is not recorded again.
    pub audit_span: Duration,
    /// Charset of texts that declare none, or a wrong one (D-I17).
    pub default_charset: Charset,
    /// Exams of a session whose studies a search without a study looks at, the newest first.
    pub session_exams: u32,
}

/// Who reads.
#[derive(Debug, Clone)]
pub enum ImageReader {
    /// Another system.
    System {
        /// Who it is.
        actor: Actor,
        /// Whose data it may see.
        readable: Vec<Readable>,
    },
    /// Somebody before a page.
    Session {
        /// The session.
        session: Box<Session>,
        /// From where.
        remote_addr: String,
    },
}

impl ImageReader {
    fn actor(&self) -> Actor {
        match self {
            ImageReader::System { actor, .. } => actor.clone(),
            ImageReader::Session { session, remote_addr } => session.actor(remote_addr),
        }
    }

    fn remembered(&self) -> String {
        match self {
            ImageReader::System { actor, .. } => format!("{}\n{}", actor.name, actor.remote_addr),
            ImageReader::Session { session, .. } => session.id_hash.clone(),
        }
    }

    /// Whether documents are among what it may read.
    fn reads_documents(&self) -> bool {
        match self {
            ImageReader::System { .. } => true,
            ImageReader::Session { session, .. } => session.scope.show_type != ShowType::DataOnly,
        }
    }
}

/// What reading needs beside the archive: limits, turns for drawing, and what was read lately. A cheap clone.
#[derive(Debug, Clone)]
pub struct ImageAccess {
    pub(super) limits: Arc<ImageLimits>,
    pub(super) viewer: Viewer,
    pub(super) models: Kept<DataSet>,
    pub(super) frames: Kept<FrameSource>,
    readings: Cache<(String, i64, &'static str), ()>,
}

impl ImageAccess {
    /// Within these limits, drawing with the pages' turns.
    pub fn new(limits: ImageLimits, viewer: Viewer) -> Self {
        Self {
            models: Kept::new(limits.cache_bytes / 2, MODEL_SHARE),
            frames: Kept::new(limits.cache_bytes / 2, FRAMES_SHARE),
            readings: Cache::builder().max_capacity(MOST_READINGS).time_to_live(limits.audit_span).build(),
            limits: Arc::new(limits),
            viewer,
        }
    }
}

impl Archive {
    /// The instances under a path that the reader may see, each UID once; [`Error::NotFound`] when there are none.
    /// `what` names the kind of reading in the audit trail.
    pub async fn read_instances(
        &self,
        access: &ImageAccess,
        reader: &ImageReader,
        path: &UidPath,
        what: &'static str,
    ) -> Result<Vec<StoredInstance>, Error> {
        let reach = match reader {
            ImageReader::System { readable, .. } => Reach::Organizations(readable.clone()),
            ImageReader::Session { session, remote_addr } => {
                Reach::Studies(self.studies_of_session(access, session, remote_addr, &path.study).await?)
            }
        };
        let limit = i64::from(access.limits.max_instances);
        let mut found = image_reading::instances(&self.index, &reach, path, limit + 1).await?;
        if found.len() as i64 > limit {
            return Err(Error::TooLarge { what: "the study", limit: format!("{limit} instances") });
        }
        if !reader.reads_documents() {
            found.retain(|it| !is_document(&it.kind, &it.sop_class_uid, &it.modality));
        }
        let mut known = BTreeSet::new();
        found.retain(|instance| known.insert(instance.sop_instance_uid.clone()));
        // What is upstream alone (RD-8) cannot be given, and a part of a study must not be taken for all of it.
        if found.is_empty() || found.iter().any(|instance| instance.place.key.is_empty()) {
            return Err(Error::NotFound);
        }
        self.note_reading(access, reader, &found, what).await?;
        if let ImageReader::System { actor, .. } = reader {
            self.note_success("WADO", &actor.name);
        }
        Ok(found)
    }

    /// One part of what a search finds, within what the reader may see.
    pub async fn search_images(
        &self,
        access: &ImageAccess,
        reader: &ImageReader,
        mut find: Find,
        offset: u64,
        limit: usize,
    ) -> Result<Found, Error> {
        find.actor = reader.actor();
        let (session, remote_addr) = match reader {
            ImageReader::System { readable, .. } => {
                find.readable.clone_from(readable);
                return self.find(find, offset, limit).await;
            }
            ImageReader::Session { session, remote_addr } => (session, remote_addr),
        };
        let studies = match find.query.condition(tag::STUDY_INSTANCE_UID) {
            Some(crate::domain::query::Matching::Exactly(uid)) => {
                let pks = self.studies_of_session(access, session, remote_addr, uid).await?;
                image_reading::studies_of(&self.index, &[], &pks).await?
            }
            condition => {
                let mut studies = self.listed_studies(access, session).await?;
                if let Some(matching) = condition {
                    studies.retain(|study| matching.accepts(&study.study_instance_uid));
                }
                studies
            }
        };
        if studies.is_empty() {
            return Ok(Found::default());
        }
        let uids: Vec<&str> = studies.iter().map(|study| study.study_instance_uid.as_str()).collect();
        let read = find.query.add_key(tag::STUDY_INSTANCE_UID, &uids.join("\\"));
        read.map_err(|error| Error::Invalid(error.to_string()))?;
        let organizations: BTreeSet<&String> = studies.iter().map(|study| &study.org_code).collect();
        let confidentiality =
            if reader.reads_documents() { Confidentiality::Everything } else { Confidentiality::ImagesOnly };
        let readable = organizations.into_iter().map(|org| Readable { org_code: org.clone(), confidentiality });
        find.readable = readable.collect();
        let mut found = self.find(find, offset, limit).await?;
        // The same UID may be there in an organisation whose exam the session does not see.
        found.matches.retain(|one| {
            let uid = one.text(tag::STUDY_INSTANCE_UID);
            studies.iter().any(|study| study.study_instance_uid == uid && study.org_code == one.org_code)
        });
        Ok(found)
    }

    /// Records that somebody without a right asked, once for each address and span of time.
    pub async fn note_refused_reader(&self, access: &ImageAccess, remote_addr: &str) -> Result<(), Error> {
        let key = (remote_addr.to_owned(), 0, "refused");
        if access.readings.contains_key(&key) {
            return Ok(());
        }
        let actor = Actor {
            kind: ActorKind::Client,
            name: String::new(),
            user_id: String::new(),
            remote_addr: remote_addr.to_owned(),
        };
        let record = AuditRecord {
            action: "dicomweb",
            actor,
            org_code: String::new(),
            target: String::new(),
            outcome: "denied",
            detail: json!({}),
        };
        self.record_all(vec![record]).await?;
        access.readings.insert(key, ()).await;
        Ok(())
    }

    /// The rows of the studies under a UID that the session's exams lead to.
    async fn studies_of_session(
        &self,
        access: &ImageAccess,
        session: &Session,
        remote_addr: &str,
        study_uid: &str,
    ) -> Result<Vec<i64>, Error> {
        let mut seen = Vec::new();
        for (study, entries) in image_reading::studies_with_entries(&self.index, study_uid).await? {
            for entry in entries {
                match self.visible_exam(&access.viewer, session, remote_addr, &entry).await {
                    Ok(_) => {
                        seen.push(study.pk);
                        break;
                    }
                    Err(Error::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(seen)
    }

    /// The studies of the session's newest exams.
    async fn listed_studies(
        &self,
        access: &ImageAccess,
        session: &Session,
    ) -> Result<Vec<image_reading::StudyRow>, Error> {
        let paging = Paging {
            by: SortBy::Observed,
            order: Order::Newest,
            after: None,
            limit: i64::from(access.limits.session_exams),
        };
        let entries = exam_pages::find(&self.index, &session.scope.scope, &Filter::default(), &paging).await?;
        let of = |kind| entries.iter().filter(move |e| e.kind == kind).map(|e| e.pk).collect::<Vec<_>>();
        Ok(image_reading::studies_of(&self.index, &of(EntryKind::Exam), &of(EntryKind::Study)).await?)
    }

    async fn note_reading(
        &self,
        access: &ImageAccess,
        reader: &ImageReader,
        instances: &[StoredInstance],
        what: &'static str,
    ) -> Result<(), Error> {
        let who = reader.remembered();
        let mut studies: Vec<(i64, &str)> = instances.iter().map(|i| (i.study_pk, i.org_code.as_str())).collect();
        studies.sort_unstable();
        studies.dedup();
        let mut fresh = Vec::new();
        for (study_pk, org_code) in studies {
            let key = (who.clone(), study_pk, what);
            if !access.readings.contains_key(&key) {
                fresh.push((key, org_code));
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let record = |((_, study_pk, _), org_code): &((String, i64, &'static str), &str)| AuditRecord {
            action: "read_study",
            actor: reader.actor(),
            org_code: (*org_code).to_owned(),
            target: format!("study:{study_pk}"),
            outcome: "ok",
            detail: json!({ "what": what }),
        };
        self.record_all(fresh.iter().map(record).collect()).await?;
        for (key, _) in fresh {
            access.readings.insert(key, ()).await;
        }
        Ok(())
    }

    async fn record_all(&self, records: Vec<AuditRecord>) -> Result<(), Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let written = self.index.write(move |tx| {
            Box::pin(async move {
                for record in &records {
                    audit::record(tx, ids.next(), now, record).await?;
                }
                Ok::<_, crate::index::Error>(())
            })
        });
        Ok(written.await?)
    }
}

/// Whether an instance of a series of this kind and Modality is a document. A film is none, whatever it is wrapped in
/// (D-I5); an object among images is, when its SOP class is.
pub(super) fn is_document(kind: &str, sop_class_uid: &str, modality: &str) -> bool {
    let of_class = || sop_class::kind(sop_class_uid, modality) == SeriesKind::Document;
    kind == SeriesKind::Document.as_str() || (kind != SeriesKind::Film.as_str() && of_class())
}
