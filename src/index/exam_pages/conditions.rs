//! The conditions of a branch: scope, criteria, filter (D-P5 to D-P14, D-P24, D-R18, D-R22).

use super::EntryKind;
use super::branch::Branch;
use super::keys::NEVER;
use crate::domain::criteria::{Criteria, Key};
use crate::domain::date_time;
use crate::domain::identity::IdNo;
use crate::domain::query;
use crate::domain::report_state::ReportState;
use crate::domain::scope::{Filter, PatientKey, Scope};
use crate::index::lab_reports::vip_patient;
use crate::index::{Select, Value, search_keys};
use crate::params;

/// Reports that are shown, or those that were withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Current,
    Withdrawn,
}

pub(super) fn push_branch(
    select: &mut Select,
    branch: &Branch,
    organization: &'static str,
    scope: &Scope,
    filter: &Filter,
    standing: Standing,
) {
    select.push(branch.start, params![]);
    select.push(if standing == Standing::Current { branch.current } else { branch.gone }, params![]);
    if let Some(codes) = &scope.organizations {
        select.push_in(organization, codes.iter().map(Value::from).collect());
    }
    (branch.visible)(select, scope);
    match &scope.patients {
        Some(patients) => push_patients(select, branch, patients),
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
    if !filter.patients.is_empty() {
        push_patients(select, branch, &filter.patients);
    }
    push_types(select, branch.kind, &filter.types);
    if let Some(state) = filter.state {
        select.push(of_state(branch.kind, state), params![]);
    }
    if filter.critical {
        select.push(branch.critical, params![]);
    }
}

/// Of this state, as [`ReportState::of_exam`] reads it.
fn of_state(kind: EntryKind, state: ReportState) -> &'static str {
    match (kind, state) {
        (EntryKind::Lab, ReportState::Published) | (EntryKind::Study, ReportState::Unreported) => "",
        (EntryKind::Lab | EntryKind::Study, _) => " AND 1 = 0",
        (EntryKind::Exam, ReportState::Registered) => " AND COALESCE(e.state, '') = '0'",
        (EntryKind::Exam, ReportState::Examined) => " AND COALESCE(e.state, '') = '1'",
        (EntryKind::Exam, ReportState::Written) => " AND COALESCE(e.state, '') = '2'",
        (EntryKind::Exam, ReportState::Reviewed) => {
            " AND (e.state = '3' OR (COALESCE(e.state, '') NOT IN ('0', '1', '2', '3', '4') AND e.reviewed = 1))"
        }
        (EntryKind::Exam, ReportState::Revised) => " AND COALESCE(e.state, '') = '4'",
        (EntryKind::Exam, ReportState::Reported) => {
            " AND COALESCE(e.state, '') NOT IN ('0', '1', '2', '3', '4') AND e.reviewed = 0"
        }
        (EntryKind::Exam, ReportState::Published | ReportState::Unreported) => " AND 1 = 0",
    }
}

/// Of these patients, by either number.
fn push_patients(select: &mut Select, branch: &Branch, patients: &[PatientKey]) {
    let mut alternatives = Vec::new();
    for patient in patients {
        for (piece, id) in [(branch.patient, &patient.patient_id), (branch.local_patient, &patient.patient_local_id)] {
            if piece.1 == 2 && !id.is_empty() {
                alternatives.push((piece.0, params![&patient.org_code, id]));
            }
        }
    }
    push_any(select, alternatives);
}

fn push_criteria(select: &mut Select, branch: &Branch, criteria: &Criteria) {
    for (key, value) in &criteria.all_of {
        select.push(" AND (", params![]);
        push_key(select, branch, criteria, (*key, value));
        select.push(")", params![]);
    }
    if !criteria.any_of.is_empty() {
        let keys = criteria.any_of.iter().filter(|(key, _)| branch.key_of(criteria, *key) != NEVER);
        let ways: Vec<(Key, String)> =
            keys.flat_map(|(key, value)| spellings(*key, value).into_iter().map(|spelling| (*key, spelling))).collect();
        let [first, between] = if ways.len() > 1 { branch.alternatives } else { [" AND ((", ""] };
        for (at, (key, value)) in ways.iter().enumerate() {
            select.push(if at == 0 { first } else { between }, params![]);
            push_key(select, branch, criteria, (*key, value));
        }
        select.push(if ways.is_empty() { " AND 1 = 0" } else { "))" }, params![]);
    }
    // Of related exams, organisation and type belong to the keys that have them (D-P5).
    if !criteria.related {
        if !criteria.organization.is_empty() {
            select.push_in(branch.any_organization, params![&criteria.organization]);
        }
        push_types(select, branch.kind, &criteria.types);
    }
    push_person(select, branch.kind, criteria);
}

