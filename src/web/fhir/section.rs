//! Which diagnostic service made a report: HL7 table 0074, by the Modality of an exam.

use serde_json::{Value, json};

use crate::archive::reports::pull_reports::{Modalities, Subject};
use crate::web::api::{Code, Problem};

const DIAGNOSTIC_SERVICE: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";

static LAB: Section = Section { code: "LAB", display: "Laboratory", modalities: &[] };
/// Images of a department of radiology, whatever makes them; plain X-ray has no other code.
static RAD: Section = Section {
    code: "RAD",
    display: "Radiology",
    modalities: &["CR", "DX", "MG", "RF", "XA", "IO", "PX", "RG", "BMD", "CT", "MR", "US", "NM", "PT"],
};
/// What is not in the table, or not known.
static OTH: Section = Section { code: "OTH", display: "Other", modalities: &[] };
/// Sections of certain Modalities.
static OWN: [Section; 10] = [
    Section { code: "CT", display: "CAT Scan", modalities: &["CT"] },
    Section { code: "NMR", display: "Nuclear Magnetic Resonance", modalities: &["MR"] },
    Section { code: "RUS", display: "Radiology Ultrasound", modalities: &["US"] },
    Section { code: "VUS", display: "Vascular Ultrasound", modalities: &["IVUS"] },
    Section { code: "NMS", display: "Nuclear Medicine Scan", modalities: &["NM", "PT"] },
    Section { code: "EC", display: "Electrocardiac (e.g., EKG, EEC, Holter)", modalities: &["ECG", "EPS"] },
    Section { code: "EN", display: "Electroneuro (EEG, EMG,EP,PSG)", modalities: &["EEG", "EMG", "EOG"] },
    Section { code: "CTH", display: "Cardiac Catheterization", modalities: &["HD"] },
    Section { code: "SP", display: "Surgical Pathology", modalities: &["SM"] },
    Section {
        code: "RT",
        display: "Radiation Therapy",
        modalities: &["RTIMAGE", "RTPLAN", "RTDOSE", "RTSTRUCT", "RTRECORD"],
    },
];

/// A diagnostic service section.
struct Section {
    code: &'static str,
    display: &'static str,
    modalities: &'static [&'static str],
}

impl Section {
    fn concept(&self) -> Value {
        json!({ "coding": [{ "system": DIAGNOSTIC_SERVICE, "code": self.code, "display": self.display }] })
    }

    fn has(&self, modality: &str) -> bool {
        self.modalities.contains(&modality)
    }
}

/// The category of a lab report.
pub(super) fn of_laboratory() -> Value {
    json!([LAB.concept()])
}

/// The categories of an exam: what it is, and radiology when it is of that.
pub(super) fn of_exam(modality: &str) -> Value {
    let own = OWN.iter().chain([&RAD]).filter(|section| section.has(modality)).map(Section::concept);
    let sections: Vec<Value> = own.collect();
    if sections.is_empty() { json!([OTH.concept()]) } else { sections.into() }
}

/// Which reports are of one of these categories: kinds, and Modalities of exams when not all are.
pub(super) fn asked(categories: &[String]) -> Result<(Vec<Subject>, Option<Modalities>), Problem> {
    let (mut kinds, mut modalities) = (Vec::new(), Modalities::default());
    for token in categories {
        let code = token.rsplit('|').next().unwrap_or_default();
        let section = OWN.iter().chain([&LAB, &RAD, &OTH]).find(|section| section.code == code);
        let Some(section) = section else {
            let known = "category is LAB, RAD, CT, NMR, RUS, VUS, NMS, EC, EN, CTH, SP, RT or OTH";
            return Err(Problem::about(Code::BadParameter, known));
        };
        let kind = if section.code == LAB.code { Subject::Lab } else { Subject::Exam };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        let named = |section: &Section| section.modalities.iter().map(|modality| (*modality).to_owned()).collect();
        if section.code == OTH.code {
            modalities.others_than =
                OWN.iter().chain([&RAD]).flat_map(|section| -> Vec<String> { named(section) }).collect();
        } else {
            let own: Vec<String> = named(section);
            modalities.named.extend(own);
        }
    }
    let is_of_exams = kinds.contains(&Subject::Exam);
    Ok((kinds, is_of_exams.then_some(modalities)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(modality: &str) -> Vec<String> {
        let categories = of_exam(modality);
        let code = |category: &Value| category["coding"][0]["code"].as_str().unwrap().to_owned();
        categories.as_array().unwrap().iter().map(code).collect()
    }

    #[test]
    fn an_exam_is_of_the_service_that_makes_such_images() {
        assert_eq!(codes("CT"), ["CT", "RAD"]);
        assert_eq!(codes("DX"), ["RAD"]);
        assert_eq!(codes("ECG"), ["EC"]);
        assert_eq!(codes("SM"), ["SP"]);
        assert_eq!((codes("ES"), codes("")), (vec!["OTH".to_owned()], vec!["OTH".to_owned()]));
    }

    #[test]
    fn every_category_that_is_given_can_be_asked_for() {
        for modality in ["CT", "MR", "US", "IVUS", "NM", "PT", "ECG", "EEG", "HD", "SM", "RTDOSE", "MG", "ES", ""] {
            for code in codes(modality) {
                let (kinds, modalities) = asked(&[format!("{DIAGNOSTIC_SERVICE}|{code}")]).unwrap();
                assert_eq!(kinds, [Subject::Exam], "{code}");
                let Modalities { named, others_than } = modalities.unwrap();
                let is_named = named.iter().any(|known| known == modality);
                let is_other = !others_than.is_empty() && !others_than.iter().any(|known| known == modality);
                assert!(is_named || is_other, "{modality} {code}");
            }
        }
        assert!(asked(&["LAB".to_owned()]).is_ok_and(|(kinds, of)| kinds == [Subject::Lab] && of.is_none()));
        assert!(asked(&["CH".to_owned()]).is_err());
    }
}
