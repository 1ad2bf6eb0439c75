//! Metadata: what pydicom reads from the file is what it reads from the answer.

use super::world::{JSON, STUDIES, World, file};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{python_script, small_instance};

const COMPARE: &str = r#"
import json, sys
import pydicom
folder, = sys.argv[1:]
metadata = {item["00080018"]["Value"][0]: item for item in json.load(open(folder + "/metadata.json"))}
for number in range(3):
    written = pydicom.dcmread(f"{folder}/{number}.dcm")
    item = metadata[written.SOPInstanceUID]
    read = pydicom.Dataset.from_json(item, bulk_data_uri_handler=lambda uri: None)
    for element in written:
        if element.tag == 0x00080005:
            assert item["00080005"]["Value"] == ["ISO_IR 192"]
            continue
        if element.tag == 0x7FE00010 or element.VR in ("OB", "OW", "UN"):
            assert "BulkDataURI" in item[f"{element.tag:08X}"] or "InlineBinary" in item[f"{element.tag:08X}"], element
            continue
        assert read[element.tag].value == element.value, (element, read[element.tag])
    del read[0x00083002]  # in which form the archive has it (PS3.18 section 8.7.3.5)
    assert len(read) == len(written), (read, written)
print("equal")
"#;

#[tokio::test]
async fn pydicom_reads_the_same_attributes_from_the_file_and_from_the_metadata() {
    let world = World::start().await;
    let rich = DataSet::ct("2.25.9001")
        .text(0x0020_000D, "UI", "2.25.7001")
        .text(0x0008_0005, "CS", "GB18030")
        .bytes(0x0010_0010, "PN", b"Ceshi^Yi=\xB2\xE2\xCA\xD4^\xD2\xD2")
        .text(0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL")
        .text(0x0018_0050, "DS", "1.25")
        .text(0x0028_0030, "DS", "0.5\\0.5")
        .bytes(0x0018_9087, "FD", &1.5_f64.to_le_bytes())
        .bytes(0x0009_0010, "LO", b"SYNTHETIC ")
        .bytes(0x0009_1001, "UN", &[1, 2, 3, 4])
        .text(0x0010_4000, "LT", "line one\r\nline two")
        .encode();
    let files = [
        small_instance(0, 64).bytes(),
        small_instance(20, 4096).bytes(),
        file(CT_IMAGE, "2.25.9001", EXPLICIT_LE, &rich),
    ];
    world.store(&files).await;
    let folder = tempfile::tempdir().unwrap();
    for (number, file) in files.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.dcm")), file).unwrap();
    }
    let answer = world.get(&format!("{STUDIES}/2.25.7001/metadata"), JSON).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, JSON));
    std::fs::write(folder.path().join("metadata.json"), &answer.body).unwrap();
    let said = python_script(COMPARE, &[folder.path().to_str().unwrap()]);
    assert_eq!(said.trim(), "equal");
}

#[tokio::test]
async fn metadata_comes_for_each_level_and_as_xml() {
    let world = World::start().await;
    let files: Vec<Vec<u8>> = (0..20).map(|number| small_instance(number, 4096).bytes()).collect();
    world.store(&files).await;
    let series = format!("{STUDIES}/2.25.7001/series/2.25.7001.2");
    let json = world.get(&format!("{series}/metadata"), "*/*").await.json();
    let numbers: Vec<i64> =
        json.as_array().unwrap().iter().map(|i| i["00200013"]["Value"][0].as_i64().unwrap()).collect();
    assert_eq!(numbers, [17, 18, 19, 20], "in the order of their numbers");
    let xml = world.get(&format!("{series}/metadata"), "multipart/related; type=\"application/dicom+xml\"").await;
    let parts = xml.parts();
    assert_eq!(parts.len(), 4);
    let text = String::from_utf8(parts[0].1.clone()).unwrap();
    assert!(
        text.contains("<Ideographic><FamilyName>测试</FamilyName><GivenName>甲</GivenName></Ideographic>"),
        "{text}"
    );
    assert!(text.contains("<BulkData uri=\"http://"), "{text}");
    assert_eq!(world.get(&format!("{series}/metadata"), "text/csv").await.status, 406);
    let again = world.get(&format!("{series}/metadata"), "*/*").await.json();
    assert_eq!(json, again, "kept metadata are the same");
}
