//! PDUs on a connection (PS3.8 section 9.3).
//!
//! P-DATA-TF PDUs are not collected: their presentation data values are handed on in the pieces in which they arrive,
//! so memory stays at one receive buffer whatever a PDU or an object declares. All other PDUs are small and are read
//! whole, within a limit. Cancelling [`Framing::next`] loses nothing.

use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use dicom_ul::pdu::Pdu;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::abort::AbortReason;

const PDU_HEADER_BYTES: usize = 6;
const PDV_HEADER_BYTES: usize = 6;
/// Devices differ in whether the PDU's own header counts.
const PDU_LENGTH_SLACK: u32 = 12;
/// PDUs other than P-DATA-TF on an open association have four bytes; anything near this is none.
const MAX_CONTROL_PDU_BYTES: usize = 1024;

const COMMAND_BIT: u8 = 0x01;
const LAST_BIT: u8 = 0x02;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FramingError {
    /// The connection failed.
    #[error("connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer closed the connection where it should not.
    #[error("connection closed by the peer")]
    Closed,
    /// The peer sent nothing, or took nothing, for too long.
    #[error("{0} timed out")]
    TimedOut(&'static str),
    /// The peer broke the protocol.
    #[error("protocol violated: {what}")]
    Protocol {
        /// What the A-ABORT says.
        reason: AbortReason,
        /// What happened.
        what: &'static str,
    },
}

impl FramingError {
    pub(crate) fn protocol(reason: AbortReason, what: &'static str) -> Self {
        FramingError::Protocol { reason, what }
    }
}

/// Which of a message's two parts a fragment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Command,
    DataSet,
}

/// A piece of a presentation data value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) context_id: u8,
    pub(crate) part: Part,
    pub(crate) bytes: Bytes,
    /// The command or data set ends with this piece.
    pub(crate) is_last: bool,
}

/// What comes on an open association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    Fragment(Fragment),
    ReleaseRequest,
    ReleaseReply,
    Abort,
}

/// A presentation data value that is being read.
#[derive(Debug, Clone, Copy)]
struct Value {
    context_id: u8,
    flags: u8,
    remaining: usize,
}

/// Limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FramingLimits {
    pub(crate) max_received_pdu: u32,
    pub(crate) max_association_pdu: u32,
    pub(crate) write_timeout: Duration,
}

