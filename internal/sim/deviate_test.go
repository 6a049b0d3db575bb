package sim

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"sluice/internal/llm"
	"sluice/internal/wire/bedrock"
)

// TestDeviations shows for each provider that its stream still has the text of the plain one, and differs from it as
// documented.
func TestDeviations(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	plain := join(t, c.chat("sim-fast", question, streamed).body, 1)
	f := func(name string, check func(all []string, body string)) {
		t.Helper()
		a := c.chat("sim-fast:deviate="+name, question, streamed)
		j := join(t, a.body, 1)
		if a.status != 200 || j.texts[0] != plain.texts[0] || !j.done {
			t.Errorf("%s: %d, text %q, want %q", name, a.status, j.texts[0], plain.texts[0])
		}
		all := events(a.body)
		check(all[:len(all)-1], a.body) // without [DONE]
		whole := c.chat("sim-fast:deviate="+name, question, "")
		if got := parse(t, whole.body); got.Choices[0].Message.Content != plain.texts[0] {
			t.Errorf("%s: whole text %q", name, got.Choices[0].Message.Content)
		}
		thinking := c.chat("sim-reasoning:deviate="+name, question, streamed+`,"reasoning_effort":"low"`)
		for _, e := range events(thinking.body) {
			if e != "[DONE]" && !json.Valid([]byte(e)) {
				t.Errorf("%s: not JSON: %s", name, e)
			}
		}
	}
	has := func(name, event, path string) {
		t.Helper()
		if !gjson.Get(event, path).Exists() {
			t.Errorf("%s: no %s in %s", name, path, event)
		}
	}
	f("groq", func(all []string, body string) {
		has("groq", all[0], "x_groq.id")
		has("groq", all[len(all)-1], "x_groq.usage.total_time")
		if strings.Contains(body, `"usage":{"prompt_tokens"`) && gjson.Get(all[len(all)-1], "usage.prompt_tokens").Exists() {
			t.Errorf("groq: usage of OpenAI's kind: %s", all[len(all)-1])
		}
	})
	f("together", func(all []string, _ string) {
		has("together", all[2], "choices.0.delta.token_id")
		has("together", all[2], "choices.0.delta.role")
		if got := gjson.Get(all[len(all)-2], "choices.0.finish_reason").Str; got != "eos" {
			t.Errorf("together: finish reason %q", got)
		}
	})
	f("fireworks", func(all []string, _ string) {
		last := all[len(all)-1]
		has("fireworks", last, "usage.prompt_tokens")
		has("fireworks", last, "choices.0.finish_reason")
	})
	f("openrouter", func(all []string, body string) {
		has("openrouter", all[len(all)-1], "usage.cost")
		has("openrouter", all[0], "choices.0.native_finish_reason")
		if !strings.HasPrefix(body, ": OPENROUTER PROCESSING\n\n") {
			t.Errorf("openrouter begins with %q", body[:40])
		}
	})
	f("deepseek", func(all []string, body string) {
		has("deepseek", all[len(all)-1], "usage.prompt_cache_miss_tokens")
		if !strings.Contains(body, ": keep-alive\n\n") {
			t.Error("deepseek: no comments")
		}
	})
	f("mistral", func(all []string, _ string) { has("mistral", all[len(all)-1], "usage.prompt_tokens") })
	f("xai", func(all []string, _ string) { has("xai", all[1], "usage.completion_tokens") })
	f("cerebras", func(all []string, _ string) { has("cerebras", all[len(all)-1], "time_info.queue_time") })
	f("ollama", func(all []string, _ string) { has("ollama", all[3], "choices.0.delta.role") })
	f("vllm", func(all []string, _ string) { has("vllm", all[1], "choices.0.token_ids") })
	f("llamacpp", func(all []string, _ string) {
		has("llamacpp", all[len(all)-2], "timings")
		if gjson.Get(all[0], "choices.0.delta.content").Raw != "null" {
			t.Errorf("llamacpp: first chunk %s", all[0])
		}
	})
	f("azure", func(all []string, _ string) {
		has("azure", all[0], "prompt_filter_results.0")
		has("azure", all[2], "choices.0.content_filter_results.hate")
	})
	f("perplexity", func(all []string, _ string) {
		has("perplexity", all[1], "citations.0")
		has("perplexity", all[1], "usage")
	})
	f("gemini", func([]string, string) {})
}

