package openai

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

func readChat(t *testing.T, op llm.Op, body string) *llm.Chat {
	t.Helper()
	c, e := ReadChat(op, []byte(body))
	if e != nil {
		t.Fatalf("%s: %v", body, e)
	}
	return c
}

func ptr(b bool) *bool { return &b }

// TestReadChatParameters reads each parameter there is a word for, and keeps the others.
func TestReadChatParameters(t *testing.T) {
	t.Parallel()
	got := readChat(t, llm.OpChat, `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false,"x":1},
		"max_tokens":5,"max_completion_tokens":7,"n":2,"stop":["a","b"],"temperature":0.70,"top_p":1e-1,"top_k":40,"frequency_penalty":-1,"presence_penalty":2.0,
		"seed":123456789012345678901,"logprobs":true,"top_logprobs":3,"logit_bias":{"5":-100},"reasoning_effort":"xhigh","verbosity":"low","user":"u",
		"safety_identifier":"s","service_tier":"fast","metadata":{"a":"b"},"prompt_cache_key":"k","parallel_tool_calls":false,
		"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":true}},
		"store":false,"modalities":["text"],"prediction":{"type":"content","content":"x"},"web_search_options":{},"logit":null,"min_p":0.1}`)
	want := &llm.Chat{
		Model: "m", Messages: []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{text("hi")}}}, Stream: true, StreamUsage: true,
		MaxTokens: 7, Choices: 2, Stop: []string{"a", "b"}, Temperature: "0.70", TopP: "1e-1", TopK: "40", FrequencyPenalty: "-1", PresencePenalty: "2.0",
		Seed: "123456789012345678901", Logprobs: true, TopLogprobs: 3, LogitBias: `{"5":-100}`,
		Reasoning: llm.Reasoning{Mode: llm.ThinkOn, Effort: "xhigh"}, Verbosity: "low", User: "u", SafetyIdentifier: "s", ServiceTier: "priority",
		Metadata: `{"a":"b"}`, CacheKey: "k", Parallel: ptr(false),
		Format: llm.Format{Kind: llm.FormatSchema, Name: "n", Description: "d", Schema: `{"type":"object"}`, Strict: ptr(true)},
		Extra: []llm.Member{
			{Name: "stream_options.x", Value: "1"},
			{Name: "prediction", Value: `{"type":"content","content":"x"}`},
			{Name: "web_search_options", Value: "{}"},
			{Name: "min_p", Value: "0.1"},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestReadChatMessages reads each role and each part.
func TestReadChatMessages(t *testing.T) {
	t.Parallel()
	got := readChat(t, llm.OpChat, `{"model":"m","messages":[
		{"role":"system","content":"be brief"},
		{"role":"developer","name":"dev","content":[{"type":"text","text":"a","prompt_cache_breakpoint":{"mode":"explicit"}},{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
		{"role":"user","name":"ann","content":[
			{"type":"text","text":"see"},
			{"type":"image_url","image_url":{"url":"data:image/PNG;base64,AAAA","detail":"low"}},
			{"type":"image_url","image_url":{"url":"https://a.example/i.png"},"prompt_cache_breakpoint":{"mode":"explicit","ttl":"12h"}},
			{"type":"input_audio","input_audio":{"data":"BBBB","format":"mp3"}},
			{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,CCCC"}},
			{"type":"file","file":{"file_id":"file-1"}},
			{"type":"video_url","video_url":{"url":"https://v.example"}}]},
		{"role":"assistant","content":null,"refusal":null,"audio":null,"tool_calls":[
			{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"extra_content":{"google":{"thought_signature":"g"}}},
			{"id":"t2","type":"custom","custom":{"name":"c","input":"free"}},
			{"id":"t3","type":"function","function":{"name":"f","arguments":""}}]},
		{"role":"tool","tool_call_id":"t1","content":"one"},
		{"role":"tool","tool_call_id":"t2","content":[{"type":"text","text":"two"},{"type":"image_url","image_url":{"url":"https://b.example"}}]},
		{"role":"tool","tool_call_id":"t3","content":""},
		{"role":"assistant","content":[{"type":"text","text":"no"},{"type":"refusal","refusal":"never"}],"annotations":[],"odd":1},
		{"role":"user","content":"go on"}]}`)
	img := func(p llm.Part) llm.Part { p.Kind = llm.PartImage; return p }
	want := []llm.Turn{
		{Role: llm.RoleSystem, Parts: []llm.Part{text("be brief")}},
		{Role: llm.RoleDeveloper, Name: "dev", Parts: []llm.Part{{Kind: llm.PartText, Text: "a", CacheTTL: "30m"}, {Kind: llm.PartText, Text: "b", CacheTTL: "1h"}}},
		{Role: llm.RoleUser, Name: "ann", Parts: []llm.Part{
			text("see"), img(llm.Part{MIME: "image/png", Data: "AAAA", Detail: "low"}), img(llm.Part{URL: "https://a.example/i.png", CacheTTL: "12h"}),
			{Kind: llm.PartAudio, MIME: "audio/mpeg", Data: "BBBB"},
			{Kind: llm.PartFile, Name: "a.pdf", MIME: "application/pdf", Data: "CCCC"},
			{Kind: llm.PartFile, FileID: "file-1", Origin: llm.OpenAI},
			{Kind: llm.PartOther, Raw: `{"type":"video_url","video_url":{"url":"https://v.example"}}`, Origin: llm.OpenAI},
		}},
		{Role: llm.RoleAssistant, Parts: []llm.Part{
			{Kind: llm.PartToolCall, ID: "t1", Name: "f", Text: `{"a":1}`, Signature: "g", Origin: llm.Gemini},
			{Kind: llm.PartToolCall, ID: "t2", Name: "c", Text: "free", Custom: true},
			call("t3", "f", "{}"),
		}},
		{Role: llm.RoleTool, Parts: []llm.Part{
			{Kind: llm.PartToolResult, ID: "t1", Name: "f", Parts: []llm.Part{text("one")}},
			{Kind: llm.PartToolResult, ID: "t2", Name: "c", Parts: []llm.Part{text("two"), img(llm.Part{URL: "https://b.example"})}},
			{Kind: llm.PartToolResult, ID: "t3", Name: "f", Parts: []llm.Part{text("")}},
		}},
		{Role: llm.RoleAssistant, Parts: []llm.Part{text("no"), {Kind: llm.PartRefusal, Text: "never"}}},
		{Role: llm.RoleUser, Parts: []llm.Part{text("go on")}},
	}
	if d := cmp.Diff(want, got.Messages); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]llm.Member{{Name: "messages[7].odd", Value: "1"}}, got.Extra); d != "" {
		t.Errorf("extra (-want +got):\n%s", d)
	}
}

