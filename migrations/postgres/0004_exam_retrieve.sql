-- How far the images of a registered exam have been fetched from the PACS (RAD-16); one row for each exam report whose
-- organisation has a node to fetch from. The job says when it runs, this says what it found.

CREATE TABLE exam_retrieve (
    exam_report_pk BIGINT NOT NULL PRIMARY KEY REFERENCES exam_report (id),
    org_code TEXT NOT NULL,
    state TEXT NOT NULL,                      -- waiting, complete, given_up
    requested_at BIGINT NOT NULL,            -- when the present series of checks began: registration or re-run
    checks BIGINT NOT NULL,                  -- since then
    quiet_checks BIGINT NOT NULL,            -- in a row without news
    studies BIGINT NOT NULL,                 -- found at the nodes by the last check that reached them
    expected_instances BIGINT,               -- at the nodes; NULL when they do not tell
    held_instances BIGINT NOT NULL,          -- of these studies, here
    fetched_instances BIGINT NOT NULL,       -- new here by fetching, since the first request
    changed_at BIGINT NOT NULL,              -- when expected or held last changed
    checked_at BIGINT,
    next_at BIGINT,                          -- NULL when nothing more is planned
    last_error TEXT NOT NULL,                 -- of the last check, '' when it went well; no patient data
    detail TEXT NOT NULL                      -- JSON: what each node said at the last check
);
CREATE INDEX exam_retrieve_state ON exam_retrieve (state, next_at);
