//! The answer to a store request (PS3.18 annex I): what was stored, what was not, and why.

use axum::http::StatusCode;

use crate::archive;
use crate::archive::images::store_instance::Committed;
use crate::dicom::model::DataSet;

const RETRIEVE_URL: (u16, u16) = (0x0008, 0x1190);
const REFERENCED_SOP_CLASS_UID: (u16, u16) = (0x0008, 0x1150);
const REFERENCED_SOP_INSTANCE_UID: (u16, u16) = (0x0008, 0x1155);
const WARNING_REASON: (u16, u16) = (0x0008, 0x1196);
const FAILURE_REASON: (u16, u16) = (0x0008, 0x1197);
const FAILED_SOP_SEQUENCE: (u16, u16) = (0x0008, 0x1198);
const REFERENCED_SOP_SEQUENCE: (u16, u16) = (0x0008, 0x1199);
const OTHER_FAILURES_SEQUENCE: (u16, u16) = (0x0008, 0x119A);

/// Why an object was not stored: a code of PS3.18 table I.2-2, and whether it would be stored at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FailureReason {
    pub(super) code: u16,
    lack: Lack,
}

/// What the archive itself lacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// Nothing: the object is at fault.
    Nothing,
    /// Room.
    Space,
    /// Its database or its object store.
    Service,
}

impl FailureReason {
    pub(super) const SOP_CLASS_NOT_SUPPORTED: Self = Self::of_object(0x0122);
    pub(super) const NOT_AUTHORIZED: Self = Self::of_object(0x0124);
    pub(super) const OUT_OF_RESOURCES: Self = Self::of_object(0xA700);
    pub(super) const DOES_NOT_MATCH: Self = Self::of_object(0xA900);
    pub(super) const CANNOT_UNDERSTAND: Self = Self::of_object(0xC000);

    const fn of_object(code: u16) -> Self {
        Self { code, lack: Lack::Nothing }
    }

    pub(super) fn of(error: &archive::Error) -> Self {
        match error {
            archive::Error::Index(_) | archive::Error::Objects(_) | archive::Error::Busy => {
                let lack = if error.is_out_of_space() { Lack::Space } else { Lack::Service };
                Self { lack, ..Self::OUT_OF_RESOURCES }
            }
            archive::Error::TooLarge { .. } => Self::OUT_OF_RESOURCES,
            archive::Error::Mismatch(_) => Self::DOES_NOT_MATCH,
            archive::Error::Denied => Self::NOT_AUTHORIZED,
            archive::Error::Invalid(_) | archive::Error::NotFound => Self::CANNOT_UNDERSTAND,
        }
    }
}

/// The pixel data ends before its own length: what came was kept (table I.2-1, data set does not match SOP class).
const WARNING_DOES_NOT_MATCH: i64 = 0xB007;

/// Everything that became of a request.
#[derive(Debug, Default)]
pub(super) struct StoreResult {
    stored: Vec<DataSet>,
    failed: Vec<DataSet>,
    other: Vec<DataSet>,
    warnings: usize,
    /// Failures that were not the objects' fault: for want of room, and of anything.
    without_room: usize,
    not_their_fault: usize,
}

impl StoreResult {
    pub(super) fn add_stored(
        &mut self,
        sop_class_uid: &str,
        sop_instance_uid: &str,
        committed: &Committed,
        root: &str,
    ) {
        let Committed { study_instance_uid, series_instance_uid, .. } = committed;
        let url =
            format!("{root}/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}");
        let mut item = reference(sop_class_uid, sop_instance_uid);
        item.put_text(RETRIEVE_URL, b"UR", url);
        if committed.is_cut_off {
            item.put_number(WARNING_REASON, b"US", WARNING_DOES_NOT_MATCH);
            self.warnings += 1;
        }
        self.stored.push(item);
    }

    pub(super) fn add_failed(&mut self, sop_class_uid: &str, sop_instance_uid: &str, reason: FailureReason) {
        let mut item = reference(sop_class_uid, sop_instance_uid);
        item.put_number(FAILURE_REASON, b"US", i64::from(reason.code));
        self.count(reason);
        self.failed.push(item);
    }

    /// A part that names no object.
    pub(super) fn add_other(&mut self, reason: FailureReason) {
        let mut item = DataSet::new();
        item.put_number(FAILURE_REASON, b"US", i64::from(reason.code));
        self.count(reason);
        self.other.push(item);
    }

    fn count(&mut self, reason: FailureReason) {
        self.not_their_fault += usize::from(reason.lack != Lack::Nothing);
        self.without_room += usize::from(reason.lack == Lack::Space);
    }

