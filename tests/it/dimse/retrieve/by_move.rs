//! C-MOVE: levels, counts, audit, whose data, destinations.

use super::*;

const STUDY: [&str; 4] = ["2.25.1.1.1", "2.25.1.1.2", "2.25.1.2.1", "2.25.1.2.2"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn movescu_gets_a_study_sent_to_itself_byte_for_byte() {
    let port = free_port();
    let listener = world(&[("MOVESCU", port)]).await;
    let folder = tempfile::tempdir().unwrap();
    let (called, receive) = (listener.address.port().to_string(), port.to_string());
    let to = folder.path().to_str().unwrap();

    let keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1"];
    let arguments =
        ["-v", "-S", "-aet", "MOVESCU", "-aec", "YINGKU", "+P", &receive, "-od", to, "+B", "127.0.0.1", &called];
    let said = dcmtk("movescu", &[&arguments[..], &keys].concat()).await;

    assert!(said.contains("Received Final Move Response (Success)"), "{said}");
    println!("{said}");
    assert_holds(folder.path(), &STUDY);
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storescp_is_sent_what_each_level_names() {
    let port = free_port();
    let listener = world(&[("STORESCP", port)]).await;
    let called = listener.address.port().to_string();
    let table: [(&str, &[&str], &[&str]); 5] = [
        (
            "-P",
            &["QueryRetrieveLevel=PATIENT", "PatientID=L0001"],
            &[STUDY[0], STUDY[1], STUDY[2], STUDY[3], "2.25.2.1.1"],
        ),
        (
            "-S",
            &["QueryRetrieveLevel=STUDY", "StudyInstanceUID=2.25.1\\2.25.2"],
            &[STUDY[0], STUDY[1], STUDY[2], STUDY[3], "2.25.2.1.1"],
        ),
        ("-S", &["QueryRetrieveLevel=SERIES", "StudyInstanceUID=2.25.1", "SeriesInstanceUID=2.25.1.2"], &STUDY[2..]),
        ("-S", &["QueryRetrieveLevel=IMAGE", "SOPInstanceUID=2.25.1.1.2\\2.25.1.2.1"], &STUDY[1..3]),
        ("-P", &["QueryRetrieveLevel=IMAGE", "PatientID=OTHER", "SOPInstanceUID=2.25.1.1.2"], &[]),
    ];
    for (model, keys, expected) in table {
        let folder = tempfile::tempdir().unwrap();
        let mut receiver = Command::new(tool("storescp", Package::Debian("dcmtk")));
        receiver.args(["+B", "-od", folder.path().to_str().unwrap(), &port.to_string()]);
        let _receiver = Killed(receiver.spawn().unwrap());
        listening(port).await;
        let mut arguments =
            vec!["-v", model, "-aet", "PACS01", "-aec", "YINGKU", "-aem", "STORESCP", "127.0.0.1", &called];
        keys.iter().for_each(|key| arguments.extend(["-k", key]));

        let said = dcmtk("movescu", &arguments).await;

        assert!(said.contains("Received Final Move Response (Success)"), "{said}");
        assert_holds(folder.path(), expected);
    }
    // One record for each retrieval, empty ones as well.
    let audit = listener.rows("SELECT outcome, target, detail FROM audit WHERE action = 'retrieve' ORDER BY id").await;
    let outcomes: Vec<String> = audit.iter().map(|row| row.text("outcome").unwrap()).collect();
    assert_eq!(outcomes, ["ok", "ok", "ok", "ok", "nothing"]);
    let detail: Json = serde_json::from_str(&audit[1].text("detail").unwrap()).unwrap();
    assert_eq!((detail["instances"].as_i64(), detail["destination"].as_str()), (Some(5), Some("STORESCP")));
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pynetdicom_counts_what_was_sent_and_the_destination_hears_for_whom() {
    let port = free_port();
    let listener = world(&[("ARCHIVE", port)]).await;
    let destination = Destination::start(port, json!({}));

    let answer = ask(&listener, asking("move", "STUDY", &[("StudyInstanceUID", "2.25.1")])).await;

    let last = &answer["last"];
    assert_eq!(last["status"], "0000", "{answer}");
    assert_eq!(
        (last["completed"].as_i64(), last["failed"].as_i64(), last["warning"].as_i64()),
        (Some(4), Some(0), Some(0))
    );
    assert_eq!(answer["alive"], true);
    let got = destination.end().await;
    assert_eq!(received(&got), STUDY);
    for one in got["received"].as_array().unwrap() {
        assert_eq!(one["sha256"], sha256(&data_set(one["uid"].as_str().unwrap())));
        assert_eq!(one["originator"], "PACS01");
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_what_it_may_not_see_and_a_region_gets_what_it_may() {
    let port = free_port();
    let listener = world(&[("ARCHIVE", port)]).await;
    let destination = Destination::start(port, json!({}));
    let keys = [("StudyInstanceUID", "2.25.3")];

    let other = ask(&listener, asking("move", "STUDY", &keys)).await;
    assert_eq!((&other["last"]["status"], &other["last"]["completed"]), (&json!("0000"), &json!(0)));

    let mut job = asking("move", "STUDY", &keys);
    job["calling"] = "REGION".into();
    let region = ask(&listener, job).await;
    assert_eq!((&region["last"]["status"], &region["last"]["completed"]), (&json!("0000"), &json!(1)));
    assert_eq!(received(&destination.end().await), ["2.25.3.1.1"]);
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_begun_is_refused_in_the_words_of_the_standard() {
    let mut config = DicomConfig::default();
    config.retrieve.max_instances = 3;
    let listener = world_with(config, &[("ARCHIVE", free_port())]).await;
    let study = [("StudyInstanceUID", "2.25.1")];
    let mut unknown = asking("move", "STUDY", &study);
    unknown["destination"] = "NOBODY".into();
    let mut no_levels = asking("move", "STUDY", &study);
    no_levels["keys"] = json!([["StudyInstanceUID", "2.25.1"]]);
    for (job, expected) in [
        (unknown, "A801"),
        (asking("move", "STUDY", &study), "A701"),
        (no_levels, "A900"),
        (asking("move", "SERIES", &study), "A900"),
        (asking("move", "PATIENT", &[("PatientID", "L0001")]), "A900"),
    ] {
        let answer = ask(&listener, job.clone()).await;
        assert_eq!(answer["last"]["status"], expected, "{job} {answer}");
        assert_eq!(answer["alive"], true);
    }
    listener.stop().await;
}
