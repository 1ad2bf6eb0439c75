//! A follower of the change feed and a server that ends and starts again: with another database, with another configuration.

use std::time::Duration;

use serde_json::{Value, json};

use super::changes::told;
use super::containers::exam;
use crate::harness::{Limit, ServerProcess, eventually};

const KEY: &str = "synthetic-follower-key-0001";

struct Followed {
    server: ServerProcess,
    http: reqwest::Client,
}

impl Followed {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = format!("\n[[client]]\nid = \"follower\"\nkey = \"{KEY}\"\napi = \"follow\"\n");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { server: ServerProcess::start_with(&client).await, http }
    }

    async fn register(&self, changed: &[(&str, &str)]) {
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", self.server.http());
        let document = format!("<root>{}</root>", exam(changed));
        let answer = self.http.post(url).header("content-type", "text/xml").body(document).send().await.unwrap();
        let text = answer.text().await.unwrap();
        assert!(text.contains("<result>1</result>"), "{text}");
    }

    async fn follow(&self, cursor: &str) -> (u16, Value) {
        let url = format!("http://{}/api/v1/changes?cursor={cursor}&include=report", self.server.http());
        let answer = self.http.get(url).bearer_auth(KEY).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }

    /// What is told after a cursor, and the cursor to go on with.
    async fn told(&self, cursor: &str) -> (Vec<String>, String) {
        let (status, page) = self.follow(cursor).await;
        assert_eq!(status, 200, "{page}");
        (told(page["changes"].as_array().unwrap()), page["cursor"].as_str().unwrap().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_begins_anew_after_the_database_was_put_back_from_a_backup() {
    let mut world = Followed::start().await;
    let (database, backup) = (world.server.folder().join("yingku.db"), world.server.folder().join("backup.db"));
    world.register(&[("report_form_no", "KEPT")]).await;
    let (_, kept) = world.told("").await;
    // A server that has ended in order leaves all in the one file.
    assert!(world.server.terminate().await.success());
    std::fs::copy(&database, &backup).unwrap();
    world.server.start_again(Limit::None).await;
    world.register(&[("report_form_no", "LOST")]).await;
    let (_, lost) = world.told(&kept).await;

    assert!(world.server.terminate().await.success());
    for beside in ["yingku.db-wal", "yingku.db-shm"] {
        let _ = std::fs::remove_file(world.server.folder().join(beside));
    }
    std::fs::copy(&backup, &database).unwrap();
    world.server.start_again(Limit::None).await;
    for number in ["OTHER1", "OTHER2"] {
        world.register(&[("report_form_no", number)]).await;
    }

    let (status, problem) = world.follow(&lost).await;
    assert_eq!((status, &problem["code"]), (409, &json!("E4010")));
    assert_eq!(world.told("").await.0, ["exam KEPT", "exam OTHER1", "exam OTHER2"]);
    assert_eq!(world.told(&kept).await.0, ["exam OTHER1", "exam OTHER2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_r22_other_words_for_restricted_reports_reach_those_that_are_stored() {
    let mut world = Followed::start().await;
    for (number, confidentiality) in [("INTERNAL", "内部"), ("SECRET", "保密"), ("OPEN", "")] {
        world.register(&[("report_form_no", number), ("confidentiality", confidentiality)]).await;
    }
    let (before, cursor) = world.told("").await;
    assert_eq!(before, ["exam INTERNAL", "exam OPEN"]);

    assert!(world.server.terminate().await.success());
    world.server.append_config("\n[registry]\nrestricted_confidentiality = [\"内部\"]\n");
    world.server.start_again(Limit::None).await;

    let after = eventually(Duration::from_secs(120), "the stored reports follow", async || {
        let (after, _) = world.told("").await;
        after.contains(&"exam SECRET".to_owned()).then_some(after)
    })
    .await;
    assert_eq!(after, ["exam OPEN", "exam not_shared", "exam SECRET"]);
    // Who has a copy is told, in the order of the reports.
    let (told, cursor) = world.told(&cursor).await;
    assert_eq!(told, ["exam not_shared", "exam SECRET"]);
    // The next start has nothing to do.
    assert!(world.server.terminate().await.success());
    world.server.start_again(Limit::None).await;
    assert_eq!(world.told(&cursor).await.0, Vec::<String>::new());
    assert_eq!(world.told("").await.0, after);
}
