//! Lab reports (检验报告, `LabMaster`) and their lines: what a hospital registers about a laboratory examination.
//!
//! A line names its report by organisation, event and report number only, which need not be unique and need not have
//! arrived yet (D-R9, D-R10).

use super::record::{Record, fields};

/// The head of a lab report.
pub type LabReport = Record<LabField>;

/// One line of a lab report.
pub type LabItem = Record<LabItemField>;

fields! {
    /// The 50 fields of a lab report (检验报告主表 `LabMaster`), and `Recognition`, which only the wire knows (D-R17).
    LabField {
        LastUpdateDateTime Last_Update_DTime last_update_dtime DateTime Required "最后修改时间",
        OrgCode Org_Code org_code Text(128) Key "机构编码",
        ApplyFormNo Apply_Form_No apply_form_no Text(128) Optional "检验申请单号",
        ReportFormNo Report_Form_No report_form_no Text(128) Key "检验报告单号",
        PatientId Patient_Id patient_id Text(128) Key "病人ID",
        EventType Event_Type event_type Number(2) Key "事件类型",
        EventNo Event_No event_no Text(128) Key "本地事件号（门诊号或者住院号）",
        IdNo Id_No id_no Text(128) Optional "身份证号",
        CardNo Card_No card_no Text(128) Optional "卡号",
        RetrieveDate Retrieve_Date retrieve_date DateTime Required "归档检索日期",
        ClassCode Class_Code class_code Text(128) Required "检验报告的分类的LOINC编码",
        ClassName Class_Name class_name Text(128) Optional "检验报告的分类标准名称",
        ClassLocalName Class_Local_Name class_local_name Text(128) Optional "检验报告的分类的本地名称",
        ReportTitle Report_Title report_title Text(256) Optional "报告的标题",
        EffectiveDateTime Effective_DTime effective_dtime DateTime Optional "文档创建时间",
        Name Name name Text(128) Optional "病人的姓名",
        SexCode Sex_Code sex_code Text(128) Optional "病人性别编码",
        SexName Sex_Name sex_name Text(128) Optional "病人性别",
        AuthorId Author_Id author_id Text(128) Optional "报告的人员作者编号",
        AuthorDateTime Author_DTime author_dtime DateTime Optional "报告的人员作者生成时间",
        AuthorName Author_Name author_name Text(128) Optional "报告的人员作者姓名",
        AuthenticatorId Authenticator_Id authenticator_id Text(128) Optional "审核者：编号",
        AuthenticatorDateTime Authenticator_DTime authenticator_dtime DateTime Optional "审核者：审核时间",
        AuthenticatorName Authenticator_Name authenticator_name Text(128) Optional "审核者：姓名",
        ParticipantId Participant_Id participant_id Text(128) Optional "申请医生：编号",
        ParticipantDateTime Participant_DTime participant_dtime DateTime Optional "申请医生：申请时间",
        ParticipantName Participant_Name participant_name Text(128) Optional "申请医生：姓名",
        ParticipantDept Participant_Dept participant_dept Text(128) Optional "申请医生：科室",
        OrderId Order_Id order_id Text(128) Optional "对应的医嘱：医嘱号",
        OrderPriority Order_Priority order_priority Text(128) Optional "对应的医嘱：优先级",
        OrderPriorityName Order_Priority_Name order_priority_name Text(128) Optional "对应的医嘱：优先级名称",
        SpecimenId Specimen_Id specimen_id Text(128) Optional "标本编号",
        SpecimenClassCode Specimen_Class_Code specimen_class_code Text(128) Optional "标本类型",
        SpecimenDeterminerCode Specimen_Determiner_Code specimen_determiner_code Text(128) Optional "标本采集部位",
        SpecimenDeterminerName Specimen_Determiner_Name specimen_determiner_name Text(128) Optional "标本采集部位描述",
        SpecimenRisk Specimen_Risk specimen_risk Text(128) Optional "标本危险程度",
        SpecimenRiskDescr Specimen_Risk_Descr specimen_risk_descr Text(128) Optional "标本危险程度描述",
        SpecimenQuantity Specimen_Quantity specimen_quantity Text(128) Optional "标本质量",
        SpecimenQuantityDescr Specimen_Quantity_Descr specimen_quantity_descr Text(128) Optional "标本质量描述",
        SpecimenRejectReason Specimen_Rejectreason specimen_rejectreason Text(128) Optional "标本拒绝原因",
        SpecimenRejectReasonDescr Specimen_Rejectreason_Descr specimen_rejectreason_descr Text(128) Optional "标本拒绝原因描述",
        PerformerDeptName Performer_Dept_Name performer_dept_name Text(128) Optional "检验的执行科室",
        PerformerDoctor Performer_Doctor performer_doctor Text(128) Optional "检验的执行医生",
        PerformerDateTime Performer_DTime performer_dtime DateTime Optional "检验的执行时间",
        PlayingDevice Playing_Device playing_device Text(128) Optional "检验设备名称",
        CreateTime Create_Time create_time DateTime Optional "创建时间",
        UploadStatus Upload_Status upload_status Number(1) Optional "上传状态",
        SerialDataNo Serial_Data_No serial_data_no Text(128) Optional "数据流水号",
        DataStatus Data_Status data_status Number(1) Optional "数据状态",
        IsCorrect Is_Correct is_correct Number(1) Optional "是否正确",
        Recognition Recognition recognition Number(2) Optional "可互认标识",
    }
}

