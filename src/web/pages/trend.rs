//! `/t/{session}/exam/{exam}/trend?item={line}`: one laboratory item over time, as a page, a picture (SVG) or JSON (RD-23).

use std::fmt::Write as _;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::extract::{Path, Query};
use super::state::{PagesState, Peer, framed};
use super::trend_page::TrendPage;
use crate::domain::date_time;
use crate::domain::trend::{Scale, Series, Trend};
use crate::web::error_page::html;
use crate::web::words::Language;

/// Which item, and in which form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TrendQuery {
    /// The line of the report, counted from 0.
    item: u32,
    /// `json` for JSON, `svg` for the picture; else the page, unless the request asks for JSON.
    format: String,
    lang: String,
}

/// Shows the item.
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam)): Path<(String, String)>,
    Query(query): Query<TrendQuery>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let client = peer.ip().to_string();
    let trend = match pages.archive.view_trend(&pages.viewer, &session, &client, (&exam, query.item)).await {
        Ok(trend) => trend,
        Err(error) => return pages.failed(&error),
    };
    let exam_root = format!("{}/t/{id}/exam/{exam}", pages.base);
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = match query.format.as_str() {
        "json" => axum::Json(&trend).into_response(),
        "svg" => {
            let language = pages.language(&session, &query.lang, &headers).await;
            ([(header::CONTENT_TYPE, "image/svg+xml")], drawn(&trend, language)).into_response()
        }
        _ if accepts.starts_with("application/json") => axum::Json(&trend).into_response(),
        _ => {
            let language = pages.language(&session, &query.lang, &headers).await;
            let shell = pages.shell(&id, &session, language, &format!("item={}", query.item));
            let organization = |code: &str| pages.organization(code);
            let page = TrendPage::new(shell, &trend, (&exam_root, query.item), height(&trend), organization);
            return framed(html(StatusCode::OK, &page), &session);
        }
    };
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const WIDTH: f64 = 720.0;
/// Above the first panel; what is drawn stands over the picture.
const HEAD: f64 = 4.0;
const PANEL: f64 = 240.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 34.0;
/// Most series under each other; the rest have fewest points.
const MOST_PANELS: usize = 4;

/// Height of the picture.
fn height(trend: &Trend) -> f64 {
    HEAD + PANEL * trend.series.len().clamp(1, MOST_PANELS) as f64
}

/// One panel for each series, under each other.
fn drawn(trend: &Trend, language: Language) -> String {
    let panels = &trend.series[..trend.series.len().min(MOST_PANELS)];
    let height = height(trend);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\
         <title>{} {}</title><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        escaped(&trend.item),
        language.say("趋势图")
    );
    if panels.is_empty() {
        let words = language.say("没有可以绘图的数值结果");
        let _ = write!(svg, "<text x=\"{LEFT}\" y=\"80\">{words}</text>");
    }
    for (at, series) in panels.iter().enumerate() {
        let _ = write!(svg, "<g transform=\"translate(0 {})\">", HEAD + PANEL * at as f64);
        panel(&mut svg, series, language);
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    svg
}

fn panel(svg: &mut String, series: &Series, language: Language) {
    let time = |at: &str| date_time::parse(at).ok().flatten().map_or(0, |moment| moment.epoch_ms()) as f64;
    let times: Vec<f64> = series.points.iter().map(|point| time(&point.at)).collect();
    let (first, last) = (times.first().copied().unwrap_or(0.0), times.last().copied().unwrap_or(0.0));
    let newest = series.points.last();
    let (low, high) = newest.map_or((None, None), |point| (point.low, point.high));
    let values = series.points.iter().map(|point| point.value).chain(low).chain(high);
    let (mut bottom, mut top) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (least.min(v), most.max(v)));
    // A flat line stands in the middle.
    let margin = if top > bottom { (top - bottom) * 0.08 } else { top.abs().max(1.0) * 0.1 };
    (bottom, top) = (bottom - margin, top + margin);
    let x = |t: f64| match last > first {
        true => LEFT + (t - first) / (last - first) * (WIDTH - LEFT - RIGHT),
        false => LEFT + (WIDTH - LEFT - RIGHT) / 2.0,
    };
    let y = |v: f64| TOP + (top - v) / (top - bottom) * (PANEL - TOP - BOTTOM);
    let unit = match (series.scale, series.unit.is_empty()) {
        (_, false) => escaped(&series.unit),
        (Scale::Titre, true) => language.say("滴度 1:n").into_owned(),
        (Scale::Grade, true) => language.say("阴性 0，阳性按加号").into_owned(),
        (Scale::Number, true) => language.say("无单位").into_owned(),
    };
    let _ = write!(svg, "<text x=\"{LEFT}\" y=\"22\">{unit}</text>");
    if low.is_some() || high.is_some() {
        let (upper, lower) = (y(high.unwrap_or(top)), y(low.unwrap_or(bottom)));
        let _ = write!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{upper:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#e3f3e6\"/>\
             <text x=\"{:.1}\" y=\"22\" text-anchor=\"end\">{}</text>",
            WIDTH - LEFT - RIGHT,
            (lower - upper).max(0.0),
            WIDTH - RIGHT,
            language.say("绿色：参考范围")
        );
    }
    for value in ticks(bottom, top) {
        let line = y(value);
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {line:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            line + 4.0,
            rounded(value)
        );
    }
    let places: Vec<String> =
        series.points.iter().zip(&times).map(|(point, t)| format!("{:.1},{:.1}", x(*t), y(point.value))).collect();
    let _ =
        write!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"#1565c0\" stroke-width=\"2\"/>", places.join(" "));
    for (point, t) in series.points.iter().zip(&times) {
        // A limit of the method is no measured value.
        let fill = if point.limit.is_empty() { "#1565c0" } else { "#fff" };
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"#1565c0\"><title>{} {} {}</title></circle>",
            x(*t),
            y(point.value),
            escaped(&point.at),
            escaped(&point.text),
            escaped(&series.unit)
        );
    }
    let day = |at: &str| escaped(at.get(..10).unwrap_or(at));
    if let (Some(oldest), Some(newest)) = (series.points.first(), series.points.last()) {
        let line = PANEL - BOTTOM + 18.0;
        let _ = write!(svg, "<text x=\"{LEFT}\" y=\"{line}\">{}</text>", day(&oldest.at));
        if last > first {
            let _ = write!(
                svg,
                "<text x=\"{}\" y=\"{line}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                day(&newest.at)
            );
        }
    }
}

