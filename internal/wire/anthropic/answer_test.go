package anthropic

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// written streams an answer to a client: the events that fold to it, through a writer.
func written(a *llm.Answer, h *llm.Head) []byte {
	w := NewWriter(h)
	var out []byte
	all := llm.Unfold(a)
	for i := range all {
		if all[i].Kind != llm.EventEnd {
			out = w.Write(out, &all[i])
		}
	}
	return w.End(out)
}

// foreign is an answer as another dialect's codec reads it.
func foreign() *llm.Answer {
	return &llm.Answer{
		ID: "chatcmpl-1", Model: "gpt-6.1", Created: time.Unix(1, 0), HasUsage: true, ServiceTier: "default", Fingerprint: "fp",
		Usage: llm.Usage{Input: 100, CachedInput: 60, CacheWrite: 10, CacheWriteLong: 4, Output: 30, Reasoning: 12},
		Choices: []llm.Choice{{
			Finish: llm.FinishStop, Reason: "stop", Logprobs: []llm.Logprob{{Token: "a"}},
			Parts: []llm.Part{
				{Kind: llm.PartThinking, Text: "Hm.", Signature: "enc", Origin: llm.Responses},
				{Kind: llm.PartThinking, Text: "Unsigned."},
				{Kind: llm.PartRedacted, Signature: "opaque", Origin: llm.Responses},
				{Kind: llm.PartText, Text: "Say \"hé\"\n<b>", Citations: []llm.Citation{{URL: "https://x.example", Title: "X", Quote: "q", Start: 1, End: 3}, {Title: "Doc"}}},
				{Kind: llm.PartText},
				{Kind: llm.PartThinking},
				{Kind: llm.PartThinking, Signature: "EqQB", Origin: llm.Anthropic},
				{Kind: llm.PartImage, MIME: "image/png", Data: "QUJD"},
				{Kind: llm.PartOther, Raw: `{"type":"x"}`, Origin: llm.Responses},
				{Kind: llm.PartOther, Raw: `{"type":"server_tool_use","id":"s","name":"web_search","input":{"a":` + "\n" + `1}}`, Origin: llm.Anthropic},
				{Kind: llm.PartToolCall, ID: "call_1", Name: "look", Text: `{"q":"é"}`, Signature: "sig", Origin: llm.Gemini},
				{Kind: llm.PartToolCall, Name: "now"},
			},
		}, {Index: 1, Finish: llm.FinishLength, Parts: []llm.Part{{Kind: llm.PartText, Text: "second"}}}},
	}
}

// TestWriters writes an answer of another dialect, whole and as a stream.
func TestWriters(t *testing.T) {
	t.Parallel()
	h := &llm.Head{ID: "01ABC", Model: "smart"}
	golden(t, "answer", indented(t, AppendAnswer(nil, foreign(), h)))
	golden(t, "answer.stream", written(foreign(), h))
}

// TestFixtureUsageComesLast writes an answer with the usage after the finish, as OpenAI has it.
func TestFixtureUsageComesLast(t *testing.T) {
	t.Parallel()
	w := NewWriter(&llm.Head{ID: "1"})
	var out []byte
	add := func(e llm.Event) { out = w.Write(out, &e) }
	add(llm.Event{Kind: llm.EventStart, ID: "msg_own", Name: "m"})
	add(llm.Event{Kind: llm.EventPart, Part: llm.PartText})
	add(llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte("a")})
	add(llm.Event{Kind: llm.EventDelta, Part: llm.PartText})
	add(llm.Event{Kind: llm.EventPartEnd, Part: llm.PartText})
	add(llm.Event{Kind: llm.EventPart, Choice: 1, Part: llm.PartText})
	add(llm.Event{Kind: llm.EventDelta, Choice: 1, Part: llm.PartText, Text: []byte("other")})
	add(llm.Event{Kind: llm.EventFinish, Finish: llm.FinishSequence, Stop: "END"})
	add(llm.Event{Kind: llm.EventUsage, Usage: &llm.Usage{Input: 9, CachedInput: 4, Output: 2}, ServiceTier: "priority"})
	out = w.End(out)
	got, err := fold(t, bytes.NewReader(out))
	want := &llm.Answer{
		ID: "msg_own", Model: "m", HasUsage: true, ServiceTier: "priority", Usage: llm.Usage{Input: 9, CachedInput: 4, Output: 2},
		Choices: []llm.Choice{{Finish: llm.FinishSequence, Stop: "END", Reason: "stop_sequence", Parts: []llm.Part{{Kind: llm.PartText, Text: "a"}}}},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, answer differs (-want +got):\n%s", err, d)
	}
	if !strings.Contains(string(out), `"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,`) {
		t.Errorf("usage of the input is not in %s", out)
	}
}

