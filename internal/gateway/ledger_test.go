package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/gateway"
	"sluice/internal/ledger"
	"sluice/internal/llm"
	"sluice/internal/model"
)

// priced returns options with the provider "openai", whose models have prices.
func priced(s *script) options {
	return options{providers: []provider{{name: "openai", answer: s, priceOf: "openai"}}}
}

var billed = llm.Usage{Input: 1000, CachedInput: 400, Output: 500, Reasoning: 100}

// TestRowOfACall compares the whole row of a call with what was asked and answered.
func TestRowOfACall(t *testing.T) {
	t.Parallel()
	info, found := model.Embedded().Lookup("openai", "gpt-4o")
	if !found {
		t.Fatal("no price of gpt-4o")
	}
	cost, _ := info.Cost(billed, "")
	f := func(stream bool) {
		t.Helper()
		s := steps(okAfter(300 * time.Millisecond))
		onRoad(t, priced(s), func(rd *road) {
			more := `,"user":"u-7"`
			if stream {
				more += `,"stream":true`
			}
			x := rd.exchange(llm.OpChat, chatBody("gpt-4o", more), func(x *gateway.Exchange) {
				x.Call.Tags, x.Call.Class = []string{"a", "b"}, llm.Background
			})
			w := rd.do(rd.t.Context(), x)
			w.want(llm.KindNone, 1)
			want := ledger.Row{
				ID: w.id, Time: x.Call.Start, User: "u-7", Op: "chat", Front: "openai", Model: "gpt-4o", Target: "openai/gpt-4o",
				Provider: "openai", Class: "background", Stream: stream, Status: 200, Attempts: 1, Usage: billed,
				CostNanoUSD: cost, Priced: true, PriceAsOf: info.AsOf, FirstToken: 300 * time.Millisecond, Total: 300 * time.Millisecond,
				BytesIn: int64(len(chatBody("gpt-4o", more))), BytesOut: int64(w.body.Len()), Tags: []string{"a", "b"}, Snapshot: "snap-1",
			}
			if d := cmp.Diff(want, rd.row(w)); d != "" {
				t.Errorf("row (-want +got):\n%s", d)
			}
			if usd := w.frozen.Get("X-Sluice-Cost-Usd"); !stream && usd != strconv.FormatFloat(float64(cost)/1e9, 'f', -1, 64) || cost == 0 {
				t.Errorf("X-Sluice-Cost-Usd is %q, cost %d", usd, cost)
			}
		})
	}
	f(false)
	f(true)
}

// TestUnknownPriceIsNotZero checks that calls without a price are marked so.
func TestUnknownPriceIsNotZero(t *testing.T) {
	t.Parallel()
	onRoad(t, priced(steps(ok)), func(rd *road) {
		w := rd.chat("openai/no-such-model-anywhere")
		if row := rd.row(w); row.Priced || row.CostNanoUSD != 0 || row.PriceAsOf != "" || row.Usage != billed {
			t.Errorf("row %+v", row)
		}
		if got := w.frozen.Get("X-Sluice-Cost-Usd"); got != "unpriced" {
			t.Errorf("X-Sluice-Cost-Usd is %q", got)
		}
		if n := rd.metric(`sluice_unpriced_calls_total{gen_ai_request_model="other",target="openai/other"}`); n != 1 {
			t.Errorf("%v unpriced calls counted", n)
		}
	})
}

