package dialect_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
)

func TestAdaptTools(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	type seen struct {
		Tools  []string
		Choice llm.ToolChoice
	}
	f := func(name string, from, to llm.Dialect, tr *model.Traits, c llm.Chat, want seen, notes ...string) {
		t.Helper()
		c.MaxTokens = 99
		if c.Messages == nil {
			c.Messages = user("q")
		}
		got, all := adapt(t, &c, from, to, tr)
		var names []string
		for _, f := range got.Tools {
			names = append(names, f.Name)
		}
		if d := cmp.Diff(want, seen{names, got.ToolChoice}); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(notes, params(all)); d != "" {
			t.Errorf("%s: notes: %s", name, d)
		}
	}
	two := []llm.Function{{Name: "f"}, {Name: "g"}}
	required := llm.ToolChoice{Mode: llm.ToolsRequired}
	f("forced", llm.OpenAI, llm.Anthropic, nil, llm.Chat{Tools: two, ToolChoice: required}, seen{[]string{"f", "g"}, required})
	f("cannot be forced", llm.OpenAI, llm.Anthropic, traits("anthropic", "claude-sonnet-5-5"), llm.Chat{Tools: two, ToolChoice: required}, seen{[]string{"f", "g"}, llm.ToolChoice{Mode: llm.ToolsAuto}}, "tool_choice")
	some := llm.ToolChoice{Mode: llm.ToolsAuto, Names: []string{"g"}}
	f("some of them", llm.OpenAI, llm.OpenAI, nil, llm.Chat{Tools: two, ToolChoice: some}, seen{[]string{"f", "g"}, some})
	f("some of them elsewhere", llm.Gemini, llm.Anthropic, nil, llm.Chat{Tools: two, ToolChoice: some}, seen{[]string{"g"}, llm.ToolChoice{Mode: llm.ToolsAuto}}, "~toolConfig.functionCallingConfig")
	none := llm.ToolChoice{Mode: llm.ToolsNone}
	f("none of them", llm.OpenAI, llm.Converse, nil, llm.Chat{Tools: two, ToolChoice: none}, seen{nil, llm.ToolChoice{}}, "~tool_choice")
	used := append(user("q"), llm.Turn{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartToolCall, ID: "a", Name: "f"}}},
		llm.Turn{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "a"}}})
	f("none of those that were called", llm.OpenAI, llm.Converse, nil, llm.Chat{Messages: used, Tools: two, ToolChoice: none}, seen{[]string{"f", "g"}, llm.ToolChoice{}}, "tool_choice")
	f("one at a time", llm.OpenAI, llm.Gemini, nil, llm.Chat{Tools: two, Parallel: &no}, seen{[]string{"f", "g"}, llm.ToolChoice{}}, "parallel_tool_calls")
	f("several at once", llm.OpenAI, llm.Gemini, nil, llm.Chat{Tools: two, Parallel: &yes}, seen{[]string{"f", "g"}, llm.ToolChoice{}})
	f("strict", llm.OpenAI, llm.Gemini, nil, llm.Chat{Tools: []llm.Function{{Name: "f", Strict: &yes}, {Name: "g", Strict: &no}}}, seen{[]string{"f", "g"}, llm.ToolChoice{}}, "tools[].function.strict")
	search := llm.Function{Name: "web_search", Raw: `{"type":"web_search"}`, Origin: llm.Responses}
	f("tools of providers", llm.Responses, llm.Anthropic, nil, llm.Chat{Tools: []llm.Function{search, {Name: "f"}}}, seen{[]string{"f"}, llm.ToolChoice{}}, "tools.web_search")
	f("of the target's", llm.OpenAI, llm.Responses, nil, llm.Chat{Tools: []llm.Function{search}}, seen{[]string{"web_search"}, llm.ToolChoice{}})
	odd := []llm.Function{{Name: "get.weather"}, {Name: "get weather"}, {Name: "get_weather"}, {Name: strings.Repeat("n", 70)}}
	sent := []string{"get_weather_2", "get_weather_3", "get_weather", strings.Repeat("n", 64)}
	f("names", llm.Anthropic, llm.OpenAI, nil, llm.Chat{Tools: odd, ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"get weather"}}},
		seen{sent, llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"get_weather_3"}}}, "~tools[].name", "~tools[].name", "~tools[].name")
	f("names of Gemini", llm.OpenAI, llm.Gemini, nil, llm.Chat{Tools: []llm.Function{{Name: "2nd"}, {Name: "a-b"}}}, seen{[]string{"_2nd", "a-b"}, llm.ToolChoice{}}, "~tools[].function.name")
}

