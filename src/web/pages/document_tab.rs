//! 文档: structured reports, key images, encapsulated PDF and clinical documents, as plain text, tables and pictures.
//!
//! Nothing of a document reaches the page but its text, escaped by the template; pictures are drawn here.

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::extract::{Path, Query};
use super::files::not_permitted;
use super::given::{Given, respond};
use super::images_tab::Control;
use super::state::{PagesState, Peer};
use super::text;
use crate::archive::Error;
use crate::archive::images::read_document::{DocumentForm, DocumentPart, ViewedDocument};
use crate::dicom::structured_report::{Content, Line, Reference, StructuredReport};
use crate::domain::clinical_document::{Block, ClinicalDocument, OtherBody};

/// Indentations that the style sheet knows.
const DEEPEST: usize = 6;
const DEFAULT_PAGE_WIDTH: u32 = 1200;
/// Pages of a PDF that are shown as pictures.
const MOST_PAGES: usize = 200;
/// Edge of the pictures beside a text, in pixels.
const SMALL_EDGE: u32 = 200;
/// The browser's own PDF view needs its style; nothing else may be loaded.
const PDF_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'";
const POLICY: &str = "default-src 'none'; sandbox";

/// The tab.
#[derive(Debug, Clone, Default)]
pub(super) struct DocumentTab {
    /// All documents of the exam.
    pub(super) documents: Vec<Control>,
    pub(super) title: String,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) lines: Vec<DocumentLine>,
    pub(super) pages: Vec<String>,
    pub(super) blocks: Vec<Block>,
    pub(super) original: Option<String>,
    /// Whether a browser opens the original itself.
    pub(super) opens: bool,
    /// The file that is its body, where it is another than the original.
    pub(super) body: Option<String>,
    pub(super) message: Option<&'static str>,
}

/// One line of a structured report.
#[derive(Debug, Clone, Default)]
pub(super) struct DocumentLine {
    pub(super) depth: usize,
    pub(super) label: String,
    pub(super) is_heading: bool,
    pub(super) paragraphs: Vec<String>,
    /// A small picture and where the large one is.
    pub(super) pictures: Vec<(String, String)>,
}

impl DocumentTab {
    /// `documents` are the row and the description of each, the chosen one counts from 1.
    pub(super) fn new(
        exam_root: &str,
        documents: &[(i64, String)],
        chosen: usize,
        found: Result<ViewedDocument, Error>,
    ) -> Result<Self, Error> {
        let chosen = chosen.clamp(1, documents.len().max(1));
        let control = |(at, (_, description)): (usize, &(i64, String))| Control {
            label: format!("{} {description}", at + 1),
            href: text::query(&[("tab", "documents"), ("s", &(at + 1).to_string())]),
            current: at + 1 == chosen,
        };
        let list = if documents.len() > 1 { documents.iter().enumerate().map(control).collect() } else { Vec::new() };
        let mut tab = Self { documents: list, ..Self::default() };
        let root = documents.get(chosen - 1).map(|(pk, _)| format!("{exam_root}/document/{pk}")).unwrap_or_default();
        let document = match found {
            Ok(document) => document,
            Err(Error::NotFound | Error::TooLarge { .. } | Error::Invalid(_)) => {
                tab.message = Some("该文档无法在线显示。");
                return Ok(tab);
            }
            Err(Error::Busy) => {
                tab.message = Some("正在处理的请求过多，请稍后重试。");
                return Ok(tab);
            }
            Err(error) => return Err(error),
        };
        tab.original = document.may_keep.then(|| format!("{root}/original"));
        tab.title = document.title.clone();
        match &document.form {
            DocumentForm::Report(report) => tab.show_report(exam_root, report, &document.links),
            DocumentForm::Pdf(pages) => {
                tab.opens = true;
                tab.pages = pages_of(&root, *pages);
            }
            DocumentForm::Clinical(clinical, pages) => {
                tab.show_clinical(clinical);
                tab.show_body(clinical.other_body.as_ref(), *pages, &root);
            }
            DocumentForm::Other => tab.message = Some("该文档的格式无法在线显示，可下载后查看。"),
        }
        Ok(tab)
    }