/// One side of an association's connection.
#[derive(Debug)]
pub(crate) struct Framing<S> {
    stream: S,
    buffer: BytesMut,
    limits: FramingLimits,
    receive_bytes: usize,
    /// Bytes of the current P-DATA-TF that are not yet part of a value.
    pdu_remaining: usize,
    value: Option<Value>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Framing<S> {
    pub(crate) fn new(stream: S, limits: FramingLimits) -> Self {
        // One PDU with its header per read keeps system calls few.
        let receive_bytes = limits.max_received_pdu as usize + 64;
        Self { stream, buffer: BytesMut::new(), limits, receive_bytes, pdu_remaining: 0, value: None }
    }

    /// Reads one of the association PDUs (A-ASSOCIATE-RQ, -AC, -RJ, A-ABORT), whole.
    pub(crate) async fn read_association_pdu(&mut self) -> Result<Pdu, FramingError> {
        self.fill(PDU_HEADER_BYTES).await?;
        let (pdu_type, length) = self.peek_header();
        if !matches!(pdu_type, 0x01..=0x07) {
            return Err(FramingError::protocol(AbortReason::UnrecognizedPdu, "unknown PDU type"));
        }
        if !matches!(pdu_type, 0x01 | 0x02 | 0x03 | 0x07) {
            return Err(FramingError::protocol(AbortReason::UnexpectedPdu, "PDU before the association is open"));
        }
        if length > self.limits.max_association_pdu {
            return Err(FramingError::protocol(AbortReason::InvalidPduParameter, "association PDU is too long"));
        }
        let whole = PDU_HEADER_BYTES + length as usize;
        self.fill(whole).await?;
        let bytes = self.buffer.split_to(whole).freeze();
        match dicom_ul::pdu::read_pdu(bytes, dicom_ul::pdu::MAXIMUM_PDU_SIZE, false) {
            Ok(Some(pdu)) => Ok(pdu),
            Ok(None) | Err(_) => {
                Err(FramingError::protocol(AbortReason::InvalidPduParameter, "association PDU does not parse"))
            }
        }
    }

    /// The next piece of a message, or the next PDU of another kind. A clean close by the peer is
    /// [`FramingError::Closed`].
    pub(crate) async fn next(&mut self) -> Result<Received, FramingError> {
        loop {
            if let Some(value) = self.value {
                if value.remaining > 0 && self.buffer.is_empty() {
                    self.fill(1).await?;
                }
                return Ok(Received::Fragment(self.take_piece(value)));
            }
            if self.pdu_remaining > 0 {
                self.begin_value().await?;
                continue;
            }
            self.fill(PDU_HEADER_BYTES).await?;
            let (pdu_type, length) = self.peek_header();
            if pdu_type != 0x04 {
                return self.control_pdu(pdu_type, length).await;
            }
            if length > self.limits.max_received_pdu.saturating_add(PDU_LENGTH_SLACK) {
                return Err(FramingError::protocol(AbortReason::InvalidPduParameter, "P-DATA-TF longer than agreed"));
            }
            if (length as usize) < PDV_HEADER_BYTES {
                return Err(FramingError::protocol(AbortReason::InvalidPduParameter, "P-DATA-TF without a value"));
            }
            self.buffer.advance(PDU_HEADER_BYTES);
            self.pdu_remaining = length as usize;
        }
    }

    async fn begin_value(&mut self) -> Result<(), FramingError> {
        let invalid = |what| FramingError::protocol(AbortReason::InvalidPduParameter, what);
        if self.pdu_remaining < PDV_HEADER_BYTES {
            return Err(invalid("P-DATA-TF ends inside a value's header"));
        }
        self.fill(PDV_HEADER_BYTES).await?;
        let length = u32::from_be_bytes([self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]]) as usize;
        if length < 2 || length > self.pdu_remaining - 4 {
            return Err(invalid("value longer than its P-DATA-TF"));
        }
        let value = Value { context_id: self.buffer[4], flags: self.buffer[5], remaining: length - 2 };
        self.buffer.advance(PDV_HEADER_BYTES);
        self.pdu_remaining -= 4 + length;
        self.value = Some(value);
        Ok(())
    }

    fn take_piece(&mut self, mut value: Value) -> Fragment {
        let length = value.remaining.min(self.buffer.len());
        let bytes = self.buffer.split_to(length).freeze();
        value.remaining -= length;
        self.value = (value.remaining > 0).then_some(value);
        Fragment {
            context_id: value.context_id,
            part: if value.flags & COMMAND_BIT != 0 { Part::Command } else { Part::DataSet },
            bytes,
            is_last: value.flags & LAST_BIT != 0 && value.remaining == 0,
        }
    }

    async fn control_pdu(&mut self, pdu_type: u8, length: u32) -> Result<Received, FramingError> {
        let received = match pdu_type {
            0x05 => Received::ReleaseRequest,
            0x06 => Received::ReleaseReply,
            0x07 => Received::Abort,
            0x01..=0x03 => {
                return Err(FramingError::protocol(
                    AbortReason::UnexpectedPdu,
                    "association PDU on an open association",
                ));
            }
            _ => return Err(FramingError::protocol(AbortReason::UnrecognizedPdu, "unknown PDU type")),
        };
        if length as usize > MAX_CONTROL_PDU_BYTES {
            return Err(FramingError::protocol(AbortReason::InvalidPduParameter, "PDU is too long"));
        }
        let whole = PDU_HEADER_BYTES + length as usize;
        self.fill(whole).await?;
        self.buffer.advance(whole);
        Ok(received)
    }

