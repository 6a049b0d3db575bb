package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// TestNoRetryAfterTheCommitPoint checks that a stream whose content has begun to reach the client is never begun again:
// what is wrong with it is told in it.
func TestNoRetryAfterTheCommitPoint(t *testing.T) {
	t.Parallel()
	f := func(kind llm.Kind, parts ...any) {
		t.Helper()
		a, b := steps(events(parts...)), steps(ok)
		onRoad(t, pool(a, b), func(rd *road) {
			w := rd.stream("m")
			w.want(kind, 1)
			if !w.begun || w.status != 200 || b.count() != 0 || a.count() != 1 {
				t.Errorf("%v: begun %v, %d and %d requests", kind, w.begun, a.count(), b.count())
			}
			if !strings.HasPrefix(w.body.String(), roleEvent+textEvent) {
				t.Errorf("%v: client got %q", kind, w.body.String())
			}
			if w.err != nil && w.err.Sent != llm.OutputBegun {
				t.Errorf("%v: sent %d", kind, w.err.Sent)
			}
			if row := rd.row(w); row.Code != kind.Code() || row.Cause != "provider" || row.Status != kind.Status() {
				t.Errorf("%v: row %+v", kind, row)
			}
			if n := rd.metric(fmt.Sprintf(`sluice_attempts_total{outcome=%q,target="a/m"}`, kind.Code())); n != 1 {
				t.Errorf("%v: %v attempts counted", kind, n)
			}
		})
	}
	f(llm.KindTruncated, roleEvent, textEvent, "reset")
	f(llm.KindTruncated, roleEvent, textEvent)
	f(llm.KindTruncated, roleEvent, textEvent, doneEvent)
	f(llm.KindStalled, roleEvent, textEvent, "hang")
	f(llm.KindProviderStream, roleEvent, textEvent, "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n")
	f(llm.KindOverloaded, roleEvent, textEvent, "data: {\"error\":{\"message\":\"x\",\"code\":503}}\n\n")
}

// TestCompleteStreams checks forms of streams that are complete, and what of them reaches the client.
func TestCompleteStreams(t *testing.T) {
	t.Parallel()
	f := func(name, more, want string, malformed float64, parts ...any) {
		t.Helper()
		s := steps(events(parts...))
		onRoad(t, at(s), func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("p/m", `,"stream":true`+more)))
			w.want(llm.KindNone, 1)
			if w.body.String() != want {
				t.Errorf("%s: client got %q, want %q", name, w.body.String(), want)
			}
			if row := rd.row(w); row.BytesOut != int64(len(want)) || row.Status != 200 {
				t.Errorf("%s: row %+v", name, row)
			}
			if n := rd.metric("sluice_malformed_events_total"); n != malformed {
				t.Errorf("%s: %v malformed events counted, want %v", name, n, malformed)
			}
			if asked := s.got()[0].body; !strings.Contains(asked, `"include_usage":true`) || !strings.Contains(asked, `"model":"m"`) {
				t.Errorf("%s: provider was sent %s", name, asked)
			}
		})
	}
	const wanted = `,"stream_options":{"include_usage":true}`
	f("usage not asked for", "", roleEvent+textEvent+finishEvent+doneEvent, 0, roleEvent, textEvent, finishEvent, usageEvent, doneEvent)
	f("usage asked for", wanted, roleEvent+textEvent+finishEvent+usageEvent+doneEvent, 0, roleEvent, textEvent, finishEvent, usageEvent, doneEvent)
	f("no [DONE]", "", roleEvent+textEvent+finishEvent+doneEvent, 0, roleEvent, textEvent, finishEvent)
	f("no content", "", roleEvent+finishEvent+doneEvent, 0, roleEvent, finishEvent, doneEvent)
	f("malformed event", "", roleEvent+textEvent+finishEvent+doneEvent, 1, roleEvent, "data: {\"choi\n\n", textEvent, finishEvent, doneEvent)
	f("silence before [DONE]", "", roleEvent+textEvent+finishEvent+doneEvent, 0, roleEvent, textEvent, finishEvent, 20*time.Second, doneEvent)
	f("slow, but alive", "", roleEvent+textEvent+textEvent+finishEvent+doneEvent, 0, roleEvent, 25*time.Second, textEvent, 25*time.Second, textEvent, 25*time.Second, finishEvent, doneEvent)
}

