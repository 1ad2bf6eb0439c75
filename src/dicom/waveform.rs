//! Electrocardiograms (PS3.3 A.34.3, C.10.9) as SVG on millimetre paper: 3 rows of 4 leads and a rhythm strip.
//!
//! One unit of the drawing is one millimetre. Objects without the twelve standard leads get one row a channel. No
//! name and no number of a patient is drawn: the page around the drawing says whose it is.

use std::fmt::Write as _;

use super::elements::{Elements, Encoding, Part10};

const LEADS: [[&str; 4]; 3] = [["I", "AVR", "V1", "V4"], ["II", "AVL", "V2", "V5"], ["III", "AVF", "V3", "V6"]];
const RHYTHM: &str = "II";
const MARGIN_MM: f64 = 5.0;
/// Room for the calibration pulse in front of each row.
const PULSE_MM: f64 = 10.0;
const ROW_MM: f64 = 30.0;
const FOOT_MM: f64 = 8.0;
const MAX_CHANNELS: usize = 64;
const MAX_GROUPS: usize = 32;

/// How the paper looks, and how much is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct EcgOptions {
    /// Paper speed in mm/s. Default 25.
    pub speed_mm_per_s: f64,
    /// Gain in mm/mV. Default 10.
    pub gain_mm_per_mv: f64,
    /// Longest stretch that is drawn, in seconds. Default 10.
    pub max_seconds: f64,
    /// Most samples of all channels together that are read. Default 4194304.
    pub max_samples: usize,
}

impl Default for EcgOptions {
    fn default() -> Self {
        Self { speed_mm_per_s: 25.0, gain_mm_per_mv: 10.0, max_seconds: 10.0, max_samples: 4 << 20 }
    }
}

impl EcgOptions {
    /// Speeds and gains that no paper has become the usual ones.
    fn on_paper(&self) -> Self {
        let usual = Self::default();
        let within =
            |value: f64, low: f64, high: f64, usual: f64| if (low..=high).contains(&value) { value } else { usual };
        Self {
            speed_mm_per_s: within(self.speed_mm_per_s, 5.0, 200.0, usual.speed_mm_per_s),
            gain_mm_per_mv: within(self.gain_mm_per_mv, 1.0, 80.0, usual.gain_mm_per_mv),
            ..self.clone()
        }
    }
}

/// Why there is no drawing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no Waveform Sequence.
    #[error("the object holds no waveform")]
    NoWaveform,
    /// Attributes are missing or contradict the amount of data.
    #[error("the waveform is not readable: {0}")]
    Malformed(&'static str),
    /// More samples than the limit.
    #[error("the waveform has more samples than the limit of {0}")]
    TooLarge(usize),
    /// Samples that are not linear (A-law, mu-law) or have an unusual width.
    #[error("the waveform's sample interpretation is not supported")]
    Unsupported,
}

struct Channel {
    name: String,
    millivolts: Vec<f64>,
}

struct Recording {
    frequency: f64,
    channels: Vec<Channel>,
}

/// Draws the first multiplex group that holds most channels.
pub fn ecg_svg(file: &[u8], options: &EcgOptions) -> Result<String, Error> {
    let part10 = Part10::read(file);
    let encoding = Encoding::of_transfer_syntax(part10.transfer_syntax);
    let elements = Elements::read(file.get(part10.dataset_offset..).unwrap_or_default(), encoding);
    let groups: Vec<Elements<'_>> = elements.items((0x5400, 0x0100)).take(MAX_GROUPS).collect();
    let channels = |group: &&Elements<'_>| group.unsigned((0x003A, 0x0005)).unwrap_or(0);
    // The rhythm comes first, averaged beats follow: max_by_key would take the last of equals.
    let group = groups.iter().rev().max_by_key(channels).ok_or(Error::NoWaveform)?;
    Ok(draw(&recording(group, encoding, options)?, &options.on_paper()))
}

