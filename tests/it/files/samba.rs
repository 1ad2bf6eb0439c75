//! Samba between a hospital's programs and the archive: names in Chinese, passwords, files that change.
//!
//! The archive reads what the system has mounted, or calls the server itself. A mount needs rights that a test does not
//! have, so there the folder is the one that Samba itself serves, and the hospital's side is smbclient: what is written,
//! renamed and seen goes over SMB.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use yingku::archive::reports::fetch_report_file::FetchOutcome;
use yingku::archive::{QrConfig, ReportCopy};
use yingku::fetch::{
    Credential, Error, Fetcher, FtpTls, Mount, PathCase, ReportsConfig, ShareFault, SmbProtection, SmbShare,
};
use yingku::index::report_files::StampState;

use super::bench::Bench;
use super::pdf;
use crate::harness::{Package, TestDatabase, TestServer, count_rows, eventually, free_port, run, small_instance, tool};
use yingku::integrations::file_share::FileShareConfig;

const PASSWORD: &str = "synthetic";

/// A Samba server of the user who runs the test, on a port of its own.
struct Samba {
    child: Child,
    port: u16,
    user: String,
    folder: TempDir,
}

/// Debian puts servers where only root looks.
fn server_tool(name: &str) -> PathBuf {
    let beside = Path::new("/usr/sbin").join(name);
    if beside.is_file() { beside } else { tool(name, Package::Debian("samba")) }
}

