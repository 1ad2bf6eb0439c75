//! `/recognitions`: who relied on the images and data of another institution's report, and who did not, and why (D-X10).
//!
//! What is recognised is never the diagnosis of the doctor who wrote the report.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{ApiState, Caller};
use super::model::{ReportKind, filled, instant};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::reports::json;
use crate::archive::reports::pull_reports::Subject;
use crate::archive::reports::recognitions::{ListedRecognition, RecognitionFilter};
use crate::archive::reports::record_recognition::{RecordRecognition, Recorded};
use crate::domain::criteria;
use crate::domain::cursor::Cursor;
use crate::domain::date_time;
use crate::domain::recognition::Decision;

/// What may be asked for.
pub(super) const PARAMETERS: [&str; 8] =
    ["organization", "by_organization", "report", "recognised", "from", "to", "cursor", "limit"];

/// A decision about a report.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRecognition {
    /// The caller's number for it, 1 to 128 visible ASCII characters; the same number again is the same record.
    key: String,
    /// Id of the report.
    report: String,
    /// Code of the institution that decided.
    by_organization: String,
    /// Whether the images and data were relied on, and nothing was done again. The doctor's diagnosis is not meant.
    recognised: bool,
    /// Why not: one of the six reasons of the national rule, `1` to `6`; only when `recognised` is false.
    #[serde(default)]
    reason: Option<String>,
    /// In words, up to 500 characters; needed with reason 6. Nothing about the patient.
    #[serde(default)]
    remark: Option<String>,
    /// The number of the doctor who decided; this or the name is needed.
    #[serde(default)]
    doctor_id: Option<String>,
    /// The name of the doctor who decided.
    #[serde(default)]
    doctor_name: Option<String>,
    /// When it was decided, any usual form (no zone: Asia/Shanghai); now when absent.
    #[serde(default)]
    decided_at: Option<String>,
}

/// A recorded decision.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Recognition {
    /// The record's number.
    id: String,
    /// The caller's own number, when it is the caller who recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Id of the report.
    report: String,
    kind: ReportKind,
    /// Code of the report's institution.
    organization: String,
    /// Code of the institution that decided.
    by_organization: String,
    /// Whether the images and data were relied on. The doctor's diagnosis is not meant.
    recognised: bool,
    /// Why not, `1` to `6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doctor_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doctor_name: Option<String>,
    /// What was examined, as the report said then.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<String>,
    /// The report's mark then.
    #[serde(skip_serializing_if = "Option::is_none")]
    recognition_mark: Option<String>,
    /// When it was decided, RFC 3339.
    decided_at: String,
    /// When it was recorded, RFC 3339.
    recorded_at: String,
    /// Its hospital has withdrawn the report since.
    report_withdrawn: bool,
}

/// One page of records, the newest decision first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RecognitionList {
    recognitions: Vec<Recognition>,
    /// Ask again with it for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// `POST /recognitions`
pub(super) async fn record(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if !caller.recognitions {
        return Err(Code::Forbidden.into());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return Err(Problem::about(Code::BadParameter, "Content-Type is application/json"));
    }
    let body = axum::body::to_bytes(body, inner.config.max_body_bytes).await.map_err(|_| Code::TooLarge)?;
    // What serde says may repeat a value; only the place is told.
    let read = |error: serde_json::Error| {
        Problem::about(Code::BadParameter, format!("the body, line {} column {}", error.line(), error.column()))
    };
    let new: NewRecognition = serde_json::from_slice(&body).map_err(read)?;
    let decided_at = match new.decided_at.as_deref() {
        None => None,
        Some(text) => {
            let moment = date_time::parse(text).ok().flatten();
            Some(moment.ok_or_else(|| Problem::about(Code::BadDate, "decided_at"))?.epoch_ms())
        }
    };
    let command = RecordRecognition {
        reader: caller.reader.clone(),
        key: new.key,
        observation_uid: new.report,
        by_org_code: new.by_organization,
        decision: Decision {
            recognised: new.recognised,
            reason: new.reason.unwrap_or_default(),
            remark: new.remark.unwrap_or_default(),
            doctor_id: new.doctor_id.unwrap_or_default(),
            doctor_name: new.doctor_name.unwrap_or_default(),
        },
        decided_at,
    };
    let _turn = inner.turn().await?;
    let recorded = match inner.archive.record_recognition(command).await {
        // What is wrong with it is said in fixed words, without its texts.
        Err(crate::archive::Error::Invalid(why)) => return Err(Problem::about(Code::BadParameter, why)),
        recorded => recorded?,
    };
    let (status, listed) = match recorded {
        Recorded::Now(listed) => (StatusCode::CREATED, listed),
        Recorded::Before(listed) => (StatusCode::OK, listed),
        Recorded::KeyTaken => return Err(Code::KeyTaken.into()),
        Recorded::Withdrawn => return Err(Code::Withdrawn.into()),
    };
    let body = serde_json::to_vec(&Recognition::of(*listed, &caller.reader.actor.name)).map_err(|_| Code::Failed)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((status, headers, body).into_response())
}

