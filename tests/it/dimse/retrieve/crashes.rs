//! A server that is killed while it gives objects out, and callers that are gone without a word.

use super::*;
use crate::archive::sender::send_all;
use crate::harness::{Limit, ServerProcess, http_get, small_instance};

const OBJECTS: u32 = 40;
const STUDY: &str = "2.25.7001";
const PATIENCE: Duration = Duration::from_secs(120);

/// A server with a study of forty objects, and one slow destination.
async fn server(destination: u16) -> ServerProcess {
    let more = format!(
        "\n[[peer]]\nae_title = 'ARCHIVE'\nhost = '127.0.0.1'\nport = {destination}\norganization = 'ORG-T01'\n\
         [dicom.retrieve]\npending_interval_ms = 50\n"
    );
    let server = ServerProcess::start_with(&more).await;
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..OBJECTS)
        .map(|number| {
            let path = folder.path().join(format!("{number}.dcm"));
            small_instance(number, 4096).write_to(&path);
            path
        })
        .collect();
    assert!(send_all(server.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    server
}

/// Asks this server with pynetdicom; gives what it says, which is nothing when it has vanished.
async fn asked(port: u16, mut job: Json) -> String {
    job["port"] = port.into();
    let mut command = Command::new(python());
    command.args(["-c", include_str!("../retrieve_peer.py"), &job.to_string()]).stderr(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn study(verb: &str) -> Json {
    asking(verb, "STUDY", &[("StudyInstanceUID", STUDY)])
}

/// How many files are in a folder.
fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Every object is there as it was sent.
fn assert_holds_all(folder: &Path) {
    assert_eq!(files_in(folder), OBJECTS as usize);
    for number in 0..OBJECTS {
        let sent = small_instance(number, 4096);
        let file = std::fs::read(folder.join(format!("{}.dcm", sent.sop_instance_uid))).unwrap();
        assert!(data_set_of(&file) == data_set_of(&sent.bytes()), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_it_gives_objects_out_has_lost_none_and_gives_them_all_the_next_time() {
    let port = free_port();
    let mut server = server(port).await;
    let called = server.dicom().port();
    let folder = tempfile::tempdir().unwrap();
    // A second for each object: the kill comes in the middle, however late it comes.
    let slow = json!({ "manner": "slow", "pause": 1, "folder": folder.path() });
    for verb in ["move", "get"] {
        let destination = (verb == "move").then(|| Destination::start(port, slow.clone()));
        let mut job = study(verb);
        for name in ["manner", "pause", "folder"] {
            job[name] = slow[name].clone();
        }
        let asking = tokio::spawn(asked(called, job.clone()));
        let half = || async { (files_in(folder.path()) >= 5).then_some(()) };
        eventually(PATIENCE, "some objects have gone", half).await;
        server.kill();
        assert!(files_in(folder.path()) < OBJECTS as usize, "the kill came in the middle");
        let said = asking.await.unwrap();
        assert!(!said.contains("\"status\": \"0000\""), "{verb}: {said}");

        server.start_again(Limit::None).await;
        drop(destination);
        let quick = json!({ "folder": folder.path() });
        let destination = (verb == "move").then(|| Destination::start(port, quick));
        job["manner"] = "keep".into();
        let said = asked(called, job).await;
        assert!(said.contains("\"status\": \"0000\""), "{verb}: {said}");
        assert_holds_all(folder.path());
        drop(destination);
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

/// What `/metrics` says of a gauge; nothing while it was never used.
fn gauge(server: &ServerProcess, name: &str) -> Option<f64> {
    let (_, metrics) = http_get(server.http(), "/metrics")?;
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_is_gone_in_the_middle_leaves_no_association_behind() {
    let port = free_port();
    let mut server = server(port).await;
    let called = server.dicom().port();
    for verb in ["move", "get"] {
        let destination = Destination::start(port, json!({ "manner": "slow", "pause": 1 }));
        let mut job = study(verb);
        job["vanish_after"] = 3.into();

        let said = asked(called, job).await;

        assert_eq!(said, "", "{verb}: it is gone without a word");
        for name in ["yingku_dimse_associations", "yingku_dimse_scu_associations"] {
            if verb == "get" && name.contains("scu") {
                continue;
            }
            eventually(PATIENCE, &format!("{verb}: {name} is zero"), || async {
                gauge(&server, name).filter(|open| *open == 0.0)
            })
            .await;
        }
        let got = destination.end().await;
        assert_eq!(got["open"], 0, "{verb}: the destination was released");
        assert!(received(&got).len() < OBJECTS as usize, "{verb}: nothing new was begun");
    }
    // And whoever comes next is served.
    let said = asked(called, study("get")).await;
    assert!(said.contains("\"completed\": 40"), "{said}");
    assert!(server.terminate().await.success());
}
