package gemini_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/gemini"
)

// gather adds pieces to what was forwarded.
func gather(a *llm.Answer, pieces []wire.Piece) {
	for _, p := range pieces {
		var c *llm.Choice
		for i := range a.Choices {
			if a.Choices[i].Index == p.Choice {
				c = &a.Choices[i]
			}
		}
		if c == nil {
			a.Choices = append(a.Choices, llm.Choice{Index: p.Choice})
			c = &a.Choices[len(a.Choices)-1]
		}
		if p.Begin {
			c.Parts = append(c.Parts, llm.Part{Kind: p.Kind, ID: string(wire.Unescape(nil, p.ID)), Name: string(wire.Unescape(nil, p.Name))})
		}
		part := &c.Parts[len(c.Parts)-1] // one is open at a time
		if p.Escaped {
			part.Text += string(wire.Unescape(nil, p.Text))
		} else {
			part.Text += string(p.Text)
		}
	}
}

func partsOf(a *llm.Answer, choice int) []llm.Part {
	for i := range a.Choices {
		if a.Choices[i].Index == choice {
			return a.Choices[i].Parts
		}
	}
	return nil
}

// told is an event of a reader, and after how many events of the wire it came.
type told struct {
	llm.Event
	after int
}

// tell reads a stream to its events, which are copied.
func tell(t *testing.T, text string) (all []told) {
	t.Helper()
	r := gemini.NewReader()
	n := 0
	add := func(more []llm.Event) {
		for _, e := range more {
			e.Text = bytes.Clone(e.Text)
			if e.Usage != nil {
				u := *e.Usage
				e.Usage = &u
			}
			all = append(all, told{e, n})
		}
	}
	events(t, strings.NewReader(text), func(ev *wire.Event) {
		n++
		if ev.Comment {
			return
		}
		more, err := r.Read(nil, ev.Name, ev.Data)
		if err != nil {
			t.Fatal(err)
		}
		add(more)
	})
	more, _ := r.End(nil)
	add(more)
	return all
}

func foldTold(all []told) *llm.Answer {
	var f llm.Folder
	for i := range all {
		f.Add(&all[i].Event)
	}
	return f.Answer()
}

// rest returns what is left of the events once sofar was forwarded, which had says in full.
func rest(all []told, k int, sofar, had *llm.Answer, open bool) (left []llm.Event) {
	at, done := map[int]int{}, map[int]int{}
	for _, one := range all {
		e := one.Event
		parts := partsOf(sofar, e.Choice)
		n := at[e.Choice] - 1
		last := n == len(parts)-1
		switch e.Kind {
		case llm.EventStart, llm.EventEnd, llm.EventMalformed:
			continue
		case llm.EventUsage:
			if one.after <= k {
				continue
			}
		case llm.EventPart:
			at[e.Choice]++
			if n+1 < len(parts) {
				continue
			}
		case llm.EventDelta:
			if n < len(parts)-1 {
				continue
			}
			if last {
				skip := min(len(parts[n].Text)-done[e.Choice], len(e.Text))
				done[e.Choice] += skip
				if e.Text = e.Text[skip:]; len(e.Text) == 0 {
					continue
				}
			}
		case llm.EventPartEnd:
			if n < len(parts)-1 || last && n >= 0 && (!open || parts[n].Kind != llm.PartText && parts[n].Kind != llm.PartThinking) {
				continue
			}
			if last && n >= 0 {
				e.Citations = e.Citations[len(partsOf(had, e.Choice)[n].Citations):]
			}
		}
		left = append(left, e)
	}
	return left
}

// known returns an answer with what can be compared: no words for the finish reason, and no ids that are made of others.
func known(a *llm.Answer) *llm.Answer {
	for i := range a.Choices {
		c := &a.Choices[i]
		c.Reason, c.Logprobs = "", nil
		for j := range c.Parts {
			if strings.HasPrefix(c.Parts[j].ID, "call_gm") {
				c.Parts[j].ID = ""
			}
		}
	}
	return a
}

