package responses_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/llm"
	"sluice/internal/wire/responses"
)

// story is an answer with everything in it.
func story() *llm.Answer {
	return &llm.Answer{
		ID: "msg_1", Model: "claude-x", HasUsage: true, Usage: llm.Usage{Input: 20, CachedInput: 5, Output: 9, Reasoning: 4}, ServiceTier: "priority",
		Choices: []llm.Choice{{Finish: llm.FinishTools, Logprobs: []llm.Logprob{{Token: "Hi", Logprob: -0.25, Top: []llm.Logprob{{Token: "Ho", Logprob: -2}}}}, Parts: []llm.Part{
			{Kind: llm.PartThinking, Text: "Let me see.", Signature: "sig-a", Origin: llm.Anthropic},
			{Kind: llm.PartRedacted, Signature: "blob-b", Origin: llm.Anthropic},
			{Kind: llm.PartText, Text: "Hi \"you\" é", Citations: []llm.Citation{{URL: "https://example.com", Title: "E", Start: 9, End: 11}, {Title: "a.pdf"}}},
			{Kind: llm.PartRefusal, Text: "Not that."},
			{Kind: llm.PartToolCall, ID: "toolu_1", Name: "weather", Text: `{"city":"Bern"}`},
			{Kind: llm.PartToolCall, ID: "gem_2", Name: "weather", Text: `{"city":"Ulm"}`, Signature: "sig-c", Origin: llm.Gemini},
			{Kind: llm.PartToolCall, ID: "toolu_3", Name: "sql", Text: "SELECT 1", Custom: true},
			{Kind: llm.PartImage, MIME: "image/webp", Data: "aGVsbG8="},
		}}},
	}
}

func TestWriterGolden(t *testing.T) {
	t.Parallel()
	h := head()
	h.Model = "public/model"
	h.Echo = responses.Echo([]byte(`{"model":"m","instructions":"Be\nbrief.","tools":[ {"type":"function", "name":"weather"} ],"temperature":0.5,
		"metadata":{"a":"b"},"previous_response_id":"resp_0","max_output_tokens":null,"unheard_of":1}`))
	golden(t, "story.sse", write(h, unfold(story(), rand.New(rand.NewPCG(1, 1)))))
	golden(t, "story.json", responses.AppendAnswer(nil, story(), h))
}

// TestStreamIsAnswer: the response in the terminal event is the whole answer, byte for byte, and what a client adds up of the
// stream is what it reads in the answer.
func TestStreamIsAnswer(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 300 {
		a := randomAnswer(rnd)
		stream := write(head(), unfold(a, rnd))
		whole := responses.AppendAnswer(nil, a, head())
		var last struct{ Response json.RawMessage }
		all := events(t, stream, 512)
		if err := json.Unmarshal(all[len(all)-1].Data, &last); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(whole), string(last.Response)); d != "" {
			t.Fatalf("answer %d: end of stream (-whole +stream):\n%s", i, d)
		}
		want, e := responses.ReadAnswer(whole)
		if e != nil {
			t.Fatal(e)
		}
		got, e := fold(t, stream)
		if e != nil {
			t.Fatal(e)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("answer %d: fold (-whole +fold):\n%s\n%s", i, d, stream)
		}
		// What was written is what is read, in the words of this dialect.
		for j := range a.Choices[0].Parts {
			if d := cmp.Diff(a.Choices[0].Parts[j], got.Choices[0].Parts[j], cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("answer %d, part %d (-written +read):\n%s", i, j, d)
			}
		}
	}
}

// TestEventOrder holds the documented order, names that are the types, and numbers without a gap.
func TestEventOrder(t *testing.T) {
	t.Parallel()
	stream := write(head(), unfold(story(), rand.New(rand.NewPCG(1, 1))))
	var names []string
	for i, ev := range events(t, stream, 100) {
		var d struct {
			Type     string
			Sequence int `json:"sequence_number"`
		}
		if err := json.Unmarshal(ev.Data, &d); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if d.Type != string(ev.Name) || d.Sequence != i {
			t.Errorf("event %d is %s of type %s with number %d", i, ev.Name, d.Type, d.Sequence)
		}
		if len(names) == 0 || names[len(names)-1] != d.Type {
			names = append(names, d.Type)
		}
	}
	begin, _, _ := strings.Cut(strings.Join(names, " "), " response.function_call_arguments")
	want := `response.created response.in_progress response.output_item.added response.reasoning_summary_part.added ` +
		`response.reasoning_summary_text.delta response.reasoning_summary_text.done response.reasoning_summary_part.done response.output_item.done ` +
		`response.output_item.added response.output_item.done ` +
		`response.output_item.added response.content_part.added response.output_text.delta response.output_text.annotation.added ` +
		`response.output_text.done response.content_part.done response.content_part.added response.refusal.delta response.refusal.done ` +
		`response.content_part.done response.output_item.done response.output_item.added`
	if d := cmp.Diff(strings.Fields(want), strings.Fields(begin)); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
	if end := names[len(names)-1]; end != "response.completed" {
		t.Errorf("the stream ends with %s", end)
	}
}

