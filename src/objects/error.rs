//! What can go wrong with objects, and whether it is for want of room.

use std::io::ErrorKind;
use std::path::PathBuf;

/// What can go wrong with objects.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names no store that we know.
    #[error("objects.url must begin with file:// or s3://")]
    UnknownStore,
    /// The file with the secret could not be read.
    #[error("objects.secret_access_key_file: {0}")]
    SecretFile(std::io::Error),
    /// The folder cannot be used at all.
    #[error("objects.url: the folder {} cannot be written to: {error}", path.display())]
    Unusable {
        /// Which folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The folder refused or failed.
    #[error("object folder: {0}")]
    Folder(#[from] std::io::Error),
    /// The store refused or failed.
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
    /// The object is not there.
    #[error("object is missing from the store")]
    Missing,
    /// The bucket says that an upload is complete, and has another length of it.
    #[error("{key} was uploaded, but the bucket holds {there} of {length} bytes")]
    ShortUpload {
        /// The segment.
        key: String,
        /// Its length.
        length: u64,
        /// What the bucket says.
        there: u64,
    },
    /// A task of ours ended early.
    #[error("object writer has stopped")]
    Stopped,
}

impl Error {
    /// Whether it failed because there is no more room, on a disk or within a quota.
    pub fn is_out_of_space(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
                if full.contains(&io.kind()) {
                    return true;
                }
                // What an error was made from is not always its source.
                cause = io
                    .get_ref()
                    .map(|inner| inner as &(dyn std::error::Error + 'static))
                    .or_else(|| std::error::Error::source(io));
                continue;
            }
            cause = error.source();
        }
        false
    }
}
