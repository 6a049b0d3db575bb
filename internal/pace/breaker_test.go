package pace

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// end starts a call at tg and ends it with an outcome.
func end(t *testing.T, f *Fleet, tg *llm.Target, k llm.Kind, retryAfter time.Duration) {
	t.Helper()
	mustStart(t, f, tg).Done(Outcome{Kind: k, RetryAfter: retryAfter})
}

func state(f *Fleet) TargetState { return f.Snapshot().Targets[0] }

// fast is a breaker with round numbers.
func fast() Breaker {
	return Breaker{
		Failures: 3, Ratio: 0.5, MinCalls: 10, Window: 10 * time.Second, Cooldown: time.Second,
		MaxCooldown: 8 * time.Second, MaxPause: time.Minute,
	}
}

func TestWhatOpensTheBreaker(t *testing.T) {
	t.Parallel()
	f := func(name string, kinds []llm.Kind, want Health, cause Cause) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := fast()
				b.Failures = 4
				fleet := New(Limits{}, b)
				for i, k := range kinds {
					l, r, _ := fleet.TryStart(at("p", "m"), limit.Try{})
					if r != Started {
						t.Fatalf("call %d of %d: %v", i+1, len(kinds), r)
					}
					l.Done(Outcome{Kind: k})
				}
				if got := state(fleet); got.Health != want || got.Cause != cause {
					t.Errorf("state = %v for %v, want %v for %v", got.Health, got.Cause, want, cause)
				}
			})
		})
	}
	same := func(k llm.Kind, n int) []llm.Kind {
		ks := make([]llm.Kind, n)
		for i := range ks {
			ks[i] = k
		}
		return ks
	}
	f("too few", same(llm.KindServerError, 3), Healthy, ServerError)
	f("server errors", same(llm.KindServerError, 4), Broken, ServerError)
	f("overload", same(llm.KindOverloaded, 4), Broken, Overload)
	f("timeouts", []llm.Kind{llm.KindHeaderTimeout, llm.KindStalled, llm.KindFirstToken, llm.KindTooSlow}, Broken, Timeout)
	f("no connection in time", same(llm.KindConnectTimeout, 4), Broken, Unreachable)
	f("unreachable", same(llm.KindUnreachable, 4), Broken, Unreachable)
	f("rate limit without an end", same(llm.KindRateLimited, 4), Broken, MinuteQuota)
	f("mixed", []llm.Kind{llm.KindServerError, llm.KindTruncated, llm.KindOverloaded, llm.KindUnreachable}, Broken, Unreachable)
	f("success between", []llm.Kind{
		llm.KindServerError, llm.KindServerError, llm.KindServerError, llm.KindNone, llm.KindServerError,
	}, Healthy, ServerError)
	f("refused credentials", same(llm.KindProviderAuth, 3), Broken, Auth)
	f("one refused after other errors", []llm.Kind{llm.KindServerError, llm.KindServerError, llm.KindProviderAuth}, Healthy, ServerError)
	f("no credit", same(llm.KindQuotaExhausted, 1), Broken, Quota)
	for _, k := range []llm.Kind{
		llm.KindBadRequest, llm.KindRejected, llm.KindContentFilter, llm.KindContextLength, llm.KindCanceled,
		llm.KindSlowClient, llm.KindTotalTimeout, llm.KindInternal,
	} {
		f("never "+k.Code(), same(k, 50), Healthy, NoCause)
	}
	f("neutral ones do not end a row", []llm.Kind{
		llm.KindServerError, llm.KindServerError, llm.KindCanceled, llm.KindServerError, llm.KindRejected, llm.KindServerError,
	}, Broken, ServerError)
	f("half of the window", []llm.Kind{
		0, 0, 0, 0, llm.KindServerError, llm.KindServerError, 0, llm.KindServerError, llm.KindServerError, llm.KindServerError,
	}, Broken, ServerError)
	f("less than half", []llm.Kind{
		0, 0, 0, 0, 0, 0, 0, llm.KindServerError, llm.KindServerError, llm.KindServerError,
	}, Healthy, ServerError)
}

