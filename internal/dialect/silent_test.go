package dialect_test

import (
	"strings"
	"testing"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
)

// asked is one parameter of a front, as PROVIDERS.md 1.2, 1.3, 2.2 and 3.2 list them.
type asked struct {
	name string // what a note has to name: the parameter in the client's spelling, or a part of that
	json string // members of a request that ask for it; ,"tools" and "messages" among them stand in for those of plain
}

// The requests that parameters are added to. $ is where. What a parameter needs beside itself stands in it, so that the request with
// it differs by it alone.
const (
	plainOpenAI    = `{"model":"m","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":4096$}`
	plainResponses = `{"model":"m","input":"hi","max_output_tokens":4096$}`
	plainAnthropic = `{"model":"m","max_tokens":4096,"messages":[{"role":"user","content":"hi"}]$}`
	plainGemini    = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]$}`
)

func askedOf(front llm.Dialect) (plain string, all []asked) {
	switch front {
	case llm.OpenAI:
		return plainOpenAI, askedOfOpenAI()
	case llm.Responses:
		return plainResponses, askedOfResponses()
	case llm.Anthropic:
		return plainAnthropic, askedOfAnthropic()
	}
	return plainGemini, askedOfGemini()
}

func askedOfOpenAI() []asked {
	tools := `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g","parameters":{"type":"object"}}}]`
	return []asked{
		{"temperature", `"temperature":0.3`},
		{"top_p", `"top_p":0.3`},
		{"top_k", `"top_k":7`},
		{"n", `"n":2`},
		{"stop", `"stop":["x"]`},
		{"stop", `"stop":"x"`},
		{"seed", `"seed":7`},
		{"frequency_penalty", `"frequency_penalty":0.5`},
		{"presence_penalty", `"presence_penalty":0.5`},
		{"logit_bias", `"logit_bias":{"1":2}`},
		{"logprobs", `"logprobs":true`},
		{"logprobs", `"logprobs":true,"top_logprobs":3`},
		{"response_format", `"response_format":{"type":"json_object"}`},
		{"response_format", `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}`},
		{"response_format", `"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}}},"novel":1}}`},
		{"tools", tools},
		{"tools", `"tools":[{"type":"custom","custom":{"name":"c","format":{"type":"text"}}}]`},
		{"tools", `"tools":[{"type":"web_search_preview"}]`},
		{"strict", `"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object"}}}]`},
		{"novel", `"tools":[{"type":"function","function":{"name":"f","novel":1,"parameters":{"type":"object"}}}]`},
		{"novel", `"tools":[{"type":"function","novel":1,"function":{"name":"f","parameters":{"type":"object"}}}]`},
		{"tool_choice", tools + `,"tool_choice":"required"`},
		{"tool_choice", tools + `,"tool_choice":"none"`},
		{"tool_choice", tools + `,"tool_choice":{"type":"function","function":{"name":"f"}}`},
		{"tool_choice", tools + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}`},
		{"parallel_tool_calls", tools + `,"parallel_tool_calls":false`},
		{"functions", `"functions":[{"name":"f","parameters":{"type":"object"}}],"function_call":{"name":"f"}`},
		{"modalities", `"modalities":["text","audio"]`},
		{"audio", `"audio":{"format":"wav","voice":"alloy"}`},
		{"prediction", `"prediction":{"type":"content","content":"x"}`},
		{"reasoning_effort", `"reasoning_effort":"high"`},
		{"reasoning_effort", `"reasoning_effort":"none"`},
		{"reasoning_effort", `"reasoning_effort":"xhigh"`},
		{"reasoning_effort", `"reasoning_effort":"minimal"`},
		{"verbosity", `"verbosity":"low"`},
		{"service_tier", `"service_tier":"flex"`},
		{"service_tier", `"service_tier":"priority"`},
		{"service_tier", `"service_tier":"scale"`},
		{"store", `"store":true`},
		{"metadata", `"metadata":{"k":"v"}`},
		{"prompt_cache_key", `"prompt_cache_key":"k"`},
		{"prompt_cache_options", `"prompt_cache_options":{"mode":"explicit","ttl":"30m"}`},
		{"prompt_cache_retention", `"prompt_cache_retention":"24h"`},
		{"safety_identifier", `"safety_identifier":"u"`},
		{"user", `"user":"u"`},
		{"moderation", `"moderation":{"model":"omni-moderation-latest"}`},
		{"web_search_options", `"web_search_options":{}`},
		{"novel", `"novel":1`},
		{"novel", `"stream_options":{"novel":true}`},
		{"name", `"messages":[{"role":"user","name":"ann","content":"hi"}]`},
		{"role", `"messages":[{"role":"developer","content":"be brief"},{"role":"user","content":"hi"}]`},
		{"image_url", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]`},
		{"detail", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}]}]`},
		{"input_audio", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]`},
		{"file", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"file","file":{"file_id":"file-1"}}]}]`},
		{"file", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}]}]`},
		{"prompt_cache_breakpoint", `"messages":[{"role":"user","content":[{"type":"text","text":"hi","prompt_cache_breakpoint":{"mode":"explicit"}}]}]`},
		{"novel", `"messages":[{"role":"user","content":[{"type":"text","text":"hi","novel":1}]}]`},
		{"novel", `"messages":[{"role":"user","novel":1,"content":"hi"}]`},
	}
}

