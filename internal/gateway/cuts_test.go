package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// story is an answer of thinking, text and calls, where there are any.
type story struct {
	thought string
	text    string
	calls   []llm.Part
}

// events returns the answer from a byte of its text on, a few bytes at a time.
func (s *story) events(from int) []llm.Event {
	all := []llm.Event{{Kind: llm.EventStart, ID: "made", Name: "m", Created: time.Unix(1_760_000_000, 0)}}
	deltas := func(kind llm.PartKind, text string) {
		for len(text) > 0 {
			n := min(7, len(text))
			for n < len(text) && !utf8.RuneStart(text[n]) {
				n++
			}
			all = append(all, llm.Event{Kind: llm.EventDelta, Part: kind, Text: []byte(text[:n])})
			text = text[n:]
		}
	}
	if s.thought != "" {
		all = append(all, llm.Event{Kind: llm.EventPart, Part: llm.PartThinking})
		deltas(llm.PartThinking, s.thought)
		all = append(all, llm.Event{Kind: llm.EventPartEnd, Part: llm.PartThinking})
	}
	if from < len(s.text) {
		all = append(all, llm.Event{Kind: llm.EventPart, Part: llm.PartText})
		deltas(llm.PartText, s.text[from:])
		all = append(all, llm.Event{Kind: llm.EventPartEnd, Part: llm.PartText})
	}
	finish := llm.FinishStop
	for _, c := range s.calls {
		finish = llm.FinishTools
		all = append(all, llm.Event{Kind: llm.EventPart, Part: c.Kind, ID: c.ID, Name: c.Name})
		deltas(c.Kind, c.Text)
		all = append(all, llm.Event{Kind: llm.EventPartEnd, Part: c.Kind})
	}
	return append(all, llm.Event{Kind: llm.EventFinish, Finish: finish},
		llm.Event{Kind: llm.EventUsage, Usage: &llm.Usage{Input: 1000, Output: 500}})
}

// stream returns the same on the wire.
func (s *story) stream(d llm.Dialect, from int) string {
	w := dialect.Of(d).NewWriter(&llm.Head{ID: "made", Model: "m", Usage: true, Created: time.Unix(1_760_000_000, 0)})
	var out []byte
	for _, e := range s.events(from) {
		out = w.Write(out, &e)
	}
	return string(w.End(out))
}

// spoken returns the dialect of a request, by its path.
func spoken(r *http.Request) llm.Dialect {
	switch p := r.URL.Path; {
	case strings.HasSuffix(p, "/chat/completions"):
		return llm.OpenAI
	case strings.HasSuffix(p, "/responses"):
		return llm.Responses
	case strings.HasSuffix(p, "/messages"):
		return llm.Anthropic
	default:
		return llm.Gemini
	}
}

