//! The demonstration's report files: A4 in Chinese, with room for the QR code at the top right, and the sheet of the
//! electronic film. Fonts are embedded as subsets.

use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke};
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use krilla::{Data, Document};

use super::Error;
use super::hospital::{Exam, ORGANIZATION_NAME, date_time};
use crate::documents::fonts;

const A4: (f32, f32) = (595.28, 841.89);
const LEFT: f32 = 56.0;
const RIGHT: f32 = A4.0 - 56.0;
/// Film of 14 by 17 inches, in half points.
const FILM: (f32, f32) = (504.0, 612.0);
const INK: [u8; 3] = [30, 30, 30];
const FADED: [u8; 3] = [110, 110, 110];

/// The report of an examination with its key image (JPEG), as PDF.
pub(super) fn pdf(exam: &Exam, key_image: Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
    let key_image = key_image.map(jpeg).transpose()?;
    document(A4, |sheet| {
        letterhead(sheet, exam);
        let mut y = patient_block(sheet, exam);
        if let Some(image) = key_image {
            y = key_picture(sheet, image, y);
        }
        y = section(sheet, "影像所见：", exam.findings, y);
        y = section(sheet, "影像结论：", exam.conclusion, y + 10.0);
        signatures(sheet, exam, y.max(A4.1 - 150.0));
    })
}

/// The sheet of the electronic film: two columns and three rows of slices (JPEG) with text on the border, as PDF.
pub(super) fn film(exam: &Exam, slices: Vec<(u32, Vec<u8>)>) -> Result<Vec<u8>, Error> {
    let tiles = slices.into_iter().map(|(slice, bytes)| Ok((slice, jpeg(bytes)?)));
    let tiles = tiles.collect::<Result<Vec<_>, Error>>()?;
    document(FILM, |sheet| {
        sheet.fill_rect(Rect::from_xywh(0.0, 0.0, FILM.0, FILM.1), [0, 0, 0]);
        let light = [225, 225, 225];
        let patient = &exam.patient;
        sheet.text(12.0, 16.0, 9.0, light, ORGANIZATION_NAME);
        let who = format!("{}  {}  {}", patient.name, patient.sex_name(), patient.patient_local_id);
        sheet.text(150.0, 16.0, 9.0, light, &who);
        sheet.text(330.0, 16.0, 9.0, light, &format!("{}  {}", exam.accession_number, date_time(exam.performed)));
        let (width, height) = ((FILM.0 - 12.0) / 2.0, (FILM.1 - 34.0) / 3.0);
        let side = width.min(height) - 4.0;
        for (number, (slice, image)) in tiles.into_iter().enumerate() {
            let (column, row) = ((number % 2) as f32, (number / 2) as f32);
            let (x, y) = (4.0 + column * (width + 4.0), 22.0 + row * (height + 2.0));
            sheet.image(image, x + (width - side) / 2.0, y, side, side);
            sheet.text(x + 8.0, y + 12.0, 7.0, light, &format!("Im {slice}"));
            sheet.text(x + 8.0, y + height - 12.0, 7.0, light, "5 mm");
            sheet.text(x + width - 58.0, y + height - 12.0, 7.0, light, "C40 W400");
            sheet.text(x + 8.0, y + height / 2.0, 8.0, light, "R");
        }
        sheet.text(12.0, FILM.1 - 4.0, 7.0, light, &format!("{}  {}", exam.item, exam.device));
    })
}

fn letterhead(sheet: &mut Sheet<'_, '_>, exam: &Exam) {
    sheet.centered(62.0, 20.0, INK, ORGANIZATION_NAME);
    sheet.centered(90.0, 15.0, INK, &format!("{}检查报告单", exam.item));
    sheet.text(LEFT, 116.0, 9.0, FADED, &format!("报告单号：{}", exam.report_form_no));
    sheet.line(LEFT, 124.0, RIGHT, 124.0, 1.2);
}

/// Returns where the next line may begin.
fn patient_block(sheet: &mut Sheet<'_, '_>, exam: &Exam) -> f32 {
    let patient = &exam.patient;
    let birth = patient.birth_date;
    let born = format!("{}-{}-{}", &birth[..4], &birth[4..6], &birth[6..]);
    let rows = [
        [("姓名", patient.name.to_owned()), ("性别", patient.sex_name().to_owned()), ("出生日期", born)],
        [
            ("病人ID", patient.patient_local_id.to_owned()),
            ("检查号", exam.accession_number.to_owned()),
            ("部位", exam.body_part.to_owned()),
        ],
        [
            ("申请科室", "演示内科".to_owned()),
            ("设备", exam.device.to_owned()),
            ("检查时间", date_time(exam.performed)[..16].to_owned()),
        ],
    ];
    let mut y = 144.0;
    for row in rows {
        for (x, (label, value)) in [LEFT, LEFT + 150.0, LEFT + 300.0].into_iter().zip(row) {
            sheet.text(x, y, 10.5, INK, &format!("{label}：{value}"));
        }
        y += 19.0;
    }
    sheet.text(LEFT, y, 10.5, INK, &format!("临床诊断：{}", exam.diagnosis));
    sheet.line(LEFT, y + 10.0, RIGHT, y + 10.0, 0.6);
    y + 22.0
}

