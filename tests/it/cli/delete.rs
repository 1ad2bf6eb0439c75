//! `yingku delete` beside a running server, with real peers: what was deleted is nowhere any more.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::text;
use crate::archive::sender::send_all;
use crate::harness::{Limit, Package, ServerProcess, count_rows, eventually, run, small_instance, texts, tool};
use crate::pacs::register;

const STUDY: &str = "2.25.7001";
const WHY: &str = "wrong patient";
const CLIENT: &str = "\n[[client]]\nid = 'viewer'\nkey = 'synthetic-region-key-0003'\ndicomweb = 'read'\n\
                      organizations = ['ORG-T01']\n[compaction]\ngrace_minutes = 0\n";
const OBJECTS: &str = "SELECT COUNT(*) AS n FROM instance";

fn files(folder: &std::path::Path, numbers: std::ops::Range<u32>, pixel_bytes: usize) -> Vec<PathBuf> {
    numbers
        .map(|number| {
            let path = folder.join(format!("{number}.dcm"));
            small_instance(number, pixel_bytes).write_to(&path);
            path
        })
        .collect()
}

fn storescu(server: &ServerProcess, files: &[PathBuf]) {
    let mut command = Command::new(tool("storescu", Package::Debian("dcmtk")));
    command.args(["-aet", "PACS01", "-aec", "YINGKU", "-xe", "127.0.0.1", &server.dicom().port().to_string()]);
    run(command.args(files));
}

/// How many answers findscu has at the level of studies.
fn findscu(server: &ServerProcess) -> usize {
    let mut command = Command::new(tool("findscu", Package::Debian("dcmtk")));
    command.args(["-S", "-v", "-aet", "PACS01", "-aec", "YINGKU", "-k", "QueryRetrieveLevel=STUDY"]);
    command.args(["-k", &format!("StudyInstanceUID={STUDY}"), "127.0.0.1", &server.dicom().port().to_string()]);
    text(&run(&mut command)).matches("Find Response: ").count()
}

/// Status and body of a DICOMweb request.
async fn dicomweb(server: &ServerProcess, path: &str, accept: &str) -> (u16, String) {
    let url = format!("http://{}/dicom-web/{path}", server.http());
    let request = reqwest::Client::new().get(url).bearer_auth("synthetic-region-key-0003").header("accept", accept);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned())
}

/// The page of the exam A0001.
async fn page(server: &ServerProcess) -> String {
    let address = text(&server.command(&["sign-link", "AccessionNumber=A0001"]));
    let address = address.trim();
    let answer = reqwest::get(address).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{address}");
    answer.text().await.unwrap()
}

