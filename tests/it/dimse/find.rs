//! C-FIND by DCMTK and pynetdicom: levels, kinds of matching, character sets, cancel, limits, strangers, hostile keys.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value as Json, json};
use yingku::dimse::DicomConfig;
use yingku::dimse::scu::{Association, Proposal};
use yingku::domain::place::Place;
use yingku::index::instances::{self, InstanceRow, NewInstance, PatientRow, SeriesRow, StudyRow};

use super::{TestListener, file_of, target};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{Package, python_script, run, tool};

const STUDY_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
const PEERS: [&str; 3] = [
    "ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'\nanswer_charset = 'GBK'",
    "ae_title = 'PACS02'\nhost = '127.0.0.1'\norganization = 'ORG-T02'",
    "ae_title = 'REGION'\nhost = '127.0.0.1'\norganization = 'ORG-T09'\nquery_organizations = ['ORG-T01', 'ORG-T02']",
];

/// Three studies of ORG-T01 and one of ORG-T02.
pub(super) async fn world(config: DicomConfig) -> TestListener {
    let listener = TestListener::start_with_peers(config, &PEERS).await;
    let studies = [
        ("PACS01", 1, "L0001", "Wang^Xiaoming=王^小明", "20240101", "080000"),
        ("PACS01", 2, "L0002", "Zhang^San=张^三", "20240102", "235900"),
        ("PACS01", 3, "L0003", "Müller^Jürgen", "20240103", "120000"),
        ("PACS02", 4, "L0001", "Wang^Xiaoming=王^小明", "20240101", "080000"),
    ];
    for (calling, number, patient_id, name, date, time) in studies {
        let target = target(listener.address, calling, "YINGKU");
        let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE)];
        let mut association = Association::connect(&target, &proposals).await.unwrap();
        for instance in 1..=2 {
            let uid = format!("2.25.{number}.1.{instance}");
            let mut set = DataSet::ct(&uid);
            set.text(0x0008_0005, "CS", "ISO_IR 192")
                .text(0x0010_0010, "PN", name)
                .text(0x0010_0020, "LO", patient_id)
                .text(0x0008_0020, "DA", date)
                .text(0x0008_0030, "TM", time)
                .text(0x0008_0050, "SH", &format!("A000{number}"))
                .text(0x0020_000D, "UI", &format!("2.25.{number}"))
                .text(0x0020_000E, "UI", &format!("2.25.{number}.1"))
                .text(0x0020_0013, "IS", &instance.to_string())
                .text(0x0040_0244, "DA", date)
                .items(
                    0x0040_0275,
                    &[
                        &[(0x0040_0009, "SH", &format!("步骤{number}")), (0x0040_1001, "SH", "P1")],
                        &[(0x0040_1001, "SH", "P2")],
                    ],
                );
            association.store(&file_of(&uid, &set.encode())).await.unwrap();
        }
        association.release().await.unwrap();
    }
    listener
}

pub(super) async fn findscu(listener: &TestListener, model: &str, keys: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(tool("findscu", Package::Debian("dcmtk")));
    command.args([model, "-v", "-aet", "PACS01", "-aec", "YINGKU"]);
    for key in keys {
        command.args(["-k", key]);
    }
    command.args(["127.0.0.1", &listener.address.port().to_string()]).current_dir(folder.path());
    let output = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Received Final Find Response (Success)"), "{said}");
    // Each response is a block of lines behind "Find Response: n".
    said.split("Find Response: ").skip(1).map(str::to_owned).collect()
}

async fn ask(listener: &TestListener, job: Json) -> Json {
    ask_at(listener.address, job).await
}

pub(super) async fn ask_at(address: SocketAddr, job: Json) -> Json {
    let mut job = job;
    job["port"] = address.port().into();
    if job["calling"].is_null() {
        job["calling"] = "PACS01".into();
    }
    if job["model"].is_null() {
        job["model"] = "2".into();
    }
    let job = job.to_string();
    let said = tokio::task::spawn_blocking(move || python_script(include_str!("find_peer.py"), &[&job])).await.unwrap();
    serde_json::from_str(&said).unwrap()
}

pub(super) fn values<'a>(answer: &'a Json, keyword: &str) -> Vec<&'a str> {
    let answers = answer["answers"].as_array().unwrap();
    let mut values: Vec<&str> = answers.iter().map(|a| a[keyword].as_str().unwrap_or("absent")).collect();
    values.sort_unstable();
    values
}

