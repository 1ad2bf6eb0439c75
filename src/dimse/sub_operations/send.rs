//! Sending a C-STORE request whose data set comes in pieces.

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::archive;
use crate::archive::peers::send_data_set::DataSet;
use crate::dimse::association::framing::{Framing, FramingError, Part, put_fragment, put_message_part};
use crate::dimse::message::Command;

/// Bytes that are written at once; PDUs of peers that take small ones only are gathered.
const GATHERED_BYTES: usize = 256 * 1024;
const FRAGMENT_HEADER_BYTES: usize = 6;

/// Why a request did not leave whole; the association cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The object could not be read to its end.
    #[error(transparent)]
    Source(#[from] archive::Error),
    /// The object is not as long as it was said to be.
    #[error("the object is shorter or longer than its place")]
    Length,
    /// The connection.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

/// Sends the command and its data set in PDUs no longer than `max_pdu`.
pub(crate) async fn send_store<S: AsyncRead + AsyncWrite + Unpin>(
    framing: &mut Framing<S>,
    context_id: u8,
    command: &Command,
    max_pdu: u32,
    data_set: DataSet,
) -> Result<(), SendError> {
    let room = (max_pdu as usize).saturating_sub(FRAGMENT_HEADER_BYTES).max(2) & !1;
    let mut gathered = Vec::with_capacity(GATHERED_BYTES.min(data_set.length as usize + 1024));
    put_message_part(&mut gathered, context_id, Part::Command, &command.encode(), max_pdu);
    let DataSet { length, mut pieces } = data_set;
    let mut left = length;
    // A data set without bytes still has a fragment that ends it.
    if left == 0 {
        put_fragment(&mut gathered, context_id, Part::DataSet, &[], true);
    }
    while let Some(piece) = pieces.next().await {
        let mut piece = piece?;
        if piece.len() as u64 > left {
            return Err(SendError::Length);
        }
        while !piece.is_empty() {
            let fragment = piece.split_to(room.min(piece.len()));
            left -= fragment.len() as u64;
            put_fragment(&mut gathered, context_id, Part::DataSet, &fragment, left == 0);
            if gathered.len() >= GATHERED_BYTES {
                framing.write(&gathered).await?;
                gathered.clear();
            }
        }
    }
    if left > 0 {
        return Err(SendError::Length);
    }
    if !gathered.is_empty() {
        framing.write(&gathered).await?;
    }
    Ok(())
}
