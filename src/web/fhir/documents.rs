//! Files as DocumentReferences: the report's own, and the attachments of its exam (D-I14).

use serde_json::{Value, json};

use super::resources::{Filled, category, concept, display, meta, report_identifier, subject, text, title};
use crate::archive::reports::pull_attachment::Attachment;
use crate::archive::reports::pull_reports::{Content, KeptReport};
use crate::web::api::instant;

/// What an attachment is: `request_form`, `consent` and so on.
const ATTACHMENT_KIND: &str = "urn:x-yingku:attachment-kind";

/// DocumentReference of a report's file; an exam report without a file has none, a lab report is composed to one when it is read.
fn document_reference(report: &KeptReport, root: &str) -> Option<Value> {
    let attachment = presented_form(report, root)?;
    let mut resource = Filled::new("DocumentReference", &report.observation_uid);
    let related = json!({ "reference": format!("DiagnosticReport/{}", report.observation_uid) });
    resource
        .put("meta", meta(report, ""))
        .put("identifier", report_identifier(report))
        .put("status", "current")
        .put("type", concept("", title(report)))
        .put("category", category(report))
        .put("subject", subject(report))
        .put("date", instant(report.file.as_ref().map_or(report.updated_at, |file| file.fetched_at)))
        .put("author", display(text(report, "author_name")))
        .put("content", vec![json!({ "attachment": attachment })])
        .put("context", json!({ "related": [related] }));
    Some(resource.value())
}

/// All DocumentReferences of a report: its file's and its attachments'.
pub(super) fn document_references(report: &KeptReport, root: &str) -> Vec<Value> {
    let attached = report.attachments.iter().map(|attached| attached_document(report, attached, root));
    document_reference(report, root).into_iter().chain(attached).collect()
}

/// The id of an attachment's DocumentReference and Binary is the report's, a dot, and the attachment's own; `None` for that of
/// a report's file.
pub(super) fn attached_parts(id: &str) -> Option<(&str, i64)> {
    let (report_id, pk) = id.split_once('.')?;
    Some((report_id, pk.parse().ok()?))
}

fn attached_document(report: &KeptReport, attached: &Attachment, root: &str) -> Value {
    let id = format!("{}.{}", report.observation_uid, attached.pk);
    let (kind, came) = (attached.kind, instant(attached.received_at));
    let coding = json!({ "system": ATTACHMENT_KIND, "code": kind.as_str(), "display": kind.label() });
    let title = if attached.title.is_empty() { kind.label() } else { &attached.title };
    let mut content = Filled::part();
    content
        .put("contentType", attached.media_type.as_str())
        .put("url", format!("{root}/fhir/Binary/{id}"))
        // FHIR counts in 31 bits.
        .put("size", i32::try_from(attached.place.length).ok())
        .put("title", title)
        .put("creation", came.clone());
    let related = json!({ "reference": format!("DiagnosticReport/{}", report.observation_uid) });
    let mut resource = Filled::new("DocumentReference", id);
    resource
        .put("meta", meta(report, ""))
        .put("status", "current")
        .put("type", json!({ "coding": [coding], "text": kind.label() }))
        .put("category", category(report))
        .put("subject", subject(report))
        .put("date", came)
        .put("content", vec![json!({ "attachment": content.value() })])
        .put("context", json!({ "related": [related] }));
    resource.value()
}

/// The file of a report.
pub(super) fn presented_form(report: &KeptReport, root: &str) -> Option<Value> {
    let file = report.file.as_ref();
    let is_there = file.is_some() || matches!(report.content, Content::Lab(..));
    let media_type = file.filter(|file| !file.stamped).map_or("application/pdf", |file| file.media_type.as_str());
    let mut attachment = Filled::part();
    attachment
        .put("contentType", media_type)
        .put("url", format!("{root}/fhir/Binary/{}", is_there.then_some(&report.observation_uid)?))
        .put("title", title(report))
        .put("creation", file.map(|file| instant(file.fetched_at)));
    Some(attachment.value())
}
