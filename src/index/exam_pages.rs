//! The lists behind the pages: exam reports, lab reports and studies that no report names, within a session's scope.
//!
//! Three branches; each carries the whole scope (table E.6, D-P5, D-P24, D-R18, D-R22), so that a list and the check of a
//! single exam are the same conditions. What a key narrows is one statement; a list of everything walks by time
//! (`ordered`). A study with a report is seen through its report only: a withdrawn or restricted report hides its images too.

mod keys;
mod ordered;

use super::{Error, Index, Row, Select, Value, search_keys};
use crate::domain::criteria::{Criteria, Key};
use crate::domain::query;
use crate::domain::scope::{Filter, Order, Paging, Scope};
use crate::params;
use keys::{NEVER, Piece, exam_key, lab_key, study_key};

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
    /// Number of series of images, films and waveforms.
    pub series: i64,
    /// Whether a report file is here.
    pub has_file: bool,
}

const EXAM: &str = "SELECT 'exam' AS kind, e.id AS pk, e.observation_uid, e.observed_at, e.org_code, e.patient_id, \
    COALESCE(e.patient_local_id, '') AS patient_local_id, COALESCE(e.name, '') AS name, COALESCE(e.sex_code, '') AS sex, \
    COALESCE(e.birth_date, '') AS birth_date, COALESCE(e.exam_item_name, e.report_title, '') AS title, \
    CASE WHEN e.modality = '' THEN COALESCE(e.class_code, '') ELSE e.modality END AS modality, \
    COALESCE(e.class_name, '') AS type_name, COALESCE(e.body_part_name, '') AS body_part, \
    COALESCE(e.pacs_id, '') AS accession, COALESCE(e.state, '') AS state, e.reviewed AS reviewed, \
    (SELECT COUNT(*) FROM exam_study x JOIN series r ON r.study_pk = x.study_pk WHERE x.exam_report_pk = e.id) AS series, \
    (SELECT COUNT(*) FROM report_file f WHERE f.exam_report_pk = e.id AND f.is_current = 1) AS files \
    FROM exam_report e WHERE e.withdrawn = 0";

const LAB: &str = "SELECT 'lab' AS kind, l.id AS pk, l.observation_uid, l.observed_at, l.org_code, \
    l.patient_id, '' AS patient_local_id, COALESCE(l.name, '') AS name, COALESCE(l.sex_code, '') AS sex, \
    '' AS birth_date, COALESCE(l.report_title, l.class_local_name, '') AS title, 'LAB' AS modality, \
    COALESCE(l.class_name, '') AS type_name, '' AS body_part, l.report_form_no AS accession, '' AS state, \
    CAST(1 AS BIGINT) AS reviewed, CAST(0 AS BIGINT) AS series, CAST(0 AS BIGINT) AS files \
    FROM lab_report l WHERE l.withdrawn = 0";

const STUDY: &str = "SELECT 'study' AS kind, s.id AS pk, s.observation_uid, \
    CASE WHEN LENGTH(s.study_date) = 8 THEN SUBSTR(s.study_date, 1, 4) || '-' || SUBSTR(s.study_date, 5, 2) || '-' || \
    SUBSTR(s.study_date, 7, 2) || CASE WHEN LENGTH(s.study_time) >= 6 THEN ' ' || SUBSTR(s.study_time, 1, 2) || ':' || \
    SUBSTR(s.study_time, 3, 2) || ':' || SUBSTR(s.study_time, 5, 2) ELSE ' 00:00:00' END ELSE '' END AS observed_at, \
    s.org_code, s.patient_id, s.patient_id AS patient_local_id, s.patient_name AS name, s.patient_sex AS sex, \
    s.patient_birth_date AS birth_date, s.study_description AS title, \
    COALESCE((SELECT MIN(r.modality) FROM series r WHERE r.study_pk = s.id), '') AS modality, '' AS type_name, \
    COALESCE((SELECT MIN(r.body_part_examined) FROM series r WHERE r.study_pk = s.id), '') AS body_part, \
    s.accession_number AS accession, '' AS state, CAST(0 AS BIGINT) AS reviewed, \
    (SELECT COUNT(*) FROM series r WHERE r.study_pk = s.id) AS series, CAST(0 AS BIGINT) AS files \
    FROM study s WHERE NOT EXISTS (SELECT 1 FROM exam_study x WHERE x.study_pk = s.id)";

