//! Reports as FHIR resources. Every word comes from a registered field; nothing is guessed.

use serde_json::{Map, Value, json};

use super::documents::presented_form;
use super::section;
use crate::archive::reports::pull_reports::{Content, KeptItem, KeptReport, KeptSeries, KeptStudy};
use crate::domain::dictionary::Entry;
use crate::domain::exam_report::{ExamField, ExamState};
use crate::domain::lab_report::{LabField, LabItemField};
use crate::domain::record::{Field, Record};
use crate::web::api::{instant, local_instant, patient_of};

/// 公民身份号码.
pub(super) const ID_NO: &str = "urn:oid:2.16.156.10011.1.3";
const OBSERVATION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
pub(super) const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
/// Marks of mutual recognition (互认) in words, as the archive is configured.
const RECOGNITION: &str = "urn:x-yingku:recognition";
/// The id of the request within a DiagnosticReport.
const REQUEST: &str = "request";
const LOINC: &str = "http://loinc.org";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// The system of an institution's numbers: `urn:x-yingku:ORG-T01:patient-id`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct System<'n> {
    pub(super) org_code: String,
    pub(super) name: &'n str,
}

impl<'n> System<'n> {
    fn text(org_code: &str, name: &str) -> String {
        let code = percent_encoding::utf8_percent_encode(org_code, percent_encoding::NON_ALPHANUMERIC).to_string();
        // Hyphens are plain in a URN, and in nearly every code.
        format!("urn:x-yingku:{}:{name}", code.replace("%2D", "-"))
    }

    pub(super) fn parse(text: &'n str) -> Option<Self> {
        let (code, name) = text.strip_prefix("urn:x-yingku:")?.split_once(':')?;
        let org_code = percent_encoding::percent_decode_str(code).decode_utf8().ok()?.into_owned();
        (!org_code.is_empty()).then_some(Self { org_code, name })
    }
}

/// Puts what there is; what is empty is left out, as FHIR demands.
pub(super) struct Filled(Map<String, Value>);

impl Filled {
    pub(super) fn new(kind: &str, id: impl Into<String>) -> Self {
        let mut map = Map::new();
        map.insert("resourceType".to_owned(), kind.into());
        map.insert("id".to_owned(), Value::String(id.into()));
        Self(map)
    }

    pub(super) fn part() -> Self {
        Self(Map::new())
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if !empty {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    pub(super) fn value(self) -> Value {
        Value::Object(self.0)
    }
}

/// A code with its text; nothing when both are empty. Codes hold no blanks at their ends.
pub(super) fn concept(code: &str, text: &str) -> Value {
    let mut concept = Filled::part();
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    if !code.is_empty() {
        concept.put("coding", vec![json!({ "code": code })]);
    }
    concept.put("text", text);
    concept.value()
}

/// A code with its text and, before its own, the code that a dictionary gives it (D-R16).
fn mapped_concept(mapped: Option<&Entry>, code: &str, text: &str) -> Value {
    let mut concept = concept(code, text);
    if let Some(entry) = mapped {
        let mut coding = Filled::part();
        coding.put("system", if is_loinc(&entry.code) { LOINC } else { "" });
        coding.put("code", entry.code.as_str()).put("display", entry.meaning.as_str());
        let own = concept["coding"].as_array().cloned().unwrap_or_default();
        concept["coding"] = std::iter::once(coding.value()).chain(own).collect();
    }
    concept
}

/// `2345-7`: some figures, a hyphen, a check digit (Luhn).
fn is_loinc(code: &str) -> bool {
    let Some((figures, check)) = code.split_once('-') else { return false };
    let sound = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !sound(figures, 7) || !sound(check, 1) {
        return false;
    }
    let digits = figures.bytes().rev().map(|b| u32::from(b - b'0')).enumerate();
    let sum: u32 = digits.map(|(at, digit)| if at % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }).sum();
    (10 - sum % 10) % 10 == u32::from(check.as_bytes()[0] - b'0')
}

fn first<'t>(texts: &[Option<&'t str>]) -> &'t str {
    texts.iter().flatten().next().copied().unwrap_or_default()
}

