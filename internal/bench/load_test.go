package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/workload"
)

// parse reads a workload for a test.
func parse(t *testing.T, lines string) *workload.Workload {
	t.Helper()
	src := "benchmark_workload:\n  name: test\n  request_distribution: {input_tokens: {p50: 40, p99: 60}, output_tokens: {p50: 10, p99: 10}}\n" + lines
	w, err := workload.Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestFrozenServerShows has a server that answers in 10 ms, but not at all for 2 s of every 10. Who counts from the schedule
// sees it, also where a cap keeps the requests in the client.
func TestFrozenServerShows(t *testing.T) {
	t.Parallel()
	frozen := func(start *time.Time) http.HandlerFunc {
		answer := answering(10 * ms)
		return func(w http.ResponseWriter, rq *http.Request) {
			if at := time.Since(*start) % (10 * time.Second); at >= 8*time.Second {
				pause(rq, 10*time.Second-at)
			}
			answer(w, rq)
		}
	}
	f := func(name string, concurrency int, check func(t *testing.T, m measured)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var start time.Time
			s := constant(600, 50*ms, 10)
			s.Arrival.Concurrency = concurrency
			virtually(t, frozen(&start), func(t *testing.T, dial dialFunc) {
				start = time.Now()
				check(t, measureBy(t.Context(), t, dial, Options{Workload: whole(), Schedule: s}))
			})
		})
	}
	f("open", 0, func(t *testing.T, m measured) {
		if p := m.Summary.E2ESched.P99; p < 1500 || p > 2011 {
			t.Errorf("p99 from schedule is %v ms", p)
		}
		if m.Verdict.State != Valid || m.Summary.OK != 600 || m.Client.CapMet != 0 {
			t.Errorf("%+v, %d answered, cap met by %v", m.Verdict, m.Summary.OK, m.Client.CapMet)
		}
	})
	f("hybrid", 1, func(t *testing.T, m measured) {
		if p := m.Summary.E2ESched.P99; p < 1500 || p > 2011 {
			t.Errorf("p99 from schedule is %v ms", p)
		}
		if p := m.Summary.E2E.P99; p > 100 {
			t.Errorf("p99 from sending is %v ms: the cap hides the freeze from it", p)
		}
		if m.Client.CapMet < 0.15 || m.Load.Mode != "hybrid" {
			t.Errorf("cap met by %v in mode %s", m.Client.CapMet, m.Load.Mode)
		}
		if m.Verdict.State != Degraded || m.Client.Lag.Max != 0 {
			t.Errorf("%+v with lag %+v", m.Verdict, m.Client.Lag)
		}
		mentions(t, m.Verdict.Reasons, "met the cap of 1")
	})
}

// TestSlowServerIsNoSlowClient has a server that answers after the run's whole window.
func TestSlowServerIsNoSlowClient(t *testing.T) {
	t.Parallel()
	m := measure(t, answering(20*time.Second), Options{Workload: whole(), Schedule: constant(200, 50*ms, 10)})
	if m.Verdict.State == Invalid {
		t.Errorf("%+v", m.Verdict)
	}
	// Cool-down is 5 s, the window 10 s: who was sent before 15 s - 20 s has no answer.
	if len(m.records) != 200 || m.Summary.Incomplete != 200 || m.Client.MaxInFlight != 200 {
		t.Errorf("%d records, %d incomplete, at most %d in flight", len(m.records), m.Summary.Incomplete, m.Client.MaxInFlight)
	}
	for _, r := range m.records {
		if r.OK || r.Error != "" || r.Done != report.None || r.Dispatched != r.Scheduled {
			t.Fatalf("%+v", r)
		}
	}
}

// lazy is a prompter that takes its time: a client that is too slow for its load.
type lazy struct{ each time.Duration }

func (l lazy) Messages(s workload.Slot) []workload.Message {
	time.Sleep(l.each)
	return texts{}.Messages(s)
}

