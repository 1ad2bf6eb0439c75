//! Frames and bulk data: uncompressed and compressed, one and many.

use std::process::Command;

use yingku::domain::Actor;

use super::world::{JSON, STUDIES, World, encapsulated, file, rle_frame};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{Package, run, tool};

const RLE: &str = "1.2.840.10008.1.2.5";
const OCTETS: &str = "multipart/related; type=\"application/octet-stream\"";

fn multi_frame(uid: &str, frames: u16) -> DataSet {
    let mut set = DataSet::ct(uid);
    set.text(0x0028_0008, "IS", &frames.to_string())
        .bytes(0x0028_0002, "US", &1_u16.to_le_bytes())
        .text(0x0028_0004, "CS", "MONOCHROME2")
        .bytes(0x0028_0100, "US", &8_u16.to_le_bytes())
        .bytes(0x0028_0101, "US", &8_u16.to_le_bytes())
        .bytes(0x0028_0102, "US", &7_u16.to_le_bytes())
        .bytes(0x0028_0103, "US", &0_u16.to_le_bytes());
    set
}

fn at(uid: &str, rest: &str) -> String {
    format!("{STUDIES}/2.25.1000/series/2.25.1000.1/instances/{uid}{rest}")
}

async fn world() -> World {
    let world = World::start().await;
    let native = multi_frame("2.25.1", 3).bytes(0x7FE0_0010, "OB", &[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]).encode();
    let front = |uid: &str| multi_frame(uid, 3).without(0x7FE0_0010).encode();
    let frames: Vec<Vec<u8>> = (1..=3).map(|value| rle_frame(value, 4)).collect();
    let lengths: Vec<u32> = frames.iter().map(|frame| frame.len() as u32 + 8).collect();
    let table = [0, lengths[0], lengths[0] + lengths[1]].map(u32::to_le_bytes).concat();
    let wrong = [1_u32, 2, 3].map(u32::to_le_bytes).concat();
    let rle = |uid: &str, table: &[u8]| file(CT_IMAGE, uid, RLE, &[front(uid), encapsulated(table, &frames)].concat());
    let files = [
        file(CT_IMAGE, "2.25.1", EXPLICIT_LE, &native),
        rle("2.25.2", &table),
        rle("2.25.3", &[]),
        rle("2.25.4", &wrong),
    ];
    world.store(&files).await;
    world
}

#[tokio::test]
async fn uncompressed_frames_are_given_one_by_one() {
    let world = world().await;
    let two = world.get(&at("2.25.1", "/frames/3,1"), OCTETS).await;
    let parts = two.parts();
    assert_eq!(parts.iter().map(|(_, content)| content.clone()).collect::<Vec<_>>(), [[3; 4], [1; 4]]);
    assert!(parts[0].0.contains("Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"));
    assert!(parts[0].0.contains("/frames/3"), "{}", parts[0].0);
    let single = world.get(&at("2.25.1", "/frames/2"), "application/octet-stream").await;
    assert_eq!((single.status, single.body.to_vec()), (200, vec![2; 4]));
    assert_eq!(single.header("content-length"), "4");
    for (frames, status) in
        [("4", 404), ("0", 400), ("a", 400), ("1,,2", 400), ("99999999999", 400), ("1,4294967295", 404)]
    {
        let path = at("2.25.1", &format!("/frames/{frames}"));
        let answer = world.get(&path, "*/*").await;
        assert_eq!(answer.status, status, "{frames}");
    }
    assert_eq!(world.get(&at("2.25.1", "/frames/1"), "image/jpeg").await.status, 406);
}

