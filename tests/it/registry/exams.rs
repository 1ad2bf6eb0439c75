//! Registration of exam reports.

use std::time::Duration;

use futures_util::future::{join, join3};
use tokio::sync::oneshot;
use yingku::index::Error;
use yingku::params;

use super::{Service, exam, root};
use crate::each_database;
use crate::harness::{TestDatabase, eventually};

/// Of two servers over one PostgreSQL the one that has looked at the stored report first writes first, and the other
/// looks at what it has written. Here the newer one waits in the middle, for a name that the stored report has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_r8_an_older_report_that_comes_at_the_same_moment_does_not_replace_a_newer_one_on_postgres() {
    const WAITING: &str = "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let service = Service::start(TestDatabase::postgres()).await;
    let of = |day: &'static str, pacs_id: &'static str, conclusion: &'static str| {
        let changed = [("last_update_dtime", day), ("pacs_id", pacs_id), ("conclusion", conclusion)];
        exam(&[&changed[..], &[("study_instance_uid", "")]].concat())
    };
    let stored = service.register(&of("2024/3/22", "A0002", "结论一")).await;
    assert!(stored.contains("status=\"stored\""), "{stored}");
    let (hold, held) = oneshot::channel();
    let (let_go, gone) = oneshot::channel::<()>();
    let in_the_way = service.index.write(move |tx| {
        Box::pin(async move {
            tx.hold(&["accession ORG-T01 A0002".to_owned()]).await?;
            hold.send(()).unwrap();
            gone.await.unwrap();
            Ok::<_, Error>(())
        })
    });
    let (newer_waits, older_may_come) = oneshot::channel();
    let waiting = async |n: i64| {
        let what = format!("{n} wait");
        eventually(Duration::from_secs(120), &what, || async {
            (service.row(WAITING).await.int("n").unwrap() == n).then_some(())
        })
        .await;
    };
    let newer = async {
        held.await.unwrap();
        service.register(&of("2024/3/24", "A0003", "结论三")).await
    };
    let older = async {
        older_may_come.await.unwrap();
        service.register(&of("2024/3/23", "A0004", "结论二")).await
    };
    let gate = async {
        waiting(1).await;
        newer_waits.send(()).unwrap();
        waiting(2).await;
        let_go.send(()).unwrap();
    };
    let (ended, (newer, older, ())) = join(in_the_way, join3(newer, older, gate)).await;

    ended.unwrap();
    assert!(newer.contains("status=\"updated\""), "{newer}");
    assert!(older.contains("status=\"stale\""), "{older}");
    let row = service.row("SELECT * FROM exam_report").await;
    assert_eq!((row.text("conclusion").unwrap(), row.int("version").unwrap()), ("结论三".into(), 2));
}

