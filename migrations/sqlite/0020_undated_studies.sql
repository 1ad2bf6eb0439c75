-- Studies whose date is missing or no date, which the lists of the signed pages show as the oldest: few, and looked for alone.
CREATE INDEX study_undated ON study (org_code, id) WHERE LENGTH(study_date) <> 8;
