//! Any bytes, in any encoding and character set, are read as an identifier, and its keys as a query; what is asked for is
//! written and read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::dicom::elements::Encoding;
use yingku::dicom::identifier::{Identifier, IdentifierWriter};
use yingku::dicom::storage_commitment::{CommitmentReport, CommitmentRequest};
use yingku::dicom::text::Charset;
use yingku::domain::query::attribute::{Attribute, Level};
use yingku::domain::query::{NameMatching, Query};

const TRANSFER_SYNTAXES: [&str; 3] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"];
const LEVELS: [Level; 4] = [Level::Patient, Level::Study, Level::Series, Level::Instance];

fuzz_target!(|input: &[u8]| {
    let [choice, data @ ..] = input else { return };
    let choice = usize::from(*choice);
    let transfer_syntax_uid = TRANSFER_SYNTAXES[choice % 3];
    let names = if choice & 0x40 == 0 { NameMatching::Literal } else { NameMatching::Fuzzy };
    let encoding = Encoding::of_transfer_syntax(transfer_syntax_uid);
    let _ = CommitmentRequest::read(data, encoding);
    let _ = CommitmentReport::read(data, encoding);
    let Ok(identifier) = Identifier::parse(data, transfer_syntax_uid, &Charset::gb18030()) else { return };
    let mut query = Query::new(LEVELS[choice / 4 % 4]).with_names(names);
    let mut writer = IdentifierWriter::new(transfer_syntax_uid);
    let mut written = Vec::new();
    for key in identifier.keys() {
        for nested in key.items.iter().flatten() {
            let _ = query.add_nested_key(key.tag, nested.tag, &nested.text);
        }
        let is_known = Attribute::of(key.tag).is_some_and(|attribute| attribute.vr != "US");
        if query.add_key(key.tag, &key.text).is_ok() && is_known && key.text.len() < 60_000 {
            written.push((key.tag, key.text.clone()));
        }
    }
    query.accepts(|tag| identifier.text(tag));
    query.accepts_item(|tag| identifier.text(tag).unwrap_or_default());
    written.sort();
    written.dedup_by_key(|(tag, _)| *tag);
    for (tag, text) in &written {
        writer.put_text(*tag, *b"LO", text.as_bytes());
    }
    let again = Identifier::parse(&writer.finish(), transfer_syntax_uid, &Charset::gb18030());
    assert_eq!(again.map(|again| again.keys().len()), Ok(written.len()));
});
