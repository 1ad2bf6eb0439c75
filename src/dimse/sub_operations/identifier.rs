//! What the identifier of a C-MOVE or C-GET names (PS3.4 section C.4.2.2.1).
//!
//! The keys of the level count; keys of higher levels restrict further when they are there. They may be missing, because
//! many callers leave them out, whatever was negotiated.

use crate::archive::peers::retrieve::RetrieveKeys;
use crate::dicom::identifier::Identifier;
use crate::dicom::sop_class::RetrieveClass;
use crate::dicom::text::Charset;
use crate::dimse::status::Status;
use crate::domain::Uid;
use crate::domain::query::Level;
use crate::domain::query::attribute::tag;

pub(crate) type Refusal = (Status, &'static str);

fn refusal(comment: &'static str) -> Refusal {
    (Status::DATA_SET_DOES_NOT_MATCH, comment)
}

/// Reads an identifier.
pub(crate) fn keys_of(
    class: RetrieveClass,
    bytes: &[u8],
    transfer_syntax_uid: &str,
    charset: &Charset,
) -> Result<RetrieveKeys, Refusal> {
    let identifier = Identifier::parse(bytes, transfer_syntax_uid, charset)
        .map_err(|_| (Status::CANNOT_UNDERSTAND, "identifier does not parse"))?;
    let level = identifier
        .text(tag::QUERY_RETRIEVE_LEVEL)
        .and_then(Level::parse)
        .ok_or_else(|| refusal("no Query/Retrieve Level"))?;
    let is_in_model = match level {
        Level::Patient => class.has_patient_level,
        Level::Study => true,
        Level::Series | Level::Instance => class.has_lower_levels,
    };
    if !is_in_model {
        return Err(refusal("level is not in this information model"));
    }
    let uids = |tag: u32, is_read: bool| -> Result<Vec<String>, Refusal> {
        let text = identifier.text(tag).filter(|text| is_read && !text.is_empty());
        let Some(text) = text else { return Ok(Vec::new()) };
        text.split('\\')
            .map(|uid| Uid::parse(uid).map(|uid| uid.to_string()).map_err(|_| refusal("a key is no UID")))
            .collect()
    };
    let patient_id = identifier.text(tag::PATIENT_ID).filter(|text| !text.is_empty()).map(str::to_owned);
    let keys = RetrieveKeys {
        patient_id,
        study_instance_uids: uids(tag::STUDY_INSTANCE_UID, level != Level::Patient)?,
        series_instance_uids: uids(tag::SERIES_INSTANCE_UID, matches!(level, Level::Series | Level::Instance))?,
        sop_instance_uids: uids(tag::SOP_INSTANCE_UID, level == Level::Instance)?,
    };
    let is_there = match level {
        Level::Patient => keys.patient_id.as_deref().is_some_and(|id| !id.contains(['\\', '*', '?'])),
        Level::Study => !keys.study_instance_uids.is_empty(),
        Level::Series => !keys.series_instance_uids.is_empty(),
        Level::Instance => !keys.sop_instance_uids.is_empty(),
    };
    if is_there { Ok(keys) } else { Err(refusal("the unique key of the level is missing")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::data_set_writer::DataSetWriter;
    use crate::dicom::sop_class::retrieve_class;
    use crate::dicom::transfer_syntax::{EXPLICIT_VR_LITTLE_ENDIAN, ElementEncoding};

    type Element = (u32, &'static [u8; 2], &'static str);

    fn read(class: &str, elements: &[Element]) -> Result<RetrieveKeys, Refusal> {
        let mut writer = DataSetWriter::new(ElementEncoding::EXPLICIT_LITTLE);
        for (tag, vr, text) in elements {
            writer.text(*tag, **vr, text);
        }
        let class = retrieve_class(class).unwrap();
        keys_of(class, &writer.finish(), EXPLICIT_VR_LITTLE_ENDIAN, &Charset::gb18030())
    }

    const STUDY_ROOT: &str = "1.2.840.10008.5.1.4.1.2.2.2";
    const PATIENT_ROOT: &str = "1.2.840.10008.5.1.4.1.2.1.3";
    const LEVEL: u32 = tag::QUERY_RETRIEVE_LEVEL;

    #[test]
    fn lists_of_uids_are_read_and_higher_keys_restrict() {
        let keys = read(
            STUDY_ROOT,
            &[
                (tag::SOP_INSTANCE_UID, b"UI", "1.2.3\\1.2.4"),
                (LEVEL, b"CS", "IMAGE"),
                (tag::STUDY_INSTANCE_UID, b"UI", "1.2"),
            ],
        );
        let keys = keys.unwrap();
        assert_eq!(keys.sop_instance_uids, ["1.2.3", "1.2.4"]);
        assert_eq!(keys.study_instance_uids, ["1.2"]);
        let patient = read(PATIENT_ROOT, &[(LEVEL, b"CS", "PATIENT"), (tag::PATIENT_ID, b"LO", "L0001")]).unwrap();
        assert_eq!(patient.patient_id.as_deref(), Some("L0001"));
    }

    #[test]
    fn what_names_nothing_or_no_uid_is_refused() {
        let table: [(&str, &[Element]); 6] = [
            (STUDY_ROOT, &[(tag::STUDY_INSTANCE_UID, b"UI", "1.2")]),
            (STUDY_ROOT, &[(LEVEL, b"CS", "STUDY")]),
            (STUDY_ROOT, &[(LEVEL, b"CS", "STUDY"), (tag::STUDY_INSTANCE_UID, b"UI", "../../etc/passwd")]),
            (STUDY_ROOT, &[(LEVEL, b"CS", "STUDY"), (tag::STUDY_INSTANCE_UID, b"UI", "*")]),
            (STUDY_ROOT, &[(LEVEL, b"CS", "PATIENT"), (tag::PATIENT_ID, b"LO", "L0001")]),
            (PATIENT_ROOT, &[(LEVEL, b"CS", "PATIENT"), (tag::PATIENT_ID, b"LO", "*")]),
        ];
        for (class, elements) in table {
            assert_eq!(read(class, elements).unwrap_err().0, Status::DATA_SET_DOES_NOT_MATCH, "{elements:?}");
        }
    }
}
