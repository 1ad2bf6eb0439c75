//! The services behind the entry of a service bus, in each of its dialects (RD-27; D-B2, D-X8).

use yingku::params;

use super::{Answer, KEY, Service, exam, form};
use crate::each_database;
use crate::harness::TestDatabase;

const EXAM_CENTRE: &str = "/services/WSInterface";

fn hospital(service: &str) -> String {
    format!(
        "<root><serverName>{service}</serverName><format>xml</format><callOperator>region</callOperator>\
         <certificate>{KEY}</certificate></root>"
    )
}

fn region(service: &str) -> String {
    format!("<MsgHeader><ServerName>{service}</ServerName><Operator>region</Operator><AppId>{KEY}</AppId></MsgHeader>")
}

fn lines(service: &str) -> String {
    format!("{service}\nregion\n{KEY}\n2024-03-24 14:40:00\n0")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Calls an entry by SOAP; gives the text of its result.
async fn call(service: &Service, path: &str, entry: &str, header: &str, body: &str) -> String {
    let message = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><{entry} xmlns=\"http://tempuri.org/\">\
         <msgHeader>{}</msgHeader><msgBody>{}</msgBody></{entry}></s:Body></s:Envelope>",
        escaped(header),
        escaped(body)
    );
    let url = service.url.replace("/sehr.service.auto/IAutoReport.asmx", path);
    let answer = Answer::of(service.http.post(url).header("content-type", "text/xml").body(message)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let result = format!("<{entry}Result>");
    let text = answer.text.split_once(&result).and_then(|(_, rest)| rest.split_once("</")).map(|(text, _)| text);
    let text = text.unwrap_or_else(|| panic!("{}", answer.text));
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

async fn started(database: TestDatabase) -> Service {
    Service::start_with(database, |settings| {
        settings.registry.aliases = vec!["/bus".to_owned(), EXAM_CENTRE.to_owned()];
        settings.registry.services = [("RIS_Upload".to_owned(), "ArchiveAutoReport".to_owned())].into();
    })
    .await
}

each_database! {
    async fn d_x8_one_table_serves_every_dialect(database: TestDatabase) {
        let service = started(database).await;
        let deal = "AppointmentDealInterface";

        let told = call(&service, "/bus", deal, &hospital("ARCHIVEAUTOREPORT"), &exam(&[])).await;
        assert!(told.contains("<returnContent><success>Yes</success><error></error><items><item><root>"), "{told}");
        let body = exam(&[("report_form_no", "EX0002")]);
        let told = call(&service, "/bus", "CallInterface", &region("ris_upload"), &body).await;
        assert!(told.starts_with(r#"{"Status":1,"Msg":"","Total":1,"Rows":[{"#), "{told}");
        let body = exam(&[("report_form_no", "EX0003")]);
        let told = call(&service, EXAM_CENTRE, "CallInterface", &lines("archiveAutoReport"), &body).await;
        assert!(told.contains("<result>1</result>"), "{told}");
        assert_eq!(service.count("SELECT id FROM exam_report").await, 3);

        let asked = "<MsgBody><Params><strIDNO>990101199001010019</strIDNO></Params></MsgBody>";
        let told = call(&service, "/bus", deal, &hospital("getexaminfo"), asked).await;
        assert!(told.contains("<success>Yes</success>") && told.matches("<exammaster>").count() == 3, "{told}");
        let told = call(&service, "/bus", "CallInterface", &region("GetExamInfo"), asked).await;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["Status"], 1);
        assert!(told["Rows"][0].as_str().unwrap().contains("EX0002"), "{told}");
        let told = call(&service, EXAM_CENTRE, "CallInterface", &lines("GetExamInfo"), asked).await;
        assert!(told.starts_with("<root><exammaster>"), "{told}");
    }

    async fn d_x8_what_is_not_done_is_told_in_the_callers_dialect(database: TestDatabase) {
        let service = started(database).await;
        for (name, code) in [("Nonsense", "E2008"), ("MedicalAppoint", "E2009"), ("SYNCAPPOINTDATA", "E2009")] {
            let told = call(&service, "/bus", "AppointmentDealInterface", &hospital(name), "").await;
            let error = format!("<success>No</success><error>{code} ");
            assert!(told.contains(&error), "{told}");
            let told = call(&service, "/bus", "CallInterface", &region(name), "").await;
            assert!(told.starts_with(r#"{"Status":0,"#) && told.contains(code), "{told}");
            let told = call(&service, EXAM_CENTRE, "CallInterface", &region(name), "").await;
            assert!(told.starts_with(&format!("error:{code} ")), "{told}");
        }
        let told = call(&service, "/bus", "CallInterface", "<MsgHeader/>", "").await;
        assert!(told.contains("E2001"), "{told}");
        let told = call(&service, "/bus", "CallInterface", &region("GetLabInfo").replace(KEY, "wrong"), "").await;
        assert!(told.starts_with(r#"{"Status":0,"#) && told.contains("E3002"), "{told}");
        let told = call(&service, EXAM_CENTRE, "CallInterface", &lines("ArchiveAutoReport"), "<root/>").await;
        assert!(told.starts_with("error:E2002 "), "{told}");
        let body = exam(&[("event_no", "")]);
        let told = call(&service, "/bus", "AppointmentDealInterface", &hospital("ArchiveAutoReport"), &body).await;
        assert!(told.contains("<success>No</success>") && told.contains("E1001"), "{told}");
    }

    async fn the_headers_credential_proves_who_sends_and_is_not_kept(database: TestDatabase) {
        let service = Service::start_with(database, |settings| {
            settings.senders[0].addresses.clear();
            settings.senders[0].app_id = KEY.to_owned();
        })
        .await;
        let header = region("ArchiveAutoReport");
        let [body, other] = [header.clone(), header.replace(KEY, "another")]
            .map(|header| form(&[("msgHeader", &header), ("msgBody", &exam(&[]))]));
        let kind = "application/x-www-form-urlencoded";
        let told = service.post("/CallInterface", kind, other).await;
        assert!(told.text.contains("E2004"), "{}", told.text);
        let told = service.post("/CallInterface", kind, body).await;
        assert!(told.text.contains("Status&quot;:1") || told.text.contains("\"Status\":1"), "{}", told.text);
        for row in service.rows("SELECT body, headers FROM inbox_message", params![]).await {
            let body: Vec<u8> = row.get("body").unwrap();
            let kept = format!("{}{}", String::from_utf8_lossy(&body), row.text("headers").unwrap());
            assert!(!kept.contains(KEY) && !kept.contains(&KEY.replace('-', "%2D")), "{kept}");
            assert!(kept.contains("EX0001"), "all else is kept: {kept}");
        }
    }
}