fn recording(group: &Elements<'_>, encoding: Encoding, options: &EcgOptions) -> Result<Recording, Error> {
    let definitions: Vec<Elements<'_>> = group.items((0x003A, 0x0200)).take(MAX_CHANNELS).collect();
    let count = usize::from(group.unsigned((0x003A, 0x0005)).unwrap_or(0));
    if count == 0 || count > MAX_CHANNELS || definitions.len() < count {
        return Err(Error::Malformed("channels"));
    }
    let frequency = group.number((0x003A, 0x001A)).filter(|hz| (1.0..=1e6).contains(hz));
    let frequency = frequency.ok_or(Error::Malformed("sampling frequency"))?;
    let bits = group.unsigned((0x5400, 0x1004)).ok_or(Error::Malformed("bits allocated"))?;
    let width = match (bits, group.text((0x5400, 0x1006))) {
        (8, Some("SB")) => 1,
        (16, Some("SS")) => 2,
        (32, Some("SL")) => 4,
        _ => return Err(Error::Unsupported),
    };
    let data = group.get((0x5400, 0x1010)).ok_or(Error::Malformed("no data"))?;
    let declared = group.number((0x003A, 0x0010)).map_or(usize::MAX, |samples| samples as usize);
    let samples = declared.min(data.value.len() / (width * count));
    let shown = samples.min((options.max_seconds * frequency) as usize);
    if shown < 2 {
        return Err(Error::Malformed("too few samples"));
    }
    if shown.saturating_mul(count) > options.max_samples {
        return Err(Error::TooLarge(options.max_samples));
    }
    let value = |index: usize| {
        let at = index * width;
        let bytes = &data.value[at..at + width];
        let little = match (width, encoding) {
            (1, _) => [bytes[0], 0, 0, 0],
            (2, Encoding::ExplicitBig) => [bytes[1], bytes[0], 0, 0],
            (2, _) => [bytes[0], bytes[1], 0, 0],
            (_, Encoding::ExplicitBig) => [bytes[3], bytes[2], bytes[1], bytes[0]],
            _ => [bytes[0], bytes[1], bytes[2], bytes[3]],
        };
        let unused = 32 - 8 * width as u32;
        f64::from((i32::from_le_bytes(little) << unused) >> unused)
    };
    let channels = definitions.iter().take(count).enumerate().map(|(channel, definition)| {
        let (scale, offset) = scale(definition);
        let millivolts = (0..shown).map(|sample| value(sample * count + channel) * scale + offset).collect();
        Channel { name: lead_name(definition), millivolts }
    });
    Ok(Recording { frequency, channels: channels.collect() })
}

/// Factor and offset from stored values to millivolts.
fn scale(definition: &Elements<'_>) -> (f64, f64) {
    let sensitivity = definition.number((0x003A, 0x0210)).unwrap_or(1.0);
    let correction = definition.number((0x003A, 0x0212)).unwrap_or(1.0);
    let baseline = definition.number((0x003A, 0x0213)).unwrap_or(0.0);
    let units = definition.first_item((0x003A, 0x0211));
    let per_millivolt = match units.as_ref().and_then(|units| units.text((0x0008, 0x0100))) {
        Some("mV") => 1.0,
        Some("V") => 1000.0,
        Some("nV") => 1e-6,
        _ => 1e-3,
    };
    (sensitivity * correction * per_millivolt, baseline * per_millivolt)
}

fn lead_name(definition: &Elements<'_>) -> String {
    let source = definition.first_item((0x003A, 0x0208));
    let meaning = source.as_ref().and_then(|source| source.text((0x0008, 0x0104)));
    let label = definition.text((0x003A, 0x0203)).or(meaning).unwrap_or("?");
    label.trim_start_matches("Lead ").trim_start_matches("lead ").chars().take(12).collect()
}

