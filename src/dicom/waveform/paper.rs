//! Millimetre paper as SVG: one unit of the drawing is one millimetre, so that a print at 100 % is true to size.

use std::fmt::Write as _;

use super::{Channel, EcgOptions, Layout, Recording};

const THREE_BY_FOUR: [&[&str]; 3] =
    [&["I", "AVR", "V1", "V4"], &["II", "AVL", "V2", "V5"], &["III", "AVF", "V3", "V6"]];
const SIX_BY_TWO: [&[&str]; 6] =
    [&["I", "V1"], &["II", "V2"], &["III", "V3"], &["AVR", "V4"], &["AVL", "V5"], &["AVF", "V6"]];
const RHYTHM: &str = "II";
const MARGIN_MM: f64 = 5.0;
/// Room for the calibration pulse in front of each row.
const PULSE_MM: f64 = 10.0;
const ROW_MM: f64 = 30.0;
const FOOT_MM: f64 = 8.0;
/// Share of a row that a curve without a gain of its own fills.
const FILLED: f64 = 0.8;
/// Millivolts off the middle from which on a channel is moved back to it: an electrode's offset, no wave.
const OFFSET_MV: f64 = 1.5;

/// Whether the twelve leads are among the channels.
pub(super) fn is_standard(names: &[String]) -> bool {
    THREE_BY_FOUR.iter().flat_map(|row| row.iter()).all(|lead| names.iter().any(|name| name.eq_ignore_ascii_case(lead)))
}

/// Draws the recording.
pub(super) fn draw(recording: &Recording, options: &EcgOptions) -> String {
    let find = |name: &str| recording.channels.iter().find(|channel| channel.name.eq_ignore_ascii_case(name));
    let seconds = recording.channels[0].values.len() as f64 / recording.frequency;
    let names: Vec<String> = recording.channels.iter().map(|channel| channel.name.clone()).collect();
    let grid: &[&[&str]] = match options.layout {
        _ if !is_standard(&names) => &[],
        Layout::Usual => &THREE_BY_FOUR,
        Layout::SixByTwo => &SIX_BY_TWO,
        Layout::Rows => &[],
    };
    let with_rhythm = options.layout == Layout::Usual && !grid.is_empty();
    let rows = if grid.is_empty() { recording.channels.len() } else { grid.len() + usize::from(with_rhythm) };
    let width = 2.0 * MARGIN_MM + PULSE_MM + seconds * options.speed_mm_per_s;
    let height = 2.0 * MARGIN_MM + rows as f64 * ROW_MM + FOOT_MM;
    let mut pen = Pen { svg: paper(width, height), recording, options };
    let middle = |row: usize| MARGIN_MM + (row as f64 + 0.5) * ROW_MM;
    for (row, leads) in grid.iter().enumerate() {
        pen.pulse(middle(row));
        let part = seconds / leads.len() as f64;
        for (column, lead) in leads.iter().filter_map(|name| find(name)).enumerate() {
            let start = column as f64 * part;
            pen.lead(lead, start, start + part, middle(row));
        }
    }
    if let Some(rhythm) = find(RHYTHM).filter(|_| with_rhythm) {
        pen.pulse(middle(grid.len()));
        pen.lead(rhythm, 0.0, seconds, middle(grid.len()));
    }
    if grid.is_empty() {
        for (row, channel) in recording.channels.iter().enumerate() {
            if channel.unit.is_none() {
                pen.pulse(middle(row));
            }
            pen.lead(channel, 0.0, seconds, middle(row));
        }
    }
    pen.foot(height - MARGIN_MM, seconds);
    pen.svg.push_str("</svg>\n");
    pen.svg
}

fn paper(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.1}mm\" height=\"{height:.1}mm\" \
         viewBox=\"0 0 {width:.1} {height:.1}\">\n<defs>\
         <pattern id=\"mm\" width=\"1\" height=\"1\" patternUnits=\"userSpaceOnUse\">\
         <path d=\"M1 0H0V1\" fill=\"none\" stroke=\"#f6c9c9\" stroke-width=\"0.1\"/></pattern>\
         <pattern id=\"cm\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
         <rect width=\"5\" height=\"5\" fill=\"url(#mm)\"/>\
         <path d=\"M5 0H0V5\" fill=\"none\" stroke=\"#eb9a9a\" stroke-width=\"0.2\"/></pattern></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fffafa\"/>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"url(#cm)\"/>\n"
    )
}

/// How the values of a channel become millimetres above the middle of its row.
struct Scale {
    middle: f64,
    mm_per_unit: f64,
    /// What the reader must know about it.
    note: String,
}

impl Scale {
    fn of(channel: &Channel, options: &EcgOptions) -> Self {
        let (low, high) = channel
            .values
            .iter()
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
        if let Some(unit) = &channel.unit {
            let span = if high > low { high - low } else { 1.0 };
            let note = format!(" {} ~ {} {unit}", short(low), short(high));
            return Self { middle: low.midpoint(high), mm_per_unit: ROW_MM * FILLED / span, note };
        }
        let mut sorted: Vec<f64> = channel.values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
        let (middle, note) = if median.abs() > OFFSET_MV {
            (median, format!(" {}", options.moved_baseline))
        } else {
            (0.0, String::new())
        };
        Self { middle, mm_per_unit: options.gain_mm_per_mv, note }
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

struct Pen<'a> {
    svg: String,
    recording: &'a Recording,
    options: &'a EcgOptions,
}

impl Pen<'_> {
    /// 1 mV for 0.2 s.
    fn pulse(&mut self, middle: f64) {
        let (high, long) = (self.options.gain_mm_per_mv, 0.2 * self.options.speed_mm_per_s);
        let high = high.min(ROW_MM);
        self.trace(&format!("M{:.2} {middle:.2}h1v-{high:.2}h{long:.2}v{high:.2}h1", MARGIN_MM + 1.0));
    }

