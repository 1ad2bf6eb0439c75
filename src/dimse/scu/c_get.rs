//! C-GET (PS3.4 section C.4.3): what is named comes as C-STORE requests on the same association.
//!
//! Each object takes the path of one that was sent to our listener: it is durable and indexed before it is answered.
//! What does not belong to the study that was asked for is refused and not kept.

use tokio::time::timeout;

use super::association::unexpected;
use super::identifier::Identifier;
use super::retrieve::{RetrieveLimits, Retrieved};
use super::{Association, Error};
use crate::archive::Archive;
use crate::archive::images::store_instance::{Completeness, InstanceWriter, ReceiveInstance, StoreOutcome};
use crate::dicom::sop_class::{self, PrivateClasses};
use crate::dicom::text::Charset;
use crate::dimse::association::framing::{Part, put_message_part};
use crate::dimse::message::{Command, CommandField, SubOperationCounts};
use crate::dimse::status::{self, Status};
use crate::domain::{Actor, Uid};

const GET_REQUEST: u16 = 0x0010;
const GET_RESPONSE: u16 = 0x8010;

type Refusal = (Status, &'static str);

/// Where the objects of a C-GET go.
#[derive(Debug, Clone)]
pub struct GetDestination {
    /// The archive.
    pub archive: Archive,
    /// The organisation that the objects belong to.
    pub org_code: String,
    /// The study that was asked for; objects of another one are refused.
    pub study_instance_uid: String,
    /// The peer's AE title.
    pub ae_title: String,
    /// Charset of data sets that declare none.
    pub charset: Charset,
    /// Whom the audit trail names.
    pub actor: Actor,
}

/// What came by a C-GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// What the peer says.
    pub retrieved: Retrieved,
    /// Objects that are new here.
    pub stored: u64,
    /// Objects that were here already.
    pub known: u64,
    /// Objects that were refused.
    pub refused: u64,
}

impl Association {
    /// Fetches what `identifier` names into `destination`.
    pub async fn get(
        &mut self,
        sop_class_uid: &str,
        identifier: &Identifier,
        destination: &GetDestination,
        limits: RetrieveLimits,
    ) -> Result<Got, Error> {
        timeout(limits.whole, self.get_within(sop_class_uid, identifier, destination, limits))
            .await
            .map_err(|_| Error::TooLong("C-GET"))?
    }

    async fn get_within(
        &mut self,
        sop_class_uid: &str,
        identifier: &Identifier,
        destination: &GetDestination,
        limits: RetrieveLimits,
    ) -> Result<Got, Error> {
        let context_id = self.require_context(sop_class_uid)?;
        let syntax = self.contexts[&context_id].transfer_syntax.clone();
        let message_id = self.next_message_id();
        let command = Command::query_request(GET_REQUEST, message_id, sop_class_uid);
        self.patience = limits.silence;
        self.send_query(context_id, &command, &identifier.encode(&syntax)).await?;
        let mut counts = SubOperationCounts::default();
        let (mut stored, mut known, mut refused) = (0, 0, 0);
        for _ in 0..limits.max_messages {
            let (on, message) = self.receive_command().await?;
            if message.field() == CommandField::StoreRequest {
                let (status, comment) = match self.take(on, &message, destination, limits).await? {
                    Ok(StoreOutcome::Duplicate) => {
                        known += 1;
                        (Status::SUCCESS, "")
                    }
                    Ok(StoreOutcome::Stored | StoreOutcome::NewVersion) => {
                        stored += 1;
                        (Status::SUCCESS, "")
                    }
                    Err(refusal) => {
                        refused += 1;
                        refusal
                    }
                };
                let mut bytes = Vec::with_capacity(256);
                let response = message.response(status, comment).encode();
                put_message_part(&mut bytes, on, Part::Command, &response, self.max_sent_pdu);
                self.framing.write(&bytes).await?;
                continue;
            }
            if on != context_id
                || message.code() != GET_RESPONSE
                || message.message_id_being_responded_to() != message_id
            {
                return Err(unexpected("neither an object nor the response to this C-GET"));
            }
            let status = message.status().ok_or_else(|| unexpected("response without a status"))?;
            counts = message.sub_operations(counts);
            if message.has_data_set() {
                self.receive_identifier(context_id, limits.max_identifier_bytes).await?;
            }
            if !status.is_pending() {
                let retrieved = Retrieved { status, comment: message.error_comment(), counts };
                return Ok(Got { retrieved, stored, known, refused });
            }
        }
        Err(Error::TooMuch("messages of a C-GET"))
    }

