//! Other words for restricted reports (D-R22), brought in by several servers one after the other.

use std::net::SocketAddr;

use yingku::archive::upkeep::queue::Finished;
use yingku::integrations::report_registry::router;
use yingku::params;

use super::{Service, exam};
use crate::each_database;

const OLD: &str = "保密";
const NEW: &str = "内部";

/// Another server over the same database; gives where it takes registrations.
async fn another(service: &Service, words: &[&str]) -> String {
    let mut settings = service.settings.clone();
    settings.registry.restricted_confidentiality = words.iter().map(|word| (*word).to_owned()).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = router(service.archive.clone(), settings).unwrap();
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{address}/sehr.service.auto/IAutoReport.asmx")
}

async fn register(service: &Service, url: &str, number: &str, stamp: &str) {
    let document = exam(&[("report_form_no", number), ("last_update_dtime", stamp), ("confidentiality", NEW)]);
    let told = service.http.post(url).body(document).send().await.unwrap().text().await.unwrap();
    assert!(told.contains("<result>1</result>"), "{told}");
}

/// Numbers of reports, and whether they are restricted.
async fn restricted(service: &Service) -> Vec<(String, bool)> {
    let sql = "SELECT report_form_no, restricted FROM exam_report ORDER BY report_form_no";
    let rows = service.rows(sql, params![]).await;
    rows.iter().map(|row| (row.text("report_form_no").unwrap(), row.flag("restricted").unwrap())).collect()
}

each_database! {
    async fn d_r22_what_a_server_registers_by_old_words_follows_when_it_starts_with_the_new_ones(database: TestDatabase) {
        let service = Service::start(database).await;
        let old = another(&service, &[OLD]).await;
        let words = [NEW.to_owned()];
        let walk = async || {
            let done = service.archive.run_restriction(&words).await.unwrap();
            assert!(matches!(done, Finished::Done));
        };
        let (one, two) = ("EX1".to_owned(), "EX2".to_owned());
        register(&service, &old, "EX1", "2024/3/23").await;
        assert_eq!(restricted(&service).await, [(one.clone(), false)]);

        // The first one starts with the new words and walks to the end.
        assert!(service.archive.restrict_if_changed(&words).await.unwrap());
        walk().await;
        assert_eq!(restricted(&service).await, [(one.clone(), true)]);
        // The other one has the old ones still, for a report that is replaced and for a new one.
        register(&service, &old, "EX1", "2024/3/24").await;
        register(&service, &old, "EX2", "2024/3/23").await;
        assert_eq!(restricted(&service).await, [(one.clone(), false), (two.clone(), false)]);

        // Then it starts with the new ones too.
        assert!(!service.archive.restrict_if_changed(&words).await.unwrap(), "the words are known");
        let job = service.row("SELECT state, generation FROM job WHERE kind = 'restrict_reports'").await;
        assert_eq!((job.text("state").unwrap(), job.int("generation").unwrap()), ("ready".to_owned(), 2));
        walk().await;

        assert_eq!(restricted(&service).await, [(one, true), (two, true)]);
        let finished = service.row("SELECT changed, finished_at FROM restriction").await;
        assert_eq!(finished.int("changed").unwrap(), 2);
        assert!(finished.get::<Option<i64>>("finished_at").unwrap().is_some());
    }
}
