//! What can be said about a registered record or a query: stable codes with their Chinese text (D-X6).
//!
//! E1xxx is about one record, E2xxx about a message, E3xxx about a query. Receivers show the text to staff, programs
//! look at the code; a code never changes its meaning.

use std::borrow::Cow;

macro_rules! codes {
    ($($name:ident $code:literal $text:literal,)*) => {
        /// A stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $text] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code as receivers see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// What it means, for staff.
            pub fn text(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    MissingKey "E1001" "缺少主键字段",
    BadDate "E1002" "日期无法识别，已按空值保存",
    NotANumber "E1003" "不是整数",
    TooLong "E1004" "超过规定长度，已完整保存",
    MissingField "E1005" "必填字段为空",
    UnknownOrganization "E1006" "机构编码未登记",
    ForeignOrganization "E1007" "发送方无权为该机构注册",
    BadState "E1008" "检查状态不在0至4之内，已按空值保存",
    BadStudyUid "E1009" "检查实例UID格式不正确，已忽略",
    OddStudyUid "E1010" "检查实例UID含前导零",
    SexContradiction "E1011" "性别编码与性别名称不一致，以编码为准",
    BadIdNo "E1012" "身份证号校验不通过",
    IdNoBirthDate "E1013" "身份证号与出生日期不一致",
    IdNoSex "E1014" "身份证号与性别不一致",
    NoStamp "E1015" "缺少最后修改时间，以接收时间代替",
    IdentityConflict "E1016" "报告单号已用于其他病人或事件，已另存并标记核对",
    RepeatedAttribute "E1017" "字段重复且内容不同，以最后一个为准",
    OddDataStatus "E1018" "数据状态不是0或1，按有效处理",
    SamePerson "E1019" "报告者与审核者相同",
    SerialNoMade "E1020" "缺少子项序号，已按顺序生成",
    Stripped "E1021" "报文含非法字符，已去除",
    MissingStudyUid "E1022" "检查已完成但缺少检查实例UID",
    UnknownField "E1023" "未知字段，已忽略",
    Orphan "E1024" "主表尚未到达，子项已暂存",
    LongAccession "E1025" "检查号超过16位，可能与影像不符",
    Strict "E1026" "严格校验未通过",
    HeadRejected "E1027" "主表被拒绝，子项已另存待核，请更正主表后连同子项重发",
    FileUnknown "E1080" "附带的文件不是PDF、JPG、PNG或TIFF",
    FileNotKept "E1081" "附带的报告文件未能保存，请重发",
    FileUnnamed "E1082" "附带的文件没有对应的检查记录",
    FileMissing "E1083" "报文未附带记录所指的报告文件",
    FileSkipped "E1084" "记录已过时或已撤销，附带的文件未采用",
    NotStored "E1090" "存储失败，请重发",
    Unreadable "E2001" "报文无法解析",
    NoRecords "E2002" "报文中没有检查或检验数据",
    TooManyRecords "E2003" "报文中的记录数超过上限",
    UnknownSender "E2004" "发送方未登记或无权注册",
    DocumentType "E2005" "报文不得含有DTD",
    TooLarge "E2006" "报文超过规定大小",
    NoParameter "E2007" "缺少参数strReportInfo",
    UnknownService "E2008" "没有这个服务",
    ServiceElsewhere "E2009" "本服务器不提供该服务",
    NotKept "E2090" "服务器暂时无法保存报文，请重发",
    NoIdentity "E3001" "卡号、身份证号必填其一",
    NoCredential "E3002" "身份标识或密钥不正确",
    BadQueryDate "E3003" "查询时间无法识别",
    SpanTooLong "E3004" "查询时间跨度超过上限",
    QueryFailed "E3090" "查询失败，请稍后再试",
}

/// A code about one field, or about the whole record when the field is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What.
    pub code: Code,
    /// The field's name on the wire.
    pub field: Cow<'static, str>,
}

impl Note {
    /// A note about a field.
    pub fn on(code: Code, field: impl Into<Cow<'static, str>>) -> Self {
        Self { code, field: field.into() }
    }

    /// A note about the whole record.
    pub fn of(code: Code) -> Self {
        Self::on(code, "")
    }

    /// Code, field and text in one line.
    pub fn line(&self) -> String {
        let Note { code, field } = self;
        let gap = if field.is_empty() { "" } else { " " };
        format!("{} {field}{gap}{}", code.as_str(), code.text())
    }
}

/// Most notes that are kept with one record.
const MOST_KEPT: usize = 60;

/// Codes and fields of notes as they are kept with a record: `E1002:Birth_Date E1016`, sorted, each once. The name of an
/// unknown field is the sender's own text and is not kept.
pub(super) fn kept_notes(notes: &[Note]) -> String {
    let word = |Note { code, field }: &Note| match (code, field.is_empty()) {
        (Code::UnknownField, _) | (_, true) => code.as_str().to_owned(),
        (_, false) => format!("{}:{field}", code.as_str()),
    };
    let words: std::collections::BTreeSet<String> = notes.iter().take(MOST_KEPT).map(word).collect();
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// The codes and fields that [`kept_notes`] wrote.
pub(super) fn read_kept_notes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| word.split_once(':').unwrap_or((word, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_x6_every_code_is_there_once_and_has_a_text() {
        let mut seen: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| !code.text().is_empty()));
        assert_eq!(Note::on(Code::BadDate, "Birth_Date").line(), "E1002 Birth_Date 日期无法识别，已按空值保存");
    }

    #[test]
    fn d_r14_notes_are_kept_as_codes_and_fields_without_what_a_sender_wrote() {
        let notes = [
            Note::on(Code::MissingField, "State"),
            Note::on(Code::UnknownField, "shoe size: 43"),
            Note::on(Code::BadDate, "Birth_Date"),
            Note::of(Code::IdentityConflict),
            Note::on(Code::MissingField, "State"),
        ];
        let kept = kept_notes(&notes);
        assert_eq!(kept, "E1002:Birth_Date E1005:State E1016 E1023");
        let read: Vec<_> = read_kept_notes(&kept).collect();
        assert_eq!(read, [("E1002", "Birth_Date"), ("E1005", "State"), ("E1016", ""), ("E1023", "")]);
        assert_eq!(read_kept_notes("").count(), 0);
    }
}
