//! The identifier of a pending response (PS3.4 section C.4.1.1.3.2).

use std::collections::BTreeMap;

use super::request::{Answered, Asked};
use crate::archive::peers::find::Match;
use crate::dicom::identifier::IdentifierWriter;
use crate::dicom::text::TextEncoder;
use crate::dimse::association::Association;
use crate::domain::query::attribute::{Attribute, tag};

/// Writes matches as the request wants them.
#[derive(Debug)]
pub(super) struct Answerer {
    transfer_syntax: String,
    attributes: Vec<Answered>,
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
        let mut values: BTreeMap<u32, (Vr, Content)> = BTreeMap::new();
        for Answered { tag, vr, in_items } in &self.attributes {
            let content = match in_items {
                Some(in_items) => Content::Items(items(found, *tag, in_items)),
                None if *tag == tag::RETRIEVE_AE_TITLE => Content::Text(self.retrieve_ae_title.clone()),
                None => Content::Text(found.values.get(tag).map(|values| values.join("\\")).unwrap_or_default()),
            };
            values.insert(*tag, (vr_of(Attribute::of(*tag), *vr), content));
        }
        let texts = || values.values().flat_map(|(_, content)| content.texts());
        let encoder = self.encoders.iter().find(|encoder| texts().all(|text| encoder.encode(text).is_some()));
        let needs_declaration = texts().any(|text| !text.is_ascii());
        values.insert(tag::QUERY_RETRIEVE_LEVEL, (*b"CS", Content::Text(self.level.to_owned())));
        if let Some(encoder) = encoder.filter(|_| needs_declaration || self.declares_always) {
            values.insert(tag::SPECIFIC_CHARACTER_SET, (*b"CS", Content::Text(encoder.terms())));
        }
        let mut writer = IdentifierWriter::new(&self.transfer_syntax);
        for (tag, (vr, content)) in &values {
            match content {
                Content::Text(text) => put(&mut writer, encoder, *tag, *vr, text),
                Content::Items(items) => {
                    let write = |item: &Vec<(u32, Vr, String)>| {
                        let mut of_item = writer.item();
                        item.iter().for_each(|(tag, vr, text)| put(&mut of_item, encoder, *tag, *vr, text));
                        of_item
                    };
                    let written = items.iter().map(write).collect();
                    writer.put_sequence(*tag, written);
                }
            }
        }
        writer.finish()
    }
}

type Vr = [u8; 2];

/// What an attribute of an answer holds.
enum Content {
    Text(String),
    Items(Vec<Vec<(u32, Vr, String)>>),
}

impl Content {
    fn texts(&self) -> Vec<&str> {
        match self {
            Content::Text(text) => vec![text],
            Content::Items(items) => items.iter().flatten().map(|(.., text)| text.as_str()).collect(),
        }
    }
}

/// The items that fit, with what is asked in them; what is not known there is empty.
fn items(found: &Match, sequence: u32, in_items: &[(u32, Vr)]) -> Vec<Vec<(u32, Vr, String)>> {
    let of_item = |item: BTreeMap<u32, &str>| {
        let asked = in_items.iter().map(|(tag, vr)| {
            let text = item.get(tag).copied().unwrap_or_default();
            (*tag, vr_of(Attribute::in_sequence(sequence, *tag), *vr), text.to_owned())
        });
        asked.collect()
    };
    found.items(sequence).into_iter().map(of_item).collect()
}

fn put(writer: &mut IdentifierWriter, encoder: Option<&TextEncoder>, tag: u32, vr: Vr, text: &str) {
    match text.parse() {
        Ok(number) if &vr == b"US" => writer.put_unsigned_short(tag, number),
        _ if &vr == b"US" => writer.put_text(tag, vr, &[]),
        _ => {
            let bytes = encoder.and_then(|encoder| encoder.encode(text)).unwrap_or_default();
            writer.put_text(tag, vr, &bytes);
        }
    }
}

fn vr_of(known: Option<&Attribute>, asked: Vr) -> Vr {
    known.and_then(|attribute| attribute.vr.as_bytes().try_into().ok()).unwrap_or(asked)
}
