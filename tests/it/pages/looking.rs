//! Looking at one exam: tabs, texts, pictures, files, and the record that somebody looked (RD-20 to RD-22, D-P18).

use yingku::demo;

use super::world::{Exam, NOW_S, World, uid};
use crate::files::pdf;
use crate::harness::dataset::DataSet;

const ACCESSION: (&str, &str) = ("AccessionNumber", "A0001");

#[tokio::test]
async fn nothing_that_a_hospital_sends_comes_out_unescaped() {
    let world = World::start().await;
    let evil = "\"'><x-evil onload=alert(1)></textarea></title><!-- \u{202e} {{7*7}}";
    world.exam(Exam { text: Some(evil.to_owned()), ..Exam::new(1) }).await;
    let exam = world.open("ClinicExam", &[ACCESSION, ("UserOrganizationName", evil)]).await;
    let list = exam.split("/exam/").next().unwrap().to_owned() + "/exams";
    let form = "name=%22%3E%3Cx-evil&from=%22%3E%3Cx-evil&type=%22%3E%3Cx-evil&accession=%22%3E%3Cx-evil";
    let searched = world.open("ClinicExamView", &[ACCESSION, ("UserOrganizationName", evil)]).await;
    assert!(world.search(&searched, form).await.text().contains("x-evil"), "the form is filled in");
    for path in [format!("{exam}?tab=text"), format!("{exam}?tab=request"), exam, list, searched] {
        let text = world.get(&path).await.text();
        assert!(text.contains("</html>"), "{path}");
        assert!(!text.contains("<x-evil") && !text.contains("<!-- "), "{path}");
    }
}

#[tokio::test]
async fn the_text_report_has_its_paragraphs_again() {
    let world = World::start().await;
    world.exam(Exam { reviewed: false, ..Exam::new(1) }).await;
    let exam = world.open("ClinicExam", &[ACCESSION, ("ShowType", "1")]).await;
    let text = world.get(&exam).await.text();
    assert!(text.contains("<p>2、右肺上叶见小结节，直径约4mm。</p>"));
    assert!(text.contains("990*************19") && !text.contains("990101199001010019"));
    assert!(text.contains("未审核"));
}

#[tokio::test]
async fn frames_are_drawn_and_looking_is_recorded_once() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let exams = demo::exams(NOW_S * 1000);
    let ct = exams.iter().find(|exam| exam.kind == demo::Kind::CtWithFilm).unwrap();
    for number in 1..=3 {
        world.store(&demo::object(ct, number).unwrap(), Some(1)).await;
    }
    let exam = world.open("ClinicExam", &[ACCESSION, ("ShowType", "2")]).await;
    let page = world.get(&format!("{exam}?tab=images&i=2")).await.text();
    assert!(page.contains("2 / 3") && page.contains("肺窗"));
    let picture = page.split("<div class=\"frame\"><img src=\"").nth(1).unwrap().split('"').next().unwrap();
    let picture = picture.replace("&#38;", "&").replace("&amp;", "&");

    let drawn = world.get(&picture).await;
    let lung = world.get(&format!("{picture}&c=-600&w=1500")).await;
    let turned = world.get(&format!("{picture}&r=90&inv=1")).await;

    for answer in [&drawn, &lung, &turned] {
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/jpeg"));
        assert!(answer.body.starts_with(&[0xFF, 0xD8]));
    }
    assert_ne!(drawn.body, lung.body);
    assert_ne!(drawn.body, turned.body);
    let missing = picture.replace("/1.jpg", "/2.jpg");
    assert_eq!(world.get(&missing).await.status, 404);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'view_exam'").await, 1);
}

