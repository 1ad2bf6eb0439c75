//! What a search asks: FHIR's parameters become a question for reports.
//!
//! Names that are not known are ignored and told, or refused where the caller wants that (`Prefer: handling=strict`); a
//! modifier that is not known is always refused, since leaving it out would change the answer (R4, 3.1.1.4.4 and 3.1.1.5.1).

use super::documents::attached_parts;
use super::kind::Kind;
use super::resources::{ID_NO, IDENTIFIER_TYPE, System};
use super::section;
use crate::archive::reports::pull_reports::{Having, ReportQuery, StudyNumber, Subject};
use crate::domain::criteria;
use crate::domain::date_time::{self, Moment};
use crate::domain::patient_key::PatientKey;
use crate::web::api::{Code, Parameters, Problem};

/// What to do with a parameter that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    Lenient,
    Strict,
}

/// A code with the system that it must be of; any when `None`, none at all when empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    system: Option<String>,
    code: String,
}

impl Token {
    fn parse(text: &str) -> Self {
        match text.split_once('|') {
            Some((system, code)) => Self { system: Some(system.to_owned()), code: code.to_owned() },
            None => Self { system: None, code: text.to_owned() },
        }
    }

    /// Whether a resource has this code.
    pub(super) fn is_of(&self, resource: &serde_json::Value) -> bool {
        let codings = resource["code"]["coding"].as_array();
        codings.into_iter().flatten().any(|coding| {
            let system = coding["system"].as_str().unwrap_or_default();
            coding["code"] == self.code.as_str() && self.system.as_ref().is_none_or(|wanted| wanted == system)
        })
    }
}

/// A search that has been read.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) parameters: Parameters,
    pub(super) query: ReportQuery,
    pub(super) ids: Vec<String>,
    /// Codes of which the resource has one; any when empty.
    pub(super) codes: Vec<Token>,
    /// Resources that come along.
    pub(super) include: Vec<Kind>,
    /// What was taken of the query, for links.
    pub(super) taken: Vec<(String, String)>,
    /// Names that were not known.
    pub(super) ignored: Vec<String>,
    /// Whether nothing can be found, since what is asked for is never there.
    pub(super) nothing: bool,
}

impl Question {
    pub(super) fn read(kind: Kind, query: Option<&str>, handling: Handling) -> Result<Self, Problem> {
        let mut known: Vec<&str> = kind.parameters().iter().map(|parameter| parameter.name).collect();
        known.extend(["_count", "_cursor", "_format", "_pretty", "_include"]);
        if kind == Kind::DiagnosticReport {
            known.push("based-on:identifier");
        }
        if kind == Kind::ImagingStudy {
            known.push("identifier:of-type");
        }
        let (mut taken, mut ignored) = (Vec::new(), Vec::new());
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let name = canonical(&name).to_owned();
            let is_known = known.contains(&name.as_str()) && name != "based-on";
            let include = (name == "_include").then(|| included(kind, &value));
            let modified = name.split_once(':').is_some_and(|(base, _)| known.contains(&base) && base != "_include");
            match (is_known, include) {
                (true, None | Some(Some(_))) => taken.push((name, value.into_owned())),
                _ if modified || name == "based-on" => return Err(Problem::about(Code::BadParameter, shown(&name))),
                (_, _) if handling == Handling::Strict => {
                    return Err(Problem::about(Code::UnknownParameter, shown(&name)));
                }
                _ => ignored.push(shown(&name)),
            }
        }
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        let parameters = Parameters::read(Some(&pairs.extend_pairs(&taken).finish()), &known)?;
        let ids = parameters.all("_id");
        let (mut query, nothing) = query_of(kind, &parameters, !ids.is_empty())?;
        let codes: Vec<Token> =
            parameters.one("code")?.split(',').filter(|text| !text.is_empty()).map(Token::parse).collect();
        query.codes = codes.iter().map(|token| token.code.clone()).collect();
        let of_report = |id: &String| criteria::observation_uid(attached_parts(id).map_or(id, |(report, _)| report));
        query.observation_uids = ids.iter().filter_map(of_report).collect();
        let mut include: Vec<Kind> = Vec::new();
        for kind in parameters.all("_include").iter().filter_map(|value| included(kind, value)) {
            if !include.contains(&kind) {
                include.push(kind);
            }
        }
        Ok(Self { parameters, query, ids, codes, include, taken, ignored, nothing })
    }

    pub(super) fn has_code(&self, resource: &serde_json::Value) -> bool {
        self.codes.is_empty() || self.codes.iter().any(|token| token.is_of(resource))
    }
}

/// One name for the ways in which clients write the same.
fn canonical(name: &str) -> &str {
    match name {
        "patient:identifier" | "subject:identifier" | "subject.identifier" => "patient.identifier",
        "patient:Patient" => "patient",
        "subject:Patient" => "subject",
        name => name,
    }
}

