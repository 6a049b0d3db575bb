-- +goose Up

-- One row per file that a client has uploaded, or is uploading.
CREATE TABLE files (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY, -- later ones sort later
    key_name   TEXT    NOT NULL, -- the owner: nobody else sees the row; '' when the gateway was open
    status     TEXT    NOT NULL, -- uploading, processed (the API's word), or removed: then the rest of it is going
    created_us BIGINT NOT NULL, -- microseconds since 1970
    touched_us BIGINT NOT NULL, -- when the last bytes came
    expires_us BIGINT NOT NULL,
    filename   TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    mime       TEXT    NOT NULL,
    bytes      BIGINT NOT NULL  -- that are stored
);

-- For lists, for cleaning up, and for the sum of sizes without reading the rows.
CREATE INDEX files_owner ON files (key_name, id);
CREATE INDEX files_expires ON files (status, expires_us);
CREATE INDEX files_bytes ON files (bytes);

-- Contents. All chunks of a file but the last are of one size. A file's row goes last: no chunk is without one.
CREATE TABLE file_chunks (
    file_id TEXT COLLATE "C"    NOT NULL REFERENCES files (id),
    seq     BIGINT NOT NULL, -- from 0
    data    BYTEA    NOT NULL,
    PRIMARY KEY (file_id, seq)
);
-- Not compressed: uploads are images, documents and large tables of text, whose compression costs more than it saves.
ALTER TABLE file_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

-- +goose Down
DROP TABLE file_chunks;
DROP TABLE files;
