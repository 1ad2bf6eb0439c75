//! Instance Availability Notification with pynetdicom as the receiver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value as Json, json};
use yingku::dimse::PeerConfig;

use crate::archive::sender::send_all;
use crate::harness::{TestServer, count_rows, eventually, free_port, python, small_instance};

const PATIENCE: Duration = Duration::from_secs(120);

/// A receiver; it ends when its input does.
pub struct Receiver {
    child: Child,
    folder: tempfile::TempDir,
}

impl Receiver {
    pub fn start(port: u16, manner: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(python())
            .args(["-c", include_str!("availability_peer.py"), &port.to_string(), manner])
            .arg(folder.path().join("told"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "listening");
        Self { child, folder }
    }

    /// What it has been told; a line that is still being written is not counted.
    pub fn told(&self) -> Vec<Json> {
        let text = std::fs::read_to_string(self.folder.path().join("told")).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub async fn told_at_least(&self, count: usize) -> Vec<Json> {
        let what = format!("{count} notifications");
        eventually(PATIENCE, &what, || async { Some(self.told()).filter(|told| told.len() >= count) }).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn server(port: u16) -> TestServer {
    TestServer::start_with(|config| {
        let peer = |title: &str, organization: &str| -> PeerConfig {
            let text = format!(
                "ae_title = '{title}'\nhost = '127.0.0.1'\nport = {port}\norganization = '{organization}'\n\
                 notify_availability = true"
            );
            toml::from_str(&text).unwrap()
        };
        // The second one is told nothing of another organisation's study.
        config.peer.extend([peer("RIS01", "ORG-T01"), peer("RIS02", "ORG-T02")]);
        // Longer than a loaded machine takes from one instance to the next.
        config.dicom.availability.quiet_ms = 5000;
        config.dicom.availability.max_instances = 18;
        config.jobs.poll_ms = 20;
        config.jobs.first_delay_ms = 100;
    })
    .await
}

async fn store(server: &TestServer, numbers: std::ops::Range<u32>) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = numbers
        .map(|number| {
            let path = folder.path().join(format!("{number}.dcm"));
            small_instance(number, 64).write_to(&path);
            path
        })
        .collect();
    let dicom = server.dicom();
    let answers = tokio::task::spawn_blocking(move || send_all(dicom, &paths)).await.unwrap();
    assert!(answers.iter().all(|answer| answer.is_acknowledged()));
    drop(folder);
}

fn uids(told: &[Json]) -> Vec<&str> {
    let instances = told.iter().flat_map(|told| told["instances"].as_array().unwrap());
    instances.map(|instance| instance[2].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_study_is_told_when_nothing_of_it_has_come_for_a_while_and_again_with_what_comes_later() {
    let port = free_port();
    let receiver = Receiver::start(port, "keep");
    let server = server(port).await;
    store(&server, 0..20).await;

    let told = receiver.told_at_least(2).await;

    let expected: Vec<String> = (0..20).map(|number| small_instance(number, 64).sop_instance_uid).collect();
    assert_eq!(uids(&told), expected, "all instances, in two parts");
    assert_eq!(told[0]["instances"].as_array().unwrap().len(), 18);
    assert_eq!((&told[0]["study"], &told[0]["steps"]), (&json!("2.25.7001"), &json!(0)));
    assert_eq!(told[0]["class"], "1.2.840.10008.5.1.4.33");
    let first = json!(["2.25.7001.1", "1.2.840.10008.5.1.4.1.1.2", expected[0], "ONLINE", "YINGKU"]);
    assert_eq!(told[0]["instances"][0], first);
    assert_ne!(told[0]["uid"], told[1]["uid"]);

    store(&server, 20..21).await;
    let told = receiver.told_at_least(4).await;
    assert_eq!(uids(&told[2..4]).len(), 21, "the whole study again");
    let audited = "SELECT COUNT(*) AS n FROM audit WHERE action = 'notify_availability'";
    eventually(PATIENCE, "it is audited", || async {
        (count_rows(&server.database(), audited).await == 2).then_some(())
    })
    .await;
    let others = "SELECT COUNT(*) AS n FROM job WHERE kind = 'notify_availability' AND job_key LIKE '%RIS02'";
    assert_eq!(count_rows(&server.database(), others).await, 0, "another organisation's peer");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_refuses_or_is_away_is_told_later_with_the_same_uid() {
    let port = free_port();
    let server = server(port).await;
    store(&server, 0..2).await;
    let failed = "SELECT COUNT(*) AS n FROM job WHERE kind = 'notify_availability' AND last_error <> ''";
    eventually(PATIENCE, "nobody was there", || async {
        (count_rows(&server.database(), failed).await == 1).then_some(())
    })
    .await;

    let receiver = Receiver::start(port, "stumble");

    let told = receiver.told_at_least(2).await;
    assert_eq!((&told[0]["status"], &told[1]["status"]), (&json!(0x0110), &json!(0)));
    assert_eq!(told[0]["uid"], told[1]["uid"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_has_it_already_is_not_told_again() {
    let port = free_port();
    let receiver = Receiver::start(port, "known");
    let server = server(port).await;
    store(&server, 0..2).await;
    let done = "SELECT COUNT(*) AS n FROM job WHERE kind = 'notify_availability' AND state = 'done'";
    eventually(PATIENCE, "the job is done", || async {
        (count_rows(&server.database(), done).await == 1).then_some(())
    })
    .await;
    assert_eq!(receiver.told().len(), 1);
    server.stop().await;
}
