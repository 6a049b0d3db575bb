package openai

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// The fixtures of PROVIDERS.md section 8 that belong to this dialect, at the client's end of a translation.

// choice makes the text of a chunk with one choice.
func choiceChunk(delta, finish string) string {
	return `{"id":"c1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}`
}

// says reads a stream of chunks and compares what it adds up to.
func says(t *testing.T, name string, want []llm.Choice, usage *llm.Usage, data ...string) {
	t.Helper()
	for _, end := range []string{Done, ""} {
		events, err := readStream([]byte(chunks(data...) + end))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if err := order(events); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		a := fold(events)
		if d := cmp.Diff(want, a.Choices); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if usage != nil && (!a.HasUsage || a.Usage != *usage) {
			t.Errorf("%s: usage %+v, want %+v", name, a.Usage, *usage)
		}
		if end != "" {
			resumes(t, name, chunks(data...)+end, llm.OpChat)
		}
	}
}

// one makes the only choice of an answer.
func one(finish llm.Finish, reason string, parts ...llm.Part) []llm.Choice {
	return []llm.Choice{{Parts: parts, Finish: finish, Reason: reason}}
}

func text(s string) llm.Part { return llm.Part{Kind: llm.PartText, Text: s} }

func call(id, name, args string) llm.Part {
	return llm.Part{Kind: llm.PartToolCall, ID: id, Name: name, Text: args}
}

// TestFixtureFraming is fixture 1: a stream reads the same wherever its bytes are cut, with comments between chunks, data in several
// lines, CRLF, without [DONE], and without the last blank line.
func TestFixtureFraming(t *testing.T) {
	t.Parallel()
	body := chunks(choiceChunk(`{"role":"assistant","content":""}`, `null`)) + ": keep-alive\n\n" +
		"data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"héllo \"}}]}\n\n: OPENROUTER PROCESSING\n\n" +
		chunks(choiceChunk(`{"content":"wörld 日本"}`, `null`), choiceChunk(`{}`, `"stop"`))
	for _, text := range []string{body + Done, body, strings.TrimSuffix(body, "\n\n"), strings.ReplaceAll(body+Done, "\n", "\r\n")} {
		for cut := 0; cut <= len(text); cut++ {
			got := readCut(t, text, cut)
			if len(got.Choices) != 1 || len(got.Choices[0].Parts) != 1 || got.Choices[0].Parts[0].Text != "héllo wörld 日本" || got.Choices[0].Finish != llm.FinishStop {
				t.Fatalf("cut at %d of %q: %+v", cut, text, got)
			}
		}
	}
}

// readCut reads a stream that arrives in two pieces.
func readCut(t *testing.T, text string, cut int) *llm.Answer {
	t.Helper()
	var sse wire.Reader
	r := NewReader()
	var f llm.Folder
	take := func(ev wire.Event) {
		if ev.Comment {
			return
		}
		events, err := r.Read(nil, ev.Name, ev.Data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			f.Add(&events[i])
		}
	}
	for _, half := range []string{text[:cut], text[cut:]} {
		for src := strings.NewReader(half); src.Len() > 0; {
			if _, err := sse.Fill(src); err != nil {
				t.Fatal(err)
			}
			for {
				ev, ok, err := sse.Next()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				take(ev)
			}
		}
	}
	if ev, ok := sse.Last(); ok {
		take(ev)
	}
	events, err := r.End(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		f.Add(&events[i])
	}
	return f.Answer()
}

