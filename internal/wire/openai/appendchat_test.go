package openai

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

func TestAppendChat(t *testing.T) {
	t.Parallel()
	f := func(name string, c llm.Chat, want string) {
		t.Helper()
		c.Model = "m"
		got := string(AppendChat([]byte("<"), &c))
		if want = `<{"model":"m","messages":[` + want + `}`; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
		if !wire.Valid([]byte(got[1:])) {
			t.Errorf("%s: not valid JSON: %s", name, got)
		}
	}
	hi := []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{text("hi")}}}
	const user = `{"role":"user","content":"hi"}]`
	f("least", llm.Chat{Messages: hi}, user)
	f("stream", llm.Chat{Messages: hi, Stream: true}, user+`,"stream":true`)
	f("stream with usage", llm.Chat{Messages: hi, Stream: true, StreamUsage: true}, user+`,"stream":true,"stream_options":{"include_usage":true}`)
	f("limits", llm.Chat{Messages: hi, MaxTokens: 5, Choices: 2, Stop: []string{"a", "b"}, Temperature: "0.70", Seed: "7", Logprobs: true, TopLogprobs: 2},
		user+`,"max_completion_tokens":5,"n":2,"stop":["a","b"],"temperature":0.70,"seed":7,"logprobs":true,"top_logprobs":2`)
	think := func(r llm.Reasoning, want string) { f("reasoning", llm.Chat{Messages: hi, Reasoning: r}, user+want) }
	think(llm.Reasoning{Mode: llm.ThinkOff}, `,"reasoning_effort":"none"`)
	think(llm.Reasoning{Mode: llm.ThinkOn, Effort: "max"}, `,"reasoning_effort":"max"`)
	think(llm.Reasoning{Mode: llm.ThinkOn, Budget: 1024}, `,"reasoning_effort":"low"`)
	think(llm.Reasoning{Mode: llm.ThinkOn, Budget: 8192}, `,"reasoning_effort":"medium"`)
	think(llm.Reasoning{Mode: llm.ThinkOn, Budget: 8193}, `,"reasoning_effort":"high"`)
	think(llm.Reasoning{Mode: llm.ThinkOn}, `,"reasoning_effort":"medium"`)
	think(llm.Reasoning{Mode: llm.ThinkAdaptive}, ``)
	tools := []llm.Function{{Name: "f", Parameters: `{}`}, {Name: "c", Custom: true}, {Name: "x", Raw: `{"type":"x"}`, Origin: llm.Anthropic}}
	const both = user + `,"tools":[{"type":"function","function":{"name":"f","parameters":{}}},{"type":"custom","custom":{"name":"c"}}]`
	choose := func(c llm.ToolChoice, want string) {
		f("choice", llm.Chat{Messages: hi, Tools: tools, ToolChoice: c, Parallel: ptr(false)}, both+want+`,"parallel_tool_calls":false`)
	}
	choose(llm.ToolChoice{}, ``)
	choose(llm.ToolChoice{Mode: llm.ToolsNone}, `,"tool_choice":"none"`)
	choose(llm.ToolChoice{Mode: llm.ToolsRequired}, `,"tool_choice":"required"`)
	choose(llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"c"}}, `,"tool_choice":{"type":"custom","custom":{"name":"c"}}`)
	choose(llm.ToolChoice{Mode: llm.ToolsAuto, Names: []string{"f"}}, `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}`)
	f("no tools", llm.Chat{Messages: hi, ToolChoice: llm.ToolChoice{Mode: llm.ToolsAuto}, Parallel: ptr(true)}, user)
	f("format", llm.Chat{Messages: hi, Format: llm.Format{Kind: llm.FormatSchema, Schema: `{}`, Strict: ptr(true)}},
		user+`,"response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":{}}}`)
}

