//! Who and what there is in 示例医院: patients, examinations, words of the reports. Nothing here is about anybody.

use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};

use super::data_set::{Charset, uid};

/// The demonstration's institution code.
pub const ORGANIZATION_CODE: &str = "ORG-T01";
/// The demonstration's institution name.
pub const ORGANIZATION_NAME: &str = "示例医院";

/// A synthetic patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Patient id of the hospital.
    pub patient_id: &'static str,
    /// Patient id of the imaging systems: the DICOM PatientID.
    pub patient_local_id: &'static str,
    /// Name in Chinese.
    pub name: &'static str,
    /// Name in Pinyin, as a DICOM alphabetic group.
    pub pinyin: &'static str,
    /// GB/T 2261.1: 1 male, 2 female.
    pub sex_code: &'static str,
    /// `yyyyMMdd`.
    pub birth_date: &'static str,
    /// Card number.
    pub card_no: &'static str,
    /// GB 11643 number of the area 990101, which does not exist.
    pub id_no: String,
}

impl Patient {
    fn new(
        number: usize,
        name: &'static str,
        pinyin: &'static str,
        sex_code: &'static str,
        birth: &'static str,
    ) -> Self {
        let ids = [("P0001", "L0001", "C00000001"), ("P0002", "L0002", "C00000002"), ("P0003", "L0003", "C00000003")];
        let (patient_id, patient_local_id, card_no) =
            ids.get(number).copied().unwrap_or(("P0004", "L0004", "C00000004"));
        let sequence = if sex_code == "1" { "001" } else { "002" };
        let id_no = identity_number(&format!("990101{birth}{sequence}"));
        Self { patient_id, patient_local_id, name, pinyin, sex_code, birth_date: birth, card_no, id_no }
    }

    /// 男 or 女.
    pub fn sex_name(&self) -> &'static str {
        if self.sex_code == "1" { "男" } else { "女" }
    }
}

/// Adds the check character of GB 11643-1999 to 17 digits.
fn identity_number(digits: &str) -> String {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = char::from(b"10X98765432"[(sum % 11) as usize]);
    format!("{digits}{check}")
}

/// What the scanner of an examination makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CT of the abdomen, with an electronic film.
    CtWithFilm,
    /// MR of the head.
    Mr,
    /// Digital radiograph of the chest.
    Dx,
    /// Ultrasound loop of the liver.
    Us,
    /// Electrocardiogram of twelve leads.
    Ecg,
}

/// The format of a report's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// PDF.
    Pdf,
    /// JPEG picture.
    Jpg,
}

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The images, then the registration.
    ImagesFirst,
    /// The registration, then the images.
    RegistrationFirst,
}

/// One examination: its images and its registered report.
#[derive(Debug, Clone)]
pub struct Exam {
    /// What the scanner makes.
    pub kind: Kind,
    /// AccessionNumber, `pacs_id`.
    pub accession_number: &'static str,
    /// Report number.
    pub report_form_no: &'static str,
    /// The patient.
    pub patient: Patient,
    /// StudyInstanceUID.
    pub study_instance_uid: String,
    /// Modality.
    pub modality: &'static str,
    /// Body part, in Chinese.
    pub body_part: &'static str,
    /// Study description, in Chinese.
    pub item: &'static str,
    /// When the images were made.
    pub performed: OffsetDateTime,
    /// The device.
    pub device: &'static str,
    /// Clinical diagnosis.
    pub diagnosis: &'static str,
    /// Findings, a paragraph a line.
    pub findings: &'static str,
    /// Conclusion, a paragraph a line.
    pub conclusion: &'static str,
    /// Format of the report's file.
    pub report_format: ReportFormat,
    /// Order of arrival.
    pub order: Order,
    /// Whether the registration names the study, or PatientID and AccessionNumber must link it.
    pub names_study: bool,
    /// Encoding of texts in the data sets.
    pub charset: Charset,
}

