//! Everything that needs a real database, a real object store, a real listener or a real peer: one binary, one
//! folder for each room of `src/`. `make test` installs what the tests use; a tool that is missing fails its test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod harness;

mod api;
mod architecture;
mod archive;
mod cli;
mod demo;
mod dicomweb;
mod dimse;
mod file_share;
mod files;
mod front;
mod index;
mod objects;
mod pacs;
mod pages;
mod registry;
mod server;
mod viewer;
