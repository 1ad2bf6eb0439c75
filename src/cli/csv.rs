//! Comma separated values (RFC 4180), as spreadsheets write them: UTF-8 with or without a byte order mark, or GB18030.

use anyhow::Context as _;
use encoding_rs::{GB18030, UTF_8};

/// The text of a file: UTF-8 when it is valid, GB18030 otherwise.
pub(super) fn text(bytes: &[u8]) -> anyhow::Result<String> {
    let (text, wrong) = UTF_8.decode_with_bom_removal(bytes);
    if !wrong {
        return Ok(text.into_owned());
    }
    let text = GB18030.decode_without_bom_handling_and_without_replacement(bytes);
    Ok(text.context("is neither UTF-8 nor GB18030")?.into_owned())
}

/// Rows of cells; a cell in quotes may hold commas, line ends and doubled quotes.
pub(super) fn rows(text: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let (mut row, mut cell) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            c if quoted => cell.push(c),
            ',' => row.push(std::mem::take(&mut cell)),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    anyhow::ensure!(!quoted, "a quote is not closed");
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    Ok(rows)
}

/// One row with its line end.
pub(super) fn row(cells: &[&str]) -> String {
    let quoted = |cell: &&str| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => (*cell).to_owned(),
    };
    format!("{}\r\n", cells.iter().map(quoted).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let cells = ["sex", "1", "男, \"M\"\n男性", ""];
        assert_eq!(rows(&row(&cells)).unwrap(), [cells.map(str::to_owned)]);
    }

    #[test]
    fn line_ends_of_any_system_and_a_last_line_without_one() {
        assert_eq!(rows("a,b\r\nc,d\ne").unwrap(), [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
        assert!(rows("a,\"b").is_err());
    }

    #[test]
    fn utf_8_with_and_without_mark_and_gb18030_are_told_apart() {
        let chinese = "男性";
        assert_eq!(text(chinese.as_bytes()).unwrap(), chinese);
        assert_eq!(text(format!("\u{FEFF}{chinese}").as_bytes()).unwrap(), chinese);
        assert_eq!(text(&GB18030.encode(chinese).0).unwrap(), chinese);
        assert!(text(&[0xFF, 0xFF, 0x00]).is_err());
    }
}
