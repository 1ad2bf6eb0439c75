//! Earlier and later exams of the same patient beside the one that is looked at, as far as the session may see them.

use super::list_exams::{Entry, EntryKind, ListExams};
use super::open_link::Session;
use crate::archive::{Archive, Error};
use crate::domain::scope::{Filter, Order};

/// Most entries that are looked through.
const MOST_ENTRIES: u32 = 100;

impl Archive {
    /// Exams with images of the same patient, the newest first, without the exam itself. Whoever has the code of one
    /// report sees no others.
    pub async fn prior_exams(&self, session: &Session, of: &Entry) -> Result<Vec<Entry>, Error> {
        if session.scope.visitor {
            return Ok(Vec::new());
        }
        // The patients of a link for related exams are one person (D-P16), whatever their names are.
        let related = session.scope.scope.patients.is_some();
        if !related && of.name.is_empty() {
            return Ok(Vec::new());
        }
        let name = if related { String::new() } else { of.name.clone() };
        let filter = Filter { name, ..Filter::default() };
        let command = ListExams { filter, order: Order::Newest, after: None, page_size: MOST_ENTRIES };
        let mut entries = self.list_exams(session, command).await?.entries;
        entries.retain(|entry| {
            let is_other = entry.observation_uid != of.observation_uid;
            is_other && entry.kind != EntryKind::Lab && entry.series > 0 && (related || is_same_patient(entry, of))
        });
        Ok(entries)
    }
}

/// Whether an organisation knows both under one number; a name alone tells nobody apart.
fn is_same_patient(one: &Entry, other: &Entry) -> bool {
    let same = |a: &str, b: &str| !a.is_empty() && a == b;
    one.org_code == other.org_code
        && (same(&one.patient_id, &other.patient_id) || same(&one.patient_local_id, &other.patient_local_id))
}
