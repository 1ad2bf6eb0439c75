-- Files that are no DICOM objects (D-I14), who works at what, and what is to be forwarded (D-I19).

-- When the bytes of an instance were removed because an upstream archive keeps them (RD-8); its row stays.
ALTER TABLE instance ADD COLUMN offline_at INTEGER;
CREATE INDEX instance_offline ON instance (series_pk) WHERE offline_at IS NOT NULL;

-- Work that only one process may do at a time, e.g. a watched folder.
CREATE TABLE work_lease (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    lease_until INTEGER NOT NULL
);

-- ---------------------------------------------------------------- attachments
CREATE TABLE attachment (
    id INTEGER NOT NULL PRIMARY KEY,
    org_code TEXT NOT NULL,
    kind TEXT NOT NULL,                       -- request_form, consent, capture, video, ecg, pathology, report, other
    media_type TEXT NOT NULL,                 -- found in the content, never believed from a name
    title TEXT NOT NULL,                      -- shown on pages
    accession_number TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL,
    source_name TEXT NOT NULL,                -- the file's name as it came
    content_hash TEXT NOT NULL,               -- SHA-256, hex
    object_key TEXT NOT NULL,
    object_offset INTEGER NOT NULL,
    object_length INTEGER NOT NULL,
    state TEXT NOT NULL,                      -- unlinked, linked
    received_at INTEGER NOT NULL,
    UNIQUE (org_code, accession_number, study_instance_uid, kind, content_hash)
);
CREATE INDEX attachment_study ON attachment (org_code, study_instance_uid);
CREATE INDEX attachment_object ON attachment (object_key);
CREATE INDEX attachment_unlinked ON attachment (received_at) WHERE state = 'unlinked';

CREATE TABLE exam_attachment (
    exam_report_pk INTEGER NOT NULL REFERENCES exam_report (id),
    attachment_pk INTEGER NOT NULL REFERENCES attachment (id),
    rule TEXT NOT NULL,                       -- study_instance_uid, patient_and_accession, accession, manual
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (exam_report_pk, attachment_pk)
);
CREATE INDEX exam_attachment_attachment ON exam_attachment (attachment_pk);

-- ---------------------------------------------------------------- forwarding
-- One row for each instance and upstream. The indexes hold only rows that wait for something, so that millions of
-- forwarded instances cost nothing but their rows.
CREATE TABLE forward (
    instance_pk INTEGER NOT NULL REFERENCES instance (id),
    upstream TEXT NOT NULL,
    study_pk INTEGER NOT NULL REFERENCES study (id),
    state INTEGER NOT NULL,                   -- 0 waiting, 1 sent, 2 confirmed, 3 parked, 4 purged here
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,                  -- when the next step may be taken
    changed_at INTEGER NOT NULL,
    reason TEXT NOT NULL,                     -- why it is parked, or why the last attempt failed
    PRIMARY KEY (instance_pk, upstream)
);
CREATE INDEX forward_waiting ON forward (upstream, due_at, study_pk) WHERE state = 0;
CREATE INDEX forward_waiting_study ON forward (upstream, study_pk, instance_pk) WHERE state = 0;
CREATE INDEX forward_sent ON forward (upstream, due_at, study_pk) WHERE state = 1;
CREATE INDEX forward_confirmed ON forward (changed_at, instance_pk) WHERE state = 2;
CREATE INDEX forward_parked ON forward (upstream, changed_at) WHERE state = 3;