func askedOfResponses() []asked {
	tools := `"tools":[{"type":"function","name":"f","parameters":{"type":"object"}},{"type":"function","name":"g","parameters":{"type":"object"}}]`
	return []asked{
		{"instructions", `"instructions":"be brief"`},
		{"temperature", `"temperature":0.3`},
		{"top_p", `"top_p":0.3`},
		{"top_logprobs", `"top_logprobs":3`},
		{"top_logprobs", `"include":["message.output_text.logprobs"]`},
		{"include", `"include":["file_search_call.results"]`},
		{"max_tool_calls", `"max_tool_calls":3`},
		{"text.format", `"text":{"format":{"type":"json_object"}}`},
		{"text.format", `"text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}`},
		{"novel", `"text":{"novel":1}`},
		{"novel", `"text":{"format":{"type":"json_object","novel":1}}`},
		{"text.verbosity", `"text":{"verbosity":"low"}`},
		{"reasoning.effort", `"reasoning":{"effort":"high"}`},
		{"reasoning.effort", `"reasoning":{"effort":"none"}`},
		{"reasoning.summary", `"reasoning":{"summary":"detailed"}`},
		{"reasoning.context", `"reasoning":{"context":"x"}`},
		{"reasoning.mode", `"reasoning":{"mode":"x"}`},
		{"tools", tools},
		{"tools", `"tools":[{"type":"custom","name":"c"}]`},
		{"tools", `"tools":[{"type":"web_search"}]`},
		{"strict", `"tools":[{"type":"function","name":"f","strict":true,"parameters":{"type":"object"}}]`},
		{"novel", `"tools":[{"type":"function","name":"f","novel":true,"parameters":{"type":"object"}}]`},
		{"tool_choice", tools + `,"tool_choice":"required"`},
		{"tool_choice", tools + `,"tool_choice":"none"`},
		{"tool_choice", tools + `,"tool_choice":{"type":"function","name":"f"}`},
		{"tool_choice", tools + `,"tool_choice":{"type":"web_search"}`},
		{"tool_choice", tools + `,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}`},
		{"parallel_tool_calls", tools + `,"parallel_tool_calls":false`},
		{"truncation", `"truncation":"auto"`},
		{"context_management", `"context_management":[{"type":"compaction"}]`},
		{"prompt_cache_key", `"prompt_cache_key":"k"`},
		{"prompt_cache_options", `"prompt_cache_options":{"mode":"explicit","ttl":"12h"}`},
		{"prewarm", `"prewarm":true`},
		{"comparison_response_id", `"comparison_response_id":"resp_1"`},
		{"moderation", `"moderation":{"model":"m"}`},
		{"service_tier", `"service_tier":"flex"`},
		{"service_tier", `"service_tier":"ultrafast"`},
		{"metadata", `"metadata":{"k":"v"}`},
		{"safety_identifier", `"safety_identifier":"u"`},
		{"user", `"user":"u"`},
		{"novel", `"novel":1`},
		{"image_url", `"input":[{"role":"user","content":[{"type":"input_text","text":"hi"},{"type":"input_image","image_url":"https://example.com/a.png"}]}]`},
		{"detail", `"input":[{"role":"user","content":[{"type":"input_text","text":"hi"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"low"}]}]`},
		{"file", `"input":[{"role":"user","content":[{"type":"input_text","text":"hi"},{"type":"input_file","file_url":"https://example.com/a.pdf"}]}]`},
		{"file_id", `"input":[{"role":"user","content":[{"type":"input_text","text":"hi"},{"type":"input_file","file_id":"file-1"}]}]`},
		{"prompt_cache_breakpoint", `"input":[{"role":"user","content":[{"type":"input_text","text":"hi","prompt_cache_breakpoint":{"mode":"explicit"}}]}]`},
		{"novel", `"input":[{"role":"user","content":[{"type":"input_text","text":"hi","novel":1}]}]`},
		{"novel", `"input":[{"role":"user","novel":1,"content":"hi"}]`},
		{"novel", `"input":[{"role":"user","content":"hi"},{"type":"novel","x":1}]`},
	}
}

