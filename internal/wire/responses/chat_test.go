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

func read(t testing.TB, body string) *llm.Chat {
	t.Helper()
	c, e := responses.ReadChat(llm.OpChat, []byte(body))
	if e != nil {
		t.Fatalf("%s: %s", e.Param, e.Message)
	}
	return c
}

func text(s string) []llm.Part { return []llm.Part{{Kind: llm.PartText, Text: s}} }

// TestReadChat reads a request with everything in it.
func TestReadChat(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	want := &llm.Chat{
		Model: "gpt-5", Stream: true, StreamUsage: true, Choices: 1, MaxTokens: 1000, Temperature: "0.70", TopP: "1e0",
		Logprobs: true, TopLogprobs: 3, Parallel: &no, Verbosity: "low", User: "u", SafetyIdentifier: "s", ServiceTier: "flex",
		Metadata: `{"a": "b"}`, CacheKey: "k",
		Reasoning: llm.Reasoning{Mode: llm.ThinkOn, Effort: "high", Summary: "detailed"},
		Format:    llm.Format{Kind: llm.FormatSchema, Name: "out", Description: "d", Schema: `{"type": "object"}`, Strict: &yes},
		Tools: []llm.Function{
			{Name: "weather", Description: "of a city", Parameters: `{"type": "object"}`, Strict: &yes},
			{Name: "sql", Custom: true, Grammar: `{"type":"grammar","grammar":{"syntax":"lark","definition":"start: \"a\""}}`},
			{Name: "web_search", Raw: `{"type": "web_search", "search_context_size": "low"}`, Origin: llm.Responses},
		},
		ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"weather", "sql", "web_search"}},
		Extra: []llm.Member{
			{Name: "reasoning.context", Value: `"auto"`},
			{Name: "include", Value: `["web_search_call.action.sources"]`},
			{Name: "truncation", Value: `"auto"`},
			{Name: "max_tool_calls", Value: "4"},
		},
		Messages: []llm.Turn{
			{Role: llm.RoleSystem, Parts: text("Be brief.")},
			{Role: llm.RoleUser, Parts: text("What is in it?")},
			{Role: llm.RoleDeveloper, Parts: text("Use metric units.")},
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Kind: llm.PartText, Text: "Look:", CacheTTL: "30m"},
				{Kind: llm.PartImage, MIME: "image/png", Data: "aGVsbG8=", Detail: "high"},
				{Kind: llm.PartImage, URL: "https://example.com/a.png", Detail: "auto"},
				{Kind: llm.PartImage, FileID: "file-1", Detail: "low", Origin: llm.Responses},
				{Kind: llm.PartFile, Name: "a.pdf", MIME: "application/pdf", Data: "aGVsbG8="},
				{Kind: llm.PartFile, URL: "https://example.com/a.pdf"},
				{Kind: llm.PartAudio, MIME: "audio/wav", Data: "aGVsbG8="},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartThinking, Text: "First.\n\nSecond.", Signature: "rs_1/gAAA/b==", Origin: llm.Responses},
				{Kind: llm.PartText, Text: "Ein Gerät", Citations: []llm.Citation{{URL: "https://example.com", Title: "E", Start: 4, End: 10}}},
				{Kind: llm.PartRefusal, Text: "No more."},
				{Kind: llm.PartToolCall, ID: "call_1", Name: "weather", Text: `{"city":"Bern"}`},
				{Kind: llm.PartToolCall, ID: "call_2", Name: "weather", Text: `{"city":"Ulm"}`},
				{Kind: llm.PartToolCall, ID: "call_3", Name: "sql", Text: "SELECT 1", Custom: true},
				{
					Kind: llm.PartOther, Name: "web_search_call", Origin: llm.Responses,
					Raw: `{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}`,
				},
			}},
			{Role: llm.RoleTool, Parts: []llm.Part{
				{Kind: llm.PartToolResult, ID: "call_1", Name: "weather", Parts: text("rain")},
				{Kind: llm.PartToolResult, ID: "call_2", Name: "weather", Parts: []llm.Part{
					{Kind: llm.PartText, Text: "sun"}, {Kind: llm.PartImage, MIME: "image/png", Data: "aGVsbG8=", Detail: "auto"},
				}},
				{Kind: llm.PartToolResult, ID: "call_3", Name: "sql", Custom: true, Parts: text("1")},
			}},
			{Role: llm.RoleUser, Parts: text("And now?")},
		},
	}
	if d := cmp.Diff(want, read(t, string(fixture(t, "request.json")))); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
}