/// The entries that a session may see, narrowed by the form.
pub async fn find(index: &Index, scope: &Scope, filter: &Filter, paging: &Paging) -> Result<Vec<Entry>, Error> {
    if ordered::is_whole(scope, filter) {
        return ordered::find(index, scope, filter, paging).await;
    }
    let Some(select) = narrowed("", scope, filter, paging) else { return Ok(Vec::new()) };
    index.query(select.sql(), select.values()).await?.iter().map(entry_from).collect()
}

/// How an embedded database would read the list: the lines of EXPLAIN QUERY PLAN. For the test that no large table is
/// read from end to end.
pub async fn explain(index: &Index, scope: &Scope, filter: &Filter, paging: &Paging) -> Result<Vec<String>, Error> {
    const START: &str = "EXPLAIN QUERY PLAN ";
    let selects = match ordered::is_whole(scope, filter) {
        true => ordered::all(START, scope, filter, paging),
        false => narrowed(START, scope, filter, paging).into_iter().collect(),
    };
    let mut lines = Vec::new();
    for select in selects {
        for row in index.query(select.sql(), select.values()).await? {
            lines.push(row.text("detail")?);
        }
    }
    Ok(lines)
}

/// What a key narrows, in one statement; `start` is nothing or an explanation of it. None when no branch has the key.
fn narrowed(start: &'static str, scope: &Scope, filter: &Filter, paging: &Paging) -> Option<Select> {
    let branches = [&EXAM_BRANCH, &LAB_BRANCH, &STUDY_BRANCH];
    let branches: Vec<&Branch> = branches.into_iter().filter(|branch| branch.can_have(scope)).collect();
    if branches.is_empty() {
        return None;
    }
    let mut select = Select::new(start);
    select.push("SELECT * FROM (", params![]);
    for (i, branch) in branches.into_iter().enumerate() {
        if i > 0 {
            select.push(" UNION ALL ", params![]);
        }
        push_branch(&mut select, branch, branch.any_organization, scope, filter);
    }
    push_outer(&mut select, scope, filter, paging);
    Some(select)
}

/// Time and order, around the branches.
fn push_outer(select: &mut Select, scope: &Scope, filter: &Filter, paging: &Paging) {
    select.push(") AS found WHERE 1 = 1", params![]);
    for (from, piece) in
        [(&filter.observed.from, " AND observed_at >= ?"), (&filter.observed.to, " AND observed_at <= ?")]
    {
        if !from.is_empty() {
            select.push(piece, params![from]);
        }
    }
    if !scope.free_search && scope.patients.is_none() {
        let span = &scope.criteria.observed;
        if !span.from.is_empty() {
            select.push(" AND observed_at >= ?", params![&span.from]);
        }
        if !span.to.is_empty() {
            select.push(" AND observed_at <= ?", params![&span.to]);
        }
    }
    if let Some((at, uid)) = &paging.after {
        let piece = match paging.order {
            Order::Newest => " AND (observed_at < ? OR (observed_at = ? AND observation_uid < ?))",
            Order::Oldest => " AND (observed_at > ? OR (observed_at = ? AND observation_uid > ?))",
        };
        select.push(piece, params![at, at, uid]);
    }
    let order = match paging.order {
        Order::Newest => " ORDER BY observed_at DESC, observation_uid DESC LIMIT ?",
        Order::Oldest => " ORDER BY observed_at, observation_uid LIMIT ?",
    };
    select.push(order, params![paging.limit]);
}

/// One entry, when the session may see it.
pub async fn get(index: &Index, scope: &Scope, observation_uid: &str) -> Result<Option<Entry>, Error> {
    let filter = Filter { observation_uid: observation_uid.to_owned(), ..Filter::default() };
    let paging = Paging { order: Order::Newest, after: None, limit: 1 };
    Ok(find(index, scope, &filter, &paging).await?.pop())
}

