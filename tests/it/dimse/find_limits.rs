//! C-FIND that is taken back, asks for too much, or comes from a hostile caller.

use serde_json::json;
use yingku::dimse::DicomConfig;
use yingku::domain::place::Place;
use yingku::index::instances::{self, InstanceRow, NewInstance, PatientRow, SeriesRow, StudyRow};

use super::TestListener;
use super::find::{ask, element, hex_of, last_status, world};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_ends_the_answers() {
    let mut config = DicomConfig::default();
    // A query for each answer: thousands take longer than a slow caller takes to cancel.
    config.find.limits.page_rows = 1;
    let listener = world(config).await;
    add_studies(&listener, 4000).await;
    let keys = json!([["QueryRetrieveLevel", "STUDY"], ["StudyDate", "20230101"], ["StudyDescription", ""]]);

    let answer = ask(&listener, json!({ "keys": keys, "cancel_after": 1 })).await;

    assert_eq!(last_status(&answer), "FE00");
    assert!(answer["statuses"].as_array().unwrap().len() < 4000, "it came in time");
    assert_eq!(answer["open"], true);
    let audited = listener.rows("SELECT outcome FROM audit WHERE action = 'find'").await;
    assert_eq!(audited[0].text("outcome").unwrap(), "cancelled");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_matches_than_the_limit_are_out_of_resources() {
    let mut config = DicomConfig::default();
    config.find.max_matches = 2;
    config.find.limits.page_rows = 1;
    let listener = world(config).await;
    let keys = |date: &str| json!([["QueryRetrieveLevel", "STUDY"], ["StudyDate", date]]);
    let answer = ask(&listener, json!({ "keys": keys("20240101-20240103") })).await;
    assert_eq!(answer["statuses"], json!(["FF00", "FF00", "A700"]));
    assert_eq!(answer["comments"][2], "there are more matches, narrow the query");
    let answer = ask(&listener, json!({ "keys": keys("20240102-20240103") })).await;
    assert_eq!(answer["statuses"], json!(["FF00", "FF00", "0000"]));
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_identifiers_are_answered_and_the_association_lives_on() {
    let listener = world(DicomConfig::default()).await;
    let level = element(0x0008_0052, b"STUDY ");
    let mut deep = element(0x0008_0052, b"STUDY ");
    deep.extend_from_slice(&[0x32, 0, 0x64, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    for _ in 0..50_000 {
        deep.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    let uids: Vec<String> = (0..10_000).map(|n| format!("2.25.{n}")).collect();
    let mut uids = uids.join("\\").into_bytes();
    uids.resize(uids.len().next_multiple_of(2), 0);
    let long = "A".repeat(100_000);
    let stars = "*A?".repeat(330);
    for (raw, expected) in [
        (deep, json!(["C000"])),
        ([level.clone(), vec![0x10, 0, 0x10, 0, 0xFF, 0xFF, 0xFF, 0x7F]].concat(), json!(["C000"])),
        ([level.clone(), element(0x0010_0010, long.as_bytes())].concat(), json!(["C000"])),
        ([level.clone(), element(0x0010_0010, stars.as_bytes())].concat(), json!(["0000"])),
        ([level.clone(), element(0x0020_000D, &uids)].concat(), json!(["FF00", "FF00", "FF00", "0000"])),
        (vec![0; 2 * 1024 * 1024], json!(["A700"])),
        ([level.clone(), element(0x0010_0010, b"%_' -- $1 ")].concat(), json!(["0000"])),
        ([level, element(0x0010_0010, b"%_\\' -- $1")].concat(), json!(["A900"])),
    ] {
        let length = raw.len();
        // The arguments of a program are limited.
        if length > 60_000 {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &raw).unwrap();
            let answer = ask(&listener, json!({ "raw_file": file.path().to_str().unwrap() })).await;
            assert_eq!((&answer["statuses"], &answer["open"]), (&expected, &json!(true)), "{length}");
            continue;
        }
        let answer = ask(&listener, json!({ "raw": hex_of(&raw) })).await;
        assert_eq!((&answer["statuses"], &answer["open"]), (&expected, &json!(true)), "{length}");
    }
    listener.stop().await;
}

/// Many studies of 2023-01-01 with so long descriptions that they do not fit into the buffers of a connection.
async fn add_studies(listener: &TestListener, count: usize) {
    let ids = yingku::index::Ids::lease(&listener.index).await.unwrap();
    let description = "x".repeat(4000);
    listener
        .index
        .write(move |tx| {
            Box::pin(async move {
                for number in 0..count {
                    let new = NewInstance {
                        org_code: "ORG-T01".to_owned(),
                        patient: PatientRow { patient_id: "MANY".to_owned(), ..PatientRow::default() },
                        study: StudyRow {
                            study_instance_uid: format!("2.25.5.{number}"),
                            study_date: "20230101".to_owned(),
                            study_description: description.clone(),
                            ..StudyRow::default()
                        },
                        series: SeriesRow { series_instance_uid: format!("2.25.5.{number}.1"), ..SeriesRow::default() },
                        instance: nothing(),
                    };
                    instances::ensure_parents(tx, &ids, 0, &new).await?;
                }
                Ok::<_, yingku::index::Error>(())
            })
        })
        .await
        .unwrap();
}

fn nothing() -> InstanceRow {
    InstanceRow {
        sop_instance_uid: String::new(),
        sop_class_uid: String::new(),
        transfer_syntax_uid: String::new(),
        instance_number: None,
        number_of_frames: 1,
        rows: None,
        columns: None,
        content_hash: String::new(),
        place: Place { key: String::new(), offset: 0, length: 0 },
        dataset_offset: 0,
        pixel_data_offset: None,
        header_state: "complete",
        calling_ae_title: String::new(),
    }
}
