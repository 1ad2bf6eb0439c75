//! What a node has of an exam: C-FIND by Study Instance UID, else by PatientID and AccessionNumber (D-I4).
//!
//! Only what was asked for is believed: a study with another UID, patient or accession number, and a UID that is none,
//! are left out and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::timeout;

use super::node::Node;
use crate::archive::peers::retrieve_exam::ExamKeys;
use crate::dimse::scu::{
    Association, Error, Identifier, IdentifierError, Match, Proposal, QueryLevel, QueryRoot, RetrieveMethod,
};

pub(super) const PATIENT_ID: u32 = 0x0010_0020;
pub(super) const STUDY_INSTANCE_UID: u32 = 0x0020_000D;
pub(super) const SERIES_INSTANCE_UID: u32 = 0x0020_000E;
const ACCESSION_NUMBER: u32 = 0x0008_0050;
const SOP_CLASS_UID: u32 = 0x0008_0016;
const SOP_INSTANCE_UID: u32 = 0x0008_0018;
const MODALITY: u32 = 0x0008_0060;
const SOP_CLASSES_IN_STUDY: u32 = 0x0008_0062;
const SERIES_OF_STUDY: u32 = 0x0020_1206;
const INSTANCES_OF_STUDY: u32 = 0x0020_1208;
const INSTANCES_OF_SERIES: u32 = 0x0020_1209;

/// A study at a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StudyAtNode {
    pub(super) study_instance_uid: String,
    /// PatientID as the node has it; requests of Patient Root need it.
    pub(super) patient_id: String,
    /// Instances, if the node tells.
    pub(super) instances: Option<u64>,
    /// SOP classes, as far as they are known.
    pub(super) sop_classes: BTreeSet<String>,
    /// Series by UID; empty when the node does not tell.
    pub(super) series: BTreeMap<String, SeriesAtNode>,
}

/// A series at a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SeriesAtNode {
    /// Instances, if the node tells.
    pub(super) instances: Option<u64>,
    /// Their UIDs, when they were asked for.
    pub(super) sop_instance_uids: Option<BTreeSet<String>>,
}

/// What was asked and believed.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) studies: Vec<StudyAtNode>,
    /// Answers to something else.
    pub(super) ignored: u64,
}

/// Asks for the exam's studies with their series and numbers.
pub(super) async fn ask(node: &Node, exam: &ExamKeys) -> Result<Asked, Error> {
    let whole = Duration::from_millis(node.settings().retrieve_timeout_ms);
    timeout(whole, ask_all(node, exam)).await.map_err(|_| Error::TooLong("the questions"))?
}

async fn ask_all(node: &Node, exam: &ExamKeys) -> Result<Asked, Error> {
    let mut asking = Asking {
        association: Association::connect(&node.target, &[Proposal::query(node.root().find())]).await?,
        node,
        asked: Asked::default(),
    };
    match asking.run(exam).await {
        Ok(()) => {
            // What was asked is known; how the peer says goodbye changes nothing.
            let _ = asking.association.release().await;
            Ok(asking.asked)
        }
        Err(error) => {
            asking.association.abort().await;
            Err(error)
        }
    }
}

struct Asking<'a> {
    association: Association,
    node: &'a Node,
    asked: Asked,
}

