//! A report as an upstream's registry is told it, and what the registry answers (specification 4.1, D-R2, D-R3).
//!
//! One request for each report: the record in JSON, with the names of the specification; with a file it is a form
//! (`multipart/form-data`), the file beside the record. What a record means, and whether it is newer than what the upstream
//! has, is for the upstream to say. Its success means that the report is on its disk; there is nothing to confirm.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{Body, StatusCode, header};
use serde_json::{Value, json};

use super::config::UpstreamConfig;
use super::https::{self, RenewedClient};
use super::sender::Context;
use crate::archive::peers::forward_reports::{Registered, RegisteredFile, Registration};
use crate::archive::reports::report_codes::Code;
use crate::domain::record::{Field, Record};

/// Pieces in which a file leaves, so that its progress is seen.
const PIECE: usize = 64 * 1024;

/// A report registry.
#[derive(Debug)]
pub(super) struct RegistryUpstream {
    client: RenewedClient,
    url: String,
    app_id: String,
    basic: Option<(String, String)>,
    max_answer_bytes: usize,
    timeout: Duration,
}

/// What became of one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The upstream has it, with the file that came along.
    Taken,
    /// The upstream has it, and left the file out: what it has is newer.
    TakenWithoutFile,
    /// The upstream does not take it, however often it is told.
    Refused(String),
    /// It did not work out, which may be the report's doing or the upstream's.
    Failed(String),
    /// The upstream takes nothing at all now.
    Away(String),
}

impl RegistryUpstream {
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, String> {
        let timeout = Duration::from_millis(config.timeout_ms.max(1));
        let reports = &config.reports;
        let basic =
            (!reports.basic_user.is_empty()).then(|| (reports.basic_user.clone(), reports.basic_password.0.clone()));
        Ok(Self {
            client: RenewedClient::new(&config.name, timeout, reports.tls.as_ref())?,
            url: reports.url.trim().to_owned(),
            app_id: reports.app_id.0.clone(),
            basic,
            max_answer_bytes: config.max_answer_bytes,
            timeout,
        })
    }

    /// Registers one report.
    pub(super) async fn register(&self, context: &Arc<Context>, registration: Registration) -> Answer {
        let boundary = format!("yingku-{}", uuid::Uuid::new_v4().simple());
        let has_file = registration.file.is_some();
        let kind = match has_file {
            true => format!("multipart/form-data; boundary={boundary}"),
            false => "application/json".to_owned(),
        };
        let progress = Arc::new(Mutex::new(Instant::now()));
        let noted = Arc::clone(&progress);
        let pieces = pieces(&registration, &boundary).into_iter().map(Ok::<Bytes, std::io::Error>);
        let body = context.throttled(stream::iter(pieces)).inspect(move |_| {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        });
        let mut request = self.client.get().await.post(&self.url).header(header::CONTENT_TYPE, kind);
        if !self.app_id.is_empty() {
            request = request.header("X-App-Id", &self.app_id);
        }
        if let Some((user, password)) = &self.basic {
            request = request.basic_auth(user, Some(password));
        }
        let request = request.body(Body::wrap_stream(body));
        let last = || *progress.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::select! {
            answered = https::answer(request, self.max_answer_bytes) => match answered {
                Ok((status, text)) => judge(status, &text, has_file),
                Err(error) if error.is_away => Answer::Away(error.reason),
                Err(error) => Answer::Failed(error.reason),
            },
            () = https::silence(last, self.timeout) => {
                Answer::Failed(format!("no progress for {} ms", self.timeout.as_millis()))
            }
        }
    }
}

