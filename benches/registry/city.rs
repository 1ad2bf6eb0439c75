//! Fourteen hospitals, a region that follows, and a server that is killed again and again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use yingku::index::{DatabaseConfig, Index};

use super::hospitals::{HOSPITALS, KEY, OWN_KEY, assert_same, config, follower, hospital, registrations};
use super::number;
use super::yingku_process::Yingku;

/// Runs it on one engine and prints how long it took; panics when the two sides differ.
pub async fn run(engine: &str, folder: &Path, database: &str) {
    let reports = (number("YINGKU_BENCH_CITY", 100_002) as usize).div_ceil(HOSPITALS);
    let kills = number("YINGKU_BENCH_KILLS", 6) as usize;
    let mut server = Yingku::start(folder, database, &config());
    let address = server.http();
    let (done, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let hospitals: Vec<_> = (0..HOSPITALS)
        .map(|number| {
            let (done, ended) = (Arc::clone(&done), Arc::clone(&ended));
            tokio::spawn(async move {
                hospital(address, number, reports, done).await;
                ended.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    let region = tokio::spawn(follower(address, KEY, Arc::clone(&ended)));
    let all = registrations(reports);
    for kill in 1..=kills {
        let all_ended = || hospitals.iter().all(tokio::task::JoinHandle::is_finished);
        while done.load(Ordering::SeqCst) < all * kill / (kills + 1) && !all_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill();
        let ready = server.start_again();
        println!(
            "{engine}: killed after {} registrations, ready again in {} ms",
            done.load(Ordering::SeqCst),
            ready.as_millis()
        );
    }
    for hospital in hospitals {
        hospital.await.unwrap();
    }
    let registered = began.elapsed();
    let copy = region.await.unwrap();
    let followed = began.elapsed();
    let again = Instant::now();
    let fresh = follower(address, KEY, Arc::clone(&ended)).await;
    let pace = fresh.len() as f64 / again.elapsed().as_secs_f64();
    println!("{engine}: {all} registrations of {} reports in {:.1} s", HOSPITALS * reports, registered.as_secs_f64());
    println!(
        "the region has them after {:.1} s; a new follower reads {pace:.0} whole reports/s",
        followed.as_secs_f64()
    );
    assert!(fresh == copy, "whoever begins at the end has the same");
    let own = follower(address, OWN_KEY, Arc::clone(&ended)).await;
    drop(server);
    let config = DatabaseConfig { url: database.to_owned(), ..DatabaseConfig::default() };
    let index = Index::open(&config).await.unwrap();
    assert_same(&index, copy, own, reports).await;
    index.close().await;
    println!("both sides have the same reports after {kills} kills");
}
