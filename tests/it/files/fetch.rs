//! Fetching from servers that behave and from servers that do not.

use std::time::Duration;

use sha2::{Digest, Sha256};
use yingku::fetch::{AllowEntry, Credential, Error, Fetcher, FtpTls, MediaType, OrganizationFetch, ReportsConfig};

use super::pdf;
use super::server::{ReportServer, blunt_server};

fn config(allow: &str) -> ReportsConfig {
    ReportsConfig {
        allow: vec![AllowEntry::parse(allow).unwrap()],
        max_bytes: 1024 * 1024,
        connect_timeout_ms: 20_000,
        read_timeout_ms: 20_000,
        total_timeout_ms: 30_000,
        ..ReportsConfig::default()
    }
}

fn fetcher() -> Fetcher {
    Fetcher::new(config("http://127.0.0.1:*")).unwrap()
}

async fn failure(path: &str) -> Error {
    let server = ReportServer::start().await;
    fetcher().fetch(&server.url(path)).await.unwrap_err()
}

#[tokio::test]
async fn a_report_comes_with_its_kind_and_hash() {
    let server = ReportServer::start().await;
    let fetched = fetcher().fetch(&server.url("/report.pdf")).await.unwrap();
    assert_eq!(fetched.bytes, pdf::report());
    assert_eq!(fetched.media_type, MediaType::Pdf);
    assert_eq!(fetched.sha256, hex::encode(Sha256::digest(pdf::report())));
    let picture = fetcher().fetch(&server.url("/picture.jpg")).await.unwrap();
    assert_eq!(picture.media_type, MediaType::Jpeg);
}

#[tokio::test]
async fn redirects_inside_the_allow_list_are_followed() {
    let server = ReportServer::start().await;
    assert_eq!(fetcher().fetch(&server.url("/moved")).await.unwrap().bytes, pdf::report());
}

#[tokio::test]
async fn a_missing_file_is_tried_again_and_a_forbidden_one_is_not() {
    let missing = failure("/status/404").await;
    assert!(matches!(missing, Error::Status { status: 404, .. }) && missing.is_retryable());
    let broken = failure("/status/503").await;
    assert!(matches!(broken, Error::Status { status: 503, .. }) && broken.is_retryable());
    let forbidden = failure("/status/403").await;
    assert!(matches!(forbidden, Error::Status { status: 403, .. }) && !forbidden.is_retryable());
}

#[tokio::test]
async fn d_i8_redirects_out_of_the_allow_list_are_refused() {
    for path in ["/metadata", "/other-name"] {
        let error = failure(path).await;
        assert!(matches!(error, Error::NotAllowed(_)), "{path}: {error}");
        assert!(!error.is_retryable());
    }
    let error = failure("/local").await;
    assert!(matches!(error, Error::UnsupportedScheme(_)), "{error}");
}

#[tokio::test]
async fn names_are_tried_in_gbk_when_the_server_does_not_know_them_in_utf8() {
    let server = ReportServer::start().await;
    assert_eq!(fetcher().fetch(&server.url("/报告/a b.pdf")).await.unwrap().bytes, pdf::report());
    let missing = fetcher().fetch(&server.url("/其它/a.pdf")).await.unwrap_err();
    assert!(matches!(missing, Error::Status { status: 404, .. }), "{missing}");
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    let error = failure("/gzip.pdf").await;
    assert!(matches!(error, Error::NotAReport { found: "something else", .. }), "{error}");
}

#[tokio::test]
async fn an_organisation_is_asked_in_its_hours_and_in_its_places_only() {
    let server = ReportServer::start().await;
    let organization = OrganizationFetch {
        code: "ORG-T01".to_owned(),
        concurrency: 1,
        hours: vec!["19:00-07:00".to_owned().try_into().unwrap()],
    };
    let config = ReportsConfig { organization: vec![organization], ..config("http://127.0.0.1:*") };
    let fetcher = Fetcher::new(config).unwrap();
    let (noon, night) = (4 * 3_600_000, 14 * 3_600_000);
    let url = server.url("/report.pdf");
    let error = fetcher.fetch_for("ORG-T01", noon, &url).await.unwrap_err();
    assert!(matches!(error, Error::OutsideHours { opens_in_ms: 25_200_000 }) && error.is_retryable(), "{error}");
    assert!(fetcher.fetch_for("ORG-T01", night, &url).await.is_ok());
    assert!(fetcher.fetch_for("ORG-T02", noon, &url).await.is_ok());
    // While one file of the organisation hangs, its next one waits and others' do not.
    let hanging = server.url("/silent.pdf");
    tokio::select! {
        biased;
        _ = fetcher.fetch_for("ORG-T01", night, &hanging) => panic!("it hangs"),
        () = async {
            let second = fetcher.fetch_for("ORG-T01", night, &url);
            let waited = tokio::time::timeout(Duration::from_millis(300), second).await;
            assert!(waited.is_err(), "the only place is taken");
            assert!(fetcher.fetch_for("ORG-T02", noon, &url).await.is_ok());
        } => {}
    }
}

