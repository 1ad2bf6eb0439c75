//! Reads the texts of existing rows again, after the character set of a peer, or the default, was put right (D-I17), or the
//! rules of films were changed (D-I5).
//!
//! Objects stay as they are, and only their headers are read. A study's texts come from its oldest object, and what that does
//! not say from the oldest of its other series; a series' texts from its own oldest, as when they arrived; what an upstream
//! archive alone has keeps its texts. The archive may be in use meanwhile: each study is one transaction, and running it
//! again changes nothing more.

use futures_util::StreamExt;
use serde_json::json;

use super::reindex::ReindexRules;
use crate::archive::images::instance_rows::requests;
use crate::archive::links::link;
use crate::archive::{Archive, Error};
use crate::dicom::attributes::InstanceAttributes;
use crate::dicom::film::kind_of_series;
use crate::dicom::header::HeaderScanner;
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::study_texts::{self, SeriesTexts, Source, StudyTexts};
use crate::{index, objects};

/// Studies whose rows are listed together.
const STUDIES_AT_ONCE: i64 = 500;
/// Studies that are read at the same time.
const READ_AT_ONCE: usize = 4;

/// What reading the texts again did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextsReindexed {
    /// Studies looked at.
    pub studies: u64,
    /// Those of them with other texts now, in the study or in one of its series.
    pub changed: u64,
    /// Those without an object that could be read; their texts are as they were.
    pub unread: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Changed,
    Same,
    Unread,
}

/// The texts of a study and of its series.
struct Texts {
    study: StudyTexts,
    series: Vec<(i64, SeriesTexts)>,
}

impl Archive {
    /// Gives the rows of all studies, or of one organisation's (`rules.organization`), the texts that their objects
    /// have by the rules' character sets.
    pub async fn reindex_texts(
        &self,
        rules: &ReindexRules,
        progress: impl Fn(&TextsReindexed),
    ) -> Result<TextsReindexed, Error> {
        let mut done = TextsReindexed::default();
        let mut last = i64::MIN;
        loop {
            let org_code = rules.organization.as_deref();
            let studies = study_texts::studies_behind(&self.index, org_code, last, STUDIES_AT_ONCE).await?;
            let Some((id, _)) = studies.last() else { return Ok(done) };
            last = *id;
            let work = studies.into_iter().map(|(study_pk, org_code)| self.reindex_study(study_pk, org_code, rules));
            let mut work = futures_util::stream::iter(work).buffer_unordered(READ_AT_ONCE);
            while let Some(outcome) = work.next().await {
                done.studies += 1;
                match outcome? {
                    Outcome::Changed => done.changed += 1,
                    Outcome::Same => {}
                    Outcome::Unread => done.unread += 1,
                }
                progress(&done);
            }
        }
    }

    async fn reindex_study(&self, study_pk: i64, org_code: String, rules: &ReindexRules) -> Result<Outcome, Error> {
        let mut texts: Option<Texts> = None;
        for source in study_texts::sources(&self.index, study_pk).await? {
            let Some(read) = self.read_attributes(&org_code, &source, rules).await? else { continue };
            let (study, series) = self.split(&org_code, read);
            let texts = texts.get_or_insert_with(|| Texts { study: study.clone(), series: Vec::new() });
            texts.study.fill(&study);
            texts.series.push((source.series_pk, series));
        }
        let Some(texts) = texts else { return Ok(Outcome::Unread) };
        let (ids, links, now) = (self.ids.clone(), self.link_rules, self.clock.now_ms());
        let write = self.index.write(move |tx| {
            Box::pin(async move {
                let mut changed = study_texts::set_study(tx, &ids, now, study_pk, &texts.study).await?;
                let is_found_otherwise = ["accession_number", "patient_id"].iter().any(|key| changed.contains(key));
                if is_found_otherwise {
                    link::study_arrived(tx, &ids, now, links, study_pk).await?;
                }
                for (series_pk, texts) in &texts.series {
                    if study_texts::set_series(tx, now, &org_code, *series_pk, texts).await?
                        && !changed.contains(&"series")
                    {
                        changed.push("series");
                    }
                }
                if changed.is_empty() {
                    return Ok::<_, index::Error>(Outcome::Same);
                }
                let entry = AuditRecord {
                    action: "reindex_text",
                    actor: Actor::system("reindex"),
                    org_code,
                    target: format!("study:{study_pk}"),
                    outcome: "ok",
                    detail: json!({ "fields": changed }),
                };
                audit::record(tx, ids.next(), now, &entry).await?;
                Ok(Outcome::Changed)
            })
        });
        Ok(write.await?)
    }

    /// What the header says; `None` when the object is not there or says nothing.
    async fn read_attributes(
        &self,
        org_code: &str,
        source: &Source,
        rules: &ReindexRules,
    ) -> Result<Option<InstanceAttributes>, Error> {
        let mut stream = match self.objects.stream(&source.place).await {
            Err(objects::Error::Missing) => return Ok(None),
            other => other?,
        };
        let mut scanner = HeaderScanner::new(&source.transfer_syntax_uid, self.header_limits.clone());
        let (mut head, mut before) = (Vec::new(), source.dataset_offset);
        while let Some(bytes) = stream.next().await.filter(|_| !scanner.is_done()) {
            let bytes = bytes?;
            let (of_head, of_data_set) = bytes.split_at(before.min(bytes.len() as u64) as usize);
            before -= of_head.len() as u64;
            head.extend_from_slice(of_head);
            scanner.push(of_data_set);
        }
        let told = rules.charset_of_file(org_code, &head);
        let attributes = scanner.finish().instance_attributes(told.as_ref().unwrap_or(&rules.default_charset));
        Ok(Some(attributes).filter(|attributes| !attributes.study_instance_uid.is_empty()))
    }

    fn split(&self, org_code: &str, a: InstanceAttributes) -> (StudyTexts, SeriesTexts) {
        let kind = kind_of_series(&self.film_rules, org_code, &a.sop_class_uid, &a.modality, &a.series_description);
        let study = StudyTexts {
            study_instance_uid: a.study_instance_uid,
            study_id: a.study_id,
            accession_number: a.accession_number,
            study_description: a.study_description,
            referring_physician: a.referring_physician,
            institution_name: a.institution_name,
            patient_id: a.patient_id,
            issuer: a.issuer_of_patient_id,
            patient_name: a.patient_name,
        };
        let series = SeriesTexts {
            series_description: a.series_description,
            protocol_name: a.protocol_name,
            station_name: a.station_name,
            manufacturer: a.manufacturer,
            model_name: a.model_name,
            performed_date: a.performed_date,
            performed_time: a.performed_time,
            requests: requests(a.requests),
            kind: kind.as_str(),
        };
        (study, series)
    }
}
