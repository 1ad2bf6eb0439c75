//! The three branches of a list: what each selects, and what it calls its columns.

use super::EntryKind;
use super::conditions::{exam_visible, lab_visible, study_visible};
use super::keys::{NEVER, Piece, exam_key, lab_key, study_key};
use crate::domain::criteria::{Criteria, Key};
use crate::domain::lab_result::{abnormal_words, critical_words, high_words, low_words, normal_words};
use crate::domain::scope::Scope;
use crate::index::Select;

/// What the series `r` of an entry are: the bits of [`super::Content`], each once. Whether pictures or bit streams is told by
/// the first instance, and not asked of devices that make no films: to read them all would cost more than a mark is worth.
macro_rules! contents {
    ($from:literal) => {
        concat!(
            "(SELECT COALESCE(SUM(DISTINCT CASE WHEN r.kind = 'film' THEN 2 WHEN r.kind = 'waveform' THEN 4 \
             WHEN r.kind NOT IN ('image', 'video') THEN 0 \
             WHEN r.modality IN ('CT', 'MR', 'PT', 'NM', 'CR', 'DX', 'MG') THEN 1 \
             WHEN (SELECT i.transfer_syntax_uid FROM instance i WHERE i.series_pk = r.id \
             ORDER BY i.instance_number NULLS LAST LIMIT 1) LIKE '1.2.840.10008.1.2.4.10_%' \
             THEN 8 ELSE 1 END), 0) FROM ",
            $from,
            ") AS contents"
        )
    };
}

const EXAM: &str = concat!(
    "SELECT 'exam' AS kind, e.id AS pk, e.observation_uid, e.observed_at, e.org_code, e.patient_id, \
    COALESCE(e.patient_local_id, '') AS patient_local_id, COALESCE(e.name, '') AS name, COALESCE(e.sex_code, '') AS sex, \
    COALESCE(e.birth_date, '') AS birth_date, COALESCE(e.exam_item_name, e.report_title, '') AS title, \
    CASE WHEN e.modality = '' THEN COALESCE(e.class_code, '') ELSE e.modality END AS modality, \
    COALESCE(e.class_name, '') AS type_name, COALESCE(e.body_part_name, '') AS body_part, \
    COALESCE(e.pacs_id, '') AS accession, COALESCE(e.state, '') AS state, e.reviewed AS reviewed, \
    CAST(CASE WHEN e.image_descr <> '' OR e.conclusion <> '' THEN 1 ELSE 0 END AS BIGINT) AS words, ",
    contents!("exam_study x JOIN series r ON r.study_pk = x.study_pk WHERE x.exam_report_pk = e.id"),
    ", (SELECT COUNT(*) FROM report_file f WHERE f.exam_report_pk = e.id AND f.is_current = 1) AS files, \
    COALESCE(e.is_abnormal, '') AS abnormal FROM exam_report e"
);

/// What a laboratory says of the result `i`, a blank around each word.
macro_rules! words {
    () => {
        "UPPER(' ' || COALESCE(i.result_interpre, '') || ' ' || COALESCE(i.result_interpre_descr, '') || ' ')"
    };
}

/// Whether one of the words stands in it.
macro_rules! said {
    ($first:literal $(, $word:literal)*) => {
        concat!(words!(), " LIKE '% ", $first, " %'" $(, " OR ", words!(), " LIKE '% ", $word, " %'")*)
    };
}

/// Whether an exam report calls itself critical, as [`crate::domain::lab_result::Severity::parse`] reads it.
macro_rules! exam_critical {
    ($($word:literal),*) => {
        concat!(
            " AND (e.is_abnormal LIKE '%危急%' OR UPPER(TRIM(COALESCE(e.is_abnormal, ''))) IN ('2'",
            $(", '", $word, "'",)* "))"
        )
    };
}

/// Whether neither code nor text is more than one of the words, as with most results.
macro_rules! says_only {
    ($($word:literal),*) => {
        concat!(
            "COALESCE(i.result_interpre, '') IN (''", $(", '", $word, "'",)*
            ") AND COALESCE(i.result_interpre_descr, '') IN (''", $(", '", $word, "'",)* ")"
        )
    };
}