impl Exam {
    /// What the examination shows, for lists of links.
    pub fn title(&self) -> String {
        let images = match self.kind {
            Kind::CtWithFilm => "24幅图像和电子胶片",
            Kind::Mr => "16幅图像",
            Kind::Dx => "1幅图像",
            Kind::Us => "24帧动态图像",
            Kind::Ecg => "心电波形",
        };
        let report = if self.report_format == ReportFormat::Pdf { "PDF报告" } else { "JPG报告" };
        format!("{} {}：{}，{images}，{report}", self.patient.name, self.modality, self.item)
    }

    /// The name of the report's file.
    pub fn report_file(&self) -> String {
        let ending = if self.report_format == ReportFormat::Pdf { "pdf" } else { "jpg" };
        format!("{}.{ending}", self.report_form_no)
    }
}

/// The four patients.
pub fn patients() -> [Patient; 4] {
    [
        Patient::new(0, "测试甲", "CESHI^JIA", "1", "19900101"),
        Patient::new(1, "测试乙", "CESHI^YI", "2", "19850512"),
        Patient::new(2, "测试丙", "CESHI^BING", "1", "19581103"),
        Patient::new(3, "测试丁", "CESHI^DING", "2", "19930721"),
    ]
}

/// All examinations; times are some days and hours before `now_ms` (milliseconds since 1970 UTC).
pub fn exams(now_ms: i64) -> Vec<Exam> {
    let [first, second, third, fourth] = patients();
    let before = |hours: i64| local_time(now_ms) - Duration::hours(hours);
    let base = Exam {
        kind: Kind::CtWithFilm,
        accession_number: "DEMO0001",
        report_form_no: "EX0001",
        patient: first.clone(),
        study_instance_uid: uid("study DEMO0001"),
        modality: "CT",
        body_part: "上腹部",
        item: "上腹部CT平扫",
        performed: before(50),
        device: "演示CT机",
        diagnosis: "上腹部不适待查",
        findings: "肝脏大小、形态正常，肝右叶见一类圆形低密度影，边界清楚，直径约22mm，CT值约6HU。\n\
                   胆囊不大，壁不厚，腔内未见阳性结石。脾脏、胰腺大小、形态及密度未见异常。\n\
                   双肾形态、大小正常，肾盂、肾盏无扩张。腹膜后未见肿大淋巴结，未见腹水。",
        conclusion: "1、肝右叶囊肿。\n2、余上腹部CT平扫未见明显异常。",
        report_format: ReportFormat::Pdf,
        order: Order::RegistrationFirst,
        names_study: true,
        charset: Charset::Gb18030,
    };
    let mr = Exam {
        kind: Kind::Mr,
        accession_number: "DEMO0002",
        report_form_no: "EX0002",
        patient: second,
        study_instance_uid: uid("study DEMO0002"),
        modality: "MR",
        body_part: "头颅",
        item: "头颅MR平扫",
        performed: before(30),
        device: "演示MR机",
        diagnosis: "头晕待查",
        findings: "双侧大脑半球对称，左侧半卵圆中心见一小片状T2WI高信号影，直径约8mm。\n\
                   脑室系统大小、形态正常，脑沟、脑裂无增宽，中线结构居中。\n\
                   小脑及脑干形态、信号未见异常。",
        conclusion: "1、左侧半卵圆中心小缺血灶。\n2、建议结合临床，随诊。",
        order: Order::ImagesFirst,
        ..base.clone()
    };
    let dx = Exam {
        kind: Kind::Dx,
        accession_number: "DEMO0003",
        report_form_no: "EX0003",
        patient: third,
        study_instance_uid: uid("study DEMO0003"),
        modality: "DX",
        body_part: "胸部",
        item: "胸部正位DR",
        performed: before(26),
        device: "演示DR机",
        diagnosis: "健康体检",
        findings: "胸廓对称，气管居中，双肺纹理清晰，右肺中野见一类圆形小结节影，直径约12mm。\n\
                   双肺门不大，心影大小、形态正常，双膈面光整，双侧肋膈角锐利。",
        conclusion: "1、右肺中野小结节，建议胸部CT进一步检查。\n2、心膈未见异常。",
        report_format: ReportFormat::Jpg,
        ..base.clone()
    };
    let us = Exam {
        kind: Kind::Us,
        accession_number: "DEMO0004",
        report_form_no: "EX0004",
        patient: fourth,
        study_instance_uid: uid("study DEMO0004"),
        modality: "US",
        body_part: "肝胆",
        item: "肝胆超声",
        performed: before(6),
        device: "演示超声机",
        diagnosis: "健康体检",
        findings: "肝脏大小正常，包膜光滑，实质回声均匀，右叶见一无回声区，大小约18×16mm，后方回声增强。\n\
                   胆囊大小正常，壁光滑，腔内透声好，胆总管无扩张。",
        conclusion: "1、肝囊肿。\n2、胆囊未见明显异常。",
        order: Order::ImagesFirst,
        charset: Charset::Utf8,
        ..base.clone()
    };
    let ecg = Exam {
        kind: Kind::Ecg,
        accession_number: "DEMO0005",
        report_form_no: "EX0005",
        study_instance_uid: uid("study DEMO0005"),
        modality: "ECG",
        body_part: "心脏",
        item: "十二导联常规心电图",
        performed: before(49),
        device: "演示心电图机",
        findings: "窦性心律，心率72次/分。P波、PR间期、QRS波群及QT间期均在正常范围。\n各导联ST段无偏移，T波无异常改变。",
        conclusion: "1、窦性心律。\n2、正常心电图。",
        order: Order::ImagesFirst,
        names_study: false,
        ..base.clone()
    };
    let prior = Exam {
        accession_number: "DEMO0006",
        report_form_no: "EX0006",
        study_instance_uid: uid("study DEMO0006"),
        performed: before(24 * 190),
        findings: "肝脏大小、形态正常，肝右叶见一类圆形低密度影，边界清楚，直径约20mm。\n\
                   胆囊、脾脏、胰腺及双肾未见异常。",
        conclusion: "1、肝右叶囊肿。\n2、建议半年后复查。",
        ..base.clone()
    };
    vec![base, mr, dx, us, ecg, prior]
}

