//! What the page of one laboratory item over time shows: the picture, the values as a table, and the way back.

use askama::Template;

use super::state::Shell;
use super::text;
use crate::domain::trend::{Point, Trend};

/// The page.
#[derive(Debug, Clone, Template)]
#[template(path = "trend.html")]
pub(super) struct TrendPage {
    pub(super) shell: Shell,
    pub(super) item: String,
    pub(super) back: String,
    pub(super) picture: String,
    pub(super) height: u32,
    pub(super) unread: usize,
    pub(super) truncated: bool,
    pub(super) points: Vec<PointRow>,
}

/// One value.
#[derive(Debug, Clone)]
pub(super) struct PointRow {
    pub(super) at: String,
    pub(super) href: String,
    pub(super) current: bool,
    pub(super) text: String,
    pub(super) unit: String,
    pub(super) flag: &'static str,
    pub(super) reference: String,
    pub(super) organization: String,
}

impl TrendPage {
    /// `exam_root` is the address of the report that is looked at, `height` that of the picture.
    pub(super) fn new(
        shell: Shell,
        trend: &Trend,
        (exam_root, item): (&str, u32),
        height: f64,
        organization: impl Fn(&str) -> String,
    ) -> Self {
        let row = |unit: &str, point: &Point| PointRow {
            at: text::to_the_minute(&point.at),
            href: format!("{}/exam/{}?tab=lab", shell.root, point.report),
            current: exam_root.ends_with(&point.report),
            text: point.text.clone(),
            unit: unit.to_owned(),
            flag: point.flag,
            reference: reference(point),
            organization: organization(&point.organization),
        };
        let rows = trend.series.iter().flat_map(|series| series.points.iter().map(|point| row(&series.unit, point)));
        let mut points: Vec<PointRow> = rows.collect();
        points.sort_by(|a, b| b.at.cmp(&a.at));
        Self {
            item: trend.item.clone(),
            back: format!("{exam_root}?tab=lab"),
            picture: format!("{exam_root}/trend?item={item}&format=svg"),
            height: height as u32,
            unread: trend.unread,
            truncated: trend.truncated,
            points,
            shell,
        }
    }

    #[cfg(test)]
    pub(super) fn sample(words: &str) -> Self {
        use crate::domain::trend::{ResultText, trend};

        let result = ResultText {
            observation_uid: "6ba7b810-9dad-51d1-80b4-00c04fd430c8".to_owned(),
            observed_at: "2026-01-02 08:00:00".to_owned(),
            value: "12".to_owned(),
            unit: words.to_owned(),
            high: "10".to_owned(),
            ..ResultText::default()
        };
        let trend = trend(words, vec![result]);
        Self::new(Shell::sample(), &trend, ("/t/x/exam/y", 0), 280.0, |_| words.to_owned())
    }
}

fn reference(point: &Point) -> String {
    match (point.low, point.high) {
        (Some(low), Some(high)) => format!("{low} – {high}"),
        (Some(low), None) => format!("≥ {low}"),
        (None, Some(high)) => format!("≤ {high}"),
        (None, None) => String::new(),
    }
}
