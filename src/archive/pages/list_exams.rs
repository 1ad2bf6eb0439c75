//! The list of exams that a session may see (E.1, E.2; D-P5, D-P22, D-P23).

use super::open_link::Session;
use crate::archive::{Archive, Error};
use crate::domain::scope::{Filter, Order, Paging, Scope, SortBy};
use crate::index::exam_pages;

pub use crate::index::exam_pages::{Content, Contents, Counts, Entry, EntryKind};

/// Entries that are counted at most.
pub const MOST_COUNTED: i64 = 1000;

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

    /// The entries that the session may see, narrowed by the form.
    pub async fn list_exams(&self, session: &Session, command: ListExams) -> Result<ExamList, Error> {
        let size = i64::from(command.page_size.max(1));
        // As it was opened the list is the link's; the form may leave it where that is allowed (D-P22).
        let scope = &match command.filter == Filter::default() {
            true => session.scope.scope.of_link(),
            false => session.scope.scope.clone(),
        };
        let sortable = !exam_pages::is_whole(scope, &command.filter);
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
        Ok(ExamList { entries, next, counts, restricted: restricted.max(0), sortable, free: scope.free_search })
    }
}
