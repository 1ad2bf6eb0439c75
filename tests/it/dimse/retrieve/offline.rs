//! Objects whose bytes only an upstream archive has (RD-8): told by queries, listed as failed by retrievals.

use super::*;

async fn purge(listener: &TestListener, sql: &'static str) {
    let purged = listener.index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await.map(|_| ()) }));
    purged.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_offline_fails_with_its_reason_and_its_uid_and_the_rest_is_sent() {
    let port = free_port();
    let listener = world(&[("ARCHIVE", port)]).await;
    let destination = Destination::start(port, json!({}));
    let keys = [("StudyInstanceUID", "2.25.1")];
    let one = "UPDATE instance SET object_key = '', offline_at = 1 WHERE sop_instance_uid = '2.25.1.1.2'";
    purge(&listener, one).await;
    for verb in ["get", "move"] {
        let answer = ask(&listener, asking(verb, "STUDY", &keys)).await;
        let last = &answer["last"];
        assert_eq!((&last["status"], &last["completed"], &last["failed"]), (&json!("B000"), &json!(3), &json!(1)));
        assert_eq!(answer["failed"], json!(["2.25.1.1.2"]), "{verb}");
        assert_eq!(last["comment"], "offline: kept by the upstream archive only", "{verb}");
    }

    purge(&listener, "UPDATE instance SET object_key = '', offline_at = 1").await;
    for verb in ["get", "move"] {
        let answer = ask(&listener, asking(verb, "STUDY", &keys)).await;
        let last = &answer["last"];
        assert_eq!((&last["status"], &last["completed"], &last["failed"]), (&json!("A702"), &json!(0), &json!(4)));
        assert_eq!(answer["failed"].as_array().unwrap().len(), 4, "{verb}");
        assert_eq!(answer["alive"], true, "{verb}");
    }
    assert_eq!(received(&destination.end().await).len(), 3);
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findscu_is_told_what_is_offline() {
    let listener = world(&[]).await;
    let series = "UPDATE instance SET object_key = '', offline_at = 1 WHERE sop_instance_uid LIKE '2.25.1.1.%'";
    purge(&listener, series).await;
    let port = listener.address.port().to_string();
    for (level, uid, expected) in [
        ("SERIES", "SeriesInstanceUID=2.25.1.1", "[OFFLINE ]"),
        ("SERIES", "SeriesInstanceUID=2.25.1.2", "[ONLINE]"),
        ("IMAGE", "SOPInstanceUID=2.25.1.1.1", "[OFFLINE ]"),
        ("IMAGE", "SOPInstanceUID=2.25.1.2.1", "[ONLINE]"),
    ] {
        let level = format!("QueryRetrieveLevel={level}");
        let mut arguments = vec!["-v", "-S", "-aet", "PACS01", "-aec", "YINGKU", "127.0.0.1", &port];
        arguments.extend(["-k", &level, "-k", "StudyInstanceUID=2.25.1", "-k", uid, "-k", "InstanceAvailability"]);
        if level.ends_with("IMAGE") {
            arguments.extend([
                "-k",
                if expected == "[ONLINE]" { "SeriesInstanceUID=2.25.1.2" } else { "SeriesInstanceUID=2.25.1.1" },
            ]);
        }

        let said = dcmtk("findscu", &arguments).await;

        let answer = said.lines().filter(|line| line.contains("(0008,0056)")).next_back().unwrap_or_default();
        assert!(answer.contains(expected), "{level} {uid}: {said}");
    }
    listener.stop().await;
}
