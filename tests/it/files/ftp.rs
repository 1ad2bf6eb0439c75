//! Fetching from a real FTP server (pyftpdlib): in the clear and over TLS, names in UTF-8 and in GBK.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use yingku::fetch::{AllowEntry, Credential, Error, Fetcher, FtpTls, ReportsConfig};

use super::pdf;
use crate::harness::{Authority, python};

struct FtpServer {
    child: Child,
    port: u16,
    folder: TempDir,
    authority: Authority,
}

impl FtpServer {
    fn start(tls: &str, encoding: &str) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let certificate = authority.issue("rpt");
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("报告")).unwrap();
        std::fs::write(root.join("a b.pdf"), pdf::report()).unwrap();
        std::fs::write(root.join("报告/胸部.pdf"), pdf::report_of_pages(2)).unwrap();
        std::fs::write(root.join("page.pdf"), "<html>not here</html>").unwrap();
        std::fs::write(root.join("large.pdf"), pdf::large_report(1, 2)).unwrap();
        std::fs::write(folder.path().join("password"), "synthetic\n").unwrap();
        let mut child = Command::new(python())
            .args(["-W", "ignore", "-c", include_str!("ftp_server.py")])
            .args([root.as_path(), Path::new(tls), Path::new(encoding), &certificate.certificate, &certificate.key])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("pyftpdlib starts; make venv installs it");
        Self { child, port, folder, authority }
    }

    fn fetcher(&self, allow: &str, ftp_tls: FtpTls, trusted: bool) -> Fetcher {
        let credential = Credential {
            host: "127.0.0.1".to_owned(),
            user: "reader".to_owned(),
            password_file: self.folder.path().join("password"),
            ftp_tls,
        };
        Fetcher::new(ReportsConfig {
            allow: vec![AllowEntry::parse(allow).unwrap()],
            credential: vec![credential],
            ca_file: trusted.then(|| self.authority.certificate().to_owned()),
            max_bytes: 1024 * 1024,
            connect_timeout_ms: 20_000,
            ..ReportsConfig::default()
        })
        .unwrap()
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/{path}", self.port)
    }
}

impl Drop for FtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn files_come_in_the_clear_with_names_in_utf8_or_gbk() {
    for encoding in ["utf-8", "gbk"] {
        let server = FtpServer::start("none", encoding);
        let fetcher = server.fetcher("ftp://127.0.0.1:*", FtpTls::None, false);
        assert_eq!(fetcher.fetch(&server.url("ftp", "a%20b.pdf")).await.unwrap().bytes, pdf::report());
        let named = fetcher.fetch(&server.url("ftp", "报告/胸部.pdf")).await;
        assert_eq!(named.unwrap().bytes, pdf::report_of_pages(2), "{encoding}");
    }
}

#[tokio::test]
async fn files_come_over_tls_both_ways() {
    let explicit = FtpServer::start("explicit", "utf-8");
    for (scheme, ftp_tls) in [("ftpes", FtpTls::None), ("ftp", FtpTls::Explicit)] {
        let fetcher = explicit.fetcher("ftp://127.0.0.1:*", ftp_tls, true);
        assert_eq!(fetcher.fetch(&explicit.url(scheme, "a b.pdf")).await.unwrap().bytes, pdf::report(), "{scheme}");
    }
    let implicit = FtpServer::start("implicit", "utf-8");
    let fetcher = implicit.fetcher("ftps://127.0.0.1:*", FtpTls::None, true);
    assert_eq!(fetcher.fetch(&implicit.url("ftps", "a b.pdf")).await.unwrap().bytes, pdf::report());
}

#[tokio::test]
async fn a_certificate_of_nobody_we_know_is_refused_before_the_password_is_said() {
    let server = FtpServer::start("explicit", "utf-8");
    let fetcher = server.fetcher("ftpes://127.0.0.1:*", FtpTls::None, false);
    let error = fetcher.fetch(&server.url("ftpes", "a b.pdf")).await.unwrap_err();
    assert!(matches!(error, Error::Connection { reason: "the TLS handshake failed", .. }), "{error}");
}

#[tokio::test]
async fn what_is_missing_too_large_or_no_report_is_not_taken() {
    let server = FtpServer::start("none", "utf-8");
    let fetcher = server.fetcher("ftp://127.0.0.1:*", FtpTls::None, false);
    let missing = fetcher.fetch(&server.url("ftp", "没有.pdf")).await.unwrap_err();
    assert!(matches!(missing, Error::Status { status: 550, .. }) && missing.is_retryable(), "{missing}");
    let large = fetcher.fetch(&server.url("ftp", "large.pdf")).await.unwrap_err();
    assert!(matches!(large, Error::TooLarge(_)), "{large}");
    let page = fetcher.fetch(&server.url("ftp", "page.pdf")).await.unwrap_err();
    assert!(matches!(page, Error::NotAReport { found: "a web page", .. }), "{page}");
}

#[tokio::test]
async fn the_allow_list_tells_schemes_and_folders_apart() {
    let server = FtpServer::start("none", "utf-8");
    for (allow, url) in [
        ("ftps://127.0.0.1:*", server.url("ftp", "a b.pdf")),
        ("ftp://127.0.0.1:*/报告", server.url("ftp", "a b.pdf")),
        ("ftp://127.0.0.1:*/报告", server.url("ftp", "报告/../a b.pdf")),
        ("http://127.0.0.1:*", server.url("ftp", "a b.pdf")),
    ] {
        let error = server.fetcher(allow, FtpTls::None, false).fetch(&url).await.unwrap_err();
        assert!(matches!(error, Error::NotAllowed(_)), "{allow} {url}: {error}");
    }
    let below = server.fetcher("ftp://127.0.0.1:*/报告", FtpTls::None, false);
    assert!(below.fetch(&server.url("ftp", "报告/胸部.pdf")).await.is_ok());
}

/// A server of the first RFC: no EPSV, and an address of its own in the answer to PASV.
#[tokio::test]
async fn the_data_connection_goes_to_the_address_that_was_checked() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (control, _) = listener.accept().await.unwrap();
        let data = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let data_port = data.local_addr().unwrap().port();
        let (read, mut write) = control.into_split();
        let mut lines = tokio::io::BufReader::new(read).lines();
        write.write_all(b"220-hello\r\n220 ready\r\n").await.unwrap();
        while let Some(line) = lines.next_line().await.unwrap() {
            let answer = match line.split(' ').next().unwrap() {
                "USER" => "331 password".to_owned(),
                "PASS" => "230 welcome".to_owned(),
                "TYPE" => "200 binary".to_owned(),
                "PASV" => {
                    format!("227 Entering Passive Mode (169,254,169,254,{},{})", data_port / 256, data_port % 256)
                }
                "RETR" => {
                    write.write_all(b"150 here it comes\r\n").await.unwrap();
                    let (mut stream, _) = data.accept().await.unwrap();
                    stream.write_all(&pdf::report()).await.unwrap();
                    drop(stream);
                    "226 done".to_owned()
                }
                "QUIT" => break,
                _ => "500 what?".to_owned(),
            };
            write.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
    });
    let allow = vec![AllowEntry::parse("ftp://127.0.0.1:*").unwrap()];
    let fetcher = Fetcher::new(ReportsConfig { allow, ..ReportsConfig::default() }).unwrap();
    let fetched = fetcher.fetch(&format!("ftp://127.0.0.1:{port}/a.pdf")).await.unwrap();
    assert_eq!(fetched.bytes, pdf::report());
}
