//! A patient as all institutions know it: numbers, reports and results of the same person (RD-23, RD-25, D-X9).
//!
//! Persons widen what is looked for, never what may be seen: a number is told only with a report that the reader sees. Who
//! contradicts is nobody else, so numbers in doubt are not here.

use std::collections::BTreeMap;

use serde_json::json;

use super::find_reports::hashed;
use super::pull_reports::{KeptReport, ReportQuery, ReportReader, Subject};
use crate::archive::{Archive, Error};
use crate::domain::identifier::Wanted;
use crate::domain::identity::Identity;
use crate::domain::patient_key::PatientKey;
use crate::domain::scope;
use crate::domain::trend::{Trend, trend};
use crate::index::persons::identifiers;
use crate::index::{persons, trends};

/// Most lab reports with an item of which results are taken, the newest.
const MOST_REPORTS: u32 = 500;
/// Most patients of one person that are looked at.
const MOST_MEMBERS: i64 = 100;
/// Most results.
const MOST_RESULTS: i64 = 500;

/// A person, as far as the reader may know.
#[derive(Debug, Clone)]
pub struct PulledPerson {
    /// Its master number (PatientMasterID); `None` while nobody has compared the patient with others.
    pub master_id: Option<String>,
    /// Whether reports of the patient contradict each other, so that it is linked with nobody.
    pub in_doubt: bool,
    /// The newest report of each number that may be seen; that of the patient asked for comes first.
    pub patients: Vec<KeptReport>,
}

impl Archive {
    /// Under which numbers the person of a patient is known.
    pub async fn pull_person(&self, reader: &ReportReader, key: &PatientKey) -> Result<PulledPerson, Error> {
        let mut patients = Vec::new();
        for (org_code, patient_id) in self.numbers_of_person(reader, key).await? {
            let query = ReportQuery { patients: vec![(org_code, patient_id)], ..ReportQuery::default() };
            patients.extend(self.reports_of(reader, &query, None, 1).await?.reports);
        }
        let records = persons::with_number(&self.index, &key.org_code, &key.patient_id).await?;
        let record = records.into_iter().find(|record| record.origin == persons::Origin::Report);
        let master_id = match record.as_ref().and_then(|record| record.person) {
            Some(person) => persons::master_id(&self.index, person).await?,
            None => None,
        };
        let in_doubt = record.is_some_and(|record| !record.contradictions.is_empty());
        let detail = json!({ "organization": key.org_code, "patients": patients.len() });
        self.note_pull(reader, "pull_person", String::new(), detail).await?;
        Ok(PulledPerson { master_id, in_doubt, patients })
    }

    /// The newest report of each patient who has a number, with the person's master number. A number of images finds the
    /// patients of reports who are the same person. At most `limit`.
    pub async fn find_patients(
        &self,
        reader: &ReportReader,
        wanted: &Wanted,
        limit: usize,
    ) -> Result<Vec<(Option<String>, KeptReport)>, Error> {
        let mut numbers: BTreeMap<(String, String), Option<i64>> = BTreeMap::new();
        for record in identifiers::with_identifier(&self.index, wanted).await? {
            let members = match (record.origin, record.person) {
                (persons::Origin::Image, Some(person)) => persons::patients(&self.index, person, MOST_MEMBERS).await?,
                (persons::Origin::Image, None) => Vec::new(),
                (persons::Origin::Report, _) => vec![record],
            };
            let of_reports = members.into_iter().filter(|member| member.origin == persons::Origin::Report);
            numbers.extend(of_reports.map(|member| ((member.org_code, member.patient_id), member.person)));
        }
        let mut found = Vec::new();
        for (number, person) in numbers {
            let query = ReportQuery { patients: vec![number], ..ReportQuery::default() };
            let Some(report) = self.reports_of(reader, &query, None, 1).await?.reports.pop() else { continue };
            let master_id = match person {
                Some(person) => persons::master_id(&self.index, person).await?,
                None => None,
            };
            found.push((master_id, report));
            if found.len() >= limit {
                break;
            }
        }
        let identity = Identity::classify(&wanted.value).map(hashed);
        let detail = json!({ "identities": identity, "domain": wanted.domain, "patients": found.len() });
        self.note_pull(reader, "find_patients", String::new(), detail).await?;
        Ok(found)
    }

    /// The patient and, of all institutions that the reader may ask for, the same person's numbers. An error when the
    /// reader sees no report of the patient.
    pub async fn numbers_of_person(
        &self,
        reader: &ReportReader,
        key: &PatientKey,
    ) -> Result<Vec<(String, String)>, Error> {
        let own = (key.org_code.clone(), key.patient_id.clone());
        let query = ReportQuery { patients: vec![own.clone()], ..ReportQuery::default() };
        if self.reports_of(reader, &query, None, 1).await?.reports.is_empty() {
            return Err(Error::NotFound);
        }
        let (org_code, patient_id) = own.clone();
        let known = scope::PatientKey { org_code, patient_id, patient_local_id: String::new() };
        let mut numbers = vec![own];
        for other in self.with_same_persons(vec![known]).await? {
            let number = (other.org_code, other.patient_id);
            // A number of the imaging system alone is no number of reports.
            if !number.1.is_empty() && !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }

    /// Results of one item of the same person over time, between two moments of observation in the kept form (`""` open).
    /// The item is a code, or the name where lines have none.
    pub async fn pull_trend(
        &self,
        reader: &ReportReader,
        key: &PatientKey,
        item: &str,
        [from, to]: [String; 2],
    ) -> Result<Trend, Error> {
        let codes = self.codes_of_item(item);
        let query = ReportQuery {
            kinds: vec![Subject::Lab],
            patients: self.numbers_of_person(reader, key).await?,
            // Only reports with the item, so that many others do not crowd its older results out.
            codes: codes.clone(),
            observed_from: from,
            observed_to: to,
            ..ReportQuery::default()
        };
        let page = self.reports_of(reader, &query, None, MOST_REPORTS).await?;
        let pks: Vec<i64> = page.reports.iter().map(|report| report.pk).collect();
        let words = self.ways_to_write(&codes);
        let (name, results, more) = trends::results_named(&self.index, &pks, &words, MOST_RESULTS).await?;
        let detail = json!({ "organization": key.org_code, "item": item, "results": results.len() });
        self.note_pull(reader, "pull_trend", String::new(), detail).await?;
        let truncated = more || page.next.is_some();
        Ok(Trend { truncated, ..trend(name.as_deref().unwrap_or(item), results) })
    }
}
