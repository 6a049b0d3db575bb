package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

const (
	nativeText = `data: {"type":"response.output_text.delta","sequence_number":0,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"hello"}` + "\n\n"
	nativeEnd  = `data: {"type":"response.completed","sequence_number":1,"response":{"id":"resp_1","status":"completed","model":"m","output":[]}}` + "\n\n"
	nativeFail = `data: {"type":"response.failed","sequence_number":1,"response":{"status":"failed","error":{"code":"server_error","message":"x"}}}` + "\n\n"
)

// TestAnswerIsHandedOverFirst: whoever keeps answers has a stream's before the client is sent its end, once, and none of an answer that
// fails.
func TestAnswerIsHandedOverFirst(t *testing.T) {
	t.Parallel()
	f := func(name, api string, answer step, complete, raw bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onRoad(t, options{providers: []provider{{name: "p", api: api, answer: steps(answer), native: api == "openai", priceOf: "openai"}}}, func(rd *road) {
				body := `{"model":"p/m","input":"hello","stream":true}`
				rq, e := dialect.Of(llm.Responses).Parse(llm.OpChat, []byte(body))
				if e != nil {
					t.Fatal(e)
				}
				rd.mu.Lock()
				rd.calls["call-0"] = true
				rd.mu.Unlock()
				now := time.Now()
				x := &gateway.Exchange{Body: []byte(body), Request: rq, Header: http.Header{}, Path: "/responses", Checked: now, Key: rd.key("")}
				x.Call = llm.Call{ID: "call-0", Op: llm.OpChat, Front: llm.Responses, Start: now, Model: "p/m", Stream: true, Choices: 1}
				w := &reply{t: rd.t, header: http.Header{}, id: "call-0"}
				told := 0
				x.OnAnswer = func(body []byte, a *llm.Answer, by *llm.Target) {
					told++
					if strings.Contains(w.body.String(), "response.completed") {
						t.Error("the client has the end already")
					}
					if raw && !strings.Contains(string(body), `"resp_1"`) || !raw && (a == nil || a.Choices[0].Parts[0].Text != "hello you") {
						t.Errorf("handed over: %s %+v", body, a)
					}
					if by == nil || by.Provider != "p" {
						t.Errorf("target %+v", by)
					}
				}
				rd.gateway.Do(rd.t.Context(), x, w)
				want := 0
				if complete {
					want = 1
				}
				if told != want || strings.Contains(w.body.String(), "response.completed") != complete {
					t.Errorf("told %d times, want %d; the client got %s", told, want, w.body.String())
				}
			})
		})
	}
	f("forwarded", "openai", events(nativeText, nativeEnd), true, true)
	f("forwarded at once", "openai", events(nativeText+nativeEnd), true, true)
	f("forwarded and failed", "openai", events(nativeText, nativeFail), false, true)
	f("forwarded and cut", "openai", events(nativeText), false, true)
	f("translated", "gemini", events(geminiText, geminiEnd), true, false)
	f("translated and cut", "gemini", events(geminiText), false, false)
}
