//! Who is the same person in several organisations, by rule and by decision (D-X9, D-R35, D-Q2).

use std::time::Duration;

use tokio::sync::oneshot;
use yingku::archive::Error;
use yingku::domain::{Actor, ActorKind};
use yingku::{index, params};

use super::links::{register, store};
use super::{Service, exam};
use crate::each_database;
use crate::harness::{TestDatabase, eventually};

const ID: &str = "990101199001010019";

fn somebody() -> Actor {
    Actor { kind: ActorKind::Operator, name: "test".into(), user_id: "tester".into(), remote_addr: String::new() }
}

async fn settle(service: &Service) {
    while service.archive.keep_people("test", 3).await.unwrap() {}
}

/// Registers a report of ORG-T01's P0001 or ORG-T02's P0777, with a number of its own, and finds persons.
async fn report(service: &Service, organization: &str, number: &str, change: &[(&str, &str)]) {
    let patient = if organization == "ORG-T01" { "P0001" } else { "P0777" };
    let own = [("org_code", organization), ("report_form_no", number), ("patient_id", patient)];
    let answer = service.register(&exam(&[&own[..], change].concat())).await;
    assert!(answer.contains("<result>1</result>"), "{answer}");
    settle(service).await;
}

/// Patient and person of each organisation, in their order.
async fn persons(service: &Service) -> Vec<(i64, i64)> {
    let sql = "SELECT id, person_pk FROM patient_record ORDER BY org_code, origin DESC";
    let rows = service.rows(sql, params![]).await;
    rows.iter().map(|row| (row.int("id").unwrap(), row.int("person_pk").unwrap())).collect()
}

async fn one_person(service: &Service) -> bool {
    let all = persons(service).await;
    all.iter().all(|(_, person)| *person == all[0].1)
}

async fn conflicts(service: &Service) -> Vec<String> {
    let rows = service.rows("SELECT kind, detail FROM conflict ORDER BY id", params![]).await;
    rows.iter().map(|row| format!("{} {}", row.text("kind").unwrap(), row.text("detail").unwrap())).collect()
}

async fn audited(service: &Service) -> Vec<String> {
    let sql = "SELECT action FROM audit WHERE action LIKE '%person%' OR action LIKE '%patient%' ORDER BY id";
    let rows = service.rows(sql, params![]).await;
    rows.iter().map(|row| row.text("action").unwrap()).collect()
}

async fn master_id(service: &Service, person: i64) -> String {
    let rows = service.rows("SELECT master_id FROM person WHERE id = $1", params![person]).await;
    rows[0].text("master_id").unwrap()
}

/// While the rules bring three patients together, and wait in their middle for the row of the second, somebody says
/// whose the third one is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_x9_rules_do_not_overrun_what_a_person_decides_at_the_same_moment_on_postgres() {
    const WAITING: &str = "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
                           AND wait_event_type = 'Lock'";
    const PERSON: &str = "SELECT id, person_pk FROM patient_record WHERE patient_id = $1";
    let service = Service::start(TestDatabase::postgres()).await;
    for (number, patient, card_no) in
        [("EX1", "P1", "C1"), ("EX2", "P2", "C2"), ("EX3", "P3", "C3"), ("EX4", "P4", "C4")]
    {
        report(&service, "ORG-T01", number, &[("patient_id", patient), ("card_no", card_no), ("id_no", "")]).await;
    }
    let whose = async |patient: &str| {
        let row = service.rows(PERSON, params![patient]).await.remove(0);
        (row.int("id").unwrap(), row.int("person_pk").unwrap())
    };
    let ((third, former), (_, chosen)) = (whose("P3").await, whose("P4").await);
    assert_ne!(former, chosen);
    let one_card = "UPDATE patient_record SET card_no = 'C1', \
                    settled = CASE WHEN patient_id = 'P1' THEN 0 ELSE settled END \
                    WHERE patient_id IN ('P1', 'P2', 'P3')";
    service.execute(one_card, params![]).await;

    let (hold, held) = oneshot::channel();
    let (let_go, gone) = oneshot::channel::<()>();
    let (index, rules, operator) = (service.index.clone(), service.archive.clone(), service.archive.clone());
    let in_the_way = tokio::spawn(async move {
        let write = index.write(move |tx| {
            Box::pin(async move {
                let lock = "UPDATE patient_record SET updated_at = updated_at WHERE patient_id = 'P2'";
                tx.execute(lock, params![]).await?;
                hold.send(()).unwrap();
                gone.await.unwrap();
                Ok::<_, index::Error>(())
            })
        });
        write.await
    });
    held.await.unwrap();
    let ruling = tokio::spawn(async move { rules.keep_people("test", 3).await });
    eventually(Duration::from_secs(120), "the rules wait for the second patient", || async {
        (service.row(WAITING).await.int("n").unwrap() == 1).then_some(())
    })
    .await;
    let deciding = tokio::spawn(async move { operator.link_patient(somebody(), third, chosen).await });
    eventually(Duration::from_secs(120), "the decision is made, or waits for the rules", || async {
        (deciding.is_finished() || service.row(WAITING).await.int("n").unwrap() == 2).then_some(())
    })
    .await;
    let_go.send(()).unwrap();
    in_the_way.await.unwrap().unwrap();
    assert!(ruling.await.unwrap().unwrap());
    deciding.await.unwrap().unwrap();

    assert_eq!(whose("P1").await.1, whose("P2").await.1, "the rules did their work");
    assert_eq!(whose("P3").await.1, chosen);
}

