//! What the names of folders and files say: the accession number, the kind of attachment.
//!
//! Names are bytes: UTF-8, or GBK as Chinese Windows programs leave them. They are read for people and for matching;
//! the bytes themselves are used where a file is opened or moved.

use std::ffi::OsStr;
use std::path::{Component, Path};

use super::config::FileShareConfig;
use crate::domain::attachment::AttachmentKind;

/// The built-in words.
const WORDS: [(&str, AttachmentKind); 20] = [
    ("request", AttachmentKind::RequestForm),
    ("request_form", AttachmentKind::RequestForm),
    ("apply", AttachmentKind::RequestForm),
    ("sqd", AttachmentKind::RequestForm),
    ("申请单", AttachmentKind::RequestForm),
    ("consent", AttachmentKind::Consent),
    ("知情同意书", AttachmentKind::Consent),
    ("同意书", AttachmentKind::Consent),
    ("capture", AttachmentKind::Capture),
    ("采集", AttachmentKind::Capture),
    ("图片", AttachmentKind::Capture),
    ("video", AttachmentKind::Video),
    ("视频", AttachmentKind::Video),
    ("ecg", AttachmentKind::Ecg),
    ("心电", AttachmentKind::Ecg),
    ("pathology", AttachmentKind::Pathology),
    ("病理", AttachmentKind::Pathology),
    ("report", AttachmentKind::Report),
    ("报告", AttachmentKind::Report),
    ("other", AttachmentKind::Other),
];

/// A name as text: UTF-8, else GBK.
pub(super) fn text_of(name: &OsStr) -> String {
    let bytes = name.as_encoded_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// The accession number by the nearest folder whose name means no kind; empty when the file lies in the share itself.
pub(super) fn accession_number(config: &FileShareConfig, relative: &Path) -> String {
    if !config.accession_folder {
        return String::new();
    }
    let names = folders(relative).into_iter().rev();
    let mut named = names.map(|name| name.trim().to_owned()).filter(|name| kind_of_word(config, name).is_none());
    named.next().unwrap_or_default()
}

/// The kind that a folder or the beginning of the file's name means.
pub(super) fn kind(config: &FileShareConfig, relative: &Path) -> Option<AttachmentKind> {
    let by_folder = folders(relative).iter().rev().find_map(|name| kind_of_word(config, name));
    by_folder.or_else(|| kind_of_stem(config, &text_of(relative.file_stem()?)))
}

fn folders(relative: &Path) -> Vec<String> {
    let parent = relative.parent().unwrap_or(Path::new(""));
    let names = parent.components().filter_map(|part| match part {
        Component::Normal(name) => Some(text_of(name)),
        _ => None,
    });
    names.collect()
}

fn words(config: &FileShareConfig) -> impl Iterator<Item = (&str, AttachmentKind)> {
    let own = config.kinds.iter().filter_map(|(word, kind)| Some((word.as_str(), AttachmentKind::parse(kind)?)));
    own.chain(WORDS)
}

fn kind_of_word(config: &FileShareConfig, name: &str) -> Option<AttachmentKind> {
    words(config).find(|(word, _)| word.eq_ignore_ascii_case(name)).map(|(_, kind)| kind)
}

/// `申请单1` and `request-2` begin with a word; `reporter` does not.
fn kind_of_stem(config: &FileShareConfig, stem: &str) -> Option<AttachmentKind> {
    let lower = stem.to_ascii_lowercase();
    let begins = |word: &str| {
        let rest = lower.strip_prefix(&word.to_ascii_lowercase())?;
        (!word.is_ascii() || !rest.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(())
    };
    words(config).find(|(word, _)| begins(word).is_some()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_is_the_accession_number_and_kinds_are_none() {
        let config = FileShareConfig::default();
        let accession = |path: &str| accession_number(&config, Path::new(path));
        assert_eq!(accession("A0001/1.jpg"), "A0001");
        assert_eq!(accession("2026/11/A0001/申请单/1.jpg"), "A0001");
        assert_eq!(accession("1.jpg"), "");
        let off = FileShareConfig { accession_folder: false, ..FileShareConfig::default() };
        assert_eq!(accession_number(&off, Path::new("A0001/1.jpg")), "");
    }

    #[test]
    fn kinds_are_read_from_folders_and_from_the_beginnings_of_names() {
        let mut config = FileShareConfig::default();
        config.kinds.insert("XD".to_owned(), "ecg".to_owned());
        let found = |path: &str| kind(&config, Path::new(path));
        assert_eq!(found("A0001/申请单/1.jpg"), Some(AttachmentKind::RequestForm));
        assert_eq!(found("A0001/request-2.jpg"), Some(AttachmentKind::RequestForm));
        assert_eq!(found("A0001/申请单1.jpg"), Some(AttachmentKind::RequestForm));
        assert_eq!(found("xd/A0001/1.pdf"), Some(AttachmentKind::Ecg));
        assert_eq!(found("A0001/reporter.pdf"), None);
    }

    #[cfg(unix)]
    #[test]
    fn names_in_gbk_are_read() {
        use std::os::unix::ffi::OsStrExt;
        let (bytes, ..) = encoding_rs::GB18030.encode("申请单");
        assert_eq!(text_of(OsStr::from_bytes(&bytes)), "申请单");
    }
}
