package sim

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// arrival is one event of a stream with the time since the request.
type arrival struct {
	at   time.Duration
	data string
}

// clocked is a ResponseWriter that notes when things were flushed.
type clocked struct {
	*httptest.ResponseRecorder
	start    time.Time
	waiting  bytes.Buffer
	arrivals []arrival
	comments []time.Duration
}

func (c *clocked) Write(b []byte) (int, error) { return c.waiting.Write(b) }

func (c *clocked) Flush() {
	at := time.Since(c.start)
	for range strings.Count(c.waiting.String(), ": keep-alive\n\n") {
		c.comments = append(c.comments, at)
	}
	for _, data := range events(c.waiting.String()) {
		c.arrivals = append(c.arrivals, arrival{at, data})
	}
	c.waiting.Reset()
}

// timed sends one chat request under a simulated clock and returns what came when. The request ends with ctx.
func timed(ctx context.Context, s *Server, model, prompt, extra string) *clocked {
	w := &clocked{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, model, prompt, extra)
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
	w.Flush()
	return w
}

// steady is an engine whose times can be computed by hand.
func steady(speed Speed) Config {
	return Config{Seed: 7, Models: []ModelConfig{{Name: "sim-fast", Speed: speed}}}
}

func newTimed(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStreamIsPacedByAnAbsoluteSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimed(t, steady(Speed{Overhead: 50 * time.Millisecond, Prefill: 1000, Step: 10 * time.Millisecond, StepPerStream: time.Millisecond}))
		defer s.Close()
		// 193 words, 4 for the message, 3 for the answer: 200 tokens are 200 ms of prefill.
		w := timed(t.Context(), s, "sim-fast", strings.Repeat("word ", 193), `,"max_tokens":8,"ignore_eos":true`+streamed)
		first := 250 * time.Millisecond
		content := 0
		for i, a := range w.arrivals {
			want := first
			if strings.Contains(a.data, `"content":"`) && !strings.Contains(a.data, `"role"`) {
				want += time.Duration(content) * 11 * time.Millisecond
				content++
			} else if i > 0 {
				want += 7 * 11 * time.Millisecond
			}
			if i < len(w.arrivals)-2 && a.at != want { // usage and the end come one step later
				t.Errorf("event %d came after %v, want %v: %s", i, a.at, want, a.data)
			}
		}
		if content != 8 {
			t.Errorf("%d content events, want 8", content)
		}
	})
}

func TestEngineSlowsDownAndQueues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimed(t, steady(Speed{Step: 10 * time.Millisecond, StepPerStream: 5 * time.Millisecond, Batch: 2}))
		defer s.Close()
		var wg sync.WaitGroup
		ends := make([]time.Duration, 3)
		for i := range ends {
			wg.Go(func() {
				w := timed(t.Context(), s, "sim-fast", "hi", `,"max_tokens":11,"ignore_eos":true`+streamed)
				ends[i] = w.arrivals[len(w.arrivals)-1].at
			})
			synctest.Wait() // it has its place, or is in the queue for one
		}
		wg.Wait()
		// The first stream's first step is 15 ms, since it was alone, then both have steps of 20 ms. The third one gets
		// the place of the first at 195 ms and is alone after one step.
		if want := []time.Duration{195 * time.Millisecond, 200 * time.Millisecond, 350 * time.Millisecond}; !slices.Equal(ends, want) {
			t.Errorf("streams ended after %v, want %v", ends, want)
		}
	})
}

func TestPrefillsRunOneAfterTheOther(t *testing.T) {
	t.Parallel()
	e := newEngine(Speed{Prefill: 100})
	now := time.Now()
	r := rng(1)
	first, second := e.prefilled(now, 100, &r), e.prefilled(now, 50, &r)
	if first != now.Add(time.Second) || second != now.Add(1500*time.Millisecond) {
		t.Errorf("prefills end after %v and %v", first.Sub(now), second.Sub(now))
	}
}

func TestJitterHasMedianOneAndFollowsTheSeed(t *testing.T) {
	t.Parallel()
	e := newEngine(Speed{Step: time.Second, Jitter: 0.3})
	a, b := rng(5), rng(5)
	below := 0
	for range 2000 {
		d := e.step(&a)
		if d != e.step(&b) {
			t.Fatal("same seed, different jitter")
		}
		if d < time.Second {
			below++
		}
	}
	if below < 900 || below > 1100 {
		t.Errorf("%d of 2000 steps are below the median, want about 1000", below)
	}
}

