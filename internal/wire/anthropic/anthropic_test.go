package anthropic

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// update writes the golden files anew: go test ./internal/wire/anthropic -update.
var update = flag.Bool("update", false, "write golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
}

// events calls f with each event of a stream, as the reader cuts it.
func events(t testing.TB, src io.Reader, f func(ev *wire.Event)) {
	t.Helper()
	var r wire.Reader
	for {
		_, err := r.Fill(src)
		for {
			ev, ok, fault := r.Next()
			if fault != nil {
				t.Fatal(fault)
			}
			if !ok {
				break
			}
			f(&ev)
		}
		if err == io.EOF {
			if ev, ok := r.Last(); ok {
				f(&ev)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// follow sends a stream through a follower and returns what a client gets.
func follow(t testing.TB, s *Stream, src io.Reader) string {
	t.Helper()
	var out []byte
	events(t, src, func(ev *wire.Event) {
		if s.Observe(ev) == wire.Forward {
			out = append(out, ev.Raw...)
		}
	})
	return string(out)
}

// fold reads a stream of a target to its answer.
func fold(t testing.TB, src io.Reader) (*llm.Answer, *llm.Error) {
	t.Helper()
	var f llm.Folder
	var all []llm.Event
	var failed *llm.Error
	r := NewReader()
	events(t, src, func(ev *wire.Event) {
		if failed != nil || ev.Comment {
			return
		}
		all, failed = r.Read(all[:0], ev.Name, ev.Data)
		for i := range all {
			f.Add(&all[i])
		}
	})
	if failed == nil {
		all, failed = r.End(all[:0])
		for i := range all {
			f.Add(&all[i])
		}
	}
	return f.Answer(), failed
}

// stream makes a stream of events, each under the name that its data states.
func stream(data ...string) string {
	var out []byte
	for _, d := range data {
		var f frame
		f.read(nil, []byte(d))
		out = wire.AppendEvent(out, string(nameIn(f.typ.Of([]byte(d)))), d)
	}
	return string(out)
}

// splitReader gives a text in two reads.
type splitReader struct{ parts [2]string }

func (s *splitReader) Read(b []byte) (int, error) {
	for i := range s.parts {
		if s.parts[i] != "" {
			n := copy(b, s.parts[i])
			s.parts[i] = s.parts[i][n:]
			return n, nil
		}
	}
	return 0, io.EOF
}

func splitAt(text string, at int) io.Reader {
	return &splitReader{[2]string{text[:at], text[at:]}}
}

// Streams as the two versions of the API have them; recorded shapes of the official documentation and of the SDKs' types.
const (
	startEvent = `{"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-5","content":[],` +
		`"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":100,` +
		`"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1,"service_tier":"standard"}}}`
	textStart  = `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	textDelta1 = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé\n"}}`
	textDelta2 = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"llo 😀"}}`
	textStop   = `{"type":"content_block_stop","index":0}`
	pingEvent  = `{"type": "ping"}`
	endDelta   = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15,"output_tokens_details":{"thinking_tokens":4}}}`
	stopEvent  = `{"type":"message_stop"}`
)

// oldStream is one of version 2023-06-01.
func oldStream() string {
	return stream(startEvent, pingEvent, textStart, textDelta1, pingEvent, textDelta2, textStop, endDelta, stopEvent)
}

// newStream is one of version 2026-10-21: thinking with a signature, a text with citations, two tool calls, a server tool, and
// the members that the new types have.
func newStream() string {
	return stream(
		`{"type":"message_start","message":{"id":"msg_02","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],"stop_reason":null,`+
			`"stop_sequence":null,"stop_details":null,"container":null,"diagnostics":null,"usage":{"input_tokens":7,"cache_creation_input_tokens":0,`+
			`"cache_read_input_tokens":0,"cache_creation":null,"output_tokens":1,"output_tokens_details":null,"server_tool_use":null,`+
			`"service_tier":"priority","speed":"standard","inference_geo":"global"}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me "}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"see."}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"EmwK"}}`,
		`{"type":"content_block_stop","index":1}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{},"caller":{"type":"direct"}}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"query\":"}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"go\"}"}}`,
		`{"type":"content_block_stop","index":2}`,
		`{"type":"content_block_start","index":3,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://go.example","title":"Go","encrypted_content":"x","page_age":null}],"caller":{"type":"direct"}}}`,
		`{"type":"content_block_stop","index":3}`,
		`{"type":"content_block_start","index":4,"content_block":{"type":"text","text":"","citations":[]}}`,
		`{"type":"content_block_delta","index":4,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","cited_text":"Go is","url":"https://go.example","title":"Go","encrypted_index":"Eo8"}}}`,
		`{"type":"content_block_delta","index":4,"delta":{"type":"text_delta","text":"Go is a language."}}`,
		`{"type":"content_block_delta","index":4,"delta":{"type":"citations_delta","citation":{"type":"page_location","cited_text":"p","document_index":0,"document_title":"Doc","start_page_number":1,"end_page_number":2,"file_id":null}}}`,
		`{"type":"content_block_stop","index":4}`,
		`{"type":"content_block_start","index":5,"content_block":{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{},"caller":{"type":"direct"}}}`,
		`{"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":""}}`,
		`{"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Z"}}`,
		`{"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":"ürich\"}"}}`,
		`{"type":"content_block_stop","index":5}`,
		`{"type":"content_block_start","index":6,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{},"caller":{"type":"direct"}}}`,
		`{"type":"content_block_stop","index":6}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"container":null},`+
			`"usage":{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":50,"output_tokens_details":{"thinking_tokens":20},"server_tool_use":{"web_search_requests":1,"web_fetch_requests":0}}}`,
		stopEvent,
	)
}

// newWhole is newStream in one piece.
const newWhole = `{"id":"msg_02","type":"message","role":"assistant","model":"claude-opus-5-5","content":[` +
	`{"type":"thinking","thinking":"Let me see.","signature":"EqQB"},{"type":"redacted_thinking","data":"EmwK"},` +
	`{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"go"},"caller":{"type":"direct"}},` +
	`{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://go.example","title":"Go","encrypted_content":"x","page_age":null}],"caller":{"type":"direct"}},` +
	`{"type":"text","text":"Go is a language.","citations":[{"type":"web_search_result_location","cited_text":"Go is","url":"https://go.example","title":"Go","encrypted_index":"Eo8"},` +
	`{"type":"page_location","cited_text":"p","document_index":0,"document_title":"Doc","start_page_number":1,"end_page_number":2,"file_id":null}]},` +
	`{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"city": "Zürich"},"caller":{"type":"direct"}},` +
	`{"type":"tool_use","id":"toolu_2","name":"now","input":{},"caller":{"type":"direct"}}],` +
	`"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"container":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":0,` +
	`"cache_read_input_tokens":0,"cache_creation":null,"output_tokens":50,"output_tokens_details":{"thinking_tokens":20},"server_tool_use":{"web_search_requests":1,"web_fetch_requests":0},"service_tier":"priority","speed":"standard","inference_geo":"global"}}`

// TestFixtureChunkSplits reads both versions' streams cut in two at every byte, the shorter one with every kind of line end:
// what comes out is the same.
func TestFixtureChunkSplits(t *testing.T) {
	t.Parallel()
	old := oldStream()
	for _, text := range []string{newStream(), old, strings.ReplaceAll(old, "\n", "\r\n"), strings.ReplaceAll(old, "\n", "\r")} {
		want, err := fold(t, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var s Stream
		for at := range len(text) {
			got, err := fold(t, splitAt(text, at))
			if err != nil {
				t.Fatalf("cut at %d: %v", at, err)
			}
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("cut at %d: answer differs (-want +got):\n%s", at, cmp.Diff(want, got))
			}
			s.Reset(wire.FollowOptions{})
			if out := follow(t, &s, splitAt(text, at)); out != text || !s.Done || !s.Finished() {
				t.Fatalf("cut at %d: forwarded %q, done %t, finished %t", at, out, s.Done, s.Finished())
			}
		}
	}
}

// TestFixtureBothVersions holds that a stream of the new version adds up to the answer in one piece.
func TestFixtureBothVersions(t *testing.T) {
	t.Parallel()
	f := func(whole, text string) {
		t.Helper()
		want, err := ReadAnswer([]byte(whole))
		if err != nil {
			t.Fatal(err)
		}
		got, err := fold(t, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("fold of the stream differs from the whole answer (-whole +fold):\n%s", d)
		}
	}
	f(newWhole, newStream())
	f(`{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-5","content":[{"type":"text","text":"Hé\nllo 😀"}],`+
		`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":100,`+
		`"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":15,"output_tokens_details":{"thinking_tokens":4},`+
		`"service_tier":"standard"}}`, oldStream())
}

// TestFixtureMissingEnd reads streams that lack their last events or their last blank line.
func TestFixtureMissingEnd(t *testing.T) {
	t.Parallel()
	f := func(text string, kind llm.Kind, done bool) {
		t.Helper()
		_, err := fold(t, strings.NewReader(text))
		if got := kindOfError(err); got != kind {
			t.Errorf("reader: %v, want %v", got, kind)
		}
		var s Stream
		s.Reset(wire.FollowOptions{})
		follow(t, &s, strings.NewReader(text))
		if s.Finished() != (kind == llm.KindNone) || s.Done != done {
			t.Errorf("follower: finished %t, done %t", s.Finished(), s.Done)
		}
	}
	f(oldStream(), llm.KindNone, true)
	f(strings.TrimSuffix(oldStream(), "\n\n"), llm.KindNone, true)
	f(strings.TrimSuffix(oldStream(), "\n"), llm.KindNone, true)
	f(stream(startEvent, textStart, textDelta1, textStop, endDelta), llm.KindNone, false)
	f(stream(startEvent, textStart, textDelta1, endDelta), llm.KindNone, false)
	f(stream(startEvent, textStart, textDelta1, textStop), llm.KindTruncated, false)
	f(stream(startEvent, textStart, textDelta1, textStop, stopEvent), llm.KindTruncated, true)
	f("", llm.KindTruncated, false)
}

func kindOfError(e *llm.Error) llm.Kind {
	if e == nil {
		return llm.KindNone
	}
	return e.Kind
}
