package anthropic

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// everything is a request with all that the protocol can say.
const everything = `{
 "model": "claude-opus-5-5", "max_tokens": 8000, "stream": true,
 "system": [{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"Be kind."}],
 "messages": [
  {"role":"user","content":"Hello"},
  {"role":"assistant","content":[
   {"type":"thinking","thinking":"Hm.","signature":"EqQB"},
   {"type":"redacted_thinking","data":"EmwK"},
   {"type":"thinking","thinking":"Foreign.","signature":"sluice:responses:enc:x"},
   {"type":"text","text":"Let me look.","citations":null},
   {"type":"tool_use","id":"toolu_1","name":"look","input":{"q": "é"},"caller":{"type":"direct"}},
   {"type":"redacted_thinking","data":"sluice+:gemini:sig"},
   {"type":"tool_use","id":"toolu_2","name":"now","input":{}},
   {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}}]},
  {"role":"user","content":[
   {"type":"text","text":"And this.","cache_control":{"type":"ephemeral"}},
   {"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"found"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}]},
   {"type":"tool_result","tool_use_id":"toolu_2","content":"broke","is_error":true},
   {"type":"image","source":{"type":"url","url":"https://x.example/a.png"}},
   {"type":"image","source":{"type":"file","file_id":"file_1"}},
   {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"},"title":"Paper","context":"From 2020.","citations":{"enabled":true}},
   {"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"},"citations":{"enabled":false}},
   {"type":"document","source":{"type":"content","content":[{"type":"text","text":"chunk"}]}},
   {"type":"search_result","source":"https://s.example","title":"Found","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]}]},
  {"role":"system","content":"From here on, in verse."},
  {"role":"user","content":[{"type":"text","text":"Go on."}]}],
 "tools": [
  {"name":"look","description":"Looks.","input_schema":{"type":"object","properties":{"q":{"type":"string"}}},"strict":true,"cache_control":{"type":"ephemeral"},"eager_input_streaming":true},
  {"type":"custom","name":"now","input_schema":{"type":"object"},"defer_loading":true,"input_examples":[{}]},
  {"type":"web_search_20260209","name":"web_search","max_uses":3}],
 "tool_choice": {"type":"tool","name":"look","disable_parallel_tool_use":true},
 "stop_sequences": ["END"], "temperature": 0.70, "top_p": 9e-1, "top_k": 40,
 "thinking": {"type":"enabled","budget_tokens":2048,"display":"omitted"},
 "output_config": {"effort":"xhigh","format":{"type":"json_schema","schema":{"type":"object"}}},
 "metadata": {"user_id":"u-1"}, "service_tier": "standard_only", "speed": "fast", "cache_control": {"type":"ephemeral"},
 "container": null, "inference_geo": "us", "context_management": {"edits":[]}
}`

