//! A scan (ISO 10918-1 B.2.3 and A.2): which coefficients of which components it brings, and its blocks in their order.
//!
//! No bit of a coefficient comes twice. So the standard itself bounds the number of scans, and the work that they can ask for.

use super::bits::{Bits, Huffman};
use super::frame::{BLOCK, Component, Frame};
use super::pass::{self, Band};
use super::tables::Tables;

/// Highest number of low bits that a first scan may leave away (G.1.1.1.2).
const MOST_MISSING: u8 = 13;

/// What a scan says of itself.
pub(super) struct Scan<'t> {
    parts: Vec<Part<'t>>,
    band: Band,
    is_progressive: bool,
    /// MCUs between two restart markers; 0 without.
    restart_interval: usize,
}

/// A component of a scan.
struct Part<'t> {
    component: usize,
    direct: Option<&'t Huffman>,
    alternating: Option<&'t Huffman>,
    /// The average of the block before.
    average: i32,
}

impl<'t> Scan<'t> {
    /// Reads a start of scan and takes down in the frame what will have come with it.
    pub(super) fn read(
        segment: &[u8],
        frame: &mut Frame,
        tables: &'t Tables,
        restart_interval: usize,
    ) -> Result<Self, &'static str> {
        let (&count, rest) = segment.split_first().ok_or("a scan is cut off")?;
        let (selectors, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or("a scan is cut off")?;
        let [start, end, approximation, ..] = rest else { return Err("a scan is cut off") };
        let (high, low) = (approximation >> 4, approximation & 0x0F);
        let band = Band { start: usize::from(*start), end: usize::from(*end), low, refines: high > 0 };
        let is_possible = match frame.is_progressive {
            false => (*start, *end, *approximation) == (0, 63, 0),
            true if *start == 0 => *end == 0,
            true => count == 1 && start <= end && band.end < BLOCK,
        };
        if !is_possible || low > MOST_MISSING || (high > 0 && high != low + 1) {
            return Err("not a scan of its process");
        }
        if selectors.is_empty() {
            return Err("a scan without components");
        }
        let mut parts = Vec::with_capacity(selectors.len() / 2);
        for selector in selectors.chunks_exact(2) {
            let named = |component: &Component| component.name == selector[0];
            let index = frame.components.iter().position(named).ok_or("a scan of a component that the frame lacks")?;
            let component = &mut frame.components[index];
            if component.quantization.is_none() {
                component.quantization = Some(*tables.quantization(component.table)?);
            }
            let came = (high > 0).then_some(high);
            for missing in &mut component.missing[band.start..=band.end] {
                if *missing != came {
                    return Err("a coefficient comes twice, or in the wrong order");
                }
                *missing = Some(low);
            }
            let has_direct = band.start == 0 && !band.refines;
            let direct = has_direct.then(|| tables.direct(selector[1] >> 4)).transpose()?;
            let alternating = (band.end > 0).then(|| tables.alternating(selector[1] & 0x0F)).transpose()?;
            parts.push(Part { component: index, direct, alternating, average: 0 });
        }
        Ok(Self { parts, band, is_progressive: frame.is_progressive, restart_interval })
    }

    /// Reads the blocks; tells how many bytes they took.
    pub(super) fn run(mut self, frame: &mut Frame, coded: &[u8]) -> Result<usize, &'static str> {
        let mut bits = Bits::new(coded);
        let mut ended = 0;
        let (across, down) = match self.parts.as_slice() {
            [part] => frame.components[part.component].blocks(),
            _ => frame.units,
        };
        let is_interleaved = self.parts.len() > 1;
        for unit in 0..across * down {
            if self.restart_interval > 0 && unit > 0 && unit % self.restart_interval == 0 {
                bits.restart()?;
                ended = 0;
                self.parts.iter_mut().for_each(|part| part.average = 0);
            }
            let (column, row) = (unit % across, unit / across);
            for part in &mut self.parts {
                let component = &mut frame.components[part.component];
                let factors = if is_interleaved { component.factors } else { (1, 1) };
                for inner in 0..factors.0 * factors.1 {
                    let at = (column * factors.0 + inner % factors.0, row * factors.1 + inner / factors.0);
                    let block = component.block(at.0, at.1);
                    match (self.is_progressive, part.direct, part.alternating) {
                        (false, Some(direct), Some(alternating)) => {
                            pass::sequential(&mut bits, block, &mut part.average, direct, alternating)?;
                        }
                        (true, Some(direct), _) => {
                            pass::averages(&mut bits, block, &mut part.average, direct, &self.band)?;
                        }
                        (true, None, Some(waves)) if self.band.refines => {
                            pass::finer_waves(&mut bits, block, &mut ended, waves, &self.band)?;
                        }
                        (true, None, Some(waves)) => pass::waves(&mut bits, block, &mut ended, waves, &self.band)?,
                        (true, None, None) => pass::finer_average(&mut bits, block, &self.band)?,
                        (false, ..) => return Err("a Huffman table is missing"),
                    }
                }
            }
        }
        Ok(bits.read())
    }
}