    fn show_report(&mut self, exam_root: &str, report: &StructuredReport, links: &[(String, i64)]) {
        if self.title.is_empty() {
            self.title = "结构化报告".to_owned();
        }
        let flag = |flag: Option<bool>, yes: &str, no: &str| flag.map(|is| if is { yes } else { no }.to_owned());
        let facts = [
            ("书写时间", (!report.written_at.is_empty()).then(|| text::to_the_minute(&written(&report.written_at)))),
            ("完成状态", flag(report.complete, "已完成", "未完成")),
            ("核实状态", flag(report.verified, "已核实", "未核实")),
        ];
        self.facts = facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.lines = report.lines.iter().map(|line| DocumentLine::of(exam_root, line, links)).collect();
        if report.cut {
            self.message = Some("内容过长，仅显示前面的部分。");
        }
    }

    fn show_clinical(&mut self, clinical: &ClinicalDocument) {
        if !clinical.title.is_empty() {
            self.title = clinical.title.clone();
        }
        let facts = [
            ("书写时间", text::to_the_minute(&written(&clinical.written_at))),
            ("作者", clinical.authors.join("、")),
            ("保管机构", clinical.custodian.clone()),
        ];
        self.facts = facts.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        self.blocks = clinical.blocks.clone();
    }

    /// What the body is, when it is a file of its own.
    fn show_body(&mut self, body: Option<&OtherBody>, pages: usize, root: &str) {
        let Some(body) = body else { return };
        self.pages = pages_of(root, pages);
        self.body = (self.original.is_some() && !body.bytes.is_empty()).then(|| format!("{root}/body"));
        self.message = match (&self.body, self.pages.is_empty()) {
            (_, false) => None,
            (Some(_), true) => Some("文档正文为其它格式的附件，可下载后查看。"),
            (None, true) => Some("文档正文为其它格式的附件，无法在线显示。"),
        };
    }
}

fn pages_of(root: &str, pages: usize) -> Vec<String> {
    (1..=pages.min(MOST_PAGES)).map(|page| format!("{root}/page/{page}.png")).collect()
}

/// `2024-03-22 14:46:06` of digits, as far as they go.
fn written(digits: &str) -> String {
    let part =
        |range: std::ops::Range<usize>| digits.get(range).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
    match (part(0..4), part(4..6), part(6..8), part(8..10), part(10..12)) {
        (Some(year), Some(month), Some(day), Some(hour), Some(minute)) => {
            format!("{year}-{month}-{day} {hour}:{minute}:00")
        }
        (Some(year), Some(month), Some(day), ..) => format!("{year}-{month}-{day}"),
        _ => String::new(),
    }
}

impl DocumentLine {
    fn of(exam_root: &str, line: &Line, links: &[(String, i64)]) -> Self {
        let mut shown = Self { depth: line.depth.min(DEEPEST), label: line.label.clone(), ..Self::default() };
        match &line.content {
            Content::Heading => shown.is_heading = true,
            Content::Text(paragraphs) => shown.paragraphs = paragraphs.clone(),
            Content::Number { value, unit } => shown.paragraphs = vec![format!("{value} {unit}").trim().to_owned()],
            Content::Place(shape) => shown.paragraphs = vec![format!("图中位置：{shape}")],
            Content::Object(_) => shown.paragraphs = vec!["引用其它对象".to_owned()],
            Content::Image(reference) => {
                shown.pictures = pictures(exam_root, reference, links);
                if shown.pictures.is_empty() {
                    shown.paragraphs = vec!["引用的影像不在本检查中".to_owned()];
                }
            }
        }
        shown
    }
}

fn pictures(exam_root: &str, reference: &Reference, links: &[(String, i64)]) -> Vec<(String, String)> {
    let Some((_, pk)) = links.iter().find(|(uid, _)| *uid == reference.sop_instance_uid) else { return Vec::new() };
    let first = [1];
    let frames = if reference.frames.is_empty() { &first[..] } else { &reference.frames };
    let picture = |frame: &u32| {
        let large = format!("{exam_root}/frame/{pk}/{frame}.jpg");
        (format!("{large}?e={SMALL_EDGE}"), large)
    };
    frames.iter().take(50).map(picture).collect()
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct DocumentQuery {
    e: String,
    download: String,
}

/// `document/{instance}/page/{n}.png`
pub(super) async fn page(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, instance, page)): Path<(String, String, String, String)>,
    Query(query): Query<DocumentQuery>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let number = page.strip_suffix(".png").and_then(|text| text.parse::<usize>().ok());
    let (Ok(instance), Some(number)) = (instance.parse::<i64>(), number) else {
        return pages.failed(&Error::NotFound);
    };
    let (client, width) = (peer.ip().to_string(), query.e.parse().unwrap_or(DEFAULT_PAGE_WIDTH));
    let key = (exam.as_str(), instance);
    match pages.archive.document_page_picture(&pages.viewer, &session, &client, key, (number, width)).await {
        Ok(picture) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static(picture.media_type)),
                (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300")),
            ];
            (headers, picture.bytes).into_response()
        }
        Err(error) => pages.failed(&error),
    }
}

