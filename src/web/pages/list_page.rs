//! What the list shows.

use askama::Template;

use super::state::Shell;
use super::text;
use crate::archive::pages::list_exams::{Counts, Entry, MOST_COUNTED};
use crate::domain::lab_result::Severity;
use crate::domain::scope::{Order, Search, SortBy};

/// Exam types that the form offers.
const TYPES: [(&str, &str); 10] = [
    ("CT", "CT"),
    ("MR", "磁共振"),
    ("DR", "X线"),
    ("US", "超声"),
    ("ES", "内镜"),
    ("ECG", "心电"),
    ("MG", "乳腺"),
    ("NM", "核医学"),
    ("PA", "病理"),
    ("LAB", "检验"),
];

/// The list page.
#[derive(Debug, Clone, Template)]
#[template(path = "list.html")]
pub(super) struct ListPage {
    pub(super) shell: Shell,
    pub(super) heading: &'static str,
    pub(super) has_form: bool,
    /// Where the form is posted to.
    pub(super) form_action: String,
    pub(super) search: Search,
    /// The organisations to choose from; empty where there is only one.
    pub(super) organizations: Vec<Choice>,
    pub(super) states: Vec<Choice>,
    /// The day before which nothing was looked for.
    pub(super) since: Option<String>,
    pub(super) mistakes: Vec<&'static str>,
    pub(super) counts: Option<Counts>,
    pub(super) restricted: i64,
    /// Whether others than the link's patient may be among them.
    pub(super) free: bool,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<ListRow>,
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
}

impl ListPage {
    fn is_type(&self, value: &str) -> bool {
        self.search.exam_type == value
    }
}

/// One of the values of a field.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

/// The head of a column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) label: &'static str,
    /// Sorts by it, or turns the order round.
    pub(super) href: Option<String>,
    /// The order, when the list is sorted by it.
    pub(super) order: Option<Order>,
}

impl Column {
    /// Value of `aria-sort`; the newest first is falling.
    pub(super) fn aria_sort(&self) -> Option<&'static str> {
        self.order.map(|order| if order == Order::Newest { "descending" } else { "ascending" })
    }

    pub(super) fn arrow(&self) -> &'static str {
        match self.order {
            Some(Order::Newest) => " ▼",
            Some(Order::Oldest) => " ▲",
            None => "",
        }
    }
}

/// The columns that a list can be sorted by, with their names in addresses; names begin rising, times falling.
pub(super) const SORTED: [(SortBy, &str, Order); 5] = [
    (SortBy::Observed, "", Order::Newest),
    (SortBy::Name, "name", Order::Oldest),
    (SortBy::Type, "type", Order::Oldest),
    (SortBy::Title, "title", Order::Oldest),
    (SortBy::Organization, "hospital", Order::Oldest),
];

/// The heads of the columns of a list sorted by `by`; `link` makes an address of a column and an order.
pub(super) fn columns(
    (by, order): (SortBy, Order),
    sortable: bool,
    link: impl Fn(SortBy, Order) -> String,
) -> Vec<Column> {
    let labels = [
        ("检查时间", Some(SortBy::Observed)),
        ("姓名", Some(SortBy::Name)),
        ("类型", Some(SortBy::Type)),
        ("项目", Some(SortBy::Title)),
        ("部位", None),
        ("检查号", None),
        ("医院", Some(SortBy::Organization)),
        ("状态", None),
        ("内容", None),
    ];
    let column = |(label, column): (&'static str, Option<SortBy>)| {
        let column = column.filter(|column| sortable || *column == SortBy::Observed);
        let is_current = column == Some(by);
        let href = column.map(|column| {
            let first = SORTED.iter().find(|(other, _, _)| *other == column).map_or(Order::Newest, |found| found.2);
            let turned = if order == Order::Newest { Order::Oldest } else { Order::Newest };
            link(column, if is_current { turned } else { first })
        });
        Column { label, href, order: is_current.then_some(order) }
    };
    labels.map(column).into()
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct ListRow {
    pub(super) href: String,
    pub(super) observed_at: String,
    pub(super) name: String,
    pub(super) sex: &'static str,
    pub(super) age: String,
    pub(super) kind: String,
    pub(super) chip: &'static str,
    pub(super) title: String,
    pub(super) body_part: String,
    pub(super) accession: String,
    pub(super) organization: String,
    pub(super) state: &'static str,
    pub(super) unreviewed: bool,
    pub(super) has_report: bool,
    /// What can be looked at, in words.
    pub(super) contents: Vec<&'static str>,
    pub(super) abnormal: bool,
    pub(super) critical: bool,
    /// Mark of mutual recognition of images and data.
    pub(super) mark: String,
}

impl ListRow {
    pub(super) fn of(entry: &Entry, root: &str, organization: &str) -> Self {
        Self {
            href: format!("{root}/exam/{}", entry.observation_uid),
            observed_at: text::to_the_minute(&entry.observed_at),
            name: text::person_name(&entry.name),
            sex: text::sex(&entry.sex),
            age: text::age(&entry.birth_date, &entry.observed_at),
            kind: text::exam_kind(entry),
            chip: text::chip(entry),
            title: entry.title.clone(),
            body_part: entry.body_part.clone(),
            accession: entry.accession.clone(),
            organization: organization.to_owned(),
            state: text::state_label(entry),
            unreviewed: text::is_unreviewed(entry),
            has_report: entry.has_file || entry.has_words,
            contents: text::contents(entry),
            abnormal: entry.severity == Severity::Abnormal,
            critical: entry.severity == Severity::Critical,
            mark: String::new(),
        }
    }
}

#[cfg(test)]
impl Choice {
    fn sample(label: &str) -> Self {
        Choice { value: "1".to_owned(), label: label.to_owned(), is_chosen: true }
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
            heading: "检查查询",
            has_form: true,
            form_action: "/t/0123456789abcdef0123456789abcdef/exams".to_owned(),
            search: Search { name: "测试甲".to_owned(), ..Search::default() },
            organizations: ["ORG-T01", "ORG-T02"].map(Choice::sample).into(),
            states: ["已审核", "未出报告"].map(Choice::sample).into(),
            since: Some("2024-01-01".to_owned()),
            mistakes: vec!["开始日期的格式不正确，应为 2024-01-31。"],
            counts: Some(Counts { exams: 1, labs: 2, studies: 3 }),
            restricted: 1,
            free: true,
            columns: columns((SortBy::Observed, Order::Newest), true, |_, _| "?order=asc".to_owned()),
            first: Some("?".to_owned()),
            next: Some("?after=1".to_owned()),
        }
    }
}
