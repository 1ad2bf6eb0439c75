//! The attributes that the index keeps of every instance (PS3.3 section C.7), normalised to UTF-8.
//!
//! The object's own bytes stay as they are; this is what pages and queries show (D-I17).

use std::collections::BTreeMap;

use super::header::{Header, RawAttributes};
use super::text::{Charset, decode};

const SPECIFIC_CHARACTER_SET: u32 = 0x0008_0005;
const SOP_CLASS_UID: u32 = 0x0008_0016;
const SOP_INSTANCE_UID: u32 = 0x0008_0018;
const STUDY_DATE: u32 = 0x0008_0020;
const SERIES_DATE: u32 = 0x0008_0021;
const STUDY_TIME: u32 = 0x0008_0030;
const SERIES_TIME: u32 = 0x0008_0031;
const ACCESSION_NUMBER: u32 = 0x0008_0050;
const MODALITY: u32 = 0x0008_0060;
const MANUFACTURER: u32 = 0x0008_0070;
const INSTITUTION_NAME: u32 = 0x0008_0080;
const REFERRING_PHYSICIAN: u32 = 0x0008_0090;
const STATION_NAME: u32 = 0x0008_1010;
const STUDY_DESCRIPTION: u32 = 0x0008_1030;
const SERIES_DESCRIPTION: u32 = 0x0008_103E;
const MODEL_NAME: u32 = 0x0008_1090;
const PATIENT_NAME: u32 = 0x0010_0010;
const PATIENT_ID: u32 = 0x0010_0020;
const ISSUER_OF_PATIENT_ID: u32 = 0x0010_0021;
const PATIENT_BIRTH_DATE: u32 = 0x0010_0030;
const PATIENT_SEX: u32 = 0x0010_0040;
const PATIENT_AGE: u32 = 0x0010_1010;
const BODY_PART_EXAMINED: u32 = 0x0018_0015;
const PROTOCOL_NAME: u32 = 0x0018_1030;
const STUDY_INSTANCE_UID: u32 = 0x0020_000D;
const SERIES_INSTANCE_UID: u32 = 0x0020_000E;
const STUDY_ID: u32 = 0x0020_0010;
const SERIES_NUMBER: u32 = 0x0020_0011;
const INSTANCE_NUMBER: u32 = 0x0020_0013;
const LATERALITY: u32 = 0x0020_0060;
const NUMBER_OF_FRAMES: u32 = 0x0028_0008;
const ROWS: u32 = 0x0028_0010;
const COLUMNS: u32 = 0x0028_0011;
const SCHEDULED_PROCEDURE_STEP_ID: u32 = 0x0040_0009;
const PERFORMED_PROCEDURE_STEP_START_DATE: u32 = 0x0040_0244;
const PERFORMED_PROCEDURE_STEP_START_TIME: u32 = 0x0040_0245;
const REQUEST_ATTRIBUTES_SEQUENCE: u32 = 0x0040_0275;
const REQUESTED_PROCEDURE_ID: u32 = 0x0040_1001;
const PLACER_ORDER_NUMBER: u32 = 0x0040_2016;
const FILLER_ORDER_NUMBER: u32 = 0x0040_2017;

/// The largest number that an IS can say (PS3.5 section 6.2); no object has more frames.
pub const MOST_FRAMES: i64 = i32::MAX as i64;

/// Sorted, for the search.
const WANTED: [u32; 37] = [
    SPECIFIC_CHARACTER_SET,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_DATE,
    SERIES_DATE,
    STUDY_TIME,
    SERIES_TIME,
    ACCESSION_NUMBER,
    MODALITY,
    MANUFACTURER,
    INSTITUTION_NAME,
    REFERRING_PHYSICIAN,
    STATION_NAME,
    STUDY_DESCRIPTION,
    SERIES_DESCRIPTION,
    MODEL_NAME,
    PATIENT_NAME,
    PATIENT_ID,
    ISSUER_OF_PATIENT_ID,
    PATIENT_BIRTH_DATE,
    PATIENT_SEX,
    PATIENT_AGE,
    BODY_PART_EXAMINED,
    PROTOCOL_NAME,
    STUDY_INSTANCE_UID,
    SERIES_INSTANCE_UID,
    STUDY_ID,
    SERIES_NUMBER,
    INSTANCE_NUMBER,
    LATERALITY,
    NUMBER_OF_FRAMES,
    ROWS,
    COLUMNS,
    PERFORMED_PROCEDURE_STEP_START_DATE,
    PERFORMED_PROCEDURE_STEP_START_TIME,
    PLACER_ORDER_NUMBER,
    FILLER_ORDER_NUMBER,
];

pub(super) fn is_wanted(tag: u32) -> bool {
    WANTED.binary_search(&tag).is_ok()
}

