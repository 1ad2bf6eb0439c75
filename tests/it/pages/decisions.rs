//! The pages' decisions, each seen from outside: which exams a link finds (D-P5 to D-P23).

use yingku::domain::customer::{Customer, Permission, VisibleScope};
use yingku::domain::page::Page;
use yingku::domain::search_rules::{Authority, SearchRules};
use yingku::domain::token::sign_by_hmac;
use yingku::params;
use yingku::web::pages::PagesConfig;

use super::world::{Exam, World, customer, link};
use crate::harness::TestDatabase;

const ID: (&str, &str) = ("IDCardNO", "990101199001010019");

fn region() -> Customer {
    Customer { scope: VisibleScope::Region, ..customer() }
}

/// The numbers of the exams that a page lists.
async fn listed(world: &World, page: &str, parameters: &[(&str, &str)]) -> Vec<i64> {
    let text = world.get(&world.open(page, parameters).await).await.text();
    assert!(text.contains("</html>"));
    (1..=9).filter(|id| text.contains(&format!("A{id:04}"))).collect()
}

async fn set(world: &World, id: i64, sql: &'static str, value: &'static str) {
    world.execute(sql, params![value, id]).await;
}

/// Five exams of five patients, two organisations.
async fn five(database: TestDatabase, customer: Customer, config: PagesConfig) -> World {
    let world = World::with(database, customer, config).await;
    for id in 1..=5 {
        let organization = if id > 3 { "ORG-T02" } else { "ORG-T01" };
        let id_no = if id == 1 { "990101199001010019" } else { "990101198505050036" };
        world.exam(Exam { organization, id_no, ..Exam::new(id) }).await;
        let sql = "UPDATE exam_report SET patient_id = 'P' || CAST($1 AS TEXT), patient_local_id = 'L' || CAST($1 AS TEXT), \
                   event_no = 'E' || CAST($1 AS TEXT), apply_form_no = 'O' || CAST($1 AS TEXT), card_no = 'C' || \
                   CAST($1 AS TEXT) WHERE id = $1";
        world.execute(sql, params![id]).await;
    }
    world
}

async fn plain() -> World {
    five(TestDatabase::sqlite(), region(), PagesConfig::default()).await
}

#[tokio::test]
async fn d_p5_identity_keys_are_alternatives_and_other_parameters_narrow() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = five(database, region(), PagesConfig::default()).await;
        let list = |parameters: Vec<(&'static str, &'static str)>| {
            let world = &world;
            async move { listed(world, "ClinicExamList", &parameters).await }
        };
        assert_eq!(list(vec![ID, ("CardNO", "C4")]).await, [1, 4]);
        assert_eq!(list(vec![ID, ("CardNO", "C4"), ("OrganizationID", "ORG-T02")]).await, [4]);
        assert_eq!(list(vec![ID, ("CardNO", "C4"), ("MedRecNO", "E4")]).await, [4]);
        assert_eq!(list(vec![("MedRecNO", "P2")]).await, [2]);
        assert_eq!(list(vec![ID, ("HealthCardNO", "C2"), ("InsuranceID", "C3")]).await, [1, 2, 3]);
        assert_eq!(list(vec![ID, ("CardNO", "")]).await, [1], "an empty key is no key");
        assert_eq!(listed(&world, "ClinicExamView", &[ID, ("AccessionNumber", "A0002")]).await, Vec::<i64>::new());
    }
}

