//! Reads and searches: FHIR's parameters become a question for reports, reports become resources.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::bundle::searchset;
use super::outcome::{Outcome, resource};
use super::resources::{self, ID_NO, System};
use crate::archive::Error;
use crate::archive::reports::pull_reports::{Having, KeptReport, ListPosition, PulledReport, ReportQuery, Subject};
use crate::domain::criteria;
use crate::domain::date_time::{self, Moment};
use crate::domain::patient_key::PatientKey;
use crate::web::api::{ApiState, Caller, Code, Inner, Parameters, Problem, cursor_after};

/// Pages of reports that one search for patients reads.
const PAGES_OF_PATIENTS: usize = 20;

/// The resources that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Patient,
    DiagnosticReport,
    Observation,
    ImagingStudy,
    DocumentReference,
}

impl Kind {
    pub(super) const ALL: [Kind; 5] =
        [Kind::Patient, Kind::DiagnosticReport, Kind::Observation, Kind::ImagingStudy, Kind::DocumentReference];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Patient => "Patient",
            Kind::DiagnosticReport => "DiagnosticReport",
            Kind::Observation => "Observation",
            Kind::ImagingStudy => "ImagingStudy",
            Kind::DocumentReference => "DocumentReference",
        }
    }

    /// Search parameters with their types.
    pub(super) fn parameters(self) -> &'static [(&'static str, &'static str)] {
        const OF_PATIENT: (&str, &str) = ("patient", "reference");
        const SUBJECT: (&str, &str) = ("subject", "reference");
        const BY_IDENTIFIER: (&str, &str) = ("patient.identifier", "token");
        match self {
            Kind::Patient => &[("_id", "token"), ("identifier", "token")],
            Kind::DiagnosticReport => &[
                ("_id", "token"),
                ("identifier", "token"),
                OF_PATIENT,
                SUBJECT,
                BY_IDENTIFIER,
                ("date", "date"),
                ("category", "token"),
            ],
            Kind::Observation | Kind::DocumentReference => {
                &[("_id", "token"), OF_PATIENT, SUBJECT, BY_IDENTIFIER, ("date", "date")]
            }
            Kind::ImagingStudy => &[("_id", "token"), OF_PATIENT, SUBJECT, BY_IDENTIFIER, ("started", "date")],
        }
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(Code::NotFound.into())
    }
}

