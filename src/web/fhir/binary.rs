//! `GET /fhir/Binary/{id}`: the file of a report, or an attachment (<https://hl7.org/fhir/R4/binary.html>): its bytes as they are, or as a
//! resource in base64 where the caller asks for `application/fhir+json`.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use serde_json::json;

use super::documents::attached_parts;
use super::outcome::{Outcome, resource};
use crate::archive::{Error, ReportCopy};
use crate::web::api::{ApiState, Caller, Code, Parameters, Problem};

/// Longest file that is given as a resource, in bytes; a longer one is asked for as it is.
const MOST_AS_RESOURCE: u64 = 16 * 1024 * 1024;

/// `GET /Binary/{id}`
pub(super) async fn read(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Outcome> {
    let parameters = Parameters::read(query.as_deref(), &["_format"])?;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = |text: &str| text.starts_with("application/fhir+json") || text.starts_with("application/json");
    let as_resource = matches!(parameters.one("_format")?, "json" | "application/fhir+json") || asked(accepts);
    let _turn = inner.turn().await?;
    let archive = &inner.archive;
    let (media_type, length, bytes) = match attached_parts(&id) {
        Some((report_id, pk)) => {
            let found = archive.pull_attachment(&caller.reader, report_id, pk).await?.ok_or(Code::Withdrawn)?;
            let length = found.place.length;
            (found.media_type.as_str().to_owned(), length, archive.attachment_bytes(&found, 0..length).await?)
        }
        None => {
            let file = archive.pull_report_file(&caller.reader, &id, ReportCopy::Stamped).await?;
            let file = file.ok_or(Code::Withdrawn)?;
            let length = file.length();
            let bytes = archive.pulled_bytes(&file, 0..length).await?;
            (file.media_type, length, bytes)
        }
    };
    if as_resource {
        if length > MOST_AS_RESOURCE {
            return Err(Problem::about(Code::TooLarge, "ask for the bytes: Accept: */*").into());
        }
        let bytes: Vec<u8> = bytes
            .try_fold(Vec::new(), |mut all, piece| async move {
                all.extend_from_slice(&piece);
                Ok(all)
            })
            .await
            .map_err(Error::from)?;
        let content = STANDARD.encode(bytes);
        let binary = json!({ "resourceType": "Binary", "id": id, "contentType": media_type, "data": content });
        return Ok(resource(StatusCode::OK, &binary));
    }
    let kind = HeaderValue::from_str(&media_type).map_err(|_| Code::Failed)?;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}
