package dialect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// TestSamplingWhileThinking holds what Claude refuses of sampling while it thinks.
func TestSamplingWhileThinking(t *testing.T) {
	t.Parallel()
	f := func(name string, to llm.Dialect, tr *model.Traits, c llm.Chat, want [3]llm.Number, notes ...string) {
		t.Helper()
		c.Messages, c.MaxTokens = user("hi"), 20000
		got, all := adapt(t, &c, llm.OpenAI, to, tr)
		if d := cmp.Diff(want, [3]llm.Number{got.Temperature, got.TopP, got.TopK}); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(notes, params(all)); d != "" {
			t.Errorf("%s: notes: %s%v", name, d, all)
		}
	}
	haiku, opus46 := traits("anthropic", "claude-haiku-4-5"), traits("anthropic", "claude-opus-4-6")
	budget, adaptive := llm.Reasoning{Mode: llm.ThinkOn, Budget: 2048}, llm.Reasoning{Mode: llm.ThinkAdaptive}
	f("with a budget", llm.Anthropic, haiku, llm.Chat{Reasoning: budget, Temperature: "0.5", TopK: "5"}, [3]llm.Number{}, "temperature", "top_k")
	f("as it sees fit", llm.Anthropic, opus46, llm.Chat{Reasoning: adaptive, Temperature: "0.5", TopK: "5"}, [3]llm.Number{}, "temperature", "top_k")
	f("at Bedrock", llm.Converse, traits("bedrock", "anthropic.claude-opus-4-6-v1"), llm.Chat{Reasoning: adaptive, Temperature: "0.5"}, [3]llm.Number{}, "temperature")
	f("the default", llm.Anthropic, haiku, llm.Chat{Reasoning: budget, Temperature: "1.0"}, [3]llm.Number{})
	f("a low top_p", llm.Anthropic, haiku, llm.Chat{Reasoning: budget, TopP: "0.5"}, [3]llm.Number{}, "top_p")
	f("a high top_p", llm.Anthropic, haiku, llm.Chat{Reasoning: budget, TopP: "0.97"}, [3]llm.Number{1: "0.97"})
	f("without thinking", llm.Anthropic, haiku, llm.Chat{Temperature: "0.5", TopK: "5"}, [3]llm.Number{0: "0.5", 2: "5"})
	f("not Claude", llm.Gemini, nil, llm.Chat{Reasoning: budget, Temperature: "0.5"}, [3]llm.Number{0: "0.5"})
}

// TestThinkingWithinARound holds that a model which wants the thinking that began a round of tool calls is not asked to think on without it.
func TestThinkingWithinARound(t *testing.T) {
	t.Parallel()
	thought := llm.Part{Kind: llm.PartThinking, Text: "hm", Signature: "proof", Origin: llm.Anthropic}
	foreign := llm.Part{Kind: llm.PartThinking, Text: "hm", Signature: "proof", Origin: llm.Gemini}
	said := llm.Part{Kind: llm.PartText, Text: "so"}
	call := func(id string) llm.Part { return llm.Part{Kind: llm.PartToolCall, ID: id, Name: "f", Text: "{}"} }
	model := func(p ...llm.Part) llm.Turn { return llm.Turn{Role: llm.RoleAssistant, Parts: p} }
	result := func(id string) llm.Turn {
		return llm.Turn{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: id}}}
	}
	next := user("next")[0]
	budget, none := llm.Reasoning{Mode: llm.ThinkOn, Budget: 2048}, llm.Reasoning{}
	f := func(name string, to llm.Dialect, asked, want llm.Reasoning, turns ...llm.Turn) {
		t.Helper()
		c := &llm.Chat{MaxTokens: 9000, Messages: append(user("hi"), turns...), Tools: []llm.Function{{Name: "f"}}, Reasoning: asked}
		got, notes := adapt(t, c, llm.Anthropic, to, nil)
		if d := cmp.Diff(want, got.Reasoning); d != "" {
			t.Errorf("%s: %s%v", name, d, notes)
		}
		lost := false
		for _, n := range notes {
			lost = lost || n.Param == "thinking.budget_tokens" && !n.Minor
		}
		if lost != (want == none) {
			t.Errorf("%s: notes %v", name, notes)
		}
	}
	f("with its thinking", llm.Anthropic, budget, budget, model(thought, call("a")), result("a"))
	f("without", llm.Anthropic, budget, none, model(call("a")), result("a"))
	f("with a text first", llm.Anthropic, budget, none, model(said, call("a")), result("a"))
	f("with the thinking of another", llm.Anthropic, budget, none, model(foreign, call("a")), result("a"))
	f("the first of the round counts", llm.Anthropic, budget, budget, model(thought, call("a")), result("a"), model(call("b")), result("b"))
	f("and only that", llm.Anthropic, budget, none, model(call("a")), result("a"), model(thought, call("b")), result("b"))
	f("with a word of the user's", llm.Anthropic, budget, none, model(call("a")), result("a"), next)
	f("a round that is over", llm.Anthropic, budget, budget, model(call("a")), result("a"), model(said), next)
	f("an earlier round", llm.Anthropic, budget, budget, model(call("a")), result("a"), model(said), next, model(thought, call("b")), result("b"))
	f("at another provider", llm.Gemini, budget, budget, model(call("a")), result("a"))
	adaptive := llm.Reasoning{Mode: llm.ThinkAdaptive}
	f("as it sees fit", llm.Anthropic, adaptive, adaptive, model(call("a")), result("a"))
}