each_database! {
    async fn d_r3_a_registered_exam_is_stored_with_every_field_and_acknowledged(database: TestDatabase) {
        let service = Service::start(database).await;

        let acknowledgement = service.register(&exam(&[("reportfilepath", "http://rpt.example.test/EX0001.pdf")])).await;

        assert!(acknowledgement.contains("<result>1</result><message>ok</message><total>1</total>"), "{acknowledgement}");
        assert!(acknowledgement.contains("report_form_no=\"EX0001\" status=\"stored\" code=\"0\" message=\"\""));
        let row = service.row("SELECT * FROM exam_report").await;
        assert_eq!(row.text("image_descr").unwrap(), "描述一\n描述二");
        assert_eq!(row.text("performer_dtime").unwrap(), "2024-03-22 14:46:06");
        assert_eq!(row.text("observed_at").unwrap(), "2024-03-22 14:46:06");
        assert_eq!(row.text("retrieve_at").unwrap(), "2024-03-22 21:01:07");
        assert_eq!(row.text("modality").unwrap(), "MR");
        assert_eq!(row.text("sex_name").unwrap(), "男");
        assert_eq!(row.text("create_time").unwrap(), "2024-03-24 14:40:00");
        assert!(row.flag("reviewed").unwrap());
        assert_eq!(row.int("version").unwrap(), 1);
        let uid = service.row("SELECT * FROM exam_study_uid").await;
        assert_eq!(uid.text("study_instance_uid").unwrap(), "1.2.3.4.5.6");
        assert_eq!(uid.text("origin").unwrap(), "registered");
        let job = service.row("SELECT * FROM job").await;
        assert_eq!(job.text("job_key").unwrap(), row.int("id").unwrap().to_string());
        let audit = service.row("SELECT * FROM audit WHERE action = 'register_exam'").await;
        assert_eq!((audit.text("actor").unwrap(), audit.text("outcome").unwrap()), ("ris".into(), "stored".into()));
        let message = service.row("SELECT * FROM inbox_message").await;
        assert_eq!(message.text("channel").unwrap(), "IAutoReport/ArchiveAutoReport");
        assert!(message.text("result").unwrap().contains("\"failed\":0"));
    }

    async fn d_r8_newer_replaces_with_history_older_and_equal_do_not(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[])).await;

        let duplicate = service.register(&exam(&[])).await;
        let changed = service.register(&exam(&[("conclusion", "结论二")])).await;
        let newer = service.register(&exam(&[("last_update_dtime", "2024/3/24"), ("conclusion", "结论三")])).await;
        let stale = service.register(&exam(&[("conclusion", "结论四")])).await;

        assert!(duplicate.contains("status=\"duplicate\"") && duplicate.contains("<result>1</result>"));
        assert!(changed.contains("status=\"updated\"") && newer.contains("status=\"updated\""));
        assert!(stale.contains("status=\"stale\"") && stale.contains("<result>1</result>"));
        let row = service.row("SELECT * FROM exam_report").await;
        assert_eq!((row.text("conclusion").unwrap(), row.int("version").unwrap()), ("结论三".into(), 3));
        let history = service.rows("SELECT * FROM report_version WHERE kind = 'exam' ORDER BY version", params![]).await;
        let kept: Vec<bool> = history
            .iter()
            .zip(["\"结论\"", "\"结论二\""])
            .map(|(version, text)| version.text("content").unwrap().contains(text))
            .collect();
        assert_eq!(kept, [true, true]);
    }

    async fn d_r8_one_number_for_two_patients_makes_two_rows_and_a_conflict(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[])).await;

        let acknowledgement = service.register(&exam(&[("patient_id", "P0002")])).await;

        assert!(acknowledgement.contains("status=\"stored\"") && acknowledgement.contains("E1016"));
        assert_eq!(service.count("SELECT id FROM exam_report WHERE identity_conflict = 1").await, 2);
        let conflict = service.row("SELECT * FROM conflict").await;
        assert_eq!(conflict.text("kind").unwrap(), "report_identity");
        assert_eq!(conflict.text("detail").unwrap(), r#"{"fields":["patient_id"]}"#);
    }

    async fn d_r32_a_rejected_record_does_not_stop_the_others(database: TestDatabase) {
        let service = Service::start(database).await;
        let good = exam(&[]);
        let no_key = exam(&[("report_form_no", "EX0002"), ("event_no", "")]);
        let foreign = exam(&[("report_form_no", "EX0003"), ("org_code", "ORG-T03")]);

        let acknowledgement = service.register(&root(&[good, no_key, foreign])).await;

        assert!(acknowledgement.contains("<result>0</result>") && acknowledgement.contains("<total>3</total>"));
        assert!(acknowledgement.contains("<succeeded>1</succeeded><failed>2</failed>"));
        assert!(acknowledgement.contains("code=\"E1001\" message=\"E1001 Event_No 缺少主键字段\""), "{acknowledgement}");
        assert!(acknowledgement.contains("code=\"E1007\""));
        assert_eq!(service.count("SELECT id FROM exam_report").await, 1);
        let message = service.row("SELECT * FROM inbox_message").await;
        assert!(message.text("result").unwrap().contains("\"failed\":2"));
        assert_eq!(service.count("SELECT id FROM audit WHERE outcome = 'rejected'").await, 1);
    }

    async fn d_r18_a_withdrawn_report_is_kept_and_not_fetched(database: TestDatabase) {
        let service = Service::start(database).await;
        let path = ("reportfilepath", "http://rpt.example.test/EX0001.pdf");
        let withdrawal = [path, ("data_status", "0"), ("last_update_dtime", "2024/3/24")];

        service.register(&exam(&withdrawal)).await;

        assert!(service.row("SELECT * FROM exam_report").await.flag("withdrawn").unwrap());
        assert_eq!(service.count("SELECT id FROM job").await, 0);
    }

    async fn d_i13_a_revision_is_fetched_again(database: TestDatabase) {
        let service = Service::start(database).await;
        let path = ("reportfilepath", "http://rpt.example.test/EX0001.pdf");
        service.register(&exam(&[path])).await;
        service.register(&exam(&[path])).await;
        assert_eq!(service.row("SELECT * FROM job").await.int("generation").unwrap(), 1);

        service.register(&exam(&[path, ("state", "4")])).await;

        assert_eq!(service.row("SELECT * FROM job").await.int("generation").unwrap(), 2);
    }

    async fn d_r24_a_changed_list_of_studies_replaces_what_was_registered(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("study_instance_uid", "1.2.1，1.2.2")])).await;

        service.register(&exam(&[("study_instance_uid", "1.2.2;1.2.3"), ("last_update_dtime", "2024/3/24")])).await;

        let rows = service.rows("SELECT * FROM exam_study_uid ORDER BY study_instance_uid", params![]).await;
        let uids: Vec<String> = rows.iter().map(|row| row.text("study_instance_uid").unwrap()).collect();
        assert_eq!(uids, ["1.2.2", "1.2.3"]);
    }

    async fn d_r8_the_same_report_registered_by_many_at_once_is_one_row(database: TestDatabase) {
        let service = Service::start(database).await;
        let document = exam(&[]);

        let answers = futures_util::future::join_all((0..8).map(|_| service.register(&document))).await;

        assert!(answers.iter().all(|answer| answer.contains("<result>1</result>")), "{answers:?}");
        assert_eq!(service.count("SELECT id FROM exam_report").await, 1);
    }

    async fn markup_and_sql_in_fields_are_text(database: TestDatabase) {
        let service = Service::start(database).await;
        let hostile = "&lt;script&gt;'; DROP TABLE exam_report; --";

        service.register(&exam(&[("conclusion", hostile), ("report_form_no", "1&apos; OR &apos;1")])).await;

        let row = service.row("SELECT * FROM exam_report").await;
        assert_eq!(row.text("conclusion").unwrap(), "<script>'; DROP TABLE exam_report; --");
        assert_eq!(row.text("report_form_no").unwrap(), "1' OR '1");
    }
}
