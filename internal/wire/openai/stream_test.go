package openai

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// play sends text through a Reader and a Stream, and returns what a client gets.
func play(t testing.TB, s *Stream, text string) string {
	t.Helper()
	var r wire.Reader
	src := strings.NewReader(text)
	var out []byte
	for {
		_, fillErr := r.Fill(src)
		for {
			ev, ok, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if s.Observe(&ev) == wire.Forward {
				out = append(out, ev.Raw...)
			}
		}
		if fillErr == io.EOF {
			if ev, ok := r.Last(); ok && s.Observe(&ev) == wire.Forward {
				out = append(out, ev.Raw...)
			}
			return string(out)
		}
	}
}

// chunks makes a stream of unnamed events.
func chunks(data ...string) string {
	var out []byte
	for _, d := range data {
		out = wire.AppendData(out, d)
	}
	return string(out)
}

const (
	roleChunk = `{"id":"c","model":"p","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`
	textChunk = `{"id":"c","model":"p","choices":[{"index":0,"delta":{"content":"hé\n"},"finish_reason":null}]}`
	stopChunk = `{"id":"c","model":"p","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	usageJSON = `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}`
	lastChunk = `{"id":"c","model":"p","choices":[],"usage":` + usageJSON + `}`
)

func TestStreamIsForwardedAsItIs(t *testing.T) {
	t.Parallel()
	for _, nl := range []string{"\n", "\r\n", "\r"} {
		text := strings.ReplaceAll(": hi\n\n"+chunks(roleChunk, textChunk, stopChunk, lastChunk)+"event: x\ndata: y\n\nid: 1\n\n"+
			"data:"+textChunk+"\n\n"+Done, "\n", nl)
		var s Stream
		s.Reset(wire.FollowOptions{})
		if got := play(t, &s, text); got != text {
			t.Errorf("forwarded %q, want %q", got, text)
		}
		want := llm.Usage{Input: 10, CachedInput: 4, Output: 5}
		if !s.Done || !s.Finished() || !s.Content || s.Err != nil || !s.HasUsage || s.Usage != want || s.OutputBytes != 8 {
			t.Errorf("state %+v", s)
		}
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	f := func(choice string, want bool, size int) {
		t.Helper()
		var s Stream
		s.Reset(wire.FollowOptions{})
		text := chunks(`{"choices":[{"index":0,` + choice + `}]}`)
		if got := play(t, &s, text); got != text || s.Content != want || s.OutputBytes != size {
			t.Errorf("%s: content %t, %d bytes, want %t, %d", choice, s.Content, s.OutputBytes, want, size)
		}
	}
	f(`"delta":{"role":"assistant"}`, false, 0)
	f(`"delta":{"role":"assistant","content":""}`, false, 0)
	f(`"delta":{"role":"assistant","content":null,"refusal":null,"tool_calls":null,"audio":null}`, false, 0)
	f(`"delta":{"content":[],"tool_calls":[],"audio":{}}`, false, 0)
	f(`"delta":null`, false, 0)
	f(`"delta":{}`, false, 0)
	f(`"text":""`, false, 0)
	f(`"delta":{"content":"a\u00e9"}`, true, 3)
	f(`"delta":{"content":[{"type":"text","text":"abc"}]}`, true, 3)
	f(`"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"abc"}]}]}`, true, 3)
	f(`"delta":{"reasoning_content":"ab"}`, true, 2)
	f(`"delta":{"reasoning":"ab"}`, true, 2)
	f(`"delta":{"reasoning_details":[{"type":"reasoning.encrypted","data":"xyz"}]}`, true, 0)
	f(`"delta":{"reasoning_details":[]}`, false, 0)
	f(`"delta":{"refusal":"no"}`, true, 2)
	f(`"delta":{"tool_calls":[{"index":0,"id":"i","type":"function","function":{"name":"f","arguments":""}}]}`, true, 1)
	f(`"delta":{"tool_calls":[{"function":{"arguments":"{\"a\""}}]}`, true, 4)
	f(`"delta":{"tool_calls":[{"index":0,"custom":{"name":"c","input":"xy"}}]}`, true, 3)
	f(`"delta":{"function_call":{"name":"f","arguments":"{}"}}`, true, 3)
	f(`"delta":{"audio":{"id":"a","data":"QUJD","transcript":"hi"}}`, true, 2)
	f(`"text":"abc"`, true, 3)
}

