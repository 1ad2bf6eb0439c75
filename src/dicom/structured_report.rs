//! Structured reports and key object selections (PS3.3 A.35, C.17.3, C.17.6) as lines of text for a page.
//!
//! The content tree is read whole, depth first, within limits; what a line means stays typed, so that whoever shows it
//! decides about links. Codes are shown by their meaning: for Chinese readers in Chinese where the code is a usual one
//! ([`Meanings`]). Nothing is computed.

use std::borrow::Cow;

use super::elements::{Elements, Encoding, Part10, Tag};
use super::render::inflate;
use super::text::{self, Charset};

const MAX_LINES: usize = 20_000;
const MAX_DEPTH: usize = 32;
/// Bytes of a deflated report after inflation.
const MAX_INFLATED: u64 = 64 << 20;
const KEY_OBJECT_SELECTION: &str = "1.2.840.10008.5.1.4.1.1.88.59";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// A report as it is read from top to bottom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StructuredReport {
    /// Concept Name of the root: what kind of report it is.
    pub title: String,
    /// Whether it is a Key Object Selection.
    pub is_key_objects: bool,
    /// Completion Flag: `Some(true)` for COMPLETE, `None` when nothing is said.
    pub complete: Option<bool>,
    /// Verification Flag.
    pub verified: Option<bool>,
    /// Content Date and Time, as digits.
    pub written_at: String,
    /// The content items.
    pub lines: Vec<Line>,
    /// Whether there were more lines than are shown.
    pub cut: bool,
}

/// In whose words codes are said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Meanings {
    /// Usual codes in Chinese, whatever the report calls them.
    #[default]
    Chinese,
    /// As the report calls them: nearly always in English.
    AsWritten,
}

/// One content item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How deep it lies in the tree, from 0.
    pub depth: usize,
    /// Concept Name; empty when it has none.
    pub label: String,
    /// What it says.
    pub content: Content,
}

/// What a content item says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// CONTAINER: a heading over the lines that follow, one deeper.
    Heading,
    /// TEXT, CODE, PNAME, DATE, TIME, DATETIME, UIDREF: paragraphs.
    Text(Vec<String>),
    /// NUM: a value and its unit.
    Number {
        /// As it is written in the file.
        value: String,
        /// Empty when there is none.
        unit: String,
    },
    /// IMAGE: an image, and which of its frames; all of them when none is named.
    Image(Reference),
    /// COMPOSITE or WAVEFORM: another object.
    Object(Reference),
    /// SCOORD or TCOORD: where in the image.
    Place(String),
}

/// An object that a report points at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// Referenced SOP Instance UID.
    pub sop_instance_uid: String,
    /// Referenced Frame Number.
    pub frames: Vec<u32>,
}

/// The object has no content tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the object holds no structured report")]
pub struct NoReport;

impl StructuredReport {
    /// Reads a Part 10 file; undeclared text is taken to be in `charset`.
    pub fn read(file: &[u8], charset: &Charset, meanings: Meanings) -> Result<Self, NoReport> {
        let part10 = Part10::read(file);
        let data_set = file.get(part10.dataset_offset..).unwrap_or_default();
        let deflated = part10.transfer_syntax == DEFLATED;
        let data_set = if deflated { Cow::Owned(inflate(data_set, MAX_INFLATED)) } else { Cow::Borrowed(data_set) };
        let encoding = Encoding::of_transfer_syntax(part10.transfer_syntax);
        let root = Elements::read(&data_set, encoding);
        let terms = root.get((0x0008, 0x0005)).and_then(|element| element.text()).unwrap_or_default();
        let terms: Vec<&str> = if terms.is_empty() { Vec::new() } else { terms.split('\\').map(str::trim).collect() };
        if root.get((0x0040, 0xA730)).is_none() && root.text((0x0040, 0xA040)) != Some("CONTAINER") {
            return Err(NoReport);
        }
        let reader = Reader { terms, charset, meanings };
        let flag = |tag: Tag, yes: &str| root.text(tag).map(|value| value == yes);
        let mut report = Self {
            title: reader.concept(&root, (0x0040, 0xA043)),
            is_key_objects: root.text((0x0008, 0x0016)) == Some(KEY_OBJECT_SELECTION),
            complete: flag((0x0040, 0xA491), "COMPLETE"),
            verified: flag((0x0040, 0xA493), "VERIFIED"),
            written_at: [(0x0008, 0x0023), (0x0008, 0x0033)].map(|tag| root.text(tag).unwrap_or_default()).concat(),
            ..Self::default()
        };
        reader.walk(&root, 0, &mut report);
        Ok(report)
    }

