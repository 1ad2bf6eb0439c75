//! A kill -9 at any time loses nothing that was acknowledged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use super::sender::{Answer, Sender, send_all};
use crate::harness::{Limit, ServerProcess, data_set_of, small_instance};

/// After so many acknowledgements in a round the server is killed: early, in the middle, late.
const KILLS_AFTER: [usize; 5] = [1, 7, 20, 45, 80];
const SENDERS: usize = 4;
const FILES_IN_A_ROUND: usize = 120;

/// Small objects, slices, and now and then one that is larger than the buffer of the object store.
fn size_of(number: usize) -> usize {
    match number % 40 {
        39 => 6 * 1024 * 1024,
        n if n % 5 == 4 => 512 * 1024,
        _ => 2 * 1024,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_instance_survives_being_killed_again_and_again() {
    let mut server = ServerProcess::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut lost = 0;

    for (round, kill_after) in KILLS_AFTER.into_iter().enumerate() {
        let mut paths = Vec::new();
        for i in 0..FILES_IN_A_ROUND {
            let number = round * FILES_IN_A_ROUND + i;
            let path = folder.path().join(format!("{number}.dcm"));
            small_instance(number as u32, size_of(number)).write_to(&path);
            paths.push(path);
        }
        let (answers, answered) = mpsc::channel::<Answer>();
        let senders: Vec<Sender> = paths
            .chunks(FILES_IN_A_ROUND / SENDERS)
            .map(|part| Sender::start(server.dicom(), part, answers.clone()))
            .collect();
        drop(answers);

        let mut in_this_round = Vec::new();
        while in_this_round.iter().filter(|a: &&Answer| a.is_acknowledged()).count() < kill_after {
            let answer = answered.recv_timeout(Duration::from_secs(120)).expect("the senders make progress");
            in_this_round.push(answer);
        }
        server.kill();
        senders.into_iter().for_each(Sender::wait);
        in_this_round.extend(answered.iter());
        lost += in_this_round.iter().filter(|answer| !answer.is_acknowledged()).count();
        acknowledged
            .extend(in_this_round.into_iter().filter(Answer::is_acknowledged).map(|a| (a.sop_instance_uid, a.path)));

        server.start_again(Limit::None).await;
        let stored = server.stored().await;
        for (uid, path) in &acknowledged {
            let sent = std::fs::read(path).unwrap();
            let kept = stored.data_set(uid);
            assert!(kept.as_deref() == Some(data_set_of(&sent)), "round {round}: {uid} was acknowledged");
        }
    }

    assert!(lost > 0, "no kill came in the middle of anything");
    // What was not acknowledged can be sent again, also when it had arrived.
    let all: Vec<PathBuf> = (0..FILES_IN_A_ROUND).map(|i| folder.path().join(format!("{i}.dcm"))).collect();
    let again = send_all(server.dicom(), &all);
    assert_eq!(again.iter().filter(|answer| answer.is_acknowledged()).count(), FILES_IN_A_ROUND);
    assert!(server.terminate().await.success(), "a stop that was asked for is no failure");
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}
