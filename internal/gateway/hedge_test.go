package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// hedged returns the pool's options with a second attempt after a time, for every call that wants one.
func hedged(after string, s ...*script) options {
	o := pool(s...)
	o.settings = func(c *gateway.Settings) {
		c.Rescue.Hedge = gateway.Hedge{After: after, Budget: 1}
		c.Timeouts.FirstToken = 30 * second
	}
	return o
}

// failAfter answers with an error after a time.
func failAfter(d time.Duration, status int) step {
	return func(w http.ResponseWriter, r *http.Request) {
		if pause(r, d) {
			fail(status)(w, r)
		}
	}
}

// leftAt answers with a step, and tells when the request's sender has left.
func leftAt(s step, left chan<- time.Time) step {
	return func(w http.ResponseWriter, r *http.Request) {
		s(w, r)
		<-r.Context().Done()
		left <- time.Now()
	}
}

// hedges returns what the metrics say of the hedges at a target.
func hedges(rd *road, target, result string) float64 {
	return rd.metric(fmt.Sprintf(`sluice_hedges_total{result=%q,target=%q}`, result, target))
}

// TestHedgeWins checks that the second attempt's answer is the call's, whole and alone, that the first attempt is canceled at once, and
// that both are in the books.
func TestHedgeWins(t *testing.T) {
	t.Parallel()
	f := func(name string, silent step) {
		t.Helper()
		a, b := steps(silent), steps(ok)
		onRoad(t, hedged("1s", a, b), func(rd *road) {
			left := make(chan time.Time, 1)
			a.steps[0] = leftAt(silent, left)
			x := rd.exchange(llm.OpChat, chatBody("m", `,"stream":true`))
			w := rd.do(rd.t.Context(), x)
			w.want(llm.KindNone, 2)
			if !near(w.took, second) || w.header.Get("X-Sluice-Target") != "b/m" || w.body.String() != roleEvent+textEvent+finishEvent+doneEvent {
				t.Errorf("%s: after %v, %s answered %q", name, w.took, w.header.Get("X-Sluice-Target"), w.body.String())
			}
			if at := (<-left).Sub(x.Call.Start); !near(at, second) {
				t.Errorf("%s: the slow provider was left after %v", name, at)
			}
			row := rd.row(w)
			if row.Target != "b/m" || row.Attempts != 2 || row.Usage.Input != 1000+x.Call.InputTokens || row.Usage.Output != 500 || !row.Usage.Estimated {
				t.Errorf("%s: row %+v, input %d", name, row, x.Call.InputTokens)
			}
			if !near(row.FirstToken, second) || row.BytesOut != int64(w.body.Len()) {
				t.Errorf("%s: row %+v", name, row)
			}
			for _, s := range rd.fleet.Snapshot().Targets {
				if s.Cause.String() != "none" {
					t.Errorf("%s: %s is blamed for %v", name, s.Target, s.Cause)
				}
			}
			if n := hedges(rd, "b/m", "won"); n != 1 {
				t.Errorf("%s: %v hedges won", name, n)
			}
			if n := rd.metric(`sluice_attempts_total{outcome="client_closed_request",target="a/m"}`); n != 1 {
				t.Errorf("%s: %v attempts canceled\n%s", name, n, rd.scrape())
			}
		})
	}
	f("no headers", hang)
	f("no content", events(roleEvent, "hang"))
	f("pings", events(": ping\n\n", 100*time.Millisecond, ": ping\n\n", roleEvent, "hang"))
}

// TestHedgeOutcomes checks whose answer or error a call gets, when, and what is said of the hedge.
func TestHedgeOutcomes(t *testing.T) {
	t.Parallel()
	f := func(name string, first, other step, kind llm.Kind, attempts int, target string, took time.Duration, result string) {
		t.Helper()
		a, b := steps(first), steps(other)
		o := hedged("1s", a, b)
		set := o.settings
		o.settings = func(c *gateway.Settings) {
			set(c)
			c.Retry.Attempts = 2
		}
		onRoad(t, o, func(rd *road) {
			w := rd.stream("m")
			w.want(kind, attempts)
			if got := w.header.Get("X-Sluice-Target"); got != target || !near(w.took, took) {
				t.Errorf("%s: %s after %v, want %s after %v", name, got, w.took, target, took)
			}
			if row := rd.row(w); row.Target != target || row.Attempts != attempts {
				t.Errorf("%s: row %+v", name, row)
			}
			for _, r := range []string{"won", "lost", "failed", "no_budget", "no_target"} {
				want := 0.0
				if r == result {
					want = 1
				}
				if n := hedges(rd, "b/m", r); n != want {
					t.Errorf("%s: %v hedges %s, want %v", name, n, r, want)
				}
			}
		})
	}
	f("quick enough", okAfter(900*time.Millisecond), ok, llm.KindNone, 1, "a/m", 900*time.Millisecond, "")
	f("fails before", fail(500), okAfter(time.Millisecond), llm.KindNone, 2, "b/m", time.Millisecond, "")
	f("first wins", okAfter(2*second), okAfter(3*second), llm.KindNone, 2, "a/m", 2*second, "lost")
	f("second wins", okAfter(4*second), okAfter(2*second), llm.KindNone, 2, "b/m", 3*second, "won")
	f("first fails, second is waited for", failAfter(2*second, 500), okAfter(3*second), llm.KindNone, 2, "b/m", 4*second, "won")
	f("first is refused, second is waited for", failAfter(2*second, 400), okAfter(3*second), llm.KindNone, 2, "b/m", 4*second, "won")
	f("second fails, first goes on", okAfter(3*second), fail(500), llm.KindNone, 2, "a/m", 3*second, "failed")
	f("both fail, the first later", failAfter(2*second, 500), fail(401), llm.KindServerError, 2, "a/m", 2*second, "failed")
	f("both fail, the first sooner", failAfter(2*second, 500), failAfter(2*second, 503), llm.KindServerError, 2, "a/m", 3*second, "failed")
	f("both silent", hang, hang, llm.KindHeaderTimeout, 2, "a/m", 31*second, "failed")
	f("the winner breaks", hang, events(roleEvent, textEvent, second, "reset"), llm.KindTruncated, 2, "b/m", 2*second, "won")
}

