//! What stands beside an exam: the patient's other exams, and earlier versions of the report.

use serde::Deserialize;

use super::exam_page::{LabRow, Section, Tab};
use super::state::Inner;
use super::text;
use crate::archive::Error;
use crate::archive::pages::list_exams::{Entry, EntryKind};
use crate::archive::pages::open_link::Session;
use crate::archive::pages::report_versions::{VersionContent, VersionRow};
use crate::archive::pages::view_exam::ExamView;
#[cfg(test)]
use crate::archive::pages::view_exam::LabItem;
use crate::domain::criteria::ShowType;
use crate::domain::lab_result::Severity;

/// Most other exams beside the one that is shown.
const MOST: i64 = 20;

/// What the address says beside the tab.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AsideQuery {
    /// An earlier version of the report.
    version: String,
    pub(super) lang: String,
}

/// All that stands beside.
#[derive(Debug, Clone, Default)]
pub(super) struct Aside {
    pub(super) others: Vec<Other>,
    /// Where all of them are.
    pub(super) list: Option<String>,
    pub(super) versions: Vec<VersionLink>,
    /// The tab in which the report's words are.
    pub(super) told: &'static str,
    /// Whether a lab report was corrected after it was released.
    pub(super) corrected: bool,
    /// The version that is shown in the place of the present one.
    pub(super) shown: Option<ShownVersion>,
}

/// Another exam of the patient.
#[derive(Debug, Clone)]
pub(super) struct Other {
    pub(super) href: String,
    pub(super) day: String,
    pub(super) kind: String,
    pub(super) chip: &'static str,
    pub(super) title: String,
    pub(super) organization: String,
    pub(super) contents: Vec<&'static str>,
    pub(super) critical: bool,
}

/// An earlier version.
#[derive(Debug, Clone)]
pub(super) struct VersionLink {
    pub(super) number: i64,
    pub(super) replaced_at: String,
    /// Where it is; a withdrawn one is nowhere.
    pub(super) href: Option<String>,
    pub(super) current: bool,
}

/// What an earlier version said.
#[derive(Debug, Clone)]
pub(super) struct ShownVersion {
    pub(super) number: i64,
    pub(super) replaced_at: String,
    /// Title and specimen of a lab report, and whose it was.
    pub(super) about: String,
    pub(super) sections: Vec<Section>,
    pub(super) rows: Vec<LabRow>,
}

impl Aside {
    pub(super) async fn of(
        pages: &Inner,
        session: &Session,
        client: &str,
        found: &ExamView,
        (root, tab, query): (&str, Option<Tab>, &AsideQuery),
    ) -> Result<Self, Error> {
        let entry = &found.entry;
        let others = pages.archive.exams_of_patient(session, entry, MOST).await?;
        let list = (!session.scope.visitor && !others.is_empty()).then(|| format!("{root}/exams"));
        let others = others.iter().map(|other| Other::of(other, root, &pages.organization(&other.org_code))).collect();
        // No word of the report (D-P18).
        if session.scope.show_type == ShowType::DataOnly {
            return Ok(Self { others, list, ..Self::default() });
        }
        let is_told = matches!(tab, Some(Tab::Text | Tab::Lab));
        let asked: Option<i64> = query.version.parse().ok().filter(|_| is_told);
        let tab = if entry.kind == EntryKind::Lab { Tab::Lab } else { Tab::Text };
        let versions = pages.archive.report_versions(session, entry).await?;
        let link = |version: &VersionRow| VersionLink {
            number: version.version,
            replaced_at: text::moment(version.replaced_at),
            href: (!version.withdrawn).then(|| format!("?tab={}&version={}", tab.name(), version.version)),
            current: asked == Some(version.version),
        };
        let shown = match asked {
            Some(number) => {
                let exam = (entry.observation_uid.as_str(), number);
                let said = pages.archive.view_report_version(&pages.viewer, session, client, exam).await?;
                Some(ShownVersion::of(number, &said))
            }
            None => None,
        };
        let (corrected, versions) = (versions.corrected, versions.listed.iter().map(link).collect());
        Ok(Self { others, list, versions, told: tab.name(), corrected, shown })
    }
}

impl ShownVersion {
    fn of(number: i64, said: &VersionContent) -> Self {
        let about = |words: &[&String]| {
            let words: Vec<&str> = words.iter().map(|word| word.as_str()).filter(|word| !word.is_empty()).collect();
            words.join(" / ")
        };
        match said {
            VersionContent::Exam(said) => Self {
                number,
                replaced_at: text::moment(said.replaced_at),
                about: about(&[&said.author_name, &said.authenticator_name]),
                sections: Section::of([
                    ("检查项目", &said.exam_item_name),
                    ("临床诊断", &said.outpat_diag_name),
                    ("影像所见", &said.image_descr),
                    ("影像结论", &said.conclusion),
                ]),
                rows: Vec::new(),
            },
            VersionContent::Lab(said, replaced_at) => Self {
                number,
                replaced_at: text::moment(*replaced_at),
                about: about(&[&said.title, &said.specimen, &said.author_name, &said.authenticator_name]),
                sections: Vec::new(),
                rows: said.items.iter().map(LabRow::earlier).collect(),
            },
        }
    }
}

impl Other {
    fn of(entry: &Entry, root: &str, organization: &str) -> Self {
        Self {
            href: format!("{root}/exam/{}", entry.observation_uid),
            day: entry.observed_at.chars().take(10).collect(),
            kind: text::exam_kind(entry),
            chip: text::chip(entry),
            title: if entry.title.is_empty() { entry.body_part.clone() } else { entry.title.clone() },
            organization: organization.to_owned(),
            contents: text::contents(entry),
            critical: entry.severity == Severity::Critical,
        }
    }
}

#[cfg(test)]
impl Aside {
    pub(super) fn sample(words: &str) -> Self {
        let mut entry = text::sample_entry();
        entry.title = words.to_owned();
        let said = words.to_owned();
        Self {
            others: vec![Other::of(&entry, "/t/x", words)],
            list: Some("/t/x/exams".to_owned()),
            versions: vec![VersionLink {
                number: 1,
                replaced_at: "2026-01-02 08:00".to_owned(),
                href: Some("?tab=text&version=1".to_owned()),
                current: true,
            }],
            told: "text",
            corrected: false,
            shown: Some(ShownVersion {
                number: 1,
                replaced_at: "2026-01-02 08:00".to_owned(),
                about: words.to_owned(),
                sections: Section::of([("影像所见", &said)]),
                rows: vec![LabRow::earlier(&LabItem { name: said.clone(), ..LabItem::default() })],
            }),
        }
    }
}
