//! The attributes that queries know (PS3.4 sections C.6.1 and C.6.2, PS3.6).

/// Tags as `0xGGGGEEEE`.
#[expect(missing_docs, reason = "each is named as in PS3.6")]
pub mod tag {
    pub const SPECIFIC_CHARACTER_SET: u32 = 0x0008_0005;
    pub const SOP_CLASS_UID: u32 = 0x0008_0016;
    pub const SOP_INSTANCE_UID: u32 = 0x0008_0018;
    pub const STUDY_DATE: u32 = 0x0008_0020;
    pub const SERIES_DATE: u32 = 0x0008_0021;
    pub const STUDY_TIME: u32 = 0x0008_0030;
    pub const SERIES_TIME: u32 = 0x0008_0031;
    pub const ACCESSION_NUMBER: u32 = 0x0008_0050;
    pub const QUERY_RETRIEVE_LEVEL: u32 = 0x0008_0052;
    pub const RETRIEVE_AE_TITLE: u32 = 0x0008_0054;
    pub const INSTANCE_AVAILABILITY: u32 = 0x0008_0056;
    pub const MODALITY: u32 = 0x0008_0060;
    pub const MODALITIES_IN_STUDY: u32 = 0x0008_0061;
    pub const SOP_CLASSES_IN_STUDY: u32 = 0x0008_0062;
    pub const MANUFACTURER: u32 = 0x0008_0070;
    pub const INSTITUTION_NAME: u32 = 0x0008_0080;
    pub const REFERRING_PHYSICIAN_NAME: u32 = 0x0008_0090;
    pub const STATION_NAME: u32 = 0x0008_1010;
    pub const STUDY_DESCRIPTION: u32 = 0x0008_1030;
    pub const SERIES_DESCRIPTION: u32 = 0x0008_103E;
    pub const MANUFACTURER_MODEL_NAME: u32 = 0x0008_1090;
    pub const AVAILABLE_TRANSFER_SYNTAX_UID: u32 = 0x0008_3002;
    pub const PATIENT_NAME: u32 = 0x0010_0010;
    pub const PATIENT_ID: u32 = 0x0010_0020;
    pub const ISSUER_OF_PATIENT_ID: u32 = 0x0010_0021;
    pub const PATIENT_BIRTH_DATE: u32 = 0x0010_0030;
    pub const PATIENT_SEX: u32 = 0x0010_0040;
    pub const PATIENT_AGE: u32 = 0x0010_1010;
    pub const BODY_PART_EXAMINED: u32 = 0x0018_0015;
    pub const PROTOCOL_NAME: u32 = 0x0018_1030;
    pub const STUDY_INSTANCE_UID: u32 = 0x0020_000D;
    pub const SERIES_INSTANCE_UID: u32 = 0x0020_000E;
    pub const STUDY_ID: u32 = 0x0020_0010;
    pub const SERIES_NUMBER: u32 = 0x0020_0011;
    pub const INSTANCE_NUMBER: u32 = 0x0020_0013;
    pub const LATERALITY: u32 = 0x0020_0060;
    pub const NUMBER_OF_PATIENT_RELATED_STUDIES: u32 = 0x0020_1200;
    pub const NUMBER_OF_PATIENT_RELATED_SERIES: u32 = 0x0020_1202;
    pub const NUMBER_OF_PATIENT_RELATED_INSTANCES: u32 = 0x0020_1204;
    pub const NUMBER_OF_STUDY_RELATED_SERIES: u32 = 0x0020_1206;
    pub const NUMBER_OF_STUDY_RELATED_INSTANCES: u32 = 0x0020_1208;
    pub const NUMBER_OF_SERIES_RELATED_INSTANCES: u32 = 0x0020_1209;
    pub const NUMBER_OF_FRAMES: u32 = 0x0028_0008;
    pub const ROWS: u32 = 0x0028_0010;
    pub const COLUMNS: u32 = 0x0028_0011;
    pub const SCHEDULED_PROCEDURE_STEP_ID: u32 = 0x0040_0009;
    pub const PERFORMED_PROCEDURE_STEP_START_DATE: u32 = 0x0040_0244;
    pub const PERFORMED_PROCEDURE_STEP_START_TIME: u32 = 0x0040_0245;
    pub const REQUEST_ATTRIBUTES_SEQUENCE: u32 = 0x0040_0275;
    pub const REQUESTED_PROCEDURE_ID: u32 = 0x0040_1001;
}

/// A level of the information models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// PATIENT.
    Patient,
    /// STUDY.
    Study,
    /// SERIES.
    Series,
    /// IMAGE.
    Instance,
}

