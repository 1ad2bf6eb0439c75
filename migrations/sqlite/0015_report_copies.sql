-- Copies that are made of reports: stamped by a policy that may change, composed of lab reports; codes lead to both.

-- What the stamped copy was made with: a digest of the policy, '' where that is not known.
ALTER TABLE report_file ADD COLUMN stamp_policy TEXT NOT NULL DEFAULT '';

-- How far stamping anew has come after the policy changed: one row, id 1.
CREATE TABLE restamp (
    id INTEGER NOT NULL PRIMARY KEY,
    policy TEXT NOT NULL,                     -- digest of all policies that the walk brings in
    org_code TEXT NOT NULL,                   -- '' for all organisations
    after_id INTEGER NOT NULL,                -- the last row of report_file that was looked at
    stamped INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER
);

-- A printed code leads to an exam report or to a lab report.
CREATE TABLE qr_link_next (
    id TEXT NOT NULL PRIMARY KEY,             -- 128 random bits, base32 without padding
    exam_report_pk INTEGER UNIQUE REFERENCES exam_report (id),
    lab_report_pk INTEGER UNIQUE REFERENCES lab_report (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
);
INSERT INTO qr_link_next (id, exam_report_pk, lab_report_pk, created_at, expires_at, revoked_at)
SELECT id, exam_report_pk, NULL, created_at, expires_at, revoked_at FROM qr_link;
DROP TABLE qr_link;
ALTER TABLE qr_link_next RENAME TO qr_link;

-- Lab reports as documents: the newest composition of each; it can be made again at any time.
CREATE TABLE lab_document (
    id INTEGER NOT NULL PRIMARY KEY,          -- another one for each composition
    lab_report_pk INTEGER NOT NULL UNIQUE REFERENCES lab_report (id),
    revision INTEGER NOT NULL,
    content_hash TEXT NOT NULL,               -- of what was composed and how, SHA-256, hex
    object_key TEXT NOT NULL,
    object_length INTEGER NOT NULL,
    object_hash TEXT NOT NULL,                -- SHA-256, hex
    page_count INTEGER NOT NULL,
    stamped INTEGER NOT NULL,
    composed_at INTEGER NOT NULL
);
CREATE INDEX lab_document_object ON lab_document (object_key);
