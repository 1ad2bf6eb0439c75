//! SOP classes: which ones are stored, and what a series of them is (PS3.4 annex B.5, PS3.6 annex A).

use crate::domain::query::Level;

/// Verification SOP Class (C-ECHO).
pub const VERIFICATION: &str = "1.2.840.10008.1.1";

/// Storage Commitment Push Model SOP Class (PS3.4 annex J).
pub const STORAGE_COMMITMENT_PUSH_MODEL: &str = "1.2.840.10008.1.20.1";
/// Its well-known SOP Instance.
pub const STORAGE_COMMITMENT_INSTANCE: &str = "1.2.840.10008.1.20.1.1";

/// Instance Availability Notification SOP Class (PS3.4 annex R).
pub const INSTANCE_AVAILABILITY_NOTIFICATION: &str = "1.2.840.10008.5.1.4.33";

/// What a retrieve SOP class (PS3.4 section C.6) asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrieveClass {
    /// C-MOVE or C-GET.
    pub verb: RetrieveVerb,
    /// Whether the PATIENT level is part of the information model.
    pub has_patient_level: bool,
    /// Whether the SERIES and IMAGE levels are.
    pub has_lower_levels: bool,
}

/// How objects are retrieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrieveVerb {
    /// To a third application, or to the caller over another association.
    Move,
    /// To the caller over the same association.
    Get,
}

/// What a SOP class of the retrieve models means: Patient Root, Study Root, and the retired Patient/Study Only.
pub fn retrieve_class(sop_class_uid: &str) -> Option<RetrieveClass> {
    let (model, verb) = sop_class_uid.strip_prefix("1.2.840.10008.5.1.4.1.2.")?.split_once('.')?;
    let verb = match verb {
        "2" => RetrieveVerb::Move,
        "3" => RetrieveVerb::Get,
        _ => return None,
    };
    let (has_patient_level, has_lower_levels) = match model {
        "1" => (true, true),
        "2" => (false, true),
        "3" => (true, false),
        _ => return None,
    };
    Some(RetrieveClass { verb, has_patient_level, has_lower_levels })
}

const STANDARD_ROOT: &str = "1.2.840.10008.";
const STORAGE_ROOT: &str = "1.2.840.10008.5.1.4.1.1.";

/// An information model of queries (PS3.4 section C.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindClass {
    /// Its highest level.
    pub top: Level,
    /// Its lowest level.
    pub bottom: Level,
}

/// The information model of a FIND SOP class: Patient Root, Study Root, and the retired Patient/Study Only.
pub fn find_class(sop_class_uid: &str) -> Option<FindClass> {
    match sop_class_uid {
        "1.2.840.10008.5.1.4.1.2.1.1" => Some(FindClass { top: Level::Patient, bottom: Level::Instance }),
        "1.2.840.10008.5.1.4.1.2.2.1" => Some(FindClass { top: Level::Study, bottom: Level::Instance }),
        "1.2.840.10008.5.1.4.1.2.3.1" => Some(FindClass { top: Level::Patient, bottom: Level::Study }),
        _ => None,
    }
}

/// What the pages do with a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesKind {
    /// Pictures with pixel data.
    Image,
    /// An electronic film (D-I5).
    Film,
    /// Curves such as an ECG.
    Waveform,
    /// Structured reports and encapsulated documents.
    Document,
    /// Video.
    Video,
    /// Presentation states.
    Presentation,
    /// Everything else.
    Other,
}

impl SeriesKind {
    /// The text of the index column `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            SeriesKind::Image => "image",
            SeriesKind::Film => "film",
            SeriesKind::Waveform => "waveform",
            SeriesKind::Document => "document",
            SeriesKind::Video => "video",
            SeriesKind::Presentation => "presentation",
            SeriesKind::Other => "other",
        }
    }
}

/// Whether objects of this SOP class are electrocardiograms: 12-lead, general and ambulatory ones.
pub fn is_electrocardiogram(sop_class_uid: &str) -> bool {
    let class = sop_class_uid.strip_prefix(STORAGE_ROOT).unwrap_or_default();
    matches!(class, "9.1.1" | "9.1.2" | "9.1.3")
}

/// What a series with this SOP class and Modality is; Modality `EFILM` makes a film of any SOP class (D-I5).
pub fn kind(sop_class_uid: &str, modality: &str) -> SeriesKind {
    if modality.trim().eq_ignore_ascii_case("EFILM") {
        return SeriesKind::Film;
    }
    match sop_class_uid.strip_prefix(STORAGE_ROOT) {
        Some(rest) => kind_of_standard_class(rest),
        None if sop_class_uid.starts_with(STANDARD_ROOT) => SeriesKind::Other,
        None => kind_of_modality(modality.trim()),
    }
}

