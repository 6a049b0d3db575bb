package ingress

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
)

const streamed = `{"model":"smart","stream":true,"messages":[{"role":"user","content":"hello"}]}`

// TestKeepAlives checks what each front's client is sent while it waits, before the answer begins and within it.
func TestKeepAlives(t *testing.T) {
	t.Parallel()
	f := func(name, path, body, ping string, header ...string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
				time.Sleep(35 * time.Second) // synthetic time: twice the interval, and a bit
				w.Header()["X-Late"] = []string{"lost"}
				w.Begin()
				for range 30 { // events in time: no keep-alive
					time.Sleep(time.Second)
					_ = w.Write([]byte("<event>"))
					_ = w.Flush()
				}
				time.Sleep(20 * time.Second)
				_ = w.Write([]byte("<end>"))
				_ = w.Flush()
			}}
			w := ask(t, server(t, c, nil), http.MethodPost, path, body, header...)
			synctest.Wait()
			if want := ping + ping + strings.Repeat("<event>", 30) + ping + "<end>"; w.Code != http.StatusOK || w.Body.String() != want {
				t.Errorf("%s: %d %q, want %q", name, w.Code, w.Body, want)
			}
			h := w.Result().Header
			if h.Get("X-Late") != "" || len(h.Get("X-Sluice-Request-Id")) != 26 || h.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s: headers %v", name, h)
			}
		})
	}
	const contents = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	f("chat", "/v1/chat/completions", streamed, ": keep-alive\n\n")
	f("completions", "/v1/completions", `{"model":"smart","stream":true,"prompt":"hi"}`, ": keep-alive\n\n")
	f("responses", "/v1/responses", `{"model":"smart","stream":true,"input":"hi"}`, ": keep-alive\n\n")
	f("anthropic", "/anthropic/v1/messages", `{"model":"smart","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
		"event: ping\ndata: {\"type\": \"ping\"}\n\n")
	f("gemini", "/gemini/v1beta/models/smart:streamGenerateContent?alt=sse", contents, "\n\n")
	f("gemini array", "/gemini/v1beta/models/smart:streamGenerateContent", contents, "\n")
	f("old go", "/v1/chat/completions", streamed, ": keep-alive\n", "X-Stainless-Lang", "go", "X-Stainless-Package-Version", "3.42.9")
	f("older go", "/v1/responses", `{"model":"smart","stream":true,"input":"hi"}`, ": keep-alive\n", "X-Stainless-Lang", "go", "X-Stainless-Package-Version", "1.12.0")
	f("odd go", "/v1/chat/completions", streamed, ": keep-alive\n", "X-Stainless-Lang", "go")
	f("new go", "/v1/chat/completions", streamed, ": keep-alive\n\n", "X-Stainless-Lang", "go", "X-Stainless-Package-Version", "3.43.0")
	f("next go", "/v1/chat/completions", streamed, ": keep-alive\n\n", "X-Stainless-Lang", "go", "X-Stainless-Package-Version", "4.0.0")
	f("js", "/v1/chat/completions", streamed, ": keep-alive\n\n", "X-Stainless-Lang", "js", "X-Stainless-Package-Version", "1.0.0")
}

// TestErrorBehindKeepAlives checks that an error is told in the stream, in the dialect's own form, once a keep-alive has settled the status.
func TestErrorBehindKeepAlives(t *testing.T) {
	t.Parallel()
	f := func(name, path, body string, want ...string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
				time.Sleep(16 * time.Second)
				w.Header()["X-Sluice-Attempts"] = []string{"3"}
				w.Fail(llm.Errorf(llm.KindOverloaded, "all are busy"), nil)
			}}
			w := ask(t, server(t, c, func(c *Config) { c.KeepAlive.Whole = 15 * time.Second }), http.MethodPost, path, body)
			if w.Code != http.StatusOK {
				t.Errorf("%s: status %d", name, w.Code)
			}
			for _, part := range append(want, "all are busy") {
				if !strings.Contains(w.Body.String(), part) {
					t.Errorf("%s: %q lacks %q", name, w.Body, part)
				}
			}
		})
	}
	const contents = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	f("chat", "/v1/chat/completions", streamed, ": keep-alive\n\ndata: {\"error\":{", `"code":"provider_overloaded"`)
	f("responses", "/v1/responses", `{"model":"smart","stream":true,"input":"hi"}`, "event: error\n", `"type":"error"`)
	f("anthropic", "/anthropic/v1/messages", `{"model":"smart","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
		"event: error\n", "overloaded_error")
	f("gemini", "/gemini/v1beta/models/smart:streamGenerateContent?alt=sse", contents, "\n\ndata: {\"error\":")
	f("gemini array", "/gemini/v1beta/models/smart:streamGenerateContent", contents, "\n[{\"error\":", "}]")
	f("whole", "/v1/chat/completions", body, "\n{\"error\":{")
	f("whole embedding", "/v1/embeddings", `{"model":"smart","input":"hi"}`, "\n{\"error\":{")
}

