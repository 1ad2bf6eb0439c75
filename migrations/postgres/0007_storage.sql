-- Storage: how long a process has lived, and what reading all objects from time to time has found.

-- From when on the holder of a lease can have written anything; 0 where that is not known.
ALTER TABLE node ADD COLUMN leased_at BIGINT NOT NULL DEFAULT 0;

-- The scrub's way through the objects: one row, id 1.
CREATE TABLE scrub (
    id BIGINT NOT NULL PRIMARY KEY,
    object_key TEXT NOT NULL,                 -- the last place that was read
    object_offset BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,                      -- NULL while a pass is under way
    checked BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    damaged BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Objects that are not as they were acknowledged.
CREATE TABLE object_damage (
    subject TEXT NOT NULL PRIMARY KEY,        -- e.g. instance:17
    object_key TEXT NOT NULL,
    object_offset BIGINT NOT NULL,
    fault TEXT NOT NULL,                      -- missing, short, changed
    found_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX object_damage_found ON object_damage (found_at);

-- Objects in segments whose rows were deleted: what compaction may leave behind.
CREATE TABLE dead_object (
    object_key TEXT NOT NULL,
    object_offset BIGINT NOT NULL,
    object_length BIGINT NOT NULL,
    died_at BIGINT NOT NULL,
    PRIMARY KEY (object_key, object_offset)
);

-- Segments from which everything that lives has been copied.
CREATE TABLE retired_segment (
    object_key TEXT NOT NULL PRIMARY KEY,
    retired_at BIGINT NOT NULL
);
