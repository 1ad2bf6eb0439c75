//! The city: fourteen hospitals register at the same time, each in its own dialect, while the region and one of the
//! hospitals follow the change feed; the server is killed again and again, and the region's own program with it; at the end
//! the region has what is shared, the hospital its own, and neither anything else. `cargo bench --bench registry -- city`
//! does it with a hundred thousand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use yingku::index::Index;

use super::hospitals::{
    HOSPITALS, KEY, OWN_KEY, Saved, assert_same, config, follow, follower, hospital, registrations,
};
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
        let saved = Arc::new(Mutex::new(Saved::default()));
        let begin = || {
            let (saved, ended) = (Arc::clone(&saved), Arc::clone(&ended));
            tokio::spawn(async move { follow(address, KEY, &saved, &ended).await })
        };
        let mut region = begin();
        let own = tokio::spawn(follower(address, OWN_KEY, Arc::clone(&ended)));
        for kill in 1..=KILLS {
            let all_ended = || hospitals.iter().all(tokio::task::JoinHandle::is_finished);
            while done.load(Ordering::SeqCst) < registrations(REPORTS) * kill / (KILLS + 1) && !all_ended() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            server.kill();
            // It goes on with what it has saved.
            region.abort();
            if let Err(ended) = region.await {
                assert!(ended.is_cancelled(), "{ended}");
            }
            server.start_again(Limit::None).await;
            region = begin();
        }
        for hospital in hospitals {
            hospital.await.unwrap();
        }
        region.await.unwrap();
        let own = own.await.unwrap();
        let copy = std::mem::take(&mut saved.lock().unwrap().copy);
        assert!(follower(address, KEY, Arc::clone(&ended)).await == copy, "whoever begins at the end has the same");
        assert!(follower(address, OWN_KEY, Arc::clone(&ended)).await == own, "the hospital too");
        let index = Index::open(&database.config()).await.unwrap();
        assert_same(&index, copy, own, REPORTS).await;
        assert!(server.terminate().await.success());
    }
}