#[tokio::test]
async fn d_p5_of_related_exams_every_key_is_an_alternative_with_its_own_qualifiers() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = five(database, region(), PagesConfig::default()).await;
        let related = |parameters: Vec<(&'static str, &'static str)>| {
            let world = &world;
            async move { listed(world, "RelatedExamList", &parameters).await }
        };
        assert_eq!(related(vec![ID, ("MedRecNO", "E4")]).await, [1, 4]);
        assert_eq!(
            related(vec![ID, ("MedRecNO", "E4"), ("OrganizationID", "ORG-T02")]).await,
            [1, 4],
            "an identity has none"
        );
        assert_eq!(related(vec![ID, ("MedRecNO", "E4"), ("OrganizationID", "ORG-T01")]).await, [1]);
        assert_eq!(related(vec![("AccessionNumber", "A0002"), ("VisitID", "E3"), ("ServiceSectID", "US")]).await, [3]);
        assert_eq!(
            related(vec![("AccessionNumber", "A0002"), ("VisitID", "E3"), ("ServiceSectID", "RIS")]).await,
            [2, 3]
        );
        let dates = ("ObservationDateStart", "2026-09-04");
        assert_eq!(related(vec![ID, ("MedRecNO", "E4"), dates]).await, [4], "dates restrict the first step");
    }
}

#[tokio::test]
async fn d_p5_a_number_counts_only_from_the_system_that_is_named() {
    let rules = SearchRules {
        authority: vec![Authority { name: "RIS-二院".to_owned(), organization: "ORG-T02".to_owned() }],
        ..SearchRules::default()
    };
    let config = PagesConfig { search: rules, ..PagesConfig::default() };
    let world = five(TestDatabase::sqlite(), region(), config).await;
    set(&world, 4, "UPDATE exam_report SET report_form_no = $1 WHERE id = $2", "EX0001").await;
    let number = ("FillerOrderNO", "EX0001");
    assert_eq!(listed(&world, "ClinicExamList", &[number]).await, [1, 4]);
    for (name, expected) in [("ORG-T01", vec![1]), ("RIS-二院", vec![4]), ("ris", vec![1, 4]), ("unknown", vec![])] {
        let found = listed(&world, "ClinicExamList", &[number, ("FillerAssigningAuthority", name)]).await;
        assert_eq!(found, expected, "{name}");
    }
    let one = world.open("ClinicExam", &[number, ("FillerAssigningAuthority", "RIS-二院")]).await;
    assert!(one.ends_with(&Exam::new(4).uid()), "one hit is the exam: {one}");
    let both = [("PatientID", "L2"), ("PIDAssigningAuthority", "ORG-T02")];
    assert_eq!(world.get(&link("ClinicExam", &both)).await.status, 404);
}

#[tokio::test]
async fn d_p7_each_parameter_searches_its_own_columns() {
    let world = plain().await;
    set(&world, 2, "UPDATE exam_report SET event_type = $1 WHERE id = $2", "2").await;
    set(&world, 3, "UPDATE exam_report SET order_id = $1 WHERE id = $2", "M3").await;
    for (parameters, expected) in [
        (vec![("VisitID", "E3")], vec![3]),
        (vec![("OutPatientNO", "E1")], vec![1]),
        (vec![("OutPatientNO", "E2")], vec![]),
        (vec![("InPatientNO", "E2")], vec![2]),
        (vec![("InPatientNO", "E1")], vec![]),
        (vec![("PlacerOrderNO", "O5")], vec![5]),
        (vec![("PlacerOrderNO", "M3")], vec![3]),
        (vec![("FillerOrderNO", "EX0002")], vec![2]),
        (vec![("FillerOrderNO", "A0002")], vec![2]),
        (vec![("AccessionNumber", "A0004")], vec![4]),
        (vec![("PatientID", "L5")], vec![5]),
        (vec![("PatientID", "P5")], vec![5]),
        (vec![("CardNO", "C3")], vec![3]),
        (vec![("VisitID", "E3"), ("RequestDeptName", "呼吸内科")], vec![3]),
        (vec![("VisitID", "E3"), ("RequestDeptName", "外科")], vec![]),
        (vec![("VisitID", "E3"), ("Name", "测试甲"), ("Sex", "男")], vec![3]),
        (vec![("VisitID", "E3"), ("Sex", "F")], vec![]),
        (vec![("VisitID", "E3"), ("BirthDateStart", "1990-01-01"), ("BirthDateEnd", "1990-01-01")], vec![3]),
        (vec![("VisitID", "E3"), ("BirthDateStart", "1990-01-02")], vec![]),
        (vec![("VisitID", "E3"), ("ServiceSectID", "us,ct")], vec![3]),
        (vec![("VisitID", "E3"), ("ServiceSectID", "US")], vec![]),
    ] {
        assert_eq!(listed(&world, "ClinicExamList", &parameters).await, expected, "{parameters:?}");
    }
}

