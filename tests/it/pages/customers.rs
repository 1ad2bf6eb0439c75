//! Customers in the database, the second signature, user and password (D-T10 to D-T12), frames (D-P21).

use std::net::IpAddr;

use yingku::archive::pages::customers::Disabled;
use yingku::domain::Actor;
use yingku::domain::customer::{Customer, CustomerKey, Secret, VisibleScope};
use yingku::domain::legacy_login::{LegacyLogin, LegacyUser, hash_password};
use yingku::domain::page::Page;
use yingku::domain::token::{sign, sign_by_hmac};
use yingku::web::pages::PagesConfig;

use super::world::{Exam, GUID, NOW_S, SECRET, World, customer};
use crate::harness::TestDatabase;

const KEPT: &str = "22222222-3333-4444-8555-666666666666";
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn key() -> CustomerKey {
    CustomerKey::parse(KEY).unwrap()
}

async fn world(database: TestDatabase) -> World {
    let config = PagesConfig { customer_key: Secret(KEY.to_owned()), ..PagesConfig::default() };
    let world = World::with(database, customer(), config).await;
    world.exam(Exam::new(1)).await;
    world
}

fn kept() -> Customer {
    Customer {
        guid: KEPT.to_uppercase(),
        organization: "ORG-T01".to_owned(),
        frame_ancestors: vec!["https://his.example.test".to_owned(), "https://emr.example.test:8443".to_owned()],
        ..Customer::default()
    }
}

fn link_of(guid: &str, secret: &str) -> String {
    let at = NOW_S.to_string();
    let values = [("UserUID", guid), ("UserID", "u01"), ("AccessionNumber", "A0001"), ("Timestamp", at.as_str())];
    format!("/IDCAS/Interface/ClinicExam?{}", sign(&values, secret))
}

fn operator() -> Actor {
    Actor::system("test")
}

#[tokio::test]
async fn d_t10_a_kept_customer_opens_pages_at_once_changes_its_secret_and_is_shut_out_at_once() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = world(database).await;
        assert_eq!(world.get(&link_of(KEPT, "nobody-knows-this-secret")).await.status, 403);
        let first = world.archive.add_customer(operator(), &kept(), &key()).await.unwrap().0;
        assert!(world.archive.add_customer(operator(), &kept(), &key()).await.is_err(), "the GUID is taken");
        assert_eq!(world.get(&link_of(KEPT, &first)).await.status, 302);

        let second = world.archive.rotate_secret(operator(), KEPT, &key()).await.unwrap().0;
        assert_ne!(first, second);
        for secret in [&first, &second] {
            assert_eq!(world.get(&link_of(&KEPT.to_uppercase(), secret)).await.status, 302);
        }
        world.archive.retire_secret(operator(), KEPT).await.unwrap();
        assert_eq!(world.get(&link_of(KEPT, &first)).await.status, 403);
        let open = world.get(&link_of(KEPT, &second)).await.header("location").to_owned();
        assert_eq!(world.get(&open).await.status, 200);

        world.archive.set_customer_disabled(operator(), KEPT, Disabled::Yes).await.unwrap();
        assert_eq!(world.get(&link_of(KEPT, &second)).await.status, 403);
        assert_eq!(world.get(&open).await.status, 403, "its sessions end");
        world.archive.set_customer_disabled(operator(), KEPT, Disabled::No).await.unwrap();
        assert_eq!(world.get(&open).await.status, 200);
        let kept = world.index.query_opt("SELECT settings FROM customer", vec![]).await.unwrap().unwrap();
        let settings = kept.text("settings").unwrap();
        assert!(!settings.contains(&first) && !settings.contains(&second), "secrets are kept encrypted only");
        let changes = "SELECT COUNT(*) AS n FROM audit WHERE target = 'customer:22222222-3333-4444-8555-666666666666'";
        assert_eq!(world.count(changes).await, 5, "every change is recorded");
    }
}

#[tokio::test]
async fn d_p21_each_customers_pages_can_be_framed_by_its_own_sites_only() {
    let world = world(TestDatabase::sqlite()).await;
    let secret = world.archive.add_customer(operator(), &kept(), &key()).await.unwrap().0;
    let framed = world.get(&link_of(KEPT, &secret)).await.header("location").to_owned();
    let policy = world.get(&framed).await.header("content-security-policy").to_owned();
    assert!(policy.ends_with("frame-ancestors https://his.example.test https://emr.example.test:8443"), "{policy}");
    assert!(!policy.contains("unsafe-inline") && policy.contains("default-src 'none'"));
    let own = world.get(&link_of(GUID, SECRET)).await.header("location").to_owned();
    let answer = world.get(&own).await;
    assert!(answer.header("content-security-policy").ends_with("frame-ancestors 'none'"));
    assert_eq!(answer.header("set-cookie"), "", "a frame of another site keeps no cookies, so there are none");
    assert_eq!(answer.header("x-frame-options"), "", "it would overrule the policy in old browsers");
}

