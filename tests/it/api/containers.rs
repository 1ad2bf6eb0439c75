//! Containers of registration messages with one synthetic record each. Benches send them too.

/// A container with one exam report; changed attributes replace those of the same name.
pub fn exam(changed: &[(&str, &str)]) -> String {
    let complete = [
        ("last_update_dtime", "2024/3/23 0:00:00"),
        ("org_code", "ORG-T01"),
        ("state", "3"),
        ("report_form_no", "EX0001"),
        ("patient_id", "P0001"),
        ("event_type", "1"),
        ("event_no", "E0001"),
        ("retrieve_date", "2024/3/22 21:01:07"),
        ("class_code", "CT"),
        ("class_name", "CT"),
        ("exam_item_name", "胸部CT平扫"),
        ("name", "测试甲"),
        ("sex_code", "2"),
        ("birth_date", "1990/1/1 0:00:00"),
        ("performer_dtime", "2024/3/22 14:46:06"),
        ("authenticator_dtime", "2024/3/22 16:00:00"),
        ("authenticator_name", "测试医生"),
        ("conclusion", "胸部CT平扫未见异常。"),
        ("card_no", "C00000001"),
        ("id_no", "990101199001010019"),
        ("patient_local_id", "L0001"),
        ("pacs_id", "A0001"),
        ("study_instance_uid", "2.25.1000"),
    ];
    format!("<exammaster>{}</exammaster>", item(&complete, changed))
}

/// A container with one head of a lab report.
pub fn lab(changed: &[(&str, &str)]) -> String {
    let complete = [
        ("last_update_dtime", "2024/3/23 0:00:00"),
        ("org_code", "ORG-T01"),
        ("report_form_no", "LB0001"),
        ("patient_id", "P0001"),
        ("event_type", "1"),
        ("event_no", "E0001"),
        ("retrieve_date", "2024/3/22 20:00:00"),
        ("class_code", "G003"),
        ("class_name", "血常规"),
        ("name", "测试甲"),
        ("sex_code", "2"),
        ("card_no", "C00000001"),
        ("id_no", "990101199001010019"),
    ];
    format!("<labmaster>{}</labmaster>", item(&complete, changed))
}

/// A container with one line of that report.
pub fn line(serial_no: &str, changed: &[(&str, &str)]) -> String {
    let complete = [
        ("last_update_dtime", "2024/3/23 0:00:00"),
        ("org_code", "ORG-T01"),
        ("report_form_no", "LB0001"),
        ("event_no", "E0001"),
        ("serial_no", serial_no),
        ("class_code", "WBC"),
        ("class_name", "白细胞"),
        ("result_value", "5.1"),
        ("result_unit", "10^9/L"),
        ("norm_lower_limit", "4.0"),
        ("norm_upper_limit", "10.0"),
    ];
    format!("<lab_subitem>{}</lab_subitem>", item(&complete, changed))
}

/// `<item …/>` with all attributes; changed ones replace those of the same name, new ones are added.
pub fn item(complete: &[(&str, &str)], changed: &[(&str, &str)]) -> String {
    let mut all: Vec<(&str, &str)> = complete.to_vec();
    for (name, value) in changed {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => all.push((name, value)),
        }
    }
    let attributes: Vec<String> = all.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
    format!("<item{}/>", attributes.concat())
}
