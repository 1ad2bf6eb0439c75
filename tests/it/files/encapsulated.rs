//! Reports as PDFs inside DICOM objects: the PDF becomes the exam report's file, as long as they belong together (D-I14).

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::archive::links::link_by_hand::Pair;
use yingku::archive::reports::fetch_report_file::FetchOutcome;
use yingku::archive::reports::take_encapsulated_report::{EncapsulatedFailure, EncapsulatedOutcome};
use yingku::archive::upkeep::queue::Finished;
use yingku::archive::{Error, ReportCopy};
use yingku::dicom::text::Charset;
use yingku::domain::Actor;
use yingku::index::jobs::{JobKind, JobState};
use yingku::index::report_files::{ReportFile, StampState};
use yingku::params;

use super::pdf::{self, MM, codes_on};
use super::server::ReportServer;
use crate::api::world::{REGION, World, exam};
use crate::each_database;
use crate::harness::dataset::{DataSet, EXPLICIT_LE};
use crate::harness::{Package, TestServer, eventually, run, tool};

const ENCAPSULATED_PDF: &str = "1.2.840.10008.5.1.4.1.1.104.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// A document of the study that [`exam`] names.
fn object(sop_instance_uid: &str, document: &[u8]) -> DataSet {
    let mut set = DataSet::ct(sop_instance_uid);
    set.text(0x0008_0016, "UI", ENCAPSULATED_PDF).text(0x0008_0060, "CS", "DOC");
    set.text(0x0020_000E, "UI", "2.25.1000.9").text(0x0042_0012, "LO", "application/pdf");
    let mut value = document.to_vec();
    value.resize(value.len().next_multiple_of(2), 0);
    set.bytes(0x0042_0011, "OB", &value);
    set.without(0x7FE0_0010).without(0x0028_0010).without(0x0028_0011);
    set
}

async fn store_as(
    world: &World,
    sop_instance_uid: &str,
    transfer_syntax: &str,
    data_set: &[u8],
) -> Result<StoreOutcome, Error> {
    let command = ReceiveInstance {
        org_code: "ORG-T01".to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        default_charset: Charset::default(),
        sop_class_uid: ENCAPSULATED_PDF.to_owned(),
        sop_instance_uid: sop_instance_uid.to_owned(),
        transfer_syntax_uid: transfer_syntax.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    };
    let mut writer = world.archive.receive_instance(command).await?;
    writer.write(data_set).await?;
    writer.commit().await
}

async fn store(world: &World, sop_instance_uid: &str, document: &[u8]) -> StoreOutcome {
    let data_set = object(sop_instance_uid, document).encode();
    store_as(world, sop_instance_uid, EXPLICIT_LE, &data_set).await.unwrap()
}

/// Does the jobs that look at documents; gives what became of each.
async fn work(world: &World) -> Vec<Result<Finished, String>> {
    let jobs = world.archive.claim_jobs("test", JobKind::TakeEncapsulatedReport, 60_000, 100).await.unwrap();
    let mut outcomes = Vec::new();
    for job in &jobs {
        let outcome = world.archive.run_job(job).await;
        match &outcome {
            Ok(_) => assert!(world.archive.finish_job(job).await.unwrap()),
            Err(failure) => {
                assert!(!failure.retryable, "{failure:?}");
                world.archive.bury_job(job, &failure.reason).await.unwrap();
            }
        }
        outcomes.push(outcome.map_err(|failure| failure.reason));
    }
    outcomes
}

async fn row_of(world: &World, report_form_no: &str) -> i64 {
    let sql = "SELECT id FROM exam_report WHERE report_form_no = $1";
    world.index.query_opt(sql, params![report_form_no]).await.unwrap().unwrap().int("id").unwrap()
}

async fn file_of(world: &World, report_form_no: &str) -> Option<ReportFile> {
    world.archive.report_file_of(row_of(world, report_form_no).await).await.unwrap()
}

async fn original(world: &World, file: &ReportFile) -> Bytes {
    world.archive.read_report_file(file, ReportCopy::Original).await.unwrap()
}

async fn study_row(world: &World) -> i64 {
    let sql = "SELECT id FROM study WHERE study_instance_uid = '2.25.1000'";
    world.index.query_opt(sql, params![]).await.unwrap().unwrap().int("id").unwrap()
}

