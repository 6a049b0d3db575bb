package gateway

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/pace"
)

// TestHedgeDelayIsWorthItsBudget holds the rule for the time of a hedge, with the observed distribution that it changes itself, against the
// bar: with 1 % of calls stalled and a budget of 2 %, the p99 is at most 1.3 times that of healthy calls. Times are simulated.
func TestHedgeDelayIsWorthItsBudget(t *testing.T) {
	t.Parallel()
	f := func(seed uint64, after string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			const calls = 20_000
			fleet := pace.New(pace.Limits{}, pace.Breaker{})
			target := &llm.Target{Name: "p/m", Provider: "p", Model: "m"}
			rnd := rand.New(rand.NewPCG(seed, 4))
			healthy := func() time.Duration { return time.Duration(150e6 * math.Exp(0.6*rnd.NormFloat64())) }
			h, budget := Hedge{After: after, Budget: 0.02}, hedgeBudget{}
			due, made := 0, 0
			var got, want []time.Duration
			for range calls {
				budget.deposit(h.Budget)
				l, _, _ := fleet.TryStart(target, limit.Try{})
				d, ok := h.delay(l, &budget)
				first := healthy()
				want = append(want, first)
				if rnd.IntN(100) == 0 {
					first = time.Minute
				}
				o := pace.Outcome{FirstToken: first, Duration: first}
				if ok && first > d {
					due++
					if budget.withdraw() {
						made++
						if second := d + healthy(); second < first {
							o, first = pace.Outcome{Kind: llm.KindCanceled, Duration: second}, second
						}
					}
				}
				l.Done(o)
				got = append(got, first)
				time.Sleep(2 * time.Millisecond)
			}
			slices.Sort(got)
			slices.Sort(want)
			if ratio := float64(got[calls*99/100]) / float64(want[calls*99/100]); ratio > 1.3 || ratio < 1 {
				t.Errorf("seed %d, %s: p99 is %.2f times that of healthy calls", seed, after, ratio)
			}
			if made > calls*2/100 || made < calls*18/1000 || due-made > made/5 {
				t.Errorf("seed %d, %s: %d of %d calls were hedged, %d more were due", seed, after, made, calls, due-made)
			}
		})
	}
	for seed := range uint64(5) {
		f(seed, "p95")
		f(seed, "p50")
		f(seed, "200ms")
	}
}
