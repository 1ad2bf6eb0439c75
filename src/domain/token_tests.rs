//! The vectors of D-T1 and every rule of D-T2 to D-T13 that the verifier keeps.

use super::*;
use crate::domain::customer::{Customers, Secret, TokenOptions};

const GUID: &str = "11111111-2222-4333-8444-555555555555";
const SECRET: &str = "unit-test-secret-1";
const NOW: i64 = 1_700_000_100;

fn customer(token: TokenOptions) -> Customers {
    let customer = Customer {
        guid: GUID.to_owned(),
        secret: Secret(SECRET.to_owned()),
        previous_secret: Secret("the-secret-before-1".to_owned()),
        organization: "ORG-T01".to_owned(),
        token,
        ..Customer::default()
    };
    Customers::new(vec![customer], String::new())
}

fn check(page: Page, raw: &str, token: TokenOptions) -> Result<BTreeMap<Parameter, String>, Refusal> {
    let customers = customer(token);
    let query = SignedQuery::parse(raw)?;
    verify(page, &query, customers.get(query.guid()), NOW).map(|verified| verified.values)
}

fn by_default(page: Page, raw: &str) -> Result<BTreeMap<Parameter, String>, Refusal> {
    check(page, raw, TokenOptions::default())
}

const V1: [(&str, &str); 7] = [
    ("CustomerGuid", GUID),
    ("UserID", "u01"),
    ("UserName", "测试医生甲"),
    ("UserOrganizationID", "ORG-T01"),
    ("UserOrganizationName", "示例医院"),
    ("MedRecNO", "MR0001"),
    ("Timestamp", "1700000000"),
];
const V1_TOKEN: &str = "EDC12F2114C9181950D3F51E3F216C52";

fn with_token(params: &[(&str, &str)], token: &str) -> String {
    let signed = sign(params, SECRET);
    format!("{}token={token}", &signed[..signed.len() - 38])
}

#[test]
fn d_t1_v1_the_plain_link() {
    assert!(sign(&V1, SECRET).ends_with(V1_TOKEN));
    let values = by_default(Page::ClinicExamView, &sign(&V1, SECRET)).unwrap();
    assert_eq!(values[&Parameter::MedRecNo], "MR0001");
    assert_eq!(values[&Parameter::UserName], "测试医生甲");
}

#[test]
fn d_t1_v2_names_are_not_signed() {
    let mut params = V1;
    params[0].0 = "UserUID";
    params[5].0 = "PlacerOrderNO";
    assert!(sign(&params, SECRET).ends_with(V1_TOKEN));
    let values = by_default(Page::ClinicExam, &with_token(&params, V1_TOKEN)).unwrap();
    assert_eq!(values[&Parameter::PlacerOrderNo], "MR0001");
}

#[test]
fn d_t2_v3_the_order_of_the_address_counts() {
    let mut params = V1;
    params[1..6].rotate_right(1);
    let own = sign(&params, SECRET);
    assert!(own.ends_with("C695D58A850D6E6F84B9382EC9367FAC"));
    assert!(by_default(Page::ClinicExamView, &own).is_ok());
    let by_table = with_token(&params, V1_TOKEN);
    assert_eq!(by_default(Page::ClinicExamView, &by_table).unwrap_err(), Refusal::Denied("wrong token"));
    let either = TokenOptions { order: TokenOrder::UrlThenTable, ..TokenOptions::default() };
    assert!(check(Page::ClinicExamView, &by_table, either.clone()).is_ok());
    assert!(check(Page::ClinicExamView, &own, either).is_ok());
    let table = TokenOptions { order: TokenOrder::Table, ..TokenOptions::default() };
    assert!(check(Page::ClinicExamView, &own, table).is_err());
}

#[test]
fn d_t4_v4_empty_values_count_as_nothing_and_blanks_stay() {
    let raw = format!(
        "CustomerGuid={GUID}&UserID=u01&UserName=&UserOrganizationID=&UserOrganizationName=&MedRecNO=&IDCardNO=\
         &AccessionNumber=A%201%2BB%2F2&Timestamp=1700000000&token=729F76A219AE52715DD44803CFA67B04"
    );
    let values = by_default(Page::ClinicExamView, &raw).unwrap();
    assert_eq!(values[&Parameter::AccessionNumber], "A 1+B/2");
    assert!(!values.contains_key(&Parameter::MedRecNo));
}

