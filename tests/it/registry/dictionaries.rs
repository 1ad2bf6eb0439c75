//! Dictionaries take effect at registration, without a restart (RD-24, RD-26, D-R16).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use yingku::domain::Actor;
use yingku::domain::dictionary::{Entry, MODALITY, ORGANIZATION, listed};
use yingku::integrations::report_registry::Settings;

use super::{Service, exam, root};
use crate::api::containers;
use crate::each_database;
use crate::harness::{ServerProcess, eventually};

const FOLLOWER: &str = "synthetic-follower-key-0001";
const APP_ID: &str = "synthetic-app-id-0001";
/// Of each dictionary something that nobody knows without it.
const ALL: &str = "dictionary,code,meaning,aliases\r\n\
                   organization,ORG-T77,示例新院,\r\n\
                   sex,1,男性,男|阳\r\n\
                   sex,2,女性,女|阴\r\n\
                   event_type,2,住院,住院病人|留观\r\n\
                   modality,MR,磁共振,本院磁共振室\r\n\
                   recognition,3,全国HR,国家级\r\n\
                   lab_class,LC-1,血常规检查,G003\r\n\
                   lab_item,LI-1,白细胞计数,WBC\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rd_24_rd_26_dictionaries_imported_beside_a_running_server_count_in_what_it_takes_and_answers() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let more = format!(
        "\n[[client]]\nid = \"follower\"\nkey = \"{FOLLOWER}\"\napi = \"follow\"\n\n\
         [[sender]]\nname = \"all\"\napp_id = \"{APP_ID}\"\norganizations = [\"*\"]\n"
    );
    let server = ServerProcess::start_with(&more).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let register = async |container: String| {
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
        let request = http.post(url).header("content-type", "text/xml").header("X-App-Id", APP_ID);
        request.body(root(&[container])).send().await.unwrap().text().await.unwrap()
    };
    let report = async |organization: &str, number: &str| {
        let query = format!("organization={organization}&report_form_no={number}");
        let url = format!("http://{}/api/v1/reports?{query}", server.http());
        let answer = http.get(url).bearer_auth(FOLLOWER).send().await.unwrap();
        let found: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        found["reports"][0].clone()
    };
    let in_words = |number: &str| {
        let words = [("class_code", "本院磁共振室"), ("class_name", ""), ("sex_code", "阴"), ("event_type", "留观")];
        containers::exam(&[&words[..], &[("report_form_no", number), ("recognition", "3")]].concat())
    };
    let of_new = || containers::exam(&[("org_code", "ORG-T77"), ("report_form_no", "EX-NEW")]);

    // Nobody knows the words yet.
    assert!(register(in_words("EX-WORDS")).await.contains("stored"));
    let before = report("ORG-T01", "EX-WORDS").await;
    let told = [&before["fields"]["sex_code"], &before["fields"]["event_type"], &before["modality"]];
    assert_eq!(told, [&json!("阴"), &json!("留观"), &Value::Null], "{before}");
    assert!(before["recognition_mark"].is_null() && register(of_new()).await.contains("E1006"));

    std::fs::write(server.folder().join("all.csv"), ALL).unwrap();
    let items = "kind,organization,item,aliases,level,valid_from,valid_to\r\nlab,,WBC,,国家级,,\r\n";
    std::fs::write(server.folder().join("items.csv"), items).unwrap();
    for (arguments, told) in [
        (["recognition", "import-items", "items.csv"], "imported: 1"),
        (
            ["dictionary", "import", "all.csv"],
            "imported: organization 1, sex 2, event_type 1, modality 1, recognition 1",
        ),
    ] {
        let done = server.command(&arguments);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success() && said.contains(told), "{said}{}", String::from_utf8_lossy(&done.stderr));
    }

    let next = AtomicUsize::new(1);
    let exam = eventually(Duration::from_secs(120), "the running server knows the words", || async {
        let number = format!("EX{:04}", next.fetch_add(1, Ordering::Relaxed));
        let told = register(in_words(&number)).await;
        assert!(told.contains("stored"), "{told}");
        let found = report("ORG-T01", &number).await;
        (found["modality"] == "MR").then_some(found)
    })
    .await;
    assert_eq!([&exam["fields"]["sex_code"], &exam["fields"]["event_type"]], [&json!("2"), &json!("2")], "{exam}");
    assert_eq!(exam["recognition_mark"], "全国HR");
    let told = register(of_new()).await;
    assert!(told.contains("stored"), "{told}");
    assert_eq!(report("ORG-T77", "EX-NEW").await["organization"], "ORG-T77");
    register(containers::lab(&[])).await;
    register(containers::line("1", &[])).await;
    let lab = report("ORG-T01", "LB0001").await;
    let line = &lab["items"][0];
    let told = [&lab["mapped_code"], &line["mapped_code"], &line["recognition_mark"]];
    assert_eq!(told, [&json!("LC-1"), &json!("LI-1"), &json!("全国HR")], "{lab}");
}

