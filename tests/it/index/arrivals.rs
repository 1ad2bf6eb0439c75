//! Instances that need no more than their own row.

use futures_util::future::{join_all, join3};
use tokio::sync::oneshot;
use yingku::domain::place::Place;
use yingku::index::arrivals::{self, Arrived};
use yingku::index::instances::{self, InstanceRow, NewInstance, PatientRow, SeriesRow, StudyRow};
use yingku::index::{Error, Ids, Index};
use yingku::params;

use crate::each_database;
use crate::harness::TestDatabase;

/// An image of the one series.
pub(super) fn instance(number: u32) -> NewInstance {
    NewInstance {
        org_code: "ORG-T01".to_owned(),
        patient: PatientRow {
            patient_id: "P1".to_owned(),
            name: "测试甲".to_owned(),
            sex: "F".to_owned(),
            ..PatientRow::default()
        },
        study: StudyRow { study_instance_uid: "2.25.1".to_owned(), ..StudyRow::default() },
        series: SeriesRow { series_instance_uid: "2.25.1.1".to_owned(), kind: "image", ..SeriesRow::default() },
        instance: InstanceRow {
            sop_instance_uid: format!("2.25.1.1.{number}"),
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
            transfer_syntax_uid: "1.2.840.10008.1.2.1".to_owned(),
            instance_number: Some(number.into()),
            number_of_frames: 1,
            rows: None,
            columns: Some(512),
            content_hash: format!("{number:064x}"),
            place: Place { key: format!("instance/{number}"), offset: 7, length: 1000 },
            dataset_offset: 300,
            pixel_data_offset: None,
            header_state: "complete",
            calling_ae_title: "CT01".to_owned(),
        },
    }
}

/// The first instance of the series, by the long way.
pub(super) async fn begin(index: &Index, ids: &Ids) {
    let (ids, new) = (ids.clone(), instance(0));
    let write = index.write(move |tx| {
        Box::pin(async move {
            let parents = instances::ensure_parents(tx, &ids, 0, &new).await?;
            instances::insert(tx, ids.next(), 0, parents.series_pk, &new).await.map(drop)
        })
    });
    write.await.unwrap();
}

/// Whether the instance was added by its row alone.
pub(super) async fn add(index: &Index, id: i64, received_at: i64, new: &NewInstance) -> Result<bool, Error> {
    Ok(matches!(arrivals::add(index, id, received_at, new, None).await?, Arrived::Added))
}

/// Instances that are there.
pub(super) async fn count(index: &Index) -> i64 {
    index.query_opt("SELECT COUNT(*) AS n FROM instance", params![]).await.unwrap().unwrap().int("n").unwrap()
}

