//! A whole server over the reports, and every way out of it.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::Value;
use yingku::archive::images::store_attachment::{AttachmentOutcome, ReceiveAttachment};
use yingku::dicom::part10;
use yingku::dicom::text::Charset;
use yingku::dimse::scu::{Association, FindLimits, Identifier, Proposal, QueryLevel, QueryRoot, ScuTarget};
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::domain::token::sign;
use yingku::domain::{Actor, AeTitle};
use yingku::server::open_archive;

use super::cases::{CASES, ID_NO, Report, WITH_LAB, containers, study_of};
use super::readers::{Door, Reader, SECRET, configure};
use crate::files::server::ReportServer;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestServer, eventually, python_script};

const STUDY_INSTANCE_UID: u32 = 0x0020_000D;

/// The server, what it gave the reports as names, and where its readers' pages are.
pub struct Ways {
    reports: Vec<Report>,
    sessions: Vec<String>,
    http: reqwest::Client,
    server: TestServer,
    _database: TestDatabase,
}

impl Ways {
    /// All is there: files fetched and stamped, images and attachments linked, a version before, one report withdrawn.
    pub async fn start(database: TestDatabase) -> Self {
        let files = ReportServer::start().await;
        let at = database.config();
        let server = TestServer::start_with(|config| configure(config, at)).await;
        let alone = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let http = alone.build().unwrap();
        let mut ways = Self { reports: Vec::new(), sessions: Vec::new(), http, server, _database: database };
        let file = files.url("/report.pdf");
        ways.register(1, &file).await;
        ways.wait_for_files().await;
        ways.bring_attachments().await;
        for case in CASES {
            ways.store_image(case).await;
            let report = ways.known(case).await;
            ways.reports.push(report);
        }
        ways.register(2, &file).await;
        for reader in Reader::ALL {
            let session = ways.open(reader).await;
            ways.sessions.push(session);
        }
        ways
    }

    /// What a way answers that must be open; nothing found is an answer too.
    pub async fn text(&self, door: Door, path: &str) -> String {
        let (status, text) = answer(self.request(door, path)).await;
        assert!([200, 204].contains(&status), "{door:?} {path}: {status} {text}");
        text
    }

