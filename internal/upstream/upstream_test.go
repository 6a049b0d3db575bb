package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// account opens an account at a test server.
func account(t *testing.T, base string, change func(*upstream.Provider)) *upstream.Account {
	t.Helper()
	p := upstream.Provider{Name: "p", BaseURL: base, APIKey: llm.NewSecret("sk-provider")}
	if change != nil {
		change(&p)
	}
	a, err := upstream.Open(&p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // a server that has not read the body does not notice a client that leaves
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

func post(body string) *upstream.Request {
	return &upstream.Request{Method: "POST", Path: "/chat/completions", Body: []byte(body), Header: http.Header{}}
}

func TestSendForwardsBytesAndKeepsCredentials(t *testing.T) {
	var got http.Header
	var path, query, body string
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, path, query, body = r.Header, r.URL.Path, r.URL.RawQuery, string(b)
		_, _ = io.WriteString(w, "answer")
	})
	a := account(t, base, func(p *upstream.Provider) {
		p.Organization, p.Project = "org-1", "proj-1"
		p.Headers = map[string]llm.Secret{"x-title": llm.NewSecret("sluice")}
	})
	rq := post(`{"a":1}`)
	rq.Query, rq.TraceParent = "api-version=1", "00-trace"
	rq.Header = http.Header{
		"Authorization": {"Bearer client"}, "X-Api-Key": {"client"}, "Api-Key": {"client"}, "X-Goog-Api-Key": {"client"},
		"Cookie": {"c=1"}, "Proxy-Authorization": {"x"}, "X-Sluice-Class": {"bulk"}, "X-Forwarded-For": {"1.2.3.4"},
		"Openai-Organization": {"org-client"}, "Traceparent": {"client"}, "Accept-Encoding": {"gzip"}, "Idempotency-Key": {"k"},
		"X-Idempotency-Key": {"k"}, "X-Original-Url": {"/x"}, "X-Rewrite-Url": {"/x"}, "X-Original-Host": {"x"},
		"X-Http-Method-Override": {"GET"}, "X-Method-Override": {"GET"}, "X_api_key": {"client"}, "Openai_organization": {"org-client"},
		"Openai-Beta": {"x=1"}, "User-Agent": {"OpenAI/JS 7"}, "X-Stainless-Lang": {"js"}, "Http-Referer": {"app"},
	}
	answer, e := a.Send(t.Context(), rq)
	if e != nil {
		t.Fatal(e)
	}
	defer answer.Close()
	if path != "/v1/chat/completions" || query != "api-version=1" || body != `{"a":1}` {
		t.Errorf("sent %s?%s %s", path, query, body)
	}
	want := http.Header{
		"Authorization": {"Bearer sk-provider"}, "Openai-Organization": {"org-1"}, "Openai-Project": {"proj-1"}, "X-Title": {"sluice"},
		"Openai-Beta": {"x=1"}, "User-Agent": {"OpenAI/JS 7"}, "X-Stainless-Lang": {"js"}, "Http-Referer": {"app"},
		"Content-Type": {"application/json"}, "Content-Length": {"7"}, "Traceparent": {"00-trace"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("headers at the provider (-want +got):\n%s", d)
	}
}

// TestTimeouts checks that each phase has its own limit and its own error.
func TestTimeouts(t *testing.T) {
	const short = 40 * time.Millisecond
	hold := make(chan struct{})
	stream := func(events ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for _, e := range events {
				_, _ = io.WriteString(w, e)
				w.(http.Flusher).Flush()
			}
			select {
			case <-r.Context().Done():
			case <-hold:
			}
		}
	}
	t.Cleanup(func() { close(hold) })
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		limits  upstream.Limits
		token   bool // report a first token after the first read
		want    llm.Kind
	}{
		{"headers", stream(), upstream.Limits{Headers: short}, false, llm.KindHeaderTimeout},
		{"first token", stream("data: {}\n\n"), upstream.Limits{FirstToken: short, Idle: time.Hour}, false, llm.KindFirstToken},
		{"idle", stream("data: {}\n\n"), upstream.Limits{FirstToken: time.Hour, Idle: short}, true, llm.KindStalled},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := account(t, serve(t, c.handler), nil)
			rq := post("{}")
			rq.Stream, rq.Limits = true, c.limits
			answer, e := a.Send(t.Context(), rq)
			if e == nil {
				defer answer.Close()
				var buf [100]byte
				for {
					_, err := answer.Read(buf[:])
					if err != nil {
						e = answer.Fail(err)
						break
					}
					if c.token {
						answer.FirstToken()
					}
				}
			}
			if e.Kind != c.want || e.Sent != llm.WasSent || !strings.Contains(e.Message, "timeouts.") {
				t.Errorf("got %v (sent %v), want kind %v naming its setting", e, e.Sent, c.want)
			}
		})
	}
}

