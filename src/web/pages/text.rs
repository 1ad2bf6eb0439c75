//! How stored values read on a page: names, ages, times, states, paragraphs.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

#[cfg(test)]
use crate::archive::pages::list_exams::Contents;
use crate::archive::pages::list_exams::{Content, Entry, EntryKind};
use crate::domain::date_time::local_text;
#[cfg(test)]
use crate::domain::lab_result::Severity;
use crate::domain::report_state::ReportState;

/// `2024-01-31 08:00:00` without its seconds.
pub(super) fn to_the_minute(moment: &str) -> String {
    match moment.get(16..) {
        Some(seconds) if seconds.starts_with(':') => moment.get(..16).unwrap_or(moment).to_owned(),
        _ => moment.to_owned(),
    }
}

/// A DICOM person name's ideographic group, or its only one, without the component signs.
pub(super) fn person_name(name: &str) -> String {
    let groups: Vec<&str> = name.split('=').collect();
    let chosen = groups.get(1).filter(|group| !group.trim().is_empty()).or(groups.first()).copied().unwrap_or_default();
    let ideographic = !chosen.is_ascii();
    let parts: Vec<&str> = chosen.split('^').filter(|part| !part.is_empty()).collect();
    parts.join(if ideographic { "" } else { " " }).trim().to_owned()
}

/// 男, 女, 未知.
pub(super) fn sex(code: &str) -> &'static str {
    match code.trim() {
        "1" | "M" | "男" => "男",
        "2" | "F" | "女" => "女",
        "" => "",
        _ => "未知",
    }
}

/// The age at a moment: years, under two years months, under two months days.
pub(super) fn age(birth_date: &str, at: &str) -> String {
    let (Some(born), Some(then)) = (date(birth_date), date(at)) else { return String::new() };
    let days = (then - born).whole_days();
    let months = (then.year() - born.year()) * 12 + i32::from(u8::from(then.month()))
        - i32::from(u8::from(born.month()))
        - i32::from(then.day() < born.day());
    match (days, months) {
        (..0, _) => String::new(),
        (0..60, _) => format!("{days}天"),
        (_, ..24) => format!("{months}个月"),
        _ => format!("{}岁", months / 12),
    }
}

fn date(text: &str) -> Option<time::Date> {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(8).collect();
    let month: u8 = digits.get(4..6)?.parse().ok()?;
    let month = time::Month::try_from(month).ok()?;
    time::Date::from_calendar_date(digits.get(..4)?.parse().ok()?, month, digits.get(6..8)?.parse().ok()?).ok()
}

/// What kind of exam an entry is.
pub(super) fn exam_kind(entry: &Entry) -> String {
    let name = match (entry.kind, entry.modality.as_str()) {
        (EntryKind::Lab, _) => "检验",
        (_, "PA" | "GMS" | "SM") => "病理",
        (_, "CT") => "CT",
        (_, "MR") => "磁共振",
        (_, "CR" | "DR" | "DX") => "X线",
        (_, "US") => "超声",
        (_, "ES") => "内镜",
        (_, "ECG") => "心电",
        (_, "MG") => "乳腺",
        (_, "NM" | "PT") => "核医学",
        (_, "XA") => "血管造影",
        (_, other) => other,
    };
    if entry.type_name.is_empty() { name.to_owned() } else { entry.type_name.clone() }
}

/// The colour of an entry's type.
pub(super) fn chip(entry: &Entry) -> &'static str {
    match (entry.kind, entry.modality.as_str()) {
        (EntryKind::Lab, _) => "k-lab",
        (_, "CT" | "MR" | "NM" | "PT") => "k-section",
        (_, "CR" | "DR" | "DX" | "MG" | "XA" | "RF") => "k-xray",
        (_, "US" | "ES") => "k-scope",
        (_, "ECG") => "k-wave",
        _ => "k-other",
    }
}

/// The state of the report in one word.
pub(super) fn state_label(entry: &Entry) -> &'static str {
    let state = match entry.kind {
        EntryKind::Study => ReportState::Unreported,
        EntryKind::Lab => ReportState::Published,
        EntryKind::Exam => ReportState::of_exam(&entry.state, entry.reviewed),
    };
    state.label()
}

