//! The signed pages over HTTP: links, sessions, lists, exams, pictures, printed codes.

mod attachments;
mod browser;
mod customers;
mod decisions;
mod dicomweb;
mod documents;
pub(crate) mod hospital;
mod hostile_objects;
pub(crate) mod hostile_words;
mod kept_pictures;
mod lab_versions;
mod links;
mod lists;
mod looking;
mod order_numbers;
mod persons;
mod policies;
mod printed_codes;
mod refusals;
mod samples;
mod trend;
mod visibility;
pub(crate) mod world;