/// The resource that `DiagnosticReport:result` and the like bring.
fn included(kind: Kind, value: &str) -> Option<Kind> {
    let mut parts = value.split(':');
    let (of, name) = (parts.next()?, parts.next()?);
    let found = kind.includes().iter().find(|(known, _)| of == kind.as_str() && *known == name)?;
    match (parts.next(), parts.next()) {
        (None, _) => Some(found.1),
        (Some(target), None) => (target == found.1.as_str()).then_some(found.1),
        _ => None,
    }
}

/// A name comes from outside: only what a name may look like is repeated.
fn shown(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-:.".contains(*c)).take(64).collect()
}

/// The question, and whether its answer is empty whatever there is.
fn query_of(kind: Kind, parameters: &Parameters, by_id: bool) -> Result<(ReportQuery, bool), Problem> {
    let (mut query, mut nothing) = (ReportQuery::default(), false);
    match kind {
        Kind::Patient => identify_patient(parameters.one("identifier")?, &mut query)?,
        Kind::DiagnosticReport => {
            identify_report(parameters.one("identifier")?, &mut query)?;
            identify_order(parameters.one("based-on:identifier")?, &mut query)?;
            (query.kinds, query.modalities) = section::asked(&parameters.all("category"))?;
        }
        Kind::Observation => {
            query.kinds = vec![Subject::Lab];
            let categories = parameters.all("category");
            let is_ours = |token: &String| token.rsplit('|').next() == Some("laboratory");
            nothing = !categories.is_empty() && !categories.iter().any(is_ours);
        }
        Kind::ImagingStudy => {
            query.having = Having::Images;
            identify_study(parameters.one("identifier")?, &mut query)?;
            identify_by_type(parameters.one("identifier:of-type")?, &mut query)?;
        }
        Kind::DocumentReference => query.having = Having::File,
    }
    if kind == Kind::Patient {
        return match by_id || query.is_narrow() {
            true => Ok((query, nothing)),
            false => Err(Problem::about(Code::BadParameter, "identifier or _id")),
        };
    }
    for name in ["patient", "subject"] {
        let reference = parameters.one(name)?;
        if !reference.is_empty() {
            let word = reference.rsplit('/').next().unwrap_or_default();
            let key = PatientKey::decode(word).ok_or_else(|| Problem::about(Code::BadParameter, name))?;
            query.patient_id = key.patient_id;
            narrow_to(&mut query, key.org_code)?;
        }
    }
    identify_patient(parameters.one("patient.identifier")?, &mut query)?;
    let date = if kind == Kind::ImagingStudy { "started" } else { "date" };
    for text in parameters.all(date) {
        narrow_time(&text, &mut query)?;
    }
    for text in parameters.all("_lastUpdated") {
        narrow_update(&text, &mut query)?;
    }
    Ok((query, nothing))
}

fn narrow_to(query: &mut ReportQuery, org_code: String) -> Result<(), Problem> {
    match &query.organizations {
        Some(known) if *known != [org_code.clone()] => {
            Err(Problem::about(Code::BadParameter, "the identifiers are of two institutions"))
        }
        _ => {
            query.organizations = Some(vec![org_code]);
            Ok(())
        }
    }
}

/// `value` (an identity or card number), or `system|value`.
fn identify_patient(token: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    if token.is_empty() {
        return Ok(());
    }
    let Some((system, value)) = token.split_once('|') else {
        query.identity = token.to_owned();
        return Ok(());
    };
    match (system, System::parse(system)) {
        ("", _) => query.identity = value.to_owned(),
        (ID_NO, _) => query.id_no = value.to_owned(),
        (_, Some(System { org_code, name })) => {
            match name {
                "patient-id" => query.patient_id = value.to_owned(),
                "card-no" => query.card_no = value.to_owned(),
                "visit-no" => query.event_no = value.to_owned(),
                _ => return Err(Problem::about(Code::BadParameter, "the identifier's system is not one of a patient")),
            }
            narrow_to(query, org_code)?;
        }
        _ => return Err(Problem::about(Code::BadParameter, "the identifier's system is not known")),
    }
    if value.is_empty() { Err(Problem::about(Code::BadParameter, "the identifier is empty")) } else { Ok(()) }
}

/// `value` or `system|value` of a report's number.
fn identify_report(token: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    query.report_form_no = numbered(token, "report-form-no", query)?;
    Ok(())
}

/// `value` or `system|value` of the accession number of what was ordered.
fn identify_order(token: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    query.accession_number = numbered(token, "accession-number", query)?;
    Ok(())
}