pub(super) fn display(text: Option<&str>) -> Vec<Value> {
    text.map(|text| json!({ "display": text })).into_iter().collect()
}

/// The registered field of either kind, by its column.
pub(super) fn text<'r>(report: &'r KeptReport, column: &str) -> Option<&'r str> {
    fn of<'r, F: Field>(record: &'r Record<F>, column: &str) -> Option<&'r str> {
        record.get(F::find(column)?)
    }
    match &report.content {
        Content::Exam(record) => of(record, column),
        Content::Lab(record, _) => of(record, column),
    }
}

pub(super) fn meta(report: &KeptReport, mark: &str) -> Value {
    let mut meta = json!({ "versionId": report.version.to_string(), "lastUpdated": instant(report.updated_at) });
    if let Some(tag) = recognition_tag(mark) {
        meta["tag"] = tag;
    }
    meta
}

/// The mark of mutual recognition of images and data; the doctor's diagnosis is not part of it (D-X10).
fn recognition_tag(mark: &str) -> Option<Value> {
    let code = mark.split_whitespace().collect::<Vec<_>>().join(" ");
    (!code.is_empty()).then(|| json!([{ "system": RECOGNITION, "code": code, "display": mark.trim() }]))
}

pub(super) fn subject(report: &KeptReport) -> Value {
    let mut subject = Filled::part();
    subject.put("reference", format!("Patient/{}", patient_of(report)));
    subject.put("display", text(report, "name").unwrap_or_default());
    subject.value()
}

pub(super) fn report_identifier(report: &KeptReport) -> Vec<Value> {
    vec![json!({ "system": System::text(&report.org_code, "report-form-no"), "value": report.report_form_no })]
}

pub(super) fn category(report: &KeptReport) -> Value {
    match report.content {
        Content::Lab(..) => section::of_laboratory(),
        Content::Exam(_) => section::of_exam(&report.modality),
    }
}

pub(super) fn title(report: &KeptReport) -> &str {
    let columns = ["exam_item_name", "report_title", "class_local_name", "class_name"];
    first(&columns.map(|column| text(report, column)))
}

/// How far it is (D-R21).
fn status(report: &KeptReport) -> &'static str {
    let state = match &report.content {
        Content::Lab(..) => return "final",
        Content::Exam(record) => record.get(ExamField::State).and_then(ExamState::parse),
    };
    match (state, report.is_final) {
        (Some(ExamState::Revised), _) => "amended",
        (_, true) => "final",
        (Some(ExamState::Registered), _) => "registered",
        (Some(ExamState::Examined), _) => "partial",
        _ => "preliminary",
    }
}

/// DiagnosticReport.
pub(super) fn diagnostic_report(report: &KeptReport, root: &str) -> Value {
    let mut resource = Filled::new("DiagnosticReport", &report.observation_uid);
    let code = text(report, if report.modality.is_empty() { "class_code" } else { "exam_item_code" });
    let code = mapped_concept(report.mapped.as_ref(), code.unwrap_or_default(), title(report));
    resource
        .put("meta", meta(report, &report.mark))
        .put("identifier", report_identifier(report))
        .put("status", status(report))
        .put("category", category(report))
        .put("code", if code == json!({}) { json!({ "text": "报告" }) } else { code })
        .put("subject", subject(report))
        .put("effectiveDateTime", local_instant(&report.observed_at))
        .put("issued", local_instant(first(&["authenticator_dtime", "author_dtime"].map(|c| text(report, c)))))
        .put("performer", display(text(report, "performer_dept_name")))
        .put("resultsInterpreter", display(text(report, "authenticator_name").or(text(report, "author_name"))))
        .put("contained", request(report).into_iter().collect::<Vec<_>>())
        .put("basedOn", based_on(report));
    match &report.content {
        Content::Exam(record) => {
            let reference =
                |study: &KeptStudy| json!({ "reference": format!("ImagingStudy/{}", study.observation_uid) });
            resource
                .put("imagingStudy", report.studies.iter().map(reference).collect::<Vec<_>>())
                .put("conclusion", record.text(ExamField::Conclusion))
                .put("presentedForm", presented_form(report, root).into_iter().collect::<Vec<_>>());
        }
        Content::Lab(_, items) => {
            let reference = |kept: &KeptItem| json!({ "reference": format!("Observation/{}", kept.pk) });
            resource
                .put("result", items.iter().map(reference).collect::<Vec<_>>())
                .put("presentedForm", presented_form(report, root).into_iter().collect::<Vec<_>>());
        }
    }
    resource.value()
}

