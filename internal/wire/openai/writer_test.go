package openai

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// written writes an answer as a stream and returns its chunks without what all have in common.
func writeStream(a *llm.Answer, h *llm.Head) []string {
	w := NewWriter(h)
	var out []byte
	for _, e := range llm.Unfold(a) {
		out = w.Write(out, &e)
	}
	out = w.End(out)
	return strings.Split(strings.TrimSuffix(string(out), "\n\n"), "\n\n")
}

var anAnswer = llm.Answer{
	ID: "msg_1", Model: "claude", HasUsage: true, Usage: llm.Usage{Input: 10, CachedInput: 4, Output: 6, Reasoning: 2},
	Choices: []llm.Choice{{Finish: llm.FinishTools, Reason: "tool_use", Parts: []llm.Part{
		{Kind: llm.PartThinking, Text: "hm", Signature: "s", Origin: llm.Anthropic},
		{Kind: llm.PartRedacted, Signature: "r", Origin: llm.Anthropic},
		{Kind: llm.PartText, Text: "é1", Citations: []llm.Citation{{URL: "u", Title: "t", Start: 2, End: 3}}},
		{Kind: llm.PartText, Text: "2", Citations: []llm.Citation{{URL: "v", Quote: "q"}}},
		{Kind: llm.PartToolCall, ID: "t1", Name: "f", Text: `{"a":1}`, Signature: "g", Origin: llm.Gemini},
		{Kind: llm.PartToolCall, ID: "t2", Name: "c", Text: "x", Custom: true},
	}}},
}

// TestWriter is the form of a stream, chunk by chunk.
func TestWriter(t *testing.T) {
	t.Parallel()
	got := writeStream(&anAnswer, &llm.Head{ID: "7", Created: time.Unix(5, 0), Op: llm.OpChat, Usage: true})
	const front = `data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":5,"model":"claude","choices":[`
	delta := func(s string) string {
		return front + `{"index":0,"delta":{` + s + `},"logprobs":null,"finish_reason":null}],"usage":null}`
	}
	want := []string{
		delta(`"role":"assistant","content":"","refusal":null`),
		delta(`"reasoning_content":"hm"`),
		delta(`"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","format":"anthropic-claude-v1","index":0}]`),
		delta(`"reasoning_details":[{"type":"reasoning.encrypted","data":"r","format":"anthropic-claude-v1","index":1}]`),
		delta(`"content":"é1"`),
		delta(`"content":"","annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"u","title":"t"}}]`),
		delta(`"content":"2"`),
		delta(`"content":"","annotations":[{"type":"url_citation","url_citation":{"start_index":2,"end_index":3,"url":"v","title":"","content":"q"}}]`),
		delta(`"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}}]`),
		delta(`"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]`),
		delta(`"tool_calls":[{"index":0,"extra_content":{"google":{"thought_signature":"g"}},"function":{"arguments":""}}]`),
		delta(`"tool_calls":[{"index":1,"id":"t2","type":"custom","custom":{"name":"c","input":""}}]`),
		delta(`"tool_calls":[{"index":1,"custom":{"input":"x"}}]`),
		front + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null}`,
		front + `],"usage":{"prompt_tokens":10,"completion_tokens":6,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},` +
			`"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}`,
		`data: [DONE]`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestAppendAnswerForm is the form of a whole answer.
