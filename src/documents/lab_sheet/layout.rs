//! Where everything of a lab report goes: reports flow down A4 pages, tables go on over page ends with their head repeated.

use super::metrics::{width, wrap};
use super::{ComposeError, LabDocument, LabRow, LabSheet, Reserved};
use crate::documents::code128::Barcode;

pub(super) const PAGE: (f32, f32) = (595.28, 841.89);
const LEFT: f32 = 42.0;
const RIGHT: f32 = PAGE.0 - 42.0;
const TOP: f32 = 40.0;
const BOTTOM: f32 = PAGE.1 - 46.0;
const POINTS_PER_MM: f32 = 72.0 / 25.4;

const BODY: f32 = 9.0;
const SMALL: f32 = 7.5;
const LINE: f32 = 12.5;
/// Widest barcode, in points; a longer number gets none rather than one that no reader reads.
const WIDEST_BARCODE: f32 = 165.0;
/// Widest and narrowest module of a barcode, in points: 0.33 mm and 0.19 mm.
const MODULES: (f32, f32) = (0.94, 0.54);

/// The table's columns: heading and width.
const COLUMNS: [(&str, f32); 8] = [
    ("序号", 26.0),
    ("检验项目", 128.0),
    ("结果", 68.0),
    ("提示", 30.0),
    ("单位", 54.0),
    ("参考区间", 82.0),
    ("检验方法", 66.0),
    ("检验仪器", 57.28),
];

/// One stroke of the pen; y grows downwards from the page's top, in points.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stroke {
    Text { x: f32, y: f32, size: f32, ink: Ink, text: String },
    Line { x1: f32, x2: f32, y: f32, width: f32 },
    Bars { x: f32, y: f32, module: f32, height: f32, code: Barcode },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Black,
    Faded,
    Red,
}

type Page = Vec<Stroke>;

/// Lays a document out.
pub(super) fn pages(
    document: &LabDocument,
    reserved: Option<Reserved>,
    max_pages: usize,
) -> Result<Vec<Page>, ComposeError> {
    if document.reports.is_empty() {
        return Err(ComposeError::Nothing);
    }
    let mut flow = Flow { document, reserved, max_pages, pages: Vec::new(), y: 0.0 };
    flow.turn()?;
    for (number, sheet) in document.reports.iter().enumerate() {
        flow.sheet(sheet, number)?;
    }
    Ok(flow.numbered())
}

struct Flow<'d> {
    document: &'d LabDocument,
    reserved: Option<Reserved>,
    max_pages: usize,
    pages: Vec<Page>,
    y: f32,
}

