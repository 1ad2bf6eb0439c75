//! Answers [`Query`]s from the rows of patients, studies, series and instances, page by page.
//!
//! Every statement is about one organisation and walks one index (`plan`) in an order in which the next page begins
//! where the last one ended, so a page costs the same wherever it is. SQL finds candidates (`statement`); whether one
//! fits is decided by [`Query::accepts`], the same on both engines. Counts and collected values (`computed`) are
//! read for the rows of a page only, and only when they are asked for.

mod columns;
mod computed;
mod plan;
mod requests;
mod statement;

use std::collections::{BTreeMap, VecDeque};

use super::{Index, Value};
use crate::domain::query::attribute::{Attribute, Kind, Level, tag};
use crate::domain::query::{Condition, Query, search_keys, search_words};
pub(super) use statement::push_seen_by;

use columns::Column;
use plan::{Driver, Lookup, Segment};

/// Rows of a page at most; the ids of a page are bound as values of one statement.
pub const MAX_PAGE_ROWS: u32 = 5000;

/// An organisation whose data may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readable {
    /// The organisation.
    pub org_code: String,
    /// How much of it.
    pub confidentiality: Confidentiality,
}

/// How much of an organisation's data may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidentiality {
    /// Everything: the caller belongs to it.
    Everything,
    /// Also what is restricted or of a VIP, but no studies of a withdrawn exam (D-R18, D-R22).
    Privileged,
    /// No studies of an exam that is restricted, of a VIP, or withdrawn, nor of a VIP's that have no report (D-R18, D-R22).
    SharedOnly,
    /// No series of documents: no word of a report is to be seen (D-P18).
    ImagesOnly,
}

/// One patient, study, series or instance that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Whose it is.
    pub org_code: String,
    /// Values by tag as UTF-8 text, of all tags that the query returns; none where there is no value. Of attributes in
    /// the items of a sequence one for each item, empty where the item has none ([`Match::items`]). The value
    /// representation is that of [`Attribute::of`]. RetrieveAETitle is for the adapter to fill.
    pub values: BTreeMap<u32, Vec<String>>,
}

impl Match {
    /// The first value of an attribute, empty when there is none.
    pub fn text(&self, tag: u32) -> &str {
        self.values.get(&tag).and_then(|values| values.first()).map(String::as_str).unwrap_or_default()
    }

    /// The items of a sequence: of each the values that the query returns, by tag.
    pub fn items(&self, sequence: u32) -> Vec<BTreeMap<u32, &str>> {
        let returned =
            Attribute::all_in_sequence(sequence).filter_map(|attribute| self.values.get_key_value(&attribute.tag));
        let mut items: Vec<BTreeMap<u32, &str>> = Vec::new();
        for (tag, values) in returned {
            items.resize_with(items.len().max(values.len()), BTreeMap::new);
            for (item, value) in items.iter_mut().zip(values) {
                item.insert(*tag, value.as_str());
            }
        }
        items
    }
}

/// Why a query could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Index(#[from] super::Error),
    /// More rows would have to be looked at than the limit.
    #[error("more than {0} rows would have to be looked at")]
    TooManyRows(u64),
}

/// A walk over everything that fits a query.
#[derive(Debug)]
pub struct Walk {
    query: Query,
    columns: Vec<&'static Column>,
    segments: VecDeque<Segment>,
    /// The order's values of the last row of the current segment.
    last: Option<Vec<Value>>,
    page_rows: u32,
    max_rows: u64,
    examined: u64,
    /// Matches that are still to be passed over.
    skip: u64,
}

/// A row before it is known whether it fits.
#[derive(Debug)]
struct Candidate {
    patient_pk: i64,
    study_pk: i64,
    series_pk: i64,
    instance_pk: i64,
    values: BTreeMap<u32, Vec<String>>,
}

