//! Electrocardiograms and other curves (PS3.3 A.34, C.10.9): what a file holds, in its own units, and its drawing.
//!
//! All multiplex groups are read, samples of 8, 16 and 32 bits, signed or not; sensitivity, correction factor and
//! baseline are applied, padding leaves a gap. Texts are read by the declared character set, else by that of the sender
//! (D-I17). `paper` draws a stretch of one group as SVG on millimetre paper. No name and no number of a patient is
//! drawn: the page around the drawing says whose it is.

mod paper;

use std::borrow::Cow;

use super::elements::{Elements, Encoding, Part10};
use super::text::{self, Charset};

const MAX_CHANNELS: usize = 64;
const MAX_GROUPS: usize = 32;
const MAX_ANNOTATIONS: usize = 200;

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
    /// Which multiplex group, from 0; the first with most channels when nothing is said.
    pub group: Option<usize>,
    /// Where the stretch begins, in seconds.
    pub start_seconds: f64,
    /// How the leads are arranged.
    pub layout: Layout,
    /// What is written beside a lead whose baseline was moved, in the reader's words. Default 基线已校正.
    pub moved_baseline: Cow<'static, str>,
}

/// How leads are arranged on the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// 3 rows of 4 leads and a rhythm strip when the twelve leads are there, else one row a channel.
    #[default]
    Usual,
    /// 6 rows of 2 leads when the twelve leads are there.
    SixByTwo,
    /// One row a channel.
    Rows,
}

impl Default for EcgOptions {
    fn default() -> Self {
        Self {
            speed_mm_per_s: 25.0,
            gain_mm_per_mv: 10.0,
            max_seconds: 10.0,
            max_samples: 4 << 20,
            group: None,
            start_seconds: 0.0,
            layout: Layout::Usual,
            moved_baseline: Cow::Borrowed("基线已校正"),
        }
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

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outline {
    /// Its multiplex groups.
    pub groups: Vec<GroupOutline>,
    /// Measurements and statements that the device wrote beside the curves.
    pub annotations: Vec<String>,
}

/// One multiplex group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupOutline {
    /// Its number in the file, from 1; groups that are not readable have one too.
    pub number: usize,
    /// Its label; empty when it has none.
    pub label: String,
    /// Number of channels.
    pub channels: usize,
    /// How long it is.
    pub seconds: f64,
    /// Whether the twelve standard leads are there.
    pub is_standard: bool,
}

struct Channel {
    name: String,
    /// In millivolts, or in `unit`; not a number where there is padding.
    values: Vec<f64>,
    /// The unit of what is no voltage.
    unit: Option<String>,
}

struct Recording {
    frequency: f64,
    /// Seconds before the first value.
    start: f64,
    channels: Vec<Channel>,
}

/// What a file holds that is drawn or told.
struct Opened<'a> {
    groups: Vec<Elements<'a>>,
    annotations: Vec<Elements<'a>>,
    encoding: Encoding,
    texts: Texts<'a>,
}

/// How texts are read: what the file declares, and the charset where it declares none.
struct Texts<'a> {
    terms: Vec<&'a str>,
    charset: &'a Charset,
}

impl Texts<'_> {
    fn of(&self, from: &Elements<'_>, tag: (u16, u16)) -> String {
        let bytes = from.get(tag).map_or(&[][..], |element| element.value);
        text::decode(bytes, &self.terms, self.charset).trim().to_owned()
    }
}

/// Draws a stretch of one group; `charset` is that of texts that declare none.
pub fn ecg_svg(file: &[u8], charset: &Charset, options: &EcgOptions) -> Result<String, Error> {
    let Opened { groups, encoding, texts, .. } = open(file, charset);
    let channels = |group: &&Elements<'_>| group.unsigned((0x003A, 0x0005)).unwrap_or(0);
    // The rhythm comes first, averaged beats follow: max_by_key would take the last of equals.
    let group = match options.group {
        Some(chosen) => groups.get(chosen),
        None => groups.iter().rev().max_by_key(channels),
    };
    let recording = recording(group.ok_or(Error::NoWaveform)?, encoding, &texts, options)?;
    Ok(paper::draw(&recording, &options.on_paper()))
}

/// Tells what a file holds without reading its samples; `charset` is that of texts that declare none.
pub fn outline(file: &[u8], charset: &Charset) -> Result<Outline, Error> {
    let Opened { groups, annotations, texts, .. } = open(file, charset);
    if groups.is_empty() {
        return Err(Error::NoWaveform);
    }
    let groups = (1..).zip(&groups).filter_map(|(number, group)| group_outline(number, group, &texts).ok()).collect();
    Ok(Outline { groups, annotations: annotations.iter().filter_map(|item| annotation(item, &texts)).collect() })
}

