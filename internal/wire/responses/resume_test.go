package responses_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/responses"
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

// openText are reasoning and a message as servers of open models send them.
func openText() []byte {
	n := -1
	s := func(format string, args ...any) string {
		n++
		return strings.Replace(fmt.Sprintf(format, args...), `{`, fmt.Sprintf(`{"sequence_number":%d,`, n), 1)
	}
	section := func(i int, texts ...string) (all []string) {
		all = append(all, s(`{"type":"response.content_part.added","item_id":"rs_9","output_index":0,"content_index":%d,"part":{"type":"reasoning_text","text":""}}`, i))
		for _, text := range texts {
			all = append(all, s(`{"type":"response.reasoning_text.delta","item_id":"rs_9","output_index":0,"content_index":%d,"delta":%q}`, i, text))
		}
		text := strings.Join(texts, "")
		return append(all, s(`{"type":"response.reasoning_text.done","item_id":"rs_9","output_index":0,"content_index":%d,"text":%q}`, i, text),
			s(`{"type":"response.content_part.done","item_id":"rs_9","output_index":0,"content_index":%d,"part":{"type":"reasoning_text","text":%q}}`, i, text))
	}
	const item = `{"id":"rs_9","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"hm\n."},{"type":"reasoning_text","text":"so"}]}`
	const message = `{"id":"msg_9","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"A","annotations":[],"logprobs":[]},{"type":"output_text","text":"Bé","annotations":[],"logprobs":[]}]}`
	all := []string{s(`{"type":"response.created","response":{"id":"gen-7","created_at":1790000000,"model":"m","status":"in_progress","output":[]}}`)}
	all = append(all, s(`{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_9","type":"reasoning","summary":[]}}`))
	all = append(append(all, section(0, "hm", "\n.")...), section(1, "so")...)
	all = append(all, s(`{"type":"response.output_item.done","output_index":0,"item":%s}`, item),
		s(`{"type":"response.output_item.added","output_index":1,"item":{"id":"msg_9","type":"message","status":"in_progress","role":"assistant","content":[]}}`))
	for i, text := range []string{"A", "Bé"} {
		all = append(all, s(`{"type":"response.content_part.added","item_id":"msg_9","output_index":1,"content_index":%d,"part":{"type":"output_text","text":"","annotations":[]}}`, i),
			s(`{"type":"response.output_text.delta","item_id":"msg_9","output_index":1,"content_index":%d,"delta":%q,"logprobs":[]}`, i, text),
			s(`{"type":"response.output_text.done","item_id":"msg_9","output_index":1,"content_index":%d,"text":%q,"logprobs":[]}`, i, text),
			s(`{"type":"response.content_part.done","item_id":"msg_9","output_index":1,"content_index":%d,"part":{"type":"output_text","text":%q,"annotations":[],"logprobs":[]}}`, i, text))
	}
	all = append(all, s(`{"type":"response.output_item.done","output_index":1,"item":%s}`, message),
		s(`{"type":"response.completed","response":{"id":"gen-7","created_at":1790000000,"model":"m","status":"completed","service_tier":"default","output":[%s,%s],"usage":{"input_tokens":3,"output_tokens":4}}}`, item, message))
	return sse(all...)
}

// resumable are the streams that are cut at every event.
func resumable(t testing.TB) map[string][]byte {
	all := map[string][]byte{"native": fixture(t, "native.sse"), "story": fixture(t, "story.sse"), "open models": openText()}
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		all[fmt.Sprintf("random %d", seed)] = write(head(), unfold(randomAnswer(rnd), rnd))
	}
	return all
}

// cut is a stream that broke off after some of its events, and is gone on with by its own rest.
type cut struct {
	out  []byte
	g    gathered
	open bool
	lost bool // an item that cannot be gone on with was forwarded in part
}

func cutStream(t *testing.T, stream []byte, k int) (c cut) {
	t.Helper()
	fl := responses.NewFollower()
	fl.Reset(wire.FollowOptions{Pieces: true})
	r := responses.NewReader()
	all := events(t, stream, 4096)
	marked, other := 0, false
	for _, ev := range all[:k] {
		if _, e := r.Read(nil, ev.Name, ev.Data); e != nil {
			t.Fatal(e)
		}
		if fl.Observe(&ev) != wire.Forward {
			t.Fatalf("not forwarded: %s", ev.Raw)
		}
		c.out = append(c.out, ev.Raw...)
		pieces := fl.State().Pieces
		for i := range pieces {
			c.g.add(&pieces[i])
			other = pieces[i].Kind == llm.PartOther && !pieces[i].End
		}
		var d struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(ev.Data, &d); err != nil {
			t.Fatal(err)
		}
		switch d.Type {
		case "response.output_text.annotation.added":
			marked++
		case "response.content_part.done":
			marked = 0
		}
	}
	w, open := fl.(wire.Resumer).Resume(&llm.Head{ID: "02NEXT", Created: head().Created}, c.g.answer())
	c.open, c.lost = open, other
	going, skip := open, false
	for _, ev := range all[k:] {
		rest, e := r.Read(nil, ev.Name, ev.Data)
		if e != nil {
			t.Fatal(e)
		}
		for i := range rest {
			e := &rest[i]
			switch {
			case e.Kind == llm.EventStart || e.Kind == llm.EventEnd:
				continue
			case other && e.Kind == llm.EventPart && e.Media != nil: // it came whole, and was forwarded in part
				other, skip = false, true
				continue
			case skip && e.Kind == llm.EventPartEnd:
				skip = false
				continue
			case !going && e.Kind != llm.EventPart && e.Kind != llm.EventFinish && e.Kind != llm.EventUsage:
				continue
			}
			going = going || e.Kind != llm.EventUsage
			if e.Kind == llm.EventPartEnd && len(e.Citations) > 0 {
				e.Citations, marked = e.Citations[marked:], 0
			}
			c.out = w.Write(c.out, e)
		}
	}
	c.out = w.End(c.out)
	return c
}