impl Asking<'_> {
    async fn run(&mut self, exam: &ExamKeys) -> Result<(), Error> {
        for uid in exam.study_instance_uids.iter().take(self.node.settings().max_studies) {
            self.study_by_uid(uid, exam).await?;
        }
        if self.asked.studies.is_empty() && !exam.accession_number.is_empty() {
            for patient_id in &exam.patient_ids {
                self.studies_by_accession(patient_id, &exam.accession_number).await?;
                if !self.asked.studies.is_empty() {
                    break;
                }
            }
        }
        let mut studies = std::mem::take(&mut self.asked.studies);
        for study in &mut studies {
            self.series_of(study).await?;
        }
        self.asked.studies = studies;
        Ok(())
    }

    async fn study_by_uid(&mut self, uid: &str, exam: &ExamKeys) -> Result<(), Error> {
        let question = || self.question(QueryLevel::Study).uid(STUDY_INSTANCE_UID, uid);
        let questions = match self.node.root() {
            QueryRoot::Study => vec![question().returning(PATIENT_ID, b"LO")],
            QueryRoot::Patient => {
                exam.patient_ids.iter().filter_map(|id| question().text(PATIENT_ID, b"LO", id).ok()).collect()
            }
        };
        for question in questions {
            let question = self.with_counts(question).returning(ACCESSION_NUMBER, b"SH");
            for found in self.find(&question).await? {
                if found.uid(STUDY_INSTANCE_UID).as_deref() == Some(uid) {
                    self.add(&found, "");
                } else {
                    self.asked.ignored += 1;
                }
            }
            if self.asked.studies.iter().any(|study| study.study_instance_uid == uid) {
                break;
            }
        }
        Ok(())
    }

    async fn studies_by_accession(&mut self, patient_id: &str, accession_number: &str) -> Result<(), Error> {
        let question = || -> Result<Identifier, IdentifierError> {
            self.question(QueryLevel::Study).text(PATIENT_ID, b"LO", patient_id)?.text(
                ACCESSION_NUMBER,
                b"SH",
                accession_number,
            )
        };
        // What cannot be asked in the peer's character set, or would be a wildcard, is not there for us.
        let Ok(question) = question() else { return Ok(()) };
        let question = self.with_counts(question.returning(STUDY_INSTANCE_UID, b"UI"));
        for found in self.find(&question).await? {
            let same = found.text(PATIENT_ID) == patient_id && found.text(ACCESSION_NUMBER) == accession_number;
            if same && found.uid(STUDY_INSTANCE_UID).is_some() {
                self.add(&found, patient_id);
            } else {
                self.asked.ignored += 1;
            }
        }
        Ok(())
    }

    fn add(&mut self, found: &Match, patient_id: &str) {
        let Some(uid) = found.uid(STUDY_INSTANCE_UID) else { return };
        if self.asked.studies.iter().any(|study| study.study_instance_uid == uid) {
            return;
        }
        if self.asked.studies.len() >= self.node.settings().max_studies {
            self.asked.ignored += 1;
            return;
        }
        let told = found.text(PATIENT_ID);
        let patient_id = if told.is_empty() { patient_id.to_owned() } else { told };
        self.asked.studies.push(StudyAtNode {
            study_instance_uid: uid,
            patient_id,
            instances: found.count(INSTANCES_OF_STUDY),
            sop_classes: found.uids(SOP_CLASSES_IN_STUDY).into_iter().collect(),
            series: BTreeMap::new(),
        });
    }

    /// Series with their numbers; and their instances when nobody tells numbers, or C-GET has to know the classes.
    async fn series_of(&mut self, study: &mut StudyAtNode) -> Result<(), Error> {
        let question = self.within(QueryLevel::Series, study).returning(SERIES_INSTANCE_UID, b"UI");
        let mut question = question.returning(MODALITY, b"CS");
        if self.node.settings().ask_counts {
            question = question.returning(INSTANCES_OF_SERIES, b"IS");
        }
        let Some(found) = self.find_if_offered(&question).await? else { return Ok(()) };
        for series in found {
            let Some(uid) = series.uid(SERIES_INSTANCE_UID).filter(|_| same_study(&series, study)) else {
                self.asked.ignored += 1;
                continue;
            };
            let instances = series.count(INSTANCES_OF_SERIES);
            study.series.insert(uid, SeriesAtNode { instances, sop_instance_uids: None });
        }
        let told = study.instances.is_some() || study.series.values().all(|series| series.instances.is_some());
        let classes_wanted = self.node.method() == RetrieveMethod::Get && study.sop_classes.is_empty();
        if !self.node.settings().ask_images || (told && !classes_wanted) {
            return Ok(());
        }
        let uids: Vec<String> = study.series.keys().cloned().collect();
        let mut total = 0_usize;
        for uid in uids {
            let question = self.within(QueryLevel::Image, study).uid(SERIES_INSTANCE_UID, &uid);
            let question = question.returning(SOP_INSTANCE_UID, b"UI").returning(SOP_CLASS_UID, b"UI");
            let Some(found) = self.find_if_offered(&question).await? else { return Ok(()) };
            total += found.len();
            if total > self.node.settings().max_matches {
                return Err(Error::TooMuch("instances of a study"));
            }
            let mut instances = BTreeSet::new();
            for image in found {
                let Some(instance) = image.uid(SOP_INSTANCE_UID).filter(|_| same_study(&image, study)) else {
                    self.asked.ignored += 1;
                    continue;
                };
                instances.insert(instance);
                study.sop_classes.extend(image.uid(SOP_CLASS_UID));
            }
            if let Some(series) = study.series.get_mut(&uid) {
                series.sop_instance_uids = Some(instances);
            }
        }
        Ok(())
    }

    fn question(&self, level: QueryLevel) -> Identifier {
        Identifier::new(level, &self.node.settings().query_charset)
    }

    fn within(&self, level: QueryLevel, study: &StudyAtNode) -> Identifier {
        within(self.node, level, study)
    }

    fn with_counts(&self, question: Identifier) -> Identifier {
        if !self.node.settings().ask_counts {
            return question;
        }
        let question = question.returning(SERIES_OF_STUDY, b"IS").returning(INSTANCES_OF_STUDY, b"IS");
        question.returning(SOP_CLASSES_IN_STUDY, b"UI")
    }

    async fn find(&mut self, question: &Identifier) -> Result<Vec<Match>, Error> {
        let class = self.node.root().find();
        self.association.find(class, question, &self.node.charset, self.node.find_limits()).await
    }

    /// `None` when the node refuses questions at this level.
    async fn find_if_offered(&mut self, question: &Identifier) -> Result<Option<Vec<Match>>, Error> {
        match self.find(question).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::Refused { status, .. }) => {
                tracing::warn!(peer.ae_title = %self.node.ae_title(), %status, "a peer refused a question below study level");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// An identifier inside a study, with the patient where the model asks for one.
pub(super) fn within(node: &Node, level: QueryLevel, study: &StudyAtNode) -> Identifier {
    let identifier = Identifier::new(level, &node.settings().query_charset);
    let identifier = identifier.uid(STUDY_INSTANCE_UID, &study.study_instance_uid);
    match node.root() {
        QueryRoot::Study => identifier,
        QueryRoot::Patient => match identifier.clone().text(PATIENT_ID, b"LO", &study.patient_id) {
            Ok(with_patient) => with_patient,
            Err(_) => identifier,
        },
    }
}

/// Whether an answer is about the study, as far as it says.
fn same_study(answer: &Match, study: &StudyAtNode) -> bool {
    let said = answer.text(STUDY_INSTANCE_UID);
    said.is_empty() || said == study.study_instance_uid
}
