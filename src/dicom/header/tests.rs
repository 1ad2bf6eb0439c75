//! Data sets in every encoding, whole, cut, mislabelled, nested, damaged.

use std::io::Write;

use super::*;
use crate::dicom::attributes::RequestAttributes;
use crate::dicom::text::Charset;
use crate::dicom::transfer_syntax::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};

/// Writes elements in one of the three encodings.
struct Builder {
    encoding: ElementEncoding,
    bytes: Vec<u8>,
}

impl Builder {
    fn new(transfer_syntax_uid: &str) -> Self {
        Self { encoding: ElementEncoding::of(transfer_syntax_uid), bytes: Vec::new() }
    }

    fn number(&mut self, value: u32, width: usize) {
        let bytes = if self.encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let half = if self.encoding.big_endian { &bytes[4 - width..] } else { &bytes[..width] };
        self.bytes.extend_from_slice(half);
    }

    fn head(mut self, tag: u32, vr: &str, length: u32) -> Self {
        self.number(tag >> 16, 2);
        self.number(tag & 0xFFFF, 2);
        if !self.encoding.explicit_vr || tag >> 16 == 0xFFFE {
            self.number(length, 4);
        } else if matches!(vr, "OB" | "OW" | "SQ" | "UN" | "UT") {
            self.bytes.extend_from_slice(vr.as_bytes());
            self.bytes.extend_from_slice(&[0, 0]);
            self.number(length, 4);
        } else {
            self.bytes.extend_from_slice(vr.as_bytes());
            self.number(length, 2);
        }
        self
    }

    fn text(mut self, tag: u32, vr: &str, value: &str) -> Self {
        let padded = if value.len() % 2 == 1 { format!("{value} ") } else { value.to_owned() };
        self = self.head(tag, vr, padded.len() as u32);
        self.bytes.extend_from_slice(padded.as_bytes());
        self
    }

    fn short(mut self, tag: u32, value: u16) -> Self {
        self = self.head(tag, "US", 2);
        self.number(u32::from(value), 2);
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }
}

const UNDEFINED: u32 = 0xFFFF_FFFF;

fn image(transfer_syntax_uid: &str) -> Builder {
    Builder::new(transfer_syntax_uid)
        .text(0x0008_0005, "CS", "ISO_IR 192")
        .text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.2")
        .text(0x0008_0060, "CS", "CT")
        .head(0x0008_1140, "SQ", UNDEFINED)
        .head(0xFFFE_E000, "", UNDEFINED)
        .text(0x0008_0060, "CS", "MR")
        .head(0xFFFE_E00D, "", 0)
        .head(0xFFFE_E000, "", 10)
        .raw(&[0xAA; 10])
        .head(0xFFFE_E0DD, "", 0)
        .text(0x0010_0010, "PN", "Wang^XiaoDong=王^小东==")
        .text(0x0020_0013, "IS", "7")
        .short(0x0028_0010, 512)
        .short(0x0028_0011, 256)
        .text(0x0040_0244, "DA", "2024.03.22")
        .head(0x0040_0275, "SQ", UNDEFINED)
        .head(0xFFFE_E000, "", UNDEFINED)
        .head(0x0040_0008, "SQ", UNDEFINED)
        .head(0xFFFE_E000, "", UNDEFINED)
        .text(0x0040_0009, "SH", "NOT THIS")
        .head(0xFFFE_E00D, "", 0)
        .head(0xFFFE_E0DD, "", 0)
        .text(0x0040_0009, "SH", "步骤1")
        .text(0x0040_1001, "SH", "P1")
        .head(0xFFFE_E00D, "", 0)
        .head(0xFFFE_E000, "", 0)
        .head(0xFFFE_E0DD, "", 0)
}

