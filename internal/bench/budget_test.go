package bench

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/llm"
	"sluice/internal/workload"
)

// TestBudgetIsNeverOverrun reserves and settles at random, at most what was reserved.
func TestBudgetIsNeverOverrun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := NewBudget(1e-6) // 1000 nano-dollars
		var open []int64
		var spent, reserved int64
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			if len(open) > 0 && rapid.Bool().Draw(t, "settle") {
				cost := rapid.Int64Range(0, open[0]).Draw(t, "cost")
				b.Settle(open[0], cost)
				spent, reserved, open = spent+cost, reserved-open[0], open[1:]
				continue
			}
			n := rapid.Int64Range(0, 400).Draw(t, "reserve")
			if got, want := b.Reserve(n), spent+reserved+n <= 1000; got != want {
				t.Fatalf("reserve %d with %d spent and %d reserved: %v", n, spent, reserved, got)
			} else if got {
				open, reserved = append(open, n), reserved+n
			}
		}
		if b.Spent() > b.Cap() || b.Spent() != float64(spent)/1e9 {
			t.Fatalf("spent %v of %v", b.Spent(), b.Cap())
		}
	})
}

func TestNoBudget(t *testing.T) {
	t.Parallel()
	var none *Budget
	none.Settle(1, 2)
	if !none.Reserve(1<<60) || none.Spent() != 0 || none.Cap() != 0 {
		t.Error("a nil budget has a cap")
	}
	counter := NewBudget(0)
	if !counter.Reserve(1 << 60) {
		t.Error("a budget without a cap has one")
	}
	counter.Settle(1<<60, 2e9)
	if counter.Spent() != 2 {
		t.Errorf("spent %v", counter.Spent())
	}
}

// TestWhatNobodyKnowsIsBooked cuts requests off whose answers have not begun: the provider may charge for them.
func TestWhatNobodyKnowsIsBooked(t *testing.T) {
	t.Parallel()
	target := mocked()
	target.Price = func(u llm.Usage) (int64, bool) { return u.Input + u.Output, true }
	b := NewBudget(1)
	w := whole()
	w.Timeout = time.Second
	m := measure(t, answering(time.Minute), Options{Target: target, Workload: w, Schedule: constant(5, 100*ms, 10), Budget: b})
	if want := 5 * 47e-9; b.Spent() != want || m.Summary.Cost != 0 { // 20 tokens with their margin, and 10
		t.Errorf("booked %v, want %v; the records say %v", b.Spent(), want, m.Summary.Cost)
	}
}

// TestSlowSinkIsASlowClient has a closed loop whose records nobody takes in time.
func TestSlowSinkIsASlowClient(t *testing.T) {
	t.Parallel()
	w := parse(t, "  concurrent_users: 20\n  phases: {warmup: 1s, ramp: 0s, sustain: 5s, cooldown: 5s}\n")
	w.Stream = false
	m := measure(t, answering(10*ms), Options{Workload: w, Key: workload.Key{Seed: 1}, Progress: func(Progress) { time.Sleep(2 * time.Second) }})
	if m.Verdict.State != Invalid {
		t.Errorf("%+v with %+v", m.Verdict, m.Client.Lag)
	}
	mentions(t, m.Verdict.Reasons, "held their place until their record could be kept")
}