func TestAppendChatMessages(t *testing.T) {
	t.Parallel()
	f := func(name, want string, turns ...llm.Turn) {
		t.Helper()
		got := string(AppendChat(nil, &llm.Chat{Model: "m", Messages: turns}))
		if want = `{"model":"m","messages":[` + want + `]}`; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
	image := llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: `A"A`}
	f("roles", `{"role":"system","content":"s"},{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b","prompt_cache_breakpoint":{"mode":"explicit"}}]}`,
		llm.Turn{Role: llm.RoleSystem, Parts: []llm.Part{text("s")}}, llm.Turn{Role: llm.RoleDeveloper, Parts: []llm.Part{text("a"), {Kind: llm.PartText, Text: "b", CacheTTL: "5m"}}})
	f("media", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,A\"A"}},{"type":"image_url","image_url":{"url":"https://a","detail":"low"}},`+
		`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,BBBB"}},{"type":"file","file":{"file_id":"f"}},{"type":"input_audio","input_audio":{"data":"CCCC","format":"mp3"}}],"name":"ann"}`,
		llm.Turn{Role: llm.RoleUser, Name: "ann", Parts: []llm.Part{
			{Kind: llm.PartOther, Raw: `{}`, Origin: llm.Gemini},
			image,
			{Kind: llm.PartImage, URL: "https://a", Detail: "low"},
			{Kind: llm.PartOther, Raw: `{}`, Origin: llm.Anthropic},
			{Kind: llm.PartFile, Name: "a.pdf", MIME: "application/pdf", Data: "BBBB"},
			{Kind: llm.PartFile, FileID: "f", Origin: llm.OpenAI},
			{Kind: llm.PartAudio, MIME: "audio/mpeg", Data: "CCCC"},
		}})
	f("assistant", `{"role":"assistant","content":"ab","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"u","type":"custom","custom":{"name":"c","input":"x"}}]}`,
		llm.Turn{Role: llm.RoleAssistant, Parts: []llm.Part{
			{Kind: llm.PartThinking, Text: "hm", Signature: "s", Origin: llm.Anthropic}, text("a"), text("b"), call("t", "f", "{}"), {Kind: llm.PartToolCall, ID: "u", Name: "c", Text: "x", Custom: true},
		}})
	f("own thinking", `{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","format":"unknown","index":0}]}`,
		llm.Turn{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartThinking, Text: "hm", Signature: "s", Origin: llm.OpenAI}, text("a")}})
	f("refusal", `{"role":"assistant","content":null,"refusal":"no"}`, llm.Turn{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartRefusal, Text: "no"}}})
	f("results", `{"role":"tool","tool_call_id":"t","content":"one"},{"role":"tool","tool_call_id":"u","content":[{"type":"text","text":"two"},{"type":"text","text":"three"}]},`+
		`{"role":"tool","tool_call_id":"v","content":"The output is in the next user message."},{"role":"tool","tool_call_id":"w","content":""},`+
		`{"role":"user","content":[{"type":"text","text":"The output of tool call u (g):"},{"type":"image_url","image_url":{"url":"https://a"}},`+
		`{"type":"text","text":"The output of tool call v:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,A\"A"}}]},{"role":"user","content":"go on"}`,
		llm.Turn{Role: llm.RoleTool, Parts: []llm.Part{
			{Kind: llm.PartToolResult, ID: "t", Parts: []llm.Part{text("one")}},
			{Kind: llm.PartToolResult, ID: "u", Name: "g", Parts: []llm.Part{text("two"), {Kind: llm.PartImage, URL: "https://a"}, text("three")}},
			{Kind: llm.PartToolResult, ID: "v", Parts: []llm.Part{image}},
			{Kind: llm.PartToolResult, ID: "w"},
		}}, llm.Turn{Role: llm.RoleUser, Parts: []llm.Part{text("go on")}})
	f("calls without ids", `{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},`+
		`{"role":"tool","tool_call_id":"call_1","content":"x"},{"role":"tool","tool_call_id":"call_2","content":"y"}`,
		llm.Turn{Role: llm.RoleAssistant, Parts: []llm.Part{call("", "f", "{}"), call("", "g", "{}")}},
		llm.Turn{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, Parts: []llm.Part{text("x")}}, {Kind: llm.PartToolResult, Parts: []llm.Part{text("y")}}}})
}

