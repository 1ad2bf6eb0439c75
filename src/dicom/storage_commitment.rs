//! The data sets of the Storage Commitment Push Model (PS3.4 annex J): what is asked for, and how it ended.

use super::data_set_writer::DataSetWriter;
use super::elements::{Elements, Encoding};
use super::transfer_syntax::ElementEncoding;
use crate::domain::Uid;
use crate::domain::commitment::ReferencedInstance;

const REFERENCED_SOP_CLASS_UID: u32 = 0x0008_1150;
const REFERENCED_SOP_INSTANCE_UID: u32 = 0x0008_1155;
const TRANSACTION_UID: u32 = 0x0008_1195;
const FAILURE_REASON: u32 = 0x0008_1197;
const FAILED_SOP_SEQUENCE: u32 = 0x0008_1198;
const REFERENCED_SOP_SEQUENCE: u32 = 0x0008_1199;

/// What an N-ACTION asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitmentRequest {
    /// (0008,1195).
    pub transaction_uid: String,
    /// (0008,1199), in the order in which they came.
    pub instances: Vec<ReferencedInstance>,
}

/// What an N-EVENT-REPORT tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitmentReport {
    /// (0008,1195).
    pub transaction_uid: String,
    /// Instances that are safe.
    pub committed: Vec<ReferencedInstance>,
    /// Instances that are not, each with its Failure Reason (0008,1197).
    pub failed: Vec<(ReferencedInstance, u16)>,
}

/// Why a data set is no information of storage commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommitment {
    /// No Transaction UID, or none that is a UID.
    #[error("no Transaction UID")]
    TransactionUid,
    /// An item without its two UIDs.
    #[error("an item without SOP Class and SOP Instance UID")]
    Item,
    /// No instance at all.
    #[error("no instances")]
    NoInstances,
}

impl CommitmentRequest {
    /// Reads the data set of an N-ACTION.
    pub fn read(bytes: &[u8], encoding: Encoding) -> Result<Self, InvalidCommitment> {
        let elements = Elements::read(bytes, encoding);
        let instances: Vec<_> =
            elements.items(pair(REFERENCED_SOP_SEQUENCE)).map(|item| referenced(&item)).collect::<Result<_, _>>()?;
        if instances.is_empty() {
            return Err(InvalidCommitment::NoInstances);
        }
        Ok(Self { transaction_uid: transaction_uid(&elements)?, instances })
    }

    /// Writes the data set of an N-ACTION.
    pub fn write(&self, encoding: ElementEncoding) -> Vec<u8> {
        let mut writer = DataSetWriter::new(encoding);
        writer.text(TRANSACTION_UID, *b"UI", &self.transaction_uid);
        writer.sequence(REFERENCED_SOP_SEQUENCE, &self.instances, put_instance);
        writer.finish()
    }
}

impl CommitmentReport {
    /// Reads the data set of an N-EVENT-REPORT.
    pub fn read(bytes: &[u8], encoding: Encoding) -> Result<Self, InvalidCommitment> {
        let elements = Elements::read(bytes, encoding);
        let committed =
            elements.items(pair(REFERENCED_SOP_SEQUENCE)).map(|item| referenced(&item)).collect::<Result<_, _>>()?;
        let failed = elements
            .items(pair(FAILED_SOP_SEQUENCE))
            .map(|item| Ok((referenced(&item)?, item.unsigned(pair(FAILURE_REASON)).unwrap_or(0x0110))))
            .collect::<Result<_, _>>()?;
        Ok(Self { transaction_uid: transaction_uid(&elements)?, committed, failed })
    }

