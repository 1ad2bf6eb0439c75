//! A PACS that asks who we are (user identity negotiation): user name and passcode, from a file, confirmed or not.

use super::peer::Pacs;
use super::{Images, Standing, open, register, until};
use crate::harness::ServerProcess;

/// How the only exam stands after the first look with these settings, at a PACS with this behaviour; and what it heard.
async fn looked(behaviour: &str, passcode: &str, settings: &str) -> (Standing, Vec<String>) {
    let mut pacs = Pacs::to_be();
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("passcode");
    std::fs::write(&file, format!("{passcode}\n")).unwrap();
    let more = format!(
        "\n[[peer]]\nae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\nretrieve = 'get'\n\
         [peer.scu]\nuser = 'archive'\npasscode_file = '{}'\n{settings}\n\
         [jobs]\npoll_ms = 50\n[retrieve]\nfirst_delay_ms = 200\ndelay_factor = 1.0\nstable_ms = 0\n",
        pacs.port,
        file.display()
    );
    let mut server = ServerProcess::start_with(&more).await;
    let images = Images::new(3, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), behaviour);
    register(server.http(), &[]).await;
    let index = open(&server.database()).await;
    let standing = until(&index, "it was looked at", |standing| {
        standing.state == "complete" || (standing.checks > 0 && !standing.error.is_empty())
    })
    .await;
    assert_eq!(server.stored().await.count(), if standing.state == "complete" { 3 } else { 0 });
    assert!(!server.log().contains(passcode), "a passcode is not logged");
    assert!(server.terminate().await.success());
    (standing, pacs.calls())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pacs_that_checks_it_is_shown_the_passcode_of_its_file_and_confirms() {
    let (standing, calls) = looked("identity", "synthetic-code", "user_confirmed = true").await;
    assert_eq!((standing.state.as_str(), standing.held), ("complete", 3));
    assert!(calls.iter().any(|call| call == "USER 2 True True"), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_passcode_is_rejected_and_the_operator_reads_so() {
    let (standing, calls) = looked("identity", "synthetic-codf", "").await;
    assert!(standing.error.contains("association rejected"), "{}", standing.error);
    assert!(calls.iter().any(|call| call == "USER 2 False False"), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_that_does_not_check_is_used_unless_it_must_confirm() {
    let (standing, _) = looked("honest", "synthetic-code", "").await;
    assert_eq!(standing.state, "complete");
    let (standing, _) = looked("honest", "synthetic-code", "user_confirmed = true").await;
    assert!(standing.error.contains("did not confirm the user"), "{}", standing.error);
}
