package sim

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// TestFoldIsTheWholeBody holds that the fold of a dialect makes of a stream the body that is not streamed, member for member.
func TestFoldIsTheWholeBody(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*llm.Chat){
		"text":     func(*llm.Chat) {},
		"length":   func(c *llm.Chat) { c.MaxTokens = 5 },
		"parallel": func(c *llm.Chat) { c.Tools = weatherTools(); c.Messages[0].Parts[0].Text = "get_weather, open_gate" },
		"thinking": func(c *llm.Chat) {
			c.Model, c.Reasoning = "sim-reasoning", llm.Reasoning{Mode: llm.ThinkOn, Budget: 1500, Summary: "auto"}
		},
		"refusal": func(c *llm.Chat) { c.Messages[0].Parts[0].Text = "[[sim:refuse]]" },
		"long":    func(c *llm.Chat) { c.Messages[0].Parts[0].Text = "[[sim:tokens=700]]" },
		"scripts": func(c *llm.Chat) { c.Model = "sim-fast:unicode" },
	}
	for _, g := range tongues() {
		if g.dialect != llm.Anthropic && g.dialect != llm.Responses {
			continue
		}
		for name, change := range cases {
			t.Run(g.dialect.String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				chat := userChat("sim-fast", "tell me of rivers")
				change(&chat)
				_, c := start(t, quick())
				whole := g.send(c, chat)
				_, c2 := start(t, quick())
				chat.Stream = true
				live := g.send(c2, chat)
				fold := dialect.Of(g.dialect).NewFold(llm.OpChat)
				readSSE(t, live.body, func(name, data []byte) bool {
					fold.Add(name, data)
					return true
				})
				body, ok := fold.Append(nil)
				if !ok {
					t.Fatalf("no answer: %s", live.body)
				}
				if diff := cmp.Diff(memberwise(t, whole.body), memberwise(t, string(body))); diff != "" {
					t.Errorf("whole and folded (-whole +folded):\n%s", diff)
				}
				want, e := dialect.Of(g.dialect).Scan(llm.OpChat, []byte(whole.body))
				got, e2 := dialect.Of(g.dialect).Scan(llm.OpChat, body)
				if e != nil || e2 != nil || !got.Complete || got.Usage != want.Usage || got.Tier != want.Tier || got.OutputBytes != want.OutputBytes {
					t.Errorf("folded is scanned as %+v %v, whole as %+v %v", got, e2, want, e)
				}
			})
		}
	}
}

// memberwise reads JSON, with numbers as they are written.
func memberwise(t *testing.T, body string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}
