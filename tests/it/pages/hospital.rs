//! A hospital with something of everything, for the browser: each page and each tab has something to show.

use std::io::Cursor;

use serde::Serialize;
use yingku::demo;
use yingku::domain::Actor;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::domain::customer::Customer;
use yingku::domain::dictionary::{Entry, RECOGNITION};
use yingku::params;
use yingku::web::pages::PagesConfig;

use super::hostile_words::{Words, rotated};
use super::world::{Exam, NOW_S, OPERATIONS_KEY, World, customer, link, link_at, uid};
use crate::harness::{TestDatabase, python_script};

pub const ID: (&str, &str) = ("IDCardNO", "990101199001010019");
/// What a hospital might send to do harm; it begins and ends elements, attributes, scripts, styles and addresses.
pub const EVIL: &str = concat!(
    "<x-evil>'\"></title></textarea></script></style><script>evil=1</script><img src=x onerror=evil=1>",
    "<svg/onload=evil=1>javascript:evil=1 {{7*7}} ${evil=1} &lt;x-evil&gt; <!-- \u{202e} ]]> %3Cx-evil%3E"
);
/// The longest that fits in a title, and in most elements of DICOM.
pub const EVIL_TITLE: &str = "\"'><img src=x onerror=evil=1><x-evil>";
pub const OBJECTS: &str = include_str!("objects.py");
pub const QR_LINK: &str = "abcdefghijklmnopqrstuvwxy4";

/// A page for the spec.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    pub name: String,
    pub path: String,
    pub print: bool,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shows: Option<String>,
    /// What is sent by the page's form; the page that comes then is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<&'static str>,
    /// The key of the system that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'static str>,
    /// Where on it, as a CSS selector, words of the hospital are to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<&'static str>,
}

impl Page {
    fn new(name: &str, path: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            path: path.into(),
            print: false,
            status: 200,
            shows: None,
            types: None,
            key: None,
            within: None,
        }
    }

    fn printed(self) -> Self {
        Self { print: true, ..self }
    }

    fn refused(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn answering(self, text: &'static str) -> Self {
        Self { types: Some(text), ..self }
    }

    fn of_operations(self) -> Self {
        Self { key: Some(OPERATIONS_KEY), ..self }
    }

    /// The same, and where words of the hospital are to be read.
    pub fn saying(self) -> Self {
        let within = match self.name.split('-').next().unwrap_or_default() {
            "empty" | "code" | "refused" => None,
            "view" if self.name == "view-searched" => Some(".search"),
            "list" | "view" | "related" => Some("table.exams"),
            "text" | "version" | "request" | "document" => Some(".content"),
            "lab" if self.name == "lab" => Some(".content"),
            "images" | "film" => Some(".strip-label"),
            "video" | "attachments" => Some("figcaption"),
            "trend" => Some("main"),
            _ => Some(".patient"),
        };
        Self { within, ..self }
    }

    /// The same, and that the text is to be read on it.
    pub fn showing(self, text: &str) -> Self {
        Self { shows: Some(text.to_owned()), ..self }
    }
}

/// A server of the hospital; `text` stands in every field that comes from outside, instead of its own words.
pub async fn hospital(text: Option<&str>) -> World {
    hospital_for(staff(), text).await
}

/// The hospital's own system.
pub fn staff() -> Customer {
    Customer { free_search: true, prior_exams: true, ..customer() }
}

/// The same for a customer of the test's.
pub async fn hospital_for(customer: Customer, text: Option<&str>) -> World {
    hospital_saying(customer, text.map(Words::one).as_ref()).await
}

/// The same with these words instead of its own.
pub async fn hospital_saying(customer: Customer, words: Option<&Words>) -> World {
    // Each screen gives the printed code a wrong answer.
    let config = PagesConfig { page_size: 20, qr_attempts_per_hour_link: 30, ..PagesConfig::default() };
    let name = words.map_or("示例医院", |words| words.organization.as_str());
    let world = World::named(TestDatabase::sqlite(), customer, config, name).await;
    for id in 1..=26 {
        world.exam(Exam { reviewed: id != 2, ..Exam::new(id) }).await;
    }
    exam_with_everything(&world, words).await;
    laboratory(&world).await;
    if let Some(words) = words {
        say(&world, words).await;
    }
    world
}

