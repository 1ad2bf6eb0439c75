//! Fetches what a node has and we have not: C-MOVE to our own AE title, or C-GET.

use super::ask::{SERIES_INSTANCE_UID, StudyAtNode, within};
use super::classes;
use super::compare::{Difference, compare, without};
use super::node::Node;
use crate::archive::peers::retrieve_exam::ExamKeys;
use crate::archive::{self, Archive};
use crate::dimse::scu::{
    Association, Error, GetDestination, Identifier, Proposal, QueryLevel, RetrieveMethod, Retrieved,
};
use crate::domain::{Actor, ActorKind};

/// Series that are fetched one by one; with more the whole study is.
const MAX_SINGLE_SERIES: usize = 16;

/// What may be asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Study,
    SingleSeries,
}

/// How one study stands after fetching.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) expected: Option<u64>,
    pub(super) held: u64,
    pub(super) missing: Option<u64>,
    /// Instances that are here now and were not before.
    pub(super) fetched: u64,
    /// Nothing was fetched, because it has been deleted here.
    pub(super) is_deleted: bool,
    pub(super) error: String,
}

/// Fetches what is missing of a study, and looks again. Series of which something has been deleted here are left out.
pub(super) async fn complete(
    archive: &Archive,
    node: &Node,
    exam: &ExamKeys,
    study: &StudyAtNode,
) -> Result<Fetched, archive::Error> {
    let org_code = exam.org_code.as_str();
    let deleted = archive.deleted_of_study(exam.exam_report_pk, org_code, &study.study_instance_uid).await?;
    let (rest, scope) = match (deleted.is_empty(), node.settings().fetch_series) {
        (true, _) => (None, Scope::Study),
        // What is left can only be asked for series by series.
        (false, true) => (without(study, &deleted), Scope::SingleSeries),
        (false, false) => (None, Scope::SingleSeries),
    };
    let study = match (&rest, scope) {
        (Some(rest), _) => rest,
        (None, Scope::Study) => study,
        (None, Scope::SingleSeries) => {
            return Ok(Fetched { missing: Some(0), is_deleted: true, ..Fetched::default() });
        }
    };
    let before = compare(study, &archive.held_of_study(org_code, &study.study_instance_uid).await?);
    if before.missing == Some(0) {
        let Difference { expected, held, missing, .. } = before;
        return Ok(Fetched { expected, held, missing, ..Fetched::default() });
    }
    let retrieved = fetch(archive, node, org_code, study, (&before, scope)).await;
    let after = compare(study, &archive.held_of_study(org_code, &study.study_instance_uid).await?);
    let fetched = after.held.saturating_sub(before.held);
    let (sent, error) = match retrieved {
        Ok(retrieved) => (retrieved.counts.sent(), complaint(node, &retrieved)),
        Err(error) => (0, super::fault(&error)),
    };
    let Difference { expected, held, missing, .. } = after;
    let mut outcome = Fetched { expected, held, missing, fetched, error, is_deleted: false };
    if outcome.missing.is_none() && outcome.error.is_empty() && after.held > 0 {
        // The node tells no numbers: what it sent without a failure is all that it has.
        outcome.expected = Some(after.held);
        outcome.missing = Some(sent.saturating_sub(after.held));
    }
    if outcome.error.is_empty() && sent > 0 && after.held == 0 {
        outcome.error = match node.method() {
            RetrieveMethod::Move => format!(
                "the peer says that it sent {sent} objects, none arrived: where does its entry for {} point?",
                node.destination
            ),
            _ => format!("the peer sent {sent} objects, none was kept"),
        };
    }
    Ok(outcome)
}

async fn fetch(
    archive: &Archive,
    node: &Node,
    org_code: &str,
    study: &StudyAtNode,
    (before, scope): (&Difference, Scope),
) -> Result<Retrieved, Error> {
    let mut association = match node.method() {
        RetrieveMethod::Get => {
            let proposals = classes::proposals(node, study);
            Association::connect_in_roles(&node.target, &proposals, &classes::roles(&proposals)).await?
        }
        // Some archives want to see the query class beside the retrieval's.
        _ => {
            let proposals = [node.root().find(), node.root().retrieve_by_move()].map(Proposal::query);
            Association::connect(&node.target, &proposals).await?
        }
    };
    let mut result = None;
    for identifier in identifiers(node, study, before, scope) {
        match fetch_one(&mut association, archive, node, org_code, study, &identifier).await {
            Ok(retrieved) => result = Some(merge(result, retrieved)),
            Err(error) => {
                association.abort().await;
                return Err(error);
            }
        }
    }
    // Everything is here and acknowledged; how the peer says goodbye changes nothing.
    let _ = association.release().await;
    result.ok_or(Error::TooMuch("series without a name"))
}

/// The study, or the few series that miss something.
fn identifiers(node: &Node, study: &StudyAtNode, before: &Difference, scope: Scope) -> Vec<Identifier> {
    let few = node.settings().fetch_series && !before.series.is_empty() && before.series.len() <= MAX_SINGLE_SERIES;
    let series: Vec<&String> = match (scope, before.series.is_empty()) {
        (Scope::Study, _) if !few => return vec![within(node, QueryLevel::Study, study)],
        (Scope::SingleSeries, true) => study.series.keys().collect(),
        _ => before.series.iter().collect(),
    };
    series.into_iter().map(|uid| within(node, QueryLevel::Series, study).uid(SERIES_INSTANCE_UID, uid)).collect()
}

async fn fetch_one(
    association: &mut Association,
    archive: &Archive,
    node: &Node,
    org_code: &str,
    study: &StudyAtNode,
    identifier: &Identifier,
) -> Result<Retrieved, Error> {
    let limits = node.retrieve_limits();
    if node.method() != RetrieveMethod::Get {
        return association.move_to(node.root().retrieve_by_move(), &node.destination, identifier, limits).await;
    }
    let destination = GetDestination {
        archive: archive.clone(),
        org_code: org_code.to_owned(),
        study_instance_uid: study.study_instance_uid.clone(),
        ae_title: node.ae_title().to_string(),
        charset: node.data_charset.clone(),
        actor: Actor {
            kind: ActorKind::Peer,
            name: node.ae_title().to_string(),
            user_id: String::new(),
            remote_addr: node.target.host.clone(),
        },
    };
    let got = association.get(node.root().retrieve_by_get(), identifier, &destination, limits).await?;
    let mut retrieved = got.retrieved;
    // Our own count of what we refused is the truth; a peer may not have noticed.
    retrieved.counts.failed = retrieved.counts.failed.max(got.refused);
    if retrieved.counts.sent() == 0 {
        retrieved.counts.completed = got.stored + got.known;
    }
    Ok(retrieved)
}

fn merge(before: Option<Retrieved>, mut now: Retrieved) -> Retrieved {
    let Some(before) = before else { return now };
    now.counts.completed += before.counts.completed;
    now.counts.failed += before.counts.failed;
    now.counts.warning += before.counts.warning;
    if !before.status.is_done() {
        now.status = before.status;
    }
    now
}

/// What a retrieval that ended did not do, in words that hold no patient data; empty when it did all.
fn complaint(node: &Node, retrieved: &Retrieved) -> String {
    let failed = retrieved.counts.failed;
    match retrieved.status.0 {
        0xA801 => format!("status A801H: the peer does not know our AE title {} as a destination", node.destination),
        _ if !retrieved.status.is_done() => format!("retrieval ended with status {}", retrieved.status),
        _ if failed > 0 => format!("{failed} objects could not be transferred"),
        _ => String::new(),
    }
}
