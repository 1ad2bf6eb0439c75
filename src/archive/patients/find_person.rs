//! Finds the same person's numbers in all organisations, for pages and queries (D-P16, D-Q2).
//!
//! It widens what is looked for, never what may be seen: organisations, review and confidentiality are the caller's.

use crate::archive::{Archive, Error};
use crate::domain::identity::Identity;
use crate::domain::patient::PatientFacts;
use crate::domain::scope::PatientKey;
use crate::index::persons::{self, WholePerson};

/// Numbers of one person that are followed.
const MOST: i64 = 100;

impl Archive {
    /// Under which numbers organisations know the persons with these identity numbers; card numbers are passed over.
    pub async fn known_as(&self, identities: &[Identity]) -> Result<Vec<PatientKey>, Error> {
        let number = |identity: &Identity| match identity {
            Identity::IdNo(id_no) => PatientFacts::of("", "", "", id_no.as_str(), "").id_no_key(),
            Identity::CardNo(_) => None,
        };
        let numbers: Vec<String> = identities.iter().filter_map(number).collect();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        Ok(persons::known_as(&self.index, &numbers, MOST).await?)
    }

    /// All by which reports name the persons with these numbers: every spelling of a number, and under which numbers
    /// organisations know them.
    pub(in crate::archive) async fn whole_person(&self, identities: &[Identity]) -> Result<WholePerson, Error> {
        let mut spellings: Vec<String> = identities.iter().flat_map(Identity::spellings).collect();
        spellings.sort_unstable();
        spellings.dedup();
        Ok(WholePerson { identities: spellings, patients: self.known_as(identities).await? })
    }

    /// These patients, and under which other numbers the same persons are known.
    pub(in crate::archive) async fn with_same_persons(
        &self,
        mut patients: Vec<PatientKey>,
    ) -> Result<Vec<PatientKey>, Error> {
        if patients.is_empty() {
            return Ok(patients);
        }
        for other in persons::same_persons(&self.index, &patients, MOST).await? {
            let known = |patient: &PatientKey| {
                let number = (!other.patient_id.is_empty() && patient.patient_id == other.patient_id)
                    || (!other.patient_local_id.is_empty() && patient.patient_local_id == other.patient_local_id);
                patient.org_code == other.org_code && number
            };
            if !patients.iter().any(known) {
                patients.push(other);
            }
        }
        Ok(patients)
    }

    /// The number of the person that stands for this one now; the number itself when nobody has it.
    pub(in crate::archive) async fn current_master_id(&self, master_id: &str) -> Result<String, Error> {
        let found = persons::find(&self.index, master_id).await?;
        Ok(found.map_or_else(|| master_id.to_owned(), |(_, current)| current))
    }
}
