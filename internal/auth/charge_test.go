package auth

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/internal/llm"
)

// noon is when tests without a clock of their own begin.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// limited returns a principal with limits, whose directory was made at noon.
func limited(t testing.TB, l Limits, users UserLimits) *Principal {
	t.Helper()
	d := directory(t, config(KeyConfig{Name: "team-a", Key: llm.NewSecret(configKey), Limits: l, Users: users}), nil, false)
	p, e := d.Authenticate(t.Context(), configKey)
	if e != nil {
		t.Fatal(e)
	}
	p.account.born = noon
	return p
}

// take reserves, or ends the test.
func take(t testing.TB, p *Principal, now time.Time, o Order) Charge {
	t.Helper()
	c, e := p.Reserve(now, o)
	if e != nil {
		t.Fatal(e)
	}
	return c
}

// wantRefused checks the kind of a refusal, its wait, what SDKs are told, and its text.
func wantRefused(t testing.TB, p *Principal, now time.Time, o Order, kind llm.Kind, wait time.Duration, advice llm.Advice, says ...string) {
	t.Helper()
	_, e := p.Reserve(now, o)
	if e == nil {
		t.Fatalf("%+v is allowed", o)
	}
	if e.Kind != kind || e.RetryAfter != wait || e.Advice != advice {
		t.Errorf("%v after %v with advice %d, want %v after %v with %d: %s", e.Kind, e.RetryAfter, e.Advice, kind, wait, advice, e.Message)
	}
	for _, s := range says {
		if !strings.Contains(e.Message, s) {
			t.Errorf("message does not say %q: %s", s, e.Message)
		}
	}
}

func tokens(n int64) Order { return Order{Need: llm.Need{Input: n}} }

func used(n int64) llm.Usage { return llm.Usage{Input: n} }