func TestStripUsageAndModel(t *testing.T) {
	t.Parallel()
	strip := wire.FollowOptions{StripUsage: true}
	f := func(o wire.FollowOptions, data, want string) {
		t.Helper()
		var s Stream
		s.Reset(o)
		if want != "" {
			want = chunks(want)
		}
		if got := play(t, &s, chunks(data)); got != want {
			t.Errorf("%s:\n got %q\nwant %q", data, got, want)
		}
	}
	f(strip, lastChunk, "")
	f(strip, `{"choices":null,"usage":`+usageJSON+`}`, "")
	f(strip, `{"usage":`+usageJSON+`}`, "")
	f(wire.FollowOptions{}, lastChunk, lastChunk)
	f(strip, `{"id":"","model":"","choices":[],"prompt_filter_results":[{}]}`, `{"id":"","model":"","choices":[],"prompt_filter_results":[{}]}`)
	f(strip, `{"choices":[{"delta":{}}],"usage":`+usageJSON+`}`, `{"choices":[{"delta":{}}],"usage":`+usageJSON+`}`)
	f(strip, `{"a":1,"usage":null}`, `{"a":1}`)
	f(strip, `{"usage":null,"a":1}`, `{"a":1}`)
	f(strip, `{"a":1,"usage":null,"b":2}`, `{"a":1,"b":2}`)
	f(strip, `{ "a" : 1 , "usage" : null , "b" : 2 }`, `{ "a" : 1 , "b" : 2 }`)
	f(strip, `{ "a" : 1 , "usage" : null }`, `{ "a" : 1 }`)
	f(strip, `{ "usage" : null , "a" : 1 }`, `{ "a" : 1 }`)
	f(strip, `{"usage":null}`, `{}`)
	f(strip, `{ "usage":null }`, `{  }`)
	f(wire.FollowOptions{}, `{"a":1,"usage":null}`, `{"a":1,"usage":null}`)
	f(wire.FollowOptions{}, `{"error":null,"a":1}`, `{"a":1}`)
	f(wire.FollowOptions{}, `{"a":1,"error":null}`, `{"a":1}`)
	f(wire.FollowOptions{}, `{"a":1,"error":""}`, `{"a":1}`)
	f(strip, `{"error":null,"usage":null,"a":1}`, `{"a":1}`)
	f(strip, `{"a":1,"error":null,"usage":null}`, `{"a":1}`)
	f(strip, `{"error":null,"a":1,"usage":null}`, `{"a":1}`)
	f(strip, `{"error":null,"usage":null}`, `{}`)
	f(strip, `{"us\u0061ge":null,"a":1}`, `{"a":1}`)
	public := wire.FollowOptions{Model: `a much longer "name"`, StripUsage: true}
	f(public, `{"model":"p","usage":null,"x":{"model":"p"}}`, `{"model":"a much longer \"name\"","x":{"model":"p"}}`)
	f(public, `{"error":null,"model": "p"}`, `{"model": "a much longer \"name\""}`)
	f(public, `{"model":null}`, `{"model":null}`)
	f(wire.FollowOptions{Model: "p"}, textChunk, textChunk)
	f(strip, "{\"a\":1,\n\"usage\":null}", `{"a":1}`)
	f(wire.FollowOptions{Model: "q"}, "{\"a\":1,\n\"model\":\"p\"}", "{\"a\":1,\n\"model\":\"q\"}")
}

func TestChangedEventKeepsItsOtherLines(t *testing.T) {
	t.Parallel()
	var s Stream
	s.Reset(wire.FollowOptions{Model: "q"})
	got := play(t, &s, ": c\r\nid: 7\r\ndata:{\"model\":\"p\"}\r\nretry: 5\r\n\r\n")
	if want := ": c\r\nid: 7\r\ndata:{\"model\":\"q\"}\r\nretry: 5\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFinished(t *testing.T) {
	t.Parallel()
	f := func(want bool, data ...string) {
		t.Helper()
		var s Stream
		s.Reset(wire.FollowOptions{})
		play(t, &s, chunks(data...))
		if s.Finished() != want {
			t.Errorf("%q: finished %t", data, !want)
		}
	}
	fin := func(i, reason string) string {
		return `{"choices":[{"index":` + i + `,"finish_reason":` + reason + `}]}`
	}
	f(false)
	f(false, roleChunk, textChunk, "[DONE]")
	f(true, roleChunk, textChunk, stopChunk)
	f(true, stopChunk)
	f(false, fin("0", `""`))
	f(false, fin("0", `null`))
	f(false, fin("0", `7`))
	f(true, fin("0", `"eos"`))
	f(true, stopChunk, stopChunk)
	f(true, stopChunk, fin("1", `"length"`))
	f(true, `{"choices":[{"finish_reason":"stop"},{"finish_reason":"stop"}]}`)
	f(false, stopChunk, `{"choices":[{"index":1,"delta":{"content":"x"}}]}`)
	f(true, stopChunk, `{"choices":[{"index":1,"delta":{"content":"x"}}]}`, fin("1", `"stop"`))
	f(true, `{"choices":[{"index":0.0,"finish_reason":"stop"}]}`)
	f(false, `{"choices":[{"index":0,"finish_reason":"stop"}],"usa`)
	f(false, stopChunk, `{"error":{"message":"late"}}`)
	var many []string
	for i := range 130 {
		many = append(many, fin(strconv.Itoa(i), `"stop"`))
	}
	f(true, many...)
	f(false, append(many, `{"choices":[{"index":130,"delta":{"content":"x"}}]}`)...)
}

