//! Segments that begin in a local folder and end in a bucket.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use yingku::domain::place::Place;
use yingku::objects::{Kind, Objects, ObjectsConfig, Shipped};

use crate::harness::TestStore;

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251 + seed * 7) as u8).collect()
}

async fn put_many(objects: &Objects, sizes: impl IntoIterator<Item = usize>) -> Vec<(Place, Vec<u8>)> {
    let puts = sizes.into_iter().enumerate().map(|(i, size)| async move {
        let bytes = pattern(size, i);
        (objects.put(Kind::Instance, Bytes::from(bytes.clone())).await.unwrap(), bytes)
    });
    join_all(puts).await
}

async fn assert_all_there(objects: &Objects, kept: &[(Place, Vec<u8>)]) {
    for (place, bytes) in kept {
        assert!(objects.read(place).await.unwrap() == *bytes, "the bytes at {place:?} differ");
        let streamed: Vec<Bytes> = objects.stream(place).await.unwrap().try_collect().await.unwrap();
        assert!(streamed.concat() == *bytes, "the stream from {place:?} differs");
    }
}

async fn listed(objects: &Objects) -> Vec<String> {
    let mut keys: Vec<String> = objects.list().map_ok(|listed| listed.key).try_collect().await.unwrap();
    keys.sort();
    keys
}

/// The bucket as a server without this journal sees it.
fn elsewhere(store: &TestStore) -> Objects {
    Objects::open(&ObjectsConfig { journal: None, ..store.config() }).unwrap()
}

fn segments_in(store: &TestStore) -> usize {
    fn below(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| if entry.path().is_dir() { below(&entry.path()) } else { 1 }).sum()
    }
    below(&store.config().journal.unwrap().join("segment"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_keeps_its_place_while_its_segment_goes_into_the_bucket() {
    let store = TestStore::s3_with_journal();
    let objects = store.open();
    let kept = put_many(&objects, (0..40).map(|i| i * 9_001)).await;
    let key = kept[0].0.key.clone();
    assert!(kept.iter().all(|(place, _)| place.key == key && Objects::is_segment(&key)));
    assert_all_there(&objects, &kept).await;
    assert_eq!(objects.ship().await.unwrap(), Shipped::default(), "an open segment stays");
    assert_eq!((objects.is_open(&key), elsewhere(&store).length(&key).await.unwrap()), (true, None));

    objects.close().await;
    assert_eq!((objects.is_open(&key), objects.is_waiting(&key)), (false, true));
    let length = objects.length(&key).await.unwrap().unwrap();
    let shipped = objects.ship().await.unwrap();

    assert_eq!(shipped, Shipped { segments: 1, bytes: length });
    assert!(length > 5 * 1024 * 1024, "more than one part");
    assert_eq!((objects.is_waiting(&key), segments_in(&store)), (false, 0));
    assert_all_there(&objects, &kept).await;
    assert_all_there(&elsewhere(&store), &kept).await;
    assert_eq!(listed(&objects).await, std::slice::from_ref(&key));
    assert_eq!(objects.segment_contents(&key).await.unwrap().records.len(), 40);
    assert_eq!(objects.segment_outline(&key).await.unwrap().records.len(), 40);
    assert_eq!(objects.ship().await.unwrap(), Shipped::default());
    objects.delete_segment(&key).await.unwrap();
    assert_eq!(objects.length(&key).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_whose_removal_was_cut_off_is_told_once_and_removed_later() {
    let store = TestStore::s3_with_journal();
    let objects = store.open();
    let kept = put_many(&objects, [1000, 2000]).await;
    objects.close().await;
    let file = store.config().journal.unwrap().join(&kept[0].0.key);
    let bytes = std::fs::read(&file).unwrap();
    objects.ship().await.unwrap();
    std::fs::write(&file, &bytes).unwrap();

    assert_eq!(listed(&objects).await.len(), 1);
    assert_all_there(&objects, &kept).await;
    assert_eq!(objects.ship().await.unwrap().segments, 1);

    assert!(!file.exists());
    assert_all_there(&objects, &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_open_in_the_journal_goes_into_the_bucket_too() {
    let store = TestStore::s3_with_journal();
    let objects = store.open();
    let kept = put_many(&objects, [10, 20_000, 600]).await;
    let crashed = tempfile::tempdir().unwrap();
    let journal = store.config().journal.unwrap();
    crate::harness::run(std::process::Command::new("cp").arg("-a").arg(journal.join(".")).arg(crashed.path()));

    let again = Objects::open(&ObjectsConfig { journal: Some(crashed.path().to_owned()), ..store.config() }).unwrap();
    let shipped = again.ship().await.unwrap();

    assert_eq!(shipped.segments, 1);
    assert_all_there(&elsewhere(&store), &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_bucket_a_server_still_takes_objects_and_nothing_leaves_the_journal() {
    let store = TestStore::s3_with_journal();
    let lost = ObjectsConfig { url: "s3://no-such-bucket/x".to_owned(), ..store.config() };
    let objects = Objects::open(&lost).unwrap();
    let kept = put_many(&objects, [3000, 4000]).await;
    objects.close().await;

    assert!(objects.ship().await.is_err());

    assert_eq!(segments_in(&store), 1);
    assert_all_there(&objects, &kept).await;
    assert_all_there(&objects, &put_many(&objects, [500]).await).await;
    drop(objects);
    let back = store.open();
    back.close().await;
    assert!(back.ship().await.unwrap().segments >= 1);
    assert_all_there(&elsewhere(&store), &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_journal_is_full_objects_go_to_the_bucket_one_by_one() {
    let store = TestStore::s3_with_journal();
    let config = ObjectsConfig {
        segment_bytes: 1024 * 1024,
        segment_object_bytes: 64 * 1024,
        journal_bytes: 0,
        ..store.config()
    };
    let objects = Objects::open(&config).unwrap();

    let kept = put_many(&objects, [100, 200, 70_000]).await;

    let keys: BTreeSet<&str> = kept.iter().map(|(place, _)| place.key.as_str()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| !Objects::is_segment(key)));
    assert_all_there(&elsewhere(&store), &kept).await;
    let room = Objects::open(&ObjectsConfig { journal_bytes: 1024 * 1024, ..config.clone() }).unwrap();
    assert!(Objects::is_segment(&put_many(&room, [100]).await[0].0.key), "there is room for one");
    let none = Objects::open(&ObjectsConfig { journal_bytes: 2 * 1024 * 1024 - 1, ..config }).unwrap();
    assert!(!Objects::is_segment(&put_many(&none, [100]).await[0].0.key), "and none for a second");
}
