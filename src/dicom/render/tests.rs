use image::GenericImageView as _;

use super::*;

mod compression;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Writes a Part 10 file in Explicit VR Little Endian from elements of short form and pixels.
struct FileBuilder {
    bytes: Vec<u8>,
}

impl FileBuilder {
    fn new(transfer_syntax: &str) -> Self {
        let mut file = Self { bytes: [vec![0; 128], b"DICM".to_vec()].concat() };
        file.put((0x0002, 0x0010), b"UI", transfer_syntax.as_bytes());
        file
    }

    fn put(&mut self, tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> &mut Self {
        let padded = value.len().next_multiple_of(2);
        self.bytes.extend_from_slice(&tag.0.to_le_bytes());
        self.bytes.extend_from_slice(&tag.1.to_le_bytes());
        self.bytes.extend_from_slice(vr);
        if [b"OW", b"OB", b"SQ", b"UN"].contains(&vr) {
            self.bytes.extend_from_slice(&[0, 0]);
            self.bytes.extend_from_slice(&(padded as u32).to_le_bytes());
        } else {
            self.bytes.extend_from_slice(&(padded as u16).to_le_bytes());
        }
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len() + padded - value.len(), 0);
        self
    }

    fn number(&mut self, element: u16, value: u16) -> &mut Self {
        self.put((0x0028, element), b"US", &value.to_le_bytes())
    }

    /// Rows, Columns, Bits Allocated, Bits Stored, Pixel Representation.
    fn image(&mut self, photometric: &str, samples: u16, shape: [u16; 5]) -> &mut Self {
        self.number(0x0002, samples).put((0x0028, 0x0004), b"CS", photometric.as_bytes());
        self.number(0x0010, shape[0]).number(0x0011, shape[1]).number(0x0100, shape[2]).number(0x0101, shape[3]);
        self.number(0x0102, shape[3] - 1).number(0x0103, shape[4])
    }

    fn words(&mut self, pixels: &[i16]) -> Vec<u8> {
        let bytes: Vec<u8> = pixels.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.put((0x7FE0, 0x0010), b"OW", &bytes).bytes.clone()
    }
}

fn png() -> RenderOptions {
    RenderOptions { format: PictureFormat::Png, ..RenderOptions::default() }
}

fn render(file: &[u8], frame: u32, options: &RenderOptions) -> Result<RenderedFrame, Error> {
    let header = ImageHeader::parse(file)?;
    render_frame(&header, FrameBytes::WholeFile(file), frame, options, &RenderConfig::default())
}

fn levels(file: &[u8], options: &RenderOptions) -> Vec<u8> {
    let rendered = render(file, 1, options).unwrap();
    image::load_from_memory(&rendered.bytes).unwrap().to_luma8().into_raw()
}

#[test]
fn a_linear_window_is_applied_to_rescaled_signed_values() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [1, 4, 16, 12, 1]);
    file.put((0x0028, 0x1050), b"DS", b"100.5").put((0x0028, 0x1051), b"DS", b"101");
    file.put((0x0028, 0x1052), b"DS", b"-1000").put((0x0028, 0x1053), b"DS", b"2");
    // -1000 + 2x: 0, 50, 100, 150; from 50 to 150 the window is a ramp.
    let file = file.words(&[500, 525, 550, 575]);

    assert_eq!(levels(&file, &png()), [0, 0, 128, 255]);
}

#[test]
fn monochrome1_is_drawn_inverted_and_inverting_again_gives_the_plain_picture() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME1", 1, [1, 3, 16, 16, 0]);
    let file = file.words(&[0, 100, 200]);

    assert_eq!(levels(&file, &png()), [255, 127, 0]);
    assert_eq!(levels(&file, &RenderOptions { invert: true, ..png() }), [0, 128, 255]);
}

