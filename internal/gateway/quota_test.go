package gateway_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/admit"
	"sluice/internal/auth"
	"sluice/internal/gateway"
	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/pace"
)

// TestUsedUpQuotaCostsNoRetries checks that a call whose provider says "later" goes back to the queue, as often as that takes, and that
// neither its attempts nor the retry budget pay for it.
func TestUsedUpQuotaCostsNoRetries(t *testing.T) {
	t.Parallel()
	f := func(name string, refusals int, retryAfter string, want llm.Kind, sends int, least time.Duration) {
		t.Helper()
		var all []step
		for range refusals {
			all = append(all, fail(429, "Retry-After", retryAfter))
		}
		s := steps(append(all, ok)...)
		o := at(s)
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts, c.Retry.Budget = 2, 0 }
		onRoad(t, o, func(rd *road) {
			w := rd.chat("p/m")
			w.want(want, sends)
			if w.took < least || w.took > least+time.Duration(sends)*200*time.Millisecond {
				t.Errorf("%s: took %v, want about %v", name, w.took, least)
			}
		})
	}
	f("one", 1, "2", llm.KindNone, 2, 2*time.Second)
	f("as many as it waits for", 8, "3", llm.KindNone, 9, 24*time.Second)
	f("too many", 9, "3", llm.KindRateLimited, 9, 24*time.Second)
	f("too long in sum", 3, "25", llm.KindRateLimited, 3, 50*time.Second)
}

// TestOneAttemptIsOne: with retry.attempts 1 a provider's 429 is the client's answer, at once. A call that the client retries has one attempt left
// for other failures, but waits for quotas all the same.
func TestOneAttemptIsOne(t *testing.T) {
	t.Parallel()
	f := func(name string, attempts, retried, sends int, want llm.Kind) {
		t.Helper()
		o := at(steps(fail(429, "Retry-After", "2"), ok))
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts = attempts }
		onRoad(t, o, func(rd *road) {
			w := rd.chat("p/m", func(x *gateway.Exchange) { x.Retried = retried })
			w.want(want, sends)
			if want != llm.KindNone && (w.took > 100*time.Millisecond || w.err.RetryAfter != 2*time.Second) {
				t.Errorf("%s: took %v, told to come back in %v", name, w.took, w.err.RetryAfter)
			}
		})
	}
	f("no retries", 1, 0, 1, llm.KindRateLimited)
	f("the client's second retry", 3, 2, 2, llm.KindNone)
}

// later is a step that takes a time before it begins.
func later(after time.Duration, s step) step {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(after)
		s(w, r)
	}
}

// TestRequeueingEndsWithTheMinute: a call that is refused for want of quota still, a minute after the first time, gets the provider's
// error; waits that the provider stated are not counted.
func TestRequeueingEndsWithTheMinute(t *testing.T) {
	t.Parallel()
	slow := func(after time.Duration, header ...string) step { return later(after, fail(429, header...)) }
	f := func(name string, want llm.Kind, sends int, all ...step) {
		t.Helper()
		onRoad(t, at(steps(all...)), func(rd *road) {
			w := rd.chat("p/m")
			if w.want(want, sends); w.took > 2*time.Minute {
				t.Errorf("%s: took %v", name, w.took)
			}
		})
	}
	f("over it", llm.KindRateLimited, 3, slow(0), slow(20*time.Second), slow(41*time.Second), ok)
	f("within it", llm.KindNone, 4, slow(0), slow(20*time.Second), slow(20*time.Second), ok)
	f("stated waits do not count", llm.KindNone, 4, slow(0, "Retry-After", "30"), slow(25*time.Second), slow(25*time.Second), ok)
}

// TestDayQuotaIsNotWaitedFor checks that a call whose provider says "tomorrow" is told so at once.
func TestDayQuotaIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	body := `{"error":{"message":"Rate limit reached for gpt-4o on requests per day (RPD): Limit 200, Used 200, Requested 1.","code":"rate_limit_exceeded"}}`
	onRoad(t, at(steps(failWith(429, body, "Retry-After", "30"), ok)), func(rd *road) {
		w := rd.chat("p/m")
		w.want(llm.KindRateLimited, 1)
		if w.took > 100*time.Millisecond {
			t.Errorf("took %v", w.took)
		}
	})
}

// TestQueueSaysWhenToComeBack: a call that was put back for a quota and finds no place any more says what the queue knows, not what the provider said
// before.
func TestQueueSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	o := options{providers: []provider{{name: "p", answer: steps(fail(429, "Retry-After", "1"), okAfter(time.Minute)), concurrency: 1}}}
	o.queue = func(c *admit.Config) { c.MaxWait = 5 * time.Second }
	onRoad(t, o, func(rd *road) {
		done := make(chan *reply, 1)
		go func() { done <- rd.chat("p/m") }()
		synctest.Wait()
		slow := make(chan *reply, 1)
		time.Sleep(900 * time.Millisecond)
		go func() { slow <- rd.chat("p/other") }()
		w := <-done
		w.want(llm.KindRateLimited, 1)
		if w.err.RetryAfter != 5*time.Second {
			t.Errorf("told to come back in %v, want 5s", w.err.RetryAfter)
		}
		(<-slow).want(llm.KindNone, 1)
	})
}