// resumes holds the law of resumption over a stream and all places where it can break off: what was forwarded and what the resumed
// writer makes of the rest read back to the whole answer.
func resumes(t *testing.T, name, text string) {
	t.Helper()
	all := tell(t, text)
	total := strings.Count(text, "data:")
	for k := 1; k <= total; k++ {
		for i, f := range []wire.Follower{gemini.NewFollower(), gemini.NewArrayFollower()} {
			f.Reset(wire.FollowOptions{Pieces: true, Model: []string{"", "shown"}[i]})
			sofar := new(llm.Answer)
			var out []byte
			n := 0
			events(t, strings.NewReader(text), func(ev *wire.Event) {
				if n++; n > k {
					return
				}
				if f.Observe(ev) == wire.Forward {
					out = append(out, ev.Raw...)
				}
				gather(sofar, f.State().Pieces)
			})
			upto := strings.SplitAfter(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
			had := known(foldTold(tell(t, strings.Join(upto[:min(k, len(upto))], ""))))
			compare(t, fmt.Sprintf("%s, after %d events", name, k), sofar, had)
			w, open := f.(wire.Resumer).Resume(&llm.Head{ID: "made", Model: "other", Array: i > 0}, sofar)
			for _, e := range rest(all, k, sofar, had, open) {
				out = w.Write(out, &e)
			}
			got := string(w.End(out))
			if i > 0 {
				got = fromArray(t, got)
			}
			want := known(foldTold(all))
			if i > 0 && want.Model != "" {
				want.Model = "shown"
			}
			back := known(foldTold(tell(t, got)))
			if want.Model == "" {
				back.Model = ""
			}
			if d := cmp.Diff(want, back); d != "" {
				t.Fatalf("%s, resumed after %d events (-want +got):\n%s\n%s", name, k, d, got)
			}
		}
	}
}

// compare holds what pieces add up to against what a reader makes of the same events.
func compare(t *testing.T, name string, sofar, had *llm.Answer) {
	t.Helper()
	for _, c := range had.Choices {
		var want []llm.Part
		for _, p := range c.Parts {
			q := llm.Part{Kind: p.Kind, Text: p.Text, ID: p.ID, Name: p.Name}
			if p.Kind != llm.PartText && p.Kind != llm.PartThinking && p.Kind != llm.PartToolCall {
				q = llm.Part{Kind: llm.PartOther}
			}
			want = append(want, q)
		}
		got := partsOf(sofar, c.Index)
		for i := range got {
			if got[i].Kind == llm.PartToolCall {
				got[i].Text = strings.ReplaceAll(got[i].Text, `{ "q": "a b" }`, `{"q":"a b"}`)
			}
		}
		if len(got) == len(want)+1 && got[len(got)-1].Kind == llm.PartToolCall && got[len(got)-1].Text == "" {
			got = got[:len(want)] // arguments in pieces: the reader tells the call once it is whole
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: pieces (-want +got):\n%s", name, d)
		}
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	resumes(t, "all kinds", answerText)
	resumes(t, "CRLF", strings.ReplaceAll(answerText, "\n", "\r\n"))
	one := func(parts, more string) string {
		return `data: {"candidates":[{"content":{"parts":[` + parts + `]},"index":0` + more + `}],"responseId":"r","modelVersion":"m"}` + "\n\n"
	}
	stop := one(`{"text":""}`, `,"finishReason":"STOP"`)
	resumes(t, "signatures", one(`{"text":"a","thought":true}`, ``)+one(`{"text":"","thought":true,"thoughtSignature":"c2ln"}`, ``)+
		one(`{"text":"b","thought":true}`, ``)+one(`{"text":"c"},{"text":"d\u00e9"}`, ``)+one(`{"text":"","thoughtSignature":"c2lo"}`, ``)+stop)
	resumes(t, "media and tools of Google's", one(`{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}`, ``)+
		one(`{"executableCode":{"code":"1"}}`, ``)+one(`{"functionCall":{"id":"i","name":"f","args":{}}},{"functionCall":{"name":"g"}}`, ``)+one(`{"text":"b"}`, `,"finishReason":"STOP"`))
	resumes(t, "two candidates", `data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"index":1},{"content":{"parts":[{"text":"b"}]},"index":0}],"responseId":"r"}`+"\n\n"+
		`data: {"candidates":[{"content":{"parts":[{"text":"c"}]},"index":1,"finishReason":"STOP"}],"responseId":"r"}`+"\n\n"+
		`data: {"candidates":[{"content":{"parts":[{"text":"d"}]},"index":0,"finishReason":"MAX_TOKENS"}],"responseId":"r"}`+"\n\n")
	for seed := range uint64(25) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		resumes(t, fmt.Sprint("drawn ", seed), write(random(rnd), &llm.Head{ID: "x", Model: "m"}, rnd))
	}
}

// TestPieces are what the law of resumption does not show.
func TestPieces(t *testing.T) {
	t.Parallel()
	f := gemini.NewFollower()
	f.Reset(wire.FollowOptions{Pieces: true})
	var got []string
	step := func(data string) {
		raw := []byte("data: " + data + "\n\n")
		ev := wire.Event{Raw: raw, Data: raw[6 : len(raw)-2], At: 6}
		f.Observe(&ev)
		for _, p := range f.State().Pieces {
			got = append(got, fmt.Sprintf("%d %v %t %t %q %q %q %t", p.Choice, p.Kind, p.Begin, p.End, p.ID, p.Name, p.Text, p.Escaped))
		}
	}
	step(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","id":"i","partialArgs":[{"jsonPath":"$.a","stringValue":"x"}],"willContinue":true}}]}}]}`)
	step(`{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"y"}],"willContinue":true}}]}}]}`)
	step(`{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}`)
	step(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"g","args":{"b": 1}}}]},"finishReason":"STOP"}]}`)
	step(`{"candidates":[{"content":{"parts":[{"text":"late"}]}}]}`)
	step(`{"candidates":[{"content":{"parts":[{"text":"broken"}`)
	want := []string{
		`0 tool call true false "i" "f" "" false`, `0 tool call false true "" "" "{\"a\":\"xy\"}" false`,
		`0 tool call true true "" "g" "{\"b\": 1}" false`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("pieces (-want +got):\n%s", d)
	}
}

// TestResumeFails holds that the array is closed once, whatever becomes of the rest.
func TestResumeFails(t *testing.T) {
	t.Parallel()
	f := gemini.NewArrayFollower()
	out := func() []byte {
		f.Reset(wire.FollowOptions{Pieces: true})
		var out []byte
		events(t, strings.NewReader(`data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`+"\n\n"), func(ev *wire.Event) {
			f.Observe(ev)
			out = append(out, ev.Raw...)
		})
		return out
	}
	sent := out()
	w, open := f.(wire.Resumer).Resume(&llm.Head{ID: "h"}, &llm.Answer{Choices: []llm.Choice{{Parts: []llm.Part{{Kind: llm.PartText, Text: "a"}}}}})
	if !open {
		t.Error("text is not open")
	}
	sent = w.Write(sent, &llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte("b")})
	sent = w.Fail(sent, llm.Errorf(llm.KindServerError, "no"))
	if got := fromArray(t, string(sent)); strings.Count(got, "data: ") != 3 || !strings.Contains(got, `"b"`) {
		t.Errorf("wrote %s", sent)
	}
	sent = out()
	w, _ = f.(wire.Resumer).Resume(&llm.Head{ID: "h"}, nil)
	if got := string(w.End(sent)); got != `[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}]` {
		t.Errorf("wrote %s", got)
	}
}

func TestPiecesDoNotAllocate(t *testing.T) {
	for _, part := range []string{`{"text":"a\n"}`, `{"text":"a","thought":true,"thoughtSignature":"x"}`, `{"functionCall":{"name":"f","args":{"a":1}}}`} {
		f := gemini.NewFollower()
		f.Reset(wire.FollowOptions{Pieces: true})
		step := observer(t, f, part)
		if n := testing.AllocsPerRun(200, step); n != 0 {
			t.Errorf("%s: %v allocations an event", part, n)
		}
	}
}

// observer returns a function that follows one event with a part.
func observer(t testing.TB, f wire.Follower, part string) func() {
	raw := []byte(`data: {"candidates":[{"content":{"parts":[` + part + `],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":7,` +
		`"trafficType":"ON_DEMAND"},"modelVersion":"gemini-3-flash","responseId":"r"}` + "\r\n\r\n")
	work := make([]byte, len(raw))
	ev := new(wire.Event)
	step := func() {
		copy(work, raw)
		*ev = wire.Event{Raw: work, Data: work[6 : len(work)-4], At: 6}
		if f.Observe(ev) != wire.Forward {
			t.Fatal("dropped")
		}
	}
	step()
	return step
}

func BenchmarkObserve(b *testing.B)       { benchmarkObserve(b, wire.FollowOptions{}) }
func BenchmarkObservePieces(b *testing.B) { benchmarkObserve(b, wire.FollowOptions{Pieces: true}) }

func benchmarkObserve(b *testing.B, o wire.FollowOptions) {
	f := gemini.NewFollower()
	f.Reset(o)
	step := observer(b, f, `{"text":" token and a few more"}`)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
