//! Who may register and who may ask.

use yingku::integrations::report_registry::KeyMode;

use super::{KEY, Service, Settings, exam, form};
use crate::each_database;
use crate::harness::TestDatabase;

/// What is found with these credentials.
async fn found_by(service: &Service, id: &str, key: &str) -> String {
    let body = form(&[("strIDNO", "C00000001"), ("strCredential", id), ("strKey", key)]);
    service.post("/GetExamInfo", "application/x-www-form-urlencoded", body).await.text
}

each_database! {
    async fn d_r28_an_unknown_sender_registers_nothing_and_is_noted(database: TestDatabase) {
        let elsewhere = |settings: &mut Settings| settings.senders[0].addresses = vec!["10.0.0.0/8".to_owned()];
        let service = Service::start_with(database, elsewhere).await;

        let acknowledgement = service.register(&exam(&[])).await;

        assert!(acknowledgement.contains("<result>0</result><message>E2004 "), "{acknowledgement}");
        assert_eq!(service.count("SELECT id FROM exam_report").await, 0);
        assert_eq!(service.count("SELECT id FROM audit WHERE outcome = 'denied'").await, 1);
        assert_eq!(service.count("SELECT id FROM inbox_message WHERE result = 'refused: E2004'").await, 1);
    }

    async fn d_r28_a_sender_with_a_header_is_known_by_it(database: TestDatabase) {
        let by_header = |settings: &mut Settings| {
            settings.senders[0].addresses.clear();
            settings.senders[0].app_id = "unit-test-app-01".to_owned();
        };
        let service = Service::start_with(database, by_header).await;
        assert!(service.register(&exam(&[])).await.contains("E2004"));

        let request = service.http.post(&service.url).header("X-App-Id", "unit-test-app-01").body(exam(&[]));

        assert!(request.send().await.unwrap().text().await.unwrap().contains("<result>1</result>"));
    }

    async fn d_q5_wrong_credentials_find_nothing_and_are_noted(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[])).await;
        let body = form(&[("strIDNO", "C00000001"), ("strCredential", "region"), ("strKey", "unit-test-key-0002")]);

        let answer = service.post("/GetExamInfo", "application/x-www-form-urlencoded", body).await;

        assert!(answer.text.contains("E3002") && !answer.text.contains("EX0001"), "{}", answer.text);
        assert_eq!(service.count("SELECT id FROM audit WHERE outcome = 'denied'").await, 1);
    }

    async fn d_r3_an_acknowledgement_has_the_form_that_its_sender_expects(database: TestDatabase) {
        use yingku::integrations::report_registry::Acknowledgement;
        let one = |settings: &mut Settings| settings.senders[0].ack = Acknowledgement::One;
        let service = Service::start_with(database, one).await;

        let answer = service.post("", "text/xml", exam(&[])).await;

        assert_eq!((answer.text.as_str(), answer.content_type.as_str()), ("1", "text/plain; charset=utf-8"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_q5_a_known_address_asks_without_a_key_where_that_is_configured() {
    let (here, elsewhere) = ("127.0.0.1/32", "10.0.0.0/8");
    for (anonymous, addresses, is_found) in
        [(true, Some(here), true), (true, Some(elsewhere), false), (true, None, false), (false, Some(here), false)]
    {
        let change = |settings: &mut Settings| {
            settings.registry.anonymous_query = anonymous;
            settings.clients[0].addresses = addresses.map(str::to_owned).into_iter().collect();
        };
        let service = Service::start_with(TestDatabase::sqlite(), change).await;
        service.register(&exam(&[])).await;
        let answer = found_by(&service, "", "").await;
        assert_eq!(
            (answer.contains("EX0001"), answer.contains("E3002")),
            (is_found, !is_found),
            "{anonymous} {addresses:?}: {answer}"
        );
        assert!(!found_by(&service, "region", "").await.contains("EX0001"), "who says a name says the key");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_q5_a_key_may_change_every_day() {
    // MD5 of `region`, the day and the key; HMAC-SHA-256 of `region` and the day, by the key. It is 2024-03-24.
    let md5 = [
        ("dda4b37b1cd0df9761953f3d752899ea", true),
        ("93B00A34C995D1A9B73C2108911ACD25", true),
        ("af8b0702c611874893a2c9bcc67403d0", true),
        ("8900fa8305dd423bda3f5e3453d0ad88", false),
    ];
    let hmac = [
        ("369f04a3d634e671e17b51eb454c28005463412ea3172cd404c57c77c12c3900", true),
        ("cca6b7c26d652cf5d647ba993775fa4916f9cb448447dc9f859e43d4aed984f1", true),
        ("9121e40dd710be55453b47894a6cb44da2e21436488f47adeb5da9a730196b81", true),
        ("43f2310cc3fa0d230b91fcff6e42a8551e1fc513c0abeb36c27444ffa7ef2ecc", false),
    ];
    for (mode, proofs, others) in [(KeyMode::Md5Date, md5, hmac), (KeyMode::HmacDate, hmac, md5)] {
        let change = |settings: &mut Settings| settings.clients[0].key_mode = mode;
        let service = Service::start_with(TestDatabase::sqlite(), change).await;
        service.register(&exam(&[])).await;
        for (proof, is_found) in proofs {
            let answer = found_by(&service, "region", proof).await;
            assert_eq!(answer.contains("EX0001"), is_found, "{mode:?} {proof}: {answer}");
        }
        for proof in [KEY, others[1].0, ""] {
            assert!(found_by(&service, "region", proof).await.contains("E3002"), "{mode:?} {proof}");
        }
    }
}
