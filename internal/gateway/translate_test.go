package gateway_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/route"
)

// ask makes a call of a front's dialect and runs it to its end.
func (rd *road) ask(front llm.Dialect, name string, stream bool, body string, header ...string) *reply {
	rd.t.Helper()
	now := time.Now()
	rd.mu.Lock()
	id := fmt.Sprint("call-", len(rd.calls))
	rd.calls[id] = true
	rd.mu.Unlock()
	rq, e := dialect.Of(front).Parse(llm.OpChat, []byte(body))
	if e != nil {
		rd.t.Fatal(e)
	}
	f := rq.Fields()
	f.Model, f.Stream = name, stream
	x := &gateway.Exchange{Body: []byte(body), Request: rq, Header: http.Header{}, Checked: now, Key: rd.key("")}
	for i := 0; i < len(header); i += 2 {
		x.Header.Set(header[i], header[i+1])
	}
	x.Call = llm.Call{ID: id, Op: llm.OpChat, Front: front, Start: now, Model: name, Stream: stream, Choices: 1, MaxTokens: f.MaxTokens, InputTokens: 10}
	return rd.do(rd.t.Context(), x)
}

const (
	messages = `{"model":"m","max_tokens":50,"system":"be short","messages":[{"role":"user","content":"hello"}]}`

	geminiAnswer = `{"candidates":[{"content":{"role":"model","parts":[{"text":"hello you"}]},"finishReason":"STOP","index":0}],` + geminiUsage + `}`
	geminiUsage  = `"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":400,"candidatesTokenCount":400,"thoughtsTokenCount":100,"totalTokenCount":1500},"modelVersion":"m","responseId":"r"`
	geminiText   = `data: {"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]},"index":0}],"modelVersion":"m","responseId":"r"}` + "\n\n"
	geminiEnd    = `data: {"candidates":[{"content":{"role":"model","parts":[{"text":" you"}]},"finishReason":"STOP","index":0}],` + geminiUsage + `}` + "\n\n"
)

// ofGemini answers well in Gemini's dialect.
func ofGemini(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, ":streamGenerateContent") {
		events(geminiText, geminiEnd)(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, geminiAnswer) // a client that left does not matter
}

// TestTranslatedCall goes from a client of Anthropic's dialect to a target of Gemini's, in one piece and streamed.
func TestTranslatedCall(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		s := steps(ofGemini)
		onRoad(t, options{providers: []provider{{name: "p", api: "gemini", answer: s, priceOf: "google"}}}, func(rd *road) {
			w := rd.ask(llm.Anthropic, "p/m", stream, messages,
				"Anthropic-Version", "2023-06-01", "X-Api-Key", "sk-client", "X-Stainless-Lang", "js", "User-Agent", "Anthropic/JS 1.0")
			w.want(llm.KindNone, 1)
			got := s.got()[0]
			for _, name := range []string{"Anthropic-Version", "X-Api-Key", "X-Stainless-Lang"} {
				if v := got.header.Get(name); v != "" {
					t.Errorf("stream %v: the provider was sent %s: %s", stream, name, v)
				}
			}
			if got.header.Get("X-Goog-Api-Key") != "sk-provider" || got.header.Get("User-Agent") != "Anthropic/JS 1.0" {
				t.Errorf("stream %v: headers %v", stream, got.header)
			}
			for _, part := range []string{`"hello"`, `"be short"`, `"maxOutputTokens":50`} {
				if !strings.Contains(got.body, part) {
					t.Errorf("stream %v: the provider was sent %s, want %s in it", stream, got.body, part)
				}
			}
			text := w.body.String()
			want := []string{`"type":"message"`, `"text":"hello you"`, `"stop_reason":"end_turn"`, `"output_tokens":500`}
			if stream {
				want = []string{"event: message_start\n", `"text":"hello"`, `"text":" you"`, `"stop_reason":"end_turn"`, "event: message_stop\n"}
			}
			for _, part := range want {
				if !strings.Contains(text, part) {
					t.Errorf("stream %v: client got %s, want %s in it", stream, text, part)
				}
			}
			row := rd.row(w)
			if u := (llm.Usage{Input: 1000, CachedInput: 400, Output: 500, Reasoning: 100}); row.Usage != u || row.Front != "anthropic" || row.BytesOut != int64(len(text)) {
				t.Errorf("stream %v: row %+v", stream, row)
			}
		})
	}
}

