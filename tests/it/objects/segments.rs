//! Segments in a real folder: group commit, tar, crashes, several processes, a full disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use yingku::domain::place::Place;
use yingku::objects::{Kind, Objects, ObjectsConfig, RecordKind, StorageEngine};

use crate::harness::{Package, run, tool};

const MARKS: &str = "open-segment";

fn config(root: &Path) -> ObjectsConfig {
    ObjectsConfig {
        url: format!("file://{}", root.display()),
        engine: StorageEngine::Segment,
        segment_bytes: 1024 * 1024,
        segment_object_bytes: 64 * 1024,
        ..ObjectsConfig::default()
    }
}

fn open(root: &Path) -> Objects {
    Objects::open(&config(root)).unwrap()
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251 + seed * 7) as u8).collect()
}

/// Puts so many objects, all at once.
async fn put_many(objects: &Objects, sizes: impl Iterator<Item = usize>) -> Vec<(Place, Vec<u8>)> {
    let puts = sizes.enumerate().map(|(i, size)| {
        let objects = objects.clone();
        async move {
            let bytes = pattern(size, i);
            (objects.put(Kind::Instance, Bytes::from(bytes.clone())).await.unwrap(), bytes)
        }
    });
    join_all(puts).await
}

async fn assert_all_there(objects: &Objects, kept: &[(Place, Vec<u8>)]) {
    for (place, bytes) in kept {
        assert!(objects.read(place).await.unwrap() == *bytes, "the bytes at {place:?} differ");
    }
}

/// What a crash leaves: the files as they are, without the locks.
fn copy_of(root: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    run(Command::new("cp").arg("-a").arg(root.join(".")).arg(copy.path()));
    copy
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path),
        }
    }
    found
}

