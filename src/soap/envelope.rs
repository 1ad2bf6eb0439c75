//! SOAP messages: which operation with which parameters, and how its answer or its failure is wrapped (D-R2).
//!
//! SOAP 1.1 and 1.2 by W3C, document/literal wrapped as ASP.NET and gSOAP send it. The operation is the first element of
//! the body; its namespace and SOAPAction are not looked at. A parameter is escaped text, CDATA or inline XML.

use super::xml::{self, Element, XmlError, XmlLimits};

const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";
/// Parameters of an operation that are looked at; no operation has more than six.
const MOST_PARAMETERS: usize = 256;

/// The version of SOAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// SOAP 1.1, `text/xml`.
    Soap11,
    /// SOAP 1.2, `application/soap+xml`.
    Soap12,
}

/// A parameter as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// Text, escaped or CDATA.
    Text(String),
    /// An element within the parameter.
    Inline(Element),
}

impl Parameter {
    /// The text; nothing for inline XML.
    pub fn text(&self) -> &str {
        match self {
            Parameter::Text(text) => text,
            Parameter::Inline(_) => "",
        }
    }
}

/// A call of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The version in which to answer.
    pub version: Version,
    /// The operation's name as written.
    pub operation: String,
    /// The operation's namespace as written, empty when none.
    pub namespace: String,
    /// Parameters in order.
    pub parameters: Vec<(String, Parameter)>,
    /// Whether characters that XML forbids have been left out.
    pub stripped: bool,
}

impl Call {
    /// The parameter of that name, whatever its case.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Why a message is no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It cannot be read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The envelope has no body, or the body no element.
    #[error("the SOAP body has no operation")]
    NoOperation,
}

/// What a document was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A SOAP call.
    Call(Call),
    /// A document that is no envelope.
    Plain(xml::Document),
}

/// Reads a SOAP message, or a document without an envelope.
pub fn read(text: &str, content_type: &str, limits: &XmlLimits) -> Result<Message, EnvelopeError> {
    let document = xml::parse(text, limits)?;
    if !document.root.is("Envelope") {
        return Ok(Message::Plain(document));
    }
    let version = version_of(&document.root.namespace, content_type);
    let stripped = document.stripped;
    let body = document.root.children.into_iter().find(|child| child.is("Body"));
    let operation = body.and_then(|body| body.children.into_iter().next()).ok_or(EnvelopeError::NoOperation)?;
    Ok(Message::Call(call_of(operation, version, stripped)))
}

/// The version that a message claims, also when it cannot be read.
pub fn version_of(namespace_or_text: &str, content_type: &str) -> Version {
    let is_12 = namespace_or_text.contains(SOAP_12) || content_type.to_ascii_lowercase().contains("soap+xml");
    if is_12 { Version::Soap12 } else { Version::Soap11 }
}

/// Takes an element as an operation with its parameters.
pub fn call_of(operation: Element, version: Version, stripped: bool) -> Call {
    let parameters = operation
        .children
        .into_iter()
        .take(MOST_PARAMETERS)
        .map(|mut parameter| {
            let value = match parameter.children.len() {
                0 => Parameter::Text(parameter.text),
                _ => Parameter::Inline(parameter.children.swap_remove(0)),
            };
            (parameter.name, value)
        })
        .collect();
    Call { version, operation: operation.name, namespace: operation.namespace.to_string(), parameters, stripped }
}

/// The Content-Type of answers in a version.
pub fn content_type(version: Version) -> &'static str {
    match version {
        Version::Soap11 => "text/xml; charset=utf-8",
        Version::Soap12 => "application/soap+xml; charset=utf-8",
    }
}

/// Wraps an operation's string result.
pub fn response(version: Version, namespace: &str, operation: &str, result: &str) -> String {
    let namespace = xml::escape_attribute(namespace);
    let result = xml::escape(result);
    let body = format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}</{operation}Result></{operation}Response>"
    );
    envelope(version, &body)
}

/// A fault that is the caller's; goes with HTTP status 500.
pub fn fault(version: Version, reason: &str) -> String {
    let reason = xml::escape(reason);
    let body = match version {
        Version::Soap11 => {
            format!("<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{reason}</faultstring></soap:Fault>")
        }
        Version::Soap12 => format!(
            "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason>\
             <soap:Text xml:lang=\"zh\">{reason}</soap:Text></soap:Reason></soap:Fault>"
        ),
    };
    envelope(version, &body)
}

fn envelope(version: Version, body: &str) -> String {
    let namespace = match version {
        Version::Soap11 => SOAP_11,
        Version::Soap12 => SOAP_12,
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"{namespace}\"><soap:Body>{body}\
         </soap:Body></soap:Envelope>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        match read(text, "text/xml", &XmlLimits::default()).unwrap() {
            Message::Call(call) => call,
            Message::Plain(_) => panic!("no envelope"),
        }
    }

    fn soap(version: &str, parameter: &str) -> String {
        format!(
            "<e:Envelope xmlns:e='{version}'><e:Header/><e:Body><m:ArchiveAutoReport xmlns:m='urn:any'>\
             <m:strReportInfo>{parameter}</m:strReportInfo></m:ArchiveAutoReport></e:Body></e:Envelope>"
        )
    }

    #[test]
    fn d_r2_a_parameter_is_escaped_text_cdata_or_inline_xml() {
        let escaped = call(&soap(SOAP_11, "&lt;root a=&quot;1&quot;/&gt;"));
        assert_eq!(escaped.parameter("STRREPORTINFO").unwrap().text(), "<root a=\"1\"/>");
        let cdata = call(&soap(SOAP_11, "<![CDATA[<root a='&lt;'/>]]>"));
        assert_eq!(cdata.parameter("strReportInfo").unwrap().text(), "<root a='&lt;'/>");
        let inline = call(&soap(SOAP_12, "<root a='1'><x/></root>"));
        assert!(matches!(inline.parameter("strReportInfo"), Some(Parameter::Inline(root)) if root.is("root")));
    }

    #[test]
    fn d_r2_version_follows_the_envelope_and_the_namespace_is_free() {
        let call_12 = call(&soap(SOAP_12, ""));
        assert_eq!((call_12.version, call_12.namespace.as_str()), (Version::Soap12, "urn:any"));
        assert_eq!(call(&soap(SOAP_11, "")).version, Version::Soap11);
    }

    #[test]
    fn a_document_without_an_envelope_is_given_back() {
        let message = read("<root><exammaster/></root>", "text/xml", &XmlLimits::default()).unwrap();
        assert!(matches!(message, Message::Plain(document) if document.root.is("root")));
        let empty = read("<e:Envelope xmlns:e='x'><e:Body/></e:Envelope>", "text/xml", &XmlLimits::default());
        assert_eq!(empty, Err(EnvelopeError::NoOperation));
    }

    #[test]
    fn answers_and_faults_are_well_formed_in_both_versions() {
        for version in [Version::Soap11, Version::Soap12] {
            let answer = response(version, "http://tempuri.org/", "GetLabInfo", "<root>&</root>");
            let read = xml::parse(&answer, &XmlLimits::default()).unwrap().root;
            let result = &read.children[0].children[0].children[0];
            assert_eq!((result.name.as_str(), result.text.as_str()), ("GetLabInfoResult", "<root>&</root>"));
            let fault = xml::parse(&fault(version, "a < b"), &XmlLimits::default()).unwrap().root;
            assert_eq!(fault.children[0].children[0].name, "Fault");
        }
    }
}
