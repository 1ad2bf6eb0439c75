//! The front role against real upstreams: Yingku, DCMTK, Orthanc, a DICOMweb service (RD-4, RD-8, D-I18, D-I19).

mod bandwidth;
mod convert;
mod crashes;
mod orthanc;
mod purge;
mod reports;
mod tls;
mod web;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use yingku::config::Config;
use yingku::domain::AeTitle;
use yingku::index::DatabaseConfig;
use yingku::integrations::front::UpstreamConfig;

use crate::harness::{TestServer, count_rows, eventually, small_instance};

/// An upstream that is asked all the time.
pub fn upstream() -> UpstreamConfig {
    UpstreamConfig {
        name: "region".to_owned(),
        peer: "UPSTREAM".to_owned(),
        delay_ms: 0,
        confirm_delay_ms: 0,
        retry_ms: 200,
        max_retry_ms: 1000,
        poll_ms: 50,
        lease_ms: 1000,
        ..UpstreamConfig::default()
    }
}

/// The lines of a configuration that say the same.
fn section(upstream_port: u16, more: &str) -> String {
    format!(
        "\n[[peer]]\nae_title = 'UPSTREAM'\nhost = '127.0.0.1'\nport = {upstream_port}\norganization = 'ORG-T01'\n\
         [[upstream]]\nname = 'region'\npeer = 'UPSTREAM'\ndelay_ms = 0\nconfirm_delay_ms = 0\nretry_ms = 200\n\
         max_retry_ms = 1000\npoll_ms = 50\nlease_ms = 1000\n{more}\n"
    )
}

fn ae(title: &str) -> AeTitle {
    AeTitle::parse(title).unwrap()
}

/// Makes a server a front of the upstream at an address.
pub fn forward_to(config: &mut Config, address: SocketAddr, upstream: UpstreamConfig) {
    let mut peer = config.peer[0].clone();
    peer.ae_title = ae("UPSTREAM");
    peer.port = address.port();
    config.peer.push(peer);
    config.upstream.push(upstream);
}

/// An archive that takes what the front sends.
async fn archive() -> TestServer {
    TestServer::start_with(|config| {
        config.dicom.ae_title = ae("UPSTREAM");
        config.peer[0].ae_title = ae("YINGKU");
    })
    .await
}

/// Writes files of small instances.
fn files(folder: &std::path::Path, numbers: std::ops::Range<u32>, pixel_bytes: usize) -> Vec<PathBuf> {
    numbers
        .map(|number| {
            let path = folder.join(format!("{number}.dcm"));
            small_instance(number, pixel_bytes).write_to(&path);
            path
        })
        .collect()
}

/// Waits until so many rows of the queue are in a state.
pub async fn in_state(database: &DatabaseConfig, state: &'static str, count: i64) {
    let sql = match state {
        "waiting" => "SELECT COUNT(*) AS n FROM forward WHERE state = 0",
        "sent" => "SELECT COUNT(*) AS n FROM forward WHERE state = 1",
        "confirmed" => "SELECT COUNT(*) AS n FROM forward WHERE state = 2",
        "parked" => "SELECT COUNT(*) AS n FROM forward WHERE state = 3",
        _ => "SELECT COUNT(*) AS n FROM forward WHERE state = 4",
    };
    let what = format!("{count} instances are {state}");
    // A report of commitment that a full disk swallowed is waited for a minute before it is asked for again.
    eventually(Duration::from_secs(300), &what, || async { (count_rows(database, sql).await == count).then_some(()) })
        .await;
}