each_database! {
    async fn d_x9_the_same_valid_number_and_name_is_one_person_and_that_is_audited(database: TestDatabase) {
        let service = Service::start(database).await;

        report(&service, "ORG-T01", "EX1", &[]).await;
        report(&service, "ORG-T02", "EX2", &[("name", "测试甲 "), ("card_no", "C2"), ("birth_date", "")]).await;

        assert!(one_person(&service).await);
        assert_eq!((audited(&service).await, conflicts(&service).await), (vec!["link_person".to_owned()], vec![]));
        let moves = service.rows("SELECT reason, actor FROM person_move ORDER BY id", params![]).await;
        let reasons: Vec<_> = moves.iter().map(|row| row.text("reason").unwrap()).collect();
        assert_eq!(reasons, ["new", "id_no"]);
    }

    async fn d_x9_without_a_number_card_name_and_birth_date_together_are_one_person(database: TestDatabase) {
        let service = Service::start(database).await;
        let no_number = ("id_no", "");

        report(&service, "ORG-T01", "EX1", &[no_number]).await;
        report(&service, "ORG-T02", "EX2", &[no_number]).await;

        assert!(one_person(&service).await);
        assert_eq!(conflicts(&service).await, Vec::<String>::new());
    }

    async fn d_x9_a_card_alone_or_of_another_name_is_somebody_else_and_no_question(database: TestDatabase) {
        let service = Service::start(database).await;
        let no_number = ("id_no", "");

        report(&service, "ORG-T01", "EX1", &[no_number]).await;
        report(&service, "ORG-T02", "EX2", &[no_number, ("birth_date", "")]).await;
        assert!(!one_person(&service).await);
        report(&service, "ORG-T02", "EX3", &[no_number, ("name", "测试乙"), ("last_update_dtime", "2024/3/24")]).await;

        assert!(!one_person(&service).await);
        assert_eq!(conflicts(&service).await, Vec::<String>::new());
    }

    async fn d_x9_never_on_a_contradiction_which_asks_a_person(database: TestDatabase) {
        let service = Service::start(database).await;

        report(&service, "ORG-T01", "EX1", &[]).await;
        report(&service, "ORG-T02", "EX2", &[("name", "测试乙")]).await;

        assert!(!one_person(&service).await);
        assert_eq!(conflicts(&service).await, [r#"person {"fields":["name"]}"#]);
    }

    async fn d_r35_a_number_that_contradicts_birth_date_or_sex_does_not_link(database: TestDatabase) {
        let service = Service::start(database).await;

        report(&service, "ORG-T01", "EX1", &[("birth_date", ""), ("sex_code", "")]).await;
        report(&service, "ORG-T02", "EX2", &[("birth_date", "1991-01-01")]).await;

        assert!(!one_person(&service).await);
        assert_eq!(conflicts(&service).await, [r#"person {"fields":["id_no"]}"#]);
    }

    async fn d_x9_an_invalid_number_links_nobody(database: TestDatabase) {
        let service = Service::start(database).await;
        let invalid = [("id_no", "990101199001010018"), ("card_no", "")];

        report(&service, "ORG-T01", "EX1", &invalid).await;
        report(&service, "ORG-T02", "EX2", &invalid).await;

        assert!(!one_person(&service).await);
    }

    async fn d_r29_a_number_given_to_two_people_is_found_with_nobody_until_accepted(database: TestDatabase) {
        let service = Service::start(database).await;
        report(&service, "ORG-T01", "EX1", &[]).await;
        report(&service, "ORG-T02", "EX2", &[]).await;
        assert!(one_person(&service).await);

        report(&service, "ORG-T02", "EX3", &[("sex_code", "2"), ("last_update_dtime", "2024/3/1")]).await;
        assert!(!one_person(&service).await);
        assert!(conflicts(&service).await[0].starts_with(r#"patient {"fields":["sex_code"]"#));
        let patient = persons(&service).await[1].0;
        service.archive.accept_patient(somebody(), patient).await.unwrap();
        settle(&service).await;

        assert!(one_person(&service).await);
        assert_eq!(service.count("SELECT id FROM conflict WHERE state = 'open'").await, 0);
    }

    async fn d_x9_what_becomes_known_later_brings_two_persons_together(database: TestDatabase) {
        let service = Service::start(database).await;
        report(&service, "ORG-T01", "EX1", &[("card_no", "")]).await;
        report(&service, "ORG-T02", "EX2", &[("id_no", ""), ("card_no", "C2")]).await;
        assert!(!one_person(&service).await);
        let former = persons(&service).await;
        let emptied = master_id(&service, former[1].1).await;

        report(&service, "ORG-T02", "EX3", &[("last_update_dtime", "2024/3/24")]).await;

        assert!(one_person(&service).await);
        assert_eq!(persons(&service).await[0].1, former[0].1, "the oldest stays");
        let view = service.archive.view_persons(somebody(), &emptied).await.unwrap();
        assert_eq!((view.len(), view[0].patients.len()), (1, 2), "the former number still finds everybody");
    }

    async fn d_x9_decisions_undo_each_other_and_no_rule_takes_them_back(database: TestDatabase) {
        let service = Service::start(database).await;
        let archive = &service.archive;
        report(&service, "ORG-T01", "EX1", &[]).await;
        report(&service, "ORG-T02", "EX2", &[]).await;
        let [(first, person), (second, _)] = persons(&service).await[..] else { panic!("two patients") };

        let other = archive.unlink_patient(somebody(), second).await.unwrap();
        report(&service, "ORG-T02", "EX3", &[("last_update_dtime", "2024/3/25"), ("card_no", "C9")]).await;
        report(&service, "ORG-T01", "EX4", &[("last_update_dtime", "2024/3/25"), ("card_no", "C9")]).await;
        assert_eq!(persons(&service).await, [(first, person), (second, other)], "apart for good");

        assert_eq!(archive.merge_persons(somebody(), other, person).await.unwrap(), 1);
        assert!(one_person(&service).await);
        assert_eq!(archive.unmerge_person(somebody(), other).await.unwrap(), 1);
        assert_eq!(persons(&service).await, [(first, person), (second, other)]);
        archive.link_patient(somebody(), second, person).await.unwrap();
        settle(&service).await;
        assert!(one_person(&service).await);

        let refused = archive.unmerge_person(somebody(), other).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        assert!(matches!(archive.merge_persons(somebody(), 7, person).await, Err(Error::NotFound)));
        let decisions = ["link_person", "unlink_patient", "merge_persons", "unmerge_person", "link_patient"];
        assert_eq!(audited(&service).await, decisions);
    }

    async fn d_x9_images_of_a_report_have_its_patient(database: TestDatabase) {
        let service = Service::start(database).await;
        let named = |set: &mut crate::harness::dataset::DataSet| {
            set.text(0x0010_0010, "PN", "CE^SHIJIA");
        };
        store(&service, "ORG-T01", named).await;
        settle(&service).await;
        assert_eq!(persons(&service).await.len(), 1);

        register(&service, "2.25.1000", &[("name", "Ce Shijia"), ("id_no", "")]).await;
        settle(&service).await;

        assert_eq!(persons(&service).await.len(), 2);
        assert!(one_person(&service).await, "{:?}", conflicts(&service).await);
    }

    async fn d_q2_reports_of_the_same_person_without_the_number_are_found_too(database: TestDatabase) {
        let service = Service::start(database).await;
        report(&service, "ORG-T01", "EX1", &[]).await;
        report(&service, "ORG-T02", "EX2", &[]).await;
        report(&service, "ORG-T02", "EX3", &[("id_no", ""), ("card_no", "C3"), ("last_update_dtime", "2024/3/1")]).await;
        report(&service, "ORG-T02", "EX4", &[("id_no", ""), ("card_no", "C4"), ("patient_id", "P0888")]).await;

        let answer = service.ask("GetExamInfo", &[("strIDNO", ID)]).await;

        for number in ["EX1", "EX2", "EX3"] {
            assert!(answer.contains(&format!("<REPORT_FORM_NO>{number}</REPORT_FORM_NO>")), "{number} {answer}");
        }
        assert!(!answer.contains("EX4"), "another patient, though of the same name: {answer}");
    }
}
