package ingress

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/replay"
)

// keeper is a replay.Keeper in memory, for as many servers as share it.
type keeper struct {
	mu   sync.Mutex
	all  map[string]*replay.Answer
	fail error
}

func (k *keeper) ClaimAnswer(_ context.Context, c *replay.Claim, now time.Time) (*replay.Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.all[c.Owner+c.Key]; a != nil && now.Before(a.Expires) || k.fail != nil {
		return a, k.fail
	}
	if k.all == nil {
		k.all = map[string]*replay.Answer{}
	}
	k.all[c.Owner+c.Key] = &replay.Answer{Owner: c.Owner, Key: c.Key, Hash: c.Hash, Call: c.Call, Expires: c.Until}
	return nil, nil
}

func (k *keeper) mine(owner, key, call string) *replay.Answer {
	if a := k.all[owner+key]; a != nil && a.Call == call && a.Status == 0 {
		return a
	}
	return nil
}

func (k *keeper) RenewAnswer(_ context.Context, c *replay.Claim) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.mine(c.Owner, c.Key, c.Call); a != nil {
		a.Expires = c.Until
		return nil
	}
	return replay.ErrLost
}

func (k *keeper) KeepAnswer(_ context.Context, a *replay.Answer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mine(a.Owner, a.Key, a.Call) == nil {
		return replay.ErrLost
	}
	k.all[a.Owner+a.Key] = a
	return nil
}

func (k *keeper) ReleaseAnswer(_ context.Context, owner, key, call string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mine(owner, key, call) != nil {
		delete(k.all, owner+key)
	}
	return nil
}

// replica makes a server that shares a keeper.
func replica(t testing.TB, c *calls, k replay.Keeper) *Server {
	t.Helper()
	s := server(t, c, func(c *Config) { c.KeepAlive.Interval = 0 }) // so that headers wait for the answer
	s.keeper = k
	return s
}

// wantReplayed checks that an answer is that of another call.
func wantReplayed(t testing.TB, what string, w, first *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code != first.Code || w.Body.String() != first.Body.String() {
		t.Errorf("%s: %d %q, want %d %q", what, w.Code, w.Body, first.Code, first.Body)
	}
	h, id := w.Header(), first.Header().Get("X-Sluice-Request-Id")
	if h.Get("X-Sluice-Replayed") != "true" || h.Get("X-Sluice-Original-Request-Id") != id || h.Get("X-Sluice-Request-Id") == id {
		t.Errorf("%s: %v, want those of %s", what, h, id)
	}
	if a, b := h.Get("X-Sluice-Target"), first.Header().Get("X-Sluice-Target"); a != b {
		t.Errorf("%s: target %q, want %q", what, a, b)
	}
}

// slowly answers after a minute.
func slowly(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
	time.Sleep(time.Minute)
	w.Header()["X-Sluice-Target"] = []string{"a/b"}
	w.Whole(http.StatusOK, []byte(`{"a": 1}`))
}

// TestIdempotency: requests with one key join the call in flight, in the same process and in another, and get its answer later; one call is made.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	f := func(name string, answer func(context.Context, *gateway.Exchange, gateway.Reply), path, body string) {
		synctest.Test(t, func(t *testing.T) {
			k := &keeper{}
			a, b := &calls{answer: answer}, &calls{answer: answer}
			sa, sb := replica(t, a, k), replica(t, b, k)
			var first *httptest.ResponseRecorder
			var wg sync.WaitGroup
			wg.Go(func() {
				first = post(t, sa, 0, http.MethodPost, path, body, "Idempotency-Key", "k 1", "X-Stainless-Retry-Count", "0")
			})
			time.Sleep(time.Second)
			joined := make([]*httptest.ResponseRecorder, 6)
			for i := range joined {
				wg.Go(func() {
					joined[i] = post(t, []*Server{sa, sb}[i%2], 0, http.MethodPost, path, body, "Idempotency-Key", "k 1", "X-Stainless-Retry-Count", "1")
				})
			}
			wg.Wait()
			for i, w := range joined {
				wantReplayed(t, name+" joined "+[]string{"here", "elsewhere"}[i%2], w, first)
			}
			time.Sleep(time.Hour)
			for _, s := range []*Server{sa, sb, replica(t, b, k)} {
				wantReplayed(t, name+" later", post(t, s, 0, http.MethodPost, path, body, "Idempotency-Key", "k 1"), first)
			}
			if len(a.got) != 1 || len(b.got) != 0 {
				t.Errorf("%s: %d and %d calls", name, len(a.got), len(b.got))
			}
			time.Sleep(24 * time.Hour)
			if w := post(t, sb, 0, http.MethodPost, path, body, "Idempotency-Key", "k 1"); w.Header().Get("X-Sluice-Replayed") != "" || len(b.got) != 1 {
				t.Errorf("%s: kept for longer than idempotency.ttl", name)
			}
			synctest.Wait()
			if sa.Detached()+sb.Detached() != 0 {
				t.Errorf("%s: calls are left", name)
			}
		})
	}
	f("whole", slowly, chats, body)
	f("stream", counting(90), chats, streamed)
	f("embeddings", slowly, "/v1/embeddings", `{"model":"smart","input":"hi"}`)
	f("array", counting(90), "/gemini/v1beta/models/smart:streamGenerateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`)
}

