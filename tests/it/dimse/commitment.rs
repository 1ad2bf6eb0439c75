//! Storage commitment with pynetdicom, as provider and as user, over the same and over another association.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use yingku::dimse::scu::{Association, Proposal, ScuTarget};
use yingku::dimse::storage_commitment::CommitmentError;
use yingku::dimse::{DicomConfig, PeerConfig, Status};
use yingku::domain::commitment::ReferencedInstance;

use super::{TestListener, ct_file, target};
use crate::archive::sender::send_all;
use crate::harness::dataset::{CT_IMAGE, EXPLICIT_LE};
use crate::harness::{
    Limit, Orthanc, ServerProcess, TestServer, count_rows, eventually, free_port, python, python_script, small_instance,
};

const PEER: &str = include_str!("commitment_peer.py");

fn peer(ae_title: &str, port: u16) -> PeerConfig {
    let text = format!("ae_title = '{ae_title}'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'");
    toml::from_str(&text).unwrap()
}

async fn store(server: &TestServer, numbers: std::ops::Range<u32>) {
    let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE)];
    let mut association = Association::connect(&target(server.dicom(), "PACS01", "YINGKU"), &proposals).await.unwrap();
    for number in numbers {
        let answer = association.store(&ct_file(&format!("2.25.{number}"))).await.unwrap();
        assert_eq!(answer.status, Status::SUCCESS);
    }
    association.release().await.unwrap();
}

