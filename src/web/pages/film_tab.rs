//! 电子胶片: sheets with pixels are shown like images, those that came as a document page by page (D-I5).

use super::document_tab::DocumentTab;
use super::exam_page::{Content, Tab};
use super::images_tab::{ImagesTab, View};
use super::state::Inner;
use crate::archive::Error;
use crate::archive::pages::open_link::Session;
use crate::archive::pages::view_exam::{ExamView, SeriesRow};
use crate::web::words::Language;

/// Most sheets that have a link.
const MOST_SHEETS: usize = 200;

/// The tab.
pub(super) async fn content(
    pages: &Inner,
    (session, client, language): (&Session, &str, Language),
    found: &ExamView,
    exam_root: &str,
    view: &View,
) -> Result<Content, Error> {
    let sheets = sheets(pages, found).await?;
    let all: Vec<&SeriesRow> = sheets.iter().collect();
    let tab = |instances: &[_]| ImagesTab::new(Tab::Film.name(), exam_root, &all, instances, view);
    let tab = match sheets.get(view.series().clamp(1, sheets.len().max(1)) - 1) {
        None => tab(&[]),
        Some(series) if series.pictures > 0 => {
            let mut instances = pages.archive.series_instances(series).await?;
            instances.retain(|instance| instance.is_picture);
            tab(&instances)
        }
        Some(sheet) => {
            let key = (found.entry.observation_uid.as_str(), sheet.first_instance);
            let read = pages.archive.viewed_document(&pages.viewer, session, client, key, language.meanings()).await;
            let documents = [(sheet.first_instance, sheet.description.clone())];
            let document = DocumentTab::new(exam_root, &documents, 1, read)?;
            ImagesTab { document: Some(Box::new(document)), ..tab(&[]) }
        }
    };
    Ok(Content::Images(Box::new(tab)))
}

/// One for each series of sheets with pixels, and one for each sheet without.
async fn sheets(pages: &Inner, found: &ExamView) -> Result<Vec<SeriesRow>, Error> {
    let mut sheets = Vec::new();
    for series in found.series_of_kind("film") {
        if series.pictures == series.instances {
            sheets.push(series.clone());
            continue;
        }
        let instances = pages.archive.series_instances(series).await?;
        if let Some(first) = instances.iter().find(|instance| instance.is_picture) {
            sheets.push(SeriesRow { first_instance: first.pk, ..series.clone() });
        }
        let documents = instances.iter().filter(|instance| !instance.is_picture);
        sheets.extend(documents.map(|instance| SeriesRow {
            instances: 1,
            pictures: 0,
            frames: 1,
            first_instance: instance.pk,
            ..series.clone()
        }));
    }
    sheets.truncate(MOST_SHEETS);
    Ok(sheets)
}
