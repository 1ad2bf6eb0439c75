//! Series that grow just now, so that their next instance need not be looked up before it is written.
//!
//! Only a hint: who is wrong about it writes an instance for nothing, is told so by the unique key of its row, and gives
//! the space back. So a series that is sent again costs one such instance, and a series that is sent once costs no
//! look-up at all but its first. A fixed number of places; a series pushes another out of its place.
//!
//! So are the requests that an instance says its series answers ([`SeriesMark::answering`]): noted when the rows of the
//! series hold them, so that only an instance that may say something new is held against these rows.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::index::series_requests::SeriesRequest;

/// More series than grow at the same time.
const PLACES: usize = 4096;

/// Clones share the places.
#[derive(Clone)]
pub(in crate::archive) struct GrowingSeries {
    places: Arc<[AtomicU64]>,
}

impl Default for GrowingSeries {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl fmt::Debug for GrowingSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrowingSeries").finish_non_exhaustive()
    }
}

/// A series, as this module knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::archive) struct SeriesMark(u64);

impl SeriesMark {
    pub(in crate::archive) fn of(org_code: &str, study_instance_uid: &str, series_instance_uid: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (org_code, study_instance_uid, series_instance_uid).hash(&mut hasher);
        // No series is the mark of an empty place.
        Self(hasher.finish().max(1))
    }

    /// The series together with requests that it answers.
    pub(in crate::archive) fn answering(self, requests: &[SeriesRequest]) -> Self {
        let mut hasher = DefaultHasher::new();
        (self.0, requests).hash(&mut hasher);
        Self(hasher.finish().max(1))
    }
}

impl GrowingSeries {
    /// Whether the last instance of the series was new.
    pub(in crate::archive) fn contains(&self, series: SeriesMark) -> bool {
        self.place(series).load(Ordering::Relaxed) == series.0
    }

    /// What became of its last instance.
    pub(in crate::archive) fn note(&self, series: SeriesMark, was_new: bool) {
        let place = self.place(series);
        if was_new {
            place.store(series.0, Ordering::Relaxed);
        } else {
            // Another series may have the place by now.
            let _ = place.compare_exchange(series.0, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn place(&self, series: SeriesMark) -> &AtomicU64 {
        &self.places[series.0 as usize % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_grows_until_an_instance_was_there_already() {
        let growing = GrowingSeries::default();
        let (one, other) =
            (SeriesMark::of("ORG-T01", "2.25.1", "2.25.2"), SeriesMark::of("ORG-T02", "2.25.1", "2.25.2"));
        assert!(!growing.contains(one));
        growing.note(one, true);
        assert!(growing.contains(one));
        assert!(!growing.contains(other));
        growing.note(other, false);
        growing.note(one, false);
        assert!(!growing.contains(one));
    }

    #[test]
    fn requests_of_a_series_are_not_those_of_another() {
        let request = |step: &str| SeriesRequest { step_id: step.to_owned(), ..SeriesRequest::default() };
        let (one, other) =
            (SeriesMark::of("ORG-T01", "2.25.1", "2.25.2"), SeriesMark::of("ORG-T01", "2.25.1", "2.25.3"));
        assert_eq!(one.answering(&[request("S1")]), one.answering(&[request("S1")]));
        for different in [one, one.answering(&[request("S2")]), other.answering(&[request("S1")])] {
            assert_ne!(one.answering(&[request("S1")]), different);
        }
    }
}