/// Bytes of all files in the object store.
fn stored_bytes(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| if e.path().is_dir() { stored_bytes(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_study_is_found_shown_and_sent_no_more_and_its_room_comes_back() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut server = ServerProcess::start_with(CLIENT).await;
    let folder = tempfile::tempdir().unwrap();
    let mut paths = files(folder.path(), 0..20, 64 * 1024);
    paths.extend(files(folder.path(), 20..21, 6 * 1024 * 1024));
    storescu(&server, &paths);
    register(server.http(), &[]).await;
    let before = page(&server).await;
    assert!(before.contains("tab=images"), "{before}");
    assert_eq!((findscu(&server), count_rows(&server.database(), OBJECTS).await), (1, 21));

    // Without --yes it only tells.
    let delete = ["delete", "study", STUDY, "--org", "ORG-T01", "--reason", WHY];
    let told = text(&run_command(&server, &delete));
    assert!(told.contains("21 instance(s) in 2 series") && told.contains("1 exam report(s)"), "{told}");
    assert!(told.contains("nothing was deleted"), "{told}");
    assert_eq!(count_rows(&server.database(), OBJECTS).await, 21);
    let elsewhere = server.command(&["delete", "study", STUDY, "--org", "ORG-T02", "--reason", WHY, "--yes"]);
    assert!(!elsewhere.status.success() && text(&elsewhere).contains("there is none"), "{}", text(&elsewhere));

    let yes = [&delete[..], &["--yes"]].concat();
    let done = text(&run_command(&server, &yes));

    assert!(done.contains("deleted: 21 instance(s)"), "{done}");
    assert_eq!(findscu(&server), 0);
    let json = "application/dicom+json";
    let (_, found) = dicomweb(&server, &format!("studies?StudyInstanceUID={STUDY}"), json).await;
    assert!(!found.contains(STUDY), "{found}");
    let (retrieved, _) =
        dicomweb(&server, &format!("studies/{STUDY}"), "multipart/related; type=\"application/dicom\"").await;
    assert_eq!(retrieved, 404);
    let after = page(&server).await;
    assert!(!after.contains("tab=images"), "{after}");
    let audited = "SELECT user_id || actor_kind || detail AS t FROM audit WHERE action = 'delete_images'";
    let audited = texts(&server.database(), audited).await.remove(0);
    assert!(audited.contains("operator") && audited.contains(WHY), "{audited}");
    let told = text(&run_command(&server, &yes));
    assert!(told.contains("was deleted at"), "{told}");

    // A replay after a kill does not bring it back; with the segments sealed, compaction frees the room.
    server.kill();
    server.start_again(Limit::None).await;
    assert_eq!((findscu(&server), count_rows(&server.database(), OBJECTS).await), (0, 0));
    assert!(server.terminate().await.success());
    for _ in 0..2 {
        run_command(&server, &["compact"]);
    }
    let left = stored_bytes(&server.folder().join("objects"));
    assert!(left < 200_000, "{left} bytes are left of 7 million");
    let verified = server.command(&["verify"]);
    assert!(verified.status.success() && text(&verified).contains("0 fault(s)"), "{}", text(&verified));
    assert!(text(&run_command(&server, &["reindex"])).contains("0 indexed"));

    // The same images are new ones.
    server.start_again(Limit::None).await;
    assert!(send_all(server.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    assert_eq!(findscu(&server), 1);
    assert!(page(&server).await.contains("tab=images"));
    let (retrieved, body) = dicomweb(&server, &format!("studies/{STUDY}/metadata"), json).await;
    assert_eq!((retrieved, body.matches("\"00080018\"").count()), (200, 21));
    assert!(server.terminate().await.success());
    assert!(server.command(&["verify"]).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_killed_before_it_removes_the_bytes_is_finished_by_the_next_start() {
    let mut server = ServerProcess::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Both have files of their own.
    assert!(send_all(server.dicom(), &files(folder.path(), 0..2, 6 * 1024 * 1024)).iter().all(|a| a.is_acknowledged()));
    assert!(server.terminate().await.success());
    let library = folder.path().join("kill_at_removal.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/front/kill_at_removal.c");
    let mut compile = Command::new(tool("cc", Package::Debian("gcc")));
    run(compile.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source));
    let mut command = Command::new(env!("CARGO_BIN_EXE_yingku"));
    command.args(["delete", "study", STUDY, "--org", "ORG-T01", "--reason", WHY, "--yes", "--config", "yingku.toml"]);

    let killed = command.env("LD_PRELOAD", &library).current_dir(server.folder()).output().unwrap();

    assert_eq!(killed.status.signal(), Some(9), "it came to the removal: {}", text(&killed));
    let noted = "SELECT COUNT(*) AS n FROM purged_object";
    assert_eq!((count_rows(&server.database(), OBJECTS).await, count_rows(&server.database(), noted).await), (0, 2));
    let objects = server.folder().join("objects/instance");
    assert!(stored_bytes(&objects) > 12_000_000, "the bytes are there");
    server.start_again(Limit::None).await;
    eventually(Duration::from_secs(120), "the bytes are gone and nothing is left to do", || async {
        (stored_bytes(&objects) == 0 && count_rows(&server.database(), noted).await == 0).then_some(())
    })
    .await;
    assert!(server.terminate().await.success());
    assert!(text(&run_command(&server, &["reindex"])).contains("0 indexed"));
}

fn run_command(server: &ServerProcess, arguments: &[&str]) -> std::process::Output {
    let output = server.command(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    output
}
