//! `/api/v1` and `/fhir` through HTTP, beside the registry that fills the archive.

mod changes;
mod city;
mod concurrency;
mod documents;
mod export;
mod fhir;
mod files;
mod lists;
mod world;
