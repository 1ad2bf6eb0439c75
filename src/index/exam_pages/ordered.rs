//! A list by time without anything else to look for: the session may see whole organisations.
//!
//! Reports are read organisation by organisation, and type by type, in the order of an index, as many as a part of the list
//! has, and put together here: a part costs the same wherever it is, also of a type that is rare. Studies without a report
//! have no such index; they are looked for only in the days that the reports leave them, of a type among the studies that
//! have it, and those without a date, which count as the oldest, where the oldest are. Of a state, or of what is critical, each
//! entry on the way is looked at: the caller bounds the time.

use super::{
    Branch, EXAM_BRANCH, Entry, EntryKind, LAB_BRANCH, STUDY_BRANCH, Standing, entry_from, push_branch, push_outer,
};
use crate::domain::scope::{Filter, Order, Paging, Scope, SortBy};
use crate::index::{Error, Index, Select, Value};
use crate::params;

/// Organisations times types that are walked one by one; more of them together are common enough to be met by time.
const MOST_WALKS: usize = 64;

/// Whether nothing but time, type and organisation narrows the list.
pub(super) fn is_whole(scope: &Scope, filter: &Filter) -> bool {
    let is_free = filter.name.is_empty()
        && filter.accession.is_empty()
        && filter.observation_uid.is_empty()
        && filter.patients.is_empty();
    scope.free_search && scope.patients.is_none() && is_free
}

/// The entries of the part.
pub(super) async fn find(index: &Index, scope: &Scope, filter: &Filter, paging: &Paging) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    for branch in [&EXAM_BRANCH, &LAB_BRANCH] {
        let codes = match &scope.organizations {
            Some(codes) => codes.clone(),
            None => organizations(index, branch).await?,
        };
        let organizations = codes.len();
        for code in codes {
            let one = Scope { organizations: Some(vec![code]), ..scope.clone() };
            for walk in walks(branch, filter, organizations) {
                let select = reports(branch, &one, filter, paging, walk);
                for row in index.query(select.sql(), select.values()).await? {
                    found.push(entry_from(&row)?);
                }
            }
        }
    }
    cut(&mut found, paging);
    if scope.unreviewed {
        for select in studies(scope, filter, paging, &found) {
            for row in index.query(select.sql(), select.values()).await? {
                found.push(entry_from(&row)?);
            }
        }
        cut(&mut found, paging);
    }
    Ok(found)
}

fn cut(found: &mut Vec<Entry>, paging: &Paging) {
    found.sort_by(|a, b| {
        let order = (&a.observed_at, &a.observation_uid).cmp(&(&b.observed_at, &b.observation_uid));
        if paging.order == Order::Newest { order.reverse() } else { order }
    });
    // A type may be the class of a report and its modality.
    found.dedup_by(|a, b| a.observation_uid == b.observation_uid);
    found.truncate(usize::try_from(paging.limit).unwrap_or(0));
}

/// The organisations that have reports; one look into the index for each.
pub(super) async fn organizations(index: &Index, branch: &Branch) -> Result<Vec<String>, Error> {
    let mut codes: Vec<String> = Vec::new();
    loop {
        let last = codes.last().cloned().unwrap_or_default();
        let row = index.query_opt(branch.next_organization, params![last]).await?;
        match row.map(|row| row.get::<Option<String>>("code")).transpose()?.flatten() {
            Some(code) => codes.push(code),
            None => return Ok(codes),
        }
    }
}

/// The statements of a part for each organisation of the scope.
pub(super) fn all(scope: &Scope, filter: &Filter, paging: &Paging) -> Vec<Select> {
    let branches = [&EXAM_BRANCH, &LAB_BRANCH];
    let walked =
        |branch| walks(branch, filter, 1).into_iter().map(move |walk| reports(branch, scope, filter, paging, walk));
    let mut selects: Vec<Select> = branches.into_iter().flat_map(walked).collect();
    if scope.unreviewed {
        selects.extend(studies(scope, filter, paging, &[]));
    }
    selects
}

/// A column that is a type, and the type; none to walk by time alone.
type Walk<'f> = Option<(&'static str, &'f str)>;

