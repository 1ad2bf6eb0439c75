//! An upstream that does not take objects as they are stored: they wait for an operator, or go converted when that is
//! wanted; DCMTK is the upstream and says what the pixels are.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use yingku::dicom::part10;
use yingku::dimse::scu::{Association, Proposal, ScuTarget};
use yingku::integrations::front::{Confirmation, UpstreamConfig};

use super::{ae, forward_to, in_state, upstream};
use crate::harness::dataset::{CT_IMAGE, DataSet};
use crate::harness::{Package, TestServer, eventually, free_port, python_script, run, texts, tool};

const IMAGES: &str = include_str!("../dimse/images.py");
const IMPLICIT_LE: &str = "1.2.840.10008.1.2";
const VIDEO: &str = "1.2.840.10008.1.2.4.102";
/// Name, shape, DCMTK's encoder and its decoder.
const CASES: [(&str, &str, &[&str], &[&str]); 3] = [
    ("rle", "frames", &["dcmcrle"], &["dcmdrle"]),
    ("jpegls", "color", &["dcmcjpls"], &["dcmdjpls"]),
    ("deflated", "gray", &["dcmconv", "+td"], &["dcmconv", "+te"]),
];

/// DCMTK's storescp, which takes Implicit VR Little Endian only; killed at the end.
struct StoreScp {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl StoreScp {
    async fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut command = Command::new(tool("storescp", Package::Debian("dcmtk")));
        command.args(["+xi", "+B", "-od"]).arg(folder.path()).arg(port.to_string());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let scp = Self { child, port, folder };
        eventually(Duration::from_secs(120), "storescp listens", || async {
            TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        scp
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut files: Vec<String> = entries.map(|entry| entry.unwrap().path().display().to_string()).collect();
        files.sort();
        files
    }
}

impl Drop for StoreScp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dcmtk(command: &[&str], from: &str, to: &str) {
    run(Command::new(tool(command[0], Package::Debian("dcmtk"))).args(&command[1..]).args([from, to]));
}

/// Compressed images with what DCMTK decodes of them beside; the files to send.
fn images(folder: &Path) -> Vec<Vec<u8>> {
    let names = json!(CASES.map(|(name, shape, ..)| (name, shape))).to_string();
    python_script(IMAGES, &["make", folder.to_str().unwrap(), &names]);
    let made = CASES.iter().map(|(name, _, encoder, decoder)| {
        let file = |kind: &str| folder.join(format!("{name}{kind}.dcm")).display().to_string();
        dcmtk(encoder, &file(""), &file("-stored"));
        dcmtk(decoder, &file("-stored"), &file("-reference"));
        std::fs::read(file("-stored")).unwrap()
    });
    made.collect()
}

/// An object in a transfer syntax of which nothing can be decoded.
fn video(uid: &str) -> Vec<u8> {
    let mut file = part10::meta(CT_IMAGE, uid, VIDEO, "PACS01");
    file.extend(DataSet::ct(uid).encode());
    file
}

/// The run-length encoded image under another UID, with frames that are none.
fn damaged(mut file: Vec<u8>) -> Vec<u8> {
    let uid: Vec<usize> = memchr::memmem::find_iter(&file, b"2.25.50.1.1\0").collect();
    uid.into_iter().for_each(|at| file[at + 10] = b'9');
    let items: Vec<usize> = memchr::memmem::find_iter(&file, b"\xFE\xFF\x00\xE0").collect();
    // Behind the offset table; a frame begins with the number of its segments.
    items[1..].iter().for_each(|at| file[at + 8..at + 16].fill(0xFF));
    file
}

async fn send(front: &TestServer, files: &[Vec<u8>]) {
    let target = ScuTarget::new("127.0.0.1", front.dicom().port(), ae("PACS01"), ae("YINGKU"));
    for file in files {
        let meta = part10::read_meta(file).unwrap();
        let proposal = Proposal::storage(&meta.media_storage_sop_class_uid, &meta.transfer_syntax_uid);
        let mut association = Association::connect(&target, &[proposal]).await.unwrap();
        assert!(association.store(file).await.unwrap().status.is_done());
        association.release().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_upstream_takes_in_another_encoding_goes_converted_when_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_owned();
    let mut all = tokio::task::spawn_blocking(move || images(&at)).await.unwrap();
    all.push(damaged(all[0].clone()));
    all.push(video("2.25.98"));
    for convert in [false, true] {
        let scp = StoreScp::start().await;
        let front = TestServer::start_with(|config| {
            let upstream = UpstreamConfig { convert, confirm: Some(Confirmation::None), ..upstream() };
            forward_to(config, ([127, 0, 0, 1], scp.port).into(), upstream);
            assert_eq!(config.faults(), []);
        })
        .await;
        send(&front, &all).await;

        in_state(&front.database(), "parked", if convert { 2 } else { 5 }).await;
        in_state(&front.database(), "sent", if convert { 3 } else { 0 }).await;

        let reasons = texts(&front.database(), "SELECT reason AS t FROM forward WHERE state = 3 ORDER BY reason").await;
        if convert {
            assert!(reasons[0].starts_with("cannot be converted"), "{reasons:?}");
            assert!(reasons[1].contains("takes no") && reasons[1].contains(VIDEO), "{reasons:?}");
        } else {
            assert!(reasons.iter().all(|reason| reason.contains("takes no")), "{reasons:?}");
        }
        let files = scp.files();
        assert_eq!(files.len(), if convert { 3 } else { 0 });
        let pairs: Vec<_> = files
            .iter()
            .map(|file| {
                // The number in its UID says which it is.
                let number = (1..=CASES.len()).find(|number| file.contains(&format!("2.25.50.1.{number}"))).unwrap();
                let reference = folder.path().join(format!("{}-reference.dcm", CASES[number - 1].0));
                json!([file, reference, IMPLICIT_LE, 0])
            })
            .collect();
        let pairs = json!(pairs).to_string();
        let said = tokio::task::spawn_blocking(move || python_script(IMAGES, &["compare", &pairs])).await.unwrap();
        assert_eq!(said.trim(), "[]");
        front.stop().await;
    }
}
