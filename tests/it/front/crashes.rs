//! Upstreams that die, refuse, or are away; a front that is killed: everything arrives in the end, once and unchanged.

use std::time::Duration;

use super::{ae, archive, files, forward_to, in_state, section, upstream};
use crate::archive::sender::send_all;
use crate::harness::dataset::{DataSet, EXPLICIT_LE};
use crate::harness::{
    Gate, Limit, ServerProcess, TestServer, count_rows, data_set_of, eventually, free_port, small_instance,
};

const ALL: &str = "SELECT COUNT(*) AS n FROM instance";
const PIXELS: usize = 60_000;
const FILES: u32 = 40;

/// Slow enough that a kill comes in the middle of something: 2.4 MB at 400 kB/s.
const SLOWLY: &str = "bytes_per_second = 400000\nassociations = 3\nbatch_instances = 10";

/// A kill after so many have arrived, when no more than so many could: together less than all.
const KILLS: [(i64, usize); 2] = [(8, 14), (16, 24)];

async fn arrive(database: &yingku::index::DatabaseConfig, at_least: i64) {
    let what = format!("{at_least} instances arrive");
    eventually(Duration::from_secs(120), &what, || async {
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
    let gate = Gate::before(region.dicom()).await;
    let mut front = ServerProcess::start_with(&section(gate.address().port(), SLOWLY)).await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..FILES, PIXELS);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    for (number, most) in KILLS {
        gate.let_through(most * PIXELS);
        arrive(&region.database(), number).await;
        front.kill();
        assert!(count_rows(&region.database(), ALL).await < i64::from(FILES), "the kill came in the middle");
        front.start_again(Limit::None).await;
    }
    gate.open();
    in_state(&front.database(), "confirmed", i64::from(FILES)).await;
    check(&region.stored().await);
    assert!(front.terminate().await.success());
    region.stop().await;
}

/// The lines of a front that stores over HTTP at an archive of ours.
fn section_of_stow(region: std::net::SocketAddr, more: &str) -> String {
    format!(
        "\n[[upstream]]\nname = 'region'\nway = 'stow-rs'\nurl = 'http://{region}/dicom-web'\n\
         token = 'synthetic-region-key-0001'\ndelay_ms = 0\nconfirm_delay_ms = 0\nretry_ms = 200\n\
         max_retry_ms = 1000\npoll_ms = 50\nlease_ms = 1000\n{more}\n"
    )
}

/// What an archive needs to take them.
const TAKES_STOW: &str = "\n[[client]]\nid = 'front'\nkey = 'synthetic-region-key-0002'\ndicomweb = 'read_and_store'\n\
                          organizations = ['ORG-T01']\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_that_is_killed_inside_a_stow_request_goes_on_where_it_was() {
    let mut region = ServerProcess::start_with(TAKES_STOW).await;
    let gate = Gate::before(region.http()).await;
    let section = section_of_stow(gate.address(), SLOWLY).replace("key-0001", "key-0002");
    let mut front = ServerProcess::start_with(&section).await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..FILES, PIXELS);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    for (number, most) in KILLS {
        gate.let_through(most * PIXELS);
        arrive(&region.database(), number).await;
        front.kill();
        assert!(count_rows(&region.database(), ALL).await < i64::from(FILES), "the kill came in the middle");
        front.start_again(Limit::None).await;
    }
    gate.open();
    // And the other side once as well.
    arrive(&region.database(), 25).await;
    region.kill();
    region.start_again(Limit::None).await;
    in_state(&front.database(), "confirmed", i64::from(FILES)).await;
    check(&region.stored().await);
    for sql in ["SELECT COUNT(*) AS n FROM instance_version", "SELECT COUNT(*) AS n FROM conflict"] {
        assert_eq!(count_rows(&region.database(), sql).await, 0, "{sql}");
    }
    assert!(front.terminate().await.success());
    assert!(region.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_without_room_for_its_own_index_loses_nothing_and_goes_on_when_there_is_room() {
    loses_nothing_without_room(Limit::FileBytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_on_a_full_disk_loses_nothing_and_goes_on_when_there_is_room() {
    // Each image has a file of its own, because there is no room for a segment.
    loses_nothing_without_room(|_| Limit::DiskBytes(1024 * 1024)).await;
}

async fn loses_nothing_without_room(limit: impl Fn(u64) -> Limit) {
    let region = archive().await;
    let mut front = ServerProcess::start_with(&section(region.dicom().port(), "max_attempts = 1000")).await;
    assert!(front.terminate().await.success());
    // The schema is written by now, to the index or its log: room to start and for some instances, not for all.
    let length = |name| std::fs::metadata(front.folder().join(name)).map_or(0, |file| file.len());
    let room = length("yingku.db") + length("yingku.db-wal") + 512 * 1024;
    front.start_again(limit(room)).await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..400, 64);

    // Some are taken, then there is no room: the sender is told, and told again.
    let answers = send_all(front.dicom(), &paths);
    let taken = answers.iter().filter(|answer| answer.is_acknowledged()).count();
    let refused: Vec<&str> = answers.iter().filter(|a| !a.is_acknowledged()).map(|a| a.status.as_str()).collect();
    assert!(taken > 0 && !refused.is_empty(), "{taken} taken, {} refused", refused.len());
    assert!(refused.iter().all(|status| status.starts_with("A7")), "out of resources, not {refused:?}");
    eventually(Duration::from_secs(120), "the full disk is told of", || async {
        let log = front.log();
        let words = ["disk is full", "disk I/O error", "No space left"];
        words.iter().any(|words| log.contains(words)).then_some(())
    })
    .await;

    // There is room again, and the same process goes on: whatever was acknowledged arrives, once and unchanged.
    front.give_room();
    in_state(&front.database(), "confirmed", taken as i64).await;
    let arrived = region.stored().await;
    assert_eq!(arrived.count(), taken);
    for (number, answer) in (0..).zip(&answers).filter(|(_, answer)| answer.is_acknowledged()) {
        let sent = small_instance(number, 64);
        assert_eq!(answer.sop_instance_uid, sent.sop_instance_uid);
        assert!(arrived.data_set(&sent.sop_instance_uid).as_deref() == Some(data_set_of(&sent.bytes())), "{number}");
    }
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "confirmed", 400).await;
    assert_eq!(region.stored().await.count(), 400);
    assert!(front.terminate().await.success());
    let verify = front.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    region.stop().await;
}

/// Larger than any file may be on the upstream's full disk.
const TOO_LARGE: usize = 12 * 1024 * 1024;

/// Forwards to an upstream whose disk is full for large objects, and has room again later.
async fn wait_for_room(limit: Limit, section: impl Fn(&ServerProcess) -> String) {
    let mut region = ServerProcess::start_with(TAKES_STOW).await;
    assert!(region.terminate().await.success());
    let mut front = ServerProcess::start_with(&section(&region)).await;
    region.append_config(&format!(
        "[[peer]]\nae_title = 'YINGKU'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\n",
        front.dicom().port()
    ));
    region.start_again(limit).await;
    let folder = tempfile::tempdir().unwrap();
    let mut paths = files(folder.path(), 0..2, 4096);
    paths.extend(files(folder.path(), 2..3, TOO_LARGE));
    paths.extend(files(folder.path(), 3..5, 4096));
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));

    in_state(&front.database(), "confirmed", 4).await;
    let told = "SELECT COUNT(*) AS n FROM forward WHERE state = 0 AND attempts > 1 AND reason LIKE '%A700%'";
    eventually(Duration::from_secs(120), "it was refused more than once, and waits", || async {
        (count_rows(&front.database(), told).await == 1).then_some(())
    })
    .await;
    assert_eq!(region.stored().await.count(), 4, "what fits is there");

    region.give_room();
    in_state(&front.database(), "confirmed", 5).await;
    let stored = region.stored().await;
    for number in 0..5 {
        let sent = small_instance(number, if number == 2 { TOO_LARGE } else { 4096 });
        assert!(stored.data_set(&sent.sop_instance_uid).as_deref() == Some(data_set_of(&sent.bytes())), "{number}");
    }
    assert!(front.terminate().await.success());
    assert!(region.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_room_upstream_by_c_store_waits_until_there_is_some() {
    wait_for_room(Limit::DiskBytes(7 * 1024 * 1024), |region| {
        // Both have the title of all test servers.
        section(region.dicom().port(), "max_attempts = 1000").replace("'UPSTREAM'", "'YINGKU'")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_room_upstream_by_stow_waits_until_there_is_some() {
    wait_for_room(Limit::FileBytes(7 * 1024 * 1024), |region| {
        section_of_stow(region.http(), "max_attempts = 1000").replace("key-0001", "key-0002")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_dies_in_the_middle_gets_the_rest_later() {
    let port = free_port();
    let more = format!("\n[[peer]]\nae_title = 'FRONT'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n");
    let mut region = ServerProcess::start_with(&more).await;
    let gate = Gate::before(region.dicom()).await;
    let address = gate.address();
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
    for (number, most) in KILLS {
        gate.let_through(most * PIXELS);
        arrive(&region.database(), number).await;
        region.kill();
        assert!(count_rows(&region.database(), ALL).await < i64::from(FILES), "the kill came in the middle");
        region.start_again(Limit::None).await;
    }
    gate.open();
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
    eventually(Duration::from_secs(120), "the front has tried", || async {
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
async fn within_its_window_everything_is_sent_and_outside_of_it_nothing() {
    let region = archive().await;
    let address = region.dicom();
    // A window of a minute, twelve hours away from now, and one of three hours around it.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 60;
    let minute = (now + 8 * 60 + 12 * 60) % 1440;
    let text = |m: u64| format!("{:02}:{:02}", m % 1440 / 60, m % 60);
    let closed = format!("{}-{}", text(minute), text(minute + 1));
    let open = format!("{}-{}", text(minute + 720 - 60), text(minute + 720 + 120));
    let front = TestServer::start_with(|config| {
        let closed = yingku::integrations::front::UpstreamConfig {
            name: "night".to_owned(),
            windows: vec![closed.try_into().unwrap()],
            ..upstream()
        };
        let open =
            yingku::integrations::front::UpstreamConfig { windows: vec![open.try_into().unwrap()], ..upstream() };
        forward_to(config, address, open);
        config.upstream.push(closed);
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    assert!(send_all(front.dicom(), &files(folder.path(), 0..3, 64)).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "confirmed", 3).await;
    in_state(&front.database(), "waiting", 3).await;
    let night = "SELECT COUNT(*) AS n FROM forward WHERE state = 0 AND upstream = 'night'";
    assert_eq!(count_rows(&front.database(), night).await, 3, "those for whom it is open are the confirmed ones");
    front.stop().await;
    region.stop().await;
}
