//! Wildcard matching (PS3.4 section C.2.2.2.4): `*` for any characters, `?` for one.

/// A value with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

impl Pattern {
    /// Whether the text has a wildcard in it.
    pub fn has_wildcard(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// Takes the text as it is; runs of `*` mean the same as one.
    pub fn new(text: &str) -> Self {
        let mut squeezed = String::with_capacity(text.len());
        for c in text.chars() {
            if c != '*' || !squeezed.ends_with('*') {
                squeezed.push(c);
            }
        }
        Self { text: squeezed }
    }

    /// The text, runs of `*` squeezed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What every match begins with.
    pub fn prefix(&self) -> &str {
        let end = self.text.find(['*', '?']).unwrap_or(self.text.len());
        &self.text[..end]
    }

    /// Whether the whole value fits, character by character.
    pub fn matches(&self, value: &str) -> bool {
        // After a mismatch only the last star needs another try: at most pattern × value steps.
        let (mut pattern, mut rest) = (self.text.as_str(), value);
        let mut retry: Option<(&str, &str)> = None;
        loop {
            let mut of_pattern = pattern.chars();
            let mut of_value = rest.chars();
            match (of_pattern.next(), of_value.next()) {
                (Some('*'), _) => {
                    pattern = of_pattern.as_str();
                    retry = Some((pattern, rest));
                    continue;
                }
                (None, None) => return true,
                (Some(p), Some(v)) if p == '?' || p == v => {
                    (pattern, rest) = (of_pattern.as_str(), of_value.as_str());
                    continue;
                }
                _ => {}
            }
            let Some((after_star, from)) = retry else { return false };
            let mut shorter = from.chars();
            if shorter.next().is_none() {
                return false;
            }
            (pattern, rest) = (after_star, shorter.as_str());
            retry = Some((after_star, rest));
        }
    }
}
