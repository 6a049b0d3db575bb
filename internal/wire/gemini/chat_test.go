package gemini_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/gemini"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// plain prints a chat without what is zero.
func plain(t *testing.T, c *llm.Chat) []byte {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(strip(v)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// strip removes zero values of a JSON document.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if x = strip(x); x == nil || x == "" || x == false || x == 0.0 {
				delete(v, k)
			} else {
				v[k] = x
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}

// TestReadChat reads requests of testdata: what they say in neutral words, and what a target is asked for by it.
func TestReadChat(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"full", "tools", "history"} {
		body, err := os.ReadFile(filepath.Join("testdata", name+".request.json"))
		if err != nil {
			t.Fatal(err)
		}
		chat, fault := gemini.ReadChat(llm.OpChat, body)
		if fault != nil {
			t.Fatalf("%s: %v", name, fault)
		}
		golden(t, name+".chat.golden", plain(t, chat))
		again := gemini.AppendChat(nil, chat)
		if !wire.Valid(again) {
			t.Fatalf("%s: %s", name, again)
		}
		var out bytes.Buffer
		if err := json.Indent(&out, again, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".again.golden", append(out.Bytes(), '\n'))
		// What was written says the same, but for what has no word in a Chat.
		second, fault := gemini.ReadChat(llm.OpChat, again)
		if fault != nil {
			t.Fatalf("%s: %v", name, fault)
		}
		chat.Extra = nil
		for i := range chat.Messages {
			for j := range chat.Messages[i].Parts {
				if p := &chat.Messages[i].Parts[j]; p.Kind == llm.PartFile {
					p.Name = "" // Google has no name for data
				}
			}
		}
		if diff := cmp.Diff(chat, second); diff != "" {
			t.Errorf("%s: read again (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadChatRefuses(t *testing.T) {
	t.Parallel()
	f := func(body, param, message string) {
		t.Helper()
		_, err := gemini.ReadChat(llm.OpChat, []byte(body))
		if err == nil || err.Kind != llm.KindBadRequest || err.Param != param || !strings.Contains(err.Message, message) {
			t.Errorf("%s: %v (param %q)", body, err, err.Param)
		}
	}
	hi := `"contents":[{"parts":[{"text":"hi"}]}]`
	f(`{"contents":[]}`, "contents", "empty")
	f(`{"contents":[7]}`, "contents[0]", "a number")
	f(`{"contents":[{"role":"assistant","parts":[]}]}`, "contents[0].role", `"assistant"`)
	f(`{"contents":[{"role":7}]}`, "contents[0].role", "must be a string")
	f(`{"contents":[{"role":"user","role":"model"}]}`, "contents[0].role", "twice")
	f(`{"contents":[{"parts":["hi"]}]}`, "contents[0].parts[0]", "must be an object")
	f(`{"contents":[{"parts":"hi"}]}`, "contents[0].parts", "must be an array")
	f(`{"contents":[{"parts":[{"functionCall":{}}]}]}`, "contents[0].parts[0].functionCall.name", "missing")
	f(`{"contents":[{"parts":[{"functionCall":{"name":"f","args":[]}}]}]}`, "contents[0].parts[0].functionCall.args", "an array")
	f(`{"contents":[{"parts":[{"functionResponse":{"name":"f","response":"x"}}]}]}`, "contents[0].parts[0].functionResponse.response", "a string")
	f(`{`+hi+`,"systemInstruction":"x"}`, "systemInstruction", "must be an object")
	f(`{`+hi+`,"tools":[{"functionDeclarations":[{}]}]}`, "tools[0].functionDeclarations[0].name", "missing")
	f(`{`+hi+`,"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}`, "toolConfig.functionCallingConfig.mode", `"SOME"`)
	f(`{`+hi+`,"generationConfig":{"temperature":"warm"}}`, "generationConfig.temperature", "must be a number")
	f(`{`+hi+`,"generationConfig":{"topK":1,"top_k":1}}`, "generationConfig.topK", "twice")
	f(`{`+hi+`,"generationConfig":{"stopSequences":[1]}}`, "generationConfig.stopSequences[0]", "must be a string")
	f(`{`+hi+`,"generationConfig":{"responseLogprobs":1}}`, "generationConfig.responseLogprobs", "must be a boolean")
	f(`{`+hi+`,"generationConfig":{"logprobs":-1}}`, "generationConfig.logprobs", "at least 0")
	f(`{`+hi+`,"generationConfig":{"thinkingConfig":{"thinkingBudget":-2}}}`, "generationConfig.thinkingConfig.thinkingBudget", "at least -1")
	f(`{`+hi+`,"generationConfig":{"thinkingConfig":true}}`, "generationConfig.thinkingConfig", "must be an object")
}

func TestReadThinking(t *testing.T) {
	t.Parallel()
	f := func(config string, want llm.Reasoning, again string) {
		t.Helper()
		body := `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"thinkingConfig":` + config + `}}`
		chat, err := gemini.ReadChat(llm.OpChat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if chat.Reasoning != want {
			t.Errorf("%s is %+v", config, chat.Reasoning)
		}
		if got := string(gemini.AppendChat(nil, chat)); !strings.Contains(got, `"thinkingConfig":`+again+`}`) {
			t.Errorf("%s is written as %s", config, got)
		}
	}
	f(`{"thinkingBudget":0}`, llm.Reasoning{Mode: llm.ThinkOff, Summary: "none"}, `{"thinkingBudget":0}`)
	f(`{"thinking_budget":-1,"include_thoughts":true}`, llm.Reasoning{Mode: llm.ThinkAdaptive, Summary: "auto"}, `{"thinkingBudget":-1,"includeThoughts":true}`)
	f(`{"thinkingBudget":512,"includeThoughts":false}`, llm.Reasoning{Mode: llm.ThinkOn, Budget: 512, Summary: "none"}, `{"thinkingBudget":512}`)
	f(`{"thinkingLevel":"LOW"}`, llm.Reasoning{Mode: llm.ThinkOn, Effort: "low", Summary: "none"}, `{"thinkingLevel":"LOW"}`)
	f(`{"thinkingLevel":"THINKING_LEVEL_UNSPECIFIED","includeThoughts":true}`, llm.Reasoning{Summary: "auto"}, `{"includeThoughts":true}`)
}

// TestAppendChat writes what comes from other dialects.
func TestAppendChat(t *testing.T) {
	t.Parallel()
	f := func(c llm.Chat, want string) {
		t.Helper()
		got := string(gemini.AppendChat(nil, &c))
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	text := func(role llm.Role, s string) llm.Turn {
		return llm.Turn{Role: role, Parts: []llm.Part{{Kind: llm.PartText, Text: s}}}
	}
	hi := []llm.Turn{text(llm.RoleUser, "hi")}
	const said = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]`
	f(llm.Chat{Messages: hi}, said+`}`)
	f(llm.Chat{Messages: []llm.Turn{text(llm.RoleSystem, "a"), text(llm.RoleUser, "b"), text(llm.RoleDeveloper, "c"), text(llm.RoleUser, "d"), text(llm.RoleAssistant, "e")}},
		`{"systemInstruction":{"parts":[{"text":"a"},{"text":"c"}]},"contents":[{"role":"user","parts":[{"text":"b"},{"text":"d"}]},{"role":"model","parts":[{"text":"e"}]}]}`)
	f(llm.Chat{Messages: []llm.Turn{text(llm.RoleSystem, "a")}}, `{"contents":[{"role":"user","parts":[{"text":"a"}]}]}`)
	f(llm.Chat{Messages: []llm.Turn{text(llm.RoleSystem, ""), text(llm.RoleUser, "b"), text(llm.RoleAssistant, ""), text(llm.RoleUser, "c")}},
		`{"contents":[{"role":"user","parts":[{"text":"b"}]},{"role":"user","parts":[{"text":"c"}]}]}`)
	f(llm.Chat{
		Messages: hi, MaxTokens: 5, Choices: 2, Stop: []string{"x"}, Temperature: "0.10", TopP: "1", TopK: "40", FrequencyPenalty: "1", PresencePenalty: "2", Seed: "3",
		Logprobs: true, TopLogprobs: 4, ServiceTier: "default", User: "u", LogitBias: "{}", Metadata: `{"k":"v"}`, Verbosity: "low",
	}, said+`,"generationConfig":{"maxOutputTokens":5,"candidateCount":2,"stopSequences":["x"],"temperature":0.10,"topP":1,"topK":40,"frequencyPenalty":1,`+
		`"presencePenalty":2,"seed":3,"responseLogprobs":true,"logprobs":4},"serviceTier":"standard","labels":{"k":"v"}}`)
	f(llm.Chat{Messages: hi, Format: llm.Format{Kind: llm.FormatJSON}, ServiceTier: "auto"}, said+`,"generationConfig":{"responseMimeType":"application/json"}}`)
	f(llm.Chat{Messages: hi, Format: llm.Format{Kind: llm.FormatSchema, Name: "n", Schema: `{"a":1}`}},
		said+`,"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"a":1}}}`)
	think := func(r llm.Reasoning, want string) {
		t.Helper()
		f(llm.Chat{Messages: hi, Reasoning: r}, said+`,"generationConfig":{"thinkingConfig":`+want+`}}`)
	}
	think(llm.Reasoning{Mode: llm.ThinkOn, Effort: "max"}, `{"thinkingLevel":"HIGH","includeThoughts":true}`)
	think(llm.Reasoning{Effort: "minimal", Summary: "none"}, `{"thinkingLevel":"MINIMAL"}`)
	think(llm.Reasoning{Effort: "none"}, `{"thinkingBudget":0}`)
	think(llm.Reasoning{Mode: llm.ThinkOn, Budget: 100, Effort: "low"}, `{"thinkingBudget":100,"includeThoughts":true}`)
	think(llm.Reasoning{Mode: llm.ThinkOff, Effort: "low"}, `{"thinkingLevel":"LOW","includeThoughts":true}`)

	tool := llm.Function{Name: "f", Description: "d", Parameters: `{"type":"object"}`}
	tools := func(c llm.Chat, want string) {
		t.Helper()
		c.Messages = hi
		f(c, said+`,"tools":[`+want)
	}
	declared := `{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]}]`
	tools(llm.Chat{Tools: []llm.Function{tool}}, declared+`}`)
	tools(llm.Chat{Tools: []llm.Function{tool}, ToolChoice: llm.ToolChoice{Mode: llm.ToolsNone, Names: []string{"f"}}}, declared+`,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}`)
	tools(llm.Chat{Tools: []llm.Function{tool}, ToolChoice: llm.ToolChoice{Mode: llm.ToolsAuto}}, declared+`,"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}`)
	tools(llm.Chat{Tools: []llm.Function{tool}, ToolChoice: llm.ToolChoice{Mode: llm.ToolsAuto, Names: []string{"f"}}},
		declared+`,"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED","allowedFunctionNames":["f"]}}}`)
	tools(llm.Chat{Tools: []llm.Function{tool}, ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"f"}}},
		declared+`,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`)
	tools(llm.Chat{Tools: []llm.Function{{Name: "c", Custom: true}, {Name: "googleSearch", Raw: `{"googleSearch":{}}`, Origin: llm.Gemini}, {Name: "x", Raw: "{}", Origin: llm.OpenAI}}},
		`{"functionDeclarations":[{"name":"c","parametersJsonSchema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}]},{"googleSearch":{}}]}`)
	f(llm.Chat{Messages: hi, Tools: []llm.Function{{Name: "x", Raw: "{}", Origin: llm.OpenAI}}}, said+`}`)
}

