//! Keeps what the database knows of its own tables in pace with their growth.

use crate::archive::{Archive, Error};
use crate::index::statistics;

impl Archive {
    /// Has tables analysed that have outgrown their statistics; says how many there were. The embedded engine needs none.
    pub async fn keep_statistics(&self) -> Result<usize, Error> {
        Ok(statistics::keep_pace(&self.index).await?)
    }
}
