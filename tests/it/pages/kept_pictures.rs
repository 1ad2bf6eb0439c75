//! Pictures that were drawn lately are kept within the bytes of the configuration, however much is looked at. What is kept is
//! seen from outside: it still comes when the file that it was drawn from is gone.

use std::time::Duration;

use yingku::demo;
use yingku::documents::DocumentsConfig;
use yingku::params;
use yingku::web::pages::PagesConfig;

use super::world::{Exam, NOW_S, World, customer, uid};
use crate::files::pdf;
use crate::harness::{TestDatabase, eventually};

const MANY: i64 = 24;
const ID: (&str, &str) = ("IDCardNO", "990101199001010019");

/// The lengths of the pictures at these addresses that can be had.
async fn lengths(world: &World, addresses: &[String]) -> Vec<u64> {
    let mut lengths = Vec::new();
    for address in addresses {
        let answer = world.get(address).await;
        if answer.status == 200 {
            assert!(answer.header("content-type").starts_with("image/"), "{}", answer.header("content-type"));
            lengths.push(answer.body.len() as u64);
        }
    }
    lengths
}

/// Takes all files away that pictures are drawn from.
async fn lose(world: &World, sql: &'static str) {
    for row in world.index.query(sql, params![]).await.unwrap() {
        world.objects.delete(&row.text("place").unwrap()).await.unwrap();
    }
}

/// Looks at all, takes the files away, and waits until no more than `most` bytes of pictures are left; how long each was,
/// and which are left.
async fn left(world: &World, addresses: &[String], files: &'static str, most: u64) -> (Vec<u64>, Vec<u64>) {
    let seen = lengths(world, addresses).await;
    assert_eq!(seen.len(), addresses.len(), "every picture is drawn");
    lose(world, files).await;
    // What is too much goes a moment later.
    let within = eventually(Duration::from_secs(120), "the pictures are within their bytes", || async {
        let left = lengths(world, addresses).await;
        (left.iter().sum::<u64>() <= most).then_some(left)
    });
    (seen, within.await)
}

async fn reports(config: DocumentsConfig) -> (World, Vec<String>) {
    let world = World::with_documents(TestDatabase::sqlite(), customer(), PagesConfig::default(), config).await;
    for id in 1..=MANY {
        world.exam(Exam::new(id)).await;
        world.report_file(id, "application/pdf", pdf::report(), 1).await;
    }
    let root = world.open("ClinicExamView", &[ID]).await.trim_end_matches("/exams").to_owned();
    let addresses = (1..=MANY).map(|id| format!("{root}/exam/{}/report/page/1.png?e=200", uid(id)));
    (world, addresses.collect())
}

#[tokio::test]
async fn pictures_of_report_pages_stay_within_their_bytes_under_many_documents() {
    const FILES: &str = "SELECT original_key AS place FROM report_file";
    let (world, addresses) = reports(DocumentsConfig::default()).await;
    let (seen, kept) = left(&world, &addresses, FILES, u64::MAX).await;
    assert_eq!(kept, seen, "with room for all, all are kept");

    let most = seen[0] * 5 / 2;
    let config = DocumentsConfig { picture_cache_bytes: most, ..DocumentsConfig::default() };
    let (world, addresses) = reports(config).await;
    let (seen, kept) = left(&world, &addresses, FILES, most).await;
    assert!(seen.iter().sum::<u64>() > most * 2, "{seen:?}");
    assert!(!kept.is_empty(), "and what there is room for is kept");
}

async fn looks(config: PagesConfig) -> (World, Vec<String>) {
    let world = World::with(TestDatabase::sqlite(), customer(), config).await;
    world.exam(Exam::new(1)).await;
    let exams = demo::exams(NOW_S * 1000);
    let ct = exams.iter().find(|exam| exam.kind == demo::Kind::CtWithFilm).unwrap();
    world.store(&demo::object(ct, 1).unwrap(), Some(1)).await;
    let pk = world.count("SELECT id AS n FROM instance").await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    let addresses = (1..=MANY).map(|step| format!("{exam}/frame/{pk}/1.jpg?e=128&c=40&w={}", 200 + step * 20));
    (world, addresses.collect())
}

#[tokio::test]
async fn pictures_of_images_stay_within_their_bytes_under_many_looks() {
    const FILES: &str = "SELECT object_key AS place FROM instance";
    let (world, addresses) = looks(PagesConfig::default()).await;
    let (seen, kept) = left(&world, &addresses, FILES, u64::MAX).await;
    assert_eq!(kept, seen, "with room for all, all are kept");

    let most = seen.iter().max().unwrap() * 5 / 2;
    let (world, addresses) = looks(PagesConfig { picture_cache_bytes: most, ..PagesConfig::default() }).await;
    let (seen, kept) = left(&world, &addresses, FILES, most).await;
    assert!(seen.iter().sum::<u64>() > most * 2, "{seen:?}");
    assert!(!kept.is_empty(), "and what there is room for is kept");
}
