//! DICOMweb under a session: what its exams show, and nothing else (RD-18, RD-21).

use yingku::demo::{self, Kind};
use yingku::params;
use yingku::web::dicomweb::DicomwebConfig;

use super::world::{Exam, NOW_S, World};

const ID: (&str, &str) = ("IDCardNO", "990101199001010019");
const JSON: &str = "application/dicom+json";

/// Stores objects of three studies, each linked with the exam of its number; gives the Study Instance UIDs.
async fn three_studies(world: &World) -> Vec<String> {
    let exams = demo::exams(NOW_S * 1000);
    let mut studies = Vec::new();
    for (number, kind) in [(1, Kind::Dx), (2, Kind::Mr), (3, Kind::Us)] {
        let exam = exams.iter().find(|exam| exam.kind == kind).unwrap();
        let object = demo::object(exam, 1).unwrap();
        world.store(&object, Some(number)).await;
        let sql = "SELECT s.study_instance_uid AS uid FROM study s JOIN series r ON r.study_pk = s.id \
                   JOIN instance i ON i.series_pk = r.id WHERE i.sop_instance_uid = $1";
        let row = world.index.query_opt(sql, params![&object.sop_instance_uid]).await.unwrap().unwrap();
        studies.push(row.text("uid").unwrap());
    }
    studies
}

#[tokio::test]
async fn a_session_reads_the_studies_of_its_exams_and_no_others() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    world.exam(Exam { id_no: "990101198505050036", ..Exam::new(2) }).await;
    world.exam(Exam { withdrawn: true, ..Exam::new(3) }).await;
    let stored = three_studies(&world).await;
    let root = world.open("ClinicExamView", &[ID]).await.replace("/exams", "");

    let own = &stored[0];
    let found = world.get(&format!("{root}/dicom-web/studies?accept={JSON}")).await;
    assert_eq!(found.status, 200, "{}", found.text());
    let list: serde_json::Value = serde_json::from_str(&found.text()).unwrap();
    let studies: Vec<&str> =
        list.as_array().unwrap().iter().map(|s| s["0020000D"]["Value"][0].as_str().unwrap()).collect();
    assert_eq!(studies, [own]);
    let address = list[0]["00081190"]["Value"][0].as_str().unwrap();
    assert!(address.ends_with(&format!("{root}/dicom-web/studies/{own}")), "{address}");
    for path in ["", "/metadata", "/thumbnail", "/series", "/rendered"] {
        let answer = world.get(&format!("{root}/dicom-web/studies/{own}{path}?accept=*/*")).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    for other in &stored[1..] {
        for path in ["", "/metadata", "/thumbnail", "/rendered"] {
            let answer = world.get(&format!("{root}/dicom-web/studies/{other}{path}?accept=*/*")).await;
            assert_eq!(answer.status, 404, "{path}");
        }
        assert_eq!(world.get(&format!("{root}/dicom-web/studies/{other}/series?accept={JSON}")).await.status, 204);
        assert_eq!(
            world.get(&format!("{root}/dicom-web/studies?StudyInstanceUID={other}&accept={JSON}")).await.status,
            204
        );
    }
    assert_eq!(
        world.post(&format!("{root}/dicom-web/studies"), "x").await.status,
        403,
        "nothing is stored by a session"
    );
    assert_eq!(world.get("/dicom-web/studies").await.status, 401, "a session is no key");
    let views = "SELECT COUNT(*) AS n FROM audit WHERE action = 'view_exam'";
    assert_eq!(world.count(views).await, 1, "looking at an exam is recorded once");
    let readings = "SELECT COUNT(*) AS n FROM audit WHERE action = 'read_study' AND actor_kind = 'customer'";
    assert_eq!(world.count(readings).await, 3, "objects, metadata and pictures");
}

#[tokio::test]
async fn a_search_without_a_study_looks_at_the_newest_exams_only() {
    // The exam with the higher number is the newer one.
    let table: [(u32, &[usize]); 2] = [(1, &[1]), (2, &[0, 1])];
    for (session_exams, found_studies) in table {
        let world = World::with_dicomweb(DicomwebConfig { session_exams, ..DicomwebConfig::default() }).await;
        world.exam(Exam::new(1)).await;
        world.exam(Exam::new(2)).await;
        world.exam(Exam { id_no: "990101198505050036", ..Exam::new(3) }).await;
        let stored = three_studies(&world).await;
        let root = world.open("ClinicExamView", &[ID]).await.replace("/exams", "");

        let found = world.get(&format!("{root}/dicom-web/studies?accept={JSON}")).await;
        assert_eq!(found.status, 200, "{}", found.text());
        let list: serde_json::Value = serde_json::from_str(&found.text()).unwrap();
        let mut studies: Vec<&str> =
            list.as_array().unwrap().iter().map(|s| s["0020000D"]["Value"][0].as_str().unwrap()).collect();
        studies.sort_unstable();
        let mut expected: Vec<&str> = found_studies.iter().map(|number| stored[*number].as_str()).collect();
        expected.sort_unstable();
        assert_eq!(studies, expected, "{session_exams}");
        // One that is named is found all the same.
        let older = world.get(&format!("{root}/dicom-web/studies?StudyInstanceUID={}&accept={JSON}", stored[0])).await;
        assert_eq!(older.status, 200, "{session_exams}: {}", older.text());
    }
}
