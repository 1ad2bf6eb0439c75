//! Opening signed links: what is accepted, what is refused, and what a refusal tells (D-T1 to D-T13).

use std::net::SocketAddr;

use yingku::domain::customer::TokenOptions;
use yingku::web::{HttpConfig, app};

use super::world::{Exam, NOW_S, World, customer, link, link_at};
use crate::harness::TestDatabase;

const ID: (&str, &str) = ("IDCardNO", "990101199001010019");

#[tokio::test]
async fn d_t8_a_link_opens_the_list_and_leaves_its_address_behind() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = World::with(database, customer(), Default::default()).await;
        world.exam(Exam::new(1)).await;

        let answer = world.get(&link("ClinicExamView", &[ID])).await;

        assert_eq!(answer.status, 302);
        let target = answer.header("location").to_owned();
        // Nothing but a random number is between them, in which any few digits may be.
        let session = target.strip_prefix("/t/").and_then(|rest| rest.strip_suffix("/exams")).expect(&target);
        assert!(session.len() == 32 && session.chars().all(|c| c.is_ascii_hexdigit()), "{target}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let list = world.get(&target).await;
        assert_eq!(list.status, 200);
        assert!(list.text().contains("胸部CT平扫") && list.text().contains("示例医院"));
        assert!(list.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(
            world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'open_page' AND outcome = 'ok'").await,
            1
        );
    }
}

#[tokio::test]
async fn only_the_hash_of_a_session_is_kept() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let target = world.open("ClinicExamView", &[ID]).await;
    let id = target.split('/').nth(2).unwrap().to_owned();
    let row = world.index.query_opt("SELECT id_hash, scope FROM page_session", vec![]).await.unwrap().unwrap();
    assert_ne!(row.text("id_hash").unwrap(), id);
    assert!(!row.text("scope").unwrap().contains(&id));
}

#[tokio::test]
async fn d_p4_pages_open_in_any_spelling_and_by_form() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let plain = link("ClinicExamView", &[ID]);
    for spelling in
        ["/idcas/interface/clinicexamview", "/IDCAS/Interface/ClinicExamView.aspx", "/IDCAS/Interface/ClinicExamView/"]
    {
        let path = plain.replace("/IDCAS/Interface/ClinicExamView", spelling);
        assert_eq!(world.get(&path).await.status, 302, "{spelling}");
    }
    let (path, form) = plain.split_once('?').unwrap();
    assert_eq!(world.post(path, form).await.status, 303);
}

#[tokio::test]
async fn d_t10_forged_expired_and_unknown_are_refused_in_the_same_words() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let good = link("ClinicExamView", &[ID]);
    let forged = good.replace("990101199001010019", "99010119900101002X");
    let unknown = good.replace("11111111", "99999999");
    let expired = link_at(NOW_S - 601, "ClinicExamView", &[ID]);
    let unsigned = "/IDCAS/Interface/ClinicExamList?UserID=his&UserPwd=123456&MedRecNO=MR0001";
    let mut answers = Vec::new();
    for path in [&forged, &unknown, &expired, unsigned] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 403, "{path}");
        let headers = answer.headers.iter().filter(|(name, _)| *name != "date" && *name != "x-request-id");
        answers.push((answer.text(), headers.map(|(n, v)| (n.clone(), v.clone())).collect::<Vec<_>>()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "a refusal must not tell why, neither in words nor in headers: {answers:?}");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE outcome = 'denied'").await, 4);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM page_session").await, 0);
}

#[tokio::test]
async fn d_t11_a_relabelled_link_has_the_wrong_shape() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let relabelled = link("ClinicExamView", &[("MedRecNO", "E0001")]).replace("MedRecNO", "IDCardNO");
    assert_eq!(world.get(&relabelled).await.status, 400);
}