    fn peek_header(&self) -> (u8, u32) {
        (self.buffer[0], u32::from_be_bytes([self.buffer[2], self.buffer[3], self.buffer[4], self.buffer[5]]))
    }

    /// Reads until the buffer holds `wanted` bytes; it grows with what arrives, not with what is declared.
    async fn fill(&mut self, wanted: usize) -> Result<(), FramingError> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(self.receive_bytes);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(FramingError::Closed);
            }
        }
        Ok(())
    }

    /// Sends bytes in as few segments as they fit in.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), FramingError> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.limits.write_timeout, write).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(FramingError::TimedOut("sending")),
        }
    }

    /// Sends two runs of bytes as one, without copying them together.
    pub(crate) async fn write_both(&mut self, head: &[u8], rest: &[u8]) -> Result<(), FramingError> {
        let write = async {
            self.stream.write_all_buf(&mut Buf::chain(head, rest)).await?;
            self.stream.flush().await
        };
        match timeout(self.limits.write_timeout, write).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(FramingError::TimedOut("sending")),
        }
    }

    /// Sends a PDU of the association's opening or end.
    pub(crate) async fn write_pdu(&mut self, pdu: &Pdu) -> Result<(), FramingError> {
        let mut bytes = Vec::with_capacity(1024);
        dicom_ul::pdu::write_pdu(&mut bytes, pdu).map_err(|error| io::Error::other(error.to_string()))?;
        self.write(&bytes).await
    }

    /// Sends A-ABORT and closes; what the peer still sends is thrown away for at most `artim`, because closing with
    /// unread bytes would reset the connection before the peer has read the A-ABORT.
    pub(crate) async fn abort(&mut self, pdu: &[u8], artim: Duration) {
        if self.write(pdu).await.is_ok() {
            self.close(artim).await;
        }
    }

    /// Closes our side and waits for the peer's, at most `artim`.
    pub(crate) async fn close(&mut self, artim: Duration) {
        let _ = timeout(artim, async {
            self.stream.shutdown().await?;
            loop {
                self.buffer.clear();
                self.buffer.reserve(4096);
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Ok::<(), io::Error>(());
                }
            }
        })
        .await;
    }
}

/// Appends P-DATA-TF PDUs that carry one command or data set, none longer than `max_pdu` (its variable field).
pub(crate) fn put_message_part(out: &mut Vec<u8>, context_id: u8, part: Part, bytes: &[u8], max_pdu: u32) {
    let room = (max_pdu as usize).saturating_sub(PDV_HEADER_BYTES).max(2);
    let mut rest = bytes;
    loop {
        let (piece, after) = rest.split_at(room.min(rest.len()));
        put_fragment(out, context_id, part, piece, after.is_empty());
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// Appends one P-DATA-TF with one value.
pub(crate) fn put_fragment(out: &mut Vec<u8>, context_id: u8, part: Part, piece: &[u8], is_last: bool) {
    out.reserve(PDU_HEADER_BYTES + PDV_HEADER_BYTES + piece.len());
    put_fragment_head(out, context_id, part, piece.len(), is_last);
    out.put_slice(piece);
}

/// Appends what goes before the one value of a P-DATA-TF.
pub(crate) fn put_fragment_head(out: &mut Vec<u8>, context_id: u8, part: Part, length: usize, is_last: bool) {
    out.put_u8(0x04);
    out.put_u8(0);
    out.put_u32((PDV_HEADER_BYTES + length) as u32);
    out.put_u32((2 + length) as u32);
    out.put_u8(context_id);
    let part_bit = if part == Part::Command { COMMAND_BIT } else { 0 };
    out.put_u8(part_bit | if is_last { LAST_BIT } else { 0 });
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
