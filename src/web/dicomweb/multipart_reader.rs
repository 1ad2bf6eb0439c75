//! Reads `multipart/related` while it arrives (RFC 2046 section 5.1): no part is ever whole in memory.
//!
//! The peer's word is taken for nothing but the boundary: lengths in heads of parts are not looked at, everything that is
//! read has a limit, and every pause and the whole request have an end.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use memchr::memmem::Finder;
use tokio::time::{Instant, timeout, timeout_at};

use super::negotiation::{parameter, split_outside_quotes};

/// Longest boundary. RFC 2046 allows 70 bytes; Orthanc writes two UUIDs, which are 73.
const MOST_BOUNDARY_BYTES: usize = 200;
/// Blanks behind a boundary, in its line.
const MOST_BLANKS: usize = 64;
/// What may stand in front of the first part.
const MOST_PREAMBLE_BYTES: usize = 64 << 10;

/// Bounds of reading.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// The whole body.
    pub(super) max_bytes: u64,
    /// Number of parts.
    pub(super) max_parts: usize,
    /// The head of a part.
    pub(super) max_head_bytes: usize,
    /// A pause.
    pub(super) idle: Duration,
    /// The whole request.
    pub(super) whole: Duration,
}

/// Why reading ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    #[error("the request broke off")]
    Broken,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("the request is larger than the limit")]
    TooLarge,
    #[error("the request has too many parts")]
    TooManyParts,
    #[error("the request pauses or lasts too long")]
    TooSlow,
}

/// The type of a body, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentType {
    pub(super) media_type: String,
    pub(super) part_type: Option<String>,
    pub(super) boundary: Option<String>,
}

impl ContentType {
    pub(super) fn read(text: &str) -> Self {
        let mut pieces = split_outside_quotes(text, ';').into_iter();
        let media_type = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
        let (mut part_type, mut boundary) = (None, None);
        for (name, value) in pieces.filter_map(|piece| parameter(&piece)) {
            match name.as_str() {
                "type" => part_type = Some(value.to_ascii_lowercase()),
                "boundary" => boundary = Some(value),
                _ => {}
            }
        }
        let usable = |boundary: &String| !boundary.is_empty() && boundary.len() <= MOST_BOUNDARY_BYTES;
        Self { media_type, part_type, boundary: boundary.filter(usable) }
    }
}

/// A body that is read by and by.
pub(super) struct Incoming {
    body: BodyDataStream,
    idle: Duration,
    deadline: Instant,
    left: u64,
}

impl Incoming {
    pub(super) fn new(body: BodyDataStream, limits: &Limits) -> Self {
        Self { body, idle: limits.idle, deadline: Instant::now() + limits.whole, left: limits.max_bytes }
    }

    /// The next bytes; `None` at the end of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let next = timeout_at(self.deadline, timeout(self.idle, self.body.next()));
        match next.await.map_err(|_| ReadError::TooSlow)?.map_err(|_| ReadError::TooSlow)? {
            None => Ok(None),
            Some(Err(_)) => Err(ReadError::Broken),
            Some(Ok(bytes)) => {
                self.left = self.left.checked_sub(bytes.len() as u64).ok_or(ReadError::TooLarge)?;
                Ok(Some(bytes))
            }
        }
    }
}

/// A multipart body.
pub(super) struct MultipartReader {
    body: Incoming,
    buffer: BytesMut,
    delimiter: Finder<'static>,
    limits: Limits,
    parts: usize,
    /// Whether a part has begun and its end has not been seen.
    in_part: bool,
    is_over: bool,
}

