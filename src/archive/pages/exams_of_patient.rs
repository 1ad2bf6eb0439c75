//! Other exams of the patient whose exam is looked at, as far as the session may see them.

use super::open_link::{Session, patient_of};
use crate::archive::{Archive, Error};
use crate::domain::scope::{Filter, Order, Paging, SortBy};
use crate::index::exam_pages::{self, Entry};

impl Archive {
    /// The newest of them without the exam itself; also those under the same person's numbers in other organisations.
    pub async fn exams_of_patient(&self, session: &Session, of: &Entry, most: i64) -> Result<Vec<Entry>, Error> {
        // Who has the code of one report has not the others'.
        if session.scope.visitor || (of.patient_id.is_empty() && of.patient_local_id.is_empty()) {
            return Ok(Vec::new());
        }
        let patients = self.with_same_persons(vec![patient_of(of)]).await?;
        let filter = Filter { patients, ..Filter::default() };
        let paging = Paging { by: SortBy::Observed, order: Order::Newest, after: None, limit: most + 1 };
        let mut entries = exam_pages::find(&self.index, &session.scope.scope, &filter, &paging).await?;
        entries.retain(|entry| entry.observation_uid != of.observation_uid);
        entries.truncate(usize::try_from(most).unwrap_or(0));
        Ok(entries)
    }

    /// Whether the session could see the exam if its report had not been withdrawn (D-R18).
    pub async fn is_withdrawn(&self, session: &Session, observation_uid: &str) -> Result<bool, Error> {
        Ok(exam_pages::is_withdrawn(&self.index, &session.scope.scope, observation_uid).await?)
    }
}
