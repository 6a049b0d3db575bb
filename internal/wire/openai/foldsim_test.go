package openai_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/sim"
	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// ask sends a request to a simulator and returns the body of its answer.
func ask(t *testing.T, s *sim.Server, path, body string) string {
	t.Helper()
	rq := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	rq.Header.Set("Authorization", "Bearer x")
	rq.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, rq)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", body, w.Code, w.Body)
	}
	return w.Body.String()
}

// foldStream follows a stream and adds up what is let through.
func foldStream(t *testing.T, op llm.Op, text string) []byte {
	t.Helper()
	var s openai.Stream
	s.Reset(wire.FollowOptions{})
	f := openai.NewFold(op)
	var r wire.Reader
	src := strings.NewReader(text)
	for {
		_, end := r.Fill(src)
		for {
			ev, ok, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if s.Observe(&ev) == wire.Forward && !ev.Comment {
				f.Add(ev.Name, ev.Data)
			}
		}
		if end != nil {
			break
		}
	}
	out, ok := f.Append([]byte("-"))
	if !ok || !s.Finished() {
		t.Fatalf("%s does not add up", text)
	}
	return out[1:]
}

func value(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// bare takes out of a value what is made anew for each call, and members that say nothing, which only the answer in one piece has
// (refusal, annotations, warnings, usage_breakdown). A content of null stays.
func bare(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			switch list, _ := one.([]any); {
			case name == "id", one == nil && name != "content", list != nil && len(list) == 0:
				delete(v, name)
			default:
				bare(one)
			}
		}
	case []any:
		for _, one := range v {
			bare(one)
		}
	}
}

// firstChoice returns the first choice and its message.
func firstChoice(v map[string]any) (choice, message map[string]any) {
	choice = v["choices"].([]any)[0].(map[string]any)
	return choice, choice["message"].(map[string]any)
}

// TestFoldAnswers holds that a stream of each provider that the simulator plays adds up to the answer in one piece.
func TestFoldAnswers(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Config{Seed: 7, Clock: 1750000000, Latency: "none"})
	if err != nil {
		t.Fatal(err)
	}
	const message = `,"messages":[{"role":"user","content":"how does the sluice work?"}]`
	const tools = `,"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{"q":{"type":"string"}}}}},` +
		`{"type":"function","function":{"name":"hear","parameters":{"type":"object","properties":{"n":{"type":"integer"}}}}}],"tool_choice":"required"`
	f := func(op llm.Op, model, rest string, same func(stream, whole map[string]any)) {
		t.Helper()
		path, head := "/v1/chat/completions", `{"model":"`+model+`"`+rest+message
		if op == llm.OpCompletion {
			path, head = "/v1/completions", `{"model":"`+model+`","prompt":"how does the sluice work?"`+rest
		}
		whole := []byte(ask(t, s, path, head+`}`))
		got := foldStream(t, op, ask(t, s, path, head+`,"stream":true,"stream_options":{"include_usage":true}}`))
		a, e := openai.ScanAnswer(op, got)
		if e != nil || !a.Complete {
			t.Errorf("%s: the fold is scanned as %+v, %v\n%s", head, a, e, got)
		}
		if b, _ := openai.ScanAnswer(op, whole); b.Usage != a.Usage {
			t.Errorf("%s: the fold has usage %+v, want %+v", head, a, b)
		}
		left, right := value(t, got), value(t, whole)
		bare(left)
		bare(right)
		if same != nil {
			same(left, right)
		}
		if d := cmp.Diff(right, left); d != "" {
			t.Errorf("%s (-whole +fold):\n%s", head, d)
		}
	}
	// What the simulator's streams say, and its answers in one piece do not.
	differs := map[string]func(stream, whole map[string]any){
		"together": func(stream, _ map[string]any) {
			choice, message := firstChoice(stream)
			delete(choice, "seed")
			delete(message, "token_id")
			delete(message, "reasoning")
		},
		"azure": func(stream, whole map[string]any) { // fewer categories in the stream
			delete(stream, "prompt_filter_results")
			delete(whole, "prompt_filter_results")
		},
		"mistral": func(stream, whole map[string]any) {
			_, one := firstChoice(whole)
			delete(one, "x_simulated_thoughts")
			if thought := one["reasoning_content"]; thought != nil && one["content"] == nil { // beside calls
				delete(one, "reasoning_content")
				one["content"] = []any{map[string]any{"type": "thinking", "closed": true, "thinking": []any{map[string]any{"type": "text", "text": thought}}}}
			}
		},
	}
	for _, name := range []string{
		"groq", "together", "fireworks", "openrouter", "deepseek", "mistral", "xai", "cerebras", "ollama", "vllm", "llamacpp", "azure", "perplexity", "gemini",
	} {
		same := differs[name]
		for _, model := range []string{"sim-fast", "sim-reasoning"} {
			f(llm.OpChat, model+":deviate="+name, "", same)
			f(llm.OpChat, model+":deviate="+name, tools, same)
		}
	}
	for _, model := range []string{"sim-fast", "sim-fast:no-index", "sim-fast:array-content", "sim-reasoning"} {
		f(llm.OpChat, model, "", nil)
		f(llm.OpChat, model, tools, nil)
		f(llm.OpChat, model, `,"n":3`, nil)
		f(llm.OpChat, model, `,"logprobs":true,"top_logprobs":2`, nil)
		f(llm.OpChat, model, `,"max_completion_tokens":5`, nil)
	}
	f(llm.OpCompletion, "sim-fast", "", nil)
	f(llm.OpCompletion, "sim-fast", `,"n":2`, nil)
}
