//! What the full viewer's page carries: the description of an exam as JSON, and the files that it loads.

use askama::Template;
use serde::Serialize;

use super::exam_page::ReportTab;
use super::images_tab;
use super::state::Shell;
use super::text;
use crate::archive::ReportFileState;
use crate::archive::images::read_document::KeyImages;
use crate::archive::pages::list_exams::{Entry, EntryKind};
use crate::archive::pages::open_link::Session;
use crate::archive::pages::view_exam::{ExamView, SeriesRow};
use crate::dicom::render::{self, presets};
use crate::domain::criteria::ShowType;
use crate::domain::lab_result::Severity;
use crate::web::assets;
use crate::web::viewer_files::ViewerEntry;
use crate::web::words::Language;

/// Frames of a series that is read, not one that only says where others lie.
const MORE_THAN_A_LOCALISER: i64 = 5;

/// An exam as the viewer knows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Description {
    exam: Exam,
    series: Vec<Series>,
    /// Which of the series is put up first.
    first: Option<usize>,
    /// Its first frame as the server draws it, which is there before the viewer is.
    #[serde(skip)]
    first_picture: Option<String>,
    keys: Vec<Key>,
    priors: Vec<Exam>,
    presets: Vec<Preset>,
    report: Vec<Section>,
    /// Pictures of the pages of its report file.
    #[serde(rename = "reportPages")]
    report_pages: Vec<String>,
    pub(super) links: Links,
    download: bool,
    print: bool,
    close: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Exam {
    uid: String,
    name: String,
    person: String,
    #[serde(rename = "patientId")]
    patient_id: String,
    title: String,
    date: String,
    modality: String,
    #[serde(rename = "bodyPart")]
    body_part: String,
    organization: String,
    accession: String,
    state: String,
    unreviewed: bool,
    critical: bool,
    /// Where the description of this exam is.
    href: String,
}

#[derive(Debug, Clone, Serialize)]
struct Series {
    study: String,
    series: String,
    number: Option<i64>,
    modality: String,
    kind: &'static str,
    description: String,
    instances: i64,
    offline: i64,
    frames: i64,
}

/// An image that somebody has marked.
#[derive(Debug, Clone, Serialize)]
struct Key {
    series: String,
    instance: String,
    /// All frames when none is named.
    frames: Vec<u32>,
    title: String,
    description: String,
}

#[derive(Debug, Clone, Serialize)]
struct Preset {
    modality: &'static str,
    name: String,
    center: f64,
    width: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Section {
    heading: String,
    paragraphs: Vec<String>,
}

/// Addresses that the viewer leads to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Links {
    /// DICOMweb under the session.
    dicomweb: String,
    /// The page without the viewer.
    pub(super) basic: String,
    /// The exam's page with the report.
    exam: String,
    /// The list, for sessions that have one.
    list: Option<String>,
}

impl Description {
    pub(super) fn of(
        (found, priors, keys): (&ExamView, &[Entry], &[KeyImages]),
        session: &Session,
        shell: &Shell,
        organization: impl Fn(&str) -> String,
    ) -> Self {
        let exam_root = format!("{}/exam/{}", shell.root, found.entry.observation_uid);
        let exam = |entry: &Entry| Exam::of(entry, shell, organization(&entry.org_code));
        let shows_report = session.scope.show_type != ShowType::DataOnly && found.entry.kind == EntryKind::Exam;
        let modalities = found.series.iter().map(|series| series.modality.as_str());
        let is_ct = |modality: &str| modality == "CT";
        let rows = found.series.iter().filter_map(|row| Some((row, Series::of(row)?)));
        let (rows, series): (Vec<&SeriesRow>, Vec<Series>) = rows.unzip();
        let first = first_of(&series);
        let needed = modalities.chain(priors.iter().map(|entry| entry.modality.as_str())).any(is_ct);
        Self {
            exam: exam(&found.entry),
            first_picture: first.map(|at| images_tab::first_picture(&exam_root, rows[at])),
            first,
            series,
            keys: keys.iter().flat_map(Key::of).collect(),
            priors: priors.iter().map(exam).collect(),
            presets: if needed { Preset::of("CT", shell.language) } else { Vec::new() },
            report: if shows_report { report(found, shell.language) } else { Vec::new() },
            report_pages: match &found.file {
                ReportFileState::Ready(file) if shows_report => ReportTab::pages_of(file, &exam_root),
                _ => Vec::new(),
            },
            links: Links {
                dicomweb: format!("{}/dicom-web", shell.root),
                basic: format!("{exam_root}?tab=images&basic=1"),
                exam: exam_root,
                list: shell.has_list.then(|| format!("{}/exams", shell.root)),
            },
            download: session.scope.may_keep_images(),
            print: session.scope.print.is_allowed(),
            close: shell.close,
        }
    }

    /// As JSON that may stand inside a page's `script` element.
    pub(super) fn json(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
    }
}

impl Exam {
    fn of(entry: &Entry, shell: &Shell, organization: String) -> Self {
        let say = |chinese: &str| shell.language.say(chinese).into_owned();
        let patient = if entry.patient_local_id.is_empty() { &entry.patient_id } else { &entry.patient_local_id };
        Self {
            uid: entry.observation_uid.clone(),
            name: text::person_name(&entry.name),
            person: person(entry, shell.language),
            patient_id: patient.clone(),
            title: if entry.title.is_empty() { say(&text::exam_kind(entry)) } else { entry.title.clone() },
            date: text::to_the_minute(&entry.observed_at),
            modality: entry.modality.clone(),
            body_part: entry.body_part.clone(),
            organization,
            accession: entry.accession.clone(),
            state: say(text::state_label(entry)),
            unreviewed: text::is_unreviewed(entry),
            critical: entry.severity == Severity::Critical,
            href: format!("{}/exam/{}/viewer.json", shell.root, entry.observation_uid),
        }
    }
}