/// `document/{instance}/original` and `document/{instance}/body`
pub(super) async fn part(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, instance, part)): Path<(String, String, String, String)>,
    Query(query): Query<DocumentQuery>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let part = match part.as_str() {
        "original" => DocumentPart::Whole,
        "body" => DocumentPart::Body,
        _ => return pages.failed(&Error::NotFound),
    };
    let Ok(instance) = instance.parse::<i64>() else { return pages.failed(&Error::NotFound) };
    let client = peer.ip().to_string();
    let found = pages.archive.download_document(&pages.viewer, &session, &client, (&exam, instance), part).await;
    let (media_type, file) = match found {
        Ok(found) => found,
        Err(Error::Denied) => return not_permitted(&pages),
        Err(error) => return pages.failed(&error),
    };
    let (extension, is_pdf) = match media_type {
        "application/pdf" => ("pdf", true),
        "application/xml" => ("xml", false),
        "application/dicom" => ("dcm", false),
        "image/jpeg" => ("jpg", false),
        "image/png" => ("png", false),
        "image/tiff" => ("tif", false),
        _ => ("bin", false),
    };
    // Only a PDF is opened in the browser: XML could bring a style sheet or a script of its own.
    let shown = if is_pdf && query.download != "1" { "inline" } else { "attachment" };
    let disposition = format!("{shown}; filename=\"document-{instance}.{extension}\"");
    let policy = if is_pdf { PDF_POLICY } else { POLICY };
    respond(&pages, &headers, &file, Given { media_type, disposition, policy, cache: "no-store" }).await
}

#[cfg(test)]
impl DocumentTab {
    pub(super) fn samples(text: &str) -> Vec<Self> {
        use crate::domain::clinical_document::Cell;

        let words = || text.to_owned();
        let line = |depth, content| Line { depth, label: words(), content };
        let image = Reference { sop_instance_uid: "2.25.1".to_owned(), frames: vec![2] };
        let report = StructuredReport {
            title: words(),
            complete: Some(true),
            written_at: "20240322144606".to_owned(),
            lines: vec![
                line(0, Content::Heading),
                line(1, Content::Text(vec![words(), words()])),
                line(9, Content::Number { value: words(), unit: words() }),
                line(1, Content::Image(image)),
                line(1, Content::Image(Reference::default())),
            ],
            cut: true,
            ..StructuredReport::default()
        };
        let cell = Cell { is_heading: true, span: 2, text: words() };
        let clinical = ClinicalDocument {
            title: words(),
            authors: vec![words()],
            custodian: words(),
            blocks: vec![
                Block::Heading(1, words()),
                Block::Paragraph(vec![words()]),
                Block::Item(words()),
                Block::Pair(words(), words()),
                Block::Table(vec![vec![cell.clone(), Cell { is_heading: false, ..cell }]]),
            ],
            ..ClinicalDocument::default()
        };
        let other_body = Some(OtherBody { media_type: words(), bytes: vec![1] });
        let forms = [
            DocumentForm::Report(Box::new(report)),
            DocumentForm::Pdf(2),
            DocumentForm::Clinical(Box::new(clinical.clone()), 0),
            DocumentForm::Clinical(Box::new(ClinicalDocument { other_body, ..clinical }), 1),
            DocumentForm::Other,
        ];
        let list = [(7, words()), (8, words())];
        let tab = |form| {
            let links = vec![("2.25.1".to_owned(), 5)];
            let found = ViewedDocument { title: words(), form, links, may_keep: true };
            Self::new("/e", &list, 1, Ok(found))
        };
        forms.into_iter().filter_map(|form| tab(form).ok()).collect()
    }
}
