package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/route"
)

// again is a failure that may be tried again and is no sign of a target that is down.
func again() step { return fail(400, "x-should-retry", "true") }

// noBudget returns options with the models m at a/m and n at b/n, and a budget that is only its reserve of 10.
func noBudget(a, b *script) options {
	return options{
		providers: []provider{{name: "a", answer: a}, {name: "b", answer: b}},
		models: map[string]route.Model{
			"m": {Targets: []route.TargetRef{{Target: "a/m", Weight: 1}}},
			"n": {Targets: []route.TargetRef{{Target: "b/n", Weight: 1}}},
		},
		settings: func(c *gateway.Settings) { c.Retry.Budget, c.Retry.Attempts = 0, 2 },
	}
}

// spend makes calls to a model that fails until its budget is empty.
func spend(rd *road, name string) {
	rd.t.Helper()
	for range 10 {
		rd.chat(name).want(llm.KindRejected, 2)
	}
	rd.chat(name).want(llm.KindRejected, 1)
}

// TestBudgetIsTheModels checks whose calls spend from which budget.
func TestBudgetIsTheModels(t *testing.T) {
	t.Parallel()
	onRoad(t, noBudget(steps(again()), steps(again())), func(rd *road) {
		spend(rd, "m")
		spend(rd, "n")
		spend(rd, "a/m") // a name of its own, at the same target
		spend(rd, "a/made-up")
		rd.chat("b/made-up-too").want(llm.KindRejected, 1)
		old := rd.gateway.Snapshot()
		rd.gateway.Swap(&gateway.Snapshot{
			ID: "snap-2", Routes: old.Routes, Accounts: old.Accounts, Default: old.Default, Prices: old.Prices,
		})
		for _, name := range []string{"m", "n", "a/m", "a/made-up"} {
			rd.chat(name).want(llm.KindRejected, 1)
		}
	})
}

// TestFailoverSpendsNoBudget checks that asking another target is possible without end, and asking again is not.
func TestFailoverSpendsNoBudget(t *testing.T) {
	t.Parallel()
	o := pool(steps(again()), steps(ok))
	o.settings = noBudget(nil, nil).settings
	onRoad(t, o, func(rd *road) {
		for range 30 {
			rd.chat("m").want(llm.KindNone, 2)
		}
	})
	a, b := steps(again()), steps(again())
	o = pool(a, b)
	o.settings = func(c *gateway.Settings) { c.Retry.Budget, c.Retry.Attempts = 0, 4 }
	onRoad(t, o, func(rd *road) {
		for range 5 {
			rd.chat("m").want(llm.KindRejected, 4)
		}
		for range 5 {
			rd.chat("m").want(llm.KindRejected, 2)
		}
		if a.count() != 15 || b.count() != 15 {
			t.Errorf("asked %d and %d times, want 15 each", a.count(), b.count())
		}
	})
}

// TestUnusedBudgetIsKept checks that a retry which does not take place costs nothing: the client leaves before it, the
// call ends, or no target is left.
func TestUnusedBudgetIsKept(t *testing.T) {
	t.Parallel()
	a := steps(fail(503, "Retry-After", "20"))
	onRoad(t, noBudget(a, steps(fail(400, "x-should-retry", "false"))), func(rd *road) {
		for range 15 {
			ctx, cancel := context.WithTimeoutCause(rd.t.Context(), time.Second, context.Canceled)
			w := rd.do(ctx, rd.exchange(llm.OpChat, chatBody("m", "")))
			cancel()
			if w.err.Kind != llm.KindCanceled {
				t.Fatalf("ended with %v", w.err)
			}
			rd.chat("m", func(x *gateway.Exchange) { x.Call.Deadline = x.Call.Start.Add(time.Second) }).want(llm.KindOverloaded, 1)
		}
		for range 10 {
			rd.chat("m").want(llm.KindOverloaded, 2)
		}
		rd.chat("m").want(llm.KindOverloaded, 1)
	})
}

// TestBudgetIsNamed checks that whoever is not tried again is told why, and the operator too.
func TestBudgetIsNamed(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := noBudget(steps(fail(503)), steps(ok))
	o.log = &log
	onRoad(t, o, func(rd *road) {
		for range 10 {
			if w := rd.chat("m"); strings.Contains(w.err.Message, "budget") {
				t.Errorf("told %q while there is budget", w.err.Message)
			}
		}
		if strings.Contains(log.String(), "no_retry") {
			t.Errorf("log while there is budget:\n%s", log.String())
		}
		w := rd.chat("m")
		w.says("no further attempt", "retry.budget", "status 503")
		if want := fmt.Sprintf("id=%s ", w.id); !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "no_retry=retry.budget\n") {
			t.Errorf("log:\n%s", log.String())
		}
	})
}
