//! The statement of one page.

use super::columns::{self, Column, Holds};
use super::plan::{Driver, Segment};
use super::requests;
use super::{Confidentiality, Error, has_study};
use crate::domain::query::attribute::{Kind, Level, tag};
use crate::domain::query::{Matching, Pattern, Query};
use crate::index::{Row, Select, Value};
use crate::params;

/// Values of a list that become a condition of SQL; longer lists are compared row by row.
pub(super) const MAX_LIST: usize = 500;
/// Wildcards of a pattern that LIKE looks at; many make it slow.
const MAX_LIKE_WILDCARDS: usize = 3;

/// That the patient of a study of which there is no report is a VIP, by one of the numbers under which reports know the
/// patient (D-R22, D-I3). `OFFSET` keeps PostgreSQL from joining all reports: there are few rows to ask it of.
macro_rules! of_vip {
    ($number:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM exam_report v WHERE v.org_code = study.org_code AND v.",
            $number,
            " = study.patient_id AND v.vip = 1 AND study.patient_id <> '' \
             AND NOT EXISTS (SELECT 1 FROM exam_study reported WHERE reported.study_pk = study.id) LIMIT 1 OFFSET 0)"
        )
    };
}

/// Leaves out studies that only their own organisation sees. Where there is a report, it says whether it is a VIP's.
const SHARED: &str = concat!(
    " AND NOT EXISTS (SELECT 1 FROM exam_study CROSS JOIN exam_report \
     WHERE exam_study.study_pk = study.id AND exam_report.id = exam_study.exam_report_pk \
     AND (exam_report.restricted = 1 OR exam_report.vip = 1 OR exam_report.withdrawn = 1)) AND NOT ",
    of_vip!("patient_id"),
    " AND NOT ",
    of_vip!("patient_local_id")
);
/// Leaves out studies with an exam that was withdrawn.
const VALID: &str = " AND NOT EXISTS (SELECT 1 FROM exam_study CROSS JOIN exam_report \
     WHERE exam_study.study_pk = study.id AND exam_report.id = exam_study.exam_report_pk \
     AND exam_report.withdrawn = 1)";

