package guard_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"sluice/internal/guard"
	"sluice/internal/llm"
)

// TestLimits holds that nothing runs on for ever: each kind of text that gets room stops at its limit, and not long before.
func TestLimits(t *testing.T) {
	t.Parallel()
	var r guard.Repetition
	f := func(name string, channel llm.PartKind, unit func(int) string, from, to int) {
		t.Helper()
		r.Reset()
		for n, i := 0, 0; ; i++ {
			u := unit(i)
			n += len(u)
			if r.Add(channel, []byte(u)) {
				if n < from {
					t.Errorf("%s: stopped after %d bytes, want at least %d", name, n, from)
				}
				return
			}
			if n > to {
				t.Errorf("%s: not stopped after %d bytes, want at most %d", name, n, to)
				return
			}
		}
	}
	same := func(s string) func(int) string { return func(int) string { return s } }
	bracket := func(s string) func(int) string {
		return func(i int) string {
			if i == 0 {
				return "{1, "
			}
			return s
		}
	}
	const kib = 1 << 10
	f("words", llm.PartText, same("la "), 704, 800)
	f("words with commas", llm.PartText, same("very, "), 704, 800)
	f("words in brackets", llm.PartText, bracket("very, "), 32*kib, 33*kib)
	f("words in a string", llm.PartToolCall, func(i int) string {
		if i == 0 {
			return `{"query":"`
		}
		return "very, "
	}, 704, 800)
	f("line breaks", llm.PartText, same("\n"), 512, 600)
	f("escaped line breaks", llm.PartToolCall, same(`\n`), 2*512, 2*600)
	f("spaces", llm.PartText, same(" "), 4096, 4300)
	f("equal lines", llm.PartText, same("I will not do it.\n"), 128*18, 150*18)
	f("equal lines, thought", llm.PartThinking, same("Let me look at this once more.\n"), 704, 30*31)
	f("counted lines", llm.PartText, func(i int) string { return fmt.Sprintf("Line %d is much like the next one.\n", i+10000) }, 1024*38, 1100*42)
	f("counted lines, thought", llm.PartThinking, func(i int) string { return fmt.Sprintf("Try %d does not work either.\n", i+1000) }, 128*30, 160*34)
	f("a table's rule", llm.PartText, same("---"), 2*kib, 2200)
	f("path", llm.PartToolCall, same("src/main/"), 2*kib, 2200)
	f("base64", llm.PartText, same("AAAA"), 32*kib, 33*kib)
	f("digits", llm.PartText, same("3"), 32*kib, 33*kib)
	f("short lines", llm.PartText, same("OK\n"), 32*kib, 33*kib)
	f("zeros", llm.PartText, same("0, "), 32*kib, 65*kib)
	f("objects", llm.PartToolCall, same(`{"id":1},`), 64*kib, 65*kib)
	f("rows", llm.PartText, same("| a | b |\n"), 64*kib, 65*kib)
	f("code", llm.PartText, same("\t*p++ = 0;\n"), 64*kib, 65*kib)
	f("rows of numbers", llm.PartText, func(i int) string { return fmt.Sprintf("| %d | %d |\n", i, i*i) }, 256*kib, 260*kib)
	f("random digits", llm.PartText, func(i int) string { return fmt.Sprint((i*7919 + 13) * 104729 % 9973) }, 32*kib, 260*kib)
	f("brackets", llm.PartToolCall, same("["), 704, 800)
	f("tables in markup", llm.PartText, same("<td></td>"), 64*kib, 65*kib)
	f("a long unit", llm.PartText, same(strings.Repeat("All work and no play makes him dull; ", 1)), 704, 800)
}

func TestChannelsAreApart(t *testing.T) {
	t.Parallel()
	var r guard.Repetition
	for i := range 100 {
		// Half of what it takes, on each.
		for _, channel := range []llm.PartKind{llm.PartText, llm.PartThinking, llm.PartToolCall} {
			if r.Add(channel, []byte("well ")) && i < 140 {
				t.Fatalf("channel %v: stopped after %d bytes", channel, 5*(i+1))
			}
		}
	}
	for i := 0; !r.Add(llm.PartThinking, []byte("well ")); i++ {
		if i > 100 {
			t.Fatal("thinking is not stopped")
		}
	}
	if r.Add(llm.PartText, []byte("fine")) {
		t.Error("the text is stopped, but only the thinking repeats itself")
	}
	if !r.Add(llm.PartThinking, []byte("This is another thing.")) {
		t.Error("a channel that was stopped goes on")
	}
	r.Reset()
	if r.Add(llm.PartThinking, []byte("This is another thing.")) {
		t.Error("another answer is stopped from its start")
	}
}