// Every kind of error is looked at here, so that one that is added later gets its place on purpose.
func TestCauseOfEveryKind(t *testing.T) {
	t.Parallel()
	counts := 0
	for _, k := range llm.Kinds() {
		c := causeOf(k, llm.NoWindow)
		if c != NoCause {
			counts++
			if k.Cause() != llm.ByProvider {
				t.Errorf("%v is counted against the target but caused by %v", k, k.Cause())
			}
		}
		// What a model writes hangs on what it is asked, and is no fault of the target.
		written := k == llm.KindDegenerate || k == llm.KindInvalidOutput
		if k.Retryable() && !written && c == NoCause {
			t.Errorf("%v may succeed elsewhere but is not counted", k)
		}
	}
	if counts != 14 {
		t.Errorf("%d kinds count against a target, want 14", counts)
	}
}

func TestWindowForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		tg := at("p", "m")
		for range 4 { // 4 failures of 8, not two in a row
			end(t, f, tg, llm.KindServerError, 0)
			end(t, f, tg, llm.KindNone, 0)
		}
		time.Sleep(11 * time.Second)
		end(t, f, tg, llm.KindNone, 0)
		end(t, f, tg, llm.KindServerError, 0)
		end(t, f, tg, llm.KindServerError, 0)
		if got := state(f).Health; got != Healthy {
			t.Errorf("state = %v: calls from before the window counted", got)
		}
	})
}

// TestWindowOfAnotherLength: after a change of the window's length old calls are still forgotten in time.
func TestWindowOfAnotherLength(t *testing.T) {
	t.Parallel()
	var w window
	now := 24 * time.Hour
	w.add(now, 10*time.Second, true)
	w.add(now, time.Minute, true)
	if calls, _ := w.count(now, time.Minute); calls != 1 {
		t.Errorf("%d calls after the change", calls)
	}
	if calls, failed := w.count(now+2*time.Minute, time.Minute); calls != 0 || failed != 0 {
		t.Errorf("%d calls, %d failed after two minutes", calls, failed)
	}
}

func TestHalfOpen(t *testing.T) {
	t.Parallel()
	f := func(name string, k llm.Kind, want Health) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := New(Limits{}, fast())
				tg := at("p", "m")
				for range 3 {
					end(t, fleet, tg, llm.KindServerError, 0)
				}
				until := wantRefusal(t, fleet, tg, false, Open)
				if d := time.Until(until); d < 800*time.Millisecond || d > time.Second {
					t.Errorf("cool-down = %v, want 0.8 s to 1 s", d)
				}
				time.Sleep(time.Until(until))
				if got := state(fleet).Health; got != HalfOpen {
					t.Fatalf("state = %v, want half open", got)
				}
				probe := mustStart(t, fleet, tg)
				if until := wantRefusal(t, fleet, tg, false, Open); !until.IsZero() {
					t.Errorf("until = %v while the probe is under way, want zero", until)
				}
				probe.Done(Outcome{Kind: k})
				if got := state(fleet).Health; got != want {
					t.Errorf("state after %v = %v, want %v", k, got, want)
				}
			})
		})
	}
	f("success closes", llm.KindNone, Healthy)
	f("failure opens", llm.KindServerError, Broken)
	f("cancel leaves it to the next", llm.KindCanceled, HalfOpen)
	f("request's own error leaves it to the next", llm.KindContextLength, HalfOpen)
}

func TestCooldownDoublesUpToCap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		tg := at("p", "m")
		for range 2 {
			end(t, f, tg, llm.KindServerError, 0)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 8, 8} {
			want *= time.Second
			end(t, f, tg, llm.KindServerError, 0)
			d := time.Until(wantRefusal(t, f, tg, false, Open))
			if d < want*4/5 || d > want {
				t.Errorf("cool-down %d = %v, want %v less up to a fifth", i+1, d, want)
			}
			time.Sleep(d)
		}
		end(t, f, tg, llm.KindNone, 0)
		for range 3 {
			end(t, f, tg, llm.KindServerError, 0)
		}
		if d := time.Until(wantRefusal(t, f, tg, false, Open)); d > time.Second {
			t.Errorf("cool-down after a recovery = %v, want to begin anew", d)
		}
	})
}