/// What was ordered: an exam is known by its accession number, and who asked for it by the request in the resource.
fn based_on(report: &KeptReport) -> Vec<Value> {
    let mut order = Filled::part();
    if requester(report) != json!({}) {
        order.put("reference", format!("#{REQUEST}"));
    }
    let number = text(report, "pacs_id").unwrap_or_default().trim();
    if !number.is_empty() {
        let identifier = json!({
            "type": { "coding": [{ "system": IDENTIFIER_TYPE, "code": "ACSN" }] },
            "system": System::text(&report.org_code, "accession-number"),
            "value": number,
        });
        order.put("identifier", identifier);
    }
    let order = order.value();
    let typed = |mut order: Value| {
        order["type"] = "ServiceRequest".into();
        order
    };
    (order != json!({})).then(|| typed(order)).into_iter().collect()
}

/// Who asked for the examination, with the staff number (D-R26); nothing when nobody is named.
fn requester(report: &KeptReport) -> Value {
    let participant = report.content.participant();
    let mut practitioner = Filled::part();
    if !participant.id.is_empty() {
        let identifier = json!({ "system": System::text(&report.org_code, "staff-no"), "value": participant.id });
        practitioner.put("identifier", identifier);
    }
    practitioner.put("display", participant.name);
    let mut practitioner = practitioner.value();
    if practitioner != json!({}) {
        practitioner["type"] = "Practitioner".into();
    }
    practitioner
}

/// The request as far as the report tells of it: who asked, and when. A report of R4 has no requester of its own.
fn request(report: &KeptReport) -> Option<Value> {
    let requester = requester(report);
    if requester == json!({}) {
        return None;
    }
    let mut resource = Filled::new("ServiceRequest", REQUEST);
    resource
        .put("status", "unknown")
        .put("intent", "order")
        .put("subject", subject(report))
        .put("authoredOn", text(report, "participant_dtime").map(local_instant))
        .put("requester", requester);
    Some(resource.value())
}

/// The lines of a lab report as Observations.
pub(super) fn observations(report: &KeptReport) -> Vec<Value> {
    let Content::Lab(head, items) = &report.content else { return Vec::new() };
    items.iter().map(|kept| observation(report, head, kept)).collect()
}

fn observation(report: &KeptReport, head: &Record<LabField>, kept: &KeptItem) -> Value {
    let item = &kept.item;
    let name = first(&[item.get(LabItemField::ClassName), item.get(LabItemField::ClassLocalName)]);
    let code = mapped_concept(kept.mapped.as_ref(), item.text(LabItemField::ClassCode), name);
    let unit = item.text(LabItemField::ResultUnit);
    let mut resource = Filled::new("Observation", kept.pk.to_string());
    resource
        .put("meta", recognition_tag(&kept.mark).map(|tag| json!({ "tag": tag })))
        .put("status", "final")
        .put("category", json!([{ "coding": [{ "system": OBSERVATION_CATEGORY, "code": "laboratory" }] }]))
        .put("code", if code == json!({}) { json!({ "text": "检验项目" }) } else { code })
        .put("subject", subject(report))
        .put("effectiveDateTime", local_instant(&report.observed_at))
        .put("method", concept("", item.text(LabItemField::ExamineWay)))
        .put("referenceRange", reference_range(item, unit))
        .put("performer", display(head.get(LabField::PerformerDeptName)));
    let meaning = first(&[item.get(LabItemField::ResultInterpreDescr), item.get(LabItemField::ResultInterpre)]);
    if !meaning.is_empty() {
        resource.put("interpretation", vec![concept("", meaning)]);
    }
    let result = item.text(LabItemField::ResultValue).trim();
    match quantity(result, unit) {
        Some(quantity) => resource.put("valueQuantity", quantity),
        None => resource.put("valueString", result),
    };
    resource.value()
}

