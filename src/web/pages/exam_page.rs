//! What the page of one exam shows.

use std::collections::BTreeMap;

use askama::Template;

use super::document_tab::DocumentTab;
use super::exam_aside::Aside;
use super::images_tab::{Control, ImagesTab};
use super::state::Shell;
use super::text;
use super::video_tab::{VideoItem, VideoState};
use super::waveform_tab::WaveformTab;
use crate::archive::pages::list_exams::EntryKind;
use crate::archive::pages::view_exam::{Attachment, Curves, ExamView, LabItem, ReportFile};
use crate::domain::attachment::{AttachmentKind, AttachmentType};
use crate::domain::clinical_document::Block;
use crate::domain::customer::Permission;
use crate::domain::identity::mask_id_no;
use crate::domain::lab_result::{self, Severity};

/// Pages of a report that are shown as pictures.
const MOST_PAGES: i64 = 200;

/// The exam page.
#[derive(Debug, Clone, Template)]
#[template(path = "exam.html")]
pub(super) struct ExamPage {
    pub(super) shell: Shell,
    pub(super) header: ExamHeader,
    pub(super) tabs: Vec<Control>,
    pub(super) notice: Option<&'static str>,
    pub(super) content: Content,
    pub(super) aside: Aside,
}

impl ExamPage {
    /// Pictures need the whole width; what stands beside goes under them.
    fn is_wide(&self) -> bool {
        matches!(self.content, Content::Images(_) | Content::Waveform(_))
    }
}

/// Who and what: above every tab.
#[derive(Debug, Clone)]
pub(super) struct ExamHeader {
    pub(super) name: String,
    pub(super) sex: &'static str,
    pub(super) age: String,
    pub(super) title: String,
    pub(super) chip: &'static str,
    pub(super) kind: String,
    pub(super) organization: String,
    pub(super) unreviewed: bool,
    pub(super) revised: bool,
    pub(super) critical: bool,
    /// Critical results by name and value.
    pub(super) alarms: Vec<String>,
    pub(super) state: &'static str,
    pub(super) facts: Vec<(&'static str, String)>,
}

/// A tab of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Report,
    Text,
    Lab,
    Images,
    Film,
    Waveform,
    Video,
    Documents,
    Request,
    Attachments,
}

impl Tab {
    pub(super) fn name(self) -> &'static str {
        match self {
            Tab::Report => "report",
            Tab::Text => "text",
            Tab::Lab => "lab",
            Tab::Images => "images",
            Tab::Film => "film",
            Tab::Waveform => "waveform",
            Tab::Video => "video",
            Tab::Documents => "documents",
            Tab::Request => "request",
            Tab::Attachments => "attachments",
        }
    }

    /// What it is called on the page of an exam.
    pub(super) fn label(self, found: &ExamView) -> &'static str {
        match self {
            Tab::Report => "图文报告",
            Tab::Text => "文字报告",
            Tab::Lab => "检验结果",
            Tab::Images => "影像",
            Tab::Film => "电子胶片",
            Tab::Waveform => match found.curves() {
                Curves::Electrocardiograms => "心电波形",
                Curves::Others => "波形",
            },
            Tab::Video => "视频",
            Tab::Documents => "文档",
            Tab::Request => "申请单",
            Tab::Attachments => "附件",
        }
    }

    pub(super) fn link(self, found: &ExamView, current: Option<Tab>) -> Control {
        let label = self.label(found).to_owned();
        Control { label, href: format!("?tab={}", self.name()), current: current == Some(self) }
    }
}

/// What the chosen tab shows.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Report(ReportTab),
    Text(Vec<Section>),
    Lab(Vec<LabRow>),
    Images(Box<ImagesTab>),
    Waveform(WaveformTab),
    Videos(Vec<VideoItem>),
    Documents(Box<DocumentTab>),
    Request(Vec<Section>, Vec<AttachmentItem>),
    Attachments(Vec<AttachmentItem>),
    Nothing,
}

/// A heading with its paragraphs.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) heading: &'static str,
    pub(super) paragraphs: Vec<String>,
}

