//! Files that belong to an exam and are no DICOM objects: scans of forms, captures, films of endoscopes, papers (D-I14).

use super::pdf;

/// What an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentKind {
    /// Scan of the request form (申请单).
    RequestForm,
    /// Scan of the informed consent (知情同意书).
    Consent,
    /// A captured picture.
    Capture,
    /// A captured film.
    Video,
    /// An electrocardiogram as a file of its vendor.
    Ecg,
    /// A pathology slide or picture.
    Pathology,
    /// A report as a file.
    Report,
    /// Anything else that was sent on purpose.
    Other,
}

impl AttachmentKind {
    /// Every kind.
    pub const ALL: [AttachmentKind; 8] = [
        AttachmentKind::RequestForm,
        AttachmentKind::Consent,
        AttachmentKind::Capture,
        AttachmentKind::Video,
        AttachmentKind::Ecg,
        AttachmentKind::Pathology,
        AttachmentKind::Report,
        AttachmentKind::Other,
    ];

    /// The word kept in the table and written in sidecars.
    pub fn as_str(self) -> &'static str {
        match self {
            AttachmentKind::RequestForm => "request_form",
            AttachmentKind::Consent => "consent",
            AttachmentKind::Capture => "capture",
            AttachmentKind::Video => "video",
            AttachmentKind::Ecg => "ecg",
            AttachmentKind::Pathology => "pathology",
            AttachmentKind::Report => "report",
            AttachmentKind::Other => "other",
        }
    }

    /// Reads the word, whatever its case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// What pages call it.
    pub fn label(self) -> &'static str {
        match self {
            AttachmentKind::RequestForm => "申请单扫描件",
            AttachmentKind::Consent => "知情同意书",
            AttachmentKind::Capture => "采集图片",
            AttachmentKind::Video => "采集视频",
            AttachmentKind::Ecg => "心电文件",
            AttachmentKind::Pathology => "病理资料",
            AttachmentKind::Report => "报告文件",
            AttachmentKind::Other => "其它附件",
        }
    }

    /// Whether it is part of the request, which has a tab of its own.
    pub fn is_request(self) -> bool {
        self == AttachmentKind::RequestForm
    }

    /// Whether it is data of the exam itself, and no word about it (ShowType 3 shows data alone, D-P18).
    pub fn is_data(self) -> bool {
        matches!(
            self,
            AttachmentKind::Capture | AttachmentKind::Video | AttachmentKind::Ecg | AttachmentKind::Pathology
        )
    }
}

/// How the bytes are encoded; found in the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentType {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
    /// `image/tiff`
    Tiff,
    /// `image/bmp`
    Bmp,
    /// `application/pdf`
    Pdf,
    /// `video/mp4`
    Mp4,
    /// `video/x-msvideo`
    Avi,
    /// `application/xml`
    Xml,
    /// `application/octet-stream`: a vendor's own form, kept and not shown.
    Unknown,
}

impl AttachmentType {
    const ALL: [AttachmentType; 9] = [
        AttachmentType::Jpeg,
        AttachmentType::Png,
        AttachmentType::Tiff,
        AttachmentType::Bmp,
        AttachmentType::Pdf,
        AttachmentType::Mp4,
        AttachmentType::Avi,
        AttachmentType::Xml,
        AttachmentType::Unknown,
    ];