/// The walks that meet all reports of the types that are asked for.
fn walks<'f>(branch: &Branch, filter: &'f Filter, organizations: usize) -> Vec<Walk<'f>> {
    let is_any = filter.types.is_empty() || branch.kind == EntryKind::Lab && filter.types.iter().any(|t| t == "LAB");
    if is_any || organizations * filter.types.len() * branch.types.len() > MOST_WALKS {
        return vec![None];
    }
    let of = |column: &'static str| filter.types.iter().map(move |name| Some((column, name.as_str())));
    branch.types.iter().flat_map(|column| of(column)).collect()
}

fn reports(branch: &Branch, scope: &Scope, filter: &Filter, paging: &Paging, walk: Walk<'_>) -> Select {
    let mut select = Select::new("");
    push_branch(&mut select, branch, branch.organization, scope, filter, Standing::Current);
    if let Some((column, name)) = walk {
        select.push(column, params![name]);
    }
    let [from, to, before, behind, newest, oldest] = branch.walk;
    if !filter.observed.from.is_empty() {
        select.push(from, params![&filter.observed.from]);
    }
    if !filter.observed.to.is_empty() {
        select.push(to, params![&filter.observed.to]);
    }
    if let Some((at, uid)) = &paging.after {
        select.push(if paging.order == Order::Newest { before } else { behind }, params![at, uid]);
    }
    select.push(if paging.order == Order::Newest { newest } else { oldest }, params![paging.limit]);
    select
}

/// Studies without a report, where the part has room for them: `found` fills it up to its last entry.
fn studies(scope: &Scope, filter: &Filter, paging: &Paging, found: &[Entry]) -> Vec<Select> {
    let is_full = found.len() as i64 >= paging.limit;
    let last = found.last().filter(|_| is_full).map(|entry| entry.observed_at.as_str());
    let after = paging.after.as_ref().map(|(at, _)| at.as_str());
    let (oldest, newest) = match paging.order {
        Order::Newest => (last, after),
        Order::Oldest => (after, last),
    };
    let from = [oldest, Some(filter.observed.from.as_str())].into_iter().flatten().filter_map(day).max();
    let to = [newest, Some(filter.observed.to.as_str())].into_iter().flatten().filter_map(day).min();
    let (from, to) = (from.unwrap_or_default(), to.unwrap_or_else(|| "99999999".to_owned()));
    let mut dated;
    if filter.types.is_empty() {
        // The index of dates begins with the organisation, and every day has one: that is the index to take.
        dated = studies_of(STUDY_BRANCH.organization, scope, filter);
        dated.push(" AND s.org_code = ? AND s.study_date >= ? AND s.study_date <= ?", params![&scope.home, from, to]);
    } else {
        dated = studies_of(STUDY_BRANCH.any_organization, scope, filter);
        dated.push(" AND s.id IN (SELECT m.study_pk FROM study_modality m WHERE m.org_code = ?", params![&scope.home]);
        let spelt = filter.types.iter().flat_map(|name| [name.clone(), name.to_lowercase()]);
        dated.push_in(" AND m.modality", spelt.map(Value::from).collect());
        dated.push(" AND m.study_date >= ? AND m.study_date <= ?)", params![from, to]);
    }
    dated.push(" AND LENGTH(s.study_date) = 8", params![]);
    // Behind one without a date there are no others with one.
    let is_past = paging.order == Order::Newest && after == Some("");
    let mut selects = if is_past { Vec::new() } else { vec![dated] };
    // What has no date is older than anything that has one.
    if oldest.is_none_or(str::is_empty) && filter.observed.from.is_empty() {
        let mut undated = studies_of(STUDY_BRANCH.organization, scope, filter);
        undated.push(" AND s.org_code = ? AND LENGTH(s.study_date) <> 8", params![&scope.home]);
        selects.push(undated);
    }
    for select in &mut selects {
        select.push(") AS found WHERE 1 = 1", params![]);
        push_outer(select, scope, filter, &Paging { by: SortBy::Observed, ..paging.clone() });
    }
    selects
}

fn studies_of(organization: &'static str, scope: &Scope, filter: &Filter) -> Select {
    let mut select = Select::new("");
    select.push("SELECT * FROM (", params![]);
    push_branch(&mut select, &STUDY_BRANCH, organization, scope, filter, Standing::Current);
    select
}

/// `yyyyMMdd` of a moment.
fn day(moment: &str) -> Option<String> {
    let digits: String = moment.get(..10)?.chars().filter(|c| *c != '-').collect();
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}
