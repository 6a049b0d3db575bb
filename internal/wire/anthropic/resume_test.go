package anthropic

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// gathered adds up pieces, as whoever goes on with an answer does.
type gathered struct {
	parts []llm.Part
	open  []int // index of the piece by part; -1 if it has ended
}

func (g *gathered) add(p *wire.Piece) {
	if p.Begin {
		g.parts = append(g.parts, llm.Part{Kind: p.Kind, ID: plain(p.ID), Name: plain(p.Name)})
		g.open = append(g.open, p.Index)
	}
	for i := len(g.parts) - 1; i >= 0; i-- {
		if g.parts[i].Kind != p.Kind || g.open[i] != p.Index {
			continue
		}
		if p.Escaped {
			g.parts[i].Text += plain(p.Text)
		} else {
			g.parts[i].Text += string(p.Text)
		}
		if p.End {
			g.open[i] = -1
		}
		return
	}
	panic(fmt.Sprintf("a piece of no part: %+v", p))
}

func plain(raw []byte) string { return string(wire.Unescape(nil, raw)) }

func (g *gathered) answer() *llm.Answer { return &llm.Answer{Choices: []llm.Choice{{Parts: g.parts}}} }

// resumable are the streams that are cut at every event.
func resumable() map[string]string {
	whole := `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":1}}}`
	all := map[string]string{
		"old": oldStream(), "new": newStream(),
		"text in the start": stream(startEvent, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"ab\n"}}`, textDelta1, textStop,
			whole, `{"type":"content_block_stop","index":1}`, strings.Replace(endDelta, "end_turn", "tool_use", 1), stopEvent),
		"stop sequence": stream(startEvent, textStart, textDelta1, textStop,
			`{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"X"},"usage":{"output_tokens":5}}`, stopEvent),
		"foreign signature": stream(startEvent, `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm\t"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sluice:gemini:abc"}}`,
			`{"type":"content_block_stop","index":0}`, `{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`,
			`{"type":"content_block_stop","index":1}`, endDelta, stopEvent),
	}
	for seed := range uint64(25) {
		a := random{rand.New(rand.NewPCG(seed, 9))}.answer()
		all[fmt.Sprintf("random %d", seed)] = string(written(a, &llm.Head{ID: "x"}))
	}
	return all
}

// order is the protocol's order of events (PROVIDERS.md 2.3), strictly.
type order struct {
	t      *testing.T
	state  string // the last event that was no ping and no block's
	next   int
	open   bool
	kind   string
	signed bool
}

func (o *order) event(ev *wire.Event) {
	o.t.Helper()
	var f frame
	if ev.Comment || !f.read(ev.Name, ev.Data) || f.kind == ping {
		return
	}
	ok := string(ev.Name) == f.kind
	switch f.kind {
	case messageStart:
		ok = ok && o.state == ""
		o.state = f.kind
	case blockStart:
		ok = ok && o.state == messageStart && !o.open && f.index == o.next
		o.open, o.kind, o.signed = true, string(inside(f.blockType, ev.Data)), false
	case blockDelta:
		delta := string(inside(f.delta, ev.Data))
		fits := map[string]string{
			"text_delta": "text", "citations_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "use",
		}
		ok = ok && o.open && f.index == o.next && strings.HasSuffix(o.kind, fits[delta]) && !o.signed
		o.signed = delta == "signature_delta"
	case blockStop:
		ok = ok && o.open && f.index == o.next
		o.open = false
		o.next++
	case messageDelta:
		ok = ok && o.state == messageStart && !o.open
		o.state = f.kind
	case messageStop:
		ok = ok && o.state == messageDelta
		o.state = f.kind
	default:
		ok = false
	}
	if !ok {
		o.t.Errorf("out of order: %s (state %+v)", ev.Raw, *o)
	}
}

// cutStream is what a client gets of a stream that is cut after k of its events, and gone on with by the rest of the same.
func cutStream(t *testing.T, text string, k int) (out string, s *Stream, g *gathered, half bool) {
	t.Helper()
	s = NewFollower().(*Stream)
	s.Reset(wire.FollowOptions{Pieces: true})
	g = new(gathered)
	r := NewReader()
	var forwarded []byte
	var w llm.EventWriter
	var open, going bool
	cited := 0 // citations of the open block that were forwarded
	write := func(all []llm.Event) {
		for i := range all {
			e := &all[i]
			switch {
			case e.Kind == llm.EventStart || e.Kind == llm.EventEnd:
				continue
			case !going && e.Kind != llm.EventPart && e.Kind != llm.EventFinish && e.Kind != llm.EventUsage:
				continue // of a part that is over
			case half && e.Kind == llm.EventPart && e.Part == llm.PartOther:
				half = false // it came whole, and was forwarded in part
				continue
			}
			going = going || e.Kind != llm.EventUsage
			if e.Kind == llm.EventPartEnd && cited > 0 {
				e.Citations, cited = e.Citations[cited:], 0
			}
			forwarded = w.Write(forwarded, e)
		}
	}
	var all []llm.Event
	at, other := 0, false
	events(t, strings.NewReader(text), func(ev *wire.Event) {
		name, data := bytes.Clone(ev.Name), bytes.Clone(ev.Data)
		all, _ = r.Read(all[:0], name, data)
		if at++; at <= k {
			if s.Observe(ev) != wire.Forward {
				t.Fatalf("not forwarded: %s", ev.Raw)
			}
			forwarded = append(forwarded, ev.Raw...)
			for i := range s.Pieces {
				g.add(&s.Pieces[i])
			}
			var f frame
			f.read(name, data)
			switch {
			case f.kind == blockStart:
				cited, other = 0, s.track.kind == llm.PartOther && !strings.Contains(string(data), "redacted")
			case f.kind == blockStop:
				cited, other = 0, false
			case f.citation.Len() > 0:
				cited++
			}
			return
		}
		if w == nil {
			w, open = s.Resume(&llm.Head{ID: "x"}, g.answer())
			half, going = other, open
		}
		write(all)
	})
	if w == nil {
		w, _ = s.Resume(&llm.Head{ID: "x"}, g.answer())
	}
	all, _ = r.End(all[:0])
	write(all)
	return string(w.End(forwarded)), s, g, other
}

// TestResume holds the law of a stream that is gone on with: cut anywhere and gone on with by its own rest, it means the same, and
// is in the protocol's order.
func TestResume(t *testing.T) {
	t.Parallel()
	for name, text := range resumable() {
		n := 0
		events(t, strings.NewReader(text), func(*wire.Event) { n++ })
		want, e := fold(t, strings.NewReader(text))
		if e != nil {
			t.Fatal(e)
		}
		for k := 1; k <= n; k++ {
			out, _, _, half := cutStream(t, text, k)
			o := order{t: t}
			events(t, strings.NewReader(out), o.event)
			if o.state != messageStop {
				t.Errorf("%s cut at %d ends with %s", name, k, o.state)
			}
			got, e := fold(t, strings.NewReader(out))
			if e != nil {
				t.Fatalf("%s cut at %d: %v\n%s", name, k, e, out)
			}
			again := *want
			if half { // a provider's own tool: what was not forwarded of its input is lost
				again.Choices = []llm.Choice{again.Choices[0]}
				again.Choices[0].Parts = append([]llm.Part{}, again.Choices[0].Parts...)
				for i := range again.Choices[0].Parts {
					if i < len(got.Choices[0].Parts) && got.Choices[0].Parts[i].Kind == llm.PartOther {
						again.Choices[0].Parts[i].Raw = got.Choices[0].Parts[i].Raw
					}
				}
			}
			if d := cmp.Diff(withoutEmpty(&again), withoutEmpty(got)); d != "" {
				t.Errorf("%s cut at %d differs (-want +got):\n%s\n%s", name, k, d, out)
			}
		}
	}
}

// withoutEmpty returns an answer without texts that have nothing in them: the writer leaves them out.
func withoutEmpty(a *llm.Answer) llm.Answer {
	b := *a
	b.Choices = []llm.Choice{a.Choices[0]}
	b.Choices[0].Parts = slices.DeleteFunc(slices.Clone(b.Choices[0].Parts), func(p llm.Part) bool { return p.Kind == llm.PartText && p.Text == "" })
	return b
}

// TestPieces: what the pieces add up to is what the stream means, but for what no piece is needed for.
func TestPieces(t *testing.T) {
	t.Parallel()
	for name, text := range resumable() {
		answer, e := fold(t, strings.NewReader(text))
		if e != nil {
			t.Fatal(e)
		}
		var want []llm.Part
		for _, p := range answer.Choices[0].Parts {
			if p.Kind == llm.PartRedacted || p.Kind == llm.PartOther {
				p = llm.Part{Kind: llm.PartOther}
			}
			want = append(want, llm.Part{Kind: p.Kind, ID: p.ID, Name: p.Name, Text: p.Text})
		}
		_, _, g, _ := cutStream(t, text, 1000)
		if d := cmp.Diff(want, g.parts); d != "" {
			t.Errorf("%s differs (-want +got):\n%s", name, d)
		}
		for i, index := range g.open {
			if index != -1 {
				t.Errorf("%s: part %d has no end", name, i)
			}
		}
	}
}

// TestPiecesAreOfOneEvent: they are gone with the next event, whatever that is, and are not made unasked.
func TestPiecesAreOfOneEvent(t *testing.T) {
	t.Parallel()
	f := func(o wire.FollowOptions, want int, then string) {
		t.Helper()
		var s Stream
		s.Reset(o)
		follow(t, &s, strings.NewReader(stream(startEvent, textStart, textDelta1)))
		if len(s.Pieces) != want {
			t.Errorf("%d pieces, want %d", len(s.Pieces), want)
		}
		follow(t, &s, strings.NewReader(then))
		if len(s.Pieces) != 0 {
			t.Errorf("after %q there are pieces %+v", then, s.Pieces)
		}
		follow(t, &s, strings.NewReader(stream(textDelta2)))
		s.Reset(wire.FollowOptions{})
		if len(s.Pieces) != 0 {
			t.Errorf("after a reset there are pieces %+v", s.Pieces)
		}
	}
	on := wire.FollowOptions{Pieces: true}
	f(wire.FollowOptions{}, 0, stream(pingEvent))
	f(on, 1, stream(pingEvent))
	f(on, 1, ": comment\n\n")
	f(on, 1, "event: content_block_delta\ndata: {\n\n")
	f(on, 1, stream(`{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"x"}}`))
	f(on, 1, stream(`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}`))
	f(on, 1, "event: error\ndata: {}\n\n")
}

// TestPiecesDoNotAllocate also holds that the text of a piece is no copy.
func TestPiecesDoNotAllocate(t *testing.T) {
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\u00e9 \"token\""}}`)
	raw := wire.AppendEvent(nil, blockDelta, data)
	at := strings.Index(string(raw), "{")
	var s Stream
	s.Reset(wire.FollowOptions{Pieces: true})
	follow(t, &s, strings.NewReader(stream(startEvent, textStart)))
	name := []byte(blockDelta)
	n := testing.AllocsPerRun(200, func() {
		ev := wire.Event{Name: name, Data: raw[at : at+len(data)], Raw: raw, At: at}
		s.Observe(&ev)
	})
	if n != 0 || len(s.Pieces) != 1 {
		t.Fatalf("%v allocations, %d pieces", n, len(s.Pieces))
	}
	if p := s.Pieces[0]; &p.Text[0] != &raw[bytes.Index(raw, []byte(`a\u00e9`))] || plain(p.Text) != `aé "token"` {
		t.Errorf("piece is %q", p.Text)
	}
}

