//! A person as reports may name them, for every door at which reports are asked for by a person's number (D-Q1, D-X9).

use crate::domain::scope::PatientKey;
use crate::index::{Select, Value};
use crate::params;

/// A report is of the person when it has one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WholePerson {
    /// Values, any of which is the identity number or the card number.
    pub identities: Vec<String>,
    /// Under which numbers organisations know the same person, whatever their reports say.
    pub patients: Vec<PatientKey>,
}

impl WholePerson {
    /// Narrows a statement about one kind of reports.
    pub(in crate::index) fn narrow(&self, select: &mut Select) {
        let identities = || self.identities.iter().map(Value::from).collect();
        select.push_in(" AND (id_no", identities()).push_in(" OR card_no", identities());
        for patient in &self.patients {
            select.push(" OR (org_code = ? AND patient_id = ?)", params![&patient.org_code, &patient.patient_id]);
        }
        select.push(")", params![]);
    }
}
