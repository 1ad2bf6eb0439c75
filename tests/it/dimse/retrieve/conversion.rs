//! Objects that a receiver cannot take as they are stored, held against what DCMTK makes of them.

use super::*;

const IMAGES: &str = include_str!("../images.py");
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Name, shape, DCMTK's encoder, its decoder, and how far samples may be apart.
type Case = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], u8);

const CASES: [Case; 13] = [
    ("rle-gray", "gray", &["dcmcrle"], &["dcmdrle"], 0),
    ("rle-frames", "frames", &["dcmcrle"], &["dcmdrle"], 0),
    ("rle-colors", "colors", &["dcmcrle"], &["dcmdrle"], 0),
    ("lossless-gray", "gray", &["dcmcjpeg", "+e1"], &["dcmdjpeg"], 0),
    ("lossless-twelve", "twelve", &["dcmcjpeg", "+el"], &["dcmdjpeg"], 0),
    ("lossless-color", "color", &["dcmcjpeg", "+e1"], &["dcmdjpeg"], 0),
    ("baseline-frames", "frames", &["dcmcjpeg", "+eb", "+q", "90", "+un"], &["dcmdjpeg"], 2),
    ("baseline-colors", "colors", &["dcmcjpeg", "+eb", "+q", "95", "+s4", "+un"], &["dcmdjpeg"], 4),
    ("jpegls-gray", "gray", &["dcmcjpls"], &["dcmdjpls"], 0),
    ("jpegls-color", "color", &["dcmcjpls"], &["dcmdjpls"], 0),
    ("deflated", "gray", &["dcmconv", "+td"], &["dcmconv", "+te"], 0),
    ("big-endian", "gray", &["dcmconv", "+tb"], &["dcmconv", "+te"], 0),
    ("implicit", "twelve", &["dcmconv", "+ti"], &["dcmconv", "+te"], 0),
];

/// Makes the images, compresses and stores them; references are beside them.
async fn stored_images(listener: &TestListener, folder: &Path) {
    let names: Vec<(&str, &str)> = CASES.iter().map(|(name, shape, ..)| (*name, *shape)).collect();
    let (at, names) = (folder.to_str().unwrap().to_owned(), json!(names).to_string());
    tokio::task::spawn_blocking(move || python_script(IMAGES, &["make", &at, &names])).await.unwrap();
    for (name, _, encoder, decoder, _) in CASES {
        let file = |kind: &str| folder.join(format!("{name}{kind}.dcm")).to_str().unwrap().to_owned();
        let (plain, stored, reference) = (file(""), file("-stored"), file("-reference"));
        dcmtk(encoder[0], &[&encoder[1..], &[plain.as_str(), &stored]].concat()).await;
        dcmtk(decoder[0], &[&decoder[1..], &[stored.as_str(), &reference]].concat()).await;
        let bytes = std::fs::read(&stored).unwrap();
        let meta = yingku::dicom::part10::read_meta(&bytes).unwrap();
        let proposals = [Proposal::storage(&meta.media_storage_sop_class_uid, &meta.transfer_syntax_uid)];
        let mut association = Association::connect(&listener.target(), &proposals).await.unwrap();
        assert!(association.store(&bytes).await.unwrap().status.is_done());
        association.release().await.unwrap();
    }
}

