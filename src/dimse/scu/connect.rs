//! The one place where a connection to a peer is opened.

use std::io;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Error, ScuTarget};
use crate::dimse::transport::Transport;

/// What an association of ours runs over.
pub(super) type Stream = Transport;

/// Connects to the target within its time, the handshake of TLS included.
pub(super) async fn open_stream(target: &ScuTarget) -> Result<Stream, Error> {
    let failed = |source| Error::Connect { host: target.host.clone(), port: target.port, source };
    let connected = timeout(target.connect_timeout, connect(target)).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(failed)
}

async fn connect(target: &ScuTarget) -> io::Result<Stream> {
    let tls = match &target.tls {
        Some(config) => {
            let (config, host) = (config.clone(), target.host.clone());
            let loaded = tokio::task::spawn_blocking(move || config.load(&host)).await.map_err(io::Error::other)?;
            Some(loaded.map_err(io::Error::other)?)
        }
        None => None,
    };
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    // Without it, Nagle and delayed acknowledgements cost 40 ms per message.
    stream.set_nodelay(true)?;
    Ok(match tls {
        Some(tls) => Transport::Tls(Box::new(tls.connector.connect(tls.server_name, stream).await?.into())),
        None => Transport::Plain(stream),
    })
}