func TestAppendParts(t *testing.T) {
	t.Parallel()
	f := func(role llm.Role, p llm.Part, want string) {
		t.Helper()
		call := llm.Part{Kind: llm.PartToolCall, ID: "c1", Name: "named", Text: "{}"}
		chat := llm.Chat{Messages: []llm.Turn{{Role: llm.RoleAssistant, Parts: []llm.Part{call}}, {Role: role, Parts: []llm.Part{p}}}}
		got := string(gemini.AppendChat(nil, &chat))
		const head = `{"contents":[{"role":"model","parts":[{"functionCall":{"id":"c1","name":"named","args":{}}}`
		if role == llm.RoleAssistant && want != "" {
			want = "," + want
		} else if want != "" {
			want = `]},{"role":"user","parts":[` + want
		}
		if got != head+want+`]}]}` || !json.Valid([]byte(got)) {
			t.Errorf("got  %s\nwant %s", got, head+want+`]}]}`)
		}
	}
	f(llm.RoleUser, llm.Part{Kind: llm.PartImage, URL: "data:image/webp;base64,AAAA"}, `{"inlineData":{"mimeType":"image/webp","data":"AAAA"}}`)
	f(llm.RoleUser, llm.Part{Kind: llm.PartImage, URL: "https://x/a.PNG?size=1"}, `{"fileData":{"mimeType":"image/png","fileUri":"https://x/a.PNG?size=1"}}`)
	f(llm.RoleUser, llm.Part{Kind: llm.PartImage, URL: "https://x/a"}, `{"fileData":{"mimeType":"image/jpeg","fileUri":"https://x/a"}}`)
	f(llm.RoleUser, llm.Part{Kind: llm.PartFile, URL: "gs://b/a.csv"}, `{"fileData":{"mimeType":"text/csv","fileUri":"gs://b/a.csv"}}`)
	f(llm.RoleUser, llm.Part{Kind: llm.PartFile, Name: "a.md", Data: "AAAA"}, `{"inlineData":{"mimeType":"text/markdown","data":"AAAA"}}`)
	f(llm.RoleUser, llm.Part{Kind: llm.PartFile, URL: "https://www.youtube.com/watch?v=1"}, `{"fileData":{"mimeType":"video/*","fileUri":"https://www.youtube.com/watch?v=1"}}`)
	f(llm.RoleUser, llm.Part{Kind: llm.PartAudio, MIME: "audio/mp3", Data: "AAAA"}, `{"inlineData":{"mimeType":"audio/mp3","data":"AAAA"}}`)
	f(llm.RoleUser, llm.Part{Kind: llm.PartFile, FileID: "files/7", MIME: "text/plain", Origin: llm.Gemini}, `{"fileData":{"mimeType":"text/plain","fileUri":"files/7"}}`)
	f(llm.RoleUser, llm.Part{Kind: llm.PartFile, FileID: "file-7", Origin: llm.OpenAI}, ``)
	f(llm.RoleTool, llm.Part{Kind: llm.PartToolResult, ID: "c1", Parts: []llm.Part{{Kind: llm.PartText, Text: "a"}, {Kind: llm.PartText, Text: "b"}}},
		`{"functionResponse":{"id":"c1","name":"named","response":{"result":"ab"}}}`)
	f(llm.RoleTool, llm.Part{Kind: llm.PartToolResult, ID: "c1", Parts: []llm.Part{{Kind: llm.PartText, Text: ` {"a":1}`}}}, `{"functionResponse":{"id":"c1","name":"named","response":{"a":1}}}`)
	f(llm.RoleTool, llm.Part{Kind: llm.PartToolResult, ID: "c1", IsError: true, Parts: []llm.Part{{Kind: llm.PartText, Text: "{}"}}},
		`{"functionResponse":{"id":"c1","name":"named","response":{"error":"{}"}}}`)
	f(llm.RoleTool, llm.Part{Kind: llm.PartToolResult, ID: "c1"}, `{"functionResponse":{"id":"c1","name":"named","response":{"result":""}}}`)
	f(llm.RoleTool, llm.Part{Kind: llm.PartToolResult, ID: "c9", Parts: []llm.Part{{Kind: llm.PartImage, MIME: "image/png", Data: "AAAA"}}},
		`{"functionResponse":{"id":"c9","name":"c9","response":{"result":""},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}`)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartToolCall, ID: "call_gm0123456789abcdef", Name: "g", Text: "not json", Signature: "U0lH", Origin: llm.Gemini},
		`{"functionCall":{"name":"g","args":{"input":"not json"}},"thoughtSignature":"U0lH"}`)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartToolCall, ID: "x", Name: "g", Text: "{}", Signature: "sig", Origin: llm.Anthropic}, `{"functionCall":{"id":"x","name":"g","args":{}}}`)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartThinking, Text: "t", Signature: "sig", Origin: llm.Anthropic}, ``)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartRedacted, Signature: "sig", Origin: llm.Anthropic}, ``)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartThinking, Text: "t"}, `{"text":"t","thought":true}`)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartThinking, Signature: "U0lH", Origin: llm.Gemini}, `{"text":"","thought":true,"thoughtSignature":"U0lH"}`)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartRefusal, Text: "no"}, `{"text":"no"}`)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartOther, Raw: `{"x":1}`, Origin: llm.Gemini}, `{"x":1}`)
	f(llm.RoleAssistant, llm.Part{Kind: llm.PartOther, Raw: `{"x":1}`, Origin: llm.Anthropic}, ``)
}