/// What one branch calls its columns.
struct Branch {
    kind: EntryKind,
    start: &'static str,
    organization: &'static str,
    /// The same where a key narrows: no index of the organisation's whole list is to be taken for it.
    any_organization: &'static str,
    /// Of a walk by time: from, to, before, behind, newest first, oldest first.
    walk: [&'static str; 6],
    /// The first organisation behind one.
    next_organization: &'static str,
    key: fn(Key) -> Piece,
    name: &'static str,
    accession: &'static str,
    observation: &'static str,
    visible: fn(&mut Select, &Scope),
    patient: Piece,
    local_patient: Piece,
}

impl Branch {
    /// Whether the scope can find anything here.
    fn can_have(&self, scope: &Scope) -> bool {
        if self.kind == EntryKind::Study && !scope.unreviewed {
            return false;
        }
        let has = |(key, _): &(Key, String)| (self.key)(*key) != NEVER;
        let (all_of, any_of) = (&scope.criteria.all_of, &scope.criteria.any_of);
        scope.patients.is_some()
            || scope.free_search
            || all_of.iter().all(has) && (any_of.is_empty() || any_of.iter().any(has))
    }
}

static EXAM_BRANCH: Branch = Branch {
    kind: EntryKind::Exam,
    start: EXAM,
    organization: " AND e.org_code",
    any_organization: " AND COALESCE(e.org_code, '')",
    walk: [
        " AND e.observed_at >= ?",
        " AND e.observed_at <= ?",
        " AND (e.observed_at, e.observation_uid) < (?, ?)",
        " AND (e.observed_at, e.observation_uid) > (?, ?)",
        " ORDER BY e.observed_at DESC, e.observation_uid DESC LIMIT ?",
        " ORDER BY e.observed_at, e.observation_uid LIMIT ?",
    ],
    next_organization: "SELECT MIN(org_code) AS code FROM exam_report WHERE org_code > $1",
    key: exam_key,
    name: " AND e.name = ?",
    accession: " AND (e.pacs_id = ? OR e.report_form_no = ?)",
    observation: " AND e.observation_uid = ?",
    visible: exam_visible,
    patient: ("e.org_code = ? AND e.patient_id = ?", 2),
    local_patient: ("e.org_code = ? AND e.patient_local_id = ?", 2),
};

static LAB_BRANCH: Branch = Branch {
    kind: EntryKind::Lab,
    start: LAB,
    organization: " AND l.org_code",
    any_organization: " AND COALESCE(l.org_code, '')",
    walk: [
        " AND l.observed_at >= ?",
        " AND l.observed_at <= ?",
        " AND (l.observed_at, l.observation_uid) < (?, ?)",
        " AND (l.observed_at, l.observation_uid) > (?, ?)",
        " ORDER BY l.observed_at DESC, l.observation_uid DESC LIMIT ?",
        " ORDER BY l.observed_at, l.observation_uid LIMIT ?",
    ],
    next_organization: "SELECT MIN(org_code) AS code FROM lab_report WHERE org_code > $1",
    key: lab_key,
    name: " AND l.name = ?",
    accession: " AND (l.specimen_id = ? OR l.report_form_no = ?)",
    observation: " AND l.observation_uid = ?",
    visible: lab_visible,
    patient: ("l.org_code = ? AND l.patient_id = ?", 2),
    local_patient: NEVER,
};

static STUDY_BRANCH: Branch = Branch {
    kind: EntryKind::Study,
    start: STUDY,
    organization: " AND s.org_code",
    any_organization: " AND COALESCE(s.org_code, '')",
    walk: ["", "", "", "", "", ""],
    next_organization: "SELECT MIN(org_code) AS code FROM study WHERE org_code > $1",
    key: study_key,
    name: " AND s.id IN (SELECT k.study_pk FROM study_key k WHERE k.org_code = ? AND k.kind = ? AND k.search_key = ?)",
    accession: " AND (s.accession_number = ? OR s.study_id = ?)",
    observation: " AND s.observation_uid = ?",
    visible: study_visible,
    patient: NEVER,
    local_patient: ("s.org_code = ? AND s.patient_id = ?", 2),
};

fn push_branch(select: &mut Select, branch: &Branch, organization: &'static str, scope: &Scope, filter: &Filter) {
    select.push(branch.start, params![]);
    if let Some(codes) = &scope.organizations {
        select.push_in(organization, codes.iter().map(Value::from).collect());
    }
    (branch.visible)(select, scope);
    match &scope.patients {
        Some(patients) => {
            let mut alternatives = Vec::new();
            for patient in patients {
                for (piece, id) in
                    [(branch.patient, &patient.patient_id), (branch.local_patient, &patient.patient_local_id)]
                {
                    if piece.1 == 2 && !id.is_empty() {
                        alternatives.push((piece.0, params![&patient.org_code, id]));
                    }
                }
            }
            push_any(select, alternatives);
        }
        None if scope.free_search => {}
        None => {
            push_criteria(select, branch, &scope.criteria);
            push_name(select, branch, scope, &scope.criteria.name);
        }
    }
    push_name(select, branch, scope, &filter.name);
    if !filter.accession.is_empty() {
        select.push(branch.accession, params![&filter.accession, &filter.accession]);
    }
    if !filter.observation_uid.is_empty() {
        select.push(branch.observation, params![&filter.observation_uid]);
    }
    push_types(select, branch.kind, &filter.types);
}

fn push_criteria(select: &mut Select, branch: &Branch, criteria: &Criteria) {
    for (key, value) in &criteria.all_of {
        let (piece, times) = (branch.key)(*key);
        select.push(" AND ", params![]);
        select.push(piece, vec![Value::from(value); times]);
    }
    if !criteria.any_of.is_empty() {
        let pieces = criteria.any_of.iter().map(|(key, value)| ((branch.key)(*key), value));
        let pieces = pieces.filter(|(piece, _)| *piece != NEVER);
        push_any(select, pieces.map(|((piece, times), value)| (piece, vec![Value::from(value); times])).collect());
    }
    if !criteria.organization.is_empty() {
        select.push_in(branch.any_organization, params![&criteria.organization]);
    }
    push_types(select, branch.kind, &criteria.types);
    push_person(select, branch.kind, criteria);
}

/// One of the conditions, and nothing else among them: SQLite looks up alternatives in indexes only when each has one.
fn push_any(select: &mut Select, alternatives: Vec<(&'static str, Vec<Value>)>) {
    if alternatives.is_empty() {
        select.push(" AND 1 = 0", params![]);
        return;
    }
    for (i, (piece, values)) in alternatives.into_iter().enumerate() {
        select.push(if i == 0 { " AND ((" } else { ") OR (" }, params![]);
        select.push(piece, values);
    }
    select.push("))", params![]);
}

/// A whole name: as it was registered; of images, one of its groups, which the keys of queries find.
fn push_name(select: &mut Select, branch: &Branch, scope: &Scope, name: &str) {
    if name.is_empty() {
        return;
    }
    if branch.kind != EntryKind::Study {
        select.push(branch.name, params![name]);
        return;
    }
    let key = query::search_keys(name).into_iter().next().unwrap_or_default();
    select.push(branch.name, params![&scope.home, search_keys::NAME, key.into_bytes()]);
}

/// Sex, birth, department and registration: what a branch does not record cannot match.
fn push_person(select: &mut Select, kind: EntryKind, criteria: &Criteria) {
    let mut push = |value: &str, exam: &'static str, lab: &'static str, study: &'static str, bound: String| {
        if !value.is_empty() {
            let piece = match kind {
                EntryKind::Exam => exam,
                EntryKind::Lab => lab,
                EntryKind::Study => study,
            };
            let values = if piece.contains('?') { params![bound] } else { params![] };
            select.push(piece, values);
        }
    };
    let sex = match (kind, criteria.sex.as_str()) {
        (EntryKind::Study, "1") => "M",
        (EntryKind::Study, "2") => "F",
        (EntryKind::Study, _) => "O",
        (_, code) => code,
    };
    push(&criteria.sex, " AND e.sex_code = ?", " AND l.sex_code = ?", " AND s.patient_sex = ?", sex.to_owned());
    let (from, to) = (&criteria.birth.from, &criteria.birth.to);
    let born = |date: &str| if kind == EntryKind::Study { date.replace('-', "") } else { date.to_owned() };
    let never = " AND 1 = 0";
    let first = " AND SUBSTR(e.birth_date, 1, 10) >= ?";
    push(from, first, never, " AND s.patient_birth_date >= ?", born(from));
    let last = " AND SUBSTR(e.birth_date, 1, 10) <= ?";
    push(to, last, never, " AND s.patient_birth_date <= ?", born(to));
    let department = &criteria.department;
    push(department, " AND e.participant_dept = ?", " AND l.participant_dept = ?", never, department.clone());
    let (from, to) = (&criteria.registered.from, &criteria.registered.to);
    let (first, lab) =
        (" AND COALESCE(e.create_time, e.retrieve_at) >= ?", " AND COALESCE(l.create_time, l.retrieve_at) >= ?");
    push(from, first, lab, never, from.clone());
    let (last, lab) =
        (" AND COALESCE(e.create_time, e.retrieve_at) <= ?", " AND COALESCE(l.create_time, l.retrieve_at) <= ?");
    push(to, last, lab, never, to.clone());
}

fn push_types(select: &mut Select, kind: EntryKind, types: &[String]) {
    if types.is_empty() {
        return;
    }
    let values = || types.iter().map(Value::from).collect::<Vec<_>>();
    match kind {
        EntryKind::Exam => {
            select.push_in(" AND (UPPER(COALESCE(e.class_code, ''))", values());
            select.push_in(" OR UPPER(e.modality)", values());
            select.push(")", params![]);
        }
        EntryKind::Lab if types.iter().any(|t| t == "LAB") => {}
        EntryKind::Lab => {
            select.push_in(" AND UPPER(COALESCE(l.class_code, ''))", values());
        }
        EntryKind::Study => {
            select
                .push_in(" AND EXISTS (SELECT 1 FROM series r WHERE r.study_pk = s.id AND UPPER(r.modality)", values());
            select.push(")", params![]);
        }
    }
}

fn exam_visible(select: &mut Select, scope: &Scope) {
    if !scope.vip {
        select.push(" AND ((e.vip = 0 AND e.restricted = 0) OR e.org_code = ?)", params![&scope.home]);
    }
    // Neither state nor review recorded: the hospital does not tell, so the report counts as good (D-P24).
    select.push(
        " AND (e.reviewed = 1 OR (COALESCE(e.state, '') = '' AND COALESCE(e.checked_status, '') = '')",
        params![],
    );
    if scope.unreviewed {
        select.push(" OR e.org_code = ?", params![&scope.home]);
    }
    select.push(")", params![]);
}

/// A lab report does not say that its patient is a VIP; the exam reports of the same patient do (D-R22).
fn lab_visible(select: &mut Select, scope: &Scope) {
    if !scope.vip {
        select.push(
            " AND (l.org_code = ? OR NOT EXISTS (SELECT 1 FROM exam_report v WHERE v.org_code = l.org_code \
             AND v.patient_id = l.patient_id AND v.vip = 1 AND v.withdrawn = 0))",
            params![&scope.home],
        );
    }
}

/// Images without a report are like an unreviewed report: for the own organisation only.
fn study_visible(select: &mut Select, scope: &Scope) {
    if scope.unreviewed {
        select.push(" AND COALESCE(s.org_code, '') = ?", params![&scope.home]);
    } else {
        select.push(" AND 1 = 0", params![]);
    }
}

fn entry_from(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        kind: match row.text("kind")?.as_str() {
            "exam" => EntryKind::Exam,
            "lab" => EntryKind::Lab,
            _ => EntryKind::Study,
        },
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
        series: row.int("series")?,
        has_file: row.int("files")? > 0,
    })
}
