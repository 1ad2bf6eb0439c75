//! Compressed frames: JPEG of 12 bits, and few bytes that promise many pixels.

use super::*;
use crate::dicom::render::extended_jpeg::test_encoder::{PROGRESSIVE, Pass, Picture};

#[test]
fn a_progressive_scan_that_no_process_has_is_refused_rather_than_drawn_wrongly() {
    let mut file = FileBuilder::new("1.2.840.10008.1.2.4.51");
    file.image("MONOCHROME2", 1, [1, 1, 16, 12, 0]);
    let stream = [0xFF, 0xD8, 0xFF, 0xC2, 0, 11, 12, 0, 1, 0, 1, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0];
    encapsulate(&mut file, &[], &[&stream]);

    assert!(matches!(render(&file.bytes, 1, &png()), Err(Error::Codec { .. })));
}

/// 9 by 9 pixels in four blocks: an average for each, and one wave in the first.
fn twelve_bits() -> Vec<u8> {
    let mut stream = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    stream.extend([1; 64]);
    stream.extend([0xFF, 0xC1, 0, 11, 12, 0, 9, 0, 9, 1, 1, 0x11, 0]);
    // Averages: 0 for no change, 10 for a code of one bit; waves: 0 for the end, 10 for a number of 8 bits.
    for (class, values) in [(0x00, [0, 11]), (0x10, [0, 8])] {
        stream.extend([0xFF, 0xC4, 0, 21, class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        stream.extend(values);
    }
    stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    // 10 11111111000 (an average of 2040) 10 11111111 (255) 0 | 0 0 | 10 00000000000 (-2047) 0 | 0 0, filled up with ones.
    let bits = "101111111100010111111110001000000000000000";
    let bits = format!("{bits:1<48}");
    for at in (0..bits.len()).step_by(8) {
        let byte = u8::from_str_radix(&bits[at..at + 8], 2).unwrap();
        stream.push(byte);
        if byte == 0xFF {
            stream.push(0);
        }
    }
    stream.extend([0xFF, 0xD9]);
    stream
}

#[test]
fn twelve_bit_jpeg_is_decoded_as_its_waves_say() {
    let header = header_with("1.2.840.10008.1.2.4.51", [9, 9, 16, 12, 0]);
    let stream = twelve_bits();
    let frame = uncompressed_frame(&header, stream.clone(), &RenderConfig::default()).unwrap();
    let samples: Vec<u16> = frame.bytes.chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
    // An average of 2040 is 255 for each sample; the wave of 255 adds 255 / 8 * sqrt(2) * cos(pi / 16) at the left.
    assert_eq!((samples[0], samples[7], samples[8]), (2048 + 255 + 44, 2048 + 255 - 44, 2048 + 255));
    assert_eq!(samples[72..80], samples[72..73].repeat(8), "the third block is even");
    assert_eq!(samples[72], 2047);

    let mut refused = 0;
    for cut in 0..stream.len() - 3 {
        refused += usize::from(uncompressed_frame(&header, stream[..cut].to_vec(), &RenderConfig::default()).is_err());
    }
    assert_eq!(refused, stream.len() - 3, "half a picture is none");
}

#[test]
fn damaged_twelve_bit_jpeg_never_panics() {
    let header = header_with("1.2.840.10008.1.2.4.51", [9, 9, 16, 12, 0]);
    let mut seed = 7_u32;
    for _ in 0..20_000 {
        let mut stream = twelve_bits();
        for _ in 0..3 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (seed >> 8) as usize % stream.len();
            stream[at] = (seed >> 24) as u8;
        }
        let config = RenderConfig { max_pixels: 1 << 16, ..RenderConfig::default() };
        let _ = uncompressed_frame(&header, stream, &config);
    }
}

/// 16 by 8 pixels of one colour in 12 bits, progressive: 2448, 1888, 2288 in the components, of which the last two have half
/// as many samples. Adobe's marker says what they are, where it is wanted.
fn one_color(adobe: Option<u8>) -> Vec<u8> {
    let picture = Picture::new((16, 8), &[(2, 1), (1, 1), (1, 1)], |plane, _| {
        let mut block = [0; 64];
        block[0] = 8 * [400, -160, 240][plane];
        block
    });
    let pass = |high, low| Pass { planes: vec![0, 1, 2], band: (0, 0), high, low };
    let mut stream = picture.encode(PROGRESSIVE, &[pass(0, 1), pass(1, 0)], 0);
    if let Some(transform) = adobe {
        let marker = [&[0xFF, 0xEE, 0, 14][..], b"Adobe", &[0, 100, 0, 0, 0, 0, transform]].concat();
        stream = [&stream[..2], &marker, &stream[2..]].concat();
    }
    stream
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn color_file(photometric: &str, stream: &[u8]) -> Vec<u8> {
    let mut file = FileBuilder::new("1.2.840.10008.1.2.4.55");
    file.image(photometric, 3, [8, 16, 16, 12, 0]);
    encapsulate(&mut file, &[], &[stream]);
    file.bytes
}

#[test]
fn colours_of_twelve_bits_come_out_as_the_header_declares_them() {
    let (components, in_rgb): ([u16; 3], [u16; 3]) = ([2448, 1888, 2288], [2784, 2332, 2164]);
    // Nothing or Adobe's marker says that they are YCbCr, or RGB; the header declares one of both.
    for (photometric, adobe, expected) in [
        ("YBR_FULL", None, components),
        ("YBR_FULL", Some(1), components),
        ("RGB", None, components),
        ("RGB", Some(0), components),
        ("RGB", Some(1), in_rgb),
    ] {
        let (stream, what) = (one_color(adobe), format!("{photometric} {adobe:?}"));
        let file = color_file(photometric, &stream);
        let header = ImageHeader::parse(&file).unwrap();
        let frame = uncompressed_frame(&header, stream, &RenderConfig::default()).unwrap();
        assert_eq!((frame.photometric, frame.bits_allocated, frame.bits_stored), (Some(photometric), 16, 12), "{what}");
        assert_eq!(words(&frame.bytes), expected.repeat(128), "{what}");
        assert_eq!(words(&frame.as_described(&header).unwrap()), expected.repeat(128), "{what}");

        let picture = image::load_from_memory(&render(&file, 1, &png()).unwrap().bytes).unwrap().to_rgb8();
        let color = if photometric == "RGB" { expected } else { in_rgb };
        for (found, expected) in picture.into_raw().iter().zip(color.repeat(128)) {
            assert!(i32::from(*found).abs_diff(i32::from(expected) / 16) <= 1, "{what}: {found} for {expected}");
        }
    }
}

#[test]
fn shared_chrominance_of_twelve_bits_is_given_as_the_header_says() {
    let stream = one_color(None);
    let header = ImageHeader::parse(&color_file("YBR_FULL_422", &stream)).unwrap();
    let frame = uncompressed_frame(&header, stream, &RenderConfig::default()).unwrap();
    assert_eq!(frame.photometric, Some("YBR_FULL"));
    assert_eq!(words(&frame.as_described(&header).unwrap()), [2448_u16, 2448, 1888, 2288].repeat(64));

    // Of a codestream that holds RGB the chrominance is worked out.
    let stream = one_color(Some(0));
    let frame = uncompressed_frame(&header, stream, &RenderConfig::default()).unwrap();
    // 0.299 · 2448 + 0.587 · 1888 + 0.114 · 2288; the differences by 1.772 and 1.402.
    assert_eq!(words(&frame.as_described(&header).unwrap()), [2101_u16, 2101, 2154, 2295].repeat(64));
}

#[test]
fn coefficients_and_scans_are_held_against_limits() {
    let stream = one_color(None);
    let header = ImageHeader::parse(&color_file("YBR_FULL", &stream)).unwrap();
    let config = RenderConfig { max_object_bytes: 16 * 8 * 3 * 2 - 1, ..RenderConfig::default() };
    let refused = uncompressed_frame(&header, stream, &config);
    assert!(matches!(refused, Err(Error::TooLarge { what: "bytes of coefficients", .. })), "{refused:?}");

    let mut stream = vec![0xFF, 0xD8, 0xFF, 0xC2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0];
    for _ in 0..300 {
        stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0]);
    }
    let header = header_with("1.2.840.10008.1.2.4.55", [8, 8, 8, 8, 0]);
    let refused = uncompressed_frame(&header, stream, &RenderConfig::default());
    assert!(matches!(refused, Err(Error::TooLarge { what: "scans", .. })), "{refused:?}");
}

