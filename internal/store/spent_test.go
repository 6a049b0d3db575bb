package store

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sluice/internal/auth"
	"sluice/internal/ledger"
	"sluice/internal/llm"
)

// spentCall is a row of a key's call.
func spentCall(id string, at time.Time, key, user string, tokens, nano int64) ledger.Row {
	return ledger.Row{
		ID: id, Time: at, Key: key, User: user, Attempts: 1, Usage: llm.Usage{Input: tokens - tokens/2, Output: tokens / 2},
		CostNanoUSD: nano, Priced: true,
	}
}

func byName(s []auth.Spent, err error) ([]auth.Spent, error) {
	slices.SortFunc(s, func(a, b auth.Spent) int { return cmp.Compare(a.Name, b.Name) })
	return s, err
}

// TestSpent checks the sums of days against rows of several keys, users and days, some of which are written again, alone and within larger groups.
func TestSpent(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		midnight := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
		day := int32(midnight.Unix() / 86400)
		write := func(rows ...ledger.Row) {
			t.Helper()
			if err := s.WriteCalls(t.Context(), rows); err != nil {
				t.Fatal(err)
			}
		}
		var group []ledger.Row
		for i := range 100 {
			group = append(group, spentCall(fmt.Sprint("g", i), midnight.Add(time.Duration(i)*time.Second), "a", fmt.Sprint("u", i%3), 10, 7))
		}
		refused := spentCall("r", midnight, "a", "u0", 0, 0)
		refused.Attempts = 0
		unpriced := spentCall("n", midnight, "a", "", 5, 99)
		unpriced.Priced = false
		write(group[:70]...)
		write(group[:70]...) // the whole group again, as after a failure of unknown outcome
		write(group[60:]...) // and some of it
		write(group[99:]...) // and one row
		write(refused, unpriced, spentCall("open", midnight, "", "u0", 5, 5))
		write(spentCall("before", midnight.Add(-time.Microsecond), "a", "u0", 1, 1), spentCall("b", midnight, "b", "u\x00v", 3, 2))
		want := func(got []auth.Spent, err error, want ...auth.Spent) {
			t.Helper()
			if d := gocmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("error %v, spent (-want +got):\n%s", err, d)
			}
		}
		got, err := byName(s.SpentByKeys(t.Context(), day, day))
		want(got, err, auth.Spent{Name: "a", Requests: 101, Tokens: 1005, NanoUSD: 700}, auth.Spent{Name: "b", Requests: 1, Tokens: 3, NanoUSD: 2})
		got, err = byName(s.SpentByKeys(t.Context(), day-29, day-1))
		want(got, err, auth.Spent{Name: "a", Requests: 1, Tokens: 1, NanoUSD: 1})
		got, err = byName(s.SpentByUsers(t.Context(), "a", []string{"u0", "u2", "nobody"}, day-1, day))
		want(got, err, auth.Spent{Name: "u0", Requests: 35, Tokens: 341, NanoUSD: 239}, auth.Spent{Name: "u2", Requests: 33, Tokens: 330, NanoUSD: 231})
		got, err = s.SpentByUsers(t.Context(), "b", []string{"u\x00v"}, day, day)
		want(got, err, auth.Spent{Name: "u\x00v", Requests: 1, Tokens: 3, NanoUSD: 2})
		got, err = s.SpentByUsers(t.Context(), "a", nil, day, day)
		want(got, err)

		huge := spentCall("h", midnight, "huge", "u", 0, 1<<62)
		huge.Usage = llm.Usage{Input: 1 << 62, Output: 1 << 62}
		write(huge)
		got, err = s.SpentByUsers(t.Context(), "huge", []string{"u"}, day, day)
		want(got, err, auth.Spent{Name: "u", Requests: 1, Tokens: maxTokens, NanoUSD: maxNanoUSD})
	})
}

// TestSpentSideBySide has several processes write calls of the same keys at once, in different order.
func TestSpentSideBySide(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		const writers, groups, each = 4, 10, 30
		at := time.Unix(1_790_000_000, 0)
		var wg sync.WaitGroup
		for w := range writers {
			s := open()
			wg.Go(func() {
				for g := range groups {
					var rows []ledger.Row
					for i := range each {
						k := i
						if w%2 == 1 {
							k = each - i
						}
						rows = append(rows, spentCall(fmt.Sprintf("%d-%d-%d", w, g, i), at, fmt.Sprint("k", k%5), fmt.Sprint("u", k%7), 4, 2))
					}
					for try := 0; ; try++ {
						err := s.WriteCalls(t.Context(), rows)
						if err == nil {
							break
						}
						if try == 20 {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		spent, err := open().SpentByKeys(t.Context(), 0, 1<<30)
		var all auth.Spent
		for _, k := range spent {
			all.Requests, all.Tokens, all.NanoUSD = all.Requests+k.Requests, all.Tokens+k.Tokens, all.NanoUSD+k.NanoUSD
		}
		if n := int64(writers * groups * each); err != nil || all.Requests != n || all.Tokens != 4*n || all.NanoUSD != 2*n {
			t.Errorf("sums %+v, %v, want those of %d calls", all, err, n)
		}
	})
}

// TestKeysKeepTheirLimits checks that a key's limits come back as they were stored.
func TestKeysKeepTheirLimits(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		k, _ := auth.NewKey("a", time.Unix(1_790_000_000, 0))
		k.Limits = auth.Limits{
			RPM: 1, TPM: 2, RequestsPerDay: 3, TokensPerDay: 4, Concurrency: 5, Budget: auth.Budget{USD: 0.1, Per: auth.PerDay},
			Budgets: []auth.Budget{{USD: 7.25, Per: auth.PerMonth, Unpriced: auth.UnpricedAllow}},
		}
		k.Users = auth.UserLimits{Limits: auth.Limits{RPM: 9, Concurrency: 2}, Tracked: 11}
		k.Weight = 3
		if err := s.CreateKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		got, err := s.KeyByHash(t.Context(), k.Hash)
		if d := gocmp.Diff(k, got); err != nil || d != "" {
			t.Errorf("error %v, key (-want +got):\n%s", err, d)
		}
	})
}

// BenchmarkSpent reads a month of a million calls, of 100 keys and 10,000 end users. SLUICE_BENCH_CALLS sets another number of calls.
func BenchmarkSpent(b *testing.B) {
	calls := 20_000
	if v := os.Getenv("SLUICE_BENCH_CALLS"); v != "" {
		if _, err := fmt.Sscan(v, &calls); err != nil {
			b.Fatal(err)
		}
	}
	s, err := Open(b.Context(), "", b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var rows []ledger.Row
	for i := range calls {
		at := first.Add(time.Duration(i) * 30 * 24 * time.Hour / time.Duration(calls))
		rows = append(rows, spentCall(fmt.Sprintf("req_%022d", i), at, fmt.Sprint("key-", i%100), fmt.Sprint("user-", i*7919%10_000), 300, 1000))
		if len(rows) == 512 || i == calls-1 {
			if err := s.WriteCalls(b.Context(), rows); err != nil {
				b.Fatal(err)
			}
			rows = rows[:0]
		}
	}
	day := int32(first.Unix() / 86400)
	users := make([]string, 200)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	b.Run("month-of-keys", func(b *testing.B) {
		for b.Loop() {
			if got, err := s.SpentByKeys(b.Context(), day, day+29); err != nil || len(got) != min(100, calls) {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("day-of-keys", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.SpentByKeys(b.Context(), day+10, day+10); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("month-of-200-users", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.SpentByUsers(b.Context(), "key-7", users, day, day+29); err != nil {
				b.Fatal(err)
			}
		}
	})
}