// TestTranslatedFailures checks that what goes wrong at a target of another dialect is told as ever, and never in that
// dialect's words.
func TestTranslatedFailures(t *testing.T) {
	t.Parallel()
	f := func(name string, kind llm.Kind, stream bool, answers ...step) {
		t.Helper()
		o := options{providers: []provider{{name: "p", api: "gemini", answer: steps(answers...)}}}
		o.settings = func(c *gateway.Settings) { c.Retry.Attempts = len(answers) }
		onRoad(t, o, func(rd *road) {
			w := rd.ask(llm.Anthropic, "p/m", stream, messages)
			w.want(kind, len(answers))
			if w.err != nil && w.err.Body != nil {
				t.Errorf("%s: client is shown %s", name, w.err.Body)
			}
		})
	}
	quota := failWith(429, `{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}`)
	f("refused", llm.KindRejected, false, failWith(400, `{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}`))
	f("quota, then well", llm.KindNone, false, quota, ofGemini)
	f("cut, then well", llm.KindNone, true, events("reset"), ofGemini)
	f("cut before content, then well", llm.KindNone, true, events(), ofGemini)
	f("cut after content", llm.KindTruncated, true, events(geminiText))
	f("error after content", llm.KindOverloaded, true, events(geminiText, `data: {"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}`+"\n\n"))
	f("no finish", llm.KindTruncated, false, whole(`{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}`))
}

// TestTargetsThatCannot checks that a target without an operation is passed over, and that a call with no other is refused
// before anything is sent.
func TestTargetsThatCannot(t *testing.T) {
	t.Parallel()
	chat, able := steps(ok), steps(whole(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`))
	o := pool(chat, able)
	o.providers[0].api = "anthropic"
	onRoad(t, o, func(rd *road) {
		x := rd.exchange(llm.OpEmbedding, `{"model":"m","input":"a"}`)
		w := rd.do(rd.t.Context(), x)
		w.want(llm.KindNone, 1)
		if chat.count() != 0 || able.count() != 1 {
			t.Errorf("%d and %d requests", chat.count(), able.count())
		}
		x = rd.exchange(llm.OpEmbedding, `{"model":"a/m","input":"a"}`)
		w = rd.do(rd.t.Context(), x)
		w.want(llm.KindUnsupported, 0)
		w.says("a/m", "embeddings")
		if chat.count() != 0 {
			t.Error("a provider without the operation was asked")
		}
	})
}

// TestCacheFillingIsNotAskedOfOthers checks that max_tokens 0 of Anthropic's API, which has no output, does not become an answer without
// any limit at a target of another dialect.
func TestCacheFillingIsNotAskedOfOthers(t *testing.T) {
	t.Parallel()
	s := steps(ofGemini)
	onRoad(t, options{providers: []provider{{name: "p", api: "gemini", answer: s}}}, func(rd *road) {
		w := rd.ask(llm.Anthropic, "p/m", false, `{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"hello"}]}`)
		w.want(llm.KindBadRequest, 0)
		if n := len(s.got()); n != 0 {
			t.Errorf("the provider was asked %d times", n)
		}
	})
}

// TestThinkingStaysWithItsModel checks that a call which fails over to another model does not bring it thoughts that it would refuse,
// and that a retry at the same model does.
func TestThinkingStaysWithItsModel(t *testing.T) {
	t.Parallel()
	const body = `{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[` +
		`{"type":"thinking","thinking":"deep","signature":"sig"},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}`
	answer := whole(`{"id":"msg_1","type":"message","role":"assistant","model":"x","content":[{"type":"text","text":"d"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`)
	f := func(front llm.Dialect, second string, kept bool) {
		t.Helper()
		a, b := steps(fail(529)), steps(answer)
		o := options{
			providers: []provider{{name: "a", api: "anthropic", answer: a}, {name: "b", api: "anthropic", answer: b}},
			models: map[string]route.Model{"m": {Strategy: "failover", Targets: []route.TargetRef{
				{Target: "a/claude-sonnet-5-5", Weight: 1}, {Target: "b/" + second, Weight: 1},
			}}},
		}
		onRoad(t, o, func(rd *road) {
			text := body
			if front == llm.OpenAI {
				text = `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_details":[` +
					`{"type":"reasoning.text","text":"deep","signature":"sig","format":"anthropic-claude-v1"}]},{"role":"user","content":"c"}]}`
			}
			rd.ask(front, "m", false, text).want(llm.KindNone, 2)
			if !strings.Contains(a.got()[0].body, "deep") {
				t.Errorf("%v: the first target was sent %s", front, a.got()[0].body)
			}
			if got := b.got()[0].body; strings.Contains(got, "deep") != kept {
				t.Errorf("%v to %s: the second target was sent %s", front, second, got)
			}
		})
	}
	for _, front := range []llm.Dialect{llm.Anthropic, llm.OpenAI} {
		f(front, "claude-opus-5-5", false)
		f(front, "claude-sonnet-5-5", true)
	}
}

