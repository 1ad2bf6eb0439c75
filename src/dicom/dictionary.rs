//! The data dictionary (PS3.6) as far as names and value representations are needed.

use dicom_core::Tag as CoreTag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::header::VR;
use dicom_dictionary_std::StandardDataDictionary;

use super::elements::Tag;

/// What the standard says of an attribute's value representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardVr {
    /// Always this one.
    Exact([u8; 2]),
    /// US or SS, as Pixel Representation says.
    UnsignedOrSigned,
    /// OB or OW; OW where nothing else says it.
    OtherByteOrWord,
}

/// The value representation of a standard attribute; `None` for private and unknown ones.
pub fn vr_of(tag: Tag) -> Option<StandardVr> {
    if tag.0 % 2 == 1 {
        return None;
    }
    let entry = StandardDataDictionary.by_tag(CoreTag(tag.0, tag.1))?;
    Some(match entry.vr() {
        VirtualVr::Exact(vr) => StandardVr::Exact(letters(vr)),
        VirtualVr::Xs => StandardVr::UnsignedOrSigned,
        _ => StandardVr::OtherByteOrWord,
    })
}

/// The keyword of a standard attribute, e.g. `PatientID`.
pub fn keyword_of(tag: Tag) -> Option<&'static str> {
    if tag.0 % 2 == 1 {
        return None;
    }
    StandardDataDictionary.by_tag(CoreTag(tag.0, tag.1)).map(|entry| entry.alias())
}

/// The tag that a text names: a keyword, or eight hexadecimal digits.
pub fn tag_of(text: &str) -> Option<Tag> {
    if let Some(entry) = StandardDataDictionary.by_name(text) {
        let tag = entry.tag();
        return Some((tag.0, tag.1));
    }
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = u32::from_str_radix(text, 16).ok()?;
    Some(((number >> 16) as u16, number as u16))
}

fn letters(vr: VR) -> [u8; 2] {
    vr.to_string().as_bytes().try_into().unwrap_or(*b"UN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_named_by_keyword_or_by_tag() {
        assert_eq!(tag_of("PatientID"), Some((0x0010, 0x0020)));
        assert_eq!(tag_of("00100020"), Some((0x0010, 0x0020)));
        assert_eq!(tag_of("0010002"), None);
        assert_eq!(tag_of("NoSuchKeyword"), None);
        assert_eq!(keyword_of((0x0020, 0x000D)), Some("StudyInstanceUID"));
        assert_eq!(vr_of((0x0010, 0x0010)), Some(StandardVr::Exact(*b"PN")));
        assert_eq!(vr_of((0x0028, 0x0106)), Some(StandardVr::UnsignedOrSigned));
        assert_eq!(vr_of((0x0009, 0x0010)), None);
    }
}
