package ingress

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/auth"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// counting is a stream of events, each of which comes a second after the one before.
func counting(events int) func(context.Context, *gateway.Exchange, gateway.Reply) {
	return func(ctx context.Context, _ *gateway.Exchange, w gateway.Reply) {
		w.Header()["X-Sluice-Target"] = []string{"a/b"}
		w.Begin()
		for i := range events {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				e := llm.Errorf(llm.KindCanceled, "%v", context.Cause(ctx))
				w.Fail(e, []byte("event: error\ndata: canceled\n\n"))
				return
			}
			_ = w.Write(fmt.Appendf(nil, "data: %d\n\n", i+1))
			_ = w.Flush()
		}
	}
}

// ids returns events from to to of a stream with their ids.
func ids(call string, from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "id: %s-%d\ndata: %d\n\n", call, i, i)
	}
	return b.String()
}

// leaver is a client that leaves after some bytes of the body.
type leaver struct {
	*httptest.ResponseRecorder
	after int
	leave context.CancelFunc
}

func (l *leaver) Write(p []byte) (int, error) {
	n, err := l.ResponseRecorder.Write(p)
	if l.Body.Len() >= l.after {
		l.leave()
	}
	return n, err
}

// post sends a chat request and leaves after so many bytes of its answer; 0 for never.
func post(t testing.TB, s http.Handler, after int, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // of the bubble that calls, which need not be that of t
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Host = "localhost"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				panic(v)
			}
		}()
		if after > 0 {
			s.ServeHTTP(&leaver{w, after, cancel}, r)
		} else {
			s.ServeHTTP(w, r)
		}
	}()
	return w
}

const chats = "/v1/chat/completions"

// TestResume drops a client in the middle of a stream, and goes on in each of the ways that there are.
func TestResume(t *testing.T) {
	t.Parallel()
	f := func(name string, back func(s *Server, id string) *httptest.ResponseRecorder, from int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			c := &calls{answer: counting(20)}
			s := server(t, c, nil)
			first := post(t, s, 100, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true")
			id := first.Header().Get("X-Sluice-Request-Id")
			if first.Body.Len() >= len(ids(id, 1, 20)) || !strings.HasPrefix(ids(id, 1, 20), first.Body.String()) {
				t.Fatalf("%s: first %q", name, first.Body)
			}
			time.Sleep(5 * time.Second) // the stream goes on meanwhile
			w := back(s, id)
			if want := ids(id, from, 20); w.Code != 200 || w.Body.String() != want {
				t.Errorf("%s: %d %q, want %q", name, w.Code, w.Body, want)
			}
			h := w.Header()
			if h.Get("X-Sluice-Replayed") != "true" || h.Get("X-Sluice-Original-Request-Id") != id || h.Get("X-Sluice-Request-Id") == id ||
				h.Get("X-Sluice-Target") != "a/b" || h.Get("Content-Type") != "text/event-stream" {
				t.Errorf("%s: %v", name, h)
			}
			if len(c.got) != 1 {
				t.Errorf("%s: %d calls", name, len(c.got))
			}
			synctest.Wait()
			if n := s.Detached(); n != 0 {
				t.Errorf("%s: %d calls are left", name, n)
			}
		})
	}
	f("GET after an event", func(s *Server, id string) *httptest.ResponseRecorder {
		return post(t, s, 0, http.MethodGet, "/v1/streams/"+id, "", "Last-Event-ID", id+"-2")
	}, 3)
	f("GET all", func(s *Server, id string) *httptest.ResponseRecorder {
		return post(t, s, 0, http.MethodGet, "/v1/streams/"+id, "")
	}, 1)
	f("POST again", func(s *Server, id string) *httptest.ResponseRecorder {
		return post(t, s, 0, http.MethodPost, chats, streamed, "Last-Event-ID", id+"-2")
	}, 3)
	f("POST all", func(s *Server, id string) *httptest.ResponseRecorder {
		return post(t, s, 0, http.MethodPost, chats, streamed, "Last-Event-ID", id)
	}, 1)
	f("after its end", func(s *Server, id string) *httptest.ResponseRecorder {
		time.Sleep(5 * time.Minute)
		return post(t, s, 0, http.MethodGet, "/v1/streams/"+id, "", "Last-Event-ID", id+"-19")
	}, 20)
	f("of another front's path", func(s *Server, id string) *httptest.ResponseRecorder {
		return post(t, s, 0, http.MethodGet, "/gemini/v1beta/streams/"+id, "", "Last-Event-ID", id+"-3")
	}, 4)
}