pub(super) fn is_wanted_sequence(tag: u32) -> bool {
    tag == REQUEST_ATTRIBUTES_SEQUENCE
}

pub(super) fn is_wanted_in_items(tag: u32) -> bool {
    matches!(tag, SCHEDULED_PROCEDURE_STEP_ID | REQUESTED_PROCEDURE_ID | PLACER_ORDER_NUMBER | FILLER_ORDER_NUMBER)
}

/// A request that a series answers: an item of Request Attributes Sequence (0040,0275), or what stands of it beside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestAttributes {
    /// Scheduled Procedure Step ID (0040,0009).
    pub step_id: String,
    /// Requested Procedure ID (0040,1001).
    pub procedure_id: String,
    /// Placer Order Number / Imaging Service Request (0040,2016), of the item or of the data set.
    pub placer_order: String,
    /// Filler Order Number / Imaging Service Request (0040,2017), of the item or of the data set.
    pub filler_order: String,
}

/// What the index keeps of an instance. Texts are trimmed UTF-8 and empty when the element is absent or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceAttributes {
    /// (0008,0016)
    pub sop_class_uid: String,
    /// (0008,0018)
    pub sop_instance_uid: String,
    /// (0020,000D)
    pub study_instance_uid: String,
    /// (0020,000E)
    pub series_instance_uid: String,
    /// (0010,0020)
    pub patient_id: String,
    /// (0010,0021)
    pub issuer_of_patient_id: String,
    /// (0010,0010), component groups joined by `=`, without empty components at the ends.
    pub patient_name: String,
    /// (0010,0040)
    pub patient_sex: String,
    /// (0010,0030), yyyyMMdd.
    pub patient_birth_date: String,
    /// (0010,1010)
    pub patient_age: String,
    /// (0020,0010)
    pub study_id: String,
    /// (0008,0050)
    pub accession_number: String,
    /// (0008,0020), yyyyMMdd.
    pub study_date: String,
    /// (0008,0030)
    pub study_time: String,
    /// (0008,1030)
    pub study_description: String,
    /// (0008,0090)
    pub referring_physician: String,
    /// (0008,0080)
    pub institution_name: String,
    /// (0008,0060)
    pub modality: String,
    /// (0020,0011)
    pub series_number: Option<i64>,
    /// (0008,103E)
    pub series_description: String,
    /// (0018,0015)
    pub body_part_examined: String,
    /// (0020,0060)
    pub laterality: String,
    /// (0018,1030)
    pub protocol_name: String,
    /// (0008,0021), yyyyMMdd.
    pub series_date: String,
    /// (0008,0031)
    pub series_time: String,
    /// (0008,1010)
    pub station_name: String,
    /// (0008,0070)
    pub manufacturer: String,
    /// (0008,1090)
    pub model_name: String,
    /// (0020,0013)
    pub instance_number: Option<i64>,
    /// (0028,0008), from 1 to [`MOST_FRAMES`].
    pub number_of_frames: i64,
    /// (0028,0010)
    pub rows: Option<i64>,
    /// (0028,0011)
    pub columns: Option<i64>,
    /// (0040,0244), yyyyMMdd.
    pub performed_date: String,
    /// (0040,0245)
    pub performed_time: String,
    /// The items of (0040,0275) that say something; one of its own when only order numbers stand in the data set.
    pub requests: Vec<RequestAttributes>,
}

impl Header {
    /// The values of (0008,0005), in order.
    pub fn specific_character_set(&self) -> Vec<String> {
        let value = self.attributes.get(SPECIFIC_CHARACTER_SET).unwrap_or_default();
        let text = String::from_utf8_lossy(value);
        let mut terms: Vec<String> = text.split('\\').map(|term| code(term).to_owned()).collect();
        if terms.iter().all(String::is_empty) {
            terms.clear();
        }
        terms
    }