#[test]
fn the_automatic_window_leaves_pixel_padding_out() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [1, 4, 16, 16, 1]);
    file.put((0x0028, 0x0120), b"SS", &(-2000i16).to_le_bytes());
    let file = file.words(&[-2000, 0, 10, 20]);

    let rendered = render(&file, 1, &png()).unwrap();

    assert_eq!(rendered.window, Some(Window { center: 10.5, width: 21.0 }));
    assert_eq!(levels(&file, &png()), [0, 0, 128, 255]);
}

#[test]
fn the_asked_window_wins_over_the_object_s_own() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [1, 2, 16, 16, 0]);
    file.put((0x0028, 0x1050), b"DS", b"10").put((0x0028, 0x1051), b"DS", b"5");
    let file = file.words(&[0, 1000]);

    let asked = Window { center: 1000.5, width: 2001.0 };
    let rendered = render(&file, 1, &RenderOptions { window: Some(asked), ..png() }).unwrap();

    assert_eq!(rendered.window, Some(asked));
    assert_eq!(levels(&file, &RenderOptions { window: Some(asked), ..png() }), [0, 128]);
}

#[test]
fn a_palette_gives_the_colours_of_its_tables() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("PALETTE COLOR", 1, [1, 2, 8, 8, 0]);
    for channel in 0..3u16 {
        let descriptor = [2u16, 5, 16].map(u16::to_le_bytes).concat();
        file.put((0x0028, 0x1101 + channel), b"US", &descriptor);
    }
    for channel in 0..3u16 {
        let entries = [0x1000u16 * (channel + 1), 0xFF00].map(u16::to_le_bytes).concat();
        file.put((0x0028, 0x1201 + channel), b"OW", &entries);
    }
    let file = file.put((0x7FE0, 0x0010), b"OB", &[5, 6]).bytes.clone();

    let picture = image::load_from_memory(&render(&file, 1, &png()).unwrap().bytes).unwrap().to_rgb8();

    assert_eq!(picture.into_raw(), [0x10, 0x20, 0x30, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn planar_colour_and_rotation_land_where_they_belong() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("RGB", 3, [1, 2, 8, 8, 0]).number(0x0006, 1);
    let file = file.put((0x7FE0, 0x0010), b"OB", &[255, 0, 0, 255, 0, 0]).bytes.clone();

    let options = RenderOptions { rotate: Rotation::Quarter, ..png() };
    let picture = image::load_from_memory(&render(&file, 1, &options).unwrap().bytes).unwrap();

    assert_eq!(picture.dimensions(), (1, 2));
    assert_eq!(picture.to_rgb8().into_raw(), [255, 0, 0, 0, 255, 0]);
}

#[test]
fn one_frame_of_a_long_run_needs_only_its_own_bytes() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.put((0x0028, 0x0008), b"IS", b"3").image("MONOCHROME2", 1, [1, 2, 8, 8, 0]);
    let header_length = file.bytes.len();
    let file = file.put((0x7FE0, 0x0010), b"OB", &[0, 1, 0, 255, 9, 9]).bytes.clone();
    let header = ImageHeader::parse(&file[..header_length]).unwrap();

    let range = header.native_frame_range(2).unwrap();
    let frame = &file[range.start as usize..range.end as usize];
    let rendered = render_frame(&header, FrameBytes::Native(frame), 2, &png(), &RenderConfig::default()).unwrap();

    assert_eq!(frame, [0, 255]);
    assert_eq!(image::load_from_memory(&rendered.bytes).unwrap().to_luma8().into_raw(), [0, 255]);
    assert_eq!(header.native_frame_range(4), None);
}

#[test]
fn run_lengths_are_undone_with_the_high_byte_first() {
    let mut file = FileBuilder::new("1.2.840.10008.1.2.5");
    file.image("MONOCHROME2", 1, [1, 3, 16, 16, 0]);
    let mut fragment = vec![0; 64];
    fragment[0] = 2;
    fragment[4] = 64;
    fragment[8] = 66;
    fragment.extend_from_slice(&[254, 1, 2, 0, 100, 200]);
    encapsulate(&mut file, &[], &[&fragment]);

    let rendered = render(&file.bytes, 1, &png()).unwrap();

    assert_eq!(rendered.window, Some(Window { center: 356.5, width: 201.0 }));
    assert_eq!(levels(&file.bytes, &png()), [0, 128, 255]);
}

