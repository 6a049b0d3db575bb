-- +goose Up

-- One row per call. Ids that grow with time append to the primary key's tree at its right end, which is the cheap place.
CREATE TABLE calls (
    id                 TEXT    NOT NULL PRIMARY KEY,
    time_us            INTEGER NOT NULL, -- arrival, microseconds since 1970
    key_name           TEXT    NOT NULL, -- '' when the gateway was open
    op                 TEXT    NOT NULL,
    model              TEXT    NOT NULL, -- as the client wrote it
    target             TEXT    NOT NULL,
    provider           TEXT    NOT NULL,
    status             INTEGER NOT NULL,
    code               TEXT    NOT NULL, -- '' for success
    attempts           INTEGER NOT NULL,
    input_tokens       INTEGER NOT NULL,
    cached_tokens      INTEGER NOT NULL, -- of input_tokens
    cache_write_tokens INTEGER NOT NULL, -- of input_tokens
    output_tokens      INTEGER NOT NULL,
    reasoning_tokens   INTEGER NOT NULL, -- of output_tokens
    estimated          INTEGER NOT NULL, -- 1 if the provider did not say how many tokens
    cost_nano_usd      INTEGER,          -- NULL if the price is unknown
    queue_us           INTEGER NOT NULL,
    first_token_us     INTEGER NOT NULL,
    total_us           INTEGER NOT NULL,
    overhead_us        INTEGER NOT NULL,
    tags               TEXT    NOT NULL, -- JSON array of strings
    rest               TEXT    NOT NULL  -- JSON object: what is neither filtered nor summed
);

-- The only secondary index: every other one would be paid by every call, while questions are asked of a span of time.
CREATE INDEX calls_time ON calls (time_us);

-- Keys made at run time. The key itself is not here, only its SHA-256.
CREATE TABLE keys (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    prefix      TEXT    NOT NULL,
    hash        BLOB    NOT NULL UNIQUE,
    models      TEXT    NOT NULL, -- JSON array of strings; [] allows all
    concurrency INTEGER NOT NULL, -- 0 leaves it to the tier
    tier        TEXT    NOT NULL,
    created_us  INTEGER NOT NULL,
    revoked_us  INTEGER NOT NULL, -- 0 while the key is good
    seq         INTEGER NOT NULL  -- number of the row's last change; grows by every change of any key
);

-- A name is free again once its key is revoked.
CREATE UNIQUE INDEX keys_name ON keys (name) WHERE revoked_us = 0;
CREATE UNIQUE INDEX keys_seq ON keys (seq);

-- +goose Down
DROP TABLE keys;
DROP TABLE calls;