// TestReadChatTools reads tools, and what is said of their use.
func TestReadChatTools(t *testing.T) {
	t.Parallel()
	const head = `{"model":"m","messages":[{"role":"user","content":"hi"}],`
	got := readChat(t, llm.OpChat, head+`"tools":[
		{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":false},"cache_control":{"type":"ephemeral"}},
		{"type":"custom","custom":{"name":"c","description":"e","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}},
		{"type":"web_search","filters":{}}]}`)
	want := []llm.Function{
		{Name: "f", Description: "d", Parameters: `{"type":"object"}`, Strict: ptr(false), CacheTTL: "5m"},
		{Name: "c", Description: "e", Custom: true, Grammar: `{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}`},
		{Name: "web_search", Raw: `{"type":"web_search","filters":{}}`, Origin: llm.OpenAI},
	}
	if d := cmp.Diff(want, got.Tools); d != "" {
		t.Errorf("tools (-want +got):\n%s", d)
	}
	f := func(choice string, want llm.ToolChoice) {
		t.Helper()
		got := readChat(t, llm.OpChat, head+choice+`}`)
		if d := cmp.Diff(want, got.ToolChoice); d != "" {
			t.Errorf("%s (-want +got):\n%s", choice, d)
		}
	}
	f(`"tool_choice":"none"`, llm.ToolChoice{Mode: llm.ToolsNone})
	f(`"tool_choice":"auto"`, llm.ToolChoice{Mode: llm.ToolsAuto})
	f(`"tool_choice":"required"`, llm.ToolChoice{Mode: llm.ToolsRequired})
	f(`"tool_choice":null`, llm.ToolChoice{})
	f(`"tool_choice":{"type":"function","function":{"name":"f"}}`, llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"f"}})
	f(`"tool_choice":{"type":"custom","custom":{"name":"c"}}`, llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"c"}})
	f(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}]}}`,
		llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"f", "c"}})
	f(`"function_call":"auto"`, llm.ToolChoice{Mode: llm.ToolsAuto})
	f(`"function_call":{"name":"f"}`, llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"f"}})
}

// TestReadChatNoticesMembers holds what nobody reads to be kept by its path.
func TestReadChatNoticesMembers(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		got := readChat(t, llm.OpChat, body)
		if len(got.Extra) != 1 || got.Extra[0].Name != want || got.Extra[0].Value != "1" {
			t.Errorf("%s: extra %v, want %s", body, got.Extra, want)
		}
	}
	msg := func(s string) string { return `{"model":"m","messages":[` + s + `]}` }
	user := func(s string) string { return `{"model":"m","messages":[{"role":"user","content":"x"}],` + s + `}` }
	f(user(`"odd":1`), "odd")
	f(msg(`{"role":"user","content":"x","odd":1}`), "messages[0].odd")
	f(msg(`{"role":"user","content":[{"odd":1,"text":"x","type":"text"}]}`), "messages[0].content[0].odd")
	f(msg(`{"role":"user","content":[{"type":"text","text":"x","file":1}]}`), "messages[0].content[0].file")
	f(msg(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"u","odd":1}}]}`), "messages[0].content[0].image_url.odd")
	f(msg(`{"role":"assistant","tool_calls":[{"id":"a","odd":1,"function":{"name":"f","arguments":"{}"}}]}`), "messages[0].tool_calls[0].odd")
	f(user(`"tools":[{"type":"function","odd":1,"function":{"name":"f"}}]`), "tools[0].odd")
	f(user(`"tools":[{"type":"function","function":{"name":"f","odd":1}}]`), "tools[0].function.odd")
	f(user(`"response_format":{"type":"text","odd":1}`), "response_format.odd")
	f(user(`"reasoning":{"effort":"low","odd":1}`), "reasoning.odd")
}