// TestResumeUsage: until the target that goes on states the usage, that of the forwarded part counts.
func TestResumeUsage(t *testing.T) {
	t.Parallel()
	var s Stream
	s.Reset(wire.FollowOptions{Pieces: true})
	head := follow(t, &s, strings.NewReader(stream(startEvent, textStart, textDelta1)))
	w, open := s.Resume(&llm.Head{ID: "x"}, &llm.Answer{})
	if !open {
		t.Fatal("the text is not open")
	}
	out := w.Write([]byte(head), &llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte("!")})
	out = w.Write(out, &llm.Event{Kind: llm.EventPartEnd, Part: llm.PartText})
	out = w.Write(out, &llm.Event{Kind: llm.EventFinish, Finish: llm.FinishLength})
	a, e := fold(t, bytes.NewReader(w.End(out)))
	if e != nil {
		t.Fatal(e)
	}
	want := llm.Usage{Input: 140, CachedInput: 100, CacheWrite: 30, CacheWriteLong: 20, Output: 1}
	if d := cmp.Diff(want, a.Usage); d != "" || a.Choices[0].Finish != llm.FinishLength || a.Choices[0].Parts[0].Text != "Hé\n!" {
		t.Errorf("usage differs (-want +got):\n%s\n%+v", d, a)
	}
}
