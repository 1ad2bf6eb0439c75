//! C-STORE sub-operations of C-MOVE and C-GET (PS3.4 section C.4.2.2): what is asked for, in which transfer syntax each
//! object goes, how far they have come, and the last response.

mod config;
mod contexts;
mod identifier;
mod plan;
mod send;

use super::message::{Command, SubOperationCounts};
use super::status::{self, Status};
use crate::archive;
use crate::dicom::data_set_writer::DataSetWriter;
use crate::dicom::transfer_syntax::ElementEncoding;

pub use config::SubOperationConfig;
pub(crate) use contexts::AcceptedContexts;
pub(super) use contexts::proposals;
pub(super) use plan::plan;
pub(super) use send::{SendError, send_store};

const FAILED_SOP_INSTANCE_UID_LIST: u32 = 0x0008_0058;
/// UIDs that fit in a value with a 16-bit length.
const MAX_FAILED_LIST_BYTES: usize = 0xFFFE;

/// How a sub-operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Completed,
    Warning,
    /// Why, in a few words for the peer.
    Failed(&'static str),
}

impl Ended {
    /// The bytes were removed here after an upstream archive had confirmed that it keeps them.
    pub(super) const OFFLINE: Ended = Ended::Failed("offline: kept by the upstream archive only");

    /// What the peer's answer to a C-STORE means.
    pub(super) fn of_answer(status: Status) -> Self {
        match status {
            Status::SUCCESS => Ended::Completed,
            status if status.is_done() => Ended::Warning,
            _ => Ended::Failed("refused by the receiver"),
        }
    }

    /// What an object that could not be read or converted means.
    pub(super) fn of_error(error: &archive::Error) -> Self {
        match error {
            archive::Error::Invalid(_) => Ended::Failed("cannot be converted for the receiver"),
            _ => Ended::Failed("cannot be read now"),
        }
    }
}

/// How far a retrieval has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) counts: SubOperationCounts,
    failed_uids: Vec<String>,
    first_failure: Option<&'static str>,
}

impl Progress {
    pub(super) fn of(instances: usize) -> Self {
        Self {
            counts: SubOperationCounts { remaining: instances as u64, ..SubOperationCounts::default() },
            ..Self::default()
        }
    }

    pub(super) fn note(&mut self, sop_instance_uid: &str, ended: &Ended) {
        self.counts.remaining = self.counts.remaining.saturating_sub(1);
        match ended {
            Ended::Completed => self.counts.completed += 1,
            Ended::Warning => self.counts.warning += 1,
            Ended::Failed(why) => {
                self.counts.failed += 1;
                self.first_failure.get_or_insert(why);
                self.failed_uids.push(sop_instance_uid.to_owned());
            }
        }
    }

    /// The last response's status (PS3.4 tables C.4-2 and C.4-3).
    pub(super) fn status(&self, is_cancelled: bool) -> Status {
        let SubOperationCounts { remaining, completed, failed, warning } = self.counts;
        match () {
            () if is_cancelled && remaining > 0 => Status::CANCELLED,
            () if failed == 0 && warning == 0 => Status::SUCCESS,
            () if completed == 0 && warning == 0 => Status::UNABLE_TO_PERFORM_SUB_OPERATIONS,
            () => Status::SUB_OPERATIONS_WITH_FAILURES,
        }
    }

    /// The last response and its identifier, the list of what failed.
    pub(super) fn conclude(
        &self,
        request: &Command,
        is_cancelled: bool,
        encoding: ElementEncoding,
    ) -> (Command, Vec<u8>) {
        let comment = self.first_failure.unwrap_or_default();
        let mut data_set = Vec::new();
        if !self.failed_uids.is_empty() {
            let mut list = String::new();
            for uid in &self.failed_uids {
                if list.len() + uid.len() + 1 > MAX_FAILED_LIST_BYTES {
                    break;
                }
                if !list.is_empty() {
                    list.push('\\');
                }
                list.push_str(uid);
            }
            let mut writer = DataSetWriter::new(encoding);
            writer.text(FAILED_SOP_INSTANCE_UID_LIST, *b"UI", &list);
            data_set = writer.finish();
        }
        let status = self.status(is_cancelled);
        (request.retrieve_response(status, comment, self.counts, !data_set.is_empty()), data_set)
    }
}

/// The status of a retrieval that the archive could not plan.
pub(super) fn status_of(error: &archive::Error) -> (Status, &'static str) {
    match error {
        archive::Error::TooLarge { .. } => {
            (Status::UNABLE_TO_CALCULATE_MATCHES, "more instances than may be retrieved")
        }
        archive::Error::Index(_) => (Status::UNABLE_TO_CALCULATE_MATCHES, "index is not available"),
        archive::Error::Objects(_) => (Status::UNABLE_TO_PERFORM_SUB_OPERATIONS, "storage is not available"),
        archive::Error::Busy => (Status::UNABLE_TO_PERFORM_SUB_OPERATIONS, "busy"),
        archive::Error::Denied => (Status::NOT_AUTHORIZED, "not allowed"),
        archive::Error::Invalid(_) | archive::Error::Mismatch(_) | archive::Error::NotFound => {
            status::of_store_error(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::CommandField;
    use super::*;
    use crate::dicom::elements::{Elements, Encoding};

    fn progress(completed: usize, failed: usize, warning: usize, remaining: usize) -> Progress {
        let mut progress = Progress::of(completed + failed + warning + remaining);
        (0..completed).for_each(|_| progress.note("1.2", &Ended::Completed));
        (0..failed).for_each(|n| progress.note(&format!("2.25.{n}"), &Ended::Failed("refused by the receiver")));
        (0..warning).for_each(|_| progress.note("1.3", &Ended::Warning));
        progress
    }

    #[test]
    fn the_last_status_follows_the_counts() {
        let table = [
            (progress(0, 0, 0, 0), false, 0x0000),
            (progress(3, 0, 0, 0), false, 0x0000),
            (progress(2, 1, 0, 0), false, 0xB000),
            (progress(2, 0, 1, 0), false, 0xB000),
            (progress(0, 3, 0, 0), false, 0xA702),
            (progress(0, 2, 1, 0), false, 0xB000),
            (progress(1, 0, 0, 5), true, 0xFE00),
            (progress(1, 0, 0, 0), true, 0x0000),
        ];
        for (progress, is_cancelled, expected) in table {
            assert_eq!(progress.status(is_cancelled), Status(expected), "{progress:?}");
        }
    }

    #[test]
    fn what_failed_is_listed_as_far_as_a_value_goes() {
        let request = Command::query_request(0x0021, 1, "1.2.840.10008.5.1.4.1.2.2.2");
        let progress = progress(1, 20_000, 0, 0);
        let (response, data_set) = progress.conclude(&request, false, ElementEncoding::EXPLICIT_LITTLE);
        assert_eq!(response.field(), CommandField::MoveResponse);
        assert!(response.has_data_set());
        let elements = Elements::read(&data_set, Encoding::ExplicitLittle);
        let list = elements.text((0x0008, 0x0058)).unwrap();
        assert!(list.len() > 60_000 && list.split('\\').all(|uid| uid.starts_with("2.25.")));
        assert_eq!(elements.end, data_set.len());
    }
}
