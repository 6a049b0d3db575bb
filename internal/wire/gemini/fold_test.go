package gemini_test

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
	"sluice/internal/wire/gemini"
)

func TestFold(t *testing.T) {
	t.Parallel()
	f := func(name, want string, data ...string) {
		t.Helper()
		fold := gemini.NewFold(llm.OpChat)
		for _, one := range data {
			b := []byte(one)
			fold.Add(nil, b)
			for i := range b {
				b[i] = 'x' // it was valid during the call
			}
		}
		if got, ok := fold.Append(nil); !ok || string(got) != want {
			t.Errorf("%s: %t\n got %s\nwant %s", name, ok, got, want)
		}
	}
	parts := func(parts string) string { return `{"candidates":[{"content":{"parts":[` + parts + `]}}]}` }
	whole := func(parts string) string {
		return `{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"}}]}`
	}
	f("unknown members and numbers as written", `{"candidates":[{"content":{"parts":[{"text":"a\u00e9"}],"role":"model","z":1},"index":0,"odd":2.0,"finishReason":"STOP"}],`+
		`"responseId":"r","modelVersion":"m","usageMetadata":{"promptTokenCount":1e1},"new":[1.00]}`,
		`{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model","z":1},"index":0,"odd":1,"finishReason":"FINISH_REASON_UNSPECIFIED"}],"responseId":"r","modelVersion":"m","usageMetadata":{"promptTokenCount":7}}`,
		`{"candidates":[{"content":{"parts":[{"text":"\u00e9"}]},"odd":2.0,"finishReason":"STOP"}],"responseId":"q","usageMetadata":{"promptTokenCount":1e1},"new":[1.00]}`)
	f("parts", whole(`{"text":"ab","thought":true},{"text":"cd"},{"text":"e","thoughtSignature":"s"},{"text":"f"},{"inlineData":{"mimeType":"a/b","data":"AA"}},{"text":"g"}`),
		parts(`{"text":"a","thought":true}`), parts(`{"thought":true,"text":"b"}`), parts(`{"text":"c"},{"text":""},{"text":"d"}`),
		parts(`{"text":"e","thoughtSignature":"s"}`), parts(`{"text":"f"}`), parts(`{"inlineData":{"mimeType":"a/b","data":"AA"}}`), parts(`{"text":"g"}`))
	f("nothing but an empty text", whole(`{"text":""}`), parts(`{"text":""}`))
	f("no parts", `{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}]}`, `{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}]}`)
	f("no content", `{"candidates":[{"finishReason":"SAFETY"}]}`, `{"candidates":[{"finishReason":"SAFETY"}]}`)
	f("calls", whole(`{"functionCall":{"name":"f","args":{"a": 1}}},{"functionCall":{"name":"f","args":{"a": 1}},"thoughtSignature":"s"}`),
		parts(`{"functionCall":{"name":"f","args":{"a": 1}}}`), parts(`{"functionCall":{"name":"f","args":{"a": 1}},"thoughtSignature":"s"}`), parts(`{"text":""}`))
	f("arguments in pieces", whole(`{"functionCall":{"name":"f","id":"i","args":{"a":"xy","b":[1]}},"thoughtSignature":"s"},{"text":"z"}`),
		parts(`{"functionCall":{"name":"f","id":"i","partialArgs":[{"jsonPath":"$.a","stringValue":"x"}],"willContinue":true}}`),
		parts(`{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"y"},{"jsonPath":"$.b[0]","numberValue":1}],"willContinue":true},"thoughtSignature":"s"}`),
		parts(`{"functionCall":{}}`), parts(`{"text":"z"}`))
	f("candidates", `{"candidates":[{"content":{"parts":[{"text":"b"}],"role":"model"},"index":0},{"content":{"parts":[{"text":"ac"}],"role":"model"},"index":1}]}`,
		`{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":1},{"content":{"parts":[{"text":"b"}]},"index":0}]}`, `{"candidates":[{"index":1,"content":{"parts":[{"text":"c"}]}}]}`)
	f("lists", `{"candidates":[{"citationMetadata":{"citations":[{"uri":"a"},{"uri":"b"}]},"logprobsResult":{"chosenCandidates":[{"t":1},{"t":1}],"sum":-2},"groundingMetadata":{"webSearchQueries":["q"],"groundingChunks":[1]}}]}`,
		`{"candidates":[{"citationMetadata":{"citations":[{"uri":"a"}]},"logprobsResult":{"chosenCandidates":[{"t":1}],"sum":-1},"groundingMetadata":{"webSearchQueries":["q"]}}]}`,
		`{"candidates":[{"citationMetadata":{"citations":[{"uri":"a"},{"uri":"b"}]},"logprobsResult":{"chosenCandidates":[{"t":1}],"sum":-2},"groundingMetadata":{"groundingChunks":[1],"webSearchQueries":[]}}]}`)
	f("a refused prompt", `{"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"m"}`, `{"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"m"}`)
	for _, bad := range []string{`{}`, `[]`, `{"candidates":[{"content":{"parts":[{"text":"a`, `7`} {
		fold := gemini.NewFold(llm.OpChat)
		fold.Add(nil, []byte(bad))
		if got, ok := fold.Append(nil); ok {
			t.Errorf("%s adds up to %s", bad, got)
		}
	}
}

