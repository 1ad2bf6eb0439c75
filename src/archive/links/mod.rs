//! How reports and images find each other, and what to do when they contradict.

pub mod conflicts;
pub mod link;
pub mod link_by_hand;
