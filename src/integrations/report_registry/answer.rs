//! Answers to queries: upper-case elements in the order of the specification, heads and lines as siblings (D-Q6 to D-Q8).

use super::config::ErrorStyle;
use crate::archive::reports::find_reports::{Found, FoundExam, FoundLab};
use crate::archive::reports::report_codes::Code;
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField};
use crate::domain::record::{Field, Record};
use crate::soap::xml::escape;

/// The 55 elements of an exam report (R2.4.4-5).
const EXAM: [ExamField; 55] = {
    use ExamField::*;
    [
        LastUpdateDateTime,
        OrgCode,
        ReportFormNo,
        PatientId,
        EventType,
        EventNo,
        RetrieveDate,
        ClassCode,
        ClassName,
        ExamSiteCode,
        BodyPartName,
        ExamItemCode,
        ExamItemName,
        ReportTitle,
        EffectiveDateTime,
        Confidentiality,
        Name,
        SexCode,
        SexName,
        BirthDate,
        AuthorId,
        AuthorDateTime,
        AuthorName,
        AuthenticatorId,
        AuthenticatorDateTime,
        AuthenticatorName,
        ParticipantDept,
        ParticipantId,
        ParticipantDateTime,
        ParticipantName,
        OrderId,
        OrderPriority,
        OrderPriorityName,
        PerformerDeptName,
        PerformerDoctor,
        PerformerDateTime,
        PlayingDevice,
        OutpatDiagName,
        PatientConditionDescr,
        ExamPurpose,
        ImageDescr,
        IsAbnormal,
        Conclusion,
        Recognition,
        CreateTime,
        UploadStatus,
        SerialDataNo,
        DataStatus,
        IsCorrect,
        CardNo,
        IdNo,
        CheckedStatus,
        PatientLocalId,
        PacsId,
        StudyInstanceUid,
    ]
};

/// The 25 elements of a line (R2.4.3-2).
const ITEM: [LabItemField; 25] = {
    use LabItemField::*;
    [
        LastUpdateDateTime,
        OrgCode,
        ReportFormNo,
        ClassCode,
        ClassName,
        ClassLocalName,
        ResultType,
        ResultTypeDescr,
        ResultValue,
        ResultUnit,
        NormLowerLimit,
        NormUpperLimit,
        NormValueNotes,
        ResultInterpre,
        ResultInterpreDescr,
        EffectiveDateTime,
        EventNo,
        ExamineWay,
        CreateTime,
        UploadStatus,
        SerialDataNo,
        DataStatus,
        IsCorrect,
        Recognition,
        SerialNo,
    ]
};

/// What answers hold beyond the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent<'a> {
    /// Nothing.
    AsSpecified,
    /// More fields, and links below this public URL.
    Extended(&'a str),
}

/// Writes lab reports.
pub(super) fn labs(found: &Found<FoundLab>, extent: Extent<'_>) -> String {
    let mut out = String::from("<root>");
    for lab in &found.reports {
        out.push_str("<labmaster>");
        // The order of the table is the order of the answer; the request form number is not answered (D-Q8).
        let fields = LabField::ALL.iter().copied().filter(|field| *field != LabField::ApplyFormNo);
        elements(&mut out, &lab.report, fields);
        if let Extent::Extended(public_url) = extent {
            elements(&mut out, &lab.report, [LabField::ApplyFormNo]);
            report_url(&mut out, public_url, lab.link.as_deref());
        }
        out.push_str("</labmaster>");
        for item in &lab.items {
            out.push_str("<lab_subitem>");
            elements(&mut out, item, ITEM);
            out.push_str("</lab_subitem>");
        }
    }
    end(out, found.cut, extent)
}

/// Writes exam reports.
pub(super) fn exams(found: &Found<FoundExam>, extent: Extent<'_>) -> String {
    let mut out = String::from("<root>");
    for exam in &found.reports {
        out.push_str("<exammaster>");
        elements(&mut out, &exam.report, EXAM);
        if let Extent::Extended(public_url) = extent {
            elements(&mut out, &exam.report, [ExamField::ApplyFormNo, ExamField::State, ExamField::XmanType]);
            element(&mut out, "HASIMAGE", if exam.has_images { "1" } else { "0" });
            report_url(&mut out, public_url, exam.link.as_deref());
        }
        out.push_str("</exammaster>");
    }
    end(out, found.cut, extent)
}

/// The page behind the report's printed code, which asks for the second factor.
fn report_url(out: &mut String, public_url: &str, link: Option<&str>) {
    let url = link.map(|id| format!("{}/q/{id}", public_url.trim_end_matches('/')));
    element(out, "REPORT_URL", &url.unwrap_or_default());
}

