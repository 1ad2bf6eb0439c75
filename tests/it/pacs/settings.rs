//! What is configured for one PACS: which questions it is asked, what is fetched at once, charset, transfer syntaxes, film.

use super::peer::Pacs;
use super::{Images, open, peer, register, server_with, until, until_complete};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

/// A file that the PACS has.
fn put(images: &mut Images, name: &str, set: &DataSet) {
    let uid = set.text_of(0x0008_0018);
    let mut file = yingku::dicom::part10::meta(CT_IMAGE, &uid, EXPLICIT_LE, "QRSCP");
    file.extend_from_slice(&set.encode());
    let path = images.folder().join(name);
    std::fs::write(&path, file).unwrap();
    images.uids.push(uid);
    images.paths.push(path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_that_may_not_be_asked_for_images_is_not() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'get'\n[scu]\nask_images = false")).await;
    let images = Images::new(18, 2048);
    // It tells no numbers, for which others are asked image by image.
    pacs.start_python(server.dicom().port(), images.folder(), "uncounted");

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    until(&index, "all images", |standing| standing.held == 18).await;
    let calls = pacs.calls();
    assert!(calls.iter().any(|call| call.contains(" SERIES ")), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains(" IMAGE ")), "{calls:?}");
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_that_gives_whole_studies_only_is_asked_for_them() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'move'\n[scu]\nfetch_series = false")).await;
    let images = Images::new(20, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), "late");

    register(server.http(), &[("state", "1")]).await;

    let index = open(&server.config().database).await;
    until(&index, "all images", |standing| standing.held == 20).await;
    let moves: Vec<String> = pacs.calls().into_iter().filter(|call| call.starts_with("MOVE")).collect();
    assert!(moves.len() > 1, "the second time only one series misses something: {moves:?}");
    assert!(moves.iter().all(|call| call == "MOVE YINGKU STUDY"), "{moves:?}");
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_in_chinese_are_asked_in_the_character_set_of_the_pacs() {
    for (settings, charset, patient_id) in
        [("", "GB18030", "b2a1c8cb31"), ("query_charset = 'UTF-8'", "ISO_IR 192", "e79785e4baba31")]
    {
        let mut pacs = Pacs::to_be();
        let server = server_with(peer(pacs.port, &format!("retrieve = 'get'\n[scu]\n{settings}"))).await;
        let mut images = Images::new(0, 0);
        let mut set = DataSet::ct("2.25.7001.1.1");
        set.text(0x0008_0005, "CS", "ISO_IR 192")
            .text(0x0010_0020, "LO", "病人1")
            .text(0x0008_0050, "SH", "号2")
            .text(0x0020_000D, "UI", super::STUDY)
            .text(0x0020_000E, "UI", "2.25.7001.1");
        put(&mut images, "1.dcm", &set);
        pacs.start_python(server.dicom().port(), images.folder(), "honest");

        let numbers = [("study_instance_uid", ""), ("patient_local_id", "病人1"), ("pacs_id", "号2"), ("state", "")];
        register(server.http(), &numbers).await;

        let index = open(&server.config().database).await;
        until_complete(&index).await;
        let asked = format!("KEYS STUDY {patient_id} {charset}");
        assert!(pacs.calls().contains(&asked), "{asked}: {:?}", pacs.calls());
        images.assert_are_all_of(&server).await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_declare_no_character_set_are_read_in_that_of_the_pacs() {
    for (settings, is_understood) in [("[scu]\nanswer_charset = 'GB18030'", true), ("", false)] {
        let mut pacs = Pacs::to_be();
        // Given a PACS whose objects would be read as Latin-1, and so its answers without a setting of their own.
        let settings = format!("retrieve = 'get'\ncharset = 'ISO_IR 100'\n{settings}");
        let server = server_with(peer(pacs.port, &settings)).await;
        let mut images = Images::new(0, 0);
        let mut set = DataSet::ct("2.25.7001.1.1");
        set.text(0x0008_0005, "CS", "ISO_IR 192")
            .text(0x0010_0020, "LO", "病人1")
            .text(0x0008_0050, "SH", "号2")
            .text(0x0020_000D, "UI", super::STUDY)
            .text(0x0020_000E, "UI", "2.25.7001.1");
        put(&mut images, "1.dcm", &set);
        pacs.start_python(server.dicom().port(), images.folder(), "undeclared-gbk");

        let numbers = [("study_instance_uid", ""), ("patient_local_id", "病人1"), ("pacs_id", "号2"), ("state", "")];
        register(server.http(), &numbers).await;

        let index = open(&server.config().database).await;
        if is_understood {
            assert_eq!(until_complete(&index).await.studies, 1);
            images.assert_are_all_of(&server).await;
        } else {
            let standing = until(&index, "it was looked for", |standing| standing.checks > 0).await;
            assert!(standing.detail.contains(r#""ignored_answers":1"#), "somebody else's: {}", standing.detail);
            assert_eq!((standing.studies, standing.held), (0, 0));
        }
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_get_offers_the_transfer_syntaxes_of_the_pacs_and_no_other() {
    let implicit = "1.2.840.10008.1.2";
    for (syntaxes, taken) in [(vec![implicit], true), (vec!["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"], false)]
    {
        let mut pacs = Pacs::to_be();
        let server =
            server_with(peer(pacs.port, &format!("retrieve = 'get'\n[scu]\ntransfer_syntaxes = {syntaxes:?}"))).await;
        let images = Images::new(2, 2048);
        // It has them in Explicit VR Little Endian, and writes them in Implicit VR when it has to.
        pacs.start_python(server.dicom().port(), images.folder(), "honest");

        register(server.http(), &[]).await;

        let index = open(&server.config().database).await;
        if taken {
            until_complete(&index).await;
            let stored = index.query("SELECT transfer_syntax_uid FROM instance", Vec::new()).await.unwrap();
            let stored: Vec<String> = stored.iter().map(|row| row.text("transfer_syntax_uid").unwrap()).collect();
            assert_eq!(stored, [implicit, implicit]);
        } else {
            let standing = until(&index, "the reason is written down", |standing| !standing.error.is_empty()).await;
            assert_eq!(standing.held, 0, "{}", standing.error);
        }
        let proposed: Vec<String> = pacs.calls().into_iter().filter(|call| call.starts_with("PROPOSED")).collect();
        assert!(!proposed.is_empty());
        let expected = format!("PROPOSED {}", syntaxes.join(" "));
        assert!(proposed.iter().all(|call| *call == expected), "{proposed:?}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_by_c_move_comes_in_the_transfer_syntaxes_of_the_pacs() {
    for (syntax, is_taken) in [("1.2.840.10008.1.2.1", true), ("1.2.840.10008.1.2.4.70", false)] {
        let mut pacs = Pacs::to_be();
        let settings = format!("retrieve = 'move'\ntransfer_syntaxes = ['{syntax}']");
        let server = server_with(peer(pacs.port, &settings)).await;
        let images = Images::new(2, 2048);
        pacs.start_dcmqrscp(server.dicom().port(), images.folder());

        register(server.http(), &[]).await;

        let index = open(&server.config().database).await;
        if is_taken {
            until_complete(&index).await;
            images.assert_are_all_of(&server).await;
        } else {
            let standing = until(&index, "the reason is written down", |standing| !standing.error.is_empty()).await;
            assert_eq!(standing.held, 0, "{}", standing.error);
        }
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn films_are_fetched_with_their_study_and_counted_apart() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'move'")).await;
    let mut images = Images::new(2, 2048);
    let mut film = DataSet::ct("2.25.7001.77.1");
    film.text(0x0008_0060, "CS", "EFILM").text(0x0010_0020, "LO", "L0001").text(0x0020_000D, "UI", super::STUDY).text(
        0x0020_000E,
        "UI",
        "2.25.7001.77",
    );
    put(&mut images, "film.dcm", &film);
    pacs.start_dcmqrscp(server.dicom().port(), images.folder());

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    let standing = until_complete(&index).await;
    assert_eq!(
        (standing.expected, standing.held),
        (Some(3), 3),
        "what is fetched is compared by the standard's numbers"
    );
    images.assert_are_all_of(&server).await;
    let kinds = index.query("SELECT kind FROM series ORDER BY series_instance_uid", Vec::new()).await.unwrap();
    let kinds: Vec<String> = kinds.iter().map(|row| row.text("kind").unwrap()).collect();
    assert_eq!(kinds, ["image", "film"]);
    server.stop().await;
}
