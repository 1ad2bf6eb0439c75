//! `yingku conflicts`

use yingku::params;

use super::jobs::open;
use super::{folder, part10, text, yingku};
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