#[tokio::test]
async fn d_t11_a_single_use_link_opens_once() {
    let token = TokenOptions { single_use: true, ..TokenOptions::default() };
    let world = World::for_customer(yingku::domain::customer::Customer { token, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    let path = link("ClinicExamView", &[ID]);
    assert_eq!(world.head(&path).await.status, 405, "who only looks does not use it up");
    assert_eq!(world.get(&path).await.status, 302);
    assert_eq!(world.get(&path).await.status, 403);
    let relabelled = path.replace("ClinicExamView", "ClinicExamList");
    assert_eq!(world.get(&relabelled).await.status, 403);
}

#[tokio::test]
async fn links_without_a_condition_or_with_a_name_twice_are_malformed() {
    let world = World::start().await;
    assert_eq!(world.get(&link("ClinicExamView", &[("ServiceSectID", "CT")])).await.status, 400);
    let twice = link("ClinicExamView", &[("MedRecNO", "1")]) + "&MedRecNO=2";
    assert_eq!(world.get(&twice).await.status, 400);
}

#[tokio::test]
async fn d_p17_one_hit_opens_the_exam_several_the_list_none_says_so() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    world.exam(Exam::new(2)).await;
    let one = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    assert!(one.ends_with(&Exam::new(1).uid()));
    let several = world.open("ClinicExam", &[("PatientID", "L0001")]).await;
    assert!(several.ends_with("/exams"));
    let none = world.get(&link("ClinicExam", &[("AccessionNumber", "A99999999")])).await;
    assert_eq!(none.status, 404);
    assert!(none.text().contains("A99****99") && !none.text().contains("A99999999"));
}

#[tokio::test]
async fn d_t8_sessions_end_without_use_and_at_last() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let target = world.open("ClinicExamView", &[ID]).await;
    let minute = 60_000;
    for used_at in [29, 58, 87] {
        world.clock.set(NOW_S * 1000 + used_at * minute);
        assert_eq!(world.get(&target).await.status, 200);
    }
    world.clock.set(NOW_S * 1000 + 118 * minute);
    assert_eq!(world.get(&target).await.status, 403);
    world.clock.set(NOW_S * 1000);
    let target = world.open("ClinicExamView", &[ID]).await;
    for used_at in (20..480).step_by(20) {
        world.clock.set(NOW_S * 1000 + used_at * minute);
        assert_eq!(world.get(&target).await.status, 200);
    }
    world.clock.set(NOW_S * 1000 + 480 * minute);
    assert_eq!(world.get(&target).await.status, 403);
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_a_problem_for_programs() {
    let world = World::start().await;
    let page = world.get("/nothing/here").await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    let problem = world.get_as_program("/nothing/here").await;
    assert_eq!((problem.status, problem.header("content-type")), (404, "application/problem+json"));
    assert_eq!(world.get(&format!("/IDCAS/Interface/ClinicExam?{}", "a".repeat(9000))).await.status, 414);
    assert_eq!(world.post("/t/x/exam/y", "").await.status, 405);
}

#[tokio::test]
async fn a_refused_method_has_its_page_under_the_configured_path() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = HttpConfig { public_url: "https://img.example.test/cloud".to_owned(), ..HttpConfig::default() };
    let service = app(&http, []).into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("http://{address}/static/pages.css")).header("accept", "text/html");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 405);
    assert!(answer.text().await.unwrap().contains("href=\"/cloud/static/"));
}

#[tokio::test]
async fn an_address_that_opens_too_many_links_has_to_wait() {
    let config = yingku::web::pages::PagesConfig { opens_per_minute_address: 2, ..Default::default() };
    let world = World::with(TestDatabase::sqlite(), customer(), config).await;
    let path = link("ClinicExamView", &[ID]);
    assert_eq!(world.get(&path).await.status, 302);
    assert_eq!(world.get(&path).await.status, 302);
    assert_eq!(world.get(&path).await.status, 429);
}

#[tokio::test]
async fn who_knows_a_customers_guid_uses_up_nothing_of_what_it_may_open() {
    let config = yingku::web::pages::PagesConfig { opens_per_minute_customer: 1, ..Default::default() };
    let world = World::with(TestDatabase::sqlite(), customer(), config).await;
    let path = link("ClinicExamView", &[ID]);
    let forged = path.replace("u01", "u02");
    assert_ne!(forged, path);
    for _ in 0..3 {
        assert_eq!(world.get(&forged).await.status, 403);
    }
    assert_eq!(world.get(&path).await.status, 302);
    assert_eq!(world.get(&path).await.status, 429);
}

#[tokio::test]
async fn a_customer_that_opens_too_many_links_has_to_wait_and_no_other() {
    let config = yingku::web::pages::PagesConfig { opens_per_minute_customer: 2, ..Default::default() };
    let world = World::with(TestDatabase::sqlite(), customer(), config).await;
    let path = link("ClinicExamView", &[ID]);
    for status in [302, 302, 429, 429] {
        assert_eq!(world.get(&path).await.status, status);
    }
    let in_capitals = path.replace("CustomerGuid", "USERUID");
    assert_eq!(world.get(&in_capitals).await.status, 429, "however the parameter is called");
    let other = path.replace("11111111", "99999999");
    for status in [403, 403, 403] {
        assert_eq!(world.get(&other).await.status, status, "one that nobody has is told nothing more");
    }
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM page_session").await, 2);
}
