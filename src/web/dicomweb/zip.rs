//! A study, series or instance as one ZIP file to keep (PS3.18 table 10.4.4-1, `application/zip`), written while it is read.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use super::access::Inner;
use super::multipart;
use super::problem::Problem;
use super::retrieve::{self, File, Syntax};
use crate::archive::images::image_access::StoredInstance;
use crate::archive::images::read_object::{Segment, given_file};
use crate::archive::peers::send_data_set::Sending;
use crate::archive::{Archive, Error};
use crate::web::zip::{OtherLength, ZipWriter, length_of};

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/zip";

/// Sends the objects, each `study/series/instance.dcm`.
pub(super) async fn respond(inner: &Inner, wanted: Vec<(StoredInstance, Syntax)>) -> Result<Response, Problem> {
    let name =
        wanted.first().map(|(instance, _)| instance.study_instance_uid.clone()).ok_or_else(Problem::not_found)?;
    let length = wanted.iter().all(|(_, syntax)| *syntax == Syntax::Stored).then(|| length_of(lengths(&wanted)));
    let mut writing = Writing {
        archive: inner.archive.clone(),
        sending: inner.sending.clone(),
        wanted: wanted.into_iter(),
        file: None,
        zip: Some(ZipWriter::default()),
    };
    // The first is opened now, so that its error can still be the answer.
    let first = writing.begin().await?.unwrap_or_default();
    let rest = stream::try_unfold(writing, |mut writing| async move {
        Ok(writing.next().await?.map(|bytes| (Bytes::from(bytes), writing)))
    });
    let whole = stream::once(async { Ok(Bytes::from(first)) }).chain(rest).boxed();
    let mut response = multipart::streamed(inner, StatusCode::OK, MEDIA_TYPE, length, whole).await?;
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}.zip\""));
    disposition.into_iter().for_each(|value| drop(response.headers_mut().insert(header::CONTENT_DISPOSITION, value)));
    Ok(response)
}

struct Writing {
    archive: Archive,
    sending: Sending,
    wanted: std::vec::IntoIter<(StoredInstance, Syntax)>,
    /// The file that is being read.
    file: Option<File>,
    /// Gone when the directory has been written.
    zip: Option<ZipWriter>,
}

impl Writing {
    /// The next bytes; nothing after the last.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let (Some(file), Some(zip)) = (&mut self.file, &mut self.zip) else { return self.begin().await };
        if let Some(piece) = file.pieces.next().await {
            return Ok(Some(zip.content(&piece?).map_err(other_length)?));
        }
        self.file = None;
        // A file that is shorter than its row says is an error.
        Ok(Some(zip.end().map_err(other_length)?))
    }

    /// The head of the next file, or the directory.
    async fn begin(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some((instance, syntax)) = self.wanted.next() else {
            return Ok(self.zip.take().map(ZipWriter::finish));
        };
        let file = retrieve::open(&self.archive, &self.sending, &instance, &syntax).await?;
        let head = self.zip.as_mut().map(|zip| zip.begin(name_of(&instance), file.length));
        self.file = Some(file);
        Ok(head)
    }
}

fn other_length(_: OtherLength) -> Error {
    Error::Mismatch("an object has another length than was announced".to_owned())
}

fn name_of(instance: &StoredInstance) -> String {
    let StoredInstance { study_instance_uid, series_instance_uid, sop_instance_uid, .. } = instance;
    format!("{study_instance_uid}/{series_instance_uid}/{sop_instance_uid}.dcm")
}

/// Of each file the length of its name and of itself.
fn lengths(wanted: &[(StoredInstance, Syntax)]) -> impl Iterator<Item = (u64, u64)> {
    wanted.iter().map(|(instance, _)| {
        let length = given_file(instance).iter().map(Segment::length).sum();
        (name_of(instance).len() as u64, length)
    })
}