#[tokio::test]
async fn electrocardiograms_are_drawn_as_svg() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let exams = demo::exams(NOW_S * 1000);
    let ecg = exams.iter().find(|exam| exam.kind == demo::Kind::Ecg).unwrap();
    world.store(&demo::object(ecg, 1).unwrap(), Some(1)).await;
    let exam = world.open("ClinicExam", &[ACCESSION, ("ShowType", "3")]).await;
    let page = world.get(&exam).await.text();
    let drawing = page.split("aria-label=\"心电波形\"><img src=\"").nth(1).unwrap().split('"').next().unwrap();
    let answer = world.get(&drawing.replace("&#38;", "&").replace("&amp;", "&")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "image/svg+xml"));
    assert!(answer.text().contains("<svg"));
}

#[tokio::test]
async fn d_p18_images_only_means_no_word_of_the_report() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    world.report_file(1, "image/jpeg", vec![0xFF, 0xD8, 0xFF], 1).await;
    let exam = world.open("ClinicExam", &[ACCESSION, ("ShowType", "3")]).await;
    for tab in ["", "?tab=text", "?tab=report", "?tab=request"] {
        let text = world.get(&format!("{exam}{tab}")).await.text();
        assert!(!text.contains("小结节") && !text.contains("/report/"), "{tab}");
    }
    assert_eq!(world.get(&format!("{exam}/report/original")).await.status, 404);
    assert_eq!(world.get(&format!("{exam}/report/page/1.png")).await.status, 404);
}

#[tokio::test]
async fn the_report_file_is_shown_downloaded_and_recorded() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    assert!(world.get(&exam).await.text().contains("没有图文报告文件"));
    let jpeg = vec![0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3];
    world.report_file(1, "image/jpeg", jpeg.clone(), 1).await;
    assert!(world.get(&exam).await.text().contains("/report/page/1.png"));
    let page = world.get(&format!("{exam}/report/page/1.png")).await;
    assert_eq!((page.status, page.header("content-type"), page.body.to_vec()), (200, "image/jpeg", jpeg.clone()));
    let original = world.get(&format!("{exam}/report/original?download=1")).await;
    assert_eq!(original.body.to_vec(), jpeg);
    assert!(original.header("content-disposition").starts_with("attachment"));
    assert_eq!(original.header("cache-control"), "no-store");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'download_report'").await, 1);
    // It is read while it is sent, and from anywhere.
    let part = world.get_with(&format!("{exam}/report/original"), "range", "bytes=2-4").await;
    assert_eq!((part.status, part.header("content-range"), &part.body[..]), (206, "bytes 2-4/7", &jpeg[2..5]));
    let beyond = world.get_with(&format!("{exam}/report/original"), "range", "bytes=7-").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */7"));
}

#[tokio::test]
async fn a_report_inside_a_dicom_object_is_shown_with_its_code_and_is_no_image() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let exams = demo::exams(NOW_S * 1000);
    let ct = exams.iter().find(|exam| exam.kind == demo::Kind::CtWithFilm).unwrap();
    world.store(&demo::object(ct, 1).unwrap(), Some(1)).await;
    let mut set = DataSet::ct("2.25.91");
    set.text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.104.1").text(0x0008_0060, "CS", "DOC");
    set.text(0x0020_000D, "UI", "2.25.9000").text(0x0020_000E, "UI", "2.25.9000.1").without(0x7FE0_0010);
    set.bytes(0x0042_0011, "OB", &pdf::report());
    let document = demo::DemoObject {
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.104.1".to_owned(),
        sop_instance_uid: "2.25.91".to_owned(),
        transfer_syntax_uid: "1.2.840.10008.1.2.1",
        data_set: set.encode(),
    };
    world.store(&document, Some(1)).await;
    world.archive.take_encapsulated_report(1).await.unwrap();

    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    assert!(world.get(&format!("{exam}?tab=report")).await.text().contains("/report/page/1.png"));
    let page = world.get(&format!("{exam}/report/page/1.png?w=1200")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "image/png"));
    let original = world.get(&format!("{exam}/report/original?download=1")).await;
    assert_eq!((original.header("content-type"), original.body.to_vec()), ("application/pdf", pdf::report()));
    let images = world.get(&format!("{exam}?tab=images")).await.text();
    assert!(images.contains("1 / 1") && !images.contains("2.25.91"), "the document is no picture");
}

