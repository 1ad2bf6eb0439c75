//! The signed pages over HTTP: links, sessions, lists, exams, pictures, printed codes.

mod attachments;
mod dicomweb;
mod links;
mod looking;
mod persons;
mod printed_codes;
mod refusals;
mod trend;
mod visibility;
mod world;
