//! Searches (PS3.18 section 10.6, QIDO-RS): parameters to a query, matches to JSON or XML.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::access::{Caller, DicomwebState, Inner};
use super::metadata::{Form, form};
use super::multipart::{self, Part};
use super::problem::Problem;
use super::request::{ImagePath, Parameters, uid};
use crate::archive::images::image_access::ImageReader;
use crate::archive::images::read_object::Segment;
use crate::archive::peers::find::{Find, Match};
use crate::dicom::model::{DataSet, Number, Value, person_name};
use crate::dicom::{dictionary, json, native_xml};
use crate::domain::query::attribute::tag;
use crate::domain::query::{
    Attribute, DateTimeMatching, EmptyValueMatching, KeySupport, Level, MultipleValueMatching, NameMatching, Query,
};
use crate::domain::{Actor, ActorKind};

const WARNING: HeaderName = header::WARNING;
const RETRIEVE_URL: (u16, u16) = (0x0008, 0x1190);
const SPECIFIC_CHARACTER_SET: (u16, u16) = (0x0008, 0x0005);
const TOO_MANY: &str =
    "The number of results exceeded the maximum supported by the server. Additional results can be requested.";
const NOT_MATCHED: &str = "Some attributes of the search are not supported for matching and were ignored.";

/// What is returned without being asked for (PS3.18 tables 10.6.3-3 to 10.6.3-5).
const OF_STUDIES: [u32; 15] = [
    tag::STUDY_DATE,
    tag::STUDY_TIME,
    tag::ACCESSION_NUMBER,
    tag::INSTANCE_AVAILABILITY,
    tag::MODALITIES_IN_STUDY,
    tag::REFERRING_PHYSICIAN_NAME,
    tag::STUDY_DESCRIPTION,
    tag::PATIENT_NAME,
    tag::PATIENT_ID,
    tag::PATIENT_BIRTH_DATE,
    tag::PATIENT_SEX,
    tag::STUDY_INSTANCE_UID,
    tag::STUDY_ID,
    tag::NUMBER_OF_STUDY_RELATED_SERIES,
    tag::NUMBER_OF_STUDY_RELATED_INSTANCES,
];
const OF_SERIES: [u32; 9] = [
    tag::MODALITY,
    tag::SERIES_DESCRIPTION,
    tag::SERIES_INSTANCE_UID,
    tag::SERIES_NUMBER,
    tag::NUMBER_OF_SERIES_RELATED_INSTANCES,
    tag::INSTANCE_AVAILABILITY,
    tag::PERFORMED_PROCEDURE_STEP_START_DATE,
    tag::PERFORMED_PROCEDURE_STEP_START_TIME,
    tag::REQUEST_ATTRIBUTES_SEQUENCE,
];
const OF_INSTANCES: [u32; 7] = [
    tag::SOP_CLASS_UID,
    tag::SOP_INSTANCE_UID,
    tag::INSTANCE_AVAILABILITY,
    tag::INSTANCE_NUMBER,
    tag::ROWS,
    tag::COLUMNS,
    tag::NUMBER_OF_FRAMES,
];

/// `GET /studies`
pub(super) async fn studies(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    search(&inner, &caller, Level::Study, &ImagePath::default(), query.as_deref(), &headers).await
}

/// `GET …/series`
pub(super) async fn series(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    search(&inner, &caller, Level::Series, &path, query.as_deref(), &headers).await
}

/// `GET …/instances`
pub(super) async fn instances(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    search(&inner, &caller, Level::Instance, &path, query.as_deref(), &headers).await
}

/// A search as it was asked.
#[derive(Debug)]
struct Search {
    query: Query,
    limit: Option<usize>,
    offset: u64,
    warnings: Vec<&'static str>,
}

async fn search(
    inner: &Inner,
    caller: &Caller,
    level: Level,
    path: &ImagePath,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query)?;
    let form = form(headers, parameters.get("accept"))?;
    let Search { query, limit, offset, mut warnings } = read(level, path, &parameters)?;
    let most = limit.unwrap_or(usize::MAX).min(inner.config.max_results);
    // Who asks and whose data is seen is put in by the archive, from the reader.
    let actor = match &caller.reader {
        ImageReader::System { actor, .. } => actor.clone(),
        ImageReader::Session { .. } => Actor { kind: ActorKind::Customer, ..Actor::system("dicomweb") },
    };
    let find = Find { query, readable: Vec::new(), actor, limits: inner.config.find.clone() };
    let found = inner.archive.search_images(&inner.access, &caller.reader, find, offset, most).await?;
    if found.has_more && limit.is_none_or(|limit| limit > most) {
        warnings.push(TOO_MANY);
    }
    let sets: Vec<DataSet> = found.matches.iter().map(|one| data_set(one, level, &caller.root)).collect();
    let mut response = answer(inner, form, &sets).await?;
    for warning in warnings {
        if let Ok(value) = HeaderValue::from_str(&format!("299 {}: \"{warning}\"", caller.root)) {
            response.headers_mut().append(WARNING, value);
        }
    }
    Ok(response)
}