/// `GET /{kind}/{id}`
pub(super) async fn read(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Response, Outcome> {
    let _turn = inner.turn().await?;
    let found = by_id(&inner, &caller, Kind::parse(&kind)?, &id).await?;
    Ok(resource(StatusCode::OK, &found))
}

async fn by_id(inner: &Inner, caller: &Caller, kind: Kind, id: &str) -> Result<Value, Problem> {
    let (archive, reader, root) = (&inner.archive, &caller.reader, inner.public_url.as_str());
    let missing = || Problem::from(Code::NotFound);
    match kind {
        Kind::Patient => {
            let key = PatientKey::decode(id).ok_or_else(missing)?;
            let query = ReportQuery {
                patient_id: key.patient_id,
                organizations: Some(vec![key.org_code]),
                ..ReportQuery::default()
            };
            let page = archive.list_reports(reader, &query, None, 1).await?;
            page.reports.first().map(resources::patient).ok_or_else(missing)
        }
        Kind::DiagnosticReport | Kind::DocumentReference => {
            let report = match archive.pull_report(reader, id).await? {
                PulledReport::Found(report) => report,
                PulledReport::Withdrawn => return Err(Code::Withdrawn.into()),
            };
            match kind {
                Kind::DiagnosticReport => Ok(resources::diagnostic_report(&report, root)),
                _ => resources::document_reference(&report, root).ok_or_else(missing),
            }
        }
        Kind::Observation => {
            let pk = id.parse::<i64>().map_err(|_| missing())?;
            let report = archive.report_of_line(reader, pk).await?;
            let line = resources::observations(&report).into_iter().find(|line| line["id"] == id);
            line.ok_or_else(missing)
        }
        Kind::ImagingStudy => {
            let uid = criteria::observation_uid(id).ok_or_else(missing)?;
            let report = archive.report_of_study(reader, &uid).await?;
            let studies = imaging_studies(inner, std::slice::from_ref(&report)).await?;
            studies.into_iter().find(|study| study["id"] == uid).ok_or_else(missing)
        }
    }
}

/// `GET /{kind}?…`
pub(super) async fn search(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(kind): Path<String>,
    RawQuery(text): RawQuery,
) -> Result<Response, Outcome> {
    let kind = Kind::parse(&kind)?;
    let mut known: Vec<&str> = kind.parameters().iter().map(|(name, _)| *name).collect();
    known.extend(["_count", "_cursor", "_format"]);
    let parameters = Parameters::read(text.as_deref(), &known)?;
    let limit = parameters.limit("_count", &inner.config)?;
    let own = format!("{}/fhir/{}?{}", inner.public_url, kind.as_str(), text.as_deref().unwrap_or_default());
    let _turn = inner.turn().await?;
    let ids = parameters.all("_id");
    let by_report = matches!(kind, Kind::DiagnosticReport | Kind::DocumentReference);
    if !ids.is_empty() && !by_report {
        let mut found = Vec::new();
        for id in ids.iter().take(limit as usize) {
            match by_id(&inner, &caller, kind, id).await {
                Ok(resource) => found.push(resource),
                Err(problem) if matches!(problem.code, Code::NotFound | Code::Withdrawn) => {}
                Err(problem) => return Err(problem.into()),
            }
        }
        return Ok(resource(StatusCode::OK, &searchset(&inner.public_url, own, None, found)));
    }
    let mut query = query_of(kind, &parameters)?;
    query.observation_uids = ids.iter().filter_map(|id| criteria::observation_uid(id)).collect();
    if query.observation_uids.len() < ids.len() && query.observation_uids.is_empty() {
        return Ok(resource(StatusCode::OK, &searchset(&inner.public_url, own, None, Vec::new())));
    }
    if !query.is_narrow() {
        caller.require_follow()?;
    }
    let after = parameters.list_position("_cursor", &query)?;
    let list = inner.archive.list_reports(&caller.reader, &query, after.clone(), limit);
    let (found, next) = match kind {
        Kind::Patient => patients(&inner, &caller, &query, after, limit).await?,
        Kind::DiagnosticReport => {
            let page = list.await?;
            let of = |report| resources::diagnostic_report(report, &inner.public_url);
            (page.reports.iter().map(of).collect(), page.next)
        }
        Kind::Observation => {
            let page = list.await?;
            (page.reports.iter().flat_map(resources::observations).collect(), page.next)
        }
        Kind::ImagingStudy => {
            let page = list.await?;
            (imaging_studies(&inner, &page.reports).await?, page.next)
        }
        Kind::DocumentReference => {
            let page = list.await?;
            let of = |report| resources::document_reference(report, &inner.public_url);
            (page.reports.iter().filter_map(of).collect(), page.next)
        }
    };
    let next = cursor_after(&query, next).map(|cursor| next_link(&inner, kind, text.as_deref(), &cursor));
    Ok(resource(StatusCode::OK, &searchset(&inner.public_url, own, next, found)))
}

fn next_link(inner: &Inner, kind: Kind, query: Option<&str>, cursor: &str) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    let given = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.extend_pairs(given.filter(|(name, _)| name != "_cursor"));
    pairs.append_pair("_cursor", cursor);
    format!("{}/fhir/{}?{}", inner.public_url, kind.as_str(), pairs.finish())
}