/// A sequence of this length, none for an undefined one, with an item of defined length.
fn request(transfer_syntax_uid: &str, vr: &str, is_defined: bool) -> Builder {
    let item = Builder::new(if vr == "UN" { IMPLICIT_VR_LITTLE_ENDIAN } else { transfer_syntax_uid });
    let item = item.text(0x0040_0009, "SH", "S1").text(0x0040_1001, "SH", "P12");
    let head = Builder::new(if vr == "UN" { IMPLICIT_VR_LITTLE_ENDIAN } else { transfer_syntax_uid });
    let item = head.head(0xFFFE_E000, "", item.bytes.len() as u32).raw(&item.bytes);
    let length = if is_defined { item.bytes.len() as u32 } else { UNDEFINED };
    let file =
        Builder::new(transfer_syntax_uid).text(0x0008_0060, "CS", "CT").head(0x0040_0275, vr, length).raw(&item.bytes);
    match (is_defined, vr) {
        (true, _) => file,
        (false, "UN") => file.raw(&Builder::new(IMPLICIT_VR_LITTLE_ENDIAN).head(0xFFFE_E0DD, "", 0).bytes),
        (false, _) => file.head(0xFFFE_E0DD, "", 0),
    }
}

#[test]
fn the_items_of_the_request_are_kept_however_they_are_encoded() {
    for uid in [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN] {
        for (vr, is_defined) in [("SQ", true), ("SQ", false), ("UN", true), ("UN", false)] {
            if vr == "UN" && uid == IMPLICIT_VR_LITTLE_ENDIAN {
                continue;
            }
            let header = scan(uid, &request(uid, vr, is_defined).text(0x0040_0280, "ST", "after").bytes);
            let attributes = header.instance_attributes(&Charset::gb18030());
            let expected = [RequestAttributes {
                step_id: "S1".to_owned(),
                procedure_id: "P12".to_owned(),
                ..RequestAttributes::default()
            }];
            assert_eq!(attributes.requests, expected, "{uid} {vr} {is_defined}");
            assert_eq!((header.state, attributes.modality.as_str()), (HeaderState::Complete, "CT"));
        }
    }
}

#[test]
fn order_numbers_beside_the_request_belong_to_it() {
    for uid in [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN] {
        let numbered = |set: Builder| set.text(0x0040_2016, "LO", "PL1").text(0x0040_2017, "LO", "FI1").bytes;
        let read = |bytes: &[u8]| scan(uid, bytes).instance_attributes(&Charset::gb18030()).requests;
        let alone = RequestAttributes {
            placer_order: "PL1".to_owned(),
            filler_order: "FI1".to_owned(),
            ..RequestAttributes::default()
        };
        assert_eq!(
            read(&numbered(Builder::new(uid).text(0x0008_0060, "CS", "CT"))),
            std::slice::from_ref(&alone),
            "{uid}"
        );
        let (step_id, procedure_id) = ("S1".to_owned(), "P12".to_owned());
        let whole = RequestAttributes { step_id, procedure_id, ..alone };
        assert_eq!(read(&numbered(request(uid, "SQ", true))), [whole], "{uid}");
    }
}

#[test]
fn no_sequence_makes_the_header_large() {
    let uid = EXPLICIT_VR_LITTLE_ENDIAN;
    let mut many = Builder::new(uid).head(0x0040_0275, "SQ", UNDEFINED);
    for number in 0..100 {
        let item = Builder::new(uid).text(0x0040_0009, "SH", &format!("{number:04}"));
        many = many.head(0xFFFE_E000, "", item.bytes.len() as u32).raw(&item.bytes);
    }
    let many = many.head(0xFFFE_E0DD, "", 0);
    let requests = scan(uid, &many.bytes).instance_attributes(&Charset::gb18030()).requests;
    assert_eq!(requests.len(), usize::from(HeaderLimits::default().max_request_items));
    assert_eq!(requests[15].step_id, "0015");

    let mut scanner = HeaderScanner::new(uid, HeaderLimits { max_value_bytes: 500, ..HeaderLimits::default() });
    scanner.push(&many.text(0x0040_0280, "ST", "after").bytes);
    let header = scanner.finish();
    assert_eq!(header.state.as_str(), "limit: value bytes");
    assert!(header.instance_attributes(&Charset::gb18030()).requests.is_empty());
    let open = Builder::new(uid).head(0x0040_0275, "SQ", UNDEFINED).head(0xFFFE_E000, "", UNDEFINED);
    assert_eq!(scan(uid, &open.bytes).state, HeaderState::Truncated);
}

fn scan(transfer_syntax_uid: &str, bytes: &[u8]) -> Header {
    let mut scanner = HeaderScanner::new(transfer_syntax_uid, HeaderLimits::default());
    scanner.push(bytes);
    scanner.finish()
}