// TestDeviantErrors shows each provider's errors, before an answer and within a stream.
func TestDeviantErrors(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Deviate = "xai"
	_, c := start(t, cfg)
	f := func(faults, want string) {
		t.Helper()
		if a := c.chat("sim-fast:"+faults, question, ""); strings.Join(strings.Fields(a.body), " ") != want {
			t.Errorf("%s: %d %s, want %s", faults, a.status, a.body, want)
		}
	}
	f("429", `{"code":"Too Many Requests","error":"Rate limit reached. Please try again later."}`)
	f("deviate=openrouter+402", `{"error":{"code":402,"message":"Insufficient credits. Add credits to continue.","metadata":{"error_type":"insufficient_quota",`+
		`"provider_name":"Simulated"}},"user_id":"user_sim"}`)
	f("deviate=mistral+422", `{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":null}]}`)
	f("deviate=mistral+429", `{"object":"error","message":"Rate limit reached. Please try again later.","type":"rate_limit_error","param":null,"code":"1300","raw_status_code":429}`)
	f("deviate=vllm+400", `{"error":{"message":"The request was refused by the simulator.","type":"BadRequestError","param":null,"code":400}}`)
	f("deviate=llamacpp+503", `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`)
	f("deviate=ollama+404", `{"error":{"message":"The model does not exist or you do not have access to it.","type":"not_found_error","param":null,"code":null}}`)
	f("deviate=azure+429", `{"error":{"code":"429","message":"Rate limit reached. Please try again later."}}`)
	f("deviate=gemini+503", `[{"error":{"code":503,"message":"The server is currently overloaded; please try again later.","status":"UNAVAILABLE"}} ]`)
	late := func(name, want string, done bool) {
		t.Helper()
		a := c.chat("sim-fast:deviate="+name+"+stream-error;after=2", question, streamed)
		if !strings.Contains(a.body, want) || strings.Contains(a.body, "[DONE]") != done {
			t.Errorf("%s: %q, want %s", name, a.body, want)
		}
	}
	late("groq", `"x_groq":{"id":"req_sim","error":"The server`, false)
	late("openrouter", `"finish_reason":"error"`, false)
	late("cerebras", `"status_code":500}`, false)
	late("ollama", `"delta":{"role":"assistant","content":""}`, false)
	late("vllm", `"code":500}}`, true)
	late("mistral", `"finish_reason":"error"`, true)
	late("llamacpp", `{"error":{"code":500`, false)
	header := func(name, key, want string) {
		t.Helper()
		if got := c.chat("sim-fast:deviate="+name, question, "").header.Get(key); got != want {
			t.Errorf("%s: %s is %q, want %q", name, key, got, want)
		}
	}
	header("groq", "X-Ratelimit-Reset-Requests", "2m59.56s")
	header("cerebras", "X-Ratelimit-Reset-Tokens-Minute", "11.38")
	header("together", "X-Ratelimit-Over-Limit", "yes")
	header("fireworks", "Fireworks-Server-Time-To-First-Token", "0.012")
	header("mistral", "X-Ratelimit-Tokens-Query-Cost", "30")
	if a := c.chat("sim-fast:deviate=deepseek", question, ""); !strings.HasPrefix(a.body, "\n\n\n{") {
		t.Errorf("deepseek begins with %q", a.body[:20])
	}
	if a := c.chat("sim-fast:deviate=nobody", question, ""); a.status != 400 || !strings.Contains(a.body, "none of groq|together") {
		t.Errorf("unknown: %d %s", a.status, a.body)
	}
}

// TestMistralThinksInArrays shows the content of a reasoning model of Mistral's.
func TestMistralThinksInArrays(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	all := events(c.chat("sim-reasoning:deviate=mistral", question, streamed).body)
	if kind := gjson.Get(all[1], "choices.0.delta.content.0.type").Str; kind != "thinking" {
		t.Errorf("stream: %s", all[1])
	}
	whole := c.chat("sim-reasoning:deviate=mistral", question, "")
	if got := gjson.Get(whole.body, "choices.0.message.content.#.type").Raw; got != `["thinking","text"]` || strings.Contains(whole.body, "reasoning_content") {
		t.Errorf("whole: %s", whole.body)
	}
}

