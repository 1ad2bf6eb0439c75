//! An archive put together for a test.

use std::time::Duration;

use yingku::archive::{Archive, ArchiveParts, LinkRules, QrConfig, StampSettings};
use yingku::dicom::header::HeaderLimits;
use yingku::documents::DocumentsConfig;
use yingku::domain::Clock;
use yingku::fetch::{Fetcher, ReportsConfig};
use yingku::index::{Ids, Index};
use yingku::objects::Objects;

/// An archive over open parts.
pub fn build(index: Index, objects: Objects, clock: Clock, ids: Ids) -> Archive {
    build_linking(index, objects, clock, ids, LinkRules::default())
}

/// The same, in which reports and images find each other by these rules.
pub fn build_linking(index: Index, objects: Objects, clock: Clock, ids: Ids, link_rules: LinkRules) -> Archive {
    build_with((index, objects, clock, ids), link_rules, DocumentsConfig::default())
}

/// The same with these limits of documents.
pub fn build_with(
    (index, objects, clock, ids): (Index, Objects, Clock, Ids),
    link_rules: LinkRules,
    documents: DocumentsConfig,
) -> Archive {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Archive::new(ArchiveParts {
        index,
        objects,
        clock,
        ids,
        link_rules,
        header_limits: HeaderLimits::default(),
        fetcher: Fetcher::new(ReportsConfig::default()).unwrap(),
        stamp: StampSettings { qr: QrConfig::default(), public_url: "http://127.0.0.1:8080".to_owned() },
        documents,
        probe_interval: Duration::from_secs(15),
    })
}
