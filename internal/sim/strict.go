package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/internal/llm"
)

// strict checks what a provider refuses and a codec lets pass: the simulator is to be no more patient than the real one.
func (x *exchange) strict(body []byte) *refusal {
	rq := gjson.ParseBytes(body)
	switch x.ask.dialect {
	case llm.Anthropic:
		return x.strictAnthropic(rq)
	case llm.Gemini:
		return strictGemini(rq)
	case llm.Converse:
		return strictConverse(rq)
	case llm.Responses:
		if !rq.Get("input").Exists() && !rq.Get("previous_response_id").Exists() && !rq.Get("prompt").Exists() {
			return &refusal{
				status: 400, kind: "invalid_request_error", code: "missing_required_parameter", param: "input",
				text: "Missing required parameter: 'input'.",
			}
		}
	}
	return nil
}

// anthropicMembers are those of a request to /v1/messages (PROVIDERS.md section 2.2, 2026-11-20).
var anthropicMembers = []string{
	"model", "max_tokens", "messages", "system", "tools", "tool_choice", "stop_sequences", "stream", "metadata", "thinking",
	"output_config", "output_format", "service_tier", "speed", "cache_control", "inference_geo", "container", "diagnostics",
	"temperature", "top_p", "top_k", "mcp_servers", "context_management",
}