/// The report as pictures.
#[derive(Debug, Clone, Default)]
pub(super) struct ReportTab {
    pub(super) message: Option<&'static str>,
    pub(super) reason: Option<String>,
    pub(super) pages: Vec<String>,
    pub(super) original: Option<String>,
    pub(super) stamped: Option<String>,
    pub(super) unstamped: bool,
    /// All lab reports of the same visit on common pages.
    pub(super) visit: Option<String>,
}

impl ReportTab {
    /// Addresses of the pictures of a report's pages.
    pub(super) fn pages_of(file: &ReportFile, exam_root: &str) -> Vec<String> {
        let pages = if file.is_pdf(true) { file.page_count.unwrap_or(1).clamp(1, MOST_PAGES) } else { 1 };
        (1..=pages).map(|page| format!("{exam_root}/report/page/{page}.png")).collect()
    }

    pub(super) fn message(text: &'static str) -> Self {
        Self { message: Some(text), ..Self::default() }
    }
}

/// A file of the exam that is no DICOM object.
#[derive(Debug, Clone)]
pub(super) struct AttachmentItem {
    pub(super) kind: &'static str,
    pub(super) title: String,
    pub(super) href: String,
    pub(super) show: Show,
    /// Pictures of its pages, when it is a PDF or a TIFF.
    pub(super) pages: Vec<String>,
    /// Whether it may be saved.
    pub(super) download: bool,
}

/// How many pages attachments have, by their rows.
pub(super) type PageCounts = BTreeMap<i64, usize>;

/// How a browser shows an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Picture,
    Film,
    /// In a window of its own.
    Apart,
    /// Only as a download.
    No,
}

impl AttachmentItem {
    fn of(
        found: &ExamView,
        exam_root: &str,
        may: Permission,
        counts: &PageCounts,
        which: impl Fn(AttachmentKind) -> bool,
    ) -> Vec<Self> {
        let pages = |pk: i64| {
            let count = counts.get(&pk).copied().unwrap_or(0).min(MOST_PAGES as usize);
            (1..=count).map(|page| format!("{exam_root}/attachment/{pk}/page/{page}.png")).collect()
        };
        let chosen = found.attachments.iter().filter(|attachment| which(attachment.kind));
        let item = |attachment: &Attachment| Self {
            kind: attachment.kind.label(),
            title: attachment.title.clone(),
            href: format!("{exam_root}/attachment/{}", attachment.pk),
            show: match attachment.media_type {
                kind if kind.is_picture() => Show::Picture,
                AttachmentType::Mp4 => Show::Film,
                kind if kind.is_inline() && may.is_allowed() => Show::Apart,
                _ => Show::No,
            },
            pages: pages(attachment.pk),
            download: may.is_allowed(),
        };
        chosen.map(item).collect()
    }
}

/// One result.
#[derive(Debug, Clone)]
pub(super) struct LabRow {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) unit: String,
    pub(super) reference: String,
    pub(super) method: String,
    /// ↑, ↓, 异常 or nothing.
    pub(super) flag: &'static str,
    pub(super) critical: bool,
    /// Where its values over time are; empty when nowhere.
    pub(super) trend: String,
    /// 全国HR and the like, when a dictionary says so (D-R17).
    pub(super) recognition: String,
}

impl LabRow {
    fn of(item: &LabItem, trend: String) -> Self {
        Self {
            name: item.name.clone(),
            value: item.result_value.clone(),
            unit: item.result_unit.clone(),
            reference: lab_result::reference(&item.norm_lower_limit, &item.norm_upper_limit, &item.norm_value_notes),
            method: item.examine_way.clone(),
            flag: flag(item),
            critical: is_critical(item),
            trend,
            recognition: item.recognition.clone(),
        }
    }

    /// A result of an earlier version, of which there is no trend.
    pub(super) fn earlier(item: &LabItem) -> Self {
        Self::of(item, String::new())
    }
}

fn flag(item: &LabItem) -> &'static str {
    let words = [item.result_interpre.as_str(), item.result_interpre_descr.as_str()];
    lab_result::flag(&item.result_value, &item.norm_lower_limit, &item.norm_upper_limit, words)
}