// TestReadChatFunctions reads the form before tools.
func TestReadChatFunctions(t *testing.T) {
	t.Parallel()
	got := readChat(t, llm.OpChat, `{"model":"m","functions":[{"name":"f","parameters":{}}],"messages":[{"role":"user","content":"hi"},
		{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"r"}]}`)
	want := []llm.Turn{
		{Role: llm.RoleUser, Parts: []llm.Part{text("hi")}},
		{Role: llm.RoleAssistant, Parts: []llm.Part{call("call_1", "f", "{}")}},
		{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "call_1", Name: "f", Parts: []llm.Part{text("r")}}}},
	}
	if d := cmp.Diff(want, got.Messages); d != "" || !got.LegacyFunctions || len(got.Tools) != 1 {
		t.Errorf("legacy %t, %d tools (-want +got):\n%s", got.LegacyFunctions, len(got.Tools), d)
	}
}

// TestReadChatThinking reads each form in which clients send thinking back.
func TestReadChatThinking(t *testing.T) {
	t.Parallel()
	f := func(members string, want ...llm.Part) {
		t.Helper()
		got := readChat(t, llm.OpChat, `{"model":"m","messages":[{"role":"assistant","content":"hi",`+members+`}]}`)
		if d := cmp.Diff(append(want, text("hi")), got.Messages[0].Parts); d != "" {
			t.Errorf("%s (-want +got):\n%s", members, d)
		}
	}
	thought := func(s, signature string, origin llm.Dialect) llm.Part {
		return llm.Part{Kind: llm.PartThinking, Text: s, Signature: signature, Origin: origin}
	}
	signed := thought("hm", "s", llm.Anthropic)
	f(`"reasoning_content":"hm"`, thought("hm", "", 0))
	f(`"reasoning":"hm"`, thought("hm", "", 0))
	f(`"reasoning_content":null,"reasoning_details":[]`)
	f(`"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","format":"anthropic-claude-v1","index":0}]`, signed)
	f(`"reasoning_details":[{"type":"reasoning.text","text":"h","index":0},{"type":"reasoning.text","text":"m","index":0},{"type":"reasoning.text","signature":"s","format":"anthropic-claude-v1","index":0}]`, signed)
	f(`"reasoning_details":[{"type":"reasoning.text","text":"a","index":0},{"type":"reasoning.text","text":"hm","signature":"s","format":"anthropic-claude-v1","index":1}]`, thought("a", "", 0), signed)
	f(`"reasoning_details":[{"type":"reasoning.encrypted","data":"d","format":"anthropic-claude-v1"}]`, llm.Part{Kind: llm.PartRedacted, Signature: "d", Origin: llm.Anthropic})
	f(`"reasoning_content":"hm","reasoning_details":[{"type":"reasoning.encrypted","data":"d","format":"anthropic-claude-v1"}]`,
		thought("hm", "", 0), llm.Part{Kind: llm.PartRedacted, Signature: "d", Origin: llm.Anthropic})
	f(`"reasoning_details":[{"type":"reasoning.summary","summary":"hm","format":"openai-responses-v1","index":0},{"type":"reasoning.encrypted","data":"e","format":"openai-responses-v1","index":0}]`,
		thought("hm", "e", llm.Responses))
	f(`"reasoning_details":[{"type":"reasoning.encrypted","data":"e","format":"google-gemini-v1"}]`, thought("", "e", llm.Gemini))
	f(`"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s"}]`, thought("hm", "s", llm.OpenAI))
	f(`"thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"}],"reasoning_content":"hm"`,
		signed, llm.Part{Kind: llm.PartRedacted, Signature: "d", Origin: llm.Anthropic})
	got := readChat(t, llm.OpChat, `{"model":"m","messages":[{"role":"assistant","content":"hi","extra_content":{"google":{"thought_signature":"g"}}}]}`)
	if p := got.Messages[0].Parts[0]; p.Signature != "g" || p.Origin != llm.Gemini {
		t.Errorf("signature of a text is read as %+v", p)
	}
}

