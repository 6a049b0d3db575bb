package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const (
	refusedChunk = `data: {"error":{"message":"the engine died","type":"server_error","code":"engine_died"}}` + "\n\n"
	noRetry      = "retry: {attempts: 1}\n"
)

// inTwo asks for a stream of which the provider sends the first part, waits until the client has what it is to get of
// it, and sends the second. With cut it then breaks the connection; otherwise the answer ends well, as far as HTTP goes.
func (g *gate) inTwo(p *provider, ask, first, gets, second string, cut bool) reply {
	g.t.Helper()
	goOn := make(chan struct{})
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", sse)
		send(w, first)
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		send(w, second)
		if cut {
			panic(http.ErrAbortHandler)
		}
	})
	resp := g.open(g.t.Context(), "/chat/completions"+q, ask)
	defer resp.Body.Close()
	b := make([]byte, len(gets))
	if n, err := io.ReadFull(resp.Body, b); err != nil {
		g.t.Fatalf("%q and no more: %v", b[:n], err)
	}
	close(goOn)
	rest, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b) + string(rest), err}
}

// wantBroken checks that a stream brought what it could and ended with an error event, and with no [DONE].
func wantBroken(t *testing.T, name string, rp reply, before, code string) {
	t.Helper()
	if rp.status != 200 || rp.err != nil || !strings.HasPrefix(rp.body, before) {
		t.Errorf("%s: status %d, %v, body %q, want it to begin with %q", name, rp.status, rp.err, rp.body, before)
		return
	}
	last, ok := strings.CutPrefix(rp.body[len(before):], "data: ")
	if !ok || !strings.HasSuffix(last, "\n\n") || strings.Contains(rp.body, "[DONE]") {
		t.Errorf("%s: the stream ends with %q, want one error event", name, rp.body[len(before):])
		return
	}
	wantErrorObject(t, strings.TrimSpace(last), code)
}

func TestMalformedEvents(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL))
	bad := "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"\n\ndata: nonsense\n\n"
	rp := g.post("/chat/completions"+p.script(say(sse, bad+role+hello+bad+stopped+done)), askStream)
	if rp.status != 200 || rp.body != role+hello+stopped+done {
		t.Errorf("status %d, body %q", rp.status, rp.body)
	}
	g.wantMetrics("sluice_malformed_events_total 4")
	rp = g.post("/chat/completions"+p.script(say(sse, bad)), askStream)
	wantError(t, rp, http.StatusBadGateway, "provider_truncated")
}

// TestIgnoredN has a server answer with one choice where more were asked for: that is complete, in both forms, if the
// stream says so by [DONE].
func TestIgnoredN(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+noRetry)
	two := func(ask string) string { return strings.Replace(ask, `{`, `{"n":2,`, 1) }
	for _, c := range []struct{ kind, body, ask string }{
		{sse, role + hello + stopped + done, askStream}, {jsonBody, whole, askWhole},
	} {
		rp := g.post("/chat/completions"+p.script(say(c.kind, c.body)), two(c.ask))
		if rp.status != http.StatusOK || rp.body != c.body {
			t.Errorf("%s: status %d, body %q", c.ask, rp.status, rp.body)
		}
		if row := g.row(rp); row.Code != "" {
			t.Errorf("%s: row %+v", c.ask, row)
		}
	}
	rp := g.post("/chat/completions"+p.script(say(sse, role+hello+stopped)), two(askStream))
	wantError(t, rp, http.StatusBadGateway, "provider_truncated")
}

// TestTruncated has answers end too early, in each way that they can: none of them is a success.
func TestTruncated(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+noRetry)
	askTwo := strings.Replace(askStream, `"stream"`, `"n":2,"stream"`, 1)
	second := strings.ReplaceAll(hello, `"index":0`, `"index":1`)
	for _, c := range []struct {
		name, ask, first, then string
		cut                    bool
		more                   string // what reaches the client of the second part
	}{
		{"end without finish reason", askStream, role + hello, "", false, ""},
		{"cut after content", askStream, role + hello, "", true, ""},
		{"cut inside of an event", askStream, hello, hello[:30], true, ""},
		{"end inside of an event", askStream, hello, hello[:30], false, ""},
		{"end inside of the finish reason", askStream, hello, stopped[:len(stopped)-4], false, ""},
		{"done without finish reason", askStream, hello, done, false, ""},
		{"two choices, cut after a finish reason", askTwo, hello, stopped, true, stopped},
		{"one of two choices", askTwo, hello + second, stopped, false, stopped},
		{"one of two choices, done", askTwo, hello + second, stopped + done, false, stopped},
	} {
		rp := g.inTwo(p, c.ask, c.first, c.first, c.then, c.cut)
		wantBroken(t, c.name, rp, c.first+c.more, "provider_truncated")
		row := g.row(rp)
		if row.Code != "provider_truncated" || row.Cause != "provider" || !row.Usage.Estimated || row.Usage.Output == 0 || row.Usage.Input == 0 {
			t.Errorf("%s: row %+v", c.name, row)
		}
	}
	for _, c := range []struct{ name, body string }{
		{"no finish reason", strings.Replace(whole, `"stop"`, "null", 1)}, {"cut", whole[:40]}, {"empty", ""},
	} {
		rp := g.post("/chat/completions"+p.script(say(jsonBody, c.body)), askWhole)
		if rp.status != http.StatusBadGateway {
			t.Errorf("whole answer, %s: status %d: %s", c.name, rp.status, rp.body)
		}
		if row := g.row(rp); row.Code == "" || row.Status != http.StatusBadGateway {
			t.Errorf("whole answer, %s: row %+v", c.name, row)
		}
	}
}

