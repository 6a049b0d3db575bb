package gemini_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/gemini"
)

// pieces is a source that gives one piece a read.
type pieces [][]byte

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	if (*p)[0] = (*p)[0][n:]; len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	return n, nil
}

// events gives each event of a stream to take.
func events(t *testing.T, src io.Reader, take func(ev *wire.Event)) {
	t.Helper()
	var r wire.Reader
	for {
		_, fill := r.Fill(src)
		for {
			ev, ok, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			take(&ev)
		}
		if fill == io.EOF {
			if ev, ok := r.Last(); ok {
				take(&ev)
			}
			return
		}
	}
}

// follow runs a stream through a follower, and returns what the client gets, with the end or the failure.
func follow(t *testing.T, f wire.Follower, src io.Reader, o wire.FollowOptions) string {
	t.Helper()
	f.Reset(o)
	var out []byte
	events(t, src, func(ev *wire.Event) {
		if f.Observe(ev) == wire.Forward {
			out = append(out, ev.Raw...)
		}
	})
	switch e := f.State().Err; {
	case e != nil:
		out = f.Fail(out, e)
	case f.Finished():
		out = f.End(out)
	}
	return string(out)
}

// read folds a stream by the reader.
func read(t *testing.T, src io.Reader) (*llm.Answer, *llm.Error) {
	t.Helper()
	r := gemini.NewReader()
	var fold llm.Folder
	var failed *llm.Error
	events(t, src, func(ev *wire.Event) {
		data := ev.Data
		if ev.Comment {
			data = ev.Raw
		}
		if failed != nil {
			return
		}
		all, err := r.Read(nil, ev.Name, data)
		failed = err
		for i := range all {
			fold.Add(&all[i])
		}
	})
	if failed != nil {
		return nil, failed
	}
	all, err := r.End(nil)
	for i := range all {
		fold.Add(&all[i])
	}
	return fold.Answer(), err
}

const answerText = `data: {"candidates": [{"content": {"parts": [{"text": "Hmm","thought": true}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 7,"totalTokenCount": 7},"modelVersion": "gemini-3-flash","responseId": "r1"}

data: {"candidates": [{"content": {"parts": [{"text": "Grüße, "}],"role": "model"},"index": 0}],"modelVersion": "gemini-3-flash","responseId": "r1"}

data: {"candidates": [{"content": {"parts": [{"text": "Welt \ud83d\ude00"}],"role": "model"},"index": 0}],"modelVersion": "gemini-3-flash","responseId": "r1"}

data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": "look", "args": { "q": "a b" }},"thoughtSignature": "U0lH"}],"role": "model"},"index": 0}],"responseId": "r1"}

data: {"candidates": [{"content": {"parts": [{"text": ""}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 7,"candidatesTokenCount": 5,"thoughtsTokenCount": 3,"cachedContentTokenCount": 2,"totalTokenCount": 15,"trafficType": "ON_DEMAND_FLEX"},"modelVersion": "gemini-3-flash","responseId": "r1"}

`

func wholeAnswer() *llm.Answer {
	return &llm.Answer{
		ID: "r1", Model: "gemini-3-flash", ServiceTier: "flex", HasUsage: true,
		Usage: llm.Usage{Input: 7, CachedInput: 2, Output: 8, Reasoning: 3},
		Choices: []llm.Choice{{
			Finish: llm.FinishTools, Reason: "STOP",
			Parts: []llm.Part{
				{Kind: llm.PartThinking, Text: "Hmm"},
				{Kind: llm.PartText, Text: "Grüße, Welt 😀"},
				{Kind: llm.PartToolCall, ID: "call_gm9e8d6e4f30fe80ba", Name: "look", Text: `{"q":"a b"}`, Signature: "U0lH", Origin: llm.Gemini},
			},
		}},
	}
}

// TestFixtureSplitsAtEveryByte is fixture 1 of PROVIDERS.md, section 8: chunks of the connection end anywhere, within CRLFs
// and characters of several bytes too.
func TestFixtureSplitsAtEveryByte(t *testing.T) {
	t.Parallel()
	want := wholeAnswer()
	for _, text := range []string{
		answerText,
		strings.ReplaceAll(answerText, "\n", "\r\n"),
		strings.ReplaceAll(answerText, "data: ", ": comment\n\ndata:"),
		strings.TrimRight(answerText, "\n"),
	} {
		whole := follow(t, gemini.NewFollower(), strings.NewReader(text), wire.FollowOptions{})
		for i := range len(text) + 1 {
			src := &pieces{[]byte(text[:i]), []byte(text[i:])}
			if got := follow(t, gemini.NewFollower(), src, wire.FollowOptions{}); got != whole {
				t.Fatalf("split at %d: forwarded %q, want %q", i, got, whole)
			}
			got, err := read(t, &pieces{[]byte(text[:i]), []byte(text[i:])})
			if err != nil {
				t.Fatalf("split at %d: %v", i, err)
			}
			got.Choices[0].Parts[2].ID = want.Choices[0].Parts[2].ID
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("split at %d (-want +got):\n%s", i, diff)
			}
		}
		if whole != answerText {
			t.Errorf("forwarded %q", whole)
		}
	}
}

