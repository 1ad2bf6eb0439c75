//! HTTP servers that break the rules in known ways, and certificates that are not good: nothing wrong is taken for a report.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use yingku::fetch::{AllowEntry, Error, Fetcher, ReportsConfig};

use super::pdf;
use super::server::blunt_server;
use crate::harness::{Authority, Certificate, python};

fn fetcher(change: impl FnOnce(&mut ReportsConfig)) -> Fetcher {
    let allow = ["http://127.0.0.1:*", "https://127.0.0.1:*", "https://localhost:*"];
    let mut config = ReportsConfig {
        allow: allow.map(|entry| AllowEntry::parse(entry).unwrap()).to_vec(),
        max_bytes: 1024 * 1024,
        connect_timeout_ms: 20_000,
        read_timeout_ms: 20_000,
        ..ReportsConfig::default()
    };
    change(&mut config);
    Fetcher::new(config).unwrap()
}

async fn answered(answer: &'static [u8]) -> Result<bytes::Bytes, Error> {
    let address = blunt_server(answer).await;
    fetcher(|_| ()).fetch(&format!("http://{address}/a.pdf")).await.map(|fetched| fetched.bytes)
}

#[tokio::test]
async fn what_ends_in_the_midst_is_tried_again_and_never_kept() {
    for (name, answer) in [
        ("a chunk cut short", &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n%PDF-1.4\nshort"[..]),
        ("no last chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n%PDF-1.4\n\r\n"),
        ("a chunk of nonsense", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n%PDF-1.4\n\r\n0\r\n\r\n"),
        ("a huge chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n%PDF-1.4\n"),
        ("less than announced", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n%PDF-1.4\n"),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("nothing", b""),
        ("another protocol", b"220 rpt FTP ready\r\n"),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 11\r\n\r\n%PDF-1.4\n12"),
    ] {
        let error = answered(answer).await.expect_err(name);
        assert!(matches!(error, Error::Connection { .. }) && error.is_retryable(), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_login_page_is_no_report_whatever_the_server_calls_it() {
    for (name, answer) in [
        ("200 for what is missing", &b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 38\r\n\r\n<html><h1>404 - no such report</h1>    "[..]),
        ("a page that begins with spaces", b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n \r\n <!DOCTYPE html> %PDF-1.4 "),
        ("words", b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 14\r\n\r\nfile not found"),
        ("a packed page", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"),
    ] {
        let error = answered(answer).await.expect_err(name);
        assert!(matches!(error, Error::NotAReport { .. }) && !error.is_retryable(), "{name}: {error}");
    }
    for (name, answer) in [
        ("an empty body", &b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..]),
        ("no content", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ] {
        let error = answered(answer).await.expect_err(name);
        assert!(matches!(error, Error::Empty(_)) && error.is_retryable(), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_wrong_content_type_spoils_no_report() {
    let text =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=gbk\r\nContent-Length: 15\r\n\r\n%PDF-1.4\n%%EOF\n";
    assert_eq!(answered(text).await.unwrap(), "%PDF-1.4\n%%EOF\n");
    // The end of the connection is the end of the file where nothing else is said.
    let until_the_end = b"HTTP/1.0 200 OK\r\n\r\n%PDF-1.4\n%%EOF\n";
    assert_eq!(answered(until_the_end).await.unwrap(), "%PDF-1.4\n%%EOF\n");
}

/// One byte of the head after the other, for ever.
#[tokio::test]
async fn a_head_that_drips_meets_the_total_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 1024]).await;
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ").await;
        while connection.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let slow = fetcher(|config| config.total_timeout_ms = 400).fetch(&format!("http://{address}/a.pdf")).await;
    assert!(matches!(slow, Err(Error::TooSlow(_))), "{slow:?}");
}

/// A head without end is not kept.
#[tokio::test]
async fn a_head_of_megabytes_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 1024]).await;
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n").await;
        let line = [&b"X-Long: "[..], &[b'x'; 60_000], b"\r\n"].concat();
        while connection.write_all(&line).await.is_ok() {}
    });
    let refused = fetcher(|_| ()).fetch(&format!("http://{address}/a.pdf")).await.unwrap_err();
    assert!(matches!(refused, Error::Connection { .. }), "{refused}");
}

/// A report server with TLS.
struct SecureServer {
    child: Child,
    port: u16,
}

impl SecureServer {
    fn start(certificate: &Certificate) -> Self {
        const SERVER: &str = "import sys, ssl, http.server\n\
            class Answer(http.server.BaseHTTPRequestHandler):\n\
            \x20   def do_GET(self):\n\
            \x20       body = open(sys.argv[3], 'rb').read(); self.send_response(200)\n\
            \x20       self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)\n\
            \x20   def log_message(self, *words): pass\n\
            server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Answer)\n\
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
            context.load_cert_chain(sys.argv[1], sys.argv[2])\n\
            server.socket = context.wrap_socket(server.socket, server_side=True)\n\
            print(server.server_address[1], flush=True)\n\
            server.serve_forever()\n";
        let file = certificate.certificate.with_extension("pdf");
        std::fs::write(&file, pdf::report()).unwrap();
        let mut child = Command::new(python())
            .args(["-c", SERVER])
            .args([&certificate.certificate, &certificate.key, &file])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().expect("the server starts") }
    }
}

impl Drop for SecureServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_good_certificate_is_spoken_to() {
    let authority = Authority::new();
    let trusting = || fetcher(|config| config.ca_file = Some(authority.certificate().to_owned()));
    let good = SecureServer::start(&authority.issue("rpt"));
    for host in ["127.0.0.1", "localhost"] {
        let fetched = trusting().fetch(&format!("https://{host}:{}/a.pdf", good.port)).await;
        assert_eq!(fetched.unwrap().bytes, pdf::report(), "{host}");
    }
    let stranger = fetcher(|_| ()).fetch(&format!("https://127.0.0.1:{}/a.pdf", good.port)).await.unwrap_err();
    assert!(matches!(stranger, Error::Connection { reason: "cannot connect", .. }), "of nobody we know: {stranger}");

    for (name, certificate) in [
        ("expired", authority.expired("old")),
        ("of itself", authority.self_signed("self")),
        ("of another name", authority.issue_for("other", "DNS:other.example.test")),
    ] {
        let server = SecureServer::start(&certificate);
        let error = trusting().fetch(&format!("https://127.0.0.1:{}/a.pdf", server.port)).await.unwrap_err();
        assert!(matches!(error, Error::Connection { reason: "cannot connect", .. }), "{name}: {error}");
        assert!(error.is_retryable(), "a certificate is renewed one day");
    }
}
