package dialect_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
)

// user returns a conversation with one question.
func user(text string) []llm.Turn {
	return []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}}
}

// traits returns the traits of a model; "" for none.
func traits(api, name string) *model.Traits {
	if name == "" {
		return nil
	}
	t := model.TraitsOf(api, name)
	return &t
}

// params returns what notes name, Minor ones with a ~.
func params(notes []dialect.Note) []string {
	var all []string
	for _, n := range notes {
		if n.Minor {
			n.Param = "~" + n.Param
		}
		all = append(all, n.Param)
	}
	return all
}

func adapt(t *testing.T, c *llm.Chat, from, to llm.Dialect, tr *model.Traits) (*llm.Chat, []dialect.Note) {
	t.Helper()
	a, notes, e := dialect.Adapt(c, from, to, tr)
	if e != nil {
		t.Fatal(e)
	}
	return a.Chat, notes
}

func TestAdaptParameters(t *testing.T) {
	t.Parallel()
	f := func(name string, from, to llm.Dialect, tr *model.Traits, c llm.Chat, check func(*llm.Chat) any, want any, notes ...string) {
		t.Helper()
		c.Messages = user("hi")
		got, all := adapt(t, &c, from, to, tr)
		if d := cmp.Diff(want, check(got)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(notes, params(all)); d != "" {
			t.Errorf("%s: notes: %s%v", name, d, all)
		}
	}
	temperature := func(c *llm.Chat) any { return c.Temperature }
	max := "~max_completion_tokens"
	f("temperature is cut", llm.OpenAI, llm.Anthropic, nil, llm.Chat{Temperature: "1.7"}, temperature, llm.Number("1"), max, "~temperature")
	f("temperature in range", llm.OpenAI, llm.Anthropic, nil, llm.Chat{Temperature: "0.70"}, temperature, llm.Number("0.70"), max)
	f("temperature refused", llm.Gemini, llm.Anthropic, traits("anthropic", "claude-sonnet-5"), llm.Chat{Temperature: "0.7", MaxTokens: 5}, temperature, llm.Number(""), "generationConfig.temperature")
	f("the default needs no saying", llm.OpenAI, llm.Anthropic, traits("anthropic", "claude-sonnet-5"), llm.Chat{Temperature: "1.0", MaxTokens: 5}, temperature, llm.Number(""))
	f("one of both", llm.OpenAI, llm.Anthropic, traits("anthropic", "claude-haiku-4-5"), llm.Chat{MaxTokens: 5, Temperature: "0.5", TopP: "0.9"}, func(c *llm.Chat) any { return c.TopP }, llm.Number(""), "top_p")
	f("reasoning models", llm.Anthropic, llm.OpenAI, traits("openai", "o3"), llm.Chat{Temperature: "0.5", TopK: "5", Stop: []string{"x"}}, temperature, llm.Number(""), "temperature", "top_k", "stop_sequences")
	f("sampling without thinking", llm.Anthropic, llm.OpenAI, traits("openai", "gpt-5.2"), llm.Chat{Temperature: "0.5", Reasoning: llm.Reasoning{Mode: llm.ThinkOff}}, temperature, llm.Number("0.5"))
	f("sampling with thinking", llm.Anthropic, llm.OpenAI, traits("openai", "gpt-5.2"), llm.Chat{Temperature: "0.5"}, temperature, llm.Number(""), "temperature")
	f("what Anthropic has not", llm.OpenAI, llm.Anthropic, nil, llm.Chat{
		MaxTokens: 9, FrequencyPenalty: "0.5", PresencePenalty: "0", Seed: "7", Logprobs: true, TopLogprobs: 2, LogitBias: `{"1":2}`, Choices: 3, Verbosity: "low",
		Metadata: `{"a":"b"}`, CacheKey: "k", ServiceTier: "flex", User: "u", SafetyIdentifier: "s",
	}, func(c *llm.Chat) any { return [...]any{c.Choices, c.User, c.Logprobs, c.LogitBias, c.Seed} }, [...]any{1, "u", false, "", llm.Number("")},
		"frequency_penalty", "seed", "logprobs", "logit_bias", "n", "verbosity", "safety_identifier", "~prompt_cache_key", "metadata", "service_tier")
	f("stops", llm.Anthropic, llm.OpenAI, nil, llm.Chat{Stop: []string{"a", "b", "c", "d", "e"}}, func(c *llm.Chat) any { return c.Stop }, []string{"a", "b", "c", "d"}, "stop_sequences")
	f("stops of white space", llm.OpenAI, llm.Anthropic, nil, llm.Chat{MaxTokens: 1, Stop: []string{"a", "\n"}}, func(c *llm.Chat) any { return c.Stop }, []string{"a"}, "stop")
	f("stops of Responses", llm.OpenAI, llm.Responses, nil, llm.Chat{Stop: []string{"a"}}, func(c *llm.Chat) any { return c.Stop }, []string(nil), "stop")
	limit := func(c *llm.Chat) any { return c.MaxTokens }
	f("a limit is filled in", llm.OpenAI, llm.Anthropic, nil, llm.Chat{}, limit, int64(16384), max)
	f("within the model's", llm.Gemini, llm.Anthropic, &model.Traits{MaxOutput: 4096}, llm.Chat{}, limit, int64(4096), "~generationConfig.maxOutputTokens")
	f("cut to the model's", llm.OpenAI, llm.Gemini, &model.Traits{MaxOutput: 4096}, llm.Chat{MaxTokens: 5000}, limit, int64(4096), max)
	f("unknown members", llm.OpenAI, llm.Gemini, nil, llm.Chat{Extra: []llm.Member{{Name: "store", Value: "true"}}}, func(c *llm.Chat) any { return len(c.Extra) }, 0, "store")
}

func TestAdaptReasoning(t *testing.T) {
	t.Parallel()
	f := func(name string, to llm.Dialect, tr *model.Traits, c llm.Chat, want llm.Reasoning, notes ...string) {
		t.Helper()
		c.Messages = user("hi")
		got, all := adapt(t, &c, llm.OpenAI, to, tr)
		if d := cmp.Diff(want, got.Reasoning); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(notes, params(all)); d != "" {
			t.Errorf("%s: notes: %s%v", name, d, all)
		}
	}
	effort := func(e string, limit int64) llm.Chat {
		c := llm.Chat{MaxTokens: limit, Reasoning: llm.Reasoning{Mode: llm.ThinkOn, Effort: e}}
		if e == "none" {
			c.Reasoning.Mode = llm.ThinkOff
		}
		return c
	}
	budget := func(b, limit int64) llm.Chat {
		return llm.Chat{MaxTokens: limit, Reasoning: llm.Reasoning{Mode: llm.ThinkOn, Budget: b}}
	}
	sonnet5, haiku, opus45 := traits("anthropic", "claude-sonnet-5"), traits("anthropic", "claude-haiku-4-5"), traits("anthropic", "claude-opus-4-5")
	f("effort of new Claude", llm.Anthropic, sonnet5, effort("high", 9000), llm.Reasoning{Mode: llm.ThinkAdaptive, Effort: "high"})
	f("minimal is low there", llm.Anthropic, sonnet5, effort("minimal", 9000), llm.Reasoning{Mode: llm.ThinkAdaptive, Effort: "low"}, "~reasoning_effort")
	f("effort of older Claude is a budget", llm.Anthropic, haiku, effort("low", 9000), llm.Reasoning{Mode: llm.ThinkOn, Budget: 2048}, "~reasoning_effort")
	f("of those with effort but not adaptive too", llm.Anthropic, opus45, effort("medium", 20000), llm.Reasoning{Mode: llm.ThinkOn, Budget: 8192}, "~reasoning_effort")
	f("a budget leaves room", llm.Anthropic, haiku, effort("high", 10000), llm.Reasoning{Mode: llm.ThinkOn, Budget: 8000}, "~reasoning_effort", "~reasoning_effort")
	f("no room at all", llm.Anthropic, haiku, effort("high", 1000), llm.Reasoning{}, "~reasoning_effort", "reasoning_effort")
	f("a filled-in limit grows", llm.Anthropic, haiku, effort("high", 0), llm.Reasoning{Mode: llm.ThinkOn, Budget: 16384}, "~max_completion_tokens", "~reasoning_effort")
	f("off", llm.Anthropic, sonnet5, effort("none", 9000), llm.Reasoning{Mode: llm.ThinkOff})
	f("cannot be off", llm.Anthropic, traits("anthropic", "claude-sonnet-5-5"), effort("none", 9000), llm.Reasoning{Mode: llm.ThinkOn, Effort: "low"}, "~reasoning_effort")
	f("a model that does not think", llm.OpenAI, traits("openai", "gpt-4o"), effort("high", 0), llm.Reasoning{}, "reasoning_effort")
	f("levels", llm.OpenAI, traits("openai", "o3"), effort("xhigh", 0), llm.Reasoning{Mode: llm.ThinkOn, Effort: "high"}, "~reasoning_effort")
	f("the higher of two near levels", llm.OpenAI, traits("deepseek", "deepseek-v4-pro"), effort("medium", 0), llm.Reasoning{Mode: llm.ThinkOn, Effort: "high"}, "~reasoning_effort")
	f("a budget is a level", llm.OpenAI, traits("openai", "gpt-5.6-sol"), budget(9000, 0), llm.Reasoning{Mode: llm.ThinkOn, Effort: "high"}, "~reasoning_budget")
	f("a budget of new Claude", llm.Anthropic, sonnet5, budget(2000, 9000), llm.Reasoning{Mode: llm.ThinkAdaptive, Effort: "low"}, "~reasoning_budget")
	f("a budget below the least", llm.Anthropic, haiku, budget(100, 9000), llm.Reasoning{Mode: llm.ThinkOn, Budget: 1024}, "~reasoning_budget")
	f("Gemini 2.5 knows budgets", llm.Gemini, traits("gemini", "gemini-2.5-pro"), effort("max", 0), llm.Reasoning{Mode: llm.ThinkOn, Budget: 32768}, "~reasoning_effort")
	f("Gemini 2.5 Pro is never off", llm.Gemini, traits("gemini", "gemini-2.5-pro"), effort("none", 0), llm.Reasoning{Mode: llm.ThinkOn, Budget: 128}, "~reasoning_effort")
	f("Gemini 3 knows levels", llm.Gemini, traits("gemini", "gemini-3-pro-preview"), budget(8000, 0), llm.Reasoning{Mode: llm.ThinkOn, Effort: "high"}, "~reasoning_budget")
	f("adaptive for a model with budgets", llm.Anthropic, haiku, llm.Chat{MaxTokens: 20000, Reasoning: llm.Reasoning{Mode: llm.ThinkAdaptive}}, llm.Reasoning{Mode: llm.ThinkOn, Budget: 8192}, "~adaptive_thinking")
	f("OpenAI's none", llm.OpenAI, traits("openai", "gpt-5.1"), llm.Chat{Reasoning: llm.Reasoning{Mode: llm.ThinkOff}}, llm.Reasoning{Mode: llm.ThinkOff, Effort: "none"})
	f("nobody knows how", llm.OpenAI, nil, llm.Chat{Reasoning: llm.Reasoning{Mode: llm.ThinkOff}}, llm.Reasoning{}, "~reasoning_effort")
	f("not with a forced tool", llm.Anthropic, haiku, llm.Chat{
		MaxTokens: 9000, Reasoning: llm.Reasoning{Mode: llm.ThinkOn, Budget: 2000}, Tools: []llm.Function{{Name: "f"}}, ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired},
	}, llm.Reasoning{}, "reasoning_budget")
}

