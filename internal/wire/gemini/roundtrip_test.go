package gemini_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire/gemini"
)

// write writes an answer as a stream, with its texts in pieces.
func write(a *llm.Answer, h *llm.Head, rnd *rand.Rand) string {
	w := gemini.NewWriter(h)
	var out []byte
	for _, e := range llm.Unfold(a) {
		for e.Kind == llm.EventDelta && len(e.Text) > 1 && rnd != nil && rnd.IntN(3) > 0 {
			first := e
			cut := 1 + rnd.IntN(len(e.Text)-1)
			first.Text, first.Logprobs = e.Text[:cut], nil
			for cut < len(e.Text) && e.Text[cut]&0xc0 == 0x80 { // characters stay whole
				cut++
				first.Text = e.Text[:cut]
			}
			e.Text = e.Text[cut:]
			out = w.Write(out, &first)
		}
		out = w.Write(out, &e)
	}
	return string(w.End(out))
}

// fromArray makes events of the array form.
func fromArray(t *testing.T, text string) string {
	t.Helper()
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var out strings.Builder
	for _, one := range all {
		out.WriteString("data: " + string(one) + "\n\n")
	}
	return out.String()
}

// random makes an answer that the dialect can express.
func random(rnd *rand.Rand) *llm.Answer {
	words := []string{"a", "Grüße", "\"quoted\"\n", "😀", "\u2028 ", "<b>", "data: x\n\n", "\\"}
	text := func() string {
		var b strings.Builder
		for range 1 + rnd.IntN(4) {
			b.WriteString(words[rnd.IntN(len(words))])
		}
		return b.String()
	}
	a := &llm.Answer{ID: "id-" + text(), Model: "m"}
	if rnd.IntN(4) > 0 {
		a.HasUsage = true
		a.Usage = llm.Usage{Input: 50 + rnd.Int64N(1000), CachedInput: rnd.Int64N(50), Output: 50 + rnd.Int64N(1000), Reasoning: rnd.Int64N(50)}
		a.Usage.AudioInput = rnd.Int64N(3)
		a.ServiceTier = []string{"", "default", "flex", "priority"}[rnd.IntN(4)]
	}
	for i := range 1 + rnd.IntN(6) {
		c := llm.Choice{Index: i, Finish: llm.FinishStop, Reason: "STOP"}
		last := llm.PartKind(0)
		for range rnd.IntN(5) {
			kind := []llm.PartKind{llm.PartText, llm.PartThinking, llm.PartToolCall, llm.PartImage, llm.PartOther}[rnd.IntN(5)]
			if kind == last && (kind == llm.PartText || kind == llm.PartThinking) {
				continue
			}
			last = kind
			p := llm.Part{Kind: kind}
			if rnd.IntN(2) == 0 {
				p.Signature, p.Origin = "U0lH", llm.Gemini
			}
			switch kind {
			case llm.PartText:
				p.Text = text()
				for n := range rnd.IntN(3) {
					p.Citations = append(p.Citations, llm.Citation{URL: fmt.Sprint("https://x/", n), Title: text(), Start: n, End: n * 2, Quote: []string{"", "q"}[rnd.IntN(2)]})
				}
				if rnd.IntN(3) == 0 && c.Logprobs == nil {
					c.Logprobs = []llm.Logprob{{Token: text(), Logprob: -0.25, Top: []llm.Logprob{{Token: "t", Logprob: -3}}}, {Token: "u", Logprob: -1e-5}}
				}
			case llm.PartThinking:
				p.Text = text()
			case llm.PartToolCall:
				p.ID, p.Name, p.Text = fmt.Sprint("call_", rnd.IntN(1000)), "f"+text(), `{"a":[1,"x y"],"b":{}}`
				c.Finish = llm.FinishTools
			case llm.PartImage:
				p.MIME, p.Data = "image/png", "AAAA"
			case llm.PartOther:
				p.Raw, p.Origin = `{"executableCode":{"language":"PYTHON","code":"1"}}`, llm.Gemini
				p.Signature = ""
			}
			c.Parts = append(c.Parts, p)
		}
		if rnd.IntN(3) == 0 {
			end := []llm.Choice{{Finish: llm.FinishLength, Reason: "MAX_TOKENS"}, {Finish: llm.FinishFilter, Reason: "RECITATION"}, {Finish: llm.FinishOther, Reason: "MALFORMED_FUNCTION_CALL"}}[rnd.IntN(3)]
			c.Finish, c.Reason = end.Finish, end.Reason
		}
		a.Choices = append(a.Choices, c)
	}
	return a
}

