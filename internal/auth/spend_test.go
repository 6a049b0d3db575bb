package auth

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

// shelf is Books in memory, beside a Store.
type shelf struct {
	keys
	bookMu sync.Mutex
	byDay  map[int32]map[string]amounts // of keys, and of users as key/user
	err    error
	asked  int
}

func (s *shelf) write(day time.Time, name string, a amounts) {
	s.bookMu.Lock()
	defer s.bookMu.Unlock()
	if s.byDay == nil {
		s.byDay = map[int32]map[string]amounts{}
	}
	d := dayOf(day)
	if s.byDay[d] == nil {
		s.byDay[d] = map[string]amounts{}
	}
	s.byDay[d][name] = s.byDay[d][name].plus(a)
}

func (s *shelf) down(err error) {
	s.bookMu.Lock()
	defer s.bookMu.Unlock()
	s.err = err
}

func (s *shelf) read(from, to int32, match func(name string) (string, bool)) ([]Spent, error) {
	s.bookMu.Lock()
	defer s.bookMu.Unlock()
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	sums := map[string]amounts{}
	for d := from; d <= to; d++ {
		for name, a := range s.byDay[d] {
			if n, ok := match(name); ok {
				sums[n] = sums[n].plus(a)
			}
		}
	}
	var out []Spent
	for name, a := range sums {
		out = append(out, Spent{name, a.requests, a.tokens, a.nano})
	}
	return out, nil
}

func (s *shelf) SpentByKeys(_ context.Context, from, to int32) ([]Spent, error) {
	return s.read(from, to, func(name string) (string, bool) { return name, !strings.Contains(name, "/") })
}

func (s *shelf) SpentByUsers(_ context.Context, key string, users []string, from, to int32) ([]Spent, error) {
	return s.read(from, to, func(name string) (string, bool) {
		k, u, ok := strings.Cut(name, "/")
		return u, ok && k == key && strings.Contains(strings.Join(users, " ")+" ", u+" ")
	})
}

