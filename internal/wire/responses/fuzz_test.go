package responses_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/responses"
)

// FuzzRequest: what ParseRequest takes can be spliced and stays JSON; what ReadChat takes can be written, and read again as the same.
func FuzzRequest(f *testing.F) {
	f.Add(fixture(f, "request.json"))
	f.Add([]byte(`{"model":"m","input":"hi"}`))
	f.Add([]byte(`{"input":[{"type":"reasoning","encrypted_content":"sluice1.eyJvIjoiYW50aHJvcGljIiwicyI6InNpZy1hIn0"}],"model":"m","tool_choice":"auto"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rq, e := responses.ParseRequest(llm.OpChat, body)
		if e != nil {
			return
		}
		if out := rq.AppendUpstream(nil, body, &wire.Change{Model: "other"}); !wire.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		c, e := responses.ReadChat(llm.OpChat, body)
		if e != nil {
			if e.Kind != llm.KindBadRequest {
				t.Fatal(e)
			}
			return
		}
		out := responses.AppendChat(nil, c)
		if !wire.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		again, e := responses.ReadChat(llm.OpChat, out)
		if e != nil {
			t.Fatalf("%s: %s\n%s", e.Param, e.Message, out)
		}
		if twice := responses.AppendChat(nil, again); !bytes.Equal(out, twice) {
			t.Fatalf("written %s\nthen    %s", out, twice)
		}
	})
}

// FuzzAnswer: what can be read can be written, in one piece and as a stream, and means the same.
func FuzzAnswer(f *testing.F) {
	f.Add(fixture(f, "native.json"))
	f.Add(fixture(f, "story.json"))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = responses.Scan(llm.OpChat, body)
		a, e := responses.ReadAnswer(body)
		if e != nil {
			return
		}
		out := responses.AppendAnswer(nil, a, head())
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		if _, e := responses.ReadAnswer(out); e != nil {
			t.Fatalf("%v\n%s", e, out)
		}
	})
}

// FuzzStream: a reader and a follower take anything, and agree on whether a stream is complete. What is forwarded are whole events.
func FuzzStream(f *testing.F) {
	f.Add(fixture(f, "native.sse"))
	f.Add(fixture(f, "story.sse"))
	f.Add(sse(created, ended))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r, fl := responses.NewReader(), responses.NewFollower()
		fl.Reset(wire.FollowOptions{Model: "shown", Keep: true})
		var w wire.Reader
		w.Reset(0)
		var folder llm.Folder
		var all []llm.Event
		var failed bool
		src := bytes.NewReader(stream)
		for {
			_, err := w.Fill(src)
			for {
				ev, ok, e := w.Next()
				if e != nil || !ok {
					break
				}
				if !ev.Comment && !failed {
					var e *llm.Error
					all, e = r.Read(all[:0], ev.Name, ev.Data)
					failed = e != nil
					for i := range all {
						folder.Add(&all[i])
					}
				}
				if fl.Observe(&ev) == wire.Forward && ev.Data != nil && !wire.Valid(ev.Data) {
					t.Fatalf("forwarded: %s", ev.Data)
				}
			}
			if err != nil {
				break
			}
		}
		if failed {
			return
		}
		if _, e := r.End(nil); e == nil {
			if a := folder.Answer(); !json.Valid(responses.AppendAnswer(nil, a, head())) {
				t.Fatalf("cannot be written: %+v", a)
			}
		}
	})
}

// FuzzFold: nothing breaks the pieces, the writer that goes on, or the fold; what they write is JSON.
func FuzzFold(f *testing.F) {
	f.Add(fixture(f, "native.sse"))
	f.Add(fixture(f, "story.sse"))
	f.Add(openText())
	f.Add(fixture(f, "native.sse")[:8000])
	f.Add(sse(created, `{"type":"response.reasoning_text.delta","delta":"x"}`, `{"type":"response.content_part.done","part":{"text":1}}`,
		`{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"\u0022","call_id":"\u005c"}}`, ended))
	f.Fuzz(func(t *testing.T, stream []byte) {
		fl := responses.NewFollower()
		fl.Reset(wire.FollowOptions{Pieces: true})
		fold := responses.NewFold(llm.OpChat)
		var g gathered
		var r wire.Reader
		src := bytes.NewReader(stream)
		for _, err := r.Fill(src); err == nil; _, err = r.Fill(src) {
			for {
				ev, ok, _ := r.Next()
				if !ok {
					break
				}
				if fl.Observe(&ev) == wire.Forward && !ev.Comment {
					fold.Add(ev.Name, ev.Data)
				}
				pieces := fl.State().Pieces
				for i := range pieces {
					g.add(&pieces[i])
				}
			}
		}
		if out, ok := fold.Append(nil); ok && !wire.Valid(out) {
			t.Fatalf("fold is %q", out)
		}
		w, open := fl.(wire.Resumer).Resume(head(), g.answer())
		var out []byte
		if open {
			kind := g.parts[len(g.parts)-1].Kind
			out = w.Write(out, &llm.Event{Kind: llm.EventDelta, Part: kind, Text: []byte("x")})
			out = w.Write(out, &llm.Event{Kind: llm.EventPartEnd, Part: kind})
		}
		out = w.Write(out, &llm.Event{Kind: llm.EventPart, Part: llm.PartText})
		for _, ev := range events(t, w.End(out), 4096) {
			if !wire.Valid(ev.Data) {
				t.Fatalf("writer made %q", ev.Raw)
			}
		}
	})
}

// FuzzSeal: whatever a client makes of an encrypted_content, it is read or refused.
func FuzzSeal(f *testing.F) {
	f.Add("sluice1.eyJvIjoiYW50aHJvcGljIiwicyI6InNpZy1hIn0")
	f.Add("sluice1.eyJvIjoiZ2VtaW5pIiwicyI6InNpZy1jIiwiYyI6ImdlbV8yIn0")
	f.Add("gAAA")
	f.Fuzz(func(t *testing.T, content string) {
		quoted, _ := json.Marshal(content)
		body := `{"model":"m","input":[{"type":"function_call","call_id":"gem_2","name":"f","arguments":"{}"},{"type":"reasoning","encrypted_content":` + string(quoted) + `}]}`
		c, e := responses.ReadChat(llm.OpChat, []byte(body))
		if e != nil {
			return
		}
		if d := cmp.Diff(c, read(t, body), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}