func TestErrorsInTheStream(t *testing.T) {
	t.Parallel()
	f := func(text string, kind llm.Kind, message string) {
		t.Helper()
		var s Stream
		s.Reset(wire.FollowOptions{})
		before, after := chunks(textChunk), chunks(textChunk)+Done
		if got := play(t, &s, before+text+after); got != before {
			t.Errorf("%s: forwarded %q", text, got)
		}
		if s.Err == nil || s.Err.Kind != kind || !strings.Contains(s.Err.Message, message) || s.Err.Sent != llm.WasSent {
			t.Errorf("%s: error %+v, want %v and %q", text, s.Err, kind, message)
		}
		if s.Finished() || s.Malformed != 0 {
			t.Errorf("%s: finished %t, malformed %d", text, s.Finished(), s.Malformed)
		}
	}
	f(chunks(`{"error":{"message":"boom","type":"server_error","code":null}}`), llm.KindProviderStream, "boom")
	f(chunks(`{"error":{"message":"boom","code":500}}`), llm.KindProviderStream, "boom")
	f(chunks(`{"error":"boom"}`), llm.KindProviderStream, "boom")
	f(chunks(`{"error":{}}`), llm.KindProviderStream, "error in its answer")
	f(chunks(`{"error":true}`), llm.KindProviderStream, "error in its answer")
	f(chunks(`{"error":{"message":"slow","code":429}}`), llm.KindRateLimited, "slow")
	f(chunks(`{"error":{"message":"slow","type":"rate_limit_error"}}`), llm.KindRateLimited, "slow")
	f(chunks(`{"error":{"message":"no more","code":"insufficient_quota"}}`), llm.KindQuotaExhausted, "no more")
	f(chunks(`{"error":{"message":"full","type":"overloaded_error"}}`), llm.KindOverloaded, "full")
	f(chunks(`{"error":{"message":"x"},"status_code":503}`), llm.KindOverloaded, "x")
	f(chunks(`{"id":"g","error":{"code":502,"message":"upstream"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`),
		llm.KindProviderStream, "upstream")
	f(chunks(`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`), llm.KindProviderStream, "")
	f(chunks(`{"object":"error","message":"gone","type":"BadRequestError","code":400}`), llm.KindRejected, "gone")
	f(chunks(`{"error":{"object":"error","message":"old","code":400}}`), llm.KindRejected, "old")
	f(chunks(`{"choices":[],"x_groq":{"error":"over capacity"}}`), llm.KindProviderStream, "over capacity")
	f(chunks(`[{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]`), llm.KindOverloaded, "busy")
	f("event: error\ndata: {\"message\":\"named\"}\n\n", llm.KindProviderStream, "named")
	f("event: error\ndata: just text\n\n", llm.KindProviderStream, "just text")
	f("error: {\"code\":500,\"message\":\"raw field\"}\n\n", llm.KindProviderStream, "raw field")
}

func TestStreamErrorKeepsNoPartOfTheBuffer(t *testing.T) {
	t.Parallel()
	data := []byte(`{"error":{"message":"bad request","code":400,"param":"n"}}`)
	var s Stream
	s.Reset(wire.FollowOptions{})
	s.Observe(&wire.Event{Data: data, Raw: data})
	want := string(data)
	clear(data)
	if string(s.Err.Body) != want || s.Err.Param != "n" {
		t.Errorf("error %+v", s.Err)
	}
}