func TestStopReasons(t *testing.T) {
	t.Parallel()
	f := func(finish llm.Finish, parts []llm.Part, reason string, back llm.Finish) {
		t.Helper()
		a := &llm.Answer{Choices: []llm.Choice{{Finish: finish, Parts: parts}}}
		whole, err := ReadAnswer(AppendAnswer(nil, a, &llm.Head{ID: "1"}))
		if err != nil || whole.Choices[0].Reason != reason || whole.Choices[0].Finish != back {
			t.Errorf("%v: whole %+v, %v; want %s", finish, whole, err, reason)
		}
		streamed, err := fold(t, bytes.NewReader(written(a, &llm.Head{ID: "1"})))
		if d := cmp.Diff(whole.Choices[0], streamed.Choices[0]); d != "" || err != nil {
			t.Errorf("%v: %v, stream differs (-whole +stream):\n%s", finish, err, d)
		}
	}
	text := []llm.Part{{Kind: llm.PartText, Text: "x"}}
	tool := []llm.Part{{Kind: llm.PartToolCall, ID: "t", Name: "f", Text: "{}"}}
	refusal := []llm.Part{{Kind: llm.PartRefusal, Text: "no"}}
	f(llm.FinishStop, text, "end_turn", llm.FinishStop)
	f(llm.FinishSequence, text, "stop_sequence", llm.FinishSequence)
	f(llm.FinishLength, tool, "max_tokens", llm.FinishLength)
	f(llm.FinishContext, text, "model_context_window_exceeded", llm.FinishContext)
	f(llm.FinishTools, tool, "tool_use", llm.FinishTools)
	f(llm.FinishStop, tool, "tool_use", llm.FinishTools)
	f(llm.FinishFilter, nil, "refusal", llm.FinishFilter)
	f(llm.FinishStop, refusal, "refusal", llm.FinishFilter)
	f(llm.FinishPause, text, "pause_turn", llm.FinishPause)
	f(llm.FinishOther, text, "end_turn", llm.FinishStop)
	f(llm.FinishUnset, nil, "end_turn", llm.FinishStop)
	if got := finishOf("brand_new"); got != llm.FinishOther {
		t.Errorf("an unknown stop_reason is %v", got)
	}
}

// TestFixtureRefusal: what the provider says about a refusal is a part, whole and streamed alike.
func TestFixtureRefusal(t *testing.T) {
	t.Parallel()
	const details = `{"type":"refusal","category":"cyber","explanation":"Not this."}`
	whole, err := ReadAnswer([]byte(`{"type":"message","content":[],"stop_reason":"refusal","stop_details":` + details + `}`))
	want := llm.Choice{Finish: llm.FinishFilter, Reason: "refusal", Parts: []llm.Part{{Kind: llm.PartRefusal, Text: "Not this."}}}
	if err != nil || cmp.Diff(want, whole.Choices[0]) != "" {
		t.Errorf("%v, %+v", err, whole)
	}
	streamed, err := fold(t, strings.NewReader(stream(`{"type":"message_start","message":{}}`,
		`{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":`+details+`}}`, stopEvent)))
	if err != nil || cmp.Diff(want, streamed.Choices[0]) != "" {
		t.Errorf("%v, %+v", err, streamed)
	}
}

func TestReadAnswerRefuses(t *testing.T) {
	t.Parallel()
	f := func(body string, kind llm.Kind) {
		t.Helper()
		if _, err := ReadAnswer([]byte(body)); kindOfError(err) != kind {
			t.Errorf("%s: %v, want %v", body, err, kind)
		}
	}
	f(`{"type":"message","content":[{"type":"text","text":"x"}]}`, llm.KindTruncated)
	f(`{"type":"message","content":5,"stop_reason":"end_turn"}`, llm.KindBadAnswer)
	f(`{"content":[],"stop_reason":"end_turn"`, llm.KindBadAnswer)
	f(`[]`, llm.KindBadAnswer)
	f(``, llm.KindBadAnswer)
	f(`<html>`, llm.KindBadAnswer)
	f(`{"type":"error","error":{"type":"overloaded_error","message":"x"}}`, llm.KindOverloaded)
	f(`{"error":{"type":"api_error","message":"x"}}`, llm.KindProviderStream)
}

