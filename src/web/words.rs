//! The languages of the pages and the viewer, and what each Chinese word of theirs is in English.
//!
//! Templates say every word by `Shell::say`; what a hospital sends is never translated. A word that has no English is shown as
//! it is, and a test finds those that stand in a template or in the tables of labels.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};

use crate::archive::images::read_document::Meanings;

/// A language of the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Language {
    #[default]
    Chinese,
    English,
}

impl Language {
    /// Reads a parameter or what a session keeps.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("zh") => Some(Language::Chinese),
            Some("en") => Some(Language::English),
            _ => None,
        }
    }

    /// What the browser prefers: the first of the two in `Accept-Language`, by weight (RFC 9110 section 12.5.4).
    pub(super) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let wanted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut best: Option<(f32, Self)> = None;
        for range in wanted.split(',').take(32) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
            if let Some(language) = Self::parse(tag.trim()).filter(|_| weight > 0.0)
                && best.is_none_or(|(other, _)| weight > other)
            {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    /// What is kept with a session.
    pub(super) fn code(self) -> &'static str {
        match self {
            Language::Chinese => "zh",
            Language::English => "en",
        }
    }

    /// `lang` of the document.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Language::Chinese => "zh-CN",
            Language::English => "en",
        }
    }

    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Language::Chinese => Language::English,
            Language::English => Language::Chinese,
        }
    }

    /// In whose words codes of documents are said to readers of it.
    pub(super) fn meanings(self) -> Meanings {
        match self {
            Language::Chinese => Meanings::Chinese,
            Language::English => Meanings::AsWritten,
        }
    }

    /// A word or sentence of the pages in this language.
    pub(super) fn say(self, chinese: &str) -> Cow<'_, str> {
        if self == Language::Chinese {
            return Cow::Borrowed(chinese);
        }
        if let Some(english) = english(chinese) {
            return Cow::Borrowed(english);
        }
        for (prefix, english) in PREFIXES {
            if let Some(rest) = chinese.strip_prefix(prefix) {
                return Cow::Owned(format!("{english}{rest}"));
            }
        }
        // Numbers with a counter: ages and pictures.
        for (counter, english) in COUNTERS {
            if let Some(number) = chinese.strip_suffix(counter).map(str::trim)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Cow::Owned(format!("{number}{english}"));
            }
        }
        Cow::Borrowed(chinese)
    }
}

/// Words that a number or a name of the hospital's follows.
const PREFIXES: [(&str, &str); 4] =
    [("记录 ", "Recording "), ("波形组 ", "Group "), ("视频 ", "Video "), ("图中位置：", "Place in the image: ")];

const COUNTERS: [(&str, &str); 4] = [("岁", " y"), ("个月", " mo"), ("天", " d"), ("幅", " images")];

/// The English of a word, if the table has it.
pub(super) fn english(chinese: &str) -> Option<&'static str> {
    ENGLISH.iter().find(|(word, _)| *word == chinese).map(|(_, english)| *english)
}

