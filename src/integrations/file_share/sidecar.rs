//! The small file beside a file that says what it is: `scan.jpg.json`, `scan.json`, `scan.jpg.xml` or `scan.xml`.
//!
//! JSON is one flat object, XML one element `attachment` with values as attributes or elements. Known values: kind,
//! accession_number, patient_id, study_instance_uid, title, organization; names are read without regard to case and
//! underscores, others are passed over. Text is UTF-8 or GBK.

use crate::domain::attachment::AttachmentKind;
use crate::soap::XmlLimits;
use crate::soap::xml::parse as parse_xml;

const XML_LIMITS: XmlLimits = XmlLimits { depth: 4, attributes: 32, elements: 64, bytes: 1024 * 1024 };
const MOST_VALUES: usize = 64;

/// What a sidecar says; what it does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sidecar {
    pub(super) kind: Option<AttachmentKind>,
    pub(super) accession_number: String,
    pub(super) patient_id: String,
    pub(super) study_instance_uid: String,
    pub(super) title: String,
    pub(super) organization: String,
}

/// Why a sidecar is not read; the words hold nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SidecarError {
    #[error("the sidecar is no JSON object of plain values")]
    Json,
    #[error("the sidecar is no XML document: {0}")]
    Xml(String),
    #[error("the sidecar's kind is none of request_form, consent, capture, video, ecg, pathology, report, other")]
    Kind,
    #[error("the sidecar has more than {MOST_VALUES} values")]
    TooManyValues,
}

/// Reads a sidecar. `Ok(None)`: it is XML of another kind, which is a file in its own right.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Sidecar>, SidecarError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::GB18030.decode_with_bom_removal(bytes).0.into_owned(),
    };
    let text = text.trim_start_matches('\u{FEFF}').trim();
    if text.starts_with('<') { read_xml(text) } else { read_json(text).map(Some) }
}

fn read_json(text: &str) -> Result<Sidecar, SidecarError> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| SidecarError::Json)?;
    let object = value.as_object().ok_or(SidecarError::Json)?;
    if object.len() > MOST_VALUES {
        return Err(SidecarError::TooManyValues);
    }
    let mut sidecar = Sidecar::default();
    for (name, value) in object {
        match value {
            serde_json::Value::String(text) => sidecar.put(name, text)?,
            serde_json::Value::Number(number) => sidecar.put(name, &number.to_string())?,
            serde_json::Value::Null | serde_json::Value::Bool(_) => {}
            // A list or an object under a name that we know would be misread; under another it is not ours.
            _ if known(name).is_some() => return Err(SidecarError::Json),
            _ => {}
        }
    }
    Ok(sidecar)
}

fn read_xml(text: &str) -> Result<Option<Sidecar>, SidecarError> {
    let document = match parse_xml(text, &XML_LIMITS) {
        Ok(document) => document,
        // An electrocardiogram is deeper and longer than any sidecar.
        Err(_) if !text.contains("<attachment") => return Ok(None),
        Err(error) => return Err(SidecarError::Xml(error.to_string())),
    };
    if !document.root.is("attachment") {
        return Ok(None);
    }
    let mut sidecar = Sidecar::default();
    for (name, value) in document.root.values() {
        sidecar.put(name, value)?;
    }
    Ok(Some(sidecar))
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Kind,
    AccessionNumber,
    PatientId,
    StudyInstanceUid,
    Title,
    Organization,
}

fn known(name: &str) -> Option<Value> {
    let plain: String = name.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    Some(match plain.as_str() {
        "kind" => Value::Kind,
        "accessionnumber" | "pacsid" => Value::AccessionNumber,
        "patientid" => Value::PatientId,
        "studyinstanceuid" => Value::StudyInstanceUid,
        "title" => Value::Title,
        "organization" | "orgcode" => Value::Organization,
        _ => return None,
    })
}

impl Sidecar {
    fn put(&mut self, name: &str, value: &str) -> Result<(), SidecarError> {
        let Some(known) = known(name) else { return Ok(()) };
        let value = value.trim();
        let field = match known {
            Value::Kind if value.is_empty() => return Ok(()),
            Value::Kind => {
                self.kind = Some(AttachmentKind::parse(value).ok_or(SidecarError::Kind)?);
                return Ok(());
            }
            Value::AccessionNumber => &mut self.accession_number,
            Value::PatientId => &mut self.patient_id,
            Value::StudyInstanceUid => &mut self.study_instance_uid,
            Value::Title => &mut self.title,
            Value::Organization => &mut self.organization,
        };
        *field = value.to_owned();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Sidecar {
        Sidecar {
            kind: Some(AttachmentKind::Consent),
            accession_number: "123".to_owned(),
            title: "同意书".to_owned(),
            ..Sidecar::default()
        }
    }

    #[test]
    fn json_and_xml_say_the_same_in_utf_8_and_gbk() {
        let json = "{\"Kind\": \"consent\", \"AccessionNumber\": 123, \"title\": \"同意书\", \"device\": {\"a\": 1}}";
        let xml =
            "<?xml version='1.0'?><attachment kind='consent' accession_number='123'><title>同意书</title></attachment>";
        assert_eq!(read(json.as_bytes()), Ok(Some(expected())));
        assert_eq!(read(xml.as_bytes()), Ok(Some(expected())));
        assert_eq!(read(&encoding_rs::GB18030.encode(json).0), Ok(Some(expected())));
        assert_eq!(read("\u{FEFF}{}".as_bytes()), Ok(Some(Sidecar::default())));
    }

    #[test]
    fn xml_of_a_device_is_no_sidecar() {
        assert_eq!(read(b"<AnnotatedECG><a><b><c><d><e/></d></c></b></a></AnnotatedECG>"), Ok(None));
        assert_eq!(read(b"<ecg/>"), Ok(None));
    }

    #[test]
    fn hostile_sidecars_are_errors_and_nothing_worse() {
        let deep = "[".repeat(100_000);
        let wide = format!("<attachment>{}</attachment>", "<a/>".repeat(1000));
        let bomb = "<!DOCTYPE a [<!ENTITY b 'c'>]><attachment title='&b;'/>";
        for text in [deep.as_str(), "", "[]", "{\"kind\": \"virus\"}", "{\"title\": [1]}", wide.as_str(), bomb, "\u{0}"]
        {
            assert!(read(text.as_bytes()).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }
}
