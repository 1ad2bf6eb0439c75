//! What the server tells whom of itself, and how many connections each caller may have.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::harness::{TestServer, eventually, http_get};

/// Status and body, with a header of a proxy.
async fn asked(server: SocketAddr, path: &str, proxied: Option<(&str, &str)>) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.get(format!("http://{server}{path}"));
    if let Some((name, value)) = proxied {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_the_parts_of_readiness_are_for_the_networks_that_watch() {
    let server = TestServer::start_with(|config| {
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.http.watch_from = vec!["127.0.0.1/32".parse().unwrap(), "192.0.2.0/28".parse().unwrap()];
    })
    .await;
    let http = server.http();
    assert_eq!(asked(http, "/livez", None).await.0, 200, "a request to be counted");
    for (caller, is_told) in
        [("192.0.2.7", true), ("::ffff:192.0.2.7", true), ("192.0.2.77", false), ("2001:db8::1", false)]
    {
        let from = Some(("x-forwarded-for", caller));
        let (status, metrics) = asked(http, "/metrics", from).await;
        assert_eq!((status, metrics.contains("yingku_")), if is_told { (200, true) } else { (403, false) }, "{caller}");
        // A disk that takes more than two seconds for a probe is not ready.
        let body = eventually(Duration::from_secs(120), "it is ready", || async {
            Some(asked(http, "/readyz", from).await).filter(|(status, _)| *status == 200).map(|(_, body)| body)
        })
        .await;
        assert_eq!(body.contains("database"), is_told, "{caller}: {body}");
        assert!(is_told || body == r#"{"ready":true}"#, "{body}");
        assert_eq!(asked(http, "/livez", from).await, (200, "ok\n".to_owned()));
    }
    assert_eq!(asked(http, "/metrics", None).await.0, 200, "this machine itself");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_an_unknown_proxy_asks_for_is_told_no_metrics_although_the_proxy_is_on_this_machine() {
    let server = TestServer::start().await;
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
        assert_eq!(asked(server.http(), "/metrics", Some((header, "127.0.0.1"))).await.0, 403, "{header}");
    }
    assert_eq!(asked(server.http(), "/metrics", None).await.0, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_has_its_own_number_of_connections_and_a_trusted_proxy_as_many_as_there_are() {
    for proxies in [&[][..], &["127.0.0.1/32"]] {
        let server = TestServer::start_with(|config| {
            config.http.max_connections_per_address = 2;
            config.http.head_timeout_ms = 600_000;
            config.http.trusted_proxies = proxies.iter().map(|network: &&str| network.parse().unwrap()).collect();
        })
        .await;
        let address = server.http();
        let silent = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        let third = tokio::task::spawn_blocking(move || http_get(address, "/livez")).await.unwrap();
        if proxies.is_empty() {
            assert_eq!(third, None, "there are two of its address");
            let closed = tokio::task::spawn_blocking(move || {
                let mut fourth = TcpStream::connect(address).unwrap();
                fourth.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
                fourth.read(&mut [0]).unwrap()
            });
            assert_eq!(closed.await.unwrap(), 0, "it is closed at once");
        } else {
            assert_eq!(third.unwrap().0, 200);
        }
        drop(silent);
        eventually(Duration::from_secs(120), "whoever has left makes room", || async {
            let answered = tokio::task::spawn_blocking(move || http_get(address, "/livez")).await.unwrap();
            answered.filter(|(status, _)| *status == 200)
        })
        .await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_of_ipv6_guesses_as_often_as_one_address() {
    let server = TestServer::start_with(|config| {
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.pages.qr_attempts_per_hour_address = 2;
    })
    .await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (number, (caller, status)) in [
        ("2001:db8:0:1::1", 404),
        ("2001:db8:0:1:ffff::2", 404),
        ("2001:db8:0:1:aaaa::3", 429),
        ("2001:db8:0:2::1", 404),
        ("::ffff:192.0.2.7", 404),
        ("192.0.2.7", 404),
        ("192.0.2.7", 429),
    ]
    .into_iter()
    .enumerate()
    {
        // Each code is another one, because they have limits of their own.
        let url = format!("http://{}/q/{}{number}", server.http(), "a".repeat(25));
        let form = client.post(url).header("content-type", "application/x-www-form-urlencoded").body("factor=0019");
        let answer = form.header("x-forwarded-for", caller).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{caller}");
    }
    server.stop().await;
}
