-- The change feed: what a region follows to keep a copy of all reports (docs/adr/0004-change-feed.md).
-- A change waits in the transaction that makes it; the one who holds report_feed's row gives waiting changes their
-- positions, so that positions become visible in their order and none is ever skipped.

CREATE TABLE report_change_waiting (
    id INTEGER NOT NULL PRIMARY KEY,
    report_pk INTEGER NOT NULL,
    subject TEXT NOT NULL,                    -- exam, lab
    aspect TEXT NOT NULL,                     -- report, file, images
    org_code TEXT NOT NULL,
    sharing INTEGER NOT NULL,                 -- 0 nobody else, 1 with the right to confidential ones, 2 everyone
    changed_at INTEGER NOT NULL
);

-- The newest change of each aspect of each report; an older one is superseded.
CREATE TABLE report_change (
    report_pk INTEGER NOT NULL,
    aspect TEXT NOT NULL,
    subject TEXT NOT NULL,
    org_code TEXT NOT NULL,
    position INTEGER NOT NULL,
    sharing INTEGER NOT NULL,                 -- the widest that it ever was
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (report_pk, aspect)
);
CREATE UNIQUE INDEX report_change_position ON report_change (position);
CREATE INDEX report_change_org ON report_change (org_code, position);

CREATE TABLE report_feed (
    id INTEGER NOT NULL PRIMARY KEY,          -- always 1
    position INTEGER NOT NULL                 -- the last one that was given
);
INSERT INTO report_feed (id, position) VALUES (1, 0);

-- What is there already comes first. Ids of the program begin far above the number of rows.
INSERT INTO report_change_waiting (id, report_pk, subject, aspect, org_code, sharing, changed_at)
SELECT ROW_NUMBER() OVER (ORDER BY id), id, 'exam', 'report', org_code,
    CASE WHEN withdrawn = 1 OR NOT (reviewed = 1
        OR (state IS NULL AND checked_status IS NULL AND authenticator_dtime IS NULL)) THEN 0
        WHEN vip = 1 OR restricted = 1 THEN 1 ELSE 2 END,
    updated_at FROM exam_report;
INSERT INTO report_change_waiting (id, report_pk, subject, aspect, org_code, sharing, changed_at)
SELECT (SELECT COUNT(*) FROM exam_report) + ROW_NUMBER() OVER (ORDER BY id), id, 'lab', 'report', org_code,
    CASE WHEN withdrawn = 1 THEN 0 ELSE 2 END, updated_at FROM lab_report;

-- A window of time without a patient, and exports.
CREATE INDEX exam_report_retrieved ON exam_report (retrieve_at, id);
CREATE INDEX lab_report_retrieved ON lab_report (retrieve_at, id);
