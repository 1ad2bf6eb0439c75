//! C-FIND by DCMTK and pynetdicom: levels, kinds of matching, character sets, whose data is seen.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value as Json, json};
use yingku::dimse::DicomConfig;
use yingku::dimse::scu::{Association, Proposal};

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

pub(super) async fn ask(listener: &TestListener, job: Json) -> Json {
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

pub(super) fn last_status(answer: &Json) -> &str {
    answer["statuses"].as_array().unwrap().last().unwrap().as_str().unwrap()
}

/// An element in Implicit VR Little Endian.
pub(super) fn element(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((tag >> 16) as u16).to_le_bytes().to_vec();
    bytes.extend_from_slice(&(tag as u16).to_le_bytes());
    bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    bytes.extend_from_slice(value);
    bytes
}

pub(super) fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
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
async fn a_japanese_name_is_found_and_told_in_each_of_the_japanese_sets() {
    let listener = world(DicomConfig::default()).await;
    let mut set = DataSet::ct("2.25.5.1.1");
    set.text(0x0008_0005, "CS", "ISO_IR 192")
        .text(0x0010_0010, "PN", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう")
        .text(0x0010_0020, "LO", "L0005")
        .text(0x0020_000D, "UI", "2.25.5")
        .text(0x0020_000E, "UI", "2.25.5.1");
    let mut association = listener.connect().await.unwrap();
    association.store(&file_of("2.25.5.1.1", &set.encode())).await.unwrap();
    association.release().await.unwrap();

    let katakana: &[u8] = b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3";
    let told = |katakana: &[u8], back: &str| {
        let rest = ["=\x1b$B;3ED", "^\x1b$BB@O:", "=\x1b$B$d$^$@", "^\x1b$B$?$m$&"];
        hex_of(&[katakana, rest.map(|part| format!("{part}{back}")).concat().as_bytes()].concat())
    };
    let by_escapes = b"\x1b)I\xD4\xCF\xC0\xDE^\x1b)I\xC0\xDB\xB3";
    for (charset, declared, raw) in [
        (json!(["ISO 2022 IR 13", "ISO 2022 IR 87"]), "ISO 2022 IR 13\\ISO 2022 IR 87", told(katakana, "\x1b(J")),
        (
            json!(["", "ISO 2022 IR 87", "ISO 2022 IR 13"]),
            "\\ISO 2022 IR 87\\ISO 2022 IR 13",
            told(by_escapes, "\x1b(B"),
        ),
    ] {
        let keys = json!([["QueryRetrieveLevel", "STUDY"], ["PatientName", "山田^太郎"], ["StudyInstanceUID", ""]]);
        let answer = ask(&listener, json!({ "charset": charset, "keys": keys })).await;
        assert_eq!(values(&answer, "StudyInstanceUID"), ["2.25.5"], "{answer}");
        assert_eq!(values(&answer, "SpecificCharacterSet"), [declared]);
        assert_eq!(values(&answer, "raw_name"), [raw]);
        assert_eq!(values(&answer, "PatientName"), ["ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"], "as pydicom reads it");
    }
    // Kanji alone have no half-width katakana: this name, and only this, comes in UTF-8.
    let keys = json!([["QueryRetrieveLevel", "STUDY"], ["PatientName", ""], ["PatientID", "L0005"]]);
    let answer = ask(&listener, json!({ "charset": ["", "ISO 2022 IR 87"], "keys": keys })).await;
    assert_eq!(values(&answer, "SpecificCharacterSet"), ["ISO_IR 192"]);
    assert_eq!(values(&answer, "PatientName"), ["ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"]);
    let keys = json!([["QueryRetrieveLevel", "STUDY"], ["PatientName", "王*"], ["StudyInstanceUID", ""]]);
    let answer = ask(&listener, json!({ "charset": ["", "ISO 2022 IR 87", "ISO 2022 IR 159"], "keys": keys })).await;
    assert_eq!(values(&answer, "StudyInstanceUID"), ["2.25.1"]);
    assert_eq!(values(&answer, "SpecificCharacterSet"), ["\\ISO 2022 IR 87\\ISO 2022 IR 159"]);
    assert_eq!(values(&answer, "PatientName"), ["Wang^Xiaoming=王^小明"]);
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
