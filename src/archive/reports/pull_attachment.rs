//! Attachments of exams for systems that pull: seen with the report to which they belong, and recorded one by one (D-I14).

use serde_json::json;

use super::pull_reports::ReportReader;
use crate::archive::{Archive, Error};

pub use crate::index::attachments::Attachment;

impl Archive {
    /// An attachment of a report; [`Archive::attachment_bytes`] gives its bytes. `None` when the report is withdrawn.
    pub async fn pull_attachment(
        &self,
        reader: &ReportReader,
        observation_uid: &str,
        attachment_pk: i64,
    ) -> Result<Option<Attachment>, Error> {
        let report = self.known_report(reader, observation_uid).await?;
        if report.withdrawn {
            return Ok(None);
        }
        let found = report.attachments.into_iter().find(|attachment| attachment.pk == attachment_pk);
        let attachment = found.ok_or(Error::NotFound)?;
        let detail = json!({ "organization": report.org_code, "kind": attachment.kind.as_str() });
        self.note_pull(reader, "pull_attachment", format!("attachment:{attachment_pk}"), detail).await?;
        Ok(Some(attachment))
    }
}
