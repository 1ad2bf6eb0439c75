//! The server brings segments from its journal into the bucket by itself.

use std::time::Duration;

use futures_util::TryStreamExt;
use yingku::objects::{Objects, ObjectsConfig};

use super::sender::send_all;
use crate::harness::{TestServer, TestStore, eventually, small_instance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_that_were_answered_come_into_the_bucket_without_being_asked_for() {
    let store = TestStore::s3_with_journal();
    let objects = ObjectsConfig { segment_seconds: 1, ..store.config() };
    let server = TestServer::start_with(|config| config.objects = objects).await;
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..3).map(|number| folder.path().join(format!("{number}.dcm"))).collect();
    for (number, path) in paths.iter().enumerate() {
        small_instance(number as u32, 2048).write_to(path);
    }

    let dicom = server.dicom();
    let answers = tokio::task::spawn_blocking(move || send_all(dicom, &paths)).await.unwrap();

    assert_eq!(answers.iter().filter(|answer| answer.is_acknowledged()).count(), 3);
    let bucket = Objects::open(&ObjectsConfig { journal: None, ..store.config() }).unwrap();
    eventually(Duration::from_secs(120), "three images in the bucket", || async {
        let mut found = 0;
        for listed in bucket.list().try_collect::<Vec<_>>().await.unwrap() {
            found += bucket.segment_contents(&listed.key).await.unwrap().records.len();
        }
        (found == 3).then_some(())
    })
    .await;
    server.stop().await;
}
