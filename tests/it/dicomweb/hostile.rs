//! Requests that no honest peer makes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use yingku::web::dicomweb::DicomwebConfig;

use super::world::{DICOM, JSON, OWN, STUDIES, World, file, multipart};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestServer, small_instance};

const KIND: &str = "multipart/related; type=\"application/dicom\"; boundary=a-boundary";

async fn tight() -> World {
    let config = DicomwebConfig {
        max_store_bytes: 400_000,
        max_object_bytes: 100_000,
        max_store_parts: 3,
        max_part_head_bytes: 500,
        ..DicomwebConfig::default()
    };
    World::with(TestDatabase::sqlite(), config).await
}

async fn post(world: &World, kind: &str, body: Vec<u8>) -> u16 {
    world.ask(Method::POST, STUDIES, OWN, &[("content-type", kind)], body).await.status
}

#[tokio::test]
async fn bodies_that_are_not_what_they_say_store_nothing() {
    let world = tight().await;
    let good = multipart(&[small_instance(0, 64).bytes()]);
    let head = [b"--a-boundary\r\nX: ".as_slice(), &[b'x'; 5000], b"\r\n\r\n"].concat();
    for (kind, body, status) in [
        (KIND.replace("a-boundary", "another"), good.clone(), 400),
        (KIND.to_owned(), good[..good.len() - 20].to_vec(), 400),
        (KIND.to_owned(), head, 400),
        (KIND.to_owned(), vec![b'x'; 100_000], 400),
        (KIND.to_owned(), Vec::new(), 400),
        (KIND.to_owned(), b"--a-boundary--\r\n".to_vec(), 400),
    ] {
        assert_eq!(post(&world, &kind, body).await, status, "{kind}");
    }
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 0);
    assert_eq!(post(&world, KIND, good).await, 200, "the server goes on");
}

#[tokio::test]
async fn sizes_and_numbers_have_their_limits() {
    let world = tight().await;
    let large =
        world.store_as(OWN, STUDIES, &[small_instance(0, 150_000).bytes(), small_instance(1, 64).bytes()]).await;
    assert_eq!(large.status, 202);
    assert_eq!(large.json()["00081198"]["Value"][0]["00081197"]["Value"][0], 0xA700);
    assert_eq!(world.store_as(OWN, STUDIES, &[small_instance(2, 500_000).bytes()]).await.status, 413);
    let many: Vec<Vec<u8>> = (10..15).map(|number| small_instance(number, 64).bytes()).collect();
    let answer = world.store_as(OWN, STUDIES, &many).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["00081199"]["Value"].as_array().unwrap().len(), 3);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 4);
}

