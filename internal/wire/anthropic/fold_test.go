package anthropic

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// folded returns the answer that a stream adds up to.
func folded(t testing.TB, text string, model string) (string, bool) {
	t.Helper()
	var s Stream
	s.Reset(wire.FollowOptions{Model: model})
	f := NewFold(llm.OpChat)
	events(t, strings.NewReader(text), func(ev *wire.Event) {
		if s.Observe(ev) == wire.Forward && !ev.Comment {
			f.Add(ev.Name, ev.Data)
		}
	})
	out, ok := f.Append(nil)
	return string(out), ok
}

// jsonOf reads JSON, with numbers as they are written.
func jsonOf(t testing.TB, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// TestFold: the fold of a stream is the answer in one piece. The known difference: the streamed message has whatever members its
// start has (diagnostics in the newer version), which a whole one may have or not.
func TestFold(t *testing.T) {
	t.Parallel()
	f := func(text, model, want string) {
		t.Helper()
		got, ok := folded(t, text, model)
		if !ok {
			t.Fatalf("no answer: %s", text)
		}
		if d := cmp.Diff(jsonOf(t, want), jsonOf(t, got)); d != "" {
			t.Errorf("differs (-want +got):\n%s\n%s", d, got)
		}
		a, e := Scan(llm.OpChat, []byte(got))
		b, f := Scan(llm.OpChat, []byte(want))
		if e != nil || f != nil || !a.Complete || a.Usage != b.Usage || a.Tier != b.Tier || a.OutputBytes != b.OutputBytes {
			t.Errorf("scanned %+v %v, want %+v", a, e, b)
		}
	}
	f(newStream(), "", strings.Replace(newWhole, `"container":null,`, `"container":null,"diagnostics":null,`, 1))
	f(newStream(), "shown", strings.Replace(newWhole, `"model":"claude-opus-5-5"`, `"diagnostics":null,"model":"shown"`, 1))
	f(oldStream(), "", `{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-5","content":[{"type":"text","text":"Hé\nllo 😀"}],`+
		`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":100,`+
		`"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":15,"output_tokens_details":{"thinking_tokens":4},"service_tier":"standard"}}`)
	f(stream(
		`{"type":"message_start","message":{"id":"m","x":1.50,"content":[],"stop_reason":null,"usage":{"input_tokens":3,"y":1e3,"server_tool_use":{"a":1},"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a","citations":[{"n":1}],"later":true}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ud83d"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude00"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"n":2}}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"new_delta","later":{"z":1},"w":2}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"new_delta","later":{"z":2}}}`,
		textStop,
		`{"type":"content_block_start","index":1,"content_block":{"type":"compaction","content":null}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"compaction_delta","content":"sum"}}`,
		`{"type":"content_block_stop","index":1}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":1}}}`,
		`{"type":"content_block_stop","index":2}`,
		`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`,
		`{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"cut\":"}}`,
		`{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_details":{"q":1}},"usage":{"output_tokens":9,"input_tokens":null,"server_tool_use":null,"more":null},"context_management":{"applied_edits":[]}}`,
		stopEvent,
	), "", `{"id":"m","x":1.50,"content":[{"type":"text","text":"a😀","citations":[{"n":1},{"n":2}],"later":{"z":2},"w":2},{"type":"compaction","content":"sum"},`+
		`{"type":"tool_use","id":"t","name":"f","input":{"a":1}},{"type":"tool_use","id":"t","name":"f","input":{"_raw":"{\"cut\":"}}],"stop_reason":"max_tokens","stop_details":{"q":1},`+
		`"usage":{"input_tokens":3,"y":1e3,"server_tool_use":{"a":1},"output_tokens":9,"more":null},"context_management":{"applied_edits":[]}}`)
}

// TestFoldIncomplete: what is no whole message is none.
func TestFoldIncomplete(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", stream(startEvent, textStart, textDelta1, textStop, stopEvent), stream(textStart, textDelta1, textStop, endDelta, stopEvent)} {
		if got, ok := folded(t, text, ""); ok || got != "" {
			t.Errorf("%q adds up to %q", text, got)
		}
	}
}

// TestFoldOfWriter: what the codec writes as a stream adds up to what it writes whole.
func TestFoldOfWriter(t *testing.T) {
	t.Parallel()
	all := []*llm.Answer{foreign()}
	for seed := range uint64(300) {
		all = append(all, random{rand.New(rand.NewPCG(seed, 7))}.answer())
	}
	h := &llm.Head{ID: "1"}
	for _, a := range all {
		got, ok := folded(t, string(written(a, h)), "")
		if !ok {
			t.Fatal("no answer")
		}
		want := string(AppendAnswer(nil, a, h))
		if d := cmp.Diff(jsonOf(t, want), jsonOf(t, got)); d != "" {
			t.Fatalf("differs (-want +got):\n%s", d)
		}
	}
}

func TestFoldDoesNotAllocate(t *testing.T) {
	f := NewFold(llm.OpChat)
	events(t, strings.NewReader(stream(startEvent, textStart)), func(ev *wire.Event) { f.Add(ev.Name, ev.Data) })
	name, data := []byte(blockDelta), []byte(textDelta1)
	for range 5000 { // the text has its size
		f.Add(name, data)
	}
	if n := testing.AllocsPerRun(100, func() { f.Add(name, data) }); n != 0 {
		t.Errorf("%v allocations a delta", n)
	}
}

// FuzzFold: nothing breaks it, and an answer is one JSON object that can be scanned.
func FuzzFold(f *testing.F) {
	f.Add([]byte(oldStream()))
	f.Add([]byte(newStream()))
	f.Add([]byte(strings.ReplaceAll(newStream(), "content_block_stop", "x")))
	f.Add([]byte(stream(`{"type":"message_start","message":{"content":[1],"usage":5,"content":{}}}`, textStart,
		`{"type":"content_block_delta","index":0,"delta":{"type":"x","text":1,"text":"","type":null}}`, textDelta1, endDelta)))
	f.Fuzz(func(t *testing.T, text []byte) {
		fold := NewFold(llm.OpChat)
		var s Stream
		s.Reset(wire.FollowOptions{Pieces: true})
		var g gathered
		events(t, bytes.NewReader(text), func(ev *wire.Event) {
			if s.Observe(ev) == wire.Forward && !ev.Comment {
				fold.Add(ev.Name, ev.Data)
			}
			for i := range s.Pieces {
				g.add(&s.Pieces[i])
			}
		})
		if out, ok := fold.Append(nil); ok && !wire.Valid(out) {
			t.Fatalf("fold is %q", out)
		}
		w, open := s.Resume(&llm.Head{ID: "x"}, g.answer())
		var out []byte
		if open {
			out = w.Write(out, &llm.Event{Kind: llm.EventPartEnd, Part: g.parts[len(g.parts)-1].Kind})
		}
		events(t, bytes.NewReader(w.End(out)), func(ev *wire.Event) {
			if !wire.Valid(ev.Data) {
				t.Fatalf("writer made %q", ev.Raw)
			}
		})
	})
}
