//! Objects that are converted for a receiver wait beside the objects, within their limit.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use yingku::dicom::part10;

use super::world::{DICOM, STUDIES};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestServer, eventually};

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const KEY: &str = "synthetic-key-of-the-client";

/// A slice that says much with few bytes.
fn deflated(uid: &str, pixel_bytes: usize) -> Vec<u8> {
    let mut set = DataSet::ct(uid);
    set.bytes(0x7FE0_0010, "OW", &vec![0; pixel_bytes]);
    let mut encoder = DeflateEncoder::new(part10::meta(CT_IMAGE, uid, DEFLATED, ""), Compression::fast());
    encoder.write_all(&set.encode()).unwrap();
    let mut file = encoder.finish().unwrap();
    file.extend(std::iter::repeat_n(0, file.len() % 2));
    file
}

/// Files below a folder that this process has open and that have no name.
fn nameless_files(folder: &Path) -> Vec<PathBuf> {
    let links =
        std::fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    links.filter(|link| link.starts_with(folder) && link.to_string_lossy().ends_with(" (deleted)")).collect()
}

async fn given(own: Option<PathBuf>) {
    let server = TestServer::start_with(|config| {
        config.objects.spool = own.clone();
        config.dicomweb.send.converted_in_memory_bytes = 64 << 10;
        config.dicomweb.send.convert.max_result_bytes = 40 << 20;
        let client = format!("id = 'web'\nkey = '{KEY}'\ndicomweb = 'read_and_store'\norganizations = ['ORG-T01']");
        config.client.push(toml::from_str(&client).unwrap());
    })
    .await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{STUDIES}", server.http());
    for (uid, pixel_bytes) in [("2.25.1", 32 << 20), ("2.25.2", 64 << 20)] {
        let stored = http.post(&url).bearer_auth(KEY).header("content-type", "application/dicom");
        assert_eq!(stored.body(deflated(uid, pixel_bytes)).send().await.unwrap().status(), 200);
    }
    let get = async |uid: &str| {
        let path = format!("{url}/2.25.1000/series/2.25.1000.1/instances/{uid}");
        let accept = format!("{DICOM}; transfer-syntax={EXPLICIT_LE}");
        http.get(path).bearer_auth(KEY).header("accept", accept).send().await.unwrap()
    };
    let spool = own.unwrap_or_else(|| server.objects());

    // Its answer has begun, and is longer than what lies between server and client.
    let mut answer = get("2.25.1").await;
    assert_eq!(answer.status(), 200);
    let mut length = answer.chunk().await.unwrap().unwrap().len();
    assert_eq!(nameless_files(&spool).len(), 1);
    while let Some(bytes) = answer.chunk().await.unwrap() {
        length += bytes.len();
    }
    assert!(length > 32 << 20, "{length}");

    let bomb = get("2.25.2").await;
    assert!(!bomb.status().is_success(), "{}", bomb.status());
    let gone = || async { nameless_files(&spool).is_empty().then_some(()) };
    eventually(Duration::from_secs(120), "nothing is left of the conversions", gone).await;
    assert_eq!(get("2.25.1").await.status(), 200, "others are served");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_converted_object_waits_beside_the_objects_and_a_bomb_is_refused() {
    given(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_converted_object_waits_in_the_folder_that_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    given(Some(folder.path().join("spool"))).await;
}