/// Round numbers between the two, three to six of them.
fn ticks(bottom: f64, top: f64) -> Vec<f64> {
    let least = (top - bottom) / 6.0;
    let decade = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|part| part * decade).find(|step| *step >= least * 0.999);
    let step = step.unwrap_or(10.0 * decade);
    let first = (bottom / step).ceil();
    // No minus before a nought.
    let at = |n: u32| (first + f64::from(n)) * step + 0.0;
    (0..8).map(at).take_while(|value| *value <= top + step * 1e-6).collect()
}

fn rounded(value: f64) -> String {
    let text = match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // Not allowed in XML 1.0, not even escaped.
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trend::{ResultText, trend};

    #[test]
    fn a_picture_holds_its_points_its_band_and_nothing_that_is_markup() {
        let result = |at: &str, value: &str| ResultText {
            observed_at: at.to_owned(),
            value: value.to_owned(),
            unit: "<g>/L".to_owned(),
            low: "3.5".to_owned(),
            high: "9.5".to_owned(),
            ..ResultText::default()
        };
        let results = vec![result("2026-01-01 08:00:00", "5.1"), result("2026-02-01 08:00:00", "<3.0")];
        let svg = drawn(&trend("白细胞<script>", results), Language::Chinese);

        assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (2, 1));
        assert!(svg.contains("参考范围") && svg.contains("2026-01-01") && svg.contains("fill=\"#fff\" stroke"));
        // The page says it over the picture: here it is the picture's name, which is not drawn.
        assert!(svg.contains("<title>白细胞&lt;script&gt; 趋势图</title>") && !svg.contains("font-size=\"16\""));
        assert!(!svg.contains("<script>") && !svg.contains("<g>/L") && svg.contains("&lt;g&gt;/L"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn one_point_and_no_point_are_drawn_too() {
        let one = ResultText { observed_at: "2026-01-01".to_owned(), value: "5".to_owned(), ..ResultText::default() };
        let svg = drawn(&trend("x", vec![one]), Language::Chinese);
        assert!(svg.contains("<circle") && !svg.contains("NaN"), "{svg}");
        assert!(drawn(&Trend::default(), Language::Chinese).contains("没有可以绘图的数值结果"));
        assert!(drawn(&Trend::default(), Language::English).contains("No results"));
    }

    #[test]
    fn the_axis_has_round_numbers() {
        let numbers = |bottom, top| ticks(bottom, top).into_iter().map(rounded).collect::<Vec<_>>();
        assert_eq!(numbers(2.76, 13.54), ["4", "6", "8", "10", "12"]);
        assert_eq!(numbers(4.5, 5.5), ["4.6", "4.8", "5", "5.2", "5.4"]);
        assert_eq!(numbers(-0.3, 0.31), ["-0.2", "0", "0.2"]);
        assert_eq!(numbers(90.0, 990.0), ["200", "400", "600", "800"]);
        for (bottom, top) in [(0.0, 1e-9), (1e6, 1.1e6), (17.0, 29.0), (0.0, 1e12)] {
            assert!((3..=7).contains(&ticks(bottom, top).len()), "{bottom} to {top}: {:?}", ticks(bottom, top));
        }
    }

    #[test]
    fn axis_numbers_are_short() {
        assert_eq!([1234.5, 5.1, 0.05, 0.0, 100.0].map(rounded), ["1234", "5.1", "0.05", "0", "100"]);
    }
}
