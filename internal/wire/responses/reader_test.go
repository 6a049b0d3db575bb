package responses_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/llm"
	"sluice/internal/wire/responses"
)

// TestReadNative: the fold of a provider's stream is its answer.
func TestReadNative(t *testing.T) {
	t.Parallel()
	want := &llm.Answer{
		ID: "resp_abc", Model: "gpt-5-2025-08-07", Created: time.Unix(1_790_000_000, 0).UTC(), HasUsage: true, Usage: nativeUsage, ServiceTier: "default",
		Choices: []llm.Choice{{
			Finish: llm.FinishTools, Reason: "completed",
			Logprobs: []llm.Logprob{{Token: "Zürich ", Bytes: []byte("Zürich "), Logprob: -0.5}},
			Parts: []llm.Part{
				{Kind: llm.PartThinking, Text: "**Plan**\n\nThink.\n\nAgain.", Signature: "rs_1/gAAA/x==", Origin: llm.Responses},
				{Kind: llm.PartOther, Name: "web_search_call", Origin: llm.Responses, Raw: `{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"x"}}`},
				{Kind: llm.PartText, Text: "Zürich 😀 ok", Citations: []llm.Citation{{URL: "https://example.com/ü", Title: "Ü", Start: 0, End: 8}}},
				{Kind: llm.PartToolCall, ID: "call_1", Name: "weather", Text: `{"city":"Bern"}`},
				{Kind: llm.PartToolCall, ID: "call_2", Name: "weather", Text: `{"city":"Ulm"}`},
			},
		}},
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, fixture(t, "native.json")); err != nil {
		t.Fatal(err)
	}
	whole, e := responses.ReadAnswer(compact.Bytes())
	if e != nil {
		t.Fatal(e)
	}
	if d := cmp.Diff(want, whole, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}
	streamed, e := fold(t, fixture(t, "native.sse"))
	if e != nil {
		t.Fatal(e)
	}
	if d := cmp.Diff(want, streamed, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("stream (-want +got):\n%s", d)
	}
}

// sse makes a stream of events, given as their data.
func sse(data ...string) []byte {
	var b strings.Builder
	for _, d := range data {
		fmt.Fprintf(&b, "data: %s\n\n", d)
	}
	return []byte(b.String())
}

const (
	created = `{"type":"response.created","response":{"id":"resp_1","model":"m","status":"in_progress"}}`
	ended   = `{"type":"response.completed","response":{"id":"resp_1","model":"m","status":"completed","output":[]}}`
)

// parts returns the parts of a streamed answer.
func parts(t *testing.T, data ...string) []llm.Part {
	t.Helper()
	a, e := fold(t, sse(data...))
	if e != nil {
		t.Fatal(e)
	}
	if len(a.Choices) != 1 {
		t.Fatalf("%d choices", len(a.Choices))
	}
	return a.Choices[0].Parts
}

// TestInterleavedCalls: PROVIDERS.md 8.2. Parallel calls whose events interleave come out one after another.
func TestInterleavedCalls(t *testing.T) {
	t.Parallel()
	added := func(i int) string {
		return fmt.Sprintf(`{"type":"response.output_item.added","output_index":%d,"item":{"type":"function_call","call_id":"c%d","name":"f"}}`, i, i)
	}
	delta := func(i int, s string) string {
		return fmt.Sprintf(`{"type":"response.function_call_arguments.delta","output_index":%d,"delta":%q}`, i, s)
	}
	done := func(i int, s string) string {
		return fmt.Sprintf(`{"type":"response.output_item.done","output_index":%d,"item":{"type":"function_call","call_id":"c%d","name":"f","arguments":%q}}`, i, i, s)
	}
	got := parts(t, created, added(0), added(1), delta(1, "{b"), delta(0, "{a"), added(2), delta(2, "{c}"), delta(1, "}"), done(1, "{b}"), delta(0, "}"), done(0, "{a}"), done(2, "{c}"), ended)
	want := []llm.Part{
		{Kind: llm.PartToolCall, ID: "c0", Name: "f", Text: "{a}"},
		{Kind: llm.PartToolCall, ID: "c1", Name: "f", Text: "{b}"},
		{Kind: llm.PartToolCall, ID: "c2", Name: "f", Text: "{c}"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// A stream that ends without their ends loses nothing.
	got = parts(t, created, added(0), added(1), delta(1, "{b}"), delta(0, "{a}"), ended)
	if d := cmp.Diff(want[:2], got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestSparseStreams: servers that leave out events that others send.
func TestSparseStreams(t *testing.T) {
	t.Parallel()
	text := []llm.Part{{Kind: llm.PartText, Text: "Hello"}}
	f := func(name string, want []llm.Part, data ...string) {
		t.Helper()
		if d := cmp.Diff(want, parts(t, data...), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	f("deltas only", text, created, `{"type":"response.output_text.delta","delta":"Hel"}`, `{"type":"response.output_text.delta","delta":"lo"}`, ended)
	f("no created", text, `{"type":"response.output_text.delta","delta":"Hello"}`, ended)
	f("item done only", text, created, `{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"Hello"}]}}`, ended)
	f("text done only", text, created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}`, `{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"Hello"}`, ended)
	f("end only", text, `{"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}]}}`)
	f("call without deltas", []llm.Part{{Kind: llm.PartToolCall, ID: "c", Name: "f", Text: "{}"}}, created,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}`,
		`{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}`, ended)
	f("reasoning text of open models", []llm.Part{{Kind: llm.PartThinking, Text: "hm"}}, created,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1"}}`,
		`{"type":"response.content_part.added","output_index":0,"content_index":0,"part":{"type":"reasoning_text","text":""}}`,
		`{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"hm"}`,
		`{"type":"response.content_part.done","output_index":0,"content_index":0,"part":{"type":"reasoning_text","text":"hm"}}`,
		`{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]}}`, ended)
	f("an image", []llm.Part{{Kind: llm.PartImage, MIME: "image/png", Data: "aGVsbG8="}}, created,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"image_generation_call","id":"ig_1","status":"in_progress"}}`,
		`{"type":"response.output_item.done","output_index":0,"item":{"type":"image_generation_call","id":"ig_1","status":"completed","result":"aGVsbG8="}}`, ended)
	f("reasoning without anything", nil, created, `{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}`, ended)
}

func TestReaderAllocs(t *testing.T) {
	r := responses.NewReader()
	var all []llm.Event
	read := func(data string) {
		var e *llm.Error
		if all, e = r.Read(all[:0], nil, []byte(data)); e != nil {
			t.Fatal(e)
		}
	}
	read(created)
	delta := []byte(`{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"a t\u006fken","logprobs":[]}`)
	if n := testing.AllocsPerRun(1000, func() { all, _ = r.Read(all[:0], nil, delta) }); n > 0 {
		t.Errorf("%v allocations per delta", n)
	}
}
