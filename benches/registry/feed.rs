//! The change feed: how fast a follower reads it by HTTP, and how fast positions are given and read without that.

use std::time::Instant;

use serde_json::Value;
use yingku::domain::sharing::Sharing;
use yingku::index::report_changes::{self, Aspect, Change, Subject};
use yingku::index::{DatabaseConfig, Error, Ids, Index};

use super::yingku_process::{KEY, Yingku};

/// Changes that are written, given positions and read without HTTP.
const CHANGES: i64 = 20_000;
const WRITERS: i64 = 8;
/// Entries and whole reports that a follower reads in a second, at least.
const AIM: f64 = 5000.0;

/// Reads the whole feed of a server, without the reports and with them.
pub async fn follow(engine: &str, server: &Yingku, http: &reqwest::Client, reports: u64) {
    for include in ["", "&include=report"] {
        let began = Instant::now();
        let (mut cursor, mut read, mut bytes) = (String::new(), 0, 0);
        loop {
            let url = format!("http://{}/api/v1/changes?limit=1000{include}&cursor={cursor}", server.http());
            let answer = http.get(url).bearer_auth(KEY).send().await.unwrap().bytes().await.unwrap();
            bytes += answer.len();
            let page: Value = serde_json::from_slice(&answer).unwrap();
            read += page["changes"].as_array().map_or(0, Vec::len) as u64;
            cursor = page["cursor"].as_str().unwrap().to_owned();
            if page["more"] == false {
                break;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        // One for each report, and more where a patient has become another person.
        assert!(read >= reports, "{read} entries of {reports} reports");
        let what = if include.is_empty() { "entries" } else { "whole reports" };
        let (pace, megabytes) = (read as f64 / seconds, bytes as f64 / 1e6);
        let verdict = if pace >= AIM { format!("≥ {AIM}") } else { format!("< {AIM} !") };
        println!(
            "{engine}: a follower reads {read} {what} by HTTP: {pace:.0}/s ({verdict}), {megabytes:.0} MB in {seconds:.1} s"
        );
    }
}

/// The feed's own three steps, one after the other: changes committed by eight writers, positions given, entries read.
pub async fn alone(engine: &str, database: &str) {
    let config = DatabaseConfig { url: database.to_owned(), ..DatabaseConfig::default() };
    let index = Index::open(&config).await.unwrap();
    let ids = Ids::lease(&index).await.unwrap();
    let began = Instant::now();
    let writers: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(write(index.clone(), ids.clone(), writer))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let written = began.elapsed();
    let began = Instant::now();
    while report_changes::sequence(&index, 500).await.unwrap() > 0 {}
    let sequenced = began.elapsed();
    let began = Instant::now();
    let (mut position, mut read) = (0, 0);
    loop {
        let entries = report_changes::after(&index, position, i64::MAX, None, 1000).await.unwrap();
        let Some(last) = entries.last() else { break };
        (position, read) = (last.position, read + entries.len());
    }
    let [written, sequenced, taken] =
        [written, sequenced, began.elapsed()].map(|time| CHANGES as f64 / time.as_secs_f64());
    println!(
        "{engine}: {read} changes without HTTP: {written:.0}/s committed, {sequenced:.0}/s given positions, {taken:.0}/s read"
    );
    index.close().await;
}

async fn write(index: Index, ids: Ids, writer: i64) {
    for n in 0..CHANGES / WRITERS {
        let ids = ids.clone();
        let change = Change {
            report_pk: writer * CHANGES + n,
            subject: Subject::Exam,
            aspect: Aspect::Report,
            org_code: "ORG-T01",
            sharing: Sharing::Everyone,
        };
        let write = index.write(move |tx| Box::pin(async move { report_changes::record(tx, &ids, n, change).await }));
        write.await.unwrap_or_else(|error: Error| panic!("{error}"));
    }
}
