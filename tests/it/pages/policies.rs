//! What the configuration of a customer and of the pages decides about links.

use yingku::domain::customer::{Customer, Secret, TokenOptions, TokenOrder, VisibleScope};
use yingku::domain::search_rules::{ExamTypeGroup, SearchRules};
use yingku::domain::token::sign;
use yingku::web::pages::PagesConfig;

use super::world::{Exam, GUID, NOW_S, SECRET, World, customer, link, link_at, uid};
use crate::harness::TestDatabase;

const ACCESSION: (&str, &str) = ("AccessionNumber", "A0001");
const ID: (&str, &str) = ("IDCardNO", "990101199001010019");
const NAME: (&str, &str) = ("Name", "测试甲");

/// The address of a page whose values are signed in the order in which they stand.
fn address(page: &str, values: &[(&str, &str)], secret: &str) -> String {
    format!("/IDCAS/Interface/{page}?{}", sign(values, secret))
}

async fn world_of(customer: Customer) -> World {
    let world = World::for_customer(customer).await;
    world.exam(Exam::new(1)).await;
    world
}

async fn world_with(token: TokenOptions) -> World {
    world_of(Customer { token, ..customer() }).await
}

async fn status(world: &World, address: &str) -> u16 {
    world.get(address).await.status
}

/// What a link leads to.
async fn shown(world: &World, address: &str) -> String {
    let answer = world.get(address).await;
    match answer.status {
        302 => world.get(answer.header("location")).await.text(),
        _ => answer.text(),
    }
}