/// Puts the words into every column that pages show.
async fn say(world: &World, words: &Words) {
    const EXAM: [&str; 17] = [
        "exam_item_name",
        "body_part_name",
        "class_name",
        "patient_local_id",
        "apply_form_no",
        "order_id",
        "order_priority_name",
        "outpat_diag_name",
        "patient_condition_descr",
        "exam_purpose",
        "performer_dept_name",
        "playing_device",
        "report_title",
        "image_descr",
        "conclusion",
        "participant_dept",
        "performer_doctor",
    ];
    const LAB: [&str; 9] = [
        "report_title",
        "class_name",
        "participant_dept",
        "apply_form_no",
        "order_id",
        "specimen_determiner_name",
        "specimen_quantity_descr",
        "performer_dept_name",
        "playing_device",
    ];
    const PERSONS: [&str; 4] = ["name", "author_name", "authenticator_name", "participant_name"];
    const SERIES: [&str; 6] =
        ["series_description", "body_part_examined", "protocol_name", "station_name", "manufacturer", "model_name"];
    let [any, persons] = [&words.any, &words.persons].map(|texts| serde_json::json!(texts).to_string());
    let (any, persons) = (any.as_str(), persons.as_str());
    for (sql, values) in [
        (rotated("exam_report", &EXAM, "id > 0"), any),
        (rotated("exam_report", &PERSONS, "id > 0"), persons),
        // By this number the links find exam 1.
        (rotated("exam_report", &["pacs_id"], "id <> 1"), any),
        (rotated("lab_report", &LAB, "id > 0"), any),
        (rotated("lab_report", &PERSONS, "id > 0"), persons),
        (rotated("lab_item", &["class_local_name", "result_unit", "norm_value_notes", "examine_way"], "id > 0"), any),
        // The others are numbers with a curve.
        (rotated("lab_item", &["result_value"], "lab_report_pk = 103"), any),
        (rotated("series", &SERIES, "id > 0"), any),
        (rotated("study", &["study_description", "institution_name"], "id > 0"), any),
    ] {
        world.execute(sql, params![values]).await;
    }
    for sql in ["UPDATE exam_report SET recognition = '3'", "UPDATE lab_item SET recognition = '3'"] {
        world.execute(sql, params![]).await;
    }
    let entry = Entry { code: "3".into(), meaning: words.title(8).to_owned(), aliases: Vec::new() };
    let imported = vec![(RECOGNITION.to_owned(), vec![entry])];
    world.archive.import_dictionaries(Actor::system("test"), imported).await.unwrap();
}