impl Level {
    /// Reads the value of Query/Retrieve Level (0008,0052).
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim_matches([' ', '\0']) {
            "PATIENT" => Some(Level::Patient),
            "STUDY" => Some(Level::Study),
            "SERIES" => Some(Level::Series),
            "IMAGE" => Some(Level::Instance),
            _ => None,
        }
    }

    /// The value of Query/Retrieve Level (0008,0052).
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Patient => "PATIENT",
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Instance => "IMAGE",
        }
    }

    /// The attribute that names one entity of this level.
    pub fn unique_key(self) -> u32 {
        match self {
            Level::Patient => tag::PATIENT_ID,
            Level::Study => tag::STUDY_INSTANCE_UID,
            Level::Series => tag::SERIES_INSTANCE_UID,
            Level::Instance => tag::SOP_INSTANCE_UID,
        }
    }
}

/// Where an attribute's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A column of the index: matched and returned.
    Stored,
    /// Found from the rows below, several values; matched and returned.
    Collected,
    /// A count of the rows below; returned only.
    Counted,
    /// The same for everything in the archive.
    Constant,
    /// Inside the items of a sequence: matched item by item and returned, one value for each item.
    Nested,
}

/// An attribute that queries know.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `0xGGGGEEEE`.
    pub tag: u32,
    /// Its value representation.
    pub vr: &'static str,
    /// Its keyword in PS3.6.
    pub keyword: &'static str,
    /// The level that it belongs to.
    pub level: Level,
    /// Where its value comes from.
    pub kind: Kind,
    /// The sequence in whose items it is.
    pub sequence: Option<u32>,
}

impl Attribute {
    /// The attribute of the data set itself with this tag, if queries know it.
    pub fn of(tag: u32) -> Option<&'static Attribute> {
        Self::known(tag).filter(|attribute| attribute.sequence.is_none())
    }

    /// The attribute with this tag in the items of a sequence, if queries know it.
    pub fn in_sequence(sequence: u32, tag: u32) -> Option<&'static Attribute> {
        Self::known(tag).filter(|attribute| attribute.sequence == Some(sequence))
    }

    /// The attributes that queries know in the items of a sequence; none when they do not know the sequence.
    pub fn all_in_sequence(sequence: u32) -> impl Iterator<Item = &'static Attribute> {
        ATTRIBUTES.iter().filter(move |attribute| attribute.sequence == Some(sequence))
    }

    /// The attribute with this tag, wherever it is: no tag is known in two places.
    pub fn known(tag: u32) -> Option<&'static Attribute> {
        ATTRIBUTES.binary_search_by_key(&tag, |attribute| attribute.tag).ok().map(|at| &ATTRIBUTES[at])
    }

    /// All attributes, by tag.
    pub fn all() -> &'static [Attribute] {
        ATTRIBUTES
    }

    /// Whether a value of it in a query is a condition.
    pub fn is_matched(&self) -> bool {
        matches!(self.kind, Kind::Stored | Kind::Collected | Kind::Nested)
    }

    /// Whether its value is not a column but found from other rows.
    pub fn is_computed(&self) -> bool {
        self.kind != Kind::Stored
    }
}

const fn attribute(tag: u32, vr: &'static str, keyword: &'static str, level: Level, kind: Kind) -> Attribute {
    Attribute { tag, vr, keyword, level, kind, sequence: None }
}

const fn of_request(tag: u32, vr: &'static str, keyword: &'static str) -> Attribute {
    let sequence = Some(tag::REQUEST_ATTRIBUTES_SEQUENCE);
    Attribute { tag, vr, keyword, level: Level::Series, kind: Kind::Nested, sequence }
}

use Kind::{Collected, Constant, Counted, Stored};
use Level::{Instance, Patient, Series, Study};