// same compares answers. The id of a reasoning item, with which its signature begins, is that of the stream.
func same(want, got *llm.Answer, lost bool) string {
	fix := func(a *llm.Answer) llm.Answer {
		b := *a
		b.Choices = nil
		for _, c := range a.Choices {
			var parts []llm.Part
			for _, p := range c.Parts {
				if lost && (p.Kind == llm.PartOther || p.Kind == llm.PartImage) {
					continue
				}
				if i := strings.IndexByte(p.Signature, '/'); i > 0 && p.Origin == llm.Responses {
					p.Signature = p.Signature[i:]
				}
				parts = append(parts, p)
			}
			c.Parts = parts
			b.Choices = append(b.Choices, c)
		}
		return b
	}
	return cmp.Diff(fix(want), fix(got), cmpopts.EquateEmpty())
}

// TestResume holds the law of a stream that is gone on with: cut anywhere and gone on with by its own rest, it means the same, and
// is in the protocol's order.
func TestResume(t *testing.T) {
	t.Parallel()
	for name, stream := range resumable(t) {
		want, e := fold(t, stream)
		if e != nil {
			t.Fatalf("%s: %v", name, e)
		}
		for k := range len(events(t, stream, 4096)) + 1 {
			c := cutStream(t, stream, k)
			if k == 0 { // nothing was forwarded: the response is the writer's own
				continue
			}
			if fault := checkOrder(events(t, c.out, 4096)); fault != "" {
				t.Fatalf("%s cut at %d: %s\n%s", name, k, fault, c.out)
			}
			got, e := fold(t, c.out)
			if e != nil {
				t.Fatalf("%s cut at %d: %v\n%s", name, k, e, c.out)
			}
			if d := same(want, got, c.lost); d != "" {
				t.Fatalf("%s cut at %d differs (-want +got):\n%s\n%s", name, k, d, c.out)
			}
			final, ok := foldOf(t, c.out)
			if !ok {
				t.Fatalf("%s cut at %d has no end", name, k)
			}
			whole, e := responses.ReadAnswer(final)
			if e != nil {
				t.Fatal(e)
			}
			if d := same(want, whole, c.lost); d != "" {
				t.Fatalf("%s cut at %d: the end differs (-want +got):\n%s\n%s", name, k, d, final)
			}
		}
	}
}

// foldOf returns the answer that a forwarded stream adds up to.
func foldOf(t testing.TB, stream []byte) ([]byte, bool) {
	t.Helper()
	f := responses.NewFold(llm.OpChat)
	for _, ev := range events(t, stream, 4096) {
		f.Add(ev.Name, ev.Data)
	}
	return f.Append(nil)
}

// TestPieces: what the pieces add up to is what the stream means, but for what is not looked into.
func TestPieces(t *testing.T) {
	t.Parallel()
	all := resumable(t)
	all["whole items"] = sse(created,
		`{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[{"text":"a"},{"text":"b"}]}}`,
		`{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"x\n"},{"type":"refusal","refusal":"no"}]}}`,
		`{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"}}`,
		`{"type":"response.output_item.added","output_index":3,"item":{"type":"custom_tool_call","call_id":"d","name":"g","input":""}}`,
		`{"type":"response.custom_tool_call_input.done","output_index":3,"input":"in"}`,
		`{"type":"response.output_item.done","output_index":3,"item":{"type":"custom_tool_call","call_id":"d","name":"g","input":"in"}}`, ended)
	all["sparse"] = sse(created, `{"type":"response.output_text.delta","delta":"Hel"}`, `{"type":"response.output_text.delta","delta":"lo"}`,
		`{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"Hello"}]}}`, ended)
	for name, stream := range all {
		answer, e := fold(t, stream)
		if e != nil {
			t.Fatal(e)
		}
		var want []llm.Part
		for _, c := range answer.Choices {
			for _, p := range c.Parts {
				if p.Kind == llm.PartImage || p.Kind == llm.PartOther {
					p = llm.Part{Kind: llm.PartOther}
				}
				want = append(want, llm.Part{Kind: p.Kind, ID: p.ID, Name: p.Name, Text: p.Text})
			}
		}
		fl := responses.NewFollower()
		fl.Reset(wire.FollowOptions{Pieces: true})
		var g gathered
		for _, ev := range events(t, stream, 4096) {
			fl.Observe(&ev)
			pieces := fl.State().Pieces
			for i := range pieces {
				g.add(&pieces[i])
			}
		}
		// An image made by a tool is a part of its own only if there is one.
		if d := cmp.Diff(want, g.parts, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s differs (-want +got):\n%s", name, d)
		}
		for i, index := range g.open {
			if index != -1 {
				t.Errorf("%s: part %d has no end", name, i)
			}
		}
	}
}

