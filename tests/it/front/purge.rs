//! What the upstream promised to keep goes, and nothing else.

use std::process::{Command, Stdio};
use std::time::Duration;

use yingku::dicom::storage_commitment::CommitmentRequest;
use yingku::dimse::scu::{Association, Proposal, ScuTarget};
use yingku::domain::commitment::ReferencedInstance;
use yingku::integrations::front::{Confirmation, UpstreamConfig};

use super::{ae, archive, files, forward_to, in_state, section, upstream};
use crate::archive::sender::send_all;
use crate::dimse::availability::Receiver;
use crate::harness::dataset::CT_IMAGE;
use crate::harness::{
    Package, ServerProcess, StoredInstances, TestServer, count_rows, data_set_of, eventually, free_port, python_script,
    small_instance, texts, tool,
};

const OFFLINE: &str = "SELECT COUNT(*) AS n FROM instance WHERE offline_at IS NOT NULL";

/// Larger than what goes into segments.
const LARGE: usize = 5 * 1024 * 1024;

/// Pixels of the instance with this number.
fn pixels(number: u32) -> usize {
    if number < 38 { 4096 } else { LARGE }
}

/// How many instances lie in files of their own.
fn own_files(folder: &std::path::Path) -> usize {
    fn below(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| if entry.path().is_dir() { below(&entry.path()) } else { 1 }).sum()
    }
    below(&folder.join("objects/instance"))
}

