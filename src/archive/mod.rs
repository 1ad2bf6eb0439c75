//! The use cases: every external event ends in one method of [`Archive`], one verb per file.
//!
//! A method takes a command in words of the domain, authorises it, writes objects first, then one transaction
//! {rows, job rows, audit row}, and returns an outcome. It knows nothing of protocols and pages.

mod error;
pub mod link;

use crate::domain::Clock;
use crate::index::{Ids, Index};
use crate::objects::Objects;

pub use error::Error;
pub use link::LinkRules;

/// The archive; a cheap clone, handed to every adapter.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(crate) index: Index,
    pub(crate) objects: Objects,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) link_rules: LinkRules,
}

impl Archive {
    /// Puts the archive together from its open parts.
    pub fn new(index: Index, objects: Objects, clock: Clock, ids: Ids, link_rules: LinkRules) -> Self {
        Self { index, objects, clock, ids, link_rules }
    }
}
