//! `GET /patients/{id}`: under which numbers institutions know the same person; `/patients/{id}/trends`: one item over time.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::access::{ApiState, Caller};
use super::model::{filled, local_instant, patient_of};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::reports::json;
use crate::archive::reports::pull_reports::{Content, KeptReport};
use crate::domain::exam_report::ExamField;
use crate::domain::identifier::{IdentifierKind, Wanted};
use crate::domain::lab_report::LabField;
use crate::domain::patient_key::PatientKey;
use crate::domain::trend;

/// By what patients are found.
pub(super) const FIND: [&str; 4] = ["identifier", "type", "domain", "limit"];
/// What may be asked for of an item over time.
pub(super) const TREND: [&str; 3] = ["item", "from", "to"];

/// A patient, and the same person in other institutions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Person {
    /// The patient that was asked for.
    patient: String,
    /// The person's number (PatientMasterID); absent while the patient has not been compared with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    /// The patient's own reports contradict each other, so that it is linked with nobody until somebody has looked.
    in_doubt: bool,
    /// Under which numbers the person is known, as far as the caller sees reports of them; the patient asked for comes first.
    known_as: Vec<KnownAs>,
}

/// Patients who have a number.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PatientList {
    /// By institution and number, as far as the caller sees reports of them.
    patients: Vec<FoundPatient>,
}

/// A patient, and who it is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FoundPatient {
    /// The person's number (PatientMasterID); absent while the patient has not been compared with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(flatten)]
    known_as: KnownAs,
}

/// A number of a person, with what the newest report says.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KnownAs {
    /// For `/patients/{id}/reports`.
    patient: String,
    /// Code of the institution.
    organization: String,
    /// The institution's number of the patient.
    patient_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sex_code: Option<String>,
    /// `yyyy-MM-dd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    birth_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_no: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card_no: Option<String>,
}

/// Results of one item over time.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Trend {
    /// What the newest report calls it.
    item: String,
    /// The one with most points first; units and kinds of numbers never share one.
    series: Vec<TrendSeries>,
    /// Results that are no numbers.
    unread: usize,
    /// Whether there are older results than these: ask for them with `to`.
    truncated: bool,
}

/// Points of one unit and kind of number, the oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TrendSeries {
    /// As first registered.
    unit: String,
    scale: TrendScale,
    points: Vec<TrendPoint>,
}

/// What kind of number.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TrendScale {
    /// A measured value.
    Number,
    /// The denominator of a dilution: 40 for `1:40`.
    Titre,
    /// 0 for negative, 0.5 for `±`, then the number of `+`.
    Grade,
}

/// One result.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TrendPoint {
    /// When, RFC 3339.
    at: String,
    /// As registered.
    text: String,
    /// As a number.
    value: f64,
    /// `<` or `>` when the number is a limit of the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    /// Lower limit of the reference range.
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<f64>,
    /// Upper limit of the reference range.
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<f64>,
    /// Code of the institution.
    organization: String,
    /// The report's id.
    report: String,
}

/// `GET /patients`
pub(super) async fn find(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref(), &FIND)?;
    let value = parameters.one("identifier")?.to_owned();
    if value.is_empty() || value.chars().count() > 128 {
        return Err(Problem::about(Code::BadParameter, "identifier"));
    }
    let kind = match parameters.one("type")? {
        "" => None,
        text => Some(IdentifierKind::parse(text).ok_or_else(|| Problem::about(Code::BadParameter, "type"))?),
    };
    let wanted = Wanted { kind, domain: parameters.one("domain")?.to_owned(), value };
    let limit = parameters.limit("limit", &inner.config)?;
    let _turn = inner.turn().await?;
    let found = inner.archive.find_patients(&caller.reader, &wanted, limit as usize).await?;
    let of = |(person, report): &(Option<String>, KeptReport)| FoundPatient {
        person: person.clone(),
        known_as: KnownAs::of(report),
    };
    Ok(json(&PatientList { patients: found.iter().map(of).collect() }))
}

/// `GET /patients/{id}`
pub(super) async fn one(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(patient): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::read(query.as_deref(), &[])?;
    let key = PatientKey::decode(&patient).ok_or(Code::NotFound)?;
    let _turn = inner.turn().await?;
    let found = inner.archive.pull_person(&caller.reader, &key).await?;
    let known_as = found.patients.iter().map(KnownAs::of).collect();
    Ok(json(&Person { patient, person: found.master_id, in_doubt: found.in_doubt, known_as }))
}

/// `GET /patients/{id}/trends`
pub(super) async fn trend(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(patient): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let key = PatientKey::decode(&patient).ok_or(Code::NotFound)?;
    let parameters = Parameters::read(query.as_deref(), &TREND)?;
    let item = parameters.one("item")?;
    if item.is_empty() || item.chars().count() > 256 {
        return Err(Problem::about(Code::BadParameter, "item"));
    }
    let window = parameters.window()?;
    let span = [window.from, window.to].map(|moment| moment.map(|moment| moment.to_string()).unwrap_or_default());
    let _turn = inner.turn().await?;
    Ok(json(&Trend::of(inner.archive.pull_trend(&caller.reader, &key, item, span).await?)))
}

impl KnownAs {
    fn of(report: &KeptReport) -> Self {
        let [name, sex_code, birth_date, id_no, card_no] = match &report.content {
            Content::Exam(record) => {
                use ExamField as F;
                [F::Name, F::SexCode, F::BirthDate, F::IdNo, F::CardNo].map(|field| filled(record.text(field)))
            }
            Content::Lab(record, _) => {
                use LabField as F;
                let of = |field| filled(record.text(field));
                [of(F::Name), of(F::SexCode), None, of(F::IdNo), of(F::CardNo)]
            }
        };
        let birth_date = birth_date.map(|date| date.chars().take(10).collect());
        let (organization, patient_id) = (report.org_code.clone(), report.patient_id.clone());
        Self { patient: patient_of(report), organization, patient_id, name, sex_code, birth_date, id_no, card_no }
    }
}

impl Trend {
    fn of(found: trend::Trend) -> Self {
        let series = found.series.into_iter().map(|series| TrendSeries {
            unit: series.unit,
            scale: match series.scale {
                trend::Scale::Number => TrendScale::Number,
                trend::Scale::Titre => TrendScale::Titre,
                trend::Scale::Grade => TrendScale::Grade,
            },
            points: series.points.into_iter().map(TrendPoint::of).collect(),
        });
        Self { item: found.item, series: series.collect(), unread: found.unread, truncated: found.truncated }
    }
}

impl TrendPoint {
    fn of(point: trend::Point) -> Self {
        let trend::Point { at, text, value, limit, low, high, organization, report, flag: _ } = point;
        Self { at: local_instant(&at), text, value, limit: filled(&limit), low, high, organization, report }
    }
}
