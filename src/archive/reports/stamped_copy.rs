//! The copy of a report that is shown: stamped, or at least readable (D-I9 to D-I12).
//!
//! A PDF is written to the store while it is stamped, so that a large one is in memory once and not twice.

use std::io::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::stamp_rules::ReportClass;
use crate::archive::{Archive, Error};
use crate::documents::picture::{PictureFormat, wrap_picture};
use crate::documents::stamp::{StampPolicy, StampRefusal, stamp_pdf_into};
use crate::documents::{DocumentsConfig, raster};
use crate::domain::place::Place;
use crate::fetch::MediaType;
use crate::index::report_files::{StampState, StampedCopy};
use crate::objects::{Kind, ObjectWriter};

/// Bytes that are handed to the store at a time.
const PIECE: usize = 256 * 1024;

/// What stamping made of a file.
#[derive(Debug)]
pub(super) struct Copies {
    pub(super) state: StampState,
    pub(super) reason: &'static str,
    pub(super) stamped: Option<StampedCopy>,
    pub(super) page_count: Option<i64>,
    /// Digest of what it was made with.
    pub(super) policy: String,
}

impl Archive {
    /// Makes the copy of a report and stores it; `link` is the report's own.
    pub(super) async fn make_copies(
        &self,
        class: &ReportClass,
        link: &str,
        media_type: MediaType,
        original: Bytes,
        place: &Place,
    ) -> Result<Copies, Error> {
        let policy = self.stamp.policy(class, link);
        let digest = self.stamp.digest(class);
        let format = match media_type {
            MediaType::Pdf => return self.copies_of_pdf(policy, digest, original, place).await,
            MediaType::Jpeg => PictureFormat::Jpeg,
            MediaType::Png => PictureFormat::Png,
            MediaType::Tiff => PictureFormat::Tiff,
            // The PDF in an object is taken out before it comes here.
            MediaType::Dicom => return Err(Error::Invalid("a DICOM object is no report file".to_owned())),
        };
        let plain =
            |state, reason| Copies { state, reason, stamped: None, page_count: Some(1), policy: digest.clone() };
        // Browsers show JPEG and PNG by themselves.
        if policy.is_none() && format != PictureFormat::Tiff {
            return Ok(plain(StampState::NotApplicable, "disabled"));
        }
        let (limits, is_stamped) = (self.documents.config().clone(), policy.is_some());
        let work = move || wrap_picture(&original, format, policy.as_ref(), &limits);
        match self.documents.run(work).await? {
            Ok(wrapped) => {
                let hash = hex::encode(Sha256::digest(&wrapped.bytes));
                let place = self.objects.put(Kind::ReportStamped, Bytes::from(wrapped.bytes)).await?;
                let (state, reason) =
                    if is_stamped { (StampState::Stamped, "") } else { (StampState::NotApplicable, "disabled") };
                let page_count = i64::try_from(wrapped.page_count).ok();
                Ok(Copies { stamped: Some(StampedCopy { place, hash }), page_count, ..plain(state, reason) })
            }
            Err(refusal) => Ok(plain(StampState::Unstampable, refusal.as_str())),
        }
    }

    async fn copies_of_pdf(
        &self,
        policy: Option<StampPolicy>,
        digest: String,
        original: Bytes,
        place: &Place,
    ) -> Result<Copies, Error> {
        let limits = self.documents.config().clone();
        let Some(policy) = policy else {
            let page_count = self.documents.run(move || count(&original, &limits)).await?;
            let (state, reason) = (StampState::NotApplicable, "disabled");
            return Ok(Copies { state, reason, stamped: None, page_count, policy: digest });
        };
        let (sender, pieces) = mpsc::channel(4);
        let work = move || {
            let mut target = Pieces { sender, hash: Sha256::new() };
            // Nobody else holds the bytes, so this is no copy.
            let stamped = stamp_pdf_into(Vec::from(original), &policy, &limits, &mut target);
            (stamped, hex::encode(target.hash.finalize()))
        };
        let (worked, written) = tokio::join!(self.documents.run(work), self.write_pieces(pieces));
        let writer = written?;
        match worked? {
            (Ok(page_count), hash) => {
                let writer = writer.ok_or_else(|| Error::Invalid("a stamped report is empty".to_owned()))?;
                let place = writer.finish().await?;
                let (state, page_count) = (StampState::Stamped, i64::try_from(page_count).ok());
                Ok(Copies { state, reason: "", stamped: Some(StampedCopy { place, hash }), page_count, policy: digest })
            }
            (Err(refusal), _) => {
                if let Some(writer) = writer {
                    writer.abort().await;
                }
                self.unstamped(&refusal, digest, place).await
            }
        }
    }

    async fn write_pieces(&self, mut pieces: mpsc::Receiver<Bytes>) -> Result<Option<ObjectWriter>, Error> {
        let mut writer = None;
        while let Some(piece) = pieces.recv().await {
            writer.get_or_insert_with(|| self.objects.create(Kind::ReportStamped)).write(&piece).await?;
        }
        Ok(writer)
    }

    async fn unstamped(&self, refusal: &StampRefusal, policy: String, original: &Place) -> Result<Copies, Error> {
        let limits = self.documents.config().clone();
        let bytes = self.objects.read(original).await?;
        let page_count = self.documents.run(move || count(&bytes, &limits)).await?;
        Ok(Copies { state: StampState::Unstampable, reason: refusal.as_str(), stamped: None, page_count, policy })
    }
}

fn count(bytes: &[u8], limits: &DocumentsConfig) -> Option<i64> {
    raster::page_count(bytes, limits).ok().and_then(|pages| i64::try_from(pages).ok())
}

/// Hands what is written to the task that stores it, which sets the pace.
struct Pieces {
    sender: mpsc::Sender<Bytes>,
    hash: Sha256,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        if piece.is_empty() {
            return Ok(0);
        }
        self.hash.update(piece);
        let gone = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        self.sender.blocking_send(Bytes::copy_from_slice(piece)).map_err(gone)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