// TestEndWithoutDone has streams that end without [DONE] after their finish reason: they are complete, and the client gets its mark.
func TestEndWithoutDone(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL))
	usage := `data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}` + "\n\n"
	for _, body := range []string{hello + stopped, hello + stopped + usage, hello + stopped + usage + done} {
		rp := g.post("/chat/completions"+p.script(say(sse, body)), askStream)
		if want := strings.TrimSuffix(strings.Replace(body, usage, "", 1), done) + done; rp.status != 200 || rp.err != nil || rp.body != want {
			t.Errorf("status %d, %v, body %q, want %q", rp.status, rp.err, rp.body, want)
		}
		row := g.row(rp)
		if counted := strings.Contains(body, usage); row.Code != "" || row.Status != 200 || row.Usage.Estimated == counted || counted && row.Usage.Output != 7 {
			t.Errorf("%q: row %+v", body, row)
		}
	}
}

// TestCutBehindTheEnd has a connection break after the finish reason: nothing of the answer can be missing, and the client gets its mark.
func TestCutBehindTheEnd(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+noRetry)
	rp := g.inTwo(p, askStream, hello, hello, stopped, true)
	if want := hello + stopped + done; rp.status != 200 || rp.err != nil || rp.body != want {
		t.Errorf("status %d, %v, body %q, want %q", rp.status, rp.err, rp.body, want)
	}
	if row := g.row(rp); row.Code != "" || row.Status != 200 || !row.Usage.Estimated || row.Usage.Output == 0 {
		t.Errorf("row %+v", row)
	}
}

// TestErrorInStream has the error come before content, where another target can be asked, and after it, where not.
func TestErrorInStream(t *testing.T) {
	t.Parallel()
	p, second := newProvider(t, false), newProvider(t, false)
	good := hello + stopped + done
	g := start(t, account("p", p.URL, "second", second.URL)+"models:\n  both: {targets: [p/m, second/m]}\nretry: {budget: 1}\nbreaker: {check: false}\n") // the provider has no list of models
	ask := strings.Replace(askStream, `"m"`, `"both"`, 1)
	// Content that came in one piece with the error has not been sent on either.
	for _, before := range []string{"", role, ": ping\n\n", role + hello} {
		q := p.script(say(sse, before+refusedChunk+stopped+done))
		second.scripts.Store(strings.TrimPrefix(q, "?script="), say(sse, good))
		rp := g.post("/chat/completions"+q, ask)
		if rp.status != 200 || rp.body != good || rp.header.Get("X-Sluice-Target") != "second/m" || rp.header.Get("X-Sluice-Attempts") != "2" {
			t.Errorf("after %q: status %d, headers %v, body %q, want the second target's", before, rp.status, rp.header, rp.body)
		}
		if row := g.row(rp); row.Code != "" || row.Attempts != 2 || row.Target != "second/m" {
			t.Errorf("row %+v", row)
		}
	}
	for _, c := range []string{
		refusedChunk, `data: {"error":"died"}` + "\n\n", "event: error\ndata: died\n\n", `data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}],"error":{"message":"died","code":502}}` + "\n\n",
		`data: {"x_groq":{"error":"died"},"choices":[]}` + "\n\n", `data: [{"error":{"message":"died","code":500}}]` + "\n\n", "error: {\"message\":\"died\"}\n\n",
	} {
		g := start(t, account("p", p.URL, "second", second.URL)+"models:\n  both: {targets: [p/m, second/m]}\non_break: error\n") // p is in good health
		rp := g.inTwo(p, ask, role+hello, role+hello, c+stopped+done, false)
		wantBroken(t, c, rp, role+hello, "provider_stream_error")
		if !strings.Contains(rp.body, "died") {
			t.Errorf("%s: %q does not say what the provider said", c, rp.body)
		}
		if row := g.row(rp); row.Code != "provider_stream_error" || row.Attempts != 1 || !row.Usage.Estimated {
			t.Errorf("%s: row %+v", c, row)
		}
	}
}

// TestErrorInStreamLast has nobody else to ask: the client gets an HTTP error.
func TestErrorInStreamLast(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+noRetry)
	rp := g.post("/chat/completions"+p.script(say(sse, role+refusedChunk)), askStream)
	wantError(t, rp, http.StatusBadGateway, "provider_stream_error", "the engine died")
	rp = g.post("/chat/completions"+p.script(say(jsonBody, refusedChunk[len("data: "):])), askWhole)
	wantError(t, rp, http.StatusBadGateway, "provider_stream_error", "the engine died")
}

// TestHugeEvent has a provider send an event over the limit.
func TestHugeEvent(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, fmt.Sprintf("providers:\n  p: {api: openai, base_url: \"%s/v1\", max_event: 4096, max_answer: 4096}\n", p.URL)+noRetry)
	long := strings.Replace(hello, "hello", strings.Repeat("x", 5000), 1)
	wantBroken(t, "huge event", g.inTwo(p, askStream, hello, hello, long+stopped, false), hello, "provider_bad_answer")
	wantError(t, g.post("/chat/completions"+p.script(say(sse, long+stopped)), askStream), 502, "provider_bad_answer", "4096")
	long = strings.Replace(whole, "hello", strings.Repeat("x", 5000), 1)
	wantError(t, g.post("/chat/completions"+p.script(say(jsonBody, long)), askWhole), 502, "provider_bad_answer", "max_answer")
}