// TestReadersShare: several clients read one stream at once, each from its place.
func TestReadersShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{answer: counting(30)}
		s := server(t, c, nil)
		var id string
		var wg sync.WaitGroup
		wg.Go(func() {
			w := post(t, s, 0, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true")
			if id := w.Header().Get("X-Sluice-Request-Id"); w.Body.String() != ids(id, 1, 30) {
				t.Errorf("first: %q", w.Body)
			}
		})
		time.Sleep(10*time.Second + 500*time.Millisecond)
		synctest.Wait()
		id = c.got[0].Call.ID
		for after := range 10 {
			wg.Go(func() {
				w := post(t, s, 0, http.MethodGet, "/v1/streams/"+id, "", "Last-Event-ID", fmt.Sprintf("%s-%d", id, after))
				if w.Body.String() != ids(id, after+1, 30) {
					t.Errorf("after %d: %q", after, w.Body)
				}
			})
		}
		wg.Wait()
	})
}

// TestNoStream: the reason why a stream cannot be gone on with is told in the client's dialect.
func TestNoStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{answer: counting(2)}
		s := server(t, c, nil, team("*"), auth.KeyConfig{Name: "team-b", Key: llm.NewSecret("sk-sluice-test-key-b")})
		const keyB = "Bearer sk-sluice-test-key-b"
		first := post(t, s, 0, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true", "Authorization", "Bearer "+keyA)
		id := first.Header().Get("X-Sluice-Request-Id")
		f := func(method, path, last, auth, says string) {
			t.Helper()
			header := []string{"Authorization", auth}
			if last != "" {
				header = append(header, "Last-Event-ID", last)
			}
			w := post(t, s, 0, method, path, streamed, header...)
			want(t, path+" "+last, w, http.StatusNotFound, "stream_not_found", says)
		}
		mine := "Bearer " + keyA
		f(http.MethodGet, "/v1/streams/"+id, id+"-3", mine, "so many events")
		f(http.MethodGet, "/v1/streams/"+id, "", keyB, "no answer of that id was recorded for this key")
		f(http.MethodPost, chats, id, keyB, "no answer of that id was recorded for this key")
		f(http.MethodPost, chats, "17", mine, "it must be that of an event")
		f(http.MethodPost, chats, id+"-x", mine, "it must be that of an event")
		f(http.MethodPost, chats, strings.Repeat("0", 26)+"-1", mine, "no answer of that id")
		want(t, "other id", post(t, s, 0, http.MethodGet, "/v1/streams/"+id, "", "Authorization", mine, "Last-Event-ID", strings.Repeat("0", 26)), 400, "invalid_request", "the path names")
		want(t, "no key", post(t, s, 0, http.MethodGet, "/v1/streams/"+id, ""), 401, "invalid_api_key")
		want(t, "method", post(t, s, 0, http.MethodDelete, "/v1/streams/"+id, "", "Authorization", mine), 405, "method_not_allowed")
		want(t, "odd wish", post(t, s, 0, http.MethodPost, chats, streamed, "Authorization", mine, "X-Sluice-Resumable", "yes"), 400, "invalid_request", "true or false")
		time.Sleep(6 * time.Minute)
		f(http.MethodGet, "/v1/streams/"+id, id+"-1", mine, "resume.keep")
		if w := post(t, s, 0, http.MethodGet, "/anthropic/v1/streams/"+id, "", "X-Api-Key", keyA); w.Code != 404 || !strings.Contains(w.Body.String(), `"type":"not_found_error"`) {
			t.Errorf("Anthropic: %d %s", w.Code, w.Body)
		}
		if len(c.got) != 1 {
			t.Errorf("%d calls", len(c.got))
		}
	})
}