each_database! {
    async fn whichever_comes_first_the_document_becomes_the_stamped_file(database: TestDatabase) {
        let world = World::start(database).await;
        assert_eq!(store(&world, "2.25.31", &pdf::report()).await, StoreOutcome::Stored);
        assert_eq!(work(&world).await, [], "nobody waits for it yet");
        world.register(&[exam(&[])]).await;
        world.register(&[exam(&[("report_form_no", "EX0002"), ("study_instance_uid", "2.25.2000"), ("pacs_id", "A0002")])])
            .await;

        assert_eq!(work(&world).await, [Ok(Finished::Done)]);

        let file = file_of(&world, "EX0001").await.unwrap();
        assert_eq!((file.revision, file.media_type.as_str(), file.stamp_state), (1, "application/pdf", StampState::Stamped));
        assert_eq!(file.source, "dicom:2.25.31");
        assert_eq!(original(&world, &file).await, pdf::report());
        let stamped = world.archive.read_report_file(&file, ReportCopy::Stamped).await.unwrap();
        assert!(codes_on(&stamped, 1, 595.0 * MM)[0].text.contains("/q/"));
        assert_eq!(file_of(&world, "EX0002").await, None);

        // The other order, into a study that is there already.
        let other = object("2.25.32", &pdf::report_of_pages(2));
        let mut other = other;
        other.text(0x0020_000D, "UI", "2.25.2000").text(0x0020_000E, "UI", "2.25.2000.9").text(0x0008_0050, "SH", "A0002");
        store_as(&world, "2.25.32", EXPLICIT_LE, &other.encode()).await.unwrap();
        assert_eq!(work(&world).await, [Ok(Finished::Done)]);
        assert_eq!(file_of(&world, "EX0002").await.unwrap().page_count, Some(2));

        // The region pulls it like any other, and the object is no image that is counted.
        let list = world.found(REGION, "/api/v1/reports?report_form_no=EX0001&organization=ORG-T01").await;
        let url = list["reports"][0]["file"]["url"].as_str().unwrap();
        let path = url.strip_prefix(&format!("http://{}", world.address)).unwrap();
        assert_eq!(world.get(REGION, &format!("{path}?copy=original")).await.body, pdf::report());
        let verified = world.archive.verify(yingku::archive::upkeep::verify::Depth::Content, |_| {}).await.unwrap();
        assert_eq!((verified.fault_count, verified.unnamed), (0, 0));
    }

    async fn a_corrected_document_is_the_next_revision_also_under_the_same_uid(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        store(&world, "2.25.31", &pdf::report()).await;
        work(&world).await;
        assert_eq!(store(&world, "2.25.31", &pdf::report()).await, StoreOutcome::Duplicate);
        assert_eq!(work(&world).await, []);

        assert_eq!(store(&world, "2.25.33", &pdf::report_of_pages(2)).await, StoreOutcome::Stored);
        work(&world).await;
        let file = file_of(&world, "EX0001").await.unwrap();
        assert_eq!((file.revision, file.page_count), (2, Some(2)));

        assert_eq!(store(&world, "2.25.33", &pdf::report_of_pages(3)).await, StoreOutcome::NewVersion);
        work(&world).await;
        let file = file_of(&world, "EX0001").await.unwrap();
        assert_eq!((file.revision, file.page_count), (3, Some(3)));
        let open = world.index.query("SELECT id FROM conflict WHERE kind = 'duplicate_uid'", params![]).await.unwrap();
        assert_eq!(open.len(), 1, "and somebody is told of it");

        // Registered once more, it stays as it is.
        world.register(&[exam(&[("last_update_dtime", "2024/3/24 0:00:00"), ("conclusion", "修订")])]).await;
        work(&world).await;
        assert_eq!(file_of(&world, "EX0001").await.unwrap().revision, 3);
    }

    async fn a_file_that_the_registration_names_goes_before(database: TestDatabase) {
        let (world, server) = (World::start(database).await, ReportServer::start().await);
        *server.book.changing.lock().unwrap() = pdf::report_of_pages(4);
        world.register(&[exam(&[("reportfilepath", &server.url("/changing.pdf"))])]).await;
        store(&world, "2.25.31", &pdf::report()).await;
        assert_eq!(work(&world).await, [Ok(Finished::Done)]);
        assert_eq!(file_of(&world, "EX0001").await.unwrap().page_count, Some(1), "until it has been fetched");

        world.fetch_file("EX0001").await;
        assert_eq!(file_of(&world, "EX0001").await.unwrap().page_count, Some(4));
        store(&world, "2.25.34", &pdf::report_of_pages(2)).await;
        let exam = row_of(&world, "EX0001").await;
        assert_eq!(work(&world).await, [Ok(Finished::Done)]);
        assert_eq!(world.archive.take_encapsulated_report(exam).await.unwrap(), EncapsulatedOutcome::Nothing);
        assert_eq!(file_of(&world, "EX0001").await.unwrap().page_count, Some(4));
    }

    async fn a_file_goes_with_its_study(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        store(&world, "2.25.31", &pdf::report()).await;
        work(&world).await;
        let pair = Pair { exam_report_pk: row_of(&world, "EX0001").await, study_pk: study_row(&world).await };

        world.archive.unlink_by_hand(Actor::system("test"), pair).await.unwrap();
        assert_eq!(work(&world).await, [Ok(Finished::Done)]);
        assert_eq!(file_of(&world, "EX0001").await, None, "the report of another is not shown");
        assert_eq!(world.archive.report_file_history(pair.exam_report_pk).await.unwrap().len(), 1);
        assert_eq!(world.audits("retract_report_file").await.len(), 1);
        let list = world.found(REGION, "/api/v1/reports?report_form_no=EX0001&organization=ORG-T01").await;
        assert!(list["reports"][0]["file"].is_null());

        world.archive.link_by_hand(Actor::system("test"), pair).await.unwrap();
        work(&world).await;
        assert_eq!(file_of(&world, "EX0001").await.unwrap().revision, 2);

        // A correction of the registration takes it to another study.
        let world_row = row_of(&world, "EX0001").await;
        let sql = "UPDATE exam_study SET rule = 'study_instance_uid'";
        let write = world.index.write(move |tx| Box::pin(async move { tx.execute(sql, params![]).await }));
        write.await.map_err(|error: yingku::index::Error| error).unwrap();
        let sql = "DELETE FROM exam_study_uid";
        let write = world.index.write(move |tx| Box::pin(async move { tx.execute(sql, params![]).await }));
        write.await.map_err(|error: yingku::index::Error| error).unwrap();
        let corrected = [
            ("last_update_dtime", "2024/3/25 0:00:00"),
            ("study_instance_uid", "2.25.4000"),
            ("pacs_id", "A0009"),
        ];
        world.register(&[exam(&corrected)]).await;
        assert_eq!(work(&world).await, [Ok(Finished::Done)]);
        assert_eq!(world.archive.report_file_of(world_row).await.unwrap(), None);
    }

    async fn a_withdrawn_report_gets_no_file(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        world.register(&[exam(&[("data_status", "0"), ("last_update_dtime", "2024/3/24 0:00:00")])]).await;
        store(&world, "2.25.31", &pdf::report()).await;
        work(&world).await;
        assert_eq!(file_of(&world, "EX0001").await, None);
    }

    async fn objects_that_lie_are_kept_and_said_to_be_unfit(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        let row = row_of(&world, "EX0001").await;
        let lying = {
            // The document says that it has four gigabytes.
            let mut bytes = object("2.25.41", &pdf::report()).encode();
            let at = bytes.windows(6).position(|window| window == [0x42, 0, 0x11, 0, b'O', b'B']).unwrap() + 8;
            bytes[at..at + 4].copy_from_slice(&0xFFFF_FF00_u32.to_le_bytes());
            bytes
        };
        let cut_off = {
            let bytes = object("2.25.42", &pdf::report()).encode();
            bytes[..bytes.len() - 40].to_vec()
        };
        let cases: [(&str, Vec<u8>, &str); 5] = [
            ("2.25.41", lying, "ends within it"),
            ("2.25.42", cut_off, "ends within it"),
            ("2.25.43", object("2.25.43", b"<html>%PDF-1.4</html>").encode(), "no PDF"),
            ("2.25.44", object("2.25.44", b"").encode(), "empty"),
            ("2.25.45", object("2.25.45", &[0; 4096]).encode(), "no PDF"),
        ];
        for (uid, data_set, reason) in cases {
            let before = file_of(&world, "EX0001").await;
            assert_eq!(store_as(&world, uid, EXPLICIT_LE, &data_set).await.unwrap(), StoreOutcome::Stored, "{uid}");
            let said = work(&world).await;
            assert!(matches!(&said[..], [Err(said)] if said.contains(reason)), "{uid}: {said:?}");
            assert_eq!(file_of(&world, "EX0001").await, before);
            let dead = world.archive.list_jobs(Some(JobState::Dead), 10).await.unwrap();
            assert_eq!((dead.len(), dead[0].kind), (1, JobKind::TakeEncapsulatedReport));
        }
        // One that is fit is taken, and the operator is told of the newer ones all the same.
        let sql = "UPDATE instance SET received_at = received_at - 1000";
        let write = world.index.write(move |tx| Box::pin(async move { tx.execute(sql, params![]).await }));
        write.await.map_err(|error: yingku::index::Error| error).unwrap();
        store(&world, "2.25.46", &pdf::report()).await;
        assert_eq!(work(&world).await, [Ok(Finished::Done)]);
        assert_eq!(file_of(&world, "EX0001").await.unwrap().page_count, Some(1));
        assert_eq!(
            world.archive.take_encapsulated_report(row).await.unwrap(),
            EncapsulatedOutcome::Taken(FetchOutcome::Unchanged)
        );
    }

    async fn every_encoding_of_the_object_yields_the_same_document(database: TestDatabase) {
        use std::io::Write;
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&object("2.25.51", &pdf::report_of_pages(2)).encode()).unwrap();
        store_as(&world, "2.25.51", DEFLATED, &packer.finish().unwrap()).await.unwrap();
        assert_eq!(work(&world).await, [Ok(Finished::Done)]);
        let file = file_of(&world, "EX0001").await.unwrap();
        assert_eq!(original(&world, &file).await, pdf::report_of_pages(2));

        let implicit = as_implicit(&object("2.25.52", &pdf::report_of_pages(3)).encode());
        store_as(&world, "2.25.52", IMPLICIT, &implicit).await.unwrap();
        assert_eq!(work(&world).await, [Ok(Finished::Done)]);
        let file = file_of(&world, "EX0001").await.unwrap();
        assert_eq!((file.revision, original(&world, &file).await), (2, Bytes::from(pdf::report_of_pages(3))));
    }

    async fn an_address_may_lead_to_an_object(database: TestDatabase) {
        let (world, server) = (World::start(database).await, ReportServer::start().await);
        let part10 = |uid: &str, document: &[u8]| {
            let mut file = yingku::dicom::part10::meta(ENCAPSULATED_PDF, uid, EXPLICIT_LE, "");
            file.extend(object(uid, document).encode());
            file
        };
        *server.book.changing.lock().unwrap() = part10("2.25.61", &pdf::report());
        let address = server.url("/changing.pdf");
        world.register(&[exam(&[("reportfilepath", &address)])]).await;
        world.fetch_file("EX0001").await;
        let file = file_of(&world, "EX0001").await.unwrap();
        assert_eq!((file.source.as_str(), file.media_type.as_str()), (address.as_str(), "application/pdf"));
        assert_eq!(original(&world, &file).await, pdf::report());
        let kept = world.index.query("SELECT id FROM instance WHERE sop_instance_uid = '2.25.61'", params![]).await;
        assert_eq!(kept.unwrap().len(), 1, "the object itself is among the images");
        assert_eq!(work(&world).await, [Ok(Finished::Done)], "its study has been linked");
        assert_eq!(file_of(&world, "EX0001").await.unwrap(), file);

        *server.book.changing.lock().unwrap() = part10("2.25.62", &pdf::report_of_pages(2));
        world.fetch_file("EX0001").await;
        assert_eq!(file_of(&world, "EX0001").await.unwrap().revision, 2);

        let row = row_of(&world, "EX0001").await;
        for (bytes, reason) in [
            (part10("2.25.63", b"hello"), "no PDF"),
            ([&[0; 128][..], b"DICM", &[2, 0, 1]].concat(), "file meta"),
            (yingku::dicom::part10::meta(ENCAPSULATED_PDF, "2.25.64", EXPLICIT_LE, ""), "UID"),
        ] {
            *server.book.changing.lock().unwrap() = bytes;
            let failure = world.archive.fetch_report_file(row).await.unwrap_err();
            assert!(failure.to_string().contains(reason) && !failure.is_retryable(), "{failure}");
        }
        assert_eq!(file_of(&world, "EX0001").await.unwrap().revision, 2);
    }
}