const ATTRIBUTES: &[Attribute] = &[
    attribute(tag::SOP_CLASS_UID, "UI", "SOPClassUID", Instance, Stored),
    attribute(tag::SOP_INSTANCE_UID, "UI", "SOPInstanceUID", Instance, Stored),
    attribute(tag::STUDY_DATE, "DA", "StudyDate", Study, Stored),
    attribute(tag::SERIES_DATE, "DA", "SeriesDate", Series, Stored),
    attribute(tag::STUDY_TIME, "TM", "StudyTime", Study, Stored),
    attribute(tag::SERIES_TIME, "TM", "SeriesTime", Series, Stored),
    attribute(tag::ACCESSION_NUMBER, "SH", "AccessionNumber", Study, Stored),
    attribute(tag::RETRIEVE_AE_TITLE, "AE", "RetrieveAETitle", Patient, Constant),
    attribute(tag::INSTANCE_AVAILABILITY, "CS", "InstanceAvailability", Patient, Constant),
    attribute(tag::MODALITY, "CS", "Modality", Series, Stored),
    attribute(tag::MODALITIES_IN_STUDY, "CS", "ModalitiesInStudy", Study, Collected),
    attribute(tag::SOP_CLASSES_IN_STUDY, "UI", "SOPClassesInStudy", Study, Collected),
    attribute(tag::MANUFACTURER, "LO", "Manufacturer", Series, Stored),
    attribute(tag::INSTITUTION_NAME, "LO", "InstitutionName", Study, Stored),
    attribute(tag::REFERRING_PHYSICIAN_NAME, "PN", "ReferringPhysicianName", Study, Stored),
    attribute(tag::STATION_NAME, "SH", "StationName", Series, Stored),
    attribute(tag::STUDY_DESCRIPTION, "LO", "StudyDescription", Study, Stored),
    attribute(tag::SERIES_DESCRIPTION, "LO", "SeriesDescription", Series, Stored),
    attribute(tag::MANUFACTURER_MODEL_NAME, "LO", "ManufacturerModelName", Series, Stored),
    attribute(tag::AVAILABLE_TRANSFER_SYNTAX_UID, "UI", "AvailableTransferSyntaxUID", Instance, Stored),
    attribute(tag::PATIENT_NAME, "PN", "PatientName", Patient, Stored),
    attribute(tag::PATIENT_ID, "LO", "PatientID", Patient, Stored),
    attribute(tag::ISSUER_OF_PATIENT_ID, "LO", "IssuerOfPatientID", Patient, Stored),
    attribute(tag::PATIENT_BIRTH_DATE, "DA", "PatientBirthDate", Patient, Stored),
    attribute(tag::PATIENT_SEX, "CS", "PatientSex", Patient, Stored),
    attribute(tag::PATIENT_AGE, "AS", "PatientAge", Study, Stored),
    attribute(tag::BODY_PART_EXAMINED, "CS", "BodyPartExamined", Series, Stored),
    attribute(tag::PROTOCOL_NAME, "LO", "ProtocolName", Series, Stored),
    attribute(tag::STUDY_INSTANCE_UID, "UI", "StudyInstanceUID", Study, Stored),
    attribute(tag::SERIES_INSTANCE_UID, "UI", "SeriesInstanceUID", Series, Stored),
    attribute(tag::STUDY_ID, "SH", "StudyID", Study, Stored),
    attribute(tag::SERIES_NUMBER, "IS", "SeriesNumber", Series, Stored),
    attribute(tag::INSTANCE_NUMBER, "IS", "InstanceNumber", Instance, Stored),
    attribute(tag::LATERALITY, "CS", "Laterality", Series, Stored),
    attribute(tag::NUMBER_OF_PATIENT_RELATED_STUDIES, "IS", "NumberOfPatientRelatedStudies", Patient, Counted),
    attribute(tag::NUMBER_OF_PATIENT_RELATED_SERIES, "IS", "NumberOfPatientRelatedSeries", Patient, Counted),
    attribute(tag::NUMBER_OF_PATIENT_RELATED_INSTANCES, "IS", "NumberOfPatientRelatedInstances", Patient, Counted),
    attribute(tag::NUMBER_OF_STUDY_RELATED_SERIES, "IS", "NumberOfStudyRelatedSeries", Study, Counted),
    attribute(tag::NUMBER_OF_STUDY_RELATED_INSTANCES, "IS", "NumberOfStudyRelatedInstances", Study, Counted),
    attribute(tag::NUMBER_OF_SERIES_RELATED_INSTANCES, "IS", "NumberOfSeriesRelatedInstances", Series, Counted),
    attribute(tag::NUMBER_OF_FRAMES, "IS", "NumberOfFrames", Instance, Stored),
    attribute(tag::ROWS, "US", "Rows", Instance, Stored),
    attribute(tag::COLUMNS, "US", "Columns", Instance, Stored),
    of_request(tag::SCHEDULED_PROCEDURE_STEP_ID, "SH", "ScheduledProcedureStepID"),
    attribute(tag::PERFORMED_PROCEDURE_STEP_START_DATE, "DA", "PerformedProcedureStepStartDate", Series, Stored),
    attribute(tag::PERFORMED_PROCEDURE_STEP_START_TIME, "TM", "PerformedProcedureStepStartTime", Series, Stored),
    of_request(tag::REQUESTED_PROCEDURE_ID, "SH", "RequestedProcedureID"),
];
