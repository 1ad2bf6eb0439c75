//! The same services behind the one entry of a service bus (RD-27): `CallInterface` and `AppointmentDealInterface`, each with
//! `msgHeader` and `msgBody`. The header names the service; one table knows every name that the specifications use, and what
//! cannot be done is told in the caller's own dialect (D-B2, D-X8).
//!
//! Bookings and exam-centre work are listed so that their callers hear what is the matter; they are not done here.

use std::borrow::Cow;

use serde_json::json;

use super::batch;
use super::config::RegistryConfig;
use super::read::{Ask, Method, QUERY, Query};
use crate::archive::reports::report_codes::Code;
use crate::soap::service_header::{HeaderShape, ServiceHeader};
use crate::soap::xml::{self, Element, escape};
use crate::soap::{Operation, Parameter};

/// The entry of the region and of the exam centre.
const CALL: &str = "CallInterface";
/// The entry of a hospital.
const DEAL: &str = "AppointmentDealInterface";
/// The file by whose name the exam centre's service is known.
const EXAM_CENTRE_FILE: &str = "wsinterface";

const PARAMETERS: [&str; 2] = ["msgHeader", "msgBody"];

/// The entries as the service's description tells them.
pub(super) const ENTRIES: [Operation; 2] = [
    Operation { name: CALL, parameters: &PARAMETERS, summary: "按服务名调用（区域平台、体检）" },
    Operation { name: DEAL, parameters: &PARAMETERS, summary: "按服务名调用（医疗机构）" },
];

/// What a service name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Business {
    Here(Method),
    Elsewhere,
}

/// Every name of the specifications, in lower case, in order.
const SERVICES: [(&str, Business); 19] = [
    ("archiveautoreport", Business::Here(Method::Register)),
    ("cancelappoint", Business::Elsewhere),
    ("getappointiteminfo", Business::Elsewhere),
    ("getappointreceipt", Business::Elsewhere),
    ("getappointreceiptxml", Business::Elsewhere),
    ("getexaminfo", Business::Here(Method::Exams)),
    ("getexamitemlist", Business::Elsewhere),
    ("getlabinfo", Business::Here(Method::Labs)),
    ("getsignalsourcelist", Business::Elsewhere),
    ("his_notifytradestatus", Business::Elsewhere),
    ("lis_getapplyinfo", Business::Elsewhere),
    ("lis_pubreport", Business::Elsewhere),
    ("lis_updateapplystatus", Business::Elsewhere),
    ("medicalappoint", Business::Elsewhere),
    ("pacs_getapplyinfo", Business::Elsewhere),
    ("pacs_pubreport", Business::Elsewhere),
    ("pacs_updateapplystatus", Business::Elsewhere),
    ("syncappointdata", Business::Elsewhere),
    ("updatebillinginfo", Business::Elsewhere),
];

/// The business of a name, whatever its case; names of `registry.services` stand for one of the table's.
fn business(name: &str, config: &RegistryConfig) -> Option<Business> {
    let name = name.to_lowercase();
    let alias = config.services.iter().find(|(known, _)| known.trim().to_lowercase() == name);
    let name = alias.map_or(name, |(_, service)| service.trim().to_lowercase());
    let at = SERVICES.binary_search_by_key(&name.as_str(), |(known, _)| *known).ok()?;
    Some(SERVICES[at].1)
}

/// Whether a name is one that a configuration may give another name to.
pub(super) fn is_service(name: &str) -> bool {
    business(name, &RegistryConfig::default()).is_some()
}

/// Whether an operation is an entry of the bus.
pub(super) fn is_entry(operation: &str) -> bool {
    ENTRIES.iter().any(|entry| entry.name.eq_ignore_ascii_case(operation))
}

/// How a caller of the bus wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `<root><returnContent><success/><error/><items/></returnContent></root>`.
    Hospital,
    /// `{"Status":1,"Msg":"","Total":1,"Rows":[]}`.
    Region,
    /// The answer itself, or text that begins with `error`.
    ExamCentre,
}

/// A call that came by the bus.
#[derive(Debug, Clone)]
pub(super) struct Bus {
    pub(super) dialect: Dialect,
    pub(super) header: ServiceHeader,
}

/// Reads a call of an entry; `operation` is what was called, `path` where.
pub(super) fn read<'p>(
    operation: &str,
    path: &str,
    find: &impl Fn(&str) -> Option<&'p Parameter>,
    config: &RegistryConfig,
) -> Ask {
    let header = find(PARAMETERS[0]).and_then(|header| ServiceHeader::read(header, &config.xml_limits()));
    let header = header.unwrap_or_default();
    let ask = match business(&header.service, config) {
        None if header.service.is_empty() => Ask::Nothing(Code::Unreadable, "msgHeader中没有服务名"),
        None => Ask::Nothing(Code::UnknownService, Code::UnknownService.text()),
        Some(Business::Elsewhere) => Ask::Nothing(Code::ServiceElsewhere, Code::ServiceElsewhere.text()),
        Some(Business::Here(Method::Register)) => Ask::Register(match find(PARAMETERS[1]) {
            None => Err(Code::NoParameter),
            Some(Parameter::Text(text)) => batch::of_text(text, config),
            Some(Parameter::Inline(root)) => batch::of_element(root, false, config),
        }),
        Some(Business::Here(method)) => match body(find(PARAMETERS[1]), config) {
            Ok(root) => Ask::Find(method, query(&root, &header)),
            Err(code) => Ask::Nothing(code, code.text()),
        },
    };
    Ask::ByBus(Box::new(Bus { dialect: dialect(operation, path, header.shape), header }), Box::new(ask))
}

