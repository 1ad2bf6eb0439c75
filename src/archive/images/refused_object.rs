//! Objects that were durable before the database refused their rows.
//!
//! Who sent one hears of the failure and sends it again, each time under another key: on a database without room the
//! leftovers would fill the store too. Only what can have no row is removed, and keys are made anew for each object, so
//! nobody else's content lies there. Not after any other error: a commit whose answer was lost may have happened, and the
//! same content sent again would be called a duplicate of what is not there. `yingku verify` tells of those leftovers.

use crate::archive::{Archive, Error};
use crate::domain::place::Place;
use crate::index::places;
use crate::objects::Objects;

impl Archive {
    /// Removes an object of its own after the error that kept it from being indexed, if that was a refusal. In a segment it
    /// is dead, and its space comes back with that of others.
    pub(super) async fn remove_refused(&self, place: &Place, error: &Error) {
        let Error::Index(cause) = error else { return };
        if Objects::is_segment(&place.key) || !cause.is_refusal() {
            return;
        }
        let removed = async {
            if !places::unnamed(&self.index, std::slice::from_ref(&place.key)).await?.is_empty() {
                self.objects.delete(&place.key).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(object.key = %place.key, %error, "an object that was refused could not be removed");
        }
    }
}