#[tokio::test]
async fn d_t2_values_are_signed_in_the_order_that_is_configured() {
    let at = NOW_S.to_string();
    let table = [("CustomerGuid", GUID), ("UserID", "u01"), ACCESSION, ("Timestamp", at.as_str())];
    let mut other = table;
    other.reverse();
    let by_address = address("ClinicExamView", &other, SECRET);
    let token = sign(&table, SECRET).rsplit_once("token=").unwrap().1.to_owned();
    let by_table = format!("{}token={token}", by_address.rsplit_once("token=").unwrap().0);
    for (order, expected) in
        [(TokenOrder::Url, [302, 403]), (TokenOrder::Table, [403, 302]), (TokenOrder::UrlThenTable, [302, 302])]
    {
        let world = world_with(TokenOptions { order, ..TokenOptions::default() }).await;
        assert_eq!([status(&world, &by_address).await, status(&world, &by_table).await], expected, "{order:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_eight_hours_is_tolerated_where_that_is_configured() {
    const HOUR: i64 = 3600;
    for (tolerate_beijing_offset, expected) in [(false, 403), (true, 302)] {
        let world = world_with(TokenOptions { tolerate_beijing_offset, ..TokenOptions::default() }).await;
        for hours in [-8, 8] {
            let told = status(&world, &link_at(NOW_S + hours * HOUR, "ClinicExam", &[ACCESSION])).await;
            assert_eq!(told, expected, "{hours} hours, {tolerate_beijing_offset}");
        }
        for hours in [-9, -7, 7, 9] {
            assert_eq!(status(&world, &link_at(NOW_S + hours * HOUR, "ClinicExam", &[ACCESSION])).await, 403);
        }
    }
}

#[tokio::test]
async fn strict_links_have_one_key_only() {
    for (strict_params, expected) in [(false, 302), (true, 400)] {
        let world = world_with(TokenOptions { strict_params, ..TokenOptions::default() }).await;
        assert_eq!(status(&world, &link("ClinicExamView", &[ID, ACCESSION])).await, expected);
        assert_eq!(status(&world, &link("ClinicExamView", &[ACCESSION])).await, 302);
    }
}

#[tokio::test]
async fn d_p12_a_name_alone_is_enough_where_that_is_configured() {
    for name_alone in [false, true] {
        let world = world_of(Customer { name_alone, ..customer() }).await;
        let list = link("ClinicExamList", &[NAME]);
        assert_eq!(status(&world, &list).await, if name_alone { 302 } else { 400 });
        assert_eq!(shown(&world, &list).await.contains(&uid(1)), name_alone);
        let born = [NAME, ("BirthDateStart", "1990-01-01"), ("BirthDateEnd", "1990-01-01")];
        assert!(shown(&world, &link("ClinicExamList", &born)).await.contains(&uid(1)), "with the day of birth always");
    }
}

#[tokio::test]
async fn the_secret_before_opens_pages_while_a_customer_changes_over() {
    let secret = || Secret("the-new-secret-of-these-tests".to_owned());
    let at = NOW_S.to_string();
    let values = [("CustomerGuid", GUID), ("UserID", "u01"), ACCESSION, ("Timestamp", at.as_str())];
    for (previous_secret, expected) in [(Secret(SECRET.to_owned()), 302), (Secret::default(), 403)] {
        let world = world_of(Customer { secret: secret(), previous_secret, ..customer() }).await;
        assert_eq!(status(&world, &address("ClinicExam", &values, SECRET)).await, expected);
        assert_eq!(status(&world, &address("ClinicExam", &values, &secret().0)).await, 302);
        assert_eq!(status(&world, &address("ClinicExam", &values, "a-secret-of-somebody-else")).await, 403);
    }
}

#[tokio::test]
async fn d_t9_a_link_without_a_time_opens_the_own_institutions_reports_alone() {
    let untimed = address("ClinicExamList", &[("CustomerGuid", GUID), ("UserID", "u01"), ID], SECRET);
    let strict = world_of(customer()).await;
    assert_eq!(status(&strict, &untimed).await, 403);

    let token = TokenOptions { require_timestamp: false, ..TokenOptions::default() };
    // The configuration is refused with a wider scope than its own; a link is narrowed all the same.
    let wide = Customer { token, scope: VisibleScope::Region, ..customer() };
    assert!(!wide.faults().is_empty());
    let world = world_of(wide).await;
    world.exam(Exam { organization: "ORG-T02", ..Exam::new(2) }).await;
    let (own, all) = (shown(&world, &untimed).await, shown(&world, &link("ClinicExamList", &[ID])).await);
    assert!(own.contains(&uid(1)) && !own.contains(&uid(2)), "{own}");
    assert!(all.contains(&uid(1)) && all.contains(&uid(2)), "{all}");
}

#[tokio::test]
async fn related_exams_without_a_customer_belong_to_the_one_that_is_configured() {
    let at = NOW_S.to_string();
    let values = [("UserID", "u01"), ID, ("Timestamp", at.as_str())];
    for (default_customer, expected) in [(GUID, 302), ("", 403)] {
        let config = PagesConfig { default_customer: default_customer.to_owned(), ..PagesConfig::default() };
        let world = World::with(TestDatabase::sqlite(), customer(), config).await;
        world.exam(Exam::new(1)).await;
        assert_eq!(status(&world, &address("RelatedExamList", &values, SECRET)).await, expected);
        assert_eq!(status(&world, &address("RelatedExamList", &values, "a-secret-of-somebody-else")).await, 403);
        assert_eq!(status(&world, &address("ClinicExamList", &values, SECRET)).await, 403, "related exams only");
    }
}

#[tokio::test]
async fn d_p13_a_word_stands_for_the_exam_types_that_are_configured() {
    let group = ExamTypeGroup { name: "放射".to_owned(), types: vec!["ct".to_owned(), "DX".to_owned()] };
    for exam_type in [Vec::new(), vec![group]] {
        let is_known = !exam_type.is_empty();
        let search = SearchRules { exam_type, ..SearchRules::default() };
        let config = PagesConfig { search, ..PagesConfig::default() };
        let world = World::with(TestDatabase::sqlite(), customer(), config).await;
        world.exam(Exam::new(1)).await;
        world.exam(Exam::new(2)).await;
        world.execute("UPDATE exam_report SET modality = 'MR', class_code = 'MR' WHERE id = 2", vec![]).await;
        let list = shown(&world, &link("ClinicExamList", &[ID, ("ServiceSectID", "放射")])).await;
        assert_eq!((list.contains(&uid(1)), list.contains(&uid(2))), (is_known, false), "{list}");
    }
}

#[tokio::test]
async fn an_accession_number_finds_specimens_where_that_is_configured() {
    for accession_finds_specimens in [false, true] {
        let search = SearchRules { accession_finds_specimens, ..SearchRules::default() };
        let config = PagesConfig { search, ..PagesConfig::default() };
        let world = World::with(TestDatabase::sqlite(), customer(), config).await;
        let report = world.lab(7, &[("白细胞", "5.1", "4", "10")]).await;
        world.execute("UPDATE lab_report SET specimen_id = 'S0001'", vec![]).await;
        let found = shown(&world, &link("ClinicExamList", &[("AccessionNumber", "S0001")])).await;
        assert_eq!(found.contains(&report), accession_finds_specimens, "{found}");
        let other = shown(&world, &link("ClinicExamList", &[("AccessionNumber", "S0002")])).await;
        assert!(!other.contains(&report));
    }
}
