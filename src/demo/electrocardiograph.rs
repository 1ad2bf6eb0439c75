//! A normal electrocardiogram of twelve leads (PS3.3 A.34.3): waves as bell curves, leads by their usual shares.

use super::data_set::{Charset, DataSet, DemoObject, EXPLICIT_VR_LITTLE_ENDIAN};
use super::hospital::Exam;
use super::phantom::Noise;
use super::scanners::{Series, finish, relate, start};

const TWELVE_LEAD_ECG: &str = "1.2.840.10008.5.1.4.1.1.9.1.1";
const HERTZ: usize = 500;
const SECONDS: usize = 10;
const BEAT_S: f32 = 60.0 / 72.0;
/// Microvolts of one step of a sample.
const STEP_UV: f32 = 2.5;

/// Lead, code of MDC, and amplitudes in millivolts of P, Q, R, S, T.
type Lead = (&'static str, &'static str, [f32; 5]);

/// The leads that are measured; III and the augmented leads follow from I and II.
const MEASURED: [Lead; 8] = [
    ("I", "2:1", [0.10, -0.04, 0.70, -0.12, 0.22]),
    ("II", "2:2", [0.15, -0.06, 1.15, -0.20, 0.32]),
    ("V1", "2:3", [0.06, 0.0, 0.22, -0.95, -0.08]),
    ("V2", "2:4", [0.08, 0.0, 0.45, -1.30, 0.42]),
    ("V3", "2:5", [0.09, 0.0, 0.80, -0.90, 0.48]),
    ("V4", "2:6", [0.10, -0.05, 1.35, -0.45, 0.45]),
    ("V5", "2:7", [0.10, -0.07, 1.25, -0.20, 0.36]),
    ("V6", "2:8", [0.10, -0.07, 0.95, -0.08, 0.28]),
];

/// The one recording of the examination.
pub(super) fn recording(exam: &Exam) -> DemoObject {
    let series = Series { number: 1, modality: "ECG", description: "十二导联心电图" };
    let mut data = start(exam, series, TWELVE_LEAD_ECG, 1, "");
    relate(&mut data, exam, series, 1);
    let leads = leads();
    let mut group = DataSet::new(Charset::Utf8);
    group.text((0x003A, 0x0004), b"CS", "ORIGINAL").number((0x003A, 0x0005), leads.len() as u16);
    group.long((0x003A, 0x0010), (HERTZ * SECONDS) as u32).text((0x003A, 0x001A), b"DS", &HERTZ.to_string());
    let definitions: Vec<DataSet> = leads.iter().map(|(name, code, _)| definition(name, code)).collect();
    group.items((0x003A, 0x0200), &definitions);
    group.number((0x5400, 0x1004), 16).text((0x5400, 0x1006), b"CS", "SS");
    let samples: Vec<u16> = (0..HERTZ * SECONDS)
        .flat_map(|sample| leads.iter().map(move |(_, _, values)| (values[sample] / STEP_UV).round() as i16 as u16))
        .collect();
    group.words((0x5400, 0x1010), &samples);
    data.items((0x5400, 0x0100), &[group]);
    finish(data, exam, series, TWELVE_LEAD_ECG, 1, EXPLICIT_VR_LITTLE_ENDIAN)
}

fn definition(name: &str, code: &str) -> DataSet {
    let mut source = DataSet::new(Charset::Utf8);
    source.text((0x0008, 0x0100), b"SH", code).text((0x0008, 0x0102), b"SH", "MDC");
    source.text((0x0008, 0x0104), b"LO", &format!("Lead {name}"));
    let mut units = DataSet::new(Charset::Utf8);
    units.text((0x0008, 0x0100), b"SH", "uV").text((0x0008, 0x0102), b"SH", "UCUM");
    units.text((0x0008, 0x0104), b"LO", "microvolt");
    let mut channel = DataSet::new(Charset::Utf8);
    channel.items((0x003A, 0x0208), &[source]).text((0x003A, 0x0210), b"DS", &STEP_UV.to_string());
    channel.items((0x003A, 0x0211), &[units]).text((0x003A, 0x0212), b"DS", "1");
    channel.text((0x003A, 0x0213), b"DS", "0").text((0x003A, 0x0215), b"DS", "0");
    channel.number((0x003A, 0x021A), 16);
    channel
}

/// Name, code and microvolts of the twelve leads.
fn leads() -> Vec<(&'static str, &'static str, Vec<f32>)> {
    let measured: Vec<_> = MEASURED.iter().enumerate().map(|(n, lead)| (lead.0, lead.1, voltage(n, lead.2))).collect();
    let (one, two) = (measured[0].2.clone(), measured[1].2.clone());
    let mix = |a: f32, b: f32| one.iter().zip(&two).map(|(i, ii)| a * i + b * ii).collect::<Vec<f32>>();
    let mut leads = measured;
    let limb = [
        ("III", "2:61", mix(-1.0, 1.0)),
        ("aVR", "2:62", mix(-0.5, -0.5)),
        ("aVL", "2:63", mix(1.0, -0.5)),
        ("aVF", "2:64", mix(-0.5, 1.0)),
    ];
    leads.splice(2..2, limb);
    leads
}

fn voltage(number: usize, amplitudes: [f32; 5]) -> Vec<f32> {
    // Centre and width in seconds of P, Q, R, S, T.
    const WAVES: [(f32, f32); 5] = [(0.10, 0.022), (0.225, 0.008), (0.25, 0.011), (0.278, 0.010), (0.46, 0.048)];
    let mut noise = Noise::new(900 + number as u64);
    (0..HERTZ * SECONDS)
        .map(|sample| {
            let seconds = sample as f32 / HERTZ as f32;
            let within = (seconds + 0.3) % BEAT_S;
            let bell = |(center, width): (f32, f32)| (-((within - center) / width).powi(2) / 2.0).exp();
            let waves: f32 = WAVES.iter().zip(amplitudes).map(|(wave, millivolts)| millivolts * bell(*wave)).sum();
            let wander = 0.02 * (seconds * 1.7 + number as f32).sin();
            1000.0 * (waves + wander + 0.006 * noise.normal())
        })
        .collect()
}
