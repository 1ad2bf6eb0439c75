//! `yingku qr`

use yingku::index::Error;
use yingku::params;

use super::jobs::open;
use super::{folder, text, yingku};
use crate::harness::run;

const LINK: &str = "abcdefghijklmnopqrstuvwxy4";

#[tokio::test]
async fn a_printed_code_is_listed_and_revoked_by_its_address() {
    let folder = folder();
    let index = open(folder.path()).await;
    let exam = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, restricted, \
                withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, updated_at, org_code, \
                report_form_no, patient_id, event_type, event_no) \
                VALUES (1, 'u', 1, '', '', 1, 0, 0, 0, 0, 'CT', '', '', 0, 0, 'ORG-T01', 'EX0001', 'P', '1', 'E')";
    let link =
        "INSERT INTO qr_link (id, exam_report_pk, created_at, expires_at, revoked_at) VALUES ($1, 1, 0, NULL, NULL)";
    let written = index.write(move |tx| {
        Box::pin(async move {
            tx.execute(exam, params![]).await?;
            tx.execute(link, params![LINK]).await
        })
    });
    written.await.map_err(|error: Error| error.to_string()).unwrap();
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
