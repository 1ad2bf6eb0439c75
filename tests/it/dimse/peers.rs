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
async fn storescu_sends_in_the_transfer_syntaxes_of_its_peer_only() {
    let (explicit, implicit) = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2");
    let peers = [
        &format!(
            "ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'\ntransfer_syntaxes = ['{explicit}']"
        ),
        "ae_title = 'PACS02'\nhost = '127.0.0.1'\norganization = 'ORG-T01'\ntransfer_syntaxes = ['1.2.840.10008.1.2.4.70']",
    ];
    let listener = TestListener::start_with_peers(yingku::dimse::DicomConfig::default(), &peers).await;
    let folder = tempfile::tempdir().unwrap();
    let port = listener.address.port().to_string();
    let send = async |calling: &str, option: &str, number: u32| {
        let path = folder.path().join(format!("{number}.dcm"));
        std::fs::write(&path, ct_file(&format!("2.25.{number}"))).unwrap();
        let arguments = [option, "-aet", calling, "-aec", "YINGKU", "127.0.0.1", &port, path.to_str().unwrap()];
        dcmtk("storescu", &arguments).await
    };

    for (calling, option, number, is_taken) in [
        // Only implicit is offered.
        ("PACS01", "-xi", 1, false),
        // All uncompressed ones are offered.
        ("PACS01", "-xe", 2, true),
        ("PACS01", "-x=", 3, true),
        // Nothing compressed is offered.
        ("PACS02", "-xe", 4, false),
    ] {
        let sent = send(calling, option, number).await;
        assert_eq!(sent.status.success(), is_taken, "{calling} {option}: {}", said(&sent));
    }

    let kept =
        listener.rows("SELECT sop_instance_uid, transfer_syntax_uid FROM instance ORDER BY sop_instance_uid").await;
    let kept: Vec<(String, String)> = kept
        .iter()
        .map(|row| (row.text("sop_instance_uid").unwrap(), row.text("transfer_syntax_uid").unwrap()))
        .collect();
    let expected = ["2.25.2", "2.25.3"].map(|uid| (uid.to_owned(), explicit.to_owned()));
    assert_eq!(kept, expected, "never {implicit}");

    // A compressed image comes as it is to whom takes it.
    let exams = yingku::demo::exams(1_790_000_000_000);
    let ct = exams.iter().find(|exam| exam.kind == yingku::demo::Kind::CtWithFilm).unwrap();
    let (plain, lossless) = (folder.path().join("plain.dcm"), folder.path().join("lossless.dcm"));
    std::fs::write(&plain, yingku::demo::object(ct, 1).unwrap().to_file()).unwrap();
    let compressed = dcmtk("dcmcjpeg", &[plain.to_str().unwrap(), lossless.to_str().unwrap()]).await;
    assert!(compressed.status.success(), "{}", said(&compressed));
    let arguments = ["-xs", "-aet", "PACS02", "-aec", "YINGKU", "127.0.0.1", &port, lossless.to_str().unwrap()];
    let sent = dcmtk("storescu", &arguments).await;
    assert!(sent.status.success(), "{}", said(&sent));
    let jpeg = "SELECT id FROM instance WHERE transfer_syntax_uid = '1.2.840.10008.1.2.4.70'";
    assert_eq!(listener.rows(jpeg).await.len(), 1);
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
