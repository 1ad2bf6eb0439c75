//! Which code goes where: the section `[qr]`, and its rules for organisations and classes of reports (D-I10).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::documents::lab_sheet::Reserved;
use crate::documents::stamp::{Corner, SignedFiles, StampPolicy, StampedPages};

/// Bumped whenever the same policy would be painted otherwise.
const STAMP_VERSION: u32 = 1;

/// Section `[qr]`: the code on reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QrConfig {
    /// Whether reports are stamped at all. Default true.
    pub enabled: bool,
    /// Side of the printed square, white border included, in millimetres. Default 22.
    pub size_mm: f64,
    /// Distance from the edges of the page as it is seen, in millimetres. Default 8.
    pub margin_mm: f64,
    /// Corner of the page: `top_left`, `top_right` (default), `bottom_left`, `bottom_right`.
    pub corner: Corner,
    /// Pages that carry the code: `first` (default), `last` or `all`.
    pub pages: StampedPages,
    /// Text beside the code, e.g. `扫码查看报告`; a line break begins another line. Default: none.
    pub caption: String,
    /// Height of that text, in millimetres. Default 2.8.
    pub caption_mm: f64,
    /// How long a link opens after its report was last stamped, in days; 0 means for ever. Default 365.
    pub link_valid_days: u32,
    /// Stamp PDFs that open without a password although their owner has locked them (D-I9). Default false.
    pub owner_locked: bool,
    /// What becomes of signed PDFs: `skip` (default) archives them without a code, `append` adds it behind the signed bytes.
    pub signed: SignedFiles,
    /// Whether reports are stamped anew after this section or `http.public_url` has changed. Default true.
    pub restamp: bool,
    /// Exceptions; for a report the first one that fits counts.
    pub rule: Vec<QrRule>,
}

impl Default for QrConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            size_mm: 22.0,
            margin_mm: 8.0,
            corner: Corner::TopRight,
            pages: StampedPages::First,
            caption: String::new(),
            caption_mm: 2.8,
            link_valid_days: 365,
            owner_locked: false,
            signed: SignedFiles::Skip,
            restamp: true,
            rule: Vec::new(),
        }
    }
}

/// One `[[qr.rule]]`: what is different for some reports. What it does not say is as in `[qr]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QrRule {
    /// Codes of organisations; empty means all.
    pub organizations: Vec<String>,
    /// Classes of reports: `Class_Code`, `Class_Name` or the modality of an exam report, in any case; `lab` means lab
    /// reports. Empty means all.
    pub classes: Vec<String>,
    /// As `qr.enabled`.
    pub enabled: Option<bool>,
    /// As `qr.size_mm`.
    pub size_mm: Option<f64>,
    /// As `qr.margin_mm`.
    pub margin_mm: Option<f64>,
    /// As `qr.corner`.
    pub corner: Option<Corner>,
    /// As `qr.pages`.
    pub pages: Option<StampedPages>,
    /// As `qr.caption`.
    pub caption: Option<String>,
    /// As `qr.owner_locked`.
    pub owner_locked: Option<bool>,
    /// As `qr.signed`.
    pub signed: Option<SignedFiles>,
}

impl QrConfig {
    /// What is wrong with the section, each with its key below `qr.`; empty when it is fit for use.
    pub fn faults(&self) -> Vec<(String, &'static str)> {
        let mut faults = Vec::new();
        let mut check = |key: String, value: f64, low: f64, high: f64, message: &'static str| {
            if !(low..=high).contains(&value) {
                faults.push((key, message));
            }
        };
        check("size_mm".to_owned(), self.size_mm, 10.0, 60.0, "must be 10 to 60");
        check("margin_mm".to_owned(), self.margin_mm, 0.0, 100.0, "must be 0 to 100");
        check("caption_mm".to_owned(), self.caption_mm, 1.0, 20.0, "must be 1 to 20");
        for (i, rule) in self.rule.iter().enumerate() {
            let (size, margin) = (rule.size_mm.unwrap_or(22.0), rule.margin_mm.unwrap_or(8.0));
            check(format!("rule.{i}.size_mm"), size, 10.0, 60.0, "must be 10 to 60");
            check(format!("rule.{i}.margin_mm"), margin, 0.0, 100.0, "must be 0 to 100");
        }
        faults
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportClass {
    /// The organisation.
    pub org_code: String,
    /// Words for what kind of report it is.
    pub classes: Vec<String>,
}

/// What stamping needs: the section `[qr]` and the address that the world knows this server by.
#[derive(Debug, Clone, PartialEq)]
pub struct StampSettings {
    /// `http.public_url`; links are made of it and `/q/<id>`.
    pub public_url: String,
    /// Section `[qr]`.
    pub qr: QrConfig,
}

impl StampSettings {
    /// The section with the rule for a report applied, without rules.
    fn section_for(&self, class: &ReportClass) -> QrConfig {
        let covers = |words: &[String], wanted: &[&str]| {
            words.is_empty()
                || words.iter().any(|word| wanted.iter().any(|w| w.trim().eq_ignore_ascii_case(word.trim())))
        };
        let classes: Vec<&str> = class.classes.iter().map(String::as_str).collect();
        let fits = |rule: &&QrRule| covers(&rule.organizations, &[&class.org_code]) && covers(&rule.classes, &classes);
        let mut section = QrConfig { rule: Vec::new(), ..self.qr.clone() };
        if let Some(rule) = self.qr.rule.iter().find(fits) {
            let QrRule {
                organizations: _,
                classes: _,
                enabled,
                size_mm,
                margin_mm,
                corner,
                pages,
                caption,
                owner_locked,
                signed,
            } = rule.clone();
            section.enabled = enabled.unwrap_or(section.enabled);
            section.size_mm = size_mm.unwrap_or(section.size_mm);
            section.margin_mm = margin_mm.unwrap_or(section.margin_mm);
            section.corner = corner.unwrap_or(section.corner);
            section.pages = pages.unwrap_or(section.pages);
            section.caption = caption.unwrap_or(section.caption);
            section.owner_locked = owner_locked.unwrap_or(section.owner_locked);
            section.signed = signed.unwrap_or(section.signed);
        }
        section
    }

