//! What becomes of files of all kinds.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::{appears, put, share};
use crate::harness::{TestServer, count_rows, data_set_of, eventually, small_instance, texts};

const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3];

async fn start(folder: &Path) -> TestServer {
    let shared = share(folder);
    TestServer::start_with(move |config| config.file_share.push(shared)).await
}

/// Why a file was put aside, when that is written to its end.
async fn reason(folder: &Path, relative: &str) -> String {
    let path = folder.join("failed").join(format!("{relative}.reason.txt"));
    let what = format!("{} is written", path.display());
    let whole = || async { std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n')) };
    eventually(Duration::from_secs(120), &what, whole).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dicom_is_found_by_content_under_any_name_and_kept_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let (one, two) = (small_instance(1, 64), small_instance(2, 64));
    let gbk = encoding_rs::GB18030.encode("测试/影像.jpg").0.into_owned();
    put(folder.path(), "deep/down/picture.jpg", &one.bytes());
    put(folder.path(), Path::new(std::ffi::OsStr::from_bytes(&gbk)), &two.bytes());
    // Without any head, as old devices write.
    let bare = small_instance(3, 64);
    put(folder.path(), "bare", &bare.data_set);

    appears(&folder.path().join("done/deep/down/picture.jpg")).await;
    appears(&folder.path().join("done").join(std::ffi::OsStr::from_bytes(&gbk))).await;
    appears(&folder.path().join("done/bare")).await;

    let stored = server.stored().await;
    assert_eq!(stored.count(), 3);
    for (file, written) in [(&one, one.bytes()), (&two, two.bytes())] {
        assert!(stored.data_set(&file.sop_instance_uid).as_deref() == Some(data_set_of(&written)));
    }
    assert!(stored.data_set(&bare.sop_instance_uid) == Some(bare.data_set));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_are_told_by_folder_or_sidecar() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let root = folder.path();
    put(root, "A0001/申请单/1.bin", JPEG);
    put(root, "A0001/capture.png", b"\x89PNG\r\n\x1a\n1");
    put(root, "film.mp4.json", br#"{"kind": "video", "AccessionNumber": "A0002", "title": "a film"}"#);
    put(root, "film.mp4", b"\0\0\0\x18ftypisom");
    let xml = "<attachment kind='consent'><accession_number>A0003</accession_number></attachment>";
    put(root, "paper.xml", &encoding_rs::GB18030.encode(xml).0);
    put(root, "paper.pdf", b"%PDF-1.4 x");
    put(root, "A0004/ecg.xml", b"<AnnotatedECG><a/></AnnotatedECG>");
    put(root, "A0005/vendor.dat.json", br#"{"kind": "pathology"}"#);
    put(root, "A0005/vendor.dat", b"\x01\x02 a vendor's own form");

    for name in [
        "A0001/申请单/1.bin",
        "A0001/capture.png",
        "film.mp4",
        "film.mp4.json",
        "paper.pdf",
        "paper.xml",
        "A0004/ecg.xml",
        "A0005/vendor.dat",
    ] {
        appears(&root.join("done").join(name)).await;
    }
    let sql =
        "SELECT accession_number || ' ' || kind || ' ' || media_type || ' ' || state AS t FROM attachment ORDER BY 1";
    let kept = texts(&server.database(), sql).await;
    assert_eq!(
        kept,
        [
            "A0001 capture image/png unlinked",
            "A0001 request_form image/jpeg unlinked",
            "A0002 video video/mp4 unlinked",
            "A0003 consent application/pdf unlinked",
            "A0004 ecg application/xml unlinked",
            "A0005 pathology application/octet-stream unlinked",
        ]
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_and_registrations_find_each_other_in_either_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    put(folder.path(), "A7001/before.jpg", JPEG);
    appears(&folder.path().join("done/A7001/before.jpg")).await;
    let linked = "SELECT COUNT(*) AS n FROM attachment a JOIN exam_attachment x ON x.attachment_pk = a.id \
                  WHERE a.state = 'linked'";
    assert_eq!(count_rows(&server.database(), linked).await, 0);

    let item = "<item org_code='ORG-T01' report_form_no='R7001' patient_id='P7001' event_type='1' event_no='E7001' \
                pacs_id='A7001' state='3'/>";
    let document = format!("<root><exammaster>{item}</exammaster></root>");
    let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).header("content-type", "text/xml").body(document).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    assert_eq!(count_rows(&server.database(), linked).await, 1, "registered after the file came");

    put(folder.path(), "A7001/after.jpg", &[JPEG, &[9]].concat());
    appears(&folder.path().join("done/A7001/after.jpg")).await;
    assert_eq!(count_rows(&server.database(), linked).await, 2, "the file came after the registration");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_is_put_aside_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let shared = share(root);
    let limit = 1_000_000;
    let server = TestServer::start_with(move |config| {
        config
            .file_share
            .push(yingku::integrations::file_share::FileShareConfig { max_attachment_bytes: limit, ..shared });
    })
    .await;
    put(root, "A1/program.exe", b"MZ\x90\0 not wanted");
    put(root, "nowhere.jpg", JPEG);
    put(root, "A1/hostile.jpg.json", "[".repeat(50_000).as_bytes());
    put(root, "A1/hostile.jpg", JPEG);
    put(root, "A1/stranger.jpg.json", br#"{"organization": "ORG-T02"}"#);
    put(root, "A1/stranger.jpg", JPEG);
    put(root, "A1/out.jpg.json", br#"{"study_instance_uid": "../../etc/passwd"}"#);
    put(root, "A1/out.jpg", JPEG);
    put(root, "A1/large.jpg", &[JPEG, &vec![0; limit as usize]].concat());
    let whole = small_instance(1, 64).bytes();
    put(root, "cut.dcm", &whole[..whole.len() - 10]);
    put(root, "empty.jpg", b"");
    put(root, "lonely.json", b"{}");

    for (name, word) in [
        ("A1/program.exe", "neither DICOM nor"),
        ("nowhere.jpg", "names no exam"),
        ("A1/hostile.jpg", "sidecar is no JSON"),
        ("A1/stranger.jpg", "another organisation"),
        ("A1/out.jpg", "Study Instance UID"),
        ("A1/large.jpg", "longer than"),
        ("cut.dcm", "pixel data ends"),
        ("empty.jpg", "empty"),
        ("lonely.json", "no file beside"),
    ] {
        let reason = reason(root, name).await;
        assert!(reason.contains(word), "{name}: {reason}");
    }
    assert_eq!(count_rows(&server.database(), "SELECT COUNT(*) AS n FROM attachment").await, 0);
    assert_eq!(server.stored().await.count(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_are_no_accession_numbers_where_that_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let shared = yingku::integrations::file_share::FileShareConfig { accession_folder: false, ..share(root) };
    let server = TestServer::start_with(move |config| config.file_share.push(shared)).await;
    put(root, "A0001/named.jpg.json", br#"{"kind": "consent", "AccessionNumber": "A0002"}"#);
    put(root, "A0001/named.jpg", JPEG);
    put(root, "A0001/scan.jpg", JPEG);
    appears(&root.join("done/A0001/named.jpg")).await;
    let reason = reason(root, "A0001/scan.jpg").await;
    assert!(reason.contains("names no exam"), "{reason}");
    let kept = texts(&server.database(), "SELECT accession_number || ' ' || kind AS t FROM attachment").await;
    assert_eq!(kept, ["A0002 consent"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_grows_is_taken_when_it_is_whole() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let shared = yingku::integrations::file_share::FileShareConfig { settle_seconds: 5, ..share(folder.path()) };
    let server = TestServer::start_with(move |config| config.file_share.push(shared)).await;
    let whole = small_instance(1, 200_000);
    let bytes = whole.bytes();
    let mut file = std::fs::File::create(folder.path().join("slow.dcm")).unwrap();
    // Longer than a file has to rest, in pauses that are far shorter.
    for piece in bytes.chunks(bytes.len() / 8 + 1) {
        file.write_all(piece).unwrap();
        let began = std::time::Instant::now();
        eventually(Duration::from_secs(120), "a while has passed", || async {
            (began.elapsed() > Duration::from_millis(800)).then_some(())
        })
        .await;
        assert!(!folder.path().join("done").exists() && !folder.path().join("failed").exists(), "taken too early");
    }
    drop(file);
    appears(&folder.path().join("done/slow.dcm")).await;
    let stored = server.stored().await;
    assert!(stored.data_set(&whole.sop_instance_uid).as_deref() == Some(data_set_of(&bytes)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_markers_what_is_marked_is_taken_and_what_is_not_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let marked = yingku::integrations::file_share::FileShareConfig {
        marker: ".ok".to_owned(),
        // Longer than the test: only a marker says that a file is whole.
        settle_seconds: 3600,
        max_pending: 2,
        remove_empty_after_hours: 1,
        ..share(root)
    };
    let picture = |number: u8| [JPEG, &[number]].concat();
    let unmarked: Vec<_> = (0..3).map(|n| put(root, format!("A0001/unmarked{n}.jpg"), &picture(n))).collect();
    let server = TestServer::start_with(move |config| config.file_share.push(marked)).await;

    // Marked by its name, two by their stem, and everything in a folder.
    for (name, number) in [("A0001/scan.jpg", 3), ("A0001/pair.jpg", 4), ("A0001/pair.jpeg", 5), ("A0002/one.jpg", 6)] {
        put(root, name, &picture(number));
    }
    let markers = ["A0001/scan.jpg.ok", "A0001/pair.ok", "A0002/.ok"].map(|name| put(root, name, b""));

    for name in ["A0001/scan.jpg", "A0001/pair.jpg", "A0001/pair.jpeg", "A0002/one.jpg"] {
        appears(&root.join("done").join(name)).await;
    }
    eventually(Duration::from_secs(120), "the markers of the files are gone", || async {
        markers[..2].iter().all(|marker| !marker.exists()).then_some(())
    })
    .await;
    assert!(unmarked.iter().all(|path| path.is_file()), "nobody has released them");
    assert!(markers[2].is_file(), "more may come into the folder");
    let kept = "SELECT COUNT(*) AS n FROM attachment";
    assert_eq!(count_rows(&server.database(), kept).await, 4);

    // A marker is all that is left in a folder, and has been for long.
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
    std::fs::File::open(root.join("A0002")).unwrap().set_modified(long_ago).unwrap();
    eventually(Duration::from_secs(120), "the folder goes with its marker", || async {
        (!root.join("A0002").exists()).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_not_followed_and_a_file_that_cannot_be_moved_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.dcm"), small_instance(9, 64).bytes()).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("way")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.dcm"), folder.path().join("link.dcm")).unwrap();
    // Where the folder for done files should be, there is a file.
    std::fs::write(folder.path().join("done"), "in the way").unwrap();
    let server = start(folder.path()).await;
    put(folder.path(), "one.dcm", &small_instance(1, 64).bytes());
    eventually(Duration::from_secs(120), "the file is stored", || async {
        (server.stored().await.count() == 1).then_some(())
    })
    .await;
    assert!(folder.path().join("one.dcm").is_file(), "it stays where it is");
    assert!(server.stored().await.data_set(&small_instance(9, 64).sop_instance_uid).is_none());
    assert!(outside.path().join("secret.dcm").is_file());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_longer_than_it_may_be_is_put_aside_and_what_lies_too_deep_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let narrow = yingku::integrations::file_share::FileShareConfig {
        max_dicom_bytes: 4000,
        max_sidecar_bytes: 60,
        max_depth: 2,
        ..share(root)
    };
    let server = TestServer::start_with(move |config| config.file_share.push(narrow)).await;
    let deep = put(root, "A0001/b/c/deep.jpg", JPEG);
    put(root, "large.dcm", &small_instance(1, 5000).bytes());
    put(root, "A0002/wordy.jpg.json", format!(r#"{{"kind": "capture", "title": "{}"}}"#, "x".repeat(60)).as_bytes());
    put(root, "A0002/wordy.jpg", JPEG);
    put(root, "small.dcm", &small_instance(2, 64).bytes());
    put(root, "A0003/brief.jpg.json", br#"{"kind": "consent"}"#);
    put(root, "A0003/brief.jpg", &[JPEG, &[9]].concat());

    for (name, word) in [("large.dcm", "longer than"), ("A0002/wordy.jpg", "sidecar is longer than 60 bytes")] {
        let reason = reason(root, name).await;
        assert!(reason.contains(word), "{name}: {reason}");
    }
    for name in ["small.dcm", "A0003/brief.jpg"] {
        appears(&root.join("done").join(name)).await;
    }
    let kept = texts(&server.database(), "SELECT accession_number || ' ' || kind AS t FROM attachment").await;
    assert_eq!((kept, server.stored().await.count()), (vec!["A0003 consent".to_owned()], 1));
    assert!(deep.is_file(), "nobody looked there");
    server.stop().await;
}
