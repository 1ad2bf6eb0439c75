//! The list of exams that a session may see (E.1, E.2; D-P5, D-P22, D-P23).

use super::open_link::Session;
use crate::archive::{Archive, Error};
use crate::domain::scope::{Filter, Order, Paging};
use crate::index::exam_pages;

pub use crate::index::exam_pages::{Entry, EntryKind};

/// One part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExamList {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where the next part begins: time and id of the last entry, when there is more.
    pub next: Option<(String, String)>,
}

/// Which part of the list, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListExams {
    /// What the form adds.
    pub filter: Filter,
    /// By time.
    pub order: Order,
    /// Where the part begins.
    pub after: Option<(String, String)>,
    /// Most entries.
    pub page_size: u32,
}

impl Archive {
    /// The entries that the session may see, narrowed by the form.
    pub async fn list_exams(&self, session: &Session, command: ListExams) -> Result<ExamList, Error> {
        let size = i64::from(command.page_size.max(1));
        let paging = Paging { order: command.order, after: command.after, limit: size + 1 };
        let scope = &session.scope.scope;
        let mut entries = exam_pages::find(&self.index, scope, &command.filter, &paging).await?;
        let more = entries.len() as i64 > size;
        entries.truncate(size as usize);
        let next = if more {
            entries.last().map(|entry| (entry.observed_at.clone(), entry.observation_uid.clone()))
        } else {
            None
        };
        Ok(ExamList { entries, next })
    }
}