/// Exam 1: a report in three versions, images, film, ECG, video, documents, papers, a printed code.
async fn exam_with_everything(world: &World, hostile: Option<&Words>) {
    let exams = demo::exams(NOW_S * 1000);
    let of = |kind| exams.iter().find(|exam| exam.kind == kind).unwrap();
    let (ct, ecg, mr) = (of(demo::Kind::CtWithFilm), of(demo::Kind::Ecg), of(demo::Kind::Mr));
    for number in (1..=4).chain([demo::object_count(ct)]) {
        world.store(&demo::object(ct, number).unwrap(), Some(1)).await;
    }
    world.store(&demo::object(ecg, 1).unwrap(), Some(1)).await;
    // Nobody has reported these.
    world.store(&demo::object(mr, 1).unwrap(), None).await;
    let folder = tempfile::tempdir().unwrap();
    let slice = demo::object(ct, 1).unwrap().sop_instance_uid;
    let mut arguments = vec![folder.path().to_str().unwrap(), slice.as_str()];
    arguments.extend(hostile.into_iter().flat_map(|words| words.titles.iter().map(String::as_str)));
    python_script(OBJECTS, &arguments);
    for name in ["report.dcm", "key_objects.dcm", "pdf.dcm", "cda.dcm", "mp4.dcm", "raw.dcm", "curves.dcm"] {
        world.store_file(std::fs::read(folder.path().join(name)).unwrap(), 1).await;
    }
    world.report_file(1, "application/pdf", demo::report_file(ct).unwrap(), 1).await;
    for (version, state, words) in [(1, "2", "初步：右肺上叶小结节？"), (2, "3", "右肺上叶小结节，直径约4mm。")]
    {
        let words = hostile.map_or(words, |hostile| hostile.text(version as usize));
        let content = serde_json::json!({ "state": state, "image_descr": words, "conclusion": words }).to_string();
        let sql = "INSERT INTO report_version (id, kind, report_pk, version, content, replaced_at) \
                   VALUES ($1, 'exam', 1, $1, $2, 1780711200000)";
        world.execute(sql, params![i64::from(version), content]).await;
    }
    world.execute("UPDATE exam_report SET state = '4', is_abnormal = '阳性' WHERE id = 1", params![]).await;
    let film = std::fs::read(folder.path().join("film.bin")).unwrap();
    let mut scan = Vec::new();
    let paper = image::DynamicImage::new_rgb8(620, 877);
    paper.write_to(&mut Cursor::new(&mut scan), image::ImageFormat::Jpeg).unwrap();
    let papers = [
        (AttachmentKind::RequestForm, AttachmentType::Jpeg, scan.clone()),
        (AttachmentKind::Consent, AttachmentType::Jpeg, scan),
        (AttachmentKind::Video, AttachmentType::Mp4, film),
        (AttachmentKind::Ecg, AttachmentType::Xml, b"<AnnotatedECG/>".to_vec()),
    ];
    for (turn, (kind, media_type, bytes)) in papers.into_iter().enumerate() {
        let title = hostile.map_or("第1页", |words| words.title(turn));
        world.attachment(kind, media_type, title, &bytes).await;
    }
    let sql =
        "INSERT INTO qr_link (id, exam_report_pk, created_at, expires_at, revoked_at) VALUES ($1, 1, 0, NULL, NULL)";
    world.execute(sql, params![QR_LINK]).await;
}

/// Four reports of the same items, the newest critical.
async fn laboratory(world: &World) {
    let newest = [
        ("白细胞计数", "12.8", "3.5", "9.5"),
        ("血红蛋白", "131", "115", "150"),
        ("血小板计数", "18", "125", "350"),
        ("血型", "A型 RhD阳性", "", ""),
    ];
    world.lab(101, &newest).await;
    world.lab(102, &[("白细胞计数", "9.1", "3.5", "9.5"), ("血小板计数", "96", "125", "350")]).await;
    world.lab(103, &[("白细胞计数", "6.0", "3.5", "9.5"), ("血小板计数", "溶血", "125", "350")]).await;
    world.execute("UPDATE lab_item SET result_interpre = 'LL' WHERE id = 101002", params![]).await;
    world.execute("UPDATE lab_item SET result_interpre = 'H' WHERE id = 101000", params![]).await;
    world.execute("UPDATE lab_item SET result_unit = '10^9/L' WHERE class_local_name <> '血红蛋白'", params![]).await;
    world.execute("UPDATE lab_item SET result_unit = '' WHERE class_local_name = '血型'", params![]).await;
    for (id, at) in [(102, "2026-08-11 08:12:00"), (103, "2026-06-02 07:55:00")] {
        world.execute("UPDATE lab_report SET observed_at = $1 WHERE id = $2", params![at, i64::from(id)]).await;
    }
}

