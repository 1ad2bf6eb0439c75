//! Encodes a data set in another transfer syntax (PS3.5 sections 7, 8, A.1 to A.5), for receivers that cannot take the
//! stored one. The stored object stays as it is.
//!
//! Uncompressed encodings become one another; compressed pixel data is decoded frame by frame (`decode`), nothing is
//! ever compressed. What stands before the pixel data is read into memory, the pixel data itself streams. Sequences get
//! undefined lengths, group lengths are left out; values stay as they are but for the order of their bytes. An object
//! that does not parse to its end is an error: half a conversion would be worse than none.

mod decode;
mod element;
mod source;

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::header::believable_encoding;
use super::render;
use super::transfer_syntax::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, ElementEncoding,
    IMPLICIT_VR_LITTLE_ENDIAN,
};
use element::{Head, RootElements, UNDEFINED_LENGTH, swap};
use source::Source;

const RLE_LOSSLESS: &str = "1.2.840.10008.1.2.5";
const ENCAPSULATED_UNCOMPRESSED: &str = "1.2.840.10008.1.2.1.98";
const DEFLATED_IMAGE_FRAME: &str = "1.2.840.10008.1.2.8.1";
const BITS_ALLOCATED: u32 = 0x0028_0100;
const STREAM_BYTES: usize = 64 * 1024;

/// Limits of a conversion.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConvertLimits {
    /// Everything before the pixel data, in bytes; also what comes behind it. Default 134217728.
    pub max_header_bytes: usize,
    /// One compressed frame, in bytes. Default 134217728.
    pub max_frame_bytes: usize,
    /// Pixels of one frame. Default 67108864.
    pub max_frame_pixels: u64,
    /// The whole result, in bytes. Default 8589934592.
    pub max_result_bytes: u64,
}

impl Default for ConvertLimits {
    fn default() -> Self {
        Self {
            max_header_bytes: 128 << 20,
            max_frame_bytes: 128 << 20,
            max_frame_pixels: 64 << 20,
            max_result_bytes: 8 << 30,
        }
    }
}

/// Why a data set was not converted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No way leads from one transfer syntax to the other.
    #[error("transfer syntax {from} cannot be converted to {to}")]
    NotConvertible {
        /// As it is.
        from: String,
        /// As it should be.
        to: String,
    },
    /// The data set ends too early.
    #[error("the data set ends inside an element")]
    Truncated,
    /// The data set does not follow the rules of its transfer syntax.
    #[error("the data set does not parse: {0}")]
    Malformed(&'static str),
    /// A limit of the configuration.
    #[error("{what} beyond the limit of {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A frame cannot be decoded, or not so that it fits what the header says.
    #[error(transparent)]
    Frame(#[from] render::Error),
    /// Pixel data of a kind that we do not convert.
    #[error("pixel data cannot be converted: {0}")]
    Pixels(&'static str),
    /// The data set could not be read.
    #[error("reading: {0}")]
    Source(std::io::Error),
    /// The result could not be written.
    #[error("writing: {0}")]
    Sink(std::io::Error),
}

/// Whether there is a way from one transfer syntax to another (not whether an object will make it).
pub fn is_convertible(from: &str, to: &str) -> bool {
    is_uncompressed(to) && (is_uncompressed(from) || render::is_decodable(from))
}

fn is_uncompressed(uid: &str) -> bool {
    matches!(
        uid,
        IMPLICIT_VR_LITTLE_ENDIAN
            | EXPLICIT_VR_LITTLE_ENDIAN
            | EXPLICIT_VR_BIG_ENDIAN
            | DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    )
}

/// Reads a data set in one transfer syntax and writes it in another.
pub fn convert(
    source: impl Read,
    from: &str,
    to: &str,
    sink: &mut impl Write,
    limits: &ConvertLimits,
) -> Result<(), Error> {
    if !is_convertible(from, to) {
        return Err(Error::NotConvertible { from: from.to_owned(), to: to.to_owned() });
    }
    let mut counted = Counted { sink, length: 0, limit: limits.max_result_bytes };
    if to == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        let mut deflater = DeflateEncoder::new(&mut counted, Compression::fast());
        by_source(source, from, to, &mut deflater, limits)?;
        deflater.finish().map_err(Error::Sink)?;
        // A data set has an even length, deflated as well (PS3.5 section A.5).
        if counted.length % 2 == 1 {
            counted.write_all(&[0]).map_err(Error::Sink)?;
        }
    } else {
        by_source(source, from, to, &mut counted, limits)?;
    }
    counted.flush().map_err(Error::Sink)
}

fn by_source(
    source: impl Read,
    from: &str,
    to: &str,
    sink: &mut impl Write,
    limits: &ConvertLimits,
) -> Result<(), Error> {
    if from == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        let inflated = DeflateDecoder::new(source).take(limits.max_result_bytes);
        return Conversion::new(Source::new(inflated), from, to, sink, limits)?.run();
    }
    Conversion::new(Source::new(source), from, to, sink, limits)?.run()
}

