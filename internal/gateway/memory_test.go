package gateway_test

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// TestStreamKeepsNoRequest: a translated stream may stay open for long, and holds nothing of the conversation that it answers.
func TestStreamKeepsNoRequest(t *testing.T) {
	t.Parallel()
	f := func(front llm.Dialect, api string, answer step, body string) {
		t.Helper()
		onRoad(t, options{providers: []provider{{name: "p", api: api, answer: steps(answer)}}}, func(rd *road) {
			rd.calls["call-0"] = true
			now := time.Now()
			rq, e := dialect.Of(front).Parse(llm.OpChat, []byte(body))
			if e != nil {
				t.Fatal(e)
			}
			x := &gateway.Exchange{Body: []byte(body), Request: rq, Checked: now, Key: rd.key("")}
			x.Call = llm.Call{ID: "call-0", Op: llm.OpChat, Front: front, Start: now, Model: "p/m", Stream: true, Choices: 1}
			kept := giveChat(t, x)
			w := &reply{t: rd.t, header: map[string][]string{}, id: "call-0"}
			looked := false
			w.onWrite = func() *llm.Error {
				if !looked {
					looked = true
					for n := 0; n < 10 && kept.Value() != nil; n++ {
						runtime.GC() // what a pool had stays for two collections
					}
					if kept.Value() != nil {
						t.Errorf("%v to %s: the open stream holds the request", front, api)
					}
				}
				return nil
			}
			rd.gateway.Do(rd.t.Context(), x, w)
			w.want(llm.KindNone, 1)
		})
	}
	f(llm.OpenAI, "anthropic", events(anthropicText, anthropicFinish, anthropicEnd), chatBody("p/m", `,"stream":true`))
	f(llm.Anthropic, "openai", events(textEvent, finishEvent, doneEvent), messages)
	f(llm.Gemini, "openai", events(textEvent, finishEvent, doneEvent), `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`)
	f(llm.Responses, "openai", events(textEvent, finishEvent, doneEvent), `{"model":"p/m","input":"hello","stream":true}`)
}

// giveChat reads the exchange's request, and returns a pointer that does not keep it.
//
//go:noinline
func giveChat(t *testing.T, x *gateway.Exchange) weak.Pointer[bool] {
	chat, e := dialect.Of(x.Call.Front).ReadChat(llm.OpChat, x.Body)
	if e != nil {
		t.Fatal(e)
	}
	own := new(struct { // too large to share its memory with others
		parallel bool
		_        [64]byte
	})
	chat.Parallel = &own.parallel
	chat.Tools = []llm.Function{{Name: "f", Parameters: `{"type":"object"}`}}
	x.Chat = chat
	return weak.Make(chat.Parallel)
}