#[tokio::test]
async fn a_report_that_is_being_fetched_says_so() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let sql = "INSERT INTO job (id, kind, job_key, state, attempts, max_attempts, run_at, lease_owner, lease_until, \
               generation, last_error, created_at, updated_at) \
               VALUES (9, 'fetch_report_file', '1', 'ready', 0, 5, 0, '', 0, 1, '', 0, 0)";
    world.execute(sql, vec![]).await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    assert!(world.get(&exam).await.text().contains("报告文件获取中"));
    world.execute("UPDATE job SET state = 'dead', last_error = 'host answered 404'", vec![]).await;
    let text = world.get(&exam).await.text();
    assert!(text.contains("报告文件获取失败") && text.contains("小结节"), "the text is shown meanwhile");
    let report = world.get(&format!("{exam}?tab=report")).await.text();
    assert!(report.contains("host answered 404"));
}

#[tokio::test]
async fn lab_results_are_a_table_with_marks() {
    let world = World::start().await;
    let items = [("白细胞", "12.5", "4", "10"), ("血红蛋白", "100", "120", "160"), ("血小板", "200", "100", "300")];
    world.lab(7, &items).await;
    let list = world.open("ClinicExamView", &[("IDCardNO", "990101199001010019")]).await;
    assert!(world.get(&list).await.text().contains("血常规"));
    let text = world.get(&list.replace("/exams", &format!("/exam/{}", uid(7)))).await.text();
    assert_eq!((text.matches('↑').count(), text.matches('↓').count()), (1, 1));
    assert!(text.contains("4 – 10") && text.contains("白细胞"));
}

#[tokio::test]
async fn images_without_a_report_are_for_the_own_organisation() {
    let world = World::start().await;
    let exams = demo::exams(NOW_S * 1000);
    let dx = exams.iter().find(|exam| exam.kind == demo::Kind::Dx).unwrap();
    world.store(&demo::object(dx, 1).unwrap(), None).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", dx.accession_number)]).await;
    let text = world.get(&exam).await.text();
    assert!(text.contains("未出报告") && text.contains("1 / 1"));
}

#[tokio::test]
async fn d_p19_the_close_button_comes_only_when_asked_for() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let with = world.open("ClinicExam", &[ACCESSION, ("ShowClose", "1")]).await;
    assert!(world.get(&with).await.text().contains("data-close"));
    let without = world.open("ClinicExam", &[ACCESSION, ("ShowClose", "yes")]).await;
    assert!(!world.get(&without).await.text().contains("data-close"));
}

#[tokio::test]
async fn assets_are_served_under_their_hash() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let exam = world.open("ClinicExam", &[ACCESSION]).await;
    let text = world.get(&exam).await.text();
    for marker in ["rel=\"stylesheet\" href=\"", "<script defer src=\""] {
        let path = text.split(marker).nth(1).unwrap().split('"').next().unwrap();
        let answer = world.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("cache-control").contains("immutable"));
    }
}

#[tokio::test]
async fn pictures_that_only_an_upstream_archive_has_are_missing_with_a_word_of_why() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let exams = demo::exams(NOW_S * 1000);
    let ct = exams.iter().find(|exam| exam.kind == demo::Kind::CtWithFilm).unwrap();
    world.store(&demo::object(ct, 1).unwrap(), Some(1)).await;
    let exam = world.open("ClinicExam", &[ACCESSION, ("ShowType", "2")]).await;
    let page = world.get(&format!("{exam}?tab=images")).await.text();
    assert!(!page.contains("上级平台"));

    world.execute("UPDATE instance SET offline_at = 1, object_key = ''", vec![]).await;

    let page = world.get(&format!("{exam}?tab=images")).await.text();
    assert!(page.contains("影像已上传至上级平台保存"));
    let picture = page.split("<div class=\"frame\"><img src=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(world.get(&picture.replace("&#38;", "&").replace("&amp;", "&")).await.status, 404);
}
