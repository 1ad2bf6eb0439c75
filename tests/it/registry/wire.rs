//! The forms in which requests come, and what is no request at all.

use encoding_rs::GB18030;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use yingku::archive::Archive;
use yingku::domain::Actor;

use super::{Service, Settings, exam, form, root};
use crate::each_database;

fn envelope(namespace: &str, parameter: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{namespace}\"><s:Body><ArchiveAutoReport xmlns=\"urn:anything\"><strReportInfo>{parameter}\
         </strReportInfo></ArchiveAutoReport></s:Body></s:Envelope>"
    )
}

const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";

async fn kept(archive: &Archive, id: i64) -> Vec<u8> {
    archive.read_message(Actor::system("test"), id, "test").await.unwrap()
}

each_database! {
    async fn d_r2_soap_11_12_form_and_plain_xml_are_answered_in_kind(database: TestDatabase) {
        let service = Service::start(database).await;
        let text = exam(&[]);

        let soap_11 = service.post("", "text/xml; charset=utf-8", envelope(SOAP_11, &format!("<![CDATA[{text}]]>"))).await;
        let soap_12 = service.post("", "application/soap+xml", envelope(SOAP_12, &text)).await;
        let body = form(&[("strReportInfo", &text)]);
        let form = service.post("/ArchiveAutoReport", "application/x-www-form-urlencoded", body).await;
        let plain = service.post("", "application/xml", text.clone()).await;

        assert!(soap_11.text.contains(SOAP_11) && soap_11.text.contains("<ArchiveAutoReportResult>&lt;?xml"));
        assert!(soap_11.text.contains("status=&quot;stored&quot;"), "{}", soap_11.text);
        assert_eq!(soap_12.content_type, "application/soap+xml; charset=utf-8");
        assert!(soap_12.text.contains(SOAP_12) && soap_12.text.contains("<ArchiveAutoReportResponse xmlns=\"urn:anything\">"));
        assert!(soap_12.text.contains("duplicate"), "{}", soap_12.text);
        assert!(form.text.contains("<string xmlns=\"http://tempuri.org/\">&lt;?xml"));
        assert!(plain.text.starts_with("<?xml") && plain.text.contains("<result>1</result>"));
    }

    async fn d_r4_gbk_by_declaration_is_understood_and_kept_as_it_came(database: TestDatabase) {
        let service = Service::start(database).await;
        let text = format!("<?xml version=\"1.0\" encoding=\"GBK\"?>{}", exam(&[("name", "测试甲")]));
        let body = GB18030.encode(&text).0.into_owned();

        service.post("", "text/xml", body.clone()).await;

        assert_eq!(service.row("SELECT name FROM exam_report").await.text("name").unwrap(), "测试甲");
        let id = service.row("SELECT id FROM inbox_message").await.int("id").unwrap();
        assert_eq!(kept(&service.archive, id).await, body);
    }

    async fn d_r5_a_message_with_a_repeated_attribute_is_registered(database: TestDatabase) {
        let service = Service::start(database).await;
        let text = exam(&[]).replacen("<item ", "<item pacs_id=\"\" ", 1);

        let acknowledgement = service.register(&text).await;

        assert!(acknowledgement.contains("<result>1</result>"), "{acknowledgement}");
        assert_eq!(service.row("SELECT pacs_id FROM exam_report").await.text("pacs_id").unwrap(), "A0001");
    }

    async fn d_x2_an_unreadable_message_is_kept_and_answered(database: TestDatabase) {
        let service = Service::start(database).await;

        let fault = service.post("", "text/xml", "<s:Envelope xmlns:s=\"x\"><s:Body>").await;
        let inner = service.post("", "text/xml", envelope(SOAP_11, "&lt;root&gt;")).await;
        let bomb = service.post("", "text/xml", "<!DOCTYPE r [<!ENTITY a \"aa\">]><root>&a;</root>").await;

        assert_eq!((fault.status, fault.text.contains("soap:Fault")), (500, true));
        assert_eq!((inner.status, inner.text.contains("E2001")), (200, true));
        assert!(bomb.text.contains("E2005"), "{}", bomb.text);
        assert_eq!(service.count("SELECT id FROM inbox_message WHERE result IS NOT NULL").await, 3);
    }

    async fn d_r27_time_and_organisation_of_the_message_are_no_keys(database: TestDatabase) {
        let service = Service::start(database).await;
        let org = "<org><item date_t=\"2024-03-24\" orgcode=\"ORG-T02\" orgname=\"示例医院\"/></org><exammaster>";
        let text = exam(&[]).replace("<exammaster>", org);

        service.register(&text).await;
        let later = service.register(&text.replace("2024-03-24 14:40:00", "2024-03-25 14:40:00")).await;

        assert!(later.contains("status=\"duplicate\""), "{later}");
        assert_eq!(service.row("SELECT org_code FROM exam_report").await.text("org_code").unwrap(), "ORG-T01");
    }

    async fn d_r33_what_is_too_large_is_refused_and_its_beginning_kept(database: TestDatabase) {
        let small = |settings: &mut Settings| {
            settings.registry.max_body_bytes = 1000;
            settings.registry.refused_keep_bytes = 10;
        };
        let service = Service::start_with(database, small).await;

        let answer = service.post("", "text/xml", "x".repeat(1001)).await;

        assert_eq!(answer.status, 413);
        let kept = service.row("SELECT * FROM inbox_message").await;
        assert_eq!((kept.text("state").unwrap(), kept.text("result").unwrap()), ("refused".into(), "refused: E2006".into()));
        assert_eq!((kept.text("sender").unwrap(), kept.int("is_cut").unwrap()), ("ris".into(), 1));
        assert!(kept.int("body_length").unwrap() <= 10);
    }

    async fn d_r33_a_body_that_never_ends_is_given_up(database: TestDatabase) {
        let hurried = |settings: &mut Settings| settings.registry.body_timeout_ms = 50;
        let service = Service::start_with(database, hurried).await;
        let address = service.url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        let begun = "POST /sehr.service.auto/IAutoReport.asmx HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n<root>";
        connection.write_all(begun.as_bytes()).await.unwrap();

        let mut told = [0; 12];
        connection.read_exact(&mut told).await.unwrap();

        assert_eq!(&told, b"HTTP/1.1 408");
        assert_eq!(service.row("SELECT result FROM inbox_message").await.text("result").unwrap(), "refused: E2001");
    }

    async fn d_r33_d_x5_records_depth_attributes_and_elements_have_limits_of_the_configuration(database: TestDatabase) {
        let tight = |settings: &mut Settings| {
            settings.registry.max_items = 2;
            settings.registry.xml_depth = 5;
            settings.registry.xml_attributes = 30;
            settings.registry.xml_elements = 20;
        };
        let service = Service::start_with(database, tight).await;
        let many = |number: usize| format!("<root>{}</root>", "<a/>".repeat(number));
        let attributes: String = (0..40).map(|n| format!(" a{n}='1'")).collect();

        for (document, code) in [
            (root(&[exam(&[]), exam(&[]), exam(&[])]), "E2003"),
            (format!("{}{}", "<a>".repeat(9), "</a>".repeat(9)), "E2006"),
            (format!("<root><exammaster><item{attributes}/></exammaster></root>"), "E2006"),
            (many(30), "E2006"),
            (format!("{{\"a\":{}1{}}}", "{\"a\":".repeat(9), "}".repeat(9)), "E2006"),
        ] {
            let kind = if document.starts_with('{') { "application/json" } else { "text/xml" };
            let answer = service.post("/ArchiveAutoReport", kind, document.clone()).await;
            assert!(answer.text.contains(code), "{document}: {}", answer.text);
        }
        assert_eq!(service.count("SELECT id FROM exam_report").await, 0);
        assert_eq!(service.count("SELECT id FROM inbox_message WHERE state = 'failed'").await, 5);
    }

    async fn d_r33_d_x5_no_entity_is_ever_expanded_or_fetched(database: TestDatabase) {
        let service = Service::start(database).await;
        let outside = "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
        let document = exam(&[("conclusion", "&x;")]);

        let refused = service.post("", "text/xml", format!("{outside}{document}")).await;
        let undeclared = service.register(&document).await;

        assert!(refused.text.contains("E2005"), "{}", refused.text);
        assert!(undeclared.contains("status=\"stored\""), "{undeclared}");
        assert_eq!(service.row("SELECT conclusion FROM exam_report").await.text("conclusion").unwrap(), "&x;");
    }

    async fn the_path_is_found_whatever_its_case(database: TestDatabase) {
        let service = Service::start(database).await;
        let root = service.url.trim_end_matches("/sehr.service.auto/IAutoReport.asmx");

        for path in ["/sehr.service.auto/iautoreport.asmx", "/SEHR.SERVICE.AUTO/IAUTOREPORT.ASMX", "/Sehr.Service.Auto/IAutoReport.asmx"] {
            let answer = service.http.get(format!("{root}{path}?WSDL")).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{path}");
        }
        assert_eq!(service.http.get(format!("{root}/sehr.service.auto/Other.asmx")).send().await.unwrap().status(), 404);
    }

    async fn the_description_names_the_public_address(database: TestDatabase) {
        let service = Service::start(database).await;

        let wsdl = service.get("?singleWsdl").await;
        let page = service.get("").await;

        assert!(wsdl.text.contains(&format!("location=\"{}\"", service.url)), "{}", wsdl.text);
        assert!(page.content_type.starts_with("text/html") && page.text.contains("GetExamInfo"));
        assert_eq!(service.get("/GetExamInfo").await.status, 405);
    }

    async fn d_r3_json_is_answered_with_json(database: TestDatabase) {
        let service = Service::start(database).await;
        let body = r#"{"exammaster":[{"org_code":"ORG-T01","report_form_no":"EX1","patient_id":"P1","event_type":1,"event_no":"E1"}]}"#;

        let answer = service.post("/ArchiveAutoReport", "application/json", body).await;

        assert_eq!(answer.content_type, "application/json");
        assert!(answer.text.starts_with(r#"{"Status":1,"Msg":"","Total":1,"Rows":[{"Type":"exam""#), "{}", answer.text);
    }
}
