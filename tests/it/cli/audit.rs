//! `yingku audit`

use yingku::index::Error;
use yingku::params;

use super::jobs::open;
use super::{folder, text, yingku};
use crate::harness::run;

#[tokio::test]
async fn entries_are_listed_narrowed_and_written_as_csv_and_looking_is_recorded() {
    let folder = folder();
    let index = open(folder.path()).await;
    let written = index.write(|tx| {
        Box::pin(async move {
            let sql = "INSERT INTO audit (id, at, action, actor_kind, actor, user_id, remote_addr, org_code, target, \
                       outcome, detail) VALUES ($1, $2, $3, 'customer', 'guid', $4, '192.0.2.7', 'ORG-T01', $5, 'ok', '{}')";
            // Two of them at the same moment.
            for (id, at, action, user, target) in [
                (1, 1_000, "view_exam", "D001", "exam:1"),
                (2, 2_000, "view_exam", "D002", "exam:2"),
                (3, 2_000, "view_exam", "D001\u{1b}[2J", "exam:1"),
                (4, 3_000, "open_link", "D001", ""),
            ] {
                tx.execute(sql, params![id, at, action, user, target]).await?;
            }
            Ok::<_, Error>(())
        })
    });
    written.await.unwrap();
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["audit", "list"], arguments].concat())));

    let all = ask(&["--until", "1970-01-02"]);
    let targets: Vec<&str> = all.lines().map(|line| if line.contains("exam:2") { "2" } else { "other" }).collect();
    assert_eq!(targets, ["other", "other", "2", "other"], "the newest first: {all}");
    assert!(!all.contains('\u{1b}'), "what others chose reaches no terminal as it is");
    assert_eq!(ask(&["--target", "exam:1"]).lines().count(), 2);
    assert_eq!(ask(&["--actor", "D002"]).lines().count(), 1);
    assert_eq!(ask(&["--actor", "guid", "--until", "1970-01-02", "--limit", "3"]).lines().count(), 3);
    assert!(ask(&["--outcome", "denied"]).is_empty());

    let csv = ask(&["--csv", "--action", "view_exam", "--org", "ORG-T01"]);
    assert!(csv.starts_with("id,time,action") && csv.contains("\r\n2,"), "{csv}");

    let looked = ask(&["--action", "read_audit"]);
    assert_eq!(looked.lines().count(), 7, "each look, this one too: {looked}");
    assert!(looked.contains("operator"));
}
