//! Clinical documents (HL7 CDA R2, WS/T 500) as headings, paragraphs and tables for a page.
//!
//! Only what a reader shall read is taken out, as plain text: no styles, no scripts, no references that a browser would
//! follow. A document type declaration is refused, so no entity is ever expanded. Sections without narrative are shown by
//! their coded entries, as the shared documents of the national standard have them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::events::{BytesStart, Event};
use serde::{Deserialize, Serialize};

use crate::domain::clinical_document::{Block, Cell, ClinicalDocument, OtherBody};

/// Longest name of an entity or number of a character that is read, in bytes.
const LONGEST_NAME: usize = 11;

/// Limits of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClinicalDocumentLimits {
    /// Elements within elements.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
}

impl Default for ClinicalDocumentLimits {
    fn default() -> Self {
        Self { depth: 100, elements: 200_000 }
    }
}

/// Why a document is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has a document type declaration.
    #[error("document type declarations are not accepted")]
    DocumentType,
    /// It is another XML.
    #[error("no clinical document")]
    AnotherKind,
    /// It is not well-formed.
    #[error("not well-formed near byte {0}")]
    Malformed(u64),
    /// It exceeds a limit.
    #[error("more than {0}")]
    TooLarge(&'static str),
}

/// Reads a document in UTF-8, UTF-16 or the encoding that its declaration names.
pub fn read(bytes: &[u8], limits: &ClinicalDocumentLimits) -> Result<ClinicalDocument, Error> {
    let text = decode(bytes);
    let mut reader = quick_xml::Reader::from_str(&text);
    reader.config_mut().allow_dangling_amp = true;
    let mut walk = Walk::default();
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|_| Error::Malformed(reader.buffer_position()))?;
        match event {
            Event::Start(start) => {
                elements += 1;
                walk.open(&start)?;
            }
            Event::Empty(start) => {
                elements += 1;
                walk.open(&start)?;
                walk.close();
            }
            Event::End(_) => walk.close(),
            Event::Text(text) => walk.text(&text.xml10_content()),
            Event::CData(data) => walk.text(&data.xml10_content()),
            Event::GeneralRef(reference) => walk.text(&character(&reference.into_inner())),
            Event::DocType(_) => return Err(Error::DocumentType),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
        if walk.path.len() > limits.depth {
            return Err(Error::TooLarge("levels of elements"));
        }
        if elements > limits.elements {
            return Err(Error::TooLarge("elements"));
        }
    }
    if !walk.path.is_empty() {
        return Err(Error::Malformed(text.len() as u64));
    }
    if walk.is_clinical { Ok(walk.document) } else { Err(Error::AnotherKind) }
}

fn decode(bytes: &[u8]) -> String {
    let declared = || {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        let label =
            head.split_once("encoding=")?.1.trim_start_matches(['"', '\'']).split(['"', '\'']).next()?.to_owned();
        encoding_rs::Encoding::for_label(label.as_bytes())
    };
    let encoding = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        None => declared().unwrap_or(encoding_rs::GB18030),
    };
    let (text, _, _) = encoding.decode(bytes);
    text.trim_start().chars().filter(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)).collect()
}

/// The five entities and character references; any other is shown as it is written.
fn character(name: &str) -> String {
    let number = |text: &str| match text.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    let known = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => name.strip_prefix('#').and_then(number).and_then(char::from_u32).filter(|c| !c.is_control()),
    };
    known.map_or_else(|| format!("&{name};"), String::from)
}

#[derive(Default)]
struct Walk {
    document: ClinicalDocument,
    is_clinical: bool,
    path: Vec<String>,
    /// Text that has not become part of a block.
    pending: String,
    /// Rows of the table that is open.
    table: Option<Vec<Vec<Cell>>>,
    /// Blocks of the narrative since the section began, to know whether there is one.
    narrative: Vec<usize>,
    /// Blocks up to the last one that is narrative: a heading or a coded entry tells nothing by itself.
    told: usize,
    /// What the entry's observation is about.
    concept: String,
}

