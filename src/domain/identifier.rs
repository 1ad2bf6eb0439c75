//! The numbers by which a patient is known: each of a kind, within a domain (RD-25).
//!
//! The domain of an identity number is the country, that of every other number the organisation that gave it; a number
//! without its domain may be somebody else's too.

/// What kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifierKind {
    /// 公民身份号码.
    IdNo,
    /// A health, insurance or visit card; registrations do not say which.
    CardNo,
    /// The organisation's number of the patient in reports (Patient_Id).
    PatientId,
    /// The number in images, (0010,0020).
    ImagePatientId,
    /// 门诊号.
    OutpatientNo,
    /// 急诊号.
    EmergencyNo,
    /// 住院号.
    InpatientNo,
    /// 体检号.
    ExamCentreNo,
    /// The number of a visit of another or no kind.
    VisitNo,
}

impl IdentifierKind {
    /// All of them.
    pub const ALL: [IdentifierKind; 9] = [
        IdentifierKind::IdNo,
        IdentifierKind::CardNo,
        IdentifierKind::PatientId,
        IdentifierKind::ImagePatientId,
        IdentifierKind::OutpatientNo,
        IdentifierKind::EmergencyNo,
        IdentifierKind::InpatientNo,
        IdentifierKind::ExamCentreNo,
        IdentifierKind::VisitNo,
    ];

    /// Its name in commands and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            IdentifierKind::IdNo => "id_no",
            IdentifierKind::CardNo => "card_no",
            IdentifierKind::PatientId => "patient_id",
            IdentifierKind::ImagePatientId => "image_patient_id",
            IdentifierKind::OutpatientNo => "outpatient_no",
            IdentifierKind::EmergencyNo => "emergency_no",
            IdentifierKind::InpatientNo => "inpatient_no",
            IdentifierKind::ExamCentreNo => "exam_centre_no",
            IdentifierKind::VisitNo => "visit_no",
        }
    }

    /// Reads its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The kind of the number of a visit, by STD_EVENT_TYPE.
    pub fn of_event(event_type: &str) -> Self {
        match event_type {
            "1" => IdentifierKind::OutpatientNo,
            "2" => IdentifierKind::InpatientNo,
            "3" => IdentifierKind::EmergencyNo,
            "4" => IdentifierKind::ExamCentreNo,
            _ => IdentifierKind::VisitNo,
        }
    }

    /// Whether it is the number of a visit.
    pub fn is_of_visit(self) -> bool {
        !matches!(
            self,
            IdentifierKind::IdNo | IdentifierKind::CardNo | IdentifierKind::PatientId | IdentifierKind::ImagePatientId
        )
    }
}

/// One number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// What kind.
    pub kind: IdentifierKind,
    /// Who gave it: `CN`, a code of an organisation, or the issuer that images name.
    pub domain: String,
    /// The number.
    pub value: String,
}

/// A number that somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of this kind; any when `None`.
    pub kind: Option<IdentifierKind>,
    /// Of this domain; any when empty.
    pub domain: String,
    /// The number.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in IdentifierKind::ALL {
            assert_eq!(IdentifierKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(IdentifierKind::parse("shoe_size"), None);
        assert_eq!(IdentifierKind::of_event("4"), IdentifierKind::ExamCentreNo);
        assert!(IdentifierKind::of_event("").is_of_visit() && !IdentifierKind::CardNo.is_of_visit());
    }
}