// TestClaudeAtOthers calls Anthropic's protocol at Vertex AI and Bedrock: the model in the path, the version in the body, and
// at Bedrock frames around the events.
func TestClaudeAtOthers(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	root := c.root()
	body := func(version string) string {
		return `{"anthropic_version":"` + version + `","max_tokens":500,"messages":[{"role":"user","content":"` + question + `"}]}`
	}
	direct := root.do("POST", "/v1/messages", `{"model":"sim-fast","max_tokens":500,"messages":[{"role":"user","content":"`+question+`"}]}`, "Anthropic-Version", newVersion)
	want := gjson.Get(direct.body, "content.0.text").Str
	const onGoogle, onAmazon = "/v1/projects/p/locations/us-east5/publishers/anthropic/models/sim-fast", "/model/sim-fast/"
	g := tongue{dialect: llm.Anthropic}
	for _, a := range []answer{
		root.do("POST", onGoogle+":rawPredict", body("vertex-2023-10-16")), root.do("POST", onAmazon+"invoke", body("bedrock-2023-05-31")),
	} {
		if got := textOf(g.parse(t, a)); got != want {
			t.Errorf("text %q, want %q", got, want)
		}
	}
	stream := root.do("POST", onGoogle+":streamRawPredict", strings.Replace(body("vertex-2023-10-16"), "{", `{"stream":true,`, 1))
	if got, e, _ := g.fold(t, stream); e != nil || textOf(got) != want {
		t.Errorf("streamed at Vertex: %q %v", textOf(got), e)
	}
	framed := root.do("POST", onAmazon+"invoke-with-response-stream", body("bedrock-2023-05-31"))
	if framed.header.Get("Content-Type") != bedrock.ContentType {
		t.Errorf("content type %q", framed.header.Get("Content-Type"))
	}
	if got, e := unframed(t, framed.body); e != nil || textOf(got) != want {
		t.Errorf("streamed at Bedrock: %q %v", textOf(got), e)
	}
	broken := root.do("POST", "/model/sim-fast%3Astream-error/invoke-with-response-stream", body("bedrock-2023-05-31"))
	if _, e := unframed(t, broken.body); e == nil {
		t.Error("an exception within the stream is not seen")
	}
	f := func(path, body, want string) {
		t.Helper()
		if a := root.do("POST", path, body); a.status != 400 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want %q", path, a.status, a.body, want)
		}
	}
	f(onGoogle+":rawPredict", body("bedrock-2023-05-31"), "vertex-2023-10-16")
	f(onAmazon+"invoke", body("vertex-2023-10-16"), "bedrock-2023-05-31")
	f(onAmazon+"invoke", strings.Replace(body("bedrock-2023-05-31"), "{", `{"model":"x",`, 1), "model: Extra inputs")
	f(onAmazon+"invoke", strings.Replace(body("bedrock-2023-05-31"), "{", `{"stream":true,`, 1), "stream: Extra inputs")
}

// unframed folds a stream of Claude's events in Amazon's frames.
func unframed(t *testing.T, body string) (*llm.Answer, *llm.Error) {
	t.Helper()
	g := tongue{dialect: llm.Anthropic}
	var sse strings.Builder
	r := bedrock.Frames{Anthropic: true}
	r.Reset(0)
	src := strings.NewReader(body)
	for {
		_, err := r.Fill(src)
		for {
			ev, ok, bad := r.Next()
			if bad != nil {
				t.Fatal(bad)
			}
			if !ok {
				break
			}
			sse.WriteString("event: " + string(ev.Name) + "\ndata: " + string(ev.Data) + "\n\n")
		}
		if err != nil {
			a, e, _ := g.fold(t, answer{status: 200, body: sse.String()})
			return a, e
		}
	}
}

// TestGeminiArrayStream reads a stream that is a JSON array.
func TestGeminiArrayStream(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	root := c.root()
	a := root.do("POST", "/v1beta/models/sim-fast:streamGenerateContent", geminiBody)
	whole := root.do("POST", "/v1beta/models/sim-fast:generateContent", geminiBody)
	var text string
	for _, chunk := range gjson.Parse(a.body).Array() {
		for _, p := range chunk.Get("candidates.0.content.parts").Array() {
			text += p.Get("text").Str
		}
	}
	if !json.Valid([]byte(a.body)) || text != gjson.Get(whole.body, "candidates.0.content.parts.0.text").Str || a.header.Get("Content-Type") != "application/json; charset=UTF-8" {
		t.Errorf("%v %s", a.header, a.body)
	}
	cut := root.do("POST", "/v1beta/models/sim-fast:stream-error:streamGenerateContent", geminiBody)
	if !strings.Contains(cut.body, `"status":"UNAVAILABLE"`) {
		t.Errorf("error in the array: %s", cut.body)
	}
}

func FuzzRoute(f *testing.F) {
	for _, s := range []string{
		"/v1/messages", "/v1beta/models/a:generateContent", "/model/a%3A0/converse", "/openai/deployments/d/chat/completions", "/v1/projects/p/locations/l/publishers/google/models/m:x",
		"/v1/responses/r/input_items", "/v1/sim/echo/x", "/openai/v1/embeddings", "/v2/rerank", "/token",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := newRequest(t, "application/json")
		r.URL.Path = path
		a, ok := route(r)
		if ok && a.action == actCall && (a.op == 0 || a.dialect == 0) {
			t.Errorf("%q is routed to %+v", path, a)
		}
	})
}
