//! What a compressed frame says of itself: the SOF of JPEG and JPEG-LS (ISO 10918-1 B.2, ISO 14495-1 C.2), the SIZ
//! and COD of JPEG 2000 (ISO 15444-1 A.5, A.6). Sizes are read here before any decoder allocates for them.

/// The kinds of codestreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// JPEG with losses, sequential or progressive: the decoder of 8 bits turns YCbCr into RGB.
    JpegDct,
    JpegLossless,
    /// JPEG-LS; each component in a scan of its own (no interleaving) or not.
    JpegLs {
        planar: bool,
    },
    /// JPEG 2000 and HTJ2K; with the decoder's own colour transform or not.
    Jpeg2000 {
        color_transform: bool,
    },
}

impl Kind {
    /// A transfer syntax whose decoder reads this kind.
    pub(super) fn transfer_syntax(self) -> &'static str {
        match self {
            Kind::JpegDct => "1.2.840.10008.1.2.4.50",
            Kind::JpegLossless => "1.2.840.10008.1.2.4.57",
            Kind::JpegLs { .. } => "1.2.840.10008.1.2.4.81",
            Kind::Jpeg2000 { .. } => "1.2.840.10008.1.2.4.91",
        }
    }
}

/// Size and depth of a compressed frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Codestream {
    pub(super) kind: Kind,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: u16,
    pub(super) precision: u16,
    /// Adobe's colour transform, when it is written down.
    pub(super) adobe: Option<u8>,
    pub(super) subsampled: bool,
    /// Tiles, precincts and code-blocks of JPEG 2000, about; 0 for the others.
    pub(super) parts: u64,
    /// Position of the start-of-frame segment's parameters.
    frame_at: usize,
}

impl Codestream {
    /// Reads the markers in front of the first scan or tile; `None` when it is none of these formats.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xD8, ..] => jpeg(bytes),
            [0xFF, 0x4F, ..] => jpeg_2000(bytes),
            // A JP2 file inside a fragment is against the standard, and met.
            [0, 0, 0, 12, b'j', b'P', ..] => {
                let start = bytes.windows(4).position(|window| window == [0xFF, 0x4F, 0xFF, 0x51])?;
                jpeg_2000(&bytes[start..])
            }
            _ => None,
        }
    }

    /// The JPEG with component names that make decoders take its three components as RGB or as YCbCr.
    ///
    /// Decoders guess by names first; DICOM says it by Adobe's marker or by Photometric Interpretation.
    pub(super) fn with_color_names(&self, bytes: &[u8], rgb: bool) -> Vec<u8> {
        let names: [u8; 3] = if rgb { *b"RGB" } else { [1, 2, 3] };
        let mut renamed = bytes.to_vec();
        let at = |component: usize| self.frame_at + 6 + 3 * component;
        let old: Vec<u8> = (0..3).filter_map(|component| bytes.get(at(component)).copied()).collect();
        for (component, name) in names.iter().enumerate() {
            if let Some(byte) = renamed.get_mut(at(component)) {
                *byte = *name;
            }
        }
        for scan in scans(bytes) {
            let count = usize::from(bytes.get(scan + 2).copied().unwrap_or(0));
            for slot in (0..count.min(3)).map(|i| scan + 3 + 2 * i) {
                let name = bytes.get(slot).and_then(|byte| old.iter().position(|name| name == byte));
                if let (Some(index), Some(byte)) = (name, renamed.get_mut(slot)) {
                    *byte = names[index];
                }
            }
        }
        renamed
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn quad(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(word(bytes, at)?) << 16 | u32::from(word(bytes, at + 2)?))
}

fn jpeg(bytes: &[u8]) -> Option<Codestream> {
    let (mut at, mut found, mut adobe): (usize, Option<Codestream>, Option<u8>) = (2, None, None);
    loop {
        while bytes.get(at)? == &0xFF && bytes.get(at + 1)? == &0xFF {
            at += 1;
        }
        let marker = word(bytes, at)?;
        let (start, length) = (at + 2, usize::from(word(bytes, at + 2)?));
        match marker {
            0xFFC0..=0xFFC2 => found = frame(bytes, start, Kind::JpegDct),
            0xFFC3 => found = frame(bytes, start, Kind::JpegLossless),
            0xFFF7 => found = frame(bytes, start, Kind::JpegLs { planar: false }),
            0xFFEE if bytes.get(start + 2..start + 7) == Some(b"Adobe") => adobe = bytes.get(start + 13).copied(),
            0xFFDA => {
                let mut found = found?;
                found.adobe = adobe;
                if matches!(found.kind, Kind::JpegLs { .. }) {
                    let scan_components = usize::from(*bytes.get(start + 2)?);
                    let interleave = *bytes.get(start + 4 + 2 * scan_components)?;
                    found.kind = Kind::JpegLs { planar: interleave == 0 && found.components > 1 };
                }
                return Some(found);
            }
            0xFF00..=0xFFFF => {}
            _ => return None,
        }
        if length < 2 {
            return None;
        }
        at = start + length;
    }
}