const LAB: &str = concat!(
    "SELECT 'lab' AS kind, l.id AS pk, l.observation_uid, l.observed_at, l.org_code, \
    l.patient_id, '' AS patient_local_id, COALESCE(l.name, '') AS name, COALESCE(l.sex_code, '') AS sex, \
    '' AS birth_date, COALESCE(l.report_title, l.class_local_name, '') AS title, 'LAB' AS modality, \
    COALESCE(l.class_name, '') AS type_name, '' AS body_part, l.report_form_no AS accession, '' AS state, \
    CAST(1 AS BIGINT) AS reviewed, CAST(0 AS BIGINT) AS words, CAST(0 AS BIGINT) AS contents, CAST(0 AS BIGINT) AS files, \
    COALESCE((SELECT CAST(MAX(CASE WHEN ",
    normal_words!(says_only),
    " THEN 0 WHEN ",
    words!(),
    " LIKE '%危急%' OR ",
    critical_words!(said),
    " THEN 2 WHEN ",
    high_words!(said),
    " OR ",
    low_words!(said),
    " OR ",
    abnormal_words!(said),
    " THEN 1 ELSE 0 END) AS TEXT) FROM lab_item i WHERE i.lab_report_pk = l.id AND i.withdrawn = 0), '') AS abnormal \
    FROM lab_report l"
);

const STUDY: &str = concat!(
    "SELECT 'study' AS kind, s.id AS pk, s.observation_uid, \
    CASE WHEN LENGTH(s.study_date) = 8 THEN SUBSTR(s.study_date, 1, 4) || '-' || SUBSTR(s.study_date, 5, 2) || '-' || \
    SUBSTR(s.study_date, 7, 2) || CASE WHEN LENGTH(s.study_time) >= 6 THEN ' ' || SUBSTR(s.study_time, 1, 2) || ':' || \
    SUBSTR(s.study_time, 3, 2) || ':' || SUBSTR(s.study_time, 5, 2) ELSE ' 00:00:00' END ELSE '' END AS observed_at, \
    s.org_code, s.patient_id, s.patient_id AS patient_local_id, s.patient_name AS name, s.patient_sex AS sex, \
    s.patient_birth_date AS birth_date, s.study_description AS title, \
    COALESCE((SELECT MIN(r.modality) FROM series r WHERE r.study_pk = s.id), '') AS modality, '' AS type_name, \
    COALESCE((SELECT MIN(r.body_part_examined) FROM series r WHERE r.study_pk = s.id), '') AS body_part, \
    s.accession_number AS accession, '' AS state, CAST(0 AS BIGINT) AS reviewed, CAST(0 AS BIGINT) AS words, ",
    contents!("series r WHERE r.study_pk = s.id"),
    ", CAST(0 AS BIGINT) AS files, '' AS abnormal FROM study s"
);

/// Whether one of its results is critical. Counted, because PostgreSQL may read all results for an EXISTS.
const LAB_CRITICAL: &str = concat!(
    " AND (SELECT COUNT(*) FROM lab_item i WHERE i.lab_report_pk = l.id AND i.withdrawn = 0 AND NOT (",
    normal_words!(says_only),
    ") AND (",
    words!(),
    " LIKE '%危急%' OR ",
    critical_words!(said),
    ")) > 0"
);

