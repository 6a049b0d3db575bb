package sim

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"sluice/internal/llm"
)

// TestProvidersAreStrict holds that what the real ones refuse is refused, and that what stands beside it is not.
func TestProvidersAreStrict(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Models = append(DefaultModels(), ModelConfig{Name: "new", Rejects: []string{"temperature", "max_tokens", "prefill", "forced_tools", "budget"}})
	_, c := start(t, cfg)
	root := c.root()
	run := func(path string, header ...string) func(name, body, want string) {
		return func(name, body, want string) {
			t.Helper()
			a := root.do("POST", path, body, header...)
			switch {
			case want == "" && a.status != 200:
				t.Errorf("%s: %d %s, want 200", name, a.status, a.body)
			case want != "" && (a.status != 400 || !strings.Contains(a.body, want)):
				t.Errorf("%s: %d %s, want 400 with %q", name, a.status, a.body, want)
			}
		}
	}
	strictAnthropicCases(run("/v1/messages", "Anthropic-Version", "2023-06-01"))
	f := run("/v1/messages", "Anthropic-Version", newVersion)
	f("temperature in the new version", `{"model":"sim-fast","max_tokens":9,"temperature":1,"messages":[{"role":"user","content":"hi"}]}`, "temperature")
	f("top_k in the new version", `{"model":"sim-fast","max_tokens":9,"top_k":1,"messages":[{"role":"user","content":"hi"}]}`, "top_k")
	f("a document said by the assistant", `{"model":"sim-fast","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"document"}]},`+
		`{"role":"user","content":"b"}]}`, "document")
	f("none of it", messagesBody, "")

	f = run("/v1beta/models/sim-fast:generateContent")
	f("no contents", `{}`, "contents is not specified")
	f("unknown member", `{"contents":[{"parts":[{"text":"a"}]}],"max_tokens":4}`, `Unknown name \"max_tokens\"`)
	f("unknown setting", `{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"maxTokens":4}}`, `Unknown name \"maxTokens\"`)
	f("both spellings", `{"contents":[{"parts":[{"text":"a"}]}],"generation_config":{"max_output_tokens":4},"system_instruction":{"parts":[{"text":"b"}]}}`, "")
	f("role", `{"contents":[{"role":"assistant","parts":[{"text":"a"}]}]}`, "valid role")
	f("no parts", `{"contents":[{"role":"user","parts":[]}]}`, "must not be empty")
	f("no response", `{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"text":"b"}]}]}`,
		"number of function response parts")
	f("budget and level", `{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":1,"thinkingLevel":"LOW"}}}`, "only set one")
	f("not JSON", `{"contents":`, "not valid JSON")

	f = run("/model/sim-fast/converse")
	f("no messages", `{}`, "messages field is required")
	f("roles do not alternate", `{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"user","content":[{"text":"b"}]}]}`, "must alternate")
	f("blank", `{"messages":[{"role":"user","content":[{"text":" "}]}]}`, "is blank")
	f("no result", `{"toolConfig":{"tools":[]},"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"x","name":"f","input":{}}}]},`+
		`{"role":"user","content":[{"text":"b"}]}]}`, "toolResult")
	f("no toolConfig", `{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"x","name":"f","input":{}}}]},`+
		`{"role":"user","content":[{"toolResult":{"toolUseId":"x","content":[{"text":"1"}]}}]}]}`, "toolConfig")

	f = run("/v1/responses")
	f("no input", `{"model":"sim-fast"}`, "'input'")
	f("unknown answer before", `{"model":"sim-fast","input":"a","previous_response_id":"resp_x"}`, "not found")

	f = run("/v1/chat/completions")
	f("temperature of a reasoning model", `{"model":"new","temperature":0.2,"messages":[{"role":"user","content":"a"}]}`, "unsupported_value")
	f("the usual temperature", `{"model":"new","temperature":1,"messages":[{"role":"user","content":"a"}]}`, "")
	f("max_tokens", `{"model":"new","max_tokens":9,"messages":[{"role":"user","content":"a"}]}`, "max_completion_tokens")
}

