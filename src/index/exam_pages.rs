//! The lists behind the pages: exam reports, lab reports and studies that no report names, within a session's scope.
//!
//! Three branches; each carries the whole scope (table E.6, D-P5, D-P24, D-R18, D-R22), so that a list and the check of a
//! single exam are the same conditions. What a key narrows is one statement; a list of everything walks by time
//! (`ordered`). A study with a report is seen through its report only: a withdrawn or restricted report hides its images too.

mod branch;
mod conditions;
mod keys;
mod ordered;

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Error, Index, Row, Select};
use crate::domain::lab_result::Severity;
use crate::domain::scope::{Filter, Order, Paging, Scope, SortBy};
use crate::params;
use branch::{Branch, EXAM_BRANCH, LAB_BRANCH, STUDY_BRANCH};
use conditions::{Standing, push_branch};

/// What an entry of a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// An exam report.
    Exam,
    /// A lab report.
    Lab,
    /// Images that no report has been registered for.
    Study,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its row.
    pub pk: i64,
    /// Its id in addresses.
    pub observation_uid: String,
    /// When it was done, local time.
    pub observed_at: String,
    /// Whose it is.
    pub org_code: String,
    /// The institution's patient number.
    pub patient_id: String,
    /// The imaging system's patient number.
    pub patient_local_id: String,
    /// Patient's name.
    pub name: String,
    /// `1`, `2`, `M`, `F`, …
    pub sex: String,
    /// As registered or from the images.
    pub birth_date: String,
    /// What was done.
    pub title: String,
    /// DICOM modality or class code.
    pub modality: String,
    /// The exam type's name.
    pub type_name: String,
    /// Body part.
    pub body_part: String,
    /// Accession number; a lab report's number.
    pub accession: String,
    /// 0 to 4, or empty.
    pub state: String,
    /// Whether somebody has reviewed it.
    pub reviewed: bool,
    /// What can be looked at.
    pub contents: Contents,
    /// Whether a report file is here.
    pub has_file: bool,
    /// Whether the report says something: findings or a conclusion, results.
    pub has_words: bool,
    /// How far its results are from normal, as the hospital says.
    pub severity: Severity,
}

/// Something to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Pictures.
    Images = 1,
    /// Electronic films, which are not among them (D-I5).
    Films = 2,
    /// Curves.
    Waveforms = 4,
    /// Videos.
    Videos = 8,
}

/// What the series of an entry are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents(i64);

impl Contents {
    /// These.
    pub fn of(contents: &[Content]) -> Self {
        Self(contents.iter().fold(0, |bits, one| bits | *one as i64))
    }

    /// Whether this is among them.
    pub fn has(self, one: Content) -> bool {
        self.0 & one as i64 != 0
    }
}

/// The entries that a session may see, narrowed by the form.
pub async fn find(index: &Index, scope: &Scope, filter: &Filter, paging: &Paging) -> Result<Vec<Entry>, Error> {
    let scope = &*of_organization(scope, filter);
    if is_whole(scope, filter) {
        return ordered::find(index, scope, filter, paging).await;
    }
    let Some(mut select) = narrowed("SELECT * FROM (", scope, filter, Standing::Current) else { return Ok(Vec::new()) };
    push_outer(&mut select, scope, filter, paging);
    index.query(select.sql(), select.values()).await?.iter().map(entry_from).collect()
}

/// Whether only time, type and organisation narrow the list: then it is walked by time, is not counted, and knows no
/// other order.
pub fn is_whole(scope: &Scope, filter: &Filter) -> bool {
    ordered::is_whole(scope, filter)
}

/// The scope with no organisation but the one that the form asks for.
fn of_organization<'s>(scope: &'s Scope, filter: &Filter) -> Cow<'s, Scope> {
    if filter.organization.is_empty() {
        return Cow::Borrowed(scope);
    }
    let may_be_seen = scope.organizations.as_ref().is_none_or(|codes| codes.contains(&filter.organization));
    let codes = if may_be_seen { vec![filter.organization.clone()] } else { Vec::new() };
    Cow::Owned(Scope { organizations: Some(codes), ..scope.clone() })
}

