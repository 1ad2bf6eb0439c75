-- How many studies have a date that is none: without it the planner takes nearly all for such, and reads the whole table for
-- the few that study_undated names.
CREATE STATISTICS study_dated ON (LENGTH(study_date)) FROM study;
ANALYZE study;
