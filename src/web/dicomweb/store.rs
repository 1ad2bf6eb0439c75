//! Storing (PS3.18 section 10.5, STOW-RS): each part goes into the archive while it arrives, as C-STORE does.
//!
//! An object that is refused does not touch the others; its part is read and thrown away. The answer comes when
//! everything in it is durable and indexed. What had been stored before a request broke off stays stored.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use metrics::counter;

use super::access::{Caller, DicomwebState, Inner};
use super::metadata::{Form, form};
use super::multipart_reader::{ContentType, Incoming, Limits, MultipartReader, ReadError};
use super::problem::Problem;
use super::request::{ImagePath, Parameters, uid};
use super::retrieve::DICOM;
use super::store_result::{FailureReason, StoreResult};
use crate::archive::images::store_instance::{Completeness, InstanceWriter, ReceiveInstance};
use crate::dicom::part10::{self, FileMetaError};
use crate::dicom::sop_class::{self, PrivateClasses};
use crate::dicom::{json, native_xml};
use crate::domain::Actor;

/// When a sender whose objects found no room may try again.
const RETRY_AFTER_SECONDS: &str = "60";
/// Beginning of a file in which its meta information must end.
const MOST_META_BYTES: usize = (1 << 20) + 4096;

/// `POST /studies` and `POST /studies/{study}`
pub(super) async fn store(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Some((org_code, actor)) = caller.stores_for.clone() else { return Err(Problem::forbidden()) };
    let form = form(&headers, Parameters::read(query.as_deref())?.get("accept"))?;
    let study = uid(path.study.as_deref())?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = ContentType::read(kind);
    let turn = inner.stores.acquire().await;
    let mut storing =
        Storing { inner: &inner, org_code, actor, study, root: &caller.root, result: StoreResult::default() };
    let limits = limits(&inner);
    let read = match kind.media_type.as_str() {
        DICOM => storing.take_single(Incoming::new(body.into_data_stream(), &limits)).await,
        "multipart/related" if kind.part_type.as_deref().is_none_or(|part| part == DICOM) => match &kind.boundary {
            None => return Err(Problem::bad_request("multipart/related needs a boundary.")),
            Some(boundary) => storing.take_parts(MultipartReader::new(body.into_data_stream(), boundary, limits)).await,
        },
        _ => {
            let detail = "Objects are taken as multipart/related; type=\"application/dicom\", or as application/dicom.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    drop(turn);
    storing.answer(read, form)
}

fn limits(inner: &Inner) -> Limits {
    let config = &inner.config;
    Limits {
        max_bytes: config.max_store_bytes,
        max_parts: config.max_store_parts,
        max_head_bytes: config.max_part_head_bytes,
        idle: Duration::from_millis(config.store_idle_timeout_ms),
        whole: Duration::from_millis(config.store_timeout_ms),
    }
}

/// One request on its way in.
struct Storing<'r> {
    inner: &'r Inner,
    org_code: String,
    actor: Actor,
    study: Option<String>,
    root: &'r str,
    result: StoreResult,
}

/// The bytes of one object, wherever they come from.
enum Source<'s> {
    Part(&'s mut MultipartReader),
    Body(&'s mut Incoming),
}

impl Source<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        match self {
            Source::Part(reader) => reader.chunk().await,
            Source::Body(body) => body.next().await,
        }
    }
}

/// Why one object is refused while the request goes on.
struct Refused {
    uids: Option<(String, String)>,
    reason: FailureReason,
}