/// One resource for each patient, of the report that comes first; and where the next page begins, when so many patients or
/// so many reports were not all. A patient may come again on a later page, with reports that are further on.
async fn patients(
    inner: &Inner,
    caller: &Caller,
    query: &ReportQuery,
    mut after: Option<ListPosition>,
    limit: u32,
) -> Result<(Vec<Value>, Option<ListPosition>), Problem> {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for _ in 0..PAGES_OF_PATIENTS {
        let page = inner.archive.list_reports(&caller.reader, query, after.clone(), inner.config.max_page_size).await?;
        for report in &page.reports {
            if seen.contains(&(report.org_code.clone(), report.patient_id.clone())) {
                after = Some((report.retrieve_at.clone(), report.pk));
                continue;
            }
            if found.len() >= limit as usize {
                return Ok((found, after));
            }
            seen.insert((report.org_code.clone(), report.patient_id.clone()));
            found.push(resources::patient(report));
            after = Some((report.retrieve_at.clone(), report.pk));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok((found, after))
}

async fn imaging_studies(inner: &Inner, reports: &[KeptReport]) -> Result<Vec<Value>, Error> {
    let studies: Vec<i64> = reports.iter().flat_map(|report| &report.studies).map(|study| study.pk).collect();
    let series = inner.archive.series_of_studies(&studies).await?;
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for report in reports {
        for study in report.studies.iter().filter(|study| seen.insert(study.pk)) {
            let own: Vec<_> = series.iter().filter(|one| one.study_pk == study.pk).collect();
            found.push(resources::imaging_study(report, study, &own));
        }
    }
    Ok(found)
}

fn query_of(kind: Kind, parameters: &Parameters) -> Result<ReportQuery, Problem> {
    let mut query = ReportQuery::default();
    match kind {
        Kind::Patient => identify_patient(parameters.one("identifier")?, &mut query)?,
        Kind::DiagnosticReport => {
            identify_report(parameters.one("identifier")?, &mut query)?;
            query.kinds = kinds_of(&parameters.all("category"))?;
        }
        Kind::Observation => query.kinds = vec![Subject::Lab],
        Kind::ImagingStudy => query.having = Having::Images,
        Kind::DocumentReference => query.having = Having::File,
    }
    if kind == Kind::Patient {
        return match query.is_narrow() {
            true => Ok(query),
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
    Ok(query)
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
                _ => return Err(Problem::about(Code::BadParameter, "the identifier's system is not one of a patient")),
            }
            narrow_to(query, org_code)?;
        }
        _ => return Err(Problem::about(Code::BadParameter, "the identifier's system is not known")),
    }
    if value.is_empty() { Err(Problem::about(Code::BadParameter, "the identifier is empty")) } else { Ok(()) }
}

/// `system|value` of a report's number.
fn identify_report(token: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    if token.is_empty() {
        return Ok(());
    }
    let known = token.split_once('|').and_then(|(system, value)| Some((System::parse(system)?, value)));
    match known {
        Some((System { org_code, name: "report-form-no" }, value)) if !value.is_empty() => {
            query.report_form_no = value.to_owned();
            narrow_to(query, org_code)
        }
        _ => Err(Problem::about(Code::BadParameter, "identifier is system|value with the system of a report")),
    }
}

fn kinds_of(categories: &[String]) -> Result<Vec<Subject>, Problem> {
    let kind = |token: &String| match token.rsplit('|').next() {
        Some("LAB") => Ok(Subject::Lab),
        Some("RAD") => Ok(Subject::Exam),
        _ => Err(Problem::about(Code::BadParameter, "category is LAB or RAD")),
    };
    categories.iter().map(kind).collect()
}

/// `2024-03-22`, `ge2024-03-22T08:00:00+08:00` and so on; no zone means Asia/Shanghai.
fn narrow_time(text: &str, query: &mut ReportQuery) -> Result<(), Problem> {
    let bad = || Problem::about(Code::BadDate, "date");
    let (prefix, rest) = match text.split_at_checked(2) {
        Some((prefix, rest)) if prefix.bytes().all(|byte| byte.is_ascii_alphabetic()) => (prefix, rest),
        _ => ("eq", text),
    };
    let at = date_time::parse(rest).map_err(|_| bad())?.ok_or_else(bad)?;
    let (first, last) = (at, at.as_range_end());
    let second = |moment: Moment, by: i64| Moment::from_epoch_ms(moment.epoch_ms() + by * 1000);
    let (from, to) = match prefix {
        "eq" => (Some(first), Some(last)),
        "ge" => (Some(first), None),
        "gt" | "sa" => (Some(second(last, 1)), None),
        "le" => (None, Some(last)),
        "lt" | "eb" => (None, Some(second(first, -1))),
        _ => return Err(bad()),
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: Kind, query: &str) -> Result<ReportQuery, Code> {
        let known: Vec<&str> = kind.parameters().iter().map(|(name, _)| *name).collect();
        query_of(kind, &Parameters::read(Some(query), &known).unwrap()).map_err(|problem| problem.code)
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
