//! A lab item over time (RD-23, D-S11), and what recognition marks mean (D-R17).

use yingku::domain::Actor;
use yingku::domain::customer::{Customer, VisibleScope};
use yingku::domain::dictionary::{Entry, LAB_ITEM, RECOGNITION};
use yingku::params;

use super::world::{World, customer};
use crate::harness::TestDatabase;

const ID: (&str, &str) = ("IDCardNO", "990101199001010019");

#[tokio::test]
async fn d_s11_a_result_leads_to_its_values_over_time_as_picture_and_json() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world =
            World::with(database, Customer { scope: VisibleScope::Region, ..customer() }, Default::default()).await;
        let shown = world.lab(1, &[("白细胞", "5.1", "3.5", "9.5"), ("血红蛋白", "130", "", "")]).await;
        world.lab(2, &[("白细胞", "<0.5", "3.5", "9.5")]).await;
        world.lab(3, &[("白细胞", "溶血", "3.5", "9.5")]).await;
        world.lab(4, &[("白细胞", "99.9", "", "")]).await;
        world.execute("UPDATE lab_report SET observed_at = '2026-08-01 09:00:00' WHERE id = 2", params![]).await;
        world.execute("UPDATE lab_report SET patient_id = 'P0999' WHERE id = 4", params![]).await;
        let root = world.open("ClinicExamList", &[ID]).await.replace("/exams", "");

        let page = world.get(&format!("{root}/exam/{shown}?tab=lab")).await.text();
        let href = format!("{root}/exam/{shown}/trend?item=0");
        assert!(page.contains(&format!("href=\"{href}\"")), "{page}");
        let json: serde_json::Value =
            serde_json::from_slice(&world.get(&format!("{href}&format=json")).await.body).unwrap();
        assert_eq!((json["item"].as_str(), json["unread"].as_i64()), (Some("白细胞"), Some(1)));
        let points = json["series"][0]["points"].as_array().unwrap();
        let values: Vec<_> =
            points.iter().map(|p| (p["text"].as_str().unwrap(), p["limit"].as_str().unwrap())).collect();
        assert_eq!(values, [("<0.5", "<"), ("5.1", "")], "another patient's 99.9 is not among them");
        let shown_page = world.get(&href).await;
        assert_eq!((shown_page.status, shown_page.header("content-type")), (200, "text/html; charset=utf-8"));
        let text = shown_page.text();
        assert!(text.contains(&format!("href=\"{root}/exam/{shown}?tab=lab\"")), "the way back: {text}");
        assert!(text.contains("&#60;0.5") && text.contains("当前报告"), "the values as a table: {text}");
        let picture = world.get(&format!("{href}&format=svg")).await;
        assert_eq!((picture.status, picture.header("content-type")), (200, "image/svg+xml"));
        assert!(picture.text().contains("白细胞") && picture.text().matches("<circle").count() == 2);

        assert_eq!(json["truncated"], false);
        // The other report's code is another one, which means the same by the dictionary.
        let sql = "UPDATE lab_item SET class_code = CASE lab_report_pk WHEN 1 THEN 'WBC' ELSE '1001' END \
                   WHERE class_local_name = '白细胞'";
        world.execute(sql, params![]).await;
        let one = async || {
            let json = world.get(&format!("{href}&format=json")).await.body;
            let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
            json["series"][0]["points"].as_array().unwrap().len()
        };
        assert_eq!(one().await, 1);
        let entry = Entry { code: "WBC".into(), meaning: "白细胞计数".into(), aliases: vec!["1001".into()] };
        let imported = vec![(LAB_ITEM.to_owned(), vec![entry])];
        world.archive.import_dictionaries(Actor::system("test"), imported).await.unwrap();
        assert_eq!(one().await, 2);

        assert_eq!(world.get(&format!("{root}/exam/{shown}/trend?item=9")).await.status, 404);
        let other = format!("/t/{}/exam/{shown}/trend?item=0", "0".repeat(32));
        assert_eq!(world.get(&other).await.status, 403);
    }
}

#[tokio::test]
async fn d_r40_results_with_units_are_flagged_the_same_in_the_table_and_over_time() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = World::with(database, customer(), Default::default()).await;
        let shown = world.lab(1, &[("白细胞镜检", "3/HP", "", "2/HP"), ("乙肝病毒", ">50000", "", "14")]).await;
        let root = world.open("ClinicExamList", &[ID]).await.replace("/exams", "");
        let flags = async |path: &str| {
            let page = world.get(&format!("{root}/exam/{shown}{path}")).await.text();
            let cells = page.split("class=\"flag\">").skip(1);
            cells.map(|cell| cell.split('<').next().unwrap().trim().to_owned()).collect::<Vec<String>>()
        };
        for (word, expected) in [("", "↑"), ("N", ""), ("偏低", "↓")] {
            let sql = "UPDATE lab_item SET result_interpre = $1";
            world.execute(sql, params![word]).await;
            assert_eq!(flags("?tab=lab").await, [expected, expected], "{word}");
            for line in [0, 1] {
                assert_eq!(flags(&format!("/trend?item={line}")).await, [expected], "{word}");
            }
        }
    }
}

#[tokio::test]
async fn d_r36_results_without_numbers_are_shown_as_they_came_and_lead_to_their_own_values() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = World::with(database, customer(), Default::default()).await;
        let items = [("白细胞", "5.1", "", ""), ("钾", "4.2", "", ""), ("钠", "140", "", ""), ("氯", "101", "", "")];
        let shown = world.lab(1, &items).await;
        // Two of them came with numbers, for the others the registration made some of their codes.
        let sql = "UPDATE lab_item SET serial_no = CASE class_local_name WHEN '白细胞' THEN 'WBC#1' WHEN '钾' THEN 'K#1' \
                   WHEN '钠' THEN '10' ELSE '9' END";
        world.execute(sql, params![]).await;
        let root = world.open("ClinicExamList", &[ID]).await.replace("/exams", "");

        let page = world.get(&format!("{root}/exam/{shown}?tab=lab")).await.text();

        let places = ["氯", "钠", "白细胞", "钾"].map(|name| page.find(&format!(">{name}<")).expect(name));
        assert!(places.is_sorted(), "{places:?} {page}");
        for (line, name) in ["氯", "钠", "白细胞", "钾"].into_iter().enumerate() {
            let trend = world.get(&format!("{root}/exam/{shown}/trend?item={line}&format=json")).await;
            let json: serde_json::Value = serde_json::from_slice(&trend.body).unwrap();
            assert_eq!(json["item"].as_str(), Some(name));
        }
    }
}

#[tokio::test]
async fn d_r17_recognition_is_shown_only_when_a_dictionary_says_what_it_means() {
    let world = World::start().await;
    let shown = world.lab(1, &[("白细胞", "5.1", "3.5", "9.5")]).await;
    world.execute("UPDATE lab_item SET recognition = '3'", params![]).await;
    let root = world.open("ClinicExamList", &[ID]).await.replace("/exams", "");
    let page = format!("{root}/exam/{shown}?tab=lab");
    assert!(!world.get(&page).await.text().contains("HR"));

    let entry = Entry { code: "3".into(), meaning: "全国HR".into(), aliases: Vec::new() };
    let imported = vec![(RECOGNITION.to_owned(), vec![entry])];
    world.archive.import_dictionaries(Actor::system("test"), imported).await.unwrap();

    assert!(world.get(&page).await.text().contains("全国HR"));
}