func askedOfAnthropic() []asked {
	tools := `"tools":[{"name":"f","input_schema":{"type":"object"}},{"name":"g","input_schema":{"type":"object"}}]`
	return []asked{
		{"system", `"system":"be brief"`},
		{"system", `"system":[{"type":"text","text":"be brief"}]`},
		{"temperature", `"temperature":0.3`},
		{"top_p", `"top_p":0.3`},
		{"top_k", `"top_k":7`},
		{"stop_sequences", `"stop_sequences":["x"]`},
		{"metadata.user_id", `"metadata":{"user_id":"u"}`},
		{"novel", `"metadata":{"novel":"u"}`},
		{"thinking", `"thinking":{"type":"enabled","budget_tokens":2000}`},
		{"thinking", `"thinking":{"type":"adaptive"}`},
		{"thinking", `"thinking":{"type":"disabled"}`},
		{"thinking", `"thinking":{"type":"between_tools"}`},
		{"display", `"thinking":{"type":"adaptive","display":"omitted"}`},
		{"display", `"thinking":{"type":"adaptive","display":"summarized"}`},
		{"effort", `"output_config":{"effort":"max"}`},
		{"output_config.format", `"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{},"additionalProperties":false}}}`},
		{"novel", `"output_config":{"novel":1}`},
		{"service_tier", `"service_tier":"standard_only"`},
		{"speed", `"speed":"fast"`},
		{"cache_control", `"cache_control":{"type":"ephemeral"}`},
		{"inference_geo", `"inference_geo":"us"`},
		{"container", `"container":"c"`},
		{"diagnostics", `"diagnostics":{"previous_message_id":"msg_1"}`},
		{"mcp_servers", `"mcp_servers":[]`},
		{"novel", `"novel":1`},
		{"tools", tools},
		{"tools", `"tools":[{"type":"web_search_20250305","name":"web_search"}]`},
		{"strict", `"tools":[{"name":"f","strict":true,"input_schema":{"type":"object"}}]`},
		{"cache_control", `"tools":[{"name":"f","cache_control":{"type":"ephemeral"},"input_schema":{"type":"object"}}]`},
		{"defer_loading", `"tools":[{"name":"f","defer_loading":true,"input_schema":{"type":"object"}}]`},
		{"input_examples", `"tools":[{"name":"f","input_examples":[{}],"input_schema":{"type":"object"}}]`},
		{"tool_choice", tools + `,"tool_choice":{"type":"any"}`},
		{"tool_choice", tools + `,"tool_choice":{"type":"none"}`},
		{"tool_choice", tools + `,"tool_choice":{"type":"tool","name":"f"}`},
		{"disable_parallel_tool_use", tools + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`},
		{"source", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]`},
		{"source", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image","source":{"type":"file","file_id":"f"}}]}]`},
		{"document", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}]}]`},
		{"citations", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"document","citations":{"enabled":true},"source":{"type":"text","media_type":"text/plain","data":"x"}}]}]`},
		{"search_result", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"x"}]}]}]`},
		{"container_upload", `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"container_upload","file_id":"f"}]}]`},
		{"cache_control", `"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]`},
		{"novel", `"messages":[{"role":"user","content":[{"type":"text","text":"hi","novel":1}]}]`},
		{"messages[].role", `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"},{"role":"system","content":"be brief"},{"role":"user","content":"go"}]`},
	}
}

