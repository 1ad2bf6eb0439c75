//! Lab reports as documents (R3.7.2, D-S8): composed on demand, stamped, composed anew when they change.

use std::time::Duration;

use yingku::archive::reports::qr_link::{LinkedReport, QrLinkState};
use yingku::archive::{QrConfig, ReportFileState};
use yingku::documents::lab_sheet::{LabDocument, LabRow, LabSheet, Reserved, compose};
use yingku::documents::stamp::Corner;
use yingku::documents::{ComposeLab, DocumentsConfig};
use yingku::objects::Objects;
use yingku::params;

use super::bench::{Bench, PUBLIC_URL, reports};
use super::judges::{assert_sound, codes_of, fonts_of, pdfium, show, text_of};
use super::pdf::code_in_corner;
use crate::api::containers;
use crate::each_database;
use crate::harness::{TestDatabase, TestServer, count_rows, eventually};

/// A lab report with results, as the registry would keep it.
async fn lab(bench: &Bench, number: &str, items: usize) -> i64 {
    let id = bench.ids.next();
    bench
        .execute(
            "INSERT INTO lab_report (id, observation_uid, version, content_hash, sender, withdrawn, identity_conflict, \
             retrieve_at, observed_at, received_at, updated_at, org_code, report_form_no, patient_id, event_type, event_no, \
             id_no, name, sex_code, report_title, playing_device, specimen_determiner_name, participant_dept, \
             participant_name, author_name, authenticator_name, authenticator_dtime) \
             VALUES ($1, $2, 1, '', 'lis', 0, 0, $3, $3, 0, 0, 'ORG-T01', $4, 'P0001', '1', 'E0001', '990101199001010019', \
             '测试甲', '1', '血常规', '血球分析仪T1', '静脉血', '呼吸内科', '测试医生甲/1001', '测试技师丙', '测试医生乙', \
             '2026-09-20 10:30:00')",
            params![id, format!("uid-{id}"), format!("2026-09-20 09:00:{:02}", id % 60), number],
        )
        .await;
    for item in 0..items {
        add_item(bench, id, number, item, "12.3", "H").await;
    }
    id
}

async fn add_item(bench: &Bench, lab: i64, number: &str, item: usize, value: &'static str, word: &'static str) {
    bench
        .execute(
            "INSERT INTO lab_item (id, lab_report_pk, owner, version, content_hash, sender, withdrawn, received_at, updated_at, \
             org_code, event_no, report_form_no, serial_no, class_local_name, result_value, result_unit, norm_lower_limit, \
             norm_upper_limit, result_interpre, examine_way) \
             VALUES ($1, $2, $2, 1, '', 'lis', 0, 0, 0, 'ORG-T01', 'E0001', $3, $4, $5, $6, '10^9/L', '3.5', '9.5', $7, \
             '电阻抗法')",
            params![bench.ids.next(), lab, number, (item + 1).to_string(), format!("白细胞计数{item}"), value, word],
        )
        .await;
}

async fn read(objects: &Objects, bench: &Bench, lab: i64) -> Vec<u8> {
    let document = bench.archive.lab_document(lab).await.unwrap().unwrap();
    objects.read(&document.place).await.unwrap().to_vec()
}