// TestWholeKeepAlives: white space comes only where it was opted for, the answer follows it, and the status is settled.
func TestWholeKeepAlives(t *testing.T) {
	t.Parallel()
	f := func(c KeepAlive, path, body, want, length string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			calls := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
				time.Sleep(50 * time.Second)
				w.Header()["X-Late"] = []string{"1"}
				w.Whole(http.StatusOK, []byte(`{"a":1}`))
			}}
			w := ask(t, server(t, calls, func(conf *Config) { conf.KeepAlive = c }), http.MethodPost, path, body)
			h := w.Result().Header
			if w.Code != http.StatusOK || w.Body.String() != want || h.Get("Content-Length") != length || h.Get("Content-Type") != "application/json" {
				t.Errorf("%+v %s: %d %q %v", c, path, w.Code, w.Body, h)
			}
		})
	}
	const chats = "/v1/chat/completions"
	f(KeepAlive{Interval: time.Second}, chats, body, `{"a":1}`, "7")
	f(KeepAlive{Whole: 20 * time.Second}, chats, body, "\n\n"+`{"a":1}`, "")
	f(KeepAlive{Whole: 20 * time.Second}, "/v1/embeddings", `{"model":"smart","input":"hi"}`, "\n\n"+`{"a":1}`, "")
	f(KeepAlive{Whole: time.Second}, "/v1/audio/speech", `{"model":"smart","input":"hi","voice":"alloy"}`, `{"a":1}`, "7")
	f(KeepAlive{}, chats, streamed, `{"a":1}`, "7")
}

// TestNoKeepAliveOnceHeadersAreBeingSet: from the first header of the answer to its beginning nothing else may begin it.
func TestNoKeepAliveOnceHeadersAreBeingSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
			h := w.Header()
			time.Sleep(time.Minute)
			h["X-Kept"] = []string{"yes"}
			w.Begin()
			time.Sleep(20 * time.Second)
		}}
		w := ask(t, server(t, c, nil), http.MethodPost, "/v1/chat/completions", streamed)
		if w.Result().Header.Get("X-Kept") != "yes" || w.Body.String() != ": keep-alive\n\n" {
			t.Errorf("%v %q", w.Result().Header, w.Body)
		}
	})
}

// TestKeepAliveFindsTheClientGone: a client that has left without closing its side is noticed by what cannot be written to it.
func TestKeepAliveFindsTheClientGone(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	began := make(chan struct{})
	c := &calls{answer: func(ctx context.Context, _ *gateway.Exchange, _ gateway.Reply) {
		<-ctx.Done()
		ended <- ctx.Err()
	}}
	s := server(t, c, func(c *Config) { c.KeepAlive.Interval = time.Millisecond; c.Clients.WriteStall = 50 * time.Millisecond })
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		s.ServeHTTP(&flooded{ResponseWriter: w, flood: make([]byte, 1<<20)}, r)
	})
	addr := listen(t, h)
	conn := dial(t, addr, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+strconv.Itoa(len(streamed))+"\r\n\r\n"+streamed)
	<-began
	<-ended // though the client never closed: it does not read, and each keep-alive is a MiB here
	_ = conn.Close()
}

// flooded makes each write large, so that a client's buffers are full soon.
type flooded struct {
	http.ResponseWriter
	flood []byte
}

func (f *flooded) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f *flooded) Write([]byte) (int, error) { return f.ResponseWriter.Write(f.flood) }

func (f *flooded) FlushError() error { return http.NewResponseController(f.ResponseWriter).Flush() }

// TestKeepAliveWhileEventsAreWritten runs both sides at once, for the race detector, and looks for an event that was cut in two.
func TestKeepAliveWhileEventsAreWritten(t *testing.T) {
	t.Parallel()
	c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
		w.Header()["X-Sluice-Attempts"] = []string{"1"}
		w.Begin()
		for range 2000 {
			_ = w.Write([]byte("data: event\n\n"))
			_ = w.Flush()
		}
	}}
	s := server(t, c, func(c *Config) { c.KeepAlive.Interval = time.Nanosecond })
	srv := httptest.NewServer(s)
	defer srv.Close()
	resp, err := http.Post(srv.URL+"/v1/chat/completions", "application/json", strings.NewReader(streamed))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := 0
	for br := bufio.NewReader(resp.Body); ; {
		line, err := br.ReadString('\n')
		if err == io.EOF {
			break
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case line == "data: event\n":
			events++
		case line != "\n" && line != ": keep-alive\n":
			t.Fatalf("%q", line)
		}
	}
	if events != 2000 {
		t.Errorf("%d events", events)
	}
}

// BenchmarkReply measures what an event costs on its way out.
func BenchmarkReply(b *testing.B) {
	f := func(name string, every time.Duration) {
		b.Run(name, func(b *testing.B) {
			rp := &reply{w: nowhere{}, stall: time.Minute, alive: alive{every: every, ping: "\n"}}
			if every > 0 {
				rp.last = time.Now()
				rp.timer = time.AfterFunc(every, rp.beat)
			}
			defer rp.stop()
			rp.Begin()
			p := []byte("data: event\n\n")
			b.ReportAllocs()
			for b.Loop() {
				_ = rp.Write(p)
				_ = rp.Flush()
			}
		})
	}
	f("off", 0)
	f("on", 15*time.Second)
}

type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}
func (nowhere) FlushError() error           { return nil }
