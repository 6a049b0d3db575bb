package gateway_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"sluice/internal/admit"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// at returns options with one provider "p", which is asked for the model "p/m".
func at(s *script) options { return options{providers: []provider{{name: "p", answer: s}}} }

func TestRetryUntilSuccess(t *testing.T) {
	t.Parallel()
	s := steps(fail(503), fail(503), ok)
	onRoad(t, at(s), func(rd *road) {
		w := rd.chat("p/m")
		w.want(llm.KindNone, 3)
		if w.status != 200 || w.body.String() != answerText {
			t.Errorf("client got %d %s", w.status, w.body.String())
		}
		if row := rd.row(w); row.Attempts != 3 || row.Status != 200 || row.Code != "" || row.Queue == 0 || row.Queue > w.took {
			t.Errorf("row %+v", row)
		}
		for series, want := range map[string]float64{
			`sluice_retries_total`:                                                  2,
			`sluice_attempts_total{outcome="ok",target="p/other"}`:                  1,
			`sluice_attempts_total{outcome="provider_overloaded",target="p/other"}`: 2,
			`sluice_calls_total{cause="",code="ok"}`:                                1,
		} {
			if got := rd.metric(series); got != want {
				t.Errorf("%s is %v, want %v", series, got, want)
			}
		}
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	f := func(attempts, retried, want int) {
		t.Helper()
		s := steps(fail(500))
		o := at(s)
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts = attempts }
		onRoad(t, o, func(rd *road) {
			w := rd.chat("p/m", func(x *gateway.Exchange) { x.Retried = retried })
			w.want(llm.KindServerError, want)
			if s.count() != want {
				t.Errorf("provider was asked %d times, want %d", s.count(), want)
			}
			if got := w.frozen.Get("X-Should-Retry") == "false"; got != (want > 1) {
				t.Errorf("x-should-retry: false is %v after %d attempts", got, want)
			}
		})
	}
	f(1, 0, 1)
	f(3, 0, 3)
	f(5, 0, 5)
	f(3, 1, 2) // the client retries too
	f(3, 2, 1)
	f(3, 9, 1)
	f(3, -4, 3) // a client's nonsense
}

// TestStatedWaitIsObeyed checks that a retry comes not before the time that the provider stated, and soon after.
func TestStatedWaitIsObeyed(t *testing.T) {
	t.Parallel()
	f := func(status int, name, value string, wait time.Duration) {
		t.Helper()
		s := steps(fail(status, name, value), ok)
		onRoad(t, at(s), func(rd *road) {
			rd.chat("p/m").want(llm.KindNone, 2)
			got := s.got()
			if gap := got[1].at.Sub(got[0].at); gap < wait || gap > wait+200*time.Millisecond {
				t.Errorf("%d with %s %s: asked again after %v", status, name, value, gap)
			}
		})
	}
	f(429, "Retry-After", "2", 2*time.Second)
	f(429, "Retry-After", "30", 30*time.Second)
	f(429, "retry-after-ms", "700", 700*time.Millisecond)
	f(503, "Retry-After", "7", 7*time.Second)
	f(529, "Retry-After", "1.5", 1500*time.Millisecond)
}

// TestStatedWaitBeyondTheCall checks that a wait which the call cannot afford is passed on at once.
func TestStatedWaitBeyondTheCall(t *testing.T) {
	t.Parallel()
	f := func(value string, deadline, wait time.Duration) {
		t.Helper()
		o := at(steps(fail(429, "Retry-After", value), ok))
		o.queue = func(c *admit.Config) { c.MaxWait = time.Hour }
		o.settings = func(c *gateway.Settings) { c.Timeouts.Total = 0 }
		onRoad(t, o, func(rd *road) {
			w := rd.chat("p/m", func(x *gateway.Exchange) { x.Call.Deadline = x.Call.Start.Add(deadline) })
			w.want(llm.KindRateLimited, 1)
			if w.status != 429 || w.err.RetryAfter != wait || w.took > 10*time.Millisecond {
				t.Errorf("told %d, retry after %v, after %v", w.status, w.err.RetryAfter, w.took)
			}
			if w.frozen.Get("X-Should-Retry") != "" {
				t.Error("the client must not retry, though the provider said when")
			}
		})
	}
	f("20", 10*time.Second, 20*time.Second)
	f("90", time.Hour, 90*time.Second) // longer than a call ever waits
}

func TestProviderDecidesAboutRetries(t *testing.T) {
	t.Parallel()
	f := func(status int, advice string, kind llm.Kind, attempts int) {
		t.Helper()
		onRoad(t, at(steps(fail(status, "x-should-retry", advice), ok)), func(rd *road) {
			w := rd.chat("p/m")
			w.want(kind, attempts)
			if told := w.header.Get("X-Should-Retry"); kind != llm.KindNone && (told == "false") != (advice == "false") {
				t.Errorf("%d with advice %q: the client is told %q", status, advice, told)
			}
		})
	}
	f(500, "false", llm.KindServerError, 1)
	f(503, "false", llm.KindOverloaded, 1)
	f(429, "false", llm.KindRateLimited, 1)
	f(400, "true", llm.KindNone, 2)
	f(404, "true", llm.KindNone, 2)
	f(500, "true", llm.KindNone, 2)
	f(500, "", llm.KindNone, 2)
	f(400, "", llm.KindRejected, 1)
}

// TestAdviceIsAboutTheProvider checks that another target may answer what the first one will not.
func TestAdviceIsAboutTheProvider(t *testing.T) {
	t.Parallel()
	a, b := steps(fail(500, "x-should-retry", "false")), steps(fail(500), fail(500), ok)
	o := pool(a, b)
	o.settings = func(c *gateway.Settings) { c.Retry.Attempts = 4 }
	onRoad(t, o, func(rd *road) {
		rd.chat("m").want(llm.KindNone, 4)
		if a.count() != 1 || b.count() != 3 {
			t.Errorf("asked %d and %d times, want 1 and 3", a.count(), b.count())
		}
	})
}

// TestBudgetEndsRetriesInAnOutage sends calls to a provider that is down.
func TestBudgetEndsRetriesInAnOutage(t *testing.T) {
	t.Parallel()
	const calls, reserve = 1000, 10
	for _, share := range []float64{0, 0.2, 0.5} {
		s := steps(fail(500))
		o := at(s)
		o.settings = func(c *gateway.Settings) { c.Retry.Budget, c.Retry.Attempts = share, 5 }
		onRoad(t, o, func(rd *road) {
			for range calls {
				rd.chat("p/m")
			}
			if n, most := s.count(), calls+int(calls*share)+reserve; n > most || n < most-5 {
				t.Errorf("budget %v: %d attempts for %d calls, want %d or a little less", share, n, calls, most)
			}
		})
	}
}

// TestBudgetHoldsForCallsAtOnce does the same with calls side by side.
func TestBudgetHoldsForCallsAtOnce(t *testing.T) {
	t.Parallel()
	const calls, reserve = 1000, 10
	s := steps(fail(503))
	onRoad(t, at(s), func(rd *road) {
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() { rd.chat("p/m") })
		}
		wg.Wait()
		if n := s.count(); n > calls+calls/5+reserve || n <= calls {
			t.Errorf("%d attempts for %d calls", n, calls)
		}
	})
}