fn frame(bytes: &[u8], start: usize, kind: Kind) -> Option<Codestream> {
    Some(Codestream {
        kind,
        precision: (*bytes.get(start + 2)?).into(),
        height: word(bytes, start + 3)?.into(),
        width: word(bytes, start + 5)?.into(),
        components: (*bytes.get(start + 7)?).into(),
        adobe: None,
        subsampled: false,
        parts: 0,
        frame_at: start + 2,
    })
}

/// Positions just behind the start-of-scan markers. In entropy-coded data 0xFF is always followed by something else.
pub(super) fn scans(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes.windows(2).enumerate().filter(|(_, pair)| *pair == [0xFF, 0xDA]).map(|(at, _)| at + 2)
}

/// How many parts of this size an area has.
fn count((width, height): (u32, u32), (across, down): (u32, u32)) -> u64 {
    u64::from(width.div_ceil(across.max(1))) * u64::from(height.div_ceil(down.max(1)))
}

/// Code-blocks and precincts that a coding style (ISO 15444-1 table A.20) makes of one component.
fn parts_of(style: &[u8], has_precincts: bool, (width, height): (u32, u32)) -> Option<u64> {
    let power = |exponent: u32| 1_u32.checked_shl(exponent).unwrap_or(u32::MAX);
    let (levels, across, down) = (u32::from(*style.first()?), u32::from(*style.get(1)?), u32::from(*style.get(2)?));
    let mut parts = count((width, height), (power((across & 0x0F) + 2), power((down & 0x0F) + 2)));
    let precincts = if has_precincts { style.get(5..)? } else { &[] };
    for (resolution, size) in (0..=levels).zip(precincts) {
        let shrunk = power(levels - resolution);
        let size = (power(u32::from(size & 0x0F)), power(u32::from(size >> 4)));
        parts = parts.saturating_add(count((width.div_ceil(shrunk), height.div_ceil(shrunk)), size));
    }
    Some(parts)
}

fn jpeg_2000(bytes: &[u8]) -> Option<Codestream> {
    if word(bytes, 2)? != 0xFF51 {
        return None;
    }
    let (right, bottom) = (quad(bytes, 8)?, quad(bytes, 12)?);
    let (left, top) = (quad(bytes, 16)?, quad(bytes, 20)?);
    let components = word(bytes, 40)?;
    let depth = *bytes.get(42)?;
    let details = bytes.get(42..42 + 3 * usize::from(components))?;
    let same = |index: usize, value: u8| details.chunks(3).all(|component| component[index] == value);
    let mut at = 4 + usize::from(word(bytes, 4)?);
    let (width, height) = (right.checked_sub(left)?, bottom.checked_sub(top)?);
    let tile = (quad(bytes, 24)?.clamp(1, width.max(1)), quad(bytes, 28)?.clamp(1, height.max(1)));
    let mut parts = count((width, height), tile);
    let mut color_transform = false;
    while let (Some(marker), Some(length)) = (word(bytes, at), word(bytes, at + 2)) {
        if marker == 0xFF52 {
            color_transform = *bytes.get(at + 8)? == 1;
        }
        // COD, and COC, which says the same of one component.
        let style = match marker {
            0xFF52 => Some((at + 4, at + 9)),
            0xFF53 => Some((at + 5, at + 6)),
            _ => None,
        };
        if let Some((flags, style)) = style {
            let style = bytes.get(style..at + 2 + usize::from(length))?;
            parts = parts.saturating_add(parts_of(style, *bytes.get(flags)? & 1 == 1, (width, height))?);
        }
        if marker == 0xFF90 || length < 2 {
            break;
        }
        at += 2 + usize::from(length);
    }
    Some(Codestream {
        kind: Kind::Jpeg2000 { color_transform },
        width,
        height,
        components,
        precision: u16::from(depth & 0x7F) + 1,
        adobe: None,
        subsampled: !(same(0, depth) && same(1, 1) && same(2, 1)),
        parts: parts.saturating_mul(u64::from(components)),
        frame_at: 0,
    })
}
