//! The server as its operator meets it: health, metrics, logs, signals, a port that is taken.

mod audit;
mod callers;
mod disk;
mod reload;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use yingku::web::{HttpConfig, app};

use crate::api::containers::exam;
use crate::archive::sender::send_all;
use crate::harness::{Limit, ServerProcess, TestServer, TestStore, eventually, free_port, http_get, small_instance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_says_that_it_lives_and_is_ready() {
    let server = TestServer::start().await;
    let address = server.http();

    let ask = |path: &'static str| tokio::task::spawn_blocking(move || http_get(address, path).unwrap());

    assert_eq!(ask("/livez").await.unwrap(), (200, "ok\n".to_owned()));
    // A disk that takes more than two seconds for a probe is not ready.
    let (_, body) = eventually(Duration::from_secs(120), "it is ready", || async {
        ask("/readyz").await.ok().filter(|(status, _)| *status == 200)
    })
    .await;
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
async fn d_x4_registrations_queries_and_fetches_leave_no_person_no_key_and_no_whole_address_in_the_log() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut server = ServerProcess::start_with("\n[log]\nfilter = \"info,yingku=trace\"\n").await;
    let file = format!("http://reader:word-in-address@127.0.0.1:{}/rpt/EX0001.pdf?token=token-in-address", free_port());
    let http = reqwest::Client::new();
    let post = async |method: &str, kind: &str, body: String| {
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx{method}", server.http());
        http.post(url).header("content-type", kind).body(body).send().await.unwrap().text().await.unwrap()
    };
    let ask = async |key: &str| {
        let window = [("strStartTime", "2024-03-01"), ("strEndTime", "2024-04-01")];
        let fields = [("strIDNO", "990101199001010019"), ("strCredential", "region"), ("strKey", key)];
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.extend_pairs(fields).extend_pairs(window).finish();
        post("/GetExamInfo", "application/x-www-form-urlencoded", body).await
    };

    let told = post("", "text/xml", format!("<root>{}</root>", exam(&[("reportfilepath", &file)]))).await;
    let known = ask("synthetic-region-key-0001").await;
    let unknown = ask("another-key-of-nobody").await;
    eventually(Duration::from_secs(120), "nobody answers where the file is", || async {
        let log = server.log();
        (log.contains("job failed") || log.contains("job given up")).then_some(())
    })
    .await;

    assert!(
        told.contains("stored") && known.contains("EX0001") && unknown.contains("E3002"),
        "{told} {known} {unknown}"
    );
    assert!(server.terminate().await.success());
    let log = server.log();
    for secret in [
        "990101199001010019",
        "C00000001",
        "测试甲",
        "1990-01-01",
        "胸部CT平扫未见异常",
        "synthetic-region-key-0001",
        "another-key-of-nobody",
        "word-in-address",
        "token-in-address",
        "/rpt/EX0001.pdf",
    ] {
        assert!(!log.contains(secret), "the log tells {secret}:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_x12_the_last_success_of_each_neighbour_and_what_waits_are_shown_also_after_a_restart() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let began = now();
    let mut server = ServerProcess::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.dcm");
    small_instance(0, 2048).write_to(&path);
    assert!(send_all(server.dicom(), &[path]).iter().all(|answer| answer.is_acknowledged()));
    let register = async |attributes: &str| {
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
        let document = format!("<root><lab_subitem><item {attributes}/></lab_subitem></root>");
        reqwest::Client::new().post(url).body(document).send().await.unwrap().text().await.unwrap()
    };
    let line = "org_code='ORG-T01' event_no='E1' report_form_no='LB1' serial_no='1'";
    assert!(register(line).await.contains("stored"));
    assert!(register("org_code='ORG-T01'").await.contains("E1001"));

    let shown = http_get(server.http(), "/metrics").unwrap().1;
    let success = |interface: &str, neighbour: &str, text: &str| {
        let begin =
            format!("yingku_last_success_timestamp_seconds{{interface=\"{interface}\",neighbour=\"{neighbour}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&begin)?.parse::<f64>().ok())
    };
    let registered = success("ArchiveAutoReport", "ris", &shown).unwrap();
    // In whole milliseconds.
    assert!((began - 0.001..=now()).contains(&registered), "{registered}");
    assert!(success("C-STORE", "PACS01", &shown).is_some(), "{shown}");
    assert!(server.terminate().await.success());
    server.start_again(Limit::None).await;
    let address = server.http();
    // Counted at the start and from time to time.
    eventually(Duration::from_secs(120), "what waits is counted", || async move {
        let shown = http_get(address, "/metrics")?.1;
        let lines = [
            "yingku_inbox_messages{state=\"done\"} 1",
            "yingku_inbox_messages{state=\"failed\"} 1",
            "yingku_pending_lab_items{org=\"ORG-T01\"} 1",
        ];
        lines.iter().all(|line| shown.contains(line)).then_some(())
    })
    .await;
    eventually(Duration::from_secs(120), "the last success is known again", || async move {
        success("ArchiveAutoReport", "ris", &http_get(address, "/metrics")?.1)
            .filter(|at| (at - registered).abs() < 0.01)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_asked_to_end_does_so_in_order_and_starts_again_at_once() {
    let mut server = ServerProcess::start().await;

    let ended = server.terminate().await;

    assert_eq!(ended.code(), Some(0), "{}", server.log());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_does_not_say_its_request_is_closed_and_disturbs_nobody() {
    let server = TestServer::start_with(|config| {
        config.http.head_timeout_ms = 300;
        config.http.max_connections = 4;
    })
    .await;
    let address = server.http();

    let (silent, answered) = tokio::task::spawn_blocking(move || {
        // As many as there are places: nobody else gets in until they are closed.
        let silent: Vec<TcpStream> = (0..4)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n").unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
                stream
            })
            .collect();
        let answered = http_get(address, "/livez");
        (silent, answered)
    })
    .await
    .unwrap();

    assert_eq!(answered.unwrap().0, 200, "it got a place when a silent one was closed");
    let ends = tokio::task::spawn_blocking(move || {
        silent.into_iter().map(|mut stream| stream.read_to_end(&mut Vec::new()).is_ok()).collect::<Vec<_>>()
    });
    assert_eq!(ends.await.unwrap(), [true; 4], "the server closed each");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_object_folder_is_gone_is_not_ready_until_it_is_back_and_writes_nowhere_else() {
    let server = TestServer::start_with(|config| config.objects.probe_interval_ms = 0).await;
    let (address, folder) = (server.http(), server.objects());
    let ask = move || async move { tokio::task::spawn_blocking(move || http_get(address, "/readyz").unwrap()).await };
    let ready = || async { ask().await.ok().filter(|(status, _)| *status == 200) };
    eventually(Duration::from_secs(120), "it is ready", ready).await;

    std::fs::remove_dir_all(&folder).unwrap();
    let gone = ask().await.unwrap();
    std::fs::write(&folder, "a file takes no objects").unwrap();
    let no_folder = ask().await.unwrap();
    let made_again = folder.is_dir();
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();

    for (status, body) in [gone, no_folder] {
        assert_eq!(status, 503);
        assert!(body.contains(r#""database":true"#) && body.contains(r#""objects":false"#), "{body}");
    }
    assert!(!made_again, "what lies beneath an unmounted disk is not written to");
    eventually(Duration::from_secs(120), "it is ready again", ready).await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "probes leave nothing");
    server.stop().await;
}

#[test]
fn a_start_that_fails_tells_each_cause_once_with_the_place_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let inside = format!("{}/inside", file.display());
    for (variable, value, words) in [
        ("YINGKU__OBJECTS__URL", format!("file://{inside}"), inside.as_str()),
        // A folder that nobody can write to, not even the superuser.
        ("YINGKU__OBJECTS__URL", "file:///proc/self".to_owned(), "/proc/self cannot be written to"),
        ("YINGKU__DATABASE__URL", format!("sqlite://{inside}/a.db"), inside.as_str()),
        ("YINGKU__DATABASE__URL", format!("sqlite://{}", folder.path().display()), "database.url sqlite://"),
        ("YINGKU__HTTP__LISTEN", port.clone(), port.as_str()),
        ("YINGKU__DICOM__LISTEN", port.clone(), port.as_str()),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_yingku"));
        command.arg("serve").current_dir(folder.path()).env("YINGKU__LOG__FILTER", "off");
        command.env("YINGKU__HTTP__LISTEN", "127.0.0.1:0").env("YINGKU__DICOM__LISTEN", "127.0.0.1:0");
        let output = command.env(variable, value).output().unwrap();

        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(words), "{variable}: {told}");
        let parts: Vec<&str> = told.trim().split(": ").collect();
        let once: std::collections::HashSet<&&str> = parts.iter().collect();
        assert_eq!(once.len(), parts.len(), "a cause is told twice: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_takes_too_long_is_told_so() {
    let forever = axum::Router::new()
        .route("/slow", axum::routing::get(std::future::pending::<String>))
        .route("/fast", axum::routing::get(|| async { "here" }));
    let http = HttpConfig { request_timeout_ms: 500, ..HttpConfig::default() };
    let service = app(&http, [forever]).into_make_service_with_connect_info::<std::net::SocketAddr>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let ask = |path: &'static str| tokio::task::spawn_blocking(move || http_get(address, path).unwrap());

    let (status, body) = ask("/slow").await.unwrap();

    assert_eq!(status, 504, "{body}");
    assert_eq!(ask("/fast").await.unwrap(), (200, "here".to_owned()));
}
