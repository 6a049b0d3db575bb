-- +goose Up

-- One row per suite of measurements.
CREATE TABLE bench_suites (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    workload      TEXT    NOT NULL, -- its name: suites of one name make a history
    workload_hash TEXT    NOT NULL,
    started_us    INTEGER NOT NULL, -- microseconds since 1970
    body          TEXT    NOT NULL  -- JSON object: the suite without its runs
);
CREATE INDEX bench_suites_started ON bench_suites (workload, started_us);

-- One row per run of a suite.
CREATE TABLE bench_runs (
    suite_id   TEXT    NOT NULL,
    seq        INTEGER NOT NULL, -- its place in the suite, from 0
    id         TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    verdict    TEXT    NOT NULL,
    started_us INTEGER NOT NULL,
    body       TEXT    NOT NULL, -- JSON object: the run without its series and histograms
    PRIMARY KEY (suite_id, seq)
);

-- What people know about a suite, or about the change of a figure that begins with it.
CREATE TABLE bench_annotations (
    id         TEXT    NOT NULL PRIMARY KEY,
    suite_id   TEXT    NOT NULL,
    cell       TEXT    NOT NULL, -- '' for all
    metric     TEXT    NOT NULL, -- '' for all
    cause      TEXT    NOT NULL,
    note       TEXT    NOT NULL,
    created_us INTEGER NOT NULL
);
CREATE INDEX bench_annotations_suite ON bench_annotations (suite_id);

-- The suite that others of its workload are held against.
CREATE TABLE bench_baseline (
    workload TEXT    NOT NULL PRIMARY KEY,
    suite_id TEXT    NOT NULL,
    set_us   INTEGER NOT NULL
);

-- +goose Down
DROP TABLE bench_baseline;
DROP TABLE bench_annotations;
DROP TABLE bench_runs;
DROP TABLE bench_suites;
