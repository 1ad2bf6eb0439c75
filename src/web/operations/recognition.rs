//! `GET /ops/recognition?from=…&to=…&org=…&by=…&format=html|csv|json&lang=zh|en`: how often images and data are
//! recognised (D-X10).

use std::net::SocketAddr;

use askama::Template;
use axum::Extension;
use axum::Json;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::access::client_of;
use super::csv::cell;
use super::quality::{actor, format_of, problem, unauthorized};
use super::{Inner, OperationsState, language_of};
use crate::archive::reports::recognitions::{RecognitionFilter, RecognitionStatistics, Tally};
use crate::domain::date_time::{self, Moment};
use crate::domain::recognition::NOT_RECOGNISED;
use crate::tls::PeerCertificate;
use crate::web::assets::CSS_NAME;
use crate::web::words::Language;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Question {
    from: String,
    to: String,
    org: String,
    by: String,
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
    let filter = match filter_of(&inner, &client.organizations, &question) {
        Ok(filter) => filter,
        Err(reason) => return (StatusCode::BAD_REQUEST, problem(reason)).into_response(),
    };
    let Ok(_turn) = inner.turns.try_acquire() else {
        let again = [(header::RETRY_AFTER, "10")];
        return (StatusCode::SERVICE_UNAVAILABLE, again, problem("another measuring is under way")).into_response();
    };
    match inner.archive.count_recognitions(actor(client, address), &filter).await {
        Ok(figures) => answer(&inner, &figures, &question, &headers),
        Err(error) => {
            tracing::error!(%error, "recognitions could not be counted");
            (StatusCode::INTERNAL_SERVER_ERROR, problem("the records could not be counted")).into_response()
        }
    }
}

fn filter_of(inner: &Inner, own: &[String], question: &Question) -> Result<RecognitionFilter, &'static str> {
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
    let named = |code: &String| Some(code.clone()).filter(|code| !code.is_empty()).into_iter().collect();
    Ok(RecognitionFilter {
        readers: (!own.is_empty()).then(|| own.to_vec()),
        organizations: named(&question.org),
        by_organizations: named(&question.by),
        from: Some(from.epoch_ms()),
        until: Some(to.epoch_ms() + 1000),
        ..RecognitionFilter::default()
    })
}

fn answer(inner: &Inner, figures: &RecognitionStatistics, question: &Question, headers: &HeaderMap) -> Response {
    let no_store = (header::CACHE_CONTROL, "no-store");
    match format_of(&question.format, headers) {
        "json" => ([no_store], Json(figures)).into_response(),
        "csv" => {
            let kind = (header::CONTENT_TYPE, "text/csv; charset=utf-8");
            let name = (header::CONTENT_DISPOSITION, "attachment; filename=\"recognition.csv\"");
            ([no_store, kind, name], csv(figures)).into_response()
        }
        "html" => match RecognitionPage::of(inner, figures, question, language_of(&question.lang, headers)).render() {
            Ok(page) => ([no_store], Html(page)).into_response(),
            Err(error) => {
                tracing::error!(%error, "recognition page not drawn");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        },
        _ => (StatusCode::BAD_REQUEST, problem("format must be html, csv or json")).into_response(),
    }
}

/// The figures as CSV: one line for each, with a byte order mark for spreadsheets.
pub fn csv(figures: &RecognitionStatistics) -> String {
    let mut text = String::from("\u{FEFF}org_code,by_org_code,kind,measure,value\r\n");
    for pair in &figures.pairs {
        let words = [&pair.organization, &pair.by_organization, &pair.kind].map(|word| cell(word)).join(",");
        let Tally { records, recognised, marked, reasons } = &pair.tally;
        let measures = [("records", records), ("recognised", recognised), ("marked", marked)];
        for (measure, value) in measures {
            text += &format!("{words},{measure},{value}\r\n");
        }
        for (code, value) in reasons {
            text += &format!("{words},{},{value}\r\n", cell(&format!("reason_{code}")));
        }
    }
    text
}

#[derive(Debug, Template)]
#[template(path = "recognition.html")]
struct RecognitionPage {
    base: String,
    css: String,
    from: String,
    until: String,
    query: String,
    language: Language,
    total: Row,
    rows: Vec<Row>,
    reasons: Vec<(String, String)>,
}

#[derive(Debug)]
struct Row {
    organization: String,
    by_organization: String,
    kind: &'static str,
    records: i64,
    recognised: i64,
    rate: String,
    marked: i64,
    reasons: String,
}

impl RecognitionPage {
    fn of(inner: &Inner, figures: &RecognitionStatistics, question: &Question, language: Language) -> Self {
        let name = |code: &String| match inner.archive.organization_name(code) {
            name if name == *code => name,
            name => format!("{name} {code}"),
        };
        let rows = figures.pairs.iter().map(|pair| {
            let kind = if pair.kind == "lab" { "检验" } else { "检查" };
            Row::of(name(&pair.organization), name(&pair.by_organization), kind, &pair.tally)
        });
        let pairs = [("from", &question.from), ("to", &question.to), ("org", &question.org), ("by", &question.by)];
        let encode =
            |text: &String| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let query = pairs.iter().filter(|(_, text)| !text.is_empty());
        let dictionaries = inner.archive.dictionaries();
        let reasons = dictionaries.all().find(|(name, _)| *name == NOT_RECOGNISED).map(|(_, entries)| entries);
        Self {
            base: inner.base.clone(),
            css: CSS_NAME.clone(),
            from: figures.from.clone(),
            until: figures.until.clone(),
            query: query.map(|(name, text)| format!("&{name}={}", encode(text))).collect(),
            total: Row::of(language.say("合计").into_owned(), String::new(), "", &figures.total),
            language,
            rows: rows.collect(),
            reasons: reasons.into_iter().flatten().map(|entry| (entry.code.clone(), entry.meaning.clone())).collect(),
        }
    }
}

impl Row {
    fn of(organization: String, by_organization: String, kind: &'static str, tally: &Tally) -> Self {
        Self {
            organization,
            by_organization,
            kind,
            records: tally.records,
            recognised: tally.recognised,
            rate: tally.per_mille().map_or("–".to_owned(), |rate| format!("{}.{}%", rate / 10, rate % 10)),
            marked: tally.marked,
            reasons: tally.reasons.iter().map(|(code, n)| format!("{code}×{n}")).collect::<Vec<_>>().join(" "),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::archive::reports::recognitions::PairTally;

    #[test]
    fn every_figure_is_a_line_of_five_cells() {
        let tally = Tally { records: 4, recognised: 3, marked: 2, reasons: BTreeMap::from([("2".to_owned(), 1)]) };
        let pair = PairTally {
            organization: "ORG-T01".to_owned(),
            by_organization: "=ORG,T02".to_owned(),
            kind: "exam".to_owned(),
            tally,
        };
        let figures = RecognitionStatistics { pairs: vec![pair], ..RecognitionStatistics::default() };
        let text = csv(&figures);
        assert_eq!(text.lines().count(), 5);
        assert!(text.contains("ORG-T01,\"'=ORG,T02\",exam,reason_2,1\r\n"), "{text}");
    }
}