// TestConnectTimeout connects to a listener whose queue is full, so that the handshake never ends.
func TestConnectTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	// TLS over a listener that accepts (in the kernel) and never answers: the connection is never usable.
	a := account(t, "https://"+ln.Addr().String(), nil)
	rq := post("{}")
	rq.Limits = upstream.Limits{Connect: 30 * time.Millisecond, Headers: time.Hour}
	_, e := a.Send(t.Context(), rq)
	if e == nil || e.Kind != llm.KindConnectTimeout || e.Sent != llm.NotSent {
		t.Fatalf("got %v, want a connect timeout that was not sent", e)
	}
	ln.Close() // ends the dial that is still under way
}

func TestRefusedConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, e := account(t, "http://"+addr, nil).Send(t.Context(), post("{}"))
	if e == nil || e.Kind != llm.KindUnreachable || e.Sent != llm.NotSent {
		t.Fatalf("got %v, want unreachable and not sent", e)
	}
}

func TestResetBeforeHeaders(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	_, e := account(t, base, nil).Send(t.Context(), post("{}"))
	if e == nil || e.Kind != llm.KindUnreachable || e.Sent != llm.WasSent {
		t.Fatalf("got %v, want unreachable and sent", e)
	}
}

// TestCancelReachesProvider checks that the provider sees the client's leaving, with the cause kept apart.
func TestCancelReachesProvider(t *testing.T) {
	shutdown := llm.Errorf(llm.KindDraining, "shutting down")
	for _, c := range []struct {
		cause error
		want  llm.Kind
	}{{context.Canceled, llm.KindCanceled}, {shutdown, llm.KindDraining}} {
		gone := make(chan struct{})
		base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			close(gone)
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		answer, e := account(t, base, nil).Send(ctx, post("{}"))
		if e != nil {
			t.Fatal(e)
		}
		cancel(c.cause)
		_, err := answer.Read(make([]byte, 10))
		if got := answer.Fail(err); got.Kind != c.want {
			t.Errorf("got %v, want kind %v", got, c.want)
		}
		answer.Close()
		<-gone
	}
}

// TestIdleLimit sends something more often than the idle limit, for longer than it. In a stream it keeps the attempt alive
// only if the caller says that it was progress.
func TestIdleLimit(t *testing.T) {
	for _, c := range []struct {
		name             string
		stream, progress bool
		want             llm.Kind
	}{
		{"stream with tokens", true, true, llm.KindNone},
		{"stream with comments", true, false, llm.KindStalled},
		{"whole answer", false, false, llm.KindNone},
	} {
		t.Run(c.name, func(t *testing.T) { testIdle(t, c.stream, c.progress, c.want) })
	}
}

func testIdle(t *testing.T, stream, progress bool, want llm.Kind) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range 20 {
			<-tick.C
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
	})
	rq := post("{}")
	rq.Stream, rq.Limits = stream, upstream.Limits{FirstToken: 5 * time.Second, Idle: 200 * time.Millisecond}
	answer, e := account(t, base, nil).Send(t.Context(), rq)
	if e != nil {
		t.Fatal(e)
	}
	defer answer.Close()
	answer.FirstToken()
	got, kind := 0, llm.KindNone
	for {
		n, err := answer.Read(make([]byte, 10))
		got += n
		if progress {
			answer.Progress()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			kind = answer.Fail(err).Kind
			break
		}
	}
	if kind != want || want == llm.KindNone && got != 20 {
		t.Errorf("read %d bytes and ended with %q, want %q", got, kind, want)
	}
}

