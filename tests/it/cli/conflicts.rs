//! `yingku conflicts`

use yingku::params;

use super::jobs::open;
use super::{CONFIGURATION, folder, part10, text, yingku};
use crate::harness::run;

/// The first word of each line.
fn first_words(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_conflict_is_listed_shown_decided_and_its_study_found_unlinked() {
    let folder = folder();
    let whole = part10("2.25.1");
    let mut edited = whole.clone();
    *edited.last_mut().unwrap() = 1;
    std::fs::write(folder.path().join("a.dcm"), whole).unwrap();
    std::fs::write(folder.path().join("b.dcm"), edited).unwrap();
    run(&mut yingku(folder.path(), &["import", "a.dcm"]));
    run(&mut yingku(folder.path(), &["import", "b.dcm"]));
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["conflicts"], arguments].concat())));

    let listed = ask(&["list", "--kind", "duplicate_uid"]);
    let id = first_words(&listed).remove(0);
    assert!(listed.contains("open") && listed.contains("instance:"), "{listed}");
    let shown = ask(&["show", &id]);
    let content = shown.split("content:").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    assert!(shown.contains("2.25.1"), "{shown}");
    assert!(ask(&["accept", &id, "--content", &content]).contains("closed"));
    assert!(ask(&["list"]).is_empty());
    assert!(ask(&["list", "--all"]).contains("closed"));

    let unlinked = ask(&["unlinked"]);
    assert!(unlinked.contains("2.25.1000"), "{unlinked}");
    let study = first_words(&unlinked).remove(0);
    assert!(ask(&["show", &study]).contains("L0001"), "the patient's number");
    let arguments = ["conflicts", "link", "--exam", "7", "--study", "2.25.1000"];
    let refused = yingku(folder.path(), &arguments).output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("exam report 7 and study 2.25.1000: not found"));

    let index = open(folder.path()).await;
    let sql = "SELECT action FROM audit WHERE actor_kind = 'operator' AND action <> 'store_instance' ORDER BY id";
    let audited = index.query(sql, params![]).await.unwrap();
    let actions: Vec<String> = audited.iter().map(|row| row.text("action").unwrap()).collect();
    assert_eq!(actions, ["view_conflict", "accept_conflict", "view_subject"]);
}

#[tokio::test]
async fn d_i15_one_study_uid_of_two_organisations_is_listed_shown_and_accepted() {
    let folder = folder();
    let configuration = folder.path().join(CONFIGURATION);
    let second = "\n[[organization]]\ncode = \"ORG-T02\"\nname = \"示例二院\"\n";
    std::fs::write(&configuration, std::fs::read_to_string(&configuration).unwrap() + second).unwrap();
    std::fs::write(folder.path().join("a.dcm"), part10("2.25.1")).unwrap();
    for organization in ["ORG-T01", "ORG-T02"] {
        run(&mut yingku(folder.path(), &["import", "--organization", organization, "a.dcm"]));
    }
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["conflicts"], arguments].concat())));

    let listed = ask(&["list", "--kind", "uid_in_two_organizations"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.contains("open") && listed.contains("ORG-T02 study:") && listed.contains("ORG-T01"), "{listed}");
    let id = first_words(&listed).remove(0);
    let shown = ask(&["show", &id]);
    assert!(shown.contains("2.25.1000") && shown.contains("ORG-T02") && shown.contains("L0001"), "{shown}");
    // There is no content to choose: each organisation has its own study.
    let chosen = yingku(folder.path(), &["conflicts", "accept", &id, "--content", "1"]).output().unwrap();
    assert!(!chosen.status.success(), "{}", text(&chosen));

    assert!(ask(&["accept", &id]).contains("closed"));

    assert!(ask(&["list"]).is_empty());
    assert!(ask(&["list", "--all", "--kind", "uid_in_two_organizations"]).contains("closed"));
    let index = open(folder.path()).await;
    let studies = index.query("SELECT org_code FROM study ORDER BY org_code", params![]).await.unwrap();
    let kept: Vec<String> = studies.iter().map(|row| row.text("org_code").unwrap()).collect();
    assert_eq!(kept, ["ORG-T01", "ORG-T02"], "both stay");
    let sql = "SELECT action FROM audit WHERE action LIKE '%conflict' ORDER BY id";
    let audited = index.query(sql, params![]).await.unwrap();
    let actions: Vec<String> = audited.iter().map(|row| row.text("action").unwrap()).collect();
    assert_eq!(actions, ["view_conflict", "accept_conflict"]);
}

