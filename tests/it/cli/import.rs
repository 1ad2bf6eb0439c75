//! `yingku import`: what it causes besides the rows.

use super::{CONFIGURATION, folder, part10, text, yingku};
use crate::harness::{count_rows, run};

#[tokio::test]
async fn who_is_told_of_new_studies_is_told_of_imported_ones_too() {
    let folder = folder();
    let path = folder.path().join(CONFIGURATION);
    let told = "\n[[peer]]\nae_title = 'RIS01'\nhost = '127.0.0.1'\nport = 11114\norganization = 'ORG-T01'\n\
                notify_availability = true\n";
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + told).unwrap();
    std::fs::write(folder.path().join("one.dcm"), part10("2.25.71")).unwrap();

    let imported = run(&mut yingku(folder.path(), &["import", "one.dcm"]));

    assert!(text(&imported).contains("1 stored"), "{}", text(&imported));
    let url = format!("sqlite://{}/yingku.db", folder.path().display());
    let database = yingku::index::DatabaseConfig { url, ..Default::default() };
    let planned = "SELECT COUNT(*) AS n FROM job WHERE kind = 'notify_availability' AND state = 'ready'";
    assert_eq!(count_rows(&database, planned).await, 1);
    let again = run(&mut yingku(folder.path(), &["reindex"]));
    assert!(again.status.success());
    assert_eq!(
        count_rows(&database, "SELECT COUNT(*) AS n FROM job WHERE generation > 1").await,
        0,
        "a reindex has no news"
    );
}
