//! The server as its operator meets it: health, metrics, logs, signals, a port that is taken.

use std::time::{Duration, Instant};

use crate::archive::sender::send_all;
use crate::harness::{ServerProcess, TestServer, TestStore, free_port, http_get, small_instance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_says_that_it_lives_and_is_ready() {
    let server = TestServer::start().await;
    let address = server.http();

    let ask = |path: &'static str| tokio::task::spawn_blocking(move || http_get(address, path).unwrap());

    assert_eq!(ask("/livez").await.unwrap(), (200, "ok\n".to_owned()));
    let (status, body) = ask("/readyz").await.unwrap();
    assert_eq!(status, 200);
    assert!(body.contains(r#""database":true"#) && body.contains(r#""objects":true"#), "{body}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_bucket_does_not_answer_is_alive_and_not_ready() {
    let nobody = free_port();
    let server = TestServer::start_with(|config| {
        config.objects = TestStore::s3().config();
        config.objects.endpoint = format!("http://127.0.0.1:{nobody}");
    })
    .await;
    let address = server.http();

    let (live, ready) = tokio::task::spawn_blocking(move || {
        (http_get(address, "/livez").unwrap(), http_get(address, "/readyz").unwrap())
    })
    .await
    .unwrap();

    assert_eq!(live.0, 200);
    assert_eq!(ready.0, 503);
    assert!(ready.1.contains(r#""database":true"#) && ready.1.contains(r#""objects":false"#), "{}", ready.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_instance_is_counted_and_leaves_nothing_of_its_patient_in_the_log() {
    let mut server = ServerProcess::start_with("\n[log]\nfilter = \"info,yingku=trace\"\n").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.dcm");
    small_instance(0, 2048).write_to(&path);

    let answers = send_all(server.dicom(), &[path.clone(), path]);

    assert!(answers.iter().all(|answer| answer.is_acknowledged()), "{answers:?}");
    let (status, metrics) = http_get(server.http(), "/metrics").unwrap();
    assert_eq!(status, 200);
    for line in
        [r#"yingku_dimse_stored_total{outcome="stored"} 1"#, r#"yingku_dimse_stored_total{outcome="duplicate"} 1"#]
    {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    assert!(server.terminate().await.success());
    let log = server.log();
    assert!(!log.is_empty());
    for secret in ["Ceshi", "测试^甲", "L0001", "19900101"] {
        assert!(!log.contains(secret), "the log tells {secret}:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_asked_to_end_does_so_in_order_and_starts_again_at_once() {
    let mut server = ServerProcess::start().await;

    let began = Instant::now();
    let ended = server.terminate().await;

    assert_eq!(ended.code(), Some(0), "{}", server.log());
    assert!(began.elapsed() < Duration::from_secs(10), "nothing was under way");
    assert!(http_get(server.http(), "/livez").is_none(), "the port is free");
    server.start_again(crate::harness::Limit::None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_in_the_configuration_is_named_by_its_key() {
    let server = ServerProcess::start().await;
    let good = server.command(&["check-config"]);
    server.append_config("\n[dicom_typo]\nlisten = \"127.0.0.1:1\"\n");

    let bad = server.command(&["check-config"]);

    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(!bad.status.success());
    let said = [bad.stdout, bad.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("dicom_typo"), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_share_one_postgresql_and_one_bucket() {
    let database = crate::harness::TestDatabase::postgres();
    let bucket = TestStore::s3();
    let share = |config: &mut yingku::config::Config| {
        config.database = database.config();
        config.objects = bucket.config();
    };
    let (one, other) = (TestServer::start_with(share).await, TestServer::start_with(share).await);
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (1..=8)
        .map(|number| {
            let path = folder.path().join(format!("{number}.dcm"));
            small_instance(number, 200_000).write_to(&path);
            path
        })
        .collect();
    let (left, right) = (one.dicom(), other.dicom());

    // Both get everything, at the same time: each object must be kept once.
    let (to_left, to_right) = (paths.clone(), paths.clone());
    let sent = tokio::join!(
        tokio::task::spawn_blocking(move || send_all(left, &to_left)),
        tokio::task::spawn_blocking(move || send_all(right, &to_right)),
    );

    let answers = [sent.0.unwrap(), sent.1.unwrap()].concat();
    assert_eq!(answers.iter().filter(|answer| answer.is_acknowledged()).count(), 16, "{answers:?}");
    let index = database.open().await;
    let row = index.query_opt("SELECT COUNT(*) AS n FROM instance", Vec::new()).await.unwrap().unwrap();
    assert_eq!(row.int("n").unwrap(), 8);
    let row = index.query_opt("SELECT COUNT(*) AS n FROM instance_version", Vec::new()).await.unwrap().unwrap();
    assert_eq!(row.int("n").unwrap(), 0);
    one.stop().await;
    other.stop().await;
}
