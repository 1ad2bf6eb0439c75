//! Does the pace fall as the archive grows? Small objects, sixteen associations, a new study for every five hundred.

use std::time::{Duration, Instant};

use super::load::{Measured, measure_number};
use super::objects::ObjectKind;
use super::servers::Server;

/// What one line of the table stands for.
const STEP: u64 = 100_000;
/// Lines that are compared, at either end.
const ENDS: usize = 2;

/// What the last of them are to keep of the first.
const AIM: f64 = 0.9;

/// Prints the pace of each step, and that of the last ones over that of the first.
pub async fn grow(server: &Server, instances: u64) {
    println!("\n{} grows to {instances} small instances", server.name);
    println!("{:>12} {:>10} {:>9} {:>9} {:>8}", "instances", "per s", "p99 ms", "peak MB", "failed");
    let mut paces = Vec::new();
    let mut there = 0;
    while there < instances {
        server.memory.reset();
        let began = Instant::now();
        let measured: Measured = measure_number(server, ObjectKind::Small, 16, STEP).await;
        let pace = measured.stored as f64 / seconds(began.elapsed());
        there += STEP;
        paces.push(pace);
        let p99 = seconds(measured.p99) * 1000.0;
        println!("{there:>12} {pace:>10.0} {p99:>9.1} {:>9.1} {:>8}", server.memory.peak_mb(), measured.failed);
    }
    let mean = |paces: &[f64]| paces.iter().sum::<f64>() / paces.len() as f64;
    let ends = ENDS.min(paces.len());
    let ratio = mean(&paces[paces.len() - ends..]) / mean(&paces[..ends]);
    let verdict = if ratio >= AIM { "" } else { " !" };
    println!("the last {ends} steps over the first {ends}: {ratio:.2}, aim {AIM}{verdict}");
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
