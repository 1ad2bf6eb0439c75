//! 心电波形, or 波形 of another kind: one recording on millimetre paper; speed, gain, arrangement, group and page are links.
//!
//! The state is in the query: `s` recording, `g` group, `p` page of ten seconds, `speed`, `gain`, `layout`.

use super::images_tab::{Control, View};
use super::text;
use crate::dicom::waveform::{EcgOptions, GroupOutline, Layout, Outline};
use crate::web::words::Language;

/// Seconds on one page.
const PAGE_SECONDS: f64 = 10.0;
/// A rest shorter than this is not worth a page of its own.
const LEAST_REST: f64 = 0.5;
/// Pages that have a link of their own; the others are reached step by step.
const MOST_PAGE_LINKS: usize = 12;

/// The tab.
#[derive(Debug, Clone, Default)]
pub(super) struct WaveformTab {
    pub(super) drawing: String,
    /// What the curves are.
    pub(super) name: &'static str,
    /// Whether it is the usual arrangement of twelve leads, whose height is known.
    pub(super) twelve: bool,
    /// Each row of links.
    pub(super) controls: Vec<Vec<Control>>,
    pub(super) annotations: Vec<String>,
    pub(super) message: Option<&'static str>,
}

impl WaveformTab {
    /// `recordings` are the rows of the waveform objects; `outline` is that of the one that the view asks for.
    pub(super) fn new(
        exam_root: &str,
        recordings: &[i64],
        outline: Option<&Outline>,
        view: &View,
        language: Language,
    ) -> Self {
        let chosen = view.series().clamp(1, recordings.len().max(1));
        let (Some(outline), Some(instance)) = (outline, recordings.get(chosen - 1)) else {
            return Self { message: Some("该波形无法在线显示。"), ..Self::default() };
        };
        let Some(most) = outline.groups.iter().map(|group| group.channels).max() else {
            return Self { message: Some("该波形的编码方式无法在线显示。"), ..Self::default() };
        };
        // The rhythm comes first, averaged beats follow.
        let asked = outline.groups.iter().find(|group| group.number == view.group());
        let Some(shown) = asked.or(outline.groups.iter().find(|group| group.channels == most)) else {
            return Self::default();
        };
        let group = shown.number;
        let pages = (((shown.seconds - LEAST_REST) / PAGE_SECONDS).ceil() as usize).max(1);
        let page = view.page().clamp(1, pages);
        let state = State { series: chosen, group, page, view };
        let mut controls = vec![state.scales()];
        if shown.is_standard {
            controls.push(state.layouts());
        }
        if recordings.len() > 1 {
            let recording = |number: usize| {
                state.control(
                    format!("记录 {number}"),
                    &[("s", &number.to_string()), ("g", ""), ("p", "")],
                    number == chosen,
                )
            };
            controls.push((1..=recordings.len().min(50)).map(recording).collect());
        }
        if outline.groups.len() > 1 {
            let named = |found: &GroupOutline| {
                let label =
                    if found.label.is_empty() { format!("波形组 {}", found.number) } else { found.label.clone() };
                let label = format!("{label} · {} × {:.0} s", found.channels, found.seconds);
                state.control(label, &[("g", &found.number.to_string()), ("p", "")], found.number == group)
            };
            controls.push(outline.groups.iter().map(named).collect());
        }
        if pages > 1 {
            controls.push(state.pages(pages));
        }
        let start = (page - 1) as f64 * PAGE_SECONDS;
        let query = text::query(&[
            ("speed", &view.ecg_speed().to_string()),
            ("gain", &view.ecg_gain().to_string()),
            ("layout", view.ecg_layout_name()),
            ("g", &group.to_string()),
            ("t", &start.to_string()),
            // A picture is kept by the browser under its address, and has words.
            ("lang", if language == Language::Chinese { "" } else { language.code() }),
        ]);
        Self {
            drawing: format!("{exam_root}/ecg/{instance}.svg{query}"),
            name: "心电波形",
            twelve: shown.is_standard && view.ecg_layout_name().is_empty(),
            controls,
            annotations: outline.annotations.clone(),
            message: None,
        }
    }
}

/// What is drawn for a query.
pub(super) fn options(view: &View, language: Language) -> EcgOptions {
    EcgOptions {
        speed_mm_per_s: view.ecg_speed(),
        gain_mm_per_mv: view.ecg_gain(),
        max_seconds: PAGE_SECONDS + LEAST_REST,
        group: view.group().checked_sub(1),
        start_seconds: view.start_seconds(),
        layout: match view.ecg_layout_name() {
            "6x2" => Layout::SixByTwo,
            "rows" => Layout::Rows,
            _ => Layout::Usual,
        },
        moved_baseline: language.say("基线已校正"),
        ..EcgOptions::default()
    }
}

