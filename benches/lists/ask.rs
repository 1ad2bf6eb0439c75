//! What browsers ask, and how long they wait.

use std::time::{Duration, Instant};

use yingku::domain::token::sign;

use super::people::{self, RECORDS_OF_ONE, REPORTS_OF_ONE};
use super::yingku_process::Yingku;

const GUID: &str = "22222222-2222-4333-8444-555555555555";
const SECRET: &str = "only-for-benches-7Qm2-lists";
const TARGET_MS: f64 = 50.0;
/// Asked before the times count: PostgreSQL plans a statement anew the first five times on each connection, and they take
/// turns.
const WARM_ROUNDS: u64 = 48;

/// What the form of the list is sent with, for a number.
type Form = fn(u64) -> Vec<(&'static str, String)>;
/// A page, and the key of its link for a number.
type Link = (&'static str, &'static str, &'static str, fn(u64) -> String);

/// The hospital's own customer, which may look at everything of its own and opens links faster than people do.
pub fn customer(hospital: &str) -> String {
    format!(
        "[pages]\nopens_per_minute_address = 1000000\nopens_per_minute_customer = 1000000\n\
         [[customer]]\nguid = \"{GUID}\"\nsecret = \"{SECRET}\"\norganization = \"{hospital}\"\nfree_search = true\n\
         [[organization]]\ncode = \"{hospital}\"\nname = \"示例医院\"\n"
    )
}

/// Asks each question in turn and prints its times.
pub async fn ask(server: &Yingku, reports: u64, rounds: u64) {
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let browser = Browser { http, root: format!("http://{}", server.http()) };
    let people = (reports / REPORTS_OF_ONE).max(1);
    println!("{:<28} {:>6} {:>9} {:>9} {:>9} {:>7}", "question", "lines", "p50 ms", "p99 ms", "most ms", "target");

    let links: [Link; 4] = [
        ("ClinicExamList, IDCardNO", "ClinicExamList", "IDCardNO", people::id_no),
        ("ClinicExamList, CardNO", "ClinicExamList", "CardNO", people::card_no),
        ("RelatedExamList, IDCardNO", "RelatedExamList", "IDCardNO", people::id_no),
        ("RelatedExamList, PatientID", "RelatedExamList", "PatientID", |n| people::patient_id(n, n % RECORDS_OF_ONE)),
    ];
    // Sessions without free search see the patient of their link only; the related list always does.
    for (name, page, key, value) in links {
        let mut times = Times::default();
        for round in 0..rounds + WARM_ROUNDS {
            let person = round * 7_919_317 % people;
            let link = browser.link(page, &[(key, &value(person))]);
            times.of(round, browser.open_and_list(&link)).await;
        }
        times.report(name);
    }

    let list = browser.list("ClinicExamView", &[("IDCardNO", &people::id_no(1))]).await;
    // Everything that there is: the form leaves the link's patient.
    browser.search(&list, &[("from", "1900-01-01".to_owned())]).await;
    let get = async |name: &str, query: &dyn Fn(u64) -> String| {
        let mut times = Times::default();
        for round in 0..rounds + WARM_ROUNDS {
            times.of(round, browser.get(&format!("{list}{}", query(round)))).await;
        }
        times.report(name);
    };
    get("everything, newest", &|_| String::new()).await;
    get("everything, oldest", &|_| "?order=asc".to_owned()).await;
    get("everything, a page far behind", &|n| format!("?after={}%2009%3A30%3A00&key=f", days_ago(30 + n % 600))).await;
    let mut times = Times::default();
    let mut next = list.clone();
    for round in 0..rounds + WARM_ROUNDS {
        let text = times.of(round, browser.get(&next)).await;
        next = following(&text).map_or_else(|| list.clone(), |query| format!("{list}{query}"));
    }
    times.report("everything, page after page");

    let forms: [(&str, Form); 12] = [
        ("form: CT", |_| vec![("type", "CT".to_owned())]),
        ("form: 检验", |_| vec![("type", "LAB".to_owned())]),
        ("form: a type that is not there", |_| vec![("type", "ES".to_owned())]),
        ("form: a group that is not there", |_| vec![("type", "NM".to_owned())]),
        ("form: a day", |n| vec![("from", days_ago(n % 700)), ("to", days_ago(n % 700))]),
        ("form: a month, CT", |n| {
            vec![("from", days_ago(n % 600 + 30)), ("to", days_ago(n % 600)), ("type", "CT".to_owned())]
        }),
        ("form: two years, MR", |_| vec![("from", days_ago(720)), ("to", days_ago(1)), ("type", "MR".to_owned())]),
        ("form: a name", |n| vec![("name", people::name(n * 31))]),
        ("form: critical", |_| vec![("critical", "1".to_owned())]),
        ("form: without a report", |_| vec![("state", "unreported".to_owned())]),
        ("form: a number", |n| vec![("accession", format!("A{}", n * 31))]),
        ("form: a number that is not there", |n| vec![("accession", format!("Z{n}"))]),
    ];
    for (name, fields) in forms {
        let mut times = Times::default();
        for round in 0..rounds + WARM_ROUNDS {
            times.of(round, browser.search(&list, &fields(round))).await;
        }
        times.report(name);
    }
    for (column, name) in
        [("", "time"), ("name", "name"), ("type", "type"), ("title", "title"), ("hospital", "hospital")]
    {
        browser.search(&list, &[("name", people::name(7))]).await;
        for order in ["asc", "desc"] {
            get(&format!("a name, by {name}, {order}"), &|_| format!("?by={column}&order={order}")).await;
        }
    }
}

#[derive(Default)]
struct Times {
    each: Vec<Duration>,
    lines: usize,
}

impl Times {
    /// Waits for an answer and keeps how long that took.
    async fn of(&mut self, round: u64, answer: impl Future<Output = String>) -> String {
        let began = Instant::now();
        let text = answer.await;
        if round >= WARM_ROUNDS {
            self.each.push(began.elapsed());
            self.lines += text.matches("class=\"time\"").count();
        }
        text
    }

    fn report(mut self, name: &str) {
        self.each.sort_unstable();
        let last = self.each.len() - 1;
        let at = |share: f64| self.each[((self.each.len() as f64 * share) as usize).min(last)].as_secs_f64() * 1000.0;
        let verdict = if at(0.99) <= TARGET_MS { "≤ 50" } else { "> 50 !" };
        let lines = self.lines as f64 / self.each.len() as f64;
        println!("{name:<28} {lines:>6.1} {:>9.2} {:>9.2} {:>9.2} {verdict:>7}", at(0.5), at(0.99), at(1.0));
    }
}

struct Browser {
    http: reqwest::Client,
    root: String,
}

impl Browser {
    fn link(&self, page: &str, keys: &[(&str, &str)]) -> String {
        let now = time::OffsetDateTime::now_utc().unix_timestamp().to_string();
        let mut all = vec![("UserUID", GUID), ("UserID", "u01")];
        all.extend_from_slice(keys);
        all.push(("Timestamp", &now));
        format!("/IDCAS/Interface/{page}?{}", sign(&all, SECRET))
    }

    async fn location(&self, path: &str) -> String {
        let answer = self.http.get(format!("{}{path}", self.root)).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_redirection(), "{path}: {status} {}", answer.text().await.unwrap());
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn list(&self, page: &str, keys: &[(&str, &str)]) -> String {
        self.location(&self.link(page, keys)).await
    }

    async fn open_and_list(&self, link: &str) -> String {
        self.get(&self.location(link).await).await
    }

    async fn get(&self, path: &str) -> String {
        let answer = self.http.get(format!("{}{path}", self.root)).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        text
    }

    async fn search(&self, list: &str, fields: &[(&str, String)]) -> String {
        let body =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        let request = self.http.post(format!("{}{list}", self.root));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert!(status.is_redirection(), "{list}: {status} {}", answer.text().await.unwrap());
        self.get(answer.headers()["location"].to_str().unwrap()).await
    }
}

/// Where 下一页 leads.
fn following(text: &str) -> Option<String> {
    let before = &text[..text.find("rel=\"next\"")?];
    let href = before.rsplit("href=\"").next()?.split('"').next()?;
    Some(href.replace("&#38;", "&"))
}

fn days_ago(days: u64) -> String {
    (time::OffsetDateTime::now_utc() - time::Duration::days(days as i64)).date().to_string()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