/// The value of a number of an institution's; with its system, the question is narrowed to the institution.
fn numbered(token: &str, name: &str, query: &mut ReportQuery) -> Result<String, Problem> {
    if token.is_empty() {
        return Ok(String::new());
    }
    let bad = || Problem::about(Code::BadParameter, "the identifier's system is not known, or its value is empty");
    let (system, value) = token.split_once('|').unwrap_or(("", token));
    if !system.is_empty() {
        let system = System::parse(system).filter(|system| system.name == name).ok_or_else(bad)?;
        narrow_to(query, system.org_code)?;
    }
    if value.is_empty() { Err(bad()) } else { Ok(value.to_owned()) }
}

/// `urn:dicom:uid|urn:oid:1.2.3`, or an accession number with or without its system.
fn identify_study(token: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    let uid = |text: &str| StudyNumber::Uid(text.strip_prefix("urn:oid:").unwrap_or(text).to_owned());
    query.study = match token.split_once('|') {
        None if token.is_empty() => return Ok(()),
        None if token.starts_with("urn:oid:") => Some(uid(token)),
        Some(("urn:dicom:uid", value)) if !value.is_empty() => Some(uid(value)),
        _ => Some(StudyNumber::Accession(numbered(token, "accession-number", query)?)),
    };
    Ok(())
}

/// `system|code|value` of the identifier's type: only accession numbers have one.
fn identify_by_type(token: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    if token.is_empty() {
        return Ok(());
    }
    match token.split('|').collect::<Vec<_>>().as_slice() {
        [system, "ACSN", value] if *system == IDENTIFIER_TYPE && !value.is_empty() => {
            query.study = Some(StudyNumber::Accession((*value).to_owned()));
            Ok(())
        }
        _ => Err(Problem::about(Code::BadParameter, "identifier:of-type is v2-0203|ACSN|value")),
    }
}

/// The first moment that is meant and the first one after; a side that is open is `None`.
fn range(text: &str, name: &str) -> Result<(Option<Moment>, Option<Moment>), Problem> {
    let bad = || Problem::about(Code::BadDate, name);
    let (prefix, rest) = match text.split_at_checked(2) {
        Some((prefix, rest)) if prefix.bytes().all(|byte| byte.is_ascii_alphabetic()) => (prefix, rest),
        _ => ("eq", text),
    };
    let first = date_time::parse(rest).map_err(|_| bad())?.ok_or_else(bad)?;
    let after = Moment::from_epoch_ms(first.as_range_end().epoch_ms() + 1000);
    match prefix {
        "eq" => Ok((Some(first), Some(after))),
        "ge" => Ok((Some(first), None)),
        "gt" | "sa" => Ok((Some(after), None)),
        "le" => Ok((None, Some(after))),
        "lt" | "eb" => Ok((None, Some(first))),
        _ => Err(bad()),
    }
}

/// `2024-03-22`, `ge2024-03-22T08:00:00+08:00` and so on; no zone means Asia/Shanghai.
fn narrow_time(text: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    let (from, after) = range(text, "date")?;
    let to = after.map(|after| Moment::from_epoch_ms(after.epoch_ms() - 1000));
    // Several conditions hold together; the kept form sorts as text.
    if let Some(from) = from.map(|moment| moment.to_string()).filter(|from| *from > query.observed_from) {
        query.observed_from = from;
    }
    if let Some(to) = to.map(|moment| moment.to_string())
        && (query.observed_to.is_empty() || to < query.observed_to)
    {
        query.observed_to = to;
    }
    Ok(())
}