// TestStreamedHistory checks that the chunks of a streamed answer, which the SDKs' chats send back as contents of their own, are one
// turn again, whose thoughts have the signature that came after them.
func TestStreamedHistory(t *testing.T) {
	t.Parallel()
	chat, err := gemini.ReadChat(llm.OpChat, []byte(`{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"user","parts":[{"text":"b"}]},
		{"role":"model","parts":[{"text":"th","thought":true}]},{"role":"model","parts":[{"text":"ink","thought":true}]},
		{"role":"model","parts":[{"thought":true,"thoughtSignature":"c2x1aWNlOmFudGhyb3BpYzpzaWc="}]},
		{"role":"model","parts":[{"text":"te"}]},{"role":"model","parts":[{"text":"xt"}]},{"role":"model","parts":[{}]},
		{"role":"model","parts":[{"functionCall":{"name":"f"}}]},{"role":"model","parts":[{"text":""}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []llm.Turn{
		{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: "a"}}},
		{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: "b"}}},
		{Role: llm.RoleAssistant, Parts: []llm.Part{
			{Kind: llm.PartThinking, Text: "think", Signature: "sig", Origin: llm.Anthropic},
			{Kind: llm.PartText, Text: "text"},
			{Kind: llm.PartToolCall, ID: "call_0", Name: "f", Text: "{}"},
		}},
	}
	if diff := cmp.Diff(want, chat.Messages); diff != "" {
		t.Errorf("turns differ (-want +got):\n%s", diff)
	}
}
