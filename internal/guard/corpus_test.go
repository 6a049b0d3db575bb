package guard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/internal/guard"
	"sluice/internal/llm"
)

// root is the repository's, from here.
const root = "../.."

// bytesPerToken is what limits in tokens are reckoned with.
const bytesPerToken = 4

// stop returns the number of bytes after which the text is called a loop, given in pieces of the sizes that cut gives; -1 if never.
func stop(r *guard.Repetition, channel llm.PartKind, text []byte, cut func() int) int {
	for at := 0; at < len(text); {
		n := min(cut(), len(text)-at)
		if r.Add(channel, text[at:at+n]) {
			return at + n
		}
		at += n
	}
	return -1
}

func every(n int) func() int { return func() int { return n } }

// odd cuts into pieces of changing sizes.
func odd() func() int {
	sizes, i := []int{1, 7, 3, 19, 2, 64, 5, 1, 130, 11}, 0
	return func() int { i++; return sizes[i%len(sizes)] }
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, error %v", pattern, len(names), err)
	}
	return names
}

// escaped is the text as the inside of a JSON string.
func escaped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(text)); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))[1 : b.Len()-2]
}

// ascii is escaped with \uXXXX in place of all that is not ASCII.
func ascii(t testing.TB, text []byte) []byte {
	t.Helper()
	var b []byte
	for _, r := range string(escaped(t, text)) {
		switch {
		case r < 0x80:
			b = append(b, byte(r))
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04X\u%04X`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		}
	}
	return b
}

// pass holds that a text is not called a loop, in any form and on any channel where it may stand.
func pass(t *testing.T, name string, text []byte) {
	t.Helper()
	channels := []llm.PartKind{llm.PartText, llm.PartToolCall}
	if strings.HasPrefix(filepath.Base(name), "thinking") {
		channels = append(channels, llm.PartThinking)
	}
	var r guard.Repetition
	for _, channel := range channels {
		f := func(form string, text []byte, cut func() int) {
			r.Reset()
			if at := stop(&r, channel, text, cut); at >= 0 {
				t.Errorf("%s as %s, %s: called a loop after %d of %d bytes, at %q", name, channel, form, at, len(text), text[max(0, at-60):at])
			}
		}
		f("plain", text, every(16))
		f("plain, cut oddly", text, odd())
		f("escaped", escaped(t, text), odd())
		f("in ASCII", ascii(t, text), every(4))
	}
}

// TestLegitimate holds the guard to never stopping what only looks like a loop: the corpus, and this repository itself.
func TestLegitimate(t *testing.T) {
	t.Parallel()
	names := files(t, "testdata/legit/*")
	if len(names) < 60 {
		t.Errorf("the corpus has %d files, want at least 60", len(names))
	}
	for _, name := range names {
		text := read(t, name)
		if len(text) < 2048 {
			t.Errorf("%s has %d bytes, want at least 2048", name, len(text))
		}
		pass(t, name, text)
	}
}

func TestLegitimateRepository(t *testing.T) {
	t.Parallel()
	n := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "bench-out", "loops", "measurements"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		switch filepath.Ext(name) {
		case ".go", ".md", ".tsv", ".sql", ".yaml", ".html", ".css", ".ts":
			n++
			text := read(t, name)
			var r guard.Repetition
			for form, text := range map[string][]byte{"plain": text, "escaped": escaped(t, text)} {
				if at := stop(&r, llm.PartText, text, odd()); at >= 0 {
					t.Errorf("%s, %s: called a loop after %d of %d bytes, at %q", name, form, at, len(text), text[max(0, at-60):at])
				}
				r.Reset()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 300 {
		t.Errorf("only %d files were read", n)
	}
}

// loop is the first line of a file in testdata/loops. The text of the rest begins to repeat itself at Start, and must be stopped
// within Limit bytes from there. Start is where the first copy begins; where one copy is too long for that, where it ends.
type loop struct {
	Channel string `json:"channel"`
	Start   int    `json:"start"`
	Limit   int    `json:"limit"`
}

func readLoop(t testing.TB, name string) (loop, llm.PartKind, []byte) {
	t.Helper()
	first, text, _ := bytes.Cut(read(t, name), []byte("\n"))
	var l loop
	if err := json.Unmarshal(first, &l); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	channel, ok := map[string]llm.PartKind{"text": llm.PartText, "thinking": llm.PartThinking, "tool": llm.PartToolCall}[l.Channel]
	if !ok {
		t.Fatalf("%s: no channel %q", name, l.Channel)
	}
	return l, channel, text
}

// TestLoops holds that each loop is stopped in time, and no text before its start.
func TestLoops(t *testing.T) {
	t.Parallel()
	names := files(t, "testdata/loops/*")
	if len(names) < 40 {
		t.Errorf("the corpus has %d files, want at least 40", len(names))
	}
	within, slowest := 0, 0
	for _, name := range names {
		l, channel, text := readLoop(t, name)
		var r guard.Repetition
		at := stop(&r, channel, text, every(1))
		switch {
		case at < 0:
			t.Errorf("%s: not stopped within %d bytes", name, len(text))
			continue
		case at < l.Start:
			t.Errorf("%s: stopped at %d, before the loop begins at %d", name, at, l.Start)
		case at > l.Start+l.Limit:
			t.Errorf("%s: stopped %d bytes after its start, want %d", name, at-l.Start, l.Limit)
		}
		tokens := (at - l.Start + bytesPerToken - 1) / bytesPerToken
		t.Logf("%4d tokens %s", tokens, filepath.Base(name))
		if l.Limit <= 200*bytesPerToken {
			within++
			slowest = max(slowest, tokens)
		}
	}
	t.Logf("%d of %d loops have to stop within 200 tokens; the slowest takes %d", within, len(names), slowest)
	if within < 40 || slowest > 200 {
		t.Errorf("%d loops with the limit of 200 tokens, the slowest stopped after %d; want 40, and 200", within, slowest)
	}
}
