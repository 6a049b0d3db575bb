package openai

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// gathered adds up pieces to what was forwarded.
type gathered struct {
	choices map[int]*llm.Choice
	at      map[[3]int]int // place of the part that a choice, kind and index are of
}

func (g *gathered) add(pieces []wire.Piece) {
	if g.choices == nil {
		g.choices, g.at = map[int]*llm.Choice{}, map[[3]int]int{}
	}
	for _, p := range pieces {
		c := g.choices[p.Choice]
		if c == nil {
			c = &llm.Choice{Index: p.Choice}
			g.choices[p.Choice] = c
		}
		key := [3]int{p.Choice, int(p.Kind), p.Index}
		if p.Begin {
			g.at[key] = len(c.Parts)
			c.Parts = append(c.Parts, llm.Part{Kind: p.Kind, ID: string(wire.Unescape(nil, p.ID)), Name: string(wire.Unescape(nil, p.Name))})
		}
		part := &c.Parts[g.at[key]]
		if p.Escaped {
			part.Text += string(wire.Unescape(nil, p.Text))
		} else {
			part.Text += string(p.Text)
		}
	}
}

func (g *gathered) answer() *llm.Answer {
	a := new(llm.Answer)
	for _, c := range g.choices {
		a.Choices = append(a.Choices, *c)
	}
	return a
}

// frames cuts a stream into its events.
func frames(t testing.TB, text string) (all []wire.Event) {
	t.Helper()
	var r wire.Reader
	src := bytes.NewReader([]byte(text))
	keep := func(ev wire.Event) {
		ev.Raw = bytes.Clone(ev.Raw)
		ev.Name = bytes.Clone(ev.Name)
		if ev.Data = bytes.Clone(ev.Data); ev.At >= 0 {
			ev.Data = ev.Raw[ev.At : ev.At+len(ev.Data)]
		}
		all = append(all, ev)
	}
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
			keep(ev)
		}
		if err != nil {
			if ev, ok := r.Last(); ok {
				keep(ev)
			}
			return all
		}
	}
}

// comparable returns an answer as it can be compared: with the finish reasons that this dialect has, and calls without made-up ids.
func comparable(a *llm.Answer, usage bool) *llm.Answer {
	b := *a
	if !usage {
		b.Usage, b.HasUsage = llm.Usage{}, false
	}
	b.Choices = nil
	for _, c := range a.Choices {
		c.Reason = finishWord(c.Finish, false)
		c.Finish = 0
		c.Parts = append([]llm.Part(nil), c.Parts...)
		b.Choices = append(b.Choices, c)
	}
	return &b
}

// seen compares what pieces add up to with what a reader makes of the same events.
func seen(t testing.TB, name string, k int, sofar, had *llm.Answer) {
	t.Helper()
	for _, c := range had.Choices {
		var want, got []llm.Part
		for _, p := range c.Parts {
			q := llm.Part{Kind: p.Kind, Text: p.Text, Name: p.Name}
			switch p.Kind {
			case llm.PartRedacted, llm.PartImage, llm.PartAudio:
				q = llm.Part{Kind: llm.PartOther}
			case llm.PartToolCall:
				if q.ID = p.ID; q.Text == "{}" {
					q.Text = "" // what is missing is read so
				}
			}
			want = append(want, q)
		}
		for _, p := range partsOf(sofar, c.Index) {
			if p.Kind == llm.PartToolCall {
				if p.ID == "" {
					p.ID = callID(had.ID, c.Index, 1+len(got), p.Name)
				}
				if p.Text == "{}" || p.Text == "null" {
					p.Text = ""
				}
			}
			got = append(got, p)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s, after %d events: pieces (-want +got):\n%s", name, k, d)
		}
	}
}

