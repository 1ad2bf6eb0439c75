//! Peers that break the rules end their own association and nobody else's.

use super::raw::{RawPeer, association_request, p_data, store_request};
use super::{TestListener, ct_file};
use yingku::dimse::{DicomConfig, Status};

const UNRECOGNIZED_PDU: u8 = 1;
const UNEXPECTED_PDU: u8 = 2;
const UNEXPECTED_PARAMETER: u8 = 5;
const INVALID_PARAMETER: u8 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_association_request_is_aborted_with_a_reason() {
    let listener = TestListener::start().await;
    let mut garbled = association_request();
    garbled[76] = 0x99;
    let table: [(&[u8], u8); 5] = [
        (b"GET / HTTP/1.1\r\n\r\n", UNRECOGNIZED_PDU),
        (&p_data(1, 3, &[0; 8]), UNEXPECTED_PDU),
        (&[2, 0, 0, 0, 0, 4, 0, 0, 0, 0], INVALID_PARAMETER),
        (&[1, 0, 0xFF, 0xFF, 0xFF, 0xFF], INVALID_PARAMETER),
        (&garbled, INVALID_PARAMETER),
    ];
    for (bytes, reason) in table {
        let mut peer = RawPeer::connect(&listener).await;
        peer.send(bytes).await;
        assert_eq!(peer.abort_reason().await, reason, "{bytes:02X?}");
        assert!(peer.is_closed().await);
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn violations_on_an_open_association_are_aborted_with_a_reason() {
    let listener = TestListener::start().await;
    let table: [(Vec<u8>, u8); 10] = [
        (vec![4, 0, 0xFF, 0xFF, 0xFF, 0xFF], INVALID_PARAMETER),
        (vec![4, 0, 0, 0, 0, 0], INVALID_PARAMETER),
        (vec![0x42, 0, 0, 0, 0, 0], UNRECOGNIZED_PDU),
        (association_request(), UNEXPECTED_PDU),
        (vec![6, 0, 0, 0, 0, 4, 0, 0, 0, 0], UNEXPECTED_PDU),
        (p_data(3, 3, &store_request("2.25.1")), UNEXPECTED_PARAMETER),
        (p_data(1, 2, b"data without a command"), UNEXPECTED_PARAMETER),
        (p_data(1, 3, b"no command set"), INVALID_PARAMETER),
        (p_data(1, 1, &[0; 100_000]), INVALID_PARAMETER),
        (
            [p_data(1, 3, &store_request("2.25.1")), p_data(1, 3, &store_request("2.25.1"))].concat(),
            UNEXPECTED_PARAMETER,
        ),
    ];
    for (bytes, reason) in table {
        let mut peer = RawPeer::associate(&listener).await;
        peer.send(&bytes).await;
        assert_eq!(peer.abort_reason().await, reason, "{:02X?}", &bytes[..bytes.len().min(16)]);
        assert!(peer.is_closed().await);
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_cut_off_in_the_middle_leaves_nothing_and_harms_no_other() {
    let listener = TestListener::start().await;
    let mut other = listener.connect().await.unwrap();
    let mut aborting = RawPeer::associate(&listener).await;
    aborting.send(&p_data(1, 3, &store_request("2.25.1"))).await;
    aborting.send(&p_data(1, 0, &[0; 5000])).await;
    let mut vanishing = RawPeer::associate(&listener).await;
    vanishing.send(&p_data(1, 3, &store_request("2.25.2"))).await;
    vanishing.send(&p_data(1, 0, &[0; 5000])[..3000]).await;

    aborting.send(&[7, 0, 0, 0, 0, 4, 0, 0, 0, 0]).await;
    assert!(aborting.is_closed().await);
    drop(vanishing);

    assert_eq!(other.store(&ct_file("2.25.3")).await.unwrap().status, Status::SUCCESS);
    other.release().await.unwrap();
    let rows = listener.rows("SELECT sop_instance_uid FROM instance").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text("sop_instance_uid").unwrap(), "2.25.3");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_is_not_offered_is_answered_and_the_association_lives_on() {
    let listener = TestListener::start().await;
    let mut peer = RawPeer::associate(&listener).await;
    // N-CREATE-RQ with a data set
    let mut create = store_request("2.25.1");
    create[8 + 26 + 8..8 + 26 + 10].copy_from_slice(&[0x40, 0x01]);
    peer.send(&[p_data(1, 3, &create), p_data(1, 2, b"attributes")].concat()).await;
    let response = peer.receive_pdu().await.unwrap();
    let has = |element: [u8; 4], value: [u8; 2]| {
        let wanted = [[0, 0].as_slice(), &element[..2], &[2, 0, 0, 0], &value].concat();
        response.windows(wanted.len()).any(|window| window == wanted)
    };
    assert!(has([0x00, 0x01, 0, 0], [0x40, 0x81]), "N-CREATE-RSP {response:02X?}");
    assert!(has([0x00, 0x09, 0, 0], [0x11, 0x02]), "unrecognised operation {response:02X?}");
    peer.send(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]).await;
    assert_eq!(peer.receive_pdu().await.unwrap()[0], 6, "released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_ends_by_artim_before_and_by_the_idle_limit_after_the_opening() {
    let config = DicomConfig { artim_timeout_ms: 1000, ..DicomConfig::default() };
    let listener = TestListener::start_with(config).await;
    let mut half = RawPeer::connect(&listener).await;
    half.send(&association_request()[..40]).await;
    assert!(half.is_closed().await);
    listener.stop().await;

    // Here the time to open an association is long: whoever does that is not to be late on a loaded machine.
    let config = DicomConfig { idle_timeout_ms: 1000, ..DicomConfig::default() };
    let listener = TestListener::start_with(config).await;
    let mut idle = RawPeer::associate(&listener).await;
    assert_eq!(idle.abort_reason().await, 0);
    let mut stuck = RawPeer::associate(&listener).await;
    stuck.send(&[p_data(1, 3, &store_request("2.25.1")), p_data(1, 0, &[0; 500])].concat()).await;
    assert_eq!(stuck.abort_reason().await, 0);
    assert_eq!(listener.rows("SELECT id FROM instance").await.len(), 0);
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn padded_titles_and_a_long_request_are_fine() {
    let listener = TestListener::start().await;
    let mut request = association_request();
    for byte in request[10..42].iter_mut().filter(|byte| **byte == b' ') {
        *byte = 0;
    }
    // An unknown user item of 60000 bytes makes the request long.
    let user_at = request.len() - 8 - 4;
    let item_length = 8 + 4 + 60_000_u16;
    request[user_at + 2..user_at + 4].copy_from_slice(&item_length.to_be_bytes());
    request.extend_from_slice(&[0x5A, 0]);
    request.extend_from_slice(&60_000_u16.to_be_bytes());
    request.extend_from_slice(&vec![0; 60_000]);
    let length = (request.len() - 6) as u32;
    request[2..6].copy_from_slice(&length.to_be_bytes());

    let mut peer = RawPeer::connect(&listener).await;
    peer.send(&request).await;

    assert_eq!(peer.receive_pdu().await.unwrap()[0], 2, "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_rejected_while_it_still_sends_reads_the_rejection_and_no_reset() {
    let listener = TestListener::start().await;
    let mut request = association_request();
    request[26..32].copy_from_slice(b"NOBODY");
    let mut peer = RawPeer::connect(&listener).await;

    // More than the listener reads at once, behind the request.
    peer.send(&[request, vec![0; 600_000]].concat()).await;

    let rejected = peer.receive_pdu().await.expect("an A-ASSOCIATE-RJ");
    assert_eq!((rejected[0], &rejected[7..10]), (3, [1, 1, 3].as_slice()), "calling AE title not recognised");
    peer.send(&[0; 1000]).await;
    assert!(peer.is_closed().await);
    listener.stop().await;
}
