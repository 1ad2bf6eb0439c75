//! How bytes leave: no more of them than the upstream's bandwidth allows, in PDUs as configured, seen on the wire.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use yingku::integrations::front::UpstreamConfig;

use super::{archive, files, forward_to, in_state, upstream};
use crate::archive::sender::send_all;
use crate::harness::TestServer;

const BYTES_PER_SECOND: u64 = 100_000;
const OBJECTS: u32 = 6;
const OBJECT_BYTES: usize = 60_000;

/// A wire to the upstream that notes how many bytes had gone towards it, and when.
struct Wire {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(Instant, u64)>>>,
}

impl Wire {
    async fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::<(Instant, u64)>::new()));
        let noted = seen.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(upstream).await.unwrap();
                let ((mut near_read, mut near_write), (mut far_read, mut far_write)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut far_read, &mut near_write).await });
                let noted = noted.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = near_read.read(&mut buffer).await {
                        {
                            let mut noted = noted.lock().unwrap();
                            let total = noted.last().map_or(0, |(_, total)| *total) + read as u64;
                            noted.push((Instant::now(), total));
                        }
                        if far_write.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                    let _ = far_write.shutdown().await;
                });
            }
        });
        Self { address, seen }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_sends_no_more_than_its_bandwidth() {
    let region = archive().await;
    let wire = Wire::to(region.dicom()).await;
    let front = TestServer::start_with(|config| {
        let upstream = UpstreamConfig { bytes_per_second: BYTES_PER_SECOND, ..upstream() };
        forward_to(config, wire.address, upstream);
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), 0..OBJECTS, OBJECT_BYTES);
    // Nothing can leave before; the wire may notice its first bytes late.
    let from = Instant::now();
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));

    in_state(&front.database(), "confirmed", OBJECTS.into()).await;

    let seen = wire.seen.lock().unwrap().clone();
    let total = seen.last().unwrap().1;
    assert!(total > u64::from(OBJECTS) * OBJECT_BYTES as u64, "everything went over this wire: {total}");
    // A second's bytes may have been saved up before the first; negotiation, commands and commitment are not counted.
    let protocol = 40_000;
    for (at, bytes) in &seen {
        let allowed = (at.duration_since(from).as_secs_f64() + 1.0) * BYTES_PER_SECOND as f64;
        assert!(*bytes as f64 <= allowed + protocol as f64, "{bytes} bytes after {:?}", at.duration_since(from));
    }
    front.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_pdu_that_is_configured_is_what_an_upstream_is_offered() {
    // An upstream that takes connections and answers nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let front = TestServer::start_with(|config| {
        config.dicom.max_pdu_length = 20_000;
        forward_to(config, address, upstream());
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    assert!(send_all(front.dicom(), &files(folder.path(), 0..1, 64)).iter().all(|answer| answer.is_acknowledged()));

    let request = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 6];
        stream.read_exact(&mut head).await.unwrap();
        let mut body = vec![0; u32::from_be_bytes(head[2..].try_into().unwrap()) as usize];
        stream.read_exact(&mut body).await.unwrap();
        body
    };
    let request = tokio::time::timeout(Duration::from_secs(120), request).await.expect("it calls the upstream");
    // The sub-item Maximum Length (PS3.8 section D.1).
    let at = request.windows(4).position(|item| item == [0x51, 0, 0, 4]).expect("it is there") + 4;
    assert_eq!(request[at..at + 4], 20_000_u32.to_be_bytes());
    front.stop().await;
}
