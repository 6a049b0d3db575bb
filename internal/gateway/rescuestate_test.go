package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/route"
)

// TestWholeBeforeTheBreak breaks streams after the answer had its end. Nobody is asked to go on: the client has it all.
func TestWholeBeforeTheBreak(t *testing.T) {
	t.Parallel()
	f := func(name string, kind llm.Kind, parts ...any) {
		t.Helper()
		a, b := steps(events(parts...)), steps(events(append(says("more"), stopEvent, doneEvent)...))
		o := pool(a, b)
		o.settings = rescuing()
		onRoad(t, o, func(rd *road) {
			w := rd.stream("m")
			w.want(kind, 1)
			got, _ := read(t, llm.OpenAI, w.body.String())
			if text(got) != "Hello you" || b.count() != 0 || (kind == llm.KindNone) != strings.Contains(w.body.String(), "[DONE]") {
				t.Errorf("%s: after %d more requests, client read %s", name, b.count(), w.body.String())
			}
			if row := rd.row(w); row.Code != kind.Code() || row.Usage.Output <= 0 {
				t.Errorf("%s: row %+v", name, row)
			}
		})
	}
	whole := append(says("Hello", " you"), stopEvent)
	f("reset", llm.KindNone, append(whole, "reset")...)
	f("reset after usage", llm.KindNone, append(whole, usageEvent, "reset")...)
	f("stall", llm.KindNone, append(whole, "hang")...)
	f("error", llm.KindProviderStream, append(whole, "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n")...)
	several := pool(steps(events(append(whole, "reset")...)))
	several.settings = rescuing()
	onRoad(t, several, func(rd *road) { // others may have been to come
		w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("m", `,"stream":true,"n":2`)))
		w.want(llm.KindTruncated, 1)
	})
}

// TestEndOfRescues has a second stream break for a reason for which nobody goes on: the third target is not asked.
func TestEndOfRescues(t *testing.T) {
	t.Parallel()
	f := func(name string, kind llm.Kind, second ...any) {
		t.Helper()
		a, b, c := steps(events(append(says("Hello", " wor"), "reset")...)), steps(events(second...)), steps(events(append(says("ld"), stopEvent, doneEvent)...))
		o := pool(a, b, c)
		o.settings = rescuing()
		onRoad(t, o, func(rd *road) {
			w := rd.stream("m")
			if w.err == nil || w.err.Kind != kind || c.count() != 0 {
				t.Errorf("%s: client was told %v after %d requests to the third target", name, w.err, c.count())
			}
			if n := rd.metric(`sluice_rescues_total{how="continue",result="failed"}`); n != 1 {
				t.Errorf("%s: %v failed rescues counted", name, n)
			}
		})
	}
	f("repetition", llm.KindTruncated, append(says(strings.Repeat(" again and again", 200)), "hang")...)
	f("content filter", llm.KindTruncated, append(says("ld, and so on"), "data: {\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}\n\n")...)
}

// TestRefusedGoingOn has targets that refuse to be asked for the rest, or anything: whoever comes next is asked.
func TestRefusedGoingOn(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 422} {
		a, b, c := steps(events(append(says("Hello", " wor"), "reset")...)), steps(fail(status)), steps(events(append(says("ld"), stopEvent, doneEvent)...))
		o := pool(a, b, c)
		o.settings = rescuing()
		onRoad(t, o, func(rd *road) {
			w := rd.stream("m")
			got, e := read(t, llm.OpenAI, w.body.String())
			if e != nil || w.err != nil || text(got) != "Hello world" || b.count() != 1 {
				t.Errorf("%d: client read %q (%v, %v)", status, text(got), e, w.err)
			}
		})
	}
}

// TestGuardCancels ends a call whose answer repeats itself, where that is wanted: nobody else is asked.
func TestGuardCancels(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"", `,"stream":true`} {
		loop := append(says(strings.Repeat(" again and again", 200)), "hang")
		a, b := steps(events(loop...)), steps(events(append(says("well"), stopEvent, doneEvent)...))
		o := pool(a, b)
		o.settings = rescuing(func(r *gateway.Rescue) { r.Guards.Repetition = "cancel" })
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("m", stream)))
			if w.err == nil || w.err.Kind != llm.KindDegenerate || b.count() != 0 {
				t.Errorf("%q: told %v, and another target was asked %d times", stream, w.err, b.count())
			}
		})
	}
}

