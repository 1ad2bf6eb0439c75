use super::*;
use crate::dicom::elements::{Elements, Encoding};

const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";

fn explicit(tag: u32, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    element::put_head(&mut out, ElementEncoding::EXPLICIT_LITTLE, tag, *vr, value.len() as u32);
    out.extend_from_slice(value);
    out
}

fn marker(tag: u32, length: u32) -> Vec<u8> {
    let mut out = Vec::new();
    element::put_head(&mut out, ElementEncoding::EXPLICIT_LITTLE, tag, [0, 0], length);
    out
}

/// A data set with a nested sequence of undefined length, private elements, and numbers of every width.
fn sample() -> Vec<u8> {
    [
        explicit(0x0008_0016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        explicit(0x0008_1140, b"SQ", &[]).tap_length(UNDEFINED_LENGTH),
        marker(element::ITEM, UNDEFINED_LENGTH),
        explicit(0x0008_1150, b"UI", b"1.2.3\0"),
        explicit(0x0028_0106, b"SS", &(-5_i16).to_le_bytes()),
        marker(element::ITEM_DELIMITATION, 0),
        marker(element::SEQUENCE_DELIMITATION, 0),
        explicit(0x0009_0010, b"LO", b"SYNTHETIC "),
        explicit(0x0009_1001, b"UN", &[1, 2, 3, 4]),
        explicit(0x0010_0010, b"PN", b"Ceshi^A "),
        explicit(0x0018_9087, b"FD", &1.5_f64.to_le_bytes()),
        explicit(0x0020_9165, b"AT", &[0x20, 0x00, 0x32, 0x00]),
        explicit(0x0028_0010, b"US", &2_u16.to_le_bytes()),
        explicit(0x0028_0100, b"US", &16_u16.to_le_bytes()),
        explicit(0x0028_0103, b"US", &1_u16.to_le_bytes()),
        explicit(0x0028_0107, b"SS", &(-7_i16).to_le_bytes()),
        explicit(0x0040_A161, b"FD", &2.5_f64.to_le_bytes()),
        explicit(0x7FE0_0010, b"OW", &[1, 0, 2, 0, 3, 0, 4, 0]),
        explicit(0xFFFC_FFFC, b"OB", &[0, 0, 0, 0]),
    ]
    .concat()
}

trait TapLength {
    fn tap_length(self, length: u32) -> Self;
}

impl TapLength for Vec<u8> {
    fn tap_length(mut self, length: u32) -> Self {
        let at = self.len() - 4;
        self[at..].copy_from_slice(&length.to_le_bytes());
        self
    }
}

fn converted(bytes: &[u8], from: &str, to: &str) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    convert(bytes, from, to, &mut out, &ConvertLimits::default()).map(|()| out)
}

#[test]
fn a_data_set_comes_back_the_same_from_every_uncompressed_encoding() {
    let original = sample();
    for over in [EXPLICIT_VR_BIG_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN] {
        let there = converted(&original, EXPLICIT_VR_LITTLE_ENDIAN, over).unwrap();
        assert_ne!(there, original);
        assert_eq!(there.len() % 2, 0);
        let back = converted(&there, over, EXPLICIT_VR_LITTLE_ENDIAN).unwrap();
        assert_eq!(back, original, "{over}");
    }
}

#[test]
fn implicit_loses_only_the_representation_of_what_the_dictionary_does_not_know() {
    let original = sample();
    let implicit = converted(&original, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN).unwrap();
    let back = converted(&implicit, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN).unwrap();
    // The nested value stands before Pixel Representation is known, so it is taken as unsigned.
    let mut expected = original.clone();
    let at = expected.windows(6).position(|w| w == [0x28, 0, 0x06, 0x01, b'S', b'S']).unwrap();
    expected[at + 4..at + 6].copy_from_slice(b"US");
    assert_eq!(back, expected);
    let again = converted(&back, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN).unwrap();
    assert_eq!(again, implicit);
}