/// A number with a sign of comparison at most; `1:80`, `+` and words stay text.
fn quantity(text: &str, unit: &str) -> Option<Value> {
    let (comparator, rest) =
        [("<=", "<="), (">=", ">="), ("≤", "<="), ("≥", ">="), ("<", "<"), (">", ">"), ("＜", "<"), ("＞", ">")]
            .iter()
            .find_map(|(sign, word)| Some((*word, text.strip_prefix(sign)?)))
            .unwrap_or(("", text));
    let mut quantity = Filled::part();
    quantity.put("value", number(rest.trim())?).put("comparator", comparator).put("unit", unit);
    Some(quantity.value())
}

fn number(text: &str) -> Option<Value> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let decimal = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit() || b == b'.') && plain.len() < 18;
    let value = text.parse::<f64>().ok().filter(|_| decimal && plain.as_bytes()[0].is_ascii_digit())?;
    serde_json::Number::from_f64(value).map(Value::Number)
}

fn reference_range(item: &Record<LabItemField>, unit: &str) -> Vec<Value> {
    let limit = |field| {
        let mut quantity = Filled::part();
        if let Some(value) = number(item.text(field).trim()) {
            quantity.put("value", value).put("unit", unit);
        }
        quantity.value()
    };
    let texts = [LabItemField::NormLowerLimit, LabItemField::NormUpperLimit].map(|field| item.get(field));
    let words = match (item.get(LabItemField::NormValueNotes), texts) {
        (Some(notes), _) => notes.to_owned(),
        (None, [Some(low), Some(high)]) => format!("{low}-{high}"),
        (None, [Some(one), None] | [None, Some(one)]) => one.to_owned(),
        (None, [None, None]) => String::new(),
    };
    let mut range = Filled::part();
    range.put("low", limit(LabItemField::NormLowerLimit)).put("high", limit(LabItemField::NormUpperLimit));
    range.put("text", words);
    Some(range.value()).filter(|range| *range != json!({})).into_iter().collect()
}

/// ImagingStudy of a study that is linked to the report.
pub(super) fn imaging_study(report: &KeptReport, study: &KeptStudy, series: &[&KeptSeries]) -> Value {
    let mut identifiers =
        vec![json!({ "system": "urn:dicom:uid", "value": format!("urn:oid:{}", study.study_instance_uid) })];
    if !study.accession_number.is_empty() {
        identifiers.push(json!({
            "type": { "coding": [{ "system": IDENTIFIER_TYPE, "code": "ACSN" }] },
            "system": System::text(&report.org_code, "accession-number"),
            "value": study.accession_number,
        }));
    }
    let mut modalities: Vec<&str> = series.iter().map(|s| s.modality.as_str()).filter(|m| !m.is_empty()).collect();
    modalities.sort_unstable();
    modalities.dedup();
    let coding = |code: &str| json!({ "system": DICOM, "code": code });
    let mut resource = Filled::new("ImagingStudy", &study.observation_uid);
    let listed = |one: &&KeptSeries| {
        let mut part = Filled::part();
        part.put("uid", one.series_instance_uid.as_str())
            .put("number", one.series_number.filter(|number| (0..=i64::from(i32::MAX)).contains(number)))
            .put("modality", coding(if one.modality.is_empty() { "OT" } else { &one.modality }))
            .put("description", one.description.as_str())
            .put("numberOfInstances", one.instances);
        part.value()
    };
    resource
        .put("identifier", identifiers)
        .put("status", "available")
        .put("modality", modalities.into_iter().map(coding).collect::<Vec<_>>())
        .put("subject", subject(report))
        .put("started", started(&study.study_date, &study.study_time))
        .put("referrer", requester(report))
        .put("numberOfSeries", series.len())
        .put("numberOfInstances", series.iter().map(|one| one.instances).sum::<i64>())
        .put("description", study.description.as_str())
        .put("series", series.iter().map(listed).collect::<Vec<_>>());
    resource.value()
}

