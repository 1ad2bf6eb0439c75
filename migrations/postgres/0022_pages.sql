-- Lists of one type of exam, newest or oldest first, organisation by organisation: a rare type is found without reading
-- all that came in between.
CREATE INDEX exam_report_class ON exam_report (org_code, UPPER(COALESCE(class_code, '')), observed_at, observation_uid);
CREATE INDEX exam_report_modality ON exam_report (org_code, UPPER(modality), observed_at, observation_uid);
CREATE INDEX lab_report_class ON lab_report (org_code, UPPER(COALESCE(class_code, '')), observed_at, observation_uid);
