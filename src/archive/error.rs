//! Why a use case did not succeed.

use crate::{index, objects};

/// Situations that adapters translate into their protocol's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or failed; the caller may try again.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// The object store refused or failed; the caller may try again.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// There is no such thing, or the caller may not know of it.
    #[error("not found")]
    NotFound,
    /// The caller may not do this.
    #[error("not allowed")]
    Denied,
    /// Others are being served, and no turn came in time; the caller may try again.
    #[error("too much is asked for at the same time")]
    Busy,
    /// The command itself is wrong; the text says how, without patient data.
    #[error("{0}")]
    Invalid(String),
    /// What was sent is not what was announced, or cannot be placed; the text holds no patient data.
    #[error("{0}")]
    Mismatch(String),
    /// Something is larger than its configured limit.
    #[error("{what} is larger than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, with its unit.
        limit: String,
    },
}

impl Error {
    /// Whether an object that a row names is not in the store.
    pub fn is_missing_object(&self) -> bool {
        matches!(self, Error::Objects(objects::Error::Missing))
    }

    /// Whether it failed because disk, bucket or database have no more room.
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Error::Index(error) => error.is_out_of_space(),
            Error::Objects(error) => error.is_out_of_space(),
            _ => false,
        }
    }
}
