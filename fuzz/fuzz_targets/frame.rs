//! Any pixel data in any transfer syntax is walked, drawn, decoded and converted without a panic and within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::dicom::convert::{ConvertLimits, convert};
use yingku::dicom::frames::FragmentWalk;
use yingku::dicom::part10;
use yingku::dicom::render::{
    FrameBytes, ImageHeader, PictureFormat, RenderConfig, RenderOptions, render_frame,
};

const EXPLICIT_LE: &str = "1.2.840.10008.1.2.1";
const TRANSFER_SYNTAXES: [&str; 16] = [
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.1",
    "1.2.840.10008.1.2.4.53",
    EXPLICIT_LE,
];
const PHOTOMETRIC: [&str; 6] = ["MONOCHROME2", "MONOCHROME1", "RGB", "YBR_FULL_422", "PALETTE COLOR", "YBR_RCT"];

/// A small image whose attributes come from six bytes, with the rest as one codestream, or as fragments already.
fn image(shape: &[u8], rest: &[u8]) -> Vec<u8> {
    let [syntax, form, rows, columns, frames, bits] = shape else { return Vec::new() };
    let uid = TRANSFER_SYNTAXES[usize::from(*syntax) % TRANSFER_SYNTAXES.len()];
    let mut file = part10::meta("1.2.840.10008.5.1.4.1.1.7", "2.25.1", uid, "");
    let photometric = PHOTOMETRIC[usize::from(*form) % PHOTOMETRIC.len()];
    let samples: u16 = if matches!(photometric, "RGB" | "YBR_FULL_422" | "YBR_RCT") { 3 } else { 1 };
    let allocated: u16 = if bits & 16 == 0 { 8 } else { 16 };
    let stored = u16::from(bits & 15).clamp(1, allocated);
    let mut put = |tag: (u16, u16), vr: &str, value: &[u8]| {
        file.extend(tag.0.to_le_bytes());
        file.extend(tag.1.to_le_bytes());
        file.extend(vr.as_bytes());
        file.extend((value.len() as u16).to_le_bytes());
        file.extend(value);
    };
    put((0x0028, 0x0002), "US", &samples.to_le_bytes());
    put((0x0028, 0x0004), "CS", format!("{photometric:<16}").as_bytes());
    put((0x0028, 0x0008), "IS", format!("{:<2}", frames % 4 + 1).as_bytes());
    put((0x0028, 0x0010), "US", &u16::from(*rows).to_le_bytes());
    put((0x0028, 0x0011), "US", &u16::from(*columns).to_le_bytes());
    put((0x0028, 0x0100), "US", &allocated.to_le_bytes());
    put((0x0028, 0x0101), "US", &stored.to_le_bytes());
    put((0x0028, 0x0102), "US", &(stored - 1).to_le_bytes());
    put((0x0028, 0x0103), "US", &u16::from(bits >> 5 & 1).to_le_bytes());
    if uid == EXPLICIT_LE {
        file.extend(b"\xE0\x7F\x10\0OW\0\0");
        file.extend((rest.len() as u32).to_le_bytes());
        file.extend(rest);
        return file;
    }
    file.extend(b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF");
    if bits & 0x80 == 0 {
        file.extend(b"\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0");
        file.extend((rest.len() as u32).to_le_bytes());
    }
    file.extend(rest);
    file.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0");
    file
}

fuzz_target!(|input: &[u8]| {
    let Some((shape, rest)) = input.split_at_checked(6) else { return };
    // 255 for the transfer syntax means that the input is a file as it is.
    let file = if shape[0] == 255 { rest.to_vec() } else { image(shape, rest) };
    let config = RenderConfig { max_object_bytes: 1 << 20, max_pixels: 1 << 16, ..RenderConfig::default() };
    let limits = ConvertLimits {
        max_header_bytes: 1 << 20,
        max_frame_bytes: 1 << 20,
        max_frame_pixels: 1 << 16,
        max_result_bytes: 4 << 20,
    };
    if let Ok(meta) = part10::read_meta(&file) {
        let data_set = file.get(meta.dataset_offset as usize..).unwrap_or_default();
        let mut converted = Vec::new();
        let _ = convert(data_set, &meta.transfer_syntax_uid, EXPLICIT_LE, &mut converted, &limits);
        assert!(converted.len() as u64 <= limits.max_result_bytes);
    }
    let Ok(header) = ImageHeader::parse(&file) else { return };
    let options = RenderOptions { format: PictureFormat::Png, max_edge: Some(64), ..RenderOptions::default() };
    for frame in 1..=header.frames.min(2) {
        let _ = render_frame(&header, FrameBytes::WholeFile(&file), frame, &options, &config);
    }
    let mut walk = FragmentWalk::new(&header, file.len() as u64);
    while let Some(range) = walk.wants() {
        if walk.push(&file[range.start as usize..range.end as usize]).is_err() {
            return;
        }
    }
    let Ok(map) = walk.finish() else { return };
    for frame in 1..=header.frames.min(2) {
        let Some(range) = map.range(frame) else { continue };
        assert!(range.start <= range.end && range.end <= file.len() as u64);
        let bytes = bytes::Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]);
        if let Ok(bytes) = map.frame(frame, bytes) {
            let _ = render_frame(&header, FrameBytes::Compressed(&bytes), frame, &options, &config);
        }
    }
});
