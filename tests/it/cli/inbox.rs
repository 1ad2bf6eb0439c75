//! `yingku inbox` and `yingku quality`

use yingku::params;

use super::jobs::open;
use super::{folder, text, yingku};
use crate::harness::{ServerProcess, run};

const EXAM: &str = "<root><exammaster><item org_code=\"ORG-T03\" report_form_no=\"EX1\" patient_id=\"P1\" \
                    event_type=\"1\" event_no=\"E1\" name=\"测试甲\"/></exammaster></root>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_failed_is_listed_shown_and_taken_up_again_when_the_configuration_is_mended() {
    let server = ServerProcess::start().await;
    let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
    let told = reqwest::Client::new().post(url).body(EXAM).send().await.unwrap().text().await.unwrap();
    assert!(told.contains("E1007"), "{told}");
    let path = server.folder().join("yingku.toml");
    let configuration = std::fs::read_to_string(&path).unwrap();
    let third = configuration.replace("organizations = [\"ORG-T01\"]", "organizations = [\"ORG-T01\", \"ORG-T03\"]")
        + "\n[[organization]]\ncode = \"ORG-T03\"\nname = \"示例医院三\"\n";
    std::fs::write(&path, third).unwrap();
    let ask = |arguments: &[&str]| text(&run(&mut yingku(server.folder(), arguments)));

    let listed = ask(&["inbox", "list", "--failed", "--sender", "ris", "--org", "ORG-T03", "--since", "2024-01-01"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.contains("failed") && listed.contains("E1007") && !listed.contains("测试甲"), "{listed}");
    let id = listed.split(' ').next().unwrap().to_owned();
    let shown = ask(&["inbox", "show", &id]);
    assert!(shown.contains("organizations  ORG-T03") && !shown.contains("测试甲"), "{shown}");
    assert_eq!(ask(&["inbox", "show", &id, "--body"]), EXAM);
    assert!(ask(&["inbox", "replay", "--failed", "--since", "2024-01-01"]).contains("1 message(s) accepted, 0 not"));
    assert!(ask(&["inbox", "replay", &id]).contains("1 message(s) accepted"));
    assert_eq!(ask(&["inbox", "list", "--failed"]), "");

    let csv = ask(&["quality", "--org", "ORG-T03", "--csv"]);
    assert!(csv.contains("ORG-T03,exam,,,,records,1,"), "{csv}");
    let json: serde_json::Value = serde_json::from_str(&ask(&["quality", "--json"])).unwrap();
    assert_eq!(json["organizations"]["ORG-T03"]["kinds"]["exam"]["records"], 1);
    let index = open(server.folder()).await;
    let sql = "SELECT DISTINCT action FROM audit WHERE actor_kind = 'operator' ORDER BY action";
    let audited = index.query(sql, params![]).await.unwrap();
    let audited: Vec<String> = audited.iter().map(|row| row.text("action").unwrap()).collect();
    assert_eq!(audited, ["measure_quality", "read_message", "register_exam", "replay_message"]);
    index.close().await;
}

#[tokio::test]
async fn a_message_that_is_not_there_is_an_error() {
    let folder = folder();
    for arguments in [["inbox", "show", "7"], ["inbox", "replay", "7"], ["inbox", "list", "--since=x"]] {
        let output = yingku(folder.path(), &arguments).output().unwrap();
        assert!(!output.status.success(), "{}", text(&output));
    }
}