fields! {
    /// The 25 fields of a line of a lab report (检验报告子表).
    LabItemField {
        LastUpdateDateTime Last_Update_DTime last_update_dtime DateTime Required "最后修改时间",
        OrgCode Org_Code org_code Text(128) Key "机构编码",
        EventNo Event_No event_no Text(128) Key "本地事件号（门诊号或者住院号）",
        ReportFormNo Report_Form_No report_form_no Text(128) Key "所属报告单号",
        SerialNo Serial_No serial_no Number(4) Key "子项序号",
        ClassCode Class_Code class_code Text(128) Required "子项的LOINC编码",
        ClassName Class_Name class_name Text(128) Optional "子项的LOINC标准名称",
        ClassLocalName Class_Local_Name class_local_name Text(128) Optional "子项的本地名称",
        ResultType Result_Type result_type Text(128) Optional "结果类型",
        ResultTypeDescr Result_Type_Descr result_type_descr Text(128) Optional "结果类型描述",
        ResultValue Result_Value result_value Text(128) Optional "结果值",
        ResultUnit Result_Unit result_unit Text(128) Optional "单位",
        NormLowerLimit Norm_Lower_Limit norm_lower_limit Text(128) Optional "正常参考值下限",
        NormUpperLimit Norm_Upper_Limit norm_upper_limit Text(128) Optional "正常参考值上限",
        NormValueNotes Norm_Value_Notes norm_value_notes Text(4000) Optional "参考值备注",
        ResultInterpre Result_Interpre result_interpre Text(128) Optional "结果值的解释",
        ResultInterpreDescr Result_Interpre_Descr result_interpre_descr Text(128) Optional "结果值的解释描述",
        EffectiveDateTime Effective_DTime effective_dtime DateTime Optional "该项的创建时间",
        ExamineWay Examine_Way examine_way Text(512) Optional "检验方法描述",
        Recognition Recognition recognition Number(2) Optional "可互认标识",
        CreateTime Create_Time create_time DateTime Optional "创建时间",
        UploadStatus Upload_Status upload_status Number(1) Optional "上传状态",
        SerialDataNo Serial_Data_No serial_data_no Text(128) Optional "数据流水号",
        DataStatus Data_Status data_status Number(1) Optional "数据状态",
        IsCorrect Is_Correct is_correct Number(1) Optional "是否正确",
    }
}

/// The fields that together tell one lab report from another (D-R8).
pub const KEY: [LabField; 5] =
    [LabField::OrgCode, LabField::ReportFormNo, LabField::PatientId, LabField::EventType, LabField::EventNo];

/// The fields that together tell one line from another with the same head (D-R9).
pub const ITEM_KEY: [LabItemField; 4] =
    [LabItemField::OrgCode, LabItemField::EventNo, LabItemField::ReportFormNo, LabItemField::SerialNo];

/// The number at the start of a limit or a result, e.g. 2 of `2/HP` or 3.5 of `<3.5` (D-R40).
pub fn numeric_part(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || "<>≤≥＜＞=~".contains(c));
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if !(c.is_ascii_digit() || c == '.' || (at == 0 && (c == '-' || c == '+'))) {
            break;
        }
        end = at + 1;
    }
    text[..end].trim_end_matches('.').parse().ok()
}

/// When the report was finished: reviewed, else written, else created.
pub fn reported_at(report: &LabReport) -> Option<&str> {
    let of = |field| report.get(field);
    of(LabField::AuthenticatorDateTime).or(of(LabField::AuthorDateTime)).or(of(LabField::EffectiveDateTime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_r40_a_limit_with_a_unit_has_a_number() {
        assert_eq!(numeric_part("2/HP"), Some(2.0));
        assert_eq!(numeric_part("<3.5"), Some(3.5));
        assert_eq!(numeric_part(" -0.4 mmol/L"), Some(-0.4));
        assert_eq!(numeric_part("阴性"), None);
        assert_eq!(numeric_part("1:80"), Some(1.0));
    }
}
