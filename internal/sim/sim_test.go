package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sluice/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChatAnswersInFullAndStreamedAlike(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	a := c.chat("sim-fast", "tell me of rivers", "")
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(a.header.Get("X-Request-Id"), "req_") {
		t.Fatalf("got %d %v", a.status, a.header)
	}
	whole := parse(t, a.body)
	ch := whole.Choices[0]
	if whole.Object != "chat.completion" || whole.Created != 1750000000 || whole.Model != "sim-fast" || !strings.HasPrefix(whole.ID, "chatcmpl-") ||
		ch.Message.Role != "assistant" || *ch.Finish != "stop" {
		t.Errorf("answer %s", a.body)
	}
	if want := CountTokens("tell me of rivers") + tokensPerMessage + tokensPerPrompt; whole.Usage.Prompt != want ||
		whole.Usage.Completion != CountTokens(ch.Message.Content) || whole.Usage.Total != want+whole.Usage.Completion {
		t.Errorf("usage %+v of %q, want %d prompt tokens", *whole.Usage, ch.Message.Content, want)
	}

	s := c.chat("sim-fast", "tell me of rivers", streamed)
	if s.header.Get("Content-Type") != "text/event-stream; charset=utf-8" || !strings.HasSuffix(s.body, "data: [DONE]\n\n") {
		t.Errorf("stream %v ends with %q", s.header, s.body[max(0, len(s.body)-40):])
	}
	j := join(t, s.body, 1)
	if j.texts[0] != ch.Message.Content || j.finishes[0] != "stop" || j.roles[0] != "assistant" || *j.usage != *whole.Usage {
		t.Errorf("streamed %q finish %q role %q usage %+v, whole answer was %q %+v", j.texts[0], j.finishes[0], j.roles[0], j.usage,
			ch.Message.Content, whole.Usage)
	}
	for i, one := range j.chunks {
		if one.ID != j.chunks[0].ID || one.Created != 1750000000 || one.Object != "chat.completion.chunk" || (one.Usage != nil) != (i == len(j.chunks)-1) {
			t.Errorf("chunk %d: %+v", i, one)
		}
	}
	if n := strings.Count(s.body, `"usage":null`); n != len(j.chunks)-1 {
		t.Errorf("%d chunks with usage null, want %d", n, len(j.chunks)-1)
	}
	if plain := c.chat("sim-fast", "tell me of rivers", `,"stream":true`); strings.Contains(plain.body, "usage") {
		t.Errorf("usage without being asked for: %s", plain.body)
	}
	bare := &client{t: t, url: strings.TrimSuffix(c.url, "/v1"), http: c.http}
	if a := bare.chat("sim-fast", "x", ""); a.status != 200 {
		t.Errorf("path without /v1: status %d", a.status)
	}
}

func TestChatObeysTheRequest(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	f := func(name, extra string, check func(whole completion, j joined)) {
		t.Helper()
		const prompt = "what does the keeper do?"
		n := 1
		if strings.Contains(extra, `"n":3`) {
			n = 3
		}
		whole := parse(t, c.chat("sim-fast", prompt, extra).body)
		j := join(t, c.chat("sim-fast", prompt, extra+streamed).body, n)
		if len(whole.Choices) != n || *j.usage != *whole.Usage {
			t.Errorf("%s: %d choices, usage %+v streamed, %+v whole", name, len(whole.Choices), *j.usage, *whole.Usage)
			return
		}
		for i, ch := range whole.Choices {
			if j.texts[i] != ch.Message.Content || j.finishes[i] != *ch.Finish {
				t.Errorf("%s, choice %d: streamed %q (%s), whole %q (%s)", name, i, j.texts[i], j.finishes[i], ch.Message.Content, *ch.Finish)
			}
		}
		check(whole, j)
	}
	f("length", `,"max_tokens":5`, func(w completion, _ joined) {
		if *w.Choices[0].Finish != "length" || w.Usage.Completion != 5 || CountTokens(w.Choices[0].Message.Content) != 5 {
			t.Errorf("length: %+v", w)
		}
	})
	f("completion length", `,"max_completion_tokens":1`, func(w completion, _ joined) {
		if *w.Choices[0].Finish != "length" || w.Usage.Completion != 1 {
			t.Errorf("max_completion_tokens: %+v", w)
		}
	})
	f("choices", `,"n":3`, func(w completion, _ joined) {
		if w.Choices[0].Message.Content == w.Choices[1].Message.Content || w.Choices[2].Index != 2 {
			t.Errorf("choices are alike: %+v", w)
		}
	})
	f("stop", `,"stop":[" the"," each"," every"," this"]`, func(w completion, _ joined) {
		text := w.Choices[0].Message.Content
		if *w.Choices[0].Finish != "stop" || strings.Contains(text, " the") || strings.Contains(text, " every") || w.Usage.Completion != CountTokens(text) {
			t.Errorf("stop: %+v", w)
		}
	})
	f("ignore_eos", `,"ignore_eos":true,"max_tokens":300`, func(w completion, _ joined) {
		if w.Usage.Completion != 300 {
			t.Errorf("ignore_eos: %d tokens, want 300", w.Usage.Completion)
		}
	})
	f("json_object", `,"response_format":{"type":"json_object"}`, func(w completion, _ joined) {
		var v map[string]any
		if err := json.Unmarshal([]byte(w.Choices[0].Message.Content), &v); err != nil {
			t.Errorf("json_object: %v in %q", err, w.Choices[0].Message.Content)
		}
	})
	f("logprobs", `,"logprobs":true,"top_logprobs":2,"max_tokens":4`, func(w completion, j joined) {
		var tokens string
		for _, p := range w.Choices[0].Logprobs.Content {
			tokens += p.Token
			if len(p.Top) != 2 {
				t.Errorf("logprobs: %d alternatives, want 2", len(p.Top))
			}
		}
		if tokens != w.Choices[0].Message.Content || j.chunks[1].Choices[0].Logprobs == nil {
			t.Errorf("logprobs are of %q, text is %q", tokens, w.Choices[0].Message.Content)
		}
	})
}