// TestEstimates checks that usage which the provider did not report is estimated, marked, and priced.
func TestEstimates(t *testing.T) {
	t.Parallel()
	long := strings.Replace(textEvent, "hello you", strings.Repeat("hello you ", 100), 1)
	f := func(name string, answer step, stream bool, leave time.Duration, want llm.Kind, output int64) {
		t.Helper()
		o := priced(steps(answer))
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts = 1 }
		onRoad(t, o, func(rd *road) {
			ctx, cancel := rd.t.Context(), func() {}
			if leave > 0 {
				ctx, cancel = context.WithTimeoutCause(ctx, leave, context.Canceled)
			}
			defer cancel()
			more := ""
			if stream {
				more = `,"stream":true`
			}
			x := rd.exchange(llm.OpChat, chatBody("gpt-4o", more))
			row := rd.row(rd.do(ctx, x))
			if row.Code != want.Code() {
				t.Errorf("%s: ended with %q, want %q", name, row.Code, want)
			}
			u := llm.Usage{Input: x.Call.InputTokens, Output: output, Estimated: true}
			if row.Usage != u || !row.Priced || row.CostNanoUSD == 0 {
				t.Errorf("%s: usage %+v, want %+v; cost %d", name, row.Usage, u, row.CostNanoUSD)
			}
		})
	}
	text := model.EstimateTokens(1000)
	f("no usage in a stream", events(roleEvent, long, finishEvent, doneEvent), true, 0, llm.KindNone, text)
	f("cut stream", events(roleEvent, long, "reset"), true, 0, llm.KindTruncated, text)
	f("end without finish", events(roleEvent, long, doneEvent), true, 0, llm.KindTruncated, text)
	f("client leaves", events(roleEvent, long, "hang"), true, time.Second, llm.KindCanceled, text)
	f("client leaves before content", events(roleEvent, "hang"), true, time.Second, llm.KindCanceled, 0)
	f("first token timeout", events(roleEvent, "hang"), true, 0, llm.KindFirstToken, 0)
	f("client leaves before headers", hang, true, time.Second, llm.KindCanceled, 0)
	f("client leaves before a whole answer", hang, false, time.Second, llm.KindCanceled, 0)
	f("header timeout", hang, false, 0, llm.KindHeaderTimeout, 0)
	f("cut before content", events(roleEvent, "reset"), true, 0, llm.KindTruncated, 0)
	f("cut whole answer", events(answerText[:100], "reset"), false, 0, llm.KindTruncated, model.EstimateTokens(100))
	f("client leaves in a whole answer", events(answerText[:100], "hang"), false, time.Second, llm.KindCanceled, model.EstimateTokens(100))
	f("no usage", whole(strings.Replace(answerText, usage, `"x":1`, 1)), false, 0, llm.KindNone, model.EstimateTokens(8))
}

// TestAttemptsAddUp checks that a row holds what all attempts of a call consumed, each at the price of its own target.
func TestAttemptsAddUp(t *testing.T) {
	t.Parallel()
	prices := model.Embedded()
	cost := func(name string, u llm.Usage) int64 {
		t.Helper()
		info, _ := prices.Lookup("openai", name)
		nano, ok := info.Cost(u, "")
		if !ok || nano == 0 {
			t.Fatalf("no price of %s", name)
		}
		return nano
	}
	const input = 6 // tokens of chatBody, estimated
	unfinished := whole(strings.Replace(answerText, `"stop"`, "null", 1))
	refusal := events("data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n")
	f := func(name string, first step, stream bool, second string, more llm.Usage, priced bool) {
		t.Helper()
		o := pool(steps(first), steps(ok))
		for i := range o.providers {
			o.providers[i].priceOf = "openai"
		}
		m := o.models["m"]
		m.Targets[0].Target, m.Targets[1].Target = "a/gpt-4o", "b/"+second
		onRoad(t, o, func(rd *road) {
			w := rd.chat("m", func(x *gateway.Exchange) {
				if stream {
					x.Body = []byte(chatBody("m", `,"stream":true`))
				}
			})
			w.want(llm.KindNone, 2)
			sum := llm.Usage{
				Input: billed.Input + more.Input, CachedInput: billed.CachedInput + more.CachedInput,
				Output: billed.Output + more.Output, Reasoning: billed.Reasoning + more.Reasoning, Estimated: more.Estimated,
			}
			want := int64(0)
			if priced {
				want = cost(second, billed)
				if more != (llm.Usage{}) {
					want += cost("gpt-4o", more)
				}
			}
			row := rd.row(w)
			if row.Usage != sum || row.Priced != priced || priced && row.CostNanoUSD != want {
				t.Errorf("%s: usage %+v, cost %d (%v), want %+v, %d", name, row.Usage, row.CostNanoUSD, row.Priced, sum, want)
			}
			usd := "unpriced"
			if priced {
				usd = strconv.FormatFloat(float64(want)/1e9, 'f', -1, 64)
			}
			if got := w.frozen.Get("X-Sluice-Cost-Usd"); !stream && got != usd {
				t.Errorf("%s: X-Sluice-Cost-Usd is %q, want %q", name, got, usd)
			}
		})
	}
	begun := llm.Usage{Input: input, Estimated: true}
	f("no finish reason", unfinished, false, "gpt-4o-mini", billed, true)
	f("second without a price", unfinished, false, "no-such-model", billed, false)
	f("first token timeout", events(roleEvent, "hang"), true, "gpt-4o-mini", begun, true)
	f("usage, then no content", events(roleEvent, usageEvent), true, "gpt-4o-mini", billed, true)
	f("not JSON", whole("<html>"), false, "gpt-4o-mini", begun, true)
	f("error status", fail(500), false, "gpt-4o-mini", llm.Usage{}, true)
	f("error in the place of a stream", refusal, true, "gpt-4o-mini", llm.Usage{}, true)
	f("error in the place of an answer", whole(`{"error":{"message":"x","type":"server_error"}}`), false, "gpt-4o-mini", llm.Usage{}, true)
	f("broken connection", reset, false, "gpt-4o-mini", llm.Usage{}, true)
}

