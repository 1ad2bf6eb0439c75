//! What `/api/v1` answers: the types of which the OpenAPI document is made.
//!
//! The frame is ours, in snake case; what a hospital registered stands under `fields` (and `items`), with the names of the
//! registration interface in lower case and values as they are kept: times `yyyy-MM-dd HH:mm:ss` in Asia/Shanghai.
//! Empty fields are left out. The address of the report file inside the hospital is nobody else's business.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::reports::follow_changes::{Aspect, FeedChange, Removal};
use crate::archive::reports::pull_attachment::Attachment;
use crate::archive::reports::pull_reports::{Content, KeptFile, KeptItem, KeptReport};
use crate::domain::cursor::Cursor;
use crate::domain::date_time::Moment;
use crate::domain::patient_key::PatientKey;
use crate::domain::record::{Field, Record};

/// Registered values by the names of the registration interface, in lower case.
pub(super) type Fields = BTreeMap<&'static str, String>;

/// Which kind of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReportKind {
    /// An exam report (检查报告).
    Exam,
    /// A lab report (检验报告).
    Lab,
}

/// A report as it stands now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// The id, a UUID that stays the same over all versions.
    id: String,
    kind: ReportKind,
    /// Code of the institution.
    organization: String,
    /// The patient, for `/patients/{id}/reports`.
    patient: String,
    /// 1 at first, one more at each replacement of the head.
    version: i64,
    /// Whether it counts as final (D-P24). False is seen by the own institution only.
    #[serde(rename = "final")]
    is_final: bool,
    /// Whether the patient has the cadre mark (D-R22). True is seen with a right only.
    vip: bool,
    /// Whether its confidentiality is one of the restricted ones (D-R22). True is seen with a right only.
    restricted: bool,
    /// DICOM Modality of an exam, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    modality: Option<String>,
    /// The time by which lists are ordered: Retrieve_Date, else the next best (D-Q4).
    retrieved_at: String,
    /// When the patient was examined (D-P8).
    observed_at: String,
    /// When the archive first saw it, RFC 3339.
    received_at: String,
    /// When its head last changed, RFC 3339.
    updated_at: String,
    /// The current report file; none until it has been fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<File>,
    /// Study Instance UIDs of the images that are linked to it and are here.
    studies: Vec<String>,
    /// Files of the exam beside the report, as they came (D-I14); absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Vec<AttachedFile>>,
    /// Mark of mutual recognition (互认) of its images and data, in words; the doctor's diagnosis is not part of it (D-X10).
    #[serde(skip_serializing_if = "Option::is_none")]
    recognition_mark: Option<String>,
    /// What the class of a lab report is by the archive's dictionary `lab_class`, LOINC for example (D-R16).
    #[serde(skip_serializing_if = "Option::is_none")]
    mapped_code: Option<String>,
    /// Who asked for the examination; absent when nobody is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    requester: Option<Requester>,
    /// How often others have recognised its images and data, and have not; absent while nobody has decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    recognitions: Option<RecognitionCounts>,
    /// What was registered.
    fields: Fields,
    /// Lines of a lab report in the order of their numbers; `recognition_mark` and `mapped_code` (dictionary `lab_item`)
    /// stand beside what was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Fields>>,
}

/// The doctor who asked for an examination. A name that was registered as `name/staff number` without a `participant_id` is
/// taken apart; `fields` holds it as it was registered (D-R26).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Requester {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The staff number.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// Decisions of other institutions about a report.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct RecognitionCounts {
    /// Relied on its images and data.
    recognised: i64,
    /// Did not.
    not_recognised: i64,
}

/// The current file of a report; of a lab report the document that was composed of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct File {
    /// 1, 2, … one for each different content.
    revision: i64,
    /// `application/pdf`, `image/jpeg`, `image/png` or `image/tiff`.
    media_type: String,
    /// Bytes of the original.
    length: i64,
    /// SHA-256 of the original, hex.
    sha256: String,
    /// Whether there is a copy with the QR code.
    stamped: bool,
    /// Why the file takes no QR code: `encrypted`, `signed`, `damaged`, `not_a_pdf`, `no_pages` or `too_large` (D-I9); absent
    /// when it has one, or is to have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp_reason: Option<String>,
    /// When it was fetched or composed, RFC 3339.
    fetched_at: String,
    /// Where it is.
    url: String,
}