func TestMalformedEventsAreDroppedAndCounted(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`{"choices":[`, `nonsense`, `7`, `null`, `"text"`, `[]`, ``, `{} {}`, `{"a":tru3}`} {
		var s Stream
		s.Reset(wire.FollowOptions{})
		if got := play(t, &s, chunks(data, stopChunk)); got != chunks(stopChunk) || s.Malformed != 1 || s.Err != nil {
			t.Errorf("%q: forwarded %q, malformed %d, error %v", data, got, s.Malformed, s.Err)
		}
	}
}

func TestNothingCountsAfterTheEnd(t *testing.T) {
	t.Parallel()
	var s Stream
	s.Reset(wire.FollowOptions{})
	if got := play(t, &s, Done+chunks(textChunk, "nonsense", `{"error":"x"}`)+": c\n\n"+Done); got != Done {
		t.Errorf("forwarded %q", got)
	}
	if !s.Done || s.Content || s.Err != nil || s.Malformed != 0 {
		t.Errorf("state %+v", s)
	}
}

func TestOddChunksAreForwarded(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{"choices":null}`, `{"choices":[]}`, `{}`, `{"choices":[{"delta":null}]}`, `{"choices":[null]}`, `{"choices":{}}`,
		`{"choices":[{"index":"0","delta":{"tool_calls":[{"id":""}]}}],"created":1.5,"code":7}`, `{"choices":[],"usage":7}`,
		`{"choices":[{"index":-1,"delta":{"role":"assistant","content":"x","role":"assistant"}}]}`,
		`{"choices":[{"index":99999999999,"delta":{}}]}`, `{"object":"chat.completion.chunk"}`,
	} {
		var s Stream
		s.Reset(wire.FollowOptions{})
		if got := play(t, &s, chunks(data)); got != chunks(data) || s.Malformed != 0 || s.Err != nil {
			t.Errorf("%s: forwarded %q, state %+v", data, got, s)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	f := func(chunk string, want llm.Usage) {
		t.Helper()
		var s Stream
		s.Reset(wire.FollowOptions{})
		play(t, &s, chunks(chunk))
		if !s.HasUsage || s.Usage != want {
			t.Errorf("%s: usage %+v %t, want %+v", chunk, s.Usage, s.HasUsage, want)
		}
	}
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":5.0,"total_tokens":15,
		"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3,"audio_tokens":1},
		"completion_tokens_details":{"reasoning_tokens":2}}}`,
		llm.Usage{Input: 10, CachedInput: 4, CacheWrite: 3, Output: 5, Reasoning: 2, AudioInput: 1})
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":null,"prompt_cache_hit_tokens":6}}`,
		llm.Usage{Input: 10, CachedInput: 6, Output: 5})
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}}`,
		llm.Usage{Input: 10, Output: 25, Reasoning: 20})
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":null,"cached_tokens":-3}}`, llm.Usage{Input: 10})
	f(`{"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":1,"completion_tokens":2}}}`, llm.Usage{Input: 1, Output: 2})
	f(`{"usage":{"total_tokens":8}}`, llm.Usage{Input: 8})

	var s Stream
	s.Reset(wire.FollowOptions{})
	play(t, &s, chunks(`{"usage":{"prompt_tokens":1,"completion_tokens":1}}`, `{"usage":{"prompt_tokens":1,"completion_tokens":9}}`,
		`{"usage":null}`, `{"usage":{}}`))
	if s.Usage.Output != 9 {
		t.Errorf("cumulative usage gives %+v", s.Usage)
	}
}

func TestResetForgets(t *testing.T) {
	t.Parallel()
	var s Stream
	s.Reset(wire.FollowOptions{Model: "q"})
	play(t, &s, chunks(textChunk, stopChunk, lastChunk, `{"choices":[{"index":200,"finish_reason":"stop"}]}`, "x")+Done)
	s.Reset(wire.FollowOptions{})
	if s.Done || s.Content || s.Finished() || s.HasUsage || s.Malformed != 0 || s.OutputBytes != 0 {
		t.Errorf("state after Reset %+v", s)
	}
	if got := play(t, &s, chunks(stopChunk)); got != chunks(stopChunk) || !s.Finished() {
		t.Errorf("second stream: %q, finished %t", got, s.Finished())
	}
}

