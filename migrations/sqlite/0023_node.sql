-- What QIDO-RS matches series by (PS3.18 table 10.6.1-5): when they were made, and the requests that they answer.
-- Rows from before get their values by `yingku reindex --text`.

ALTER TABLE series ADD COLUMN performed_date TEXT NOT NULL DEFAULT '';   -- (0040,0244), yyyyMMdd
ALTER TABLE series ADD COLUMN performed_time TEXT NOT NULL DEFAULT '';   -- (0040,0245)

-- The items of Request Attributes Sequence (0040,0275) of a series' first instance.
CREATE TABLE series_request (
    series_pk INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    item INTEGER NOT NULL,                    -- from 1, as in the data set
    org_code TEXT NOT NULL,
    step_id TEXT NOT NULL,                    -- (0040,0009)
    procedure_id TEXT NOT NULL,               -- (0040,1001)
    PRIMARY KEY (series_pk, item)
) WITHOUT ROWID;
CREATE INDEX series_request_step ON series_request (org_code, step_id, series_pk, item);
CREATE INDEX series_request_procedure ON series_request (org_code, procedure_id, series_pk, item);