/// The organisations of the scope that have reports, and the session's own when its images need none.
pub async fn organizations(index: &Index, scope: &Scope) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for branch in [&EXAM_BRANCH, &LAB_BRANCH] {
        found.extend(ordered::organizations(index, branch).await?);
    }
    if scope.unreviewed && !scope.home.is_empty() {
        found.insert(scope.home.clone());
    }
    if let Some(codes) = &scope.organizations {
        found.retain(|code| codes.contains(code));
    }
    Ok(found)
}

/// How many entries of each kind a session may see, up to `most` together; `None` for a list that is not counted.
pub async fn count(index: &Index, scope: &Scope, filter: &Filter, most: i64) -> Result<Option<Counts>, Error> {
    let scope = &*of_organization(scope, filter);
    if is_whole(scope, filter) {
        return Ok(None);
    }
    let mut counts = Counts::default();
    const START: &str = "SELECT kind, COUNT(*) AS n FROM (SELECT kind FROM (";
    let Some(mut select) = narrowed(START, scope, filter, Standing::Current) else { return Ok(Some(counts)) };
    push_time(&mut select, scope, filter);
    select.push(" LIMIT ?) AS counted GROUP BY kind", params![most]);
    for row in index.query(select.sql(), select.values()).await? {
        let n = row.int("n")?;
        match kind_of(&row)? {
            EntryKind::Exam => counts.exams = n,
            EntryKind::Lab => counts.labs = n,
            EntryKind::Study => counts.studies = n,
        }
    }
    Ok(Some(counts))
}

/// Entries of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Exam reports.
    pub exams: i64,
    /// Lab reports.
    pub labs: i64,
    /// Images without a report.
    pub studies: i64,
}

impl Counts {
    /// All of them.
    pub fn all(&self) -> i64 {
        self.exams + self.labs + self.studies
    }
}

/// How the database would read the list: the lines of its explanation. For the test that no large table is read from end
/// to end.
pub async fn explain(index: &Index, scope: &Scope, filter: &Filter, paging: &Paging) -> Result<Vec<String>, Error> {
    let scope = &*of_organization(scope, filter);
    let selects = match is_whole(scope, filter) {
        true => ordered::all(scope, filter, paging),
        false => {
            let mut select = narrowed("SELECT * FROM (", scope, filter, Standing::Current);
            if let Some(select) = &mut select {
                push_outer(select, scope, filter, paging);
            }
            select.into_iter().collect()
        }
    };
    let mut lines = Vec::new();
    for select in selects {
        lines.extend(index.explain(&select).await?);
    }
    Ok(lines)
}

/// Whether the session could see the entry if its report had not been withdrawn (D-R18).
pub async fn is_withdrawn(index: &Index, scope: &Scope, observation_uid: &str) -> Result<bool, Error> {
    let filter = Filter { observation_uid: observation_uid.to_owned(), ..Filter::default() };
    let Some(mut select) = narrowed("SELECT pk FROM (", scope, &filter, Standing::Withdrawn) else { return Ok(false) };
    push_time(&mut select, scope, &filter);
    select.push(" LIMIT 1", params![]);
    Ok(index.query_opt(select.sql(), select.values()).await?.is_some())
}

/// What a key narrows, in one statement; `start` is what stands before it. None when no branch has the key.
fn narrowed(start: &'static str, scope: &Scope, filter: &Filter, standing: Standing) -> Option<Select> {
    let branches = [&EXAM_BRANCH, &LAB_BRANCH, &STUDY_BRANCH];
    let branches: Vec<&Branch> = branches.into_iter().filter(|branch| branch.can_have(scope)).collect();
    if branches.is_empty() {
        return None;
    }
    let mut select = Select::new(start);
    for (i, branch) in branches.into_iter().enumerate() {
        if i > 0 {
            select.push(" UNION ALL ", params![]);
        }
        push_branch(&mut select, branch, branch.any_organization, scope, filter, standing);
    }
    select.push(") AS found WHERE 1 = 1", params![]);
    Some(select)
}

