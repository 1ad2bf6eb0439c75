//! A PACS that lies, floods or says nothing costs no more than its limits, and brings nothing in.

use std::time::{Duration, Instant};

use yingku::domain::AeTitle;

use super::peer::Pacs;
use super::{Images, PATIENCE, STUDY, Standing, impatient, open, peer, register, server_with, until, until_complete};
use crate::harness::{TestServer, count_rows, eventually, http_get};

/// One look at a PACS with this behaviour that ends with an error.
async fn refused(behaviour: &str, settings: &str) -> (Standing, usize) {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, settings)).await;
    let images = Images::new(4, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), behaviour);

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    let standing =
        until(&index, "the look has ended", |standing| standing.checks > 0 && !standing.error.is_empty()).await;
    assert_eq!(standing.state, "waiting", "it is tried again later");
    let address = server.http();
    let ready = || async move { http_get(address, "/readyz").filter(|(status, _)| *status == 200) };
    eventually(PATIENCE, "it is ready", ready).await;
    let stored = server.stored().await.count();
    server.stop().await;
    (standing, stored)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_about_other_studies_patients_and_paths_are_left_out() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'move'")).await;
    let images = Images::new(4, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), "others");

    register(server.http(), &[("study_instance_uid", "")]).await;

    let standing = until_complete(&open(&server.config().database).await).await;
    assert_eq!((standing.studies, standing.held), (1, 4));
    assert!(standing.detail.contains(STUDY) && !standing.detail.contains("666"), "{}", standing.detail);
    assert!(standing.detail.contains(r#""ignored_answers":4"#), "{}", standing.detail);
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_matches_are_cut_off() {
    let (standing, stored) = refused("endless-matches", "retrieve = 'get'\n[scu]\nmax_matches = 50").await;
    assert!(standing.error.contains("too many matches"), "{}", standing.error);
    assert_eq!(stored, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_pending_responses_of_a_c_move_are_cut_off() {
    let (standing, stored) = refused("endless-pending", "retrieve = 'move'\n[scu]\nmax_messages = 200").await;
    assert!(standing.error.contains("too many responses"), "{}", standing.error);
    assert_eq!(stored, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_pending_responses_of_a_c_get_end_with_its_time() {
    let (standing, stored) = refused("endless-pending", "retrieve = 'get'\n[scu]\nretrieve_timeout_ms = 1500").await;
    assert!(standing.error.contains("longer than it may") || standing.error.contains("too many"), "{}", standing.error);
    assert_eq!(stored, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_too_long_are_not_read_to_their_end() {
    let (standing, _) = refused("long-answers", "retrieve = 'get'").await;
    assert!(standing.error.contains("too many bytes"), "{}", standing.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_that_says_nothing_is_left_alone_after_its_time() {
    let (standing, _) = refused("silent", "retrieve = 'get'\n[scu]\nanswer_timeout_ms = 1000").await;
    assert!(standing.error.contains("timed out"), "{}", standing.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_that_says_nothing_holds_up_only_exams_that_are_looked_for_there() {
    let (mut silent, mut honest) = (Pacs::to_be(), Pacs::to_be());
    // Given an organisation with both, and one with the honest one alone; each may work on one exam,
    let of_one = "retrieve = 'get'\n[scu]\nanswer_timeout_ms = 3600000\nfind_timeout_ms = 3600000";
    let of_both = "retrieve = 'get'\n[scu]\norganizations = ['ORG-T01', 'ORG-T02']";
    let server = TestServer::start_with(|config| {
        let organization = "code = 'ORG-T02'\nname = '示例医院'";
        config.organization.push(toml::from_str(organization).unwrap());
        config.sender[0].organizations.push("ORG-T02".to_owned());
        impatient(config, peer(silent.port, of_one));
        let mut other = peer(honest.port, of_both);
        other.ae_title = AeTitle::parse("HONEST").unwrap();
        config.peer.push(other);
        config.retrieve.max_exams = 1;
        config.jobs.grace_ms = 100;
    })
    .await;
    let images = Images::new(4, 2048);
    silent.start_python(server.dicom().port(), images.folder(), "silent");
    honest.start_python(server.dicom().port(), images.folder(), "honest");
    // and an exam of the former, for which the silent one is asked first.
    register(server.http(), &[]).await;
    let asked = || async { silent.calls().iter().any(|call| call.starts_with("FIND")).then_some(()) };
    eventually(PATIENCE, "the silent one is asked", asked).await;

    register(server.http(), &[("org_code", "ORG-T02"), ("report_form_no", "EX0002")]).await;

    let database = server.database();
    let complete = "SELECT COUNT(*) AS n FROM exam_retrieve WHERE state = 'complete' AND org_code = 'ORG-T02'";
    eventually(PATIENCE, "the other organisation's images are here", || async {
        (count_rows(&database, complete).await == 1).then_some(())
    })
    .await;
    images.assert_are_all_of(&server).await;
    let unasked = "SELECT COUNT(*) AS n FROM exam_retrieve WHERE checks = 0 AND org_code = 'ORG-T01'";
    assert_eq!(count_rows(&database, unasked).await, 1, "the silent one is still waited for");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_lengths_and_answers_to_something_else_end_the_association() {
    let (standing, _) = refused("wrong-lengths", "retrieve = 'get'").await;
    assert!(standing.error.contains("protocol violated"), "{}", standing.error);
    let (standing, _) = refused("unsorted-responses", "retrieve = 'get'").await;
    assert!(standing.error.contains("response to something else"), "{}", standing.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_other_studies_and_path_like_uids_in_a_c_get_are_refused_one_by_one() {
    let (standing, stored) = refused("stuffed", "retrieve = 'get'").await;
    assert!(standing.error.contains("3 objects could not be transferred"), "{}", standing.error);
    assert_eq!((stored, standing.held), (4, 4), "what was asked for came all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_another_class_than_its_context_is_refused_alone() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'get'")).await;
    let images = Images::new(2, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), "other-class");

    register(server.http(), &[]).await;

    until_complete(&open(&server.config().database).await).await;
    images.assert_are_all_of(&server).await;
    let calls = pacs.calls();
    assert!(calls.iter().any(|call| call == "STORED 1.2.840.10008.5.1.4.1.1.4 0122"), "{calls:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_c_move_that_never_ends_is_left_after_its_time_or_its_silence() {
    let (standing, stored) = refused("trickle", "retrieve = 'move'\n[scu]\nretrieve_timeout_ms = 1500").await;
    assert!(standing.error.contains("C-MOVE took longer than it may"), "{}", standing.error);
    assert_eq!(stored, 0);
    let (standing, _) = refused("mute", "retrieve = 'move'\n[scu]\nretrieve_silence_ms = 1000").await;
    assert!(standing.error.contains("response timed out"), "{}", standing.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_without_an_end_are_cut_off() {
    let (standing, stored) = refused("endless-objects", "retrieve = 'get'\n[scu]\nmax_messages = 20").await;
    assert!(standing.error.contains("too many messages"), "{}", standing.error);
    assert_eq!(stored, 1, "the same object again and again is one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_beyond_the_limit_is_cut_off_and_not_kept() {
    let mut pacs = Pacs::to_be();
    let server = TestServer::start_with(|config| {
        impatient(config, peer(pacs.port, "retrieve = 'get'"));
        config.dicom.max_object_bytes = 50_000;
    })
    .await;
    let mut images = Images::new(1, 2048);
    images.add(80_000);
    pacs.start_python(server.dicom().port(), images.folder(), "honest");

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    let standing = until(&index, "the look has ended", |standing| !standing.error.is_empty()).await;
    assert!(standing.error.contains("too many bytes of an object"), "{}", standing.error);
    assert_eq!(server.stored().await.count(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_a_release_and_a_command_without_an_end_inside_an_operation_end_it() {
    for (behaviour, said) in [
        ("aborting", "aborted by the peer"),
        ("releasing", "release inside an operation"),
        ("long-command", "command set is too long"),
    ] {
        for method in ["get", "move"] {
            let (standing, stored) = refused(behaviour, &format!("retrieve = '{method}'")).await;
            assert!(standing.error.contains(said), "{behaviour} {method}: {}", standing.error);
            assert_eq!(stored, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_the_association_request_that_is_endless_or_garbled_ends_the_connection() {
    for behaviour in ["raw-huge-accept", "raw-garbled-accept"] {
        let (standing, _) = refused(behaviour, "retrieve = 'get'").await;
        assert!(standing.error.contains("association PDU"), "{behaviour}: {}", standing.error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contexts_and_transfer_syntaxes_that_were_not_offered_are_not_used() {
    let (standing, _) = refused("raw-odd-accept", "retrieve = 'get'").await;
    assert!(standing.error.contains("no presentation context"), "{}", standing.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_that_is_not_there_is_tried_again_until_it_is() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'get'")).await;
    let images = Images::new(3, 2048);
    register(server.http(), &[]).await;
    let index = open(&server.config().database).await;
    let standing = until(&index, "it was tried", |standing| standing.checks > 1).await;
    assert!(standing.error.contains("refused"), "{}", standing.error);

    pacs.start_python(server.dicom().port(), images.folder(), "honest");

    let standing = until_complete(&index).await;
    assert_eq!(standing.error, "");
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_that_does_not_answer_the_association_request_is_left_after_its_time() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'get'\n[scu]\nconnect_timeout_ms = 500")).await;
    let images = Images::new(1, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), "raw-no-answer");

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    let standing = until(&index, "it was tried", |standing| standing.checks > 0).await;
    assert!(standing.error.contains("A-ASSOCIATE-AC timed out"), "{}", standing.error);
    let waited = || async { pacs.calls().iter().find_map(|call| call.strip_prefix("WAITED ")?.parse::<u64>().ok()) };
    let waited = eventually(PATIENCE, "the PACS sees the end", waited).await;
    assert!(waited < 19, "half a second is its time, not the usual twenty: {waited}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_whose_address_swallows_every_packet_is_left_after_its_time() {
    // Given a listener whose queue is full: the kernel drops whatever asks for a further connection.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let connect = || tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address));
    while let Ok(connected) = connect().await {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "the queue does not get full");
    }
    let server = server_with(peer(address.port(), "retrieve = 'get'\n[scu]\nconnect_timeout_ms = 500")).await;
    let started = Instant::now();

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    let standing = until(&index, "it was tried", |standing| standing.checks > 0).await;
    assert!(standing.error.ends_with(&format!("{address}: timed out")), "{}", standing.error);
    assert!(started.elapsed() < Duration::from_secs(19), "half a second is its time, not the usual twenty");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broken_association_left_is_fetched_by_the_next_look() {
    for method in ["get", "move"] {
        let mut pacs = Pacs::to_be();
        let server = server_with(peer(pacs.port, &format!("retrieve = '{method}'"))).await;
        // Two series: of 16 and of 2 images.
        let images = Images::new(18, 2048);
        pacs.start_python(server.dicom().port(), images.folder(), "breaking");

        register(server.http(), &[]).await;

        let standing = until_complete(&open(&server.config().database).await).await;
        assert_eq!((standing.held, standing.error.as_str()), (18, ""), "{method}");
        images.assert_are_all_of(&server).await;
        let asked: Vec<String> =
            pacs.calls().into_iter().filter(|call| call.starts_with("GET") || call.starts_with("MOVE")).collect();
        assert!(asked.len() > 1, "what was missing: {asked:?}");
        let twice = "SELECT COUNT(*) AS n FROM instance_version";
        assert_eq!(count_rows(&server.database(), twice).await, 0, "{method}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_never_answered_to_its_end_is_left_after_its_time() {
    let (standing, stored) = refused("silent", "retrieve = 'get'\n[scu]\nfind_timeout_ms = 500").await;
    assert!(standing.error.contains("C-FIND took longer than it may"), "{}", standing.error);
    assert_eq!(stored, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn studies_beyond_those_that_an_exam_may_have_are_left() {
    for (most, held) in [(1, 0), (2, 2)] {
        let mut pacs = Pacs::to_be();
        let server = server_with(peer(pacs.port, &format!("retrieve = 'get'\n[scu]\nmax_studies = {most}"))).await;
        let images = Images::new(2, 2048);
        pacs.start_python(server.dicom().port(), images.folder(), "honest");

        // The PACS has only the second of them.
        let named = format!("2.25.1,{STUDY}");
        register(server.http(), &[("study_instance_uid", &named), ("pacs_id", "")]).await;

        let index = open(&server.config().database).await;
        let standing = until(&index, "it was looked for", |now| now.checks > 0).await;
        assert_eq!((standing.held, standing.error.as_str()), (held, ""), "at most {most}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exam_whose_images_never_come_is_given_up_after_its_time_and_others_go_on() {
    let mut pacs = Pacs::to_be();
    let server = TestServer::start_with(|config| {
        impatient(config, peer(pacs.port, "retrieve = 'get'"));
        config.retrieve.give_up_after_ms = 300;
    })
    .await;
    let images = Images::new(2, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), "honest");

    register(server.http(), &[("study_instance_uid", "2.25.1"), ("pacs_id", "A0009")]).await;

    let index = open(&server.config().database).await;
    let standing = until(&index, "it is given up", |now| now.state == "given_up").await;
    assert_eq!((standing.studies, standing.held), (0, 0));
    let more = [("last_update_dtime", "2024/3/24 0:00:00")];
    register(server.http(), &more).await;
    let standing = until_complete(&index).await;
    assert_eq!(standing.held, 2, "a registration that names what is there is looked for again");
    server.stop().await;
}
