//! What a person has deleted is not fetched again from the PACS, until a person asks for the exam's images.

use super::peer::Pacs;
use super::{Images, STUDY, open, register, until, until_complete};
use crate::harness::ServerProcess;

fn command(server: &ServerProcess, arguments: &[&str]) -> String {
    let output = server.command(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn delete(server: &ServerProcess, level: &str, uid: &str) {
    let why = ["--org", "ORG-T01", "--reason", "test images", "--yes"];
    assert!(command(server, &[&["delete", level, uid], &why[..]].concat()).contains("deleted: "));
}

async fn deleted_images_stay_away(method: &str) {
    let mut pacs = Pacs::to_be();
    let more = format!(
        "\n[[peer]]\nae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\nretrieve = '{method}'\n\
         [jobs]\npoll_ms = 50\n[retrieve]\nfirst_delay_ms = 200\ndelay_factor = 1.0\nstable_ms = 0\n",
        pacs.port
    );
    let mut server = ServerProcess::start_with(&more).await;
    // Two series: of 16 and of 2 images.
    let images = Images::new(18, 2048);
    pacs.start_dcmqrscp(server.dicom().port(), images.folder());
    register(server.http(), &[]).await;
    let index = open(&server.database()).await;
    until_complete(&index).await;

    // A series is deleted: a changed registration looks again and fetches nothing.
    delete(&server, "series", &format!("{STUDY}.2"));
    register(server.http(), &[("last_update_dtime", "2024/3/24 0:00:00"), ("conclusion", "另")]).await;
    let standing =
        until(&index, "it was looked again", |now| now.state == "complete" && now.expected == Some(16)).await;
    assert_eq!((standing.held, server.stored().await.count()), (16, 16));

    // So with the whole study; what is missing of the other series would have been fetched.
    delete(&server, "study", STUDY);
    register(server.http(), &[("last_update_dtime", "2024/3/25 0:00:00"), ("conclusion", "再")]).await;
    let standing = until(&index, "it was looked again", |now| now.state == "complete" && now.studies == 0).await;
    assert!(standing.detail.contains("\"deleted_here\":1"), "{}", standing.detail);
    assert_eq!((standing.held, server.stored().await.count()), (0, 0));

    command(&server, &["retrieve", "run", "A0001"]);

    let standing = until(&index, "all is here", |now| now.state == "complete" && now.held == 18).await;
    assert_eq!((standing.expected, standing.error.as_str()), (Some(18), ""));
    images.assert_are_all_in(&server.stored().await);
    assert!(server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_images_are_not_fetched_by_c_get_until_a_person_asks() {
    deleted_images_stay_away("get").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_images_are_not_fetched_by_c_move_until_a_person_asks() {
    deleted_images_stay_away("move").await;
}
