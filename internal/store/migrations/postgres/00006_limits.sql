-- +goose Up

-- The limits of a key but for its concurrency: a JSON object.
ALTER TABLE keys ADD COLUMN limits JSONB NOT NULL DEFAULT '{}';

-- What the calls of a day sum up to, by key and by end user: written together with the calls, so that limits of days and months are known
-- without reading them. Calls without a key are in neither.
CREATE TABLE key_days (
    day      BIGINT  NOT NULL, -- of arrival, counted from 1970, in UTC
    key_name TEXT    NOT NULL,
    requests BIGINT  NOT NULL, -- that were sent to a provider
    tokens   BIGINT  NOT NULL, -- of input and output
    nano_usd BIGINT  NOT NULL, -- calls of unknown price add nothing
    PRIMARY KEY (day, key_name)
);
CREATE TABLE user_days (
    key_name  TEXT    NOT NULL,
    user_name TEXT    NOT NULL,
    day       BIGINT  NOT NULL,
    requests  BIGINT  NOT NULL,
    tokens    BIGINT  NOT NULL,
    nano_usd  BIGINT  NOT NULL,
    PRIMARY KEY (key_name, user_name, day)
);

-- Of the calls that there are already, those of this month matter.
INSERT INTO key_days (day, key_name, requests, tokens, nano_usd)
SELECT time_us / 86400000000, key_name, CAST(SUM(CASE WHEN attempts > 0 THEN 1 ELSE 0 END) AS BIGINT), CAST(SUM(LEAST(LEAST(input_tokens, 1000000000000) + LEAST(output_tokens, 1000000000000), 1000000000000)) AS BIGINT), CAST(SUM(LEAST(COALESCE(cost_nano_usd, 0), 10000000000000)) AS BIGINT)
FROM calls WHERE key_name <> '' AND time_us >= (CAST(extract(epoch FROM now()) AS BIGINT) - 40 * 86400) * 1000000 GROUP BY 1, 2;
INSERT INTO user_days (day, key_name, user_name, requests, tokens, nano_usd)
SELECT time_us / 86400000000, key_name, rest->>'user', CAST(SUM(CASE WHEN attempts > 0 THEN 1 ELSE 0 END) AS BIGINT), CAST(SUM(LEAST(LEAST(input_tokens, 1000000000000) + LEAST(output_tokens, 1000000000000), 1000000000000)) AS BIGINT), CAST(SUM(LEAST(COALESCE(cost_nano_usd, 0), 10000000000000)) AS BIGINT)
FROM calls WHERE key_name <> '' AND time_us >= (CAST(extract(epoch FROM now()) AS BIGINT) - 40 * 86400) * 1000000 AND COALESCE(rest->>'user', '') <> '' GROUP BY 1, 2, 3;

-- +goose Down
DROP TABLE user_days;
DROP TABLE key_days;
ALTER TABLE keys DROP COLUMN limits;
