//! Every way out under the same rules: what is of a VIP or restricted (D-R22), withdrawn (D-R18) or unreviewed (D-P24) is told
//! to those who may know it and to nobody else, whichever way somebody asks. A new way out belongs into this file.

mod cases;
mod readers;
mod ways;

use cases::{ID_NO, Report, numbers, results};
use readers::Door::{Key, Session};
use readers::Reader;
use ways::Ways;

use crate::each_database;

/// What the region, one with the right to see VIPs, and the own institution are told.
type Told = [&'static [&'static str]; 3];

/// Of exam reports, and of all that hangs on them.
const EXAMS: Told = [&["OPEN"], &["OPEN", "VIP", "SECRET"], &["OPEN", "VIP", "SECRET", "DRAFT"]];
/// Of lab reports, which have the patient's VIP mark from the exam reports.
const LABS: Told = [&["OPEN"], &["OPEN", "VIP"], &["OPEN", "VIP"]];
/// Of images by systems: a draft says nothing against its images, and an institution has all of its own.
const IMAGES: Told =
    [&["OPEN", "DRAFT"], &["OPEN", "VIP", "SECRET", "DRAFT"], &["OPEN", "VIP", "SECRET", "GONE", "DRAFT"]];
/// Of what is not offered.
const NOTHING: Told = [&[], &[], &[]];

const WINDOW: &str = "from=2024-01-01&to=2024-12-31";

/// Where WADO-URI gives the only object of a study.
fn by_uri(report: &Report) -> String {
    let study = &report.study;
    let uids = format!("studyUID={study}&seriesUID={study}.1&objectUID={study}.1.1");
    format!("/wado?requestType=WADO&{uids}&contentType=application/dicom")
}

/// Asks one way in each reader's name.
async fn assert_told(way: &str, expected: Told, ask: impl AsyncFn(Reader) -> Vec<&'static str>) {
    for (reader, expected) in Reader::ALL.into_iter().zip(expected) {
        assert_eq!(ask(reader).await, expected, "{way} by {reader:?}");
    }
}

/// The same of a way that tells of exam and lab reports by their numbers.
async fn assert_both(way: &str, ask: impl AsyncFn(Reader) -> String) {
    assert_told(way, EXAMS, async |reader| numbers(&ask(reader).await, "EX")).await;
    assert_told(way, LABS, async |reader| numbers(&ask(reader).await, "LB")).await;
}

each_database! {
    async fn d_r18_d_r22_every_way_out(database: TestDatabase) {
        let ways = Ways::start(database).await;
        queries(&ways).await;
        lists(&ways).await;
        single_reports(&ways).await;
        patients(&ways).await;
        fhir(&ways).await;
        pages(&ways).await;
        images(&ways).await;
        ways.stop().await;
    }
}

async fn queries(ways: &Ways) {
    assert_told("GetExamInfo", EXAMS, async |reader| numbers(&ways.ask(reader, "GetExamInfo").await, "EX")).await;
    assert_told("GetLabInfo", LABS, async |reader| numbers(&ways.ask(reader, "GetLabInfo").await, "LB")).await;
}

async fn lists(ways: &Ways) {
    for (way, path) in [
        ("list of a time", format!("/api/v1/reports?{WINDOW}")),
        ("list of an identity", format!("/api/v1/reports?id_no={ID_NO}")),
        ("export", format!("/api/v1/export?{WINDOW}")),
    ] {
        assert_both(way, async |reader| ways.text(Key(reader), &path).await).await;
    }
    let form = [("id_no", ID_NO)];
    assert_both("search", async |reader| ways.search(reader, "/api/v1/reports/search", &form).await).await;
    assert_both("change feed", async |reader| ways.follow(reader).await).await;
    let zip = format!("/api/v1/export?{WINDOW}&format=zip");
    assert_both("archive", async |reader| ways.zip(reader, &zip).await).await;
    let files = async |reader| numbers(&ways.zip(reader, &zip).await, "FILE-OF-EX");
    assert_told("files in an archive", EXAMS, files).await;
}