// TestLeavingClientEndsTheAttempt checks that the provider sees the client leave at once, in each phase.
func TestLeavingClientEndsTheAttempt(t *testing.T) {
	t.Parallel()
	f := func(name string, parts ...any) {
		t.Helper()
		gone := make(chan time.Time, 1)
		s := steps(func(w http.ResponseWriter, r *http.Request) {
			events(parts...)(w, r)
			<-r.Context().Done()
			gone <- time.Now()
		})
		onRoad(t, at(s), func(rd *road) {
			gone = make(chan time.Time, 1) // of the bubble
			ctx, cancel := context.WithTimeoutCause(rd.t.Context(), 3*time.Second, context.Canceled)
			defer cancel()
			x := rd.exchange(llm.OpChat, chatBody("p/m", `,"stream":true`))
			w := rd.do(ctx, x)
			if at := <-gone; at.Sub(x.Call.Start) != 3*time.Second || w.took != 3*time.Second {
				t.Errorf("%s: the provider saw it after %v, the call took %v", name, at.Sub(x.Call.Start), w.took)
			}
			if !w.over || w.err.Kind != llm.KindCanceled {
				t.Errorf("%s: a client that may still read was told %v", name, w.err)
			}
			if row := rd.row(w); row.Status != 499 || row.Cause != "caller" {
				t.Errorf("%s: row %+v", name, row)
			}
			if h := rd.fleet.Snapshot().Targets[0]; h.Cause.String() != "none" {
				t.Errorf("%s: the target is blamed: %+v", name, h)
			}
		})
	}
	f("before the headers")
	f("before content", roleEvent)
	f("in the stream", roleEvent, textEvent)
}

// TestShutdownIsTold checks that a call ended by Sluice is told so, and is no fault of provider or client.
func TestShutdownIsTold(t *testing.T) {
	t.Parallel()
	f := func(first step) {
		t.Helper()
		onRoad(t, at(steps(first)), func(rd *road) {
			ctx, cancel := context.WithCancelCause(rd.t.Context())
			time.AfterFunc(2*time.Second, func() { cancel(llm.Errorf(llm.KindDraining, "the gateway is shutting down")) })
			w := rd.do(ctx, rd.exchange(llm.OpChat, chatBody("p/m", `,"stream":true`)))
			w.want(llm.KindDraining, 1)
			if w.took != 2*time.Second || rd.row(w).Cause != "gateway" {
				t.Errorf("took %v, row %+v", w.took, rd.row(w))
			}
		})
	}
	f(hang)
	f(events(roleEvent, textEvent, "hang"))
	f(fail(503, "Retry-After", "20"))
}

// TestLimitsOnAnswers checks that nothing a provider sends is kept without a bound.
func TestLimitsOnAnswers(t *testing.T) {
	t.Parallel()
	o := at(steps(whole(strings.Replace(answerText, "hi there", strings.Repeat("x", 3000), 1))))
	o.providers[0].maxAnswer = 2000
	o.settings = func(c *gateway.Settings) { c.Retry.Attempts = 1 }
	onRoad(t, o, func(rd *road) {
		w := rd.chat("p/m")
		w.want(llm.KindBadAnswer, 1)
		w.says("2000 bytes", "max_answer")
	})
	o = at(steps(events(strings.Repeat(roleEvent, 10_000), "hang")))
	o.settings = func(c *gateway.Settings) { c.Retry.Attempts = 1 }
	onRoad(t, o, func(rd *road) {
		w := rd.stream("p/m")
		w.want(llm.KindBadAnswer, 1)
		w.says("without a content token")
	})
}

// TestTooMuchIsNotAskedForAgain checks that an answer over a limit, which costs what it costs, is not had twice from one
// target. Another target may do with less.
func TestTooMuchIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	long := strings.Replace(answerText, "hi there", strings.Repeat("x", 3000), 1)
	o := at(steps(whole(long), ok))
	o.providers[0].maxAnswer = 2000
	onRoad(t, o, func(rd *road) {
		w := rd.chat("p/m")
		w.want(llm.KindBadAnswer, 1)
		if w.header.Get("X-Should-Retry") != "false" {
			t.Error("the client is not told that a retry fails too")
		}
	})
	onRoad(t, at(steps(events(strings.Repeat(roleEvent, 10_000), "hang"), ok)), func(rd *road) {
		rd.stream("p/m").want(llm.KindBadAnswer, 1)
	})
	o = pool(steps(whole(long)), steps(ok))
	o.providers[0].maxAnswer = 2000
	onRoad(t, o, func(rd *road) { rd.chat("m").want(llm.KindNone, 2) })
}

