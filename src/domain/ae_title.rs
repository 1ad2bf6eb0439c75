//! Application Entity titles (PS3.5 section 6.2, VR AE).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a DICOM application: 1 to 16 printable ASCII characters, compared without blanks at the ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct AeTitle(String);

/// The text is no AE title.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an AE title has 1 to 16 printable ASCII characters and no backslash")]
pub struct AeTitleError;

impl AeTitle {
    /// Reads an AE title; blanks and NUL at the ends are padding.
    pub fn parse(text: &str) -> Result<Self, AeTitleError> {
        let text = text.trim_matches([' ', '\0']);
        let printable = text.bytes().all(|b| (0x20..0x7F).contains(&b) && b != b'\\');
        if text.is_empty() || text.len() > 16 || !printable {
            return Err(AeTitleError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AeTitle {
    type Error = AeTitleError;

    fn try_from(text: String) -> Result<Self, AeTitleError> {
        Self::parse(&text)
    }
}

impl From<AeTitle> for String {
    fn from(title: AeTitle) -> String {
        title.0
    }
}
