//! Frames of an instance (PS3.18 section 10.4.1.1.6): as they are compressed, or without compression.
//!
//! Each part says its transfer syntax, because readers take implicit little endian without it. Compressed frames are given
//! under their own media type; they are decompressed only when that is what the caller takes.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use super::access::{Caller, DicomwebState, Inner};
use super::multipart::{self, boundary, part_head, tail};
use super::negotiation::{Accepted, accepted};
use super::problem::Problem;
use super::request::{ImagePath, Parameters};
use crate::archive::images::image_access::StoredInstance;
use crate::archive::{Archive, Error};
use crate::dicom::transfer_syntax::EXPLICIT_VR_LITTLE_ENDIAN;

/// The media type of uncompressed frames and of everything that has none of its own.
pub(super) const OCTETS: &str = "application/octet-stream";
/// Frames read ahead of the one that is being sent.
const AHEAD: usize = 2;

/// In what form frames are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FrameForm {
    media_type: &'static str,
    transfer_syntax: String,
    decoded: bool,
    multipart: bool,
}

impl FrameForm {
    fn content_type(&self) -> String {
        format!("{}; transfer-syntax={}", self.media_type, self.transfer_syntax)
    }
}

/// `GET …/frames/{frames}`
pub(super) async fn retrieve(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let numbers = path.frame_numbers()?;
    let accepted = accepted(&headers, Parameters::read(query.as_deref())?.get("accept"));
    let instances = inner.archive.read_instances(&inner.access, &caller.reader, &path.uids()?, "frames").await?;
    let instance = instances.into_iter().next().ok_or_else(Problem::not_found)?;
    let source = inner.archive.frame_source(&inner.access, &instance).await?;
    if numbers.iter().any(|number| *number > source.header.frames) {
        return Err(Problem::not_found());
    }
    let native = source.map.is_native();
    let choose = |one: &Accepted| form(one, &instance.transfer_syntax_uid, native, numbers.len() == 1);
    let form = accepted.iter().find_map(choose).ok_or_else(|| {
        Problem::not_acceptable(
            "Frames are given as application/octet-stream, or under the media type of their compression.",
        )
    })?;
    respond(&inner, &caller, instance, numbers, form).await
}

