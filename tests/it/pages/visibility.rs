//! Who may see what: scopes, organisations, unreviewed, VIP and withdrawn reports (D-P22 to D-P24, D-R18, D-R22).

use yingku::domain::customer::{Customer, VisibleScope};

use super::world::{Exam, World, customer, link};
use crate::harness::TestDatabase;

const ID: (&str, &str) = ("IDCardNO", "990101199001010019");

#[tokio::test]
async fn d_p22_a_session_cannot_leave_its_scope() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    world.exam(Exam { id_no: "990101198505050036", ..Exam::new(2) }).await;
    world.report_file(2, "image/jpeg", vec![0xFF, 0xD8, 0xFF], 1).await;
    let root = world.open("ClinicExamView", &[("AccessionNumber", "A0001")]).await.replace("/exams", "");
    let other = Exam::new(2).uid();
    assert_eq!(world.get(&format!("{root}/exam/{}", Exam::new(1).uid())).await.status, 200);
    for path in ["", "/frame/1/1.jpg", "/ecg/1.svg", "/report/page/1.png", "/report/original"] {
        assert_eq!(world.get(&format!("{root}/exam/{other}{path}")).await.status, 404, "{path}");
    }
    let list = world.search(&format!("{root}/exams"), "accession=A0002").await;
    assert!(list.text().contains("没有符合条件的检查"));
    assert_eq!(world.get(&format!("/t/{}/exams", "0".repeat(32))).await.status, 403);
}

async fn region(customer: Customer, database: TestDatabase) -> (World, String) {
    let world = World::with(database, customer, Default::default()).await;
    let other = |id| Exam { organization: "ORG-T02", ..Exam::new(id) };
    world.exam(Exam { reviewed: false, ..Exam::new(1) }).await;
    world.exam(Exam { vip: true, ..Exam::new(2) }).await;
    world.exam(Exam { withdrawn: true, ..Exam::new(3) }).await;
    world.exam(other(4)).await;
    world.exam(Exam { reviewed: false, ..other(5) }).await;
    world.exam(Exam { vip: true, ..other(6) }).await;
    let target = world.open("ClinicExamView", &[ID]).await;
    let text = world.get(&target).await.text();
    (world, text)
}

fn shown(text: &str) -> Vec<i64> {
    (1..=6).filter(|id| text.contains(&format!("A{id:04}"))).collect()
}

#[tokio::test]
async fn d_p24_reports_are_shown_as_their_state_and_the_customers_rights_allow() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let (_world, text) = region(Customer { scope: VisibleScope::Region, ..customer() }, database).await;
        assert_eq!(shown(&text), [1, 2, 4]);
        assert_eq!(text.matches("未审核").count(), 1);
    }
    let (_world, text) = region(customer(), TestDatabase::sqlite()).await;
    assert_eq!(shown(&text), [1, 2]);
    let vip = Customer { scope: VisibleScope::Region, vip: true, ..customer() };
    let (_world, text) = region(vip, TestDatabase::sqlite()).await;
    assert_eq!(shown(&text), [1, 2, 4, 6]);
    let unreviewed = yingku::domain::customer::Unreviewed::Hidden;
    let (_world, text) = region(Customer { unreviewed, ..customer() }, TestDatabase::sqlite()).await;
    assert_eq!(shown(&text), [2]);
}

#[tokio::test]
async fn d_p16_related_exams_are_everything_of_the_patients_found() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    world.exam(Exam { id_no: "", ..Exam::new(2) }).await;
    let target = world.open("RelatedExamList", &[("AccessionNumber", "A0001")]).await;
    assert_eq!(shown(&world.get(&target).await.text()), [1, 2]);
}

#[tokio::test]
async fn the_form_narrows_and_the_list_goes_on_where_it_ended() {
    let config = yingku::web::pages::PagesConfig { page_size: 2, ..Default::default() };
    let world = World::with(TestDatabase::sqlite(), customer(), config).await;
    for id in 1..=5 {
        world.exam(Exam::new(id)).await;
    }
    let target = world.open("ClinicExamView", &[ID]).await;
    let first = world.get(&target).await.text();
    assert_eq!(shown(&first), [4, 5]);
    let next = first.split("href=\"").find(|part| part.contains("after=")).unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert_eq!(shown(&world.get(&format!("{target}{next}")).await.text()), [2, 3]);
    assert_eq!(shown(&world.get(&format!("{target}?order=asc")).await.text()), [1, 2]);
    assert_eq!(shown(&world.search(&target, "from=2026-09-04&to=2026-09-04").await.text()), [3]);
    assert_eq!(shown(&world.search(&target, "accession=A0002").await.text()), [2]);
    assert_eq!(shown(&world.search(&target, "type=MR").await.text()), Vec::<i64>::new());
    assert!(world.search(&target, "from=yesterday").await.text().contains("格式不正确"));
}

