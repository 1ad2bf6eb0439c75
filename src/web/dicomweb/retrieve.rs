//! Studies, series and instances (PS3.18 sections 8.7.3.5.2 and 10.4.1.1.1, WADO-RS).
//!
//! Objects that are given as they are stored flow from the store in windows; the whole length is known beforehand, and one
//! instance can be had in ranges. Without `transfer-syntax` Explicit VR Little Endian is meant: what can be converted to it
//! is, the rest comes as it is stored.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::access::{Caller, DicomwebState, Inner};
use super::multipart::{self, Part, boundary, part_head, tail};
use super::negotiation::{Accepted, accepted};
use super::problem::Problem;
use super::request::{ImagePath, Parameters};
use super::zip;
use crate::archive::images::image_access::StoredInstance;
use crate::archive::images::read_object::{Segment, given_file};
use crate::archive::peers::send_data_set::Sending;
use crate::archive::{Archive, Error};
use crate::dicom::convert::is_convertible;
use crate::dicom::transfer_syntax::EXPLICIT_VR_LITTLE_ENDIAN;

/// The media type of Part 10 files.
pub(super) const DICOM: &str = "application/dicom";
/// Objects that are converted ahead of the one that is being sent.
const AHEAD: usize = 1;

/// In which transfer syntax an object is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Syntax {
    /// As it is stored.
    Stored,
    /// Converted.
    Converted(String),
    /// Converted if that succeeds, as it is stored if not: nothing was asked for.
    Preferred(&'static str),
}

/// What a parameter `transfer-syntax` means for an object; `None` when it cannot be given so.
pub(super) fn syntax(asked: Option<&str>, stored: &str) -> Option<Syntax> {
    match asked {
        Some("*") => Some(Syntax::Stored),
        Some(asked) if asked == stored => Some(Syntax::Stored),
        Some(asked) => is_convertible(stored, asked).then(|| Syntax::Converted(asked.to_owned())),
        None if stored == EXPLICIT_VR_LITTLE_ENDIAN => Some(Syntax::Stored),
        None if is_convertible(stored, EXPLICIT_VR_LITTLE_ENDIAN) => Some(Syntax::Preferred(EXPLICIT_VR_LITTLE_ENDIAN)),
        None => Some(Syntax::Stored),
    }
}

/// `GET` of a study, a series or an instance.
pub(super) async fn retrieve(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accepted = accepted(&headers, Parameters::read(query.as_deref())?.get("accept"));
    let known = |one: &Accepted| one.covers_parts(DICOM) || one.covers(DICOM) || one.covers(zip::MEDIA_TYPE);
    if !accepted.iter().any(known) {
        return Err(not_acceptable());
    }
    caller.check_may_keep()?;
    let instances = inner.archive.read_instances(&inner.access, &caller.reader, &path.uids()?, "objects").await?;
    for one in accepted {
        let asked = one.transfer_syntax.as_deref();
        let syntaxes = instances.iter().map(|instance| syntax(asked, &instance.transfer_syntax_uid));
        let Some(syntaxes) = syntaxes.collect::<Option<Vec<Syntax>>>() else { continue };
        if one.covers_parts(DICOM) {
            if syntaxes.iter().all(|syntax| *syntax == Syntax::Stored) {
                return all(&inner, &caller, &instances).await;
            }
            return converted(&inner, caller, instances.into_iter().zip(syntaxes).collect()).await;
        }
        if let ([instance], [syntax], true) = (instances.as_slice(), syntaxes.as_slice(), one.covers(DICOM)) {
            return single(&inner, &headers, instance, syntax).await;
        }
        // As everything is stored, unless something else is asked for.
        if one.media_type == zip::MEDIA_TYPE {
            let stored = |syntax| if asked.is_none() { Syntax::Stored } else { syntax };
            let files = instances.into_iter().zip(syntaxes.into_iter().map(stored)).collect();
            return zip::respond(&inner, files).await;
        }
    }
    Err(not_acceptable())
}

fn not_acceptable() -> Problem {
    Problem::not_acceptable(
        "Objects are given as multipart/related; type=\"application/dicom\", as application/zip, one \
         instance also as application/dicom, in the transfer syntax in which they are stored or one without compression.",
    )
}

async fn all(inner: &Inner, caller: &Caller, instances: &[StoredInstance]) -> Result<Response, Problem> {
    let part = |instance: &StoredInstance| Part {
        content_type: content_type(&instance.transfer_syntax_uid),
        location: caller.location(instance),
        content: given_file(instance).into(),
    };
    multipart::respond(inner, DICOM, instances.iter().map(part).collect()).await
}