// TestPrefillRefusedTwice has two streams go on at one target at once, which then refuses both: each is asked again, in words.
func TestPrefillRefusedTwice(t *testing.T) {
	t.Parallel()
	s := &story{text: "Hello world"}
	a, b := steps(events(append(says("Hello", " wor"), "reset")...)), steps(failAfter(second, 400), failAfter(second, 400), s.answer(t, nil))
	o := pool(a, b)
	o.providers[1].api = "anthropic"
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				w := rd.stream("m")
				got, e := read(t, llm.OpenAI, w.body.String())
				if e != nil || w.err != nil || text(got) != "Hello world" {
					t.Errorf("client read %q (%v, %v)", text(got), e, w.err)
				}
			})
		}
		calls.Wait()
	})
}

// TestBlankBreak breaks a stream that has brought white space only: there is nothing to go on from, and no provider takes such a turn.
func TestBlankBreak(t *testing.T) {
	t.Parallel()
	a, b := steps(events(append(says("\n\n"), "reset")...)), steps(events(append(says("Good day, and all that one says."), stopEvent, doneEvent)...))
	o := pool(a, b)
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		w := rd.stream("m")
		got, e := read(t, llm.OpenAI, w.body.String())
		if asked := b.got()[0].body; e != nil || w.err != nil || text(got) != "\n\nGood day, and all that one says." || strings.Contains(asked, "assistant") {
			t.Errorf("client read %q (%v, %v); asked %s", text(got), e, w.err, asked)
		}
	})
}

// TestLimitThatIsLeft has a target go on that knows the limit on output by another name.
func TestLimitThatIsLeft(t *testing.T) {
	t.Parallel()
	a, b := steps(events(append(says("Hello", " wor"), "reset")...)), steps(events(append(says("ld"), stopEvent, doneEvent)...))
	o := options{providers: []provider{{name: "a", answer: a}, {name: "b", answer: b, priceOf: "openai"}}}
	o.models = map[string]route.Model{"m": {Strategy: route.Failover, Targets: []route.TargetRef{{Target: "a/m"}, {Target: "b/o4-mini"}}}}
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("m", `,"stream":true,"max_tokens":100`)))
		w.want(llm.KindNone, 1)
		if asked := b.got()[0].body; strings.Contains(asked, `"max_tokens"`) || strings.Count(asked, `"max_completion_tokens":9`) != 1 {
			t.Errorf("asked %s", asked)
		}
	})
}

// TestRefusedStreamOverBudget has a provider refuse a supervised call for being a stream when the model's retries are used up: the call ends
// with what the provider said.
func TestRefusedStreamOverBudget(t *testing.T) {
	t.Parallel()
	refusal := failWith(400, `{"error":{"message":"Your organization must be verified to stream this model.","type":"invalid_request_error","param":"stream"}}`)
	o := options{providers: []provider{{name: "p", answer: steps(fail(500))}, {name: "q", answer: steps(refusal)}}}
	o.settings = func(s *gateway.Settings) {
		rescuing()(s)
		s.Retry.Budget = 0
	}
	onRoad(t, o, func(rd *road) {
		for range 4 { // three retries each
			rd.chat("p/m")
		}
		w := rd.chat("q/m")
		w.want(llm.KindRejected, 1)
		w.says("retry.budget")
	})
}

const nativeStart = `data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","model":"m","output":[]}}` + "\n\n"

// converse makes a call of the Responses API, and runs it to its end.
func (rd *road) converse(body string, told func(raw []byte, a *llm.Answer, by *llm.Target)) *reply {
	rd.t.Helper()
	rq, e := dialect.Of(llm.Responses).Parse(llm.OpChat, []byte(body))
	if e != nil {
		rd.t.Fatal(e)
	}
	rd.mu.Lock()
	rd.calls["call-0"] = true
	rd.mu.Unlock()
	now, f := time.Now(), rq.Fields()
	x := &gateway.Exchange{Body: []byte(body), Request: rq, Header: http.Header{}, Path: "/responses", Checked: now, Key: rd.key(""), OnAnswer: told}
	x.Call = llm.Call{ID: "call-0", Op: llm.OpChat, Front: llm.Responses, Start: now, Model: f.Model, Stream: f.Stream, Choices: 1}
	return rd.do(rd.t.Context(), x)
}