async fn answer(inner: &Inner, form: Form, sets: &[DataSet]) -> Result<Response, Problem> {
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if sets.is_empty() {
        return Ok((StatusCode::NO_CONTENT, [no_store]).into_response());
    }
    match form {
        Form::Json => {
            let kind = (header::CONTENT_TYPE, HeaderValue::from_static(json::MEDIA_TYPE));
            Ok((StatusCode::OK, [kind, no_store], json::list(sets, "")).into_response())
        }
        Form::Xml => {
            let part = |set| Part {
                content_type: native_xml::MEDIA_TYPE.to_owned(),
                location: String::new(),
                content: vec![Segment::Bytes(Bytes::from(native_xml::document(set, "")))],
            };
            multipart::respond(inner, native_xml::MEDIA_TYPE, sets.iter().map(part).collect()).await
        }
    }
}

/// Reads the parameters of a search, and those of `Accept` among them; gives the query, or why it is none. For fuzzing.
pub fn search_query(level: Level, parameters: &str) -> Result<Query, String> {
    let read = || {
        let parameters = Parameters::read(Some(parameters))?;
        form(&HeaderMap::new(), parameters.get("accept"))?;
        read(level, &ImagePath::default(), &parameters)
    };
    read().map(|search| search.query).map_err(|problem: Problem| format!("{problem:?}"))
}

fn read(level: Level, path: &ImagePath, parameters: &Parameters) -> Result<Search, Problem> {
    let is_true = |value: &str| value.trim().eq_ignore_ascii_case("true");
    let asks =
        |wanted: &str| parameters.0.iter().any(|(name, value)| name.eq_ignore_ascii_case(wanted) && is_true(value));
    let mut query = Query::new(level).with_date_time(DateTimeMatching::Combined);
    if asks("fuzzymatching") {
        query = query.with_names(NameMatching::Fuzzy);
    }
    if asks("emptyvaluematching") {
        query = query.with_empty_values(EmptyValueMatching::Empty);
    }
    if asks("multiplevaluematching") {
        query = query.with_multiple_values(MultipleValueMatching::Any);
    }
    for tag in returned(level, path) {
        query.add_return(tag);
    }
    let (mut limit, mut offset, mut warnings) = (None, 0, Vec::new());
    for (name, value) in &parameters.0 {
        match name.to_ascii_lowercase().as_str() {
            "limit" => limit = Some(number(name, value)?),
            "offset" => offset = number(name, value)? as u64,
            "fuzzymatching" | "emptyvaluematching" | "multiplevaluematching" | "accept" | "charset" => {}
            "includefield" => include(&mut query, value)?,
            _ if !key(&mut query, name, value)? && !warnings.contains(&NOT_MATCHED) => warnings.push(NOT_MATCHED),
            _ => {}
        }
    }
    // Last, so that nothing in the query can lead out of the path.
    for (tag, text) in [(tag::STUDY_INSTANCE_UID, &path.study), (tag::SERIES_INSTANCE_UID, &path.series)] {
        if let Some(uid) = uid(text.as_deref())? {
            query.add_key(tag, &uid).map_err(|error| Problem::bad_request(error.to_string()))?;
        }
    }
    Ok(Search { query, limit, offset, warnings })
}

/// Levels that the path does not name are told with each match.
fn returned(level: Level, path: &ImagePath) -> Vec<u32> {
    let mut tags = Vec::new();
    if level == Level::Study || path.study.is_none() {
        tags.extend(OF_STUDIES);
    }
    if level == Level::Series || (level == Level::Instance && path.series.is_none()) {
        tags.extend(OF_SERIES);
    }
    if level == Level::Instance {
        tags.extend(OF_INSTANCES);
    }
    tags
}

fn number(name: &str, value: &str) -> Result<usize, Problem> {
    value.trim().parse().map_err(|_| Problem::bad_request(format!("{name} is no number that can be used.")))
}

fn include(query: &mut Query, value: &str) -> Result<(), Problem> {
    for field in value.split(',').map(str::trim).filter(|field| !field.is_empty()) {
        if field.eq_ignore_ascii_case("all") {
            query.add_every_return();
            continue;
        }
        match path_of(field)?.as_slice() {
            [tag] => query.add_return(*tag),
            [sequence, tag] => query.add_nested_return(*sequence, *tag),
            _ => KeySupport::Unsupported,
        };
    }
    Ok(())
}