    fn lead(&mut self, channel: &Channel, from: f64, to: f64, middle: f64) {
        let speed_mm_per_s = self.options.speed_mm_per_s;
        let frequency = self.recording.frequency;
        let scale = Scale::of(channel, self.options);
        let x = |seconds: f64| MARGIN_MM + PULSE_MM + seconds * speed_mm_per_s;
        let (first, last) = ((from * frequency) as usize, (to * frequency).round() as usize);
        let mut path = String::new();
        let mut down = false;
        for (index, value) in channel.values.iter().enumerate().take(last).skip(first) {
            if !value.is_finite() {
                down = false;
                continue;
            }
            let y = middle - ((value - scale.middle) * scale.mm_per_unit).clamp(-ROW_MM, ROW_MM);
            let command = if down { 'L' } else { 'M' };
            let _ = write!(path, "{command}{:.2} {y:.2}", x(index as f64 / frequency));
            down = true;
        }
        self.trace(&path);
        let label = format!("{}{}", display_name(&channel.name), scale.note);
        self.text(x(from) + 1.0, middle - ROW_MM / 2.0 + 5.0, &label);
        let _ = writeln!(
            self.svg,
            "<path d=\"M{:.2} {:.2}v6\" stroke=\"#555\" stroke-width=\"0.2\"/>",
            x(from),
            middle - 3.0
        );
    }

    fn foot(&mut self, y: f64, seconds: f64) {
        let EcgOptions { speed_mm_per_s, gain_mm_per_mv, .. } = *self.options;
        let Recording { frequency, start, .. } = *self.recording;
        let stretch =
            if start > 0.0 { format!(" · {} – {} s", short(start), short(start + seconds)) } else { String::new() };
        self.text(MARGIN_MM, y, &format!("{speed_mm_per_s} mm/s · {gain_mm_per_mv} mm/mV · {frequency} Hz{stretch}"));
    }

    fn trace(&mut self, path: &str) {
        let _ = writeln!(
            self.svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#111\" stroke-width=\"0.25\" stroke-linejoin=\"round\"/>"
        );
    }

    fn text(&mut self, x: f64, y: f64, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            self.svg,
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-family=\"sans-serif\" font-size=\"3.5\" fill=\"#111\">{text}</text>"
        );
    }
}

/// aVR, aVL and aVF are written so, whatever case the device uses.
fn display_name(name: &str) -> String {
    match name.to_ascii_uppercase().as_str() {
        "AVR" => "aVR".to_owned(),
        "AVL" => "aVL".to_owned(),
        "AVF" => "aVF".to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str, values: Vec<f64>) -> Channel {
        Channel { name: name.to_owned(), values, unit: None }
    }

    #[test]
    fn one_millivolt_is_ten_millimetres_and_one_second_twenty_five() {
        let mut stepped = channel("II", vec![0.0; 500]);
        stepped.values[250] = 1.0;
        let recording =
            Recording { frequency: 500.0, start: 0.0, channels: vec![stepped, channel("<X>", vec![0.0; 500])] };

        let svg = draw(&recording, &EcgOptions::default());

        assert!(svg.contains("width=\"45.0mm\" height=\"78.0mm\""), "two rows of one second");
        assert!(svg.contains("L27.50 10.00"), "the peak is 10 mm above the middle of row one, 12.5 mm in");
        assert!(svg.contains("&lt;X&gt;") && !svg.contains("<X>"), "names are escaped");
    }

    #[test]
    fn twelve_leads_are_arranged_as_asked_and_a_gap_lifts_the_pen() {
        let names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
        let mut channels: Vec<Channel> = names.iter().map(|name| channel(name, vec![0.0; 40])).collect();
        channels[0].values[5] = f64::NAN;
        channels[1].values.fill(5.0);
        let recording = Recording { frequency: 4.0, start: 10.0, channels };
        let height = |layout| {
            let svg = draw(&recording, &EcgOptions { layout, ..EcgOptions::default() });
            svg.split("height=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        assert_eq!([Layout::Usual, Layout::SixByTwo, Layout::Rows].map(height), ["138.0mm", "198.0mm", "378.0mm"]);
        let svg = draw(&recording, &EcgOptions { layout: Layout::Rows, ..EcgOptions::default() });
        let first = svg.split("<path d=\"").find(|path| path.starts_with("M15.00 20.00L")).unwrap();
        assert_eq!(first.split('"').next().unwrap().matches('M').count(), 2, "one gap, two strokes");
        assert!(svg.contains("II 基线已校正") && svg.contains("10 – 20 s"));
        let moved_baseline = "baseline corrected".into();
        let svg = draw(&recording, &EcgOptions { moved_baseline, ..EcgOptions::default() });
        assert!(svg.contains("II baseline corrected") && !svg.contains("基线"));
    }
}