/// How many small instances are here with all their bytes.
fn kept(stored: &StoredInstances) -> usize {
    let is_kept = |number: &u32| {
        let sent = small_instance(*number, 4096);
        stored.data_set(&sent.sop_instance_uid).as_deref() == Some(data_set_of(&sent.bytes()))
    };
    (0..stored.count() as u32).filter(is_kept).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_unchanged_and_goes_here_after_commitment() {
    let region = archive().await;
    let mut front =
        ServerProcess::start_with(&section(region.dicom().port(), "[front]\nkeep_days = 0\npurge_poll_ms = 100")).await;
    let folder = tempfile::tempdir().unwrap();
    let mut paths = files(folder.path(), 0..38, 4096);
    paths.extend(files(folder.path(), 38..40, LARGE));
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));

    in_state(&front.database(), "purged", 40).await;
    let arrived = region.stored().await;
    assert_eq!(arrived.count(), 40);
    for number in 0..40 {
        let sent = small_instance(number, pixels(number));
        assert!(arrived.data_set(&sent.sop_instance_uid).as_deref() == Some(data_set_of(&sent.bytes())), "{number}");
    }
    assert_eq!(count_rows(&front.database(), OFFLINE).await, 40, "the rows stay");
    eventually(Duration::from_secs(120), "the large objects are gone", || async {
        (own_files(front.folder()) == 0).then_some(())
    })
    .await;

    // Whoever asks for it here is told why it does not come.
    let job = serde_json::json!({
        "verb": "get", "port": front.dicom().port(), "contexts": [["1.2.840.10008.5.1.4.1.1.2", ["1.2.840.10008.1.2.1"]]],
        "keys": [["QueryRetrieveLevel", "STUDY"], ["StudyInstanceUID", "2.25.7001"]],
    });
    let told = tokio::task::spawn_blocking(move || {
        python_script(include_str!("../dimse/retrieve_peer.py"), &[&job.to_string()])
    });
    let told: serde_json::Value = serde_json::from_str(&told.await.unwrap()).unwrap();
    assert_eq!((&told["last"]["status"], &told["last"]["failed"]), (&"A702".into(), &40.into()), "{told}");
    assert_eq!(told["last"]["comment"], "offline: kept by the upstream archive only");

    // An intended absence is no fault, and the same again is recognised without its bytes.
    assert!(send_all(front.dicom(), &paths[37..39]).iter().all(|answer| answer.is_acknowledged()));
    assert!(front.terminate().await.success());
    let verify = front.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    assert_eq!(own_files(front.folder()), 0);
    let status = String::from_utf8(front.command(&["forward", "status"]).stdout).unwrap();
    assert!(status.contains("region: 0 waiting, 0 sent, 0 confirmed, 0 parked, 40 purged"), "{status}");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_that_is_killed_between_its_commit_and_the_removal_is_finished_by_the_next_start() {
    // Given a front whose upstream keeps two large objects,
    let region = archive().await;
    let mut front = ServerProcess::start_with(&section(region.dicom().port(), "")).await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..2, LARGE);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "confirmed", 2).await;
    assert!(front.terminate().await.success());
    front.append_config("[front]\nkeep_days = 0\npurge_poll_ms = 100\n");
    let library = folder.path().join("kill_at_removal.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/front/kill_at_removal.c");
    let mut compile = Command::new(tool("cc", Package::Debian("gcc")));
    crate::harness::run(compile.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source));

    // when it is killed at the removal of the first one,
    let ended = front.run_to_its_end_with(&library).await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(9), "it came to the removal");

    // then the purge is committed and nothing is removed;
    let noted = "SELECT COUNT(*) AS n FROM purged_object";
    assert_eq!(count_rows(&front.database(), OFFLINE).await, 2);
    assert_eq!((count_rows(&front.database(), noted).await, own_files(front.folder())), (2, 2));
    // and the next start removes them and forgets that it had to.
    front.start_again(crate::harness::Limit::None).await;
    eventually(Duration::from_secs(120), "the files are gone and nothing is left to do", || async {
        (own_files(front.folder()) == 0 && count_rows(&front.database(), noted).await == 0).then_some(())
    })
    .await;
    assert!(front.terminate().await.success());
    assert!(front.command(&["verify"]).status.success());
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_purge_left_is_removed_by_the_next_purge_or_the_next_start() {
    for next in ["purge", "start"] {
        // Given a front whose upstream keeps two large objects,
        let region = archive().await;
        let mut front = ServerProcess::start_with(&section(region.dicom().port(), "")).await;
        let folder = tempfile::tempdir().unwrap();
        let paths = files(folder.path(), 0..2, LARGE);
        assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
        in_state(&front.database(), "confirmed", 2).await;
        // and which was killed after the purge's transaction, before the files were removed.
        front.kill();
        let index = yingku::index::Index::open(&front.database()).await.unwrap();
        let committed = index.write(|tx| {
            Box::pin(async move {
                for sql in [
                    "INSERT INTO purged_object (object_key, object_offset, object_length, purged_at) \
                     SELECT object_key, object_offset, object_length, 1 FROM instance",
                    "UPDATE instance SET object_key = '', offline_at = 1",
                    "UPDATE forward SET state = 4",
                ] {
                    tx.execute(sql, Vec::new()).await?;
                }
                Ok::<_, yingku::index::Error>(())
            })
        });
        committed.await.unwrap();
        index.close().await;
        assert_eq!(own_files(front.folder()), 2);

        if next == "purge" {
            front.append_config("[front]\nkeep_days = 0\npurge_poll_ms = 100\n");
        }
        front.start_again(crate::harness::Limit::None).await;

        eventually(Duration::from_secs(120), "the files are gone", || async {
            (own_files(front.folder()) == 0).then_some(())
        })
        .await;
        let left = "SELECT COUNT(*) AS n FROM purged_object";
        eventually(Duration::from_secs(120), "nothing is left to do", || async {
            (count_rows(&front.database(), left).await == 0).then_some(())
        })
        .await;
        assert!(front.terminate().await.success());
        assert!(front.command(&["verify"]).status.success());
        region.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_promises_nothing_makes_nothing_go() {
    // storescp takes everything and knows no storage commitment.
    let storescp = tool("storescp", Package::Debian("dcmtk"));
    let received = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut peer = Command::new(storescp)
        .args(["+B", "--fork", "-aet", "UPSTREAM", "-od"])
        .arg(received.path())
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = ([127, 0, 0, 1], port).into();
    let front = TestServer::start_with(|config| {
        forward_to(config, address, upstream());
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..5, 4096);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));

    in_state(&front.database(), "sent", 5).await;
    let reasons = "SELECT COUNT(*) AS n FROM forward WHERE state = 1 AND reason <> ''";
    eventually(Duration::from_secs(120), "commitment was asked for in vain", || async {
        (count_rows(&front.database(), reasons).await == 5).then_some(())
    })
    .await;
    let _ = peer.kill();
    let _ = peer.wait();

    for number in 0..5 {
        let sent = small_instance(number, 4096);
        let name = format!("CT.{}", sent.sop_instance_uid);
        let arrived = std::fs::read(received.path().join(name)).unwrap();
        assert!(data_set_of(&arrived) == data_set_of(&sent.bytes()), "{number}");
    }
    assert_eq!(count_rows(&front.database(), OFFLINE).await, 0);
    assert_eq!(kept(&front.stored().await), 5);
    front.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_counts_from_the_confirmation() {
    let region = archive().await;
    let address = region.dicom();
    let front = TestServer::start_with(|config| {
        forward_to(config, address, upstream());
        config.front.keep_days = Some(1);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..2, 4096);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "confirmed", 2).await;
    assert_eq!((count_rows(&front.database(), OFFLINE).await, kept(&front.stored().await)), (0, 2));

    // Two days later for one of them.
    let index = yingku::index::Index::open(&front.database()).await.unwrap();
    let older = "UPDATE forward SET changed_at = changed_at - 172800000 WHERE instance_pk = \
                 (SELECT MIN(instance_pk) FROM forward)";
    index
        .write(move |tx| {
            Box::pin(async move { tx.execute(older, Vec::new()).await.map(|_| ()) as Result<(), yingku::index::Error> })
        })
        .await
        .unwrap();
    in_state(&front.database(), "purged", 1).await;
    assert_eq!(count_rows(&front.database(), OFFLINE).await, 1);
    front.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_upstreams_must_both_promise() {
    let region = archive().await;
    let address = region.dicom();
    let front = TestServer::start_with(|config| {
        forward_to(config, address, upstream());
        let silent = UpstreamConfig { name: "backup".to_owned(), confirm: Some(Confirmation::None), ..upstream() };
        config.upstream.push(silent);
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..3, 4096);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "confirmed", 3).await;
    in_state(&front.database(), "sent", 3).await;
    // The purge has looked at them: it holds its lease by now, again and again.
    let lease = "SELECT CAST(lease_until AS TEXT) AS t FROM work_lease WHERE name = 'purge_forwarded'";
    let seen = texts(&front.database(), lease).await;
    eventually(Duration::from_secs(120), "the purge has come by", || async {
        (texts(&front.database(), lease).await != seen).then_some(())
    })
    .await;
    assert_eq!((count_rows(&front.database(), OFFLINE).await, kept(&front.stored().await)), (0, 3));
    front.stop().await;
    region.stop().await;
}

/// Asks a front for commitment to the CT images with these UIDs: what it commits to, and what not and why.
async fn commitment(front: &TestServer, uids: &[&str]) -> (Vec<String>, Vec<(String, u16)>) {
    let mut target = ScuTarget::new("127.0.0.1", front.dicom().port(), ae("PACS01"), ae("YINGKU"));
    target.timeout = Duration::from_secs(120);
    let instance =
        |uid: &&str| ReferencedInstance { sop_class_uid: CT_IMAGE.to_owned(), sop_instance_uid: (*uid).to_owned() };
    let transaction_uid = format!("2.25.{}", uuid::Uuid::new_v4().as_u128());
    let request = CommitmentRequest { transaction_uid, instances: uids.iter().map(instance).collect() };
    let mut asking = Association::connect(&target, &[Proposal::storage_commitment()]).await.unwrap();
    let (answer, early) = asking.request_commitment(&request).await.unwrap();
    assert!(answer.status.is_done(), "{}", answer.status);
    let report = match early {
        Some(report) => report,
        None => asking.receive_commitment_report().await.unwrap(),
    };
    asking.release().await.unwrap();
    let committed = report.committed.into_iter().map(|one| one.sop_instance_uid).collect();
    (committed, report.failed.into_iter().map(|(one, reason)| (one.sop_instance_uid, reason)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_every_upstream_keeps_is_committed_to_after_it_has_gone_here() {
    let region = archive().await;
    let address = region.dicom();
    let front = TestServer::start_with(|config| {
        forward_to(config, address, upstream());
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..2, 4096);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "purged", 2).await;
    let [first, second] = [0, 1].map(|number| small_instance(number, 4096).sop_instance_uid);

    let (committed, failed) = commitment(&front, &[&first, &second, "2.25.404"]).await;

    assert_eq!(committed, [first.clone(), second.clone()]);
    assert_eq!(failed, [("2.25.404".to_owned(), 0x0112)], "what never came is not promised");

    // With one upstream that has not confirmed, nobody promises anything.
    let index = yingku::index::Index::open(&front.database()).await.unwrap();
    let refused = "INSERT INTO forward (instance_pk, upstream, study_pk, state, attempts, due_at, changed_at, reason) \
                   SELECT instance_pk, 'another', study_pk, 3, 1, 0, 0, 'refused' FROM forward \
                   WHERE instance_pk = (SELECT id FROM instance WHERE sop_instance_uid = $1)";
    let uid = second.clone();
    let written = index.write(move |tx| {
        Box::pin(async move {
            tx.execute(refused, yingku::params![&uid]).await.map(|_| ()) as Result<(), yingku::index::Error>
        })
    });
    written.await.unwrap();
    index.close().await;
    assert_eq!(commitment(&front, &[&first, &second]).await, (vec![first], vec![(second, 0x0112)]));
    front.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_told_of_studies_hears_that_they_are_offline_now() {
    let (region, port) = (archive().await, free_port());
    let receiver = Receiver::start(port, "keep");
    let told = format!(
        "[front]\nkeep_days = 0\npurge_poll_ms = 100\n[dicom.availability]\nquiet_ms = 300\n[[peer]]\nae_title = 'RIS01'\n\
         host = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\nnotify_availability = true\n"
    );
    let mut front = ServerProcess::start_with(&section(region.dicom().port(), &told)).await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..2, 4096);
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "purged", 2).await;

    eventually(Duration::from_secs(120), "the news that the study is offline", || async {
        let told = receiver.told();
        let instances = told.last()?["instances"].as_array()?.clone();
        (instances.len() == 2 && instances.iter().all(|instance| instance[3] == "OFFLINE")).then_some(())
    })
    .await;
    assert!(front.terminate().await.success());
    region.stop().await;
}