// TestFoldOfStreamIsTheAnswer is the property that holds the codec together: an answer goes through the writer, whatever the pieces
// that it comes in, and the reader, and through the encoder and decoder of whole answers, and is the same.
func TestFoldOfStreamIsTheAnswer(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		want := random(rnd)
		h := &llm.Head{ID: "other"}
		whole, err := gemini.ReadAnswer(gemini.AppendAnswer(nil, want, h))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(clean(want), clean(whole)); diff != "" {
			t.Fatalf("seed %d: whole answer differs (-want +got):\n%s\n%s", seed, diff, gemini.AppendAnswer(nil, want, h))
		}
		stream := write(want, h, rnd)
		got, err := read(t, strings.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(clean(want), clean(got)); diff != "" {
			t.Fatalf("seed %d: stream differs (-want +got):\n%s\n%s", seed, diff, stream)
		}
		h.Array = true
		if got, err = read(t, strings.NewReader(fromArray(t, write(want, h, rnd)))); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(clean(want), clean(got)); diff != "" {
			t.Fatalf("seed %d: array differs (-want +got):\n%s", seed, diff)
		}
	}
}

// clean returns an answer in which absent lists are nil.
func clean(a *llm.Answer) *llm.Answer {
	out := *a
	out.Choices = nil
	for _, c := range a.Choices {
		c.Parts = append([]llm.Part(nil), c.Parts...)
		for i := range c.Parts {
			if len(c.Parts[i].Citations) == 0 {
				c.Parts[i].Citations = nil
			}
		}
		out.Choices = append(out.Choices, c)
	}
	return &out
}

