//! The demonstration's registrations: `strReportInfo` of ArchiveAutoReport, as REQUIREMENTS B.2 to B.4 lay it out,
//! in the SOAP 1.1 envelope of an ASMX service.

use time::{Duration, OffsetDateTime};

use super::hospital::{Exam, ORGANIZATION_CODE, ORGANIZATION_NAME, Patient, date_time, local_time, patients};

/// From the images to the written report.
const WRITTEN_AFTER: Duration = Duration::minutes(35);
/// From the images to the reviewed report.
pub(super) const REVIEWED_AFTER: Duration = Duration::minutes(52);

type Fields = Vec<(&'static str, String)>;

/// The message that registers one examination; its report is fetched from `report_url`.
pub(super) fn exam_message(exam: &Exam, report_url: &str, now_ms: i64) -> String {
    let (written, reviewed) = (exam.performed + WRITTEN_AFTER, exam.performed + REVIEWED_AFTER);
    let study = if exam.names_study { exam.study_instance_uid.as_str() } else { "" };
    let mut fields = event("1", &exam.patient, exam.report_form_no, reviewed);
    fields.extend(person(&exam.patient));
    fields.extend(signatures(written, reviewed, exam.performed));
    let birth = exam.patient.birth_date;
    let own = [
        ("apply_form_no", format!("AP{}", &exam.report_form_no[2..])),
        ("state", "3".to_owned()),
        ("reportfilepath", report_url.to_owned()),
        ("retrieve_date", date_time(reviewed)),
        ("class_code", exam.modality.to_owned()),
        ("class_name", exam.modality.to_owned()),
        ("exam_site_code", String::new()),
        ("body_part_name", exam.body_part.to_owned()),
        ("exam_item_code", format!("{}01", exam.modality)),
        ("exam_item_name", exam.item.to_owned()),
        ("report_title", format!("{}检查报告单", exam.item)),
        ("confidentiality", String::new()),
        ("birth_date", format!("{}-{}-{} 00:00:00", &birth[..4], &birth[4..6], &birth[6..])),
        ("performer_dtime", date_time(exam.performed)),
        ("performer_dept_name", "演示影像科".to_owned()),
        ("performer_doctor", "演示技师一".to_owned()),
        ("playing_device", exam.device.to_owned()),
        ("outpat_diag_name", exam.diagnosis.to_owned()),
        ("patient_condition_descr", "一般情况良好".to_owned()),
        ("exam_purpose", "明确诊断".to_owned()),
        ("image_descr", paragraphs(exam.findings)),
        ("is_abnormal", if exam.modality == "ECG" { "0" } else { "1" }.to_owned()),
        ("conclusion", paragraphs(exam.conclusion)),
        ("checked_status", "1".to_owned()),
        ("patient_local_id", exam.patient.patient_local_id.to_owned()),
        ("pacs_id", exam.accession_number.to_owned()),
        ("study_instance_uid", study.to_owned()),
        ("xman_type", "0".to_owned()),
    ];
    fields.extend(own);
    root(now_ms, &element("exammaster", &fields))
}

/// A made-up laboratory report.
#[derive(Debug, Clone)]
pub(super) struct LabReport {
    patient: Patient,
    pub(super) report_form_no: &'static str,
    title: &'static str,
    class_code: &'static str,
    specimen: &'static str,
    reported: OffsetDateTime,
    items: &'static [LabItem],
}

/// LOINC code, name, value, unit, lower and upper limit.
type LabItem = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const BLOOD_COUNT: &[LabItem] = &[
    ("6690-2", "白细胞计数", "11.8", "10^9/L", "3.5", "9.5"),
    ("26511-6", "中性粒细胞百分数", "78.4", "%", "40", "75"),
    ("26478-8", "淋巴细胞百分数", "15.2", "%", "20", "50"),
    ("26485-3", "单核细胞百分数", "5.6", "%", "3", "10"),
    ("26450-7", "嗜酸性粒细胞百分数", "0.6", "%", "0.4", "8.0"),
    ("30180-4", "嗜碱性粒细胞百分数", "0.2", "%", "0", "1"),
    ("789-8", "红细胞计数", "4.86", "10^12/L", "4.3", "5.8"),
    ("718-7", "血红蛋白", "146", "g/L", "130", "175"),
    ("4544-3", "红细胞压积", "43.5", "%", "40", "50"),
    ("787-2", "平均红细胞体积", "89.5", "fL", "82", "100"),
    ("785-6", "平均红细胞血红蛋白量", "30.0", "pg", "27", "34"),
    ("777-3", "血小板计数", "236", "10^9/L", "125", "350"),
    ("30341-2", "血沉", "12", "mm/h", "0", "15"),
];

const LIVER_PANEL: &[LabItem] = &[
    ("1742-6", "丙氨酸氨基转移酶", "62", "U/L", "7", "40"),
    ("1920-8", "天门冬氨酸氨基转移酶", "41", "U/L", "13", "35"),
    ("2885-2", "总蛋白", "71.2", "g/L", "65", "85"),
    ("1751-7", "白蛋白", "38.6", "g/L", "40", "55"),
    ("1975-2", "总胆红素", "14.3", "μmol/L", "0", "21"),
    ("1968-7", "直接胆红素", "4.1", "μmol/L", "0", "8"),
    ("6768-6", "碱性磷酸酶", "78", "U/L", "50", "135"),
    ("2324-2", "γ-谷氨酰转移酶", "33", "U/L", "7", "45"),
    ("2345-7", "葡萄糖", "5.4", "mmol/L", "3.9", "6.1"),
    ("2160-0", "肌酐", "66", "μmol/L", "41", "73"),
    ("2823-3", "钾", "6.6", "mmol/L", "3.5", "5.3"),
];

/// Values above these are critical (危急值).
const CRITICAL: [(&str, f64); 1] = [("2823-3", 6.2)];

/// White cells, haemoglobin and platelets of a course: days ago, number of the report, items.
const EARLIER: [(i64, &str, &[LabItem]); 4] = [
    (16, "LB0003", &course("14.2", "141", "268")),
    (44, "LB0004", &course("9.9", "139", "251")),
    (91, "LB0005", &course("7.4", "143", "243")),
    (178, "LB0006", &course("6.8", "145", "229")),
];

const fn course(white: &'static str, haemoglobin: &'static str, platelets: &'static str) -> [LabItem; 3] {
    [
        ("6690-2", "白细胞计数", white, "10^9/L", "3.5", "9.5"),
        ("718-7", "血红蛋白", haemoglobin, "g/L", "130", "175"),
        ("777-3", "血小板计数", platelets, "10^9/L", "125", "350"),
    ]
}

/// The laboratory reports: a course of blood counts, and one with a critical value.
pub(super) fn lab_reports(now_ms: i64) -> Vec<LabReport> {
    let [first, second, ..] = patients();
    let before = |hours: i64| local_time(now_ms) - Duration::hours(hours);
    let earlier = EARLIER.map(|(days, report_form_no, items)| LabReport {
        patient: first.clone(),
        report_form_no,
        title: "血常规检验报告单",
        class_code: "58410-2",
        specimen: "全血",
        reported: before(24 * days),
        items,
    });
    let newest = [
        LabReport {
            patient: first,
            report_form_no: "LB0001",
            title: "血常规检验报告单",
            class_code: "58410-2",
            specimen: "全血",
            reported: before(48),
            items: BLOOD_COUNT,
        },
        LabReport {
            patient: second,
            report_form_no: "LB0002",
            title: "生化检验报告单",
            class_code: "24325-3",
            specimen: "血清",
            reported: before(28),
            items: LIVER_PANEL,
        },
    ];
    newest.into_iter().chain(earlier).collect()
}

/// The message that registers one laboratory report with its sub-items.
pub(super) fn lab_message(report: &LabReport, now_ms: i64) -> String {
    let taken = report.reported - Duration::hours(2);
    let mut fields = event("1", &report.patient, report.report_form_no, report.reported);
    fields.extend(person(&report.patient));
    fields.extend(signatures(report.reported - Duration::minutes(20), report.reported, taken));
    let own = [
        ("apply_form_no", format!("AP{}", report.report_form_no)),
        ("retrieve_date", date_time(report.reported)),
        ("class_code", report.class_code.to_owned()),
        ("class_name", report.title.trim_end_matches("检验报告单").to_owned()),
        ("class_local_name", report.title.trim_end_matches("检验报告单").to_owned()),
        ("report_title", report.title.to_owned()),
        ("specimen_id", format!("SP{}", &report.report_form_no[2..])),
        ("specimen_class_code", report.specimen.to_owned()),
        ("specimen_determiner_name", "静脉".to_owned()),
        ("specimen_quantity_descr", "合格".to_owned()),
        ("performer_dept_name", "演示检验科".to_owned()),
        ("performer_doctor", "演示检验师一".to_owned()),
        ("performer_dtime", date_time(report.reported - Duration::hours(1))),
        ("playing_device", "演示分析仪".to_owned()),
    ];
    fields.extend(own);
    let mut body = element("labmaster", &fields);
    for (index, item) in report.items.iter().enumerate() {
        body.push_str(&element("lab_subitem", &sub_item(report, index + 1, item)));
    }
    root(now_ms, &body)
}

fn sub_item(report: &LabReport, number: usize, &(code, name, value, unit, low, high): &LabItem) -> Fields {
    let limit = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let measured = limit(value);
    let is_critical = CRITICAL.iter().any(|(of, most)| *of == code && measured > *most);
    let (flag, words) = if is_critical {
        ("HH", "危急值")
    } else if measured > limit(high) {
        ("H", "偏高")
    } else if measured < limit(low) {
        ("L", "偏低")
    } else {
        ("N", "正常")
    };
    let mut fields = event("1", &report.patient, report.report_form_no, report.reported);
    fields.retain(|(name, _)| !["patient_id", "event_type"].contains(name));
    let own = [
        ("serial_no", number.to_string()),
        ("class_code", code.to_owned()),
        ("class_name", name.to_owned()),
        ("class_local_name", name.to_owned()),
        ("result_type", "NM".to_owned()),
        ("result_type_descr", "数值".to_owned()),
        ("result_value", value.to_owned()),
        ("result_unit", unit.to_owned()),
        ("norm_lower_limit", low.to_owned()),
        ("norm_upper_limit", high.to_owned()),
        ("norm_value_notes", format!("{low}-{high}")),
        ("result_interpre", flag.to_owned()),
        ("result_interpre_descr", words.to_owned()),
        ("examine_way", "仪器法".to_owned()),
    ];
    fields.extend(own);
    fields
}

/// Keys and bookkeeping that every record has.
fn event(event_type: &str, patient: &Patient, report_form_no: &str, updated: OffsetDateTime) -> Fields {
    vec![
        ("last_update_dtime", date_time(updated)),
        ("org_code", ORGANIZATION_CODE.to_owned()),
        ("report_form_no", report_form_no.to_owned()),
        ("patient_id", patient.patient_id.to_owned()),
        ("event_type", event_type.to_owned()),
        ("event_no", format!("E{}", &patient.patient_id[1..])),
        ("effective_dtime", date_time(updated)),
        ("create_time", date_time(updated)),
        ("upload_status", "0".to_owned()),
        ("serial_data_no", format!("S-{report_form_no}")),
        ("data_status", "1".to_owned()),
        ("is_correct", "0".to_owned()),
        ("recognition", String::new()),
    ]
}

fn person(patient: &Patient) -> Fields {
    vec![
        ("name", patient.name.to_owned()),
        ("sex_code", patient.sex_code.to_owned()),
        ("sex_name", patient.sex_name().to_owned()),
        ("id_no", patient.id_no.clone()),
        ("card_no", patient.card_no.to_owned()),
    ]
}

fn signatures(written: OffsetDateTime, reviewed: OffsetDateTime, performed: OffsetDateTime) -> Fields {
    vec![
        ("author_id", "D001".to_owned()),
        ("author_name", "演示医生一".to_owned()),
        ("author_dtime", date_time(written)),
        ("authenticator_id", "D002".to_owned()),
        ("authenticator_name", "演示医生二".to_owned()),
        ("authenticator_dtime", date_time(reviewed)),
        ("participant_dept", "演示内科".to_owned()),
        ("participant_id", "D003".to_owned()),
        ("participant_name", "演示医生三".to_owned()),
        ("participant_dtime", date_time(performed - Duration::hours(3))),
        ("order_id", "OR0001".to_owned()),
        ("order_priority", "R".to_owned()),
        ("order_priority_name", "常规".to_owned()),
    ]
}

fn paragraphs(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

fn root(now_ms: i64, body: &str) -> String {
    let now = date_time(local_time(now_ms));
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root time=\"{now}\"><org><item date_t=\"{}\" \
         orgcode=\"{ORGANIZATION_CODE}\" orgname=\"{ORGANIZATION_NAME}\"/></org>{body}</root>",
        &now[..10]
    )
}

fn element(name: &str, fields: &Fields) -> String {
    let attributes: Vec<String> = fields.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    format!("<{name}><item {}/></{name}>", attributes.join(" "))
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    text.replace('\n', "&#10;")
}

/// The SOAP 1.1 request around a message.
pub(super) fn envelope(message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
         <ArchiveAutoReport xmlns=\"http://tempuri.org/\"><strReportInfo>{}</strReportInfo></ArchiveAutoReport>\
         </soap:Body></soap:Envelope>",
        escape(message).replace("&#10;", "\n")
    )
}
