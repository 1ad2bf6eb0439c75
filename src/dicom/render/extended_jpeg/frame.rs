//! A frame and its components (ISO 10918-1 B.2.2 and A.2): how large each is, and the coefficients that scans have brought.

/// Width and height in pixels, and samples of a pixel, as the caller knows them.
pub(super) type Shape = (u32, u32, u16);

/// The coefficients of a block of 8 by 8 samples, in the order in which they come.
pub(super) const BLOCK: usize = 64;

/// A frame that is being read.
pub(super) struct Frame {
    pub(super) is_progressive: bool,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Highest sampling factors of its components, across and down.
    pub(super) most: (usize, usize),
    /// MCUs of a scan of several components, across and down.
    pub(super) units: (usize, usize),
    pub(super) components: Vec<Component>,
}

/// One component of a frame.
pub(super) struct Component {
    /// Component identifier.
    pub(super) name: u8,
    /// Sampling factors: blocks of one MCU, across and down.
    pub(super) factors: (usize, usize),
    /// Number of its quantization table.
    pub(super) table: u8,
    /// The steps of its coefficients, as they were when its first scan came.
    pub(super) quantization: Option<[f32; BLOCK]>,
    /// Samples, across and down.
    pub(super) size: (usize, usize),
    /// Blocks in a row: those with samples, and those that fill the last MCU up.
    pub(super) stride: usize,
    /// Block after block, row after row.
    pub(super) coefficients: Vec<i16>,
    /// For each coefficient of a block how many of its low bits are still to come; `None` when all are.
    pub(super) missing: [Option<u8>; BLOCK],
}

impl Frame {
    /// Reads a start of frame. Nothing is allocated unless it is of the shape whose size the caller has held against the
    /// limits: what is allocated is at most 15 rows and columns more.
    pub(super) fn read(segment: &[u8], is_progressive: bool, shape: Shape) -> Result<Self, &'static str> {
        let [12, h1, h0, w1, w0, count, specifications @ ..] = segment else { return Err("not 12 bits") };
        let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
        if (u32::from(width), u32::from(height), u16::from(*count)) != shape || ![1, 3].contains(count) {
            return Err("two frames in one");
        }
        if width == 0 || height == 0 {
            return Err("a frame without pixels");
        }
        let (width, height) = (usize::from(width), usize::from(height));
        let specifications = specifications.get(..3 * usize::from(*count)).ok_or("a frame is cut off")?;
        let factors = |both: u8| (usize::from(both >> 4), usize::from(both & 0x0F));
        let mut most = (1, 1);
        for one in specifications.chunks_exact(3) {
            let (across, down) = factors(one[1]);
            if !(1..=2).contains(&across) || !(1..=2).contains(&down) {
                return Err("a sampling factor other than 1 and 2");
            }
            most = (across.max(most.0), down.max(most.1));
        }
        let units = (width.div_ceil(8 * most.0), height.div_ceil(8 * most.1));
        let component = |one: &[u8]| {
            let (across, down) = factors(one[1]);
            Component {
                name: one[0],
                factors: (across, down),
                table: one[2],
                quantization: None,
                size: ((width * across).div_ceil(most.0), (height * down).div_ceil(most.1)),
                stride: units.0 * across,
                coefficients: vec![0; units.0 * across * units.1 * down * BLOCK],
                missing: [None; BLOCK],
            }
        };
        let components = specifications.chunks_exact(3).map(component).collect();
        Ok(Self { is_progressive, width, height, most, units, components })
    }

    /// Whether every bit of every coefficient has come.
    pub(super) fn is_complete(&self) -> bool {
        self.components.iter().all(|component| component.missing.iter().all(|missing| *missing == Some(0)))
    }

    /// Whether there is a picture: the standard lets a progressive encoder leave waves away, but not averages.
    pub(super) fn has_averages(&self) -> bool {
        self.components.iter().all(|component| component.missing[0].is_some())
    }
}

impl Component {
    /// Blocks with samples, across and down: those of a scan of this component alone.
    pub(super) fn blocks(&self) -> (usize, usize) {
        (self.size.0.div_ceil(8), self.size.1.div_ceil(8))
    }

    /// The coefficients of a block.
    pub(super) fn block(&mut self, column: usize, row: usize) -> &mut [i16] {
        let begin = (row * self.stride + column) * BLOCK;
        &mut self.coefficients[begin..begin + BLOCK]
    }
}
