package gateway_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"sluice/internal/admit"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

const second = time.Second

// near reports whether two times are equal, but for the nanosecond that tells "at once" from "not yet".
func near(a, b time.Duration) bool { return (a - b).Abs() < time.Microsecond }

// alone returns options with one provider, one attempt a call, and timeouts that differ from each other.
func alone(s *script) options {
	o := at(s)
	o.settings = func(c *gateway.Settings) {
		c.Retry.Attempts = 1
		t := &c.Timeouts
		t.Connect, t.Headers, t.FirstToken, t.Idle, t.Total = 2*second, 7*second, 11*second, 5*second, 60*second
	}
	return o
}

// TestTimeoutsApart checks that each phase of an attempt has a limit of its own, whose setting the error names.
func TestTimeoutsApart(t *testing.T) {
	t.Parallel()
	f := func(name string, first step, stream bool, kind llm.Kind, took time.Duration, setting string) {
		t.Helper()
		onRoad(t, alone(steps(first)), func(rd *road) {
			var w *reply
			if stream {
				w = rd.stream("p/m")
			} else {
				w = rd.chat("p/m")
			}
			w.want(kind, 1)
			if !near(w.took, took) {
				t.Errorf("%s: took %v, want %v", name, w.took, took)
			}
			w.says(setting)
			if row := rd.row(w); row.Code != kind.Code() || row.Status != kind.Status() {
				t.Errorf("%s: row %+v", name, row)
			}
		})
	}
	ping := ": ping\n\n"
	f("headers", hang, false, llm.KindHeaderTimeout, 7*second, "timeouts.headers")
	f("headers of a stream", hang, true, llm.KindHeaderTimeout, 7*second, "timeouts.headers")
	f("role only", events(roleEvent, "hang"), true, llm.KindFirstToken, 11*second, "timeouts.first_token")
	f("comments do not count", events(ping, 4*second, ping, 4*second, ping, 4*second, ping, "hang"), true,
		llm.KindFirstToken, 11*second, "timeouts.first_token")
	f("roles do not count", events(roleEvent, 4*second, roleEvent, 4*second, roleEvent, "hang"), true,
		llm.KindFirstToken, 11*second, "timeouts.first_token")
	f("idle", events(roleEvent, textEvent, 4*second, textEvent, "hang"), true, llm.KindStalled, 9*second, "timeouts.idle")
	f("idle in an answer that is not streamed", events("{", "hang"), false, llm.KindStalled, 5*second, "timeouts.idle")
	trickle := make([]any, 40)
	for i := range trickle {
		trickle[i] = textEvent
		if i%2 == 1 {
			trickle[i] = 4 * second
		}
	}
	f("total", events(trickle...), true, llm.KindTotalTimeout, 60*second, "timeouts.total")
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	o := alone(steps(ok))
	o.providers[0].noDial = true
	onRoad(t, o, func(rd *road) {
		w := rd.chat("p/m")
		w.want(llm.KindConnectTimeout, 1)
		w.says("timeouts.connect")
		if w.took != 2*second {
			t.Errorf("took %v", w.took)
		}
	})
}

// TestDefaultsScale checks the limits that hold where the configuration leaves them open: they grow with the prompt and
// with the answer that may come.
func TestDefaultsScale(t *testing.T) {
	t.Parallel()
	f := func(input int, maxTokens string, stream bool, limit time.Duration) {
		t.Helper()
		o := at(steps(hang))
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts, c.Timeouts.Total = 1, 0 }
		onRoad(t, o, func(rd *road) {
			more := `,"user":"u"` + maxTokens
			if stream {
				more += `,"stream":true`
			}
			body := strings.Replace(chatBody("p/m", more), "hello", strings.Repeat("word ", input), 1)
			x := rd.exchange(llm.OpChat, body)
			w := rd.do(rd.t.Context(), x)
			want := limit + time.Duration(x.Call.InputTokens)*time.Millisecond
			if w.took != want || w.err.Kind != llm.KindHeaderTimeout {
				t.Errorf("%d words, %s, stream %v: %v after %v, want %v", input, maxTokens, stream, w.err, w.took, want)
			}
		})
	}
	f(1, "", true, time.Minute)
	f(20_000, "", true, time.Minute)
	f(1, `,"max_tokens":6000`, true, 2*time.Minute)
	f(1, `,"max_tokens":2000`, false, time.Minute+100*second)
	f(1, "", false, time.Minute+4096*second/20)
}

