//! Report records as tables of fields: one row for each field, one [`Record`] for each report.
//!
//! The registration interface names its fields (`Last_Update_DTime`, `PACS_ID`, …) and those names are used everywhere:
//! on the wire as given, in the database in lower case, in query answers in upper case. Spelling is kept, also where it
//! is odd (`Result_Interpre`, D-R30). A record holds text only; what a text means is decided where it is registered.

use std::fmt;
use std::marker::PhantomData;

use uuid::Uuid;

/// What the text of a field must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A date; its time, if any, is without meaning.
    Date,
    /// A date and a time.
    DateTime,
    /// A whole number of at most that many digits.
    Number(usize),
    /// Text of at most that many characters; longer text is kept, with a warning (D-R15).
    Text(usize),
}

/// Whether a field may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Part of the key: a record without it is rejected (D-R14).
    Key,
    /// The specification wants it, senders leave it empty all the same (D-R14).
    Required,
    /// May be empty.
    Optional,
}

/// One row of a table of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// The name on the wire, as specified.
    pub wire: &'static str,
    /// The name of the column: the wire name in lower case.
    pub column: &'static str,
    /// The Chinese name, for people.
    pub label: &'static str,
    /// What the text must look like.
    pub kind: FieldKind,
    /// Whether it may be empty.
    pub need: Need,
}

/// The fields of one kind of record.
pub trait Field: Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// All fields in the order of the specification.
    const ALL: &'static [Self];

    /// The field's row in the table.
    fn spec(self) -> &'static FieldSpec;

    /// The field's position in [`Field::ALL`].
    fn index(self) -> usize;

    /// Finds a field by the name that a sender wrote: case, blanks and underscores do not count (D-R6, D-R30).
    fn find(name: &str) -> Option<Self> {
        let exact = Self::ALL.iter().copied().find(|f| f.spec().column.eq_ignore_ascii_case(name));
        exact.or_else(|| {
            let wanted: String = folded(name).collect();
            let wanted = if wanted == "paientid" { "patientid" } else { wanted.as_str() };
            // No text is made for each field: a message may hold a million unknown names.
            Self::ALL.iter().copied().find(|f| folded(f.spec().column).eq(wanted.chars()))
        })
    }
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !c.is_whitespace() && *c != '_').flat_map(char::to_lowercase)
}

/// One report, or one line of a report. Empty text and no text are the same (D-R13).
#[derive(Clone, PartialEq, Eq)]
pub struct Record<F: Field> {
    values: Vec<Option<String>>,
    fields: PhantomData<F>,
}

impl<F: Field> Default for Record<F> {
    fn default() -> Self {
        Self { values: vec![None; F::ALL.len()], fields: PhantomData }
    }
}

/// Values are patient data: only the names of filled fields are shown.
impl<F: Field> fmt::Debug for Record<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.filled().map(|(field, _)| field)).finish()
    }
}

impl<F: Field> Record<F> {
    /// The field's text; `None` when empty.
    pub fn get(&self, field: F) -> Option<&str> {
        self.values[field.index()].as_deref()
    }

    /// The field's text, `""` when empty.
    pub fn text(&self, field: F) -> &str {
        self.get(field).unwrap_or_default()
    }

    /// Sets the field; blank text empties it (D-R13).
    pub fn set(&mut self, field: F, value: impl Into<String>) {
        let value = value.into();
        self.values[field.index()] = (!value.trim().is_empty()).then_some(value);
    }

    /// Sets or empties the field.
    pub fn put(&mut self, field: F, value: Option<String>) {
        self.values[field.index()] = value.filter(|v| !v.trim().is_empty());
    }

    /// The fields that hold text, in order.
    pub fn filled(&self) -> impl Iterator<Item = (F, &str)> {
        F::ALL.iter().filter_map(|&field| self.get(field).map(|text| (field, text)))
    }
}

/// Whether the sender has withdrawn a record with this Data_Status (D-R18): the same for what comes, what is kept, and what
/// an earlier version said.
pub fn is_withdrawn(data_status: Option<&str>) -> bool {
    data_status == Some("0")
}