/// Adds a condition; whether it will be looked at.
fn key(query: &mut Query, name: &str, value: &str) -> Result<bool, Problem> {
    let support = match path_of(name)?.as_slice() {
        [tag] if value.is_empty() => query.add_return(*tag),
        [tag] => {
            let is_uid = Attribute::of(*tag).is_some_and(|attribute| attribute.vr == "UI");
            let value = if is_uid { value.replace(',', "\\") } else { value.to_owned() };
            query.add_key(*tag, &value).map_err(|error| Problem::bad_request(error.to_string()))?
        }
        [sequence, tag] => {
            let added = query.add_nested_key(*sequence, *tag, value);
            added.map_err(|error| Problem::bad_request(error.to_string()))?
        }
        _ => KeySupport::Unsupported,
    };
    Ok(support == KeySupport::Matched || value.is_empty())
}

/// The tags of an attribute and of the sequences around it, outermost first.
fn path_of(name: &str) -> Result<Vec<u32>, Problem> {
    name.split('.').map(|part| dictionary::tag_of(part).map(number_of).ok_or_else(|| unknown(part))).collect()
}

/// The name is not repeated: it may be anything, a patient's name in the wrong place too.
fn unknown(_name: &str) -> Problem {
    Problem::bad_request(
        "A parameter names no attribute; attributes are named by keyword or by eight hexadecimal digits.",
    )
}

fn number_of((group, element): (u16, u16)) -> u32 {
    u32::from(group) << 16 | u32::from(element)
}

fn data_set(one: &Match, level: Level, root: &str) -> DataSet {
    let mut set = DataSet::new();
    set.put_text(SPECIFIC_CHARACTER_SET, b"CS", "ISO_IR 192");
    for (number, values) in &one.values {
        if *number == tag::RETRIEVE_AE_TITLE {
            continue;
        }
        let attribute = Attribute::known(*number);
        if let Some(sequence) = attribute.and_then(|attribute| attribute.sequence) {
            set.put_items(tag_of(sequence), one.items(sequence).iter().map(item).collect());
            continue;
        }
        let vr = attribute.and_then(|attribute| attribute.vr.as_bytes().try_into().ok()).unwrap_or(*b"UN");
        set.put(tag_of(*number), &vr, value(vr, values));
    }
    let mut url = format!("{root}/studies/{}", one.text(tag::STUDY_INSTANCE_UID));
    if level >= Level::Series {
        url.push_str(&format!("/series/{}", one.text(tag::SERIES_INSTANCE_UID)));
    }
    if level == Level::Instance {
        url.push_str(&format!("/instances/{}", one.text(tag::SOP_INSTANCE_UID)));
    }
    set.put_text(RETRIEVE_URL, b"UR", url);
    set
}

fn item(values: &BTreeMap<u32, &str>) -> DataSet {
    let mut item = DataSet::new();
    for (tag, text) in values {
        item.put_text(tag_of(*tag), b"SH", *text);
    }
    item
}

fn tag_of(number: u32) -> (u16, u16) {
    ((number >> 16) as u16, number as u16)
}