// show is a value for a golden file, without what is zero.
func show(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(prune(all)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// prune takes out of objects what is zero.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			m = prune(m)
			if m == nil || m == "" || m == 0.0 || m == false {
				delete(v, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
	}
	return v
}

func TestReadChat(t *testing.T) {
	t.Parallel()
	c, err := ReadChat(llm.OpChat, []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "chat", show(t, c))

	count := strings.Replace(everything, `"max_tokens": 8000, `, "", 1)
	if _, err := ReadChat(llm.OpChat, []byte(count)); err == nil || err.Param != "max_tokens" {
		t.Errorf("without max_tokens: %v", err)
	}
	c, err = ReadChat(llm.OpCountTokens, []byte(count))
	if err != nil || c.MaxTokens != 0 {
		t.Errorf("count_tokens: %v", err)
	}
}

func TestReadChatRefuses(t *testing.T) {
	t.Parallel()
	f := func(members, param, message string) {
		t.Helper()
		body := `{"model":"m","max_tokens":1` + members + `}`
		_, err := ReadChat(llm.OpChat, []byte(body))
		if err == nil || err.Kind != llm.KindBadRequest || err.Param != param || !strings.Contains(err.Message, message) {
			t.Errorf("%s: %+v, want param %q", members, err, param)
		}
	}
	user := func(block string) string { return `,"messages":[{"role":"user","content":[` + block + `]}]` }
	f("", "messages", "Field required")
	f(`,"messages":{}`, "messages", "an object")
	f(`,"messages":[1]`, "messages[0]", "a number")
	f(`,"messages":[{"role":"user"}]`, "messages[0].content", "Field required")
	f(`,"messages":[{"role":"tool","content":"x"}]`, "messages[0].role", `"tool"`)
	f(`,"messages":[{"role":"user","content":5}]`, "messages[0].content", "a number")
	f(user(`{"text":"x"}`), "messages[0].content[0].type", "Field required")
	f(user(`{"type":"text","text":["x"]}`), "messages[0].content[0].text", "an array")
	f(user(`{"type":"image"}`), "messages[0].content[0].source", "Field required")
	f(user(`{"type":"image","source":{"type":"ftp"}}`), "messages[0].content[0].source.type", `"ftp"`)
	f(user(`{"type":"tool_result","content":"x"}`), "messages[0].content[0].tool_use_id", "Field required")
	f(user(`{"type":"tool_use","name":"x"}`), "messages[0].content[0].id", "Field required")
	f(`,"messages":[],"tools":[{"input_schema":{}}]`, "tools[0].name", "Field required")
	f(`,"messages":[],"tools":[{"name":"f","input_schema":[]}]`, "tools[0].input_schema", "an array")
	f(`,"messages":[],"tool_choice":{"type":"some"}`, "tool_choice.type", `"some"`)
	f(`,"messages":[],"tool_choice":{"type":"tool"}`, "tool_choice.name", "Field required")
	f(`,"messages":[],"thinking":{"type":"hard"}`, "thinking.type", `"hard"`)
	f(`,"messages":[],"thinking":{"type":"enabled","budget_tokens":-5}`, "thinking.budget_tokens", "-5")
	f(`,"messages":[],"stop_sequences":"x"`, "stop_sequences", "a string")
	f(`,"messages":[],"temperature":"hot"`, "temperature", "a string")
	f(`,"messages":[`, "", "not valid JSON")
}

// TestAppendChat words the request that TestReadChat read.
func TestAppendChat(t *testing.T) {
	t.Parallel()
	c, err := ReadChat(llm.OpChat, []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "chat.request", indented(t, AppendChat(nil, c)))
	golden(t, "chat.count", indented(t, AppendCountChat(nil, c)))
}

func indented(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", " "); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// TestAppendChatCases words requests as other dialects have them.
func TestAppendChatCases(t *testing.T) {
	t.Parallel()
	text := func(s string) llm.Part { return llm.Part{Kind: llm.PartText, Text: s} }
	turn := func(role llm.Role, parts ...llm.Part) llm.Turn { return llm.Turn{Role: role, Parts: parts} }
	yes, no := true, false
	f := func(c llm.Chat, want string) {
		t.Helper()
		if c.Messages == nil {
			c.Messages = []llm.Turn{turn(llm.RoleUser, text("q"))}
		}
		got := string(AppendChat(nil, &c))
		got = strings.TrimPrefix(got, `{"model":"","max_tokens":4096,`)
		got = strings.TrimPrefix(got, `"messages":[{"role":"user","content":[{"type":"text","text":"q"}]}],`)
		if got = strings.TrimSuffix(got, "}"); got != want {
			t.Errorf(" got %s\nwant %s", got, want)
		}
	}
	user := `{"role":"user","content":[`
	// Who speaks.
	f(llm.Chat{Messages: []llm.Turn{
		turn(llm.RoleSystem, text("a")), turn(llm.RoleUser, text("b")), turn(llm.RoleDeveloper, text("c"), text(" ")), turn(llm.RoleUser, text("d")),
		turn(llm.RoleAssistant, text(" \n")), turn(llm.RoleUser, text("e")),
	}}, `"system":[{"type":"text","text":"a"},{"type":"text","text":"c"}],"messages":[`+user+`{"type":"text","text":"b"},{"type":"text","text":"d"}]},`+
		user+`{"type":"text","text":"e"}]}]`)
	f(llm.Chat{Messages: []llm.Turn{turn(llm.RoleSystem, text("only"))}}, `"messages":[`+user+`{"type":"text","text":"only"}]}]`)
	f(llm.Chat{Messages: []llm.Turn{turn(llm.RoleUser, text("a")), turn(llm.RoleAssistant, text("So: \n"))}},
		`"messages":[`+user+`{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"text","text":"So:"}]}]`)
	// Results of tools come together and first.
	call := func(id, args string) llm.Part { return llm.Part{Kind: llm.PartToolCall, ID: id, Name: "f", Text: args} }
	result := func(id string, parts ...llm.Part) llm.Part {
		return llm.Part{Kind: llm.PartToolResult, ID: id, Parts: parts}
	}
	f(llm.Chat{Messages: []llm.Turn{
		turn(llm.RoleAssistant, text("x"), call("call.1", `{"a":1}`), call("2", ""), call("3", `nope`), call("4", `[1]`)),
		turn(llm.RoleTool, result("call.1", text("r1"))), turn(llm.RoleUser, text("and")), turn(llm.RoleTool, result("2"), result("3"), result("4")),
	}}, `"messages":[{"role":"assistant","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"call_1","name":"f","input":{"a":1}},`+
		`{"type":"tool_use","id":"2","name":"f","input":{}},{"type":"tool_use","id":"3","name":"f","input":{"_raw":"nope"}},`+
		`{"type":"tool_use","id":"4","name":"f","input":{"_raw":"[1]"}}]},`+
		user+`{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"r1"}]},{"type":"tool_result","tool_use_id":"2"},`+
		`{"type":"tool_result","tool_use_id":"3"},{"type":"tool_result","tool_use_id":"4"},{"type":"text","text":"and"}]}]`)
	// Media.
	markdown := base64.StdEncoding.EncodeToString([]byte("# hi"))
	f(llm.Chat{Messages: []llm.Turn{turn(llm.RoleUser,
		llm.Part{Kind: llm.PartImage, URL: "data:image/jpg;base64,QUJD"}, llm.Part{Kind: llm.PartImage, FileID: "f", Origin: llm.OpenAI},
		llm.Part{Kind: llm.PartImage, URL: "data:image/svg+xml,%3Csvg"}, llm.Part{Kind: llm.PartAudio, MIME: "audio/wav", Data: "QUJD"},
		llm.Part{Kind: llm.PartFile, URL: "data:text/markdown;charset=utf-8;base64," + markdown, Name: "a.md"}, llm.Part{Kind: llm.PartFile, Data: "JVBE"},
		llm.Part{Kind: llm.PartFile, URL: "https://x.example/a.pdf", CacheTTL: "30m"},
	)}}, `"messages":[`+user+`{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"QUJD"}},`+
		`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"# hi"},"title":"a.md"},`+
		`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}},`+
		`{"type":"document","source":{"type":"url","url":"https://x.example/a.pdf"},"cache_control":{"type":"ephemeral","ttl":"1h"}}]}]`)
	// Thinking of others stays away.
	f(llm.Chat{Messages: []llm.Turn{turn(llm.RoleAssistant, llm.Part{Kind: llm.PartThinking, Text: "a"}, llm.Part{Kind: llm.PartThinking, Text: "b", Signature: "s", Origin: llm.Gemini},
		llm.Part{Kind: llm.PartRedacted, Signature: "r", Origin: llm.Responses}, llm.Part{Kind: llm.PartThinking, Text: "c", Signature: "s", Origin: llm.Anthropic}, llm.Part{Kind: llm.PartRefusal, Text: "no"})}},
		`"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"c","signature":"s"},{"type":"text","text":"no"}]}]`)
	// Tools.
	tools := []llm.Function{
		{Name: "f"},
		{Name: "g", Parameters: `{ "properties":{}}`, Description: "d", CacheTTL: "5m"},
		{Name: "h", Parameters: " {} ", Strict: &no},
		{Name: "c", Custom: true},
		{Name: "web", Raw: "{}", Origin: llm.OpenAI},
	}
	worded := `"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}},{"name":"g","description":"d","input_schema":{"type":"object", "properties":{}},"cache_control":{"type":"ephemeral"}},` +
		`{"name":"h","input_schema":{"type":"object","properties":{}},"strict":false},{"name":"c","input_schema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}]`
	f(llm.Chat{Tools: tools}, worded)
	f(llm.Chat{Tools: tools, Parallel: &no}, worded+`,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`)
	f(llm.Chat{Tools: tools, Parallel: &yes, ToolChoice: llm.ToolChoice{Mode: llm.ToolsAuto}}, worded+`,"tool_choice":{"type":"auto"}`)
	f(llm.Chat{Tools: tools, Parallel: &no, ToolChoice: llm.ToolChoice{Mode: llm.ToolsNone}}, worded+`,"tool_choice":{"type":"none"}`)
	f(llm.Chat{Tools: tools, ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired}}, worded+`,"tool_choice":{"type":"any"}`)
	f(llm.Chat{Tools: tools, ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"f", "g"}}}, worded+`,"tool_choice":{"type":"any"}`)
	f(llm.Chat{Tools: tools, ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"f"}}}, worded+`,"tool_choice":{"type":"tool","name":"f"}`)
	// The rest.
	const bare = `"messages":[` + `{"role":"user","content":[{"type":"text","text":"q"}]}]`
	f(llm.Chat{ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired}}, bare)
	f(llm.Chat{Reasoning: llm.Reasoning{Mode: llm.ThinkAdaptive, Effort: "high", Summary: "auto"}}, `"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}`)
	f(llm.Chat{Reasoning: llm.Reasoning{Mode: llm.ThinkOn}}, `"thinking":{"type":"adaptive"}`)
	f(llm.Chat{Reasoning: llm.Reasoning{Mode: llm.ThinkOn, Budget: 100}}, `"thinking":{"type":"enabled","budget_tokens":1024}`)
	f(llm.Chat{Reasoning: llm.Reasoning{Mode: llm.ThinkOn, Budget: 9000}}, `"thinking":{"type":"enabled","budget_tokens":4095}`)
	f(llm.Chat{Reasoning: llm.Reasoning{Mode: llm.ThinkOff}}, `"thinking":{"type":"disabled"}`)
	f(llm.Chat{Reasoning: llm.Reasoning{Effort: "none"}}, `"thinking":{"type":"disabled"}`)
	f(llm.Chat{Reasoning: llm.Reasoning{Effort: "minimal"}}, `"output_config":{"effort":"low"}`)
	f(llm.Chat{Format: llm.Format{Kind: llm.FormatSchema, Schema: `{"type":"object"}`}}, `"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}`)
	f(llm.Chat{Temperature: "0.50", TopP: "1", Stop: []string{"a", "b"}}, `"temperature":0.50,"top_p":1,"stop_sequences":["a","b"]`)
	f(llm.Chat{Temperature: "1.5"}, `"temperature":1`)
	f(llm.Chat{Temperature: "-1"}, `"temperature":0`)
	f(llm.Chat{SafetyIdentifier: "s", ServiceTier: "flex", Stream: true}, `"metadata":{"user_id":"s"},"service_tier":"standard_only","stream":true`)
	f(llm.Chat{User: "u", SafetyIdentifier: "s", ServiceTier: "priority"}, `"metadata":{"user_id":"u"},"service_tier":"auto"`)

	small := llm.Chat{MaxTokens: 1000, Messages: []llm.Turn{turn(llm.RoleUser, text("q"))}, Reasoning: llm.Reasoning{Mode: llm.ThinkOn, Budget: 2048}}
	if got := string(AppendChat(nil, &small)); strings.Contains(got, "thinking") || !strings.Contains(got, `"max_tokens":1000,`) {
		t.Errorf("thinking without room for it: %s", got)
	}
}

// TestChatComesBack: what is written is read as it was, as far as the protocol has words for it.
func TestChatComesBack(t *testing.T) {
	t.Parallel()
	c, err := ReadChat(llm.OpChat, []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	first := AppendChat(nil, c)
	again, err := ReadChat(llm.OpChat, first)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(first), string(AppendChat(nil, again))); d != "" {
		t.Errorf("the second time it is worded otherwise (-first +second):\n%s", d)
	}
}

// FuzzChat: whatever can be read is written as a request that can be read.
func FuzzChat(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[]}}]}]}`))
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[],"system":"x","cache_control":{"type":"ephemeral"},"tools":[{"type":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ReadChat(llm.OpChat, body)
		if err != nil {
			if err.Kind != llm.KindBadRequest {
				t.Fatalf("kind %v", err.Kind)
			}
			return
		}
		out := AppendChat(nil, c)
		if _, err := ParseRequest(llm.OpChat, out); err != nil && c.Model != "" && len(c.Model) <= wire.MaxModel {
			t.Fatalf("%q is worded as %q: %v", body, out, err)
		}
		if _, err := ReadChat(llm.OpChat, out); err != nil {
			t.Fatalf("%q is worded as %q: %v", body, out, err)
		}
	})
}