async fn ask(server: &TestServer, listen_port: u16, how: &'static str, uids: &'static str) -> Json {
    let (host, port) = (server.dicom().ip().to_string(), server.dicom().port().to_string());
    let said = tokio::task::spawn_blocking(move || {
        python_script(PEER, &["ask", &host, &port, &listen_port.to_string(), how, uids])
    });
    serde_json::from_str(&said.await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_reported_over_the_association_that_asked_while_it_is_open() {
    let server = TestServer::start().await;
    store(&server, 1..3).await;

    let said = ask(&server, free_port(), "same", "2.25.1,2.25.2").await;

    assert_eq!(said["status"], 0);
    let told = &said["told"][0];
    assert_eq!((told["event"].as_i64(), told["transaction"].as_str()), (Some(1), Some("2.25.4711")));
    assert_eq!(told["committed"], serde_json::json!(["2.25.1", "2.25.2"]));
    assert_eq!(told["failed"], serde_json::json!({}));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_comes_over_another_association_and_says_why_instances_are_not_safe() {
    let port = free_port();
    let server = TestServer::start_with(|config| {
        config.peer = vec![peer("PACS01", port)];
        config.dicom.max_pdu_length = 20_000;
    })
    .await;
    store(&server, 1..4).await;
    server.stored().await.overwrite("2.25.2");

    let said = ask(&server, port, "new", "2.25.1,2.25.2,!2.25.3,2.25.4").await;

    let told = &said["told"][0];
    assert_eq!(told["event"], 2);
    assert_eq!(told["committed"], serde_json::json!(["2.25.1"]));
    let reasons = serde_json::json!({ "2.25.2": 0x0110, "2.25.3": 0x0119, "2.25.4": 0x0112 });
    assert_eq!(told["failed"], reasons);
    assert_eq!(told["max_pdu"], 20_000, "our associations too offer what is configured");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_stores_here_asks_and_is_told_what_is_safe_and_what_is_not() {
    let port = free_port();
    let orthanc = Orthanc::start("ORTHANC", port).await;
    let server = TestServer::start_with(|config| {
        config.dicom.listen.set_port(port);
        config.peer.push(peer("ORTHANC", orthanc.dicom()));
    })
    .await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let added = orthanc.post("/instances", small_instance(number, 4096).bytes()).await;
        ids.push(added["ID"].as_str().unwrap().to_owned());
    }
    let sent = orthanc.post("/modalities/yingku/store", serde_json::json!(ids[..2]).to_string()).await;
    assert_eq!((&sent["InstancesCount"], &sent["FailedInstancesCount"]), (&2.into(), &0.into()), "{sent}");

    // All three are asked for, the last was never sent.
    for (resources, status, safe) in [(&ids[..2], "Success", 2), (&ids[..], "Failure", 2)] {
        let request = serde_json::json!({ "Resources": resources }).to_string();
        let asked = orthanc.post("/modalities/yingku/storage-commitment", request).await;
        let path = asked["Path"].as_str().unwrap();
        let told = eventually(Duration::from_secs(120), "the report is there", || async {
            orthanc.get(path).filter(|told| told["Status"] != "Pending")
        })
        .await;
        assert_eq!((told["Status"].as_str(), told["RemoteAET"].as_str()), (Some(status), Some("YINGKU")), "{told}");
        assert_eq!(told["Success"].as_array().map(Vec::len), Some(safe), "{told}");
        let failures = told["Failures"].as_array().unwrap();
        assert_eq!(failures.len(), resources.len() - safe, "{told}");
        for failure in failures {
            let missing = small_instance(2, 4096).sop_instance_uid;
            // No such object instance (PS3.3 section C.14.1.1).
            assert_eq!(
                (&failure["FailureReason"], failure["SOPInstanceUID"].as_str()),
                (&0x0112.into(), Some(&*missing))
            );
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_durable_before_it_is_answered() {
    // Given a listener without workers, as a process that dies before its job runs.
    let listener = TestListener::start().await;
    let mut association = listener.connect().await.unwrap();
    assert_eq!(association.store(&ct_file("2.25.1")).await.unwrap().status, Status::SUCCESS);
    association.release().await.unwrap();
    let mut asking = Association::connect(&listener.target(), &[Proposal::storage_commitment()]).await.unwrap();
    let request = yingku::dicom::storage_commitment::CommitmentRequest {
        transaction_uid: "2.25.99".to_owned(),
        instances: vec![instance("2.25.1")],
    };
    assert_eq!(asking.request_commitment(&request).await.unwrap().0.status, Status::SUCCESS);
    asking.release().await.unwrap();

    let jobs = listener.rows("SELECT id, kind, state, job_key FROM job").await;

    assert_eq!(jobs[0].text("kind").unwrap(), "report_storage_commitment");
    assert_eq!(jobs[0].text("state").unwrap(), "ready");
    let rows = listener.rows("SELECT id, state, transaction_uid FROM storage_commitment").await;
    assert_eq!(rows[0].text("state").unwrap(), "requested");
    assert_eq!(rows[0].int("id").unwrap().to_string(), jobs[0].text("job_key").unwrap());
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_answered_is_reported_by_the_server_that_starts_after_a_kill() {
    // Given a peer that does not listen yet, so that the report cannot go out before the kill.
    let port = free_port();
    let more = format!(
        "\n[[peer]]\nae_title = 'MODALITY'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n\
         [jobs]\nlease_ms = 5000\npoll_ms = 50\n[dicom.commitment]\nwait_on_association_ms = 0\n"
    );
    let mut server = ServerProcess::start_with(&more).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.dcm");
    let image = small_instance(1, 64);
    image.write_to(&path);
    assert!(send_all(server.dicom(), &[path])[0].is_acknowledged());
    let to = target(server.dicom(), "MODALITY", "YINGKU");
    let mut asking = Association::connect(&to, &[Proposal::storage_commitment()]).await.unwrap();
    let request = yingku::dicom::storage_commitment::CommitmentRequest {
        transaction_uid: "2.25.99".to_owned(),
        instances: vec![instance(&image.sop_instance_uid), instance("2.25.404")],
    };
    assert_eq!(asking.request_commitment(&request).await.unwrap().0.status, Status::SUCCESS);
    asking.abort().await;

    server.kill();
    let reported = "SELECT COUNT(*) AS n FROM storage_commitment WHERE state = 'reported'";
    assert_eq!(count_rows(&server.database(), reported).await, 0);
    let mut listening = Command::new(python())
        .args(["-c", PEER, "listen", &port.to_string(), "MODALITY"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(listening.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "listening");
    server.start_again(Limit::None).await;

    let said = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        output.read_to_string(&mut said).unwrap();
        assert!(listening.wait().unwrap().success());
        said
    });
    let said: Json = serde_json::from_str(&said.await.unwrap()).unwrap();
    assert_eq!((said["transaction"].as_str(), said["event"].as_i64()), (Some("2.25.99"), Some(2)), "{said}");
    assert_eq!(said["committed"], serde_json::json!([image.sop_instance_uid]));
    assert_eq!(said["failed"], serde_json::json!({ "2.25.404": 0x0112 }));
    let noted = || async { (count_rows(&server.database(), reported).await == 1).then_some(()) };
    eventually(Duration::from_secs(120), "it is noted as reported", noted).await;
    assert!(server.terminate().await.success());
}

fn instance(sop_instance_uid: &str) -> ReferencedInstance {
    ReferencedInstance { sop_class_uid: CT_IMAGE.to_owned(), sop_instance_uid: sop_instance_uid.to_owned() }
}

/// A pynetdicom provider that answers one request.
struct Upstream {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Upstream {
    fn start(port: u16, back: std::net::SocketAddr, how: &str, fail: &str) -> Self {
        let mut child = Command::new(python())
            .args([
                "-c",
                PEER,
                "answer",
                &port.to_string(),
                &back.ip().to_string(),
                &back.port().to_string(),
                how,
                fail,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "listening");
        Self { child, output }
    }

    fn end(mut self) -> String {
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success());
        said.trim().to_owned()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_ask_a_peer_and_understand_its_report_over_either_association() {
    for how in ["same", "new"] {
        let listener = TestListener::start().await;
        let port = free_port();
        let upstream = Upstream::start(port, listener.address, how, "2.25.2");
        // The report over an association of its own comes from PACS01, so that is whom we call.
        let called = target(std::net::SocketAddr::from(([127, 0, 0, 1], port)), "YINGKU", "PACS01");

        let asked = [instance("2.25.1"), instance("2.25.2")];
        let result = listener.commitment.request(&called, &asked).await.unwrap();

        assert_eq!(result.committed, [instance("2.25.1")], "{how}");
        assert_eq!(result.failed, [(instance("2.25.2"), 0x0112)], "{how}");
        let said = tokio::task::spawn_blocking(move || upstream.end()).await.unwrap();
        assert_eq!(said, "[0]", "{how}");
        listener.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_comes_over_an_association_under_the_titles_agreed_with_the_peer() {
    let port = free_port();
    let text = format!(
        "ae_title = 'PACS01'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n\
         [scu]\ncalled_ae_title = 'QUERY'\ncalling_ae_title = 'FRONT'"
    );
    let listener = TestListener::start_with_peers(DicomConfig::default(), &[text.as_str()]).await;
    // It is called QUERY, and reports as PACS01 to whoever called it.
    let upstream = Upstream::start(port, listener.address, "new", "2.25.2");
    let called = ScuTarget::of_peer(&DicomConfig::default(), &toml::from_str(&text).unwrap());

    let asked = [instance("2.25.1"), instance("2.25.2")];
    let result = listener.commitment.request(&called, &asked).await.unwrap();

    assert_eq!(result.committed, [instance("2.25.1")]);
    assert_eq!(result.failed, [(instance("2.25.2"), 0x0112)]);
    let said = tokio::task::spawn_blocking(move || upstream.end()).await.unwrap();
    assert_eq!(said, "[0]");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_reports_is_an_error_in_time_and_garbage_is_refused() {
    // Given a provider that keeps requests and does not work on them: our own listener without workers.
    let mut config = DicomConfig::default();
    config.commitment.wait_on_association_ms = 100;
    config.commitment.report_timeout_ms = 200;
    let listener = TestListener::start_with(config).await;

    let outcome = listener.commitment.request(&listener.target(), &[instance("2.25.1")]).await;

    assert!(matches!(outcome, Err(CommitmentError::NoReport(200))), "{outcome:?}");
    // and a path where a UID belongs is refused in words
    let outcome = listener.commitment.request(&listener.target(), &[instance("../../etc/passwd")]).await;
    let Err(CommitmentError::Refused { status, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(status, Status(0x0115));
    let count = || async { (listener.rows("SELECT id FROM storage_commitment").await.len() == 1).then_some(()) };
    eventually(Duration::from_secs(120), "one request is kept", count).await;
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_too_long_is_not_taken() {
    let provider = TestServer::start().await;
    let mut config = DicomConfig::default();
    config.commitment.wait_on_association_ms = 120_000;
    // One that came otherwise is not waited for.
    config.commitment.report_timeout_ms = 100;
    let asker = TestListener::start_with(config).await;
    // Each takes 70 bytes at least.
    let instances: Vec<ReferencedInstance> = (1..=100).map(|number| instance(&format!("2.25.{number}"))).collect();

    for (most, is_taken) in [(4096, false), (65_536, true)] {
        let text = format!(
            "ae_title = 'YINGKU'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\n\
             [scu]\ncalling_ae_title = 'PACS01'\nanswer_timeout_ms = 120000\nmax_report_bytes = {most}",
            provider.dicom().port()
        );
        let called = ScuTarget::of_peer(&DicomConfig::default(), &toml::from_str(&text).unwrap());

        let told = asker.commitment.request(&called, &instances).await;

        match told {
            Ok(told) => assert!(is_taken && told.failed.len() == 100, "{most}: {told:?}"),
            Err(error) => assert!(!is_taken && matches!(error, CommitmentError::NoReport(100)), "{most}: {error:?}"),
        }
    }
    asker.stop().await;
    provider.stop().await;
}