fn is_critical(item: &LabItem) -> bool {
    lab_result::is_critical([&item.result_interpre, &item.result_interpre_descr])
}

impl ExamHeader {
    /// Says that a released report was corrected since.
    pub(super) fn mark_corrected(&mut self) {
        self.revised = true;
        self.state = "已修订";
    }

    pub(super) fn of(found: &ExamView, organization: &str) -> Self {
        let (entry, report) = (&found.entry, &found.text);
        let number = if entry.accession.is_empty() { &report.report_form_no } else { &entry.accession };
        let patient = if entry.patient_local_id.is_empty() { &entry.patient_id } else { &entry.patient_local_id };
        let id_no = if report.id_no.is_empty() { String::new() } else { mask_id_no(&report.id_no) };
        let number_label = if entry.kind == EntryKind::Lab { "报告单号" } else { "检查号" };
        let done = if entry.kind == EntryKind::Lab { "检验时间" } else { "检查时间" };
        let facts = [
            (number_label, number.clone()),
            ("病人号", patient.clone()),
            ("身份证号", id_no),
            (done, text::to_the_minute(&entry.observed_at)),
            ("部位", entry.body_part.clone()),
            ("标本", report.specimen_name.clone()),
            ("互认", report.recognition.clone()),
            ("申请科室", report.participant_dept.clone()),
            ("申请医生", report.participant_name.clone()),
            ("报告医生", report.author_name.clone()),
            ("报告时间", text::to_the_minute(&report.author_dtime)),
            ("审核医生", report.authenticator_name.clone()),
            ("审核时间", text::to_the_minute(&report.authenticator_dtime)),
        ];
        let critical = found.items.iter().filter(|item| is_critical(item));
        let alarms = critical.map(|item| format!("{} {} {}", item.name, item.result_value, item.result_unit));
        let sex = if report.sex_name.is_empty() { &entry.sex } else { &report.sex_name };
        Self {
            name: text::person_name(&entry.name),
            sex: text::sex(sex),
            age: text::age(&entry.birth_date, &entry.observed_at),
            chip: text::chip(entry),
            kind: text::exam_kind(entry),
            revised: entry.state == "4",
            critical: entry.severity == Severity::Critical,
            alarms: alarms.take(10).collect(),
            title: if entry.title.is_empty() { text::exam_kind(entry) } else { entry.title.clone() },
            organization: organization.to_owned(),
            unreviewed: text::is_unreviewed(entry),
            state: text::state_label(entry),
            facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        }
    }
}

impl Content {
    pub(super) fn text(found: &ExamView) -> Self {
        let report = &found.text;
        Content::Text(Section::of([
            ("检查项目", &found.entry.title),
            ("临床诊断", &report.outpat_diag_name),
            ("影像所见", &report.image_descr),
            ("影像结论", &report.conclusion),
        ]))
    }

    pub(super) fn request(found: &ExamView, exam_root: &str, download: Permission, counts: &PageCounts) -> Self {
        let report = &found.text;
        let when = text::to_the_minute(&report.participant_dtime);
        let scans = AttachmentItem::of(found, exam_root, download, counts, AttachmentKind::is_request);
        let sections = Section::of([
            ("申请单号", &report.apply_form_no),
            ("医嘱号", &report.order_id),
            ("申请科室", &report.participant_dept),
            ("申请医生", &report.participant_name),
            ("申请医生工号", &report.participant_id),
            ("申请时间", &when),
            ("检查项目", &found.entry.title),
            ("临床诊断", &report.outpat_diag_name),
            ("病情描述", &report.patient_condition_descr),
            ("检查目的", &report.exam_purpose),
            ("执行科室", &report.performer_dept_name),
            ("设备", &report.playing_device),
        ]);
        Content::Request(sections, scans)
    }

    pub(super) fn attachments(found: &ExamView, exam_root: &str, download: Permission, counts: &PageCounts) -> Self {
        Content::Attachments(AttachmentItem::of(found, exam_root, download, counts, |kind| !kind.is_request()))
    }