fn check_image(header: &Header) {
    let attributes = header.instance_attributes(&Charset::gb18030());
    assert_eq!(header.state, HeaderState::Complete);
    assert_eq!(attributes.modality, "CT");
    assert_eq!(attributes.patient_name, "Wang^XiaoDong=王^小东");
    assert_eq!(attributes.instance_number, Some(7));
    assert_eq!((attributes.rows, attributes.columns), (Some(512), Some(256)));
    assert_eq!(attributes.number_of_frames, 1);
    assert_eq!(attributes.sop_class_uid, "1.2.840.10008.5.1.4.1.1.2");
    assert_eq!(attributes.performed_date, "20240322");
    let (step_id, procedure_id) = ("步骤1".to_owned(), "P1".to_owned());
    assert_eq!(attributes.requests, [RequestAttributes { step_id, procedure_id, ..RequestAttributes::default() }]);
}

#[test]
fn all_three_encodings_give_the_same_attributes_and_where_the_pixels_begin() {
    for uid in [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN] {
        let before = image(uid);
        let expected = before.bytes.len() as u64;
        let file = before.head(0x7FE0_0010, "OW", 0xFFFF_FFF0).raw(&[1, 2, 3, 4]);
        let header = scan(uid, &file.bytes);
        check_image(&header);
        assert_eq!(header.pixel_data_offset, Some(expected), "{uid}");
    }
}

#[test]
fn a_mislabelled_encoding_is_told_by_the_first_element() {
    check_image(&scan(EXPLICIT_VR_LITTLE_ENDIAN, &image(IMPLICIT_VR_LITTLE_ENDIAN).bytes));
    check_image(&scan(IMPLICIT_VR_LITTLE_ENDIAN, &image(EXPLICIT_VR_LITTLE_ENDIAN).bytes));
}

#[test]
fn a_deflated_data_set_is_inflated_as_far_as_needed() {
    let file = image(EXPLICIT_VR_LITTLE_ENDIAN).head(0x7FE0_0010, "OW", 400_000).raw(&vec![9; 400_000]);
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(&file.bytes).unwrap();
    let deflated = deflate.finish().unwrap();
    let mut scanner = HeaderScanner::new(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, HeaderLimits::default());
    for byte in &deflated {
        scanner.push(std::slice::from_ref(byte));
    }
    let header = scanner.finish();
    check_image(&header);
    assert_eq!(header.pixel_data_offset, None);
}

#[test]
fn a_deflate_bomb_stops_at_the_limit() {
    let file = Builder::new(EXPLICIT_VR_LITTLE_ENDIAN).head(0x0009_1001, "OB", 0x7FFF_FFFE).raw(&vec![0; 3_000_000]);
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(&file.bytes).unwrap();
    let limits = HeaderLimits { max_inflated_bytes: 100_000, ..HeaderLimits::default() };
    let mut scanner = HeaderScanner::new(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, limits);
    scanner.push(&deflate.finish().unwrap());
    assert!(scanner.is_done());
    assert_eq!(scanner.finish().state.as_str(), "limit: inflated bytes");
}

#[test]
fn unknown_of_undefined_length_is_read_as_implicit() {
    let implicit = Builder::new(IMPLICIT_VR_LITTLE_ENDIAN)
        .head(0xFFFE_E000, "", UNDEFINED)
        .head(0x2005_1001, "", 4)
        .raw(b"abcd")
        .head(0x2005_1002, "", UNDEFINED)
        .head(0xFFFE_E0DD, "", 0)
        .head(0xFFFE_E00D, "", 0)
        .head(0xFFFE_E0DD, "", 0);
    let file = Builder::new(EXPLICIT_VR_LITTLE_ENDIAN)
        .text(0x0008_0060, "CS", "MR")
        .head(0x0009_1001, "UN", UNDEFINED)
        .raw(&implicit.bytes)
        .text(0x0010_0020, "LO", "P1");
    let header = scan(EXPLICIT_VR_LITTLE_ENDIAN, &file.bytes);
    assert_eq!(header.state, HeaderState::Complete);
    assert_eq!(header.attributes.get(0x0010_0020), Some(b"P1".as_slice()));
}

