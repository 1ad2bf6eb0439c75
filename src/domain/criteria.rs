//! What a signed link asks for: parameters turned into search criteria (D-P1 to D-P20, D-T11, table E.6).
//!
//! A link's names are not signed, so every value is checked for its shape here, and a link without any key is refused:
//! nothing ever lists everything. Criteria say what to look for; whose data may be seen is the session's scope.

use serde::{Deserialize, Serialize};

use super::date_time::{NotADate, normalise, parse};
use super::identity::{IdNo, Sex, mask_id_no, mask_name};
use super::page::{Page, Parameter};
use super::search_rules::SearchRules;
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
    /// Whether the number means something in one organisation only, so that `OrganizationID` belongs to it (table E.3).
    pub fn is_of_organization(self) -> bool {
        use Key::*;
        match self {
            IdCard | HealthCard | Insurance | Card | PatientMaster | Observation => false,
            MedicalRecord | Visit | OutPatient | InPatient | PlacerOrder | FillerOrder | Accession | PatientId => true,
        }
    }

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
    /// For a key, the organisation or system that gave the number; numbers of others do not match.
    pub authorities: Vec<(Key, String)>,
    /// Whether accession numbers also find specimens.
    pub specimens: bool,
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

/// Which key a parameter says the issuing system of.
const AUTHORITIES: [(Parameter, Key); 3] = [
    (Parameter::PlacerAssigningAuthority, Key::PlacerOrder),
    (Parameter::FillerAssigningAuthority, Key::FillerOrder),
    (Parameter::PidAssigningAuthority, Key::PatientId),
];

impl Criteria {
    /// The organisation or system that gave the number of a key.
    pub fn authority(&self, key: Key) -> Option<&str> {
        self.authorities.iter().find(|(of, _)| *of == key).map(|(_, name)| name.as_str())
    }

    /// Reads a verified link's parameters.
    pub fn from_link(page: Page, link: &Verified<'_>, rules: &SearchRules) -> Result<Self, CriteriaError> {
        let mut criteria = Criteria {
            types: rules.exam_types(link.get(Parameter::ServiceSectId)),
            specimens: rules.accession_finds_specimens,
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
        for (parameter, key) in AUTHORITIES {
            let name = link.get(parameter);
            if !name.is_empty() {
                criteria.authorities.push((key, rules.authority(name).to_owned()));
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
        let mut shown: Vec<_> = keys.map(|(key, value)| (key.label(), mask_id_no(value))).collect();
        if !self.name.is_empty() {
            shown.push(("姓名", mask_name(&self.name)));
        }
        shown
    }
}

fn key_value(key: Key, value: &str) -> Option<String> {
    match key {
        Key::IdCard => IdNo::parse(value).map(|id_no| id_no.as_str().to_owned()),
        Key::Observation => observation_uid(value),
        // Ours are UUIDs in any spelling; another index's number is nobody's here.
        Key::PatientMaster => Some(observation_uid(value).unwrap_or_else(|| value.to_owned())),
        _ => Some(value.to_owned()),
    }
}

/// Reads an exam id: a GUID with or without braces and hyphens, in any case (D-P20).
pub fn observation_uid(text: &str) -> Option<String> {
    uuid::Uuid::try_parse(text.trim()).ok().map(|uuid| uuid.hyphenated().to_string())
}

fn sex_code(text: &str) -> Result<String, CriteriaError> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    Sex::parse(text).map(|sex| sex.code().to_owned()).ok_or(CriteriaError::Shape("Sex"))
}

fn dates(link: &Verified<'_>, from: Parameter, to: Parameter) -> Result<Span, CriteriaError> {
    let span = moments(link, from, to)?;
    Ok(Span { from: span.from.chars().take(10).collect(), to: span.to.chars().take(10).collect() })
}

fn moments(link: &Verified<'_>, from: Parameter, to: Parameter) -> Result<Span, CriteriaError> {
    let shape = |parameter: Parameter| move |_: NotADate| CriteriaError::Shape(parameter.name());
    let first = range_start(link.get(from)).map_err(shape(from))?;
    Ok(Span { from: first, to: range_end(link.get(to)).map_err(shape(to))? })
}

/// The beginning of a range in the kept form; `""` for nothing. A day without a time is its first second (D-P9).
pub fn range_start(text: &str) -> Result<String, NotADate> {
    Ok(normalise(text)?.unwrap_or_default())
}

/// The end of a range in the kept form; `""` for nothing. A day without a time is its last second (D-P9).
pub fn range_end(text: &str) -> Result<String, NotADate> {
    Ok(parse(text)?.map(|moment| moment.as_range_end().to_string()).unwrap_or_default())
}

#[cfg(test)]
#[path = "criteria_tests.rs"]
mod tests;