impl MultipartReader {
    pub(super) fn new(body: BodyDataStream, boundary: &str, limits: Limits) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            body: Incoming::new(body, &limits),
            // The first delimiter need not have a line in front of it.
            buffer: BytesMut::from("\r\n"),
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            limits,
            parts: 0,
            in_part: false,
            is_over: false,
        }
    }

    /// The media type of the next part; `None` when there are no more. The part before must have been read to its end.
    pub(super) async fn next_part(&mut self) -> Result<Option<ContentType>, ReadError> {
        if self.parts == 0 {
            self.skip_preamble().await?;
        }
        if self.is_over {
            return Ok(None);
        }
        if self.parts == self.limits.max_parts {
            return Err(ReadError::TooManyParts);
        }
        self.parts += 1;
        let head = self.head().await?;
        self.in_part = true;
        Ok(Some(head))
    }

    /// The next bytes of the part; `None` at its end, however often it is asked for.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ReadError> {
        while self.in_part {
            if let Some(at) = self.delimiter.find(&self.buffer) {
                if at > 0 {
                    return Ok(Some(self.buffer.split_to(at).freeze()));
                }
                self.end_of_delimiter().await?;
                self.in_part = false;
                break;
            }
            // The delimiter may have begun in the last bytes.
            let safe = self.buffer.len().saturating_sub(self.delimiter.needle().len() - 1);
            if safe > 0 {
                return Ok(Some(self.buffer.split_to(safe).freeze()));
            }
            self.fill().await?;
        }
        Ok(None)
    }

    async fn fill(&mut self) -> Result<(), ReadError> {
        let bytes = self.body.next().await?.ok_or(ReadError::Malformed("the last boundary is missing"))?;
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }

    async fn skip_preamble(&mut self) -> Result<(), ReadError> {
        loop {
            if let Some(at) = self.delimiter.find(&self.buffer) {
                drop(self.buffer.split_to(at));
                return self.end_of_delimiter().await;
            }
            if self.buffer.len() > MOST_PREAMBLE_BYTES {
                return Err(ReadError::Malformed("the boundary does not come"));
            }
            self.fill().await?;
        }
    }

    /// Takes the delimiter at the buffer's beginning, and sees whether it is the last.
    async fn end_of_delimiter(&mut self) -> Result<(), ReadError> {
        let length = self.delimiter.needle().len();
        loop {
            let rest = &self.buffer[length..];
            if rest.starts_with(b"--") {
                self.is_over = true;
                return Ok(());
            }
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            if blanks > MOST_BLANKS {
                return Err(ReadError::Malformed("something follows the boundary in its line"));
            }
            match rest[blanks..] {
                [b'\r', b'\n', ..] => {
                    // The line break stays: an empty head begins with it.
                    drop(self.buffer.split_to(length + blanks));
                    return Ok(());
                }
                [] | [b'\r'] => self.fill().await?,
                [b'-'] if blanks == 0 => self.fill().await?,
                _ => return Err(ReadError::Malformed("something follows the boundary in its line")),
            }
        }
    }

    async fn head(&mut self) -> Result<ContentType, ReadError> {
        let end = loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                if at > self.limits.max_head_bytes {
                    return Err(ReadError::Malformed("the head of a part is too long"));
                }
                break at;
            }
            // The end may have begun.
            if self.buffer.len() > self.limits.max_head_bytes + 3 {
                return Err(ReadError::Malformed("the head of a part is too long"));
            }
            self.fill().await?;
        };
        let head = self.buffer.split_to(end);
        // Two bytes of line break stay: the content may be empty, and its delimiter begins with them.
        drop(self.buffer.split_to(2));
        if !self.is_at_delimiter().await? {
            drop(self.buffer.split_to(2));
        }
        let text = String::from_utf8_lossy(&head);
        let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
        let content_type = lines.filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-type")).map(|(_, v)| v);
        Ok(ContentType::read(content_type.last().unwrap_or_default()))
    }

    /// Whether a delimiter begins at the buffer's beginning.
    async fn is_at_delimiter(&mut self) -> Result<bool, ReadError> {
        let needle = self.delimiter.needle().len();
        while self.buffer.len() < needle && self.delimiter.needle().starts_with(&self.buffer) {
            self.fill().await?;
        }
        Ok(self.buffer.starts_with(self.delimiter.needle()))
    }
}

