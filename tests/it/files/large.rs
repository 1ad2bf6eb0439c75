//! A report of two hundred megabytes on its whole way, from the hospital's server to the copy with the code. The archive is
//! a process of its own, so that its memory is nobody else's.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use tokio::net::TcpListener;
use yingku::index::Index;

use super::pdf;
use crate::api::containers::exam;
use crate::harness::{Package, ServerProcess, eventually, run, tool};

const MEGABYTE: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_megabytes_are_fetched_kept_and_stamped_and_are_in_memory_once() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let report = Bytes::from(pdf::large_report(20, 10));
    let length = report.len() as u64;
    assert!(length > 200 * MEGABYTE);
    let folder = tempfile::tempdir().unwrap();
    let sent = folder.path().join("sent.pdf");
    std::fs::write(&sent, &report).unwrap();
    let hospital = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/large.pdf", hospital.local_addr().unwrap());
    let router = Router::new().route("/large.pdf", get(move || async move { report }));
    tokio::spawn(async move { axum::serve(hospital, router).await });
    let more = "\n[documents]\nmax_bytes = 300000000\n";
    let most = [("YINGKU__REPORTS__MAX_BYTES", Path::new("300000000"))];
    let mut server = ServerProcess::start_with_environment(more, &most).await;
    let before = server.peak_memory();

    let document = format!("<root time=\"2024-03-24 14:40:00\">{}</root>", exam(&[("reportfilepath", &address)]));
    let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(url).header("content-type", "text/xml").body(document);
    let answer = request.send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("<result>1</result>"), "{answer}");

    let index = Index::open(&server.database()).await.unwrap();
    let file = eventually(Duration::from_secs(120), "the report is fetched", async || {
        index.query_opt("SELECT * FROM report_file", Vec::new()).await.unwrap()
    })
    .await;
    let growth = server.peak_memory() - before;
    index.close().await;
    assert_eq!((file.text("stamp_state").unwrap(), file.text("stamp_reason").unwrap()), ("stamped".into(), "".into()));
    assert_eq!(file.int("original_length").unwrap() as u64, length);
    let stored = |column: &str| server.folder().join("objects").join(file.text(column).unwrap());
    let (original, stamped) = (stored("original_key"), stored("stamped_key"));
    run(Command::new("cmp").args([&sent, &original]));
    run(Command::new("cmp").arg("-n").arg(length.to_string()).args([&sent, &stamped]));
    let checked = run(Command::new(tool("qpdf", Package::Debian("qpdf"))).arg("--check").arg(&stamped));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("No syntax or stream encoding errors found"));
    assert_eq!(std::fs::metadata(&stamped).unwrap().len(), file.int("stamped_length").unwrap() as u64);
    // Whoever held the original beside the copy, or the file as it came beside the file as it is kept, would need twice as much.
    assert!(growth < length / 4 * 7, "memory grew by {} MiB for {} MiB", growth / MEGABYTE, length / MEGABYTE);
    assert!(server.terminate().await.success());
}