fn kind_of_standard_class(rest: &str) -> SeriesKind {
    let mut components = rest.split('.');
    match (components.next().unwrap_or_default(), components.next().unwrap_or_default()) {
        ("9", _) => SeriesKind::Waveform,
        ("11", _) => SeriesKind::Presentation,
        ("88" | "104", _) => SeriesKind::Document,
        ("77", "1") if matches!(rest, "77.1.1.1" | "77.1.2.1" | "77.1.4.1") => SeriesKind::Video,
        // Raw data, registrations, segmentations, fiducials, surfaces, mappings, tractography, measurements.
        ("66" | "67" | "68" | "79" | "131" | "200" | "201", _) => SeriesKind::Other,
        // Ophthalmic measurements and the like; 78.x are no pictures.
        ("78", _) => SeriesKind::Other,
        ("481", "1") => SeriesKind::Image,
        ("481", _) => SeriesKind::Other,
        _ => SeriesKind::Image,
    }
}

fn kind_of_modality(modality: &str) -> SeriesKind {
    match modality {
        "ECG" | "EPS" | "HD" | "EEG" | "EMG" | "EOG" | "RESP" => SeriesKind::Waveform,
        "SR" | "DOC" | "KO" | "PLAN" => SeriesKind::Document,
        "PR" => SeriesKind::Presentation,
        "" | "OT" | "REG" | "SEG" | "RTSTRUCT" | "RTPLAN" | "RTDOSE" | "RTRECORD" | "FID" | "RWV" => SeriesKind::Other,
        _ => SeriesKind::Image,
    }
}

/// Whether objects of this class come by C-STORE. A private class counts when the caller says so.
pub fn is_storage(sop_class_uid: &str, private: PrivateClasses) -> bool {
    if sop_class_uid.starts_with(STANDARD_ROOT) {
        return sop_class_uid.starts_with(STORAGE_ROOT) || is_storage_elsewhere(sop_class_uid);
    }
    private == PrivateClasses::Accepted && crate::domain::Uid::parse(sop_class_uid).is_ok()
}

/// Whether private SOP classes count as storage (D-I16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateClasses {
    /// They are archived like standard ones.
    Accepted,
    /// They are refused in negotiation.
    Refused,
}

/// Storage classes outside the usual root: hanging protocols, implants, palettes, RT delivery, retired print objects.
fn is_storage_elsewhere(uid: &str) -> bool {
    matches!(
        uid,
        "1.2.840.10008.5.1.1.27"
            | "1.2.840.10008.5.1.1.29"
            | "1.2.840.10008.5.1.1.30"
            | "1.2.840.10008.5.1.4.34.1"
            | "1.2.840.10008.5.1.4.34.7"
            | "1.2.840.10008.5.1.4.34.10"
            | "1.2.840.10008.5.1.4.38.1"
            | "1.2.840.10008.5.1.4.39.1"
            | "1.2.840.10008.5.1.4.43.1"
            | "1.2.840.10008.5.1.4.44.1"
            | "1.2.840.10008.5.1.4.45.1"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sop_class_has_its_kind() {
        let table = [
            ("1.2.840.10008.5.1.4.1.1.2", "CT", SeriesKind::Image),
            ("1.2.840.10008.5.1.4.1.1.7", "EFILM", SeriesKind::Film),
            ("1.2.840.10008.5.1.4.1.1.104.1", "EFILM", SeriesKind::Film),
            ("1.2.840.10008.5.1.4.1.1.9.1.1", "ECG", SeriesKind::Waveform),
            ("1.2.840.10008.5.1.4.1.1.88.11", "SR", SeriesKind::Document),
            ("1.2.840.10008.5.1.4.1.1.104.1", "DOC", SeriesKind::Document),
            ("1.2.840.10008.5.1.4.1.1.77.1.1.1", "ES", SeriesKind::Video),
            ("1.2.840.10008.5.1.4.1.1.77.1.1", "ES", SeriesKind::Image),
            ("1.2.840.10008.5.1.4.1.1.11.1", "PR", SeriesKind::Presentation),
            ("1.2.840.10008.5.1.4.1.1.481.1", "RTIMAGE", SeriesKind::Image),
            ("1.2.840.10008.5.1.4.1.1.481.5", "RTPLAN", SeriesKind::Other),
            ("1.2.840.10008.5.1.4.1.1.66", "MR", SeriesKind::Other),
            ("1.3.6.1.4.1.99999.1.2", "CT", SeriesKind::Image),
            ("1.3.6.1.4.1.99999.1.2", "", SeriesKind::Other),
        ];
        for (sop_class_uid, modality, expected) in table {
            assert_eq!(kind(sop_class_uid, modality), expected, "{sop_class_uid} {modality}");
        }
    }

    #[test]
    fn storage_is_told_from_services() {
        assert!(is_storage("1.2.840.10008.5.1.4.1.1.2", PrivateClasses::Refused));
        assert!(is_storage("1.2.840.10008.5.1.4.38.1", PrivateClasses::Refused));
        assert!(!is_storage("1.2.840.10008.5.1.4.1.2.2.1", PrivateClasses::Accepted));
        assert!(!is_storage(VERIFICATION, PrivateClasses::Accepted));
        assert!(is_storage("1.3.6.1.4.1.99999.1", PrivateClasses::Accepted));
        assert!(!is_storage("1.3.6.1.4.1.99999.1", PrivateClasses::Refused));
        assert!(!is_storage("nonsense", PrivateClasses::Accepted));
    }
}
