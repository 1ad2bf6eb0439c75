//! The full viewer in Chromium: the specs in `web/e2e`, run by Node against a server of our own, with and without a
//! graphics processor. Their screenshots are kept in `web/e2e/out`.

mod browser;
mod page;
mod phantom;
mod specs;