// TestDeadlineOfTheClient checks X-Sluice-Deadline: it ends an attempt, a wait for capacity, and is named.
func TestDeadlineOfTheClient(t *testing.T) {
	t.Parallel()
	within := func(d time.Duration) func(*gateway.Exchange) {
		return func(x *gateway.Exchange) { x.Call.Deadline = x.Call.Start.Add(d) }
	}
	onRoad(t, alone(steps(okAfter(time.Minute))), func(rd *road) {
		w := rd.chat("p/m", within(3*second))
		w.want(llm.KindTotalTimeout, 1)
		w.says("X-Sluice-Deadline")
		if w.took != 3*second || w.status != 504 || w.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%d after %v", w.status, w.took)
		}
	})
	o := alone(steps(okAfter(6 * second)))
	o.providers[0].concurrency = 1
	onRoad(t, o, func(rd *road) {
		first := make(chan *reply)
		go func() { first <- rd.chat("p/m") }()
		rd.sleep(second)
		w := rd.chat("p/m", within(2*second))
		w.want(llm.KindDeadline, 0)
		w.says("deadline", "2s")
		if w.took != 2*second || w.status != 429 || w.err.RetryAfter <= 0 {
			t.Errorf("%d after %v, retry after %v", w.status, w.took, w.err.RetryAfter)
		}
		if row := rd.row(w); row.Target != "" || row.Queue < 2*second || row.Cause != "policy" {
			t.Errorf("row %+v", row)
		}
		(<-first).want(llm.KindNone, 1)
	})
}

// TestPatienceOfTheQueue checks the bounds of waiting that the operator sets.
func TestPatienceOfTheQueue(t *testing.T) {
	t.Parallel()
	o := alone(steps(okAfter(6 * second)))
	o.providers[0].concurrency = 1
	o.queue = func(c *admit.Config) { c.MaxQueue, c.MaxWait = 1, 3*second }
	onRoad(t, o, func(rd *road) {
		replies := make(chan *reply, 2)
		go func() { replies <- rd.chat("p/m") }()
		rd.sleep(second)
		go func() { replies <- rd.chat("p/m") }() // waits
		rd.sleep(second)
		w := rd.chat("p/m")
		w.want(llm.KindQueueFull, 0)
		w.says("queue.max_calls", "1")
		w = <-replies
		w.want(llm.KindDeadline, 0)
		w.says("queue.max_wait", "3s")
		(<-replies).want(llm.KindNone, 1)
	})
}

// TestHugeLimitOfTokens checks that no number of tokens makes a limit so short that the target is blamed for it.
func TestHugeLimitOfTokens(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"", `,"stream":true`} {
		// The first is what wraps around to a wait of a moment where it is multiplied by a second and divided by 20.
		for _, n := range []int64{1<<55 - 1200, 1<<55 - 6000, 1 << 34, math.MaxInt64} {
			s := steps(okAfter(30 * second))
			if stream != "" {
				s = steps(events(30*second, roleEvent, textEvent, finishEvent, doneEvent))
			}
			onRoad(t, at(s), func(rd *road) {
				w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("p/m", fmt.Sprintf(`,"max_tokens":%d`, n)+stream)))
				if w.err != nil || w.took != 30*second {
					t.Errorf("max_tokens %d%s: %v after %v", n, stream, w.err, w.took)
				}
			})
		}
	}
}