func TestSlowClientIsInvalid(t *testing.T) {
	t.Parallel()
	m := measure(t, answering(ms), Options{Workload: whole(), Schedule: constant(200, 10*ms, 10), Prompts: lazy{15 * ms}})
	if m.Verdict.State != Invalid || len(m.records) != 200 {
		t.Errorf("%+v with %d records", m.Verdict, len(m.records))
	}
	mentions(t, m.Verdict.Reasons, "in the median", "limit 10 ms")
	mentions(t, m.Verdict.Reasons, "at p99", "limit 100 ms")
	mentions(t, m.Verdict.Reasons, "of the scheduled requests were sent within the window")
	if s := m.Summary; s.E2ESched.P50 < 100*s.E2E.P50 {
		t.Errorf("median from schedule is %v ms, from sending %v ms", s.E2ESched.P50, s.E2E.P50)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := func(name string, status int, header, body string, want report.Record) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
				_, _ = io.Copy(io.Discard, rq.Body)
				for line := range strings.Lines(header) {
					k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
					w.Header().Set(k, v)
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			})
			m := measure(t, h, Options{Schedule: constant(1, time.Second, 10)})
			r := m.records[0]
			if r.OK || r.Error != want.Error || r.Status != status || r.RetryAfter != want.RetryAfter || r.Limits != want.Limits || r.RequestID != want.RequestID {
				t.Errorf("%+v", r)
			}
			if !strings.Contains(r.Detail, want.Detail) || len(r.Detail) > maxDetail {
				t.Errorf("detail %q", r.Detail)
			}
			if m.Summary.Failed != 1 || m.Verdict.State == Invalid {
				t.Errorf("%d failed, %+v", m.Summary.Failed, m.Verdict)
			}
		})
	}
	f("rate limit", 429, "Retry-After: 7\nX-Ratelimit-Limit-Requests: 60\nX-Ratelimit-Remaining-Requests: 0\nX-Ratelimit-Limit-Tokens: 90000\n",
		`{"error":{"message":"slow down, please","type":"requests"}}`,
		report.Record{Error: "provider_rate_limited", RetryAfter: 7 * time.Second, Detail: "slow down", Limits: report.Limits{Requests: 60, Tokens: 90000, TokensLeft: -1}})
	f("server error", 500, "X-Request-Id: abc\n", "oops", report.Record{Error: "provider_error", Detail: "500", RequestID: "abc", Limits: report.NoLimits()})
	f("credentials", 401, "", `{"error":{"message":"no"}}`, report.Record{Error: "provider_auth_failed", Limits: report.NoLimits()})
	f("long text", 400, "", `{"error":{"message":"`+strings.Repeat("ä", 500)+`"}}`, report.Record{Error: "provider_rejected", Detail: "ä", Limits: report.NoLimits()})
	f("redirect", 302, "Location: http://elsewhere/\n", "", report.Record{Error: "provider_bad_answer", Limits: report.NoLimits()})
}

// TestAnswersWithoutStream checks the other end of E2E, and what is no answer.
func TestAnswersWithoutStream(t *testing.T) {
	t.Parallel()
	m := measure(t, answering(40*ms), Options{Workload: whole(), Schedule: constant(3, 100*ms, 10)})
	for _, r := range m.records {
		e2e, ok := r.E2E()
		if !r.OK || !ok || e2e != 40*ms || r.FirstToken != report.None || r.FirstEvent != report.None || r.Output != 10 || r.Stream {
			t.Errorf("%+v", r)
		}
	}
	said := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, rq *http.Request) {
			_, _ = io.Copy(io.Discard, rq.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		}
	}
	f := func(body, want string, stream bool) {
		t.Helper()
		w := whole()
		w.Stream = stream
		m := measure(t, said(body), Options{Workload: w, Schedule: constant(1, 100*ms, 10)})
		if r := m.records[0]; r.Error != want || r.OK != (want == "") {
			t.Errorf("%s: %+v", body, r)
		}
	}
	f(`{"choices":[{"index":0,"message":{"content":"a"}}]}`, "provider_truncated", false)
	f(`{"error":{"message":"x","type":"overloaded_error"}}`, "provider_overloaded", false)
	f(`<html>`, "provider_bad_answer", false)
	f(``, "provider_bad_answer", false)
	f(`{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}`, "", true) // a server that ignores stream
}