// TestCutsDoNotMatter holds that a text gets the same verdict at the same check, however it is cut.
func TestCutsDoNotMatter(t *testing.T) {
	t.Parallel()
	var texts [][]byte
	var channels []llm.PartKind
	for _, name := range files(t, "testdata/loops/*") {
		_, channel, text := readLoop(t, name)
		texts, channels = append(texts, escaped(t, text), text), append(channels, channel, channel)
	}
	wants := make([]int, len(texts))
	for i, text := range texts {
		var r guard.Repetition
		wants[i] = stop(&r, channels[i], text, every(1))
	}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(texts)-1).Draw(t, "text")
		cuts := rapid.SliceOfN(rapid.IntRange(1, 100), 1, 20).Draw(t, "cuts")
		var r guard.Repetition
		at, next, last := 0, 0, 0
		got := stop(&r, channels[i], texts[i], func() int {
			last = cuts[next%len(cuts)]
			next++
			at += last
			return last
		})
		if want := wants[i]; want > got || want <= got-last && want >= 0 || want < 0 != (got < 0) {
			t.Fatalf("stopped at %d, at the end of a piece of %d bytes; a byte at a time it is %d", got, last, want)
		}
	})
}

// TestEscapes holds that a text is judged alike in every form that it may come in.
func TestEscapes(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, "testdata/loops/*") {
		_, channel, text := readLoop(t, name)
		if strings.Contains(string(text[:min(len(text), 5000)]), `\`) {
			continue // escaped already
		}
		var r guard.Repetition
		want := stop(&r, channel, text, every(1))
		for !utf8.Valid(text[:want]) && want < len(text) {
			want++
		}
		for form, text := range map[string][]byte{"escaped": escaped(t, text[:want]), "in ASCII": ascii(t, text[:want])} {
			r.Reset()
			if got := stop(&r, channel, text, every(1)); got <= len(text)-2*len(`\ud83d\ude02`) {
				t.Errorf("%s, %s: stopped at %d of %d", name, form, got, len(text))
			}
		}
	}
}

func TestMemory(t *testing.T) {
	short := []byte(strings.Repeat("A short answer. ", 31))
	long := read(t, "testdata/legit/chinese-prose.txt")
	piece := []byte(`,\n  {\"id\": 17}`)
	f := func(name string, want float64, run func()) {
		t.Helper()
		if got := testing.AllocsPerRun(20, run); got > want {
			t.Errorf("%s: %v allocations, want %v", name, got, want)
		}
	}
	f("nothing", 0, func() {
		var r guard.Repetition
		r.Add(llm.PartText, nil)
		r.Reset()
	})
	f("short answer", 1, func() {
		var r guard.Repetition
		r.Add(llm.PartText, short)
	})
	f("long answer", 2, func() {
		var r guard.Repetition
		r.Add(llm.PartText, long)
	})
	var r guard.Repetition
	r.Add(llm.PartText, long)
	f("another answer", 0, func() {
		r.Reset()
		r.Add(llm.PartText, long)
	})
	f("a piece", 0, func() { r.Add(llm.PartText, piece) })
}

func FuzzRepetition(f *testing.F) {
	for _, name := range files(f, "testdata/loops/*") {
		_, _, text := readLoop(f, name)
		f.Add(text[:min(len(text), 1200)], uint8(7))
	}
	f.Add([]byte(`😀\ud83d😀`), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, cut uint8) {
		text = text[:min(len(text), 8<<10)]
		for _, channel := range []llm.PartKind{llm.PartText, llm.PartThinking, llm.PartToolCall} {
			var one, other guard.Repetition
			n := int(cut%97) + 1
			want := stop(&one, channel, text, every(1))
			got := stop(&other, channel, text, every(n))
			if want < 0 != (got < 0) || got < want || got-want >= n {
				t.Fatalf("stopped at %d, cut to pieces of %d at %d", want, n, got)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	for _, name := range []string{"../../../../docs/DESIGN.md", "stories.md", "array-equal-objects.json", "csv-numbers.csv", "chinese-prose.txt", "chant-lines.txt", "base64-zeros.txt"} {
		text := read(b, "testdata/legit/"+name)
		b.Run(filepath.Base(name), func(b *testing.B) {
			var r guard.Repetition
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				for at := 0; at < len(text); at += 16 {
					if r.Add(llm.PartText, text[at:min(at+16, len(text))]) {
						b.Fatal("stopped")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text)), "ns/byte")
		})
	}
}
