//! Requests that no form of ours makes are refused in the reader's language.

use yingku::domain::customer::{Customer, Permission};

use super::world::{Answer, Exam, World, customer, link};

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn whatever_is_refused_is_refused_by_a_page() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let list = world.open("ClinicExamView", &[("IDCardNO", "990101199001010019")]).await;
    let code = "/q/abcdefghijklmnopqrstuvwxy4";
    let long = format!("factor={}", "0".repeat(70_000));

    for (answer, status, title) in [
        (world.post(code, "factor=1&factor=2").await, 400, "请求有误"),
        (world.post_as(code, "text/plain", "factor=0019".to_owned()).await, 415, "请求格式不支持"),
        (world.post_as(code, FORM, long.clone()).await, 413, "提交内容过大"),
        (world.post(&list, "name=a&name=b").await, 400, "请求有误"),
        (world.post_as(&list, "application/json", "{}".to_owned()).await, 415, "请求格式不支持"),
        (world.post_as(&list, FORM, long.clone()).await, 413, "提交内容过大"),
        (world.post_as("/IDCAS/Interface/ClinicExam", FORM, long).await, 413, "提交内容过大"),
        (world.get(&format!("{list}?order=asc&order=desc")).await, 400, "请求有误"),
        (world.get("/q/%ff").await, 200, "报告"),
    ] {
        let text = answer.text();
        assert_eq!(answer.status, status, "{text}");
        assert!(text.contains("<html") && text.contains(title), "{title}: {text}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    }
}

/// What a browser gets whose user reads English.
async fn in_english(world: &World, method: reqwest::Method, path: &str, form: &'static str) -> Answer {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let request = client.request(method, format!("http://{}{path}", world.address));
    let request = request.header("accept", "text/html,*/*").header("accept-language", "en-GB,en;q=0.9");
    let response = request.header("content-type", FORM).body(form).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap() }
}

fn has_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{3000}'..='\u{9fff}').contains(&c) || ('\u{ff00}'..='\u{ffef}').contains(&c))
}

#[tokio::test]
async fn who_reads_english_is_refused_in_english() {
    let world = World::for_customer(Customer { download: Permission::Denied, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    let unknown = link("ClinicExam", &[("AccessionNumber", "A9999"), ("PatientID", "L9")]);
    let get = reqwest::Method::GET;
    for (method, path, form, status, said) in [
        (&get, "/nowhere".to_owned(), "", 404, "No such page"),
        (&get, format!("/t/{}/exams", "0".repeat(32)), "", 403, "Session ended"),
        (&get, exam.replace("/exam/", "/exam/0"), "", 404, "There is no such exam"),
        (&get, format!("{exam}/report/original"), "", 403, "Downloads are not enabled"),
        (&get, format!("{exam}/frame/1/1.jpg"), "", 404, "Not found"),
        (&get, link("ClinicExam", &[]), "", 400, "There is nothing to look for."),
        (&get, link("ClinicExam", &[("ObservationUID", "x")]), "", 400, "The parameter ObservationUID"),
        (&get, unknown, "", 404, "Patient no."),
        (&get, link("ClinicExam", &[("AccessionNumber", "A1")]).replace("A1", "A2"), "", 403, "Cannot be opened"),
        (&get, format!("{exam}?s=1&s=2"), "", 400, "Bad request"),
        (&reqwest::Method::PUT, exam.clone(), "", 405, "Method not supported"),
        (&reqwest::Method::POST, "/q/abcdefghijklmnopqrstuvwxy4".to_owned(), "factor=0019", 404, "Link not available"),
        (&reqwest::Method::POST, "/q/abcdefghijklmnopqrstuvwxy4".to_owned(), "factor=1&factor=2", 400, "Bad request"),
    ] {
        let answer = in_english(&world, method.clone(), &path, form).await;
        let text = answer.text();
        assert_eq!(answer.status, status, "{said}: {text}");
        assert!(text.contains("<html lang=\"en\">") && text.contains(said), "{said}: {text}");
        assert!(!has_chinese(&text), "{said}: {text}");
    }
    let problem = world.get_with("/nowhere", "accept-language", "en").await;
    assert_eq!(problem.header("content-type"), "application/problem+json");
    assert!(!has_chinese(&problem.text()) && problem.text().contains("No such page"));
}

#[tokio::test]
async fn a_refusal_follows_the_link_and_the_session_before_the_browser() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let of = async |path: &str| {
        let text = world.get(path).await.text();
        (text.contains("<html lang=\"en\">"), has_chinese(&text))
    };
    assert_eq!(of("/t/0/exams").await, (false, true), "a browser that says nothing reads Chinese");
    assert_eq!(of("/t/0/exams?lang=en").await, (true, false));
    assert_eq!(of(&link("ClinicExam", &[("AccessionNumber", "A9999"), ("lang", "en")])).await, (true, false));
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001"), ("lang", "en")]).await;
    assert_eq!(of(&exam.replace("/exam/", "/exam/0")).await, (true, false), "the session keeps it");
    let posted = link("ClinicExam", &[("AccessionNumber", "A9999"), ("lang", "en")]);
    let (path, form) = posted.split_once('?').unwrap();
    let answer = world.post(path, form).await;
    assert_eq!((answer.status, has_chinese(&answer.text())), (404, false), "{}", answer.text());
}