func TestDirectives(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	if got := parse(t, c.chat("sim-fast", "[[sim:tokens=137]]", "").body); got.Usage.Completion != 137 || *got.Choices[0].Finish != "stop" {
		t.Errorf("tokens: %+v", got.Usage)
	}
	if got := parse(t, c.chat("sim-fast", "[[sim:say=exactly this, é 水]] please", "").body); got.Choices[0].Message.Content != "exactly this, é 水" {
		t.Errorf("say: %q", got.Choices[0].Message.Content)
	}
	if got := parse(t, c.chat("sim-fast", "[[sim:tokens=x]] [[sim:", "").body); got.Usage.Completion == 0 {
		t.Errorf("broken directives: %+v", got.Usage)
	}
}

func TestReasoningModel(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	whole := parse(t, c.chat("sim-reasoning", "why?", "").body)
	m := whole.Choices[0].Message
	if whole.Usage.Out.Reasoning == 0 || CountTokens(m.Reasoning) != whole.Usage.Out.Reasoning ||
		whole.Usage.Completion != whole.Usage.Out.Reasoning+CountTokens(m.Content) {
		t.Errorf("usage %+v for reasoning %q and content %q", *whole.Usage, m.Reasoning, m.Content)
	}
	j := join(t, c.chat("sim-reasoning", "why?", streamed).body, 1)
	if j.reasoning[0] != m.Reasoning || *j.usage != *whole.Usage {
		t.Errorf("streamed reasoning %q, usage %+v", j.reasoning[0], *j.usage)
	}
	if got := parse(t, c.chat("sim-reasoning", "why?", `,"reasoning_effort":"none"`).body); got.Usage.Out.Reasoning != 0 {
		t.Errorf("effort none: %+v", *got.Usage)
	}
	got := parse(t, c.chat("sim-reasoning", "why?", `,"max_completion_tokens":10`).body)
	if got.Usage.Completion != 10 || got.Choices[0].Message.Content != "" || *got.Choices[0].Finish != "length" {
		t.Errorf("a limit within the reasoning: %+v", got)
	}
	refused(t, c.chat("sim-reasoning", "why?", `,"max_tokens":10`), 400, "invalid_request_error", "max_tokens", "unsupported_parameter")
}

const twoTools = `,"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{` +
	`"city":{"type":"string"},"days":{"type":"integer","minimum":3,"maximum":5}},"required":["city","days"]}}},` +
	`{"type":"function","function":{"name":"open_gate","parameters":{"type":"object","properties":{"gate":{"enum":["north","south"]}},"required":["gate"]}}}]`

