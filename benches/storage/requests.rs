//! How many requests each design makes of a bucket: the archive's own store, and a stand-in for S3 that counts them.
//!
//! The stand-in keeps everything in memory and answers only what is asked here: objects put whole or in parts, asked for,
//! and read in ranges. What requests cost is the price list's of whoever has the bucket.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt};
use yingku::objects::{Kind, Objects, ObjectsConfig};

/// Objects that are stored at the same time.
const AT_ONCE: usize = 16;

/// What has been asked.
#[derive(Debug, Clone, Copy, Default)]
struct Requests {
    puts: u64,
    parts: u64,
    posts: u64,
    heads: u64,
    gets: u64,
}

#[derive(Default)]
struct Bucket {
    requests: Requests,
    objects: HashMap<String, Bytes>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
}

type Shared = Arc<Mutex<Bucket>>;

/// Stores, ships and reads objects of both sizes with each design, and prints the requests.
pub fn count(folder: &Path) {
    // A second call finds the provider in place, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it has an address"));
        let bucket = Shared::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&bucket));
        tokio::spawn(async move { axum::serve(listener, router).await });
        println!("\n| object | count | in the bucket | PUT | parts | POST | HEAD | GET, each read once |");
        println!("|---|---|---|---|---|---|---|---|");
        for (name, size, count) in [("CT", super::CT, 500), ("small", super::SMALL, 20_000)] {
            for design in ["an object each", "segments, by a journal"] {
                let journal = design.starts_with("segments").then(|| folder.join("journal"));
                let config = ObjectsConfig {
                    url: "s3://bench/objects".to_owned(),
                    endpoint: endpoint.clone(),
                    access_key_id: "synthetic".to_owned(),
                    secret_access_key: "synthetic".to_owned(),
                    journal,
                    ..ObjectsConfig::default()
                };
                *lock(&bucket) = Bucket::default();
                let asked = store_and_read(&config, &bucket, size, count).await;
                let Requests { puts, parts, posts, heads, gets } = asked;
                println!("| {name} | {count} | {design} | {puts} | {parts} | {posts} | {heads} | {gets} |");
            }
        }
    });
}

async fn store_and_read(config: &ObjectsConfig, bucket: &Shared, size: usize, count: usize) -> Requests {
    let objects = Objects::open(config).expect("the store can be opened");
    let object = Bytes::from(vec![0x2A; size]);
    let stored = futures_util::stream::iter(0..count).map(|_| objects.put(Kind::Instance, object.clone()));
    let places: Vec<_> = stored.buffer_unordered(AT_ONCE).try_collect().await.expect("all are stored");
    objects.close().await;
    let shipped = objects.ship().await.expect("the bucket takes what is in the journal");
    assert_eq!(shipped.segments > 0, config.journal.is_some(), "segments come from a journal");
    let written = lock(bucket).requests;
    for place in &places {
        assert_eq!(objects.read(place).await.expect("it is there").len(), size);
    }
    // Only reading is to be seen in the last column.
    let gets = lock(bucket).requests.gets - written.gets;
    Requests { gets, ..written }
}

fn lock(bucket: &Shared) -> MutexGuard<'_, Bucket> {
    bucket.lock().expect("no request panicked")
}

async fn answer(State(bucket): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a request comes whole");
    let (key, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default());
    let mut bucket = lock(&bucket);
    match (head.method.as_str(), number_of_part(query)) {
        ("PUT", Some(number)) => {
            bucket.requests.parts += 1;
            bucket.uploads.entry(key).or_default().insert(number, body);
            tagged(StatusCode::OK, Bytes::new())
        }
        ("PUT", None) => {
            bucket.requests.puts += 1;
            bucket.objects.insert(key, body);
            tagged(StatusCode::OK, Bytes::new())
        }
        ("POST", _) if query.starts_with("uploads") => {
            bucket.requests.posts += 1;
            let text = "<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>";
            tagged(StatusCode::OK, Bytes::from_static(text.as_bytes()))
        }
        ("POST", _) => {
            bucket.requests.posts += 1;
            let parts: Vec<Bytes> = bucket.uploads.remove(&key).unwrap_or_default().into_values().collect();
            let whole: Vec<u8> = parts.concat();
            bucket.objects.insert(key, Bytes::from(whole));
            let text = "<CompleteMultipartUploadResult><ETag>one</ETag></CompleteMultipartUploadResult>";
            tagged(StatusCode::OK, Bytes::from_static(text.as_bytes()))
        }
        ("HEAD", _) => {
            bucket.requests.heads += 1;
            let found = bucket.objects.get(&key).cloned();
            found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |object| tagged(StatusCode::OK, object))
        }
        ("GET", _) => {
            bucket.requests.gets += 1;
            let Some(object) = bucket.objects.get(&key) else { return StatusCode::NOT_FOUND.into_response() };
            let range = head.headers.get(header::RANGE).and_then(|range| bounds(range.to_str().ok()?));
            let Some((first, last)) = range else { return tagged(StatusCode::OK, object.clone()) };
            let said = [(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", object.len()))];
            (said, tagged(StatusCode::PARTIAL_CONTENT, object.slice(first..=last))).into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn number_of_part(query: &str) -> Option<u32> {
    query.split('&').find_map(|pair| pair.strip_prefix("partNumber="))?.parse().ok()
}

/// First and last byte of a range.
fn bounds(range: &str) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// An answer with what a client of S3 insists on.
fn tagged(status: StatusCode, body: Bytes) -> Response {
    let said = [(header::ETAG, "\"one\""), (header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 +0000")];
    (status, said, body).into_response()
}