func TestAppendAnswerForm(t *testing.T) {
	t.Parallel()
	f := func(name string, a llm.Answer, h llm.Head, want string) {
		t.Helper()
		h.ID, h.Created = "7", time.Unix(5, 0)
		got := string(AppendAnswer([]byte("<"), &a, &h))
		if got != "<"+want {
			t.Errorf("%s:\ngot  %s\nwant <%s", name, got, want)
		}
		if !wire.Valid([]byte(got[1:])) {
			t.Errorf("%s: not valid JSON", name)
		}
	}
	const usage = `,"usage":{"prompt_tokens":10,"completion_tokens":6,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},` +
		`"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}`
	f("all", anAnswer, llm.Head{Op: llm.OpChat, Model: "public"}, `{"id":"chatcmpl-7","object":"chat.completion","created":5,"model":"public","choices":[{"index":0,"message":{"role":"assistant",`+
		`"content":"é12","refusal":null,"reasoning_content":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","format":"anthropic-claude-v1","index":0},`+
		`{"type":"reasoning.encrypted","data":"r","format":"anthropic-claude-v1","index":1}],"tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},`+
		`"extra_content":{"google":{"thought_signature":"g"}}},{"id":"t2","type":"custom","custom":{"name":"c","input":"x"}}],`+
		`"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"u","title":"t"}},{"type":"url_citation","url_citation":{"start_index":2,"end_index":3,"url":"v","title":"","content":"q"}}]},`+
		`"logprobs":null,"finish_reason":"tool_calls"}]`+usage)
	refused := llm.Answer{ID: "chatcmpl-a", Model: "m", Created: time.Unix(6, 0), ServiceTier: "flex", Fingerprint: "fp", Choices: []llm.Choice{
		{Finish: llm.FinishFilter, Parts: []llm.Part{{Kind: llm.PartRefusal, Text: "no"}}}, {Index: 1, Finish: llm.FinishSequence, Stop: "END", Parts: []llm.Part{text("a"), text("b")}}, {Index: 2},
	}}
	message := func(content, refusal string) string {
		return `"message":{"role":"assistant","content":` + content + `,"refusal":` + refusal + `,"annotations":[]},"logprobs":null,`
	}
	f("refusal", refused, llm.Head{Op: llm.OpChat}, `{"id":"chatcmpl-a","object":"chat.completion","created":6,"model":"m","service_tier":"flex","system_fingerprint":"fp","choices":[{"index":0,`+
		message(`null`, `"no"`)+`"finish_reason":"content_filter"},{"index":1,`+message(`"ab"`, `null`)+`"finish_reason":"stop","stop_reason":"END"},{"index":2,`+message(`""`, `null`)+`"finish_reason":null}]}`)
	f("completion", refused, llm.Head{Op: llm.OpCompletion}, `{"id":"cmpl-7","object":"text_completion","created":6,"model":"m","service_tier":"flex","system_fingerprint":"fp","choices":[`+
		`{"index":0,"text":"","logprobs":null,"finish_reason":"content_filter"},{"index":1,"text":"ab","logprobs":null,"finish_reason":"stop","stop_reason":"END"},{"index":2,"text":"","logprobs":null,"finish_reason":null}]}`)
	called := llm.Answer{Choices: []llm.Choice{{Finish: llm.FinishTools, Parts: []llm.Part{call("a", "f", "{}"), call("b", "g", "{}")}}}}
	f("functions", called, llm.Head{Op: llm.OpChat, Model: "m", Chat: &llm.Chat{LegacyFunctions: true}}, `{"id":"chatcmpl-7","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,`+
		`"message":{"role":"assistant","content":null,"refusal":null,"function_call":{"name":"f","arguments":"{}"},"annotations":[]},"logprobs":null,"finish_reason":"function_call"}]}`)
}

// TestWriterFunctions is the stream of a client that knows functions only.
func TestWriterFunctions(t *testing.T) {
	t.Parallel()
	a := llm.Answer{Model: "m", Choices: []llm.Choice{{Finish: llm.FinishTools, Parts: []llm.Part{call("a", "f", "{}"), call("b", "g", "{}")}}}}
	got := strings.Join(writeStream(&a, &llm.Head{Op: llm.OpChat, Chat: &llm.Chat{LegacyFunctions: true}}), "")
	for _, want := range []string{`"delta":{"function_call":{"name":"f","arguments":""}}`, `"delta":{"function_call":{"arguments":"{}"}}`, `"finish_reason":"function_call"`} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s is not there once: %s", want, got)
		}
	}
	if strings.Contains(got, "tool_calls") || strings.Contains(got, `"g"`) {
		t.Errorf("more than a function: %s", got)
	}
}