/// The path goes first, then the entry; the region and the exam centre call theirs the same (appendix 1).
fn dialect(operation: &str, path: &str, shape: HeaderShape) -> Dialect {
    if path.to_ascii_lowercase().contains(EXAM_CENTRE_FILE) {
        return Dialect::ExamCentre;
    }
    match shape {
        _ if operation.eq_ignore_ascii_case(DEAL) => Dialect::Hospital,
        HeaderShape::Lines => Dialect::ExamCentre,
        _ => Dialect::Region,
    }
}

fn body<'p>(parameter: Option<&'p Parameter>, config: &RegistryConfig) -> Result<Cow<'p, Element>, Code> {
    match parameter {
        None => Ok(Cow::default()),
        Some(Parameter::Inline(root)) => Ok(Cow::Borrowed(root)),
        Some(Parameter::Text(text)) => match text.trim_start().chars().next() {
            None => Ok(Cow::default()),
            Some('{' | '[') => batch::json_element(text, config).map(Cow::Owned),
            _ => {
                let document = xml::parse(text, &config.xml_limits()).map_err(|error| batch::code_of(&error))?;
                Ok(Cow::Owned(document.root))
            }
        },
    }
}

/// The six parameters, wherever they stand in the body; who asks stands in the header as well.
fn query(root: &Element, header: &ServiceHeader) -> Query {
    let [id_no, card_no, from, to, credential, key] =
        QUERY.map(|name| named(root, name).map(|text| text.trim().to_owned()).unwrap_or_default());
    let or = |said: String, header: &String| if said.is_empty() { header.clone() } else { said };
    let (credential, key) = (or(credential, &header.operator), or(key, &header.credential));
    Query { id_no, card_no, from, to, credential, key }
}

fn named<'e>(element: &'e Element, name: &str) -> Option<&'e str> {
    let own = element.values().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    own.or_else(|| element.children.iter().find_map(|child| named(child, name)))
}

impl Bus {
    /// The entry by whose name the answer goes.
    pub(super) fn entry(&self) -> &'static str {
        if self.dialect == Dialect::Hospital { DEAL } else { CALL }
    }

    /// An answer in the caller's dialect.
    pub(super) fn answer(&self, text: &str) -> String {
        match self.dialect {
            Dialect::Hospital => {
                let item = without_declaration(text);
                let item = if item.starts_with('<') { item.to_owned() } else { escape(item).into_owned() };
                returned("Yes", "", &format!("<items><item>{item}</item></items>"))
            }
            Dialect::Region => json!({ "Status": 1, "Msg": "", "Total": 1, "Rows": [text] }).to_string(),
            Dialect::ExamCentre => text.to_owned(),
        }
    }

    /// An acknowledgement, which tells by itself what became of each record; `failed` when not all were registered.
    pub(super) fn acknowledge(&self, text: &str, failed: Option<String>) -> String {
        match (self.dialect, failed) {
            (Dialect::Region, _) => text.to_owned(),
            (_, None) => self.answer(text),
            (Dialect::Hospital, Some(failed)) => {
                let items = format!("<items><item>{}</item></items>", without_declaration(text));
                returned("No", &failed, &items)
            }
            (Dialect::ExamCentre, Some(failed)) => format!("error:{failed}\n{text}"),
        }
    }

    /// Why nothing was done, in the caller's dialect.
    pub(super) fn refuse(&self, code: Code, reason: &str) -> String {
        let told = format!("{} {reason}", code.as_str());
        match self.dialect {
            Dialect::Hospital => returned("No", &told, ""),
            Dialect::Region => json!({ "Status": 0, "Msg": told, "Total": 0, "Rows": [] }).to_string(),
            Dialect::ExamCentre => format!("error:{told}"),
        }
    }
}

fn returned(success: &str, error: &str, items: &str) -> String {
    let error = escape(error);
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root><returnContent><success>{success}</success>\
         <error>{error}</error>{items}</returnContent></root>"
    )
}

fn without_declaration(text: &str) -> &str {
    let text = text.trim_start();
    let rest = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map(|(_, rest)| rest);
    rest.unwrap_or(text).trim_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_x8_the_table_is_in_order_and_case_does_not_matter() {
        assert!(SERVICES.is_sorted_by_key(|(name, _)| *name));
        assert!(SERVICES.iter().all(|(name, _)| name.to_lowercase() == *name));
        let config = RegistryConfig {
            services: [("RIS_Register".to_owned(), "ArchiveAutoReport".to_owned())].into(),
            ..RegistryConfig::default()
        };
        for name in ["archiveautoreport", "ARCHIVEAUTOREPORT", "ris_register"] {
            assert_eq!(business(name, &config), Some(Business::Here(Method::Register)), "{name}");
        }
        assert_eq!(business("MedicalAppoint", &config), Some(Business::Elsewhere));
        assert_eq!(business("nothing", &config), None);
    }

    #[test]
    fn the_dialect_is_that_of_the_path_then_of_the_entry() {
        assert_eq!(dialect("CallInterface", "/services/WSInterface", HeaderShape::MsgHeader), Dialect::ExamCentre);
        assert_eq!(dialect("appointmentdealinterface", "/a", HeaderShape::Bare), Dialect::Hospital);
        assert_eq!(dialect("CallInterface", "/a", HeaderShape::Root), Dialect::Region);
        assert_eq!(dialect("CallInterface", "/a", HeaderShape::Lines), Dialect::ExamCentre);
    }
}