impl Samba {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, port) = (folder.path(), free_port());
        for name in ["share", "private", "state", "cache", "lock", "pid", "ncalrpc"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        let at = |name: &str| root.join(name).display().to_string();
        let text = format!(
            "[global]\nserver role = standalone server\ninterfaces = 127.0.0.1\nbind interfaces only = yes\n\
             smb ports = {port}\nserver min protocol = SMB2\nmap to guest = never\nload printers = no\n\
             disable spoolss = yes\nprintcap name = /dev/null\nlog file = {}\nprivate dir = {}\nstate directory = {}\n\
             cache directory = {}\nlock directory = {}\npid directory = {}\nncalrpc dir = {}\n\
             passdb backend = tdbsam:{}/passdb.tdb\n[rpt]\npath = {}\nread only = no\nguest ok = no\n",
            at("log"),
            at("private"),
            at("state"),
            at("cache"),
            at("lock"),
            at("pid"),
            at("ncalrpc"),
            at("private"),
            at("share"),
        );
        std::fs::write(root.join("smb.conf"), text).unwrap();
        let user = String::from_utf8(run(Command::new("id").arg("-un")).stdout).unwrap().trim().to_owned();
        let mut account = Command::new(tool("pdbedit", Package::Debian("samba")))
            .args(["-s".as_ref(), root.join("smb.conf").as_os_str()])
            .args(["-a", "-t", "-u", &user])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut account.stdin.take().unwrap(), format!("{PASSWORD}\n{PASSWORD}\n").as_bytes())
            .unwrap();
        assert!(account.wait().unwrap().success());
        let child = Command::new(server_tool("smbd"))
            .args(["-s".as_ref(), root.join("smb.conf").as_os_str()])
            .args(["-F", "--no-process-group", "--debug-stdout"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let samba = Self { child, port, user, folder };
        eventually(Duration::from_secs(120), "Samba listens", || async {
            samba.client(PASSWORD, "ls").status.success().then_some(())
        })
        .await;
        samba
    }

    /// The folder that it serves.
    fn share(&self) -> PathBuf {
        self.folder.path().join("share")
    }

    fn client(&self, password: &str, commands: &str) -> Output {
        Command::new(tool("smbclient", Package::Debian("smbclient")))
            .args(["-s".as_ref(), self.folder.path().join("smb.conf").as_os_str()])
            .args(["-U", &format!("{}%{password}", self.user), "-p", &self.port.to_string(), "//127.0.0.1/rpt"])
            .args(["-c", commands])
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap()
    }

    /// What a hospital's program does over SMB; it must succeed.
    fn does(&self, commands: &str) -> String {
        let output = self.client(PASSWORD, commands);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{commands}: {said}");
        said
    }

    /// A file that is brought over SMB.
    fn put(&self, path: &str, bytes: &[u8]) {
        let local = self.folder.path().join("upload");
        std::fs::write(&local, bytes).unwrap();
        self.does(&format!("put {} \"{path}\"", local.display()));
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mounted(samba: &Samba) -> ReportsConfig {
    let mount = Mount { share: r"\\srv\rpt".to_owned(), folder: samba.share(), path_case: PathCase::Insensitive };
    ReportsConfig { mount: vec![mount], max_bytes: 1024 * 1024, ..ReportsConfig::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_written_over_smb_is_found_under_its_registered_path() {
    let samba = Samba::start().await;
    samba.does("mkdir 中文; mkdir 中文\\2026年");
    samba.put("中文\\2026年\\胸部 报告.pdf", &pdf::report());
    let bench = Bench::with(TestDatabase::sqlite(), mounted(&samba), QrConfig::default()).await;
    for address in [
        r"\\srv\rpt\中文\2026年\胸部 报告.pdf",
        r"\\SRV\RPT\中文\2026年\胸部 报告.PDF",
        "smb://srv/rpt/中文/2026年/胸部%20报告.pdf",
    ] {
        let exam = bench.exam(Some(address)).await;
        let stored = FetchOutcome::Stored { revision: 1, stamp_state: StampState::Stamped };
        assert_eq!(bench.archive.fetch_report_file(exam).await.unwrap(), stored, "{address}");
    }
    // Written over and renamed into place, as report writers do.
    let exam = bench.exam(Some(r"\\srv\rpt\中文\2026年\胸部 报告.pdf")).await;
    bench.archive.fetch_report_file(exam).await.unwrap();
    samba.put("中文\\2026年\\~新.tmp", &pdf::report_of_pages(2));
    samba.does("del \"中文\\2026年\\胸部 报告.pdf\"; rename \"中文\\2026年\\~新.tmp\" \"中文\\2026年\\胸部 报告.pdf\"");
    bench.archive.fetch_report_file(exam).await.unwrap();
    let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
    assert_eq!((file.revision, file.page_count), (2, Some(2)));
    let original = bench.archive.read_report_file(&file, ReportCopy::Original).await.unwrap();
    assert_eq!(original, pdf::report_of_pages(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_empty_or_too_large_on_the_share_is_told_apart() {
    let samba = Samba::start().await;
    let fetcher = Fetcher::new(mounted(&samba)).unwrap();
    samba.put("a.pdf", &pdf::report());
    assert!(fetcher.fetch(r"\\srv\rpt\a.pdf").await.is_ok());
    samba.does("del a.pdf; mkdir folder.pdf");
    let gone = fetcher.fetch(r"\\srv\rpt\a.pdf").await.unwrap_err();
    assert!(matches!(gone, Error::Share { fault: ShareFault::Missing, .. }) && gone.is_retryable(), "{gone}");
    let folder = fetcher.fetch(r"\\srv\rpt\folder.pdf").await.unwrap_err();
    assert!(matches!(folder, Error::Share { fault: ShareFault::NoFile, .. }), "{folder}");
    samba.put("empty.pdf", b"");
    let empty = fetcher.fetch(r"\\srv\rpt\empty.pdf").await.unwrap_err();
    assert!(matches!(empty, Error::Empty(_)) && empty.is_retryable(), "{empty}");
    samba.put("large.pdf", &pdf::large_report(1, 2));
    assert!(matches!(fetcher.fetch(r"\\srv\rpt\large.pdf").await, Err(Error::TooLarge(_))));
    // Whoever has no password gets nothing in, so nothing comes from there.
    let stranger = samba.client("wrong", "put /etc/hostname b.pdf");
    assert!(!stranger.status.success() && !samba.share().join("b.pdf").exists());
}

/// The share read over SMB, as it is registered and as a drive, by the user with this password.
fn called(samba: &Samba, password: &str) -> ReportsConfig {
    let target = Some(r"\\127.0.0.1\rpt".to_owned());
    let entry = |share: &str, protection| SmbShare {
        share: share.to_owned(),
        target: target.clone(),
        port: samba.port,
        protection,
    };
    let password_file = samba.folder.path().join(format!("{password}.password"));
    std::fs::write(&password_file, format!("{password}\n")).unwrap();
    let login = Credential {
        host: "127.0.0.1".to_owned(),
        user: samba.user.clone(),
        password_file,
        ftp_tls: FtpTls::default(),
    };
    ReportsConfig {
        smb: vec![entry(r"\\srv\rpt", SmbProtection::Encrypt), entry(r"R:\", SmbProtection::Sign)],
        credential: vec![login],
        max_bytes: 1024 * 1024,
        ..ReportsConfig::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_is_not_mounted_is_read_over_smb() {
    let samba = Samba::start().await;
    samba.does("mkdir 中文; mkdir 中文\\2026年");
    samba.put("中文\\2026年\\胸部 报告.pdf", &pdf::report());
    let bench = Bench::with(TestDatabase::sqlite(), called(&samba, PASSWORD), QrConfig::default()).await;
    for address in [
        r"\\srv\rpt\中文\2026年\胸部 报告.pdf",
        r"\\SRV\RPT\中文\2026年\胸部 报告.PDF",
        "smb://srv/rpt/中文/2026年/胸部%20报告.pdf",
        r"R:\中文\2026年\胸部 报告.pdf",
    ] {
        let exam = bench.exam(Some(address)).await;
        let stored = FetchOutcome::Stored { revision: 1, stamp_state: StampState::Stamped };
        assert_eq!(bench.archive.fetch_report_file(exam).await.unwrap(), stored, "{address}");
        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        let original = bench.archive.read_report_file(&file, ReportCopy::Original).await.unwrap();
        assert_eq!(original, pdf::report(), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_smb_server_refuses_or_has_not_is_told_apart() {
    let samba = Samba::start().await;
    let fetcher = Fetcher::new(called(&samba, PASSWORD)).unwrap();
    samba.put("a;b.pdf", &pdf::report());
    samba.put("large.pdf", &pdf::large_report(1, 2));
    samba.put("empty.pdf", b"");
    samba.put("page.pdf", &b"<html>".repeat(1000));
    samba.does("mkdir folder.pdf");
    let told = |address: &'static str| {
        let fetcher = fetcher.clone();
        async move { fetcher.fetch(address).await.unwrap_err() }
    };
    let gone = told(r"\\srv\rpt\no such report.pdf").await;
    assert!(matches!(gone, Error::Share { fault: ShareFault::Missing, .. }) && gone.is_retryable(), "{gone}");
    assert!(!gone.to_string().contains("report.pdf"), "{gone}");
    let folder = told(r"\\srv\rpt\folder.pdf").await;
    assert!(matches!(folder, Error::Share { fault: ShareFault::NoFile, .. }), "{folder}");
    let empty = told(r"\\srv\rpt\empty.pdf").await;
    assert!(matches!(empty, Error::Empty(_)), "{empty}");
    let large = told(r"\\srv\rpt\large.pdf").await;
    assert!(matches!(large, Error::TooLarge(_)), "{large}");
    let page = told(r"\\srv\rpt\page.pdf").await;
    assert!(matches!(page, Error::NotAReport { .. }), "{page}");
    // What the program would take for a second command is not asked at all.
    for address in [r"\\srv\rpt\a;b.pdf", "//srv/rpt/x\";del empty.pdf;\".pdf", r"\\srv\rpt\*.pdf"] {
        let refused = fetcher.fetch(&address.replace('/', "\\")).await.unwrap_err();
        assert!(matches!(refused, Error::NotAllowed(_)), "{address}: {refused}");
    }
    assert!(samba.share().join("empty.pdf").is_file());

    let stranger = Fetcher::new(called(&samba, "wrong")).unwrap().fetch(r"\\srv\rpt\page.pdf").await.unwrap_err();
    assert!(matches!(stranger, Error::Share { fault: ShareFault::Login, .. }), "{stranger}");
    assert!(!stranger.is_retryable(), "an account would be locked");
    let guest = ReportsConfig { credential: Vec::new(), ..called(&samba, PASSWORD) };
    let guest = Fetcher::new(guest).unwrap().fetch(r"\\srv\rpt\page.pdf").await.unwrap_err();
    assert!(matches!(guest, Error::Share { fault: ShareFault::Forbidden | ShareFault::Login, .. }), "{guest}");
    let mut nobody = called(&samba, PASSWORD);
    nobody.smb[0].port = free_port();
    let away = Fetcher::new(nobody).unwrap().fetch(r"\\srv\rpt\page.pdf").await.unwrap_err();
    assert!(matches!(away, Error::Connection { .. }) && away.is_retryable(), "{away}");
}

#[tokio::test]
async fn an_smb_server_that_says_nothing_is_given_up_and_a_missing_program_is_named() {
    let samba = Samba::start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = ReportsConfig { total_timeout_ms: 700, ..called(&samba, PASSWORD) };
    config.smb[0].port = silent.local_addr().unwrap().port();
    let slow = Fetcher::new(config.clone()).unwrap().fetch(r"\\srv\rpt\a.pdf").await.unwrap_err();
    assert!(matches!(slow, Error::TooSlow(_)), "{slow}");
    // The program that waited is ended with it: its connection closes.
    let (mut left, _) = silent.accept().await.unwrap();
    let mut nobody = tokio::io::sink();
    let rest = tokio::io::copy(&mut left, &mut nobody);
    tokio::time::timeout(Duration::from_secs(60), rest).await.expect("the connection closes").unwrap();

    config.smb_client = "/nowhere/smbclient".into();
    config.smb[1].target = None;
    let faults = config.faults();
    let keys: Vec<&str> = faults.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["smb.1", "smb_client"]);
    assert!(faults[1].1.contains("/nowhere/smbclient") && faults[1].1.contains("apt-get install smbclient"));
    let missing = Fetcher::new(config).unwrap().fetch(r"\\srv\rpt\a.pdf").await.unwrap_err();
    assert!(matches!(missing, Error::Connection { .. }), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_folder_takes_what_devices_bring_over_smb() {
    let samba = Samba::start().await;
    let config = FileShareConfig {
        name: "scans".to_owned(),
        path: samba.share(),
        organization: "ORG-T01".to_owned(),
        settle_seconds: 3,
        sidecar_wait_seconds: 3,
        poll_ms: 50,
        lease_ms: 1000,
        ..FileShareConfig::default()
    };
    let server = TestServer::start_with(move |whole| whole.file_share.push(config)).await;
    samba.does("mkdir A0001; mkdir 影像");
    samba.put("A0001\\知情同意书.jpg", &[&[0xFF, 0xD8, 0xFF, 0xE0][..], &[7; 200_000]].concat());
    let image = small_instance(1, 4096);
    samba.put("影像\\胸部 001", &image.bytes());
    for path in ["done/A0001/知情同意书.jpg", "done/影像/胸部 001"] {
        let path = samba.share().join(path);
        let what = format!("{} appears", path.display());
        eventually(Duration::from_secs(120), &what, || async { path.is_file().then_some(()) }).await;
    }
    let database = server.database();
    assert_eq!(count_rows(&database, "SELECT COUNT(*) AS n FROM attachment WHERE kind = 'consent'").await, 1);
    assert_eq!(server.stored().await.count(), 1);
    assert!(samba.does("cd done\\影像; ls").contains("胸部 001"), "the hospital sees what has been taken");
    server.stop().await;
}
