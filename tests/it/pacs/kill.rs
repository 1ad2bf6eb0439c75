//! A kill -9 in the middle of a retrieval loses nothing and doubles nothing.

use yingku::index::{DatabaseConfig, Error};

use super::peer::Pacs;
use super::{Images, PATIENCE, open, peer, register, until, until_complete};
use crate::harness::{Gate, Limit, ServerProcess, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_it_fetches_completes_after_its_restart() {
    let mut pacs = Pacs::to_be();
    let more = format!(
        "\n[[peer]]\nae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\nretrieve = 'get'\n\
         [jobs]\nlease_ms = 5000\npoll_ms = 50\n\
         [retrieve]\nfirst_delay_ms = 200\ndelay_factor = 1.0\nstable_ms = 0\n",
        pacs.port
    );
    let mut server = ServerProcess::start_with(&more).await;
    let images = Images::new(60, 64 * 1024);
    pacs.start_python(server.dicom().port(), images.folder(), "halting");

    register(server.http(), &[]).await;
    eventually(PATIENCE, "some images are here", || async { (server.stored().await.count() > 5).then_some(()) }).await;
    server.kill();
    pacs.go_on();
    assert!(server.stored().await.count() < 60, "the kill came in the middle");

    server.start_again(Limit::None).await;
    let url = format!("sqlite://{}/yingku.db", server.folder().display());
    let index = open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await;
    let standing = until_complete(&index).await;
    assert_eq!((standing.expected, standing.held), (Some(60), 60));
    images.assert_are_all_in(&server.stored().await);
    for table in ["SELECT id FROM instance_version", "SELECT id FROM conflict"] {
        assert_eq!(index.query(table, Vec::new()).await.unwrap().len(), 0, "{table}");
    }
    let jobs = index.query("SELECT id FROM job WHERE kind = 'retrieve_exam'", Vec::new()).await.unwrap();
    assert_eq!(jobs.len(), 1);
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_dcmqrscp_sends_to_it_completes_after_its_restart() {
    let mut pacs = Pacs::to_be();
    let more = format!(
        "\n[[peer]]\nae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\nretrieve = 'move'\n\
         [jobs]\nlease_ms = 5000\npoll_ms = 50\n\
         [retrieve]\nfirst_delay_ms = 200\ndelay_factor = 1.0\nstable_ms = 0\n",
        pacs.port
    );
    let mut server = ServerProcess::start_with(&more).await;
    let images = Images::new(60, 400 * 1024);
    let gate = Gate::before(server.dicom()).await;
    pacs.start_dcmqrscp(gate.address().port(), images.folder());
    gate.let_through(20 * 400 * 1024);

    register(server.http(), &[]).await;
    eventually(PATIENCE, "some images are here", || async { (server.stored().await.count() > 5).then_some(()) }).await;
    server.kill();
    assert!(server.stored().await.count() < 60, "the kill came in the middle");
    gate.open();

    server.start_again(Limit::None).await;
    let index = open(&server.database()).await;
    let standing = until_complete(&index).await;
    assert_eq!((standing.expected, standing.held), (Some(60), 60));
    images.assert_are_all_in(&server.stored().await);
    for table in ["SELECT id FROM instance_version", "SELECT id FROM conflict"] {
        assert_eq!(index.query(table, Vec::new()).await.unwrap().len(), 0, "{table}");
    }
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exam_whose_job_is_given_up_is_not_left_waiting_and_can_be_run_again() {
    // Given an exam of which nothing is to be had today.
    let pacs = Pacs::to_be();
    let server = crate::harness::TestServer::start_with(|config| {
        super::impatient(config, peer(pacs.port, "retrieve = 'get'"));
        config.retrieve.first_delay_ms = 86_400_000;
    })
    .await;
    register(server.http(), &[]).await;
    let index = open(&server.config().database).await;
    until(&index, "it was tried", |standing| standing.checks == 1).await;

    // When every worker that took its job was lost.
    let lost = index.write(|tx| {
        let sql = "UPDATE job SET attempts = 1000, run_at = 0 WHERE kind = 'retrieve_exam' AND state = 'ready'";
        Box::pin(async move { tx.execute(sql, Vec::new()).await as Result<u64, Error> })
    });
    eventually(PATIENCE, "the job waits for its time", || async {
        let ready = "SELECT id FROM job WHERE kind = 'retrieve_exam' AND state = 'ready'";
        (index.query(ready, Vec::new()).await.unwrap().len() == 1).then_some(())
    })
    .await;
    assert_eq!(lost.await.unwrap(), 1);

    let standing = until(&index, "it is given up", |standing| standing.state == "given_up").await;
    assert!(standing.error.contains("every worker that took the job was lost"), "{}", standing.error);
    register(server.http(), &[("last_update_dtime", "2024/3/24 0:00:00")]).await;
    until(&index, "it is looked for again", |standing| standing.state == "waiting" && standing.checks == 1).await;
    server.stop().await;
}
