-- +goose Up

-- One row per idempotency key: the claim of a call that is under way, or its answer.
CREATE TABLE idempotent_answers (
    key_name   TEXT    NOT NULL, -- the owner: nobody else sees the row; '' when the gateway was open
    idem_key   TEXT    NOT NULL,
    hash       TEXT    NOT NULL, -- of the request
    call_id    TEXT    NOT NULL,
    created_us INTEGER NOT NULL, -- microseconds since 1970
    expires_us INTEGER NOT NULL, -- of a claim, when another call may take the key over
    status     INTEGER NOT NULL, -- 0 of a claim
    stream     INTEGER NOT NULL, -- 1 if the body is a stream
    bytes      INTEGER NOT NULL,
    header     BLOB    NOT NULL, -- JSON object
    body       BLOB    NOT NULL,
    PRIMARY KEY (key_name, idem_key)
);

-- For cleaning up, and for the sum of sizes without reading the rows.
CREATE INDEX idempotent_answers_expires ON idempotent_answers (expires_us);
CREATE INDEX idempotent_answers_created ON idempotent_answers (created_us, bytes);

-- +goose Down
DROP TABLE idempotent_answers;
