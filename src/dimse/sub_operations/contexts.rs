//! In which presentation context an object goes out: as it is stored when the receiver takes that, else converted.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::peers::retrieve::StoredInstance;
use crate::dicom::convert::is_convertible;
use crate::dicom::transfer_syntax::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use crate::dimse::scu::Proposal;

/// Presentation contexts that an association has.
const MAX_CONTEXTS: usize = 128;

/// What a receiver takes: context ids by SOP class and transfer syntax.
#[derive(Debug, Clone, Default)]
pub(crate) struct AcceptedContexts {
    by_syntax: BTreeMap<(String, String), u8>,
}

impl AcceptedContexts {
    pub(crate) fn new<'a>(contexts: impl Iterator<Item = (u8, &'a str, &'a str)>) -> Self {
        let mut by_syntax = BTreeMap::new();
        for (id, abstract_syntax, transfer_syntax) in contexts {
            by_syntax.entry((abstract_syntax.to_owned(), transfer_syntax.to_owned())).or_insert(id);
        }
        Self { by_syntax }
    }

    /// The context and transfer syntax for an instance.
    pub(crate) fn choose(&self, instance: &StoredInstance) -> Option<(u8, String)> {
        self.choose_for(&instance.sop_class_uid, &instance.transfer_syntax_uid)
    }

    /// The context and transfer syntax for an object of a class that is stored in a transfer syntax.
    pub(crate) fn choose_for(&self, sop_class_uid: &str, stored: &str) -> Option<(u8, String)> {
        let candidates = [
            stored,
            EXPLICIT_VR_LITTLE_ENDIAN,
            IMPLICIT_VR_LITTLE_ENDIAN,
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_BIG_ENDIAN,
        ];
        candidates.into_iter().filter(|to| *to == stored || is_convertible(stored, to)).find_map(|to| {
            let id = self.by_syntax.get(&(sop_class_uid.to_owned(), to.to_owned()))?;
            Some((*id, to.to_owned()))
        })
    }
}

/// Parts of the instances, each with the presentation contexts to propose for it, as many as an association has.
pub(crate) fn proposals(instances: Vec<StoredInstance>) -> Vec<(Vec<Proposal>, Vec<StoredInstance>)> {
    let mut by_class: BTreeMap<String, (BTreeSet<String>, Vec<StoredInstance>)> = BTreeMap::new();
    for instance in instances {
        let (syntaxes, of_class) = by_class.entry(instance.sop_class_uid.clone()).or_default();
        syntaxes.insert(instance.transfer_syntax_uid.clone());
        of_class.push(instance);
    }
    let mut parts: Vec<(Vec<Proposal>, Vec<StoredInstance>)> = Vec::new();
    for (class, (syntaxes, of_class)) in by_class {
        let mut proposed: Vec<Proposal> =
            syntaxes.iter().take(MAX_CONTEXTS - 1).map(|syntax| Proposal::storage(&class, syntax)).collect();
        let fallback: Vec<String> = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]
            .into_iter()
            .filter(|syntax| !syntaxes.contains(*syntax))
            .map(str::to_owned)
            .collect();
        if !fallback.is_empty() {
            proposed.push(Proposal { abstract_syntax: class, transfer_syntaxes: fallback });
        }
        match parts.last_mut() {
            Some((proposals, members)) if proposals.len() + proposed.len() <= MAX_CONTEXTS => {
                proposals.extend(proposed);
                members.extend(of_class);
            }
            _ => parts.push((proposed, of_class)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::place::Place;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";

    fn instance(class: &str, syntax: &str) -> StoredInstance {
        StoredInstance {
            org_code: "ORG-T01".to_owned(),
            study_pk: 1,
            sop_class_uid: class.to_owned(),
            sop_instance_uid: "2.25.1".to_owned(),
            transfer_syntax_uid: syntax.to_owned(),
            place: Place { key: String::new(), offset: 0, length: 0 },
            dataset_offset: 0,
        }
    }

    #[test]
    fn an_object_goes_as_it_is_stored_when_the_receiver_takes_that() {
        let accepted = AcceptedContexts::new(
            [(1, CT, IMPLICIT_VR_LITTLE_ENDIAN), (3, CT, EXPLICIT_VR_LITTLE_ENDIAN), (5, CT, JPEG_LOSSLESS)]
                .into_iter(),
        );
        let choose = |syntax| accepted.choose(&instance(CT, syntax));
        assert_eq!(choose(JPEG_LOSSLESS), Some((5, JPEG_LOSSLESS.to_owned())));
        assert_eq!(choose(IMPLICIT_VR_LITTLE_ENDIAN), Some((1, IMPLICIT_VR_LITTLE_ENDIAN.to_owned())));
        assert_eq!(choose("1.2.840.10008.1.2.4.80"), Some((3, EXPLICIT_VR_LITTLE_ENDIAN.to_owned())));
        assert_eq!(choose("1.2.840.10008.1.2.4.102"), None, "video is not decoded");
        assert_eq!(accepted.choose(&instance("1.2.840.10008.5.1.4.1.1.4", IMPLICIT_VR_LITTLE_ENDIAN)), None);
    }

    #[test]
    fn many_classes_are_parted_so_that_an_association_can_hold_them() {
        let instances = (0..100).map(|n| instance(&format!("1.2.3.{n}"), JPEG_LOSSLESS)).collect();
        let parts = proposals(instances);
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|(proposals, _)| proposals.len() <= 128));
        assert_eq!(parts.iter().map(|(_, members)| members.len()).sum::<usize>(), 100);
        assert_eq!(parts[0].0[1].transfer_syntaxes, [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]);
    }
}
