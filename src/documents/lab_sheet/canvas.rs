//! Strokes become a PDF, with the font embedded as a subset.

use std::sync::LazyLock;

use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke as Pen};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use krilla::{Data, Document};

use super::layout::{Ink, PAGE, Stroke};
use super::metrics::glyph;
use super::{ComposeError, LabDocument};
use crate::documents::fonts;

/// Reading ten megabytes of font takes longer than a page.
static FONT: LazyLock<Option<Font>> = LazyLock::new(|| Font::new(Data::from(fonts::CJK), 0));

pub(super) fn pdf(document: &LabDocument, pages: &[Vec<Stroke>]) -> Result<Vec<u8>, ComposeError> {
    let failed = |what: &str| ComposeError::Unwritten(what.to_owned());
    let font = FONT.as_ref().ok_or_else(|| failed("the font"))?;
    let mut pdf = Document::new();
    // No dates and no numbers of its own: the same report gives the same bytes.
    pdf.set_metadata(Metadata::new().title(format!("{}检验报告", document.organization)).language("zh-CN".to_owned()));
    for strokes in pages {
        let settings = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| failed("the page size"))?;
        let mut page = pdf.start_page_with(settings);
        let mut surface = page.surface();
        for stroke in strokes {
            draw(&mut surface, font, stroke);
        }
        surface.finish();
        page.finish();
    }
    pdf.finish().map_err(|error| ComposeError::Unwritten(format!("{error:?}")))
}

fn draw(surface: &mut Surface<'_>, font: &Font, stroke: &Stroke) {
    match stroke {
        Stroke::Text { x, y, size, ink, text } => {
            fill(surface, *ink);
            let glyphs: Vec<KrillaGlyph> = text
                .char_indices()
                .map(|(at, character)| {
                    let (id, advance) = glyph(character);
                    let range = at..at + character.len_utf8();
                    KrillaGlyph::new(GlyphId::new(id), advance, 0.0, 0.0, 0.0, range, None)
                })
                .collect();
            surface.draw_glyphs(Point::from_xy(*x, *y), &glyphs, font.clone(), text, *size, false);
        }
        Stroke::Line { x1, x2, y, width } => {
            let mut path = PathBuilder::new();
            path.move_to(*x1, *y);
            path.line_to(*x2, *y);
            if let Some(path) = path.finish() {
                surface.set_fill(None);
                surface.set_stroke(Some(Pen { width: *width, ..Pen::default() }));
                surface.draw_path(&path);
                surface.set_stroke(None);
            }
        }
        Stroke::Bars { x, y, module, height, code } => {
            let mut path = PathBuilder::new();
            for bar in &code.bars {
                let (left, width) = (x + bar.start as f32 * module, bar.width as f32 * module);
                if let Some(rect) = Rect::from_xywh(left, *y, width, *height) {
                    path.push_rect(rect);
                }
            }
            if let Some(path) = path.finish() {
                fill(surface, Ink::Black);
                surface.draw_path(&path);
            }
        }
    }
}

fn fill(surface: &mut Surface<'_>, ink: Ink) {
    let (red, green, blue) = match ink {
        Ink::Black => (0, 0, 0),
        Ink::Faded => (110, 110, 110),
        Ink::Red => (178, 24, 24),
    };
    let paint = rgb::Color::new(red, green, blue).into();
    surface.set_fill(Some(Fill { paint, opacity: NormalizedF32::ONE, rule: FillRule::default() }));
}
