//! What each key of a link (table E.6) means in the columns of a branch. What a branch does not record cannot match.

use crate::domain::criteria::Key;

/// A condition and how many times it binds the same value.
pub(super) type Piece = (&'static str, usize);
/// The key is not recorded here.
pub(super) const NEVER: Piece = ("1 = 0", 0);

/// Of an exam report.
pub(super) fn exam_key(key: Key) -> Piece {
    match key {
        Key::IdCard => ("e.id_no = ?", 1),
        Key::HealthCard | Key::Insurance => ("e.card_no = ?", 1),
        // A card of the person, under whatever number another organisation knows the same person (D-P7).
        Key::Card => (
            "e.id IN (SELECT a.id FROM exam_report a WHERE a.card_no = ? UNION ALL SELECT y.id FROM patient_record c \
             JOIN patient_record p ON p.person_pk = c.person_pk AND p.origin = 'report' \
             JOIN exam_report y ON y.org_code = p.org_code AND y.patient_id = p.patient_id WHERE c.card_no = ?)",
            2,
        ),
        Key::MedicalRecord => ("(e.event_no = ? OR e.patient_id = ?)", 2),
        Key::Visit => ("e.event_no = ?", 1),
        Key::OutPatient => ("(e.event_no = ? AND e.event_type IN ('1', '3'))", 1),
        Key::InPatient => ("(e.event_no = ? AND e.event_type = '2')", 1),
        Key::PlacerOrder => ("(e.apply_form_no = ? OR e.order_id = ?)", 2),
        Key::FillerOrder => ("(e.report_form_no = ? OR e.pacs_id = ?)", 2),
        // One set of rows: PostgreSQL reads a whole table for a condition or a subquery.
        Key::Accession => (
            "e.id IN (SELECT a.id FROM exam_report a WHERE a.pacs_id = ? UNION ALL SELECT x.exam_report_pk \
             FROM exam_study x JOIN study t ON t.id = x.study_pk WHERE t.accession_number = ?)",
            2,
        ),
        Key::PatientId => (
            "e.id IN (SELECT a.id FROM exam_report a WHERE a.patient_local_id = ? UNION ALL SELECT a.id \
             FROM exam_report a WHERE a.patient_id = ? UNION ALL SELECT x.exam_report_pk FROM study t \
             JOIN exam_study x ON x.study_pk = t.id WHERE t.patient_id = ?)",
            3,
        ),
        Key::PatientMaster => (
            "e.id IN (SELECT y.id FROM person m JOIN patient_record p ON p.person_pk = m.id AND p.origin = 'report' \
             JOIN exam_report y ON y.org_code = p.org_code AND y.patient_id = p.patient_id WHERE m.master_id = ?)",
            1,
        ),
        Key::Observation => (
            "e.id IN (SELECT a.id FROM exam_report a WHERE a.observation_uid = ? UNION ALL SELECT x.exam_report_pk \
             FROM exam_study x JOIN study t ON t.id = x.study_pk WHERE t.observation_uid = ?)",
            2,
        ),
    }
}

/// Of a lab report.
pub(super) fn lab_key(key: Key) -> Piece {
    match key {
        Key::IdCard => ("l.id_no = ?", 1),
        Key::HealthCard | Key::Insurance => ("l.card_no = ?", 1),
        Key::Card => (
            "l.id IN (SELECT a.id FROM lab_report a WHERE a.card_no = ? UNION ALL SELECT y.id FROM patient_record c \
             JOIN patient_record p ON p.person_pk = c.person_pk AND p.origin = 'report' \
             JOIN lab_report y ON y.org_code = p.org_code AND y.patient_id = p.patient_id WHERE c.card_no = ?)",
            2,
        ),
        Key::MedicalRecord => ("(l.event_no = ? OR l.patient_id = ?)", 2),
        Key::Visit => ("l.event_no = ?", 1),
        Key::OutPatient => ("(l.event_no = ? AND l.event_type IN ('1', '3'))", 1),
        Key::InPatient => ("(l.event_no = ? AND l.event_type = '2')", 1),
        Key::PlacerOrder => ("(l.apply_form_no = ? OR l.order_id = ?)", 2),
        Key::FillerOrder => ("l.report_form_no = ?", 1),
        Key::PatientId => ("l.patient_id = ?", 1),
        Key::Observation => ("l.observation_uid = ?", 1),
        Key::PatientMaster => (
            "l.id IN (SELECT y.id FROM person m JOIN patient_record p ON p.person_pk = m.id AND p.origin = 'report' \
             JOIN lab_report y ON y.org_code = p.org_code AND y.patient_id = p.patient_id WHERE m.master_id = ?)",
            1,
        ),
        Key::Accession => NEVER,
    }
}

/// Studies with a request of this number. Requests are looked up within an organisation, each of which is found by one look
/// into the index.
macro_rules! of_request {
    ($column:literal) => {
        concat!(
            "SELECT t.study_pk FROM \
             (WITH RECURSIVE found_org (code) AS (SELECT MIN(org_code) FROM series_request UNION ALL \
             SELECT (SELECT MIN(n.org_code) FROM series_request n WHERE n.org_code > found_org.code) FROM found_org \
             WHERE found_org.code IS NOT NULL) SELECT code FROM found_org) c JOIN series_request q ON q.org_code = c.code \
             AND q.",
            $column,
            " = ? AND q.",
            $column,
            " <> '' JOIN series t ON t.id = q.series_pk"
        )
    };
}

/// Of a study that no report names.
pub(super) fn study_key(key: Key) -> Piece {
    match key {
        Key::Accession => ("s.accession_number = ?", 1),
        // Of what was ordered, images name what the filler gave: the accession number and the requested procedure (0040,1001).
        // Order numbers are no attributes of theirs, but some devices write them.
        Key::FillerOrder => (
            concat!(
                "s.id IN (SELECT a.id FROM study a WHERE a.accession_number = ? UNION ALL ",
                of_request!("procedure_id"),
                " UNION ALL ",
                of_request!("filler_order"),
                ")"
            ),
            3,
        ),
        Key::PlacerOrder => (concat!("s.id IN (", of_request!("placer_order"), ")"), 1),
        Key::PatientId => ("s.patient_id = ?", 1),
        Key::Observation => ("s.observation_uid = ?", 1),
        Key::PatientMaster => (
            "s.id IN (SELECT y.id FROM person m JOIN patient_record p ON p.person_pk = m.id AND p.origin = 'image' \
             JOIN patient i ON i.org_code = p.org_code AND i.patient_id = p.patient_id AND i.issuer = p.issuer \
             JOIN study y ON y.patient_pk = i.id WHERE m.master_id = ?)",
            1,
        ),
        _ => NEVER,
    }
}
