package openai

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// drawAnswer draws an answer in the order in which this dialect tells one. What it has no word for (a finish of another dialect, ids
// of thoughts) is not drawn.
func drawAnswer(t *rapid.T) *llm.Answer {
	a := &llm.Answer{
		ID: "chatcmpl-" + rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "id"), Model: rapid.StringN(1, 8, -1).Draw(t, "model"),
		Created: time.Unix(rapid.Int64Range(1, 1<<31).Draw(t, "created"), 0), HasUsage: rapid.Bool().Draw(t, "usage"),
		ServiceTier: rapid.SampledFrom([]string{"", "default", "flex"}).Draw(t, "tier"), Fingerprint: rapid.SampledFrom([]string{"", "fp"}).Draw(t, "fp"),
	}
	if a.HasUsage {
		n := func(name string) int64 { return rapid.Int64Range(0, 1000).Draw(t, name) }
		a.Usage = llm.Usage{
			Input: 3000 + n("in"), CachedInput: n("cached"), CacheWrite: n("write"), AudioInput: n("audio"),
			Output: 2000 + n("out"), Reasoning: n("reasoning"), AudioOutput: n("voice"),
		}
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "choices") {
		a.Choices = append(a.Choices, drawChoice(t, i))
	}
	return a
}

func drawText(t *rapid.T, name string) string {
	return rapid.OneOf(rapid.StringN(1, 12, -1), rapid.SampledFrom([]string{"hello", "héllo wörld 日本", "\n\"\\\u2028", "{\"a\":1}", "😀"})).Draw(t, name)
}

func drawChoice(t *rapid.T, index int) llm.Choice {
	c := llm.Choice{Index: index}
	may := func(name string) bool { return rapid.Bool().Draw(t, name) }
	for i := range rapid.IntRange(0, 3).Draw(t, "thoughts") {
		c.Parts = append(c.Parts, drawThought(t, fmt.Sprintf("s%d", i)))
	}
	if len(c.Parts) == 0 && may("plain thought") {
		c.Parts = append(c.Parts, llm.Part{Kind: llm.PartThinking, Text: drawText(t, "thought")})
	}
	if may("text") {
		p := llm.Part{Kind: llm.PartText, Text: drawText(t, "text")}
		if may("signed") {
			p.Signature, p.Origin = "sig", llm.Gemini
		}
		if may("cited") {
			// All of the text, since a place within must be at the beginning of a character.
			p.Citations = []llm.Citation{{URL: "https://a.example/", Title: "t", Quote: "q", End: len(p.Text)}}
		}
		if may("probs") {
			c.Logprobs = []llm.Logprob{{Token: "a", Bytes: []byte("a"), Logprob: -0.5, Top: []llm.Logprob{{Token: "b", Bytes: []byte("b"), Logprob: -1}}}}
		}
		c.Parts = append(c.Parts, p)
	}
	if may("refusal") {
		c.Parts = append(c.Parts, llm.Part{Kind: llm.PartRefusal, Text: drawText(t, "refusal")})
	}
	if may("image") {
		c.Parts = append(c.Parts, llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: "AAAA"}, llm.Part{Kind: llm.PartImage, URL: "https://b.example/"})
	}
	c.Reason = rapid.SampledFrom([]string{"stop", "length", "content_filter"}).Draw(t, "reason")
	for i := range rapid.IntRange(0, 3).Draw(t, "calls") {
		p := llm.Part{Kind: llm.PartToolCall, ID: fmt.Sprintf("call_%d", i), Name: "f", Text: rapid.SampledFrom([]string{`{}`, `{"a":"}"}`, `{"b":[{"c":1}]}`}).Draw(t, "args")}
		switch rapid.IntRange(0, 2).Draw(t, "form") {
		case 0:
			p.Custom, p.Text = true, drawText(t, "input")
		case 1:
			p.Signature, p.Origin = "g", llm.Gemini
		}
		c.Parts = append(c.Parts, p)
		c.Reason = "tool_calls"
	}
	if may("audio") {
		c.Parts = append(c.Parts, llm.Part{Kind: llm.PartAudio, FileID: "au", Origin: llm.OpenAI, MIME: "audio/wav", Data: "UklGRgAA", Text: "spoken"})
	}
	c.Finish = finishOf(c.Reason)
	return c
}

