//! Yingku (影库): the imaging and report archive between hospitals and their region.
//!
//! `docs/ARCHITECTURE.md` is the map of this house. In one sentence: adapters ([`dimse`], [`soap`], [`web`],
//! [`integrations`]) translate wire words into commands of [`archive::Archive`], which writes objects first,
//! then one transaction, then answers.

pub mod archive;
pub mod cli;
pub mod config;
pub mod demo;
pub mod dicom;
pub mod dimse;
pub mod documents;
pub mod domain;
pub mod fetch;
pub mod index;
pub mod integrations;
pub mod jobs;
pub mod objects;
pub mod server;
pub mod soap;
pub mod telemetry;
pub mod tls;
pub mod web;