    /// The kept attributes as UTF-8; `default_charset` reads texts whose character set is missing or wrong (D-I17).
    pub fn instance_attributes(&self, default_charset: &Charset) -> InstanceAttributes {
        let reader = Reader { raw: &self.attributes, terms: self.specific_character_set(), default_charset };
        InstanceAttributes {
            sop_class_uid: reader.code(SOP_CLASS_UID),
            sop_instance_uid: reader.code(SOP_INSTANCE_UID),
            study_instance_uid: reader.code(STUDY_INSTANCE_UID),
            series_instance_uid: reader.code(SERIES_INSTANCE_UID),
            patient_id: reader.text(PATIENT_ID),
            issuer_of_patient_id: reader.text(ISSUER_OF_PATIENT_ID),
            patient_name: reader.name(PATIENT_NAME),
            patient_sex: reader.code(PATIENT_SEX),
            patient_birth_date: reader.date(PATIENT_BIRTH_DATE),
            patient_age: reader.code(PATIENT_AGE),
            study_id: reader.text(STUDY_ID),
            accession_number: reader.text(ACCESSION_NUMBER),
            study_date: reader.date(STUDY_DATE),
            study_time: reader.code(STUDY_TIME),
            study_description: reader.text(STUDY_DESCRIPTION),
            referring_physician: reader.name(REFERRING_PHYSICIAN),
            institution_name: reader.text(INSTITUTION_NAME),
            modality: reader.code(MODALITY),
            series_number: reader.integer(SERIES_NUMBER),
            series_description: reader.text(SERIES_DESCRIPTION),
            body_part_examined: reader.text(BODY_PART_EXAMINED),
            laterality: reader.code(LATERALITY),
            protocol_name: reader.text(PROTOCOL_NAME),
            series_date: reader.date(SERIES_DATE),
            series_time: reader.code(SERIES_TIME),
            station_name: reader.text(STATION_NAME),
            manufacturer: reader.text(MANUFACTURER),
            model_name: reader.text(MODEL_NAME),
            instance_number: reader.integer(INSTANCE_NUMBER),
            number_of_frames: reader.integer(NUMBER_OF_FRAMES).unwrap_or(1).clamp(1, MOST_FRAMES),
            rows: self.attributes.unsigned_short(ROWS).map(i64::from),
            columns: self.attributes.unsigned_short(COLUMNS).map(i64::from),
            performed_date: reader.date(PERFORMED_PROCEDURE_STEP_START_DATE),
            performed_time: reader.code(PERFORMED_PROCEDURE_STEP_START_TIME),
            requests: reader.requests(),
        }
    }
}

struct Reader<'a> {
    raw: &'a RawAttributes,
    terms: Vec<String>,
    default_charset: &'a Charset,
}

impl Reader<'_> {
    fn text(&self, tag: u32) -> String {
        self.raw.get(tag).map(|bytes| self.decoded(bytes)).unwrap_or_default()
    }

    fn decoded(&self, bytes: &[u8]) -> String {
        decode(bytes, &self.terms, self.default_charset).trim().to_owned()
    }

    fn requests(&self) -> Vec<RequestAttributes> {
        let text = |item: &BTreeMap<u32, Vec<u8>>, tag| item.get(&tag).map(|bytes| self.decoded(bytes));
        let request = |item| RequestAttributes {
            step_id: text(item, SCHEDULED_PROCEDURE_STEP_ID).unwrap_or_default(),
            procedure_id: text(item, REQUESTED_PROCEDURE_ID).unwrap_or_default(),
            placer_order: text(item, PLACER_ORDER_NUMBER).unwrap_or_default(),
            filler_order: text(item, FILLER_ORDER_NUMBER).unwrap_or_default(),
        };
        let says_something = |request: &RequestAttributes| *request != RequestAttributes::default();
        let mut requests: Vec<RequestAttributes> =
            self.raw.items().iter().map(request).filter(says_something).collect();
        // No module of images has them; devices that write them do so in either place.
        let beside = RequestAttributes {
            placer_order: self.text(PLACER_ORDER_NUMBER),
            filler_order: self.text(FILLER_ORDER_NUMBER),
            ..RequestAttributes::default()
        };
        for request in &mut requests {
            if request.placer_order.is_empty() {
                request.placer_order.clone_from(&beside.placer_order);
            }
            if request.filler_order.is_empty() {
                request.filler_order.clone_from(&beside.filler_order);
            }
        }
        if requests.is_empty() && says_something(&beside) {
            requests.push(beside);
        }
        requests
    }

    fn name(&self, tag: u32) -> String {
        let text = self.text(tag);
        let groups: Vec<&str> = text.split('=').map(|group| group.trim().trim_end_matches(['^', ' '])).collect();
        groups.join("=").trim_end_matches('=').to_owned()
    }

    /// UI, CS, AS and TM: the default repertoire only, the first value.
    fn code(&self, tag: u32) -> String {
        let text = String::from_utf8_lossy(self.raw.get(tag).unwrap_or_default());
        let first = text.split('\\').next().unwrap_or_default();
        code(first).chars().filter(|c| !c.is_control()).collect()
    }

    /// DA, the forms yyyy.MM.dd of ACR-NEMA and yyyy-MM-dd included.
    fn date(&self, tag: u32) -> String {
        self.code(tag).chars().filter(|c| !matches!(c, '.' | '-' | '/')).collect()
    }

    /// IS, with the decimals that some devices write.
    fn integer(&self, tag: u32) -> Option<i64> {
        let text = self.code(tag);
        let whole = text.split('.').next().unwrap_or_default();
        whole.parse().ok()
    }
}

fn code(text: &str) -> &str {
    text.trim_matches([' ', '\0', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_tags_are_sorted_for_the_search() {
        assert!(WANTED.is_sorted());
    }
}