/// Sex and age, as far as known.
fn person(entry: &Entry, language: Language) -> String {
    let age = text::age(&entry.birth_date, &entry.observed_at);
    let parts = [language.say(text::sex(&entry.sex)), language.say(&age)];
    parts.iter().filter(|part| !part.is_empty()).map(AsRef::as_ref).collect::<Vec<&str>>().join(" ")
}

impl Series {
    /// What the viewer can show: pictures, films that are pictures, presentation states.
    fn of(row: &SeriesRow) -> Option<Self> {
        let kind = match row.kind.as_str() {
            _ if row.is_shown_as_images() => "image",
            // One that came as a document is read on the page.
            "film" if row.pictures > 0 => "film",
            "presentation" => "presentation",
            _ => return None,
        };
        Some(Self {
            study: row.study_instance_uid.clone(),
            series: row.series_instance_uid.clone(),
            number: row.number,
            modality: row.modality.clone(),
            kind,
            description: row.description.clone(),
            instances: row.instances,
            offline: row.offline,
            frames: row.frames.max(row.instances),
        })
    }

    /// Whether it has pictures here that can be put up.
    fn is_shown(&self) -> bool {
        self.kind != "presentation" && self.offline == 0 && self.frames > 0
    }
}

/// The first series that is more than a localiser, images before films; the first at all when there is none.
fn first_of(series: &[Series]) -> Option<usize> {
    let shown =
        |kind: &'static str| series.iter().enumerate().filter(move |(_, one)| one.kind == kind && one.is_shown());
    let mut all = shown("image").chain(shown("film")).peekable();
    let first = all.peek()?.0;
    let most = series.iter().filter(|one| one.is_shown()).map(|one| one.frames).max()?;
    Some(all.find(|(_, one)| one.frames >= most.min(MORE_THAN_A_LOCALISER)).map_or(first, |(at, _)| at))
}

impl Key {
    fn of(document: &KeyImages) -> impl Iterator<Item = Self> + '_ {
        document.images.iter().map(|image| Self {
            series: image.series_instance_uid.clone(),
            instance: image.sop_instance_uid.clone(),
            frames: image.frames.clone(),
            title: document.title.clone(),
            description: document.description.clone(),
        })
    }
}

impl Preset {
    fn of(modality: &'static str, language: Language) -> Vec<Self> {
        let preset = |&(name, center, width): &render::Preset| Preset {
            modality,
            name: language.say(name).into_owned(),
            center,
            width,
        };
        presets(modality).iter().map(preset).collect()
    }
}

fn report(found: &ExamView, language: Language) -> Vec<Section> {
    let texts = [("影像所见", &found.text.image_descr), ("影像结论", &found.text.conclusion)];
    let section = |(heading, words): (&'static str, &String)| Section {
        heading: language.say(heading).into_owned(),
        paragraphs: text::paragraphs(words),
    };
    texts.into_iter().map(section).filter(|section| !section.paragraphs.is_empty()).collect()
}

/// The page.
#[derive(Debug, Clone, Template)]
#[template(path = "viewer.html")]
pub(super) struct ViewerPage {
    root: String,
    boot: &'static str,
    entry: ViewerEntry,
    title: String,
    basic: String,
    language: &'static str,
    words: Words,
    /// Who is looked at: the bar of the viewer before it is there.
    name: String,
    person: String,
    patient_id: String,
    date: String,
    /// The first image, drawn by the server.
    picture: Option<String>,
    /// The room that the report will take beside the images: with pictures of its pages it is wider.
    report_room: Option<&'static str>,
    json: String,
}

/// What the page says before its script runs.
#[derive(Debug, Clone, Copy)]
struct Words {
    name: &'static str,
    wait: &'static str,
    failed: &'static str,
    basic: &'static str,
}

impl ViewerPage {
    pub(super) fn new(base: &str, entry: ViewerEntry, description: &Description, language: Language) -> Self {
        let words = match language {
            Language::Chinese => Words {
                name: "影库",
                wait: "影像加载中…",
                failed: "完整版未能启动，请使用简易版查看影像。",
                basic: "打开简易版",
            },
            Language::English => Words {
                name: "Yingku",
                wait: "Loading images…",
                failed: "The full viewer did not start. Please use the basic page.",
                basic: "Open the basic page",
            },
        };
        Self {
            root: format!("{base}/static"),
            boot: assets::BOOT_NAME.as_str(),
            entry,
            title: description.exam.title.clone(),
            basic: description.links.basic.clone(),
            language: language.tag(),
            words,
            name: description.exam.name.clone(),
            person: description.exam.person.clone(),
            patient_id: description.exam.patient_id.clone(),
            date: description.exam.date.clone(),
            picture: description.first_picture.clone(),
            report_room: match (description.report_pages.is_empty(), description.report.is_empty()) {
                (false, _) => Some(" wide"),
                (true, false) => Some(""),
                (true, true) => None,
            },
            json: description.json(),
        }
    }
}