fn value(vr: [u8; 2], values: &[String]) -> Value {
    if values.is_empty() {
        return Value::Empty;
    }
    match &vr {
        b"PN" => Value::Names(values.iter().map(|name| person_name(name)).collect()),
        b"IS" | b"DS" | b"US" => Value::Numbers(values.iter().map(|text| Number::Decimal(text.clone())).collect()),
        _ => Value::Texts(values.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::query::Matching;

    fn asked(level: Level, path: &ImagePath, query: &str) -> Result<Search, Problem> {
        read(level, path, &Parameters::read(Some(query)).unwrap())
    }

    #[test]
    fn parameters_become_conditions_limits_and_warnings() {
        let query = "PatientID=L0001&00080061=CT&StudyInstanceUID=1.2,1.3&limit=5&offset=2&fuzzymatching=true&\
                     includefield=00081030,StationName&includefield=all&00101002.00100020=x";
        let search = asked(Level::Study, &ImagePath::default(), query).unwrap();
        assert_eq!((search.limit, search.offset), (Some(5), 2));
        assert_eq!(search.warnings, [NOT_MATCHED]);
        assert_eq!(search.query.condition(tag::PATIENT_ID), Some(&Matching::Exactly("L0001".to_owned())));
        let uids = Matching::OneOf(vec!["1.2".to_owned(), "1.3".to_owned()]);
        assert_eq!(search.query.condition(tag::STUDY_INSTANCE_UID), Some(&uids));
        assert!(search.query.returned().contains(&tag::PATIENT_AGE), "includefield=all");
        // The parameter counts wherever it stands.
        let empty = asked(Level::Study, &ImagePath::default(), "StudyID=%22%22&emptyvaluematching=TRUE").unwrap();
        assert_eq!((empty.query.condition(tag::STUDY_ID), empty.warnings.len()), (Some(&Matching::Empty), 0));
        let literal = asked(Level::Study, &ImagePath::default(), "StudyID=%22%22&emptyvaluematching=").unwrap();
        assert_eq!(literal.query.condition(tag::STUDY_ID), Some(&Matching::Exactly("\"\"".to_owned())));
        let dates = "StudyDate=20240301%5C20240305&multiplevaluematching=";
        let list = asked(Level::Study, &ImagePath::default(), &format!("{dates}true")).unwrap();
        assert!(matches!(list.query.condition(tag::STUDY_DATE), Some(Matching::AnyOf(ways)) if ways.len() == 2));
        assert!(asked(Level::Study, &ImagePath::default(), &format!("{dates}false")).is_err());
    }

    #[test]
    fn attributes_in_sequences_are_named_by_their_way() {
        let (step, procedure) = (tag::SCHEDULED_PROCEDURE_STEP_ID, tag::REQUESTED_PROCEDURE_ID);
        let by_words = "RequestAttributesSequence.ScheduledProcedureStepID=S1";
        for way in [by_words, "00400275.00400009=S1", "00400275.ScheduledProcedureStepID=S1"] {
            let search = asked(Level::Series, &ImagePath::default(), way).unwrap();
            assert_eq!(search.query.condition(step), Some(&Matching::Exactly("S1".to_owned())), "{way}");
            assert!(search.warnings.is_empty() && search.query.returned().contains(&procedure));
        }
        for other in ["ScheduledProcedureStepID=S1", "00400275.00400275.00400009=S1", "00400275.00400007=x"] {
            let search = asked(Level::Series, &ImagePath::default(), other).unwrap();
            assert_eq!((search.warnings.as_slice(), search.query.asks_items()), (&[NOT_MATCHED][..], false), "{other}");
        }
        let of_study = asked(Level::Study, &ImagePath::default(), by_words).unwrap();
        assert_eq!(of_study.warnings, [NOT_MATCHED]);
        let path = ImagePath { study: Some("1.2".to_owned()), series: Some("1.3".to_owned()), ..ImagePath::default() };
        let one = asked(Level::Instance, &path, "includefield=00400275.RequestedProcedureID").unwrap();
        assert!(one.query.returned().contains(&procedure) && !one.query.returned().contains(&step));
    }

    #[test]
    fn nothing_in_a_query_leads_out_of_its_path() {
        let path = ImagePath { study: Some("1.2".to_owned()), ..ImagePath::default() };
        let search = asked(Level::Series, &path, "StudyInstanceUID=1.3").unwrap();
        let only = Matching::Exactly("1.2".to_owned());
        assert_eq!(search.query.condition(tag::STUDY_INSTANCE_UID), Some(&only));
        for bad in ["Nonsense=1", "limit=-1", "limit=a", "offset=1e9", "StudyInstanceUID=..", "StudyDate=yesterday"] {
            assert!(asked(Level::Study, &ImagePath::default(), bad).is_err(), "{bad}");
        }
        let up = ImagePath { study: Some("..".to_owned()), ..ImagePath::default() };
        assert!(asked(Level::Series, &up, "").is_err());
    }

    #[test]
    fn a_match_is_written_with_its_address() {
        let values = [
            (tag::STUDY_INSTANCE_UID, vec!["1.2".to_owned()]),
            (tag::PATIENT_NAME, vec!["Ceshi^Jia=测试^甲".to_owned()]),
            (tag::NUMBER_OF_STUDY_RELATED_SERIES, vec!["3".to_owned()]),
            (tag::MODALITIES_IN_STUDY, vec!["CT".to_owned(), "SR".to_owned()]),
            (tag::STUDY_ID, Vec::new()),
            (tag::RETRIEVE_AE_TITLE, Vec::new()),
        ];
        let one = Match { org_code: "ORG-T01".to_owned(), values: values.into_iter().collect() };
        let set = data_set(&one, Level::Study, "http://h/dicom-web");
        let text = String::from_utf8(json::list(&[set], "")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json[0]["00081190"]["Value"][0], "http://h/dicom-web/studies/1.2");
        assert_eq!(json[0]["00201206"], serde_json::json!({ "vr": "IS", "Value": [3] }));
        assert_eq!(json[0]["00080061"]["Value"], serde_json::json!(["CT", "SR"]));
        assert_eq!(json[0]["00200010"], serde_json::json!({ "vr": "SH" }));
        assert_eq!(json[0]["00100010"]["Value"][0]["Ideographic"], "测试^甲");
        assert!(json[0].get("00080054").is_none());
    }
}
