-- Reports for upstream archives (D-I19, docs/adr/0006-reports-of-a-front.md): how far each upstream has followed the change feed,
-- and how each report that changed stands with it. The indexes hold only rows that wait for something.
CREATE TABLE report_forward_cursor (
    upstream TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL                 -- changes up to here are, or were, in report_forward
);

CREATE TABLE report_forward (
    report_pk INTEGER NOT NULL,
    upstream TEXT NOT NULL,
    subject TEXT NOT NULL,                    -- exam, lab
    position INTEGER NOT NULL,                -- its newest change in the feed
    state INTEGER NOT NULL,                   -- 0 waiting, 1 taken, 3 parked
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,                  -- when it may be sent
    changed_at INTEGER NOT NULL,
    reason TEXT NOT NULL,                     -- why it is parked, or why the last attempt failed
    told_record TEXT NOT NULL,                -- hash of the record that the upstream took last
    told_file TEXT NOT NULL,                  -- hash of the file that it took last
    PRIMARY KEY (report_pk, upstream)
);
CREATE INDEX report_forward_waiting ON report_forward (upstream, position) WHERE state = 0;
CREATE INDEX report_forward_parked ON report_forward (upstream, changed_at) WHERE state = 3;