/// Appends pixel data of undefined length: an offset table and fragments.
fn encapsulate(file: &mut FileBuilder, offsets: &[u32], fragments: &[&[u8]]) {
    file.bytes.extend_from_slice(&[0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    let table: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    for value in std::iter::once(table.as_slice()).chain(fragments.iter().copied()) {
        file.bytes.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
        file.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        file.bytes.extend_from_slice(value);
    }
    file.bytes.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
}

#[test]
fn the_offset_table_tells_which_fragments_make_a_frame() {
    let mut file = FileBuilder::new("1.2.840.10008.1.2.1.98");
    file.put((0x0028, 0x0008), b"IS", b"2").image("MONOCHROME2", 1, [1, 4, 8, 8, 0]);
    file.put((0x0028, 0x1050), b"DS", b"128").put((0x0028, 0x1051), b"DS", b"256");
    encapsulate(&mut file, &[0, 20], &[&[1, 2], &[3, 4], &[5, 6, 7, 8]]);
    let header = ImageHeader::parse(&file.bytes).unwrap();

    assert_eq!(header.native_frame_range(1), None);
    let second = render(&file.bytes, 2, &png()).unwrap();
    assert_eq!(levels(&file.bytes, &png()), [1, 2, 3, 4]);
    assert_eq!(image::load_from_memory(&second.bytes).unwrap().to_luma8().into_raw(), [5, 6, 7, 8]);
}

#[test]
fn big_endian_words_are_turned_round() {
    let mut file = FileBuilder::new("1.2.840.10008.1.2.2");
    for (tag, value) in [(0x0010u16, 1u16), (0x0011, 2), (0x0100, 16), (0x0101, 16), (0x0102, 15), (0x0103, 0)] {
        file.bytes.extend_from_slice(&[0x00, 0x28]);
        file.bytes.extend_from_slice(&tag.to_be_bytes());
        file.bytes.extend_from_slice(&[b'U', b'S', 0, 2]);
        file.bytes.extend_from_slice(&value.to_be_bytes());
    }
    file.bytes.extend_from_slice(&[0x7F, 0xE0, 0x00, 0x10, b'O', b'W', 0, 0, 0, 0, 0, 4, 0x01, 0x00, 0x02, 0x00]);

    assert_eq!(render(&file.bytes, 1, &png()).unwrap().window, Some(Window { center: 384.5, width: 257.0 }));
    assert_eq!(levels(&file.bytes, &png()), [0, 255]);
}

#[test]
fn a_voi_lut_draws_its_entries() {
    let mut item = FileBuilder { bytes: Vec::new() };
    let descriptor = [3u16, 10, 8].map(u16::to_le_bytes).concat();
    let entries = [0u16, 51, 255].map(u16::to_le_bytes).concat();
    item.put((0x0028, 0x3002), b"US", &descriptor).put((0x0028, 0x3006), b"OW", &entries);
    let mut sequence = vec![0xFE, 0xFF, 0x00, 0xE0, item.bytes.len() as u8, 0, 0, 0];
    sequence.extend_from_slice(&item.bytes);
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [1, 4, 16, 16, 0]).put((0x0028, 0x3010), b"SQ", &sequence);
    let file = file.words(&[9, 11, 12, 99]);

    assert_eq!(render(&file, 1, &png()).unwrap().window, None);
    assert_eq!(levels(&file, &png()), [0, 51, 255, 255]);
}

#[test]
fn an_overlay_is_drawn_in_white_at_its_origin() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [1, 3, 16, 16, 0]);
    file.put((0x0028, 0x1050), b"DS", b"50").put((0x0028, 0x1051), b"DS", b"100");
    file.put((0x6000, 0x0010), b"US", &1u16.to_le_bytes()).put((0x6000, 0x0011), b"US", &2u16.to_le_bytes());
    file.put((0x6000, 0x0050), b"SS", &[1, 0, 2, 0]).put((0x6000, 0x3000), b"OW", &[0b10, 0]);
    let file = file.words(&[0, 0, 0]);

    assert_eq!(levels(&file, &png()), [0, 0, 255]);
}

