package pace

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// TestIdleTargetsAreSmall: models whose quota there is nothing to learn about, be it that clients have made up their names, take little memory. It
// is not parallel: it looks at the heap.
func TestIdleTargetsAreSmall(t *testing.T) {
	const most = 4 << 10 // bytes
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	f := New(Limits{[]ProviderLimits{{Name: "p"}}}, Breaker{})
	for i := range maxTargets {
		for range 3 {
			mustStart(t, f, at("p", fmt.Sprintf("m%d", i))).Done(Outcome{Used: true, Usage: llm.Usage{Input: 10, Output: 10}})
		}
	}
	per := (heap() - before) / maxTargets
	t.Logf("%d bytes for each of %d targets", per, maxTargets)
	if per > most {
		t.Errorf("%d bytes for each of %d targets, want at most %d", per, maxTargets, most)
	}
	runtime.KeepAlive(f)
}

// TestStudiesComeAndGo: a study is made by a few calls in a minute, or by the first word of a quota; it is let go when nobody calls, and the next
// one goes on with what it had found out.
func TestStudiesComeAndGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{[]ProviderLimits{{Name: "p"}}}, Breaker{})
		learner := func(model string) *learner { return f.account("p").targets[model].own.learner }
		calls := func(model string, n int, every time.Duration, o Outcome, h *llm.RateLimits) {
			for range n {
				l := mustStart(t, f, at("p", model))
				if h != nil {
					l.Limits(h)
				}
				l.Done(o)
				time.Sleep(every)
			}
		}
		fine := Outcome{Used: true, Usage: llm.Usage{Input: 10, Output: 10}}
		awake := func(model string, want bool) {
			t.Helper()
			if got := learner(model).study != nil; got != want {
				t.Errorf("%s is studied: %v, want %v", model, got, want)
			}
		}
		calls("slow", 50, 8*time.Second, fine, nil)
		awake("slow", false)
		calls("busy", 8, time.Second, fine, nil)
		awake("busy", false)
		calls("busy", 1, time.Second, fine, nil)
		awake("busy", true)
		if n := learner("busy").study.judgedOK + int(learner("busy").study.pending.next-learner("busy").study.pending.first); n != 8 {
			t.Errorf("the study knows of %d calls, want the last %d", n, wakeCalls)
		}
		calls("refused", 1, time.Second, Outcome{Kind: llm.KindRateLimited, Status: 429}, nil)
		awake("refused", true)
		h := llm.NoRateLimits()
		calls("said", 3, time.Second, fine, &h)
		awake("said", false)
		h.Requests, h.RequestsLeft, h.RequestsReset = 600, 599, 100*time.Millisecond
		calls("said", 1, time.Second, fine, &h)
		awake("said", true)
		rate := learner("said").study.rate
		if rate[limit.Requests] != 10 {
			t.Errorf("the rate is %v, want 10 a second, as the headers say", rate)
		}
		time.Sleep(restTime - time.Minute)
		f.Rest()
		awake("said", true)
		time.Sleep(time.Minute)
		f.Rest()
		for _, m := range []string{"said", "busy", "refused"} {
			awake(m, false)
		}
		calls("busy", 1, 0, fine, nil)
		awake("busy", false)
		l := mustStart(t, f, at("p", "said"))
		awake("said", true)
		if s := learner("said").study; s.rate != rate || !s.stated || s.unknown {
			t.Errorf("the next study begins with a rate of %v, stated %v; want %v", s.rate, s.stated, rate)
		}
		l.Limits(&h)
		l.Done(fine)
	})
}
