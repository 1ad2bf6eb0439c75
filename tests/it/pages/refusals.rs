//! Requests that no form of ours makes are refused in the reader's language.

use super::world::{Exam, World};

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn whatever_is_refused_is_refused_by_a_page() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let list = world.open("ClinicExamView", &[("IDCardNO", "990101199001010019")]).await;
    let code = "/q/abcdefghijklmnopqrstuvwxy4";
    let long = format!("factor={}", "0".repeat(70_000));

    for (answer, status, title) in [
        (world.post(code, "factor=1&factor=2").await, 400, "请求有误"),
        (world.post_as(code, "text/plain", "factor=0019".to_owned()).await, 415, "请求格式不支持"),
        (world.post_as(code, FORM, long.clone()).await, 413, "提交内容过大"),
        (world.post(&list, "name=a&name=b").await, 400, "请求有误"),
        (world.post_as(&list, "application/json", "{}".to_owned()).await, 415, "请求格式不支持"),
        (world.post_as(&list, FORM, long.clone()).await, 413, "提交内容过大"),
        (world.post_as("/IDCAS/Interface/ClinicExam", FORM, long).await, 413, "提交内容过大"),
        (world.get(&format!("{list}?order=asc&order=desc")).await, 400, "请求有误"),
        (world.get("/q/%ff").await, 200, "报告"),
    ] {
        let text = answer.text();
        assert_eq!(answer.status, status, "{text}");
        assert!(text.contains("<html") && text.contains(title), "{title}: {text}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    }
}
