//! The durable queue, on both engines.

use std::collections::BTreeSet;

use yingku::index::Index;
use yingku::index::jobs::{self, Job, JobCount, JobKind, JobState};

use super::bench::{Bench, enqueue};
use crate::each_database;

const LEASE: i64 = 1_000;
const DAY: i64 = 24 * 3600 * 1000;

async fn bury(index: &Index, job: &Job, now: i64, reason: &'static str) -> Option<JobState> {
    let job = job.clone();
    index.write(move |tx| Box::pin(async move { jobs::bury(tx, &job, now, reason).await })).await.unwrap()
}

each_database! {
    async fn a_job_is_there_once_however_often_it_is_enqueued(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        enqueue(&index, &ids, 10, "1").await;
        enqueue(&index, &ids, 20, "1").await;
        let all = jobs::list(&index, None, 10).await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].generation, all[0].run_at, all[0].state), (2, 20, JobState::Ready));
    }

    async fn a_job_is_claimed_when_it_is_due_and_by_one_worker_only(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        for key in 0..40 {
            enqueue(&index, &ids, 100, &key.to_string()).await;
        }
        assert!(jobs::claim(&index, "a", JobKind::FetchReportFile, 99, LEASE, 10).await.unwrap().is_empty());
        let claims = (0..8).map(|worker| {
            let index = index.clone();
            tokio::spawn(async move { jobs::claim(&index, &format!("w{worker}"), JobKind::FetchReportFile, 100, LEASE, 10).await.unwrap() })
        });
        let mut taken = Vec::new();
        for claim in claims.collect::<Vec<_>>() {
            taken.extend(claim.await.unwrap().into_iter().map(|job| job.id));
        }
        let claimed = taken.len();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), claimed, "no job was given twice");
        let rest = jobs::claim(&index, "last", JobKind::FetchReportFile, 100, LEASE, 100).await.unwrap().len();
        assert_eq!(claimed + rest, 40, "no job was left out");
    }

    async fn an_expired_lease_is_taken_over_and_the_late_worker_is_fenced_off(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        enqueue(&index, &ids, 0, "1").await;
        let late = jobs::claim(&index, "dead", JobKind::FetchReportFile, 0, LEASE, 1).await.unwrap().remove(0);
        assert!(jobs::claim(&index, "next", JobKind::FetchReportFile, LEASE - 1, LEASE, 1).await.unwrap().is_empty());
        let job = jobs::claim(&index, "next", JobKind::FetchReportFile, LEASE, LEASE, 1).await.unwrap().remove(0);
        assert_eq!(job.attempts, 2);
        assert!(!jobs::heartbeat(&index, &late, LEASE, LEASE).await.unwrap());
        assert!(!jobs::finish(&index, &late, LEASE).await.unwrap());
        assert_eq!(bury(&index, &late, LEASE, "late").await, None);
        assert!(jobs::finish(&index, &job, LEASE).await.unwrap());
        assert_eq!(jobs::list(&index, None, 1).await.unwrap()[0].state, JobState::Done);
    }

    async fn what_a_newer_server_has_put_in_the_queue_is_left_for_it(database: TestDatabase) {
        let bench = Bench::on(database).await;
        for key in ["known", "newer kind", "newer state"] {
            enqueue(&bench.index, &bench.ids, 0, key).await;
        }
        bench.execute("UPDATE job SET kind = 'bring_sounds' WHERE job_key = 'newer kind'", Vec::new()).await;
        bench.execute("UPDATE job SET state = 'parked' WHERE job_key = 'newer state'", Vec::new()).await;

        let mut claimed = Vec::new();
        for kind in JobKind::ALL {
            claimed.extend(jobs::claim(&bench.index, "older", kind, 1, LEASE, 10).await.unwrap());
        }

        assert_eq!(claimed.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["known"]);
        assert_eq!(jobs::list(&bench.index, None, 10).await.unwrap(), claimed);
        let running = JobCount { kind: JobKind::FetchReportFile, state: JobState::Running, count: 1 };
        assert_eq!(jobs::counts(&bench.index).await.unwrap(), [running]);
        let sql = "SELECT id, kind, state, attempts FROM job WHERE job_key <> 'known' ORDER BY job_key";
        let left = bench.index.query(sql, Vec::new()).await.unwrap();
        for (row, (kind, state)) in left.iter().zip([("bring_sounds", "ready"), ("fetch_report_file", "parked")]) {
            assert_eq!((row.text("kind").unwrap().as_str(), row.text("state").unwrap().as_str()), (kind, state));
            assert_eq!(row.int("attempts").unwrap(), 0);
            assert_eq!(jobs::by_id(&bench.index, row.int("id").unwrap()).await.unwrap(), None);
        }
        assert_eq!(left.len(), 2);
    }

    async fn a_heartbeat_keeps_the_lease(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        enqueue(&index, &ids, 0, "1").await;
        let job = jobs::claim(&index, "a", JobKind::FetchReportFile, 0, LEASE, 1).await.unwrap().remove(0);
        assert!(jobs::heartbeat(&index, &job, 900, LEASE).await.unwrap());
        assert!(jobs::claim(&index, "b", JobKind::FetchReportFile, 1_500, LEASE, 1).await.unwrap().is_empty());
        assert_eq!(jobs::claim(&index, "b", JobKind::FetchReportFile, 1_900, LEASE, 1).await.unwrap().len(), 1);
    }

    async fn what_is_enqueued_while_it_runs_is_run_again(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        enqueue(&index, &ids, 0, "1").await;
        let job = jobs::claim(&index, "a", JobKind::FetchReportFile, 0, LEASE, 1).await.unwrap().remove(0);
        enqueue(&index, &ids, 5, "1").await;
        assert!(jobs::claim(&index, "b", JobKind::FetchReportFile, 5, LEASE, 1).await.unwrap().is_empty());
        assert_eq!(bury(&index, &job, 6, "gone").await, Some(JobState::Ready), "it was enqueued again");
        let again = jobs::claim(&index, "b", JobKind::FetchReportFile, 6, LEASE, 1).await.unwrap().remove(0);
        assert_eq!((again.generation, again.attempts), (2, 1));
        assert!(jobs::finish(&index, &again, 7).await.unwrap());
        assert!(jobs::claim(&index, "b", JobKind::FetchReportFile, 8, LEASE, 1).await.unwrap().is_empty());
    }

    async fn a_failed_job_waits_and_a_dead_one_stays_until_somebody_runs_it_again(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        enqueue(&index, &ids, 0, "1").await;
        let job = jobs::claim(&index, "a", JobKind::FetchReportFile, 0, LEASE, 1).await.unwrap().remove(0);
        assert!(jobs::retry_later(&index, &job, 0, "status 404", 500).await.unwrap());
        assert!(jobs::claim(&index, "a", JobKind::FetchReportFile, 499, LEASE, 1).await.unwrap().is_empty());
        let job = jobs::claim(&index, "a", JobKind::FetchReportFile, 500, LEASE, 1).await.unwrap().remove(0);
        assert_eq!((job.attempts, job.last_error.as_str()), (2, "status 404"));
        assert_eq!(bury(&index, &job, 500, "status 403").await, Some(JobState::Dead));
        assert!(jobs::claim(&index, "a", JobKind::FetchReportFile, 99_999, LEASE, 1).await.unwrap().is_empty());
        let dead = jobs::list(&index, Some(JobState::Dead), 10).await.unwrap();
        assert_eq!(dead[0].last_error, "status 403");
        let id = dead[0].id;
        let again = index.write(move |tx| Box::pin(jobs::rerun(tx, id, 100_000))).await;
        assert!(again.unwrap());
        assert_eq!(jobs::claim(&index, "a", JobKind::FetchReportFile, 100_000, LEASE, 1).await.unwrap()[0].attempts, 1);
    }

    async fn done_jobs_are_forgotten_in_time_and_others_never(database: TestDatabase) {
        let bench = Bench::on(database).await;
        let now = bench.clock.now_ms();
        for key in ["old", "young", "ready", "dead", "running"] {
            enqueue(&bench.index, &bench.ids, now - 100 * DAY, key).await;
        }
        let states = "UPDATE job SET updated_at = $1, state = CASE job_key WHEN 'old' THEN 'done' WHEN 'young' THEN 'done' \
                      ELSE job_key END";
        bench.execute(states, yingku::params![now - 31 * DAY]).await;
        bench.execute("UPDATE job SET updated_at = $1 WHERE job_key = 'young'", yingku::params![now - 29 * DAY]).await;
        let keys = async || {
            let jobs = jobs::list(&bench.index, None, 10).await.unwrap();
            jobs.into_iter().map(|job| job.key).collect::<BTreeSet<String>>()
        };

        assert_eq!(bench.archive.purge_done_jobs(0).await.unwrap(), 0, "kept for ever");
        assert_eq!(bench.archive.purge_done_jobs(30).await.unwrap(), 1);

        assert_eq!(keys().await, BTreeSet::from(["dead", "ready", "running", "young"].map(str::to_owned)));
        let open = jobs::open_counts(&bench.index).await.unwrap();
        let open: Vec<_> = open.iter().map(|count| (count.state, count.count)).collect();
        assert_eq!(open, [(JobState::Dead, 1), (JobState::Ready, 1), (JobState::Running, 1)]);
        enqueue(&bench.index, &bench.ids, now, "old").await;
        let again = jobs::get(&bench.index, JobKind::FetchReportFile, "old").await.unwrap().unwrap();
        assert_eq!(again.state, JobState::Ready, "what is forgotten can be wanted again");
    }

    async fn what_a_stopping_worker_holds_is_given_back_and_not_counted(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        enqueue(&index, &ids, 0, "1").await;
        enqueue(&index, &ids, 0, "2").await;
        assert_eq!(jobs::claim(&index, "a", JobKind::FetchReportFile, 0, LEASE, 1).await.unwrap().len(), 1);
        assert_eq!(jobs::release(&index, "a", 0).await.unwrap(), 1);
        let claimed = jobs::claim(&index, "b", JobKind::FetchReportFile, 0, LEASE, 10).await.unwrap();
        assert_eq!(claimed.iter().map(|job| job.attempts).collect::<Vec<_>>(), [1, 1]);
        let counts = jobs::counts(&index).await.unwrap();
        assert_eq!(counts.len(), 1);
        assert_eq!((counts[0].kind, counts[0].state, counts[0].count), (JobKind::FetchReportFile, JobState::Running, 2));
    }
}