fn marks(root: &Path) -> usize {
    files_below(&root.join(MARKS)).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_objects_share_a_segment_and_come_back_as_they_were() {
    let root = tempfile::tempdir().unwrap();
    let objects = open(root.path());

    let kept = put_many(&objects, (0..60).map(|i| i * 131)).await;

    let keys: BTreeSet<&str> = kept.iter().map(|(place, _)| place.key.as_str()).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_all_there(&objects, &kept).await;
    let (middle, bytes) = &kept[30];
    assert_eq!(objects.read_range(middle, 10..20).await.unwrap(), bytes[10..20]);
    let streamed: Vec<Bytes> = objects.stream(middle).await.unwrap().try_collect().await.unwrap();
    assert_eq!(streamed.concat(), *bytes);
    let listed: Vec<_> = objects.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1, "a mark is no object: {listed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_segment_is_a_tar_that_tar_reads() {
    let tar = tool("tar", Package::Debian("tar"));
    let root = tempfile::tempdir().unwrap();
    let objects = open(root.path());
    let kept = put_many(&objects, [1, 511, 512, 513, 4096, 20_000].into_iter()).await;

    objects.close().await;

    assert_eq!(marks(root.path()), 0);
    let unpacked = tempfile::tempdir().unwrap();
    let segment = root.path().join(&kept[0].0.key);
    run(Command::new(tar).arg("-xf").arg(&segment).arg("-C").arg(unpacked.path()));
    let found: BTreeSet<Vec<u8>> =
        files_below(unpacked.path()).iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert_eq!(found, kept.iter().map(|(_, bytes)| bytes.clone()).collect());
    let last = kept.iter().map(|(place, _)| place.offset + place.length).max().unwrap();
    assert_eq!(
        std::fs::metadata(segment).unwrap().len(),
        last.next_multiple_of(512) + 1024,
        "no reserved room is left"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_segment_is_followed_by_the_next_and_large_objects_go_their_own_way() {
    let root = tempfile::tempdir().unwrap();
    let objects = open(root.path());

    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.extend(put_many(&objects, std::iter::repeat_n(60_000, 10)).await);
    }
    kept.extend(put_many(&objects, [64 * 1024, 64 * 1024 + 1].into_iter()).await);

    assert_all_there(&objects, &kept).await;
    let keys: BTreeSet<&str> = kept[..41].iter().map(|(place, _)| place.key.as_str()).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(keys.iter().all(|key| Objects::is_segment(key)));
    assert!(!Objects::is_segment(&kept[41].0.key), "larger than the limit");
    assert_eq!(marks(root.path()), 1, "full segments are sealed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_moment_leaves_all_that_was_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let objects = open(root.path());
    let mut kept = Vec::new();
    for round in 0..120_usize {
        kept.extend(put_many(&objects, (0..round % 7 + 1).map(|i| (round * 977 + i * 3001) % 9000)).await);
        if round % 4 != 0 {
            continue;
        }
        let copy = copy_of(root.path());
        let (last, _) = kept.iter().max_by_key(|(place, _)| (&place.key, place.offset)).unwrap();
        let segment = copy.path().join(&last.key);
        let mut torn = std::fs::read(&segment).unwrap();
        let durable = (last.offset + last.length).next_multiple_of(512) as usize;
        // What the disk may hold of a group that was being written: nothing, garbage, half a head, a cut file.
        match round / 4 % 4 {
            0 => torn.truncate(durable + round % 512),
            1 => torn[durable..].fill(0xA5),
            2 => torn.copy_within(0..700, durable),
            _ => {}
        }
        std::fs::write(&segment, torn).unwrap();

        let reopened = open(copy.path());

        assert_all_there(&reopened, &kept).await;
        assert_eq!(std::fs::metadata(&segment).unwrap().len() as usize, durable + 1024, "the torn tail is cut off");
        assert_eq!(marks(copy.path()), 0);
        let contents = reopened.segment_contents(&last.key).await.unwrap();
        let expected = kept.iter().filter(|(place, _)| place.key == last.key).count();
        assert_eq!((contents.records.len(), contents.torn), (expected, 0));
        let more = put_many(&reopened, [100, 200].into_iter()).await;
        assert_all_there(&reopened, &more).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_record_does_not_take_those_behind_it_along() {
    let root = tempfile::tempdir().unwrap();
    let objects = open(root.path());
    let kept = put_many(&objects, std::iter::repeat_n(5000, 9)).await;
    let copy = copy_of(root.path());
    let segment = copy.path().join(&kept[0].0.key);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[kept[4].0.offset as usize - 512] ^= 0x40;
    std::fs::write(&segment, bytes).unwrap();

    let reopened = open(copy.path());

    let contents = reopened.segment_contents(&kept[0].0.key).await.unwrap();
    assert_eq!(contents.records.len(), 8);
    assert_all_there(&reopened, &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_on_one_folder_leave_each_others_open_segment_alone() {
    let root = tempfile::tempdir().unwrap();
    let one = open(root.path());
    let first = put_many(&one, [3000].into_iter()).await;

    let other = open(root.path());
    let second = put_many(&other, [3000].into_iter()).await;
    let third = put_many(&one, [3000].into_iter()).await;

    assert_eq!(marks(root.path()), 2);
    assert_ne!(first[0].0.key, second[0].0.key);
    assert_eq!(first[0].0.key, third[0].0.key);
    assert_all_there(&other, &[first, second, third].concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_segment_can_be_made_objects_get_files_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    // A file stands where the folder of segments must come: the disk refuses.
    std::fs::write(root.path().join("segment"), b"").unwrap();
    let objects = open(root.path());

    let kept = put_many(&objects, [10, 2000, 30_000].into_iter()).await;

    assert!(kept.iter().all(|(place, _)| place.key.starts_with("instance/")));
    assert_all_there(&objects, &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_object_is_noted_in_the_log_and_a_forgotten_file_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let objects = open(root.path());
    let kept = put_many(&objects, [100, 100_000].into_iter()).await;

    for (place, _) in &kept {
        objects.forget(place).await.unwrap();
    }

    let contents = objects.segment_contents(&kept[0].0.key).await.unwrap();
    let kinds: Vec<RecordKind> = contents.records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [RecordKind::Object, RecordKind::Deleted]);
    assert_eq!(objects.length(&kept[1].0.key).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_either_engine_wrote_the_other_reads() {
    let root = tempfile::tempdir().unwrap();
    let file_each = ObjectsConfig { engine: StorageEngine::File, ..config(root.path()) };
    let files = Objects::open(&file_each).unwrap();
    let segments = open(root.path());

    let kept =
        [put_many(&files, [500, 600].into_iter()).await, put_many(&segments, [700, 800].into_iter()).await].concat();

    assert!(kept[..2].iter().all(|(place, _)| place.key.starts_with("instance/")));
    assert!(kept[2..].iter().all(|(place, _)| place.key.starts_with("segment/")));
    assert_all_there(&files, &kept).await;
    assert_all_there(&segments, &kept).await;
}
