//! Compressed frames: JPEG of 12 bits, and few bytes that promise many pixels.

use super::*;

#[test]
fn twelve_bit_jpeg_of_the_progressive_process_is_refused_rather_than_drawn_wrongly() {
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
