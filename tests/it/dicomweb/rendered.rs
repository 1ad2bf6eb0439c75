//! Pictures: size, format, window, and which instance stands for a study.

use yingku::web::dicomweb::DicomwebConfig;

use super::world::{OWN, STUDIES, World};
use crate::harness::{TestDatabase, small_instance};

async fn world() -> World {
    let world = World::start().await;
    let files: Vec<Vec<u8>> = (0..5).map(|number| small_instance(number, 16 * 64 * 2).bytes()).collect();
    world.store(&files).await;
    world
}

fn size(bytes: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(bytes).unwrap();
    (picture.width(), picture.height())
}

#[tokio::test]
async fn a_picture_has_the_form_and_size_that_is_asked_for() {
    let world = world().await;
    let instance = format!("{STUDIES}/2.25.7001/series/2.25.7001.1/instances/2.25.7001.1.1");
    for path in ["/rendered", "/frames/1/rendered"] {
        let plain = world.get(&format!("{instance}{path}"), "*/*").await;
        assert_eq!((plain.status, plain.header("content-type")), (200, "image/jpeg"));
        assert_eq!(size(&plain.body), (16, 64));
    }
    let png = world.get(&format!("{instance}/rendered?viewport=100,32&window=1000,2000,linear"), "image/png").await;
    assert_eq!((png.header("content-type"), size(&png.body)), ("image/png", (8, 32)));
    let dark = world.get(&format!("{instance}/rendered?window=70000,1,linear"), "image/png").await;
    let dark = image::load_from_memory(&dark.body).unwrap().to_luma8();
    assert!(dark.pixels().all(|pixel| pixel.0[0] == 0), "everything lies below the window");
    let poor = world.get(&format!("{instance}/rendered?quality=1"), "image/jpeg").await;
    let rich = world.get(&format!("{instance}/rendered?quality=100"), "image/jpeg").await;
    assert!(poor.body.len() < rich.body.len());
    for (query, accept, status) in [
        ("quality=0", "*/*", 400),
        ("window=1,2,cubic", "*/*", 400),
        ("viewport=1,1,0,0,5,x", "*/*", 400),
        ("viewport=9,9,16,0", "*/*", 400),
        ("viewport=9,9,0,64,1,1", "*/*", 400),
        ("", "image/tiff", 406),
        ("accept=image/tiff", "*/*", 406),
    ] {
        assert_eq!(world.get(&format!("{instance}/rendered?{query}"), accept).await.status, status, "{query}");
    }
    assert_eq!(world.get(&format!("{instance}/frames/2/rendered"), "*/*").await.status, 404);
    let gif = world.get(&format!("{instance}/rendered?accept=image/gif"), "*/*").await;
    assert_eq!((gif.header("content-type"), &gif.body[..6]), ("image/gif", b"GIF89a".as_slice()));
    assert_eq!(world.get(&format!("{instance}/frames/1,1/rendered"), "image/png").await.status, 406, "two pictures");
    let two = world.get(&format!("{instance}/frames/1,1/rendered"), "multipart/related; type=\"image/png\"").await;
    assert_eq!(two.parts().len(), 2);
}

#[tokio::test]
async fn a_region_is_cut_out_and_fills_the_viewport() {
    let world = world().await;
    let instance = format!("{STUDIES}/2.25.7001/series/2.25.7001.1/instances/2.25.7001.1.1");
    let picture = async |query: &str| {
        let answer = world.get(&format!("{instance}/rendered?{query}"), "image/png").await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        image::load_from_memory(&answer.body).unwrap().to_luma8()
    };
    let whole = picture("viewport=16,64").await;
    let part = picture("viewport=8,16,4,10,8,16").await;
    let cut = image::imageops::crop_imm(&whole, 4, 10, 8, 16).to_image();
    assert!(part == cut, "the same pixels at the same size");
    let mirrored = picture("viewport=8,16,4,10,-8,16").await;
    assert!(mirrored == image::imageops::flip_horizontal(&cut));
    assert_eq!(picture("viewport=80,200,4,10,8,16").await.dimensions(), (80, 160), "enlarged");
    let uids = "requestType=WADO&studyUID=2.25.7001&seriesUID=2.25.7001.1&objectUID=2.25.7001.1.1";
    let by_uri = world.get(&format!("/wado?{uids}&contentType=image/png&region=0.25,0.5,0.75,1.0"), "*/*").await;
    let by_uri = image::load_from_memory(&by_uri.body).unwrap().to_luma8();
    assert!(by_uri == image::imageops::crop_imm(&whole, 4, 32, 8, 32).to_image());
    assert_eq!(world.get(&format!("/wado?{uids}&region=0,0,2,1"), "*/*").await.status, 400);

    let level = async |function: &str| picture(&format!("window=1000,60000,{function}&viewport=16,64")).await;
    assert!(level("sigmoid").await != level("linear").await);
}

