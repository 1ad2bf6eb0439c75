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