    pub(super) fn lab(found: &ExamView, exam_root: &str) -> Self {
        let row = |(line, item)| LabRow::of(item, format!("{exam_root}/trend?item={line}"));
        Content::Lab(found.items.iter().enumerate().map(row).collect())
    }
}

impl Section {
    /// Those of the texts that are there.
    pub(super) fn of<const N: usize>(texts: [(&'static str, &String); N]) -> Vec<Section> {
        let section =
            |(heading, text): (&'static str, &String)| Section { heading, paragraphs: text::paragraphs(text) };
        texts.into_iter().map(section).filter(|section| !section.paragraphs.is_empty()).collect()
    }
}

#[cfg(test)]
impl ExamPage {
    /// One page for each kind of content, with `text` in every field that comes from outside.
    pub(super) fn samples(text: &str) -> Vec<ExamPage> {
        use crate::archive::ReportFileState;
        use crate::archive::pages::view_exam::{InstanceRow, ReportText, SeriesRow};

        let series = SeriesRow {
            pk: 1,
            study_instance_uid: "2.25.1".to_owned(),
            series_instance_uid: "2.25.1.1".to_owned(),
            number: Some(1),
            modality: "CT".to_owned(),
            sop_class_uid: String::new(),
            kind: "image".to_owned(),
            description: text.to_owned(),
            offline: 0,
            instances: 1,
            pictures: 1,
            frames: 1,
            first_instance: 7,
        };
        let mut entry = super::text::sample_entry();
        for field in [&mut entry.name, &mut entry.title, &mut entry.body_part, &mut entry.accession] {
            *field = text.to_owned();
        }
        let report = ReportText {
            image_descr: format!("1、{text}    2、{text}"),
            conclusion: text.to_owned(),
            participant_dept: text.to_owned(),
            ..ReportText::default()
        };
        let found = ExamView {
            entry,
            text: report,
            series: vec![series.clone()],
            file: ReportFileState::Absent,
            items: vec![LabItem { name: text.to_owned(), result_value: text.to_owned(), ..LabItem::default() }],
            attachments: [AttachmentKind::RequestForm, AttachmentKind::Video, AttachmentKind::Report]
                .into_iter()
                .zip([AttachmentType::Jpeg, AttachmentType::Mp4, AttachmentType::Pdf])
                .map(|(kind, media_type)| Attachment {
                    pk: 9,
                    kind,
                    media_type,
                    title: text.to_owned(),
                    source_name: text.to_owned(),
                    content_hash: String::new(),
                    received_at: 0,
                    place: crate::domain::place::Place { key: String::new(), offset: 0, length: 1 },
                })
                .collect(),
        };
        let report_tab = ReportTab {
            pages: vec!["/p/1.png".to_owned()],
            original: Some("/p/original".to_owned()),
            ..ReportTab::message("报告文件获取中，请稍后刷新页面。")
        };
        let view = super::images_tab::View::default();
        let instance = InstanceRow { pk: 7, frames: 1, is_picture: true };
        let images = ImagesTab::new("images", "/e", &[&series], &[instance], &view);
        let film = ImagesTab { document: DocumentTab::samples(text).pop().map(Box::new), ..images.clone() };
        let contents = [
            Content::Report(report_tab),
            Content::text(&found),
            Content::request(&found, "/e", Permission::Allowed, &PageCounts::new()),
            Content::attachments(&found, "/e", Permission::Allowed, &[(9, 2)].into()),
            Content::lab(&found, "/e"),
            Content::Images(Box::new(images)),
            Content::Images(Box::new(film)),
            Content::Waveform(WaveformTab::sample(text)),
            Content::Videos(VideoItem::samples(text)),
            Content::Nothing,
        ];
        let page = |content| ExamPage {
            shell: Shell::sample(),
            header: ExamHeader::of(&found, text),
            tabs: vec![Tab::Report.link(&found, Some(Tab::Report)), Tab::Images.link(&found, None)],
            notice: Some("提示"),
            content,
            aside: Aside::sample(text),
        };
        let documents = DocumentTab::samples(text).into_iter().map(|tab| Content::Documents(Box::new(tab)));
        contents.into_iter().chain(documents).map(page).collect()
    }
}