#[tokio::test]
async fn redirects_that_lead_nowhere_end() {
    assert!(matches!(failure("/loop").await, Error::TooManyRedirects(_)));
    assert!(matches!(failure("/nowhere").await, Error::BadRedirect(_)));
}

#[tokio::test]
async fn a_web_page_is_no_report_whatever_it_is_called() {
    let error = failure("/html.pdf").await;
    assert!(matches!(error, Error::NotAReport { found: "a web page", .. }), "{error}");
    assert!(!error.is_retryable());
    let empty = failure("/empty.pdf").await;
    assert!(matches!(empty, Error::Empty(_)) && empty.is_retryable());
}

#[tokio::test]
async fn a_server_that_drips_for_ever_meets_the_total_limit() {
    let server = ReportServer::start().await;
    let fetcher = Fetcher::new(ReportsConfig { total_timeout_ms: 400, ..config("http://127.0.0.1:*") }).unwrap();
    let error = fetcher.fetch(&server.url("/drip.pdf")).await.unwrap_err();
    assert!(matches!(error, Error::TooSlow(_)) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_silent_server_meets_the_read_limit() {
    let server = ReportServer::start().await;
    let fetcher = Fetcher::new(ReportsConfig { read_timeout_ms: 200, ..config("http://127.0.0.1:*") }).unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(120), fetcher.fetch(&server.url("/silent.pdf"))).await;
    let error = outcome.unwrap().unwrap_err();
    assert!(matches!(error, Error::Connection { reason: "timeout", .. }), "{error}");
}

#[tokio::test]
async fn a_file_without_end_meets_the_limit_of_size() {
    let error = failure("/huge.pdf").await;
    assert!(matches!(error, Error::TooLarge(_)) && !error.is_retryable(), "{error}");
}

#[tokio::test]
async fn an_announced_size_beyond_the_limit_is_refused_at_once() {
    let address = blunt_server(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n%PDF-1.4").await;
    let error = fetcher().fetch(&format!("http://{address}/a.pdf")).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
}

#[tokio::test]
async fn a_file_that_is_cut_short_is_not_taken() {
    let address = blunt_server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n%PDF-1.4\nshort").await;
    let error = fetcher().fetch(&format!("http://{address}/a.pdf")).await.unwrap_err();
    assert!(matches!(error, Error::Connection { .. }) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn d_i8_addresses_outside_the_allow_list_are_not_called() {
    let server = ReportServer::start().await;
    let fetcher = Fetcher::new(config("http://127.0.0.1:*/reports")).unwrap();
    for address in [
        server.url("/report.pdf"),
        server.url("/reports/../report.pdf"),
        format!("http://localhost:{}/reports/a.pdf", server.address.port()),
        "http://169.254.169.254/reports/x".to_owned(),
        format!("http://127.0.0.1@203.0.113.9:{}/reports/a.pdf", server.address.port()),
    ] {
        let error = fetcher.fetch(&address).await.unwrap_err();
        assert!(matches!(error, Error::NotAllowed(_)), "{address}: {error}");
    }
}

#[tokio::test]
async fn localhost_is_called_when_the_list_says_so() {
    let server = ReportServer::start().await;
    let fetcher = Fetcher::new(config("http://localhost:*")).unwrap();
    let address = format!("http://localhost:{}/report.pdf", server.address.port());
    assert_eq!(fetcher.fetch(&address).await.unwrap().bytes, pdf::report());
}

#[tokio::test]
async fn addresses_that_are_not_fetched_by_this_program_are_said_so() {
    for address in ["gopher://rpt.example.test/a.pdf", "sftp://rpt.example.test/a.pdf"] {
        let error = fetcher().fetch(address).await.unwrap_err();
        assert!(matches!(error, Error::UnsupportedScheme(_)) && !error.is_retryable(), "{address}: {error}");
    }
    for address in ["ftp://rpt.example.test/a.pdf", r"\\srv\rpt\a.pdf", "file:///rpt/a.pdf", r"D:\rpt\a.pdf"] {
        let error = fetcher().fetch(address).await.unwrap_err();
        assert!(matches!(error, Error::NotAllowed(_)) && !error.is_retryable(), "{address}: {error}");
    }
    assert!(matches!(fetcher().fetch("a.pdf").await, Err(Error::NotAnAddress)));
}

#[tokio::test]
async fn d_i8_passwords_come_from_the_configuration_only() {
    let server = ReportServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, "synthetic\n").unwrap();
    let credential =
        Credential { host: "127.0.0.1".to_owned(), user: "reader".to_owned(), password_file, ftp_tls: FtpTls::None };
    let knowing = Fetcher::new(ReportsConfig { credential: vec![credential], ..config("http://127.0.0.1:*") }).unwrap();
    assert_eq!(knowing.fetch(&server.url("/locked.pdf")).await.unwrap().bytes, pdf::report());
    let in_the_address = format!("http://reader:synthetic@{}/locked.pdf", server.address);
    let error = fetcher().fetch(&in_the_address).await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 401, .. }), "{error}");
}
