//! `yingku patient` and `yingku dictionary`

use yingku::params;

use super::jobs::open;
use super::{folder, text, yingku};
use crate::harness::run;

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