// TestFixtureNullAndArrayContent is fixture 2: content and choices that are null or arrays.
func TestFixtureNullAndArrayContent(t *testing.T) {
	t.Parallel()
	stop := choiceChunk(`{}`, `"stop"`)
	says(t, "null content (llama.cpp)", one(llm.FinishStop, "stop", text("hi")), nil,
		choiceChunk(`{"role":"assistant","content":null}`, `null`), choiceChunk(`{"content":"hi"}`, `null`), stop)
	says(t, "array content (Mistral)", one(llm.FinishStop, "stop", llm.Part{Kind: llm.PartThinking, Text: "hm well"}, text("hi you")), nil,
		choiceChunk(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm "}]}]}`, `null`),
		choiceChunk(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"well"}]},{"type":"text","text":"hi "}]}`, `null`),
		choiceChunk(`{"content":"you"}`, `null`), stop)
	says(t, "null choices and delta", one(llm.FinishStop, "stop", text("hi")), nil,
		`{"id":"c1","choices":null}`, choiceChunk(`null`, `null`), choiceChunk(`{"content":"hi"}`, `""`), stop)
	says(t, "an empty id later, and another one", one(llm.FinishStop, "stop", text("hi")), nil,
		choiceChunk(`{"content":"h"}`, `null`), strings.Replace(choiceChunk(`{"content":"i"}`, `null`), "c1", "", 1),
		strings.Replace(stop, "c1", "c2", 1))
	says(t, "finish with the last text (Mistral)", one(llm.FinishContext, "model_length", text("hi")), nil,
		choiceChunk(`{"content":"h"}`, `null`), choiceChunk(`{"content":"i"}`, `"model_length"`))
	says(t, "eos (Together)", one(llm.FinishStop, "eos", text("hi")), nil, choiceChunk(`{"content":"hi","token_id":5}`, `"eos"`))
	says(t, "all so far as message (Perplexity)", one(llm.FinishStop, "stop", text("hi")), nil,
		`{"choices":[{"index":0,"message":{"content":"h"},"delta":{"content":"h"}}]}`,
		`{"choices":[{"index":0,"delta":{"content":"i"},"message":{"content":"hi"},"finish_reason":"stop"}]}`)
	says(t, "stop sequence (vLLM)", []llm.Choice{{Parts: []llm.Part{text("hi")}, Finish: llm.FinishSequence, Stop: "END", Reason: "stop"}}, nil,
		`{"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop","stop_reason":"END"}]}`)
}

// TestFixtureRoleOnEachDelta is fixture 2: Ollama and Together repeat the role.
func TestFixtureRoleOnEachDelta(t *testing.T) {
	t.Parallel()
	says(t, "role", one(llm.FinishStop, "stop", llm.Part{Kind: llm.PartThinking, Text: "hm"}, text("hi")), nil,
		choiceChunk(`{"role":"assistant","content":"","reasoning":"h"}`, `null`), choiceChunk(`{"role":"assistant","content":"","reasoning":"m"}`, `null`),
		choiceChunk(`{"role":"assistant","content":"h"}`, `null`), choiceChunk(`{"role":"assistant","content":"i"}`, `null`),
		choiceChunk(`{"role":"assistant","content":""}`, `"stop"`))
}

// TestFixtureUsage is fixture 2 and the usage of 7: on each chunk, in the last one, and in the words of each provider.
func TestFixtureUsage(t *testing.T) {
	t.Parallel()
	with := func(usage string) string {
		return strings.TrimSuffix(choiceChunk(`{"content":"hi"}`, `"stop"`), "}") + `,` + usage + `}`
	}
	f := func(name string, want llm.Usage, data ...string) {
		t.Helper()
		says(t, name, one(llm.FinishStop, "stop", text("hi")), &want, data...)
	}
	f("OpenAI", llm.Usage{Input: 10, CachedInput: 4, CacheWrite: 3, AudioInput: 2, Output: 6, Reasoning: 5, AudioOutput: 1},
		with(`"usage":null`), `{"id":"c1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":6,"total_tokens":16,`+
			`"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3,"audio_tokens":2},"completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":1}}}`)
	f("Groq", llm.Usage{Input: 10, Output: 6}, with(`"x_groq":{"id":"r","usage":{"prompt_tokens":10,"completion_tokens":6,"queue_time":0.1}}`))
	f("DeepSeek", llm.Usage{Input: 10, CachedInput: 8, Output: 6},
		with(`"usage":{"prompt_tokens":10,"completion_tokens":6,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}`))
	f("xAI: cumulative, reasoning on top", llm.Usage{Input: 10, Output: 6, Reasoning: 2},
		`{"choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}`,
		with(`"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":16,"completion_tokens_details":{"reasoning_tokens":2}}`))
}

