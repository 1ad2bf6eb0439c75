-- Requests of storage commitment (PS3.4 annex J), kept until they have been reported to who asked.
CREATE TABLE storage_commitment (
    id INTEGER NOT NULL PRIMARY KEY,
    org_code TEXT NOT NULL,                   -- organisation of who asked
    calling_ae_title TEXT NOT NULL,
    remote_addr TEXT NOT NULL,
    transaction_uid TEXT NOT NULL,
    state TEXT NOT NULL,                      -- requested, checked, reported
    instances TEXT NOT NULL,                  -- JSON: what was asked for, in order
    failures TEXT NOT NULL,                   -- JSON: [place in instances, Failure Reason], once checked
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (calling_ae_title, transaction_uid)
);
CREATE INDEX storage_commitment_old ON storage_commitment (state, updated_at);
