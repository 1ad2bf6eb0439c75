//! Dictionaries: codes with their meaning, and how hospitals write them (RD-26, D-R16, D-R17, D-R34).
//!
//! What is built in comes from GB/T 2261.1, HL7 tables 0078 and 0125 and the registration interface. A dictionary that an
//! operator has imported replaces the built-in one of its name. Recognition has no built-in entries: marks of mutual
//! recognition are shown only where somebody has said what the numbers mean.

use std::collections::{BTreeMap, HashMap};

use super::record::{Field, Record};

/// Codes and names of organisations, beside those that the configuration names (RD-24).
pub const ORGANIZATION: &str = "organization";
/// Sex (STD_SEX).
pub const SEX: &str = "sex";
/// Event type (STD_EVENT_TYPE).
pub const EVENT_TYPE: &str = "event_type";
/// Class_Code or Class_Name of exams to DICOM Modality.
pub const MODALITY: &str = "modality";
/// Class_Code, Class_Name or Class_Local_Name of lab reports to LOINC, or whatever the region has agreed on.
pub const LAB_CLASS: &str = "lab_class";
/// The same of lines of lab reports.
pub const LAB_ITEM: &str = "lab_item";
/// Mutual recognition (STD_LAB_EXAM_RECOGNITION), of exams and lab reports.
pub const RECOGNITION: &str = "recognition";

/// One code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The code itself.
    pub code: String,
    /// What it means, for people.
    pub meaning: String,
    /// Other ways to write it.
    pub aliases: Vec<String>,
}

/// All dictionaries, built in or imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionaries {
    entries: BTreeMap<String, Vec<Entry>>,
    places: HashMap<String, HashMap<String, usize>>,
}

const BUILT_IN: [(&str, &str, &str, &str); 39] = [
    (SEX, "0", "未知的性别", "未知|U|不详"),
    (SEX, "1", "男性", "男|M|MALE"),
    (SEX, "2", "女性", "女|F|FEMALE"),
    (SEX, "9", "未说明的性别", "未说明|O"),
    (EVENT_TYPE, "1", "门诊", "门诊病人|O|OUTPATIENT"),
    (EVENT_TYPE, "2", "住院", "住院病人|I|INPATIENT"),
    (EVENT_TYPE, "3", "急诊", "急诊病人|E|EMERGENCY"),
    (EVENT_TYPE, "4", "体检", "健康体检"),
    (EVENT_TYPE, "9", "其他", "其它"),
    ("priority", "S", "急", "U|STAT|急诊|加急"),
    ("priority", "R", "常规", "ROUTINE|普通|平诊"),
    ("observation_type", "NM", "数值", ""),
    ("observation_type", "ST", "文本", ""),
    ("observation_type", "CE", "编码", ""),
    ("observation_type", "SN", "结构化数值", ""),
    ("interpretation", "N", "正常", ""),
    ("interpretation", "L", "偏低", "↓"),
    ("interpretation", "H", "偏高", "↑"),
    ("interpretation", "LL", "危急低值", "↓↓"),
    ("interpretation", "HH", "危急高值", "↑↑"),
    ("interpretation", "A", "异常", ""),
    ("interpretation", "AA", "显著异常", ""),
    ("interpretation", "<", "低于检测限", ""),
    ("interpretation", ">", "高于检测限", ""),
    ("interpretation", "POS", "阳性", "+"),
    ("interpretation", "NEG", "阴性", "-"),
    ("interpretation", "S", "敏感", ""),
    ("interpretation", "I", "中介", ""),
    ("interpretation", "R", "耐药", ""),
    ("abnormal", "1", "正常", ""),
    ("abnormal", "2", "异常", ""),
    ("abnormal", "21", "偏高", ""),
    ("abnormal", "22", "偏低", ""),
    ("not_recognised", "1", "因病情变化，检查检验结果与患者临床表现、疾病诊断不符，难以满足临床诊疗需求", ""),
    ("not_recognised", "2", "检查检验结果在疾病发展演变过程中变化较快", ""),
    ("not_recognised", "3", "检查检验项目对于疾病诊疗意义重大", ""),
    ("not_recognised", "4", "患者处于急诊、急救等紧急状态下", ""),
    ("not_recognised", "5", "涉及司法、伤残及病退等鉴定", ""),
    ("not_recognised", "6", "其他情形确需复查", ""),
];

impl Dictionaries {
    /// What there is without any import.
    pub fn built_in() -> Self {
        let mut all = Self::default();
        for (dictionary, code, meaning, aliases) in BUILT_IN {
            all.push(
                dictionary,
                Entry { code: code.to_owned(), meaning: meaning.to_owned(), aliases: listed(aliases) },
            );
        }
        all
    }

