//! Acknowledgements of registrations in the words that a sender expects (D-R3).

use std::fmt::Write;

use serde_json::json;

use super::config::Acknowledgement;
use crate::archive::reports::batch_outcome::{BatchOutcome, RecordOutcome};
use crate::archive::reports::report_codes::{Code, Note};
use crate::soap::xml::{escape, escape_attribute};

/// The outcome of a message in figures.
struct Summary {
    result: u8,
    message: String,
    total: usize,
    failed: usize,
}

fn summary(outcome: &Result<BatchOutcome, Code>) -> Summary {
    match outcome {
        Err(code) => Summary { result: 0, message: format!("{} {}", code.as_str(), code.text()), total: 0, failed: 0 },
        Ok(outcome) => {
            let (total, failed) = (outcome.records.len(), outcome.failed());
            let message = if failed == 0 { "ok".to_owned() } else { format!("{failed}条记录未注册") };
            Summary { result: u8::from(failed == 0), message, total, failed }
        }
    }
}

/// Writes the acknowledgement.
pub(super) fn render(profile: Acknowledgement, template: &str, outcome: &Result<BatchOutcome, Code>) -> String {
    let summary = summary(outcome);
    let ok = summary.result == 1;
    let pick = |yes: &str, no: &str| (if ok { yes } else { no }).to_owned();
    match profile {
        Acknowledgement::Xml => xml(&summary, outcome),
        Acknowledgement::Json => json(&summary, outcome),
        Acknowledgement::One => pick("1", "0"),
        Acknowledgement::True => pick("true", "false"),
        Acknowledgement::Success => pick("success", "fail"),
        Acknowledgement::Template => template
            .replace("{result}", &summary.result.to_string())
            .replace("{total}", &summary.total.to_string())
            .replace("{succeeded}", &(summary.total - summary.failed).to_string())
            .replace("{failed}", &summary.failed.to_string())
            .replace("{message}", &escape(&summary.message)),
    }
}

fn records(outcome: &Result<BatchOutcome, Code>) -> &[RecordOutcome] {
    outcome.as_ref().map(|outcome| outcome.records.as_slice()).unwrap_or_default()
}

fn message_of(record: &RecordOutcome) -> String {
    let reason = record.code.filter(|code| record.notes.iter().all(|note| note.code != *code)).map(Note::of);
    reason.iter().chain(&record.notes).map(Note::line).collect::<Vec<_>>().join("; ")
}

fn xml(summary: &Summary, outcome: &Result<BatchOutcome, Code>) -> String {
    let Summary { result, message, total, failed } = summary;
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root><result>{result}</result><message>{}</message>\
         <total>{total}</total><succeeded>{}</succeeded><failed>{failed}</failed>\n<items>",
        escape(message),
        total - failed,
    );
    for record in records(outcome) {
        let _ = write!(
            out,
            "<item type=\"{}\" org_code=\"{}\" report_form_no=\"{}\"",
            record.kind.as_str(),
            escape_attribute(&record.org_code),
            escape_attribute(&record.report_form_no),
        );
        if !record.serial_no.is_empty() {
            let _ = write!(out, " serial_no=\"{}\"", escape_attribute(&record.serial_no));
        }
        let _ = write!(
            out,
            " status=\"{}\" code=\"{}\" message=\"{}\"/>",
            record.status.as_str(),
            record.code.map_or("0", Code::as_str),
            escape_attribute(&message_of(record)),
        );
    }
    out.push_str("</items></root>");
    out
}

fn json(summary: &Summary, outcome: &Result<BatchOutcome, Code>) -> String {
    let rows: Vec<_> = records(outcome)
        .iter()
        .map(|record| {
            json!({
                "Type": record.kind.as_str(),
                "OrgCode": record.org_code,
                "ReportFormNo": record.report_form_no,
                "SerialNo": record.serial_no,
                "Status": record.status.as_str(),
                "Code": record.code.map_or("0", Code::as_str),
                "Msg": message_of(record),
            })
        })
        .collect();
    let message = if summary.result == 1 { "" } else { summary.message.as_str() };
    json!({ "Status": summary.result, "Msg": message, "Total": summary.total, "Rows": rows }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::reports::batch_outcome::{RecordKind, Status};

    fn outcome(rejected: bool) -> Result<BatchOutcome, Code> {
        let stored = RecordOutcome {
            kind: RecordKind::Exam,
            org_code: "ORG-T01".into(),
            report_form_no: "EX\"<1".into(),
            serial_no: String::new(),
            status: Status::Stored,
            code: None,
            notes: vec![],
            place: 0,
            takes_file: None,
        };
        let mut records = vec![stored.clone()];
        if rejected {
            let (status, code) = (Status::Rejected, Some(Code::UnknownOrganization));
            records.push(RecordOutcome { status, code, ..stored });
        }
        Ok(BatchOutcome { records, message_pk: 0 })
    }

    fn ack(profile: Acknowledgement, rejected: bool) -> String {
        render(profile, "<r c='{result}' n='{succeeded}/{total}'/>", &outcome(rejected))
    }

    #[test]
    fn d_r3_the_document_tells_every_record() {
        assert_eq!(
            ack(Acknowledgement::Xml, false),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root><result>1</result><message>ok</message><total>1</total>\
             <succeeded>1</succeeded><failed>0</failed>\n<items><item type=\"exam\" org_code=\"ORG-T01\" \
             report_form_no=\"EX&quot;&lt;1\" status=\"stored\" code=\"0\" message=\"\"/></items></root>"
        );
        let failed = ack(Acknowledgement::Xml, true);
        assert!(
            failed.contains("<result>0</result>") && failed.contains("code=\"E1006\" message=\"E1006 机构编码未登记\"")
        );
    }

    #[test]
    fn d_r3_senders_that_test_for_a_literal_get_it() {
        use Acknowledgement::{Json, One, Success, Template, True};
        assert_eq!([One, True, Success].map(|p| ack(p, false)), ["1", "true", "success"]);
        assert_eq!([One, True, Success].map(|p| ack(p, true)), ["0", "false", "fail"]);
        assert_eq!(ack(Template, true), "<r c='0' n='1/2'/>");
        assert!(ack(Json, false).starts_with(r#"{"Status":1,"Msg":"","Total":1,"Rows":[{"#));
    }

    #[test]
    fn d_x6_a_message_that_is_not_read_has_a_code() {
        let text = render(Acknowledgement::Xml, "", &Err(Code::Unreadable));
        assert!(text.contains("<result>0</result><message>E2001 报文无法解析</message>"));
    }
}
