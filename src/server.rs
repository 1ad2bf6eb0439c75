//! The composition root: opens the parts, wires them, mounts the doors, listens, drains.
//!
//! [`Server::open`] binds both ports, so that addresses are known and a taken port is an error before anything runs;
//! [`Server::run`] serves until its token is cancelled, then lets associations and requests finish, gives jobs back
//! and returns.

mod clients;
mod reload;
mod upkeep;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::archive::upkeep::free_space::DiskWatch;
use crate::archive::upkeep::queue::{JobFailure, JobKind};
use crate::archive::upkeep::reindex::ReindexRules;
use crate::archive::{self, Archive, ArchiveParts, StampSettings};
use crate::config::Config;
use crate::dimse::availability::AvailabilityNotification;
use crate::domain::Clock;
use crate::domain::live::Live;
use crate::fetch::{self, Fetcher};
use crate::index::{self, Ids, Index};
use crate::integrations::file_share;
use crate::integrations::front::{self, Front};
use crate::integrations::pacs::Pacs;
use crate::integrations::report_registry;
use crate::jobs::people::keep_people;
use crate::jobs::{Handlers, Workers};
use crate::objects::{self, Objects};
use crate::web::api::{self, ApiState};
use crate::web::dicomweb::{self, DicomwebState};
use crate::web::fhir;
use crate::web::health::{self, HealthState, Readiness};
use crate::web::operations::{self, OperationsState};
use crate::web::pages::{self, PagesState};
use crate::{dimse, telemetry, web};

pub use reload::{Reload, ReloadError};

/// How long a stop waits for an upload that has begun.
const SHIP_PATIENCE: Duration = Duration::from_secs(10);