// TestReadChatReasoning reads how much a model is to think.
func TestReadChatReasoning(t *testing.T) {
	t.Parallel()
	f := func(members string, want llm.Reasoning) {
		t.Helper()
		got := readChat(t, llm.OpChat, `{"model":"m","messages":[{"role":"user","content":"hi"}],`+members+`}`)
		if d := cmp.Diff(want, got.Reasoning); d != "" || len(got.Extra) > 0 {
			t.Errorf("%s: extra %v (-want +got):\n%s", members, got.Extra, d)
		}
	}
	f(`"reasoning_effort":"none"`, llm.Reasoning{Mode: llm.ThinkOff, Effort: "none"})
	f(`"reasoning_effort":"max"`, llm.Reasoning{Mode: llm.ThinkOn, Effort: "max"})
	f(`"reasoning":{"effort":"low","exclude":true}`, llm.Reasoning{Mode: llm.ThinkOn, Effort: "low", Summary: "none"})
	f(`"reasoning":{"max_tokens":2000}`, llm.Reasoning{Mode: llm.ThinkOn, Budget: 2000})
	f(`"reasoning":{"enabled":true}`, llm.Reasoning{Mode: llm.ThinkOn})
	f(`"reasoning":{"enabled":false}`, llm.Reasoning{Mode: llm.ThinkOff})
	f(`"thinking":{"type":"enabled","budget_tokens":3000}`, llm.Reasoning{Mode: llm.ThinkOn, Budget: 3000})
	f(`"thinking":{"type":"disabled"}`, llm.Reasoning{Mode: llm.ThinkOff})
	f(`"thinking":{"type":"adaptive"}`, llm.Reasoning{Mode: llm.ThinkAdaptive})
}

func TestReadChatCompletion(t *testing.T) {
	t.Parallel()
	for _, prompt := range []string{`"hi"`, `["hi"]`} {
		got := readChat(t, llm.OpCompletion, `{"model":"m","prompt":`+prompt+`,"max_tokens":5,"echo":true,"suffix":"s","best_of":2,"logprobs":3,"messages":[]}`)
		want := &llm.Chat{
			Model: "m", Choices: 1, MaxTokens: 5, Messages: []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{text("hi")}}}, Logprobs: true, TopLogprobs: 3,
			Extra: []llm.Member{{Name: "echo", Value: "true"}, {Name: "suffix", Value: `"s"`}, {Name: "best_of", Value: "2"}, {Name: "messages", Value: "[]"}},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", prompt, d)
		}
	}
}