// TestResumeInterleaved: a call that is open when another begins cannot be gone on with. It ends, with what there was of it.
func TestResumeInterleaved(t *testing.T) {
	t.Parallel()
	fl := responses.NewFollower()
	fl.Reset(wire.FollowOptions{Pieces: true, Model: "shown"})
	var g gathered
	var out []byte
	for _, ev := range events(t, sse(
		`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","model":"m","created_at":1.0,"status":"in_progress"}}`,
		`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"function_call","id":"fc_0","call_id":"c0","name":"f"}}`,
		`{"type":"response.output_item.added","sequence_number":2,"output_index":1,"item":{"type":"function_call","id":"fc_1","call_id":"c1","name":"f"}}`,
		`{"type":"response.function_call_arguments.delta","sequence_number":3,"output_index":1,"item_id":"fc_1","delta":"{b"}`,
		`{"type":"response.function_call_arguments.delta","sequence_number":4,"output_index":0,"item_id":"fc_0","delta":"{a"}`,
	), 4096) {
		fl.Observe(&ev)
		out = append(out, ev.Raw...)
		for i := range fl.State().Pieces {
			g.add(&fl.State().Pieces[i])
		}
	}
	w, open := fl.(wire.Resumer).Resume(&llm.Head{ID: "x"}, g.answer())
	if !open {
		t.Error("the last call is not open")
	}
	out = w.Write(out, &llm.Event{Kind: llm.EventDelta, Part: llm.PartToolCall, Text: []byte("}")})
	out = w.Write(out, &llm.Event{Kind: llm.EventPartEnd, Part: llm.PartToolCall})
	out = w.End(w.Write(out, &llm.Event{Kind: llm.EventFinish, Finish: llm.FinishTools}))
	if fault := checkOrder(events(t, out, 4096)); fault != "" {
		t.Errorf("%s\n%s", fault, out)
	}
	final, _ := foldOf(t, out)
	a, e := responses.ReadAnswer(final)
	if e != nil {
		t.Fatal(e)
	}
	want := []llm.Part{{Kind: llm.PartToolCall, ID: "c0", Name: "f", Text: "{a"}, {Kind: llm.PartToolCall, ID: "c1", Name: "f", Text: "{b}"}}
	if d := cmp.Diff(want, a.Choices[0].Parts); d != "" || a.Model != "shown" || a.ID != "resp_1" || a.Created.Unix() != 1 {
		t.Errorf("(-want +got):\n%s\n%+v", d, a)
	}
}

// TestShuffledStreams: events that are lost, doubled, misplaced or of wrong numbers break neither the pieces nor the writer that goes on.
func TestShuffledStreams(t *testing.T) {
	t.Parallel()
	for name, stream := range resumable(t) {
		whole := events(t, stream, 4096)
		for seed := range uint64(30) {
			rnd := rand.New(rand.NewPCG(seed, 77))
			fl := responses.NewFollower()
			fl.Reset(wire.FollowOptions{Pieces: true})
			var g gathered
			for _, ev := range shuffled(whole, rnd) {
				fl.Observe(&ev)
				pieces := fl.State().Pieces
				for i := range pieces {
					g.add(&pieces[i])
				}
			}
			w, open := fl.(wire.Resumer).Resume(head(), g.answer())
			var out []byte
			if open {
				out = w.Write(out, &llm.Event{Kind: llm.EventDelta, Text: []byte("x")})
				out = w.Write(out, &llm.Event{Kind: llm.EventPartEnd})
			}
			out = w.Write(out, &llm.Event{Kind: llm.EventPart, Part: llm.PartKind(1 + rnd.IntN(int(llm.PartOther)))})
			for _, ev := range events(t, w.End(out), 4096) {
				if !wire.Valid(ev.Data) {
					t.Fatalf("%s, seed %d: %s", name, seed, ev.Raw)
				}
			}
		}
	}
}

// shuffled returns events of which some are misplaced, lost, doubled, or changed.
func shuffled(whole []wire.Event, rnd *rand.Rand) []wire.Event {
	list := slices.Clone(whole)
	for range 1 + rnd.IntN(12) {
		i, j := rnd.IntN(len(list)), rnd.IntN(len(list))
		switch rnd.IntN(4) {
		case 0:
			list[i], list[j] = list[j], list[i]
		case 1:
			list = append(list[:i], list[i+1:]...)
		case 2:
			list = append(list, list[j])
		case 3:
			list[i].At = -1
			list[i].Data = bytes.Replace(list[i].Data, []byte(`_index":`), []byte(`_index":1`), 1+rnd.IntN(2))
		}
		if len(list) == 0 {
			return whole
		}
	}
	return list
}
