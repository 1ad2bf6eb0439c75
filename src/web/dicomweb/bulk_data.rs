//! Long values under the addresses that metadata give (PS3.18 section 10.4.1.1.5).

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::access::{Caller, DicomwebState};
use super::frames::{self, OCTETS};
use super::multipart::{self, Part};
use super::negotiation::accepted;
use super::problem::Problem;
use super::request::{ImagePath, Parameters};
use crate::archive::images::image_access::StoredInstance;
use crate::archive::images::read_metadata::BulkData;
use crate::archive::images::read_object::Segment;

/// `GET …/bulkdata/{path}`
pub(super) async fn retrieve(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accepted = accepted(&headers, Parameters::read(query.as_deref())?.get("accept"));
    let instances = inner.archive.read_instances(&inner.access, &caller.reader, &path.uids()?, "bulk data").await?;
    let instance = instances.into_iter().next().ok_or_else(Problem::not_found)?;
    let at = path.path.unwrap_or_default();
    if is_content(&instance, &at) {
        caller.check_may_keep()?;
    }
    let content = match inner.archive.bulk_data(&inner.access, &instance, &at).await? {
        BulkData::Stored(part) => Segment::Stored(part),
        BulkData::Bytes(bytes) => Segment::Bytes(bytes),
        BulkData::Frames(count) => {
            let native = inner.archive.frame_source(&inner.access, &instance).await?.map.is_native();
            let form = frames::stored_form(&instance.transfer_syntax_uid, native, true);
            return frames::respond(&inner, &caller, instance, 1..=count, form).await;
        }
    };
    for one in accepted {
        if one.covers(OCTETS) {
            return multipart::ranged(&inner, &headers, OCTETS, vec![content]).await;
        }
        if one.covers_parts(OCTETS) {
            let location = format!("{}/bulkdata/{at}", caller.location(&instance));
            let part = Part { content_type: OCTETS.to_owned(), location, content: vec![content] };
            return multipart::respond(&inner, OCTETS, vec![part]).await;
        }
    }
    Err(Problem::not_acceptable("Values are given as application/octet-stream."))
}

/// Whether the value is what the object is for: a document, a curve. Pixels are looked at, and the tables beside them and
/// what a presentation state holds only say how.
fn is_content(instance: &StoredInstance, at: &str) -> bool {
    let says_how = instance.kind == "presentation" || at.starts_with("7FE0");
    !instance.has_pixels() && !says_how
}
