//! Lab reports as documents (R3.7.2, D-S8): composed from what was registered, stamped like files that were fetched.
//!
//! A composition is kept with the hash of all that it says and how, so that it is made again when the report, its lines, the
//! policy of the code or the layout has changed, and only then. It is made when somebody asks for it, or after each
//! registration where the configuration says so.

use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::stamp_rules::ReportClass;
use crate::archive::{Archive, Error};
use crate::documents::lab_sheet::{self, ComposeError, Composed, LAYOUT_VERSION, LabRow, LabSheet};
use crate::documents::stamp::stamp_pdf;
use crate::domain::Actor;
use crate::domain::lab_report::{LabField, LabItem, LabItemField, LabReport};
use crate::domain::lab_result;
use crate::domain::record::Participant;
use crate::index::audit::{self, AuditRecord};
use crate::index::lab_documents::{self, LabDocument};
use crate::index::lab_reports::FoundLab;
use crate::index::purged_objects;
use crate::index::qr_links::LinkedReport;
use crate::index::report_changes::{self, Subject};
use crate::index::report_files::{ReportFile, StampState, StampedCopy};
use crate::objects::Kind;

/// Most reports of one visit on common pages.
pub(in crate::archive) const MOST_OF_A_VISIT: u32 = 200;

impl Archive {
    /// The document of a lab report, composed now unless that has been done since it last changed; `None` when the report is
    /// withdrawn or gone. Whether somebody may see it is decided by the caller.
    pub async fn lab_document(&self, lab_report_pk: i64) -> Result<Option<LabDocument>, Error> {
        // Of the time before it was read: what changes from now on is newer than the document.
        let composed_at = self.clock.now_ms();
        let Some(found) = lab_documents::report(&self.index, lab_report_pk).await? else { return Ok(None) };
        let class = class_of(&found.report);
        let document = self.document_of(std::slice::from_ref(&found));
        let said = format!("{LAYOUT_VERSION} {} {document:?}", self.stamp.digest(&class));
        let content_hash = hex::encode(Sha256::digest(said));
        let known = lab_documents::get(&self.index, lab_report_pk).await?;
        if let Some(known) = known.filter(|known| known.content_hash == content_hash) {
            return Ok(Some(known));
        }
        let is_stamped = self.stamp.stamps(&class);
        let composed = self.composed(document, &class, lab_report_pk).await?;
        let hash = hex::encode(Sha256::digest(&composed.bytes));
        let place = self.objects.put(Kind::LabDocument, Bytes::from(composed.bytes)).await?;
        let mut document = LabDocument {
            id: self.ids.next(),
            lab_report_pk,
            revision: 0,
            content_hash,
            place,
            hash,
            page_count: i64::try_from(composed.page_count).unwrap_or(i64::MAX),
            stamped: is_stamped,
            composed_at,
        };
        let (audit_id, change_id, org_code) = (self.ids.next(), self.ids.next(), class.org_code);
        let written = self.index.write(move |tx| {
            Box::pin(async move {
                if let Some(former) = lab_documents::put(tx, &mut document).await? {
                    purged_objects::add(tx, document.composed_at, &former.place).await?;
                }
                let subject = (Subject::Lab, lab_report_pk);
                report_changes::file_stored(tx, change_id, document.composed_at, &org_code, subject).await?;
                let entry = AuditRecord {
                    action: "compose_lab_report",
                    actor: Actor::system("compose_lab_report"),
                    org_code,
                    target: format!("lab:{lab_report_pk}"),
                    outcome: "ok",
                    detail: json!({ "revision": document.revision, "pages": document.page_count }),
                };
                audit::record(tx, audit_id, document.composed_at, &entry).await?;
                Ok::<_, Error>(document)
            })
        });
        let document = written.await?;
        self.forget_purged().await?;
        Ok(Some(document))
    }

    /// Composes and stamps; the code leads to the lab report of this row.
    async fn composed(
        &self,
        document: lab_sheet::LabDocument,
        class: &ReportClass,
        lab_report_pk: i64,
    ) -> Result<Composed, Error> {
        let policy = match self.stamp.stamps(class) {
            true => self.stamp.policy(class, &self.keep_qr_link(LinkedReport::Lab(lab_report_pk)).await?),
            false => None,
        };
        let (reserved, limits) = (self.stamp.reserved(class), self.documents.config().clone());
        let work = move || -> Result<Composed, Error> {
            let composed = lab_sheet::compose(&document, reserved, limits.max_pages).map_err(uncomposed)?;
            let Some(policy) = policy else { return Ok(composed) };
            let stamped = stamp_pdf(&composed.bytes, &policy, &limits);
            let stamped = stamped.map_err(|refusal| Error::Invalid(refusal.to_string()))?;
            Ok(Composed { bytes: stamped.bytes, page_count: stamped.page_count })
        };
        self.documents.run(work).await?
    }

    /// Lab reports of one visit, merged and flowed onto common A4 pages (D-S8), with the code of the first of them (D-I10). The
    /// caller has checked that each of them may be seen; withdrawn ones are left out.
    pub async fn visit_document(&self, lab_report_pks: &[i64]) -> Result<Bytes, Error> {
        let (mut found, mut first) = (Vec::new(), None);
        for pk in lab_report_pks.iter().take(MOST_OF_A_VISIT as usize) {
            if let Some(report) = lab_documents::report(&self.index, *pk).await? {
                first.get_or_insert((*pk, class_of(&report.report)));
                found.push(report);
            }
        }
        let Some((lab_report_pk, class)) = first else { return Err(Error::NotFound) };
        let composed = self.composed(self.document_of(&found), &class, lab_report_pk).await?;
        Ok(Bytes::from(composed.bytes))
    }