#[tokio::test]
async fn a_content_that_takes_the_place_of_another_is_what_is_read_from_then_on() {
    let world = World::start().await;
    let native = multi_frame("2.25.1", 3).bytes(0x7FE0_0010, "OB", &[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]).encode();
    let frames: Vec<Vec<u8>> = (4..=6).map(|value| rle_frame(value, 4)).collect();
    let other = multi_frame("2.25.1", 3).text(0x0020_0013, "IS", "7").without(0x7FE0_0010).encode();
    let other = [other, encapsulated(&[], &frames)].concat();
    let read = async || {
        let metadata = world.get(&at("2.25.1", "/metadata"), JSON).await.json();
        let frame = world.get(&at("2.25.1", "/frames/2"), OCTETS).await.parts().remove(0).1;
        (metadata[0]["00200013"]["Value"][0].as_i64(), metadata[0]["00083002"]["Value"][0].clone(), frame)
    };
    world.store(&[file(CT_IMAGE, "2.25.1", EXPLICIT_LE, &native)]).await;
    assert_eq!(read().await, (Some(1), EXPLICIT_LE.into(), vec![2; 4]));
    world.store(&[file(CT_IMAGE, "2.25.1", RLE, &other)]).await;
    assert_eq!(read().await, (Some(1), EXPLICIT_LE.into(), vec![2; 4]), "the first one is the current one");

    let conflict = world.count("SELECT id AS n FROM conflict").await;
    let version = world.count("SELECT id AS n FROM instance_version").await;
    world.archive.accept_conflict(Actor::system("test"), conflict, Some(version)).await.unwrap();

    assert_eq!(read().await, (Some(7), RLE.into(), vec![5; 4]));
}

#[tokio::test]
async fn compressed_frames_are_found_by_a_good_table_without_one_and_in_spite_of_a_wrong_one() {
    let world = world().await;
    for uid in ["2.25.2", "2.25.3", "2.25.4"] {
        let stored = world.get(&at(uid, "/frames/1,2,3"), &format!("{OCTETS}; transfer-syntax=*")).await;
        let contents: Vec<Vec<u8>> = stored.parts().into_iter().map(|(_, content)| content).collect();
        assert_eq!(contents, [1, 2, 3].map(|value| rle_frame(value, 4)), "{uid}");
        assert!(stored.parts()[0].0.contains(&format!("Content-Type: image/dicom-rle; transfer-syntax={RLE}")));
        let decoded = world.get(&at(uid, "/frames/2"), OCTETS).await;
        assert_eq!(decoded.parts()[0].1, [2; 4], "{uid}");
        assert!(decoded.parts()[0].0.contains("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"));
        let single = world.get(&at(uid, "/frames/3"), "image/dicom-rle").await;
        assert_eq!(single.body, rle_frame(3, 4));
        assert_eq!(world.get(&at(uid, "/frames/4"), "*/*").await.status, 404);
    }
}

#[tokio::test]
async fn jpeg_of_twelve_bits_is_decoded_as_dcmtk_does() {
    let world = World::start().await;
    let (folder, edge) = (tempfile::tempdir().unwrap(), 61_u16);
    let wave = |at: usize| {
        let (x, y) = ((at % usize::from(edge)) as f64, (at / usize::from(edge)) as f64);
        (2048.0 + 1500.0 * (x / 9.0).sin() * (y / 14.0).cos() + 3.0 * ((at * 7919 % 101) as f64)) as u16
    };
    let pixels: Vec<u8> = (0..usize::from(edge) * usize::from(edge)).flat_map(|at| wave(at).to_le_bytes()).collect();
    let mut set = multi_frame("2.25.9", 1);
    for (tag, value) in [(0x0010, edge), (0x0011, edge), (0x0100, 16), (0x0101, 12), (0x0102, 11)] {
        set.bytes(0x0028_0000 | tag, "US", &value.to_le_bytes());
    }
    let plain = folder.path().join("plain.dcm");
    std::fs::write(&plain, file(CT_IMAGE, "2.25.9", EXPLICIT_LE, &set.bytes(0x7FE0_0010, "OW", &pixels).encode()))
        .unwrap();
    let (coded, decoded) = (folder.path().join("coded.dcm"), folder.path().join("decoded.dcm"));
    let dcmtk = |name: &str| Command::new(tool(name, Package::Debian("dcmtk")));
    run(dcmtk("dcmcjpeg").args(["+ee", "+q", "95", "+un"]).arg(&plain).arg(&coded));
    run(dcmtk("dcmdjpeg").arg(&coded).arg(&decoded));
    let coded = std::fs::read(coded).unwrap();
    let syntax = yingku::dicom::part10::read_meta(&coded).unwrap().transfer_syntax_uid;
    assert_eq!(syntax, "1.2.840.10008.1.2.4.51");
    world.store(&[coded]).await;

    let ours = world.get(&at("2.25.9", "/frames/1"), OCTETS).await.parts().remove(0).1;
    let theirs = std::fs::read(decoded).unwrap();
    let at_end = theirs.windows(8).rposition(|head| head[..4] == [0xE0, 0x7F, 0x10, 0x00]).unwrap() + 12;
    let theirs = &theirs[at_end..at_end + pixels.len()];
    let value = |bytes: &[u8], at: usize| i32::from(u16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]));
    let differences = (0..pixels.len() / 2).map(|at| (value(&ours, at) - value(theirs, at)).abs());
    assert_eq!(ours.len(), pixels.len());
    assert!(differences.max().unwrap() <= 2, "rounding only");
    let picture = world.get(&at("2.25.9", "/rendered"), "image/png").await;
    assert_eq!(picture.status, 200, "{}", picture.text());
    let object = world.get(&at("2.25.9", ""), &format!("application/dicom; transfer-syntax={EXPLICIT_LE}")).await;
    assert!(object.body.ends_with(&ours), "{}", object.status);
}

