//! C-FIND across organisations: what each of them shares, imported ones too.

use std::time::Duration;

use serde_json::json;
use yingku::dimse::scu::{Association, Proposal};
use yingku::index::Index;

use super::find::{ask_at, values};
use super::{file_of, target};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestServer, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_every_organisation_sees_what_each_of_them_shares() {
    let server = TestServer::start_with(|config| {
        for code in ["ORG-T02", "ORG-T09"] {
            let organization = format!("code = '{code}'\nname = '示例医院'");
            config.organization.push(toml::from_str(&organization).unwrap());
        }
        for (ae_title, more) in [("REGION", "query_organizations = ['*']"), ("PACS09", "")] {
            let peer = format!("ae_title = '{ae_title}'\nhost = '127.0.0.1'\norganization = 'ORG-T09'\n{more}");
            config.peer.push(toml::from_str(&peer).unwrap());
        }
        for number in [2, 3] {
            let other = format!("ae_title = 'PACS0{number}'\nhost = '127.0.0.1'\norganization = 'ORG-T0{number}'");
            config.peer.push(toml::from_str(&other).unwrap());
        }
    })
    .await;
    for (calling, number) in [("PACS01", 1), ("PACS02", 2), ("PACS03", 3)] {
        let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE)];
        let target = target(server.dicom(), calling, "YINGKU");
        let mut association = Association::connect(&target, &proposals).await.unwrap();
        let uid = format!("2.25.{number}.1.1");
        let mut set = DataSet::ct(&uid);
        set.text(0x0020_000D, "UI", &format!("2.25.{number}"));
        association.store(&file_of(&uid, &set.encode())).await.unwrap();
        association.release().await.unwrap();
    }
    let keys = json!([["QueryRetrieveLevel", "STUDY"], ["StudyInstanceUID", ""]]);
    let found = async |calling: &str| {
        let answer = ask_at(server.dicom(), json!({ "calling": calling, "keys": keys })).await;
        values(&answer, "StudyInstanceUID").into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(found("REGION").await, ["2.25.1", "2.25.2"], "nobody has named ORG-T03");
    assert!(found("PACS09").await.is_empty(), "nothing was allowed to it");
    assert_eq!(found("PACS02").await, ["2.25.2"]);

    let index = Index::open(&server.database()).await.unwrap();
    index
        .write(|tx| {
            Box::pin(async move {
                let report = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, \
                              vip, restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, \
                              received_at, updated_at, org_code, report_form_no, patient_id, event_type, event_no) \
                              VALUES (1, 'x', 1, '', 'ris', 1, 1, 0, 0, 0, 'CT', '', '', 0, 0, 'ORG-T02', 'R', 'P', \
                              '1', 'E')";
                tx.execute(report, Vec::new()).await?;
                let link = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) SELECT 1, id, 'manual', 0 \
                            FROM study WHERE study_instance_uid = '2.25.2'";
                tx.execute(link, Vec::new()).await
            })
        })
        .await
        .map_err(|error: yingku::index::Error| error)
        .unwrap();
    assert_eq!(found("REGION").await, ["2.25.1"], "a VIP's study is not shared");
    assert_eq!(found("PACS02").await, ["2.25.2"]);
    index.close().await;

    server.import_organizations(&["ORG-T03"]).await;
    eventually(Duration::from_secs(120), "what an imported organisation shares is found", async || {
        (found("REGION").await == ["2.25.1", "2.25.3"]).then_some(())
    })
    .await;
    server.stop().await;
}
