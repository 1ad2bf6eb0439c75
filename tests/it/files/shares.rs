//! Report files on shares that are mounted, and files that change under the same address (D-I8, D-I13).

use yingku::archive::reports::fetch_report_file::FetchOutcome;
use yingku::archive::{QrConfig, ReportCopy};
use yingku::fetch::{Mount, PathCase, ReportsConfig};
use yingku::index::jobs::JobKind;
use yingku::index::report_files::StampState;
use yingku::params;

use super::bench::Bench;
use super::pdf;
use crate::each_database;

fn mounted(folder: &std::path::Path) -> ReportsConfig {
    let mount =
        |share: &str| Mount { share: share.to_owned(), folder: folder.to_owned(), path_case: PathCase::Insensitive };
    let mount = vec![mount(r"\\srv\rpt"), mount(r"R:\out")];
    ReportsConfig { mount, recheck_hours: vec![1, 24], ..ReportsConfig::default() }
}

each_database! {
    async fn d_i8_a_report_on_a_share_is_fetched_however_its_path_is_written(database: TestDatabase) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("2026")).unwrap();
        std::fs::write(folder.path().join("2026/检查报告.pdf"), pdf::report()).unwrap();
        let bench = Bench::with(database, mounted(folder.path()), QrConfig::default()).await;
        for address in [
            r"\\srv\rpt\2026\检查报告.pdf",
            r"\\SRV\RPT\2026\检查报告.PDF",
            "file://srv/rpt/2026/%BC%EC%B2%E9%B1%A8%B8%E6.pdf",
            r"R:\OUT\2026\检查报告.pdf",
        ] {
            let exam = bench.exam(Some(address)).await;
            let outcome = bench.archive.fetch_report_file(exam).await.unwrap();
            assert_eq!(outcome, FetchOutcome::Stored { revision: 1, stamp_state: StampState::Stamped }, "{address}");
            let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
            let original = bench.archive.read_report_file(&file, ReportCopy::Original).await.unwrap();
            assert_eq!(original, pdf::report());
        }
    }

    async fn a_report_that_changed_under_its_address_is_found_by_looking_again(database: TestDatabase) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pdf");
        std::fs::write(&path, pdf::report()).unwrap();
        let bench = Bench::with(database, mounted(folder.path()), QrConfig::default()).await;
        let exam = bench.exam(Some(r"\\srv\rpt\a.pdf")).await;
        bench.enqueue(exam).await;
        assert_eq!(bench.work(JobKind::FetchReportFile).await, 1);
        // It is planned for later.
        assert_eq!(bench.work(JobKind::RecheckReportFile).await, 0);

        std::fs::write(&path, pdf::report_of_pages(2)).unwrap();
        bench.execute("UPDATE job SET run_at = 0 WHERE kind = 'recheck_report_file'", vec![]).await;
        assert_eq!(bench.work(JobKind::RecheckReportFile).await, 1);

        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        assert_eq!((file.revision, file.page_count), (2, Some(2)));
        // That the hospital takes its file away is no failure.
        std::fs::remove_file(&path).unwrap();
        bench.execute("UPDATE job SET run_at = 0, state = 'ready' WHERE kind = 'recheck_report_file'", vec![]).await;
        assert_eq!(bench.work(JobKind::RecheckReportFile).await, 1);
        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        assert_eq!(file.revision, 2);
        // When the last look is over there is none after it.
        bench.execute("UPDATE report_file SET fetched_at = $1", params![0]).await;
        let job = yingku::index::jobs::get(&bench.index, JobKind::RecheckReportFile, &exam.to_string()).await;
        let outcome = bench.archive.run_job(&job.unwrap().unwrap()).await.unwrap();
        assert_eq!(outcome, yingku::archive::upkeep::queue::Finished::Done);
    }
}