/// One conversion under way.
struct Conversion<'a, R, W> {
    source: Source<R>,
    sink: &'a mut W,
    from: &'a str,
    /// The encoding that the bytes have, which is not always the one that was declared.
    input: ElementEncoding,
    output: ElementEncoding,
    limits: &'a ConvertLimits,
}

impl<'a, R: Read, W: Write> Conversion<'a, R, W> {
    fn new(
        mut source: Source<R>,
        from: &'a str,
        to: &str,
        sink: &'a mut W,
        limits: &'a ConvertLimits,
    ) -> Result<Self, Error> {
        let declared = ElementEncoding::of(from);
        let input = source.peek::<12>()?.map_or(declared, |first| believable_encoding(declared, &first));
        Ok(Self { source, sink, from, input, output: ElementEncoding::of(to), limits })
    }

    fn run(mut self) -> Result<(), Error> {
        let mut root = RootElements::new(self.input, self.output, self.limits.max_header_bytes);
        let Some(pixels) = root.read(&mut self.source)? else {
            return self.put(&root.concatenated());
        };
        if pixels.length == UNDEFINED_LENGTH {
            // Patched and decoded as Explicit VR Little Endian, whatever it becomes.
            let explicit = root.encoded_as(ElementEncoding::EXPLICIT_LITTLE)?;
            decode::frames(&mut self, &explicit)?;
        } else {
            let bits_allocated = root.unsigned_short(BITS_ALLOCATED).unwrap_or(16);
            self.put(&root.concatenated())?;
            self.native_pixels(&pixels, bits_allocated)?;
        }
        let mut tail = RootElements::new(self.input, self.output, self.limits.max_header_bytes);
        if tail.read(&mut self.source)?.is_some() {
            return Err(Error::Malformed("pixel data twice"));
        }
        self.put(&tail.concatenated())
    }

    /// Pixels that are not compressed: the same bytes, perhaps in another order.
    fn native_pixels(&mut self, pixels: &Head, bits_allocated: u16) -> Result<(), Error> {
        let vr = pixels.vr_for_output(false);
        let unit = match (&vr, bits_allocated) {
            (b"OB" | b"UN", _) => 1,
            (b"OF", _) => 4,
            (b"OD", _) => 8,
            (_, 17..=32) => 4,
            (_, 33..) => 8,
            _ => 2,
        };
        let padding = pixels.length % 2;
        let length = pixels.length.checked_add(padding).filter(|length| *length < UNDEFINED_LENGTH);
        let length = length.ok_or(Error::Malformed("length of pixel data"))?;
        let mut head = Vec::with_capacity(12);
        element::put_head(&mut head, self.output, pixels.tag, vr, length);
        self.put(&head)?;
        let mut left = pixels.length as usize;
        let mut piece = vec![0; STREAM_BYTES];
        while left > 0 {
            let piece = &mut piece[..left.min(STREAM_BYTES)];
            self.source.fill(piece)?;
            if self.input.big_endian != self.output.big_endian {
                swap(piece, unit);
            }
            self.sink.write_all(piece).map_err(Error::Sink)?;
            left -= piece.len();
        }
        self.put(&[0][..padding as usize])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sink.write_all(bytes).map_err(Error::Sink)
    }
}

/// Counts what is written, up to a limit.
struct Counted<'a, W> {
    sink: &'a mut W,
    length: u64,
    limit: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.length + bytes.len() as u64 > self.limit {
            return Err(std::io::Error::other("the result is larger than its limit"));
        }
        let written = self.sink.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests;