#[tokio::test]
async fn d_p7_identity_numbers_are_found_in_their_old_form_and_cards_under_every_number_of_the_person() {
    let world = plain().await;
    set(&world, 2, "UPDATE exam_report SET id_no = $1 WHERE id = $2", "990101900101001").await;
    assert_eq!(listed(&world, "ClinicExamList", &[ID]).await, [1, 2]);
    set(&world, 5, "UPDATE exam_report SET id_no = $1 WHERE id = $2", "990101199001010019").await;
    while world.archive.keep_people("test", 50).await.unwrap() {}
    let found = listed(&world, "ClinicExamList", &[("CardNO", "C1")]).await;
    assert!(found.contains(&1) && found.contains(&5) && !found.contains(&3), "{found:?}");
}

#[tokio::test]
async fn d_p8_registration_is_what_the_hospital_says_else_when_it_came_and_exams_have_the_time_of_their_images() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = five(database, region(), PagesConfig::default()).await;
        set(&world, 1, "UPDATE exam_report SET create_time = $1 WHERE id = $2", "2026-05-05 10:00:00").await;
        // 2026-06-06 10:00:00 in Beijing.
        let sql = "UPDATE exam_report SET received_at = $1 WHERE id = 2";
        world.execute(sql, params![1_780_711_200_000_i64]).await;
        let both = ("CardNO", "C2");
        for (from, to, expected) in [
            ("2026-05-05 10:00:00", "2026-05-05 10:00:00", vec![1]),
            ("2026-06-06", "2026/6/6", vec![2]),
            ("2026-06-06 10:00:00", "2026-06-06 10:00:00", vec![2]),
            ("2026-06-06 10:00:01", "2026-12-31", vec![]),
            ("2026-05-01", "2026-06-30", vec![1, 2]),
        ] {
            let parameters = [ID, both, ("RegTimeStart", from), ("RegTimeEnd", to)];
            assert_eq!(listed(&world, "ClinicExamList", &parameters).await, expected, "{from}");
        }
    }
}

#[tokio::test]
async fn d_p14_one_number_in_two_organisations_is_a_list_and_a_qualifier_picks() {
    let world = plain().await;
    set(&world, 4, "UPDATE exam_report SET pacs_id = $1 WHERE id = $2", "A0001").await;
    assert!(world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await.ends_with("/exams"));
    let one = world.open("ClinicExam", &[("AccessionNumber", "A0001"), ("OrganizationID", "ORG-T02")]).await;
    assert!(one.ends_with(&Exam::new(4).uid()), "{one}");
}

#[tokio::test]
async fn d_p16_a_number_that_many_patients_share_leads_to_few_of_them() {
    let config = PagesConfig { related_patients: 2, ..PagesConfig::default() };
    let world = five(TestDatabase::sqlite(), region(), config).await;
    world.execute("UPDATE exam_report SET event_no = 'E0'", vec![]).await;
    assert_eq!(listed(&world, "RelatedExamList", &[("MedRecNO", "E0")]).await.len(), 2);
}

#[tokio::test]
async fn d_p18_what_is_missing_is_replaced_in_order_with_a_notice() {
    let world = plain().await;
    let key = ("AccessionNumber", "A0001");
    let open = |show: &'static str| {
        let world = &world;
        async move {
            let exam = world.open("ClinicExam", &[key, ("ShowType", show)]).await;
            world.get(&exam).await.text()
        }
    };
    for show in ["0", "", "9"] {
        let text = open(show).await;
        assert!(text.contains("没有图文报告文件，已显示文字报告") && text.contains("小结节"), "{show}");
    }
    let data = open("2").await;
    assert!(data.contains("本检查没有所请求的内容") && data.contains("小结节"));
    assert!(!open("1").await.contains("class=\"notice\""));
    assert!(open("4").await.contains("aria-current=\"page\">申请单"));
    let only = open("3").await;
    assert!(only.contains("没有可显示的内容") && !only.contains("小结节"));
}

