//! One peer to fetch from: how to call it, and its places.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dicom::text::Charset;
use crate::dimse::scu::{
    DicomConfig, FindLimits, PeerConfig, QueryRoot, RetrieveLimits, RetrieveMethod, ScuConfig, ScuTarget,
};
use crate::domain::AeTitle;

/// Bounds of the time that an exam is put off when all places are taken.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A peer to fetch from.
#[derive(Debug)]
pub(super) struct Node {
    peer: PeerConfig,
    /// How it is called.
    pub(super) target: ScuTarget,
    /// Where a C-MOVE sends: our own AE title.
    pub(super) destination: AeTitle,
    /// Charset of answers that declare none.
    pub(super) charset: Charset,
    /// Charset of objects that declare none, the same whoever began: it is by the sender that they are read again.
    pub(super) data_charset: Charset,
    max_object_bytes: u64,
    /// Exams at the same time.
    most: u32,
    places: Arc<Semaphore>,
    pace: Arc<Mutex<Pace>>,
}

/// When the next place is likely to be free, so that exams that wait do not all come back at once.
#[derive(Debug)]
struct Pace {
    usual: Duration,
    next_free: Instant,
}

/// One exam's place at a node; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    since: Instant,
    pace: Arc<Mutex<Pace>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.usual = (pace.usual * 3 + self.since.elapsed()) / 4;
    }
}

impl Node {
    /// At most `max_exams` at the same time, whatever the peer's own settings say.
    pub(super) fn new(dicom: &DicomConfig, peer: &PeerConfig, max_exams: u32) -> Self {
        let most = peer.scu.max_associations.min(max_exams).clamp(1, 1000);
        let charset = peer.scu.answer_charset.as_ref().or(peer.charset.as_ref()).unwrap_or(&dicom.default_charset);
        let pace = Pace { usual: SHORTEST_WAIT, next_free: Instant::now() };
        Self {
            target: ScuTarget::of_peer(dicom, peer),
            destination: dicom.ae_title.clone(),
            charset: charset.clone(),
            data_charset: peer.charset.as_ref().unwrap_or(&dicom.default_charset).clone(),
            max_object_bytes: dicom.max_object_bytes,
            most,
            places: Arc::new(Semaphore::new(most as usize)),
            pace: Arc::new(Mutex::new(pace)),
            peer: peer.clone(),
        }
    }

    pub(super) fn ae_title(&self) -> &AeTitle {
        &self.peer.ae_title
    }

    pub(super) fn settings(&self) -> &ScuConfig {
        &self.peer.scu
    }

    pub(super) fn root(&self) -> QueryRoot {
        self.peer.query_root
    }

    pub(super) fn method(&self) -> RetrieveMethod {
        self.peer.retrieve
    }

    pub(super) fn serves(&self, org_code: &str) -> bool {
        self.peer.fetched_organizations().iter().any(|code| code == org_code)
    }

    pub(super) fn places(&self) -> u32 {
        self.most
    }

    /// A place, or how long to wait until one is likely to be free.
    pub(super) fn take_place(&self) -> Result<Place, Duration> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Ok(Place { _permit: permit, since: Instant::now(), pace: Arc::clone(&self.pace) }),
            Err(_) => Err(self.wait()),
        }
    }

    /// An error when no place is free now: how long to wait until one is likely to be.
    pub(super) fn has_place(&self) -> Result<(), Duration> {
        if self.places.available_permits() > 0 { Ok(()) } else { Err(self.wait()) }
    }

    fn wait(&self) -> Duration {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let step = pace.usual / self.places();
        pace.next_free = pace.next_free.max(now) + step;
        if pace.next_free > now + LONGEST_WAIT {
            // More wait than fit: they are spread anew, or they would all come back at the same late moment.
            pace.next_free = now + step;
        }
        (pace.next_free - now).clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }

    pub(super) fn find_limits(&self) -> FindLimits {
        FindLimits {
            max_matches: self.peer.scu.max_matches,
            max_identifier_bytes: self.peer.scu.max_identifier_bytes,
            whole: Duration::from_millis(self.peer.scu.find_timeout_ms),
        }
    }

    pub(super) fn retrieve_limits(&self) -> RetrieveLimits {
        RetrieveLimits {
            silence: Duration::from_millis(self.peer.scu.retrieve_silence_ms),
            whole: Duration::from_millis(self.peer.scu.retrieve_timeout_ms),
            max_messages: self.peer.scu.max_messages,
            max_identifier_bytes: self.peer.scu.max_identifier_bytes,
            max_object_bytes: self.max_object_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exams_beyond_the_places_are_put_off_one_after_the_other() {
        let text = "ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'\nretrieve = 'move'\n\
                    [scu]\nmax_associations = 1";
        let node = Node::new(&DicomConfig::default(), &toml::from_str(text).unwrap(), 4);
        let place = node.take_place().unwrap();
        let waits: Vec<Duration> = (0..3).map(|_| node.take_place().unwrap_err()).collect();
        assert!(waits[0] >= SHORTEST_WAIT && waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
        let many: Vec<Duration> = (0..3000).map(|_| node.take_place().unwrap_err()).collect();
        assert!(many.iter().all(|wait| *wait <= LONGEST_WAIT));
        let soon = many.iter().filter(|wait| **wait < LONGEST_WAIT / 10).count();
        assert!((250..350).contains(&soon), "a tenth of them comes back in a tenth of the time: {soon}");
        assert!(node.has_place().is_err());
        drop(place);
        assert_eq!(node.has_place(), Ok(()));
        assert!(node.take_place().is_ok());
    }

    #[test]
    fn a_peer_has_no_more_places_than_exams_may_be_fetched_from_one() {
        let text = "ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'\nretrieve = 'move'";
        let places = |max_exams| Node::new(&DicomConfig::default(), &toml::from_str(text).unwrap(), max_exams).places();
        assert_eq!([0, 1, 2, 4].map(places), [1, 1, 2, 2]);
    }
}