// remaining returns what is left of a stream's events, of which steps tells how many were there after each wire event, once sofar was
// forwarded; ok is false if a part is not whole that is not the last one, with which nothing can go on.
func remaining(all []llm.Event, told int, sofar, had, whole *llm.Answer, open bool) (rest []llm.Event, ok bool) {
	at := map[int]int{}
	done := map[int]int{}
	for i := range whole.Choices {
		c := &whole.Choices[i]
		parts := partsOf(sofar, c.Index)
		for n := 0; n < len(parts)-1; n++ {
			if parts[n].Kind != llm.PartOther && parts[n].Text != c.Parts[n].Text && (parts[n].Text != "" || c.Parts[n].Text != "{}") {
				return nil, false
			}
		}
	}
	for i, e := range all {
		parts := partsOf(sofar, e.Choice)
		n := at[e.Choice] - 1
		switch e.Kind {
		case llm.EventStart, llm.EventEnd, llm.EventMalformed:
			continue
		case llm.EventUsage:
			if i < told {
				continue
			}
		case llm.EventPart:
			at[e.Choice]++
			if n+1 < len(parts) {
				continue
			}
		case llm.EventDelta:
			switch {
			case n < len(parts)-1:
				continue
			case n == len(parts)-1:
				skip := min(len(parts[n].Text)-done[e.Choice], len(e.Text))
				done[e.Choice] += skip
				if skip == len(e.Text) && (skip > 0 || i < told) {
					continue
				}
				e.Text = e.Text[skip:]
			}
		case llm.EventPartEnd:
			if n < len(parts)-1 || n == len(parts)-1 && !open {
				continue
			}
			if n == len(parts)-1 && n >= 0 {
				e.Citations = e.Citations[len(partsOf(had, e.Choice)[n].Citations):]
			}
		}
		rest = append(rest, e)
	}
	return rest, true
}

// resumes holds the law of resumption over a stream and all places where it can break off: what was forwarded and what the resumed writer
// makes of the rest read back to the whole answer.
func resumes(t testing.TB, name, text string, op llm.Op) (cuts int) {
	t.Helper()
	for k := range len(frames(t, text)) {
		cuts += resumesAfter(t, name, text, op, k+1)
	}
	return cuts
}

// resumesAfter is resumes for the place after k events.
func resumesAfter(t testing.TB, name, text string, op llm.Op, k int) (cuts int) {
	t.Helper()
	all, err := readStream([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	whole := fold(all)
	for _, o := range []wire.FollowOptions{{Pieces: true}, {Pieces: true, StripUsage: true, Model: "shown"}} {
		var s Stream
		s.Reset(o)
		var g gathered
		var out []byte
		reader, told := NewReader(), 0
		for _, ev := range frames(t, text)[:k] {
			if !ev.Comment {
				events, _ := reader.Read(nil, ev.Name, bytes.Clone(ev.Data))
				told += len(events)
			}
			if s.Observe(&ev) == wire.Forward {
				out = append(out, ev.Raw...)
			}
			g.add(s.Pieces)
		}
		events, _ := readStream(out)
		had, sofar := fold(events), g.answer()
		seen(t, name, k, sofar, had)
		h := &llm.Head{ID: "made", Op: op, Usage: !o.StripUsage, Created: time.Unix(1700000000, 0)}
		w, open := s.Resume(h, sofar)
		rest, ok := remaining(all, told, sofar, had, whole, open)
		if !ok || s.Done {
			continue
		}
		cuts++
		for i := range rest {
			out = w.Write(out, &rest[i])
		}
		out = w.End(out)
		events, err := readStream(out)
		if err != nil {
			t.Fatalf("%s, resumed after %d events: %v\n%s", name, k, err, out)
		}
		got, want := comparable(fold(events), !o.StripUsage), comparable(whole, !o.StripUsage)
		if want.Model != "" && o.Model != "" {
			want.Model = o.Model
		}
		if !s.trails.known {
			got.ID, got.Model, got.Created, got.Fingerprint = want.ID, want.Model, want.Created, want.Fingerprint
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s, resumed after %d events (-want +got):\n%s\n%s", name, k, d, out)
		}
	}
	return cuts
}

// TestResumeProperty holds the law over streams that are made of any answers.
func TestResumeProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		answer := drawAnswer(rt)
		w := NewWriter(&llm.Head{ID: "x", Usage: true, Op: llm.OpChat})
		var stream []byte
		for _, e := range pieces(rt, llm.Unfold(answer)) {
			stream = w.Write(stream, &e)
		}
		text := string(w.End(stream))
		resumesAfter(t, "drawn", text, llm.OpChat, rapid.IntRange(1, len(frames(t, text))).Draw(rt, "place"))
		if t.Failed() {
			rt.Fatalf("%s", stream)
		}
	})
}