func FuzzStream(f *testing.F) {
	for _, s := range []string{
		roleChunk, textChunk, stopChunk, lastChunk, "[DONE]", `{"error":null,"usage":null,"model":"p"}`,
		`{"error":{"message":"x","code":429}}`, `{"choices":[{"index":70,"delta":{"tool_calls":[{"function":{"arguments":"x"}}]}}]}`,
		`{"error":fu`, `{"error":nul`, `{"usage":{`, `{"model":"`, `{"choices":[{"delta":{"content":"`, `{"x_groq":{"error":t`,
		`{"x_groq":{"usage":{"total_tokens":1},"error":null}}`, "{\"model\":\n\"p\"}", `{"choices":[{"delta":{"content":[{"text":"x"}]}}]}`,
	} {
		f.Add([]byte(s), true, "q")
	}
	f.Fuzz(func(t *testing.T, data []byte, strip bool, model string) {
		raw := wire.AppendData(nil, data)
		var s Stream
		s.Reset(wire.FollowOptions{StripUsage: strip, Model: model})
		out := play(t, &s, string(raw))
		var p Stream
		p.Reset(wire.FollowOptions{StripUsage: strip, Model: model, Pieces: true})
		if got := play(t, &p, string(raw)); got != out || p.Content != s.Content {
			t.Fatalf("with pieces %q is forwarded, without %q", got, out)
		}
		var g gathered
		g.add(p.Pieces)
		w, _ := p.Resume(&llm.Head{ID: "x"}, g.answer())
		w.Write(nil, &llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte("x")})
		if out == "" || s.Done {
			return
		}
		inner := firstData(out)
		var before, after map[string]any
		if json.Unmarshal(firstData(string(raw)), &before) != nil {
			t.Fatalf("forwarded %q, which is no JSON object", out)
		}
		if err := json.Unmarshal(inner, &after); err != nil {
			t.Fatalf("%q became %q: %v", raw, out, err)
		}
		if _, ok := after["error"]; ok {
			t.Fatalf("error is forwarded: %q", out)
		}
		delete(before, "error")
		if v, ok := before["usage"]; ok && v == nil && strip {
			delete(before, "usage")
		}
		if v, ok := after["usage"]; ok && v == nil && strip {
			t.Fatalf("usage null is forwarded: %q", out)
		}
		if bytes.Count(data, []byte("usage")) > 1 || bytes.Count(data, []byte(`\u`)) > 0 {
			return // two of them: which one counts is the client's business
		}
		if _, ok := after["model"].(string); ok && model != "" {
			before["model"] = after["model"]
		}
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", raw, out)
		}
	})
}

// firstData returns the data of the first event in text.
func firstData(text string) []byte {
	var r wire.Reader
	src := strings.NewReader(text)
	for {
		_, err := r.Fill(src)
		if ev, ok, _ := r.Next(); ok || err != nil {
			return bytes.Clone(ev.Data)
		}
	}
}

const sampleChunk = `data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx","object":"chat.completion.chunk","created":1763700000,` +
	`"model":"gpt-4o","system_fingerprint":"fp_012345","choices":[{"index":0,"delta":{"content":" token"},` +
	`"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"

// repeat is a source that gives the same text at each read.
type repeat struct{ text []byte }

func (r *repeat) Read(b []byte) (int, error) { return copy(b, r.text), nil }

// stepper returns a function that reads and observes one event.
func stepper(t testing.TB, text string, o wire.FollowOptions) func() {
	r, s := new(wire.Reader), new(Stream)
	s.Reset(o)
	src := &repeat{[]byte(text)}
	step := func() {
		if _, err := r.Fill(src); err != nil {
			t.Fatal(err)
		}
		ev, ok, err := r.Next()
		if !ok || err != nil || s.Observe(&ev) != wire.Forward {
			t.Fatal("event was not forwarded", err)
		}
	}
	step()
	return step
}

func TestForwardedEventsDoNotAllocate(t *testing.T) {
	f := func(text string, o wire.FollowOptions) {
		t.Helper()
		if n := testing.AllocsPerRun(1000, stepper(t, text, o)); n != 0 {
			t.Errorf("%q: %v allocations an event", text, n)
		}
	}
	f(sampleChunk, wire.FollowOptions{})
	f(sampleChunk, wire.FollowOptions{StripUsage: true, Model: "a/public-name"})
	f(chunks(lastChunk), wire.FollowOptions{})
	f(chunks(stopChunk), wire.FollowOptions{})
	f(": ping\n\n", wire.FollowOptions{})
}

func BenchmarkChunkForwarded(b *testing.B) { benchmarkChunk(b, wire.FollowOptions{}) }
func BenchmarkChunkChanged(b *testing.B) {
	benchmarkChunk(b, wire.FollowOptions{StripUsage: true, Model: "a/public-name"})
}

func benchmarkChunk(b *testing.B, o wire.FollowOptions) {
	step := stepper(b, sampleChunk, o)
	b.SetBytes(int64(len(sampleChunk)))
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
