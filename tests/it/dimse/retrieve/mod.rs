//! C-MOVE and C-GET by DCMTK and pynetdicom: as stored, converted, refused, cancelled, broken.

mod by_get;
mod by_move;
mod conversion;
mod crashes;
mod hostile;
mod large;
mod many;
mod offline;
mod orthanc;
mod parallel;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use yingku::dimse::DicomConfig;
use yingku::dimse::scu::{Association, Proposal};

use super::{TestListener, file_of, target};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{Package, data_set_of, eventually, free_port, python, python_script, run, tool};

const IMPLICIT_LE: &str = "1.2.840.10008.1.2";
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Four instances in two series of study 2.25.1, one of study 2.25.2 with the same patient, one of another hospital.
async fn world(destinations: &[(&str, u16)]) -> TestListener {
    world_with(DicomConfig::default(), destinations).await
}

async fn world_with(config: DicomConfig, destinations: &[(&str, u16)]) -> TestListener {
    let config = DicomConfig { listen: ([127, 0, 0, 1], 0).into(), ..config };
    world_at(config, destinations).await
}

/// The same at an address that the test has chosen.
async fn world_at(config: DicomConfig, destinations: &[(&str, u16)]) -> TestListener {
    let mut peers = vec![
        "ae_title = 'PACS01'\nhost = '127.0.0.1'\nport = 1\norganization = 'ORG-T01'".to_owned(),
        "ae_title = 'PACS02'\nhost = '127.0.0.1'\nport = 1\norganization = 'ORG-T02'".to_owned(),
        "ae_title = 'REGION'\nhost = '127.0.0.1'\nport = 1\norganization = 'ORG-T09'\nquery_organizations = ['ORG-T01', 'ORG-T02']"
            .to_owned(),
    ];
    for (title, port) in destinations {
        peers.push(format!("ae_title = '{title}'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'"));
    }
    let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
    let listener = TestListener::start_at(config, &peers).await;
    for (calling, uid) in [
        ("PACS01", "2.25.1.1.1"),
        ("PACS01", "2.25.1.1.2"),
        ("PACS01", "2.25.1.2.1"),
        ("PACS01", "2.25.1.2.2"),
        ("PACS01", "2.25.2.1.1"),
        ("PACS02", "2.25.3.1.1"),
    ] {
        let target = target(listener.address, calling, "YINGKU");
        let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE)];
        let mut association = Association::connect(&target, &proposals).await.unwrap();
        let answer = association.store(&file_of(uid, &data_set(uid))).await.unwrap();
        assert!(answer.status.is_done(), "{answer:?}");
        association.release().await.unwrap();
    }
    listener
}

/// The data set of an instance whose study and series are in its UID.
fn data_set(uid: &str) -> Vec<u8> {
    let (series, number) = uid.rsplit_once('.').unwrap();
    let (study, _) = series.rsplit_once('.').unwrap();
    let mut set = DataSet::ct(uid);
    set.text(0x0020_000D, "UI", study).text(0x0020_000E, "UI", series).text(0x0020_0013, "IS", number);
    set.bytes(0x0028_0002, "US", &[1, 0]).text(0x0028_0004, "CS", "MONOCHROME2");
    set.bytes(0x0028_0100, "US", &[16, 0]).bytes(0x0028_0101, "US", &[12, 0]).bytes(0x0028_0102, "US", &[11, 0]);
    set.bytes(0x0028_0103, "US", &[0, 0]);
    set.encode()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks with pynetdicom.
async fn ask(listener: &TestListener, job: Json) -> Json {
    let mut job = job;
    job["port"] = listener.address.port().into();
    let job = job.to_string();
    let said = tokio::task::spawn_blocking(move || python_script(include_str!("../retrieve_peer.py"), &[&job]));
    serde_json::from_str(&said.await.unwrap()).unwrap()
}

/// A job that asks for instances of a level.
fn asking(verb: &str, level: &str, keys: &[(&str, &str)]) -> Json {
    let mut all = vec![json!(["QueryRetrieveLevel", level])];
    all.extend(keys.iter().map(|(keyword, value)| json!([keyword, value])));
    json!({ "verb": verb, "keys": all, "destination": "ARCHIVE", "contexts": [[CT_IMAGE, [EXPLICIT_LE]]] })
}

fn received(answer: &Json) -> Vec<&str> {
    let mut uids: Vec<&str> =
        answer["received"].as_array().unwrap().iter().map(|one| one["uid"].as_str().unwrap()).collect();
    uids.sort_unstable();
    uids
}

/// A destination made with pynetdicom.
struct Destination {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
}

impl Destination {
    fn start(port: u16, job: Json) -> Self {
        let mut job = job;
        job["verb"] = "receive".into();
        job["port"] = port.into();
        job["title"] = "ARCHIVE".into();
        if job["contexts"].is_null() {
            job["contexts"] = json!([[CT_IMAGE, [EXPLICIT_LE]]]);
        }
        let mut child = Command::new(python())
            .args(["-c", include_str!("../retrieve_peer.py"), &job.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "listening");
        Self { child, input, output }
    }

    /// Stops it and gives what it has received.
    async fn end(mut self) -> Json {
        self.input.take();
        tokio::task::spawn_blocking(move || {
            let mut said = String::new();
            self.output.read_to_string(&mut said).unwrap();
            serde_json::from_str(&said).unwrap()
        })
        .await
        .unwrap()
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that ends with its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until somebody listens there.
async fn listening(port: u16) {
    eventually(Duration::from_secs(120), "somebody listens", || async move {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
}

/// Runs one of DCMTK's tools; gives what it said.
async fn dcmtk(name: &str, arguments: &[&str]) -> String {
    dcmtk_in(&std::env::temp_dir(), name, arguments).await
}

/// The same in a folder.
async fn dcmtk_in(folder: &Path, name: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(tool(name, Package::Debian("dcmtk")));
    command.args(arguments).current_dir(folder);
    let output = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The data sets of the files in a folder, by the last parts of their names in order.
fn data_sets_in(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| data_set_of(&std::fs::read(file).unwrap()).to_vec()).collect()
}

/// A folder's data sets are those of the instances, in any order.
fn assert_holds(folder: &Path, uids: &[&str]) {
    let mut found = data_sets_in(folder);
    let mut expected: Vec<Vec<u8>> = uids.iter().map(|uid| data_set(uid)).collect();
    found.sort();
    expected.sort();
    assert!(found == expected, "{} files, {} expected, or other bytes", found.len(), expected.len());
}