/// Builds the statement of the page behind `last`; `start` is `SELECT `.
pub(super) fn of(
    start: &'static str,
    query: &Query,
    segment: &Segment,
    columns: &[&'static Column],
    last: Option<&[Value]>,
    page_rows: u32,
) -> Select {
    let level = query.level();
    let mut select = Select::new(start);
    select.push(if has_study(level) { "study.patient_pk AS patient_pk" } else { "patient.id AS patient_pk" }, vec![]);
    if has_study(level) {
        select.push(", study.id AS study_id_of_row, study.study_date AS date_of_row", vec![]);
    }
    if level >= Level::Series {
        select.push(", series.id AS series_id_of_row", vec![]);
    }
    if level == Level::Instance {
        select.push(", instance.id AS instance_id_of_row", vec![]);
    }
    if level == Level::Patient {
        select.push(", patient.patient_id AS patient_of_row, patient.issuer AS issuer_of_row", vec![]);
    }
    if matches!(segment.driver, Driver::Key { .. }) {
        let key = if has_study(level) { ", study_key.search_key" } else { ", patient_key.search_key" };
        select.push(key, vec![]);
    }
    for column in columns {
        select.push(", ", vec![]).push(column.sql(level), vec![]);
    }
    push_tables(&mut select, level, segment);
    push_conditions(&mut select, query, segment, last.is_some());
    push_confidentiality(&mut select, level, segment.readable.confidentiality);
    push_order(&mut select, level, segment, last, page_rows);
    select
}

fn push_tables(select: &mut Select, level: Level, segment: &Segment) {
    let org = || params![&segment.readable.org_code];
    match &segment.driver {
        Driver::Patients => {
            select.push(" FROM patient WHERE patient.org_code = ?", org());
        }
        Driver::Key { lookup, .. } if !has_study(level) => {
            let from = " FROM patient_key CROSS JOIN patient WHERE patient.id = patient_key.patient_pk \
                        AND patient_key.org_code = ? AND patient_key.kind = ?";
            select.push(from, params![&segment.readable.org_code, lookup.kind]);
        }
        Driver::InstanceUids(uids) => {
            let from = " FROM instance CROSS JOIN series CROSS JOIN study WHERE series.id = instance.series_pk \
                        AND study.id = series.study_pk AND instance.org_code = ?";
            select.push(from, org()).push_in(" AND instance.sop_instance_uid", texts(uids));
        }
        Driver::SeriesUids(uids) => {
            let from = match level {
                Level::Instance => {
                    " FROM series CROSS JOIN study CROSS JOIN instance WHERE study.id = series.study_pk \
                     AND instance.series_pk = series.id AND study.org_code = ?"
                }
                _ => " FROM series CROSS JOIN study WHERE study.id = series.study_pk AND study.org_code = ?",
            };
            select.push(from, org()).push_in(" AND series.series_instance_uid", texts(uids));
        }
        Driver::StudyUids(_) | Driver::StudyNumber | Driver::Date => {
            select.push(" FROM study", vec![]);
            push_tables_below(select, level);
            select.push(" AND study.org_code = ?", org());
        }
        Driver::Key { lookup, .. } => {
            select.push(" FROM study_key CROSS JOIN study", vec![]);
            push_tables_below(select, level);
            let joined = " AND study.id = study_key.study_pk AND study_key.org_code = ? AND study_key.kind = ?";
            select.push(joined, params![&segment.readable.org_code, lookup.kind]);
        }
        Driver::Request(tag, number) => {
            requests::push_tables(select, level, &segment.readable.org_code, *tag, number);
        }
        Driver::Modality(modality) => {
            select.push(" FROM study_modality CROSS JOIN study", vec![]);
            push_tables_below(select, level);
            let joined = " AND study.id = study_modality.study_pk AND study_modality.org_code = ? \
                          AND study_modality.modality = ?";
            select.push(joined, params![&segment.readable.org_code, modality]);
        }
    }
    if let Driver::StudyUids(uids) = &segment.driver {
        select.push_in(" AND study.study_instance_uid", texts(uids));
    }
}

fn push_tables_below(select: &mut Select, level: Level) {
    select.push(
        match level {
            Level::Series => " CROSS JOIN series WHERE series.study_pk = study.id",
            Level::Instance => {
                " CROSS JOIN series CROSS JOIN instance WHERE series.study_pk = study.id \
                 AND instance.series_pk = series.id"
            }
            Level::Patient | Level::Study => " WHERE 1 = 1",
        },
        vec![],
    );
}

fn push_conditions(select: &mut Select, query: &Query, segment: &Segment, is_later_page: bool) {
    let level = query.level();
    if let Driver::Key { lookup, .. } = &segment.driver {
        let (from, before, like) = if has_study(level) {
            (" AND study_key.search_key >= ?", " AND study_key.search_key < ?", " AND study_key.search_key LIKE ?")
        } else {
            (
                " AND patient_key.search_key >= ?",
                " AND patient_key.search_key < ?",
                " AND patient_key.search_key LIKE ?",
            )
        };
        // On later pages the place of the last row is the narrower beginning.
        if !is_later_page && !lookup.from.is_empty() {
            select.push(from, params![lookup.from.clone()]);
        }
        if let Some(end) = &lookup.before {
            select.push(before, params![end.clone()]);
        }
        if let Some(pattern) = &lookup.like {
            select.push(like, params![pattern.clone()]);
        }
    }
    for condition in query.conditions() {
        let tag = condition.attribute.tag;
        match condition.attribute.kind {
            Kind::Collected => push_collected(select, tag, &condition.matching, &segment.driver),
            Kind::Counted | Kind::Constant => {}
            Kind::Nested => requests::push_condition(select, tag, &condition.matching, &segment.driver),
            // The modality's table is walked by its own copy.
            Kind::Stored if tag == tag::STUDY_DATE && matches!(segment.driver, Driver::Modality(_)) => {}
            Kind::Stored => {
                if let Some(column) = columns::of_tag(tag) {
                    let end_is_known = segment.driver == Driver::Date && tag == tag::STUDY_DATE && is_later_page;
                    push_stored(select, column.sql(level), column.holds, &condition.matching, end_is_known);
                }
            }
        }
    }
    if let (Driver::Modality(_), Some(Matching::DateRange(from, to))) =
        (&segment.driver, query.condition(tag::STUDY_DATE))
    {
        if let Some(from) = from {
            select.push(" AND study_modality.study_date >= ?", params![from]);
        }
        if let Some(to) = to.as_ref().filter(|_| !is_later_page) {
            select.push(" AND study_modality.study_date <= ?", params![to]);
        }
    }
}

fn push_stored(select: &mut Select, column: &'static str, holds: Holds, matching: &Matching, end_is_known: bool) {
    let mut push = |operator: &'static str, value: Value| {
        select.push(" AND ", vec![]).push(column, vec![]).push(operator, vec![value]);
    };
    match matching {
        Matching::Exactly(text) if holds == Holds::Text => push(" = ?", Value::from(text)),
        Matching::Number(number) if holds == Holds::Number => push(" = ?", Value::from(*number)),
        Matching::OneOf(list) if holds == Holds::Text && list.len() <= MAX_LIST => {
            select.push(" AND ", vec![]).push(column, vec![]).push_in("", texts(list));
        }
        Matching::Wildcard(pattern) if holds == Holds::Text => push(" LIKE ?", Value::from(like_text(pattern))),
        Matching::Empty if holds == Holds::Text => push(" = ?", Value::from(String::new())),
        Matching::DateRange(from, to) => {
            if let Some(from) = from {
                push(" >= ?", Value::from(from));
            }
            if let Some(to) = to.as_ref().filter(|_| !end_is_known) {
                push(" <= ?", Value::from(to));
            }
        }
        // Decided row by row.
        _ => {}
    }
}

