package sim

import (
	"strconv"
	"strings"
	"testing"

	"sluice/internal/llm"
)

// madeWriter is a writer of events that a test can read.
type madeWriter struct{}

func (madeWriter) Write(dst []byte, e *llm.Event) []byte {
	return append(dst, "event: step\ndata: {\"kind\":"+strconv.Itoa(int(e.Kind))+"}\n\n"...)
}

func (madeWriter) End(dst []byte) []byte                { return append(dst, "event: end\ndata: {}\n\n"...) }
func (madeWriter) Fail(dst []byte, _ *llm.Error) []byte { return dst }

// opened returns what a stream of Anthropic's dialect begins with under some faults.
func opened(t *testing.T, faults string) string {
	t.Helper()
	x := &exchange{ask: &ask{dialect: llm.Anthropic}, job: &job{talk: &talk{}}, s: &Server{}, fx: noEffects()}
	all, err := parseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].apply(&x.fx)
	}
	k := &streamer{x: x}
	v := &codecVoice{x: x, writer: madeWriter{}, parts: make([]openPart, 1)}
	v.open(k, 1)
	v.close(k)
	return string(k.buf)
}

func TestFaultsCombineAndCount(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Faults = []FaultRule{{Fault: "500", Models: []string{"sim-s*"}, First: 2}}
	s, c := start(t, cfg)
	a := c.chat("sim-fast:crlf+no-done+cut;after=6;form=eof", question, streamed)
	if j := join(t, a.body, 1); j.done || !strings.Contains(a.body, "\r\n\r\n") || CountTokens(j.texts[0]) != 6 {
		t.Errorf("combined: %q", a.body)
	}
	f := func(name, model, header string, want ...int) {
		t.Helper()
		for i, status := range want {
			body := `{"model":"` + model + `","messages":[{"role":"user","content":"x"}]}`
			if got := c.do("POST", "/chat/completions", body, "X-Sim-Fault", header).status; got != status {
				t.Errorf("%s, request %d: status %d, want %d", name, i+1, got, status)
			}
		}
	}
	f("first", "sim-fast:503;first=2", "", 503, 503, 200, 200)
	f("first, other key", "sim-fast:503;first=1", "", 503, 200)
	f("skip", "sim-fast:503;skip=1;first=2", "", 200, 503, 503, 200)
	f("header", "sim-fast", "429;first=1", 429, 200)
	f("header wins", "sim-fast:503", "429", 429)
	f("bad header", "sim-fast", "nonsense", 400)
	f("p=0", "sim-fast:503;p=0", "", 200)
	f("rule", "sim-slow", "", 500, 500, 200)
	f("rule for others", "sim-fast", "", 200)
	if got := settled(s).Faults; got["503"] != 5 || got["429"] != 2 || got["500"] != 2 {
		t.Errorf("counts %v", got)
	}
	s.Reset()
	f("rule after a reset", "sim-slow", "", 500, 500, 200)
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		_, err := parseFaults(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("parseFaults(%q): %v, want %q", text, err, want)
		}
	}
	f("cut", "")
	f("cut;after=3;form=mid+crlf", "")
	f(" cut ; after=3 + crlf", "")
	f("error-529;after=1;form=ms;p=0.5;first=3;skip=2", "")
	f("", "unknown fault")
	f("cut+", "unknown fault")
	f("error-418", "unknown fault")
	f("cut;when=3", `takes no "when"`)
	f("crlf;after=3", `takes no "after"`)
	f("cut;after", "is no number")
	f("cut;after=-1", "below 0")
	f("split;bytes=0", "below 1")
	f("cut;form=odd", "none of rst|fin|eof|mid")
	f("slow;delay=5", "no duration")
	f("html;status=200", "below 400")
	f("html;status=700", "no error status")
	f("503;p=2", "not from 0 to 1")
	f("503;p=NaN", "not from 0 to 1")
}

// FuzzParseFaults checks that no text makes the parser or what it leads to panic, and that a model's name is either left
// whole or separated at its first colon.
func FuzzParseFaults(f *testing.F) {
	for _, s := range []string{"sim-fast", "m:cut;after=3+crlf", "llama3:8b", "a:b:cut", ":503", "m:503;p=.5;first=1;skip=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		base, faults, err := splitModel(name)
		if base != name && (base == "" && name[0] != ':' || !strings.HasPrefix(name, base+":")) || err == nil && base != name && len(faults) == 0 {
			t.Fatalf("splitModel(%q) = %q, %d faults, %v", name, base, len(faults), err)
		}
		e := noEffects()
		for i := range faults {
			faults[i].apply(&e)
		}
		if len(e.names) != len(faults) {
			t.Errorf("%d faults, %d names", len(faults), len(e.names))
		}
	})
}
