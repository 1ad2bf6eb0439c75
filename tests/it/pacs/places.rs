//! How many exams are fetched from one PACS at the same time.

use yingku::domain::AeTitle;

use super::peer::Pacs;
use super::{Images, PATIENCE, impatient, peer, register};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestServer, count_rows, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_is_asked_for_as_many_exams_at_once_as_it_may_and_others_wait() {
    // Given a PACS with two places that begins to send when the test says so, and another one,
    let (mut gated, mut honest) = (Pacs::to_be(), Pacs::to_be());
    let server = TestServer::start_with(|config| {
        let organization = "code = 'ORG-T02'\nname = '示例医院'";
        config.organization.push(toml::from_str(organization).unwrap());
        config.sender[0].organizations.push("ORG-T02".to_owned());
        impatient(config, peer(gated.port, "retrieve = 'get'\n[scu]\nmax_associations = 2"));
        let mut other = peer(honest.port, "retrieve = 'get'\n[scu]\norganizations = ['ORG-T02']");
        other.ae_title = AeTitle::parse("HONEST").unwrap();
        config.peer.push(other);
    })
    .await;
    let mut images = Images::new(0, 0);
    for number in 1..=4 {
        let study = format!("2.25.701{number}");
        let uid = format!("{study}.1.1");
        let mut set = DataSet::ct(&uid);
        set.text(0x0020_000D, "UI", &study).text(0x0020_000E, "UI", &format!("{study}.1"));
        let mut file = yingku::dicom::part10::meta(CT_IMAGE, &uid, EXPLICIT_LE, "QRSCP");
        file.extend_from_slice(&set.encode());
        let path = images.folder().join(format!("{number}.dcm"));
        std::fs::write(&path, file).unwrap();
        images.uids.push(uid);
        images.paths.push(path);
    }
    gated.start_python(server.dicom().port(), images.folder(), "gated");
    honest.start_python(server.dicom().port(), images.folder(), "honest");
    let gets = || gated.calls().iter().filter(|call| call.starts_with("GET")).count();
    let database = server.database();
    let complete = async |sql: &'static str| count_rows(&database, sql).await;
    let of_other = "SELECT COUNT(*) AS n FROM exam_retrieve WHERE state = 'complete' AND org_code = 'ORG-T02'";
    let of_gated = "SELECT COUNT(*) AS n FROM exam_retrieve WHERE state = 'complete' AND org_code = 'ORG-T01'";

    // when three exams are registered there, and then one at the other.
    for number in 1..=3 {
        let (form, study) = (format!("EX000{number}"), format!("2.25.701{number}"));
        register(server.http(), &[("report_form_no", &form), ("study_instance_uid", &study)]).await;
    }
    eventually(PATIENCE, "two are fetched at once", || async { (gets() == 2).then_some(()) }).await;
    let elsewhere = [("org_code", "ORG-T02"), ("report_form_no", "EX0004"), ("study_instance_uid", "2.25.7014")];
    register(server.http(), &elsewhere).await;

    // Then the last one overtakes the third, which waits for a place.
    let overtaken = || async { (complete(of_other).await == 1).then_some(()) };
    eventually(PATIENCE, "the other PACS has given its exam", overtaken).await;
    assert_eq!((gets(), complete(of_gated).await), (2, 0));
    gated.go_on();
    let all = || async { (complete(of_gated).await == 3).then_some(()) };
    eventually(PATIENCE, "all are here", all).await;
    assert_eq!(gets(), 3, "each was fetched once");
    images.assert_are_all_of(&server).await;
    server.stop().await;
}