fn elements<F: Field>(out: &mut String, record: &Record<F>, fields: impl IntoIterator<Item = F>) {
    for field in fields {
        element(out, &field.spec().column.to_ascii_uppercase(), record.text(field));
    }
}

fn element(out: &mut String, tag: &str, text: &str) {
    for piece in ["<", tag, ">", &escape(text), "</", tag, ">"] {
        out.push_str(piece);
    }
}

fn end(mut out: String, cut: bool, extent: Extent<'_>) -> String {
    if cut {
        out.push_str("<!-- more reports than the limit: narrow the dates -->");
        if extent != Extent::AsSpecified {
            out.push_str("<truncated>1</truncated>");
        }
    }
    out.push_str("</root>");
    out
}

/// Writes a refusal; `None` asks for a SOAP fault.
pub(super) fn refusal(style: ErrorStyle, code: Code) -> Option<String> {
    match style {
        ErrorStyle::Xml => {
            Some(format!("<root><success>No</success><error>{} {}</error></root>", code.as_str(), escape(code.text())))
        }
        ErrorStyle::Empty => Some("<root></root>".to_owned()),
        ErrorStyle::SoapFault => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exam_report::ExamReport;
    use crate::domain::lab_report::{LabItem, LabReport};
    use crate::soap::xml::{Element, XmlLimits, parse};

    fn read(text: &str) -> Element {
        parse(text, &XmlLimits::default()).unwrap().root
    }

    fn exam() -> Found<FoundExam> {
        let mut report = ExamReport::default();
        report.set(ExamField::Conclusion, "a<b>&\"c\"");
        report.set(ExamField::XmanType, "0");
        let found = FoundExam { id: 1, report, has_images: true, link: Some("abc".into()) };
        Found { reports: vec![found], cut: false }
    }

    #[test]
    fn d_q7_heads_and_lines_are_siblings_with_every_tag_in_order() {
        let lab = FoundLab { id: 1, report: LabReport::default(), items: vec![LabItem::default(); 2], link: None };
        let root = read(&labs(&Found { reports: vec![lab], cut: false }, Extent::AsSpecified));
        let names: Vec<&str> = root.children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, ["labmaster", "lab_subitem", "lab_subitem"]);
        assert_eq!((root.children[0].children.len(), root.children[1].children.len()), (50, 25));
        let head: Vec<&str> = root.children[0].children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!((head[0], head[2], head[49]), ("LAST_UPDATE_DTIME", "REPORT_FORM_NO", "RECOGNITION"));
        assert_eq!(root.children[1].children[24].name, "SERIAL_NO");
    }

    #[test]
    fn d_q8_what_the_specification_does_not_answer_is_answered_only_when_extended() {
        let plain = read(&exams(&exam(), Extent::AsSpecified)).children.remove(0);
        assert_eq!(plain.children.len(), 55);
        assert!(plain.child("XMAN_TYPE").is_none());
        assert_eq!(plain.child("CONCLUSION").unwrap().text, "a<b>&\"c\"");
        let extended = read(&exams(&exam(), Extent::Extended("http://127.0.0.1:8080/"))).children.remove(0);
        assert_eq!(extended.child("XMAN_TYPE").unwrap().text, "0");
        assert_eq!(extended.child("HASIMAGE").unwrap().text, "1");
        assert_eq!(extended.child("REPORT_URL").unwrap().text, "http://127.0.0.1:8080/q/abc");
    }

    #[test]
    fn d_q6_empty_and_refused_answers_have_their_forms() {
        let none = Found { reports: Vec::new(), cut: false };
        assert_eq!(exams(&none, Extent::AsSpecified), "<root></root>");
        assert_eq!(
            refusal(ErrorStyle::Xml, Code::NoIdentity).unwrap(),
            "<root><success>No</success><error>E3001 卡号、身份证号必填其一</error></root>"
        );
        assert_eq!(refusal(ErrorStyle::Empty, Code::NoIdentity).unwrap(), "<root></root>");
        assert_eq!(refusal(ErrorStyle::SoapFault, Code::NoIdentity), None);
    }

    #[test]
    fn d_q11_a_cut_answer_says_so() {
        let cut = Found { reports: Vec::new(), cut: true };
        assert!(exams(&cut, Extent::AsSpecified).contains("<!--"));
        assert!(exams(&cut, Extent::Extended("")).contains("<truncated>1</truncated>"));
    }
}
