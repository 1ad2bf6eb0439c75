//! How a data set is encoded (PS3.5 section 10 and annex A), as far as reading its header needs it.

/// Implicit VR Little Endian, the default transfer syntax.
pub const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// Deflated Explicit VR Little Endian.
pub const DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1.99";
/// Explicit VR Big Endian (retired).
pub const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// The encoding of the elements of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementEncoding {
    /// Each element says its value representation.
    pub explicit_vr: bool,
    /// Numbers have their most significant byte first.
    pub big_endian: bool,
}

impl ElementEncoding {
    /// Implicit VR Little Endian.
    pub const IMPLICIT_LITTLE: Self = Self { explicit_vr: false, big_endian: false };
    /// Explicit VR Little Endian.
    pub const EXPLICIT_LITTLE: Self = Self { explicit_vr: true, big_endian: false };
    /// Explicit VR Big Endian.
    pub const EXPLICIT_BIG: Self = Self { explicit_vr: true, big_endian: true };

    /// The encoding that a transfer syntax means; everything compressed or unknown is Explicit VR Little Endian.
    pub fn of(transfer_syntax_uid: &str) -> Self {
        match transfer_syntax_uid {
            // The last is a private one of GE: big endian pixels in an implicit little endian data set.
            IMPLICIT_VR_LITTLE_ENDIAN | "1.2.840.113619.5.2" => Self::IMPLICIT_LITTLE,
            EXPLICIT_VR_BIG_ENDIAN => Self::EXPLICIT_BIG,
            _ => Self::EXPLICIT_LITTLE,
        }
    }

    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// Whether it is one of the three in which elements stand as they are: no deflation, no compression.
pub fn is_plain(transfer_syntax_uid: &str) -> bool {
    matches!(transfer_syntax_uid, IMPLICIT_VR_LITTLE_ENDIAN | EXPLICIT_VR_LITTLE_ENDIAN | EXPLICIT_VR_BIG_ENDIAN)
}

/// Whether the whole data set is deflated (RFC 1951), the JPIP syntaxes included.
pub fn is_deflated(transfer_syntax_uid: &str) -> bool {
    matches!(
        transfer_syntax_uid,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN | "1.2.840.10008.1.2.4.95" | "1.2.840.10008.1.2.4.205"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compressed_or_unknown_syntax_is_explicit_little_endian() {
        assert_eq!(ElementEncoding::of("1.2.840.10008.1.2.4.70"), ElementEncoding::EXPLICIT_LITTLE);
        assert_eq!(ElementEncoding::of("1.3.6.1.4.1.5962.300.1"), ElementEncoding::EXPLICIT_LITTLE);
        assert_eq!(ElementEncoding::of(IMPLICIT_VR_LITTLE_ENDIAN), ElementEncoding::IMPLICIT_LITTLE);
        assert_eq!(ElementEncoding::of(EXPLICIT_VR_BIG_ENDIAN), ElementEncoding::EXPLICIT_BIG);
        assert!(is_deflated(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN));
    }
}
