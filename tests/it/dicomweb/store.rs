//! STOW-RS: every byte comes back, and each object has its own result.

use reqwest::Method;

use super::world::{DICOM, JSON, OTHER, OWN, REGION, STUDIES, World, encapsulated, file, multipart, rle_frame};
use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{data_set_of, small_instance};

/// Files whose data sets are as different as they come.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (number, bytes) in [(0, 32), (1, 31_999), (2, 1 << 20), (3, (3 << 20) + 7)] {
        let instance = small_instance(number, bytes);
        files.push((instance.sop_instance_uid.clone(), instance.bytes()));
    }
    let rle = DataSet::ct("2.25.7001.9.1").text(0x0020_000D, "UI", "2.25.7001").without(0x7FE0_0010).encode();
    let rle = [rle, encapsulated(&[], &[rle_frame(7, 4)])].concat();
    files.push(("2.25.7001.9.1".to_owned(), file(CT_IMAGE, "2.25.7001.9.1", "1.2.840.10008.1.2.5", &rle)));
    // What looks like a boundary is content all the same.
    let odd = DataSet::ct("2.25.7001.9.2")
        .text(0x0020_000D, "UI", "2.25.7001")
        .bytes(0x7FE0_0010, "OB", b"\r\n--a-boundar\r\n--\r\n\r\n--a-\r\n")
        .encode();
    files.push(("2.25.7001.9.2".to_owned(), file(CT_IMAGE, "2.25.7001.9.2", EXPLICIT_LE, &odd)));
    files
}

each_database! {
    async fn every_file_comes_back_as_it_went_in(database: TestDatabase) {
        let world = World::with(database, Default::default()).await;
        let files = files();
        let contents: Vec<Vec<u8>> = files.iter().map(|(_, file)| file.clone()).collect();

        let stored = world.store_as(OWN, &format!("{STUDIES}/2.25.7001"), &contents).await;

        assert_eq!(stored.status, 200, "{}", stored.text());
        let references = &stored.json()["00081199"]["Value"];
        assert_eq!(references.as_array().unwrap().len(), files.len());
        assert_eq!(stored.json()["00081190"]["Value"][0], format!("http://{}/dicom-web/studies/2.25.7001", world.address));
        let study = world.get(&format!("{STUDIES}/2.25.7001"), &format!("{DICOM}; transfer-syntax=*")).await;
        assert_eq!(study.status, 200);
        assert_eq!(study.header("content-length"), study.body.len().to_string());
        let parts = study.parts();
        assert_eq!(parts.len(), files.len());
        for (uid, original) in &files {
            let (head, content) = parts.iter().find(|(head, _)| head.lines().any(|line| line.ends_with(&format!("/instances/{uid}")))).unwrap();
            assert!(head.contains("Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2"), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", content.len())), "{head}");
            assert!(data_set_of(content) == data_set_of(original), "{uid} has changed");
        }
        for reference in references.as_array().unwrap() {
            let url = reference["00081190"]["Value"][0].as_str().unwrap();
            let uid = reference["00081155"]["Value"][0].as_str().unwrap();
            let one = world.get(url, "application/dicom; transfer-syntax=*").await;
            let original = &files.iter().find(|(known, _)| known == uid).unwrap().1;
            assert!(data_set_of(&one.body) == data_set_of(original), "{uid} has changed");
        }
    }
}

#[tokio::test]
async fn each_object_has_its_own_result() {
    let world = World::start().await;
    let good = small_instance(0, 64);
    let elsewhere = DataSet::ct("2.25.1000.1.1").encode();
    let no_storage = "1.2.840.10008.1.1";
    let mismatched = DataSet::ct("2.25.7001.8.1").text(0x0020_000D, "UI", "2.25.7001").encode();
    let truncated = {
        let mut set = DataSet::ct("2.25.7001.8.2").text(0x0020_000D, "UI", "2.25.7001").encode();
        set.truncate(set.len() - 4);
        set
    };
    let files = [
        good.bytes(),
        file(CT_IMAGE, "2.25.1000.1.1", EXPLICIT_LE, &elsewhere),
        file(no_storage, "2.25.7001.8.0", EXPLICIT_LE, &mismatched),
        file(CT_IMAGE, "2.25.7001.8.9", EXPLICIT_LE, &mismatched),
        b"this is no DICOM file".to_vec(),
        file(CT_IMAGE, "2.25.7001.8.2", EXPLICIT_LE, &truncated),
    ];
    let answer = world.store_as(OWN, &format!("{STUDIES}/2.25.7001"), &files).await;
    assert_eq!(answer.status, 202);
    let json = answer.json();
    let reasons: Vec<(String, u64)> = json["00081198"]["Value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let uid = item["00081155"]["Value"][0].as_str().unwrap().to_owned();
            (uid, item["00081197"]["Value"][0].as_u64().unwrap())
        })
        .collect();
    let expected = [("2.25.1000.1.1", 0xA900), ("2.25.7001.8.0", 0x0122), ("2.25.7001.8.9", 0xA900)];
    assert_eq!(reasons, expected.map(|(uid, reason)| (uid.to_owned(), reason)));
    assert_eq!(json["0008119A"]["Value"][0]["00081197"]["Value"][0], 0xC000);
    let stored = json["00081199"]["Value"].as_array().unwrap();
    assert_eq!(stored[0]["00081155"]["Value"][0], good.sop_instance_uid);
    assert_eq!(stored[1]["00081196"]["Value"][0], 0xB007, "cut off, and kept as it came");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 2);

    let nothing = world.store_as(OWN, STUDIES, &[b"no DICOM either".to_vec()]).await;
    assert_eq!(nothing.status, 409);
}

