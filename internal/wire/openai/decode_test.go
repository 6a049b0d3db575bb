package openai

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const oneMessage = `"messages":[{"role":"user","content":"hi"}]`

func TestDecodeChatRefusesWithParamAndCode(t *testing.T) {
	t.Parallel()
	f := func(name, body, param, code, text string) {
		t.Helper()
		_, err := DecodeChat([]byte(body))
		if err == nil {
			t.Errorf("%s: accepted", name)
			return
		}
		if err.Param != param || err.Code != code || !strings.Contains(err.Message, text) {
			t.Errorf("%s: got %+v, want param %q, code %q, text %q", name, *err, param, code, text)
		}
	}
	m := `{"model":"m",` + oneMessage + `,`
	f("no JSON", `{"model":`, "", "", "could not parse the JSON body")
	f("array", `[]`, "", "", "could not parse the JSON body")
	f("null", `null`, "", "", "could not parse the JSON body")
	f("no model", `{`+oneMessage+`}`, "model", "missing_required_parameter", "Missing required parameter: 'model'.")
	f("model is a number", `{"model":1,`+oneMessage+`}`, "model", "invalid_type", "expected a string, but got a number")
	f("no messages", `{"model":"m"}`, "messages", "missing_required_parameter", "'messages'")
	f("messages is text", `{"model":"m","messages":"hi"}`, "messages", "invalid_type", "expected an array")
	f("no message", `{"model":"m","messages":[]}`, "messages", "empty_array", "empty array")
	f("message is text", `{"model":"m","messages":["hi"]}`, "messages[0]", "invalid_type", "expected an object")
	f("no role", `{"model":"m","messages":[{"content":"hi"}]}`, "messages[0].role", "missing_required_parameter", "role")
	f("odd role", `{"model":"m","messages":[{"role":"boss","content":"hi"}]}`, "messages[0].role", "invalid_value", "'boss'")
	f("no content", `{"model":"m","messages":[{"role":"user"}]}`, "messages[0].content", "invalid_type", "null")
	f("content is a number", `{"model":"m","messages":[{"role":"user","content":3}]}`, "messages[0].content", "invalid_type", "a number")
	f("part without type", `{"model":"m","messages":[{"role":"user","content":[{"text":"a"}]}]}`, "messages[0].content[0].type", "missing_required_parameter", "")
	f("tool without id", `{"model":"m","messages":[{"role":"tool","content":"a"}]}`, "messages[0].tool_call_id", "missing_required_parameter", "")
	f("call without name", `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{}}]}]}`,
		"messages[0].tool_calls[0].function.name", "missing_required_parameter", "")
	f("stream is text", m+`"stream":"yes"}`, "stream", "invalid_type", "a boolean")
	f("temperature", m+`"temperature":3}`, "temperature", "decimal_above_max_value", "<= 2, but got 3")
	f("n", m+`"n":0}`, "n", "decimal_below_min_value", ">= 1")
	f("n is no integer", m+`"n":1.5}`, "n", "invalid_type", "an integer")
	f("max_tokens", m+`"max_tokens":0}`, "max_tokens", "decimal_below_min_value", "")
	f("max_completion_tokens", m+`"max_completion_tokens":"9"}`, "max_completion_tokens", "invalid_type", "")
	f("stop", m+`"stop":["a","b","c","d","e"]}`, "stop", "array_above_max_length", "length 5")
	f("stop item", m+`"stop":[1]}`, "stop[0]", "invalid_type", "")
	f("stream_options", m+`"stream_options":{"include_usage":true}}`, "stream_options", "", "only allowed when 'stream'")
	f("include_usage", m+`"stream":true,"stream_options":{"include_usage":1}}`, "stream_options.include_usage", "invalid_type", "")
	f("tool type", m+`"tools":[{"type":"magic"}]}`, "tools[0].type", "invalid_value", "'magic'")
	f("tool name", m+`"tools":[{"type":"function","function":{}}]}`, "tools[0].function.name", "missing_required_parameter", "")
	f("tool_choice without tools", m+`"tool_choice":"auto"}`, "tool_choice", "", "only allowed when 'tools'")
	f("tool_choice names no tool", m+`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}}`,
		"tool_choice", "", "no tool is named 'g'")
	f("response_format", m+`"response_format":{"type":"xml"}}`, "response_format.type", "invalid_value", "")
	f("schema", m+`"response_format":{"type":"json_schema"}}`, "response_format.json_schema", "missing_required_parameter", "")
	f("top_logprobs", m+`"top_logprobs":2}`, "top_logprobs", "invalid_value", "logprobs")
	f("reasoning_effort", m+`"reasoning_effort":"huge"}`, "reasoning_effort", "invalid_value", "'huge'")
}

