//! Policies of printed codes for organisations and classes, and reports that are stamped anew when they change (D-I10).

use yingku::archive::reports::qr_link::{LinkedReport, QrLinkState};
use yingku::archive::{QrConfig, QrRule, ReportCopy};
use yingku::documents::stamp::{Corner, StampedPages};
use yingku::domain::Actor;
use yingku::index::jobs::JobKind;
use yingku::index::report_files::StampState;
use yingku::params;

use super::bench::{Bench, reports};
use super::pdf::{self, MM, codes_on};
use super::server::ReportServer;
use crate::each_database;

async fn seen(bench: &Bench, exam: i64) -> Vec<pdf::Seen> {
    let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
    let stamped = bench.archive.read_report_file(&file, ReportCopy::Stamped).await.unwrap();
    codes_on(&stamped, 1, 595.0 * MM)
}

each_database! {
    async fn d_i10_a_rule_says_where_the_codes_of_a_class_go(database: TestDatabase) {
        let server = ReportServer::start().await;
        let ultrasound = QrRule {
            organizations: vec!["ORG-T01".to_owned()],
            classes: vec!["us".to_owned()],
            corner: Some(Corner::BottomLeft),
            pages: Some(StampedPages::Last),
            ..QrRule::default()
        };
        let films = QrRule { classes: vec!["MG".to_owned()], enabled: Some(false), ..QrRule::default() };
        let qr = QrConfig { rule: vec![ultrasound, films], ..QrConfig::default() };
        let bench = Bench::with(database, reports(), qr).await;
        let mut exams = Vec::new();
        for modality in ["CT", "US", "MG"] {
            let exam = bench.exam(Some(&server.url("/report.pdf"))).await;
            bench.execute("UPDATE exam_report SET modality = $1 WHERE id = $2", params![modality, exam]).await;
            bench.archive.fetch_report_file(exam).await.unwrap();
            exams.push(exam);
        }
        assert!(seen(&bench, exams[0]).await[0].top_mm < 20.0);
        let ultrasound = seen(&bench, exams[1]).await;
        assert!(ultrasound[0].bottom_mm < 20.0 && ultrasound[0].left_mm < 20.0, "{ultrasound:?}");
        let film = bench.archive.report_file_of(exams[2]).await.unwrap().unwrap();
        assert_eq!((film.stamp_state, film.stamp_reason.as_str()), (StampState::NotApplicable, "disabled"));
    }

    async fn d_i10_a_changed_policy_stamps_again_what_it_concerns_and_nothing_else(database: TestDatabase) {
        let server = ReportServer::start().await;
        let mut bench = Bench::on(database).await;
        assert!(!bench.archive.restamp_if_changed().await.unwrap(), "there is nothing to compare with");
        let mut exams = Vec::new();
        for path in ["/report.pdf", "/picture.jpg", "/report.pdf"] {
            let exam = bench.exam(Some(&server.url(path))).await;
            bench.archive.fetch_report_file(exam).await.unwrap();
            exams.push(exam);
        }
        bench.execute("UPDATE exam_report SET modality = 'US' WHERE id = $1", params![exams[2]]).await;
        let link = seen(&bench, exams[0]).await.remove(0).text;
        let before = bench.archive.report_file_of(exams[2]).await.unwrap().unwrap();
        let former = bench.archive.report_file_of(exams[0]).await.unwrap().unwrap();
        bench.archive.sequence_changes().await.unwrap();
        assert!(!bench.archive.restamp_if_changed().await.unwrap(), "nothing has changed");

        let ct = QrRule { classes: vec!["CT".to_owned()], corner: Some(Corner::BottomRight), ..QrRule::default() };
        bench.restart_with(QrConfig { rule: vec![ct], ..QrConfig::default() });
        assert!(bench.archive.restamp_if_changed().await.unwrap());
        assert_eq!(bench.work(JobKind::RestampReports).await, 1);

        assert_eq!(bench.archive.sequence_changes().await.unwrap(), 2, "followers are told of the copies that are new");
        let walk = bench.archive.restamp_progress().await.unwrap().unwrap();
        assert_eq!((walk.stamped, walk.failed, walk.finished_at.is_some()), (2, 0, true));
        let codes = seen(&bench, exams[0]).await;
        assert!(codes.len() == 1 && codes[0].bottom_mm < 20.0, "it begins with the original: {codes:?}");
        assert_eq!(codes[0].text, link, "what is on paper stays good");
        assert!(seen(&bench, exams[1]).await[0].bottom_mm < 20.0);
        assert_eq!(bench.archive.report_file_of(exams[2]).await.unwrap().unwrap(), before);
        // The revision is the same: the hospital's file has not changed. The former copy is gone and asked for in vain.
        let now = bench.archive.report_file_of(exams[0]).await.unwrap().unwrap();
        assert_eq!((now.revision, now.id), (1, former.id));
        assert_ne!(now.stamped, former.stamped);
        let read = bench.archive.read_report_file(&former, ReportCopy::Stamped).await.unwrap();
        assert!(codes_on(&read, 1, 595.0 * MM)[0].bottom_mm < 20.0, "who still has the former row gets the new copy");

        // Doing it again changes nothing.
        bench.archive.plan_restamp(Actor::system("test"), String::new()).await.unwrap();
        assert_eq!(bench.work(JobKind::RestampReports).await, 1);
        assert_eq!(bench.archive.restamp_progress().await.unwrap().unwrap().stamped, 0);
        assert_eq!(bench.archive.report_file_of(exams[0]).await.unwrap().unwrap(), now);
    }

    async fn d_i10_a_renewed_code_is_on_the_copy_and_the_former_one_opens_nothing(database: TestDatabase) {
        let (bench, server) = (Bench::on(database).await, ReportServer::start().await);
        let exam = bench.exam(Some(&server.url("/report.pdf"))).await;
        bench.archive.fetch_report_file(exam).await.unwrap();
        let printed = seen(&bench, exam).await.remove(0).text;
        bench.archive.revoke_printed_link(Actor::system("test"), &printed).await.unwrap();

        let renewed = bench.archive.renew_printed_link(Actor::system("test"), &printed).await.unwrap();

        let now = seen(&bench, exam).await.remove(0).text;
        assert!(now.ends_with(&renewed) && now != printed, "{now}");
        let state = bench.archive.qr_link_state(&renewed).await.unwrap();
        assert_eq!(state, QrLinkState::Open { report: LinkedReport::Exam(exam), failed: 0 });
        let former = printed.rsplit('/').next().unwrap();
        assert_eq!(bench.archive.qr_link_state(former).await.unwrap(), QrLinkState::Unknown);
    }

    async fn d_i10_a_code_that_has_ended_does_not_come_alive_again_by_a_new_stamp(database: TestDatabase) {
        let server = ReportServer::start().await;
        let mut bench = Bench::on(database).await;
        bench.archive.restamp_if_changed().await.unwrap();
        let exam = bench.exam(Some(&server.url("/report.pdf"))).await;
        bench.archive.fetch_report_file(exam).await.unwrap();
        let printed = seen(&bench, exam).await.remove(0).text;
        bench.execute("UPDATE qr_link SET expires_at = 1, failed = 3", params![]).await;

        bench.restart_with(QrConfig { corner: Corner::BottomLeft, ..QrConfig::default() });
        assert!(bench.archive.restamp_if_changed().await.unwrap());
        bench.work(JobKind::RestampReports).await;

        let now = seen(&bench, exam).await.remove(0).text;
        let state = async |link: &str| bench.archive.qr_link_state(link.rsplit('/').next().unwrap()).await.unwrap();
        assert_ne!(now, printed);
        assert_eq!(state(&now).await, QrLinkState::Open { report: LinkedReport::Exam(exam), failed: 0 });
        assert_eq!(state(&printed).await, QrLinkState::Unknown, "the paper stays as dead as it was");
    }

    async fn switching_codes_off_takes_them_from_the_copies(database: TestDatabase) {
        let server = ReportServer::start().await;
        let mut bench = Bench::on(database).await;
        bench.archive.restamp_if_changed().await.unwrap();
        let exam = bench.exam(Some(&server.url("/report.pdf"))).await;
        bench.archive.fetch_report_file(exam).await.unwrap();
        bench.restart_with(QrConfig { enabled: false, ..QrConfig::default() });
        assert!(bench.archive.restamp_if_changed().await.unwrap());
        bench.work(JobKind::RestampReports).await;
        assert!(seen(&bench, exam).await.is_empty());
        let file = bench.archive.report_file_of(exam).await.unwrap().unwrap();
        assert_eq!((file.stamp_state, file.page_count), (StampState::NotApplicable, Some(1)));
    }
}