each_database! {
    async fn instances_of_a_series_that_is_there_are_added_with_all_that_is_known_of_them(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        begin(&index, &ids).await;

        let all: Vec<NewInstance> = (1..=100).map(instance).collect();
        let added = join_all(all.iter().map(|new| add(&index, ids.next(), 9, new))).await;

        assert!(added.into_iter().all(|added| added.unwrap()));
        assert_eq!(count(&index).await, 101);
        let same = "SELECT COUNT(*) AS n FROM instance a JOIN instance b ON b.series_pk = a.series_pk AND b.id <> a.id \
                    WHERE a.sop_instance_uid = '2.25.1.1.0'";
        let row = index.query_opt(same, params![]).await.unwrap().unwrap();
        assert_eq!(row.int("n").unwrap(), 100, "in the series of the first");
        let sql = "SELECT * FROM instance WHERE sop_instance_uid = $1";
        let row = index.query_opt(sql, params!["2.25.1.1.42"]).await.unwrap().unwrap();
        for (column, value) in [
            ("org_code", "ORG-T01"),
            ("sop_class_uid", "1.2.840.10008.5.1.4.1.1.2"),
            ("transfer_syntax_uid", "1.2.840.10008.1.2.1"),
            ("content_hash", &format!("{:064x}", 42)),
            ("object_key", "instance/42"),
            ("header_state", "complete"),
            ("calling_ae_title", "CT01"),
        ] {
            assert_eq!(row.text(column).unwrap(), value, "{column}");
        }
        for (column, value) in [
            ("instance_number", Some(42)),
            ("number_of_frames", Some(1)),
            ("pixel_rows", None),
            ("pixel_columns", Some(512)),
            ("object_offset", Some(7)),
            ("object_length", Some(1000)),
            ("dataset_offset", Some(300)),
            ("pixel_data_offset", None),
            ("received_at", Some(9)),
        ] {
            assert_eq!(row.get::<Option<i64>>(column).unwrap(), value, "{column}");
        }
    }

    async fn what_needs_more_than_its_own_row_is_left_undone(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        begin(&index, &ids).await;
        let changed = |change: fn(&mut NewInstance)| {
            let mut new = instance(1);
            change(&mut new);
            new
        };
        let cases = [
            ("another organisation", changed(|new| new.org_code = "ORG-T02".to_owned())),
            ("another study", changed(|new| new.study.study_instance_uid = "2.25.2".to_owned())),
            ("another series", changed(|new| new.series.series_instance_uid = "2.25.1.2".to_owned())),
            ("another patient id", changed(|new| new.patient.patient_id = "P2".to_owned())),
            ("another name", changed(|new| new.patient.name = "测试乙".to_owned())),
            ("another sex", changed(|new| new.patient.sex = "M".to_owned())),
            ("a birth date that the study lacks", changed(|new| new.patient.birth_date = "19900101".to_owned())),
            ("an accession number that the study lacks", changed(|new| new.study.accession_number = "A1".to_owned())),
            ("a date that the study lacks", changed(|new| new.study.study_date = "20240322".to_owned())),
            ("a description that the study lacks", changed(|new| new.study.study_description = "胸部".to_owned())),
            ("a UID that is taken", instance(0)),
        ];
        for (what, new) in &cases {
            assert!(!add(&index, ids.next(), 0, new).await.unwrap(), "{what}");
        }
        assert_eq!(count(&index).await, 1);

        // What is not said, or was not, contradicts nothing.
        let silent = changed(|new| (new.patient.name, new.patient.issuer) = (String::new(), "HOSPITAL".to_owned()));
        assert!(add(&index, ids.next(), 0, &silent).await.unwrap());
    }

    async fn of_instances_with_one_uid_at_the_same_time_one_is_added(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        begin(&index, &ids).await;

        let all: Vec<NewInstance> = (0..60).map(|number| instance(number / 2)).collect();
        let added = join_all(all.iter().map(|new| add(&index, ids.next(), 0, new))).await;

        let added = added.into_iter().filter(|added| *added.as_ref().unwrap()).count();
        assert_eq!(added, 29, "the first was there");
        assert_eq!(count(&index).await, 30);
    }

    async fn instances_and_other_operations_share_a_transaction_and_one_that_fails_harms_no_other(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        begin(&index, &ids).await;

        let all: Vec<NewInstance> = (1..=40).map(instance).collect();
        let arriving = join_all(all.iter().map(|new| add(&index, ids.next(), 0, new)));
        let others = join_all((0..20).map(|number| {
            index.write(move |tx| {
                Box::pin(async move {
                    let sql = "INSERT INTO node (id, holder, lease_until) VALUES ($1, 'test', 0)";
                    // Each number is taken twice.
                    tx.execute(sql, params![500 + number / 2]).await.map(drop)
                })
            })
        }));
        let (added, written) = tokio::join!(arriving, others);

        assert!(added.into_iter().all(|added| added.unwrap()));
        assert_eq!(written.iter().filter(|written| written.is_ok()).count(), 10);
        assert_eq!(count(&index).await, 41);
    }
}

/// SQLite undoes a whole transaction by itself when it has no room or cannot read; here it is told to. The next
/// statement would begin a transaction of its own, whose commit works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_a_row_that_the_engine_has_undone() {
    let database = TestDatabase::sqlite();
    let (index, ids) = database.open_with_ids().await;
    begin(&index, &ids).await;
    let (started, has_started) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let blocked = index.write(move |tx| {
        Box::pin(async move {
            let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON instance WHEN NEW.sop_instance_uid = '2.25.1.1.40' \
                          BEGIN SELECT RAISE(ROLLBACK, 'refused by this test'); END";
            tx.execute(refuse, params![]).await?;
            started.send(()).unwrap();
            may_go_on.await.unwrap();
            Ok::<_, Error>(())
        })
    });
    let all: Vec<NewInstance> = (1..=40).map(instance).collect();
    let others = async {
        has_started.await.unwrap();
        // All of them wait for the writer when it goes on; the first 32 take one statement, the others the next.
        let adding = join_all(all.iter().map(|new| add(&index, ids.next(), 0, new)));
        let operation = index.write(|tx| {
            Box::pin(async move {
                let sql = "INSERT INTO node (id, holder, lease_until) VALUES (700, 'test', 0)";
                tx.execute(sql, params![]).await
            })
        });
        join3(adding, operation, async { go_on.send(()).unwrap() }).await
    };
    let (blocked, (added, operation, ())) = tokio::join!(blocked, others);

    blocked.unwrap();
    operation.map_err(|error: Error| error.to_string()).unwrap();
    for (added, new) in added.into_iter().zip(&all) {
        let sql = "SELECT id FROM instance WHERE sop_instance_uid = $1";
        let row = index.query_opt(sql, params![&new.instance.sop_instance_uid]).await.unwrap();
        assert_eq!(added.unwrap(), row.is_some(), "{}", new.instance.sop_instance_uid);
    }
    let row = index.query_opt("SELECT id FROM node WHERE id = 700", params![]).await.unwrap();
    assert!(row.is_some(), "an operation that waited with them is kept");
    assert!(add(&index, ids.next(), 0, &instance(41)).await.unwrap(), "the writer goes on");
}