fn open<'a>(file: &'a [u8], charset: &'a Charset) -> Opened<'a> {
    let part10 = Part10::read(file);
    let encoding = Encoding::of_transfer_syntax(part10.transfer_syntax);
    let elements = Elements::read(file.get(part10.dataset_offset..).unwrap_or_default(), encoding);
    let terms = elements.text((0x0008, 0x0005)).unwrap_or_default();
    let terms = terms.split('\\').map(str::trim).filter(|term| !term.is_empty()).collect();
    Opened {
        groups: elements.items((0x5400, 0x0100)).take(MAX_GROUPS).collect(),
        annotations: elements.items((0x0040, 0xB020)).take(MAX_ANNOTATIONS).collect(),
        encoding,
        texts: Texts { terms, charset },
    }
}

fn annotation(item: &Elements<'_>, texts: &Texts<'_>) -> Option<String> {
    let plain = texts.of(item, (0x0070, 0x0006));
    if !plain.is_empty() {
        return Some(plain);
    }
    let name = item.first_item((0x0040, 0xA043)).map(|code| texts.of(&code, (0x0008, 0x0104)))?;
    let unit = item.first_item((0x0040, 0x08EA)).and_then(|code| code.text((0x0008, 0x0100)).map(str::to_owned));
    let value = item.text((0x0040, 0xA30A)).map(str::to_owned);
    let value = value.or_else(|| item.first_item((0x0040, 0xA168)).map(|code| texts.of(&code, (0x0008, 0x0104))))?;
    Some(format!("{name} {value} {}", unit.unwrap_or_default()).trim().to_owned())
}

fn group_outline(number: usize, group: &Elements<'_>, texts: &Texts<'_>) -> Result<GroupOutline, Error> {
    let shape = Shape::read(group)?;
    let names: Vec<String> = shape.definitions.iter().map(|definition| lead_name(definition, texts)).collect();
    Ok(GroupOutline {
        number,
        label: texts.of(group, (0x003A, 0x0020)),
        channels: shape.channels,
        seconds: shape.samples as f64 / shape.frequency,
        is_standard: paper::is_standard(&names),
    })
}

/// How the samples of a group lie.
struct Shape<'a> {
    definitions: Vec<Elements<'a>>,
    channels: usize,
    samples: usize,
    frequency: f64,
    /// Bytes of a sample, and whether it has a sign.
    sample: (usize, bool),
    data: &'a [u8],
}

impl<'a> Shape<'a> {
    fn read(group: &Elements<'a>) -> Result<Self, Error> {
        let definitions: Vec<Elements<'a>> = group.items((0x003A, 0x0200)).take(MAX_CHANNELS).collect();
        let channels = usize::from(group.unsigned((0x003A, 0x0005)).unwrap_or(0));
        if channels == 0 || channels > MAX_CHANNELS || definitions.len() < channels {
            return Err(Error::Malformed("channels"));
        }
        let frequency = group.number((0x003A, 0x001A)).filter(|hz| (0.01..=1e6).contains(hz));
        let frequency = frequency.ok_or(Error::Malformed("sampling frequency"))?;
        let bits = group.unsigned((0x5400, 0x1004)).ok_or(Error::Malformed("bits allocated"))?;
        let sample = match (bits, group.text((0x5400, 0x1006))) {
            (8, Some("SB")) => (1, true),
            (8, Some("UB")) => (1, false),
            (16, Some("SS")) => (2, true),
            (16, Some("US")) => (2, false),
            (32, Some("SL")) => (4, true),
            (32, Some("UL")) => (4, false),
            _ => return Err(Error::Unsupported),
        };
        let data = group.get((0x5400, 0x1010)).ok_or(Error::Malformed("no data"))?.value;
        let declared = group.number((0x003A, 0x0010)).map_or(usize::MAX, |samples| samples as usize);
        let samples = declared.min(data.len() / (sample.0 * channels));
        Ok(Self { definitions, channels, samples, frequency, sample, data })
    }
}

