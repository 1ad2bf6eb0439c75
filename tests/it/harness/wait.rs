//! Waiting for outside effects, and the few words of HTTP that a harness needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Asks until there is an answer, at most until the deadline; then the test fails and says for `what` it waited.
pub async fn eventually<T, F, A>(deadline: Duration, what: &str, mut probe: F) -> T
where
    F: FnMut() -> A,
    A: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port of this machine that nobody listens on and that this process is given once.
///
/// It lies below those that the system gives to whoever asks for any and to outgoing connections (from 32768 on), so
/// that nobody takes it before its listener is there, nor while that listener is stopped.
pub fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Test processes that run beside each other begin at different places.
    let begin = std::process::id().wrapping_mul(997) % COUNT;
    for _ in 0..COUNT {
        let number = (begin + GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + number).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of this machine is free");
}

/// Asks by HTTP; gives status and body, or nothing when nobody answers.
pub fn http_get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    http(address, "GET", path)
}

/// One request without a body, one answer, on a connection of its own.
pub(super) fn http(address: SocketAddr, method: &str, path: &str) -> Option<(u16, String)> {
    let patience = Duration::from_secs(60);
    let mut connection = TcpStream::connect_timeout(&address, patience).ok()?;
    connection.set_read_timeout(Some(patience)).ok()?;
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}
