//! The character set of a peer that declares none counts wherever its objects are read (D-I17).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use yingku::dicom::part10;
use yingku::dicom::text::Charset;
use yingku::dimse::scu::{Association, Proposal, ScuTarget};
use yingku::domain::AeTitle;
use yingku::domain::token::sign;

use super::world::JSON;
use crate::api::containers::exam;
use crate::harness::TestServer;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

const BASIC_TEXT_SR: &str = "1.2.840.10008.5.1.4.1.1.88.11";
const ECG: &str = "1.2.840.10008.5.1.4.1.1.9.1.2";
const KEY: &str = "synthetic-web-key-0001";
/// 시험^갑, 판독, 소견 없음, 동리듬 and 유도 in EUC-KR; as GB18030 they are other words.
const NAME: &[u8] = b"\xBD\xC3\xC7\xE8^\xB0\xA9";
const TITLE: &[u8] = b"\xC6\xC7\xB5\xB6";
const FINDING: &[u8] = b"\xBC\xD2\xB0\xDF \xBE\xF8\xC0\xBD";
const RHYTHM: &[u8] = b"\xB5\xBF\xB8\xAE\xB5\xEB";
const LEAD: &[u8] = b"\xC0\xAF\xB5\xB5";

/// An element of a short length in Explicit VR Little Endian.
fn short(tag: (u16, u16), vr: &str, value: &[u8]) -> Vec<u8> {
    let padding = value.len() % 2;
    let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    bytes.extend_from_slice(vr.as_bytes());
    bytes.extend_from_slice(&((value.len() + padding) as u16).to_le_bytes());
    bytes.extend_from_slice(value);
    bytes.extend(std::iter::repeat_n(b' ', padding));
    bytes
}

/// The value of a sequence of one item.
fn item(elements: &[Vec<u8>]) -> Vec<u8> {
    let content = elements.concat();
    let mut bytes = vec![0xFE, 0xFF, 0x00, 0xE0];
    bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&content);
    bytes
}

/// A structured report of a title and one text, which declares no character set.
fn report(uid: &str) -> Vec<u8> {
    let mut set = DataSet::ct(uid);
    let mut text = [&0x0040_u16.to_le_bytes()[..], &0xA160_u16.to_le_bytes()[..], b"UT\0\0"].concat();
    text.extend_from_slice(&(FINDING.len() as u32 + FINDING.len() as u32 % 2).to_le_bytes());
    text.extend_from_slice(FINDING);
    text.extend(std::iter::repeat_n(b' ', FINDING.len() % 2));
    let title = [
        short((0x0008, 0x0100), "SH", b"T1"),
        short((0x0008, 0x0102), "SH", b"99TEST"),
        short((0x0008, 0x0104), "LO", TITLE),
    ];
    let line = [short((0x0040, 0xA010), "CS", b"CONTAINS"), short((0x0040, 0xA040), "CS", b"TEXT"), text];
    set.without(0x7FE0_0010).without(0x0028_0010).without(0x0028_0011);
    set.text(0x0008_0016, "UI", BASIC_TEXT_SR).text(0x0008_0060, "CS", "SR").bytes(0x0010_0010, "PN", NAME);
    set.text(0x0020_000E, "UI", "2.25.1000.2").text(0x0040_A040, "CS", "CONTAINER");
    set.bytes(0x0040_A043, "SQ", &item(&title)).text(0x0040_A050, "CS", "SEPARATE");
    set.bytes(0x0040_A730, "SQ", &item(&line));
    set.encode()
}

