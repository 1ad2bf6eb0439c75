//! What systems pull from the archive: lists of reports by keyset, one report, its file (D-Q10, D-Q11, D-X6).
//!
//! The modern siblings of GetExamInfo and GetLabInfo under the same rules: a reader with organisations of its own sees
//! these alone and whole; another one sees what is shared, VIP and restricted reports only with that right (D-P24, D-R22);
//! withdrawn ones nobody sees (D-R18). Everything given is audited, identities only as a hash.

use std::collections::BTreeSet;

use serde_json::json;

use super::compose_lab_report::as_report_file;
use super::find_reports::hashed;
use super::read_report_file::ReportCopy;
use super::refusals::Refusal;
use crate::archive::images::read_attachment::ByteStream;
use crate::archive::{Archive, Error};
use crate::domain::dictionary::{LAB_CLASS, LAB_ITEM};
use crate::domain::identity::Identity;
use crate::domain::place::Place;
use crate::domain::sharing::Sharing;
use crate::domain::{Actor, criteria};
use crate::index::audit::{self, AuditRecord};
use crate::index::{Value, kept_reports, report_files, report_studies};

pub use crate::index::kept_reports::{
    Content, Having, KeptFile, KeptItem, KeptReport, ListedBy, Modalities, ReportFilter, ReportQuery, StudyNumber,
};
pub use crate::index::report_changes::Subject;
pub use crate::index::report_studies::{KeptSeries, KeptStudy};

/// Who pulls, and what may be seen.
#[derive(Debug, Clone)]
pub struct ReportReader {
    /// Who.
    pub actor: Actor,
    /// Its own organisations, which it sees alone and whole; what all share when `None`.
    pub organizations: Option<Vec<String>>,
    /// Whether it sees VIP and restricted reports of others.
    pub vip: bool,
}

impl ReportReader {
    /// How widely a report must be shared for this reader.
    pub fn at_least(&self) -> Sharing {
        match (&self.organizations, self.vip) {
            (Some(_), _) => Sharing::Nobody,
            (None, true) => Sharing::Privileged,
            (None, false) => Sharing::Everyone,
        }
    }

    fn owns(&self, org_code: &str) -> bool {
        self.organizations.as_ref().is_none_or(|own| own.iter().any(|code| code == org_code))
    }

    /// Whether the report would be seen if it were not withdrawn.
    fn may_know(&self, report: &KeptReport) -> bool {
        let sharing = Sharing::of(report.is_final, report.vip || report.restricted, false);
        self.owns(&report.org_code) && sharing >= self.at_least()
    }

    /// Whether the report is seen.
    pub fn sees(&self, report: &KeptReport) -> bool {
        !report.withdrawn && self.may_know(report)
    }

    /// The organisations that are asked for and may be seen; `None` is all.
    pub(super) fn narrowed(&self, asked: Option<Vec<String>>) -> Option<Vec<String>> {
        match (&self.organizations, asked) {
            (None, asked) => asked,
            (Some(own), None) => Some(own.clone()),
            (Some(own), Some(asked)) => Some(asked.into_iter().filter(|code| own.contains(code)).collect()),
        }
    }
}

/// Where a list goes on: after this report, by the time by which the list is in order.
pub type ListPosition = (String, i64);

fn position(report: &KeptReport, by: ListedBy) -> ListPosition {
    let at = match by {
        ListedBy::Retrieved => report.retrieve_at.clone(),
        ListedBy::Updated => report.updated_at.to_string(),
    };
    (at, report.pk)
}

