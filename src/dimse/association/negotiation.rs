//! What an A-ASSOCIATE-RQ gets (PS3.7 annex D, PS3.8 sections 7.1 and 9.3): pure, one function.
//!
//! Every Storage SOP class is accepted with the transfer syntax that the caller lists first, whatever it is, unless the
//! caller's configuration names those that are taken: data sets are kept as received (D-I16). Who may call is decided by the caller of [`negotiate`], which knows addresses.

use std::collections::{BTreeMap, BTreeSet};

use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult, AssociationRJServiceProviderASCEReason,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ,
    PresentationContextProposed, PresentationContextResult, PresentationContextResultReason, RequestorRoles,
    UserVariableItem,
};

use super::super::services::{Service, Services};
use super::roles::{self, Roles};
use crate::dicom::part10::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};
use crate::dicom::sop_class::{self, PrivateClasses, RetrieveVerb, STORAGE_COMMITMENT_PUSH_MODEL, VERIFICATION};
use crate::dicom::transfer_syntax::{self, IMPLICIT_VR_LITTLE_ENDIAN};

pub(crate) const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
const ASYNCHRONOUS_OPERATIONS: u8 = 0x53;
const USER_IDENTITY_RESPONSE: u8 = 0x59;
/// Items that are answered: more than roles and extended negotiation of as many SOP classes as an association has contexts.
const MAX_ANSWERED_ITEMS: usize = 512;
/// Level 2 storage, digital signatures preserved (level 3), no coercion (PS3.4 section B.3.1.4).
const STORAGE_SUPPORT: [u8; 6] = [2, 0, 3, 0, 0, 0];

/// Why an association is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    ProtocolVersion,
    ApplicationContext,
    CalledAeTitle,
    CallingAeTitle,
    LocalLimit,
    ShuttingDown,
    UserIdentity,
}

impl Rejection {
    /// The word for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Rejection::ProtocolVersion => "protocol version not supported",
            Rejection::ApplicationContext => "application context not supported",
            Rejection::CalledAeTitle => "called AE title not recognised",
            Rejection::CallingAeTitle => "calling AE title or address not recognised",
            Rejection::LocalLimit => "local limit exceeded",
            Rejection::ShuttingDown => "shutting down",
            Rejection::UserIdentity => "user identity not accepted",
        }
    }

    /// Result, source and reason of PS3.8 table 9-21.
    pub(crate) fn pdu(self) -> AssociationRJ {
        use AssociationRJResult::{Permanent, Transient};
        use AssociationRJServiceProviderPresentationReason as Presentation;
        use AssociationRJServiceUserReason as User;
        use AssociationRJSource::{ServiceProviderASCE, ServiceProviderPresentation, ServiceUser};
        let (result, source) = match self {
            Rejection::ProtocolVersion => {
                (Permanent, ServiceProviderASCE(AssociationRJServiceProviderASCEReason::ProtocolVersionNotSupported))
            }
            Rejection::ApplicationContext => (Permanent, ServiceUser(User::ApplicationContextNameNotSupported)),
            Rejection::CalledAeTitle => (Permanent, ServiceUser(User::CalledAETitleNotRecognized)),
            Rejection::CallingAeTitle => (Permanent, ServiceUser(User::CallingAETitleNotRecognized)),
            Rejection::LocalLimit => (Transient, ServiceProviderPresentation(Presentation::LocalLimitExceeded)),
            Rejection::ShuttingDown => (Transient, ServiceProviderPresentation(Presentation::TemporaryCongestion)),
            // No reason of the table says so.
            Rejection::UserIdentity => (Permanent, ServiceUser(User::NoReasonGiven)),
        };
        AssociationRJ { result, source }
    }
}

/// An accepted presentation context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) abstract_syntax: String,
    pub(crate) transfer_syntax: String,
}

/// What both sides agreed on.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    pub(crate) contexts: BTreeMap<u8, Context>,
    /// Storage classes of which the requestor is a provider: it takes objects on this association (C-GET).
    pub(crate) provider_of: BTreeSet<String>,
    /// Longest P-DATA-TF that the peer takes; 0 is no limit.
    pub(crate) peer_max_pdu: u32,
    pub(crate) answer: AssociationAC,
}

/// What the acceptor offers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub(crate) max_pdu_length: u32,
    pub(crate) max_presentation_contexts: usize,
    pub(crate) private_classes: PrivateClasses,
    /// What the caller may ask for.
    pub(crate) services: Services,
    /// In which the caller may send objects, the best first; none is any.
    pub(crate) transfer_syntaxes: &'a [String],
}

