//! Numbers of orders in links (table E.6): a study whose report is not registered yet is found by those that images name.

use yingku::demo;
use yingku::params;

use super::world::{NOW_S, World, customer};
use crate::each_database;

each_database! {
    async fn a_study_without_a_report_is_found_by_the_fillers_number(database: TestDatabase) {
        let world = World::with(database, customer(), Default::default()).await;
        let exams = demo::exams(NOW_S * 1000);
        let ct = exams.iter().find(|exam| exam.kind == demo::Kind::CtWithFilm).unwrap();
        world.store(&demo::object(ct, 1).unwrap(), None).await;
        world.execute("UPDATE study SET accession_number = 'ACC77'", params![]).await;
        world.execute("DELETE FROM series_request", params![]).await;
        for org in ["ORG-T01", "ORG-T09"] {
            // Somebody else's request has the same number.
            let sql = "INSERT INTO series_request (series_pk, item, org_code, step_id, procedure_id) \
                       SELECT id, CASE WHEN $1 = 'ORG-T01' THEN 1 ELSE 2 END, $1, 'SPS5', 'RP5' FROM series";
            world.execute(sql, params![org]).await;
        }
        for (name, value, is_found) in [
            ("FillerOrderNO", "ACC77", true),
            ("FillerOrderNO", "RP5", true),
            ("FillerOrderNO", "SPS5", false),
            ("FillerOrderNO", "ACC78", false),
            ("PlacerOrderNO", "ACC77", false),
        ] {
            let list = world.get(&world.open("ClinicExamList", &[(name, value)]).await).await.text();
            assert_eq!(list.contains("ACC77"), is_found, "{name}={value}: {list}");
        }
    }
}
