//! Electronic films (D-I5), by every way in: kept as they came, and apart from the diagnostic series.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use yingku::archive::images::store_instance::{Completeness, ReceiveInstance};
use yingku::archive::upkeep::reindex::ReindexRules;
use yingku::dicom::film::FilmRule;
use yingku::dicom::part10;
use yingku::dicom::text::Charset;
use yingku::domain::scope::{Filter, Order, Paging, Scope, SortBy};
use yingku::domain::{Actor, AeTitle, Clock};
use yingku::index::exam_pages::{self, Content, Contents};
use yingku::index::{DatabaseConfig, Index};
use yingku::integrations::file_share::FileShareConfig;
use yingku::params;

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{Package, StoredInstances, TestServer, TestStore, count_rows, data_set_of, eventually, run, tool};

const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const ENCAPSULATED_PDF: &str = "1.2.840.10008.5.1.4.1.1.104.1";

/// One study: an image, two films of different SOP classes, and a document. Series n has the instance 2.25.8100.n.1.
const OBJECTS: [(u32, &str, &str, &str); 4] = [
    (1, CT_IMAGE, "CT", "image"),
    (2, SECONDARY_CAPTURE, "EFILM", "film"),
    (3, CT_IMAGE, "EFILM", "film"),
    (4, ENCAPSULATED_PDF, "DOC", "document"),
];

fn object(series: u32, sop_class_uid: &str, modality: &str) -> Vec<u8> {
    let uid = format!("2.25.8100.{series}.1");
    let mut set = DataSet::ct(&uid);
    set.text(0x0008_0016, "UI", sop_class_uid)
        .text(0x0008_0060, "CS", modality)
        .text(0x0020_000D, "UI", "2.25.8100")
        .text(0x0020_000E, "UI", &format!("2.25.8100.{series}"))
        .text(0x0020_0011, "IS", &series.to_string());
    if sop_class_uid == ENCAPSULATED_PDF {
        set.without(0x7FE0_0010).without(0x0028_0010).without(0x0028_0011);
        set.text(0x0042_0012, "LO", "application/pdf").bytes(0x0042_0011, "OB", b"%PDF-1.4 synthetic ");
    }
    let mut file = part10::meta(sop_class_uid, &uid, EXPLICIT_LE, "PACS01");
    file.extend_from_slice(&set.encode());
    file
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let write = |(series, sop_class_uid, modality, _): (u32, &str, &str, &str)| {
        let path = folder.join(format!("{series}.dcm"));
        std::fs::write(&path, object(series, sop_class_uid, modality)).unwrap();
        path
    };
    OBJECTS.into_iter().map(write).collect()
}

/// Each series has its kind, and each object is kept as it is in its file.
async fn assert_are_kept(database: &DatabaseConfig, stored: &StoredInstances) {
    let index = Index::open(database).await.unwrap();
    assert_eq!(stored.count(), OBJECTS.len());
    for (series, sop_class_uid, modality, kind) in OBJECTS {
        let sql = "SELECT kind, modality FROM series WHERE series_instance_uid = $1";
        let row = index.query(sql, params![format!("2.25.8100.{series}")]).await.unwrap();
        assert_eq!(
            (row[0].text("kind").unwrap().as_str(), row[0].text("modality").unwrap().as_str()),
            (kind, modality)
        );
        let kept = stored.data_set(&format!("2.25.8100.{series}.1"));
        assert!(kept.as_deref() == Some(data_set_of(&object(series, sop_class_uid, modality))), "series {series}");
    }
    let entries = listed(&index).await;
    assert_eq!(entries[0].contents, Contents::of(&[Content::Images, Content::Films]), "no document is among them");
    index.close().await;
}

async fn listed(index: &Index) -> Vec<exam_pages::Entry> {
    let scope = Scope { free_search: true, home: "ORG-T01".to_owned(), unreviewed: true, ..Scope::default() };
    let paging = Paging { by: SortBy::Observed, order: Order::Newest, after: None, limit: 10 };
    exam_pages::find(index, &scope, &Filter::default(), &paging).await.unwrap()
}

