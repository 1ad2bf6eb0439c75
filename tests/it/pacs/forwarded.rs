//! A front that fetches: what comes from the PACS goes on to the upstream archive, and its bytes go here after that one's
//! promise, not before.

use std::path::Path;

use super::peer::Pacs;
use super::{Images, PATIENCE, impatient, open, peer, register, until_complete};
use crate::front::{forward_to, in_state, upstream};
use crate::harness::{Limit, ServerProcess, TestServer, count_rows, eventually, free_port, texts};

const OFFLINE: &str = "SELECT COUNT(*) AS n FROM instance WHERE offline_at IS NOT NULL";
/// Larger than what goes into segments.
const LARGE: usize = 5 * 1024 * 1024;

async fn what_was_fetched_is_forwarded_and_purged(method: &str) {
    // Given an upstream that takes everything and may not be asked for commitment,
    let front_port = free_port();
    let caller = format!(
        "\n[[peer]]\nae_title = 'YINGKU'\nhost = '127.0.0.1'\nport = {front_port}\norganization = 'ORG-T01'\n\
         services = ['echo', 'store']\n"
    );
    let title = [("YINGKU__DICOM__AE_TITLE", Path::new("UPSTREAM"))];
    let mut region = ServerProcess::start_with_environment(&caller, &title).await;
    // and a front of it that fetches from a PACS and keeps nothing that is promised.
    let mut pacs = Pacs::to_be();
    let front = TestServer::start_with(|config| {
        impatient(config, peer(pacs.port, &format!("retrieve = '{method}'")));
        forward_to(config, region.dicom(), upstream());
        config.dicom.listen = ([127, 0, 0, 1], front_port).into();
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let mut images = Images::new(10, 2048);
    (0..2).for_each(|_| images.add(LARGE));
    pacs.start_python(front_port, images.folder(), "honest");

    // When a report is registered, all is fetched and arrives upstream;
    register(front.http(), &[]).await;
    let index = open(&front.config().database).await;
    assert_eq!(until_complete(&index).await.held, 12);
    in_state(&front.database(), "sent", 12).await;
    images.assert_are_all_in(&region.stored().await);
    // without a promise nothing goes, however often the purge comes by.
    let reasons = "SELECT COUNT(*) AS n FROM forward WHERE state = 1 AND reason <> ''";
    eventually(PATIENCE, "commitment was asked for in vain", || async {
        (count_rows(&front.database(), reasons).await == 12).then_some(())
    })
    .await;
    let lease = "SELECT CAST(lease_until AS TEXT) AS t FROM work_lease WHERE name = 'purge_forwarded'";
    let seen = texts(&front.database(), lease).await;
    eventually(PATIENCE, "the purge has come by", || async {
        (texts(&front.database(), lease).await != seen).then_some(())
    })
    .await;
    assert_eq!(count_rows(&front.database(), OFFLINE).await, 0);
    images.assert_are_all_of(&front).await;

    // When the upstream may promise, it does, and the bytes go;
    assert!(region.terminate().await.success());
    let path = region.folder().join("yingku.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("services = ['echo', 'store']", "")).unwrap();
    region.start_again(Limit::None).await;
    in_state(&front.database(), "purged", 12).await;
    assert_eq!(count_rows(&front.database(), OFFLINE).await, 12);
    images.assert_are_all_in(&region.stored().await);

    // and they are not fetched again: they are known to be kept.
    let asked = || pacs.calls().iter().filter(|call| call.starts_with("FIND")).count();
    let fetched = || pacs.calls().iter().filter(|call| call.starts_with("GET") || call.starts_with("MOVE")).count();
    let (asked_before, fetched_before) = (asked(), fetched());
    register(front.http(), &[("last_update_dtime", "2024/3/24 0:00:00"), ("conclusion", "另")]).await;
    assert_eq!(until_complete(&index).await.held, 12);
    assert!(asked() > asked_before, "the PACS was asked again");
    assert_eq!((fetched(), count_rows(&front.database(), OFFLINE).await), (fetched_before, 12));
    front.stop().await;
    assert!(region.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_c_get_brings_is_forwarded_and_purged_after_commitment_only() {
    what_was_fetched_is_forwarded_and_purged("get").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_c_move_brings_is_forwarded_and_purged_after_commitment_only() {
    what_was_fetched_is_forwarded_and_purged("move").await;
}
