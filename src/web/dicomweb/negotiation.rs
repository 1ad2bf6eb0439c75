//! What a caller is willing to take: `Accept`, or the query parameter of the same name (PS3.18 section 8.3.3, 8.7.5).

use axum::http::{HeaderMap, header};

/// One acceptable media type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Accepted {
    /// Type and subtype in lower case, e.g. `multipart/related`.
    pub(super) media_type: String,
    /// The parameter `type` of a multipart type, in lower case.
    pub(super) part_type: Option<String>,
    /// The parameter `transfer-syntax`; `*` for any.
    pub(super) transfer_syntax: Option<String>,
    quality: f32,
}

impl Accepted {
    /// Whether this media type is meant, by a wildcard or by name.
    pub(super) fn covers(&self, media_type: &str) -> bool {
        self.media_type == "*/*" || self.media_type == media_type || {
            let group = self.media_type.strip_suffix("/*");
            group.is_some_and(|group| media_type.split('/').next() == Some(group))
        }
    }

    /// Whether a multipart answer with parts of this type is meant.
    pub(super) fn covers_parts(&self, part_type: &str) -> bool {
        self.covers("multipart/related")
            && self.part_type.as_deref().is_none_or(|asked| {
                let any = asked.strip_suffix("/*");
                asked == "*/*"
                    || asked == part_type
                    || any.is_some_and(|group| part_type.split('/').next() == Some(group))
            })
    }

    /// Whether an object in this transfer syntax may be given; without a parameter any may.
    pub(super) fn takes(&self, transfer_syntax: &str) -> bool {
        self.transfer_syntax.as_deref().is_none_or(|asked| asked == "*" || asked == transfer_syntax)
    }
}

/// Everything acceptable, best first; `*/*` when nothing is said. The query parameter stands above the header.
pub(super) fn accepted(headers: &HeaderMap, parameter: Option<&str>) -> Vec<Accepted> {
    // A plus sign that was not encoded has become a blank on its way through the query.
    let parameter = parameter.map(|text| text.replace("application/dicom ", "application/dicom+"));
    let mut all: Vec<Accepted> = parameter.map(|text| list(&text)).unwrap_or_default();
    if all.is_empty() {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        all = values.flat_map(list).collect();
    }
    if all.is_empty() {
        all = list("*/*");
    }
    all.retain(|one| one.quality > 0.0);
    all.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    all
}

fn list(text: &str) -> Vec<Accepted> {
    split_outside_quotes(text, ',').into_iter().filter_map(|one| read(&one)).collect()
}

fn read(text: &str) -> Option<Accepted> {
    let mut pieces = split_outside_quotes(text, ';').into_iter();
    let media_type = pieces.next()?.trim().to_ascii_lowercase();
    media_type.split_once('/').filter(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty())?;
    let mut accepted = Accepted { media_type, part_type: None, transfer_syntax: None, quality: 1.0 };
    for (name, value) in pieces.filter_map(|piece| parameter(&piece)) {
        match name.as_str() {
            "type" => accepted.part_type = Some(value.to_ascii_lowercase()),
            "transfer-syntax" => accepted.transfer_syntax = Some(value),
            "q" => accepted.quality = value.parse().ok().filter(|q: &f32| (0.0..=1.0).contains(q))?,
            _ => {}
        }
    }
    Some(accepted)
}

/// A parameter of a media type: its name in lower case, its value without quotes.
pub(super) fn parameter(piece: &str) -> Option<(String, String)> {
    let (name, value) = piece.split_once('=')?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    Some((name.trim().to_ascii_lowercase(), value.replace("\\\"", "\"").trim().to_owned()))
}

/// Splits where no quoted text is.
pub(super) fn split_outside_quotes(text: &str, separator: char) -> Vec<String> {
    let (mut quoted, mut parts) = (false, vec![String::new()]);
    for c in text.chars() {
        match (c, parts.last_mut()) {
            (c, _) if c == separator && !quoted => parts.push(String::new()),
            (c, Some(part)) => {
                quoted ^= c == '"';
                part.push(c);
            }
            (_, None) => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_with_quotes_parameters_and_quality() {
        let text = "application/dicom+xml;q=0.5, multipart/related; type=\"application/dicom\"; transfer-syntax=*, bad, x/y;q=0";
        let headers = HeaderMap::from_iter([(header::ACCEPT, text.parse().unwrap())]);
        let all = accepted(&headers, None);
        assert_eq!(all.len(), 2);
        assert!(all[0].covers_parts("application/dicom") && !all[0].covers_parts("image/jpeg"));
        assert!(all[0].takes("1.2.840.10008.1.2.4.70"));
        assert!(all[1].covers("application/dicom+xml") && !all[1].covers("application/dicom+json"));
    }

    #[test]
    fn the_parameter_stands_above_the_header_and_silence_takes_everything() {
        let headers = HeaderMap::from_iter([(header::ACCEPT, "image/png".parse().unwrap())]);
        assert!(accepted(&headers, Some("image/jpeg"))[0].covers("image/jpeg"));
        assert!(accepted(&HeaderMap::new(), None)[0].covers_parts("application/dicom"));
        let blank = accepted(&HeaderMap::new(), Some("application/dicom json"));
        assert!(blank[0].covers("application/dicom+json"));
        let image = accepted(&HeaderMap::new(), Some("image/*"));
        assert!(image[0].covers("image/jpeg") && !image[0].covers("multipart/related"));
        let only = accepted(&HeaderMap::new(), Some("application/dicom; transfer-syntax=1.2.840.10008.1.2.1"));
        assert!(!only[0].takes("1.2.840.10008.1.2") && only[0].takes("1.2.840.10008.1.2.1"));
    }
}
