package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// answersAs answers with a, whole or streamed, as the request asks.
func answersAs(a *llm.Answer) step {
	return func(w http.ResponseWriter, r *http.Request) {
		d := spoken(r)
		body, _ := io.ReadAll(r.Body)
		head := llm.Head{ID: "made", Model: "m", Usage: true, Created: time.Unix(1_760_000_000, 0)}
		if !strings.Contains(string(body), `"stream":true`) && !strings.HasSuffix(r.URL.Path, ":streamGenerateContent") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(dialect.Of(d).AppendAnswer(nil, a, &head))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		writer := dialect.Of(d).NewWriter(&head)
		var out []byte
		for _, e := range llm.Unfold(a) {
			if e.Kind != llm.EventEnd {
				out = writer.Write(out, &e)
			}
		}
		_, _ = w.Write(writer.End(out))
	}
}

// TestSupervisedAnswers: on every surface and at targets of every dialect, an answer that was a stream inside is what it is without.
func TestSupervisedAnswers(t *testing.T) {
	t.Parallel()
	usage := llm.Usage{Input: 1000, CachedInput: 400, Output: 500, Reasoning: 100}
	one := func(finish llm.Finish, parts ...llm.Part) *llm.Answer {
		return &llm.Answer{ID: "made", Model: "m", Created: time.Unix(1_760_000_000, 0), Usage: usage, HasUsage: true, Choices: []llm.Choice{{Finish: finish, Parts: parts}}}
	}
	text := llm.Part{Kind: llm.PartText, Text: "Water \"falls\" — 水门 — slowly.\n"}
	call := func(n int) llm.Part {
		return llm.Part{Kind: llm.PartToolCall, ID: fmt.Sprint("call_", n), Name: "look", Text: fmt.Sprintf(`{"at":%d}`, n)}
	}
	answers := map[string]*llm.Answer{
		"text":     one(llm.FinishStop, text),
		"cut":      one(llm.FinishLength, text),
		"call":     one(llm.FinishTools, call(1)),
		"calls":    one(llm.FinishTools, text, call(1), call(2)),
		"thinking": one(llm.FinishStop, llm.Part{Kind: llm.PartThinking, Text: "Hm."}, text),
		"filter":   one(llm.FinishFilter, text),
	}
	bodies := map[llm.Dialect]string{
		llm.OpenAI:    `{"model":"m","max_tokens":4000,"messages":[{"role":"user","content":"hello"}],"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}]}`,
		llm.Responses: `{"model":"m","max_output_tokens":4000,"store":false,"input":"hello","tools":[{"type":"function","name":"look","parameters":{"type":"object"}}]}`,
		llm.Anthropic: `{"model":"m","max_tokens":4000,"messages":[{"role":"user","content":"hello"}],"tools":[{"name":"look","input_schema":{"type":"object"}}]}`,
		llm.Gemini:    `{"contents":[{"role":"user","parts":[{"text":"hello"}]}],"tools":[{"functionDeclarations":[{"name":"look","parameters":{"type":"object"}}]}]}`,
	}
	apis := map[llm.Dialect]string{llm.OpenAI: "openai", llm.Responses: "openai", llm.Anthropic: "anthropic", llm.Gemini: "gemini"}
	for name, answer := range answers {
		for front, body := range bodies {
			for target, api := range apis {
				t.Run(fmt.Sprint(name, " ", front, " over ", target), func(t *testing.T) {
					t.Parallel()
					ask := func(supervise string) (got any, row int64) {
						s := steps(answersAs(answer))
						o := at(s)
						o.providers[0].api, o.providers[0].native, o.providers[0].priceOf = api, target == llm.Responses, "openai"
						o.settings = rescuing(func(r *gateway.Rescue) { r.Supervise = supervise })
						onRoad(t, o, func(rd *road) {
							w := rd.ask(front, "p/m", false, body)
							w.want(llm.KindNone, 1)
							if err := json.Unmarshal([]byte(w.body.String()), &got); err != nil {
								t.Errorf("client got %s: %v", w.body.String(), err)
							}
							withoutEmpty(got)
							row = rd.row(w).Usage.Output
						})
						return got, row
					}
					whole, n := ask("off")
					streamed, m := ask("auto")
					if d := cmp.Diff(whole, streamed); d != "" || n != m {
						t.Errorf("differs (-whole +streamed; output %d, %d):\n%s", n, m, d)
					}
				})
			}
		}
	}
}

// withoutEmpty takes out lists of annotations without any, which streams do not have.
func withoutEmpty(v any) {
	switch v := v.(type) {
	case map[string]any:
		if list, ok := v["annotations"].([]any); ok && len(list) == 0 {
			delete(v, "annotations")
		}
		for _, one := range v {
			withoutEmpty(one)
		}
	case []any:
		for _, one := range v {
			withoutEmpty(one)
		}
	}
}