func strictAnthropicCases(f func(name, body, want string)) {
	one := func(members string) string {
		return `{"model":"sim-fast","max_tokens":2000,"messages":[{"role":"user","content":"hi"}]` + members + `}`
	}
	talk := func(messages string) string {
		return `{"model":"sim-fast","max_tokens":9,"messages":[{"role":"user","content":"hi"}` + messages + `]}`
	}
	of := func(model, members string) string { return strings.Replace(one(members), "sim-fast", model, 1) }
	f("all right", one(""), "")
	f("no max_tokens", `{"model":"sim-fast","messages":[{"role":"user","content":"hi"}]}`, "max_tokens: Field required")
	f("negative max_tokens", `{"model":"sim-fast","max_tokens":-1,"messages":[{"role":"user","content":"hi"}]}`, "max_tokens")
	f("unknown member", one(`,"frequency_penalty":1`), "frequency_penalty: Extra inputs are not permitted")
	f("temperature", one(`,"temperature":0.5`), "")
	f("too hot", one(`,"temperature":1.5`), "temperature")
	f("tool name", one(`,"tools":[{"name":"a.b","input_schema":{"type":"object"}}]`), "tools.0.custom.name")
	f("tool schema", one(`,"tools":[{"name":"a","input_schema":{}}]`), "tools.0.custom.input_schema.type")
	f("small budget", one(`,"thinking":{"type":"enabled","budget_tokens":100}`), "1024")
	f("large budget", one(`,"thinking":{"type":"enabled","budget_tokens":2000}`), "greater than `thinking.budget_tokens`")
	f("no messages", `{"model":"sim-fast","max_tokens":9,"messages":[]}`, "at least one message")
	f("role", talk(`,{"role":"tool","content":"x"}`), "messages.1.role")
	f("empty", talk(`,{"role":"assistant","content":""}`), "non-empty")
	f("empty text", talk(`,{"role":"assistant","content":[{"type":"text","text":""}]}`), "non-empty")
	f("same role twice", talk(`,{"role":"user","content":"more"}`), "")
	const call = `,{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{}},{"type":"tool_use","id":"t2","name":"f","input":{}}]}`
	const result = `{"type":"tool_result","tool_use_id":"t1","content":"1"}`
	const second = `{"type":"tool_result","tool_use_id":"t2","content":"2"}`
	f("results", talk(call+`,{"role":"user","content":[`+result+`,`+second+`,{"type":"text","text":"and?"}]}`), "")
	f("results in two turns of one role", talk(call+`,{"role":"user","content":[`+result+`]},{"role":"user","content":[`+second+`]}`), "")
	f("one result is missing", talk(call+`,{"role":"user","content":[`+result+`]}`), "without `tool_result` blocks immediately after: t2")
	f("no result at all", talk(call+`,{"role":"user","content":"and?"}`), "t1, t2")
	f("calls at the end", talk(call), "t1, t2")
	f("the assistant goes on", talk(call+`,{"role":"user","content":[`+result+`]},{"role":"assistant","content":"x"}`), "t2")
	f("a result without a call", talk(`,{"role":"user","content":[`+result+`]}`), "unexpected `tool_use_id`")
	f("results after text", talk(call+`,{"role":"user","content":[{"type":"text","text":"and?"},`+result+`,`+second+`]}`), "must come before")
	f("input as text", talk(`,{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":"{}"}]}`), "valid dictionary")

	f("rejected temperature", of("new", `,"temperature":0.5`), "not supported for this model")
	f("rejected budget", of("new", `,"thinking":{"type":"enabled","budget_tokens":1024}`), "adaptive")
	f("rejected force", of("new", `,"tools":[{"name":"a","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`), "forced tool use")
	f("rejected prefill", strings.Replace(talk(`,{"role":"assistant","content":"I"}`), "sim-fast", "new", 1), "prefill")
}

const thinkOn = `,"thinking":{"type":"enabled","budget_tokens":1024},"tools":[{"name":"get_weather","input_schema":{"type":"object"}}]`

