//! Sequence matching by DCMTK's findscu (PS3.4 section C.2.2.2.6): series by what was requested.

use yingku::dimse::DicomConfig;

use super::find::{findscu, world};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findscu_matches_series_by_the_item_of_a_sequence() {
    let listener = world(DicomConfig::default()).await;
    let step = |value: &str| format!("(0040,0275)[0].(0040,0009)={value}");
    let procedure = |value: &str| format!("(0040,0275)[0].(0040,1001)={value}");
    let utf8 = "SpecificCharacterSet=ISO_IR 192".to_owned();
    for (keys, expected, items) in [
        (vec![procedure("P1")], 1, 1),
        (vec![procedure("P?")], 1, 2),
        (vec![procedure("P9")], 0, 0),
        (vec![utf8.clone(), step("步骤2")], 1, 1),
        (vec![utf8.clone(), step("步骤3")], 0, 0),
        (vec![utf8.clone(), step("步骤*"), procedure("P2")], 0, 0),
        (vec![utf8, step(""), procedure("")], 1, 2),
        (vec!["(0040,0275)".to_owned()], 1, 2),
    ] {
        let mut asked = vec!["QueryRetrieveLevel=SERIES", "StudyInstanceUID=2.25.2", "SeriesInstanceUID"];
        asked.extend(["PerformedProcedureStepStartDate=20240102"]);
        asked.extend(keys.iter().map(String::as_str));
        let found = findscu(&listener, "-S", &asked).await;
        assert_eq!(found.len(), expected, "{keys:?}");
        let told = found.first().map_or(0, |answer| answer.matches("(fffe,e000)").count());
        assert_eq!(told, items, "{keys:?}\n{found:?}");
    }
    let all = ["QueryRetrieveLevel=SERIES", "StudyInstanceUID=2.25.2", "SeriesInstanceUID", "(0040,0275)"];
    let found = findscu(&listener, "-S", &all).await;
    assert!(found[0].contains("[P1]") && found[0].contains("[P2]"), "{}", found[0]);
    listener.stop().await;
}