    pub(super) fn stored(&self) -> usize {
        self.stored.len()
    }

    pub(super) fn failed(&self) -> usize {
        self.failed.len() + self.other.len()
    }

    /// PS3.18 table 10.5.3-1. When nothing could be stored and no object is at fault, the sender is told to come again.
    pub(super) fn status(&self) -> StatusCode {
        if self.stored() == 0 && self.not_their_fault > 0 && self.not_their_fault == self.failed() {
            return if self.without_room > 0 {
                StatusCode::INSUFFICIENT_STORAGE
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
        }
        match (self.stored(), self.failed() + self.warnings) {
            (0, _) => StatusCode::CONFLICT,
            (_, 0) => StatusCode::OK,
            _ => StatusCode::ACCEPTED,
        }
    }

    /// The data set of the answer; `study_url` when all of it is in one study.
    pub(super) fn into_data_set(self, study_url: Option<String>) -> DataSet {
        let mut set = DataSet::new();
        if let Some(url) = study_url {
            set.put_text(RETRIEVE_URL, b"UR", url);
        }
        let lists = [
            (FAILED_SOP_SEQUENCE, self.failed),
            (REFERENCED_SOP_SEQUENCE, self.stored),
            (OTHER_FAILURES_SEQUENCE, self.other),
        ];
        for (tag, items) in lists {
            if !items.is_empty() {
                set.put_items(tag, items);
            }
        }
        set
    }
}

fn reference(sop_class_uid: &str, sop_instance_uid: &str) -> DataSet {
    let mut item = DataSet::new();
    item.put_text(REFERENCED_SOP_CLASS_UID, b"UI", sop_class_uid);
    item.put_text(REFERENCED_SOP_INSTANCE_UID, b"UI", sop_instance_uid);
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::images::store_instance::StoreOutcome;
    use crate::{index, objects};

    fn committed(is_cut_off: bool) -> Committed {
        Committed {
            outcome: StoreOutcome::Stored,
            study_instance_uid: "1.2".to_owned(),
            series_instance_uid: "1.2.1".to_owned(),
            is_cut_off,
        }
    }

    #[test]
    fn the_status_says_whether_all_some_or_none_was_stored() {
        let mut result = StoreResult::default();
        assert_eq!(result.status(), StatusCode::CONFLICT);
        result.add_stored("1.1", "1.2.1.1", &committed(false), "http://h");
        assert_eq!(result.status(), StatusCode::OK);
        result.add_stored("1.1", "1.2.1.2", &committed(true), "http://h");
        assert_eq!(result.status(), StatusCode::ACCEPTED);
        let mut result = StoreResult::default();
        result.add_failed("1.1", "1.2.1.1", FailureReason::DOES_NOT_MATCH);
        result.add_other(FailureReason::CANNOT_UNDERSTAND);
        assert_eq!((result.status(), result.failed()), (StatusCode::CONFLICT, 2));
    }

    #[test]
    fn every_error_of_the_archive_has_its_reason() {
        let text = || "x".to_owned();
        let table = [
            (archive::Error::Index(index::Error::Damaged("instance")), 0xA700),
            (archive::Error::Objects(objects::Error::Missing), 0xA700),
            (archive::Error::Busy, 0xA700),
            (archive::Error::TooLarge { what: "object", limit: text() }, 0xA700),
            (archive::Error::Mismatch(text()), 0xA900),
            (archive::Error::Denied, 0x0124),
            (archive::Error::Invalid(text()), 0xC000),
            (archive::Error::NotFound, 0xC000),
        ];
        for (error, code) in table {
            assert_eq!(FailureReason::of(&error).code, code, "{error}");
        }
    }

    #[test]
    fn what_the_archive_lacks_is_not_said_of_the_objects() {
        let of = |errors: &[archive::Error]| {
            let mut result = StoreResult::default();
            errors.iter().for_each(|error| result.add_failed("1.1", "1.2.1.1", FailureReason::of(error)));
            result
        };
        let full = || archive::Error::Objects(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        let away = || archive::Error::Objects(objects::Error::Missing);
        let bad = || archive::Error::Mismatch("x".to_owned());
        assert_eq!(of(&[full(), away()]).status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(of(&[away()]).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(of(&[full(), bad()]).status(), StatusCode::CONFLICT);
        let mut one_is_stored = of(&[full()]);
        one_is_stored.add_stored("1.1", "1.2.1.2", &committed(false), "http://h");
        assert_eq!(one_is_stored.status(), StatusCode::ACCEPTED);
    }
}