// TestWriterCompletion is the stream of a legacy completion. It is read back by the same reader.
func TestWriterCompletion(t *testing.T) {
	t.Parallel()
	a := llm.Answer{Model: "m", Created: time.Unix(5, 0), Choices: []llm.Choice{{Finish: llm.FinishLength, Reason: "length", Parts: []llm.Part{{Kind: llm.PartThinking, Text: "hm"}, text("hi")}}}}
	got := writeStream(&a, &llm.Head{ID: "7", Op: llm.OpCompletion})
	const front = `data: {"id":"cmpl-7","object":"text_completion","created":5,"model":"m","choices":[{"index":0,"text":`
	want := []string{front + `"hi","logprobs":null,"finish_reason":null}]}`, front + `"","logprobs":null,"finish_reason":"length"}]}`, `data: [DONE]`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	events, e := readStream([]byte(strings.Join(got, "\n\n") + "\n\n"))
	if d := cmp.Diff(one(llm.FinishLength, "length", text("hi")), fold(events).Choices); d != "" || e != nil {
		t.Errorf("%v (-want +got):\n%s", e, d)
	}
}

// TestWriterFails is an error within a stream, which no chunk may look like otherwise.
func TestWriterFails(t *testing.T) {
	t.Parallel()
	w := NewWriter(&llm.Head{Op: llm.OpChat})
	e := llm.Errorf(llm.KindStalled, "nothing came")
	got := string(w.Fail([]byte("<"), e))
	if want := "<" + string(AppendStreamError(nil, e)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if all := strings.Join(writeStream(&anAnswer, &llm.Head{Op: llm.OpChat}), ""); strings.Contains(all, `"error"`) || strings.Contains(all, "usage") {
		t.Errorf("the stream has an error or usage: %s", all)
	}
}

// TestTextDoesNotAllocate holds a translated stream to no allocation for text, thinking and arguments, once buffers have their size.
func TestTextDoesNotAllocate(t *testing.T) {
	for _, delta := range []string{`{"content":"so m\u00fcch"}`, `{"reasoning_content":"so much"}`, `{"tool_calls":[{"index":0,"function":{"arguments":"[1,"}}]}`} {
		r, w := NewReader(), NewWriter(&llm.Head{Op: llm.OpChat, ID: "x"})
		var events []llm.Event
		var out []byte
		read := func(data []byte) {
			var e *llm.Error
			if events, e = r.Read(events[:0], nil, data); e != nil {
				t.Fatal(e)
			}
			out = out[:0]
			for i := range events {
				out = w.Write(out, &events[i])
			}
			if len(out) == 0 {
				t.Fatalf("%s is written as nothing", data)
			}
		}
		read([]byte(choiceChunk(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"["}}]}`, `null`)))
		if !strings.Contains(delta, "tool") {
			read([]byte(choiceChunk(`{"tool_calls":[{"index":0,"function":{"arguments":"]"}}]}`, `null`)))
		}
		chunk := []byte(choiceChunk(delta, `null`))
		for range 2000 {
			read(chunk)
		}
		if n := testing.AllocsPerRun(1000, func() { read(chunk) }); n != 0 {
			t.Errorf("%s: %v allocations", delta, n)
		}
	}
}

func BenchmarkTranslatedChunk(b *testing.B) {
	r, w := NewReader(), NewWriter(&llm.Head{Op: llm.OpChat, ID: "x"})
	var events []llm.Event
	var out []byte
	chunk := []byte(choiceChunk(`{"content":" token"}`, `null`))
	b.ReportAllocs()
	for b.Loop() {
		events, _ = r.Read(events[:0], nil, chunk)
		out = out[:0]
		for i := range events {
			out = w.Write(out, &events[i])
		}
	}
}

func BenchmarkForwardedChunk(b *testing.B) {
	var s Stream
	s.Reset(wire.FollowOptions{})
	chunk := []byte(choiceChunk(`{"content":" token"}`, `null`))
	raw := wire.AppendData(nil, chunk)
	b.ReportAllocs()
	for b.Loop() {
		ev := wire.Event{Data: raw[6 : len(raw)-2], Raw: raw, At: 6}
		s.Observe(&ev)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		chunks(choiceChunk(`{"role":"assistant","content":""}`, `null`), choiceChunk(`{"content":"hi"}`, `null`), choiceChunk(`{}`, `"stop"`)) + Done,
		chunks(choiceChunk(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}`, `null`), choiceChunk(`{"content":[{"type":"thinking","thinking":[{"text":"x"}]}]}`, `"tool_calls"`)),
		chunks(choiceChunk(`{"reasoning":"h","reasoning_details":[{"type":"reasoning.text","text":"h","signature":"s","index":0}],"images":[{"image_url":{"url":"data:a/b;base64,AA"}}],"audio":{"id":"a","data":"QQ=="}}`, `"stop"`)),
		chunks(`{"choices":[{"index":3,"text":"x","logprobs":{"content":[{"token":"x","logprob":-1,"bytes":[120]}]},"finish_reason":"length"}],"usage":{"prompt_tokens":1},"x_groq":{"usage":{}}}`),
		"data: {\"error\":\"x\"}\n\ndata: [{\"error\":{}}]\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		events, e := readStream(stream)
		if e != nil && (e.Kind == llm.KindNone || e.Message == "") {
			t.Fatalf("error %+v", e)
		}
		seen := make([]llm.Event, 0, len(events))
		for _, ev := range events {
			if ev.Kind != llm.EventMalformed {
				seen = append(seen, ev)
			}
		}
		if err := order(seen); err != nil {
			t.Fatalf("%q: %v", stream, err)
		}
		// What was read can be written, and reads the same again, up to what a stream of this dialect has no word for.
		a := fold(seen)
		if out := AppendAnswer(nil, a, &llm.Head{Op: llm.OpChat}); !wire.Valid(out) {
			t.Fatalf("%q became %s", stream, out)
		}
		w := NewWriter(&llm.Head{Op: llm.OpChat, Usage: true})
		var out []byte
		for i := range seen {
			out = w.Write(out, &seen[i])
		}
		again, e2 := readStream(w.End(out))
		if e == nil && e2 != nil {
			t.Fatalf("%q became %q: %v", stream, out, e2)
		}
		for _, ev := range again {
			if ev.Kind == llm.EventMalformed {
				t.Fatalf("%q became malformed: %q", stream, out)
			}
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	for _, s := range []string{chatAnswer, `{"choices":[{"message":{"content":[{"type":"text","text":"a"}],"tool_calls":[{"function":{"name":"f","arguments":{}}}]}}]}`, `[{"error":1}]`, `{"choices":[{"text":"x"}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, e := ReadAnswer(body)
		if e != nil {
			if a != nil || e.Kind == llm.KindNone || e.Message == "" {
				t.Fatalf("error %+v", e)
			}
			return
		}
		if _, e := ScanAnswer(llm.OpChat, body); e != nil {
			t.Fatalf("%q is read, but scanned: %v", body, e)
		}
		out := AppendAnswer(nil, a, &llm.Head{Op: llm.OpChat})
		if _, e := ReadAnswer(out); e != nil {
			t.Fatalf("%q became %s: %v", body, out, e)
		}
	})
}
