//! Attachments of exams for systems that pull: told, given, followed, exported (D-I14).

use serde_json::{Value, json};
use yingku::archive::images::store_attachment::AttachmentOutcome;
use yingku::domain::Actor;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::index::Index;

use super::changes::told;
use super::world::{HOSPITAL, PRIVILEGED, REGION, World, exam, members};
use crate::each_database;
use crate::harness::{TestDatabase, python_script};

const SCAN: (AttachmentKind, AttachmentType) = (AttachmentKind::RequestForm, AttachmentType::Jpeg);
const FILM: (AttachmentKind, AttachmentType) = (AttachmentKind::Video, AttachmentType::Mp4);
const A0001: (&str, &str) = ("A0001", "");
const WHOLE: &str = "&include=report";

fn scan() -> Vec<u8> {
    [&[0xFF, 0xD8, 0xFF][..], b"request form"].concat()
}

/// The address of the only attachment of a report, without the server's.
async fn path_of(world: &World, key: &str, report_form_no: &str) -> String {
    let list = format!("/api/v1/reports?organization=ORG-T01&report_form_no={report_form_no}");
    let list = world.found(key, &list).await;
    let url = list["reports"][0]["attachments"][0]["url"].as_str().unwrap_or_else(|| panic!("{list}"));
    url.strip_prefix(&format!("http://{}", world.address)).unwrap().to_owned()
}

async fn number(index: &Index, sql: &'static str) -> i64 {
    index.query_opt(sql, Vec::new()).await.unwrap().unwrap().int("id").unwrap()
}

