//! Shares on machines that do not answer any more: nobody else waits for them.

use std::process::Command;

use super::{appears, put};
use crate::harness::{Package, ServerProcess, count_rows, run, small_instance, tool};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_never_answers_holds_up_no_other_and_no_stop() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let library = root.join("silent_share.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/file_share/silent_share.c");
    let mut compile = Command::new(tool("cc", Package::Debian("gcc")));
    run(compile.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl"));
    let [dead, dying, live] = ["dead", "dying", "live"].map(|name| {
        let path = root.join(name);
        std::fs::create_dir(&path).unwrap();
        path
    });
    let section = |name: &str| {
        format!(
            "\n[[file_share]]\nname = '{name}'\npath = '{}'\norganization = 'ORG-T01'\nsettle_seconds = 0\n\
             poll_ms = 50\nlease_ms = 1000\n",
            root.join(name).display()
        )
    };
    let sections = ["dead", "dying", "live"].map(section).concat();
    put(&dead, "one.dcm", &small_instance(1, 64).bytes());
    put(&dying, "two.dcm", &small_instance(2, 64).bytes());
    let environment = [
        ("LD_PRELOAD", library.as_path()),
        ("YINGKU_TEST_DEAD", dead.as_path()),
        ("YINGKU_TEST_DYING", dying.as_path()),
    ];
    let mut server = ServerProcess::start_with_environment(&sections, &environment).await;
    // The first is never looked into; of the second a file is kept, and its move does not end.
    appears(&root.join("dead.met")).await;
    appears(&root.join("dying.met")).await;

    put(&live, "three.dcm", &small_instance(3, 64).bytes());
    appears(&live.join("done/three.dcm")).await;
    assert_eq!(count_rows(&server.database(), "SELECT COUNT(*) AS n FROM instance").await, 2);

    let ended = server.terminate().await;
    assert!(ended.success(), "{ended}\n{}", server.log());
}
