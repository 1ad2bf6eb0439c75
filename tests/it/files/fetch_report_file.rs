//! From a registered address to a stamped copy.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::{Digest, Sha256};
use yingku::archive::reports::batch_outcome::TakesFile;
use yingku::archive::reports::fetch_report_file::FetchOutcome;
use yingku::archive::reports::qr_link::{LinkedReport, QrLinkState};
use yingku::archive::{Error, ReportCopy, ReportFileState};
use yingku::domain::Actor;
use yingku::index::jobs::JobKind;
use yingku::index::report_files::StampState;
use yingku::params;

use super::bench::{Bench, PUBLIC_URL};
use super::pdf::{self, MM, code_in_corner, codes_on};
use super::server::ReportServer;
use crate::each_database;
use crate::harness::eventually;

const PATIENCE: Duration = Duration::from_secs(120);

each_database! {
    async fn d_i10_d_i11_a_pdf_is_kept_and_stamped_with_a_link_that_says_nothing_and_ends(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let exam = bench.exam(Some(&server.url("/report.pdf"))).await;

        let outcome = bench.archive.fetch_report_file(exam).await.unwrap();

        assert_eq!(outcome, FetchOutcome::Stored { revision: 1, stamp_state: StampState::Stamped });
        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        let original = bench.archive.read_report_file(&file, ReportCopy::Original).await.unwrap();
        assert_eq!(original, pdf::report());
        assert_eq!(file.original_hash, hex::encode(Sha256::digest(&original)));
        let stamped = bench.archive.read_report_file(&file, ReportCopy::Stamped).await.unwrap();
        assert_eq!(file.stamped.as_ref().unwrap().hash, hex::encode(Sha256::digest(&stamped)));
        assert!(stamped.starts_with(&original));
        assert_eq!(file.page_count, Some(1));

        let seen = codes_on(&stamped, 1, 595.0 * MM).remove(0);
        let link = seen.text.strip_prefix(&format!("{PUBLIC_URL}/q/")).unwrap().to_owned();
        assert_eq!(link.len(), 26);
        let report = LinkedReport::Exam(exam);
        let open = QrLinkState::Open { report, failed: 0 };
        assert_eq!(bench.archive.qr_link_state(&link).await.unwrap(), open);
        assert_eq!(bench.archive.qr_link_state("unknown").await.unwrap(), QrLinkState::Unknown);
        bench.archive.revoke_qr_link(Actor::system("test"), report).await.unwrap();
        assert_eq!(bench.archive.qr_link_state(&link).await.unwrap(), QrLinkState::Ended { report });
    }

    async fn d_i13_a_new_content_is_a_new_revision_with_the_same_link(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let exam = bench.exam(Some(&server.url("/changing.pdf"))).await;
        *server.book.changing.lock().unwrap() = pdf::report();
        bench.archive.fetch_report_file(exam).await.unwrap();
        let first = bench.archive.report_file_of(exam).await.unwrap().unwrap();

        assert_eq!(bench.archive.fetch_report_file(exam).await.unwrap(), FetchOutcome::Unchanged);
        *server.book.changing.lock().unwrap() = pdf::report_of_pages(2);
        let outcome = bench.archive.fetch_report_file(exam).await.unwrap();

        assert_eq!(outcome, FetchOutcome::Stored { revision: 2, stamp_state: StampState::Stamped });
        let history = bench.archive.report_file_history(exam).await.unwrap();
        assert_eq!(history.iter().map(|file| file.revision).collect::<Vec<_>>(), [2, 1]);
        let second = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        assert_eq!(second, history[0]);
        let mut links = Vec::new();
        for file in [&first, &second] {
            let stamped = bench.archive.read_report_file(file, ReportCopy::Stamped).await.unwrap();
            links.push(codes_on(&stamped, 1, 595.0 * MM).remove(0).text);
        }
        assert_eq!(links[0], links[1]);
        assert_eq!(server.book.requests.load(Ordering::SeqCst), 3);
    }

    async fn a_file_that_took_its_time_does_not_hide_one_that_came_meanwhile(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let (archive, requests) = (&bench.archive, &server.book.requests);
        let slow = async |exam: i64| {
            let (archive, before) = (archive.clone(), requests.load(Ordering::SeqCst));
            let fetching = tokio::spawn(async move { archive.fetch_report_file(exam).await.unwrap() });
            let asked = async || (requests.load(Ordering::SeqCst) > before).then_some(());
            eventually(PATIENCE, "the server to be asked", asked).await;
            // Wrapped, so that nobody takes it for what the closure itself waits for.
            Some(fetching)
        };
        *server.book.changing.lock().unwrap() = pdf::report_of_pages(2);

        // The report is registered anew under another address, whose file is there first.
        let moved = bench.exam(Some(&server.url("/held.pdf"))).await;
        let fetching = slow(moved).await.unwrap();
        let sql = "UPDATE exam_report SET version = 2, reportfilepath = $1 WHERE id = $2";
        bench.execute(sql, params![server.url("/changing.pdf"), moved]).await;
        archive.fetch_report_file(moved).await.unwrap();
        server.book.release.notify_one();
        assert_eq!(fetching.await.unwrap(), FetchOutcome::Overtaken);
        assert_eq!(bench.work(JobKind::FetchReportFile).await, 1, "what stands is looked at again");

        // The hospital hands over a file while the one under the address is on its way.
        let pushed = bench.exam(Some(&server.url("/held.pdf"))).await;
        let fetching = slow(pushed).await.unwrap();
        let report = TakesFile { exam_report_pk: pushed, content_hash: String::new() };
        archive.push_report_file(Actor::system("test"), &report, pdf::report_of_pages(2).into()).await.unwrap();
        server.book.release.notify_one();
        assert_eq!(fetching.await.unwrap(), FetchOutcome::Overtaken);

        for exam in [moved, pushed] {
            let history = archive.report_file_history(exam).await.unwrap();
            assert_eq!(history.iter().map(|file| file.page_count).collect::<Vec<_>>(), [Some(2)]);
            assert!(archive.report_file_of(exam).await.unwrap().is_some());
        }
    }

    async fn d_i9_d_i11_what_cannot_be_stamped_is_archived_with_its_reason(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let signed = pdf::report_with("", "/MediaBox [0 0 9 9] /X << /ByteRange [0 1 2 3] >>", "0 0 m");
        *server.book.changing.lock().unwrap() = signed.clone();
        let exam = bench.exam(Some(&server.url("/changing.pdf"))).await;

        let outcome = bench.archive.fetch_report_file(exam).await.unwrap();

        assert_eq!(outcome, FetchOutcome::Stored { revision: 1, stamp_state: StampState::Unstampable });
        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        assert_eq!((file.stamp_reason.as_str(), file.page_count), ("signed", Some(1)));
        assert_eq!(bench.archive.read_report_file(&file, ReportCopy::Stamped).await.unwrap(), signed);
    }

    async fn d_i12_a_picture_is_kept_as_it_is_and_shown_with_the_code_beside_it(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let exam = bench.exam(Some(&server.url("/picture.jpg"))).await;
        let outcome = bench.archive.fetch_report_file(exam).await.unwrap();
        assert_eq!(outcome, FetchOutcome::Stored { revision: 1, stamp_state: StampState::Stamped });
        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        assert_eq!((file.media_type.as_str(), file.page_count), ("image/jpeg", Some(1)));
        let original = bench.archive.read_report_file(&file, ReportCopy::Original).await.unwrap();
        assert_eq!(original, pdf::jpeg(60, 40));
        let stamped = bench.archive.read_report_file(&file, ReportCopy::Stamped).await.unwrap();
        assert!(stamped.starts_with(b"%PDF-"));
        let picture = bench.archive.report_page_picture(&file, 1, 1200).await.unwrap();
        assert!(code_in_corner(&picture).starts_with(PUBLIC_URL));
        assert!(matches!(bench.archive.report_page_picture(&file, 2, 800).await, Err(Error::NotFound)));
    }

    async fn a_damaged_picture_is_kept_and_shown_as_it_is(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let exam = bench.exam(Some(&server.url("/broken.jpg"))).await;
        let outcome = bench.archive.fetch_report_file(exam).await.unwrap();
        assert_eq!(outcome, FetchOutcome::Stored { revision: 1, stamp_state: StampState::Unstampable });
        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        assert_eq!(file.stamp_reason, "damaged");
        let picture = bench.archive.report_page_picture(&file, 1, 800).await.unwrap();
        assert_eq!(picture, bench.archive.read_report_file(&file, ReportCopy::Original).await.unwrap());
    }

    async fn pages_are_shown_as_pictures_with_the_code_on_them(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let exam = bench.exam(Some(&server.url("/report.pdf"))).await;
        bench.archive.fetch_report_file(exam).await.unwrap();
        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        let picture = bench.archive.report_page_picture(&file, 1, 1150).await.unwrap();
        assert_eq!(image::load_from_memory(&picture).unwrap().width(), 1200);
        assert!(code_in_corner(&picture).starts_with(PUBLIC_URL));
        assert_eq!(bench.archive.report_page_picture(&file, 1, 1101).await.unwrap(), picture);
        assert!(matches!(bench.archive.report_page_picture(&file, 2, 800).await, Err(Error::NotFound)));
    }

    async fn a_report_without_an_address_has_no_file(database: TestDatabase) {
        let bench = Bench::on(database).await;
        for address in [None, Some("  ")] {
            let exam = bench.exam(address).await;
            assert_eq!(bench.archive.fetch_report_file(exam).await.unwrap(), FetchOutcome::NoFile);
            assert_eq!(bench.archive.report_file_state(exam).await.unwrap(), ReportFileState::Absent);
        }
    }
}