    /// The texts of the report, one after the other: what a key object selection says of its images.
    pub fn description(&self) -> String {
        let texts = self.lines.iter().filter_map(|line| match &line.content {
            Content::Text(paragraphs) => Some(paragraphs.join(" ")),
            _ => None,
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    /// All images that the report points at, in its order, each once.
    pub fn images(&self) -> Vec<&Reference> {
        let mut found: Vec<&Reference> = Vec::new();
        for line in &self.lines {
            if let Content::Image(reference) = &line.content
                && !found.contains(&reference)
            {
                found.push(reference);
            }
        }
        found
    }
}

struct Reader<'a> {
    terms: Vec<&'a str>,
    charset: &'a Charset,
    meanings: Meanings,
}

impl Reader<'_> {
    fn walk(&self, parent: &Elements<'_>, depth: usize, report: &mut StructuredReport) {
        for item in parent.items((0x0040, 0xA730)) {
            if report.lines.len() >= MAX_LINES || depth >= MAX_DEPTH {
                report.cut = true;
                return;
            }
            if let Some(content) = self.content(&item) {
                let label = self.concept(&item, (0x0040, 0xA043));
                report.lines.push(Line { depth, label, content });
            }
            self.walk(&item, depth + 1, report);
        }
    }

    /// `None` for a reference to another item and for value types that say nothing.
    fn content(&self, item: &Elements<'_>) -> Option<Content> {
        let text = |tag: Tag| Content::Text(self.paragraphs(item, tag));
        Some(match item.text((0x0040, 0xA040))? {
            "CONTAINER" => Content::Heading,
            "TEXT" => text((0x0040, 0xA160)),
            "CODE" => Content::Text(vec![self.concept(item, (0x0040, 0xA168))]),
            "PNAME" => Content::Text(self.paragraphs(item, (0x0040, 0xA123)).iter().map(|name| person(name)).collect()),
            "DATETIME" => Content::Text(vec![moment(item.text((0x0040, 0xA120)).unwrap_or_default())]),
            "DATE" => Content::Text(vec![moment(item.text((0x0040, 0xA121)).unwrap_or_default())]),
            "TIME" => Content::Text(vec![clock(item.text((0x0040, 0xA122)).unwrap_or_default())]),
            "UIDREF" => text((0x0040, 0xA124)),
            "NUM" => {
                let measured = item.first_item((0x0040, 0xA300))?;
                let value = measured.text((0x0040, 0xA30A)).unwrap_or_default().replace('\\', ", ");
                let unit = measured.first_item((0x0040, 0x08EA)).map(|unit| self.unit(&unit)).unwrap_or_default();
                Content::Number { value, unit }
            }
            "IMAGE" => Content::Image(reference(item)?),
            "COMPOSITE" | "WAVEFORM" => Content::Object(reference(item)?),
            "SCOORD" | "SCOORD3D" => Content::Place(self.shape(item.text((0x0070, 0x0023)).unwrap_or_default())),
            "TCOORD" => Content::Place(self.shape("TIME")),
            _ => return None,
        })
    }

    /// The meaning of the code in the first item of a sequence.
    fn concept(&self, item: &Elements<'_>, sequence: Tag) -> String {
        let Some(code) = item.first_item(sequence) else { return String::new() };
        let value = code.text((0x0008, 0x0100)).or_else(|| code.text((0x0008, 0x0119))).unwrap_or_default();
        let scheme = code.text((0x0008, 0x0102)).unwrap_or_default();
        let usual = match self.meanings {
            Meanings::Chinese => usual_meaning(scheme, value),
            Meanings::AsWritten => None,
        };
        usual.map(str::to_owned).unwrap_or_else(|| match self.paragraphs(&code, (0x0008, 0x0104)).join(" ") {
            meaning if meaning.is_empty() => value.to_owned(),
            meaning => meaning,
        })
    }

    /// What a place in an image, or in a recording, is.
    fn shape(&self, graphic_type: &str) -> String {
        let chinese = match graphic_type {
            _ if self.meanings == Meanings::AsWritten => return graphic_type.to_ascii_lowercase(),
            "POINT" | "MULTIPOINT" => "点",
            "POLYLINE" => "折线",
            "POLYGON" => "多边形",
            "CIRCLE" => "圆",
            "ELLIPSE" | "ELLIPSOID" => "椭圆",
            "TIME" => "时间段",
            other => other,
        };
        chinese.to_owned()
    }

    fn unit(&self, code: &Elements<'_>) -> String {
        // Units of UCUM are read by everybody; "1" and what is in braces count things.
        match code.text((0x0008, 0x0100)) {
            Some("1" | "{no units}") | None => String::new(),
            Some(unit) if unit.starts_with('{') => self.paragraphs(code, (0x0008, 0x0104)).join(" "),
            Some(unit) => unit.to_owned(),
        }
    }

    fn paragraphs(&self, item: &Elements<'_>, tag: Tag) -> Vec<String> {
        let bytes = item.get(tag).map_or(&[][..], |element| element.value);
        let lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n' | 0x0C));
        let decoded = lines.map(|line| text::decode(line, &self.terms, self.charset).trim().to_owned());
        decoded.filter(|line| !line.is_empty()).collect()
    }
}

fn reference(item: &Elements<'_>) -> Option<Reference> {
    let referenced = item.first_item((0x0008, 0x1199))?;
    let sop_instance_uid = referenced.text((0x0008, 0x1155))?.to_owned();
    let frames = referenced.numbers((0x0008, 0x1160));
    Some(Reference { sop_instance_uid, frames: frames.iter().map(|frame| *frame as u32).take(10_000).collect() })
}

/// The ideographic group of a name, else the first, without its separators.
fn person(name: &str) -> String {
    let groups: Vec<&str> = name.split('=').collect();
    let shown = groups.get(1).filter(|group| !group.is_empty()).or(groups.first()).copied().unwrap_or_default();
    shown.split('^').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `2024-03-22 14:46:06` of a DT or DA.
fn moment(digits: &str) -> String {
    let (Some(year), Some(month), Some(day)) = (digits.get(..4), digits.get(4..6), digits.get(6..8)) else {
        return digits.to_owned();
    };
    match digits.get(8..).filter(|rest| rest.len() >= 4) {
        Some(rest) => format!("{year}-{month}-{day} {}", clock(rest)),
        None => format!("{year}-{month}-{day}"),
    }
}

fn clock(digits: &str) -> String {
    match (digits.get(..2), digits.get(2..4), digits.get(4..6)) {
        (Some(hour), Some(minute), Some(second)) => format!("{hour}:{minute}:{second}"),
        (Some(hour), Some(minute), None) => format!("{hour}:{minute}"),
        _ => digits.to_owned(),
    }
}

/// Concepts that reports of all makers use (PS3.16 annex D, LOINC, SNOMED CT), in Chinese.
fn usual_meaning(scheme: &str, code: &str) -> Option<&'static str> {
    let meaning = match (scheme, code) {
        ("LN", "11528-7") => "放射学报告",
        ("LN", "18748-4") => "影像诊断报告",
        ("LN", "18782-3") => "影像检查所见",
        ("LN", "18785-6") => "检查原因",
        ("LN", "19005-8") => "影像印象",
        ("LN", "18834-2") => "对比检查",
        ("LN", "55112-7") => "小结",
        ("LN", "121181") | ("DCM", "121181") => "DICOM 对象目录",
        ("DCM", "111001") => "算法名称",
        ("DCM", "111036") => "乳腺影像报告",
        ("DCM", "113000") => "关注影像",
        ("DCM", "113001") => "质量原因拒绝",
        ("DCM", "113002") => "供转诊医生",
        ("DCM", "113003") => "供手术",
        ("DCM", "113004") => "供教学",
        ("DCM", "113005") => "供会诊",
        ("DCM", "113006") => "供病历",
        ("DCM", "113007") => "供科研",
        ("DCM", "113009") => "供报告附图",
        ("DCM", "113010") => "质量问题",
        ("DCM", "113011") => "拒绝原因",
        ("DCM", "113012") => "关键影像说明",
        ("DCM", "113013") => "最佳影像",
        ("DCM", "113020") => "供报告",
        ("DCM", "113030") => "清单",
        ("DCM", "113701") => "X 射线辐射剂量报告",
        ("DCM", "113702") => "累计剂量数据",
        ("DCM", "113705") => "累积范围",
        ("DCM", "113706") => "照射事件数据",
        ("DCM", "113722") => "剂量面积乘积总计",
        ("DCM", "113725") => "参考点剂量总计",
        ("DCM", "113730") => "透视总时间",
        ("DCM", "113733") => "管电压",
        ("DCM", "113734") => "管电流",
        ("DCM", "113735") => "曝光时间",
        ("DCM", "113769") => "照射事件 UID",
        ("DCM", "113811") => "CT 累计剂量数据",
        ("DCM", "113812") => "照射事件总数",
        ("DCM", "113813") => "CT 剂量长度乘积总计",
        ("DCM", "113819") => "CT 采集",
        ("DCM", "113820") => "CT 采集类型",
        ("DCM", "113822") => "CT 采集参数",
        ("DCM", "113823") => "曝光时间",
        ("DCM", "113824") => "曝光时间",
        ("DCM", "113825") => "扫描长度",
        ("DCM", "113826") => "单层准直宽度",
        ("DCM", "113827") => "总准直宽度",
        ("DCM", "113828") => "螺距",
        ("DCM", "113829") => "CT 剂量",
        ("DCM", "113830") => "平均 CTDIvol",
        ("DCM", "113835") => "CTDIw 体模类型",
        ("DCM", "113838") => "剂量长度乘积",
        ("DCM", "121005") => "观察者类型",
        ("DCM", "121006") => "人员",
        ("DCM", "121007") => "设备",
        ("DCM", "121008") => "观察者姓名",
        ("DCM", "121009") => "观察者单位",
        ("DCM", "121012") => "设备 UID",
        ("DCM", "121013") => "设备名称",
        ("DCM", "121014") => "设备厂商",
        ("DCM", "121015") => "设备型号",
        ("DCM", "121016") => "设备序列号",
        ("DCM", "121018") => "检查 UID",
        ("DCM", "121022") => "检查号",
        ("DCM", "121023") => "检查代码",
        ("DCM", "121024") => "受检者类别",
        ("DCM", "121029") => "受检者姓名",
        ("DCM", "121030") => "受检者 ID",
        ("DCM", "121031") => "出生日期",
        ("DCM", "121032") => "性别",
        ("DCM", "121033") => "年龄",
        ("DCM", "121049") => "内容语言",
        ("DCM", "121050") => "等同说法",
        ("DCM", "121058") => "申请的检查",
        ("DCM", "121060") => "病史",
        ("DCM", "121062") => "申请",
        ("DCM", "121064") => "当前检查描述",
        ("DCM", "121065") => "检查描述",
        ("DCM", "121066") => "既往检查描述",
        ("DCM", "121068") => "既往所见",
        ("DCM", "121069") => "既往所见",
        ("DCM", "121070") => "所见",
        ("DCM", "121071") => "所见",
        ("DCM", "121072") => "印象",
        ("DCM", "121073") => "印象",
        ("DCM", "121074") => "建议",
        ("DCM", "121075") => "建议",
        ("DCM", "121076") => "结论",
        ("DCM", "121077") => "结论",
        ("DCM", "121080") => "最佳影像",
        ("DCM", "121106") => "说明",
        ("DCM", "121109") => "检查指征",
        ("DCM", "121110") => "患者表现",
        ("DCM", "121111") => "小结",
        ("DCM", "121112") => "测量来源",
        ("DCM", "121173") => "长度",
        ("DCM", "121180") => "关键影像",
        ("DCM", "121190") => "参考帧",
        ("DCM", "121206") => "距离",
        ("DCM", "121207") => "高度",
        ("DCM", "122417") => "左心室壁",
        ("DCM", "125000") => "产科超声报告",
        ("DCM", "125007") => "测量组",
        ("DCM", "125100") => "血管超声报告",
        ("DCM", "125200") => "成人超声心动图报告",
        ("DCM", "126000") => "影像测量报告",
        ("DCM", "126010") => "影像测量",
        ("DCM", "126011") => "测量与评价",
        ("DCM", "112039") => "跟踪标识",
        ("DCM", "112040") => "跟踪 UID",
        ("SRT", "G-A166") | ("SCT", "42798000") => "面积",
        ("SRT", "G-D705") | ("SCT", "118565006") => "体积",
        ("SRT", "G-D7FE") | ("SCT", "410668003") => "长度",
        ("SRT", "M-02550") | ("SCT", "81827009") => "直径",
        ("SRT", "G-C171") | ("SCT", "272741003") => "侧别",
        ("SRT", "G-C0E3") | ("SCT", "363698007") => "部位",
        ("SRT", "G-A100") | ("SCT", "24028007") => "右",
        ("SRT", "G-A101") | ("SCT", "7771000") => "左",
        ("SRT", "R-00317") | ("SCT", "373098007") => "均值",
        ("SRT", "R-404FB") | ("SCT", "56851009") => "最大值",
        ("SRT", "R-404FC") | ("SCT", "255605001") => "最小值",
        _ => return None,
    };
    Some(meaning)
}

#[cfg(test)]
mod tests;
