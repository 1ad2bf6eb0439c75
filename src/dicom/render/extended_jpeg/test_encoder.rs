//! A small encoder of JPEG with 12 bits for tests: any coefficients, sent by any scans. It shares nothing with the decoder.
//! Quantization is by 1, and each value is its own Huffman code of 8 bits.

/// Start of frame of the sequential process.
pub(in crate::dicom::render) const SEQUENTIAL: u8 = 0xC1;
/// Start of frame of the progressive process.
pub(in crate::dicom::render) const PROGRESSIVE: u8 = 0xC2;

/// The coefficients of a block, in the order of the zigzag.
pub(in crate::dicom::render) type Block = [i16; 64];

/// One component.
struct Plane {
    factors: (usize, usize),
    /// Blocks in a row, those that fill the last MCU up too.
    stride: usize,
    blocks: Vec<Block>,
}

/// A picture as coefficients.
pub(in crate::dicom::render) struct Picture {
    size: (usize, usize),
    most: (usize, usize),
    units: (usize, usize),
    planes: Vec<Plane>,
}

/// One scan: planes, first and last coefficient, the low bits that were missing (0 in a first scan) and those that still are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dicom::render) struct Pass {
    pub(in crate::dicom::render) planes: Vec<usize>,
    pub(in crate::dicom::render) band: (usize, usize),
    pub(in crate::dicom::render) high: u8,
    pub(in crate::dicom::render) low: u8,
}

impl Picture {
    /// A picture of this width and height with these sampling factors; `block` gives the blocks of a plane one by one.
    pub(in crate::dicom::render) fn new(
        size: (usize, usize),
        factors: &[(usize, usize)],
        mut block: impl FnMut(usize, usize) -> Block,
    ) -> Self {
        let most = factors.iter().fold((1, 1), |most, one| (one.0.max(most.0), one.1.max(most.1)));
        let units = (size.0.div_ceil(8 * most.0), size.1.div_ceil(8 * most.1));
        let plane = |(index, factors): (usize, &(usize, usize))| {
            let (stride, rows) = (units.0 * factors.0, units.1 * factors.1);
            let blocks = (0..stride * rows).map(|number| block(index, number)).collect();
            Plane { factors: *factors, stride, blocks }
        };
        let planes = factors.iter().enumerate().map(plane).collect();
        Self { size, most, units, planes }
    }

    /// The codestream, with a restart marker behind so many MCUs (0 for none).
    pub(in crate::dicom::render) fn encode(&self, start_of_frame: u8, passes: &[Pass], restart: usize) -> Vec<u8> {
        let mut out = vec![0xFF, 0xD8];
        put_segment(&mut out, 0xDB, &[&[0][..], &[1; 64]].concat());
        for class in [0x00, 0x10] {
            let mut table = vec![class, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0];
            table.extend(0..255_u8);
            put_segment(&mut out, 0xC4, &table);
        }
        let ((width, height), count) = (self.size, self.planes.len() as u8);
        let mut frame = vec![12, (height >> 8) as u8, height as u8, (width >> 8) as u8, width as u8, count];
        for (name, plane) in (1..).zip(&self.planes) {
            frame.extend([name, (plane.factors.0 << 4 | plane.factors.1) as u8, 0]);
        }
        put_segment(&mut out, start_of_frame, &frame);
        put_segment(&mut out, 0xDD, &(restart as u16).to_be_bytes());
        for pass in passes {
            let mut head = vec![pass.planes.len() as u8];
            pass.planes.iter().for_each(|plane| head.extend([*plane as u8 + 1, 0]));
            head.extend([pass.band.0 as u8, pass.band.1 as u8, pass.high << 4 | pass.low]);
            put_segment(&mut out, 0xDA, &head);
            out.extend(self.scan(start_of_frame, pass, restart));
        }
        out.extend([0xFF, 0xD9]);
        out
    }

    fn scan(&self, start_of_frame: u8, pass: &Pass, restart: usize) -> Vec<u8> {
        let mut writer = Writer::default();
        let mut last = [0_i32; 3];
        for (number, unit) in self.blocks_of(pass).into_iter().enumerate() {
            if restart > 0 && number > 0 && number % restart == 0 {
                writer.end();
                writer.out.extend([0xFF, 0xD0 + ((number / restart - 1) % 8) as u8]);
                last = [0; 3];
            }
            for (plane, block) in unit {
                if pass.band.0 == 0 && pass.high > 0 {
                    writer.put(1, (block[0] >> pass.low) as u32);
                    continue;
                }
                if pass.band.0 == 0 {
                    let average = i32::from(block[0] >> pass.low);
                    writer.number(0, average - last[plane]);
                    last[plane] = average;
                }
                match (start_of_frame, pass.high) {
                    (SEQUENTIAL, _) => {
                        writer.waves(block, (1, 63), 0);
                        writer.end_run();
                    }
                    _ if pass.band.1 == 0 => {}
                    (_, 0) => writer.waves(block, pass.band, pass.low),
                    _ => writer.finer_waves(block, pass.band, pass.low),
                }
            }
        }
        writer.end();
        writer.out
    }

