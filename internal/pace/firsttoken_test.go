package pace

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// attempts ends one attempt at tg after another.
func attempts(t *testing.T, f *Fleet, tg *llm.Target, all ...Outcome) {
	t.Helper()
	for _, o := range all {
		l := mustStart(t, f, tg)
		l.Done(o)
	}
}

func TestFirstTokenQuantiles(t *testing.T) {
	t.Parallel()
	f := New(Limits{}, Breaker{})
	tg := at("p", "m")
	rnd := rand.New(rand.NewPCG(1, 2))
	var all []float64
	for range 5000 {
		d := 0.3 * math.Exp(0.6*rnd.NormFloat64())
		all = append(all, d)
		attempts(t, f, tg, Outcome{FirstToken: time.Duration(d * float64(time.Second)), Duration: time.Hour})
	}
	slices.Sort(all)
	for _, q := range []float64{0.1, 0.5, 0.9, 0.95, 0.98, 0.99} {
		want := all[int(q*float64(len(all)))]
		if got, ok := f.FirstToken(tg, q); !ok || math.Abs(got.Seconds()/want-1) > 0.15 {
			t.Errorf("quantile %v = %v, %v, want about %vs", q, got, ok, want)
		}
	}
	l := mustStart(t, f, tg)
	defer l.Done(Outcome{})
	a, _ := f.FirstToken(tg, 0.5)
	if b, ok := l.FirstToken(0.5); !ok || (a-b).Abs() > time.Millisecond {
		t.Errorf("the lease says %v, the fleet %v", b, a)
	}
	if _, ok := f.FirstToken(at("p", "other"), 0.5); ok {
		t.Error("a target that was never asked has a distribution")
	}
	if _, ok := f.FirstToken(at("q", "m"), 0.5); ok {
		t.Error("an account that was never asked has a distribution")
	}
}

// TestFirstTokenOfAttemptsGivenUp checks that what is known only as a lower bound is counted as that.
func TestFirstTokenOfAttemptsGivenUp(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	f := func(name string, share int, up Outcome, q float64, least, most time.Duration) {
		t.Helper()
		fleet := New(Limits{}, Breaker{Failures: 1 << 30, MinCalls: 1 << 30})
		tg := at("p", "m")
		for i := range 1000 {
			o := Outcome{FirstToken: time.Duration(100+i%100) * ms}
			if i%100 < share {
				o = up
			}
			attempts(t, fleet, tg, o)
		}
		if got, ok := fleet.FirstToken(tg, q); !ok || got < least || got > most {
			t.Errorf("%s: %v, %v, want %v to %v", name, got, ok, least, most)
		}
	}
	late := Outcome{Kind: llm.KindCanceled, Duration: 300 * ms}
	// Where 10 of 100 wait without end, the 90th percentile is the slowest of the others.
	f("tail", 10, late, 0.89, 180*ms, 216*ms)
	f("half", 10, late, 0.45, 130*ms, 165*ms)
	f("more than is asked for", 10, late, 0.95, 180*ms, 216*ms)
	f("silence to the limit", 10, Outcome{Kind: llm.KindFirstToken, Duration: time.Minute}, 0.89, 180*ms, 216*ms)
	// Clients that leave at once say nothing of what would have come.
	f("early", 50, Outcome{Kind: llm.KindCanceled, Duration: 10 * ms}, 0.5, 160*ms, 185*ms)
	f("refused", 50, Outcome{Kind: llm.KindServerError, Duration: 10 * ms}, 0.5, 160*ms, 185*ms)
	f("whole answers", 50, Outcome{FirstToken: 10 * time.Second, Whole: true}, 0.5, 160*ms, 185*ms)
	f("broken after the first token", 50, Outcome{Kind: llm.KindTruncated, FirstToken: 10 * time.Second, Duration: time.Minute}, 0.95, 9*time.Second, 12*time.Second)
}

// TestFirstTokenForgets checks the decay by count and by time, and that the present counts with few samples.
func TestFirstTokenForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, Breaker{})
		tg := at("p", "m")
		times := func(n int, d time.Duration) {
			for range n {
				attempts(t, f, tg, Outcome{FirstToken: d})
			}
		}
		median := func() time.Duration {
			d, ok := f.FirstToken(tg, 0.5)
			if !ok {
				return 0
			}
			return d.Round(100 * time.Millisecond)
		}
		times(19, time.Second)
		if got := median(); got != 0 {
			t.Errorf("19 attempts have the median %v", got)
		}
		times(2, time.Second)
		if got := median(); got < 900*time.Millisecond || got > 1200*time.Millisecond {
			t.Errorf("median = %v, want about 1s", got)
		}
		times(20_000, time.Second)
		times(1100, 4*time.Second)
		if got := median(); got < 3300*time.Millisecond {
			t.Errorf("median = %v: old calls outweigh the latest 1,100", got)
		}
		time.Sleep(3 * time.Hour)
		if got := median(); got == 0 {
			t.Error("thousands of calls are forgotten in three hours")
		}
		times(200, time.Second)
		if got := median(); got > 1200*time.Millisecond {
			t.Errorf("median = %v: calls of three hours ago outweigh the latest 200", got)
		}
		time.Sleep(10 * 24 * time.Hour)
		if got := median(); got != 0 {
			t.Errorf("the median of ten days ago is still %v", got)
		}
		times(30, 2*time.Second)
		if got := median(); got < 1800*time.Millisecond || got > 2300*time.Millisecond {
			t.Errorf("median = %v, want about 2s", got)
		}
	})
}

// TestFirstTokenIsBounded checks the size of a target's histogram, and that its extremes stay in it.
func TestFirstTokenIsBounded(t *testing.T) { // not parallel: it counts allocations
	if n := unsafe.Sizeof(latency{}); n > 700 {
		t.Errorf("a histogram has %d bytes", n)
	}
	f := New(Limits{}, Breaker{})
	tg := at("p", "m")
	for range 50 {
		attempts(t, f, tg, Outcome{FirstToken: time.Nanosecond}, Outcome{FirstToken: 100 * time.Hour})
	}
	if n := testing.AllocsPerRun(100, func() {
		l, _, _ := f.TryStart(tg, limit.Try{})
		l.Done(Outcome{FirstToken: time.Second})
	}); n > 0 && !raceEnabled {
		t.Errorf("%v allocations a call", n)
	}
}
