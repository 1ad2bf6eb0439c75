//! The examples of the standard, and what Chinese, Korean and Japanese devices really send.

use super::*;

struct Case {
    bytes: &'static [u8],
    terms: &'static [&'static str],
    expected: &'static str,
}

fn case(bytes: &'static [u8], terms: &'static [&'static str], expected: &'static str) -> Case {
    Case { bytes, terms, expected }
}

fn check(cases: &[Case]) {
    for Case { bytes, terms, expected } in cases {
        assert_eq!(decode(bytes, terms, &Charset::gb18030()), *expected, "{terms:?} {bytes:02X?}");
    }
}

#[test]
fn the_examples_of_the_standard_are_read() {
    check(&[
        // Annex H.3.1
        case(
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            &["", "ISO 2022 IR 87"],
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        // Annex H.3.2
        case(
            b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
            &["ISO 2022 IR 13", "ISO 2022 IR 87"],
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        ),
        // Annex I.2
        case(
            b"Hong^Gildong=\x1b$)C\xFB\xF3^\x1b$)C\xD1\xCE\xD4\xD7=\x1b$)C\xC8\xAB^\x1b$)C\xB1\xE6\xB5\xBF",
            &["", "ISO 2022 IR 149"],
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        // Annex J.1
        case(b"Wang^XiaoDong=\xE7\x8E\x8B^\xE5\xB0\x8F\xE6\x9D\xB1=", &["ISO_IR 192"], "Wang^XiaoDong=王^小東="),
        // Annex J.2
        case(b"Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB=", &["GB18030"], "Wang^XiaoDong=王^小东="),
        // Annex K.2
        case(
            b"Zhang^XiaoDong=\x1b$)A\xD5\xC5^\x1b$)A\xD0\xA1\xB6\xAB=",
            &["", "ISO 2022 IR 58"],
            "Zhang^XiaoDong=张^小东=",
        ),
        case(b"Buc^J\xE9r\xF4me", &["ISO_IR 100"], "Buc^Jérôme"),
        case(b"\xC4neas^R\xFCdiger", &["ISO_IR 100"], "Äneas^Rüdiger"),
        case(b"\xBB\xEE\xDAce\xDC\xD1yp\xD3", &["ISO_IR 144"], "Люкceмбypг"),
        case(b"\xC4\xE9\xEF\xED\xF5\xF3\xE9\xEF\xF2", &["ISO_IR 126"], "Διονυσιος"),
    ]);
}

#[test]
fn every_set_of_one_byte_is_read_plain_and_by_its_escape_sequence() {
    // PS3.3 tables C.12-2 and C.12-3: the number in both terms, the designation of G1, a word.
    let table: [(&str, &[u8], &[u8], &str); 12] = [
        ("100", b"-A", b"J\xE9r\xF4me", "Jérôme"),
        ("101", b"-B", b"Dvo\xF8\xE1k", "Dvořák"),
        ("109", b"-C", b"\xC6iu\xBCa\xFDde", "Ĉiuĵaŭde"),
        ("110", b"-D", b"\xAEemait\xEC", "Žemaitė"),
        ("148", b"-M", b"G\xF6k\xE7e I\xFE\xFDk", "Gökçe Işık"),
        ("203", b"-b", b"\xB4i\xB8ek \xBCuvr\xE9", "Žižek Œuvré"),
        ("144", b"-L", b"\xBB\xEE\xDAce\xDC\xD1yp\xD3", "Люкceмбypг"),
        ("127", b"-G", b"\xE2\xC8\xC7\xE6\xEA", "قباني"),
        ("126", b"-F", b"\xC4\xE9\xEF\xED\xF5\xF3\xE9\xEF\xF2", "Διονυσιος"),
        ("138", b"-H", b"\xF9\xF8\xE5\xEF", "שרון"),
        ("166", b"-T", b"\xCA\xC1\xAA\xD2\xC2", "สมชาย"),
        ("13", b")I", b"\xD4\xCF\xC0\xDE", "ﾔﾏﾀﾞ"),
    ];
    for (number, designation, word, expected) in table {
        let (plain, extended) = (format!("ISO_IR {number}"), format!("ISO 2022 IR {number}"));
        let read = |bytes: &[u8], terms: &[&str]| decode(bytes, terms, &Charset::gb18030());
        assert_eq!(read(word, &[&plain]), expected, "{plain}");
        assert_eq!(read(word, &[&extended]), expected, "{extended} as the first value");
        let escaped = [b"Abc^\x1b".as_slice(), designation, word].concat();
        for terms in [["", &extended], ["ISO 2022 IR 6", &extended], ["ISO 2022 IR 100", &extended]] {
            assert_eq!(read(&escaped, &terms), format!("Abc^{expected}"), "{terms:?}");
        }
        assert_eq!(Charset::parse(&plain).unwrap().as_str(), plain);
    }
}

#[test]
fn sets_of_two_bytes_take_turns_by_their_escape_sequences() {
    check(&[
        case(b"\x1b$(D0!0\"\x1b(B", &["", "ISO 2022 IR 159"], "丂丄"),
        case(b"\x1b$B;3\x1b$(D0!\x1b(B^A", &["", "ISO 2022 IR 87", "ISO 2022 IR 159"], "山丂^A"),
        case(b"\xD4\xCF\x1b$B;3\x1b(J^A", &["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏ山^A"),
        case(b"A\x1b$)C\xC8\xAB\\\x1b$)A\xD5\xC5", &["", "ISO 2022 IR 149", "ISO 2022 IR 58"], "A홍\\张"),
    ]);
}

#[test]
fn text_without_a_declared_set_is_utf8_or_the_default() {
    check(&[
        case(b"Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB", &[], "Wang^XiaoDong=王^小东"),
        case(b"Wang^XiaoDong=\xE7\x8E\x8B^\xE5\xB0\x8F\xE4\xB8\x9C", &[], "Wang^XiaoDong=王^小东"),
        case(b"\xD0\xA1", &[], "小"),
        case(b"\xB2\xE2\xCA\xD4\xBC\xD7", &["ISO_IR 6"], "测试甲"),
        case(b"\xB2\xE2\xCA\xD4\xBC\xD7", &[""], "测试甲"),
        case(b"\xB2\xE2\xCA\xD4\xBC\xD7", &["NONSENSE"], "测试甲"),
        // A character that only GB18030 has, in four bytes.
        case(b"\x95\x32\x82\x36", &[], "𠀀"),
    ]);
}

#[test]
fn wrong_labels_are_seen_through() {
    check(&[
        case(b"\xCD\xF5^\xD0\xA1\xB6\xAB", &["ISO_IR 100"], "王^小东"),
        case(b"Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB", &["ISO_IR 100"], "Wang^XiaoDong=王^小东"),
        case(b"\xD6\xEC\xE9\x46\xBB\xF9", &["ISO_IR 100"], "朱镕基"),
        case(b"\xE7\x8E\x8B\xE4\xBA\x94", &["ISO_IR 100"], "王五"),
        case(b"\xE7\x8E\x8B\xE4\xBA\x94", &["ISO_IR 6"], "王五"),
        case(b"\xB2\xE2\xCA\xD4\xBC\xD7", &["ISO_IR 192"], "测试甲"),
        case(b"5 \xB5m", &["ISO_IR 100"], "5 µm"),
        case(b"\xBFQu\xE9?", &["ISO_IR 100"], "¿Qué?"),
    ]);
}

#[test]
fn extensions_without_escape_sequences_are_read_by_their_set() {
    check(&[
        case(b"\xC8\xAB^\xB1\xE6\xB5\xBF", &["", "ISO 2022 IR 149"], "홍^길동"),
        case(b"\xD5\xC5^\xD0\xA1\xB6\xAB", &["", "ISO 2022 IR 58"], "张^小东"),
        case(b"\xD5\xC5^\xD0\xA1\xB6\xAB", &["ISO 2022 IR 6", "ISO 2022 IR 58"], "张^小东"),
        case(b"\xD4\xCF\xC0\xDE", &["ISO_IR 13"], "ﾔﾏﾀﾞ"),
        case(b"\xD5\xC5", &["GBK"], "张"),
    ]);
}

#[test]
fn text_cut_inside_a_character_is_still_read() {
    check(&[
        case(b"\xE6\xB5\x8B\xE8\xAF\x95\xE7\x94\xB2\xE4\xB9", &["ISO_IR 192"], "测试甲"),
        case(b"\xE6\xB5\x8B\xE8\xAF\x95\xE7\x94\xB2\xE4\xB9", &[], "测试甲"),
        case(b"\xB2\xE2\xCA\xD4\xBC", &["GB18030"], "测试"),
        case(b"\xB2\xE2\xCA\xD4\xBC", &[], "测试"),
        case(b"\xE1\xBA\xBD\xAD", &[], "岷江"),
    ]);
}

#[test]
fn a_delimiter_puts_back_the_first_set() {
    check(&[
        case(b"\x1b$)C\xFB\xF3^J\xE9r\xF4me", &["ISO 2022 IR 100", "ISO 2022 IR 149"], "洪^Jérôme"),
        case(b"\x1b$B;3ED\r\nabc", &["", "ISO 2022 IR 87"], "山田abc"),
    ]);
}

#[test]
fn control_characters_and_padding_are_removed() {
    check(&[case(b"A\0\x07B\x1b[C", &[], "AB[C"), case(b"", &[], "")]);
}

#[test]
fn a_charset_is_named_by_the_web_or_by_dicom() {
    assert_eq!(Charset::parse(" gbk ").unwrap().as_str(), "gbk");
    assert_eq!(Charset::parse("ISO_IR 192").unwrap().encoding(), UTF_8);
    assert!(Charset::parse("UTF-16LE").is_err());
    assert!(Charset::parse("EBCDIC").is_err());
}

proptest::proptest! {
    #[test]
    fn any_bytes_become_text_without_controls(bytes: Vec<u8>, pick in 0_usize..6) {
        let terms: [&[&str]; 6] =
            [&[], &["ISO_IR 100"], &["", "ISO 2022 IR 87"], &["", "ISO 2022 IR 149"], &["ISO_IR 192"], &["GB18030"]];
        let text = decode(&bytes, terms[pick], &Charset::gb18030());
        proptest::prop_assert!(!text.chars().any(char::is_control));
    }
}
