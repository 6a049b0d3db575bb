package app

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// stream is an answer of which the client has read the first content.
type stream struct {
	t    *testing.T
	resp *http.Response
	goOn chan struct{} // closed by the test: the provider ends its answer
	left chan struct{} // closed by the provider's script when its call is canceled
}

// openStream starts a stream and returns when its first content is with the client.
func (g *gate) openStream(t *testing.T, p *provider) *stream {
	t.Helper()
	s := &stream{t: t, goOn: make(chan struct{}), left: make(chan struct{})}
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		begin(w, r)
		select {
		case <-s.goOn:
			send(w, stopped+done)
		case <-r.Context().Done():
			close(s.left)
		}
	})
	s.resp = g.open(context.Background(), "/chat/completions"+q, askStream)
	t.Cleanup(func() { s.resp.Body.Close() })
	b := make([]byte, len(role+hello))
	if _, err := io.ReadFull(s.resp.Body, b); err != nil {
		t.Fatal(err)
	}
	return s
}

// rest reads the stream to its end.
func (s *stream) rest() reply {
	s.t.Helper()
	b, err := io.ReadAll(s.resp.Body)
	return reply{s.resp.StatusCode, s.resp.Header, role + hello + string(b), err}
}

// get asks the gateway on a connection of its own.
func (g *gate) get(path string) reply {
	g.t.Helper()
	resp, err := g.client.Get("http://" + g.Addr().String() + path)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

// TestDrain ends a gateway that has streams open: first it reports not ready but still answers, then it takes nothing
// new, then streams finish.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"drain: {delay: 3s, soft: 20s, hard: 30s}\n")
	q := p.script(say(jsonBody, whole))
	if rp := g.get("/readyz"); rp.status != 200 {
		t.Fatalf("status %d before the drain", rp.status)
	}
	s := g.openStream(t, p)

	g.stop()
	eventually(t, "not ready", func() bool { return g.get("/readyz").status == http.StatusServiceUnavailable })
	if rp := g.get("/healthz"); rp.status != 200 {
		t.Errorf("not healthy while it drains: status %d", rp.status)
	}
	resp := g.open(t.Context(), "/chat/completions"+q, askWhole)
	resp.Body.Close()
	if resp.StatusCode != 200 || !resp.Close {
		t.Errorf("before the delay is over: status %d, connection closed %v; want 200 on a connection that is not used again", resp.StatusCode, resp.Close)
	}
	// While streams are open the listener is too, so that who comes now is told why there is no answer.
	var refused reply
	eventually(t, "new calls refused", func() bool {
		refused = g.post("/chat/completions"+q, askWhole)
		return refused.status != 200
	})
	wantError(t, refused, http.StatusServiceUnavailable, "draining")
	if refused.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q, want 1", refused.header.Get("Retry-After"))
	}
	select {
	case <-g.ended:
		t.Fatal("ended while a stream is open")
	default:
	}
	close(s.goOn)
	if rp := s.rest(); rp.err != nil || rp.body != role+hello+stopped+done {
		t.Errorf("the stream did not finish: %v, %q", rp.err, rp.body)
	}
	await(t, "end of the gateway", g.ended)
}

// TestDrainKeepsItsWord: a request on a connection that was kept from before the drain gets its answer, which says that the next one needs another
// connection.
func TestDrainKeepsItsWord(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"drain: {delay: 3s, soft: 20s, hard: 30s}\n")
	q := p.script(say(jsonBody, whole))
	s := g.openStream(t, p) // so that there is somebody to wait for
	conn, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	ask := func() *http.Response {
		t.Helper()
		rq := g.request(t.Context(), "/chat/completions"+q, strings.NewReader(askWhole))
		if err := rq.Write(conn); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, rq)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if resp := ask(); resp.StatusCode != 200 || resp.Close {
		t.Fatalf("before the drain: status %d, connection closed %v", resp.StatusCode, resp.Close)
	}
	g.stop()
	eventually(t, "not ready", func() bool { return g.get("/readyz").status == http.StatusServiceUnavailable })
	if resp := ask(); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("on a kept connection: status %d, connection closed %v; want 200 and that it is not used again", resp.StatusCode, resp.Close)
	}
	if _, err := answers.ReadByte(); err != io.EOF {
		t.Errorf("after that: %v, want the end of the connection", err)
	}
	close(s.goOn)
	s.rest()
	await(t, "end of the gateway", g.ended)
}

// TestDrainSoftLimit has calls that are not over at the soft limit: they are told in their own protocol.
func TestDrainSoftLimit(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"drain: {soft: 200ms, hard: 20s}\n")
	s := g.openStream(t, p)
	has := make(chan struct{})
	q := p.script(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(has)
		<-r.Context().Done()
	})
	answered := make(chan reply, 1)
	go func() {
		answered <- do(t, g.client, g.request(context.Background(), "/chat/completions"+q, strings.NewReader(askWhole)))
	}()
	await(t, "call at the provider", has)

	begin := time.Now()
	g.stop()
	rp := s.rest()
	if took := time.Since(begin); took < 150*time.Millisecond {
		t.Errorf("the stream was ended after %v, before the soft limit", took)
	}
	wantBroken(t, "stream", rp, role+hello, "draining")
	wantError(t, await(t, "answer", answered), http.StatusServiceUnavailable, "draining")
	await(t, "cancel at the provider", s.left)
	await(t, "end of the gateway", g.ended)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the drain took %v, though nothing was left after the soft limit", took)
	}
}

// TestDrainHardLimit has a client that does not read: the hard limit cuts its connection.
func TestDrainHardLimit(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"drain: {soft: 100ms, hard: 1200ms}\nclients: {write_stall: 1m}\nguards: {repetition: \"off\"}\n")
	stuck(t, g, p)
	begin := time.Now()
	g.stop()
	await(t, "end of the gateway", g.ended)
	if took := time.Since(begin); took < time.Second || took > 10*time.Second {
		t.Errorf("the drain took %v, want 1.2s", took)
	}
}

// TestDrainNow skips the waits, as a second signal does.
func TestDrainNow(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"drain: {delay: 1m, soft: 2m, hard: 3m}\n")
	s := g.openStream(t, p)
	g.stop()
	eventually(t, "not ready", func() bool { return g.get("/readyz").status == http.StatusServiceUnavailable })
	g.cut()
	wantBroken(t, "stream", s.rest(), role+hello, "draining")
	await(t, "end of the gateway", g.ended)
}

// stuck opens a stream whose client does not read, and returns when writes to it block.
func stuck(t *testing.T, g *gate, p *provider) {
	t.Helper()
	full := make(chan struct{})
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", sse)
		big := strings.Replace(hello, "hello", strings.Repeat("x", 64<<10), 1)
		var told sync.Once // on a busy machine more than one write may take so long
		once := time.AfterFunc(time.Hour, func() { told.Do(func() { close(full) }) })
		for r.Context().Err() == nil {
			once.Reset(3 * time.Second) // fires when a write blocks for so long, which one does not on a busy machine
			send(w, big)
		}
		once.Stop()
	})
	c := g.dial()
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := io.WriteString(c, "POST /v1/chat/completions"+q+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+itoa(len(askStream))+"\r\n\r\n"+askStream); err != nil {
		t.Fatal(err)
	}
	await(t, "a write that blocks", full)
}
