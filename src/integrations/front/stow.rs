//! Forwarding by STOW-RS, and the promise by a query that comes after it (PS3.18 sections 10.5 and 10.6).
//!
//! The request streams, whatever its length. What the answer names neither as stored nor as failed counts as failed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Body, RequestBuilder, StatusCode, header};
use serde_json::Value;

use super::config::UpstreamConfig;
use super::https::{self, RenewedClient};
use super::sender::Context;
use crate::archive;
use crate::archive::peers::forward::{ForwardBatch, ForwardInstance, ForwardResult};
use crate::dicom::part10;

const DICOM_JSON: &str = "application/dicom+json";
const REFERENCED_SOP_INSTANCE_UID: &str = "00081155";
const FAILURE_REASON: &str = "00081197";
const FAILED_SOP_SEQUENCE: &str = "00081198";
const REFERENCED_SOP_SEQUENCE: &str = "00081199";
const SOP_INSTANCE_UID: &str = "00080018";
const PAGE: usize = 1000;
const MOST_PAGES: usize = 1000;

/// A DICOMweb service.
#[derive(Debug)]
pub(super) struct WebUpstream {
    client: RenewedClient,
    url: String,
    token: String,
    max_answer_bytes: usize,
    timeout: Duration,
}

/// What is known of a request while it goes out.
#[derive(Debug)]
struct Progress {
    at: Instant,
    /// The instance that could not be read, and why.
    culprit: Option<(i64, String, bool)>,
}

impl WebUpstream {
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, String> {
        let timeout = Duration::from_millis(config.timeout_ms.max(1));
        Ok(Self {
            client: RenewedClient::new(&config.name, timeout, config.tls.as_ref())?,
            url: config.url.trim_end_matches('/').to_owned(),
            token: config.token.0.clone(),
            max_answer_bytes: config.max_answer_bytes,
            timeout,
        })
    }

    /// Sends a batch as one request. `Some` says why the upstream is away.
    pub(super) async fn send(&self, context: &Arc<Context>, batch: ForwardBatch) -> Option<String> {
        let boundary = format!("yingku-{}", uuid::Uuid::new_v4().simple());
        let progress = Arc::new(Mutex::new(Progress { at: Instant::now(), culprit: None }));
        let body = body(context, batch.instances.clone(), &boundary, &progress);
        let kind = format!("multipart/related; type=\"application/dicom\"; boundary={boundary}");
        let request = self.request(self.client.get().await.post(format!("{}/studies", self.url)));
        let request = request.header(header::CONTENT_TYPE, kind).header(header::ACCEPT, DICOM_JSON).body(body);
        let answered = tokio::select! {
            answered = self.answer(request) => answered,
            () = https::silence(|| at(&progress), self.timeout) => Err(format!("no progress for {} ms", self.timeout.as_millis())),
        };
        let (mut results, away) = match answered {
            Ok((status, text)) => judge(context, &batch, status, &text),
            Err(reason) => {
                let culprit = progress.lock().unwrap_or_else(PoisonError::into_inner).culprit.take();
                match culprit {
                    None => (Vec::new(), Some(reason)),
                    Some((pk, why, for_good)) => {
                        let found = batch.instances.iter().filter(|one| one.instance_pk == pk);
                        let judged = |one| match for_good {
                            true => context.parked(one, why.clone()),
                            false => context.failed(one, why.clone()),
                        };
                        (found.map(judged).collect(), None)
                    }
                }
            }
        };
        away.or(context.settle(&mut results).await)
    }

