//! 影像 and 电子胶片: series strip, one frame, and every control as a link.
//!
//! The state is in the query: `s` series, `i` frame, `c` and `w` window, `z` zoom, `r` rotation, `inv` inversion.

use serde::Deserialize;

use super::document_tab::DocumentTab;
use super::text;
use crate::archive::pages::view_exam::{InstanceRow, SeriesRow};
use crate::dicom::render::presets;

/// Longest edge of a picture that fits the page, in pixels.
const FIT_EDGE: u32 = 1024;
/// Frames listed for the script; longer runs are paged by links only.
const MOST_SCRIPTED: usize = 5000;

/// How the page was asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    pub(super) tab: String,
    s: String,
    i: String,
    c: String,
    w: String,
    z: String,
    r: String,
    inv: String,
    speed: String,
    gain: String,
    layout: String,
    g: String,
    p: String,
    t: String,
    pub(super) lang: String,
}

impl View {
    pub(super) fn series(&self) -> usize {
        self.s.parse().unwrap_or(1)
    }

    fn position(&self) -> i64 {
        self.i.parse().unwrap_or(1)
    }

    fn window(&self) -> Option<(f64, f64)> {
        window_of(&self.c, &self.w)
    }

    fn zoom(&self) -> u32 {
        self.z.parse().unwrap_or(1).clamp(1, 4)
    }

    fn quarter_turns(&self) -> u32 {
        self.r.parse().unwrap_or(0u32) / 90 % 4
    }

    fn inverted(&self) -> bool {
        self.inv == "1"
    }

    pub(super) fn ecg_speed(&self) -> f64 {
        match self.speed.as_str() {
            "12.5" => 12.5,
            "50" => 50.0,
            _ => 25.0,
        }
    }

    pub(super) fn ecg_gain(&self) -> f64 {
        match self.gain.as_str() {
            "5" => 5.0,
            "20" => 20.0,
            _ => 10.0,
        }
    }

    /// `6x2`, `rows`, or nothing for the usual one.
    pub(super) fn ecg_layout_name(&self) -> &'static str {
        match self.layout.as_str() {
            "6x2" => "6x2",
            "rows" => "rows",
            _ => "",
        }
    }

    /// Multiplex group, from 1; 0 when none is asked for.
    pub(super) fn group(&self) -> usize {
        self.g.parse().unwrap_or(0)
    }

    /// Page of a long recording, from 1.
    pub(super) fn page(&self) -> usize {
        self.p.parse().unwrap_or(1)
    }

    /// Where a drawing begins, in seconds.
    pub(super) fn start_seconds(&self) -> f64 {
        self.t.parse().ok().filter(|seconds| (0.0..1e7).contains(seconds)).unwrap_or(0.0)
    }
}

/// A window that can be applied: both numbers finite, the width above zero.
pub(super) fn window_of(center: &str, width: &str) -> Option<(f64, f64)> {
    let (center, width): (f64, f64) = (center.parse().ok()?, width.parse().ok()?);
    let usable = center.is_finite() && width.is_finite() && width > 0.0 && center.abs() < 1e9 && width < 1e9;
    usable.then_some((center, width))
}

/// A control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) label: String,
    pub(super) href: String,
    pub(super) current: bool,
}

/// One series in the strip.
#[derive(Debug, Clone)]
pub(super) struct Strip {
    pub(super) href: String,
    pub(super) thumbnail: String,
    pub(super) label: String,
    pub(super) count: String,
    pub(super) current: bool,
}

/// The tab.
#[derive(Debug, Clone)]
pub(super) struct ImagesTab {
    pub(super) strip: Vec<Strip>,
    pub(super) picture: String,
    pub(super) alt: String,
    pub(super) position: i64,
    pub(super) total: i64,
    pub(super) steps: Vec<Control>,
    pub(super) windows: Vec<Control>,
    pub(super) tools: Vec<Control>,
    pub(super) window: String,
    pub(super) zoom: u32,
    pub(super) width: u32,
    pub(super) frames: String,
    pub(super) picture_root: String,
    pub(super) picture_query: String,
    pub(super) page_query: String,
    /// Where the full viewer is, when it is in this binary and has something to show.
    pub(super) viewer: Option<String>,
    /// A film that is a document, in the place of a picture.
    pub(super) document: Option<Box<DocumentTab>>,
}

