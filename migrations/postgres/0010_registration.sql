-- Registration: what an inbound message said and how it ended, what was wrong with a record, how late a report came.

ALTER TABLE inbox_message ADD COLUMN headers TEXT NOT NULL DEFAULT '';      -- JSON; secrets are left out (D-X2)
ALTER TABLE inbox_message ADD COLUMN org_codes TEXT NOT NULL DEFAULT '';    -- of its records, joined by ','
ALTER TABLE inbox_message ADD COLUMN sent_at TEXT NOT NULL DEFAULT '';      -- the message's own time (D-R27)
ALTER TABLE inbox_message ADD COLUMN business_date TEXT NOT NULL DEFAULT ''; -- org/item@date_t (D-R27)
ALTER TABLE inbox_message ADD COLUMN state TEXT NOT NULL DEFAULT 'open';    -- open, done, failed, refused
ALTER TABLE inbox_message ADD COLUMN body_length BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inbox_message ADD COLUMN is_cut BIGINT NOT NULL DEFAULT 0;     -- 1 when the body is not kept whole
ALTER TABLE inbox_message ADD COLUMN replays BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inbox_message ADD COLUMN replayed_at BIGINT;

UPDATE inbox_message SET body_length = LENGTH(body), state = CASE
    WHEN result IS NULL THEN 'open'
    WHEN result LIKE 'refused:%' THEN 'refused'
    WHEN result LIKE '%"failed":0,%' THEN 'done'
    WHEN result LIKE '{%' OR result LIKE 'E%' THEN 'failed'
    ELSE 'done' END;

DROP INDEX inbox_message_received;
-- Holds what listing and retention look at, so that they do not read the bodies.
CREATE INDEX inbox_message_received ON inbox_message (received_at, state, body_length);

-- Codes and fields of what was noted when a record was registered, e.g. E1002:Birth_Date (D-R14).
ALTER TABLE exam_report ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE lab_report ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE lab_item ADD COLUMN notes TEXT NOT NULL DEFAULT '';
-- Seconds from the report's own time to its registration; NULL when the report has no time.
ALTER TABLE exam_report ADD COLUMN delay_s BIGINT;
ALTER TABLE lab_report ADD COLUMN delay_s BIGINT;
CREATE INDEX exam_report_received ON exam_report (received_at);
CREATE INDEX lab_report_received ON lab_report (received_at);

-- Records that were not accepted, counted.
CREATE TABLE rejected_record (
    org_code TEXT NOT NULL,                   -- '' when it is not one of ours
    kind TEXT NOT NULL,                       -- exam, lab, lab_subitem
    day TEXT NOT NULL,                        -- yyyy-MM-dd in Asia/Shanghai
    code TEXT NOT NULL,
    field TEXT NOT NULL,                      -- the first field at fault, '' when it is not about one
    records BIGINT NOT NULL,
    PRIMARY KEY (org_code, kind, day, code, field)
);

-- When each neighbour last succeeded, by interface (D-X12).
CREATE TABLE last_success (
    interface TEXT NOT NULL,
    neighbour TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (interface, neighbour)
);
