//! What is accepted, what is refused, and with which words.

use dicom_ul::pdu::{Pdu, UserIdentity, UserIdentityType};

use super::*;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const OFFER: Offer<'_> = Offer {
    max_pdu_length: 131_072,
    max_presentation_contexts: 128,
    private_classes: PrivateClasses::Accepted,
    services: Services::ALL,
    transfer_syntaxes: &[],
};

fn request(contexts: &[(u8, &str, &[&str])], user_variables: Vec<UserVariableItem>) -> AssociationRQ {
    AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "PACS01".to_owned(),
        called_ae_title: "YINGKU".to_owned(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: contexts
            .iter()
            .map(|(id, abstract_syntax, transfer_syntaxes)| PresentationContextProposed {
                id: *id,
                abstract_syntax: (*abstract_syntax).to_owned(),
                transfer_syntaxes: transfer_syntaxes.iter().map(|uid| (*uid).to_owned()).collect(),
            })
            .collect(),
        user_variables,
    }
}

#[test]
fn storage_is_accepted_with_the_first_transfer_syntax_known_or_not() {
    let request = request(
        &[
            (1, "1.2.840.10008.1.1\0", &["1.2.840.10008.1.2"]),
            (3, CT, &["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1"]),
            (5, "1.3.6.1.4.1.99999.7", &["1.3.6.1.4.1.99999.8"]),
            (7, "1.2.840.10008.5.1.4.1.2.2.1", &["1.2.840.10008.1.2"]),
            (9, CT, &[]),
            (11, "1.2.840.10008.5.1.4.31", &["1.2.840.10008.1.2"]),
            (13, "1.2.840.10008.5.1.4.1.2.2.1", &["1.2.840.10008.1.2.4.90"]),
        ],
        vec![UserVariableItem::MaxLength(16384)],
    );
    let agreement = negotiate(&request, OFFER).unwrap();
    let chosen: Vec<_> = agreement.contexts.iter().map(|(id, c)| (*id, c.transfer_syntax.as_str())).collect();
    let expected =
        [(1, "1.2.840.10008.1.2"), (3, "1.2.840.10008.1.2.4.90"), (5, "1.3.6.1.4.1.99999.8"), (7, "1.2.840.10008.1.2")];
    assert_eq!(chosen, expected);
    let reasons: Vec<_> = agreement.answer.presentation_contexts.iter().map(|r| r.reason.clone() as u8).collect();
    assert_eq!(reasons, [0, 0, 0, 0, 4, 3, 4]);
    assert_eq!(agreement.peer_max_pdu, 16384);
}

#[test]
fn of_the_transfer_syntaxes_of_a_caller_the_best_is_taken_for_its_objects() {
    let (implicit, explicit, lossless) = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70");
    let request = request(
        &[
            (1, CT, &[implicit, explicit]),
            (3, CT, &[lossless]),
            (5, CT, &[implicit]),
            (7, VERIFICATION, &[implicit]),
            (9, "1.2.840.10008.5.1.4.1.2.2.1", &[implicit]),
        ],
        vec![],
    );
    let wanted = [lossless.to_owned(), explicit.to_owned()];
    let agreement = negotiate(&request, Offer { transfer_syntaxes: &wanted, ..OFFER }).unwrap();
    let chosen: Vec<_> = agreement.contexts.iter().map(|(id, c)| (*id, c.transfer_syntax.as_str())).collect();
    assert_eq!(chosen, [(1, explicit), (3, lossless), (7, implicit), (9, implicit)]);
    let refused = &agreement.answer.presentation_contexts[2].reason;
    assert_eq!(*refused, PresentationContextResultReason::TransferSyntaxesNotSupported);
}

#[test]
fn private_classes_can_be_refused_and_contexts_limited() {
    let request =
        request(&[(1, "1.3.6.1.4.1.99999.7", &["1.2.840.10008.1.2"]), (3, CT, &["1.2.840.10008.1.2"])], vec![]);
    let refused = Offer { private_classes: PrivateClasses::Refused, max_presentation_contexts: 1, ..OFFER };
    let agreement = negotiate(&request, refused).unwrap();
    assert!(agreement.contexts.is_empty());
    assert_eq!(agreement.answer.presentation_contexts[1].reason, PresentationContextResultReason::NoReason);
}

