//! Storage commitment with pynetdicom, as provider and as user, over the same and over another association.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use yingku::dimse::scu::{Association, Proposal};
use yingku::dimse::storage_commitment::CommitmentError;
use yingku::dimse::{PeerConfig, Status};
use yingku::domain::commitment::ReferencedInstance;

use super::{TestListener, ct_file, target};
use crate::harness::dataset::{CT_IMAGE, EXPLICIT_LE};
use crate::harness::{TestServer, eventually, free_port, python, python_script};

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
    let server = TestServer::start_with(|config| config.peer = vec![peer("PACS01", port)]).await;
    store(&server, 1..4).await;
    server.stored().await.overwrite("2.25.2");

    let said = ask(&server, port, "new", "2.25.1,2.25.2,!2.25.3,2.25.4").await;

    let told = &said["told"][0];
    assert_eq!(told["event"], 2);
    assert_eq!(told["committed"], serde_json::json!(["2.25.1"]));
    let reasons = serde_json::json!({ "2.25.2": 0x0110, "2.25.3": 0x0119, "2.25.4": 0x0112 });
    assert_eq!(told["failed"], reasons);
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
async fn a_peer_that_never_reports_is_an_error_in_time_and_garbage_is_refused() {
    // Given a provider that keeps requests and does not work on them: our own listener without workers.
    let mut config = yingku::dimse::DicomConfig::default();
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
    eventually(Duration::from_secs(5), "one request is kept", count).await;
    listener.stop().await;
}