func TestAdaptFormat(t *testing.T) {
	t.Parallel()
	schema := llm.Format{Kind: llm.FormatSchema, Name: "an answer", Schema: `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`}
	old := traits("anthropic", "claude-3-7-sonnet-20250219")
	ask := func(c llm.Chat, to llm.Dialect, tr *model.Traits) (*llm.Chat, []string) {
		c.Messages, c.MaxTokens = user("q"), 9
		got, notes := adapt(t, &c, llm.OpenAI, to, tr)
		return got, params(notes)
	}
	got, notes := ask(llm.Chat{Format: schema}, llm.Anthropic, nil)
	if got.Format != schema || notes != nil {
		t.Errorf("native: %+v %v", got.Format, notes)
	}
	got, notes = ask(llm.Chat{Format: schema}, llm.Anthropic, old)
	if len(got.Tools) != 1 || got.Tools[0].Name != "an_answer" || got.Tools[0].Parameters != schema.Schema || got.ToolChoice.Mode != llm.ToolsRequired ||
		cmp.Diff([]string{"~response_format"}, notes) != "" || got.Format.Kind != llm.FormatUnset {
		t.Errorf("as a tool: %+v %v", got, notes)
	}
	got, notes = ask(llm.Chat{Format: schema, Tools: []llm.Function{{Name: "f"}}}, llm.Anthropic, old)
	if len(got.Tools) != 1 || !strings.Contains(outline(got)[0], "system: text Answer with one JSON text") || !strings.Contains(outline(got)[0], schema.Schema) ||
		cmp.Diff([]string{"response_format"}, notes) != "" {
		t.Errorf("as an instruction: %v %v", outline(got), notes)
	}
	got, notes = ask(llm.Chat{Format: llm.Format{Kind: llm.FormatJSON}}, llm.Anthropic, nil)
	if !strings.Contains(outline(got)[0], "Answer with one JSON object") || cmp.Diff([]string{"~response_format"}, notes) != "" {
		t.Errorf("any JSON: %v %v", outline(got), notes)
	}
}

// restoring returns what a request's answer has to be turned back by.
func restoring(t *testing.T, c *llm.Chat, to llm.Dialect, tr *model.Traits) *dialect.Adapted {
	t.Helper()
	c.Messages, c.MaxTokens = user("q"), 9
	a, _, e := dialect.Adapt(c, llm.OpenAI, to, tr)
	if e != nil {
		t.Fatal(e)
	}
	return a
}

// foldWriter is a client that adds up what it is written.
type foldWriter struct{ f llm.Folder }

func (w *foldWriter) Write(dst []byte, e *llm.Event) []byte { w.f.Add(e); return dst }
func (w *foldWriter) End(dst []byte) []byte                 { return append(dst, "end"...) }
func (w *foldWriter) Fail(dst []byte, e *llm.Error) []byte  { return append(dst, e.Message...) }
func (w *foldWriter) fold() *llm.Answer                     { return w.f.Answer() }
func call(id, name, arguments string) llm.Part {
	return llm.Part{Kind: llm.PartToolCall, ID: id, Name: name, Text: arguments}
}

