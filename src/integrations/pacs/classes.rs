//! The presentation contexts of a C-GET: which classes in which transfer syntaxes, in no more than an association has.
//!
//! One context for each class and syntax lets the peer send each object as it has it (D-I16). Where that would be too
//! many, the syntaxes of a class share contexts, and the peer chooses.

use super::ask::StudyAtNode;
use super::node::Node;
use crate::dimse::scu::{Proposal, ProposedRole};

/// Two of the 128 contexts are for C-FIND, which some archives want to see, and for the C-GET itself.
const MOST: usize = 126;

/// Transfer syntaxes in which objects are taken: compressed ones as stored first come to nobody's harm, since each has
/// a context of its own.
const TRANSFER_SYNTAXES: [&str; 27] = [
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.101",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.103",
    "1.2.840.10008.1.2.4.104",
    "1.2.840.10008.1.2.4.105",
    "1.2.840.10008.1.2.4.106",
    "1.2.840.10008.1.2.4.107",
    "1.2.840.10008.1.2.4.108",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.112",
];

/// Classes to propose when the peer does not tell which the study has; below 1.2.840.10008.5.1.4.1.1.
const USUAL_CLASSES: [&str; 58] = [
    "1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "2.1", "2.2", "3.1", "4", "4.1", "4.2", "4.3", "6.1",
    "6.2", "7", "7.1", "7.2", "7.3", "7.4", "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.3.1", "9.4.1", "11.1", "11.2",
    "12.1", "12.1.1", "12.2", "12.2.1", "13.1.1", "13.1.3", "20", "30", "66", "66.4", "77.1.1", "77.1.1.1", "77.1.2",
    "77.1.4", "77.1.4.1", "77.1.5.1", "77.1.5.4", "77.1.6", "88.11", "88.22", "88.33", "88.50", "88.59", "88.67",
    "104.1", "128", "481.1", "481.3",
];

/// The contexts for one study.
pub(super) fn proposals(node: &Node, study: &StudyAtNode) -> Vec<Proposal> {
    let configured = &node.settings().transfer_syntaxes;
    let syntaxes: Vec<String> = if configured.is_empty() {
        TRANSFER_SYNTAXES.iter().map(|uid| (*uid).to_owned()).collect()
    } else {
        configured.clone()
    };
    let classes: Vec<String> = if study.sop_classes.is_empty() {
        USUAL_CLASSES.iter().map(|class| format!("1.2.840.10008.5.1.4.1.1.{class}")).collect()
    } else {
        study.sop_classes.iter().take(MOST).cloned().collect()
    };
    let mut proposals = [node.root().find(), node.root().retrieve_by_get()].map(Proposal::query).to_vec();
    let each = (MOST / classes.len().max(1)).clamp(1, syntaxes.len().max(1));
    for class in &classes {
        // The best ones have a context each; the rest share the last.
        let (own, shared) = syntaxes.split_at((each - 1).min(syntaxes.len()));
        proposals.extend(own.iter().map(|syntax| Proposal::to_receive(class, vec![syntax.clone()])));
        if !shared.is_empty() {
            proposals.push(Proposal::to_receive(class, shared.to_vec()));
        }
    }
    proposals
}

/// Of the classes that are received we are the provider.
pub(super) fn roles(proposals: &[Proposal]) -> Vec<ProposedRole> {
    let mut classes: Vec<&str> = proposals.iter().skip(2).map(|proposal| &*proposal.abstract_syntax).collect();
    classes.dedup();
    let role = |class: &str| ProposedRole { sop_class_uid: class.to_owned(), scu: false, scp: true };
    classes.into_iter().map(role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimse::scu::DicomConfig;

    fn count(classes: usize) -> Vec<Proposal> {
        let text = "ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'\nretrieve = 'get'";
        let node = Node::new(&DicomConfig::default(), &toml::from_str(text).unwrap(), 4);
        let sop_classes = (0..classes).map(|n| format!("1.2.840.10008.5.1.4.1.1.{}", n + 1)).collect();
        proposals(&node, &StudyAtNode { sop_classes, ..StudyAtNode::default() })
    }

    #[test]
    fn few_classes_get_a_context_for_each_syntax_and_no_number_of_classes_is_too_many() {
        assert_eq!(count(2).len(), 2 + 2 * TRANSFER_SYNTAXES.len());
        for classes in [1, 4, 5, 40, 63, 64, 127, 500] {
            let proposals = count(classes);
            assert!(proposals.len() <= 128, "{classes}: {}", proposals.len());
            let last = proposals.last().unwrap();
            let all: usize = proposals
                .iter()
                .filter(|p| p.abstract_syntax == last.abstract_syntax)
                .map(|p| p.transfer_syntaxes.len())
                .sum();
            assert_eq!(all, TRANSFER_SYNTAXES.len(), "every syntax is offered for every class");
        }
        assert!(count(0).len() <= 128 && count(0).len() > 100, "the usual classes");
    }
}
