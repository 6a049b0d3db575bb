package gateway_test

import (
	"strconv"
	"testing"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/route"
)

// pool returns options with the providers a, b, c..., and a model "m" that they serve in this order.
func pool(s ...*script) options {
	o := options{}
	m := route.Model{Strategy: route.Failover}
	for i, one := range s {
		name := string(rune('a' + i))
		o.providers = append(o.providers, provider{name: name, answer: one})
		m.Targets = append(m.Targets, route.TargetRef{Target: name + "/m", Weight: 1})
	}
	o.models = map[string]route.Model{"m": m}
	return o
}

// TestFailoverForAClientThatRetries checks that a client's own retries cost a call its repetitions and not its targets.
func TestFailoverForAClientThatRetries(t *testing.T) {
	t.Parallel()
	a, b := steps(fail(500)), steps(fail(500))
	onRoad(t, pool(a, b), func(rd *road) {
		rd.chat("m", func(x *gateway.Exchange) { x.Retried = 2 }).want(llm.KindServerError, 2)
		if a.count() != 1 || b.count() != 1 {
			t.Errorf("targets were asked %d and %d times, want once each", a.count(), b.count())
		}
	})
}

// TestWhatFailsOver goes through the classes of errors: which of them send a call to the next target, at once, and
// which end it.
func TestWhatFailsOver(t *testing.T) {
	t.Parallel()
	f := func(name string, first step, kind llm.Kind) {
		t.Helper()
		a, b := steps(first), steps(ok)
		onRoad(t, pool(a, b), func(rd *road) {
			w := rd.chat("m")
			if kind == llm.KindNone {
				w.want(kind, 2)
				if w.header.Get("X-Sluice-Target") != "b/m" || a.count() != 1 {
					t.Errorf("%s: answered by %s after %d attempts at a", name, w.header.Get("X-Sluice-Target"), a.count())
				}
				if w.took > 10*time.Millisecond {
					t.Errorf("%s: the next target was asked after %v", name, w.took)
				}
				return
			}
			w.want(kind, 1)
			if b.count() != 0 || w.header.Get("X-Sluice-Target") != "a/m" {
				t.Errorf("%s: went to the next target", name)
			}
		})
	}
	for status, kind := range map[int]llm.Kind{
		400: llm.KindRejected, 404: llm.KindRejected, 422: llm.KindRejected, 413: llm.KindRejected,
		401: llm.KindProviderAuth, 403: llm.KindProviderAuth,
		408: 0, 409: 0, 429: 0, 500: 0, 502: 0, 503: 0, 504: 0, 529: 0, 498: 0,
	} {
		f(strconv.Itoa(status), fail(status), kind)
	}
	f("429 with a wait", fail(429, "Retry-After", "30"), llm.KindNone)
	f("reset", reset, llm.KindNone)
	f("truncated", whole(`{"choices":[{"message":{"cont`), llm.KindNone)
	f("no finish reason", whole(`{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":null}]}`), llm.KindNone)
	f("empty body", whole(""), llm.KindNone)
	f("error in a 200", whole(`{"error":{"message":"oops","type":"server_error"}}`), llm.KindNone)
	f("content filter", failWith(400, `{"error":{"message":"no","code":"content_filter"}}`), llm.KindContentFilter)
	f("context length", failWith(400, `{"error":{"message":"long","code":"context_length_exceeded"}}`), llm.KindContextLength)
	f("no credit", failWith(429, `{"error":{"message":"pay","code":"insufficient_quota"}}`), llm.KindNone)
}

// TestTimeoutsFailOver checks that each timeout before the commit point sends the call on.
func TestTimeoutsFailOver(t *testing.T) {
	t.Parallel()
	f := func(name string, first step, took time.Duration) {
		t.Helper()
		a, b := steps(first), steps(ok)
		o := pool(a, b)
		o.settings = func(c *gateway.Settings) { c.Timeouts.Headers, c.Timeouts.FirstToken = 7*time.Second, 9*time.Second }
		onRoad(t, o, func(rd *road) {
			w := rd.stream("m")
			w.want(llm.KindNone, 2)
			if !near(w.took, took) || w.body.String() != roleEvent+textEvent+finishEvent+doneEvent {
				t.Errorf("%s: %v, %q", name, w.took, w.body.String())
			}
		})
	}
	f("headers", hang, 7*time.Second)
	f("first token", events("hang"), 7*time.Second) // headers are sent with the first flush
	f("first token after a role", events(roleEvent, "hang"), 9*time.Second)
	f("reset after a role", events(roleEvent, "reset"), 0)
	f("end after a role", events(roleEvent), 0)
	f("error event", events(roleEvent, "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n"), 0)
}

