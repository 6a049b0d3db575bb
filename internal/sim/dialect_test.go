package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/bedrock"
	"sluice/internal/wire/openai"
)

// tongue is how a test speaks one dialect.
type tongue struct {
	dialect     llm.Dialect
	whole, live string   // paths, with %s for the model
	header      []string // names and values
	frames      bool
}

func tongues() []tongue {
	anthropic := []string{"Anthropic-Version", "2023-06-01", "Content-Type", "application/json"}
	return []tongue{
		{dialect: llm.Converse, whole: "/model/%s/converse", live: "/model/%s/converse-stream", frames: true},
		{dialect: llm.Anthropic, whole: "/v1/messages", live: "/v1/messages", header: anthropic},
		{dialect: llm.Gemini, whole: "/v1beta/models/%s:generateContent", live: "/v1beta/models/%s:streamGenerateContent?alt=sse"},
		{dialect: llm.Responses, whole: "/v1/responses", live: "/v1/responses"},
	}
}

// body writes a chat in the dialect.
func (g *tongue) body(c *llm.Chat) string {
	return string(dialect.Of(g.dialect).AppendChat(nil, c))
}

// send sends a chat.
func (g *tongue) send(c *client, chat llm.Chat) answer {
	c.t.Helper()
	path := g.whole
	if chat.Stream {
		path = g.live
	}
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, strings.ReplaceAll(chat.Model, ";", "%3B"))
	}
	return c.root().do("POST", path, g.body(&chat), g.header...)
}

// parse reads a whole answer.
func (g *tongue) parse(t *testing.T, a answer) *llm.Answer {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("%s: status %d %s %v", g.dialect, a.status, a.body, a.err)
	}
	out, e := dialect.Of(g.dialect).ReadAnswer([]byte(a.body))
	if e != nil {
		t.Fatalf("%s: %v in %s", g.dialect, e, a.body)
	}
	return out
}

// fold reads a stream to its end, and returns what it adds up to and the error that ended it.
func (g *tongue) fold(t *testing.T, a answer) (*llm.Answer, *llm.Error, int) {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("%s: status %d %s %v", g.dialect, a.status, a.body, a.err)
	}
	r := dialect.Of(g.dialect).NewReader()
	var folder llm.Folder
	var events []llm.Event
	malformed := 0
	add := func(e *llm.Error) *llm.Error {
		for i := range events {
			if events[i].Kind == llm.EventMalformed {
				malformed++
			}
			folder.Add(&events[i])
		}
		return e
	}
	var failed *llm.Error
	each := func(name, data []byte) bool {
		var e *llm.Error
		events, e = r.Read(events[:0], name, data)
		failed = add(e)
		return failed == nil
	}
	if g.frames {
		readFrames(t, a.body, each)
	} else {
		readSSE(t, a.body, each)
	}
	if failed == nil {
		var e *llm.Error
		events, e = r.End(events[:0])
		failed = add(e)
	}
	return folder.Answer(), failed, malformed
}

func readSSE(t *testing.T, body string, each func(name, data []byte) bool) {
	t.Helper()
	var r wire.Reader
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
			if !ev.Comment && !each(ev.Name, ev.Data) {
				return
			}
		}
		if err != nil {
			if ev, ok := r.Last(); ok && !ev.Comment {
				each(ev.Name, ev.Data)
			}
			return
		}
	}
}

func readFrames(t *testing.T, body string, each func(name, data []byte) bool) {
	t.Helper()
	var r bedrock.Frames
	r.Reset(0)
	src := bytes.NewReader([]byte(body))
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
			if !each(ev.Name, ev.Data) {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				t.Fatal(err)
			}
			return
		}
	}
}

func userChat(model, text string) llm.Chat {
	return llm.Chat{
		Model: model, MaxTokens: 4000, Choices: 1,
		Messages: []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}},
	}
}

func weatherTools() []llm.Function {
	return []llm.Function{
		{Name: "get_weather", Description: "weather", Parameters: `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`},
		{Name: "open_gate", Description: "gate", Parameters: `{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}`},
	}
}

// sameAnswer ignores what the two answers of one request may differ in.
var sameAnswer = cmp.Options{
	cmpopts.IgnoreFields(llm.Answer{}, "ID", "Created", "Fingerprint", "ServiceTier"),
	cmpopts.IgnoreFields(llm.Part{}, "ID"), cmpopts.EquateEmpty(),
}