fn key_picture(sheet: &mut Sheet<'_, '_>, image: Image, y: f32) -> f32 {
    let (width, height) = image.size();
    let scale = (240.0 / width as f32).min(200.0 / height as f32);
    let (across, down) = (width as f32 * scale, height as f32 * scale);
    sheet.image(image, (A4.0 - across) / 2.0, y, across, down);
    y + down + 14.0
}

fn section(sheet: &mut Sheet<'_, '_>, title: &str, text: &str, y: f32) -> f32 {
    let mut y = y + 12.0;
    sheet.text(LEFT, y, 12.0, INK, title);
    for paragraph in text.lines().map(str::trim) {
        for line in wrap(&format!("　　{paragraph}"), 10.5, RIGHT - LEFT) {
            y += 18.0;
            sheet.text(LEFT, y, 10.5, INK, &line);
        }
    }
    y + 8.0
}

fn signatures(sheet: &mut Sheet<'_, '_>, exam: &Exam, y: f32) {
    let reported = date_time(exam.performed + super::registrations::REVIEWED_AFTER);
    sheet.line(LEFT, y, RIGHT, y, 0.6);
    sheet.text(LEFT, y + 20.0, 10.5, INK, "报告医生：演示医生一");
    sheet.text(LEFT + 170.0, y + 20.0, 10.5, INK, "审核医生：演示医生二");
    sheet.text(LEFT + 320.0, y + 20.0, 10.5, INK, &format!("审核时间：{}", &reported[..16]));
    sheet.text(LEFT, y + 44.0, 8.5, FADED, "本报告为演示数据，不涉及任何真实患者，不作为诊断依据。");
}

/// Breaks a text into lines: full-width characters take a whole em, others a little more than a half.
fn wrap(text: &str, size: f32, width: f32) -> Vec<String> {
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
    for character in text.chars() {
        let advance = if character.is_ascii() { 0.56 * size } else { size };
        // A line does not begin with punctuation that ends a phrase.
        if used + advance > width && !"，。、；：）".contains(character) {
            lines.push(std::mem::take(&mut line));
            used = 0.0;
        }
        line.push(character);
        used += advance;
    }
    lines.push(line);
    lines
}

fn jpeg(bytes: Vec<u8>) -> Result<Image, Error> {
    Image::from_jpeg(Data::from(bytes), true).map_err(|_| Error::Document("a key image"))
}

fn document(size: (f32, f32), draw: impl FnOnce(&mut Sheet<'_, '_>)) -> Result<Vec<u8>, Error> {
    let font = Font::new(Data::from(fonts::CJK), 0).ok_or(Error::Document("the font"))?;
    let settings = PageSettings::from_wh(size.0, size.1).ok_or(Error::Document("the page size"))?;
    let mut document = Document::new();
    let mut page = document.start_page_with(settings);
    let mut surface = page.surface();
    draw(&mut Sheet { surface: &mut surface, font });
    surface.finish();
    page.finish();
    document.finish().map_err(|_| Error::Document("the file"))
}

/// A page that is being drawn; y grows downwards, in points.
struct Sheet<'s, 'd> {
    surface: &'s mut Surface<'d>,
    font: Font,
}

impl Sheet<'_, '_> {
    fn text(&mut self, x: f32, y: f32, size: f32, color: [u8; 3], text: &str) {
        self.fill(color);
        let at = Point::from_xy(x, y);
        self.surface.draw_text(at, self.font.clone(), size, text, false, TextDirection::LeftToRight);
    }

    fn centered(&mut self, y: f32, size: f32, color: [u8; 3], text: &str) {
        let width: f32 = text.chars().map(|c| if c.is_ascii() { 0.56 * size } else { size }).sum();
        self.text((A4.0 - width) / 2.0, y, size, color, text);
    }

    fn line(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, width: f32) {
        let mut path = PathBuilder::new();
        path.move_to(x1, y1);
        path.line_to(x2, y2);
        if let Some(path) = path.finish() {
            self.surface.set_fill(None);
            self.surface.set_stroke(Some(Stroke { width, ..Stroke::default() }));
            self.surface.draw_path(&path);
            self.surface.set_stroke(None);
        }
    }

    fn fill_rect(&mut self, rect: Option<Rect>, color: [u8; 3]) {
        let mut path = PathBuilder::new();
        if let Some(rect) = rect {
            path.push_rect(rect);
        }
        if let Some(path) = path.finish() {
            self.fill(color);
            self.surface.draw_path(&path);
        }
    }

    fn image(&mut self, image: Image, x: f32, y: f32, width: f32, height: f32) {
        if let Some(size) = Size::from_wh(width, height) {
            self.surface.push_transform(&Transform::from_translate(x, y));
            self.surface.draw_image(image, size);
            self.surface.pop();
        }
    }

    fn fill(&mut self, [red, green, blue]: [u8; 3]) {
        let paint = rgb::Color::new(red, green, blue).into();
        let fill = Fill { paint, opacity: NormalizedF32::ONE, rule: FillRule::default() };
        self.surface.set_fill(Some(fill));
    }
}