func TestStatusOfAnswer(t *testing.T) {
	t.Parallel()
	f := func(finish llm.Finish, parts []llm.Part, status, reason, event string) {
		t.Helper()
		a := &llm.Answer{Model: "m", Choices: []llm.Choice{{Finish: finish, Parts: parts}}}
		var got struct {
			Status     string
			Incomplete struct{ Reason string } `json:"incomplete_details"`
		}
		if err := json.Unmarshal(responses.AppendAnswer(nil, a, head()), &got); err != nil {
			t.Fatal(err)
		}
		if got.Status != status || got.Incomplete.Reason != reason {
			t.Errorf("finish %d: %+v, want %s %s", finish, got, status, reason)
		}
		all := events(t, write(head(), unfold(a, rand.New(rand.NewPCG(1, 1)))), 4096)
		if name := string(all[len(all)-1].Name); name != event {
			t.Errorf("finish %d ends the stream with %s, want %s", finish, name, event)
		}
	}
	text, refusal := []llm.Part{{Kind: llm.PartText, Text: "x"}}, []llm.Part{{Kind: llm.PartRefusal, Text: "no"}}
	f(llm.FinishStop, text, "completed", "", "response.completed")
	f(llm.FinishSequence, text, "completed", "", "response.completed")
	f(llm.FinishTools, text, "completed", "", "response.completed")
	f(llm.FinishLength, text, "incomplete", "max_output_tokens", "response.incomplete")
	f(llm.FinishContext, text, "incomplete", "max_output_tokens", "response.incomplete")
	f(llm.FinishFilter, text, "incomplete", "content_filter", "response.incomplete")
	f(llm.FinishFilter, refusal, "completed", "", "response.completed")
	f(llm.FinishPause, text, "incomplete", "max_messages", "response.incomplete")
}

// TestWriterFails: an error within the stream goes on with the numbers.
func TestWriterFails(t *testing.T) {
	t.Parallel()
	w := responses.NewWriter(head())
	out := w.Write(nil, &llm.Event{Kind: llm.EventStart, Name: "m"})
	out = w.Write(out, &llm.Event{Kind: llm.EventPart, Part: llm.PartText})
	begun := len(out)
	out = w.Fail(out, llm.Errorf(llm.KindStalled, "no event for 30s"))
	want := `event: error
data: {"type":"error","sequence_number":4,"code":"provider_stalled","message":"no event for 30s","param":null,` +
		`"error":{"type":"server_error","code":"provider_stalled","message":"no event for 30s","param":null}}` + "\n\n"
	if d := cmp.Diff(want, string(out[begun:])); d != "" {
		t.Error(d)
	}
}

// TestEchoOfChat: without the client's own words the answer repeats what the request means.
func TestEchoOfChat(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","input":"hi","instructions":"Be brief.","temperature":0.2,"top_p":0.9,"max_output_tokens":50,"parallel_tool_calls":false,` +
		`"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true},{"type":"custom","name":"g","format":{"type":"grammar","syntax":"lark","definition":"start: \"a\""}}],` +
		`"tool_choice":{"type":"custom","name":"g"},"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true},"verbosity":"low"},` +
		`"reasoning":{"effort":"low","summary":"auto"},"metadata":{"k":"v"},"user":"u","prompt_cache_key":"p","safety_identifier":"s","top_logprobs":2}`
	c, e := responses.ReadChat(llm.OpChat, []byte(body))
	if e != nil {
		t.Fatal(e)
	}
	h := head()
	h.Chat = c
	a := &llm.Answer{Model: "m", Choices: []llm.Choice{{Finish: llm.FinishStop}}}
	var got, want map[string]json.RawMessage
	if err := json.Unmarshal(responses.AppendAnswer(nil, a, h), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatal(err)
	}
	for name, v := range want {
		if name == "model" || name == "input" {
			continue
		}
		if d := cmp.Diff(string(v), string(got[name])); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// TestWriterAllocs: a piece of text costs nothing in the long run.
func TestWriterAllocs(t *testing.T) {
	w := responses.NewWriter(head())
	dst := make([]byte, 0, 4<<10)
	dst = w.Write(dst, &llm.Event{Kind: llm.EventStart, Name: "m"})
	dst = w.Write(dst, &llm.Event{Kind: llm.EventPart, Part: llm.PartText})
	e := llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte("a token ")}
	if n := testing.AllocsPerRun(2000, func() { dst = w.Write(dst[:0], &e) }); n > 0.1 {
		t.Errorf("%v allocations per delta", n)
	}
}
