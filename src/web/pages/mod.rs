//! The signed pages (source 002 §5.1.6): a link opens a session, the session's pages have clean addresses.
//!
//! Everything works without JavaScript: each control is a link or a form, the state is in the query, and patients'
//! data is with the session. Handlers extract, enter the session, call the archive and fill a typed context; every context has a `sample()`.

mod attachment;
mod config;
mod document_tab;
mod exam;
mod exam_aside;
mod exam_page;
mod extract;
mod files;
mod film_tab;
mod given;
mod images_tab;
mod language;
mod limits;
mod list;
mod list_page;
mod open;
mod qr;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod trend;
mod trend_page;
mod video_tab;
mod viewer;
mod viewer_page;
mod waveform_tab;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

pub use config::{PagesConfig, PagesLanguage};
pub use state::PagesState;

/// Largest form, in bytes.
const MOST_FORM_BYTES: usize = 64 << 10;

/// The pages' routes. Its fallback opens signed links in any spelling of their path (D-P4) and answers 404 to the rest.
pub fn router(state: PagesState) -> Router {
    Router::new()
        .route("/t/{session}/exams", get(list::show).post(list::search))
        .route("/t/{session}/exam/{exam}", get(exam::show))
        .route("/t/{session}/exam/{exam}/viewer", get(viewer::show))
        .route("/t/{session}/exam/{exam}/viewer.json", get(viewer::describe))
        .route("/t/{session}/exam/{exam}/frame/{instance}/{frame}", get(files::frame))
        .route("/t/{session}/exam/{exam}/ecg/{instance}", get(files::waveform))
        .route("/t/{session}/exam/{exam}/video/{instance}", get(video_tab::show))
        .route("/t/{session}/exam/{exam}/document/{instance}/page/{page}", get(document_tab::page))
        .route("/t/{session}/exam/{exam}/document/{instance}/{part}", get(document_tab::part))
        .route("/t/{session}/exam/{exam}/report/page/{page}", get(files::report_page))
        .route("/t/{session}/exam/{exam}/report/{copy}", get(files::report))
        .route("/t/{session}/exam/{exam}/visit.pdf", get(files::visit))
        .route("/t/{session}/q/{link}", get(qr::scan))
        .route("/t/{session}/exam/{exam}/trend", get(trend::show))
        .route("/t/{session}/exam/{exam}/attachment/{attachment}", get(attachment::show))
        .route("/t/{session}/exam/{exam}/attachment/{attachment}/page/{page}", get(attachment::page))
        .route("/q/{link}", get(qr::ask).post(qr::answer))
        .fallback(open::open)
        .layer(DefaultBodyLimit::max(MOST_FORM_BYTES))
        .layer(from_fn_with_state(state.clone(), language::translate))
        .with_state(state)
}
