//! Corrected lab reports (D-R8, D-R11, D-R18): registered as a laboratory sends them, read as clinicians read them.

use yingku::domain::customer::{Customer, VisibleScope};
use yingku::params;

use super::world::{NOW_S, World, customer, uid};
use crate::api::containers::{lab, line};
use crate::each_database;

const HOUR_MS: i64 = 3_600_000;
const ID: (&str, &str) = ("IDCardNO", "990101199001010019");
const PLT: [(&str, &str); 2] = [("class_code", "PLT"), ("class_name", "血小板")];

/// Registers the report as it is `hour` hours later.
async fn send(world: &World, hour: i64, head: &[(&str, &str)], wbc: &str) {
    world.clock.set(NOW_S * 1000 + hour * HOUR_MS);
    let stamp = format!("2024/3/23 {hour}:00:00");
    let stamp = ("last_update_dtime", stamp.as_str());
    let head = lab(&[&[stamp, ("authenticator_name", "测试医生丙")], head].concat());
    let lines = [
        line("1", &[stamp, ("result_value", wbc)]),
        line("2", &[&[stamp, ("result_value", "180")], &PLT[..]].concat()),
    ];
    let told = world.register(&format!("<root>{head}{}</root>", lines.concat())).await;
    assert!(told.contains("<result>1</result>"), "{told}");
    world.clock.set(NOW_S * 1000);
}

/// The address of the page of the one lab report.
async fn page_of(world: &World) -> String {
    let list = world.open("ClinicExamList", &[ID]).await;
    let sql = "SELECT observation_uid FROM lab_report";
    let report = world.index.query_opt(sql, params![]).await.unwrap().unwrap().text("observation_uid").unwrap();
    format!("{}/exam/{report}", list.trim_end_matches("/exams"))
}

/// The numbers of the versions that a page links to.
fn linked(page: &str) -> Vec<i64> {
    (1..=9).filter(|number| page.contains(&format!("version={number}\""))).collect()
}

each_database! {
    async fn a_corrected_result_makes_a_version_and_a_newer_stamp_alone_does_not(database: TestDatabase) {
        let world = World::with(database, customer(), Default::default()).await;
        send(&world, 0, &[], "12.8").await;
        let page = page_of(&world).await;
        let first = world.get(&page).await.text();
        assert!(first.contains("已发布") && !first.contains("历次版本"), "{first}");

        send(&world, 1, &[], "1.28").await;
        send(&world, 2, &[], "1.28").await;
        send(&world, 3, &[("authenticator_name", "测试医生丁")], "1.28").await;

        let now = world.get(&page).await.text();
        assert!(now.contains("已修订") && now.contains("1.28") && !now.contains("12.8"), "{now}");
        assert_eq!(linked(&now), [1, 2], "{now}");
        let old = world.get(&format!("{page}?tab=lab&version=1")).await.text();
        for words in ["旧版报告", "12.8", "180", "测试医生丙", "返回现行版本"] {
            assert!(old.contains(words), "{words}: {old}");
        }
        assert!(!old.contains("1.28") && !old.contains("/trend?"), "{old}");
        let old = world.get(&format!("{page}?tab=lab&version=2")).await.text();
        assert!(old.contains("旧版报告") && old.contains("1.28") && old.contains("测试医生丙"), "{old}");
        assert_eq!(world.get(&format!("{page}?tab=lab&version=3")).await.status, 404);
        let looks = "SELECT COUNT(*) AS n FROM audit WHERE action = 'view_version' AND target LIKE 'lab:%'";
        assert_eq!(world.count(looks).await, 2);
    }

    async fn a_withdrawn_version_is_named_and_stays_closed(database: TestDatabase) {
        let world = World::with(database, customer(), Default::default()).await;
        send(&world, 0, &[], "12.8").await;
        let page = page_of(&world).await;

        send(&world, 1, &[("data_status", "0")], "12.8").await;
        let gone = world.get(&page).await;
        assert_eq!(gone.status, 410);
        assert_eq!(world.get(&format!("{page}?tab=lab&version=1")).await.status, 410);

        send(&world, 2, &[], "1.28").await;
        let back = world.get(&page).await.text();
        assert!(back.contains("已修订") && back.contains("已撤回"), "{back}");
        assert_eq!(linked(&back), [1], "{back}");
        assert_eq!(world.get(&format!("{page}?tab=lab&version=2")).await.status, 404);
    }
}

#[tokio::test]
async fn a_line_that_a_full_set_lacks_is_in_the_version_before() {
    let world = World::start().await;
    let uid = uid(7);
    world.lab(7, &[("白细胞", "5.1", "4", "10"), ("血小板", "180", "100", "300")]).await;
    let withdraw = "UPDATE lab_item SET withdrawn = 1, data_status = '0' WHERE id = 7001";
    world.execute(withdraw, params![]).await;
    let content = serde_json::json!({ "serial_no": "1", "class_local_name": "血小板", "result_value": "180" });
    let sql = "INSERT INTO report_version (id, kind, report_pk, version, content, replaced_at) \
               VALUES (1, 'item', 7001, 1, $1, 1780711200000)";
    world.execute(sql, params![content.to_string()]).await;
    let page = format!("{}/exam/{uid}", world.open("ClinicExamList", &[ID]).await.trim_end_matches("/exams"));
    assert!(!world.get(&page).await.text().contains("血小板"));
    assert!(world.get(&format!("{page}?tab=lab&version=1")).await.text().contains("血小板"));
}

#[tokio::test]
async fn whoever_may_not_see_the_report_sees_no_version_of_it() {
    for (scope, status) in [(VisibleScope::Own, 404), (VisibleScope::Region, 200)] {
        let elsewhere = Customer { organization: "ORG-T02".to_owned(), scope, ..customer() };
        let world = World::for_customer(elsewhere).await;
        send(&world, 0, &[], "12.8").await;
        send(&world, 1, &[], "1.28").await;
        let page = page_of(&world).await;
        assert_eq!(world.get(&format!("{page}?tab=lab&version=1")).await.status, status, "{scope:?}");
    }
}
