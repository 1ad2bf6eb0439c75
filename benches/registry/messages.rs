//! What is sent: synthetic reports, each with a number of its own, ten to a patient.

use super::containers::{exam, lab, line};

/// A kind of message.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One exam report.
    Exam,
    /// One lab report with ten lines.
    Lab,
    /// Twenty exam reports.
    Batch,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Exam, Kind::Lab, Kind::Batch];

    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Exam => "an exam report",
            Kind::Lab => "a lab report, 10 lines",
            Kind::Batch => "20 exam reports",
        }
    }

    /// Reports of a message.
    pub fn reports(self) -> u64 {
        match self {
            Kind::Exam | Kind::Lab => 1,
            Kind::Batch => 20,
        }
    }

    /// Records of a message, lines included.
    pub fn records(self) -> u64 {
        match self {
            Kind::Lab => 11,
            Kind::Exam | Kind::Batch => self.reports(),
        }
    }
}

/// The envelope of one call; `run` keeps the numbers of several measurements apart.
pub fn soap(kind: Kind, run: u64, call: u64) -> String {
    let containers: String = match kind {
        Kind::Exam => exam_of(run, call),
        Kind::Batch => (0..20).map(|n| exam_of(run, call * 20 + n)).collect(),
        Kind::Lab => {
            let (number, patient, card) = (format!("B{run:02}{call:08}"), patient(run, call), card(run, call));
            let own = [("report_form_no", number.as_str()), ("event_no", number.as_str())];
            let whose = [("patient_id", patient.as_str()), ("card_no", card.as_str()), ("id_no", "")];
            let lines: String = (1..=10).map(|serial| line(&serial.to_string(), &own)).collect();
            lab(&[&own[..], &whose].concat()) + &lines
        }
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
         <ArchiveAutoReport xmlns=\"http://tempuri.org/\"><strReportInfo><![CDATA[<root time=\"2024-03-24 14:40:00\">\
         {containers}</root>]]></strReportInfo></ArchiveAutoReport></soap:Body></soap:Envelope>"
    )
}

fn exam_of(run: u64, number: u64) -> String {
    let (form, patient, card) = (format!("X{run:02}{number:08}"), patient(run, number), card(run, number));
    let uid = format!("2.25.{}", 1_000_000_000_000 + run * 100_000_000 + number);
    exam(&[
        ("report_form_no", form.as_str()),
        ("event_no", form.as_str()),
        ("patient_id", patient.as_str()),
        ("patient_local_id", patient.as_str()),
        ("card_no", card.as_str()),
        ("id_no", ""),
        ("pacs_id", form.as_str()),
        ("study_instance_uid", uid.as_str()),
    ])
}

fn patient(run: u64, number: u64) -> String {
    format!("P{run:02}{:07}", number / 10)
}

fn card(run: u64, number: u64) -> String {
    format!("C{run:02}{:07}", number / 10)
}
