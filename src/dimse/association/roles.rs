//! SCP/SCU role selection (PS3.7 section D.3.3.4), as far as requestors become providers: of storage, to take objects on
//! the same association (C-GET), and of storage commitment, to report to us.

use std::collections::{BTreeMap, BTreeSet};

use dicom_ul::pdu::{AssociationRQ, UserVariableItem};

use super::negotiation::unpadded;
use crate::dicom::sop_class::{self, STORAGE_COMMITMENT_PUSH_MODEL, SeriesKind, VERIFICATION};
use crate::dicom::transfer_syntax::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, is_plain};

/// The roles that a requestor proposes; the first item of a SOP class counts.
#[derive(Debug, Default)]
pub(super) struct Roles {
    provider: BTreeMap<String, bool>,
}

impl Roles {
    pub(super) fn proposed(request: &AssociationRQ) -> Self {
        let mut provider = BTreeMap::new();
        for item in &request.user_variables {
            if let UserVariableItem::ScuScpRoleSelectionSubItem(uid, roles) = item {
                provider.entry(unpadded(uid).to_owned()).or_insert(roles.scp);
            }
        }
        Self { provider }
    }

    /// Whether the requestor becomes a provider of the class.
    pub(super) fn is_provider(&self, abstract_syntax: &str) -> bool {
        let can_be = abstract_syntax != VERIFICATION
            && sop_class::retrieve_class(abstract_syntax).is_none()
            && sop_class::find_class(abstract_syntax).is_none();
        can_be && self.provider.get(abstract_syntax).copied().unwrap_or(false)
    }

    /// The storage classes among these of which it does.
    pub(super) fn provider_of<'a>(&self, accepted: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        accepted
            .filter(|uid| *uid != STORAGE_COMMITMENT_PUSH_MODEL && self.is_provider(uid))
            .map(str::to_owned)
            .collect()
    }
}

/// The transfer syntax of a context over which we shall send objects that are not known yet.
///
/// Every object can be sent in an uncompressed one, while a compressed one would do only for objects that are stored so.
/// Video is always stored compressed. A caller that wants compressed objects as they are gives each syntax a context.
pub(super) fn transfer_syntax_to_send<'a>(
    abstract_syntax: &str,
    offered: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let offered: Vec<&str> = offered.collect();
    let is_video = sop_class::kind(abstract_syntax, "") == SeriesKind::Video;
    let compressed = || offered.iter().find(|uid| !is_plain(uid));
    if is_video && let Some(found) = compressed() {
        return Some(found);
    }
    [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]
        .iter()
        .find_map(|wanted| offered.iter().find(|uid| *uid == wanted))
        .or(offered.first())
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const VIDEO: &str = "1.2.840.10008.5.1.4.1.1.77.1.1.1";
    const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
    const MPEG4: &str = "1.2.840.10008.1.2.4.102";

    #[test]
    fn objects_go_out_in_a_syntax_that_fits_every_object() {
        let choose = |class, offered: &[&'static str]| transfer_syntax_to_send(class, offered.iter().copied());
        let both = [JPEG_LOSSLESS, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN];
        assert_eq!(choose(CT, &both), Some(EXPLICIT_VR_LITTLE_ENDIAN));
        assert_eq!(choose(CT, &[JPEG_LOSSLESS]), Some(JPEG_LOSSLESS));
        assert_eq!(choose(VIDEO, &[EXPLICIT_VR_LITTLE_ENDIAN, MPEG4]), Some(MPEG4));
        assert_eq!(choose(CT, &[]), None);
    }
}