/// A file of an exam that is neither its report nor an image of DICOM (附件).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct AttachedFile {
    /// The last part of its address.
    id: String,
    /// `request_form`, `consent`, `capture`, `video`, `ecg`, `pathology`, `report` or `other`.
    kind: &'static str,
    /// As found in its content: `image/jpeg`, `image/png`, `image/tiff`, `image/bmp`, `application/pdf`, `video/mp4`,
    /// `video/x-msvideo`, `application/xml`, or `application/octet-stream`.
    media_type: &'static str,
    /// Bytes.
    length: u64,
    /// SHA-256, hex.
    sha256: String,
    /// What the institution calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// The file's name as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When it came, RFC 3339.
    received_at: String,
    /// Where it is.
    url: String,
}

/// One page of reports.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ReportList {
    pub(super) reports: Vec<Report>,
    /// Ask again with it for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
}

/// What of a report has changed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChangeKindName {
    /// Content of an exam report.
    Exam,
    /// Content or lines of a lab report.
    Lab,
    /// Its file.
    File,
    /// Which images are linked to it.
    Images,
    /// Which attachments belong to it.
    Attachments,
    /// Somebody recorded whether its images and data were recognised.
    Recognition,
    /// Its patient is another person now: linked with numbers of other institutions, or taken apart.
    Person,
    /// Something of which a later version tells: pass over what you do not know.
    #[serde(untagged)]
    Other(String),
}

/// Why a report is gone.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RemovalName {
    /// Its hospital withdrew it (D-R18).
    Withdrawn,
    /// It is no longer shared with the caller (D-P24, D-R22).
    NotShared,
}

/// One change of a report; it tells the report as it stands now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Change {
    /// The report's id.
    id: String,
    kind: ChangeKindName,
    /// Code of the institution.
    organization: String,
    /// Present when the copy of the report is to be removed; nothing else is then told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<RemovalName>,
    /// The version of the report's head.
    version: i64,
    /// When it changed, RFC 3339.
    changed_at: String,
    /// Everything up to and with this change is known to whom has it: a place to go on from.
    cursor: String,
    /// The current file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<File>,
    /// Study Instance UIDs of the images that are linked to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    studies: Option<Vec<String>>,
    /// Its attachments; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Vec<AttachedFile>>,
    /// The whole report, with `include=report`.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
}

/// One page of the change feed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChangeList {
    pub(super) changes: Vec<Change>,
    /// Ask again with it; always there.
    pub(super) cursor: String,
    /// Whether more is there already.
    pub(super) more: bool,
}

/// One line of an export; the last one has no report.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct ExportLine {
    /// A report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<Report>,
    /// The export goes on after this report when it is asked for with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
    /// In the last line: how many reports came with this answer. An export without this line was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) complete: Option<u64>,
    /// In the archive: the file's name in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_name: Option<String>,
    /// In the archive: why the report's file is not in it: `missing` from the store, `unreadable` there, or
    /// `not_composed` of a lab report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_error: Option<String>,
    /// In the archive: the report's attachments in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attachments: Option<Vec<ExportedAttachment>>,
}

/// An attachment in an archive.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ExportedAttachment {
    /// As in the report's `attachments`.
    pub(super) id: String,
    /// Its name in the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_name: Option<String>,
    /// Why it is not in the archive: `missing` from the store, or `unreadable` there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_error: Option<String>,
}

/// RFC 3339 in Asia/Shanghai.
pub(in crate::web) fn instant(ms: i64) -> String {
    local_instant(&Moment::from_epoch_ms(ms).to_string())
}

/// A kept time (`yyyy-MM-dd HH:mm:ss` in Asia/Shanghai) as RFC 3339.
pub(in crate::web) fn local_instant(kept: &str) -> String {
    kept.split_once(' ').map_or_else(|| kept.to_owned(), |(day, time)| format!("{day}T{time}+08:00"))
}

/// The filled fields of a record, without the address of the report file.
pub(super) fn fields<F: Field>(record: &Record<F>) -> Fields {
    let told = record.filled().filter(|(field, _)| field.spec().column != "reportfilepath");
    told.map(|(field, text)| (field.spec().column, text.to_owned())).collect()
}

fn item_fields(kept: &KeptItem) -> Fields {
    let mut item = fields(&kept.item);
    if !kept.mark.is_empty() {
        item.insert("recognition_mark", kept.mark.clone());
    }
    if let Some(entry) = &kept.mapped {
        item.insert("mapped_code", entry.code.clone());
    }
    item
}

pub(super) fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

