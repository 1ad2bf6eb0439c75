//! The page behind a printed code (RD-17, D-I10).

use yingku::domain::Actor;
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
async fn rd_17_d_i10_the_last_four_characters_open_this_exam_and_no_other() {
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
async fn wrong_answers_shut_a_link_until_an_operator_has_looked_and_a_right_one_takes_them_back() {
    let config = yingku::web::pages::PagesConfig {
        qr_attempts_per_hour_link: 100,
        qr_failed_attempts_link: 3,
        ..Default::default()
    };
    let world = World::with(crate::harness::TestDatabase::sqlite(), super::world::customer(), config).await;
    world.exam(Exam::new(1)).await;
    let sql = "INSERT INTO qr_link (id, exam_report_pk, created_at) VALUES ($1, 1, 0)";
    world.execute(sql, params![LINK]).await;
    let answer = async |factor: &str| world.post(&format!("/q/{LINK}"), &format!("factor={factor}")).await.status;
    assert_eq!([answer("1111").await, answer("1111").await, answer("0019").await], [403, 403, 303]);
    assert_eq!([answer("1111").await, answer("1111").await, answer("1111").await], [403, 403, 403]);

    let shut = world.post(&format!("/q/{LINK}"), "factor=0019").await;

    assert_eq!(shut.status, 403);
    assert!(shut.text().contains("链接已停用") && shut.text().contains("Link shut"), "{}", shut.text());
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE detail LIKE '%locked%'").await, 1);
    world.execute("UPDATE qr_link SET failed = 0", vec![]).await;
    assert_eq!(answer("0019").await, 303);
}

#[tokio::test]
async fn what_has_no_identity_number_opens_by_card_number_or_birth_date() {
    let world = world().await;
    assert_eq!(world.post(&format!("/q/{LINK}"), "factor=19900101").await.status, 403, "the number is there");
    let sql =
        "UPDATE exam_report SET id_no = NULL, card_no = 'C0000777', birth_date = '1990-01-01 00:00:00' WHERE id = 1";
    world.execute(sql, vec![]).await;
    assert!(world.get(&format!("/q/{LINK}")).await.text().contains("就诊卡号的后四位"));
    for (factor, status) in [("0019", 403), ("0777", 303), ("19900101", 303), ("", 403)] {
        assert_eq!(world.post(&format!("/q/{LINK}"), &format!("factor={factor}")).await.status, status, "{factor}");
    }
}

#[tokio::test]
async fn rd_17_d_i10_attempts_that_can_open_nothing_are_audited_too() {
    let world = world().await;
    world.post("/q/aaaaaaaaaaaaaaaaaaaaaaaaaa", "factor=0019").await;
    world.execute("UPDATE qr_link SET revoked_at = 1", vec![]).await;
    world.post(&format!("/q/{LINK}"), "factor=0019").await;
    let sql = "SELECT COUNT(*) AS n FROM audit WHERE action = 'open_qr_link' AND outcome = 'denied'";
    assert_eq!(world.count(sql).await, 2);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE target LIKE '%aaaaaaaa%'").await, 0);
}

#[tokio::test]
async fn attempts_from_an_address_are_limited_over_all_links() {
    let config = yingku::web::pages::PagesConfig { qr_attempts_per_hour_address: 3, ..Default::default() };
    let world = World::with(crate::harness::TestDatabase::sqlite(), super::world::customer(), config).await;
    for code in ["aaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaac"] {
        assert_eq!(world.post(&format!("/q/{code}"), "factor=0019").await.status, 404);
    }
    let next = world.post("/q/aaaaaaaaaaaaaaaaaaaaaaaaad", "factor=0019").await;
    assert_eq!(next.status, 429);
    assert!(next.text().contains("Too many attempts"), "in both languages: {}", next.text());
}

#[tokio::test]
async fn the_question_is_asked_in_english_too_and_the_choice_goes_on() {
    let world = world().await;
    let asked = world.get_with(&format!("/q/{LINK}"), "accept-language", "en-GB,en;q=0.9").await.text();
    assert!(asked.contains("<html lang=\"en\">") && asked.contains("Last four characters"), "{asked}");
    let plain = world.get(&format!("/q/{LINK}?lang=en")).await.text();
    assert!(plain.contains("Last four characters") && plain.contains("?lang=zh"));
    let wrong = world.post(&format!("/q/{LINK}?lang=en"), "factor=1111").await.text();
    assert!(wrong.contains("That is not right") && wrong.contains("aria-invalid"), "{wrong}");
    let right = world.post(&format!("/q/{LINK}?lang=en"), "factor=0019").await;
    let exam = world.get(right.header("location")).await.text();
    assert!(exam.contains("<html lang=\"en\">") && exam.contains("For the patient"), "{exam}");
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

#[tokio::test]
async fn rd_17_d_i10_before_the_factor_nothing_of_the_patient_is_told() {
    let world = world().await;
    let known = world.get(&format!("/q/{LINK}")).await;
    let unknown = world.get("/q/aaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert_eq!((known.status, known.text()), (unknown.status, unknown.text()), "good and bad links look alike");
    let wrong = world.post(&format!("/q/{LINK}"), "factor=1111").await;
    for text in [known.text(), wrong.text()] {
        for word in ["测试甲", "示例医院", "CT", "2026", "0019", "EX0001"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}

#[tokio::test]
async fn rd_17_d_i10_an_ended_link_opens_nothing() {
    let world = world().await;
    world.execute("UPDATE qr_link SET expires_at = $1", params![1]).await;
    assert_eq!(world.post(&format!("/q/{LINK}"), "factor=0019").await.status, 404);
}

#[tokio::test]
async fn rd_17_d_i10_a_visitor_is_out_when_the_link_is_revoked_or_renewed_or_ends() {
    for end in ["revoked", "renewed", "ended"] {
        let world = world().await;
        let right = world.post(&format!("/q/{LINK}"), "factor=0019").await;
        let exam = right.header("location").to_owned();
        assert_eq!(world.get(&exam).await.status, 200);
        let staff = world.open("ClinicExamView", &[("MedRecNO", "P0001")]).await;

        match end {
            "revoked" => world.archive.revoke_printed_link(Actor::system("test"), LINK).await.unwrap(),
            "renewed" => {
                world.archive.renew_printed_link(Actor::system("test"), LINK).await.unwrap();
            }
            _ => world.execute("UPDATE qr_link SET expires_at = 1", vec![]).await,
        }

        assert_eq!(world.get(&exam).await.status, 403, "{end}");
        assert_eq!(world.get(&staff).await.status, 200, "sessions of customers go on: {end}");
        let nobodys = "SELECT COUNT(*) AS n FROM audit WHERE action LIKE '%_qr_link' AND org_code <> 'ORG-T01'";
        assert_eq!(world.count(nobodys).await, 0, "who looks for an organisation finds what was done: {end}");
    }
}

#[tokio::test]
async fn rd_17_d_i10_the_code_of_a_lab_report_opens_its_results_and_its_page() {
    let world = World::start().await;
    let uid = world.lab(7, &[("白细胞计数", "12.3", "3.5", "9.5"), ("血红蛋白", "140", "115", "150")]).await;
    let sql =
        "INSERT INTO qr_link (id, lab_report_pk, created_at, expires_at, revoked_at) VALUES ($1, 7, 0, NULL, NULL)";
    world.execute(sql, params![LINK]).await;

    let right = world.post(&format!("/q/{LINK}"), "factor=0019").await;

    assert_eq!(right.status, 303, "{}", right.text());
    let exam = right.header("location").to_owned();
    assert!(exam.ends_with(&uid));
    let results = world.get(&exam).await.text();
    assert!(results.contains("白细胞计数") && results.contains("12.3") && results.contains("↑"));
    let report = world.get(&format!("{exam}?tab=report")).await.text();
    assert!(report.contains("/report/page/1.png") && report.contains("/report/stamped"), "{report}");
    assert!(!report.contains("visit.pdf"), "other reports of the visit are not the visitor's");
    let picture = world.get(&format!("{exam}/report/page/1.png")).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/png"));
    let pdf = world.get(&format!("{exam}/report/stamped?download=1")).await;
    assert_eq!((pdf.status, pdf.header("content-type")), (200, "application/pdf"));
    assert_eq!(world.get(&format!("{exam}/visit.pdf")).await.status, 404);
    let audited = "SELECT COUNT(*) AS n FROM audit WHERE action = 'download_report' AND target = 'lab:7'";
    assert_eq!(world.count(audited).await, 1);
    world.execute("UPDATE lab_report SET withdrawn = 1", vec![]).await;
    assert_eq!(world.get(&format!("{exam}/report/stamped")).await.status, 404);
}

#[tokio::test]
async fn rd_17_d_i10_a_hospitals_session_is_a_factor_for_what_it_may_see() {
    let world = world().await;
    world.exam(Exam { organization: "ORG-T02", vip: true, ..Exam::new(3) }).await;
    let hidden = "hiddenhiddenhiddenhiddenh4";
    let sql =
        "INSERT INTO qr_link (id, exam_report_pk, created_at, expires_at, revoked_at) VALUES ($1, 3, 0, NULL, NULL)";
    world.execute(sql, params![hidden]).await;
    let list = world.open("ClinicExamView", &[("MedRecNO", "P0001")]).await;
    let session = list.split("/exams").next().unwrap().to_owned();

    let opened = world.get(&format!("{session}/q/{LINK}")).await;
    let typed = format!("accession=https%3A%2F%2Fr.example.test%2Fq%2F{LINK}&name=&from=&to=&type=");
    let scanned = world.post(&list, &typed).await;

    assert_eq!(opened.status, 302, "{}", opened.text());
    assert_eq!(opened.header("location"), format!("{session}/exam/{}", Exam::new(1).uid()));
    assert_eq!((scanned.status, scanned.header("location")), (303, format!("{session}/q/{LINK}").as_str()));
    assert_eq!(world.get(&format!("{session}/q/{hidden}")).await.status, 404);
    assert_eq!(world.get(&format!("{session}/q/aaaaaaaaaaaaaaaaaaaaaaaaaa")).await.status, 404);
    let ok = "SELECT COUNT(*) AS n FROM audit WHERE action = 'open_qr_link' AND outcome = 'ok' AND target = 'exam:1'";
    let denied =
        "SELECT COUNT(*) AS n FROM audit WHERE action = 'open_qr_link' AND outcome = 'denied' AND target = 'exam:3'";
    assert_eq!((world.count(ok).await, world.count(denied).await), (1, 1));
    // A visitor has the session of one report and opens no other with it.
    let visitor = world.post(&format!("/q/{LINK}"), "factor=0019").await.header("location").to_owned();
    let visitor = visitor.split("/exam/").next().unwrap();
    assert_eq!(world.get(&format!("{visitor}/q/{LINK}")).await.status, 404);
}

#[tokio::test]
async fn lab_reports_of_a_visit_are_printed_together() {
    let world = World::start().await;
    for lab in [7, 8] {
        world.lab(lab, &[("白细胞计数", "12.3", "3.5", "9.5")]).await;
    }
    let list = world.open("ClinicExamView", &[("MedRecNO", "P0001")]).await;
    let session = list.split("/exams").next().unwrap();
    let exam = format!("{session}/exam/{}", super::world::uid(7));
    assert!(world.get(&format!("{exam}?tab=report")).await.text().contains("visit.pdf"));
    let pdf = world.get(&format!("{exam}/visit.pdf")).await;
    assert_eq!((pdf.status, pdf.header("content-type")), (200, "application/pdf"));
    let pages = lopdf::Document::load_mem(&pdf.body).unwrap().get_pages().len();
    assert_eq!(pages, 1, "both on one page");
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'download_visit'").await, 1);
}

/// What somebody sees who scans a code with a phone: the question, then the report; no page is wider than the phone.
#[tokio::test]
async fn rd_17_d_i10_the_pages_fit_on_a_phone() {
    let world = world().await;
    world.report_file(1, "application/pdf", yingku_report(), 1).await;
    let right = world.post(&format!("/q/{LINK}"), "factor=0019").await;
    let exam = right.header("location").to_owned();
    for (name, path) in [("ask", format!("/q/{LINK}")), ("report", exam.clone()), ("text", format!("{exam}?tab=text"))]
    {
        let address = format!("http://{}{path}", world.address);
        let picture = tokio::task::spawn_blocking(move || on_a_phone(name, &address)).await.unwrap();
        let (width, height) = picture.dimensions();
        // The page's own background reaches the right edge of every row: nothing sticks out, nothing is cut.
        let background = *picture.get_pixel(width - 3, height / 2);
        let free = (0..height).filter(|y| *picture.get_pixel(width - 3, *y) == background).count();
        assert!(free as u32 > height * 9 / 10, "{name}: {free} of {height}");
        let ink = picture.pixels().filter(|dot| dot.0[0] < 90).count();
        assert!(ink > 500, "{name} shows something");
    }
}

fn yingku_report() -> Vec<u8> {
    use yingku::documents::lab_sheet::{LabDocument, LabSheet, compose};
    let sheet = LabSheet { title: "检查".to_owned(), report_form_no: "EX0001".to_owned(), ..LabSheet::default() };
    let document =
        LabDocument { organization: "示例医院".to_owned(), reports: vec![sheet], ..LabDocument::default() };
    compose(&document, None, 10).unwrap().bytes
}

fn on_a_phone(name: &str, address: &str) -> image::GrayImage {
    use crate::harness::{Package, run, tool};
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join(format!("{name}.png"));
    let mut chromium = std::process::Command::new(tool("chromium", Package::Debian("chromium")));
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    chromium.args(["--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=2"]);
    chromium.arg("--window-size=390,844");
    chromium.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    chromium.arg(format!("--screenshot={}", picture.display())).arg(address);
    run(&mut chromium);
    if let Some(kept) = std::env::var_os("YINGKU_TEST_PICTURES") {
        std::fs::copy(&picture, std::path::Path::new(&kept).join(format!("{name}.png"))).unwrap();
    }
    image::open(&picture).unwrap().into_luma8()
}