// TestGraceOfAStream: without a client the call goes on for the time of grace, and then its end is told to those who come late.
func TestGraceOfAStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{answer: counting(1000)}
		s := server(t, c, nil)
		first := post(t, s, 100, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true")
		id := first.Header().Get("X-Sluice-Request-Id")
		start := time.Now()
		for s.Detached() > 0 {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took < 29*time.Second || took > 32*time.Second {
			t.Errorf("went on for %v", took)
		}
		w := post(t, s, 0, http.MethodGet, "/v1/streams/"+id, "")
		if got := w.Body.String(); !strings.Contains(got, ids(id, 1, 30)) || !strings.HasSuffix(got, "event: error\ndata: canceled\n\n") {
			t.Errorf("%q", got)
		}
	})
}

// TestNotRecorded: a call that asks for nothing has no recording, and runs on the goroutine that brought it.
func TestNotRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := func(recorded bool, c func(*Config), path, body string, header ...string) {
			t.Helper()
			var s *Server
			calls := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
				if got := s.Detached() == 1; got != recorded {
					t.Errorf("%s %v: recorded %v", path, header, got)
				}
				w.Whole(200, []byte("{}"))
			}}
			s = server(t, calls, c)
			if w := post(t, s, 0, http.MethodPost, path, body, header...); w.Code != 200 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		always := func(c *Config) { c.Resume.Always = true }
		const contents = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
		f(false, nil, chats, streamed)
		f(false, nil, chats, body, "X-Sluice-Resumable", "true")
		f(false, nil, chats, streamed, "X-Sluice-Resumable", "false")
		f(false, always, chats, body)
		f(true, always, chats, streamed)
		f(true, nil, chats, streamed, "X-Sluice-Resumable", "true")
		f(true, nil, chats, body, "Idempotency-Key", "k")
		f(false, func(c *Config) { c.Idempotency.TTL = 0 }, chats, body, "Idempotency-Key", "k")
		f(true, nil, "/gemini/v1beta/models/smart:streamGenerateContent?alt=sse", contents, "X-Sluice-Resumable", "true")
		f(false, nil, "/gemini/v1beta/models/smart:streamGenerateContent", contents, "X-Sluice-Resumable", "true")
		f(true, nil, "/gemini/v1beta/models/smart:streamGenerateContent", contents, "Idempotency-Key", "k")
		f(true, nil, "/v1/embeddings", `{"model":"smart","input":"hi"}`, "Idempotency-Key", "k")
	})
}

// TestAlwaysSendsNoIDs: events get ids only where the client asked for them, since some SDKs do not survive those.
func TestAlwaysSendsNoIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := server(t, &calls{answer: counting(3)}, func(c *Config) { c.Resume.Always = true })
		w := post(t, s, 0, http.MethodPost, chats, streamed)
		if w.Body.String() != "data: 1\n\ndata: 2\n\ndata: 3\n\n" {
			t.Errorf("%q", w.Body)
		}
		id := w.Header().Get("X-Sluice-Request-Id")
		if w := post(t, s, 0, http.MethodGet, "/v1/streams/"+id, "", "Last-Event-ID", id+"-2"); w.Body.String() != "data: 3\n\n" {
			t.Errorf("%d %q", w.Code, w.Body)
		}
	})
}

// TestResponseGoesOn reads a response's stream by its id and sequence number while it is made.
func TestResponseGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		event := func(n int) string {
			return fmt.Sprintf("event: e\ndata: {\"type\":\"e\",\"response\":{\"id\":\"resp_abc\"},\"text\":\"\\\"sequence_number\\\":99\",\"sequence_number\":%d}\n\n", n)
		}
		c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
			w.Begin()
			for i := range 10 {
				time.Sleep(time.Second)
				_ = w.Write([]byte(event(i)))
			}
		}}
		s := server(t, c, func(c *Config) { c.Resume.Always = true })
		var wg sync.WaitGroup
		wg.Go(func() {
			post(t, s, 1, http.MethodPost, "/v1/responses", `{"model":"smart","stream":true,"input":"hi"}`)
		})
		time.Sleep(4*time.Second + 500*time.Millisecond)
		wg.Wait()
		f := func(query string, from int) {
			t.Helper()
			var want strings.Builder
			for i := from; i < 10; i++ {
				want.WriteString(event(i))
			}
			if w := post(t, s, 0, http.MethodGet, "/v1/responses/resp_abc?stream=true"+query, ""); w.Code != 200 || w.Body.String() != want.String() {
				t.Errorf("%s: %d %q", query, w.Code, w.Body)
			}
		}
		f("&starting_after=2", 3)
		f("", 0)
		f("&starting_after=8", 9)
		f("&starting_after=9", 10)
		time.Sleep(10 * time.Minute)
		if w := post(t, s, 0, http.MethodGet, "/v1/responses/resp_abc?stream=true", ""); w.Code != 404 {
			t.Errorf("long after: %d %s", w.Code, w.Body)
		}
	})
}