// TestUnableCostsTheKeyNothing: a call that no target can be asked for does not take of its key's limits.
func TestUnableCostsTheKeyNothing(t *testing.T) {
	t.Parallel()
	o := keyed(steps(ok), auth.KeyConfig{Limits: auth.Limits{RPM: 1}})
	o.providers = append(o.providers, provider{name: "claude", api: "anthropic", answer: steps(ok)})
	onRoad(t, o, func(rd *road) {
		for range 2 {
			rd.do(t.Context(), rd.exchange(llm.OpEmbedding, `{"model":"claude/m","input":"x"}`, rd.by(keyA))).want(llm.KindUnsupported, 0)
		}
		rd.chat("openai/gpt-4o", rd.by(keyA)).want(llm.KindNone, 1)
		rd.chat("openai/gpt-4o", rd.by(keyA)).want(llm.KindKeyRate, 0)
	})
}

// minutely is a quota of so many requests and tokens a minute, of which nothing else is known.
func minutely(requests, tokens int64) []pace.QuotaLimits {
	return []pace.QuotaLimits{{Models: []string{"*"}, Terms: limit.Terms{Limits: []limit.Limit{
		{Dim: limit.Requests, Amount: requests, Per: time.Minute}, {Dim: limit.Tokens, Amount: tokens, Per: time.Minute},
	}}}}
}

// TestFullQuotaIsThereAtOnce has as many calls as a minute's quota allows come at once, with a deadline that is far shorter than the minute.
func TestFullQuotaIsThereAtOnce(t *testing.T) {
	t.Parallel()
	o := at(steps(okAfter(300 * time.Millisecond)))
	o.providers[0].quotas = minutely(60, 60_000)
	onRoad(t, o, func(rd *road) {
		replies := make(chan *reply, 60)
		for range 60 {
			x := rd.exchange(llm.OpChat, chatBody("p/m", `,"max_tokens":100`), func(x *gateway.Exchange) { x.Call.Deadline = x.Call.Start.Add(5 * time.Second) })
			go func() { replies <- rd.do(rd.t.Context(), x) }()
		}
		for range 60 {
			w := <-replies
			w.want(llm.KindNone, 1)
			if ms, err := strconv.Atoi(w.frozen.Get("X-Sluice-Queue-Expected-Ms")); err == nil && ms > 5000 {
				t.Errorf("a call that took %v was expected to wait %d ms", w.took, ms)
			}
		}
	})
}

// TestCallLargerThanAQuota checks that a call which can never fit a quota is refused on arrival, by the quota's name, and goes elsewhere where
// another target can take it.
func TestCallLargerThanAQuota(t *testing.T) {
	t.Parallel()
	f := func(name string, quotas []pace.QuotaLimits, maxTokens int, want llm.Kind, says ...string) {
		t.Helper()
		s := steps(ok)
		o := at(s)
		o.providers[0].quotas = quotas
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("p/m", fmt.Sprintf(`,"max_tokens":%d`, maxTokens))))
			if want == llm.KindNone {
				w.want(want, 1)
				return
			}
			w.want(want, 0)
			w.says(says...)
			if w.took != 0 || w.err.RetryAfter != 0 || w.frozen.Get("X-Should-Retry") != "false" || s.count() != 0 {
				t.Errorf("%s: took %v, to come back in %v, x-should-retry %q, %d requests to the provider", name, w.took, w.err.RetryAfter,
					w.frozen.Get("X-Should-Retry"), s.count())
			}
		})
	}
	charged := func(q []pace.QuotaLimits, c limit.Charge) []pace.QuotaLimits {
		q[0].Terms.Charge = c
		return q
	}
	f("fits", minutely(60, 60_000), 50_000, llm.KindNone)
	f("does not", minutely(60, 60_000), 70_000, llm.KindDeadline, "needs 7000", `quota "*" of provider "p" allows 60000 per minute`, "never fits", "max_tokens")
	f("counted on arrival", charged(minutely(60, 60_000), limit.ChargeMax), 70_000, llm.KindDeadline, "allows 60000 per minute")
	f("counted by use", charged(minutely(60, 60_000), limit.ChargeActual), 70_000, llm.KindNone)
	f("a quota of other models", []pace.QuotaLimits{{Models: []string{"b-*"}, Terms: minutely(60, 60_000)[0].Terms}}, 70_000, llm.KindNone)

	small, large := steps(ok), steps(ok)
	o := pool(small, large)
	o.providers[0].quotas = minutely(60, 60_000)
	onRoad(t, o, func(rd *road) {
		rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("m", `,"max_tokens":70000`))).want(llm.KindNone, 1)
		if small.count() != 0 || large.count() != 1 {
			t.Errorf("%d requests to the target with a small quota, %d to the other", small.count(), large.count())
		}
	})
}