#[tokio::test]
async fn d_p22_a_form_narrows_and_cannot_leave_the_patient() {
    let world = plain().await;
    let list = world.open("ClinicExamView", &[ID]).await;
    assert!(world.search(&list, "name=&type=").await.text().contains("A0001"));
    let other = world.search(&list, "accession=A0002").await.text();
    assert!(other.contains("没有符合条件的检查") && !other.contains("胸部CT"));
    let without_form = world.open("ClinicExamList", &[ID]).await;
    assert!(!world.get(&without_form).await.text().contains("<form"));
    assert_eq!(world.post(&without_form, "accession=A0002").await.status, 404);
}

#[tokio::test]
async fn d_p22_free_search_leaves_the_patient_when_the_form_asks_and_never_by_a_link() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let free = Customer { free_search: true, ..customer() };
        let world = World::with(database, free, PagesConfig::default()).await;
        for id in 1..=3 {
            world.exam(Exam::new(id)).await;
        }
        for sql in [
            "UPDATE exam_report SET id_no = '99010119850512002X', name = '测试乙' WHERE id = 2",
            "UPDATE exam_report SET patient_id = 'P0002', patient_local_id = 'L0002' WHERE id = 2",
        ] {
            world.execute(sql, vec![]).await;
        }
        for page in ["ClinicExamView", "ClinicExamList", "RelatedExamList"] {
            assert_eq!(listed(&world, page, &[ID]).await, [1, 3], "{page}");
        }
        let exam = world.open("ClinicExam", &[("AccessionNumber", "A0002")]).await;
        assert!(exam.ends_with(&Exam::new(2).uid()), "one exam is one exam: {exam}");
        let other = exam.replace(&Exam::new(2).uid(), &Exam::new(1).uid());
        assert_eq!(world.get(&other).await.status, 404);
        assert_eq!(world.get(&link("ClinicExam", &[("AccessionNumber", "A9999")])).await.status, 404);

        let view = world.open("ClinicExamView", &[ID]).await;
        assert!(!world.get(&view).await.text().contains("全部患者"));
        let searched = world.search(&view, "accession=A0002").await.text();
        assert!(searched.contains("测试乙") && searched.contains("以下为全部患者中的查询结果"), "{searched}");
        assert!(world.search(&view, "from=2026-09-01").await.text().contains("测试乙"));
        let again = world.search(&view, "reset=1").await.text();
        assert!(!again.contains("测试乙") && again.contains("A0003"), "{again}");
        let mistaken = world.search(&view, "from=yesterday").await.text();
        assert!(!mistaken.contains("测试乙"), "what cannot be read leaves nothing");
        let unknown = world.open("ClinicExamView", &[("MedRecNO", "E9999")]).await;
        assert!(world.get(&unknown).await.text().contains("没有符合条件的检查"));
    }
}

#[tokio::test]
async fn d_p23_who_may_know_is_told_how_many_are_restricted_and_others_are_not() {
    for (customer, told) in [(Customer { restricted_count: true, ..region() }, true), (region(), false)] {
        let world = World::for_customer(customer).await;
        world.exam(Exam::new(1)).await;
        world.exam(Exam { organization: "ORG-T02", vip: true, ..Exam::new(2) }).await;
        let text = world.get(&world.open("ClinicExamView", &[ID]).await).await.text();
        assert!(text.contains("A0001") && !text.contains("A0002"));
        assert_eq!(text.contains("未显示：1"), told, "{text}");
    }
}

