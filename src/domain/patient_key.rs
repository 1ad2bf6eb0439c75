//! A patient of an institution in one word, for addresses: `ORG-T01..P0001`.
//!
//! Letters, digits and hyphens stand for themselves, every other byte is a point and two hex digits, two points part
//! organisation and number: an id as FHIR allows it (and up to 64 characters, as long as the number itself is short).

/// A patient of an institution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PatientKey {
    /// The institution's code.
    pub org_code: String,
    /// The institution's number of the patient.
    pub patient_id: String,
}

impl PatientKey {
    /// The word.
    pub fn encode(&self) -> String {
        format!("{}..{}", escaped(&self.org_code), escaped(&self.patient_id))
    }

    /// Reads the word.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > 1024 {
            return None;
        }
        let (org_code, patient_id) = text.split_once("..")?;
        let key = Self { org_code: unescaped(org_code)?, patient_id: unescaped(patient_id)? };
        (!key.org_code.is_empty() && !key.patient_id.is_empty() && key.encode() == text).then_some(key)
    }
}

fn escaped(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            word.push(byte as char);
        } else {
            word.push('.');
            word.push_str(&hex::encode([byte]));
        }
    }
    word
}

fn unescaped(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'.' {
            bytes.extend(hex::decode(after.get(..2)?).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_readable_and_reads_back() {
        let key = |org: &str, id: &str| PatientKey { org_code: org.into(), patient_id: id.into() };
        assert_eq!(key("ORG-T01", "P0001").encode(), "ORG-T01..P0001");
        for key in [key("ORG-T01", "P0001"), key("机构", "甲/1.2"), key("a.b", ".")] {
            assert_eq!(PatientKey::decode(&key.encode()), Some(key));
        }
    }

    #[test]
    fn other_words_are_no_keys() {
        for word in ["", "ORG-T01", "..P1", "ORG-T01..", "A..B..C", "A..%41", "A...zz", "A..B.2"] {
            assert_eq!(PatientKey::decode(word), None, "{word}");
        }
    }
}