/// What one branch calls its columns.
pub(super) struct Branch {
    pub(super) kind: EntryKind,
    pub(super) start: &'static str,
    /// What is shown, and what was withdrawn.
    pub(super) current: &'static str,
    pub(super) gone: &'static str,
    pub(super) organization: &'static str,
    /// The same where a key narrows: no index of the organisation's whole list is to be taken for it.
    pub(super) any_organization: &'static str,
    /// The columns that are a type, each with an index that goes on by time.
    pub(super) types: &'static [&'static str],
    /// Of a walk by time: from, to, before, behind, newest first, oldest first.
    pub(super) walk: [&'static str; 6],
    /// The first organisation behind one.
    pub(super) next_organization: &'static str,
    pub(super) key: fn(Key) -> Piece,
    /// Before the first of several alternatives, and between two: one set of rows, for whose parts each engine has indexes.
    pub(super) alternatives: [&'static str; 2],
    /// The system that gave a number, and the one that gave a patient's number.
    pub(super) authority: Piece,
    pub(super) patient_authority: Piece,
    pub(super) name: &'static str,
    pub(super) accession: &'static str,
    pub(super) observation: &'static str,
    pub(super) critical: &'static str,
    pub(super) visible: fn(&mut Select, &Scope),
    pub(super) patient: Piece,
    pub(super) local_patient: Piece,
}

impl Branch {
    /// What the key means here.
    pub(super) fn key_of(&self, criteria: &Criteria, key: Key) -> Piece {
        if self.kind == EntryKind::Lab && key == Key::Accession && criteria.specimens {
            return ("l.specimen_id = ?", 1);
        }
        (self.key)(key)
    }

    /// Whether the scope can find anything here.
    pub(super) fn can_have(&self, scope: &Scope) -> bool {
        if self.kind == EntryKind::Study && !scope.unreviewed {
            return false;
        }
        let has = |(key, _): &(Key, String)| self.key_of(&scope.criteria, *key) != NEVER;
        let (all_of, any_of) = (&scope.criteria.all_of, &scope.criteria.any_of);
        scope.patients.is_some()
            || scope.free_search
            || all_of.iter().all(has) && (any_of.is_empty() || any_of.iter().any(has))
    }
}

pub(super) static EXAM_BRANCH: Branch = Branch {
    kind: EntryKind::Exam,
    start: EXAM,
    current: " WHERE e.withdrawn = 0",
    gone: " WHERE e.withdrawn = 1",
    organization: " AND e.org_code",
    any_organization: " AND COALESCE(e.org_code, '')",
    types: &[" AND UPPER(COALESCE(e.class_code, '')) = ?", " AND UPPER(e.modality) = ?"],
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
    alternatives: [
        " AND e.id IN (SELECT e.id FROM exam_report e WHERE (",
        ") UNION ALL SELECT e.id FROM exam_report e WHERE (",
    ],
    authority: ("(e.org_code = ? OR e.sender = ?)", 2),
    patient_authority: (
        "(e.org_code = ? OR e.sender = ? OR EXISTS (SELECT 1 FROM exam_study x JOIN study t ON t.id = x.study_pk \
         WHERE x.exam_report_pk = e.id AND t.issuer = ?))",
        3,
    ),
    name: " AND e.name = ?",
    accession: " AND (e.pacs_id = ? OR e.report_form_no = ?)",
    observation: " AND e.observation_uid = ?",
    critical: critical_words!(exam_critical),
    visible: exam_visible,
    patient: ("e.org_code = ? AND e.patient_id = ?", 2),
    local_patient: ("e.org_code = ? AND e.patient_local_id = ?", 2),
};

pub(super) static LAB_BRANCH: Branch = Branch {
    kind: EntryKind::Lab,
    start: LAB,
    current: " WHERE l.withdrawn = 0",
    gone: " WHERE l.withdrawn = 1",
    organization: " AND l.org_code",
    any_organization: " AND COALESCE(l.org_code, '')",
    types: &[" AND UPPER(COALESCE(l.class_code, '')) = ?"],
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
    alternatives: [
        " AND l.id IN (SELECT l.id FROM lab_report l WHERE (",
        ") UNION ALL SELECT l.id FROM lab_report l WHERE (",
    ],
    authority: ("(l.org_code = ? OR l.sender = ?)", 2),
    patient_authority: ("(l.org_code = ? OR l.sender = ?)", 2),
    name: " AND l.name = ?",
    accession: " AND (l.specimen_id = ? OR l.report_form_no = ?)",
    observation: " AND l.observation_uid = ?",
    critical: LAB_CRITICAL,
    visible: lab_visible,
    patient: ("l.org_code = ? AND l.patient_id = ?", 2),
    local_patient: NEVER,
};

pub(super) static STUDY_BRANCH: Branch = Branch {
    kind: EntryKind::Study,
    start: STUDY,
    current: " WHERE NOT EXISTS (SELECT 1 FROM exam_study x WHERE x.study_pk = s.id)",
    gone: " WHERE 1 = 0",
    organization: " AND s.org_code",
    any_organization: " AND COALESCE(s.org_code, '')",
    types: &[],
    walk: ["", "", "", "", "", ""],
    next_organization: "SELECT MIN(org_code) AS code FROM study WHERE org_code > $1",
    key: study_key,
    alternatives: [" AND s.id IN (SELECT s.id FROM study s WHERE (", ") UNION ALL SELECT s.id FROM study s WHERE ("],
    authority: ("s.org_code = ?", 1),
    patient_authority: ("(s.org_code = ? OR s.issuer = ?)", 2),
    name: " AND s.id IN (SELECT k.study_pk FROM study_key k WHERE k.org_code = ? AND k.kind = ? AND k.search_key = ?)",
    accession: " AND (s.accession_number = ? OR s.study_id = ?)",
    observation: " AND s.observation_uid = ?",
    critical: " AND 1 = 0",
    visible: study_visible,
    patient: NEVER,
    local_patient: ("s.org_code = ? AND s.patient_id = ?", 2),
};
