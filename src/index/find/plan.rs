//! Which index a query walks, chosen from what it asks.

use super::Readable;
use crate::domain::query::attribute::{Level, tag};
use crate::domain::query::{Matching, Pattern, Query};
use crate::index::search_keys;

/// UIDs that one statement looks up; longer lists take several.
const CHUNK: usize = 200;
/// A range of so many days is taken to be narrower than the beginning of a name.
const FEW_DAYS: i64 = 7;

/// A part of a walk: one organisation, one index.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) readable: Readable,
    pub(super) driver: Driver,
}

/// The index that is walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Driver {
    /// Instances with these UIDs.
    InstanceUids(Vec<String>),
    /// Series with these UIDs.
    SeriesUids(Vec<String>),
    /// Studies with these UIDs.
    StudyUids(Vec<String>),
    /// Studies with an AccessionNumber, PatientID or StudyID that a condition names exactly.
    StudyNumber,
    /// Keys with a beginning. What `earlier` parts of the walk have found is not found again.
    Key { lookup: Lookup, earlier: Vec<Lookup> },
    /// Studies with this modality, by date.
    Modality(String),
    /// Series that answer a request, by the condition on this attribute, which names it exactly.
    Request(u32, String),
    /// Studies by date.
    Date,
    /// Patients by PatientID.
    Patients,
}

impl Driver {
    /// How many characters name what is walked; longer numbers are rarer.
    fn length(&self) -> usize {
        match self {
            Driver::Request(_, number) => number.len(),
            _ => 0,
        }
    }
}

/// A range of search keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookup {
    pub(super) kind: i64,
    pub(super) from: Vec<u8>,
    /// The first key behind the range; none when the range is open.
    pub(super) before: Option<Vec<u8>>,
    /// Bytes for LIKE, that all keys of interest fit (and perhaps others).
    pub(super) like: Option<Vec<u8>>,
}

impl Lookup {
    fn of(kind: i64, pattern: &Pattern) -> Self {
        let is_fixed = !Pattern::has_wildcard(pattern.as_str());
        let from = pattern.prefix().as_bytes().to_vec();
        let before = if is_fixed { Some([&from[..], &[0]].concat()) } else { behind(&from) };
        let only_prefix = pattern.as_str().strip_suffix('*') == Some(pattern.prefix());
        let like = (!is_fixed && !only_prefix).then(|| super::statement::like_bytes(pattern));
        Self { kind, from, before, like }
    }

    /// Whether the key lies in the range.
    pub(super) fn covers(&self, key: &[u8]) -> bool {
        // With LIKE the engine leaves out keys in between, so none of them may count as the first.
        self.like.as_ref().is_none_or(|like| super::statement::fits_like(key, like))
            && key >= self.from.as_slice()
            && self.before.as_deref().is_none_or(|before| key < before)
    }
}

/// The first text behind all that begin with `prefix`.
fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// The parts of the walk, organisation by organisation.
pub(super) fn segments(query: &Query, readable: &[Readable]) -> std::collections::VecDeque<Segment> {
    let drivers = drivers(query);
    let of = |readable: &Readable| {
        let readable = readable.clone();
        drivers.clone().into_iter().map(move |driver| Segment { readable: readable.clone(), driver })
    };
    readable.iter().flat_map(of).collect()
}

fn drivers(query: &Query) -> Vec<Driver> {
    let level = query.level();
    if level == Level::Patient {
        let names = name_lookups(query);
        if exact(query, tag::PATIENT_ID).is_none() && !names.is_empty() && !names.iter().any(Lookup::is_open) {
            return by_keys(names);
        }
        let number = wildcard_lookup(query, tag::PATIENT_ID, search_keys::PATIENT_ID);
        return number.map_or(vec![Driver::Patients], |lookup| by_keys(vec![lookup]));
    }
    for of in [Level::Instance, Level::Study, Level::Series] {
        if level >= of
            && let Some(uids) = exact(query, of.unique_key())
        {
            return uids.chunks(CHUNK).map(|chunk| by_uids(of, chunk.to_vec())).collect();
        }
    }
    let request = [tag::SCHEDULED_PROCEDURE_STEP_ID, tag::REQUESTED_PROCEDURE_ID].into_iter();
    let request = request.filter_map(|tag| match query.condition(tag) {
        Some(Matching::Exactly(text)) => Some(Driver::Request(tag, text.clone())),
        _ => None,
    });
    let request = request.max_by_key(Driver::length);
    if [tag::ACCESSION_NUMBER, tag::PATIENT_ID].into_iter().any(|tag| is_few(query, tag)) {
        return vec![Driver::StudyNumber];
    }
    if let Some(request) = request {
        return vec![request];
    }
    // Many devices call every study 1; dates are narrower then.
    if query.condition(tag::STUDY_DATE).is_none() && is_few(query, tag::STUDY_ID) {
        return vec![Driver::StudyNumber];
    }
    by_range(query)
}

