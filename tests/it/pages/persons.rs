//! The same person's exams in other organisations (D-P16, D-X9), and the master number.

use yingku::domain::customer::{Customer, VisibleScope};
use yingku::params;

use super::world::{Exam, World, customer};
use crate::harness::TestDatabase;

/// One person in two organisations, and somebody of another name under the second's other number.
async fn world(database: TestDatabase, scope: VisibleScope) -> World {
    let world = World::with(database, Customer { scope, ..customer() }, Default::default()).await;
    world.exam(Exam::new(1)).await;
    for (id, patient, item) in [(2, "P0777", "腹部超声"), (3, "P0888", "足部X线")] {
        world.exam(Exam { organization: "ORG-T02", ..Exam::new(id) }).await;
        let sql = "UPDATE exam_report SET patient_id = $1, patient_local_id = $2, exam_item_name = $3 WHERE id = $4";
        world.execute(sql, params![patient, format!("L{patient}"), item, id]).await;
    }
    world.execute("UPDATE exam_report SET name = '测试乙', id_no = NULL WHERE id = 3", params![]).await;
    while world.archive.keep_people("test", 50).await.unwrap() {}
    world
}

#[tokio::test]
async fn d_p16_related_exams_of_the_same_person_come_from_other_organisations_too() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = world(database, VisibleScope::Region).await;

        let list = world.get(&world.open("RelatedExamList", &[("AccessionNumber", "A0001")]).await).await.text();

        assert!(list.contains("胸部CT平扫") && list.contains("腹部超声") && !list.contains("足部X线"), "{list}");
    }
}

#[tokio::test]
async fn d_p16_a_person_widens_what_is_looked_for_and_not_what_may_be_seen() {
    let world = world(TestDatabase::sqlite(), VisibleScope::Own).await;

    let list = world.get(&world.open("RelatedExamList", &[("AccessionNumber", "A0001")]).await).await.text();

    assert!(list.contains("胸部CT平扫") && !list.contains("腹部超声"), "{list}");
}

#[tokio::test]
async fn a_master_number_finds_the_person_in_any_spelling() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres()] {
        let world = world(database, VisibleScope::Region).await;
        let sql = "SELECT master_id AS t FROM person JOIN patient_record r ON r.person_pk = person.id \
                   WHERE r.patient_id = 'P0777' AND r.origin = 'report'";
        let master_id = world.index.query_opt(sql, params![]).await.unwrap().unwrap().text("t").unwrap();

        for spelling in [master_id.clone(), format!("{{{}}}", master_id.to_uppercase())] {
            let list = world.get(&world.open("ClinicExamList", &[("PatientMasterID", &spelling)]).await).await.text();
            assert!(list.contains("胸部CT平扫") && list.contains("腹部超声") && !list.contains("足部X线"), "{list}");
        }
        let none = world.open("ClinicExamList", &[("PatientMasterID", "MPI-0001")]).await;
        assert!(world.get(&none).await.text().contains("没有符合条件的检查"));
    }
}