/// The first frame of a series as the page shows it when nothing is said about it.
pub(super) fn first_picture(exam_root: &str, series: &SeriesRow) -> String {
    format!("{exam_root}/frame/{}/1.jpg?e={FIT_EDGE}", series.first_instance)
}

impl ImagesTab {
    /// `series` are those of the tab; `instances` those of the one that the view asks for.
    pub(super) fn new(
        tab: &str,
        exam_root: &str,
        series: &[&SeriesRow],
        instances: &[InstanceRow],
        view: &View,
    ) -> Self {
        let chosen = view.series().clamp(1, series.len().max(1));
        let total = instances.iter().fold(0, |sum: i64, instance| sum.saturating_add(instance.frames)).max(1);
        let position = view.position().clamp(1, total);
        let (instance, frame) = frame_at(instances, position);
        let state = State { tab, series: chosen, view };
        let at = |position: i64| state.link(&[("i", &position.clamp(1, total).to_string())]);
        let step = |label: &str, to: i64| Control {
            label: label.to_owned(),
            href: at(to),
            current: to.clamp(1, total) == position,
        };
        let modality = series.get(chosen - 1).map_or("", |series| &series.modality);
        let zoom = view.zoom();
        let picture_query = state.picture_query(FIT_EDGE * zoom.min(3));
        Self {
            strip: series.iter().enumerate().map(|(n, row)| strip(tab, exam_root, row, n + 1, chosen)).collect(),
            picture: format!("{exam_root}/frame/{instance}/{frame}.jpg{picture_query}"),
            alt: format!("{position} / {total}"),
            position,
            total,
            steps: vec![
                step("首幅", 1),
                step("-10", position - 10),
                step("上一幅", position - 1),
                step("下一幅", position + 1),
                step("+10", position + 10),
                step("末幅", total),
            ],
            windows: windows(&state, modality),
            tools: tools(&state),
            window: view.window().map_or("默认".to_owned(), |(c, w)| format!("窗位 {c} 窗宽 {w}")),
            zoom,
            width: FIT_EDGE * zoom * 3 / 4,
            frames: scripted(instances),
            picture_root: format!("{exam_root}/frame/"),
            picture_query,
            page_query: state.link(&[("i", "")]),
            viewer: (crate::web::viewer_is_embedded() && tab == "images" && !instances.is_empty())
                .then(|| format!("{exam_root}/viewer")),
            document: None,
        }
    }
}

/// The query as it is, ready to be changed in one place.
struct State<'a> {
    tab: &'a str,
    series: usize,
    view: &'a View,
}

impl State<'_> {
    fn link(&self, changes: &[(&str, &str)]) -> String {
        let series = self.series.to_string();
        let window = self.view.window().map(|(c, w)| (c.to_string(), w.to_string())).unwrap_or_default();
        let zoom = self.view.zoom().to_string();
        let turned = (self.view.quarter_turns() * 90).to_string();
        let mut fields = vec![
            ("tab", self.tab),
            ("s", series.as_str()),
            ("i", self.view.i.as_str()),
            ("c", window.0.as_str()),
            ("w", window.1.as_str()),
            ("z", if zoom == "1" { "" } else { &zoom }),
            ("r", if turned == "0" { "" } else { &turned }),
            ("inv", if self.view.inverted() { "1" } else { "" }),
        ];
        for (name, value) in changes {
            for field in fields.iter_mut().filter(|field| field.0 == *name) {
                field.1 = value;
            }
        }
        text::query(&fields)
    }

    fn picture_query(&self, edge: u32) -> String {
        let window = self.view.window().map(|(c, w)| (c.to_string(), w.to_string())).unwrap_or_default();
        let turned = (self.view.quarter_turns() * 90).to_string();
        text::query(&[
            ("e", &edge.to_string()),
            ("c", &window.0),
            ("w", &window.1),
            ("r", if turned == "0" { "" } else { &turned }),
            ("inv", if self.view.inverted() { "1" } else { "" }),
        ])
    }
}

fn frame_at(instances: &[InstanceRow], position: i64) -> (i64, i64) {
    let mut left = position;
    for instance in instances {
        if left <= instance.frames {
            return (instance.pk, left);
        }
        left -= instance.frames;
    }
    (instances.first().map_or(0, |instance| instance.pk), 1)
}

