//! The full viewer in Chromium: the specs in `web/e2e`, run by Node against a server of our own, with and without a
//! graphics processor. Their screenshots are kept in `web/e2e/out`.

mod block;
pub(crate) mod browser;
mod forms;
mod marked;
mod oblong;
mod page;
mod phantom;
mod specs;

/// A report file of one page.
fn report() -> Vec<u8> {
    let exams = yingku::demo::exams(crate::pages::world::NOW_S * 1000);
    let of_ct = exams.iter().find(|exam| exam.kind == yingku::demo::Kind::CtWithFilm).unwrap();
    yingku::demo::report_file(of_ct).unwrap()
}