// TestTimeLimitOfARequest checks that a request that takes too long is a failure of the server.
func TestTimeLimitOfARequest(t *testing.T) {
	t.Parallel()
	w := whole()
	w.Timeout = 2 * time.Second
	m := measure(t, answering(time.Minute), Options{Workload: w, Schedule: constant(5, 100*ms, 10)})
	for _, r := range m.records {
		if r.Error != "total_timeout" || r.Incomplete || r.Done-r.Dispatched != 2*time.Second {
			t.Errorf("%+v", r)
		}
	}
}

// TestInterrupt ends the context of a run in the middle of it.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	f := func(name string, w *workload.Workload, s *workload.Schedule) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtually(t, answering(time.Second), func(t *testing.T, dial dialFunc) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				begin := time.Now()
				time.AfterFunc(5*time.Second+20*ms, cancel)
				m := measureBy(ctx, t, dial, Options{Workload: w, Schedule: s})
				if took := time.Since(begin); took > 5*time.Second+30*ms {
					t.Errorf("it took %v", took)
				}
				if m.Stopped != "interrupted" || m.Summary.Incomplete < 5 || m.Summary.OK < 5 || m.Summary.Failed != 0 || m.To > 5*time.Second {
					t.Errorf("stopped by %q at %v, %d incomplete, %d answered, %d failed", m.Stopped, m.To, m.Summary.Incomplete, m.Summary.OK, m.Summary.Failed)
				}
			})
		})
	}
	f("open", whole(), constant(100, 100*ms, 10))
	closed := parse(t, "  concurrent_users: 10\n  phases: {warmup: 1s, ramp: 0s, sustain: 1m}\n")
	closed.Stream = false
	f("closed", closed, nil)
}

// TestErrorRateStops has a server that fails from its 30th request on.
func TestErrorRateStops(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	answer := answering(ms)
	h := http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
		if n.Add(1) > 30 {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		answer(w, rq)
	})
	w := whole()
	w.MaxError = 0.5
	m := measure(t, h, Options{Workload: w, Schedule: constant(500, 10*ms, 10)})
	// 31 of 61 are over a half.
	if m.Stopped != "errors" || len(m.records) != 61 {
		t.Errorf("stopped by %q after %d", m.Stopped, len(m.records))
	}
}

// TestSinkErrorEndsTheRun checks that a full disk does not go unnoticed.
func TestSinkErrorEndsTheRun(t *testing.T) {
	t.Parallel()
	virtually(t, answering(ms), func(t *testing.T, dial dialFunc) {
		n := 0
		_, err := Run(t.Context(), Options{
			Target: mocked(), Workload: whole(), Schedule: constant(500, 10*ms, 10), Prompts: texts{}, dial: dial,
			Record: func(*report.Record) error {
				n++
				return io.ErrShortWrite
			},
		})
		if err == nil || !strings.Contains(err.Error(), "short write") || n != 1 {
			t.Errorf("%v after %d records", err, n)
		}
	})
}

// TestClosedLoop has three users, without a think time, of a server that answers in 100 ms.
func TestClosedLoop(t *testing.T) {
	t.Parallel()
	w := parse(t, "  concurrent_users: 3\n  phases: {warmup: 2s, ramp: 0s, sustain: 10s, cooldown: 5s}\n")
	w.Stream = false
	m := measure(t, answering(100*ms), Options{Workload: w, Key: workload.Key{Seed: 1}})
	if m.Load.Mode != "closed" || m.Client.MaxInFlight != 3 || m.Summary.Requests != 300 || m.Summary.OK != 300 || m.Summary.TPS != 30 {
		t.Errorf("%s loop with at most %d in flight: %d requests, %d answered, %v a second", m.Load.Mode, m.Client.MaxInFlight, m.Summary.Requests, m.Summary.OK, m.Summary.TPS)
	}
	if m.Client.Lag.Max != 0 || m.Summary.Concurrency != 3 {
		t.Errorf("lag %+v, %v in flight", m.Client.Lag, m.Summary.Concurrency)
	}
	seen := map[int64]bool{}
	for _, r := range m.records {
		if seen[r.Index] {
			t.Fatalf("slot %d was sent twice", r.Index)
		}
		seen[r.Index] = true
		if want := w.Phases.At(r.Scheduled); r.Phase != want {
			t.Fatalf("phase %v at %v", r.Phase, r.Scheduled)
		}
	}
}

