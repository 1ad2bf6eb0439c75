-- Mutual recognition: which items are recognised, and what a record of it says of the report (D-X10).

-- Which items of which organisation are marked, at which level, and how long.
CREATE TABLE recognised_item (
    kind TEXT NOT NULL,                       -- exam, lab
    org_code TEXT NOT NULL,                   -- '' for all organisations
    item TEXT NOT NULL,                       -- code or name of the item
    aliases TEXT NOT NULL,                    -- other codes and names, one on a line
    level TEXT NOT NULL,                      -- the mark, or a code of the dictionary `recognition`; '' for the negative list
    valid_from TEXT NOT NULL,                 -- yyyy-MM-dd, '' when open
    valid_to TEXT NOT NULL,                   -- the last day, '' when open
    position BIGINT NOT NULL,
    PRIMARY KEY (kind, org_code, item, valid_from)
);

ALTER TABLE recognition ADD COLUMN item TEXT NOT NULL DEFAULT '';   -- what was examined, as the report said then
ALTER TABLE recognition ADD COLUMN mark TEXT NOT NULL DEFAULT '';   -- the report's mark then
CREATE INDEX recognition_time ON recognition (decided_at, id);
CREATE INDEX recognition_owner ON recognition (org_code, decided_at);