// TestStreamFoldsToTheWholeAnswer holds, for each dialect and kind of answer, that the stream adds up to the answer that is
// not streamed, that it says what OpenAI's dialect says, and that what is billed is what the client was told.
func TestStreamFoldsToTheWholeAnswer(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*llm.Chat){
		"text":     func(*llm.Chat) {},
		"length":   func(c *llm.Chat) { c.MaxTokens = 5 },
		"stop":     func(c *llm.Chat) { c.Stop = []string{" the", " each", " every", " this"} },
		"tools":    func(c *llm.Chat) { c.Tools = weatherTools(); c.Messages[0].Parts[0].Text = "get_weather" },
		"parallel": func(c *llm.Chat) { c.Tools = weatherTools(); c.Messages[0].Parts[0].Text = "get_weather, open_gate" },
		"forced": func(c *llm.Chat) {
			c.Tools, c.ToolChoice = weatherTools(), llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"open_gate"}}
		},
		"schema": func(c *llm.Chat) {
			c.Format = llm.Format{Kind: llm.FormatSchema, Name: "gate", Schema: weatherTools()[1].Parameters}
		},
		"system": func(c *llm.Chat) {
			c.Messages = append([]llm.Turn{{Role: llm.RoleSystem, Parts: []llm.Part{{Kind: llm.PartText, Text: "be brief"}}}}, c.Messages...)
		},
		"thinking": func(c *llm.Chat) {
			c.Model, c.Reasoning = "sim-reasoning", llm.Reasoning{Mode: llm.ThinkOn, Budget: 1500, Summary: "auto"}
		},
		"refusal": func(c *llm.Chat) { c.Messages[0].Parts[0].Text = "[[sim:refuse]]" },
		"long":    func(c *llm.Chat) { c.Messages[0].Parts[0].Text = "[[sim:tokens=700]]" },
		"scripts": func(c *llm.Chat) { c.Model = "sim-fast:unicode" },
	}
	for _, g := range tongues() {
		for name, change := range cases {
			t.Run(g.dialect.String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				chat := userChat("sim-fast", "tell me of rivers")
				change(&chat)
				s, c := start(t, quick())
				whole := g.parse(t, g.send(c, chat))
				billed := settled(s)
				s2, c2 := start(t, quick())
				chat.Stream = true
				folded, e, bad := g.fold(t, g.send(c2, chat))
				if e != nil || bad > 0 {
					t.Fatalf("stream: %v, %d events cannot be read", e, bad)
				}
				if diff := cmp.Diff(whole, folded, sameAnswer); diff != "" {
					t.Errorf("whole and folded (-whole +folded):\n%s", diff)
				}
				told := billed.Usage
				told.Input, told.Cached, told.Output, told.CacheWrite = whole.Usage.Input, whole.Usage.CachedInput, whole.Usage.Output, whole.Usage.CacheWrite
				if g.dialect != llm.Converse { // which has no count of thoughts
					told.Reasoning = whole.Usage.Reasoning
				}
				if told != billed.Usage {
					t.Errorf("told %+v, billed %+v", told, billed.Usage)
				}
				if got := settled(s2).Usage; got != billed.Usage {
					t.Errorf("billed %+v streamed, %+v whole", got, billed.Usage)
				}
				checkAgainstOpenAI(t, g.dialect, &chat, whole)
			})
		}
	}
}

// checkAgainstOpenAI holds that the same prompt gets the same text and calls in OpenAI's dialect.
func checkAgainstOpenAI(t *testing.T, d llm.Dialect, chat *llm.Chat, got *llm.Answer) {
	t.Helper()
	_, c := start(t, quick())
	plain := *chat
	plain.Stream = false
	if d == llm.Responses { // which has no stop sequences
		plain.Stop = nil
	}
	if plain.Reasoning.Mode != 0 { // OpenAI's dialect has no budget
		return
	}
	a := c.do("POST", "/chat/completions", string(openai.AppendChat(nil, &plain)))
	want := parse(t, a.body).Choices[0].Message
	var text string
	var calls int
	for _, p := range got.Choices[0].Parts {
		switch p.Kind {
		case llm.PartText, llm.PartRefusal:
			text += p.Text
		case llm.PartToolCall:
			if calls >= len(want.Tools) || want.Tools[calls].Function.Name != p.Name || !sameJSON(t, want.Tools[calls].Function.Arguments, p.Text) {
				t.Errorf("call %d is %s %s, OpenAI's are %+v", calls, p.Name, p.Text, want.Tools)
			}
			calls++
		}
	}
	if text != want.Content || calls != len(want.Tools) {
		t.Errorf("text %q with %d calls, OpenAI's %q with %d", text, calls, want.Content, len(want.Tools))
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return cmp.Equal(x, y)
}