#[test]
fn arithmetic_codes_are_refused_and_said_to_be() {
    for syntax in ["1.2.840.10008.1.2.4.52", "1.2.840.10008.1.2.4.54", "1.2.840.10008.1.2.4.56"] {
        for precision in [8, 12] {
            let mut stream = vec![0xFF, 0xD8, 0xFF, 0xCA, 0, 11, precision, 0, 8, 0, 8, 1, 1, 0x11, 0];
            stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0, 0, 0, 0xFF, 0xD9]);
            let header = header_with(syntax, [8, 8, 16, 12, 0]);
            let refused = uncompressed_frame(&header, stream, &RenderConfig::default());
            assert!(matches!(&refused, Err(Error::UnsupportedTransferSyntax { uid }) if uid == syntax), "{refused:?}");
            assert!(!is_decodable(syntax));
        }
    }
}

#[test]
fn a_frame_of_jpeg_ls_that_is_cut_off_is_refused_or_drawn_and_holds_nobody_up() {
    let header = header_with("1.2.840.10008.1.2.4.80", [46, 62, 16, 16, 0]);
    // SOI, SOF55 with 16 bits, LSE with the thresholds of an encoder, SOS, and what is no picture, without EOI.
    let mut stream = vec![0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 16, 0, 46, 0, 62, 1, 1, 0x11, 0];
    stream.extend([0xFF, 0xF8, 0, 13, 1, 0xFF, 0xFF, 0, 0x12, 0, 0x43, 1, 0x14, 0, 0x40]);
    stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0]);
    let mut seed = 7_u32;
    for _ in 0..200 {
        let mut damaged = stream.clone();
        for _ in 0..417 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            damaged.push(((seed >> 24) as u8).min(0xFE));
        }
        let _ = uncompressed_frame(&header, damaged, &RenderConfig::default());
    }
}

