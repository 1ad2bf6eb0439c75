//! Reports that have changed since a moment, of whomever they are: their pages walk one index in its order.

use yingku::archive::reports::pull_reports::{Direction, Having, ListedBy, ReportFilter, Subject};
use yingku::domain::sharing::Sharing;
use yingku::index::kept_reports;

use crate::harness::TestDatabase;

/// Questions with the table that they are about, newest and oldest first, first pages and later ones.
pub(super) fn cases() -> Vec<(Subject, ReportFilter)> {
    let windows = [(Some(600_000), None), (None, Some(1_200_000)), (Some(600_000), Some(1_200_000))];
    let mut cases = Vec::new();
    for (from, before) in windows {
        for organizations in [None, Some(vec!["ORG-T02".to_owned()])] {
            for direction in [Direction::Newest, Direction::Oldest] {
                for after in [None, Some((900_000_i64.into(), 15))] {
                    let filter = ReportFilter {
                        organizations: organizations.clone(),
                        updated_from: from,
                        updated_before: before,
                        after,
                        ..every(direction)
                    };
                    cases.extend(Subject::ALL.map(|subject| (subject, filter.clone())));
                }
            }
        }
    }
    cases
}

fn every(direction: Direction) -> ReportFilter {
    ReportFilter {
        organizations: None,
        at_least: Sharing::Everyone,
        id_numbers: Vec::new(),
        identities: Vec::new(),
        persons: Vec::new(),
        card_no: String::new(),
        patient_id: String::new(),
        patients: Vec::new(),
        report_form_no: String::new(),
        accession_number: String::new(),
        study: None,
        modalities: None,
        codes: Vec::new(),
        updated_from: None,
        updated_before: None,
        event_no: String::new(),
        observation_uids: Vec::new(),
        from: String::new(),
        to: String::new(),
        observed_from: String::new(),
        observed_to: String::new(),
        having: Having::Anything,
        by: ListedBy::Updated,
        after: None,
        direction,
        limit: 51,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_changed_is_found_without_reading_all_reports() {
    let database = TestDatabase::sqlite();
    let (index, _ids) = database.open_with_ids().await;
    for (subject, filter) in cases() {
        let told = kept_reports::explain(&index, subject, &filter).await.unwrap().join("\n");
        let walk = match subject {
            Subject::Exam => "SEARCH exam_report USING INDEX exam_report_updated (updated_at",
            Subject::Lab => "SEARCH lab_report USING INDEX lab_report_updated (updated_at",
        };
        assert!(told.contains(walk) && !told.contains("SCAN ") && !told.contains("TEMP B-TREE"), "{filter:?}\n{told}");
    }
}
