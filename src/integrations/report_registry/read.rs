//! From a request to a registration or a query, whatever the wire form: SOAP, form, plain XML, JSON (D-R2, D-Q9).

use super::batch::{self, Batch};
use super::bus::{self, Bus};
use super::config::RegistryConfig;
use crate::archive::reports::report_codes::Code;
use crate::soap::envelope::{self, EnvelopeError, Message};
use crate::soap::{Call, Element, Operation, Parameter, Version, encoding, form};

/// The operations of the service.
pub(super) const OPERATIONS: [Operation; 3] = [
    Operation {
        name: "ArchiveAutoReport", parameters: &["strReportInfo"], summary: "注册检验报告、检查报告"
    },
    Operation { name: "GetLabInfo", parameters: &QUERY, summary: "查询检验报告" },
    Operation { name: "GetExamInfo", parameters: &QUERY, summary: "查询检查报告" },
];

pub(super) const QUERY: [&str; 6] = ["strIDNO", "strSSID", "strStartTime", "strEndTime", "strCredential", "strKey"];

/// An operation of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Register,
    Labs,
    Exams,
}

impl Method {
    /// Finds an operation by name, whatever its case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let at = OPERATIONS.iter().position(|operation| operation.name.eq_ignore_ascii_case(name))?;
        Some([Method::Register, Method::Labs, Method::Exams][at])
    }

    pub(super) fn name(self) -> &'static str {
        OPERATIONS[self as usize].name
    }
}

/// The form in which to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wire {
    Soap { version: Version, namespace: String },
    Form,
    Xml,
    Json,
}

/// The six parameters of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id_no: String,
    pub(super) card_no: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) credential: String,
    pub(super) key: String,
}

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Ask {
    /// To register, with what could be read.
    Register(Result<Batch, Code>),
    /// To find lab or exam reports.
    Find(Method, Query),
    /// Nothing that the service does: a fault, with the reason.
    Nothing(Code, &'static str),
    /// One of these, through the entry of a service bus; [`read`] takes it apart.
    ByBus(Box<Bus>, Box<Ask>),
}

/// A request that has been read.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) wire: Wire,
    /// When it came through the entry of a service bus.
    pub(super) bus: Option<Box<Bus>>,
    pub(super) ask: Ask,
}

/// Where a request came, as far as its reading depends on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    /// The operation that the path names.
    pub(super) method: Option<Method>,
    /// The whole path.
    pub(super) path: String,
}

/// Reads a request.
pub(super) fn read(body: &[u8], content_type: &str, target: &Target, config: &RegistryConfig) -> Incoming {
    let (wire, ask) = read_wire(body, content_type, target, config);
    match ask {
        Ask::ByBus(bus, ask) => Incoming { wire, bus: Some(bus), ask: *ask },
        ask => Incoming { wire, bus: None, ask },
    }
}

