//! Registration of lab reports and their lines.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::sync::oneshot;

use super::{Service, lab, line, root};
use crate::each_database;
use crate::harness::{TestDatabase, eventually};
use yingku::index::Error;
use yingku::params;

const BY_HEAD: &str = "SELECT patient_id, event_type, result_value FROM lab_item JOIN lab_report \
    ON lab_item.lab_report_pk = lab_report.id WHERE lab_item.withdrawn = 0 AND lab_report.withdrawn = 0 \
    ORDER BY patient_id, event_type, serial_no";

/// Patient, event type and value of all lines that can be seen.
async fn lines_by_head(service: &Service) -> Vec<[String; 3]> {
    let rows = service.rows(BY_HEAD, params![]).await;
    rows.iter().map(|row| ["patient_id", "event_type", "result_value"].map(|name| row.text(name).unwrap())).collect()
}

fn head(patient: &str, event_type: &str) -> String {
    lab(&[("patient_id", patient), ("event_type", event_type)])
}

fn value(value: &str) -> String {
    line("1", &[("result_value", value)])
}

/// Each by a connection of its own, neither seeing what the other has not committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_r10_a_head_and_lines_that_come_at_the_same_moment_find_each_other_on_postgres() {
    let service = Service::start(TestDatabase::postgres()).await;
    for round in 0..20 {
        let numbers: Vec<String> = (0..4).map(|number| format!("LB{round}-{number}")).collect();
        let pairs = numbers.iter().map(|number| {
            let of = [("report_form_no", number.as_str())];
            let (head, lines) = (root(&[lab(&of)]), root(&[line("1", &of), line("2", &of)]));
            let service = &service;
            async move { join(service.register(&head), service.register(&lines)).await }
        });
        for (head, lines) in join_all(pairs).await {
            assert!(head.contains("<succeeded>1</succeeded>"), "{head}");
            assert!(lines.contains("<succeeded>2</succeeded>"), "{lines}");
        }
    }
    assert_eq!(service.count("SELECT id FROM lab_item").await, 160);
    assert_eq!(service.count("SELECT id FROM lab_item WHERE lab_report_pk IS NULL").await, 0);
}

/// Whichever comes first, the other looks at what is stored only after it: here both have begun before either may look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_r10_a_head_and_its_lines_wait_for_each_other_before_they_look_on_postgres() {
    const WAITING: &str = "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let service = Service::start(TestDatabase::postgres()).await;
    let of = [("report_form_no", "LB7")];
    let (head, lines) = (root(&[lab(&of)]), root(&[line("1", &of), line("2", &of)]));
    let (hold, held) = oneshot::channel();
    let (let_go, gone) = oneshot::channel::<()>();
    let in_the_way = service.index.write(move |tx| {
        Box::pin(async move {
            tx.hold(&["lab ORG-T01 LB7".to_owned()]).await?;
            hold.send(()).unwrap();
            gone.await.unwrap();
            Ok::<_, Error>(())
        })
    });
    let both = async {
        held.await.unwrap();
        join(service.register(&head), service.register(&lines)).await
    };
    let gate = async {
        eventually(Duration::from_secs(120), "both wait", || async {
            (service.row(WAITING).await.int("n").unwrap() == 2).then_some(())
        })
        .await;
        let_go.send(()).unwrap();
    };

    let (ended, ((head, lines), ())) = join(in_the_way, join(both, gate)).await;

    ended.unwrap();
    assert!(head.contains("<succeeded>1</succeeded>"), "{head}");
    assert!(lines.contains("<succeeded>2</succeeded>"), "{lines}");
    assert_eq!(lines_by_head(&service).await.len(), 2, "no line is without its head");
    assert_eq!(service.count("SELECT id FROM lab_item WHERE lab_report_pk IS NULL").await, 0);
}