impl Candidate {
    fn text(&self, tag: u32) -> Option<&str> {
        let values = self.values.get(&tag)?;
        Some(values.first().map(String::as_str).unwrap_or_default())
    }
}

impl Walk {
    /// Begins at the first organisation.
    pub fn new(query: Query, readable: Vec<Readable>, page_rows: u32, max_rows: u64) -> Self {
        let columns = columns::of(&query);
        let segments = plan::segments(&query, &readable);
        let page_rows = page_rows.clamp(1, MAX_PAGE_ROWS);
        Self { query, columns, segments, last: None, page_rows, max_rows, examined: 0, skip: 0 }
    }

    /// Passes over so many of the next matches; nothing is collected or counted for them but what a condition asks.
    pub fn skip(&mut self, matches: u64) {
        self.skip = matches;
    }

    /// The next matches, at least one; `None` when there are no more.
    pub async fn next_page(&mut self, index: &Index) -> Result<Option<Vec<Match>>, Error> {
        while let Some(segment) = self.segments.front().cloned() {
            if self.examined >= self.max_rows {
                return Err(Error::TooManyRows(self.max_rows));
            }
            // What is passed over is read in larger pages.
            let most = self.max_rows.saturating_sub(self.examined).min(MAX_PAGE_ROWS.into());
            let page_rows = self.page_rows.max(u32::try_from(self.skip.min(most)).unwrap_or(MAX_PAGE_ROWS));
            // Of a page that is passed over whole nothing is told, so that only what decides is read.
            let is_passed_over = self.skip >= u64::from(page_rows);
            let columns = if is_passed_over { columns::of_conditions(&self.query) } else { self.columns.clone() };
            let select = statement::of("SELECT ", &self.query, &segment, &columns, self.last.as_deref(), page_rows);
            let rows = index.query(select.sql(), select.values()).await?;
            self.examined += rows.len() as u64;
            self.last = match rows.last() {
                Some(row) if rows.len() == page_rows as usize => {
                    Some(statement::position(row, &segment, self.query.level())?)
                }
                _ => {
                    self.segments.pop_front();
                    None
                }
            };
            let mut candidates = Vec::new();
            for row in &rows {
                let candidate = columns::read(row, &self.query, &columns)?;
                if self.query.accepts(|tag| candidate.text(tag)) && is_first_of_keys(row, &candidate, &segment)? {
                    candidates.push(candidate);
                }
            }
            let confidentiality = segment.readable.confidentiality;
            let asks_items = self.query.asks_items();
            let is_open = |tag| {
                let is_nested = Attribute::known(tag).is_some_and(|attribute| attribute.kind == Kind::Nested);
                let is_asked = self.query.returned().contains(&tag) || self.query.condition(tag).is_some();
                match is_nested {
                    true => asks_items && is_asked,
                    false => self.query.condition(tag).is_some_and(statement::leaves_open),
                }
            };
            computed::add(index, &self.query, confidentiality, &mut candidates, is_open).await?;
            candidates.retain_mut(|candidate| self.accepts_collected(candidate) && self.keep_items(candidate));
            let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(candidates.len());
            self.skip -= passed as u64;
            candidates.drain(..passed);
            let is_told = |tag| self.query.returned().contains(&tag) && !is_open(tag);
            computed::add(index, &self.query, confidentiality, &mut candidates, is_told).await?;
            if !candidates.is_empty() {
                let org_code = &segment.readable.org_code;
                return Ok(Some(candidates.into_iter().map(|c| self.to_match(org_code, c)).collect()));
            }
        }
        Ok(None)
    }

    /// How the database would read the next page: the lines of its explanation, those of computed values included. For
    /// the test that no large table is read from end to end.
    pub async fn explain(&self, index: &Index) -> Result<Vec<String>, Error> {
        let Some(segment) = self.segments.front() else { return Ok(Vec::new()) };
        let page = statement::of("SELECT ", &self.query, segment, &self.columns, self.last.as_deref(), self.page_rows);
        let mut selects = vec![page];
        selects.extend(computed::explained(&self.query, segment.readable.confidentiality));
        let mut lines = Vec::new();
        for select in selects {
            lines.extend(index.explain(&select).await?);
        }
        Ok(lines)
    }