func askedOfGemini() []asked {
	tools := `"tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]}]`
	return []asked{
		{"systemInstruction", `"systemInstruction":{"parts":[{"text":"be brief"}]}`},
		{"temperature", `"generationConfig":{"temperature":0.3}`},
		{"topP", `"generationConfig":{"topP":0.3}`},
		{"topK", `"generationConfig":{"topK":7}`},
		{"candidateCount", `"generationConfig":{"candidateCount":2}`},
		{"maxOutputTokens", `"generationConfig":{"maxOutputTokens":77}`},
		{"stopSequences", `"generationConfig":{"stopSequences":["x"]}`},
		{"responseMimeType", `"generationConfig":{"responseMimeType":"application/json"}`},
		{"responseMimeType", `"generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING","enum":["a"]}}`},
		{"responseJsonSchema", `"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}}`},
		{"responseJsonSchema", `"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}}`},
		{"seed", `"generationConfig":{"seed":7}`},
		{"presencePenalty", `"generationConfig":{"presencePenalty":0.5}`},
		{"frequencyPenalty", `"generationConfig":{"frequencyPenalty":0.5}`},
		{"responseLogprobs", `"generationConfig":{"responseLogprobs":true}`},
		{"responseLogprobs", `"generationConfig":{"responseLogprobs":true,"logprobs":3}`},
		{"thinkingConfig", `"generationConfig":{"thinkingConfig":{"thinkingBudget":2000}}`},
		{"thinkingConfig", `"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}`},
		{"thinkingConfig", `"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}`},
		{"thinkingConfig", `"generationConfig":{"thinkingConfig":{"thinkingLevel":"HIGH"}}`},
		{"includeThoughts", `"generationConfig":{"thinkingConfig":{"includeThoughts":true}}`},
		{"responseModalities", `"generationConfig":{"responseModalities":["IMAGE"]}`},
		{"speechConfig", `"generationConfig":{"speechConfig":{"voiceConfig":{}}}`},
		{"mediaResolution", `"generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_LOW"}`},
		{"novel", `"generationConfig":{"novel":1}`},
		{"safetySettings", `"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]`},
		{"cachedContent", `"cachedContent":"cachedContents/x"`},
		{"labels", `"labels":{"k":"v"}`},
		{"serviceTier", `"serviceTier":"flex"`},
		{"serviceTier", `"serviceTier":"priority"`},
		{"store", `"store":true`},
		{"novel", `"novel":1`},
		{"tools", tools},
		{"tools", `"tools":[{"googleSearch":{}}]`},
		{"functionDeclarations", `"tools":[{"functionDeclarations":[{"name":"f","behavior":"NON_BLOCKING"}]}]`},
		{"functionDeclarations", `"tools":[{"functionDeclarations":[{"name":"f","response":{"type":"STRING"}}]}]`},
		{"functionCallingConfig", tools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`},
		{"functionCallingConfig", tools + `,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`},
		{"functionCallingConfig", tools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}`},
		{"functionCallingConfig", tools + `,"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}`},
		{"retrievalConfig", tools + `,"toolConfig":{"retrievalConfig":{"languageCode":"en"}}`},
		{"inlineData", `"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}]`},
		{"inlineData", `"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}}]}]`},
		{"inlineData", `"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"video/mp4","data":"AAAA"}}]}]`},
		{"fileData", `"contents":[{"role":"user","parts":[{"text":"hi"},{"fileData":{"mimeType":"image/png","fileUri":"gs://b/a.png"}}]}]`},
		{"fileData", `"contents":[{"role":"user","parts":[{"text":"hi"},{"fileData":{"mimeType":"image/png","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x"}}]}]`},
		{"executableCode", `"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"ho"},{"executableCode":{"language":"PYTHON","code":"1"}}]},{"role":"user","parts":[{"text":"go"}]}]`},
		{"videoMetadata", `"contents":[{"role":"user","parts":[{"text":"hi","videoMetadata":{"fps":1}}]}]`},
	}
}