// TestHedgedAnswerIsHandedOver hedges calls whose answer is kept: it is kept once, as that of the target that has it.
func TestHedgedAnswerIsHandedOver(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{second, 2 * second, 3 * second} {
		a := steps(events(nativeStart, late, nativeText+nativeEnd))
		b := steps(events(second, nativeText+nativeEnd))
		o := hedged("1s", a, b)
		set := o.settings
		o.settings = func(s *gateway.Settings) {
			set(s)
			s.Rescue.Structured = gateway.Structured{Retry: 1, Schema: true, Stream: "check"}
		}
		for i := range o.providers {
			o.providers[i].native, o.providers[i].priceOf = true, "openai"
		}
		onRoad(t, o, func(rd *road) {
			var mu sync.Mutex
			var told []string
			w := rd.converse(`{"model":"m","input":"hello","stream":true,"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]}`,
				func(_ []byte, _ *llm.Answer, by *llm.Target) {
					mu.Lock()
					told = append(told, by.Name)
					mu.Unlock()
					rd.sleep(5 * second) // until the other one has its answer too
				})
			want := w.header.Get("X-Sluice-Target")
			if w.err != nil || len(told) != 1 || told[0] != want {
				t.Errorf("handed over as the answer of %v, want of %s (%v)", told, want, w.err)
			}
		})
	}
}

// TestSharedRequest reads a hedged call's request while the second attempt begins.
func TestSharedRequest(t *testing.T) {
	t.Parallel()
	for range 20 {
		a, b := steps(events(second, roleEvent, "hang")), steps(ok)
		o := hedged("1s", a, b)
		set := o.settings
		o.settings = func(s *gateway.Settings) {
			set(s)
			s.Rescue.Structured = gateway.Structured{Retry: 1, Schema: true, Stream: "check"}
		}
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("m", `,"stream":true,"response_format":{"type":"text"},"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`)))
			w.want(llm.KindNone, 2)
		})
	}
}

// TestRescuedAnswerIsHandedOver keeps of an answer that has come from two targets what its client has seen, under the same id, and as nobody's
// own.
func TestRescuedAnswerIsHandedOver(t *testing.T) {
	t.Parallel()
	for _, api := range []string{"openai", "gemini", "anthropic"} {
		s := &story{text: "Hello world, and all."}
		cut := strings.Index(s.stream(llm.Responses, 0), "o world") + 200
		a := steps(s.answer(t, &cut))
		b := steps(s.answer(t, nil))
		o := pool(a, b)
		o.providers[0].native, o.providers[0].priceOf = true, "openai"
		o.providers[1].api, o.providers[1].native, o.providers[1].priceOf = api, api == "openai", "openai"
		o.settings = rescuing()
		onRoad(t, o, func(rd *road) {
			var told []string
			w := rd.converse(`{"model":"m","input":"hello","stream":true}`, func(raw []byte, a *llm.Answer, by *llm.Target) {
				if a != nil || by != nil {
					t.Errorf("%s: handed over as %v's, %+v", api, by, a)
				}
				told = append(told, string(raw))
			})
			if w.err != nil || b.count() != 1 || len(told) != 1 || !strings.Contains(told[0], `"id":"resp_made"`) || !strings.Contains(told[0], s.text) {
				t.Errorf("%s: handed over %q; %v; the client got %s", api, told, w.err, w.body.String())
				return
			}
			if !strings.Contains(w.body.String(), `"response":`+told[0]+"}\n\n") {
				t.Errorf("%s: handed over %s; the client got %s", api, told[0], w.body.String())
			}
		})
	}
}

