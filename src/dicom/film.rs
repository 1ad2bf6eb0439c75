//! Which series are electronic films (D-I5).
//!
//! Modality `EFILM` makes a film of any SOP class. Devices that cannot write it are known by rules: a series description,
//! a SOP class, or both, of one organisation or of all. The stored object keeps the Modality that it came with. A rule that
//! changes counts for what arrives from then on; `yingku reindex --text` applies it to what is there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sop_class::{self, SeriesKind};
use crate::domain::Uid;
use crate::domain::query::Pattern;

/// Series that are electronic films although their Modality does not say so; everything that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilmRule {
    /// Code of the organisation. Default empty: every organisation.
    pub organization: String,
    /// Series Description (0008,103E), without regard to case; `*` stands for any characters, `?` for one. Default empty:
    /// any.
    pub series_description: String,
    /// SOP Class UID (0008,0016). Default empty: any.
    pub sop_class_uid: String,
}

impl FilmRule {
    /// What is wrong with these values, one sentence each; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.series_description.chars().all(|c| c == '*') && self.sop_class_uid.is_empty() {
            faults.push("dicom.film needs a series_description or a sop_class_uid, or everything is a film".to_owned());
        }
        if !self.sop_class_uid.is_empty() && Uid::parse(&self.sop_class_uid).is_err() {
            faults.push("dicom.film.sop_class_uid is no UID".to_owned());
        }
        faults
    }

    fn fits(&self, org_code: &str, sop_class_uid: &str, series_description: &str) -> bool {
        let wanted = self.series_description.to_lowercase();
        (self.organization.is_empty() || self.organization == org_code)
            && (self.sop_class_uid.is_empty() || self.sop_class_uid == sop_class_uid)
            && (wanted.is_empty() || Pattern::new(&wanted).matches(&series_description.to_lowercase()))
    }
}

/// What a series of this organisation is.
pub fn kind_of_series(
    rules: &[FilmRule],
    org_code: &str,
    sop_class_uid: &str,
    modality: &str,
    series_description: &str,
) -> SeriesKind {
    match rules.iter().any(|rule| rule.fits(org_code, sop_class_uid, series_description)) {
        true => SeriesKind::Film,
        false => sop_class::kind(sop_class_uid, modality),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    #[test]
    fn a_film_is_one_by_its_modality_or_by_a_rule_of_its_organisation() {
        let rule = |organization: &str, series_description: &str, sop_class_uid: &str| FilmRule {
            organization: organization.to_owned(),
            series_description: series_description.to_owned(),
            sop_class_uid: sop_class_uid.to_owned(),
        };
        let rules = [rule("", "*film*", ""), rule("ORG-T01", "胶片?", SECONDARY_CAPTURE), rule("ORG-T02", "", CT)];
        for (org_code, sop_class_uid, modality, description, expected) in [
            ("ORG-T09", CT, "EFILM", "", SeriesKind::Film),
            ("ORG-T09", CT, "CT", "Electronic FILM 1", SeriesKind::Film),
            ("ORG-T01", SECONDARY_CAPTURE, "OT", "胶片1", SeriesKind::Film),
            ("ORG-T01", SECONDARY_CAPTURE, "OT", "胶片", SeriesKind::Image),
            ("ORG-T01", CT, "CT", "胶片1", SeriesKind::Image),
            ("ORG-T02", SECONDARY_CAPTURE, "OT", "胶片1", SeriesKind::Image),
            ("ORG-T02", CT, "CT", "", SeriesKind::Film),
            ("ORG-T01", CT, "CT", "", SeriesKind::Image),
        ] {
            let kind = kind_of_series(&rules, org_code, sop_class_uid, modality, description);
            assert_eq!(kind, expected, "{org_code} {sop_class_uid} {description}");
        }
        assert!(rules.iter().all(|rule| rule.faults().is_empty()));
        assert_eq!(rule("ORG-T01", "**", "").faults().len(), 1);
        assert_eq!(rule("", "", "CT").faults().len(), 1);
    }
}