func TestToolCalls(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	f := func(name, prompt, extra string, want ...string) {
		t.Helper()
		whole := parse(t, c.chat("sim-fast", prompt, twoTools+extra).body)
		j := join(t, c.chat("sim-fast", prompt, twoTools+extra+streamed).body, 1)
		calls := whole.Choices[0].Message.Tools
		if len(calls) != len(want) || len(j.tools[0]) != len(want) || *j.usage != *whole.Usage {
			t.Errorf("%s: calls %+v, streamed %+v, want %v", name, calls, j.tools[0], want)
			return
		}
		finish := "stop"
		for i, call := range calls {
			finish = "tool_calls"
			s := j.tools[0][i]
			if call.Function.Name != want[i] || s.Function != call.Function || s.ID == "" || call.Type != "function" {
				t.Errorf("%s: call %d is %+v, streamed %+v, want %s", name, i, call, *s, want[i])
			}
			checkArguments(t, call.Function.Name, call.Function.Arguments)
		}
		if *whole.Choices[0].Finish != finish || j.finishes[0] != finish {
			t.Errorf("%s: finish %s, streamed %s, want %s", name, *whole.Choices[0].Finish, j.finishes[0], finish)
		}
	}
	f("not asked for", "hello", "")
	f("auto by name", "please get_weather in Ulm", "", "get_weather")
	f("both names", "get_weather, then open_gate", "", "get_weather", "open_gate")
	f("not parallel", "get_weather, then open_gate", `,"parallel_tool_calls":false`, "get_weather")
	f("required", "hello", `,"tool_choice":"required"`, "get_weather")
	f("named", "hello", `,"tool_choice":{"type":"function","function":{"name":"open_gate"}}`, "open_gate")
	f("none", "get_weather", `,"tool_choice":"none"`)
	f("directive", "[[sim:tools=3]]", "", "get_weather", "open_gate", "get_weather")
	a := c.do("POST", "/chat/completions", `{"model":"sim-fast","messages":[{"role":"user","content":"get_weather"},{"role":"assistant",`+
		`"tool_calls":[{"id":"x","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"x","content":"rain"}]`+twoTools+`}`)
	if got := parse(t, a.body); *got.Choices[0].Finish != "stop" || got.Choices[0].Message.Content == "" {
		t.Errorf("after a tool's answer: %s", a.body)
	}
	cut := parse(t, c.chat("sim-fast", "get_weather", twoTools+`,"max_tokens":6`).body)
	if *cut.Choices[0].Finish != "length" || cut.Usage.Completion != 6 {
		t.Errorf("a limit within the arguments: %+v", cut)
	}
}

func checkArguments(t *testing.T, name, text string) {
	t.Helper()
	var v struct {
		City *string
		Days int
		Gate string
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("arguments of %s: %v in %q", name, err, text)
		return
	}
	if name == "get_weather" && (v.City == nil || v.Days < 3 || v.Days > 5) || name == "open_gate" && v.Gate != "north" && v.Gate != "south" {
		t.Errorf("arguments of %s do not fit: %s", name, text)
	}
}

func TestCompletions(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	a := c.do("POST", "/completions", `{"model":"sim-fast","prompt":["one two","three"],"n":2,"echo":true}`)
	whole := parse(t, a.body)
	if whole.Object != "text_completion" || len(whole.Choices) != 4 || whole.Usage.Prompt != 3 || whole.Usage.Completion != 4*16 {
		t.Fatalf("answer %s", a.body)
	}
	for i, ch := range whole.Choices {
		prompt := []string{"one two", "three"}[i/2]
		if rest, ok := strings.CutPrefix(ch.Text, prompt); !ok || CountTokens(rest) != 16 || *ch.Finish != "length" {
			t.Errorf("choice %d: %q (%s)", i, ch.Text, *ch.Finish)
		}
	}
	j := join(t, c.do("POST", "/completions", `{"model":"sim-fast","prompt":["one two","three"],"n":2,"echo":true`+streamed+`}`).body, 4)
	for i, ch := range whole.Choices {
		if j.texts[i] != ch.Text || j.finishes[i] != "length" {
			t.Errorf("choice %d streamed: %q", i, j.texts[i])
		}
	}
	if *j.usage != *whole.Usage || !j.done {
		t.Errorf("streamed usage %+v", *j.usage)
	}
	tokens := parse(t, c.do("POST", "/completions", `{"model":"sim-fast","prompt":[5,6,7],"max_tokens":2}`).body)
	if tokens.Usage.Prompt != 3 || tokens.Usage.Completion != 2 {
		t.Errorf("prompt of tokens: %+v", *tokens.Usage)
	}
}

