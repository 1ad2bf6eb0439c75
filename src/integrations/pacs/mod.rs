//! Fetches the images of registered exams from hospital PACS (IHE RAD-16 Retrieve Images; D-I1 to D-I4).
//!
//! One run of the job `retrieve_exam` is one look at every node of the exam's organisation: ask what it has, compare
//! with what is here, fetch what is missing, and say to the archive what was found, which decides what follows. A run holds
//! the place of the one node that it is asking, and there are as many runs as places: a slow node occupies only its own. A
//! cut-off run leaves nothing behind but objects that are here already.

mod ask;
mod classes;
mod compare;
mod fetch;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metrics::counter;
use serde_json::{Value as Json, json};

use crate::archive::peers::retrieve_exam::{ExamKeys, RetrieveCheck, RetrieveNext};
use crate::archive::upkeep::queue::{Finished, Job, JobFailure};
use crate::archive::{Archive, RetrieveConfig};
use crate::dimse::scu::{DicomConfig, PeerConfig};
use node::Node;

/// The nodes to fetch from.
#[derive(Debug)]
pub struct Pacs {
    archive: Archive,
    rules: RetrieveConfig,
    nodes: Vec<Node>,
}

/// What one node said and gave.
#[derive(Debug, Default)]
struct Seen {
    /// By Study Instance UID: instances there, if told, and here.
    studies: BTreeMap<String, (Option<u64>, u64)>,
    missing: Option<u64>,
    fetched: u64,
    ignored: u64,
    /// Studies that are not fetched, because they have been deleted here.
    deleted: u64,
    error: String,
}

impl Pacs {
    /// The peers from which images are fetched.
    pub fn new(archive: Archive, dicom: &DicomConfig, peers: &[PeerConfig], rules: RetrieveConfig) -> Self {
        let fetched = peers.iter().filter(|peer| !peer.fetched_organizations().is_empty());
        let nodes = fetched.map(|peer| Node::new(dicom, peer, rules.max_exams)).collect();
        Self { archive, rules, nodes }
    }

    /// The organisations of these peers.
    pub fn organizations(peers: &[PeerConfig]) -> BTreeSet<String> {
        peers.iter().flat_map(PeerConfig::fetched_organizations).cloned().collect()
    }

    /// Exams that are worked on at the same time: as many as all nodes have places; none when there is no node.
    pub fn places(&self) -> u32 {
        self.nodes.iter().map(Node::places).fold(0, u32::saturating_add)
    }

    /// Does a job of kind `retrieve_exam`: one look at the nodes.
    pub async fn retrieve(&self, job: Job) -> Result<Finished, JobFailure> {
        let unreadable = |_| JobFailure { reason: "the key is no number".to_owned(), retryable: false };
        let exam_report_pk: i64 = job.key.parse().map_err(unreadable)?;
        let failed = |error: crate::archive::Error| JobFailure { reason: error.to_string(), retryable: true };
        let Some(exam) = self.archive.exam_to_retrieve(exam_report_pk).await.map_err(failed)? else {
            return Ok(Finished::Done);
        };
        let nodes: Vec<&Node> = self.nodes.iter().filter(|node| node.serves(&exam.org_code)).collect();
        let stop = match (exam.withdrawn, nodes.is_empty()) {
            (true, _) => Some("the report was withdrawn"),
            (false, true) => Some("the organisation has no peer with retrieve on"),
            (false, false) => None,
        };
        if let Some(reason) = stop {
            self.archive.stop_retrieve(exam_report_pk, reason).await.map_err(failed)?;
            count("stopped");
            return Ok(Finished::Done);
        }
        let busy = |wait: Duration| {
            count("busy");
            Ok(Finished::Again { delay_ms: wait.as_millis() as u64 })
        };
        // Nobody is asked in vain while another of them has no place.
        if let Some(wait) = nodes.iter().find_map(|node| node.has_place().err()) {
            return busy(wait);
        }
        let mut seen: Vec<(&Node, Seen)> = Vec::with_capacity(nodes.len());
        for node in nodes {
            // Only now, or a node would wait with us for one that does not answer.
            let place = match node.take_place() {
                Ok(place) => place,
                // What others have given is written down; it is looked for again soon.
                Err(_) if seen.iter().any(|(_, looked)| looked.fetched > 0) => {
                    seen.push((node, Seen { error: "busy with other exams".to_owned(), ..Seen::default() }));
                    continue;
                }
                Err(wait) => return busy(wait),
            };
            let looked = self.look(node, &exam).await;
            if looked.error.is_empty() {
                self.archive.note_success("RAD-16", &node.ae_title().to_string());
            }
            seen.push((node, looked));
            drop(place);
        }
        let check = summary(&seen);
        counter!("yingku_retrieve_instances_total").increment(check.fetched);
        tracing::info!(
            exam.id = exam_report_pk,
            retrieve.studies = check.studies,
            retrieve.expected = check.expected,
            retrieve.held = check.held,
            retrieve.fetched = check.fetched,
            retrieve.error = %check.error,
            "looked for the images of an exam"
        );
        let (missing, studies, error) = (check.missing, check.studies, !check.error.is_empty());
        match self.archive.conclude_retrieve(exam, check, &self.rules).await.map_err(failed)? {
            RetrieveNext::Complete => {
                count("complete");
                Ok(Finished::Done)
            }
            RetrieveNext::GivenUp => {
                count("given_up");
                Ok(Finished::Done)
            }
            RetrieveNext::Again { delay_ms } => {
                count(match (error, studies, missing) {
                    (true, ..) => "failed",
                    (false, 0, _) => "not_found",
                    (false, _, Some(0)) => "all_here",
                    (false, ..) => "partial",
                });
                Ok(Finished::Again { delay_ms })
            }
        }
    }

