//! A disk without room and a kill -9 while objects are stored: what was acknowledged stays, the rest is told.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::world::multipart;
use crate::harness::{Limit, ServerProcess, data_set_of, small_instance};

const KEY: &str = "synthetic-key-of-the-sender";
const SENDERS: u32 = 4;
const FILES_IN_A_REQUEST: u32 = 6;
/// After so many answers in a round the server is killed.
const KILLS_AFTER: [usize; 3] = [1, 5, 12];

async fn server() -> ServerProcess {
    let client =
        format!("\n[[client]]\nid = 'web'\nkey = '{KEY}'\ndicomweb = 'read_and_store'\norganizations = ['ORG-T01']\n");
    ServerProcess::start_with(&client).await
}

/// Status and answer; `None` when the connection broke.
async fn stow(url: String, files: Vec<Vec<u8>>) -> Option<(u16, Value)> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let kind = "multipart/related; type=\"application/dicom\"; boundary=a-boundary";
    let request = http.post(url).bearer_auth(KEY).header("content-type", kind).body(multipart(&files));
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, serde_json::from_slice(&answer.bytes().await.ok()?).ok()?))
}

fn url(server: &ServerProcess) -> String {
    format!("http://{}/dicom-web/studies", server.http())
}

/// The UIDs in a list of an answer.
fn uids(answer: &Value, list: &str) -> Vec<String> {
    let items = answer[list]["Value"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["00081155"]["Value"][0].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_finds_no_room_is_told_apart_from_those_that_do() {
    let mut server = server().await;
    assert!(server.terminate().await.success());
    server.start_again(Limit::FileBytes(7 << 20)).await;
    let instances = [small_instance(0, 2048), small_instance(1, 12 << 20), small_instance(2, 2048)];
    let large = &instances[1].sop_instance_uid;

    let (status, answer) = stow(url(&server), instances.iter().map(|one| one.bytes()).collect()).await.unwrap();

    assert_eq!(status, 202, "{answer}");
    assert_eq!(uids(&answer, "00081198"), std::slice::from_ref(large));
    assert_eq!(answer["00081198"]["Value"][0]["00081197"]["Value"][0], 0xA700);
    assert_eq!(uids(&answer, "00081199").len(), 2);
    let (status, answer) = stow(url(&server), vec![instances[1].bytes()]).await.unwrap();
    assert_eq!((status, uids(&answer, "00081198")), (507, vec![large.clone()]), "nothing found room: {answer}");
    server.kill();
    server.start_again(Limit::None).await;
    let (status, _) = stow(url(&server), vec![instances[1].bytes()]).await.unwrap();
    assert_eq!(status, 200, "there is room again");
    let stored = server.stored().await;
    for one in &instances {
        assert!(stored.data_set(&one.sop_instance_uid).as_ref() == Some(&one.data_set), "{}", one.sop_instance_uid);
    }
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

/// Sends until the connection breaks; tells what was acknowledged.
async fn send(url: String, first: u32, told: mpsc::UnboundedSender<Vec<String>>) {
    for request in 0.. {
        let begin = first + request * FILES_IN_A_REQUEST;
        let size = |number: u32| if number.is_multiple_of(13) { 3 << 20 } else { 4096 };
        let files = (begin..begin + FILES_IN_A_REQUEST).map(|number| small_instance(number, size(number)).bytes());
        match stow(url.clone(), files.collect()).await {
            Some((_, answer)) => drop(told.send(uids(&answer, "00081199"))),
            None => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_being_killed_again_and_again() {
    let mut server = server().await;
    let mut acknowledged = Vec::new();
    for (round, kill_after) in KILLS_AFTER.into_iter().enumerate() {
        let (told, mut tellings) = mpsc::unbounded_channel();
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let first = (round as u32 * SENDERS + sender) * 100_000;
                tokio::spawn(send(url(&server), first, told.clone()))
            })
            .collect();
        drop(told);
        for _ in 0..kill_after {
            let answer = tokio::time::timeout(Duration::from_secs(120), tellings.recv()).await;
            acknowledged.extend(answer.expect("the senders make progress").expect("they send until the end"));
        }
        server.kill();
        for sender in senders {
            sender.await.unwrap();
        }
        while let Some(uids) = tellings.recv().await {
            acknowledged.extend(uids);
        }
        server.start_again(Limit::None).await;
        let stored = server.stored().await;
        for uid in &acknowledged {
            assert!(stored.data_set(uid).is_some(), "round {round}: {uid} was acknowledged");
        }
    }
    // Each content is that of its number, whatever the crashes did.
    let stored = server.stored().await;
    let by_uid: BTreeMap<String, u32> = (0..KILLS_AFTER.len() as u32 * SENDERS)
        .flat_map(|sender| sender * 100_000..sender * 100_000 + FILES_IN_A_REQUEST)
        .map(|number| (small_instance(number, 4).sop_instance_uid.clone(), number))
        .collect();
    let known: Vec<_> = acknowledged.iter().filter_map(|uid| Some((uid, by_uid.get(uid)?))).collect();
    assert!(!known.is_empty());
    for (uid, number) in known {
        let size = if number.is_multiple_of(13) { 3 << 20 } else { 4096 };
        let sent = small_instance(*number, size).bytes();
        assert!(stored.data_set(uid).as_deref() == Some(data_set_of(&sent)), "{uid} has changed");
    }
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}
