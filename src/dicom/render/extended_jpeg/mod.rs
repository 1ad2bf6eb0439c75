//! JPEG with losses and 12 bits, which the registry's codecs do not read: the extended processes of ISO 10918-1 with Huffman
//! codes, sequential (1.2.840.10008.1.2.4.51), by spectral selection (.53) and in full progression (.55).
//!
//! The caller has held the frame's size against the limits. A codestream that ends early is an error, since half a picture
//! must not pass for a whole one. Not here: arithmetic codes, hierarchical processes, sampling factors above 2. Colours
//! are not converted: what comes out is what the components hold.

mod bits;
mod frame;
mod pass;
mod samples;
mod scan;
mod tables;
#[cfg(test)]
pub(super) mod test_encoder;
#[cfg(test)]
mod tests;

use frame::{Frame, Shape};
use scan::Scan;
use tables::Tables;

/// Bits of a sample.
pub(super) const PRECISION: u16 = 12;

/// The samples of the frame, which is of this width, this height, and so many components: two bytes each, little endian,
/// those of a pixel side by side.
pub(super) fn decode(bytes: &[u8], shape: Shape) -> Result<Vec<u8>, &'static str> {
    let mut tables = Tables::default();
    let mut restart_interval = 0;
    let mut frame: Option<Frame> = None;
    let mut at = 2;
    loop {
        at = next_marker(bytes, at, frame.is_some())?;
        let marker = word(bytes, at)?;
        if marker == 0xFFD9 {
            let whole = frame.filter(Frame::has_averages);
            return samples::of_frame(whole.ok_or("the codestream ends before its last scan")?);
        }
        let length = usize::from(word(bytes, at + 2)?);
        let segment = bytes.get(at + 4..(at + 2 + length).max(at + 4)).ok_or("a segment is cut off")?;
        at += 2 + length.max(2);
        match marker {
            0xFFDB => tables.read_quantization(segment)?,
            0xFFC4 => tables.read_huffman(segment)?,
            0xFFC0..=0xFFC2 if frame.is_some() => return Err("two frames in one"),
            0xFFC0..=0xFFC2 => frame = Some(Frame::read(segment, marker == 0xFFC2, shape)?),
            0xFFDD => restart_interval = usize::from(word(segment, 0)?),
            0xFFDA => {
                let mut current = frame.take().ok_or("no frame in front of the scan")?;
                let scan = Scan::read(segment, &mut current, &tables, restart_interval)?;
                at += scan.run(&mut current, bytes.get(at..).unwrap_or_default())?;
                if current.is_complete() {
                    return samples::of_frame(current);
                }
                frame = Some(current);
            }
            0xFFC3..=0xFFCF | 0xFFD8 => return Err("neither the sequential nor the progressive process"),
            _ => {}
        }
    }
}

/// Where the next marker is. Only behind a scan there may be bytes in front of it that nobody asked for.
fn next_marker(bytes: &[u8], mut at: usize, skips: bool) -> Result<usize, &'static str> {
    loop {
        match bytes.get(at..at + 2) {
            Some([0xFF, 0xFF]) => at += 1,
            Some([0xFF, 0x00 | 0xD0..=0xD7]) if skips => at += 2,
            Some([0xFF, 0x01..=0xFE]) => return Ok(at),
            Some(_) if skips => at += 1,
            Some(_) => return Err("no marker where one belongs"),
            None => return Err("the codestream ends too early"),
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u16, &'static str> {
    let pair = bytes.get(at..at + 2).ok_or("the codestream ends too early")?;
    Ok(u16::from_be_bytes([pair[0], pair[1]]))
}
