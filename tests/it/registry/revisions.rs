//! A revised report is fetched and stamped anew, by the running server (D-R21, D-I13).

use std::time::Duration;

use yingku::index::Index;
use yingku::params;

use super::exam;
use crate::files::pdf;
use crate::files::server::ReportServer;
use crate::harness::{TestServer, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_r21_a_revision_under_the_same_path_is_fetched_and_stamped_anew() {
    let reports = ReportServer::start().await;
    *reports.book.changing.lock().unwrap() = pdf::report();
    let server = TestServer::start().await;
    let index = Index::open(&server.database()).await.unwrap();
    let path = reports.url("/changing.pdf");
    let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
    let register = async |state: &str| {
        let document = exam(&[("reportfilepath", &path), ("state", state)]);
        let told = reqwest::Client::new().post(&url).body(document).send().await.unwrap().text().await.unwrap();
        assert!(told.contains("<result>1</result>"), "{told}");
    };
    let stamped = async |revision: i64| {
        let sql =
            "SELECT stamped_hash FROM report_file WHERE revision = $1 AND is_current = 1 AND stamp_state = 'stamped'";
        let found = index.query(sql, params![revision]).await.unwrap();
        found.first().map(|row| row.text("stamped_hash").unwrap())
    };

    register("3").await;
    let first = eventually(Duration::from_secs(120), "the report is stamped", || stamped(1)).await;
    *reports.book.changing.lock().unwrap() = pdf::report_of_pages(2);
    register("4").await;
    let second = eventually(Duration::from_secs(120), "the revision is stamped", || stamped(2)).await;

    assert_ne!(first, second);
    let links = index.query("SELECT id FROM qr_link", params![]).await.unwrap();
    assert_eq!(links.len(), 1, "what is printed on the first one still opens");
    index.close().await;
    server.stop().await;
}