fn draw(recording: &Recording, options: &EcgOptions) -> String {
    let find = |name: &str| recording.channels.iter().find(|channel| channel.name.eq_ignore_ascii_case(name));
    let seconds = recording.channels[0].millivolts.len() as f64 / recording.frequency;
    let standard = LEADS.iter().flatten().all(|name| find(name).is_some());
    let rows = if standard { LEADS.len() + 1 } else { recording.channels.len() };
    let width = 2.0 * MARGIN_MM + PULSE_MM + seconds * options.speed_mm_per_s;
    let height = 2.0 * MARGIN_MM + rows as f64 * ROW_MM + FOOT_MM;
    let mut pen = Pen { svg: paper(width, height), recording, options };
    let middle = |row: usize| MARGIN_MM + (row as f64 + 0.5) * ROW_MM;
    for row in 0..rows {
        pen.pulse(middle(row));
    }
    if standard {
        let quarter = seconds / 4.0;
        for (row, leads) in LEADS.iter().enumerate() {
            for (column, lead) in leads.iter().filter_map(|name| find(name)).enumerate() {
                let start = column as f64 * quarter;
                pen.lead(lead, start, start + quarter, middle(row));
            }
        }
        if let Some(rhythm) = find(RHYTHM) {
            pen.lead(rhythm, 0.0, seconds, middle(LEADS.len()));
        }
    } else {
        for (row, channel) in recording.channels.iter().enumerate() {
            pen.lead(channel, 0.0, seconds, middle(row));
        }
    }
    pen.foot(height - MARGIN_MM);
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

struct Pen<'a> {
    svg: String,
    recording: &'a Recording,
    options: &'a EcgOptions,
}

impl Pen<'_> {
    /// 1 mV for 0.2 s.
    fn pulse(&mut self, middle: f64) {
        let (high, long) = (self.options.gain_mm_per_mv, 0.2 * self.options.speed_mm_per_s);
        self.trace(&format!("M{:.2} {middle:.2}h1v-{high:.2}h{long:.2}v{high:.2}h1", MARGIN_MM + 1.0));
    }

    fn lead(&mut self, channel: &Channel, from: f64, to: f64, middle: f64) {
        let EcgOptions { speed_mm_per_s, gain_mm_per_mv, .. } = *self.options;
        let frequency = self.recording.frequency;
        let x = |seconds: f64| MARGIN_MM + PULSE_MM + seconds * speed_mm_per_s;
        let (first, last) = ((from * frequency) as usize, (to * frequency) as usize);
        let mut path = String::new();
        for (index, value) in channel.millivolts.iter().enumerate().take(last).skip(first) {
            let y = middle - (value * gain_mm_per_mv).clamp(-ROW_MM, ROW_MM);
            let command = if index == first { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.2} {y:.2}", x(index as f64 / frequency));
        }
        self.trace(&path);
        self.text(x(from) + 1.0, middle - ROW_MM / 2.0 + 5.0, &display_name(&channel.name));
        let _ = writeln!(
            self.svg,
            "<path d=\"M{:.2} {:.2}v6\" stroke=\"#555\" stroke-width=\"0.2\"/>",
            x(from),
            middle - 3.0
        );
    }

    fn foot(&mut self, y: f64) {
        let EcgOptions { speed_mm_per_s, gain_mm_per_mv, .. } = *self.options;
        let frequency = self.recording.frequency;
        self.text(MARGIN_MM, y, &format!("{speed_mm_per_s} mm/s · {gain_mm_per_mv} mm/mV · {frequency} Hz"));
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

    #[test]
    fn an_object_without_waveforms_is_told_apart() {
        assert_eq!(ecg_svg(&[0; 200], &EcgOptions::default()), Err(Error::NoWaveform));
        assert_eq!(ecg_svg(&[], &EcgOptions::default()), Err(Error::NoWaveform));
    }

    #[test]
    fn speeds_that_no_paper_has_become_the_usual_one() {
        let asked = EcgOptions { speed_mm_per_s: f64::NAN, gain_mm_per_mv: 20.0, ..EcgOptions::default() };
        assert_eq!(asked.on_paper(), EcgOptions { gain_mm_per_mv: 20.0, ..EcgOptions::default() });
    }

    #[test]
    fn one_millivolt_is_ten_millimetres_and_one_second_twenty_five() {
        let flat = Channel { name: "<X>".to_owned(), millivolts: vec![0.0; 500] };
        let mut stepped = Channel { name: "II".to_owned(), millivolts: vec![0.0; 500] };
        stepped.millivolts[250] = 1.0;
        let recording = Recording { frequency: 500.0, channels: vec![stepped, flat] };

        let svg = draw(&recording, &EcgOptions::default());

        assert!(svg.contains("width=\"45.0mm\" height=\"78.0mm\""), "two rows of one second");
        assert!(svg.contains("L27.50 10.00"), "the peak is 10 mm above the middle of row one, 12.5 mm in");
        assert!(svg.contains("&lt;X&gt;") && !svg.contains("<X>"), "names are escaped");
    }
}
