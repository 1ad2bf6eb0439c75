//! JPEG Extended with 12 bits (ISO 10918-1 process 4, 1.2.840.10008.1.2.4.51), which the registry's codecs do not read:
//! sequential DCT with Huffman codes and one component, as X-ray devices write it.
//!
//! The caller has held the frame's size against the limits. A codestream that ends early is an error, since half a picture
//! must not pass for a whole one.

use std::sync::LazyLock;

/// Bits of a sample.
pub(super) const PRECISION: u16 = 12;
const HIGHEST: f32 = 4095.0;
const MIDDLE: f32 = 2048.0;
/// Bits that are looked up at once; longer codes are rare.
const FAST_BITS: u32 = 9;

/// Where the coefficients of a block stand, in the order in which they come (figure A.6).
const ZIGZAG: [usize; 64] = [
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

/// The samples of the frame, which is of this width and height, two bytes each, little endian.
pub(super) fn decode(bytes: &[u8], size: (u32, u32)) -> Result<Vec<u8>, &'static str> {
    let mut tables = Tables::default();
    let mut at = 2;
    loop {
        while bytes.get(at..at + 2) == Some(&[0xFF, 0xFF]) {
            at += 1;
        }
        let (marker, length) = (word(bytes, at)?, usize::from(word(bytes, at + 2)?));
        let segment = bytes.get(at + 4..(at + 2 + length).max(at + 4)).ok_or("a segment is cut off")?;
        match marker {
            0xFFDB => tables.read_quantization(segment)?,
            0xFFC4 => tables.read_huffman(segment)?,
            0xFFC0 | 0xFFC1 => tables.frame = Some(Frame::read(segment, size)?),
            0xFFDD => tables.restart_interval = usize::from(word(segment, 0)?),
            0xFFDA => return tables.read_scan(segment, bytes.get(at + 2 + length..).unwrap_or_default()),
            0xFFC2..=0xFFCF | 0xFFD8 | 0xFFD9 => return Err("not the sequential process"),
            0xFF01..=0xFFFE => {}
            _ => return Err("no marker where one belongs"),
        }
        at += 2 + length;
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u16, &'static str> {
    let pair = bytes.get(at..at + 2).ok_or("the codestream ends too early")?;
    Ok(u16::from_be_bytes([pair[0], pair[1]]))
}

struct Frame {
    width: usize,
    height: usize,
    quantization: usize,
}

impl Frame {
    fn read(segment: &[u8], size: (u32, u32)) -> Result<Self, &'static str> {
        let [12, h1, h0, w1, w0, 1, _, _, table, ..] = segment else { return Err("not one component of 12 bits") };
        let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
        if (u32::from(width), u32::from(height)) != size {
            return Err("two frames in one");
        }
        Ok(Self { width: width.into(), height: height.into(), quantization: usize::from(*table) })
    }
}

#[derive(Default)]
struct Tables {
    quantization: [Option<[f32; 64]>; 4],
    direct: [Option<Huffman>; 4],
    alternating: [Option<Huffman>; 4],
    restart_interval: usize,
    frame: Option<Frame>,
}