/// DICOM date and time as FHIR's dateTime; nothing when there is no date.
fn started(date: &str, time: &str) -> String {
    let digits = |text: &str, count: usize| text.len() >= count && text.bytes().take(count).all(|b| b.is_ascii_digit());
    if date.len() != 8 || !digits(date, 8) {
        return String::new();
    }
    let day = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    match digits(time, 6) {
        true => format!("{day}T{}:{}:{}+08:00", &time[..2], &time[2..4], &time[4..6]),
        false => day,
    }
}

/// Patient, as the report names her or him.
pub(super) fn patient(report: &KeptReport) -> Value {
    let mut resource = Filled::new("Patient", patient_of(report));
    let of = |column: &str| text(report, column);
    let mut identifiers = vec![json!({
        "type": { "coding": [{ "system": IDENTIFIER_TYPE, "code": "MR" }] },
        "system": System::text(&report.org_code, "patient-id"),
        "value": report.patient_id,
    })];
    identifiers.extend(of("id_no").map(|value| json!({ "system": ID_NO, "value": value })));
    let card = System::text(&report.org_code, "card-no");
    identifiers.extend(of("card_no").map(|value| json!({ "system": card, "value": value })));
    let gender = match of("sex_code") {
        Some("1") => "male",
        Some("2") => "female",
        Some(_) => "unknown",
        None => "",
    };
    let owner = json!({ "system": "urn:x-yingku:organization", "value": report.org_code });
    resource
        .put("identifier", identifiers)
        .put("name", of("name").map(|name| json!([{ "text": name }])))
        .put("gender", gender)
        .put("birthDate", of("birth_date").and_then(|date| date.get(..10)))
        .put("managingOrganization", json!({ "identifier": owner }));
    resource.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_names_institution_and_number() {
        let text = System::text("机构/1-A", "patient-id");
        assert_eq!(System::parse(&text), Some(System { org_code: "机构/1-A".to_owned(), name: "patient-id" }));
        assert_eq!(System::text("ORG-T01", "card-no"), "urn:x-yingku:ORG-T01:card-no");
        assert_eq!(System::parse("urn:x-yingku::card-no"), None);
    }

    #[test]
    fn a_result_is_a_quantity_only_when_it_is_a_number() {
        assert_eq!(quantity("5.1", "mmol/L"), Some(json!({ "value": 5.1, "unit": "mmol/L" })));
        assert_eq!(quantity("<0.5", ""), Some(json!({ "value": 0.5, "comparator": "<" })));
        for text in ["", "阴性", "1:80", "+", "3-5", ".", "1e5", "inf", "2/HP"] {
            assert_eq!(quantity(text, ""), None, "{text}");
        }
    }

    #[test]
    fn d_r16_a_code_is_called_loinc_only_when_its_check_digit_says_so() {
        for code in ["2345-7", "718-7", "6690-2", "24323-8"] {
            assert!(is_loinc(code), "{code}");
        }
        for code in ["2345-6", "G003", "", "-", "12345678-1", "2345-", "2345-77", "２345-7"] {
            assert!(!is_loinc(code), "{code}");
        }
    }

    #[test]
    fn what_has_no_date_has_no_start() {
        assert_eq!(started("20240322", "144606.5"), "2024-03-22T14:46:06+08:00");
        assert_eq!(started("20240322", ""), "2024-03-22");
        assert_eq!(started("", "144606"), "");
        assert_eq!(started("2024032x", "144606"), "");
    }
}
