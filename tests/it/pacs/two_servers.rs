//! Two servers on one PostgreSQL and one store: an exam is fetched by one of them, and by the other when that one dies.

use super::peer::Pacs;
use super::{Images, PATIENCE, open, register, until_complete};
use crate::harness::{ServerProcess, StoredInstances, TestDatabase, eventually, http_get};

/// Associations that a server has opened and not ended.
fn calling(server: &ServerProcess) -> f64 {
    let (_, metrics) = http_get(server.http(), "/metrics").unwrap_or_default();
    let line = metrics.lines().find_map(|line| line.strip_prefix("yingku_dimse_scu_associations "));
    line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_servers_fetches_and_the_other_takes_over_when_it_is_killed() {
    let database = TestDatabase::postgres().config();
    let store = tempfile::tempdir().unwrap();
    let mut pacs = Pacs::to_be();
    let more = format!(
        "\n[[peer]]\nae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\nretrieve = 'get'\n\
         [jobs]\nlease_ms = 5000\npoll_ms = 50\n\
         [retrieve]\nfirst_delay_ms = 200\ndelay_factor = 1.0\nstable_ms = 0\n",
        pacs.port
    );
    let mut servers = vec![
        ServerProcess::start_sharing(&database, store.path(), &more).await,
        ServerProcess::start_sharing(&database, store.path(), &more).await,
    ];
    let images = Images::new(60, 16 * 1024);
    pacs.start_python(servers[0].dicom().port(), images.folder(), "halting");
    let stored = || StoredInstances::read(&database.url, store.path());

    register(servers[0].http(), &[]).await;
    eventually(PATIENCE, "some images are here", || async { (stored().await.count() > 5).then_some(()) }).await;
    let fetching: Vec<f64> = servers.iter().map(calling).collect();
    assert_eq!(fetching.iter().sum::<f64>(), 1.0, "one of them fetches: {fetching:?}");
    let gets = || pacs.calls().iter().filter(|call| call.starts_with("GET")).count();
    assert_eq!(gets(), 1);
    let mut killed = servers.remove(if fetching[0] == 1.0 { 0 } else { 1 });
    killed.kill();
    assert!(stored().await.count() < 60, "the kill came in the middle");
    pacs.go_on();

    let index = open(&database).await;
    let standing = until_complete(&index).await;

    assert_eq!((standing.expected, standing.held), (Some(60), 60));
    images.assert_are_all_in(&stored().await);
    assert!((2..=5).contains(&gets()), "once more for each series that missed something: {}", gets());
    for table in ["SELECT id FROM instance_version", "SELECT id FROM conflict"] {
        assert_eq!(index.query(table, Vec::new()).await.unwrap().len(), 0, "{table}");
    }
    let mut left = servers.remove(0);
    let ended = || async { (calling(&left) == 0.0).then_some(()) };
    eventually(PATIENCE, "its associations have ended", ended).await;
    assert!(left.terminate().await.success());
}
