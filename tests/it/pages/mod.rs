//! The signed pages over HTTP: links, sessions, lists, exams, pictures, printed codes.

mod dicomweb;
mod links;
mod looking;
mod printed_codes;
mod refusals;
mod visibility;
mod world;