    /// Takes one object. The outer error ends the association, the inner one only this object.
    async fn take(
        &mut self,
        context_id: u8,
        request: &Command,
        destination: &GetDestination,
        limits: RetrieveLimits,
    ) -> Result<Result<StoreOutcome, Refusal>, Error> {
        if !request.has_data_set() {
            return Ok(Err((Status::CANNOT_UNDERSTAND, "C-STORE without a data set")));
        }
        let mut writer = self.begin(context_id, request, destination).await;
        let mut length = 0_u64;
        loop {
            let fragment = match self.receive_fragment(Part::DataSet).await {
                Ok(fragment) if fragment.context_id == context_id => fragment,
                Ok(_) => {
                    give_up(writer).await;
                    return Err(unexpected("presentation context changes inside a message"));
                }
                Err(error) => {
                    give_up(writer).await;
                    return Err(error);
                }
            };
            length += fragment.bytes.len() as u64;
            if length > limits.max_object_bytes {
                give_up(writer).await;
                return Err(Error::TooMuch("bytes of an object"));
            }
            // A refused object's bytes are read and thrown away, so that the association lives on.
            if let Ok(open) = &mut writer
                && let Err(error) = open.write(&fragment.bytes).await
            {
                give_up(std::mem::replace(&mut writer, Err(refuse(destination, &error)))).await;
            }
            if fragment.is_last {
                break;
            }
        }
        Ok(match writer {
            Ok(writer) => writer.commit().await.map_err(|error| refuse(destination, &error)),
            Err(refusal) => Err(refusal),
        })
    }

    async fn begin(
        &self,
        context_id: u8,
        request: &Command,
        destination: &GetDestination,
    ) -> Result<InstanceWriter, Refusal> {
        let context = &self.contexts[&context_id];
        let sop_class_uid = request.affected_sop_class_uid();
        let sop_instance_uid = request.affected_sop_instance_uid();
        if Uid::parse(&sop_instance_uid).is_err() {
            return Err((Status::INVALID_SOP_INSTANCE, "SOP Instance UID is no UID"));
        }
        if context.abstract_syntax != sop_class_uid || !sop_class::is_storage(&sop_class_uid, PrivateClasses::Accepted)
        {
            return Err((Status::SOP_CLASS_NOT_SUPPORTED, "SOP class is not that of the context"));
        }
        let command = ReceiveInstance {
            org_code: destination.org_code.clone(),
            calling_ae_title: destination.ae_title.clone(),
            default_charset: destination.charset.clone(),
            sop_class_uid,
            sop_instance_uid,
            transfer_syntax_uid: context.transfer_syntax.clone(),
            completeness: Completeness::AsSent,
            actor: destination.actor.clone(),
        };
        let mut writer =
            destination.archive.receive_instance(command).await.map_err(|error| refuse(destination, &error))?;
        writer.expect_study(&destination.study_instance_uid);
        Ok(writer)
    }
}

async fn give_up(writer: Result<InstanceWriter, Refusal>) {
    if let Ok(writer) = writer {
        writer.abort().await;
    }
}

fn refuse(destination: &GetDestination, error: &crate::archive::Error) -> Refusal {
    let refusal = status::of_store_error(error);
    tracing::warn!(peer.ae_title = %destination.ae_title, status = %refusal.0, %error, "a fetched object was not stored");
    refusal
}
