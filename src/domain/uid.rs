//! DICOM unique identifiers (PS3.5 section 9).

use std::fmt;

/// A unique identifier: digits and dots, 1 to 64 characters.
///
/// Devices send components with leading zeros; they are kept, since the bytes are the identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(String);

/// Why a text is not a UID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UidError {
    /// Nothing is left without padding.
    #[error("UID is empty")]
    Empty,
    /// More than 64 characters.
    #[error("UID is longer than 64 characters")]
    TooLong,
    /// Something else than digits and dots.
    #[error("UID has a character other than digits and dots")]
    Character,
    /// Two dots in a row, or one at either end.
    #[error("UID has an empty component")]
    EmptyComponent,
}

impl Uid {
    /// Reads a UID, taking NUL and blanks at its end as padding.
    pub fn parse(text: &str) -> Result<Self, UidError> {
        let text = text.trim_end_matches(['\0', ' ']).trim_start_matches(' ');
        if text.is_empty() {
            return Err(UidError::Empty);
        }
        if text.len() > 64 {
            return Err(UidError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(UidError::Character);
        }
        if text.split('.').any(str::is_empty) {
            return Err(UidError::EmptyComponent);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> String {
        uid.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_taken_off() {
        assert_eq!(Uid::parse("1.2.840.10008.1.1\0").unwrap().as_str(), "1.2.840.10008.1.1");
        assert_eq!(Uid::parse(" 1.2 ").unwrap().as_str(), "1.2");
    }

    #[test]
    fn what_is_no_uid_is_refused() {
        assert_eq!(Uid::parse("\0"), Err(UidError::Empty));
        assert_eq!(Uid::parse("../1.2"), Err(UidError::Character));
        assert_eq!(Uid::parse("1..2"), Err(UidError::EmptyComponent));
        assert_eq!(Uid::parse(&"1".repeat(65)), Err(UidError::TooLong));
    }
}
