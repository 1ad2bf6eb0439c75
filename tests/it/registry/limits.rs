//! What somebody unknown may cost: memory, time and room on the disk (D-R33).

use super::{KEY, Service, Settings, exam, form};
use crate::each_database;

const FORM: &str = "application/x-www-form-urlencoded";

fn elsewhere(settings: &mut Settings) {
    settings.senders[0].addresses = vec!["10.0.0.0/8".to_owned()];
}

fn by_app_id(settings: &mut Settings) {
    settings.senders[0].addresses.clear();
    settings.senders[0].app_id = KEY.to_owned();
}

fn bus(credential: &str, document: &str) -> String {
    let header =
        format!("<MsgHeader><ServerName>ArchiveAutoReport</ServerName><AppId>{credential}</AppId></MsgHeader>");
    form(&[("msgHeader", &header), ("msgBody", document)])
}

each_database! {
    async fn d_r33_a_message_that_would_take_many_times_its_length_in_memory_is_too_large(database: TestDatabase) {
        let service = Service::start(database).await;
        let long = "n".repeat(1_000_000);
        let many = "0,".repeat(100_000);
        let soap = "http://schemas.xmlsoap.org/soap/envelope/";

        for (kind, document) in [
            ("text/xml", format!("<root xmlns=\"{long}\">{}</root>", "<a/>".repeat(100_000))),
            ("text/xml", format!("<s:Envelope xmlns:s=\"{soap}\"><s:Body><m:{long} xmlns:m=\"u\"/></s:Body></s:Envelope>")),
            ("application/json", format!("{{\"{long}\":[{many}0]}}")),
            ("application/json", format!("{{\"exammaster\":[{many}0]}}")),
            (FORM, "&a".repeat(100_000)),
        ] {
            let answer = service.post("/ArchiveAutoReport", kind, document).await;
            assert!(answer.text.contains("E2006"), "{kind}: {}", answer.text);
        }
        assert_eq!(service.count("SELECT id FROM inbox_message WHERE state = 'failed'").await, 5);
        assert!(service.register(&exam(&[])).await.contains("<result>1</result>"));
    }

    async fn d_r33_whoever_can_be_no_sender_may_send_little(database: TestDatabase) {
        let service = Service::start_with(database, |settings| {
            elsewhere(settings);
            settings.registry.max_unknown_body_bytes = 1000;
        })
        .await;

        let long = service.post("", "text/xml", exam(&[("conclusion", &"x".repeat(2000))])).await;
        let short = service.post("", "text/xml", "<root><exammaster><item org_code='ORG-T01'/></exammaster></root>").await;

        assert_eq!(long.status, 413);
        assert!(short.text.contains("E2004"), "{}", short.text);
        assert_eq!(service.count("SELECT id FROM inbox_message WHERE result = 'refused: E2006'").await, 1);
    }

    async fn d_r33_whoever_may_say_who_it_is_in_the_message_may_send_as_much_as_others(database: TestDatabase) {
        let service = Service::start_with(database, |settings| {
            by_app_id(settings);
            settings.registry.max_unknown_body_bytes = 1000;
        })
        .await;
        let document = exam(&[("conclusion", &"x".repeat(2000))]);

        let by_bus = service.post("/CallInterface", FORM, bus(KEY, &document)).await;
        let unknown = service.post("", "text/xml", document.clone()).await;
        let wrong = service.http.post(&service.url).header("X-App-Id", "unit-test-app-02").body(document);

        assert!(by_bus.text.contains("Status&quot;:1"), "{}", by_bus.text);
        assert_eq!(service.count("SELECT id FROM exam_report").await, 1);
        assert!(unknown.text.contains("E2004"), "{}", unknown.text);
        assert_eq!(wrong.send().await.unwrap().status(), 413, "it has said already that it is somebody else");
    }

    async fn d_x2_what_is_too_long_for_a_credential_is_none_and_nothing_of_its_message_is_kept(database: TestDatabase) {
        let service = Service::start_with(database, by_app_id).await;

        let answer = service.post("/CallInterface", FORM, bus(&"k".repeat(10_000), &exam(&[]))).await;

        assert!(answer.text.contains("E2004"), "{}", answer.text);
        assert_eq!(service.row("SELECT body_length FROM inbox_message").await.int("body_length").unwrap(), 0);
    }

    async fn d_r28_of_an_unknown_sender_a_few_messages_of_a_minute_are_kept(database: TestDatabase) {
        let service = Service::start_with(database, elsewhere).await;
        let first = exam(&[("org_code", &"O".repeat(5000))]);

        for document in [first].into_iter().chain((0..24).map(|_| exam(&[]))) {
            let acknowledgement = service.register(&document).await;
            assert!(acknowledgement.contains("<result>0</result><message>E2004 "), "{acknowledgement}");
        }

        assert_eq!(service.count("SELECT id FROM inbox_message").await, 10);
        assert_eq!(service.count("SELECT id FROM audit WHERE outcome = 'denied'").await, 10);
        let kept = service.row("SELECT org_codes FROM inbox_message ORDER BY id LIMIT 1").await;
        assert_eq!(kept.text("org_codes").unwrap(), "O".repeat(64));
    }

    async fn d_q5_of_queries_with_wrong_credentials_a_few_of_a_minute_are_kept_and_not_whole(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[])).await;
        let long = "9".repeat(100_000);
        let body = form(&[("strIDNO", &long), ("strSSID", &long), ("strCredential", "region"), ("strKey", "wrong")]);

        for _ in 0..25 {
            let answer = service.post("/GetExamInfo", FORM, body.clone()).await;
            assert!(answer.text.contains("E3002"), "{}", answer.text);
        }

        let refused = service.rows("SELECT body_length FROM inbox_message WHERE state = 'refused'", Vec::new()).await;
        assert_eq!(refused.len(), 10);
        assert!(refused.iter().all(|row| row.int("body_length").unwrap() < 1000));
        assert_eq!(service.count("SELECT id FROM audit WHERE outcome = 'denied'").await, 10);
        let known = service.ask("GetExamInfo", &[("strIDNO", "990101199001010019")]).await;
        assert!(known.contains("EX0001"), "whoever is known is answered: {known}");
    }

    async fn d_q5_a_refused_query_is_cut_as_other_refused_messages_are(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.registry.refused_keep_bytes = 50).await;
        let body = form(&[("strIDNO", "990101199001010019"), ("strCredential", "region"), ("strKey", "wrong")]);

        service.post("/GetExamInfo", FORM, body).await;

        let kept = service.row("SELECT body_length, is_cut FROM inbox_message").await;
        assert_eq!((kept.int("body_length").unwrap(), kept.int("is_cut").unwrap()), (50, 1));
    }
}