// TestFixtureServiceTier is the tier of fixture 7: what was used counts, in OpenAI's words.
func TestFixtureServiceTier(t *testing.T) {
	t.Parallel()
	f := func(tier, want string) {
		t.Helper()
		chunk := strings.TrimSuffix(choiceChunk(`{"content":"hi"}`, `"stop"`), "}") + `,"service_tier":` + tier + `}`
		events, err := readStream([]byte(chunks(chunk)))
		if got := fold(events).ServiceTier; err != nil || got != want {
			t.Errorf("%s is read as %q, %v, want %q", tier, got, err, want)
		}
		var s Stream
		s.Reset(wire.FollowOptions{})
		if play(t, &s, chunks(chunk)); s.Tier != want {
			t.Errorf("%s is followed as %q, want %q", tier, s.Tier, want)
		}
		if a, err := ScanAnswer(llm.OpChat, []byte(chunk)); err != nil || a.Tier != want {
			t.Errorf("%s is scanned as %q, %v, want %q", tier, a.Tier, err, want)
		}
	}
	f(`"default"`, "default")
	f(`"priority"`, "priority")
	f(`"fast"`, "priority")
	f(`"on_demand"`, "default")
	f(`"flex"`, "flex")
	f(`null`, "")
	f(`"batch"`, "batch")
	says(t, "a tier that comes late", one(llm.FinishStop, "stop", text("hi")), nil, choiceChunk(`{"content":"hi"}`, `null`),
		strings.TrimSuffix(choiceChunk(`{}`, `"stop"`), "}")+`,"service_tier":"flex"}`)
}

