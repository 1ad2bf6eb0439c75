//! Segments on their way into the bucket: the server brings them there by itself, and what depends on them waits.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::archive::peers::commit_storage::RequestCommitment;
use yingku::archive::peers::forward::{ForwardRule, Step};
use yingku::archive::upkeep::delete_images::{DeleteImages, DeleteOutcome, ImageLevel, Unconfirmed};
use yingku::archive::upkeep::reindex::ReindexRules;
use yingku::archive::{Archive, Error};
use yingku::dicom::text::Charset;
use yingku::domain::commitment::ReferencedInstance;
use yingku::domain::place::Place;
use yingku::domain::{Actor, Clock};
use yingku::index::Index;
use yingku::objects::{self, Objects, ObjectsConfig};

use super::sender::send_all;
use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestServer, TestStore, archive, eventually, small_instance};

const UID: &str = "2.25.1";
const DAY_AND_MORE_MS: i64 = 25 * 3600 * 1000;

async fn open(database: &TestDatabase, objects: &Objects, clock: Clock) -> (Archive, Index) {
    let (index, ids) = database.open_with_ids().await;
    (archive::build(index.clone(), objects.clone(), clock, ids), index)
}

async fn receive(archive: &Archive) {
    let command = ReceiveInstance {
        org_code: "ORG-T01".to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        default_charset: Charset::gb18030(),
        sop_class_uid: CT_IMAGE.to_owned(),
        sop_instance_uid: UID.to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    };
    let mut writer = archive.receive_instance(command).await.unwrap();
    writer.write(&DataSet::ct(UID).encode()).await.unwrap();
    assert_eq!(writer.commit().await.unwrap(), StoreOutcome::Stored);
}

async fn place_of_instance(index: &Index) -> Place {
    let sql = "SELECT object_key, object_offset, object_length FROM instance";
    let row = index.query_opt(sql, Vec::new()).await.unwrap().unwrap();
    let number = |column: &str| row.int(column).unwrap() as u64;
    Place { key: row.text("object_key").unwrap(), offset: number("object_offset"), length: number("object_length") }
}

/// Asks for the commitment of the instance, under a name.
async fn ask(archive: &Archive, transaction_uid: &str) -> i64 {
    let request = RequestCommitment {
        org_code: "ORG-T01".to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        remote_addr: "127.0.0.1:104".to_owned(),
        transaction_uid: transaction_uid.to_owned(),
        instances: vec![ReferencedInstance { sop_class_uid: CT_IMAGE.to_owned(), sop_instance_uid: UID.to_owned() }],
    };
    archive.request_commitment(request).await.unwrap()
}

/// How many instances were committed and refused, when that can be told.
async fn committed(archive: &Archive, request: i64) -> Result<(usize, usize), Error> {
    let outcome = archive.check_commitment(request).await?.expect("nobody was told yet");
    Ok((outcome.committed.len(), outcome.failed.len()))
}

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

each_database! {
    async fn what_lies_in_the_journal_of_another_server_is_waited_for(database: TestDatabase) {
        let store = TestStore::s3_with_journal();
        let own = tempfile::tempdir().unwrap();
        let journal = Some(own.path().join("journal"));
        let (theirs, ours) = (store.open(), Objects::open(&ObjectsConfig { journal, ..store.config() }).unwrap());
        let rule = ForwardRule { upstream: "region".to_owned(), organizations: Vec::new(), delay_ms: 0 };
        let (first, index) = open(&database, &theirs, Clock::System).await;
        receive(&first.forwarding(vec![rule])).await;
        theirs.close().await;
        let (second, _) = open(&database, &ours, Clock::System).await;
        let batch = second.next_forward("region", Step::Send, &[], 10).await.unwrap().expect("it is queued");
        let instance = &batch.instances[0];

        let forwarded = second.forward_bytes(instance, 0).await.err().expect("it is not in the bucket yet");
        let request = ask(&second, "2.25.4711").await;
        let checked = committed(&second, request).await.unwrap_err();

        assert!(forwarded.is_missing_object(), "{forwarded}: it is sent later, not put aside");
        assert!(checked.is_missing_object(), "{checked}: it is answered later, not refused");
        // After a day it is in no journal any more.
        let tomorrow = Clock::fixed(Clock::System.now_ms() + DAY_AND_MORE_MS);
        let (late, _) = open(&database, &ours, tomorrow).await;
        assert!(matches!(late.forward_bytes(instance, 0).await.err(), Some(Error::NotFound)));
        let second_request = ask(&late, "2.25.4712").await;
        assert_eq!(committed(&late, second_request).await.unwrap(), (0, 1));

        assert_eq!(theirs.ship().await.unwrap().segments, 1);
        let pieces: Vec<Bytes> = second.forward_bytes(instance, 0).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat().len() as u64, place_of_instance(&index).await.length);
        assert_eq!(committed(&second, request).await.unwrap(), (1, 0));
    }

    async fn a_deletion_that_finds_no_room_stays_noted_until_there_is_some(database: TestDatabase) {
        let store = TestStore::s3_with_journal();
        let objects = store.open();
        let (archive, index) = open(&database, &objects, Clock::System).await;
        receive(&archive).await;
        objects.close().await;
        let place = place_of_instance(&index).await;
        let full = Objects::open(&ObjectsConfig { journal_bytes: 0, ..store.config() }).unwrap();
        let (crowded, _) = open(&database, &full, Clock::System).await;
        let command = DeleteImages {
            org_code: "ORG-T01".to_owned(),
            level: ImageLevel::Instance,
            uid: UID.to_owned(),
            reason: "test images".to_owned(),
            unconfirmed: Unconfirmed::Refuse,
        };
        let noted = async || index.query("SELECT object_key FROM purged_object", Vec::new()).await.unwrap().len();

        let outcome = crowded.delete_images(Actor::system("test"), command).await.unwrap();

        assert!(matches!(outcome, DeleteOutcome::Deleted(_)), "{outcome:?}");
        assert_eq!(noted().await, 1, "storage has not written it down");
        let refused = full.forget(&place).await.unwrap_err();
        let is_full = |error: &objects::Error| {
            matches!(error, objects::Error::Folder(error) if error.kind() == ErrorKind::StorageFull)
        };
        assert!(is_full(&refused), "{refused}");
        crowded.forget_purged().await.unwrap();
        assert_eq!(noted().await, 1, "asked for again, and still no room");

        archive.forget_purged().await.unwrap();
        assert_eq!(noted().await, 0);
        objects.close().await;
        // An index made of storage alone knows of it.
        let fresh = TestDatabase::sqlite();
        let (rebuilt, _) = open(&fresh, &objects, Clock::System).await;
        let rules = ReindexRules { organization: None, default_charset: Charset::gb18030(), charsets: HashMap::new() };
        let done = rebuilt.reindex(&rules, |_| ()).await.unwrap();
        assert_eq!((done.indexed, done.deleted), (0, 1));
    }
}