fn last_status(answer: &Json) -> &str {
    answer["statuses"].as_array().unwrap().last().unwrap().as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findscu_finds_at_every_level_of_both_models() {
    let listener = world(DicomConfig::default()).await;
    let study = ["QueryRetrieveLevel=STUDY", "PatientID=L0001", "StudyInstanceUID", "ModalitiesInStudy"];
    for model in ["-P", "-S"] {
        let found = findscu(&listener, model, &[&study[..], &["NumberOfStudyRelatedInstances"]].concat()).await;
        assert_eq!(found.len(), 1);
        for line in ["UI [2.25.1]", "CS [CT]", "IS [2 ]", "AE [YINGKU]", "CS [STUDY ]"] {
            assert!(found[0].contains(line), "{line} in {}", found[0]);
        }
        let above = if model == "-P" { vec!["PatientID=L0001"] } else { vec![] };
        let series = [&above[..], &["QueryRetrieveLevel=SERIES", "StudyInstanceUID=2.25.1", "Modality"]].concat();
        assert!(findscu(&listener, model, &series).await[0].contains("UI [2.25.1.1]"));
        let image = ["QueryRetrieveLevel=IMAGE", "StudyInstanceUID=2.25.1", "SeriesInstanceUID=2.25.1.1", "Rows"];
        let found = findscu(&listener, model, &[&above[..], &image].concat()).await;
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("US 2") && found[0].contains("SOPInstanceUID"), "{}", found[0]);
    }
    let patients = findscu(&listener, "-P", &["QueryRetrieveLevel=PATIENT", "PatientName=*A*", "PatientID"]).await;
    assert_eq!(patients.len(), 2, "Wang and Zhang");
    let patients = findscu(&listener, "-O", &["QueryRetrieveLevel=PATIENT", "PatientID=L0003"]).await;
    assert_eq!(patients.len(), 1);
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findscu_matches_in_every_way() {
    let listener = world(DicomConfig::default()).await;
    for (key, expected) in [
        ("StudyInstanceUID=2.25.2", 1),
        ("StudyInstanceUID=2.25.1\\2.25.3\\2.25.77", 2),
        ("StudyDate=20240102-20240103", 2),
        ("StudyDate=-20240101", 1),
        ("StudyTime=1100-1300", 1),
        ("PatientName=zhang*", 1),
        ("PatientName=*", 3),
        ("PatientID=L000?", 3),
        ("AccessionNumber=A0003", 1),
        ("ModalitiesInStudy=CT\\MR", 3),
        ("ModalitiesInStudy=MR", 0),
        ("PatientID=%", 0),
        ("PatientID=' OR 1=1", 0),
    ] {
        let found = findscu(&listener, "-S", &["QueryRetrieveLevel=STUDY", "StudyInstanceUID", key]).await;
        assert_eq!(found.len(), expected, "{key}");
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_and_answers_are_in_the_requesters_character_set() {
    let listener = world(DicomConfig::default()).await;
    let chinese = "王^小明";
    for (charset, syntax, expected) in [
        (json!("GB18030"), "1.2.840.10008.1.2", "GB18030"),
        (json!("GBK"), "1.2.840.10008.1.2.1", "GBK"),
        (json!("ISO_IR 192"), "1.2.840.10008.1.2.2", "ISO_IR 192"),
        (json!(["", "ISO 2022 IR 58"]), "1.2.840.10008.1.2.1", "\\ISO 2022 IR 58"),
    ] {
        let keys = json!([["QueryRetrieveLevel", "STUDY"], ["PatientName", chinese], ["StudyInstanceUID", ""]]);
        let answer = ask(&listener, json!({ "charset": charset, "syntax": syntax, "keys": keys })).await;
        // pydicom leaves the escape sequences of GB 2312 in the text.
        let name = values(&answer, "PatientName").join("").replace("\u{1b}$)A", "");
        assert_eq!(name, "Wang^Xiaoming=王^小明", "{answer}");
        assert_eq!(values(&answer, "SpecificCharacterSet"), [expected]);
        assert_eq!(values(&answer, "StudyInstanceUID"), ["2.25.1"]);
    }
    // What Latin-1 cannot hold comes in UTF-8, what it can hold does not.
    let keys = json!([["QueryRetrieveLevel", "STUDY"], ["PatientName", ""], ["StudyInstanceUID", ""]]);
    let answer = ask(&listener, json!({ "charset": "ISO_IR 100", "keys": keys })).await;
    assert_eq!(values(&answer, "SpecificCharacterSet"), ["ISO_IR 100", "ISO_IR 192", "ISO_IR 192"]);
    assert_eq!(values(&answer, "PatientName"), ["Müller^Jürgen", "Wang^Xiaoming=王^小明", "Zhang^San=张^三"]);
    // Nothing said: as the peer is configured, else UTF-8.
    let keys = json!([["QueryRetrieveLevel", "STUDY"], ["PatientName", "Wang*"]]);
    let answer = ask(&listener, json!({ "keys": keys })).await;
    assert_eq!(values(&answer, "SpecificCharacterSet"), ["GBK"]);
    assert_eq!(values(&answer, "raw_name"), [hex_of(b"Wang^Xiaoming=\xCD\xF5^\xD0\xA1\xC3\xF7")]);
    let answer = ask(&listener, json!({ "keys": keys, "calling": "PACS02" })).await;
    assert_eq!(values(&answer, "SpecificCharacterSet"), ["ISO_IR 192"]);
    // GBK without a declaration is read by the peer's default.
    let mut raw = element(0x0008_0052, b"STUDY ");
    raw.extend(element(0x0010_0010, b"\xCD\xF5^*"));
    let answer = ask(&listener, json!({ "raw": hex_of(&raw) })).await;
    assert_eq!(answer["statuses"], json!(["FF00", "0000"]));
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_of_the_model_is_refused_unless_relational_queries_were_negotiated() {
    let listener = world(DicomConfig::default()).await;
    let series = json!([["QueryRetrieveLevel", "SERIES"], ["Modality", "CT"], ["StudyDate", "20240102-20240103"]]);
    let answer = ask(&listener, json!({ "keys": series })).await;
    assert_eq!(answer["statuses"], json!(["A900"]), "{answer}");
    let answer = ask(&listener, json!({ "keys": series, "extended": "0101010000" })).await;
    assert_eq!(answer["agreed"]["1.2.840.10008.5.1.4.1.2.2.1"], "0101010000");
    assert_eq!(values(&answer, "SeriesInstanceUID"), ["2.25.2.1", "2.25.3.1"]);
    let moments = json!([
        ["QueryRetrieveLevel", "STUDY"],
        ["StudyInstanceUID", ""],
        ["StudyDate", "20240102-20240103"],
        ["StudyTime", "2200-1300"]
    ]);
    assert_eq!(
        values(&ask(&listener, json!({ "keys": moments, "extended": "0001" })).await, "StudyInstanceUID"),
        ["2.25.2", "2.25.3"]
    );
    assert!(values(&ask(&listener, json!({ "keys": moments })).await, "StudyInstanceUID").is_empty());
    for (model, keys, expected) in [
        ("2", json!([["QueryRetrieveLevel", "PATIENT"], ["PatientID", "L0001"]]), "A900"),
        ("3", json!([["QueryRetrieveLevel", "SERIES"], ["PatientID", "L0001"]]), "A900"),
        ("2", json!([["PatientID", "L0001"]]), "A900"),
        ("2", json!([["QueryRetrieveLevel", "STUDY"], ["StudyInstanceUID", "1.2*"]]), "A900"),
        ("1", json!([["QueryRetrieveLevel", "STUDY"], ["PatientID", "L*"]]), "A900"),
        ("2", json!([["QueryRetrieveLevel", "STUDY"], ["StudyDate", "20240101\\20240102"]]), "A900"),
        ("2", json!([["QueryRetrieveLevel", "STUDY"], ["PatientName", "Wang^Xiaoming\\Zhang^San"]]), "A900"),
    ] {
        let answer = ask(&listener, json!({ "model": model, "keys": keys })).await;
        assert_eq!(answer["statuses"], json!([expected]), "{keys}");
    }
    let mut config = DicomConfig::default();
    config.find.relational_always = true;
    let tolerant = world(config).await;
    assert_eq!(values(&ask(&tolerant, json!({ "keys": series })).await, "SeriesInstanceUID"), ["2.25.2.1", "2.25.3.1"]);
    listener.stop().await;
    tolerant.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_matched_by_their_words_when_that_was_negotiated() {
    let listener = world(DicomConfig::default()).await;
    for (name, extended, expected) in [
        ("小明 wang", "000001", vec!["2.25.1"]),
        ("王小明", "000001", vec!["2.25.1"]),
        ("san", "000001", vec!["2.25.2"]),
        ("王小明", "000000", vec![]),
        ("san", "", vec![]),
    ] {
        let keys = json!([["QueryRetrieveLevel", "STUDY"], ["PatientName", name], ["StudyInstanceUID", ""]]);
        let answer = ask(&listener, json!({ "charset": "ISO_IR 192", "keys": keys, "extended": extended })).await;
        assert_eq!(values(&answer, "StudyInstanceUID"), expected, "{name} {extended}");
        let agreed = answer["agreed"]["1.2.840.10008.5.1.4.1.2.2.1"].as_str().unwrap_or_default();
        assert_eq!(agreed, extended);
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_not_supported_are_returned_empty_with_a_warning() {
    let listener = world(DicomConfig::default()).await;
    let keys = json!([
        ["QueryRetrieveLevel", "STUDY"],
        ["StudyInstanceUID", "2.25.1"],
        ["Modality", "MR"],
        ["0x00091001", "private"],
        ["ReferencedStudySequence", ""],
        ["NumberOfStudyRelatedSeries", ""]
    ]);
    for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"] {
        let answer = ask(&listener, json!({ "keys": keys, "syntax": syntax })).await;
        assert_eq!(answer["statuses"], json!(["FF01", "0000"]));
        assert_eq!(values(&answer, "Modality"), [""]);
        assert_eq!(values(&answer, "NumberOfStudyRelatedSeries"), ["1"]);
        assert_eq!(values(&answer, "RetrieveAETitle"), ["YINGKU"]);
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_peer_sees_its_own_organisation_and_those_it_is_allowed_to() {
    let config = DicomConfig { unknown_caller_organization: Some("ORG-T01".to_owned()), ..DicomConfig::default() };
    let listener = world(config).await;
    let keys = json!([["QueryRetrieveLevel", "STUDY"], ["StudyInstanceUID", ""]]);
    for (calling, expected) in [
        ("PACS01", vec!["2.25.1", "2.25.2", "2.25.3"]),
        ("PACS02", vec!["2.25.4"]),
        ("REGION", vec!["2.25.1", "2.25.2", "2.25.3", "2.25.4"]),
    ] {
        let answer = ask(&listener, json!({ "calling": calling, "keys": keys })).await;
        assert_eq!(values(&answer, "StudyInstanceUID"), expected);
    }
    let uid = json!([["QueryRetrieveLevel", "STUDY"], ["StudyInstanceUID", "2.25.4"]]);
    assert!(values(&ask(&listener, json!({ "keys": uid })).await, "StudyInstanceUID").is_empty());
    let stranger = target(listener.address, "STRANGER", "YINGKU");
    let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE), Proposal::storage(STUDY_ROOT_FIND, EXPLICIT_LE)];
    let association = Association::connect(&stranger, &proposals).await.unwrap();
    assert!(association.accepts(CT_IMAGE, EXPLICIT_LE), "who is not configured brings data");
    assert!(!association.accepts(STUDY_ROOT_FIND, EXPLICIT_LE), "and is told none");
    association.abort().await;
    let audited =
        listener.rows("SELECT actor, org_code, outcome, detail FROM audit WHERE action = 'find' ORDER BY id").await;
    let told: Vec<(String, String)> =
        audited.iter().map(|row| (row.text("actor").unwrap(), row.text("org_code").unwrap())).collect();
    let expected = [("PACS01", "ORG-T01"), ("PACS02", "ORG-T02"), ("REGION", ""), ("PACS01", "ORG-T01")];
    assert_eq!(told, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert!(!audited[3].text("detail").unwrap().contains("2.25.4"), "values are not kept");
    listener.stop().await;
}

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

/// An element in Implicit VR Little Endian.
fn element(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((tag >> 16) as u16).to_le_bytes().to_vec();
    bytes.extend_from_slice(&(tag as u16).to_le_bytes());
    bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    bytes.extend_from_slice(value);
    bytes
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
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