// TestAppendChat: what is written for a target is what a server reads again.
func TestAppendChat(t *testing.T) {
	t.Parallel()
	c := read(t, string(fixture(t, "request.json")))
	body := responses.AppendChat(nil, c)
	var pretty map[string]json.RawMessage
	if err := json.Unmarshal(body, &pretty); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	golden(t, "upstream.json", append(body, '\n'))
	for name, want := range map[string]string{"store": "false", "include": `["reasoning.encrypted_content","message.output_text.logprobs"]`} {
		if string(pretty[name]) != want {
			t.Errorf("%s is %s, want %s", name, pretty[name], want)
		}
	}
	// Left out: what has no word, and where the client's text cites from, which no one reads in a request.
	c.Extra = nil
	c.Messages[4].Parts[1].Citations = nil
	got := read(t, string(body))
	if d := cmp.Diff(c, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("round trip (-want +got):\n%s", d)
	}
}

// TestForeignThinking: thinking of other providers' models is not sent to this one.
func TestForeignThinking(t *testing.T) {
	t.Parallel()
	c := &llm.Chat{Model: "m", Messages: []llm.Turn{{Role: llm.RoleAssistant, Parts: []llm.Part{
		{Kind: llm.PartThinking, Text: "hm", Signature: "s", Origin: llm.Anthropic},
		{Kind: llm.PartThinking, Text: "hm"},
		{Kind: llm.PartText, Text: "yes"},
		{Kind: llm.PartOther, Raw: `{"x":1}`, Origin: llm.Gemini},
	}}}}
	want := `{"model":"m","input":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"yes"}]}],"store":false}`
	if d := cmp.Diff(want, string(responses.AppendChat(nil, c))); d != "" {
		t.Error(d)
	}
}

// TestSeals: signatures of every dialect survive a client that keeps the conversation itself.
func TestSeals(t *testing.T) {
	t.Parallel()
	a := story()
	parts := append(a.Choices[0].Parts[:7:7], llm.Part{Kind: llm.PartText, Text: "Done.", Signature: "sig-d", Origin: llm.Gemini})
	a.Choices[0].Parts = parts
	a.Choices[0].Logprobs = nil
	parts[2].Citations = parts[2].Citations[:1]
	parts[2].Citations[0].Start, parts[2].Citations[0].End = 0, 0
	var whole, streamed struct{ Output json.RawMessage }
	if err := json.Unmarshal(responses.AppendAnswer(nil, a, head()), &whole); err != nil {
		t.Fatal(err)
	}
	all := events(t, write(head(), unfold(a, rand.New(rand.NewPCG(1, 1)))), 4096)
	var end struct {
		Response struct{ Output json.RawMessage }
	}
	if err := json.Unmarshal(all[len(all)-1].Data, &end); err != nil {
		t.Fatal(err)
	}
	streamed.Output = end.Response.Output
	for _, output := range []json.RawMessage{whole.Output, streamed.Output} {
		c := read(t, `{"model":"m","input":`+string(output)+`}`)
		want := []llm.Turn{{Role: llm.RoleAssistant, Parts: parts}}
		if d := cmp.Diff(want, c.Messages, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("conversation (-said +brought back):\n%s", d)
		}
	}
}

