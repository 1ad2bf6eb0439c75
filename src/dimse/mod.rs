//! DICOM message exchange: the listener for associations, one file per verb, and our own [`scu`].
//!
//! The acceptor and the P-DATA framing are our own over tokio; association PDUs are read and written by `dicom-ul`.
//! Who calls is known by AE title, address or certificate, and user
//! identity ([`PeerConfig`]), which also says whose data it brings and which services it may use. Adapters like
//! this one hold no SQL, no object keys and no business rules.

mod admission;
pub(crate) mod association;
pub mod availability;
mod c_echo;
mod c_find;
mod c_get;
mod c_move;
mod c_store;
pub mod config;
mod dissect;
mod identity;
mod message;
mod n_action;
mod n_event_report;
mod node;
pub mod scu;
mod services;
pub mod status;
pub mod storage_commitment;
pub mod sub_operations;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use dicom_ul::pdu::{AssociationRQ, Pdu};
use metrics::counter;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::archive::Archive;
use crate::archive::peers::send_data_set::Sending;
use crate::domain::live::Live;
use crate::tls::{ListenerKind, ServerTls, TlsError};
use admission::{Admission, Admitted, Origin};
use association::abort::AbortReason;
use association::framing::{Framing, FramingError, FramingLimits};
use association::negotiation::{self, Offer, Rejection};
use association::{Association, AssociationError, Limits};
pub use config::{DicomConfig, PeerConfig};
pub use dissect::{Dissected, dissect};
use node::Node;
pub use services::{Service, Services};
pub use status::Status;
use storage_commitment::StorageCommitment;
use transport::Transport;

/// Pause after the system refuses to accept, when it has no more file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A stopping server does not wait long for peers to close after its A-ABORT.
const STOPPING_LINGER: Duration = Duration::from_millis(500);

/// Why the listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("{key} {address}: {source}")]
    Bind {
        /// The key that names it.
        key: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// TLS cannot be offered as configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A bound DICOM listener that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    local_addr: SocketAddr,
    over_tls: Option<TlsListener>,
    service: Arc<Connections>,
}

/// The listener with TLS beside it.
struct TlsListener {
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: ServerTls,
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

/// What every connection shares.
#[derive(Debug)]
struct Connections {
    config: DicomConfig,
    admission: Admission,
    archive: Archive,
    node: Arc<Node>,
}

impl Listener {
    /// Binds the address; connections wait in the system's queue until [`Listener::run`].
    pub async fn bind(config: &DicomConfig, peers: Vec<PeerConfig>, archive: Archive) -> Result<Self, Error> {
        let (listener, local_addr) = bind("dicom.listen", config.listen).await?;
        let pinned = peers.iter().flat_map(|peer| &peer.certificate);
        let over_tls = match ServerTls::load(ListenerKind::Dicom, &config.tls, pinned)? {
            Some(tls) => {
                let (listener, local_addr) = bind("dicom.tls.listen", tls.listen).await?;
                Some(TlsListener { listener, local_addr, tls })
            }
            None => None,
        };
        let peers = Live::<[PeerConfig]>::new(peers);
        let node = Arc::new(Node::new(config, peers.clone(), &archive));
        let admission = Admission::new(config, peers);
        let service = Connections { config: config.clone(), admission, archive, node };
        Ok(Self { listener, local_addr, over_tls, service: Arc::new(service) })
    }

    /// Both sides of storage commitment: for the job that reports, and to ask peers.
    pub fn storage_commitment(&self) -> StorageCommitment {
        self.service.node.commitment.clone()
    }

    /// The peers, for whoever replaces them while the listener runs.
    pub fn peers(&self) -> Live<[PeerConfig]> {
        self.service.node.peers.clone()
    }

    /// Turns of conversions, shared with those of C-MOVE and C-GET.
    pub fn sending(&self) -> Sending {
        self.service.node.sending.clone()
    }

    /// The address in use, with the port that the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address in use with TLS, if it is offered.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.over_tls.as_ref().map(|listener| listener.local_addr)
    }

