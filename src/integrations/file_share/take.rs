//! Takes one file: looks at it, finds out what it belongs to, has it stored, puts it away.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use super::config::FileShareConfig;
use super::content::{self, Content};
use super::disposal::{self, Stamp, with_ending};
use super::place_name;
use super::scan::{Ready, markers_of};
use super::sidecar::{self, Sidecar};
use super::store::{PIECE, Source, store_attachment, store_instance};
use crate::archive::images::store_attachment::ReceiveAttachment;
use crate::archive::images::store_instance::{Completeness, ReceiveInstance};
use crate::archive::{self, Archive};
use crate::dicom::text::Charset;
use crate::domain::Actor;
use crate::domain::attachment::AttachmentType;

/// A share that is being watched.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) config: FileShareConfig,
    /// Its folder, links taken away.
    pub(super) root: PathBuf,
    pub(super) charset: Charset,
}

/// What became of a file.
#[derive(Debug)]
pub(super) enum Taken {
    /// In the archive, and put away.
    Stored { outcome: &'static str },
    /// It cannot be kept, and has been put away with the reason.
    Failed { reason: String },
    /// Not its time yet: it still changes, or waits for its sidecar.
    Waits,
    /// Somebody else has taken it away.
    Gone,
    /// It could not be read; counts as an attempt.
    Unreadable { reason: String },
    /// The archive cannot store right now.
    Refused { reason: String },
    /// It is done with, but could not be moved.
    Stuck { reason: String, stored: bool },
}

/// Why a file is not stored.
pub(super) enum Trouble {
    /// For good; the words are for the reason file.
    Unfit(String),
    Waits,
    Io(io::Error),
    Archive(archive::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Io(error)
    }
}

impl From<archive::Error> for Trouble {
    fn from(error: archive::Error) -> Self {
        Trouble::Archive(error)
    }
}

/// The sidecar that was found beside a file.
struct Beside {
    relative: PathBuf,
    stamp: Stamp,
    values: Sidecar,
}

/// Takes the file. `sidecar_settled` says whether a file beside it has settled.
pub(super) async fn take(
    share: Arc<Share>,
    archive: Archive,
    file: Ready,
    sidecar_settled: impl Fn(&Path) -> bool,
) -> (Ready, Taken) {
    let taken = take_one(&share, &archive, &file, sidecar_settled).await;
    (file, taken)
}

async fn take_one(
    share: &Arc<Share>,
    archive: &Archive,
    file: &Ready,
    sidecar_settled: impl Fn(&Path) -> bool,
) -> Taken {
    if file.stored {
        return put_away(share, file, None, Ok("stored")).await;
    }
    let mut beside = None;
    let trouble = match store(share, archive, file, sidecar_settled, &mut beside).await {
        Ok(outcome) => return put_away(share, file, beside, Ok(outcome)).await,
        Err(trouble) => trouble,
    };
    let reason = match trouble {
        Trouble::Waits => return Taken::Waits,
        Trouble::Io(error) if error.kind() == ErrorKind::NotFound => return Taken::Gone,
        Trouble::Io(error) if file.attempts + 1 < share.config.max_attempts => {
            return Taken::Unreadable { reason: error.to_string() };
        }
        Trouble::Io(error) => format!("cannot be read: {error}"),
        Trouble::Archive(error @ (archive::Error::Index(_) | archive::Error::Objects(_) | archive::Error::Busy)) => {
            return Taken::Refused { reason: error.to_string() };
        }
        Trouble::Archive(error) => error.to_string(),
        Trouble::Unfit(reason) => reason,
    };
    put_away(share, file, beside, Err(reason)).await
}

async fn store(
    share: &Arc<Share>,
    archive: &Archive,
    file: &Ready,
    sidecar_settled: impl Fn(&Path) -> bool,
    beside: &mut Option<Beside>,
) -> Result<&'static str, Trouble> {
    let (root, relative) = (share.root.clone(), file.relative.clone());
    let (opened, stamp) = blocking(move || disposal::open(&root, &relative)).await?;
    if stamp != file.stamp {
        return Err(Trouble::Waits);
    }
    let mut source = Source::new(opened, stamp);
    let mut head = BytesMut::with_capacity(PIECE.min(stamp.length as usize + 1));
    source.fill(&mut head).await?;
    let patient = file.age >= Duration::from_secs(share.config.sidecar_wait_seconds);
    if head.is_empty() {
        return Err(if patient { Trouble::Unfit("the file is empty".to_owned()) } else { Trouble::Waits });
    }
    match content::look(&head) {
        Content::Broken(error) => Err(Trouble::Unfit(error.to_string())),
        Content::Dicom { sop_class_uid, sop_instance_uid, transfer_syntax_uid, dataset_offset } => {
            check_length(stamp.length, share.config.max_dicom_bytes)?;
            *beside = find_sidecar(share, &file.relative).await.unwrap_or_default();
            let command = ReceiveInstance {
                org_code: share.config.organization.clone(),
                calling_ae_title: String::new(),
                default_charset: share.charset.clone(),
                sop_class_uid,
                sop_instance_uid,
                transfer_syntax_uid,
                completeness: Completeness::Required,
                actor: actor(share),
            };
            store_instance(archive, command, source, head, dataset_offset as usize).await
        }
        Content::Other(media_type) => {
            if media_type == AttachmentType::Unknown || media_type == AttachmentType::Xml {
                sidecar_itself(share, file, &head, patient)?;
            }
            check_length(stamp.length, share.config.max_attachment_bytes)?;
            *beside = find_sidecar(share, &file.relative).await?;
            if let Some(found) = beside.as_ref().filter(|found| !sidecar_settled(&found.relative)) {
                tracing::trace!(length = found.stamp.length, "a sidecar has not settled");
                return Err(Trouble::Waits);
            }
            let values = beside.as_ref().map(|found| found.values.clone());
            let command = match attachment(share, &file.relative, media_type, values) {
                Err(Trouble::Unfit(_)) if !patient && beside.is_none() => return Err(Trouble::Waits),
                other => other?,
            };
            store_attachment(archive, command, source, head).await
        }
    }
}