#[test]
fn pixels_twice_as_high_as_wide_give_a_picture_twice_as_high() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.put((0x0028, 0x0034), b"IS", b"2\\1").image("MONOCHROME2", 1, [2, 4, 16, 16, 0]);
    let file = file.words(&[0, 1, 2, 3, 4, 5, 6, 7]);

    let rendered = render(&file, 1, &png()).unwrap();
    let small = render(&file, 1, &RenderOptions { max_edge: Some(2), ..png() }).unwrap();

    assert_eq!((rendered.width, rendered.height), (4, 4));
    assert_eq!((small.width, small.height), (2, 2));
}

#[test]
fn a_spacing_goes_before_the_aspect_ratio_and_the_image_s_before_the_detector_s() {
    let size = |elements: &[((u16, u16), &str)]| {
        let mut file = FileBuilder::new(EXPLICIT);
        for (tag, value) in elements {
            file.put(*tag, b"DS", value.as_bytes());
        }
        file.image("MONOCHROME2", 1, [2, 4, 16, 16, 0]);
        let rendered = render(&file.words(&[0, 1, 2, 3, 4, 5, 6, 7]), 1, &png()).unwrap();
        (rendered.width, rendered.height)
    };
    let (spacing, detector, scanned, ratio) = ((0x0028, 0x0030), (0x0018, 0x1164), (0x0018, 0x2010), (0x0028, 0x0034));

    assert_eq!(size(&[(spacing, "1.0\\0.5"), (ratio, "1\\1")]), (4, 4));
    assert_eq!(size(&[(spacing, "0.5\\0.5"), (ratio, "2\\1")]), (4, 2));
    assert_eq!(size(&[(detector, "0.2\\0.1"), (spacing, "1\\1")]), (4, 2));
    assert_eq!(size(&[(detector, "0.2\\0.1"), (ratio, "1\\1")]), (4, 4));
    assert_eq!(size(&[(scanned, "0.2\\0.1"), (ratio, "1\\1")]), (4, 4));
    assert_eq!(size(&[(spacing, "0\\0"), (ratio, "2\\1")]), (4, 4), "what is no size is none");
}

#[test]
fn a_frame_of_absurd_size_is_refused_before_it_is_allocated() {
    let mut file = FileBuilder::new("1.2.840.10008.1.2.5");
    file.image("MONOCHROME2", 1, [65535, 65535, 16, 16, 0]);
    file.bytes.extend_from_slice(&[0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);

    assert!(matches!(render(&file.bytes, 1, &png()), Err(Error::TooLarge { what: "pixels", .. })));
}

#[test]
fn bytes_that_are_cut_anywhere_give_an_error_and_no_panic() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [2, 2, 16, 16, 0]);
    let file = file.words(&[1, 2, 3, 4]);
    for length in 0..file.len() {
        assert!(render(&file[..length], 1, &png()).is_err(), "cut at {length}");
    }
}

#[test]
fn damaged_bytes_never_panic() {
    let mut native = FileBuilder::new(EXPLICIT);
    native.put((0x0028, 0x0008), b"IS", b"2").image("MONOCHROME2", 1, [2, 2, 16, 12, 1]);
    native.put((0x0028, 0x1050), b"DS", b"100.5").put((0x0028, 0x1051), b"DS", b"101");
    let native = native.words(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let mut state = 1u32;
    for _ in 0..5_000 {
        let mut damaged = native.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = 130 + (state >> 8) as usize % (damaged.len() - 130);
            damaged[at] = (state >> 3) as u8;
        }
        let _ = render(&damaged, 1, &png());
        let _ = render(&damaged, 2, &png());
    }
    assert!(render(&native, 2, &png()).is_ok(), "the undamaged file is drawn");
}

