//! How long it takes to compose a lab report to an A4 page and to stamp it (target: 15 ms).
//!
//! Run by `cargo bench --bench compose`; prints the median, the 99th percentile and the slowest of many runs.

use std::time::{Duration, Instant};

use yingku::documents::DocumentsConfig;
use yingku::documents::lab_sheet::{LabDocument, LabRow, LabSheet, Reserved, compose};
use yingku::documents::stamp::{Corner, StampPolicy, stamp_pdf};

const RUNS: usize = 300;
/// The 99th percentile is to be within this.
const TARGET_MS: f64 = 15.0;

fn main() {
    let policy = StampPolicy::new("https://archive.example.test/q/abcdefghijklmnopqrstuvwxyz");
    let limits = DocumentsConfig::default();
    let reserved = Some(Reserved { corner: Corner::TopRight, side_mm: 30.0 });
    for rows in [25, 120] {
        let document = report(rows);
        // The first one reads the font.
        let first = Instant::now();
        let size = compose(&document, reserved, limits.max_pages).expect("it is composed").bytes.len();
        let first = first.elapsed();
        let measured = |work: &dyn Fn()| {
            let mut times: Vec<Duration> = (0..RUNS)
                .map(|_| {
                    let began = Instant::now();
                    work();
                    began.elapsed()
                })
                .collect();
            times.sort();
            let at = |part: f64| times[((RUNS - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
            let verdict = if at(0.99) <= TARGET_MS { "≤ 15" } else { "> 15 !" };
            format!("median {:.2}, p99 {:.2}, slowest {:.2}; aim {verdict}", at(0.5), at(0.99), at(1.0))
        };
        let composed = measured(&|| {
            compose(&document, reserved, limits.max_pages).expect("it is composed");
        });
        let both = measured(&|| {
            let composed = compose(&document, reserved, limits.max_pages).expect("it is composed");
            stamp_pdf(&composed.bytes, &policy, &limits).expect("it is stamped");
        });
        println!(
            "lab report of {rows} results, PDF of {} KB, first {:.1} ms",
            size / 1024,
            first.as_secs_f64() * 1000.0
        );
        println!("ms to compose: {composed}");
        println!("ms to compose and stamp: {both}");
    }
}

fn report(rows: usize) -> LabDocument {
    let row = |number: usize| LabRow {
        number: number.to_string(),
        name: format!("白细胞计数第{number}项"),
        value: format!("{}.{}", number, number % 10),
        flag: if number.is_multiple_of(7) { "↑".to_owned() } else { String::new() },
        unit: "10^9/L".to_owned(),
        reference: "3.5 – 9.5".to_owned(),
        method: "电阻抗法".to_owned(),
        instrument: "血球分析仪T1".to_owned(),
    };
    LabDocument {
        organization: "示例医院".to_owned(),
        patient: vec![("姓名", "测试甲".to_owned()), ("性别", "男".to_owned()), ("就诊号", "E0001".to_owned())],
        reports: vec![LabSheet {
            title: "血常规".to_owned(),
            report_form_no: "LAB20260920001".to_owned(),
            facts: vec![("标本", "静脉血".to_owned()), ("申请医生", "测试医生甲".to_owned())],
            rows: (1..=rows).map(row).collect(),
            signatures: vec![("检验者", "测试技师丙".to_owned()), ("审核者", "测试医生乙".to_owned())],
        }],
    }
}
