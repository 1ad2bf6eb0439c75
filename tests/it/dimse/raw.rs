//! Bytes on a socket, as a hostile or broken peer would send them.

use std::time::Duration;

use dicom_ul::pdu::{AssociationRQ, Pdu, PresentationContextProposed, RequestorRoles, UserVariableItem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::TestListener;
use crate::harness::dataset::{CT_IMAGE, EXPLICIT_LE};

/// Verification.
pub(super) const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Study Root Query/Retrieve, GET.
const STUDY_ROOT_GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";
const PATIENCE: Duration = Duration::from_secs(120);

/// A peer that knows no rules.
pub(super) struct RawPeer {
    stream: TcpStream,
}

impl RawPeer {
    pub(super) async fn connect(listener: &TestListener) -> Self {
        Self { stream: TcpStream::connect(listener.address).await.unwrap() }
    }

    /// The same with hardly any room for what comes, in a system that has not much of it.
    pub(super) async fn connect_with_little_room(listener: &TestListener) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self { stream: socket.connect(listener.address).await.unwrap() }
    }

    /// Sends the same again and again, reads nothing, and returns when the connection has been closed on it.
    pub(super) async fn send_until_it_is_closed(&mut self, bytes: &[u8]) {
        while self.stream.write_all(bytes).await.is_ok() {}
    }

    /// Opens a proper association with context 1 for CT images.
    pub(super) async fn associate(listener: &TestListener) -> Self {
        let mut peer = Self::connect(listener).await;
        peer.send(&association_request()).await;
        assert_eq!(peer.receive_pdu().await.unwrap()[0], 2, "accepted");
        peer
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// One PDU, or `None` when the connection was closed.
    pub(super) async fn receive_pdu(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 6];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut head)).await.expect("an answer in time");
        read.ok()?;
        let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let mut pdu = head.to_vec();
        pdu.resize(6 + length, 0);
        timeout(PATIENCE, self.stream.read_exact(&mut pdu[6..])).await.expect("an answer in time").unwrap();
        Some(pdu)
    }

    /// The peer's A-ABORT must come; its reason is given.
    pub(super) async fn abort_reason(&mut self) -> u8 {
        let pdu = self.receive_pdu().await.expect("an A-ABORT before the end");
        assert_eq!((pdu[0], pdu[8]), (7, 2), "A-ABORT by the provider: {pdu:02X?}");
        pdu[9]
    }

    /// The connection ends without another word.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.receive_pdu().await.is_none()
    }
}

pub(super) fn association_request() -> Vec<u8> {
    association_request_for(CT_IMAGE)
}

pub(super) fn association_request_for(abstract_syntax: &str) -> Vec<u8> {
    request_of(&[(1, abstract_syntax)], vec![UserVariableItem::MaxLength(16384)])
}

/// Context 1 to take CT images, context 3 to ask for them by C-GET, from a peer that takes PDUs of this length; 0 is any.
pub(super) fn association_request_to_get(max_length: u32) -> Vec<u8> {
    let provider = RequestorRoles { scu: false, scp: true };
    let role = UserVariableItem::ScuScpRoleSelectionSubItem(CT_IMAGE.to_owned(), provider);
    request_of(&[(1, CT_IMAGE), (3, STUDY_ROOT_GET)], vec![UserVariableItem::MaxLength(max_length), role])
}

fn request_of(contexts: &[(u8, &str)], user_variables: Vec<UserVariableItem>) -> Vec<u8> {
    let proposed = |(id, abstract_syntax): &(u8, &str)| PresentationContextProposed {
        id: *id,
        abstract_syntax: (*abstract_syntax).to_owned(),
        transfer_syntaxes: vec![EXPLICIT_LE.to_owned()],
    };
    let request = AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "PACS01".to_owned(),
        called_ae_title: "YINGKU".to_owned(),
        application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
        presentation_contexts: contexts.iter().map(proposed).collect(),
        user_variables,
    };
    let mut bytes = Vec::new();
    dicom_ul::pdu::write_pdu(&mut bytes, &Pdu::AssociationRQ(request)).unwrap();
    bytes
}

/// A P-DATA-TF with one value.
pub(super) fn p_data(context_id: u8, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut pdu = vec![4, 0];
    pdu.extend_from_slice(&(data.len() as u32 + 6).to_be_bytes());
    pdu.extend_from_slice(&(data.len() as u32 + 2).to_be_bytes());
    pdu.extend_from_slice(&[context_id, flags]);
    pdu.extend_from_slice(data);
    pdu
}

/// A C-STORE-RQ for a CT image.
pub(super) fn store_request(sop_instance_uid: &str) -> Vec<u8> {
    command(&[
        (0x0002, CT_IMAGE.as_bytes()),
        (0x0100, &[1, 0]),
        (0x0110, &[9, 0]),
        (0x0700, &[0, 0]),
        (0x0800, &[0, 0]),
        (0x1000, sop_instance_uid.as_bytes()),
    ])
}

/// A C-ECHO-RQ.
pub(super) fn echo_request() -> Vec<u8> {
    command(&[(0x0002, VERIFICATION.as_bytes()), (0x0100, &[0x30, 0]), (0x0110, &[9, 0]), (0x0800, &[1, 1])])
}

/// A C-GET-RQ.
pub(super) fn get_request() -> Vec<u8> {
    command(&[
        (0x0002, STUDY_ROOT_GET.as_bytes()),
        (0x0100, &[0x10, 0]),
        (0x0110, &[9, 0]),
        (0x0700, &[0, 0]),
        (0x0800, &[0, 0]),
    ])
}

/// The identifier of a study whose UID has an even length.
pub(super) fn study_identifier(study_instance_uid: &str) -> Vec<u8> {
    assert_eq!(study_instance_uid.len() % 2, 0);
    let length = (study_instance_uid.len() as u16).to_le_bytes();
    let level = [&[0x08, 0, 0x52, 0][..], b"CS", &[6, 0], b"STUDY "];
    let study = [&[0x20, 0, 0x0D, 0][..], b"UI", &length, study_instance_uid.as_bytes()];
    [level.concat(), study.concat()].concat()
}

fn command(elements: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (element, value) in elements {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(0);
        }
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&element.to_le_bytes());
        body.extend_from_slice(&(value.len() as u32).to_le_bytes());
        body.extend_from_slice(&value);
    }
    body
}
