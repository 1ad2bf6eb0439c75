//! Exam reports (检查报告, `ExamMaster`): what a hospital registers about an examination.
//!
//! The fields and their names are those of the registration interface. The rules that read meaning into them
//! (reviewed, withdrawn, restricted) are D-R18 to D-R24.

use super::record::{Record, fields};

/// One exam report.
pub type ExamReport = Record<ExamField>;

fields! {
    /// The 59 fields of an exam report (检查报告表 `ExamMaster`).
    ExamField {
        LastUpdateDateTime Last_Update_DTime last_update_dtime DateTime Required "最后修改时间",
        OrgCode Org_Code org_code Text(128) Key "机构编码",
        ApplyFormNo Apply_Form_No apply_form_no Text(128) Optional "检查申请单号",
        State State state Text(10) Optional "检查状态",
        ReportFilePath ReportFilePath reportfilepath Text(256) Optional "报告单文件路径",
        ReportFormNo Report_Form_No report_form_no Text(128) Key "检查报告单号",
        PatientId Patient_Id patient_id Text(128) Key "病人ID",
        EventType Event_Type event_type Number(2) Key "事件类型",
        EventNo Event_No event_no Text(128) Key "本地事件号（门诊号或者住院号）",
        PatientLocalId Patient_local_Id patient_local_id Text(128) Optional "内部病人ID",
        PerformerDateTime Performer_DTime performer_dtime DateTime Required "检查的执行时间",
        PacsId PACS_ID pacs_id Text(128) Required "检查号",
        StudyInstanceUid Study_Instance_UID study_instance_uid Text(512) Optional "检查实例UID",
        IdNo Id_No id_no Text(128) Optional "身份证号",
        CardNo Card_No card_no Text(128) Optional "卡号",
        CheckedStatus Checked_Status checked_status Text(1) Optional "是否审核",
        ClassCode Class_Code class_code Text(128) Required "检查分类的标准编码",
        ClassName Class_Name class_name Text(128) Optional "检查分类的标准名称",
        RetrieveDate Retrieve_Date retrieve_date DateTime Required "归档检索日期",
        ExamSiteCode Exam_Site_Code exam_site_code Text(128) Optional "检查部位的标准编码",
        BodyPartName Body_Part_Name body_part_name Text(128) Required "检查部位的标准名称",
        ExamItemCode Exam_Item_Code exam_item_code Text(128) Optional "检查项目的标准编码",
        ExamItemName Exam_Item_Name exam_item_name Text(128) Optional "检查项目的标准名称",
        ReportTitle Report_Title report_title Text(256) Optional "报告的标题",
        EffectiveDateTime Effective_DTime effective_dtime DateTime Optional "文档创建时间",
        Confidentiality Confidentiality confidentiality Text(128) Optional "保密级别",
        Name Name name Text(128) Optional "病人的姓名",
        SexCode Sex_Code sex_code Text(128) Optional "病人性别编码",
        SexName Sex_Name sex_name Text(128) Optional "病人性别",
        BirthDate Birth_Date birth_date Date Optional "病人出生日期",
        AuthorId Author_Id author_id Text(128) Optional "报告者编号",
        AuthorDateTime Author_DTime author_dtime DateTime Optional "报告生成时间",
        AuthorName Author_Name author_name Text(128) Optional "报告者姓名",
        AuthenticatorId Authenticator_Id authenticator_id Text(128) Optional "审核者：编号",
        AuthenticatorDateTime Authenticator_DTime authenticator_dtime DateTime Optional "审核者：审核时间",
        AuthenticatorName Authenticator_Name authenticator_name Text(128) Optional "审核者：姓名",
        ParticipantDept Participant_Dept participant_dept Text(128) Optional "申请科室",
        ParticipantId Participant_Id participant_id Text(128) Optional "申请医生：编号",
        ParticipantDateTime Participant_DTime participant_dtime DateTime Required "申请医生：申请时间",
        ParticipantName Participant_Name participant_name Text(128) Optional "申请医生：姓名",
        OrderId Order_Id order_id Text(128) Optional "对应的医嘱：医嘱号",
        OrderPriority Order_Priority order_priority Text(128) Optional "对应的医嘱：优先级",
        OrderPriorityName Order_Priority_Name order_priority_name Text(128) Optional "对应的医嘱：优先级名称",
        PerformerDeptName Performer_Dept_Name performer_dept_name Text(128) Optional "检查的执行科室",
        PerformerDoctor Performer_Doctor performer_doctor Text(128) Optional "检查的执行医生",
        PlayingDevice Playing_Device playing_device Text(128) Optional "检查设备名称",
        OutpatDiagName Outpat_Diag_Name outpat_diag_name Text(4000) Optional "临床诊断",
        PatientConditionDescr Patient_Condition_Descr patient_condition_descr Text(4000) Optional "病情描述",
        ExamPurpose Exam_Purpose exam_purpose Text(4000) Optional "检查目的",
        ImageDescr Image_Descr image_descr Text(4000) Optional "影像所见",
        IsAbnormal Is_Abnormal is_abnormal Text(128) Optional "是否异常",
        Conclusion Conclusion conclusion Text(4000) Optional "影像结论",
        Recognition Recognition recognition Number(2) Optional "可互认标识",
        CreateTime Create_Time create_time DateTime Optional "创建时间",
        UploadStatus Upload_Status upload_status Number(1) Optional "上传状态",
        SerialDataNo Serial_Data_No serial_data_no Text(128) Optional "数据流水号",
        DataStatus Data_Status data_status Number(1) Optional "数据状态",
        IsCorrect Is_Correct is_correct Number(1) Optional "是否正确",
        XmanType Xman_type xman_type Text(64) Optional "干保标志",
    }
}

