//! Decisions on registration (D-R…) that are about several kinds of records, or about ways in and out together.

use yingku::integrations::report_registry::{Acknowledgement, ConfigError, SenderConfig, router};
use yingku::params;

use super::{Service, Settings, exam, form, lab, line, root};
use crate::each_database;

const ID_NO: (&str, &str) = ("strSSID", "990101199001010019");
const CARD_NO: (&str, &str) = ("strIDNO", "C00000001");
const LATER: (&str, &str) = ("last_update_dtime", "2024/3/24");
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

each_database! {
    async fn d_r1_exams_and_labs_of_one_call_are_all_registered(database: TestDatabase) {
        let service = Service::start(database).await;

        let told = service.register(&root(&[line("1", &[]), exam(&[]), lab(&[]), exam(&[("report_form_no", "EX2")])])).await;

        assert!(told.contains("<total>4</total><succeeded>4</succeeded>"), "{told}");
        assert_eq!(service.count("SELECT id FROM exam_report").await, 2);
        assert_eq!(service.count("SELECT id FROM lab_item WHERE lab_report_pk IS NOT NULL").await, 1);
    }

    async fn d_r3_every_profile_says_yes_and_no_in_every_wire_form(database: TestDatabase) {
        use Acknowledgement::{Json, One, Success, Template, True, Xml};
        let profiles = [Xml, Json, One, True, Success, Template];
        let six = |settings: &mut Settings| {
            let sender = |(number, ack): (usize, &Acknowledgement)| SenderConfig {
                name: format!("ris{number}"),
                organizations: vec!["ORG-T01".to_owned()],
                app_id: format!("unit-test-app-{number}"),
                ack: *ack,
                ack_template: "OK={result};{succeeded}/{total};{failed};{message}".to_owned(),
                ..SenderConfig::default()
            };
            settings.senders = profiles.iter().enumerate().map(sender).collect();
        };
        let service = Service::start_with(database, six).await;
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let good = |number: usize| exam(&[("report_form_no", &format!("EX{number}"))]);
        let bad = exam(&[("event_no", "")]);

        for (number, (yes, no)) in [
            ("<result>1</result><message>ok</message><total>1</total>", "<result>0</result>"),
            ("{\"Status\":1,\"Msg\":\"\",\"Total\":1,\"Rows\":[{", "{\"Status\":0,\"Msg\":\"1条记录未注册\",\"Total\":1,"),
            ("1", "0"),
            ("true", "false"),
            ("success", "fail"),
            ("OK=1;1/1;0;ok", "OK=0;0/1;1;1条记录未注册"),
        ].into_iter().enumerate() {
            let is_whole = number >= 2;
            for (document, expected) in [(good(number), yes), (bad.clone(), no)] {
                let envelope = format!(
                    "<s:Envelope xmlns:s=\"{SOAP}\"><s:Body><ArchiveAutoReport><strReportInfo>{}</strReportInfo>\
                     </ArchiveAutoReport></s:Body></s:Envelope>",
                    escaped(&document)
                );
                for (path, kind, body) in [
                    ("", "text/xml", envelope),
                    ("/ArchiveAutoReport", "application/x-www-form-urlencoded", form(&[("strReportInfo", &document)])),
                    ("", "application/xml", document),
                ] {
                    let request = service.http.post(format!("{}{path}", service.url)).header("content-type", kind);
                    let request = request.header("X-App-Id", format!("unit-test-app-{number}"));
                    let told = request.body(body).send().await.unwrap().text().await.unwrap();
                    let told = told.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
                    let found = match (is_whole, kind) {
                        (false, _) => told.contains(expected),
                        (true, "application/xml") => told == expected,
                        (true, "text/xml") => told.contains(&format!("<ArchiveAutoReportResult>{expected}</")),
                        (true, _) => told.contains(&format!(">{expected}</string>")),
                    };
                    assert!(found, "{:?} {kind}: {told}", profiles[number]);
                }
            }
        }
    }

    async fn d_r3_a_template_must_say_something(database: TestDatabase) {
        let service = Service::start(database).await;
        let mut settings = service.settings.clone();
        settings.senders[0].ack = Acknowledgement::Template;
        settings.senders[0].ack_template = "OK".to_owned();

        let refused = router(service.archive.clone(), settings);

        assert!(matches!(refused, Err(ConfigError::NoTemplate(_))));
    }

    async fn d_r6_what_a_query_answers_can_be_registered_elsewhere(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[exam(&[]), lab(&[]), line("1", &[]), line("2", &[])])).await;
        let exams = service.ask("GetExamInfo", &[ID_NO]).await;
        let labs = service.ask("GetLabInfo", &[CARD_NO]).await;
        let there = Service::start(crate::harness::TestDatabase::sqlite()).await;

        for answer in [&exams, &labs] {
            assert!(there.register(answer).await.contains("<result>1</result>"));
        }

        assert_eq!(there.ask("GetExamInfo", &[ID_NO]).await, exams);
        assert_eq!(there.ask("GetLabInfo", &[CARD_NO]).await, labs);
    }

    async fn d_r8_a_stamp_that_is_missing_or_unreadable_is_the_time_of_receipt(database: TestDatabase) {
        let service = Service::start(database).await;
        for (number, stamp, codes) in [("EX1", "", ["E1015", ""]), ("EX2", "某日", ["E1002 Last_Update_DTime", "E1015"])] {
            let told = service.register(&exam(&[("report_form_no", number), ("last_update_dtime", stamp)])).await;
            assert!(codes.iter().all(|code| told.contains(code)), "{told}");
        }
        let rows = service.rows("SELECT last_update_dtime FROM exam_report", vec![]).await;
        assert!(rows.iter().all(|row| row.text("last_update_dtime").unwrap() == "2024-03-24 14:40:00"));

        let same = service.register(&exam(&[("report_form_no", "EX1"), ("last_update_dtime", "")])).await;
        let other = service.register(&exam(&[("report_form_no", "EX1"), ("last_update_dtime", ""), ("conclusion", "乙")])).await;
        let older = service.register(&exam(&[("report_form_no", "EX1"), ("conclusion", "丙")])).await;

        assert!(same.contains("duplicate") && other.contains("updated") && older.contains("stale"));
    }

    async fn d_r8_a_number_for_another_event_or_type_or_patient_is_kept_apart_and_flagged(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[exam(&[]), lab(&[])])).await;

        for change in [("patient_id", "P2"), ("event_type", "2"), ("event_no", "E2")] {
            let told = service.register(&root(&[exam(&[change]), lab(&[change])])).await;
            assert_eq!((told.matches("stored").count(), told.matches("E1016").count()), (2, 2), "{change:?} {told}");
        }
        // The one that is known comes again: no new conflict.
        let again = service.register(&exam(&[("event_no", "E2")])).await;

        assert!(again.contains("duplicate") && !again.contains("E1016"), "{again}");
        assert_eq!(service.count("SELECT id FROM exam_report WHERE identity_conflict = 1").await, 4);
        assert_eq!(service.count("SELECT id FROM lab_report WHERE identity_conflict = 1").await, 4);
        assert_eq!(service.count("SELECT id FROM conflict WHERE kind = 'report_identity' AND state = 'open'").await, 12);
    }

    async fn d_r11_a_full_set_withdraws_only_when_it_is_newer_has_lines_and_all_of_them_are_readable(database: TestDatabase) {
        let full = |settings: &mut Settings| {
            settings.senders[0].subitems_replace = true;
            settings.senders[0].validation = Some(yingku::archive::reports::prepare_report::Validation::Strict);
        };
        let service = Service::start_with(database, full).await;
        let head = |change: &[(&str, &str)]| lab(&[&[("recognition", "1")], change].concat());
        service.register(&root(&[head(&[]), line("1", &[]), line("2", &[])])).await;
        let shown = async || service.count("SELECT id FROM lab_item WHERE withdrawn = 0").await;

        service.register(&root(&[head(&[("name", "测试乙")]), line("2", &[])])).await;
        assert_eq!(shown().await, 2, "as old");
        service.register(&root(&[head(&[("last_update_dtime", "2024/3/22")]), line("2", &[])])).await;
        assert_eq!(shown().await, 2, "older");
        service.register(&root(&[head(&[LATER])])).await;
        assert_eq!(shown().await, 2, "without lines");
        let unreadable = line("1", &[("effective_dtime", "某日")]);
        let told = service
            .register(&root(&[head(&[("last_update_dtime", "2024/3/25")]), unreadable, line("2", &[])]))
            .await;
        assert!(told.contains("E1026"), "{told}");
        assert_eq!(shown().await, 2, "with a line that was rejected");
        service.register(&root(&[head(&[("last_update_dtime", "2024/3/26")]), line("2", &[])])).await;
        assert_eq!(shown().await, 1);
    }

    async fn d_r11_a_withdrawn_line_that_is_sent_again_is_back(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.senders[0].subitems_replace = true).await;
        service.register(&root(&[lab(&[]), line("1", &[]), line("2", &[])])).await;
        service.register(&root(&[lab(&[LATER]), line("2", &[])])).await;

        service.register(&root(&[lab(&[("last_update_dtime", "2024/3/25")]), line("1", &[]), line("2", &[])])).await;

        assert_eq!(service.count("SELECT id FROM lab_item WHERE withdrawn = 0").await, 2);
    }

    async fn d_r14_a_strict_sender_has_imperfect_records_rejected_and_others_not(database: TestDatabase) {
        use yingku::archive::reports::prepare_report::Validation;
        let strict = |settings: &mut Settings| {
            settings.registry.validation = Validation::Strict;
            let lenient = SenderConfig {
                name: "lenient".to_owned(),
                app_id: "unit-test-app-01".to_owned(),
                validation: Some(Validation::Lenient),
                ..settings.senders[0].clone()
            };
            settings.senders.push(lenient);
        };
        let service = Service::start_with(database, strict).await;

        for (name, value) in [
            ("body_part_name", ""),
            ("birth_date", "某日"),
            ("recognition", "一"),
            ("state", "9"),
            ("study_instance_uid", "a.b"),
            ("last_update_dtime", ""),
        ] {
            let told = service.register(&exam(&[(name, value)])).await;
            assert!(told.contains("status=\"rejected\" code=\"E1026\""), "{name}: {told}");
        }
        assert_eq!(service.count("SELECT id FROM exam_report").await, 0);
        assert!(service.register(&exam(&[])).await.contains("stored"));
        let lenient = service.http.post(&service.url).header("X-App-Id", "unit-test-app-01");
        let told = lenient.body(exam(&[("body_part_name", ""), ("report_form_no", "EX2")])).send().await.unwrap();
        assert!(told.text().await.unwrap().contains("stored"));
    }

    async fn d_r18_a_withdrawn_report_is_in_no_answer_and_comes_back_when_it_is_valid_again(database: TestDatabase) {
        let own = |settings: &mut Settings| settings.clients[0].organizations = vec!["ORG-T01".to_owned()];
        let service = Service::start_with(database, own).await;
        let file = ("reportfilepath", "http://rpt.example.test/EX0001.pdf");
        let report = |status: &str, stamp: &str| {
            let change = [("data_status", status), ("last_update_dtime", stamp), file];
            root(&[exam(&change), lab(&change[..2]), line("1", &[])])
        };
        let seen = async || {
            let exams = service.ask("GetExamInfo", &[ID_NO]).await;
            let labs = service.ask("GetLabInfo", &[CARD_NO]).await;
            [exams.contains("EX0001"), labs.contains("LB0001"), labs.contains("<lab_subitem>")]
        };
        service.register(&report("1", "2024/3/20")).await;
        assert_eq!(seen().await, [true; 3]);

        service.register(&report("0", "2024/3/21")).await;
        assert_eq!(seen().await, [false; 3], "its own organisation does not see it either");
        assert_eq!(service.count("SELECT id FROM report_version WHERE kind = 'exam'").await, 1);
        service.execute("UPDATE job SET generation = 1", params![]).await;

        // Valid again under the same stamp: senders often do not move it.
        service.register(&report("1", "2024/3/21")).await;
        assert_eq!(seen().await, [true; 3]);
        assert_eq!(service.row("SELECT generation FROM job").await.int("generation").unwrap(), 2, "the file is fetched");
    }

    async fn d_r18_the_file_of_a_withdrawn_report_is_not_fetched_though_it_was_asked_for(database: TestDatabase) {
        let service = Service::start(database).await;
        let file = ("reportfilepath", "http://127.0.0.1:9/EX0001.pdf");
        service.register(&exam(&[file])).await;
        service.register(&exam(&[file, LATER, ("data_status", "0")])).await;

        let id = service.row("SELECT id FROM exam_report").await.int("id").unwrap();
        let outcome = service.archive.fetch_report_file(id).await.unwrap();

        assert_eq!(outcome, yingku::archive::reports::fetch_report_file::FetchOutcome::NoFile);
        assert_eq!(service.count("SELECT id FROM qr_link").await, 0);
    }

    async fn d_r21_a_report_that_goes_back_to_written_is_no_longer_shared_and_a_revision_is(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("state", "审核完成")])).await;
        let shared = async || service.ask("GetExamInfo", &[ID_NO]).await.contains("EX0001");
        assert!(shared().await);

        service.register(&exam(&[("state", "2"), LATER])).await;
        assert!(!shared().await, "no state is final");
        service.register(&exam(&[("state", "4"), ("last_update_dtime", "2024/3/25")])).await;

        assert!(shared().await);
        assert_eq!(service.row("SELECT version FROM exam_report").await.int("version").unwrap(), 3);
    }

    async fn d_r22_who_becomes_vip_or_confidential_is_no_longer_shared(database: TestDatabase) {
        let service = Service::start(database).await;
        for (number, change) in [("EX1", ("xman_type", " 1 ")), ("EX2", ("confidentiality", " r ")), ("EX3", ("xman_type", "10"))] {
            service.register(&exam(&[("report_form_no", number)])).await;
            service.register(&exam(&[("report_form_no", number), LATER, change])).await;
        }

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;

        assert_eq!(["EX1", "EX2", "EX3"].map(|number| answer.contains(number)), [false, false, true]);
        let audited = service.row("SELECT COUNT(*) AS looks FROM audit WHERE action = 'find_exam_reports'").await;
        assert_eq!(audited.int("looks").unwrap(), 1);
    }

    async fn d_r22_lab_reports_of_a_vip_are_not_shared_either(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[lab(&[]), lab(&[("report_form_no", "LB-OTHER"), ("patient_id", "P9")])])).await;
        let shared = async || {
            let answer = service.ask("GetLabInfo", &[CARD_NO]).await;
            [answer.contains("LB0001"), answer.contains("LB-OTHER")]
        };
        assert_eq!(shared().await, [true, true]);

        service.register(&exam(&[("xman_type", "1")])).await;
        assert_eq!(shared().await, [false, true]);

        service.register(&exam(&[("xman_type", "0"), LATER])).await;
        assert_eq!(shared().await, [true, true]);
    }

    async fn d_r22_a_vip_stays_one_while_the_exam_report_that_says_so_is_withdrawn(database: TestDatabase) {
        let service = Service::start(database).await;
        let [first, second, third] = ["2024/3/24", "2024/3/25", "2024/3/26"].map(|day| ("last_update_dtime", day));
        service.register(&root(&[lab(&[])])).await;
        let shared = async || service.ask("GetLabInfo", &[CARD_NO]).await.contains("LB0001");
        // The kinds of changes, so that the feed does not tell what the query hides.
        let told = async || service.count("SELECT id FROM report_change_waiting WHERE subject = 'lab' AND sharing = 2").await;
        service.register(&exam(&[("xman_type", "1")])).await;
        let before = told().await;

        // It was registered under a wrong number; some senders withdraw with the keys alone.
        service.register(&exam(&[("data_status", "0"), first])).await;
        assert!(!shared().await, "withdrawn, but not said to be anybody else");
        service.register(&exam(&[("report_form_no", "EX-OLD"), ("xman_type", "0")])).await;
        assert!(!shared().await, "an older report knows nothing of it");
        service.register(&exam(&[("report_form_no", "EX0002"), ("xman_type", "1"), second])).await;
        assert!(!shared().await);
        assert_eq!(told().await, before, "nobody who follows is given the lab report meanwhile");

        service.register(&exam(&[("report_form_no", "EX0002"), ("xman_type", "0"), third])).await;
        assert!(shared().await, "a valid newer report says that the patient is none");
        assert_eq!(told().await, before + 1);
    }

    async fn d_r28_header_and_password_together_make_a_sender(database: TestDatabase) {
        let both = |settings: &mut Settings| {
            let sender = &mut settings.senders[0];
            sender.addresses.clear();
            sender.app_id = "unit-test-app-01".to_owned();
            sender.basic_user = "ris".to_owned();
            sender.basic_password = "unit-test-pass".to_owned();
        };
        let service = Service::start_with(database, both).await;
        let told = async |app_id: &str, password: &str| {
            let request = service.http.post(&service.url).header("X-App-Id", app_id).basic_auth("ris", Some(password));
            request.body(exam(&[])).send().await.unwrap().text().await.unwrap()
        };

        assert!(told("unit-test-app-01", "wrong").await.contains("E2004"));
        assert!(told("wrong", "unit-test-pass").await.contains("E2004"));
        assert!(told("unit-test-app-01", "unit-test-pass").await.contains("<result>1</result>"));
        let kept = service.rows("SELECT headers FROM inbox_message", vec![]).await;
        assert!(kept.iter().all(|row| row.text("headers").unwrap().contains("\"authorization\":\"***\"")));
    }

    async fn d_r31_paragraphs_reach_who_asks(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("image_descr", "1、甲\n2、乙&#10;3、丙&#9;丁")])).await;

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;

        assert!(answer.contains("<IMAGE_DESCR>1、甲\n2、乙\n3、丙\t丁</IMAGE_DESCR>"), "{answer}");
    }

    async fn d_r35_identity_that_contradicts_itself_is_kept_and_noted(database: TestDatabase) {
        let service = Service::start(database).await;
        for (change, code) in [
            (("id_no", "990101199001010018"), "E1012 Id_No"),
            (("birth_date", "1991-01-01"), "E1013 Id_No"),
            (("sex_code", "2"), "E1014 Id_No"),
        ] {
            let told = service.register(&exam(&[("report_form_no", code), change])).await;
            assert!(told.contains("stored") && told.contains(code), "{code}: {told}");
        }
        assert_eq!(service.count("SELECT id FROM exam_report WHERE notes LIKE '%:Id_No%'").await, 3);
    }

    async fn d_r39_d_r40_what_is_derived_and_what_is_text_comes_back(database: TestDatabase) {
        let service = Service::start(database).await;
        let told = service.register(&exam(&[("sex_code", "2"), ("sex_name", "男"), ("id_no", "")])).await;
        service.register(&root(&[lab(&[("sex_name", "女性"), ("sex_code", "")]), line("1", &[])])).await;

        let exams = service.ask("GetExamInfo", &[CARD_NO]).await;
        let labs = service.ask("GetLabInfo", &[CARD_NO]).await;

        assert!(told.contains("E1011 Sex_Code"), "{told}");
        assert!(exams.contains("<SEX_CODE>2</SEX_CODE><SEX_NAME>男</SEX_NAME>"), "{exams}");
        assert!(labs.contains("<SEX_CODE>2</SEX_CODE>"), "{labs}");
        assert!(labs.contains("<NORM_UPPER_LIMIT>2/HP</NORM_UPPER_LIMIT>"), "{labs}");
    }
}