#[test]
fn context_ids_are_odd_and_unique() {
    assert!(negotiate(&request(&[(2, CT, &["1.2.840.10008.1.2"])], vec![]), OFFER).is_none());
    assert!(negotiate(&request(&[(1, CT, &["1.2"]), (1, CT, &["1.2"])], vec![]), OFFER).is_none());
}

#[test]
fn the_items_of_user_information_are_answered() {
    let asked = vec![
        UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS, vec![0, 0, 0, 0]),
        UserVariableItem::ScuScpRoleSelectionSubItem(CT.to_owned(), RequestorRoles { scu: true, scp: true }),
        UserVariableItem::ScuScpRoleSelectionSubItem("1.2.9".to_owned(), RequestorRoles { scu: true, scp: true }),
        UserVariableItem::SopClassExtendedNegotiationSubItem(CT.to_owned(), vec![2, 0, 0, 0, 0, 0]),
        UserVariableItem::UserIdentityItem(UserIdentity::new(
            true,
            UserIdentityType::Username,
            b"somebody".to_vec(),
            vec![],
        )),
    ];
    let agreement = negotiate(&request(&[(1, CT, &["1.2.840.10008.1.2"])], asked), OFFER).unwrap();
    assert_eq!(
        agreement.answer.user_variables[3..],
        [
            UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS, vec![0, 1, 0, 1]),
            UserVariableItem::ScuScpRoleSelectionSubItem(CT.to_owned(), RequestorRoles { scu: true, scp: true }),
            UserVariableItem::SopClassExtendedNegotiationSubItem(CT.to_owned(), STORAGE_SUPPORT.to_vec()),
            UserVariableItem::Unknown(USER_IDENTITY_RESPONSE, vec![0, 0]),
        ]
    );
    // and the answer can be written
    let mut wire = Vec::new();
    dicom_ul::pdu::write_pdu(&mut wire, &Pdu::AssociationAC(agreement.answer)).unwrap();
    assert_eq!(wire[0], 2);
}

#[test]
fn as_many_roles_as_contexts_are_answered_and_the_identity_behind_them_too() {
    let classes: Vec<String> = (0..126).map(|number| format!("1.3.6.1.4.1.99999.7.{number}")).collect();
    let syntaxes: &[&str] = &["1.2.840.10008.1.2"];
    let contexts: Vec<_> =
        classes.iter().zip((1..).step_by(2)).map(|(uid, id): (_, u8)| (id, uid.as_str(), syntaxes)).collect();
    let role = |uid: &String| {
        UserVariableItem::ScuScpRoleSelectionSubItem(uid.clone(), RequestorRoles { scu: true, scp: true })
    };
    let mut asked: Vec<UserVariableItem> = classes.iter().map(role).collect();
    let identity = UserIdentity::new(true, UserIdentityType::Username, b"somebody".to_vec(), vec![]);
    asked.push(UserVariableItem::UserIdentityItem(identity));
    let answered = negotiate(&request(&contexts, asked), OFFER).unwrap().answer.user_variables;
    assert_eq!(answered[3..129], classes.iter().map(role).collect::<Vec<_>>());
    assert_eq!(answered[129..], [UserVariableItem::Unknown(USER_IDENTITY_RESPONSE, vec![0, 0])]);
}

#[test]
fn what_is_not_dicom_version_1_is_rejected() {
    let mut other = request(&[], vec![]);
    other.protocol_version = 2;
    assert_eq!(check_protocol(&other), Err(Rejection::ProtocolVersion));
    other.protocol_version = 3;
    assert_eq!(check_protocol(&other), Ok(()));
    other.application_context_name = "1.2.3".to_owned();
    assert_eq!(check_protocol(&other), Err(Rejection::ApplicationContext));
}

#[test]
fn each_rejection_has_its_result_source_and_reason() {
    let table = [
        (Rejection::ProtocolVersion, [1, 2, 2]),
        (Rejection::ApplicationContext, [1, 1, 2]),
        (Rejection::CalledAeTitle, [1, 1, 7]),
        (Rejection::CallingAeTitle, [1, 1, 3]),
        (Rejection::LocalLimit, [2, 3, 2]),
        (Rejection::ShuttingDown, [2, 3, 1]),
        (Rejection::UserIdentity, [1, 1, 1]),
    ];
    for (rejection, expected) in table {
        let mut wire = Vec::new();
        dicom_ul::pdu::write_pdu(&mut wire, &Pdu::AssociationRJ(rejection.pdu())).unwrap();
        assert_eq!(wire[7..10], expected, "{}", rejection.as_str());
    }
}
