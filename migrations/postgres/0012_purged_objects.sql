-- Objects whose rows have been purged and that may still lie in storage: removed, they are taken out here.
CREATE TABLE purged_object (
    object_key TEXT NOT NULL,
    object_offset BIGINT NOT NULL,
    object_length BIGINT NOT NULL,
    purged_at BIGINT NOT NULL,
    PRIMARY KEY (object_key, object_offset)
);