    /// Which instances a query finds in the study, by SOP Instance UID.
    pub(super) async fn confirm(&self, context: &Context, batch: &ForwardBatch) -> Result<HashSet<String>, String> {
        let wanted: HashSet<&str> = batch.instances.iter().map(|one| one.sop_instance_uid.as_str()).collect();
        let mut found: HashSet<String> = HashSet::new();
        let (mut offset, mut missing) = (0, wanted.len());
        let client = self.client.get().await;
        for _ in 0..MOST_PAGES {
            let study = &batch.study_instance_uid;
            let address = format!("{}/studies/{study}/instances?limit={PAGE}&offset={offset}", self.url);
            let request = self.request(client.get(address)).header(header::ACCEPT, DICOM_JSON);
            let (status, text) = tokio::time::timeout(self.timeout, self.answer(request))
                .await
                .map_err(|_| format!("no answer within {} ms", self.timeout.as_millis()))??;
            // Nothing found: 204 by the standard, 404 by others.
            let page = match status {
                StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Vec::new(),
                StatusCode::OK => uids_of(&text).ok_or("the answer to a query is no DICOM JSON")?,
                other => return Err(format!("a query was answered with {other}")),
            };
            let known = found.len();
            offset += page.len();
            for uid in page {
                if wanted.contains(uid.as_str()) && found.insert(uid) {
                    missing -= 1;
                }
            }
            // A service that does not know `offset` sends its first page for ever.
            if missing == 0 || found.len() == known {
                break;
            }
        }
        tracing::debug!(upstream.name = %context.config.name, missing, "asked what the upstream keeps");
        Ok(found)
    }

    fn request(&self, request: RequestBuilder) -> RequestBuilder {
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), String> {
        https::answer(request, self.max_answer_bytes).await.map_err(|error| error.reason)
    }
}

/// When something left last.
fn at(progress: &Mutex<Progress>) -> Instant {
    progress.lock().unwrap_or_else(PoisonError::into_inner).at
}

fn body(
    context: &Arc<Context>,
    instances: Vec<ForwardInstance>,
    boundary: &str,
    progress: &Arc<Mutex<Progress>>,
) -> Body {
    let head = Bytes::from(format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"));
    let end = Bytes::from(format!("--{boundary}--\r\n"));
    let (context, noted) = (Arc::clone(context), Arc::clone(progress));
    let parts = stream::iter(instances).then(move |one| {
        let (context, head, noted) = (Arc::clone(&context), head.clone(), Arc::clone(&noted));
        async move {
            let pk = one.instance_pk;
            let blame = move |error: std::io::Error, for_good: bool| {
                let mut progress = noted.lock().unwrap_or_else(PoisonError::into_inner);
                progress.culprit = Some((pk, format!("cannot be read here: {error}"), for_good));
                error
            };
            // The file's own head says how and for whom the object came here.
            let file = part10::meta(&one.sop_class_uid, &one.sop_instance_uid, &one.transfer_syntax_uid, "");
            let bytes = match context.bytes(&one, one.dataset_offset).await {
                Ok(bytes) => bytes,
                Err(error) => {
                    let for_good = matches!(error, archive::Error::NotFound);
                    return Err(blame(std::io::Error::other(error.to_string()), for_good));
                }
            };
            let bytes = bytes.map_err(move |error| blame(error, false));
            let framed = stream::iter([Ok(head), Ok(Bytes::from(file))])
                .chain(bytes)
                .chain(stream::iter([Ok(Bytes::from_static(b"\r\n"))]));
            Ok::<_, std::io::Error>(framed)
        }
    });
    let progress = Arc::clone(progress);
    let whole = parts.try_flatten().chain(stream::iter([Ok(end)])).inspect(move |_| {
        progress.lock().unwrap_or_else(PoisonError::into_inner).at = Instant::now();
    });
    Body::wrap_stream(whole)
}

/// What the answer to a store says of each instance; `Some` when the upstream takes nothing at all now.
fn judge(
    context: &Context,
    batch: &ForwardBatch,
    status: StatusCode,
    text: &[u8],
) -> (Vec<ForwardResult>, Option<String>) {
    let answer = read_answer(text);
    let known = matches!(status, StatusCode::OK | StatusCode::ACCEPTED | StatusCode::CONFLICT);
    // An archive without room may say so by its status, and name what found none.
    let names_them = |failed: &HashMap<String, u16>| status.is_server_error() && !failed.is_empty();
    let Some((stored, failed)) = answer.filter(|(_, failed)| known || names_them(failed)) else {
        if status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 404 | 408 | 413 | 429) {
            // It does not like this request; the next attempts may be with fewer instances, and end in parking.
            let reason = format!("STOW-RS answered {status}");
            return (batch.instances.iter().map(|one| context.failed(one, reason.clone())).collect(), Some(reason));
        }
        return (Vec::new(), Some(format!("STOW-RS answered {status}")));
    };
    let judged = batch.instances.iter().map(|one| {
        let uid = one.sop_instance_uid.as_str();
        match failed.get(uid) {
            Some(reason) if reason & 0xFF00 == 0xA700 => {
                context.failed(one, format!("STOW-RS: failure reason {reason:04X}H"))
            }
            Some(reason) => context.parked(one, format!("STOW-RS: failure reason {reason:04X}H")),
            None if stored.contains(uid) => context.sent(one),
            None => context.failed(one, "the answer of STOW-RS does not name it".to_owned()),
        }
    });
    (judged.collect(), None)
}

