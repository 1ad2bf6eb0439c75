-- Which history the positions of the change feed belong to (docs/adr/0004-change-feed.md): each start of a server begins
-- another epoch, so that a cursor from before a restore is not taken for one of the positions that were given since.

CREATE TABLE feed_epoch (
    from_position INTEGER NOT NULL PRIMARY KEY, -- positions above it, up to the next epoch's
    epoch INTEGER NOT NULL                      -- a random number
);

-- How far stored reports have been looked through after the words for restricted reports were others: one row, the newest walk.
CREATE TABLE restriction (
    id INTEGER NOT NULL PRIMARY KEY,           -- always 1
    words TEXT NOT NULL,                      -- digest of the words that it brings in
    after_id INTEGER NOT NULL,                 -- the last row of exam_report that was looked at
    changed INTEGER NOT NULL,                  -- reports that are shared with others than before
    started_at INTEGER NOT NULL,
    finished_at INTEGER
);
