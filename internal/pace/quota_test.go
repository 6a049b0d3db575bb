package pace

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

func perMinute(d limit.Dim, n int64) limit.Limit {
	return limit.Limit{Dim: d, Amount: n, Per: time.Minute}
}

// of makes a quota of some models.
func of(t limit.Terms, models ...string) QuotaLimits { return QuotaLimits{Models: models, Terms: t} }

func declare(name string, q ...QuotaLimits) Limits {
	return Limits{[]ProviderLimits{{Name: name, Quotas: q}}}
}

// mustTake starts a call that needs so many tokens, and fails the test if it does not start.
func mustTake(t *testing.T, f *Fleet, tg *llm.Target, n int64) Lease {
	t.Helper()
	l, r, until := f.TryStart(tg, limit.Try{Need: llm.Need{Input: n}})
	if r != Started {
		t.Fatalf("%s with %d tokens: %v for %v", tg.Name, n, r, time.Until(until))
	}
	return l
}

// short fails the test unless a call is refused for want of budget, for a time.
func short(t *testing.T, f *Fleet, tg *llm.Target, n int64, want time.Duration) {
	t.Helper()
	_, r, until := f.TryStart(tg, limit.Try{Need: llm.Need{Input: n}})
	if r != Short || time.Until(until) != want {
		t.Fatalf("%s with %d tokens: %v for %v, want %v for %v", tg.Name, n, r, time.Until(until), Short, want)
	}
}

func TestCallsTakeOfAllQuotasOrOfNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		window := limit.Shape{Mode: limit.Bucket, Slack: 1}
		f := New(declare("p",
			of(limit.Terms{Limits: []limit.Limit{perMinute(limit.Tokens, 600)}, Charge: limit.ChargeActual, Shape: window}, "a*"),
			of(limit.Terms{Limits: []limit.Limit{perMinute(limit.Requests, 2)}, Shape: window}, "ab"),
		), Breaker{})
		aa, ab := at("p", "aa"), at("p", "ab")
		one, two := mustTake(t, f, ab, 100), mustTake(t, f, ab, 100)
		short(t, f, ab, 100, 30*time.Second) // its requests, which come back one in 30 s
		three := mustTake(t, f, aa, 400)     // nothing of the shared quota was kept by the refused call
		if _, r, until := f.TryStart(aa, limit.Try{Need: llm.Need{Input: 1}}); r != Short || !until.IsZero() {
			t.Errorf("all is reserved by calls under way: %v until %v, want short until nobody knows when", r, until)
		}
		three.Done(Outcome{Used: true, Usage: llm.Usage{Input: 100, Output: 50}})
		four := mustTake(t, f, aa, 250) // less was used than reserved
		one.Done(Outcome{Kind: llm.KindUnreachable})
		five := mustTake(t, f, aa, 100) // nothing was used
		for _, l := range []Lease{two, four, five} {
			l.Done(Outcome{})
		}
		short(t, f, aa, 1, 100*time.Millisecond) // what is not known stays as it was estimated: 150 + 100 + 250 + 100
	})
}

func TestRefusalOfAMinuteIsTheQuotasBusiness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(declare("p", of(limit.Terms{Limits: []limit.Limit{perMinute(limit.Requests, 600)}, Shape: limit.Shape{Mode: limit.Sliding, Slack: 1}}, "m")), Breaker{})
		m, other := at("p", "m"), at("p", "other")
		const pause = 2100 * time.Millisecond // of three seconds that may have been rounded up
		limited := Outcome{Kind: llm.KindRateLimited, Window: llm.PerMinute, RetryAfter: 3 * time.Second}
		for range 30 { // no number of them opens the breaker
			mustTake(t, f, m, 1).Done(limited)
			short(t, f, m, 1, pause)
			time.Sleep(3 * time.Second)
		}
		if got := f.Snapshot().Targets[0]; got.Health != Healthy {
			t.Errorf("target is %v", got.Health)
		}
		mustTake(t, f, m, 1).Done(limited)
		if got := f.Snapshot().Quotas[1].Set.Blocked; !got.Equal(time.Now().Add(pause)) {
			t.Errorf("blocked until %v", got)
		}
		mustTake(t, f, other, 1).Done(limited) // nothing is known of its quotas: the target rests, as before
		if _, r, until := f.TryStart(other, limit.Try{}); r != Limited || time.Until(until) != 3*time.Second {
			t.Errorf("a target without quotas: %v for %v, want %v for 3s", r, time.Until(until), Limited)
		}
		time.Sleep(3 * time.Second)
		mustTake(t, f, m, 1).Done(Outcome{Kind: llm.KindRateLimited, Window: llm.PerDay, RetryAfter: 2 * time.Hour})
		if _, r, until := f.TryStart(m, limit.Try{}); r != Limited || time.Until(until) != 2*time.Hour {
			t.Errorf("a day's quota: %v for %v, want %v for 2h", r, time.Until(until), Limited)
		}
	})
}

func TestReloadKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terms := func(n int64) limit.Terms {
			return limit.Terms{Limits: []limit.Limit{perMinute(limit.Tokens, n)}, Shape: limit.Shape{Mode: limit.Bucket, Slack: 1}}
		}
		f := New(declare("p", of(terms(600), "m")), Breaker{})
		m := at("p", "m")
		l := mustTake(t, f, m, 600)
		freed := 0
		f.OnFreed(func(*llm.Target) { freed++ })
		f.Update(declare("p", of(terms(600), "m")))
		short(t, f, m, 60, 6*time.Second)
		f.Update(declare("p", of(terms(1200), "m")))
		if freed != 2 {
			t.Errorf("told %d times that calls may start, want once for each reload", freed)
		}
		mustTake(t, f, m, 600).Done(Outcome{})
		l.Done(Outcome{})
		short(t, f, m, 60, 3*time.Second)
		var names []string
		for _, s := range f.Sets() {
			names = append(names, s.Name())
		}
		if diff := cmp.Diff([]string{"p/m"}, names); diff != "" {
			t.Errorf("sets (-want +got):\n%s", diff)
		}
		if got := f.Members(); len(got) != 1 || got[0].Name() != "p/m" {
			t.Errorf("members: %v", got)
		}
		told := freed
		f.Members()[0].Follow(limit.Grant{From: time.Now(), To: time.Now().Add(time.Second)})
		if freed != told+1 {
			t.Errorf("a grant is not passed on")
		}
	})
}

// TestNothingLeaks lets a million calls start and end in all ways, at random, against quotas of all kinds.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	calls := 1_000_000
	if raceEnabled {
		calls /= 10 // the detector takes its time
	}
	synctest.Test(t, func(t *testing.T) {
		var quotas []QuotaLimits
		var all []*llm.Target
		for i, sh := range []limit.Shape{
			{Mode: limit.Slices, Anchor: time.Now()}, {Mode: limit.Slices}, {Mode: limit.Bucket}, {Mode: limit.Fixed, Anchor: time.Now()}, {Mode: limit.Sliding},
		} {
			for _, c := range []limit.Charge{limit.ChargeAuto, limit.ChargeMax, limit.ChargeCorrected, limit.ChargeActual} {
				name := fmt.Sprintf("m%d%d", i, c)
				quotas = append(quotas, of(limit.Terms{
					Limits: []limit.Limit{
						perMinute(limit.Requests, 60_000), perMinute(limit.Tokens, 9_000_000), {Dim: limit.Tokens, Amount: 1 << 40, Per: 24 * time.Hour},
					},
					Concurrency: 100, Charge: c, Shape: sh,
				}, name))
				all = append(all, at("p", name))
			}
		}
		quotas = append(quotas, of(limit.Terms{Limits: []limit.Limit{perMinute(limit.Output, 20_000_000)}, Shape: limit.Shape{Mode: limit.Bucket}}, "m*"))
		f := New(declare("p", quotas...), Breaker{})
		all = append(all, at("p", "undeclared"))
		random := rand.New(rand.NewPCG(7, 7))
		var running []Lease
		end := func() {
			i := random.IntN(len(running))
			running[i].Done(randomEnd(random))
			running[i] = running[len(running)-1]
			running = running[:len(running)-1]
		}
		for started := 0; started < calls; {
			n := llm.Need{Input: random.Int64N(200), Output: random.Int64N(100), MaxOutput: random.Int64N(400)}
			l, r, _ := f.TryStart(all[random.IntN(len(all))], limit.Try{Need: n, Class: llm.Class(random.IntN(3)), Last: true})
			if r == Started {
				started++
				running = append(running, l)
			}
			for len(running) > 0 && (len(running) > 300 || random.IntN(2) == 0) {
				end()
			}
			if random.IntN(20) == 0 {
				time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
			}
		}
		for len(running) > 0 {
			end()
		}
		time.Sleep(24 * time.Hour)
		wantEmpty(t, f)
	})
}

