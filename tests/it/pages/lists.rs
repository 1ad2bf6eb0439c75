//! Lists: sorted, in parts, counted, marked, in two languages, and without patient data in addresses.

use yingku::demo;
use yingku::domain::customer::{Customer, Unreviewed, VisibleScope};
use yingku::params;
use yingku::web::pages::{PagesConfig, PagesLanguage};

use super::world::{Exam, NOW_S, World, customer};
use crate::harness::TestDatabase;

const ID: (&str, &str) = ("IDCardNO", "990101199001010019");

/// The numbers of the exams, and of lab reports from 7 on, in the order of the page.
fn order(text: &str) -> Vec<i64> {
    let exams = (1..=5).map(|id| (id, format!("A{id:04}")));
    let labs = (7..=8).map(|id| (id, format!(">LAB{id}<")));
    let mut found: Vec<(usize, i64)> =
        exams.chain(labs).filter_map(|(id, text_of)| Some((text.find(&text_of)?, id))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, id)| id).collect()
}

fn next(text: &str) -> Option<String> {
    let link = text.split("rel=\"next\"").next()?.rsplit("href=\"").next()?.split('"').next()?;
    text.contains("rel=\"next\"").then(|| link.replace("&#38;", "&").replace("&amp;", "&"))
}

async fn world(database: TestDatabase) -> World {
    let config = PagesConfig { page_size: 2, ..PagesConfig::default() };
    let world = World::with(database, Customer { scope: VisibleScope::Region, ..customer() }, config).await;
    for (id, organization, title, class) in [
        (1, "ORG-T02", "C-CT", "CT"),
        (2, "ORG-T01", "B-US", "US"),
        (3, "ORG-T02", "A-MR", "MR"),
        (4, "ORG-T01", "B-US", "US"),
        (5, "ORG-T01", "D-DX", "DX"),
    ] {
        world.exam(Exam { organization, ..Exam::new(id) }).await;
        let sql = "UPDATE exam_report SET exam_item_name = $1, modality = $2, class_code = $2 WHERE id = $3";
        world.execute(sql, params![title, class, id]).await;
    }
    world
}

#[tokio::test]
async fn a_list_is_sorted_by_each_column_both_ways_and_comes_in_parts_without_a_name_in_any_address() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = world(database).await;
        let list = world.open("ClinicExamList", &[ID]).await;
        for (query, expected) in [
            ("", vec![5, 4, 3, 2, 1]),
            ("?order=asc", vec![1, 2, 3, 4, 5]),
            ("?by=title", vec![3, 2, 4, 1, 5]),
            ("?by=title&order=desc", vec![5, 1, 4, 2, 3]),
            ("?by=type", vec![1, 5, 3, 2, 4]),
            ("?by=hospital", vec![2, 4, 5, 1, 3]),
            ("?by=name&order=desc", vec![5, 4, 3, 2, 1]),
            ("?by=nonsense&order=sideways", vec![5, 4, 3, 2, 1]),
        ] {
            assert_eq!(walked(&world, &list, query).await, expected, "{query}");
        }
        let text = world.get(&format!("{list}?by=title")).await.text();
        assert!(text.contains("aria-sort=\"ascending\"") && text.contains("by=title&#38;order=desc"), "{text}");
    }
}

/// The numbers of all parts, one behind the other.
async fn walked(world: &World, list: &str, query: &str) -> Vec<i64> {
    let (mut walked, mut part) = (Vec::new(), Some(query.to_owned()));
    while let Some(query) = part {
        assert!(!query.contains("US") && !query.contains("%E6"), "neither title nor name: {query}");
        let text = world.get(&format!("{list}{query}")).await.text();
        walked.extend(order(&text));
        part = next(&text);
    }
    walked
}

