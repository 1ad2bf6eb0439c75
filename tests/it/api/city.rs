//! The city: fourteen hospitals register at the same time, each in its own dialect, while the region follows the change
//! feed; the server is killed again and again; at the end both sides have the same reports. `cargo bench --bench registry
//! -- city` does it with a hundred thousand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use yingku::index::Index;

use super::hospitals::{HOSPITALS, assert_same, config, hospital, region, registrations};
use crate::each_database;
use crate::harness::{Limit, ServerProcess};

/// Reports of each hospital.
const REPORTS: usize = 60;
const KILLS: usize = 3;

each_database! {
    async fn fourteen_hospitals_and_the_region_have_the_same_reports_after_kills(database: TestDatabase) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let objects = tempfile::tempdir().unwrap();
        let mut server = ServerProcess::start_sharing(&database.config(), objects.path(), &config()).await;
        let address = server.http();
        let (done, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let hospitals: Vec<_> = (0..HOSPITALS)
            .map(|number| {
                let (done, ended) = (Arc::clone(&done), Arc::clone(&ended));
                tokio::spawn(async move {
                    hospital(address, number, REPORTS, done).await;
                    ended.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        let follower = tokio::spawn(region(address, Arc::clone(&ended)));
        for kill in 1..=KILLS {
            let all_ended = || hospitals.iter().all(tokio::task::JoinHandle::is_finished);
            while done.load(Ordering::SeqCst) < registrations(REPORTS) * kill / (KILLS + 1) && !all_ended() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            server.kill();
            server.start_again(Limit::None).await;
        }
        for hospital in hospitals {
            hospital.await.unwrap();
        }
        let copy = follower.await.unwrap();
        assert!(region(address, Arc::clone(&ended)).await == copy, "whoever begins at the end has the same");
        let index = Index::open(&database.config()).await.unwrap();
        assert_same(&index, copy, REPORTS).await;
        assert!(server.terminate().await.success());
    }
}