const ENGLISH: &[(&str, &str)] = &[
    ("影库", "Yingku"),
    ("影像与报告归档", "Imaging and report archive"),
    ("仅供授权医务人员使用", "For authorised medical staff only"),
    ("仅供受检者本人及其授权的人查看", "For the patient and those the patient has authorised"),
    ("访问已记录", "access is recorded"),
    ("关闭", "Close"),
    ("打印", "Print"),
    ("跳到内容", "Skip to content"),
    ("中文", "中文"),
    ("检查列表", "Exams"),
    ("检查查询", "Find exams"),
    ("相关检查", "Related exams"),
    ("姓名", "Name"),
    ("检查日期从", "Date from"),
    ("到", "to"),
    ("检查类型", "Type"),
    ("全部", "All"),
    ("磁共振", "MR"),
    ("CT", "CT"),
    ("X线", "X-ray"),
    ("超声", "Ultrasound"),
    ("内镜", "Endoscopy"),
    ("心电", "ECG"),
    ("乳腺", "Mammography"),
    ("核医学", "Nuclear medicine"),
    ("病理", "Pathology"),
    ("检验", "Laboratory"),
    ("血管造影", "Angiography"),
    ("检查", "Exam"),
    ("检查号", "Number"),
    ("查询", "Search"),
    ("重置", "Reset"),
    ("没有符合条件的检查。", "No exams match."),
    ("可能尚未上传，或不在可查看的范围内。", "They may not have been sent yet, or are outside what may be seen here."),
    ("检查时间", "Date"),
    ("时间", "Date"),
    ("类型", "Type"),
    ("项目", "Exam"),
    ("部位", "Body part"),
    ("医院", "Hospital"),
    ("状态", "Status"),
    ("内容", "Content"),
    ("时间未知", "date unknown"),
    ("查看", "View"),
    ("未审核", "not reviewed"),
    ("报告", "Report"),
    ("影像", "Images"),
    ("异常", "abnormal"),
    ("危急", "critical"),
    ("共", "Total"),
    ("份", ""),
    ("以上", "or more"),
    ("份检查报告", "exam reports"),
    ("份检验报告", "lab reports"),
    ("份无报告影像", "image studies without a report"),
    ("另有受限报告（干部保健或保密）未显示：", "Restricted reports (VIP or confidential) not shown: "),
    ("互认的是影像和数据，不包括诊断意见", "Images and data are recognised, not the diagnosis"),
    (
        "以下为全部患者中的查询结果，不限于打开时的患者，请核对姓名。",
        "Results among all patients, not only the one that was opened; check the name.",
    ),
    ("首页", "First page"),
    ("翻页", "Pages of the list"),
    ("上一页", "Previous page"),
    ("下一页", "Next page"),
    ("按此列排序", "Sort by this column"),
    ("开始日期的格式不正确，应为 2024-01-31。", "The first date cannot be read; write it like 2024-01-31."),
    ("结束日期的格式不正确，应为 2024-01-31。", "The last date cannot be read; write it like 2024-01-31."),
    ("未出报告", "no report yet"),
    ("已发布", "published"),
    ("已登记", "registered"),
    ("已检查", "examined"),
    ("已书写", "written"),
    ("已审核", "reviewed"),
    ("已修订", "revised"),
    ("已报告", "reported"),
    ("男", "male"),
    ("女", "female"),
    ("未知", "unknown"),
    ("图文报告", "Report"),
    ("文字报告", "Text"),
    ("检验结果", "Results"),
    ("电子胶片", "Film"),
    ("心电波形", "ECG"),
    ("波形", "Waveforms"),
    ("视频", "Video"),
    ("申请单", "Request"),
    ("附件", "Attachments"),
    ("报告单号", "Report no."),
    ("病人号", "Patient no."),
    ("身份证号", "Identity no."),
    ("检验时间", "Date"),
    ("标本", "Specimen"),
    ("互认", "Recognition"),
    ("申请科室", "Requesting department"),
    ("申请医生", "Requested by"),
    ("报告医生", "Reported by"),
    ("报告时间", "Reported at"),
    ("审核医生", "Reviewed by"),
    ("审核时间", "Reviewed at"),
    ("打开报告", "Open report"),
    ("下载", "Download"),
    ("打开原件", "Open original"),
    ("下载原件", "Download original"),
    ("本次就诊合并打印", "All results of this visit"),
    ("该报告文件未加二维码", "This report file carries no QR code"),
    ("没有文字报告内容。", "There is no text report."),
    ("本报告尚未审核，仅供参考。", "This report has not been reviewed yet."),
    ("没有申请单内容。", "There is no request form."),
    ("没有检验结果。", "There are no results."),
    ("本检查没有可显示的内容。", "There is nothing to show of this exam."),
    ("检查项目", "Exam"),
    ("临床诊断", "Clinical diagnosis"),
    ("影像所见", "Findings"),
    ("影像结论", "Conclusion"),
    ("申请单号", "Request no."),
    ("医嘱号", "Order no."),
    ("申请时间", "Requested at"),
    ("病情描述", "Condition"),
    ("检查目的", "Purpose"),
    ("执行科室", "Performing department"),
    ("设备", "Device"),
    ("结果", "Result"),
    ("提示", "Flag"),
    ("单位", "Unit"),
    ("参考范围", "Reference"),
    ("方法", "Method"),
    ("趋势图", "Trend"),
    ("趋势", "Trend"),
    ("危急值", "Critical values"),
    ("正常", "normal"),
    ("序列", "Series"),
    ("打开", "Open"),
    ("申请单扫描件", "Scan of the request"),
    ("知情同意书", "Consent"),
    ("采集图片", "Captured picture"),
    ("采集视频", "Captured video"),
    ("心电文件", "ECG file"),
    ("病理资料", "Pathology"),
    ("报告文件", "Report file"),
    ("其它附件", "Other attachment"),
    ("完整版", "Full viewer"),
    ("当前：简易版", "This is the basic page"),
    ("首幅", "First"),
    ("末幅", "Last"),
    ("上一幅", "Previous"),
    ("下一幅", "Next"),
    ("放大", "Zoom in"),
    ("缩小", "Zoom out"),
    ("左转", "Turn left"),
    ("右转", "Turn right"),
    ("反相", "Invert"),
    ("复位", "Reset"),
    ("默认窗", "Default"),
    ("默认", "default"),
    ("肺窗", "Lung"),
    ("纵隔窗", "Mediastinum"),
    ("骨窗", "Bone"),
    ("脑窗", "Brain"),
    ("腹部窗", "Abdomen"),
    ("脑卒中窗", "Stroke"),
    ("肝窗", "Liver"),
    ("血管窗", "Vessels"),
    ("软组织窗", "Soft tissue"),
    ("本检查没有图文报告文件，请查看文字报告。", "There is no report file; see the text report."),
    ("本检查没有图文报告文件，已显示文字报告。", "There is no report file; the text report is shown."),
    ("报告文件获取中，请稍后刷新页面。", "The report file is being fetched; reload in a moment."),
    ("报告文件获取中，已先显示文字报告。", "The report file is being fetched; the text report is shown meanwhile."),
    (
        "报告文件获取失败，请联系医院信息科；文字报告仍可查看。",
        "The report file could not be fetched; please tell the hospital's IT. The text report can be read.",
    ),
    (
        "报告文件获取失败，已显示文字报告；请联系医院信息科。",
        "The report file could not be fetched, the text report is shown; please tell the hospital's IT.",
    ),
    ("本检查没有所请求的内容，已显示其它可用内容。", "What was asked for is not there; other content is shown."),
    (
        "部分影像已上传至上级平台保存，本机不再保留，无法在此显示。",
        "Some images are kept by the upstream archive only and cannot be shown here.",
    ),
    ("该患者的其它检查", "Other exams of this patient"),
    ("没有其它可查看的检查。", "No others that may be seen."),
    ("全部检查", "All exams"),
    ("更新", "updated"),
    ("历次版本", "Versions"),
    ("现行版本", "current version"),
    (
        "您正在查看旧版报告，已被新版替换，仅供对照。",
        "This is an earlier version of the report; it has been replaced and is shown for comparison only.",
    ),
    ("返回现行版本", "Back to the current version"),
    ("第", "version"),
    ("版", ""),
    ("替换于", "replaced"),
    ("返回检验结果", "Back to the results"),
    ("没有可以绘图的数值结果。", "No results that can be drawn."),
    ("未能识别为数值的结果：", "Results that are not numbers: "),
    ("历次结果", "All results"),
    ("当前报告", "this report"),
    ("查看报告", "View the report"),
    ("查看检查检验报告", "View an exam or laboratory report"),
    (
        "为保护个人隐私，请输入受检者身份证号的后四位。",
        "To protect the patient's privacy, enter the last four characters of the patient's identity number.",
    ),
    (
        "输入不正确，请核对后重试。多次错误将暂时锁定。",
        "That is not right; check it and try again. After several wrong attempts you will have to wait.",
    ),
    (
        "报告上没有身份证号的，请输入就诊卡号的后四位，或八位出生日期（如 19900101）。",
        "When the report has no identity number: the last four characters of the card number, or the date of birth as \
         eight digits (such as 19900101).",
    ),
    ("链接已停用", "Link shut"),
    (
        "输入错误次数过多，此链接已停用。请联系出具报告的医疗机构。",
        "There were too many wrong answers, and this link has been shut. Please ask the hospital that issued the report.",
    ),
    ("身份证号后四位", "Last four characters of the identity number"),
    ("尝试次数过多", "Too many attempts"),
    ("链接不可用", "Link not available"),
    (
        "该报告链接不可用。可能已过期或已撤销，请联系出具报告的医疗机构。",
        "This link cannot be used. It may have expired or been revoked; please ask the hospital that issued the report.",
    ),
    ("没有可以绘图的数值结果", "No results that can be drawn"),
    ("绿色：参考范围", "Green: reference range"),
    ("滴度 1:n", "titre 1:n"),
    ("阴性 0，阳性按加号", "negative 0, positive by plus signs"),
    ("无单位", "no unit"),
    ("提交内容过大", "Too large"),
    ("提交的内容超过了长度限制。", "What was sent exceeds the limit."),
    ("请求格式不支持", "Format not supported"),
    ("请通过页面上的表单提交。", "Please use the form on the page."),
    ("提交的内容有误，请返回后重新填写。", "What was sent cannot be read; go back and fill in the form again."),
    ("链接参数有误。", "The link's parameters cannot be read."),
    ("查询条件有误。", "The search cannot be read."),
    ("请求方式不支持", "Method not supported"),
    ("该地址不支持这种请求方式。", "This address does not support the method."),
    ("地址过长", "Address too long"),
    ("请求的地址超过了长度限制。", "The address exceeds the limit."),
    ("处理超时", "Timed out"),
    ("服务器未能及时完成处理，请稍后重试。", "The server did not finish in time; try again later."),
    ("服务器处理请求时发生错误，请稍后重试。", "The server met an error; try again later."),
    ("请求有误", "Bad request"),
    ("无法打开", "Cannot be opened"),
    ("未找到检查", "Not found"),
    ("未找到页面", "No such page"),
    ("会话已失效", "Session ended"),
    ("访问过于频繁", "Too many requests"),
    ("无法显示", "Cannot be shown"),
    ("服务暂不可用", "Service unavailable"),
    ("服务异常", "Service error"),
    ("报告已撤回", "Report withdrawn"),
    ("不允许", "Not permitted"),
    (
        "链接无效或已过期，请从业务系统重新打开。",
        "The link is not valid or has expired; open it again from your system.",
    ),
    ("会话已失效或已超时，请从业务系统重新打开。", "The session has ended; open the page again from your system."),
    (
        "没有找到符合条件的检查。可能尚未上传，或不在可查看的范围内。",
        "No exam matches. It may not have been sent yet, or is outside what may be seen here.",
    ),
    ("没有找到该检查，或当前会话无权查看。", "There is no such exam, or this session may not see it."),
    (
        "出具报告的医院已撤回本报告，内容不再显示。请以医院重新发布的报告为准。",
        "The hospital has withdrawn this report; it is no longer shown. Wait for the report that replaces it.",
    ),
    ("数据过大，无法在线显示。", "The data is too large to be shown."),
    ("该数据无法在线显示。", "The data cannot be shown."),
    ("存储服务暂时不可用，请稍后重试。", "Storage is not available at the moment; try again later."),
    ("请稍后再试。", "Please try again later."),
    ("本业务系统未开通下载，可在页面上查看。", "Downloads are not enabled for your system; read it on the page."),
    ("您访问的地址不存在。", "There is nothing at this address."),
    ("末页", "Last page"),
    ("3×4＋节律", "3×4 + rhythm"),
    ("打开原尺寸图（按 100% 打印即为真实毫米）", "Open in true size (print at 100 %)"),
    ("该波形无法在线显示。", "This waveform cannot be shown here."),
    ("该波形的编码方式无法在线显示。", "The coding of this waveform cannot be shown here."),
    (
        "浏览器不支持该视频的编码方式，请下载后播放。",
        "Browsers cannot play the coding of this video; download it to play it.",
    ),
    ("该视频当前无法读取。", "This video cannot be read at present."),
    ("引用影像", "Referenced image"),
    ("该文档无法在线显示。", "This document cannot be shown here."),
    (
        "该文档的格式无法在线显示，可下载后查看。",
        "The format of this document cannot be shown here; it can be downloaded.",
    ),
    ("结构化报告", "Structured report"),
    ("书写时间", "Written"),
    ("完成状态", "Completion"),
    ("已完成", "Complete"),
    ("未完成", "Partial"),
    ("核实状态", "Verification"),
    ("已核实", "Verified"),
    ("未核实", "Unverified"),
    ("内容过长，仅显示前面的部分。", "The content is long; only its beginning is shown."),
    ("作者", "Author"),
    ("保管机构", "Custodian"),
    (
        "文档正文为其它格式的附件，可下载后查看。",
        "The body of the document is an attachment of another format; it can be downloaded.",
    ),
    ("引用其它对象", "Refers to another object"),
    ("引用的影像不在本检查中", "The referenced image is not part of this exam"),
    ("文档", "Documents"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(text: &str) -> Option<Language> {
        Language::preferred(&HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, text.parse().unwrap())]))
    }

    #[test]
    fn the_browsers_first_language_of_the_two_counts() {
        assert_eq!(preferred("zh-CN,zh;q=0.9,en;q=0.8"), Some(Language::Chinese));
        assert_eq!(preferred("en-US,en;q=0.9"), Some(Language::English));
        assert_eq!(preferred("de,zh;q=0.2,en;q=0.7"), Some(Language::English));
        assert_eq!(preferred("fr"), None);
        assert_eq!(preferred("en;q=0, zh;q=x, é"), None);
        assert_eq!(Language::preferred(&HeaderMap::new()), None);
    }

    #[test]
    fn words_numbers_and_what_is_nobodys_word() {
        assert_eq!(Language::English.say("检查列表"), "Exams");
        assert_eq!(Language::English.say("33岁"), "33 y");
        assert_eq!(Language::English.say("胸部CT平扫"), "胸部CT平扫");
        assert_eq!(Language::Chinese.say("检查列表"), "检查列表");
    }

    #[test]
    fn every_word_that_a_template_says_has_its_english() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/pages/templates");
        let mut missing = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for part in text.split("say(\"").skip(1) {
                let word = part.split('"').next().unwrap();
                if english(word).is_none() {
                    missing.push(word.to_owned());
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn no_word_stands_twice() {
        for (at, (word, _)) in ENGLISH.iter().enumerate() {
            assert!(!ENGLISH[..at].iter().any(|(other, _)| other == word), "{word}");
        }
    }
}
