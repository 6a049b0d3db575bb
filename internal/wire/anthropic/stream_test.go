package anthropic

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

func TestStreamIsForwardedAsItIs(t *testing.T) {
	t.Parallel()
	text := ": hi\n\n" + oldStream()
	var s Stream
	s.Reset(wire.FollowOptions{Choices: 1})
	if got := follow(t, &s, strings.NewReader(text)); got != text {
		t.Errorf("forwarded %q, want %q", got, text)
	}
	want := wire.Progress{
		Content: true, Text: true, Done: true, HasUsage: true, Tier: "default", OutputBytes: len("Hé\nllo 😀"),
		Usage: llm.Usage{Input: 140, CachedInput: 100, CacheWrite: 30, CacheWriteLong: 20, Output: 15, Reasoning: 4},
	}
	if d := cmp.Diff(want, *s.State()); d != "" || !s.Finished() {
		t.Errorf("state differs (-want +got):\n%s\nfinished %t", d, s.Finished())
	}
	if out := s.End(nil); len(out) > 0 {
		t.Errorf("end is %q", out)
	}
}

func TestStreamContent(t *testing.T) {
	t.Parallel()
	f := func(data string, content, text bool, size int) {
		t.Helper()
		var s Stream
		s.Reset(wire.FollowOptions{})
		in := stream(data)
		if got := follow(t, &s, strings.NewReader(in)); got != in || s.Content != content || s.Text != text || s.OutputBytes != size {
			t.Errorf("%s: content %t, text %t, %d bytes; forwarded %q", data, s.Content, s.Text, s.OutputBytes, got)
		}
	}
	f(startEvent, false, false, 0)
	f(pingEvent, false, false, 0)
	f(textStart, false, false, 0)
	f(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"ab"}}`, true, true, 2)
	f(`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`, false, false, 0)
	f(`{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"x"}}`, true, false, 0)
	f(`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"abc","input":{}}}`, true, true, 3)
	f(`{"type":"content_block_start","index":0,"content_block":{"type":"web_search_tool_result","tool_use_id":"t","content":[]}}`, true, true, 0)
	f(textDelta1, true, true, 4)
	f(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`, false, false, 0)
	f(`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"abc"}}`, true, false, 3)
	f(`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"abc"}}`, false, false, 0)
	f(`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}`, true, true, 3)
	f(`{"type":"content_block_stop","index":0}`, false, false, 0)
	f(`{"type":"brand_new_event","text":"x"}`, false, false, 0)
}

// TestFixtureUnnamedEvents: official clients pass over events without a name, so they get the one that their data states.
func TestFixtureUnnamedEvents(t *testing.T) {
	t.Parallel()
	f := func(o wire.FollowOptions, in, want string) {
		t.Helper()
		var s Stream
		s.Reset(o)
		if got := follow(t, &s, strings.NewReader(in)); got != want {
			t.Errorf("%q:\n got %q\nwant %q", in, got, want)
		}
	}
	plain := wire.FollowOptions{}
	f(plain, "data: "+textDelta1+"\n\n", "event: content_block_delta\ndata: "+textDelta1+"\n\n")
	f(plain, "id: 7\r\ndata:"+stopEvent+"\r\n\r\n", "event: message_stop\nid: 7\r\ndata:"+stopEvent+"\r\n\r\n")
	f(plain, "data: {\"type\":\ndata: \"ping\"}\n\n", "event: ping\ndata: {\"type\": \"ping\"}\n\n")
	f(plain, "data: {\"type\":\"later_event\",\"x\":1}\n\n", "event: later_event\ndata: {\"type\":\"later_event\",\"x\":1}\n\n")
	f(plain, "data: {\"type\":\"bad\\nname\"}\n\n", "data: {\"type\":\"bad\\nname\"}\n\n")
	f(plain, "data: {\"x\":1}\n\ndata: [DONE]\n\n", "data: {\"x\":1}\n\ndata: [DONE]\n\n")

	var reader Stream
	reader.Reset(plain)
	unnamed := strings.ReplaceAll(newStream(), "event: ", "ignored: ")
	follow(t, &reader, strings.NewReader(unnamed))
	if !reader.Done || !reader.Finished() || reader.Usage.Output != 50 {
		t.Errorf("state of an unnamed stream %+v", reader.Progress)
	}
	got, err := fold(t, strings.NewReader(unnamed))
	if want, _ := ReadAnswer([]byte(newWhole)); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("unnamed stream folds to %+v, %v", got, err)
	}
}

func TestStreamModelName(t *testing.T) {
	t.Parallel()
	o := wire.FollowOptions{Model: `smart "one"`}
	want := strings.Replace(oldStream(), `"model":"claude-sonnet-5"`, `"model":"smart \"one\""`, 1)
	f := func(in, want string) {
		t.Helper()
		var s Stream
		s.Reset(o)
		if got := follow(t, &s, strings.NewReader(in)); got != want {
			t.Errorf("forwarded %q, want %q", got, want)
		}
	}
	f(oldStream(), want)
	f(strings.Replace(oldStream(), "event: message_start\n", "", 1), want)
	f("event: message_start\ndata: {\"type\":\"message_start\",\ndata: \"message\":{\"model\":\"m\"}}\n\n",
		"event: message_start\ndata: {\"type\":\"message_start\", \"message\":{\"model\":\"smart \\\"one\\\"\"}}\n\n")
	f("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":null}}\n\n",
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":null}}\n\n")
}

