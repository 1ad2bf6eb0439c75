//! Brings finished segments from the local journal into the bucket.

use crate::archive::{Archive, Error};
use crate::objects::Shipped;

impl Archive {
    /// Whether instances wait in a local journal for their bucket.
    pub fn has_journal(&self) -> bool {
        self.objects.has_journal()
    }

    /// Uploads what is finished.
    pub async fn ship_segments(&self) -> Result<Shipped, Error> {
        Ok(self.objects.ship().await?)
    }

    /// Finishes the open segment, too, and uploads everything: before a server is taken away.
    pub async fn ship_everything(&self) -> Result<Shipped, Error> {
        self.objects.close().await;
        self.ship_segments().await
    }
}