// TestSameSeedSameRequests checks that what a run sends depends on its key alone.
func TestSameSeedSameRequests(t *testing.T) {
	t.Parallel()
	w := parse(t, "  arrival: {process: poisson, rate: 20}\n  phases: {warmup: 1s, sustain: 5s}\n")
	sent := func(k workload.Key, speed time.Duration) map[string]int {
		var mu sync.Mutex
		bodies := map[string]int{}
		answer := answering(speed)
		measure(t, http.HandlerFunc(func(wr http.ResponseWriter, rq *http.Request) {
			b, err := io.ReadAll(rq.Body)
			if err != nil {
				return
			}
			mu.Lock()
			bodies[string(b)]++
			mu.Unlock()
			answer(wr, rq)
		}), Options{Workload: w, Key: k})
		return bodies
	}
	key := workload.Key{Seed: 5, Suite: "s"}
	a, b := sent(key, ms), sent(key, 300*ms)
	if len(a) < 80 || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("the same key sent %d and %d different bodies", len(a), len(b))
	}
	key.Cell = 1
	for body := range sent(key, ms) {
		if a[body] > 0 {
			t.Fatalf("two cells were sent the same: %s", body)
		}
	}
}

// TestRefusingServerIsNotHammered has users whose every request is refused at once.
func TestRefusingServerIsNotHammered(t *testing.T) {
	t.Parallel()
	w := parse(t, "  concurrent_users: 3\n  phases: {warmup: 1s, ramp: 0s, sustain: 10s, cooldown: 5s}\n")
	m := measure(t, http.NotFoundHandler(), Options{Workload: w})
	if m.Summary.Failed != 300 || m.Verdict.State == Invalid {
		t.Errorf("%d requests failed in 10 s of 3 users, %+v", m.Summary.Failed, m.Verdict)
	}
}

// TestProgress looks at a run while it goes on.
func TestProgress(t *testing.T) {
	t.Parallel()
	target := mocked()
	target.Price = func(u llm.Usage) (int64, bool) { return u.Input + u.Output, true }
	var all []Progress
	s := constant(300, 100*ms, 2)
	for i := range s.Slots[:100] {
		s.Slots[i].Phase = workload.Warmup
	}
	s.Phases.Warmup, s.Phases.Sustain = 10*time.Second, 20*time.Second
	h := scripted(step{50 * ms, text("a")}, step{100 * ms, text("b") + finish + usageOf(7, 2, 0) + done})
	m := measure(t, h, Options{Target: target, Schedule: s, Budget: NewBudget(1), Progress: func(p Progress) { all = append(all, p) }})
	if n := len(all); n < 118 || n > 124 {
		t.Errorf("%d calls in 30 s", n)
	}
	p := all[len(all)/2] // at 15 s
	if p.Phase != workload.Sustain || p.Total != 30*time.Second || p.Target != 10 || p.Sent < 140 || p.InFlight < 1 || p.InFlight > 2 || p.Failed != 0 || p.Saturated {
		t.Errorf("%+v", p)
	}
	near := func(name string, got, want float64) {
		t.Helper()
		if got < 0.9*want || got > 1.1*want {
			t.Errorf("%s is %v, want about %v", name, got, want)
		}
	}
	near("rate", p.Rate, 10)
	near("TPS", p.TPS, 10)
	near("tokens", p.Tokens, 20)
	near("TTFT", p.TTFT99, 50)
	near("E2E", p.E2E95, 150)
	near("TPOT", p.TPOT50, 100)
	last := all[len(all)-1]
	if last.OK != 300 || last.InFlight != 0 || last.Cap != 1 || last.Spent != 300*9e-9 || last.RPMUsed != -1 {
		t.Errorf("%+v", last)
	}
	if m.Summary.OK != 200 {
		t.Errorf("%d measured", m.Summary.OK)
	}
}