// drawThought draws a thought that is signed: of several that are not, nobody could tell where one ends.
func drawThought(t *rapid.T, signature string) llm.Part {
	p := llm.Part{Kind: llm.PartThinking, Signature: signature, Text: drawText(t, "thought")}
	p.Origin = rapid.SampledFrom([]llm.Dialect{llm.Anthropic, llm.Gemini, llm.Responses, llm.Converse, llm.OpenAI}).Draw(t, "origin")
	switch {
	case p.Origin == llm.Anthropic && rapid.Bool().Draw(t, "redacted"):
		p.Kind, p.Text = llm.PartRedacted, ""
	case rapid.Bool().Draw(t, "withheld"):
		p.Text = ""
	}
	return p
}

// readStream reads a stream to its end.
func readStream(text []byte) ([]llm.Event, *llm.Error) {
	var all []llm.Event
	r := NewReader()
	var sse wire.Reader
	src := &chunked{rest: text}
	var e *llm.Error
	for {
		_, fillErr := sse.Fill(src)
		for {
			ev, ok, err := sse.Next()
			if err != nil || !ok {
				break
			}
			if ev.Comment {
				continue
			}
			var events []llm.Event
			if events, e = r.Read(nil, ev.Name, ev.Data); e != nil {
				return append(all, kept(events)...), e
			}
			all = append(all, kept(events)...)
		}
		if fillErr != nil {
			break
		}
	}
	events, e := r.End(nil)
	return append(all, kept(events)...), e
}

// kept copies what events point to, which is valid until the next Read only.
func kept(events []llm.Event) []llm.Event {
	for i := range events {
		e := &events[i]
		e.Text = append([]byte(nil), e.Text...)
		if e.Usage != nil {
			u := *e.Usage
			e.Usage = &u
		}
	}
	return events
}

func fold(events []llm.Event) *llm.Answer {
	var f llm.Folder
	for i := range events {
		f.Add(&events[i])
	}
	return f.Answer()
}

// order holds events to the order that llm.Event promises.
func order(events []llm.Event) error {
	open, ended := map[int]bool{}, map[int]bool{}
	for i, e := range events {
		if (e.Kind == llm.EventStart) != (i == 0) {
			return fmt.Errorf("event %d of %d is of kind %d", i, len(events), e.Kind)
		}
		switch e.Kind {
		case llm.EventPart:
			if open[e.Choice] || ended[e.Choice] {
				return fmt.Errorf("event %d begins a part within another, or after the finish", i)
			}
			open[e.Choice] = true
		case llm.EventDelta, llm.EventPartEnd:
			if !open[e.Choice] && e.Logprobs == nil {
				return fmt.Errorf("event %d is of no part", i)
			}
			open[e.Choice] = open[e.Choice] && e.Kind == llm.EventDelta
		case llm.EventFinish:
			if open[e.Choice] || ended[e.Choice] {
				return fmt.Errorf("event %d finishes within a part, or again", i)
			}
			ended[e.Choice] = true
		case llm.EventEnd:
			if i != len(events)-1 {
				return fmt.Errorf("event %d of %d is the end", i, len(events))
			}
		}
	}
	return nil
}

// TestRoundTrip holds the two ends to each other: what a writer makes of an answer's events, a reader turns back, and a whole answer
// says the same as the stream.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawAnswer(t)
		head := &llm.Head{ID: "x", Usage: true, Op: llm.OpChat}
		whole, err := ReadAnswer(AppendAnswer(nil, want, head))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, whole); d != "" {
			t.Fatalf("whole answer (-want +got):\n%s\n%s", d, AppendAnswer(nil, want, head))
		}
		w := NewWriter(head)
		var stream []byte
		for _, e := range pieces(t, llm.Unfold(want)) {
			stream = w.Write(stream, &e)
		}
		stream = w.End(stream)
		events, err := readStream(stream)
		if err != nil {
			t.Fatalf("%v\n%s", err, stream)
		}
		if err := order(events); err != nil {
			t.Fatalf("%v\n%s", err, stream)
		}
		if d := cmp.Diff(want, fold(events)); d != "" {
			t.Fatalf("stream (-want +got):\n%s\n%s", d, stream)
		}
	})
}

// pieces cuts the texts of events, at characters.
func pieces(t *rapid.T, events []llm.Event) (cut []llm.Event) {
	for _, e := range events {
		text := []rune(string(e.Text))
		if e.Kind == llm.EventDelta && len(text) > 1 && e.Logprobs == nil {
			at := rapid.IntRange(1, len(text)-1).Draw(t, "cut")
			head := e
			head.Text, e.Text = []byte(string(text[:at])), []byte(string(text[at:]))
			cut = append(cut, head)
		}
		cut = append(cut, e)
	}
	return cut
}

// chunked gives a text in small reads.
type chunked struct{ rest []byte }

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 7)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
