//! The use cases: every external event ends in one method of [`Archive`], one verb per file.
//!
//! A method takes a command in words of the domain, authorises it, writes objects first, then one transaction
//! {rows, job rows, audit row}, and returns an outcome. It knows nothing of protocols and pages.

mod error;
pub mod images;
pub mod links;
pub mod pages;
pub mod patients;
pub mod peers;
pub mod reports;
pub mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::dicom::film::FilmRule;
use crate::dicom::header::HeaderLimits;
use crate::documents::DocumentsConfig;
use crate::domain::Clock;
use crate::fetch::Fetcher;
use crate::index::{Ids, Index, instances};
use crate::objects::Objects;

pub use error::Error;
pub use links::link::LinkRules;
pub use peers::retrieve_exam::RetrieveConfig;
pub use reports::read_report_file::{ReportCopy, ReportFileState};
pub use reports::stamp_rules::{QrConfig, QrRule, StampSettings};

use reports::document_turns::Documents;
use reports::refusals::Refusals;
use upkeep::check_health::StoreProbe;
use upkeep::note_success::Successes;

/// The open parts that an archive is put together from.
#[derive(Debug)]
pub struct ArchiveParts {
    /// Everything that is known.
    pub index: Index,
    /// Everything that is kept.
    pub objects: Objects,
    /// The time.
    pub clock: Clock,
    /// Makes ids.
    pub ids: Ids,
    /// How reports and images find each other.
    pub link_rules: LinkRules,
    /// How far the header of an object is read.
    pub header_limits: HeaderLimits,
    /// Fetches report files.
    pub fetcher: Fetcher,
    /// How PDF reports are stamped.
    pub stamp: StampSettings,
    /// Limits of the work on report files.
    pub documents: DocumentsConfig,
    /// How old an answer of the object store to "are you there" may be.
    pub probe_interval: Duration,
}

/// The archive; a cheap clone, handed to every adapter.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(crate) index: Index,
    pub(crate) objects: Objects,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) link_rules: LinkRules,
    pub(crate) header_limits: HeaderLimits,
    pub(crate) film_rules: Arc<[FilmRule]>,
    pub(crate) fetcher: Fetcher,
    pub(crate) stamp: Arc<StampSettings>,
    pub(crate) documents: Documents,
    configured_organizations: Arc<BTreeMap<String, String>>,
    pub(crate) forward_rules: Arc<[peers::forward::ForwardRule]>,
    growing: images::growing_series::GrowingSeries,
    known_patients: patients::add_ahead::KnownPatients,
    pub(crate) notify_rules: Arc<[peers::notify_availability::NotifyRule]>,
    fetched: peers::retrieve_exam::Fetched,
    dictionaries: upkeep::dictionaries::Live,
    store_probe: StoreProbe,
    successes: Successes,
    refusals: Refusals,
    reading_rules: Arc<upkeep::reindex::ReindexRules>,
    replays: bool,
}

impl Archive {
    /// Puts the archive together from its open parts.
    pub fn new(parts: ArchiveParts) -> Self {
        Self {
            index: parts.index,
            objects: parts.objects,
            clock: parts.clock,
            ids: parts.ids,
            link_rules: parts.link_rules,
            header_limits: parts.header_limits,
            film_rules: Arc::from([]),
            fetcher: parts.fetcher,
            stamp: Arc::new(parts.stamp),
            documents: Documents::new(parts.documents),
            configured_organizations: Arc::default(),
            forward_rules: Arc::from([]),
            growing: images::growing_series::GrowingSeries::default(),
            known_patients: patients::add_ahead::KnownPatients::default(),
            notify_rules: Arc::from([]),
            fetched: peers::retrieve_exam::Fetched::default(),
            dictionaries: upkeep::dictionaries::Live::default(),
            store_probe: StoreProbe::new(parts.probe_interval),
            successes: Successes::default(),
            refusals: Refusals::default(),
            reading_rules: Arc::default(),
            replays: false,
        }
    }

    /// The same archive, which knows these organisations, code and name of each, beside those that operators import.
    pub fn naming(mut self, names: BTreeMap<String, String>) -> Self {
        self.configured_organizations = Arc::new(names);
        self
    }

    /// The same archive, which knows films that their Modality does not tell (D-I5).
    pub fn knowing_films(mut self, rules: Vec<FilmRule>) -> Self {
        self.film_rules = rules.into();
        self
    }

    /// Whether nothing has come in yet, neither images nor reports.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        Ok(instances::nothing_there(&self.index).await?)
    }

    /// Keeps this process's node number; call it well within [`crate::index::LEASE`].
    pub async fn renew_lease(&self) -> Result<(), Error> {
        Ok(self.ids.renew(&self.index).await?)
    }

    /// Finishes the open segment and gives this process's node number back.
    pub async fn release(&self) -> Result<(), Error> {
        self.objects.close().await;
        Ok(self.ids.release(&self.index).await?)
    }

    /// Gives the node number back and closes the database; nothing may use the archive after it.
    pub async fn close(self) -> Result<(), Error> {
        self.release().await?;
        self.index.close().await;
        Ok(())
    }
}
