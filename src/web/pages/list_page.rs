//! What the list shows.

use askama::Template;

use super::state::Shell;
use super::text;
use crate::archive::pages::list_exams::{Entry, EntryKind};
use crate::domain::scope::Search;

/// The list page.
#[derive(Debug, Clone, Template)]
#[template(path = "list.html")]
pub(super) struct ListPage {
    pub(super) shell: Shell,
    pub(super) has_form: bool,
    /// Where the form is posted to.
    pub(super) form_action: String,
    pub(super) search: Search,
    pub(super) mistakes: Vec<&'static str>,
    pub(super) rows: Vec<ListRow>,
    pub(super) newest_first: bool,
    pub(super) by_date: String,
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
}

impl ListPage {
    fn is_type(&self, value: &str) -> bool {
        self.search.exam_type == value
    }
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct ListRow {
    pub(super) href: String,
    pub(super) observed_at: String,
    pub(super) name: String,
    pub(super) person: String,
    pub(super) kind: String,
    pub(super) title: String,
    pub(super) body_part: String,
    pub(super) accession: String,
    pub(super) organization: String,
    pub(super) state: &'static str,
    pub(super) unreviewed: bool,
    pub(super) has_report: bool,
    pub(super) has_images: bool,
}

impl ListRow {
    pub(super) fn of(entry: &Entry, root: &str, organization: &str) -> Self {
        Self {
            href: format!("{root}/exam/{}", entry.observation_uid),
            observed_at: text::to_the_minute(&entry.observed_at),
            name: text::person_name(&entry.name),
            person: text::person(&entry.sex, &entry.birth_date, &entry.observed_at),
            kind: text::exam_kind(entry),
            title: entry.title.clone(),
            body_part: entry.body_part.clone(),
            accession: entry.accession.clone(),
            organization: organization.to_owned(),
            state: text::state_label(entry),
            unreviewed: text::is_unreviewed(entry),
            has_report: entry.has_file || entry.kind != EntryKind::Study,
            has_images: entry.series > 0,
        }
    }
}

#[cfg(test)]
impl ListPage {
    pub(super) fn sample() -> Self {
        let entry = text::sample_entry();
        let shell = Shell::sample();
        ListPage {
            rows: vec![ListRow::of(&entry, &shell.root, "示例医院")],
            shell,
            has_form: true,
            form_action: "/t/0123456789abcdef0123456789abcdef/exams".to_owned(),
            search: Search { name: "测试甲".to_owned(), ..Search::default() },
            mistakes: vec!["开始日期的格式不正确，应为 2024-01-31。"],
            newest_first: true,
            by_date: "?order=asc".to_owned(),
            first: Some("?".to_owned()),
            next: Some("?after=1".to_owned()),
        }
    }
}