/// A walk over each range of keys in turn.
fn by_keys(lookups: Vec<Lookup>) -> Vec<Driver> {
    let part = |at: usize| Driver::Key { lookup: lookups[at].clone(), earlier: lookups[..at].to_vec() };
    (0..lookups.len()).map(part).collect()
}

fn by_uids(of: Level, uids: Vec<String>) -> Driver {
    match of {
        Level::Instance => Driver::InstanceUids(uids),
        Level::Series => Driver::SeriesUids(uids),
        Level::Study | Level::Patient => Driver::StudyUids(uids),
    }
}

fn by_range(query: &Query) -> Vec<Driver> {
    let numbers = [
        wildcard_lookup(query, tag::ACCESSION_NUMBER, search_keys::ACCESSION_NUMBER),
        wildcard_lookup(query, tag::PATIENT_ID, search_keys::PATIENT_ID),
    ];
    let mut ways: Vec<Vec<Lookup>> = numbers.into_iter().flatten().map(|lookup| vec![lookup]).collect();
    ways.extend(Some(name_lookups(query)).filter(|lookups| !lookups.is_empty()));
    // A way is as wide as its widest part.
    let narrowness = |way: &Vec<Lookup>| way.iter().map(|lookup| lookup.from.len()).min().unwrap_or(0);
    let best = ways.into_iter().max_by_key(narrowness);
    let dates = query.condition(tag::STUDY_DATE);
    let has_date = dates.is_some();
    let has_few_days = matches!(dates, Some(Matching::DateRange(from, to)) if few_days(from.as_deref(), to.as_deref()));
    match best {
        Some(way) if !(has_few_days || narrowness(&way) == 0 && has_date) => by_keys(way),
        _ => match one_modality(query) {
            Some(modality) => vec![Driver::Modality(modality)],
            None => vec![Driver::Date],
        },
    }
}

/// The one modality that every match's study has.
fn one_modality(query: &Query) -> Option<String> {
    [tag::MODALITIES_IN_STUDY, tag::MODALITY].into_iter().find_map(|tag| match query.condition(tag) {
        Some(Matching::Exactly(modality)) => Some(modality.clone()),
        _ => None,
    })
}

impl Lookup {
    /// Whether nothing is known of a key's beginning.
    fn is_open(&self) -> bool {
        self.from.is_empty()
    }
}

fn name_lookups(query: &Query) -> Vec<Lookup> {
    match query.condition(tag::PATIENT_NAME) {
        Some(Matching::Name(name)) => {
            name.lookups().into_iter().map(|pattern| Lookup::of(search_keys::NAME, pattern)).collect()
        }
        Some(Matching::Fuzzy(name)) => {
            let kinds = [search_keys::WORD, search_keys::NAME];
            name.lookups().into_iter().flat_map(|pattern| kinds.map(|kind| Lookup::of(kind, pattern))).collect()
        }
        _ => Vec::new(),
    }
}

fn wildcard_lookup(query: &Query, tag: u32, kind: i64) -> Option<Lookup> {
    match query.condition(tag)? {
        Matching::Wildcard(pattern) => Some(Lookup::of(kind, pattern)),
        _ => None,
    }
}

fn exact(query: &Query, tag: u32) -> Option<Vec<String>> {
    match query.condition(tag)? {
        Matching::Exactly(text) => Some(vec![text.clone()]),
        Matching::OneOf(texts) => Some(texts.clone()),
        _ => None,
    }
}

fn is_few(query: &Query, tag: u32) -> bool {
    exact(query, tag).is_some_and(|texts| texts.len() <= super::statement::MAX_LIST)
}

fn few_days(from: Option<&str>, to: Option<&str>) -> bool {
    // Months count as 31 days; it is only about which index is walked.
    let day = |text: &str| {
        let number = text.parse::<i64>().ok()?;
        Some((number / 10_000) * 372 + (number / 100 % 100) * 31 + number % 100)
    };
    match (from.and_then(day), to.and_then(day)) {
        (Some(from), Some(to)) => to - from < FEW_DAYS,
        _ => false,
    }
}
