//! What a node has against what is here.

use super::ask::StudyAtNode;
use crate::archive::peers::retrieve_exam::HeldStudy;
use crate::archive::upkeep::delete_images::DeletedHere;

/// The difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Instances there; `None` when the node does not tell.
    pub(super) expected: Option<u64>,
    /// Instances here.
    pub(super) held: u64,
    /// Instances that are there and not here; `None` when the node does not tell.
    pub(super) missing: Option<u64>,
    /// Series that miss something, when only some of those that are known do.
    pub(super) series: Vec<String>,
}

/// The study without the series of which something has been deleted here; nothing when all of it was, or when the node does
/// not tell its series.
pub(super) fn without(study: &StudyAtNode, deleted: &DeletedHere) -> Option<StudyAtNode> {
    if deleted.whole || study.series.is_empty() {
        return None;
    }
    let mut rest = study.clone();
    rest.series.retain(|uid, _| !deleted.series.contains(uid));
    rest.instances = None;
    (!rest.series.is_empty()).then_some(rest)
}

/// Compares by the instances of each series where they are known, else by the numbers of each series, else by the
/// number of the study.
pub(super) fn compare(study: &StudyAtNode, held: &HeldStudy) -> Difference {
    let held_total: u64 = held.values().map(|instances| instances.len() as u64).sum();
    let mut by_series = Vec::with_capacity(study.series.len());
    for (uid, series) in &study.series {
        let here = held.get(uid);
        let counts = match (&series.sop_instance_uids, series.instances) {
            (Some(uids), _) => {
                let missing = uids.iter().filter(|uid| !here.is_some_and(|here| here.contains(*uid))).count();
                Some((uids.len() as u64, missing as u64))
            }
            (None, Some(there)) => Some((there, there.saturating_sub(here.map_or(0, |here| here.len() as u64)))),
            (None, None) => None,
        };
        by_series.push((uid, counts));
    }
    let known: Option<Vec<(u64, u64)>> = by_series.iter().map(|(_, counts)| *counts).collect();
    match known.filter(|counts| !counts.is_empty()) {
        Some(counts) => {
            let sum = |pick: fn(&(u64, u64)) -> u64| counts.iter().map(pick).fold(0, u64::saturating_add);
            let incomplete: Vec<String> = by_series
                .iter()
                .filter(|(_, counts)| counts.is_some_and(|(_, missing)| missing > 0))
                .map(|(uid, _)| (*uid).clone())
                .collect();
            let some = incomplete.len() < by_series.len();
            Difference {
                expected: Some(sum(|(there, _)| *there)),
                held: held_total,
                missing: Some(sum(|(_, missing)| *missing)),
                series: if some { incomplete } else { Vec::new() },
            }
        }
        None => Difference {
            expected: study.instances,
            held: held_total,
            missing: study.instances.map(|there| there.saturating_sub(held_total)),
            series: Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::integrations::pacs::ask::SeriesAtNode;

    fn uids(uids: &[&str]) -> BTreeSet<String> {
        uids.iter().map(|uid| (*uid).to_owned()).collect()
    }

    /// Series, their number of instances, and these.
    type Told<'a> = (&'a str, Option<u64>, Option<&'a [&'a str]>);

    fn study(instances: Option<u64>, series: &[Told<'_>]) -> StudyAtNode {
        let series = series.iter().map(|(uid, instances, known)| {
            ((*uid).to_owned(), SeriesAtNode { instances: *instances, sop_instance_uids: known.map(uids) })
        });
        StudyAtNode { instances, series: series.collect(), ..StudyAtNode::default() }
    }

    fn held(series: &[(&str, &[&str])]) -> HeldStudy {
        series.iter().map(|(uid, instances)| ((*uid).to_owned(), uids(instances))).collect()
    }

    #[test]
    fn known_instances_are_compared_one_by_one() {
        let there = study(Some(3), &[("1", Some(3), Some(&["1.1", "1.2", "1.3"]))]);
        let difference = compare(&there, &held(&[("1", &["1.1", "1.8", "1.9"])]));
        assert_eq!((difference.expected, difference.held, difference.missing), (Some(3), 3, Some(2)));
    }

    #[test]
    fn a_series_that_is_full_does_not_make_up_for_another() {
        let there = study(Some(4), &[("1", Some(2), None), ("2", Some(2), None)]);
        let difference = compare(&there, &held(&[("1", &["1.1", "1.2", "1.3"]), ("2", &["2.1"])]));
        assert_eq!((difference.missing, difference.series), (Some(1), vec!["2".to_owned()]));
    }

    #[test]
    fn without_series_the_number_of_the_study_counts_and_without_numbers_nothing_is_known() {
        let here = held(&[("1", &["1.1"])]);
        assert_eq!(compare(&study(Some(4), &[]), &here).missing, Some(3));
        assert_eq!(compare(&study(Some(4), &[("1", None, None)]), &here).missing, Some(3));
        let unknown = compare(&study(None, &[("1", None, None)]), &here);
        assert_eq!((unknown.expected, unknown.missing, unknown.held), (None, None, 1));
    }

    #[test]
    fn a_series_of_which_something_was_deleted_is_left_out() {
        let there = study(Some(5), &[("1", Some(2), None), ("2", Some(3), None)]);
        let deleted = |series: &[&str]| DeletedHere { whole: false, series: uids(series) };
        let rest = without(&there, &deleted(&["1", "7"])).unwrap();
        let difference = compare(&rest, &held(&[("2", &["2.1"])]));
        assert_eq!((difference.expected, difference.missing), (Some(3), Some(2)));
        assert_eq!(without(&there, &deleted(&["1", "2"])), None);
        assert_eq!(without(&there, &DeletedHere { whole: true, ..DeletedHere::default() }), None);
        assert_eq!(without(&study(Some(5), &[]), &deleted(&["1"])), None, "which series there are is not known");
    }

    #[test]
    fn a_study_of_which_nothing_is_here_is_fetched_whole() {
        let there = study(None, &[("1", Some(2), None), ("2", Some(2), None)]);
        assert_eq!(compare(&there, &HeldStudy::new()).series, Vec::<String>::new());
    }
}