func TestReadChatErrors(t *testing.T) {
	t.Parallel()
	f := func(member, param, message string) {
		t.Helper()
		_, e := responses.ReadChat(llm.OpChat, []byte(`{"model":"m",`+member+`}`))
		if e == nil {
			t.Errorf("%s is taken", member)
			return
		}
		if e.Kind != llm.KindBadRequest || e.Param != param || !strings.Contains(e.Message, message) {
			t.Errorf("%s: %s, %s: %s; want %s: %s", member, e.Kind, e.Param, e.Message, param, message)
		}
	}
	f(`"input":7`, "input", "a string or a list of items")
	f(`"input":["x"]`, "input[0]", "an item")
	f(`"input":[{}]`, "input[0].type", "no type")
	f(`"input":[{"type":"item_reference","id":"msg_1"}]`, "input[0]", "msg_1")
	f(`"input":[{"id":"msg_1"}]`, "input[0]", "previous_response_id")
	f(`"input":[{"role":"robot","content":"x"}]`, "input[0].role", "robot")
	f(`"input":[{"role":"user"}]`, "input[0].content", "missing")
	f(`"input":[{"role":"user","content":[{"text":"x"}]}]`, "input[0].content[0].type", "no type")
	f(`"input":[{"role":"user","content":[{"type":"input_image"}]}]`, "input[0].content[0]", "image_url nor file_id")
	f(`"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png,x"}]}]`, "input[0].content[0].image_url", "data URL")
	f(`"input":[{"role":"user","content":[{"type":"input_audio"}]}]`, "input[0].content[0].input_audio.data", "missing")
	f(`"input":[{"type":"function_call_output","output":"x"}]`, "input[0].call_id", "missing")
	f(`"input":[{"type":"function_call","call_id":"c","name":"f","arguments":3}]`, "input[0].arguments", "a string")
	f(`"input":[{"type":"reasoning","summary":[],"encrypted_content":"sluice1.!"}]`, "input[0].encrypted_content", "not as this gateway wrote it")
	f(`"previous_response_id":"resp_1"`, "previous_response_id", "resp_1")
	f(`"conversation":"conv_1"`, "conversation", "kept by OpenAI")
	f(`"prompt":{"id":"pmpt_1"}`, "prompt", "template")
	f(`"input":"x","max_output_tokens":0`, "max_output_tokens", "at least 1; it is 0")
	f(`"input":"x","max_output_tokens":-1`, "max_output_tokens", "at least 1; it is -1")
	f(`"tools":[{"name":"f"}]`, "tools[0].type", "no type")
	f(`"tools":[{"type":"function"}]`, "tools[0].name", "missing")
	f(`"tool_choice":"any"`, "tool_choice", `"any"`)
	f(`"tool_choice":{"type":"allowed_tools","mode":"none","tools":[]}`, "tool_choice.mode", "auto or required")
	f(`"tool_choice":{"type":"function"}`, "tool_choice.name", "missing")
	f(`"tool_choice":{}`, "tool_choice.type", "no type")
	f(`"text":{"format":{"type":"xml"}}`, "text.format.type", "json_schema")
	f(`"temperature":"hot"`, "temperature", "a number")
	f(`"max_output_tokens":1.5`, "max_output_tokens", "whole number")
	f(`"reasoning":"much"`, "reasoning", "an object")
	f(`"reasoning":{"effort":3}`, "reasoning.effort", "a string")
	f(`"metadata":"x"`, "metadata", "an object")
	f(`"include":"x"`, "include", "a list")
	f(`"instructions":{}`, "instructions", "a string")
}

// TestReadChatNull: null is as good as nothing, in every member.
func TestReadChatNull(t *testing.T) {
	t.Parallel()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(fixture(t, "request.json"), &members); err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"model":"m"`)
	for name := range members {
		if name != "model" {
			body = append(body, `,"`+name+`":null`...)
		}
	}
	want := &llm.Chat{Model: "m", Choices: 1, StreamUsage: true}
	if d := cmp.Diff(want, read(t, string(append(body, '}')))); d != "" {
		t.Error(d)
	}
}