fn narrow_update(text: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    let (from, before) = range(text, "_lastUpdated")?;
    query.updated_from = query.updated_from.max(from.map(Moment::epoch_ms));
    let before = before.map(Moment::epoch_ms);
    query.updated_before = [query.updated_before, before].into_iter().flatten().min();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: Kind, query: &str) -> Result<ReportQuery, Code> {
        read(kind, query, Handling::Strict).map(|question| question.query)
    }

    fn read(kind: Kind, query: &str, handling: Handling) -> Result<Question, Code> {
        Question::read(kind, Some(query), handling).map_err(|problem| problem.code)
    }

    #[test]
    fn what_is_not_known_is_ignored_or_refused_and_a_modifier_is_always_refused() {
        let lenient =
            read(Kind::DiagnosticReport, "flavour=1&_include=x:y&patient=ORG-T01..P1", Handling::Lenient).unwrap();
        assert_eq!(lenient.ignored, ["flavour", "_include"]);
        assert_eq!(lenient.taken, [("patient".to_owned(), "ORG-T01..P1".to_owned())]);
        assert_eq!(asked(Kind::DiagnosticReport, "flavour=1"), Err(Code::UnknownParameter));
        for query in ["code:text=x", "patient:missing=true", "based-on=ServiceRequest/1"] {
            assert_eq!(
                read(Kind::DiagnosticReport, query, Handling::Lenient).map(|_| ()),
                Err(Code::BadParameter),
                "{query}"
            );
        }
        let include = "_include=DiagnosticReport:result&_include=DiagnosticReport:subject:Patient";
        let read = read(Kind::DiagnosticReport, include, Handling::Strict).unwrap();
        assert_eq!(read.include, [Kind::Observation, Kind::Patient]);
    }

    #[test]
    fn studies_are_named_by_uid_or_accession_number() {
        let study = |query: &str| asked(Kind::ImagingStudy, query).map(|query| (query.study, query.organizations));
        let uid = Some(StudyNumber::Uid("1.2.3".to_owned()));
        assert_eq!(study("identifier=urn:dicom:uid|urn:oid:1.2.3"), Ok((uid.clone(), None)));
        assert_eq!(study("identifier=urn:oid:1.2.3"), Ok((uid, None)));
        let number = Some(StudyNumber::Accession("A1".to_owned()));
        assert_eq!(study("identifier=A1"), Ok((number.clone(), None)));
        let own = study("identifier=urn:x-yingku:ORG-T01:accession-number|A1").unwrap();
        assert_eq!(own, (number.clone(), Some(vec!["ORG-T01".to_owned()])));
        assert_eq!(study(&format!("identifier:of-type={IDENTIFIER_TYPE}|ACSN|A1")), Ok((number, None)));
        assert_eq!(study(&format!("identifier:of-type={IDENTIFIER_TYPE}|MR|A1")), Err(Code::BadParameter));
        assert_eq!(study("identifier=http://example.test|1"), Err(Code::BadParameter));
    }

    #[test]
    fn updates_are_counted_in_milliseconds() {
        let window = |query: &str| asked(Kind::DiagnosticReport, query).map(|q| (q.updated_from, q.updated_before));
        let at = 1_711_036_800_000; // 2024-03-22 in Asia/Shanghai
        assert_eq!(window("_lastUpdated=2024-03-22"), Ok((Some(at), Some(at + 86_400_000))));
        assert_eq!(
            window("_lastUpdated=ge2024-03-22&_lastUpdated=lt2024-03-23T00:00:00"),
            window("_lastUpdated=2024-03-22")
        );
        assert_eq!(window("_lastUpdated=gt2024-03-22"), Ok((Some(at + 86_400_000), None)));
        assert_eq!(window("_lastUpdated=soon"), Err(Code::BadDate));
    }

    #[test]
    fn an_identifier_is_a_value_or_system_and_value() {
        let token = |token: &str| asked(Kind::Patient, &format!("identifier={token}"));
        assert_eq!(token("990101199001010019").unwrap().identity, "990101199001010019");
        assert_eq!(token("urn:oid:2.16.156.10011.1.3|990101199001010019").unwrap().id_no, "990101199001010019");
        let own = token("urn:x-yingku:ORG-T01:patient-id|P0001").unwrap();
        assert_eq!((own.patient_id.as_str(), own.organizations), ("P0001", Some(vec!["ORG-T01".to_owned()])));
        assert_eq!(token("http://example.test|1"), Err(Code::BadParameter));
        assert_eq!(token("urn:x-yingku:ORG-T01:patient-id|"), Err(Code::BadParameter));
        assert_eq!(asked(Kind::Patient, ""), Err(Code::BadParameter));
    }

    #[test]
    fn dates_have_prefixes_and_hold_together() {
        let window = |query: &str| asked(Kind::Observation, query).map(|q| (q.observed_from, q.observed_to));
        let text = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(window("date=2024-03-22"), text("2024-03-22 00:00:00", "2024-03-22 23:59:59"));
        assert_eq!(window("date=gt2024-03-22&date=lt2024-04-01"), text("2024-03-23 00:00:00", "2024-03-31 23:59:59"));
        assert_eq!(window("date=ge2024-03-22T00:00:00Z"), text("2024-03-22 08:00:00", ""));
        assert_eq!(window("date=ap2024-03-22"), Err(Code::BadDate));
        assert_eq!(window("date=ge"), Err(Code::BadDate));
    }

    #[test]
    fn a_reference_names_a_patient_of_one_institution() {
        let query = asked(Kind::DiagnosticReport, "patient=Patient/ORG-T01..P0001&category=LAB").unwrap();
        assert_eq!((query.patient_id.as_str(), query.kinds), ("P0001", vec![Subject::Lab]));
        let two = "patient=ORG-T01..P1&patient.identifier=urn:x-yingku:ORG-T02:card-no|C1";
        assert_eq!(asked(Kind::DiagnosticReport, two), Err(Code::BadParameter));
        assert_eq!(asked(Kind::DiagnosticReport, "patient=x"), Err(Code::BadParameter));
    }
}