func TestRefusals(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) time.Time { return noon.Add(d) }

	p := limited(t, Limits{RPM: 2}, UserLimits{})
	take(t, p, at(0), Order{})
	take(t, p, at(30*time.Second), Order{})
	wantRefused(t, p, at(40*time.Second+time.Millisecond), Order{}, llm.KindKeyRate, 19999*time.Millisecond, llm.NoAdvice,
		`key "team-a" has made 2 requests in the last minute and may make 2 (`+"`rpm` of the key in the configuration); the next one fits in 20s")
	wantRefused(t, p, at(59*time.Second), Order{}, llm.KindKeyRate, time.Second, llm.NoAdvice)
	take(t, p, at(60*time.Second), Order{})

	p = limited(t, Limits{TPM: 1000}, UserLimits{})
	c := take(t, p, at(0), tokens(900))
	wantRefused(t, p, at(time.Second), tokens(200), llm.KindKeyRate, 59*time.Second, llm.NoAdvice, "has used 900 tokens in the last minute and may use 1000 tokens per minute", "may need 200 tokens, fits in 59s")
	wantRefused(t, p, at(time.Second), tokens(1001), llm.KindKeyRate, 0, llm.DoNotRetry, "it never fits", "max_tokens")
	c.Settle(at(2*time.Second), used(100), 0)
	take(t, p, at(2*time.Second), tokens(900)).Settle(at(90*time.Second), used(950), 0) // 50 beyond what is forgotten count now
	wantRefused(t, p, at(91*time.Second), tokens(951), llm.KindKeyRate, 59*time.Second, llm.NoAdvice)

	p = limited(t, Limits{RequestsPerDay: 1, TokensPerDay: 100}, UserLimits{})
	take(t, p, at(0), tokens(60))
	wantRefused(t, p, at(0), tokens(10), llm.KindKeyRate, 12*time.Hour, llm.DoNotRetry, "may make 1 per day (`requests_per_day`", "2026-11-22 00:00 UTC")
	p = limited(t, Limits{TokensPerDay: 100}, UserLimits{})
	c = take(t, p, at(0), tokens(60))
	wantRefused(t, p, at(0), tokens(50), llm.KindKeyRate, time.Second, llm.NoAdvice, "calls under way may need all that is left: 60 tokens", "100 tokens per day")
	c.Settle(at(time.Second), used(60), 0)
	wantRefused(t, p, at(time.Second), tokens(50), llm.KindKeyRate, 12*time.Hour-time.Second, llm.DoNotRetry, "begins anew at 2026-11-22 00:00 UTC")

	p = limited(t, Limits{Budget: Budget{USD: 1}, Budgets: []Budget{{USD: 0.4, Per: PerDay}}}, UserLimits{})
	wantRefused(t, p, at(0), Order{NanoUSD: 4e8 + 1}, llm.KindKeyBudget, 0, llm.DoNotRetry, "may use $0.4 per day", "may need $0.400000001: it never fits")
	for day := range 2 {
		take(t, p, at(time.Duration(day)*24*time.Hour), Order{NanoUSD: 4e8}).Settle(at(time.Duration(day)*24*time.Hour), llm.Usage{}, 4e8)
	}
	wantRefused(t, p, at(24*time.Hour), Order{NanoUSD: 1e8}, llm.KindKeyBudget, 12*time.Hour, llm.DoNotRetry, "has used $0.4 of $0.4 per day")
	wantRefused(t, p, at(48*time.Hour), Order{NanoUSD: 3e8}, llm.KindKeyBudget, 7*24*time.Hour+12*time.Hour, llm.DoNotRetry, "has used $0.8 of $1 per month", "2026-12-01 00:00 UTC")
	take(t, p, at(48*time.Hour), Order{NanoUSD: 2e8})
	wantRefused(t, p, at(48*time.Hour), Order{NanoUSD: 1e8}, llm.KindKeyBudget, time.Second, llm.NoAdvice, "calls under way may need all that is left")
	wantRefused(t, p, at(48*time.Hour), Order{Unpriced: true}, llm.KindModelForbidden, 0, llm.NoAdvice, "price of this model is not known", "unpriced: allow")

	p = limited(t, Limits{Budget: Budget{USD: 1, Unpriced: UnpricedAllow}}, UserLimits{})
	take(t, p, at(0), Order{Unpriced: true})
}

// TestUsersHaveTheirOwn checks the limits of end users beside those of their key.
func TestUsersHaveTheirOwn(t *testing.T) {
	t.Parallel()
	p := limited(t, Limits{RPM: 5}, UserLimits{Limits: Limits{RPM: 2, Concurrency: 1, TokensPerDay: 100}, Tracked: 3})
	c := take(t, p, noon, Order{User: "ann", Need: llm.Need{Input: 70}})
	wantRefused(t, p, noon, Order{User: "ann"}, llm.KindKeyConcurrency, time.Second, llm.NoAdvice, `user "ann" of key "team-a" has 1 calls under way`, "`users.concurrency`")
	take(t, p, noon, Order{User: "bob"}).Settle(noon, llm.Usage{}, 0)
	c.Settle(noon, used(70), 0)
	wantRefused(t, p, noon, Order{User: "ann", Need: llm.Need{Input: 40}}, llm.KindKeyRate, 12*time.Hour, llm.DoNotRetry, `user "ann"`, "`users.tokens_per_day`")
	take(t, p, noon, Order{}) // nobody is named: the key's limits only
	take(t, p, noon, Order{User: "bob"})
	take(t, p, noon, Order{User: "cid"})
	wantRefused(t, p, noon, Order{User: "dan"}, llm.KindKeyRate, 60*time.Second, llm.NoAdvice, `key "team-a" has made 5 requests`)
	if n := len(p.account.users.byName); n != 3 {
		t.Errorf("%d users are kept, want 3: ann, who was the first to end, made room", n)
	}
	later := noon.Add(2 * time.Minute)
	take(t, p, later, Order{User: "dan2"})
	wantRefused(t, p, later, Order{User: "eve"}, llm.KindKeyConcurrency, time.Second, llm.NoAdvice, "3 end users under way", "`users.tracked`")
}

