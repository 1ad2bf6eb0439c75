//! Takes apart what a caller has sent, as the listener would: for recorded traffic and for fuzzing. Nothing is answered or
//! stored.

use std::time::Duration;

use dicom_ul::pdu::Pdu;

use super::association::framing::{Framing, FramingLimits, Part, Received};
use super::association::negotiation::{self, Offer};
use super::config::DicomConfig;
use super::message::Command;
use super::services::Services;

/// What was found before the bytes ended or broke the protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dissected {
    /// Presentation contexts that would be accepted.
    pub contexts: usize,
    /// Command fields of the messages, in their order; `None` for a command set that cannot be read.
    pub commands: Vec<Option<u16>>,
    /// Bytes of data sets.
    pub data_set_bytes: u64,
    /// Why it ended there; `None` after a release or an abort.
    pub fault: Option<String>,
}

/// Reads an A-ASSOCIATE-RQ and what follows it, within the limits of the configuration.
pub async fn dissect(bytes: &[u8], config: &DicomConfig) -> Dissected {
    let limits = FramingLimits {
        max_received_pdu: config.max_pdu_length,
        max_association_pdu: config.max_associate_request_bytes,
        write_timeout: Duration::from_millis(config.write_timeout_ms),
    };
    let mut found = Dissected::default();
    let mut framing = Framing::new(tokio::io::join(bytes, tokio::io::sink()), limits);
    let request = match framing.read_association_pdu().await {
        Ok(Pdu::AssociationRQ(request)) => request,
        Ok(other) => {
            found.fault = Some(format!("begins with {}", other.short_description()));
            return found;
        }
        Err(error) => {
            found.fault = Some(error.to_string());
            return found;
        }
    };
    let offer = Offer {
        max_pdu_length: config.max_pdu_length,
        max_presentation_contexts: config.max_presentation_contexts,
        private_classes: config.private_classes(),
        services: Services::ALL,
        transfer_syntaxes: &[],
    };
    let is_known = negotiation::check_protocol(&request).is_ok();
    let Some(agreement) = negotiation::negotiate(&request, offer).filter(|_| is_known) else {
        found.fault = Some("an association that is refused".to_owned());
        return found;
    };
    found.contexts = agreement.contexts.len();
    let mut command = Vec::new();
    loop {
        let fragment = match framing.next().await {
            Ok(Received::Fragment(fragment)) => fragment,
            Ok(Received::ReleaseRequest | Received::ReleaseReply | Received::Abort) => return found,
            Err(error) => {
                found.fault = Some(error.to_string());
                return found;
            }
        };
        if fragment.part == Part::DataSet {
            found.data_set_bytes += fragment.bytes.len() as u64;
            continue;
        }
        if command.len() + fragment.bytes.len() > config.max_command_bytes {
            found.fault = Some("a command set beyond the limit".to_owned());
            return found;
        }
        command.extend_from_slice(&fragment.bytes);
        if fragment.is_last {
            found.commands.push(Command::parse(&command).ok().map(|command| command.code()));
            command.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use dicom_ul::pdu::{AssociationRQ, PresentationContextProposed};

    use super::super::association::framing::put_message_part;
    use super::*;
    use crate::dicom::sop_class::VERIFICATION;
    use crate::dicom::transfer_syntax::IMPLICIT_VR_LITTLE_ENDIAN;

    fn conversation() -> Vec<u8> {
        let request = AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "PACS01".to_owned(),
            called_ae_title: "YINGKU".to_owned(),
            application_context_name: negotiation::APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: vec![PresentationContextProposed {
                id: 1,
                abstract_syntax: VERIFICATION.to_owned(),
                transfer_syntaxes: vec![IMPLICIT_VR_LITTLE_ENDIAN.to_owned()],
            }],
            user_variables: Vec::new(),
        };
        let mut bytes = Vec::new();
        dicom_ul::pdu::write_pdu(&mut bytes, &request.into()).unwrap();
        put_message_part(&mut bytes, 1, Part::Command, &Command::echo_request(1).encode(), 16384);
        dicom_ul::pdu::write_pdu(&mut bytes, &Pdu::ReleaseRQ).unwrap();
        bytes
    }

    #[tokio::test]
    async fn an_echo_is_taken_apart_and_so_is_what_is_left_of_a_torn_one() {
        let (whole, config) = (conversation(), DicomConfig::default());
        let found = dissect(&whole, &config).await;
        assert_eq!(found, Dissected { contexts: 1, commands: vec![Some(0x0030)], data_set_bytes: 0, fault: None });
        for end in 0..whole.len() {
            assert!(dissect(&whole[..end], &config).await.fault.is_some(), "{end}");
        }
    }
}
