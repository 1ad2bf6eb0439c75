//! Where stored bytes are.

/// A run of bytes in the object store. Several instances may share one object (segments), so an offset belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The object's key; made by the archive, never from the wire.
    pub key: String,
    /// First byte, counted from the object's start.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}