// TestSummaryAlone holds what becomes of the wish to see thinking that the request does not otherwise speak of.
func TestSummaryAlone(t *testing.T) {
	t.Parallel()
	f := func(name string, to llm.Dialect, tr *model.Traits, want llm.Reasoning, notes ...string) {
		t.Helper()
		c := &llm.Chat{MaxTokens: 9000, Messages: user("hi"), Reasoning: llm.Reasoning{Summary: "auto"}}
		got, all := adapt(t, c, llm.Responses, to, tr)
		if d := cmp.Diff(want, got.Reasoning); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(notes, params(all)); d != "" {
			t.Errorf("%s: notes: %s", name, d)
		}
	}
	f("a model that does not think", llm.Responses, traits("openai", "gpt-4o"), llm.Reasoning{}, "~reasoning.summary")
	f("Claude that need not think", llm.Anthropic, traits("anthropic", "claude-haiku-4-5"), llm.Reasoning{}, "reasoning.summary")
	f("Claude that always thinks", llm.Anthropic, traits("anthropic", "claude-opus-5-5"), llm.Reasoning{Mode: llm.ThinkAdaptive, Summary: "auto"})
	f("Gemini", llm.Gemini, nil, llm.Reasoning{Summary: "auto"})
}

// TestDeclaredTools holds that calls of tools go to no target that refuses them without the tools.
func TestDeclaredTools(t *testing.T) {
	t.Parallel()
	turns := append(user("hi"),
		llm.Turn{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartToolCall, ID: "a", Name: "f", Text: "{}"}, {Kind: llm.PartToolCall, ID: "b", Name: "g.h", Text: "{}"}, {Kind: llm.PartToolCall, ID: "c", Name: "f", Text: "{}"}}},
		llm.Turn{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "a"}, {Kind: llm.PartToolResult, ID: "b"}, {Kind: llm.PartToolResult, ID: "c"}}})
	f := func(to llm.Dialect, mode llm.ToolMode, want ...string) {
		t.Helper()
		got, notes := adapt(t, &llm.Chat{MaxTokens: 9, Messages: turns}, llm.OpenAI, to, nil)
		var names []string
		for _, tool := range got.Tools {
			names = append(names, tool.Name)
		}
		if d := cmp.Diff(want, names); d != "" || got.ToolChoice.Mode != mode {
			t.Errorf("%s: %s, mode %d, notes %v", to, d, got.ToolChoice.Mode, notes)
		}
		for _, n := range notes {
			if !n.Minor {
				t.Errorf("%s: %v", to, n)
			}
		}
	}
	f(llm.Converse, llm.ToolsUnset, "f", "g_h")
	f(llm.Anthropic, llm.ToolsNone, "f", "g_h")
	f(llm.Gemini, llm.ToolsUnset)
	f(llm.OpenAI, llm.ToolsUnset)
}

// TestChoiceOfAToolThatIsLeftOut holds that no target is told to call a tool that it is not sent.
func TestChoiceOfAToolThatIsLeftOut(t *testing.T) {
	t.Parallel()
	search := llm.Function{Name: "web_search", Raw: `{"type":"web_search"}`, Origin: llm.Responses}
	f := func(want llm.ToolChoice, names ...string) {
		t.Helper()
		c := &llm.Chat{MaxTokens: 99, Messages: user("q"), Tools: []llm.Function{search, {Name: "f"}}, ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired, Names: names}}
		got, notes := adapt(t, c, llm.Responses, llm.Anthropic, nil)
		if d := cmp.Diff(want, got.ToolChoice); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"tools.web_search", "tool_choice"}, params(notes)); d != "" {
			t.Error(d)
		}
	}
	f(llm.ToolChoice{Mode: llm.ToolsAuto}, "web_search")
	f(llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"f"}}, "web_search", "f")
}

// TestLabels holds that metadata go to Vertex AI as labels only if they can be some.
func TestLabels(t *testing.T) {
	t.Parallel()
	f := func(metadata, want string, notes ...string) {
		t.Helper()
		got, all := adapt(t, &llm.Chat{Messages: user("q"), Metadata: metadata}, llm.OpenAI, llm.Gemini, nil)
		if got.Metadata != want {
			t.Errorf("%s: %s", metadata, got.Metadata)
		}
		if d := cmp.Diff(notes, params(all)); d != "" {
			t.Errorf("%s: %s", metadata, d)
		}
	}
	f(`{"team":"a-1","x_":""}`, `{"team":"a-1","x_":""}`)
	f(`{"Team":"a"}`, "", "metadata")
	f(`{"team":"a b"}`, "", "metadata")
	f(`{"1":"a"}`, "", "metadata")
	f(`{}`, "")
}

// TestLeastOutput holds that a limit which Responses would refuse is raised to its least.
func TestLeastOutput(t *testing.T) {
	t.Parallel()
	got, notes := adapt(t, &llm.Chat{Messages: user("q"), MaxTokens: 5}, llm.OpenAI, llm.Responses, nil)
	if d := cmp.Diff([]string{"~max_completion_tokens"}, params(notes)); got.MaxTokens != 16 || d != "" {
		t.Errorf("%d %s", got.MaxTokens, d)
	}
}