type StowAnswer = (HashSet<String>, HashMap<String, u16>);

fn read_answer(text: &[u8]) -> Option<StowAnswer> {
    let answer: Value = serde_json::from_slice(text).ok()?;
    let answer = answer.as_array().and_then(|list| list.first()).unwrap_or(&answer);
    let items = |tag: &str| answer.get(tag).and_then(|e| e.get("Value")).and_then(Value::as_array);
    let mut stored = HashSet::new();
    for item in items(REFERENCED_SOP_SEQUENCE).into_iter().flatten() {
        stored.insert(text_of(item, REFERENCED_SOP_INSTANCE_UID)?);
    }
    let mut failed = HashMap::new();
    for item in items(FAILED_SOP_SEQUENCE).into_iter().flatten() {
        let reason =
            item.get(FAILURE_REASON).and_then(|e| e.get("Value")).and_then(|v| v.get(0)).and_then(Value::as_u64);
        let reason = reason.and_then(|reason| u16::try_from(reason).ok()).unwrap_or(0x0110);
        if let Some(uid) = text_of(item, REFERENCED_SOP_INSTANCE_UID) {
            failed.insert(uid, reason);
        }
    }
    Some((stored, failed))
}

fn uids_of(text: &[u8]) -> Option<Vec<String>> {
    let answer: Value = serde_json::from_slice(text).ok()?;
    answer.as_array()?.iter().map(|item| text_of(item, SOP_INSTANCE_UID)).collect()
}

fn text_of(item: &Value, tag: &str) -> Option<String> {
    item.get(tag)?.get("Value")?.get(0)?.as_str().map(|uid| uid.trim_end_matches(['\0', ' ']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_store_is_read() {
        let text = br#"{"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["2.25.1"]}}]},
            "00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["2.25.2"]},
            "00081197": {"vr": "US", "Value": [272]}}]}}"#;
        let (stored, failed) = read_answer(text).unwrap();
        assert!(stored.contains("2.25.1") && stored.len() == 1);
        assert_eq!(failed, HashMap::from([("2.25.2".to_owned(), 272)]));
        assert!(read_answer(b"<html>").is_none());
    }

    #[test]
    fn the_answer_to_a_query_is_read() {
        let text =
            br#"[{"00080018": {"vr": "UI", "Value": ["2.25.1"]}}, {"00080018": {"vr": "UI", "Value": ["2.25.2"]}}]"#;
        assert_eq!(uids_of(text).unwrap(), ["2.25.1", "2.25.2"]);
        assert!(uids_of(b"{}").is_none() && uids_of(b"[{}]").is_none());
    }
}
