package responses_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/responses"
)

// TestFold: the fold of a stream is its terminal event's response, byte for byte.
func TestFold(t *testing.T) {
	t.Parallel()
	var compact bytes.Buffer
	if err := json.Compact(&compact, fixture(t, "native.json")); err != nil {
		t.Fatal(err)
	}
	native, _ := foldOf(t, fixture(t, "native.sse"))
	var want, got any
	if json.Unmarshal(compact.Bytes(), &want) != nil || json.Unmarshal(native, &got) != nil {
		t.Fatal("not JSON")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("native (-want +got):\n%s", d)
	}
	story, ok := foldOf(t, fixture(t, "story.sse"))
	if want := bytes.TrimSpace(fixture(t, "story.json")); !ok || !bytes.Equal(story, want) {
		t.Errorf("story is %s\nwant %s", story, want)
	}
	for _, body := range [][]byte{native, story} {
		a, e := responses.Scan(llm.OpChat, body)
		if e != nil || !a.Complete || !a.HasUsage {
			t.Errorf("scanned %+v, %v", a, e)
		}
	}
}

// TestFoldOfWriter: what the codec writes as a stream adds up to what it writes whole.
func TestFoldOfWriter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		a := randomAnswer(rnd)
		got, ok := foldOf(t, write(head(), unfold(a, rnd)))
		if want := responses.AppendAnswer(nil, a, head()); !ok || !bytes.Equal(got, want) {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	}
}

// TestFoldShown: a follower that gives the model another name gives it to the answer.
func TestFoldShown(t *testing.T) {
	t.Parallel()
	fl := responses.NewFollower()
	fl.Reset(wire.FollowOptions{Model: "shown", Pieces: true})
	f := responses.NewFold(llm.OpChat)
	for _, ev := range events(t, fixture(t, "native.sse"), 4096) {
		if fl.Observe(&ev) == wire.Forward {
			f.Add(ev.Name, ev.Data)
		}
	}
	native, _ := foldOf(t, fixture(t, "native.sse"))
	want := strings.Replace(string(native), `"model":"gpt-5-2025-08-07"`, `"model":"shown"`, 1)
	got, ok := f.Append([]byte(">"))
	if !ok || string(got) != ">"+want {
		t.Errorf("got %s", got)
	}
}

func TestFoldEnds(t *testing.T) {
	t.Parallel()
	f := func(want string, ok bool, data ...string) {
		t.Helper()
		if got, is := foldOf(t, sse(data...)); string(got) != want || is != ok {
			t.Errorf("%q adds up to %q, %t", data, got, is)
		}
	}
	f("", false, created)
	f("", false)
	f("", false, created, `{"type":"response.completed","response":null}`)
	f(`{"status":"incomplete"}`, true, created, `{"type":"response.incomplete","response":{"status":"incomplete"}}`, ended)
	f(`{"status":"failed"}`, true, `{"type":"response.failed","response":{"status":"failed"}}`)
}

