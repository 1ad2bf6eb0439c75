//! Reports on their way to upstream archives: a front follows its own change feed for each of them (R2.5.1.5-3, D-I19, ADR 6).
//!
//! How a report is told is the adapter's business. It is always told as it stands now, whatever change it is about, so that an
//! upstream which was away for long gets what counts, once, and never something older after something newer.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::forward::{ForwardRule, ForwardState};
use crate::archive::reports::read_report_file::ReportCopy;
use crate::archive::{Archive, Error};
use crate::domain::exam_report::{ExamField, ExamReport};
use crate::domain::lab_report::{LabItem, LabReport};
use crate::domain::record::{Field, Record, is_withdrawn};
use crate::index::report_changes::{self, Subject};
use crate::index::report_files::{self, ReportFile};
use crate::index::{encapsulated_reports, report_forwards};

pub use crate::index::report_forwards::{ParkedReport, ReportForward, ReportForwardEnd, Told};

/// A report as an upstream is to have it.
#[derive(Debug, Clone)]
pub struct Registration {
    /// What was registered.
    pub content: Registered,
    /// The hospital's own file, when the upstream has not had it yet.
    pub file: Option<RegisteredFile>,
    /// What the upstream knows when it has taken both.
    pub told: Told,
}

impl Registration {
    /// Whether it says anything that the upstream has not been told.
    pub fn is_news(&self, one: &ReportForward) -> bool {
        self.file.is_some() || self.told.record != one.told.record
    }
}

/// What was registered, in its kept form.
#[derive(Debug, Clone)]
pub enum Registered {
    /// An exam report, without the address of its file: nobody but us can fetch from there, and it may hold a password.
    Exam(Box<ExamReport>),
    /// A lab report with all its lines, withdrawn ones too.
    Lab(Box<LabReport>, Vec<LabItem>),
}

/// A report file as the hospital gave it.
#[derive(Debug, Clone)]
pub struct RegisteredFile {
    /// e.g. `application/pdf`.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Archive {
    /// Lets an upstream follow the reports that change from now on; one that follows them already goes on where it was.
    /// To be called before anybody can register.
    pub async fn begin_report_forwards(&self, upstream: &str) -> Result<(), Error> {
        if report_forwards::has_begun(&self.index, upstream).await? {
            return Ok(());
        }
        while self.sequence_changes().await? > 0 {}
        let head = report_changes::head(&self.index).await?;
        Ok(report_forwards::begin(&self.index, upstream, head).await?)
    }

    /// Notes for an upstream which reports have changed since the last time.
    pub async fn queue_report_changes(&self, rule: &ForwardRule) -> Result<(), Error> {
        self.sequence_changes().await?;
        while report_forwards::is_behind(&self.index, &rule.upstream).await? {
            let now = self.clock.now_ms();
            let (upstream, organizations) = (&rule.upstream, &rule.organizations);
            report_forwards::take_in(&self.index, upstream, organizations, now, rule.due_at(now)).await?;
        }
        Ok(())
    }

    /// Reports that may be sent to an upstream now, in the order of their changes.
    pub async fn next_report_forwards(&self, upstream: &str, limit: u32) -> Result<Vec<ReportForward>, Error> {
        Ok(report_forwards::next(&self.index, upstream, self.clock.now_ms(), limit).await?)
    }

    /// A report as it stands now. The file of an exam report comes along unless the upstream has it, the report is withdrawn
    /// (D-R18), or the file came inside a DICOM object: that one goes upstream by itself, and is the file there as it is here
    /// (D-I14).
    pub async fn report_to_forward(&self, one: &ReportForward) -> Result<Option<Registration>, Error> {
        let known = &one.told.file;
        if one.subject == Subject::Lab {
            let Some((head, lines)) = report_forwards::lab(&self.index, one.report_pk).await? else { return Ok(None) };
            let mut hash = Sha256::new();
            add(&mut hash, &head);
            lines.iter().for_each(|line| add(&mut hash, line));
            let told = Told { record: hex::encode(hash.finalize()), file: known.clone() };
            return Ok(Some(Registration { content: Registered::Lab(Box::new(head), lines), file: None, told }));
        }
        let Some(mut report) = report_forwards::exam(&self.index, one.report_pk).await? else { return Ok(None) };
        report.put(ExamField::ReportFilePath, None);
        let mut hash = Sha256::new();
        add(&mut hash, &report);
        let mut told = Told { record: hex::encode(hash.finalize()), file: known.clone() };
        let current = match is_withdrawn(report.get(ExamField::DataStatus)) {
            true => None,
            false => report_files::current(&self.index, one.report_pk).await?,
        };
        let is_new = |file: &ReportFile| !encapsulated_reports::is_source(&file.source) && file.original_hash != *known;
        let file = match current.filter(is_new) {
            Some(file) => {
                let bytes = self.read_report_file(&file, ReportCopy::Original).await?;
                told.file = file.original_hash;
                Some(RegisteredFile { media_type: file.media_type, bytes })
            }
            None => None,
        };
        Ok(Some(Registration { content: Registered::Exam(Box::new(report)), file, told }))
    }

    /// Writes down what became of a report.
    pub async fn settle_report_forward(
        &self,
        upstream: &str,
        one: &ReportForward,
        end: ReportForwardEnd,
    ) -> Result<(), Error> {
        // What it has been told already it is not asked about.
        if matches!(&end, ReportForwardEnd::Taken(told) if *told != one.told) {
            self.note_success("forward_reports", upstream);
        }
        Ok(report_forwards::settle(&self.index, upstream, self.clock.now_ms(), one, end).await?)
    }

    /// How many reports wait for an upstream, and how many it does not take.
    pub async fn count_report_forwards(&self, upstream: &str) -> Result<[(ForwardState, i64); 2], Error> {
        let waiting = report_forwards::count_waiting(&self.index, upstream).await?;
        let parked = report_forwards::count_parked(&self.index, upstream).await?;
        Ok([(ForwardState::Waiting, waiting), (ForwardState::Parked, parked)])
    }

    /// Which reports an upstream does not take, and why.
    pub async fn parked_report_forwards(&self, upstream: &str, limit: u32) -> Result<Vec<ParkedReport>, Error> {
        Ok(report_forwards::parked(&self.index, upstream, limit).await?)
    }

    /// Lets every report that is parked or waits for its next attempt go at once.
    pub async fn retry_report_forwards(&self, upstream: &str) -> Result<u64, Error> {
        Ok(report_forwards::retry(&self.index, upstream, self.clock.now_ms()).await?)
    }

    /// Forgets which reports were meant for an upstream that there is no more; gives how many it had not taken.
    pub async fn forget_report_forwards(&self, upstream: &str) -> Result<i64, Error> {
        Ok(report_forwards::forget(&self.index, upstream).await?)
    }

    /// Lets an upstream follow the reports from the first one on; gives how many wait for it then.
    pub async fn forward_existing_reports(&self, rule: &ForwardRule) -> Result<i64, Error> {
        while self.sequence_changes().await? > 0 {}
        report_forwards::begin_anew(&self.index, &rule.upstream).await?;
        self.queue_report_changes(rule).await?;
        Ok(report_forwards::count_waiting(&self.index, &rule.upstream).await?)
    }
}

/// Adds a record to the hash of what is told.
fn add<F: Field>(hash: &mut Sha256, record: &Record<F>) {
    for (field, text) in record.filled() {
        hash.update(field.spec().column);
        hash.update([0x1F]);
        hash.update(text);
        hash.update([0x1E]);
    }
    hash.update([0x1D]);
}
