//! What stands beside an exam: the patient's other exams, and earlier versions of the report.

use serde::Deserialize;

use super::exam_page::{Section, Tab};
use super::state::Inner;
use super::text;
use crate::archive::Error;
use crate::archive::pages::list_exams::Entry;
use crate::archive::pages::open_link::Session;
use crate::archive::pages::view_exam::ExamView;
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
    pub(super) has_images: bool,
    pub(super) has_film: bool,
    pub(super) critical: bool,
}

/// An earlier version.
#[derive(Debug, Clone)]
pub(super) struct VersionLink {
    pub(super) number: i64,
    pub(super) replaced_at: String,
    pub(super) href: String,
    pub(super) current: bool,
}

/// What an earlier version said.
#[derive(Debug, Clone)]
pub(super) struct ShownVersion {
    pub(super) number: i64,
    pub(super) replaced_at: String,
    pub(super) author: String,
    pub(super) sections: Vec<Section>,
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
        let asked: Option<i64> = query.version.parse().ok().filter(|_| tab == Some(Tab::Text));
        let versions = pages.archive.report_versions(session, entry).await?;
        let versions = versions.iter().map(|version| VersionLink {
            number: version.version,
            replaced_at: text::moment(version.replaced_at),
            href: format!("?tab=text&version={}", version.version),
            current: asked == Some(version.version),
        });
        let shown = match asked {
            Some(number) => {
                let exam = (entry.observation_uid.as_str(), number);
                let said = pages.archive.view_report_version(&pages.viewer, session, client, exam).await?;
                let texts = [
                    ("检查项目", &said.exam_item_name),
                    ("临床诊断", &said.outpat_diag_name),
                    ("影像所见", &said.image_descr),
                    ("影像结论", &said.conclusion),
                ];
                let names = [said.author_name.as_str(), said.authenticator_name.as_str()];
                let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
                Some(ShownVersion {
                    number,
                    replaced_at: text::moment(said.replaced_at),
                    author: names.join(" / "),
                    sections: Section::of(texts),
                })
            }
            None => None,
        };
        Ok(Self { others, list, versions: versions.collect(), shown })
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
            has_images: entry.series > 0,
            has_film: entry.films > 0,
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
                href: "?tab=text&version=1".to_owned(),
                current: true,
            }],
            shown: Some(ShownVersion {
                number: 1,
                replaced_at: "2026-01-02 08:00".to_owned(),
                author: words.to_owned(),
                sections: Section::of([("影像所见", &said)]),
            }),
        }
    }
}
