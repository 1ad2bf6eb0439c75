//! Lists of the signed pages: every part once and in order, and no list reads a large table from end to end.

use yingku::domain::criteria::{Criteria, Key, Span};
use yingku::domain::report_state::ReportState;
use yingku::domain::scope::{Filter, Order, Paging, PatientKey, Scope, SortBy};
use yingku::index::{Index, exam_pages, persons};
use yingku::params;

use crate::each_database;
use crate::harness::TestDatabase;

/// Row, organisation, and when; `''` is a study whose date is no date.
const EXAMS: [(i64, &str, &str); 5] = [
    (1, "ORG-T01", "2024-03-01 10:00:00"),
    (2, "ORG-T02", "2024-03-02 10:00:00"),
    (3, "ORG-T01", "2024-03-02 10:00:00"),
    (4, "ORG-T03", "2024-03-04 10:00:00"),
    (5, "ORG-T01", "2024-03-09 10:00:00"),
];
const LABS: [(i64, &str, &str); 2] = [(11, "ORG-T01", "2024-03-02 10:00:00"), (12, "ORG-T02", "2024-03-20 08:00:00")];
/// Nobody has reported them, but the third, which is of exam 5.
const STUDIES: [(i64, &str, &str); 5] = [
    (21, "20240303", "080000"),
    (22, "20240302", "100000"),
    (23, "20240309", "100000"),
    (24, "20230101", ""),
    (25, "2024", "080000"),
];

async fn fill(index: &Index) {
    index
        .write(|tx| {
            Box::pin(async move {
                for (id, org, at) in EXAMS {
                    let sql = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, \
                               vip, restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, \
                               received_at, updated_at, org_code, report_form_no, patient_id, event_type, event_no, \
                               name) VALUES ($1, $2, 1, '', 'ris', 1, 0, 0, 0, 0, 'CT', $3, $3, 0, 0, $4, $2, 'P1', \
                               '1', 'E', '测试甲')";
                    tx.execute(sql, params![id, format!("uid-{id}"), at, org]).await?;
                }
                for (id, org, at) in LABS {
                    let sql = "INSERT INTO lab_report (id, observation_uid, version, content_hash, sender, withdrawn, \
                               identity_conflict, retrieve_at, observed_at, received_at, updated_at, org_code, \
                               report_form_no, patient_id, event_type, event_no) VALUES ($1, $2, 1, '', 'lis', 0, 0, \
                               $3, $3, 0, 0, $4, $2, 'P1', '1', 'E')";
                    tx.execute(sql, params![id, format!("uid-{id}"), at, org]).await?;
                }
                let sql = "INSERT INTO patient (id, org_code, patient_id, issuer, name, sex, birth_date, created_at, \
                           updated_at, keyed) VALUES (1, 'ORG-T01', 'P1', '', '', '', '', 0, 0, 2)";
                tx.execute(sql, params![]).await?;
                for (id, date, time) in STUDIES {
                    let sql = "INSERT INTO study (id, patient_pk, org_code, study_instance_uid, study_id, \
                               accession_number, study_date, study_time, study_description, referring_physician, \
                               institution_name, patient_id, issuer, patient_name, patient_sex, patient_birth_date, \
                               patient_age, observation_uid, created_at, updated_at, keyed) VALUES ($1, 1, 'ORG-T01', \
                               $2, '', '', $3, $4, '', '', '', 'P1', '', '', '', '', '', $2, 0, 0, 2)";
                    tx.execute(sql, params![id, format!("uid-{id}"), date, time]).await?;
                }
                tx.execute("UPDATE exam_report SET class_code = 'us' WHERE id = 1", params![]).await?;
                tx.execute("UPDATE exam_report SET is_abnormal = '危急' WHERE id = 2", params![]).await?;
                tx.execute("UPDATE lab_report SET class_code = 'G003' WHERE id = 11", params![]).await?;
                let sql = "INSERT INTO series (id, study_pk, series_instance_uid, modality, kind, series_number, \
                           series_description, body_part_examined, laterality, protocol_name, series_date, series_time, \
                           station_name, manufacturer, model_name, created_at, updated_at) VALUES (31, 21, '1', 'MR', \
                           'image', 1, '', '', '', '', '', '', '', '', '', 0, 0)";
                tx.execute(sql, params![]).await?;
                let sql = "INSERT INTO study_modality (org_code, modality, study_date, study_pk) \
                           VALUES ('ORG-T01', 'MR', '20240303', 21)";
                tx.execute(sql, params![]).await?;
                let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) VALUES (5, 23, 'x', 0)";
                tx.execute(sql, params![]).await?;
                Ok::<_, yingku::index::Error>(())
            })
        })
        .await
        .unwrap();
}

pub(super) fn whole(organizations: Option<&[&str]>) -> Scope {
    Scope {
        free_search: true,
        organizations: organizations.map(|codes| codes.iter().map(|code| (*code).to_owned()).collect()),
        home: "ORG-T01".to_owned(),
        unreviewed: true,
        ..Scope::default()
    }
}