// TestAnthropicVerifiesThoughts sends the thoughts of a tool loop back: whole, changed, and left out.
func TestAnthropicVerifiesThoughts(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	root := c.root()
	send := func(messages string) answer {
		return root.do("POST", "/v1/messages", `{"model":"sim-reasoning","max_tokens":4000,"messages":[`+messages+`]`+thinkOn+`}`, "Anthropic-Version", newVersion)
	}
	const ask = `{"role":"user","content":"get_weather please"}`
	a := send(ask)
	content := gjson.Get(a.body, "content")
	thought, call := content.Get("0"), content.Get(`#(type=="tool_use")`)
	if a.status != 200 || thought.Get("type").Str != "thinking" || thought.Get("signature").Str == "" || !call.Exists() {
		t.Fatalf("no thought and call: %d %s", a.status, a.body)
	}
	loop := func(content string) answer {
		return send(ask + `,{"role":"assistant","content":[` + content + `]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"` + call.Get("id").Str + `","content":"sun"}]}`)
	}
	f := func(name, content, want string) {
		t.Helper()
		a := loop(content)
		if want == "" && a.status != 200 || want != "" && (a.status != 400 || !strings.Contains(a.body, want)) {
			t.Errorf("%s: %d %s, want %q", name, a.status, a.body, want)
		}
	}
	f("as it came", thought.Raw+","+call.Raw, "")
	f("left out", call.Raw, "Expected `thinking`")
	f("other text", strings.Replace(thought.Raw, `"thinking":"`, `"thinking":"No, `, 1)+","+call.Raw, "Invalid `signature`")
	f("no text", `{"type":"thinking","thinking":"","signature":"`+thought.Get("signature").Str+`"},`+call.Raw, "")
	f("made up", `{"type":"thinking","thinking":"x","signature":"AAAA"},`+call.Raw, "Invalid `signature`")
	f("of nobody", `{"type":"redacted_thinking","data":"AAAA"},`+call.Raw, "redacted_thinking")

	a = send(`{"role":"user","content":"[[sim:redact]] get_weather"}`)
	secret := gjson.Get(a.body, "content.0")
	if secret.Get("type").Str != "redacted_thinking" || secret.Get("data").Str == "" {
		t.Fatalf("no redacted thought: %s", a.body)
	}
	f("redacted", secret.Raw+","+call.Raw, "")
}

// TestGeminiVerifiesThoughtSignatures does the same for Gemini's calls.
func TestGeminiVerifiesThoughtSignatures(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	root := c.root()
	send := func(model, contents string) answer {
		return root.do("POST", "/v1beta/models/"+model+":generateContent", `{"contents":[{"role":"user","parts":[{"text":"get_weather and open_gate"}]}`+contents+
			`],"tools":[{"functionDeclarations":[{"name":"get_weather","parameters":{"type":"OBJECT","properties":{"city":{"type":"STRING"}}}},{"name":"open_gate"}]}]}`)
	}
	a := send("sim-reasoning", "")
	parts := gjson.Get(a.body, "candidates.0.content.parts").Array()
	if a.status != 200 || len(parts) != 2 || parts[0].Get("thoughtSignature").Str == "" || parts[1].Get("thoughtSignature").Exists() {
		t.Fatalf("calls of a thinking model: %d %s", a.status, a.body)
	}
	if gjson.Get(a.body, "usageMetadata.thoughtsTokenCount").Int() == 0 {
		t.Errorf("no thoughts were counted: %s", a.body)
	}
	f := func(name, model, first, want string) {
		t.Helper()
		a := send(model, `,{"role":"model","parts":[`+first+`,`+parts[1].Raw+`]},{"role":"user","parts":[{"functionResponse":{"name":"get_weather","response":{"a":1}}},`+
			`{"functionResponse":{"name":"open_gate","response":{"a":1}}}]}`)
		if want == "" && a.status != 200 || want != "" && (a.status != 400 || !strings.Contains(a.body, want)) {
			t.Errorf("%s: %d %s, want %q", name, a.status, a.body, want)
		}
	}
	f("as they came", "sim-reasoning", parts[0].Raw, "")
	f("without the signature", "sim-reasoning", `{"functionCall":{"name":"get_weather","args":{}}}`, "missing a thought_signature")
	f("changed", "sim-reasoning", `{"functionCall":{"name":"get_weather","args":{}},"thoughtSignature":"AAAA"}`, "Corrupted")
	f("of another model", "sim-reasoning", `{"functionCall":{"name":"get_weather","args":{}},"thoughtSignature":"skip_thought_signature_validator"}`, "")
	f("a model that does not think", "sim-fast", `{"functionCall":{"name":"get_weather","args":{}}}`, "")
}