// TestWaitingRetryHoldsNoSlot lets a call through at a provider with one slot while another waits to try again.
func TestWaitingRetryHoldsNoSlot(t *testing.T) {
	t.Parallel()
	s := steps(fail(503, "Retry-After", "5"), okAfter(time.Second))
	o := at(s)
	o.providers[0].concurrency = 1
	onRoad(t, o, func(rd *road) {
		first := make(chan *reply)
		go func() { first <- rd.chat("p/m") }()
		rd.sleep(time.Second)
		other := rd.chat("p/m")
		other.want(llm.KindNone, 1)
		if other.took != time.Second {
			t.Errorf("the other call took %v, want one second", other.took)
		}
		w := <-first
		w.want(llm.KindNone, 2)
		if ms := w.header.Get("X-Sluice-Queue-Ms"); ms < "5000" || ms > "5101" || len(ms) != 4 {
			t.Errorf("X-Sluice-Queue-Ms is %s", ms)
		}
	})
}

// TestCancelEndsAWait checks that a client that leaves during a back-off ends the call at once, and is no provider's fault.
func TestCancelEndsAWait(t *testing.T) {
	t.Parallel()
	onRoad(t, at(steps(fail(503, "Retry-After", "20"), ok)), func(rd *road) {
		ctx, cancel := context.WithTimeoutCause(rd.t.Context(), 3*time.Second, context.Canceled)
		defer cancel()
		w := rd.do(ctx, rd.exchange(llm.OpChat, chatBody("p/m", "")))
		if w.took != 3*time.Second || w.status != 499 {
			t.Errorf("took %v, answered %v", w.took, w.status)
		}
		if row := rd.row(w); row.Status != 499 || row.Code != "client_closed_request" || row.Attempts != 1 {
			t.Errorf("row %+v", row)
		}
	})
}

// TestNoRetryBeyondDeadline checks that back-off does not begin where it cannot end in time.
func TestNoRetryBeyondDeadline(t *testing.T) {
	t.Parallel()
	s := steps(fail(500))
	o := at(s)
	o.settings = func(c *gateway.Settings) {
		c.Retry.Attempts, c.Retry.Base, c.Retry.Max = 100, 8*time.Second, 8*time.Second
	}
	onRoad(t, o, func(rd *road) {
		w := rd.chat("p/m", func(x *gateway.Exchange) { x.Call.Deadline = x.Call.Start.Add(10 * time.Second) })
		w.want(llm.KindServerError, s.count())
		if w.took > 10*time.Second || s.count() < 2 {
			t.Errorf("took %v with %s attempts", w.took, strconv.Itoa(s.count()))
		}
	})
}