func TestUnreachableFailsOver(t *testing.T) {
	t.Parallel()
	f := func(change func(*provider), took time.Duration) {
		t.Helper()
		o := pool(steps(ok), steps(ok))
		change(&o.providers[0])
		onRoad(t, o, func(rd *road) {
			w := rd.chat("m")
			w.want(llm.KindNone, 2)
			if w.took != took {
				t.Errorf("took %v, want %v", w.took, took)
			}
		})
	}
	f(func(p *provider) { p.refuse = true }, 0)
	f(func(p *provider) { p.noDial = true }, 5*time.Second) // timeouts.connect
}

// TestSilentTargetIsAskedOnce checks that a target which took the request and kept silent is not waited for twice.
func TestSilentTargetIsAskedOnce(t *testing.T) {
	t.Parallel()
	a, b := steps(hang), steps(fail(500))
	o := pool(a, b)
	o.settings = func(c *gateway.Settings) { c.Timeouts.Headers, c.Retry.Attempts = 5*time.Second, 4 }
	onRoad(t, o, func(rd *road) {
		rd.chat("m").want(llm.KindServerError, 4)
		if a.count() != 1 || b.count() != 3 {
			t.Errorf("asked %d and %d times, want 1 and 3", a.count(), b.count())
		}
	})
	a = steps(hang)
	o = at(a)
	o.settings = func(c *gateway.Settings) { c.Timeouts.Headers = 5 * time.Second }
	onRoad(t, o, func(rd *road) {
		rd.chat("p/m").want(llm.KindHeaderTimeout, 1)
	})
}

// TestRoundsOfAPool checks the order of attempts: each target once, then from the first again after a back-off.
func TestRoundsOfAPool(t *testing.T) {
	t.Parallel()
	a, b := steps(fail(500), ok), steps(fail(500))
	onRoad(t, pool(a, b), func(rd *road) {
		w := rd.chat("m")
		w.want(llm.KindNone, 3)
		if a.count() != 2 || b.count() != 1 {
			t.Errorf("asked %d and %d times, want 2 and 1", a.count(), b.count())
		}
		if gap := b.got()[0].at.Sub(a.got()[0].at); gap != 0 {
			t.Errorf("the second target was asked after %v", gap)
		}
	})
}

func TestWeightsSpreadCalls(t *testing.T) {
	t.Parallel()
	a, b := steps(ok), steps(ok)
	o := pool(a, b)
	m := o.models["m"]
	m.Strategy, m.Targets[0].Weight, m.Targets[1].Weight = route.Weighted, 3, 1
	o.models["m"] = m
	onRoad(t, o, func(rd *road) {
		const calls = 400
		for range calls {
			rd.chat("m").want(llm.KindNone, 1)
		}
		if n := a.count(); n < 250 || n > 350 || n+b.count() != calls { // 300 expected; 5 sigma are 43
			t.Errorf("%d of %d calls went to the target with 3 of 4 parts", n, calls)
		}
	})
}

// TestBreakerTakesATargetOut opens the breaker of the first target, looks that it is left alone, and lets one live call
// probe it when its cool-down is over.
func TestBreakerTakesATargetOut(t *testing.T) {
	t.Parallel()
	a := steps(fail(500), fail(500), fail(500), fail(500), fail(500), fail(500), ok)
	b := steps(ok)
	onRoad(t, pool(a, b), func(rd *road) {
		for range 5 {
			rd.chat("m").want(llm.KindNone, 2)
		}
		for range 20 {
			rd.chat("m").want(llm.KindNone, 1)
		}
		if a.count() != 5 {
			t.Errorf("an open target was asked: %d requests", a.count())
		}
		rd.sleep(2 * time.Second)
		rd.chat("m").want(llm.KindNone, 2) // the probe, which fails
		rd.chat("m").want(llm.KindNone, 1)
		if a.count() != 6 {
			t.Errorf("%d requests, want one probe", a.count())
		}
		rd.sleep(4 * time.Second) // the cool-down has doubled
		for range 3 {
			rd.chat("m").want(llm.KindNone, 1)
		}
		if a.count() != 9 {
			t.Errorf("%d requests after a good probe, want 9", a.count())
		}
	})
}

// TestLastTargetIsNeverEjected checks that a model with one target goes on asking it, however broken.
func TestLastTargetIsNeverEjected(t *testing.T) {
	t.Parallel()
	s := steps(fail(500))
	o := at(s)
	o.settings = func(c *gateway.Settings) { c.Retry.Attempts = 1 }
	onRoad(t, o, func(rd *road) {
		for range 50 {
			rd.chat("p/m").want(llm.KindServerError, 1)
		}
	})
	a, b := steps(fail(500)), steps(fail(500))
	o = pool(a, b)
	o.settings = func(c *gateway.Settings) { c.Retry.Attempts, c.Retry.Budget = 2, 1 }
	onRoad(t, o, func(rd *road) {
		for range 50 {
			rd.chat("m")
		}
		if b.count() < 50 {
			t.Errorf("the last target was asked %d times for 50 calls", b.count())
		}
	})
}