impl Walk {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Error> {
        let name = start.local_name().into_inner().to_owned();
        if self.path.is_empty() && name == "ClinicalDocument" {
            self.is_clinical = true;
        }
        let attribute = |wanted: &str| {
            let mut attributes = start.attributes();
            let found = attributes.with_checks(false).flatten().find(|a| a.key.into_inner() == wanted);
            found.map(|found| unescaped(&found.value)).filter(|value| !value.trim().is_empty())
        };
        let parent = self.path.last().map(String::as_str).unwrap_or_default();
        match name.as_str() {
            "effectiveTime" if self.path.len() == 1 => {
                self.document.written_at = attribute("value").unwrap_or_default();
            }
            "section" => self.narrative.push(self.document.blocks.len()),
            "text" if parent == "nonXMLBody" => {
                let media_type = attribute("mediaType").unwrap_or_default();
                self.document.other_body = Some(OtherBody { media_type, bytes: Vec::new() });
                self.pending.clear();
            }
            "code" if self.in_entry() && parent == "observation" => {
                self.concept = attribute("displayName").or(attribute("code")).unwrap_or_default();
            }
            "value" if self.in_entry() && parent == "observation" => {
                let unit = attribute("unit").unwrap_or_default();
                let value = attribute("displayName").or(attribute("value").map(|value| format!("{value} {unit}")));
                self.pending = value.or(attribute("code")).unwrap_or_default();
            }
            _ if parent == "name" || (self.in_entry() && self.is_under("value")) => {}
            _ if !self.in_narrative() => self.pending.clear(),
            "paragraph" | "list" | "item" | "caption" => self.flush(),
            "table" => {
                self.flush();
                if self.table.is_none() {
                    self.table = Some(Vec::new());
                }
            }
            "tr" => {
                if let Some(table) = &mut self.table {
                    table.push(Vec::new());
                }
            }
            "td" | "th" => self.pending.clear(),
            "br" => self.pending.push('\n'),
            "renderMultiMedia" => self.pending.push_str("［附图］"),
            _ => {}
        }
        if matches!(name.as_str(), "td" | "th") {
            let span = attribute("colspan").and_then(|span| span.parse().ok()).unwrap_or(1).clamp(1, 100);
            if let Some(row) = self.table.as_mut().and_then(|table| table.last_mut()) {
                row.push(Cell { is_heading: name == "th", span, text: String::new() });
            }
        }
        self.path.push(name);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        // Line breaks between elements are no line breaks of the text.
        let flat: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        self.pending.push_str(&flat);
    }

    fn close(&mut self) {
        let Some(name) = self.path.pop() else { return };
        let parent = self.path.last().map(String::as_str).unwrap_or_default();
        let depth = self.narrative.len();
        match name.as_str() {
            "title" if self.path.len() == 1 => self.document.title = self.taken(),
            "title" if parent == "section" => {
                let title = self.taken();
                if !title.is_empty() {
                    self.document.blocks.push(Block::Heading(depth.max(1), title));
                    if let Some(begin) = self.narrative.last_mut() {
                        *begin = self.document.blocks.len();
                    }
                }
            }
            "name" if self.is_under("author") && self.is_under("assignedPerson") => {
                let name = self.taken();
                self.document.authors.extend((!name.is_empty()).then_some(name));
            }
            "name" if self.is_under("custodian") => self.document.custodian = self.taken(),
            "section" => {
                self.narrative.pop();
            }
            "value" if self.in_entry() && parent == "observation" => self.pair(),
            "td" | "th" if self.in_narrative() => {
                let text = self.taken();
                if let Some(cell) = self.table.as_mut().and_then(|table| table.last_mut()?.last_mut()) {
                    cell.text = text;
                }
            }
            "table" if self.in_narrative() && !self.is_under("table") => {
                let rows: Vec<Vec<Cell>> = self.table.take().unwrap_or_default();
                let rows: Vec<Vec<Cell>> = rows.into_iter().filter(|row| !row.is_empty()).collect();
                if !rows.is_empty() {
                    self.tell(Block::Table(rows));
                }
                self.pending.clear();
            }
            "item" if self.in_narrative() && self.table.is_none() => {
                let text = self.taken();
                if !text.is_empty() {
                    self.tell(Block::Item(text));
                }
            }
            "caption" if self.in_narrative() => {
                let text = self.taken();
                if !text.is_empty() {
                    self.tell(Block::Paragraph(vec![text]));
                }
            }
            "paragraph" | "list" if self.in_narrative() => self.flush(),
            "text" if parent == "section" => self.flush(),
            "text" if parent == "nonXMLBody" => {
                let base64: Vec<u8> = std::mem::take(&mut self.pending).bytes().filter(|byte| *byte != b' ').collect();
                if let (Some(body), Ok(bytes)) = (&mut self.document.other_body, STANDARD.decode(base64)) {
                    body.bytes = bytes;
                }
            }
            _ => {}
        }
    }