// drawChat draws a request in the form in which ReadChat reads one.
func drawChat(t *rapid.T) *llm.Chat {
	c := &llm.Chat{Model: "m", Choices: rapid.IntRange(1, 3).Draw(t, "n"), MaxTokens: rapid.Int64Range(0, 99).Draw(t, "max"), Stream: rapid.Bool().Draw(t, "stream")}
	c.StreamUsage = c.Stream && rapid.Bool().Draw(t, "usage")
	number := rapid.SampledFrom([]llm.Number{"", "0", "1", "0.70", "1e-3"})
	c.Temperature, c.TopP, c.Seed = number.Draw(t, "temperature"), number.Draw(t, "top_p"), number.Draw(t, "seed")
	c.Verbosity = rapid.SampledFrom([]string{"", "low"}).Draw(t, "verbosity")
	c.User, c.ServiceTier = rapid.StringN(0, 5, -1).Draw(t, "user"), rapid.SampledFrom([]string{"", "flex", "priority"}).Draw(t, "tier")
	if effort := rapid.SampledFrom([]string{"", "low", "max"}).Draw(t, "effort"); effort != "" {
		c.Reasoning = llm.Reasoning{Mode: llm.ThinkOn, Effort: effort}
	}
	if rapid.Bool().Draw(t, "tools") {
		c.Tools = []llm.Function{{Name: "f", Description: drawText(t, "description"), Parameters: `{"type":"object"}`}, {Name: "c", Custom: true}}
		c.ToolChoice = rapid.SampledFrom([]llm.ToolChoice{
			{}, {Mode: llm.ToolsAuto}, {Mode: llm.ToolsRequired, Names: []string{"c"}}, {Mode: llm.ToolsAuto, Names: []string{"f", "c"}},
		}).Draw(t, "choice")
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "turns") {
		c.Messages = append(c.Messages, drawTurn(t, i)...)
	}
	return c
}

func drawTurn(t *rapid.T, i int) []llm.Turn {
	switch rapid.IntRange(0, 2).Draw(t, "role") {
	case 0:
		return []llm.Turn{{Role: rapid.SampledFrom([]llm.Role{llm.RoleSystem, llm.RoleDeveloper}).Draw(t, "who"), Parts: []llm.Part{text(drawText(t, "system"))}}}
	case 1:
		parts := []llm.Part{text(drawText(t, "user"))}
		if rapid.Bool().Draw(t, "image") {
			parts = append(parts, llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: "AAAA", Detail: "low"}, llm.Part{Kind: llm.PartFile, Name: "n", MIME: "text/plain", Data: "BB=="})
		}
		return []llm.Turn{{Role: llm.RoleUser, Parts: parts}}
	}
	var said, results []llm.Part
	if rapid.Bool().Draw(t, "text") {
		said = append(said, text(drawText(t, "said")))
	}
	for j := range rapid.IntRange(1, 3).Draw(t, "calls") {
		id := fmt.Sprintf("call_%d_%d", i, j)
		said = append(said, call(id, "f", `{"a":"b"}`))
		results = append(results, llm.Part{Kind: llm.PartToolResult, ID: id, Name: "f", Parts: []llm.Part{text(drawText(t, "result"))}})
	}
	return []llm.Turn{{Role: llm.RoleAssistant, Parts: said}, {Role: llm.RoleTool, Parts: results}}
}

// TestChatRoundTrip holds the two ends to each other.
func TestChatRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawChat(t)
		body := AppendChat(nil, want)
		got, e := ReadChat(llm.OpChat, body)
		if e != nil {
			t.Fatalf("%s: %v", body, e)
		}
		// Two turns of results that follow each other are one.
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s (-want +got):\n%s", body, d)
		}
		if _, e := ParseRequest(llm.OpChat, body); e != nil {
			t.Fatalf("%s: %v", body, e)
		}
	})
}
