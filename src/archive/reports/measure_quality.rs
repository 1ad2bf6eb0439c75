//! How good the registered data of each organisation is: completeness, validity, timeliness (RD-10, D-R14), as
//! inspections of interoperability ask for it. Figures only, no patient's data; asking is recorded.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::report_codes::{Code, read_kept_notes};
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::date_time::local_text;
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField};
use crate::domain::record::{Field, FieldSpec, Need};
use crate::index::audit::{self, AuditRecord};
use crate::index::quality::{self, Filled, QualityTable};
use crate::index::rejected_records;

pub use crate::index::quality::QualityScope;

/// The data of a span of time, by organisation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// Registered not before, in Asia/Shanghai.
    pub from: String,
    /// Registered before, in Asia/Shanghai.
    pub to: String,
    /// By code of the organisation; the empty code stands for records of organisations that are not ours.
    pub organizations: BTreeMap<String, OrganizationQuality>,
}

/// The data of one organisation.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OrganizationQuality {
    /// Lines of lab reports that wait for their head now (D-R10).
    pub waiting_lines: i64,
    /// Lines kept aside because their head was rejected (D-R9).
    pub aside_lines: i64,
    /// When the oldest of those lines came, in Asia/Shanghai; empty when there are none.
    pub oldest_pending_line: String,
    /// Exam reports whose file takes no QR code, by reason: `encrypted`, `signed`, … (D-I9).
    pub unstamped: BTreeMap<String, i64>,
    /// By kind: `exam`, `lab`, `lab_subitem`.
    pub kinds: BTreeMap<&'static str, KindQuality>,
}

/// The records of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct KindQuality {
    /// Records that are there and not withdrawn.
    pub records: i64,
    /// Records with something noted.
    pub noted_records: i64,
    /// Reports whose number came for another patient or event as well (D-R8).
    pub identity_conflicts: i64,
    /// Each field in the order of the specification.
    pub fields: Vec<FieldQuality>,
    /// Notes about no field in particular, by code.
    pub notes: BTreeMap<String, i64>,
    /// Records that were not accepted, by code and field.
    pub rejected: Vec<Rejections>,
    /// How late they came; absent when none has a time of its own.
    pub timeliness: Option<Timeliness>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldQuality {
    /// The name on the wire.
    pub field: &'static str,
    /// The Chinese name.
    pub label: &'static str,
    /// `key`, `required` or `optional`.
    pub need: &'static str,
    /// Records that have it.
    pub filled: i64,
    /// Records in which it was found wrong, each counted once, whatever is wrong.
    pub invalid: i64,
    /// What was noted, by code.
    pub notes: BTreeMap<String, i64>,
}

/// Records that were not accepted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rejections {
    /// Why.
    pub code: String,
    /// The first field at fault, or empty.
    pub field: String,
    /// How many; a record that was sent again counts again.
    pub records: i64,
}

/// From a report's own time to its registration, in minutes; exact to the minute within a day, to the hour beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timeliness {
    /// Reports that have a time of their own.
    pub reports: i64,
    /// Of those, reports whose time lies after their registration: a clock is wrong.
    pub from_the_future: i64,
    /// Half of the others came within.
    pub p50_minutes: i64,
    /// Nine of ten came within.
    pub p90_minutes: i64,
    /// 99 of 100 came within.
    pub p99_minutes: i64,
    /// All came within.
    pub max_minutes: i64,
}

impl Archive {
    /// Measures the data that was registered in a span of time.
    pub async fn measure_quality(&self, actor: Actor, scope: QualityScope) -> Result<Quality, Error> {
        let mut organizations: BTreeMap<String, OrganizationQuality> = BTreeMap::new();
        for table in [QualityTable::Exam, QualityTable::Lab, QualityTable::LabItem] {
            for filled in quality::filled(&self.index, table, &scope).await? {
                let kind = kind_of(table, &filled);
                organizations.entry(filled.org_code).or_default().kinds.insert(name_of(table), kind);
            }
            for (org_code, notes, records) in quality::noted(&self.index, table, &scope).await? {
                kind_in(&mut organizations, org_code, name_of(table)).add_notes(&notes, records);
            }
            if table == QualityTable::LabItem {
                continue;
            }
            for (org_code, reports) in quality::identity_conflicts(&self.index, table, &scope).await? {
                kind_in(&mut organizations, org_code, name_of(table)).identity_conflicts = reports;
            }
            for (org_code, minutes) in quality::delays(&self.index, table, &scope).await? {
                kind_in(&mut organizations, org_code, name_of(table)).timeliness = Some(timeliness(&minutes));
            }
        }
        for pending in quality::pending_lines(&self.index, scope.organizations.as_deref()).await? {
            let organization = organizations.entry(pending.org_code).or_default();
            organization.waiting_lines = pending.waiting;
            organization.aside_lines = pending.aside;
            organization.oldest_pending_line = local_text(pending.oldest_at);
        }
        for (org_code, reason, reports) in quality::unstamped(&self.index, &scope).await? {
            organizations.entry(org_code).or_default().unstamped.insert(reason, reports);
        }
        let (from, to) = (local_text(scope.from), local_text(scope.to));
        // The end is not part of the span: its day counts only when it has begun by then.
        let [from_day, to_day] =
            [from.clone(), local_text(scope.to - 1)].map(|text| text.chars().take(10).collect::<String>());
        let rejected = rejected_records::between(&self.index, &from_day, &to_day, scope.organizations.as_deref());
        for rejected in rejected.await? {
            let Some(kind) = KINDS.into_iter().find(|kind| *kind == rejected.kind) else { continue };
            let rejections = Rejections { code: rejected.code, field: rejected.field, records: rejected.records };
            kind_in(&mut organizations, rejected.org_code, kind).rejected.push(rejections);
        }
        self.note_measuring(actor, &scope).await?;
        Ok(Quality { from, to, organizations })
    }

