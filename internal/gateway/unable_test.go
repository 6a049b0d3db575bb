package gateway_test

import (
	"io"
	"net/http"
	"testing"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/route"
)

// TestFewerChoicesThanAsked: a client that asks for several choices gets those that there are, where the target has been asked for
// fewer, or has no event that ends its stream.
func TestFewerChoicesThanAsked(t *testing.T) {
	t.Parallel()
	f := func(name, api string, kind llm.Kind, parts ...any) {
		t.Helper()
		onRoad(t, options{providers: []provider{{name: "p", api: api, answer: steps(events(parts...))}}}, func(rd *road) {
			x := rd.exchange(llm.OpChat, chatBody("p/m", `,"stream":true,"n":2`))
			w := rd.do(rd.t.Context(), x)
			w.want(kind, 1)
			if t.Failed() {
				t.Log(name)
			}
		})
	}
	f("one candidate", "gemini", llm.KindNone, geminiText, geminiEnd)
	f("blocked", "gemini", llm.KindNone, `data: {"promptFeedback":{"blockReason":"SAFETY"},`+geminiUsage+`}`+"\n\n")
	f("cut", "gemini", llm.KindTruncated, geminiText)
	f("asked for one", "anthropic", llm.KindNone, anthropicText, anthropicFinish)
}

const (
	anthropicText = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n" +
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n" +
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	anthropicFinish = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n"
	anthropicEnd    = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
)

// TestTargetThatIsUnable: a target that has no form for a request is passed over, and what another one says counts.
func TestTargetThatIsUnable(t *testing.T) {
	t.Parallel()
	const (
		tokens = `{"model":"m","input":[[1,2]]}`
		vector = `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`
	)
	f := func(name string, unableFirst bool, kind llm.Kind, attempts int, answers ...step) {
		t.Helper()
		s, never := steps(answers...), steps(ok)
		o := options{providers: []provider{{name: "a", answer: s}, {name: "b", api: "gemini", answer: never}}}
		targets := []route.TargetRef{{Target: "a/m"}, {Target: "b/m"}}
		if unableFirst {
			targets[0], targets[1] = targets[1], targets[0]
		}
		o.models = map[string]route.Model{"m": {Targets: targets}}
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts = 2 }
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpEmbedding, tokens))
			w.want(kind, attempts)
			if s.count() != attempts || never.count() != 0 {
				t.Errorf("%s: %d and %d requests, want %d and none", name, s.count(), never.count(), attempts)
			}
		})
	}
	busy := fail(503)
	f("behind one that fails", false, llm.KindOverloaded, 2, busy)
	f("behind one that recovers", false, llm.KindNone, 2, busy, whole(vector))
	f("before one that recovers", true, llm.KindNone, 2, busy, whole(vector))
	f("before one that fails", true, llm.KindOverloaded, 2, busy)
}

// TestPanicWhilePassing: a writer that panics while an answer is passed on leaves nothing open; the road's end is the check.
func TestPanicWhilePassing(t *testing.T) {
	t.Parallel()
	sound := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "sound") // from memory to memory
	}
	onRoad(t, options{providers: []provider{{name: "p", answer: steps(sound)}}}, func(rd *road) {
		x := rd.exchange(llm.OpSpeech, `{"model":"p/m","input":"hello","voice":"alloy"}`, func(x *gateway.Exchange) { x.Path = "/audio/speech" })
		w := &reply{t: rd.t, id: x.Call.ID, header: http.Header{}, onWrite: func() *llm.Error { panic("writer broke") }}
		defer func() {
			if recover() == nil {
				rd.t.Error("the panic was swallowed")
			}
		}()
		rd.gateway.Do(rd.t.Context(), x, w)
	})
}
