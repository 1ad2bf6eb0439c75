//! How long the audit trail is kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::oneshot;
use yingku::archive::upkeep::purge_audit::AuditConfig;
use yingku::archive::upkeep::read_audit::{AuditSearch, KeptAudit};
use yingku::domain::{Actor, Clock};
use yingku::index::{Error, Index};
use yingku::params;

use crate::each_database;
use crate::harness::{Limit, ServerProcess, TestStore, archive, count_rows, eventually, http_get, texts};

const OLD: &str = "SELECT COUNT(*) AS n FROM audit WHERE action = 'view_exam' AND id <= 2500";
const YOUNG: &str = "SELECT COUNT(*) AS n FROM audit WHERE action = 'view_exam' AND id > 2500";
const TOLD: &str = "SELECT detail AS t FROM audit WHERE action = 'purge_audit' ORDER BY id";

fn days_ago(days: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    now - days * 24 * 3600 * 1000
}

/// So many entries of one moment; the first one has the id `first`.
async fn add(index: &Index, first: i64, count: i64, at: i64) {
    let written = index.write(move |tx| {
        Box::pin(async move {
            let sql = "INSERT INTO audit (id, at, action, actor_kind, actor, user_id, remote_addr, org_code, target, \
                       outcome, detail) VALUES ($1, $2, 'view_exam', 'customer', 'guid', 'D001', '', 'ORG-T01', \
                       'exam:1', 'ok', '{}')";
            for id in first..first + count {
                tx.execute(sql, params![id, at]).await?;
            }
            Ok::<_, Error>(())
        })
    });
    written.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_kept_for_ever_or_as_long_as_the_configuration_says() {
    let mut server = ServerProcess::start().await;
    assert!(server.terminate().await.success());
    let database = server.database();
    let index = Index::open(&database).await.unwrap();
    add(&index, 1, 2500, days_ago(181)).await;
    add(&index, 2501, 10, days_ago(179)).await;
    index.close().await;

    server.start_again(Limit::None).await;
    assert!(server.terminate().await.success());
    assert_eq!(count_rows(&database, OLD).await, 2500);

    server.append_config("\n[audit]\nkeep_days = 180\n");
    server.start_again(Limit::None).await;
    eventually(Duration::from_secs(120), "what is due is forgotten", || async {
        (count_rows(&database, OLD).await == 0).then_some(())
    })
    .await;
    let address = server.http();
    eventually(Duration::from_secs(120), "and counted", || async {
        http_get(address, "/metrics").filter(|(_, shown)| shown.contains("yingku_audit_forgotten_total 2500"))
    })
    .await;
    assert!(server.terminate().await.success());

    let told = texts(&database, TOLD).await;
    let entries: Vec<i64> =
        told.iter().map(|detail| serde_json::from_str::<Value>(detail).unwrap()["entries"].as_i64().unwrap()).collect();
    assert_eq!(entries, [1000, 1000, 500], "a batch at a time, each told in the trail itself");
    assert_eq!(count_rows(&database, YOUNG).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_is_too_short_is_refused_with_its_key() {
    let mut server = ServerProcess::start().await;
    assert!(server.terminate().await.success());
    server.append_config("\n[audit]\nkeep_days = 30\n");

    let checked = server.command(&["check-config"]);

    let said = format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(!checked.status.success() && said.contains("audit.keep_days: must be at least 180"), "{said}");
}

each_database! {
    async fn nothing_is_forgotten_while_somebody_reads_the_trail(database: TestDatabase) {
        let (index, ids) = database.open_with_ids().await;
        let store = TestStore::folder();
        let archive = archive::build(index.clone(), store.open(), Clock::System, ids);
        add(&index, 1, 3, days_ago(181)).await;
        let (began, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let (reading, mut began) = (archive.clone(), Some(began));
        let read = tokio::spawn(async move {
            let take = move |_: &KeptAudit| {
                if let Some(began) = began.take() {
                    began.send(()).unwrap();
                    tokio::task::block_in_place(|| may_go_on.recv().unwrap());
                }
            };
            reading.read_audit(Actor::system("test"), &AuditSearch::default(), u64::MAX, take).await
        });
        has_begun.await.unwrap();
        let config = AuditConfig { keep_days: 180 };

        assert_eq!(archive.purge_audit(&config, "purger").await.unwrap(), 0, "it is being read");
        go_on.send(()).unwrap();
        assert_eq!(read.await.unwrap().unwrap(), 4, "with the look itself");

        assert_eq!(archive.purge_audit(&config, "purger").await.unwrap(), 3);
        assert_eq!(archive.purge_audit(&config, "purger").await.unwrap(), 0);
        assert_eq!(archive.purge_audit(&AuditConfig::default(), "purger").await.unwrap(), 0);
    }
}
