package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/ledger"
)

// postgresCalls writes a group of rows by one statement, whose arguments are arrays, one a column: one round trip, one
// plan for groups of any size, and unlike COPY it can leave out rows that are there already.
type postgresCalls struct {
	pool  *pgxpool.Pool
	query string
}

// Types of callColumns, where they are not bigint.
var textColumns = map[string]string{
	"id": "text", "key_name": "text", "op": "text", "model": "text", "target": "text", "provider": "text", "code": "text",
	"tags": "jsonb", "rest": "jsonb",
}

func postgresInsert() string {
	var arrays, values []string
	for i, c := range callColumns {
		array, value := "bigint", "r."+c
		if t := textColumns[c]; t != "" {
			array, value = "text", value+"::"+t
		}
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, array))
		values = append(values, value)
	}
	columns := strings.Join(callColumns, ", ")
	// The sums of days are added to in order, so that replicas wait for each other and never in a circle.
	const sums = "CAST(SUM(CASE WHEN attempts > 0 THEN 1 ELSE 0 END) AS BIGINT), " +
		"CAST(SUM(LEAST(LEAST(input_tokens, " + mostTokens + ") + LEAST(output_tokens, " + mostTokens + "), " + mostTokens + ")) AS BIGINT), " +
		"CAST(SUM(LEAST(COALESCE(cost_nano_usd, 0), " + mostNanoUSD + ")) AS BIGINT) FROM added"
	return "WITH added AS (INSERT INTO calls (" + columns + ") SELECT " + strings.Join(values, ", ") +
		" FROM unnest(" + strings.Join(arrays, ", ") + ") AS r(" + columns + ") ON CONFLICT (id) DO NOTHING " +
		"RETURNING time_us / 86400000000 AS day, key_name, rest->>'user' AS user_name, attempts, input_tokens, output_tokens, cost_nano_usd), " +
		"users AS (INSERT INTO user_days (day, key_name, user_name, requests, tokens, nano_usd) SELECT day, key_name, user_name, " + sums +
		" WHERE key_name <> '' AND user_name <> '' GROUP BY 1, 2, 3 ORDER BY 2, 3, 1 ON CONFLICT (key_name, user_name, day) DO UPDATE SET " +
		addDays("user_days", "LEAST") + ") " +
		"INSERT INTO key_days (day, key_name, requests, tokens, nano_usd) SELECT day, key_name, " + sums +
		" WHERE key_name <> '' GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT (day, key_name) DO UPDATE SET " + addDays("key_days", "LEAST")
}

// writeCalls implements callWriter.
func (w *postgresCalls) writeCalls(ctx context.Context, rows []ledger.Row) error {
	texts := make(map[int][]string, len(textColumns))
	numbers := make(map[int][]pgtype.Int8, len(callColumns))
	var row []any
	for i := range rows {
		row = appendArgs(row[:0], &rows[i])
		for c, v := range row {
			switch v := v.(type) {
			case string:
				texts[c] = append(texts[c], v)
			case int64:
				numbers[c] = append(numbers[c], pgtype.Int8{Int64: v, Valid: true})
			case nil:
				numbers[c] = append(numbers[c], pgtype.Int8{})
			}
		}
	}
	args := make([]any, len(callColumns))
	for c := range args {
		if t, ok := texts[c]; ok {
			args[c] = t
		} else {
			args[c] = numbers[c]
		}
	}
	if _, err := w.pool.Exec(ctx, w.query, args...); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}