func TestStatedWaitStretchesTheCooldown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		tg := at("p", "m")
		end(t, f, tg, llm.KindQuotaExhausted, 30*time.Second)
		if d := time.Until(wantRefusal(t, f, tg, false, Open)); d != 30*time.Second {
			t.Errorf("out for %v, want the 30 s that the provider said", d)
		}
	})
}

func TestBegunClosesBeforeTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		tg := at("p", "m")
		var freed int
		f.OnFreed(func(*llm.Target) { freed++ })
		for range 3 {
			end(t, f, tg, llm.KindServerError, 0)
		}
		time.Sleep(time.Second)
		probe := mustStart(t, f, tg)
		freed = 0
		probe.Begun()
		probe.Begun()
		if freed != 1 || state(f).Health != Healthy {
			t.Errorf("freed %d times, state %v; want once, closed", freed, state(f).Health)
		}
		end(t, f, tg, llm.KindNone, 0)
		probe.Done(Outcome{Kind: llm.KindStalled})
		if got := state(f); got.Health != Healthy || got.Cause != Timeout {
			t.Errorf("state = %v for %v, want one failure counted in a closed breaker", got.Health, got.Cause)
		}
	})
}

func TestLastTargetIsNeverEjected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{[]ProviderLimits{{Name: "p", Concurrency: 2}}}, fast())
		tg := at("p", "m")
		for range 3 {
			end(t, f, tg, llm.KindServerError, 0)
		}
		until := wantRefusal(t, f, tg, false, Open)
		for range 5 {
			l, r, _ := f.TryStart(tg, limit.Try{Last: true})
			if r != Started {
				t.Fatalf("last target refused: %v", r)
			}
			l.Done(Outcome{Kind: llm.KindServerError})
		}
		if again := wantRefusal(t, f, tg, false, Open); !again.Equal(until) {
			t.Errorf("failures of calls that had no other target moved the end from %v to %v", until, again)
		}
		a, _, _ := f.TryStart(tg, limit.Try{Last: true})
		b, _, _ := f.TryStart(tg, limit.Try{Last: true})
		wantRefusal(t, f, tg, true, FullAccount) // limits hold for the last target too
		b.Done(Outcome{Kind: llm.KindCanceled})
		a.Done(Outcome{})
		if got := state(f).Health; got != Healthy {
			t.Errorf("state after a success = %v, want closed", got)
		}
	})
}

// A long answer that began before the trouble ends well: that says nothing about calls that start after it.
func TestOldSuccessDoesNotClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		tg := at("p", "m")
		old := mustStart(t, f, tg)
		for range 3 {
			end(t, f, tg, llm.KindUnreachable, 0)
		}
		old.Begun()
		old.Done(Outcome{})
		wantRefusal(t, f, tg, false, Open)
	})
}

func TestRateLimitPauses(t *testing.T) {
	t.Parallel()
	f := func(name string, stated, want time.Duration) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := New(Limits{}, fast())
				tg := at("p", "m")
				long := mustStart(t, fleet, tg)
				for range 5 { // pauses are no failures
					l := mustStart(t, fleet, tg)
					l.Done(Outcome{Kind: llm.KindRateLimited, RetryAfter: stated})
					until := wantRefusal(t, fleet, tg, true, Limited)
					if d := time.Until(until); d != want {
						t.Fatalf("paused for %v, want %v", d, want)
					}
					if got := state(fleet); got.Health != Paused || got.Cause != MinuteQuota || !got.Until.Equal(until) {
						t.Errorf("state = %+v", got)
					}
					time.Sleep(want)
				}
				long.Done(Outcome{Kind: llm.KindRateLimited, RetryAfter: time.Second})
				wantRefusal(t, fleet, tg, false, Limited)
			})
		})
	}
	f("as stated", 3*time.Second, 3*time.Second)
	f("bounded", 24*time.Hour, time.Minute)
}