    fn accepts_collected(&self, candidate: &Candidate) -> bool {
        let is_open = |condition: &&Condition| {
            condition.attribute.kind == Kind::Collected && statement::leaves_open(&condition.matching)
        };
        self.query.conditions().iter().filter(is_open).all(|condition| {
            let values = candidate.values.get(&condition.attribute.tag);
            values.is_some_and(|values| values.iter().any(|value| condition.matching.accepts(value)))
        })
    }

    /// Keeps the items of requests that fit (PS3.4 section C.2.2.2.6); whether any does, when that is asked.
    fn keep_items(&self, candidate: &mut Candidate) -> bool {
        if !self.query.asks_items() {
            return true;
        }
        let known = Attribute::all_in_sequence(tag::REQUEST_ATTRIBUTES_SEQUENCE).map(|attribute| attribute.tag);
        let tags: Vec<u32> = known.filter(|tag| candidate.values.contains_key(tag)).collect();
        let items = tags.iter().map(|tag| candidate.values[tag].len()).max().unwrap_or(0);
        let value = |tag: u32, item: usize| {
            candidate.values.get(&tag).and_then(|values| values.get(item)).map(String::as_str).unwrap_or_default()
        };
        let fitting: Vec<bool> = (0..items).map(|item| self.query.accepts_item(|tag| value(tag, item))).collect();
        for tag in tags {
            let mut at = 0;
            candidate.values.entry(tag).or_default().retain(|_| {
                at += 1;
                fitting.get(at - 1) == Some(&true)
            });
        }
        fitting.contains(&true)
    }

    fn to_match(&self, org_code: &str, mut candidate: Candidate) -> Match {
        let mut values = BTreeMap::new();
        for tag in self.query.returned() {
            let attribute = Attribute::known(*tag);
            let found = match attribute {
                _ if *tag == tag::INSTANCE_AVAILABILITY => {
                    let found = candidate.values.remove(tag).filter(|values| !values.is_empty());
                    found.unwrap_or_else(|| vec!["ONLINE".to_owned()])
                }
                Some(_) => candidate.values.remove(tag).unwrap_or_default(),
                None => Vec::new(),
            };
            // Values in items keep their places.
            let is_nested = attribute.is_some_and(|attribute| attribute.kind == Kind::Nested);
            values.insert(*tag, found.into_iter().filter(|value| is_nested || !value.is_empty()).collect());
        }
        Match { org_code: org_code.to_owned(), values }
    }
}

/// Several keys of one name may lie in the ranges that are walked; the row counts at the first of them only.
fn is_first_of_keys(row: &super::Row, candidate: &Candidate, segment: &Segment) -> Result<bool, Error> {
    let Driver::Key { lookup, earlier } = &segment.driver else { return Ok(true) };
    let is_of_name = |kind| matches!(kind, super::search_keys::NAME | super::search_keys::WORD);
    if !is_of_name(lookup.kind) {
        return Ok(true);
    }
    let name = candidate.text(tag::PATIENT_NAME).unwrap_or_default();
    let first_of = |lookup: &Lookup| {
        let keys = if lookup.kind == super::search_keys::NAME { search_keys(name) } else { search_words(name) };
        keys.into_iter().map(String::into_bytes).filter(|key| lookup.covers(key)).min()
    };
    if earlier.iter().any(|lookup| first_of(lookup).is_some()) {
        return Ok(false);
    }
    let here: Vec<u8> = row.get("search_key")?;
    Ok(first_of(lookup).is_none_or(|first| first == here))
}

/// Whether the level has rows of studies behind it.
fn has_study(level: Level) -> bool {
    level != Level::Patient
}