// TestHedgeAtTheSameTarget checks that a call without another target is sent to its own again, if that has a place.
func TestHedgeAtTheSameTarget(t *testing.T) {
	t.Parallel()
	o := hedged("1s", steps(hang, ok))
	onRoad(t, o, func(rd *road) {
		w := rd.stream("m")
		w.want(llm.KindNone, 2)
		if !near(w.took, second) || hedges(rd, "a/m", "won") != 1 {
			t.Errorf("took %v", w.took)
		}
	})
	o = hedged("1s", steps(okAfter(2*second), ok))
	o.providers[0].concurrency = 1
	onRoad(t, o, func(rd *road) {
		w := rd.stream("m")
		w.want(llm.KindNone, 1)
		if !near(w.took, 2*second) || hedges(rd, "a/m", "no_target") != 1 {
			t.Errorf("took %v", w.took)
		}
	})
}

// TestHedgeBudget checks that hedges are at most the share of calls that the budget says, from the first call on.
func TestHedgeBudget(t *testing.T) {
	t.Parallel()
	var five []step // one in five is silent
	for i := range 100 {
		five = append(five, okAfter(100*time.Millisecond))
		if i%5 == 4 {
			five[i] = hang
		}
	}
	o := hedged("1s", steps(five...), steps(ok))
	set := o.settings
	o.settings = func(c *gateway.Settings) {
		set(c)
		c.Rescue.Hedge.Budget = 0.1
	}
	onRoad(t, o, func(rd *road) {
		for i := range 100 {
			rd.stream("m").want(llm.KindNone, 1+i%5/4)
			if n := int(hedges(rd, "b/m", "won")); n != (i+1)/10 {
				t.Fatalf("%d of %d calls were hedged", n, i+1)
			}
		}
		if n := hedges(rd, "a/m", "no_budget"); n != 10 {
			t.Errorf("%v slow calls were not hedged for want of a budget, want 10", n)
		}
	})
}

// TestHedgeAfterPercentile checks that the time of a hedge follows what has been observed of the target, and does not forget the tail
// that is given up.
func TestHedgeAfterPercentile(t *testing.T) {
	t.Parallel()
	n := 0
	times := make([]step, 0, 400)
	for i := range 200 { // one in 25 takes 10s, the others 100ms
		d := 100 * time.Millisecond
		if i%25 == 12 {
			d = 10 * second
		}
		times = append(times, okAfter(d))
	}
	a, b := steps(append(times, hang)...), steps(ok)
	o := hedged("p95", a, b)
	set := o.settings
	o.settings = func(c *gateway.Settings) {
		set(c)
		c.Rescue.Hedge.Budget = 0.2
	}
	onRoad(t, o, func(rd *road) {
		for i := range 200 {
			w := rd.stream("m")
			w.want(llm.KindNone, 1+strings.Count(w.header.Get("X-Sluice-Attempts"), "2"))
			if i > 40 && i%25 == 12 {
				n++
				if w.took > 200*time.Millisecond || w.header.Get("X-Sluice-Target") != "b/m" {
					t.Errorf("call %d took %v", i, w.took)
				}
			}
		}
		if n != 6 {
			t.Fatalf("%d slow calls", n)
		}
		if w := rd.stream("m"); w.took > 200*time.Millisecond {
			t.Errorf("a silent call took %v", w.took)
		}
		if d, ok := rd.fleet.FirstToken(&llm.Target{Name: "a/m", Provider: "a", Model: "m"}, 0.9); !ok || d < 90*time.Millisecond || d > 125*time.Millisecond {
			t.Errorf("p90 of the target is %v, %v", d, ok)
		}
	})
}