/// The same data set in Implicit VR Little Endian.
fn as_implicit(explicit: &[u8]) -> Vec<u8> {
    let (mut at, mut bytes) = (0, Vec::new());
    while at < explicit.len() {
        let long = [b"OB", b"OW", b"SQ", b"UN", b"UT"].iter().any(|vr| explicit[at + 4..at + 6] == vr[..]);
        let (length, head) = if long {
            (u32::from_le_bytes(explicit[at + 8..at + 12].try_into().unwrap()), 12)
        } else {
            (u32::from(u16::from_le_bytes(explicit[at + 6..at + 8].try_into().unwrap())), 8)
        };
        bytes.extend(&explicit[at..at + 4]);
        bytes.extend(length.to_le_bytes());
        bytes.extend(&explicit[at + head..at + head + length as usize]);
        at += head + length as usize;
    }
    bytes
}

#[tokio::test]
async fn what_is_too_large_is_not_read_into_memory() {
    let world = World::start(crate::harness::TestDatabase::sqlite()).await;
    world.register(&[exam(&[])]).await;
    let head = object("2.25.71", b"").encode();
    let at = head.windows(6).position(|window| window == [0x42, 0, 0x11, 0, b'O', b'B']).unwrap() + 8;
    let most: u32 = 200 * 1024 * 1024;
    let command = ReceiveInstance {
        org_code: "ORG-T01".to_owned(),
        calling_ae_title: String::new(),
        default_charset: Charset::default(),
        sop_class_uid: ENCAPSULATED_PDF.to_owned(),
        sop_instance_uid: "2.25.71".to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    };
    let mut writer = world.archive.receive_instance(command).await.unwrap();
    writer.write(&head[..at]).await.unwrap();
    writer.write(&most.to_le_bytes()).await.unwrap();
    let piece = vec![b' '; 4 * 1024 * 1024];
    for _ in 0..50 {
        writer.write(&piece).await.unwrap();
    }
    assert_eq!(writer.commit().await.unwrap(), StoreOutcome::Stored);
    let row = row_of(&world, "EX0001").await;
    // Whoever reads any of it fails in another way. The memory of this process tells nothing: other tests use it, too.
    let sql = "UPDATE instance SET object_key = 'instance/nowhere'";
    let write = world.index.write(move |tx| Box::pin(async move { tx.execute(sql, params![]).await }));
    write.await.map_err(|error: yingku::index::Error| error).unwrap();
    let refused = world.archive.take_encapsulated_report(row).await.unwrap_err();
    assert!(matches!(&refused, EncapsulatedFailure::Unfit(said) if said.contains("reports.max_bytes")), "{refused}");
}

