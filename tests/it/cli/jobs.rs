//! `yingku jobs`

use yingku::index::jobs::{self, JobKind};
use yingku::index::{DatabaseConfig, Error, Ids, Index};
use yingku::params;

use super::{folder, text, yingku};
use crate::harness::run;

pub(super) async fn open(folder: &std::path::Path) -> Index {
    let url = format!("sqlite://{}/yingku.db", folder.display());
    Index::open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await.unwrap()
}

/// One job that was given up and one that waits.
async fn two_jobs(index: &Index) -> (i64, i64) {
    let ids = Ids::lease(index).await.unwrap();
    let made = ids.clone();
    let enqueued = index.write(move |tx| {
        Box::pin(async move {
            jobs::enqueue(tx, &made, 0, JobKind::FetchReportFile, "11", 0).await?;
            jobs::enqueue(tx, &made, 0, JobKind::FetchReportFile, "12", 9_000_000_000_000).await
        })
    });
    enqueued.await.map_err(|error: Error| error.to_string()).unwrap();
    let job = jobs::claim(index, "test", JobKind::FetchReportFile, 1, 1000, 1).await.unwrap().remove(0);
    let id = job.id;
    let buried =
        index.write(move |tx| Box::pin(async move { jobs::bury(tx, &job, 2, "the report server says 404").await }));
    buried.await.unwrap();
    let waiting = jobs::get(index, JobKind::FetchReportFile, "12").await.unwrap().unwrap();
    ids.release(index).await.unwrap();
    (id, waiting.id)
}

#[tokio::test]
async fn a_job_that_was_given_up_is_seen_with_its_reason_and_run_again() {
    let folder = folder();
    let index = open(folder.path()).await;
    let (dead, waiting) = two_jobs(&index).await;
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["jobs"], arguments].concat())));

    let listed = ask(&["list", "--state", "dead", "--kind", "fetch_report_file"]);
    assert!(listed.contains(&dead.to_string()) && listed.contains("404"), "{listed}");
    assert!(!listed.contains(&waiting.to_string()), "{listed}");
    assert!(ask(&["show", &dead.to_string()]).contains("last failure  the report server says 404"));
    let counts = ask(&["counts"]);
    assert!(counts.lines().any(|line| line.split_whitespace().eq(["fetch_report_file", "dead", "1"])), "{counts}");

    assert!(ask(&["rerun", "--dead"]).contains("1 job(s)"));

    let ready = jobs::by_id(&index, dead).await.unwrap().unwrap();
    assert_eq!((ready.state, ready.attempts), (jobs::JobState::Ready, 0));
    let sql = "SELECT actor_kind, target, outcome FROM audit WHERE action = 'rerun_job'";
    let audited = index.query(sql, params![]).await.unwrap();
    assert_eq!(audited.len(), 1);
    assert_eq!(audited[0].text("target").unwrap(), format!("job:{dead}"));
    assert_eq!(audited[0].text("actor_kind").unwrap(), "operator");
}

#[tokio::test]
async fn a_job_that_is_not_there_is_an_error() {
    let folder = folder();
    let index = open(folder.path()).await;
    for arguments in [["jobs", "show", "7"], ["jobs", "rerun", "7"]] {
        let output = yingku(folder.path(), &arguments).output().unwrap();
        assert!(!output.status.success() && text(&output).contains('7'), "{}", text(&output));
    }
    let wrong = yingku(folder.path(), &["jobs", "list", "--state", "lost"]).output().unwrap();
    assert!(!wrong.status.success() && text(&wrong).contains("ready, running, done, dead"), "{}", text(&wrong));
    index.close().await;
}
