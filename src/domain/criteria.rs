//! What a signed link asks for: parameters turned into search criteria (D-P1 to D-P20, D-T11, table E.6).
//!
//! A link's names are not signed, so every value is checked for its shape here, and a link without any key is refused:
//! nothing ever lists everything. Criteria say what to look for; whose data may be seen is the session's scope.

use serde::{Deserialize, Serialize};

use super::page::{Page, Parameter};
use super::token::Verified;

/// A number that tells a patient, a visit or an exam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// 身份证号.
    IdCard,
    /// 健康卡号.
    HealthCard,
    /// 医保号.
    Insurance,
    /// Any card of the patient.
    Card,
    /// 病历号.
    MedicalRecord,
    /// One visit.
    Visit,
    /// 门诊号.
    OutPatient,
    /// 住院号.
    InPatient,
    /// 申请号.
    PlacerOrder,
    /// 检查唯一号.
    FillerOrder,
    /// 检查访问号.
    Accession,
    /// 病人号 of the imaging system or the institution.
    PatientId,
    /// Master patient index number.
    PatientMaster,
    /// The exam's id in the archive.
    Observation,
}

impl Key {
    /// What it is called on pages.
    pub fn label(self) -> &'static str {
        match self {
            Key::IdCard => "身份证号",
            Key::HealthCard => "健康卡号",
            Key::Insurance => "医保号",
            Key::Card => "卡号",
            Key::MedicalRecord => "病历号",
            Key::Visit => "就诊号",
            Key::OutPatient => "门诊号",
            Key::InPatient => "住院号",
            Key::PlacerOrder => "申请号",
            Key::FillerOrder => "检查唯一号",
            Key::Accession => "检查访问号",
            Key::PatientId => "病人号",
            Key::PatientMaster => "主索引号",
            Key::Observation => "检查标识",
        }
    }
}

/// A closed range of local times, `yyyy-MM-dd HH:mm:ss`; `""` is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First moment.
    pub from: String,
    /// Last moment.
    pub to: String,
}

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Criteria {
    /// At least one of these matches, when there are any (D-P5).
    pub any_of: Vec<(Key, String)>,
    /// All of these match.
    pub all_of: Vec<(Key, String)>,
    /// Exam types in upper case, aliases spelt out (D-P13); empty means any.
    pub types: Vec<String>,
    /// Code of the organisation that did the exam; `""` means any.
    pub organization: String,
    /// Patient's whole name; `""` means any.
    pub name: String,
    /// GB/T 2261.1 code; `""` means any.
    pub sex: String,
    /// Birth dates, `yyyy-MM-dd`.
    pub birth: Span,
    /// Requesting department; `""` means any.
    pub department: String,
    /// When the exam was registered (D-P8).
    pub registered: Span,
    /// When the exam was done (D-P8).
    pub observed: Span,
    /// Whether everything of the patients found belongs to the answer (D-P16).
    pub related: bool,
}

/// What the exam page shows first (D-P18).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShowType {
    /// 0: the report with pictures.
    #[default]
    Report,
    /// 1: the report's text.
    Text,
    /// 2: images or waveforms beside the report.
    Data,
    /// 3: images or waveforms only, no word of the report.
    DataOnly,
    /// 4: the request form.
    Request,
}

impl ShowType {
    /// Reads the parameter; unknown and empty are 0.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "1" => ShowType::Text,
            "2" => ShowType::Data,
            "3" => ShowType::DataOnly,
            "4" => ShowType::Request,
            _ => ShowType::Report,
        }
    }
}

/// Why a link's parameters are no criteria; the text names parameters, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriteriaError {
    /// Nothing to look for.
    #[error("没有查询条件")]
    NoCondition,
    /// A value has not the shape that its parameter asks for.
    #[error("参数 {0} 的格式不正确")]
    Shape(&'static str),
    /// The customer may give one key only.
    #[error("只允许一个查询关键字")]
    TooManyKeys,
}

