//! Neighbour systems, one folder each. What is not in the configuration is not mounted, and no integration knows another.

pub mod pacs;
pub mod report_registry;
