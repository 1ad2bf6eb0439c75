//! A-ABORT (PS3.8 section 9.3.8).

/// Why the provider aborts; the byte is the one on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// Nothing more to say: time-outs, shutdown, limits.
    NotSpecified = 0,
    /// A PDU type that the standard does not know.
    UnrecognizedPdu = 1,
    /// A PDU that does not belong here.
    UnexpectedPdu = 2,
    /// A value that does not belong here, such as a presentation context that was not accepted.
    UnexpectedPduParameter = 5,
    /// A value that cannot be.
    InvalidPduParameter = 6,
}

impl AbortReason {
    /// The PDU with the service provider as its source.
    pub(crate) fn pdu(self) -> [u8; 10] {
        [0x07, 0, 0, 0, 0, 4, 0, 0, 2, self as u8]
    }
}

/// The PDU with the service user as its source.
pub(crate) const ABORT_BY_USER: [u8; 10] = [0x07, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// A-RELEASE-RQ.
pub(crate) const RELEASE_REQUEST: [u8; 10] = [0x05, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// A-RELEASE-RP.
pub(crate) const RELEASE_REPLY: [u8; 10] = [0x06, 0, 0, 0, 0, 4, 0, 0, 0, 0];
