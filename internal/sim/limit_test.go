package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestRateLimitOnTheWire(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Models = []ModelConfig{{Name: "sim-fast", RPM: 1, TPM: 100000}}
	_, c := start(t, cfg)
	a := c.chat("sim-fast", "hi", streamed)
	if a.status != 200 || a.header.Get("X-Ratelimit-Limit-Requests") != "1" || a.header.Get("X-Ratelimit-Remaining-Requests") != "0" ||
		a.header.Get("X-Ratelimit-Limit-Tokens") != "100000" {
		t.Errorf("first: %d %v", a.status, a.header)
	}
	if d, err := time.ParseDuration(a.header.Get("X-Ratelimit-Reset-Requests")); err != nil || d > time.Minute || d < 50*time.Second {
		t.Errorf("reset %q: %v", a.header.Get("X-Ratelimit-Reset-Requests"), err)
	}
	a = c.chat("sim-fast", "hi", "")
	refused(t, a, 429, "requests", "", "rate_limit_exceeded")
	if f := c.chat("sim-fast:503", "hi", ""); f.status != 503 || f.header.Get("X-Ratelimit-Limit-Requests") != "1" {
		t.Errorf("a fault's answer: %d %v", f.status, f.header)
	}
	if s, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || s < 50 || s > 60 || a.header.Get("Retry-After-Ms") == "" ||
		a.header.Get("X-Ratelimit-Remaining-Requests") != "0" {
		t.Errorf("headers %v", a.header)
	}
}

func TestPromptCache(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	prefix := strings.Repeat("a long prefix that is the same in each prompt ", 150) // 1,500 tokens
	f := func(prompt string, want int64) {
		t.Helper()
		if got := parse(t, c.chat("sim-fast", prompt, "").body).Usage; got.Details.Cached != want {
			t.Errorf("%d of %d tokens cached, want %d", got.Details.Cached, got.Prompt, want)
		}
	}
	f(prefix+"first", 0)
	f(prefix+"second", 1408) // 1024 + 3 x 128
	f("other "+prefix, 0)
	f("short", 0)
	f("short", 0)
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	get := func(extra string) (vectors [][]float64, tokens int64) {
		t.Helper()
		var v struct {
			Data []struct {
				Index     int
				Embedding []float64
			}
			Usage usage
		}
		decode(t, c.do("POST", "/embeddings", `{"model":"sim-embed",`+extra+`}`), &v)
		for i, d := range v.Data {
			if d.Index != i {
				t.Errorf("index %d at %d", d.Index, i)
			}
			if n := math.Sqrt(dot(d.Embedding, d.Embedding)); math.Abs(n-1) > 1e-5 {
				t.Errorf("length of vector %d is %v, want 1", i, n)
			}
			vectors = append(vectors, d.Embedding)
		}
		return vectors, v.Usage.Prompt
	}
	v, tokens := get(`"input":["the keeper opens the gate","the keeper opens a gate","zebras sing loudly at noon","the keeper opens the gate"]`)
	if len(v) != 4 || len(v[0]) != 256 || tokens != 20 {
		t.Fatalf("%d vectors of %d, %d tokens", len(v), len(v[0]), tokens)
	}
	if near, far, same := dot(v[0], v[1]), dot(v[0], v[2]), dot(v[0], v[3]); near < 0.6 || far > 0.4 || same < 0.99999 {
		t.Errorf("similarity of near texts %v, of far texts %v, of equal texts %v", near, far, same)
	}
	if one, _ := get(`"input":"the keeper opens the gate","dimensions":16`); len(one) != 1 || len(one[0]) != 16 {
		t.Errorf("dimensions 16 gave %d", len(one[0]))
	}
	if ints, tokens := get(`"input":[[1,2,3],[4]]`); len(ints) != 2 || tokens != 4 || dot(ints[0], ints[1]) > 0.99 {
		t.Errorf("tokens: %d vectors, usage %d", len(ints), tokens)
	}
	const kind = "invalid_request_error"
	refused(t, c.do("POST", "/embeddings", `{"model":"sim-embed","input":""}`), 400, kind, "input", "")
	refused(t, c.do("POST", "/embeddings", `{"model":"sim-embed","input":"a","dimensions":512}`), 400, kind, "dimensions", "")
	refused(t, c.do("POST", "/embeddings", `{"model":"sim-embed","input":"`+strings.Repeat("a ", 8193)+`"}`), 400, kind, "input", "")
	many := strings.Repeat(`"`+strings.Repeat("a ", 8000)+`",`, 37)
	refused(t, c.do("POST", "/embeddings", `{"model":"sim-embed","input":[`+many+`"`+strings.Repeat("a ", 8000)+`"]}`), 400,
		"max_tokens_per_request", "input", "max_tokens_per_request")
	a := c.do("POST", "/embeddings", `{"model":"sim-embed:429","input":"a"}`)
	refused(t, a, 429, "rate_limit_error", "", "rate_limit_exceeded")
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func TestCountTokens(t *testing.T) {
	t.Parallel()
	f := func(text string, want int64) {
		t.Helper()
		if got := CountTokens(text); got != want {
			t.Errorf("CountTokens(%q) = %d, want %d", text, got, want)
		}
	}
	f("", 0)
	f(" \n\t ", 0)
	f("one", 1)
	f("one two, three.", 5)
	f("snake_case42", 1)
	f("thirteenbytes", 2)
	f("größte Schleuse", 2)
	f(strings.Repeat("é", 13), 3)
	f(`{"a": 1}`, 7)
	for _, v := range []*vocabulary{&english, &manyScripts} {
		for _, words := range [][]string{v.determiners, v.adjectives, v.nouns, v.verbs, v.places, v.adverbs} {
			for _, w := range words {
				f(w, 1)
				f("x"+w, 2)
			}
		}
	}
}

// FuzzCutToken checks that tokens put together are the text, and that no rune of a valid text is cut.
func FuzzCutToken(f *testing.F) {
	for _, s := range []string{"", "a b", "größte 水門 💧.", "\xff\xfe", strings.Repeat("é", 40), "  "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var joined []byte
		var tokens int64
		for src := (source{fixed: []byte(s)}); !src.done(); {
			var n int64
			joined, n = src.append(joined)
			tokens += n
		}
		if string(joined) != s || tokens != CountTokens(s) {
			t.Errorf("%q came back as %q with %d tokens, counted %d", s, joined, tokens, CountTokens(s))
		}
	})
}

func TestProseReadsLikeSentences(t *testing.T) {
	t.Parallel()
	p := prose{rng: 3, words: &english}
	var text []byte
	for i := range 200 {
		text = p.append(text, i == 199)
	}
	if got := string(text); CountTokens(got) != 200 || !strings.HasSuffix(got, ".") || got[0] < 'A' || got[0] > 'Z' || strings.Contains(got, "  ") {
		t.Errorf("%d tokens: %s", CountTokens(got), got)
	}
}

func ExampleCountTokens() {
	fmt.Println(CountTokens("Open the gate, please!"))
	// Output: 6
}