async fn single_reports(ways: &Ways) {
    for rest in ["", "/file?copy=original", "/file?copy=stamped", "/versions"] {
        let exams = async |reader| ways.exams(Key(reader), |r| format!("/api/v1/reports/{}{rest}", r.exam)).await;
        assert_told(&format!("exam report{rest}"), EXAMS, exams).await;
        let labs = async |reader| ways.labs(Key(reader), |lab| format!("/api/v1/reports/{lab}{rest}")).await;
        assert_told(&format!("lab report{rest}"), LABS, labs).await;
    }
    let versions = async |reader| {
        let path = |r: &Report| format!("/api/v1/reports/{}/versions", r.exam);
        numbers(&ways.texts(Key(reader), path).await, "第1版EX")
    };
    assert_told("what a version said", EXAMS, versions).await;
    let attachments = async |reader| {
        let path = |r: &Report| format!("/api/v1/reports/{}/attachments/{}", r.exam, r.attachment);
        ways.exams(Key(reader), path).await
    };
    assert_told("attachment", EXAMS, attachments).await;
}

async fn patients(ways: &Ways) {
    let found = async |reader| {
        let text = ways.text(Key(reader), &format!("/api/v1/patients?identifier={ID_NO}")).await;
        numbers(&text, "ORG-T01..P")
    };
    assert_told("patients", EXAMS, found).await;
    let one = async |reader| ways.exams(Key(reader), |r| format!("/api/v1/patients/ORG-T01..P{}", r.case)).await;
    assert_told("patient", EXAMS, one).await;
    let same = async |reader| {
        let path = |r: &Report| format!("/api/v1/patients/ORG-T01..P{}", r.case);
        numbers(&ways.texts(Key(reader), path).await, "ORG-T01..P")
    };
    assert_told("numbers of a patient", EXAMS, same).await;
    let of_patient = async |reader| {
        let path = |r: &Report| format!("/api/v1/patients/ORG-T01..P{}/reports", r.case);
        ways.texts(Key(reader), path).await
    };
    assert_both("reports of a patient", of_patient).await;
    let trend = async |reader| {
        let path = |r: &Report| format!("/api/v1/patients/ORG-T01..P{}/trends?item=WBC", r.case);
        results(&ways.texts(Key(reader), path).await)
    };
    assert_told("trend", LABS, trend).await;
}

async fn fhir(ways: &Ways) {
    let search = async |reader, kind: &str| {
        ways.text(Key(reader), &format!("/fhir/{kind}?patient.identifier={ID_NO}&_count=100")).await
    };
    assert_both("DiagnosticReport?", async |reader| search(reader, "DiagnosticReport").await).await;
    let documents = async |reader| ways.named(&search(reader, "DocumentReference").await, |r| Some(&r.exam));
    assert_told("DocumentReference? of exams", EXAMS, documents).await;
    let documents = async |reader| ways.named(&search(reader, "DocumentReference").await, |r| r.lab.as_ref());
    assert_told("DocumentReference? of labs", LABS, documents).await;
    assert_told("Observation?", LABS, async |reader| results(&search(reader, "Observation").await)).await;
    let studies = async |reader| ways.named(&search(reader, "ImagingStudy").await, |r| Some(&r.imaging));
    assert_told("ImagingStudy?", EXAMS, studies).await;
    let found = async |reader| {
        let text = ways.text(Key(reader), &format!("/fhir/Patient?identifier={ID_NO}&_count=100")).await;
        numbers(&text, "ORG-T01..P")
    };
    assert_told("Patient?", EXAMS, found).await;

    type Path = fn(&Report) -> String;
    let reads: [(&str, Told, Path); 8] = [
        ("DiagnosticReport", EXAMS, |r| format!("DiagnosticReport/{}", r.exam)),
        ("DocumentReference", EXAMS, |r| format!("DocumentReference/{}", r.exam)),
        ("DocumentReference of an attachment", EXAMS, |r| format!("DocumentReference/{}.{}", r.exam, r.attachment)),
        ("Binary", EXAMS, |r| format!("Binary/{}", r.exam)),
        ("Binary of an attachment", EXAMS, |r| format!("Binary/{}.{}", r.exam, r.attachment)),
        ("ImagingStudy", EXAMS, |r| format!("ImagingStudy/{}", r.imaging)),
        ("Patient", EXAMS, |r| format!("Patient/ORG-T01..P{}", r.case)),
        ("everything of a patient", NOTHING, |r| format!("Patient/ORG-T01..P{}/$everything", r.case)),
    ];
    for (way, expected, path) in reads {
        let read = async |reader| ways.exams(Key(reader), |r| format!("/fhir/{}", path(r))).await;
        assert_told(way, expected, read).await;
    }
    for kind in ["DiagnosticReport", "DocumentReference", "Binary"] {
        let read = async |reader| ways.labs(Key(reader), |lab| format!("/fhir/{kind}/{lab}")).await;
        assert_told(&format!("{kind} of a lab report"), LABS, read).await;
    }
    let line = |r: &Report| format!("/fhir/Observation/{}", r.observation.as_deref().unwrap_or("0"));
    assert_told("Observation", LABS, async |reader| ways.exams(Key(reader), line).await).await;
}

