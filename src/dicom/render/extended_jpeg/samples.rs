//! From coefficients to samples (ISO 10918-1 A.3.3 and A.3.4), and from components of fewer samples to pixels.

use std::sync::LazyLock;

use super::frame::{BLOCK, Component, Frame};

const HIGHEST: f32 = 4095.0;
const MIDDLE: f32 = 2048.0;

/// Where the coefficients of a block stand, in the order in which they come (figure A.6).
const ZIGZAG: [usize; BLOCK] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// `WAVES[u][x]`: what a coefficient of frequency `u` adds at `x` (A.3.3).
static WAVES: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    std::array::from_fn(|u| {
        let scale = if u == 0 { 0.5_f64.sqrt() } else { 1.0 } / 2.0;
        let angle = |x: usize| (2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0;
        std::array::from_fn(|x| (scale * angle(x).cos()) as f32)
    })
});

/// The samples of a frame: two bytes each, little endian, those of a pixel side by side.
pub(super) fn of_frame(mut frame: Frame) -> Result<Vec<u8>, &'static str> {
    let (width, height, most) = (frame.width, frame.height, frame.most);
    let count = frame.components.len();
    let mut out = vec![0; width * height * count * 2];
    for (index, component) in frame.components.iter_mut().enumerate() {
        component.become_samples()?;
        let shares = (most.0 / component.factors.0, most.1 / component.factors.1);
        for (y, line) in out.chunks_exact_mut(width * count * 2).enumerate() {
            let (row, next_row) = neighbours(y, shares.1, component.size.1);
            // Rows and columns weigh three parts to one, so that sums are sixteen times too large.
            let column = |x: usize| 3 * component.sample(x, row) + component.sample(x, next_row);
            for (x, pixel) in line.chunks_exact_mut(count * 2).enumerate() {
                let value = if shares == (1, 1) {
                    component.sample(x, y)
                } else {
                    let (near, next) = neighbours(x, shares.0, component.size.0);
                    (3 * column(near) + column(next) + 8) / 16
                };
                pixel[2 * index..2 * index + 2].copy_from_slice(&(value as u16).to_le_bytes());
            }
        }
    }
    Ok(out)
}

/// The two samples between which a pixel lies when `share` pixels share one: the nearer, then the one on its other side.
/// Both are the same at the edges, and where no pixels share samples.
fn neighbours(at: usize, share: usize, count: usize) -> (usize, usize) {
    let near = at / share;
    let next = match at % share {
        _ if share == 1 => near,
        0 => near.saturating_sub(1),
        _ => (near + 1).min(count - 1),
    };
    (near, next)
}

impl Component {
    /// Puts the samples of each block, rows first, in the place of its coefficients.
    fn become_samples(&mut self) -> Result<(), &'static str> {
        let steps = self.quantization.as_ref().ok_or("a component without a scan")?;
        for block in self.coefficients.chunks_exact_mut(BLOCK) {
            let mut waves = [0.0; BLOCK];
            for ((coefficient, step), place) in block.iter().zip(steps).zip(ZIGZAG) {
                waves[place] = f32::from(*coefficient) * step;
            }
            for (place, sample) in block.iter_mut().zip(samples_of(&waves).as_flattened()) {
                *place = (sample + MIDDLE).round().clamp(0.0, HIGHEST) as i16;
            }
        }
        Ok(())
    }

    /// A sample, once coefficients have become samples.
    fn sample(&self, x: usize, y: usize) -> u32 {
        let block = y / 8 * self.stride + x / 8;
        self.coefficients[block * BLOCK + y % 8 * 8 + x % 8].unsigned_abs().into()
    }
}

/// The samples of a block (A.3.3), rows first.
fn samples_of(block: &[f32; BLOCK]) -> [[f32; 8]; 8] {
    let waves = &*WAVES;
    let mut rows = [[0.0_f32; 8]; 8];
    for (v, row) in rows.iter_mut().enumerate() {
        for (u, coefficient) in block[v * 8..v * 8 + 8].iter().enumerate().filter(|(_, c)| **c != 0.0) {
            for (x, sample) in row.iter_mut().enumerate() {
                *sample += coefficient * waves[u][x];
            }
        }
    }
    let mut samples = [[0.0_f32; 8]; 8];
    for (v, row) in rows.iter().enumerate() {
        for (y, line) in samples.iter_mut().enumerate() {
            for (x, sample) in line.iter_mut().enumerate() {
                *sample += row[x] * waves[v][y];
            }
        }
    }
    samples
}
