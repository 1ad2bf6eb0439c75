//! One laboratory item over time, for somebody who looks at a lab report (RD-23, D-S11).
//!
//! Only reports that the session may see anyway, of the patient of the report that is looked at and of the same person
//! in other organisations.

use super::open_link::Session;
use crate::archive::images::read_image::Viewer;
use crate::archive::{Archive, Error};
use crate::domain::scope::{Filter, Order, Paging, PatientKey, Scope, SortBy};
use crate::domain::trend::{Trend, trend};
use crate::index::exam_pages::{self, EntryKind};
use crate::index::trends;

/// Most lab reports of the patient that are looked at, the newest.
const MOST_REPORTS: i64 = 2000;
/// Most results that are drawn, the newest.
const MOST_RESULTS: i64 = 200;

impl Archive {
    /// The item in line `line` of a lab report, counted from 0, over time.
    pub async fn view_trend(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, line): (&str, u32),
    ) -> Result<Trend, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        if entry.kind != EntryKind::Lab {
            return Err(Error::NotFound);
        }
        let item = trends::item_of_line(&self.index, entry.pk, i64::from(line)).await?.ok_or(Error::NotFound)?;
        let own = PatientKey {
            org_code: entry.org_code.clone(),
            patient_id: entry.patient_id.clone(),
            patient_local_id: String::new(),
        };
        let persons = self.with_same_persons(vec![own]).await?;
        let filter = Filter { types: vec!["LAB".to_owned()], patients: persons, ..Filter::default() };
        let paging = Paging { by: SortBy::Observed, order: Order::Newest, after: None, limit: MOST_REPORTS };
        let scope: &Scope = &session.scope.scope;
        let mut reports: Vec<i64> = vec![entry.pk];
        let others = exam_pages::find(&self.index, scope, &filter, &paging).await?;
        let all_looked_at = others.len() < MOST_REPORTS as usize;
        for other in others {
            if other.kind == EntryKind::Lab && other.pk != entry.pk {
                reports.push(other.pk);
            }
        }
        let codes = self.ways_to_write(&self.codes_of_item(&item.code));
        let (results, more) = trends::results(&self.index, &reports, &item, &codes, MOST_RESULTS).await?;
        Ok(Trend { truncated: more || !all_looked_at, ..trend(&item.name, results) })
    }
}
