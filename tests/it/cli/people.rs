//! `yingku patient` and `yingku dictionary`

use std::time::Duration;

use yingku::params;

use super::jobs::open;
use super::{folder, text, yingku};
use crate::api::containers::exam;
use crate::harness::{ServerProcess, eventually, run};

const FIND: [&str; 5] = ["patient", "find", "990101199001010019", "--kind", "id_no"];

/// What a command says beside the running server; it must not fail.
fn said(server: &ServerProcess, arguments: &[&str]) -> String {
    let done = server.command(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", text(&done));
    text(&done)
}

async fn register(server: &ServerProcess, attributes: &[(&str, &str)]) {
    let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let document = format!("<root>{}</root>", exam(&[&[("sex_code", "1")], attributes].concat()));
    let told = http.post(url).header("content-type", "text/xml").body(document).send().await.unwrap();
    let told = told.text().await.unwrap();
    assert!(told.contains("<result>1</result>"), "{told}");
}

/// Persons with their patients, as `patient show` and `patient find` print them.
fn people(shown: &str) -> Vec<(String, Vec<String>)> {
    let mut people: Vec<(String, Vec<String>)> = Vec::new();
    for line in shown.lines() {
        let word = line.split_whitespace().next().unwrap_or_default().to_owned();
        if line.starts_with("person:") {
            people.push((word, Vec::new()));
        } else if word.starts_with("patient:") && line.contains(" issuer=") {
            people.last_mut().unwrap().1.push(word);
        }
    }
    people
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_x9_persons_are_found_parted_linked_merged_and_brought_back_by_commands_that_are_recorded() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = ServerProcess::start().await;
    register(&server, &[("report_form_no", "EX1"), ("patient_id", "P0001")]).await;
    register(&server, &[("report_form_no", "EX2"), ("patient_id", "P0002")]).await;
    let found = eventually(Duration::from_secs(120), "both patients are one person", || async {
        let found = server.command(&FIND);
        Some(people(&text(&found))).filter(|all| all.len() == 1 && all[0].1.len() == 2)
    })
    .await;
    let (person, patients) = found[0].clone();
    let second = patients[1].as_str();
    let sizes = || people(&said(&server, &FIND)).iter().map(|(_, patients)| patients.len()).collect::<Vec<_>>();
    let whose = |patient: &str| people(&said(&server, &["patient", "show", patient]))[0].0.clone();

    // By any number of theirs.
    let by_number = ["patient", "find", "P0002", "--kind", "patient_id", "--domain", "ORG-T01"];
    assert_eq!(people(&said(&server, &by_number)), found);
    assert!(!server.command(&["patient", "find", "P0002", "--kind", "card_no"]).status.success());

    let unlinked = said(&server, &["patient", "unlink", "--patient", second]);
    let alone = whose(second);
    assert_eq!(unlinked.trim(), format!("unlinked: {second} {alone}"));
    assert!(alone != person && sizes() == [1, 1]);

    // What was parted is brought back: by a link, and by a merge.
    let linked = said(&server, &["patient", "link", "--patient", second, "--person", &person]);
    assert_eq!(linked.trim(), format!("linked: {second} {person}"));
    assert_eq!((whose(second), sizes()), (person.clone(), vec![2]));
    said(&server, &["patient", "unlink", "--patient", second]);
    let alone = whose(second);
    let merged = said(&server, &["patient", "merge", &alone, &person]);
    assert_eq!(merged.trim(), format!("merged: {alone} into {person}, 1 patients"));
    assert_eq!((whose(second), sizes()), (person.clone(), vec![2]));

    // And the merge is undone; twice it is not.
    let unmerged = said(&server, &["patient", "unmerge", &alone]);
    assert_eq!(unmerged.trim(), format!("unmerged: {alone}, 1 patients"));
    assert_eq!((whose(second), sizes()), (alone.clone(), vec![1, 1]));
    assert!(!server.command(&["patient", "unmerge", &alone]).status.success());
    let history = said(&server, &["patient", "show", second]) + &said(&server, &["patient", "show", &person]);
    for reason in ["unlink", "link", "merge", "unmerge"] {
        assert!(history.lines().any(|line| line.split_whitespace().any(|word| word == reason)), "{reason}: {history}");
    }

    let audited = |action: &str| {
        let listed = said(&server, &["audit", "list", "--action", action]);
        assert!(listed.lines().all(|line| line.contains("operator")), "{listed}");
        listed.lines().count()
    };
    let decisions = ["unlink_patient", "link_patient", "merge_persons", "unmerge_person"];
    assert_eq!(decisions.map(audited), [2, 1, 1, 1]);
    let listed = said(&server, &["audit", "list", "--action", "merge_persons"]);
    assert!(listed.contains(&alone) && listed.contains(&person), "{listed}");
    assert!(audited("view_person") > 5, "looking is recorded too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_x9_a_patient_whose_reports_contradict_is_listed_and_accepted_by_a_command() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = ServerProcess::start().await;
    register(&server, &[("report_form_no", "EX1")]).await;
    register(&server, &[("report_form_no", "EX2"), ("sex_code", "2"), ("last_update_dtime", "2024/3/24")]).await;
    let show = ["patient", "show", "ORG-T01/P0001"];
    let shown = eventually(Duration::from_secs(120), "the reports of one patient contradict", || async {
        Some(text(&server.command(&show))).filter(|shown| shown.contains("contradicting:"))
    })
    .await;
    let patient = people(&shown)[0].1[0].clone();
    let listed = said(&server, &["patient", "conflicts"]);
    let is_its = |line: &str| line.split_whitespace().any(|word| word == patient);
    assert!(
        listed.lines().any(|line| line.contains(" open ") && line.contains("sex_code") && is_its(line)),
        "{listed}"
    );

    assert_eq!(said(&server, &["patient", "accept", &patient]).trim(), format!("accepted: {patient}"));

    assert!(!said(&server, &show).contains("contradicting:"));
    assert!(!said(&server, &["patient", "conflicts"]).lines().any(is_its));
    let closed = said(&server, &["patient", "conflicts", "--all"]);
    assert!(closed.lines().any(|line| line.contains(" closed ") && is_its(line)), "{closed}");
    let audited = said(&server, &["audit", "list", "--action", "accept_patient"]);
    assert!(audited.lines().count() == 1 && audited.contains("operator") && audited.contains(&patient), "{audited}");
}

#[tokio::test]
async fn a_dictionary_is_imported_listed_exported_and_reset() {
    let folder = folder();
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["dictionary"], arguments].concat())));
    let gb18030 =
        encoding_rs::GB18030.encode("字典,代码,名称,别名\r\nrecognition,3,全国HR,国家级|全国\r\n").0.into_owned();
    std::fs::write(folder.path().join("in.csv"), gb18030).unwrap();

    assert!(ask(&["import", "in.csv"]).contains("imported: recognition 1"));

    let listed = ask(&["list"]);
    assert!(listed.contains("recognition 1") && listed.contains("sex 4"), "{listed}");
    let exported = ask(&["export", "recognition"]);
    assert_eq!(exported, "dictionary,code,meaning,aliases\r\nrecognition,3,全国HR,国家级|全国\r\n");
    std::fs::write(folder.path().join("again.csv"), exported).unwrap();
    assert!(ask(&["import", "again.csv"]).contains("imported: recognition 1"));
    ask(&["reset", "recognition"]);
    assert!(!ask(&["list"]).contains("recognition"));

    std::fs::write(folder.path().join("bad.csv"), "dictionary,code,meaning\nsex,,男\n").unwrap();
    let refused = yingku(folder.path(), &["dictionary", "import", "bad.csv"]).output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("row 2"), "{}", text(&refused));
    let index = open(folder.path()).await;
    let audited = index.query("SELECT id FROM audit WHERE action = 'import_dictionaries'", params![]).await.unwrap();
    assert_eq!(audited.len(), 3);
}

#[test]
fn a_person_that_is_not_there_is_told_by_what_was_asked() {
    let folder = folder();
    for arguments in [["patient", "show", "ORG-T01/P0001"], ["patient", "unmerge", "person:7"]] {
        let refused = yingku(folder.path(), &arguments).output().unwrap();
        assert!(
            !refused.status.success() && text(&refused).contains(&format!("{}: not found", arguments[2])),
            "{}",
            text(&refused)
        );
    }
    assert!(text(&run(&mut yingku(folder.path(), &["patient", "conflicts"]))).is_empty());
}
