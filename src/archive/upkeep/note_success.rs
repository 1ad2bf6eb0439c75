//! When each neighbour last succeeded at each interface, for the people who watch (D-X12, RD-29).
//!
//! Noted in memory and shown by `/metrics` as `yingku_last_success_timestamp_seconds`; written down from time to time, so
//! that a restart does not forget. What is lost by a crash is the last half minute of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::{Archive, Error};
use crate::index::last_success;

pub use crate::index::last_success::LastSuccess;

/// Most pairs of interface and neighbour; more are not noted.
const MOST: usize = 10_000;

/// What has been noted; clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::archive) struct Successes(Arc<Mutex<HashMap<(String, String), Noted>>>);

#[derive(Debug, Clone, Copy)]
struct Noted {
    at: i64,
    is_written: bool,
}

impl Archive {
    /// Notes that a neighbour has succeeded just now.
    pub fn note_success(&self, interface: &str, neighbour: &str) {
        let at = self.clock.now_ms();
        show(interface, neighbour, at);
        self.successes.put(interface, neighbour, Noted { at, is_written: false });
    }

    /// Shows what was written down before this process began.
    pub async fn recall_successes(&self) -> Result<(), Error> {
        for LastSuccess { interface, neighbour, at } in last_success::all(&self.index).await? {
            if self.successes.put(&interface, &neighbour, Noted { at, is_written: true }) {
                show(&interface, &neighbour, at);
            }
        }
        Ok(())
    }

    /// Writes down what has been noted since the last time.
    pub async fn write_successes(&self) -> Result<(), Error> {
        let fresh = self.successes.take_fresh();
        if fresh.is_empty() {
            return Ok(());
        }
        let written = self.index.write(move |tx| {
            Box::pin(async move {
                for success in &fresh {
                    last_success::keep(tx, success).await?;
                }
                Ok::<_, crate::index::Error>(())
            })
        });
        Ok(written.await?)
    }

    /// When each neighbour last succeeded, as far as it is written down.
    pub async fn last_successes(&self) -> Result<Vec<LastSuccess>, Error> {
        Ok(last_success::all(&self.index).await?)
    }
}

impl Successes {
    /// Whether it is later than what was noted before.
    fn put(&self, interface: &str, neighbour: &str, noted: Noted) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (interface.to_owned(), neighbour.to_owned());
        let is_known = all.contains_key(&key);
        if !is_known && all.len() >= MOST {
            return false;
        }
        let known = all.entry(key).or_insert(noted);
        let is_later = !is_known || known.at < noted.at;
        if known.at < noted.at {
            *known = noted;
        }
        is_later
    }

    fn take_fresh(&self) -> Vec<LastSuccess> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh: Vec<LastSuccess> = Vec::new();
        for ((interface, neighbour), noted) in all.iter_mut().filter(|(_, noted)| !noted.is_written) {
            noted.is_written = true;
            fresh.push(LastSuccess { interface: interface.clone(), neighbour: neighbour.clone(), at: noted.at });
        }
        fresh.sort_by(|a, b| (&a.interface, &a.neighbour).cmp(&(&b.interface, &b.neighbour)));
        fresh
    }
}

fn show(interface: &str, neighbour: &str, at: i64) {
    let labels = [("interface", interface.to_owned()), ("neighbour", neighbour.to_owned())];
    metrics::gauge!("yingku_last_success_timestamp_seconds", &labels).set(at as f64 / 1000.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_later_is_noted_and_written_once() {
        let successes = Successes::default();
        let fresh = |at| Noted { at, is_written: false };
        assert!(successes.put("C-STORE", "PACS01", fresh(5)));
        assert!(!successes.put("C-STORE", "PACS01", Noted { at: 3, is_written: true }));
        let written = successes.take_fresh();
        assert_eq!((written.len(), written[0].at), (1, 5));
        assert!(successes.take_fresh().is_empty());
        assert!(successes.put("C-STORE", "PACS01", fresh(6)));
        assert_eq!(successes.take_fresh()[0].at, 6);
    }
}