#[test]
fn d_t1_v5_characters_beyond_the_basic_plane_are_surrogate_pairs() {
    let params = [
        ("CustomerGuid", GUID),
        ("UserID", "u02"),
        ("UserName", "𠮷测试"),
        ("AccessionNumber", "ACC-9"),
        ("Timestamp", "1700000001"),
    ];
    assert!(sign(&params, SECRET).ends_with("020250C6381A15FFE884811C39641016"));
    assert!(by_default(Page::ClinicExamView, &sign(&params, SECRET)).is_ok());
}

#[test]
fn d_t9_v6_a_list_link_without_timestamp_needs_permission() {
    let params = [
        ("UserUID", GUID),
        ("UserID", "u01"),
        ("UserOrganizationID", "ORG-T01"),
        ("RegTimeStart", "2024-01-01 00:00:00"),
        ("RegTimeEnd", "2024-01-31 23:59:59"),
        ("IDCardNO", "990101199001010019"),
    ];
    let raw = sign(&params, SECRET);
    assert!(raw.ends_with("8F5A569223E38A957552F1C9FDD81DB3"));
    assert_eq!(by_default(Page::ClinicExamList, &raw).unwrap_err(), Refusal::Denied("no timestamp"));
    let relaxed = TokenOptions { require_timestamp: false, ..TokenOptions::default() };
    assert!(check(Page::ClinicExamList, &raw, relaxed).is_ok());
}

#[test]
fn d_t11_v7_characters_can_be_moved_between_neighbours() {
    for (name, number) in [("a", "MR0001"), ("aM", "R0001")] {
        let params = [
            ("CustomerGuid", GUID),
            ("UserID", "u01"),
            ("UserName", name),
            ("MedRecNO", number),
            ("Timestamp", "1700000000"),
        ];
        assert!(sign(&params, SECRET).ends_with("1F38B90681E75745D15D347BA0196C58"));
    }
}

#[test]
fn d_t1_n1_to_n4_other_encodings_are_refused() {
    let text: String = V1.iter().map(|(_, value)| *value).chain([SECRET]).collect();
    let big_endian: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let others = [
        ("0FD6EC48", text.as_bytes().to_vec()),
        ("72D2076A", GB18030.encode(&text).0.into_owned()),
        ("78BB475F", big_endian),
        ("AFFAB301", marked),
    ];
    for (begins, bytes) in others {
        let token = hex::encode_upper(Md5::digest(&bytes));
        assert!(token.starts_with(begins));
        let refused = by_default(Page::ClinicExamView, &with_token(&V1, &token)).unwrap_err();
        assert_eq!(refused, Refusal::Denied("wrong token"));
    }
}

#[test]
fn d_t3_a_blank_before_a_name_is_not_part_of_it() {
    let raw = sign(&V1, SECRET).replace("&MedRecNO", "&%20MedRecNO");
    assert_eq!(by_default(Page::ClinicExamView, &raw).unwrap()[&Parameter::MedRecNo], "MR0001");
}

#[test]
fn d_t3_a_literal_plus_is_tried_second() {
    let mut params = V1;
    params[5].1 = "A+B";
    let raw = sign(&params, SECRET).replace("A%2BB", "A+B");
    assert_eq!(by_default(Page::ClinicExamView, &raw).unwrap()[&Parameter::MedRecNo], "A+B");
    params[5].1 = "A B";
    let raw = sign(&params, SECRET).replace("A%20B", "A+B");
    assert_eq!(by_default(Page::ClinicExamView, &raw).unwrap()[&Parameter::MedRecNo], "A B");
}

#[test]
fn d_t3_values_in_gbk_are_read() {
    let mut gbk = String::new();
    for byte in GB18030.encode("测试医生甲").0.iter() {
        gbk.push_str(&format!("%{byte:02X}"));
    }
    let utf8: String = utf8_percent_encode("测试医生甲", NON_ALPHANUMERIC).collect();
    let raw = sign(&V1, SECRET).replace(&utf8, &gbk);
    assert_eq!(by_default(Page::ClinicExamView, &raw).unwrap()[&Parameter::UserName], "测试医生甲");
}

#[test]
fn d_t5_unknown_parameters_may_be_signed_or_not_and_are_never_used() {
    let unsigned = format!("_=123&{}", sign(&V1, SECRET));
    assert!(by_default(Page::ClinicExamView, &unsigned).is_ok());
    let mut params = V1.to_vec();
    params.insert(3, ("PatientID", "P0001"));
    let values = by_default(Page::ClinicExamView, &sign(&params, SECRET)).unwrap();
    assert!(!values.contains_key(&Parameter::PatientId), "ClinicExamView has no PatientID");
}