// TestResumeFixtures is the law over streams that the other fixtures are not.
func TestResumeFixtures(t *testing.T) {
	t.Parallel()
	f := func(name string, op llm.Op, cuts int, data ...string) {
		t.Helper()
		if n := resumes(t, name, chunks(data...)+Done, op); n != cuts {
			t.Errorf("%s: resumed at %d places, want %d", name, n, cuts)
		}
	}
	f("legacy completion", llm.OpCompletion, 6, `{"id":"cmpl-1","object":"text_completion","created":3,"model":"m","choices":[{"index":0,"text":"a\"b","finish_reason":null}]}`,
		`{"id":"cmpl-1","object":"text_completion","created":3,"model":"m","choices":[{"text":"c","index":0,"finish_reason":null}],"usage":null}`,
		`{"id":"cmpl-1","object":"text_completion","created":3,"model":"m","choices":[{"text":"","index":0,"finish_reason":"length"}]}`)
	f("all that an answer says of itself", llm.OpChat, 8, `{"usage":null,"id":"a\u0062","system_fingerprint":"fp","service_tier":"flex","created":17,"choices":[{"delta":{"role":"assistant"}}],"model":"m\n"}`,
		textChunk, stopChunk, lastChunk)
	f("thinking twice (OpenRouter)", llm.OpChat, 10,
		choiceChunk(`{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}`, `null`),
		choiceChunk(`{"reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b","index":0}]}`, `null`),
		choiceChunk(`{"reasoning_details":[{"type":"reasoning.text","signature":"s","index":0,"format":"anthropic-claude-v1"}]}`, `null`),
		choiceChunk(`{"content":"c"}`, `null`), choiceChunk(`{}`, `"stop"`))
}

// TestResumeTwice holds that nothing of one stream stays for the next.
func TestResumeTwice(t *testing.T) {
	t.Parallel()
	var s Stream
	s.Reset(wire.FollowOptions{Pieces: true})
	play(t, &s, chunks(choiceChunk(`{"tool_calls":[{"index":3,"id":"a","function":{"name":"f","arguments":"{"}}]}`, `null`)))
	s.Reset(wire.FollowOptions{Pieces: true})
	play(t, &s, chunks(`{"id":"c2","choices":[{"delta":{"reasoning":"x"}}]}`))
	w, open := s.Resume(&llm.Head{ID: "h", Model: "m", Created: time.Unix(5, 0)}, &llm.Answer{Choices: []llm.Choice{{Parts: []llm.Part{{Kind: llm.PartThinking, Text: "x"}}}}})
	if !open {
		t.Error("thinking is not open")
	}
	got := string(w.Write(nil, &llm.Event{Kind: llm.EventDelta, Part: llm.PartThinking, Text: []byte("y")}))
	const head = `data: {"id":"c2","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{`
	const tail = `},"logprobs":null,"finish_reason":null}]}` + "\n\n"
	if want := head + `"reasoning":"y"` + tail; got != want {
		t.Errorf("wrote %s, want %s", got, want)
	}
	w.Write(nil, &llm.Event{Kind: llm.EventPartEnd, Part: llm.PartThinking})
	got = string(w.Write(nil, &llm.Event{Kind: llm.EventPart, Part: llm.PartToolCall, ID: "i", Name: "g"}))
	if want := head + `"tool_calls":[{"index":0,"id":"i","type":"function","function":{"name":"g","arguments":""}}]` + tail; got != want {
		t.Errorf("wrote %s, want %s", got, want)
	}
}

// TestPiecesDoNotAllocate holds pieces to what holds for events.
func TestPiecesDoNotAllocate(t *testing.T) {
	f := func(text string) {
		t.Helper()
		for _, o := range []wire.FollowOptions{{Pieces: true}, {Pieces: true, StripUsage: true, Model: "a/public-name"}} {
			if n := testing.AllocsPerRun(1000, stepper(t, text, o)); n != 0 {
				t.Errorf("%q: %v allocations an event", text, n)
			}
		}
	}
	f(sampleChunk)
	f(chunks(choiceChunk(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":"}},{"index":1,"function":{"arguments":"x"}}]}`, `null`)))
	f(chunks(choiceChunk(`{"content":[{"type":"text","text":"a"},{"type":"thinking","thinking":[{"type":"text","text":"b"}]}]}`, `null`)))
	f(chunks(choiceChunk(`{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}`, `null`)))
	f(chunks(`{"choices":[{"delta":{"content":"x"}},{"delta":{"content":"x"}},{"delta":{"content":"x"}},{"delta":{"content":"x"}},{"delta":{"content":"x"}}]}`))
}

func BenchmarkChunkPieces(b *testing.B) { benchmarkChunk(b, wire.FollowOptions{Pieces: true}) }
func BenchmarkChunkChangedPieces(b *testing.B) {
	benchmarkChunk(b, wire.FollowOptions{StripUsage: true, Model: "a/public-name", Pieces: true})
}