each_database! {
    async fn an_attachment_is_told_with_its_report_given_by_ranges_and_recorded(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        assert_eq!(world.attach(A0001, SCAN, &scan()).await, AttachmentOutcome::Stored);

        let list = world.found(REGION, "/api/v1/reports?card_no=C00000001").await;
        let told = &list["reports"][0]["attachments"];
        assert_eq!(told.as_array().unwrap().len(), 1, "{list}");
        let told = &told[0];
        assert_eq!((&told["kind"], &told["media_type"], &told["length"]), (&json!("request_form"), &json!("image/jpeg"), &json!(15)));
        assert_eq!((&told["title"], &told["name"]), (&json!("扫描件一"), &json!("scan.jpg")));
        assert_eq!(told["received_at"], "2024-03-24T14:40:00+08:00");
        let path = path_of(&world, REGION, "EX0001").await;
        assert!(path.ends_with(&format!("/attachments/{}", told["id"].as_str().unwrap())), "{path}");

        let whole = world.get(REGION, &path).await;
        assert_eq!((whole.status, whole.header("content-type"), &whole.body), (200, "image/jpeg", &scan()));
        assert_eq!(whole.header("etag"), format!("\"{}\"", told["sha256"].as_str().unwrap()));
        assert!(whole.header("content-disposition").starts_with("attachment; filename=\"request_form-"));
        let part = world.send(world.request(REGION, &path).header("range", "bytes=3-9")).await;
        assert_eq!((part.status, &part.body[..], part.header("content-range")), (206, &b"request"[..], "bytes 3-9/15"));
        let beyond = world.send(world.request(REGION, &path).header("range", "bytes=15-")).await;
        assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */15"));
        let known = world.send(world.request(REGION, &path).header("if-none-match", whole.header("etag"))).await;
        assert_eq!((known.status, known.body.len()), (304, 0));
        let head = reqwest::Client::new().head(format!("http://{}{path}", world.address)).bearer_auth(REGION);
        let head = world.send(head).await;
        assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "15", 0));

        let audits = world.audits("pull_attachment").await;
        assert_eq!(audits.len(), 5, "{audits:?}");
        assert!(audits[0].starts_with("region ") && audits[0].contains("request_form") && !audits[0].contains("scan.jpg"), "{audits:?}");
    }

    async fn an_attachment_of_a_kind_that_only_a_newer_server_knows_is_told_and_given(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        world.attach(A0001, SCAN, &scan()).await;
        let sql = "UPDATE attachment SET kind = 'hologram', media_type = 'model/gltf-binary'";
        world.index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await })).await.unwrap();

        let list = world.found(REGION, "/api/v1/reports?card_no=C00000001").await;

        let told = &list["reports"][0]["attachments"][0];
        assert_eq!((&told["kind"], &told["media_type"]), (&json!("other"), &json!("application/octet-stream")));
        let path = path_of(&world, REGION, "EX0001").await;
        assert_eq!(world.get(REGION, &path).await.body, scan());
    }

    async fn an_attachment_is_seen_by_those_who_see_its_report(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        world.register(&[exam(&[("report_form_no", "VIP"), ("pacs_id", "A2"), ("study_instance_uid", "2.25.2000"), ("xman_type", "1")])]).await;
        world.register(&[exam(&[("report_form_no", "SECRET"), ("pacs_id", "A3"), ("study_instance_uid", "2.25.3000"), ("confidentiality", "保密")])]).await;
        for accession in ["A0001", "A2", "A3"] {
            world.attach((accession, ""), SCAN, &scan()).await;
        }
        let open = path_of(&world, PRIVILEGED, "EX0001").await;
        for number in ["VIP", "SECRET"] {
            let path = path_of(&world, PRIVILEGED, number).await;
            assert_eq!(world.get(PRIVILEGED, &path).await.status, 200);
            assert_eq!(world.refused(REGION, &path).await, (404, "E4003".to_owned()), "{number}");
            // Under the report that may be seen it is not to be had either.
            let (report, other) = (open.rsplit_once('/').unwrap().0, path.rsplit_once('/').unwrap().1);
            assert_eq!(world.refused(REGION, &format!("{report}/{other}")).await, (404, "E4003".to_owned()));
        }
        assert_eq!(world.get(REGION, &open).await.status, 200);
        assert_eq!(world.refused(HOSPITAL, &open).await, (404, "E4003".to_owned()), "of another institution");
        assert_eq!(world.refused(REGION, &format!("{open}x")).await, (404, "E4003".to_owned()));
        assert_eq!(world.refused(REGION, &format!("{open}?copy=original")).await, (400, "E4005".to_owned()));
        assert_eq!(world.refused("", &open).await, (401, "E4001".to_owned()));

        let gone = [("last_update_dtime", "2024/3/24 0:00:00"), ("data_status", "0")];
        world.register(&[exam(&gone)]).await;
        for key in [REGION, PRIVILEGED] {
            assert_eq!(world.refused(key, &open).await, (410, "E4004".to_owned()), "withdrawn");
        }
    }

    async fn a_follower_is_told_of_attachments_that_come_and_go(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        let (_, cursor) = world.follow(REGION, "", "").await;
        world.attach(A0001, SCAN, &scan()).await;

        let (changes, cursor) = world.follow(REGION, &cursor, WHOLE).await;
        assert_eq!(told(&changes), ["attachments EX0001"]);
        assert_eq!(members(&changes[0]["attachments"], &["kind"]), ["request_form"]);
        assert_eq!(changes[0]["report"]["attachments"], changes[0]["attachments"]);

        assert_eq!(world.attach(A0001, SCAN, &scan()).await, AttachmentOutcome::Duplicate);
        assert_eq!(world.follow(REGION, &cursor, "").await.0, Vec::<Value>::new(), "the same again");
        let newer = [("last_update_dtime", "2024/3/24 0:00:00"), ("conclusion", "修订后的结论")];
        world.register(&[exam(&newer)]).await;
        let (changes, cursor) = world.follow(REGION, &cursor, WHOLE).await;
        assert_eq!(told(&changes), ["exam EX0001"], "it was linked anew as it was");

        let exam_pk = number(&world.index, "SELECT id FROM exam_report").await;
        let attachment = number(&world.index, "SELECT id FROM attachment").await;
        world.archive.unlink_attachment_by_hand(Actor::system("test"), exam_pk, attachment).await.unwrap();
        let (changes, cursor) = world.follow(REGION, &cursor, WHOLE).await;
        assert_eq!(told(&changes), ["attachments EX0001"]);
        assert_eq!((&changes[0]["attachments"], &changes[0]["report"]["attachments"]), (&Value::Null, &Value::Null));
        world.archive.link_attachment_by_hand(Actor::system("test"), exam_pk, attachment).await.unwrap();
        let (changes, _) = world.follow(REGION, &cursor, "").await;
        assert_eq!(members(&changes[0]["attachments"], &["kind"]), ["request_form"]);

        // One that came before its report is told when the report comes.
        world.attach(("A0002", ""), FILM, b"0000ftypisom").await;
        world.register(&[exam(&[("report_form_no", "EX0002"), ("pacs_id", "A0002"), ("study_instance_uid", "2.25.2000")])]).await;
        let (changes, _) = world.follow(REGION, "", "&kind=attachments&include=report").await;
        assert_eq!(told(&changes), ["attachments EX0001", "attachments EX0002"]);
        assert_eq!(world.refused(REGION, "/api/v1/changes?kind=attachment").await, (400, "E4006".to_owned()));
    }

    async fn an_attachment_is_a_document_of_fhir(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        world.register(&[exam(&[("report_form_no", "BARE"), ("pacs_id", "A9"), ("study_instance_uid", "2.25.9000")])]).await;
        world.attach(A0001, SCAN, &scan()).await;
        world.attach(A0001, FILM, b"0000ftypisom").await;

        let bundle = world.found(REGION, "/fhir/DocumentReference?patient=ORG-T01..P0001").await;
        let documents: Vec<&Value> = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).collect();
        let kinds: Vec<&Value> = documents.iter().map(|one| &one["type"]["coding"][0]["code"]).collect();
        assert_eq!(kinds, [&json!("request_form"), &json!("video")], "{bundle}");
        let (document, content) = (documents[0], &documents[0]["content"][0]["attachment"]);
        assert_eq!((&content["contentType"], &content["size"], &content["title"]), (&json!("image/jpeg"), &json!(15), &json!("扫描件一")));
        let id = document["id"].as_str().unwrap();
        let report = id.split_once('.').unwrap().0;
        assert_eq!(document["context"]["related"][0]["reference"], format!("DiagnosticReport/{report}"));
        assert_eq!(&world.found(REGION, &format!("/fhir/DocumentReference/{id}")).await, document);
        let one = world.found(REGION, &format!("/fhir/DocumentReference?_id={id}")).await;
        assert_eq!((one["entry"].as_array().unwrap().len(), &one["entry"][0]["resource"]), (1, document));
        let none = world.found(REGION, &format!("/fhir/DocumentReference?_id={report}")).await;
        assert_eq!(none["entry"], Value::Null, "the report has no file of its own");

        let path = content["url"].as_str().unwrap().strip_prefix(&format!("http://{}", world.address)).unwrap();
        assert_eq!(path, format!("/fhir/Binary/{id}"));
        let bytes = world.get(REGION, path).await;
        assert_eq!((bytes.status, bytes.header("content-type"), &bytes.body), (200, "image/jpeg", &scan()));
        for path in [path, &format!("/fhir/DocumentReference/{id}"), &format!("/fhir/Binary/{report}.1")] {
            assert_eq!(world.get(HOSPITAL, path).await.status, 404, "{path}");
        }
        let gone = [("last_update_dtime", "2024/3/24 0:00:00"), ("data_status", "0")];
        world.register(&[exam(&gone)]).await;
        for path in [path, &format!("/fhir/DocumentReference/{id}")] {
            assert_eq!(world.get(REGION, path).await.status, 410, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_holds_attachments_unless_they_are_left_out() {
    let world = World::start(TestDatabase::sqlite()).await;
    world.register(&[exam(&[])]).await;
    world.attach(A0001, SCAN, &scan()).await;
    world.attach(A0001, FILM, b"0000ftypisom").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reports.zip");
    let script = "\
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
line = json.loads(archive.read('reports-00001.ndjson').decode().splitlines()[0])
told = {one['id']: one['file_name'] for one in line.get('attachments', [])}
kinds = {one['id']: one['kind'] for one in line['report']['attachments']}
assert sorted(told.values()) == sorted(name for name in archive.namelist() if name.startswith('attachments/'))
print(json.dumps(sorted([kinds[one], archive.read(name).hex()] for one, name in told.items())))";
    let export = "/api/v1/export?from=2024-03-01&to=2024-03-31&format=zip";
    let expected = json!([["request_form", hex::encode(scan())], ["video", hex::encode(b"0000ftypisom")]]);
    for (query, expected) in [("", expected), ("&attachments=none", json!([]))] {
        let answer = world.get(REGION, &format!("{export}{query}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"));
        std::fs::write(&path, &answer.body).unwrap();
        let printed: Value = serde_json::from_str(&python_script(script, &[path.to_str().unwrap()])).unwrap();
        assert_eq!(printed, expected);
    }
    assert_eq!(world.refused(REGION, &format!("{export}&attachments=some")).await, (400, "E4006".to_owned()));
}
