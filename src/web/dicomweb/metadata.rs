//! Attributes without long values (PS3.18 section 10.4.1.1.2): DICOM JSON, or XML in parts.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::access::{Caller, DicomwebState, Inner};
use super::gzip::gzip;
use super::multipart::{self, boundary, part_head, tail};
use super::negotiation::accepted;
use super::problem::Problem;
use super::request::{ImagePath, Parameters};
use crate::archive::Error;
use crate::archive::images::image_access::StoredInstance;
use crate::dicom::model::{DataSet, Value};
use crate::dicom::{json, native_xml};
use crate::web::viewer_files::accepts;

/// (0008,3002).
const AVAILABLE_TRANSFER_SYNTAX_UID: (u16, u16) = (0x0008, 0x3002);
/// (0042,0011).
const ENCAPSULATED_DOCUMENT: (u16, u16) = (0x0042, 0x0011);
/// Instances whose metadata are sent together when they are ready together.
const TOGETHER: usize = 64;

/// `GET …/metadata`
pub(super) async fn retrieve(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = form(&headers, Parameters::read(query.as_deref())?.get("accept"))?;
    let instances = inner.archive.read_instances(&inner.access, &caller.reader, &path.uids()?, "metadata").await?;
    match form {
        Form::Json => as_json(&inner, &headers, caller, instances).await,
        Form::Xml => as_xml(&inner, caller, instances).await,
    }
}

/// How data sets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Xml,
}

/// JSON unless something else is asked for.
pub(super) fn form(headers: &HeaderMap, parameter: Option<&str>) -> Result<Form, Problem> {
    for one in accepted(headers, parameter) {
        if one.covers(json::MEDIA_TYPE) || one.covers("application/json") {
            return Ok(Form::Json);
        }
        if one.covers_parts(native_xml::MEDIA_TYPE) || one.covers(native_xml::MEDIA_TYPE) {
            return Ok(Form::Xml);
        }
    }
    Err(Problem::not_acceptable(
        "Attributes are given as application/dicom+json or multipart/related; type=\"application/dicom+xml\".",
    ))
}

async fn as_json(
    inner: &Inner,
    headers: &HeaderMap,
    caller: Caller,
    instances: Vec<StoredInstance>,
) -> Result<Response, Problem> {
    let models = models(inner, &caller, instances).await?;
    let mut is_first = true;
    let items = models.map_ok(move |(instance, set)| {
        let mut out = vec![if is_first { b'[' } else { b',' }];
        is_first = false;
        json::write(&mut out, &set, &bulk_root(&caller, &instance));
        Bytes::from(out)
    });
    let stream = together(items.chain(stream::once(async { Ok(Bytes::from_static(b"]")) })).boxed());
    if !accepts(headers, "gzip") {
        return multipart::streamed(inner, StatusCode::OK, json::MEDIA_TYPE, None, stream).await;
    }
    let mut response = multipart::streamed(inner, StatusCode::OK, json::MEDIA_TYPE, None, gzip(stream)).await?;
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    Ok(response)
}

async fn as_xml(inner: &Inner, caller: Caller, instances: Vec<StoredInstance>) -> Result<Response, Problem> {
    let models = models(inner, &caller, instances).await?;
    let boundary = boundary();
    let content_type = multipart::content_type(native_xml::MEDIA_TYPE, &boundary);
    let end = tail(&boundary);
    let mut is_first = true;
    let items = models.map_ok(move |(instance, set)| {
        let text = native_xml::document(&set, &bulk_root(&caller, &instance));
        let mut out = BytesMut::from(part_head(&boundary, is_first, native_xml::MEDIA_TYPE, None, "").as_ref());
        is_first = false;
        out.extend_from_slice(text.as_bytes());
        out.freeze()
    });
    let stream = together(items.chain(stream::once(async { Ok(end) })).boxed());
    multipart::streamed(inner, StatusCode::OK, &content_type, None, stream).await
}

fn bulk_root(caller: &Caller, instance: &StoredInstance) -> String {
    format!("{}/bulkdata", caller.location(instance))
}

type Models = BoxStream<'static, Result<(StoredInstance, DataSet), Error>>;

/// The attributes of all instances; the first is read now, so that its error can still be the answer.
async fn models(inner: &Inner, caller: &Caller, instances: Vec<StoredInstance>) -> Result<Models, Problem> {
    let mut models = inner.archive.stream_models(&inner.access, instances);
    let first = models.next().await.ok_or_else(Problem::not_found)??;
    let models = stream::once(async { Ok(first) }).chain(models);
    // Viewers ask for frames as they are stored when they can decode them, so they have to know how.
    let may_keep = caller.may_keep();
    let with_syntax = move |(instance, set): (StoredInstance, std::sync::Arc<DataSet>)| {
        let mut set = DataSet::clone(&set);
        // A short one would stand here whole.
        if !may_keep && set.get(ENCAPSULATED_DOCUMENT).is_some() {
            set.put(ENCAPSULATED_DOCUMENT, b"OB", Value::Empty);
        }
        set.put_text(AVAILABLE_TRANSFER_SYNTAX_UID, b"UI", instance.transfer_syntax_uid.clone());
        (instance, set)
    };
    Ok(models.map_ok(with_syntax).boxed())
}

/// Small pieces that are ready at the same time, as one.
fn together(stream: BoxStream<'static, Result<Bytes, Error>>) -> BoxStream<'static, Result<Bytes, Error>> {
    let join = |pieces: Vec<Result<Bytes, Error>>| {
        let mut whole = BytesMut::new();
        for piece in pieces {
            whole.extend_from_slice(&piece?);
        }
        Ok(whole.freeze())
    };
    stream.ready_chunks(TOGETHER).map(join).boxed()
}