#[test]
fn sequences_of_defined_length_are_opened_and_group_lengths_left_out() {
    let item = [[0xFE, 0xFF, 0x00, 0xE0].as_slice(), &14_u32.to_le_bytes(), &explicit(0x0008_1150, b"UI", b"1.2.3\0")]
        .concat();
    let bytes = [
        explicit(0x0008_0000, b"UL", &4_u32.to_le_bytes()),
        explicit(0x0008_1140, b"SQ", &item),
        explicit(0x0010_0020, b"LO", b"L0001"),
    ]
    .concat();

    let implicit = converted(&bytes, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN).unwrap();

    let elements = Elements::read(&implicit, Encoding::ImplicitLittle);
    assert!(elements.get((0x0008, 0x0000)).is_none());
    assert_eq!(elements.first_item((0x0008, 0x1140)).unwrap().text((0x0008, 0x1150)), Some("1.2.3"));
    assert_eq!(elements.get((0x0010, 0x0020)).unwrap().value, b"L0001 ", "an odd value is padded");
    assert_eq!(elements.end, implicit.len());
}

#[test]
fn an_unknown_sequence_of_undefined_length_holds_implicit_elements() {
    // CP-246, as some vendors write it.
    let bytes = [
        explicit(0x2005_1402, b"UN", &[]).tap_length(UNDEFINED_LENGTH),
        marker(element::ITEM, UNDEFINED_LENGTH),
        [[0x08, 0, 0x50, 0x11].as_slice(), &6_u32.to_le_bytes(), b"1.2.3\0"].concat(),
        marker(element::ITEM_DELIMITATION, 0),
        marker(element::SEQUENCE_DELIMITATION, 0),
        explicit(0x7FE0_0010, b"OW", &[1, 0]),
    ]
    .concat();
    let big = converted(&bytes, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN).unwrap();
    let elements = Elements::read(&big, Encoding::ExplicitBig);
    assert_eq!(elements.first_item((0x2005, 0x1402)).unwrap().text((0x0008, 0x1150)), Some("1.2.3"));
}

#[test]
fn values_too_long_for_their_representation_become_unknown() {
    let mut implicit = vec![0x28, 0, 0x06, 0x30];
    implicit.extend_from_slice(&131_072_u32.to_le_bytes());
    implicit.resize(8 + 131_072, 7);
    // LUT Data may be OW, which has room; a private text has not.
    let mut text = vec![0x08, 0, 0x81, 0x00];
    text.extend_from_slice(&70_000_u32.to_le_bytes());
    text.resize(8 + 70_000, b'x');
    let bytes = [text, implicit].concat();

    let explicit = converted(&bytes, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN).unwrap();

    assert_eq!(&explicit[4..6], b"UN");
    let elements = Elements::read(&explicit, Encoding::ExplicitLittle);
    assert_eq!(elements.get((0x0008, 0x0081)).unwrap().value.len(), 70_000);
    assert_eq!(&elements.get((0x0028, 0x3006)).unwrap().vr, b"OW");
}

#[test]
fn what_does_not_parse_to_its_end_is_an_error() {
    let whole = sample();
    let convert = |bytes: &[u8]| converted(bytes, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN);
    let mut ends = 0;
    for cut in 1..whole.len() {
        // A cut between two elements leaves a shorter data set that is whole.
        if let Err(error) = convert(&whole[..cut]) {
            assert!(matches!(error, Error::Truncated | Error::Malformed(_)), "{cut}: {error}");
        } else {
            ends += 1;
        }
    }
    assert!(ends < 20, "{ends}");
    let nested =
        [explicit(0x0008_1140, b"SQ", &[]).tap_length(UNDEFINED_LENGTH), marker(element::ITEM, UNDEFINED_LENGTH)]
            .concat()
            .repeat(1000);
    assert!(matches!(convert(&nested), Err(Error::Malformed(_))));
}

#[test]
fn a_small_deflated_data_set_does_not_grow_without_limit() {
    let pixels = vec![0; 4 << 20];
    let bytes = [explicit(0x0028_0100, b"US", &16_u16.to_le_bytes()), explicit(0x7FE0_0010, b"OW", &pixels)].concat();
    let deflated = converted(&bytes, EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN).unwrap();
    assert!(deflated.len() < 64 * 1024);
    let limits = ConvertLimits { max_result_bytes: 1 << 20, ..ConvertLimits::default() };
    let mut out = Vec::new();
    let outcome = convert(&*deflated, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, &mut out, &limits);
    assert!(outcome.is_err());
    assert!(out.len() <= 1 << 20);
    let limits = ConvertLimits { max_header_bytes: 1 << 20, ..ConvertLimits::default() };
    let header = explicit(0x0042_0011, b"OB", &pixels);
    let outcome = convert(&*header, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, &mut Vec::new(), &limits);
    assert!(matches!(outcome, Err(Error::TooLarge { .. })), "{outcome:?}");
}