/// Every page and tab of the hospital, each in a session of its own kind.
pub async fn pages(world: &World, user: &str) -> Vec<Page> {
    let me = ("UserName", user);
    // The name that the link always has is replaced by this one.
    let open = async |page: &str, parameters: &[(&str, &str)]| world.open_as(me.1, page, parameters).await;
    let list = open("ClinicExamList", &[ID]).await;
    let everything = open("ClinicExamView", &[ID]).await;
    let searched = open("ClinicExamView", &[ID]).await;
    // A field takes so many characters.
    let name: String = user.chars().take(60).collect();
    let name = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
    let form = format!("name={name}&from=x&to=2026-12-31");
    world.search(&searched, &form).await;
    let root = list.trim_end_matches("/exams").to_owned();
    let exam = format!("{root}/exam/{}", uid(1));
    let lab = format!("{root}/exam/{}", uid(101));
    let visitor = world.post(&format!("/q/{QR_LINK}"), "factor=0019").await.header("location").to_owned();
    let closing = open("ClinicExam", &[("AccessionNumber", "A0001"), ("ShowClose", "1"), ("ShowType", "1")]).await;
    let mut pages = vec![
        Page::new("list", list.clone()).printed(),
        Page::new("list-sorted", format!("{list}?by=title")),
        Page::new("view", everything.clone()),
        Page::new("view-searched", searched),
        Page::new("related", open("RelatedExamList", &[ID]).await),
        Page::new("report", format!("{exam}?tab=report")).printed(),
        Page::new("text", format!("{exam}?tab=text")).printed(),
        Page::new("version", format!("{exam}?tab=text&version=1")),
        Page::new("images", format!("{exam}?tab=images&basic=1")),
        Page::new("images-zoomed", format!("{exam}?tab=images&basic=1&z=2&inv=1&r=90&i=2")),
        Page::new("film", format!("{exam}?tab=film&basic=1")),
        Page::new("waveform", format!("{exam}?tab=waveform")),
        Page::new("video", format!("{exam}?tab=video")),
        Page::new("request", format!("{exam}?tab=request")).printed(),
        Page::new("attachments", format!("{exam}?tab=attachments")),
        Page::new("lab", format!("{lab}?tab=lab")).printed(),
        Page::new("lab-report", format!("{lab}?tab=report")),
        Page::new("trend", format!("{lab}/trend?item=0")),
        Page::new("unreviewed", format!("{root}/exam/{}?tab=text", uid(2))),
        Page::new("visitor", visitor),
        Page::new("closing", closing),
    ];
    for number in 1..=4 {
        pages.push(Page::new(&format!("document-{number}"), format!("{exam}?tab=documents&s={number}")));
    }
    let empty = open("ClinicExamList", &[("CardNO", "C9")]).await;
    // They hold nothing of anybody's.
    let code = format!("/q/{QR_LINK}");
    pages.extend([Page::new("empty", empty), Page::new("code", code.clone())]);
    pages.push(Page::new("code-wrong", code).answering("0018").refused(403));
    pages.extend(refusals(world).await);
    pages
}

/// The pages of those who look after the archive; what tests put into the database was registered in 1970.
pub async fn operations(world: &World) -> [Page; 3] {
    let sql = "INSERT INTO recognition (id, request_key, kind, report_pk, org_code, by_org_code, recognised, reason, remark, \
               doctor_id, doctor_name, decided_at, recorded_at) \
               VALUES (1, 'k', 'exam', 1, 'ORG-T01', 'ORG-T02', 0, '5', '', 'D', '', $1, $1)";
    world.execute(sql, params![NOW_S * 1000 - 60_000]).await;
    [
        Page::new("operations-quality", "/ops/quality?from=1970-01-01&to=1970-01-02").showing("Body_Part_Name"),
        Page::new("operations-empty", "/ops/quality?from=1980-01-01&to=1980-01-02"),
        Page::new("operations-recognition", "/ops/recognition").showing("ORG-T02"),
    ]
    .map(Page::of_operations)
}

/// Every kind of page that says why there is nothing to see.
async fn refusals(world: &World) -> [Page; 7] {
    let number = ("AccessionNumber", "A0001");
    let withdrawn = world.open("ClinicExam", &[("ObservationUID", &uid(26))]).await;
    world.execute("UPDATE exam_report SET withdrawn = 1 WHERE id = 26", params![]).await;
    let unknown = withdrawn.replace(&uid(26), &uid(999));
    [
        Page::new("refused-forged", link("ClinicExam", &[number]).replace("A0001", "A0002")).refused(403),
        Page::new("refused-expired", link_at(NOW_S - 601, "ClinicExam", &[number])).refused(403),
        Page::new("refused-ended", format!("/t/{}/exams", "0".repeat(32))).refused(403),
        Page::new("refused-malformed", link("ClinicExam", &[])).refused(400),
        Page::new("refused-nothing", link("ClinicExam", &[("AccessionNumber", "A9999")])).refused(404),
        Page::new("refused-unknown", unknown).refused(404),
        Page::new("refused-withdrawn", withdrawn).refused(410),
    ]
}
