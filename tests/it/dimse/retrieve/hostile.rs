//! Destinations that refuse, die, dawdle or are not there; callers that cancel, vanish or name paths.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_refuses_or_warns_is_counted() {
    let port = free_port();
    let listener = world(&[("ARCHIVE", port)]).await;
    for (manner, status, count) in [("refuse", "A702", "failed"), ("warn", "B000", "warning")] {
        let destination = Destination::start(port, json!({ "manner": manner }));
        let answer = ask(&listener, asking("move", "STUDY", &[("StudyInstanceUID", "2.25.1")])).await;
        assert_eq!((&answer["last"]["status"], &answer["last"][count]), (&json!(status), &json!(4)), "{answer}");
        assert_eq!(answer["failed"].as_array().unwrap().len(), if manner == "refuse" { 4 } else { 0 });
        drop(destination);
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_is_not_there_or_dies_leaves_a_list_of_what_is_missing() {
    let port = free_port();
    let listener = world(&[("ARCHIVE", port)]).await;
    let keys = [("StudyInstanceUID", "2.25.1")];

    let absent = ask(&listener, asking("move", "STUDY", &keys)).await;
    assert_eq!((&absent["last"]["status"], &absent["last"]["failed"]), (&json!("A702"), &json!(4)), "{absent}");
    assert_eq!(absent["last"]["comment"], "the destination cannot be reached");

    let _destination = Destination::start(port, json!({ "manner": "die", "after": 2 }));
    let died = ask(&listener, asking("move", "STUDY", &keys)).await;
    assert_eq!(died["last"]["status"], "B000", "{died}");
    assert_eq!((&died["last"]["completed"], &died["last"]["failed"]), (&json!(1), &json!(3)));
    assert_eq!(died["failed"].as_array().unwrap().len(), 3);
    assert_eq!(died["alive"], true, "the caller's own association goes on");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_a_slow_retrieval_and_says_what_remains() {
    let port = free_port();
    let mut config = DicomConfig::default();
    config.retrieve.pending_interval_ms = 50;
    let listener = world_with(config, &[("ARCHIVE", port)]).await;
    // So slow that the cancel of a slow caller comes in the middle.
    let slow = json!({ "manner": "slow", "pause": 3 });
    let destination = Destination::start(port, slow.clone());
    for verb in ["move", "get"] {
        let mut job = asking(verb, "STUDY", &[("StudyInstanceUID", "2.25.1")]);
        job["cancel_after"] = 1.into();
        (job["manner"], job["pause"]) = (slow["manner"].clone(), slow["pause"].clone());

        let answer = ask(&listener, job).await;

        let last = &answer["last"];
        assert_eq!(last["status"], "FE00", "{verb} {answer}");
        let count = |name: &str| last[name].as_i64().unwrap();
        assert!(count("remaining") > 0, "{verb} {answer}");
        assert_eq!(count("remaining") + count("completed"), 4, "{verb} {answer}");
        assert_eq!(answer["alive"], true);
    }
    drop(destination);
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_uids_match_nothing_and_paths_are_no_uids() {
    let listener = world(&[("ARCHIVE", free_port())]).await;
    for verb in ["move", "get"] {
        let unknown = ask(&listener, asking(verb, "STUDY", &[("StudyInstanceUID", "2.25.999")])).await;
        assert_eq!(
            (&unknown["last"]["status"], &unknown["last"]["completed"]),
            (&json!("0000"), &json!(0)),
            "{unknown}"
        );
        for hostile in ["../../../etc/passwd", "2.25.1/../2.25.2", "*", "2.25.1' OR '1'='1"] {
            let mut job = asking(verb, "STUDY", &[("hostile", hostile)]);
            job["syntax"] = IMPLICIT_LE.into();
            let answer = ask(&listener, job).await;
            assert_eq!(answer["last"]["status"], "A900", "{verb} {hostile} {answer}");
            assert_eq!((received(&answer).len(), &answer["alive"]), (0, &json!(true)));
        }
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_gone_fails_alone() {
    let listener = world(&[]).await;
    let sql = "UPDATE instance SET object_key = 'instance/none' WHERE sop_instance_uid = $1";
    let gone = "2.25.1.1.2";
    let broken = listener
        .index
        .write(move |tx| Box::pin(async move { tx.execute(sql, yingku::params![gone]).await.map(|_| ()) }));
    broken.await.unwrap();

    let answer = ask(&listener, asking("get", "STUDY", &[("StudyInstanceUID", "2.25.1")])).await;

    assert_eq!((&answer["last"]["status"], &answer["last"]["completed"]), (&json!("B000"), &json!(3)), "{answer}");
    assert_eq!(answer["failed"], json!([gone]));
    listener.stop().await;
}
