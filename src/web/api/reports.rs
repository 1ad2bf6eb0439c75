//! `GET /reports`, `/reports/{id}` and `/patients/{id}/reports`.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::access::{ApiState, Caller, Inner};
use super::model::{Report, ReportList};
use super::parameters::{Parameters, cursor_after};
use super::problem::{Code, Problem};
use crate::archive::reports::pull_reports::{PulledReport, ReportQuery};
use crate::domain::date_time::Moment;
use crate::domain::patient_key::PatientKey;

/// Filters of lists; `cursor` and `limit` beside them.
pub(super) const FILTERS: [&str; 14] = [
    "organization",
    "kind",
    "patient_id",
    "id_no",
    "card_no",
    "report_form_no",
    "accession_number",
    "event_no",
    "id",
    "from",
    "to",
    "order",
    "cursor",
    "limit",
];

/// How late the next page of a list may be asked for whose window we count from now.
const RESUMED_WITHIN_MONTHS: i32 = 2;

/// What may be asked for of one patient's reports.
pub(super) const OF_PATIENT: [&str; 7] = ["of", "kind", "from", "to", "order", "cursor", "limit"];

/// `GET /reports`
pub(super) async fn list(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref(), &FILTERS)?;
    let query = query_of(&parameters, &inner, &caller)?;
    page(&inner, &caller, &parameters, query).await
}

/// `GET /patients/{id}/reports`
pub(super) async fn of_patient(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(patient): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let key = PatientKey::decode(&patient).ok_or(Code::NotFound)?;
    let parameters = Parameters::read(query.as_deref(), &OF_PATIENT)?;
    let mut query = ReportQuery::default();
    match parameters.one("of")? {
        "" | "patient" => query.patients = vec![(key.org_code, key.patient_id)],
        "person" => query.patients = inner.archive.numbers_of_person(&caller.reader, &key).await?,
        _ => return Err(Problem::about(Code::BadParameter, "of is patient or person")),
    }
    common(&parameters, &mut query)?;
    page(&inner, &caller, &parameters, query).await
}

/// `GET /reports/{id}`
pub(super) async fn one(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let _turn = inner.turn().await?;
    match inner.archive.pull_report(&caller.reader, &id).await? {
        PulledReport::Withdrawn => Err(Code::Withdrawn.into()),
        PulledReport::Found(report) => {
            let body = serde_json::to_vec(&Report::of(&report, &inner.public_url)).map_err(|_| Code::Failed)?;
            Ok(tagged(&headers, body))
        }
    }
}

async fn page(
    inner: &Inner,
    caller: &Caller,
    parameters: &Parameters,
    query: ReportQuery,
) -> Result<Response, Problem> {
    let limit = parameters.limit("limit", &inner.config)?;
    let after = parameters.list_position("cursor", &query)?;
    let _turn = inner.turn().await?;
    let page = inner.archive.list_reports(&caller.reader, &query, after, limit).await?;
    Ok(json(&ReportList {
        reports: page.reports.iter().map(|report| Report::of(report, &inner.public_url)).collect(),
        cursor: cursor_after(&query, page.next),
    }))
}

/// Reads the filters; what names no patient needs a window of time and the right to follow.
pub(super) fn query_of(parameters: &Parameters, inner: &Inner, caller: &Caller) -> Result<ReportQuery, Problem> {
    let text = |name: &str| parameters.one(name).map(str::to_owned);
    let persons = [text("id_no")?, text("card_no")?];
    let mut query = ReportQuery {
        organizations: parameters.organizations(),
        persons: persons.into_iter().filter(|number| !number.is_empty()).collect(),
        patient_id: text("patient_id")?,
        report_form_no: text("report_form_no")?,
        accession_number: text("accession_number")?,
        event_no: text("event_no")?,
        observation_uids: parameters.all("id"),
        ..ReportQuery::default()
    };
    common(parameters, &mut query)?;
    let of_institution = !query.patient_id.is_empty() || !query.report_form_no.is_empty();
    if of_institution && query.organizations.is_none() && caller.reader.organizations.is_none() {
        let why = "patient_id and report_form_no mean nothing without organization";
        return Err(Problem::about(Code::BadParameter, why));
    }
    if !query.is_narrow() {
        caller.require_follow()?;
        let now = Moment::from_epoch_ms(inner.archive.now_ms());
        let [from, to] = parameters.window()?.closed(now, inner.config.max_span_days)?;
        // An open end stays open: the question must be the same one on every page.
        query.from = from.to_string();
        let window = parameters.window()?;
        if window.from.is_none() {
            query.from = from.start_of_day().to_string();
            query.from_is_ours = window.to.is_none();
        }
        if let (true, Some(since)) = (query.from_is_ours, parameters.since("cursor")?) {
            // Days may pass between two pages; a cursor that asks for more than that was not given by us.
            if since < from.plus_months(-RESUMED_WITHIN_MONTHS).to_string() {
                return Err(Code::BadCursor.into());
            }
            query.from = since;
        }
        query.to = window.to.map(|_| to.to_string()).unwrap_or_default();
    }
    Ok(query)
}

fn common(parameters: &Parameters, query: &mut ReportQuery) -> Result<(), Problem> {
    let window = parameters.window()?;
    query.kinds = parameters.kinds()?;
    query.from = window.from.map(|moment| moment.to_string()).unwrap_or_default();
    query.to = window.to.map(|moment| moment.to_string()).unwrap_or_default();
    query.oldest_first = match parameters.one("order")? {
        "" | "newest" => false,
        "oldest" => true,
        _ => return Err(Problem::about(Code::BadParameter, "order is newest or oldest")),
    };
    Ok(())
}

/// Patient data is nobody's to keep on the way.
pub(super) fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (StatusCode::OK, headers, body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            Problem::from(Code::Failed).into_response()
        }
    }
}

/// JSON with a tag of its content, and 304 for whoever has it already.
fn tagged(headers: &HeaderMap, body: Vec<u8>) -> Response {
    use sha2::{Digest, Sha256};
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..16]));
    let known = matches_tag(headers.get(header::IF_NONE_MATCH), &tag);
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
    let shared = [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))];
    if known {
        return (StatusCode::NOT_MODIFIED, shared).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (StatusCode::OK, shared, kind, body).into_response()
}

/// Whether `If-None-Match` names the tag (RFC 9110 section 13.1.2).
pub(super) fn matches_tag(header: Option<&HeaderValue>, tag: &str) -> bool {
    let Some(text) = header.and_then(|value| value.to_str().ok()) else { return false };
    text.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == "*" || one == tag)
}
