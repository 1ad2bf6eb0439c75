//! Memory does not follow the size of an object, neither when it is stored nor when it is given: the server is a process of
//! its own, which no other test uses.

use bytes::Bytes;
use futures_util::stream;
use yingku::dicom::part10;

use super::world::{DICOM, STUDIES};
use crate::harness::ServerProcess;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

const KEY: &str = "synthetic-key-of-the-client";
/// Pixels of the large object, and what its bytes are sent in.
const LARGE: usize = 256 << 20;
const PIECE: usize = 1 << 20;
/// What either way may cost.
const MOST_GROWTH: u64 = 64 << 20;

struct World {
    server: ServerProcess,
    http: reqwest::Client,
    url: String,
}

impl World {
    /// A server that has stored and given a small object already.
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = format!(
            "\n[[client]]\nid = 'web'\nkey = '{KEY}'\ndicomweb = 'read_and_store'\norganizations = ['ORG-T01']\n"
        );
        let server = ServerProcess::start_with(&client).await;
        let url = format!("http://{}{STUDIES}", server.http());
        let world = Self { server, http: reqwest::Client::builder().no_proxy().build().unwrap(), url };
        world.store("2.25.1", PIECE).await;
        assert!(world.read("2.25.1", DICOM).await > PIECE as u64);
        world
    }

    /// Stores an object with so many bytes of pixels in one request; nobody ever has it whole.
    async fn store(&self, uid: &str, pixel_bytes: usize) {
        let mut set = DataSet::ct(uid);
        set.without(0x7FE0_0010);
        let front = [
            &b"--a-boundary\r\nContent-Type: application/dicom\r\n\r\n"[..],
            &part10::meta(CT_IMAGE, uid, EXPLICIT_LE, ""),
            &set.encode(),
            &[0xE0, 0x7F, 0x10, 0x00, b'O', b'W', 0, 0],
            &(pixel_bytes as u32).to_le_bytes(),
        ]
        .concat();
        let pixels = std::iter::repeat_n(Bytes::from(vec![0; PIECE]), pixel_bytes / PIECE);
        let whole = std::iter::once(Bytes::from(front)).chain(pixels);
        let whole = whole.chain([Bytes::from_static(b"\r\n--a-boundary--\r\n")]).map(Ok::<_, std::io::Error>);
        let kind = "multipart/related; type=\"application/dicom\"; boundary=\"a-boundary\"";
        let request = self.http.post(&self.url).bearer_auth(KEY).header("content-type", kind);
        let answer = request.body(reqwest::Body::wrap_stream(stream::iter(whole))).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{text}");
    }

    /// Reads an object and forgets it; gives how many bytes came.
    async fn read(&self, uid: &str, accept: &str) -> u64 {
        let path = format!("{}/2.25.1000/series/2.25.1000.1/instances/{uid}", self.url);
        let mut answer = self.http.get(path).bearer_auth(KEY).header("accept", accept).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut length = 0;
        while let Some(bytes) = answer.chunk().await.unwrap() {
            length += bytes.len() as u64;
        }
        length
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_is_stored_in_little_memory() {
    let mut world = World::start().await;
    let before = world.server.peak_memory();

    world.store("2.25.2", LARGE).await;

    let growth = world.server.peak_memory() - before;
    assert!(growth < MOST_GROWTH, "memory grew by {growth} bytes");
    assert_eq!(world.server.stored().await.count(), 2);
    assert!(world.server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_is_given_in_little_memory() {
    let mut world = World::start().await;
    world.store("2.25.2", LARGE).await;
    // From here on; what storing took is not counted.
    let before = world.server.peak_memory();

    for accept in [DICOM, "application/dicom", "application/zip"] {
        let length = world.read("2.25.2", accept).await;
        assert!((LARGE as u64..LARGE as u64 + 65_536).contains(&length), "{accept}: {length}");
    }

    let growth = world.server.peak_memory() - before;
    assert!(growth < MOST_GROWTH, "memory grew by {growth} bytes");
    assert!(world.server.terminate().await.success());
}
