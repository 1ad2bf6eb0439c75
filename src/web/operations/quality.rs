//! `GET /ops/quality?from=…&to=…&org=…&format=html|csv|json&lang=zh|en`

use std::net::{IpAddr, SocketAddr};

use askama::Template;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::{OperationsClient, client_of};
use super::{Inner, OperationsState, csv, language_of};
use crate::archive::reports::measure_quality::{FieldQuality, KindQuality, Quality, QualityScope};
use crate::domain::date_time::{self, Moment};
use crate::domain::{Actor, ActorKind};
use crate::tls::PeerCertificate;
use crate::web::assets::CSS_NAME;
use crate::web::words::Language;

/// Section `[quality]`: the page that shows how good the registered data is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QualityPageConfig {
    /// Longest span of time that may be asked for, in days. Default 400.
    pub max_days: i64,
}

impl Default for QualityPageConfig {
    fn default() -> Self {
        Self { max_days: 400 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Question {
    from: String,
    to: String,
    org: String,
    format: String,
    lang: String,
}

/// Answers with a page, or as the question or its Accept header asks.
pub(super) async fn show(
    State(OperationsState(inner)): State<OperationsState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    certificate: Option<Extension<PeerCertificate>>,
    Query(question): Query<Question>,
    headers: HeaderMap,
) -> Response {
    let address = peer.ip().to_canonical();
    let Some(client) = client_of(&inner.clients, address, certificate.as_deref(), &headers) else {
        return unauthorized(address);
    };
    let scope = match scope_of(&inner, client, &question) {
        Ok(scope) => scope,
        Err(reason) => return (StatusCode::BAD_REQUEST, problem(reason)).into_response(),
    };
    let Ok(_turn) = inner.turns.try_acquire() else {
        let again = [(header::RETRY_AFTER, "10")];
        return (StatusCode::SERVICE_UNAVAILABLE, again, problem("another measuring is under way")).into_response();
    };
    match inner.archive.measure_quality(actor(client, address), scope).await {
        Ok(quality) => answer(&inner, &quality, &question, &headers),
        Err(error) => {
            tracing::error!(%error, "quality could not be measured");
            (StatusCode::INTERNAL_SERVER_ERROR, problem("the quality could not be measured")).into_response()
        }
    }
}

/// For whoever is not known.
pub(super) fn unauthorized(address: IpAddr) -> Response {
    tracing::warn!(peer.address = %address, "operations page refused");
    let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"yingku operations\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, ask, problem("unauthorized")).into_response()
}

pub(super) fn actor(client: &OperationsClient, address: IpAddr) -> Actor {
    let (kind, name) = (ActorKind::Client, client.id.clone());
    Actor { kind, name, user_id: String::new(), remote_addr: address.to_string() }
}

pub(super) fn problem(detail: &str) -> Json<serde_json::Value> {
    Json(json!({ "title": "operations", "detail": detail }))
}

fn scope_of(inner: &Inner, client: &OperationsClient, question: &Question) -> Result<QualityScope, &'static str> {
    let read = |text: &str| date_time::parse(text).map_err(|_| "from and to must be dates, e.g. 2026-03-01");
    let now = Moment::from_epoch_ms(inner.archive.now_ms());
    // Both days belong to the span.
    let to = read(&question.to)?.map_or(now, Moment::as_range_end);
    let from = read(&question.from)?.unwrap_or_else(|| to.plus_months(-1));
    if to.epoch_ms() < from.epoch_ms() {
        return Err("from must not be after to");
    }
    if to.days_since(from) > inner.config.max_days {
        return Err("the span is longer than quality.max_days");
    }
    let own = &client.organizations;
    let organizations = match (question.org.as_str(), own.is_empty()) {
        ("", true) => None,
        ("", false) => Some(own.clone()),
        // Of another's organisation there is nothing to see, not even that it is one.
        (org, false) if !own.iter().any(|known| known == org) => Some(Vec::new()),
        (org, _) => Some(vec![org.to_owned()]),
    };
    Ok(QualityScope { from: from.epoch_ms(), to: to.epoch_ms() + 1000, organizations })
}

fn answer(inner: &Inner, quality: &Quality, question: &Question, headers: &HeaderMap) -> Response {
    let no_store = (header::CACHE_CONTROL, "no-store");
    match format_of(&question.format, headers) {
        "json" => ([no_store], Json(quality)).into_response(),
        "csv" => {
            let kind = (header::CONTENT_TYPE, "text/csv; charset=utf-8");
            let name = (header::CONTENT_DISPOSITION, "attachment; filename=\"quality.csv\"");
            ([no_store, kind, name], csv(quality)).into_response()
        }
        "html" => match QualityPage::of(inner, quality, question, language_of(&question.lang, headers)).render() {
            Ok(page) => ([no_store], Html(page)).into_response(),
            Err(error) => {
                tracing::error!(%error, "quality page not drawn");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        },
        _ => (StatusCode::BAD_REQUEST, problem("format must be html, csv or json")).into_response(),
    }
}

/// The form that the question names, or else its Accept header.
pub(super) fn format_of<'q>(asked: &'q str, headers: &HeaderMap) -> &'q str {
    let accepts = |kind: &str| {
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|text| text.contains(kind))
    };
    match asked {
        "" if accepts("text/html") => "html",
        "" if accepts("text/csv") => "csv",
        "" => "json",
        format => format,
    }
}

