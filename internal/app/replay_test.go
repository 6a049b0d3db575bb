package app

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestIdempotencyKeyOutlivesTheProcess answers a key's second request from the database, after a restart, with the provider asked once and
// one row in the ledger.
func TestIdempotencyKeyOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, ask, kind, body string }{{"whole", askWhole, jsonBody, whole}, {"stream", askStream, sse, hello + stopped + done}} {
		p := newProvider(t, false)
		var asked atomic.Int32
		q := p.script(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			say(c.kind, c.body)(w, r)
		})
		first := start(t, account("p", p.URL))
		one := first.post("/chat/completions"+q, c.ask, "Idempotency-Key", "k")
		if one.status != 200 || one.header.Get("X-Sluice-Replayed") != "" {
			t.Fatalf("%s: %d %s", c.name, one.status, one.body)
		}
		if rows := first.rows(); len(rows) != 1 || rows[0].Status != 200 || rows[0].Target != "p/m" {
			t.Errorf("%s: rows %+v", c.name, rows)
		}
		first.close()

		second := startIn(t, first.data, account("p", p.URL))
		two := second.post("/chat/completions"+q, c.ask, "Idempotency-Key", "k")
		if two.status != 200 || two.body != one.body || two.header.Get("X-Sluice-Replayed") != "true" ||
			two.header.Get("X-Sluice-Original-Request-Id") != one.header.Get("X-Sluice-Request-Id") || two.header.Get("X-Sluice-Target") != "p/m" {
			t.Errorf("%s: %d %v %q, want %q", c.name, two.status, two.header, two.body, one.body)
		}
		wantError(t, second.post("/chat/completions"+q, c.ask+" ", "Idempotency-Key", "k"), http.StatusConflict, "idempotency_mismatch")
		if n := asked.Load(); n != 1 {
			t.Errorf("%s: the provider was asked %d times", c.name, n)
		}
		if rows := second.rows(); len(rows) != 1 {
			t.Errorf("%s: %d rows", c.name, len(rows))
		}
		second.close()
	}
}

// dropped begins a resumable stream, whose provider waits for goOn before it goes on, and leaves it after its first event.
func (g *gate) dropped(t *testing.T, q string) (call string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := g.open(ctx, "/chat/completions"+q, askStream, "X-Sluice-Resumable", "true")
	defer resp.Body.Close()
	call = resp.Header.Get("X-Sluice-Request-Id")
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || line != "id: "+call+"-1\n" {
		t.Fatalf("begins with %q, %v", line, err)
	}
	return call
}

// TestResumedStreamMissesNothing drops a client, lets the provider go on, and reads the rest: byte for byte, with one call to the provider.
func TestResumedStreamMissesNothing(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL))
	goOn := make(chan struct{})
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		say(sse, hello)(w, r)
		_ = http.NewResponseController(w).Flush() // the gateway sees it, or the test fails
		<-goOn
		_, _ = io.WriteString(w, hello+hello+stopped+done)
	})
	call := g.dropped(t, q)
	if n := g.ingress.Detached(); n != 1 {
		t.Fatalf("%d calls go on without their client", n)
	}
	close(goOn)
	rq, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/streams/"+call, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("Last-Event-ID", call+"-1")
	rp := do(t, g.client, rq)
	want := "id: " + call + "-2\n" + hello + "id: " + call + "-3\n" + hello + "id: " + call + "-4\n" + stopped + "id: " + call + "-5\n" + done
	if rp.status != 200 || rp.body != want {
		t.Errorf("%d %q, want %q", rp.status, rp.body, want)
	}
	rows := g.rows()
	if len(rows) != 1 || rows[0].Status != 200 || rows[0].ID != call {
		t.Errorf("rows %+v", rows)
	}
	eventually(t, "no call left", func() bool { return g.ingress.Detached() == 0 })
}

// TestGraceEnds: nobody comes back, so that the provider's connection is closed after resume.grace, and what was used is billed.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"resume: {grace: 50ms}\n")
	left := make(chan struct{})
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		say(sse, hello)(w, r)
		_ = http.NewResponseController(w).Flush() // as above
		<-r.Context().Done()
		close(left)
	})
	call := g.dropped(t, q)
	await(t, "end at the provider", left)
	eventually(t, "no call left", func() bool { return g.ingress.Detached() == 0 })
	rows := g.rows()
	if len(rows) != 1 || rows[0].ID != call || rows[0].Status != 499 || rows[0].Code != "client_closed_request" || rows[0].Usage.Output == 0 || !rows[0].Usage.Estimated {
		t.Errorf("rows %+v", rows)
	}
}

// TestDrainEndsCallsWithoutClients: a gateway that is going does not wait for clients that cannot come back.
func TestDrainEndsCallsWithoutClients(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"resume: {grace: 1h}\ndrain: {soft: 1h, hard: 2h}\n")
	left := make(chan struct{})
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		say(sse, hello)(w, r)
		_ = http.NewResponseController(w).Flush() // as above
		<-r.Context().Done()
		close(left)
	})
	g.dropped(t, q)
	begin := time.Now()
	g.stop()
	await(t, "end at the provider", left)
	await(t, "end of the gateway", g.ended)
	if took := time.Since(begin); took > soon {
		t.Errorf("the drain took %v", took)
	}
}

// TestSoftLimitTellsReadersOfRecordings: a resumable stream that is not over at the soft limit is told so, as any other is.
func TestSoftLimitTellsReadersOfRecordings(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"drain: {soft: 100ms, hard: 20s}\n")
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		say(sse, hello)(w, r)
		_ = http.NewResponseController(w).Flush() // as above
		<-r.Context().Done()
	})
	resp := g.open(t.Context(), "/chat/completions"+q, askStream, "X-Sluice-Resumable", "true")
	defer resp.Body.Close()
	br := bufio.NewReader(resp.Body)
	if _, err := br.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	g.stop()
	rest, err := io.ReadAll(br)
	if err != nil || !strings.Contains(string(rest), `"code":"draining"`) {
		t.Errorf("%v, %q", err, rest)
	}
	await(t, "end of the gateway", g.ended)
}