// TestAnswersOfOtherDialects checks what an answer becomes that has what this dialect has not.
func TestAnswersOfOtherDialects(t *testing.T) {
	t.Parallel()
	a := &llm.Answer{
		ID: "chatcmpl-1", Model: "gpt", Fingerprint: "fp", HasUsage: true, ServiceTier: "auto",
		Usage: llm.Usage{Input: 4, Output: 3, CacheWrite: 2},
		Choices: []llm.Choice{
			{Finish: llm.FinishSequence, Stop: "END", Reason: "stop_sequence", Parts: []llm.Part{
				{Kind: llm.PartThinking, Text: "t", Signature: "sig", Origin: llm.Anthropic},
				{Kind: llm.PartRedacted, Signature: "secret", Origin: llm.Anthropic},
				{Kind: llm.PartRefusal, Text: "no"},
				{Kind: llm.PartToolCall, ID: "c", Name: "f", Text: "free text", Custom: true},
				{Kind: llm.PartToolCall, ID: "d", Name: "g"},
				{Kind: llm.PartOther, Raw: "{}", Origin: llm.Anthropic},
				{Kind: llm.PartThinking, Text: "unknown", Signature: "sig"},
			}},
			{Index: 1, Finish: llm.FinishContext, Reason: "context"},
			{Index: 2, Finish: llm.FinishFilter, Reason: "content_filter"},
			{Index: 3, Finish: llm.FinishPause, Reason: "pause_turn"},
			{Index: 4},
		},
	}
	got := string(gemini.AppendAnswer(nil, a, &llm.Head{Model: "shown"}))
	want := `{"candidates":[` +
		`{"content":{"parts":[{"text":"t","thought":true,"thoughtSignature":"c2x1aWNlOmFudGhyb3BpYzpzaWc="},` +
		`{"text":"","thought":true,"thoughtSignature":"c2x1aWNlOmFudGhyb3BpYyFzZWNyZXQ="},{"text":"no"},` +
		`{"functionCall":{"id":"c","name":"f","args":{"input":"free text"}}},{"functionCall":{"id":"d","name":"g","args":{}}},` +
		`{"text":"unknown","thought":true}],"role":"model"},"finishReason":"STOP","index":0},` +
		`{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"MAX_TOKENS","index":1},` +
		`{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"SAFETY","index":2},` +
		`{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"CONTINUATION","index":3},` +
		`{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":4}],` +
		`"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":3,"totalTokenCount":7},"modelVersion":"shown","responseId":"chatcmpl-1"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// What the client sends back finds its way to the provider that signed it.
	var answer struct {
		Candidates []struct{ Content json.RawMessage }
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil {
		t.Fatal(err)
	}
	chat, err := gemini.ReadChat(llm.OpChat, []byte(`{"contents":[`+string(answer.Candidates[0].Content)+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a.Choices[0].Parts[:2], chat.Messages[0].Parts[:2]); diff != "" {
		t.Errorf("signatures differ (-want +got):\n%s", diff)
	}
}

// TestOneLine checks that JSON of other providers that is laid out over lines does not break an event.
func TestOneLine(t *testing.T) {
	t.Parallel()
	a := &llm.Answer{Choices: []llm.Choice{{Finish: llm.FinishTools, Parts: []llm.Part{
		{Kind: llm.PartToolCall, ID: "c", Name: "f", Text: "{\n \"a\": \"b\\n c\"\r\n}"},
		{Kind: llm.PartOther, Raw: "{\n\"x\": 1}", Origin: llm.Gemini},
	}}}}
	stream := write(a, &llm.Head{}, nil)
	for line := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		if data, ok := strings.CutPrefix(line, "data: "); !ok || !json.Valid([]byte(data)) || strings.ContainsAny(data, "\r\n") {
			t.Errorf("line %q", line)
		}
	}
	if !strings.Contains(stream, `"args":{"a":"b\n c"}`) || !strings.Contains(stream, `{"x":1}`) {
		t.Errorf("got %s", stream)
	}
}

func TestWriterFails(t *testing.T) {
	t.Parallel()
	e := &llm.Error{Kind: llm.KindStalled, Message: "stalled"}
	body, _ := gemini.AppendError(nil, e, "")
	w := gemini.NewWriter(&llm.Head{})
	if got := string(w.Fail(nil, e)); got != "data: "+string(body)+"\n\n" {
		t.Errorf("got %q", got)
	}
	w = gemini.NewWriter(&llm.Head{Array: true})
	delta := &llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte("a")}
	other := &llm.Event{Kind: llm.EventPart, Part: llm.PartOther, Media: &llm.Part{Kind: llm.PartOther, Raw: "{}", Origin: llm.Anthropic}}
	out := w.Write(w.Write(nil, other), delta)
	if got := string(w.Fail(out, e)); !json.Valid([]byte(got)) || !strings.HasSuffix(got, ",\n"+string(body)+"]") {
		t.Errorf("got %q", got)
	}
	w = gemini.NewWriter(&llm.Head{Array: true})
	if got := string(w.Fail(nil, e)); got != "["+string(body)+"]" {
		t.Errorf("got %q", got)
	}
}

// TestReader checks what only streams have.
func TestReader(t *testing.T) {
	t.Parallel()
	f := func(want *llm.Answer, chunks ...string) {
		t.Helper()
		got, err := read(t, strings.NewReader("data: "+strings.Join(chunks, "\n\ndata: ")+"\n\n"))
		if err != nil {
			t.Error(err)
			return
		}
		for i := range got.Choices {
			for j := range got.Choices[i].Parts {
				if p := &got.Choices[i].Parts[j]; strings.HasPrefix(p.ID, "call_gm") {
					p.ID = "made"
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", chunks, diff)
		}
	}
	one := func(f llm.Finish, reason string, parts ...llm.Part) *llm.Answer {
		return &llm.Answer{Choices: []llm.Choice{{Finish: f, Reason: reason, Parts: parts}}}
	}
	part := func(p string) string { return `{"candidates":[{"content":{"parts":[` + p + `]}}]}` }
	stop := `{"candidates":[{"finishReason":"STOP"}]}`
	// A signature at the end of a text, in a part of its own, and a text that goes on after it.
	f(one(llm.FinishStop, "STOP", llm.Part{Kind: llm.PartText, Text: "ab", Signature: "U0lH", Origin: llm.Gemini}, llm.Part{Kind: llm.PartText, Text: "c"}),
		part(`{"text":"a"}`), part(`{"text":"b"}`), part(`{"text":"","thoughtSignature":"U0lH"}`), part(`{"text":"c"}`), stop)
	// One in front of any text, or after thoughts, is of a text of its own.
	f(one(llm.FinishStop, "STOP", llm.Part{Kind: llm.PartThinking, Text: "t"}, llm.Part{Kind: llm.PartText, Signature: "U0lH", Origin: llm.Gemini}),
		part(`{"thought":true,"text":"t"}`), part(`{"thoughtSignature":"U0lH"}`), stop)
	// Calls in pieces (Vertex AI).
	f(one(llm.FinishTools, "STOP", llm.Part{Kind: llm.PartToolCall, ID: "made", Name: "f", Text: `{"where":{"city":"New York"},"list":[1,true,null],"n":2.50}`}),
		part(`{"functionCall":{"name":"f","willContinue":true}}`),
		part(`{"functionCall":{"partialArgs":[{"jsonPath":"$.where.city","stringValue":"New ","willContinue":true}],"willContinue":true}}`),
		part(`{"functionCall":{"partialArgs":[{"jsonPath":"$.where['city']","stringValue":"York"},{"jsonPath":"$.list[0]","numberValue":1},`+
			`{"jsonPath":"$.list[1]","boolValue":true},{"jsonPath":"$.list[2]","nullValue":"NULL_VALUE"},{"jsonPath":"$.n","numberValue":2.50},`+
			`{"jsonPath":"$.n.x","numberValue":1},{"jsonPath":"nonsense","numberValue":1},{"jsonPath":"$.list[99999999]","numberValue":1}],"willContinue":true}}`),
		part(`{"functionCall":{}}`), stop)
	f(one(llm.FinishTools, "STOP", llm.Part{Kind: llm.PartToolCall, ID: "i", Name: "f", Text: `{"a":1}`}, llm.Part{Kind: llm.PartToolCall, ID: "made", Name: "g", Text: `{}`}),
		part(`{"functionCall":{"name":"f","id":"i","willContinue":true,"partialArgs":[{"jsonPath":"$.a","numberValue":1}]}},{"functionCall":{"name":"g","willContinue":true}}`), stop)
	// A blocked prompt.
	f(one(llm.FinishFilter, "PROHIBITED_CONTENT"), `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}`)
	// A reason that is not known, and one that comes with nothing.
	f(one(llm.FinishOther, "NEW_REASON", llm.Part{Kind: llm.PartText, Text: "a"}), part(`{"text":"a"}`), `{"candidates":[{"finishReason":"NEW_REASON"}]}`)
	// Citations that come at the end, more than once.
	f(one(llm.FinishStop, "STOP", llm.Part{Kind: llm.PartText, Text: "abc", Citations: []llm.Citation{
		{URL: "u", Title: "t", Start: 0, End: 2}, {URL: "v"}, {URL: "w", Start: 1, End: 3},
	}}), part(`{"text":"abc"}`), `{"candidates":[{"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u","title":"t"}},{"web":{"uri":"v"}},{"odd":{}}],`+
		`"groundingSupports":[{"segment":{"endIndex":2},"groundingChunkIndices":[0]}]}}]}`,
		`{"candidates":[{"finishReason":"STOP","citationMetadata":{"citations":[{"uri":"w","startIndex":1,"endIndex":3}]},`+
			`"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u","title":"t"}},{"web":{"uri":"v"}}],"groundingSupports":[{"segment":{"endIndex":2},"groundingChunkIndices":[0]}]}}]}`)
	// Media.
	f(one(llm.FinishStop, "STOP", llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: "AAAA"}, llm.Part{Kind: llm.PartFile, MIME: "video/mp4", URL: "gs://b/o"}),
		part(`{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"fileData":{"mimeType":"video/mp4","fileUri":"gs://b/o"}}`), stop)
	// Several candidates in turn.
	f(&llm.Answer{Choices: []llm.Choice{
		{Index: 0, Finish: llm.FinishStop, Reason: "STOP", Parts: []llm.Part{{Kind: llm.PartText, Text: "ab"}}},
		{Index: 1, Finish: llm.FinishLength, Reason: "MAX_TOKENS", Parts: []llm.Part{{Kind: llm.PartText, Text: "xy"}}},
	}}, `{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]}},{"index":1,"content":{"parts":[{"text":"x"}]}}]}`,
		`{"candidates":[{"index":1,"content":{"parts":[{"text":"y"}]},"finishReason":"MAX_TOKENS"}]}`,
		`{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]}`)
}

// TestReaderCountsWhatIsMalformed checks that what cannot be read is told, and not taken.
func TestReaderCountsWhatIsMalformed(t *testing.T) {
	t.Parallel()
	r := gemini.NewReader()
	f := func(data string, want int) {
		t.Helper()
		all, err := r.Read(nil, nil, []byte(data))
		n := 0
		for i := range all {
			if all[i].Kind == llm.EventMalformed {
				n++
			}
		}
		if err != nil || n != want {
			t.Errorf("%s: %d malformed, %v", data, n, err)
		}
	}
	f(`nonsense`, 1)
	f(`{"candidates":[`, 1)
	f(`{"candidates":[7]}`, 1)
	f(`[]`, 1)
	f(`[DONE]`, 0)
	f(``, 0)
	f(`{"candidates":[{"finishReason":"STOP"}]}`, 0)
	f(`{"candidates":[{"content":{"parts":[{"text":"after the end"}]}}]}`, 1)
	f(`{"candidates":[{"content":{"parts":[{"text":""},{}]},"finishReason":"STOP"}]}`, 0)
}
