package admit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// TestLeftOfAQuotaIsNoWait has 60 calls come at once whose deadline is in five seconds, at a quota of 60 a minute that lets them start one after
// the other, a tenth of a second apart, until it knows how the provider enforces it: all of them start. Where nothing is left, those are refused at once
// that would have to wait for what comes back.
func TestLeftOfAQuotaIsNoWait(t *testing.T) {
	t.Parallel()
	f := func(name string, left float64, tokens int64, class llm.Class, started, refused int) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				n := 0
				q := New(Default(), func(*llm.Target, limit.Try) (struct{}, Verdict, time.Time) {
					if next := begin.Add(time.Duration(n) * 50 * time.Millisecond); time.Now().Before(next) {
						return struct{}{}, Short, next
					}
					n++
					return struct{}{}, Started, time.Time{}
				})
				q.SetCapacity(func(*llm.Target, llm.Class) limit.Capacity {
					return limit.Capacity{Calls: 1, CallsLeft: max(left-float64(n), 0), Tokens: 1000, TokensLeft: max(left-float64(n), 0) * 1000}
				})
				type result struct {
					expected time.Duration
					err      *llm.Error
				}
				results := make(chan result, 60)
				for range 60 {
					go func() {
						c := &llm.Call{Key: "k", Class: class, Start: begin, Deadline: begin.Add(5 * time.Second)}
						g, err := q.Acquire(context.Background(), c, Ask{Targets: targets("p/m"), Last: true, Need: llm.Need{Input: tokens}})
						results <- result{g.Expected, err}
					}()
					synctest.Wait()
				}
				if len(results) != refused+1 {
					t.Errorf("%d have an answer at once, want one that started and %d that were refused", len(results), refused)
				}
				got := map[llm.Kind]int{}
				for range 60 {
					r := <-results
					kind := llm.KindNone
					if r.err != nil {
						kind = r.err.Kind
					}
					got[kind]++
					if r.expected > 5*time.Second {
						t.Errorf("a call that started was expected to wait %v", r.expected)
					}
				}
				if got[llm.KindNone] != started || got[llm.KindDeadline] != 60-started {
					t.Errorf("ended %v, want %d to start", got, started)
				}
				q.checkEmpty(t)
			})
		})
	}
	f("all that is asked for", 60, 100, llm.Interactive, 60, 0)
	f("more than that", 120, 100, llm.Interactive, 60, 0)
	f("some", 30, 100, llm.Interactive, 34, 26)
	f("nothing", 0, 100, llm.Interactive, 5, 55)
	f("large calls", 60, 2000, llm.Interactive, 32, 28)
	f("bulk", 60, 100, llm.Bulk, 60, 0)
}
