//! WADO-RS and WADO-URI of whole objects: negotiation, ranges, levels.

use reqwest::Method;

use super::world::{DICOM, OWN, STUDIES, World};
use crate::harness::{data_set_of, small_instance};

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
    ] {
        assert_eq!(world.get(&format!("/wado?{query}"), "*/*").await.status, status, "{query}");
    }
    assert_eq!(world.get_as("", &format!("/wado?requestType=WADO&{uids}"), "*/*").await.status, 401);
}