/// Whether a condition on a collected value is only narrowed by the statement, not decided.
pub(super) fn leaves_open(matching: &Matching) -> bool {
    match matching {
        Matching::Exactly(_) => false,
        Matching::OneOf(list) => list.len() > MAX_LIST,
        _ => true,
    }
}

fn push_collected(select: &mut Select, tag: u32, matching: &Matching, driver: &Driver) {
    let (list, pattern) = match matching {
        Matching::Exactly(text) => (Some(vec![text.clone()]), None),
        Matching::OneOf(list) if list.len() <= MAX_LIST => (Some(list.clone()), None),
        Matching::Wildcard(pattern) => (None, Some(like_text(pattern))),
        _ => return,
    };
    let (open, column) = match tag {
        tag::MODALITIES_IN_STUDY => {
            if matches!((driver, matching), (Driver::Modality(walked), Matching::Exactly(asked)) if walked == asked) {
                return;
            }
            (
                " AND EXISTS (SELECT 1 FROM series asked_series WHERE asked_series.study_pk = study.id AND",
                " asked_series.modality",
            )
        }
        tag::SOP_CLASSES_IN_STUDY => (
            " AND EXISTS (SELECT 1 FROM series asked_series CROSS JOIN instance asked_instance \
             WHERE asked_series.study_pk = study.id AND asked_instance.series_pk = asked_series.id AND",
            " asked_instance.sop_class_uid",
        ),
        _ => return,
    };
    select.push(open, vec![]);
    match (list, pattern) {
        (Some(list), _) => select.push_in(column, texts(&list)),
        (None, pattern) => select.push(column, vec![]).push(" LIKE ?", params![pattern]),
    };
    select.push(")", vec![]);
}

fn push_confidentiality(select: &mut Select, level: Level, confidentiality: Confidentiality) {
    match (confidentiality, has_study(level)) {
        (Confidentiality::Everything, _) => {}
        (Confidentiality::ImagesOnly, _) => {
            if level >= Level::Series {
                select.push(" AND series.kind <> 'document'", vec![]);
            }
        }
        (_, true) => push_seen_by(select, confidentiality),
        (_, false) => {
            select.push(" AND EXISTS (SELECT 1 FROM study WHERE study.patient_pk = patient.id", vec![]);
            push_seen_by(select, confidentiality);
            select.push(")", vec![]);
        }
    }
}

/// Leaves out studies that this reader of the organisation does not see.
pub(in crate::index) fn push_seen_by(select: &mut Select, confidentiality: Confidentiality) {
    match confidentiality {
        Confidentiality::Everything | Confidentiality::ImagesOnly => {}
        Confidentiality::Privileged => {
            select.push(VALID, vec![]);
        }
        Confidentiality::SharedOnly => {
            select.push(SHARED, vec![]);
        }
    }
}