func TestScan(t *testing.T) {
	t.Parallel()
	body := []byte(` ` + newWhole)
	a, err := Scan(llm.OpChat, body)
	if err != nil {
		t.Fatal(err)
	}
	if string(a.Model.Of(body)) != `"claude-opus-5-5"` || !a.Complete || !a.HasUsage || a.Tier != "priority" || a.OutputBytes != 87 {
		t.Errorf("%+v", a)
	}
	if want := (llm.Usage{Input: 9, Output: 50, Reasoning: 20}); a.Usage != want {
		t.Errorf("usage %+v", a.Usage)
	}
	if got := a.AppendAnswer(nil, body, "smart"); string(got) != strings.Replace(string(body), "claude-opus-5-5", "smart", 1) {
		t.Errorf("model replaced: %s", got)
	}
	f := func(op llm.Op, body string, complete bool) {
		t.Helper()
		a, err := Scan(op, []byte(body))
		if err != nil || a.Complete != complete {
			t.Errorf("%s: %+v, %v", body, a, err)
		}
	}
	f(llm.OpChat, `{"content":[],"stop_reason":"end_turn"}`, true)
	f(llm.OpChat, `{"content":[],"stop_reason":null}`, false)
	f(llm.OpChat, `{"stop_reason":"end_turn"}`, false)
	f(llm.OpChat, `{"content":[1],"error":null,"stop_reason":"end_turn"}`, true)
	f(llm.OpCountTokens, `{"input_tokens":5}`, true)
	f(llm.OpCountTokens, `{}`, false)
	if _, err := Scan(llm.OpCountTokens, []byte(`{"type":"error","error":{"type":"rate_limit_error"}}`)); kindOfError(err) != llm.KindRateLimited {
		t.Errorf("error in an answer: %v", err)
	}
}

// TestFixtureUsageWithCaches: every shape of usage that there has been.
func TestFixtureUsageWithCaches(t *testing.T) {
	t.Parallel()
	f := func(usage string, want llm.Usage, has bool, tier string) {
		t.Helper()
		body := `{"content":[],"stop_reason":"end_turn","usage":` + usage + `}`
		a, err := Scan(llm.OpChat, []byte(body))
		if err != nil || a.Usage != want || a.HasUsage != has || a.Tier != tier {
			t.Errorf("%s: %+v %t %q, %v", usage, a.Usage, a.HasUsage, a.Tier, err)
		}
	}
	f(`{"input_tokens":5,"output_tokens":7}`, llm.Usage{Input: 5, Output: 7}, true, "")
	f(`{"input_tokens":5,"cache_creation_input_tokens":null,"cache_read_input_tokens":null,"output_tokens":7,"service_tier":null,"speed":null}`, llm.Usage{Input: 5, Output: 7}, true, "")
	f(`{"input_tokens":5,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":7,"service_tier":"batch"}`,
		llm.Usage{Input: 125, CachedInput: 100, CacheWrite: 20, Output: 7}, true, "batch")
	f(`{"input_tokens":5,"cache_creation_input_tokens":20,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":15},"output_tokens":7,"speed":"fast","service_tier":"standard"}`,
		llm.Usage{Input: 25, CacheWrite: 20, CacheWriteLong: 15, Output: 7}, true, "fast")
	f(`{"input_tokens":5,"output_tokens":7,"output_tokens_details":{"thinking_tokens":9},"service_tier":"standard"}`, llm.Usage{Input: 5, Output: 7, Reasoning: 7}, true, "default")
	f(`{"input_tokens":-5,"output_tokens":1e30}`, llm.Usage{}, false, "")
	f(`{}`, llm.Usage{}, false, "")
	f(`null`, llm.Usage{}, false, "")
}