#[test]
fn run_lengths_become_pixels_and_the_header_follows() {
    // Two frames of 2×2 RGB pixels, each sample plane a run of four equal bytes.
    let segment = |value: u8| [257_u16.wrapping_sub(4) as u8, value];
    let frame = |first: u8| {
        let mut bytes = vec![0; 64];
        bytes[0] = 3;
        for plane in 0..3_u8 {
            bytes[4 + 4 * usize::from(plane)] = 64 + 2 * plane;
        }
        (0..3).for_each(|plane| bytes.extend_from_slice(&segment(first + plane)));
        bytes
    };
    let us = |tag, value: u16| explicit(tag, b"US", &value.to_le_bytes());
    let bytes = [
        us(0x0028_0002, 3),
        explicit(0x0028_0004, b"CS", b"RGB "),
        us(0x0028_0006, 1),
        explicit(0x0028_0008, b"IS", b"2 "),
        us(0x0028_0010, 2),
        us(0x0028_0011, 2),
        us(0x0028_0100, 8),
        us(0x0028_0101, 8),
        us(0x0028_0102, 7),
        us(0x0028_0103, 0),
        explicit(0x0028_2110, b"CS", b"01"),
        explicit(0x7FE0_0010, b"OB", &[]).tap_length(UNDEFINED_LENGTH),
        marker(element::ITEM, 0),
        marker(element::ITEM, 70),
        frame(10),
        marker(element::ITEM, 70),
        frame(20),
        marker(element::SEQUENCE_DELIMITATION, 0),
    ]
    .concat();
    for (to, encoding) in [
        (IMPLICIT_VR_LITTLE_ENDIAN, Encoding::ImplicitLittle),
        (EXPLICIT_VR_LITTLE_ENDIAN, Encoding::ExplicitLittle),
        (EXPLICIT_VR_BIG_ENDIAN, Encoding::ExplicitBig),
    ] {
        let out = converted(&bytes, RLE_LOSSLESS, to).unwrap();
        let elements = Elements::read(&out, encoding);
        assert_eq!(elements.unsigned((0x0028, 0x0006)), Some(0));
        assert_eq!(elements.text((0x0028, 0x0004)), Some("RGB"));
        assert_eq!(elements.text((0x0028, 0x2110)), Some("01"));
        let pixels = elements.pixels.unwrap();
        assert_eq!(pixels.length, Some(24));
        let expected: Vec<u8> = [[10, 11, 12].repeat(4), [20, 21, 22].repeat(4)].concat();
        assert_eq!(out[pixels.value_offset..], expected, "{to}");
    }
}

#[test]
fn there_is_a_way_only_to_uncompressed_syntaxes() {
    assert!(is_convertible(JPEG_LOSSLESS, IMPLICIT_VR_LITTLE_ENDIAN));
    assert!(is_convertible("1.2.840.10008.1.2.4.80", EXPLICIT_VR_LITTLE_ENDIAN));
    assert!(is_convertible("1.2.840.10008.1.2.4.90", EXPLICIT_VR_LITTLE_ENDIAN));
    assert!(!is_convertible(EXPLICIT_VR_LITTLE_ENDIAN, JPEG_LOSSLESS));
    assert!(!is_convertible("1.2.840.10008.1.2.4.102", EXPLICIT_VR_LITTLE_ENDIAN));
    assert!(!is_convertible("1.3.6.1.4.1.99999.1", EXPLICIT_VR_LITTLE_ENDIAN));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, which in 0..4_usize) {
        let from = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, RLE_LOSSLESS][which];
        let _ = converted(&bytes, from, IMPLICIT_VR_LITTLE_ENDIAN);
        let _ = converted(&bytes, from, EXPLICIT_VR_BIG_ENDIAN);
    }
}
