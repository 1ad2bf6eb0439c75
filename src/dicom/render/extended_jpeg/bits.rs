//! The bits of a scan (ISO 10918-1 F.2.2 and annex C): Huffman codes and the numbers behind them.

/// Bits that are looked up at once; longer codes are rare.
const FAST_BITS: u32 = 9;

/// A table of codes (annex C).
pub(super) struct Huffman {
    /// Length and value of each beginning of `FAST_BITS` bits; length 0 where the code is longer.
    fast: Vec<(u8, u8)>,
    /// For each length: one more than its highest code, and what to add to a code to find its value.
    ends: [(u32, i32); 17],
    values: Vec<u8>,
}

impl Huffman {
    /// A table of so many codes of each length and the values that they stand for.
    pub(super) fn new(counts: &[u8], values: &[u8]) -> Result<Self, &'static str> {
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
pub(super) struct Bits<'c> {
    coded: &'c [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl<'c> Bits<'c> {
    /// The bits of a scan that begins here.
    pub(super) fn new(coded: &'c [u8]) -> Self {
        Self { coded, at: 0, held: 0, count: 0 }
    }

    /// Bytes that were read; the marker behind the scan comes here or later.
    pub(super) fn read(&self) -> usize {
        self.at
    }

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

    /// The next bits as a number, 16 at most.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, &'static str> {
        if self.count < bits {
            self.fill();
        }
        let value = self.peek(bits);
        self.count = self.count.checked_sub(bits).ok_or("the codestream ends too early")?;
        Ok(value)
    }

    /// The value of the next code.
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, &'static str> {
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
    pub(super) fn signed(&mut self, bits: u8) -> Result<i32, &'static str> {
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
    pub(super) fn restart(&mut self) -> Result<(), &'static str> {
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