/// Time, around the branches.
fn push_time(select: &mut Select, scope: &Scope, filter: &Filter) {
    let spans = [Some(&filter.observed), Some(&scope.criteria.observed)];
    let own = !scope.free_search && scope.patients.is_none();
    for span in spans.into_iter().take(if own { 2 } else { 1 }).flatten() {
        if !span.from.is_empty() {
            select.push(" AND observed_at >= ?", params![&span.from]);
        }
        if !span.to.is_empty() {
            select.push(" AND observed_at <= ?", params![&span.to]);
        }
    }
}

/// Time and order, around the branches.
fn push_outer(select: &mut Select, scope: &Scope, filter: &Filter, paging: &Paging) {
    push_time(select, scope, filter);
    let [newer, older, falling, rising] = outer_order(paging.by);
    if let Some((at, uid)) = &paging.after {
        select.push(if paging.order == Order::Newest { newer } else { older }, params![at, at, uid]);
    }
    select.push(if paging.order == Order::Newest { falling } else { rising }, params![paging.limit]);
}

/// Behind an entry and in order, falling and rising.
fn outer_order(by: SortBy) -> [&'static str; 4] {
    macro_rules! order {
        ($column:literal) => {
            [
                concat!(" AND (", $column, " < ? OR (", $column, " = ? AND observation_uid < ?))"),
                concat!(" AND (", $column, " > ? OR (", $column, " = ? AND observation_uid > ?))"),
                concat!(" ORDER BY ", $column, " DESC, observation_uid DESC LIMIT ?"),
                concat!(" ORDER BY ", $column, ", observation_uid LIMIT ?"),
            ]
        };
    }
    match by {
        SortBy::Observed => order!("observed_at"),
        SortBy::Name => order!("name"),
        SortBy::Type => order!("modality"),
        SortBy::Title => order!("title"),
        SortBy::Organization => order!("org_code"),
    }
}

/// One entry, when the session may see it.
pub async fn get(index: &Index, scope: &Scope, observation_uid: &str) -> Result<Option<Entry>, Error> {
    let filter = Filter { observation_uid: observation_uid.to_owned(), ..Filter::default() };
    let paging = Paging { by: SortBy::Observed, order: Order::Newest, after: None, limit: 1 };
    Ok(find(index, scope, &filter, &paging).await?.pop())
}

fn entry_from(row: &Row) -> Result<Entry, Error> {
    // Of a lab report without results there is nothing to judge.
    let abnormal = row.text("abnormal")?;
    let kind = kind_of(row)?;
    Ok(Entry {
        kind,
        pk: row.int("pk")?,
        observation_uid: row.text("observation_uid")?,
        observed_at: row.text("observed_at")?,
        org_code: row.text("org_code")?,
        patient_id: row.text("patient_id")?,
        patient_local_id: row.text("patient_local_id")?,
        name: row.text("name")?,
        sex: row.text("sex")?,
        birth_date: row.text("birth_date")?,
        title: row.text("title")?,
        modality: row.text("modality")?,
        type_name: row.text("type_name")?,
        body_part: row.text("body_part")?,
        accession: row.text("accession")?,
        state: row.text("state")?,
        reviewed: row.flag("reviewed")?,
        contents: Contents(row.int("contents")?),
        has_file: row.int("files")? > 0,
        has_words: row.flag("words")? || kind == EntryKind::Lab && !abnormal.is_empty(),
        severity: Severity::parse(&abnormal),
    })
}

fn kind_of(row: &Row) -> Result<EntryKind, Error> {
    Ok(match row.text("kind")?.as_str() {
        "exam" => EntryKind::Exam,
        "lab" => EntryKind::Lab,
        _ => EntryKind::Study,
    })
}

impl Entry {
    /// What it has in a column by which lists are sorted.
    pub fn sorted_by(&self, by: SortBy) -> &str {
        match by {
            SortBy::Observed => &self.observed_at,
            SortBy::Name => &self.name,
            SortBy::Type => &self.modality,
            SortBy::Title => &self.title,
            SortBy::Organization => &self.org_code,
        }
    }
}
