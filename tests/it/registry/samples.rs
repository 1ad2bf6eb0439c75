//! The messages in `fixtures/report_registry`: each is registered as it stands.

use std::path::Path;

use super::Service;
use crate::each_database;

/// Each message with its media type, in the order of the names.
fn samples() -> Vec<(String, &'static str, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/report_registry");
    let mut samples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let media_type = match name.rsplit('.').next().unwrap() {
                "form" => "application/x-www-form-urlencoded",
                "json" => "application/json",
                "xml" if name.contains("soap12") => "application/soap+xml; charset=utf-8",
                "xml" if name.contains("gbk") => "text/xml",
                "xml" => "text/xml; charset=utf-8",
                other => panic!("what is sent as .{other}?"),
            };
            (name, media_type, std::fs::read(path).unwrap())
        })
        .collect();
    samples.sort();
    samples
}

each_database! {
    async fn every_sample_is_registered_and_its_chinese_is_kept(database: TestDatabase) {
        let service = Service::start(database).await;

        for (name, media_type, body) in samples() {
            let path = if media_type.contains("form") || media_type.contains("json") { "/ArchiveAutoReport" } else { "" };
            let answer = service.post(path, media_type, body).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text);
            assert!(answer.text.contains("stored"), "{name}: {}", answer.text);
        }

        let exams = service.rows("SELECT name, conclusion FROM exam_report ORDER BY report_form_no", Vec::new()).await;
        assert_eq!(exams.len(), 7);
        for exam in exams {
            assert_eq!(exam.text("name").unwrap(), "测试甲");
            assert_eq!(exam.text("conclusion").unwrap(), "胸部CT平扫未见异常。");
        }
        let items = service.rows("SELECT class_name FROM lab_item WHERE lab_report_pk IS NOT NULL", Vec::new()).await;
        assert_eq!(items.len(), 4);
    }
}