impl Tables {
    fn read_quantization(&mut self, mut segment: &[u8]) -> Result<(), &'static str> {
        while let Some((&head, rest)) = segment.split_first() {
            let entry_bytes = if head >> 4 == 0 { 1 } else { 2 };
            let (entries, rest) = rest.split_at_checked(64 * entry_bytes).ok_or("a quantization table is cut off")?;
            let mut table = [0.0; 64];
            for (place, entry) in table.iter_mut().zip(entries.chunks_exact(entry_bytes)) {
                *place = entry.iter().fold(0_u16, |value, byte| value << 8 | u16::from(*byte)).into();
            }
            *self.quantization.get_mut(usize::from(head & 0x0F)).ok_or("a fifth quantization table")? = Some(table);
            segment = rest;
        }
        Ok(())
    }

    fn read_huffman(&mut self, mut segment: &[u8]) -> Result<(), &'static str> {
        while let Some((&head, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_at_checked(16).ok_or("a Huffman table is cut off")?;
            let count = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(count).ok_or("a Huffman table is cut off")?;
            let tables = if head >> 4 == 0 { &mut self.direct } else { &mut self.alternating };
            *tables.get_mut(usize::from(head & 0x0F)).ok_or("a fifth Huffman table")? =
                Some(Huffman::new(counts, values)?);
            segment = rest;
        }
        Ok(())
    }

    fn read_scan(&self, segment: &[u8], coded: &[u8]) -> Result<Vec<u8>, &'static str> {
        let [1, _, selected, 0, 63, 0, ..] = segment else { return Err("not a scan of the sequential process") };
        let table = |tables: &'_ [Option<Huffman>; 4], at: u8| tables.get(usize::from(at)).is_some_and(Option::is_some);
        let (direct, alternating) = (selected >> 4, selected & 0x0F);
        if !table(&self.direct, direct) || !table(&self.alternating, alternating) {
            return Err("a Huffman table is missing");
        }
        let frame = self.frame.as_ref().ok_or("no frame in front of the scan")?;
        let quantization = self.quantization.get(frame.quantization).and_then(Option::as_ref);
        let scan = Scan {
            frame,
            quantization: quantization.ok_or("a quantization table is missing")?,
            direct: self.direct[usize::from(direct)].as_ref().ok_or("a Huffman table is missing")?,
            alternating: self.alternating[usize::from(alternating)].as_ref().ok_or("a Huffman table is missing")?,
            restart_interval: self.restart_interval,
        };
        scan.read(coded)
    }
}

/// A table of codes (annex C).
struct Huffman {
    /// Length and value of each beginning of `FAST_BITS` bits; length 0 where the code is longer.
    fast: Vec<(u8, u8)>,
    /// For each length: one more than its highest code, and what to add to a code to find its value.
    ends: [(u32, i32); 17],
    values: Vec<u8>,
}

impl Huffman {
    fn new(counts: &[u8], values: &[u8]) -> Result<Self, &'static str> {
        let mut fast = vec![(0, 0); 1 << FAST_BITS];
        let mut ends = [(0, 0); 17];
        let (mut code, mut next) = (0_u32, 0_usize);
        for (length, count) in (1_u32..).zip(counts) {
            let first = code;
            ends[length as usize].1 = next as i32 - first as i32;
            for _ in 0..*count {
                if code >= 1 << length {
                    return Err("a Huffman table has too many codes");
                }
                if let Some(free) = FAST_BITS.checked_sub(length) {
                    let begin = (code << free) as usize;
                    fast[begin..begin + (1 << free)].fill((length as u8, values[next]));
                }
                code += 1;
                next += 1;
            }
            ends[length as usize].0 = if *count == 0 { 0 } else { code };
            code <<= 1;
        }
        Ok(Self { fast, ends, values: values.to_vec() })
    }
}

