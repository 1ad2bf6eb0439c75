//! Report files that come in one call with the registration.

use yingku::archive::ReportCopy;

use super::{Service, exam};
use crate::each_database;
use crate::harness::{Limit, ServerProcess, count_rows, texts};

pub(super) const PDF: &[u8] = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] \
/Count 1 >>\nendobj\n3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n";

/// A form with a message and files beside it.
pub(super) fn form(message: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    form_of(b"name=\"strReportInfo\"\r\nContent-Type: text/xml; charset=utf-8", message.as_bytes(), files)
}

/// The same with the head of the message's part.
fn form_of(head: &[u8], message: &[u8], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = [&b"--XYZ\r\nContent-Disposition: form-data; "[..], head, b"\r\n\r\n", message, b"\r\n"].concat();
    for (name, content) in files {
        let head = format!("--XYZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XYZ--\r\n");
    body
}

/// The content type of [`form`].
pub(super) const TYPE: &str = "multipart/form-data; boundary=XYZ";

each_database! {
    async fn a_file_in_the_same_call_is_kept_and_stamped_before_the_answer(database: TestDatabase) {
        let service = Service::start(database).await;
        let text = exam(&[("reportfilepath", "scan-0001.pdf")]);

        let answer = service.post("", TYPE, form(&text, &[("scan-0001.pdf", PDF)])).await;
        let again = service.post("", TYPE, form(&text, &[("scan-0001.pdf", PDF)])).await;

        assert!(answer.text.contains("<result>1</result>") && answer.text.contains("stored"), "{}", answer.text);
        assert!(again.text.contains("duplicate"), "{}", again.text);
        let pk = service.row("SELECT id FROM exam_report").await.int("id").unwrap();
        let history = service.archive.report_file_history(pk).await.unwrap();
        assert_eq!(history.len(), 1, "sent again it is the same file");
        let original = service.archive.read_report_file(&history[0], ReportCopy::Original).await.unwrap();
        assert_eq!(original, PDF);
        assert!(history[0].stamped.is_some());
        // The bare name of the file is no address that anybody could fetch.
        assert_eq!(service.row("SELECT COUNT(*) AS n FROM job WHERE kind = 'fetch_report_file'").await.int("n").unwrap(), 0);
        let kept = service.row("SELECT body FROM inbox_message ORDER BY id LIMIT 1").await;
        assert_eq!(kept.get::<Vec<u8>>("body").unwrap(), text.as_bytes(), "the message is kept without the file");
        let audited = "SELECT COUNT(*) AS n FROM audit WHERE action = 'push_report_file' AND actor_kind = 'sender'";
        assert_eq!(service.row(audited).await.int("n").unwrap(), 1);
    }

    async fn what_is_no_report_or_belongs_to_nobody_is_said_and_the_record_is_kept(database: TestDatabase) {
        let service = Service::start(database).await;
        let page = service.post("", TYPE, form(&exam(&[]), &[("a.pdf", b"<html>")])).await;
        assert!(page.text.contains("E1080") && page.text.contains("stored"), "{}", page.text);
        let files: [(&str, &[u8]); 2] = [("x.pdf", PDF), ("y.pdf", b"junk")];
        let unnamed = service.post("", TYPE, form(&exam(&[]), &files)).await;
        assert!(unnamed.text.contains("E1082"), "{}", unnamed.text);
        let missing = service.post("", TYPE, form(&exam(&[("reportfilepath", "z.pdf")]), &files)).await;
        assert!(missing.text.contains("E1083") && missing.text.contains("<result>1</result>"), "{}", missing.text);
        assert_eq!(service.row("SELECT COUNT(*) AS n FROM exam_report").await.int("n").unwrap(), 1);
    }

    async fn a_message_with_a_mark_of_its_encoding_is_read_also_as_a_file(database: TestDatabase) {
        let service = Service::start(database).await;
        let document = exam(&[("reportfilepath", "scan.pdf")]);
        let in_utf_16: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for message in [[b"\xEF\xBB\xBF".as_slice(), document.as_bytes()].concat(), [b"\xFF\xFE".as_slice(), &in_utf_16].concat()] {
            let body = form_of(b"name=\"message\"; filename=\"message.xml\"", &message, &[("scan.pdf", PDF)]);
            let answer = service.post("", TYPE, body).await;
            assert!(answer.text.contains("<result>1</result>") && !answer.text.contains("E108"), "{}", answer.text);
        }
        assert_eq!(service.count("SELECT id FROM exam_report").await, 1);
        assert_eq!(service.count("SELECT id FROM report_file").await, 1);
    }

    async fn a_stale_record_does_not_bring_its_old_file_back(database: TestDatabase) {
        let service = Service::start(database).await;
        let newer_pdf = [PDF, b"% corrected\n"].concat();
        let path = ("reportfilepath", "scan.pdf");
        let first = form(&exam(&[path]), &[("scan.pdf", PDF)]);
        let changed = exam(&[path, ("conclusion", "结论二"), ("last_update_dtime", "2024/3/24 0:00:00")]);
        service.post("", TYPE, first.clone()).await;
        let newer = service.post("", TYPE, form(&changed, &[("scan.pdf", &newer_pdf)])).await;

        let late = service.post("", TYPE, first).await;

        assert!(newer.text.contains("updated") && !newer.text.contains("E1084"), "{}", newer.text);
        assert!(late.text.contains("stale") && late.text.contains("E1084"), "{}", late.text);
        assert!(late.text.contains("<result>1</result>"), "it need not be sent again: {}", late.text);
        let pk = service.row("SELECT id FROM exam_report").await.int("id").unwrap();
        let history = service.archive.report_file_history(pk).await.unwrap();
        assert_eq!(history.len(), 2);
        let current = service.archive.report_file_of(pk).await.unwrap().unwrap();
        assert_eq!(service.archive.read_report_file(&current, ReportCopy::Original).await.unwrap(), newer_pdf);
    }

    async fn d_r8_d_r18_a_withdrawn_patients_file_goes_to_nobody_and_is_not_asked_for_again(database: TestDatabase) {
        let service = Service::start(database).await;
        let (path, other) = (("reportfilepath", "scan.pdf"), [("patient_id", "P0002"), ("event_no", "E0002")]);
        let later = ("last_update_dtime", "2024/3/24 0:00:00");
        service.register(&exam(&[path])).await;

        let withdrawal = form(&exam(&[path, later, ("data_status", "0")]), &[("scan.pdf", PDF)]);
        let withdrawn = service.post("", TYPE, withdrawal.clone()).await;
        service.register(&exam(&other)).await;
        let again = service.post("", TYPE, withdrawal).await;
        let stale = service.post("", TYPE, form(&exam(&[path]), &[("scan.pdf", PDF)])).await;

        for (answer, status) in [(withdrawn, "updated"), (again, "duplicate"), (stale, "stale")] {
            assert!(answer.text.contains(status) && answer.text.contains("E1084"), "{}", answer.text);
            assert!(answer.text.contains("<result>1</result>") && !answer.text.contains("E1081"), "{}", answer.text);
        }
        assert_eq!(service.count("SELECT id FROM exam_report").await, 2);
        assert_eq!(service.count("SELECT id FROM report_file").await, 0, "the other patient's report got no file");
    }

    async fn of_several_patients_with_a_number_each_gets_its_own_file(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("patient_id", "P0002"), ("event_no", "E0002")])).await;
        let own = exam(&[("event_type", "门诊"), ("reportfilepath", "scan.pdf")]);

        let answer = service.post("", TYPE, form(&own, &[("scan.pdf", PDF)])).await;
        let again = service.post("", TYPE, form(&own, &[("scan.pdf", PDF)])).await;

        for answer in [answer, again] {
            assert!(answer.text.contains("<result>1</result>") && !answer.text.contains("E1081"), "{}", answer.text);
        }
        let sql = "SELECT e.patient_id FROM report_file f JOIN exam_report e ON e.id = f.exam_report_pk";
        let owners: Vec<String> =
            service.rows(sql, Vec::new()).await.iter().map(|row| row.text("patient_id").unwrap()).collect();
        assert_eq!(owners, ["P0001"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_whose_file_found_no_room_counts_as_rejected_and_the_same_call_works_when_there_is_room() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut server = ServerProcess::start().await;
    server.kill();
    server.start_again(Limit::FileBytes(7 * 1024 * 1024)).await;
    let padding = [b"% ".as_slice(), &[b'x'; 9 * 1024 * 1024], b"\n"].concat();
    let (head, rest) = PDF.split_at(9);
    let pdf = [head, &padding, rest].concat();
    let call = form(&exam(&[("reportfilepath", "scan-0001.pdf")]), &[("scan-0001.pdf", &pdf)]);
    let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = async || {
        let request = http.post(&url).header("content-type", TYPE).body(call.clone());
        request.send().await.unwrap().text().await.unwrap()
    };
    let files = "SELECT COUNT(*) AS n FROM report_file";

    // The sender hears that it must send again,
    let refused = send().await;
    assert!(refused.contains("E1081") && !refused.contains("<result>1</result>"), "{refused}");
    assert!(refused.contains("<failed>1</failed>"), "{refused}");
    assert_eq!(count_rows(&server.database(), files).await, 0);
    // as often as it does;
    let refused = send().await;
    assert!(refused.contains("E1081") && !refused.contains("<result>1</result>"), "{refused}");
    // the operator finds what failed;
    let failed = "SELECT COUNT(*) AS n FROM inbox_message WHERE state = 'failed' AND result LIKE '%E1081%'";
    assert_eq!(count_rows(&server.database(), failed).await, 2);
    server.give_room();
    // and then the very same call is taken whole.
    let taken = send().await;
    assert!(taken.contains("<result>1</result>") && !taken.contains("E1081"), "{taken}");
    assert_eq!(count_rows(&server.database(), "SELECT COUNT(*) AS n FROM exam_report").await, 1);
    let lengths = texts(&server.database(), "SELECT CAST(original_length AS TEXT) AS t FROM report_file").await;
    assert_eq!(lengths, [pdf.len().to_string()]);
    assert!(server.terminate().await.success());
    assert!(server.command(&["verify"]).status.success());
}
