//! What a report says about its patient and visit is kept beside the report, in its transaction (D-R29).
//!
//! A report that contradicts what is known of the patient's number — sex, birth date, identity number — opens a
//! conflict: one number may have been given to two people, so nobody is found by it in other organisations until a
//! person has looked.

use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::exam_report::{ExamField, ExamReport};
use crate::domain::lab_report::{LabField, LabReport};
use crate::domain::patient::PatientFacts;
use crate::domain::record::{Field, Record};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::patients::{self, FillKind};
use crate::index::{self, Ids, Tx};

pub(in crate::archive) use crate::index::patients::{KnownPatient, Said};

impl Said {
    /// What an exam report says, and said before it was replaced.
    pub(in crate::archive) fn by_exam(report: &ExamReport, former: Option<&ExamReport>, withdrawn: bool) -> Self {
        use ExamField as F;
        let visit = [F::OrgCode, F::PatientId, F::EventType, F::EventNo, F::LastUpdateDateTime];
        let facts = [Some(F::Name), Some(F::SexCode), Some(F::BirthDate), Some(F::IdNo), Some(F::CardNo)];
        Self::by(report, former, withdrawn, visit, facts)
    }

    /// What the head of a lab report says, and said before it was replaced.
    pub(in crate::archive) fn by_lab(report: &LabReport, former: Option<&LabReport>, withdrawn: bool) -> Self {
        use LabField as F;
        let visit = [F::OrgCode, F::PatientId, F::EventType, F::EventNo, F::LastUpdateDateTime];
        let facts = [Some(F::Name), Some(F::SexCode), None, Some(F::IdNo), Some(F::CardNo)];
        Self::by(report, former, withdrawn, visit, facts)
    }

    /// A withdrawn report names its patient, and says nothing of it.
    fn by<F: Field>(
        report: &Record<F>,
        former: Option<&Record<F>>,
        withdrawn: bool,
        visit: [F; 5],
        facts: [Option<F>; 5],
    ) -> Self {
        let facts_of = |report: &Record<F>| {
            let [name, sex_code, birth_date, id_no, card_no] = facts.map(|f| f.map_or("", |f| report.text(f)));
            PatientFacts::of(name, sex_code, birth_date, id_no, card_no)
        };
        let [org_code, patient_id, event_type, event_no, stamp] = visit.map(|f| report.text(f).to_owned());
        Self {
            org_code,
            patient_id,
            visit: [event_type, event_no],
            facts: if withdrawn { PatientFacts::default() } else { facts_of(report) },
            former: former.map(facts_of).unwrap_or_default(),
            stamp,
        }
    }
}

/// Makes or enriches the patient and the visit of the report `pk`; `known` is the patient's row as it is now.
pub(in crate::archive) async fn absorb(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    said: &Said,
    known: Option<KnownPatient>,
    kind: FillKind,
    pk: i64,
) -> Result<(), index::Error> {
    let absorbed = patients::absorb(tx, ids, now, said, known).await?;
    if absorbed.contradictions.is_empty() {
        return Ok(());
    }
    let detail = json!({ "fields": absorbed.contradictions, "report": format!("{}:{pk}", kind.as_str()) });
    let subject = format!("patient:{}", absorbed.id);
    conflicts::open(tx, ids, now, ConflictKind::Patient, &said.org_code, &subject, &detail).await
}

impl Archive {
    /// Whether there are reports or patients of images that have no rows of patients yet.
    pub(super) async fn has_unfilled_patients(&self) -> Result<bool, Error> {
        Ok(patients::unfilled(&self.index).await?.is_some() || patients::has_unrecorded_images(&self.index).await?)
    }

    /// Makes patients and visits of at most `limit` reports that were registered before there were such rows, or rows
    /// of as many patients of images; `false` when nothing was left.
    pub(super) async fn fill_patients(&self, limit: usize) -> Result<bool, Error> {
        let (ids, now, limit) = (self.ids.clone(), self.clock.now_ms(), i64::try_from(limit).unwrap_or(i64::MAX));
        let Some(kind) = patients::unfilled(&self.index).await? else {
            let recorded = self
                .index
                .write(move |tx| Box::pin(async move { patients::record_images(tx, &ids, now, limit).await }));
            return Ok(recorded.await? > 0);
        };
        let filled = self.index.write(move |tx| {
            Box::pin(async move {
                for (pk, said) in patients::next_unfilled(tx, kind, limit).await? {
                    let known = patients::known(tx, &said).await?;
                    absorb(tx, &ids, now, &said, known, kind, pk).await?;
                }
                Ok::<_, index::Error>(true)
            })
        });
        Ok(filled.await?)
    }
}
