-- Customers of the signed pages that are kept here and not in the configuration; the language of a session.

CREATE TABLE customer (
    guid TEXT NOT NULL PRIMARY KEY,           -- in lower case
    settings TEXT NOT NULL,                   -- JSON: what [[customer]] says, without secrets
    secret BYTEA NOT NULL,                     -- encrypted under pages.customer_key (AES-256-GCM): nonce and text
    previous_secret BYTEA,                     -- the one before, still accepted; NULL when it is no longer
    has_legacy BIGINT NOT NULL,              -- whether it accepts user and password (D-T12)
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    rotated_at BIGINT,                       -- when the secret was last changed
    disabled_at BIGINT                       -- NULL while it may open pages
);

ALTER TABLE page_session ADD COLUMN language TEXT NOT NULL DEFAULT '';   -- zh, en; '' as the browser prefers