#[test]
fn d_t6_a_name_that_stands_twice_is_malformed() {
    for raw in ["MedRecNO=1&MedRecNO=2", "MedRecNO=1&medrecno=1", "CustomerGuid=a&UserUID=b"] {
        assert!(matches!(SignedQuery::parse(raw), Err(Refusal::Malformed(_))), "{raw}");
    }
    assert!(SignedQuery::parse("CustomerGuid=a&UserUID=a").is_ok());
}

#[test]
fn d_t7_tokens_are_exactly_32_hex_digits_in_either_case() {
    assert!(by_default(Page::ClinicExamView, &with_token(&V1, &V1_TOKEN.to_lowercase())).is_ok());
    for token in ["", "EDC12F21", "EDC12F2114C9181950D3F51E3F216C520", "ZDC12F2114C9181950D3F51E3F216C52"] {
        assert!(by_default(Page::ClinicExamView, &with_token(&V1, token)).is_err(), "{token}");
    }
}

#[test]
fn d_t10_the_secret_before_is_still_good() {
    assert!(by_default(Page::ClinicExamView, &sign(&V1, "the-secret-before-1")).is_ok());
    assert!(by_default(Page::ClinicExamView, &sign(&V1, "some-other-secret-9")).is_err());
}

fn at(timestamp: &str, options: TokenOptions) -> Result<BTreeMap<Parameter, String>, Refusal> {
    let mut params = V1;
    params[6].1 = timestamp;
    check(Page::ClinicExamView, &sign(&params, SECRET), options)
}

#[test]
fn d_t8_links_are_fresh_for_ten_minutes_and_may_be_five_early() {
    let plain = TokenOptions::default;
    assert!(at(&(NOW - 600).to_string(), plain()).is_ok());
    assert_eq!(at(&(NOW - 601).to_string(), plain()).unwrap_err(), Refusal::Denied("expired"));
    assert!(at(&(NOW + 300).to_string(), plain()).is_ok());
    assert!(at(&(NOW + 301).to_string(), plain()).is_err());
    assert!(at(&format!("{NOW}000"), plain()).is_ok(), "milliseconds");
    for odd in ["170000010", "17000000000", " 170000010", "+700000100", "１７００００００００"] {
        assert!(at(odd, plain()).is_err(), "{odd}");
    }
}

#[test]
fn d_t8_local_time_taken_for_utc_is_tolerated_only_on_request() {
    let shifted = (NOW + 28_800).to_string();
    assert!(at(&shifted, TokenOptions::default()).is_err());
    let tolerant = TokenOptions { tolerate_beijing_offset: true, ..TokenOptions::default() };
    assert!(at(&shifted, tolerant.clone()).is_ok());
    assert!(at(&(NOW + 14_400).to_string(), tolerant).is_err());
}

#[test]
fn d_t10_unknown_customers_and_wrong_tokens_are_the_same_kind_of_refusal() {
    let unknown = sign(&V1, SECRET).replace("11111111", "99999999");
    assert!(matches!(by_default(Page::ClinicExamView, &unknown), Err(Refusal::Denied(_))));
    let query = SignedQuery::parse("UserID=u&token=D41D8CD98F00B204E9800998ECF8427E").unwrap();
    assert!(matches!(verify(Page::RelatedExamList, &query, None, NOW), Err(Refusal::Denied(_))));
}

fn signature(kind: Signature) -> TokenOptions {
    TokenOptions { signature: kind, ..TokenOptions::default() }
}

/// Own vector, printed in the integrators' manual too.
#[test]
fn d_t11_the_second_signature_is_accepted_beside_the_first() {
    let link = sign_by_hmac(Page::ClinicExamView, &V1, SECRET);
    assert!(link.ends_with(V1_SIGN), "{link}");
    assert_eq!(by_default(Page::ClinicExamView, &link).unwrap()[&Parameter::MedRecNo], "MR0001");
    assert!(check(Page::ClinicExamView, &link, signature(Signature::Hmac)).is_ok());
    assert!(check(Page::ClinicExamView, &link, signature(Signature::Md5)).is_err());
    assert!(check(Page::ClinicExamView, &sign(&V1, SECRET), signature(Signature::Hmac)).is_err());
    let before = sign_by_hmac(Page::ClinicExamView, &V1, "the-secret-before-1");
    assert!(by_default(Page::ClinicExamView, &before).is_ok(), "while the secret is changed");
}

