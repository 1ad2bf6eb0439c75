//! How wide text is in the bundled font, and where its lines break.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId};

use crate::documents::fonts;

static FACE: LazyLock<Option<Face<'static>>> = LazyLock::new(|| Face::parse(fonts::CJK, 0).ok());

/// The glyph of a character and its width, in heights of the text.
pub(super) fn glyph(character: char) -> (u32, f32) {
    let Some(face) = FACE.as_ref() else { return (0, 1.0) };
    let glyph = face.glyph_index(character).unwrap_or(GlyphId(0));
    let advance = face.glyph_hor_advance(glyph).unwrap_or(face.units_per_em());
    (glyph.0.into(), f32::from(advance) / f32::from(face.units_per_em()))
}

/// Width of a line.
pub(super) fn width(text: &str, size: f32) -> f32 {
    text.chars().map(|character| glyph(character).1).sum::<f32>() * size
}

/// Breaks a text into lines of at most that width: between Chinese characters, else at blanks, else anywhere.
pub(super) fn wrap(text: &str, size: f32, most: f32) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0.0;
        for character in paragraph.chars().filter(|character| !character.is_control()) {
            let advance = glyph(character).1 * size;
            if used + advance > most && !line.is_empty() && !ends_a_phrase(character) {
                let rest = broken_off(&mut line, character);
                lines.push(line.trim_end().to_owned());
                used = width(&rest, size);
                line = rest;
                if character == ' ' {
                    continue;
                }
            }
            line.push(character);
            used += advance;
        }
        lines.push(line.trim_end().to_owned());
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// A line does not begin with punctuation that ends a phrase.
fn ends_a_phrase(character: char) -> bool {
    "，。、；：）！？%".contains(character)
}

/// Takes an unfinished word off a line, when the next character goes on with it and something is left.
fn broken_off(line: &mut String, next: char) -> String {
    let in_word = |character: char| character.is_ascii_graphic();
    if !in_word(next) {
        return String::new();
    }
    let start = line.char_indices().rev().take_while(|(_, character)| in_word(*character)).last().map(|(at, _)| at);
    match start {
        Some(at) if at > 0 => line.split_off(at),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_chinese_characters_and_between_words() {
        assert_eq!(wrap("白细胞计数测定", 10.0, 41.0), ["白细胞计", "数测定"]);
        assert_eq!(wrap("alanine transaminase", 10.0, 80.0), ["alanine", "transaminase"]);
        assert_eq!(wrap("一二三四。", 10.0, 41.0), ["一二三四。"]);
        assert_eq!(wrap("", 10.0, 41.0), [""]);
        let long = wrap(&"x".repeat(100), 10.0, 41.0);
        assert!(long.len() > 1 && long.concat() == "x".repeat(100));
    }
}
