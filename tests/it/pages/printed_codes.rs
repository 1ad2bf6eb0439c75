//! The page behind a printed code (D-I10).

use yingku::params;

use super::world::{Exam, World};

const LINK: &str = "abcdefghijklmnopqrstuvwxy4";

async fn world() -> World {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    world.exam(Exam::new(2)).await;
    let sql =
        "INSERT INTO qr_link (id, exam_report_pk, created_at, expires_at, revoked_at) VALUES ($1, 1, 0, NULL, NULL)";
    world.execute(sql, params![LINK]).await;
    world
}

#[tokio::test]
async fn the_last_four_characters_open_this_exam_and_no_other() {
    let world = world().await;
    assert_eq!(world.get(&format!("/q/{LINK}")).await.status, 200);
    assert_eq!(world.post(&format!("/q/{LINK}"), "factor=0018").await.status, 403);

    let right = world.post(&format!("/q/{LINK}"), "factor=0019").await;

    assert_eq!(right.status, 303);
    let exam = right.header("location").to_owned();
    let page = world.get(&exam).await;
    assert!(page.status == 200 && page.text().contains("测试甲"));
    assert!(!page.text().contains("检查列表"));
    let other = exam.replace(&Exam::new(1).uid(), &Exam::new(2).uid());
    assert_eq!(world.get(&other).await.status, 404);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'open_qr_link'").await, 2);
}

#[tokio::test]
async fn attempts_on_a_link_are_limited() {
    let world = world().await;
    for _ in 0..5 {
        assert_eq!(world.post(&format!("/q/{LINK}"), "factor=1111").await.status, 403);
    }
    assert_eq!(world.post(&format!("/q/{LINK}"), "factor=0019").await.status, 429);
}

#[tokio::test]
async fn unknown_revoked_and_withdrawn_look_alike() {
    let world = world().await;
    let unknown = world.post("/q/aaaaaaaaaaaaaaaaaaaaaaaaaa", "factor=0019").await;
    world.execute("UPDATE exam_report SET withdrawn = 1 WHERE id = 1", vec![]).await;
    let withdrawn = world.post(&format!("/q/{LINK}"), "factor=0019").await;
    world.execute("UPDATE exam_report SET withdrawn = 0 WHERE id = 1", vec![]).await;
    world.execute("UPDATE qr_link SET revoked_at = 1", vec![]).await;
    let revoked = world.post(&format!("/q/{LINK}"), "factor=0019").await;
    assert_eq!((unknown.status, withdrawn.status, revoked.status), (404, 404, 404));
    assert_eq!(unknown.text(), revoked.text());
    assert_eq!(unknown.text(), withdrawn.text());
}