const V1_SIGN: &str = "724acc8b715865a865f0b39be3f43bd6abd3f74ba72b2a87563029b38bc06ea1";

#[test]
fn d_t11_the_second_signature_binds_names_values_and_page() {
    let link = sign_by_hmac(
        Page::ClinicExam,
        &[
            ("UserUID", GUID),
            ("UserID", "u"),
            ("PatientID", "P1"),
            ("AccessionNumber", "A1"),
            ("Timestamp", "1700000000"),
        ],
        SECRET,
    );
    assert!(by_default(Page::ClinicExam, &link).is_ok());
    for (from, to) in [("PatientID", "MedRecNO"), ("P1&AccessionNumber=A1", "P&AccessionNumber=1A1"), ("=A1", "=A2")] {
        let changed = link.replace(from, to);
        assert!(changed != link && by_default(Page::ClinicExam, &changed).is_err(), "{changed}");
    }
    assert!(by_default(Page::RelatedExamList, &link).is_err(), "another page");
    assert!(by_default(Page::ClinicExam, &format!("{link}&ShowClose=1")).is_err(), "what the page knows is signed");
    assert!(by_default(Page::ClinicExam, &format!("{link}&_=17")).is_ok(), "what it does not know is never used");
    let reordered: Vec<&str> = link.split('&').rev().collect();
    assert!(by_default(Page::ClinicExam, &reordered.join("&")).is_ok(), "the order does not count");
}

#[test]
fn d_t11_a_wrong_second_signature_is_not_mended_by_a_good_first_one() {
    let link = sign(&V1, SECRET);
    assert!(by_default(Page::ClinicExamView, &link).is_ok());
    assert!(by_default(Page::ClinicExamView, &format!("{link}&sign={}", "0".repeat(64))).is_err());
}

#[test]
fn d_t12_a_password_counts_only_where_nothing_is_signed() {
    let of = |raw: &str| SignedQuery::parse(raw).unwrap().password().map(|(u, p)| (u.to_owned(), p.to_owned()));
    let legacy = "UserID=his&UserPwd=123456&MedRecNO=MR0001";
    assert_eq!(of(legacy), Some(("his".to_owned(), "123456".to_owned())));
    assert_eq!(of(&format!("{legacy}&token=00")), None);
    assert_eq!(of(&format!("{legacy}&sign=00")), None);
    assert_eq!(of("UserID=his&UserName=123456&MedRecNO=MR0001"), None);
    let query = SignedQuery::parse(legacy).unwrap();
    let customer = Customer::default();
    let verified = by_password(Page::ClinicExamList, &query, &customer);
    assert!(!verified.values.values().any(|value| value.contains("123456")), "the password is kept nowhere");
}

#[test]
fn a_language_may_be_added_to_a_signed_link() {
    assert_eq!(
        by_default(Page::ClinicExamView, &format!("{}&lang=en", sign(&V1, SECRET))).unwrap()[&Parameter::Language],
        "en"
    );
}

proptest::proptest! {
    #[test]
    fn any_query_is_read_or_refused_without_panic(raw in "\\PC{0,200}") {
        if let Ok(query) = SignedQuery::parse(&raw) {
            let customers = customer(TokenOptions::default());
            for page in Page::ALL {
                proptest::prop_assert!(verify(page, &query, customers.get(GUID), NOW).is_err());
            }
        }
    }
}

/// The links in `fixtures/token`, first inputs of the fuzz target too, are the vectors above in percent encoding.
#[test]
fn the_sample_links_are_accepted() {
    for (page, link) in [
        (Page::ClinicExamView, include_str!("../../fixtures/token/v1-clinic-exam-view.txt")),
        (Page::ClinicExam, include_str!("../../fixtures/token/v2-clinic-exam.txt")),
        (Page::ClinicExamView, include_str!("../../fixtures/token/v4-empty-values.txt")),
        (Page::ClinicExamView, include_str!("../../fixtures/token/v5-surrogate-pair.txt")),
    ] {
        assert!(by_default(page, link.trim_end()).is_ok(), "{link}");
    }
    let lenient = TokenOptions { require_timestamp: false, ..TokenOptions::default() };
    let list = include_str!("../../fixtures/token/v6-clinic-exam-list.txt");
    assert!(check(Page::ClinicExamList, list.trim_end(), lenient).is_ok());
}