impl Report {
    pub(super) fn of(report: &KeptReport, root: &str) -> Self {
        let (kind, fields, items) = match &report.content {
            Content::Exam(record) => (ReportKind::Exam, fields(record), None),
            Content::Lab(record, items) => {
                let items = items.iter().map(item_fields).collect();
                (ReportKind::Lab, fields(record), Some(items))
            }
        };
        Self {
            id: report.observation_uid.clone(),
            kind,
            organization: report.org_code.clone(),
            patient: patient_of(report),
            version: report.version,
            is_final: report.is_final,
            vip: report.vip,
            restricted: report.restricted,
            modality: Some(report.modality.clone()).filter(|modality| !modality.is_empty()),
            retrieved_at: local_instant(&report.retrieve_at),
            observed_at: local_instant(&report.observed_at),
            received_at: instant(report.received_at),
            updated_at: instant(report.updated_at),
            file: report.file.as_ref().map(|file| File::of(report, file, root)),
            studies: studies_of(report),
            attachments: attachments_of(report, root),
            recognition_mark: filled(&report.mark),
            mapped_code: report.mapped.as_ref().map(|entry| entry.code.clone()),
            requester: Requester::of(report),
            recognitions: Some(report.recognised)
                .filter(|counts| *counts != [0, 0])
                .map(|[recognised, not_recognised]| RecognitionCounts { recognised, not_recognised }),
            fields,
            items,
        }
    }
}

impl Requester {
    fn of(report: &KeptReport) -> Option<Self> {
        let participant = report.content.participant();
        let (name, id) = (filled(participant.name), filled(participant.id));
        (name.is_some() || id.is_some()).then_some(Self { name, id })
    }
}

impl File {
    fn of(report: &KeptReport, file: &KeptFile, root: &str) -> Self {
        Self {
            revision: file.revision,
            media_type: file.media_type.clone(),
            length: file.length,
            sha256: file.sha256.clone(),
            stamped: file.stamped,
            stamp_reason: filled(&file.stamp_reason),
            fetched_at: instant(file.fetched_at),
            url: format!("{root}/api/v1/reports/{}/file", report.observation_uid),
        }
    }
}

impl Change {
    pub(super) fn of(change: &FeedChange, root: &str, whole: bool) -> Self {
        let report = &change.report;
        let there = change.removed.is_none();
        Self {
            id: report.observation_uid.clone(),
            kind: match (&change.aspect, &report.content) {
                (Aspect::File, _) => ChangeKindName::File,
                (Aspect::Images, _) => ChangeKindName::Images,
                (Aspect::Attachments, _) => ChangeKindName::Attachments,
                (Aspect::Recognition, _) => ChangeKindName::Recognition,
                (Aspect::Person, _) => ChangeKindName::Person,
                (Aspect::Other(word), _) => ChangeKindName::Other(word.clone()),
                (Aspect::Report, Content::Exam(_)) => ChangeKindName::Exam,
                (Aspect::Report, Content::Lab(..)) => ChangeKindName::Lab,
            },
            organization: report.org_code.clone(),
            removed: change.removed.map(|removal| match removal {
                Removal::Withdrawn => RemovalName::Withdrawn,
                Removal::NotShared => RemovalName::NotShared,
            }),
            version: report.version,
            changed_at: instant(change.changed_at),
            cursor: Cursor::Feed(change.position).encode(),
            file: report.file.as_ref().filter(|_| there).map(|file| File::of(report, file, root)),
            studies: there.then(|| studies_of(report)),
            attachments: attachments_of(report, root).filter(|_| there),
            report: (whole && there).then(|| Report::of(report, root)),
        }
    }
}

fn studies_of(report: &KeptReport) -> Vec<String> {
    report.studies.iter().map(|study| study.study_instance_uid.clone()).collect()
}

fn attachments_of(report: &KeptReport, root: &str) -> Option<Vec<AttachedFile>> {
    let of = |attachment: &Attachment| AttachedFile {
        id: attachment.pk.to_string(),
        kind: attachment.kind.as_str(),
        media_type: attachment.media_type.as_str(),
        length: attachment.place.length,
        sha256: attachment.content_hash.clone(),
        title: filled(&attachment.title),
        name: filled(&attachment.source_name),
        received_at: instant(attachment.received_at),
        url: format!("{root}/api/v1/reports/{}/attachments/{}", report.observation_uid, attachment.pk),
    };
    Some(report.attachments.iter().map(of).collect()).filter(|attachments: &Vec<_>| !attachments.is_empty())
}

/// The patient's key in addresses.
pub(in crate::web) fn patient_of(report: &KeptReport) -> String {
    PatientKey { org_code: report.org_code.clone(), patient_id: report.patient_id.clone() }.encode()
}
