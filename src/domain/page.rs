//! The four signed pages and the parameters that they know (source 002 §5.1.6, tables E.1 to E.4).
//!
//! Names are matched without regard to case (D-P4) and folded to one word where the tables disagree (D-P1, D-P2).
//! What is not in a page's table is unknown there and never used (D-T5).

use Parameter::*;

/// One of the four pages that a customer may open with a signed link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Page {
    /// 检查查询: condition form and list.
    ClinicExamView,
    /// 检查列表: list only.
    ClinicExamList,
    /// 相关检查: everything of the patients whose exams match.
    RelatedExamList,
    /// 检查浏览: one exam.
    ClinicExam,
}

macro_rules! parameters {
    ($($(#[$doc:meta])* $variant:ident = $($name:literal)|+,)*) => {
        /// A parameter of the signed pages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Parameter {
            $($(#[$doc])* $variant,)*
        }

        impl Parameter {
            /// Reads a name without regard to case; aliases fold to one parameter.
            pub fn parse(name: &str) -> Option<Self> {
                $($(if name.eq_ignore_ascii_case($name) {
                    return Some(Parameter::$variant);
                })+)*
                None
            }

            /// The name as the tables write it (the first one, where they disagree).
            pub fn name(self) -> &'static str {
                match self {
                    $(Parameter::$variant => parameters!(@first $($name)|+),)*
                }
            }
        }
    };
    (@first $first:literal $(| $rest:literal)*) => { $first };
}

parameters! {
    /// The customer's GUID, issued by the archive.
    CustomerGuid = "CustomerGuid" | "UserUID",
    /// The user's id in the calling system.
    UserId = "UserID",
    /// The user's name; display only.
    UserName = "UserName" | "UserPwd",
    /// The user's organisation.
    UserOrganizationId = "UserOrganizationID",
    /// Its name; display only.
    UserOrganizationName = "UserOrganizationName",
    /// 病历号.
    MedRecNo = "MedRecNO",
    /// 身份证号.
    IdCardNo = "IDCardNO",
    /// 健康卡号.
    HealthCardNo = "HealthCardNO",
    /// 医保号.
    InsuranceId = "InsuranceID",
    /// 卡号.
    CardNo = "CardNO",
    /// Patient's name.
    Name = "Name",
    /// Patient's sex.
    Sex = "Sex",
    /// First birth date.
    BirthDateStart = "BirthDateStart",
    /// Last birth date.
    BirthDateEnd = "BirthDateEnd",
    /// Number of one visit.
    VisitId = "VisitID",
    /// 门诊号.
    OutPatientNo = "OutPatientNO",
    /// 住院号.
    InPatientNo = "InPatientNO",
    /// 申请号.
    PlacerOrderNo = "PlacerOrderNO",
    /// System that gave the request number.
    PlacerAssigningAuthority = "PlacerAssigningAuthority",
    /// 检查唯一号.
    FillerOrderNo = "FillerOrderNO",
    /// System that gave the exam number.
    FillerAssigningAuthority = "FillerAssigningAuthority",
    /// 检查访问号.
    AccessionNumber = "AccessionNumber",
    /// 检查类型.
    ServiceSectId = "ServiceSectID",
    /// 病人号.
    PatientId = "PatientID",
    /// System that gave the patient number.
    PidAssigningAuthority = "PIDAssigningAuthority",
    /// 申请科室.
    RequestDeptName = "RequestDeptName",
    /// 检查机构.
    OrganizationId = "OrganizationID",
    /// Master patient index number.
    PatientMasterId = "PatientMasterID",
    /// Registered from.
    RegTimeStart = "RegTimeStart",
    /// Registered until.
    RegTimeEnd = "RegTimeEnd",
    /// Examined from.
    ObservationDateStart = "ObservationDateStart",
    /// Examined until.
    ObservationDateEnd = "ObservationDateEnd",
    /// The exam's id in the archive.
    ObservationUid = "ObservationUID",
    /// What to show first.
    ShowType = "ShowType",
    /// Whether to show a close button.
    ShowClose = "ShowClose",
    /// When the link was made.
    Timestamp = "Timestamp",
    /// Language of the pages, `zh` or `en`; an addition of ours.
    Language = "lang",
    /// The signature by MD5.
    Token = "token",
    /// The signature by HMAC-SHA-256; an addition of ours (D-T11).
    Sign = "sign",
}

/// Known on every page, in any table or not (D-P1, D-P2, D-T8, D-T10, D-T11).
const EVERYWHERE: &[Parameter] =
    &[CustomerGuid, UserId, UserName, UserOrganizationId, UserOrganizationName, Timestamp, Language, Token, Sign];

const CLINIC_EXAM_VIEW: &[Parameter] = &[
    CustomerGuid,
    UserId,
    UserName,
    UserOrganizationId,
    UserOrganizationName,
    MedRecNo,
    IdCardNo,
    HealthCardNo,
    InsuranceId,
    AccessionNumber,
    ServiceSectId,
    Timestamp,
];

const CLINIC_EXAM_LIST: &[Parameter] = &[
    CustomerGuid,
    UserId,
    UserName,
    UserOrganizationId,
    UserOrganizationName,
    IdCardNo,
    HealthCardNo,
    InsuranceId,
    CardNo,
    Name,
    Sex,
    BirthDateStart,
    BirthDateEnd,
    VisitId,
    MedRecNo,
    OutPatientNo,
    InPatientNo,
    PlacerOrderNo,
    PlacerAssigningAuthority,
    FillerOrderNo,
    FillerAssigningAuthority,
    AccessionNumber,
    ServiceSectId,
    PatientId,
    PidAssigningAuthority,
    RequestDeptName,
    OrganizationId,
    PatientMasterId,
    RegTimeStart,
    RegTimeEnd,
    ObservationDateStart,
    ObservationDateEnd,
    Timestamp,
];

const RELATED_EXAM_LIST: &[Parameter] = &[
    CustomerGuid,
    UserId,
    UserName,
    UserOrganizationId,
    UserOrganizationName,
    IdCardNo,
    HealthCardNo,
    InsuranceId,
    CardNo,
    VisitId,
    MedRecNo,
    OutPatientNo,
    InPatientNo,
    PlacerOrderNo,
    PlacerAssigningAuthority,
    FillerOrderNo,
    FillerAssigningAuthority,
    AccessionNumber,
    ServiceSectId,
    PatientId,
    PidAssigningAuthority,
    PatientMasterId,
    OrganizationId,
    RegTimeStart,
    RegTimeEnd,
    ObservationDateStart,
    ObservationDateEnd,
    Timestamp,
];

const CLINIC_EXAM: &[Parameter] = &[
    CustomerGuid,
    UserId,
    UserName,
    UserOrganizationId,
    UserOrganizationName,
    ObservationUid,
    PlacerOrderNo,
    PlacerAssigningAuthority,
    FillerOrderNo,
    FillerAssigningAuthority,
    AccessionNumber,
    ServiceSectId,
    PatientId,
    PidAssigningAuthority,
    OrganizationId,
    ShowType,
    ShowClose,
    Timestamp,
];

impl Page {
    /// All four.
    pub const ALL: [Page; 4] = [Page::ClinicExamView, Page::ClinicExamList, Page::RelatedExamList, Page::ClinicExam];

    /// Reads the last part of a path: any case, with or without `.aspx` and a trailing slash (D-P4).
    pub fn parse(segment: &str) -> Option<Self> {
        let segment = segment.trim_matches('/');
        let stem = match segment.len().checked_sub(5) {
            Some(at) if segment.is_char_boundary(at) && segment[at..].eq_ignore_ascii_case(".aspx") => &segment[..at],
            _ => segment,
        };
        Page::ALL.into_iter().find(|page| page.name().eq_ignore_ascii_case(stem))
    }

    /// The page's name in its address.
    pub fn name(self) -> &'static str {
        match self {
            Page::ClinicExamView => "ClinicExamView",
            Page::ClinicExamList => "ClinicExamList",
            Page::RelatedExamList => "RelatedExamList",
            Page::ClinicExam => "ClinicExam",
        }
    }

    /// The page's parameters in the order of its table, without the token.
    pub fn table(self) -> &'static [Parameter] {
        match self {
            Page::ClinicExamView => CLINIC_EXAM_VIEW,
            Page::ClinicExamList => CLINIC_EXAM_LIST,
            Page::RelatedExamList => RELATED_EXAM_LIST,
            Page::ClinicExam => CLINIC_EXAM,
        }
    }

    /// Whether the page does anything with the parameter.
    pub fn knows(self, parameter: Parameter) -> bool {
        EVERYWHERE.contains(&parameter) || self.table().contains(&parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_names_are_read_in_any_case_with_suffix_and_slash() {
        assert_eq!(Page::parse("clinicexamview"), Some(Page::ClinicExamView));
        assert_eq!(Page::parse("ClinicExam.ASPX/"), Some(Page::ClinicExam));
        assert_eq!(Page::parse("ClinicExams"), None);
        assert_eq!(Page::parse("检.aspx"), None);
    }

    #[test]
    fn names_that_the_tables_disagree_on_are_one_parameter() {
        assert_eq!(Parameter::parse("useruid"), Some(Parameter::CustomerGuid));
        assert_eq!(Parameter::parse("UserPwd"), Some(Parameter::UserName));
        assert_eq!(Parameter::parse("a"), None);
    }
}