// with returns the plain request with members added, which take the place of those that it has.
func with(plain, members string) string {
	for _, name := range []string{"messages", "input", "max_tokens", "contents"} {
		if !strings.HasPrefix(members, `"`+name+`":`) {
			continue
		}
		switch name {
		case "input":
			plain = strings.Replace(plain, `"input":"hi",`, "", 1)
		case "max_tokens":
			plain = strings.Replace(plain, `"max_tokens":4096,`, "", 1)
		case "contents":
			plain = `{$}`
			return strings.Replace(plain, "$", members, 1)
		case "messages":
			plain = strings.Replace(plain, `"messages":[{"role":"user","content":"hi"}]`, `"stream":false`, 1)
		}
	}
	return strings.Replace(plain, "$", ","+members, 1)
}

// TestNothingIsLostInSilence holds that each parameter of each front either changes what a target of another dialect is sent, or is
// named by a note, in the client's spelling (PRODUCT.md A7). What says no more than the default is not in the lists.
func TestNothingIsLostInSilence(t *testing.T) {
	t.Parallel()
	for _, from := range fronts() {
		plain, all := askedOf(from)
		for _, col := range columns() {
			if col.to == from {
				continue
			}
			base, _ := adapted(t, from, col, strings.Replace(plain, "$", "", 1))
			for _, a := range all {
				body, notes := adapted(t, from, col, with(plain, a.json))
				named := false
				for _, n := range notes {
					named = named || strings.Contains(n.Param, a.name)
				}
				if body == base && !named && !saysNothing(a.json, col) {
					t.Errorf("%s to %s: %s is lost without a word; notes %+v", from, col.name, a.json, notes)
				}
				if strings.Contains(a.json, "novel") && !named {
					t.Errorf("%s to %s: the unknown member of %s is not named; notes %+v", from, col.name, a.json, notes)
				}
			}
		}
	}
}

// adapted returns what a target is sent for a request, and the notes.
func adapted(t *testing.T, from llm.Dialect, col column, body string) (string, []dialect.Note) {
	t.Helper()
	chat, e := dialect.Of(from).ReadChat(llm.OpChat, []byte(body))
	if e != nil {
		t.Fatalf("%s: %v in %s", from, e, body)
	}
	chat.Model = "m"
	a, notes, e := dialect.Adapt(chat, from, col.to, col.traits)
	if e != nil {
		t.Fatalf("%s to %s: %v of %s", from, col.name, e, body)
	}
	return string(a.AppendBody(nil)), notes
}

// saysNothing reports whether a parameter asks a target for what it does anyway.
func saysNothing(asked string, col column) bool {
	switch asked {
	case `"reasoning":{"effort":"none"}`, `"thinking":{"type":"disabled"}`, `"reasoning_effort":"none"`, `"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}`:
		return col.traits != nil && col.traits.Not.Has(model.Effort) && col.traits.Not.Has(model.Budget) // it does not think
	case `"thinking":{"type":"adaptive","display":"omitted"}`:
		return col.to == llm.Responses // whose reasoning is not shown unless it is asked for
	}
	return false
}
