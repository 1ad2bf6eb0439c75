//! Mutual recognition (互认, D-X10, D-R17, D-R34): which reports carry a mark, and what somebody decided about one.
//!
//! What is recognised is the images and the data of an exam, never the diagnosis of the doctor who reported it (国卫医发〔2022〕
//! 6号). A mark is the registered number in the words of the dictionary `recognition`, or comes from the list of items
//! that an operator imports: item, organisation, level, how long. An item of the list without a level is one of the negative
//! list: it has no mark, whatever was registered.

use std::collections::HashMap;

use super::dictionary::{Dictionaries, RECOGNITION, folded};

/// The six standard reasons not to recognise (STD of the national rule), codes 1 to 6.
pub const NOT_RECOGNISED: &str = "not_recognised";
/// The reason that says nothing without a remark: other cases.
pub const OTHER_REASON: &str = "6";

/// Which reports an item is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemKind {
    /// Items of exam reports.
    Exam,
    /// Lines of lab reports.
    Lab,
}

impl ItemKind {
    /// The word in tables and files.
    pub fn as_str(self) -> &'static str {
        match self {
            ItemKind::Exam => "exam",
            ItemKind::Lab => "lab",
        }
    }

    /// Reads the word, or 检查 and 检验.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "exam" | "检查" => Some(ItemKind::Exam),
            "lab" | "检验" => Some(ItemKind::Lab),
            _ => None,
        }
    }
}

/// An item of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecognisedItem {
    /// Which reports it is about.
    pub kind: ItemKind,
    /// The organisation; `""` for all.
    pub org_code: String,
    /// Its code or name.
    pub item: String,
    /// Other codes and names.
    pub aliases: Vec<String>,
    /// The mark, or a code of the dictionary `recognition`; `""` for the negative list.
    pub level: String,
    /// First day, `yyyy-MM-dd`; `""` when open.
    pub valid_from: String,
    /// Last day, `yyyy-MM-dd`; `""` when open.
    pub valid_to: String,
}

impl RecognisedItem {
    fn is_valid_on(&self, day: &str) -> bool {
        (self.valid_from.is_empty() || self.valid_from.as_str() <= day)
            && (self.valid_to.is_empty() || day <= self.valid_to.as_str())
    }
}

/// What of a report decides about its mark.
#[derive(Debug, Clone, Copy)]
pub struct Examined<'r> {
    /// Which kind.
    pub kind: ItemKind,
    /// The report's organisation.
    pub org_code: &'r str,
    /// Codes and names of what was examined, the most certain first; empty ones do not count.
    pub items: &'r [&'r str],
    /// When, in the kept form.
    pub observed_at: &'r str,
    /// The registered mark.
    pub registered: &'r str,
}

/// The list of items, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecognisedItems {
    items: Vec<RecognisedItem>,
    places: HashMap<(ItemKind, String), Vec<usize>>,
}

impl RecognisedItems {
    /// Puts the list in order.
    pub fn new(items: Vec<RecognisedItem>) -> Self {
        let mut places: HashMap<(ItemKind, String), Vec<usize>> = HashMap::new();
        for (at, item) in items.iter().enumerate() {
            for name in std::iter::once(&item.item).chain(&item.aliases) {
                let known = places.entry((item.kind, folded(name))).or_default();
                if !known.contains(&at) {
                    known.push(at);
                }
            }
        }
        Self { items, places }
    }

    /// All items, in order.
    pub fn all(&self) -> &[RecognisedItem] {
        &self.items
    }

    /// The item that counts: of the organisation itself before one of all, in the order of what is known of the exam.
    fn find(&self, examined: &Examined<'_>) -> Option<&RecognisedItem> {
        let day = examined.observed_at.get(..10).unwrap_or(examined.observed_at);
        let named = examined.items.iter().map(|name| folded(name)).filter(|name| !name.is_empty());
        let named: Vec<String> = named.collect();
        for org_code in [examined.org_code, ""] {
            for name in &named {
                let known = self.places.get(&(examined.kind, name.clone()));
                let found = known.into_iter().flatten().filter_map(|at| self.items.get(*at));
                let mut found = found.filter(|item| item.org_code == org_code && item.is_valid_on(day));
                if let Some(item) = found.next() {
                    return Some(item);
                }
            }
        }
        None
    }

    /// The mark in words; `""` when there is none.
    pub fn mark(&self, dictionaries: &Dictionaries, examined: &Examined<'_>) -> String {
        let word = |level: &str| dictionaries.find(RECOGNITION, level).map(|entry| entry.meaning.clone());
        let registered = if examined.registered.is_empty() { None } else { word(examined.registered) };
        match self.find(examined) {
            Some(item) if item.level.is_empty() => String::new(),
            Some(item) => registered.or_else(|| word(&item.level)).unwrap_or_else(|| item.level.clone()),
            None => registered.unwrap_or_default(),
        }
    }
}

/// What somebody decided about a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether its images and data were recognised, and nothing was done again.
    pub recognised: bool,
    /// Why not: a code, name or alias of [`NOT_RECOGNISED`]; `""` when recognised.
    pub reason: String,
    /// In words.
    pub remark: String,
    /// The doctor's number.
    pub doctor_id: String,
    /// The doctor's name.
    pub doctor_name: String,
}

/// Most characters of a remark.
const LONGEST_REMARK: usize = 500;
/// Most characters of a doctor's number and name.
const LONGEST_NAME: usize = 64;

