//! An archive put together for a test.

use yingku::archive::{Archive, LinkRules};
use yingku::domain::Clock;
use yingku::index::{Ids, Index};
use yingku::objects::Objects;

/// An archive over open parts.
pub fn build(index: Index, objects: Objects, clock: Clock, ids: Ids) -> Archive {
    Archive::new(index, objects, clock, ids, LinkRules::default())
}
