//! Messages in pieces of every size, and bytes that are no messages.

use super::*;

const LIMITS: FramingLimits =
    FramingLimits { max_received_pdu: 4096, max_association_pdu: 65536, write_timeout: Duration::from_secs(5) };

async fn receive_all(wire: &[u8], step: usize) -> Result<Vec<(Part, Vec<u8>)>, FramingError> {
    let (mut peer, ours) = tokio::io::duplex(step);
    let wire = wire.to_vec();
    let sender = tokio::spawn(async move { peer.write_all(&wire).await });
    let mut framing = Framing::new(ours, LIMITS);
    let mut messages = vec![];
    let mut current = Vec::new();
    loop {
        match framing.next().await {
            Ok(Received::Fragment(fragment)) => {
                current.extend_from_slice(&fragment.bytes);
                if fragment.is_last {
                    messages.push((fragment.part, std::mem::take(&mut current)));
                }
            }
            Ok(_) | Err(FramingError::Closed) => break,
            Err(error) => return Err(error),
        }
    }
    drop(framing);
    let _ = sender.await;
    Ok(messages)
}

#[tokio::test]
async fn what_is_fragmented_is_put_together_whatever_the_pieces() {
    let data: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
    let mut wire = Vec::new();
    put_message_part(&mut wire, 1, Part::Command, b"command", 4096);
    put_message_part(&mut wire, 1, Part::DataSet, &data, 1000);
    put_message_part(&mut wire, 1, Part::DataSet, b"", 1000);
    for step in [1, 7, 4096, 65536] {
        let messages = receive_all(&wire, step).await.unwrap();
        assert_eq!(
            messages,
            [(Part::Command, b"command".to_vec()), (Part::DataSet, data.clone()), (Part::DataSet, vec![])]
        );
    }
}

#[tokio::test]
async fn several_values_in_one_pdu_are_all_handed_on() {
    let mut wire = vec![4, 0, 0, 0, 0, 15];
    wire.extend_from_slice(&[0, 0, 0, 4, 1, 3, b'a', b'b']);
    wire.extend_from_slice(&[0, 0, 0, 3, 1, 2, b'c']);
    let messages = receive_all(&wire, 64).await.unwrap();
    assert_eq!(messages, [(Part::Command, b"ab".to_vec()), (Part::DataSet, b"c".to_vec())]);
}

#[tokio::test]
async fn violations_are_told_apart() {
    let table: [(&[u8], AbortReason); 6] = [
        (&[0x09, 0, 0, 0, 0, 0], AbortReason::UnrecognizedPdu),
        (&[0x01, 0, 0, 0, 0, 0], AbortReason::UnexpectedPdu),
        (&[0x04, 0, 0xFF, 0xFF, 0xFF, 0xFF], AbortReason::InvalidPduParameter),
        (&[0x04, 0, 0, 0, 0, 3, 0, 0, 0], AbortReason::InvalidPduParameter),
        (&[0x04, 0, 0, 0, 0, 8, 0xFF, 0, 0, 0, 1, 3, 0, 0], AbortReason::InvalidPduParameter),
        (&[0x04, 0, 0, 0, 0, 8, 0, 0, 0, 1, 1, 3, 0, 0], AbortReason::InvalidPduParameter),
    ];
    for (wire, expected) in table {
        match receive_all(wire, 64).await {
            Err(FramingError::Protocol { reason, .. }) => assert_eq!(reason, expected, "{wire:02X?}"),
            other => panic!("{wire:02X?} gave {other:?}"),
        }
    }
}

fn opening() -> Vec<u8> {
    let request = dicom_ul::pdu::AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "PACS01".to_owned(),
        called_ae_title: "YINGKU".to_owned(),
        application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
        presentation_contexts: vec![dicom_ul::pdu::PresentationContextProposed {
            id: 1,
            abstract_syntax: "1.2.840.10008.1.1".to_owned(),
            transfer_syntaxes: vec!["1.2.840.10008.1.2".to_owned()],
        }],
        user_variables: vec![
            dicom_ul::pdu::UserVariableItem::MaxLength(16384),
            dicom_ul::pdu::UserVariableItem::SopClassExtendedNegotiationSubItem("1.2.840.10008.1.1".into(), vec![1; 9]),
            dicom_ul::pdu::UserVariableItem::Unknown(0x53, vec![0, 1, 0, 1]),
        ],
    };
    let mut bytes = Vec::new();
    dicom_ul::pdu::write_pdu(&mut bytes, &Pdu::AssociationRQ(request)).unwrap();
    bytes
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_end_without_a_panic(wire in proptest::collection::vec(0_u8..=255, 0..300), step in 1_usize..100) {
        let _ = block_on(receive_all(&wire, step));
    }

    #[test]
    fn a_damaged_opening_ends_without_a_panic(
        damage in proptest::collection::vec((6_usize..200, 0_u8..=255), 1..5), cut in 0_usize..40,
    ) {
        let mut wire = opening();
        for (at, with) in damage {
            let at = at % wire.len();
            wire[at] = with;
        }
        wire.truncate(wire.len() - cut);
        let length = (wire.len() - 6) as u32;
        wire[2..6].copy_from_slice(&length.to_be_bytes());
        let offer = super::super::negotiation::Offer {
            max_pdu_length: 16384,
            max_presentation_contexts: 4,
            private_classes: crate::dicom::sop_class::PrivateClasses::Accepted,
            services: crate::dimse::services::Services::ALL,
            transfer_syntaxes: &[],
        };
        let read = block_on(Framing::new(std::io::Cursor::new(wire), LIMITS).read_association_pdu());
        if let Ok(Pdu::AssociationRQ(request)) = read
            && let Some(agreement) = super::super::negotiation::negotiate(&request, offer)
        {
            let mut answer = Vec::new();
            let _ = dicom_ul::pdu::write_pdu(&mut answer, &Pdu::AssociationAC(agreement.answer));
        }
    }
}
