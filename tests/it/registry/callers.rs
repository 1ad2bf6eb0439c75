//! Who may register and who may ask.

use super::{Service, Settings, exam, form};
use crate::each_database;

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