async fn stored_all(database: &DatabaseConfig) {
    let count = OBJECTS.len() as i64;
    eventually(Duration::from_secs(120), "everything is there", || async {
        (count_rows(database, "SELECT COUNT(*) AS n FROM instance").await == count).then_some(())
    })
    .await;
}

fn storescu(port: u16, called: &str, paths: &[PathBuf]) {
    let mut command = Command::new(tool("storescu", Package::Debian("dcmtk")));
    command.args(["-xe", "-aet", "PACS01", "-aec", called, "127.0.0.1", &port.to_string()]).args(paths);
    run(&mut command);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn films_that_storescu_sends_go_on_to_the_region_as_films() {
    let ae = |title| AeTitle::parse(title).unwrap();
    let region = TestServer::start_with(|config| {
        config.dicom.ae_title = ae("UPSTREAM");
        config.peer[0].ae_title = ae("YINGKU");
    })
    .await;
    let upstream = region.dicom();
    let front = TestServer::start_with(|config| {
        let mut peer = config.peer[0].clone();
        (peer.ae_title, peer.port) = (ae("UPSTREAM"), upstream.port());
        config.peer.push(peer);
        let text = "name = 'region'\npeer = 'UPSTREAM'\ndelay_ms = 0\npoll_ms = 50\nlease_ms = 1000";
        config.upstream.push(toml::from_str(text).unwrap());
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (port, paths) = (front.dicom().port(), files(folder.path()));

    tokio::task::spawn_blocking(move || storescu(port, "YINGKU", &paths)).await.unwrap();

    assert_are_kept(&front.database(), &front.stored().await).await;
    stored_all(&region.database()).await;
    assert_are_kept(&region.database(), &region.stored().await).await;
    front.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn films_come_by_a_file_share() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(|config| {
        config.file_share.push(FileShareConfig {
            name: "films".to_owned(),
            path: folder.path().to_owned(),
            organization: "ORG-T01".to_owned(),
            settle_seconds: 0,
            poll_ms: 50,
            lease_ms: 1000,
            ..FileShareConfig::default()
        });
    })
    .await;

    files(folder.path());

    stored_all(&server.database()).await;
    assert_are_kept(&server.database(), &server.stored().await).await;
    server.stop().await;
}

each_database! {
    async fn a_rule_makes_films_and_texts_that_are_read_again_follow_it(database: TestDatabase) {
        let store = TestStore::folder();
        let objects = store.open();
        let (index, ids) = database.open_with_ids().await;
        let plain = crate::harness::archive::build(index.clone(), objects, Clock::System, ids);
        let rule = FilmRule { series_description: "*胶片*".to_owned(), organization: "ORG-T01".to_owned(), ..FilmRule::default() };
        let knowing = plain.clone().knowing_films(vec![rule]);
        let store = async |archive: &yingku::archive::Archive, org_code: &str, number: u32| {
            let uid = format!("2.25.82{number}.1");
            let mut set = DataSet::ct(&uid);
            set.text(0x0008_0005, "CS", "ISO_IR 192")
                .text(0x0008_103E, "LO", "电子胶片 1")
                .text(0x0020_000D, "UI", &format!("2.25.82{number}"))
                .text(0x0020_000E, "UI", &format!("2.25.82{number}.9"));
            let command = ReceiveInstance {
                org_code: org_code.to_owned(),
                calling_ae_title: "PACS01".to_owned(),
                default_charset: Charset::default(),
                sop_class_uid: CT_IMAGE.to_owned(),
                sop_instance_uid: uid,
                transfer_syntax_uid: EXPLICIT_LE.to_owned(),
                completeness: Completeness::AsSent,
                actor: Actor::system("test"),
            };
            let mut writer = archive.receive_instance(command).await.unwrap();
            writer.write(&set.encode()).await.unwrap();
            writer.commit().await.unwrap();
        };
        let kinds = async || {
            let sql = "SELECT kind FROM series ORDER BY series_instance_uid";
            let rows = index.query(sql, params![]).await.unwrap();
            rows.iter().map(|row| row.text("kind").unwrap()).collect::<Vec<String>>()
        };
        store(&knowing, "ORG-T01", 1).await;
        store(&plain, "ORG-T01", 2).await;
        store(&knowing, "ORG-T02", 3).await;
        assert_eq!(kinds().await, ["film", "image", "image"]);

        let rules = ReindexRules {
            organization: None,
            default_charset: Charset::gb18030(),
            charsets: std::collections::HashMap::new(),
        };
        assert_eq!(knowing.reindex_texts(&rules, |_| ()).await.unwrap().changed, 1);

        assert_eq!(kinds().await, ["film", "film", "image"]);
        assert_eq!(plain.reindex_texts(&rules, |_| ()).await.unwrap().changed, 2, "the rule was taken back");
        assert_eq!(kinds().await, ["image", "image", "image"]);
    }

    async fn documents_and_films_are_no_images_of_an_exam(database: TestDatabase) {
        let (index, _ids) = database.open_with_ids().await;
        let kinds = ["image", "waveform", "film", "film", "document", "presentation", "other"];
        index.write(move |tx| Box::pin(async move {
            let sql = "INSERT INTO patient (id, org_code, patient_id, issuer, name, sex, birth_date, created_at, \
                       updated_at, keyed) VALUES (1, 'ORG-T01', 'P1', '', '', '', '', 0, 0, 2)";
            tx.execute(sql, params![]).await?;
            for study in 1..=3_i64 {
                let sql = "INSERT INTO study (id, patient_pk, org_code, study_instance_uid, study_id, accession_number, \
                           study_date, study_time, study_description, referring_physician, institution_name, patient_id, \
                           issuer, patient_name, patient_sex, patient_birth_date, patient_age, observation_uid, \
                           created_at, updated_at, keyed) VALUES ($1, 1, 'ORG-T01', $2, '', '', $2, '', '', '', '', 'P1', \
                           '', '', '', '', '', $2, 0, 0, 2)";
                tx.execute(sql, params![study, format!("2024010{study}")]).await?;
            }
            // Of the first study everything, of the second a document, of the third a film.
            let series = kinds.iter().map(|kind| (1, *kind)).chain([(2, "document"), (3, "film")]);
            for (id, (study, kind)) in (1_i64..).zip(series) {
                let sql = "INSERT INTO series (id, study_pk, series_instance_uid, modality, kind, series_number, \
                           series_description, body_part_examined, laterality, protocol_name, series_date, series_time, \
                           station_name, manufacturer, model_name, created_at, updated_at) \
                           VALUES ($1, $2, $3, '', $4, 1, '', '', '', '', '', '', '', '', '', 0, 0)";
                tx.execute(sql, params![id, study, id.to_string(), kind]).await?;
            }
            let sql = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, \
                       vip, restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, \
                       received_at, updated_at, org_code, report_form_no, patient_id, event_type, event_no, \
                       name) VALUES (1, 'exam', 1, '', 'ris', 1, 0, 0, 0, 0, 'CT', '2024-01-01 00:00:00', \
                       '2024-01-01 00:00:00', 0, 0, 'ORG-T01', 'R', 'P1', '1', 'E', '')";
            tx.execute(sql, params![]).await?;
            let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) VALUES (1, 1, 'x', 0)";
            tx.execute(sql, params![]).await
        })).await.map_err(|error: yingku::index::Error| error).unwrap();

        let found: Vec<Contents> = listed(&index).await.iter().map(|entry| entry.contents).collect();

        let all = [Content::Images, Content::Films, Content::Waveforms];
        let expected = [Contents::of(&[Content::Films]), Contents::default(), Contents::of(&all)];
        assert_eq!(found, expected, "newest first: a film, a document, the exam");
    }
}