#[tokio::test]
async fn d_p21_a_refusal_is_seen_in_a_frame_too_and_what_was_asked_for_only_in_the_customers() {
    let world = world(TestDatabase::sqlite()).await;
    let secret = world.archive.add_customer(operator(), &kept(), &key()).await.unwrap().0;
    let refused = world.get(&link_of(KEPT, "another-secret-of-nobody")).await;
    let ended = world.get(&format!("/t/{}/exams", "0".repeat(32))).await;
    for answer in [&refused, &ended] {
        assert_eq!(answer.status, 403);
        let policy = answer.header("content-security-policy");
        assert!(policy.ends_with("frame-ancestors *") && policy.contains("form-action 'none'"), "{policy}");
        assert!(!answer.text().contains("<script") && !answer.text().contains("<form"));
    }
    world.execute("DELETE FROM exam_report", vec![]).await;
    let nothing = world.get(&link_of(KEPT, &secret)).await;
    assert_eq!(nothing.status, 404);
    let policy = nothing.header("content-security-policy");
    assert!(policy.ends_with("frame-ancestors https://his.example.test https://emr.example.test:8443"), "{policy}");
}

#[tokio::test]
async fn d_t11_the_second_signature_opens_pages() {
    let world = world(TestDatabase::sqlite()).await;
    let at = NOW_S.to_string();
    let values = [("UserUID", GUID), ("UserID", "u01"), ("AccessionNumber", "A0001"), ("Timestamp", at.as_str())];
    let good = format!("/IDCAS/Interface/ClinicExam?{}", sign_by_hmac(Page::ClinicExam, &values, SECRET));
    assert_eq!(world.get(&good).await.status, 302);
    let relabelled = good.replace("ClinicExam?", "RelatedExamList?");
    assert_eq!(world.get(&relabelled).await.status, 403, "the page is signed too");
    assert_eq!(world.get(&good.replace("A0001", "A0002")).await.status, 403);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE detail LIKE '%\"sign\"%'").await, 1);
}

fn legacy(addresses: &str) -> Customer {
    let users =
        vec![LegacyUser { user_id: "his".to_owned(), password_hash: hash_password("示例口令 1+", [3; 16]) }];
    let legacy = LegacyLogin { addresses: vec![addresses.parse().unwrap()], users };
    Customer { legacy, scope: VisibleScope::Region, vip: true, ..customer() }
}

const UNSIGNED: &str =
    "/IDCAS/Interface/ClinicExamList?UserID=his&UserPwd=%E7%A4%BA%E4%BE%8B%E5%8F%A3%E4%BB%A4%201%2B&MedRecNO=E0001";

#[tokio::test]
async fn d_t12_user_and_password_open_the_own_organisation_from_known_networks() {
    assert!("127.0.0.1".parse::<IpAddr>().is_ok());
    let world = World::for_customer(legacy("127.0.0.0/8")).await;
    world.exam(Exam::new(1)).await;
    world.exam(Exam { organization: "ORG-T02", ..Exam::new(2) }).await;
    let answer = world.get(UNSIGNED).await;
    assert_eq!(answer.status, 302, "{}", answer.text());
    let list = world.get(answer.header("location")).await.text();
    assert!(list.contains("A0001") && !list.contains("A0002"), "the own organisation only: {list}");
    assert!(!list.contains("示例口令"), "a password is no name");
    let kept = "SELECT COUNT(*) AS n FROM page_session WHERE user_name LIKE '%口令%' OR scope LIKE '%口令%'";
    assert_eq!(world.count(kept).await, 0);
    let with_time = format!("{UNSIGNED}&Timestamp={NOW_S}");
    let timed = world.get(&with_time).await.header("location").to_owned();
    assert!(!world.get(&timed).await.text().contains("A0002"), "a time proves nothing here");
    let related = UNSIGNED.replace("ClinicExamList", "RelatedExamList");
    assert_eq!(world.get(&related).await.status, 302);

    let mut refusals = Vec::new();
    for path in [
        UNSIGNED.replace("201%2B", "202%2B"),
        UNSIGNED.replace("UserID=his", "UserID=other"),
        format!("{UNSIGNED}&token={}", "0".repeat(32)),
        UNSIGNED.replace("&UserPwd", "&UserName"),
    ] {
        let answer = world.get(&path).await;
        assert_eq!(answer.status, 403, "{path}");
        refusals.push(answer.text());
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1);
}

#[tokio::test]
async fn d_t12_without_the_network_or_the_setting_nothing_opens() {
    let elsewhere = World::for_customer(legacy("192.0.2.0/24")).await;
    elsewhere.exam(Exam::new(1)).await;
    assert_eq!(elsewhere.get(UNSIGNED).await.status, 403);
    let off = World::start().await;
    off.exam(Exam::new(1)).await;
    assert_eq!(off.get(UNSIGNED).await.status, 403);
    assert_eq!(off.count("SELECT COUNT(*) AS n FROM page_session").await, 0);
}

#[tokio::test]
async fn d_t12_a_kept_customer_may_have_users_with_passwords() {
    let world = world(TestDatabase::sqlite()).await;
    let settings = Customer { guid: KEPT.to_owned(), scope: VisibleScope::Own, vip: false, ..legacy("127.0.0.0/8") };
    world.archive.add_customer(operator(), &settings, &key()).await.unwrap();
    assert_eq!(world.get(UNSIGNED).await.status, 302);
    world.archive.set_customer_disabled(operator(), KEPT, Disabled::Yes).await.unwrap();
    assert_eq!(world.get(UNSIGNED).await.status, 403);
}