fn strip(tab: &str, exam_root: &str, row: &SeriesRow, number: usize, chosen: usize) -> Strip {
    let shown = row.number.unwrap_or(number as i64);
    let label = if row.description.is_empty() { row.modality.clone() } else { row.description.clone() };
    let picture = if row.kind == "film" && row.pictures == 0 { "document" } else { "frame" };
    let first = if picture == "frame" { "1.jpg" } else { "page/1.png" };
    Strip {
        href: text::query(&[("tab", tab), ("s", &number.to_string())]),
        thumbnail: format!("{exam_root}/{picture}/{}/{first}?e=160", row.first_instance),
        label: format!("{shown} {label}"),
        count: format!("{} 幅", row.frames.max(row.instances)),
        current: number == chosen,
    }
}

fn windows(state: &State<'_>, modality: &str) -> Vec<Control> {
    let list = presets(modality);
    if list.is_empty() {
        return Vec::new();
    }
    let now = state.view.window();
    let own =
        Control { label: "默认窗".to_owned(), href: state.link(&[("c", ""), ("w", "")]), current: now.is_none() };
    let named = list.iter().map(|(name, center, width)| Control {
        label: (*name).to_owned(),
        href: state.link(&[("c", &center.to_string()), ("w", &width.to_string())]),
        current: now == Some((*center, *width)),
    });
    std::iter::once(own).chain(named).collect()
}

fn tools(state: &State<'_>) -> Vec<Control> {
    let (zoom, turns, inverted) = (state.view.zoom(), state.view.quarter_turns(), state.view.inverted());
    let control = |label: &str, name: &str, value: &str, current: bool| Control {
        label: label.to_owned(),
        href: state.link(&[(name, value)]),
        current,
    };
    vec![
        control("放大", "z", &(zoom + 1).min(4).to_string(), false),
        control("缩小", "z", &(zoom - 1).max(1).to_string(), false),
        control("左转", "r", &((turns + 3) % 4 * 90).to_string(), false),
        control("右转", "r", &((turns + 1) % 4 * 90).to_string(), false),
        control("反相", "inv", if inverted { "" } else { "1" }, inverted),
        Control {
            label: "复位".to_owned(),
            href: state.link(&[("c", ""), ("w", ""), ("z", ""), ("r", ""), ("inv", "")]),
            current: false,
        },
    ]
}

/// `instance:frames,…` for the script that moves through the frames without loading the page.
fn scripted(instances: &[InstanceRow]) -> String {
    if instances.len() > MOST_SCRIPTED {
        return String::new();
    }
    instances.iter().map(|instance| format!("{}:{}", instance.pk, instance.frames)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> SeriesRow {
        SeriesRow {
            pk: 1,
            study_instance_uid: "2.25.1".to_owned(),
            series_instance_uid: "2.25.1.1".to_owned(),
            number: Some(2),
            modality: "CT".to_owned(),
            sop_class_uid: String::new(),
            kind: "image".to_owned(),
            description: "平扫".to_owned(),
            offline: 0,
            instances: 2,
            pictures: 2,
            frames: 4,
            first_instance: 7,
        }
    }

    #[test]
    fn a_position_runs_over_the_frames_of_all_instances() {
        let instance = |pk, frames| InstanceRow { pk, frames, is_picture: true };
        let instances = [instance(7, 1), instance(8, 3)];
        assert_eq!(frame_at(&instances, 1), (7, 1));
        assert_eq!(frame_at(&instances, 4), (8, 3));
        assert_eq!(frame_at(&[], 1), (0, 1));
    }

    #[test]
    fn every_control_changes_one_thing_and_keeps_the_rest() {
        let view = View { i: "2".to_owned(), c: "-600".to_owned(), w: "1500".to_owned(), ..View::default() };
        let row = series();
        let instances = [InstanceRow { pk: 7, frames: 4, is_picture: true }];
        let tab = ImagesTab::new("images", "/t/x/exam/y", &[&row], &instances, &view);
        assert_eq!(tab.picture, "/t/x/exam/y/frame/7/2.jpg?e=1024&c=%2D600&w=1500");
        assert_eq!(tab.steps[3].href, "?tab=images&s=1&i=3&c=%2D600&w=1500");
        assert!(tab.windows.iter().any(|preset| preset.current && preset.label == "肺窗"));
    }

    #[test]
    fn windows_that_cannot_be_applied_are_ignored() {
        assert_eq!(window_of("NaN", "1"), None);
        assert_eq!(window_of("1", "0"), None);
        assert_eq!(window_of("40", "400"), Some((40.0, 400.0)));
    }
}
