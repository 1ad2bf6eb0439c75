//! A running server reads its configuration again (SIGHUP).

use std::process::Command;
use std::time::Duration;

use crate::harness::{Package, ServerProcess, eventually, tool};

const CITY: &str = "synthetic-city-key-0002";

/// A peer and a client that the server was not started with.
const NEWCOMERS: &str = "
[[peer]]
ae_title = 'MODALITY9'
host = '127.0.0.1'
port = 11119
organization = 'ORG-T01'

[[client]]
id = 'city'
key = 'synthetic-city-key-0002'
api = 'query'
";

/// Whether C-ECHO under this title is answered.
async fn is_known(server: &ServerProcess, title: &str) -> bool {
    let mut command = Command::new(tool("echoscu", Package::Debian("dcmtk")));
    command.args(["-aet", title, "-aec", "YINGKU", "127.0.0.1"]).arg(server.dicom().port().to_string());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap().status.success()
}

/// The status with which a search under the city's key is answered.
async fn asked(server: &ServerProcess) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/v1/reports?card_no=C00000001", server.http());
    client.get(url).bearer_auth(CITY).send().await.unwrap().status().as_u16()
}

/// The line of the log with these words.
async fn said(server: &ServerProcess, words: &str) -> String {
    eventually(Duration::from_secs(120), words, || async {
        let log = server.log();
        log.lines().find(|line| line.contains(words)).map(str::to_owned)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_call_follows_the_configuration_and_all_else_waits_for_a_restart() {
    let mut server = ServerProcess::start().await;
    assert!(!is_known(&server, "MODALITY9").await);
    assert_ne!(asked(&server).await, 200);

    server.append_config(NEWCOMERS);
    server.append_config("\n[jobs]\nworkers = 9\n");
    server.hang_up();

    eventually(Duration::from_secs(120), "the new peer is known", || async {
        is_known(&server, "MODALITY9").await.then_some(())
    })
    .await;
    eventually(Duration::from_secs(120), "the new client is known", || async {
        (asked(&server).await == 200).then_some(())
    })
    .await;
    assert!(is_known(&server, "PACS01").await, "who was known before is still");
    assert!(said(&server, "needs a restart").await.contains("jobs"));
    assert!(server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_configuration_changes_nothing() {
    let mut server = ServerProcess::start().await;
    server.append_config(NEWCOMERS);
    server.append_config("\n[[peer]]\nae_title = 'LOST'\nhost = '127.0.0.1'\norganization = 'ORG-T99'\n");

    server.hang_up();

    said(&server, "was not taken over").await;
    assert!(server.log().contains("ORG-T99"));
    assert!(!is_known(&server, "MODALITY9").await);
    assert_ne!(asked(&server).await, 200);
    assert!(is_known(&server, "PACS01").await);
    assert!(server.terminate().await.success());
}