func TestWholeAnswerTakesTheTimeOfItsTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimed(t, steady(Speed{Overhead: 100 * time.Millisecond, Step: 20 * time.Millisecond}))
		defer s.Close()
		begin := time.Now()
		timed(t.Context(), s, "sim-fast", "hi", `,"max_tokens":10,"ignore_eos":true`)
		if took := time.Since(begin); took != 300*time.Millisecond {
			t.Errorf("took %v, want 300ms", took)
		}
	})
}

// slowCases are the faults whose effect is time; each runs under a simulated clock.
func slowCases() map[string]faultCase {
	// in runs a streamed request with a fault and gives the arrivals to check.
	in := func(fault string, check func(t *testing.T, w *clocked)) faultCase {
		return func(t *testing.T, _ *client, _ *Server) {
			synctest.Test(t, func(t *testing.T) {
				s := newTimed(t, quick())
				defer s.Close()
				check(t, timed(t.Context(), s, "sim-fast:"+fault, "hi", streamed))
			})
		}
	}
	// never checks a fault that ends only when the client leaves, after an hour.
	never := func(fault string, check func(t *testing.T, w *clocked, st Stats)) faultCase {
		return func(t *testing.T, _ *client, _ *Server) {
			synctest.Test(t, func(t *testing.T) {
				s := newTimed(t, quick())
				defer s.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				begin := time.Now()
				w := timed(ctx, s, "sim-fast:"+fault, "hi", streamed)
				if took := time.Since(begin); took != time.Hour {
					t.Errorf("ended after %v, want 1h", took)
				}
				st := s.Stats()
				if st.Aborted != 1 || st.LastAbort != begin.Add(time.Hour) || st.Open != 0 {
					t.Errorf("the abort was not counted: %+v", st)
				}
				check(t, w, st)
			})
		}
	}
	all := func(t *testing.T, w *clocked, want time.Duration) {
		t.Helper()
		for i, a := range w.arrivals {
			if a.at != want {
				t.Errorf("event %d came after %v, want %v", i, a.at, want)
			}
		}
		if len(w.arrivals) < 10 {
			t.Errorf("only %d events", len(w.arrivals))
		}
	}
	return map[string]faultCase{
		"slow-headers":     in("slow-headers;delay=3s", func(t *testing.T, w *clocked) { all(t, w, 3*time.Second) }),
		"slow-first-token": in("slow-first-token;delay=2s", func(t *testing.T, w *clocked) { all(t, w, 2*time.Second) }),
		"role-delay": in("role-delay;delay=4s", func(t *testing.T, w *clocked) {
			if w.arrivals[0].at != 0 || !strings.Contains(w.arrivals[0].data, `"role":"assistant"`) || w.arrivals[1].at != 4*time.Second {
				t.Errorf("role after %v, content after %v", w.arrivals[0].at, w.arrivals[1].at)
			}
		}),
		"slow": in("slow;delay=500ms", func(t *testing.T, w *clocked) {
			for i := 2; i < 10; i++ {
				if got := w.arrivals[i].at - w.arrivals[i-1].at; got != 500*time.Millisecond {
					t.Errorf("event %d came %v after the one before", i, got)
				}
			}
		}),
		"silent": never("silent", func(t *testing.T, w *clocked, st Stats) {
			if w.Code != 200 || len(w.arrivals) != 0 || st.Usage.Output != 0 {
				t.Errorf("something was sent: %v", w.arrivals)
			}
		}),
		"stall": func(t *testing.T, c *client, s *Server) {
			never("stall;after=3;every=10m", func(t *testing.T, w *clocked, st Stats) {
				if len(w.arrivals) != 4 || len(w.comments) != 5 && len(w.comments) != 6 || st.Usage.Output != 3 {
					t.Errorf("%d events, comments %v, billed %+v", len(w.arrivals), w.comments, st.Usage)
				}
			})(t, c, s)
			in("stall;after=3;delay=30s;every=10s", func(t *testing.T, w *clocked) {
				if w.arrivals[3].at != 0 || w.arrivals[4].at != 30*time.Second || len(w.comments) != 2 {
					t.Errorf("events before and after the stall came after %v and %v, comments %v", w.arrivals[3].at, w.arrivals[4].at, w.comments)
				}
			})(t, c, s)
		},
	}
}
