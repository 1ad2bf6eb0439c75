//! C-STORE (PS3.7 section 9.1.1): an object goes out, from memory or from a stream, in PDUs no longer than the peer and
//! [`super::ScuTarget::max_pdu_length`] allow.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::association::FRAGMENT_HEADER_BYTES;
use super::{Answer, Association, Error};
use crate::archive::peers::send_data_set::DataSet;
use crate::dicom::part10::read_meta;
use crate::dimse::association::framing::{Part, put_fragment_head, put_message_part};
use crate::dimse::message::{Command, CommandField};
use crate::dimse::sub_operations::{AcceptedContexts, SendError, send_store};

/// The object that a C-STORE announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRequest {
    /// SOP class.
    pub sop_class_uid: String,
    /// SOP instance.
    pub sop_instance_uid: String,
    /// How the data set is encoded.
    pub transfer_syntax_uid: String,
}

impl Association {
    /// C-STORE of a Part 10 file in memory.
    pub async fn store(&mut self, file: &[u8]) -> Result<Answer, Error> {
        let meta = read_meta(file)?;
        let request = StoreRequest {
            sop_class_uid: meta.media_storage_sop_class_uid,
            sop_instance_uid: meta.media_storage_sop_instance_uid,
            transfer_syntax_uid: meta.transfer_syntax_uid,
        };
        let dataset = usize::try_from(meta.dataset_offset).unwrap_or(file.len());
        let (context_id, message_id) = self.begin_store(&request)?;
        let mut rest = &file[dataset.min(file.len())..];
        loop {
            let (piece, after) = rest.split_at(self.room().min(rest.len()));
            rest = after;
            self.send_fragment(context_id, piece, rest.is_empty()).await?;
            if rest.is_empty() {
                return self.answer(CommandField::StoreResponse, message_id).await;
            }
        }
    }

    /// C-STORE of a data set from a stream, which must end.
    pub async fn store_stream(
        &mut self,
        request: &StoreRequest,
        mut dataset: impl AsyncRead + Unpin,
    ) -> Result<Answer, Error> {
        let (context_id, message_id) = self.begin_store(request)?;
        let room = self.room();
        let mut piece = vec![0; room];
        let mut have = read_full(&mut dataset, &mut piece).await?;
        let mut next = vec![0; room];
        loop {
            // Only the next read tells whether this piece is the last.
            let following = if have == room { read_full(&mut dataset, &mut next).await? } else { 0 };
            self.send_fragment(context_id, &piece[..have], following == 0).await?;
            if following == 0 {
                return self.answer(CommandField::StoreResponse, message_id).await;
            }
            std::mem::swap(&mut piece, &mut next);
            have = following;
        }
    }

    /// C-STORE of a data set from the archive over a context that was accepted for it; `originator` is who asked for it
    /// by C-MOVE and its message id. After [`Error::Source`] the association is of no more use.
    pub(crate) async fn store_data_set(
        &mut self,
        context_id: u8,
        (sop_class_uid, sop_instance_uid): (&str, &str),
        originator: Option<(&str, u16)>,
        data_set: DataSet,
    ) -> Result<Answer, Error> {
        let message_id = self.next_message_id();
        let mut command = Command::store_request(message_id, sop_class_uid, sop_instance_uid);
        if let Some((ae_title, message_id)) = originator {
            command = command.moved_for(ae_title, message_id);
        }
        match send_store(&mut self.framing, context_id, &command, self.max_sent_pdu, data_set).await {
            Ok(()) => self.answer(CommandField::StoreResponse, message_id).await,
            Err(SendError::Framing(error)) => Err(error.into()),
            Err(error) => Err(Error::Source(std::io::Error::other(error.to_string()))),
        }
    }

    /// Which contexts were accepted for which SOP classes and transfer syntaxes.
    pub(crate) fn contexts_to_send(&self) -> AcceptedContexts {
        let contexts = self.contexts.iter();
        AcceptedContexts::new(contexts.map(|(id, context)| (*id, &*context.abstract_syntax, &*context.transfer_syntax)))
    }

    /// Puts the command into the buffer: it travels in the segment of the first data.
    fn begin_store(&mut self, request: &StoreRequest) -> Result<(u8, u16), Error> {
        let StoreRequest { sop_class_uid, sop_instance_uid, transfer_syntax_uid } = request;
        let context_id = self.context_for(sop_class_uid, Some(transfer_syntax_uid)).ok_or_else(|| {
            Error::NoContext { sop_class_uid: sop_class_uid.clone(), transfer_syntax_uid: transfer_syntax_uid.clone() }
        })?;
        let message_id = self.next_message_id();
        let command = Command::store_request(message_id, sop_class_uid, sop_instance_uid).encode();
        self.buffer.clear();
        put_message_part(&mut self.buffer, context_id, Part::Command, &command, self.max_sent_pdu);
        Ok((context_id, message_id))
    }

    async fn send_fragment(&mut self, context_id: u8, piece: &[u8], is_last: bool) -> Result<(), Error> {
        put_fragment_head(&mut self.buffer, context_id, Part::DataSet, piece.len(), is_last);
        self.framing.write_both(&self.buffer, piece).await?;
        self.buffer.clear();
        Ok(())
    }

    /// Bytes of a data set that fit in one P-DATA-TF.
    fn room(&self) -> usize {
        (self.max_sent_pdu - FRAGMENT_HEADER_BYTES) as usize
    }
}

/// Reads until the buffer is full or the stream ends.
async fn read_full(source: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Result<usize, Error> {
    let mut have = 0;
    while have < buffer.len() {
        match source.read(&mut buffer[have..]).await.map_err(Error::Source)? {
            0 => break,
            read => have += read,
        }
    }
    Ok(have)
}