// TestFoldFixture holds the fold of a whole stream to what it says.
func TestFoldFixture(t *testing.T) {
	t.Parallel()
	got := foldStream(t, answerText)
	a, err := gemini.ReadAnswer(got)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(known(wholeAnswer()), known(a)); d != "" {
		t.Errorf("(-want +got):\n%s\n%s", d, got)
	}
	if s, err := gemini.Scan(llm.OpChat, got); err != nil || !s.Complete || s.Usage != a.Usage || s.Tier != "flex" {
		t.Errorf("scanned as %+v, %v", s, err)
	}
}

// foldStream follows a stream and adds up what is let through.
func foldStream(t *testing.T, text string) []byte {
	t.Helper()
	s, f := gemini.NewFollower(), gemini.NewFold(llm.OpChat)
	s.Reset(wire.FollowOptions{})
	events(t, strings.NewReader(text), func(ev *wire.Event) {
		if s.Observe(ev) == wire.Forward {
			f.Add(ev.Name, ev.Data)
		}
	})
	out, ok := f.Append([]byte("-"))
	if !ok || !s.Finished() {
		t.Fatalf("%s does not add up", text)
	}
	return out[1:]
}

// plainValue reads JSON, without what is made anew for each call.
func plainValue(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var clean func(v any)
	clean = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "responseId")
			delete(v, "id")
			for _, one := range v {
				clean(one)
			}
		case []any:
			for _, one := range v {
				clean(one)
			}
		}
	}
	clean(v)
	return v
}

// TestFoldAnswers holds that the simulator's streams add up to its answers in one piece.
func TestFoldAnswers(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Config{Seed: 7, Clock: 1750000000, Latency: "none"})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path, body string) string {
		rq := httptest.NewRequest(http.MethodPost, "/v1beta/models/"+path, strings.NewReader(body))
		rq.Header.Set("X-Goog-Api-Key", "x")
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, rq); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", body, w.Code, w.Body)
		}
		return w.Body.String()
	}
	f := func(model, rest string) {
		t.Helper()
		body := `{"contents":[{"role":"user","parts":[{"text":"how does the sluice work?"}]}]` + rest + `}`
		whole := []byte(ask(model+":generateContent", body))
		got := foldStream(t, ask(model+":streamGenerateContent?alt=sse", body))
		a, e := gemini.Scan(llm.OpChat, got)
		if b, _ := gemini.Scan(llm.OpChat, whole); e != nil || !a.Complete || a.Usage != b.Usage {
			t.Errorf("%s %s: the fold is scanned as %+v, %v, want %+v", model, rest, a, e, b)
		}
		if d := cmp.Diff(plainValue(t, whole), plainValue(t, got)); d != "" {
			t.Errorf("%s %s (-whole +fold):\n%s", model, rest, d)
		}
	}
	const tools = `,"tools":[{"functionDeclarations":[{"name":"look","parameters":{"type":"object","properties":{"q":{"type":"string"}}}}]}],` +
		`"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`
	for _, model := range []string{"sim-fast", "sim-reasoning"} {
		f(model, ``)
		f(model, tools)
		f(model, `,"generationConfig":{"maxOutputTokens":5}`)
		f(model, `,"generationConfig":{"candidateCount":3}`)
		f(model, `,"generationConfig":{"responseLogprobs":true,"logprobs":2}`)
		f(model, `,"generationConfig":{"thinkingConfig":{"includeThoughts":true}}`)
	}
}

func TestFoldDoesNotAllocate(t *testing.T) {
	data := []byte(`{"candidates":[{"content":{"parts":[{"text":"token"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":7},"modelVersion":"m","responseId":"r"}`)
	fold := gemini.NewFold(llm.OpChat)
	if n := testing.AllocsPerRun(5000, func() { fold.Add(nil, data) }); n > 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// FuzzFold holds that a fold of anything is JSON.
func FuzzFold(f *testing.F) {
	for _, s := range []string{
		`{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b","thought":true}]},"finishReason":"STOP"}]}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a","stringValue":"x"}],"willContinue":true}}]}}]}`,
		`{"candidates":[{"citationMetadata":{"citations":[1]},"logprobsResult":{},"groundingMetadata":{"a":[]}}]}`, `{"promptFeedback":{"blockReason":"x"}}`,
		`{"candidates":[{"content":{"parts":[{"text`, `{"candidates":[{"citationMetadata":{"citations":`,
	} {
		f.Add([]byte(s), []byte(`{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		fold := gemini.NewFold(llm.OpChat)
		for _, data := range [][]byte{one, two, one} {
			fold.Add(nil, data)
		}
		if got, ok := fold.Append(nil); ok && (!json.Valid(got) || !wire.Valid(got)) {
			t.Fatalf("%q, %q: %s", one, two, got)
		}
	})
}