// TestReadChatRefuses holds errors to naming the field and what is wrong with it.
func TestReadChatRefuses(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body, param, text string) {
		t.Helper()
		_, e := ReadChat(op, []byte(body))
		if e == nil || e.Kind != llm.KindBadRequest || e.Param != param || !strings.Contains(e.Message, text) {
			t.Errorf("%s: error %+v, want %s and %q", body, e, param, text)
		}
	}
	msg := func(s string) string { return `{"model":"m","messages":[` + s + `]}` }
	chat := func(s string) string { return `{"model":"m","messages":[{"role":"user","content":"x"}],` + s + `}` }
	f(llm.OpChat, `{`, "", "not valid JSON")
	f(llm.OpChat, `[]`, "", "an array")
	f(llm.OpChat, `{"messages":[{"role":"user","content":"x"}]}`, "model", "missing")
	f(llm.OpChat, `{"model":"m"}`, "messages", "missing")
	f(llm.OpChat, msg(``), "messages", "empty")
	f(llm.OpChat, msg(`{"role":"king","content":"x"}`), "messages[0].role", `"king"`)
	f(llm.OpChat, msg(`{"content":"x"}`), "messages[0].role", "missing")
	f(llm.OpChat, msg(`{"role":"user"}`), "messages[0].content", "missing")
	f(llm.OpChat, msg(`{"role":"user","content":5}`), "messages[0].content", "a number")
	f(llm.OpChat, msg(`{"role":"user","content":[{"text":"x"}]}`), "messages[0].content[0].type", "missing")
	f(llm.OpChat, msg(`{"role":"user","content":[{"type":"text"}]}`), "messages[0].content[0].text", "missing")
	f(llm.OpChat, msg(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,xx"}}]}`), "messages[0].content[0].image_url.url", "base64")
	f(llm.OpChat, msg(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a","detail":"huge"}}]}`), "messages[0].content[0].image_url.detail", `"huge"`)
	f(llm.OpChat, msg(`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"x"}}]}`), "messages[0].content[0].input_audio.format", "missing")
	f(llm.OpChat, msg(`{"role":"user","content":[{"type":"file","file":{}}]}`), "messages[0].content[0].file", "neither")
	f(llm.OpChat, msg(`{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]}`), "messages[0].tool_calls[0].id", "missing")
	f(llm.OpChat, msg(`{"role":"tool","content":"x"}`), "messages[0].tool_call_id", "missing")
	f(llm.OpChat, msg(`{"role":"function","name":"f","content":"x"}`), "messages[0]", "function_call")
	f(llm.OpChat, chat(`"n":0`), "n", "from 1 to")
	f(llm.OpChat, chat(`"max_tokens":0`), "max_tokens", "max_tokens is 0; it must be at least 1")
	f(llm.OpChat, chat(`"max_completion_tokens":-5`), "max_completion_tokens", "is -5; it must be at least 1")
	f(llm.OpChat, chat(`"reasoning_effort":"huge"`), "reasoning_effort", "none, minimal, low")
	if c, e := ReadChat(llm.OpChat, []byte(chat(`"max_tokens":-1`))); e != nil || c.MaxTokens != 0 {
		t.Errorf("-1 is %+v, error %v; want no limit", c, e)
	}
	f(llm.OpChat, chat(`"max_tokens":1.5`), "max_tokens", "whole number")
	f(llm.OpChat, chat(`"temperature":"hot"`), "temperature", "a string")
	f(llm.OpChat, chat(`"stop":[1]`), "stop[0]", "a number")
	f(llm.OpChat, chat(`"reasoning_effort":"huge"`), "reasoning_effort", `"huge"`)
	f(llm.OpChat, chat(`"tools":[{"type":"function"}]`), "tools[0].function", "missing")
	f(llm.OpChat, chat(`"tools":[{"type":"function","function":{}}]`), "tools[0].function.name", "missing")
	f(llm.OpChat, chat(`"tool_choice":"f"`), "tool_choice", `"f"`)
	f(llm.OpChat, chat(`"tool_choice":{"type":"function"}`), "tool_choice", "must be")
	f(llm.OpChat, chat(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":[]}}`), "tool_choice.allowed_tools.tools", "no tool")
	f(llm.OpChat, chat(`"response_format":{"type":"json_schema"}`), "response_format.json_schema", "missing")
	f(llm.OpChat, chat(`"response_format":{}`), "response_format.type", "missing")
	f(llm.OpCompletion, `{"model":"m"}`, "prompt", "missing")
	f(llm.OpCompletion, `{"model":"m","prompt":["a","b"]}`, "prompt", "2 texts")
	f(llm.OpCompletion, `{"model":"m","prompt":[1,2]}`, "prompt", "token numbers")
	f(llm.OpCompletion, `{"model":"m","prompt":[]}`, "prompt", "0 texts")
}

func FuzzReadChat(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}],"tools":[{"type":"function","function":{"name":"f"}}]}`,
		`{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}],"reasoning_details":[{"type":"reasoning.text","text":"x","signature":"s","index":0}]},{"role":"tool","tool_call_id":"a","content":"r"}]}`,
		`{"model":"m","prompt":["x"],"stop":"a","tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"function":{"name":"f"}}]}}}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:a;base64,b","filename":"\ud800"}},{"type":"x"}]}],"response_format":{"type":"json_object"},"reasoning":{"effort":"low"}}`,
	} {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, completion bool) {
		op := llm.OpChat
		if completion {
			op = llm.OpCompletion
		}
		c, e := ReadChat(op, body)
		if e != nil {
			if c != nil || e.Kind != llm.KindBadRequest || e.Message == "" {
				t.Fatalf("%q: %+v", body, e)
			}
			return
		}
		// What was read can be written, and read again.
		out := AppendChat(nil, c)
		if _, e := ReadChat(llm.OpChat, out); e != nil {
			t.Fatalf("%q became %s: %v", body, out, e)
		}
	})
}
