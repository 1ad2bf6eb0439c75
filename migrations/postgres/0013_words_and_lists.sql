-- Words of names for fuzzy matching (PS3.4 section C.2.2.2.1.1), and lists by time.

-- patient_key and study_key have a kind 4: a word of the patient's name that no group of it begins with. `keyed` is 2 when
-- a row has these too; rows from before get theirs when the index is opened.
DROP INDEX patient_unkeyed;
DROP INDEX study_unkeyed;
CREATE INDEX patient_unkeyed ON patient (id) WHERE keyed < 2;
CREATE INDEX study_unkeyed ON study (id) WHERE keyed < 2;

-- The lists of the signed pages, newest or oldest first, organisation by organisation.
CREATE INDEX exam_report_observed ON exam_report (org_code, observed_at, observation_uid);
CREATE INDEX lab_report_observed ON lab_report (org_code, observed_at, observation_uid);

-- What links and forms ask for: a number without its organisation, and a study's own number.
CREATE INDEX study_any_accession ON study (accession_number);
CREATE INDEX study_any_patient ON study (patient_id);
CREATE INDEX study_own_number ON study (study_id, org_code, id);
CREATE INDEX lab_report_name ON lab_report (name);
CREATE INDEX lab_report_form ON lab_report (report_form_no);
CREATE INDEX lab_report_any_patient ON lab_report (patient_id);
CREATE INDEX lab_report_specimen ON lab_report (specimen_id);
CREATE INDEX lab_report_apply_form_no ON lab_report (apply_form_no);
CREATE INDEX lab_report_order_id ON lab_report (order_id);