// TestRefusedCallsCostNothing checks rows of calls that no provider answered.
func TestRefusedCallsCostNothing(t *testing.T) {
	t.Parallel()
	o := priced(steps(fail(400)))
	o.providers = append(o.providers, provider{name: "other", answer: steps(ok)}) // one alone takes every name
	onRoad(t, o, func(rd *road) {
		want := ledger.Row{
			Op: "chat", Front: "openai", Model: "gpt-4o", Target: "openai/gpt-4o", Provider: "openai", Class: "interactive", Status: 400,
			Code: "provider_rejected", Cause: "provider", Attempts: 1, Snapshot: "snap-1", BytesIn: 69,
		}
		got := rd.row(rd.chat("gpt-4o"))
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(ledger.Row{}, "ID", "Time", "PriceAsOf", "BytesIn")); d != "" {
			t.Errorf("row (-want +got):\n%s", d)
		}
		got = rd.row(rd.chat("gpt-40x/y"))
		if got.Status != 404 || got.Code != "model_not_found" || got.Cause != "caller" || got.Target != "" || got.Attempts != 0 {
			t.Errorf("row %+v", got)
		}
	})
}

// TestCallWithoutConnectionCostsNothing checks that no work is estimated for a provider that cannot have seen the call.
func TestCallWithoutConnectionCostsNothing(t *testing.T) {
	t.Parallel()
	o := priced(steps(ok))
	o.providers[0].noDial = true
	f := func(name string, kind llm.Kind, leave, deadline time.Duration) {
		t.Helper()
		onRoad(t, o, func(rd *road) {
			ctx, cancel := context.WithTimeoutCause(rd.t.Context(), leave, context.Canceled)
			defer cancel()
			w := rd.do(ctx, rd.exchange(llm.OpChat, chatBody("gpt-4o", ""), func(x *gateway.Exchange) { x.Call.Deadline = x.Call.Start.Add(deadline) }))
			w.want(kind, 1)
			if row := rd.row(w); row.Usage != (llm.Usage{}) || row.CostNanoUSD != 0 || row.Priced {
				t.Errorf("%s: row %+v", name, row)
			}
		})
	}
	f("client leaves", llm.KindCanceled, time.Second, time.Minute)
	f("no time is left", llm.KindTotalTimeout, time.Minute, time.Second)
}