    /// Asks one node and fetches what is missing.
    async fn look(&self, node: &Node, exam: &ExamKeys) -> Seen {
        let asked = match ask::ask(node, exam).await {
            Ok(asked) => asked,
            Err(error) => return Seen { error: fault(&error), ..Seen::default() },
        };
        let mut seen = Seen { ignored: asked.ignored, missing: Some(0), ..Seen::default() };
        if asked.ignored > 0 {
            tracing::warn!(
                peer.ae_title = %node.ae_title(),
                exam.id = exam.exam_report_pk,
                answers = asked.ignored,
                "a peer answered with what was not asked for"
            );
        }
        for study in asked.studies {
            match fetch::complete(&self.archive, node, exam, &study).await {
                Ok(fetched) => {
                    seen.fetched += fetched.fetched;
                    seen.missing = seen.missing.zip(fetched.missing).map(|(a, b)| a.saturating_add(b));
                    if !fetched.error.is_empty() {
                        seen.error = fetched.error;
                    }
                    match fetched.is_deleted {
                        true => seen.deleted += 1,
                        false => {
                            seen.studies.insert(study.study_instance_uid, (fetched.expected, fetched.held));
                        }
                    }
                }
                Err(error) => {
                    seen.error = error.to_string();
                    seen.missing = None;
                    break;
                }
            }
        }
        seen
    }
}

fn count(outcome: &'static str) {
    counter!("yingku_retrieve_checks_total", "outcome" => outcome).increment(1);
}

/// An error of an association in words that hold no patient data: a peer's comment may.
fn fault(error: &crate::dimse::scu::Error) -> String {
    match error {
        crate::dimse::scu::Error::Refused { status, .. } => format!("refused with status {status}"),
        error => error.to_string(),
    }
}

/// All nodes together: a study that two of them have counts once.
fn summary(seen: &[(&Node, Seen)]) -> RetrieveCheck {
    let mut studies: BTreeMap<&str, (Option<u64>, u64)> = BTreeMap::new();
    for (uid, (expected, held)) in seen.iter().flat_map(|(_, seen)| &seen.studies) {
        let known = studies.entry(uid).or_insert((*expected, *held));
        *known = (known.0.max(*expected), known.1.max(*held));
    }
    let total =
        |counts: Vec<Option<u64>>| counts.into_iter().try_fold(0_u64, |sum, count| Some(sum.saturating_add(count?)));
    let errors: Vec<String> = seen
        .iter()
        .filter(|(_, seen)| !seen.error.is_empty())
        .map(|(node, seen)| format!("{}: {}", node.ae_title(), seen.error))
        .collect();
    RetrieveCheck {
        studies: studies.len() as u64,
        expected: if studies.is_empty() {
            None
        } else {
            total(studies.values().map(|(expected, _)| *expected).collect())
        },
        held: studies.values().map(|(_, held)| held).sum(),
        deleted: seen.iter().map(|(_, seen)| seen.deleted).sum(),
        fetched: seen.iter().map(|(_, seen)| seen.fetched).sum(),
        missing: total(seen.iter().map(|(_, seen)| seen.missing).collect()),
        error: errors.join("; "),
        detail: Json::Array(seen.iter().map(|(node, seen)| detail(node, seen)).collect()),
    }
}

fn detail(node: &Node, seen: &Seen) -> Json {
    let studies: Vec<Json> = seen
        .studies
        .iter()
        .map(|(uid, (expected, held))| json!({ "study_instance_uid": uid, "expected": expected, "held": held }))
        .collect();
    json!({
        "peer": node.ae_title().as_str(),
        "studies": studies,
        "missing": seen.missing,
        "fetched": seen.fetched,
        "ignored_answers": seen.ignored,
        "deleted_here": seen.deleted,
        "error": seen.error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(ae_title: &str) -> Node {
        let text = format!("ae_title = '{ae_title}'\nhost = '127.0.0.1'\norganization = 'ORG-T01'\nretrieve = 'get'");
        Node::new(&DicomConfig::default(), &toml::from_str(&text).unwrap(), 4)
    }

    fn seen(studies: &[(&str, Option<u64>, u64)], missing: Option<u64>) -> Seen {
        let studies = studies.iter().map(|(uid, expected, held)| ((*uid).to_owned(), (*expected, *held))).collect();
        Seen { studies, missing, ..Seen::default() }
    }

    #[test]
    fn a_study_that_two_nodes_have_counts_once() {
        let (a, b) = (node("PACS01"), node("PACS02"));
        let all = [
            (&a, seen(&[("1.2", Some(10), 8)], Some(2))),
            (&b, seen(&[("1.2", Some(4), 8), ("1.3", Some(1), 1)], Some(0))),
        ];
        let check = summary(&all);
        assert_eq!((check.studies, check.expected, check.held, check.missing), (2, Some(11), 9, Some(2)));
    }

    #[test]
    fn one_node_that_does_not_tell_leaves_the_sum_unknown() {
        let (a, b) = (node("PACS01"), node("PACS02"));
        let all = [(&a, seen(&[("1.2", Some(10), 10)], Some(0))), (&b, seen(&[("1.3", None, 1)], None))];
        let check = summary(&all);
        assert_eq!((check.expected, check.missing), (None, None));
    }
}
