//! A value that may be replaced while others use it.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that may be replaced; clones share it. Whoever has taken it goes on with what it was then.
#[derive(Debug)]
pub struct Live<T: ?Sized>(Arc<RwLock<Arc<T>>>);

impl<T: ?Sized> Live<T> {
    /// With its first value.
    pub fn new(value: impl Into<Arc<T>>) -> Self {
        Self(Arc::new(RwLock::new(value.into())))
    }

    /// The value as it is now.
    pub fn now(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another value, for all who take it from now on.
    pub fn replace(&self, value: impl Into<Arc<T>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value.into();
    }
}

impl<T: ?Sized> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_taken_a_value_keeps_it_and_all_others_get_the_next() {
        let live = Live::<[u8]>::new(vec![1, 2]);
        let (shared, taken) = (live.clone(), live.now());
        shared.replace(vec![3]);
        assert_eq!((&*taken, &*live.now()), (&[1, 2][..], &[3][..]));
    }
}