func TestSettledTwicePanics(t *testing.T) {
	t.Parallel()
	f := func(l Limits, other bool) {
		t.Helper()
		p := limited(t, l, UserLimits{})
		c := take(t, p, noon, Order{})
		c.Settle(noon, llm.Usage{}, 0)
		if other {
			take(t, p, noon, Order{}) // it has the place of the first one
		}
		defer func() {
			if r := fmt.Sprint(recover()); !strings.HasPrefix(r, "BUG:") {
				t.Errorf("panic = %v, want a BUG", r)
			}
		}()
		c.Settle(noon, llm.Usage{}, 0)
	}
	f(Limits{}, false)
	f(Limits{RPM: 10}, false)
	f(Limits{RPM: 10}, true)
}

// TestHeadersOfLimits checks what answers tell: the tighter of the limits of minute and day, of key and user.
func TestHeadersOfLimits(t *testing.T) {
	t.Parallel()
	want := func(got llm.RateLimits, change func(*llm.RateLimits)) {
		t.Helper()
		w := llm.NoRateLimits()
		change(&w)
		if d := cmp.Diff(w, got); d != "" {
			t.Errorf("limits (-want +got):\n%s", d)
		}
	}
	p := limited(t, Limits{RPM: 10, TPM: 1000, RequestsPerDay: 11}, UserLimits{Limits: Limits{TPM: 500}})
	c := take(t, p, noon, Order{User: "u", Need: llm.Need{Input: 300}})
	want(c.Limits(noon), func(w *llm.RateLimits) {
		w.Requests, w.RequestsLeft, w.RequestsReset = 10, 9, 60*time.Second
		w.Tokens, w.TokensLeft, w.TokensReset = 500, 200, 60*time.Second
	})
	c.Settle(noon, used(100), 0)
	for range 10 {
		c = take(t, p, noon.Add(61*time.Second), Order{})
		c.Settle(noon.Add(61*time.Second), llm.Usage{}, 0)
		if len(p.account.leases) > 1 {
			t.Fatal("places are not used again")
		}
		if p.account.minute.sum.requests == 10 {
			break
		}
	}
	want(p.Limits(noon.Add(61*time.Second), "u"), func(w *llm.RateLimits) {
		w.Requests, w.RequestsLeft, w.RequestsReset = 10, 0, 60*time.Second
		w.Tokens, w.TokensLeft = 500, 500
	})
	want(p.Limits(noon.Add(3*time.Minute), "nobody"), func(w *llm.RateLimits) {
		w.Requests, w.RequestsLeft, w.RequestsReset = 11, 0, 12*time.Hour-3*time.Minute
		w.Tokens, w.TokensLeft = 1000, 1000
	})
	want(limited(t, Limits{Concurrency: 1}, UserLimits{}).Limits(noon, ""), func(*llm.RateLimits) {})
}