    /// The blocks of each MCU with their planes.
    fn blocks_of(&self, pass: &Pass) -> Vec<Vec<(usize, &Block)>> {
        let at = |plane: usize, column: usize, row: usize| {
            let found = &self.planes[plane];
            (plane, &found.blocks[row * found.stride + column])
        };
        if let [plane] = pass.planes[..] {
            let factors = self.planes[plane].factors;
            let across = (self.size.0 * factors.0).div_ceil(self.most.0).div_ceil(8);
            let down = (self.size.1 * factors.1).div_ceil(self.most.1).div_ceil(8);
            return (0..across * down).map(|number| vec![at(plane, number % across, number / across)]).collect();
        }
        let mut units = Vec::new();
        for unit in 0..self.units.0 * self.units.1 {
            let (column, row) = (unit % self.units.0, unit / self.units.0);
            let mut blocks = Vec::new();
            for plane in &pass.planes {
                let (across, down) = self.planes[*plane].factors;
                let inner = (0..across * down).map(|n| (column * across + n % across, row * down + n / across));
                blocks.extend(inner.map(|(x, y)| at(*plane, x, y)));
            }
            units.push(blocks);
        }
        units
    }
}

fn put_segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xFF, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend_from_slice(content);
}

/// The bits of a scan.
#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    held: u8,
    count: u32,
    /// Blocks that have nothing more, and the bits that their coefficients get all the same.
    run: u32,
    waiting: Vec<u32>,
}

impl Writer {
    /// The lowest so many bits of a value.
    fn put(&mut self, bits: u32, value: u32) {
        for bit in (0..bits).rev() {
            self.held = self.held << 1 | (value >> bit & 1) as u8;
            self.count += 1;
            if self.count == 8 {
                self.out.push(self.held);
                if self.held == 0xFF {
                    self.out.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    fn symbol(&mut self, zeros: u32, length: u32) {
        self.put(8, zeros << 4 | length);
    }

    /// A number behind the code of its length.
    fn number(&mut self, zeros: u32, value: i32) {
        let length = 32 - value.unsigned_abs().leading_zeros();
        self.symbol(zeros, length);
        self.put(length, if value < 0 { (value - 1) as u32 } else { value as u32 });
    }

    fn end_run(&mut self) {
        if self.run > 0 {
            let exponent = 31 - self.run.leading_zeros();
            self.symbol(exponent, 0);
            self.put(exponent, self.run);
        }
        self.run = 0;
        for bit in std::mem::take(&mut self.waiting) {
            self.put(1, bit);
        }
    }

    fn end(&mut self) {
        self.end_run();
        while self.count > 0 {
            self.put(1, 1);
        }
    }

    fn waves(&mut self, block: &Block, band: (usize, usize), low: u8) {
        let mut zeros = 0;
        for coefficient in &block[band.0..=band.1] {
            let value = i32::from(*coefficient) / (1 << low);
            if value == 0 {
                zeros += 1;
                continue;
            }
            self.end_run();
            while zeros > 15 {
                self.symbol(15, 0);
                zeros -= 16;
            }
            self.number(zeros, value);
            zeros = 0;
        }
        if zeros > 0 {
            self.run += 1;
        }
    }

    fn finer_waves(&mut self, block: &Block, band: (usize, usize), low: u8) {
        let magnitude = |at: usize| u32::from(block[at].unsigned_abs()) >> low;
        let is_positive = |at: usize| block[at] > 0;
        let last_fresh = (band.0..=band.1).rev().find(|at| magnitude(*at) == 1);
        let (mut zeros, mut finer) = (0, Vec::new());
        for at in band.0..=band.1 {
            if magnitude(at) == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 && last_fresh.is_some_and(|last| at <= last) {
                self.end_run();
                self.symbol(15, 0);
                finer.drain(..).for_each(|bit| self.put(1, bit));
                zeros -= 16;
            }
            if magnitude(at) > 1 {
                finer.push(magnitude(at) & 1);
                continue;
            }
            self.end_run();
            self.symbol(zeros, 1);
            self.put(1, u32::from(is_positive(at)));
            finer.drain(..).for_each(|bit| self.put(1, bit));
            zeros = 0;
        }
        if zeros > 0 || !finer.is_empty() {
            self.run += 1;
            self.waiting.extend(finer);
        }
    }
}
