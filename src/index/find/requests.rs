//! Series by the requests that they answer: the items of Request Attributes Sequence (0040,0275).

use super::plan::Driver;
use super::statement::{MAX_LIST, like_text, texts};
use crate::domain::query::Matching;
use crate::domain::query::attribute::{Level, tag};
use crate::index::Select;
use crate::params;

/// A walk over the series that answer a request with this number.
pub(super) fn push_tables(select: &mut Select, level: Level, org_code: &str, tag: u32, number: &str) {
    select.push(" FROM series_request CROSS JOIN series CROSS JOIN study", vec![]);
    select.push(if level == Level::Instance { " CROSS JOIN instance" } else { "" }, vec![]);
    let joined = " WHERE series.id = series_request.series_pk AND study.id = series.study_pk \
                  AND series_request.org_code = ? AND series_request.";
    select.push(joined, params![org_code]);
    select.push(first_item(tag), params![number, number]);
    select.push(if level == Level::Instance { " AND instance.series_pk = series.id" } else { "" }, vec![]);
}

/// A series counts at the first of its items with the number that is walked.
fn first_item(tag: u32) -> &'static str {
    match tag {
        tag::SCHEDULED_PROCEDURE_STEP_ID => {
            "step_id = ? AND NOT EXISTS (SELECT 1 FROM series_request earlier \
             WHERE earlier.series_pk = series_request.series_pk AND earlier.item < series_request.item \
             AND earlier.step_id = ?)"
        }
        _ => {
            "procedure_id = ? AND NOT EXISTS (SELECT 1 FROM series_request earlier \
             WHERE earlier.series_pk = series_request.series_pk AND earlier.item < series_request.item \
             AND earlier.procedure_id = ?)"
        }
    }
}

/// Narrows by one number of a request; whether all are in one item is decided row by row.
pub(super) fn push_condition(select: &mut Select, tag: u32, matching: &Matching, driver: &Driver) {
    if matches!(driver, Driver::Request(walked, _) if *walked == tag) {
        return;
    }
    let column = match tag {
        tag::SCHEDULED_PROCEDURE_STEP_ID => " asked_request.step_id",
        _ => " asked_request.procedure_id",
    };
    let open = " AND EXISTS (SELECT 1 FROM series_request asked_request WHERE asked_request.series_pk = series.id AND";
    match matching {
        Matching::Exactly(text) => select.push(open, vec![]).push(column, vec![]).push(" = ?", params![text]),
        Matching::OneOf(list) if list.len() <= MAX_LIST => select.push(open, vec![]).push_in(column, texts(list)),
        Matching::Wildcard(pattern) => {
            select.push(open, vec![]).push(column, vec![]).push(" LIKE ?", params![like_text(pattern)])
        }
        _ => return,
    };
    select.push(")", vec![]);
}