// TestBudgetUnderConcurrency has 500 calls at once at a budget of a dollar, again and again, until it is used up: what is spent is never above it,
// as long as no call costs more than its estimate, and comes as near as one estimate.
func TestBudgetUnderConcurrency(t *testing.T) {
	t.Parallel()
	const estimate = 3_000_000 // $0.003
	p := limited(t, Limits{Budget: Budget{USD: 1}}, UserLimits{})
	var spent, most, refused, busy atomic.Int64
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			for round := 0; ; round++ {
				c, e := p.Reserve(noon, Order{NanoUSD: estimate})
				if e != nil {
					if e.Kind != llm.KindKeyBudget {
						t.Errorf("refused with %v", e)
					}
					if e.Advice == llm.DoNotRetry {
						refused.Add(1)
						return
					}
					busy.Add(1)
					continue // calls under way hold what is left
				}
				cost := estimate - int64((i*7919+round*104729)%2_000_000)
				if n := spent.Add(cost); n > most.Load() {
					most.Store(n)
				}
				c.Settle(noon, llm.Usage{}, cost)
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n > 1e9 || n < 1e9-estimate {
		t.Errorf("spent %d, want at most 1e9, and less by at most an estimate", n)
	}
	if refused.Load() != 500 {
		t.Errorf("%d callers were told that the budget is used up, want all", refused.Load())
	}
	if m := &p.account.month.cur; m.reserved != (amounts{}) || m.settled.nano != spent.Load() || p.account.underWay() != 0 {
		t.Errorf("after all: %+v, %d under way", m, p.account.underWay())
	}
}

// TestNothingExceedsLimits draws sequences of calls that begin, end, use less than they reserved, and name users or none, while the time goes on, and
// checks each limit against a plain record of everything.
func TestNothingExceedsLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := Limits{
			RPM: rapid.IntRange(0, 6).Draw(rt, "rpm"), TPM: rapid.Int64Range(0, 300).Draw(rt, "tpm"),
			RequestsPerDay: rapid.IntRange(0, 20).Draw(rt, "rpd"), TokensPerDay: rapid.Int64Range(0, 2000).Draw(rt, "tpd"),
			Concurrency: rapid.IntRange(0, 4).Draw(rt, "concurrency"), Budget: Budget{USD: rapid.Float64Range(0, 2e-6).Draw(rt, "usd"), Per: PerDay},
		}
		users := UserLimits{Limits: Limits{RPM: rapid.IntRange(0, 3).Draw(rt, "user rpm"), TPM: rapid.Int64Range(0, 150).Draw(rt, "user tpm")}}
		p := limited(t, l, users)
		type call struct {
			c        Charge
			at       time.Time
			user     string
			most     need
			counted  need // what it counts as
			finished bool
		}
		var calls []*call
		now := noon.Add(11*time.Hour + 58*time.Minute)
		sum := func(user string, since time.Time) (n need, requests int64) {
			for _, c := range calls {
				if (user == "" || c.user == user) && c.at.After(since) {
					n.tokens, n.nano, requests = n.tokens+c.counted.tokens, n.nano+c.counted.nano, requests+1
				}
			}
			return n, requests
		}
		running := func() (n int64) {
			for _, c := range calls {
				if !c.finished {
					n++
				}
			}
			return n
		}
		within := func(what string, n, limit int64) {
			if limit > 0 && n > limit {
				rt.Fatalf("%s: %d, limit %d", what, n, limit)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"wait": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(0, 40_000).Draw(rt, "ms")) * time.Millisecond)
			},
			"begin": func(rt *rapid.T) {
				c := &call{at: now, user: rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "user")}
				c.most = need{rapid.Int64Range(0, 200).Draw(rt, "tokens"), rapid.Int64Range(0, 1500).Draw(rt, "nano")}
				c.counted = c.most
				var e *llm.Error
				if c.c, e = p.Reserve(now, Order{User: c.user, Need: llm.Need{Input: c.most.tokens}, NanoUSD: c.most.nano}); e == nil {
					calls = append(calls, c)
				}
			},
			"end": func(rt *rapid.T) {
				for _, c := range calls {
					if !c.finished && rapid.Bool().Draw(rt, "this one") {
						c.counted = need{rapid.Int64Range(0, c.most.tokens).Draw(rt, "used"), rapid.Int64Range(0, c.most.nano).Draw(rt, "cost")}
						c.finished = true
						c.c.Settle(now, llm.Usage{Output: c.counted.tokens}, c.counted.nano)
						return
					}
				}
			},
			"": func(rt *rapid.T) {
				minute, requests := sum("", now.Add(tick-time.Minute))
				within("rpm", requests, int64(l.RPM))
				within("tpm", minute.tokens, l.TPM)
				midnight := nextDay(now).Add(-24*time.Hour - 1)
				day, requests := sum("", midnight)
				within("requests of the day", requests, int64(l.RequestsPerDay))
				within("tokens of the day", day.tokens, l.TokensPerDay)
				within("money of the day", day.nano, l.Budget.nano())
				within("calls at once", running(), int64(l.Concurrency))
				for _, u := range []string{"a", "b"} {
					minute, requests := sum(u, now.Add(tick-time.Minute))
					within("rpm of "+u, requests, int64(users.RPM))
					within("tpm of "+u, minute.tokens, users.TPM)
				}
			},
		})
		for _, c := range calls {
			if !c.finished {
				c.c.Settle(now, llm.Usage{}, 0)
			}
		}
		if a := p.account; a.underWay() != 0 || a.day.cur.reserved != (amounts{}) || a.day.prev.reserved != (amounts{}) || a.month.cur.reserved != (amounts{}) {
			rt.Fatalf("after all calls: %d under way, %+v, %+v", a.underWay(), a.day, a.month)
		}
	})
}