func TestDecodeChatReadsEverything(t *testing.T) {
	t.Parallel()
	got, err := DecodeChat([]byte(`{"model":"m","n":2,"max_completion_tokens":9,"stop":"x","stream":true,"unknown":{"a":1},
		"stream_options":{"include_usage":true,"continuous_usage_stats":true},"parallel_tool_calls":false,"user":"u",
		"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}},
		"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"array"}}},"logprobs":true,"top_logprobs":3,
		"reasoning_effort":"low","service_tier":"flex","ignore_eos":true,"min_tokens":4,"messages":[
		{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"b"}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"c","content":"done"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &ChatRequest{
		Model: "m", Choices: 2, MaxTokens: 9, MinTokens: 4, IgnoreEOS: true, Stop: []string{"x"}, Stream: true,
		IncludeUsage: true, EachUsage: true, User: "u", Logprobs: true, TopLogprobs: 3, ReasoningEffort: "low", ServiceTier: "flex",
		Tools:      []Tool{{Type: "function", Name: "f", Parameters: json.RawMessage(`{"type":"object"}`)}},
		ToolsText:  []byte(`[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`),
		ToolChoice: ToolChoice{Name: "f"},
		Format:     ResponseFormat{Type: "json_schema", Name: "s", Schema: json.RawMessage(`{"type":"array"}`)},
		Messages: []Message{
			{Role: "user", Text: "a\nb", Parts: 1},
			{Role: "assistant", ToolCalls: []ToolCall{{ID: "c", Name: "f", Arguments: []byte("{}")}}},
			{Role: "tool", Text: "done", ToolCallID: "c"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DecodeChat (-want +got):\n%s", diff)
	}
}

func TestDecodeInputs(t *testing.T) {
	t.Parallel()
	f := func(input string, want []Input, param string) {
		t.Helper()
		got, err := DecodeEmbedding(fmt.Appendf(nil, `{"model":"m","input":%s}`, input))
		switch {
		case param != "" && (err == nil || err.Param != param):
			t.Errorf("input %.40s: error %v, want one about %q", input, err, param)
		case param == "" && err != nil:
			t.Errorf("input %.40s: %v", input, err)
		case param == "":
			if diff := cmp.Diff(want, got.Inputs); diff != "" {
				t.Errorf("input %.40s (-want +got):\n%s", input, diff)
			}
		}
	}
	f(`"a"`, []Input{{Text: "a"}}, "")
	f(`["a","b"]`, []Input{{Text: "a"}, {Text: "b"}}, "")
	f(`[1,2]`, []Input{{Tokens: []int64{1, 2}}}, "")
	f(`[[1],[2,3]]`, []Input{{Tokens: []int64{1}}, {Tokens: []int64{2, 3}}}, "")
	f(`""`, nil, "input")
	f(`["a",""]`, nil, "input")
	f(`[]`, nil, "input")
	f(`[[]]`, nil, "input")
	f(`null`, nil, "input")
	f(`{}`, nil, "input")
	f(`[1,"a"]`, nil, "input")
	f(`["a",1]`, nil, "input[1]")
	f(`[true]`, nil, "input[0]")
	f(`[`+strings.Repeat(`"a",`, 2048)+`"a"]`, nil, "input")
	if got, err := DecodeEmbedding([]byte(`{"model":"m","input":[` + strings.Repeat(`"a",`, 2047) + `"a"]}`)); err != nil || len(got.Inputs) != 2048 {
		t.Errorf("2,048 inputs are refused: %v", err)
	}
	if _, err := DecodeEmbedding([]byte(`{"model":"m","input":"a","encoding_format":"hex"}`)); err == nil || err.Param != "encoding_format" {
		t.Errorf("encoding_format hex: %v", err)
	}
}

func TestDecodeCompletionDefaults(t *testing.T) {
	t.Parallel()
	got, err := DecodeCompletion([]byte(`{"model":"m","prompt":["a","b"]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &CompletionRequest{Model: "m", Prompts: []Input{{Text: "a"}, {Text: "b"}}, Choices: 1, MaxTokens: 16}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DecodeCompletion (-want +got):\n%s", diff)
	}
}

// FuzzDecode checks that no body makes a decoder panic, that what is no JSON object is refused, and that an accepted
// request has what every request must have.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		``, `null`, `{}`, `{"model":"m",` + oneMessage + `}`, `{"model":"m","input":[[1,2],[3]]}`,
		`{"model":"m","prompt":"a","n":2,"stop":["x"]}`, `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`,
		`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}]}`,
		`{"model":"m",` + oneMessage + `,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"}`,
		`{"model":"m",` + oneMessage + `,"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		chat, errChat := DecodeChat(body)
		text, errText := DecodeCompletion(body)
		emb, errEmb := DecodeEmbedding(body)
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil && (errChat == nil || errText == nil || errEmb == nil) {
			t.Fatalf("a body that is no JSON object is accepted: %q", body)
		}
		if errChat == nil && (len(chat.Messages) == 0 || chat.Choices < 1 || len(chat.Stop) > 4) {
			t.Errorf("accepted chat request %+v", chat)
		}
		if errText == nil && (len(text.Prompts) == 0 || text.Choices < 1) {
			t.Errorf("accepted completion request %+v", text)
		}
		if errEmb == nil && (len(emb.Inputs) == 0 || len(emb.Inputs) > maxInputs) {
			t.Errorf("accepted embedding request with %d inputs", len(emb.Inputs))
		}
	})
}