    /// The built-in dictionaries with those of `imported` in the place of the same name.
    pub fn with(imported: Vec<(String, Entry)>) -> Self {
        let mut all = Self::built_in();
        let mut replaced: Vec<String> = Vec::new();
        for (dictionary, entry) in imported {
            if !replaced.contains(&dictionary) {
                all.entries.remove(&dictionary);
                all.places.remove(&dictionary);
                replaced.push(dictionary.clone());
            }
            all.push(&dictionary, entry);
        }
        all
    }

    fn push(&mut self, dictionary: &str, entry: Entry) {
        let entries = self.entries.entry(dictionary.to_owned()).or_default();
        let places = self.places.entry(dictionary.to_owned()).or_default();
        let at = entries.len();
        // A code is itself, whatever another entry calls its alias.
        places.insert(folded(&entry.code), at);
        for name in entry.aliases.iter().chain([&entry.meaning]).map(|name| folded(name)) {
            if !name.is_empty() {
                places.entry(name).or_insert(at);
            }
        }
        entries.push(entry);
    }

    /// The entry that a text stands for: its code, an alias or its meaning; case, width and blanks do not count.
    pub fn find(&self, dictionary: &str, text: &str) -> Option<&Entry> {
        let at = *self.places.get(dictionary)?.get(&folded(text))?;
        self.entries.get(dictionary)?.get(at)
    }

    /// What exactly this code means.
    pub fn meaning(&self, dictionary: &str, code: &str) -> Option<&str> {
        let entry = self.find(dictionary, code).filter(|entry| entry.code == code);
        entry.map(|entry| entry.meaning.as_str())
    }

    /// The entry that the first of these texts stands for that stands for one.
    pub fn find_any(&self, dictionary: &str, texts: &[&str]) -> Option<&Entry> {
        texts.iter().filter(|text| !text.is_empty()).find_map(|text| self.find(dictionary, text))
    }

    /// Names and entries, in order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &[Entry])> {
        self.entries.iter().map(|(name, entries)| (name.as_str(), entries.as_slice()))
    }

    /// Writes codes in the place of what hospitals write.
    pub fn translate<F: Field>(&self, record: &mut Record<F>, fields: &[(F, &str)]) {
        for (field, dictionary) in fields {
            if let Some(entry) = record.get(*field).and_then(|text| self.find(dictionary, text)) {
                let code = entry.code.clone();
                record.set(*field, code);
            }
        }
    }
}

/// Aliases as they stand in one cell: separated by `|`, `;`, `；` or line ends.
pub fn listed(cell: &str) -> Vec<String> {
    let words = cell.split(['|', ';', '；', '\n']).map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A text as it is compared: case, width and blanks do not count.
pub fn folded(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{3000}' => ' ',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        c => c,
    };
    text.chars().map(narrow).filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(code: &str, meaning: &str, aliases: &str) -> Entry {
        Entry { code: code.to_owned(), meaning: meaning.to_owned(), aliases: listed(aliases) }
    }

    #[test]
    fn a_code_an_alias_and_a_meaning_stand_for_the_entry() {
        let all = Dictionaries::built_in();
        for text in ["2", " 住院 ", "２", "inpatient", "住院病人"] {
            assert_eq!(all.find(EVENT_TYPE, text).map(|entry| entry.code.as_str()), Some("2"), "{text}");
        }
        assert_eq!(all.find(EVENT_TYPE, "急"), None);
        assert_eq!(all.find("unheard of", "1"), None);
    }

    #[test]
    fn d_r17_recognition_means_nothing_until_it_is_imported() {
        assert_eq!(Dictionaries::built_in().find(RECOGNITION, "3"), None);
        let all = Dictionaries::with(vec![(RECOGNITION.to_owned(), entry("3", "全国HR", ""))]);
        assert_eq!(all.find(RECOGNITION, "3").map(|entry| entry.meaning.as_str()), Some("全国HR"));
        assert_eq!(all.find(RECOGNITION, "1"), None);
    }

    #[test]
    fn an_imported_dictionary_replaces_the_built_in_one_and_leaves_the_others() {
        let all =
            Dictionaries::with(vec![(SEX.to_owned(), entry("1", "男", "X")), (SEX.to_owned(), entry("2", "女", ""))]);
        assert_eq!(all.find(SEX, "X").map(|entry| entry.code.as_str()), Some("1"));
        assert_eq!(all.find(SEX, "9"), None);
        assert!(all.find(EVENT_TYPE, "1").is_some());
    }

    #[test]
    fn a_code_is_never_taken_for_the_alias_of_another_entry() {
        let all = Dictionaries::with(vec![("x".to_owned(), entry("A", "", "B")), ("x".to_owned(), entry("B", "", ""))]);
        assert_eq!(all.find("x", "B").map(|entry| entry.code.as_str()), Some("B"));
    }
}