    /// How a report is stamped, or `None` when it is not.
    pub fn policy(&self, class: &ReportClass, link_id: &str) -> Option<StampPolicy> {
        let section = self.section_for(class);
        section.enabled.then(|| StampPolicy {
            content: format!("{}/q/{link_id}", self.public_url.trim_end_matches('/')),
            size_mm: section.size_mm,
            margin_mm: section.margin_mm,
            corner: section.corner,
            pages: section.pages,
            caption: section.caption,
            caption_mm: section.caption_mm,
            owner_locked: section.owner_locked,
            signed: section.signed,
        })
    }

    /// Whether a report of this class gets a code.
    pub(super) fn stamps(&self, class: &ReportClass) -> bool {
        self.section_for(class).enabled
    }

    /// The corner that a composed report keeps free for its code.
    pub(super) fn reserved(&self, class: &ReportClass) -> Option<Reserved> {
        let section = self.section_for(class);
        let side_mm = section.size_mm + section.margin_mm;
        section.enabled.then_some(Reserved { corner: section.corner, side_mm })
    }

    /// What a copy of a report of this class was made with; another digest means that it must be made again.
    pub(super) fn digest(&self, class: &ReportClass) -> String {
        let QrConfig { enabled, size_mm, margin_mm, corner, pages, caption, caption_mm, owner_locked, signed, .. } =
            self.section_for(class);
        let placed = (size_mm, margin_mm, corner, pages, caption, caption_mm, owner_locked, signed);
        digest(&format!("{STAMP_VERSION} {enabled} {} {placed:?}", self.public_url))
    }

    /// Of all policies together.
    pub(super) fn digest_of_all(&self) -> String {
        let QrConfig { restamp: _, link_valid_days: _, .. } = self.qr;
        let qr = QrConfig { restamp: true, link_valid_days: 0, ..self.qr.clone() };
        digest(&format!("{STAMP_VERSION} {} {qr:?}", self.public_url))
    }
}

/// 128 bits of SHA-256, hex.
fn digest(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text));
    digest.truncate(32);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> StampSettings {
        let rule = |organization: &str, classes: &[&str]| QrRule {
            organizations: vec![organization.to_owned()],
            classes: classes.iter().map(|&class| class.to_owned()).collect(),
            ..QrRule::default()
        };
        let qr = QrConfig {
            rule: vec![
                QrRule { enabled: Some(false), ..rule("ORG-T01", &["us"]) },
                QrRule { corner: Some(Corner::BottomLeft), caption: Some("扫码".to_owned()), ..rule("ORG-T01", &[]) },
            ],
            ..QrConfig::default()
        };
        StampSettings { public_url: "https://r.example.test/".to_owned(), qr }
    }

    fn class(org_code: &str, class: &str) -> ReportClass {
        ReportClass { org_code: org_code.to_owned(), classes: vec![class.to_owned()] }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let settings = settings();
        assert_eq!(settings.policy(&class("ORG-T01", "US"), "x"), None);
        let own = settings.policy(&class("ORG-T01", "CT"), "x").unwrap();
        assert_eq!((own.corner, own.caption.as_str()), (Corner::BottomLeft, "扫码"));
        assert_eq!(own.content, "https://r.example.test/q/x");
        let other = settings.policy(&class("ORG-T02", "US"), "x").unwrap();
        assert_eq!((other.corner, other.caption.as_str()), (Corner::TopRight, ""));
    }

    #[test]
    fn a_digest_changes_with_what_is_printed_and_with_nothing_else() {
        let (before, mut after) = (settings(), settings());
        after.qr.link_valid_days = 7;
        assert_eq!(before.digest_of_all(), after.digest_of_all());
        after.qr.rule[1].caption = Some("扫码查看".to_owned());
        assert_ne!(before.digest_of_all(), after.digest_of_all());
        assert_ne!(before.digest(&class("ORG-T01", "CT")), after.digest(&class("ORG-T01", "CT")));
        assert_eq!(before.digest(&class("ORG-T02", "CT")), after.digest(&class("ORG-T02", "CT")));
    }

    #[test]
    fn sizes_that_no_reader_reads_are_faults() {
        let mut qr = settings().qr;
        assert_eq!(qr.faults(), []);
        qr.rule[0].size_mm = Some(3.0);
        qr.caption_mm = f64::NAN;
        let keys: Vec<String> = qr.faults().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["caption_mm", "rule.0.size_mm"]);
    }
}