/// Why the server could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be used.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// The object store cannot be used.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// A part of the archive cannot be used.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// Report files could not be fetched with this configuration.
    #[error("[reports]: {0}")]
    Fetch(#[from] fetch::Error),
    /// The report registry cannot be offered with this configuration.
    #[error(transparent)]
    Registry(#[from] report_registry::ConfigError),
    /// The DICOM port cannot be used.
    #[error("DICOM listener: {0}")]
    Dimse(#[from] dimse::Error),
    /// An upstream cannot be forwarded to with this configuration.
    #[error("{0}")]
    Upstream(String),
    /// An HTTP port cannot be used.
    #[error(transparent)]
    Http(#[from] web::BindError),
}

/// A server whose ports are open.
pub struct Server {
    config: Config,
    archive: Archive,
    dimse: dimse::Listener,
    http: web::HttpListener,
    router: Live<Router>,
    readiness: Arc<Readiness>,
    http_addr: SocketAddr,
}

impl Server {
    /// Opens database, store and ports.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let archive = open_archive(&config).await?;
        // Not for commands: a reindex has no news.
        let archive = archive.notifying(AvailabilityNotification::rules(&config.dicom, &config.peer));
        archive.replay_segments().await?;
        archive.begin_feed_epoch().await?;
        // Before anybody can register: what comes from now on goes to every upstream for reports.
        for upstream in config.upstream.iter().filter(|upstream| upstream.reports.is_set()) {
            archive.begin_report_forwards(&upstream.name).await?;
        }
        let dimse = dimse::Listener::bind(&config.dicom, config.peer.clone(), archive.clone()).await?;
        let http = web::HttpListener::bind(&config.http, config.caller_certificates()).await?;
        let http_addr = http.local_addr().unwrap_or(config.http.listen);
        let readiness = Arc::new(Readiness::default());
        let router = Live::new(router(&config, &archive, Arc::clone(&readiness))?);
        Ok(Self { config, archive, dimse, http, router, readiness, http_addr })
    }

    /// Where HTTP is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where HTTP is served over TLS, if it is.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.http.tls_addr()
    }

    /// Where DICOM is served.
    pub fn dicom_addr(&self) -> SocketAddr {
        self.dimse.local_addr()
    }

    /// Where DICOM is served over TLS, if it is.
    pub fn dicom_tls_addr(&self) -> Option<SocketAddr> {
        self.dimse.tls_addr()
    }

    /// The archive behind the doors.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What follows the configuration while the server runs.
    pub fn reload(&self) -> Reload {
        let (config, archive, readiness) = (self.config.clone(), self.archive.clone(), Arc::clone(&self.readiness));
        Reload { started: config, archive, peers: self.dimse.peers(), router: self.router.clone(), readiness }
    }

    /// Serves until `shutdown` is cancelled, then drains: a message or request that has begun is finished within its
    /// limit, jobs that cannot finish are given back.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { config, archive, dimse, http, router, readiness, .. } = self;
        let mut handlers = handlers(&config, &archive);
        let commitment = dimse.storage_commitment();
        handlers.add(JobKind::ReportStorageCommitment, config.dicom.commitment.concurrency, move |job| {
            let commitment = commitment.clone();
            async move { commitment.run_job(&job).await }
        });
        match archive.restamp_if_changed().await {
            Ok(true) => tracing::info!("the policy of printed codes has changed, reports are stamped anew"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "stamping anew could not be planned"),
        }
        match archive.restrict_if_changed(&config.registry.restricted_confidentiality).await {
            Ok(true) => {
                tracing::info!("the words for restricted reports have changed, stored reports are looked through")
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "looking through stored reports could not be planned"),
        }
        let notification = AvailabilityNotification::new(archive.clone(), &config.dicom, dimse.peers());
        handlers.add(JobKind::NotifyAvailability, config.dicom.availability.concurrency, move |job| {
            let notification = notification.clone();
            async move { notification.run_job(&job).await }
        });
        let workers = Workers::start(archive.clone(), handlers, config.jobs.clone());
        readiness.set_working(true);
        tokio::spawn(watch_workers(workers.ended(), Arc::clone(&readiness), shutdown.clone()));
        if config.scrub.every_days > 0
            && let Err(error) = archive.schedule_scrub().await
        {
            tracing::warn!(%error, "the scrub could not be scheduled");
        }
        if config.compaction.dead_percent > 0
            && let Err(error) = archive.schedule_compaction().await
        {
            tracing::warn!(%error, "the compaction could not be scheduled");
        }
        if let Err(error) = archive.schedule_purge_inbox().await {
            tracing::warn!(%error, "the purge of the inbox could not be scheduled");
        }
        let upkeep = tokio::spawn(upkeep::keep_up(archive.clone(), shutdown.clone()));
        let people = tokio::spawn(keep_people(archive.clone(), config.patients.clone(), shutdown.clone()));
        let charset = &config.dicom.default_charset;
        let upstreams = upstreams(&config, &dimse)?;
        let front = Front::start(&archive, upstreams, &config.front, &shutdown);
        let watchers = file_share::Watchers::start(&archive, &config.file_share, charset, &shutdown);
        let shipping = tokio::spawn(upkeep::ship_segments(archive.clone(), shutdown.clone()));
        let every = Duration::from_millis(config.api.sequence_every_ms.max(1));
        let sequencing = tokio::spawn(upkeep::sequence_changes(archive.clone(), every, shutdown.clone()));
        let disks = DiskWatch::new(&config.disk, &config.objects, &config.database);
        let every = Duration::from_millis(config.disk.check_ms.max(1));
        tokio::spawn(upkeep::watch_disks(disks, every, Arc::clone(&readiness), shutdown.clone()));
        let statistics = tokio::spawn(upkeep::keep_statistics(archive.clone(), shutdown.clone()));
        let auditing = tokio::spawn(upkeep::purge_audit(archive.clone(), config.audit.clone(), shutdown.clone()));
        let associations = tokio::spawn(dimse.run(shutdown.clone()));
        readiness.set_accepting(true);
        web::serve(http, router, &config.http, shutdown).await;
        readiness.set_accepting(false);
        let _ = associations.await;
        // Together: what one of them waits for is no reason for the others to go on.
        tokio::join!(watchers.stop(), front.stop(), workers.stop());
        let _ = upkeep.await;
        let _ = people.await;
        let _ = sequencing.await;
        let _ = statistics.await;
        let _ = auditing.await;
        // An upload that takes longer is begun anew at the next start.
        let _ = tokio::time::timeout(SHIP_PATIENCE, shipping).await;
        Ok(archive.close().await?)
    }
}

