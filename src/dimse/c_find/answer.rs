//! The identifier of a pending response (PS3.4 section C.4.1.1.3.2).

use std::collections::BTreeMap;

use super::request::Asked;
use crate::archive::peers::find::Match;
use crate::dicom::identifier::IdentifierWriter;
use crate::dicom::text::TextEncoder;
use crate::dimse::association::Association;
use crate::domain::query::attribute::{Attribute, tag};

/// Writes matches as the request wants them.
#[derive(Debug)]
pub(super) struct Answerer {
    transfer_syntax: String,
    attributes: Vec<(u32, [u8; 2])>,
    level: &'static str,
    retrieve_ae_title: String,
    /// In the order in which they are tried.
    encoders: Vec<TextEncoder>,
    declares_always: bool,
}

impl Answerer {
    pub(super) fn new(association: &Association, context_id: u8, asked: &Asked) -> Self {
        let of_request = TextEncoder::of_terms(&asked.character_set);
        let of_peer = association.caller.answer_charset.as_ref().and_then(TextEncoder::of_charset);
        // A request that says nothing leaves the choice to the configuration.
        let wanted = if asked.character_set.is_empty() { of_peer } else { of_request };
        Self {
            transfer_syntax: association.context(context_id).transfer_syntax.clone(),
            attributes: asked.attributes.clone(),
            level: asked.query.level().as_str(),
            retrieve_ae_title: association.called_ae_title.clone(),
            encoders: wanted.into_iter().chain([TextEncoder::utf8()]).collect(),
            declares_always: !asked.character_set.is_empty(),
        }
    }

    /// The data set of one match.
    pub(super) fn identifier(&self, found: &Match) -> Vec<u8> {
        let mut texts: BTreeMap<u32, String> = BTreeMap::new();
        for (tag, _) in &self.attributes {
            let text = match *tag {
                tag::RETRIEVE_AE_TITLE => self.retrieve_ae_title.clone(),
                tag => found.values.get(&tag).map(|values| values.join("\\")).unwrap_or_default(),
            };
            texts.insert(*tag, text);
        }
        let encoder = self.encoders.iter().find(|encoder| texts.values().all(|text| encoder.encode(text).is_some()));
        let mut writer = IdentifierWriter::new(&self.transfer_syntax);
        let needs_declaration = texts.values().any(|text| !text.is_ascii());
        let mut head = vec![(tag::QUERY_RETRIEVE_LEVEL, self.level.to_owned())];
        if let Some(encoder) = encoder.filter(|_| needs_declaration || self.declares_always) {
            head.insert(0, (tag::SPECIFIC_CHARACTER_SET, encoder.terms()));
        }
        for (tag, text) in head {
            texts.insert(tag, text);
        }
        for (tag, text) in &texts {
            let vr = self.vr(*tag);
            match text.parse() {
                Ok(number) if &vr == b"US" => writer.put_unsigned_short(*tag, number),
                _ if &vr == b"US" => writer.put_text(*tag, vr, &[]),
                _ => {
                    let bytes = encoder.and_then(|encoder| encoder.encode(text)).unwrap_or_default();
                    writer.put_text(*tag, vr, &bytes);
                }
            }
        }
        writer.finish()
    }

    fn vr(&self, tag: u32) -> [u8; 2] {
        let known = Attribute::of(tag).and_then(|attribute| attribute.vr.as_bytes().try_into().ok());
        let asked = || self.attributes.iter().find(|(of, _)| *of == tag).map(|(_, vr)| *vr);
        known.or_else(asked).unwrap_or(*b"CS")
    }
}