#[test]
fn absurd_lengths_are_neither_allocated_nor_fatal() {
    let file = Builder::new(IMPLICIT_VR_LITTLE_ENDIAN)
        .text(0x0008_0060, "", "CT")
        .head(0x0010_0010, "", 0xFFFF_FFF0)
        .raw(b"short");
    let header = scan(IMPLICIT_VR_LITTLE_ENDIAN, &file.bytes);
    assert_eq!(header.state.as_str(), "limit: value bytes");
    assert_eq!(header.attributes.get(0x0008_0060), Some(b"CT".as_slice()));
    let file = Builder::new(IMPLICIT_VR_LITTLE_ENDIAN).head(0x0010_0010, "", 60_000).raw(b"short");
    assert_eq!(scan(IMPLICIT_VR_LITTLE_ENDIAN, &file.bytes).state, HeaderState::Truncated);
}

#[test]
fn deep_nesting_stops_at_the_limit() {
    let mut file = Builder::new(EXPLICIT_VR_LITTLE_ENDIAN).text(0x0008_0060, "CS", "CT");
    for _ in 0..100_000 {
        file = file.head(0x0008_1140, "SQ", UNDEFINED).head(0xFFFE_E000, "", UNDEFINED);
    }
    let header = scan(EXPLICIT_VR_LITTLE_ENDIAN, &file.bytes);
    assert_eq!(header.state, HeaderState::LimitReached("limit: depth"));
    assert_eq!(header.attributes.get(0x0008_0060), Some(b"CT".as_slice()));
}

#[test]
fn what_is_no_data_set_is_malformed_and_a_bad_private_tail_is_not() {
    let garbage =
        Builder::new(EXPLICIT_VR_LITTLE_ENDIAN).text(0x0008_0060, "CS", "CT").raw(&[0x10, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(scan(EXPLICIT_VR_LITTLE_ENDIAN, &garbage.bytes).state.as_str(), "malformed: value representation");
    let tail = image(EXPLICIT_VR_LITTLE_ENDIAN).text(0x0051_1001, "LO", "x").raw(&[0x51, 0, 2, 0x10, 1, 2, 3, 4]);
    check_image(&scan(EXPLICIT_VR_LITTLE_ENDIAN, &tail.bytes));
}

#[test]
fn a_data_set_cut_inside_an_element_is_truncated() {
    let file = image(EXPLICIT_VR_LITTLE_ENDIAN);
    assert_eq!(scan(EXPLICIT_VR_LITTLE_ENDIAN, &file.bytes[..file.bytes.len() - 1]).state, HeaderState::Truncated);
    assert_eq!(scan(EXPLICIT_VR_LITTLE_ENDIAN, &file.bytes[..5]).state, HeaderState::Truncated);
    assert_eq!(scan(EXPLICIT_VR_LITTLE_ENDIAN, &[]).state, HeaderState::Complete);
}

fn any_syntax() -> impl proptest::strategy::Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ])
}

/// A broken deflate stream may yield a little more or less of what came before the break, so it is not compared.
fn plain_syntax() -> impl proptest::strategy::Strategy<Value = &'static str> {
    proptest::sample::select(vec![IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
}

proptest::proptest! {
    #[test]
    fn any_split_into_chunks_gives_the_same_header(
        uid in plain_syntax(), damage in 0_usize..300, with in 0_u8..=255, cuts in proptest::collection::vec(1_usize..40, 1..60),
    ) {
        let mut bytes = image(uid).head(0x7FE0_0010, "OW", 8).raw(&[0; 8]).bytes;
        let damage = damage % bytes.len();
        bytes[damage] = with;
        let whole = scan(uid, &bytes);
        let mut scanner = HeaderScanner::new(uid, HeaderLimits::default());
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            let (chunk, after) = rest.split_at((*cut).min(rest.len()));
            scanner.push(chunk);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        proptest::prop_assert_eq!(whole, scanner.finish());
    }

    #[test]
    fn arbitrary_bytes_never_panic(uid in any_syntax(), bytes: Vec<u8>) {
        let header = scan(uid, &bytes);
        header.instance_attributes(&Charset::gb18030());
    }
}
