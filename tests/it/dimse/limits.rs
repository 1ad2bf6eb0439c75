//! Limits on associations and objects, and the end of the server.

use yingku::dimse::scu::{Error, StoreRequest};
use yingku::dimse::{DicomConfig, Status};

use super::raw::{RawPeer, association_request, p_data, store_request};
use super::{TestListener, ct_file};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_associations_over_the_limit_are_refused_for_now_and_those_inside_go_on() {
    let config = DicomConfig {
        max_associations: 4,
        max_associations_per_peer: 4,
        max_waiting_connections: 300,
        ..DicomConfig::default()
    };
    let listener = TestListener::start_with(config).await;
    let mut inside = Vec::new();
    for _ in 0..4 {
        inside.push(listener.connect().await.unwrap());
    }

    let mut outside = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let mut peer = RawPeer::connect(&listener).await;
        outside.spawn(async move {
            peer.send(&association_request()).await;
            peer.receive_pdu().await.unwrap()
        });
    }

    for refused in outside.join_all().await {
        assert_eq!((refused[0], &refused[7..10]), (3, [2, 3, 2].as_slice()), "transient, local limit exceeded");
    }
    for (number, mut association) in inside.into_iter().enumerate() {
        let answer = association.store(&ct_file(&format!("2.25.{}", number + 1))).await.unwrap();
        assert_eq!(answer.status, Status::SUCCESS);
        association.release().await.unwrap();
    }
    assert!(listener.connect().await.is_ok(), "there is room again");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_over_the_limit_ends_its_association_and_is_not_kept() {
    let config = DicomConfig { max_object_bytes: 100_000, ..DicomConfig::default() };
    let listener = TestListener::start_with(config).await;
    let mut association = listener.connect().await.unwrap();
    let mut set = DataSet::ct("2.25.1");
    set.bytes(0x7FE0_0010, "OW", &vec![0; 200_000]);
    let request = StoreRequest {
        sop_class_uid: CT_IMAGE.to_owned(),
        sop_instance_uid: "2.25.1".to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
    };

    let ended = association.store_stream(&request, set.encode().as_slice()).await;

    assert!(matches!(ended, Err(Error::Aborted | Error::Framing(_))), "{ended:?}");
    assert_eq!(listener.rows("SELECT id FROM instance").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_finishes_the_object_at_hand_and_aborts_the_idle() {
    let mut listener = TestListener::start().await;
    let mut idle = RawPeer::associate(&listener).await;
    let mut busy = RawPeer::associate(&listener).await;
    let data_set = DataSet::ct("2.25.1").encode();
    let (first, second) = data_set.split_at(100);
    busy.send(&p_data(1, 3, &store_request("2.25.1"))).await;
    busy.send(&p_data(1, 0, first)).await;
    // An object of a third peer that is answered says that the listener has had time to read what was sent before.
    let mut third = listener.connect().await.unwrap();
    assert_eq!(third.store(&ct_file("2.25.2")).await.unwrap().status, Status::SUCCESS);
    drop(third);

    listener.stop.cancel();

    assert_eq!(idle.abort_reason().await, 0);
    drop(idle);
    busy.send(&p_data(1, 2, second)).await;
    assert_eq!(busy.receive_pdu().await.unwrap()[0], 4, "a response");
    assert_eq!(busy.abort_reason().await, 0);
    drop(busy);
    listener.running.take().unwrap().await.unwrap();
    assert_eq!(listener.data_set("2.25.1").await.unwrap(), data_set);
    assert!(listener.connect().await.is_err(), "nobody listens any more");
}
