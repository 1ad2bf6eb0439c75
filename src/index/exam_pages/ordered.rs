//! A list by time without anything else to look for: the session may see whole organisations.
//!
//! Reports are read organisation by organisation in the order of an index, as many as a part of the list has, and put
//! together here: a part costs the same wherever it is. Studies without a report have no such index; they are looked for
//! only in the days that the reports leave them.

use super::{Branch, EXAM_BRANCH, Entry, LAB_BRANCH, STUDY_BRANCH, entry_from, push_branch, push_outer};
use crate::domain::scope::{Filter, Order, Paging, Scope};
use crate::index::{Error, Index, Select};
use crate::params;

/// Whether nothing but time, type and organisation narrows the list.
pub(super) fn is_whole(scope: &Scope, filter: &Filter) -> bool {
    let is_narrowed = !(filter.name.is_empty() && filter.accession.is_empty() && filter.observation_uid.is_empty());
    scope.free_search && scope.patients.is_none() && !is_narrowed
}

/// The entries of the part.
pub(super) async fn find(index: &Index, scope: &Scope, filter: &Filter, paging: &Paging) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    for branch in [&EXAM_BRANCH, &LAB_BRANCH] {
        let codes = match &scope.organizations {
            Some(codes) => codes.clone(),
            None => organizations(index, branch).await?,
        };
        for code in codes {
            let one = Scope { organizations: Some(vec![code]), ..scope.clone() };
            let select = reports("", branch, &one, filter, paging);
            for row in index.query(select.sql(), select.values()).await? {
                found.push(entry_from(&row)?);
            }
        }
    }
    cut(&mut found, paging);
    if scope.unreviewed {
        let select = studies("", scope, filter, paging, &found);
        for row in index.query(select.sql(), select.values()).await? {
            found.push(entry_from(&row)?);
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
    found.truncate(usize::try_from(paging.limit).unwrap_or(0));
}

/// The organisations that have reports; one look into the index for each.
async fn organizations(index: &Index, branch: &Branch) -> Result<Vec<String>, Error> {
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
pub(super) fn all(start: &'static str, scope: &Scope, filter: &Filter, paging: &Paging) -> Vec<Select> {
    let branches = [&EXAM_BRANCH, &LAB_BRANCH];
    let mut selects: Vec<Select> =
        branches.into_iter().map(|branch| reports(start, branch, scope, filter, paging)).collect();
    if scope.unreviewed {
        selects.push(studies(start, scope, filter, paging, &[]));
    }
    selects
}

fn reports(start: &'static str, branch: &Branch, scope: &Scope, filter: &Filter, paging: &Paging) -> Select {
    let mut select = Select::new(start);
    push_branch(&mut select, branch, branch.organization, scope, filter);
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
fn studies(start: &'static str, scope: &Scope, filter: &Filter, paging: &Paging, found: &[Entry]) -> Select {
    let mut select = Select::new(start);
    select.push("SELECT * FROM (", params![]);
    push_branch(&mut select, &STUDY_BRANCH, STUDY_BRANCH.organization, scope, filter);
    // The index of dates begins with the organisation, and every day has one: that is the index to take.
    select.push(" AND s.org_code = ? AND s.study_date >= ''", params![&scope.home]);
    let is_full = found.len() as i64 >= paging.limit;
    let last = found.last().filter(|_| is_full).map(|entry| entry.observed_at.as_str());
    let after = paging.after.as_ref().map(|(at, _)| at.as_str());
    let (oldest, newest) = match paging.order {
        Order::Newest => (last, after),
        Order::Oldest => (after, last),
    };
    for from in [oldest, Some(filter.observed.from.as_str())] {
        if let Some(day) = from.and_then(day) {
            select.push(" AND s.study_date >= ?", params![day]);
        }
    }
    for to in [newest, Some(filter.observed.to.as_str())] {
        if let Some(day) = to.and_then(day) {
            // What is no date counts as the oldest.
            select.push(" AND (s.study_date <= ? OR LENGTH(s.study_date) <> 8)", params![day]);
        }
    }
    push_outer(&mut select, scope, filter, paging);
    select
}

/// `yyyyMMdd` of a moment.
fn day(moment: &str) -> Option<String> {
    let digits: String = moment.get(..10)?.chars().filter(|c| *c != '-').collect();
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}
