package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// leaveWhile sends a streamed chat, waits for a number of requests at p and leaves. It returns how long it took until p had lost all of them.
func (g *gate) leaveWhile(t *testing.T, p *patient, model string, requests int) time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rq := g.request(ctx, "/chat/completions", strings.NewReader(`{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	ended := make(chan struct{})
	go func() { // waited for below
		defer close(ended)
		if resp, err := g.client.Do(rq); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	for range requests {
		await(t, "request at the provider", p.asked)
	}
	left := time.Now()
	cancel()
	var last time.Time
	for range requests {
		last = await(t, "end at the provider", p.gone)
	}
	<-ended
	return last.Sub(left)
}

// TestClientGoneLater leaves calls that are past their first attempt: in a rescue, and with a hedge under way.
func TestClientGoneLater(t *testing.T) {
	t.Parallel()
	breaks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, role+hello)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(breaks.Close)
	p := newPatient(t)
	g := start(t, "providers:\n"+provide("a", "openai", breaks.URL+"/v1")+provide("b", "openai", p.URL+"/v1")+provide("c", "openai", p.URL+"/v1")+
		"models:\n  rescued: {targets: [a/m, b/m]}\n  hedged: {targets: [b/m, c/m], hedge: {after: 20ms, budget: 1}}\n"+
		"timeouts: {headers: 5m, first_token: 5m}\n")
	f := func(name, model string, requests int) {
		t.Helper()
		fastest := time.Hour
		for range goneTries {
			fastest = min(fastest, g.leaveWhile(t, p, model, requests))
			g.settled()
		}
		t.Logf("%-10s %v", name, fastest)
		if fastest > goneSoon {
			t.Errorf("%s: the provider lost its connection after %v", name, fastest)
		}
	}
	f("rescue", "rescued", 1)
	f("hedge", "hedged", 2)
}

// TestClientGoneInBackOff leaves a call that waits as long as the provider has asked for: it ends at once, and the provider is not asked again.
func TestClientGoneInBackOff(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 16) // more than there are requests
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
		asked <- struct{}{}
	}))
	t.Cleanup(provider.Close)
	g := start(t, "providers:\n"+provide("p", "openai", provider.URL+"/v1"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rq := g.request(ctx, "/chat/completions", strings.NewReader(`{"model":"p/m","messages":[{"role":"user","content":"hi"}]}`))
	ended := make(chan struct{})
	go func() { // waited for below
		defer close(ended)
		if resp, err := g.client.Do(rq); err == nil {
			resp.Body.Close()
		}
	}()
	await(t, "request at the provider", asked)
	eventually(t, "the wait", func() bool { return g.App.state().Queued == 1 })
	cancel()
	<-ended
	eventually(t, "the call's row", func() bool { return len(g.rows()) == 1 })
	if row := g.rows()[0]; row.Code != "client_closed_request" || row.Attempts != 1 {
		t.Errorf("row %+v", row)
	}
	g.settled()
	if len(asked) != 0 {
		t.Error("the provider was asked for a client that had left")
	}
}
