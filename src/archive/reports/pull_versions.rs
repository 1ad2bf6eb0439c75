//! Earlier versions of a report for systems that pull (D-R8), under the rules of its pages: who may not see the report sees none
//! of them, one that was not final (D-P24) is for the own organisation, and of one that was withdrawn (D-R18) nothing is told.

use serde_json::json;

use super::pull_reports::{ReportReader, Subject};
use crate::archive::{Archive, Error};
use crate::domain::exam_report::ExamReport;
use crate::domain::lab_report::{LabItem, LabReport};
use crate::domain::sharing::is_final;
use crate::index::report_versions::{self, VersionRow, labs};

/// Most versions that are told, the newest.
const MOST: usize = 50;

/// What a report said until it was replaced.
#[derive(Debug, Clone)]
pub struct PulledVersion {
    /// Its number, from 1; a lab report's counts heads and lines together.
    pub version: i64,
    /// When it was replaced, milliseconds since 1970 UTC.
    pub replaced_at: i64,
    /// Whether it counted as final.
    pub is_final: bool,
    /// What was registered; `None` when the hospital had withdrawn it.
    pub content: Option<VersionContent>,
}

/// What was registered.
#[derive(Debug, Clone)]
pub enum VersionContent {
    /// An exam report.
    Exam(Box<ExamReport>),
    /// A lab report with its lines.
    Lab(Box<LabReport>, Vec<LabItem>),
}

impl PulledVersion {
    fn of(row: &VersionRow, is_final: bool, content: VersionContent) -> Self {
        let content = Some(content).filter(|_| !row.withdrawn);
        Self { version: row.version, replaced_at: row.replaced_at, is_final, content }
    }
}

impl Archive {
    /// The versions of a report before the present one, the newest first; `None` when the report is withdrawn.
    pub async fn pull_versions(
        &self,
        reader: &ReportReader,
        observation_uid: &str,
    ) -> Result<Option<Vec<PulledVersion>>, Error> {
        let report = self.known_report(reader, observation_uid).await?;
        if report.withdrawn {
            return Ok(None);
        }
        let mut versions: Vec<PulledVersion> = match report.subject() {
            Subject::Exam => {
                let found = report_versions::contents(&self.index, report.pk, MOST).await?;
                let of = |(row, content): (VersionRow, ExamReport)| {
                    let was_final = is_final(row.reviewed, &content);
                    PulledVersion::of(&row, was_final, VersionContent::Exam(Box::new(content)))
                };
                found.into_iter().map(of).collect()
            }
            Subject::Lab => {
                let found = labs::contents(&self.index, report.pk, MOST).await?;
                let of = |(row, head, lines)| PulledVersion::of(&row, true, VersionContent::Lab(Box::new(head), lines));
                found.into_iter().map(of).collect()
            }
        };
        // Who has organisations of its own sees no report of others.
        versions.retain(|version| version.is_final || reader.organizations.is_some());
        let detail = json!({ "organization": report.org_code, "count": versions.len() });
        let target = format!("{}:{}", report.subject().as_str(), report.pk);
        self.note_pull(reader, "pull_versions", target, detail).await?;
        Ok(Some(versions))
    }
}