#[tokio::test]
async fn d_r18_a_report_that_is_withdrawn_while_it_is_read_is_said_to_be() {
    let world = plain().await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    assert_eq!(world.get(&exam).await.status, 200);
    world.execute("UPDATE exam_report SET withdrawn = 1 WHERE id IN (1, 2)", vec![]).await;
    let answer = world.get(&exam).await;
    assert_eq!(answer.status, 410);
    assert!(answer.text().contains("已撤回") && !answer.text().contains("小结节"));
    let other = exam.replace(&Exam::new(1).uid(), &Exam::new(2).uid());
    assert_eq!(world.get(&other).await.status, 404, "of an exam that was never its own the session learns nothing");
    assert_eq!(world.get(&link("ClinicExam", &[("AccessionNumber", "A0001")])).await.status, 404);
}

#[tokio::test]
async fn prior_exams_stand_beside_only_where_the_customer_has_them() {
    for (customer, opens) in [(Customer { prior_exams: true, ..customer() }, true), (customer(), false)] {
        let world = World::for_customer(customer).await;
        world.exam(Exam::new(1)).await;
        world.exam(Exam { pacs_id: "A0002".to_owned(), ..Exam::new(2) }).await;
        let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
        let text = world.get(&exam).await.text();
        let other = exam.replace(&Exam::new(1).uid(), &Exam::new(2).uid());
        assert_eq!(text.contains(&format!("href=\"{other}\"")), opens, "{text}");
        assert_eq!(world.get(&other).await.status, if opens { 200 } else { 404 });
    }
}

