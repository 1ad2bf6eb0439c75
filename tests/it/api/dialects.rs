//! How the fourteen hospitals of the city speak: the form of a request, its characters, and the acknowledgement that each
//! waits for.

use reqwest::{Client, RequestBuilder};
use serde_json::{Map, Value, json};

/// The form of a request.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// SOAP 1.1, the message as escaped text.
    Soap11,
    /// SOAP 1.1, the message in a CDATA section, everything in GBK.
    Soap11Gbk,
    /// SOAP 1.2, the message as elements.
    Soap12,
    /// An HTML form.
    Posted,
    /// A form of several parts, as for files.
    Multipart,
    /// XML alone.
    Plain,
    /// XML alone, in GBK.
    PlainGbk,
    /// JSON.
    Json,
    /// Behind a service bus, with its header in the hospital's, the region's and the exam centre's dialect.
    BusHospital,
    BusRegion,
    BusExamCentre,
}

/// Form and acknowledgement of each hospital: all forms, all acknowledgements.
const DIALECTS: [(Form, &str); 14] = [
    (Form::Soap11, "xml"),
    (Form::Soap12, "json"),
    (Form::Posted, "1"),
    (Form::Plain, "true"),
    (Form::PlainGbk, "success"),
    (Form::Json, "json"),
    (Form::Multipart, "template"),
    (Form::BusHospital, "xml"),
    (Form::BusRegion, "xml"),
    (Form::BusExamCentre, "xml"),
    (Form::Soap11Gbk, "1"),
    (Form::Posted, "template"),
    (Form::Plain, "xml"),
    (Form::Soap12, "success"),
];

const NAMESPACE: &str = "http://tempuri.org/";
const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// What a hospital proves itself with.
fn key(hospital: usize) -> String {
    format!("synthetic-hospital-key-{hospital:04}")
}

/// The hospital as a sender, as it is configured.
pub fn sender(hospital: usize) -> String {
    let ack = DIALECTS[hospital % DIALECTS.len()].1;
    let template = if ack == "template" { "ack_template = \"{result}|{succeeded}/{total}\"\n" } else { "" };
    format!(
        "\n[[sender]]\nname = \"hospital-{hospital}\"\napp_id = \"{}\"\norganizations = [\"ORG-C{hospital:02}\"]\n\
         ack = \"{ack}\"\n{template}",
        key(hospital)
    )
}

/// The containers as the hospital sends them to the service at `url`.
pub fn request(http: &Client, url: &str, hospital: usize, containers: &[String]) -> RequestBuilder {
    let document = format!("<root>{}</root>", containers.concat());
    let form = DIALECTS[hospital % DIALECTS.len()].0;
    let post = |path: &str, kind: &str| {
        let request = http.post(format!("{url}{path}")).header("content-type", kind);
        if matches!(form, Form::BusHospital | Form::BusRegion | Form::BusExamCentre) {
            request
        } else {
            request.header("X-App-Id", key(hospital))
        }
    };
    match form {
        Form::Soap11 => post("", "text/xml; charset=utf-8").body(envelope(SOAP_11, &escaped(&document))),
        Form::Soap11Gbk => {
            let body = envelope(SOAP_11, &format!("<![CDATA[{document}]]>"));
            post("", "text/xml; charset=gb2312").body(gbk(&body))
        }
        Form::Soap12 => post("", "application/soap+xml; charset=utf-8").body(envelope(SOAP_12, &document)),
        Form::Posted => {
            let body =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("strReportInfo", &document).finish();
            post("/ArchiveAutoReport", "application/x-www-form-urlencoded").body(body)
        }
        Form::Multipart => {
            let head = "--XYZ\r\nContent-Disposition: form-data; name=\"strReportInfo\"\r\n\r\n";
            post("", "multipart/form-data; boundary=XYZ").body(format!("{head}{document}\r\n--XYZ--\r\n"))
        }
        Form::Plain => post("", "text/xml").body(document),
        Form::PlainGbk => {
            post("", "text/xml").body(gbk(&format!("<?xml version=\"1.0\" encoding=\"GBK\"?>{document}")))
        }
        Form::Json => post("/ArchiveAutoReport", "application/json").body(as_json(containers).to_string()),
        Form::BusHospital => {
            let header = format!(
                "<root><serverName>ArchiveAutoReport</serverName><format>xml</format><callOperator>city</callOperator>\
                 <certificate>{}</certificate></root>",
                key(hospital)
            );
            post("", "text/xml").body(bus("AppointmentDealInterface", &header, &document))
        }
        Form::BusRegion => {
            let header = format!(
                "<MsgHeader><ServerName>ArchiveAutoReport</ServerName><Operator>city</Operator><AppId>{}</AppId></MsgHeader>",
                key(hospital)
            );
            post("", "text/xml").body(bus("CallInterface", &header, &document))
        }
        Form::BusExamCentre => {
            let header = format!("ArchiveAutoReport\ncity\n{}\n2024-03-24 14:40:00\n0", key(hospital));
            post("", "text/xml").body(bus("CallInterface", &header, &document))
        }
    }
}

/// Whether the hospital takes an answer for its acknowledgement: it knows no other than its own.
pub fn is_acknowledged(hospital: usize, answer: &str) -> bool {
    let told = answer.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let (form, ack) = DIALECTS[hospital % DIALECTS.len()];
    let word = |word: &str| told.trim() == word || told.contains(&format!(">{word}</"));
    match (form, ack) {
        (Form::BusHospital, _) => told.contains("<success>Yes</success>"),
        (Form::BusRegion, _) | (_, "json") => told.contains("\"Status\":1,"),
        (_, "xml") => told.contains("<result>1</result>"),
        (_, "template") => told.contains("1|"),
        (_, ack) => word(ack),
    }
}

fn envelope(soap: &str, message: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{soap}\"><s:Body><ArchiveAutoReport xmlns=\"{NAMESPACE}\"><strReportInfo>{message}\
         </strReportInfo></ArchiveAutoReport></s:Body></s:Envelope>"
    )
}

fn bus(entry: &str, header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{SOAP_11}\"><s:Body><{entry} xmlns=\"{NAMESPACE}\"><msgHeader>{}</msgHeader>\
         <msgBody>{}</msgBody></{entry}></s:Body></s:Envelope>",
        escaped(header),
        escaped(body)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn gbk(text: &str) -> Vec<u8> {
    let (bytes, _, failed) = encoding_rs::GBK.encode(text);
    assert!(!failed, "all of it can be written in GBK");
    bytes.into_owned()
}

/// `{"exammaster": [{…}], …}` of containers with one record each.
fn as_json(containers: &[String]) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for container in containers {
        let (name, mut rest) = container[1..].split_once("><item ").expect("a container holds one item");
        let mut record = Map::new();
        while let Some((attribute, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a value ends");
            record.insert(attribute.to_owned(), json!(value));
            rest = after.trim_start();
        }
        all.entry(name).or_insert_with(|| json!([])).as_array_mut().expect("it is a list").push(Value::Object(record));
    }
    Value::Object(all)
}