/// Sends frames in a form.
pub(super) async fn respond(
    inner: &Inner,
    caller: &Caller,
    instance: StoredInstance,
    numbers: impl IntoIterator<Item = u32, IntoIter: Send + 'static>,
    form: FrameForm,
) -> Result<Response, Problem> {
    let content_type = form.content_type();
    let (archive, access, decoded) = (inner.archive.clone(), inner.access.clone(), form.decoded);
    let location = caller.location(&instance);
    let read = move |number: u32| {
        let (archive, access, instance) = (archive.clone(), access.clone(), instance.clone());
        async move { Ok::<_, Error>((number, frame(&archive, &access, &instance, number, decoded).await?)) }
    };
    let mut frames = stream::iter(numbers).map(read).buffered(1 + AHEAD).boxed();
    // The first is read now, so that its error can still be the answer.
    let first = frames.next().await.ok_or_else(Problem::not_found)??;
    if !form.multipart {
        let length = Some(first.1.len() as u64);
        let stream = stream::once(async { Ok(first.1) }).boxed();
        return multipart::streamed(inner, StatusCode::OK, &content_type, length, stream).await;
    }
    let boundary = boundary();
    let whole_type = multipart::content_type(form.media_type, &boundary);
    let end = tail(&boundary);
    let mut is_first = true;
    let parts = stream::once(async { Ok(first) }).chain(frames).flat_map(move |read| {
        let pieces = match read {
            Ok((number, bytes)) => {
                let at = format!("{location}/frames/{number}");
                let head = part_head(&boundary, is_first, &content_type, Some(bytes.len() as u64), &at);
                is_first = false;
                vec![Ok(head), Ok(bytes)]
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    });
    let stream = parts.chain(stream::once(async { Ok(end) })).boxed();
    multipart::streamed(inner, StatusCode::OK, &whole_type, None, stream).await
}

async fn frame(
    archive: &Archive,
    access: &crate::archive::images::image_access::ImageAccess,
    instance: &StoredInstance,
    number: u32,
    decoded: bool,
) -> Result<Bytes, Error> {
    match decoded {
        true => archive.read_native_frame(access, instance, number).await,
        false => archive.read_frame(access, instance, number).await,
    }
}

/// The form in which frames are stored, for whoever takes anything.
pub(super) fn stored_form(transfer_syntax: &str, native: bool, multipart: bool) -> FrameForm {
    if native {
        let transfer_syntax = EXPLICIT_VR_LITTLE_ENDIAN.to_owned();
        return FrameForm { media_type: OCTETS, transfer_syntax, decoded: false, multipart };
    }
    let media_type = media_type_of(transfer_syntax);
    FrameForm { media_type, transfer_syntax: transfer_syntax.to_owned(), decoded: false, multipart }
}

/// The form that one acceptable media type means for frames stored so; `None` when it does not fit.
fn form(accepted: &Accepted, transfer_syntax: &str, native: bool, is_single: bool) -> Option<FrameForm> {
    let stored = stored_form(transfer_syntax, native, true);
    let asks_any = accepted.transfer_syntax.as_deref() == Some("*");
    let single = |media_type: &str| is_single && accepted.media_type != "*/*" && accepted.covers(media_type);
    let covers = |media_type: &str| accepted.covers_parts(media_type) || single(media_type);
    if is_misread(transfer_syntax) && covers(OCTETS) && accepted.takes(EXPLICIT_VR_LITTLE_ENDIAN) {
        let multipart = accepted.covers_parts(OCTETS);
        let transfer_syntax = EXPLICIT_VR_LITTLE_ENDIAN.to_owned();
        return Some(FrameForm { media_type: OCTETS, transfer_syntax, decoded: true, multipart });
    }
    let multipart = accepted.covers_parts(stored.media_type) || accepted.covers_parts(OCTETS);
    if covers(stored.media_type) && accepted.takes(&stored.transfer_syntax) {
        return Some(FrameForm { multipart, ..stored });
    }
    if !covers(OCTETS) {
        return None;
    }
    // Viewers ask for octets in any transfer syntax and mean: as it is stored.
    if asks_any || accepted.transfer_syntax.as_deref() == Some(transfer_syntax) {
        return Some(FrameForm { multipart, ..stored });
    }
    let wants_plain = accepted.takes(EXPLICIT_VR_LITTLE_ENDIAN);
    let plain = FrameForm {
        media_type: OCTETS,
        transfer_syntax: EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        decoded: !native,
        multipart,
    };
    wants_plain.then_some(plain)
}

/// Whether browsers decode such frames wrongly, 12 bits too bright: who takes anything gets them without compression.
fn is_misread(transfer_syntax: &str) -> bool {
    matches!(transfer_syntax, "1.2.840.10008.1.2.4.51" | "1.2.840.10008.1.2.4.53" | "1.2.840.10008.1.2.4.55")
}

/// PS3.18 table 8.7.3-5 and what came after it.
pub(super) fn media_type_of(transfer_syntax: &str) -> &'static str {
    let known = transfer_syntax.strip_prefix("1.2.840.10008.1.2.");
    match known.unwrap_or_default() {
        "4.50" | "4.51" | "4.57" | "4.70" => "image/jpeg",
        "4.80" | "4.81" => "image/jls",
        "4.90" | "4.91" => "image/jp2",
        "4.92" | "4.93" => "image/jpx",
        "4.110" | "4.111" | "4.112" => "image/jxl",
        "4.201" | "4.202" | "4.203" => "image/jphc",
        "5" => "image/dicom-rle",
        "4.100" | "4.100.1" | "4.101" | "4.101.1" => "video/mpeg",
        "4.102" | "4.102.1" | "4.103" | "4.103.1" | "4.104" | "4.104.1" | "4.105" | "4.105.1" | "4.106" | "4.106.1"
        | "4.107" | "4.108" => "video/mp4",
        _ => OCTETS,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    const JPEG: &str = "1.2.840.10008.1.2.4.70";

    fn chosen(accept: &str, transfer_syntax: &str, native: bool, single: bool) -> Option<(String, bool, bool)> {
        let accepted = accepted(&HeaderMap::new(), Some(accept));
        let form = accepted.iter().find_map(|one| form(one, transfer_syntax, native, single))?;
        Some((form.content_type(), form.decoded, form.multipart))
    }

    #[test]
    fn frames_are_given_as_the_caller_takes_them() {
        let plain = format!("{OCTETS}; transfer-syntax={EXPLICIT_VR_LITTLE_ENDIAN}");
        let jpeg = format!("image/jpeg; transfer-syntax={JPEG}");
        let octets = "multipart/related; type=\"application/octet-stream\"";
        assert_eq!(chosen(octets, "1.2.840.10008.1.2", true, true), Some((plain.clone(), false, true)));
        assert_eq!(chosen("*/*", "1.2.840.10008.1.2.1", true, true), Some((plain.clone(), false, true)));
        assert_eq!(chosen(OCTETS, "1.2.840.10008.1.2.1", true, true), Some((plain.clone(), false, false)));
        assert_eq!(chosen(OCTETS, "1.2.840.10008.1.2.1", true, false), None);
        assert_eq!(chosen(octets, JPEG, false, true), Some((plain, true, true)));
        assert_eq!(
            chosen(&format!("{octets}; transfer-syntax=*"), JPEG, false, true),
            Some((jpeg.clone(), false, true))
        );
        assert_eq!(
            chosen("multipart/related; type=\"image/jpeg\"", JPEG, false, false),
            Some((jpeg.clone(), false, true))
        );
        assert_eq!(chosen("image/jpeg", JPEG, false, true), Some((jpeg, false, false)));
        assert_eq!(chosen("image/jls", JPEG, false, true), None);
        assert_eq!(chosen("image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50", JPEG, false, true), None);
    }

    #[test]
    fn jpeg_that_browsers_misread_is_given_without_compression_unless_it_is_named() {
        let plain = Some((format!("{OCTETS}; transfer-syntax={EXPLICIT_VR_LITTLE_ENDIAN}"), true, true));
        let octets = "multipart/related; type=\"application/octet-stream\"";
        for (number, media_type) in [("51", "image/jpeg"), ("53", OCTETS), ("55", OCTETS)] {
            let syntax = format!("1.2.840.10008.1.2.4.{number}");
            assert_eq!(chosen(octets, &syntax, false, true), plain);
            assert_eq!(chosen(&format!("{octets}; transfer-syntax=*"), &syntax, false, true), plain, "{syntax}");
            assert_eq!(chosen("*/*", &syntax, false, true), plain, "{syntax}");
            let named = format!("multipart/related; type=\"{media_type}\"; transfer-syntax={syntax}");
            let stored = Some((format!("{media_type}; transfer-syntax={syntax}"), false, true));
            assert_eq!(chosen(&named, &syntax, false, true), stored, "who names it gets it");
        }
    }
}
