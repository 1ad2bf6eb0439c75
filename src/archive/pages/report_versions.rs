//! Earlier versions of a report that somebody looks at (D-R8): for comparison, and recorded like any look.

use serde_json::json;

use super::open_link::Session;
use crate::archive::images::read_image::Viewer;
use crate::archive::{Archive, Error};
use crate::domain::recognition::ItemKind;
use crate::index::exam_pages::{Entry, EntryKind};
use crate::index::report_versions::{self, labs};

pub use crate::index::report_versions::labs::LabVersion;
pub use crate::index::report_versions::{VersionRow, VersionText};

/// Most versions that are listed, the newest.
const MOST: usize = 50;

/// The versions of a report before the present one.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// Those that the session may open, the newest first.
    pub listed: Vec<VersionRow>,
    /// Whether a lab report was corrected after it was released; it has no state of its own that says so.
    pub corrected: bool,
}

/// What an earlier version said.
#[derive(Debug, Clone)]
pub enum VersionContent {
    /// Of an exam report.
    Exam(Box<VersionText>),
    /// Of a lab report, and when it was replaced.
    Lab(Box<LabVersion>, i64),
}

impl Archive {
    /// The versions before the present one. One that had not been reviewed is for the own organisation (D-P24), and whoever
    /// has a printed code opens the present one only.
    pub async fn report_versions(&self, session: &Session, entry: &Entry) -> Result<Versions, Error> {
        let mut listed = match entry.kind {
            EntryKind::Exam => report_versions::list(&self.index, entry.pk, MOST).await?,
            EntryKind::Lab => labs::list(&self.index, entry.pk, MOST).await?,
            EntryKind::Study => Vec::new(),
        };
        let corrected = entry.kind == EntryKind::Lab && !listed.is_empty();
        listed.retain(|version| version.reviewed || sees_unreviewed(session, entry));
        if session.scope.visitor {
            listed.clear();
        }
        Ok(Versions { listed, corrected })
    }

    /// What an earlier version said, when the session may see the exam. One that was withdrawn stays hidden (D-R18).
    pub async fn view_report_version(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, version): (&str, i64),
    ) -> Result<VersionContent, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        if session.scope.visitor {
            return Err(Error::NotFound);
        }
        let (kind, content) = match entry.kind {
            EntryKind::Exam => {
                let text = report_versions::text(&self.index, entry.pk, version).await?.ok_or(Error::NotFound)?;
                if text.withdrawn || !text.reviewed && !sees_unreviewed(session, &entry) {
                    return Err(Error::NotFound);
                }
                ("exam", VersionContent::Exam(Box::new(text)))
            }
            EntryKind::Lab => {
                let found = labs::version(&self.index, entry.pk, version).await?;
                let (mut said, replaced_at) = found.filter(|(said, _)| !said.withdrawn).ok_or(Error::NotFound)?;
                for item in &mut said.items {
                    item.recognition = self.mark_of(&entry, ItemKind::Lab, &item.names, &item.recognition);
                }
                ("lab", VersionContent::Lab(Box::new(said), replaced_at))
            }
            EntryKind::Study => return Err(Error::NotFound),
        };
        let detail = json!({ "organization": entry.org_code, "version": version });
        self.record_view(session, remote_addr, "view_version", format!("{kind}:{}", entry.pk), detail).await?;
        Ok(content)
    }
}

fn sees_unreviewed(session: &Session, entry: &Entry) -> bool {
    let scope = &session.scope.scope;
    scope.unreviewed && entry.org_code == scope.home
}