func TestFoldAllocs(t *testing.T) {
	f := responses.NewFold(llm.OpChat)
	name, data := []byte("response.output_text.delta"), []byte(`{"type":"response.output_text.delta","sequence_number":4,"delta":"a"}`)
	if n := testing.AllocsPerRun(100, func() { f.Add(name, data); f.Add(nil, data) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestPiecesAllocs also holds that the text of a piece is no copy, and that pieces are of one event.
func TestPiecesAllocs(t *testing.T) {
	data := []byte(`{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"a t\u006fken","logprobs":[]}`)
	raw := wire.AppendEvent(nil, "response.output_text.delta", data)
	at := bytes.IndexByte(raw, '{')
	fl := responses.NewFollower()
	fl.Reset(wire.FollowOptions{Pieces: true})
	see := func(ev wire.Event) int {
		fl.Observe(&ev)
		return len(fl.State().Pieces)
	}
	event := wire.Event{Name: []byte("response.output_text.delta"), Data: raw[at : at+len(data)], Raw: raw, At: at}
	for _, ev := range events(t, sse(created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_1"}}`), 4096) {
		see(ev)
	}
	if n := see(event); n != 2 {
		t.Errorf("%d pieces of the first delta, want its beginning and its text", n)
	}
	if n := testing.AllocsPerRun(200, func() { see(event) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	p := fl.State().Pieces
	if len(p) != 1 || plain(p[0].Text) != "a token" || &p[0].Text[0] != &raw[bytes.Index(raw, []byte("a t"))] {
		t.Errorf("pieces %+v", p)
	}
	for _, ev := range []wire.Event{{Comment: true, Raw: []byte(": x\n\n")}, {Data: []byte("{"), At: -1}, {Data: []byte(`{"type":"later"}`), At: -1}} {
		see(event)
		if n := see(ev); n != 0 {
			t.Errorf("%d pieces after %q", n, ev.Data)
		}
	}
	fl.Reset(wire.FollowOptions{})
	if n := see(event); n != 0 {
		t.Errorf("%d pieces that nobody asked for", n)
	}
}

// TestResumeLong: finished items that are more than is kept are written anew, from their texts.
func TestResumeLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 55<<10)
	h := head()
	w := responses.NewWriter(h)
	var stream []byte
	for _, e := range []llm.Event{
		{Kind: llm.EventStart},
		{Kind: llm.EventPart, Part: llm.PartThinking},
		{Kind: llm.EventDelta, Part: llm.PartThinking, Text: []byte(long)},
		{Kind: llm.EventPartEnd, Part: llm.PartThinking},
		{Kind: llm.EventPart, Part: llm.PartText},
		{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte(long)},
		{Kind: llm.EventPartEnd, Part: llm.PartText},
		{Kind: llm.EventPart, Part: llm.PartRefusal},
		{Kind: llm.EventDelta, Part: llm.PartRefusal, Text: []byte("no")},
		{Kind: llm.EventPartEnd, Part: llm.PartRefusal},
		{Kind: llm.EventPart, Part: llm.PartToolCall, ID: "c", Name: "f", Custom: true},
		{Kind: llm.EventDelta, Part: llm.PartToolCall, Text: []byte(long)},
		{Kind: llm.EventPartEnd, Part: llm.PartToolCall},
		{Kind: llm.EventPart, Part: llm.PartText},
		{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte("short")},
		{Kind: llm.EventPartEnd, Part: llm.PartText},
		{Kind: llm.EventFinish, Finish: llm.FinishTools},
		{Kind: llm.EventUsage, Usage: &llm.Usage{Input: 1, Output: 2}},
	} {
		stream = w.Write(stream, &e)
	}
	stream = w.End(stream)
	want, e := fold(t, stream)
	if e != nil {
		t.Fatal(e)
	}
	for k := 1; k <= len(events(t, stream, 4096)); k += 3 { // of every kind of item: in it, and after it
		c := cutStream(t, stream, k)
		if fault := checkOrder(events(t, c.out, 4096)); fault != "" {
			t.Fatalf("cut at %d: %.300s", k, fault)
		}
		final, _ := foldOf(t, c.out)
		got, e := responses.ReadAnswer(final)
		if e != nil || same(want, got, false) != "" {
			t.Fatalf("cut at %d: the end differs, %v: %.2000s", k, e, same(want, got, false))
		}
	}
}

// BenchmarkPieces compares a forwarded delta without and with its pieces.
func BenchmarkPieces(b *testing.B) {
	data := []byte(`{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" token","logprobs":[],"obfuscation":"abcdef"}`)
	raw := wire.AppendEvent(nil, "response.output_text.delta", data)
	at := bytes.IndexByte(raw, '{')
	event := wire.Event{Name: []byte("response.output_text.delta"), Data: raw[at : at+len(data)], Raw: raw, At: at}
	for _, pieces := range []bool{false, true} {
		b.Run(fmt.Sprintf("pieces=%t", pieces), func(b *testing.B) {
			fl := responses.NewFollower()
			fl.Reset(wire.FollowOptions{Pieces: pieces})
			for _, ev := range events(b, sse(created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_1"}}`), 4096) {
				fl.Observe(&ev)
			}
			b.ReportAllocs()
			for b.Loop() {
				ev := event
				fl.Observe(&ev)
			}
		})
	}
}