// TestPromptCacheOfAnthropic counts what is written to the cache and read from it, where the client marks it.
func TestPromptCacheOfAnthropic(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	root := c.root()
	long := strings.Repeat("the river carries every gate. ", 300)
	send := func(mark string) gjson.Result {
		t.Helper()
		a := root.do("POST", "/v1/messages", `{"model":"sim-fast","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"`+long+`"`+mark+`}]}]}`,
			"Anthropic-Version", "2023-06-01")
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return gjson.Get(a.body, "usage")
	}
	if u := send(""); u.Get("cache_creation_input_tokens").Int() != 0 || u.Get("cache_read_input_tokens").Int() != 0 {
		t.Errorf("without a mark: %s", u.Raw)
	}
	first := send(`,"cache_control":{"type":"ephemeral","ttl":"1h"}`)
	written := first.Get("cache_creation_input_tokens").Int()
	if written < cacheFirst || first.Get("cache_creation.ephemeral_1h_input_tokens").Int() != written {
		t.Errorf("first: %s", first.Raw)
	}
	second := send(`,"cache_control":{"type":"ephemeral"}`)
	if second.Get("cache_read_input_tokens").Int() != written || second.Get("cache_creation_input_tokens").Int() != 0 ||
		second.Get("input_tokens").Int()+written != first.Get("input_tokens").Int()+written {
		t.Errorf("second: %s after %s", second.Raw, first.Raw)
	}
	if got := settled(s).Usage; got.CacheWrite != written || got.Cached != written {
		t.Errorf("billed %+v", got)
	}
}

// TestRateLimitHeadersOfAnthropic states limits with times in RFC 3339.
func TestRateLimitHeadersOfAnthropic(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Models = []ModelConfig{{Name: "m", RPM: 1, TPM: 50_000}}
	_, c := start(t, cfg)
	root := c.root()
	send := func() answer {
		return root.do("POST", "/v1/messages", strings.Replace(messagesBody, "sim-fast", "m", 1), "Anthropic-Version", newVersion)
	}
	a := send()
	want := map[string]string{"Requests-Limit": "1", "Requests-Remaining": "0", "Tokens-Limit": "50000", "Tokens-Remaining": "50000", "Input-Tokens-Limit": "50000"}
	for name, v := range want {
		if got := a.header.Get("Anthropic-Ratelimit-" + name); got != v {
			t.Errorf("%s is %q, want %q", name, got, v)
		}
	}
	if at := a.header.Get("Anthropic-Ratelimit-Requests-Reset"); len(at) != len("2025-06-15T15:06:45Z") || at[10] != 'T' {
		t.Errorf("reset %q", at)
	}
	if a := send(); a.status != 429 || a.header.Get("Retry-After") == "" || a.header.Get("Retry-After-Ms") != "" {
		t.Errorf("second: %d %v", a.status, a.header)
	}
	if a := root.do("POST", "/v1beta/models/m:generateContent", geminiBody); a.status != 429 || a.header.Get("Retry-After") != "" || !strings.Contains(a.body, "retryDelay") {
		t.Errorf("gemini: %d %v %s", a.status, a.header, a.body)
	}
}

// TestImagesCount holds that an image is accepted and costs the same in every dialect.
func TestImagesCount(t *testing.T) {
	t.Parallel()
	for _, g := range tongues() {
		_, c := start(t, quick())
		chat := userChat("sim-fast", "what is this?")
		before := g.parse(t, g.send(c, chat)).Usage.Input
		chat.Messages[0].Parts = append(chat.Messages[0].Parts, llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: pixel})
		if got := g.parse(t, g.send(c, chat)).Usage.Input; got != before+tokensPerMedia {
			t.Errorf("%s: %d tokens with an image, %d without", g.dialect, got, before)
		}
	}
	_, c := start(t, quick())
	a := c.do("POST", "/chat/completions", `{"model":"sim-fast","messages":[{"role":"user","content":[{"type":"text","text":"what is this?"},`+
		`{"type":"image_url","image_url":{"url":"data:image/png;base64,`+pixel+`"}}]}]}`)
	if got := parse(t, a.body).Usage.Prompt; got != CountTokens("what is this?")+tokensPerMessage+tokensPerPrompt+tokensPerMedia {
		t.Errorf("OpenAI: %d tokens", got)
	}
}
