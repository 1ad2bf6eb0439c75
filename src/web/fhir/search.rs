//! Reads and searches: reports become resources.

use std::collections::BTreeSet;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::bundle::{Found, searchset};
use super::documents;
use super::kind::Kind;
use super::outcome::{Outcome, resource};
use super::question::{Handling, Question};
use super::resources;
use crate::archive::Error;
use crate::archive::reports::pull_reports::{
    KeptReport, KeptStudy, ListPosition, PulledReport, ReportQuery, StudyNumber,
};
use crate::domain::criteria;
use crate::domain::patient_key::PatientKey;
use crate::web::api::{ApiState, Caller, Code, Inner, Problem, cursor_after, form};

/// Pages of reports that one search for patients reads.
const PAGES_OF_PATIENTS: usize = 20;

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
        Kind::DiagnosticReport => {
            let report = pulled(archive.pull_report(reader, id).await?)?;
            Ok(resources::diagnostic_report(&report, root))
        }
        Kind::DocumentReference => {
            let report_id = documents::attached_parts(id).map_or(id, |(report_id, _)| report_id);
            let report = pulled(archive.pull_report(reader, report_id).await?)?;
            let mut documents = documents::document_references(&report, root).into_iter();
            documents.find(|document| is_named(document, id)).ok_or_else(missing)
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

fn pulled(report: PulledReport) -> Result<Box<KeptReport>, Problem> {
    match report {
        PulledReport::Found(report) => Ok(report),
        PulledReport::Withdrawn => Err(Code::Withdrawn.into()),
    }
}

/// Whether the resource has this id; UUIDs are read whatever their case.
fn is_named(resource: &Value, id: &str) -> bool {
    resource["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id.trim()))
}

/// `GET /{kind}?…`
pub(super) async fn search(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(kind): Path<String>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Outcome> {
    answer(&inner, &caller, &kind, (Asked::ByAddress, text.unwrap_or_default()), &headers).await
}

/// `POST /{kind}/_search`: the question, or a part of it, in the body (R4, 3.1.0.9.2), since addresses end in logs.
pub(super) async fn search_by_form(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(kind): Path<String>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Outcome> {
    let parts = [text.unwrap_or_default(), form(&inner, &headers, body).await?];
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
    answer(&inner, &caller, &kind, (Asked::ByForm, text), &headers).await
}

/// How a question came, which says how the next page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByAddress,
    ByForm,
}

async fn answer(
    inner: &Inner,
    caller: &Caller,
    kind: &str,
    (how, text): (Asked, String),
    headers: &HeaderMap,
) -> Result<Response, Outcome> {
    let kind = Kind::parse(kind)?;
    let question = Question::read(kind, Some(&text), handling(headers))?;
    let limit = question.parameters.limit("_count", &inner.config)?;
    let _turn = inner.turn().await?;
    let (found, next) = if question.nothing {
        (Found::default(), None)
    } else if !question.ids.is_empty() && !matches!(kind, Kind::DiagnosticReport | Kind::DocumentReference) {
        (by_ids(inner, caller, kind, &question, limit).await?, None)
    } else if question.query.observation_uids.is_empty() && !question.ids.is_empty() {
        (Found::default(), None)
    } else {
        if !question.query.is_narrow() {
            caller.require_follow()?;
        }
        let after = question.parameters.list_position("_cursor", &question.query)?;
        page(inner, caller, kind, &question, (after, limit)).await?
    };
    let link = |cursor: Option<&str>| match how {
        Asked::ByAddress => link(inner, kind, &question, cursor),
        Asked::ByForm => form_link(inner, kind, cursor),
    };
    let own = link(None);
    let next = cursor_after(&question.query, next).map(|cursor| link(Some(&cursor)));
    Ok(resource(StatusCode::OK, &searchset(&inner.public_url, own, next, found, &question.ignored)))
}

/// `Prefer: handling=strict` (R4, 3.1.1.2); everything else is lenient.
fn handling(headers: &HeaderMap) -> Handling {
    let texts = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut wishes = texts.flat_map(|text| text.split([',', ';'])).map(str::trim);
    match wishes.any(|wish| wish.eq_ignore_ascii_case("handling=strict")) {
        true => Handling::Strict,
        false => Handling::Lenient,
    }
}

async fn by_ids(inner: &Inner, caller: &Caller, kind: Kind, question: &Question, limit: u32) -> Result<Found, Problem> {
    let mut found = Found::default();
    for id in question.ids.iter().take(limit as usize) {
        match by_id(inner, caller, kind, id).await {
            Ok(resource) if question.has_code(&resource) => found.matches.push(resource),
            Ok(_) => {}
            Err(problem) if matches!(problem.code, Code::NotFound | Code::Withdrawn) => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(found)
}

/// One page of what is found, with what comes along.
async fn page(
    inner: &Inner,
    caller: &Caller,
    kind: Kind,
    question: &Question,
    (after, limit): (Option<ListPosition>, u32),
) -> Result<(Found, Option<ListPosition>), Problem> {
    let (query, root) = (&question.query, inner.public_url.as_str());
    if kind == Kind::Patient {
        let (matches, next) = patients(inner, caller, query, after, limit).await?;
        return Ok((Found { matches, included: Vec::new() }, next));
    }
    let page = inner.archive.list_reports(&caller.reader, query, after, limit).await?;
    let mut found = Found::default();
    let studies = match kind {
        Kind::ImagingStudy => imaging_studies(inner, &page.reports).await?,
        _ => Vec::new(),
    };
    for report in &page.reports {
        let of_report: Vec<Value> = match kind {
            Kind::Patient => Vec::new(),
            Kind::DiagnosticReport => vec![resources::diagnostic_report(report, root)],
            Kind::Observation => resources::observations(report),
            Kind::DocumentReference => {
                // A report has several, of which one may have been named.
                let named = |one: &Value| question.ids.is_empty() || question.ids.iter().any(|id| is_named(one, id));
                documents::document_references(report, root).into_iter().filter(named).collect()
            }
            Kind::ImagingStudy => {
                let own = |study: &&KeptStudy| is_asked(question, study);
                let uids: BTreeSet<&str> =
                    report.studies.iter().filter(own).map(|study| study.observation_uid.as_str()).collect();
                let is_own = |study: &&Value| study["id"].as_str().is_some_and(|id| uids.contains(id));
                studies.iter().filter(is_own).cloned().collect()
            }
        };
        let of_report: Vec<Value> = of_report.into_iter().filter(|resource| question.has_code(resource)).collect();
        if !of_report.is_empty() {
            found.include(question.include.iter().flat_map(|kind| match kind {
                Kind::Patient => vec![resources::patient(report)],
                Kind::Observation => resources::observations(report),
                Kind::DiagnosticReport => vec![resources::diagnostic_report(report, root)],
                Kind::ImagingStudy | Kind::DocumentReference => Vec::new(),
            }));
        }
        found.add(of_report);
    }
    Ok((found, page.next))
}

/// A report may have further studies than the one that was asked for.
fn is_asked(question: &Question, study: &KeptStudy) -> bool {
    match &question.query.study {
        None => true,
        Some(StudyNumber::Accession(number)) => study.accession_number == *number,
        Some(StudyNumber::Uid(uid)) => study.study_instance_uid == *uid,
    }
}

/// The address of a page, of what was understood of the question.
fn link(inner: &Inner, kind: Kind, question: &Question, cursor: Option<&str>) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(question.taken.iter().filter(|(name, _)| cursor.is_none() || name != "_cursor"));
    if let Some(cursor) = cursor {
        pairs.append_pair("_cursor", cursor);
    }
    format!("{}/fhir/{}?{}", inner.public_url, kind.as_str(), pairs.finish())
}

/// Where the same form is sent for a page: of a question that came in a body nothing is put into an address. Whoever asks
/// there without the form is told that the cursor belongs to another question.
fn form_link(inner: &Inner, kind: Kind, cursor: Option<&str>) -> String {
    let address = format!("{}/fhir/{}/_search", inner.public_url, kind.as_str());
    cursor.map_or(address.clone(), |cursor| format!("{address}?_cursor={cursor}"))
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