/// The position for a statement.
fn bound((at, pk): ListPosition, by: ListedBy) -> Result<(Value, i64), Error> {
    let at = match by {
        ListedBy::Retrieved => Value::from(at),
        ListedBy::Updated => {
            Value::from(at.parse::<i64>().map_err(|_| Error::Invalid("the position is of another list".to_owned()))?)
        }
    };
    Ok((at, pk))
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct ReportPage {
    /// In the order asked for.
    pub reports: Vec<KeptReport>,
    /// Where the next page begins, when there is more.
    pub next: Option<ListPosition>,
}

/// One report.
#[derive(Debug, Clone)]
pub enum PulledReport {
    /// Here it is.
    Found(Box<KeptReport>),
    /// It was withdrawn by its hospital.
    Withdrawn,
}

/// The bytes of a report file.
pub struct PulledFile {
    /// `application/pdf`, `image/jpeg`, `image/png` or `image/tiff`.
    pub media_type: String,
    /// Whether it is the copy with the QR code.
    pub stamped: bool,
    /// One for each different content of the file.
    pub revision: i64,
    /// SHA-256 of these bytes, hex.
    pub sha256: String,
    /// When it was fetched, milliseconds since 1970 UTC.
    pub fetched_at: i64,
    place: Place,
}

impl PulledFile {
    /// Bytes in all.
    pub fn length(&self) -> u64 {
        self.place.length
    }
}

impl Archive {
    /// One page of the reports that are asked for.
    pub async fn list_reports(
        &self,
        reader: &ReportReader,
        query: &ReportQuery,
        after: Option<ListPosition>,
        limit: u32,
    ) -> Result<ReportPage, Error> {
        let page = self.reports_of(reader, query, after, limit).await?;
        let identities = [&query.id_no, &query.card_no, &query.identity].into_iter().chain(&query.persons);
        let hashes: Vec<String> = identities.filter_map(|v| Identity::classify(v)).map(hashed).collect();
        let detail = json!({
            "identities": hashes, "count": page.reports.len(), "from": query.from, "to": query.to,
            "organizations": query.organizations,
        });
        self.note_pull(reader, "list_reports", String::new(), detail).await?;
        Ok(page)
    }

    pub(super) async fn reports_of(
        &self,
        reader: &ReportReader,
        query: &ReportQuery,
        after: Option<ListPosition>,
        limit: u32,
    ) -> Result<ReportPage, Error> {
        let spellings = |text: &str| Identity::classify(text).map(|i| i.spellings()).unwrap_or_default();
        let mut persons = Vec::with_capacity(query.persons.len());
        for identity in query.persons.iter().filter_map(|text| Identity::classify(text)) {
            persons.push(self.whole_person(&[identity]).await?);
        }
        let by = query.listed_by();
        let after = after.map(|after| bound(after, by)).transpose()?;
        let filter = ReportFilter {
            query,
            organizations: reader.narrowed(query.organizations.clone()),
            at_least: reader.at_least(),
            id_numbers: spellings(&query.id_no),
            identities: spellings(&query.identity),
            persons,
            codes: self.ways_to_write(&query.codes),
            after,
            limit: limit.saturating_add(1),
        };
        let mut reports = Vec::new();
        for subject in Subject::ALL {
            if query.kinds.is_empty() || query.kinds.contains(&subject) {
                reports.extend(kept_reports::find(&self.index, subject, &filter).await?);
            }
        }
        // Ids are of one series for both kinds, so that the two lists merge into one order.
        match by {
            ListedBy::Retrieved => reports.sort_by(|a, b| (&a.retrieve_at, a.pk).cmp(&(&b.retrieve_at, b.pk))),
            ListedBy::Updated => reports.sort_by_key(|report| (report.updated_at, report.pk)),
        }
        if !query.oldest_first {
            reports.reverse();
        }
        let more = reports.len() > limit as usize;
        reports.truncate(limit as usize);
        self.mark_reports(&mut reports);
        let next = reports.last().filter(|_| more).map(|last| position(last, by));
        Ok(ReportPage { reports, next })
    }

    /// The code of a laboratory item, and the one that the dictionary maps it to (D-R16).
    pub(in crate::archive) fn codes_of_item(&self, item: &str) -> Vec<String> {
        let mut codes = vec![item.to_owned()];
        codes.extend(self.dictionaries().find(LAB_ITEM, item).map(|entry| entry.code.clone()));
        codes.dedup();
        codes
    }

    /// Codes with what hospitals write for them by the dictionaries, in upper case.
    pub(in crate::archive) fn ways_to_write(&self, codes: &[String]) -> Vec<String> {
        let dictionaries = self.dictionaries();
        let mut all: BTreeSet<String> = codes.iter().map(|code| code.to_uppercase()).collect();
        for (_, entries) in dictionaries.all().filter(|(name, _)| [LAB_CLASS, LAB_ITEM].contains(name)) {
            for entry in entries.iter().filter(|entry| codes.contains(&entry.code)) {
                all.extend(entry.aliases.iter().chain([&entry.meaning]).map(|word| word.to_uppercase()));
            }
        }
        all.into_iter().collect()
    }

    /// One report by the id that feed, lists and pages show.
    pub async fn pull_report(&self, reader: &ReportReader, observation_uid: &str) -> Result<PulledReport, Error> {
        let report = self.known_report(reader, observation_uid).await?;
        let withdrawn = report.withdrawn;
        let target = format!("{}:{}", report.subject().as_str(), report.pk);
        let detail = json!({ "organization": report.org_code, "withdrawn": withdrawn });
        self.note_pull(reader, "pull_report", target, detail).await?;
        Ok(if withdrawn { PulledReport::Withdrawn } else { PulledReport::Found(Box::new(report)) })
    }

    pub(super) async fn known_report(&self, reader: &ReportReader, observation_uid: &str) -> Result<KeptReport, Error> {
        let uid = criteria::observation_uid(observation_uid).ok_or(Error::NotFound)?;
        let report = kept_reports::by_uid(&self.index, &uid).await?;
        let mut report = report.filter(|report| reader.may_know(report)).ok_or(Error::NotFound)?;
        self.mark_report(&mut report);
        Ok(report)
    }

    /// The current file of a report; the original where there is no stamped copy. A lab report's is composed when that has
    /// not been done since it changed. `None` when the report is withdrawn.
    pub async fn pull_report_file(
        &self,
        reader: &ReportReader,
        observation_uid: &str,
        copy: ReportCopy,
    ) -> Result<Option<PulledFile>, Error> {
        let report = self.known_report(reader, observation_uid).await?;
        if report.withdrawn {
            return Ok(None);
        }
        let file = match report.subject() {
            Subject::Exam => report_files::current(&self.index, report.pk).await?,
            Subject::Lab => self.lab_document(report.pk).await?.map(as_report_file),
        };
        let file = file.ok_or(Error::NotFound)?;
        // The stamped copy of a picture is a PDF.
        let is_pdf = file.is_pdf(copy == ReportCopy::Stamped);
        let stamped = file.stamped.filter(|_| copy == ReportCopy::Stamped);
        let pulled = PulledFile {
            stamped: stamped.is_some(),
            sha256: stamped.as_ref().map_or(file.original_hash, |stamped| stamped.hash.clone()),
            place: stamped.map_or(file.original, |stamped| stamped.place),
            media_type: if is_pdf { "application/pdf".to_owned() } else { file.media_type },
            revision: file.revision,
            fetched_at: file.fetched_at,
        };
        let detail = json!({ "organization": report.org_code, "revision": pulled.revision, "stamped": pulled.stamped });
        let target = format!("{}:{}", report.subject().as_str(), report.pk);
        self.note_pull(reader, "pull_report_file", target, detail).await?;
        Ok(Some(pulled))
    }

    /// Bytes of a file that [`Archive::pull_report_file`] gave; the range counts from its first byte.
    pub async fn pulled_bytes(&self, file: &PulledFile, range: std::ops::Range<u64>) -> Result<ByteStream, Error> {
        let whole = &file.place;
        let end = range.end.min(whole.length);
        let start = range.start.min(end);
        let part = Place { key: whole.key.clone(), offset: whole.offset + start, length: end - start };
        Ok(self.objects.stream(&part).await?)
    }

    /// The report with which a line is shown.
    pub async fn report_of_line(&self, reader: &ReportReader, lab_item_pk: i64) -> Result<KeptReport, Error> {
        let pk = kept_reports::report_of_item(&self.index, lab_item_pk).await?.ok_or(Error::NotFound)?;
        self.seen_report(reader, Subject::Lab, &[pk]).await
    }

    /// A report to which a study is linked.
    pub async fn report_of_study(&self, reader: &ReportReader, observation_uid: &str) -> Result<KeptReport, Error> {
        let pks = report_studies::exams_of_study(&self.index, observation_uid).await?;
        self.seen_report(reader, Subject::Exam, &pks).await
    }

    async fn seen_report(&self, reader: &ReportReader, subject: Subject, pks: &[i64]) -> Result<KeptReport, Error> {
        let found = kept_reports::by_pks(&self.index, subject, pks).await?;
        let mut report = found.into_iter().find(|report| reader.sees(report)).ok_or(Error::NotFound)?;
        self.mark_report(&mut report);
        let target = format!("{}:{}", subject.as_str(), report.pk);
        self.note_pull(reader, "pull_report", target, json!({ "organization": report.org_code })).await?;
        Ok(report)
    }

    /// The series of studies that a report of the reader's showed.
    pub async fn series_of_studies(&self, studies: &[i64]) -> Result<Vec<KeptSeries>, Error> {
        Ok(report_studies::series_of(&self.index, studies).await?)
    }

    /// Notes a caller that was not known; a few of an address and minute.
    pub async fn note_refused_pull(&self, actor: Actor) -> Result<Refusal, Error> {
        let refusal = self.refusals.count("api", &actor.remote_addr, self.clock.now_ms());
        if refusal == Refusal::Noted {
            let reader = ReportReader { actor, organizations: None, vip: false };
            self.note_outcome(&reader, "pull_reports", "denied", String::new(), json!({})).await?;
        }
        Ok(refusal)
    }

    pub(super) async fn note_pull(
        &self,
        reader: &ReportReader,
        action: &'static str,
        target: String,
        detail: serde_json::Value,
    ) -> Result<(), Error> {
        self.note_outcome(reader, action, "ok", target, detail).await
    }

    async fn note_outcome(
        &self,
        reader: &ReportReader,
        action: &'static str,
        outcome: &'static str,
        target: String,
        detail: serde_json::Value,
    ) -> Result<(), Error> {
        let org_code = match reader.organizations.as_deref() {
            Some([only]) => only.clone(),
            _ => String::new(),
        };
        let record = AuditRecord { action, actor: reader.actor.clone(), org_code, target, outcome, detail };
        let (id, now) = (self.ids.next(), self.clock.now_ms());
        let written = self.index.write(move |tx| Box::pin(async move { audit::record(tx, id, now, &record).await }));
        Ok(written.await?)
    }
}
