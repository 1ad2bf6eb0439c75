//! C-GET: over the association that asks, in the roles that it proposes.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn getscu_gets_a_study_byte_for_byte_and_every_level_works() {
    let listener = world(&[]).await;
    let port = listener.address.port().to_string();
    let table: [(&str, &[&str], &[&str]); 3] = [
        (
            "-S",
            &["QueryRetrieveLevel=STUDY", "StudyInstanceUID=2.25.1"],
            &["2.25.1.1.1", "2.25.1.1.2", "2.25.1.2.1", "2.25.1.2.2"],
        ),
        (
            "-P",
            &["QueryRetrieveLevel=SERIES", "PatientID=L0001", "SeriesInstanceUID=2.25.1.2"],
            &["2.25.1.2.1", "2.25.1.2.2"],
        ),
        ("-S", &["QueryRetrieveLevel=IMAGE", "SOPInstanceUID=2.25.2.1.1"], &["2.25.2.1.1"]),
    ];
    for (model, keys, expected) in table {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().to_str().unwrap();
        let mut arguments =
            vec!["-v", "+xe", "+B", model, "-aet", "PACS01", "-aec", "YINGKU", "-od", to, "127.0.0.1", &port];
        keys.iter().for_each(|key| arguments.extend(["-k", key]));

        let said = dcmtk("getscu", &arguments).await;

        assert!(said.contains("Status: Success") || said.contains("(Success)") || said.contains("0x0000"), "{said}");
        assert_holds(folder.path(), expected);
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pynetdicom_gets_in_its_role_and_nothing_without_it() {
    let listener = world(&[]).await;
    let keys = [("StudyInstanceUID", "2.25.1")];

    let answer = ask(&listener, asking("get", "STUDY", &keys)).await;
    assert_eq!((&answer["last"]["status"], &answer["last"]["completed"]), (&json!("0000"), &json!(4)), "{answer}");
    for one in answer["received"].as_array().unwrap() {
        assert_eq!(one["sha256"], sha256(&data_set(one["uid"].as_str().unwrap())));
    }

    let mut job = asking("get", "STUDY", &keys);
    job["roles"] = false.into();
    let answer = ask(&listener, job).await;
    assert_eq!((&answer["last"]["status"], &answer["last"]["failed"]), (&json!("A702"), &json!(4)), "{answer}");
    assert_eq!(answer["failed"].as_array().unwrap().len(), 4);
    assert_eq!((received(&answer).len(), &answer["alive"]), (0, &json!(true)));
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_refuses_objects_is_told_which() {
    let listener = world(&[]).await;
    let mut job = asking("get", "SERIES", &[("SeriesInstanceUID", "2.25.1.2")]);
    job["manner"] = "refuse".into();
    let answer = ask(&listener, job.clone()).await;
    assert_eq!(answer["last"]["status"], "A702", "{answer}");
    assert_eq!(answer["failed"], json!(["2.25.1.2.1", "2.25.1.2.2"]));
    job["manner"] = "warn".into();
    let answer = ask(&listener, job).await;
    assert_eq!((&answer["last"]["status"], &answer["last"]["warning"]), (&json!("B000"), &json!(2)), "{answer}");
    listener.stop().await;
}