/// Reads a whole body that comes in these chunks; gives its parts, or why it is none. For what is at hand already, and
/// for fuzzing: requests are never read whole.
pub async fn parts_of(content_type: &str, chunks: Vec<Bytes>, max_parts: usize) -> Result<Vec<Vec<u8>>, String> {
    let boundary = ContentType::read(content_type).boundary.ok_or("no boundary")?;
    let patience = Duration::from_secs(60);
    let limits = Limits { max_bytes: u64::MAX, max_parts, max_head_bytes: 8192, idle: patience, whole: patience };
    let body = Body::from_stream(futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::convert::Infallible>)));
    let mut reader = MultipartReader::new(body.into_data_stream(), &boundary, limits);
    let mut parts = Vec::new();
    while reader.next_part().await.map_err(|error| error.to_string())?.is_some() {
        let mut part = Vec::new();
        while let Some(bytes) = reader.chunk().await.map_err(|error| error.to_string())? {
            part.extend_from_slice(&bytes);
        }
        parts.push(part);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::stream;

    use super::*;

    fn limits() -> Limits {
        Limits {
            max_bytes: 100_000,
            max_parts: 4,
            max_head_bytes: 100,
            idle: Duration::from_secs(5),
            whole: Duration::from_secs(5),
        }
    }

    type Parts = Vec<(String, Vec<u8>)>;

    async fn parts(body: &[u8], step: usize) -> Result<Parts, ReadError> {
        let pieces: Vec<_> = body.chunks(step).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect();
        let stream = Body::from_stream(stream::iter(pieces)).into_data_stream();
        let mut reader = MultipartReader::new(stream, "b0", limits());
        let mut found = Vec::new();
        while let Some(kind) = reader.next_part().await? {
            let mut content = Vec::new();
            while let Some(chunk) = reader.chunk().await? {
                content.extend_from_slice(&chunk);
            }
            assert_eq!(reader.chunk().await, Ok(None), "the end stays the end");
            found.push((kind.media_type, content));
        }
        Ok(found)
    }

    #[tokio::test]
    async fn parts_are_the_same_however_they_are_cut() {
        let body = b"preamble\r\n--b0\r\nContent-Type: application/dicom; x=\"a;b\"\r\nX: y\r\n\r\none\r\n--b \r\n--b0 \t\r\n\r\n\
                     \r\n--b0\r\ncontent-type: A/B\r\n\r\n\r\n--b0--\r\nepilogue";
        let expected: Parts = vec![
            ("application/dicom".to_owned(), b"one\r\n--b ".to_vec()),
            (String::new(), Vec::new()),
            ("a/b".to_owned(), Vec::new()),
        ];
        for step in [1, 2, 3, 7, 20, 1000] {
            assert_eq!(parts(body, step).await.unwrap(), expected, "{step}");
        }
        assert_eq!(parts(b"--b0--", 1).await.unwrap(), Parts::new());
        assert_eq!(parts(b"--b0\r\n\r\nx\r\n--b0--", 1).await.unwrap(), [(String::new(), b"x".to_vec())]);
    }

    #[tokio::test]
    async fn everything_has_its_limit() {
        let malformed = |result: Result<Parts, ReadError>| matches!(result, Err(ReadError::Malformed(_)));
        assert!(malformed(parts(b"--other\r\n\r\nx\r\n--other--", 9).await));
        assert!(malformed(parts(b"--b0\r\n\r\nnever ends", 9).await));
        assert!(malformed(parts(b"--b0x\r\n\r\nx\r\n--b0--", 9).await));
        let head = [b"--b0\r\nA: ".as_slice(), &[b'a'; 200], b"\r\n\r\nx\r\n--b0--"].concat();
        assert!(malformed(parts(&head, 1000).await) && malformed(parts(&head, 1).await));
        // Limits do not depend on how the body is cut.
        let long_head = |n| [b"--b0\r\nA: ".as_slice(), &vec![b'a'; n], b"\r\n\r\nx\r\n--b0--"].concat();
        let blanks = |n| [b"--b0".as_slice(), &vec![b' '; n], b"\r\n\r\nx\r\n--b0--"].concat();
        for step in [1, 7, 1000] {
            assert!(
                parts(&long_head(95), step).await.is_ok() && malformed(parts(&long_head(96), step).await),
                "{step}"
            );
            assert!(parts(&blanks(64), step).await.is_ok() && malformed(parts(&blanks(65), step).await), "{step}");
        }
        let preamble = [vec![b'x'; 70_000], b"\r\n--b0\r\n\r\nx\r\n--b0--".to_vec()].concat();
        assert!(malformed(parts(&preamble, 1000).await));
        let many = b"--b0\r\n\r\nx\r\n--b0\r\n\r\nx\r\n--b0\r\n\r\nx\r\n--b0\r\n\r\nx\r\n--b0\r\n\r\nx\r\n--b0--";
        assert_eq!(parts(many, 9).await, Err(ReadError::TooManyParts));
        let large = [b"--b0\r\n\r\n".to_vec(), vec![b'x'; 200_000]].concat();
        assert_eq!(parts(&large, 1000).await, Err(ReadError::TooLarge));
    }

    #[tokio::test]
    async fn a_silent_peer_is_not_waited_for() {
        let stream = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()).into_data_stream();
        let limits = Limits { idle: Duration::from_millis(20), ..limits() };
        let mut reader = MultipartReader::new(stream, "b0", limits);
        assert_eq!(reader.next_part().await, Err(ReadError::TooSlow));
    }

    #[test]
    fn content_types_are_read() {
        let kind = ContentType::read("Multipart/Related; type=\"application/dicom\"; boundary=\"a b;c\"");
        assert_eq!(kind.media_type, "multipart/related");
        assert_eq!(kind.part_type.as_deref(), Some("application/dicom"));
        assert_eq!(kind.boundary.as_deref(), Some("a b;c"));
        assert_eq!(ContentType::read(&format!("multipart/related; boundary={}", "x".repeat(201))).boundary, None);
    }
}
