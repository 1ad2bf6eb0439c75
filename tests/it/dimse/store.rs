//! C-ECHO and C-STORE by our own SCU.

use yingku::dimse::Status;
use yingku::dimse::scu::{Association, Proposal, StoreRequest};

use super::{TestListener, ct_file, file_of};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_kept_byte_by_byte_and_indexed_before_the_answer() {
    let listener = TestListener::start().await;
    let mut set = DataSet::ct("2.25.77");
    set.bytes(0x0010_0010, "PN", b"Ceshi^Jia=\xB2\xE2\xCA\xD4^\xBC\xD7");
    let pixels: Vec<u8> = (0..600_000_u32).map(|n| n as u8).collect();
    set.bytes(0x7FE0_0010, "OW", &pixels);
    let mut association = listener.connect().await.unwrap();

    assert_eq!(association.echo().await.unwrap().status, Status::SUCCESS);
    let answer = association.store(&file_of("2.25.77", &set.encode())).await.unwrap();

    assert_eq!(answer.status, Status::SUCCESS);
    assert_eq!(listener.data_set("2.25.77").await.unwrap(), set.encode());
    let rows = listener.rows("SELECT patient_name, org_code FROM study").await;
    assert_eq!(rows[0].text("patient_name").unwrap(), "Ceshi^Jia=测试^甲");
    assert_eq!(rows[0].text("org_code").unwrap(), "ORG-T01");
    let rows = listener.rows("SELECT calling_ae_title, header_state FROM instance").await;
    assert_eq!(rows[0].text("calling_ae_title").unwrap(), "PACS01");
    assert_eq!(rows[0].text("header_state").unwrap(), "complete");
    association.release().await.unwrap();
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_object_again_changes_nothing_and_other_content_is_a_version() {
    let listener = TestListener::start().await;
    let mut association = listener.connect().await.unwrap();
    let mut other = DataSet::ct("2.25.1");
    other.text(0x0008_103E, "LO", "again");

    let mut statuses = Vec::new();
    for file in [ct_file("2.25.1"), ct_file("2.25.1"), file_of("2.25.1", &other.encode())] {
        statuses.push(association.store(&file).await.unwrap().status);
    }

    assert_eq!(statuses, [Status::SUCCESS; 3]);
    assert_eq!(listener.rows("SELECT id FROM instance").await.len(), 1);
    assert_eq!(listener.rows("SELECT id FROM instance_version").await.len(), 1);
    assert_eq!(listener.data_set("2.25.1").await.unwrap(), DataSet::ct("2.25.1").encode());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_object_does_not_end_the_association() {
    let listener = TestListener::start().await;
    let mr = "1.2.840.10008.5.1.4.1.1.4";
    let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE), Proposal::storage(mr, EXPLICIT_LE)];
    let mut association = Association::connect(&listener.target(), &proposals).await.unwrap();
    let request = |sop_class_uid: &str, sop_instance_uid: &str| StoreRequest {
        sop_class_uid: sop_class_uid.to_owned(),
        sop_instance_uid: sop_instance_uid.to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
    };
    let ct = DataSet::ct("2.25.1").encode();
    let garbage = vec![0xA5; 700_000];

    let table = [
        (request(CT_IMAGE, "../../etc"), ct.as_slice(), Status::INVALID_SOP_INSTANCE),
        (request(mr, "2.25.1"), ct.as_slice(), Status::DATA_SET_DOES_NOT_MATCH),
        (request(CT_IMAGE, "2.25.2"), ct.as_slice(), Status::DATA_SET_DOES_NOT_MATCH),
        (request(CT_IMAGE, "2.25.3"), garbage.as_slice(), Status::DATA_SET_DOES_NOT_MATCH),
        (request(CT_IMAGE, "2.25.4"), [].as_slice(), Status::DATA_SET_DOES_NOT_MATCH),
        (request(CT_IMAGE, "2.25.1"), ct.as_slice(), Status::SUCCESS),
    ];
    for (request, data_set, expected) in table {
        let answer = association.store_stream(&request, data_set).await.unwrap();
        assert_eq!(answer.status, expected, "{request:?} {}", answer.comment);
    }
    assert_eq!(listener.rows("SELECT id FROM instance").await.len(), 1);
    association.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_classes_and_unknown_transfer_syntaxes_are_accepted_as_proposed() {
    let listener = TestListener::start().await;
    let private = "1.3.6.1.4.1.99999.1";
    let worklist = "1.2.840.10008.5.1.4.31";
    let proposals = [Proposal::storage(private, "1.3.6.1.4.1.99999.2"), Proposal::storage(worklist, EXPLICIT_LE)];
    let association = Association::connect(&listener.target(), &proposals).await.unwrap();
    assert!(association.accepts(private, "1.3.6.1.4.1.99999.2"));
    assert!(!association.accepts(worklist, EXPLICIT_LE));
    association.abort().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_associations_store_at_once() {
    let listener = TestListener::start().await;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..8 {
        let mut association = listener.connect().await.unwrap();
        senders.spawn(async move {
            for number in 0..5 {
                let answer = association.store(&ct_file(&format!("2.25.{sender}.{number}"))).await.unwrap();
                assert_eq!(answer.status, Status::SUCCESS);
            }
            association.release().await.unwrap();
        });
    }
    senders.join_all().await;
    assert_eq!(listener.rows("SELECT id FROM instance").await.len(), 40);
    listener.stop().await;
}