#[tokio::test]
async fn one_file_may_be_the_body_and_the_answer_may_be_xml() {
    let world = World::start().await;
    let instance = small_instance(0, 64);
    let headers = [("content-type", "application/dicom"), ("accept", "application/dicom+xml")];
    let answer = world.ask(Method::POST, STUDIES, OWN, &headers, instance.bytes()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/dicom+xml"));
    assert!(answer.text().contains("keyword=\"ReferencedSOPSequence\"><Item number=\"1\">"), "{}", answer.text());
    let again = world.ask(Method::POST, STUDIES, OWN, &headers, instance.bytes()).await;
    assert_eq!(again.status, 200, "the same again changes nothing");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 1);
}

#[tokio::test]
async fn objects_belong_to_the_organisation_of_the_client() {
    let world = World::start().await;
    let instance = small_instance(0, 64);
    assert_eq!(world.store_as(OTHER, STUDIES, &[instance.bytes()]).await.status, 200);
    assert_eq!(world.store_as(REGION, STUDIES, &[instance.bytes()]).await.status, 403);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance WHERE org_code = 'ORG-T02'").await, 1);
    assert_eq!(world.get(&format!("{STUDIES}/2.25.7001"), DICOM).await.status, 404);
    assert_eq!(world.get_as(OTHER, &format!("{STUDIES}/2.25.7001"), DICOM).await.status, 200);
    assert_eq!(
        world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'store_instance' AND actor = 'other'").await,
        1
    );
}

#[tokio::test]
async fn what_is_no_multipart_of_dicom_is_refused_with_its_reason() {
    let world = World::start().await;
    let body = multipart(&[small_instance(0, 64).bytes()]);
    for (kind, status) in [
        ("multipart/related; type=\"application/dicom\"", 400),
        ("multipart/related; type=\"application/dicom+json\"; boundary=a-boundary", 415),
        ("application/json", 415),
        ("", 415),
    ] {
        let answer = world.ask(Method::POST, STUDIES, OWN, &[("content-type", kind)], body.clone()).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, "application/problem+json"), "{kind}");
    }
    let kind = "multipart/related; type=\"application/dicom\"; boundary=a-boundary";
    let headers = [("content-type", kind), ("accept", "image/jpeg")];
    assert_eq!(world.ask(Method::POST, STUDIES, OWN, &headers, body.clone()).await.status, 406);
    let headers = [("content-type", kind), ("accept", JSON)];
    assert_eq!(world.ask(Method::POST, &format!("{STUDIES}/..%2f1"), OWN, &headers, body).await.status, 400);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 0);
}
