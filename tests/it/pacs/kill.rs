//! A kill -9 in the middle of a retrieval loses nothing and doubles nothing.

use std::time::Duration;

use yingku::index::DatabaseConfig;

use super::peer::Pacs;
use super::{Images, open, register, until_complete};
use crate::harness::{Limit, ServerProcess, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_it_fetches_completes_after_its_restart() {
    let mut pacs = Pacs::to_be();
    let more = format!(
        "\n[[peer]]\nae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\nretrieve = 'get'\n\
         [jobs]\nlease_ms = 1500\npoll_ms = 50\n\
         [retrieve]\nfirst_delay_ms = 200\ndelay_factor = 1.0\nstable_ms = 0\n",
        pacs.port
    );
    let mut server = ServerProcess::start_with(&more).await;
    let images = Images::new(60, 64 * 1024);
    pacs.start_python(server.dicom().port(), images.folder(), "slow");

    register(server.http(), &[]).await;
    let some = eventually(Duration::from_secs(30), "some images are here", || async {
        Some(server.stored().await.count()).filter(|count| *count > 5)
    })
    .await;
    server.kill();
    assert!(some < 60, "the kill came in the middle");

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
