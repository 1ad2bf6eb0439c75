//! `/t/{session}/exams`: the list of exams, with the query form on ClinicExamView (E.1, E.2; D-P22).

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::list_page::{ListPage, ListRow};
use super::state::{PagesState, framed};
use super::text;
use crate::archive::list_exams::ListExams;
use crate::domain::criteria::{Span, exam_types, range_end, range_start};
use crate::domain::date_time::NotADate;
use crate::domain::page::Page;
use crate::domain::scope::{Filter, Order};
use crate::web::error_page::html;

/// The form's fields and the place in the list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    pub(super) name: String,
    pub(super) from: String,
    pub(super) to: String,
    #[serde(rename = "type")]
    pub(super) exam_type: String,
    pub(super) accession: String,
    pub(super) order: String,
    pub(super) after: String,
    pub(super) key: String,
}

/// Shows one part of the list.
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let (filter, mistakes) = filter_of(&query);
    let order = if query.order == "asc" { Order::Oldest } else { Order::Newest };
    let after = (!query.key.is_empty()).then(|| (query.after.clone(), query.key.clone()));
    let command = ListExams { filter, order, after: after.clone(), page_size: pages.config.page_size };
    let list = match pages.archive.list_exams(&session, command).await {
        Ok(list) => list,
        Err(error) => return pages.failed(&error),
    };
    let shell = pages.shell(&id, &session);
    let rows = list.entries.iter().map(|entry| ListRow::of(entry, &shell.root, pages.organization(&entry.org_code)));
    let page = ListPage {
        rows: rows.collect(),
        has_form: session.scope.page == Page::ClinicExamView,
        next: list.next.map(|(at, uid)| link_to(&query, &query.order, Some((&at, &uid)))),
        first: after.map(|_| link_to(&query, &query.order, None)),
        by_date: link_to(&query, if order == Order::Newest { "asc" } else { "" }, None),
        newest_first: order == Order::Newest,
        mistakes,
        query,
        shell,
    };
    framed(html(StatusCode::OK, &page), &session)
}

/// Dates that cannot be read are said, not guessed.
fn filter_of(query: &ListQuery) -> (Filter, Vec<&'static str>) {
    let mut mistakes = Vec::new();
    let mut read = |moment: Result<String, NotADate>, mistake| {
        moment.unwrap_or_else(|NotADate| {
            mistakes.push(mistake);
            String::new()
        })
    };
    let observed = Span {
        from: read(range_start(&query.from), "开始日期的格式不正确，应为 2024-01-31。"),
        to: read(range_end(&query.to), "结束日期的格式不正确，应为 2024-01-31。"),
    };
    let filter = Filter {
        name: query.name.trim().to_owned(),
        observed,
        types: exam_types(&query.exam_type),
        accession: query.accession.trim().to_owned(),
        observation_uid: String::new(),
    };
    (filter, mistakes)
}

fn link_to(query: &ListQuery, order: &str, after: Option<(&str, &str)>) -> String {
    let mut fields = vec![
        ("name", query.name.as_str()),
        ("from", &query.from),
        ("to", &query.to),
        ("type", &query.exam_type),
        ("accession", &query.accession),
        ("order", order),
    ];
    if let Some((at, key)) = after {
        fields.extend([("after", at), ("key", key)]);
    }
    text::query(&fields)
}