// TestFixtureErrorInStream: errors within a 200 stream end it, for the follower and for the reader alike.
func TestFixtureErrorInStream(t *testing.T) {
	t.Parallel()
	f := func(event string, kind llm.Kind, code string) {
		t.Helper()
		in := stream(startEvent, textStart, textDelta1) + event
		var s Stream
		s.Reset(wire.FollowOptions{})
		out := follow(t, &s, strings.NewReader(in+stream(stopEvent)))
		if want := stream(startEvent, textStart, textDelta1); out != want {
			t.Errorf("forwarded %q", out)
		}
		if s.Err == nil || s.Err.Kind != kind || s.Err.ProviderCode != code || s.Err.Sent != llm.WasSent || s.Finished() || s.Done {
			t.Errorf("%q: error %+v, finished %t", event, s.Err, s.Finished())
		}
		if !s.HasUsage || !s.Usage.Estimated || s.Usage.Input != 140 {
			t.Errorf("usage %+v", s.Usage)
		}
		if _, err := fold(t, strings.NewReader(in)); err == nil || err.Kind != kind {
			t.Errorf("%q: reader says %v", event, err)
		}
	}
	f("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"req_1\"}\n\n", llm.KindOverloaded, "overloaded_error")
	f("data: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Internal server error\"}}\n\n", llm.KindProviderStream, "api_error")
	f("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\",\"details\":{\"error_code\":\"ramp_limit_exceeded\"}}}\n\n", llm.KindRateLimited, "ramp_limit_exceeded")
	f("event: error\ndata: {\"error\":{\"type\":\"timeout_error\",\"message\":\"x\"}}\n\n", llm.KindProviderStream, "timeout_error")
	f("event: error\ndata: upstream broke\n\n", llm.KindProviderStream, "")

	var s Stream
	s.Reset(wire.FollowOptions{})
	follow(t, &s, strings.NewReader(stream(startEvent)+"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n"))
	if s.HasUsage {
		t.Error("an error in place of an answer is billed")
	}
	want := "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\",\"details\":{\"error_code\":\"provider_overloaded\"}},\"request_id\":null}\n\n"
	if got := string(s.Fail(nil, llm.Errorf(llm.KindOverloaded, "m"))); got != want {
		t.Errorf("fail writes %q, want %q", got, want)
	}
}

func TestStreamMalformed(t *testing.T) {
	t.Parallel()
	var s Stream
	s.Reset(wire.FollowOptions{})
	in := stream(startEvent) + "event: content_block_delta\ndata: {\"type\":\n\ndata: nope\n\nevent: x\ndata: [1]\n\n" + stream(endDelta, stopEvent, pingEvent)
	if got, want := follow(t, &s, strings.NewReader(in)), stream(startEvent, endDelta, stopEvent); got != want || s.Malformed != 3 {
		t.Errorf("forwarded %q, want %q; %d malformed", got, want, s.Malformed)
	}
	var all []llm.Event
	all, err := NewReader().Read(all, []byte("x"), []byte("nope"))
	if err != nil || len(all) != 1 || all[0].Kind != llm.EventMalformed {
		t.Errorf("reader makes %+v, %v", all, err)
	}
}

// TestStreamUsageIsEstimatedUntilTheEnd: what message_start states of the output is 1, whatever follows.
func TestStreamUsageIsEstimatedUntilTheEnd(t *testing.T) {
	t.Parallel()
	var s Stream
	s.Reset(wire.FollowOptions{})
	long := `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"` + strings.Repeat("word ", 80) + `"}}`
	follow(t, &s, strings.NewReader(stream(startEvent, textStart, long)))
	want := llm.Usage{Input: 140, CachedInput: 100, CacheWrite: 30, CacheWriteLong: 20, Output: 100, Estimated: true}
	if d := cmp.Diff(want, s.Usage); d != "" || !s.HasUsage {
		t.Errorf("usage differs (-want +got):\n%s", d)
	}
}

// TestStreamDoesNotAllocate holds the follower, the reader and the writer to it for text, once their buffers have their size.
func TestStreamDoesNotAllocate(t *testing.T) {
	delta := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a little \"text\" of some tokens"}}`)
	raw := wire.AppendEvent(nil, blockDelta, delta)
	at := strings.Index(string(raw), "{")
	var s Stream
	s.Reset(wire.FollowOptions{Model: "m"})
	reader := NewReader()
	writer := NewWriter(&llm.Head{ID: "1"})
	var all []llm.Event
	for _, e := range []string{startEvent, textStart} {
		all, _ = reader.Read(all[:0], nil, []byte(e))
		for i := range all {
			writer.Write(nil, &all[i])
		}
	}
	out := make([]byte, 0, 4096)
	name := []byte(blockDelta)
	for _, unnamed := range []bool{false, true} {
		n := testing.AllocsPerRun(200, func() {
			ev := wire.Event{Name: name, Data: raw[at : at+len(delta)], Raw: raw, At: at}
			if unnamed {
				ev.Name = nil
			}
			if s.Observe(&ev) != wire.Forward {
				t.Error("not forwarded")
			}
			all, _ = reader.Read(all[:0], name, delta)
			for i := range all {
				out = writer.Write(out[:0], &all[i])
			}
		})
		if n != 0 || len(out) == 0 {
			t.Errorf("unnamed %t: %v allocations an event, %d bytes written", unnamed, n, len(out))
		}
	}
}
