-- Storage: how long a process has lived, and what reading all objects from time to time has found.

-- From when on the holder of a lease can have written anything; 0 where that is not known.
ALTER TABLE node ADD COLUMN leased_at INTEGER NOT NULL DEFAULT 0;

-- The scrub's way through the objects: one row, id 1.
CREATE TABLE scrub (
    id INTEGER NOT NULL PRIMARY KEY,
    object_key TEXT NOT NULL,                 -- the last place that was read
    object_offset INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,                      -- NULL while a pass is under way
    checked INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);

-- Objects that are not as they were acknowledged.
CREATE TABLE object_damage (
    subject TEXT NOT NULL PRIMARY KEY,        -- e.g. instance:17
    object_key TEXT NOT NULL,
    object_offset INTEGER NOT NULL,
    fault TEXT NOT NULL,                      -- missing, short, changed
    found_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);
CREATE INDEX object_damage_found ON object_damage (found_at);

-- Objects in segments whose rows were deleted: what compaction may leave behind.
CREATE TABLE dead_object (
    object_key TEXT NOT NULL,
    object_offset INTEGER NOT NULL,
    object_length INTEGER NOT NULL,
    died_at INTEGER NOT NULL,
    PRIMARY KEY (object_key, object_offset)
);

-- Segments from which everything that lives has been copied.
CREATE TABLE retired_segment (
    object_key TEXT NOT NULL PRIMARY KEY,
    retired_at INTEGER NOT NULL
);