// TestFixtureEmptyChoices is fixture 2: Azure begins with a chunk that says nothing of the answer, usage ends it.
func TestFixtureEmptyChoices(t *testing.T) {
	t.Parallel()
	data := []string{
		`{"id":"","model":"","object":"","created":0,"choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}`,
		choiceChunk(`{"role":"assistant","content":"hi"}`, `null`), choiceChunk(`{}`, `"stop"`),
		`{"id":"c1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
	}
	says(t, "Azure", one(llm.FinishStop, "stop", text("hi")), &llm.Usage{Input: 1, Output: 2}, data...)
	events, _ := readStream([]byte(chunks(data...)))
	if a := fold(events); a.ID != "c1" || a.Model != "m" || !a.Created.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("the answer is %+v", a)
	}
}

// TestFixtureInterleavedTools is fixture 2: parallel calls whose fragments come in any order are told one after another.
func TestFixtureInterleavedTools(t *testing.T) {
	t.Parallel()
	frag := func(index, id, name, args string) string {
		f := `{"index":` + index
		if id != "" {
			f += `,"id":"` + id + `","type":"function"`
		}
		return f + `,"function":{"name":` + name + `,"arguments":"` + args + `"}}`
	}
	calls := func(all ...string) string { return choiceChunk(`{"tool_calls":[`+strings.Join(all, ",")+`]}`, `null`) }
	want := one(llm.FinishTools, "tool_calls", call("a", "f", `{"x":"}"}`), call("b", "g", `[1]`), call("c", "h", `{}`))
	says(t, "interleaved", want, nil,
		calls(frag("0", "a", `"f"`, ``), frag("1", "b", `"g"`, ``)), calls(frag("1", "", `null`, `[`)), calls(frag("0", "", `null`, `{\"x\":`)),
		calls(frag("2", "c", `"h"`, ``)), calls(frag("1", "", `null`, `1]`)), calls(frag("0", "", `null`, `\"}\"}`)), choiceChunk(`{}`, `"tool_calls"`))
	says(t, "one index for all, other ids (Gemini)", want, nil,
		calls(frag("0", "a", `"f"`, `{\"x\":\"}\"}`)), calls(frag("0", "b", `"g"`, `[1]`)), calls(frag("0", "c", `"h"`, `{}`)), choiceChunk(`{}`, `"tool_calls"`))
	says(t, "stop in place of tool_calls", one(llm.FinishTools, "stop", call("a", "f", `{}`)), nil,
		calls(frag("0", "a", `"f"`, `{}`)), choiceChunk(`{}`, `"stop"`))
	says(t, "text within arguments is held back", one(llm.FinishTools, "tool_calls", call("a", "f", `{"x":1}`), text("so")), nil,
		calls(frag("0", "a", `"f"`, `{\"x\":`)), choiceChunk(`{"content":"so"}`, `null`), calls(frag("0", "", `null`, `1}`)), choiceChunk(`{}`, `"tool_calls"`))
	says(t, "cut arguments", one(llm.FinishLength, "length", call("a", "f", `{"x":`), call("b", "g", `{}`)), nil,
		calls(frag("0", "a", `"f"`, `{\"x\":`)), calls(frag("1", "b", `"g"`, `{}`)), choiceChunk(`{}`, `"length"`))
}

// TestFixtureToolWithoutIndex is fixture 2: fragments without index, with an empty id later, without any id, and whole.
func TestFixtureToolWithoutIndex(t *testing.T) {
	t.Parallel()
	calls := func(all ...string) string { return choiceChunk(`{"tool_calls":[`+strings.Join(all, ",")+`]}`, `null`) }
	end := choiceChunk(`{}`, `"tool_calls"`)
	want := one(llm.FinishTools, "tool_calls", call("a", "f", `{"x":1}`), call("b", "g", `{}`))
	says(t, "without index", want, nil,
		calls(`{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\""}}`), calls(`{"id":"","function":{"arguments":":1}"}}`),
		calls(`{"id":"b","function":{"name":"g"}}`), calls(`{"function":{"arguments":"{}"}}`), end)
	says(t, "empty id later", want, nil,
		calls(`{"index":0,"id":"a","function":{"name":"f","arguments":""}}`), calls(`{"index":0,"id":"","function":{"name":"","arguments":"{\"x\":1}"}}`),
		calls(`{"index":1,"id":"b","function":{"name":"g","arguments":""}}`), calls(`{"index":1,"id":"","function":{"arguments":"{}"}}`), end)
	says(t, "the id on each fragment", want, nil,
		calls(`{"id":"a","function":{"name":"f","arguments":"{\"x\""}}`), calls(`{"id":"a","function":{"name":"f","arguments":":1}"}}`),
		calls(`{"id":"b","function":{"name":"g","arguments":"{}"}}`), end)
	says(t, "whole, the arguments as an object (Mistral, Ollama)", want, nil,
		calls(`{"id":"a","function":{"name":"f","arguments":{"x":1}}}`, `{"id":"b","function":{"name":"g","arguments":{}}}`), end)
	says(t, "no arguments", want, nil,
		calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}`), calls(`{"index":1,"id":"b","function":{"name":"g","arguments":""}}`), end)
	made := one(llm.FinishTools, "tool_calls", call(callID("c1", 0, 1, "f"), "f", `{}`), call(callID("c1", 0, 2, "f"), "f", `{}`))
	says(t, "without any id", made, nil, calls(`{"function":{"name":"f","arguments":"{}"}}`, `{"function":{"name":"f","arguments":"{}"}}`), end)
	says(t, "function_call", one(llm.FinishTools, "function_call", call(callID("c1", 0, 1, "f"), "f", `{"x":1}`)), nil,
		choiceChunk(`{"function_call":{"name":"f","arguments":""}}`, `null`), choiceChunk(`{"function_call":{"arguments":"{\"x\":1}"}}`, `null`), choiceChunk(`{}`, `"function_call"`))
}

// TestFixtureChoices is n > 1, in any order.
func TestFixtureChoices(t *testing.T) {
	t.Parallel()
	says(t, "two", []llm.Choice{{Index: 0, Parts: []llm.Part{text("ab")}, Finish: llm.FinishStop, Reason: "stop"}, {Index: 1, Parts: []llm.Part{text("xy")}, Finish: llm.FinishLength, Reason: "length"}}, nil,
		`{"choices":[{"index":1,"delta":{"content":"x"}},{"index":0,"delta":{"content":"a"}}]}`, `{"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":1,"delta":{"content":"y"},"finish_reason":"length"}]}`)
}

// TestFixtureReasoning is reasoning in the forms of Groq, DeepSeek, OpenRouter and Together, and signatures.
func TestFixtureReasoning(t *testing.T) {
	t.Parallel()
	stop := choiceChunk(`{"content":"hi"}`, `"stop"`)
	plain := one(llm.FinishStop, "stop", llm.Part{Kind: llm.PartThinking, Text: "hm"}, text("hi"))
	says(t, "reasoning", plain, nil, choiceChunk(`{"reasoning":"h"}`, `null`), choiceChunk(`{"reasoning":"m"}`, `null`), stop)
	says(t, "both names (Together)", plain, nil, choiceChunk(`{"reasoning":"h","reasoning_content":"h"}`, `null`), choiceChunk(`{"reasoning_content":"m","reasoning":"m"}`, `null`), stop)
	signed := one(llm.FinishStop, "stop", llm.Part{Kind: llm.PartThinking, Text: "hm", Signature: "s", Origin: llm.Anthropic}, text("hi"))
	detail := func(text string) string {
		return `{"type":"reasoning.text","text":"` + text + `","format":"anthropic-claude-v1","index":0}`
	}
	says(t, "twice (OpenRouter)", signed, nil, choiceChunk(`{"reasoning":"h","reasoning_details":[`+detail("h")+`]}`, `null`),
		choiceChunk(`{"reasoning":"m","reasoning_details":[`+detail("m")+`]}`, `null`),
		choiceChunk(`{"reasoning":null,"reasoning_details":[{"type":"reasoning.text","signature":"s","format":"anthropic-claude-v1","index":0}]}`, `null`), stop)
	says(t, "redacted", one(llm.FinishStop, "stop", llm.Part{Kind: llm.PartRedacted, Signature: "d", Origin: llm.Anthropic}, text("hi")), nil,
		choiceChunk(`{"reasoning_details":[{"type":"reasoning.encrypted","data":"d","format":"anthropic-claude-v1","index":0}]}`, `null`), stop)
	says(t, "encrypted with a summary", one(llm.FinishStop, "stop", llm.Part{Kind: llm.PartThinking, Text: "hm", ID: "rs_1", Signature: "e", Origin: llm.Responses}, text("hi")), nil,
		choiceChunk(`{"reasoning_details":[{"type":"reasoning.summary","summary":"hm","id":"rs_1","format":"openai-responses-v1","index":0}]}`, `null`),
		choiceChunk(`{"reasoning_details":[{"type":"reasoning.encrypted","data":"e","id":"rs_1","format":"openai-responses-v1","index":1}]}`, `null`), stop)
}

// TestFixtureErrors is fixture 3: an error in place of a chunk, in each of its forms, and in a whole answer.
func TestFixtureErrors(t *testing.T) {
	t.Parallel()
	f := func(name string, want llm.Kind, data string) {
		t.Helper()
		events, e := readStream([]byte(chunks(choiceChunk(`{"content":"hi"}`, `null`), data)))
		if e == nil || e.Kind != want {
			t.Errorf("%s: stream ends with %v, want %v", name, e, want)
		}
		if a := fold(events); len(a.Choices) != 1 || a.Choices[0].Parts[0].Text != "hi" {
			t.Errorf("%s: before the error came %+v", name, a.Choices)
		}
		if _, e := ReadAnswer([]byte(data)); e == nil || e.Kind != want {
			t.Errorf("%s: answer gives %v, want %v", name, e, want)
		}
	}
	f("object", llm.KindOverloaded, `{"error":{"message":"busy","type":"service_unavailable_error","code":"server_is_overloaded"}}`)
	f("number (vLLM)", llm.KindRateLimited, `{"error":{"message":"slow","type":"x","param":null,"code":429}}`)
	f("text (xAI)", llm.KindProviderStream, `{"code":"internal","error":"broken"}`)
	f("beside choices (OpenRouter)", llm.KindOverloaded, `{"id":"x","error":{"code":503,"message":"no provider"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`)
	f("finish", llm.KindProviderStream, `{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}`)
	f("Groq", llm.KindProviderStream, `{"choices":[],"x_groq":{"error":"over"}}`)
	f("Cerebras", llm.KindRateLimited, `{"error":{"message":"slow"},"status_code":429}`)
	f("object named error", llm.KindProviderStream, `{"object":"error","message":"broken"}`)
	f("array (Gemini)", llm.KindOverloaded, `[{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]`)
	f("quota", llm.KindQuotaExhausted, `{"error":{"message":"no credit","type":"insufficient_quota"}}`)
	says(t, "null is none", one(llm.FinishStop, "stop", text("hi")), nil, `{"error":null,"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}`)
	if _, e := NewReader().Read(nil, []byte("error"), []byte(`{"message":"broken"}`)); e == nil {
		t.Error("an event named error is none")
	}
}

// TestFixtureTruncated is what of fixtures 1 and 3 ends without a finish reason.
func TestFixtureTruncated(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", Done} {
		events, e := readStream([]byte(chunks(choiceChunk(`{"content":"hi"}`, `null`), choiceChunk(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}`, `null`)) + end))
		if e == nil || e.Kind != llm.KindTruncated {
			t.Errorf("error %v", e)
		}
		if a := fold(events); len(a.Choices) != 1 || len(a.Choices[0].Parts) != 2 {
			t.Errorf("read was %+v", a)
		}
	}
	if _, e := readStream([]byte(Done)); e == nil || e.Kind != llm.KindTruncated {
		t.Errorf("error %v", e)
	}
}

// TestFixtureMalformed is what cannot be read: it is counted, and changes nothing.
func TestFixtureMalformed(t *testing.T) {
	t.Parallel()
	f := func(data string, want int) {
		t.Helper()
		events, e := readStream([]byte(chunks(choiceChunk(`{"content":"h"}`, `null`), data, choiceChunk(`{"content":"i"}`, `"stop"`))))
		n := 0
		for _, e := range events {
			if e.Kind == llm.EventMalformed {
				n++
			}
		}
		if e != nil || n != want {
			t.Errorf("%s: %d malformed, %v, want %d", data, n, e, want)
		}
		if d := cmp.Diff(one(llm.FinishStop, "stop", text("hi")), fold(events).Choices); d != "" {
			t.Errorf("%s (-want +got):\n%s", data, d)
		}
	}
	f(`{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]`, 1)
	f(`null`, 1)
	f(`"text"`, 1)
	f(`{"choices":[3,"x",null]}`, 0)
	f(`{"choices":{"0":{}},"usage":5,"model":7,"id":8}`, 0)
	f(`{"choices":[{"index":0,"delta":{"tool_calls":[null,5],"images":[1],"annotations":"x","audio":"y","reasoning_details":["z"]}}]}`, 0)
	f(`{"choices":[{"index":0,"delta":{"images":[{"type":"image_url","image_url":{"url":"data:,x"}}]}}]}`, 1)
	f(`{"choices":[{"index":0,"delta":{"audio":{"id":5}}}]}`, 1)
}

// TestFixtureResets is fixture 4: quotas by each provider's headers, and times in each form.
func TestFixtureResets(t *testing.T) {
	t.Parallel()
	f := func(want llm.RateLimits, lines ...string) {
		t.Helper()
		h := http.Header{}
		for _, l := range lines {
			name, v, _ := strings.Cut(l, ": ")
			h.Add(name, v)
		}
		if d := cmp.Diff(want, Limits(h)); d != "" {
			t.Errorf("%q (-want +got):\n%s", lines, d)
		}
	}
	l := llm.NoRateLimits()
	f(l)
	l.Requests, l.RequestsLeft, l.RequestsReset = 500, 499, 120*time.Millisecond
	l.Tokens, l.TokensLeft, l.TokensReset = 30000, 29000, 6*time.Minute
	f(l, "x-ratelimit-limit-requests: 500", "x-ratelimit-remaining-requests: 499", "x-ratelimit-reset-requests: 120ms",
		"x-ratelimit-limit-tokens: 30000", "x-ratelimit-remaining-tokens: 29000", "x-ratelimit-reset-tokens: 6m0s")
	f(l, "x-ratelimit-limit-requests: 500", "x-ratelimit-remaining-requests: 499", "x-ratelimit-reset-requests: 0.12",
		"x-ratelimit-limit-tokens: 30000", "x-ratelimit-remaining-tokens: 29000", "x-ratelimit-reset-tokens: 2026-11-20T10:06:00Z", "date: Fri, 20 Nov 2026 10:00:00 GMT")
	l.RequestsPer, l.TokensPer = 24*time.Hour, time.Minute
	f(l, "x-ratelimit-limit-requests-day: 500", "x-ratelimit-remaining-requests-day: 499", "x-ratelimit-reset-requests-day: 0.12",
		"x-ratelimit-limit-tokens-minute: 30000", "x-ratelimit-remaining-tokens-minute: 29000", "x-ratelimit-reset-tokens-minute: 360")
	l = llm.NoRateLimits()
	l.Requests, l.RequestsLeft, l.Tokens = 60, 0, 5
	l.RequestsPer, l.TokensPer = time.Minute, time.Minute
	f(l, "x-ratelimit-limit-req-minute: 60", "x-ratelimit-remaining-req-minute: 0", "x-ratelimit-limit-tokens-minute: 5")
	l = llm.NoRateLimits()
	l.InputTokens, l.InputTokensLeft, l.OutputTokens, l.OutputTokensLeft = 10, 9, 8, 7
	f(l, "x-ratelimit-limit-tokens-prompt: 10", "x-ratelimit-remaining-tokens-prompt: 9", "x-ratelimit-limit-tokens-generated: 8", "x-ratelimit-remaining-tokens-generated: 7")
	l = llm.NoRateLimits()
	l.TokensReset = 2*time.Minute + 59560*time.Millisecond
	f(l, "x-ratelimit-reset-tokens: 2m59.56s", "x-ratelimit-reset-requests: -1s", "x-ratelimit-limit-requests: many")
	l.TokensReset = wire.MaxWait
	f(l, "x-ratelimit-reset-tokens: 99999h", "x-ratelimit-reset-requests: soon")
	f(llm.NoRateLimits(), "x-ratelimit-reset-tokens: 2026-11-20T10:06:00Z")
}

func TestSetLimits(t *testing.T) {
	t.Parallel()
	l := llm.NoRateLimits()
	l.Requests, l.RequestsLeft, l.RequestsReset, l.Tokens, l.InputTokens = 500, 0, 6*time.Minute+time.Microsecond, 30000, 3
	h := http.Header{}
	SetLimits(h, l, time.Time{})
	want := http.Header{}
	want.Set("x-ratelimit-limit-requests", "500")
	want.Set("x-ratelimit-remaining-requests", "0")
	want.Set("x-ratelimit-reset-requests", "6m0s")
	want.Set("x-ratelimit-limit-tokens", "30000")
	if d := cmp.Diff(want, h); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	l.InputTokens, l.RequestsReset = -1, 6*time.Minute
	if d := cmp.Diff(l, Limits(h)); d != "" {
		t.Errorf("read again (-want +got):\n%s", d)
	}
}