#[derive(Debug, Template)]
#[template(path = "quality.html")]
struct QualityPage {
    base: String,
    css: String,
    from: String,
    to: String,
    /// The question behind another one, without its form and its language.
    query: String,
    language: Language,
    organizations: Vec<OrganizationRows>,
}

#[derive(Debug)]
struct OrganizationRows {
    title: String,
    waiting_lines: i64,
    aside_lines: i64,
    oldest: String,
    /// How many files take no QR code, by reason.
    unstamped: Vec<(String, i64)>,
    kinds: Vec<KindRows>,
}

#[derive(Debug)]
struct KindRows {
    label: &'static str,
    records: i64,
    noted: String,
    conflicts: i64,
    rejected: i64,
    late: Option<Late>,
    rows: Vec<FieldRow>,
}

#[derive(Debug)]
struct Late {
    p50: String,
    p90: String,
    p99: String,
    reports: i64,
    from_the_future: i64,
}

#[derive(Debug)]
struct FieldRow {
    field: &'static str,
    label: &'static str,
    is_needed: bool,
    filled: String,
    invalid: String,
    notes: String,
    is_weak: bool,
}

impl QualityPage {
    fn of(inner: &Inner, quality: &Quality, question: &Question, language: Language) -> Self {
        let organizations = quality.organizations.iter().map(|(code, figures)| {
            let title = match (inner.archive.organization_name(code), code.as_str()) {
                (_, "") => language.say("未登记的机构").into_owned(),
                (name, code) if name == code => name,
                (name, code) => format!("{name} {code}"),
            };
            OrganizationRows {
                title,
                waiting_lines: figures.waiting_lines,
                aside_lines: figures.aside_lines,
                oldest: figures.oldest_pending_line.clone(),
                unstamped: figures
                    .unstamped
                    .iter()
                    .map(|(reason, reports)| (language.say(refusal(reason)).into_owned(), *reports))
                    .collect(),
                kinds: figures.kinds.iter().map(|(kind, figures)| KindRows::of(kind, figures)).collect(),
            }
        });
        let pairs = [("from", &question.from), ("to", &question.to), ("org", &question.org)];
        let encode =
            |text: &String| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let query = pairs.iter().filter(|(_, text)| !text.is_empty());
        Self {
            base: inner.base.clone(),
            css: CSS_NAME.clone(),
            from: quality.from.clone(),
            to: quality.to.clone(),
            query: query.map(|(name, text)| format!("&{name}={}", encode(text))).collect(),
            language,
            organizations: organizations.collect(),
        }
    }
}

impl KindRows {
    fn of(kind: &str, figures: &KindQuality) -> Self {
        let label = match kind {
            "exam" => "检查报告",
            "lab" => "检验报告",
            _ => "检验子项",
        };
        let late = figures.timeliness.map(|late| {
            let [p50, p90, p99] = [late.p50_minutes, late.p90_minutes, late.p99_minutes].map(minutes);
            Late { p50, p90, p99, reports: late.reports, from_the_future: late.from_the_future }
        });
        Self {
            label,
            records: figures.records,
            noted: share(figures.noted_records, figures.records),
            conflicts: figures.identity_conflicts,
            rejected: figures.rejected.iter().map(|rejected| rejected.records).sum(),
            late,
            rows: figures.fields.iter().map(|field| FieldRow::of(field, figures.records)).collect(),
        }
    }
}

impl FieldRow {
    fn of(quality: &FieldQuality, records: i64) -> Self {
        let FieldQuality { field, label, need, filled, invalid, notes } = quality;
        let needed = *need != "optional";
        Self {
            field,
            label,
            is_needed: needed,
            filled: share(*filled, records),
            invalid: share(*invalid, records),
            notes: notes.iter().map(|(code, records)| format!("{code}×{records}")).collect::<Vec<_>>().join(" "),
            is_weak: *invalid > 0 || (needed && *filled < records),
        }
    }
}

/// Why a file takes no QR code, for people.
fn refusal(reason: &str) -> &str {
    match reason {
        "encrypted" => "已加密",
        "signed" => "带电子签名",
        "damaged" => "已损坏",
        "not_a_pdf" => "不是PDF",
        "no_pages" => "没有页面",
        "too_large" => "过大",
        other => other,
    }
}

fn share(part: i64, whole: i64) -> String {
    match whole {
        0 => "–".to_owned(),
        _ => format!("{:.1}%", part as f64 * 100.0 / whole as f64),
    }
}

fn minutes(minutes: i64) -> String {
    match minutes {
        0..120 => format!("{minutes} 分钟"),
        120..2880 => format!("{} 小时", minutes / 60),
        _ => format!("{} 天", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_spans_are_told_in_words_of_people() {
        assert_eq!([share(1, 3), share(0, 0), share(3, 3)], ["33.3%", "–", "100.0%"]);
        assert_eq!([5, 119, 180, 4320].map(minutes), ["5 分钟", "119 分钟", "3 小时", "3 天"]);
    }
}
