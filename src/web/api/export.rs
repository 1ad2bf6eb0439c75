//! `GET /export`: everything of a window of time as NDJSON, or as ZIP with the report files and attachments; streamed page by page, so that
//! memory does not grow with the window, and restartable from the cursor of any line.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;

use super::access::{ApiState, Caller, Inner};
use super::file::extension;
use super::model::{ExportLine, ExportedAttachment, Report};
use super::parameters::{Parameters, cursor_after};
use super::problem::{Code, Problem};
use super::reports::query_of;
use crate::archive::images::read_attachment::ByteStream;
use crate::archive::reports::pull_reports::{KeptReport, ListPosition, ReportQuery};
use crate::archive::{Error, ReportCopy};
use crate::web::zip::{OtherLength, ZipWriter};

/// Reports that are in memory at a time; the pieces that wait for a slow reader are as many each.
const PAGE: u32 = 50;
/// What is told of a file that the store does not give.
const UNREADABLE: &str = "unreadable";
/// After so many of them in a row it is the store that does not work, not a file, and the export is broken off.
const MOST_REFUSALS: u32 = 20;
/// Pieces that wait for a slow reader.
const WAITING: usize = 4;

/// What may be asked for.
pub(super) const PARAMETERS: [&str; 8] =
    ["from", "to", "organization", "kind", "format", "copy", "attachments", "cursor"];

/// `GET /export`
pub(super) async fn export(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    caller.require_follow()?;
    let parameters = Parameters::read(query.as_deref(), &PARAMETERS)?;
    let zip = match parameters.one("format")? {
        "" | "ndjson" => false,
        "zip" => true,
        _ => return Err(Problem::about(Code::BadParameter, "format is ndjson or zip")),
    };
    let copy = match parameters.one("copy")? {
        "" | "stamped" => ReportCopy::Stamped,
        "original" => ReportCopy::Original,
        _ => return Err(Problem::about(Code::BadParameter, "copy is original or stamped")),
    };
    let attached = match parameters.one("attachments")? {
        "" | "all" => Attached::All,
        "none" => Attached::None,
        _ => return Err(Problem::about(Code::BadParameter, "attachments is all or none")),
    };
    let query = ReportQuery { oldest_first: true, ..query_of(&parameters, &inner, &caller)? };
    let after = parameters.list_position("cursor", &query)?;
    let place = Arc::clone(&inner.exports).try_acquire_owned().map_err(|_| Code::Busy)?;
    let (pieces, mut come) = mpsc::channel(WAITING);
    let run = Export { inner, caller, query, pieces, _place: place };
    tokio::spawn(async move {
        let done = if zip { run.zip(after, copy, attached).await } else { run.ndjson(after).await };
        // A reader that has gone is no fault; anything else has been told to it by a broken answer.
        if let Err(Stop::Failed(error)) = done {
            tracing::error!(%error, "an export was broken off");
        }
    });
    let body = Body::from_stream(futures_util::stream::poll_fn(move |context| come.poll_recv(context)));
    let (kind, name) = match zip {
        true => ("application/zip", "attachment; filename=\"reports.zip\""),
        false => ("application/x-ndjson", "attachment; filename=\"reports.ndjson\""),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, body).into_response())
}

/// Which attachments are in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attached {
    All,
    None,
}

type Piece = Result<Bytes, std::io::Error>;

struct Export {
    inner: Arc<Inner>,
    caller: Caller,
    query: ReportQuery,
    pieces: mpsc::Sender<Piece>,
    _place: OwnedSemaphorePermit,
}