struct State<'a> {
    series: usize,
    group: usize,
    page: usize,
    view: &'a View,
}

impl State<'_> {
    fn control(&self, label: String, changes: &[(&str, &str)], current: bool) -> Control {
        let (series, group, page) = (self.series.to_string(), self.group.to_string(), self.page.to_string());
        let (speed, gain) = (self.view.ecg_speed().to_string(), self.view.ecg_gain().to_string());
        let mut fields = vec![
            ("tab", "waveform"),
            ("s", series.as_str()),
            ("g", group.as_str()),
            ("p", page.as_str()),
            ("speed", speed.as_str()),
            ("gain", gain.as_str()),
            ("layout", self.view.ecg_layout_name()),
        ];
        for (name, value) in changes {
            for field in fields.iter_mut().filter(|field| field.0 == *name) {
                field.1 = value;
            }
        }
        Control { label, href: text::query(&fields), current }
    }

    fn scales(&self) -> Vec<Control> {
        let speeds = [12.5, 25.0, 50.0].map(|speed: f64| {
            self.control(format!("{speed} mm/s"), &[("speed", &speed.to_string())], self.view.ecg_speed() == speed)
        });
        let gains = [5.0, 10.0, 20.0].map(|gain: f64| {
            self.control(format!("{gain} mm/mV"), &[("gain", &gain.to_string())], self.view.ecg_gain() == gain)
        });
        speeds.into_iter().chain(gains).collect()
    }

    fn layouts(&self) -> Vec<Control> {
        let layouts = [("", "3×4＋节律"), ("6x2", "6×2"), ("rows", "12×1")];
        let now = self.view.ecg_layout_name();
        layouts.map(|(name, label)| self.control(label.to_owned(), &[("layout", name)], name == now)).into()
    }

    fn pages(&self, pages: usize) -> Vec<Control> {
        let step = |label: String, to: usize| {
            let to = to.clamp(1, pages);
            self.control(label, &[("p", &to.to_string())], to == self.page)
        };
        let first = self.page.saturating_sub(MOST_PAGE_LINKS / 2).max(1);
        let near = first..=(first + MOST_PAGE_LINKS - 1).min(pages);
        let clock = |page: usize| {
            let seconds = (page - 1) as u64 * PAGE_SECONDS as u64;
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            format!("{:02}:{minutes:02}:{seconds:02}", minutes / 60, minutes = minutes % 60)
        };
        let mut all = vec![step("首页".to_owned(), 1), step("上一页".to_owned(), self.page.saturating_sub(1))];
        all.extend(near.map(|page| step(clock(page), page)));
        all.extend([step("下一页".to_owned(), self.page + 1), step("末页".to_owned(), pages)]);
        all
    }
}

#[cfg(test)]
impl WaveformTab {
    pub(super) fn sample(text: &str) -> Self {
        let group =
            |number| GroupOutline { number, label: text.to_owned(), channels: 12, seconds: 95.0, is_standard: true };
        let outline = Outline { groups: vec![group(1), group(3)], annotations: vec![text.to_owned()] };
        Self::new("/e", &[1, 2], Some(&outline), &View::default(), Language::Chinese)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_recording_has_pages_and_every_link_keeps_the_rest() {
        let tab = WaveformTab::sample("静息");
        assert!(tab.drawing.starts_with("/e/ecg/1.svg?speed=25&gain=10&g=1&t=0"), "{}", tab.drawing);
        let labels: Vec<Vec<&str>> =
            tab.controls.iter().map(|row| row.iter().map(|control| control.label.as_str()).collect()).collect();
        assert_eq!(labels[1], ["3×4＋节律", "6×2", "12×1"]);
        assert_eq!(labels[4][..4], ["首页", "上一页", "00:00:00", "00:00:10"]);
        assert_eq!(labels[4].len(), 10 + 4, "95 s are ten pages");
        assert!(tab.controls[1][1].href.contains("layout=6x2") && tab.controls[1][1].href.contains("speed=25"));
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        let empty = Outline::default();
        let shown = |outline| WaveformTab::new("/e", &[1], outline, &View::default(), Language::English);
        assert!(shown(Some(&empty)).message.is_some());
        assert!(shown(None).message.is_some());
    }
}