async fn assert_as_references(folder: &Path, sent: impl Fn(&str) -> String, syntax: &str) {
    let pairs: Vec<Json> = CASES
        .iter()
        .enumerate()
        .map(|(number, (name, .., tolerance))| {
            let reference = folder.join(format!("{name}-reference.dcm"));
            json!([sent(&format!("2.25.50.1.{}", number + 1)), reference, syntax, tolerance])
        })
        .collect();
    let pairs = json!(pairs).to_string();
    let said = tokio::task::spawn_blocking(move || python_script(IMAGES, &["compare", &pairs])).await.unwrap();
    let faults: Vec<String> = serde_json::from_str(&said).unwrap();
    assert!(faults.is_empty(), "{syntax}\n{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_encoding_becomes_what_the_receiver_takes_with_the_pixels_of_dcmtk() {
    let port = free_port();
    let listener = world(&[("STORESCP", port)]).await;
    let folder = tempfile::tempdir().unwrap();
    stored_images(&listener, folder.path()).await;
    for syntax in [EXPLICIT_LE, IMPLICIT_LE, BIG_ENDIAN, DEFLATED] {
        let to = tempfile::tempdir().unwrap();
        let mut job = asking("get", "STUDY", &[("StudyInstanceUID", "2.25.50")]);
        job["contexts"] = json!([[SECONDARY_CAPTURE, [syntax]]]);
        job["folder"] = to.path().to_str().into();

        let answer = ask(&listener, job).await;

        assert_eq!((&answer["last"]["status"], &answer["last"]["completed"]), (&json!("0000"), &json!(13)), "{answer}");
        let sent = |uid: &str| to.path().join(format!("{uid}.dcm")).to_str().unwrap().to_owned();
        assert_as_references(folder.path(), sent, syntax).await;
    }
    // and DCMTK as a destination that takes Implicit VR only
    let to = tempfile::tempdir().unwrap();
    let mut receiver = Command::new(tool("storescp", Package::Debian("dcmtk")));
    receiver.args(["+xi", "-od", to.path().to_str().unwrap(), &port.to_string()]);
    let _receiver = Killed(receiver.spawn().unwrap());
    listening(port).await;
    let called = listener.address.port().to_string();
    let arguments = ["-v", "-S", "-aet", "PACS01", "-aec", "YINGKU", "-aem", "STORESCP", "127.0.0.1", &called];
    let keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.50"];
    let said = dcmtk("movescu", &[&arguments[..], &keys].concat()).await;
    assert!(said.contains("Received Final Move Response (Success)"), "{said}");
    let files: Vec<_> = std::fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let sent = |uid: &str| {
        let of_uid = |file: &&std::path::PathBuf| {
            let name = file.file_name().unwrap().to_str().unwrap();
            name.split_once('.').is_some_and(|(_, rest)| rest == uid || rest == format!("{uid}.dcm"))
        };
        files.iter().find(of_uid).unwrap_or_else(|| panic!("{uid} in {files:?}")).to_str().unwrap().to_owned()
    };
    assert_as_references(folder.path(), sent, IMPLICIT_LE).await;
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_objects_go_as_they_are_to_who_takes_them() {
    let listener = world(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    stored_images(&listener, folder.path()).await;
    let mut contexts = vec![json!([SECONDARY_CAPTURE, [EXPLICIT_LE]])];
    let rle = "1.2.840.10008.1.2.5";
    contexts.push(json!([SECONDARY_CAPTURE, [rle]]));
    let mut job = asking("get", "IMAGE", &[("SOPInstanceUID", "2.25.50.1.1\\2.25.50.1.2\\2.25.50.1.4")]);
    job["contexts"] = json!(contexts);

    let answer = ask(&listener, job).await;

    assert_eq!(answer["last"]["status"], "0000", "{answer}");
    for one in answer["received"].as_array().unwrap() {
        let is_rle = one["uid"] != "2.25.50.1.4";
        assert_eq!(one["syntax"], if is_rle { rle } else { EXPLICIT_LE });
        let stored = listener.data_set(one["uid"].as_str().unwrap()).await.unwrap();
        assert_eq!(one["sha256"] == sha256(&stored), is_rle, "{one}");
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_converted_fails_alone_and_stays_as_it_is() {
    let listener = world(&[]).await;
    let lossless = "1.2.840.10008.1.2.4.70";
    let mut broken = DataSet::ct("2.25.1.1.9");
    broken.text(0x0020_000D, "UI", "2.25.1").text(0x0020_000E, "UI", "2.25.1.1").without(0x7FE0_0010);
    let mut bytes = broken.encode();
    bytes.extend_from_slice(&[0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    bytes.extend_from_slice(&[0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, 4, 0, 0, 0, 0xFF, 0xD8, 1, 2]);
    bytes.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    let proposals = [Proposal::storage(CT_IMAGE, lossless), Proposal::storage(CT_IMAGE, "1.2.840.10008.1.2.4.102")];
    let mut association = Association::connect(&listener.target(), &proposals).await.unwrap();
    for (uid, syntax) in [("2.25.1.1.9", lossless), ("2.25.1.1.8", "1.2.840.10008.1.2.4.102")] {
        let mut one = bytes.clone();
        let at = one.windows(10).position(|w| w == b"2.25.1.1.9").unwrap();
        one[at..at + 10].copy_from_slice(uid.as_bytes());
        let request = yingku::dimse::scu::StoreRequest {
            sop_class_uid: CT_IMAGE.to_owned(),
            sop_instance_uid: uid.to_owned(),
            transfer_syntax_uid: syntax.to_owned(),
        };
        assert!(association.store_stream(&request, one.as_slice()).await.unwrap().status.is_done());
    }
    association.release().await.unwrap();

    let answer = ask(&listener, asking("get", "SERIES", &[("SeriesInstanceUID", "2.25.1.1")])).await;

    assert_eq!((&answer["last"]["status"], &answer["last"]["completed"]), (&json!("B000"), &json!(2)), "{answer}");
    let mut failed: Vec<&str> = answer["failed"].as_array().unwrap().iter().map(|uid| uid.as_str().unwrap()).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["2.25.1.1.8", "2.25.1.1.9"]);
    assert_eq!(listener.data_set("2.25.1.1.9").await.unwrap(), bytes);
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_with_more_pixels_than_may_be_converted_fails_alone() {
    const RLE: &str = "1.2.840.10008.1.2.5";
    let mut set = DataSet::ct("2.25.1.1.9");
    set.text(0x0020_000D, "UI", "2.25.1").text(0x0020_000E, "UI", "2.25.1.1").text(0x0028_0004, "CS", "MONOCHROME2");
    for (tag, value) in [(2, 1_u16), (0x100, 16), (0x101, 16), (0x102, 15), (0x103, 0)] {
        set.bytes(0x0028_0000 | tag, "US", &value.to_le_bytes());
    }
    set.without(0x7FE0_0010);
    let mut bytes = set.encode();
    // Two segments of four bytes each, all of them literal (PS3.5 annex G).
    let head: Vec<u8> = [2_u32, 64, 70].iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut frame = head;
    frame.resize(64, 0);
    frame.extend_from_slice(&[3, 0, 0, 0, 0, 0, 3, 1, 2, 3, 4, 0]);
    bytes.extend_from_slice(&[0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    bytes.extend_from_slice(&[0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, frame.len() as u8, 0, 0, 0]);
    bytes.extend_from_slice(&frame);
    bytes.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    for (pixels, failed) in [(3, vec!["2.25.1.1.9"]), (4, Vec::new())] {
        let mut config = DicomConfig::default();
        config.retrieve.send.convert.max_frame_pixels = pixels;
        let listener = world_with(config, &[]).await;
        let mut association =
            Association::connect(&listener.target(), &[Proposal::storage(CT_IMAGE, RLE)]).await.unwrap();
        let request = yingku::dimse::scu::StoreRequest {
            sop_class_uid: CT_IMAGE.to_owned(),
            sop_instance_uid: "2.25.1.1.9".to_owned(),
            transfer_syntax_uid: RLE.to_owned(),
        };
        assert!(association.store_stream(&request, bytes.as_slice()).await.unwrap().status.is_done());
        association.release().await.unwrap();

        let answer = ask(&listener, asking("get", "SERIES", &[("SeriesInstanceUID", "2.25.1.1")])).await;

        let told: Vec<&str> = answer["failed"].as_array().unwrap().iter().map(|uid| uid.as_str().unwrap()).collect();
        assert_eq!(told, failed, "{pixels} pixels: {answer}");
        assert_eq!(received(&answer).len(), 3 - failed.len(), "the others come: {answer}");
        listener.stop().await;
    }
}