// TestTimesOfARow checks what of a call's time is whose: waiting for capacity, for the provider, and Sluice's own.
func TestTimesOfARow(t *testing.T) {
	t.Parallel()
	o := priced(steps(events(2*time.Second, roleEvent, 3*time.Second, textEvent, 4*time.Second, finishEvent, doneEvent)))
	o.providers[0].concurrency = 1
	onRoad(t, o, func(rd *road) {
		first := make(chan *reply)
		go func() { first <- rd.stream("gpt-4o") }()
		rd.sleep(time.Second)
		w := rd.stream("gpt-4o")
		row := rd.row(w)
		if row.Queue != 8*time.Second || row.FirstToken != 13*time.Second || row.Total != 17*time.Second || row.Overhead != 0 {
			t.Errorf("queue %v, first token %v, total %v, overhead %v", row.Queue, row.FirstToken, row.Total, row.Overhead)
		}
		for name, want := range map[string]string{
			"X-Sluice-Queue-Ms": "8000", "X-Sluice-Overhead-Us": "0",
			"Server-Timing": "auth;dur=0, queue;dur=8000, upstream;dur=5000, sluice;dur=0, total;dur=13000",
		} {
			if got := w.frozen.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		<-first
	})
}

// TestFullLedgerRefuses checks that no call is made whose row could not be kept.
func TestFullLedgerRefuses(t *testing.T) {
	t.Parallel()
	s := steps(ok)
	o := priced(s)
	o.ledger = ledger.Config{Backlog: 3, Group: 1}
	onRoad(t, o, func(rd *road) {
		rd.sink.fail(errors.New("disk full"))
		for range 3 {
			rd.chat("gpt-4o").want(llm.KindNone, 1)
		}
		synctest.Wait()
		w := rd.chat("gpt-4o")
		rd.calls[w.id] = false
		if w.status != 503 || w.err.Kind != llm.KindLedgerFull || s.count() != 3 {
			t.Errorf("told %d, %v; provider asked %d times", w.status, w.err, s.count())
		}
		w.says("ledger.backlog")
		if n := rd.metric(`sluice_calls_total{cause="gateway",code="ledger_full"}`); n != 1 {
			t.Errorf("%v refused calls counted", n)
		}
		rd.sink.fail(nil)
		rd.sleep(time.Minute) // it is tried again, with back-off
		rd.chat("gpt-4o").want(llm.KindNone, 1)
	})
}

// TestSeries checks which names calls are counted under.
func TestSeries(t *testing.T) {
	t.Parallel()
	s := steps(ok)
	o := pool(s)
	o.providers = append(o.providers, provider{name: "openai", answer: s, priceOf: "openai"})
	onRoad(t, o, func(rd *road) {
		f := func(name, public, target, provider string) {
			t.Helper()
			series := fmt.Sprintf(`sluice_tokens_total{gen_ai_operation_name="chat",gen_ai_provider_name=%q,gen_ai_request_model=%q,gen_ai_token_type="output",target=%q}`,
				provider, public, target)
			before := rd.metric(series)
			rd.chat(name).want(llm.KindNone, 1)
			if n := rd.metric(series) - before; n != 500 {
				t.Errorf("%s: %s has grown by %v, want 500", name, series, n)
			}
		}
		f("m", "m", "a/m", "a")
		f("a/m", "a/m", "a/m", "a")
		f("gpt-4o", "openai/gpt-4o", "openai/gpt-4o", "openai")
		f("openai/gpt-4o", "openai/gpt-4o", "openai/gpt-4o", "openai")
		f("a/made-up-1", "other", "a/other", "a")
		f("a/made-up-2", "other", "a/other", "a")
		f("openai/made-up-3", "other", "openai/other", "openai")
		if text := rd.scrape(); strings.Contains(text, "made-up") {
			t.Error("a name made up by a client is in the metrics")
		}
		for _, gauge := range []string{"sluice_inflight 0\n", "sluice_open_streams 0\n"} {
			if !strings.Contains(rd.scrape(), gauge) {
				t.Errorf("no %q at the end", gauge)
			}
		}
	})
}
