package gateway_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// relayed returns a call that is relayed to an account as it came.
func (rd *road) relayed(model string) *gateway.Exchange {
	rd.t.Helper()
	rd.mu.Lock()
	id := "call-" + strconv.Itoa(len(rd.calls))
	rd.calls[id] = true
	rd.mu.Unlock()
	now := time.Now()
	x := &gateway.Exchange{
		Body: []byte(`{"model":"` + model + `"}`), Header: http.Header{"Content-Type": {"application/json"}}, Checked: now, Key: rd.key(""),
		Method: http.MethodPost, Provider: "p", Path: "/chat/completions",
	}
	x.Call = llm.Call{ID: id, Op: llm.OpRaw, Start: now, Model: model, Choices: 1}
	return x
}

// TestRetryAfterOfARelayedAnswer: a provider's 429 to a call that was relayed goes to the client as it came, and what it says of the quota holds for
// the calls that come next, relayed or not.
func TestRetryAfterOfARelayedAnswer(t *testing.T) {
	t.Parallel()
	f := func(name string, next func(rd *road) *reply) {
		t.Helper()
		s := steps(fail(429, "Retry-After", "7"), ok)
		onRoad(t, at(s), func(rd *road) {
			w := rd.do(rd.t.Context(), rd.relayed("m"))
			if w.status != 429 || w.header.Get("Retry-After") != "7" || w.took != 0 || s.count() != 1 {
				t.Errorf("%s: relayed with status %d, Retry-After %q, after %v and %d requests", name, w.status, w.header.Get("Retry-After"), w.took, s.count())
			}
			rd.sleep(time.Second)
			w = next(rd)
			if w.status != 200 || w.took < 5900*time.Millisecond || w.took > 7*time.Second || s.count() != 2 {
				t.Errorf("%s: the next call had status %d after %v and %d requests, want it to wait for 6s", name, w.status, w.took, s.count())
			}
		})
	}
	f("relayed", func(rd *road) *reply { return rd.do(rd.t.Context(), rd.relayed("m")) })
	f("understood", func(rd *road) *reply { return rd.chat("p/m") })
}