// TestGaugesReturnToZero has many goroutines reserve and settle at once, for the race detector.
func TestGaugesReturnToZero(t *testing.T) {
	t.Parallel()
	p := limited(t, Limits{Concurrency: 6, RPM: 1 << 30, TPM: 1 << 40, Budget: Budget{USD: 1e6}},
		UserLimits{Limits: Limits{Concurrency: 2, TPM: 1 << 40}, Tracked: 4})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				c, e := p.Reserve(time.Now(), Order{User: string(rune('a' + (i*n)%7)), Need: llm.Need{Input: 10}, NanoUSD: 5})
				if e != nil {
					continue
				}
				_ = c.Limits(time.Now())
				c.Settle(time.Now(), used(int64(n%20)), int64(n%10))
			}
		})
	}
	wg.Wait()
	a := p.account
	if a.underWay() != 0 || a.day.cur.reserved != (amounts{}) || len(a.free) != len(a.leases) || len(a.users.byName) > 4 {
		t.Errorf("%d under way, %+v reserved, %d of %d places free, %d users", a.underWay(), a.day.cur.reserved, len(a.free), len(a.leases), len(a.users.byName))
	}
}

func BenchmarkReserveSettle(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			p := limited(b, Limits{RPM: 1 << 30, TPM: 1 << 40, TokensPerDay: 1 << 40, Concurrency: 1000, Budget: Budget{USD: 1e9}},
				UserLimits{Limits: Limits{TPM: 1 << 40}, Tracked: n})
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprint("user-", i)
				take(b, p, noon, Order{User: names[i]}).Settle(noon, llm.Usage{}, 0)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c, e := p.Reserve(noon, Order{User: names[i%n], Need: llm.Need{Input: 100, Output: 50}, NanoUSD: 1000})
				if e != nil {
					b.Fatal(e)
				}
				c.Settle(noon, llm.Usage{Input: 100, Output: 20}, 700)
			}
		})
	}
	b.Run("keys=10000/parallel", func(b *testing.B) {
		var c Config
		for i := range 10_000 {
			c.Keys = append(c.Keys, KeyConfig{Name: fmt.Sprint("k", i), Key: llm.NewSecret(fmt.Sprintf("key-0123456789-%d", i)), Limits: Limits{RPM: 1 << 30, TPM: 1 << 40}})
		}
		d := directory(b, c, nil, false)
		var ps []*Principal
		for _, k := range c.Keys {
			p, e := d.Authenticate(b.Context(), k.Key.Reveal())
			if e != nil {
				b.Fatal(e)
			}
			ps = append(ps, p)
		}
		var at atomic.Int64
		now := time.Now()
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			i := int(at.Add(4999))
			for pb.Next() {
				i++
				c, e := ps[i%len(ps)].Reserve(now, Order{Need: llm.Need{Input: 100, Output: 50}})
				if e != nil {
					b.Fatal(e)
				}
				c.Settle(now, llm.Usage{Input: 100}, 0)
			}
		})
	})
}
