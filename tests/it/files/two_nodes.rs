//! Two servers on one PostgreSQL and one store: no report file is asked for twice, and what one of them was fetching when it
//! was killed is fetched by the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use yingku::index::Index;

use super::pdf;
use crate::api::containers::exam;
use crate::harness::{ServerProcess, TestDatabase, eventually};

const PATIENCE: Duration = Duration::from_secs(120);
/// What one server asks of one host at a time (`reports.concurrency_per_host`).
const AT_A_TIME: usize = 4;

/// A hospital's server that counts who asks for what, and answers when it is opened.
struct Hospital {
    address: SocketAddr,
    book: Arc<Book>,
}

struct Book {
    /// How often each file was asked for.
    asked: Mutex<BTreeMap<String, usize>>,
    open: watch::Sender<bool>,
}

impl Hospital {
    /// Closed.
    async fn start() -> Self {
        let book = Arc::new(Book { asked: Mutex::default(), open: watch::Sender::new(false) });
        let router = Router::new().route("/{name}", get(give)).with_state(Arc::clone(&book));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, book }
    }

    fn asked(&self) -> BTreeMap<String, usize> {
        self.book.asked.lock().unwrap().clone()
    }

    fn open(&self) {
        self.book.open.send_replace(true);
    }
}

async fn give(State(book): State<Arc<Book>>, Path(name): Path<String>) -> Vec<u8> {
    *book.asked.lock().unwrap().entry(name).or_default() += 1;
    let mut open = book.open.subscribe();
    let opened = open.wait_for(|open| *open).await.is_ok();
    assert!(opened, "the book is kept");
    pdf::report()
}

struct World {
    servers: Vec<ServerProcess>,
    hospital: Hospital,
    index: Index,
    store: tempfile::TempDir,
}

impl World {
    /// Each server has registered a half of so many reports, and both are asking for files, of which none comes yet.
    async fn start(reports: usize, lease: Duration) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (database, store) = (TestDatabase::postgres().config(), tempfile::tempdir().unwrap());
        let hospital = Hospital::start().await;
        let more = format!("\n[jobs]\nlease_ms = {}\npoll_ms = 50\n", lease.as_millis());
        let servers = vec![
            ServerProcess::start_sharing(&database, store.path(), &more).await,
            ServerProcess::start_sharing(&database, store.path(), &more).await,
        ];
        for (server, numbers) in servers.iter().zip([0..reports / 2, reports / 2..reports]) {
            register(server.http(), numbers, hospital.address).await;
        }
        eventually(PATIENCE, "both servers are asking", async || {
            (hospital.asked().len() == 2 * AT_A_TIME).then_some(())
        })
        .await;
        let index = Index::open(&database).await.unwrap();
        Self { servers, hospital, index, store }
    }

    /// Waits until nothing is left to fetch; fails unless each report has its file once, in the index and in the store.
    async fn assert_stored_once(&self, reports: usize) {
        let jobs = "SELECT id FROM job WHERE kind = 'fetch_report_file' AND state = 'done'";
        eventually(PATIENCE, "every file is fetched", async || {
            (self.index.query(jobs, Vec::new()).await.unwrap().len() == reports).then_some(())
        })
        .await;
        let files = "SELECT revision FROM report_file";
        let files = self.index.query(files, Vec::new()).await.unwrap();
        let revisions: Vec<i64> = files.iter().map(|row| row.int("revision").unwrap()).collect();
        assert_eq!(revisions, vec![1; reports]);
        assert_eq!(copies_of(&pdf::report(), self.store.path()), reports);
    }
}

async fn register(server: SocketAddr, numbers: Range<usize>, hospital: SocketAddr) {
    let report = |n: usize| {
        let (number, path) = (format!("R{n:03}"), format!("http://{hospital}/R{n:03}.pdf"));
        exam(&[("report_form_no", &number), ("event_no", &number), ("reportfilepath", &path)])
    };
    let document = format!("<root>{}</root>", numbers.map(report).collect::<String>());
    let url = format!("http://{server}/sehr.service.auto/IAutoReport.asmx");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.post(url).header("content-type", "text/xml").body(document).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains("<result>1</result>"), "{text}");
}

/// Files below a folder that hold just this.
fn copies_of(content: &[u8], folder: &FilePath) -> usize {
    let copies = |path: &FilePath| match path.is_dir() {
        true => copies_of(content, path),
        false => usize::from(std::fs::read(path).is_ok_and(|bytes| bytes == content)),
    };
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| copies(&entry.path())).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_ask_for_each_report_file_once() {
    const REPORTS: usize = 100;
    let mut world = World::start(REPORTS, Duration::from_secs(60)).await;

    world.hospital.open();
    world.assert_stored_once(REPORTS).await;

    let asked = world.hospital.asked();
    assert_eq!(asked.len(), REPORTS);
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    for server in &mut world.servers {
        assert!(server.terminate().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_was_fetching_is_fetched_by_the_other_and_nothing_else_again() {
    const REPORTS: usize = 40;
    let mut world = World::start(REPORTS, Duration::from_secs(10)).await;
    let begun = world.hospital.asked();
    assert!(begun.values().all(|times| *times == 1), "{begun:?}");

    world.servers.remove(0).kill();
    world.hospital.open();
    world.assert_stored_once(REPORTS).await;

    let asked = world.hospital.asked();
    assert_eq!(asked.len(), REPORTS);
    let again: Vec<&String> = asked.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name).collect();
    assert!(again.iter().all(|name| begun.contains_key(*name) && asked[*name] == 2), "{asked:?}");
    assert_eq!(again.len(), AT_A_TIME, "what the killed one had begun: {again:?}");
    assert!(world.servers.remove(0).terminate().await.success());
}
