//! `/t/{session}/exams`: the list of exams, with the query form on ClinicExamView (E.1, E.2; D-P22).
//!
//! The form is posted and kept with the session: its address and its links hold the place in the list, never what was
//! typed. The session's id in the path is what only the session's own browser knows, so the form needs no other token.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::extract::{Form, Path, Query};
use super::list_page::{ListPage, ListRow};
use super::open::{malformed, redirect};
use super::qr::scanned;
use super::state::{Inner, PagesState, framed};
use super::text;
use crate::archive::Error;
use crate::archive::pages::list_exams::ListExams;
use crate::archive::pages::open_link::Session;
use crate::domain::criteria::{Span, exam_types, range_end, range_start};
use crate::domain::date_time::NotADate;
use crate::domain::page::Page;
use crate::domain::scope::{Filter, Order, Search};
use crate::web::error_page::html;

/// Most characters of a field.
const MOST_CHARS: usize = 64;

/// The place in the list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    order: String,
    after: String,
    key: String,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SearchForm {
    name: String,
    from: String,
    to: String,
    #[serde(rename = "type")]
    exam_type: String,
    accession: String,
    /// Sent by the button that empties the form.
    reset: Option<String>,
}

impl SearchForm {
    /// What to keep; `None` when a field is longer than anything real, or no text.
    fn search(self) -> Option<Search> {
        if self.reset.is_some() {
            return Some(Search::default());
        }
        let field = |text: String| {
            let text = text.trim();
            let fit = text.chars().count() <= MOST_CHARS && !text.chars().any(char::is_control);
            fit.then(|| text.to_owned())
        };
        Some(Search {
            name: field(self.name)?,
            from: field(self.from)?,
            to: field(self.to)?,
            exam_type: field(self.exam_type)?,
            accession: field(self.accession)?,
        })
    }
}

/// Shows one part of the list.
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let (filter, mistakes) = filter_of(&session.search);
    let order = order_of(&place);
    let after = (!place.key.is_empty()).then_some((place.after, place.key));
    let command = ListExams { filter, order, after: after.clone(), page_size: pages.config.page_size };
    let list = match pages.archive.list_exams(&session, command).await {
        Ok(list) => list,
        Err(error) => return pages.failed(&error),
    };
    let shell = pages.shell(&id, &session);
    let rows = list.entries.iter().map(|entry| ListRow::of(entry, &shell.root, pages.organization(&entry.org_code)));
    let page = ListPage {
        rows: rows.collect(),
        has_form: has_form(&session),
        form_action: address(&pages, &id, order),
        next: list.next.map(|(at, uid)| link_to(order, Some((&at, &uid)))),
        first: after.map(|_| link_to(order, None)),
        by_date: link_to(if order == Order::Newest { Order::Oldest } else { Order::Newest }, None),
        newest_first: order == Order::Newest,
        mistakes,
        search: session.search.clone(),
        shell,
    };
    framed(html(StatusCode::OK, &page), &session)
}

/// Keeps what was typed, or forgets it, and shows the list from its beginning.
pub(super) async fn search(
    State(PagesState(pages)): State<PagesState>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
    form: Result<Form<SearchForm>, Response>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    // Without the form nothing would show that the list is narrowed.
    if !has_form(&session) {
        return pages.failed(&Error::NotFound);
    }
    let search = match form {
        Ok(Form(form)) => form.search(),
        Err(refused) => return refused,
    };
    let Some(search) = search else {
        return malformed(&pages, "查询条件有误");
    };
    // A hand-held scanner types the address behind a printed code into the field for numbers.
    if let Some(link) = scanned(&search.accession) {
        return redirect(&format!("{}/t/{id}/q/{link}", pages.base), &Method::POST);
    }
    match pages.archive.keep_search(&session, &search).await {
        Ok(()) => redirect(&address(&pages, &id, order_of(&place)), &Method::POST),
        Err(error) => pages.failed(&error),
    }
}

fn has_form(session: &Session) -> bool {
    session.scope.page == Page::ClinicExamView
}

fn order_of(place: &Place) -> Order {
    if place.order == "asc" { Order::Oldest } else { Order::Newest }
}

fn address(pages: &Inner, id: &str, order: Order) -> String {
    let query = if order == Order::Oldest { "?order=asc" } else { "" };
    format!("{}/t/{id}/exams{query}", pages.base)
}

/// Dates that cannot be read are said, not guessed.
fn filter_of(search: &Search) -> (Filter, Vec<&'static str>) {
    let mut mistakes = Vec::new();
    let mut read = |moment: Result<String, NotADate>, mistake| {
        moment.unwrap_or_else(|NotADate| {
            mistakes.push(mistake);
            String::new()
        })
    };
    let observed = Span {
        from: read(range_start(&search.from), "开始日期的格式不正确，应为 2024-01-31。"),
        to: read(range_end(&search.to), "结束日期的格式不正确，应为 2024-01-31。"),
    };
    let filter = Filter {
        name: search.name.clone(),
        observed,
        types: exam_types(&search.exam_type),
        accession: search.accession.clone(),
        observation_uid: String::new(),
    };
    (filter, mistakes)
}

fn link_to(order: Order, after: Option<(&str, &str)>) -> String {
    let (at, key) = after.unwrap_or_default();
    let order = if order == Order::Oldest { "asc" } else { "" };
    text::query(&[("order", order), ("after", at), ("key", key)])
}
