//! No query reads a large table from end to end, and no page of an ordered walk is sorted.

use yingku::domain::query::attribute::tag::*;
use yingku::domain::query::{Level, NameMatching, Query};
use yingku::index::find::{Confidentiality, Readable, Walk};
use yingku::index::instances::{self, InstanceRow, NewInstance, PatientRow, SeriesRow, StudyRow};

use crate::harness::TestDatabase;

/// Whether the walk is in the order of its index, so that a page costs the same wherever it is.
#[derive(Debug, PartialEq)]
enum Order {
    OfIndex,
    Sorted,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_walks_an_index() {
    use Level::{Instance, Patient, Series, Study};
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
    type Case = (Level, &'static [(u32, &'static str)], Order);
    let table: &[Case] = &[
        (Patient, &[], Order::OfIndex),
        (Patient, &[(PATIENT_ID, "L0001")], Order::OfIndex),
        (Patient, &[(PATIENT_ID, "L*")], Order::OfIndex),
        (Patient, &[(PATIENT_NAME, "wang*")], Order::OfIndex),
        (Study, &[], Order::OfIndex),
        (Study, &[(STUDY_INSTANCE_UID, "2.25.1")], Order::Sorted),
        (Study, &[(STUDY_INSTANCE_UID, "2.25.1\\2.25.2")], Order::Sorted),
        (Study, &[(ACCESSION_NUMBER, "A0001")], Order::Sorted),
        (Study, &[(ACCESSION_NUMBER, "A0001"), (STUDY_DATE, "20240101-20240301")], Order::Sorted),
        (Study, &[(ACCESSION_NUMBER, "A*")], Order::OfIndex),
        (Study, &[(PATIENT_ID, "L0001")], Order::Sorted),
        (Study, &[(PATIENT_ID, "L0001"), (STUDY_DATE, "20240101")], Order::Sorted),
        (Study, &[(PATIENT_ID, "L*"), (PATIENT_SEX, "F")], Order::OfIndex),
        (Study, &[(PATIENT_NAME, "wang*")], Order::OfIndex),
        (Study, &[(PATIENT_NAME, "wang^xiaoming")], Order::OfIndex),
        (Study, &[(PATIENT_NAME, "*ming")], Order::OfIndex),
        (Study, &[(PATIENT_NAME, "wang*"), (STUDY_DATE, "20200101-20250101")], Order::OfIndex),
        (Study, &[(STUDY_DATE, "20240101-20240301")], Order::OfIndex),
        (Study, &[(STUDY_DATE, "20240101"), (PATIENT_NAME, "wang*")], Order::OfIndex),
        (Study, &[(STUDY_DATE, "20240101-20240301"), (MODALITIES_IN_STUDY, "CT")], Order::OfIndex),
        (Study, &[(STUDY_DATE, "20240101-20240301"), (MODALITIES_IN_STUDY, "CT\\MR")], Order::OfIndex),
        (Study, &[(MODALITIES_IN_STUDY, "C?")], Order::OfIndex),
        (Study, &[(SOP_CLASSES_IN_STUDY, "1.2.840.10008.5.1.4.1.1.2"), (STUDY_DATE, "20240101")], Order::OfIndex),
        (Study, &[(STUDY_ID, "1"), (STUDY_TIME, "1000-1100")], Order::Sorted),
        (Study, &[(STUDY_TIME, "1000-1100")], Order::OfIndex),
        (Series, &[(STUDY_INSTANCE_UID, "2.25.1")], Order::Sorted),
        (Series, &[(STUDY_INSTANCE_UID, "2.25.1"), (MODALITY, "CT")], Order::Sorted),
        (Series, &[(SERIES_INSTANCE_UID, "2.25.1.1")], Order::Sorted),
        (Series, &[(STUDY_DATE, "20240101-20240301"), (MODALITY, "CT")], Order::Sorted),
        (Series, &[(PATIENT_NAME, "wang*")], Order::Sorted),
        (Instance, &[(STUDY_INSTANCE_UID, "2.25.1"), (SERIES_INSTANCE_UID, "2.25.1.1")], Order::Sorted),
        (Instance, &[(SERIES_INSTANCE_UID, "2.25.1.1"), (INSTANCE_NUMBER, "7")], Order::Sorted),
        (Instance, &[(SOP_INSTANCE_UID, "2.25.1.1.1")], Order::Sorted),
        (Instance, &[(PATIENT_ID, "L0001")], Order::Sorted),
    ];
    for (level, keys, order) in table {
        for names in [NameMatching::Literal, NameMatching::Fuzzy] {
            let mut query = Query::new(*level).with_names(names);
            query.add_every_return();
            for (tag, value) in *keys {
                query.add_key(*tag, value).unwrap();
            }
            for confidentiality in [Confidentiality::Everything, Confidentiality::SharedOnly] {
                let readable = vec![Readable { org_code: "ORG-T01".to_owned(), confidentiality }];
                let mut walk = Walk::new(query.clone(), readable, 1, 1000);
                let first = walk.explain(&index).await.unwrap();
                walk.next_page(&index).await.unwrap();
                let second = walk.explain(&index).await.unwrap();
                for lines in [first, second] {
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
