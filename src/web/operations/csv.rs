//! The measured quality as CSV: one line for each figure, so that a spreadsheet can turn it as it likes.

use crate::archive::reports::measure_quality::{KindQuality, Quality};

/// Writes the figures with a byte order mark, without which spreadsheets take Chinese for something else.
pub fn csv(quality: &Quality) -> String {
    let mut lines = Lines(String::from("\u{FEFF}org_code,kind,field,label,need,measure,value,of\r\n"));
    for (org, organization) in &quality.organizations {
        for (kind, figures) in &organization.kinds {
            lines.kind(org, kind, figures);
        }
        lines.add([org, "lab_subitem", "", "", "", "waiting_lines"], organization.waiting_lines, "");
        lines.add([org, "lab_subitem", "", "", "", "aside_lines"], organization.aside_lines, "");
        for (reason, reports) in &organization.unstamped {
            lines.add([org, "exam", "", "", "", &format!("unstamped_{reason}")], *reports, "");
        }
    }
    lines.0
}

struct Lines(String);

impl Lines {
    fn add(&mut self, words: [&str; 6], value: i64, of: &str) {
        for word in words {
            self.0.push_str(&cell(word));
            self.0.push(',');
        }
        self.0.push_str(&format!("{value},{of}\r\n"));
    }

    fn kind(&mut self, org: &str, kind: &str, figures: &KindQuality) {
        let all = figures.records.to_string();
        self.add([org, kind, "", "", "", "records"], figures.records, "");
        self.add([org, kind, "", "", "", "noted_records"], figures.noted_records, &all);
        self.add([org, kind, "", "", "", "identity_conflicts"], figures.identity_conflicts, &all);
        for field in &figures.fields {
            let words = |measure| [org, kind, field.field, field.label, field.need, measure];
            self.add(words("filled"), field.filled, &all);
            self.add(words("invalid"), field.invalid, &all);
            for (code, records) in &field.notes {
                self.add(words(code), *records, &all);
            }
        }
        for (code, records) in &figures.notes {
            self.add([org, kind, "", "", "", code], *records, &all);
        }
        for rejected in &figures.rejected {
            let measure = format!("rejected_{}", rejected.code);
            self.add([org, kind, &rejected.field, "", "", &measure], rejected.records, "");
        }
        if let Some(late) = &figures.timeliness {
            let reports = late.reports.to_string();
            for (measure, value) in [
                ("timed_reports", late.reports),
                ("from_the_future", late.from_the_future),
                ("p50_minutes", late.p50_minutes),
                ("p90_minutes", late.p90_minutes),
                ("p99_minutes", late.p99_minutes),
                ("max_minutes", late.max_minutes),
            ] {
                self.add([org, kind, "", "", "", measure], value, &reports);
            }
        }
    }
}

/// A cell that a spreadsheet neither splits nor calculates.
pub(super) fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::archive::reports::measure_quality::OrganizationQuality;

    #[test]
    fn a_code_that_a_spreadsheet_would_calculate_is_text() {
        assert_eq!(["ORG-T01", "=1+1", "a,\"b\""].map(cell), ["ORG-T01", "'=1+1", "\"a,\"\"b\"\"\""]);
    }

    #[test]
    fn every_line_has_eight_cells() {
        let organization = OrganizationQuality {
            waiting_lines: 2,
            unstamped: BTreeMap::from([("encrypted".to_owned(), 4)]),
            kinds: BTreeMap::from([("exam", KindQuality { records: 3, ..KindQuality::default() })]),
            ..OrganizationQuality::default()
        };
        let organizations = BTreeMap::from([("ORG-T01".to_owned(), organization)]);
        let text = csv(&Quality { from: String::new(), to: String::new(), organizations });
        assert!(text.lines().all(|line| line.split(',').count() == 8), "{text}");
        assert!(text.contains("ORG-T01,exam,,,,records,3,\r\n") && text.contains("waiting_lines,2,\r\n"), "{text}");
        assert!(text.contains("ORG-T01,exam,,,,unstamped_encrypted,4,\r\n"), "{text}");
    }
}
