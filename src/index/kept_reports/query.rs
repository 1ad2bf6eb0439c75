//! Which reports are asked for, in the words of whoever asks.

use sha2::{Digest, Sha256};

use crate::index::report_changes::Subject;

/// By which time a list is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedBy {
    /// [`retrieve_at`](super::KeptReport::retrieve_at), a text.
    Retrieved,
    /// [`updated_at`](super::KeptReport::updated_at), a number.
    Updated,
}

/// What a report must have to be in a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Having {
    /// Nothing in particular.
    #[default]
    Anything,
    /// Images that are linked to it.
    Images,
    /// A file that is here: the report's, or an attachment.
    File,
}

/// By what a study is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StudyNumber {
    /// (0008,0050), and the report's own when it has the same.
    Accession(String),
    /// (0020,000D).
    Uid(String),
}

/// Modalities of exams, any of which is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modalities {
    /// These.
    pub named: Vec<String>,
    /// When there are any: all others than these, and exams of which none is known.
    pub others_than: Vec<String>,
}

/// Which reports are asked for; empty means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportQuery {
    /// Kinds; empty for both.
    pub kinds: Vec<Subject>,
    /// Organisations; those that may be seen when `None`.
    pub organizations: Option<Vec<String>>,
    /// A resident identity number, or whatever stands there.
    pub id_no: String,
    /// A card number.
    pub card_no: String,
    /// Either of the two.
    pub identity: String,
    /// Identity or card numbers of whom the reports are, whatever the reports say, as GetExamInfo and GetLabInfo find them
    /// (D-Q1, D-X9); with two numbers each of them finds the report.
    pub persons: Vec<String>,
    /// Patients of institutions, of whom it is one; any when empty.
    pub patients: Vec<(String, String)>,
    /// A patient number of the institution; it means nothing without the organisation (D-P16).
    pub patient_id: String,
    /// A report's number.
    pub report_form_no: String,
    /// AccessionNumber; no lab report has one.
    pub accession_number: String,
    /// A number of a study that is linked to the report.
    pub study: Option<StudyNumber>,
    /// Modalities of exams; any when `None`.
    pub modalities: Option<Modalities>,
    /// Codes of reports, classes or lines, or what a dictionary maps to them (D-R16); any when empty.
    pub codes: Vec<String>,
    /// Changed at this moment or later, milliseconds since 1970 UTC.
    pub updated_from: Option<i64>,
    /// Changed before this moment.
    pub updated_before: Option<i64>,
    /// Number of the visit.
    pub event_no: String,
    /// Exact ids.
    pub observation_uids: Vec<String>,
    /// First moment of [`retrieve_at`](super::KeptReport::retrieve_at), kept form.
    pub from: String,
    /// Whether that was left to us, who count it from now: a later page says it again.
    pub from_is_ours: bool,
    /// Last moment, kept form.
    pub to: String,
    /// First moment of [`observed_at`](super::KeptReport::observed_at), kept form.
    pub observed_from: String,
    /// Last moment, kept form.
    pub observed_to: String,
    /// What they must have.
    pub having: Having,
    /// The oldest first, not the newest.
    pub oldest_first: bool,
}

impl ReportQuery {
    /// Whether it is about a patient, a visit or a report, not about everything in a time.
    pub fn is_narrow(&self) -> bool {
        let texts = [
            &self.id_no,
            &self.card_no,
            &self.identity,
            &self.patient_id,
            &self.report_form_no,
            &self.accession_number,
            &self.event_no,
        ];
        let named = !self.observation_uids.is_empty() || !self.patients.is_empty() || self.study.is_some();
        named || !self.persons.is_empty() || texts.iter().any(|text| !text.is_empty())
    }

    /// By which time the answer is in order. Changes of everybody's reports are walked as they were made; any other order
    /// would read all reports to find the few that have changed.
    pub fn listed_by(&self) -> ListedBy {
        let asks_changes = self.updated_from.is_some() || self.updated_before.is_some();
        if asks_changes && !self.is_narrow() { ListedBy::Updated } else { ListedBy::Retrieved }
    }

    /// A hash over everything asked, so that a cursor is used with its own question only.
    pub fn fingerprint(&self) -> [u8; 8] {
        let digest = Sha256::digest(format!("{self:?}"));
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        bytes
    }
}