/// `GET /recognitions`
pub(super) async fn list(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref(), &PARAMETERS)?;
    let report = parameters.one("report")?;
    let observation_uid = match report {
        "" => String::new(),
        id => criteria::observation_uid(id).ok_or_else(|| Problem::about(Code::BadParameter, "report"))?,
    };
    if observation_uid.is_empty() {
        caller.require_follow()?;
    }
    let window = parameters.window()?;
    let filter = RecognitionFilter {
        organizations: parameters.all("organization"),
        by_organizations: parameters.all("by_organization"),
        observation_uid,
        recognised: match parameters.one("recognised")? {
            "" => None,
            "true" => Some(true),
            "false" => Some(false),
            _ => return Err(Problem::about(Code::BadParameter, "recognised is true or false")),
        },
        from: window.from.map(|moment| moment.epoch_ms()),
        until: window.to.map(|moment| moment.epoch_ms() + 1000),
        ..RecognitionFilter::default()
    };
    let after = match parameters.one("cursor")? {
        "" => None,
        text => match Cursor::decode(text) {
            Some(Cursor::List { question, at, pk, .. }) if question == filter.fingerprint() => {
                Some((at.parse::<i64>().map_err(|_| Code::BadCursor)?, pk))
            }
            _ => return Err(Code::BadCursor.into()),
        },
    };
    let limit = parameters.limit("limit", &inner.config)?;
    let _turn = inner.turn().await?;
    let page = inner.archive.list_recognitions(&caller.reader, &filter, after, limit).await?;
    let cursor = |(at, pk): (i64, i64)| {
        let (question, since) = (filter.fingerprint(), String::new());
        Cursor::List { question, since, at: at.to_string(), pk }.encode()
    };
    let client = &caller.reader.actor.name;
    Ok(json(&RecognitionList {
        recognitions: page.records.into_iter().map(|listed| Recognition::of(listed, client)).collect(),
        cursor: page.next.map(cursor),
    }))
}

impl Recognition {
    fn of(listed: ListedRecognition, client: &str) -> Self {
        let ListedRecognition { recognition: record, observation_uid, withdrawn } = listed;
        let own = record.request_key.strip_prefix(client).and_then(|rest| rest.strip_prefix(' '));
        Self {
            id: record.id.to_string(),
            key: own.map(str::to_owned),
            report: observation_uid,
            kind: match record.subject {
                Subject::Exam => ReportKind::Exam,
                Subject::Lab => ReportKind::Lab,
            },
            organization: record.org_code,
            by_organization: record.by_org_code,
            recognised: record.decision.recognised,
            reason: filled(&record.decision.reason),
            remark: filled(&record.decision.remark),
            doctor_id: filled(&record.decision.doctor_id),
            doctor_name: filled(&record.decision.doctor_name),
            item: filled(&record.item),
            recognition_mark: filled(&record.mark),
            decided_at: instant(record.decided_at),
            recorded_at: instant(record.recorded_at),
            report_withdrawn: withdrawn,
        }
    }
}