#[tokio::test]
async fn bulk_data_is_under_the_address_that_metadata_gives() {
    let world = world().await;
    for (uid, expected) in [
        ("2.25.1", vec![vec![1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]]),
        ("2.25.3", [1, 2, 3].map(|v| rle_frame(v, 4)).to_vec()),
    ] {
        let metadata = world.get(&at(uid, "/metadata"), "application/dicom+json").await.json();
        let url = metadata[0]["7FE00010"]["BulkDataURI"].as_str().unwrap().to_owned();
        let answer = world.get(&url, "multipart/related; type=\"*/*\"").await;
        let contents: Vec<Vec<u8>> = answer.parts().into_iter().map(|(_, content)| content).collect();
        assert_eq!(contents, expected, "{uid}");
    }
    let single = world.get(&at("2.25.1", "/bulkdata/7FE00010"), "*/*").await;
    assert_eq!(single.body.to_vec(), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    let range = [("accept", "application/octet-stream"), ("range", "bytes=4-8")];
    let url = at("2.25.1", "/bulkdata/7FE00010");
    let part = world.ask(reqwest::Method::GET, &url, super::world::OWN, &range, Vec::new()).await;
    assert_eq!((part.status, part.body.to_vec()), (206, vec![2, 2, 2, 2, 3]));
    assert_eq!(part.header("content-range"), "bytes 4-8/12");
    for path in ["7FE00011", "00100010/1", "..%2f..%2f7FE00010", "7FE00010/1/7FE00010"] {
        assert_eq!(world.get(&at("2.25.1", &format!("/bulkdata/{path}")), "*/*").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn more_frames_than_the_file_holds_are_not_counted_out_and_those_that_it_holds_are_given() {
    const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
    const LARGEST: &str = "SELECT MAX(number_of_frames) AS n FROM instance";
    let world = World::start().await;
    let native = |uid: &str, frames: &str| {
        let pixels = [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3];
        let mut set = multi_frame(uid, 1);
        let set = set.text(0x0028_0008, "IS", frames).bytes(0x7FE0_0010, "OB", &pixels);
        file(CT_IMAGE, uid, BIG_ENDIAN, &set.encode_big_endian())
    };
    let hostile = [("2.25.2", "4"), ("2.25.3", "4294967295"), ("2.25.4", "9223372036854775807")];
    world.store(&[native("2.25.1", "3")]).await;
    world.store(&hostile.map(|(uid, frames)| native(uid, frames))).await;
    assert_eq!(world.count(LARGEST).await, i64::from(i32::MAX), "what an IS can say");
    // As an earlier version of the program wrote it.
    let written = "UPDATE instance SET number_of_frames = 9223372036854775807 WHERE sop_instance_uid = '2.25.4'";
    world.execute(written, Vec::new()).await;

    let any = "multipart/related; type=\"*/*\"";
    let good = world.get(&at("2.25.1", "/bulkdata/7FE00010"), any).await;
    assert_eq!(good.parts().into_iter().map(|(_, content)| content).collect::<Vec<_>>(), [[1; 4], [2; 4], [3; 4]]);
    for (uid, _) in hostile {
        assert_eq!(world.get(&at(uid, "/bulkdata/7FE00010"), any).await.status, 406, "{uid}");
        let first = world.get(&at(uid, "/frames/1"), OCTETS).await;
        assert_eq!(first.parts()[0].1, [1; 4], "{uid}: what is there is given");
        assert_eq!(world.get(&at(uid, "/frames/2147483647"), OCTETS).await.status / 100, 4, "{uid}");
    }
}
