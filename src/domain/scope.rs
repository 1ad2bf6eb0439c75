//! What an opened link may see: criteria, organisations and rights, resolved once and kept with the session.

use serde::{Deserialize, Serialize};

use super::criteria::{Criteria, ShowType, Span};
use super::customer::Permission;
use super::page::Page;
use super::report_state::ReportState;

/// Whose and which exams a session may see (D-P5, D-P22 to D-P24, D-R22).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// What the link asked for.
    pub criteria: Criteria,
    /// Whether the session may look beyond the criteria (D-P22).
    pub free_search: bool,
    /// The organisations whose data may be seen; `None` means all.
    pub organizations: Option<Vec<String>>,
    /// The organisation that counts as the session's own; `""` means none.
    pub home: String,
    /// Whether unreviewed reports and images without a report of the own organisation are shown.
    pub unreviewed: bool,
    /// Whether VIP and restricted reports of other organisations are shown.
    pub vip: bool,
    /// For related exams: the patients that step one found (D-P16); their exams are what may be seen.
    pub patients: Option<Vec<PatientKey>>,
}

impl Scope {
    /// What the link itself asks for, also of a session whose form may leave it.
    pub fn of_link(&self) -> Self {
        Self { free_search: false, ..self.clone() }
    }
}

/// A patient as one organisation knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientKey {
    /// The organisation.
    pub org_code: String,
    /// Its patient number; `""` when not known.
    pub patient_id: String,
    /// The imaging system's patient number; `""` when not known.
    pub patient_local_id: String,
}

/// What is kept with a page session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionScope {
    /// The page that was opened.
    pub page: Page,
    /// What may be seen.
    pub scope: Scope,
    /// What the exam page shows first.
    pub show_type: ShowType,
    /// Whether pages have a close button (D-P19).
    pub show_close: bool,
    /// Sites that may frame the pages (D-P21).
    pub frame_ancestors: Vec<String>,
    /// Whether somebody with a printed code opened it (D-I10).
    pub visitor: bool,
    /// The link behind that code, with which the session ends; `""` in sessions of customers.
    #[serde(default)]
    pub printed_link: String,
    /// Whether the user is told how many reports are hidden as restricted (D-P23).
    #[serde(default)]
    pub restricted_count: bool,
    /// Whether report files and attachments may be opened and saved themselves.
    #[serde(default)]
    pub download: Permission,
    /// Whether pages may be printed.
    #[serde(default)]
    pub print: Permission,
}

impl SessionScope {
    /// Whether image objects and pictures of them are given away. What a visitor may see is not for keeping: the report is,
    /// which is on paper in the visitor's hand.
    pub fn may_keep_images(&self) -> bool {
        !self.visitor && self.download.is_allowed()
    }
}

/// What somebody typed into the query form, kept with the session since addresses hold no patient data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Search {
    /// Patient's whole name.
    pub name: String,
    /// First day, as typed.
    pub from: String,
    /// Last day, as typed.
    pub to: String,
    /// Exam types.
    #[serde(rename = "type")]
    pub exam_type: String,
    /// Accession number or report number.
    pub accession: String,
    /// Code of the organisation.
    pub organization: String,
    /// [`ReportState::code`].
    pub state: String,
    /// Whether only what is critical is looked for.
    pub critical: bool,
}

/// What the query form adds to the scope; every field narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Patient's whole name.
    pub name: String,
    /// When the exam was done.
    pub observed: Span,
    /// Exam types in upper case.
    pub types: Vec<String>,
    /// Accession number or report number.
    pub accession: String,
    /// One organisation only; `""` means any.
    pub organization: String,
    /// One state only.
    pub state: Option<ReportState>,
    /// Only what is critical.
    pub critical: bool,
    /// One exam only.
    pub observation_uid: String,
    /// Exams of these patients only; empty means any.
    pub patients: Vec<PatientKey>,
}

impl Filter {
    /// Whether it asks for what no index knows: each entry has to be looked at.
    pub fn looks_at_each(&self) -> bool {
        self.state.is_some() || self.critical
    }
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// By which column.
    pub by: SortBy,
    /// Newest or oldest first; of other columns than the time, falling or rising.
    pub order: Order,
    /// What the last entry of the part before has in that column, and its id.
    pub after: Option<(String, String)>,
    /// Most entries.
    pub limit: i64,
}

/// The column by which a list is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortBy {
    /// When it was done.
    #[default]
    Observed,
    /// The patient's name.
    Name,
    /// Modality or class code.
    Type,
    /// What was done.
    Title,
    /// The organisation's code.
    Organization,
}

/// Order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}
