package app

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// provider is a provider that answers as its test says. A test puts a script in place and names it in the query of its
// call, which Sluice passes on.
type provider struct {
	*httptest.Server
	scripts sync.Map // string -> func(http.ResponseWriter, *http.Request)
	last    atomic.Int64
	proto   atomic.Int32 // major version of HTTP that the last request came with

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]http.ConnState
	opened int
}

// newProvider starts a provider. With secure it speaks TLS: one write is one record then, and one read of Sluice's gets no
// more than one record, so that the places where an answer is split are really those that the test wants.
func newProvider(t testing.TB, secure bool) *provider {
	t.Helper()
	return serve(t, secure, false)
}

func serve(t testing.TB, secure, http2 bool) *provider {
	p := &provider{conns: map[net.Conn]http.ConnState{}}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ConnState = p.track
	p.EnableHTTP2 = http2
	if secure {
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(p.Close)
	return p
}

func (p *provider) track(c net.Conn, s http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch s {
	case http.StateNew:
		p.opened++
		p.conns[c] = s
	case http.StateClosed, http.StateHijacked:
		delete(p.conns, c)
	default:
		p.conns[c] = s
	}
}

// open returns how many connections there are, and how many of them are in use.
func (p *provider) open() (all, active int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.conns {
		if s == http.StateActive {
			active++
		}
	}
	return len(p.conns), active
}

// dialed returns how many connections there have been.
func (p *provider) dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.proto.Store(int32(r.ProtoMajor))
	f, ok := p.scripts.Load(r.URL.Query().Get("script"))
	if !ok {
		http.Error(w, `{"error":{"message":"no such script"}}`, http.StatusTeapot)
		return
	}
	f.(func(http.ResponseWriter, *http.Request))(w, r)
}

// script puts a script in place and returns the query that asks for it.
func (p *provider) script(f func(http.ResponseWriter, *http.Request)) string {
	id := strconv.FormatInt(p.last.Add(1), 10)
	p.scripts.Store(id, f)
	return "?script=" + id
}

// say is a script that answers 200 with a body.
func say(contentType, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a client that left is no matter
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}

const (
	sse      = "text/event-stream"
	jsonBody = "application/json"
)

// send writes and flushes.
func send(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush() // a client that left is no matter
}

// account returns the configuration of providers at addresses: names and URLs in turn.
func account(pairs ...string) string {
	text := "providers:\n"
	for i := 0; i+1 < len(pairs); i += 2 {
		text += "  " + pairs[i] + ": {api: openai, base_url: \"" + pairs[i+1] + "/v1\", api_key: provider-secret, models: [m]}\n"
	}
	return text
}

// A few bodies that most tests can do with.
const (
	askStream = `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	askWhole  = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

	role    = `data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant"}}]}` + "\n\n"
	hello   = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"hello"}}]}` + "\n\n"
	stopped = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	done    = "data: [DONE]\n\n"
	whole   = `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}`
)