/// Padding of AE titles and UIDs on the wire.
pub(crate) fn unpadded(text: &str) -> &str {
    text.trim_matches([' ', '\0'])
}

/// Checks the parts of a request that do not depend on who calls.
pub(crate) fn check_protocol(request: &AssociationRQ) -> Result<(), Rejection> {
    if request.protocol_version & 1 == 0 {
        return Err(Rejection::ProtocolVersion);
    }
    if unpadded(&request.application_context_name) != APPLICATION_CONTEXT {
        return Err(Rejection::ApplicationContext);
    }
    Ok(())
}

/// Answers the request. `None` when its presentation context ids cannot be (PS3.8 section 9.3.2.2: odd, unique).
pub(crate) fn negotiate(request: &AssociationRQ, offer: Offer<'_>) -> Option<Agreement> {
    let roles = Roles::proposed(request);
    let mut seen = BTreeSet::new();
    let mut contexts = BTreeMap::new();
    let mut results = Vec::with_capacity(request.presentation_contexts.len());
    for (index, proposed) in request.presentation_contexts.iter().enumerate() {
        if proposed.id.is_multiple_of(2) || !seen.insert(proposed.id) {
            return None;
        }
        let answer = if index < offer.max_presentation_contexts {
            choose(proposed, offer, &roles)
        } else {
            Err(PresentationContextResultReason::NoReason)
        };
        let (reason, transfer_syntax) = match answer {
            Ok(context) => {
                let transfer_syntax = context.transfer_syntax.clone();
                contexts.insert(proposed.id, context);
                (PresentationContextResultReason::Acceptance, transfer_syntax)
            }
            // Not significant, but the item must be there.
            Err(reason) => (reason, IMPLICIT_VR_LITTLE_ENDIAN.to_owned()),
        };
        results.push(PresentationContextResult { id: proposed.id, reason, transfer_syntax });
    }
    let peer_max_pdu = request.user_variables.iter().find_map(|item| match item {
        UserVariableItem::MaxLength(length) => Some(*length),
        _ => None,
    });
    let answer = AssociationAC {
        protocol_version: 1,
        calling_ae_title: request.calling_ae_title.clone(),
        called_ae_title: request.called_ae_title.clone(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables: user_information(request, &contexts, offer, &roles),
    };
    let provider_of = roles.provider_of(contexts.values().map(|context| context.abstract_syntax.as_str()));
    Some(Agreement { contexts, provider_of, peer_max_pdu: peer_max_pdu.unwrap_or(0), answer })
}

fn choose(
    proposed: &PresentationContextProposed,
    offer: Offer<'_>,
    roles: &Roles,
) -> Result<Context, PresentationContextResultReason> {
    let abstract_syntax = unpadded(&proposed.abstract_syntax);
    let mut offered = proposed.transfer_syntaxes.iter().map(|uid| unpadded(uid)).filter(|uid| !uid.is_empty());
    if !is_allowed(abstract_syntax, offer.services, roles) {
        return Err(PresentationContextResultReason::UserRejection);
    }
    let chosen = if is_retrieve_or_commitment(abstract_syntax) || sop_class::find_class(abstract_syntax).is_some() {
        // These carry data sets that we read and write ourselves.
        offered.find(|uid| transfer_syntax::is_plain(uid))
    } else if abstract_syntax != VERIFICATION && !sop_class::is_storage(abstract_syntax, offer.private_classes) {
        return Err(PresentationContextResultReason::AbstractSyntaxNotSupported);
    } else if roles.is_provider(abstract_syntax) {
        roles::transfer_syntax_to_send(abstract_syntax, offered)
    } else if abstract_syntax == VERIFICATION || offer.transfer_syntaxes.is_empty() {
        offered.next()
    } else {
        let offered: Vec<&str> = offered.collect();
        let wanted = offer.transfer_syntaxes.iter().find(|wanted| offered.contains(&wanted.as_str()));
        wanted.map(String::as_str)
    };
    let transfer_syntax = chosen.ok_or(PresentationContextResultReason::TransferSyntaxesNotSupported)?;
    Ok(Context { abstract_syntax: abstract_syntax.to_owned(), transfer_syntax: transfer_syntax.to_owned() })
}

/// Whether the caller's services cover the SOP class.
fn is_allowed(abstract_syntax: &str, services: Services, roles: &Roles) -> bool {
    if abstract_syntax == VERIFICATION {
        return services.allow(Service::Echo);
    }
    if abstract_syntax == STORAGE_COMMITMENT_PUSH_MODEL {
        // A provider does not ask: it reports what we have asked.
        return services.allow(Service::Commit) || roles.is_provider(abstract_syntax);
    }
    if sop_class::find_class(abstract_syntax).is_some() {
        return services.allow(Service::Find);
    }
    match sop_class::retrieve_class(abstract_syntax).map(|class| class.verb) {
        Some(RetrieveVerb::Move) => services.allow(Service::Move),
        Some(RetrieveVerb::Get) => services.allow(Service::Get),
        // Storage: what C-GET sends comes over contexts of which the requestor is the provider.
        None => services.allow(Service::Store) || services.allow(Service::Get) && roles.is_provider(abstract_syntax),
    }
}

fn is_retrieve_or_commitment(abstract_syntax: &str) -> bool {
    abstract_syntax == STORAGE_COMMITMENT_PUSH_MODEL || sop_class::retrieve_class(abstract_syntax).is_some()
}

fn user_information(
    request: &AssociationRQ,
    contexts: &BTreeMap<u8, Context>,
    offer: Offer<'_>,
    roles: &Roles,
) -> Vec<UserVariableItem> {
    let accepted = |uid: &str| contexts.values().any(|context| context.abstract_syntax == uid);
    let mut items = own_user_information(offer.max_pdu_length);
    let mut answered = BTreeSet::new();
    for item in &request.user_variables {
        if items.len() >= MAX_ANSWERED_ITEMS {
            break;
        }
        match item {
            UserVariableItem::ScuScpRoleSelectionSubItem(uid, proposed) => {
                let uid = unpadded(uid);
                if accepted(uid) && answered.insert((0x54, uid.to_owned())) {
                    let roles = RequestorRoles { scu: proposed.scu, scp: roles.is_provider(uid) };
                    items.push(UserVariableItem::ScuScpRoleSelectionSubItem(uid.to_owned(), roles));
                }
            }
            UserVariableItem::SopClassExtendedNegotiationSubItem(uid, proposed) => {
                let uid = unpadded(uid);
                if uid == VERIFICATION || uid == STORAGE_COMMITMENT_PUSH_MODEL {
                    continue;
                }
                if accepted(uid) && answered.insert((0x56, uid.to_owned())) {
                    let support = match sop_class::retrieve_class(uid) {
                        // Relational retrieval (PS3.4 section C.5.2.1): we never need the keys of higher levels.
                        Some(_) => vec![u8::from(proposed.first() == Some(&1))],
                        None if sop_class::find_class(uid).is_some() => query_support(proposed),
                        None => STORAGE_SUPPORT.to_vec(),
                    };
                    items.push(UserVariableItem::SopClassExtendedNegotiationSubItem(uid.to_owned(), support));
                }
            }
            UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS, _)
                if answered.insert((ASYNCHRONOUS_OPERATIONS, String::new())) =>
            {
                // One operation at a time, in both directions (D.3.3.3).
                items.push(UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS, vec![0, 1, 0, 1]));
            }
            // Admission has checked it (D.3.3.7); user names are answered with an empty response.
            UserVariableItem::UserIdentityItem(identity)
                if identity.positive_response_requested()
                    && answered.insert((USER_IDENTITY_RESPONSE, String::new())) =>
            {
                items.push(UserVariableItem::Unknown(USER_IDENTITY_RESPONSE, vec![0, 0]));
            }
            _ => {}
        }
    }
    items
}

/// What an answer agrees to by SOP class extended negotiation.
pub(crate) fn extended(answer: &AssociationAC) -> BTreeMap<String, Vec<u8>> {
    let of_item = |item: &UserVariableItem| match item {
        UserVariableItem::SopClassExtendedNegotiationSubItem(uid, support) => Some((uid.clone(), support.clone())),
        _ => None,
    };
    answer.user_variables.iter().filter_map(of_item).collect()
}

/// Relational queries, combined matching of dates and times and fuzzy matching of names are as proposed; time zone
/// adjustment and the enhanced multi-frame view are not there (PS3.4 section C.5.1.1).
fn query_support(proposed: &[u8]) -> Vec<u8> {
    let mut support = vec![0; proposed.len().clamp(1, 5)];
    for (answer, asked) in support.iter_mut().zip(proposed).take(3) {
        *answer = u8::from(*asked == 1);
    }
    support
}

/// Maximum length and implementation identification, which both sides send.
pub(crate) fn own_user_information(max_pdu_length: u32) -> Vec<UserVariableItem> {
    vec![
        UserVariableItem::MaxLength(max_pdu_length),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
    ]
}

#[cfg(test)]
#[path = "negotiation_tests.rs"]
mod tests;
