//! The use cases: every external event ends in one method of [`Archive`], one verb per file.
//!
//! A method takes a command in words of the domain, authorises it, writes objects first, then one transaction
//! {rows, job rows, audit row}, and returns an outcome. It knows nothing of protocols and pages.

pub mod check_health;
mod error;
pub mod find_reports;
pub mod keep_message;
pub mod link;
pub mod prepare_report;
mod register_exam;
mod register_lab;
pub mod register_reports;
pub mod report_codes;
pub mod store_instance;
pub mod sweep;
pub mod verify;

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

    /// Keeps this process's node number; call it well within [`crate::index::LEASE`].
    pub async fn renew_lease(&self) -> Result<(), Error> {
        Ok(self.ids.renew(&self.index).await?)
    }

    /// Gives this process's node number back.
    pub async fn release(&self) -> Result<(), Error> {
        Ok(self.ids.release(&self.index).await?)
    }

    /// Gives the node number back and closes the database; nothing may use the archive after it.
    pub async fn close(self) -> Result<(), Error> {
        self.release().await?;
        self.index.close().await;
        Ok(())
    }
}
