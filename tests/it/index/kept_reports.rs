//! Lists of reports for systems: those of a person, and those of everybody that have changed since a moment, are found without
//! reading all.

use yingku::archive::reports::pull_reports::{ReportFilter, ReportQuery, Subject};
use yingku::domain::scope::PatientKey;
use yingku::domain::sharing::Sharing;
use yingku::index::persons::WholePerson;
use yingku::index::{Index, Value, kept_reports};

use crate::harness::TestDatabase;

/// Plans of questions for changes with what was asked: newest and oldest first, first pages and later ones.
pub(super) async fn of_changes(index: &Index, subject: Subject) -> Vec<(String, Vec<String>)> {
    let windows = [(Some(600_000), None), (None, Some(1_200_000)), (Some(600_000), Some(1_200_000))];
    let mut plans = Vec::new();
    for (updated_from, updated_before) in windows {
        for oldest_first in [false, true] {
            let query = ReportQuery { updated_from, updated_before, oldest_first, ..ReportQuery::default() };
            for organizations in [None, Some(vec!["ORG-T02".to_owned()])] {
                for after in [None, Some((Value::from(900_000_i64), 15))] {
                    let filter = ReportFilter { organizations: organizations.clone(), after, ..of(&query) };
                    plans.push(explained(index, subject, &filter).await);
                }
            }
        }
    }
    plans
}

/// Plans of questions for a person's reports.
pub(super) async fn of_person(index: &Index, subject: Subject) -> Vec<(String, Vec<String>)> {
    let patient = |org_code: &str, patient_id: &str| PatientKey {
        org_code: org_code.to_owned(),
        patient_id: patient_id.to_owned(),
        patient_local_id: String::new(),
    };
    let identities = vec!["N77".to_owned(), "N78".to_owned()];
    let query = ReportQuery { persons: identities.clone(), ..ReportQuery::default() };
    let mut plans = Vec::new();
    for patients in [Vec::new(), vec![patient("ORG-T01", "ML0038"), patient("ORG-T02", "ML0039")]] {
        let persons = vec![WholePerson { identities: identities.clone(), patients }];
        plans.push(explained(index, subject, &ReportFilter { persons, ..of(&query) }).await);
    }
    plans
}

fn of(query: &ReportQuery) -> ReportFilter<'_> {
    ReportFilter {
        query,
        organizations: None,
        at_least: Sharing::Everyone,
        id_numbers: Vec::new(),
        identities: Vec::new(),
        persons: Vec::new(),
        codes: Vec::new(),
        after: None,
        limit: 51,
    }
}

async fn explained(index: &Index, subject: Subject, filter: &ReportFilter<'_>) -> (String, Vec<String>) {
    let lines = kept_reports::explain(index, subject, filter).await.unwrap();
    (format!("{subject:?} {filter:?}"), lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_changed_is_found_without_reading_all_reports() {
    let database = TestDatabase::sqlite();
    let (index, _ids) = database.open_with_ids().await;
    for (subject, walk) in [
        (Subject::Exam, "SEARCH exam_report USING INDEX exam_report_updated (updated_at"),
        (Subject::Lab, "SEARCH lab_report USING INDEX lab_report_updated (updated_at"),
    ] {
        for (asked, lines) in of_changes(&index, subject).await {
            let told = lines.join("\n");
            assert!(told.contains(walk) && !told.contains("SCAN ") && !told.contains("TEMP B-TREE"), "{asked}\n{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_reports_are_found_without_reading_all_reports() {
    let database = TestDatabase::sqlite();
    let (index, _ids) = database.open_with_ids().await;
    for subject in Subject::ALL {
        for (asked, lines) in of_person(&index, subject).await {
            assert!(!lines.iter().any(|line| line.starts_with("SCAN ")), "{asked}\n{}", lines.join("\n"));
        }
    }
}