#[tokio::test]
async fn what_is_searched_for_stays_with_the_session_and_out_of_addresses() {
    let config = yingku::web::pages::PagesConfig { page_size: 1, ..Default::default() };
    let name = "name=%E6%B5%8B%E8%AF%95%E4%B9%99";
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = World::with(database, customer(), config.clone()).await;
        for id in [1, 2, 3] {
            let text = (id > 1).then(|| "测试乙".to_owned());
            world.exam(Exam { text, ..Exam::new(id) }).await;
        }
        let target = world.open("ClinicExamView", &[ID]).await;
        let other = world.open("ClinicExamView", &[ID]).await;

        let answer = world.post(&format!("{target}?order=asc"), name).await;

        assert_eq!((answer.status, answer.header("location")), (303, format!("{target}?order=asc").as_str()));
        let list = world.get(answer.header("location")).await.text();
        assert_eq!(shown(&list), [2]);
        assert!(list.contains("value=\"测试乙\""), "the form is filled in");
        assert_eq!(shown(&world.get(&format!("{target}?order=asc{}", after(&list))).await.text()), [3]);
        for part in list.split("href=\"").chain(list.split("action=\"")).skip(1) {
            let address = part.split('"').next().unwrap();
            assert!(!address.contains("name=") && !address.contains("测试") && !address.contains("%E6"), "{address}");
        }
        assert!(!world.get(&other).await.text().contains("value=\"测试乙\""), "another session has its own search");
        assert_eq!(shown(&world.get(&format!("{other}?order=asc")).await.text()), [1]);

        let reset = world.post(&target, &format!("{name}&reset=1")).await;

        assert_eq!((reset.status, reset.header("location")), (303, target.as_str()));
        let list = world.get(&format!("{target}?order=asc")).await.text();
        assert_eq!(shown(&list), [1]);
        assert!(!list.contains("value=\"测试乙\""));
        assert_eq!(world.count("SELECT COUNT(*) AS n FROM page_session WHERE search <> ''").await, 0);
    }
}

/// Where the next part of a list begins.
fn after(list: &str) -> String {
    let next = list.split("href=\"").find(|part| part.contains("after=")).unwrap().split('"').next().unwrap();
    format!("&after={}", next.split("after=").nth(1).unwrap().replace("&#38;", "&").replace("&amp;", "&"))
}

#[tokio::test]
async fn each_search_is_recorded_with_name_and_number_hashed() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let list = world.open("ClinicExamView", &[ID]).await;
    world.search(&list, "name=%E6%B5%8B%E8%AF%95%E4%B9%99&from=2026-09-01&type=CT&accession=A0001").await;
    world.search(&list, "reset=1").await;
    let sql = "SELECT user_id, remote_addr, detail FROM audit WHERE action = 'search_exams' ORDER BY id";
    let rows = world.index.query(sql, vec![]).await.unwrap();
    let details: Vec<String> = rows.iter().map(|row| row.text("detail").unwrap()).collect();
    assert_eq!(details.len(), 2);
    assert!(details[0].contains("2026-09-01") && details[0].contains("CT"), "{details:?}");
    assert!(
        !details[0].contains("测试") && !details[0].contains("A0001") && details[0].len() > details[1].len() + 128,
        "{details:?}"
    );
    assert_eq!(
        (rows[0].text("user_id").unwrap(), rows[0].text("remote_addr").unwrap()),
        ("u01".into(), "127.0.0.1".into())
    );
}

#[tokio::test]
async fn a_search_that_no_form_sends_is_refused() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let target = world.open("ClinicExamView", &[ID]).await;
    let long = format!("name={}", "a".repeat(65));
    for form in [long.as_str(), "accession=%00", "name=a&name=b"] {
        assert_eq!(world.post(&target, form).await.status, 400, "{form}");
    }
    assert_eq!(shown(&world.get(&target).await.text()), [1]);
    let without_form = world.open("ClinicExamList", &[ID]).await;
    assert_eq!(world.post(&without_form, "accession=A0001").await.status, 404);
    assert_eq!(world.post(&format!("/t/{}/exams", "0".repeat(32)), "name=a").await.status, 403);
}

#[tokio::test]
async fn sites_of_the_customer_may_frame_the_pages() {
    let frame_ancestors = vec!["https://his.example.test".to_owned()];
    let world = World::for_customer(Customer { frame_ancestors, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    let target = world.open("ClinicExamView", &[ID]).await;
    let policy = world.get(&target).await.header("content-security-policy").to_owned();
    assert!(policy.ends_with("frame-ancestors https://his.example.test"), "{policy}");
    let refused = world.get(&link("ClinicExamView", &[ID]).replace("token=", "token=0")).await;
    // Our own words only, so that the user sees them in the frame (D-P21).
    assert!(refused.header("content-security-policy").ends_with("frame-ancestors *"));
}