// TestFixtureFraming is the part of fixture 1 about framing: go-genai fails at comments, event names and [DONE], and clients get
// each chunk on one data line.
func TestFixtureFraming(t *testing.T) {
	t.Parallel()
	chunk := `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`
	f := func(text, want string) {
		t.Helper()
		if got := follow(t, gemini.NewFollower(), strings.NewReader(text), wire.FollowOptions{}); got != want {
			t.Errorf("%q: forwarded %q, want %q", text, got, want)
		}
	}
	plain := "data: " + chunk + "\n\n"
	f(plain, plain)
	f(": hello\n\nevent: message\nid: 7\ndata: "+chunk+"\n\n: bye\n\n", plain)
	f("data:"+chunk+"\r\n\r\n", plain)
	f("data: "+chunk, plain)
	f("data: "+chunk+"\n\ndata: [DONE]\n\n", plain)
	f("data: nonsense\n\n"+plain, plain)
	f("data: {\"candidates\":\ndata: [{\"finishReason\":\"STOP\"}]}\n\n", "data: {\"candidates\": [{\"finishReason\":\"STOP\"}]}\n\n")
}

// TestForwardedBytes checks the law of one dialect: unknown fields and numbers survive byte for byte.
func TestForwardedBytes(t *testing.T) {
	t.Parallel()
	text := `data: {"new": {"x" :1.000},"candidates":[{"odd":"\u00e9","content":{"parts":[{"text":"a","z":null}]},"finishReason":"STOP"}],"modelVersion":"a"}` + "\n\n"
	f := func(model, want string) {
		t.Helper()
		if got := follow(t, gemini.NewFollower(), strings.NewReader(text), wire.FollowOptions{Model: model}); got != want {
			t.Errorf("model %q: forwarded %q, want %q", model, got, want)
		}
	}
	f("", text)
	f("a", text)
	f(`p/"q"`, strings.Replace(text, `"modelVersion":"a"`, `"modelVersion":"p/\"q\""`, 1))
}