/// The body of a request.
fn pieces(registration: &Registration, boundary: &str) -> Vec<Bytes> {
    let message = message(&registration.content).to_string();
    let Some(RegisteredFile { media_type, bytes }) = &registration.file else { return vec![Bytes::from(message)] };
    // The file belongs to the one report of its message, so that its name need say nothing.
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"strReportInfo\"\r\nContent-Type: application/json\r\n\r\n\
         {message}\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"report\"\r\n\
         Content-Type: {media_type}\r\n\r\n"
    );
    let mut pieces = vec![Bytes::from(head)];
    pieces.extend((0..bytes.len()).step_by(PIECE).map(|at| bytes.slice(at..(at + PIECE).min(bytes.len()))));
    pieces.push(Bytes::from(format!("\r\n--{boundary}--\r\n")));
    pieces
}

fn message(content: &Registered) -> Value {
    match content {
        Registered::Exam(report) => json!({ "exammaster": [fields(report)] }),
        Registered::Lab(head, lines) => {
            let lines: Vec<Value> = lines.iter().map(fields).collect();
            json!({ "labmaster": [fields(head)], "lab_subitem": lines })
        }
    }
}

fn fields<F: Field>(record: &Record<F>) -> Value {
    record.filled().map(|(field, text)| (field.spec().wire.to_owned(), Value::from(text))).collect()
}

/// What an acknowledgement says of the one report that was told.
fn judge(status: StatusCode, text: &[u8], has_file: bool) -> Answer {
    match status.as_u16() {
        200 => {}
        413 => return Answer::Refused(format!("the registry answered {status}")),
        // Not about this report. A timeout (408) may be: its file may be too large for the time that a body may take.
        300..=399 | 401 | 403 | 404 | 405 | 429 | 502..=504 => {
            return Answer::Away(format!("the registry answered {status}"));
        }
        _ => return Answer::Failed(format!("the registry answered {status}")),
    }
    let text = String::from_utf8_lossy(text);
    match text.trim() {
        // What a sender hears with whom a literal was agreed.
        "1" | "true" | "success" => return Answer::Taken,
        "0" | "false" | "fail" => {
            return Answer::Failed("the registry does not take it, and does not say why".to_owned());
        }
        _ => {}
    }
    let Ok(answer) = serde_json::from_str::<Value>(&text) else {
        return Answer::Failed("the answer is no acknowledgement in JSON".to_owned());
    };
    let rows = answer.get("Rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        let told = text_of(&answer, "Msg");
        return match told.split_whitespace().next() {
            None => Answer::Failed("the answer names no record".to_owned()),
            Some(code) if is_one_of(code, &[Code::UnknownSender, Code::NotKept]) => Answer::Away(told.to_owned()),
            Some(_) => Answer::Refused(told.to_owned()),
        };
    }
    let mut taken = Answer::Taken;
    for row in rows {
        let (code, told) = (text_of(row, "Code"), text_of(row, "Msg"));
        if text_of(row, "Status") == "rejected" {
            let reason = format!("{}: {told}", text_of(row, "Type"));
            let may_pass = is_one_of(code, &[Code::NotStored, Code::FileNotKept]);
            return if may_pass { Answer::Failed(reason) } else { Answer::Refused(reason) };
        }
        let without = [Code::FileUnknown, Code::FileUnnamed];
        if has_file && without.iter().any(|code| told.contains(code.as_str())) {
            return Answer::Refused(format!("without its file: {told}"));
        }
        if has_file && told.contains(Code::FileSkipped.as_str()) {
            taken = Answer::TakenWithoutFile;
        }
    }
    taken
}

