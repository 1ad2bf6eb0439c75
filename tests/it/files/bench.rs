//! An archive on a test's own database and folder, with exam reports that name report files.

use yingku::archive::{Archive, ArchiveParts, LinkRules, QrConfig, StampSettings};
use yingku::documents::DocumentsConfig;
use yingku::domain::Clock;
use yingku::fetch::{AllowEntry, Fetcher, ReportsConfig};
use yingku::index::jobs::{self, Job, JobKind};
use yingku::index::{Error, Ids, Index};
use yingku::params;

use crate::harness::{TestDatabase, TestStore};

/// Where links of stamped reports lead.
pub const PUBLIC_URL: &str = "https://reports.example.test";

pub struct Bench {
    pub archive: Archive,
    pub index: Index,
    pub ids: Ids,
    pub clock: Clock,
    _database: TestDatabase,
    store: TestStore,
}

impl Bench {
    pub async fn on(database: TestDatabase) -> Self {
        Self::with(database, reports(), QrConfig::default()).await
    }

    pub async fn with(database: TestDatabase, reports: ReportsConfig, qr: QrConfig) -> Self {
        let (index, ids) = database.open_with_ids().await;
        let (store, clock) = (TestStore::folder(), Clock::System);
        let archive = archive(&index, &ids, &clock, &store, reports, qr);
        Self { archive, index, ids, clock, _database: database, store }
    }

    /// The same archive after a restart with another section `[qr]`.
    pub fn restart_with(&mut self, qr: QrConfig) {
        self.archive = archive(&self.index, &self.ids, &self.clock, &self.store, reports(), qr);
    }

    /// Does the jobs of a kind that are due, as a worker would; gives how many there were.
    pub async fn work(&self, kind: JobKind) -> usize {
        let jobs = self.archive.claim_jobs("test", kind, 60_000, 100).await.unwrap();
        for job in &jobs {
            self.archive.run_job(job).await.unwrap();
            assert!(self.archive.finish_job(job).await.unwrap());
        }
        jobs.len()
    }

    /// What is kept.
    pub fn objects(&self) -> yingku::objects::Objects {
        self.store.open()
    }

    /// Runs one statement.
    pub async fn execute(&self, sql: &'static str, values: Vec<yingku::index::Value>) {
        let write = self.index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await }));
        write.await.unwrap();
    }

    /// Registers a synthetic exam report; gives its row.
    pub async fn exam(&self, address: Option<&str>) -> i64 {
        let (id, address) = (self.ids.next(), address.map(str::to_owned));
        let write = self.index.write(move |tx| {
            Box::pin(async move {
                let sql = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, \
                           restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, \
                           updated_at, org_code, report_form_no, patient_id, event_type, event_no, reportfilepath) \
                           VALUES ($1, $2, 1, '', 'ris', 1, 0, 0, 0, 0, 'CT', '', '', 0, 0, 'ORG-T01', $3, 'P0001', \
                           '1', 'E0001', $4)";
                tx.execute(sql, params![id, id.to_string(), format!("R{id}"), address]).await?;
                Ok::<_, Error>(())
            })
        });
        write.await.unwrap();
        id
    }

    /// Enqueues the fetching of an exam report's file.
    pub async fn enqueue(&self, exam_report_pk: i64) {
        enqueue(&self.index, &self.ids, self.clock.now_ms(), &exam_report_pk.to_string()).await;
    }

    /// The job of an exam report.
    pub async fn job(&self, exam_report_pk: i64) -> Job {
        jobs::get(&self.index, JobKind::FetchReportFile, &exam_report_pk.to_string()).await.unwrap().unwrap()
    }
}

/// Report servers on this machine.
pub fn reports() -> ReportsConfig {
    ReportsConfig { allow: vec![AllowEntry::parse("http://127.0.0.1:*").unwrap()], ..ReportsConfig::default() }
}

fn archive(
    index: &Index,
    ids: &Ids,
    clock: &Clock,
    store: &TestStore,
    reports: ReportsConfig,
    qr: QrConfig,
) -> Archive {
    let archive = Archive::new(ArchiveParts {
        index: index.clone(),
        objects: store.open(),
        clock: clock.clone(),
        ids: ids.clone(),
        link_rules: LinkRules::default(),
        header_limits: Default::default(),
        fetcher: Fetcher::new(reports).unwrap(),
        stamp: StampSettings { public_url: PUBLIC_URL.to_owned(), qr },
        documents: DocumentsConfig::default(),
        probe_interval: std::time::Duration::from_secs(15),
    });
    archive.naming([("ORG-T01".to_owned(), "示例医院".to_owned())].into())
}

/// Enqueues a job in a transaction of its own.
pub async fn enqueue(index: &Index, ids: &Ids, now: i64, key: &str) {
    let (ids, key) = (ids.clone(), key.to_owned());
    let write = index.write(move |tx| {
        Box::pin(async move { jobs::enqueue(tx, &ids, now, JobKind::FetchReportFile, &key, now).await })
    });
    write.await.unwrap();
}
