package caller

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// answer is what the streams of the tests say.
func answer() *llm.Answer {
	return &llm.Answer{
		ID: "answer1", Model: "m", HasUsage: true, Usage: llm.Usage{Input: 3, Output: 5},
		Choices: []llm.Choice{{Finish: llm.FinishStop, Parts: []llm.Part{{Kind: llm.PartText, Text: "The gate opens."}}}},
	}
}

// streamOf writes the answer as a dialect's stream.
func streamOf(d llm.Dialect, a *llm.Answer) string {
	codec := dialect.Of(d)
	w := codec.NewWriter(&llm.Head{ID: "01", Model: "m", Op: llm.OpChat, Usage: true, Chat: &llm.Chat{Model: "m"}})
	var b []byte
	events := llm.Unfold(a)
	for i := range events {
		b = w.Write(b, &events[i])
	}
	return string(w.End(b))
}

func front(t *testing.T, d llm.Dialect) Front {
	t.Helper()
	for _, f := range Fronts() {
		if f.Dialect == d {
			return f
		}
	}
	t.Fatalf("no front %v", d)
	return Front{}
}

// call has a front read a canned answer.
func call(t *testing.T, d llm.Dialect, status int, kind, body string, stream bool) *Result {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		cut, broken := strings.CutSuffix(body, "<break>")
		_, _ = io.WriteString(w, cut)
		if broken {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	f := front(t, d)
	rq, err := f.Request(t.Context(), s.URL, &llm.Chat{Model: "m", Stream: stream, MaxTokens: 10, Choices: 1, Messages: []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: "?"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return f.Call(s.Client(), rq, stream)
}

func TestGoodStreams(t *testing.T) {
	t.Parallel()
	tool := answer()
	tool.Choices[0] = llm.Choice{Finish: llm.FinishTools, Parts: []llm.Part{{Kind: llm.PartToolCall, ID: "call_1", Name: "open", Text: `{"gate": 1}`}}}
	for _, f := range Fronts() {
		for _, a := range []*llm.Answer{answer(), tool} {
			res := call(t, f.Dialect, 200, "text/event-stream", streamOf(f.Dialect, a), true)
			if len(res.Bad) > 0 || !res.Complete || res.Told != nil || res.Broken != nil || res.Pieces == 0 || res.First == 0 {
				t.Errorf("%s: bad %q, complete %v, told %v, broken %v, pieces %d\n%s", f.Name, res.Bad, res.Complete, res.Told, res.Broken, res.Pieces, res.Body)
			}
			if diff := Same(a, res.Answer); diff != "" {
				t.Errorf("%s: %s", f.Name, diff)
			}
			if res.Answer.Usage != a.Usage {
				t.Errorf("%s: usage %v", f.Name, res.Answer.Usage)
			}
		}
	}
}

// TestBadStreams changes a good stream in ways that the reader must notice. bad is part of what it says.
func TestBadStreams(t *testing.T) {
	t.Parallel()
	f := func(d llm.Dialect, from, to, bad string) {
		t.Helper()
		good := streamOf(d, answer())
		text := strings.Replace(good, from, to, 1)
		if text == good {
			t.Errorf("%v: %q is not in the stream:\n%s", d, from, good)
		}
		res := call(t, d, 200, "text/event-stream", text, true)
		if all := strings.Join(res.Bad, "; "); !strings.Contains(all, bad) {
			t.Errorf("%v with %q for %q: bad %q, want %q", d, to, from, all, bad)
		}
	}
	const blank = "\n\n"
	f(llm.OpenAI, "data: [DONE]\n\n", "", "no [DONE]")
	f(llm.OpenAI, `"finish_reason":"stop"`, `"finish_reason":null`, "without a finish reason")
	f(llm.OpenAI, "data: [DONE]\n\n", "data: [DONE]\n\ndata: {}\n\n", "after the end")
	f(llm.OpenAI, `"object":`, `"error":null,"object":`, `"error":null`)
	f(llm.OpenAI, `"role":"assistant"`, `"role":"user"`, "without the role")
	f(llm.OpenAI, blank, blank+"data: {\"id\":\"other\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[]}\n\n", "id changes")
	f(llm.OpenAI, "[DONE]\n\n", "[DO", "ends inside an event")
	f(llm.OpenAI, blank, blank+"event: x\ndata: {}\n\n", "with the name")
	f(llm.OpenAI, blank, blank+"data: {\"id\n\n", "no chunk")
	f(llm.Anthropic, "event: message_stop", "event: ping", "has the type")
	f(llm.Anthropic, `{"type":"content_block_stop","index":0}`, `{"type":"content_block_stop","index":1}`, "block 1 ends while 0 is open")
	f(llm.Anthropic, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n", "", "while block 0 is open")
	f(llm.Anthropic, `"type":"content_block_start","index":0`, `"type":"content_block_start","index":2`, "block 2 begins, want 0")
	f(llm.Responses, `"sequence_number":3`, `"sequence_number":4`, "sequence_number 4, want 3")
	f(llm.Responses, `"delta":"The gate opens."`, `"delta":"The gate"`, "another text than the deltas")
	f(llm.Responses, "event: response.created\ndata: {\"type\":\"response.created\"", "event: response.x\ndata: {\"type\":\"response.x\"", "the stream begins with")
	f(llm.Gemini, `"finishReason":"STOP"`, `"finishReason":""`, "ends early")
	f(llm.Gemini, blank, blank+"data: {\"candidates\":[],\"usageMetadata\":{},\"modelVersion\":\"m\",\"responseId\":\"x\"}\n\n", "responseId changes")
}

func TestErrors(t *testing.T) {
	t.Parallel()
	e := llm.Errorf(llm.KindStalled, "no data for 1s")
	for _, f := range Fronts() {
		codec := dialect.Of(f.Dialect)
		body, status := codec.AppendError(nil, e, "01")
		for _, stream := range []bool{false, true} {
			res := call(t, f.Dialect, status, "application/json", string(body), stream)
			if res.Told == nil || res.Told.Code != "provider_stalled" || res.Told.Status != 504 || len(res.Bad) > 0 || res.Complete {
				t.Errorf("%s, stream %v: told %+v, bad %q", f.Name, stream, res.Told, res.Bad)
			}
		}
		w := codec.NewWriter(&llm.Head{ID: "01", Model: "m", Op: llm.OpChat, Chat: &llm.Chat{Model: "m"}})
		var b []byte
		events := llm.Unfold(answer())
		for i := range events[:3] {
			b = w.Write(b, &events[i])
		}
		b = w.Fail(b, e)
		res := call(t, f.Dialect, 200, "text/event-stream", string(b), true)
		if res.Told == nil || res.Told.Code != "provider_stalled" || len(res.Bad) > 0 || res.Complete || Text(res.Answer) != "The gate opens." {
			t.Errorf("%s in a stream: told %+v, bad %q, text %q", f.Name, res.Told, res.Bad, Text(res.Answer))
		}
	}
	res := call(t, llm.OpenAI, 500, "application/json", `{"detail":"x"}`, false)
	if len(res.Bad) == 0 {
		t.Error("an error of another shape is not noticed")
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	for _, f := range Fronts() {
		body := string(dialect.Of(f.Dialect).AppendAnswer(nil, answer(), &llm.Head{ID: "01", Model: "m", Op: llm.OpChat, Chat: &llm.Chat{Model: "m"}}))
		res := call(t, f.Dialect, 200, "application/json", body, false)
		if !res.Complete || len(res.Bad) > 0 || Same(answer(), res.Answer) != "" {
			t.Errorf("%s: complete %v, bad %q", f.Name, res.Complete, res.Bad)
		}
		if res = call(t, f.Dialect, 200, "application/json", body[:len(body)-5], false); len(res.Bad) == 0 || res.Complete {
			t.Errorf("%s: an answer that is cut off is not noticed", f.Name)
		}
		if res = call(t, f.Dialect, 200, "text/html", body, false); len(res.Bad) == 0 {
			t.Errorf("%s: another type is not noticed", f.Name)
		}
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	res := call(t, llm.OpenAI, 200, "text/event-stream", strings.TrimSuffix(streamOf(llm.OpenAI, answer()), "data: [DONE]\n\n")+"<break>", true)
	if res.Broken == nil || res.Complete {
		t.Errorf("broken %v, complete %v", res.Broken, res.Complete)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := Fronts()[0]
	rq, err := f.Request(ctx, "http://127.0.0.1:1", &llm.Chat{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if res := f.Call(http.DefaultClient, rq, true); res.Broken == nil {
		t.Error("no connection is not noticed")
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	f := func(change func(a *llm.Answer), same bool) {
		t.Helper()
		a := answer()
		change(a)
		if diff := Same(answer(), a); diff == "" != same {
			t.Errorf("same %v: %q", same, diff)
		}
	}
	f(func(*llm.Answer) {}, true)
	f(func(a *llm.Answer) {
		a.Choices[0].Parts = []llm.Part{{Kind: llm.PartThinking, Text: "Hm."}, {Kind: llm.PartText, Text: "The gate opens."}}
	}, true)
	f(func(a *llm.Answer) { a.Choices[0].Parts[0].Text = "The gate" }, false)
	f(func(a *llm.Answer) { a.Choices[0].Finish = llm.FinishLength }, false)
	f(func(a *llm.Answer) { a.Choices = nil }, false)
	f(func(a *llm.Answer) {
		a.Choices[0].Parts = append(a.Choices[0].Parts, llm.Part{Kind: llm.PartToolCall, Name: "x", Text: "{}"})
	}, false)
}