async fn pages(ways: &Ways) {
    let list = async |reader| ways.text(Session(reader), "/exams").await;
    assert_told("list page", EXAMS, async |reader| ways.named(&list(reader).await, |r| Some(&r.exam))).await;
    assert_told("list page of labs", LABS, async |reader| ways.named(&list(reader).await, |r| r.lab.as_ref())).await;
    for rest in ["", "?tab=text", "/report/original", "/report/stamped", "/report/page/1.png"] {
        let exams = async |reader| ways.exams(Session(reader), |r| format!("/exam/{}{rest}", r.exam)).await;
        assert_told(&format!("page of an exam{rest}"), EXAMS, exams).await;
    }
    let attachment = |r: &Report| format!("/exam/{}/attachment/{}", r.exam, r.attachment);
    assert_told("attachment page", EXAMS, async |reader| ways.exams(Session(reader), attachment).await).await;
    let study = |r: &Report| format!("/dicom-web/studies/{}", r.study);
    assert_told("study of a session", EXAMS, async |reader| ways.exams(Session(reader), study).await).await;
    assert_told("WADO-URI of a session", EXAMS, async |reader| ways.exams(Session(reader), by_uri).await).await;
    let found = async |reader| numbers(&ways.text(Session(reader), "/dicom-web/studies?limit=100").await, "EX");
    assert_told("QIDO-RS of a session", EXAMS, found).await;
    for rest in ["", "/report/stamped", "/trend?item=0", "/trend?item=0&format=svg"] {
        let labs = async |reader| ways.labs(Session(reader), |lab| format!("/exam/{lab}{rest}")).await;
        assert_told(&format!("page of a lab report{rest}"), LABS, labs).await;
    }
    let drawn = async |reader| {
        let path = |r: &Report| format!("/exam/{}/trend?item=0&format=svg", r.lab.as_deref().unwrap_or("0"));
        results(&ways.texts(Session(reader), path).await)
    };
    assert_told("what a trend draws", LABS, drawn).await;
}

async fn images(ways: &Ways) {
    let found = async |reader| numbers(&ways.text(Key(reader), "/dicom-web/studies?limit=100").await, "EX");
    assert_told("QIDO-RS", IMAGES, found).await;
    for rest in ["", "/metadata"] {
        let read = async |reader| ways.exams(Key(reader), |r| format!("/dicom-web/studies/{}{rest}", r.study)).await;
        assert_told(&format!("WADO-RS{rest}"), IMAGES, read).await;
    }
    assert_told("WADO-URI", IMAGES, async |reader| ways.exams(Key(reader), by_uri).await).await;
    // A peer has no right to see VIPs of others.
    let [region, _, own] = IMAGES;
    assert_eq!(ways.find("REGION").await, region, "C-FIND of the region");
    assert_eq!(ways.find("PACS01").await, own, "C-FIND of the own institution");
}
