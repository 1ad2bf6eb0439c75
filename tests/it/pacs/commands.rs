//! `yingku retrieve list|show|run`, and what `/metrics` tells.

use super::peer::Pacs;
use super::{Images, open, register, until, until_complete};
use crate::harness::{ServerProcess, eventually, http_get};
use yingku::index::DatabaseConfig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_how_far_it_is_and_runs_it_again() {
    let mut pacs = Pacs::to_be();
    let more = format!(
        "\n[[peer]]\nae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\nretrieve = 'move'\n\
         [jobs]\npoll_ms = 50\n[retrieve]\nfirst_delay_ms = 86400000\nstable_ms = 0\n",
        pacs.port
    );
    let server = ServerProcess::start_with(&more).await;
    let images = Images::new(3, 2048);
    let url = format!("sqlite://{}/yingku.db", server.folder().display());
    let index = open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await;
    register(server.http(), &[]).await;
    until(&index, "it was tried in vain", |standing| standing.checks == 1).await;
    let said = |arguments: &[&str]| {
        let output = server.command(arguments);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };

    let (done, list) = said(&["retrieve", "list", "--state", "waiting"]);
    assert!(done && list.contains("ORG-T01  waiting  0 of ? instance(s)") && list.contains("QRSCP: "), "{list}");
    pacs.start_dcmqrscp(server.dicom().port(), images.folder());
    let (done, run) = said(&["retrieve", "run", "A0001"]);
    assert!(done && run.contains("requested"), "{run}");
    let exam = run.split([' ', ':']).nth(1).unwrap().to_owned();
    until(&index, "all images", |standing| standing.held == 3).await;
    let (done, _) = said(&["retrieve", "run", &exam]);
    assert!(done);
    until_complete(&index).await;
    let (done, show) = said(&["retrieve", "show", &exam]);
    assert!(done && show.contains("complete") && show.contains("3 held of 3 expected, 3 fetched"), "{show}");
    assert!(!said(&["retrieve", "show", "A9999"]).0 && !said(&["retrieve", "run", "A9999"]).0);

    eventually(super::PATIENCE, "the counters tell", || async {
        let (_, metrics) = http_get(server.http(), "/metrics")?;
        let told = metrics.contains("yingku_retrieve_instances_total 3")
            && metrics.contains(r#"yingku_retrieve_checks_total{outcome="complete"} 2"#);
        told.then_some(())
    })
    .await;
}