    /// Looks at the first bytes; 512 are enough.
    pub fn of_content(head: &[u8]) -> Self {
        if head.starts_with(&[0xFF, 0xD8, 0xFF]) {
            return AttachmentType::Jpeg;
        }
        if head.starts_with(b"\x89PNG\r\n\x1a\n") {
            return AttachmentType::Png;
        }
        if head.starts_with(b"II*\0") || head.starts_with(b"MM\0*") {
            return AttachmentType::Tiff;
        }
        if head.starts_with(b"BM") && head.get(6..10) == Some(&[0; 4]) {
            return AttachmentType::Bmp;
        }
        if head.starts_with(pdf::HEADER) {
            return AttachmentType::Pdf;
        }
        if head.get(4..8) == Some(b"ftyp") {
            return AttachmentType::Mp4;
        }
        if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"AVI ") {
            return AttachmentType::Avi;
        }
        if is_xml(head) { AttachmentType::Xml } else { AttachmentType::Unknown }
    }

    /// The media type.
    pub fn as_str(self) -> &'static str {
        match self {
            AttachmentType::Jpeg => "image/jpeg",
            AttachmentType::Png => "image/png",
            AttachmentType::Tiff => "image/tiff",
            AttachmentType::Bmp => "image/bmp",
            AttachmentType::Pdf => "application/pdf",
            AttachmentType::Mp4 => "video/mp4",
            AttachmentType::Avi => "video/x-msvideo",
            AttachmentType::Xml => "application/xml",
            AttachmentType::Unknown => "application/octet-stream",
        }
    }

    /// Reads the media type kept in the table.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What a downloaded file's name ends with.
    pub fn extension(self) -> &'static str {
        match self {
            AttachmentType::Jpeg => "jpg",
            AttachmentType::Png => "png",
            AttachmentType::Tiff => "tif",
            AttachmentType::Bmp => "bmp",
            AttachmentType::Pdf => "pdf",
            AttachmentType::Mp4 => "mp4",
            AttachmentType::Avi => "avi",
            AttachmentType::Xml => "xml",
            AttachmentType::Unknown => "bin",
        }
    }

    /// What an attachment of this type is when nobody says it.
    pub fn usual_kind(self) -> AttachmentKind {
        match self {
            AttachmentType::Jpeg | AttachmentType::Png | AttachmentType::Tiff | AttachmentType::Bmp => {
                AttachmentKind::Capture
            }
            AttachmentType::Pdf => AttachmentKind::Report,
            AttachmentType::Mp4 | AttachmentType::Avi => AttachmentKind::Video,
            AttachmentType::Xml => AttachmentKind::Ecg,
            AttachmentType::Unknown => AttachmentKind::Other,
        }
    }

    /// Whether every browser shows it as a picture.
    pub fn is_picture(self) -> bool {
        matches!(self, AttachmentType::Jpeg | AttachmentType::Png | AttachmentType::Bmp)
    }

    /// Whether a page shows it within itself.
    pub fn is_within_page(self) -> bool {
        self.is_picture() || self == AttachmentType::Mp4
    }

    /// Whether it is a document of pages, which are shown as pictures.
    pub fn has_pages(self) -> bool {
        matches!(self, AttachmentType::Pdf | AttachmentType::Tiff)
    }

    /// Whether a browser may show it by itself; text that could hold a script never.
    pub fn is_inline(self) -> bool {
        self.is_within_page() || self == AttachmentType::Pdf
    }
}

/// `<` behind a byte order mark and white space, in UTF-8 or UTF-16.
fn is_xml(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if let Some(rest) = text.strip_prefix(b"\xFF\xFE") {
        return rest.starts_with(b"<\0");
    }
    if let Some(rest) = text.strip_prefix(b"\xFE\xFF") {
        return rest.starts_with(b"\0<");
    }
    let begin = text.iter().position(|byte| !byte.is_ascii_whitespace());
    begin.is_some_and(|at| {
        text[at] == b'<' && text.get(at + 1).is_some_and(|b| b"?!".contains(b) || b.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_says_what_a_file_is() {
        let cases: [(&[u8], AttachmentType); 9] = [
            (&[0xFF, 0xD8, 0xFF, 0xE0], AttachmentType::Jpeg),
            (b"\x89PNG\r\n\x1a\n...", AttachmentType::Png),
            (b"II*\0\x08", AttachmentType::Tiff),
            (b"%PDF-1.4", AttachmentType::Pdf),
            (b"\0\0\0\x20ftypisom", AttachmentType::Mp4),
            (b"\xEF\xBB\xBF\n <?xml version='1.0'?>", AttachmentType::Xml),
            (b"<AnnotatedECG>", AttachmentType::Xml),
            (b"MZ\x90\0", AttachmentType::Unknown),
            (b"", AttachmentType::Unknown),
        ];
        for (head, expected) in cases {
            assert_eq!(AttachmentType::of_content(head), expected, "{head:?}");
        }
    }

    #[test]
    fn words_read_back_as_what_they_were_written_for() {
        for kind in AttachmentKind::ALL {
            assert_eq!(AttachmentKind::parse(kind.as_str()), Some(kind));
        }
        for kind in AttachmentType::ALL {
            assert_eq!(AttachmentType::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(AttachmentKind::parse("../etc"), None);
    }
}
