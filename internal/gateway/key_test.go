package gateway_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/auth"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/route"
)

const keyA, keyB = "sk-sluice-test-key-a", "sk-sluice-test-key-b"

// keyed returns options with a provider "openai" and two keys.
func keyed(s *script, a auth.KeyConfig) options {
	a.Name, a.Key = "team-a", llm.NewSecret(keyA)
	return options{
		providers: []provider{{name: "openai", answer: s, priceOf: "openai"}, {name: "other", answer: s}},
		models:    map[string]route.Model{"smart": {Targets: []route.TargetRef{{Target: "openai/gpt-4o", Weight: 1}}}},
		auth:      auth.Config{Keys: []auth.KeyConfig{a, {Name: "team-b", Key: llm.NewSecret(keyB)}}},
	}
}

// by makes a call one of a key.
func (rd *road) by(key string) func(*gateway.Exchange) {
	return func(x *gateway.Exchange) { x.Key = rd.key(key) }
}

func TestModelsOfAKey(t *testing.T) {
	t.Parallel()
	f := func(allowed []string, name string, kind llm.Kind) {
		t.Helper()
		s := steps(ok)
		onRoad(t, keyed(s, auth.KeyConfig{Models: allowed}), func(rd *road) {
			w := rd.chat(name, rd.by(keyA))
			if kind == llm.KindNone {
				w.want(kind, 1)
				return
			}
			w.want(kind, 0)
			if kind == llm.KindModelForbidden {
				w.says("team-a", name, "keys.models")
				if w.status != 403 || w.err.Param != "model" {
					t.Errorf("%q of %v: told %d about %q", name, allowed, w.status, w.err.Param)
				}
			}
			if s.count() != 0 {
				t.Errorf("%q of %v: the provider was asked", name, allowed)
			}
			if row := rd.row(w); row.Key != "team-a" || row.Model != name || row.Code != kind.Code() {
				t.Errorf("row %+v", row)
			}
		})
	}
	f(nil, "gpt-4o", llm.KindNone)
	f([]string{"smart"}, "smart", llm.KindNone)
	f([]string{"smart"}, "openai/gpt-4o", llm.KindModelForbidden) // what is behind the alias is not its own
	f([]string{"smart"}, "gpt-4o", llm.KindModelForbidden)
	f([]string{"openai/*"}, "gpt-4o", llm.KindNone) // the bare name of an allowed target
	f([]string{"openai/*"}, "openai/gpt-4o", llm.KindNone)
	f([]string{"openai/*"}, "other/gpt-4o", llm.KindModelForbidden)
	f([]string{"openai/*"}, "smart", llm.KindModelForbidden) // an alias is a name of its own
	f([]string{"gpt-4o"}, "gpt-4o", llm.KindNone)
	f([]string{"smart"}, "nothing", llm.KindNotFound)
}

func TestConcurrencyOfAKey(t *testing.T) {
	t.Parallel()
	s := steps(okAfter(time.Second))
	onRoad(t, keyed(s, auth.KeyConfig{Limits: auth.Limits{Concurrency: 2}}), func(rd *road) {
		replies := make(chan *reply, 2)
		for range 2 {
			go func() { replies <- rd.chat("smart", rd.by(keyA)) }()
		}
		synctest.Wait()
		w := rd.chat("smart", rd.by(keyA))
		w.want(llm.KindKeyConcurrency, 0)
		w.says("team-a", "2", "concurrency")
		if w.status != 429 || w.took != 0 || s.count() != 2 {
			t.Errorf("told %d after %v, provider asked %d times", w.status, w.took, s.count())
		}
		if row := rd.row(w); row.Status != 429 || row.Code != "key_concurrency_exceeded" || row.Cause != "policy" {
			t.Errorf("row %+v", row)
		}
		rd.chat("smart", rd.by(keyB)).want(llm.KindNone, 1) // another key
		for range 2 {
			(<-replies).want(llm.KindNone, 1)
		}
		rd.chat("smart", rd.by(keyA)).want(llm.KindNone, 1)
	})
}

// TestSlotsComeBackOnEveryPath runs calls that end in every way there is, with a key and a provider of one slot each: one
// that is not returned would refuse the next call. What else was reserved is checked by onRoad.
func TestSlotsComeBackOnEveryPath(t *testing.T) {
	t.Parallel()
	f := func(name string, first step, run func(rd *road)) {
		t.Helper()
		o := keyed(steps(first, ok), auth.KeyConfig{Limits: auth.Limits{Concurrency: 1}})
		o.providers[0].concurrency = 1
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts = 1 }
		onRoad(t, o, func(rd *road) {
			run(rd)
			w := rd.chat("smart", rd.by(keyA))
			w.want(llm.KindNone, 1)
			if w.took != 0 {
				t.Errorf("%s: the next call waited %v", name, w.took)
			}
		})
	}
	chat := func(rd *road) { rd.chat("smart", rd.by(keyA)) }
	stream := func(rd *road) { rd.stream("smart", rd.by(keyA)) }
	f("success", ok, chat)
	f("stream", ok, stream)
	f("error", fail(500), chat)
	f("refused", fail(400), stream)
	f("reset", reset, chat)
	f("timeout", hang, chat)
	f("cut stream", events(roleEvent, textEvent, "reset"), stream)
	f("unknown model", ok, func(rd *road) { rd.chat("nothing", rd.by(keyA)) })
	f("client leaves", hang, func(rd *road) {
		ctx, cancel := context.WithTimeoutCause(rd.t.Context(), time.Second, context.Canceled)
		defer cancel()
		rd.do(ctx, rd.exchange(llm.OpChat, chatBody("smart", ""), rd.by(keyA)))
	})
	f("client leaves a stream", events(roleEvent, textEvent, "hang"), func(rd *road) {
		ctx, cancel := context.WithTimeoutCause(rd.t.Context(), time.Second, context.Canceled)
		defer cancel()
		rd.do(ctx, rd.exchange(llm.OpChat, chatBody("smart", `,"stream":true`), rd.by(keyA)))
	})
	f("panic", ok, func(rd *road) {
		defer func() {
			if recover() == nil {
				rd.t.Error("the panic was swallowed")
			}
		}()
		x := rd.exchange(llm.OpChat, chatBody("smart", `,"stream":true`), rd.by(keyA))
		w := &reply{t: rd.t, id: x.Call.ID, header: map[string][]string{}, onWrite: func() *llm.Error { panic("writer broke") }}
		defer func() {
			if row := rd.row(w); row.Status != 500 || row.Code != "internal_error" {
				rd.t.Errorf("row %+v", row)
			}
		}()
		rd.gateway.Do(rd.t.Context(), x, w)
	})
	f("panic in a whole answer", ok, func(rd *road) {
		defer func() { _ = recover() }()
		rd.gateway.Do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("smart", ""), rd.by(keyA)), brokenReply{})
	})
}

// brokenReply panics at the first touch.
type brokenReply struct{ gateway.Reply }