#[tokio::test]
async fn the_form_narrows_to_a_hospital_to_a_state_and_to_what_is_critical() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = world(database).await;
        world.lab(7, &[("钾", "7.2", "3.5", "5.5"), ("钠", "140", "", "")]).await;
        world.lab(8, &[("白细胞", "12", "4", "10")]).await;
        for sql in [
            "UPDATE lab_item SET result_interpre = 'hh' WHERE class_local_name = '钾'",
            "UPDATE lab_item SET result_interpre = 'H' WHERE class_local_name = '白细胞'",
            "UPDATE exam_report SET state = '2', reviewed = 0, is_abnormal = '阳性' WHERE id = 2",
            "UPDATE exam_report SET state = NULL, is_abnormal = '危急值' WHERE id = 3",
            "UPDATE exam_report SET is_abnormal = ' aa ' WHERE id = 5",
        ] {
            world.execute(sql, vec![]).await;
        }
        let list = world.open("ClinicExamView", &[ID]).await;
        let text = world.get(&list).await.text();
        assert!(
            text.contains("<option value=\"ORG-T02\">示例二院</option>") && text.contains("示例医院</option>"),
            "{text}"
        );
        for (form, query, expected) in [
            ("hospital=ORG-T02", "", vec![3, 1]),
            ("hospital=ORG-T01", "", vec![8, 7, 5, 4, 2]),
            ("hospital=ORG-T01&type=US", "?order=asc", vec![2, 4]),
            ("hospital=ORG-T99", "", vec![]),
            ("state=written", "", vec![2]),
            ("state=reviewed", "", vec![5, 4, 3, 1]),
            ("state=published", "", vec![8, 7]),
            ("state=unreported", "", vec![]),
            ("state=nonsense", "", vec![8, 7, 5, 4, 3, 2, 1]),
            ("critical=1", "", vec![7, 5, 3]),
            ("critical=1", "?order=asc", vec![3, 5, 7]),
            ("critical=1&state=reviewed&hospital=", "?by=title", vec![3, 5]),
            ("critical=1&hospital=ORG-T02", "", vec![3]),
        ] {
            let text = world.search(&list, form).await.text();
            assert!(text.contains(&format!("共 <b>{}</b>", expected.len())), "{form}: {text}");
            assert_eq!(walked(&world, &list, query).await, expected, "{form}");
        }
        // What narrows the list is seen in the form, and a reset takes it all away.
        let text = world.search(&list, "critical=1&hospital=ORG-T02&state=reviewed").await.text();
        assert!(text.contains("value=\"ORG-T02\" selected") && text.contains("value=\"reviewed\" selected"), "{text}");
        assert!(text.contains("name=\"critical\" type=\"checkbox\" value=\"1\" checked"), "{text}");
        let text = world.search(&list, "critical=1&reset=1").await.text();
        assert!(text.contains("共 <b>7</b>") && !text.contains(" checked") && !text.contains(" selected"), "{text}");
    }
}

#[tokio::test]
async fn the_form_offers_no_choice_where_there_is_none() {
    let world = World::for_customer(Customer { unreviewed: Unreviewed::Hidden, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    world.exam(Exam { organization: "ORG-T02", ..Exam::new(2) }).await;
    let text = world.get(&world.open("ClinicExamView", &[ID]).await).await.text();
    assert!(!text.contains("id=\"hospital\"") && text.contains("value=\"reviewed\""), "its own hospital only: {text}");
    assert!(
        !text.contains("value=\"written\"") && !text.contains("value=\"unreported\""),
        "it never sees them: {text}"
    );
}

#[tokio::test]
async fn among_all_patients_what_is_critical_is_looked_for_in_a_month_and_the_page_says_so() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let free = Customer { free_search: true, ..customer() };
        let world = World::with(database, free, PagesConfig::default()).await;
        world.exam(Exam { observed_at: "2026-07-01 08:30:00".to_owned(), ..Exam::new(1) }).await;
        world.exam(Exam::new(2)).await;
        world.exam(Exam::new(3)).await;
        world.execute("UPDATE exam_report SET is_abnormal = '危急' WHERE id <> 3", vec![]).await;
        let list = world.open("ClinicExamView", &[ID]).await;
        for (form, expected, since) in [
            ("critical=1", vec![2], Some("2026-08-21")),
            ("critical=1&from=2026-09-01", vec![2], None),
            ("critical=1&from=2026-06-20&to=2026-07-02", vec![1], None),
            ("critical=1&to=2026-08-31", vec![], Some("2026-07-31")),
            ("state=reviewed", vec![3, 2], Some("2026-08-21")),
            ("type=CT", vec![3, 2, 1], None),
        ] {
            let text = world.search(&list, form).await.text();
            assert_eq!(order(&text), expected, "{form}: {text}");
            let said = since.map(|day| format!("本次起始日期：{day}"));
            assert_eq!(text.contains("本次起始日期"), said.is_some(), "{form}: {text}");
            assert!(said.is_none_or(|said| text.contains(&said)), "{form}: {text}");
        }
        // A name has an index of its own: nothing is left out.
        let named = world.search(&list, "critical=1&name=%E6%B5%8B%E8%AF%95%E7%94%B2").await.text();
        assert!(order(&named) == [2, 1] && !named.contains("本次起始日期"), "{named}");
    }
}

#[tokio::test]
async fn lists_say_how_many_there_are_and_what_is_critical() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = world(database).await;
        world.lab(7, &[("钾", "7.2", "3.5", "5.5"), ("钠", "140", "", "")]).await;
        world.execute("UPDATE lab_item SET result_interpre = 'HH' WHERE class_local_name = '钾'", vec![]).await;
        world.execute("UPDATE exam_report SET is_abnormal = '阳性' WHERE id = 5", vec![]).await;
        let list = world.open("ClinicExamList", &[ID]).await;
        let text = world.get(&list).await.text();
        assert!(
            text.contains("共 <b>6</b> 份") && text.contains("5 份检查报告") && text.contains("1 份检验报告"),
            "{text}"
        );
        assert_eq!((text.matches("label alarm").count(), text.matches("<tr class=\"critical\">").count()), (1, 1));
        assert_eq!(text.matches(">异常<").count(), 1);
        let lab = world.get(&list.replace("/exams", &format!("/exam/{}", super::world::uid(7)))).await.text();
        assert!(lab.contains("危急值") && lab.contains("钾 7.2 g/L"), "{lab}");
        assert!(lab.contains("该患者的其它检查"));
    }
}

