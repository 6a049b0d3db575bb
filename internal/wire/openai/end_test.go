package openai_test

import (
	"strings"
	"testing"

	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// TestEndOfStream checks what a client gets at the end of a stream whose provider leaves the mark out, or states the usage too soon.
func TestEndOfStream(t *testing.T) {
	t.Parallel()
	const (
		text   = `{"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}`
		finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
		usage  = `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`
		mark   = "[DONE]"
	)
	f := func(name string, want string, datas ...string) {
		t.Helper()
		var s openai.Stream
		for range 2 { // a follower is used again
			s.Reset(wire.FollowOptions{Pieces: true})
			var out []byte
			for _, d := range datas {
				raw := []byte("data: " + d + "\n\n")
				ev := wire.Event{Raw: raw, Data: raw[6 : len(raw)-2], At: 6}
				if s.Observe(&ev) == wire.Forward {
					out = append(out, ev.Raw...)
				}
			}
			if s.Finished() {
				out = s.End(out)
			}
			var got []string
			for e := range strings.SplitSeq(strings.TrimSuffix(string(out), "\n\n"), "\n\n") {
				switch strings.TrimPrefix(e, "data: ") {
				case text:
					got = append(got, "text")
				case finish:
					got = append(got, "finish")
				case usage:
					got = append(got, "usage")
				case mark:
					got = append(got, "done")
				default:
					t.Fatalf("%s: client got %q", name, out)
				}
			}
			if g := strings.Join(got, " "); g != want {
				t.Errorf("%s: client got %s, want %s", name, g, want)
			}
		}
	}
	f("as it should be", "text finish usage done", text, finish, usage, mark)
	f("no mark", "text finish usage done", text, finish, usage)
	f("usage first", "text finish usage done", text, usage, finish, mark)
	f("usage first, no mark", "text finish usage done", text, usage, finish)
	f("usage twice", "text finish usage done", usage, text, usage, finish, mark)
	f("never finished", "text done", text, usage, mark)
}