/// DCMTK makes the object and sends it; its own reader finds the same document in what the archive gives back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dcmtk_makes_and_sends_a_report() {
    let dcmtk = |name| tool(name, Package::Debian("dcmtk"));
    let (server, folder) = (TestServer::start().await, tempfile::tempdir().unwrap());
    let document = exam(&[]);
    let answer = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = answer
        .post(format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http()))
        .header("content-type", "text/xml")
        .body(format!("<root time=\"2024-03-24 14:40:00\">{document}</root>"));
    assert!(answer.send().await.unwrap().text().await.unwrap().contains("<result>1</result>"));
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("in.pdf"), pdf::report()).unwrap();
    run(Command::new(dcmtk("pdf2dcm"))
        .args(["+t", "CT", "+pn", "Test^A", "+pi", "L0001", "+pb", "19900101", "+ps", "F"])
        .args(["-k", "StudyInstanceUID=2.25.1000", "-k", "AccessionNumber=A0001"])
        .args([path("in.pdf"), path("out.dcm")]));
    let port = server.dicom().port().to_string();
    let sent = send(&dcmtk("storescu"), &port, path("out.dcm")).await;
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));

    let index = yingku::index::Index::open(&server.database()).await.unwrap();
    let sql = "SELECT source, media_type, stamp_state, original_length FROM report_file WHERE is_current = 1";
    let file = eventually(Duration::from_secs(120), "the report's file", async || {
        index.query_opt(sql, params![]).await.unwrap()
    });
    let file = file.await;
    assert!(file.text("source").unwrap().starts_with("dicom:"));
    assert_eq!(file.text("stamp_state").unwrap(), "stamped");
    assert_eq!(file.int("original_length").unwrap(), pdf::report().len() as i64);
    server.stop().await;
}

async fn send(storescu: &std::path::Path, port: &str, file: std::path::PathBuf) -> std::process::Output {
    let mut command = Command::new(storescu);
    command.args(["-aet", "PACS01", "-aec", "YINGKU", "127.0.0.1", port]).arg(file);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}
