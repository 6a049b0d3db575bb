package tally

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"sluice/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// picture is a data URL of a picture.
func picture(t *testing.T, w, h int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestReadRequest(t *testing.T) {
	t.Parallel()
	f := func(name, text string, want *Prompt) {
		t.Helper()
		got, ok := ReadRequest(text)
		if ok != (want != nil) {
			t.Fatalf("%s: ok %v", name, ok)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("text", "hello", nil)
	f("array", `[{"messages":[]}]`, nil)
	f("broken", `{"messages":[{`, nil)
	f("other JSON", `{"input":"x"}`, nil)
	f("no content", `{"model":"m"}`, nil)
	f("chat", ` {"model":"m","n":2,"max_completion_tokens":50,"messages":[{"role":"user","name":"bo","content":"hi"},
		{"role":"assistant","content":null,"refusal":"no","tool_calls":[{"id":"1"}]}],"tools":[1],"response_format":{"a":1}}`, &Prompt{
		Kind: Chat, Model: "m", Messages: 2, Output: 100, Parts: []Part{
			{Role: "user", Text: "user"},
			{Role: "user", Text: "bo", Name: true},
			{Role: "user", Text: "hi"},
			{Role: "assistant", Text: "assistant"},
			{Role: "assistant", Text: "no"},
			{Role: "assistant", Text: `[{"id":"1"}]`},
			{Role: "tools", Text: "[1]"},
			{Role: "schema", Text: `{"a":1}`},
		},
	})
	f("blocks", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"input_audio"},
		{"type":"image_url","image_url":{"url":"`+picture(t, 20, 10)+`","detail":"high"}},{"type":"input_image","image_url":"http://x","detail":"low"}]}]}`, &Prompt{
		Kind: Chat, Model: "m", Messages: 1, Parts: []Part{
			{Role: "user", Text: "user"},
			{Role: "user", Text: "a"},
			{Role: "user", Other: "input_audio"},
			{Role: "user", Image: &Image{20, 10, "high"}},
			{Role: "user", Image: &Image{Detail: "low"}},
		},
	})
	f("anthropic", `{"model":"claude-x","max_tokens":9,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[
		{"type":"image","source":{"type":"base64","media_type":"image/png","data":"`+strings.TrimPrefix(picture(t, 3, 4), "data:image/png;base64,")+`"}},
		{"type":"tool_use","name":"get","input":{"a":1}},{"type":"tool_result","content":[{"type":"text","text":"r"}]},{"type":"document"}]}]}`, &Prompt{
		Kind: Chat, Model: "claude-x", Messages: 2, Output: 9, Parts: []Part{
			{Role: "system", Text: "s"},
			{Role: "user", Text: "user"},
			{Role: "user", Image: &Image{Width: 3, Height: 4}},
			{Role: "user", Text: `get{"a":1}`},
			{Role: "user", Text: "r"},
			{Role: "user", Other: "document"},
		},
	})
	f("completion", `{"model":"m","prompt":["a","b"],"max_tokens":5}`, &Prompt{Kind: Completion, Model: "m", Output: 5, Parts: []Part{{Role: "prompt", Text: "a"}, {Role: "prompt", Text: "b"}}})
	f("tokens", `{"model":"m","input":[[1,2],[3]]}`, &Prompt{Kind: Embedding, Model: "m", Parts: []Part{{Role: "input", Tokens: 2}, {Role: "input", Tokens: 1}}})
	f("absurd", `{"model":"m","prompt":"a","max_tokens":9223372036854775807,"n":9223372036854775807}`,
		&Prompt{Kind: Completion, Model: "m", Output: maxOutput * maxChoices, Parts: []Part{{Role: "prompt", Text: "a"}}})
}

func TestImageTokens(t *testing.T) {
	t.Parallel()
	f := func(model string, w, h int, detail string, want int64) {
		t.Helper()
		if got := (&Image{w, h, detail}).tokens(model); got != want {
			t.Errorf("%s %d x %d %s: %d, want %d", model, w, h, detail, got, want)
		}
	}
	f("openai/gpt-4o", 1024, 1024, "high", 765) // the examples of the documentation
	f("gpt-4o", 2048, 4096, "high", 1105)
	f("gpt-4o", 4096, 8192, "low", 85)
	f("gpt-4o", 0, 0, "", 765)
	f("gpt-4o-mini", 1024, 1024, "", 25501)
	f("gpt-4.1-mini", 1024, 1024, "", 1659)
	f("gpt-4.1-mini", 10000, 10000, "", 2489)
	f("claude-opus-5", 1000, 1000, "", 1334)
	f("claude-opus-5", 100, 15680, "", 21)
	f("gemini-3-pro", 384, 384, "", 258)
	f("gemini-3-pro", 1920, 1080, "", 6*258)
	f("unheard-of", 512, 512, "", 255)
}

func mustCount(t testing.TB, counter *model.Counter, p *Prompt, models ...string) []Count {
	t.Helper()
	all, err := CountPrompt(t.Context(), counter, p, models...)
	if err != nil {
		t.Error(err)
	}
	return all
}

// TestPiecesAddUp holds the rule by which long texts are cut: on texts of all kinds of characters the tokens of the pieces are those of
// the whole.
func TestPiecesAddUp(t *testing.T) {
	t.Parallel()
	counter := model.NewCounter()
	words := []string{
		" ", "  ", "\n", "\r\n", "\t", "a", "Word", "WORDS", "it's", "'S", "don'T", "'ll", "1", "1234567", "3.14", "!", "=>", "/", "//", "語", "もの", "é",
		"\u0301", "\u00a0", "\u2003", "🙂", "<|endoftext|>", "x1", "_", "camelCase", "ß", "I", "the", "quick", "ǅ", "ʰ", "\xff",
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 60).Draw(rt, "words"), rapid.SampledFrom([]string{"", " "}).Draw(rt, "between"))
		for _, name := range []string{"gpt-4o", "gpt-4"} {
			sum, pieces := int64(0), 0
			for rest := text; rest != ""; pieces++ {
				n := boundary(rest, 1)
				sum += counter.Count(name, rest[:n]).Tokens
				rest = rest[n:]
			}
			if whole := counter.Count(name, text).Tokens; sum != whole {
				rt.Fatalf("%s: %q in %d pieces has %d tokens, as a whole %d", name, text, pieces, sum, whole)
			}
		}
	})
	long := strings.Repeat("It's 12 o'clock, and all is well! ", 3*pieceSize/34)
	if whole, pieces := counter.Count("gpt-4o", long).Tokens, mustCount(t, counter, TextPrompt(long), "gpt-4o")[0].Tokens; whole != pieces {
		t.Errorf("a long text: %d tokens in pieces, %d as a whole", pieces, whole)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := CountPrompt(ctx, counter, TextPrompt(long), "gpt-4o"); err == nil || err.Error() != "enough" {
		t.Errorf("canceled: %v", err)
	}
}

func TestCountPrompt(t *testing.T) {
	t.Parallel()
	counter := model.NewCounter()
	p, _ := ReadRequest(`{"model":"m","messages":[{"role":"user","name":"user","content":[{"type":"text","text":"hello world"},{"type":"file"}]}],"tools":[]}`)
	got := mustCount(t, counter, p, "gpt-4o", "gpt-4.1", "claude-opus-5", "gpt-4")
	o200k := Count{Tokens: 3 + 3 + 1 + 1 + 1 + 2 + 1, Vocabulary: "o200k_base", Roles: map[string]int64{"user": 4, "overhead": 7, "tools": 1}, Uncounted: map[string]int{"file": 1}}
	guess := o200k
	guess.Vocabulary, guess.Tokens, guess.Roles = "", 6+1+1+1+3+1, map[string]int64{"user": 5, "overhead": 7, "tools": 1}
	cl100k := o200k
	cl100k.Vocabulary = "cl100k_base"
	if diff := cmp.Diff([]Count{o200k, o200k, guess, cl100k}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := mustCount(t, counter, TextPrompt("hello world"), "gpt-4o")[0]; !n.Exact || n.Tokens != 2 || n.How(Text) != "exact (o200k_base)" {
		t.Errorf("text: %+v", n)
	}
	var sum Count
	for _, c := range got[:2] {
		sum.Add(c)
	}
	if sum.Tokens != 24 || sum.Exact || sum.Roles["user"] != 8 || cmp.Diff([]string{"2 file"}, sum.Left()) != "" {
		t.Errorf("sum: %+v", sum)
	}
	if got[0].Tokens != 12 || got[0].Roles["user"] != 4 || got[0].Uncounted["file"] != 1 {
		t.Errorf("the sum changed what was added: %+v", got[0])
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	table := model.Embedded()
	info, _ := table.Lookup("openai", "gpt-4o")
	f := func(name string, info *model.Info, tokens int64, p *Prompt, terms Terms, want Quote) {
		t.Helper()
		want.Requests = 1
		if diff := cmp.Diff(want, NewQuote(info, &Count{Tokens: tokens}, p, terms)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	chat := &Prompt{Kind: Chat, Output: 200}
	f("plain", info, 1000, chat, Terms{}, Quote{Priced: true, InputTokens: 1000, Input: 2_500_000, Total: 2_500_000})
	f("what the request allows", info, 1000, chat, Terms{Output: -1}, Quote{Priced: true, InputTokens: 1000, OutputTokens: 200, Input: 2_500_000, Output: 2_000_000, Total: 4_500_000})
	f("cached and in a batch", info, 1000, chat, Terms{Output: 100, Cached: Cached{Share: 0.4}, Batch: true},
		Quote{Priced: true, InputTokens: 1000, CachedTokens: 400, OutputTokens: 100, Input: 750_000, Cached: 250_000, Output: 500_000, Total: 1_500_000})
	f("more cached than there is", info, 10, chat, Terms{Cached: Cached{Tokens: 50}}, Quote{Priced: true, InputTokens: 10, CachedTokens: 10, Cached: 12_500, Total: 12_500})
	f("embeddings have no output", info, 0, &Prompt{Kind: Embedding}, Terms{Output: 100}, Quote{Priced: true})
	f("unknown", nil, 5, chat, Terms{}, Quote{Why: "the model is not in the price table", InputTokens: 5})
	groq, _ := table.Lookup("perplexity", "sonar")
	f("no batch", groq, 5, chat, Terms{Batch: true}, Quote{Why: "the price table has no batch price for the model", InputTokens: 5})
	var sum Quote
	sum.Add(NewQuote(info, &Count{Tokens: 1000}, chat, Terms{}))
	sum.Add(NewQuote(nil, &Count{Tokens: 5}, chat, Terms{}))
	sum.Add(NewQuote(info, &Count{Tokens: 1000}, chat, Terms{}))
	if sum.Priced || sum.Requests != 3 || sum.Total != 5_000_000 || sum.InputTokens != 2005 {
		t.Errorf("a sum with a part of unknown price: %+v", sum)
	}
	if (Terms{OutputMax: true}).Check(nil) == nil || (Terms{OutputMax: true}).Check(info) != nil || (Terms{}).Check(nil) != nil {
		t.Error("the most output is asked for where it is not known")
	}
}

func TestParseCached(t *testing.T) {
	t.Parallel()
	f := func(s string, want Cached, ok bool) {
		t.Helper()
		got, err := ParseCached(s)
		if got != want || (err == nil) != ok {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	f("1500", Cached{Tokens: 1500}, true)
	f("80%", Cached{Share: 0.8}, true)
	f("0.25", Cached{Share: 0.25}, true)
	f("0", Cached{}, true)
	f("1", Cached{Tokens: 1}, true)
	for _, s := range []string{"", "-1", "101%", "1.5", "NaN", "NaN%", "x"} {
		f(s, Cached{}, false)
	}
}

// collect runs Lines and words its results.
func collect(ctx context.Context, src io.Reader) (string, error) {
	var b strings.Builder
	err := Lines(ctx, src, func(p *Prompt) int { return len(p.Parts[0].Text) }, func(l Line[int]) error {
		switch {
		case errors.Is(l.Err, ErrLineTooLong):
			fmt.Fprintf(&b, "%d:long ", l.Number)
		case l.Err != nil:
			fmt.Fprintf(&b, "%d:bad ", l.Number)
		default:
			fmt.Fprintf(&b, "%d:%d ", l.Number, l.Result)
		}
		return nil
	})
	return b.String(), err
}

func TestLines(t *testing.T) {
	t.Parallel()
	f := func(name, file, want string) {
		t.Helper()
		if got, err := collect(t.Context(), strings.NewReader(file)); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	f("empty", "", "")
	f("blank", "\n \n", "")
	f("numbers", "{\"text\":\"a\"}\n\n{\"text\":\"abc\"}\r\nno\n{\"text\":\"\"}", "1:1 3:3 4:bad 5:0 ")
	long := "{\"text\":\"" + strings.Repeat("x", MaxLine) + "\"}"
	f("long", "{\"text\":\"a\"}\n"+long+"\n{\"text\":\"b\"}\n", "1:1 2:long 3:1 ")
	f("long at the end", "{\"text\":\"a\"}\n"+long, "1:1 2:long ")
	var many, want strings.Builder
	for i := range 3*groupLines + 7 {
		fmt.Fprintf(&many, "{\"text\":%q}\n", strings.Repeat("y", i%50))
		fmt.Fprintf(&want, "%d:%d ", i+1, i%50)
	}
	f("several groups, in order", many.String(), want.String())

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := collect(ctx, strings.NewReader("{\"text\":\"a\"}\n")); err == nil || err.Error() != "enough" {
		t.Errorf("canceled: %v", err)
	}
	broken := io.MultiReader(strings.NewReader("{\"text\":\"a\"}\n"), &failingReader{})
	if _, err := collect(t.Context(), broken); err == nil || err.Error() != "read line 2: the disk is gone" {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

type failingReader struct{}

func (*failingReader) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

// FuzzReadLine holds that no line makes the count panic or negative.
func FuzzReadLine(f *testing.F) {
	f.Add([]byte(`{"custom_id":"a","body":{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}}`))
	f.Add([]byte(`{"model":"m","input":[[1],[2]]}`))
	f.Add([]byte(`{"text":"x"}`))
	f.Add([]byte(`{"prompt":["a"],"max_tokens":-5,"n":-1}`))
	f.Add([]byte(`{"system":"s","messages":[{"content":[{"type":"tool_result","content":[{"type":"tool_result","content":"x"}]}]}]}`))
	counter := model.NewCounter()
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := ReadLine(line)
		if err != nil {
			return
		}
		for _, c := range mustCount(t, counter, p, "claude-x", "gemini-x", "gpt-4.1-mini") {
			if c.Tokens < 0 || p.Output < 0 {
				t.Errorf("%q: %+v, output %d", line, c, p.Output)
			}
		}
	})
}

// BenchmarkLines tells the megabytes of a batch file that are counted in a second.
func BenchmarkLines(b *testing.B) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog, and then it counts the tokens of what it said. ", 20)
	line := fmt.Sprintf(`{"custom_id":"x","body":{"model":"gpt-4o","messages":[{"role":"user","content":%q}]}}`+"\n", text)
	file := strings.Repeat(line, 500)
	counter := model.NewCounter()
	counter.Count("gpt-4o", "x") // loads the vocabulary
	for _, name := range []string{"gpt-4o", "claude-opus-5"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				err := Lines(b.Context(), strings.NewReader(file), func(p *Prompt) int64 {
					return mustCount(b, counter, p, name)[0].Tokens
				}, func(Line[int64]) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
