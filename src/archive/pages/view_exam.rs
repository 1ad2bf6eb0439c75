//! Looking at one exam: what its page shows, and the record that somebody looked (RD-21).
//!
//! Looking is recorded once for each session and exam, however many pictures are fetched.

use serde_json::json;

use super::given_file::GivenFile;
use super::open_link::Session;
use crate::archive::images::read_image::Viewer;
use crate::archive::reports::compose_lab_report::MOST_OF_A_VISIT;
use crate::archive::{Archive, Error};
use crate::archive::{ReportCopy, ReportFileState};
use crate::dicom::sop_class::is_electrocardiogram;
use crate::domain::recognition::{Examined, ItemKind};
use crate::index::audit::{self, AuditRecord};
use crate::index::exam_details;
use crate::index::exam_pages::{self, Entry, EntryKind};
use crate::index::lab_documents;

pub use crate::index::attachments::Attachment;
pub use crate::index::exam_details::{InstanceRow, LabItem, ReportText, SeriesRow};
pub use crate::index::report_files::{ReportFile, StampState};

/// Most series on a page.
const MOST_SERIES: i64 = 500;
/// Most instances of one series on a page.
const MOST_INSTANCES: i64 = 20_000;
/// Most results of one lab report on a page.
const MOST_RESULTS: i64 = 2_000;

/// Everything that the page of one exam shows, without the pixels.
#[derive(Debug, Clone)]
pub struct ExamView {
    /// Its line in the list.
    pub entry: Entry,
    /// The report's texts.
    pub text: ReportText,
    /// Its series.
    pub series: Vec<SeriesRow>,
    /// How far its report file is.
    pub file: ReportFileState,
    /// Results, for a lab report.
    pub items: Vec<LabItem>,
    /// Its attachments.
    pub attachments: Vec<Attachment>,
}

/// What curves are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curves {
    /// Electrocardiograms alone.
    Electrocardiograms,
    /// Others among them.
    Others,
}

impl ExamView {
    /// The series that are shown as images.
    pub fn image_series(&self) -> impl Iterator<Item = &SeriesRow> {
        self.series.iter().filter(|series| series.is_shown_as_images())
    }

    /// What its curves are called: they are electrocardiograms, or may be pressures, breath, sounds.
    pub fn curves(&self) -> Curves {
        let is_ecg = |series: &SeriesRow| series.modality == "ECG" || is_electrocardiogram(&series.sop_class_uid);
        if self.series_of_kind("waveform").all(is_ecg) { Curves::Electrocardiograms } else { Curves::Others }
    }

    /// The series of one kind.
    pub fn series_of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a SeriesRow> {
        self.series.iter().filter(move |series| series.kind == kind)
    }
}