/// Opens the archive's parts; also for commands that work without the server.
pub async fn open_archive(config: &Config) -> Result<Archive, Error> {
    let index = Index::open(&config.database).await?;
    let objects = Objects::open(&config.objects)?;
    let ids = Ids::lease(&index).await?;
    let archive = Archive::new(ArchiveParts {
        index,
        objects,
        clock: Clock::System,
        ids,
        link_rules: config.link,
        header_limits: config.dicom.header.clone(),
        fetcher: Fetcher::new(config.reports.clone())?,
        stamp: StampSettings { public_url: config.http.public_url.clone(), qr: config.qr.clone() },
        documents: config.documents.clone(),
        probe_interval: Duration::from_millis(config.objects.probe_interval_ms),
    });
    archive.refresh_dictionaries().await?;
    let archive = archive.fetching_for(Pacs::organizations(&config.peer));
    let archive = archive.naming(config.organization.iter().map(|one| (one.code.clone(), one.name.clone())).collect());
    let archive = archive.knowing_films(config.dicom.film.clone());
    let archive = archive.making_rows_again(reading_back(config, None));
    Ok(archive.forwarding(config.upstream.iter().map(front::UpstreamConfig::rule).collect()))
}

/// How stored objects are read again; `organization` is that of objects which do not name theirs.
pub fn reading_back(config: &Config, organization: Option<String>) -> ReindexRules {
    let mut charsets = HashMap::new();
    let told = || config.peer.iter().filter_map(|peer| Some((peer, peer.charset.as_ref()?)));
    let own = told().map(|(peer, charset)| (&peer.organization, peer, charset));
    // What is fetched from a peer for others says its title, too.
    let fetched =
        told().flat_map(|(peer, charset)| peer.fetched_organizations().iter().map(move |org| (org, peer, charset)));
    for (organization, peer, charset) in own.chain(fetched) {
        charsets.entry((organization.clone(), peer.ae_title.to_string())).or_insert_with(|| charset.clone());
    }
    ReindexRules { organization, default_charset: config.dicom.default_charset.clone(), charsets }
}

/// The upstream archives, each with its peer where it is one of DICOM.
fn upstreams(config: &Config, dimse: &dimse::Listener) -> Result<Vec<front::Upstream>, Error> {
    let of = |upstream: &front::UpstreamConfig| {
        let is_it = |peer: &&dimse::PeerConfig| peer.ae_title.to_string() == upstream.peer && !peer.host.is_empty();
        let dicom = config.peer.iter().find(is_it).map(|peer| {
            let mut target = dimse::scu::ScuTarget::of_peer(&config.dicom, peer);
            target.timeout = Duration::from_millis(upstream.timeout_ms.max(1));
            front::DicomUpstream { target, commitment: dimse.storage_commitment(), sending: dimse.sending() }
        });
        front::Upstream::new(upstream.clone(), dicom).map_err(Error::Upstream)
    };
    config.upstream.iter().map(of).collect()
}