each_database! {
    async fn d_r9_a_newer_line_does_not_replace_that_of_another_patient(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[head("PM1", "1"), value("111")])).await;

        let newer = line("1", &[("result_value", "222"), ("last_update_dtime", "2024/3/24")]);
        service.register(&root(&[head("PM2", "2"), newer])).await;

        assert_eq!(lines_by_head(&service).await, [["PM1", "1", "111"], ["PM2", "2", "222"]]);
    }

    async fn d_r9_an_older_line_of_another_patient_is_not_stale(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[head("PN1", "1"), value("111")])).await;

        let older = line("1", &[("result_value", "222"), ("last_update_dtime", "2024/3/22")]);
        let told = service.register(&root(&[head("PN2", "2"), older])).await;

        assert!(!told.contains("stale"), "{told}");
        assert_eq!(lines_by_head(&service).await, [["PN1", "1", "111"], ["PN2", "2", "222"]]);
    }

    async fn d_r8_lines_of_a_corrected_identity_outlive_the_wrong_one(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[head("WRONG", "1"), value("111")])).await;
        service.register(&root(&[head("RIGHT", "1"), value("111")])).await;

        let withdrawal = [("patient_id", "WRONG"), ("data_status", "0"), ("last_update_dtime", "2024/3/24")];
        service.register(&root(&[lab(&withdrawal)])).await;

        assert_eq!(lines_by_head(&service).await, [["RIGHT", "1", "111"]]);
        let detail = service.row("SELECT detail FROM conflict").await.text("detail").unwrap();
        assert_eq!(detail, r#"{"fields":["patient_id"],"lines":1}"#);
        // A line alone goes to the one that is left, though the other was changed later.
        service.register(&root(&[line("2", &[("result_value", "333")])])).await;
        assert_eq!(lines_by_head(&service).await, [["RIGHT", "1", "111"], ["RIGHT", "1", "333"]]);
    }

    async fn d_r9_a_guessed_line_moves_to_the_head_that_it_comes_with(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[head("P1", "1")])).await;
        service.register(&root(&[head("P2", "2")])).await;

        service.register(&root(&[value("111")])).await;
        assert_eq!(lines_by_head(&service).await, [["P2", "2", "111"]]);
        service.register(&root(&[head("P1", "1"), value("111")])).await;
        assert_eq!(lines_by_head(&service).await, [["P1", "1", "111"]]);

        service.register(&root(&[head("P2", "2"), value("222")])).await;
        assert_eq!(lines_by_head(&service).await, [["P1", "1", "111"], ["P2", "2", "222"]]);
    }

    async fn d_r9_two_heads_of_one_message_keep_their_own_lines(database: TestDatabase) {
        let service = Service::start(database).await;
        let document = root(&[head("P1", "1"), value("111"), line("", &[]), head("P1", "2"), value("222"), line("", &[])]);

        service.register(&document).await;
        let again = service.register(&document).await;

        assert_eq!(again.matches("status=\"duplicate\"").count(), 6, "{again}");
        let expected = [["P1", "1", "111"], ["P1", "1", "5.1"], ["P1", "2", "222"], ["P1", "2", "5.1"]];
        assert_eq!(lines_by_head(&service).await, expected);
    }

    async fn d_r9_a_line_of_a_rejected_head_is_kept_aside_and_never_shown_with_another(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[head("P1", "1"), line("2", &[])])).await;

        let told = service.register(&root(&[head("", "1"), value("222")])).await;
        service.register(&root(&[head("P1", "1")])).await;

        assert!(told.contains("<succeeded>1</succeeded>") && told.contains("E1027"), "{told}");
        assert_eq!(lines_by_head(&service).await, [["P1", "1", "5.1"]]);
        assert_eq!(service.count("SELECT id FROM lab_item WHERE lab_report_pk IS NULL").await, 1);
    }

    async fn d_r9_a_line_kept_aside_finds_its_head_when_both_are_sent_again(database: TestDatabase) {
        let service = Service::start(database).await;
        let rejected = root(&[head("P1", "1"), value("111"), head("", "2"), value("222")]);
        service.register(&rejected).await;
        service.register(&rejected).await;
        assert_eq!(lines_by_head(&service).await, [["P1", "1", "111"]]);

        service.register(&root(&[head("P1", "1"), value("111"), head("P2", "2"), value("222")])).await;

        assert_eq!(lines_by_head(&service).await, [["P1", "1", "111"], ["P2", "2", "222"]]);
        assert_eq!(service.count("SELECT id FROM lab_item").await, 2);
    }

    async fn d_r10_a_line_alone_goes_to_the_only_head(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[head("P1", "1"), value("111")])).await;

        let newer = line("1", &[("result_value", "222"), ("last_update_dtime", "2024/3/24")]);
        service.register(&root(&[newer])).await;

        assert_eq!(lines_by_head(&service).await, [["P1", "1", "222"]]);
    }

    async fn d_r11_lines_without_a_number_may_come_again_in_another_order_or_in_part(database: TestDatabase) {
        let service = Service::start(database).await;
        let of = |class| line("", &[("class_code", class)]);
        service.register(&root(&[lab(&[]), of("WBC"), of("RBC"), line("7", &[]), of("HGB")])).await;

        let turned = service.register(&root(&[lab(&[]), of("HGB"), of("WBC"), of("RBC")])).await;
        let part = service.register(&root(&[of("RBC")])).await;

        assert_eq!(turned.matches("status=\"duplicate\"").count(), 4, "{turned}");
        assert_eq!(part.matches("status=\"duplicate\"").count(), 1, "{part}");
        assert_eq!(service.count("SELECT id FROM lab_item").await, 4);
    }

    async fn d_r7_d_r9_lines_belong_to_the_head_of_the_same_message(database: TestDatabase) {
        let service = Service::start(database).await;

        let acknowledgement = service.register(&root(&[line("1", &[]), lab(&[]), line("2", &[])])).await;

        assert!(acknowledgement.contains("<total>3</total><succeeded>3</succeeded>"), "{acknowledgement}");
        let head = service.row("SELECT * FROM lab_report").await.int("id").unwrap();
        let lines = service.rows("SELECT * FROM lab_item WHERE lab_report_pk = $1", params![head]).await;
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].text("norm_upper_limit").unwrap(), "2/HP");
    }

    async fn d_r9_lines_of_two_heads_with_equal_numbers_go_to_the_one_of_their_message(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[lab(&[("event_type", "2")])])).await;

        service.register(&root(&[lab(&[]), line("1", &[])])).await;

        let row = service
            .row("SELECT event_type FROM lab_report JOIN lab_item ON lab_item.lab_report_pk = lab_report.id")
            .await;
        assert_eq!(row.text("event_type").unwrap(), "1");
    }

    async fn d_r10_lines_without_a_head_wait_for_it(database: TestDatabase) {
        let service = Service::start(database).await;

        let waiting = service.register(&root(&[line("1", &[])])).await;
        assert!(waiting.contains("status=\"stored\"") && waiting.contains("E1024"), "{waiting}");
        assert_eq!(service.count("SELECT id FROM lab_item WHERE lab_report_pk IS NULL").await, 1);
        service.register(&root(&[lab(&[])])).await;

        assert_eq!(service.count("SELECT id FROM lab_item WHERE lab_report_pk IS NULL").await, 0);
    }

    async fn d_r11_lines_that_a_newer_message_lacks_are_kept_by_default(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[lab(&[]), line("1", &[]), line("2", &[])])).await;

        let newer = ("last_update_dtime", "2024/3/24");
        service.register(&root(&[lab(&[newer]), line("2", &[newer, ("result_value", "6")])])).await;

        assert_eq!(service.count("SELECT id FROM lab_item WHERE withdrawn = 0").await, 2);
        let changed = service.row("SELECT * FROM lab_item WHERE serial_no = '2'").await;
        assert_eq!((changed.text("result_value").unwrap(), changed.int("version").unwrap()), ("6".into(), 2));
    }

    async fn d_r11_a_sender_of_full_sets_withdraws_what_a_newer_one_lacks(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.senders[0].subitems_replace = true).await;
        service.register(&root(&[lab(&[]), line("1", &[]), line("2", &[])])).await;

        let newer = ("last_update_dtime", "2024/3/24");
        service.register(&root(&[lab(&[newer]), line("2", &[newer])])).await;

        let gone = service.row("SELECT * FROM lab_item WHERE withdrawn = 1").await;
        assert_eq!((gone.text("serial_no").unwrap(), gone.text("data_status").unwrap()), ("1".into(), "0".into()));
        let history = service.rows("SELECT id FROM report_version WHERE kind = 'item'", params![]).await;
        assert_eq!(history.len(), 2);
    }

    async fn d_r11_sending_again_heals_a_partial_batch(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[lab(&[]), line("1", &[])])).await;

        let again = service.register(&root(&[lab(&[]), line("1", &[]), line("2", &[])])).await;

        assert_eq!(again.matches("status=\"duplicate\"").count(), 2);
        assert_eq!(again.matches("status=\"stored\"").count(), 1);
        assert_eq!(service.count("SELECT id FROM lab_item WHERE lab_report_pk IS NOT NULL").await, 2);
    }

    async fn d_r11_lines_without_a_number_get_one_from_their_order(database: TestDatabase) {
        let service = Service::start(database).await;
        let document = root(&[lab(&[]), line("", &[]), line("", &[])]);

        service.register(&document).await;
        let again = service.register(&document).await;

        assert_eq!(again.matches("status=\"duplicate\"").count(), 3, "{again}");
        let rows = service.rows("SELECT serial_no FROM lab_item ORDER BY serial_no", params![]).await;
        let numbers: Vec<String> = rows.iter().map(|row| row.text("serial_no").unwrap()).collect();
        assert_eq!(numbers, ["WBC#1", "WBC#2"]);
    }

    async fn a_large_batch_is_registered_whole(database: TestDatabase) {
        let service = Service::start(database).await;
        let lines = (1..=300).map(|n| line(&n.to_string(), &[]));
        let heads = (2..=40).map(|n| lab(&[("report_form_no", &format!("LB{n}"))]));
        let document = root(&std::iter::once(lab(&[])).chain(lines).chain(heads).collect::<Vec<_>>());

        let acknowledgement = service.register(&document).await;

        assert!(acknowledgement.contains("<total>340</total><succeeded>340</succeeded>"));
        assert_eq!(service.count("SELECT id FROM lab_item WHERE lab_report_pk IS NOT NULL").await, 300);
        assert_eq!(service.count("SELECT id FROM lab_report").await, 40);
    }
}