#[tokio::test]
async fn a_list_marks_what_the_report_marks_whatever_else_the_laboratory_says() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = world(database).await;
        world.lab(7, &[("钾", "7.2", "", "")]).await;
        let list = world.open("ClinicExamList", &[ID]).await;
        let lab = list.replace("/exams", &format!("/exam/{}", super::world::uid(7)));
        for (code, text, is_critical, is_abnormal) in [
            ("", "危急值，请立即复查", true, false),
            ("hh", "", true, false),
            ("HH 复核", "", true, false),
            ("h", "已复核", false, true),
            ("", "偏高", false, true),
            ("", "阳性 复检", false, true),
            ("N", "正常", false, false),
            ("HHH", "高于", false, false),
        ] {
            let sql = "UPDATE lab_item SET result_interpre = $1, result_interpre_descr = $2";
            world.execute(sql, params![code, text]).await;
            let listed = world.get(&list).await.text();
            let shown = world.get(&lab).await.text();
            let said = format!("{code} {text}: {shown}");
            assert_eq!(listed.contains("label alarm"), is_critical, "{said}");
            assert_eq!(shown.contains("label alarm"), is_critical, "{said}");
            assert_eq!(listed.contains(">异常<"), is_abnormal, "{said}");
            assert_eq!(shown.contains("<tr class=\"abnormal"), is_critical || is_abnormal, "{said}");
        }
    }
}

#[tokio::test]
async fn a_list_marks_what_can_be_opened_and_nothing_else() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = world(database).await;
        // One that has only been registered, and recorded by an electrocardiograph; the others have their texts.
        let sql = "UPDATE exam_report SET state = '0', image_descr = NULL, conclusion = '' WHERE id = 4";
        world.execute(sql, vec![]).await;
        world.execute("DELETE FROM exam_report WHERE id NOT IN (2, 4)", vec![]).await;
        let exams = demo::exams(NOW_S * 1000);
        for (kind, exam) in [(demo::Kind::Ecg, 4), (demo::Kind::Us, 2)] {
            let of_kind = exams.iter().find(|one| one.kind == kind).unwrap();
            world.store(&demo::object(of_kind, 1).unwrap(), Some(exam)).await;
        }
        let list = world.open("ClinicExamList", &[ID]).await;
        let text = world.get(&list).await.text();
        let row = |number: &str| {
            let row =
                text.split("<tr>").find(|row| row.contains(number)).unwrap_or_else(|| panic!("{number} in {text}"));
            ["报告", "影像", "波形", "视频"].map(|mark| row.contains(&format!(">{mark}<")))
        };
        assert_eq!(row("A0004"), [false, false, true, false]);
        assert_eq!(row("A0002"), [true, true, false, false]);

        let exam = |id| list.replace("/exams", &format!("/exam/{}", super::world::uid(id)));
        let beside = world.get(&exam(2)).await.text();
        assert!(beside.contains("label blue\">波形<") && !beside.contains("label blue\">影像<"), "{beside}");
        let priors = async |id| {
            let json = world.get(&format!("{}/viewer.json", exam(id))).await.text();
            let described: serde_json::Value = serde_json::from_str(&json).unwrap();
            described["priors"].as_array().unwrap().len()
        };
        assert_eq!((priors(4).await, priors(2).await), (1, 0), "curves are no images to compare");
    }
}

#[tokio::test]
async fn an_empty_list_says_so_and_why() {
    let world = World::start().await;
    let text = world.get(&world.open("ClinicExamList", &[("CardNO", "C9")]).await).await.text();
    assert!(text.contains("没有符合条件的检查") && text.contains("尚未上传") && text.contains("共 <b>0</b>"));
}

#[tokio::test]
async fn english_comes_by_parameter_by_choice_and_by_configuration_and_stays() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let list = world.open("ClinicExamList", &[ID, ("lang", "en")]).await;
    let text = world.get(&list).await.text();
    assert!(
        text.contains("<html lang=\"en\">") && text.contains("1 exam reports") && text.contains("胸部CT平扫"),
        "{text}"
    );
    let chosen = world.get(&format!("{list}?lang=zh")).await.text();
    assert!(chosen.contains("<html lang=\"zh-CN\">"));
    assert!(world.get(&list).await.text().contains("检查列表"), "the session keeps it");

    let config = PagesConfig { language: PagesLanguage::En, ..PagesConfig::default() };
    let world = World::with(TestDatabase::sqlite(), customer(), config).await;
    world.exam(Exam::new(1)).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    let text = world.get(&exam).await.text();
    assert!(text.contains("Findings") && text.contains("Requesting department"), "{text}");
}
