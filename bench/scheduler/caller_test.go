//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	goodAnswer = `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}`
	goodStream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n: keep-alive\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
)

func TestWhole(t *testing.T) {
	t.Parallel()
	f := func(body string, stream bool, want string) {
		t.Helper()
		err := whole([]byte(body), stream)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
	f(goodAnswer, false, "")
	f(`{"choices":[]}`, false, "not whole")
	f(goodStream, true, "")
	f("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n", true, "no end")
	f(": keep-alive\n\ndata: {\"error\":{\"message\":\"no more\"}}\n\n", true, "no more")
	f("data: {\n\n", true, "no JSON")
	f("", true, "no end")
}

// TestBackoff holds the waits of SDKs.
func TestBackoff(t *testing.T) {
	t.Parallel()
	f := func(r result, least, most time.Duration, again bool) {
		t.Helper()
		for range 50 {
			if got, ok := backoff(&r); ok != again || got < least || got > most {
				t.Fatalf("%+v: %v, %v, want %v to %v, %v", r, got, ok, least, most, again)
			}
		}
	}
	const s = time.Second
	f(result{status: 429, wait: 7 * s, attempts: 1}, 7*s, 7*s, true)
	f(result{status: 429, wait: 121 * s, attempts: 1}, 0, 0, false)
	f(result{status: 429, wait: -1, attempts: 1}, 375*time.Millisecond, s/2, true)
	f(result{status: 503, wait: -1, attempts: 2}, 750*time.Millisecond, s, true)
	f(result{status: 500, wait: -1, attempts: 9}, 6*s, 8*s, true)
	f(result{wait: -1, attempts: 1}, 375*time.Millisecond, s/2, true) // no connection
	f(result{status: 400, wait: -1, attempts: 1}, 0, 0, false)
}

// TestRetries has a caller that retries as SDKs do, and one that does not, at a server that refuses at first.
func TestRetries(t *testing.T) {
	t.Parallel()
	f := func(retry, refusals int, attempts, limited, status int, fails bool) {
		t.Helper()
		var seen atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("X-Sluice-Queue-Ms", "12.5")
			if seen.Add(1) <= int64(refusals) {
				w.Header().Set("Retry-After", "1")
				w.Header().Set("Retry-After-Ms", "1")
				w.WriteHeader(429)
				return
			}
			fmt.Fprint(w, goodAnswer)
		}))
		defer srv.Close()
		c := newClient(strings.TrimPrefix(srv.URL, "http://"), "k", 1)
		defer c.close()
		c.retry = retry
		r := c.call(t.Context(), &ask{body: []byte("{}")})
		if r.attempts != attempts || r.limited != limited || r.status != status || (r.err != nil) != fails || r.queued != 12500*time.Microsecond {
			t.Errorf("retry %d of %d refusals: %+v", retry, refusals, r)
		}
	}
	f(2, 0, 1, 0, 200, false)
	f(2, 2, 3, 2, 200, false)
	f(2, 3, 3, 3, 429, true)
	f(0, 1, 1, 1, 429, true)
}

// TestBacklogIsDoneOnce has each call made by one caller, and the callers busy until the end.
func TestBacklogIsDoneOnce(t *testing.T) {
	t.Parallel()
	var open, most atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), open.Add(1)))
		fmt.Fprint(w, goodAnswer)
		open.Add(-1)
	}))
	defer srv.Close()
	c := newClient(strings.TrimPrefix(srv.URL, "http://"), "k", 5)
	defer c.close()
	asks := make([]ask, 40)
	for i := range asks {
		asks[i].body = []byte("{}")
	}
	for _, results := range [][]*result{c.backlog(t.Context(), asks, 5), c.planned(t.Context(), asks, make([]time.Duration, 40))} {
		if n, err := failures(results); n != 0 || len(results) != 40 {
			t.Errorf("%d of %d calls failed: %v", n, len(results), err)
		}
	}
	if n, _ := failures([]*result{nil, {}, {err: io.EOF}}); n != 2 {
		t.Errorf("%d failures, want 2", n)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if err := pause(t.Context(), 3*time.Second); err != nil || time.Since(begun) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if err := pause(t.Context(), -time.Second); err != nil || time.Since(begun) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}