impl Archive {
    /// One exam, when the session may see it.
    pub async fn view_exam(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        observation_uid: &str,
    ) -> Result<ExamView, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let mut text = exam_details::report_text(&self.index, &entry).await?;
        let kind = if entry.kind == EntryKind::Lab { ItemKind::Lab } else { ItemKind::Exam };
        text.recognition = self.mark_of(&entry, kind, &text.item_names, &text.recognition);
        let series = exam_details::series_of(&self.index, &entry, MOST_SERIES).await?;
        let file = match entry.kind {
            EntryKind::Exam => self.report_file_state(entry.pk).await?,
            EntryKind::Lab => self.lab_file_state(entry.pk).await?,
            EntryKind::Study => ReportFileState::Absent,
        };
        let mut items = match entry.kind {
            EntryKind::Lab => exam_details::lab_items(&self.index, entry.pk, MOST_RESULTS).await?,
            EntryKind::Exam | EntryKind::Study => Vec::new(),
        };
        for item in &mut items {
            item.recognition = self.mark_of(&entry, ItemKind::Lab, &item.names, &item.recognition);
        }
        let attachments = self.attachments_of(session, &entry).await?;
        Ok(ExamView { entry, text, series, file, items, attachments })
    }

    /// The mark of mutual recognition in words; nothing when it has none (D-R17, D-R34, D-X10).
    pub(super) fn mark_of(&self, entry: &Entry, kind: ItemKind, names: &[String], registered: &str) -> String {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (org_code, observed_at) = (entry.org_code.as_str(), entry.observed_at.as_str());
        let examined = Examined { kind, org_code, items: &names, observed_at, registered };
        self.recognised_items().mark(&self.dictionaries(), &examined)
    }

    /// The instances of a series of an exam that [`Archive::view_exam`] gave, without video streams.
    pub async fn series_instances(&self, series: &SeriesRow) -> Result<Vec<InstanceRow>, Error> {
        Ok(exam_details::instances_of(&self.index, series.pk, MOST_INSTANCES).await?)
    }

    /// The report file of an exam that the session may see.
    pub async fn viewed_report_file(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        observation_uid: &str,
    ) -> Result<ReportFile, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        self.file_of_entry(&entry).await
    }

    async fn file_of_entry(&self, entry: &Entry) -> Result<ReportFile, Error> {
        match entry.kind {
            EntryKind::Exam => self.report_file_of(entry.pk).await?.ok_or(Error::NotFound),
            EntryKind::Lab => match self.lab_file_state(entry.pk).await? {
                ReportFileState::Ready(file) => Ok(*file),
                _ => Err(Error::NotFound),
            },
            EntryKind::Study => Err(Error::NotFound),
        }
    }

    /// The lab reports of the same visit as one that the session may see, as far as it may see them too, on common pages;
    /// every download is recorded (D-S8).
    pub async fn download_visit(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        observation_uid: &str,
    ) -> Result<bytes::Bytes, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let found = match entry.kind {
            EntryKind::Lab => lab_documents::report(&self.index, entry.pk).await?.ok_or(Error::NotFound)?,
            EntryKind::Exam | EntryKind::Study => return Err(Error::NotFound),
        };
        let mut visible = Vec::new();
        for (pk, uid) in lab_documents::of_visit(&self.index, &found.report, MOST_OF_A_VISIT).await? {
            if exam_pages::get(&self.index, &session.scope.scope, &uid).await?.is_some() {
                visible.push(pk);
            }
        }
        let bytes = self.visit_document(&visible).await?;
        let labs: Vec<String> = visible.iter().map(|pk| format!("lab:{pk}")).collect();
        let detail = json!({ "organization": entry.org_code, "reports": labs });
        self.record_view(session, remote_addr, "download_visit", format!("lab:{}", entry.pk), detail).await?;
        Ok(bytes)
    }

    /// A report file for somebody to keep; every download is recorded.
    pub async fn download_report_file(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        observation_uid: &str,
        copy: ReportCopy,
    ) -> Result<(ReportFile, GivenFile), Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let file = self.file_of_entry(&entry).await?;
        let given = GivenFile::Stored(self.report_place(&file, copy).await?);
        let which = match copy {
            ReportCopy::Original => "original",
            ReportCopy::Stamped => "stamped",
        };
        let kind = if entry.kind == EntryKind::Lab { "lab" } else { "exam" };
        let target = format!("{kind}:{}", entry.pk);
        self.record_view(session, remote_addr, "download_report", target, json!({ "copy": which })).await?;
        Ok((file, given))
    }

    /// The entry, when the session may see it; the first look of a session is recorded.
    pub(in crate::archive) async fn visible_exam(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        observation_uid: &str,
    ) -> Result<Entry, Error> {
        let entry = exam_pages::get(&self.index, &session.scope.scope, observation_uid).await?;
        let entry = entry.ok_or(Error::NotFound)?;
        if viewer.looks_first(&session.id_hash, observation_uid).await {
            let kind = match entry.kind {
                EntryKind::Exam => "exam",
                EntryKind::Lab => "lab",
                EntryKind::Study => "study",
            };
            let target = format!("{kind}:{}", entry.pk);
            self.record_view(session, remote_addr, "view_exam", target, json!({ "organization": entry.org_code }))
                .await?;
            viewer.has_looked(&session.id_hash, observation_uid).await;
        }
        Ok(entry)
    }

    pub(in crate::archive) async fn record_view(
        &self,
        session: &Session,
        remote_addr: &str,
        action: &'static str,
        target: String,
        detail: serde_json::Value,
    ) -> Result<(), Error> {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        let org_code = detail["organization"].as_str().unwrap_or_default().to_owned();
        let record = AuditRecord { action, actor: session.actor(remote_addr), org_code, target, outcome: "ok", detail };
        let written =
            self.index.write(move |tx| Box::pin(async move { audit::record(tx, audit_id, now, &record).await }));
        Ok(written.await?)
    }
}