/// The fields that together tell one exam report from another (D-R8).
pub const KEY: [ExamField; 5] =
    [ExamField::OrgCode, ExamField::ReportFormNo, ExamField::PatientId, ExamField::EventType, ExamField::EventNo];

/// How far an examination has got (D-R21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExamState {
    /// 0 登记完成
    Registered,
    /// 1 检查完成
    Examined,
    /// 2 书写完成
    Written,
    /// 3 审核完成
    Reviewed,
    /// 4 修订完成
    Revised,
}

impl ExamState {
    /// Every state in the order of its digit.
    pub const ALL: [ExamState; 5] =
        [ExamState::Registered, ExamState::Examined, ExamState::Written, ExamState::Reviewed, ExamState::Revised];

    /// Reads a digit or the Chinese name, with or without 完成.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::ALL.into_iter().find(|state| {
            let label = state.label();
            text == state.digit() || text == label || Some(text) == label.strip_suffix("完成")
        })
    }

    /// The digit on the wire.
    pub fn digit(self) -> &'static str {
        ["0", "1", "2", "3", "4"][self as usize]
    }

    /// The Chinese name.
    pub fn label(self) -> &'static str {
        ["登记完成", "检查完成", "书写完成", "审核完成", "修订完成"][self as usize]
    }
}

/// Whether somebody has reviewed the report (D-R23).
pub fn is_reviewed(report: &ExamReport) -> bool {
    let state = report.get(ExamField::State).and_then(ExamState::parse);
    let checked = report.text(ExamField::CheckedStatus).trim();
    matches!(state, Some(ExamState::Reviewed | ExamState::Revised))
        || ["1", "Y", "T"].iter().any(|yes| checked.eq_ignore_ascii_case(yes))
        || (state.is_none() && report.get(ExamField::AuthenticatorDateTime).is_some())
}

/// Whether nothing at all is said about a review, so that the report counts as final (D-P24).
pub fn says_nothing_of_review(report: &ExamReport) -> bool {
    [ExamField::State, ExamField::CheckedStatus, ExamField::AuthenticatorDateTime]
        .iter()
        .all(|&field| report.get(field).is_none())
}

/// When the report was finished: reviewed, else written, else created.
pub fn reported_at(report: &ExamReport) -> Option<&str> {
    let of = |field| report.get(field);
    of(ExamField::AuthenticatorDateTime).or(of(ExamField::AuthorDateTime)).or(of(ExamField::EffectiveDateTime))
}

/// Whether the patient has the cadre flag (干保, D-R22).
pub fn is_vip(report: &ExamReport) -> bool {
    report.text(ExamField::XmanType).trim() == "1"
}

/// Whether a Confidentiality is one of the words that mean restricted (D-R22).
pub fn means_restricted(confidentiality: &str, words: &[String]) -> bool {
    let confidentiality = confidentiality.trim().to_lowercase();
    words.iter().any(|word| word.to_lowercase() == confidentiality)
}

/// The Study Instance UIDs in one text, and what in it is none (D-R24).
pub fn study_instance_uids(text: &str) -> (Vec<String>, Vec<String>) {
    let mut uids: Vec<String> = Vec::new();
    let mut refused = Vec::new();
    for part in text.split([',', '，', ';', '；', '|', '\\']).flat_map(str::split_whitespace) {
        match super::Uid::parse(part) {
            Ok(uid) if !uids.iter().any(|u| u == uid.as_str()) => uids.push(uid.into()),
            Ok(_) => {}
            Err(_) => refused.push(part.to_owned()),
        }
    }
    (uids, refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(values: &[(ExamField, &str)]) -> ExamReport {
        let mut report = ExamReport::default();
        values.iter().for_each(|(field, value)| report.set(*field, *value));
        report
    }

    #[test]
    fn d_r21_state_is_a_digit_or_its_chinese_name() {
        assert_eq!(ExamState::parse("3"), Some(ExamState::Reviewed));
        assert_eq!(ExamState::parse(" 修订完成 "), Some(ExamState::Revised));
        assert_eq!(ExamState::parse("登记"), Some(ExamState::Registered));
        assert_eq!(ExamState::parse("5"), None);
        assert_eq!(ExamState::parse(""), None);
    }

    #[test]
    fn d_r23_reviewed_follows_state_then_checked_status_then_authenticator() {
        assert!(is_reviewed(&report(&[(ExamField::State, "4")])));
        assert!(is_reviewed(&report(&[(ExamField::State, "2"), (ExamField::CheckedStatus, "y")])));
        let example = [(ExamField::CheckedStatus, "0"), (ExamField::AuthenticatorDateTime, "2024-01-01 00:00:00")];
        assert!(is_reviewed(&report(&example)));
        let written = [(ExamField::State, "2"), (ExamField::AuthenticatorDateTime, "2024-01-01 00:00:00")];
        assert!(!is_reviewed(&report(&written)));
    }

    #[test]
    fn d_r22_only_the_figure_one_means_vip() {
        assert!(is_vip(&report(&[(ExamField::XmanType, " 1 ")])));
        assert!(!is_vip(&report(&[(ExamField::XmanType, "10")])));
        assert!(!is_vip(&report(&[])));
    }

    #[test]
    fn d_r24_study_uids_are_split_at_every_usual_separator() {
        let (uids, refused) = study_instance_uids("1.2.3,1.2.4，1.2.5；1.2.6|1.2.7\\1.2.8 1.2.3;; x.1");
        assert_eq!(uids, ["1.2.3", "1.2.4", "1.2.5", "1.2.6", "1.2.7", "1.2.8"]);
        assert_eq!(refused, ["x.1"]);
    }
}
