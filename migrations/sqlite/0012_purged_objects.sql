-- Objects whose rows have been purged and that may still lie in storage: removed, they are taken out here.
CREATE TABLE purged_object (
    object_key TEXT NOT NULL,
    object_offset INTEGER NOT NULL,
    object_length INTEGER NOT NULL,
    purged_at INTEGER NOT NULL,
    PRIMARY KEY (object_key, object_offset)
);