func (x *exchange) strictAnthropic(rq gjson.Result) *refusal {
	members := anthropicMembers
	if x.ask.host != onDirect {
		members = slices.DeleteFunc(slices.Clone(members), func(s string) bool { return s == "model" || x.ask.host == onBedrock && s == "stream" })
		members = append(members, "anthropic_version", "anthropic_beta")
		if want := hostVersions[x.ask.host]; rq.Get("anthropic_version").Str != want {
			return refuseField("", "anthropic_version: Input should be '"+want+"'")
		}
	}
	if x.ask.op == llm.OpCountTokens {
		members = append(members, "model")
	}
	if name := stranger(rq, members); name != "" {
		return refuseField("", name+": Extra inputs are not permitted")
	}
	switch n := rq.Get("max_tokens"); {
	case !n.Exists():
		return refuseField("", "max_tokens: Field required")
	case n.Type != gjson.Number || n.Num < 0:
		return refuseField("", "max_tokens: Input should be greater than or equal to 0")
	}
	for _, name := range []string{"temperature", "top_p", "top_k"} {
		v := rq.Get(name)
		switch {
		case !v.Exists():
		case x.r.Header.Get("Anthropic-Version") == newVersion:
			return refuseField("", name+": is not supported with anthropic-version "+newVersion)
		case name != "top_k" && (v.Num < 0 || v.Num > 1):
			return refuseField("", name+": range: 0..1")
		}
	}
	if b := rq.Get("thinking.budget_tokens"); rq.Get("thinking.type").Str == "enabled" {
		switch {
		case b.Num < 1024:
			return refuseField("", "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
		case b.Num >= rq.Get("max_tokens").Num:
			return refuseField("", "`max_tokens` must be greater than `thinking.budget_tokens`.")
		}
	}
	if ref := strictTools(rq.Get("tools")); ref != nil {
		return ref
	}
	return x.strictMessages(rq.Get("messages"))
}

// hostVersions are the versions of Anthropic's protocol that others' hosts want in the body.
var hostVersions = map[host]string{onVertex: "vertex-2023-10-16", onBedrock: "bedrock-2023-05-31"}

// stranger returns the first member of an object that is none of those that are known; "" if there is none.
func stranger(rq gjson.Result, known []string) (name string) {
	rq.ForEach(func(key, _ gjson.Result) bool {
		if !slices.Contains(known, key.Str) {
			name = key.Str
		}
		return name == ""
	})
	return name
}

func strictTools(tools gjson.Result) (ref *refusal) {
	i := 0
	tools.ForEach(func(_, t gjson.Result) bool {
		where := "tools." + strconv.Itoa(i) + ".custom."
		i++
		if kind := t.Get("type").Str; kind != "" && kind != "custom" {
			return true
		}
		switch {
		case !toolName(t.Get("name").Str):
			ref = refuseField("", where+"name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
		case t.Get("input_schema.type").Str != "object":
			ref = refuseField("", where+"input_schema.type: Field required")
		}
		return ref == nil
	})
	return ref
}

func toolName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// strictMessages checks the conversation: turns of the same role count as one; every call has its result in the next turn,
// before anything else, and every result its call.
func (x *exchange) strictMessages(messages gjson.Result) *refusal {
	all := messages.Array()
	if len(all) == 0 {
		return refuseField("", "messages: at least one message is required")
	}
	var calls []string // of the assistant's last turn, without results so far
	var waiting bool   // the turn with the results has not begun
	role := ""
	for i, m := range all {
		where := "messages." + strconv.Itoa(i)
		now := m.Get("role").Str
		switch {
		case now == "system" && i > 0:
			continue
		case now != "user" && now != "assistant":
			return refuseField("", where+".role: Input should be 'user' or 'assistant'")
		}
		if now != role && waiting && len(calls) > 0 && now == "assistant" {
			return missingResults(i-1, calls)
		}
		if now == "assistant" && now != role {
			calls, waiting = nil, true
		}
		role = now
		ref := x.strictBlocks(m, where, now, &calls)
		if ref != nil {
			return ref
		}
		next := ""
		if i+1 < len(all) {
			next = all[i+1].Get("role").Str
		}
		if now == "user" && next != "user" && len(calls) > 0 {
			return missingResults(i-1, calls)
		}
	}
	if role == "assistant" && len(calls) > 0 {
		return missingResults(len(all)-1, calls)
	}
	return nil
}

func missingResults(at int, calls []string) *refusal {
	return refuseField("", fmt.Sprintf("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. "+
		"Each `tool_use` block must have a corresponding `tool_result` block in the next message.", at, strings.Join(calls, ", ")))
}

// strictBlocks checks the blocks of one message. calls gains the ids of calls and loses those of results.
func (x *exchange) strictBlocks(m gjson.Result, where, role string, calls *[]string) (ref *refusal) {
	content := m.Get("content")
	if content.Type == gjson.String {
		if content.Str == "" {
			return refuseField("", where+": all messages must have non-empty content")
		}
		return nil
	}
	other := false
	strictVersion := x.r.Header.Get("Anthropic-Version") == newVersion
	for j, b := range content.Array() {
		at := where + ".content." + strconv.Itoa(j)
		kind := b.Get("type").Str
		switch {
		case kind == "text" && b.Get("text").Str == "":
			return refuseField("", at+".text: text content blocks must be non-empty")
		case kind == "text" && role == "user" && strictVersion && len(b.Get("citations").Array()) > 0:
			return refuseField("", at+".citations: is not permitted on user content with anthropic-version "+newVersion)
		case kind == "document" && role == "assistant" && strictVersion:
			return refuseField("", at+": document blocks are not permitted in assistant messages")
		case kind == "tool_use" && !b.Get("input").IsObject():
			return refuseField("", at+".tool_use.input: Input should be a valid dictionary")
		case kind == "tool_use" && role == "assistant":
			*calls = append(*calls, b.Get("id").Str)
		case kind == "tool_result":
			k := slices.Index(*calls, b.Get("tool_use_id").Str)
			switch {
			case role != "user" || k < 0:
				return refuseField("", at+": unexpected `tool_use_id` found in `tool_result` blocks: "+b.Get("tool_use_id").Str+
					". Each `tool_result` block must have a corresponding `tool_use` block in the previous message.")
			case other:
				return refuseField("", at+": `tool_result` blocks must come before other content in the message")
			}
			*calls = slices.Delete(*calls, k, k+1)
		}
		other = other || kind != "tool_result"
	}
	return nil
}

// geminiMembers and geminiConfig are those of a request and of its generationConfig (PROVIDERS.md section 3.2, 2026-11-20).
var (
	geminiMembers = []string{
		"contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig", "cachedContent", "labels",
		"serviceTier", "store", "model",
	}
	geminiConfig = []string{
		"temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "responseMimeType", "responseSchema",
		"responseJsonSchema", "seed", "presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs", "thinkingConfig",
		"responseModalities", "mediaResolution", "speechConfig", "imageConfig", "audioTimestamp", "enableEnhancedCivicAnswers",
		"routingConfig", "modelSelectionConfig", "responseFormat",
	}
)

// camel turns Google's other spelling of names into the usual one.
func camel(s string) string {
	for {
		before, after, ok := strings.Cut(s, "_")
		if !ok || after == "" {
			return s
		}
		s = before + strings.ToUpper(after[:1]) + after[1:]
	}
}

// alien is stranger for Google, who takes names in both spellings.
func alien(rq gjson.Result, known []string) (name string) {
	rq.ForEach(func(key, _ gjson.Result) bool {
		if !slices.Contains(known, camel(key.Str)) {
			name = key.Str
		}
		return name == ""
	})
	return name
}

func strictGemini(rq gjson.Result) *refusal {
	if name := alien(rq, geminiMembers); name != "" {
		return refuseField("", `Invalid JSON payload received. Unknown name "`+name+`": Cannot find field.`)
	}
	config := either(rq, "generationConfig", "generation_config")
	if name := alien(config, geminiConfig); name != "" {
		return refuseField("", `Invalid JSON payload received. Unknown name "`+name+`" at 'generation_config': Cannot find field.`)
	}
	think := either(config, "thinkingConfig", "thinking_config")
	if either(think, "thinkingBudget", "thinking_budget").Exists() && either(think, "thinkingLevel", "thinking_level").Exists() {
		return refuseField("", "You can only set one of thinking budget and thinking level.")
	}
	contents := rq.Get("contents").Array()
	if len(contents) == 0 {
		return refuseField("", "* GenerateContentRequest.contents: contents is not specified\n")
	}
	calls := 0 // of the turn before
	for i, c := range contents {
		role := c.Get("role").Str
		if role != "" && role != "user" && role != "model" && role != "function" {
			return refuseField("", "Please use a valid role: user, model.")
		}
		made, answered, parts := 0, 0, c.Get("parts").Array()
		for _, p := range parts {
			made += exists(either(p, "functionCall", "function_call"))
			answered += exists(either(p, "functionResponse", "function_response"))
		}
		switch {
		case len(parts) == 0:
			return refuseField("", fmt.Sprintf("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.\n", i))
		case answered != calls && (answered > 0 || calls > 0):
			return refuseField("", "Please ensure that the number of function response parts is equal to the number of function call parts "+
				"of the function call turn.")
		case made > 0 && i == 0:
			return refuseField("", "Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
		}
		calls = made
	}
	return nil
}

func either(v gjson.Result, a, b string) gjson.Result {
	if r := v.Get(a); r.Exists() {
		return r
	}
	return v.Get(b)
}

func exists(v gjson.Result) int {
	if v.Exists() {
		return 1
	}
	return 0
}

// strictConverse checks a conversation as Bedrock does: roles take turns, the user begins, and results answer calls.
func strictConverse(rq gjson.Result) *refusal {
	messages := rq.Get("messages").Array()
	if len(messages) == 0 {
		return refuseField("", "The messages field is required and must not be empty.")
	}
	used := false
	var calls []string
	for i, m := range messages {
		if want := []string{"user", "assistant"}[i%2]; m.Get("role").Str != want {
			return refuseField("", "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "+
				"between user and assistant roles and try again.")
		}
		var answered, asked []string
		for _, b := range m.Get("content").Array() {
			if id := b.Get("toolUse.toolUseId"); id.Exists() {
				asked, used = append(asked, id.Str), true
			}
			if id := b.Get("toolResult.toolUseId"); id.Exists() {
				answered, used = append(answered, id.Str), true
			}
			if text := b.Get("text"); text.Exists() && strings.TrimSpace(text.Str) == "" {
				return refuseField("", fmt.Sprintf("The text field in the ContentBlock object at messages.%d.content is blank. Add text to the "+
					"text field, and try again.", i))
			}
		}
		slices.Sort(calls)
		slices.Sort(answered)
		if !slices.Equal(calls, answered) {
			return refuseField("", fmt.Sprintf("The number of toolResult blocks at messages.%d.content exceeds or falls short of the number of "+
				"toolUse blocks of previous turn.", i))
		}
		calls = asked
	}
	if used && !rq.Get("toolConfig").Exists() {
		return refuseField("", "The toolConfig field must be defined when using toolUse and toolResult content blocks.")
	}
	return nil
}
