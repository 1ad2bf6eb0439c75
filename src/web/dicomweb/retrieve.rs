//! Studies, series and instances as they are stored (PS3.18 section 10.4.1.1.1, WADO-RS).
//!
//! Files flow from the store in windows; the whole length is known beforehand, and one instance can be had in ranges. An
//! object is given in its own transfer syntax, which `transfer-syntax=*` and silence both accept.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::access::{Caller, DicomwebState, Inner};
use super::multipart::{self, Part};
use super::negotiation::accepted;
use super::problem::Problem;
use super::request::{ImagePath, Parameters};
use crate::archive::image_access::StoredInstance;
use crate::archive::read_object::{Segment, StoredBytes};

/// The media type of Part 10 files.
pub(super) const DICOM: &str = "application/dicom";

/// `GET` of a study, a series or an instance.
pub(super) async fn retrieve(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accepted = accepted(&headers, Parameters::read(query.as_deref())?.get("accept"));
    let multipart = accepted.iter().any(|one| one.covers_parts(DICOM));
    if !multipart && !accepted.iter().any(|one| one.covers(DICOM)) {
        return Err(not_acceptable());
    }
    let instances = inner.archive.read_instances(&inner.access, &caller.reader, &path.uids()?, "objects").await?;
    for one in accepted {
        if !instances.iter().all(|instance| one.takes(&instance.transfer_syntax_uid)) {
            continue;
        }
        if one.covers_parts(DICOM) {
            return all(&inner, &caller, &instances).await;
        }
        if let ([instance], true) = (instances.as_slice(), one.covers(DICOM)) {
            let content_type = content_type(instance);
            return multipart::ranged(&inner, &headers, &content_type, StoredBytes::file(instance)).await;
        }
    }
    Err(not_acceptable())
}

fn not_acceptable() -> Problem {
    Problem::not_acceptable(
        "Objects are given as multipart/related; type=\"application/dicom\", one instance also as application/dicom, in \
         the transfer syntax in which they are stored.",
    )
}

async fn all(inner: &Inner, caller: &Caller, instances: &[StoredInstance]) -> Result<Response, Problem> {
    let part = |instance: &StoredInstance| Part {
        content_type: content_type(instance),
        location: caller.location(instance),
        content: Segment::Stored(StoredBytes::file(instance)),
    };
    multipart::respond(inner, DICOM, instances.iter().map(part).collect()).await
}

/// With the transfer syntax, without which readers take implicit little endian.
pub(super) fn content_type(instance: &StoredInstance) -> String {
    format!("{DICOM}; transfer-syntax={}", instance.transfer_syntax_uid)
}