/// A sidecar goes with its file. One without a file waits for it, and is unfit in the end.
fn sidecar_itself(share: &Share, file: &Ready, head: &[u8], patient: bool) -> Result<(), Trouble> {
    let is_json = file.relative.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let is_xml = !is_json && matches!(sidecar::read(head), Ok(Some(_)));
    if !is_json && !is_xml {
        return Ok(());
    }
    // Killed between the two moves: the file is put away already, and the sidecar may follow.
    let named = file.relative.with_extension("");
    if named.extension().is_some() && disposal::is_put_away(&share.root, &share.config.done, &named) {
        return Err(Trouble::Unfit("the sidecar was left behind by a file that is in `done`".to_owned()));
    }
    if !patient {
        return Err(Trouble::Waits);
    }
    Err(Trouble::Unfit("there is no file beside this sidecar".to_owned()))
}

async fn find_sidecar(share: &Arc<Share>, relative: &Path) -> Result<Option<Beside>, Trouble> {
    let stem = relative.file_stem().unwrap_or(OsStr::new(""));
    let names = [
        with_ending(relative, ".json"),
        relative.with_file_name(with_ending(Path::new(stem), ".json")),
        with_ending(relative, ".xml"),
        relative.with_file_name(with_ending(Path::new(stem), ".xml")),
    ];
    for name in names.into_iter().filter(|name| name != relative) {
        let (root, path) = (share.root.clone(), name.clone());
        let opened = blocking(move || disposal::open(&root, &path)).await;
        let (file, stamp) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let is_xml = name.extension().is_some_and(|ending| ending == "xml");
        let limit = share.config.max_sidecar_bytes;
        if stamp.length > limit {
            // XML of this length belongs to a device.
            if is_xml {
                continue;
            }
            return Err(Trouble::Unfit(format!("the sidecar is longer than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        tokio::fs::File::from_std(file).take(limit + 1).read_to_end(&mut bytes).await?;
        match sidecar::read(&bytes) {
            Ok(Some(values)) => return Ok(Some(Beside { relative: name, stamp, values })),
            Ok(None) => {}
            Err(_) if is_xml && !bytes.starts_with(b"<attachment") => {}
            Err(error) => return Err(Trouble::Unfit(error.to_string())),
        }
    }
    Ok(None)
}

fn attachment(
    share: &Share,
    relative: &Path,
    media_type: AttachmentType,
    values: Option<Sidecar>,
) -> Result<ReceiveAttachment, Trouble> {
    let said = values.is_some();
    let values = values.unwrap_or_default();
    if !values.organization.is_empty() && values.organization != share.config.organization {
        return Err(Trouble::Unfit("the sidecar names another organisation than the share's".to_owned()));
    }
    let kind = values.kind.or_else(|| place_name::kind(&share.config, relative));
    if media_type == AttachmentType::Unknown && (!said || kind.is_none()) {
        return Err(Trouble::Unfit("is neither DICOM nor of a known form, and no sidecar says what it is".to_owned()));
    }
    let mut accession_number = values.accession_number;
    if accession_number.is_empty() && values.study_instance_uid.is_empty() {
        accession_number = place_name::accession_number(&share.config, relative);
    }
    if accession_number.is_empty() && values.study_instance_uid.is_empty() {
        return Err(Trouble::Unfit(
            "names no exam: there is no sidecar, and no folder named by accession number".into(),
        ));
    }
    Ok(ReceiveAttachment {
        org_code: share.config.organization.clone(),
        kind: kind.unwrap_or(media_type.usual_kind()),
        media_type,
        title: values.title,
        accession_number,
        patient_id: values.patient_id,
        study_instance_uid: values.study_instance_uid,
        source_name: place_name::text_of(relative.file_name().unwrap_or_default()),
        actor: actor(share),
    })
}

/// Moves the file, then its sidecar; an orphaned sidecar does no harm, a file without its sidecar would.
async fn put_away(
    share: &Arc<Share>,
    file: &Ready,
    beside: Option<Beside>,
    outcome: Result<&'static str, String>,
) -> Taken {
    let (share, file) = (Arc::clone(share), file.clone());
    let moved = tokio::task::spawn_blocking(move || {
        let config = &share.config;
        let folder = if outcome.is_ok() { &config.done } else { &config.failed };
        let target = match disposal::put_away(&share.root, folder, &file.relative, file.stamp) {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::NotFound => return Taken::Gone,
            Err(error) => return Taken::Stuck { reason: error.to_string(), stored: outcome.is_ok() },
        };
        if let Err(reason) = &outcome
            && let Err(error) = disposal::write_reason(&target, reason)
        {
            tracing::warn!(share.name = %config.name, %error, "a reason file could not be written");
        }
        if let Some(beside) = beside
            && let Err(error) = disposal::put_away(&share.root, folder, &beside.relative, beside.stamp)
        {
            tracing::warn!(share.name = %config.name, %error, "a sidecar could not be put away");
        }
        if !config.marker.is_empty()
            && let Some(marker) = markers_of(config, &file.relative).first()
        {
            let _ = std::fs::remove_file(share.root.join(marker));
        }
        match outcome {
            Ok(outcome) => Taken::Stored { outcome },
            Err(reason) => Taken::Failed { reason },
        }
    });
    moved.await.unwrap_or_else(|_| Taken::Stuck { reason: "the move ended early".to_owned(), stored: false })
}

fn check_length(length: u64, limit: u64) -> Result<(), Trouble> {
    if length > limit { Err(Trouble::Unfit(format!("the file is longer than {limit} bytes"))) } else { Ok(()) }
}

fn actor(share: &Share) -> Actor {
    Actor::system(&format!("file_share:{}", share.config.name))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(io::Error::other("the work ended early")))
}
