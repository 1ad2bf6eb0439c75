//! WADO-RS and WADO-URI of whole objects: negotiation, ranges, levels.

use reqwest::Method;

use super::world::{DICOM, OWN, STUDIES, World, encapsulated, file, rle_frame};
use crate::harness::dataset::{CT_IMAGE, DataSet};
use crate::harness::{data_set_of, python_script, small_instance};

const INSTANCE: &str = "/dicom-web/studies/2.25.7001/series/2.25.7001.1/instances/2.25.7001.1.1";

async fn world() -> World {
    let world = World::start().await;
    let files: Vec<Vec<u8>> = (0..20).map(|number| small_instance(number, 64).bytes()).collect();
    world.store(&files).await;
    world
}

#[tokio::test]
async fn each_level_gives_what_is_below_it() {
    let world = world().await;
    for (path, count) in [("", 20), ("/series/2.25.7001.1", 16), ("/series/2.25.7001.2", 4)] {
        let answer = world.get(&format!("{STUDIES}/2.25.7001{path}"), DICOM).await;
        assert_eq!(answer.parts().len(), count, "{path}");
    }
    for path in ["2.25.7002", "2.25.7001/series/2.25.7002", "2.25.7001/series/2.25.7001.2/instances/2.25.7001.1.1"] {
        assert_eq!(world.get(&format!("{STUDIES}/{path}"), DICOM).await.status, 404, "{path}");
    }
    let head = world.ask(Method::HEAD, INSTANCE, OWN, &[("accept", "application/dicom")], Vec::new()).await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn an_object_is_given_in_the_form_that_is_taken() {
    let world = world().await;
    let own = "1.2.840.10008.1.2.1";
    for accept in ["*/*", "", DICOM, "multipart/related; type=\"application/dicom\"; transfer-syntax=*"] {
        let answer = world.get(INSTANCE, accept).await;
        assert_eq!(answer.parts().len(), 1, "{accept}");
        assert!(answer.parts()[0].0.contains(&format!("transfer-syntax={own}")));
    }
    let single = world.get(INSTANCE, &format!("application/dicom; transfer-syntax={own}")).await;
    assert_eq!(single.header("content-type"), format!("application/dicom; transfer-syntax={own}"));
    assert!(data_set_of(&single.body) == small_instance(0, 64).data_set);
    let by_query = world.get(&format!("{INSTANCE}?accept=application/dicom"), "image/png").await;
    assert_eq!(by_query.body, single.body);
    for accept in ["application/dicom; transfer-syntax=1.2.840.10008.1.2.4.100", "text/html", "application/dicom;q=0"] {
        let answer = world.get(INSTANCE, accept).await;
        assert_eq!((answer.status, answer.header("content-type")), (406, "application/problem+json"), "{accept}");
    }
    assert_eq!(world.get(&format!("{STUDIES}/2.25.7001"), "application/dicom").await.status, 406, "several objects");
}

#[tokio::test]
async fn nobody_is_told_for_whom_and_when_an_object_came() {
    let world = world().await;
    let told = |file: &[u8]| {
        let meta = yingku::dicom::part10::read_meta(file).unwrap();
        let says_it =
            file.windows(7).any(|bytes| [b"ORG-T01", b"sha256=", b"blake3="].contains(&bytes.try_into().unwrap()));
        (meta.receipt.is_some() || says_it, meta.source_application_entity_title, meta.media_storage_sop_instance_uid)
    };
    let nothing = |uid: &str| (false, String::new(), uid.to_owned());
    for accept in [
        "application/dicom",
        "application/dicom; transfer-syntax=*",
        "application/dicom; transfer-syntax=1.2.840.10008.1.2",
    ] {
        let single = world.get(INSTANCE, accept).await;
        assert_eq!(told(&single.body), nothing("2.25.7001.1.1"), "{accept}");
    }
    let study = world.get(&format!("{STUDIES}/2.25.7001"), &format!("{DICOM}; transfer-syntax=*")).await;
    for (_, file) in study.parts() {
        assert!(!told(&file).0);
    }
}

#[tokio::test]
async fn one_object_can_be_had_in_ranges() {
    let world = world().await;
    let uri = "/wado?requestType=WADO&studyUID=2.25.7001&seriesUID=2.25.7001.1&objectUID=2.25.7001.1.1\
               &contentType=application%2Fdicom";
    let whole = world.get(INSTANCE, "application/dicom").await;
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let length = whole.body.len();
    for path in [INSTANCE, uri] {
        let headers = [("accept", "application/dicom"), ("range", "bytes=100-199")];
        let part = world.ask(Method::GET, path, OWN, &headers, Vec::new()).await;
        assert_eq!((part.status, part.header("content-range")), (206, format!("bytes 100-199/{length}").as_str()));
        assert_eq!(part.body, whole.body[100..200]);
        // From the head that is made for the caller into the data set that is stored.
        let headers = [("accept", "application/dicom"), ("range", "bytes=130-600")];
        let part = world.ask(Method::GET, path, OWN, &headers, Vec::new()).await;
        assert_eq!(part.body, whole.body[130..601]);
        let headers = [("accept", "application/dicom"), ("range", "bytes=1000000-")];
        let behind = world.ask(Method::GET, path, OWN, &headers, Vec::new()).await;
        assert_eq!((behind.status, behind.header("content-range")), (416, format!("bytes */{length}").as_str()));
    }
}

#[tokio::test]
async fn wado_uri_needs_its_parameters() {
    let world = world().await;
    let uids = "studyUID=2.25.7001&seriesUID=2.25.7001.1&objectUID=2.25.7001.1.1";
    let file = world.get(&format!("/wado?requestType=WADO&{uids}&contentType=application/dicom"), "*/*").await;
    assert!(data_set_of(&file.body) == small_instance(0, 64).data_set);
    for (query, status) in [
        (format!("requestType=QIDO&{uids}"), 400),
        ("requestType=WADO&studyUID=2.25.7001".to_owned(), 400),
        (format!("requestType=WADO&{uids}99"), 404),
        (format!("requestType=WADO&{}", uids.replace("2.25.7001.1.1", "..")), 400),
        (format!("requestType=WADO&{uids}&contentType=application/pdf"), 406),
        (format!("requestType=WADO&{uids}&contentType=image/jpeg&windowCenter=1"), 400),
        (format!("requestType=WADO&{uids}&contentType=application/dicom&transferSyntax=1.2.840.10008.1.2.4.70"), 406),
        (format!("requestType=WADO&{uids}&contentType=application/dicom&anonymize=yes"), 406),
        (format!("requestType=WADO&{uids}&anonymize=yes"), 406),
    ] {
        assert_eq!(world.get(&format!("/wado?{query}"), "*/*").await.status, status, "{query}");
    }
    assert_eq!(world.get_as("", &format!("/wado?requestType=WADO&{uids}"), "*/*").await.status, 401);
}

#[tokio::test]
async fn what_only_an_upstream_archive_has_is_not_found_and_a_part_of_a_study_is_never_given_for_all_of_it() {
    let world = world().await;
    let gone = "UPDATE instance SET offline_at = 1, object_key = '' WHERE sop_instance_uid = '2.25.7001.1.1'";
    world.execute(gone, vec![]).await;
    for (path, status) in [
        (INSTANCE, 404),
        (&format!("{STUDIES}/2.25.7001"), 404),
        (&format!("{STUDIES}/2.25.7001/series/2.25.7001.1"), 404),
        (&format!("{STUDIES}/2.25.7001/series/2.25.7001.2"), 200),
    ] {
        assert_eq!(world.get(path, DICOM).await.status, status, "{path}");
    }
    let found =
        world.get(&format!("{STUDIES}?StudyInstanceUID=2.25.7001&includefield=all"), "application/dicom+json").await;
    assert!(found.text().contains("OFFLINE"), "{}", found.text());
}

const READ: &str = r#"
import sys
import pydicom
read = pydicom.dcmread(sys.argv[1])
print(read.file_meta.TransferSyntaxUID, read.SOPInstanceUID, list(read.PixelData))
"#;

#[tokio::test]
async fn compressed_objects_are_converted_unless_they_may_stay_as_they_are() {
    let world = World::start().await;
    let rle = "1.2.840.10008.1.2.5";
    let image = |uid: &str, frame: Vec<u8>| {
        let front = DataSet::ct(uid)
            .text(0x0020_000D, "UI", "2.25.7001")
            .text(0x0020_000E, "UI", "2.25.7001.1")
            .bytes(0x0028_0002, "US", &1_u16.to_le_bytes())
            .text(0x0028_0004, "CS", "MONOCHROME2")
            .bytes(0x0028_0100, "US", &8_u16.to_le_bytes())
            .bytes(0x0028_0101, "US", &8_u16.to_le_bytes())
            .bytes(0x0028_0102, "US", &7_u16.to_le_bytes())
            .bytes(0x0028_0103, "US", &0_u16.to_le_bytes())
            .without(0x7FE0_0010)
            .encode();
        file(CT_IMAGE, uid, rle, &[front, encapsulated(&[], &[frame])].concat())
    };
    let (good, damaged) = (image("2.25.1", rle_frame(7, 4)), image("2.25.2", vec![0xFF; 10]));
    world.store(&[good.clone(), damaged.clone(), small_instance(0, 64).bytes()]).await;
    let at = |uid: &str| format!("{STUDIES}/2.25.7001/series/2.25.7001.1/instances/{uid}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("read.dcm");
    for (accept, expected) in [
        ("application/dicom", "1.2.840.10008.1.2.1"),
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2", "1.2.840.10008.1.2"),
    ] {
        let given = world.get(&at("2.25.1"), accept).await;
        assert_eq!(given.header("content-type"), format!("application/dicom; transfer-syntax={expected}"));
        assert_eq!(given.header("content-length"), given.body.len().to_string());
        std::fs::write(&path, &given.body).unwrap();
        let read = python_script(READ, &[path.to_str().unwrap()]);
        assert_eq!(read.trim(), format!("{expected} 2.25.1 [7, 7, 7, 7]"));
    }
    let stored = world.get(&at("2.25.1"), &format!("application/dicom; transfer-syntax={rle}")).await;
    assert!(data_set_of(&stored.body) == data_set_of(&good));

    let study = world.get(&format!("{STUDIES}/2.25.7001"), DICOM).await;
    let mut given: Vec<(String, Vec<u8>)> = study.parts();
    given.sort();
    let syntaxes: Vec<&str> = given.iter().map(|(head, _)| head.split("transfer-syntax=").nth(1).unwrap()).collect();
    assert_eq!(given.len(), 3);
    assert_eq!(syntaxes.iter().filter(|syntax| syntax.starts_with("1.2.840.10008.1.2.1\r")).count(), 2);
    let kept = given.iter().find(|(head, _)| head.contains("instances/2.25.2\r") || head.ends_with("instances/2.25.2"));
    assert!(data_set_of(&kept.unwrap().1) == data_set_of(&damaged), "what cannot be converted stays as it is");
    let asked = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1";
    assert_eq!(world.get(&at("2.25.2"), asked).await.status, 406);
    let uri = "/wado?requestType=WADO&studyUID=2.25.7001&seriesUID=2.25.7001.1&objectUID=2.25.1&contentType=application/dicom";
    let plain = world.get(&format!("{uri}&transferSyntax=1.2.840.10008.1.2.1"), "*/*").await;
    assert_eq!(plain.header("content-type"), "application/dicom; transfer-syntax=1.2.840.10008.1.2.1");
}
