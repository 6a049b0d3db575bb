package responses_test

import (
	"bytes"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/responses"
)

var update = flag.Bool("update", false, "write the golden files")

// golden holds got against a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func head() *llm.Head {
	return &llm.Head{ID: "01TEST", Created: time.Unix(1_790_000_000, 0), Op: llm.OpChat}
}

// events cuts a stream, which comes in pieces of size bytes, into its events.
func events(t testing.TB, stream []byte, size int) (all []wire.Event) {
	t.Helper()
	var r wire.Reader
	r.Reset(0)
	src := &pieces{rest: stream, size: size}
	keep := func(ev wire.Event) {
		ev.Name, ev.Data, ev.Raw = bytes.Clone(ev.Name), bytes.Clone(ev.Data), bytes.Clone(ev.Raw)
		all = append(all, ev)
	}
	for {
		_, err := r.Fill(src)
		for {
			ev, ok, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			keep(ev)
		}
		if err == io.EOF {
			if ev, ok := r.Last(); ok {
				keep(ev)
			}
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// fold reads a stream of a provider and adds it up.
func fold(t testing.TB, stream []byte) (*llm.Answer, *llm.Error) {
	t.Helper()
	r := responses.NewReader()
	var f llm.Folder
	var all []llm.Event
	for _, ev := range events(t, stream, 4096) {
		if ev.Comment {
			continue
		}
		var e *llm.Error
		all, e = r.Read(all[:0], ev.Name, ev.Data)
		for i := range all {
			f.Add(&all[i])
		}
		if e != nil {
			return nil, e
		}
	}
	all, e := r.End(all[:0])
	for i := range all {
		f.Add(&all[i])
	}
	return f.Answer(), e
}

// write writes events as a stream.
func write(h *llm.Head, all []llm.Event) []byte {
	w := responses.NewWriter(h)
	var out []byte
	for i := range all {
		out = w.Write(out, &all[i])
	}
	return w.End(out)
}

// unfold returns events whose fold is a, with its texts cut into pieces.
func unfold(a *llm.Answer, rnd *rand.Rand) (all []llm.Event) {
	all = append(all, llm.Event{Kind: llm.EventStart, ID: a.ID, Name: a.Model, Created: a.Created})
	for _, c := range a.Choices {
		logprobs := c.Logprobs
		for _, p := range c.Parts {
			e := llm.Event{Kind: llm.EventPart, Part: p.Kind, ID: p.ID, Name: p.Name, Custom: p.Custom}
			if p.Kind == llm.PartImage || p.Kind == llm.PartOther {
				e = llm.Event{Kind: llm.EventPart, Part: p.Kind, Media: &p}
			}
			all = append(all, e)
			for text := []rune(p.Text); len(text) > 0; {
				n := 1 + rnd.IntN(len(text))
				d := llm.Event{Kind: llm.EventDelta, Part: p.Kind, Text: []byte(string(text[:n]))}
				if p.Kind == llm.PartText {
					d.Logprobs, logprobs = logprobs, nil
				}
				all = append(all, d)
				text = text[n:]
			}
			all = append(all, llm.Event{Kind: llm.EventPartEnd, Part: p.Kind, Signature: p.Signature, Origin: p.Origin, Citations: p.Citations})
		}
		all = append(all, llm.Event{Kind: llm.EventUsage, Usage: &a.Usage, ServiceTier: a.ServiceTier})
		all = append(all, llm.Event{Kind: llm.EventFinish, Finish: c.Finish})
	}
	return append(all, llm.Event{Kind: llm.EventEnd})
}

// randomAnswer returns an answer of the kind that translated targets give.
func randomAnswer(rnd *rand.Rand) *llm.Answer {
	text := func() string {
		words := []string{"a", "\n", "\"quoted\"", "größer", "日本", "😀", " ", "\\", "<tag>", strings.Repeat("x", rnd.IntN(40))}
		var b strings.Builder
		for range 1 + rnd.IntN(6) {
			b.WriteString(words[rnd.IntN(len(words))])
		}
		b.WriteString(".")
		return b.String()
	}
	c := llm.Choice{Finish: llm.FinishStop}
	for i := range rnd.IntN(6) {
		switch rnd.IntN(7) {
		case 0:
			c.Parts = append(c.Parts, llm.Part{Kind: llm.PartRefusal, Text: text()})
		case 1:
			c.Parts = append(c.Parts, llm.Part{Kind: llm.PartToolCall, ID: "call_" + string(rune('a'+i)), Name: "f", Text: `{"a":` + "1}"})
			c.Finish = llm.FinishTools
		case 2:
			c.Parts = append(c.Parts, llm.Part{Kind: llm.PartToolCall, ID: "call_" + string(rune('a'+i)), Name: "g", Text: text(), Custom: true})
			c.Finish = llm.FinishTools
		case 3:
			c.Parts = append(c.Parts, llm.Part{Kind: llm.PartThinking, Text: text()})
		case 4:
			c.Parts = append(c.Parts, llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: "aGVsbG8="})
		default:
			s := text()
			p := llm.Part{Kind: llm.PartText, Text: s}
			if rnd.IntN(2) == 0 {
				p.Citations = []llm.Citation{{URL: "https://example.com/a", Title: "A", Start: 0, End: len(s)}}
			}
			c.Parts = append(c.Parts, p)
		}
	}
	if c.Finish == llm.FinishStop && rnd.IntN(4) == 0 {
		c.Finish = llm.FinishLength
	}
	return &llm.Answer{
		ID: "x", Model: "claude", Created: time.Unix(1_790_000_001, 0), ServiceTier: "default", HasUsage: true,
		Usage:   llm.Usage{Input: 10, CachedInput: 4, CacheWrite: 1, Output: 7, Reasoning: 3},
		Choices: []llm.Choice{c},
	}
}
