-- +goose Up

-- One row per answer that a client of the Responses API wants kept.
CREATE TABLE responses (
    key_name    TEXT    NOT NULL, -- the owner: nobody else sees the row; '' when the gateway was open
    id          TEXT    NOT NULL,
    created_us  BIGINT  NOT NULL, -- microseconds since 1970
    expires_us  BIGINT  NOT NULL,
    model       TEXT    NOT NULL, -- as the client wrote it
    provider    TEXT    NOT NULL, -- account that has the response too; '' if there is none
    previous_id TEXT    NOT NULL, -- the response that it goes on with; '' if there is none
    status      TEXT    NOT NULL,
    bytes       BIGINT  NOT NULL, -- size of input and body
    input       BYTEA   NOT NULL, -- JSON array of items
    body        BYTEA   NOT NULL, -- JSON object: the answer
    PRIMARY KEY (key_name, id)
);

-- For cleaning up: by expiry, and the sizes of the newest without reading the rows.
CREATE INDEX responses_expires ON responses (expires_us);
CREATE INDEX responses_created ON responses (created_us, bytes);

-- +goose Down
DROP TABLE responses;
