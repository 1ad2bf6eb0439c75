//! HTTP.

pub mod health;
pub mod pages;