fn raw(world: &World, head: &str, body: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(world.address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let start = format!(
        "POST {STUDIES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OWN}\r\nContent-Type: {KIND}\r\n{head}\r\n"
    );
    connection.write_all(start.as_bytes()).unwrap();
    connection.write_all(body).unwrap();
    connection
}

fn status(mut connection: TcpStream) -> String {
    let mut answer = [0; 12];
    match connection.read_exact(&mut answer) {
        Ok(()) => String::from_utf8_lossy(&answer[9..]).into_owned(),
        Err(_) => String::new(),
    }
}

#[tokio::test]
async fn a_header_that_is_too_long_to_be_read_is_refused_and_others_are_read() {
    let config = DicomwebConfig { max_header_bytes: 4096, ..DicomwebConfig::default() };
    let world = World::with(TestDatabase::sqlite(), config).await;
    let mut long = DataSet::ct("2.25.1");
    long.bytes(0x0009_0010, "LO", b"SYNTHETIC").bytes(0x0009_1001, "UN", &[7; 5000]);
    let files = [("2.25.1", long), ("2.25.2", DataSet::ct("2.25.2"))];
    world.store(&files.map(|(uid, set)| file(CT_IMAGE, uid, EXPLICIT_LE, &set.encode()))).await;

    let instances = format!("{STUDIES}/2.25.1000/series/2.25.1000.1/instances");
    let metadata = async |uid: &str| world.get(&format!("{instances}/{uid}/metadata"), JSON).await.status;
    assert_eq!((metadata("2.25.1").await, metadata("2.25.2").await), (413, 200));
    let whole = world.get(&format!("{instances}/2.25.1"), DICOM).await;
    assert_eq!(whole.status, 200, "it is given all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_lies_and_a_part_that_does_not_end_store_nothing() {
    let body = multipart(&[small_instance(0, 64).bytes()]);
    // Nobody else is to be hurried: whoever sends a body on a loaded machine may pause as well.
    let hurried = DicomwebConfig { store_idle_timeout_ms: 1000, ..DicomwebConfig::default() };
    let hurried = World::with(TestDatabase::sqlite(), hurried).await;
    let silent = raw(&hurried, "Content-Length: 100000\r\n", &body[..200]);
    assert_eq!(tokio::task::spawn_blocking(move || status(silent)).await.unwrap(), "408");
    assert_eq!(hurried.count("SELECT COUNT(*) AS n FROM instance").await, 0);
    let world = tight().await;
    let broken = raw(&world, "Content-Length: 100000\r\n", &body[..200]);
    broken.shutdown(std::net::Shutdown::Write).unwrap();
    let said = tokio::task::spawn_blocking(move || status(broken)).await.unwrap();
    assert!(said.is_empty() || said == "400", "{said}");
    let endless = raw(&world, "Transfer-Encoding: chunked\r\n", b"");
    let said = tokio::task::spawn_blocking(move || {
        let mut connection = endless;
        let start = b"--a-boundary\r\nContent-Type: application/dicom\r\n\r\n";
        connection.write_all(format!("{:x}\r\n", start.len()).as_bytes()).unwrap();
        connection.write_all(start).unwrap();
        connection.write_all(b"\r\n").unwrap();
        // The server stops taking it; writing fails or an answer is there.
        for _ in 0..100 {
            if connection.write_all(format!("2000\r\n{}\r\n", "x".repeat(0x2000)).as_bytes()).is_err() {
                break;
            }
        }
        status(connection)
    });
    let said = said.await.unwrap();
    assert!(said.is_empty() || said == "413", "{said}");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 0);
    let good = world.store_as(OWN, STUDIES, &[small_instance(0, 64).bytes()]).await;
    assert_eq!(good.status, 200, "the server goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_lead_nowhere_else() {
    let world = World::start().await;
    world.store(&[small_instance(0, 64).bytes()]).await;
    let long = "1".repeat(65);
    for path in [
        "/dicom-web/studies/..%2f..%2fetc%2fpasswd",
        "/dicom-web/studies/2.25.7001'%20OR%20'1'='1",
        &format!("/dicom-web/studies/{long}"),
        "/dicom-web/studies/2.25.7001/series/..%5c",
        "/dicom-web/studies/2.25.7001/series/2.25.7001.1/instances/%00",
        "/dicom-web/studies?limit=-1",
        "/dicom-web/studies?limit=99999999999999999999999",
        "/dicom-web/studies?PatientNam=x",
    ] {
        let answer = world.get(path, "*/*").await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "application/problem+json"), "{path}");
    }
    // An honest client would resolve these itself.
    for path in ["..", "%2e%2e", "2.25.7001/series/..", "2.25.7001/series/2.25.7001.1/instances/../metadata"] {
        let mut connection = TcpStream::connect(world.address).unwrap();
        let head = format!("GET {STUDIES}/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OWN}\r\n\r\n");
        connection.write_all(head.as_bytes()).unwrap();
        let said = tokio::task::spawn_blocking(move || status(connection)).await.unwrap();
        assert_eq!(said, "400", "{path}");
    }
    let wide = world.get(&format!("{STUDIES}?limit=1000000000"), JSON).await;
    assert_eq!((wide.status, wide.json().as_array().unwrap().len()), (200, 1));
    let parameters = "a=b&".repeat(300);
    assert_eq!(world.get(&format!("{STUDIES}?{parameters}"), JSON).await.status, 400);
    for method in [Method::DELETE, Method::PUT, Method::OPTIONS] {
        let answer = world.ask(method.clone(), STUDIES, OWN, &[], Vec::new()).await;
        assert_eq!(answer.status, 405, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_does_not_read_keeps_nobody_out() {
    let server = TestServer::start_with(|config| {
        config.http.send_timeout_ms = 300;
        config.dicomweb.max_concurrent_retrieves = 1;
        let client = "id = 'web'\nkey = 'synthetic-key-of-the-client'\ndicomweb = 'read_and_store'\n\
                      organizations = ['ORG-T01']";
        config.client.push(toml::from_str(client).unwrap());
    })
    .await;
    let url = format!("http://{}{STUDIES}", server.http());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let key = "synthetic-key-of-the-client";
    let stored = http.post(&url).bearer_auth(key).header("content-type", "application/dicom");
    let stored = stored.body(small_instance(0, 32 << 20).bytes()).send().await.unwrap();
    assert_eq!(stored.status(), 200);

    let mut connection = TcpStream::connect(server.http()).unwrap();
    let head = format!("GET {STUDIES}/2.25.7001 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    // Its answer has begun: it has the only turn, and will not read on.
    let (connection, said) = tokio::task::spawn_blocking(move || {
        let said = status(connection.try_clone().unwrap());
        (connection, said)
    })
    .await
    .unwrap();
    assert_eq!(said, "200");

    let other = http.get(format!("{url}/2.25.7001/metadata")).bearer_auth(key).send().await.unwrap();
    assert_eq!(other.status(), 200);
    drop(connection);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_request_that_takes_too_long_as_a_whole_is_ended_and_those_that_wait_get_their_turn() {
    // Pauses may be long, so that only the whole time can end it.
    let config = DicomwebConfig {
        store_timeout_ms: 5000,
        store_idle_timeout_ms: 3_600_000,
        max_concurrent_stores: 1,
        ..DicomwebConfig::default()
    };
    let world = World::with(TestDatabase::sqlite(), config).await;
    let body = multipart(&[small_instance(0, 64).bytes()]);
    let mut slow = raw(&world, "Expect: 100-continue\r\nContent-Length: 100000\r\n", b"");
    // That it is asked for its body says that it has the only turn.
    let mut asked = [0; 12];
    slow.read_exact(&mut asked).unwrap();
    assert_eq!(&asked[9..], b"100");
    slow.read_exact(&mut [0; 13]).unwrap();
    slow.write_all(&body[..200]).unwrap();

    let other = [small_instance(1, 64).bytes()];
    let ended = tokio::task::spawn_blocking(move || status(slow));
    let (ended, other) = tokio::join!(ended, world.store_as(OWN, STUDIES, &other));

    assert_eq!((ended.unwrap().as_str(), other.status), ("408", 200));
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 1, "nothing of the slow one is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_requests_beyond_those_that_may_run_wait_for_their_turn() {
    let config = DicomwebConfig { max_concurrent_stores: 1, ..DicomwebConfig::default() };
    let world = World::with(TestDatabase::sqlite(), config).await;
    let mut first = raw(&world, "Expect: 100-continue\r\nContent-Length: 100000\r\n", b"");
    let mut asked = [0; 12];
    first.read_exact(&mut asked).unwrap();
    assert_eq!(&asked[9..], b"100", "it has the only turn");
    let mut second = raw(&world, "Expect: 100-continue\r\nContent-Length: 100000\r\n", b"");
    // Reading is never made to wait for it.
    assert_eq!(world.get(STUDIES, JSON).await.status, 204);
    second.set_nonblocking(true).unwrap();
    let not_yet = second.read(&mut asked).map_err(|error| error.kind());
    assert_eq!(not_yet, Err(std::io::ErrorKind::WouldBlock), "it is not asked for its body");

    drop(first);

    second.set_nonblocking(false).unwrap();
    let said = tokio::task::spawn_blocking(move || status(second)).await.unwrap();
    assert_eq!(said, "100", "now it is its turn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rendered_picture_is_no_larger_than_it_may_be() {
    let config = DicomwebConfig { max_rendered_edge: 40, ..DicomwebConfig::default() };
    let world = World::with(TestDatabase::sqlite(), config).await;
    // 16 columns and 64 rows.
    world.store(&[small_instance(0, 2048).bytes()]).await;
    let image = "/dicom-web/studies/2.25.7001/series/2.25.7001.1/instances/2.25.7001.1.1/rendered";
    for query in ["", "?viewport=4000,4000"] {
        let png = world.get(&format!("{image}{query}"), "image/png").await;
        assert_eq!(png.status, 200, "{query}");
        let edge = |at: usize| u32::from_be_bytes(png.body[at..at + 4].try_into().unwrap());
        assert_eq!((edge(16), edge(20)), (10, 40), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meta_information_that_comes_byte_by_byte_is_not_read_again_for_each() {
    let world = World::start().await;
    let mut object = yingku::dicom::part10::meta(CT_IMAGE, "2.25.1", EXPLICIT_LE, "TEST");
    object.extend([2, 0, 0, 0x10, b'U', b'I', 2, 0, b'1', 0].repeat(20_000));
    object.extend(DataSet::ct("2.25.1").encode());
    let body = multipart(&[object]);
    let chunks: Vec<u8> = body.iter().flat_map(|byte| [b'1', b'\r', b'\n', *byte, b'\r', b'\n']).collect();
    let connection = raw(&world, "Transfer-Encoding: chunked\r\n", &[&chunks[..], b"0\r\n\r\n"].concat());
    let said = tokio::task::spawn_blocking(move || status(connection)).await.unwrap();
    assert_eq!(said, "200");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM instance").await, 1);
}