// TestIdempotencyMismatch: another request with the key is refused, in flight and later, here and elsewhere.
func TestIdempotencyMismatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{}
		a, b := &calls{answer: slowly}, &calls{answer: slowly}
		sa, sb := replica(t, a, k), replica(t, b, k)
		refused := func(when string) {
			t.Helper()
			f := func(s *Server, path, body string, header ...string) {
				t.Helper()
				w := post(t, s, 0, http.MethodPost, path, body, append(header, "Idempotency-Key", "k")...)
				want(t, when+" "+path, w, http.StatusConflict, "idempotency_mismatch", `"k"`)
			}
			for _, s := range []*Server{sa, sb} {
				f(s, chats, strings.Replace(body, "hello", "hallo", 1))
				f(s, chats, body+" ")
				f(s, chats+"?a=b", body)
				f(s, "/chat/completions", body)
				f(s, chats, body, "X-Sluice-Region", "eu")
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { post(t, sa, 0, http.MethodPost, chats, body, "Idempotency-Key", "k") })
		time.Sleep(time.Second)
		refused("in flight")
		wg.Wait()
		refused("later")
		if w := post(t, sa, 0, http.MethodPost, "/anthropic/v1/messages", `{"model":"smart","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, "Idempotency-Key", "k"); w.Code != 409 ||
			!strings.HasPrefix(w.Body.String(), `{"type":"error"`) {
			t.Errorf("Anthropic: %d %s", w.Code, w.Body)
		}
		if len(a.got) != 1 || len(b.got) != 0 {
			t.Errorf("%d and %d calls", len(a.got), len(b.got))
		}
		want(t, "bad key", post(t, sa, 0, http.MethodPost, chats, body, "Idempotency-Key", strings.Repeat("k", 256)), 400, "invalid_request", "255")
	})
}

// TestFailedCallIsNotKept: those in flight get the same error, and the next one makes another call.
func TestFailedCallIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{}
		fails := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
			time.Sleep(3 * time.Second)
			w.Header()["X-Sluice-Attempts"] = []string{"3"}
			w.Fail(llm.Errorf(llm.KindOverloaded, "busy"), nil)
		}}
		s := replica(t, fails, k)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				w := post(t, s, 0, http.MethodPost, chats, body, "Idempotency-Key", "k")
				want(t, "failed", w, http.StatusServiceUnavailable, "provider_overloaded", "busy")
				if w.Header().Get("X-Sluice-Attempts") != "3" {
					t.Errorf("%v", w.Header())
				}
			})
		}
		wg.Wait()
		if len(fails.got) != 1 {
			t.Errorf("%d calls", len(fails.got))
		}
		fails.answer = slowly
		if w := post(t, s, 0, http.MethodPost, chats, body, "Idempotency-Key", "k"); w.Code != 200 || w.Header().Get("X-Sluice-Replayed") != "" {
			t.Errorf("again: %d %v", w.Code, w.Header())
		}
	})
}

// TestFirstCallerLeaves: a call with a key goes on without the client that made it, for those who joined it, and for a while without any.
func TestFirstCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := func(steps int, join bool) *calls {
			c := &calls{answer: counting(steps)}
			s := replica(t, c, &keeper{})
			var wg sync.WaitGroup
			wg.Go(func() { post(t, s, 1, http.MethodPost, chats, streamed, "Idempotency-Key", "k") })
			time.Sleep(500 * time.Millisecond)
			if join {
				wg.Go(func() {
					if w := post(t, s, 0, http.MethodPost, chats, streamed, "Idempotency-Key", "k"); strings.Count(w.Body.String(), "data") != steps {
						t.Errorf("joined: %q", w.Body)
					}
				})
			}
			wg.Wait()
			time.Sleep(40 * time.Second)
			w := post(t, s, 0, http.MethodPost, chats, streamed, "Idempotency-Key", "k")
			if strings.Count(w.Body.String(), "data") != steps {
				t.Errorf("later: %q", w.Body)
			}
			return c
		}
		if c := f(100, true); len(c.got) != 1 {
			t.Errorf("joined: %d calls", len(c.got))
		}
		if c := f(25, false); len(c.got) != 1 {
			t.Errorf("within grace: %d calls", len(c.got))
		}
		if c := f(50, false); len(c.got) != 2 { // the first was ended, which is no answer to keep
			t.Errorf("beyond grace: %d calls", len(c.got))
		}
	})
}

// TestTakeOver: the key of a process that has gone is taken over when its lease is over, and not before.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{}
		c := &calls{}
		s := replica(t, c, k)
		post(t, s, 0, http.MethodPost, chats, body, "Idempotency-Key", "k")
		synctest.Wait() // until it is kept
		k.all["k"].Status, k.all["k"].Expires, k.all["k"].Call = 0, time.Now().Add(replay.Lease), "gone"
		start := time.Now()
		w := post(t, replica(t, c, k), 0, http.MethodPost, chats, body, "Idempotency-Key", "k")
		if took := time.Since(start); w.Code != 200 || len(c.got) != 2 || took < replay.Lease || took > replay.Lease+2*time.Second {
			t.Errorf("%d after %v, %d calls", w.Code, took, len(c.got))
		} else if waited := c.got[1].Waited; waited != took {
			t.Errorf("the call was told that it waited %v, not %v: the rest counts as the gateway's own time", waited, took)
		}
	})
}

// TestStoreOfKeysIsDown: whether a call was made cannot be known, so that it is not.
func TestStoreOfKeysIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{}
		s := replica(t, c, &keeper{fail: errors.New("disk is full")})
		want(t, "claim", post(t, s, 0, http.MethodPost, chats, body, "Idempotency-Key", "k"), 503, "store_unavailable")
		if len(c.got) != 0 {
			t.Error("a call was made")
		}
	})
}

// TestWaitersHaveDeadlines: who waits for another's answer, in the same process or another, waits no longer than its own deadline.
func TestWaitersHaveDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{}
		c := &calls{answer: slowly}
		sa, sb := replica(t, c, k), replica(t, &calls{answer: slowly}, k)
		var first *httptest.ResponseRecorder
		var wg sync.WaitGroup
		wg.Go(func() { first = post(t, sa, 0, http.MethodPost, chats, body, "Idempotency-Key", "k") })
		time.Sleep(time.Second)
		for _, s := range []*Server{sa, sb} {
			begin := time.Now()
			w := post(t, s, 0, http.MethodPost, chats, body, "Idempotency-Key", "k", "X-Sluice-Deadline", "5s")
			if e := llm.KindDeadline; w.Code != e.Status() || !strings.Contains(w.Body.String(), e.Code()) || time.Since(begin) != 5*time.Second {
				t.Errorf("%d %q after %v", w.Code, w.Body, time.Since(begin))
			}
		}
		wg.Wait()
		if first.Code != http.StatusOK {
			t.Errorf("the first: %d %q", first.Code, first.Body)
		}
		wantReplayed(t, "without a deadline", post(t, sb, 0, http.MethodPost, chats, body, "Idempotency-Key", "k"), first)
	})
}

// TestStreamTooLongToJoin: a stream whose beginning is not kept any more has given up its key, as one has that ended so.
func TestStreamTooLongToJoin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
			w.Begin()
			for range 10 {
				time.Sleep(time.Second)
				_ = w.Write([]byte("data: " + strings.Repeat("x", 1000) + "\n\n"))
			}
		}}
		s := server(t, c, func(c *Config) { c.Resume.Buffer = 4096 })
		s.keeper = &keeper{}
		var w [2]*httptest.ResponseRecorder
		var wg sync.WaitGroup
		for i := range w {
			wg.Go(func() { w[i] = post(t, s, 0, http.MethodPost, chats, streamed, "Idempotency-Key", "k") })
			time.Sleep(8 * time.Second)
		}
		wg.Wait()
		for i, w := range w {
			if w.Code != http.StatusOK || w.Body.Len() != 10*1008 || w.Header().Get("X-Sluice-Replayed") != "" {
				t.Errorf("request %d: %d, %d bytes, %v", i, w.Code, w.Body.Len(), w.Header())
			}
		}
	})
}

// hanging is a keeper whose store does a claim, and does not say so.
type hanging struct{ keeper }

func (k *hanging) ClaimAnswer(ctx context.Context, c *replay.Claim, now time.Time) (*replay.Answer, error) {
	if _, err := k.keeper.ClaimAnswer(ctx, c, now); err != nil {
		return nil, err
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestStoreOfKeysHangs: a store that does not answer holds no call up for long, and a claim that was made all the same is given up.
func TestStoreOfKeysHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, k := &calls{answer: slowly}, &hanging{}
		s := replica(t, c, k)
		begin := time.Now()
		want(t, "claim", post(t, s, 0, http.MethodPost, chats, body, "Idempotency-Key", "k"), 503, "store_unavailable")
		if took := time.Since(begin); took > storeTime {
			t.Errorf("refused after %v", took)
		}
		want(t, "with a deadline", post(t, s, 0, http.MethodPost, chats, body, "Idempotency-Key", "k2", "X-Sluice-Deadline", "1s"), llm.KindDeadline.Status(), llm.KindDeadline.Code())
		synctest.Wait()
		if a := k.all["k2"]; a != nil {
			t.Errorf("the claim is still there: %+v", a)
		}
		if len(c.got) != 0 {
			t.Error("a call was made")
		}
	})
}