#[tokio::test]
async fn without_the_permission_nothing_is_opened_or_saved_but_on_the_page() {
    let world =
        World::for_customer(Customer { download: Permission::Denied, print: Permission::Denied, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    world.report_file(1, "image/jpeg", vec![0xFF, 0xD8, 0xFF, 0xE0, 1], 1).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    let text = world.get(&exam).await.text();
    assert!(text.contains("/report/page/1.png") && !text.contains("/report/original") && !text.contains("data-print"));
    assert!(text.contains("class=\"no-print\""));
    assert_eq!(world.get(&format!("{exam}/report/page/1.png")).await.status, 200);
    for path in ["/report/original", "/report/original?download=1", "/report/stamped"] {
        assert_eq!(world.get(&format!("{exam}{path}")).await.status, 403, "{path}");
    }
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'download_report'").await, 0);
}

#[tokio::test]
async fn versions_are_listed_shown_and_recorded_unreviewed_ones_for_the_own_organisation() {
    for (home, seen) in [("ORG-T01", vec![1, 2]), ("ORG-T02", vec![2])] {
        let world = World::for_customer(Customer { organization: home.to_owned(), ..region() }).await;
        world.exam(Exam::new(1)).await;
        for (version, state, text) in [(1, "2", "旧文字<b>一"), (2, "3", "旧文字二")] {
            let content = serde_json::json!({ "state": state, "image_descr": text }).to_string();
            let sql = "INSERT INTO report_version (id, kind, report_pk, version, content, replaced_at) \
                       VALUES ($1, 'exam', 1, $1, $2, 1780711200000)";
            world.execute(sql, params![i64::from(version), content]).await;
        }
        let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
        let page = world.get(&exam).await.text();
        for version in [1, 2] {
            let shown = page.contains(&format!("?tab=text&amp;version={version}"))
                || page.contains(&format!("?tab=text&#38;version={version}"));
            assert_eq!(shown, seen.contains(&version), "{version} for {home}: {page}");
            let old = world.get(&format!("{exam}?tab=text&version={version}")).await;
            assert_eq!(old.status, if seen.contains(&version) { 200 } else { 404 });
        }
        let old = world.get(&format!("{exam}?tab=text&version=2")).await.text();
        assert!(old.contains("旧版报告") && old.contains("旧文字二") && !old.contains("小结节"), "{old}");
        assert_eq!(
            world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'view_version'").await,
            seen.len() as i64 + 1
        );
    }
}

#[tokio::test]
async fn d_p1_to_d_p3_aliases_are_one_parameter_and_a_stray_cell_is_none() {
    let world = plain().await;
    let at = super::world::NOW_S.to_string();
    let open = |names: [&'static str; 2], extra: Option<(&'static str, &'static str)>| {
        let mut values = vec![(names[0], super::world::GUID), ("UserID", "u01"), (names[1], "测试医生甲")];
        values.extend(extra);
        values.extend([ID, ("Timestamp", at.as_str())]);
        format!("/IDCAS/Interface/ClinicExamList?{}", yingku::domain::token::sign(&values, super::world::SECRET))
    };
    for names in [["CustomerGuid", "UserName"], ["UserUID", "UserPwd"], ["useruid", "USERNAME"]] {
        let answer = world.get(&open(names, Some(("a", "MR0009")))).await;
        assert_eq!(answer.status, 302, "{names:?}");
        let text = world.get(answer.header("location")).await.text();
        assert!(text.contains("A0001") && text.contains("测试医生甲"), "{names:?}");
    }
    let both = open(["UserUID", "UserName"], Some(("CustomerGuid", "22222222-2222-4333-8444-555555555555")));
    assert_eq!(world.get(&both).await.status, 400, "two customers in one link");
}

#[tokio::test]
async fn d_p15_a_user_of_no_organisation_is_of_the_customers_own() {
    let world = five(TestDatabase::sqlite(), region(), PagesConfig::default()).await;
    world.execute("UPDATE exam_report SET reviewed = 0, state = '2' WHERE id IN (1, 4)", vec![]).await;
    let keys = [ID, ("CardNO", "C4")];
    assert_eq!(listed(&world, "ClinicExamList", &keys).await, [1], "unreviewed ones are for the own organisation");
    let elsewhere = [ID, ("CardNO", "C4"), ("UserOrganizationID", "ORG-T02")];
    assert_eq!(listed(&world, "ClinicExamList", &elsewhere).await, [1], "what a link says of itself widens nothing");
}

#[tokio::test]
async fn d_t11_only_a_signature_that_covers_names_says_which_organisation_is_the_users_own() {
    let customer = Customer { scope: VisibleScope::Listed, organizations: vec!["ORG-T02".to_owned()], ..customer() };
    let world = five(TestDatabase::sqlite(), customer, PagesConfig::default()).await;
    world.execute("UPDATE exam_report SET reviewed = 0, state = '2' WHERE id IN (1, 4)", vec![]).await;
    let at = super::world::NOW_S.to_string();
    for (organization, by_token, by_sign) in [("ORG-T01", 1, 1), ("ORG-T02", 1, 4), ("ORG-T09", 1, 1)] {
        let keys = [ID, ("CardNO", "C4"), ("UserOrganizationID", organization)];
        assert_eq!(listed(&world, "ClinicExamList", &keys).await, [by_token], "{organization}");
        let mut values = vec![("CustomerGuid", super::world::GUID), ("UserID", "u01")];
        values.extend(keys);
        values.push(("Timestamp", at.as_str()));
        let query = sign_by_hmac(Page::ClinicExamList, &values, super::world::SECRET);
        let answer = world.get(&format!("/IDCAS/Interface/ClinicExamList?{query}")).await;
        assert_eq!(answer.status, 302, "{organization}");
        let text = world.get(answer.header("location")).await.text();
        let seen: Vec<i64> = (1..=9).filter(|id| text.contains(&format!("A{id:04}"))).collect();
        assert_eq!(seen, [by_sign], "{organization}");
    }
}

#[tokio::test]
async fn d_p20_an_exam_is_opened_by_its_id_in_any_spelling() {
    let world = plain().await;
    let uid = Exam::new(1).uid();
    for spelling in [uid.clone(), uid.to_uppercase(), format!("{{{uid}}}"), uid.replace('-', "")] {
        let exam = world.open("ClinicExam", &[("ObservationUID", &spelling)]).await;
        assert!(exam.ends_with(&uid), "{spelling}");
    }
    assert_eq!(world.get(&link("ClinicExam", &[("ObservationUID", "x")])).await.status, 400);
}
