-- How far the images of a registered exam have been fetched from the PACS (RAD-16); one row for each exam report whose
-- organisation has a node to fetch from. The job says when it runs, this says what it found.

CREATE TABLE exam_retrieve (
    exam_report_pk INTEGER NOT NULL PRIMARY KEY REFERENCES exam_report (id),
    org_code TEXT NOT NULL,
    state TEXT NOT NULL,                      -- waiting, complete, given_up
    requested_at INTEGER NOT NULL,            -- when the present series of checks began: registration or re-run
    checks INTEGER NOT NULL,                  -- since then
    quiet_checks INTEGER NOT NULL,            -- in a row without news
    studies INTEGER NOT NULL,                 -- found at the nodes by the last check that reached them
    expected_instances INTEGER,               -- at the nodes; NULL when they do not tell
    held_instances INTEGER NOT NULL,          -- of these studies, here
    fetched_instances INTEGER NOT NULL,       -- new here by fetching, since the first request
    changed_at INTEGER NOT NULL,              -- when expected or held last changed
    checked_at INTEGER,
    next_at INTEGER,                          -- NULL when nothing more is planned
    last_error TEXT NOT NULL,                 -- of the last check, '' when it went well; no patient data
    detail TEXT NOT NULL                      -- JSON: what each node said at the last check
);
CREATE INDEX exam_retrieve_state ON exam_retrieve (state, next_at);
