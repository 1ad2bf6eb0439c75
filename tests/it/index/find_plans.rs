//! No query reads a large table from end to end, and no page of an ordered walk is sorted.

use yingku::domain::query::attribute::tag::*;
use yingku::domain::query::{Level, NameMatching, Query};
use yingku::index::Index;
use yingku::index::find::{Confidentiality, Readable, Walk};
use yingku::index::instances::{self, InstanceRow, NewInstance, PatientRow, SeriesRow, StudyRow};
use yingku::index::series_requests::SeriesRequest;

use crate::harness::TestDatabase;

/// Whether the walk is in the order of its index, so that a page costs the same wherever it is.
#[derive(Debug, PartialEq)]
pub(super) enum Order {
    OfIndex,
    Sorted,
}

type Case = (Level, &'static [(u32, &'static str)], Order);

/// What is asked, and whether a page of it is in the order of its index.
pub(super) const CASES: &[Case] = &[
    (Level::Patient, &[], Order::OfIndex),
    (Level::Patient, &[(PATIENT_ID, "L0001")], Order::OfIndex),
    (Level::Patient, &[(PATIENT_ID, "L*")], Order::OfIndex),
    (Level::Patient, &[(PATIENT_NAME, "wang*")], Order::OfIndex),
    (Level::Study, &[], Order::OfIndex),
    (Level::Study, &[(STUDY_INSTANCE_UID, "2.25.1")], Order::Sorted),
    (Level::Study, &[(STUDY_INSTANCE_UID, "2.25.1\\2.25.2")], Order::Sorted),
    (Level::Study, &[(ACCESSION_NUMBER, "A0001")], Order::Sorted),
    (Level::Study, &[(ACCESSION_NUMBER, "A0001"), (STUDY_DATE, "20240101-20240301")], Order::Sorted),
    (Level::Study, &[(ACCESSION_NUMBER, "A*")], Order::OfIndex),
    (Level::Study, &[(PATIENT_ID, "L0001")], Order::Sorted),
    (Level::Study, &[(PATIENT_ID, "L0001"), (STUDY_DATE, "20240101")], Order::Sorted),
    (Level::Study, &[(PATIENT_ID, "L*"), (PATIENT_SEX, "F")], Order::OfIndex),
    (Level::Study, &[(PATIENT_NAME, "wang*")], Order::OfIndex),
    (Level::Study, &[(PATIENT_NAME, "wang^xiaoming")], Order::OfIndex),
    (Level::Study, &[(PATIENT_NAME, "*ming")], Order::OfIndex),
    (Level::Study, &[(PATIENT_NAME, "wang*"), (STUDY_DATE, "20200101-20250101")], Order::OfIndex),
    (Level::Study, &[(STUDY_DATE, "20240101-20240301")], Order::OfIndex),
    (Level::Study, &[(STUDY_DATE, "20240101"), (PATIENT_NAME, "wang*")], Order::OfIndex),
    (Level::Study, &[(STUDY_DATE, "20240101-20240301"), (MODALITIES_IN_STUDY, "CT")], Order::OfIndex),
    (Level::Study, &[(STUDY_DATE, "20240101-20240301"), (MODALITIES_IN_STUDY, "CT\\MR")], Order::OfIndex),
    (Level::Study, &[(MODALITIES_IN_STUDY, "C?")], Order::OfIndex),
    (Level::Study, &[(SOP_CLASSES_IN_STUDY, "1.2.840.10008.5.1.4.1.1.2"), (STUDY_DATE, "20240101")], Order::OfIndex),
    (Level::Study, &[(STUDY_ID, "1"), (STUDY_TIME, "1000-1100")], Order::Sorted),
    (Level::Study, &[(STUDY_TIME, "1000-1100")], Order::OfIndex),
    (Level::Series, &[(STUDY_INSTANCE_UID, "2.25.1")], Order::Sorted),
    (Level::Series, &[(STUDY_INSTANCE_UID, "2.25.1"), (MODALITY, "CT")], Order::Sorted),
    (Level::Series, &[(SERIES_INSTANCE_UID, "2.25.1.1")], Order::Sorted),
    (Level::Series, &[(STUDY_DATE, "20240101-20240301"), (MODALITY, "CT")], Order::Sorted),
    (Level::Series, &[(PATIENT_NAME, "wang*")], Order::Sorted),
    (Level::Instance, &[(STUDY_INSTANCE_UID, "2.25.1"), (SERIES_INSTANCE_UID, "2.25.1.1")], Order::Sorted),
    (Level::Instance, &[(SERIES_INSTANCE_UID, "2.25.1.1"), (INSTANCE_NUMBER, "7")], Order::Sorted),
    (Level::Instance, &[(SOP_INSTANCE_UID, "2.25.1.1.1")], Order::Sorted),
    (Level::Instance, &[(PATIENT_ID, "L0001")], Order::Sorted),
];