impl Decision {
    /// The decision with the code of its reason; or what is wrong with it, without any of its texts.
    pub fn checked(mut self, dictionaries: &Dictionaries) -> Result<Self, &'static str> {
        for text in [&mut self.reason, &mut self.remark, &mut self.doctor_id, &mut self.doctor_name] {
            *text = text.trim().to_owned();
        }
        let is_long = |text: &str, most: usize| text.chars().count() > most;
        if is_long(&self.remark, LONGEST_REMARK) {
            return Err("remark has more than 500 characters");
        }
        if is_long(&self.doctor_id, LONGEST_NAME) || is_long(&self.doctor_name, LONGEST_NAME) {
            return Err("doctor_id and doctor_name have 64 characters at most");
        }
        let texts = [&self.remark, &self.doctor_id, &self.doctor_name];
        if texts.iter().any(|text| text.chars().any(|c| c.is_control() && c != '\n')) {
            return Err("control characters");
        }
        if self.doctor_id.is_empty() && self.doctor_name.is_empty() {
            return Err("doctor_id or doctor_name is needed");
        }
        if self.recognised {
            return if self.reason.is_empty() { Ok(self) } else { Err("reason is for what was not recognised") };
        }
        let reason = dictionaries.find(NOT_RECOGNISED, &self.reason).filter(|_| !self.reason.is_empty());
        self.reason = reason.ok_or("reason is one of the codes 1 to 6")?.code.clone();
        if self.reason == OTHER_REASON && self.remark.is_empty() {
            return Err("reason 6 needs a remark");
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dictionary::Entry;

    fn item(org_code: &str, item: &str, level: &str, valid: [&str; 2]) -> RecognisedItem {
        RecognisedItem {
            kind: ItemKind::Exam,
            org_code: org_code.to_owned(),
            item: item.to_owned(),
            aliases: vec!["胸部 CT".to_owned()],
            level: level.to_owned(),
            valid_from: valid[0].to_owned(),
            valid_to: valid[1].to_owned(),
        }
    }

    fn mark(items: Vec<RecognisedItem>, org_code: &str, names: &[&str], day: &str, registered: &str) -> String {
        let entry = Entry { code: "3".to_owned(), meaning: "全国HR".to_owned(), aliases: Vec::new() };
        let dictionaries = Dictionaries::with(vec![(RECOGNITION.to_owned(), entry)]);
        let examined = Examined { kind: ItemKind::Exam, org_code, items: names, observed_at: day, registered };
        RecognisedItems::new(items).mark(&dictionaries, &examined)
    }

    #[test]
    fn d_r17_a_registered_number_is_a_mark_only_in_the_words_of_the_dictionary() {
        assert_eq!(mark(Vec::new(), "ORG-T01", &["CT01"], "2024-03-22", "3"), "全国HR");
        assert_eq!(mark(Vec::new(), "ORG-T01", &["CT01"], "2024-03-22", "1"), "");
        assert_eq!(mark(Vec::new(), "ORG-T01", &["CT01"], "2024-03-22", ""), "");
    }

    #[test]
    fn d_x10_an_item_of_the_list_has_its_level_while_it_is_valid_by_any_of_its_names() {
        let list = || vec![item("", "CT01", "本省HR", ["2024-01-01", "2024-12-31"])];
        for names in [["CT01", ""], ["", "胸部ct"], ["unknown", "ＣＴ０１"]] {
            assert_eq!(mark(list(), "ORG-T01", &names, "2024-12-31 23:59:59", ""), "本省HR");
        }
        assert_eq!(mark(list(), "ORG-T01", &["CT01"], "2023-12-31", ""), "");
        assert_eq!(mark(list(), "ORG-T01", &["CT01"], "2025-01-01", ""), "");
        assert_eq!(mark(list(), "ORG-T01", &["MR01", ""], "2024-06-01", ""), "");
        assert_eq!(mark(list(), "ORG-T01", &["CT01"], "2024-06-01", "3"), "全国HR", "what was registered counts");
        assert_eq!(mark(vec![item("", "CT01", "3", ["", ""])], "ORG-T01", &["CT01"], "2024", ""), "全国HR");
    }

    #[test]
    fn d_x10_an_organisations_own_item_and_the_negative_list_go_before() {
        let list = || vec![item("", "CT01", "本市HR", ["", ""]), item("ORG-T02", "CT01", "", ["", ""])];
        assert_eq!(mark(list(), "ORG-T01", &["CT01"], "2024-06-01", ""), "本市HR");
        assert_eq!(mark(list(), "ORG-T02", &["CT01"], "2024-06-01", "3"), "");
    }

    #[test]
    fn d_x10_not_to_recognise_needs_one_of_the_six_reasons() {
        let dictionaries = Dictionaries::built_in();
        let decision = |recognised, reason: &str, remark: &str, doctor: &str| Decision {
            recognised,
            reason: reason.to_owned(),
            remark: remark.to_owned(),
            doctor_id: doctor.to_owned(),
            doctor_name: String::new(),
        };
        let code = |decision: Decision| decision.checked(&dictionaries).map(|decision| decision.reason);
        assert_eq!(code(decision(true, "", "", "D1")), Ok(String::new()));
        assert_eq!(code(decision(false, " ２ ", "", "D1")), Ok("2".to_owned()));
        assert_eq!(code(decision(false, "涉及司法、伤残及病退等鉴定", "", "D1")), Ok("5".to_owned()));
        assert_eq!(code(decision(false, "6", "设备故障", "D1")), Ok("6".to_owned()));
        for (bad, why) in [
            (decision(false, "", "", "D1"), "no reason"),
            (decision(false, "7", "", "D1"), "no such reason"),
            (decision(false, "6", " ", "D1"), "other without a remark"),
            (decision(true, "1", "", "D1"), "a reason although recognised"),
            (decision(true, "", "", " "), "nobody"),
            (decision(true, "", &"长".repeat(501), "D1"), "too long"),
            (decision(true, "", "a\u{1b}[2J", "D1"), "control characters"),
        ] {
            assert!(code(bad).is_err(), "{why}");
        }
    }
}
