//! `yingku recognition`

use super::{folder, text, yingku};
use crate::harness::run;

#[test]
fn the_list_of_recognised_items_is_imported_exported_and_refused_with_its_place() {
    let folder = folder();
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["recognition"], arguments].concat())));
    let chinese = "类别,项目,机构,级别,有效期止\r\n检查,CT01,ORG-T01,全国HR,2026/12/31\r\n检验,WBC,,,\r\n";
    std::fs::write(folder.path().join("in.csv"), encoding_rs::GB18030.encode(chinese).0).unwrap();

    assert!(ask(&["import-items", "in.csv"]).contains("imported: 2"));

    let exported = ask(&["items"]);
    let expected = "kind,organization,item,aliases,level,valid_from,valid_to\r\nexam,ORG-T01,CT01,,全国HR,,2026-12-31\r\nlab,,WBC,,,,\r\n";
    assert_eq!(exported, expected);
    std::fs::write(folder.path().join("again.csv"), &exported).unwrap();
    ask(&["import-items", "again.csv"]);
    assert_eq!(ask(&["items"]), expected);
    std::fs::write(folder.path().join("bad.csv"), "kind,item,level\nexam,,HR\n").unwrap();
    let refused = yingku(folder.path(), &["recognition", "import-items", "bad.csv"]).output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("row 2"), "{}", text(&refused));
    assert_eq!(ask(&["items"]), expected, "a list that is wrong changes nothing");
}

#[test]
fn without_records_there_are_figures_of_nothing() {
    let folder = folder();
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["recognition"], arguments].concat())));
    assert_eq!(ask(&["list"]), "");
    assert_eq!(ask(&["statistics"]), "all: 0 of 0 recognised (–)\n");
    assert!(ask(&["statistics", "--json"]).contains("\"pairs\": []"));
    assert!(ask(&["statistics", "--csv"]).contains("org_code,by_org_code,kind,measure,value"));
    assert_eq!(ask(&["export", "--since", "2026-01-01"]).lines().count(), 1);
}