/// The hospital's time: China has one zone and no summer time.
pub(super) fn local_time(now_ms: i64) -> OffsetDateTime {
    let utc = OffsetDateTime::from_unix_timestamp(now_ms / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    utc.to_offset(UtcOffset::from_hms(8, 0, 0).unwrap_or(UtcOffset::UTC))
}

/// `yyyy-MM-dd HH:mm:ss`.
pub(super) fn date_time(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]")).unwrap_or_default()
}

/// `yyyyMMdd`.
pub(super) fn dicom_date(at: OffsetDateTime) -> String {
    at.format(format_description!("[year][month][day]")).unwrap_or_default()
}

/// `HHmmss`.
pub(super) fn dicom_time(at: OffsetDateTime) -> String {
    at.format(format_description!("[hour][minute][second]")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_numbers_carry_their_birth_date_sex_and_check_character() {
        let patients = patients();
        assert_eq!(patients[0].id_no, "990101199001010019");
        for patient in &patients {
            let digits: Vec<u32> = patient.id_no.chars().map(|c| c.to_digit(10).unwrap_or(10)).collect();
            let sum: u32 = digits.iter().enumerate().map(|(i, d)| d * (2u32.pow(17 - i as u32) % 11)).sum();
            assert_eq!(sum % 11, 1, "ISO 7064 MOD 11-2 of {}", patient.id_no);
            assert_eq!(&patient.id_no[6..14], patient.birth_date);
            assert_eq!(digits[16] % 2 == 1, patient.sex_code == "1");
        }
    }

    #[test]
    fn uids_are_the_same_each_time_and_short_enough() {
        let (one, other) = (exams(0), exams(1_700_000_000_000));
        for (a, b) in one.iter().zip(&other) {
            assert_eq!(a.study_instance_uid, b.study_instance_uid);
            assert!(crate::domain::Uid::parse(&a.study_instance_uid).is_ok());
        }
    }
}
