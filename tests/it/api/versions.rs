//! Earlier versions of a report, under the rules of the pages (D-R8, D-P24, D-R18).

use serde_json::Value;
use yingku::domain::Clock;

use super::world::{HOSPITAL, NOW, PRIVILEGED, REGION, World, exam, lab, line, members};
use crate::each_database;

async fn path_of(world: &World, key: &str, filter: &str) -> String {
    let list = world.found(key, &format!("/api/v1/reports?organization=ORG-T02&{filter}")).await;
    let id = list["reports"][0]["id"].as_str().unwrap_or_else(|| panic!("{list}")).to_owned();
    format!("/api/v1/reports/{id}/versions")
}

fn conclusions(told: &Value) -> Vec<String> {
    members(&told["versions"], &["fields", "conclusion"])
}

each_database! {
    async fn d_r8_what_an_exam_report_said_before_is_told_to_those_who_might_read_it(database: TestDatabase) {
        let world = World::start(database).await;
        let send = async |hour: i64, changed: &[(&str, &str)]| {
            let stamp = format!("2024/3/23 {hour}:00:00");
            let own = [("org_code", "ORG-T02"), ("last_update_dtime", stamp.as_str())];
            world.register(&[exam(&[&own[..], changed].concat())]).await;
        };
        send(1, &[("state", "2"), ("conclusion", "初步"), ("reportfilepath", "http://127.0.0.1:1/of-the-hospital.pdf")]).await;
        send(2, &[("state", "3"), ("conclusion", "一")]).await;
        send(3, &[("state", "4"), ("conclusion", "二")]).await;

        let path = path_of(&world, HOSPITAL, "report_form_no=EX0001").await;
        let own = world.found(HOSPITAL, &path).await;
        assert_eq!(conclusions(&own), ["一", "初步"]);
        let finals: Vec<&Value> = own["versions"].as_array().unwrap().iter().map(|one| &one["final"]).collect();
        assert_eq!(finals, [true, false]);
        assert!(!own.to_string().contains("of-the-hospital.pdf"), "the address of the file is nobody else's business");
        assert_eq!(own["versions"][0]["version"], 2);
        let region = world.found(REGION, &path).await;
        assert_eq!(conclusions(&region), ["一"], "d_p24: what was not final is for the own institution");
        assert_eq!(world.audits("pull_versions").await.len(), 2);

        send(4, &[("state", "4"), ("conclusion", "二"), ("data_status", "0")]).await;
        for key in [HOSPITAL, REGION] {
            assert_eq!(world.refused(key, &path).await, (410, "E4004".to_owned()));
        }
        send(5, &[("state", "4"), ("conclusion", "三"), ("data_status", "1")]).await;
        let back = world.found(REGION, &path).await;
        assert_eq!(conclusions(&back), ["-", "二", "一"]);
        assert_eq!(back["versions"][0]["withdrawn"], true, "d_r18: nothing is told of what was withdrawn");
        assert_eq!(back["versions"][0]["fields"], Value::Null);

        send(6, &[("state", "4"), ("conclusion", "三"), ("xman_type", "1")]).await;
        assert_eq!(world.refused(REGION, &path).await, (404, "E4003".to_owned()));
        assert_eq!(conclusions(&world.found(PRIVILEGED, &path).await).len(), 4);
        assert_eq!(world.refused(REGION, &format!("{path}?limit=1")).await, (400, "E4005".to_owned()));
    }

    async fn d_r8_a_corrected_result_of_a_laboratory_is_told(database: TestDatabase) {
        let clock = Clock::fixed(NOW);
        let world = World::start_with(database, clock.clone(), |_| ()).await;
        let own = ("org_code", "ORG-T02");
        world.register(&[lab(&[own]), line("1", &[own])]).await;
        clock.set(NOW + 3_600_000);
        let newer = ("last_update_dtime", "2024/3/24 0:00:00");
        world.register(&[line("1", &[own, newer, ("result_value", "1.28")])]).await;

        let told = world.found(REGION, &path_of(&world, REGION, "report_form_no=LB0001").await).await;

        assert_eq!(told["versions"].as_array().unwrap().len(), 1, "{told}");
        let version = &told["versions"][0];
        assert_eq!((&version["fields"]["class_code"], &version["final"]), (&"G003".into(), &true.into()));
        assert_eq!(members(&version["items"], &["result_value"]), ["5.1"]);
        assert_eq!(version["replaced_at"], "2024-03-24T15:40:00+08:00");
    }
}