// TestFixtureVersions sends a temperature from a client of OpenAI's to both versions of Anthropic's API: the newer refuses it, even at its
// default.
func TestFixtureVersions(t *testing.T) {
	t.Parallel()
	f := func(version, temperature, sent, dropped string) {
		t.Helper()
		s := steps(whole(`{"id":"msg_1","type":"message","role":"assistant","model":"x","content":[{"type":"text","text":"d"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`))
		onRoad(t, options{providers: []provider{{name: "p", api: "anthropic", version: version, answer: s}}}, func(rd *road) {
			w := rd.ask(llm.OpenAI, "p/claude-haiku-4-5", false, `{"model":"m","temperature":`+temperature+`,"messages":[{"role":"user","content":"hello"}]}`)
			w.want(llm.KindNone, 1)
			got := s.got()[0]
			if v := got.header.Get("Anthropic-Version"); v != cmp.Or(version, "2023-06-01") {
				t.Errorf("%s: version %q", version, v)
			}
			if has := strings.Contains(got.body, `"temperature"`); has != (sent != "") || !strings.Contains(got.body, sent) {
				t.Errorf("%s: the provider was sent %s", version, got.body)
			}
			if h := w.Header().Get(dialect.DroppedHeader); h != dropped {
				t.Errorf("%s: header %q, want %q", version, h, dropped)
			}
		})
	}
	f("", "0.5", `"temperature":0.5`, "")
	f("2023-06-01", "1", `"temperature":1`, "")
	f("2026-10-21", "0.5", "", "temperature")
	f("2026-10-21", "1", "", "")
}

// TestBrokenStreamsNameTheCall checks that the error at the end of a stream has the call's id, where the dialect has a place for it, whether
// the stream was forwarded or translated.
func TestBrokenStreamsNameTheCall(t *testing.T) {
	t.Parallel()
	const start = "event: message_start\n" + `data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}` +
		"\n\nevent: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` +
		"\n\nevent: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}` + "\n\n"
	f := func(front llm.Dialect, body, api, text, want string) {
		t.Helper()
		onRoad(t, options{providers: []provider{{name: "p", api: api, answer: steps(events(text))}}}, func(rd *road) {
			w := rd.ask(front, "p/m", true, body)
			if !strings.Contains(w.last, want) {
				t.Errorf("%v at %s: no %s in %q", front, api, want, w.last)
			}
		})
	}
	const contents = `{"contents":[{"parts":[{"text":"hello"}]}]}`
	f(llm.Anthropic, messages, "gemini", geminiText, `"request_id":"call-0"`)
	f(llm.Anthropic, messages, "anthropic", start, `"request_id":"call-0"`)
	f(llm.Gemini, contents, "gemini", geminiText, `"requestId":"call-0"`)
	f(llm.Gemini, contents, "anthropic", start, `"requestId":"call-0"`)
}
