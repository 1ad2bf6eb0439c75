//! A hospital with something of everything, for the browser: each page and each tab has something to show.

use std::io::Cursor;

use serde::Serialize;
use yingku::demo;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::domain::customer::Customer;
use yingku::params;
use yingku::web::pages::PagesConfig;

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
const OBJECTS: &str = include_str!("objects.py");
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
    // Each screen gives the printed code a wrong answer.
    let config = PagesConfig { page_size: 20, qr_attempts_per_hour_link: 30, ..PagesConfig::default() };
    let world = World::with(TestDatabase::sqlite(), customer, config).await;
    let own = text.map(str::to_owned);
    for id in 1..=26 {
        world.exam(Exam { text: own.clone(), reviewed: id != 2, ..Exam::new(id) }).await;
    }
    exam_with_everything(&world, text).await;
    laboratory(&world).await;
    if let Some(text) = text {
        for sql in [
            "UPDATE exam_report SET class_name = $1, pacs_id = CASE id WHEN 1 THEN pacs_id ELSE $1 END, patient_local_id = $1, \
             apply_form_no = $1, order_id = $1, outpat_diag_name = $1, patient_condition_descr = $1, exam_purpose = $1, \
             performer_dept_name = $1, playing_device = $1, report_title = $1",
            "UPDATE lab_report SET name = $1, report_title = $1, class_name = $1, \
             participant_dept = $1, author_name = $1",
            "UPDATE lab_item SET class_local_name = $1, result_unit = $1, norm_value_notes = $1, examine_way = $1, \
             result_value = CASE WHEN lab_report_pk = 103 THEN $1 ELSE result_value END",
            "UPDATE series SET series_description = $1",
            "UPDATE study SET study_description = $1",
        ] {
            world.execute(sql, params![text]).await;
        }
    }
    world
}

/// Exam 1: a report in three versions, images, film, ECG, video, documents, papers, a printed code.
async fn exam_with_everything(world: &World, text: Option<&str>) {
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
    arguments.extend(text.map(|_| EVIL_TITLE));
    python_script(OBJECTS, &arguments);
    for name in ["report.dcm", "key_objects.dcm", "pdf.dcm", "cda.dcm", "mp4.dcm", "raw.dcm", "curves.dcm"] {
        world.store_file(std::fs::read(folder.path().join(name)).unwrap(), 1).await;
    }
    world.report_file(1, "application/pdf", demo::report_file(ct).unwrap(), 1).await;
    for (version, state, words) in [(1, "2", "初步：右肺上叶小结节？"), (2, "3", "右肺上叶小结节，直径约4mm。")]
    {
        let words = text.unwrap_or(words);
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
    for (kind, media_type, bytes) in [
        (AttachmentKind::RequestForm, AttachmentType::Jpeg, scan.clone()),
        (AttachmentKind::Consent, AttachmentType::Jpeg, scan),
        (AttachmentKind::Video, AttachmentType::Mp4, film),
        (AttachmentKind::Ecg, AttachmentType::Xml, b"<AnnotatedECG/>".to_vec()),
    ] {
        world.attachment(kind, media_type, text.map_or("第1页", |_| EVIL_TITLE), &bytes).await;
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