// TestHedgeClientLeaves checks that both attempts end with the client.
func TestHedgeClientLeaves(t *testing.T) {
	t.Parallel()
	a, b := steps(hang), steps(hang)
	onRoad(t, hedged("1s", a, b), func(rd *road) {
		left := make(chan time.Time, 2)
		a.steps[0], b.steps[0] = leftAt(hang, left), leftAt(events(roleEvent, "hang"), left)
		ctx, cancel := context.WithTimeoutCause(rd.t.Context(), 3*second, context.Canceled)
		defer cancel()
		x := rd.exchange(llm.OpChat, chatBody("m", `,"stream":true`))
		w := rd.do(ctx, x)
		for range 2 {
			if at := (<-left).Sub(x.Call.Start); at != 3*second {
				t.Errorf("a provider was left after %v", at)
			}
		}
		w.want(llm.KindCanceled, 2)
		if row := rd.row(w); row.Status != 499 || row.Usage.Input != 2*x.Call.InputTokens || row.Attempts != 2 {
			t.Errorf("row %+v", row)
		}
	})
}

// TestHedgePanics checks that a panic of the second attempt is one of the call's own goroutine, and leaves nothing behind.
func TestHedgePanics(t *testing.T) {
	t.Parallel()
	onRoad(t, hedged("1s", steps(hang), steps(ok)), func(rd *road) {
		x := rd.exchange(llm.OpChat, chatBody("m", `,"stream":true`))
		w := &reply{t: t, id: x.Call.ID, header: http.Header{}, start: x.Call.Start, onWrite: func() *llm.Error { panic("broken writer") }}
		func() {
			defer func() {
				if p := recover(); p != "broken writer" {
					t.Errorf("recovered %v", p)
				}
			}()
			rd.gateway.Do(rd.t.Context(), x, w)
		}()
		if row := rd.row(w); row.Status != 500 || row.Attempts != 2 {
			t.Errorf("row %+v", row)
		}
	})
}

// TestHedgeWithRandomCancels sends calls to providers of random behaviour and lets clients leave at random times. What holds is in the
// harness: one answer and one row a call, and no slot, stream or goroutine left. Here: an answer is of one provider alone.
func TestHedgeWithRandomCancels(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		moment := func() time.Duration { return time.Duration(rnd.IntN(40)) * 100 * time.Millisecond }
		behaviour := func(name string) []step {
			text := strings.Replace(textEvent, "hello you", "from "+name, 1)
			var all []step
			for range 100 {
				d := moment()
				switch rnd.IntN(10) {
				case 0:
					all = append(all, hang)
				case 1:
					all = append(all, events(roleEvent, d, "reset"))
				case 2:
					all = append(all, failAfter(d, []int{400, 429, 500, 503}[rnd.IntN(4)]))
				case 3:
					all = append(all, events(roleEvent, d, text, moment(), "reset"))
				default:
					all = append(all, events(roleEvent, d, text, moment(), text, finishEvent, doneEvent))
				}
			}
			return all
		}
		a, b := steps(behaviour("a")...), steps(behaviour("b")...)
		o := hedged("1s", a, b)
		o.providers[0].concurrency, o.providers[1].concurrency = 20, 15
		set := o.settings
		o.settings = func(c *gateway.Settings) {
			set(c)
			c.Rescue.Hedge.Budget = 0.7
		}
		stay := make([]time.Duration, 60)
		for i := range stay {
			if stay[i] = time.Minute; rnd.IntN(3) == 0 {
				stay[i] = moment()
			}
		}
		onRoad(t, o, func(rd *road) {
			var group sync.WaitGroup
			for _, d := range stay {
				x := rd.exchange(llm.OpChat, chatBody("m", `,"stream":true`))
				group.Go(func() {
					ctx, cancel := context.WithTimeoutCause(rd.t.Context(), d, context.Canceled)
					defer cancel()
					w := rd.do(ctx, x)
					body, from := w.body.String(), strings.TrimSuffix(w.frozen.Get("X-Sluice-Target"), "/m")
					if !w.over && !strings.Contains(body, "[DONE]") {
						t.Errorf("seed %d: %s has no end: %q", seed, w.id, body)
					}
					if strings.Count(body, "from ") != strings.Count(body, "from "+from) || strings.Count(body, `"role"`) > 1 {
						t.Errorf("seed %d: %s of %s: %q", seed, w.id, from, body)
					}
				})
			}
			group.Wait()
			begun := 0.0
			for _, target := range []string{"a/m", "b/m"} {
				for _, result := range []string{"won", "lost", "failed"} {
					begun += hedges(rd, target, result)
				}
			}
			if begun == 0 {
				t.Errorf("seed %d: nothing was hedged", seed)
			}
		})
	}
}