fn router(config: &Config, archive: &Archive, readiness: Arc<Readiness>) -> Result<Router, Error> {
    let pages = PagesState::new(
        archive.clone(),
        &config.http,
        config.pages.clone(),
        config.render.clone(),
        config.customer.clone(),
    );
    let watch_from = config.http.watch_from.clone();
    let health = HealthState { archive: archive.clone(), metrics: telemetry::metrics(), readiness, watch_from };
    let dicomweb = DicomwebState::new(
        archive.clone(),
        &config.http,
        config.dicomweb.clone(),
        config.dicom.default_charset.clone(),
        clients::dicomweb_clients(config),
        pages.clone(),
    );
    let operations = OperationsState::new(
        archive.clone(),
        config.quality.clone(),
        clients::operations_clients(config),
        &config.http.public_url,
    );
    let mut routers = vec![health::router(health), pages::router(pages), dicomweb::router(dicomweb)];
    routers.push(operations::router(operations));
    let pulls = ApiState::new(archive.clone(), &config.http, config.api.clone(), clients::api_clients(config));
    if pulls.has_clients() {
        routers.extend([api::router(pulls.clone()), fhir::router(pulls)]);
    }
    if !config.sender.is_empty() || !config.client.is_empty() {
        routers.push(report_registry::router(archive.clone(), config.registry_settings())?);
    }
    Ok(web::app(&config.http, routers))
}

/// Who does which jobs in this process.
fn handlers(config: &Config, archive: &Archive) -> Handlers {
    let mut handlers = Handlers::of(archive, config.jobs.workers);
    let stamping = archive.clone();
    // One walk at a time is enough, and leaves the other places to what is new.
    handlers.add(JobKind::RestampReports, 1, move |job| {
        let archive = stamping.clone();
        async move { archive.run_job(&job).await }
    });
    let (restricted, words) = (archive.clone(), config.registry.restricted_confidentiality.clone());
    handlers.add(JobKind::RestrictReports, 1, move |_| {
        let (archive, words) = (restricted.clone(), words.clone());
        async move {
            let failed = |error: archive::Error| JobFailure { reason: error.to_string(), retryable: true };
            archive.run_restriction(&words).await.map_err(failed)
        }
    });
    let pacs = Arc::new(Pacs::new(archive.clone(), &config.dicom, &config.peer, config.retrieve.clone()));
    handlers.add(JobKind::RetrieveExam, pacs.places(), move |job| {
        let pacs = Arc::clone(&pacs);
        async move { pacs.retrieve(job).await }
    });
    let (compacted, compaction) = (archive.clone(), config.compaction.clone());
    handlers.add(JobKind::Compact, 1, move |_| {
        let (archive, compaction) = (compacted.clone(), compaction.clone());
        async move {
            let failed = |error: archive::Error| JobFailure { reason: error.to_string(), retryable: true };
            archive.run_compaction(&compaction).await.map_err(failed)
        }
    });
    let (inbox_archive, inbox, keep_done_days) = (archive.clone(), config.inbox.clone(), config.jobs.keep_done_days);
    handlers.add(JobKind::PurgeInbox, 1, move |_| {
        let (archive, inbox) = (inbox_archive.clone(), inbox.clone());
        async move {
            let failed = |error: archive::Error| JobFailure { reason: error.to_string(), retryable: true };
            let finished = archive.run_purge_inbox(&inbox).await.map_err(failed)?;
            archive.purge_done_jobs(keep_done_days).await.map_err(failed)?;
            Ok(finished)
        }
    });
    let (scrubbed, scrub) = (archive.clone(), config.scrub.clone());
    handlers.add(JobKind::Scrub, 1, move |_| {
        let (archive, scrub) = (scrubbed.clone(), scrub.clone());
        async move {
            let failed = |error: archive::Error| JobFailure { reason: error.to_string(), retryable: true };
            archive.run_scrub(&scrub).await.map_err(failed)
        }
    });
    handlers
}

/// A server that takes no more jobs must be seen not to work, though it still answers.
async fn watch_workers(ended: CancellationToken, readiness: Arc<Readiness>, shutdown: CancellationToken) {
    ended.cancelled().await;
    readiness.set_working(false);
    if !shutdown.is_cancelled() {
        tracing::error!("jobs are no longer taken; restart the server");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_whose_workers_have_died_says_so() {
        let (ended, readiness) = (CancellationToken::new(), Arc::new(Readiness::default()));
        readiness.set_working(true);
        assert!(readiness.is_working());

        ended.cancel();
        watch_workers(ended, Arc::clone(&readiness), CancellationToken::new()).await;

        assert!(!readiness.is_working());
    }
}
