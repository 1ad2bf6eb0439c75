//! Any address is read without a panic, and a link that was signed by us, either way, is accepted with the values that went
//! in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::domain::criteria::Criteria;
use yingku::domain::customer::{Customer, Customers, Secret};
use yingku::domain::page::{Page, Parameter};
use yingku::domain::search_rules::SearchRules;
use yingku::domain::token::{SignedQuery, by_password, sign, sign_by_hmac, verify};

const GUID: &str = "11111111-2222-4333-8444-555555555555";
const SECRET: &str = "unit-test-secret-1";
const NOW_S: i64 = 1_700_000_000;
const PAGES: [&str; 4] = ["ClinicExamView", "ClinicExam", "ClinicExamList", "RelatedExamList"];

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let customer = Customer {
        guid: GUID.to_owned(),
        secret: Secret(SECRET.to_owned()),
        organization: "ORG-T01".to_owned(),
        ..Customer::default()
    };
    let customers = Customers::new(vec![customer], String::new());
    for page in PAGES.into_iter().filter_map(Page::parse) {
        let Ok(query) = SignedQuery::parse(&text) else { continue };
        let link = match (query.password(), customers.get(query.guid())) {
            (Some(_), Some(customer)) => Some(by_password(page, &query, customer)),
            (_, customer) => verify(page, &query, customer, NOW_S).ok(),
        };
        if let Some(link) = link {
            let _ = Criteria::from_link(page, &link, &SearchRules::default());
        }
    }

    let mut values = text.split('\n').filter(|value| {
        value.chars().count() <= 512 && !value.chars().any(char::is_control)
    });
    let (user, name, number) = (values.next(), values.next(), values.next());
    let (user, name, number) = (user.unwrap_or(""), name.unwrap_or(""), number.unwrap_or(""));
    let timestamp = NOW_S.to_string();
    let parameters = [
        ("CustomerGuid", GUID),
        ("UserID", user),
        ("UserName", name),
        ("MedRecNO", number),
        ("Timestamp", &timestamp),
    ];
    let Some(page) = Page::parse("ClinicExamView") else { return };
    for signed in [sign(&parameters, SECRET), sign_by_hmac(page, &parameters, SECRET)] {
        let query = SignedQuery::parse(&signed).expect("what we sign can be read");
        let link = verify(page, &query, customers.get(query.guid()), NOW_S).expect("what we sign is accepted");
        assert_eq!(link.get(Parameter::MedRecNo), number.trim());
        let _ = Criteria::from_link(page, &link, &SearchRules::default());
    }
});
