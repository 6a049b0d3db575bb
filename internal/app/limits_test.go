package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// wantError checks that an answer is an error in OpenAI's shape.
func wantError(t *testing.T, rp reply, status int, code string, says ...string) {
	t.Helper()
	if rp.status != status || rp.header.Get("Content-Type") != jsonBody {
		t.Errorf("status %d, content type %q, want %d, %s", rp.status, rp.header.Get("Content-Type"), status, jsonBody)
	}
	wantErrorObject(t, rp.body, code, says...)
}

// wantErrorObject checks an error object, and that its message says what it must.
func wantErrorObject(t *testing.T, body, code string, says ...string) {
	t.Helper()
	var got struct {
		Error *struct {
			Message, Type string
			Param, Code   *string
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Error == nil || got.Error.Code == nil {
		t.Fatalf("%q is no error object with a code: %v", body, err)
	}
	if *got.Error.Code != code || got.Error.Type == "" {
		t.Errorf("code %q of type %q, want %q: %s", *got.Error.Code, got.Error.Type, code, body)
	}
	for _, s := range says {
		if !strings.Contains(body, s) {
			t.Errorf("%s does not say %q", body, s)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL, "second", p.URL)+"max_body: 4096\n")
	q := p.script(say(jsonBody, whole))
	big := strings.Repeat("x", 5000)

	wantError(t, g.post("/chat/completions"+q, askWhole[:len(askWhole)-1]), 400, "invalid_request", "JSON")
	wantError(t, g.post("/chat/completions"+q, ""), 400, "invalid_request", "empty")
	wantError(t, g.post("/chat/completions"+q, `{"messages":[]}`), 400, "invalid_request", `"param":"model"`)
	wantError(t, g.post("/chat/completions"+q, `{"model":"m","n":"two"}`), 400, "invalid_request", `"param":"n"`)
	wantError(t, g.post("/chat/completions"+q, askWhole, "Content-Encoding", "gzip"), 400, "invalid_request", "gzip")
	wantError(t, g.post("/chat/completions"+q, `{"model":"m","user":"`+big+`"}`), 413, "request_too_large", "max_body", "4096")
	wantError(t, g.post("/nothing/here", askWhole), 404, "unknown_path", "/v1/nothing/here", "/v1/chat/completions")
	wantError(t, g.post("/chat/completions"+q, `{"model":"secnd/m"}`), 404, "model_not_found", "secnd/m")

	chunked := g.request(t.Context(), "/chat/completions"+q, io.MultiReader(strings.NewReader(`{"model":"m","user":"`), strings.NewReader(big)))
	wantError(t, do(t, g.client, chunked), 413, "request_too_large", "max_body")

	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
		rq := g.request(t.Context(), "/chat/completions", nil)
		rq.Method = method
		rp := do(t, g.client, rq)
		wantError(t, rp, 405, "method_not_allowed", method)
		if got := rp.header.Get("Allow"); got != "POST" {
			t.Errorf("Allow is %q, want POST", got)
		}
	}
	wantError(t, g.post("/models", askWhole), 405, "method_not_allowed", "GET")
	if n := p.dialed(); n != 0 {
		t.Errorf("refused requests made %d connections to the provider", n)
	}
	if n := len(g.rows()); n != 1 { // the unknown model was a call; the others never became one
		t.Errorf("%d rows, want 1", n)
	}
}

// do sends a request and reads the answer whole.
func do(t *testing.T, c *http.Client, rq *http.Request) reply {
	t.Helper()
	resp, err := c.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

// dial connects to the gateway without an HTTP client.
func (g *gate) dial() net.Conn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(soon))
	return c
}

// readReply reads one answer from a connection.
func readReply(t *testing.T, c net.Conn) reply {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

func TestHugeHeader(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL))
	c := g.dial()
	fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 80<<10))
	if rp := readReply(t, c); rp.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431: %s", rp.status, rp.body)
	}
}

func TestSlowHeader(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"clients: {read_header: 50ms}\n")
	c := g.dial()
	fmt.Fprint(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: local")
	if b, err := io.ReadAll(c); err != nil { // net/http just closes
		t.Errorf("the connection was not closed: %q, %v", b, err)
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"clients: {read_body: 50ms}\n")
	c := g.dial()
	fmt.Fprint(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"model\":")
	rp := readReply(t, c)
	wantError(t, rp, http.StatusRequestTimeout, "client_too_slow", "clients.read_body")
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	// The limit is for the body only: an answer may take longer.
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		wait(r.Context(), 150*time.Millisecond)
		say(jsonBody, whole)(w, r)
	})
	for range 2 {
		if rp := g.post("/chat/completions"+q, askWhole); rp.status != 200 {
			t.Errorf("status %d: %s", rp.status, rp.body)
		}
	}
}

// TestSlowReader has a client that stops reading: its connection is cut, and the provider need not go on.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"clients: {write_stall: 200ms}\nguards: {repetition: \"off\"}\n")
	left := make(chan struct{})
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", sse)
		big := `data: {"choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", 32<<10) + `"}}]}` + "\n\n"
		for r.Context().Err() == nil {
			send(w, big)
		}
		close(left)
	})
	c := g.dial()
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10) // the less fits, the sooner writes block
	fmt.Fprintf(c, "POST /v1/chat/completions%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", q, len(askStream), askStream)
	await(t, "cancel at the provider", left)
	rows := g.rows()
	if len(rows) != 1 || rows[0].Code != "client_too_slow" || !rows[0].Usage.Estimated || rows[0].Usage.Output == 0 {
		t.Errorf("rows %+v, want one with code client_too_slow and usage that is estimated", rows)
	}
	g.wantMetrics("sluice_open_streams 0", "sluice_inflight 0")
}
