//! Pictures: size, format, window, and which instance stands for a study.

use super::world::{OWN, STUDIES, World};
use crate::harness::small_instance;

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
        ("window=1,2,sigmoid", "*/*", 400),
        ("viewport=1,1,0,0,5,5", "*/*", 400),
        ("", "image/gif", 406),
    ] {
        assert_eq!(world.get(&format!("{instance}/rendered?{query}"), accept).await.status, status, "{query}");
    }
    assert_eq!(world.get(&format!("{instance}/frames/2/rendered"), "*/*").await.status, 404);
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