// TestErrorWithoutItsBody checks that an error is known by its status where the body does not come whole.
func TestErrorWithoutItsBody(t *testing.T) {
	t.Parallel()
	cut := func(status int, end func(*http.Request)) step {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"mess`)
			w.(http.Flusher).Flush()
			end(r)
		}
	}
	broken := func(*http.Request) { panic(http.ErrAbortHandler) }
	silent := func(r *http.Request) { <-r.Context().Done() }
	for _, end := range []func(*http.Request){broken, silent} {
		onRoad(t, at(steps(cut(400, end), ok)), func(rd *road) { rd.chat("p/m").want(llm.KindRejected, 1) })
		onRoad(t, at(steps(cut(401, end), ok)), func(rd *road) { rd.chat("p/m").want(llm.KindProviderAuth, 1) })
		onRoad(t, at(steps(cut(500, end), ok)), func(rd *road) { rd.chat("p/m").want(llm.KindNone, 2) })
	}
	onRoad(t, at(steps(cut(400, silent), ok)), func(rd *road) {
		ctx, cancel := context.WithTimeoutCause(rd.t.Context(), second, context.Canceled)
		defer cancel()
		w := rd.do(ctx, rd.exchange(llm.OpChat, chatBody("p/m", "")))
		if row := rd.row(w); row.Status != 499 {
			t.Errorf("a client that left while an error was read: %+v", row)
		}
	})
}

// TestRequestedName checks the two policies for the model name in answers.
func TestRequestedName(t *testing.T) {
	t.Parallel()
	for _, requested := range []bool{false, true} {
		o := pool(steps(ok))
		o.requestedName = requested
		o.models["smart"] = o.models["m"]
		want := `"model":"m"`
		if requested {
			want = `"model":"smart"`
		}
		onRoad(t, o, func(rd *road) {
			for _, w := range []*reply{rd.chat("smart"), rd.stream("smart")} {
				w.want(llm.KindNone, 1)
				if body := w.body.String(); strings.Count(body, want) != strings.Count(body, `"model"`) || !strings.Contains(body, want) {
					t.Errorf("requested %v: client got %s", requested, body)
				}
			}
		})
	}
}

// TestClientsAreToldNotToRetry checks which errors carry x-should-retry: false.
func TestClientsAreToldNotToRetry(t *testing.T) {
	t.Parallel()
	f := func(answer step, attempts int, kind llm.Kind, told bool) {
		t.Helper()
		o := at(steps(answer))
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts = attempts }
		onRoad(t, o, func(rd *road) {
			w := rd.chat("p/m")
			want := min(attempts, map[bool]int{true: attempts, false: 1}[kind.Retryable()])
			if kind == llm.KindRateLimited {
				want = 1 + 8 // times that the call went back to the queue, which are no retries; after that it is over
			}
			w.want(kind, want)
			if got := w.frozen.Get("X-Should-Retry"); (got == "false") != told || !told && got != "" {
				t.Errorf("%v after %d attempts: told %q", kind, attempts, got)
			}
		})
	}
	f(fail(500), 1, llm.KindServerError, false)
	f(fail(500), 3, llm.KindServerError, true) // Sluice has tried
	f(reset, 2, llm.KindUnreachable, true)
	f(fail(429), 3, llm.KindRateLimited, false) // worth another try, later
	f(fail(503), 3, llm.KindOverloaded, false)
	f(fail(401), 3, llm.KindProviderAuth, true)
	f(failWith(429, `{"error":{"message":"pay","code":"insufficient_quota"}}`), 3, llm.KindQuotaExhausted, true)
	f(fail(400), 3, llm.KindRejected, false) // no SDK retries it
}

// TestContentEncodingIsNamed checks that an answer in an encoding that nobody asked for is told as that, in both forms.
func TestContentEncodingIsNamed(t *testing.T) {
	t.Parallel()
	f := func(encoding string, stream bool, kind llm.Kind) {
		t.Helper()
		o := at(steps(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			ok(w, r)
		}))
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts = 1 }
		onRoad(t, o, func(rd *road) {
			ask := rd.chat
			if stream {
				ask = rd.stream
			}
			w := ask("p/m")
			w.want(kind, 1)
			if kind != llm.KindNone {
				w.says("content encoding", strconv.Quote(encoding))
			}
		})
	}
	for _, stream := range []bool{false, true} {
		f("br", stream, llm.KindBadAnswer)
		f("gzip", stream, llm.KindBadAnswer)
		f("identity", stream, llm.KindNone)
	}
}
