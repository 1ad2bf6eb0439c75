//! DCMTK's tools as peers.

use std::process::{Command, Output};

use super::{TestListener, ct_file};
use crate::harness::{Package, tool};

pub(super) async fn dcmtk(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(tool(name, Package::Debian("dcmtk")));
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub(super) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echoscu_is_answered_and_strangers_are_told_why_not() {
    let listener = TestListener::start().await;
    let port = listener.address.port().to_string();

    let known = dcmtk("echoscu", &["-aet", "PACS01", "-aec", "YINGKU", "127.0.0.1", &port]).await;
    assert!(known.status.success(), "{}", said(&known));

    let stranger = dcmtk("echoscu", &["-aet", "STRANGER", "-aec", "YINGKU", "127.0.0.1", &port]).await;
    assert!(said(&stranger).contains("Calling AE Title Not Recognized"), "{}", said(&stranger));

    let elsewhere = dcmtk("echoscu", &["-aet", "PACS01", "-aec", "OTHER", "127.0.0.1", &port]).await;
    assert!(said(&elsewhere).contains("Called AE Title Not Recognized"), "{}", said(&elsewhere));
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storescu_sends_a_folder_and_every_data_set_is_kept() {
    let listener = TestListener::start().await;
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=20 {
        std::fs::write(folder.path().join(format!("{number}.dcm")), ct_file(&format!("2.25.{number}"))).unwrap();
    }
    let port = listener.address.port().to_string();
    let path = folder.path().to_str().unwrap();

    let sent = dcmtk("storescu", &["+sd", "-xe", "-aet", "PACS01", "-aec", "YINGKU", "127.0.0.1", &port, path]).await;

    assert!(sent.status.success(), "{}", said(&sent));
    assert_eq!(listener.rows("SELECT id FROM instance").await.len(), 20);
    for number in 1..=20 {
        let uid = format!("2.25.{number}");
        let kept = listener.data_set(&uid).await.unwrap();
        assert_eq!(kept, crate::harness::dataset::DataSet::ct(&uid).encode());
    }
    listener.stop().await;
}