    async fn note_measuring(&self, actor: Actor, scope: &QualityScope) -> Result<(), Error> {
        let (id, now) = (self.ids.next(), self.clock.now_ms());
        let record = AuditRecord {
            action: "measure_quality",
            actor,
            org_code: match scope.organizations.as_deref() {
                Some([only]) => only.clone(),
                _ => String::new(),
            },
            target: String::new(),
            outcome: "ok",
            detail: json!({ "from": scope.from, "to": scope.to }),
        };
        Ok(self.index.write(move |tx| Box::pin(async move { audit::record(tx, id, now, &record).await })).await?)
    }
}

const KINDS: [&str; 3] = ["exam", "lab", "lab_subitem"];

fn name_of(table: QualityTable) -> &'static str {
    KINDS[table as usize]
}

fn kind_in<'o>(
    organizations: &'o mut BTreeMap<String, OrganizationQuality>,
    org_code: String,
    kind: &'static str,
) -> &'o mut KindQuality {
    organizations.entry(org_code).or_default().kinds.entry(kind).or_default()
}

fn kind_of(table: QualityTable, filled: &Filled) -> KindQuality {
    let fields = match table {
        QualityTable::Exam => fields_of::<ExamField>(&filled.fields),
        QualityTable::Lab => fields_of::<LabField>(&filled.fields),
        QualityTable::LabItem => fields_of::<LabItemField>(&filled.fields),
    };
    KindQuality { records: filled.records, fields, ..KindQuality::default() }
}

fn fields_of<F: Field>(filled: &[i64]) -> Vec<FieldQuality> {
    let of = |(field, &filled): (&F, &i64)| {
        let FieldSpec { wire, label, need, .. } = *field.spec();
        let need = match need {
            Need::Key => "key",
            Need::Required => "required",
            Need::Optional => "optional",
        };
        FieldQuality { field: wire, label, need, filled, invalid: 0, notes: BTreeMap::new() }
    };
    F::ALL.iter().zip(filled).map(of).collect()
}

impl KindQuality {
    fn add_notes(&mut self, kept: &str, records: i64) {
        self.noted_records += records;
        let mut wrong: Vec<&str> = Vec::new();
        for (code, name) in read_kept_notes(kept) {
            let Some(field) = self.fields.iter_mut().find(|field| field.field == name) else {
                *self.notes.entry(code.to_owned()).or_default() += records;
                continue;
            };
            *field.notes.entry(code.to_owned()).or_default() += records;
            // What is missing is incomplete, not invalid.
            let is_missing = [Code::MissingField, Code::NoStamp, Code::SerialNoMade, Code::MissingStudyUid]
                .iter()
                .any(|missing| missing.as_str() == code);
            if !is_missing && !wrong.contains(&field.field) {
                wrong.push(field.field);
                field.invalid += records;
            }
        }
    }
}

fn timeliness(minutes: &BTreeMap<i64, i64>) -> Timeliness {
    let reports = minutes.values().sum();
    let from_the_future = minutes.range(..0).map(|(_, reports)| reports).sum::<i64>();
    let late: Vec<(i64, i64)> = minutes.range(0..).map(|(at, reports)| (*at, *reports)).collect();
    let in_time = reports - from_the_future;
    let within = |percent: i64| {
        let wanted = (in_time * percent + 99) / 100;
        let mut seen = 0;
        let found = late.iter().find(|(_, reports)| {
            seen += reports;
            seen >= wanted
        });
        found.map_or(0, |(at, _)| *at)
    };
    Timeliness {
        reports,
        from_the_future,
        p50_minutes: within(50),
        p90_minutes: within(90),
        p99_minutes: within(99),
        max_minutes: within(100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_reports_that_came_after_their_time() {
        let delays = (1..=100).map(|minute| (minute, 1)).chain([(-1, 7)]).collect();
        let expected = Timeliness {
            reports: 107,
            from_the_future: 7,
            p50_minutes: 50,
            p90_minutes: 90,
            p99_minutes: 99,
            max_minutes: 100,
        };
        assert_eq!(timeliness(&delays), expected);
        let clocks_wrong = timeliness(&BTreeMap::from([(-1, 3)]));
        assert_eq!((clocks_wrong.from_the_future, clocks_wrong.max_minutes), (3, 0));
    }

    #[test]
    fn d_r14_a_field_is_invalid_once_for_each_record_and_what_is_missing_is_not() {
        let mut kind = KindQuality { fields: fields_of::<ExamField>(&[10; 60]), ..KindQuality::default() };
        kind.add_notes("E1005:Body_Part_Name E1012:Id_No E1014:Id_No E1016", 3);
        let field = |name: &str| kind.fields.iter().find(|field| field.field == name).unwrap();
        assert_eq!((field("Id_No").invalid, field("Id_No").notes["E1014"]), (3, 3));
        assert_eq!((field("Body_Part_Name").invalid, field("Body_Part_Name").notes["E1005"]), (0, 3));
        assert_eq!((kind.notes["E1016"], kind.noted_records), (3, 3));
    }
}
