//! Who may come in, as the server itself is configured.

use std::time::Duration;

use super::world::{DICOM, OWN, STUDIES, World};
use crate::harness::{TestServer, eventually, small_instance};

#[tokio::test]
async fn without_a_known_key_nothing_is_answered() {
    let world = World::start().await;
    world.store(&[small_instance(0, 64).bytes()]).await;
    for key in ["", "wrong", "synthetic-web-key-000", "synthetic-web-key-00011"] {
        for path in [
            "/dicom-web/studies",
            "/dicom-web/studies/2.25.7001",
            "/dicom-web/studies/2.25.7001/metadata",
            "/dicom-web/nothing",
        ] {
            let answer = world.get_as(key, path, "*/*").await;
            assert_eq!(answer.status, 401, "{key} {path}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        assert_eq!(world.store_as(key, STUDIES, &[small_instance(1, 64).bytes()]).await.status, 401);
    }
    let refused = "SELECT COUNT(*) AS n FROM audit WHERE action = 'dicomweb' AND outcome = 'denied'";
    assert_eq!(world.count(refused).await, 1, "one record for each address and span of time");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 1);
    let answer = world.get_as(OWN, &format!("{STUDIES}/2.25.7001"), DICOM).await;
    assert_eq!(answer.header("access-control-allow-origin"), "", "no cross-origin access");
    assert_eq!(world.get_as(OWN, "/dicom-web/nothing", "*/*").await.status, 404);
    let unknown_session = format!("/t/{}/dicom-web/studies", "0".repeat(32));
    assert_eq!(world.get_as(OWN, &unknown_session, "*/*").await.status, 403, "a key opens no session");
}

#[tokio::test]
async fn the_right_of_a_client_is_what_its_configuration_says() {
    let server = TestServer::start_with(|config| {
        let client = |id: &str, right: &str| -> yingku::integrations::report_registry::ClientConfig {
            let text = format!(
                "id = '{id}'\nkey = 'synthetic-key-of-{id}'\ndicomweb = '{right}'\norganizations = ['ORG-T01']"
            );
            toml::from_str(&text).unwrap()
        };
        config.client.extend([client("a", "none"), client("b", "read"), client("c", "read_and_store")]);
        assert_eq!(config.faults(), []);
    })
    .await;
    let url = format!("http://{}/dicom-web/studies", server.http());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |id: &str| {
        let request = http.post(&url).bearer_auth(format!("synthetic-key-of-{id}"));
        request.header("content-type", "application/dicom").body(small_instance(0, 64).bytes()).send()
    };
    let get = |id: &str| http.get(&url).bearer_auth(format!("synthetic-key-of-{id}")).send();
    assert_eq!(post("a").await.unwrap().status(), 401);
    assert_eq!(post("b").await.unwrap().status(), 403);
    assert_eq!(post("c").await.unwrap().status(), 200);
    assert_eq!(get("a").await.unwrap().status(), 401);
    assert_eq!(get("b").await.unwrap().status(), 200);
    assert_eq!(http.get(&url).basic_auth("c", Some("synthetic-key-of-c")).send().await.unwrap().status(), 200);
    assert_eq!(http.get(&url).basic_auth("b", Some("synthetic-key-of-c")).send().await.unwrap().status(), 401);
    server.stop().await;
}

#[tokio::test]
async fn a_client_of_every_organisation_sees_imported_ones_without_a_restart() {
    let server = TestServer::start_with(|config| {
        let client = |id: &str, more: &str| -> yingku::integrations::report_registry::ClientConfig {
            toml::from_str(&format!("id = '{id}'\nkey = 'synthetic-key-of-{id}'\n{more}")).unwrap()
        };
        let own = client("own", "dicomweb = 'read_and_store'\norganizations = ['ORG-T77']");
        config.client.extend([own, client("everywhere", "dicomweb = 'read'")]);
    })
    .await;
    let url = format!("http://{}/dicom-web/studies", server.http());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let store = http.post(&url).bearer_auth("synthetic-key-of-own").header("content-type", "application/dicom");
    assert_eq!(store.body(small_instance(0, 64).bytes()).send().await.unwrap().status(), 200);
    let find = || http.get(&url).bearer_auth("synthetic-key-of-everywhere").send();
    assert_eq!(find().await.unwrap().status(), 204, "nobody knows the organisation");

    server.import_organizations(&["ORG-T77"]).await;

    eventually(Duration::from_secs(120), "the organisation's study is found", async || {
        (find().await.unwrap().status() == 200).then_some(())
    })
    .await;
    let kept = http.get(format!("{url}/2.25.7001")).bearer_auth("synthetic-key-of-everywhere").send().await.unwrap();
    assert_eq!(kept.status(), 200);
    server.stop().await;
}
