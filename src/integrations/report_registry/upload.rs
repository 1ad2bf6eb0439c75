//! A registration that brings its report files: `multipart/form-data` (RFC 7578), for hospitals whose file servers cannot be
//! reached.
//!
//! One part is the message, in any form that is understood without it; each part with a file name is a report file. A file
//! belongs to the exam report whose `reportfilepath` ends with its name or whose report number is its name without the
//! ending; a single file belongs to a single exam report whatever it is called.

use axum::body::Bytes;
use memchr::memmem;

use crate::archive::reports::prepare_report::Submitted;
use crate::archive::reports::push_report_file::can_be_fetched;
use crate::archive::reports::report_codes::{Code, Note};
use crate::domain::exam_report::ExamField;
use crate::domain::record::Field;

/// What the part with the message is called where it has a name: the parameter of the operation.
const MESSAGE: &str = "strReportInfo";
/// Most parts of one request.
const MOST_PARTS: usize = 1000;

/// A report file of a request.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Bytes,
}

/// The message with its own type, and the files beside it.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) body: Bytes,
    pub(super) content_type: String,
    pub(super) files: Vec<File>,
}

pub(super) fn is_upload(content_type: &str) -> bool {
    content_type.trim_start().get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"))
}

/// Takes a body apart; what is no `multipart/form-data` is the message itself.
pub(super) fn split(body: Bytes, content_type: String) -> Upload {
    let boundary = is_upload(&content_type).then(|| parameter(&content_type, "boundary")).flatten();
    let Some(boundary) = boundary.filter(|boundary| !boundary.is_empty() && boundary.len() <= 70) else {
        return Upload { body, content_type, files: Vec::new() };
    };
    let mut upload = Upload { body: Bytes::new(), content_type: String::new(), files: Vec::new() };
    for part in parts(&body, &boundary) {
        let Some(end) = memmem::find(&body[part.clone()], b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&body[part.start..part.start + end]).into_owned();
        let content = body.slice(part.start + end + 4..part.end);
        let line = |name: &str| {
            head.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)))
        };
        let disposition = line("content-disposition").map(|(_, value)| value).unwrap_or_default();
        let kind = line("content-type").map(|(_, value)| value.trim().to_owned()).unwrap_or_default();
        let name = parameter(disposition, "filename").unwrap_or_default();
        let is_named = parameter(disposition, "name").is_some_and(|name| name.eq_ignore_ascii_case(MESSAGE));
        let is_message = is_named || name.is_empty() || is_text(&content);
        if is_message && upload.body.is_empty() {
            upload.body = content;
            upload.content_type = kind;
        } else if !name.is_empty() {
            upload.files.push(File { name, bytes: content });
        }
    }
    upload
}

/// Whether a part begins as messages do, in whatever encoding.
fn is_text(content: &[u8]) -> bool {
    let marks: [&[u8]; 3] = [b"\xEF\xBB\xBF", b"\xFF\xFE", b"\xFE\xFF"];
    let content = marks.into_iter().find_map(|mark| content.strip_prefix(mark)).unwrap_or(content);
    // The other half of a character of UTF-16 is 0.
    let first = content.iter().find(|byte| **byte != 0 && !byte.is_ascii_whitespace());
    matches!(first, Some(b'<' | b'{' | b'['))
}

/// Where the parts are, heads included.
fn parts(body: &[u8], boundary: &str) -> Vec<std::ops::Range<usize>> {
    let delimiter = format!("--{boundary}");
    let mut marks = memmem::find_iter(body, delimiter.as_bytes())
        .filter(|at| *at == 0 || body[..*at].ends_with(b"\r\n"))
        .take(MOST_PARTS + 1);
    let mut found = Vec::new();
    let Some(mut before) = marks.next() else { return found };
    for mark in marks {
        let start = before + delimiter.len() + 2;
        // The line break in front of a delimiter belongs to it.
        let end = mark - 2;
        if start <= end && body[start - 2..start] == *b"\r\n" {
            found.push(start..end);
        }
        before = mark;
    }
    found
}

fn parameter(text: &str, wanted: &str) -> Option<String> {
    let found = text.split(';').skip(1).find_map(|part| {
        part.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    })?;
    Some(found.trim_matches('"').to_owned())
}

/// A file, and which exam report of the message it belongs to, from 0.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) place: usize,
    pub(super) bytes: Bytes,
}

