//! The languages of the pages and the viewer, and what each Chinese word of theirs is in English.
//!
//! Templates say every word by `Shell::say`; what a hospital sends is never translated. A word that has no English is shown as
//! it is, and a test finds those that stand in a template or in the tables of labels.

mod english;

use std::borrow::Cow;

use axum::http::{HeaderMap, header};

use crate::archive::images::read_document::Meanings;

use english::ENGLISH;

/// A language of the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Language {
    #[default]
    Chinese,
    English,
}

impl Language {
    /// Reads a parameter or what a session keeps.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("zh") => Some(Language::Chinese),
            Some("en") => Some(Language::English),
            _ => None,
        }
    }

    /// What the browser prefers: the first of the two in `Accept-Language`, by weight (RFC 9110 section 12.5.4).
    pub(super) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let wanted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut best: Option<(f32, Self)> = None;
        for range in wanted.split(',').take(32) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
            if let Some(language) = Self::parse(tag.trim()).filter(|_| weight > 0.0)
                && best.is_none_or(|(other, _)| weight > other)
            {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    /// What is kept with a session.
    pub(super) fn code(self) -> &'static str {
        match self {
            Language::Chinese => "zh",
            Language::English => "en",
        }
    }

    /// `lang` of the document.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Language::Chinese => "zh-CN",
            Language::English => "en",
        }
    }

    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Language::Chinese => Language::English,
            Language::English => Language::Chinese,
        }
    }

    /// In whose words codes of documents are said to readers of it.
    pub(super) fn meanings(self) -> Meanings {
        match self {
            Language::Chinese => Meanings::Chinese,
            Language::English => Meanings::AsWritten,
        }
    }

    /// A word or sentence of the pages in this language.
    pub(super) fn say(self, chinese: &str) -> Cow<'_, str> {
        if self == Language::Chinese {
            return Cow::Borrowed(chinese);
        }
        if let Some(english) = english(chinese) {
            return Cow::Borrowed(english);
        }
        for (prefix, english) in PREFIXES {
            if let Some(rest) = chinese.strip_prefix(prefix) {
                return Cow::Owned(format!("{english}{rest}"));
            }
        }
        for ([before, behind], [english, end]) in AROUND {
            if let Some(name) = chinese.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind)) {
                return Cow::Owned(format!("{english}{name}{end}"));
            }
        }
        // Numbers with a counter: ages and pictures.
        for (counter, english) in COUNTERS {
            if let Some(number) = chinese.strip_suffix(counter).map(str::trim)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Cow::Owned(format!("{number}{english}"));
            }
        }
        Cow::Borrowed(chinese)
    }
}

/// Words that a number or a name of the hospital's follows.
const PREFIXES: [(&str, &str); 4] =
    [("记录 ", "Recording "), ("波形组 ", "Group "), ("视频 ", "Video "), ("图中位置：", "Place in the image: ")];

/// Words around a name of the interface's: those before and behind it, and the English ones.
const AROUND: [([&str; 2], [&str; 2]); 1] =
    [(["参数 ", " 的格式不正确。"], ["The parameter ", " is not in its form."])];

const COUNTERS: [(&str, &str); 6] =
    [("岁", " y"), ("个月", " mo"), ("天", " d"), ("小时", " h"), ("分钟", " min"), ("幅", " images")];

/// The English of a word, if the table has it.
fn english(chinese: &str) -> Option<&'static str> {
    ENGLISH.iter().find(|(word, _)| *word == chinese).map(|(_, english)| *english)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(text: &str) -> Option<Language> {
        Language::preferred(&HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, text.parse().unwrap())]))
    }

    #[test]
    fn the_browsers_first_language_of_the_two_counts() {
        assert_eq!(preferred("zh-CN,zh;q=0.9,en;q=0.8"), Some(Language::Chinese));
        assert_eq!(preferred("en-US,en;q=0.9"), Some(Language::English));
        assert_eq!(preferred("de,zh;q=0.2,en;q=0.7"), Some(Language::English));
        assert_eq!(preferred("fr"), None);
        assert_eq!(preferred("en;q=0, zh;q=x, é"), None);
        assert_eq!(Language::preferred(&HeaderMap::new()), None);
    }

    #[test]
    fn words_numbers_and_what_is_nobodys_word() {
        assert_eq!(Language::English.say("检查列表"), "Exams");
        assert_eq!(Language::English.say("33岁"), "33 y");
        assert_eq!(Language::English.say("119 分钟"), "119 min");
        assert_eq!(Language::English.say("胸部CT平扫"), "胸部CT平扫");
        assert_eq!(Language::Chinese.say("检查列表"), "检查列表");
    }

    #[test]
    fn every_word_that_a_template_says_has_its_english() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/pages/templates");
        let mut missing = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for part in text.split("say(\"").skip(1) {
                let word = part.split('"').next().unwrap();
                if english(word).is_none() {
                    missing.push(word.to_owned());
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn no_word_stands_twice() {
        for (at, (word, _)) in ENGLISH.iter().enumerate() {
            assert!(!ENGLISH[..at].iter().any(|(other, _)| other == word), "{word}");
        }
    }
}