fn text_of<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_one_of(code: &str, codes: &[Code]) -> bool {
    codes.iter().any(|known| known.as_str() == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::peers::forward_reports::Told;
    use crate::domain::exam_report::{ExamField, ExamReport};
    use crate::domain::lab_report::{LabField, LabItem, LabItemField, LabReport};

    fn judged(text: &str) -> Answer {
        judge(StatusCode::OK, text.as_bytes(), true)
    }

    fn row(status: &str, code: &str, told: &str) -> String {
        format!(
            "{{\"Status\":0,\"Msg\":\"\",\"Total\":1,\"Rows\":[{{\"Type\":\"exam\",\"Status\":\"{status}\",\"Code\":\"{code}\",\
             \"Msg\":\"{told}\"}}]}}"
        )
    }

    #[test]
    fn whatever_is_not_rejected_is_taken() {
        for status in ["stored", "updated", "duplicate", "stale"] {
            assert_eq!(judged(&row(status, "0", "E1005 Class_Code 必填字段为空")), Answer::Taken, "{status}");
        }
        assert_eq!(judged(&row("stale", "0", "E1084 附带的文件未采用")), Answer::TakenWithoutFile);
        assert_eq!(judged("1"), Answer::Taken);
        assert_eq!(judged("success\n"), Answer::Taken);
    }

    #[test]
    fn what_is_refused_what_may_pass_and_who_is_away_are_told_apart() {
        let refused = judged(&row("rejected", "E1006", "E1006 机构编码未登记"));
        assert_eq!(refused, Answer::Refused("exam: E1006 机构编码未登记".to_owned()));
        for code in ["E1090", "E1081"] {
            assert!(matches!(judged(&row("rejected", code, code)), Answer::Failed(_)), "{code}");
        }
        assert!(matches!(judged(&row("stored", "0", "E1080 附带的文件不是PDF")), Answer::Refused(_)));
        let alone = judge(StatusCode::OK, row("stored", "0", "E1080").as_bytes(), false);
        assert_eq!(alone, Answer::Taken, "there was no file");
        for (told, is_away) in [("E2004 发送方未登记", true), ("E2090 请重发", true), ("E2003 超过上限", false)]
        {
            let answer = judged(&format!("{{\"Status\":0,\"Msg\":\"{told}\",\"Total\":0,\"Rows\":[]}}"));
            assert_eq!(matches!(answer, Answer::Away(_)), is_away, "{told}");
            assert_eq!(matches!(answer, Answer::Refused(_)), !is_away, "{told}");
        }
        for text in ["<html/>", "{}", "0", ""] {
            assert!(matches!(judged(text), Answer::Failed(_)), "{text}");
        }
        let of = |status: u16| judge(StatusCode::from_u16(status).unwrap(), b"", false);
        assert!([301, 401, 403, 404, 503].into_iter().all(|status| matches!(of(status), Answer::Away(_))));
        assert!([400, 408, 500].into_iter().all(|status| matches!(of(status), Answer::Failed(_))));
        assert!(matches!(of(413), Answer::Refused(_)));
    }

    #[test]
    fn a_report_is_told_with_the_names_of_the_specification_and_its_file_beside_it() {
        let mut report = ExamReport::default();
        report.set(ExamField::PacsId, "A1");
        report.set(ExamField::ImageDescr, "描述一\n描述二");
        let content = Registered::Exam(Box::new(report));
        assert_eq!(message(&content), json!({ "exammaster": [{ "PACS_ID": "A1", "Image_Descr": "描述一\n描述二" }] }));

        let (mut head, mut line) = (LabReport::default(), LabItem::default());
        head.set(LabField::ReportFormNo, "L1");
        line.set(LabItemField::SerialNo, "1");
        let lab = message(&Registered::Lab(Box::new(head), vec![line]));
        assert_eq!(lab.to_string(), r#"{"labmaster":[{"Report_Form_No":"L1"}],"lab_subitem":[{"Serial_No":"1"}]}"#);

        let bytes = Bytes::from(vec![b'x'; PIECE + 1]);
        let file = Some(RegisteredFile { media_type: "application/pdf".to_owned(), bytes });
        let pieces = pieces(&Registration { content, file, told: Told::default() }, "B");
        assert_eq!(pieces.iter().map(Bytes::len).skip(1).collect::<Vec<_>>(), [PIECE, 1, "\r\n--B--\r\n".len()]);
        assert!(pieces[0].starts_with(b"--B\r\nContent-Disposition: form-data; name=\"strReportInfo\"\r\n"));
        assert!(pieces[0].ends_with(b"Content-Type: application/pdf\r\n\r\n"));
    }
}
