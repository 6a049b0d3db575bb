package store

import (
	"context"
	"strings"

	"sluice/internal/auth"
	"sluice/internal/ledger"
)

var _ auth.Books = (*Store)(nil)

const microsOfDay = 24 * 60 * 60 * 1_000_000

// What one call adds to the sums at most, and what those grow to: a provider may state any number, and none may stop the ledger.
const (
	maxTokens  = 1_000_000_000_000
	maxNanoUSD = 10_000_000_000_000

	mostTokens  = "1000000000000"
	mostNanoUSD = "10000000000000"
	mostInAll   = "200000000000000000" // 45 days of it can be summed up
)

// addDays is the part of a statement that adds what comes to what is there; least is the database's function for the smaller of two numbers.
func addDays(table, least string) string {
	var parts []string
	for _, c := range []string{"requests", "tokens", "nano_usd"} {
		parts = append(parts, c+" = "+least+"("+table+"."+c+" + excluded."+c+", "+mostInAll+")")
	}
	return strings.Join(parts, ", ")
}

// dayKey is whose sums of a day: those of a key if user is empty.
type dayKey struct {
	day       int64
	key, user string
}

// daySum is what calls of a day sum up to.
type daySum struct{ requests, tokens, nanoUSD int64 }

// daySums are the sums of a group of rows. The zero daySums is empty.
type daySums struct{ byKey map[dayKey]daySum }

// add adds rows that are new.
func (s *daySums) add(rows []ledger.Row) {
	for i := range rows {
		r := &rows[i]
		if r.Key == "" {
			continue
		}
		one := daySum{tokens: min(min(r.Usage.Input, maxTokens)+min(r.Usage.Output, maxTokens), maxTokens)}
		if r.Attempts > 0 {
			one.requests = 1
		}
		if r.Priced {
			one.nanoUSD = min(r.CostNanoUSD, maxNanoUSD)
		}
		day := r.Time.UnixMicro() / microsOfDay
		s.plus(dayKey{day: day, key: clean(r.Key, maxText)}, one)
		if r.User != "" {
			s.plus(dayKey{day: day, key: clean(r.Key, maxText), user: clean(r.User, maxText)}, one)
		}
	}
}

func (s *daySums) plus(k dayKey, one daySum) {
	if s.byKey == nil {
		s.byKey = make(map[dayKey]daySum)
	}
	sum := s.byKey[k]
	s.byKey[k] = daySum{sum.requests + one.requests, sum.tokens + one.tokens, sum.nanoUSD + one.nanoUSD}
}

// SpentByKeys returns what the calls of some days sum up to, by key; see auth.Books. It reads the sums of days, not the calls.
func (s *Store) SpentByKeys(ctx context.Context, from, to int32) ([]auth.Spent, error) {
	return s.spent(ctx, "SELECT key_name"+sum("requests")+sum("tokens")+sum("nano_usd")+
		" FROM key_days WHERE day >= ? AND day <= ? GROUP BY key_name", int64(from), int64(to))
}

// SpentByUsers returns what the calls of some end users of a key sum up to; see auth.Books. Users without calls are left out.
func (s *Store) SpentByUsers(ctx context.Context, key string, users []string, from, to int32) ([]auth.Spent, error) {
	if len(users) == 0 {
		return nil, nil
	}
	args := []any{clean(key, maxText)}
	names := make(map[string]string, len(users)) // as they are stored, and as they were asked for
	for _, u := range users {
		stored := clean(u, maxText)
		names[stored] = u
		args = append(args, stored)
	}
	spent, err := s.spent(ctx, "SELECT user_name"+sum("requests")+sum("tokens")+sum("nano_usd")+" FROM user_days WHERE key_name = ? AND user_name IN (?"+
		strings.Repeat(",?", len(users)-1)+") AND day >= ? AND day <= ? GROUP BY user_name", append(args, int64(from), int64(to))...)
	for i := range spent {
		spent[i].Name = names[spent[i].Name]
	}
	return spent, err
}

// spent reads rows of sums.
func (s *Store) spent(ctx context.Context, query string, args ...any) ([]auth.Spent, error) {
	rows, err := s.read.QueryContext(ctx, s.dialect.rebind(query), args...)
	if err != nil {
		return nil, s.explain("read what was spent", err)
	}
	defer rows.Close()
	var out []auth.Spent
	for rows.Next() {
		var v auth.Spent
		if err := rows.Scan(&v.Name, &v.Requests, &v.Tokens, &v.NanoUSD); err != nil {
			return nil, s.explain("read what was spent", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read what was spent", err)
	}
	return out, nil
}