func TestCount(t *testing.T) {
	t.Parallel()
	if n, err := ReadCount(AppendCount(nil, 2095)); n != 2095 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, body := range []string{`{}`, `{"input_tokens":"5"}`, `{"input_tokens":-1}`, `x`} {
		if _, err := ReadCount([]byte(body)); kindOfError(err) != llm.KindBadAnswer {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// random makes answers of all that the protocol can say.
type random struct{ *rand.Rand }

func (r random) text() string {
	words := []string{"a", "é", "😀", "\n", `"`, `\`, " ", "</script>", "\u2028", "word "}
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

func (r random) answer() *llm.Answer {
	a := &llm.Answer{ID: "msg_" + r.text(), Model: r.text(), HasUsage: true, ServiceTier: []string{"", "default", "priority", "batch", "fast"}[r.IntN(5)]}
	read, write, fresh, out := r.Int64N(100), r.Int64N(100), r.Int64N(100), r.Int64N(100)
	a.Usage = llm.Usage{Input: read + write + fresh, CachedInput: read, CacheWrite: write, CacheWriteLong: write / 2, Output: out, Reasoning: out / 3}
	c := llm.Choice{Reason: []string{"end_turn", "max_tokens", "stop_sequence", "pause_turn", "model_context_window_exceeded", "refusal"}[r.IntN(6)]}
	for range r.IntN(5) {
		p := r.part()
		if p.Kind == llm.PartToolCall && c.Reason == "end_turn" {
			c.Reason = "tool_use"
		}
		c.Parts = append(c.Parts, p)
	}
	c.Finish = finishOf(c.Reason)
	if c.Reason == "stop_sequence" {
		c.Stop = "END"
	}
	a.Choices = []llm.Choice{c}
	return a
}

func (r random) part() llm.Part {
	origins := []llm.Dialect{llm.Anthropic, llm.Gemini, llm.Responses}
	switch r.IntN(5) {
	case 0:
		p := llm.Part{Kind: llm.PartThinking, Text: "x" + r.text(), Signature: r.text()}
		if p.Signature != "" {
			p.Origin = origins[r.IntN(len(origins))]
		}
		return p
	case 1:
		return llm.Part{Kind: llm.PartRedacted, Signature: "x" + r.text(), Origin: origins[r.IntN(len(origins))]}
	case 2:
		raw, _ := json.Marshal(map[string]any{"a": r.text()})
		return llm.Part{Kind: llm.PartToolCall, ID: "toolu_" + strconv.Itoa(r.IntN(99)), Name: r.text(), Text: string(raw)}
	case 3:
		raw, _ := json.Marshal(map[string]any{"type": "server_tool_use", "input": map[string]any{"a": r.text()}})
		return llm.Part{Kind: llm.PartOther, Name: "server_tool_use", Raw: string(raw), Origin: llm.Anthropic}
	}
	p := llm.Part{Kind: llm.PartText, Text: "x" + r.text()}
	for range r.IntN(3) {
		p.Citations = append(p.Citations, llm.Citation{URL: []string{"", "https://x.example"}[r.IntN(2)], Title: r.text(), Quote: r.text(), End: len(p.Text)})
	}
	return p
}

// TestStreamIsTheWholeAnswer is the law of translation: an answer that is unfolded, written as a stream and read again folds
// to the same, and to the one that is written and read in one piece.
func TestStreamIsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		want := random{rand.New(rand.NewPCG(seed, 1))}.answer()
		h := &llm.Head{ID: "x"}
		whole, err := ReadAnswer(AppendAnswer(nil, want, h))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, whole); d != "" {
			t.Fatalf("seed %d: whole answer differs (-want +got):\n%s", seed, d)
		}
		out := written(want, h)
		streamed, err := fold(t, bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, streamed); d != "" {
			t.Fatalf("seed %d: streamed answer differs (-want +got):\n%s\n%s", seed, d, out)
		}
		var s Stream
		s.Reset(wire.FollowOptions{})
		if got := follow(t, &s, bytes.NewReader(out)); got != string(out) || !s.Finished() || !s.Done || s.Usage != want.Usage || s.Malformed > 0 {
			t.Fatalf("seed %d: follower %+v", seed, s.Progress)
		}
		events(t, bytes.NewReader(out), func(ev *wire.Event) {
			if !json.Valid(ev.Data) || len(ev.Name) == 0 || ev.At < 0 {
				t.Fatalf("seed %d: event %q", seed, ev.Raw)
			}
		})
	}
}

// FuzzReader: no stream can break the reader, and what it gives keeps the order that events have.
func FuzzReader(f *testing.F) {
	f.Add([]byte(oldStream()))
	f.Add([]byte(newStream()))
	f.Add([]byte(strings.ReplaceAll(newStream(), "content_block_stop", "x")))
	f.Add([]byte("event: error\ndata: {\"error\":5}\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var all []llm.Event
		open := false
		r := NewReader()
		w := NewWriter(&llm.Head{ID: "1"})
		var s Stream
		s.Reset(wire.FollowOptions{Model: "m"})
		var out []byte
		events(t, bytes.NewReader(text), func(ev *wire.Event) {
			if ev.Comment {
				return
			}
			name, data := bytes.Clone(ev.Name), bytes.Clone(ev.Data)
			s.Observe(ev)
			var err *llm.Error
			if all, err = r.Read(all[:0], name, data); err != nil {
				return
			}
			for i := range all {
				switch e := &all[i]; e.Kind {
				case llm.EventPart:
					if open {
						t.Fatal("two parts are open")
					}
					open = true
				case llm.EventDelta, llm.EventPartEnd:
					if !open {
						t.Fatal("no part is open")
					}
					open = e.Kind == llm.EventDelta
				case llm.EventFinish:
					if open {
						t.Fatal("a part is open at the finish")
					}
				}
				out = w.Write(out, &all[i])
			}
		})
		out = w.End(out)
		events(t, bytes.NewReader(out), func(ev *wire.Event) {
			if !wire.Valid(ev.Data) {
				t.Fatalf("writer made %q", ev.Raw)
			}
		})
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte(newWhole))
	f.Add([]byte(`{"type":"error","error":{"type":"x"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := ReadAnswer(body)
		if err != nil {
			return
		}
		if _, err := Scan(llm.OpChat, body); err != nil {
			t.Fatalf("scan: %v", err)
		}
		if out := AppendAnswer(nil, a, &llm.Head{ID: "1"}); !wire.Valid(out) {
			t.Fatalf("%q", out)
		}
	})
}
