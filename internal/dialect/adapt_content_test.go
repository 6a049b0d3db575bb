package dialect_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
)

// outline names the turns and parts of a conversation.
func outline(c *llm.Chat) []string {
	var all []string
	var walk func(at string, parts []llm.Part)
	walk = func(at string, parts []llm.Part) {
		for _, p := range parts {
			line := at + ": " + p.Kind.String()
			for _, s := range []string{p.Name, p.Text, p.MIME, p.URL, p.FileID, p.Signature, p.CacheTTL, p.Detail} {
				if s != "" {
					line += " " + s
				}
			}
			all = append(all, line)
			walk(at+" result", p.Parts)
		}
	}
	for _, t := range c.Messages {
		walk(t.Role.String(), t.Parts)
	}
	return all
}

func TestAdaptContent(t *testing.T) {
	t.Parallel()
	text := func(s string) llm.Part { return llm.Part{Kind: llm.PartText, Text: s} }
	turn := func(r llm.Role, p ...llm.Part) llm.Turn { return llm.Turn{Role: r, Parts: p} }
	f := func(name string, from, to llm.Dialect, tr *model.Traits, turns []llm.Turn, want []string, notes ...string) {
		t.Helper()
		got, all := adapt(t, &llm.Chat{MaxTokens: 9, Messages: turns}, from, to, tr)
		if d := cmp.Diff(want, outline(got)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(notes, params(all)); d != "" {
			t.Errorf("%s: notes: %s", name, d)
		}
	}
	u, a, sys, dev, tool := llm.RoleUser, llm.RoleAssistant, llm.RoleSystem, llm.RoleDeveloper, llm.RoleTool

	f("developer", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{turn(dev, text("d")), turn(u, text("q"))}, []string{"system: text d", "user: text q"}, "~messages[].role")
	f("developer of others", llm.Responses, llm.OpenAI, traits("groq", "x"), []llm.Turn{turn(dev, text("d")), turn(u, text("q"))}, []string{"system: text d", "user: text q"}, "~input[].role")
	f("system midway", llm.OpenAI, llm.Gemini, nil, []llm.Turn{turn(sys, text("1")), turn(u, text("q")), turn(sys, text("2")), turn(u, text("r"))},
		[]string{"system: text 1", "system: text 2", "user: text q", "user: text r"}, "~messages[].role")
	f("nothing but system", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{turn(sys, text("1")), turn(sys, text("2"))}, []string{"system: text 1", "user: text 2"}, "~messages[].role")
	f("no system at all", llm.Anthropic, llm.Gemini, traits("gemini", "gemma-3"), []llm.Turn{turn(sys, text("1")), turn(u, text("q"))}, []string{"user: text 1", "user: text q"}, "~system")

	prefill := []llm.Turn{turn(u, text("q")), turn(a, text("Sure: \n"))}
	f("prefill", llm.Gemini, llm.Anthropic, traits("anthropic", "claude-haiku-4-5"), prefill, []string{"user: text q", "assistant: text Sure:"})
	f("no prefill", llm.Gemini, llm.Anthropic, traits("anthropic", "claude-sonnet-5"), prefill, []string{"user: text q"}, "contents")
	f("prefill of OpenAI", llm.Anthropic, llm.OpenAI, nil, prefill, []string{"user: text q", "assistant: text Sure: \n"}, "messages")

	url := llm.Part{Kind: llm.PartImage, URL: "https://example.com/a.png", Detail: "low"}
	png := llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: "AA==", Detail: "auto"}
	f("images", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{turn(u, text("q"), url, png)}, []string{"user: text q", "user: image https://example.com/a.png", "user: image image/png"}, "~messages[].content[].image_url.detail")
	f("images by address", llm.Anthropic, llm.Gemini, nil, []llm.Turn{turn(u, text("q"), llm.Part{Kind: llm.PartImage, URL: "https://example.com/a.png"}, llm.Part{Kind: llm.PartImage, URL: "gs://b/a.png"})},
		[]string{"user: text q", "user: image gs://b/a.png"}, "messages[].content[].source")
	f("nothing is left", llm.OpenAI, llm.Converse, nil, []llm.Turn{turn(u, url)}, []string{"user: text (content left out)"}, "~messages[].content[].image_url.detail", "messages[].content[].image_url")
	f("image types", llm.Gemini, llm.Anthropic, nil, []llm.Turn{turn(u, text("q"), llm.Part{Kind: llm.PartImage, MIME: "image/heic", Data: "AA=="})}, []string{"user: text q"}, "contents[].parts[].inlineData")
	f("text models", llm.OpenAI, llm.OpenAI, traits("deepseek", "deepseek-chat"), []llm.Turn{turn(u, text("q"), png)}, []string{"user: text q"}, "messages[].content[].image_url")
	f("uploads", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{turn(u, text("q"), llm.Part{Kind: llm.PartFile, FileID: "f", Origin: llm.OpenAI})}, []string{"user: text q"}, "messages[].content[].file.file_id")
	f("documents", llm.Anthropic, llm.Converse, nil, []llm.Turn{turn(u, text("q"), llm.Part{Kind: llm.PartFile, MIME: "application/pdf", Data: "AA=="}, llm.Part{Kind: llm.PartFile, MIME: "application/zip", Data: "AA=="})},
		[]string{"user: text q", "user: file application/pdf"}, "messages[].content[].document")
	f("audio", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{turn(u, text("q"), llm.Part{Kind: llm.PartAudio, MIME: "audio/wav", Data: "AA=="})}, []string{"user: text q"}, "messages[].content[].input_audio")
	f("parts of others", llm.Anthropic, llm.OpenAI, nil, []llm.Turn{turn(u, text("q"), llm.Part{Kind: llm.PartOther, Raw: `{"type":"search_result"}`, Origin: llm.Anthropic})}, []string{"user: text q"}, "messages[].search_result")
	f("names", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{{Role: u, Name: "Ann", Parts: []llm.Part{text("q")}}}, []string{"user: text q"}, "messages[].name")
	f("cache marks", llm.Anthropic, llm.OpenAI, nil, []llm.Turn{turn(u, llm.Part{Kind: llm.PartText, Text: "q", CacheTTL: "1h"})}, []string{"user: text q"}, "~cache_control")
	f("cache marks of OpenAI", llm.Anthropic, llm.OpenAI, traits("openai", "gpt-5.6-sol"), []llm.Turn{turn(u, llm.Part{Kind: llm.PartText, Text: "q", CacheTTL: "1h"})}, []string{"user: text q 30m"})
	f("cache marks of Anthropic", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{turn(u, llm.Part{Kind: llm.PartText, Text: "q", CacheTTL: "30m"})}, []string{"user: text q 5m"})

	call := llm.Part{Kind: llm.PartToolCall, ID: "a", Name: "f", Text: "{}", Signature: "sig", Origin: llm.Gemini}
	thought := llm.Part{Kind: llm.PartThinking, Text: "hm", Signature: "proof", Origin: llm.Anthropic}
	bare := llm.Part{Kind: llm.PartThinking, Text: "hm"}
	result := turn(tool, llm.Part{Kind: llm.PartToolResult, ID: "a", Parts: []llm.Part{text("ok"), {Kind: llm.PartImage, MIME: "image/png", Data: "AA=="}}, IsError: true})
	loop := []llm.Turn{turn(u, text("q")), turn(a, thought, bare, call), result}
	f("signatures of Anthropic", llm.OpenAI, llm.Anthropic, nil, loop, []string{"user: text q", "assistant: thinking hm proof", "assistant: tool call f {}", "tool: tool result f", "tool result: text ok", "tool result: image image/png"}, "~messages[].reasoning_content", "~tools")
	f("signatures of Gemini", llm.Anthropic, llm.Gemini, nil, loop, []string{"user: text q", "assistant: tool call f {} sig", "tool: tool result f", "tool result: text ok", "tool result: image image/png"}, "~messages[].content[].thinking")
	f("calls that Gemini 3 did not make", llm.Anthropic, llm.Gemini, traits("gemini", "gemini-3.8-flash"), []llm.Turn{
		turn(u, text("q")), turn(a, llm.Part{Kind: llm.PartToolCall, ID: "a", Name: "f", Text: "{}"}, llm.Part{Kind: llm.PartToolCall, ID: "b", Name: "g", Text: "{}"}),
		turn(tool, llm.Part{Kind: llm.PartToolResult, ID: "a"}, llm.Part{Kind: llm.PartToolResult, ID: "b"}),
	}, []string{"user: text q", "assistant: tool call f {} skip_thought_signature_validator", "assistant: tool call g {}", "tool: tool result f", "tool: tool result g"})
	f("calls that it made", llm.Anthropic, llm.Gemini, traits("gemini", "gemini-3.8-flash"), loop, []string{"user: text q", "assistant: tool call f {} sig", "tool: tool result f", "tool result: text ok", "tool result: image image/png"}, "~messages[].content[].thinking")
	f("addresses of other storage", llm.Gemini, llm.OpenAI, nil, []llm.Turn{turn(u, text("q"), llm.Part{Kind: llm.PartImage, URL: "gs://b/a.png"})}, []string{"user: text q"}, "contents[].parts[].fileData")
	f("thinking that goes back unsigned", llm.Anthropic, llm.OpenAI, traits("deepseek", "deepseek-v4-pro"), []llm.Turn{turn(u, text("q")), turn(a, bare, text("a")), turn(u, text("r"))},
		[]string{"user: text q", "assistant: thinking hm", "assistant: text a", "user: text r"})
	f("images of tools", llm.Anthropic, llm.OpenAI, nil, loop, []string{
		"user: text q", "assistant: tool call f {}", "tool: tool result f", "tool result: text The tool failed: ", "tool result: text ok",
		"user: text Content of the tool results above:", "user: image image/png",
	}, "~messages[].content[].thinking", "~messages[].content[].content", "~messages[].content[].is_error")
	f("and the next question", llm.Anthropic, llm.OpenAI, nil, append(slices.Clone(loop), turn(u, text("r"))), []string{
		"user: text q", "assistant: tool call f {}", "tool: tool result f", "tool result: text The tool failed: ", "tool result: text ok",
		"user: text Content of the tool results above:", "user: image image/png", "user: text r",
	}, "~messages[].content[].thinking", "~messages[].content[].content", "~messages[].content[].is_error")
	f("arguments that are none", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{turn(u, text("q")), turn(a, llm.Part{Kind: llm.PartToolCall, ID: "a", Name: "f", Text: `{"a":`}), turn(tool, llm.Part{Kind: llm.PartToolResult, ID: "a"})},
		[]string{"user: text q", "assistant: tool call f {\"_raw\":\"{\\\"a\\\":\"}", "tool: tool result f"}, "~tools")
	f("a refusal", llm.OpenAI, llm.Anthropic, nil, []llm.Turn{turn(u, text("q")), turn(a, llm.Part{Kind: llm.PartRefusal, Text: "no"}), turn(u, text("why"))}, []string{"user: text q", "assistant: text no", "user: text why"})
}

func TestStripThinking(t *testing.T) {
	t.Parallel()
	c := &llm.Chat{Messages: append(user("q"), llm.Turn{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartThinking, Text: "hm"}, {Kind: llm.PartText, Text: "a"}}}, user("r")[0])}
	if d := cmp.Diff([]string{"user: text q", "assistant: text a", "user: text r"}, outline(dialect.StripThinking(c))); d != "" {
		t.Error(d)
	}
	if len(c.Messages[1].Parts) != 2 {
		t.Error("the request was changed")
	}
	if plain := (&llm.Chat{Messages: user("q")}); dialect.StripThinking(plain) != plain {
		t.Error("a request without thinking was copied")
	}
}
