//! Neighbour systems, one folder each. What is not in the configuration is not mounted, and no integration knows another.

pub mod file_share;
pub mod front;
pub mod pacs;
pub mod report_registry;