// booked runs f with a directory of one key whose ledger is a shelf. The clock begins at midnight of 2000-01-01, and is moved to the 31st.
func booked(t *testing.T, l Limits, users UserLimits, before func(s *shelf), f func(s *shelf, p *Principal)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30*24*time.Hour + 12*time.Hour)
		s := &shelf{}
		before(s)
		c := config(KeyConfig{Name: "team-a", Key: llm.NewSecret(configKey), Limits: l, Users: users})
		d, err := NewDirectory(t.Context(), c, s, false, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		p, e := d.Authenticate(t.Context(), configKey)
		if e != nil {
			t.Fatal(e)
		}
		f(s, p)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// look reads something of an account that others use.
func look[T any](p *Principal, read func(a *account) T) T {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	return read(p.account)
}

const shortly = 1500 * time.Millisecond // more than between two looks into the ledger

// TestBudgetsSurviveRestarts checks that a start counts what the ledger has of the day and the month, that the day and the month end, and that what
// others spend meanwhile counts once, beside what this process has spent and written.
func TestBudgetsSurviveRestarts(t *testing.T) {
	t.Parallel()
	l := Limits{RequestsPerDay: 10, Budget: Budget{USD: 10e-9, Per: PerMonth}, Budgets: []Budget{{USD: 5e-9, Per: PerDay}}}
	booked(t, l, UserLimits{}, func(s *shelf) {
		s.write(time.Now().AddDate(0, 0, -31), "team-a", amounts{1, 1, 1000}) // of December
		s.write(time.Now().AddDate(0, 0, -5), "team-a", amounts{5, 0, 4})
		s.write(time.Now().AddDate(0, 0, -1), "team-a", amounts{5, 0, 1})
		s.write(time.Now(), "team-a", amounts{7, 0, 3})
		s.write(time.Now(), "team-b", amounts{7, 0, 300})
	}, func(s *shelf, p *Principal) {
		wantRefused(t, p, time.Now(), Order{NanoUSD: 3}, llm.KindKeyBudget, 12*time.Hour, llm.DoNotRetry, "has used $0.000000003 of $0.000000005 per day")
		c := take(t, p, time.Now(), Order{NanoUSD: 1})
		s.write(time.Now(), "team-a", amounts{1, 0, 1}) // another replica
		time.Sleep(shortly)
		wantRefused(t, p, time.Now(), Order{NanoUSD: 1}, llm.KindKeyBudget, time.Second, llm.NoAdvice, "has used $0.000000004 of $0.000000005 per day")
		c.Settle(time.Now(), llm.Usage{}, 1)
		s.write(time.Now(), "team-a", amounts{1, 0, 1}) // the row of the call
		time.Sleep(shortly)
		if d := look(p, func(a *account) amounts { return a.day.cur.used() }); d != (amounts{9, 0, 5}) {
			t.Errorf("used on the day: %+v, want 9 requests and 5", d)
		}
		late := take(t, p, time.Now(), Order{})
		time.Sleep(12 * time.Hour) // the last day of the month ends
		late.Settle(time.Now(), llm.Usage{}, 2)
		old := monthOf(time.Now().AddDate(0, 0, -1))
		if m := look(p, func(a *account) int64 { return a.month.of(old).settled.nano }); m != 3 {
			t.Errorf("%d settled in the old month, want 3", m)
		}
		take(t, p, time.Now(), Order{NanoUSD: 5}).Settle(time.Now(), llm.Usage{}, 5)
		wantRefused(t, p, time.Now(), Order{NanoUSD: 1}, llm.KindKeyBudget, time.Until(nextDay(time.Now())), llm.DoNotRetry, "per day")
		s.write(time.Now(), "team-a", amounts{1, 0, 5})
		s.down(errors.New("down"))
		time.Sleep(24 * time.Hour)
		c = take(t, p, time.Now(), Order{NanoUSD: 5}) // what is known goes on: 5 of 10 in the month
		c.Settle(time.Now(), llm.Usage{}, 5)
		s.write(time.Now(), "team-a", amounts{1, 0, 5})
		time.Sleep(24 * time.Hour)
		wantRefused(t, p, time.Now(), Order{NanoUSD: 1}, llm.KindKeyBudget, time.Until(nextMonth(time.Now())), llm.DoNotRetry, "has used $0.00000001 of $0.00000001 per month")
		s.down(nil)
		time.Sleep(shortly)
		if m := look(p, func(a *account) amounts { return a.month.cur.others }); m != (amounts{}) {
			t.Errorf("%+v count as others', want nothing: all is this process's", m)
		}
	})
}

// TestClockIsSet checks days against a wall clock that is put forward and back again: what was spent is found where it was.
func TestClockIsSet(t *testing.T) {
	t.Parallel()
	p := limited(t, Limits{RequestsPerDay: 2, RPM: 4}, UserLimits{})
	p.account.born = time.Now()
	for range 2 {
		take(t, p, noon, Order{})
	}
	wantRefused(t, p, noon, Order{}, llm.KindKeyRate, 12*time.Hour, llm.DoNotRetry)
	take(t, p, noon.AddDate(0, 0, 1), Order{}) // put forward
	wantRefused(t, p, noon.Add(time.Second), Order{}, llm.KindKeyRate, 12*time.Hour-time.Second, llm.DoNotRetry)
	take(t, p, noon.AddDate(0, 0, 1), Order{})
	wantRefused(t, p, noon.AddDate(0, 0, 1), Order{}, llm.KindKeyRate, 12*time.Hour, llm.DoNotRetry)
}

// TestUsersAreLookedUp checks that an end user's first call after a start counts what the ledger has, once for calls at the same time, and that an
// outage lets users begin with nothing until it is over.
func TestUsersAreLookedUp(t *testing.T) {
	t.Parallel()
	users := UserLimits{Limits: Limits{Budget: Budget{USD: 10e-9, Per: PerDay}}}
	booked(t, Limits{}, users, func(s *shelf) {
		s.write(time.Now(), "team-a/ann", amounts{1, 1, 9})
		s.write(time.Now(), "team-a/bob", amounts{1, 1, 10})
		s.write(time.Now(), "team-b/cid", amounts{1, 1, 10})
	}, func(s *shelf, p *Principal) {
		var wg sync.WaitGroup
		var granted atomic.Int64
		for range 20 {
			wg.Go(func() {
				if _, e := p.Reserve(time.Now(), Order{User: "ann", NanoUSD: 1}); e == nil {
					granted.Add(1)
				}
			})
		}
		wg.Wait()
		if granted.Load() != 1 {
			t.Errorf("%d calls of a user with room for one are let through", granted.Load())
		}
		wantRefused(t, p, time.Now(), Order{User: "bob", NanoUSD: 1}, llm.KindKeyBudget, 12*time.Hour, llm.DoNotRetry, `user "bob"`)
		take(t, p, time.Now(), Order{User: "cid", NanoUSD: 10})
		s.write(time.Now(), "team-a/dan", amounts{1, 1, 10})
		s.down(errors.New("down"))
		take(t, p, time.Now(), Order{User: "dan", NanoUSD: 1})
		take(t, p, time.Now(), Order{User: "eve", NanoUSD: 1})
		time.Sleep(usersTime)
		s.down(nil)
		time.Sleep(usersTime + 2*time.Second)
		wantRefused(t, p, time.Now(), Order{User: "dan", NanoUSD: 1}, llm.KindKeyBudget, time.Until(nextDay(time.Now())), llm.DoNotRetry)
	})
}
