//! The one place where a connection to a peer is opened.

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Error, ScuTarget};

/// What an association of ours runs over.
pub(super) type Stream = TcpStream;

/// Connects to the target within its time.
pub(super) async fn open_stream(target: &ScuTarget) -> Result<Stream, Error> {
    let failed = |source| Error::Connect { host: target.host.clone(), port: target.port, source };
    let stream = timeout(target.timeout, TcpStream::connect((target.host.as_str(), target.port)))
        .await
        .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    // Without it, Nagle and delayed acknowledgements cost 40 ms per message.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}