/// Registers an exam report with the same AccessionNumber and another patient's birth date.
fn inbox_of_stranger() -> &'static str {
    "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, restricted, withdrawn, \
     identity_conflict, modality, retrieve_at, observed_at, received_at, updated_at, org_code, report_form_no, patient_id, \
     event_type, event_no, patient_local_id, pacs_id, birth_date) VALUES (17, \
     '00000000-0000-5000-8000-000000000017', 1, '', 'ris', 1, 0, 0, 0, 0, 'CT', '2024-03-22 21:01:07', \
     '2024-03-22 21:01:07', 0, 0, 'ORG-T01', 'EX0001', 'P0001', '1', 'E0001', 'L0001', 'A0001', '1980-05-05')"
}

#[tokio::test]
async fn a_person_links_and_parts_a_study_and_an_exam_report_and_no_rule_undoes_it() {
    let folder = folder();
    let index = open(folder.path()).await;
    let registered = index.write(|tx| Box::pin(async move { tx.execute(inbox_of_stranger(), Vec::new()).await }));
    registered.await.map_err(|error: yingku::index::Error| error).unwrap();
    std::fs::write(folder.path().join("a.dcm"), part10("2.25.1")).unwrap();
    run(&mut yingku(folder.path(), &["import", "--organization", "ORG-T01", "a.dcm"]));
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["conflicts"], arguments].concat())));
    let links = async || {
        let sql = "SELECT exam_report_pk, rule FROM exam_study";
        let rows = index.query(sql, params![]).await.unwrap();
        rows.iter().map(|row| (row.int("exam_report_pk").unwrap(), row.text("rule").unwrap())).collect::<Vec<_>>()
    };
    // The number fits and the birth date does not: a rule does not link them, and says so.
    assert_eq!(links().await, []);
    let listed = ask(&["list", "--kind", "demographics"]);
    assert!(listed.contains("exam:17 study:") && listed.contains("birth_date"), "{listed}");

    // A person does, by the exam's number and the study's UID, which closes the conflict.
    assert!(ask(&["link", "--exam", "17", "--study", "2.25.1000"]).contains("linked: exam:17 study:"));
    assert_eq!(links().await, [(17, "manual".to_owned())]);
    assert!(ask(&["list"]).is_empty() && ask(&["unlinked"]).is_empty());
    // By the id in the page's address, twice changes nothing.
    let page = "00000000-0000-5000-8000-000000000017";
    assert!(ask(&["link", "--exam", page, "--study", "2.25.1000"]).contains("linked: exam:17"));
    assert_eq!(links().await.len(), 1);

    assert!(ask(&["unlink", "--exam", "17", "--study", "2.25.1000"]).contains("apart: exam:17 study:"));
    assert_eq!(links().await, []);
    let again =
        yingku(folder.path(), &["conflicts", "unlink", "--exam", "17", "--study", "2.25.1000"]).output().unwrap();
    assert!(!again.status.success() && text(&again).contains("are not linked"), "{}", text(&again));
    // More images of the study come: what a person has parted stays apart.
    std::fs::write(folder.path().join("b.dcm"), part10("2.25.2")).unwrap();
    run(&mut yingku(folder.path(), &["import", "--organization", "ORG-T01", "b.dcm"]));
    assert_eq!(links().await, []);
    assert!(ask(&["unlinked"]).contains("2.25.1000"));

    let sql = "SELECT action, target FROM audit WHERE action IN ('link_study', 'unlink_study') ORDER BY id";
    let audited = index.query(sql, params![]).await.unwrap();
    let actions: Vec<String> = audited.iter().map(|row| row.text("action").unwrap()).collect();
    assert_eq!(actions, ["link_study", "link_study", "unlink_study"]);
    assert!(audited[2].text("target").unwrap().starts_with("exam:17 study:"));
}