each_database! {
    async fn a_lab_report_becomes_a_page_that_people_and_machines_read(database: TestDatabase) {
        let bench = Bench::on(database).await;
        let objects = bench.objects();
        let id = lab(&bench, "LAB20260920001", 3).await;

        let pdf = read(&objects, &bench, id).await;

        assert_sound(&pdf);
        show("lab.pdf", &pdf);
        let text = text_of(&pdf);
        for word in [
            "示例医院", "血常规检验报告单", "测试甲", "男", "静脉血", "呼吸内科", "测试医生甲", "白细胞计数0", "12.3", "↑", "10^9/L",
            "3.5 – 9.5", "电阻抗法", "血球分析仪T1", "测试技师丙", "测试医生乙", "2026-09-20 10:30", "第1页", "共1页", "LAB20260920001",
        ] {
            assert!(text.contains(word), "{word} is not in: {text}");
        }
        assert!(!text.contains("1001"), "the number of the doctor is for machines: {text}");
        assert_eq!(pdfium(&pdf).len(), 1);
        let fonts = fonts_of(&pdf);
        assert!(fonts.lines().skip(2).all(|line| line.contains("yes yes")), "embedded as subset: {fonts}");
        let codes = codes_of(&pdf);
        assert!(codes.contains(&("code128".to_owned(), "LAB20260920001".to_owned())), "{codes:?}");
        let link = codes.iter().find(|code| code.0 == "qrcode").unwrap().1.clone();
        let link = link.strip_prefix(&format!("{PUBLIC_URL}/q/")).unwrap().to_owned();
        let report = LinkedReport::Lab(id);
        assert_eq!(bench.archive.qr_link_state(&link).await.unwrap(), QrLinkState::Open { report, failed: 0 });
        let ReportFileState::Ready(file) = bench.archive.lab_file_state(id).await.unwrap() else { panic!() };
        let picture = bench.archive.report_page_picture(&file, 1, 1200).await.unwrap();
        assert!(code_in_corner(&picture).starts_with(PUBLIC_URL));
    }

    async fn it_is_composed_once_and_again_when_something_has_changed(database: TestDatabase) {
        let mut bench = Bench::on(database).await;
        let objects = bench.objects();
        let id = lab(&bench, "LAB2", 1).await;
        let first = bench.archive.lab_document(id).await.unwrap().unwrap();
        assert_eq!(bench.archive.lab_document(id).await.unwrap().unwrap(), first);

        add_item(&bench, id, "LAB2", 7, "阳性", "异常").await;
        let second = bench.archive.lab_document(id).await.unwrap().unwrap();
        assert_eq!((first.revision, second.revision), (1, 2));
        assert!(objects.read(&first.place).await.is_err(), "the former one is gone");
        assert!(text_of(&read(&objects, &bench, id).await).contains("阳性"));

        bench.execute("UPDATE lab_item SET withdrawn = 1 WHERE lab_report_pk = $1 AND serial_no = '1'", params![id]).await;
        assert!(!text_of(&read(&objects, &bench, id).await).contains("12.3"));

        bench.restart_with(QrConfig { corner: Corner::BottomLeft, ..QrConfig::default() });
        assert_eq!(bench.archive.lab_document(id).await.unwrap().unwrap().revision, 4);
        let codes = codes_of(&read(&objects, &bench, id).await);
        assert!(codes.iter().any(|code| code.0 == "qrcode"), "{codes:?}");

        bench.execute("UPDATE lab_report SET withdrawn = 1 WHERE id = $1", params![id]).await;
        assert_eq!(bench.archive.lab_document(id).await.unwrap(), None);
    }

    async fn a_code_that_has_ended_is_followed_by_another_when_the_report_is_composed_again(database: TestDatabase) {
        let bench = Bench::on(database).await;
        let objects = bench.objects();
        let id = lab(&bench, "LAB4", 1).await;
        let code = async || {
            let codes = codes_of(&read(&objects, &bench, id).await);
            codes.into_iter().find(|(kind, _)| kind == "qrcode").unwrap().1
        };
        let printed = code().await;
        add_item(&bench, id, "LAB4", 7, "阳性", "异常").await;
        assert_eq!(code().await, printed, "what is on paper stays good");

        bench.execute("UPDATE qr_link SET expires_at = 1", params![]).await;
        assert_eq!(code().await, printed, "the document has not changed");
        // The pages of the visit bear a new code, and the document is made again to have the same.
        bench.archive.visit_document(&[id]).await.unwrap();
        let now = code().await;

        assert_ne!(now, printed);
        let state = async |link: &str| bench.archive.qr_link_state(link.rsplit('/').next().unwrap()).await.unwrap();
        assert_eq!(state(&now).await, QrLinkState::Open { report: LinkedReport::Lab(id), failed: 0 });
        assert_eq!(state(&printed).await, QrLinkState::Unknown);
    }

    async fn without_codes_there_is_a_document_all_the_same(database: TestDatabase) {
        let bench = Bench::with(database, reports(), QrConfig { enabled: false, ..QrConfig::default() }).await;
        let id = lab(&bench, "LAB3", 2).await;
        let pdf = read(&bench.objects(), &bench, id).await;
        assert_eq!(codes_of(&pdf), [("code128".to_owned(), "LAB3".to_owned())]);
    }

    async fn reports_of_one_visit_flow_onto_common_pages(database: TestDatabase) {
        let bench = Bench::on(database).await;
        let mut labs = Vec::new();
        for (number, items) in [("LAB-A", 5), ("LAB-B", 12), ("LAB-C", 40)] {
            labs.push(lab(&bench, number, items).await);
        }
        let pdf = bench.archive.visit_document(&labs).await.unwrap();
        assert_sound(&pdf);
        show("visit.pdf", &pdf);
        let pages = pdfium(&pdf);
        assert_eq!(pages.len(), 2, "three reports on two pages");
        let printed = codes_of(&pdf);
        let links: Vec<&String> = printed.iter().filter(|(kind, _)| kind == "qrcode").map(|(_, text)| text).collect();
        assert_eq!(links.len(), 1, "on the first page: {printed:?}");
        let link = links[0].strip_prefix(&format!("{PUBLIC_URL}/q/")).unwrap();
        let open = QrLinkState::Open { report: LinkedReport::Lab(labs[0]), failed: 0 };
        assert_eq!(bench.archive.qr_link_state(link).await.unwrap(), open, "to the first of the reports");
        let unstamped = Bench::with(TestDatabase::sqlite(), reports(), QrConfig { enabled: false, ..QrConfig::default() });
        let bench = unstamped.await;
        let alone = lab(&bench, "LAB-D", 3).await;
        let pdf_alone = bench.archive.visit_document(&[alone]).await.unwrap();
        assert!(codes_of(&pdf_alone).iter().all(|(kind, _)| kind != "qrcode"));
        assert!(pages[0].contains("LAB-A") && pages[0].contains("LAB-B") && pages[0].contains("LAB-C"));
        assert!(pages.iter().all(|page| page.contains("测试甲") && page.contains("检验项目")));
        let results: usize = pages.iter().map(|page| page.matches("12.3").count()).sum();
        assert_eq!(results, 57);
    }
}