/// What is in an archive for a report, or for one of its attachments.
enum InZip {
    /// It has no file, or none for the reader.
    Nothing,
    /// The file, under this name.
    File(String),
    /// Its file is not there, for this reason.
    Not(&'static str),
}

impl InZip {
    /// The file's name, and why there is none.
    fn told(self) -> (Option<String>, Option<String>) {
        match self {
            InZip::Nothing => (None, None),
            InZip::File(name) => (Some(name), None),
            InZip::Not(why) => (None, Some(why.to_owned())),
        }
    }
}

/// Files in a row that the store did not give.
#[derive(Default)]
struct Refusals(u32);

impl Refusals {
    fn note(&mut self, in_zip: &InZip) -> Result<(), Stop> {
        self.0 = if matches!(in_zip, InZip::Not(why) if *why == UNREADABLE) { self.0 + 1 } else { 0 };
        if self.0 > MOST_REFUSALS {
            return Err(Stop::Failed(Error::Mismatch("the store gives no files".to_owned())));
        }
        Ok(())
    }
}

/// Why an export ends before its end.
enum Stop {
    /// Nobody reads any more.
    Gone,
    /// The archive failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl Export {
    async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), Stop> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Ok(());
        }
        self.pieces.send(Ok(bytes)).await.map_err(|_| Stop::Gone)
    }

    /// The end of the answer is missing, and the reader must see that it is.
    async fn broken<T>(&self, result: Result<T, Stop>) -> Result<T, Stop> {
        if let Err(Stop::Failed(_)) = &result {
            let _ = self.pieces.send(Err(std::io::Error::other("the export was broken off"))).await;
        }
        result
    }

    /// The next page of reports, each with its cursor, and where the one after it begins.
    async fn page(
        &self,
        after: Option<ListPosition>,
        most: u32,
    ) -> Result<(Vec<(KeptReport, Option<String>)>, Option<ListPosition>), Stop> {
        let Inner { archive, .. } = self.inner.as_ref();
        let page = archive.list_reports(&self.caller.reader, &self.query, after, most).await?;
        let cursor = |report: &KeptReport| cursor_after(&self.query, Some((report.retrieve_at.clone(), report.pk)));
        let reports = page.reports.into_iter().map(|report| (cursor(&report), report)).map(|(c, r)| (r, c)).collect();
        Ok((reports, page.next))
    }

    async fn ndjson(self, after: Option<ListPosition>) -> Result<(), Stop> {
        let done = self.ndjson_pages(after).await;
        self.broken(done).await
    }

    async fn ndjson_pages(&self, mut after: Option<ListPosition>) -> Result<(), Stop> {
        let mut count = 0;
        loop {
            let (reports, next) = self.page(after, PAGE).await?;
            let mut lines = Vec::new();
            for (report, cursor) in &reports {
                count += 1;
                let report = Some(Report::of(report, &self.inner.public_url));
                line(&mut lines, &ExportLine { report, cursor: cursor.clone(), ..ExportLine::default() });
            }
            self.send(lines).await?;
            if next.is_none() {
                let mut last = Vec::new();
                let end = ExportLine { complete: Some(count), ..ExportLine::default() };
                line(&mut last, &end);
                return self.send(last).await;
            }
            after = next;
        }
    }

    async fn zip(self, after: Option<ListPosition>, copy: ReportCopy, attached: Attached) -> Result<(), Stop> {
        let done = self.zip_pages(after, copy, attached).await;
        self.broken(done).await
    }

    async fn zip_pages(
        &self,
        mut after: Option<ListPosition>,
        copy: ReportCopy,
        attached: Attached,
    ) -> Result<(), Stop> {
        let mut zip = ZipWriter::default();
        let most = self.inner.config.max_zip_reports as u64;
        let (mut count, mut number, mut refusals) = (0_u64, 0, Refusals::default());
        loop {
            let room = u32::try_from(most - count).unwrap_or(u32::MAX).min(PAGE);
            let (reports, next) = self.page(after, room).await?;
            let mut lines = Vec::new();
            for (report, cursor) in &reports {
                count += 1;
                let file = self.zip_file(&mut zip, report, copy).await?;
                refusals.note(&file)?;
                let (file_name, file_error) = file.told();
                let attachments = match attached {
                    Attached::All => self.zip_attachments(&mut zip, report, &mut refusals).await?,
                    Attached::None => None,
                };
                let (report, cursor) = (Some(Report::of(report, &self.inner.public_url)), cursor.clone());
                line(&mut lines, &ExportLine { report, cursor, complete: None, file_name, file_error, attachments });
            }
            number += 1;
            self.zip_entry(&mut zip, &format!("reports-{number:05}.ndjson"), lines).await?;
            if next.is_none() || count >= most {
                let cursor = cursor_after(&self.query, next);
                let end = ExportLine { cursor, complete: Some(count), ..ExportLine::default() };
                let mut last = Vec::new();
                line(&mut last, &end);
                self.zip_entry(&mut zip, "complete.json", last).await?;
                return self.send(zip.finish()).await;
            }
            after = next;
        }
    }

    async fn zip_entry(&self, zip: &mut ZipWriter, name: &str, content: Vec<u8>) -> Result<(), Stop> {
        self.send(zip.begin(name.to_owned(), content.len() as u64)).await?;
        self.send(zip.content(&content).map_err(other_length)?).await?;
        self.send(zip.end().map_err(other_length)?).await
    }

    /// Adds the report's file, if there is one. One that cannot be read does not spoil the others: it is told, as long as
    /// nothing of it has been written.
    async fn zip_file(&self, zip: &mut ZipWriter, report: &KeptReport, copy: ReportCopy) -> Result<InZip, Stop> {
        // A lab report that is not composed yet is not composed for an export: that would be thousands at once.
        if report.file.is_none() {
            return Ok(InZip::Nothing);
        }
        let unreadable = |error: &dyn std::fmt::Display| {
            tracing::error!(report.id = report.pk, %error, "a report file is not in an export");
            InZip::Not(UNREADABLE)
        };
        let archive = &self.inner.archive;
        // The copy may be made anew between the look at the row and the look at the object.
        for _ in 0..2 {
            // It may have been withdrawn since the page was read.
            let file = match archive.pull_report_file(&self.caller.reader, &report.observation_uid, copy).await {
                Ok(Some(file)) => file,
                Ok(None) | Err(Error::NotFound) => return Ok(InZip::Nothing),
                Err(error @ (Error::Invalid(_) | Error::TooLarge { .. })) => {
                    tracing::warn!(report.id = report.pk, %error, "lab report not composed for an export");
                    return Ok(InZip::Not("not_composed"));
                }
                Err(Error::Objects(error)) => return Ok(unreadable(&error)),
                Err(error) => return Err(error.into()),
            };
            let bytes = match archive.pulled_bytes(&file, 0..file.length()).await {
                Ok(bytes) => bytes,
                Err(error) if error.is_missing_object() => continue,
                Err(error) => return Ok(unreadable(&error)),
            };
            let name = format!("files/{}.{}", report.observation_uid, extension(&file.media_type));
            return Ok(match self.zip_stream(zip, &name, file.length(), bytes).await? {
                Ok(()) => InZip::File(name),
                Err(error) => unreadable(&error),
            });
        }
        tracing::error!(report.id = report.pk, "a report file is missing from the store, and from an export");
        Ok(InZip::Not("missing"))
    }

    /// Adds the report's attachments; one that cannot be read is told, like a report file.
    async fn zip_attachments(
        &self,
        zip: &mut ZipWriter,
        report: &KeptReport,
        refusals: &mut Refusals,
    ) -> Result<Option<Vec<ExportedAttachment>>, Stop> {
        let mut exported = Vec::with_capacity(report.attachments.len());
        for attachment in &report.attachments {
            let in_zip = self.zip_attachment(zip, report, attachment.pk).await?;
            refusals.note(&in_zip)?;
            if !matches!(in_zip, InZip::Nothing) {
                let (file_name, file_error) = in_zip.told();
                exported.push(ExportedAttachment { id: attachment.pk.to_string(), file_name, file_error });
            }
        }
        Ok(Some(exported).filter(|exported| !exported.is_empty()))
    }

    async fn zip_attachment(&self, zip: &mut ZipWriter, report: &KeptReport, pk: i64) -> Result<InZip, Stop> {
        let archive = &self.inner.archive;
        let found = match archive.pull_attachment(&self.caller.reader, &report.observation_uid, pk).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(Error::NotFound) => return Ok(InZip::Nothing),
            Err(error) => return Err(error.into()),
        };
        let not = |error: &Error| {
            tracing::error!(attachment.id = pk, %error, "an attachment is not in an export");
            InZip::Not(if error.is_missing_object() { "missing" } else { UNREADABLE })
        };
        let bytes = match archive.attachment_bytes(&found, 0..found.place.length).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(not(&error)),
        };
        let (kind, ending) = (found.kind.as_str(), found.media_type.extension());
        let name = format!("attachments/{}/{kind}-{pk}.{ending}", report.observation_uid);
        Ok(match self.zip_stream(zip, &name, found.place.length, bytes).await? {
            Ok(()) => InZip::File(name),
            Err(error) => not(&error),
        })
    }

    /// Adds a file piece by piece. When not even its first piece can be read, nothing has been written and the error is
    /// given back.
    async fn zip_stream(
        &self,
        zip: &mut ZipWriter,
        name: &str,
        length: u64,
        mut bytes: ByteStream,
    ) -> Result<Result<(), Error>, Stop> {
        let mut piece = match bytes.next().await.transpose() {
            Ok(piece) => piece,
            Err(error) => return Ok(Err(error.into())),
        };
        self.send(zip.begin(name.to_owned(), length)).await?;
        while let Some(bytes_of_it) = piece {
            self.send(zip.content(&bytes_of_it).map_err(other_length)?).await?;
            piece = bytes.next().await.transpose().map_err(Error::from)?;
        }
        self.send(zip.end().map_err(other_length)?).await?;
        Ok(Ok(()))
    }
}

fn other_length(_: OtherLength) -> Stop {
    Stop::Failed(Error::Mismatch("a file has another length than its row says".to_owned()))
}

fn line(lines: &mut Vec<u8>, content: &ExportLine) {
    if serde_json::to_writer(&mut *lines, content).is_ok() {
        lines.push(b'\n');
    }
}
