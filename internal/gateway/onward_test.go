package gateway_test

import (
	"testing"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/route"
)

// TestFailoverOn goes on after errors that end a call otherwise, to other targets only.
func TestFailoverOn(t *testing.T) {
	t.Parallel()
	filter := failWith(400, `{"error":{"message":"no","type":"invalid_request_error","code":"content_filter"}}`)
	f := func(name string, first step, on []string, attempts int, kind llm.Kind) {
		t.Helper()
		a, b := steps(first), steps(ok)
		o := pool(a, b)
		o.settings = func(s *gateway.Settings) { s.Rescue.FailoverOn = on }
		onRoad(t, o, func(rd *road) {
			w := rd.chat("m")
			w.want(kind, attempts)
			if a.count() != 1 {
				t.Errorf("%s: the first target was asked %d times", name, a.count())
			}
		})
	}
	f("auth", fail(401), nil, 1, llm.KindProviderAuth)
	f("auth", fail(401), []string{"auth"}, 2, llm.KindNone)
	f("filter", filter, nil, 1, llm.KindContentFilter)
	f("filter", filter, []string{"content_filter"}, 2, llm.KindNone)
	f("rejected", fail(422), []string{"auth"}, 1, llm.KindRejected)
	f("rejected", fail(422), []string{"rejected"}, 2, llm.KindNone)
}

// TestEmptyAccount takes an account without credit out of the call: its other models are not asked, another account is.
func TestEmptyAccount(t *testing.T) {
	t.Parallel()
	empty := failWith(429, `{"error":{"message":"pay","code":"insufficient_quota"}}`)
	a, b := steps(empty), steps(ok)
	o := pool(a, b)
	o.models = map[string]route.Model{"m": {Strategy: route.Failover, Targets: []route.TargetRef{{Target: "a/m"}, {Target: "a/n"}, {Target: "b/m"}}}}
	onRoad(t, o, func(rd *road) {
		w := rd.chat("m")
		w.want(llm.KindNone, 2)
		if a.count() != 1 || b.count() != 1 {
			t.Errorf("asked %d and %d times", a.count(), b.count())
		}
	})
}

// TestLargerWindow sends a prompt that is too long for one model to those that are known to take more, and to no others.
func TestLargerWindow(t *testing.T) {
	t.Parallel()
	long := failWith(400, `{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}`)
	f := func(name string, targets []string, want string) {
		t.Helper()
		a, b := steps(long), steps(ok)
		o := options{providers: []provider{{name: "a", answer: a, priceOf: "openai"}, {name: "b", answer: b, priceOf: "openai"}}}
		m := route.Model{Strategy: route.Failover}
		for _, target := range targets {
			m.Targets = append(m.Targets, route.TargetRef{Target: target})
		}
		o.models = map[string]route.Model{"m": m}
		onRoad(t, o, func(rd *road) {
			w := rd.chat("m")
			if want == "" {
				w.want(llm.KindContextLength, 1)
				return
			}
			w.want(llm.KindNone, 2)
			if got := w.header.Get("X-Sluice-Target"); got != want {
				t.Errorf("%s: answered by %s, want %s", name, got, want)
			}
		})
	}
	f("larger", []string{"a/gpt-4", "b/gpt-4o"}, "b/gpt-4o")
	f("past one of the same size", []string{"a/gpt-4", "b/gpt-4", "b/gpt-4.1"}, "b/gpt-4.1")
	f("none is larger", []string{"a/gpt-4o", "b/gpt-4"}, "")
	f("nobody knows", []string{"a/gpt-4o", "b/mystery"}, "")
}