// TestHTTP2StreamLimit sends more calls at once than one HTTP/2 connection of the provider takes: they must not queue
// behind each other.
func TestHTTP2StreamLimit(t *testing.T) {
	const limit, calls = 5, 40
	var all sync.WaitGroup
	all.Add(calls)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("provider was asked by %s", r.Proto)
		}
		all.Done()
		all.Wait() // no call ends before all have begun
	}))
	s.EnableHTTP2 = true
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: limit}
	s.StartTLS()
	t.Cleanup(s.Close)
	a := account(t, s.URL, nil)
	upstream.Trust(a, &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			rq := post("{}")
			rq.Limits.Headers = 20 * time.Second
			answer, e := a.Send(t.Context(), rq)
			if e != nil {
				t.Error(e)
				all.Done() // do not keep the others waiting
				return
			}
			answer.Finish()
		})
	}
	wg.Wait()
}

// TestConnectionsAreReused counts connections over many calls, one after the other, whose last bytes are left to Finish.
func TestConnectionsAreReused(t *testing.T) {
	var conns sync.Map
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conns.Store(r.RemoteAddr, true)
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	})
	a := account(t, base, nil)
	for range 50 {
		answer, e := a.Send(t.Context(), post("{}"))
		if e != nil {
			t.Fatal(e)
		}
		line, err := bufio.NewReaderSize(answer, 16).ReadString('\n')
		if err != nil || line != "data: [DONE]\n" {
			t.Fatalf("read %q, %v", line, err)
		}
		answer.Finish()
	}
	n := 0
	conns.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d connections for 50 calls in a row, want 1", n)
	}
}

// TestFinishGivesUp checks that a provider that does not end its answer cannot hold a call.
func TestFinishGivesUp(t *testing.T) {
	hold := make(chan struct{})
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-hold:
		}
	})
	defer close(hold)
	answer, e := account(t, base, nil).Send(t.Context(), post("{}"))
	if e != nil {
		t.Fatal(e)
	}
	answer.Finish()
	if _, err := answer.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read after Finish: %v, want a closed body", err)
	}
}

// TestOneSend checks that a request is sent once, whatever the client's headers say: the transport must not send again what a
// provider may have worked on.
func TestOneSend(t *testing.T) {
	for _, key := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		var asked atomic.Int64
		a := account(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) > 1 {
				panic(http.ErrAbortHandler) // a connection that was used before breaks
			}
		}), func(p *upstream.Provider) { p.Connections = 1 }) // takes net/http's transport
		for n, want := range []llm.Kind{llm.KindNone, llm.KindUnreachable} {
			rq := post("{}")
			rq.Header.Set(key, "k")
			answer, e := a.Send(t.Context(), rq)
			if e == nil {
				answer.Finish()
				e = &llm.Error{}
			}
			if e.Kind != want || asked.Load() != int64(n+1) {
				t.Errorf("%s: request %d ended with %v, the provider saw %d", key, n+1, e, asked.Load())
			}
		}
	}
}

// TestCauseIsOnesOwn checks that calls ended by one cause do not share its error: each changes its own.
func TestCauseIsOnesOwn(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	shared := llm.Errorf(llm.KindDraining, "the gateway is shutting down")
	cancel(shared)
	first, second := upstream.Cause(ctx), upstream.Cause(ctx)
	if first == second || first == shared {
		t.Error("calls share the error")
	}
	if d := cmp.Diff(shared, first); d != "" {
		t.Errorf("cause (-want +got):\n%s", d)
	}
}

func TestForwardResponseHeader(t *testing.T) {
	for name, want := range map[string]bool{
		"Content-Type": true, "X-Ratelimit-Remaining-Requests": true, "Openai-Processing-Ms": true, "Retry-After": true,
		"Set-Cookie": false, "Openai-Organization": false, "Connection": false, "Transfer-Encoding": false, "Cf-Ray": false,
		"X-Request-Id": false, "X-Sluice-Target": false, "Content-Length": false,
	} {
		if got := upstream.ForwardResponseHeader(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
