package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sluice/internal/ledger"
)

// MaxTotals is the largest number of groups of one answer of Totals.
const MaxTotals = 1000

const maxPage = 1000 // rows of one answer of Calls

// Filter picks calls. Zero fields pick all.
type Filter struct {
	ID       string
	From, To time.Time // arrival: From included, To not
	Key      string
	Model    string // as the client wrote it
	Target   string
	Provider string
	Code     string // outcome, by llm.Kind.Code
	Failed   bool   // only calls that did not succeed
	Tag      string
}

// Cursor is a place in the sequence of calls, newest first. The zero Cursor is the start.
type Cursor struct {
	Time time.Time
	ID   string
}

// Calls returns the calls that filter picks, newest first, at most limit of them (1,000 if limit is larger or not
// positive), beginning after the cursor. The cursor returned continues behind the last row; it is zero if there was none
// left at the time of asking. Calls that arrive meanwhile do not shift the pages.
func (s *Store) Calls(ctx context.Context, f Filter, after Cursor, limit int) ([]ledger.Row, Cursor, error) {
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	where, args := s.where(f)
	if after != (Cursor{}) {
		us := after.Time.UnixMicro()
		where += " AND time_us <= ? AND (time_us < ? OR id < ?)"
		args = append(args, us, us, after.ID)
	}
	query := "SELECT " + strings.Join(callColumns, ", ") + " FROM calls WHERE " + where +
		" ORDER BY time_us DESC, id DESC LIMIT ?"
	rows, err := s.read.QueryContext(ctx, s.dialect.rebind(query), append(args, limit+1)...)
	if err != nil {
		return nil, Cursor{}, s.explain("read calls", err)
	}
	defer rows.Close()
	var out []ledger.Row
	for rows.Next() {
		r, err := scanCall(rows.Scan)
		if err != nil {
			return nil, Cursor{}, s.explain("read calls", err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, Cursor{}, s.explain("read calls", err)
	}
	if len(out) <= limit {
		return out, Cursor{}, nil
	}
	out = out[:limit]
	last := &out[limit-1]
	return out, Cursor{Time: last.Time, ID: last.ID}, nil
}

// where turns a filter into a condition and its arguments.
func (s *Store) where(f Filter) (string, []any) {
	where, args := []string{"1 = 1"}, []any(nil)
	add := func(cond string, arg any) {
		where, args = append(where, cond), append(args, arg)
	}
	for _, c := range []struct{ column, value string }{
		{"id", f.ID}, {"key_name", f.Key}, {"model", f.Model}, {"target", f.Target}, {"provider", f.Provider}, {"code", f.Code},
	} {
		if c.value != "" {
			add(c.column+" = ?", clean(c.value, maxText))
		}
	}
	if !f.From.IsZero() {
		add("time_us >= ?", f.From.UnixMicro())
	}
	if !f.To.IsZero() {
		add("time_us < ?", f.To.UnixMicro())
	}
	if f.Failed {
		where = append(where, "code <> ''")
	}
	if f.Tag != "" {
		add(s.dialect.tagMatch, clean(f.Tag, maxTag))
	}
	return strings.Join(where, " AND "), args
}

// By is what totals are grouped by.
type By uint8

// The groups of Totals.
const (
	ByNothing By = iota // one total
	ByKey
	ByModel
	ByTarget
	ByProvider
	ByTag // a call counts for each of its tags, and for none if it has none
)

// groups are the SQL expressions of By.
var groups = [...]string{
	ByNothing: "''", ByKey: "key_name", ByModel: "model", ByTarget: "target", ByProvider: "provider", ByTag: "tag.value",
}

// Total sums up calls.
type Total struct {
	Name        string // of the group; empty for ByNothing, and for calls that have no key or target
	Calls       int64
	Failed      int64 // calls that did not succeed
	Estimated   int64 // calls whose tokens were estimated
	Unpriced    int64 // calls that used tokens at an unknown cost, missing in CostNanoUSD
	CostNanoUSD int64 // billionths of a US dollar
	Input       int64 // tokens, as in llm.Usage
	CachedInput int64
	CacheWrite  int64
	Output      int64
	Reasoning   int64
}

// Totals sums up the calls that arrived from a time (included) to another (not included); zero times leave that side open.
// Without calls there are no groups, not even for ByNothing. Groups come by falling cost, then calls, then name; at most 1,000, since clients can make up model names.
func (s *Store) Totals(ctx context.Context, from, to time.Time, by By) ([]Total, error) {
	where, args := s.where(Filter{From: from, To: to})
	join := ""
	if by == ByTag {
		join = s.dialect.tagJoin
	}
	query := "SELECT " + groups[by] + ` AS name, COUNT(*) AS calls` +
		sum("CASE WHEN code <> '' THEN 1 ELSE 0 END") + sum("estimated") +
		sum("CASE WHEN cost_nano_usd IS NULL AND input_tokens + output_tokens > 0 THEN 1 ELSE 0 END") + sum("cost_nano_usd") + " AS cost" +
		sum("input_tokens") + sum("cached_tokens") + sum("cache_write_tokens") + sum("output_tokens") + sum("reasoning_tokens") +
		" FROM calls " + join + " WHERE " + where + " GROUP BY 1 ORDER BY cost DESC, calls DESC, name LIMIT ?"
	rows, err := s.read.QueryContext(ctx, s.dialect.rebind(query), append(args, MaxTotals)...)
	if err != nil {
		return nil, s.explain("sum up calls", err)
	}
	defer rows.Close()
	var out []Total
	for rows.Next() {
		var t Total
		if err := rows.Scan(&t.Name, &t.Calls, &t.Failed, &t.Estimated, &t.Unpriced, &t.CostNanoUSD,
			&t.Input, &t.CachedInput, &t.CacheWrite, &t.Output, &t.Reasoning); err != nil {
			return nil, s.explain("sum up calls", err)
		}
		out = append(out, t)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("sum up calls", err)
	}
	return out, nil
}

// sum is a column of Totals. The cast is for PostgreSQL, whose sums are numeric.
func sum(expr string) string { return fmt.Sprintf(", CAST(COALESCE(SUM(%s), 0) AS BIGINT)", expr) }
