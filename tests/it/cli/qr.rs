//! `yingku qr`

use yingku::index::{Error, Index};
use yingku::params;

use super::jobs::open;
use super::{folder, text, yingku};
use crate::harness::run;

const LINK: &str = "abcdefghijklmnopqrstuvwxy4";

/// A folder with an exam report and what `link` adds.
async fn linked(link: &'static str) -> (tempfile::TempDir, Index) {
    let folder = folder();
    let index = open(folder.path()).await;
    let exam = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, restricted, \
                withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, updated_at, org_code, \
                report_form_no, patient_id, event_type, event_no) \
                VALUES (1, 'u', 1, '', '', 1, 0, 0, 0, 0, 'CT', '', '', 0, 0, 'ORG-T01', 'EX0001', 'P', '1', 'E')";
    let written = index.write(move |tx| {
        Box::pin(async move {
            tx.execute(exam, params![]).await?;
            tx.execute(link, params![LINK]).await
        })
    });
    written.await.map_err(|error: Error| error.to_string()).unwrap();
    (folder, index)
}

#[tokio::test]
async fn a_printed_code_is_listed_and_revoked_by_its_address() {
    let link =
        "INSERT INTO qr_link (id, exam_report_pk, created_at, expires_at, revoked_at) VALUES ($1, 1, 0, NULL, NULL)";
    let (folder, index) = linked(link).await;
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["qr"], arguments].concat())));
    assert!(ask(&["list"]).starts_with(&format!("{LINK} exam:1 ORG-T01 EX0001")));

    ask(&["revoke", &format!("https://reports.example.test/q/{}", LINK.to_uppercase())]);

    assert!(ask(&["list"]).is_empty());
    assert!(ask(&["list", "--all"]).contains("revoked="));
    for (id, told) in [(LINK, "revoked already"), ("unknown", "not found")] {
        let again = yingku(folder.path(), &["qr", "revoke", id]).output().unwrap();
        assert!(!again.status.success() && text(&again).contains(told), "{}", text(&again));
    }
    let audited = index.query("SELECT actor_kind FROM audit WHERE action = 'revoke_qr_link'", params![]).await.unwrap();
    assert_eq!(audited.len(), 1);
    assert_eq!(audited[0].text("actor_kind").unwrap(), "operator");
}

#[tokio::test]
async fn a_shut_link_is_opened_and_a_revoked_one_replaced() {
    let link = "INSERT INTO qr_link (id, exam_report_pk, created_at, revoked_at, failed) VALUES ($1, 1, 0, 5, 20)";
    let (folder, index) = linked(link).await;
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["qr"], arguments].concat())));
    assert!(ask(&["list", "--all"]).contains("failed=20"));
    ask(&["unlock", LINK]);
    assert!(!ask(&["list", "--all"]).contains("failed="));

    let renewed = ask(&["renew", &format!("https://reports.example.test/q/{LINK}")]);

    let fresh = renewed.lines().next().unwrap().trim().to_owned();
    assert!(fresh.len() == 26 && fresh != LINK, "{renewed}");
    assert!(ask(&["list"]).starts_with(&fresh), "it opens again");
    let gone = yingku(folder.path(), &["qr", "renew", LINK]).output().unwrap();
    assert!(!gone.status.success(), "the former one leads nowhere");
    let sql = "SELECT action FROM audit WHERE action IN ('unlock_qr_link', 'renew_qr_link')";
    assert_eq!(index.query(sql, params![]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn d_i9_files_that_take_no_code_are_listed_with_their_reason_for_each_organisation() {
    let link = "INSERT INTO qr_link (id, exam_report_pk, created_at) VALUES ($1, 1, 0)";
    let (folder, index) = linked(link).await;
    let ask = |arguments: &[&str]| text(&run(&mut yingku(folder.path(), &[&["qr", "unstamped"], arguments].concat())));
    assert!(ask(&[]).is_empty());
    let file = "INSERT INTO report_file (id, exam_report_pk, revision, is_current, source, media_type, original_key, \
                original_length, original_hash, stamp_state, stamp_reason, page_count, fetched_at) \
                VALUES ($1, 1, $1, $2, '', 'application/pdf', 'k', 1, '', 'unstampable', $3, 1, 0)";
    let written = index.write(move |tx| {
        Box::pin(async move {
            tx.execute(file, params![1, 0, "damaged"]).await?;
            tx.execute(file, params![2, 1, "encrypted"]).await
        })
    });
    written.await.map_err(|error: Error| error.to_string()).unwrap();

    let listed = ask(&["--org", "ORG-T01"]);

    assert_eq!(listed.lines().count(), 1, "the current file alone: {listed}");
    assert!(listed.starts_with("exam:1 ORG-T01 \"EX0001\" encrypted application/pdf fetched="), "{listed}");
    assert_eq!(ask(&[]), listed);
    assert!(ask(&["--org", "ORG-T02"]).is_empty());
}