/// One object alone. What is converted comes whole, whatever `Range` says.
pub(super) async fn single(
    inner: &Inner,
    headers: &HeaderMap,
    instance: &StoredInstance,
    syntax: &Syntax,
) -> Result<Response, Problem> {
    if *syntax == Syntax::Stored {
        let content_type = content_type(&instance.transfer_syntax_uid);
        return multipart::ranged(inner, headers, &content_type, given_file(instance).into()).await;
    }
    let file = open(&inner.archive, &inner.sending, instance, syntax).await?;
    let content_type = content_type(&file.transfer_syntax);
    multipart::streamed(inner, StatusCode::OK, &content_type, Some(file.length), file.pieces).await
}

/// Objects of which some are converted: each is whole before its first byte leaves, so that it is given unbroken.
async fn converted(inner: &Inner, caller: Caller, wanted: Vec<(StoredInstance, Syntax)>) -> Result<Response, Problem> {
    let (archive, sending) = (inner.archive.clone(), inner.sending.clone());
    let open = move |(instance, syntax): (StoredInstance, Syntax)| {
        let (archive, sending, location) = (archive.clone(), sending.clone(), caller.location(&instance));
        async move { Ok::<_, Error>((open(&archive, &sending, &instance, &syntax).await?, location)) }
    };
    let mut files = stream::iter(wanted).map(open).buffered(1 + AHEAD).boxed();
    // The first is opened now, so that its error can still be the answer.
    let first = files.next().await.ok_or_else(Problem::not_found)??;
    let boundary = boundary();
    let (whole_type, end) = (multipart::content_type(DICOM, &boundary), tail(&boundary));
    let mut is_first = true;
    let parts = stream::once(async { Ok(first) }).chain(files).map_ok(move |(file, location)| {
        let content_type = content_type(&file.transfer_syntax);
        let head = part_head(&boundary, is_first, &content_type, Some(file.length), &location);
        is_first = false;
        stream::once(async { Ok(head) }).chain(file.pieces)
    });
    let stream = parts.try_flatten().chain(stream::once(async { Ok(end) })).boxed();
    multipart::streamed(inner, StatusCode::OK, &whole_type, None, stream).await
}

/// A file on its way out.
pub(super) struct File {
    pub(super) transfer_syntax: String,
    pub(super) length: u64,
    pub(super) pieces: BoxStream<'static, Result<Bytes, Error>>,
}

/// Opens a file; its length is known then.
pub(super) async fn open(
    archive: &Archive,
    sending: &Sending,
    instance: &StoredInstance,
    syntax: &Syntax,
) -> Result<File, Error> {
    let to = match syntax {
        Syntax::Stored => None,
        Syntax::Converted(to) => Some(to.as_str()),
        Syntax::Preferred(to) => Some(*to),
    };
    if let Some(to) = to {
        match archive.converted_file(instance, to, sending).await {
            Ok(file) => return Ok(File { transfer_syntax: to.to_owned(), length: file.length, pieces: file.pieces }),
            Err(error @ (Error::Invalid(_) | Error::TooLarge { .. })) if matches!(syntax, Syntax::Preferred(_)) => {
                tracing::debug!(instance.uid = %instance.sop_instance_uid, %error, "given as it is stored");
            }
            Err(error) => return Err(error),
        }
    }
    let whole = given_file(instance);
    Ok(File {
        transfer_syntax: instance.transfer_syntax_uid.clone(),
        length: whole.iter().map(Segment::length).sum(),
        pieces: archive.stream_segments(whole.into_iter()),
    })
}

/// With the transfer syntax, without which readers take implicit little endian.
pub(super) fn content_type(transfer_syntax: &str) -> String {
    format!("{DICOM}; transfer-syntax={transfer_syntax}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_means_explicit_little_endian_where_that_can_be_had() {
        let (jpeg, video, implicit) = ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2");
        let explicit = EXPLICIT_VR_LITTLE_ENDIAN;
        for (asked, stored, expected) in [
            (None, explicit, Some(Syntax::Stored)),
            (None, jpeg, Some(Syntax::Preferred(explicit))),
            (None, implicit, Some(Syntax::Preferred(explicit))),
            (None, video, Some(Syntax::Stored)),
            (Some("*"), jpeg, Some(Syntax::Stored)),
            (Some(jpeg), jpeg, Some(Syntax::Stored)),
            (Some(implicit), jpeg, Some(Syntax::Converted(implicit.to_owned()))),
            (Some(explicit), video, None),
            (Some(jpeg), explicit, None),
        ] {
            assert_eq!(syntax(asked, stored), expected, "{asked:?} of {stored}");
        }
    }
}