const KEYS: [(Parameter, Key); 14] = [
    (Parameter::IdCardNo, Key::IdCard),
    (Parameter::HealthCardNo, Key::HealthCard),
    (Parameter::InsuranceId, Key::Insurance),
    (Parameter::CardNo, Key::Card),
    (Parameter::MedRecNo, Key::MedicalRecord),
    (Parameter::VisitId, Key::Visit),
    (Parameter::OutPatientNo, Key::OutPatient),
    (Parameter::InPatientNo, Key::InPatient),
    (Parameter::PlacerOrderNo, Key::PlacerOrder),
    (Parameter::FillerOrderNo, Key::FillerOrder),
    (Parameter::AccessionNumber, Key::Accession),
    (Parameter::PatientId, Key::PatientId),
    (Parameter::PatientMasterId, Key::PatientMaster),
    (Parameter::ObservationUid, Key::Observation),
];

impl Criteria {
    /// Reads a verified link's parameters.
    pub fn from_link(page: Page, link: &Verified<'_>) -> Result<Self, CriteriaError> {
        let mut criteria = Criteria {
            types: exam_types(link.get(Parameter::ServiceSectId)),
            organization: link.get(Parameter::OrganizationId).to_owned(),
            name: link.get(Parameter::Name).to_owned(),
            sex: sex_code(link.get(Parameter::Sex))?,
            birth: dates(link, Parameter::BirthDateStart, Parameter::BirthDateEnd)?,
            department: link.get(Parameter::RequestDeptName).to_owned(),
            registered: moments(link, Parameter::RegTimeStart, Parameter::RegTimeEnd)?,
            observed: moments(link, Parameter::ObservationDateStart, Parameter::ObservationDateEnd)?,
            related: page == Page::RelatedExamList,
            ..Criteria::default()
        };
        for (parameter, key) in KEYS {
            let value = link.get(parameter);
            if value.is_empty() {
                continue;
            }
            let value = key_value(key, value).ok_or(CriteriaError::Shape(parameter.name()))?;
            let alternative = matches!(key, Key::IdCard | Key::HealthCard | Key::Insurance | Key::Card);
            if criteria.related || (alternative && page != Page::ClinicExam) {
                criteria.any_of.push((key, value));
            } else {
                criteria.all_of.push((key, value));
            }
        }
        let keys = criteria.any_of.len() + criteria.all_of.len();
        let born = !criteria.birth.from.is_empty() && !criteria.birth.to.is_empty();
        let named = !criteria.name.is_empty() && (born || link.customer.name_alone);
        if keys == 0 && !named {
            return Err(CriteriaError::NoCondition);
        }
        if link.customer.token.strict_params && keys != 1 {
            return Err(CriteriaError::TooManyKeys);
        }
        Ok(criteria)
    }

    /// One exam, known by its id in the archive.
    pub fn exam(observation_uid: &str) -> Self {
        Criteria { all_of: vec![(Key::Observation, observation_uid.to_owned())], ..Criteria::default() }
    }

    /// The keys with all but the ends of their values hidden, for pages that found nothing.
    pub fn masked(&self) -> Vec<(&'static str, String)> {
        let keys = self.any_of.iter().chain(&self.all_of);
        let mut shown: Vec<_> = keys.map(|(key, value)| (key.label(), mask(value))).collect();
        if !self.name.is_empty() {
            shown.push(("姓名", mask_name(&self.name)));
        }
        shown
    }
}

fn key_value(key: Key, value: &str) -> Option<String> {
    match key {
        Key::IdCard => {
            let id = value.to_ascii_uppercase();
            resident_id_is_valid(&id).then_some(id)
        }
        Key::Observation => observation_uid(value),
        _ => Some(value.to_owned()),
    }
}

/// Reads an exam id: a GUID with or without braces and hyphens, in any case (D-P20).
pub fn observation_uid(text: &str) -> Option<String> {
    uuid::Uuid::try_parse(text.trim()).ok().map(|uuid| uuid.hyphenated().to_string())
}

/// GB 11643: 17 digits, and a check digit of ISO 7064 MOD 11-2; 15 digits of the old kind have none.
fn resident_id_is_valid(id: &str) -> bool {
    const CHECK: &[u8; 11] = b"10X98765432";
    let bytes = id.as_bytes();
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    match bytes.len() {
        15 => digits(bytes),
        18 if digits(&bytes[..17]) => {
            let sum = bytes[..17].iter().fold(0u32, |sum, b| (sum * 2 + u32::from(b - b'0')) % 11) * 2 % 11;
            bytes[17] == CHECK[sum as usize]
        }
        _ => false,
    }
}