/// Questions by what series were requested for, of whom there are few.
const OF_REQUESTS: &[Case] = &[
    (Level::Series, &[(SCHEDULED_PROCEDURE_STEP_ID, "S1")], Order::OfIndex),
    (Level::Series, &[(REQUESTED_PROCEDURE_ID, "P1")], Order::OfIndex),
    (Level::Series, &[(SCHEDULED_PROCEDURE_STEP_ID, "S1"), (REQUESTED_PROCEDURE_ID, "P*")], Order::OfIndex),
    (Level::Series, &[(SCHEDULED_PROCEDURE_STEP_ID, "S*"), (STUDY_INSTANCE_UID, "2.25.1")], Order::Sorted),
    (Level::Instance, &[(SCHEDULED_PROCEDURE_STEP_ID, "S1"), (MODALITY, "CT")], Order::Sorted),
    (Level::Series, &[(PERFORMED_PROCEDURE_STEP_START_DATE, "20240101"), (STUDY_DATE, "20240101")], Order::Sorted),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_walks_an_index() {
    let database = TestDatabase::sqlite();
    let (index, ids) = database.open_with_ids().await;
    index
        .write(move |tx| {
            Box::pin(async move {
                for number in 0..20 {
                    let new = new_instance(number);
                    let parents = instances::ensure_parents(tx, &ids, 0, &new).await?;
                    instances::insert(tx, ids.next(), 0, parents.series_pk, &new).await?;
                }
                Ok::<_, yingku::index::Error>(())
            })
        })
        .await
        .unwrap();
    for (level, keys, order) in CASES.iter().chain(OF_REQUESTS) {
        for names in [NameMatching::Literal, NameMatching::Fuzzy] {
            let query = query(*level, keys, names);
            for confidentiality in
                [Confidentiality::Everything, Confidentiality::Privileged, Confidentiality::SharedOnly]
            {
                for lines in explained(&index, &query, confidentiality, 1).await {
                    let told = lines.join("\n");
                    assert!(!lines.iter().any(|line| line.starts_with("SCAN ") && !is_small(line)), "{keys:?}\n{told}");
                    if *order == Order::OfIndex {
                        let is_sorted = lines.iter().any(|line| line == "USE TEMP B-TREE FOR ORDER BY");
                        assert!(!is_sorted, "{level:?} {keys:?}\n{told}");
                    }
                }
            }
        }
    }
}

/// A query that returns everything that there is.
pub(super) fn query(level: Level, keys: &[(u32, &str)], names: NameMatching) -> Query {
    let mut query = Query::new(level).with_names(names);
    query.add_every_return();
    for (tag, value) in keys {
        match *tag {
            SCHEDULED_PROCEDURE_STEP_ID | REQUESTED_PROCEDURE_ID => {
                query.add_nested_key(REQUEST_ATTRIBUTES_SEQUENCE, *tag, value).unwrap()
            }
            tag => query.add_key(tag, value).unwrap(),
        };
    }
    query
}

/// How the first page and the one behind it are read.
pub(super) async fn explained(
    index: &Index,
    query: &Query,
    confidentiality: Confidentiality,
    page_rows: u32,
) -> [Vec<String>; 2] {
    let readable = vec![Readable { org_code: "ORG-T01".to_owned(), confidentiality }];
    let mut walk = Walk::new(query.clone(), readable, page_rows, 100_000);
    let first = walk.explain(index).await.unwrap();
    walk.next_page(index).await.unwrap();
    [first, walk.explain(index).await.unwrap()]
}

/// Values of a list, and the few exams of a study.
fn is_small(line: &str) -> bool {
    line.contains("CONSTANT ROW") || line.contains("exam_")
}

fn new_instance(number: usize) -> NewInstance {
    NewInstance {
        org_code: "ORG-T01".to_owned(),
        patient: PatientRow {
            patient_id: "L0001".to_owned(),
            issuer: number.to_string(),
            name: "Wang^Xiaoming".to_owned(),
            sex: "F".to_owned(),
            ..PatientRow::default()
        },
        study: StudyRow {
            study_instance_uid: format!("2.25.{number}"),
            accession_number: "A0001".to_owned(),
            study_date: "20240101".to_owned(),
            study_time: "1030".to_owned(),
            study_id: "1".to_owned(),
            ..StudyRow::default()
        },
        series: SeriesRow {
            series_instance_uid: format!("2.25.{number}.1"),
            modality: "CT".to_owned(),
            requests: vec![SeriesRequest {
                step_id: "S1".to_owned(),
                procedure_id: "P1".to_owned(),
                ..SeriesRequest::default()
            }],
            ..SeriesRow::default()
        },
        instance: InstanceRow {
            sop_instance_uid: format!("2.25.{number}.1.1"),
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
            transfer_syntax_uid: String::new(),
            instance_number: Some(7),
            number_of_frames: 1,
            rows: None,
            columns: None,
            content_hash: String::new(),
            place: yingku::domain::place::Place { key: String::new(), offset: 0, length: 0 },
            dataset_offset: 0,
            pixel_data_offset: None,
            header_state: "complete",
            calling_ae_title: String::new(),
        },
    }
}