/// Every sample file of a folder gives a picture or a clear error; `YINGKU_DICOM_SAMPLES` names the folder.
#[test]
fn sample_files_are_drawn_or_refused() {
    let Ok(folder) = std::env::var("YINGKU_DICOM_SAMPLES") else { return };
    let (mut drawn, mut refused) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dcm") {
            continue;
        }
        let file = std::fs::read(&path).unwrap();
        let frames = ImageHeader::parse(&file).map_or(1, |header| header.frames);
        for frame in [1, frames] {
            match render(&file, frame, &png()) {
                Ok(rendered) => {
                    assert!(image::load_from_memory(&rendered.bytes).is_ok(), "{}", path.display());
                    drawn += 1;
                }
                Err(error) => {
                    println!("{}: {error}", path.display());
                    refused += 1;
                }
            }
        }
    }
    assert!(drawn > refused, "{drawn} drawn, {refused} refused");
}

#[test]
fn a_region_is_cut_out_mirrored_and_enlarged_to_the_viewport() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [2, 3, 16, 16, 0]);
    let file = file.words(&[0, 10, 20, 30, 40, 50]);
    let window = Some(Window { center: 128.0, width: 256.0 });
    let region = Region { left: 1, top: 0, width: 9, height: 1, mirrored: false, upside_down: false };
    let options = RenderOptions { window, region: Some(region), ..png() };
    assert_eq!(levels(&file, &options), [10, 20]);
    let mirrored = RenderOptions { region: Some(Region { mirrored: true, ..region }), ..options };
    assert_eq!(levels(&file, &mirrored), [20, 10]);
    let all = Region { left: 0, height: 2, upside_down: true, ..region };
    assert_eq!(levels(&file, &RenderOptions { region: Some(all), ..options }), [30, 40, 50, 0, 10, 20]);

    let enlarged = render(&file, 1, &RenderOptions { viewport: Some((100, 30)), ..options }).unwrap();
    assert_eq!((enlarged.width, enlarged.height), (60, 30));
    let outside = Region { left: 3, ..region };
    assert!(matches!(render(&file, 1, &RenderOptions { region: Some(outside), ..options }), Err(Error::NoRegion)));
}

#[test]
fn a_window_is_applied_by_the_function_that_is_asked_for() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [1, 3, 16, 16, 0]);
    let file = file.words(&[0, 100, 200]);
    let asked = |function| RenderOptions {
        window: Some(Window { center: 100.0, width: 200.0 }),
        function: Some(function),
        ..png()
    };
    assert_eq!(levels(&file, &asked(VoiFunction::LinearExact)), [0, 128, 255]);
    assert_eq!(levels(&file, &asked(VoiFunction::Linear)), [0, 128, 255]);
    assert_eq!(levels(&file, &asked(VoiFunction::Sigmoid)), [30, 128, 225]);
}

#[test]
fn a_gif_has_the_levels_of_the_png() {
    let mut file = FileBuilder::new(EXPLICIT);
    file.image("MONOCHROME2", 1, [1, 3, 16, 16, 0]);
    let file = file.words(&[0, 77, 255]);
    let options = RenderOptions { window: Some(Window { center: 128.0, width: 256.0 }), ..png() };
    let gif = render(&file, 1, &RenderOptions { format: PictureFormat::Gif, ..options }).unwrap();
    let mut reader = gif::DecodeOptions::new();
    reader.set_color_output(gif::ColorOutput::RGBA);
    let mut reader = reader.read_info(gif.bytes.as_slice()).unwrap();
    let frame = reader.read_next_frame().unwrap().unwrap();
    let red: Vec<u8> = frame.buffer.chunks(4).map(|pixel| pixel[0]).collect();
    assert_eq!((gif.media_type, red), ("image/gif", levels(&file, &options)));
}
