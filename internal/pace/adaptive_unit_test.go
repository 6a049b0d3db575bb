package pace

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// A limit that is not used says nothing about what a higher one would do.
func TestAdaptiveUnused(t *testing.T) {
	t.Parallel()
	a := newAdaptive(0)
	b := newServer(engine{step: 20 * time.Millisecond, slope: 0.005, batch: 64}, a, 1)
	b.demand = 6
	b.run(3 * time.Minute)
	if a.limit < 6 || a.limit > 8 {
		t.Errorf("with 6 calls that want to be under way, the limit is %d, want 8", a.limit)
	}
	b.demand = 0
	b.run(time.Minute)
	if a.limit < 50 {
		t.Errorf("a minute after the backlog came, the limit is %d, want about 64", a.limit)
	}
}

// All that is refused at once cuts once.
func TestAdaptiveOverload(t *testing.T) {
	t.Parallel()
	refused := &Outcome{Kind: llm.KindOverloaded, Duration: time.Second}
	a := newAdaptive(0)
	a.limit, a.phase = 100, holding
	now := time.Minute
	for i := range 50 {
		a.done(refused, 100-i, now+time.Duration(i))
	}
	if a.limit != 80 {
		t.Errorf("after 50 refusals of one round trip the limit is %d, want 80", a.limit)
	}
	a.done(refused, 80, now+1500*time.Millisecond)
	if a.limit != 64 {
		t.Errorf("after one of the next round trip it is %d, want 64", a.limit)
	}
	for i := range 100 {
		a.done(refused, a.limit, now+time.Duration(i+2)*2*time.Second)
	}
	if a.limit != 1 {
		t.Errorf("after nothing but refusals it is %d, want 1", a.limit)
	}
	a.done(&Outcome{Kind: llm.KindRateLimited, Window: llm.PerDay, Duration: time.Second}, 1, time.Hour)
	a.done(&Outcome{Kind: llm.KindCanceled, Duration: time.Second}, 1, time.Hour)
	if a.cut >= time.Hour {
		t.Error("a day's quota, or a client that left, is taken for overload")
	}
}

func TestAdaptiveBounds(t *testing.T) {
	t.Parallel()
	kinds := []llm.Kind{llm.KindNone, llm.KindNone, llm.KindNone, llm.KindOverloaded, llm.KindRateLimited, llm.KindCanceled, llm.KindFirstToken}
	rapid.Check(t, func(rt *rapid.T) {
		most := rapid.IntRange(1, 50).Draw(rt, "most")
		a := newAdaptive(most)
		now := time.Duration(0)
		length := rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, int64(time.Hour)))
		for range rapid.IntRange(1, 300).Draw(rt, "calls") {
			now += time.Duration(length.Draw(rt, "gap"))
			if rapid.IntRange(0, 30).Draw(rt, "update") == 0 {
				most = rapid.IntRange(1, 50).Draw(rt, "most")
				a.bound(most, now)
			}
			o := &Outcome{
				Kind: rapid.SampledFrom(kinds).Draw(rt, "kind"), Duration: time.Duration(length.Draw(rt, "duration")),
				FirstToken: time.Duration(length.Draw(rt, "first")), Whole: rapid.Bool().Draw(rt, "whole"), Used: rapid.Bool().Draw(rt, "used"),
				Usage: llm.Usage{Output: length.Draw(rt, "output")},
			}
			a.done(o, rapid.IntRange(1, 60).Draw(rt, "under way"), now)
			if a.limit < 1 || a.limit > most {
				rt.Fatalf("limit %d is not within 1 and %d", a.limit, most)
			}
		}
	})
}

// The limit holds where calls start, and each target has its own.
func TestAdaptiveOfTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{[]ProviderLimits{{
			Name: "p", MostAdaptive: 6, Quotas: []QuotaLimits{{Models: []string{"own-*"}, Adaptive: true, Terms: limit.Terms{Concurrency: 100}}},
		}}}, Breaker{})
		full := func(name string) (n int) {
			var leases []Lease
			for {
				l, r, _ := f.TryStart(at("p", name), limit.Try{})
				if r != Started {
					break
				}
				leases = append(leases, l)
				if len(leases) > 50 {
					break
				}
			}
			time.Sleep(time.Second)
			for _, l := range leases {
				l.Done(Outcome{Duration: time.Second, FirstToken: time.Second / 10, Used: true, Usage: llm.Usage{Output: 50}})
			}
			return len(leases)
		}
		if n := full("own-a"); n != adaptiveFirst {
			t.Errorf("%d calls at once at first, want %d", n, adaptiveFirst)
		}
		if n := full("other"); n < scoutWidth {
			t.Errorf("%d calls at once of a model without a limit", n)
		}
		for range 20 {
			full("own-a")
		}
		if n := full("own-a"); n != 6 {
			t.Errorf("%d calls at once after a while of a server that does not slow down, want the most there may be, 6", n)
		}
		if n := full("own-b"); n != adaptiveFirst {
			t.Errorf("%d calls at once of another model, want %d", n, adaptiveFirst)
		}
		for _, tg := range f.Snapshot().Targets {
			if want := map[string]int{"p/own-a": 6, "p/own-b": 4, "p/other": 0}[tg.Target]; tg.Adaptive != want {
				t.Errorf("%s shows the limit %d, want %d", tg.Target, tg.Adaptive, want)
			}
		}
		f.Update(Limits{[]ProviderLimits{{Name: "p"}}})
		if n := full("own-a"); n < scoutWidth {
			t.Errorf("%d calls at once when the limit is no more", n)
		}
	})
}
