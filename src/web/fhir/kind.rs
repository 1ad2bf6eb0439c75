//! The resources that are served, and what they can be searched by; `/fhir/metadata` tells exactly this.

use crate::web::api::{Code, Problem};

/// A resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Patient,
    DiagnosticReport,
    Observation,
    ImagingStudy,
    DocumentReference,
}

/// A search parameter: its name, its type, and what there is to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchParameter {
    pub(super) name: &'static str,
    pub(super) of: &'static str,
    pub(super) note: &'static str,
}

const fn parameter(name: &'static str, of: &'static str, note: &'static str) -> SearchParameter {
    SearchParameter { name, of, note }
}

const ID: SearchParameter = parameter("_id", "token", "");
const LAST_UPDATED: SearchParameter = parameter("_lastUpdated", "date", "when the report changed, to the second");
const PATIENT: SearchParameter = parameter("patient", "reference", "also patient:identifier");
const SUBJECT: SearchParameter = parameter("subject", "reference", "also subject:identifier");
const BY_IDENTIFIER: SearchParameter = parameter("patient.identifier", "token", "");
const CODE: SearchParameter =
    parameter("code", "token", "the institution's code, or the one that a dictionary maps it to");
const DATE: SearchParameter = parameter("date", "date", "when it was observed");

/// What the search for a resource may be asked to include: the parameter's name and the resource that comes.
pub(super) type Include = (&'static str, Kind);

impl Kind {
    pub(super) const ALL: [Kind; 5] =
        [Kind::Patient, Kind::DiagnosticReport, Kind::Observation, Kind::ImagingStudy, Kind::DocumentReference];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Patient => "Patient",
            Kind::DiagnosticReport => "DiagnosticReport",
            Kind::Observation => "Observation",
            Kind::ImagingStudy => "ImagingStudy",
            Kind::DocumentReference => "DocumentReference",
        }
    }

    /// Its search parameters.
    pub(super) fn parameters(self) -> &'static [SearchParameter] {
        match self {
            Kind::Patient => {
                const { &[ID, parameter("identifier", "token", "identity, card or patient number: system|value")] }
            }
            Kind::DiagnosticReport => {
                const NUMBER: SearchParameter = parameter("identifier", "token", "the report's number");
                const ORDER: SearchParameter =
                    parameter("based-on", "reference", "based-on:identifier, the accession number");
                const CATEGORY: SearchParameter =
                    parameter("category", "token", "LAB, RAD, CT, NMR, RUS, VUS, NMS, EC, EN, CTH, SP, RT or OTH");
                &[ID, LAST_UPDATED, NUMBER, ORDER, PATIENT, SUBJECT, BY_IDENTIFIER, DATE, CODE, CATEGORY]
            }
            Kind::Observation => {
                const CATEGORY: SearchParameter = parameter("category", "token", "laboratory");
                &[ID, PATIENT, SUBJECT, BY_IDENTIFIER, DATE, CODE, CATEGORY]
            }
            Kind::DocumentReference => &[ID, LAST_UPDATED, PATIENT, SUBJECT, BY_IDENTIFIER, DATE],
            Kind::ImagingStudy => {
                const NUMBER: SearchParameter = parameter(
                    "identifier",
                    "token",
                    "Study Instance UID, or accession number; also identifier:of-type",
                );
                const STARTED: SearchParameter = parameter("started", "date", "when the report was observed");
                &[ID, NUMBER, PATIENT, SUBJECT, BY_IDENTIFIER, STARTED]
            }
        }
    }

    /// What `_include` may name for it.
    pub(super) fn includes(self) -> &'static [Include] {
        const OF_PATIENT: Include = ("patient", Kind::Patient);
        const OF_SUBJECT: Include = ("subject", Kind::Patient);
        match self {
            Kind::Patient => &[],
            Kind::DiagnosticReport => &[OF_PATIENT, OF_SUBJECT, ("result", Kind::Observation)],
            Kind::DocumentReference => &[OF_PATIENT, OF_SUBJECT, ("related", Kind::DiagnosticReport)],
            Kind::Observation | Kind::ImagingStudy => &[OF_PATIENT, OF_SUBJECT],
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(Code::NotFound.into())
    }
}
