//! Orthanc and dcmqrscp as destinations of a C-MOVE, and Orthanc asking us: queries and retrievals by its REST interface.

use super::*;
use crate::harness::Orthanc;

const STUDY: [&str; 4] = ["2.25.1.1.1", "2.25.1.1.2", "2.25.1.2.1", "2.25.1.2.2"];

/// A world that has a peer at a port that is known before its listener's is.
async fn world_with_orthanc() -> (TestListener, Orthanc) {
    let ours = free_port();
    let orthanc = Orthanc::start("ORTHANC", ours).await;
    let config = DicomConfig { listen: ([127, 0, 0, 1], ours).into(), ..DicomConfig::default() };
    let listener = world_at(config, &[("ORTHANC", orthanc.dicom())]).await;
    (listener, orthanc)
}

async fn assert_has(orthanc: &Orthanc, uids: &[&str]) {
    assert_eq!(orthanc.count(), uids.len());
    for uid in uids {
        assert!(data_set_of(&orthanc.file(uid).await) == data_set(uid), "{uid}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_is_sent_a_study_by_c_move_byte_for_byte() {
    let (listener, orthanc) = world_with_orthanc().await;
    let mut job = asking("move", "STUDY", &[("StudyInstanceUID", "2.25.1")]);
    job["destination"] = "ORTHANC".into();

    let answer = ask(&listener, job).await;

    assert_eq!((&answer["last"]["status"], &answer["last"]["completed"]), (&json!("0000"), &json!(4)), "{answer}");
    assert_has(&orthanc, &STUDY).await;
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_finds_our_studies_and_retrieves_them_level_by_level() {
    let (listener, orthanc) = world_with_orthanc().await;
    for (level, key, value, expected) in [
        ("Instance", "SOPInstanceUID", "2.25.1.1.2", &STUDY[1..2]),
        ("Series", "SeriesInstanceUID", "2.25.1.1", &STUDY[..2]),
        ("Study", "StudyInstanceUID", "2.25.1", &STUDY[..]),
    ] {
        let mut keys = json!({ "StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.1.1" });
        keys[key] = value.into();
        if level == "Study" {
            keys = json!({ "StudyInstanceUID": value, "PatientID": "L0001" });
        } else if level == "Series" {
            keys = json!({ "StudyInstanceUID": "2.25.1", "SeriesInstanceUID": value });
        }
        let query = json!({ "Level": level, "Query": keys }).to_string();
        let query = orthanc.post("/modalities/yingku/query", query).await;
        let path = format!("/queries/{}/retrieve", query["ID"].as_str().unwrap());

        orthanc.post(&path, "ORTHANC").await;

        assert_has(&orthanc, expected).await;
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dcmqrscp_is_sent_a_study_by_c_move_and_gives_the_same_bytes_back() {
    let port = free_port();
    let listener = world(&[("QRSCP", port)]).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("db")).unwrap();
    let config = format!(
        "NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\n\
         VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nQRSCP {}/db RW (100, 100mb) ANY\nAETable END\n",
        folder.path().display()
    );
    std::fs::write(folder.path().join("qrscp.cfg"), config).unwrap();
    let mut command = Command::new(tool("dcmqrscp", Package::Debian("dcmtk")));
    command.arg("-c").arg(folder.path().join("qrscp.cfg")).current_dir(folder.path());
    let _archive = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    listening(port).await;
    let mut job = asking("move", "STUDY", &[("StudyInstanceUID", "2.25.1")]);
    job["destination"] = "QRSCP".into();

    let answer = ask(&listener, job).await;

    assert_eq!((&answer["last"]["status"], &answer["last"]["completed"]), (&json!("0000"), &json!(4)), "{answer}");
    let back = tempfile::tempdir().unwrap();
    let (to, port) = (back.path().to_str().unwrap(), port.to_string());
    let arguments = ["-v", "+xe", "+B", "-S", "-aet", "PACS01", "-aec", "QRSCP", "-od", to, "127.0.0.1", &port];
    let keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1"];
    dcmtk("getscu", &[&arguments[..], &keys].concat()).await;
    assert_holds(back.path(), &STUDY);
    listener.stop().await;
}
