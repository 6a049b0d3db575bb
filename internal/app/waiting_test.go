package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/console"
)

// TestThousandWaiting has a thousand calls wait. The admin API says so, truly, while calls come and go and many look at once; and when the gateway
// drains, all of them are told, each once and soon.
func TestThousandWaiting(t *testing.T) {
	t.Parallel()
	const calls, served, looking = 1000, 100, 8
	next := make(chan struct{}) // sent by the test for each answer
	over := make(chan struct{})
	end := sync.OnceFunc(func() { close(over) })
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-next:
			say(jsonBody, whole)(w, r)
		case <-r.Context().Done():
		case <-over:
		}
	}))
	t.Cleanup(provider.Close)
	t.Cleanup(end)
	g := start(t, "drain: {soft: 500ms, hard: 60s}\nproviders:\n  p: {base_url: "+provider.URL+"/v1, api_key: k, models: [a], concurrency: 1}\n")
	client := &http.Client{Transport: &http.Transport{}} // of more connections than the test's own
	t.Cleanup(client.CloseIdleConnections)
	answers := make(chan reply, calls)
	for range calls {
		go func() {
			answers <- do(t, client, g.request(t.Context(), "/chat/completions", strings.NewReader(`{"model":"p/a","messages":[{"role":"user","content":"hi"}]}`)))
		}()
	}
	look := func() console.Queue {
		q := view[console.Queue](g, "/admin/v1/queue")
		classes, targets := 0, 0
		for _, c := range q.Classes {
			classes += c.Waiting
		}
		for _, one := range q.Targets {
			for _, n := range one.Waiting {
				targets += n
			}
		}
		if classes != q.Calls || targets != q.Calls {
			t.Errorf("%d calls wait, %d by class, %d by target", q.Calls, classes, targets)
		}
		return q
	}
	eventually(t, "all but one wait", func() bool { return look().Calls == calls-1 })

	begin := time.Now()
	var lookers sync.WaitGroup
	for range looking {
		lookers.Go(func() {
			last := calls
			for last > calls-1-served {
				n := look().Calls
				if n > last {
					t.Errorf("%d calls wait after %d did, and none has come", n, last)
				}
				last = n
			}
		})
	}
	for range served {
		next <- struct{}{}
		if rp := <-answers; rp.status != http.StatusOK {
			t.Fatalf("status %d: %s", rp.status, rp.body)
		}
	}
	lookers.Wait()
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v to serve %d calls while %d clients looked at the queue", took, served, looking)
	}

	begin = time.Now()
	g.stop()
	for range calls - served {
		rp := <-answers
		wantError(t, rp, http.StatusServiceUnavailable, "draining")
		if rp.header.Get("Retry-After") == "" {
			t.Fatal("a call that waited is not told when to come again")
		}
	}
	if took := time.Since(begin); took < 400*time.Millisecond || took > 20*time.Second {
		t.Errorf("the drain took %v with a soft limit of 500ms", took)
	}
	end()
	await(t, "end of the gateway", g.ended)
}
