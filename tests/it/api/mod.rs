//! `/api/v1` and `/fhir` through HTTP, beside the registry that fills the archive.

mod attachments;
mod bulk_pull;
mod changes;
mod city;
mod concurrency;
pub mod containers;
mod dialects;
mod documents;
mod export;
mod fhir;
mod files;
mod hospitals;
mod late_numbers;
mod lists;
mod persons;
mod recognition;
mod restarts;
mod searches;
mod versions;
mod ways_out;
pub mod world;
