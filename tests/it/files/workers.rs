//! Jobs run by workers: retries, the list of dead jobs, stopping and taking over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use yingku::archive::upkeep::queue::Finished;
use yingku::archive::{QrConfig, ReportFileState};
use yingku::fetch::{AllowEntry, ReportsConfig};
use yingku::index::jobs::{self, JobKind, JobState};
use yingku::jobs::{Handlers, JobsConfig, Workers};

use super::bench::Bench;
use super::pdf;
use super::server::ReportServer;
use crate::each_database;
use crate::harness::eventually;

const PATIENCE: Duration = Duration::from_secs(120);

fn config() -> JobsConfig {
    JobsConfig { poll_ms: 10, first_delay_ms: 10, delay_factor: 1.0, max_attempts: 4, ..JobsConfig::default() }
}

fn handlers(bench: &Bench) -> Handlers {
    Handlers::of(&bench.archive, 4)
}

async fn until_state(bench: &Bench, exam: i64, state: JobState) -> jobs::Job {
    eventually(PATIENCE, "the job's state", async || Some(bench.job(exam).await).filter(|job| job.state == state)).await
}

each_database! {
    async fn a_server_that_recovers_in_time_is_asked_again(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        server.book.failures.store(2, Ordering::SeqCst);
        let exam = bench.exam(Some(&server.url("/flaky.pdf"))).await;
        bench.enqueue(exam).await;
        assert_eq!(bench.archive.report_file_state(exam).await.unwrap(), ReportFileState::Pending);

        let workers = Workers::start(bench.archive.clone(), handlers(&bench), config());
        let job = until_state(&bench, exam, JobState::Done).await;
        workers.stop().await;

        assert_eq!(job.attempts, 3);
        assert_eq!(server.book.requests.load(Ordering::SeqCst), 3);
        assert!(matches!(bench.archive.report_file_state(exam).await.unwrap(), ReportFileState::Ready(_)));
    }

    async fn a_job_that_keeps_failing_is_given_up_with_its_reason(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let missing = bench.exam(Some(&server.url("/status/404"))).await;
        let hopeless = bench.exam(Some(&server.url("/html.pdf"))).await;
        bench.enqueue(missing).await;
        bench.enqueue(hopeless).await;

        let workers = Workers::start(bench.archive.clone(), handlers(&bench), config());
        assert_eq!(until_state(&bench, missing, JobState::Dead).await.attempts, 4);
        assert_eq!(until_state(&bench, hopeless, JobState::Dead).await.attempts, 1);
        workers.stop().await;

        let ReportFileState::Failed { reason } = bench.archive.report_file_state(missing).await.unwrap() else {
            panic!("the state is failed");
        };
        assert_eq!(reason, "127.0.0.1 answered with status 404");
        let dead = bench.archive.list_jobs(Some(JobState::Dead), 10).await.unwrap();
        assert_eq!(dead.len(), 2);
    }

    async fn a_revised_registration_fetches_again(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        *server.book.changing.lock().unwrap() = pdf::report();
        let exam = bench.exam(Some(&server.url("/changing.pdf"))).await;
        bench.enqueue(exam).await;
        let workers = Workers::start(bench.archive.clone(), handlers(&bench), config());
        until_state(&bench, exam, JobState::Done).await;

        *server.book.changing.lock().unwrap() = pdf::report_of_pages(2);
        bench.enqueue(exam).await;
        workers.nudge();
        let file = eventually(PATIENCE, "the second revision", async || {
            bench.archive.report_file_of(exam).await.unwrap().filter(|file| file.revision == 2)
        })
        .await;
        workers.stop().await;
        assert_eq!(file.page_count, Some(2));
    }

    async fn the_job_of_a_dead_worker_is_taken_over(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let exam = bench.exam(Some(&server.url("/report.pdf"))).await;
        bench.enqueue(exam).await;
        // A process that took the job an hour ago and was never heard of again.
        let past = bench.clock.now_ms() - 3_600_000;
        let sql = "UPDATE job SET run_at = $1";
        let back_date = bench.index.write(move |tx| {
            Box::pin(async move { tx.execute(sql, yingku::params![past]).await })
        });
        back_date.await.unwrap();
        assert_eq!(jobs::claim(&bench.index, "dead", JobKind::FetchReportFile, past, 60_000, 1).await.unwrap().len(), 1);

        let workers = Workers::start(bench.archive.clone(), handlers(&bench), config());
        let job = until_state(&bench, exam, JobState::Done).await;
        workers.stop().await;
        assert_eq!(job.attempts, 2);
    }

    async fn a_job_that_outlives_the_grace_period_is_given_back(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let exam = bench.exam(Some(&server.url("/silent.pdf"))).await;
        bench.enqueue(exam).await;
        let workers = Workers::start(bench.archive.clone(), handlers(&bench), JobsConfig { grace_ms: 50, ..config() });
        until_state(&bench, exam, JobState::Running).await;
        workers.stop().await;
        let job = bench.job(exam).await;
        assert_eq!((job.state, job.attempts), (JobState::Ready, 0));
    }

    async fn two_processes_share_the_work_without_doing_it_twice(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let mut exams = Vec::new();
        for _ in 0..12 {
            let exam = bench.exam(Some(&server.url("/flaky.pdf"))).await;
            bench.enqueue(exam).await;
            exams.push(exam);
        }
        let one = Workers::start(bench.archive.clone(), handlers(&bench), config());
        let other = Workers::start(bench.archive.clone(), handlers(&bench), config());
        for exam in exams {
            assert_eq!(until_state(&bench, exam, JobState::Done).await.attempts, 1);
        }
        one.stop().await;
        other.stop().await;
        assert_eq!(server.book.requests.load(Ordering::SeqCst), 12);
    }

    async fn a_job_that_waits_for_something_is_run_again_without_counting_as_failed(database: TestDatabase) {
        let bench = Bench::on(database).await;
        let exam = bench.exam(None).await;
        bench.enqueue(exam).await;
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        let mut handlers = Handlers::default();
        handlers.add(JobKind::FetchReportFile, 1, move |_| {
            let run = seen.fetch_add(1, Ordering::SeqCst);
            async move { Ok(if run < 6 { Finished::Again { delay_ms: 1 } } else { Finished::Done }) }
        });

        let workers = Workers::start(bench.archive.clone(), handlers, config());
        let job = until_state(&bench, exam, JobState::Done).await;
        workers.stop().await;

        assert_eq!(runs.load(Ordering::SeqCst), 7);
        assert_eq!((job.attempts, job.last_error.as_str()), (1, ""));
    }

    async fn a_hospital_that_does_not_answer_keeps_no_other_waiting(database: TestDatabase) {
        // One machine, two hosts by name.
        let allow = ["http://127.0.0.1:*", "http://localhost:*"].map(|entry| AllowEntry::parse(entry).unwrap()).to_vec();
        let (read_timeout_ms, total_timeout_ms) = (600_000, 600_000);
        let reports = ReportsConfig { allow, read_timeout_ms, total_timeout_ms, ..ReportsConfig::default() };
        let bench = Bench::with(database, reports, QrConfig::default()).await;
        let server = ReportServer::start().await;
        let mut silent = Vec::new();
        for _ in 0..30 {
            let exam = bench.exam(Some(&server.url("/silent.pdf"))).await;
            bench.enqueue(exam).await;
            silent.push(exam);
        }
        let other = bench.exam(Some(&format!("http://localhost:{}/report.pdf", server.address.port()))).await;
        bench.enqueue(other).await;

        let workers = Workers::start(bench.archive.clone(), handlers(&bench), JobsConfig { grace_ms: 50, ..config() });
        until_state(&bench, other, JobState::Done).await;
        workers.stop().await;

        for exam in silent {
            let job = bench.job(exam).await;
            let told = (job.state, job.attempts, job.last_error.as_str());
            assert_eq!(told, (JobState::Ready, 0, ""), "it waits for its turn and has not failed");
        }
    }

    async fn a_kind_that_nobody_here_does_is_left_to_others(database: TestDatabase) {
        let bench = Bench::on(database).await;
        let exam = bench.exam(None).await;
        bench.enqueue(exam).await;
        let workers = Workers::start(bench.archive.clone(), Handlers::default(), config());
        workers.nudge();
        workers.stop().await;
        assert_eq!(bench.job(exam).await.state, JobState::Ready);
    }
}