    /// Writes the data set of an N-EVENT-REPORT; a sequence without items is left out.
    pub fn write(&self, encoding: ElementEncoding) -> Vec<u8> {
        let mut writer = DataSetWriter::new(encoding);
        writer.text(TRANSACTION_UID, *b"UI", &self.transaction_uid);
        if !self.failed.is_empty() {
            writer.sequence(FAILED_SOP_SEQUENCE, &self.failed, |item, (instance, reason)| {
                put_instance(item, instance);
                item.unsigned_short(FAILURE_REASON, *reason);
            });
        }
        if !self.committed.is_empty() {
            writer.sequence(REFERENCED_SOP_SEQUENCE, &self.committed, put_instance);
        }
        writer.finish()
    }

    /// The Event Type ID: 1 when all is well, 2 when something failed.
    pub fn event_type_id(&self) -> u16 {
        if self.failed.is_empty() { 1 } else { 2 }
    }
}

fn put_instance(item: &mut DataSetWriter, instance: &ReferencedInstance) {
    item.text(REFERENCED_SOP_CLASS_UID, *b"UI", &instance.sop_class_uid);
    item.text(REFERENCED_SOP_INSTANCE_UID, *b"UI", &instance.sop_instance_uid);
}

fn transaction_uid(elements: &Elements<'_>) -> Result<String, InvalidCommitment> {
    let text = elements.text(pair(TRANSACTION_UID)).unwrap_or_default();
    Uid::parse(text).map(|uid| uid.to_string()).map_err(|_| InvalidCommitment::TransactionUid)
}

fn referenced(item: &Elements<'_>) -> Result<ReferencedInstance, InvalidCommitment> {
    let uid = |tag| {
        let text = item.text(pair(tag)).unwrap_or_default();
        Uid::parse(text).map(|uid| uid.to_string()).map_err(|_| InvalidCommitment::Item)
    };
    Ok(ReferencedInstance {
        sop_class_uid: uid(REFERENCED_SOP_CLASS_UID)?,
        sop_instance_uid: uid(REFERENCED_SOP_INSTANCE_UID)?,
    })
}

fn pair(tag: u32) -> (u16, u16) {
    ((tag >> 16) as u16, tag as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(number: u32) -> ReferencedInstance {
        ReferencedInstance {
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
            sop_instance_uid: format!("2.25.{number}"),
        }
    }

    #[test]
    fn requests_and_reports_are_read_as_they_were_written() {
        for (written, read) in [
            (ElementEncoding::IMPLICIT_LITTLE, Encoding::ImplicitLittle),
            (ElementEncoding::EXPLICIT_LITTLE, Encoding::ExplicitLittle),
            (ElementEncoding::EXPLICIT_BIG, Encoding::ExplicitBig),
        ] {
            let request =
                CommitmentRequest { transaction_uid: "2.25.9".to_owned(), instances: vec![instance(1), instance(2)] };
            assert_eq!(CommitmentRequest::read(&request.write(written), read), Ok(request));
            let report = CommitmentReport {
                transaction_uid: "2.25.9".to_owned(),
                committed: vec![instance(1)],
                failed: vec![(instance(2), 0x0112)],
            };
            assert_eq!(report.event_type_id(), 2);
            assert_eq!(CommitmentReport::read(&report.write(written), read), Ok(report));
        }
    }

    #[test]
    fn what_lacks_its_uids_is_refused() {
        let encoding = Encoding::ExplicitLittle;
        let bytes = |transaction_uid: &str, sop_instance_uid: &str| {
            let mut instance = instance(1);
            instance.sop_instance_uid = sop_instance_uid.to_owned();
            CommitmentRequest { transaction_uid: transaction_uid.to_owned(), instances: vec![instance] }
                .write(ElementEncoding::EXPLICIT_LITTLE)
        };
        let read = |bytes: &[u8]| CommitmentRequest::read(bytes, encoding).unwrap_err();
        assert_eq!(read(&bytes("", "2.25.1")), InvalidCommitment::TransactionUid);
        assert_eq!(read(&bytes("2.25.9", "../../etc")), InvalidCommitment::Item);
        assert_eq!(read(&[]), InvalidCommitment::NoInstances);
    }
}