fn recording(
    group: &Elements<'_>,
    encoding: Encoding,
    texts: &Texts<'_>,
    options: &EcgOptions,
) -> Result<Recording, Error> {
    let shape = Shape::read(group)?;
    let (width, signed) = shape.sample;
    let first = (options.start_seconds.max(0.0) * shape.frequency) as usize;
    let shown = shape.samples.saturating_sub(first).min((options.max_seconds * shape.frequency) as usize);
    if shown < 2 {
        return Err(Error::Malformed("too few samples"));
    }
    if shown.saturating_mul(shape.channels) > options.max_samples {
        return Err(Error::TooLarge(options.max_samples));
    }
    let number = |bytes: &[u8]| {
        let little = match (width, encoding) {
            (1, _) => [bytes[0], 0, 0, 0],
            (2, Encoding::ExplicitBig) => [bytes[1], bytes[0], 0, 0],
            (2, _) => [bytes[0], bytes[1], 0, 0],
            (_, Encoding::ExplicitBig) => [bytes[3], bytes[2], bytes[1], bytes[0]],
            _ => [bytes[0], bytes[1], bytes[2], bytes[3]],
        };
        let unused = 32 - 8 * width as u32;
        match signed {
            true => f64::from((i32::from_le_bytes(little) << unused) >> unused),
            false => f64::from(u32::from_le_bytes(little)),
        }
    };
    let padding = group.get((0x5400, 0x100A)).filter(|value| value.value.len() >= width);
    let padding = padding.map(|value| number(value.value));
    let channels = shape.definitions.iter().take(shape.channels).enumerate().map(|(channel, definition)| {
        let (scale, offset, unit) = scale(definition);
        let sample = |sample: usize| {
            let at = ((first + sample) * shape.channels + channel) * width;
            let stored = number(&shape.data[at..at + width]);
            if padding == Some(stored) { f64::NAN } else { stored * scale + offset }
        };
        Channel { name: lead_name(definition, texts), values: (0..shown).map(sample).collect(), unit }
    });
    let start = first as f64 / shape.frequency;
    Ok(Recording { frequency: shape.frequency, start, channels: channels.collect() })
}

/// Factor and offset from stored values to millivolts, or to the unit of what is no voltage.
fn scale(definition: &Elements<'_>) -> (f64, f64, Option<String>) {
    let finite = |tag, usual| definition.number(tag).filter(|number: &f64| number.is_finite()).unwrap_or(usual);
    let sensitivity = finite((0x003A, 0x0210), 1.0);
    let correction = finite((0x003A, 0x0212), 1.0);
    let baseline = finite((0x003A, 0x0213), 0.0);
    let units = definition.first_item((0x003A, 0x0211));
    let unit = units.as_ref().and_then(|units| units.text((0x0008, 0x0100)));
    let (per_millivolt, other) = match unit {
        Some("mV") => (1.0, None),
        Some("V") => (1000.0, None),
        Some("nV") => (1e-6, None),
        // Without a unit it is what electrocardiographs write.
        Some("uV" | "µV" | "") | None => (1e-3, None),
        Some(other) => (1.0, Some(other.chars().take(16).collect())),
    };
    (sensitivity * correction * per_millivolt, baseline * per_millivolt, other)
}

fn lead_name(definition: &Elements<'_>, texts: &Texts<'_>) -> String {
    let source = definition.first_item((0x003A, 0x0208));
    let value = source.as_ref().and_then(|source| source.text((0x0008, 0x0100)));
    if let Some(lead) = value.and_then(standard_lead) {
        return lead.to_owned();
    }
    let meaning = || source.as_ref().map(|source| texts.of(source, (0x0008, 0x0104)));
    let label = Some(texts.of(definition, (0x003A, 0x0203))).filter(|label| !label.is_empty()).or_else(meaning);
    let label = label.filter(|label| !label.is_empty()).unwrap_or_else(|| "?".to_owned());
    let label = label.strip_prefix("Lead ").or(label.strip_prefix("lead ")).unwrap_or(&label);
    label.split('(').next().unwrap_or(label).trim().chars().take(12).collect()
}

/// The standard leads by their codes of ISO 11073-10101 (`2:1`) and SCP-ECG (`5.6.3-9-1`).
fn standard_lead(code: &str) -> Option<&'static str> {
    let number = code.strip_prefix("2:").or(code.strip_prefix("5.6.3-9-"))?;
    Some(match number {
        "1" => "I",
        "2" => "II",
        "3" => "V1",
        "4" => "V2",
        "5" => "V3",
        "6" => "V4",
        "7" => "V5",
        "8" => "V6",
        "61" => "III",
        "62" => "aVR",
        "63" => "aVL",
        "64" => "aVF",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