func TestAdaptCalls(t *testing.T) {
	t.Parallel()
	call := func(id, name string) llm.Part {
		return llm.Part{Kind: llm.PartToolCall, ID: id, Name: name, Text: "{}"}
	}
	result := func(id, name string) llm.Part {
		return llm.Part{Kind: llm.PartToolResult, ID: id, Name: name, Parts: []llm.Part{{Kind: llm.PartText, Text: "ok"}}}
	}
	calls := func(p ...llm.Part) llm.Turn { return llm.Turn{Role: llm.RoleAssistant, Parts: p} }
	results := func(p ...llm.Part) llm.Turn { return llm.Turn{Role: llm.RoleTool, Parts: p} }
	ids := func(c *llm.Chat) (all []string) {
		for _, t := range c.Messages {
			for _, p := range t.Parts {
				if p.Kind == llm.PartToolCall || p.Kind == llm.PartToolResult {
					all = append(all, p.ID+" "+p.Name)
				}
			}
		}
		return all
	}
	f := func(name string, to llm.Dialect, tr *model.Traits, want []string, turns ...llm.Turn) {
		t.Helper()
		c := &llm.Chat{MaxTokens: 9, Messages: append(user("hi"), turns...)}
		got, _ := adapt(t, c, llm.OpenAI, to, tr)
		if d := cmp.Diff(want, ids(got)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	f("as they are", llm.Anthropic, nil, []string{"a f", "b g", "b g", "a f"}, calls(call("a", "f"), call("b", "g")), results(result("b", ""), result("a", "")))
	f("in turns of their own", llm.Anthropic, nil, []string{"a f", "b g", "a f", "b g"}, calls(call("a", "f"), call("b", "g")), results(result("a", "")), results(result("b", "")))
	f("without ids", llm.OpenAI, nil, []string{"call_1_0 f", "call_1_1 g", "call_1_2 f", "call_1_1 g", "call_1_0 f", "call_1_2 f"},
		calls(call("", "f"), call("", "g"), call("", "f")), results(result("", "g"), result("", "f"), result("", "f")))
	f("the same twice", llm.OpenAI, nil, []string{"a f", "a f", "a_2 f", "a_2 f"}, calls(call("a", "f")), results(result("a", "")), calls(call("a", "f")), results(result("a", "")))
	f("bytes that the target has not", llm.Anthropic, nil, []string{"call_2kuYCiOVbrZveWeJ f", "call_2kuYCiOVbrZveWeJ f"}, calls(call("a:b", "f")), results(result("a:b", "")))
	f("nine letters", llm.OpenAI, traits("mistral", "mistral-large"), []string{"abcdefgh9 f", "abcdefgh9 f"}, calls(call("abcdefgh9", "f")), results(result("abcdefgh9", "")))
	bad := func(want string, turns ...llm.Turn) {
		t.Helper()
		_, _, e := dialect.Adapt(&llm.Chat{Messages: append(user("hi"), turns...)}, llm.Gemini, llm.Anthropic, nil)
		if e == nil || e.Kind != llm.KindBadRequest || e.Param != "contents" || !strings.Contains(e.Message, want) {
			t.Errorf("%+v, want a refusal with %q", e, want)
		}
	}
	bad(`for call "b"`, calls(call("a", "f")), results(result("b", "")))
	bad(`for call "a"`, results(result("a", "")))
	bad(`for call "a"`, calls(call("a", "f")), results(result("a", ""), result("a", "")))
	bad(`the call "a" of tool "f" has no result`, calls(call("a", "f")), user("next")[0])
	bad(`the call "b" of tool "g" has no result`, calls(call("a", "f"), call("b", "g")), results(result("a", "")))
}

func TestAdaptDoesNotChangeTheRequest(t *testing.T) {
	t.Parallel()
	yes := true
	build := func() *llm.Chat {
		return &llm.Chat{
			Messages: []llm.Turn{
				{Role: llm.RoleDeveloper, Parts: []llm.Part{{Kind: llm.PartText, Text: "be kind"}}},
				{Role: llm.RoleUser, Name: "Ann", Parts: []llm.Part{{Kind: llm.PartImage, URL: "https://example.com/a.png", Detail: "high"}}},
				{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartThinking, Text: "hm"}, {Kind: llm.PartToolCall, ID: "a b", Name: "do it", Text: "no json"}}},
				{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "a b", IsError: true, Parts: []llm.Part{{Kind: llm.PartImage, MIME: "image/bmp", Data: "AA=="}}}}},
			},
			Tools:  []llm.Function{{Name: "do it", Strict: &yes, CacheTTL: "5m"}, {Name: "free", Custom: true}},
			Format: llm.Format{Kind: llm.FormatSchema, Schema: `{"type":"object"}`}, Stop: []string{" ", "x"}, Temperature: "2",
			ToolChoice: llm.ToolChoice{Mode: llm.ToolsAuto, Names: []string{"do it", "free"}}, Choices: 2,
		}
	}
	for _, to := range dialect.Targets() {
		for _, tr := range []*model.Traits{nil, {Not: ^model.Features(0)}} {
			c := build()
			if _, _, e := dialect.Adapt(c, llm.OpenAI, to, tr); e != nil {
				t.Fatal(e)
			}
			if d := cmp.Diff(build(), c); d != "" {
				t.Errorf("%s: %s", to, d)
			}
		}
	}
}

// TestAdaptNothing checks that a request which leaves nothing to answer is refused here, and not sent as a broken one.
func TestAdaptNothing(t *testing.T) {
	t.Parallel()
	for from, param := range map[llm.Dialect]string{llm.OpenAI: "messages", llm.Responses: "input", llm.Anthropic: "messages", llm.Gemini: "contents"} {
		for _, to := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini, llm.Converse} {
			_, _, e := dialect.Adapt(&llm.Chat{MaxTokens: 9}, from, to, nil)
			if e == nil || e.Kind != llm.KindBadRequest || e.Param != param {
				t.Errorf("%v to %v: error %+v, want one of %s", from, to, e, param)
			}
		}
	}
}