#[test]
fn the_same_report_gives_the_same_bytes_and_odd_ones_do_not_fail() {
    let row = |name: &str, value: &str| LabRow { name: name.to_owned(), value: value.to_owned(), ..LabRow::default() };
    let odd = LabDocument {
        organization: "示例".repeat(60),
        patient: vec![("姓名", "𠮷测试".to_owned()), ("性别", "x".repeat(300))],
        reports: vec![LabSheet {
            title: "检验".repeat(80),
            report_form_no: "报告-1".to_owned(),
            rows: vec![row("\u{0}\n\t换行", "a\nb"), row(&"长".repeat(300), &"9".repeat(200)), row("", "")],
            ..LabSheet::default()
        }],
    };
    let reserved = Some(Reserved { corner: Corner::TopRight, side_mm: 30.0 });
    let max_pages = DocumentsConfig::default().max_pages;
    let first = compose(&odd, reserved, max_pages).unwrap();
    assert_sound(&first.bytes);
    assert_eq!(compose(&odd, reserved, max_pages).unwrap(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_composed_when_it_is_registered_where_that_is_configured() {
    let jobs = "SELECT COUNT(*) AS n FROM job WHERE kind = 'compose_lab_report'";
    for when in [ComposeLab::OnRequest, ComposeLab::OnRegistration] {
        let server = TestServer::start_with(|config| config.documents.compose_lab = when).await;
        let document = format!("<root>{}{}</root>", containers::lab(&[]), containers::line("1", &[]));
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.post(url).header("content-type", "text/xml").body(document).send().await.unwrap();
        let answer = answer.text().await.unwrap();
        assert!(answer.contains("<result>1</result>"), "{answer}");
        let composed = "SELECT COUNT(*) AS n FROM lab_document";
        if when == ComposeLab::OnRequest {
            // The work would have been written down together with the report.
            let database = server.database();
            assert_eq!([count_rows(&database, jobs).await, count_rows(&database, composed).await], [0, 0]);
        } else {
            eventually(Duration::from_secs(120), "the report is composed", || async {
                (count_rows(&server.database(), composed).await == 1).then_some(())
            })
            .await;
        }
        server.stop().await;
    }
}
