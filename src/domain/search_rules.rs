//! How the words of hospitals in links are understood: exam types, systems that give numbers (D-P5, D-P13, table E.6).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the parameters of links are understood (`pages.search`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchRules {
    /// Words for exam types in `ServiceSectID` and in the form, each with the types that it stands for, before those that
    /// are built in: `RIS`, `DR`, `US`, `GMS`, `NM`, `PA`. Default none.
    pub exam_type: Vec<ExamTypeGroup>,
    /// Names of systems in `PlacerAssigningAuthority`, `FillerAssigningAuthority` and `PIDAssigningAuthority`, each with the
    /// organisation whose numbers it gives. A name that is not listed is compared with the organisation's code, the
    /// sender's name and the issuer in the images. Default none.
    pub authority: Vec<Authority>,
    /// Whether `AccessionNumber` also finds lab reports by the number of their specimen. Default false.
    pub accession_finds_specimens: bool,
}

/// A word and the exam types that it stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExamTypeGroup {
    /// The word, in any case.
    pub name: String,
    /// DICOM modalities or class codes.
    pub types: Vec<String>,
}

/// A system that gives numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Authority {
    /// What links call it.
    pub name: String,
    /// Code of the organisation.
    pub organization: String,
}

const GROUPS: [(&str, &[&str]); 6] = [
    ("RIS", &["RIS", "CR", "DR", "DX", "CT", "MR", "MG", "RF", "XA", "PX", "IO"]),
    ("DR", &["DR", "DX", "CR"]),
    ("PA", &["PA", "GMS", "SM"]),
    ("GMS", &["PA", "GMS", "SM"]),
    ("NM", &["NM", "PT"]),
    ("US", &["US", "UIS"]),
];

impl SearchRules {
    /// Exam types in upper case; names of groups stand for the types in them (D-P13).
    pub fn exam_types(&self, text: &str) -> Vec<String> {
        let mut types: Vec<String> = Vec::new();
        for word in text.split([',', '，']).map(str::trim).filter(|word| !word.is_empty()).take(32) {
            let word = word.to_uppercase();
            let own = self.exam_type.iter().find(|group| group.name.trim().to_uppercase() == word);
            match (own, GROUPS.iter().find(|(name, _)| *name == word)) {
                (Some(group), _) => types.extend(group.types.iter().map(|name| name.trim().to_uppercase())),
                (None, Some((_, members))) => types.extend(members.iter().map(|member| (*member).to_owned())),
                (None, None) => types.push(word),
            }
        }
        types.sort();
        types.dedup();
        types
    }

    /// The organisation or system that a name in a link means.
    pub fn authority<'a>(&'a self, name: &'a str) -> &'a str {
        let found = self.authority.iter().find(|authority| authority.name.trim().eq_ignore_ascii_case(name.trim()));
        found.map_or(name.trim(), |authority| authority.organization.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_p13_groups_of_exam_types_are_spelt_out_and_several_are_divided_by_commas() {
        let rules = SearchRules::default();
        assert_eq!(rules.exam_types("ct， us"), ["CT", "UIS", "US"]);
        assert_eq!(rules.exam_types("pa"), rules.exam_types("GMS"));
        assert!(rules.exam_types("RIS").contains(&"MR".to_owned()));
        assert!(rules.exam_types(" ").is_empty());
    }

    #[test]
    fn d_p13_a_configured_word_counts_before_a_built_in_one() {
        let group = ExamTypeGroup { name: "放射".to_owned(), types: vec!["ct".to_owned(), "MR".to_owned()] };
        let narrower = ExamTypeGroup { name: "ris".to_owned(), types: vec!["CT".to_owned()] };
        let rules = SearchRules { exam_type: vec![group, narrower], ..SearchRules::default() };
        assert_eq!(rules.exam_types("放射"), ["CT", "MR"]);
        assert_eq!(rules.exam_types("RIS"), ["CT"]);
    }

    #[test]
    fn d_p5_a_system_that_gives_numbers_has_its_organisation() {
        let authority = Authority { name: "HIS-1".to_owned(), organization: "ORG-T01".to_owned() };
        let rules = SearchRules { authority: vec![authority], ..SearchRules::default() };
        assert_eq!((rules.authority(" his-1"), rules.authority("ORG-T02")), ("ORG-T01", "ORG-T02"));
    }
}