impl Flow<'_> {
    fn is_single(&self) -> bool {
        self.document.reports.len() == 1
    }

    /// Space that the code takes in the corner, measured from the page's edges.
    fn reserved(&self, at_top: bool) -> f32 {
        let reserved = self.reserved.filter(|reserved| reserved.corner.is_top() == at_top);
        reserved.map_or(0.0, |reserved| reserved.side_mm as f32 * POINTS_PER_MM)
    }

    fn bottom(&self) -> f32 {
        BOTTOM.min(PAGE.1 - self.reserved(false) - 4.0)
    }

    fn put(&mut self, stroke: Stroke) {
        if let Some(page) = self.pages.last_mut() {
            page.push(stroke);
        }
    }

    fn text(&mut self, x: f32, y: f32, size: f32, ink: Ink, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.put(Stroke::Text { x, y, size, ink, text });
        }
    }

    /// Text that becomes smaller before it becomes wider than there is room.
    fn fitted(&mut self, x: f32, y: f32, size: f32, most: f32, ink: Ink, text: &str) {
        let wide = width(text, size);
        let size = if wide > most { (size * most / wide).max(4.0) } else { size };
        self.text(x, y, size, ink, text);
    }

    fn rule(&mut self, y: f32, width: f32) {
        self.put(Stroke::Line { x1: LEFT, x2: RIGHT, y, width });
    }

    /// Begins a page with its head.
    fn turn(&mut self) -> Result<(), ComposeError> {
        if self.pages.len() >= self.max_pages {
            return Err(ComposeError::TooLarge);
        }
        self.pages.push(Vec::new());
        let document = self.document;
        let corner = self.reserved(true);
        let (left, right) = match self.reserved {
            Some(reserved) if corner > 0.0 && reserved.corner.is_left() => (LEFT.max(corner + 4.0), RIGHT),
            Some(_) if corner > 0.0 => (LEFT, RIGHT.min(PAGE.0 - corner - 4.0)),
            _ => (LEFT, RIGHT),
        };
        self.centered(TOP + 16.0, 16.0, left, right, &document.organization);
        let title = match document.reports.as_slice() {
            [only] if only.title.is_empty() => "检验报告单".to_owned(),
            [only] if only.title.ends_with("报告单") || only.title.ends_with("报告") => only.title.clone(),
            [only] => format!("{}检验报告单", only.title),
            _ => "检验报告单".to_owned(),
        };
        self.centered(TOP + 37.0, 13.0, left, right, &title);
        let mut y = TOP + 52.0;
        if let [only] = document.reports.as_slice() {
            self.number(&only.report_form_no, left, right, y);
            y += 30.0;
        }
        y = y.max(corner + 4.0);
        self.rule(y, 1.1);
        self.y = self.facts(&document.patient, y + 13.0);
        if self.is_single() {
            self.y = self.facts(&document.reports[0].facts, self.y);
        }
        self.rule(self.y - 8.0, 0.5);
        self.y += 6.0;
        Ok(())
    }

    fn centered(&mut self, y: f32, size: f32, left: f32, right: f32, text: &str) {
        let wide = width(text, size);
        let size = if wide > right - left { (size * (right - left) / wide).max(6.0) } else { size };
        // In the middle of the page where there is room, else in the middle of what is free.
        let wide = width(text, size);
        let middle = (PAGE.0 - wide) / 2.0;
        let x = if middle >= left && middle + wide <= right { middle } else { left + (right - left - wide) / 2.0 };
        self.text(x, y, size, Ink::Black, text);
    }

    /// The report's number as barcode and text, at the right end of a span.
    fn number(&mut self, number: &str, left: f32, right: f32, y: f32) {
        let said = format!("报告单号：{number}");
        self.fitted(left, y + 14.0, BODY, right - left - WIDEST_BARCODE - 8.0, Ink::Black, &said);
        let Some(code) = Barcode::encode(number) else { return };
        let module = (WIDEST_BARCODE / code.width as f32).min(MODULES.0);
        if module < MODULES.1 {
            return;
        }
        let x = right - code.width as f32 * module;
        self.put(Stroke::Bars { x, y, module, height: 21.0, code });
    }

    /// Labels and values in three columns; gives where the next line may be.
    fn facts(&mut self, facts: &[(&'static str, String)], y: f32) -> f32 {
        let (mut y, column) = (y, (RIGHT - LEFT) / 3.0);
        let mut at = 0.0;
        let mut any = false;
        for (label, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            let said = format!("{label}：{value}");
            let wanted = (width(&said, BODY) / (column - 6.0)).ceil().clamp(1.0, 3.0);
            if at + wanted > 3.0 {
                at = 0.0;
                y += LINE + 1.5;
            }
            self.fitted(LEFT + at * column, y, BODY, wanted * column - 6.0, Ink::Black, &said);
            at += wanted;
            any = true;
        }
        if any { y + LINE + 1.5 } else { y }
    }

    fn sheet(&mut self, sheet: &LabSheet, number: usize) -> Result<(), ComposeError> {
        if !self.is_single() {
            // A heading stays with its first results.
            if number > 0 && self.y + 110.0 > self.bottom() {
                self.turn()?;
            }
            let title = if sheet.title.is_empty() { "检验报告" } else { &sheet.title };
            self.fitted(LEFT, self.y + 13.0, 11.0, 170.0, Ink::Black, title);
            self.number(&sheet.report_form_no, LEFT + 180.0, RIGHT, self.y);
            self.y = self.facts(&sheet.facts, self.y + 34.0);
            self.y -= 4.0;
        }
        self.head();
        if sheet.rows.is_empty() {
            self.text(LEFT + 4.0, self.y + 10.0, BODY, Ink::Faded, "没有检验结果");
            self.y += 18.0;
        }
        for row in &sheet.rows {
            self.row(row)?;
        }
        self.rule(self.y, 0.5);
        self.y += 16.0;
        let lines = sheet.signatures.iter().filter(|(_, value)| !value.is_empty()).count().div_ceil(3);
        if self.y + LINE * 1.2 * lines as f32 > self.bottom() {
            self.turn()?;
            self.y += 8.0;
        }
        self.y = self.facts(&sheet.signatures, self.y) + 8.0;
        Ok(())
    }

    /// The table's head.
    fn head(&mut self) {
        self.rule(self.y, 0.8);
        let mut x = LEFT;
        for (heading, wide) in COLUMNS {
            self.text(x + 2.0, self.y + 11.0, BODY, Ink::Black, heading);
            x += wide;
        }
        self.rule(self.y + 15.0, 0.5);
        self.y += 17.0;
    }

    fn row(&mut self, row: &LabRow) -> Result<(), ComposeError> {
        let cells =
            [&row.number, &row.name, &row.value, &row.flag, &row.unit, &row.reference, &row.method, &row.instrument];
        // Methods and instruments are long words; they are printed smaller.
        let size_of = |column: usize| if column >= 6 { SMALL } else { BODY };
        let mut cells: Vec<Vec<String>> = cells
            .iter()
            .enumerate()
            .map(|(column, text)| wrap(text, size_of(column), COLUMNS[column].1 - 4.0))
            .collect();
        let ink = if row.flag.is_empty() { Ink::Black } else { Ink::Red };
        // A cell that is longer than a page goes on at the next one.
        loop {
            let lines = cells.iter().map(Vec::len).max().unwrap_or(0);
            if lines == 0 {
                return Ok(());
            }
            let room = ((self.bottom() - self.y) / LINE).floor().max(0.0) as usize;
            let fits = if lines > room && (room < 3 || lines <= 20) { 0 } else { lines.min(room) };
            if fits == 0 {
                self.turn()?;
                self.head();
            }
            let room = ((self.bottom() - self.y) / LINE).floor().max(1.0) as usize;
            let now = lines.min(room);
            let mut x = LEFT;
            for (column, lines) in cells.iter_mut().enumerate() {
                let ink = if matches!(column, 2 | 3) { ink } else { Ink::Black };
                let taken: Vec<String> = lines.drain(..lines.len().min(now)).collect();
                for (number, line) in taken.into_iter().enumerate() {
                    self.text(x + 2.0, self.y + 10.0 + LINE * number as f32, size_of(column), ink, line);
                }
                x += COLUMNS[column].1;
            }
            self.y += LINE * now as f32 + 1.5;
        }
    }

    /// Page numbers, when all pages are known.
    fn numbered(mut self) -> Vec<Page> {
        let count = self.pages.len();
        for (number, page) in self.pages.iter_mut().enumerate() {
            let y = PAGE.1 - 28.0;
            let mut text = |x: f32, ink, text: String| page.push(Stroke::Text { x, y, size: SMALL, ink, text });
            let said = format!("第{}页　共{count}页", number + 1);
            text((PAGE.0 - width(&said, SMALL)) / 2.0, Ink::Black, said);
            let free_left =
                self.reserved.is_none_or(|reserved| reserved.corner != crate::documents::stamp::Corner::BottomLeft);
            if free_left {
                text(LEFT, Ink::Faded, "本报告仅对送检标本负责".to_owned());
            }
        }
        self.pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::stamp::Corner;

    fn sheet(rows: usize) -> LabSheet {
        let row = LabRow {
            name: "白细胞计数".to_owned(),
            value: "12.3".to_owned(),
            flag: "↑".to_owned(),
            ..LabRow::default()
        };
        LabSheet {
            title: "血常规".to_owned(),
            report_form_no: "LAB202601".to_owned(),
            rows: (1..=rows).map(|number| LabRow { number: number.to_string(), ..row.clone() }).collect(),
            signatures: vec![("审核者", "测试医生乙".to_owned())],
            ..LabSheet::default()
        }
    }

    fn document(reports: Vec<LabSheet>) -> LabDocument {
        let patient = vec![("姓名", "测试甲".to_owned())];
        LabDocument { organization: "示例医院".to_owned(), patient, reports }
    }

    fn texts(page: &Page) -> Vec<&str> {
        page.iter()
            .filter_map(|stroke| match stroke {
                Stroke::Text { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_long_table_goes_on_with_its_head_and_the_patient_repeated() {
        let pages = pages(&document(vec![sheet(120)]), None, 100).unwrap();
        assert_eq!(pages.len(), 3);
        for (number, page) in pages.iter().enumerate() {
            let texts = texts(page);
            assert!(texts.contains(&"检验项目") && texts.contains(&"姓名：测试甲"), "{texts:?}");
            assert!(texts.contains(&format!("第{}页　共3页", number + 1).as_str()), "{texts:?}");
        }
        let results = pages.iter().flat_map(texts).filter(|text| *text == "12.3").count();
        assert_eq!(results, 120);
    }

    #[test]
    fn nothing_is_drawn_where_the_code_goes_or_off_the_page() {
        for corner in [Corner::TopLeft, Corner::TopRight, Corner::BottomLeft, Corner::BottomRight] {
            let reserved = Reserved { corner, side_mm: 31.0 };
            let side = 31.0 * POINTS_PER_MM;
            for page in pages(&document(vec![sheet(90), sheet(5)]), Some(reserved), 100).unwrap() {
                for stroke in page {
                    let Stroke::Text { x, y, size, text, .. } = stroke else { continue };
                    let (right, top) = (x + width(&text, size), y - size);
                    assert!(x >= LEFT - 1.0 && right <= RIGHT + 3.0 && y < PAGE.1, "{text} {x} {right}");
                    let beside = if corner.is_left() { x >= side } else { right <= PAGE.0 - side };
                    let clear = if corner.is_top() { top >= side } else { y <= PAGE.1 - side };
                    assert!(beside || clear, "{corner:?} {text} at {x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_cell_longer_than_a_page_goes_on_and_no_line_is_lost() {
        let mut long = sheet(1);
        long.rows[0].reference = "参考".repeat(900);
        let pages = pages(&document(vec![long]), None, 100).unwrap();
        assert!(pages.len() > 1);
        let printed: usize = pages.iter().flat_map(texts).map(|text| text.matches('参').count()).sum();
        // Headings have the word too, once on each page.
        assert_eq!(printed, 900 + pages.len());
    }

    #[test]
    fn limits_are_kept_and_nothing_is_no_document() {
        assert_eq!(pages(&document(vec![sheet(500)]), None, 3), Err(ComposeError::TooLarge));
        assert_eq!(pages(&document(vec![]), None, 3), Err(ComposeError::Nothing));
    }
}
