//! Earlier versions of an exam report that somebody looks at (D-R8): for comparison, and recorded like any look.

use serde_json::json;

use super::open_link::Session;
use crate::archive::images::read_image::Viewer;
use crate::archive::{Archive, Error};
use crate::index::exam_pages::{Entry, EntryKind};
use crate::index::report_versions;

pub use crate::index::report_versions::{VersionRow, VersionText};

/// Most versions that are listed, the newest.
const MOST: i64 = 50;

impl Archive {
    /// The versions before the present one that the session may see, the newest first. One that had not been reviewed is for
    /// the own organisation (D-P24), and whoever has a printed code sees the present one only.
    pub async fn report_versions(&self, session: &Session, entry: &Entry) -> Result<Vec<VersionRow>, Error> {
        if entry.kind != EntryKind::Exam || session.scope.visitor {
            return Ok(Vec::new());
        }
        let mut versions = report_versions::list(&self.index, "exam", entry.pk, MOST).await?;
        versions.retain(|version| version.reviewed || sees_unreviewed(session, entry));
        Ok(versions)
    }

    /// The text of an earlier version, when the session may see the exam.
    pub async fn view_report_version(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, version): (&str, i64),
    ) -> Result<VersionText, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        if entry.kind != EntryKind::Exam || session.scope.visitor {
            return Err(Error::NotFound);
        }
        let text = report_versions::text(&self.index, "exam", entry.pk, version).await?.ok_or(Error::NotFound)?;
        if !text.reviewed && !sees_unreviewed(session, &entry) {
            return Err(Error::NotFound);
        }
        let detail = json!({ "organization": entry.org_code, "version": version });
        self.record_view(session, remote_addr, "view_version", format!("exam:{}", entry.pk), detail).await?;
        Ok(text)
    }
}

fn sees_unreviewed(session: &Session, entry: &Entry) -> bool {
    let scope = &session.scope.scope;
    scope.unreviewed && entry.org_code == scope.home
}