// answer answers from where the request's last turn ends, if that is the answer's own text; else all of it. If cut is not nil, the
// connection breaks after as many bytes, or after all if there are not as many, which it tells by setting *cut to 0.
func (s *story) answer(t *testing.T, cut *int) step {
	return func(w http.ResponseWriter, r *http.Request) {
		d := spoken(r)
		body, _ := io.ReadAll(r.Body)
		chat, e := dialect.Of(d).ReadChat(llm.OpChat, body)
		if e != nil {
			t.Errorf("%v was asked %s: %v", d, body, e)
			return
		}
		from := 0
		for _, turn := range chat.Messages {
			if turn.Role != llm.RoleAssistant {
				continue
			}
			said := ""
			for _, p := range turn.Parts {
				said += p.Text
			}
			if !strings.HasPrefix(s.text, said) {
				t.Errorf("%v was asked to go on from %q", d, said)
			}
			from = len(said)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		all := s.stream(d, from)
		if cut == nil {
			_, _ = io.WriteString(w, all)
			return
		}
		_, _ = io.WriteString(w, all[:min(*cut, len(all))])
		w.(http.Flusher).Flush()
		if *cut >= len(all) {
			*cut = 0
		}
		panic(http.ErrAbortHandler)
	}
}

// told returns what a client has of an answer, for comparison.
func told(a *llm.Answer) string {
	var all strings.Builder
	for _, c := range a.Choices {
		for _, p := range c.Parts {
			switch p.Kind {
			case llm.PartText:
				fmt.Fprintf(&all, "%s", p.Text)
			case llm.PartToolCall:
				fmt.Fprintf(&all, "\n%s(%s)", p.Name, p.Text)
			}
		}
		fmt.Fprintf(&all, "\n%v", c.Finish)
	}
	return all.String()
}

// TestEveryCut breaks streams at many of their bytes, on every surface and at targets of every dialect. Where the next target goes on
// exactly, the client reads the answer as if nothing had happened; once, and with one end.
func TestEveryCut(t *testing.T) {
	const every = 61 // bytes
	t.Parallel()
	stories := map[string]*story{
		"text": {text: "At dawn the keeper opens his gates.\n\nWater falls — 水门 — through them,\n    into the lower canal; boats wait. \n\n- One\n- Two\n\nThen it rests."},
		"calls": {text: "Let me look.", calls: []llm.Part{
			{Kind: llm.PartToolCall, ID: "call_1", Name: "look", Text: `{"at":"the \"old\" lock","deep":true}`},
			{Kind: llm.PartToolCall, ID: "call_2", Name: "open", Text: `{"gate":3}`},
		}},
		"thinking": {thought: "Hm, a lock. Which?", text: "The old one, by the mill.", calls: []llm.Part{{Kind: llm.PartToolCall, ID: "call_1", Name: "look", Text: `{"at":"mill"}`}}},
		"one call": {calls: []llm.Part{{Kind: llm.PartToolCall, ID: "call_1", Name: "look", Text: `{"at":"dawn"}`}}},
	}
	apis := map[llm.Dialect]string{llm.OpenAI: "openai", llm.Responses: "openai", llm.Anthropic: "anthropic", llm.Gemini: "gemini"}
	tools := map[llm.Dialect]string{
		llm.OpenAI:    `{"model":"m","max_tokens":4000,"stream":true,"messages":[{"role":"user","content":"hello"}],"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}},{"type":"function","function":{"name":"open","parameters":{"type":"object"}}}]}`,
		llm.Responses: `{"model":"m","max_output_tokens":4000,"stream":true,"store":false,"input":"hello","tools":[{"type":"function","name":"look","parameters":{"type":"object"}},{"type":"function","name":"open","parameters":{"type":"object"}}]}`,
		llm.Anthropic: `{"model":"m","max_tokens":4000,"stream":true,"messages":[{"role":"user","content":"hello"}],"tools":[{"name":"look","input_schema":{"type":"object"}},{"name":"open","input_schema":{"type":"object"}}]}`,
		llm.Gemini:    `{"contents":[{"role":"user","parts":[{"text":"hello"}]}],"tools":[{"functionDeclarations":[{"name":"look","parameters":{"type":"object"}},{"name":"open","parameters":{"type":"object"}}]}]}`,
	}
	f := func(what, mode string, front, first, second llm.Dialect, from int, twice bool) {
		t.Run(fmt.Sprint(what, " ", mode, " ", front, " over ", first, " and ", second, " ", twice), func(t *testing.T) {
			t.Parallel()
			s, cut, again := stories[what], 0, 0
			targets, dialects := []*script{steps(s.answer(t, &cut)), steps(s.answer(t, nil))}, []llm.Dialect{first, second}
			if twice {
				targets = slices.Insert(targets, 1, steps(s.answer(t, &again)))
				dialects = append(dialects, first)
			}
			o := pool(targets...)
			for i, d := range dialects {
				o.providers[i].api, o.providers[i].native = apis[d], d == llm.Responses
				if d == llm.Responses {
					o.providers[i].priceOf = "openai"
				}
			}
			o.settings = rescuing(how(mode))
			onRoad(t, o, func(rd *road) {
				want := told(foldOf(s))
				for at := from; ; at += every {
					cut, again = at, at/2+20
					w := rd.ask(front, "m", true, tools[front])
					got, e := read(t, front, w.body.String())
					if w.err != nil || e != nil || told(got) != want {
						t.Errorf("cut at %d: client read %q (%v, %v), want %q; of\n%s", at, told(got), e, w.err, want, w.body.String())
						return
					}
					if cut == 0 {
						return
					}
					rd.sleep(time.Hour) // the breaker forgets
				}
			})
		})
	}
	all := []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini}
	for what := range stories {
		for m, mode := range []string{gateway.BreakContinue, gateway.BreakRestart} {
			for i, front := range all {
				for j, first := range all {
					second := all[(i+j+m)%len(all)]
					f(what, mode, front, first, second, 1+i+4*j, i%2 == j%2)
				}
			}
		}
	}
}

func foldOf(s *story) *llm.Answer {
	var f llm.Folder
	for _, e := range s.events(0) {
		f.Add(&e)
	}
	return f.Answer()
}
