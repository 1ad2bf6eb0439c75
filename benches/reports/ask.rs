//! The questions, by SOAP over HTTP.

use std::time::{Duration, Instant};

use super::number;
use super::people::{self, REPORTS_OF_ONE};
use super::times::Times;
use super::yingku_process::{KEY, Yingku};

const TARGET_MS: f64 = 10.0;

/// Who is asked for, and over which time.
struct Question {
    name: &'static str,
    id_no: fn(u64) -> String,
    card_no: fn(u64) -> String,
    /// Days before today; the archive's three months when there are none.
    days: Option<i64>,
}

const QUESTIONS: [Question; 4] = [
    Question { name: "identity, 3 months", id_no: people::id_no, card_no: nobody, days: None },
    Question { name: "identity, 2 years", id_no: people::id_no, card_no: nobody, days: Some(740) },
    Question { name: "card, 2 years", id_no: nobody, card_no: people::card_no, days: Some(740) },
    Question { name: "somebody unknown", id_no: stranger, card_no: nobody, days: Some(740) },
];

fn nobody(_: u64) -> String {
    String::new()
}

fn stranger(person: u64) -> String {
    people::id_no(person).replacen("99", "98", 1)
}

/// Asks each question of both kinds with one caller and with eight, then for the page of data quality.
pub async fn ask(server: &Yingku, reports: u64) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let rounds = number("YINGKU_BENCH_ROUNDS", 1000).max(1);
    let people = (reports / REPORTS_OF_ONE).max(1);
    println!(
        "{:<12} {:<20} {:>7} {:>8} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "operation", "question", "callers", "reports", "calls/s", "p50 ms", "p99 ms", "max ms", "aim"
    );
    for (operation, master) in [("GetExamInfo", "&lt;exammaster"), ("GetLabInfo", "&lt;labmaster")] {
        for question in &QUESTIONS {
            for callers in [1, 8] {
                let found = std::cell::Cell::new(0);
                let call = async |call: u64| {
                    // Far apart and the same in every run, and others for each line.
                    let person = (call * 7_919_317 + callers as u64 * 31) % people;
                    let answer = post(server, &http, operation, &soap(operation, question, person)).await;
                    assert!(answer.contains(&format!("{operation}Result")) && !answer.contains("E30"), "{answer}");
                    found.set(found.get() + answer.matches(master).count() as u64);
                };
                let times = Times::of(callers, rounds, call).await;
                let (median, high, most) = (times.ms(0.5), times.ms(0.99), times.ms(1.0));
                let verdict = if high <= TARGET_MS { "≤ 10" } else { "> 10 !" };
                println!(
                    "{operation:<12} {:<20} {callers:>7} {:>8.1} {:>9.0} {median:>9.2} {high:>9.2} {most:>9.2} {verdict:>7}",
                    question.name,
                    found.get() as f64 / times.calls() as f64,
                    times.pace(),
                );
            }
        }
    }
    for days in [31, 365] {
        let began = Instant::now();
        let url = format!("http://{}/ops/quality?format=json&from={}", server.http(), day(days));
        let request = http.get(&url).bearer_auth(KEY).timeout(Duration::from_secs(1800));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{url}: {}", answer.status());
        let bytes = answer.bytes().await.unwrap().len();
        println!("data quality of {days} days: {:.1} s, {bytes} bytes", began.elapsed().as_secs_f64());
    }
}

async fn post(server: &Yingku, http: &reqwest::Client, operation: &str, message: &str) -> String {
    let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
    let request = http.post(url).header("content-type", "text/xml; charset=utf-8");
    let request = request.header("soapaction", format!("\"http://tempuri.org/{operation}\""));
    request.body(message.to_owned()).send().await.unwrap().text().await.unwrap()
}

fn soap(operation: &str, question: &Question, person: u64) -> String {
    let from = question.days.map(day).unwrap_or_default();
    let to = question.days.map(|_| day(0)).unwrap_or_default();
    let (id_no, card_no) = ((question.id_no)(person), (question.card_no)(person));
    format!(
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
         <{operation} xmlns=\"http://tempuri.org/\"><strIDNO>{card_no}</strIDNO><strSSID>{id_no}</strSSID>\
         <strStartTime>{from}</strStartTime><strEndTime>{to}</strEndTime><strCredential>bench</strCredential>\
         <strKey>{KEY}</strKey></{operation}></soap:Body></soap:Envelope>"
    )
}

fn day(before: i64) -> String {
    (time::OffsetDateTime::now_utc() - time::Duration::days(before)).date().to_string()
}