fn sex_code(text: &str) -> Result<String, CriteriaError> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "" => "",
        "1" | "男" | "M" => "1",
        "2" | "女" | "F" => "2",
        "0" | "未知" | "U" => "0",
        "9" | "O" => "9",
        _ => return Err(CriteriaError::Shape("Sex")),
    }
    .to_owned())
}

/// Exam types in upper case; names of groups stand for the modalities in them (D-P13).
pub fn exam_types(text: &str) -> Vec<String> {
    const GROUPS: [(&str, &[&str]); 5] = [
        ("RIS", &["RIS", "CR", "DR", "DX", "CT", "MR", "MG", "RF", "XA", "PX", "IO"]),
        ("DR", &["DR", "DX", "CR"]),
        ("PA", &["PA", "GMS", "SM"]),
        ("NM", &["NM", "PT"]),
        ("US", &["US", "UIS"]),
    ];
    let mut types: Vec<String> = Vec::new();
    for word in text.split([',', '，']).map(str::trim).filter(|word| !word.is_empty()).take(32) {
        let word = word.to_uppercase();
        match GROUPS.iter().find(|(name, _)| *name == word) {
            Some((_, members)) => types.extend(members.iter().map(|member| (*member).to_owned())),
            None => types.push(word),
        }
    }
    types.sort();
    types.dedup();
    types
}

fn dates(link: &Verified<'_>, from: Parameter, to: Parameter) -> Result<Span, CriteriaError> {
    let span = moments(link, from, to)?;
    Ok(Span { from: span.from.chars().take(10).collect(), to: span.to.chars().take(10).collect() })
}

fn moments(link: &Verified<'_>, from: Parameter, to: Parameter) -> Result<Span, CriteriaError> {
    let read = |parameter: Parameter, end| match link.get(parameter) {
        "" => Ok(String::new()),
        text => moment(text, end).ok_or(CriteriaError::Shape(parameter.name())),
    };
    Ok(Span { from: read(from, RangeEnd::First)?, to: read(to, RangeEnd::Last)? })
}

/// Which end of a range a date stands for: without a time it is the day's first or last second (D-P9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeEnd {
    /// From.
    First,
    /// Until.
    Last,
}

/// Reads a date or time in one of the usual forms (D-R12) as `yyyy-MM-dd HH:mm:ss`.
pub fn moment(text: &str, end: RangeEnd) -> Option<String> {
    let text = text.trim();
    let numbers: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '/' | '.' | ':' | ' ' | 'T')) {
        return None;
    }
    let (date, time) = match numbers.as_slice() {
        [y, m, d, time @ ..] if y.len() == 4 => ([*y, *m, *d], time.to_vec()),
        [joined, time @ ..] if joined.len() == 8 => ([&joined[..4], &joined[4..6], &joined[6..]], time.to_vec()),
        [joined] if joined.len() == 14 => {
            ([&joined[..4], &joined[4..6], &joined[6..8]], vec![&joined[8..10], &joined[10..12], &joined[12..]])
        }
        _ => return None,
    };
    let number = |text: &str| text.parse::<u16>().ok();
    let [year, month, day] = [number(date[0])?, number(date[1])?, number(date[2])?];
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = time::Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
    let (hour, minute, second) = match (time.as_slice(), end) {
        ([], RangeEnd::First) => (0, 0, 0),
        ([], RangeEnd::Last) => (23, 59, 59),
        ([hour, minute], _) => (number(hour)?, number(minute)?, if end == RangeEnd::Last { 59 } else { 0 }),
        ([hour, minute, second, ..], _) => (number(hour)?, number(minute)?, number(second)?),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(format!(
        "{:04}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    ))
}

/// First three and last two characters; everything for short values.
pub fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < 8 {
        return "*".repeat(chars.len());
    }
    let hidden = "*".repeat(chars.len() - 5);
    chars[..3].iter().collect::<String>() + &hidden + &chars[chars.len() - 2..].iter().collect::<String>()
}

fn mask_name(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(String::from).unwrap_or_default() + &"*".repeat(chars.count())
}

#[cfg(test)]
#[path = "criteria_tests.rs"]
mod tests;