impl Storing<'_> {
    async fn take_parts(&mut self, mut reader: MultipartReader) -> Result<(), ReadError> {
        while let Some(kind) = reader.next_part().await? {
            let is_dicom = kind.media_type.is_empty() || kind.media_type == DICOM;
            let outcome = match is_dicom {
                true => self.take(Source::Part(&mut reader)).await?,
                false => Err(Refused { uids: None, reason: FailureReason::CANNOT_UNDERSTAND }),
            };
            if let Err(refused) = outcome {
                while reader.chunk().await?.is_some() {}
                self.refuse(refused);
            }
        }
        Ok(())
    }

    async fn take_single(&mut self, mut body: Incoming) -> Result<(), ReadError> {
        if let Err(refused) = self.take(Source::Body(&mut body)).await? {
            while body.next().await?.is_some() {}
            self.refuse(refused);
        }
        Ok(())
    }

    fn refuse(&mut self, refused: Refused) {
        counter!("yingku_dicomweb_stored_total", "outcome" => "refused").increment(1);
        match refused.uids {
            Some((class, instance)) => self.result.add_failed(&class, &instance, refused.reason),
            None => self.result.add_other(refused.reason),
        }
    }

    /// Takes one object. The outer error ends the request, the inner one only this object.
    async fn take(&mut self, mut source: Source<'_>) -> Result<Result<(), Refused>, ReadError> {
        let mut front = BytesMut::new();
        let mut is_whole = false;
        let meta = loop {
            match part10::read_meta(&front) {
                // Whatever the group length says, the meta information has ended when the next group has begun.
                Ok(meta) if (meta.dataset_offset as usize) < front.len() => break meta,
                Err(FileMetaError::Malformed | FileMetaError::TooLarge | FileMetaError::NoTransferSyntax) => {
                    return Ok(Err(Refused { uids: None, reason: FailureReason::CANNOT_UNDERSTAND }));
                }
                _ if front.len() > MOST_META_BYTES => {
                    return Ok(Err(Refused { uids: None, reason: FailureReason::CANNOT_UNDERSTAND }));
                }
                _ => {}
            }
            if is_whole {
                return Ok(Err(Refused { uids: None, reason: FailureReason::CANNOT_UNDERSTAND }));
            }
            // It is looked at again when there is twice as much of it: chunks may be of one byte each.
            let enough = (2 * front.len()).max(1);
            while front.len() < enough && !is_whole {
                match source.next().await? {
                    Some(bytes) => front.extend_from_slice(&bytes),
                    None => is_whole = true,
                }
            }
        };
        let (class, instance) = (meta.media_storage_sop_class_uid, meta.media_storage_sop_instance_uid);
        let refused = |reason| Refused { uids: Some((class.clone(), instance.clone())), reason };
        let private = match self.inner.config.accept_private_sop_classes {
            true => PrivateClasses::Accepted,
            false => PrivateClasses::Refused,
        };
        if !sop_class::is_storage(&class, private) {
            return Ok(Err(refused(FailureReason::SOP_CLASS_NOT_SUPPORTED)));
        }
        let command = ReceiveInstance {
            org_code: self.org_code.clone(),
            calling_ae_title: String::new(),
            default_charset: self.inner.charset.clone(),
            sop_class_uid: class.clone(),
            sop_instance_uid: instance.clone(),
            transfer_syntax_uid: meta.transfer_syntax_uid,
            completeness: Completeness::AsSent,
            actor: self.actor.clone(),
        };
        let mut writer = match self.inner.archive.receive_instance(command).await {
            Ok(writer) => writer,
            Err(error) => return Ok(Err(refused(self.reason(&error)))),
        };
        if let Some(study) = &self.study {
            writer.expect_study(study);
        }
        let rest = front.split_off(meta.dataset_offset as usize).freeze();
        if let Err(reason) = self.pass_on(&mut source, &mut writer, rest).await {
            writer.abort().await;
            return reason.map(|reason| Err(refused(reason)));
        }
        Ok(match writer.commit_and_tell().await {
            Ok(committed) => {
                counter!("yingku_dicomweb_stored_total", "outcome" => "stored").increment(1);
                self.result.add_stored(&class, &instance, &committed, self.root);
                Ok(())
            }
            Err(error) => Err(refused(self.reason(&error))),
        })
    }

    /// Passes the data set on. An error is what ended it: a reason against the object, or the end of the request.
    async fn pass_on(
        &self,
        source: &mut Source<'_>,
        writer: &mut InstanceWriter,
        first: Bytes,
    ) -> Result<(), Result<FailureReason, ReadError>> {
        let mut next = Some(first);
        while let Some(bytes) = next {
            if writer.length() + bytes.len() as u64 > self.inner.config.max_object_bytes {
                return Err(Ok(FailureReason::OUT_OF_RESOURCES));
            }
            writer.write(&bytes).await.map_err(|error| Ok(self.reason(&error)))?;
            next = source.next().await.map_err(Err)?;
        }
        Ok(())
    }

    fn reason(&self, error: &crate::archive::Error) -> FailureReason {
        let reason = FailureReason::of(error);
        tracing::warn!(client.id = %self.actor.name, failure.reason = reason.code, %error, "an object was not stored");
        reason
    }

    fn answer(mut self, read: Result<(), ReadError>, form: Form) -> Result<Response, Problem> {
        if let Err(error) = read {
            tracing::warn!(client.id = %self.actor.name, %error, stored = self.result.stored(), "a store request broke off");
            if self.result.stored() == 0 {
                let status = match error {
                    ReadError::TooLarge | ReadError::TooManyParts => StatusCode::PAYLOAD_TOO_LARGE,
                    ReadError::TooSlow => StatusCode::REQUEST_TIMEOUT,
                    ReadError::Broken | ReadError::Malformed(_) => StatusCode::BAD_REQUEST,
                };
                return Err(Problem::new(status, format!("Nothing was stored: {error}.")));
            }
            let reason = match error {
                ReadError::TooLarge | ReadError::TooManyParts => FailureReason::OUT_OF_RESOURCES,
                _ => FailureReason::CANNOT_UNDERSTAND,
            };
            self.result.add_other(reason);
        } else if self.result.stored() + self.result.failed() == 0 {
            return Err(Problem::bad_request("The request holds no object."));
        }
        let status = self.result.status();
        let url = self
            .study
            .as_ref()
            .filter(|_| self.result.stored() > 0)
            .map(|study| format!("{}/studies/{study}", self.root));
        let set = self.result.into_data_set(url);
        let (media_type, body) = match form {
            Form::Json => {
                let mut body = Vec::new();
                json::write(&mut body, &set, "");
                (json::MEDIA_TYPE, body)
            }
            Form::Xml => (native_xml::MEDIA_TYPE, native_xml::document(&set, "").into_bytes()),
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (status, headers, body).into_response();
        if status.is_server_error() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        Ok(response)
    }
}
