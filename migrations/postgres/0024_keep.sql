-- Images that a person has had deleted: what has been begun is brought to its end, and what was deleted is not fetched again
-- from a PACS until a person asks for it.

CREATE TABLE deletion (
    id BIGINT NOT NULL PRIMARY KEY,
    org_code TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL,
    series_instance_uid TEXT NOT NULL,        -- '' when the whole study was meant
    sop_instance_uid TEXT NOT NULL,           -- '' when a whole series or study was meant
    received_until BIGINT NOT NULL,          -- what came later is not meant
    instances BIGINT NOT NULL,               -- deleted so far
    versions BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX deletion_study ON deletion (org_code, study_instance_uid);
CREATE INDEX deletion_series ON deletion (org_code, series_instance_uid);
CREATE INDEX deletion_instance ON deletion (org_code, sop_instance_uid);
CREATE INDEX deletion_unfinished ON deletion (id) WHERE finished_at IS NULL;

-- When a person last asked for the images of an exam; 0 when nobody has.
ALTER TABLE exam_retrieve ADD COLUMN by_hand_at BIGINT NOT NULL DEFAULT 0;