/// The rows of all parts of the list, one part behind the other.
async fn walked(index: &Index, scope: &Scope, filter: &Filter, order: Order, limit: i64) -> Vec<i64> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let part = exam_pages::find(index, scope, filter, &Paging { by: SortBy::Observed, order, after, limit })
            .await
            .unwrap();
        assert!(part.len() as i64 <= limit);
        found.extend(part.iter().map(|entry| entry.pk));
        match part.last() {
            Some(entry) => after = Some((entry.observed_at.clone(), entry.observation_uid.clone())),
            None => return found,
        }
    }
}

each_database! {
    async fn a_list_of_everything_comes_in_parts_each_entry_once_and_in_order(database: TestDatabase) {
        let (index, _ids) = database.open_with_ids().await;
        fill(&index).await;
        let all = [12, 5, 4, 21, 3, 22, 2, 11, 1, 24, 25];
        for limit in [1, 2, 3, 50] {
            let none = Filter::default();
            assert_eq!(walked(&index, &whole(None), &none, Order::Newest, limit).await, all, "{limit}");
            let mut oldest = walked(&index, &whole(None), &none, Order::Oldest, limit).await;
            oldest.reverse();
            assert_eq!(oldest, all, "{limit}");
            let two = whole(Some(&["ORG-T01", "ORG-T02"]));
            assert_eq!(walked(&index, &two, &none, Order::Newest, limit).await, [12, 5, 21, 3, 22, 2, 11, 1, 24, 25]);
            let other = whole(Some(&["ORG-T03"]));
            assert_eq!(walked(&index, &other, &none, Order::Newest, limit).await, [4], "studies are of the own one");
            let reviewed = Scope { unreviewed: false, ..two.clone() };
            assert_eq!(walked(&index, &reviewed, &none, Order::Newest, limit).await, [12, 5, 3, 2, 11, 1]);
            let observed = Span { from: "2024-03-02 00:00:00".to_owned(), to: "2024-03-03 23:59:59".to_owned() };
            let days = Filter { observed, ..Filter::default() };
            assert_eq!(walked(&index, &whole(None), &days, Order::Newest, limit).await, [21, 3, 22, 2, 11]);
            assert_eq!(walked(&index, &whole(None), &days, Order::Oldest, limit).await, [11, 2, 22, 3, 21]);
            let types = |names: &[&str]| Filter { types: names.iter().map(|n| (*n).to_owned()).collect(), ..Filter::default() };
            // Exam 1 is of a class of its own, and so is one laboratory report; study 21 has images of a type.
            for (names, found) in [
                (&["CT"][..], vec![5, 4, 3, 2, 1]),
                (&["US"], vec![1]),
                (&["CT", "US"], vec![5, 4, 3, 2, 1]),
                (&["G003"], vec![11]),
                (&["MR"], vec![21]),
                (&["MR", "G003", "US"], vec![21, 11, 1]),
                (&["ES"], vec![]),
            ] {
                assert_eq!(walked(&index, &whole(None), &types(names), Order::Newest, limit).await, found, "{names:?}");
                let mut oldest = walked(&index, &whole(None), &types(names), Order::Oldest, limit).await;
                oldest.reverse();
                assert_eq!(oldest, found, "{names:?}");
            }
            let of_state = |state| Filter { state: Some(state), ..Filter::default() };
            for (filter, found) in [
                (of_state(ReportState::Unreported), vec![21, 22, 24, 25]),
                (of_state(ReportState::Reviewed), vec![5, 4, 3, 2, 1]),
                (of_state(ReportState::Published), vec![12, 11]),
                (of_state(ReportState::Written), vec![]),
                (Filter { organization: "ORG-T02".to_owned(), ..Filter::default() }, vec![12, 2]),
                (Filter { organization: "ORG-T01".to_owned(), ..of_state(ReportState::Reviewed) }, vec![5, 3, 1]),
                (Filter { critical: true, ..Filter::default() }, vec![2]),
            ] {
                assert_eq!(walked(&index, &whole(None), &filter, Order::Newest, limit).await, found, "{filter:?}");
                let mut oldest = walked(&index, &whole(None), &filter, Order::Oldest, limit).await;
                oldest.reverse();
                assert_eq!(oldest, found, "{filter:?}");
            }
            let hidden = Filter { organization: "ORG-T03".to_owned(), ..Filter::default() };
            assert_eq!(walked(&index, &two, &hidden, Order::Newest, limit).await, Vec::<i64>::new(), "no scope grows");
            let labs = types(&["LAB"]);
            assert_eq!(walked(&index, &whole(None), &labs, Order::Newest, limit).await, [12, 11]);
            let named = Filter { name: "测试甲".to_owned(), ..Filter::default() };
            assert_eq!(walked(&index, &whole(None), &named, Order::Newest, limit).await, [5, 4, 3, 2, 1]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_persons_are_found_without_reading_all_patients() {
    let database = TestDatabase::sqlite();
    let (index, _ids) = database.open_with_ids().await;
    let patient = |patient_id: &str, local: &str| PatientKey {
        org_code: "ORG-T01".to_owned(),
        patient_id: patient_id.to_owned(),
        patient_local_id: local.to_owned(),
    };
    for patients in [vec![patient("1", "1")], vec![patient("", "2")], vec![patient("1", "2"), patient("3", "3")]] {
        let told = persons::explain_same_persons(&index, &patients).await.unwrap().join("\n");
        assert!(!told.contains("SCAN") && told.contains("SEARCH k USING INDEX patient_record_person"), "{told}");
        assert!(told.contains("(org_code=? AND patient_id=?"), "{told}");
    }
    assert_eq!(persons::same_persons(&index, &[patient("", "")], 5).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_walks_an_index() {
    let database = TestDatabase::sqlite();
    let (index, _ids) = database.open_with_ids().await;
    for (name, scope, filter) in cases() {
        for order in [Order::Newest, Order::Oldest] {
            for after in [None, Some(("2024-03-02 10:00:00".to_owned(), "uid".to_owned()))] {
                let paging = Paging { by: SortBy::Observed, order, after: after.clone(), limit: 51 };
                let lines = exam_pages::explain(&index, &scope, &filter, &paging).await.unwrap();
                let told = lines.join("\n");
                let reads_all = |line: &String| {
                    let is_narrow_enough = line.contains("found") || line.contains("CONSTANT ROW");
                    let is_walked = ["everything", "typed", "written", "critical"].contains(&name.as_str());
                    let only_by_organization = line.ends_with("(org_code=?)") && !is_walked;
                    (line.starts_with("SCAN ") && !is_narrow_enough) || only_by_organization
                };
                assert!(!lines.iter().any(reads_all), "{name}\n{told}");
                if name == "typed" {
                    for index in ["exam_report_class", "exam_report_modality", "lab_report_class"] {
                        assert!(told.contains(&format!("INDEX {index} (org_code=? AND <expr>=?")), "{index}\n{told}");
                    }
                    assert!(told.contains("m USING PRIMARY KEY (org_code=? AND modality=? AND study_date>"), "{told}");
                    assert!(!told.contains("study_org_date") && !told.contains("exam_report_observed"), "{told}");
                }
                if ["written", "critical"].contains(&name.as_str()) {
                    assert!(told.contains("exam_report_observed"), "{name}\n{told}");
                }
                if name == "everything" {
                    for index in ["exam_report_observed", "lab_report_observed", "study_org_date"] {
                        assert!(told.contains(index), "{index}\n{told}");
                    }
                    // Those without a date are where the oldest are, and nowhere else.
                    let has_oldest = order == Order::Newest || after.is_none();
                    assert_eq!(told.contains("study_undated"), has_oldest, "{told}");
                }
            }
        }
    }
}

/// Lists that narrow what they look for, and those of everything and of a type.
pub(super) fn cases() -> Vec<(String, Scope, Filter)> {
    let number = || "1".to_owned();
    let everything = whole(Some(&["ORG-T01"]));
    let of = |key| {
        let criteria = Criteria { all_of: vec![(key, number())], ..Criteria::default() };
        Scope { criteria, free_search: false, ..everything.clone() }
    };
    let keys = [
        Key::IdCard,
        Key::HealthCard,
        Key::Insurance,
        Key::Card,
        Key::MedicalRecord,
        Key::Visit,
        Key::OutPatient,
        Key::InPatient,
        Key::PlacerOrder,
        Key::FillerOrder,
        Key::Accession,
        Key::PatientId,
        Key::PatientMaster,
        Key::Observation,
    ];
    let mut cases: Vec<(String, Scope, Filter)> =
        keys.map(|key| (format!("{key:?}"), of(key), Filter::default())).into_iter().collect();
    let patient = PatientKey { org_code: "ORG-T01".to_owned(), patient_id: number(), patient_local_id: number() };
    let related = Scope { patients: Some(vec![patient]), ..everything.clone() };
    cases.push(("related".to_owned(), related, Filter::default()));
    let patient = PatientKey { org_code: "ORG-T01".to_owned(), patient_id: number(), patient_local_id: number() };
    let of_patient = Filter { patients: vec![patient], ..Filter::default() };
    cases.push(("patient".to_owned(), everything.clone(), of_patient));
    let mut qualified = of(Key::Accession);
    qualified.criteria.authorities = vec![(Key::PatientId, number())];
    qualified.criteria.any_of = vec![(Key::Accession, number()), (Key::Card, number()), (Key::PatientId, number())];
    qualified.criteria.all_of.clear();
    qualified.criteria.related = true;
    qualified.criteria.types = vec!["CT".to_owned()];
    qualified.criteria.organization = "ORG-T01".to_owned();
    cases.push(("qualified".to_owned(), qualified, Filter::default()));
    for (name, filter) in [
        ("everything", Filter::default()),
        ("typed", Filter { types: vec!["CT".to_owned()], ..Filter::default() }),
        ("written", Filter { state: Some(ReportState::Written), ..Filter::default() }),
        ("critical", Filter { critical: true, ..Filter::default() }),
        ("name", Filter { name: number(), ..Filter::default() }),
        ("number", Filter { accession: number(), ..Filter::default() }),
        ("one", Filter { observation_uid: number(), ..Filter::default() }),
    ] {
        cases.push((name.to_owned(), everything.clone(), filter));
    }
    cases
}
