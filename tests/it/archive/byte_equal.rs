//! What real senders send is kept byte for byte: all kinds of files that pydicom is tested with, and our samples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::sender::{dicom_files, send_all};
use crate::harness::{Package, TestServer, data_set_of, eventually, free_port, python_script, tool};

/// The files shipped with pydicom, and those below `YINGKU_DICOM_SAMPLES` when it is set.
fn samples() -> Vec<PathBuf> {
    let shipped = python_script("import pydicom.data, os; print(os.path.dirname(pydicom.data.__file__))", &[]);
    let mut files = dicom_files(Path::new(shipped.trim()));
    assert!(files.len() > 70, "pydicom's test files are there: {}", files.len());
    if let Some(more) = std::env::var_os("YINGKU_DICOM_SAMPLES") {
        let more = dicom_files(Path::new(&more));
        assert!(!more.is_empty(), "YINGKU_DICOM_SAMPLES holds no DICOM file");
        files.extend(more);
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sample_file_comes_back_as_its_sender_read_it() {
    let server = TestServer::start().await;
    let files = samples();

    let to = server.dicom();
    let answers = tokio::task::spawn_blocking(move || send_all(to, &files)).await.unwrap();

    let stored = server.stored().await;
    let mut kept = 0;
    let mut faults = Vec::new();
    // Several sample files share a UID: the first one is the current one, the others are versions of it.
    let mut seen = BTreeMap::new();
    for answer in &answers {
        let name = answer.path.file_name().unwrap().to_string_lossy().into_owned();
        if !answer.is_acknowledged() {
            // Some samples are no composite objects at all, or lack the identifiers that every object must have.
            if !is_incomplete(&answer.path) {
                faults.push(format!("{name}: {}", answer.status));
            }
            continue;
        }
        if seen.insert(answer.sop_instance_uid.clone(), name.clone()).is_some() {
            continue;
        }
        let file = std::fs::read(&answer.path).unwrap();
        if stored.data_set(&answer.sop_instance_uid).as_deref() != Some(data_set_of(&file)) {
            faults.push(format!("{name}: the bytes differ"));
        }
        kept += 1;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(kept > 50, "most samples have a UID of their own: {kept}");
    assert_eq!(stored.count(), kept);
    server.stop().await;
}

/// Whether another library, too, finds that the file lacks what places an object: its identifiers.
fn is_incomplete(path: &Path) -> bool {
    let script = "import sys, pydicom\n\
                  d = pydicom.dcmread(sys.argv[1], force=True, stop_before_pixels=True)\n\
                  m = d.file_meta\n\
                  need = ['SOPClassUID', 'SOPInstanceUID', 'StudyInstanceUID', 'SeriesInstanceUID']\n\
                  whole = all(d.get(k) for k in need) and d.SOPInstanceUID == m.get('MediaStorageSOPInstanceUID') \
                  and d.SOPClassUID == m.get('MediaStorageSOPClassUID')\n\
                  print('whole' if whole else 'incomplete')";
    python_script(script, &[path.to_str().unwrap()]).trim() == "incomplete"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dcmtk_sends_is_kept_as_a_bit_preserving_receiver_keeps_it() {
    // storescu encodes anew before it sends, so a second receiver that writes what it gets is the measure.
    let storescu = tool("storescu", Package::Debian("dcmtk"));
    let storescp = tool("storescp", Package::Debian("dcmtk"));
    let reference = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut receiver = Command::new(storescp)
        .args(["+B", "--fork", "-od"])
        .arg(reference.path())
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = TestServer::start().await;
    eventually(Duration::from_secs(120), "storescp listens", || async move {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    })
    .await;

    // Each file on an association of its own, offered as it is encoded and in no other way.
    let (mut sent, mut both) = (0, 0);
    let mut seen = BTreeSet::new();
    for file in samples() {
        let bytes = std::fs::read(&file).unwrap();
        let (Some(proposal), Some(uid)) = (proposal(&bytes), meta_uid(&bytes, 3)) else { continue };
        // The second of two files with one UID is a version here, and the first is overwritten there.
        if !seen.insert(uid) {
            continue;
        }
        let send = |to: u16| {
            let mut command = Command::new(&storescu);
            command.args(["-R", proposal, "-aet", "PACS01", "-aec", "YINGKU", "127.0.0.1", &to.to_string()]);
            command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().unwrap().success()
        };
        let taken = send(port);
        sent += usize::from(taken);
        both += usize::from(taken && send(server.dicom().port()));
    }
    let _ = receiver.kill();
    let _ = receiver.wait();

    let stored = server.stored().await;
    let mut compared = 0;
    for file in dicom_files(reference.path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let uid = name.split_once('.').map_or("", |(_, uid)| uid);
        let Some(kept) = stored.file(uid) else { continue };
        let bytes = std::fs::read(&file).unwrap();
        // storescu also offers the uncompressed syntaxes, and the two receivers may choose differently among them.
        if meta_uid(&kept, 0x10) != meta_uid(&bytes, 0x10) {
            continue;
        }
        assert!(data_set_of(&kept) == data_set_of(&bytes), "{name}: the bytes differ");
        compared += 1;
    }
    assert!(sent > 40 && both >= sent - 8 && compared > 30, "sent {sent}, taken by both {both}, compared {compared}");
    server.stop().await;
}

/// The UID in (0002,00xx) of a file.
fn meta_uid(file: &[u8], element: u8) -> Option<String> {
    let head = &file[132..file.len().min(1024)];
    let at = head.windows(6).position(|window| window == [2, 0, element, 0, b'U', b'I'])?;
    let uid = head[at + 8..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
    Some(uid.map(|byte| char::from(*byte)).collect())
}

/// storescu's option that offers the transfer syntax in which the file is encoded.
fn proposal(file: &[u8]) -> Option<&'static str> {
    let uid = meta_uid(file, 0x10)?;
    Some(match uid.as_str() {
        "1.2.840.10008.1.2" => "-xi",
        "1.2.840.10008.1.2.1" => "-xe",
        "1.2.840.10008.1.2.1.99" => "-xd",
        "1.2.840.10008.1.2.2" => "-xb",
        "1.2.840.10008.1.2.4.50" => "-xy",
        "1.2.840.10008.1.2.4.51" => "-xx",
        "1.2.840.10008.1.2.4.70" => "-xs",
        "1.2.840.10008.1.2.4.80" => "-xt",
        "1.2.840.10008.1.2.4.81" => "-xu",
        "1.2.840.10008.1.2.4.90" => "-xv",
        "1.2.840.10008.1.2.4.91" => "-xw",
        "1.2.840.10008.1.2.5" => "-xr",
        _ => return None,
    })
}
