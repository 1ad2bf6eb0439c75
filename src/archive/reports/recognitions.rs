//! Records of mutual recognition, read and counted (RD-32, D-X10). Reading them is audited; they tell nothing of patients.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::pull_reports::ReportReader;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::date_time::local_text;
use crate::index::audit::{self, AuditRecord};
use crate::index::recognitions;

pub use crate::index::recognitions::{ListedRecognition, Recognition, RecognitionFilter};

/// One page of records.
#[derive(Debug, Clone)]
pub struct RecognitionPage {
    /// The newest decision first.
    pub records: Vec<ListedRecognition>,
    /// Behind which decision, by its time and row, the next page begins.
    pub next: Option<(i64, i64)>,
}

impl RecognitionFilter {
    /// A hash over everything asked, so that a cursor is used with its own question only.
    pub fn fingerprint(&self) -> [u8; 8] {
        let digest = Sha256::digest(format!("{self:?}"));
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        bytes
    }
}

/// How often reports are recognised in a span of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RecognitionStatistics {
    /// Decided not before, in Asia/Shanghai; empty when open.
    pub from: String,
    /// Decided before, in Asia/Shanghai; empty when open.
    pub until: String,
    /// All together.
    pub total: Tally,
    /// By the reports' organisation, the one that decided, and the kind of report.
    pub pairs: Vec<PairTally>,
}

/// Decisions between two organisations about one kind of report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PairTally {
    /// The reports' organisation.
    pub organization: String,
    /// The organisation that decided.
    pub by_organization: String,
    /// `exam` or `lab`.
    pub kind: String,
    /// The figures.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Counted decisions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tally {
    /// All.
    pub records: i64,
    /// Those by which images and data were recognised.
    pub recognised: i64,
    /// Of all, those about reports with a mark.
    pub marked: i64,
    /// Those that were not recognised, by the code of the reason.
    pub reasons: BTreeMap<String, i64>,
}

impl Tally {
    /// The recognised share in tenths of a percent; `None` without records.
    pub fn per_mille(&self) -> Option<i64> {
        (self.records > 0).then(|| (self.recognised * 1000 + self.records / 2) / self.records)
    }
}

impl Archive {
    /// One page of records, behind a decision.
    pub async fn list_recognitions(
        &self,
        reader: &ReportReader,
        filter: &RecognitionFilter,
        after: Option<(i64, i64)>,
        limit: u32,
    ) -> Result<RecognitionPage, Error> {
        let own =
            RecognitionFilter { readers: reader.organizations.clone(), confidential: reader.vip, ..filter.clone() };
        let page = self.recognitions_of(&own, after, limit).await?;
        self.note_pull(reader, "list_recognitions", String::new(), json!({ "count": page.records.len() })).await?;
        Ok(page)
    }

    /// All records that fit, page by page, for an operator: those behind a decision.
    pub async fn export_recognitions(
        &self,
        actor: &Actor,
        filter: &RecognitionFilter,
        after: Option<(i64, i64)>,
        limit: u32,
    ) -> Result<RecognitionPage, Error> {
        let page =
            self.recognitions_of(&RecognitionFilter { confidential: true, ..filter.clone() }, after, limit).await?;
        let count = page.records.len();
        self.note_recognitions(actor.clone(), "list_recognitions", filter, json!({ "count": count })).await?;
        Ok(page)
    }

    async fn recognitions_of(
        &self,
        filter: &RecognitionFilter,
        after: Option<(i64, i64)>,
        limit: u32,
    ) -> Result<RecognitionPage, Error> {
        let mut records = recognitions::list(&self.index, filter, after, limit.saturating_add(1)).await?;
        let more = records.len() > limit as usize;
        records.truncate(limit as usize);
        let next = records.last().filter(|_| more).map(|last| (last.recognition.decided_at, last.recognition.id));
        Ok(RecognitionPage { records, next })
    }

    /// Counts the records that fit, by organisations, kind and reason.
    pub async fn count_recognitions(
        &self,
        actor: Actor,
        filter: &RecognitionFilter,
    ) -> Result<RecognitionStatistics, Error> {
        let text = |at: Option<i64>| at.map(local_text).unwrap_or_default();
        let mut all =
            RecognitionStatistics { from: text(filter.from), until: text(filter.until), ..Default::default() };
        let mut pairs: BTreeMap<[String; 3], Tally> = BTreeMap::new();
        for counted in recognitions::count(&self.index, filter).await? {
            let key = [counted.org_code, counted.by_org_code, counted.kind];
            for tally in [&mut all.total, pairs.entry(key).or_default()] {
                tally.records += counted.records;
                tally.marked += counted.marked;
                match counted.recognised {
                    true => tally.recognised += counted.records,
                    false => *tally.reasons.entry(counted.reason.clone()).or_default() += counted.records,
                }
            }
        }
        let pair = |([organization, by_organization, kind], tally): ([String; 3], Tally)| PairTally {
            organization,
            by_organization,
            kind,
            tally,
        };
        all.pairs = pairs.into_iter().map(pair).collect();
        self.note_recognitions(actor, "count_recognitions", filter, json!({ "records": all.total.records })).await?;
        Ok(all)
    }

    async fn note_recognitions(
        &self,
        actor: Actor,
        action: &'static str,
        filter: &RecognitionFilter,
        detail: serde_json::Value,
    ) -> Result<(), Error> {
        let org_code = match filter.readers.as_deref() {
            Some([only]) => only.clone(),
            _ => String::new(),
        };
        let record = AuditRecord { action, actor, org_code, target: String::new(), outcome: "ok", detail };
        let (id, now) = (self.ids.next(), self.clock.now_ms());
        let written = self.index.write(move |tx| Box::pin(async move { audit::record(tx, id, now, &record).await }));
        Ok(written.await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_rounded_and_there_is_none_without_records() {
        let rate = |records, recognised| Tally { records, recognised, ..Tally::default() }.per_mille();
        assert_eq!((rate(3, 2), rate(3, 3), rate(3, 0), rate(0, 0)), (Some(667), Some(1000), Some(0), None));
    }
}
