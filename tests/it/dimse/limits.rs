//! Limits on associations and objects, and the end of the server.

use std::time::Duration;

use dicom_ul::pdu::{AssociationAC, Pdu, PresentationContextResult, PresentationContextResultReason, UserVariableItem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::timeout;
use yingku::dicom::storage_commitment::CommitmentRequest;
use yingku::dicom::text::Charset;
use yingku::dimse::scu::{
    Association, Error, FindLimits, Identifier, Proposal, QueryLevel, QueryRoot, RetrieveLimits, ScuTarget,
    StoreRequest,
};
use yingku::dimse::{DicomConfig, Status};
use yingku::domain::AeTitle;
use yingku::domain::commitment::ReferencedInstance;

use super::raw::{
    RawPeer, VERIFICATION, association_request, association_request_for, association_request_to_get, echo_request,
    get_request, p_data, store_request, study_identifier,
};
use super::{TestListener, ct_file, file_of, target};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestServer, count_rows, eventually, texts};

const PATIENCE: Duration = Duration::from_secs(120);

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
    // A place is free when its association has ended on the other side as well.
    eventually(PATIENCE, "there is room again", || async { listener.connect().await.ok() }).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_does_not_end_is_dropped_when_the_time_of_a_stopping_server_is_over() {
    // Nothing else ends an object that has stopped in its middle.
    let config = DicomConfig { shutdown_timeout_ms: 300, idle_timeout_ms: 3_600_000, ..DicomConfig::default() };
    let mut listener = TestListener::start_with(config).await;
    let mut stuck = RawPeer::associate(&listener).await;
    stuck.send(&p_data(1, 3, &store_request("2.25.1"))).await;
    stuck.send(&p_data(1, 0, &DataSet::ct("2.25.1").encode()[..100])).await;
    // As above: what was sent before has been read.
    let mut other = listener.connect().await.unwrap();
    assert_eq!(other.store(&ct_file("2.25.2")).await.unwrap().status, Status::SUCCESS);
    other.release().await.unwrap();

    listener.stop.cancel();

    let running = listener.running.take().unwrap();
    timeout(PATIENCE, running).await.expect("it stops without the rest").unwrap();
    assert!(stuck.is_closed().await, "without a word");
    assert!(listener.data_set("2.25.1").await.is_none() && listener.data_set("2.25.2").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pdu_is_longer_than_those_that_may_be_sent_whatever_more_a_peer_takes() {
    let listener = TestListener::start_with(DicomConfig { max_sent_pdu_length: 4096, ..DicomConfig::default() }).await;
    let mut set = DataSet::ct("2.25.1");
    set.text(0x0020_000D, "UI", "2.25.10001").bytes(0x7FE0_0010, "OW", &vec![7; 20_000]);
    let data_set = set.encode();
    let mut storing = listener.connect().await.unwrap();
    assert_eq!(storing.store(&file_of("2.25.1", &data_set)).await.unwrap().status, Status::SUCCESS);
    storing.release().await.unwrap();

    // 0 is no limit (PS3.8 section D.1).
    for (taken, expected) in [(0, 4096), (1 << 20, 4096), (1024, 1024)] {
        let mut peer = RawPeer::connect(&listener).await;
        peer.send(&association_request_to_get(taken)).await;
        assert_eq!(peer.receive_pdu().await.unwrap()[0], 2, "accepted");
        peer.send(&p_data(3, 3, &get_request())).await;
        peer.send(&p_data(3, 2, &study_identifier("2.25.10001"))).await;

        let (mut got, mut longest) = (Vec::new(), 0);
        loop {
            let pdu = peer.receive_pdu().await.expect("the rest of the object");
            assert_eq!(pdu[0], 4, "P-DATA-TF");
            longest = longest.max(pdu.len() - 6);
            // Behind the length stand context and flags: 1 is a command, 2 the last fragment.
            if pdu[11] & 1 == 0 {
                got.extend_from_slice(&pdu[12..]);
                if pdu[11] & 2 == 2 {
                    break;
                }
            }
        }
        assert!(got == data_set, "{taken}");
        assert_eq!(longest, expected, "{taken}");
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_our_association_request_is_read_up_to_its_limit() {
    for (most, is_read) in [(4096, false), (65_536, true)] {
        let peer = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = format!(
            "ae_title = 'PACS01'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\n\
             [scu]\nmax_associate_answer_bytes = {most}",
            peer.local_addr().unwrap().port()
        );
        let to = ScuTarget::of_peer(&DicomConfig::default(), &toml::from_str(&text).unwrap());
        let answering = tokio::spawn(accept_at_length(peer, 5000));

        let opened = Association::connect(&to, &[Proposal::verification()]).await;

        match opened {
            Ok(association) => {
                assert!(is_read, "{most}");
                association.abort().await;
            }
            Err(error) => assert!(!is_read && error.to_string().contains("association PDU is too long"), "{error}"),
        }
        answering.await.unwrap();
    }
}

/// Accepts one association in a PDU with an item of so many bytes that mean nothing, and waits for its end.
async fn accept_at_length(listener: tokio::net::TcpListener, bytes: usize) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = [0; 6];
    stream.read_exact(&mut head).await.unwrap();
    let mut request = vec![0; u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize];
    stream.read_exact(&mut request).await.unwrap();
    let answer = AssociationAC {
        protocol_version: 1,
        calling_ae_title: "YINGKU".to_owned(),
        called_ae_title: "PACS01".to_owned(),
        application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
        presentation_contexts: vec![PresentationContextResult {
            id: 1,
            reason: PresentationContextResultReason::Acceptance,
            transfer_syntax: EXPLICIT_LE.to_owned(),
        }],
        user_variables: vec![UserVariableItem::MaxLength(16384), UserVariableItem::Unknown(0x70, vec![0; bytes])],
    };
    let mut pdu = Vec::new();
    dicom_ul::pdu::write_pdu(&mut pdu, &Pdu::AssociationAC(answer)).unwrap();
    stream.write_all(&pdu).await.unwrap();
    // Whatever comes ends it: an A-ABORT, the end, or a reset.
    let _ = stream.read(&mut head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_no_answer_is_cut_off_and_its_place_is_free_again() {
    let config = DicomConfig { max_associations: 1, write_timeout_ms: 300, ..DicomConfig::default() };
    let listener = TestListener::start_with(config).await;
    let mut deaf = RawPeer::connect_with_little_room(&listener).await;
    deaf.send(&association_request_for(VERIFICATION)).await;
    assert_eq!(deaf.receive_pdu().await.unwrap()[0], 2, "accepted");
    assert!(listener.connect().await.is_err(), "it has the only place");

    let requests = p_data(1, 3, &echo_request()).repeat(500);
    timeout(PATIENCE, deaf.send_until_it_is_closed(&requests)).await.expect("it is cut off");

    let mut next = eventually(PATIENCE, "its place is free", || async { listener.connect().await.ok() }).await;
    assert_eq!(next.store(&ct_file("2.25.1")).await.unwrap().status, Status::SUCCESS);
    next.release().await.unwrap();
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_those_that_may_wait_are_closed_unread() {
    let config = DicomConfig { max_associations: 1, max_waiting_connections: 1, ..DicomConfig::default() };
    let listener = TestListener::start_with(config).await;
    let mut inside = listener.connect().await.unwrap();
    let mut waiting = RawPeer::connect(&listener).await;
    // Connections are taken in their order: that this one is closed says that the other has its place.
    let mut beyond = RawPeer::connect(&listener).await;

    assert!(timeout(PATIENCE, beyond.is_closed()).await.expect("it is closed at once"));

    waiting.send(&association_request()).await;
    let refused = waiting.receive_pdu().await.unwrap();
    assert_eq!((refused[0], &refused[7..10]), (3, [2, 3, 2].as_slice()), "the one that waits is told");
    assert_eq!(inside.store(&ct_file("2.25.1")).await.unwrap().status, Status::SUCCESS);
    inside.release().await.unwrap();
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_whose_index_is_too_slow_ends_with_out_of_resources_and_the_association_goes_on() {
    let mut config = DicomConfig { listen: ([127, 0, 0, 1], 0).into(), ..DicomConfig::default() };
    // Long enough for the one that is answered.
    config.find.match_timeout_ms = 5000;
    let peers = ["ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'"];
    let listener = TestListener::start_over(TestDatabase::postgres(), config, &peers).await;
    let mut storing = listener.connect().await.unwrap();
    assert_eq!(storing.store(&ct_file("2.25.1")).await.unwrap().status, Status::SUCCESS);
    storing.release().await.unwrap();
    let root = QueryRoot::Study.find();
    let mut asking = Association::connect(&listener.target(), &[Proposal::query(root)]).await.unwrap();
    let charset = Charset::default();
    let question = Identifier::new(QueryLevel::Study, &charset).uid(0x0020_000D, "2.25.1000");
    let limits = FindLimits { max_matches: 10, max_identifier_bytes: 65536, whole: PATIENCE };
    let (hold, held) = oneshot::channel();
    let (let_go, gone) = oneshot::channel::<()>();
    let locking = listener.index.write(move |tx| {
        Box::pin(async move {
            tx.execute("LOCK TABLE study IN ACCESS EXCLUSIVE MODE", Vec::new()).await?;
            hold.send(()).unwrap();
            gone.await.unwrap();
            Ok::<_, yingku::index::Error>(())
        })
    });
    let questions = async {
        held.await.unwrap();
        let slow = asking.find(root, &question, &charset, limits).await;
        let_go.send(()).unwrap();
        slow
    };

    let (slow, locked) = tokio::join!(questions, locking);

    locked.unwrap();
    let Err(Error::Refused { status, .. }) = slow else { panic!("{slow:?}") };
    assert_eq!(status, Status(0xA700));
    assert_eq!(asking.find(root, &question, &charset, limits).await.unwrap().len(), 1, "the next one is answered");
    asking.release().await.unwrap();
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_commitment_for_too_many_instances_is_refused_alone() {
    let mut config = DicomConfig::default();
    config.commitment.max_instances = 2;
    let listener = TestListener::start_with(config).await;
    let mut asking = Association::connect(&listener.target(), &[Proposal::storage_commitment()]).await.unwrap();
    for (count, status) in [(3, Status(0x0213)), (2, Status::SUCCESS)] {
        let instance = |number| ReferencedInstance {
            sop_class_uid: CT_IMAGE.to_owned(),
            sop_instance_uid: format!("2.25.{number}"),
        };
        let instances = (1..=count).map(instance).collect();
        let request = CommitmentRequest { transaction_uid: format!("2.25.9{count}"), instances };
        assert_eq!(asking.request_commitment(&request).await.unwrap().0.status, status, "{count}");
    }
    asking.release().await.unwrap();
    assert_eq!(listener.rows("SELECT id FROM storage_commitment").await.len(), 1);
    listener.stop().await;
}

/// Which request is too long.
#[derive(Debug, Clone, Copy)]
enum TooLong {
    Find,
    Move,
    Commitment,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_long_is_refused_and_the_next_one_is_answered() {
    let mut config = DicomConfig::default();
    config.find.max_identifier_bytes = 4096;
    config.retrieve.max_identifier_bytes = 4096;
    config.commitment.max_request_bytes = 4096;
    let listener = TestListener::start_with(config).await;
    let (find, retrieve) = (QueryRoot::Study.find(), QueryRoot::Study.retrieve_by_move());
    let proposals = [Proposal::query(find), Proposal::query(retrieve), Proposal::storage_commitment()];
    let mut asking = Association::connect(&listener.target(), &proposals).await.unwrap();
    let charset = Charset::default();
    let finding = FindLimits { max_matches: 10, max_identifier_bytes: 65536, whole: PATIENCE };
    let moving = RetrieveLimits {
        silence: PATIENCE,
        whole: PATIENCE,
        max_messages: 10,
        max_identifier_bytes: 65536,
        max_object_bytes: 1 << 20,
    };
    let destination = AeTitle::parse("PACS01").unwrap();
    for (request, too_long) in [(TooLong::Find, 0xA700), (TooLong::Move, 0xA701), (TooLong::Commitment, 0x0213)] {
        // One that fits follows on the same association.
        for (count, expected) in [(500, Status(too_long)), (1, Status::SUCCESS)] {
            let uids: Vec<String> = (0..count).map(|number| format!("2.25.4711.{number}")).collect();
            let question = Identifier::new(QueryLevel::Study, &charset).uid(0x0020_000D, &uids.join("\\"));
            let status = match request {
                TooLong::Find => match asking.find(find, &question, &charset, finding).await {
                    Ok(_) => Status::SUCCESS,
                    Err(Error::Refused { status, .. }) => status,
                    Err(error) => panic!("{error:?}"),
                },
                TooLong::Move => asking.move_to(retrieve, &destination, &question, moving).await.unwrap().status,
                TooLong::Commitment => {
                    let instance =
                        |sop_instance_uid| ReferencedInstance { sop_class_uid: CT_IMAGE.to_owned(), sop_instance_uid };
                    let transaction_uid = format!("2.25.99.{count}");
                    let instances = uids.into_iter().map(instance).collect();
                    let asked = CommitmentRequest { transaction_uid, instances };
                    asking.request_commitment(&asked).await.unwrap().0.status
                }
            };
            assert_eq!(status, expected, "{request:?} of {count}");
        }
    }
    asking.release().await.unwrap();
    assert_eq!(listener.rows("SELECT id FROM storage_commitment").await.len(), 1);
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presentation_contexts_beyond_the_limit_are_rejected_one_by_one() {
    let listener =
        TestListener::start_with(DicomConfig { max_presentation_contexts: 1, ..DicomConfig::default() }).await;
    let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE), Proposal::verification()];
    let mut association = Association::connect(&listener.target(), &proposals).await.unwrap();

    let beyond = association.echo().await;

    assert!(matches!(beyond, Err(Error::NoContext { .. })), "{beyond:?}");
    assert_eq!(association.store(&ct_file("2.25.1")).await.unwrap().status, Status::SUCCESS);
    association.release().await.unwrap();
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commitment_to_many_instances_is_asked_for_in_several_requests() {
    let provider = TestServer::start().await;
    let mut config = DicomConfig::default();
    config.commitment.max_requested_instances = 2;
    // The provider reports over the association that asked, when its job has run.
    config.commitment.wait_on_association_ms = 120_000;
    let asker = TestListener::start_with(config).await;
    let instances: Vec<ReferencedInstance> = (1..=5)
        .map(|number| ReferencedInstance {
            sop_class_uid: CT_IMAGE.to_owned(),
            sop_instance_uid: format!("2.25.{number}"),
        })
        .collect();

    let told = asker.commitment.request(&target(provider.dicom(), "PACS01", "YINGKU"), &instances).await.unwrap();

    let failed: Vec<&ReferencedInstance> = told.failed.iter().map(|(instance, _)| instance).collect();
    assert_eq!((told.committed.len(), failed), (0, instances.iter().collect()), "nothing is stored there");
    let requests = "SELECT COUNT(*) AS n FROM storage_commitment";
    assert_eq!(count_rows(&provider.database(), requests).await, 3);
    asker.stop().await;
    provider.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_too_long_is_left_out_of_the_index_and_its_object_kept_whole() {
    for (one, all) in [(100, 262_144), (65_536, 400)] {
        let server = TestServer::start_with(|config| {
            config.dicom.header.max_value_bytes = one;
            config.dicom.header.max_total_value_bytes = all;
        })
        .await;
        let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE)];
        let to = target(server.dicom(), "PACS01", "YINGKU");
        let mut association = Association::connect(&to, &proposals).await.unwrap();
        let mut long = DataSet::ct("2.25.1");
        long.text(0x0008_1030, "LO", &"x".repeat(360));
        let long = long.encode();
        for (uid, data_set) in [("2.25.1", &long), ("2.25.2", &DataSet::ct("2.25.2").encode())] {
            let request = StoreRequest {
                sop_class_uid: CT_IMAGE.to_owned(),
                sop_instance_uid: uid.to_owned(),
                transfer_syntax_uid: EXPLICIT_LE.to_owned(),
            };
            let answer = association.store_stream(&request, data_set.as_slice()).await.unwrap();
            assert_eq!(answer.status, Status::SUCCESS, "{uid} at {one} and {all}");
        }
        association.release().await.unwrap();

        let states = "SELECT sop_instance_uid || ' ' || header_state AS t FROM instance ORDER BY sop_instance_uid";
        let states = texts(&server.database(), states).await;
        assert_eq!(states, ["2.25.1 limit: value bytes", "2.25.2 complete"], "{one} and {all}");
        let described = "SELECT study_description || '|' || patient_id AS t FROM study";
        assert_eq!(texts(&server.database(), described).await, ["|L0001"], "what is short is there");
        assert!(server.stored().await.data_set("2.25.1") == Some(long), "byte for byte");
        server.stop().await;
    }
}