/// The columns of the order, and whether they go down.
fn order(level: Level, driver: &Driver) -> (Vec<(&'static str, &'static str)>, bool) {
    if level == Level::Patient {
        let columns = match driver {
            Driver::Key { .. } => {
                vec![("patient_key.search_key", "search_key"), ("patient_key.patient_pk", "patient_pk")]
            }
            _ => vec![("patient.patient_id", "patient_of_row"), ("patient.issuer", "issuer_of_row")],
        };
        return (columns, false);
    }
    let (mut columns, goes_down) = match driver {
        Driver::Key { .. } => {
            (vec![("study_key.search_key", "search_key"), ("study_key.study_pk", "study_id_of_row")], false)
        }
        Driver::Modality(_) => {
            (vec![("study_modality.study_date", "date_of_row"), ("study_modality.study_pk", "study_id_of_row")], true)
        }
        // The order of its index; a series belongs to one study only.
        Driver::Request(..) => (vec![("series_request.series_pk", "series_id_of_row")], false),
        Driver::Date => (vec![("study.study_date", "date_of_row"), ("study.id", "study_id_of_row")], true),
        _ => (vec![("study.id", "study_id_of_row")], false),
    };
    if level >= Level::Series && !matches!(driver, Driver::Request(..)) {
        columns.push(("series.id", "series_id_of_row"));
    }
    if level == Level::Instance {
        columns.push(("instance.id", "instance_id_of_row"));
    }
    (columns, goes_down)
}

fn push_order(select: &mut Select, level: Level, segment: &Segment, last: Option<&[Value]>, page_rows: u32) {
    let (columns, goes_down) = order(level, &segment.driver);
    if let Some(last) = last {
        if level >= Level::Series
            && (columns.len() > 2 || matches!(segment.driver, Driver::Request(..)))
            && let Some(first) = last.first()
        {
            // A row of several tables is no range of an index; its first column is.
            select.push(" AND ", vec![]).push(columns[0].0, vec![]);
            select.push(if goes_down { " <= ?" } else { " >= ?" }, vec![first.clone()]);
        }
        select.push(" AND (", vec![]);
        push_list(select, &columns, "");
        select.push(if goes_down { ") < (" } else { ") > (" }, vec![]);
        for (i, value) in last.iter().enumerate() {
            select.push(if i == 0 { "?" } else { ", ?" }, vec![value.clone()]);
        }
        select.push(")", vec![]);
    }
    select.push(" ORDER BY ", vec![]);
    push_list(select, &columns, if goes_down { " DESC" } else { "" });
    select.push(" LIMIT ?", params![page_rows]);
}

fn push_list(select: &mut Select, columns: &[(&'static str, &'static str)], direction: &'static str) {
    for (i, (column, _)) in columns.iter().enumerate() {
        select.push(if i == 0 { "" } else { ", " }, vec![]).push(column, vec![]).push(direction, vec![]);
    }
}

/// Where a row stands in the order.
pub(super) fn position(row: &Row, segment: &Segment, level: Level) -> Result<Vec<Value>, Error> {
    let (columns, _) = order(level, &segment.driver);
    let mut values = Vec::with_capacity(columns.len());
    for (_, name) in columns {
        values.push(match name {
            "search_key" => Value::from(row.get::<Vec<u8>>(name)?),
            "date_of_row" | "patient_of_row" | "issuer_of_row" => Value::from(row.text(name)?),
            _ => Value::from(row.int(name)?),
        });
    }
    Ok(values)
}

/// A pattern for LIKE that fits whatever the pattern fits, and perhaps more: without escapes, with few wildcards.
pub(super) fn like_text(pattern: &Pattern) -> String {
    let mut like = String::with_capacity(pattern.as_str().len());
    let mut stars = 0;
    for c in pattern.as_str().chars() {
        match c {
            '*' => {
                like.push('%');
                stars += 1;
                if stars == MAX_LIKE_WILDCARDS {
                    break;
                }
            }
            '?' | '%' | '_' | '\\' => like.push('_'),
            c => like.push(c),
        }
    }
    like
}

/// The same over the bytes of UTF-8, where one character may be several.
pub(super) fn like_bytes(pattern: &Pattern) -> Vec<u8> {
    let mut like = Vec::with_capacity(pattern.as_str().len());
    let mut stars = 0;
    for c in pattern.as_str().chars() {
        match c {
            '*' | '?' | '%' | '_' | '\\' => {
                if like.last() != Some(&b'%') {
                    like.push(b'%');
                    stars += 1;
                }
                if stars == MAX_LIKE_WILDCARDS {
                    break;
                }
            }
            c => like.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    like
}

/// What LIKE says of [`like_bytes`], which has `%` only.
pub(super) fn fits_like(key: &[u8], like: &[u8]) -> bool {
    let pattern = String::from_utf8_lossy(like).replace('%', "*");
    Pattern::new(&pattern).matches(&String::from_utf8_lossy(key))
}

pub(super) fn texts(list: &[String]) -> Vec<Value> {
    list.iter().map(Value::from).collect()
}