func answer(finish llm.Finish, parts ...llm.Part) *llm.Answer {
	return &llm.Answer{Choices: []llm.Choice{{Parts: parts, Finish: finish}}}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	f := func(name string, a *dialect.Adapted, sent, want *llm.Answer) {
		t.Helper()
		if !a.Changes() {
			t.Errorf("%s: nothing to turn back", name)
		}
		w := &foldWriter{}
		back := a.Writer(w)
		start := llm.Event{Kind: llm.EventStart}
		back.Write(nil, &start)
		for i, p := range sent.Choices[0].Parts { // in pieces of one byte
			part := llm.Event{Kind: llm.EventPart, Part: p.Kind, ID: p.ID, Name: p.Name}
			back.Write(nil, &part)
			for j := range p.Text {
				d := llm.Event{Kind: llm.EventDelta, Part: p.Kind, Text: []byte(p.Text[j : j+1])}
				back.Write(nil, &d)
			}
			end := llm.Event{Kind: llm.EventPartEnd, Part: p.Kind}
			back.Write(nil, &end)
			_ = i
		}
		finish := llm.Event{Kind: llm.EventFinish, Finish: sent.Choices[0].Finish}
		back.Write(nil, &finish)
		if got := string(back.End(nil)) + string(back.Fail(nil, &llm.Error{Message: "!"})); got != "end!" {
			t.Errorf("%s: end and failure: %q", name, got)
		}
		if d := cmp.Diff(want, w.fold()); d != "" {
			t.Errorf("%s: stream: %s", name, d)
		}
		a.Answer(sent)
		if d := cmp.Diff(want, sent); d != "" {
			t.Errorf("%s: whole: %s", name, d)
		}
	}
	text := llm.Part{Kind: llm.PartText, Text: "so"}

	named := restoring(t, &llm.Chat{Tools: []llm.Function{{Name: "get.weather"}, {Name: "plain"}}}, llm.Anthropic, nil)
	f("names", named, answer(llm.FinishTools, text, call("1", "get_weather", `{"a":1}`), call("2", "plain", `{}`)),
		answer(llm.FinishTools, text, call("1", "get.weather", `{"a":1}`), call("2", "plain", `{}`)))

	custom := restoring(t, &llm.Chat{Tools: []llm.Function{{Name: "sh ell", Custom: true}, {Name: "plain"}}}, llm.Anthropic, nil)
	free := call("1", "sh ell", "ls \"a\"\n")
	free.Custom = true
	f("free text", custom, answer(llm.FinishTools, call("1", "sh_ell", `{"input":"ls \"a\"\n"}`), call("2", "plain", `{"input":"x"}`)),
		answer(llm.FinishTools, free, call("2", "plain", `{"input":"x"}`)))
	free.Text = `{"cmd":"ls"}`
	f("arguments of another shape", custom, answer(llm.FinishTools, call("1", "sh_ell", `{"cmd":"ls"}`)), answer(llm.FinishTools, free))

	schema := restoring(t, &llm.Chat{Format: llm.Format{Kind: llm.FormatSchema, Schema: `{"type":"object"}`}}, llm.Anthropic, traits("anthropic", "claude-3-5-haiku"))
	f("a schema", schema, answer(llm.FinishTools, call("1", "answer", `{"a":1}`)), answer(llm.FinishStop, llm.Part{Kind: llm.PartText, Text: `{"a":1}`}))
	f("a schema, cut", schema, answer(llm.FinishLength, call("1", "answer", `{"a":`)), answer(llm.FinishLength, llm.Part{Kind: llm.PartText, Text: `{"a":`}))

	plain := restoring(t, &llm.Chat{Tools: []llm.Function{{Name: "plain"}}}, llm.Anthropic, nil)
	w := &foldWriter{}
	if plain.Changes() || plain.Writer(w) != llm.EventWriter(w) {
		t.Error("a request as it was has something to turn back")
	}
}