/// Gives each file to its exam report; what no exam report names is left.
pub(super) fn assign(files: Vec<File>, exams: &[Submitted<ExamField>]) -> (Vec<Assigned>, Vec<File>) {
    let (mut given, mut left) = (Vec::new(), Vec::new());
    let only = files.len() == 1 && exams.len() == 1;
    for file in files {
        let base = last_name(&file.name);
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        let fits = |exam: &Submitted<ExamField>| {
            let (number, path) =
                (exam.record.text(ExamField::ReportFormNo), exam.record.text(ExamField::ReportFilePath));
            only || number.trim() == stem || (!path.is_empty() && last_name(path).eq_ignore_ascii_case(base))
        };
        match exams.iter().position(fits) {
            Some(place) => given.push(Assigned { place, bytes: file.bytes }),
            None => left.push(file),
        }
    }
    (given, left)
}

/// Takes out of the records of a form what names a file of the form and is no address that anybody could fetch; the same
/// whether the files are here or, when the kept message is taken up again, are not. `given` are the files that are here.
pub(super) fn drop_names(exams: &mut [Submitted<ExamField>], given: &[Assigned]) {
    for (place, exam) in exams.iter_mut().enumerate() {
        let path = exam.record.text(ExamField::ReportFilePath);
        if path.trim().is_empty() || can_be_fetched(path) {
            continue;
        }
        exam.record.put(ExamField::ReportFilePath, None);
        if given.iter().all(|file| file.place != place) {
            exam.notes.push(Note::on(Code::FileMissing, ExamField::ReportFilePath.spec().wire));
        }
    }
}

/// Whether the kept headers of a message say that it came as a form.
pub(super) fn was_upload(headers: &str) -> bool {
    let headers: serde_json::Value = serde_json::from_str(headers).unwrap_or_default();
    headers.get("content-type").and_then(serde_json::Value::as_str).is_some_and(is_upload)
}

fn last_name(path: &str) -> &str {
    path.trim().rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(parts: &[(&str, &[u8])]) -> Bytes {
        let mut body = Vec::new();
        for (head, content) in parts {
            body.extend_from_slice(format!("--XX\r\n{head}\r\n\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--XX--\r\n");
        Bytes::from(body)
    }

    #[test]
    fn a_message_and_its_files_are_told_apart() {
        let pdf = b"%PDF-1.4\r\n--X\r\n\r\nbinary\x00--XX";
        let body = body(&[
            (
                "Content-Disposition: form-data; name=\"strReportInfo\"\r\nContent-Type: text/xml; charset=gbk",
                b"<data/>",
            ),
            ("content-disposition: form-data; name=\"file\"; filename=\"EX0001.pdf\"", pdf),
        ]);
        let upload = split(body, "Multipart/Form-Data; boundary=\"XX\"".to_owned());
        assert_eq!((&upload.body[..], upload.content_type.as_str()), (&b"<data/>"[..], "text/xml; charset=gbk"));
        assert_eq!((upload.files[0].name.as_str(), &upload.files[0].bytes[..]), ("EX0001.pdf", &pdf[..]));
    }

    #[test]
    fn a_message_that_came_as_a_file_is_known_by_its_name_or_its_first_character_in_any_encoding() {
        let utf_16 = |bytes: fn(u16) -> [u8; 2], text: &str| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        let [little, big] = [utf_16(u16::to_le_bytes, "\u{FEFF} <data/>"), utf_16(u16::to_be_bytes, "\u{FEFF}{}")];
        let named = "Content-Disposition: form-data; name=\"strreportinfo\"; filename=\"a.dat\"";
        let unnamed = "Content-Disposition: form-data; name=\"message\"; filename=\"a.dat\"";
        for (head, message) in [
            (unnamed, b"\xEF\xBB\xBF\r\n<data/>".as_slice()),
            (unnamed, &little),
            (unnamed, &big),
            (unnamed, b"[]"),
            (named, b"org_code=1"),
        ] {
            let file = "Content-Disposition: form-data; name=\"file\"; filename=\"EX0001.jpg\"";
            let body = body(&[(head, message), (file, b"\xFF\xD8\xFF\xE0")]);
            let upload = split(body, "multipart/form-data; boundary=XX".to_owned());
            let names: Vec<&str> = upload.files.iter().map(|file| file.name.as_str()).collect();
            assert_eq!((&upload.body[..], names), (message, vec!["EX0001.jpg"]));
        }
    }

    #[test]
    fn what_is_no_form_is_the_message_itself() {
        let upload = split(Bytes::from_static(b"<data/>"), "text/xml".to_owned());
        assert_eq!((&upload.body[..], upload.files.len()), (&b"<data/>"[..], 0));
        for text in ["", "--XX", "--XX\r\n--XX", "--XX\r\nno head\r\n--XX--"] {
            let upload = split(Bytes::from_static(text.as_bytes()), "multipart/form-data; boundary=XX".to_owned());
            assert!(upload.body.is_empty() && upload.files.is_empty(), "{text:?}");
        }
    }
}