// TestPanicOfARecordedCall: a panic ends the call's answer, and not the process.
func TestPanicOfARecordedCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{answer: func(context.Context, *gateway.Exchange, gateway.Reply) { panic("oops") }}
		s := server(t, c, nil)
		want(t, "before the answer", post(t, s, 0, http.MethodPost, chats, body, "Idempotency-Key", "k"), 500, "internal_error")
		c.answer = func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
			w.Begin()
			_ = w.Write([]byte("data: 1\n\n"))
			panic("oops")
		}
		if w := post(t, s, 0, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true"); !strings.Contains(w.Body.String(), "internal_error") {
			t.Errorf("in the answer: %q", w.Body)
		}
		synctest.Wait()
		if n := s.Detached(); n != 0 {
			t.Errorf("%d calls are left", n)
		}
	})
}

// TestBaseEndsRecordedCalls: a shutdown is told to the readers.
func TestBaseEndsRecordedCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := server(t, &calls{answer: counting(100)}, nil)
		base, end := context.WithCancelCause(t.Context())
		s.Base(base)
		var w *httptest.ResponseRecorder
		done := make(chan struct{})
		go func() {
			defer close(done)
			w = post(t, s, 0, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true")
		}()
		time.Sleep(3500 * time.Millisecond)
		end(llm.Errorf(llm.KindDraining, "going"))
		<-done
		synctest.Wait()
		if !strings.HasSuffix(w.Body.String(), "event: error\ndata: canceled\n\n") || s.Detached() != 0 {
			t.Errorf("%q", w.Body)
		}
	})
}

// TestKeepAlivesOfARecording: readers are kept alive each on its own; the recording has none of it.
func TestKeepAlivesOfARecording(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
			time.Sleep(20 * time.Second)
			w.Begin()
			_ = w.Write([]byte("data: 1\n\n"))
		}}
		s := server(t, c, nil)
		w := post(t, s, 0, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true")
		id := w.Header().Get("X-Sluice-Request-Id")
		if want := ": keep-alive\n\n" + ids(id, 1, 1); w.Body.String() != want {
			t.Errorf("%q, want %q", w.Body, want)
		}
		if w := post(t, s, 0, http.MethodGet, "/v1/streams/"+id, ""); w.Body.String() != ids(id, 1, 1) {
			t.Errorf("%q", w.Body)
		}
	})
}

// TestTrailers: what a call says after its answer reaches its client, with a keep-alive before it, and those who come later.
func TestTrailers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := server(t, &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
			time.Sleep(20 * time.Second)
			w.Begin()
			_ = w.Write([]byte("data: 1\n\n"))
			w.Header()[http.TrailerPrefix+"X-Sluice-Attempts"] = []string{"2"}
			_ = w.Flush()
		}}, nil)
		f := func(what string, w *httptest.ResponseRecorder) {
			t.Helper()
			if got := w.Result().Trailer.Get("X-Sluice-Attempts"); got != "2" {
				t.Errorf("%s: trailers %v", what, w.Result().Trailer)
			}
		}
		f("plain", post(t, s, 0, http.MethodPost, chats, streamed))
		first := post(t, s, 0, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true", "Idempotency-Key", "k")
		f("recorded", first)
		f("replayed", post(t, s, 0, http.MethodPost, chats, streamed, "X-Sluice-Resumable", "true", "Idempotency-Key", "k"))
		f("resumed", post(t, s, 0, http.MethodGet, "/v1/streams/"+first.Header().Get("X-Sluice-Request-Id"), ""))
	})
}