/// The bits of a scan; bytes stuffed behind 0xFF are left out, a marker is the end.
struct Bits<'c> {
    coded: &'c [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let byte = match self.coded.get(self.at..) {
                Some([0xFF, 0x00, ..]) => {
                    self.at += 1;
                    0xFF
                }
                Some([0xFF, ..] | []) | None => return,
                Some([byte, ..]) => *byte,
            };
            self.at += 1;
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    /// The next bits without taking them; zeros behind the end.
    fn peek(&self, bits: u32) -> u32 {
        let value = match self.count.checked_sub(bits) {
            Some(below) => self.held >> below,
            None => self.held << (bits - self.count),
        };
        (value & ((1 << bits) - 1)) as u32
    }

    fn take(&mut self, bits: u32) -> Result<u32, &'static str> {
        if self.count < bits {
            self.fill();
        }
        let value = self.peek(bits);
        self.count = self.count.checked_sub(bits).ok_or("the codestream ends too early")?;
        Ok(value)
    }

    fn symbol(&mut self, table: &Huffman) -> Result<u8, &'static str> {
        if self.count < 16 {
            self.fill();
        }
        let (length, value) = table.fast[self.peek(FAST_BITS) as usize];
        if length > 0 {
            self.take(length.into())?;
            return Ok(value);
        }
        for length in FAST_BITS + 1..=16 {
            let (end, shift) = table.ends[length as usize];
            let code = self.peek(length);
            if code < end {
                self.take(length)?;
                return table.values.get((code as i32 + shift) as usize).copied().ok_or("a code that no table has");
            }
        }
        Err("a code that no table has")
    }

    /// A number of so many bits, the lower half of which is negative (F.2.2.1).
    fn signed(&mut self, bits: u8) -> Result<i32, &'static str> {
        if bits == 0 {
            return Ok(0);
        }
        if bits > 15 {
            return Err("a coefficient is too large");
        }
        let value = self.take(bits.into())? as i32;
        Ok(if value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value })
    }

    /// Goes on behind the next restart marker.
    fn restart(&mut self) -> Result<(), &'static str> {
        (self.held, self.count) = (0, 0);
        while let Some(pair) = self.coded.get(self.at..self.at + 2) {
            match pair {
                [0xFF, 0xD0..=0xD7] => {
                    self.at += 2;
                    return Ok(());
                }
                [0xFF, 0x00 | 0xFF] | [0x00..=0xFE, _] => self.at += 1,
                _ => break,
            }
        }
        Err("a restart marker is missing")
    }
}

struct Scan<'t> {
    frame: &'t Frame,
    quantization: &'t [f32; 64],
    direct: &'t Huffman,
    alternating: &'t Huffman,
    restart_interval: usize,
}

impl Scan<'_> {
    fn read(&self, coded: &[u8]) -> Result<Vec<u8>, &'static str> {
        let Frame { width, height, .. } = *self.frame;
        let (across, down) = (width.div_ceil(8), height.div_ceil(8));
        let mut out = vec![0; width * height * 2];
        let mut bits = Bits { coded, at: 0, held: 0, count: 0 };
        let mut average = 0;
        for block in 0..across * down {
            if self.restart_interval > 0 && block > 0 && block % self.restart_interval == 0 {
                bits.restart()?;
                average = 0;
            }
            let samples = waves_of(&self.coefficients(&mut bits, &mut average)?);
            let (left, top) = (block % across * 8, block / across * 8);
            for (row, line) in samples.iter().enumerate().take(height - top) {
                for (column, sample) in line.iter().enumerate().take(width - left) {
                    let value = (sample + MIDDLE).round().clamp(0.0, HIGHEST) as u16;
                    let place = ((top + row) * width + left + column) * 2;
                    out[place..place + 2].copy_from_slice(&value.to_le_bytes());
                }
            }
        }
        Ok(out)
    }

    /// One block, quantization undone (F.2.2).
    fn coefficients(&self, bits: &mut Bits<'_>, average: &mut i32) -> Result<[f32; 64], &'static str> {
        let mut block = [0.0; 64];
        let length = bits.symbol(self.direct)?;
        *average = average.wrapping_add(bits.signed(length)?);
        block[0] = *average as f32 * self.quantization[0];
        let mut at = 1;
        while at < 64 {
            let symbol = bits.symbol(self.alternating)?;
            let (zeros, length) = (usize::from(symbol >> 4), symbol & 0x0F);
            if length == 0 {
                if zeros < 15 {
                    break;
                }
                at += 16;
                continue;
            }
            at += zeros;
            let place = ZIGZAG.get(at).ok_or("a block has too many coefficients")?;
            block[*place] = bits.signed(length)? as f32 * self.quantization[at];
            at += 1;
        }
        Ok(block)
    }
}

/// The samples of a block (A.3.3), rows first.
fn waves_of(block: &[f32; 64]) -> [[f32; 8]; 8] {
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
