//! Reports that have changed since a moment, of whomever they are: their pages walk one index in its order.

use yingku::archive::reports::pull_reports::{ReportFilter, ReportQuery, Subject};
use yingku::domain::sharing::Sharing;
use yingku::index::kept_reports;
use yingku::index::{Index, Value};

use crate::harness::TestDatabase;

/// Plans of questions with what was asked: newest and oldest first, first pages and later ones.
pub(super) async fn explained(index: &Index, subject: Subject) -> Vec<(String, Vec<String>)> {
    let windows = [(Some(600_000), None), (None, Some(1_200_000)), (Some(600_000), Some(1_200_000))];
    let mut plans = Vec::new();
    for (updated_from, updated_before) in windows {
        for oldest_first in [false, true] {
            let query = ReportQuery { updated_from, updated_before, oldest_first, ..ReportQuery::default() };
            for organizations in [None, Some(vec!["ORG-T02".to_owned()])] {
                for after in [None, Some((Value::from(900_000_i64), 15))] {
                    let filter = ReportFilter {
                        query: &query,
                        organizations: organizations.clone(),
                        at_least: Sharing::Everyone,
                        id_numbers: Vec::new(),
                        identities: Vec::new(),
                        persons: Vec::new(),
                        codes: Vec::new(),
                        after,
                        limit: 51,
                    };
                    let lines = kept_reports::explain(index, subject, &filter).await.unwrap();
                    plans.push((format!("{subject:?} {filter:?}"), lines));
                }
            }
        }
    }
    plans
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_changed_is_found_without_reading_all_reports() {
    let database = TestDatabase::sqlite();
    let (index, _ids) = database.open_with_ids().await;
    for (subject, walk) in [
        (Subject::Exam, "SEARCH exam_report USING INDEX exam_report_updated (updated_at"),
        (Subject::Lab, "SEARCH lab_report USING INDEX lab_report_updated (updated_at"),
    ] {
        for (asked, lines) in explained(&index, subject).await {
            let told = lines.join("\n");
            assert!(told.contains(walk) && !told.contains("SCAN ") && !told.contains("TEMP B-TREE"), "{asked}\n{told}");
        }
    }
}