    fn document_of(&self, found: &[FoundLab]) -> lab_sheet::LabDocument {
        let Some(first) = found.first() else { return lab_sheet::LabDocument::default() };
        let code = first.report.text(LabField::OrgCode);
        lab_sheet::LabDocument {
            organization: self.organization_name(code),
            patient: patient(&first.report),
            reports: found.iter().map(|lab| sheet(&lab.report, &lab.items)).collect(),
        }
    }
}

/// The document as pages show report files.
pub(in crate::archive) fn as_report_file(document: LabDocument) -> ReportFile {
    let stamped = document.stamped.then(|| StampedCopy { place: document.place.clone(), hash: document.hash.clone() });
    ReportFile {
        id: document.id,
        exam_report_pk: document.lab_report_pk,
        revision: document.revision,
        source: String::new(),
        media_type: "application/pdf".to_owned(),
        original: document.place,
        original_hash: document.hash,
        stamp_state: if document.stamped { StampState::Stamped } else { StampState::NotApplicable },
        stamp_reason: String::new(),
        stamped,
        page_count: Some(document.page_count),
        fetched_at: document.composed_at,
    }
}

fn uncomposed(error: ComposeError) -> Error {
    match error {
        ComposeError::TooLarge => Error::TooLarge { what: "the lab report", limit: "documents.max_pages".to_owned() },
        ComposeError::Nothing => Error::NotFound,
        ComposeError::Unwritten(_) => Error::Invalid(error.to_string()),
    }
}

/// What rules of `[qr]` look at.
fn class_of(report: &LabReport) -> ReportClass {
    let words = [LabField::ClassCode, LabField::ClassName].map(|field| report.text(field).to_owned());
    let words = words.into_iter().filter(|word| !word.is_empty());
    ReportClass {
        org_code: report.text(LabField::OrgCode).to_owned(),
        classes: std::iter::once("lab".to_owned()).chain(words).collect(),
    }
}

fn first_of<const N: usize>(report: &LabReport, fields: [LabField; N]) -> String {
    fields.into_iter().find_map(|field| report.get(field)).unwrap_or_default().trim().to_owned()
}

fn to_the_minute(report: &LabReport, field: LabField) -> String {
    let text = report.text(field).trim();
    text.get(..16).filter(|_| text.is_char_boundary(16)).unwrap_or(text).to_owned()
}

fn patient(report: &LabReport) -> Vec<(&'static str, String)> {
    let sex = match report.text(LabField::SexCode).trim() {
        "1" | "M" => "男".to_owned(),
        "2" | "F" => "女".to_owned(),
        _ => String::new(),
    };
    let sex = report.get(LabField::SexName).map_or(sex, str::to_owned);
    vec![
        ("姓名", first_of(report, [LabField::Name])),
        ("性别", sex),
        ("病人ID", first_of(report, [LabField::PatientId])),
        ("就诊号", first_of(report, [LabField::EventNo])),
        ("申请科室", first_of(report, [LabField::ParticipantDept])),
        ("卡号", first_of(report, [LabField::CardNo])),
    ]
}

fn sheet(report: &LabReport, items: &[LabItem]) -> LabSheet {
    let instrument = first_of(report, [LabField::PlayingDevice]);
    let participant = Participant::of(report.text(LabField::ParticipantName), report.text(LabField::ParticipantId));
    LabSheet {
        title: first_of(report, [LabField::ReportTitle, LabField::ClassLocalName, LabField::ClassName]),
        report_form_no: report.text(LabField::ReportFormNo).trim().to_owned(),
        facts: vec![
            ("标本", first_of(report, [LabField::SpecimenDeterminerName, LabField::SpecimenClassCode])),
            ("标本号", first_of(report, [LabField::SpecimenId])),
            ("申请单号", first_of(report, [LabField::ApplyFormNo])),
            ("申请医生", participant.name.to_owned()),
            ("申请时间", to_the_minute(report, LabField::ParticipantDateTime)),
            ("执行科室", first_of(report, [LabField::PerformerDeptName])),
            ("标本情况", first_of(report, [LabField::SpecimenQuantityDescr])),
            ("标本拒收", first_of(report, [LabField::SpecimenRejectReasonDescr, LabField::SpecimenRejectReason])),
        ],
        rows: items.iter().map(|item| row(item, &instrument)).collect(),
        signatures: vec![
            ("检验者", first_of(report, [LabField::PerformerDoctor, LabField::AuthorName])),
            ("报告者", first_of(report, [LabField::AuthorName])),
            ("审核者", first_of(report, [LabField::AuthenticatorName])),
            ("检验时间", to_the_minute(report, LabField::PerformerDateTime)),
            ("报告时间", to_the_minute(report, LabField::AuthorDateTime)),
            ("审核时间", to_the_minute(report, LabField::AuthenticatorDateTime)),
        ],
    }
}

fn row(item: &LabItem, instrument: &str) -> LabRow {
    let text = |field: LabItemField| item.text(field).trim().to_owned();
    let [low, high, notes] =
        [LabItemField::NormLowerLimit, LabItemField::NormUpperLimit, LabItemField::NormValueNotes].map(text);
    let [value, word, said] =
        [LabItemField::ResultValue, LabItemField::ResultInterpre, LabItemField::ResultInterpreDescr].map(text);
    let names = [LabItemField::ClassLocalName, LabItemField::ClassName, LabItemField::ClassCode].map(text);
    LabRow {
        number: text(LabItemField::SerialNo),
        name: names.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
        flag: lab_result::flag(&value, &low, &high, [&word, &said]).to_owned(),
        value,
        unit: text(LabItemField::ResultUnit),
        reference: lab_result::reference(&low, &high, &notes),
        method: text(LabItemField::ExamineWay),
        instrument: instrument.to_owned(),
    }
}
