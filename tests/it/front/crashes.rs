//! Upstreams that die, refuse, or are away; a front that is killed: everything arrives in the end, once and unchanged.

use std::time::Duration;

use super::{ae, archive, files, forward_to, in_state, section, upstream};
use crate::archive::sender::send_all;
use crate::harness::dataset::{DataSet, EXPLICIT_LE};
use crate::harness::{
    Limit, ServerProcess, TestServer, count_rows, data_set_of, eventually, free_port, small_instance,
};

const ALL: &str = "SELECT COUNT(*) AS n FROM instance";
const PIXELS: usize = 60_000;
const FILES: u32 = 40;

/// Slow enough that a kill comes in the middle: 2.4 MB at 400 kB/s.
const SLOWLY: &str = "bytes_per_second = 400000\nassociations = 3\nbatch_instances = 10";

async fn arrive(database: &yingku::index::DatabaseConfig, at_least: i64) {
    let what = format!("{at_least} instances arrive");
    eventually(Duration::from_secs(60), &what, || async {
        (count_rows(database, ALL).await >= at_least).then_some(())
    })
    .await;
}

fn check(stored: &crate::harness::StoredInstances) {
    assert_eq!(stored.count(), FILES as usize);
    for number in 0..FILES {
        let sent = small_instance(number, PIXELS);
        assert!(stored.data_set(&sent.sop_instance_uid).as_deref() == Some(data_set_of(&sent.bytes())), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_that_is_killed_goes_on_where_it_was() {
    let region = archive().await;
    let mut front = ServerProcess::start_with(&section(region.dicom().port(), SLOWLY)).await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..FILES, PIXELS);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    for number in [8, 20] {
        arrive(&region.database(), number).await;
        front.kill();
        assert!(count_rows(&region.database(), ALL).await < i64::from(FILES), "the kill came in the middle");
        front.start_again(Limit::None).await;
    }
    in_state(&front.database(), "confirmed", i64::from(FILES)).await;
    check(&region.stored().await);
    assert!(front.terminate().await.success());
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_dies_in_the_middle_gets_the_rest_later() {
    let port = free_port();
    let more = format!("\n[[peer]]\nae_title = 'FRONT'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n");
    let mut region = ServerProcess::start_with(&more).await;
    let address = region.dicom();
    let front = TestServer::start_with(|config| {
        config.dicom.ae_title = ae("FRONT");
        config.dicom.listen = ([127, 0, 0, 1], port).into();
        // A request whose report dies with the upstream is made again.
        config.dicom.commitment.report_timeout_ms = 3000;
        forward_to(
            config,
            address,
            yingku::integrations::front::UpstreamConfig {
                bytes_per_second: 400_000,
                batch_instances: 10,
                ..upstream()
            },
        );
        // The upstream is a server with the title of all test servers.
        config.peer.last_mut().unwrap().ae_title = ae("YINGKU");
        config.upstream[0].peer = "YINGKU".to_owned();
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    put_all(&front, &files(folder.path(), 0..FILES, PIXELS)).await;
    for number in [8, 20] {
        arrive(&region.database(), number).await;
        region.kill();
        assert!(count_rows(&region.database(), ALL).await < i64::from(FILES), "the kill came in the middle");
        region.start_again(Limit::None).await;
    }
    in_state(&front.database(), "confirmed", i64::from(FILES)).await;
    check(&region.stored().await);
    front.stop().await;
    assert!(region.terminate().await.success());
}

/// Sends files to a front that is called FRONT.
async fn put_all(front: &TestServer, paths: &[std::path::PathBuf]) {
    use yingku::dimse::scu::{Association, Proposal, ScuTarget};
    let target = ScuTarget::new("127.0.0.1", front.dicom().port(), ae("PACS01"), ae("FRONT"));
    let proposal = Proposal::storage(crate::harness::dataset::CT_IMAGE, EXPLICIT_LE);
    let mut association = Association::connect(&target, &[proposal]).await.unwrap();
    for path in paths {
        let answer = association.store(&std::fs::read(path).unwrap()).await.unwrap();
        assert!(answer.status.is_done(), "{}", answer.status);
    }
    association.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_away_is_waited_for_and_what_it_refuses_is_parked_with_the_reason() {
    let port = free_port();
    let mut front = ServerProcess::start_with(&section(port, "max_attempts = 100")).await;
    let folder = tempfile::tempdir().unwrap();
    let mut paths = files(folder.path(), 0..3, 64);
    // A private class, which the upstream below does not take.
    let class = "1.2.3.4.5.6.7";
    let mut set = DataSet::ct("2.25.99");
    set.text(0x0008_0016, "UI", class);
    let mut file = yingku::dicom::part10::meta(class, "2.25.99", EXPLICIT_LE, "");
    file.extend(set.encode());
    let private = folder.path().join("private.dcm");
    std::fs::write(&private, file).unwrap();
    paths.push(private);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    eventually(Duration::from_secs(30), "the front has tried", || async {
        front.log().contains("does not take instances").then_some(())
    })
    .await;
    in_state(&front.database(), "waiting", 4).await;

    let region = TestServer::start_with(|config| {
        config.dicom.listen = ([127, 0, 0, 1], port).into();
        // A request whose report dies with the upstream is made again.
        config.dicom.commitment.report_timeout_ms = 3000;
        config.dicom.ae_title = ae("UPSTREAM");
        config.dicom.accept_private_sop_classes = false;
        config.peer[0].ae_title = ae("YINGKU");
    })
    .await;
    in_state(&front.database(), "confirmed", 3).await;
    in_state(&front.database(), "parked", 1).await;
    let status = String::from_utf8(front.command(&["forward", "status"]).stdout).unwrap();
    assert!(status.contains("2.25.99: the upstream takes no 1.2.3.4.5.6.7"), "{status}");
    region.stop().await;

    // An operator has settled it with the upstream.
    let region = TestServer::start_with(|config| {
        config.dicom.listen = ([127, 0, 0, 1], port).into();
        // A request whose report dies with the upstream is made again.
        config.dicom.commitment.report_timeout_ms = 3000;
        config.dicom.ae_title = ae("UPSTREAM");
        config.peer[0].ae_title = ae("YINGKU");
    })
    .await;
    let retried = front.command(&["forward", "retry"]);
    assert!(String::from_utf8_lossy(&retried.stdout).contains("1 instance(s)"));
    in_state(&front.database(), "confirmed", 4).await;
    assert_eq!(region.stored().await.count(), 1);

    // An upstream that is new gets what is here already.
    assert!(front.terminate().await.success());
    let added = front.command(&["forward", "add"]);
    assert!(String::from_utf8_lossy(&added.stdout).contains("4 instance(s)"), "{added:?}");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_of_its_window_nothing_is_sent() {
    let region = archive().await;
    let address = region.dicom();
    // A window of a minute, twelve hours away from now.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 60;
    let minute = (now + 8 * 60 + 12 * 60) % 1440;
    let text = |m: u64| format!("{:02}:{:02}", m / 60, m % 60);
    let closed = format!("{}-{}", text(minute), text((minute + 1) % 1440));
    let front = TestServer::start_with(|config| {
        let closed = yingku::integrations::front::UpstreamConfig {
            name: "night".to_owned(),
            windows: vec![closed.try_into().unwrap()],
            ..upstream()
        };
        forward_to(config, address, upstream());
        config.upstream.push(closed);
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    assert!(send_all(front.dicom(), &files(folder.path(), 0..3, 64)).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "confirmed", 3).await;
    in_state(&front.database(), "waiting", 3).await;
    let night = "SELECT COUNT(*) AS n FROM forward WHERE state = 0 AND upstream = 'night'";
    assert_eq!(count_rows(&front.database(), night).await, 3);
    front.stop().await;
    region.stop().await;
}
