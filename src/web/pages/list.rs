//! `/t/{session}/exams`: the list of exams, with the query form on ClinicExamView (E.1, E.2; D-P22).
//!
//! The form is posted and kept with the session: its address and its links hold the place in the list, never what was
//! typed. The session's id in the path is what only the session's own browser knows, so the form needs no other token.

use std::collections::BTreeSet;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::extract::{Form, Path, Query};
use super::list_page::{Choice, ListPage, ListRow, SORTED, columns};
use super::open::{malformed, redirect};
use super::qr::scanned;
use super::state::{Inner, PagesState, Peer, framed};
use super::text;
use crate::archive::Error;
use crate::archive::pages::list_exams::ListExams;
use crate::archive::pages::open_link::Session;
use crate::domain::criteria::{Span, range_end, range_start};
use crate::domain::date_time::NotADate;
use crate::domain::page::Page;
use crate::domain::report_state::ReportState;
use crate::domain::scope::{Filter, Order, Search, SortBy};
use crate::domain::search_rules::SearchRules;
use crate::web::error_page::html;

/// Most characters of a field.
const MOST_CHARS: usize = 64;

/// The place in the list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    by: String,
    order: String,
    after: String,
    key: String,
    lang: String,
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
    hospital: String,
    state: String,
    /// Sent when the box is checked.
    critical: Option<String>,
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
            organization: field(self.hospital)?,
            state: field(self.state)?,
            critical: self.critical.is_some(),
        })
    }
}

/// Shows one part of the list.
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let (filter, mistakes) = filter_of(&session.search, &pages.config.search);
    let sorted = sorted_by(&place);
    let (by, order) = sorted;
    let after = match (place.key.as_str(), by) {
        ("", _) => Ok(None),
        (key, SortBy::Observed) => Ok(Some((place.after.clone(), key.to_owned()))),
        // A name or a title must not stand in an address: the entry says it.
        (key, _) => pages.archive.place_behind(&session, by, key).await,
    };
    let after = match after {
        Ok(after) => after,
        Err(error) => return pages.failed(&error),
    };
    let command = ListExams { filter, by, order, after: after.clone(), page_size: pages.config.page_size };
    let list = match pages.archive.list_exams(&session, command).await {
        Ok(list) => list,
        Err(error) => return pages.failed(&error),
    };
    let language = pages.language(&session, &place.lang, &headers).await;
    let here = link_to(sorted, after.as_ref().map(|(at, key)| (at.as_str(), key.as_str())));
    let shell = pages.shell(&id, &session, language, here.trim_start_matches('?'));
    let marks = match pages.archive.marks_of_entries(&list.entries).await {
        Ok(marks) => marks,
        Err(error) => return pages.failed(&error),
    };
    let organizations = match has_form(&session) {
        true => match pages.archive.organizations_to_choose(&session).await {
            Ok(codes) => choices(codes, &session.search.organization, &pages),
            Err(error) => return pages.failed(&error),
        },
        false => Vec::new(),
    };
    let rows = list.entries.iter().map(|entry| ListRow {
        mark: marks.get(&entry.observation_uid).cloned().unwrap_or_default(),
        ..ListRow::of(entry, &shell.root, &pages.organization(&entry.org_code))
    });
    let shown = if list.sortable { sorted } else { (SortBy::Observed, order) };
    let page = ListPage {
        rows: rows.collect(),
        organizations,
        states: states(&session),
        since: list.since,
        heading: match session.scope.page {
            Page::ClinicExamView => "检查查询",
            Page::RelatedExamList => "相关检查",
            Page::ClinicExamList | Page::ClinicExam => "检查列表",
        },
        has_form: has_form(&session),
        form_action: address(&pages, &id, sorted),
        counts: list.counts,
        restricted: list.restricted,
        free: list.free,
        columns: columns(shown, list.sortable, |by, order| link_to((by, order), None)),
        next: list.next.map(|(at, uid)| link_to(sorted, Some((&at, &uid)))),
        first: after.map(|_| link_to(sorted, None)),
        mistakes,
        search: session.search.clone(),
        shell,
    };
    framed(html(StatusCode::OK, &page), &session)
}

/// Keeps what was typed, or forgets it, and shows the list from its beginning.
pub(super) async fn search(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
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
    match pages.archive.keep_search(&session, &peer.ip().to_string(), &search).await {
        Ok(()) => redirect(&address(&pages, &id, sorted_by(&place)), &Method::POST),
        Err(error) => pages.failed(&error),
    }
}

fn has_form(session: &Session) -> bool {
    session.scope.page == Page::ClinicExamView
}

/// The organisations that can be chosen; one that was chosen stays among them, so that the form says what narrows the list.
fn choices(mut codes: BTreeSet<String>, chosen: &str, pages: &Inner) -> Vec<Choice> {
    if !chosen.is_empty() {
        codes.insert(chosen.to_owned());
    }
    let choice = |code: String| Choice { label: pages.organization(&code), is_chosen: code == chosen, value: code };
    codes.into_iter().map(choice).collect()
}

/// The states that the session can see an entry in.
fn states(session: &Session) -> Vec<Choice> {
    let can_be_seen = |state: &ReportState| session.scope.scope.unreviewed || state.is_finished();
    let choice = |state: ReportState| Choice {
        value: state.code().to_owned(),
        label: state.label().to_owned(),
        is_chosen: session.search.state == state.code(),
    };
    ReportState::ALL.into_iter().filter(can_be_seen).map(choice).collect()
}

/// Column and order that the address asks for; what it does not know is the newest first.
fn sorted_by(place: &Place) -> (SortBy, Order) {
    let found = SORTED.iter().find(|(_, name, _)| *name == place.by);
    let (by, first) = found.map_or((SortBy::Observed, Order::Newest), |(by, _, first)| (*by, *first));
    match place.order.as_str() {
        "asc" => (by, Order::Oldest),
        "desc" => (by, Order::Newest),
        _ => (by, first),
    }
}

fn address(pages: &Inner, id: &str, sorted: (SortBy, Order)) -> String {
    let query = link_to(sorted, None);
    format!("{}/t/{id}/exams{}", pages.base, if query == "?" { "" } else { &query })
}

/// Dates that cannot be read are said, not guessed.
fn filter_of(search: &Search, rules: &SearchRules) -> (Filter, Vec<&'static str>) {
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
        types: rules.exam_types(&search.exam_type),
        accession: search.accession.clone(),
        organization: search.organization.clone(),
        state: ReportState::parse(&search.state),
        critical: search.critical,
        ..Filter::default()
    };
    (filter, mistakes)
}

fn link_to((by, order): (SortBy, Order), after: Option<(&str, &str)>) -> String {
    let (at, key) = after.unwrap_or_default();
    let (name, first) =
        SORTED.iter().find(|found| found.0 == by).map_or(("", Order::Newest), |found| (found.1, found.2));
    let order = match order {
        order if order == first => "",
        Order::Newest => "desc",
        Order::Oldest => "asc",
    };
    let at = if by == SortBy::Observed { at } else { "" };
    text::query(&[("by", name), ("order", order), ("after", at), ("key", key)])
}
