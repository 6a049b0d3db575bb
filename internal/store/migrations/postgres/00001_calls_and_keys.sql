-- +goose Up

-- One row per call. Ids that grow with time append to the primary key's tree at its right end, which is the cheap place.
CREATE TABLE calls (
    id                 TEXT    NOT NULL PRIMARY KEY,
    time_us            BIGINT  NOT NULL, -- arrival, microseconds since 1970
    key_name           TEXT    NOT NULL, -- '' when the gateway was open
    op                 TEXT    NOT NULL,
    model              TEXT    NOT NULL, -- as the client wrote it
    target             TEXT    NOT NULL,
    provider           TEXT    NOT NULL,
    status             BIGINT  NOT NULL,
    code               TEXT    NOT NULL, -- '' for success
    attempts           BIGINT  NOT NULL,
    input_tokens       BIGINT  NOT NULL,
    cached_tokens      BIGINT  NOT NULL, -- of input_tokens
    cache_write_tokens BIGINT  NOT NULL, -- of input_tokens
    output_tokens      BIGINT  NOT NULL,
    reasoning_tokens   BIGINT  NOT NULL, -- of output_tokens
    estimated          BIGINT  NOT NULL, -- 1 if the provider did not say how many tokens
    cost_nano_usd      BIGINT,           -- NULL if the price is unknown
    queue_us           BIGINT  NOT NULL,
    first_token_us     BIGINT  NOT NULL,
    total_us           BIGINT  NOT NULL,
    overhead_us        BIGINT  NOT NULL,
    tags               JSONB   NOT NULL, -- JSON array of strings
    rest               JSONB   NOT NULL  -- JSON object: what is neither filtered nor summed
);

-- The only secondary index: every other one would be paid by every call, while questions are asked of a span of time.
CREATE INDEX calls_time ON calls (time_us);

-- Keys made at run time. The key itself is not here, only its SHA-256.
CREATE TABLE keys (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    prefix      TEXT    NOT NULL,
    hash        BYTEA   NOT NULL UNIQUE,
    models      JSONB   NOT NULL, -- JSON array of strings; [] allows all
    concurrency BIGINT  NOT NULL, -- 0 leaves it to the tier
    tier        TEXT    NOT NULL,
    created_us  BIGINT  NOT NULL,
    revoked_us  BIGINT  NOT NULL, -- 0 while the key is good
    seq         BIGINT  NOT NULL  -- number of the row's last change; grows by every change of any key
);

-- A name is free again once its key is revoked.
CREATE UNIQUE INDEX keys_name ON keys (name) WHERE revoked_us = 0;
CREATE UNIQUE INDEX keys_seq ON keys (seq);

-- +goose Down
DROP TABLE keys;
DROP TABLE calls;
