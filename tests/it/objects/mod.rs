//! What the object store promises, in a folder and in a bucket.

mod journal;
mod segments;

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::TryStreamExt;
use yingku::domain::place::Place;
use yingku::objects::{Error, Kind, Objects, ObjectsConfig};

use crate::each_store;

/// Bytes in which a lost or doubled block shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}

async fn keys(objects: &Objects) -> BTreeSet<String> {
    objects.list().map_ok(|listed| listed.key).try_collect().await.unwrap()
}

each_store! {
    async fn an_object_comes_back_as_it_was_put(store: TestStore) {
        let objects = store.open();
        let bytes = pattern(100_000);

        let place = objects.put(Kind::Instance, Bytes::from(bytes.clone())).await.unwrap();

        assert_eq!((place.offset, place.length), (0, 100_000));
        assert_eq!(objects.read(&place).await.unwrap(), bytes);
        assert_eq!(objects.length(&place.key).await.unwrap(), Some(100_000));
    }

    async fn an_empty_object_is_an_object(store: TestStore) {
        let objects = store.open();

        let place = objects.put(Kind::ReportOriginal, Bytes::new()).await.unwrap();

        assert_eq!(objects.read(&place).await.unwrap().len(), 0);
        assert_eq!(objects.length(&place.key).await.unwrap(), Some(0));
        let pieces: Vec<Bytes> = objects.stream(&place).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat().len(), 0);
    }

    async fn the_same_bytes_get_a_key_of_their_own_each_time(store: TestStore) {
        let objects = store.open();

        let one = objects.put(Kind::ReportStamped, Bytes::from_static(b"same")).await.unwrap();
        let two = objects.put(Kind::ReportStamped, Bytes::from_static(b"same")).await.unwrap();

        assert_ne!(one.key, two.key);
        assert_eq!(keys(&objects).await, BTreeSet::from([one.key, two.key]));
    }

    async fn an_object_of_unknown_length_is_written_in_pieces(store: TestStore) {
        // Twelve megabytes leave the buffer twice, in parts of five, on either store.
        let objects = store.open();
        let bytes = pattern(12 * 1024 * 1024 + 17);
        let mut writer = objects.create(Kind::Instance);

        for piece in bytes.chunks(1_000_003) {
            writer.write(piece).await.unwrap();
        }
        assert_eq!(writer.length(), bytes.len() as u64);
        let place = writer.finish().await.unwrap();

        assert_eq!(place.length, bytes.len() as u64);
        assert!(objects.read(&place).await.unwrap() == bytes, "the bytes differ");
    }

    async fn an_object_that_fills_the_buffer_exactly_is_whole(store: TestStore) {
        let objects = store.open_with_buffer(5 * 1024 * 1024);
        for length in [5 * 1024 * 1024 - 1, 5 * 1024 * 1024, 10 * 1024 * 1024] {
            let bytes = pattern(length);
            let mut writer = objects.create(Kind::Instance);
            writer.write(&bytes).await.unwrap();
            let place = writer.finish().await.unwrap();
            assert_eq!(place.length, length as u64);
            assert!(objects.read(&place).await.unwrap() == bytes, "the bytes of {length} differ");
        }
    }

    async fn a_part_is_read_by_its_range_and_never_beyond_the_place(store: TestStore) {
        let objects = store.open();
        let whole = objects.put(Kind::Instance, Bytes::from(pattern(1000))).await.unwrap();
        let inner = Place { offset: 100, length: 50, ..whole.clone() };

        assert_eq!(objects.read_range(&whole, 990..2000).await.unwrap(), pattern(1000)[990..]);
        assert_eq!(objects.read(&inner).await.unwrap(), pattern(1000)[100..150]);
        assert_eq!(objects.read_range(&inner, 40..1000).await.unwrap(), pattern(1000)[140..150]);
        assert_eq!(objects.read_range(&inner, 50..60).await.unwrap().len(), 0);
    }

    async fn a_place_streams_just_its_bytes(store: TestStore) {
        let objects = store.open();
        let bytes = pattern(3_000_000);
        let whole = objects.put(Kind::Instance, Bytes::from(bytes.clone())).await.unwrap();
        let inner = Place { offset: 1, length: 2_999_998, ..whole };

        let pieces: Vec<Bytes> = objects.stream(&inner).await.unwrap().try_collect().await.unwrap();

        assert!(pieces.concat() == bytes[1..2_999_999], "the bytes differ");
    }

    async fn an_object_that_was_given_up_leaves_nothing(store: TestStore) {
        let objects = store.open();
        let mut small = objects.create(Kind::Instance);
        small.write(b"little").await.unwrap();
        let mut large = objects.create(Kind::Instance);
        large.write(&pattern(6 * 1024 * 1024)).await.unwrap();

        small.abort().await;
        large.abort().await;

        assert_eq!(keys(&objects).await, BTreeSet::new());
    }

    async fn what_is_missing_is_told_apart_from_a_failure(store: TestStore) {
        let objects = store.open();
        let place = objects.put(Kind::Instance, Bytes::from_static(b"gone soon")).await.unwrap();

        objects.delete(&place.key).await.unwrap();

        objects.delete(&place.key).await.expect("a second removal is no error");
        assert!(matches!(objects.read(&place).await, Err(Error::Missing)));
        assert!(matches!(objects.stream(&place).await.err(), Some(Error::Missing)));
        assert_eq!(objects.length(&place.key).await.unwrap(), None);
        assert_eq!(keys(&objects).await, BTreeSet::new());
    }

    async fn many_writers_do_not_disturb_each_other(store: TestStore) {
        let objects = store.open();

        let writers = (0..32_usize).map(|i| {
            let objects = objects.clone();
            async move {
                let bytes = pattern(10_000 + i);
                let place = objects.put(Kind::Instance, Bytes::from(bytes.clone())).await.unwrap();
                assert_eq!(objects.read(&place).await.unwrap(), bytes);
                place.key
            }
        });
        let written: BTreeSet<String> = futures_util::future::join_all(writers).await.into_iter().collect();

        assert_eq!(written.len(), 32);
        assert_eq!(keys(&objects).await, written);
    }

    async fn a_listing_tells_key_length_and_age(store: TestStore) {
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        let before = now();
        let objects = store.open();
        let place = objects.put(Kind::ReportOriginal, Bytes::from_static(b"12345")).await.unwrap();

        let listed: Vec<_> = objects.list().try_collect().await.unwrap();

        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].key.as_str(), listed[0].length), (place.key.as_str(), 5));
        assert!(listed[0].key.starts_with("report-original/"), "{}", listed[0].key);
        // A bucket tells whole seconds only.
        assert!((before - 2_000..=now() + 2_000).contains(&listed[0].written_at), "{}", listed[0].written_at);
    }
}

#[test]
fn a_url_of_an_unknown_store_is_refused() {
    let config = ObjectsConfig { url: "ftp://x".to_owned(), ..ObjectsConfig::default() };

    assert!(matches!(Objects::open(&config), Err(Error::UnknownStore)));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_gives_an_error_and_leaves_nothing() {
    let store = crate::harness::TestStore::folder();
    let objects = store.open();
    let root = store.path().unwrap();
    // A file stands where the folder of the day must come.
    std::fs::write(root.join("instance"), b"").unwrap();

    let failed = objects.put(Kind::Instance, Bytes::from_static(b"x")).await;

    assert!(matches!(failed, Err(Error::Folder(_))));
    objects.put(Kind::ReportStamped, Bytes::from_static(b"x")).await.expect("others go on");
}
