-- Which history the positions of the change feed belong to (docs/adr/0004-change-feed.md): each start of a server begins
-- another epoch, so that a cursor from before a restore is not taken for one of the positions that were given since.

CREATE TABLE feed_epoch (
    from_position INTEGER NOT NULL PRIMARY KEY, -- positions above it, up to the next epoch's
    epoch INTEGER NOT NULL                      -- a random number
);