/// One key with what belongs to it: the system that gave the number, and of related exams organisation and type.
fn push_key(select: &mut Select, branch: &Branch, criteria: &Criteria, (key, value): (Key, &str)) {
    let (piece, times) = branch.key_of(criteria, key);
    select.push(piece, vec![Value::from(value); times]);
    if let Some(authority) = criteria.authority(key) {
        let (piece, times) = if key == Key::PatientId { branch.patient_authority } else { branch.authority };
        select.push(" AND ", params![]);
        select.push(piece, vec![Value::from(authority); times]);
    }
    if criteria.related {
        if key.is_of_organization() && !criteria.organization.is_empty() {
            select.push_in(branch.any_organization, params![&criteria.organization]);
        }
        if key == Key::Accession {
            push_types(select, branch.kind, &criteria.types);
        }
    }
}

/// An identity number is kept as it was registered: with a small x, or in its old form.
fn spellings(key: Key, value: &str) -> Vec<String> {
    match IdNo::parse(value).filter(|_| key == Key::IdCard) {
        Some(id_no) => id_no.spellings(),
        None => vec![value.to_owned()],
    }
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
    for (moment, side) in [(&criteria.registered.from, Side::From), (&criteria.registered.to, Side::To)] {
        push_registered(select, kind, moment, side);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    From,
    To,
}

/// When the hospital says that it was registered, else when it was first seen here (D-P8).
fn push_registered(select: &mut Select, kind: EntryKind, moment: &str, side: Side) {
    let Ok(Some(at)) = date_time::parse(moment) else { return };
    // The end of the second.
    let ms = at.epoch_ms() + if side == Side::To { 999 } else { 0 };
    let piece = match (kind, side) {
        (EntryKind::Exam, Side::From) => {
            " AND (e.create_time >= ? OR (COALESCE(e.create_time, '') = '' AND e.received_at >= ?))"
        }
        (EntryKind::Exam, Side::To) => {
            " AND ((e.create_time <> '' AND e.create_time <= ?) OR (COALESCE(e.create_time, '') = '' AND e.received_at <= ?))"
        }
        (EntryKind::Lab, Side::From) => {
            " AND (l.create_time >= ? OR (COALESCE(l.create_time, '') = '' AND l.received_at >= ?))"
        }
        (EntryKind::Lab, Side::To) => {
            " AND ((l.create_time <> '' AND l.create_time <= ?) OR (COALESCE(l.create_time, '') = '' AND l.received_at <= ?))"
        }
        (EntryKind::Study, Side::From) => " AND s.created_at >= ?",
        (EntryKind::Study, Side::To) => " AND s.created_at <= ?",
    };
    let values = if kind == EntryKind::Study { params![ms] } else { params![moment, ms] };
    select.push(piece, values);
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

pub(super) fn exam_visible(select: &mut Select, scope: &Scope) {
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
pub(super) fn lab_visible(select: &mut Select, scope: &Scope) {
    if !scope.vip {
        select.push(concat!(" AND (l.org_code = ? OR NOT ", vip_patient!("l"), ")"), params![&scope.home]);
    }
}

/// Images without a report are like an unreviewed report: for the own organisation only.
pub(super) fn study_visible(select: &mut Select, scope: &Scope) {
    if scope.unreviewed {
        select.push(" AND COALESCE(s.org_code, '') = ?", params![&scope.home]);
    } else {
        select.push(" AND 1 = 0", params![]);
    }
}