each_database! {
    async fn d_r16_an_imported_alias_makes_the_modality_at_once(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("class_code", "本院磁共振室")])).await;
        assert_eq!(service.row("SELECT modality FROM exam_report").await.text("modality").unwrap(), "");
        let entry = Entry { code: "MR".into(), meaning: "磁共振".into(), aliases: listed("本院磁共振室") };

        let imported = vec![(MODALITY.to_owned(), vec![entry])];
        service.archive.import_dictionaries(Actor::system("test"), imported).await.unwrap();
        service.register(&exam(&[("class_code", "本院磁共振室"), ("conclusion", "结论二")])).await;

        assert_eq!(service.row("SELECT modality FROM exam_report").await.text("modality").unwrap(), "MR");
        assert_eq!(service.row("SELECT class_code FROM exam_report").await.text("class_code").unwrap(), "本院磁共振室");
    }

    async fn rd_24_an_imported_organization_registers_at_once_and_is_called_by_its_name(database: TestDatabase) {
        let everybody = |settings: &mut Settings| settings.senders[0].organizations = vec!["*".into()];
        let service = Service::start_with(database, everybody).await;
        let of_another = exam(&[("org_code", "ORG-T77"), ("report_form_no", "EX0077")]);
        assert!(service.register(&of_another).await.contains("E1006"), "nobody knows it");
        assert_eq!(service.archive.organization_name("ORG-T77"), "ORG-T77");
        let entry = Entry { code: "ORG-T77".into(), meaning: "示例新院".into(), aliases: listed("org-t78") };

        let imported = vec![(ORGANIZATION.to_owned(), vec![entry])];
        service.archive.import_dictionaries(Actor::system("test"), imported).await.unwrap();

        assert!(service.register(&of_another).await.contains("stored"));
        assert_eq!(service.archive.organization_name("ORG-T77"), "示例新院");
        let by_alias = exam(&[("org_code", "org-t78"), ("report_form_no", "EX0078")]);
        assert!(service.register(&by_alias).await.contains("E1006"), "its code alone is its code");
    }

    async fn rd_26_words_for_event_type_and_sex_become_their_codes(database: TestDatabase) {
        let service = Service::start(database).await;

        service.register(&exam(&[("event_type", "住院"), ("sex_code", "男性")])).await;

        let row = service.row("SELECT event_type, sex_code FROM exam_report").await;
        assert_eq!((row.text("event_type").unwrap(), row.text("sex_code").unwrap()), ("2".into(), "1".into()));
    }

    async fn rd_26_another_process_takes_a_change_over_when_it_looks(database: TestDatabase) {
        let service = Service::start(database).await;
        assert!(!service.archive.refresh_dictionaries().await.unwrap());
        let sql = "UPDATE dictionary_version SET version = version + 1";
        let insert = "INSERT INTO dictionary_entry (dictionary, code, meaning, aliases, position) \
                      VALUES ('recognition', '3', '全国HR', '', 0)";
        service.index.write(move |tx| Box::pin(async move {
            tx.execute(insert, Vec::new()).await?;
            tx.execute(sql, Vec::new()).await
        })).await.unwrap();

        assert!(service.archive.refresh_dictionaries().await.unwrap());

        let entry = service.archive.dictionaries().find("recognition", "3").cloned();
        assert_eq!(entry.map(|entry| entry.meaning), Some("全国HR".to_owned()));
    }
}