func TestArray(t *testing.T) {
	t.Parallel()
	f := func(text string, o wire.FollowOptions, want string) {
		t.Helper()
		got := follow(t, gemini.NewArrayFollower(), strings.NewReader(text), o)
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	one, two := `{"candidates":[{"index":0}],"modelVersion":"m"}`, `{"candidates":[{"finishReason":"STOP"}]}`
	f("data: "+one+"\n\ndata:"+two+"\r\n\r\n", wire.FollowOptions{}, "["+one+",\n"+two+"]")
	f("data: "+one+"\n\ndata: "+two+"\n\n", wire.FollowOptions{Model: "x"}, `[{"candidates":[{"index":0}],"modelVersion":"x"}`+",\n"+two+"]")
	f(`data: {"promptFeedback":{"blockReason":"SAFETY"}}`+"\n\n", wire.FollowOptions{}, `[{"promptFeedback":{"blockReason":"SAFETY"}}]`)
	failed := `{"error":{"code":503,"message":"provider sent an error in its answer: x","status":"UNAVAILABLE","details":[` +
		`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"provider_overloaded","domain":"sluice"}]}}`
	f("data: "+one+"\n\n"+`{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`, wire.FollowOptions{}, "["+one+",\n"+failed+"]")
	f(`data: {"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`+"\n\n", wire.FollowOptions{}, "["+failed+"]")
	follower := gemini.NewArrayFollower()
	follower.Reset(wire.FollowOptions{})
	if got := string(follower.End(nil)); got != "[]" {
		t.Errorf("an empty stream is %q", got)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	f := func(chunk string, content, text, finished bool, bytes int) {
		t.Helper()
		s := gemini.NewFollower()
		follow(t, s, strings.NewReader("data: "+chunk+"\n\n"), wire.FollowOptions{})
		p := s.State()
		if p.Content != content || p.Text != text || s.Finished() != finished || p.OutputBytes != bytes {
			t.Errorf("%s: content %t, text %t, finished %t, %d bytes", chunk, p.Content, p.Text, s.Finished(), p.OutputBytes)
		}
	}
	f(`{}`, false, false, false, 0)
	f(`{"candidates":[{"content":{"role":"model"}}]}`, false, false, false, 0)
	f(`{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]}`, false, false, true, 0)
	f(`{"candidates":[{"content":{"parts":[{"text":"ab\n","thought":true}]}}]}`, true, false, false, 3)
	f(`{"candidates":[{"content":{"parts":[{"thought":true,"text":"a"},{"text":"b"}]}}]}`, true, true, false, 2)
	f(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}`, true, true, false, 22)
	f(`{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}`, true, true, false, 0)
	f(`{"candidates":[{"content":{"parts":[{"thoughtSignature":"AAAA"}]}}]}`, false, false, false, 0)
	f(`{"candidates":[{"finishReason":"STOP"},{"index":1}]}`, false, false, false, 0)
	f(`{"candidates":[{"finishReason":"STOP"},{"index":1,"finish_reason":"SAFETY"}]}`, false, false, true, 0)
	f(`{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}`, false, false, false, 0)
	f(`{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}`, false, false, true, 0)
	f(`{"promptFeedback":{"safetyRatings":[]},"candidates":[]}`, false, false, false, 0)
	f(`{"candidates":[{"index":999999999,"finishReason":"STOP"},{"index":-1,"finishReason":"STOP"}]}`, false, false, true, 0)
	six := strings.Repeat(`{"finishReason":"STOP"},`, 5) + `{"content":{"parts":[{"text":"x"}]}}`
	f(`{"candidates":[`+six+`]}`, true, true, false, 1)
	f(`{"candidates":[{"content":{"parts":[{"text":"x"}]}]}`, false, false, false, 0) // no JSON: nothing of it counts
}

// TestFixtureUsage is the part of fixture 2 about usage on each chunk: the last counts.
func TestFixtureUsage(t *testing.T) {
	t.Parallel()
	s := gemini.NewFollower()
	follow(t, s, strings.NewReader(answerText), wire.FollowOptions{})
	want := llm.Usage{Input: 7, CachedInput: 2, Output: 8, Reasoning: 3}
	if p := s.State(); !p.HasUsage || p.Usage != want || p.Tier != "flex" {
		t.Errorf("usage %+v, tier %q", p.Usage, p.Tier)
	}
	f := func(usage string, want llm.Usage, tier string) {
		t.Helper()
		a, err := gemini.Scan(llm.OpChat, []byte(`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":`+usage+`}`))
		if err != nil || !a.Complete || a.Usage != want || a.Tier != tier {
			t.Errorf("%s is read as %+v, %q, %v", usage, a.Usage, a.Tier, err)
		}
	}
	f(`{"promptTokenCount":5,"totalTokenCount":5}`, llm.Usage{Input: 5}, "")
	f(`{"promptTokenCount":5,"toolUsePromptTokenCount":4,"candidatesTokenCount":3,"thoughtsTokenCount":2}`, llm.Usage{Input: 9, Output: 5, Reasoning: 2}, "")
	f(`{"promptTokenCount":9,"promptTokensDetails":[{"modality":"TEXT","tokenCount":3},{"modality":"AUDIO","tokenCount":6}],`+
		`"candidatesTokenCount":4,"candidatesTokensDetails":[{"tokenCount":4,"modality":"AUDIO"}],"trafficType":"ON_DEMAND_PRIORITY"}`,
		llm.Usage{Input: 9, AudioInput: 6, Output: 4, AudioOutput: 4}, "priority")
	f(`{"promptTokenCount":-5,"candidatesTokenCount":1e30,"cachedContentTokenCount":7,"trafficType":"PROVISIONED_THROUGHPUT"}`, llm.Usage{}, "scale")
	f(`{"prompt_token_count":5,"candidates_token_count":1,"trafficType":"ON_DEMAND_OFFPEAK"}`, llm.Usage{Input: 5, Output: 1}, "")
}

func TestFollowerDoesNotAllocate(t *testing.T) {
	for _, o := range []wire.FollowOptions{{}, {Model: "mine"}} {
		for _, f := range []wire.Follower{gemini.NewFollower(), gemini.NewArrayFollower()} {
			f.Reset(o)
			raw := []byte(`data: {"candidates":[{"content":{"parts":[{"text":"token"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":7,` +
				`"trafficType":"ON_DEMAND"},"modelVersion":"gemini-3-flash","responseId":"r"}` + "\r\n\r\n")
			work := make([]byte, len(raw))
			var ev wire.Event
			step := func() {
				copy(work, raw)
				ev = wire.Event{Raw: work, Data: work[6 : len(work)-4], At: 6}
				if f.Observe(&ev) != wire.Forward {
					t.Fatal("dropped")
				}
			}
			step()
			if n := testing.AllocsPerRun(200, step); n != 0 {
				t.Errorf("%+v: %v allocations an event", o, n)
			}
		}
	}
}

func TestReaderAndWriterDoNotAllocateForText(t *testing.T) {
	r := gemini.NewReader()
	w := gemini.NewWriter(&llm.Head{ID: "x", Model: "m"})
	data := []byte(`{"candidates":[{"content":{"parts":[{"text":"tok\nen"}],"role":"model"},"index":0}],"modelVersion":"gemini-3-flash","responseId":"r"}`)
	var all []llm.Event
	var out []byte
	step := func() {
		var err *llm.Error
		if all, err = r.Read(all[:0], nil, data); err != nil {
			t.Fatal(err)
		}
		out = out[:0]
		for i := range all {
			out = w.Write(out, &all[i])
		}
		if !bytes.Contains(out, []byte(`tok\nen`)) {
			t.Fatalf("wrote %q", out)
		}
	}
	step()
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}