    fn tell(&mut self, block: Block) {
        self.document.blocks.push(block);
        self.told = self.document.blocks.len();
    }

    /// A coded entry is shown when its section has no narrative.
    fn pair(&mut self) {
        let value = self.taken();
        let is_told = self.told > self.narrative.last().copied().unwrap_or(0);
        if !is_told && !value.is_empty() {
            let concept = std::mem::take(&mut self.concept);
            self.document.blocks.push(Block::Pair(concept, value));
        }
    }

    fn is_under(&self, name: &str) -> bool {
        self.path.iter().any(|one| one == name)
    }

    fn in_entry(&self) -> bool {
        self.is_under("entry") && self.is_under("section")
    }

    fn in_narrative(&self) -> bool {
        let section = self.path.iter().rposition(|one| one == "section");
        section.is_some_and(|at| self.path.get(at + 1).is_some_and(|next| next == "text"))
    }

    fn taken(&mut self) -> String {
        let text = std::mem::take(&mut self.pending);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Makes a paragraph of the text that waits; inside a table it stays with its cell.
    fn flush(&mut self) {
        if self.table.is_some() {
            self.pending.push(' ');
            return;
        }
        let text = std::mem::take(&mut self.pending);
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.split('\n').map(line).filter(|line| !line.is_empty()).collect();
        if !lines.is_empty() {
            self.tell(Block::Paragraph(lines));
        }
    }
}

fn unescaped(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // No further: a long text of ampersands would be looked through from each of them.
        match after.bytes().take(LONGEST_NAME + 1).position(|byte| byte == b';') {
            Some(end) => {
                out.push_str(&character(&after[..end]));
                rest = &after[end + 1..];
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><title>检查报告</title><effectiveTime value="20240322144606"/>
<recordTarget><patientRole><patient><name>测试甲</name></patient></patientRole></recordTarget>
<author><assignedAuthor><assignedPerson><name><family>测试</family><given>医生乙</given></name></assignedPerson></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><name>示例医院</name></representedCustodianOrganization></assignedCustodian></custodian>
<component><structuredBody>
<component><section><title>所见</title><text>双肺<content styleCode="Bold">纹理</content>清晰。<br/>心影 &lt;不大&gt;。
<list><item>一</item><item>二 <linkHtml href="javascript:alert(1)">链接</linkHtml></item></list>
<table><caption>表</caption><thead><tr><th colspan="2">项目</th></tr></thead><tbody><tr><td>甲</td><td><paragraph>1</paragraph><paragraph>2</paragraph></td></tr></tbody></table>
</text><entry><observation><code displayName="不该出现"/><value displayName="因为有叙述"/></observation></entry></section></component>
<component><section><title>生命体征</title><text/>
<entry><observation><code displayName="体温"/><value value="36.5" unit="℃"/></observation></entry>
<entry><observation><code displayName="主诉"/><value xsi:type="ST" xmlns:xsi="x">咳嗽三天</value></observation></entry>
</section></component></structuredBody></component></ClinicalDocument>"#;

    fn read(text: &str) -> Result<ClinicalDocument, Error> {
        super::read(text.as_bytes(), &ClinicalDocumentLimits::default())
    }

    #[test]
    fn narrative_is_shown_in_order_and_entries_where_there_is_none() {
        let document = read(DOCUMENT).unwrap();
        assert_eq!((document.title.as_str(), document.custodian.as_str()), ("检查报告", "示例医院"));
        assert_eq!(
            (document.authors.join(""), document.written_at.as_str()),
            ("测试医生乙".to_owned(), "20240322144606")
        );
        let cell = |is_heading, span, text: &str| Cell { is_heading, span, text: text.to_owned() };
        let expected = [
            Block::Heading(1, "所见".to_owned()),
            Block::Paragraph(vec!["双肺纹理清晰。".to_owned(), "心影 <不大>。".to_owned()]),
            Block::Item("一".to_owned()),
            Block::Item("二 链接".to_owned()),
            Block::Paragraph(vec!["表".to_owned()]),
            Block::Table(vec![vec![cell(true, 2, "项目")], vec![cell(false, 1, "甲"), cell(false, 1, "1 2")]]),
            Block::Heading(1, "生命体征".to_owned()),
            Block::Pair("体温".to_owned(), "36.5 ℃".to_owned()),
            Block::Pair("主诉".to_owned(), "咳嗽三天".to_owned()),
        ];
        assert_eq!(document.blocks, expected);
    }

    #[test]
    fn declarations_bombs_and_other_documents_are_refused() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><ClinicalDocument>&b;</ClinicalDocument>";
        assert_eq!(read(bomb), Err(Error::DocumentType));
        let file = "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><ClinicalDocument/>";
        assert_eq!(read(file), Err(Error::DocumentType));
        assert_eq!(read("<AnnotatedECG/>"), Err(Error::AnotherKind));
        assert_eq!(read(""), Err(Error::AnotherKind));
        assert!(matches!(read("<ClinicalDocument><a></b>"), Err(Error::Malformed(_))));
        assert!(matches!(read("<ClinicalDocument><a>"), Err(Error::Malformed(_))));
        let deep = "<ClinicalDocument>".to_owned() + &"<a>".repeat(200);
        assert_eq!(read(&deep), Err(Error::TooLarge("levels of elements")));
        let unknown = read("<ClinicalDocument><title>a&xxe;b</title></ClinicalDocument>").unwrap();
        assert_eq!(unknown.title, "a&xxe;b", "nothing is looked up");
    }

    #[test]
    fn ampersands_and_entries_without_end_are_read_in_one_go() {
        let many = "&".repeat(3 << 20);
        assert_eq!(unescaped(&many), many);
        assert_eq!(unescaped("&lt;&#x4E00;&a&unknown;&#0000000065;&"), "<一&a&unknown;A&");
        assert_eq!(unescaped("&#00000000065;一&一;二"), "&#00000000065;一&一;二", "longer than any name");
        let entry = "<observation><code displayName=\"体温\"/><value value=\"36.5\"/></observation>";
        let (open, close) = ("<ClinicalDocument><section>", "</section></ClinicalDocument>");
        let text = format!("{open}<entry>{}</entry>{close}", entry.repeat(60_000));
        let pairs = read(&text).unwrap().blocks;
        assert_eq!((pairs.len(), &pairs[59_999]), (60_000, &Block::Pair("体温".to_owned(), "36.5".to_owned())));
        let inner = format!("{open}<section><text>叙述</text></section><entry>{entry}</entry>{close}");
        assert_eq!(read(&inner).unwrap().blocks, [Block::Paragraph(vec!["叙述".to_owned()])]);
    }

    #[test]
    fn a_body_that_is_no_xml_is_told_and_gbk_is_read() {
        let other = r#"<ClinicalDocument><component><nonXMLBody><text mediaType="application/pdf" representation="B64">JVBE</text></nonXMLBody></component></ClinicalDocument>"#;
        let body = OtherBody { media_type: "application/pdf".to_owned(), bytes: b"%PD".to_vec() };
        assert_eq!(read(other).unwrap().other_body, Some(body));
        let wrapped = other.replace("JVBE", "\r\n JV\n  BE\n");
        assert_eq!(read(&wrapped).unwrap().other_body.unwrap().bytes, b"%PD", "lines are broken as one likes");
        let elsewhere = other.replace("JVBE", "<reference value='report.pdf'/>");
        assert_eq!(read(&elsewhere).unwrap().other_body.unwrap().bytes, b"");
        let text =
            "<?xml version=\"1.0\" encoding=\"GBK\"?><ClinicalDocument><title>检查报告</title></ClinicalDocument>";
        let (gbk, _, _) = encoding_rs::GBK.encode(text);
        let document = super::read(&gbk, &ClinicalDocumentLimits::default()).unwrap();
        assert_eq!(document.title, "检查报告");
    }
}