// TestLeftBetweenTargets ends calls while a second target is to go on with a stream that has broken: the client is told why, the target is left
// at once, and nobody else is asked.
func TestLeftBetweenTargets(t *testing.T) {
	t.Parallel()
	f := func(name string, second step, cause error, deadline time.Duration, kind llm.Kind) {
		t.Helper()
		left := make(chan time.Time, 1)
		a, b, c := steps(events(append(says("Hello", " wor"), "reset")...)), steps(leftAt(second, left)), steps(ok)
		o := pool(a, b, c)
		o.settings = rescuing()
		onRoad(t, o, func(rd *road) {
			ctx, cancel := context.WithCancelCause(rd.t.Context())
			defer cancel(nil)
			x := rd.exchange(llm.OpChat, chatBody("m", `,"stream":true`))
			at := time.Second
			if deadline > 0 {
				x.Call.Deadline, at = x.Call.Start.Add(deadline), deadline
			} else {
				time.AfterFunc(at, func() { cancel(cause) })
			}
			w := rd.do(ctx, x)
			if w.err == nil || w.err.Kind != kind || w.last == "" || !near(w.took, at) || c.count() != 0 {
				t.Errorf("%s: after %v told %v (%q), and %d more requests", name, w.took, w.err, w.last, c.count())
			}
			if gone := (<-left).Sub(x.Call.Start); !near(gone, at) {
				t.Errorf("%s: the second target was left after %v", name, gone)
			}
			if row := rd.row(w); row.Code != kind.Code() || row.Target != "b/m" || row.Attempts != 2 || row.Usage.Input == 0 {
				t.Errorf("%s: row %+v", name, row)
			}
		})
	}
	draining := llm.Errorf(llm.KindDraining, "the gateway is shutting down")
	for name, second := range map[string]step{"no headers": hang, "no token": events(roleEvent, "hang"), "under way": events(append(says("ld"), "hang")...)} {
		f(name+", client gone", second, context.Canceled, 0, llm.KindCanceled)
		f(name+", drained", second, draining, 0, llm.KindDraining)
		f(name+", deadline", second, nil, 2*time.Second, llm.KindTotalTimeout)
	}
}

// TestLimitOfGemini changes nothing but the limit of a request in Gemini's words: what nobody else knows stays.
func TestLimitOfGemini(t *testing.T) {
	t.Parallel()
	s := &story{text: "Hello world, and all that one says."}
	cut := strings.Index(s.stream(llm.Gemini, 0), "nd all ")
	a, b := steps(s.answer(t, &cut)), steps(s.answer(t, nil))
	o := pool(a, b)
	o.providers[0].api, o.providers[1].api = "gemini", "gemini"
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		w := rd.ask(llm.Gemini, "m", true, `{"contents":[{"role":"user","parts":[{"text":"hello"}]}],"generationConfig":{"maxOutputTokens":100,"novel":1},"safetySettings":[{"category":"X","threshold":"OFF"}],"newer":[ 1 ]}`)
		got, e := read(t, llm.Gemini, w.body.String())
		if e != nil || w.err != nil || text(got) != s.text {
			t.Errorf("client read %q (%v, %v)", text(got), e, w.err)
		}
		asked := b.got()[0].body
		for _, part := range []string{`"maxOutputTokens":9`, `"novel":1`, `"newer":[ 1 ]`, `"threshold":"OFF"`} {
			if !strings.Contains(asked, part) {
				t.Errorf("asked %s, want %s in it", asked, part)
			}
		}
	})
}

// TestMendedAnswerIsHandedOver keeps an answer that was mended under the id that the client has, and as nobody's own.
func TestMendedAnswerIsHandedOver(t *testing.T) {
	t.Parallel()
	s := &story{text: "```json\n{\"gate\": 3}\n```"}
	o := pool(steps(s.answer(t, nil)))
	o.providers[0].native, o.providers[0].priceOf = true, "openai"
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		told := 0
		w := rd.converse(`{"model":"m","input":"hello","text":{"format":{"type":"json_object"}}}`, func(raw []byte, a *llm.Answer, _ *llm.Target) {
			told++
			if raw != nil || a == nil || text(a) != `{"gate": 3}` {
				t.Errorf("handed over %s, %+v", raw, a)
			}
		})
		if w.err != nil || told != 1 || !strings.Contains(w.body.String(), `"id":"resp_call-0"`) {
			t.Errorf("handed over %d times; %v; client got %s", told, w.err, w.body.String())
		}
	})
}