    /// The cases whose exam report's own address is answered.
    pub async fn exams(&self, door: Door, path: impl Fn(&Report) -> String) -> Vec<&'static str> {
        let mut open = Vec::new();
        for report in &self.reports {
            if self.is_answered(door, &path(report)).await.is_some() {
                open.push(report.case);
            }
        }
        open
    }

    /// The same of lab reports, of which the id is given.
    pub async fn labs(&self, door: Door, path: impl Fn(&str) -> String) -> Vec<&'static str> {
        let mut open = Vec::new();
        for report in &self.reports {
            if let Some(lab) = &report.lab
                && self.is_answered(door, &path(lab)).await.is_some()
            {
                open.push(report.case);
            }
        }
        open
    }

    /// All that is answered at each case's own address, one after the other.
    pub async fn texts(&self, door: Door, path: impl Fn(&Report) -> String) -> String {
        let mut all = String::new();
        for report in &self.reports {
            all.extend(self.is_answered(door, &path(report)).await);
        }
        all
    }

    /// What stands at an address, unless there is nothing to see. Any other refusal would hide what is asked here.
    async fn is_answered(&self, door: Door, path: &str) -> Option<String> {
        let (status, text) = answer(self.request(door, path)).await;
        assert!([200, 404, 410].contains(&status), "{door:?} {path}: {status} {text}");
        (status == 200).then_some(text)
    }

    /// The cases of which a text holds one of these ids.
    pub fn named(&self, text: &str, id: impl Fn(&Report) -> Option<&String>) -> Vec<&'static str> {
        let mut named = Vec::new();
        for report in &self.reports {
            if id(report).is_some_and(|id| text.contains(id.as_str())) {
                named.push(report.case);
            }
        }
        named
    }

    /// What GetExamInfo or GetLabInfo answers.
    pub async fn ask(&self, reader: Reader, method: &str) -> String {
        let key = reader.key();
        let fields = [
            ("strIDNO", ID_NO),
            ("strStartTime", "2024-01-01"),
            ("strEndTime", "2024-12-31"),
            ("strCredential", reader.id()),
            ("strKey", key.as_str()),
        ];
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx/{method}", self.server.http());
        let (status, text) = answer(form(self.http.post(url), &fields)).await;
        assert_eq!(status, 200, "{text}");
        text
    }

    /// What a search says whose question is a form.
    pub async fn search(&self, reader: Reader, path: &str, fields: &[(&str, &str)]) -> String {
        let request = self.http.post(format!("http://{}{path}", self.server.http())).bearer_auth(reader.key());
        let (status, text) = answer(form(request, fields)).await;
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    /// The change feed from its beginning to its end, with the reports.
    pub async fn follow(&self, reader: Reader) -> String {
        let (mut all, mut cursor) = (String::new(), String::new());
        loop {
            let path = format!("/api/v1/changes?include=report&limit=5&cursor={cursor}");
            let text = self.text(Door::Key(reader), &path).await;
            let page: Value = serde_json::from_str(&text).unwrap();
            all.push_str(&text);
            cursor = page["cursor"].as_str().unwrap().to_owned();
            if page["more"] == false {
                return all;
            }
        }
    }

    /// The numbers of the reports in an archive of an export, and of those with a file (`FILE-OF-…`).
    pub async fn zip(&self, reader: Reader, path: &str) -> String {
        let response = self.request(Door::Key(reader), path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reports.zip");
        std::fs::write(&file, response.bytes().await.unwrap()).unwrap();
        let script = "\
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
names = archive.namelist()
lines = [json.loads(line) for name in names if name.startswith('reports-')
         for line in archive.read(name).decode().splitlines()]
told = {line['file_name'] for line in lines if 'file_name' in line}
told |= {one['file_name'] for line in lines for one in line.get('attachments', [])}
assert told == {name for name in names if name.startswith(('files/', 'attachments/'))}, names
number = lambda line: line['report']['fields']['report_form_no']
print(json.dumps([number(line) for line in lines] + ['FILE-OF-' + number(line) for line in lines if 'file_name' in line]))";
        python_script(script, &[file.to_str().unwrap()])
    }

    /// The cases whose studies C-FIND finds for a peer.
    pub async fn find(&self, calling: &str) -> Vec<&'static str> {
        let title = |text: &str| AeTitle::parse(text).unwrap();
        let port = self.server.dicom().port();
        let target = ScuTarget::new("127.0.0.1", port, title(calling), title("YINGKU"));
        let (model, charset) = (QueryRoot::Study.find(), Charset::default());
        let mut association = Association::connect(&target, &[Proposal::query(model)]).await.unwrap();
        let keys = Identifier::new(QueryLevel::Study, &charset).returning(STUDY_INSTANCE_UID, b"UI");
        let limits = FindLimits { max_matches: 100, max_identifier_bytes: 65_536, whole: Duration::from_secs(120) };
        let matches = association.find(model, &keys, &charset, limits).await.unwrap();
        association.release().await.unwrap();
        let found: Vec<String> = matches.iter().filter_map(|one| one.uid(STUDY_INSTANCE_UID)).collect();
        self.reports.iter().filter(|report| found.contains(&report.study)).map(|report| report.case).collect()
    }

    /// Ends the server.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    fn request(&self, door: Door, path: &str) -> RequestBuilder {
        let root = format!("http://{}", self.server.http());
        match door {
            Door::Key(reader) => self.http.get(format!("{root}{path}")).bearer_auth(reader.key()),
            Door::Session(reader) => self.http.get(format!("{root}{}{path}", self.sessions[reader as usize])),
        }
    }

    /// Registers a version of everything; the last one withdraws what is to be withdrawn.
    async fn register(&self, version: u32, file: &str) {
        let all: String = CASES.iter().flat_map(|case| containers(case, version, file)).collect();
        let document = format!("<root time=\"2024-03-24 14:40:00\">{all}</root>");
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", self.server.http());
        let (_, text) = answer(self.http.post(url).header("content-type", "text/xml").body(document)).await;
        assert!(text.contains("<result>1</result>"), "{text}");
    }

    async fn wait_for_files(&self) {
        let path = "/api/v1/reports?from=2024-01-01&to=2024-12-31&kind=exam";
        eventually(Duration::from_secs(120), "every exam report has a stamped file", async || {
            let list: Value = serde_json::from_str(&self.text(Door::Key(Reader::Own), path).await).unwrap();
            let reports = list["reports"].as_array().unwrap();
            let stamped = reports.iter().filter(|report| report["file"]["stamped"] == true).count();
            (stamped == CASES.len()).then_some(())
        })
        .await;
    }

    /// As a watched folder does.
    async fn bring_attachments(&self) {
        let beside = open_archive(self.server.config()).await.unwrap();
        for (number, case) in (0_u8..).zip(CASES) {
            let command = ReceiveAttachment {
                org_code: "ORG-T01".to_owned(),
                kind: AttachmentKind::RequestForm,
                media_type: AttachmentType::Jpeg,
                title: "扫描件".to_owned(),
                accession_number: format!("EX{case}"),
                patient_id: format!("P{case}"),
                study_instance_uid: String::new(),
                source_name: "scan.jpg".to_owned(),
                actor: Actor::system("test"),
            };
            let mut writer = beside.receive_attachment(command).unwrap();
            writer.write(&[0xFF, 0xD8, 0xFF, number]).await.unwrap();
            assert!(!matches!(writer.commit().await.unwrap(), AttachmentOutcome::Duplicate));
        }
        beside.close().await.unwrap();
    }

    /// As the institution's PACS does by STOW-RS.
    async fn store_image(&self, case: &str) {
        let study = study_of(case);
        let (series, uid) = (format!("{study}.1"), format!("{study}.1.1"));
        let mut set = DataSet::ct(&uid);
        set.text(0x0008_0050, "SH", &format!("EX{case}")).text(0x0010_0020, "LO", &format!("L{case}"));
        set.text(STUDY_INSTANCE_UID, "UI", &study).text(0x0020_000E, "UI", &series);
        let file = [part10::meta(CT_IMAGE, &uid, EXPLICIT_LE, "PACS01"), set.encode()].concat();
        let url = format!("http://{}/dicom-web/studies", self.server.http());
        let request = self.http.post(url).bearer_auth(Reader::Own.key()).header("content-type", "application/dicom");
        let (status, text) = answer(request.body(file)).await;
        assert_eq!(status, 200, "{text}");
    }

    /// What the own institution is told of it, before anything is withdrawn.
    async fn known(&self, case: &'static str) -> Report {
        let own = Door::Key(Reader::Own);
        let json = async |path: String| serde_json::from_str::<Value>(&self.text(own, &path).await).unwrap();
        let listed = async |number: String| {
            let path = format!("/api/v1/reports?organization=ORG-T01&report_form_no={number}");
            json(path).await["reports"][0].clone()
        };
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{case}: {value}")).to_owned();
        let behind = |value: &Value| text(value).split_once('/').unwrap().1.to_owned();
        let exam = listed(format!("EX{case}")).await;
        let resource = json(format!("/fhir/DiagnosticReport/{}", text(&exam["id"]))).await;
        let mut report = Report {
            case,
            exam: text(&exam["id"]),
            attachment: text(&exam["attachments"][0]["id"]),
            study: study_of(case),
            imaging: behind(&resource["imagingStudy"][0]["reference"]),
            ..Report::default()
        };
        if WITH_LAB.contains(&case) {
            let lab = text(&listed(format!("LB{case}")).await["id"]);
            let resource = json(format!("/fhir/DiagnosticReport/{lab}")).await;
            report.observation = Some(behind(&resource["result"][0]["reference"]));
            report.lab = Some(lab);
        }
        report
    }

    /// Opens a signed link to everything of the identity; gives where the session's pages are.
    async fn open(&self, reader: Reader) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
        let guid = reader.guid();
        let link = [
            ("CustomerGuid", guid.as_str()),
            ("UserID", "u01"),
            ("UserName", "测试医生甲"),
            ("IDCardNO", ID_NO),
            ("Timestamp", now.as_str()),
        ];
        let path = format!("/IDCAS/Interface/ClinicExamView?{}", sign(&link, SECRET));
        let response = self.http.get(format!("http://{}{path}", self.server.http())).send().await.unwrap();
        assert_eq!(response.status(), 302, "{reader:?}");
        let location = response.headers()["location"].to_str().unwrap();
        location.strip_suffix("/exams").expect(location).to_owned()
    }
}

fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned())
}