func TestRequestsThatCannotBeServed(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.APIKey = llm.NewSecret("sk-right")
	cfg.MaxBody = 1 << 10
	cfg.Models = append(DefaultModels(), ModelConfig{Name: "tiny", Context: 40})
	_, c := start(t, cfg)
	const ok = `{"model":"sim-fast","messages":[{"role":"user","content":"hi"}]}`
	const kind = "invalid_request_error"
	auth := []string{"Authorization", "Bearer sk-right"}
	refused(t, c.do("POST", "/chat/completions", ok), 401, kind, "", "missing_api_key")
	refused(t, c.do("POST", "/chat/completions", ok, "Authorization", "Bearer wrong"), 401, kind, "", "invalid_api_key")
	refused(t, c.do("GET", "/models", ""), 401, kind, "", "missing_api_key")
	if a := c.do("POST", "/chat/completions", ok, auth...); a.status != 200 {
		t.Errorf("right key: %d %s", a.status, a.body)
	}
	refused(t, c.do("POST", "/chat/completions", strings.Replace(ok, "sim-fast", "nobody", 1), auth...), 404, kind, "", "model_not_found")
	refused(t, c.do("POST", "/chat/completions", strings.Replace(ok, "sim-fast", "sim-embed", 1), auth...), 404, kind, "model", "")
	refused(t, c.do("POST", "/embeddings", `{"model":"sim-fast","input":"a"}`, auth...), 404, kind, "model", "")
	refused(t, c.do("GET", "/models/nobody", "", auth...), 404, kind, "", "model_not_found")
	refused(t, c.do("POST", "/nowhere", ok, auth...), 404, kind, "", "")
	a := c.do("GET", "/chat/completions", "", auth...)
	refused(t, a, 405, kind, "", "method_not_supported")
	if a.header.Get("Allow") != "POST" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
	refused(t, c.do("DELETE", "/models", "", auth...), 405, kind, "", "method_not_supported")
	refused(t, c.do("POST", "/chat/completions", strings.Repeat(" ", 1<<10)+ok, auth...), 413, kind, "", "request_too_large")
	refused(t, c.do("POST", "/chat/completions", `{"model":"sim-fast"}`, auth...), 400, kind, "messages", "missing_required_parameter")
	refused(t, c.do("POST", "/chat/completions", strings.Replace(ok, "sim-fast", "sim-fast:cut;weird=1", 1), auth...), 400, kind, "model", "invalid_fault")
	refused(t, c.do("POST", "/chat/completions", strings.Replace(ok, "sim-fast", "sim-fast:llama", 1), auth...), 404, kind, "", "model_not_found")
	refused(t, c.do("POST", "/chat/completions", `{"model":"tiny","max_tokens":40,"messages":[{"role":"user","content":"hi"}]}`, auth...),
		400, kind, "messages", "context_length_exceeded")
}

func TestModels(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.AnyModel = true
	_, c := start(t, cfg)
	var list struct {
		Object string
		Data   []struct {
			ID, Object string
			Owner      string `json:"owned_by"`
		}
	}
	if err := json.Unmarshal([]byte(c.do("GET", "/models", "").body), &list); err != nil || list.Object != "list" || len(list.Data) != 4 ||
		list.Data[0].ID != "sim-fast" || list.Data[0].Object != "model" {
		t.Errorf("models: %+v (%v)", list, err)
	}
	if a := c.do("GET", "/models/sim-slow", ""); a.status != 200 || !strings.Contains(a.body, `"id":"sim-slow"`) {
		t.Errorf("one model: %d %s", a.status, a.body)
	}
	if got := parse(t, c.chat("gpt-4o", "hi", "").body); got.Model != "gpt-4o" || got.Usage.Out.Reasoning != 0 {
		t.Errorf("any model: %+v", got)
	}
	if got := parse(t, c.chat("o3-mini", "hi", "").body); got.Usage.Out.Reasoning == 0 {
		t.Errorf("a name of reasoning models: %+v", got)
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		cfg := quick()
		cfg.Seed = seed
		cfg.Faults = []FaultRule{{Fault: "503", Probability: 0.3}}
		_, c := start(t, cfg)
		var all bytes.Buffer
		for i := range 20 {
			a := c.chat("sim-reasoning", fmt.Sprint("question ", i%3), twoTools+streamed)
			fmt.Fprintln(&all, a.status, a.header, a.body)
			a = c.do("POST", "/embeddings", `{"model":"sim-embed","input":["a b","c"]}`)
			fmt.Fprintln(&all, a.status, a.header, a.body)
		}
		return all.String()
	}
	first := run(1)
	if second := run(1); first != second {
		t.Errorf("two runs with one seed differ")
	}
	if first == run(2) {
		t.Errorf("runs with different seeds are the same")
	}
	if !strings.Contains(first, "server_is_overloaded") {
		t.Errorf("no request of 40 met a fault of probability 0.3")
	}
}