fn read_wire(body: &[u8], content_type: &str, target: &Target, config: &RegistryConfig) -> (Wire, Ask) {
    let method = target.method;
    let charset = encoding::charset_of(content_type);
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let start = body.iter().find(|b| !b.is_ascii_whitespace());
    let is_markup = start == Some(&b'<') || body.starts_with(&[0xEF, 0xBB, 0xBF]);
    if kind == "application/x-www-form-urlencoded" && !is_markup {
        let pairs = match form::parse(body, charset, &config.xml_limits()) {
            Ok(pairs) => pairs.into_iter(),
            Err(error) => return (Wire::Form, unreadable(method, batch::code_of(&error))),
        };
        let parameters: Vec<(String, Parameter)> = pairs.map(|(k, v)| (k, Parameter::Text(v))).collect();
        let registers = parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case("strReportInfo"));
        let method = method.or(registers.then_some(Method::Register));
        return (Wire::Form, ask(method, ("", target), &parameters, false, config));
    }
    let text = encoding::decode(body, charset);
    if kind.ends_with("json") || matches!(start, Some(b'{' | b'[')) {
        let ask = match batch::json_element(&text, config) {
            Ok(root) => plain(root, target, false, config),
            Err(code) => unreadable(method, code),
        };
        return (Wire::Json, ask);
    }
    match envelope::read(&text, content_type, &config.xml_limits()) {
        Ok(Message::Call(call)) => {
            let Call { version, operation, namespace, parameters, stripped } = call;
            let namespace = if namespace.is_empty() { config.namespace.clone() } else { namespace };
            // A path that names the operation has the last word only when the body names none of ours.
            let method = Method::parse(&operation).or(method);
            let ask = ask(method, (&operation, target), &parameters, stripped, config);
            (Wire::Soap { version, namespace }, ask)
        }
        Ok(Message::Plain(document)) => (Wire::Xml, plain(document.root, target, document.stripped, config)),
        Err(error) => {
            let version = envelope::version_of(&text[..floor(&text, 2000)], content_type);
            let looks_like_soap = text[..floor(&text, 2000)].to_ascii_lowercase().contains("envelope");
            let code = match &error {
                EnvelopeError::Xml(error) => batch::code_of(error),
                EnvelopeError::NoOperation => Code::Unreadable,
            };
            let wire = match looks_like_soap || method.is_none() {
                true => Wire::Soap { version, namespace: config.namespace.clone() },
                false => Wire::Xml,
            };
            let ask = if looks_like_soap { Ask::Nothing(code, code.text()) } else { unreadable(method, code) };
            (wire, ask)
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// A path that names the operation makes an unreadable body a refused registration, not a broken envelope.
fn unreadable(method: Option<Method>, code: Code) -> Ask {
    match method {
        Some(Method::Register) => Ask::Register(Err(code)),
        _ => Ask::Nothing(code, code.text()),
    }
}

fn ask(
    method: Option<Method>,
    (operation, target): (&str, &Target),
    parameters: &[(String, Parameter)],
    stripped: bool,
    config: &RegistryConfig,
) -> Ask {
    let find = |name: &str| parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    let called = if operation.is_empty() { target.path.rsplit('/').next().unwrap_or_default() } else { operation };
    if bus::is_entry(called) || find("msgHeader").is_some() {
        return bus::read(called, &target.path, &find, config);
    }
    match method {
        None => Ask::Nothing(Code::Unreadable, "没有这个方法"),
        Some(Method::Register) => {
            // One parameter alone is the report whatever it is called.
            let parameter = find("strReportInfo").or(match parameters {
                [(_, only)] => Some(only),
                _ => None,
            });
            Ask::Register(match parameter {
                None => Err(Code::NoParameter),
                Some(Parameter::Text(text)) => batch::of_text(text, config),
                Some(Parameter::Inline(root)) => batch::of_element(root, stripped, config),
            })
        }
        Some(method) => {
            let text = |name: &str| find(name).map(|value| value.text().trim().to_owned()).unwrap_or_default();
            Ask::Find(method, query(text))
        }
    }
}

fn query(text: impl Fn(&str) -> String) -> Query {
    let [id_no, card_no, from, to, credential, key] = QUERY.map(text);
    Query { id_no, card_no, from, to, credential, key }
}

/// A document without an envelope: the operation as root, its parameters alone, or the report itself.
fn plain(root: Element, target: &Target, stripped: bool, config: &RegistryConfig) -> Ask {
    let method = target.method;
    let named = Method::parse(&root.name);
    if named.is_some() || bus::is_entry(&root.name) || root.child("msgHeader").is_some() {
        let call = envelope::call_of(root, Version::Soap11, stripped);
        let operation = if bus::is_entry(&call.operation) { call.operation.as_str() } else { "" };
        return ask(named, (operation, target), &call.parameters, stripped, config);
    }
    if let Some(method @ (Method::Labs | Method::Exams)) = method {
        let text = |name: &str| {
            let mut values = root.values().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            values.next().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        return Ask::Find(method, query(text));
    }
    if let Some(parameter) = root.child("strReportInfo").filter(|parameter| parameter.children.is_empty()) {
        return Ask::Register(batch::of_text(&parameter.text, config));
    }
    Ask::Register(batch::of_element(&root, stripped, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAM: &str = "<root><exammaster><item pacs_id='A1'/></exammaster></root>";

    fn of(body: &[u8], content_type: &str, method: Option<Method>) -> Incoming {
        read(body, content_type, &Target { method, path: String::new() }, &RegistryConfig::default())
    }

    fn exams(incoming: &Incoming) -> usize {
        match &incoming.ask {
            Ask::Register(Ok(batch)) => batch.exams.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn d_r2_soap_form_xml_and_json_are_all_read() {
        let soap = format!(
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><ArchiveAutoReport \
             xmlns='urn:x'><strReportInfo><![CDATA[{EXAM}]]></strReportInfo></ArchiveAutoReport></s:Body></s:Envelope>"
        );
        let soap = of(soap.as_bytes(), "application/soap+xml", None);
        assert_eq!(soap.wire, Wire::Soap { version: Version::Soap12, namespace: "urn:x".to_owned() });
        assert_eq!(exams(&soap), 1);
        let form = format!(
            "strReportInfo={}",
            percent_encoding::utf8_percent_encode(EXAM, percent_encoding::NON_ALPHANUMERIC)
        );
        let form = of(form.as_bytes(), "application/x-www-form-urlencoded", Some(Method::Register));
        assert_eq!((&form.wire, exams(&form)), (&Wire::Form, 1));
        assert_eq!(exams(&of(EXAM.as_bytes(), "text/xml", None)), 1);
        assert_eq!(exams(&of(EXAM.as_bytes(), "application/x-www-form-urlencoded", None)), 1);
        let json = of(br#"{"exammaster":[{"pacs_id":"A1"}]}"#, "application/json", Some(Method::Register));
        assert_eq!((&json.wire, exams(&json)), (&Wire::Json, 1));
    }

    #[test]
    fn d_r4_gbk_in_the_envelope_reaches_the_record() {
        let text = "<?xml version='1.0' encoding='GB2312'?><root><exammaster><item name='测试甲'/></exammaster></root>";
        let gbk = encoding_rs::GB18030.encode(text).0.into_owned();
        let incoming = of(&gbk, "text/xml; charset=utf-8", None);
        let Ask::Register(Ok(batch)) = incoming.ask else { panic!("not read") };
        assert_eq!(batch.exams[0].record.text(crate::domain::exam_report::ExamField::Name), "测试甲");
    }

    #[test]
    fn d_q9_a_query_has_the_same_forms() {
        let expected = Query { id_no: "C1".into(), credential: "region".into(), ..Query::default() };
        let form = of(b"strIDNO=C1&strCredential=region", "application/x-www-form-urlencoded", Some(Method::Labs));
        assert!(matches!(form.ask, Ask::Find(Method::Labs, query) if query == expected));
        let xml = b"<GetExamInfo><strIDNO>C1</strIDNO><strCredential>region</strCredential></GetExamInfo>";
        assert!(matches!(of(xml, "text/xml", None).ask, Ask::Find(Method::Exams, query) if query == expected));
        let json = br#"{"strIDNO":"C1","strCredential":"region"}"#;
        assert!(
            matches!(of(json, "application/json", Some(Method::Labs)).ask, Ask::Find(_, query) if query == expected)
        );
    }

    #[test]
    fn d_r3_only_a_broken_envelope_is_a_fault() {
        let broken = of(b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body>", "text/xml", None);
        assert!(matches!(broken.ask, Ask::Nothing(Code::Unreadable, _)));
        let other = of(b"<e:Envelope xmlns:e='x'><e:Body><Delete/></e:Body></e:Envelope>", "text/xml", None);
        assert!(matches!(other.ask, Ask::Nothing(..)));
        let inner = of(b"strReportInfo=%3Croot", "application/x-www-form-urlencoded", Some(Method::Register));
        assert!(matches!(inner.ask, Ask::Register(Err(Code::Unreadable))));
    }
}
