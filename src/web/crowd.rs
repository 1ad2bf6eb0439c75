//! How many connections each caller has: one of them cannot take all places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::source::Source;

/// Counts connections by their source.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    here: Mutex<HashMap<Source, usize>>,
}

/// One that has come in; leaves when it is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    crowd: Arc<Crowd>,
    source: Source,
}

impl Crowd {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), here: Mutex::default() })
    }

    /// Lets one in; none when as many of its source are here as may be.
    pub(super) fn enter(self: &Arc<Self>, source: Source) -> Option<Guest> {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let count = here.entry(source).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Guest { crowd: Arc::clone(self), source })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut here = self.crowd.here.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = here.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                here.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_fills_its_own_places_only_and_nothing_is_kept_of_who_has_left() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        let crowd = Crowd::new(2);
        let (first, second) = (crowd.enter(of("192.0.2.1")), crowd.enter(of("::ffff:192.0.2.1")));
        assert!(first.is_some() && second.is_some() && crowd.enter(of("192.0.2.1")).is_none());
        assert!(crowd.enter(of("192.0.2.2")).is_some());
        drop(first);
        let again = crowd.enter(of("192.0.2.1"));
        assert!(again.is_some());
        drop((second, again));
        assert!(crowd.here.lock().unwrap().is_empty());
    }
}
