-- Reports that have changed since a moment, of whomever they are (FHIR `_lastUpdated`): pages of them walk these and read no
-- other report.
CREATE INDEX exam_report_updated ON exam_report (updated_at, id);
CREATE INDEX lab_report_updated ON lab_report (updated_at, id);