/// A curve with a name of its own and a statement beside it, which declares no character set.
fn electrocardiogram(uid: &str) -> Vec<u8> {
    let mut samples = [&0x5400_u16.to_le_bytes()[..], &0x1010_u16.to_le_bytes()[..], b"OW\0\0"].concat();
    samples.extend_from_slice(&40_u32.to_le_bytes());
    samples.extend_from_slice(&[0; 40]);
    // The bytes of a sequence's value behind a head for long lengths.
    let channel = short((0x003A, 0x0203), "SH", LEAD);
    let definitions = item(&[channel]);
    let mut definition = [&0x003A_u16.to_le_bytes()[..], &0x0200_u16.to_le_bytes()[..], b"SQ\0\0"].concat();
    definition.extend_from_slice(&(definitions.len() as u32).to_le_bytes());
    definition.extend_from_slice(&definitions);
    let group = [
        short((0x003A, 0x0005), "US", &1_u16.to_le_bytes()),
        short((0x003A, 0x0010), "UL", &20_u32.to_le_bytes()),
        short((0x003A, 0x001A), "DS", b"10"),
        definition,
        short((0x5400, 0x1004), "US", &16_u16.to_le_bytes()),
        short((0x5400, 0x1006), "CS", b"SS"),
        samples,
    ];
    let mut set = DataSet::ct(uid);
    set.without(0x7FE0_0010).without(0x0028_0010).without(0x0028_0011);
    set.text(0x0008_0016, "UI", ECG).text(0x0008_0060, "CS", "ECG").bytes(0x0010_0010, "PN", NAME);
    set.text(0x0020_000E, "UI", "2.25.1000.3");
    set.bytes(0x0040_B020, "SQ", &item(&[short((0x0070, 0x0006), "ST", RHYTHM)]));
    set.bytes(0x5400_0100, "SQ", &item(&group));
    set.encode()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_i17_a_peers_charset_counts_in_answers_metadata_documents_and_curves_alike() {
    let server = TestServer::start_with(|config| {
        config.peer[0].charset = Some(Charset::parse("EUC-KR").unwrap());
        let client = format!("id = 'web'\nkey = '{KEY}'\ndicomweb = 'read'\norganizations = ['ORG-T01']");
        config.client.push(toml::from_str(&client).unwrap());
    })
    .await;
    let redirect = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().no_proxy().redirect(redirect).build().unwrap();
    let url = |path: &str| format!("http://{}{path}", server.http());
    let told = http.post(url("/sehr.service.auto/IAutoReport.asmx")).header("content-type", "text/xml");
    let told = told.body(format!("<root>{}</root>", exam(&[]))).send().await.unwrap().text().await.unwrap();
    assert!(told.contains("<result>1</result>"), "{told}");
    let title = |text| AeTitle::parse(text).unwrap();
    let target = ScuTarget::new("127.0.0.1", server.dicom().port(), title("PACS01"), title("YINGKU"));
    let proposals = [CT_IMAGE, BASIC_TEXT_SR, ECG].map(|class| Proposal::storage(class, EXPLICIT_LE));
    let mut association = Association::connect(&target, &proposals).await.unwrap();
    let mut slice = DataSet::ct("2.25.1");
    slice.bytes(0x0010_0010, "PN", NAME);
    for (class, uid, set) in [
        (CT_IMAGE, "2.25.1", slice.encode()),
        (BASIC_TEXT_SR, "2.25.2", report("2.25.2")),
        (ECG, "2.25.3", electrocardiogram("2.25.3")),
    ] {
        let file = [part10::meta(class, uid, EXPLICIT_LE, "PACS01"), set].concat();
        association.store(&file).await.unwrap();
    }
    association.release().await.unwrap();

    let get = async |path: &str| {
        let answer = http.get(url(path)).bearer_auth(KEY).header("accept", JSON).send().await.unwrap();
        serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap()
    };
    let found = get("/dicom-web/studies?StudyInstanceUID=2.25.1000").await;
    let metadata = get("/dicom-web/studies/2.25.1000/metadata").await;
    assert_eq!(found[0]["00100010"]["Value"][0]["Alphabetic"], "시험^갑");
    assert_eq!(metadata.as_array().unwrap().len(), 3);
    for instance in metadata.as_array().unwrap() {
        assert_eq!(instance["00100010"], found[0]["00100010"]);
    }

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let values = [
        ("CustomerGuid", "11111111-2222-4333-8444-555555555555"),
        ("UserID", "u01"),
        ("UserName", "测试医生甲"),
        ("AccessionNumber", "A0001"),
        ("Timestamp", now.as_str()),
    ];
    let link = url(&format!("/IDCAS/Interface/ClinicExam?{}", sign(&values, "only-for-these-tests-7Qm2")));
    let opened = http.get(link).header("accept", "text/html").send().await.unwrap();
    assert_eq!(opened.status(), 302);
    let exam = opened.headers()["location"].to_str().unwrap().to_owned();
    let html = async |path: &str| {
        let answer = http.get(url(path)).header("accept", "text/html").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    };
    let page = html(&format!("{exam}?tab=documents")).await;
    for text in ["판독", "소견 없음"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let curves = html(&format!("{exam}?tab=waveform")).await;
    assert!(curves.contains("동리듬"), "{curves}");
    let drawing = curves.split("<img src=\"").find(|rest| rest.contains("/ecg/")).unwrap();
    let drawing = drawing.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let svg = html(&drawing).await;
    assert!(svg.contains("유도"), "{svg}");
    server.stop().await;
}
