//! The list of exams that a session may see (E.1, E.2; D-P5, D-P22, D-P23).

use std::collections::BTreeSet;

use super::open_link::Session;
use crate::archive::{Archive, Error};
use crate::domain::date_time::{Moment, parse};
use crate::domain::scope::{Filter, Order, Paging, Scope, SortBy};
use crate::index::exam_pages;

pub use crate::index::exam_pages::{Content, Contents, Counts, Entry, EntryKind};

/// Entries that are counted at most.
pub const MOST_COUNTED: i64 = 1000;

/// How far back a list of all patients is searched for a state or for what is critical, where each entry has to be looked at.
pub const MOST_MONTHS: i32 = 1;

/// One part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExamList {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where the next part begins: the sorted column and the id of the last entry, when there is more.
    pub next: Option<(String, String)>,
    /// How many there are of each kind, up to [`MOST_COUNTED`]; `None` where the list is too long to be counted.
    pub counts: Option<Counts>,
    /// How many more are hidden as restricted, for those who are told (D-P23).
    pub restricted: i64,
    /// Whether it can be sorted by other columns than the time.
    pub sortable: bool,
    /// Whether it holds more than the patient that the link was about.
    pub free: bool,
    /// The day before which nothing was looked for, although the form did not ask for it; see [`MOST_MONTHS`].
    pub since: Option<String>,
}

/// Which part of the list, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListExams {
    /// What the form adds.
    pub filter: Filter,
    /// By which column.
    pub by: SortBy,
    /// In which direction.
    pub order: Order,
    /// Where the part begins.
    pub after: Option<(String, String)>,
    /// Most entries.
    pub page_size: u32,
}

impl Archive {
    /// Where a part begins that follows an entry, in a list sorted by a column that must not stand in an address; `None` when
    /// the session does not see the entry any more.
    pub async fn place_behind(
        &self,
        session: &Session,
        by: SortBy,
        uid: &str,
    ) -> Result<Option<(String, String)>, Error> {
        let entry = exam_pages::get(&self.index, &session.scope.scope, uid).await?;
        Ok(entry.map(|entry| (entry.sorted_by(by).to_owned(), entry.observation_uid)))
    }

    /// The organisations that the form can ask for; none where there is no choice.
    pub async fn organizations_to_choose(&self, session: &Session) -> Result<BTreeSet<String>, Error> {
        let scope = &session.scope.scope;
        if scope.organizations.as_ref().is_some_and(|codes| codes.len() < 2) {
            return Ok(BTreeSet::new());
        }
        let found = exam_pages::organizations(&self.index, scope).await?;
        Ok(if found.len() < 2 { BTreeSet::new() } else { found })
    }

    /// Where a search that looks at each entry begins when it would begin earlier: some months before its end.
    fn latest_start(&self, filter: &Filter) -> Option<String> {
        let now = Moment::from_epoch_ms(self.clock.now_ms());
        let asked = parse(&filter.observed.to).ok().flatten();
        let end = asked.filter(|end| end.epoch_ms() < now.epoch_ms()).unwrap_or(now);
        let start = end.plus_months(-MOST_MONTHS).start_of_day().to_string();
        (filter.observed.from < start).then_some(start)
    }

    /// The entries that the session may see, narrowed by the form.
    pub async fn list_exams(&self, session: &Session, mut command: ListExams) -> Result<ExamList, Error> {
        let size = i64::from(command.page_size.max(1));
        // As it was opened the list is the link's; the form may leave it where that is allowed (D-P22).
        let scope = &match command.filter == Filter::default() {
            true => session.scope.scope.of_link(),
            false => session.scope.scope.clone(),
        };
        let sortable = !exam_pages::is_whole(scope, &command.filter);
        let looks_at_all = !sortable && command.filter.looks_at_each();
        let since = if looks_at_all { self.latest_start(&command.filter) } else { None };
        if let Some(start) = &since {
            command.filter.observed.from.clone_from(start);
        }
        let by = if sortable { command.by } else { SortBy::Observed };
        let paging = Paging { by, order: command.order, after: command.after, limit: size + 1 };
        let mut entries = exam_pages::find(&self.index, scope, &command.filter, &paging).await?;
        let more = entries.len() as i64 > size;
        entries.truncate(size as usize);
        let next = if more {
            entries.last().map(|entry| (entry.sorted_by(by).to_owned(), entry.observation_uid.clone()))
        } else {
            None
        };
        let counts = exam_pages::count(&self.index, scope, &command.filter, MOST_COUNTED).await?;
        let mut restricted = 0;
        if session.scope.restricted_count && !scope.vip {
            let all = Scope { vip: true, ..scope.clone() };
            let all = exam_pages::count(&self.index, &all, &command.filter, MOST_COUNTED).await?;
            restricted = all.unwrap_or_default().all() - counts.unwrap_or_default().all();
        }
        let since = since.and_then(|start| Some(start.get(..10)?.to_owned()));
        Ok(ExamList { entries, next, counts, restricted: restricted.max(0), sortable, free: scope.free_search, since })
    }
}