/// The UUIDv5 by which pages name a record: the same for the same parts for ever, so links survive re-registration (D-P20).
pub fn observation_uid(kind: &str, parts: &[&str]) -> String {
    const NAMESPACE: Uuid = Uuid::from_u128(0x5b1e_7c04_9d2a_4f63_8a51_0c6e_d3f7_9b28);
    let mut name = kind.to_owned();
    for part in parts {
        name.push('\u{1F}');
        name.push_str(part);
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// The doctor who asked for an examination (D-R26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Participant<'r> {
    /// The name; `""` when it is not known.
    pub name: &'r str,
    /// The staff number; `""` when it is not known.
    pub id: &'r str,
}

impl<'r> Participant<'r> {
    /// Of `Participant_Name` and `Participant_Id`. Some hospitals have no field for the number and write `name/number`: that
    /// is taken apart when the id is empty and what follows the last slash looks like a number. What was registered stays.
    pub fn of(name: &'r str, id: &'r str) -> Self {
        let (name, id) = (name.trim(), id.trim());
        let looks_like_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        match name.rsplit_once('/') {
            Some((words, number)) if id.is_empty() && looks_like_number(number) && !words.trim().is_empty() => {
                Self { name: words.trim(), id: number }
            }
            _ => Self { name, id },
        }
    }
}

/// Declares an enum of fields with its table.
macro_rules! fields {
    (
        $(#[$doc:meta])* $name:ident {
            $($variant:ident $wire:ident $column:ident $kind:ident $(($size:literal))? $need:ident $label:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = $label] $variant,)*
        }

        impl $name {
            const SPECS: &'static [$crate::domain::record::FieldSpec] = &[
                $($crate::domain::record::FieldSpec {
                    wire: stringify!($wire),
                    column: stringify!($column),
                    label: $label,
                    kind: $crate::domain::record::FieldKind::$kind $(($size))?,
                    need: $crate::domain::record::Need::$need,
                },)*
            ];
        }

        impl $crate::domain::record::Field for $name {
            const ALL: &'static [Self] = &[$($name::$variant,)*];

            fn spec(self) -> &'static $crate::domain::record::FieldSpec {
                &Self::SPECS[self.index()]
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

pub(crate) use fields;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exam_report::{ExamField, ExamReport};
    use crate::domain::lab_report::{LabField, LabItemField};

    #[test]
    fn d_r6_d_r30_names_are_found_whatever_their_case_blanks_and_underscores() {
        assert_eq!(ExamField::find("pacs_id"), Some(ExamField::PacsId));
        assert_eq!(ExamField::find("PACSID"), Some(ExamField::PacsId));
        assert_eq!(ExamField::find("ReportFilePath"), Some(ExamField::ReportFilePath));
        assert_eq!(ExamField::find("report_file_path"), Some(ExamField::ReportFilePath));
        assert_eq!(LabField::find("Paient_Id"), Some(LabField::PatientId));
        assert_eq!(LabItemField::find("Examine_Way "), Some(LabItemField::ExamineWay));
        assert_eq!(LabItemField::find("RESULT_INTERPRE"), Some(LabItemField::ResultInterpre));
        assert_eq!(ExamField::find("a"), None);
    }

    #[test]
    fn the_tables_have_as_many_fields_as_the_specification() {
        assert_eq!((ExamField::ALL.len(), LabField::ALL.len(), LabItemField::ALL.len()), (59, 51, 25));
        assert!(ExamField::ALL.iter().all(|f| f.spec().wire.to_lowercase() == f.spec().column));
    }

    #[test]
    fn d_r13_blank_text_is_no_text() {
        let mut report = ExamReport::default();
        report.set(ExamField::CardNo, "  ");
        assert_eq!(report.get(ExamField::CardNo), None);
    }

    #[test]
    fn d_r26_a_staff_number_is_split_from_a_name() {
        for (name, id, expected) in [
            ("测试医生/D0017", "", ("测试医生", "D0017")),
            ("测试医生/内科/D0017 ", " ", ("测试医生/内科", "D0017")),
            ("测试医生/D0017", "D0018", ("测试医生/D0017", "D0018")),
            ("测试医生/内科", "", ("测试医生/内科", "")),
            ("/D0017", "", ("/D0017", "")),
            ("测试医生", "D0018", ("测试医生", "D0018")),
            ("", "", ("", "")),
        ] {
            let participant = Participant::of(name, id);
            assert_eq!((participant.name, participant.id), expected, "{name} {id}");
        }
    }

    #[test]
    fn d_p20_an_observation_uid_depends_on_its_parts_alone() {
        let one = observation_uid("exam", &["ORG-T01", "EX0001"]);
        assert_eq!(one, observation_uid("exam", &["ORG-T01", "EX0001"]));
        assert_ne!(one, observation_uid("exam", &["ORG-T01E", "X0001"]));
        assert_ne!(one, observation_uid("lab", &["ORG-T01", "EX0001"]));
    }
}