fn header_with(transfer_syntax: &str, shape: [u16; 5]) -> ImageHeader {
    let mut file = FileBuilder::new(transfer_syntax);
    file.image("MONOCHROME2", 1, shape);
    file.put((0x7FE0, 0x0010), b"OB", &[]);
    ImageHeader::parse(&file.bytes).unwrap()
}

/// A compressed frame of few bytes that promises so many pixels, in each compression.
fn bombs(columns: u16, rows: u16) -> Vec<(&'static str, Vec<u8>)> {
    let (w, h) = (columns.to_be_bytes(), rows.to_be_bytes());
    let jpeg = |frame: u8, precision: u8| {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, frame, 0, 11, precision, h[0], h[1], w[0], w[1], 1, 1, 0x11, 0];
        bytes.extend_from_slice(&[0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
        bytes.resize(200, 0);
        bytes
    };
    let wide = |number: u16| u32::from(number).to_be_bytes();
    let j2k = |tile: u32, block: u8, precincts: &[u8]| {
        let mut bytes = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
        for quad in [wide(columns), wide(rows), [0; 4], [0; 4], tile.to_be_bytes(), tile.to_be_bytes(), [0; 4], [0; 4]]
        {
            bytes.extend_from_slice(&quad);
        }
        bytes.extend_from_slice(&[0, 1, 7, 1, 1, 0xFF, 0x52, 0, 12 + precincts.len() as u8]);
        bytes.extend_from_slice(&[u8::from(!precincts.is_empty()), 0, 0, 1, 0, 0, block, block, 0, 1]);
        bytes.extend_from_slice(precincts);
        bytes.extend_from_slice(&[0xFF, 0x90, 0, 10]);
        bytes.resize(200, 0);
        bytes
    };
    // Signature, then the size: no small one, 30 bits for the height less one, no ratio, 30 bits for the width.
    let mut jxl = vec![0xFF, 0x0A];
    let size = u128::from(rows - 1) << 3 | 0b110 | u128::from(columns - 1) << 38 | 0b11 << 36;
    jxl.extend_from_slice(&(size | 1 << 68).to_le_bytes());
    let rle = [&1_u32.to_le_bytes()[..], &64_u32.to_le_bytes(), &[0; 56], &[0x81, 7]].concat();
    vec![
        ("1.2.840.10008.1.2.5", rle),
        ("1.2.840.10008.1.2.4.50", jpeg(0xC0, 8)),
        ("1.2.840.10008.1.2.4.70", jpeg(0xC3, 8)),
        ("1.2.840.10008.1.2.4.80", jpeg(0xF7, 8)),
        ("1.2.840.10008.1.2.4.90", j2k(1 << 16, 4, &[])),
        ("1.2.840.10008.1.2.4.90", j2k(1, 4, &[])),
        ("1.2.840.10008.1.2.4.90", j2k(1 << 16, 0, &[])),
        ("1.2.840.10008.1.2.4.90", j2k(1 << 16, 4, &[0])),
        ("1.2.840.10008.1.2.4.201", j2k(1, 4, &[])),
        ("1.2.840.10008.1.2.4.110", jxl),
        ("1.2.840.10008.1.2.8.1", vec![1; 64]),
    ]
}

fn header_of(transfer_syntax: &str, columns: u16, rows: u16) -> ImageHeader {
    let mut file = FileBuilder::new(transfer_syntax);
    file.image("MONOCHROME2", 1, [rows, columns, 8, 8, 0]);
    file.put((0x7FE0, 0x0010), b"OB", &[]);
    ImageHeader::parse(&file.bytes).unwrap()
}

#[test]
fn few_bytes_that_promise_many_pixels_are_refused_by_every_decoder() {
    let config = RenderConfig::default();
    for (syntax, frame) in bombs(u16::MAX, u16::MAX) {
        // The header tells the truth about the promise, or hides it.
        for (columns, rows) in [(u16::MAX, u16::MAX), (64, 64)] {
            let header = header_of(syntax, columns, rows);
            let refused = uncompressed_frame(&header, frame.clone(), &config);
            assert!(refused.is_err(), "{syntax} as {columns} by {rows}");
            if columns == u16::MAX {
                assert!(matches!(refused, Err(Error::TooLarge { what: "pixels", .. })), "{syntax}: {refused:?}");
            }
        }
    }
}

#[test]
fn within_the_limit_of_pixels_a_promise_must_be_possible() {
    let config = RenderConfig::default();
    let may_be_true =
        |syntax: &str| ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.8.1"].contains(&syntax);
    for (at, (syntax, frame)) in bombs(8000, 8000).into_iter().enumerate() {
        if may_be_true(syntax) || at == 4 {
            continue;
        }
        let refused = uncompressed_frame(&header_of(syntax, 8000, 8000), frame, &config);
        let reason = refused.map(|_| ()).unwrap_err().to_string();
        let told = ["damaged segments", "too short for its size", "tiles, precincts and code-blocks"];
        assert!(told.iter().any(|told| reason.contains(told)), "{at} {syntax}: {reason}");
    }
}