    /// Serves until `shutdown`. Then nothing is accepted any more, a message that has begun is finished, everything
    /// else is aborted, and after `dicom.shutdown_timeout_ms` what is left is dropped.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { listener, over_tls, service, .. } = self;
        let config = &service.config;
        let places = config.max_associations.saturating_add(config.max_waiting_connections);
        let connections = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the task of a connection ended badly");
                    }
                    continue;
                }
                accepted = listener.accept() => accepted.map(|accepted| (accepted, None)),
                accepted = accept_over_tls(over_tls.as_ref()) => accepted,
            };
            let ((stream, address), tls) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "a DICOM connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = connections.clone().try_acquire_owned() else {
                counter!("yingku_dimse_rejected_total", "reason" => "connections").increment(1);
                continue;
            };
            let (service, shutdown) = (service.clone(), shutdown.clone());
            tasks.spawn(async move {
                service.serve_connection(stream, tls, address, &shutdown).await;
                drop(place);
            });
        }
        drop((listener, over_tls));
        let limit = Duration::from_millis(config.shutdown_timeout_ms);
        if timeout(limit, async { while tasks.join_next().await.is_some() {} }).await.is_err() {
            warn!(associations = tasks.len(), "associations did not end in time and are dropped");
            tasks.shutdown().await;
        }
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Bind { key, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    Ok((listener, local_addr))
}

type Accepted = ((TcpStream, SocketAddr), Option<ServerTls>);

async fn accept_over_tls(listener: Option<&TlsListener>) -> io::Result<Accepted> {
    match listener {
        Some(TlsListener { listener, tls, .. }) => Ok((listener.accept().await?, Some(tls.clone()))),
        None => std::future::pending().await,
    }
}

/// The connection, after the handshake if there is one, and the certificate that the caller has shown.
async fn transport(
    stream: TcpStream,
    tls: Option<ServerTls>,
) -> io::Result<(Transport, Option<CertificateDer<'static>>)> {
    let Some(tls) = tls else { return Ok((Transport::Plain(stream), None)) };
    let (stream, certificate) = tls.accept(stream).await?;
    Ok((Transport::Tls(Box::new(stream.into())), certificate))
}

