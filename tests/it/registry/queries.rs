//! GetLabInfo and GetExamInfo.

use super::{Answer, KEY, NOW, Service, Settings, exam, form, lab, line, root};
use crate::each_database;
use yingku::integrations::report_registry::ErrorStyle;

const ID_NO: (&str, &str) = ("strSSID", "990101199001010019");
const CARD_NO: (&str, &str) = ("strIDNO", "C00000001");

each_database! {
    async fn d_q1_either_value_in_either_parameter_finds_the_report(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[])).await;

        for parameters in [
            [ID_NO].as_slice(),
            &[("strIDNO", ID_NO.1)],
            &[CARD_NO],
            &[("strSSID", CARD_NO.1)],
            &[("strIDNO", "C99"), ID_NO],
        ] {
            let answer = service.ask("GetExamInfo", parameters).await;
            assert!(answer.contains("<REPORT_FORM_NO>EX0001</REPORT_FORM_NO>"), "{parameters:?} {answer}");
        }
        assert_eq!(service.ask("GetExamInfo", &[("strIDNO", "C99")]).await, "<root></root>");
    }

    async fn d_q2_a_query_needs_an_identity(database: TestDatabase) {
        let service = Service::start(database).await;

        let answer = service.ask("GetLabInfo", &[("strStartTime", "2024-01-01")]).await;

        assert!(answer.starts_with("<root><success>No</success><error>E3001 "), "{answer}");
    }

    async fn d_q2_strict_identity_leaves_out_who_contradicts(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.registry.strict_identity = true).await;
        service.register(&exam(&[("report_form_no", "EX0001"), ("card_no", "C00000001")])).await;
        service.register(&exam(&[("report_form_no", "EX0002"), ("card_no", "C00000002")])).await;

        let answer = service.ask("GetExamInfo", &[CARD_NO, ID_NO]).await;

        assert!(answer.contains("EX0001") && !answer.contains("EX0002"), "{answer}");
    }

    async fn d_q3_labs_are_asked_for_as_exams_are(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[lab(&[("id_no", ID_NO.1)])])).await;

        for parameters in [[ID_NO], [("strIDNO", ID_NO.1)], [CARD_NO], [("strSSID", CARD_NO.1)]] {
            let answer = service.ask("GetLabInfo", &parameters).await;
            assert!(answer.contains("<REPORT_FORM_NO>LB0001</REPORT_FORM_NO>"), "{answer}");
        }
    }

    async fn d_q4_only_reports_of_the_asked_time_are_found(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("report_form_no", "EX-OLD"), ("retrieve_date", "2023/11/1")])).await;
        service.register(&exam(&[("report_form_no", "EX-NEW")])).await;

        let recent = service.ask("GetExamInfo", &[ID_NO]).await;
        let old = [ID_NO, ("strStartTime", "2023-10-01"), ("strEndTime", "2023-11-01")];
        let old = service.ask("GetExamInfo", &old).await;
        let endless = [ID_NO, ("strStartTime", "2000-01-01"), ("strEndTime", "2024-01-01")];

        assert!(recent.contains("EX-NEW") && !recent.contains("EX-OLD"), "{recent}");
        assert!(old.contains("EX-OLD") && !old.contains("EX-NEW"), "{old}");
        assert!(service.ask("GetExamInfo", &endless).await.contains("E3004"));
    }

    async fn d_q6_refusals_have_the_configured_form(database: TestDatabase) {
        let service =
            Service::start_with(database, |settings| settings.registry.error_style = ErrorStyle::SoapFault).await;

        let answer = service.ask("GetExamInfo", &[]).await;

        assert!(answer.contains("<faultcode>soap:Client</faultcode>"), "{answer}");
    }

    async fn d_q7_lines_follow_their_head_in_the_order_of_their_numbers(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[lab(&[]), line("10", &[]), line("9", &[]), line("2", &[("data_status", "0")])])).await;

        let answer = service.ask("GetLabInfo", &[CARD_NO]).await;

        assert!(answer.starts_with("<root><labmaster><LAST_UPDATE_DTIME>2024-03-23 00:00:00</LAST_UPDATE_DTIME>"));
        assert_eq!(answer.matches("<lab_subitem>").count(), 2);
        assert!(answer.find("<SERIAL_NO>9<").unwrap() < answer.find("<SERIAL_NO>10<").unwrap());
    }

    async fn d_q8_an_extended_answer_names_the_printed_code_as_long_as_it_opens(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.registry.extended = true).await;
        service.register(&root(&[exam(&[]), lab(&[])])).await;
        let both = async || {
            let answers = [service.ask("GetExamInfo", &[ID_NO]).await, service.ask("GetLabInfo", &[CARD_NO]).await];
            answers.map(|answer| {
                let url = answer.split_once("<REPORT_URL>").and_then(|(_, rest)| rest.split_once("</REPORT_URL>"));
                url.unwrap_or_else(|| panic!("{answer}")).0.to_owned()
            })
        };
        assert_eq!(both().await, ["", ""]);
        for (table, column) in [("exam_report", "exam_report_pk"), ("lab_report", "lab_report_pk")] {
            let sql = format!("INSERT INTO qr_link (id, {column}, created_at) SELECT 'of-{table}', id, 0 FROM {table}");
            service.execute(sql.leak(), Vec::new()).await;
        }

        let base = &service.settings.public_url;
        assert_eq!(both().await, [format!("{base}/q/of-exam_report"), format!("{base}/q/of-lab_report")]);
        service.execute("UPDATE qr_link SET expires_at = $1", yingku::params![NOW]).await;
        assert_eq!(both().await, ["", ""], "they have ended");
    }

    async fn d_q8_an_answer_holds_what_was_registered_and_no_more(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("conclusion", "a&lt;b&gt;&amp;"), ("apply_form_no", "AP0001")])).await;

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;

        assert!(answer.contains("<IMAGE_DESCR>描述一\n描述二</IMAGE_DESCR>"), "{answer}");
        assert!(answer.contains("<BIRTH_DATE>1990-01-01 00:00:00</BIRTH_DATE>"));
        assert!(!answer.contains("AP0001") && !answer.contains("XMAN_TYPE"));
    }

    async fn d_q9_the_same_question_is_answered_in_every_wire_form_and_on_an_alias(database: TestDatabase) {
        let alias = |settings: &mut Settings| settings.registry.aliases = vec!["/services/LabQuery".to_owned()];
        let service = Service::start_with(database, alias).await;
        service.register(&root(&[exam(&[]), lab(&[]), line("1", &[])])).await;
        let asked = [CARD_NO, ("strCredential", "region"), ("strKey", KEY)];
        let elements: String = asked.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
        let envelope = |version: &str, method: &str| {
            format!("<s:Envelope xmlns:s=\"{version}\"><s:Body><{method} xmlns=\"urn:any\">{elements}</{method}></s:Body></s:Envelope>")
        };
        let (soap_11, soap_12) = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope");
        let members: Vec<String> = asked.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        let json = format!("{{{}}}", members.join(","));
        let site = service.url.strip_suffix("/sehr.service.auto/IAutoReport.asmx").unwrap();
        let plain = |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");

        for (method, container) in [("GetLabInfo", "<labmaster>"), ("GetExamInfo", "<exammaster>")] {
            let expected = service.ask(method, &[CARD_NO]).await;
            assert!(expected.starts_with(&format!("<root>{container}")), "{expected}");
            let document = format!("<{method}>{elements}</{method}>");
            let form = form(&asked);
            let (own, alias) = (service.url.as_str(), format!("{site}/services/LabQuery"));
            let by_name = format!("{own}/{method}");
            for (url, kind, body) in [
                (own, "application/soap+xml; charset=utf-8", envelope(soap_12, method)),
                (own, "text/xml; charset=utf-8", envelope(soap_11, method)),
                (alias.as_str(), "text/xml", envelope(soap_11, method)),
                (by_name.as_str(), "application/x-www-form-urlencoded", form),
                (own, "application/xml", document.clone()),
                (alias.as_str(), "application/xml", document),
                (by_name.as_str(), "application/json", json.clone()),
            ] {
                let request = service.http.post(url).header("content-type", kind).body(body);
                let answer = Answer::of(request).await;
                let (begin, end) = match kind.split(';').next() {
                    Some("application/soap+xml" | "text/xml") => {
                        let version = if kind.starts_with("text") { soap_11 } else { soap_12 };
                        assert!(answer.text.contains(version), "{kind}: {}", answer.text);
                        (format!("<{method}Response xmlns=\"urn:any\"><{method}Result>"), format!("</{method}Result>"))
                    }
                    Some("application/x-www-form-urlencoded") => {
                        ("<string xmlns=\"http://tempuri.org/\">".to_owned(), "</string>".to_owned())
                    }
                    _ => (String::new(), String::new()),
                };
                let told = answer.text.split_once(&begin).and_then(|(_, rest)| rest.rsplit_once(&end));
                let told = told.unwrap_or_else(|| panic!("{url} {kind}: {}", answer.text)).0;
                let told = if begin.is_empty() { told.to_owned() } else { plain(told) };
                assert_eq!((answer.status, told.as_str()), (200, expected.as_str()), "{url} {kind}");
            }
        }
    }

    async fn d_q10_withdrawn_unreviewed_and_confidential_reports_are_not_shared(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("report_form_no", "EX-SEEN")])).await;
        service.register(&exam(&[("report_form_no", "EX-GONE"), ("data_status", "0")])).await;
        service.register(&exam(&[("report_form_no", "EX-DRAFT"), ("state", "2")])).await;
        service.register(&exam(&[("report_form_no", "EX-VIP"), ("xman_type", "1")])).await;
        service.register(&exam(&[("report_form_no", "EX-SECRET"), ("confidentiality", "保密")])).await;
        service.register(&exam(&[("report_form_no", "EX-PLAIN"), ("state", "")])).await;

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;

        let seen = ["EX-SEEN", "EX-GONE", "EX-DRAFT", "EX-VIP", "EX-SECRET", "EX-PLAIN"].map(|no| answer.contains(no));
        assert_eq!(seen, [true, false, false, false, false, true]);
    }

    async fn d_p24_an_organisation_sees_its_own_reports_whatever_their_state(database: TestDatabase) {
        let own = |settings: &mut Settings| settings.clients[0].organizations = vec!["ORG-T01".to_owned()];
        let service = Service::start_with(database, own).await;
        service.register(&exam(&[("report_form_no", "EX-DRAFT"), ("state", "2")])).await;
        service.register(&exam(&[("report_form_no", "EX-VIP"), ("xman_type", "1")])).await;
        service.register(&exam(&[("report_form_no", "EX-OTHER"), ("org_code", "ORG-T02")])).await;

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;

        assert_eq!(["EX-DRAFT", "EX-VIP", "EX-OTHER"].map(|no| answer.contains(no)), [true, true, false]);
    }

    async fn d_r22_a_client_with_the_right_sees_vip_reports(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.clients[0].vip = true).await;
        service.register(&exam(&[("xman_type", "1")])).await;

        assert!(service.ask("GetExamInfo", &[ID_NO]).await.contains("EX0001"));
    }

    async fn d_q10_a_query_is_kept_and_audited_without_identity_or_key(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[])).await;

        service.ask("GetExamInfo", &[ID_NO]).await;

        let audit = service.row("SELECT * FROM audit WHERE action = 'find_exam_reports'").await;
        assert_eq!((audit.text("actor").unwrap(), audit.text("outcome").unwrap()), ("region".into(), "ok".into()));
        let detail = audit.text("detail").unwrap();
        assert!(detail.contains("\"result\":\"1\"") && !detail.contains(ID_NO.1), "{detail}");
        let message = service.row("SELECT * FROM inbox_message WHERE channel = 'IAutoReport/GetExamInfo'").await;
        let body: Vec<u8> = message.get("body").unwrap();
        assert!(!String::from_utf8(body).unwrap().contains(KEY));
    }

    async fn d_q11_newest_first_and_a_cut_is_told(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.registry.max_masters = 2).await;
        for (number, date) in [("EX1", "2024/3/1"), ("EX2", "2024/3/3"), ("EX3", "2024/3/2")] {
            service.register(&exam(&[("report_form_no", number), ("retrieve_date", date)])).await;
        }

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;

        assert!(answer.find("EX2").unwrap() < answer.find("EX3").unwrap());
        assert!(!answer.contains("EX1") && answer.contains("<!--"), "{answer}");
    }
}