/// What can be looked at, as the tabs are called.
pub(super) fn contents(entry: &Entry) -> Vec<&'static str> {
    let all = [
        (Content::Images, "影像"),
        (Content::Films, "电子胶片"),
        (Content::Waveforms, "波形"),
        (Content::Videos, "视频"),
    ];
    all.into_iter().filter(|(content, _)| entry.contents.has(*content)).map(|(_, label)| label).collect()
}

/// Whether the report needs the label 未审核 (D-P24).
pub(super) fn is_unreviewed(entry: &Entry) -> bool {
    entry.kind == EntryKind::Exam && !entry.reviewed
}

/// Findings and conclusions lose their paragraphs on the way here: a numbered item after four blanks begins one (D-R31).
pub(super) fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = Vec::new();
    for line in text.split(['\n', '\r']) {
        let mut current = String::new();
        let mut blanks = 0;
        let chars: Vec<char> = line.chars().collect();
        for (at, &c) in chars.iter().enumerate() {
            if c.is_whitespace() {
                blanks += 1;
                current.push(c);
                continue;
            }
            if blanks >= 4 && begins_item(&chars[at..]) {
                paragraphs.push(std::mem::take(&mut current));
            }
            blanks = 0;
            current.push(c);
        }
        paragraphs.push(current);
    }
    paragraphs.into_iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

fn begins_item(chars: &[char]) -> bool {
    let digits = chars.iter().take_while(|c| c.is_ascii_digit()).count();
    (1..=2).contains(&digits) && chars.get(digits).is_some_and(|c| matches!(c, '、' | '.' | '．'))
}

/// `?name=value&…` of the fields that are not empty; `?` alone when all are.
pub(super) fn query(fields: &[(&str, &str)]) -> String {
    let mut query = String::from("?");
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        if query.len() > 1 {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        query.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    query
}

/// Local time of a moment in milliseconds, to the minute.
pub(super) fn moment(ms: i64) -> String {
    to_the_minute(&local_text(ms))
}

#[cfg(test)]
pub(super) fn sample_entry() -> Entry {
    Entry {
        kind: EntryKind::Exam,
        pk: 1,
        observation_uid: "6ba7b810-9dad-51d1-80b4-00c04fd430c8".to_owned(),
        observed_at: "2024-01-31 08:30:00".to_owned(),
        org_code: "ORG-T01".to_owned(),
        patient_id: "P0001".to_owned(),
        patient_local_id: "L0001".to_owned(),
        name: "测试甲".to_owned(),
        sex: "1".to_owned(),
        birth_date: "1990-01-01".to_owned(),
        title: "胸部CT平扫".to_owned(),
        modality: "CT".to_owned(),
        type_name: String::new(),
        body_part: "胸部".to_owned(),
        accession: "A0001".to_owned(),
        state: "3".to_owned(),
        reviewed: true,
        contents: Contents::of(&[Content::Images, Content::Films, Content::Waveforms, Content::Videos]),
        has_file: true,
        has_words: true,
        severity: Severity::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_paragraphs_are_found_again() {
        let text = "1、双肺纹理增多。    2、右肺小结节。      3.心影不大\n建议复查。  4、同一段";
        assert_eq!(paragraphs(text), ["1、双肺纹理增多。", "2、右肺小结节。", "3.心影不大", "建议复查。  4、同一段"]);
    }

    #[test]
    fn a_measure_after_blanks_begins_no_paragraph() {
        assert_eq!(paragraphs("大小约    12mm，    密度均匀"), ["大小约    12mm，    密度均匀"]);
    }

    #[test]
    fn ages_are_in_the_unit_that_doctors_use() {
        assert_eq!(age("1990-05-02", "2024-05-01 08:00:00"), "33岁");
        assert_eq!(age("20230901", "2024-05-01"), "8个月");
        assert_eq!(age("2024-04-20", "2024-05-01"), "11天");
        assert_eq!(age("", "2024-05-01"), "");
    }

    #[test]
    fn the_ideographic_name_is_shown() {
        assert_eq!(person_name("CeShi^Jia=测试^甲"), "测试甲");
        assert_eq!(person_name("Test^Anna"), "Test Anna");
        assert_eq!(person_name("测试甲"), "测试甲");
    }
}