impl Connections {
    async fn serve_connection(
        &self,
        stream: TcpStream,
        tls: Option<ServerTls>,
        address: SocketAddr,
        shutdown: &CancellationToken,
    ) {
        // Without it, Nagle and delayed acknowledgements cost 40 ms per message.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(peer.addr = %address, %error, "TCP_NODELAY could not be set");
        }
        let limits = Limits::of(&self.config);
        let framing_limits = FramingLimits {
            max_received_pdu: self.config.max_pdu_length,
            max_association_pdu: self.config.max_associate_request_bytes,
            write_timeout: Duration::from_millis(self.config.write_timeout_ms),
        };
        // One ARTIM for the handshake and the request.
        let artim = Instant::now() + limits.artim_timeout;
        let opened = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            opened = timeout_at(artim, transport(stream, tls)) => opened,
        };
        let (stream, certificate) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return self.log_broken(address, &FramingError::Io(error)),
            Err(_) => return self.log_broken(address, &FramingError::TimedOut("TLS handshake")),
        };
        let mut framing = Framing::new(stream, framing_limits);
        let first = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            first = timeout_at(artim, framing.read_association_pdu()) => first,
        };
        let request = match first {
            Ok(Ok(Pdu::AssociationRQ(request))) => request,
            // ARTIM expired: closed without a word (PS3.8 table 9-10, AA-2).
            Err(_) => return self.log_broken(address, &FramingError::TimedOut("A-ASSOCIATE-RQ")),
            Ok(Ok(_)) => {
                let error = FramingError::protocol(AbortReason::UnexpectedPdu, "no A-ASSOCIATE-RQ");
                self.log_broken(address, &error);
                return framing.abort(&AbortReason::UnexpectedPdu.pdu(), limits.artim_timeout).await;
            }
            Ok(Err(error)) => {
                self.log_broken(address, &error);
                if let FramingError::Protocol { reason, .. } = error {
                    framing.abort(&reason.pdu(), limits.artim_timeout).await;
                }
                return;
            }
        };
        let origin = Origin { address, certificate };
        match self.admit(&request, &origin, shutdown).await {
            Ok(admitted) => self.serve_association(framing, &request, admitted, limits, shutdown).await,
            Err(rejection) => {
                counter!("yingku_dimse_rejected_total", "reason" => rejection.as_str()).increment(1);
                warn!(
                    peer.ae_title = %negotiation::unpadded(&request.calling_ae_title).escape_debug(),
                    peer.addr = %address,
                    reason = rejection.as_str(),
                    "an association was rejected"
                );
                if framing.write_pdu(&Pdu::AssociationRJ(rejection.pdu())).await.is_ok() {
                    framing.close(limits.artim_timeout).await;
                }
            }
        }
    }

    async fn admit(
        &self,
        request: &AssociationRQ,
        origin: &Origin,
        shutdown: &CancellationToken,
    ) -> Result<Admitted, Rejection> {
        negotiation::check_protocol(request)?;
        if shutdown.is_cancelled() {
            return Err(Rejection::ShuttingDown);
        }
        self.admission.admit(request, origin).await
    }

    async fn serve_association(
        &self,
        mut framing: Framing<Transport>,
        request: &AssociationRQ,
        admitted: Admitted,
        limits: Limits,
        shutdown: &CancellationToken,
    ) {
        let Admitted { caller, slot } = admitted;
        let offer = Offer {
            max_pdu_length: self.config.max_pdu_length,
            max_presentation_contexts: self.config.max_presentation_contexts,
            private_classes: self.config.private_classes(),
            services: caller.services,
            transfer_syntaxes: &caller.transfer_syntaxes,
        };
        let Some(agreement) = negotiation::negotiate(request, offer) else {
            let error = FramingError::protocol(AbortReason::InvalidPduParameter, "presentation context ids");
            self.log_broken(caller.address, &error);
            return framing.abort(&AbortReason::InvalidPduParameter.pdu(), limits.artim_timeout).await;
        };
        if let Err(error) = framing.write_pdu(&Pdu::AssociationAC(agreement.answer.clone())).await {
            return self.log_broken(caller.address, &error);
        }
        debug!(
            peer.ae_title = %caller.ae_title,
            peer.addr = %caller.address,
            contexts = agreement.contexts.len(),
            "an association is open"
        );
        let mut association = {
            let (archive, node) = (self.archive.clone(), self.node.clone());
            Association::new(framing, agreement, caller, archive, &self.config, node)
        };
        let ended = association.serve(shutdown).await;
        // The slot is free before the peer has closed: it may come again at once.
        drop(slot);
        log_end(&association, &ended);
        match ended {
            Ok(()) => tokio::select! {
                () = association.close() => {}
                () = shutdown.cancelled() => {}
            },
            Err(error) => {
                let Some(reason) = error.abort_reason() else { return };
                let stopping = matches!(error, AssociationError::Stopping);
                association.abort(reason, if stopping { STOPPING_LINGER } else { limits.artim_timeout }).await;
            }
        }
    }

    fn log_broken(&self, address: SocketAddr, error: &FramingError) {
        counter!("yingku_dimse_broken_total").increment(1);
        info!(peer.addr = %address, %error, "a connection ended before an association was open");
    }
}

fn log_end(association: &Association, ended: &Result<(), AssociationError>) {
    let caller = &association.caller;
    let tally = association.tally();
    match ended {
        Ok(()) => info!(
            peer.ae_title = %caller.ae_title,
            peer.addr = %caller.address,
            stored = tally.stored,
            refused = tally.refused,
            bytes = tally.bytes,
            "an association was released"
        ),
        Err(error) => {
            counter!("yingku_dimse_broken_total").increment(1);
            warn!(
                peer.ae_title = %caller.ae_title,
                peer.addr = %caller.address,
                stored = tally.stored,
                refused = tally.refused,
                bytes = tally.bytes,
                %error,
                "an association broke"
            );
        }
    }
}