#[tokio::test]
async fn a_thumbnail_is_there_at_every_level() {
    let world = world().await;
    let series = format!("{STUDIES}/2.25.7001/series/2.25.7001.1");
    for path in [
        format!("{STUDIES}/2.25.7001"),
        series.clone(),
        format!("{series}/instances/2.25.7001.1.1"),
        format!("{series}/instances/2.25.7001.1.1/frames/1"),
    ] {
        let answer = world.get(&format!("{path}/thumbnail?viewport=8,8"), "image/png").await;
        assert_eq!((answer.status, size(&answer.body)), (200, (2, 8)), "{path}");
        let refused = world.get(&format!("{path}/thumbnail"), "application/dicom").await;
        assert_eq!((refused.status, refused.header("content-type")), (406, "application/problem+json"));
    }
}

#[tokio::test]
async fn a_thumbnail_is_no_larger_than_it_may_be_and_other_pictures_are() {
    let config = DicomwebConfig { thumbnail_edge: 32, ..DicomwebConfig::default() };
    let world = World::with(TestDatabase::sqlite(), config).await;
    // 16 columns and 64 rows.
    world.store(&[small_instance(0, 16 * 64 * 2).bytes()]).await;
    let study = format!("{STUDIES}/2.25.7001");
    for (picture, expected) in [
        ("thumbnail", (8, 32)),
        ("thumbnail?viewport=100,100", (8, 32)),
        ("thumbnail?viewport=8,8", (2, 8)),
        ("rendered", (16, 64)),
    ] {
        let answer = world.get(&format!("{study}/{picture}"), "image/png").await;
        assert_eq!((answer.status, size(&answer.body)), (200, expected), "{picture}");
    }
}

#[tokio::test]
async fn a_study_is_shown_by_one_picture_or_by_all() {
    let world = world().await;
    let thumbnail = world.get(&format!("{STUDIES}/2.25.7001/thumbnail"), "*/*").await;
    let middle =
        world.get(&format!("{STUDIES}/2.25.7001/series/2.25.7001.1/instances/2.25.7001.1.3/rendered"), "*/*").await;
    assert_eq!(thumbnail.status, 200);
    assert_eq!(thumbnail.body, middle.body);
    let all = world.get(&format!("{STUDIES}/2.25.7001/rendered"), "multipart/related; type=\"image/png\"").await;
    let parts = all.parts();
    assert_eq!(parts.len(), 5);
    assert!(parts.iter().all(|(head, content)| head.contains("Content-Type: image/png") && size(content) == (16, 64)));
}

#[tokio::test]
async fn wado_uri_draws_too() {
    let world = world().await;
    let uids = "requestType=WADO&studyUID=2.25.7001&seriesUID=2.25.7001.1&objectUID=2.25.7001.1.1";
    let plain = world.get(&format!("/wado?{uids}"), "*/*").await;
    assert_eq!((plain.header("content-type"), size(&plain.body)), ("image/jpeg", (16, 64)));
    let small = world
        .get(&format!("/wado?{uids}&contentType=image/png&rows=16&windowCenter=1000&windowWidth=500"), "*/*")
        .await;
    assert_eq!((small.header("content-type"), size(&small.body)), ("image/png", (4, 16)));
    assert_eq!(world.get(&format!("/wado?{uids}&frameNumber=2"), "*/*").await.status, 404);
    let audited = "SELECT COUNT(*) AS n FROM audit WHERE action = 'read_study'";
    assert_eq!(world.count(audited).await, 1, "one record for all pictures of a study");
    assert_eq!(world.get_as(OWN, &format!("{STUDIES}/2.25.7001/metadata"), "*/*").await.status, 200);
    assert_eq!(world.count(audited).await, 2, "another kind of reading");
}

#[tokio::test]
async fn a_picture_that_the_caller_has_is_not_sent_again() {
    let world = world().await;
    let path = format!("{STUDIES}/2.25.7001/series/2.25.7001.1/instances/2.25.7001.1.1/rendered");
    let ask = async |path: &str, known: &str| {
        let headers = [("accept", "image/png"), ("if-none-match", known)];
        world.ask(reqwest::Method::GET, path, OWN, &headers, Vec::new()).await
    };
    let first = world.get(&path, "image/png").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    let again = ask(&path, &format!("\"other\", W/{tag}")).await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag.as_str()));
    let wider = ask(&format!("{path}?window=1000,60000,linear"), &tag).await;
    assert_eq!(wider.status, 200, "another look has another tag");
    assert_ne!(wider.header("etag"), tag);
    let refused = world.ask(reqwest::Method::GET, &path, "no-key", &[("if-none-match", &tag)], Vec::new()).await;
    assert_eq!(refused.status, 401, "a tag opens nothing");
}