// wantEmpty fails the test if anything is in use.
func wantEmpty(t *testing.T, f *Fleet) {
	t.Helper()
	s := f.Snapshot()
	for _, q := range s.Quotas {
		if q.InUse != 0 {
			t.Errorf("quota %s has %d calls under way", q.Quota, q.InUse)
		}
		for _, b := range q.Set.Budgets {
			if b.Used != 0 {
				t.Errorf("quota %s: %d of %d per %v are used after all is over", q.Quota, b.Used, b.Amount, b.Per)
			}
		}
	}
	for _, tg := range s.Targets {
		if tg.InUse != 0 {
			t.Errorf("target %s has %d calls under way", tg.Target, tg.InUse)
		}
	}
	if len(s.Quotas) < 20 || !strings.HasPrefix(s.Quotas[1].Set.Name, "p/m") {
		t.Errorf("only %d quotas in the snapshot", len(s.Quotas))
	}
}

// randomEnd is one of the ways in which a call can end.
func randomEnd(random *rand.Rand) Outcome {
	switch random.IntN(12) {
	case 0:
		return Outcome{Kind: llm.KindUnreachable}
	case 1:
		return Outcome{Kind: llm.KindCanceled}
	case 2:
		return Outcome{Kind: llm.KindCanceled, Used: true, Usage: llm.Usage{Input: 5, Output: 1, Estimated: true}}
	case 3:
		return Outcome{Kind: llm.KindServerError}
	case 4:
		return Outcome{Kind: llm.KindRateLimited, Window: llm.PerMinute, RetryAfter: time.Duration(random.IntN(20)) * time.Millisecond}
	case 5:
		return Outcome{Kind: llm.KindRateLimited, Window: llm.PerMinute}
	default:
		return Outcome{Used: true, Usage: llm.Usage{Input: random.Int64N(300), CachedInput: random.Int64N(9), Output: random.Int64N(500)}}
	}
}

func TestStartWithQuotasAllocatesNothing(t *testing.T) {
	if raceEnabled {
		return // sync.Pool drops at random under the race detector
	}
	terms := limit.Terms{Limits: []limit.Limit{perMinute(limit.Requests, 1<<40), perMinute(limit.Tokens, 1<<40)}}
	f := New(declare("p", of(terms, "m"), of(terms, "m*")), Breaker{})
	tg := at("p", "m")
	try := limit.Try{Need: llm.Need{Input: 1000, Output: 100}, Claims: &limit.Claims{}}
	run := func() {
		l, r, _ := f.TryStart(tg, try)
		if r == Started {
			l.Done(Outcome{Used: true, Usage: llm.Usage{Input: 1000, Output: 80}})
		}
		try.Claims.Reset()
	}
	run()
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("TryStart and Done allocate %v times, want 0", n)
	}
}

// TestCountingTakesNothing: a call that counts tokens neither takes of a quota nor is refused by one, and a 429 of it stops no other call.
func TestCountingTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terms := limit.Terms{
			Limits: []limit.Limit{{Dim: limit.Requests, Amount: 1, Per: time.Minute}, {Dim: limit.Tokens, Amount: 1000, Per: time.Minute}},
			Shape:  limit.Shape{Mode: limit.Sliding, Window: time.Minute},
		}
		f := New(Limits{[]ProviderLimits{{Name: "p", Quotas: []QuotaLimits{{Terms: terms}}}}}, Breaker{})
		count := limit.Try{Need: llm.Need{Input: 900, Op: llm.OpCountTokens}}
		for _, o := range []Outcome{{}, {Kind: llm.KindRateLimited, RetryAfter: 30 * time.Second}, {Kind: llm.KindRateLimited, Window: llm.PerMinute}} {
			l, r, _ := f.TryStart(at("p", "m"), count)
			if r != Started {
				t.Fatalf("count: %v", r)
			}
			l.Done(o)
		}
		chat := limit.Try{Need: llm.Need{Input: 900, Op: llm.OpChat}}
		l, r, _ := f.TryStart(at("p", "m"), chat)
		if r != Started {
			t.Fatalf("a call after three counts: %v", r)
		}
		l.Done(Outcome{Used: true, Usage: llm.Usage{Input: 900}})
		if _, r, _ = f.TryStart(at("p", "m"), chat); r != Short {
			t.Errorf("a second call: %v", r)
		}
		if l, r, _ = f.TryStart(at("p", "m"), count); r != Started {
			t.Fatalf("a count of a quota that is used up: %v", r)
		}
		l.Done(Outcome{})
	})
}
