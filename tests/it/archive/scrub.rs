//! The scrub finds decay, remembers it, and goes on where it was.

use std::time::Duration;

use yingku::archive::Archive;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance};
use yingku::archive::upkeep::queue::Finished;
use yingku::archive::upkeep::scrub::ScrubConfig;
use yingku::dicom::text::Charset;
use yingku::domain::{Actor, Clock};
use yingku::index::Index;

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore, archive};

const DAY_MS: i64 = 24 * 3600 * 1000;
const LONG: Duration = Duration::from_secs(60);

async fn filled(database: &TestDatabase, store: &TestStore, clock: Clock, count: u32) -> (Archive, Index) {
    let (index, ids) = database.open_with_ids().await;
    let archive = archive::build(index.clone(), store.open(), clock, ids);
    for number in 1..=count {
        let uid = format!("2.25.{number}");
        let command = ReceiveInstance {
            org_code: "ORG-T01".to_owned(),
            calling_ae_title: "PACS01".to_owned(),
            default_charset: Charset::gb18030(),
            sop_class_uid: CT_IMAGE.to_owned(),
            sop_instance_uid: uid.clone(),
            transfer_syntax_uid: EXPLICIT_LE.to_owned(),
            completeness: Completeness::AsSent,
            actor: Actor::system("test"),
        };
        let mut writer = archive.receive_instance(command).await.unwrap();
        writer.write(&DataSet::ct(&uid).encode()).await.unwrap();
        writer.commit().await.unwrap();
    }
    (archive, index)
}

/// Turns one bit of an instance's last byte.
async fn turn_a_bit(index: &Index, store: &TestStore, uid: &'static str) -> String {
    let sql = "SELECT id, object_key, object_offset, object_length FROM instance WHERE sop_instance_uid = $1";
    let row = index.query(sql, yingku::params![uid]).await.unwrap().remove(0);
    let path = store.path().unwrap().join(row.text("object_key").unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(row.int("object_offset").unwrap() + row.int("object_length").unwrap()) as usize - 1] ^= 1;
    std::fs::write(path, bytes).unwrap();
    format!("instance:{}", row.int("id").unwrap())
}

each_database! {
    async fn decay_is_found_marked_and_the_mark_goes_when_the_object_is_whole_again(database: TestDatabase) {
        let store = TestStore::segments();
        let (archive, index) = filled(&database, &store, Clock::System, 12).await;
        archive.release().await.unwrap();
        let clean = archive.scrub(0, LONG).await.unwrap();
        assert_eq!((clean.checked, clean.damaged, clean.finished_at.is_some()), (12, 0, true));

        let row = turn_a_bit(&index, &store, "2.25.7").await;
        let found = archive.scrub(0, LONG).await.unwrap();

        assert_eq!((found.checked, found.damaged), (12, 1));
        let damages = archive.damaged_objects(10).await.unwrap();
        assert_eq!(damages.iter().map(|d| (d.subject.as_str(), d.fault.as_str())).collect::<Vec<_>>(), [(row.as_str(), "changed")]);

        turn_a_bit(&index, &store, "2.25.7").await;
        assert_eq!(archive.scrub(0, LONG).await.unwrap().damaged, 0);
        assert_eq!(archive.damaged_objects(10).await.unwrap(), []);
    }

    async fn a_pass_that_was_cut_off_goes_on_where_it_was(database: TestDatabase) {
        let store = TestStore::folder();
        let (archive, index) = filled(&database, &store, Clock::System, 9).await;

        let mut checked = Vec::new();
        let last = loop {
            // No time at all is enough for one object.
            let state = archive.scrub(0, Duration::ZERO).await.unwrap();
            checked.push(state.checked);
            if state.finished_at.is_some() {
                break state;
            }
        };

        assert_eq!(checked, (1..=9).chain([9]).collect::<Vec<i64>>());
        assert_eq!(last.damaged, 0);
        let missing = turn_a_bit(&index, &store, "2.25.1").await;
        assert_eq!(archive.scrub(0, LONG).await.unwrap().checked, 9, "the next pass begins anew");
        assert_eq!(archive.damaged_objects(10).await.unwrap()[0].subject, missing);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_does_a_pass_when_one_is_due_and_waits_otherwise() {
    let (database, store) = (TestDatabase::sqlite(), TestStore::segments());
    let clock = Clock::fixed(1_800_000_000_000);
    let (archive, _) = filled(&database, &store, clock.clone(), 3).await;
    let config = ScrubConfig { every_days: 2, bytes_per_second: 0 };

    assert_eq!(archive.run_scrub(&config).await.unwrap(), Finished::Again { delay_ms: 1000 });
    assert_eq!(archive.scrub_state().await.unwrap().unwrap().checked, 3);
    assert_eq!(archive.run_scrub(&config).await.unwrap(), Finished::Again { delay_ms: DAY_MS as u64 });
    clock.set(1_800_000_000_000 + 2 * DAY_MS + 1);
    assert_eq!(archive.run_scrub(&config).await.unwrap(), Finished::Again { delay_ms: 1000 });
    assert_eq!(archive.scrub_state().await.unwrap().unwrap().started_at, 1_800_000_000_000 + 2 * DAY_MS + 1);
    let off = ScrubConfig { every_days: 0, ..config };
    assert_eq!(archive.run_scrub(&off).await.unwrap(), Finished::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pace_of_reading_is_kept() {
    let (database, store) = (TestDatabase::sqlite(), TestStore::segments());
    let (archive, index) = filled(&database, &store, Clock::System, 4).await;
    let row = index.query("SELECT SUM(object_length) AS n FROM instance", Vec::new()).await.unwrap().remove(0);
    let bytes = row.get::<i64>("n").unwrap() as u64;

    let began = std::time::Instant::now();
    archive.scrub(bytes * 2, LONG).await.unwrap();

    assert!(began.elapsed() >= Duration::from_millis(490), "{:?}", began.elapsed());
}
